/* SPDX-License-Identifier: MIT */
/* A loop from birth to end, by hand: kt_run is the three steps in a row. Tasks that are left over
 * stand still between two runs, and are cancelled and joined when the runner closes. */
#include <kettle/kettle.h>
#include <stdio.h>

static int counts(void *arg)
{
    int rc = 0;
    for (int *i = arg; rc == 0; ++*i) {
        printf("count %d\n", *i);
        rc = kt_sleep(KT_S(1));
    }
    printf("stopped: %s\n", kt_strerror(rc));
    return rc;
}

static int first(void *arg)
{
    kt_task *t = NULL;
    printf("Main task, in a loop: %s\n", kt_loop_current() ? "yes" : "no");
    int rc = kt_spawn(counts, arg, 0, &t);
    if (rc < 0)
        return rc;
    kt_task_detach(t); /* not joined here: the loop's end sees to it */
    return kt_sleep(KT_MS(1500));
}

static int second(void *arg)
{
    printf("Second main task, count is %d\n", *(int *)arg);
    return kt_sleep(KT_S(1));
}

int main(void)
{
    int count = 0;
    kt_runner *runner = NULL;
    int rc = kt_runner_open(NULL, &runner);
    if (rc == 0)
        rc = kt_runner_run(runner, first, &count, 0);
    if (rc == 0)
        rc = kt_runner_run(runner, second, &count, 0);
    kt_runner_close(runner);
    if (rc < 0) {
        fprintf(stderr, "lifecycle: %s\n", kt_strerror(rc));
        return 1;
    }
    printf("In a loop afterwards: %s\n", kt_loop_current() ? "yes" : "no");
    return 0;
}
