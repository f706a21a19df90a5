/* SPDX-License-Identifier: MIT */
#include "say.h"

static int work(void *arg)
{
    (void)arg;
    int rc = kt_sleep(90 * U);
    kt_cancel_catch();
    say("A cancelled");
    units(2);
    say("A cleaned up");
    return rc;
}

static int waiter(void *arg)
{
    (void)arg;
    int rc = kt_wait_for(50 * U, work, NULL, 0);
    if (rc == KT_ETIMEDOUT)
        say("W timeout");
    else if (rc == KT_ECANCELED)
        say("W cancelled");
    return rc;
}

static int body(void *arg)
{
    (void)arg;
    kt_task *w = spawn(waiter, NULL, 0);
    units(1);
    kt_task_cancel(w);
    units(1);
    say("W done %s", yes(kt_task_done(w)));
    units(2);
    say("W done %s cancelled %s", yes(kt_task_done(w)), yes(kt_task_cancelled(w)));
    kt_task_detach(w);
    return 0;
}

int main(void)
{
    return run(body);
}
