/* SPDX-License-Identifier: MIT */

/* Task groups. */

#include <errno.h>
#include <kettle/memory.h>

#include "core/core.h"

enum { OPEN, ABORTING = 1, JOINING = 2, CANCELLED = 4 };
#define IS_ABORTING(g) ((g)->state & ABORTING)
#define IS_JOINING(g) ((g)->state & JOINING)

/* ---- Children ------------------------------------------------------------------------------ */

static void children_add(kt_group *g, kt_task *t)
{
    t->sibling_prev = g->children_last;
    if (g->children_last)
        g->children_last->sibling_next = t;
    else
        g->children = t;
    g->children_last = t;
    g->live++;
}

static void children_remove(kt_group *g, kt_task *t)
{
    if (t->sibling_prev)
        t->sibling_prev->sibling_next = t->sibling_next;
    else
        g->children = t->sibling_next;
    if (t->sibling_next)
        t->sibling_next->sibling_prev = t->sibling_prev;
    else
        g->children_last = t->sibling_prev;
    g->live--;
}

/* Once: children that clean up after the first request must not be disturbed by another. */
static void abort_children(kt_group *g)
{
    if (IS_ABORTING(g))
        return;
    g->state |= ABORTING;
    for (kt_task *t = g->children; t; t = t->sibling_next)
        kt_task_cancel(t);
}

/* Nobody need be woken who joins: the end of the children does. */
static void abort_all(kt_group *g)
{
    abort_children(g);
    if (!IS_JOINING(g))
        kt__scope_fire(&g->scope);
}

void kt_group_cancel(kt_group *g)
{
    g->state |= CANCELLED;
    if (g->scope.task)
        abort_all(g);
}

static void child_failed(kt_group *g, kt_task *t)
{
    g->failed++;
    kt__failures_add(&g->failures, t, t->rc, g->failed);
    if (g->failed == 1) {
        g->rc = t->rc;
        g->detail = kt_steal(t->detail);
    }
    if (!IS_ABORTING(g))
        abort_all(g);
}

static void child_done(kt_task *t)
{
    kt_group *g = t->owner;
    children_remove(g, t);
    if (t->rc < 0 && t->rc != KT_ECANCELED)
        child_failed(g, t);
    if (g->live == 0 && IS_JOINING(g) && g->scope.task->state == KT__TASK_WAITING)
        kt__wake(g->scope.task, 0);
    if (!t->owner_keeps) {
        kt__task_free(t);
        return;
    }
    t->on_done = NULL; /* it is among the ended ones */
    t->sibling_prev = NULL;
    t->sibling_next = g->ended;
    if (g->ended)
        g->ended->sibling_prev = t;
    g->ended = t;
}

void kt__group_detach(kt_task *t)
{
    kt_group *g = t->owner;
    t->owner_keeps = false;
    if (t->on_done) /* the group has not seen its end */
        return;
    if (t->sibling_prev)
        t->sibling_prev->sibling_next = t->sibling_next;
    else
        g->ended = t->sibling_next;
    if (t->sibling_next)
        t->sibling_next->sibling_prev = t->sibling_prev;
    kt__task_free(t);
}

static int spawn(kt_group *g, const void *site, const kt_spawn_options *options, KT__JOB,
                 kt_task **ret_task)
{
    kt_loop *l = kt__loop;
    if (!l || !l->current)
        kt__misuse("kt_group_spawn may be called in a task only");
    if (g->scope.task && g->scope.task->loop != l)
        kt__misuse("kt_group_spawn: the group belongs to another loop");
    if (!g->scope.task && g->state & CANCELLED) {
        kt__scope_open(&g->scope, l->current, KT_ESIBLING);
        abort_all(g);
    }
    if (g->scope.task && IS_ABORTING(g))
        return kt_error_set(KT_ESIBLING, "the group is ending");
    kt_task *t;
    int rc = kt__task_new(l, site, options, fn, arg, size, &t);
    if (rc < 0)
        return rc;
    if (!g->scope.task)
        kt__scope_open(&g->scope, l->current, KT_ESIBLING);
    t->on_done = child_done;
    t->owner = g;
    children_add(g, t);
    if (ret_task) {
        t->owner_keeps = true;
        *ret_task = t;
    }
    if (options && options->eager)
        kt__run_now(l->current, t);
    if (t->state == KT__TASK_DONE) { /* it ended within the call: the group need not wait for its turn */
        kt__list_remove(&t->ready);
        child_done(t);
    }
    return 0;
}

int kt_group_spawn_with(kt_group *g, const kt_spawn_options *options, KT__JOB, kt_task **ret_task)
{
    return spawn(g, KT__SITE, options, fn, arg, size, ret_task);
}

int kt_group_spawn(kt_group *g, KT__JOB)
{
    return spawn(g, KT__SITE, NULL, fn, arg, size, NULL);
}

/* ---- Join ---------------------------------------------------------------------------------- */

/* A cancellation while it waits goes to the children, when the owner runs, as TaskGroup.__aexit__ has it;
 * then the wait goes on until they have ended. */
static void join_cancel(kt_task *t)
{
    kt__wake(t, t->code);
}

static void awaits_children(const kt_task *t, kt__each each, void *arg)
{
    const kt_group *g = t->wait_object;
    for (kt_task *child = g->children; child; child = child->sibling_next)
        if (child->state != KT__TASK_DONE)
            each(child, arg);
}

static const kt__wait wait_group = {
    .what = "its group's children",
    .cancel = join_cancel,
    .awaits = awaits_children,
};

/* Lets others run until the last child wakes the owner or a cancellation does. One that no call has returned
 * so far takes a turn, as any. */
static void join_turn(kt_task *self, kt_group *g)
{
    g->state |= JOINING; /* until its end; between two turns nobody else looks */
    if (self->code && !self->delivered) {
        int rc = kt__yield(self);
        (void)rc; /* self->code has it */
    } else {
        kt__wait_begin(self, &wait_group, g);
        kt__park(self);
    }
}

/* Again, if somebody added a child between the last one's end and our turn, as TaskGroup.__aexit__ does. */
static void wait_for_children(kt_task *self, kt_group *g)
{
    while (g->live > 0) {
        if (self->code && self->delivered)
            abort_children(g);
        join_turn(self, g);
    }
}

static void free_ended(kt_group *g)
{
    while (g->ended) {
        kt_task *t = g->ended;
        g->ended = t->sibling_next;
        kt__task_free(t);
    }
}

/* The first child's failure goes to the owner, words included unless the body has failed by itself. */
static int take_failure(kt_task *self, kt_group *g, bool body_failed)
{
    int rc = g->rc;
    if (g->failed > 0 && !body_failed) {
        kt_free(self->detail);
        self->detail = kt_steal(g->detail);
    }
    kt_free(kt_steal(g->detail));
    g->rc = 0;
    g->failed = 0;
    return rc;
}

/* A failure must not hide that the owner was asked to stop: asyncio's group cancels it anew (3.13), even
 * where it had caught that before. */
static int ends_with_errors(kt_task *self, int rc)
{
    if (rc < 0 && !kt_is_cancel(rc))
        kt__cancel_again(self);
    return rc;
}

/* All children have ended, and the body by rc: what is the result? */
static int end(kt_task *self, kt_group *g, int rc)
{
    bool cancelled = g->state & CANCELLED;
    if (rc < 0 && !kt_is_cancel(rc))
        kt__failures_add(&g->failures, self, rc, g->failed + 1);
    g->state = OPEN;
    rc = kt__scope_close(&g->scope, rc);
    bool body_failed = rc < 0 && !kt_is_cancel(rc);
    int failure = take_failure(self, g, body_failed);
    if (body_failed)
        return ends_with_errors(self, rc);
    if (failure < 0)
        return ends_with_errors(self, failure);
    self->delivered = self->delivered || self->code;
    if (self->code)
        return self->code;
    return cancelled && rc == KT_ESIBLING ? 0 : rc;
}

static int join(kt_task *self, kt_group *g, int rc)
{
    if (g->scope.task != self)
        kt__misuse("kt_group_join: only the task that spawned the first child joins a group");
    if (rc < 0)
        abort_children(g);
    wait_for_children(self, g);
    free_ended(g);
    return end(self, g, rc);
}

int kt_group_join(kt_group *g, int rc)
{
    kt_task *self = kt__self("kt_group_join");
    if (!g->scope.task) {
        g->state = OPEN;
        return ends_with_errors(self, rc); /* never had a child */
    }
    rc = join(self, g, rc);
    kt__failures_give(self, kt_steal(g->failures), rc);
    return rc;
}

/* The scope is being left with an error of its own, whose list of failures may be the task's already. If that was
 * a cancellation, it can still be caught: no child's failure takes its place, as one does at a join. */
void kt_group_cleanup(kt_group *g)
{
    if (!g->scope.task) {
        g->state = OPEN;
        return;
    }
    kt_task *self = kt__self("kt_group_cleanup");
    kt_cancel_hold();
    int rc = join(self, g, KT_ECANCELED);
    if (g->failures)
        kt__failures_give(self, kt_steal(g->failures), rc);
    kt_cancel_unhold();
}
