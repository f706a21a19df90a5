/* SPDX-License-Identifier: MIT */
/* A resource that its scope gives back: on return, on failure, on cancellation. Acquiring and releasing
 * both wait, as `async with` does; the release holds a cancellation back meanwhile. */
#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>

typedef struct resource {
    const char *connection; /* NULL: nothing to release */
} resource;

static int resource_open(resource *r)
{
    printf("Acquiring resource\n");
    int rc = kt_sleep(KT_S(1));
    if (rc < 0)
        return rc;
    r->connection = "connected";
    return 0;
}

static void resource_cleanup(resource *r)
{
    if (!r->connection)
        return;
    printf("Releasing resource\n");
    kt_cancel_hold();
    int rc = kt_sleep(KT_S(1));
    kt_cancel_unhold();
    if (rc < 0) /* cannot happen: nothing else ends a sleep */
        printf("not released: %s\n", kt_strerror(rc));
    r->connection = NULL;
}

static int use_resource(void *arg)
{
    const bool *fail = arg;
    kt_auto(resource) r = {NULL};
    int rc = resource_open(&r);
    if (rc < 0)
        return rc;
    printf("Using resource: %s\n", r.connection);
    if (*fail)
        return kt_error_set(-EIO, "the peer is gone");
    return kt_sleep(KT_S(1));
}

/* Cancelled after `limit`, which is a failure like any other. */
static int use_for(kt_time limit, bool fail)
{
    kt_time start = kt_now();
    int rc = kt_wait_for(limit, use_resource, &fail, 0);
    printf("%s (%.1f s)\n", rc < 0 ? kt_strerror(rc) : "used",
           (double)(kt_now() - start) / KT_S(1));
    return rc == KT_ETIMEDOUT || rc == -EIO ? 0 : rc;
}

static int run(void *arg)
{
    (void)arg;
    int rc = use_for(KT_FOREVER, false);
    if (rc == 0)
        rc = use_for(KT_FOREVER, true);
    if (rc == 0)
        rc = use_for(KT_MS(1500), false);
    return rc;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "scoped_resource: %s\n", kt_strerror(rc));
    return rc < 0;
}
