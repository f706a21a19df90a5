/* SPDX-License-Identifier: MIT */
/* Waiting for a task without handing a cancellation on to it: the wait ends, the task goes on. */
#include <kettle/kettle.h>
#include <stdio.h>

static int save(void *arg)
{
    (void)arg;
    printf("saving\n");
    int rc = kt_sleep(KT_S(3));
    printf("saved: %s\n", rc == 0 ? "all of it" : kt_strerror(rc));
    return rc;
}

static int wait_shielded(void *arg)
{
    return kt_shield(arg);
}

static int run(void *arg)
{
    (void)arg;
    kt_task *saving;
    kt_time start = kt_now();
    int rc = kt_spawn(save, NULL, 0, &saving);
    if (rc < 0)
        return rc;
    rc = kt_wait_for(KT_S(1), wait_shielded, saving, 0);
    printf("after %d s: %s\n", (int)((kt_now() - start) / KT_S(1)), kt_strerror(rc));
    rc = kt_task_join(saving); /* not shielded: a cancellation from now on reaches it */
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return rc;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "shield: %s\n", kt_strerror(rc));
    return rc < 0;
}
