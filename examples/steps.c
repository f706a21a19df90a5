/* SPDX-License-Identifier: MIT */
/* The cook who stands at the stove until the water boils, and the one who chops vegetables meanwhile:
 * the same two waits, first blocking the thread, then as tasks of a loop. */
#include <kettle/kettle.h>
#include <stdio.h>
#include <unistd.h>

static void blocking_task(const char *name, unsigned seconds)
{
    printf("%s start\n", name);
    sleep(seconds);
    printf("%s done\n", name);
}

static void step_blocking(void)
{
    kt_time start = kt_now();
    blocking_task("A", 2);
    blocking_task("B", 1);
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
}

KT_FN(task, a, struct {
    const char *name;
    int seconds;
})
{
    printf("%s start\n", a->name);
    int rc = kt_sleep(KT_S(a->seconds));
    if (rc < 0)
        return rc;
    printf("%s done\n", a->name);
    return 0;
}

static int step_async(void *arg)
{
    (void)arg;
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(task, "C", 2)), KT_JOB_OF(KT_WITH(task, "D", 1))};
    kt_time start = kt_now();
    int rc = kt_gather(jobs, 2, NULL);
    if (rc < 0)
        return rc;
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    step_blocking();
    int rc = kt_run(step_async, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "steps: %s\n", kt_strerror(rc));
    return rc < 0;
}
