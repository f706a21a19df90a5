/* SPDX-License-Identifier: MIT */

/* Rate limits. The next caller holds the door while it sleeps, and the door's line keeps the
 * order; who is cancelled in front of it or behind it has counted nothing yet. */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/rate.h>

#include "core/core.h"

/* Sleeps until it is `when`; 0 at once, also in a task that is being cancelled, if it is. */
static int sleep_until(kt_time when)
{
    int rc = 0;
    for (kt_time now; rc == 0 && (now = kt_now()) < when;)
        rc = kt_sleep(when - now);
    return rc;
}

/* ---- N in a window ------------------------------------------------------------------------- */

/* When one more start is allowed. */
static kt_time window_opens(const kt_rate *r)
{
    if (r->count < r->starts_max)
        return INT64_MIN;
    return kt__deadline(r->starts[r->oldest], r->period);
}

static void count_start(kt_rate *r)
{
    kt_time now = kt_now();
    if (r->count < r->starts_max) {
        r->starts[r->count++] = now;
        return;
    }
    r->starts[r->oldest] = now;
    r->oldest = (r->oldest + 1) % r->starts_max;
}

static void check(const kt_rate *r)
{
    if (r->starts_max == 0 || r->period <= 0)
        kt__misuse("kt_rate: needs at least one start and a period");
}

static int prepare(kt_rate *r)
{
    check(r);
    if (!r->starts)
        r->starts = kt_calloc(r->starts_max, sizeof *r->starts);
    return r->starts ? 0 : -ENOMEM;
}

int kt_rate_acquire(kt_rate *r)
{
    int rc = prepare(r);
    if (rc < 0)
        return rc;
    rc = kt_lock_acquire(&r->door);
    if (rc < 0)
        return rc;
    rc = sleep_until(window_opens(r));
    if (rc == 0)
        count_start(r);
    kt_lock_release(&r->door);
    return rc;
}

int kt_rate_acquire_nowait(kt_rate *r)
{
    int rc = prepare(r);
    if (rc < 0)
        return rc;
    if (window_opens(r) > kt_now())
        return -EBUSY;
    rc = kt_lock_acquire_nowait(&r->door);
    if (rc < 0)
        return rc;
    count_start(r);
    kt_lock_release(&r->door);
    return 0;
}

kt_time kt_rate_delay(const kt_rate *r)
{
    check(r);
    kt_time now = kt_now(), opens = window_opens(r);
    return opens > now ? opens - now : 0;
}

void kt_rate_release(kt_rate *r)
{
    if (r->door.holder)
        kt__misuse("kt_rate_release: a task waits for this rate");
    kt_free(kt_steal(r->starts));
    r->oldest = r->count = 0;
}

/* ---- Token bucket -------------------------------------------------------------------------- */

/* The bucket is one number, the moment at which it will be full again: taking a token moves it
 * on by an interval, and n tokens are there while it would stay within `size` intervals of now.
 * That is the generic cell rate algorithm (ITU-T I.371, annex A), the virtual scheduling form. */
static kt_time span(const kt_bucket *b, unsigned n)
{
    kt_time t;
    return __builtin_mul_overflow(b->interval, (kt_time)n, &t) ? KT_FOREVER : t;
}

static kt_time full_at(const kt_bucket *b, kt_time now)
{
    return b->full_at > now ? b->full_at : now;
}

/* When n tokens are there, if nobody takes any before; any moment up to now if they are. */
static kt_time tokens_come(const kt_bucket *b, unsigned n)
{
    return full_at(b, kt_now()) - (span(b, b->size) - span(b, n));
}

static int check_size(const kt_bucket *b, unsigned n)
{
    if (b->size == 0 || b->interval <= 0)
        kt__misuse("kt_bucket: needs room for at least one token, and an interval");
    if (n > b->size)
        return kt_error_set(KT_ELIMIT, "%u tokens from a bucket of %u", n, b->size);
    return 0;
}

static void take(kt_bucket *b, unsigned n)
{
    b->full_at = kt__deadline(full_at(b, kt_now()), span(b, n));
}

int kt_bucket_take(kt_bucket *b, unsigned n)
{
    int rc = check_size(b, n);
    if (rc < 0)
        return rc;
    rc = kt_lock_acquire(&b->door);
    if (rc < 0)
        return rc;
    rc = sleep_until(tokens_come(b, n));
    if (rc == 0)
        take(b, n);
    kt_lock_release(&b->door);
    return rc;
}

int kt_bucket_take_nowait(kt_bucket *b, unsigned n)
{
    int rc = check_size(b, n);
    if (rc < 0)
        return rc;
    if (b->door.holder || tokens_come(b, n) > kt_now())
        return -EBUSY;
    take(b, n);
    return 0;
}

unsigned kt_bucket_tokens(const kt_bucket *b)
{
    kt_time now = kt_now(), missing = full_at(b, now) - now;
    kt_time out = missing / b->interval + (missing % b->interval > 0);
    return out >= (kt_time)b->size ? 0 : b->size - (unsigned)out;
}

/* ---- Throttle ------------------------------------------------------------------------------ */

bool kt_throttle_pass(kt_throttle *t)
{
    kt_time now = kt_now();
    if (now < t->again_at)
        return false;
    t->again_at = kt__deadline(now, t->interval);
    return true;
}
