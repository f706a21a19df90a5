/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_TIMEOUT_H
#define KETTLE_TIMEOUT_H

/* Deadlines for a piece of code, however deep it waits.
 *
 *     kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
 *     kt_timeout_start(&limit, KT_S(5));
 *     rc = fetch(url);
 *     rc = kt_timeout_end(&limit, rc);          // KT_ETIMEDOUT if the five seconds were over
 *
 * From start to end the scope belongs to the task that started it. When its time is over, every
 * suspending call of that task fails with KT_ETIMEDOUT until the scope ends; leaving the C scope
 * by return, break or goto ends it too. Timeouts are ended in reverse order of their start, which misuse
 * is told; a timeout and a group may end in either order, so that one limit can be put around spawns
 * or around the join. A cancellation from outside outranks a timeout and passes through. */

#include <kettle/task.h>

KT_BEGIN

/* The common part of timeouts and groups: one entry on the task's stack of scopes. Private. */
typedef struct kt__scope {
    struct kt__scope *outer;
    kt_task *task;
    int code;                /* what it makes calls fail with */
    int outside_at_start;    /* outside requests that were there already */
    uint8_t state;           /* quiet, forwarded, active, caught */
    bool taken_back;         /* fired, and no longer counted: see kt_task_uncancel */
    uint8_t held;            /* as deep in kt_cancel_hold it was opened */
} kt__scope;

/* Private: an entry of the ready queue, and a timer. */
typedef struct kt__ready {
    struct kt__ready *next, *prev;
    void (*run)(struct kt__ready *); /* NULL for tasks */
    uint8_t kind;
} kt__ready;

typedef struct kt__timer {
    kt__ready ready;
    kt_time deadline;
    uint64_t sequence;
    struct kt__timer *child, *sibling, *back;
    uint8_t state;
} kt__timer;

/* In the caller's storage; linked by address while started, so it must not move. */
typedef struct kt_timeout {
    kt__scope scope;
    kt__timer timer;
    uintptr_t reserved[2];
} kt_timeout;

#define KT_TIMEOUT_INIT {{NULL, NULL, 0, 0, 0, false, 0}, {{NULL, NULL, NULL, 0}, 0, 0, NULL, NULL, NULL, 0}, {0, 0}}

/* Starts the scope: `after` from now it fires; KT_FOREVER never, 0 or less at the next suspending
 * call. In a task. Does not suspend. Like asyncio.timeout. */
KT_API void kt_timeout_start(kt_timeout *t, kt_time after);

/* The same with a point of kt_now's clock. Like asyncio.timeout_at. */
KT_API void kt_timeout_start_at(kt_timeout *t, kt_time when);

/* Ends the scope. `rc` is how the body ended; it comes back unchanged unless the body ended by this
 * scope's own cancellation: then KT_ETIMEDOUT, or KT_ECANCELED if a request from outside is there
 * too. A body that finished all the same keeps its result. Does not suspend. */
KT_API int kt_timeout_end(kt_timeout *t, int rc) KT_CHECKED;

/* Moves the deadline of a scope that has not fired. Like Timeout.reschedule. */
KT_API void kt_timeout_reschedule(kt_timeout *t, kt_time when);

/* The deadline, KT_FOREVER if none. Like Timeout.when. */
KT_API kt_time kt_timeout_when(const kt_timeout *t);

/* Did it fire? Also after the end. Tells this scope's KT_ETIMEDOUT from an outer one's. Like
 * Timeout.expired. */
KT_API bool kt_timeout_expired(const kt_timeout *t);

/* Calls fn(arg) on the caller's stack, within a timeout scope of `after`. Nothing is copied. With
 * `after` <= 0 fn is not called. Returns its result, or KT_ETIMEDOUT once it has unwound. Suspends
 * as fn does. Like asyncio.wait_for (3.12). */
KT_API int kt_wait_for(kt_time after, KT__JOB) KT_CHECKED;

/* Ends the scope if it is open. For kt_auto. */
KT_API void kt_timeout_cleanup(kt_timeout *t);

KT_END

#endif
