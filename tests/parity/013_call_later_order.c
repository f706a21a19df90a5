/* SPDX-License-Identifier: MIT */
#include "say.h"

static int body(void *arg)
{
    kt_callback c[9];
    (void)arg;
    for (int i = 0; i < 9; i++)
        c[i] = (kt_callback)KT_CALLBACK_INIT;
    kt_call_later(&c[0], 3 * U, say_text, "c");
    kt_call_later(&c[1], 1 * U, say_text, "a");
    kt_call_later(&c[2], 2 * U, say_text, "b");
    kt_call_later(&c[3], 0, say_text, "z");
    kt_call_soon(&c[4], say_text, "y");
    units(4);
    say("main after timers");
    kt_call_soon(&c[5], say_text, "n1");
    sure(kt_sleep(0));
    say("main yielded once");
    kt_call_soon(&c[6], say_text, "n2");
    sure(kt_sleep(-1));
    say("main yielded again");
    kt_time when = kt_now() + U;
    kt_call_at(&c[7], when, say_text, "p");
    kt_call_at(&c[8], when, say_text, "q");
    units(3);
    return 0;
}

int main(void)
{
    return run(body);
}
