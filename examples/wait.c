/* SPDX-License-Identifier: MIT */
/* The first of several, or as many as end in time: kt_wait leaves the tasks alone, so whoever called
 * it decides what becomes of the rest. Here their group cancels them. */
#include <kettle/kettle.h>
#include <stdio.h>

enum { MIRRORS = 3 };

KT_FN(fetch, a, struct {
    int mirror;
    int seconds;
})
{
    int rc = kt_sleep(KT_S(a->seconds));
    if (rc < 0)
        printf("mirror %d: %s\n", a->mirror, kt_strerror(rc));
    return rc < 0 ? rc : a->mirror;
}

static int first_answer(kt_task *const tasks[])
{
    int rc = kt_wait(tasks, MIRRORS, KT_WAIT_FIRST_COMPLETED, KT_S(10));
    if (rc < 0)
        return rc;
    printf("%d of %d done\n", rc, MIRRORS);
    for (int i = 0; i < MIRRORS; i++)
        if (kt_task_done(tasks[i]))
            return kt_task_result(tasks[i]);
    return kt_error_set(KT_ETIMEDOUT, "no mirror answers");
}

static int run(void *arg)
{
    static const int seconds[MIRRORS] = {3, 1, 2};
    (void)arg;
    kt_task *tasks[MIRRORS];
    kt_auto(kt_group) group = KT_GROUP_INIT;
    kt_time start = kt_now();
    int rc = 0;
    for (int i = 0; rc == 0 && i < MIRRORS; i++)
        rc = kt_group_spawn_with(&group, NULL, KT_WITH(fetch, i, seconds[i]), &tasks[i]);
    if (rc == 0)
        rc = first_answer(tasks);
    if (rc >= 0)
        printf("mirror %d: first\n", rc);
    kt_group_cancel(&group);
    rc = kt_group_join(&group, rc);
    if (rc < 0)
        return rc;
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "wait: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0;
}
