/* SPDX-License-Identifier: MIT */

/* Timeout scopes: a timer that fires a scope of the task. */

#include <errno.h>

#include "core/core.h"

static void fire(kt__ready *r)
{
    kt__timer *timer = KT__OWNER(r, kt__timer, ready);
    kt__timer_ran(timer);
    kt__scope_fire(&KT__OWNER(timer, kt_timeout, timer)->scope);
}

/* A deadline that has passed fires in the next pass, as asyncio's does, without the detour over the
 * timers. */
static void arm(kt_loop *l, kt_timeout *t, kt_time when, kt_time now)
{
    if (when <= now) {
        t->timer.deadline = when;
        kt__timer_start_due(l, &t->timer, fire);
    } else {
        kt__timer_start(l, &t->timer, when, fire);
    }
}

static void start(kt_timeout *t, kt_time when, kt_time now, const char *what)
{
    kt_task *self = kt__self(what);
    if (t->scope.task)
        kt__misuse("%s: the timeout has been started already", what);
    kt__scope_open(&t->scope, self, KT_ETIMEDOUT);
    arm(self->loop, t, when, now);
}

void kt_timeout_start(kt_timeout *t, kt_time after)
{
    kt_time now = after == KT_FOREVER ? 0 : kt_now();
    start(t, after == KT_FOREVER ? KT_FOREVER : kt__deadline(now, after), now, "kt_timeout_start");
}

void kt_timeout_start_at(kt_timeout *t, kt_time when)
{
    start(t, when, kt_now(), "kt_timeout_start_at");
}

static int end(kt_timeout *t, int rc)
{
    kt__timer_stop(t->scope.task->loop, &t->timer);
    return kt__scope_close(&t->scope, rc);
}

int kt_timeout_end(kt_timeout *t, int rc)
{
    kt_task *self = kt__self("kt_timeout_end");
    if (t->scope.task != self)
        kt__misuse("kt_timeout_end: the running task has not started this timeout");
    for (const kt__scope *s = self->scopes; s != &t->scope; s = s->outer)
        if (s->code == KT_ETIMEDOUT)
            kt__misuse("kt_timeout_end: a timeout that was started later has not ended");
    return end(t, rc);
}

void kt_timeout_reschedule(kt_timeout *t, kt_time when)
{
    kt_task *self = kt__self("kt_timeout_reschedule");
    if (t->scope.task != self)
        kt__misuse("kt_timeout_reschedule: the running task has not started this timeout");
    if (t->scope.state != KT__SCOPE_QUIET)
        return;
    kt__timer_stop(self->loop, &t->timer);
    arm(self->loop, t, when, kt_now());
}

kt_time kt_timeout_when(const kt_timeout *t)
{
    return t->scope.task ? t->timer.deadline : KT_FOREVER;
}

bool kt_timeout_expired(const kt_timeout *t)
{
    return t->scope.state != KT__SCOPE_QUIET;
}

/* In whatever order: an early return cleans up by declaration, not by start. */
void kt_timeout_cleanup(kt_timeout *t)
{
    if (t->scope.task)
        (void)end(t, 0); /* 0 in, 0 out */
}

/* asyncio makes a task even of what has no time, cancels it, and waits for its end: three passes. */
static void unstarted_over(kt__ready *r)
{
    kt__timer *timer = KT__OWNER(r, kt__timer, ready);
    kt_task *self = KT__OWNER(timer, kt_task, timer);
    kt__timer_ran(timer);
    kt__wake(self, KT_ETIMEDOUT);
}

static void unstarted_ends(kt__ready *r)
{
    kt__timer *timer = KT__OWNER(r, kt__timer, ready);
    kt__timer_start_due(KT__OWNER(timer, kt_task, timer)->loop, timer, unstarted_over);
}

static void unstarted_cancel(kt_task *t)
{
    kt__timer_stop(t->loop, &t->timer);
    kt__wake(t, t->code);
}

static const kt__wait wait_unstarted = {
    .what = "what had no time",
    .cancel = unstarted_cancel,
    .raced = kt__raced_plain,
};

static int time_is_over(kt_task *self)
{
    if (self->code)
        return kt__yield(self);
    kt__timer_start_due(self->loop, &self->timer, unstarted_ends);
    kt__wait_begin(self, &wait_unstarted, NULL);
    return kt__park(self);
}

int kt_wait_for(kt_time after, KT__JOB)
{
    (void)size; /* the caller waits, so nothing need be copied */
    if (after <= 0)
        return time_is_over(kt__self("kt_wait_for"));
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, after);
    return kt_timeout_end(&limit, fn((void *)(uintptr_t)arg));
}
