/* SPDX-License-Identifier: MIT */
#include "say.h"

static int a_body(void *arg)
{
    (void)arg;
    if (kt_sleep(50 * U) < 0 && kt_cancel_catch())
        say("A swallows");
    return 1;
}

static int b_body(void *arg)
{
    (void)arg;
    if (kt_sleep(50 * U) < 0 && kt_cancel_catch())
        say("B swallows");
    int rc = kt_sleep(50 * U);
    if (rc < 0)
        say("B gives up");
    return rc;
}

static int body(void *arg)
{
    (void)arg;
    kt_task *a = spawn(a_body, NULL, 0), *b = spawn(b_body, NULL, 0);
    units(1);
    kt_task_cancel(a);
    say("main got %s", kt_task_await(a) == 1 ? "A value" : "?");
    say("A cancelled %s count %d", yes(kt_task_cancelled(a)), kt_task_cancelling(a));
    kt_task_cancel(b);
    units(1);
    say("B done %s", yes(kt_task_done(b)));
    kt_task_cancel(b);
    units(1);
    say("B done %s cancelled %s count %d", yes(kt_task_done(b)), yes(kt_task_cancelled(b)),
        kt_task_cancelling(b));
    kt_task_detach(a);
    kt_task_detach(b);
    return 0;
}

int main(void)
{
    return run(body);
}
