/* SPDX-License-Identifier: MIT */
#include "say.h"

static void interrupt(void *arg)
{
    (void)arg;
    kill(getpid(), SIGINT);
}

static int interrupted_sleep(void)
{
    kt_auto(kt_callback) timer = KT_CALLBACK_INIT;
    kt_call_later(&timer, U, interrupt, NULL);
    return kt_sleep(50 * U);
}

static int cleans_up(void *arg)
{
    (void)arg;
    int rc = interrupted_sleep();
    kt_cancel_catch();
    say("main cancelled, count %d", kt_task_cancelling(kt_task_current()));
    units(1);
    say("main cleaned up");
    return rc;
}

static int swallows(void *arg)
{
    (void)arg;
    if (interrupted_sleep() == KT_ECANCELED && kt_cancel_catch())
        say("main swallows");
    units(1);
    return 5;
}

static int fails_instead(void *arg)
{
    (void)arg;
    int rc = interrupted_sleep();
    return rc == KT_ECANCELED ? raise_error("boom") : rc;
}

int main(void)
{
    static const kt_fn mains[] = {cleans_up, swallows, fails_instead};
    needs_reality("real signals");
    for (int i = 0; i < 3; i++) {
        int rc = kt_run(mains[i], NULL, 0);
        if (rc == -EINTR)
            say("run interrupted");
        else if (rc < 0)
            say("run raised %s", kt_error_detail());
        else
            say("run gave %d", rc);
    }
    return 0;
}
