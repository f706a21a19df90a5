/* SPDX-License-Identifier: MIT */
/* The same three tasks, handed out as they end, and by position once all have ended. */
#include <kettle/kettle.h>
#include <stdio.h>

enum { TASKS = 3 };

KT_FN(work, a, struct {
    int number;
    int seconds;
})
{
    int rc = kt_sleep(KT_S(a->seconds));
    return rc < 0 ? rc : a->number;
}

static int in_order_of_end(kt_task *const tasks[])
{
    kt_task *t;
    kt_auto(kt_as_completed) ends = KT_AS_COMPLETED_INIT;
    int rc = kt_as_completed_start(&ends, tasks, TASKS);
    printf("as completed:");
    while (rc >= 0 && (rc = kt_as_completed_next(&ends, &t)) == 1) {
        rc = kt_task_result(t);
        if (rc >= 0)
            printf(" %d", rc);
    }
    printf("\n");
    return rc;
}

static int run(void *arg)
{
    static const int seconds[TASKS] = {3, 1, 2};
    (void)arg;
    kt_task *tasks[TASKS];
    kt_job jobs[TASKS];
    work_args args[TASKS];
    int results[TASKS], rc = 0;
    kt_auto(kt_group) group = KT_GROUP_INIT;
    for (int i = 0; i < TASKS; i++) {
        args[i] = (work_args){i + 1, seconds[i]};
        jobs[i] = (kt_job){work, &args[i], sizeof args[i]};
    }
    for (int i = 0; rc == 0 && i < TASKS; i++)
        rc = kt_group_spawn_with(&group, NULL, jobs[i].fn, jobs[i].arg, jobs[i].size, &tasks[i]);
    if (rc == 0)
        rc = in_order_of_end(tasks);
    rc = kt_group_join(&group, rc);
    if (rc == 0)
        rc = kt_gather(jobs, TASKS, results);
    if (rc < 0)
        return rc;
    printf("gathered: %d %d %d\n", results[0], results[1], results[2]);
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "as_completed: %s\n", kt_strerror(rc));
    return rc < 0;
}
