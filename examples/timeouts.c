/* SPDX-License-Identifier: MIT */
/* A deadline for a piece of code, however deep it waits; one inside the other, the earlier one counts.
 * Early returns are safe: a scope that is left, ends. */
#include <kettle/kettle.h>
#include <stdio.h>

static int one_step(int number)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(2)); /* for each step */
    printf("step %d\n", number);
    return kt_timeout_end(&limit, kt_sleep(KT_MS(1250)));
}

static int several_steps(void)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(3)); /* for all of them */
    int rc = 0;
    for (int i = 0; rc == 0 && i < 10; i++)
        rc = one_step(i);
    rc = kt_timeout_end(&limit, rc);
    if (rc == KT_ETIMEDOUT)
        printf("out of time: %s\n", kt_timeout_expired(&limit) ? "all steps" : "one step");
    return rc == KT_ETIMEDOUT ? 0 : rc;
}

static int run(void *arg)
{
    (void)arg;
    kt_time start = kt_now();
    int rc = several_steps();
    if (rc < 0)
        return rc;
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "timeouts: %s\n", kt_strerror(rc));
    return rc < 0;
}
