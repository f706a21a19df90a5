/* SPDX-License-Identifier: MIT */

/* Clock, timers, sleep. */

#include <time.h>

#include "core/core.h"

enum { IDLE, ARMED, DUE };

/* Not inlined: a caller with a timespec on its stack could not leave by a jump (see kt__switch_raw). */
static __attribute__((noinline)) kt_time monotonic(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail: the clock exists */
    return KT_S(ts.tv_sec) + ts.tv_nsec;
}

kt_time kt__clock_now(const kt_loop *l)
{
    return l->virtual_time ? l->virtual_now : monotonic();
}

kt_time kt_now(void)
{
    return kt__loop ? kt__clock_now(kt__loop) : monotonic();
}

static void make_due(kt_loop *l, kt__timer *t)
{
    t->state = DUE;
    kt__ready_push(l, &t->ready);
}

void kt__timer_start(kt_loop *l, kt__timer *t, kt_time deadline, void (*run)(kt__ready *r))
{
    t->ready.kind = KT__READY_INLINE;
    t->ready.run = run;
    t->deadline = deadline;
    t->state = IDLE;
    if (deadline == KT_FOREVER)
        return;
    t->state = ARMED;
    kt__heap_insert(&l->timers, t);
}

void kt__timer_start_due(kt_loop *l, kt__timer *t, void (*run)(kt__ready *r))
{
    t->ready.kind = KT__READY_INLINE;
    t->ready.run = run;
    make_due(l, t);
}

void kt__timer_stop(kt_loop *l, kt__timer *t)
{
    if (t->state == ARMED)
        kt__heap_remove(&l->timers, t);
    else if (t->state == DUE)
        kt__list_remove(&t->ready);
    t->state = IDLE;
}

void kt__timer_ran(kt__timer *t)
{
    t->state = IDLE;
}

void kt__timers_expire(kt_loop *l, kt_time now)
{
    kt__timer *t;
    while ((t = l->timers.root) && t->deadline <= now) {
        kt__heap_remove(&l->timers, t);
        make_due(l, t);
    }
}

/* ---- Sleep --------------------------------------------------------------------------------- */

static void sleep_over(kt__ready *r)
{
    kt__timer *timer = KT__OWNER(r, kt__timer, ready);
    kt__timer_ran(timer);
    kt__wake(KT__OWNER(timer, kt_task, timer), 0);
}

static void sleep_cancel(kt_task *t)
{
    kt__timer_stop(t->loop, &t->timer);
    kt__wake(t, t->code);
}

const kt__wait kt__wait_sleep = {
    .what = "sleep",
    .cancel = sleep_cancel,
    .raced = kt__raced_plain,
};

/* Apart from kt_sleep, so that the mere yield saves no registers. */
static __attribute__((noinline)) int sleep_for(kt_task *self, kt_time d)
{
    kt_loop *l = self->loop;
    kt__timer_start(l, &self->timer, kt__deadline(kt__clock_now(l), d), sleep_over);
    kt__wait_begin(self, &kt__wait_sleep, NULL);
    return kt__park(self);
}

int kt_sleep(kt_time d)
{
    kt_task *self = kt__self("kt_sleep");
    if (d <= 0 || self->code)
        return kt__yield(self);
    return sleep_for(self, d);
}
