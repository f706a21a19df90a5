/* SPDX-License-Identifier: MIT */

/* Queues. As in asyncio a put does not hand its item to the getter that it wakes: the item stays
 * inside, and a getter that is cancelled meanwhile wakes the next one. Nothing is lost either way. */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/queue.h>

#include "core/core.h"

#define CAPACITY_MIN 8

static bool getter_raced(kt_task *t)
{
    kt_queue *q = t->wait_object;
    if (q->count > 0)
        kt__line_wake(&q->getters, 0);
    return true;
}

static bool is_full(const kt_queue *q)
{
    return q->max > 0 && q->count >= q->max;
}

static bool putter_raced(kt_task *t)
{
    kt_queue *q = t->wait_object;
    if (!is_full(q))
        kt__line_wake(&q->putters, 0);
    return true;
}

static const kt__wait wait_get = {"queue get", kt__cancel_leave, getter_raced, NULL};
static const kt__wait wait_put = {"queue put", kt__cancel_leave, putter_raced, NULL};
static const kt__wait wait_join = {"queue join", kt__cancel_leave, kt__raced_plain, NULL};

static char *item_at(const kt_queue *q, size_t i)
{
    return q->items + (q->head + i) % q->capacity * q->item_bytes;
}

/* Room for one more. The ring is straightened out as it moves. */
static int grow(kt_queue *q)
{
    size_t capacity = q->capacity ? q->capacity * 2 : CAPACITY_MIN;
    if (q->max > 0 && capacity > q->max)
        capacity = q->max;
    size_t bytes;
    if (__builtin_mul_overflow(capacity, q->item_bytes, &bytes))
        return -ENOMEM;
    char *items = kt_alloc(bytes);
    if (!items)
        return -ENOMEM;
    size_t first = q->capacity - q->head < q->count ? q->capacity - q->head : q->count;
    if (q->count > 0) {
        memcpy(items, item_at(q, 0), first * q->item_bytes);
        memcpy(items + first * q->item_bytes, q->items, (q->count - first) * q->item_bytes);
    }
    kt_free(q->items);
    q->items = items;
    q->capacity = capacity;
    q->head = 0;
    return 0;
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
    memcpy(item_at(q, q->count), item, q->item_bytes);
    q->count++;
    q->unfinished++;
    kt__line_wake(&q->getters, 0);
    return 0;
}

int kt_queue_get_nowait(kt_queue *q, void *ret_item)
{
    if (q->count == 0)
        return q->shut ? KT_ESHUTDOWN : KT_EEMPTY;
    memcpy(ret_item, item_at(q, 0), q->item_bytes);
    q->head = (q->head + 1) % q->capacity;
    q->count--;
    kt__line_wake(&q->putters, 0);
    return 0;
}

int kt_queue_put(kt_queue *q, const void *item)
{
    kt_task *self = kt__self("kt_queue_put");
    int rc;
    while ((rc = kt_queue_put_nowait(q, item)) == KT_EFULL) {
        if (self->code)
            return (int)kt__yield(self);
        rc = (int)kt__line_up(self, &q->putters, &wait_put, q);
        if (rc < 0)
            return rc;
    }
    if (rc == -ENOMEM && !is_full(q))
        kt__line_wake(&q->putters, 0); /* the turn that was not used */
    return rc;
}

int kt_queue_get(kt_queue *q, void *ret_item)
{
    kt_task *self = kt__self("kt_queue_get");
    int rc;
    while ((rc = kt_queue_get_nowait(q, ret_item)) == KT_EEMPTY) {
        if (self->code)
            return (int)kt__yield(self);
        rc = (int)kt__line_up(self, &q->getters, &wait_get, q);
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
        return (int)kt__yield(self);
    return (int)kt__line_up(self, &q->joiners, &wait_join, q);
}

void kt_queue_shutdown(kt_queue *q, bool immediate)
{
    q->shut = true;
    if (immediate) {
        size_t dropped = q->count;
        q->count = q->head = 0;
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
