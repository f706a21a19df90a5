/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(sleeper, a, struct { const char *name; })
{
    int rc = kt_sleep(50 * U);
    say("%s cancelled", a->name);
    return rc;
}

KT_FN(fails, a, struct { const char *name; })
{
    units(1);
    say("%s fails", a->name);
    return raise_error(a->name);
}

static void nest(const kt_job *outer_child, const kt_job *inner_child)
{
    kt_auto(kt_group) outer = KT_GROUP_INIT, inner = KT_GROUP_INIT;
    sure(kt_group_spawn(&outer, outer_child->fn, outer_child->arg, outer_child->size));
    sure(kt_group_spawn(&inner, inner_child->fn, inner_child->arg, inner_child->size));
    int of_body = kt_group_join(&inner, 0);
    if (kt_is_cancel(of_body))
        say("inner passed cancelled");
    else if (of_body < 0)
        say("inner raised %s", listed(kt_group_failures()));
    int rc = kt_group_join(&outer, of_body);
    if (rc < 0)
        say("outer raised %s", listed(kt_group_failures()));
}

static int body(void *arg)
{
    (void)arg;
    const kt_job a = KT_JOB_OF(KT_WITH(sleeper, "A")), b = KT_JOB_OF(KT_WITH(fails, "B"));
    const kt_job c = KT_JOB_OF(KT_WITH(fails, "C")), d = KT_JOB_OF(KT_WITH(sleeper, "D"));
    nest(&a, &b);
    nest(&c, &d);
    return 0;
}

int main(void)
{
    return run(body);
}
