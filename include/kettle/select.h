/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_SELECT_H
#define KETTLE_SELECT_H

/* Waiting for the first of several different things.
 *
 *     int order;
 *     kt_select_case cases[] = {
 *         kt_select_get(&orders, &order),       // takes an item
 *         kt_select_event(&closing),
 *         kt_select_after(KT_S(5)),
 *     };
 *     int which = kt_select(cases, 3);
 *     if (which < 0)
 *         return which;                         // cancelled: nothing was taken
 *     if (which == 0 && cases[0].rc == 0)
 *         serve(order);
 *
 * Exactly one case takes effect: the item is taken or put, the lock or permit is the caller's; of all
 * others nothing has happened. An event, a future and a task are only looked at: a task still has to be
 * joined, and no cancellation is passed on to it.
 *
 * Order: if several cases can be had at once, the first of the array wins, so put what must not starve
 * first. Otherwise the task stands in all lines at once, one place in each like any other waiter, and the
 * case whose turn comes first in time wins. When the call ends, by a case or by a cancellation, it has
 * left every line, and a turn that it was given and did not use has gone to the next.
 *
 * A case whose object is NULL never comes true: so a loop switches cases off. An array can be used again
 * and again; while the call waits it must not move. The objects are those of the running loop, but for channels,
 * which other loops and threads use too: an item that is on its way from there wins over a cancellation, which
 * then shows at the next suspending call. Like asyncio.wait(FIRST_COMPLETED) over `get()`, `wait()` and
 * `sleep()`, without the tasks to make and cancel, and without the items that these lose. */

#include <kettle/channel.h>
#include <kettle/future.h>

KT_BEGIN

/* Private: what a case waits for. */
enum kt__select_kind {
    KT__SELECT_GET,
    KT__SELECT_PUT,
    KT__SELECT_EVENT,
    KT__SELECT_FUTURE,
    KT__SELECT_TASK,
    KT__SELECT_LOCK,
    KT__SELECT_SEMAPHORE,
    KT__SELECT_AFTER,
    KT__SELECT_AT,
    KT__SELECT_RECEIVE,
    KT__SELECT_SEND,
};

/* One thing to wait for; made by the functions below. */
typedef struct kt_select_case {
    int kind;
    int rc; /* of the case that won: how it went, as the call alone would have returned */
    void *object;
    void *item;
    kt_time when;
    kt__waiter place;
    uintptr_t reserved[1];
} kt_select_case;

/* Waits until one case can be had, and takes it. Its index, and in its `rc` what kt_queue_get,
 * kt_task_await and so on would have returned, so also KT_ESHUTDOWN, or the failure of a task. Or the
 * cancellation's code, and then nothing was taken. Never allocates (but a put or a send may: its rc is then
 * -ENOMEM). With n == 0 it waits for a cancellation. Suspends unless a case can be had at once; a call that
 * need not wait succeeds also in a task that is being cancelled. */
KT_API int kt_select(kt_select_case *cases, size_t n) KT_CHECKED;

/* The same without waiting: -EAGAIN if no case can be had at once; kt_select_after counts only with 0 or
 * less. Does not suspend. In a task if there is a lock among the cases. */
KT_API int kt_select_nowait(kt_select_case *cases, size_t n) KT_CHECKED;

static inline kt_select_case kt__select_case(int kind, void *object, void *item, kt_time when)
{
    kt_select_case c = {kind, 0, object, item, when, {NULL, NULL, NULL, NULL}, {0}};
    return c;
}

/* One item is copied out of q to *ret_item, or q is shut down and empty. */
static inline kt_select_case kt_select_get(kt_queue *q, void *ret_item)
{
    return kt__select_case(KT__SELECT_GET, q, ret_item, 0);
}

/* *item is copied into q, or q is shut down. */
static inline kt_select_case kt_select_put(kt_queue *q, const void *item)
{
    return kt__select_case(KT__SELECT_PUT, q, (void *)(uintptr_t)item, 0);
}

/* One item is received from c into *ret_item, or c is shut down and empty. */
static inline kt_select_case kt_select_receive(kt_channel *c, void *ret_item)
{
    return kt__select_case(KT__SELECT_RECEIVE, c, ret_item, 0);
}

/* *item is sent to c, or c is shut down. */
static inline kt_select_case kt_select_send(kt_channel *c, const void *item)
{
    return kt__select_case(KT__SELECT_SEND, c, (void *)(uintptr_t)item, 0);
}

/* The event is set. */
static inline kt_select_case kt_select_event(kt_event *e)
{
    return kt__select_case(KT__SELECT_EVENT, e, NULL, 0);
}

/* The future is settled; rc is 0, its error, or KT_ECANCELED. */
static inline kt_select_case kt_select_future(kt_future *f)
{
    return kt__select_case(KT__SELECT_FUTURE, f, NULL, 0);
}

/* The task is done; rc is its result. It stays the caller's, and must not be joined by others meanwhile. */
static inline kt_select_case kt_select_task(kt_task *t)
{
    return kt__select_case(KT__SELECT_TASK, t, NULL, 0);
}

/* The lock is the caller's. */
static inline kt_select_case kt_select_lock(kt_lock *l)
{
    return kt__select_case(KT__SELECT_LOCK, l, NULL, 0);
}

/* A permit is the caller's. */
static inline kt_select_case kt_select_semaphore(kt_semaphore *s)
{
    return kt__select_case(KT__SELECT_SEMAPHORE, s, NULL, 0);
}

/* The call has waited for d; KT_FOREVER never, 0 or less makes it a call with a default. */
static inline kt_select_case kt_select_after(kt_time d)
{
    return kt__select_case(KT__SELECT_AFTER, NULL, NULL, d);
}

/* kt_now() has reached `when`; KT_FOREVER never. */
static inline kt_select_case kt_select_at(kt_time when)
{
    return kt__select_case(KT__SELECT_AT, NULL, NULL, when);
}

KT_END

#endif
