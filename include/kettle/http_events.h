/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_HTTP_EVENTS_H
#define KETTLE_HTTP_EVENTS_H

/* Server-Sent Events to many clients, who miss nothing when they come back soon. Library: libkettle-net.
 *
 *     kt_auto(kt_http_event_source) *prices = NULL;
 *     int rc = kt_http_event_source_new(NULL, &prices);
 *
 *     static int handler(kt_http_exchange *x, void *arg)
 *     {
 *         return kt_http_event_source_serve(arg, x);       // until the client goes
 *     }
 *
 *     rc = kt_http_event_source_send(prices, "price", json, strlen(json));    // any task of the loop
 *
 * The source keeps the last events. Each client is a place in that history and has no queue of its own: who reads
 * slowly falls back, and when what he has not read yet is forgotten he loses it, or is sent away, as the options say.
 * Who comes back with Last-Event-ID, as browsers do by themselves, goes on where he was.
 *
 * A source belongs to one loop. "The stream's errors": see http.h. HTML standard, section 9.2. */

#include <kettle/http.h>

KT_BEGIN

/* All zero means the defaults. */
typedef struct kt_http_event_source_options {
    uint32_t history_max;       /* events that are kept; 0 = 256 */
    size_t history_bytes_max;   /* and their bytes; 0 = 1 MiB */
    kt_time heartbeat;          /* a comment after so long without an event, by which a client that is gone is noticed;
                                 * 0 = 15 s, negative: none */
    kt_time retry;              /* after which browsers come back; 0: as they like */
    bool close_slow;            /* a client who fell behind the history is sent away; else he loses what is gone */
    bool replay_new;            /* a client without Last-Event-ID first gets the history; else only what comes */
    uintptr_t reserved[2];
} kt_http_event_source_options;

typedef struct kt_http_event_source kt_http_event_source;

/* Makes one; NULL options mean the defaults. The caller owns *ret_source. -ENOMEM; -EIO without random numbers. Does
 * not suspend. */
KT_API int kt_http_event_source_new(const kt_http_event_source_options *options,
                                    kt_http_event_source **ret_source) KT_CHECKED;

/* Frees it; NULL is allowed. Clients are told no more: kt_http_event_source_serve returns in their tasks, soon. Does
 * not suspend. */
KT_API void kt_http_event_source_free(kt_http_event_source *s);

static inline void kt_http_event_source_cleanup(kt_http_event_source **s)
{
    kt_http_event_source_free(*s);
}

/* Sends an event to all; the bytes are copied. `event`, its type, may be NULL. Its id is the source's to make. Never
 * waits for a client. 0; -EINVAL for a line end in the type; KT_ELIMIT for more bytes than the history may have;
 * -ENOMEM, and then nobody got it. In a task of the loop; does not suspend. */
KT_API int kt_http_event_source_send(kt_http_event_source *s, const char *event, const void *data,
                                     size_t size) KT_CHECKED;

/* Answers with the events from now on, or from Last-Event-ID on; what was before this source began, or is forgotten, is
 * answered with all that is kept. 0 when the source was freed, and to HEAD; KT_ELIMIT for a client who is too slow
 * (with close_slow); else as kt_http_events_start and kt_http_event. Suspends. */
KT_API int kt_http_event_source_serve(kt_http_event_source *s, kt_http_exchange *x) KT_CHECKED;

/* How many clients there are. Does not suspend. */
KT_API size_t kt_http_event_source_clients(const kt_http_event_source *s);

KT_END

#endif
