/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_RETRY_H
#define KETTLE_RETRY_H

/* Trying again what failed, after waits that grow.
 *
 *     kt_retry tries = {.attempts = 5};           // waits 1 s, 2 s, 4 s, 8 s
 *     int rc;
 *     do {
 *         rc = fetch(url, &page);
 *     } while (kt_retry_wait(&tries, &rc));
 *     return rc;                                  // the last attempt's result
 *
 * A kt_retry is the settings and the state of one such loop: fill in what differs from the
 * defaults, leave the rest zero, and take a fresh one for the next loop. It owns nothing and
 * needs no release. A limit on the whole comes from a timeout scope around it, one on each
 * attempt from a scope inside. */

#include <kettle/task.h>

KT_BEGIN

typedef struct kt_retry {
    /* Settings. */
    unsigned attempts;  /* at most so many, the first included; 0 = 3 */
    kt_time first_wait; /* after the first failure; 0 = 1 s */
    double factor;      /* of each wait to the one before, at least 1; 0 = 2 */
    kt_time wait_max;   /* no wait is longer; 0 = 1 minute */
    double jitter;      /* 0 to 1: a wait w becomes random, w * (1 - jitter) to w; 0 = none */
    uint64_t seed;      /* of the random waits; 0 = another each time (sim: from the loop's) */

    /* Is this failure worth another attempt? Not asked about cancellations. Must not suspend.
     * NULL = every one is. `arg` is the field below. */
    bool (*retryable)(int rc, void *arg);
    void *arg;

    /* State, to be read. */
    unsigned failures;  /* attempts that have failed so far */
    kt_time waited;     /* the last wait */
    uint64_t reserved[3];
} kt_retry;

/* To be called with the result of an attempt: waits, and returns true if the caller is to try
 * again. False: *rc >= 0; or the attempts are used up; or the failure is not retryable; or it is
 * KT_ECANCELED or KT_ESIBLING. KT_ETIMEDOUT is retried when it came from a scope that has ended
 * (a limit on one attempt). *rc stays as it is, but when a cancellation ends the wait it becomes
 * the cancellation's code (false). Factor and jitter outside their ranges are taken as the
 * nearest that is inside. Suspends. In a task. */
KT_API bool kt_retry_wait(kt_retry *r, int *rc) KT_CHECKED;

/* The same with a function: calls fn(arg) on the caller's stack until it succeeds, as often as the
 * settings allow. Nothing is copied. `r` may be NULL for the defaults; afterwards it tells the
 * failures. Returns the last result, or the cancellation's code. Suspends. In a task. */
KT_API int kt_retry_run(kt_retry *r, KT__JOB) KT_CHECKED;

KT_END

#endif
