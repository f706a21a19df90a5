/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_BROADCAST_H
#define KETTLE_BROADCAST_H

/* One sender's items to everybody who listens at the moment.
 *
 *     kt_auto(kt_broadcast) news = KT_BROADCAST_INIT(struct line);
 *
 *     kt_auto(kt_subscriber) me = {.max = 64, .when_full = KT_FULL_DROP_OLDEST};     // a listener
 *     rc = kt_subscriber_open(&me, &news);
 *     while (rc == 0 && (rc = kt_subscriber_get(&me, &line)) == 0)
 *         rc = show(&line);
 *
 *     rc = kt_broadcast_send(&news, &line);      // somebody else
 *
 * Each subscriber has a buffer of its own, allocated when it opens, and says what is to happen
 * when it is full. Everybody gets the items in the same order. Subscribers come and go at any
 * time, also while a send waits. Items are copied bytes; what they point to is the users'
 * concern.
 *
 * For the tasks of one loop. Both live in the caller's storage and must not move while open;
 * either may end first. */

#include <kettle/sync.h>

KT_BEGIN

typedef enum kt_when_full {
    KT_FULL_WAIT,        /* the sender waits: nothing is lost, one slow subscriber slows all */
    KT_FULL_DROP_OLDEST, /* what has waited longest gives way: the newest is always there */
    KT_FULL_DROP_NEWEST, /* the item is not for this subscriber */
    KT_FULL_CLOSE,       /* the subscriber is too slow: it gets what it has, and then KT_ELIMIT */
} kt_when_full;

typedef struct kt_subscriber {
    /* Settings; leave the rest zero. */
    size_t max;             /* items in the buffer; 0 = 16 */
    kt_when_full when_full;

    /* Statistics. */
    uint64_t lost;          /* items dropped since it opened */

    /* State. */
    struct kt_broadcast *broadcast; /* NULL: no more items come */
    struct kt_subscriber *next, *prev;
    char *items;            /* a ring of `capacity` items */
    size_t item_bytes, capacity, head, count;
    int end;                /* what get returns after the last item */
    kt_event ready;         /* something to get, or the end */
    uintptr_t reserved[2];
} kt_subscriber;

typedef struct kt_broadcast {
    size_t item_bytes;
    kt_subscriber *first, *last;
    size_t subscribers;
    kt_lock door;           /* who holds it sends next */
    kt_event room;          /* a subscriber has made room, or left */
    unsigned sending;
    kt_event sent;          /* `sending` fell to 0 */
    bool shut;
    uintptr_t reserved[2];
} kt_broadcast;

#define KT_BROADCAST_INIT(T) \
    {sizeof(T), NULL, NULL, 0, KT_LOCK_INIT, KT_EVENT_INIT, 0, KT_EVENT_INIT, false, {0}}

/* Gives a copy of the item to every subscriber, after waiting until each with KT_FULL_WAIT has
 * room; then all get it at the same moment. Senders take turns in the order of their calls.
 * Returns how many subscribers took it; KT_ESHUTDOWN after kt_broadcast_shutdown; or the
 * cancellation's code, and then nobody got it. Suspends unless there is room and no other sender
 * waits. */
KT_API int kt_broadcast_send(kt_broadcast *b, const void *item) KT_CHECKED;

/* The same without waiting: KT_EFULL, and nobody got it, where a send would wait. In a task.
 * Does not suspend. */
KT_API int kt_broadcast_send_nowait(kt_broadcast *b, const void *item) KT_CHECKED;

/* No more items: subscribers get what they have, and then KT_ESHUTDOWN; sends fail with that,
 * those that wait included. Does not suspend. */
KT_API void kt_broadcast_shutdown(kt_broadcast *b);

/* Shuts it down, lets go of all subscribers, and waits until the senders have left. Suspends if
 * there are any; a cancellation is held back. For kt_auto. */
KT_API void kt_broadcast_cleanup(kt_broadcast *b);

/* Begins to listen: to what is sent from now on. 0, -ENOMEM, KT_ESHUTDOWN. Opening twice is
 * misuse. Does not suspend. */
KT_API int kt_subscriber_open(kt_subscriber *s, kt_broadcast *b) KT_CHECKED;

/* Takes the next item, waiting for it. 0; after the last item KT_ESHUTDOWN (also if it is not
 * open), or KT_ELIMIT (it was too slow, see KT_FULL_CLOSE); or the cancellation's code (then
 * nothing was taken). One task at a time gets from a subscriber. Suspends. */
KT_API int kt_subscriber_get(kt_subscriber *s, void *ret_item) KT_CHECKED;

/* The same without waiting: KT_EEMPTY. Does not suspend. */
KT_API int kt_subscriber_get_nowait(kt_subscriber *s, void *ret_item) KT_CHECKED;

/* Stops listening and drops what is inside. A task that waits in get gets KT_ESHUTDOWN, but the
 * subscriber must outlive it. It can be opened again. Does not suspend. */
KT_API void kt_subscriber_close(kt_subscriber *s);

static inline void kt_subscriber_cleanup(kt_subscriber *s)
{
    kt_subscriber_close(s);
}

KT_END

#endif
