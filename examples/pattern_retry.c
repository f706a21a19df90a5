/* SPDX-License-Identifier: MIT */

/* A service that is up only at the third attempt. */

#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>

static int fetch(int attempt)
{
    int rc = kt_sleep(KT_MS(500));
    if (rc < 0)
        return rc;
    if (attempt < 3)
        return kt_error_set(-ECONNREFUSED, "attempt %d: nobody answers", attempt);
    return 200;
}

static int client(void *arg)
{
    (void)arg;
    kt_retry tries = {.attempts = 4};
    int rc, attempt = 0;
    kt_time start = kt_now();
    do {
        rc = fetch(++attempt);
        if (rc < 0)
            printf("%.1f s: %s\n", (double)(kt_now() - start) / KT_S(1), kt_error_detail());
    } while (kt_retry_wait(&tries, &rc));
    if (rc >= 0)
        printf("%.1f s: status %d after %u failures\n", (double)(kt_now() - start) / KT_S(1), rc,
               tries.failures);
    return rc;
}

int main(void)
{
    int rc = kt_run(client, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "pattern_retry: %s\n", kt_strerror(rc));
    return rc < 0;
}
