/* SPDX-License-Identifier: MIT */
#include "say.h"

static int work(void *arg)
{
    (void)arg;
    say("A starts");
    return 0;
}

static int swallow(void *arg)
{
    (void)arg;
    if (kt_sleep(50 * U) < 0 && kt_cancel_catch())
        say("swallowed");
    return 1;
}

static int breaks(void *arg)
{
    (void)arg;
    return kt_sleep(50 * U) < 0 ? raise_error("broke") : 0;
}

static int sleeper(void *arg)
{
    (void)arg;
    return kt_sleep(50 * U);
}

static int waiter(void *arg)
{
    (void)arg;
    int rc = kt_wait_for(50 * U, sleeper, NULL, 0);
    if (kt_is_cancel(rc))
        say(rc == KT_ETIMEDOUT ? "W timeout" : "W cancelled");
    return rc;
}

static void on_futures(void)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_future f = KT_FUTURE_INIT, g = KT_FUTURE_INIT;
    intptr_t n = 0;
    sure(kt_future_set_result(&f, 4));
    kt_timeout_start(&limit, 0);
    sure(kt_timeout_end(&limit, kt_future_await(&f, &n)));
    say("done future %d", (int)n);
    kt_timeout_start(&limit, 0);
    if (kt_timeout_end(&limit, kt_future_await(&g, &n)) == KT_ETIMEDOUT)
        say("timeout, future cancelled %s", yes(kt_future_cancelled(&g)));
}

static int body(void *arg)
{
    kt_auto(kt_callback) c = KT_CALLBACK_INIT;
    (void)arg;
    kt_call_soon(&c, say_text, "callback");
    for (int limit = 0; limit >= -1; limit--)
        if (kt_wait_for(limit, work, NULL, 0) == KT_ETIMEDOUT)
            say("timeout");
    on_futures();
    int rc = kt_wait_for(U, swallow, NULL, 0);
    say(rc == KT_ETIMEDOUT ? "timeout" : "got value");
    rc = kt_wait_for(U, breaks, NULL, 0);
    if (rc == -EIO)
        say("caught %s", kt_error_detail());
    kt_task *t = spawn(waiter, NULL, 0);
    units(1);
    kt_task_cancel(t);
    kt_task_cancel(t);
    wait_end(t);
    say("cancelled %s count %d", yes(kt_task_cancelled(t)), kt_task_cancelling(t));
    kt_task_detach(t);
    return 0;
}

int main(void)
{
    return run(body);
}
