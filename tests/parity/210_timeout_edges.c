/* SPDX-License-Identifier: MIT */
#include "say.h"

static int count(void)
{
    return kt_task_cancelling(kt_task_current());
}

static void moved(kt_timeout *s)
{
    kt_timeout_start(s, 2 * U);
    units(1);
    kt_timeout_reschedule(s, kt_now() + 3 * U);
    units(2);
    say("survived, expired %s", yes(kt_timeout_expired(s)));
    sure(kt_timeout_end(s, 0));
    kt_timeout_start(s, KT_FOREVER);
    kt_timeout_reschedule(s, kt_now() + U);
    if (kt_timeout_end(s, kt_sleep(50 * U)) == KT_ETIMEDOUT)
        say("moved nearer, timeout %s", yes(kt_timeout_expired(s)));
    kt_timeout_start(s, U);
    kt_timeout_reschedule(s, KT_FOREVER);
    sure(kt_timeout_end(s, kt_sleep(2 * U)));
    say("removed, expired %s", yes(kt_timeout_expired(s)));
}

static void caught(kt_timeout *s)
{
    kt_timeout_start(s, U);
    if (kt_sleep(50 * U) < 0 && kt_cancel_catch())
        say("swallowed, count %d", count());
    units(1);
    say("body goes on");
    sure(kt_timeout_end(s, 0));
    say("expired %s count %d", yes(kt_timeout_expired(s)), count());
    kt_timeout_start(s, U);
    if (kt_timeout_end(s, kt_sleep(50 * U) < 0 ? raise_error("own") : 0) == -EIO)
        say("caught %s expired %s count %d", kt_error_detail(), yes(kt_timeout_expired(s)), count());
}

/* Holds the thread, so that both are due at once. */
static void block(kt_time d)
{
    for (kt_time end = kt_now() + d; !virtual_clock() && kt_now() < end;)
        ;
}

static void both_at_once(void)
{
    kt_auto(kt_timeout) o = KT_TIMEOUT_INIT, i = KT_TIMEOUT_INIT;
    kt_time now = kt_now();
    kt_timeout_start_at(&o, now + U);
    kt_timeout_start_at(&i, virtual_clock() ? now + U : now + U / 2);
    block(2 * U);
    int rc = kt_timeout_end(&i, kt_sleep(50 * U));
    if (kt_is_cancel(rc))
        say("inner passed");
    if (kt_timeout_end(&o, rc) == KT_ETIMEDOUT)
        say("outer timeout");
    say("inner %s outer %s count %d", yes(kt_timeout_expired(&i)), yes(kt_timeout_expired(&o)), count());
}

static int work(void *arg)
{
    kt_auto(kt_timeout) s = KT_TIMEOUT_INIT;
    (void)arg;
    kt_timeout_start(&s, 2 * U);
    int rc = kt_sleep(50 * U);
    kt_cancel_catch();
    say("clean-up begins");
    int again = kt_sleep(3 * U);
    say(again < 0 ? "clean-up cut" : "clean-up ends");
    rc = kt_timeout_end(&s, again < 0 ? again : rc);
    if (rc == KT_ETIMEDOUT)
        say("W timeout, count %d", count());
    else
        say("W cancelled, expired %s count %d", yes(kt_timeout_expired(&s)), count());
    return rc;
}

static int body(void *arg)
{
    kt_auto(kt_timeout) s = KT_TIMEOUT_INIT;
    (void)arg;
    moved(&s);
    caught(&s);
    both_at_once();
    kt_timeout_start(&s, U);
    sure(kt_timeout_end(&s, 0));
    units(2);
    say("left early, expired %s", yes(kt_timeout_expired(&s)));
    kt_task *t = spawn(work, NULL, 0);
    units(1);
    kt_task_cancel(t);
    wait_end(t);
    say("cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
    return 0;
}

int main(void)
{
    return run(body);
}
