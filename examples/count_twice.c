/* SPDX-License-Identifier: MIT */
/* One function, two tasks: each has its own stack, and so its own variables. */
#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(count, a, struct { const char *name; })
{
    for (int i = 1; i <= 5; i++) {
        printf("%s: %d\n", a->name, i);
        int rc = kt_sleep(KT_MS(200));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int run(void *arg)
{
    (void)arg;
    kt_auto(kt_group) counters = KT_GROUP_INIT;
    kt_time start = kt_now();
    int rc = kt_group_spawn(&counters, KT_WITH(count, "first"));
    if (rc == 0)
        rc = kt_group_spawn(&counters, KT_WITH(count, "second"));
    rc = kt_group_join(&counters, rc);
    if (rc < 0)
        return rc;
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "count_twice: %s\n", kt_strerror(rc));
    return rc < 0;
}
