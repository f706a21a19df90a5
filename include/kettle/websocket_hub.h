/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_WEBSOCKET_HUB_H
#define KETTLE_WEBSOCKET_HUB_H

/* One message to many WebSockets: those that have subscribed to its topic.
 *
 *     static int chat(kt_http_exchange *x, void *arg)            // a handler of kt_http_serve; arg is the hub
 *     {
 *         kt_auto(kt_websocket) *ws = NULL;
 *         kt_websocket_message m;
 *         int rc = kt_websocket_accept(x, NULL, &ws);
 *         if (rc == 0)
 *             rc = kt_websocket_hub_subscribe(arg, ws, "chat");
 *         while (rc >= 0 && (rc = kt_websocket_read(ws, &m)) > 0)
 *             rc = kt_websocket_hub_publish(arg, "chat", m.kind, m.data.data, m.data.size);
 *         return rc;                                             // closing ends its subscriptions
 *     }
 *
 * A message is framed once, and compressed once for those that have agreed to compression; the subscribers share it.
 * What can be written at once is; the rest waits in the subscriber's queue, which a task of the hub empties while
 * there is something in it. What a subscriber is sent it gets in the order of publishing. A connection that fails, that
 * takes nothing for write_timeout, that ends, or is closed drops out by itself; one to which a close is to be sent gets
 * no more.
 *
 * Subscribers must be read from, as kettle/websocket.h says. Thread rule: on the loop's thread, in a task. */

#include <kettle/websocket.h>

KT_BEGIN

typedef struct kt_websocket_hub kt_websocket_hub;

/* What becomes of a message for a subscriber whose queue is full: */
typedef enum kt_websocket_slow {
    KT_WEBSOCKET_DROP_OLDEST, /* what has waited longest makes room; a message that is being sent stays, and so do
                               * pings and closes */
    KT_WEBSOCKET_DROP_NEWEST, /* it does not get this one */
    KT_WEBSOCKET_CUT,         /* its connection is ended at once, without a close, which it would not read either */
    KT_WEBSOCKET_WAIT,        /* the publisher waits: the slowest decides */
} kt_websocket_slow;

/* All zero means the defaults. */
typedef struct kt_websocket_hub_options {
    size_t queue_bytes_max; /* of one subscriber; 0 = 256 KiB. A message that is longer is taken by an empty queue */
    kt_websocket_slow slow;

    /* What kept connections say, and how they end: 0 in order, or a failure as kt_websocket_read has it. These may
     * suspend, and write, subscribe, publish, shut down, but neither read nor close; a message is valid until its
     * function returns, and one connection's calls come one after the other. A failure of on_message ends the
     * connection. NULL: nobody is told, and what they say is dropped. */
    int (*on_message)(kt_websocket_hub *hub, kt_websocket *ws, const kt_websocket_message *m, void *arg);
    void (*on_end)(kt_websocket_hub *hub, kt_websocket *ws, int rc, void *arg);
    void *arg;

    uintptr_t reserved[4];
} kt_websocket_hub_options;

/* A hub without subscribers, which the caller owns. NULL options mean the defaults. -EINVAL for `slow`; -ENOMEM. Does
 * not suspend. */
KT_API int kt_websocket_hub_new(const kt_websocket_hub_options *options, kt_websocket_hub **ret_hub) KT_CHECKED;

/* Leaves the connection to the hub, so that no task need wait for what it says, for the sake of memory: the handler
 * that has accepted it returns next, and from then on the hub answers pings and closes, asks a silent peer whether
 * it is there, and calls on_message and on_end. It stays a connection of its server: counted in its limits, and told
 * with a close (1001) when that stops, at the end of whose grace period it is cut. *ws is NULL then; the pointer
 * that it was serves for subscribing until on_end. Where there is no descriptor to watch (TLS, a simulated network)
 * a task of the hub's waits all the same; and over HTTP/2, whose streams end with their handlers, this call serves
 * the connection itself and returns after its end. 0; -EINVAL for what kt_websocket_accept has not made; -ENOMEM,
 * and *ws stays the caller's. Suspends over HTTP/2 alone. */
KT_API int kt_websocket_hub_keep(kt_websocket_hub *hub, kt_websocket **ws) KT_CHECKED;

/* Ends all subscriptions and kept connections and frees the hub; NULL is allowed. What is queued is not sent; a
 * connection in the middle of a message can only be closed then. No task may be in a publish, and none of its
 * connections may be being closed. Suspends; a cancellation is held back. */
KT_API void kt_websocket_hub_free(kt_websocket_hub *hub);

/* Messages of the topic go to `ws` from now on. 0, also if they do already; -EINVAL for a client's end, which masks
 * every frame anew; -ENOMEM. The hub copies the topic. Does not suspend. */
KT_API int kt_websocket_hub_subscribe(kt_websocket_hub *hub, kt_websocket *ws, const char *topic) KT_CHECKED;

/* No more of them do; what is queued is still sent. Nothing if there is no such subscription. Does not suspend. */
KT_API void kt_websocket_hub_unsubscribe(kt_websocket_hub *hub, kt_websocket *ws, const char *topic);

/* Sends a message to the topic's subscribers: how many it was sent to or queued for. -EINVAL: the kind, or text that
 * is not UTF-8; -ENOMEM: nobody gets it. A subscriber for which memory is short does not get it and is not counted.
 * Suspends with KT_WEBSOCKET_WAIT alone; then the cancellation's code: nobody gets it. */
KT_API int kt_websocket_hub_publish(kt_websocket_hub *hub, const char *topic, kt_websocket_kind kind,
                                    const void *bytes, size_t size) KT_CHECKED;

/* The topic's subscribers; NULL: subscriptions to all topics. Does not suspend. */
KT_API size_t kt_websocket_hub_count(const kt_websocket_hub *hub, const char *topic);

static inline void kt_websocket_hub_cleanup(kt_websocket_hub **hub)
{
    kt_websocket_hub_free(*hub);
}

KT_END

#endif
