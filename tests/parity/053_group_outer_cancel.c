/* SPDX-License-Identifier: MIT */
#include "say.h"

static int child(void *arg)
{
    (void)arg;
    int rc = kt_sleep(50 * U);
    kt_cancel_catch();
    say("A cancelled");
    units(2);
    say("A cleaned up");
    return rc;
}

KT_FN(owner, a, struct { bool in_body; })
{
    kt_auto(kt_group) tg = KT_GROUP_INIT;
    int rc = kt_group_spawn(&tg, child, NULL, 0);
    if (a->in_body) {
        rc = kt_sleep(50 * U);
        say("body cancelled");
    }
    rc = kt_group_join(&tg, rc);
    if (rc == KT_ECANCELED)
        say("owner cancelled, count %d", kt_task_cancelling(kt_task_current()));
    return rc;
}

static int body(void *arg)
{
    (void)arg;
    for (int part = 1; part <= 2; part++) {
        say("part %d", part);
        kt_task *t = spawn(KT_WITH(owner, part == 2));
        units(1);
        say("main cancels owner %s", yes(kt_task_cancel(t)));
        wait_end(t);
        say("owner is cancelled %s", yes(kt_task_cancelled(t)));
        kt_task_detach(t);
    }
    return 0;
}

int main(void)
{
    return run(body);
}
