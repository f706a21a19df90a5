/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_FUTURE_H
#define KETTLE_FUTURE_H

/* A box for one result that comes later, usable from callbacks (asyncio.Future).
 *
 *     kt_future answer = KT_FUTURE_INIT;
 *     ... elsewhere: kt_future_set_result(&answer, 42);
 *     intptr_t n;
 *     int rc = kt_future_await(&answer, &n);
 *
 * It is settled once: with a result, an error, or by cancelling it. It lives in the caller's storage,
 * needs no release, and must outlive its waiters. */

#include <kettle/callback.h>
#include <kettle/sync.h>

KT_BEGIN

typedef struct kt_future {
    uint8_t state;   /* pending, settled, cancelled */
    int rc;          /* 0, or the error */
    intptr_t result; /* a number or a pointer, the users' concern */
    kt__waiters waiters;
    kt__callbacks callbacks;
    uintptr_t reserved[1];
} kt_future;

#define KT_FUTURE_INIT {0, 0, 0, {NULL, NULL}, {NULL, NULL}, {0}}

/* Settles it with a result, or with an error (< 0), and wakes the waiters. 0, or KT_EINVALIDSTATE if it is
 * settled already. On the loop's thread, also from callbacks. Does not suspend. */
KT_API int kt_future_set_result(kt_future *f, intptr_t result) KT_CHECKED;
KT_API int kt_future_set_error(kt_future *f, int rc) KT_CHECKED;

/* Settles it as cancelled: its waiters get KT_ECANCELED. False if it is settled already. */
KT_API bool kt_future_cancel(kt_future *f);

/* Is it settled; is it cancelled? */
KT_API bool kt_future_done(const kt_future *f);
KT_API bool kt_future_cancelled(const kt_future *f);

/* The result of a settled future: 0, its error, KT_ECANCELED, or KT_EINVALIDSTATE while it is pending.
 * ret_result may be NULL. */
KT_API int kt_future_result(const kt_future *f, intptr_t *ret_result) KT_CHECKED;

/* Waits until it is settled; otherwise as kt_future_result. A cancellation of the caller cancels the
 * future, as asyncio's await does. Suspends unless it is settled. */
KT_API int kt_future_await(kt_future *f, intptr_t *ret_result) KT_CHECKED;

/* Calls fn(arg) once it is settled, in the pass after; on one that is, in the next pass. While it is not settled the
 * callback stays pending, even beyond the loop's end, which knows of no futures: cancel it before. Like
 * Future.add_done_callback. */
KT_API void kt_future_on_done(kt_future *f, kt_callback *c, void (*fn)(void *arg), void *arg);

KT_END

#endif
