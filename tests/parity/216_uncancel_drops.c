/* SPDX-License-Identifier: MIT */
#include "say.h"

static int a_body(void *arg)
{
    kt_task *me = kt_task_current();
    (void)arg;
    kt_task_cancel(me);
    say("uncancel %d", kt_task_uncancel(me));
    sure(kt_sleep(0));
    say("A undisturbed");
    return 0;
}

static int b_body(void *arg)
{
    kt_task *me = kt_task_current();
    (void)arg;
    kt_task_cancel(me);
    kt_task_cancel(me);
    say("uncancel %d", kt_task_uncancel(me));
    int rc = kt_sleep(0);
    say(rc < 0 ? "B cancelled" : "not reached");
    return rc;
}

static int c_body(void *arg)
{
    (void)arg;
    sure(kt_sleep(0));
    say("C ran");
    return 0;
}

static int d_body(void *arg)
{
    (void)arg;
    int rc = kt_sleep(50 * U);
    if (rc < 0)
        say("D cancelled, count %d", kt_task_cancelling(kt_task_current()));
    return rc;
}

static int f_body(void *arg)
{
    (void)arg;
    units(1);
    return raise_error("f");
}

static int e_body(void *arg)
{
    kt_task *me = kt_task_current();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_auto(kt_group) tg = KT_GROUP_INIT;
    (void)arg;
    if (kt_sleep(50 * U) < 0 && kt_cancel_catch())
        say("uncancel %d", kt_task_uncancel(me));
    kt_timeout_start(&limit, U);
    if (kt_timeout_end(&limit, kt_sleep(50 * U)) == KT_ETIMEDOUT)
        say("E timeout, count %d", kt_task_cancelling(me));
    sure(kt_group_spawn(&tg, f_body, NULL, 0));
    if (kt_group_join(&tg, kt_sleep(50 * U)) == -EIO)
        say("E group, count %d", kt_task_cancelling(me));
    return 0;
}

static int g_body(void *arg)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    (void)arg;
    if (kt_sleep(50 * U) < 0 && kt_cancel_catch())
        say("G swallows");
    kt_timeout_start(&limit, U);
    int rc = kt_timeout_end(&limit, kt_sleep(50 * U));
    if (rc == KT_ETIMEDOUT)
        say("G timeout, count %d", kt_task_cancelling(kt_task_current()));
    else if (rc < 0)
        say("G cancelled, expired %s", yes(kt_timeout_expired(&limit)));
    return rc == KT_ETIMEDOUT ? 0 : rc;
}

static int nothing(void *arg)
{
    (void)arg;
    return 1;
}

static void finish(kt_task *t)
{
    wait_end(t);
    say("cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
}

static int body(void *arg)
{
    (void)arg;
    finish(spawn(a_body, NULL, 0));
    finish(spawn(b_body, NULL, 0));
    kt_task *t = spawn(c_body, NULL, 0);
    kt_task_cancel(t);
    say("uncancel %d", kt_task_uncancel(t));
    finish(t);
    t = spawn(d_body, NULL, 0);
    units(1);
    kt_task_cancel(t);
    say("uncancel %d", kt_task_uncancel(t));
    finish(t);
    const kt_fn bodies[] = {e_body, g_body};
    for (int i = 0; i < 2; i++) {
        t = spawn(bodies[i], NULL, 0);
        units(1);
        kt_task_cancel(t);
        finish(t);
    }
    t = spawn(nothing, NULL, 0);
    sure(kt_sleep(0));
    bool taken = kt_task_cancel(t);
    say("cancel of done %s count %d", yes(taken), kt_task_cancelling(t));
    return kt_task_join(t);
}

int main(void)
{
    return run(body);
}
