/* SPDX-License-Identifier: MIT */
#include "say.h"

static kt_time begin;

/* What is late, is late by less than a unit. */
static int at(void)
{
    return (int)((kt_now() - begin + U / 10) / U);
}

static void moved(void)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    begin = kt_now();
    kt_timeout_start(&limit, KT_FOREVER);
    say("when %s", kt_timeout_when(&limit) == KT_FOREVER ? "none" : "?");
    kt_timeout_reschedule(&limit, begin + 2 * U);
    units(1);
    kt_timeout_reschedule(&limit, begin + 4 * U);
    units(2);
    kt_timeout_reschedule(&limit, KT_FOREVER);
    units(2);
    sure(kt_timeout_end(&limit, 0));
    say("expired %s at %d", yes(kt_timeout_expired(&limit)), at());
}

static void at_a_point(void)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    begin = kt_now();
    kt_timeout_start_at(&limit, begin + U);
    int rc = kt_sleep(5 * U);
    say("body ends at %d expired %s", at(), yes(kt_timeout_expired(&limit)));
    kt_cancel_catch();
    units(1);
    if (kt_timeout_end(&limit, rc) == KT_ETIMEDOUT)
        say("timeout at %d", at());
}

static void nested(void)
{
    kt_auto(kt_timeout) outer = KT_TIMEOUT_INIT, inner = KT_TIMEOUT_INIT;
    begin = kt_now();
    kt_timeout_start(&outer, 3 * U);
    kt_timeout_start(&inner, U);
    if (kt_timeout_end(&inner, kt_sleep(9 * U)) == KT_ETIMEDOUT)
        say("inner %s %s at %d", yes(kt_timeout_expired(&inner)), yes(kt_timeout_expired(&outer)), at());
    if (kt_timeout_end(&outer, kt_sleep(9 * U)) == KT_ETIMEDOUT)
        say("outer %s at %d", yes(kt_timeout_expired(&outer)), at());
    begin = kt_now();
    kt_timeout_start(&outer, U);
    kt_timeout_start(&inner, 3 * U);
    int rc = kt_timeout_end(&inner, kt_sleep(9 * U));
    if (kt_timeout_end(&outer, rc) == KT_ETIMEDOUT)
        say("outer alone %s %s at %d", yes(kt_timeout_expired(&inner)), yes(kt_timeout_expired(&outer)), at());
}

static void swallowed(void)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_task *self = kt_task_current();
    begin = kt_now();
    kt_timeout_start(&limit, U);
    if (kt_is_cancel(kt_sleep(9 * U)) && kt_cancel_catch()) {
        int before = kt_task_cancelling(self), after = kt_task_uncancel(self);
        say("swallowed, count %d %d", before, after);
    }
    units(1);
    sure(kt_timeout_end(&limit, 0));
    say("went on %s at %d count %d", yes(kt_timeout_expired(&limit)), at(), kt_task_cancelling(self));
}

static int sleeps(void *length)
{
    return kt_sleep(*(kt_time *)length);
}

static void waits_for(void)
{
    if (kt_wait_for(0, sleeps, &(kt_time){9 * U}, 0) == KT_ETIMEDOUT)
        say("no time at all");
    sure(kt_wait_for(KT_FOREVER, sleeps, &(kt_time){0}, 0));
    say("in time value");
}

static void timers(void)
{
    static const struct {
        const char *name;
        int half_units;
    } calls[] = {{"c", 4}, {"a", 2}, {"d", 6}, {"b", 3}};
    kt_callback c[4], never = KT_CALLBACK_INIT;
    for (int i = 0; i < 4; i++) {
        c[i] = (kt_callback)KT_CALLBACK_INIT;
        kt_call_later(&c[i], calls[i].half_units * U / 2, say_text, (void *)(uintptr_t)calls[i].name);
    }
    kt_call_later(&never, 5 * U / 2, say_text, "never");
    say("cancelled %s", yes(!kt_callback_pending(&never)));
    kt_callback_cancel(&never);
    say("cancelled %s", yes(!kt_callback_pending(&never)));
    units(4);
}

static int body(void *arg)
{
    (void)arg;
    moved();
    at_a_point();
    nested();
    swallowed();
    waits_for();
    timers();
    return 0;
}

int main(void)
{
    return run(body);
}
