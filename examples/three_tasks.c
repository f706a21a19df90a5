/* SPDX-License-Identifier: MIT */
/* Three tasks at once take as long as the slowest. They end in the order of their durations; the
 * results stand in the order of asking. */
#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(task, a, struct {
    int number;
    int seconds;
})
{
    printf("Task %d: Starting (duration: %ds)\n", a->number, a->seconds);
    int rc = kt_sleep(KT_S(a->seconds));
    if (rc < 0)
        return rc;
    printf("Task %d: Complete\n", a->number);
    return a->number;
}

static int run(void *arg)
{
    (void)arg;
    const kt_job jobs[] = {
        KT_JOB_OF(KT_WITH(task, .number = 1, .seconds = 3)),
        KT_JOB_OF(KT_WITH(task, .number = 2, .seconds = 2)),
        KT_JOB_OF(KT_WITH(task, .number = 3, .seconds = 1)),
    };
    int results[3];
    kt_time start = kt_now();
    int rc = kt_gather(jobs, 3, results);
    if (rc < 0)
        return rc;
    printf("Results: %d %d %d\n", results[0], results[1], results[2]);
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "three_tasks: %s\n", kt_strerror(rc));
    return rc < 0;
}
