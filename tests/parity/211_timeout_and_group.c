/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(child, a, struct {
    const char *name;
    int cleanup;
})
{
    int rc = kt_sleep(50 * U);
    kt_cancel_catch();
    say("%s cancelled", a->name);
    if (a->cleanup) {
        units(a->cleanup);
        say("%s cleaned", a->name);
    }
    return rc;
}

static int count(void)
{
    return kt_task_cancelling(kt_task_current());
}

static int owner(void *arg)
{
    kt_auto(kt_timeout) s = KT_TIMEOUT_INIT;
    kt_auto(kt_group) tg = KT_GROUP_INIT;
    (void)arg;
    kt_timeout_start(&s, U);
    sure(kt_group_spawn(&tg, KT_WITH(child, "E", 3)));
    int rc = kt_timeout_end(&s, kt_group_join(&tg, 0));
    if (rc == KT_ETIMEDOUT)
        say("owner timeout");
    else
        say("owner cancelled, expired %s count %d", yes(kt_timeout_expired(&s)), count());
    return rc;
}

static int body(void *arg)
{
    kt_auto(kt_timeout) s = KT_TIMEOUT_INIT;
    kt_auto(kt_group) tg = KT_GROUP_INIT;
    (void)arg;
    kt_timeout_start(&s, U);
    sure(kt_group_spawn(&tg, KT_WITH(child, "A", 2)));
    sure(kt_group_spawn(&tg, KT_WITH(child, "B", 0)));
    if (kt_timeout_end(&s, kt_group_join(&tg, 0)) == KT_ETIMEDOUT)
        say("timeout around group %s count %d", yes(kt_timeout_expired(&s)), count());
    kt_timeout_start(&s, U);
    sure(kt_group_spawn(&tg, KT_WITH(child, "C", 1)));
    if (kt_timeout_end(&s, kt_group_join(&tg, kt_sleep(50 * U))) == KT_ETIMEDOUT)
        say("timeout around body %s count %d", yes(kt_timeout_expired(&s)), count());
    sure(kt_group_spawn(&tg, KT_WITH(child, "D", 0)));
    kt_timeout_start(&s, U);
    int rc = kt_timeout_end(&s, kt_sleep(50 * U));
    rc = kt_group_join(&tg, rc);
    say("group [%s] count %d", rc == KT_ETIMEDOUT ? "TimeoutError" : "?", count());
    kt_task *t = spawn(owner, NULL, 0);
    units(2);
    kt_task_cancel(t);
    wait_end(t);
    say("cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
    return 0;
}

int main(void)
{
    return run(body);
}
