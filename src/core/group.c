/* SPDX-License-Identifier: MIT */

/* Task groups. */

#include <errno.h>
#include <kettle/memory.h>

#include "core/core.h"

enum { OPEN, ABORTING, JOINING = 2, JOINING_ABORTING = 3 };
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

void kt_group_cancel(kt_group *g)
{
    if (g->scope.task)
        abort_children(g);
}

static void child_failed(kt_group *g, kt_task *t)
{
    if (g->failed++ == 0) {
        g->rc = t->rc;
        g->detail = kt_steal(t->detail);
    }
    bool first = !IS_ABORTING(g);
    abort_children(g);
    if (first && !IS_JOINING(g))
        kt__scope_fire(&g->scope);
}

static void child_done(kt_task *t)
{
    kt_group *g = t->owner;
    children_remove(g, t);
    if (t->rc < 0 && t->rc != KT_ECANCELED)
        child_failed(g, t);
    if (g->live == 0 && IS_JOINING(g) && g->scope.task->state == KT__TASK_WAITING)
        kt__wake(g->scope.task, 0);
    if (t->owner_keeps) { /* somebody has a handle, which is good until the join */
        t->sibling_next = g->ended;
        g->ended = t;
    } else {
        kt__task_free(t);
    }
}

int kt_group_spawn_with(kt_group *g, const kt_spawn_options *options, KT__JOB, kt_task **ret_task)
{
    kt_loop *l = kt__loop;
    if (!l || !l->current)
        kt__misuse("kt_group_spawn may be called in a task only");
    if (g->scope.task && g->scope.task->loop != l)
        kt__misuse("kt_group_spawn: the group belongs to another loop");
    if (g->scope.task && IS_ABORTING(g))
        return kt_error_set(KT_ESIBLING, "the group is ending");
    kt_task *t;
    int rc = kt__task_new(l, options, fn, arg, size, &t);
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

int kt_group_spawn(kt_group *g, KT__JOB)
{
    return kt_group_spawn_with(g, NULL, fn, arg, size, NULL);
}

/* ---- Join ---------------------------------------------------------------------------------- */

/* A cancellation while it waits goes to the children, when the owner runs, as TaskGroup.__aexit__ has it;
 * then the wait goes on until they have ended. */
static void join_cancel(kt_task *t)
{
    kt__wake(t, t->code);
}

static const kt__wait wait_group = {"its group's children", join_cancel, NULL, NULL};

/* Lets others run until the last child wakes the owner or a cancellation does. One that no call has returned
 * so far takes a turn, as any. */
static void join_turn(kt_task *self, kt_group *g)
{
    g->state |= JOINING;
    if (self->code && !self->delivered) {
        int rc = kt__yield(self);
        (void)rc; /* self->code has it */
    } else {
        kt__wait_begin(self, &wait_group, g);
        kt__park(self);
    }
    g->state &= (uint8_t)~JOINING;
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

/* The first child's failure goes to the owner, words included. */
static int take_failure(kt_task *self, kt_group *g)
{
    int rc = g->rc;
    if (g->failed > 0) {
        kt_free(self->detail);
        self->detail = kt_steal(g->detail);
    }
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

int kt_group_join(kt_group *g, int rc)
{
    kt_task *self = kt__self("kt_group_join");
    if (!g->scope.task)
        return ends_with_errors(self, rc); /* never had a child */
    if (g->scope.task != self)
        kt__misuse("kt_group_join: only the task that spawned the first child joins a group");
    if (rc < 0)
        abort_children(g);
    wait_for_children(self, g);
    free_ended(g);
    g->state = OPEN;
    rc = kt__scope_close(&g->scope, rc);
    int failure = take_failure(self, g);
    if (rc < 0 && !kt_is_cancel(rc))
        return ends_with_errors(self, rc);
    if (failure < 0)
        return ends_with_errors(self, failure);
    self->delivered = self->delivered || self->code;
    return self->code ? self->code : rc;
}

void kt_group_cleanup(kt_group *g)
{
    if (!g->scope.task)
        return;
    kt_cancel_hold();
    int rc = kt_group_join(g, KT_ECANCELED);
    (void)rc; /* the scope is being left with an error of its own */
    kt_cancel_unhold();
}
