/* SPDX-License-Identifier: MIT */

/* Queues. As in asyncio a put does not hand its item to the getter that it wakes: the item stays
 * inside, and a getter that is cancelled meanwhile wakes the next one. Nothing is lost either way. */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/queue.h>

#include "core/core.h"

#define CAPACITY_MIN 8
/* Room that an empty queue without a bound keeps: what is more was a burst. One with a bound keeps all, so that who has
 * waited for room does not fail for want of memory. */
#define CAPACITY_KEPT 1024

static bool is_full(const kt_queue *q)
{
    return q->max > 0 && q->count >= q->max;
}

void kt__queue_pass_get(kt_queue *q)
{
    if (q->count > 0)
        kt__line_wake(&q->getters, 0);
}

void kt__queue_pass_put(kt_queue *q)
{
    if (!is_full(q))
        kt__line_wake(&q->putters, 0);
}

static const kt__wait wait_get = {
    .what = "queue get",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_turn,
};
static const kt__wait wait_put = {
    .what = "queue put",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_turn,
};
static const kt__wait wait_join = {
    .what = "queue join",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_plain,
};

/* An item of a priority queue is followed by the number of its put, which breaks ties. */
static size_t slot_bytes(const kt_queue *q)
{
    return q->item_bytes + (q->compare ? sizeof q->sequence : 0);
}

static char *item_at(const kt_queue *q, size_t i)
{
    i += q->head;
    return q->items + (i < q->capacity ? i : i - q->capacity) * slot_bytes(q);
}

/* Room for one more. The ring is straightened out as it moves. */
static int grow(kt_queue *q)
{
    size_t capacity = q->capacity ? q->capacity * 2 : CAPACITY_MIN;
    if (q->max > 0 && capacity > q->max)
        capacity = q->max;
    size_t bytes;
    if (__builtin_mul_overflow(capacity, slot_bytes(q), &bytes))
        return -ENOMEM;
    char *items = kt_alloc(bytes);
    if (!items)
        return -ENOMEM;
    size_t first = q->capacity - q->head < q->count ? q->capacity - q->head : q->count;
    if (q->count > 0) {
        memcpy(items, item_at(q, 0), first * slot_bytes(q));
        memcpy(items + first * slot_bytes(q), q->items, (q->count - first) * slot_bytes(q));
    }
    kt_free(q->items);
    q->items = items;
    q->capacity = capacity;
    q->head = 0;
    return 0;
}

/* ---- The heap of a priority queue: the parent of slot i is slot (i - 1) / 2 ------------------- */

static bool goes_first(const kt_queue *q, size_t i, size_t j)
{
    uint64_t a, b;
    int order = q->compare(item_at(q, i), item_at(q, j));
    if (order != 0)
        return order < 0;
    memcpy(&a, item_at(q, i) + q->item_bytes, sizeof a);
    memcpy(&b, item_at(q, j) + q->item_bytes, sizeof b);
    return a < b;
}

static void exchange(const kt_queue *q, size_t i, size_t j)
{
    char *a = item_at(q, i), *b = item_at(q, j);
    for (size_t left = slot_bytes(q); left > 0; left--, a++, b++) {
        char byte = *a;
        *a = *b;
        *b = byte;
    }
}

static void sift_up(const kt_queue *q, size_t i)
{
    for (; i > 0 && goes_first(q, i, (i - 1) / 2); i = (i - 1) / 2)
        exchange(q, i, (i - 1) / 2);
}

static void sift_down(const kt_queue *q)
{
    for (size_t i = 0, child; (child = 2 * i + 1) < q->count; i = child) {
        if (child + 1 < q->count && goes_first(q, child + 1, child))
            child++;
        if (!goes_first(q, child, i))
            return;
        exchange(q, i, child);
    }
}

/* ---- In and out ------------------------------------------------------------------------------ */

static void store(kt_queue *q, const void *item)
{
    char *slot = item_at(q, q->count);
    memcpy(slot, item, q->item_bytes);
    if (q->compare) {
        q->sequence++;
        memcpy(slot + q->item_bytes, &q->sequence, sizeof q->sequence);
        sift_up(q, q->count);
    }
    q->count++;
}

static void give_back(kt_queue *q)
{
    if (q->max > 0 || q->capacity <= CAPACITY_KEPT)
        return;
    kt_free(kt_steal(q->items));
    q->capacity = q->head = 0;
}

static void fetch(kt_queue *q, void *ret_item)
{
    q->count--;
    if (q->lifo) {
        memcpy(ret_item, item_at(q, q->count), q->item_bytes);
        return;
    }
    memcpy(ret_item, item_at(q, 0), q->item_bytes);
    if (q->compare) {
        exchange(q, 0, q->count);
        sift_down(q);
    } else {
        q->head = q->head + 1 < q->capacity ? q->head + 1 : 0;
    }
}

int kt_queue_put_nowait(kt_queue *q, const void *item)
{
    if (q->shut)
        return KT_ESHUTDOWN;
    if (is_full(q))
        return KT_EFULL;
    int rc = q->count == q->capacity ? grow(q) : 0;
    if (rc < 0)
        return rc;
    store(q, item);
    q->unfinished++;
    kt__line_wake(&q->getters, 0);
    return 0;
}

int kt_queue_get_nowait(kt_queue *q, void *ret_item)
{
    if (q->count == 0)
        return q->shut ? KT_ESHUTDOWN : KT_EEMPTY;
    fetch(q, ret_item);
    if (q->count == 0)
        give_back(q);
    kt__line_wake(&q->putters, 0);
    return 0;
}

int kt_queue_put(kt_queue *q, const void *item)
{
    kt_task *self = kt__self("kt_queue_put");
    int rc;
    while ((rc = kt_queue_put_nowait(q, item)) == KT_EFULL) {
        if (self->code)
            return kt__yield(self);
        rc = kt__line_up(self, &q->putters, &wait_put, q);
        if (rc < 0 && kt__had_turn(self) && !is_full(q))
            kt__line_wake(&q->putters, 0);
        if (rc < 0)
            return rc;
    }
    return rc; /* who has waited fails no more: a queue that was full has all its memory */
}

int kt_queue_get(kt_queue *q, void *ret_item)
{
    kt_task *self = kt__self("kt_queue_get");
    int rc;
    while ((rc = kt_queue_get_nowait(q, ret_item)) == KT_EEMPTY) {
        if (self->code)
            return kt__yield(self);
        rc = kt__line_up(self, &q->getters, &wait_get, q);
        if (rc < 0 && kt__had_turn(self) && q->count > 0)
            kt__line_wake(&q->getters, 0);
        if (rc < 0)
            return rc;
    }
    return rc;
}

size_t kt_queue_size(const kt_queue *q)
{
    return q->count;
}

static void finish(kt_queue *q, size_t items)
{
    q->unfinished -= items;
    if (q->unfinished == 0)
        while (kt__line_wake(&q->joiners, 0))
            ;
}

void kt_queue_task_done(kt_queue *q)
{
    if (q->unfinished == 0)
        kt__misuse("kt_queue_task_done: called more often than items were put");
    finish(q, 1);
}

int kt_queue_join(kt_queue *q)
{
    kt_task *self = kt__self("kt_queue_join");
    if (q->unfinished == 0)
        return 0;
    if (self->code)
        return kt__yield(self);
    return kt__line_up(self, &q->joiners, &wait_join, q);
}

void kt_queue_shutdown(kt_queue *q, bool immediate)
{
    q->shut = true;
    if (immediate) {
        size_t dropped = q->count;
        q->count = q->head = 0;
        give_back(q);
        finish(q, dropped < q->unfinished ? dropped : q->unfinished);
    }
    /* All wake and look: getters find what is left or the end, putters the end. */
    while (kt__line_wake(&q->getters, 0))
        ;
    while (kt__line_wake(&q->putters, 0))
        ;
}

void kt_queue_release(kt_queue *q)
{
    if (q->getters.first || q->putters.first || q->joiners.first)
        kt__misuse("kt_queue_release: a task waits on this queue");
    kt_free(q->items);
    q->items = NULL;
    q->capacity = q->count = q->head = 0;
}
