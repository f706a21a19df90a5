/* SPDX-License-Identifier: MIT */

/* Gather over tasks that exist already: a callback at the end of each. All that is needed goes when the
 * waiter does; the tasks are not ours. */

#include <errno.h>
#include <kettle/callback.h>
#include <kettle/memory.h>

#include "core/core.h"

typedef struct gather gather;

typedef struct slot {
    kt_callback ended;
    gather *gather;
    kt_task *task;
    size_t first; /* slot of the same task; this very one, unless the task is there twice */
} slot;

struct gather {
    kt_task *waiter; /* NULL once it has been woken */
    size_t live, count;
    int *rcs;        /* where results go, or NULL */
    kt_task *failed; /* the first in time, without rcs */
    bool cancelled;
    slot slots[];
};

static void wake_waiter(gather *g, int rc)
{
    kt__wake(kt_steal(g->waiter), rc);
}

static void task_ended(void *arg)
{
    slot *s = arg;
    gather *g = s->gather;
    int rc = s->task->rc;
    s->task->told = true;
    g->live--;
    if (g->rcs)
        g->rcs[s - g->slots] = rc;
    if (g->waiter && rc < 0 && !g->rcs) {
        g->failed = s->task;
        wake_waiter(g, rc);
    } else if (g->waiter && g->live == 0) {
        wake_waiter(g, g->cancelled ? KT_ECANCELED : 0);
    }
}

/* The slot of a task that has been entered already: its callback is the last one of the task's, since
 * nobody else has run meanwhile. Tasks that are done have none, and need none. */
static size_t first_slot(const gather *g, const kt_task *t, size_t otherwise)
{
    const kt_callback *last = t->callbacks.last;
    if (!last || last->fn != task_ended)
        return otherwise;
    const slot *s = last->arg;
    return s->gather == g ? (size_t)(s - g->slots) : otherwise;
}

/* One that is done counts at once, as in asyncio since 3.12. */
static void count_done(gather *g, const slot *s)
{
    s->task->told = true;
    if (g->rcs)
        g->rcs[s - g->slots] = s->task->rc;
    else if (s->task->rc < 0 && !g->failed)
        g->failed = s->task;
}

static gather *watch_all(kt_task *self, kt_task *const tasks[], size_t n, int rcs[])
{
    if (n > (SIZE_MAX - sizeof(gather)) / sizeof(slot))
        return NULL;
    gather *g = kt_calloc(1, sizeof *g + n * sizeof(slot));
    if (!g)
        return NULL;
    g->waiter = self;
    g->rcs = rcs;
    for (; g->count < n; g->count++) {
        slot *s = &g->slots[g->count];
        *s = (slot){.gather = g, .task = tasks[g->count], .ended = KT_CALLBACK_INIT};
        if (s->task == self)
            kt__misuse("kt_gather_tasks: a task must not wait for itself");
        if (s->task->loop != self->loop)
            kt__misuse("kt_gather_tasks: a task of another loop cannot be waited for");
        s->first = first_slot(g, s->task, g->count);
        if (s->task->state == KT__TASK_DONE) {
            count_done(g, s);
        } else if (s->first == g->count) {
            kt_task_on_done(s->task, &s->ended, task_ended, s);
            g->live++;
        }
    }
    return g;
}

static void unwatch(gather *g)
{
    for (size_t i = 0; i < g->count; i++) {
        slot *s = &g->slots[i];
        (void)kt_callback_cancel(&s->ended);
        if (g->rcs && s->first != i && s->task->state == KT__TASK_DONE)
            g->rcs[i] = s->task->rc;
    }
    kt_free(g);
}

/* Did any take it? */
static bool cancel_tasks(gather *g, const char *words)
{
    bool taken = false;
    for (size_t i = 0; i < g->count; i++)
        if (g->slots[i].first == i && kt_task_cancel_with(g->slots[i].task, words))
            taken = true;
    g->cancelled = g->cancelled || taken;
    return taken;
}

static bool forward(kt_task *t)
{
    return cancel_tasks(t->wait_object, t->cancel_words);
}

/* For a request that comes back, from a task that waits for its own gatherer; where all are done it stays with the
 * waiter, who is about to be woken. */
static void leave(kt_task *t)
{
    gather *g = t->wait_object;
    bool running = false;
    for (size_t i = 0; i < g->count; i++)
        running = running || g->slots[i].task->state != KT__TASK_DONE;
    if (running)
        wake_waiter(g, t->code);
}

static void awaits_slots(const kt_task *t, kt__each each, void *arg)
{
    const gather *g = t->wait_object;
    for (size_t i = 0; i < g->count; i++)
        if (g->slots[i].first == i && g->slots[i].task->state != KT__TASK_DONE)
            each(g->slots[i].task, arg);
}

static const kt__wait wait_tasks = {
    .what = "gathered tasks",
    .cancel = leave,
    .raced = kt__raced_plain,
    .forward = forward,
    .awaits = awaits_slots,
};

static int wait_for_tasks(kt_task *self, gather *g)
{
    if (self->code) { /* a request that nobody has seen yet goes to what is awaited, as in asyncio */
        kt__forward_active(self);
        cancel_tasks(g, self->cancel_words);
    }
    kt__wait_begin(self, &wait_tasks, g);
    return kt__forwarded_end(self, kt__not_cut_short(self, kt__park(self)));
}

int kt_gather_tasks(kt_task *const tasks[], size_t n, int ret_rcs[])
{
    kt_task *self = kt__self("kt_gather_tasks");
    if (self->code && self->delivered)
        return kt__yield(self);
    if (n == 0)
        return 0;
    gather *g = watch_all(self, tasks, n, ret_rcs);
    if (!g)
        return -ENOMEM;
    int rc = g->live > 0 && !g->failed ? wait_for_tasks(self, g) : 0;
    if (g->failed && (rc == 0 || rc == g->failed->rc))
        rc = kt_task_await(g->failed); /* is done: this brings its words */
    unwatch(g);
    return rc;
}
