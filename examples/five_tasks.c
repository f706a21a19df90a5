/* SPDX-License-Identifier: MIT */
/* Five waits of a second, one after the other or all at once. */
#include <kettle/kettle.h>
#include <stdio.h>

enum { TASKS = 5 };

KT_FN(slow_task, a, struct { int n; })
{
    int rc = kt_sleep(KT_S(1));
    return rc < 0 ? rc : a->n * 2;
}

static int run(void *arg)
{
    (void)arg;
    slow_task_args args[TASKS];
    kt_job jobs[TASKS];
    int results[TASKS];
    for (int i = 0; i < TASKS; i++) {
        args[i] = (slow_task_args){i};
        jobs[i] = (kt_job){slow_task, &args[i], sizeof args[i]};
    }
    kt_time start = kt_now();
    int rc = kt_gather(jobs, TASKS, results);
    if (rc < 0)
        return rc;
    for (int i = 0; i < TASKS; i++)
        printf("%s%d%s", i == 0 ? "[" : ", ", results[i], i == TASKS - 1 ? "]\n" : "");
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "five_tasks: %s\n", kt_strerror(rc));
    return rc < 0;
}
