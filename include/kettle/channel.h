/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CHANNEL_H
#define KETTLE_CHANNEL_H

/* Channels: queues of values between the tasks of several loops and plain threads, in any combination.
 *
 *     static kt_channel readings = KT_CHANNEL_INIT(struct reading, 100);   // at most a hundred wait
 *
 *     int rc = kt_channel_send(&readings, &r);         // a thread: blocks; a task: suspends
 *     rc = kt_channel_receive(&readings, &r);
 *     kt_channel_shutdown(&readings, false);           // who receives gets what is left, then KT_ESHUTDOWN
 *
 * Values are copied bytes, first in, first out; what they point to is the users' concern. Those who wait are
 * served in the order of asking, threads and tasks alike, and nobody overtakes them. Whoever makes it possible
 * serves the first in line at once: the item is his from then on. So an item that is on its way to a task wins
 * over a cancellation or a timeout that comes meanwhile, which shows at the task's next suspending call:
 * no item is lost, delivered twice, or out of order.
 *
 * The same call does for both. In a task it suspends; on a thread that runs no loop it blocks (within a limit:
 * the _within twins). On a loop's thread outside a task it is misuse; there only the _nowait twins may be called.
 * Under the simulated driver, where jobs of kt_thread_run are on the loop's thread, these are such a place.
 * Nothing here may be called in a signal handler, nor in a child of fork(2) that shares the channel with its
 * parent. In virtual time nobody waits for other threads: the clock jumps.
 *
 * A channel lives in the caller's storage, or is static. It must stay there for as long as any call uses it: those
 * who wait count, a call of another thread whose part is done does not. So who receives the last item may release
 * the channel at once. A loop that ends cancels its tasks that wait here, like all others; but jobs on the threads
 * of its pool, for whose end it waits, wait on until they are served: shut the channel down first.
 *
 * A task takes part in channels and in things of its own loop at once by kt_select. Between tasks of one loop a
 * kt_queue costs less. */

#include <kettle/queue.h>
#include <pthread.h>

KT_BEGIN

typedef struct kt_channel {
    pthread_mutex_t mutex; /* for what follows */
    kt_queue items;
    kt__waiters receivers, senders;
    uintptr_t reserved[2];
} kt_channel;

/* For items of type T, at most `max` of them inside (0: no bound). */
#define KT_CHANNEL_INIT(T, max) \
    {PTHREAD_MUTEX_INITIALIZER, KT_QUEUE_INIT(T, max), {NULL, NULL}, {NULL, NULL}, {0, 0}}

/* Copies one item in, waiting while the channel is full. 0, -ENOMEM, KT_ESHUTDOWN, or the cancellation's code (then
 * nothing was sent; an item that somebody took out of the waiting call's hands is sent, and the result 0).
 * A call that need not wait succeeds also in a task that is being cancelled. In a task, where it suspends, or
 * on a thread without a loop, where it blocks. Like asyncio.Queue.put, for threads queue.Queue.put. */
KT_API int kt_channel_send(kt_channel *c, const void *item) KT_CHECKED;

/* Copies one item out, waiting while the channel is empty. 0, KT_ESHUTDOWN once it is shut down and empty, or the
 * cancellation's code (then nothing was taken). Otherwise as kt_channel_send. Like asyncio.Queue.get, for
 * threads queue.Queue.get. */
KT_API int kt_channel_receive(kt_channel *c, void *ret_item) KT_CHECKED;

/* The twins that never wait: 0, KT_EFULL or KT_EEMPTY, -ENOMEM, KT_ESHUTDOWN. Any thread, in a task or not. Like
 * put_nowait, get_nowait. */
KT_API int kt_channel_send_nowait(kt_channel *c, const void *item) KT_CHECKED;
KT_API int kt_channel_receive_nowait(kt_channel *c, void *ret_item) KT_CHECKED;

/* The twins for threads that wait no longer than `limit` (KT_FOREVER: as long as it takes): then -ETIMEDOUT, and
 * nothing was sent or taken. On a thread that runs a loop it is misuse: there a timeout scope does it.
 * Like queue.Queue.put(timeout=...). */
KT_API int kt_channel_send_within(kt_channel *c, const void *item, kt_time limit) KT_CHECKED;
KT_API int kt_channel_receive_within(kt_channel *c, void *ret_item, kt_time limit) KT_CHECKED;

/* Items inside, those in the hands of waiting senders not counted; others may have changed it by the time the
 * caller looks. Any thread. Does not suspend. Like Queue.qsize. */
KT_API size_t kt_channel_size(kt_channel *c);

/* Sending fails from now on with KT_ESHUTDOWN, for those too who wait to send; receiving too once the channel is
 * empty. `immediate` drops what is inside. Any thread. Does not suspend. Like Queue.shutdown (3.13). */
KT_API void kt_channel_shutdown(kt_channel *c, bool immediate);

/* Frees the items. Misuse while somebody waits. Does not suspend. */
KT_API void kt_channel_release(kt_channel *c);

static inline void kt_channel_cleanup(kt_channel *c)
{
    kt_channel_release(c);
}

KT_END

#endif
