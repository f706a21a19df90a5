/* SPDX-License-Identifier: MIT */
#include "say.h"

static int a_body(void *arg)
{
    (void)arg;
    int rc = kt_sleep(50 * U);
    kt_cancel_catch();
    say("A cancelled");
    units(2);
    say("A cleaned up");
    return rc;
}

static int b_body(void *arg)
{
    (void)arg;
    units(1);
    say("B fails");
    return raise_error("B");
}

static int body(void *arg)
{
    task_end a;
    kt_task *t;
    kt_auto(kt_group) tg = KT_GROUP_INIT;
    (void)arg;
    sure(kt_group_spawn_with(&tg, NULL, a_body, NULL, 0, &t));
    watch_end(&a, t);
    sure(kt_group_spawn(&tg, b_body, NULL, 0));
    say("body ends");
    if (kt_group_join(&tg, 0) == -EIO)
        say("group raised %s", listed(kt_group_failures()));
    say("A is cancelled %s", yes(a.cancelled));
    units(1);
    say("main end");
    return 0;
}

int main(void)
{
    return run(body);
}
