/* SPDX-License-Identifier: MIT */
/* A deadline for one call. When it has passed, the wait in the middle of the call fails, and the call
 * unwinds through its own clean-up before kt_wait_for returns. */
#include <kettle/kettle.h>
#include <stdio.h>

static int slow_operation(void *arg)
{
    (void)arg;
    int rc = kt_sleep(KT_S(10));
    if (rc < 0) {
        printf("cleaning up: %s\n", kt_strerror(rc));
        return rc;
    }
    printf("Result\n");
    return 0;
}

static int run(void *arg)
{
    (void)arg;
    kt_time start = kt_now();
    int rc = kt_wait_for(KT_S(5), slow_operation, NULL, 0);
    if (rc == KT_ETIMEDOUT)
        printf("Operation timed out\n");
    else if (rc < 0)
        return rc; /* its own failure, or a cancellation from outside */
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "wait_for: %s\n", kt_strerror(rc));
    return rc < 0;
}
