/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_QUEUE_H
#define KETTLE_QUEUE_H

/* Queues of values between the tasks of one loop (asyncio.Queue, LifoQueue, PriorityQueue).
 *
 *     kt_auto(kt_queue) orders = KT_QUEUE_INIT(int, 10);    // at most ten wait
 *     int rc = kt_queue_put(&orders, &(int){7});            // copies the value
 *     int n;
 *     rc = kt_queue_get(&orders, &n);
 *
 * The queue lives in the caller's storage; its items on the heap, allocated as needed, at most
 * `max` of them (0: no bound; then the memory of a burst is given back once the queue is empty). Values are copied
 * bytes: what they point to is the users' concern.
 * Getters and putters are served in the order of asking. One that is cancelled takes and
 * leaves nothing. A call that need not wait succeeds at once. */

#include <kettle/sync.h>

KT_BEGIN

/* Which of two items goes first: < 0 the first, > 0 the second, 0 the one that was put earlier. */
typedef int (*kt_compare)(const void *a, const void *b);

typedef struct kt_queue {
    size_t item_bytes;
    size_t max;
    char *items;          /* `capacity` of them: a ring, a stack, or a heap */
    size_t capacity, head, count;
    size_t unfinished;    /* put, and not yet reported done */
    bool shut;
    bool lifo;
    kt_compare compare;   /* of a priority queue */
    uint64_t sequence;    /* of the last put into one */
    kt__waiters getters, putters, joiners;
    uintptr_t reserved[2];
} kt_queue;

#define KT__QUEUE_INIT(T, max, lifo, compare) \
    {sizeof(T), (max), NULL, 0, 0, 0, 0, false, (lifo), (compare), 0, \
     {NULL, NULL}, {NULL, NULL}, {NULL, NULL}, {0, 0}}

/* First in, first out. */
#define KT_QUEUE_INIT(T, max) KT__QUEUE_INIT(T, max, false, NULL)

/* Last in, first out. */
#define KT_LIFO_QUEUE_INIT(T, max) KT__QUEUE_INIT(T, max, true, NULL)

/* The smallest first by a kt_compare, equals in the order in which they were put. */
#define KT_PRIORITY_QUEUE_INIT(T, max, compare) KT__QUEUE_INIT(T, max, false, compare)

/* Copies one item in, waiting while the queue is full. 0, -ENOMEM, KT_ESHUTDOWN, or the
 * cancellation's code (then nothing was put). Suspends. */
KT_API int kt_queue_put(kt_queue *q, const void *item) KT_CHECKED;

/* Copies one item out, waiting while the queue is empty. 0, KT_ESHUTDOWN once it is shut down and
 * empty, or the cancellation's code (then nothing was taken). Suspends. */
KT_API int kt_queue_get(kt_queue *q, void *ret_item) KT_CHECKED;

/* The twins that never suspend: 0, KT_EFULL or KT_EEMPTY, -ENOMEM, KT_ESHUTDOWN. */
KT_API int kt_queue_put_nowait(kt_queue *q, const void *item) KT_CHECKED;
KT_API int kt_queue_get_nowait(kt_queue *q, void *ret_item) KT_CHECKED;

/* Items inside. */
KT_API size_t kt_queue_size(const kt_queue *q);

/* Reports one gotten item as worked off. More reports than items is misuse. */
KT_API void kt_queue_task_done(kt_queue *q);

/* Waits until every item that was put has been reported done. 0, or the cancellation's code.
 * Suspends. */
KT_API int kt_queue_join(kt_queue *q) KT_CHECKED;

/* Puts fail from now on with KT_ESHUTDOWN; gets too once the queue is empty. `immediate` drops what
 * is inside and reports it done. Like Queue.shutdown (3.13). Does not suspend. */
KT_API void kt_queue_shutdown(kt_queue *q, bool immediate);

/* Frees the items. Misuse while tasks wait on the queue. */
KT_API void kt_queue_release(kt_queue *q);

static inline void kt_queue_cleanup(kt_queue *q)
{
    kt_queue_release(q);
}

KT_END

#endif
