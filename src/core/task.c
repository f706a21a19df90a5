/* SPDX-License-Identifier: MIT */

/* The life of a task: made, joined, ended. */

#include "core/core.h"

#include <errno.h>
#include <kettle/memory.h>
#include <stdio.h>

#include "base/log.h"

void kt__no_task(const char *what)
{
    kt__misuse("%s suspends, so it may be called in a task only", what);
}

/* ---- Making -------------------------------------------------------------------------------- */

static void list_add(kt_loop *l, kt_task *t)
{
    t->all_prev = l->tasks_last;
    if (l->tasks_last)
        l->tasks_last->all_next = t;
    else
        l->tasks_first = t;
    l->tasks_last = t;
    l->tasks++;
}

static void list_remove(kt_loop *l, kt_task *t)
{
    if (t->all_prev)
        t->all_prev->all_next = t->all_next;
    else
        l->tasks_first = t->all_next;
    if (t->all_next)
        t->all_next->all_prev = t->all_prev;
    else
        l->tasks_last = t->all_prev;
    l->tasks--;
}

int kt__task_new(kt_loop *l, const kt_spawn_options *options, KT__JOB, kt_task **ret_task)
{
    if (size > SIZE_MAX - sizeof(kt_task))
        return -ENOMEM;
    kt_task *t = kt_alloc(sizeof *t + size);
    if (!t)
        return -ENOMEM;
    memset(t, 0, sizeof *t + size); /* a size known to the compiler becomes a slow `rep stos` */
    if (options && options->name) {
        t->name = kt_strndup(options->name, strlen(options->name));
        if (!t->name) {
            kt_free(t);
            return -ENOMEM;
        }
    }
    t->ready.kind = KT__READY_FRESH;
    t->state = KT__TASK_FRESH;
    t->loop = l;
    t->place.task = t;
    t->stack_bytes = options ? options->stack_bytes : 0;
    t->fn = fn;
    t->arg = (void *)(uintptr_t)arg;
    if (size > 0)
        t->arg = memcpy(t->arg_copy, arg, size);
    t->id = ++l->ids;
    kt__context_begin(t, options ? options->context : NULL);
    list_add(l, t);
    kt__ready_push(l, &t->ready);
    *ret_task = t;
    return 0;
}

int kt_spawn_with(const kt_spawn_options *options, KT__JOB, kt_task **ret_task)
{
    kt_loop *l = kt__loop;
    if (!l)
        return kt_error_set(KT_ENOTRUNNING, "kt_spawn outside kt_run");
    int rc = kt__task_new(l, options, fn, arg, size, ret_task);
    if (rc == 0 && options && options->eager && l->current)
        kt__run_now(l->current, *ret_task);
    return rc;
}

int kt_spawn(KT__JOB, kt_task **ret_task)
{
    return kt_spawn_with(NULL, fn, arg, size, ret_task);
}

/* ---- Ending -------------------------------------------------------------------------------- */

/* Tasks that have ended and that somebody may still join: what is left of them goes with the loop. */
static void unclaimed_add(kt_task *t)
{
    kt_loop *l = t->loop;
    t->unclaimed = true;
    t->all_prev = NULL;
    t->all_next = l->unclaimed;
    if (l->unclaimed)
        l->unclaimed->all_prev = t;
    l->unclaimed = t;
}

static void unclaimed_remove(kt_task *t)
{
    if (t->all_prev)
        t->all_prev->all_next = t->all_next;
    else
        t->loop->unclaimed = t->all_next;
    if (t->all_next)
        t->all_next->all_prev = t->all_prev;
    t->unclaimed = false;
}

void kt__task_free(kt_task *t)
{
    if (t->unclaimed)
        unclaimed_remove(t);
    kt_free(t->name);
    kt_free(t->detail);
    if (KT_UNLIKELY(t->failures))
        kt__failures_unref(t->failures);
    kt__context_end(t);
    kt_free(t);
}

static void report_lost(const kt_task *t)
{
    char text[512];
    snprintf(text, sizeof text, "kettle: task '%s' failed and nobody waits for it: %s%s%s",
             kt_task_name(t), kt_error_name(t->rc), t->detail ? ": " : "",
             t->detail ? t->detail : "");
    kt__log(text);
}

void kt__tasks_free_unclaimed(kt_loop *l)
{
    char text[256];
    while (l->unclaimed) {
        kt_task *t = l->unclaimed;
        if (l->debug) {
            snprintf(text, sizeof text, "kettle: task '%s' was neither joined nor detached",
                     kt_task_name(t));
            kt__log(text);
        }
        kt__task_free(t);
    }
}

/* The words of a failed task become those of the task that waits for it. */
static void copy_detail(kt_task *self, const kt_task *t)
{
    if (t->rc >= 0)
        return;
    kt__failures_share(self, t);
    if (!t->detail)
        return;
    char *detail = kt_strndup(t->detail, strlen(t->detail));
    if (detail) {
        kt_free(self->detail);
        self->detail = detail;
    }
}

/* The task has ended and nobody will ask. */
static void drop(kt_task *t)
{
    if (t->rc < 0 && t->rc != KT_ECANCELED && t->loop->debug)
        report_lost(t);
    kt__task_free(t);
}

static void run_on_done(kt__ready *r)
{
    kt_task *t = (kt_task *)(void *)r;
    t->on_done(t);
}

/* A shield passes the end on one pass later, since asyncio's is a future of its own. */
static void shield_over(kt__ready *r)
{
    kt__timer *timer = KT__OWNER(r, kt__timer, ready);
    kt_task *waiter = KT__OWNER(timer, kt_task, timer);
    kt__timer_ran(timer);
    kt__wake(waiter, waiter->wake);
}

static void shield_cancel(kt_task *waiter)
{
    if (waiter->place.line)
        kt__line_remove(&waiter->place);
    else
        kt__timer_stop(waiter->loop, &waiter->timer);
    kt__wake(waiter, waiter->code);
}

static const kt__wait wait_shield = {"shielded task", shield_cancel, kt__raced_plain, NULL};

static void end_wait(kt__waiters *line, kt_task *awaiter, int rc)
{
    if (awaiter->wait != &wait_shield) {
        kt__line_wake(line, rc);
        return;
    }
    kt__line_remove(&awaiter->place);
    awaiter->wake = rc;
    kt__timer_start_due(awaiter->loop, &awaiter->timer, shield_over);
}

void kt__task_finish(kt_task *t, int rc)
{
    kt_loop *l = t->loop;
    if (t->scopes)
        kt__misuse("a task must not end inside an open timeout or group: declare it with kt_auto");
    if (t->held)
        kt__misuse("a task must not end between kt_cancel_hold and kt_cancel_unhold");
    if (rc >= 0 && t->outside && !t->delivered)
        rc = KT_ECANCELED; /* it never learned of the request, as Task.__step has it */
    t->rc = rc;
    t->state = KT__TASK_DONE;
    list_remove(l, t);
    if (t->on_done) {
        t->ready.kind = KT__READY_INLINE;
        t->ready.run = run_on_done;
        kt__ready_push(l, &t->ready);
    }
    kt_task *awaiter; /* gets all that it needs now: t may be gone when it runs */
    while ((awaiter = kt__line_first(&t->awaiters))) {
        kt__callbacks_due(&t->callbacks, awaiter->timer.sequence);
        end_wait(&t->awaiters, awaiter, rc);
        copy_detail(awaiter, t);
    }
    kt__callbacks_due(&t->callbacks, UINT64_MAX);
    if (t->detached && !t->on_done)
        drop(t);
    else if (!t->owner && !t->on_done)
        unclaimed_add(t);
}

/* ---- Waiting for it ------------------------------------------------------------------------ */

static void forward_to_task(kt_task *waiter)
{
    kt_task_cancel(waiter->wait_object);
}

static const kt__wait wait_task = {"task", kt__cancel_leave, kt__raced_plain, forward_to_task};
/* Joining frees the task, so a result cannot stay in it: it wins over a late cancellation. */
static const kt__wait wait_join = {"task", kt__cancel_leave, NULL, forward_to_task};

static int wait_for_end(kt_task *self, kt_task *t, const kt__wait *wait)
{
    if (t == self)
        kt__misuse("a task must not wait for itself");
    if (t->loop != self->loop)
        kt__misuse("a task of another loop cannot be waited for");
    if (t->state == KT__TASK_DONE) {
        copy_detail(self, t);
        return t->rc;
    }
    if (self->code && wait == &wait_shield)
        return kt__yield(self);
    if (self->code && wait == &wait_task && self->delivered)
        return kt__yield(self);
    if (self->code) {
        kt__forward_active(self);
        kt_task_cancel(t);
    }
    self->timer.sequence = kt__turn(self->loop);
    int rc = kt__line_up(self, &t->awaiters, wait, t);
    return kt__forwarded_end(self, rc);
}

int kt_task_await(kt_task *t)
{
    return wait_for_end(kt__self("kt_task_await"), t, &wait_task);
}

int kt_shield(kt_task *t)
{
    return wait_for_end(kt__self("kt_shield"), t, &wait_shield);
}

static void check_owned(const kt_task *t, const char *what)
{
    if (t->detached)
        kt__misuse("%s: task '%s' was joined or detached before", what, kt_task_name(t));
    if (t->owner)
        kt__misuse("%s: task '%s' is being joined already, or belongs to a group", what, kt_task_name(t));
}

int kt_task_join(kt_task *t)
{
    kt_task *self = kt__self("kt_task_join");
    check_owned(t, "kt_task_join");
    t->owner = self; /* a second join is misuse */
    int rc = wait_for_end(self, t, &wait_join);
    if (t->state == KT__TASK_DONE)
        kt__task_free(t);
    else
        t->detached = true; /* they wait for each other, and a cancellation ended that here */
    return rc;
}

void kt_task_detach(kt_task *t)
{
    if (!t)
        return;
    check_owned(t, "kt_task_detach");
    if (t->state == KT__TASK_DONE)
        drop(t);
    else
        t->detached = true;
}

/* ---- Looking at it ------------------------------------------------------------------------- */

bool kt_task_done(const kt_task *t)
{
    return t->state == KT__TASK_DONE;
}

bool kt_task_cancelled(const kt_task *t)
{
    return t->state == KT__TASK_DONE && t->rc == KT_ECANCELED;
}

int kt_task_result(const kt_task *t)
{
    return t->state == KT__TASK_DONE ? t->rc : KT_EINVALIDSTATE;
}

kt_task *kt_task_current(void)
{
    return kt__loop ? kt__loop->current : NULL;
}

const char *kt_task_name(const kt_task *t)
{
    if (t->name)
        return t->name;
    kt_loop *l = t->loop;
    char *name = l->names[l->names_next++ % 4];
    snprintf(name, sizeof l->names[0], "Task-%llu", (unsigned long long)t->id);
    return name;
}

size_t kt_task_each(void (*fn)(kt_task *t, void *arg), void *arg)
{
    if (!kt__loop)
        return 0;
    for (kt_task *t = kt__loop->tasks_first; fn && t; t = t->all_next)
        fn(t, arg);
    return kt__loop->tasks;
}
