/* SPDX-License-Identifier: MIT */
#include "say.h"

static int a_body(void *cancelled)
{
    int rc = kt_sleep(50 * U);
    kt_cancel_catch();
    say("A cancelled");
    units(2);
    say("A cleaned up");
    *(bool *)cancelled = rc == KT_ECANCELED;
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
    bool cancelled = false;
    kt_auto(kt_group) tg = KT_GROUP_INIT;
    (void)arg;
    sure(kt_group_spawn(&tg, a_body, &cancelled, 0));
    sure(kt_group_spawn(&tg, b_body, NULL, 0));
    say("body ends");
    if (kt_group_join(&tg, 0) == -EIO)
        say("group raised %s", listed(kt_group_failures()));
    say("A is cancelled %s", yes(cancelled));
    units(1);
    say("main end");
    return 0;
}

int main(void)
{
    return run(body);
}
