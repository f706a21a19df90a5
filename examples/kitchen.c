/* SPDX-License-Identifier: MIT */
/* Two cooks at once: both cups are ready after two seconds, not four. */
#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(brew, cup, struct { const char *drink; int seconds; })
{
    int rc = kt_sleep(KT_S(cup->seconds));   /* others run meanwhile */
    if (rc < 0)
        return rc;                           /* cancelled: nothing to clean up */
    printf("%s is ready\n", cup->drink);
    return 0;
}

static int kitchen(void *arg)
{
    (void)arg;
    kt_auto(kt_group) cooks = KT_GROUP_INIT; /* on any way out of this scope: cancelled and joined */
    int rc = kt_group_spawn(&cooks, KT_WITH(brew, .drink = "tea", .seconds = 2));
    if (rc == 0)
        rc = kt_group_spawn(&cooks, KT_WITH(brew, .drink = "coffee", .seconds = 2));
    return kt_group_join(&cooks, rc);        /* waits for all; the first failure cancels the rest */
}

int main(void)
{
    return kt_run(kitchen, NULL, 0) < 0;     /* Ctrl-C cancels kitchen, and it unwinds cleanly */
}
