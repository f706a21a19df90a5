/* SPDX-License-Identifier: MIT */

/* Exponential backoff with jitter. */

#include <kettle/retry.h>
#include <sys/random.h>

#include "core/core.h"

#define ATTEMPTS 3
#define FIRST_WAIT KT_S(1)
#define FACTOR 2.0
#define WAIT_MAX KT_S(60)

enum { RANDOM, STARTED }; /* places in `reserved` */

/* Under sim every number comes from the loop's seed, or a run could not be repeated. */
static uint64_t fresh_seed(void)
{
    uint64_t seed = 0;
    kt_loop *l = kt__self("kt_retry_wait")->loop;
    if (l->simulated)
        return l->random ? kt__random(l) : 1;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)kt_now();
    return seed;
}

/* SplitMix64 (Steele, Lea, Flood 2014): any seed will do, 0 and small ones too. As [0, 1). */
static double next_random(kt_retry *r)
{
    uint64_t z = (r->reserved[RANDOM] += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

/* After so many failures. Doubles hold it: a product that is too large meets the maximum. */
static kt_time backoff(kt_retry *r)
{
    double factor = r->factor > 0 ? r->factor : FACTOR;
    double max = (double)(r->wait_max > 0 ? r->wait_max : WAIT_MAX);
    double wait = (double)(r->first_wait > 0 ? r->first_wait : FIRST_WAIT);
    if (factor > 1)
        for (unsigned i = 1; i < r->failures && wait < max; i++)
            wait *= factor;
    if (wait > max)
        wait = max;
    if (r->jitter > 0)
        wait -= wait * (r->jitter < 1 ? r->jitter : 1) * next_random(r);
    return wait < (double)KT_FOREVER ? (kt_time)wait : KT_FOREVER;
}

/* A timeout inside the attempt is a failure like any other. One that is still open fails the wait,
 * which tells the two apart. */
static bool worth_it(const kt_retry *r, int rc)
{
    if (rc == KT_ECANCELED || rc == KT_ESIBLING)
        return false;
    return r->failures < (r->attempts ? r->attempts : ATTEMPTS) &&
           (!r->retryable || r->retryable(rc, r->arg));
}

bool kt_retry_wait(kt_retry *r, int *rc)
{
    if (*rc >= 0)
        return false;
    r->failures++;
    if (!worth_it(r, *rc))
        return false;
    if (!r->reserved[STARTED] && r->jitter > 0)
        r->reserved[RANDOM] = r->seed ? r->seed : fresh_seed();
    r->reserved[STARTED] = 1;
    r->waited = backoff(r);
    int interrupted = kt_sleep(r->waited);
    if (interrupted < 0)
        *rc = interrupted;
    return interrupted == 0;
}

int kt_retry_run(kt_retry *r, KT__JOB)
{
    kt_retry defaults = {.attempts = ATTEMPTS};
    int rc;
    (void)size; /* the caller waits, so nothing need be copied */
    do
        rc = fn((void *)(uintptr_t)arg);
    while (kt_retry_wait(r ? r : &defaults, &rc));
    return rc;
}
