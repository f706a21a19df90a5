/* SPDX-License-Identifier: MIT */
/* Deadlines and cancellation: a wait that is stopped returns an error, and clean-up may wait too. */
#include <kettle/kettle.h>
#include <stdio.h>

/* Closing takes a second of its own. The cancellation is caught for it, and then passed on. */
static int slow_operation(void *arg)
{
    (void)arg;
    int rc = kt_sleep(KT_S(10));
    if (!kt_is_cancel(rc))
        return rc;
    kt_cancel_catch();
    int closed = kt_sleep(KT_S(1));
    printf("cleaned up\n");
    return closed < 0 ? closed : rc;
}

/* A deadline for one call. */
static int one_call(void)
{
    kt_time start = kt_now();
    int rc = kt_wait_for(KT_S(5), slow_operation, NULL, 0);
    if (rc != KT_ETIMEDOUT)
        return rc;
    printf("Operation timed out after %d s\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

/* A deadline for a piece of code, however deep it waits. Early returns are safe. */
static int several_steps(void)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    int rc = 0;
    kt_timeout_start(&limit, KT_S(3));
    for (int step = 0; rc == 0 && step < 10; step++) {
        printf("step %d\n", step);
        rc = kt_sleep(KT_MS(1250));
    }
    rc = kt_timeout_end(&limit, rc);
    if (rc != KT_ETIMEDOUT)
        return rc;
    printf("out of time\n");
    return 0;
}

static int ticks(void *arg)
{
    (void)arg;
    int rc = 0;
    for (int i = 0; rc == 0; i++) {
        printf("Working: %d\n", i);
        rc = kt_sleep(KT_S(1));
    }
    printf("Task was cancelled\n");
    return rc;
}

static int run(void *arg)
{
    (void)arg;
    kt_task *worker = NULL;
    int rc = one_call();
    if (rc == 0)
        rc = several_steps();
    if (rc == 0)
        rc = kt_spawn(ticks, NULL, 0, &worker);
    if (rc < 0)
        return rc;
    rc = kt_sleep(KT_MS(2500));
    kt_task_cancel(worker);
    if (kt_task_join(worker) == KT_ECANCELED)
        printf("Confirmed: task was cancelled\n");
    return rc;
}

int main(void)
{
    return kt_run(run, NULL, 0) < 0;
}
