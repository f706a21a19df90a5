/* SPDX-License-Identifier: MIT */
#include "say.h"

static kt_callback inner, victim;

static void outer_callback(void *arg)
{
    (void)arg;
    say("outer callback");
    kt_call_soon(&inner, say_text, "inner callback");
}

static void killer(void *arg)
{
    (void)arg;
    say("killer");
    kt_callback_cancel(&victim);
}

/* Holds the thread, so that two timers are due in one pass. */
static void block_until(kt_time when)
{
    while (!virtual_clock() && kt_now() < when)
        ;
}

static int body(void *arg)
{
    kt_callback c[5];
    (void)arg;
    inner = victim = (kt_callback)KT_CALLBACK_INIT;
    for (int i = 0; i < 5; i++)
        c[i] = (kt_callback)KT_CALLBACK_INIT;
    kt_call_soon(&c[0], outer_callback, NULL);
    kt_call_soon(&c[1], say_text, "second callback");
    sure(kt_sleep(0));
    say("main resumed");
    sure(kt_sleep(0));
    kt_call_soon(&c[0], killer, NULL);
    kt_call_soon(&victim, say_text, "victim");
    sure(kt_sleep(0));
    say("main after victim");
    kt_call_later(&c[1], U, say_text, "never");
    kt_call_later(&c[2], 2 * U, say_text, "timer");
    kt_callback_cancel(&c[1]);
    units(3);
    kt_time when = kt_now() + U;
    kt_call_at(&c[3], when - U / 10, killer, NULL);
    kt_call_at(&victim, when, say_text, "late victim");
    block_until(when + U);
    units(virtual_clock() ? 3 : 1);
    say("main end");
    return 0;
}

int main(void)
{
    return run(body);
}
