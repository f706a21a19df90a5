/* SPDX-License-Identifier: MIT */
/* Tasks: started in order, ended when they are done, results in the order of asking. One that fails
 * does not keep the others' results away. */
#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(work, a, struct {
    int number;
    int seconds;
})
{
    printf("Task %d: Starting (duration: %ds)\n", a->number, a->seconds);
    int rc = kt_sleep(KT_S(a->seconds));
    if (rc < 0)
        return rc;
    if (a->number == 4)
        return kt_error_set(-EIO, "the stove is cold");
    printf("Task %d: Complete\n", a->number);
    return a->number * 10;
}

/* Each task has a handle: to wait for, to cancel, to ask. */
static int with_handles(void)
{
    kt_task *first = NULL;
    int rc = kt_spawn(KT_WITH(work, .number = 4, .seconds = 1), &first);
    if (rc < 0)
        return rc;
    printf("Main: doing other work\n");
    rc = kt_task_join(first);
    printf("Task 4: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc == -EIO ? 0 : rc;
}

/* Many at once, and their results by position. */
static int all_at_once(void)
{
    const kt_job jobs[] = {
        KT_JOB_OF(KT_WITH(work, .number = 1, .seconds = 3)),
        KT_JOB_OF(KT_WITH(work, .number = 2, .seconds = 2)),
        KT_JOB_OF(KT_WITH(work, .number = 3, .seconds = 1)),
    };
    int results[3];
    kt_time start = kt_now();
    int rc = kt_gather(jobs, 3, results);
    if (rc < 0)
        return rc;
    printf("Results: %d %d %d", results[0], results[1], results[2]);
    printf(" after %d s\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

static int run(void *arg)
{
    (void)arg;
    int rc = with_handles();
    return rc < 0 ? rc : all_at_once();
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "tasks: %s\n", kt_strerror(rc));
    return rc < 0;
}
