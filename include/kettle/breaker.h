/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_BREAKER_H
#define KETTLE_BREAKER_H

/* A circuit breaker: after several failures in a row, calls to a service that is down are
 * refused at once for a while, instead of keeping everybody waiting and the service from getting
 * up again.
 *
 *     static kt_breaker mail = {.failures_max = 3, .open_for = KT_S(10)};
 *     int rc = kt_breaker_run(&mail, KT_WITH(send_mail, .to = address));
 *     if (rc == -EAGAIN)
 *         ... refused: not tried at all ...
 *
 *     closed --- failures_max failures in a row --> open --- open_for later --> half-open
 *       ^                                            ^                             |
 *       |                                            '-- a trial fails ------------|
 *       '------------------------------- successes_min trials succeed -------------'
 *
 * Fill in the settings, leave the rest zero. It owns nothing, has no task or timer of its own,
 * and needs no release. For the tasks of one loop. */

#include <kettle/task.h>

KT_BEGIN

typedef enum kt_breaker_state {
    KT_BREAKER_CLOSED,    /* calls go through */
    KT_BREAKER_OPEN,      /* calls are refused */
    KT_BREAKER_HALF_OPEN, /* a few trials go through, others are refused */
} kt_breaker_state;

typedef struct kt_breaker {
    /* Settings. */
    unsigned failures_max;  /* so many in a row open it; 0 = 5 */
    kt_time open_for;       /* then, until trials are let through; 0 = 30 s */
    unsigned trials_max;    /* at the same time while half-open; 0 = 1 */
    unsigned successes_min; /* trials that must succeed before it closes; 0 = 1 */

    /* Does this result count as a failure? Not asked about KT_ECANCELED and KT_ESIBLING, which
     * count as nothing. Must not suspend. NULL = every negative one. `arg` is the field below. */
    bool (*failed)(int rc, void *arg);
    void *arg;

    /* Statistics. */
    uint64_t calls, failures, refused, openings;

    /* State. */
    uint8_t state;
    unsigned row;        /* closed: failures in a row; half-open: successes */
    unsigned trials;     /* under way */
    unsigned generation; /* of the state: results of calls from an earlier one count no more */
    kt_time half_open_at;
    uintptr_t reserved[2];
} kt_breaker;

/* Calls fn(arg) on the caller's stack if the breaker allows it, and counts its result, which it
 * returns. -EAGAIN: refused, fn was not called (kt_error_detail says for how long). Nothing is
 * copied. Suspends as fn does. */
KT_API int kt_breaker_run(kt_breaker *b, KT__JOB) KT_CHECKED;

/* For code that is no function: asks for leave. >= 0: a ticket, to be given to kt_breaker_leave
 * exactly once, whatever happens meanwhile. -EAGAIN: refused. Does not suspend. */
KT_API int kt_breaker_enter(kt_breaker *b) KT_CHECKED;

/* Counts the result of what kt_breaker_enter allowed. A cancelled trial makes room for another. A
 * result that comes after the state has changed is not counted. Does not suspend. */
KT_API void kt_breaker_leave(kt_breaker *b, int ticket, int rc);

/* The state at this moment. Does not suspend. */
KT_API kt_breaker_state kt_breaker_state_now(const kt_breaker *b);

/* Closes it, for an operator who knows better. Does not suspend. */
KT_API void kt_breaker_reset(kt_breaker *b);

KT_END

#endif
