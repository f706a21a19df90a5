/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_HTTP_EVENT_STREAM_H
#define KETTLE_HTTP_EVENT_STREAM_H

/* Server-Sent Events as a client: one event after the other, whatever becomes of connections. Library: libkettle-net.
 *
 *     kt_auto(kt_http_event_stream) *prices = NULL;
 *     kt_http_stream_event event;
 *     int rc = kt_http_event_stream_open(web, "https://example.org/prices", NULL, &prices);
 *     while (rc >= 0 && (rc = kt_http_event_stream_next(prices, &event)) > 0)
 *         show(event.type, event.data);
 *
 * When a connection ends, fails, or says nothing for too long, another one is made after a while and told the last
 * event's id (Last-Event-ID), so that a server with a history goes on where it was. The first wait is what the server
 * asked for with "retry:", or 3 s; each failure without an event in between doubles it, with jitter.
 *
 * What a stream means is the HTML standard's, section 9.2: BOM, CR, LF and CR LF, several lines of data, ids with NUL
 * ignored, what is no UTF-8 replaced by U+FFFD, an event that is not over at the end of a connection dropped. Answers
 * 408, 429, 502, 503 and 504 are tried again, unlike there. The server's side is in http.h and http_events.h.
 *
 * A stream is used by one task at a time. Thread rule: as http_client.h. Like EventSource. */

#include <kettle/http_client.h>

KT_BEGIN

typedef struct kt_http_event_stream kt_http_event_stream;

/* All zero means the defaults. Everything is copied. */
typedef struct kt_http_event_stream_options {
    const char *const *headers; /* as of a request; not Last-Event-ID */
    const char *last_event_id;  /* where an earlier stream was; NULL: from now on */
    size_t line_bytes_max;      /* of one line; 0 = 64 KiB */
    size_t event_bytes_max;     /* of one event's data and type; 0 = 1 MiB */
    kt_time first_wait;         /* before a connection is made again, until the server says "retry:"; 0 = 3 s */
    kt_time wait_max;           /* the longest, whatever the server says; 0 = 1 minute. The shortest is 100 ms */
    unsigned attempts;          /* connections in a row that fail or bring no event, before that is the result; 0: no
                                 * end */
    kt_time idle;               /* without a byte: the connection is taken for dead; 0 = 60 s. Servers say a comment now
                                 * and then (kt_http_event_source: every 15 s) */
    kt_http_timeouts timeouts;  /* of each connection; `between` is `idle`'s, `total` 0 = KT_FOREVER */
} kt_http_event_stream_options;

/* Makes a stream of the events of a URL, which may be relative to the session's; NULL options mean the defaults.
 * Nothing is sent yet. The caller owns *ret_stream; the session must outlive it. 0; -EINVAL: a header or an id that is
 * not allowed, a limit below 0; -ENOMEM. Does not suspend. */
KT_API int kt_http_event_stream_open(kt_http_session *s, const char *url, const kt_http_event_stream_options *options,
                                     kt_http_event_stream **ret_stream) KT_CHECKED;

/* Ends its connection and frees it; NULL is allowed. Suspends as kt_http_response_close, which holds a cancellation
 * back. */
KT_API void kt_http_event_stream_close(kt_http_event_stream *es);

static inline void kt_http_event_stream_cleanup(kt_http_event_stream **es)
{
    kt_http_event_stream_close(*es);
}

/* An event; its slices live until the next call for the stream. */
typedef struct kt_http_stream_event {
    kt_slice type; /* "message" unless the server said another */
    kt_slice data; /* its lines with LF between them */
    kt_slice id;   /* the last one that was said, by this event or an earlier one; empty: none */
} kt_http_stream_event;

/* Waits for the next event. 1; 0: the server said 204, it has no more for us, and none will come. KT_EPROTOCOL: an
 * answer that is no event stream, by its Content-Type; -EREMOTEIO: another status than 200, which the detail names;
 * KT_ELIMIT: a line or an event is too long, or the session's body_bytes_max is reached; these come again at every
 * later call. Once `attempts` are used up, the last failure: as kt_http_send and kt_http_response_read, KT_EINCOMPLETE
 * where the stream had ended; the next call tries again. -ENOMEM; KT_ECLOSED: the session was closed. The
 * cancellation's code: nothing is lost, and the next call goes on. Suspends. */
KT_API int kt_http_event_stream_next(kt_http_event_stream *es, kt_http_stream_event *ret_event) KT_CHECKED;

KT_END

#endif
