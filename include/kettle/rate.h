/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_RATE_H
#define KETTLE_RATE_H

/* How often something may happen, for the tasks of one loop:
 *
 *     kt_rate      at most N starts in any window of a period; who must wait, waits in line
 *     kt_bucket    a steady rate that allows bursts (token bucket); without memory for each start
 *     kt_throttle  the first of a crowd of calls; the others are told to leave it
 *     kt_debouncer the last of a crowd of calls, once there has been quiet
 *
 *     kt_auto(kt_rate) limit = KT_RATE_INIT(3, KT_S(2));     // 3 every 2 s
 *     int rc = kt_rate_acquire(&limit);
 *     if (rc < 0)
 *         return rc;
 *     ... the call that is limited ...
 *
 * All live in the caller's storage, must not move while a task is in one of their functions, and
 * begin by their initialiser. */

#include <kettle/sync.h>

KT_BEGIN

/* ---- N in a window ----------------------------------------------------------------------- */

typedef struct kt_rate {
    unsigned starts_max; /* in any window [t, t + period) */
    kt_time period;
    kt_lock door;        /* who holds it is next */
    kt_time *starts;     /* the last starts_max of them, a ring; allocated at the first use */
    unsigned oldest, count;
    uintptr_t reserved[2];
} kt_rate;

/* `n` starts, at least 1, in any window of `period`, more than 0. */
#define KT_RATE_INIT(n, period) {(n), (period), KT_LOCK_INIT, NULL, 0, 0, {0}}

/* Waits until one more start is allowed, and counts it: it is now. Callers start in the order of
 * their calls. 0, -ENOMEM (at the first use only), or the cancellation's code (then nothing is
 * counted, and those behind move up). Suspends unless a start is allowed at once. */
KT_API int kt_rate_acquire(kt_rate *r) KT_CHECKED;

/* 0 if one more start is allowed now, which is counted; -EBUSY if not, or if somebody waits;
 * -ENOMEM. Does not suspend. In a task. */
KT_API int kt_rate_acquire_nowait(kt_rate *r) KT_CHECKED;

/* How long until the window has room, whoever then takes it: 0 if it has. For a Retry-After.
 * Does not suspend. */
KT_API kt_time kt_rate_delay(const kt_rate *r);

/* Frees the memory of starts; they are forgotten. Misuse while a task waits. */
KT_API void kt_rate_release(kt_rate *r);

static inline void kt_rate_cleanup(kt_rate *r)
{
    kt_rate_release(r);
}

/* ---- Token bucket ------------------------------------------------------------------------ */

typedef struct kt_bucket {
    kt_time interval; /* in which one token comes */
    unsigned size;    /* tokens that it holds; full at first */
    kt_lock door;
    kt_time full_at;  /* the moment at which it would be full again */
    uintptr_t reserved[2];
} kt_bucket;

/* `tokens` come every `period`, evenly (at most one a nanosecond); up to `size`, at least 1, are
 * kept. Allocates nothing and needs no release. */
#define KT_BUCKET_INIT(tokens, period, size) \
    {(period) / (tokens) > 0 ? (period) / (tokens) : 1, (size), KT_LOCK_INIT, 0, {0}}

/* Takes n tokens, waiting for them in the order of the calls. 0; KT_ELIMIT when n is more than
 * the bucket holds; or the cancellation's code (then none was taken). Suspends unless they are
 * there. */
KT_API int kt_bucket_take(kt_bucket *b, unsigned n) KT_CHECKED;

/* 0, -EBUSY if they are not there or somebody waits, KT_ELIMIT. Does not suspend. In a task. */
KT_API int kt_bucket_take_nowait(kt_bucket *b, unsigned n) KT_CHECKED;

/* Whole tokens inside now. Does not suspend. */
KT_API unsigned kt_bucket_tokens(const kt_bucket *b);

/* ---- Throttle ---------------------------------------------------------------------------- */

typedef struct kt_throttle {
    kt_time interval;
    kt_time again_at; /* from then on the next one passes */
    uintptr_t reserved[1];
} kt_throttle;

/* At most one in `interval`. */
#define KT_THROTTLE_INIT(interval) {(interval), 0, {0}}

/* True if the caller may go ahead: the first call, and then the first after each interval. Does not
 * suspend. Any function of the loop's thread. */
KT_API bool kt_throttle_pass(kt_throttle *t) KT_CHECKED;

/* ---- Debouncer --------------------------------------------------------------------------- */

/* Runs the last of several calls, once none has come for a while:
 *
 *     kt_auto(kt_debouncer) search = KT_DEBOUNCER_INIT(KT_S(1));
 *     rc = kt_debouncer_call(&search, KT_WITH(look_up, .query = "query1"));
 *     ... 0.1 s later ...
 *     rc = kt_debouncer_call(&search, KT_WITH(look_up, .query = "query2"));   // only this one runs
 *
 * The call runs in a task of the debouncer's own, never two at a time: one that comes while another
 * runs waits for quiet, and for the end of that. */
typedef struct kt_debouncer {
    kt_time quiet;       /* without a call, before the last one runs */
    kt_time delay_max;   /* it runs so long after the first one although more come; 0 = no limit */
    int rc;              /* of the last run, 0 before the first */
    unsigned runs;
    kt_task *worker;     /* NULL, or to be joined */
    kt_fn fn;            /* the call that waits, NULL if none does */
    void *arg;           /* ours if arg_bytes > 0 */
    size_t arg_bytes;
    kt_time due, latest; /* when it runs; when at the latest */
    kt_event hurry, idle;
    bool working;
    uintptr_t reserved[2];
} kt_debouncer;

#define KT_DEBOUNCER_INIT(quiet) \
    {(quiet), 0, 0, 0, NULL, NULL, NULL, 0, 0, 0, KT_EVENT_INIT, KT_EVENT_INIT, false, {0}}

/* Replaces the call that waits, if any, and begins the quiet time anew. `size` bytes of arg are
 * copied; with size 0 the pointer must stay valid until the call has run. 0, -ENOMEM,
 * KT_ENOTRUNNING: then what waited before still does. Does not suspend. */
KT_API int kt_debouncer_call(kt_debouncer *d, KT__JOB) KT_CHECKED;

/* Runs the call that waits without further quiet, and waits for the end of all runs. Returns the
 * last run's result (0 if there never was one), or the cancellation's code; the run goes on
 * then. Misuse from within the call. Suspends unless nothing waits or runs. */
KT_API int kt_debouncer_flush(kt_debouncer *d) KT_CHECKED;

/* Drops the call that waits; one that runs is not touched. Does not suspend. */
KT_API void kt_debouncer_drop(kt_debouncer *d);

/* Drops what waits, cancels what runs and waits for its end; the debouncer can be used again.
 * Misuse from within the call. Suspends; a cancellation is held back. For kt_auto. */
KT_API void kt_debouncer_cleanup(kt_debouncer *d);

KT_END

#endif
