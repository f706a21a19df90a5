/* SPDX-License-Identifier: MIT */
/* Children live and end with their group. When one fails, the others are cancelled, and the join
 * returns that first failure once all have ended. */
#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(worker, a, struct { int n; })
{
    int rc = kt_sleep(KT_S(a->n));
    if (rc < 0) {
        printf("%d was cancelled\n", a->n);
        return rc;
    }
    printf("done %d\n", a->n);
    return 0;
}

static int fails(void *arg)
{
    (void)arg;
    int rc = kt_sleep(KT_MS(1500));
    return rc < 0 ? rc : kt_error_set(-EIO, "the stove is cold");
}

static int run_group(bool with_failure)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = kt_group_spawn(&g, KT_WITH(worker, 1));
    if (rc == 0)
        rc = kt_group_spawn(&g, KT_WITH(worker, 2));
    if (rc == 0 && with_failure)
        rc = kt_group_spawn(&g, fails, NULL, 0);
    rc = kt_group_join(&g, rc);
    if (rc == 0)
        printf("TaskGroup scope ended\n");
    return rc;
}

static int run(void *arg)
{
    (void)arg;
    int rc = run_group(false);
    if (rc < 0)
        return rc;
    rc = run_group(true);
    if (rc == -EIO)
        printf("TaskGroup failed: %s\n", kt_error_detail());
    return rc == -EIO ? 0 : rc;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "task_group: %s\n", kt_strerror(rc));
    return rc < 0;
}
