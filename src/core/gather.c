/* SPDX-License-Identifier: MIT */

/* Gather: many jobs, results by position. */

#include <errno.h>
#include <kettle/memory.h>

#include "core/core.h"

typedef struct gather gather;

typedef struct slot {
    gather *gather;
    kt_task *task; /* NULL once it has ended */
} slot;

/* Lives until the waiter has left and the last child has ended. */
struct gather {
    kt_task *waiter; /* NULL once it has left, or will at its next turn */
    size_t live, count;
    int rc;   /* the first failure, in time */
    int *rcs; /* where results go, or NULL */
    bool cancelled;
    char *detail; /* of the first failure */
    slot slots[];
};

static void release_if_over(gather *g)
{
    if (g->waiter || g->live > 0)
        return;
    kt_free(g->detail);
    kt_free(g);
}

static void wake_waiter(gather *g, int rc)
{
    kt_task *waiter = kt_steal(g->waiter);
    if (rc < 0 && g->detail) {
        kt_free(waiter->detail);
        waiter->detail = kt_steal(g->detail);
    }
    kt__wake(waiter, rc);
}

static void child_done(kt_task *t)
{
    slot *s = t->owner;
    gather *g = s->gather;
    s->task = NULL;
    g->live--;
    if (g->waiter && g->rcs)
        g->rcs[s - g->slots] = t->rc;
    if (t->rc < 0 && g->rc == 0) {
        g->rc = t->rc;
        g->detail = kt_steal(t->detail);
    }
    if (g->waiter && g->rc < 0 && !g->rcs)
        wake_waiter(g, g->rc);
    else if (g->waiter && g->live == 0)
        wake_waiter(g, g->cancelled ? KT_ECANCELED : 0);
    kt__task_free(t);
    release_if_over(g);
}

/* Did any take it? */
static bool cancel_children(gather *g, const char *words)
{
    bool taken = false;
    for (size_t i = 0; i < g->count; i++)
        if (g->slots[i].task && kt_task_cancel_with(g->slots[i].task, words))
            taken = true;
    g->cancelled = g->cancelled || taken;
    return taken;
}

static bool forward(kt_task *t)
{
    return cancel_children(t->wait_object, t->cancel_words);
}

/* For a request that comes back, from a child that waits for its own gatherer; where all children are done it
 * stays with the waiter, who is about to be woken. */
static void leave(kt_task *t)
{
    gather *g = t->wait_object;
    bool running = false;
    for (size_t i = 0; i < g->count; i++)
        running = running || (g->slots[i].task && g->slots[i].task->state != KT__TASK_DONE);
    if (!running)
        return;
    g->waiter = NULL;
    kt__wake(t, t->code);
}

static void awaits_slots(const kt_task *t, kt__each each, void *arg)
{
    const gather *g = t->wait_object;
    for (size_t i = 0; i < g->count; i++)
        if (g->slots[i].task && g->slots[i].task->state != KT__TASK_DONE)
            each(g->slots[i].task, arg);
}

static const kt__wait wait_gather = {
    .what = "gathered tasks",
    .cancel = leave,
    .raced = kt__raced_plain,
    .forward = forward,
    .awaits = awaits_slots,
};

static int spawn_all(kt_task *self, const void *site, gather *g, const kt_job *jobs)
{
    for (; g->count < g->live; g->count++) {
        slot *s = &g->slots[g->count];
        const kt_job *job = &jobs[g->count];
        int rc = kt__task_new(self->loop, site, NULL, job->fn, job->arg, job->size, &s->task);
        if (rc < 0)
            return rc;
        s->gather = g;
        s->task->owner = s;
        s->task->on_done = child_done;
    }
    return 0;
}

int kt_gather(const kt_job *jobs, size_t n, int ret_rcs[])
{
    kt_task *self = kt__self("kt_gather");
    if (n == 0)
        return 0;
    if (self->code && self->delivered)
        return kt__yield(self);
    if (n > (SIZE_MAX - sizeof(gather)) / sizeof(slot))
        return -ENOMEM;
    gather *g = kt_calloc(1, sizeof *g + n * sizeof(slot));
    if (!g)
        return -ENOMEM;
    g->live = n;
    int rc = spawn_all(self, KT__SITE, g, jobs);
    if (rc < 0) {
        g->live = g->count; /* they have not started, and will not */
        cancel_children(g, NULL);
        release_if_over(g);
        return rc;
    }
    g->waiter = self;
    g->rcs = ret_rcs;
    if (self->code) { /* a request that nobody has seen yet goes to the children, as in asyncio */
        kt__forward_active(self);
        cancel_children(g, self->cancel_words);
    }
    kt__wait_begin(self, &wait_gather, g);
    return kt__forwarded_end(self, kt__not_cut_short(self, kt__park(self)));
}
