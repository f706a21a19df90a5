/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CALLBACK_H
#define KETTLE_CALLBACK_H

/* Functions that the loop calls: soon, later, at a time, or when a task or future is done.
 *
 *     static kt_callback tick = KT_CALLBACK_INIT;
 *     kt_call_later(&tick, KT_S(2), say_tick, NULL);
 *     ...
 *     kt_callback_cancel(&tick);
 *
 * Tasks are nearly always the better tool; these are for gluing foreign code to a loop. A callback runs
 * on the loop's thread, outside any task (kt_task_current() is NULL), and must not suspend. Callbacks and
 * tasks share one first-in, first-out ready queue. The kt_callback lives in the caller's storage and must
 * not go away while it is pending; it is free again when its function is called, and one whose time has not come
 * when the loop ends (KT_FOREVER never comes) is cancelled; but not one that waits for a future, see future.h.
 * Nothing here suspends or fails; starting one that is pending is misuse. On the loop's thread. */

#include <kettle/timeout.h>

KT_BEGIN

typedef struct kt_callback {
    kt__timer timer;
    kt_loop *loop; /* while it is pending */
    void (*fn)(void *arg);
    void *arg;
    struct kt_callback *next, *prev; /* of those that wait for the same task or future */
    struct kt__callbacks *list;      /* in which it waits, or NULL */
    struct kt__setting *context;     /* of the task that started it; see context.h */
    uintptr_t reserved[1];
} kt_callback;

#define KT_CALLBACK_INIT \
    {{{NULL, NULL, NULL, 0}, 0, 0, NULL, NULL, NULL, 0}, NULL, NULL, NULL, NULL, NULL, NULL, NULL, {0}}

/* Private: callbacks that wait for one thing, in the order in which they were added. */
typedef struct kt__callbacks {
    kt_callback *first, *last;
} kt__callbacks;

/* Calls fn(arg) in the next pass of the loop. Like loop.call_soon. */
KT_API void kt_call_soon(kt_callback *c, void (*fn)(void *arg), void *arg);

/* Calls fn(arg) after d; equal times in the order of the calls. Like loop.call_later. */
KT_API void kt_call_later(kt_callback *c, kt_time d, void (*fn)(void *arg), void *arg);

/* Calls fn(arg) when kt_now() has reached `when`. Like loop.call_at. */
KT_API void kt_call_at(kt_callback *c, kt_time when, void (*fn)(void *arg), void *arg);

/* Calls fn(arg) once the task is done, in the pass after; on a task that is done, in the next pass. Like
 * Task.add_done_callback. */
KT_API void kt_task_on_done(kt_task *t, kt_callback *c, void (*fn)(void *arg), void *arg);

/* Takes it back: from now on it will not be called. True if it was pending. Like Handle.cancel and
 * remove_done_callback. */
KT_API bool kt_callback_cancel(kt_callback *c);

/* Will it be called? */
KT_API bool kt_callback_pending(const kt_callback *c);

/* The time of one that kt_call_later or kt_call_at has started and that is pending; otherwise 0. Like
 * TimerHandle.when. */
KT_API kt_time kt_callback_when(const kt_callback *c);

/* Cancels it. For kt_auto. */
static inline void kt_callback_cleanup(kt_callback *c)
{
    (void)kt_callback_cancel(c);
}

KT_END

#endif
