/* SPDX-License-Identifier: MIT */
#include "say.h"

static kt_future future = KT_FUTURE_INIT;

static void handler(const kt_unhandled *u, void *arg)
{
    (void)arg;
    say("handler told %s", u->detail);
}

/* C callbacks cannot raise: they hand the error over. */
static void cb1(void *arg)
{
    (void)arg;
    say("callback 1");
    kt_error_unhandled(raise_error("cb1 broke"), "Exception in callback");
}

static void cb2(void *arg)
{
    (void)arg;
    say("callback 2");
}

static void says_result(void *number)
{
    intptr_t result = 0;
    sure(kt_future_result(&future, &result));
    say("callback %s got %s", (const char *)number, (const char *)result);
}

static int body(void *arg)
{
    kt_callback c1 = KT_CALLBACK_INIT, c2 = KT_CALLBACK_INIT, c3 = KT_CALLBACK_INIT, c4 = KT_CALLBACK_INIT;
    (void)arg;
    kt_error_handler_set(handler, NULL);
    kt_future_on_done(&future, &c1, cb1, NULL);
    kt_future_on_done(&future, &c2, cb2, NULL);
    kt_future_on_done(&future, &c3, says_result, "3");
    say("removed %d", kt_callback_cancel(&c2));
    say("removed %d", kt_callback_cancel(&c2));
    sure(kt_future_set_result(&future, (intptr_t) "x"));
    say("main set");
    sure(kt_sleep(0));
    kt_future_on_done(&future, &c4, says_result, "4");
    say("main added 4");
    sure(kt_sleep(0));
    say("main end");
    return 0;
}

int main(void)
{
    return run(body);
}
