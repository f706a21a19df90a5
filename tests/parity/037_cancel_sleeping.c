/* SPDX-License-Identifier: MIT */
#include "say.h"

static int work(void *arg)
{
    (void)arg;
    say("A start");
    int rc = kt_sleep(50 * U);
    if (rc == 0)
        say("A not reached");
    kt_cancel_catch();
    say("A finally begins");
    units(2);
    say("A finally ends");
    return rc;
}

static int body(void *arg)
{
    (void)arg;
    kt_task *a = spawn(work, NULL, 0);
    units(1);
    say("cancel %s", yes(kt_task_cancel(a)));
    say("main continues, done %s", yes(kt_task_done(a)));
    if (kt_task_await(a) == KT_ECANCELED)
        say("main caught cancelled");
    say("cancelled %s", yes(kt_task_cancelled(a)));
    say("cancel again %s", yes(kt_task_cancel(a)));
    kt_task_detach(a);
    return 0;
}

int main(void)
{
    return run(body);
}
