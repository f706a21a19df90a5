/* SPDX-License-Identifier: MIT */
/* Calls that block go to threads of the loop's pool: three of two seconds each take two together,
 * and the loop stays alive meanwhile, as the ticker shows. On the real clock. */
#include <kettle/kettle.h>
#include <stdio.h>
#include <unistd.h>

/* On a pool thread: it may block, but must not call what suspends. */
static int blocking_io(void *arg)
{
    (void)arg;
    printf("Blocking operation started\n");
    sleep(2);
    printf("Blocking operation complete\n");
    return 42;
}

/* In a task. It waits for its thread also when cancelled, so arguments may live on its stack. */
static int in_thread(void *arg)
{
    return kt_thread_run(blocking_io, arg, 0);
}

static int tick(void *arg)
{
    kt_time *late = arg; /* the worst so far */
    int rc;
    do {
        kt_time due = kt_now() + KT_MS(100);
        rc = kt_sleep(KT_MS(100));
        if (kt_now() - due > *late)
            *late = kt_now() - due;
    } while (rc == 0);
    return rc;
}

static int run(void *arg)
{
    (void)arg;
    const kt_job jobs[] = {{in_thread, NULL, 0}, {in_thread, NULL, 0}, {in_thread, NULL, 0}};
    int results[3];
    kt_time late = 0, start = kt_now();
    kt_auto(kt_group) ticker = KT_GROUP_INIT;
    int rc = kt_group_spawn(&ticker, tick, &late, 0);
    if (rc == 0)
        rc = kt_gather(jobs, 3, results);
    kt_group_cancel(&ticker);
    rc = kt_group_join(&ticker, rc);
    if (rc < 0)
        return rc;
    printf("All results: %d %d %d\n", results[0], results[1], results[2]);
    printf("Ticker late by more than one tick: %s\n", late > KT_MS(100) ? "yes" : "never");
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "blocking_calls: %s\n", kt_strerror(rc));
    return rc < 0;
}
