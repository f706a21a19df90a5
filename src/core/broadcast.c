/* SPDX-License-Identifier: MIT */

/* Broadcast. A send first waits until nobody makes it wait, then delivers to all without
 * suspending: so it reaches everybody or, cancelled, nobody, and the order is the same for all. */

#include <errno.h>
#include <kettle/broadcast.h>
#include <kettle/memory.h>

#include "core/core.h"

#define ITEMS_MAX 16

/* ---- Subscribers --------------------------------------------------------------------------- */

int kt_subscriber_open(kt_subscriber *s, kt_broadcast *b)
{
    size_t bytes, max = s->max ? s->max : ITEMS_MAX;
    if (s->items)
        kt__misuse("kt_subscriber_open: the subscriber is open");
    if (b->shut)
        return KT_ESHUTDOWN;
    if (__builtin_mul_overflow(max, b->item_bytes, &bytes))
        return -ENOMEM;
    s->items = kt_alloc(bytes);
    if (!s->items)
        return -ENOMEM;
    s->item_bytes = b->item_bytes;
    s->capacity = max;
    s->head = s->count = 0;
    s->lost = 0;
    s->end = 0;
    kt_event_clear(&s->ready);
    s->broadcast = b;
    s->next = NULL;
    s->prev = b->last;
    if (b->last)
        b->last->next = s;
    else
        b->first = s;
    b->last = s;
    b->subscribers++;
    return 0;
}

/* It gets nothing any more; what it has stays. */
static void leave(kt_subscriber *s, int end)
{
    kt_broadcast *b = kt_steal(s->broadcast);
    if (!b)
        return;
    if (s->prev)
        s->prev->next = s->next;
    else
        b->first = s->next;
    if (s->next)
        s->next->prev = s->prev;
    else
        b->last = s->prev;
    b->subscribers--;
    s->end = end;
    kt_event_set(&s->ready);
    kt_event_set(&b->room);
}

static char *item_at(const kt_subscriber *s, size_t i)
{
    return s->items + (s->head + i) % s->capacity * s->item_bytes;
}

static void drop_first(kt_subscriber *s)
{
    s->head = (s->head + 1) % s->capacity;
    s->count--;
}

int kt_subscriber_get_nowait(kt_subscriber *s, void *ret_item)
{
    if (s->count == 0)
        return s->broadcast ? KT_EEMPTY : s->end ? s->end : KT_ESHUTDOWN;
    memcpy(ret_item, item_at(s, 0), s->item_bytes);
    drop_first(s);
    if (s->broadcast)
        kt_event_set(&s->broadcast->room);
    return 0;
}

int kt_subscriber_get(kt_subscriber *s, void *ret_item)
{
    int rc;
    while ((rc = kt_subscriber_get_nowait(s, ret_item)) == KT_EEMPTY) {
        kt_event_clear(&s->ready);
        rc = kt_event_wait(&s->ready);
        if (rc < 0)
            return rc;
    }
    return rc;
}

void kt_subscriber_close(kt_subscriber *s)
{
    leave(s, KT_ESHUTDOWN);
    kt_free(kt_steal(s->items));
    s->head = s->count = s->capacity = 0;
    s->end = KT_ESHUTDOWN;
}

/* ---- Sending ------------------------------------------------------------------------------- */

static bool must_wait(const kt_broadcast *b)
{
    for (const kt_subscriber *s = b->first; s; s = s->next)
        if (s->when_full == KT_FULL_WAIT && s->count == s->capacity)
            return true;
    return false;
}

/* True if the subscriber took it. */
static bool deliver(kt_subscriber *s, const void *item)
{
    if (s->count == s->capacity) {
        s->lost++;
        if (s->when_full == KT_FULL_CLOSE)
            leave(s, KT_ELIMIT);
        if (s->when_full != KT_FULL_DROP_OLDEST)
            return false;
        drop_first(s);
    }
    memcpy(item_at(s, s->count), item, s->item_bytes);
    s->count++;
    kt_event_set(&s->ready);
    return true;
}

static int deliver_all(kt_broadcast *b, const void *item)
{
    int took = 0;
    for (kt_subscriber *next, *s = b->first; s; s = next) {
        next = s->next;
        took += deliver(s, item);
    }
    return took;
}

static int wait_for_room(kt_broadcast *b)
{
    int rc = 0;
    while (rc == 0 && !b->shut && must_wait(b)) {
        kt_event_clear(&b->room);
        rc = kt_event_wait(&b->room);
    }
    return rc == 0 && b->shut ? KT_ESHUTDOWN : rc;
}

static int send_in_turn(kt_broadcast *b, const void *item)
{
    int rc = kt_lock_acquire(&b->door);
    if (rc < 0)
        return rc;
    rc = wait_for_room(b);
    if (rc == 0)
        rc = deliver_all(b, item);
    kt_lock_release(&b->door);
    return rc;
}

int kt_broadcast_send(kt_broadcast *b, const void *item)
{
    if (b->shut)
        return KT_ESHUTDOWN;
    b->sending++;
    int rc = send_in_turn(b, item);
    if (--b->sending == 0)
        kt_event_set(&b->sent);
    return rc;
}

int kt_broadcast_send_nowait(kt_broadcast *b, const void *item)
{
    if (b->shut)
        return KT_ESHUTDOWN;
    if (b->door.holder || must_wait(b))
        return KT_EFULL;
    return deliver_all(b, item);
}

void kt_broadcast_shutdown(kt_broadcast *b)
{
    b->shut = true;
    while (b->first)
        leave(b->first, KT_ESHUTDOWN);
    kt_event_set(&b->room);
}

void kt_broadcast_cleanup(kt_broadcast *b)
{
    kt_broadcast_shutdown(b);
    if (b->sending == 0)
        return;
    kt_cancel_hold();
    while (b->sending > 0) {
        kt_event_clear(&b->sent);
        int rc = kt_event_wait(&b->sent);
        (void)rc; /* held back */
    }
    kt_cancel_unhold();
}
