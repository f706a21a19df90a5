/* SPDX-License-Identifier: MIT */
/* Two tasks on one thread take turns: each runs until it waits. */
#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(tick, a, struct { const char *name; })
{
    for (int i = 0; i < 3; i++) {
        printf("%s step %d\n", a->name, i);
        int rc = kt_sleep(KT_MS(100));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int run(void *arg)
{
    (void)arg;
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(tick, "A")), KT_JOB_OF(KT_WITH(tick, "B"))};
    kt_time start = kt_now();
    int rc = kt_gather(jobs, 2, NULL);
    if (rc < 0)
        return rc;
    printf("(%.1f s)\n", (double)(kt_now() - start) / KT_S(1));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "tick: %s\n", kt_strerror(rc));
    return rc < 0;
}
