/* SPDX-License-Identifier: MIT */
#include "say.h"

static int work(void *arg)
{
    kt_task *me = kt_task_current();
    (void)arg;
    say("count %d", kt_task_cancelling(me));
    say("uncancel %d", kt_task_uncancel(me));
    if (kt_sleep(50 * U) < 0 && kt_cancel_catch()) {
        say("count %d", kt_task_cancelling(me));
        for (int i = 0; i < 3; i++)
            say("uncancel %d", kt_task_uncancel(me));
    }
    int rc = kt_sleep(50 * U);
    if (rc < 0) {
        say("count %d", kt_task_cancelling(me));
        say("uncancel %d", kt_task_uncancel(me));
    }
    return rc;
}

static int body(void *arg)
{
    (void)arg;
    kt_task *t = spawn(work, NULL, 0);
    units(1);
    kt_task_cancel(t);
    kt_task_cancel(t);
    units(1);
    kt_task_cancel(t);
    units(1);
    say("cancelled %s count %d", yes(kt_task_cancelled(t)), kt_task_cancelling(t));
    kt_task_detach(t);
    return 0;
}

int main(void)
{
    return run(body);
}
