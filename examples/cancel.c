/* SPDX-License-Identifier: MIT */
/* A cancellation is a request: the task's wait fails, the task puts its things in order and returns the
 * error. Timers that are due together go in the order of their making: main's here, so there is no
 * fourth line of work. */
#include <kettle/kettle.h>
#include <stdio.h>

static int cancellable_task(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        printf("Working: %d\n", i);
        int rc = kt_sleep(KT_S(1));
        if (rc < 0) {
            printf("Task was cancelled\n");
            return rc;
        }
    }
    return 0;
}

static int run(void *arg)
{
    (void)arg;
    kt_task *task;
    kt_time start = kt_now();
    int rc = kt_spawn(cancellable_task, NULL, 0, &task);
    if (rc < 0)
        return rc;
    rc = kt_sleep(KT_S(3));
    kt_task_cancel(task);
    if (kt_task_join(task) == KT_ECANCELED)
        printf("Confirmed: task was cancelled\n");
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return rc;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "cancel: %s\n", kt_strerror(rc));
    return rc < 0;
}
