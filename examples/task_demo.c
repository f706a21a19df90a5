/* SPDX-License-Identifier: MIT */
/* A spawned task is scheduled, not yet running: it begins when the one that spawned it first waits. */
#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(child, a, struct { int n; })
{
    printf("child %d start\n", a->n);
    int rc = kt_sleep(KT_S(a->n));
    if (rc < 0)
        return rc;
    printf("child %d done\n", a->n);
    return a->n * 10;
}

static int run(void *arg)
{
    (void)arg;
    kt_auto(kt_group) children = KT_GROUP_INIT;
    kt_task *t1, *t2;
    int first = 0, second = 0;
    kt_time start = kt_now();
    int rc = kt_group_spawn_with(&children, NULL, KT_WITH(child, 2), &t1);
    if (rc == 0)
        rc = kt_group_spawn_with(&children, NULL, KT_WITH(child, 1), &t2);
    if (rc == 0) {
        printf("spawned tasks; doing other work\n");
        rc = kt_sleep(KT_MS(100));
    }
    if (rc == 0)
        rc = first = kt_task_await(t1);
    if (rc >= 0)
        rc = second = kt_task_await(t2);
    rc = kt_group_join(&children, rc);
    if (rc < 0)
        return rc;
    printf("results: [%d, %d]\n", first, second);
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "task_demo: %s\n", kt_strerror(rc));
    return rc < 0;
}
