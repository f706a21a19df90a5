/* SPDX-License-Identifier: MIT */
#include "say.h"

static int work(void *arg)
{
    (void)arg;
    say("A start");
    int rc = kt_sleep(0);
    say("A finally");
    return rc;
}

static void on_done(void *task)
{
    say("callback cancelled %s", yes(kt_task_cancelled(task)));
}

static int body(void *arg)
{
    kt_auto(kt_callback) done = KT_CALLBACK_INIT;
    (void)arg;
    kt_task *a = spawn(work, NULL, 0);
    kt_task_on_done(a, &done, on_done, a);
    say("cancel %s", yes(kt_task_cancel(a)));
    say("done %s cancelled %s", yes(kt_task_done(a)), yes(kt_task_cancelled(a)));
    if (kt_task_await(a) == KT_ECANCELED)
        say("main caught cancelled");
    say("done %s cancelled %s", yes(kt_task_done(a)), yes(kt_task_cancelled(a)));
    kt_task_detach(a);
    return 0;
}

int main(void)
{
    return run(body);
}
