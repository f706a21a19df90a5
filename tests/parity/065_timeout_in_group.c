/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(limited, a, struct {
    const char *name;
    bool handle;
})
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, U);
    int rc = kt_timeout_end(&limit, kt_sleep(50 * U));
    if (rc == KT_ETIMEDOUT)
        say("%s timeout", a->name);
    return a->handle ? 0 : rc;
}

KT_FN(sibling, a, struct {
    const char *name;
    int length;
})
{
    int rc = kt_sleep(a->length * U);
    say("%s %s", a->name, rc < 0 ? "cancelled" : "done");
    return rc;
}

static int body(void *arg)
{
    kt_auto(kt_group) tg = KT_GROUP_INIT;
    (void)arg;
    sure(kt_group_spawn(&tg, KT_WITH(limited, "A", false)));
    sure(kt_group_spawn(&tg, KT_WITH(sibling, "B", 50)));
    int rc = kt_group_join(&tg, 0);
    if (rc < 0)
        say("group raised [%s]", rc == KT_ETIMEDOUT ? "timeout" : "other");
    sure(kt_group_spawn(&tg, KT_WITH(limited, "C", true)));
    sure(kt_group_spawn(&tg, KT_WITH(sibling, "D", 3)));
    sure(kt_group_join(&tg, 0));
    say("main end");
    return 0;
}

int main(void)
{
    return run(body);
}
