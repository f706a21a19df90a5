/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_HTTP_H
#define KETTLE_HTTP_H

/* A server for HTTP/1.1 and HTTP/2 (RFC 9110, 9112, 9113), Server-Sent Events, and a small client.
 *
 *     static int hello(kt_http_exchange *x, void *arg)
 *     {
 *         (void)arg;
 *         return kt_http_respond(x, 200, "text/plain", "hello\n", 6);
 *     }
 *
 *     kt_auto(kt_listener) *l = NULL;
 *     int rc = kt_listen("127.0.0.1", 8000, NULL, &l);
 *     if (rc == 0)
 *         rc = kt_http_serve(l, NULL, hello, NULL);     // until it is cancelled
 *
 * A handler is a plain function that may suspend. With HTTP/1.1 each connection is a task, which calls the handler for
 * one request after the other; with HTTP/2 each request is one. A client gets HTTP/2 that negotiates "h2" over TLS
 * (ALPN), or that begins with it on a plain connection ("prior knowledge"). Everything that a client controls has a
 * limit and a deadline, with the defaults of kt_http_options. Requests about whose end two readers could
 * disagree are refused, and their connection is closed.
 *
 * Slices and strings that belong to an exchange live until its handler returns.
 *
 * Thread rule: everything here is called on the loop's thread, in a task; the functions of an
 * exchange by one task at a time. Where a comment says "the stream's errors", these are the
 * system's (-EPIPE, -ECONNRESET, ...), and -ETIMEDOUT when the peer stopped taking or sending
 * bytes for longer than the options allow; the connection is closed when the handler returns. */

#include <kettle/buffer.h>
#include <kettle/stream.h>
#include <kettle/tls.h>

KT_BEGIN

/* One request and its answer. */
typedef struct kt_http_exchange kt_http_exchange;

/* Answers one request. A negative result before the answer was begun is answered with 500, with 503 where the request's
 * deadline was over, or with the status that fits where its own body was at fault (400, 408, 413); afterwards it closes
 * the connection (with a reset where its end would be that of the answer, as for HTTP/1.0; HTTP/2: resets the stream),
 * so that the client does not take a cut answer for a whole one. A handler that returns without an answer gives 500.
 * What it has left of the request's body is skipped. When the server stops, a handler that outlives the grace period is
 * cancelled, and answered for with 503 if it has not begun its answer. */
typedef int (*kt_http_handler)(kt_http_exchange *x, void *arg);

#define KT_HTTP_UNLIMITED UINT64_MAX

/* What the log hook is told about a request that is over. Its slices are valid during the call. */
typedef struct kt_http_record {
    kt_slice method;      /* empty if the request could not be read that far */
    kt_slice target;
    const char *peer;     /* as kt_http_peer */
    int status;           /* 0: there was no answer */
    uint64_t bytes_sent;  /* of content, heads and chunk lines not counted */
    kt_time duration;     /* from the complete head to the end of the handler */
    int rc;               /* what the handler returned, or why the library refused; 0 for none */
    const char *reason;   /* why the library refused; NULL for none */
    const kt_http_exchange *exchange; /* to ask for headers; NULL if the request could not be read that far */
} kt_http_record;

/* All zero means the defaults, which stand beside each field with the status of the refusal. */
typedef struct kt_http_options {
    uint32_t request_line_bytes_max; /* 8 KiB: 414 */
    uint32_t header_bytes_max;       /* 32 KiB: 431 */
    uint32_t headers_max;            /* 100: 431 */
    uint64_t body_bytes_max;         /* 1 MiB, KT_HTTP_UNLIMITED for none: 413 */
    kt_time head_timeout;            /* 10 s from the first byte (first request: from the accept) to
                                        the end of the head, however busy the client is: 408 */
    kt_time idle_timeout;            /* 60 s between two requests; then it is closed in silence */
    kt_time body_timeout;            /* 30 s without a byte while a body is read: 408 */
    kt_time request_timeout;         /* 5 min for the handler and all that it calls, from the complete head on; below 0:
                                        none. Event streams and other protocols have none: 503 */
    kt_time write_timeout;           /* 30 s in which the client takes less than 64 KiB */
    kt_time grace;                   /* 5 s for running handlers at the end; negative: none */
    uint32_t body_rate_min;          /* 500 bytes a second of a body, on average over what was waited for it, after the
                                        first body_timeout: 408 */
    uint32_t background_max;         /* 1,000 at once, see kt_http_background */
    uint32_t connections_max;        /* 10,000; beyond it clients wait in the listener's backlog */
    uint32_t connections_per_address_max; /* 1,000, of one IPv4 address or IPv6 /64; beyond it they are closed at once.
                                        This machine's own (loopback, Unix sockets) are not counted. A reverse proxy
                                        on another machine may need more */
    uint32_t requests_max;           /* of one connection, which ends with the last of them; 0: any number */
    size_t stack_bytes;              /* of a connection's task, thus for handlers; 0: the loop's */
    bool no_http2;                   /* only HTTP/1.1 */
    const kt_tls_config *tls;        /* of a server; NULL: plain. For HTTP/2 its alpn has "h2", and "http/1.1" behind
                                        it. Handlers then need a stack of 64 KiB. Borrowed */
    kt_time tls_timeout;             /* 10 s for the handshake, from the accept; then it is closed */
    const char *server;              /* the Server header; NULL: none. Borrowed */
    void (*log)(const kt_http_record *record, void *arg); /* after each request; must not suspend */
    void *log_arg;
} kt_http_options;

/* Serves the listener's connections until the calling task is cancelled. The listener stays the
 * caller's, who closes it afterwards. NULL options mean the defaults.
 *
 * When cancelled it accepts no more, closes idle connections and cancels event streams (which
 * never end by themselves) at once, lets running handlers finish for `grace`, cancels the rest (503,
 * for which a client that does not read has half a second), and returns once all have ended; a second
 * cancellation meanwhile ends the grace period. A head that has come in part has a second of it for the
 * rest, and who has just connected, or shakes hands, for the first request; then the connection is closed
 * in silence, as an idle one. Clients of HTTP/2 that wait for answers are told, and what they ask until they
 * hear of it is served, too.
 * Nothing is left behind. Returns the cancellation's code, KT_ECLOSED if another task closed the
 * listener, -EINVAL for header limits over 16 MiB or a server name with control characters. Who
 * cannot be let in for want of memory is dropped. Suspends. Like asyncio's Server.serve_forever. */
KT_API int kt_http_serve(kt_listener *l, const kt_http_options *options, kt_http_handler handler,
                         void *arg) KT_CHECKED;

/* ---- The request ------------------------------------------------------------------------ */

/* "GET", "POST", ...; case matters (RFC 9110 section 9.1). CONNECT reaches a handler only with a protocol to go on
 * with, over HTTP/2 (see kt_http_upgrade_asked); any other is answered with 501. */
KT_API kt_slice kt_http_method(const kt_http_exchange *x);

/* Is the method this one? */
KT_API bool kt_http_method_is(const kt_http_exchange *x, const char *method);

/* The request target exactly as it was sent (RFC 9112 section 3.2). */
KT_API kt_slice kt_http_target(const kt_http_exchange *x);

/* The target's path with its percent escapes decoded, "*" for OPTIONS *. It never holds NUL; an
 * encoded slash stays "%2F", so that splitting at slashes gives the segments that the client meant.
 * A path with a broken escape, or with %00, was answered with 400. Dots are not resolved. */
KT_API kt_slice kt_http_path(const kt_http_exchange *x);

/* "http", or "https" over TLS: what the connection is, whatever a proxy in front of it may say. Static. */
KT_API const char *kt_http_scheme(const kt_http_exchange *x);

/* "HTTP/1.0", "HTTP/1.1", "HTTP/2". Static. */
KT_API const char *kt_http_version(const kt_http_exchange *x);

/* What stands behind the target's "?", not decoded; empty without one. */
KT_API kt_slice kt_http_query_raw(const kt_http_exchange *x);

/* Looks a parameter of the query up (application/x-www-form-urlencoded, URL standard section 5);
 * `name` is the decoded name. 1 and its decoded value, the first of several; 0 if there is none;
 * -EINVAL if that value holds %00 (a query with a broken escape was answered with 400), -ENOMEM.
 * Does not suspend. */
KT_API int kt_http_query(kt_http_exchange *x, const char *name, kt_slice *ret_value) KT_CHECKED;

/* The host that the request is for, "name[:port]" (RFC 9110 section 7.2). Chosen by the client:
 * a server that trusts its network must compare it (DNS rebinding). Empty only for HTTP/1.0. */
KT_API kt_slice kt_http_host(const kt_http_exchange *x);

/* The value of a request header, the first of several; names in any case. `data` is NULL if
 * there is none. */
KT_API kt_slice kt_http_request_header(const kt_http_exchange *x, const char *name);

/* The header number `index` in the order of the request; false behind the last one. */
KT_API bool kt_http_request_header_at(const kt_http_exchange *x, size_t index, kt_slice *ret_name,
                                      kt_slice *ret_value);

/* The client's address as kt_address_format writes it, also once the client is gone; "?" if the system does not tell,
 * or without memory. */
KT_API const char *kt_http_peer(kt_http_exchange *x);

/* Has the client ended its side of the connection? One system call that never waits: for handlers
 * that work long without writing. A client that only shut its sending side down looks the same.
 * What it sent before that and was not read yet does not hide it. */
KT_API bool kt_http_client_closed(const kt_http_exchange *x);

/* Moves the request's deadline (request_timeout) to a point of kt_now's clock, KT_FOREVER for none: for a handler that
 * knows that it may take longer. Nothing happens once it is over. In the handler's task. Does not suspend. */
KT_API void kt_http_deadline_set(kt_http_exchange *x, kt_time when);

/* A client that goes away cancels its handler, whose calls then return KT_ECANCELED: with HTTP/2 when it resets the
 * stream or ends the connection, with HTTP/1.1 within about a second after it has closed the connection or its sending
 * side (where there is a descriptor to watch). After this call it does not: the handler goes on, and learns of it by
 * kt_http_client_closed or when it writes. Does not suspend. */
KT_API void kt_http_outlive_client(kt_http_exchange *x);

/* Is the server stopping? Long handlers may ask, to end within the grace period. */
KT_API bool kt_http_stopping(const kt_http_exchange *x);

/* `size` bytes that are freed with the exchange; NULL without memory. */
KT_API void *kt_http_alloc(kt_http_exchange *x, size_t size) KT_CHECKED;

/* Reads some of the request's body: at least one byte, at most `size` (0 is -EINVAL). The number of
 * bytes, 0 at the end of the body (or if there is none). The first read answers a client that waits
 * for it with "100 Continue" (RFC 9110 section 10.1.1). KT_EPROTOCOL: the body's framing is broken;
 * KT_ELIMIT: it is longer than body_bytes_max; KT_EINCOMPLETE: the client closed in the middle; the
 * stream's errors; these come again at every later read. KT_EINVALIDSTATE: the client waits for 100
 * and the answer has begun. The cancellation's code, after which nothing is lost. Suspends. */
KT_API ssize_t kt_http_read(kt_http_exchange *x, void *buffer, size_t size) KT_CHECKED;

/* Reads the rest of the body as a whole. *ret_body belongs to the exchange; a body that came
 * with its head is not copied. KT_ELIMIT if it is longer than size_max (the handler may return
 * that: 413), -ENOMEM, otherwise as kt_http_read, also after a cancellation, which the caller
 * may follow by another read_all. Suspends. */
KT_API int kt_http_read_all(kt_http_exchange *x, size_t size_max, kt_slice *ret_body) KT_CHECKED;

/* ---- The answer -------------------------------------------------------------------------- */

/* Adds a header to the answer; name and value are copied, without blanks at the value's ends, which are no part of it
 * (RFC 9110 section 5.5). -EINVAL for a name that is not a token,
 * for control characters in the value (CR, LF, NUL), and for Connection, Content-Length, Date, Host,
 * Transfer-Encoding, which are not the handler's to set. KT_EINVALIDSTATE once the answer has begun;
 * KT_ELIMIT over 32 KiB in all; -ENOMEM. Does not suspend. */
KT_API int kt_http_header(kt_http_exchange *x, const char *name, const char *value) KT_CHECKED;

/* Answers as a whole. `status` is 200 to 599; content_type NULL adds no Content-Type. The bytes are
 * the caller's and free again when the call returns: large ones are written from where they lie, in
 * one system call with the head where they fit. HEAD, 204, 205 and 304 get no content. With
 * pipelined requests already received, small answers leave together, at the latest when
 * a handler waits. 0, KT_EINVALIDSTATE if the answer has begun, -EINVAL for the status or a
 * content_type with control characters, -EOPNOTSUPP for a 2xx to an extended CONNECT (see kt_http_upgrade),
 * -ENOMEM, the stream's errors, the cancellation's code (then the connection is closed). Suspends. */
KT_API int kt_http_respond(kt_http_exchange *x, int status, const char *content_type,
                           const void *bytes, size_t size) KT_CHECKED;

/* Begins an answer whose length is not known: chunked, or until close for HTTP/1.0 (RFC 9112
 * sections 6.3 and 7.1). Its head leaves with the first write or flush. 0, KT_EINVALIDSTATE,
 * -EINVAL, -EOPNOTSUPP, -ENOMEM. Suspends only while earlier answers are being written. */
KT_API int kt_http_start(kt_http_exchange *x, int status, const char *content_type) KT_CHECKED;

/* Writes a piece of the answer, in one system call where it fits; the bytes stay the caller's.
 * Waits while the client does not read. After an answer to HEAD, or with 204, 205 and 304, the
 * bytes are dropped. 0, KT_EINVALIDSTATE outside start and finish, the stream's errors (so one learns
 * that the client is gone), the cancellation's code (then the answer stays cut). Suspends. */
KT_API int kt_http_write(kt_http_exchange *x, const void *bytes, size_t size) KT_CHECKED;

/* Sends what was composed and not sent yet, such as the head. Errors as kt_http_write. Suspends. */
KT_API int kt_http_flush(kt_http_exchange *x) KT_CHECKED;

/* Ends the answer that kt_http_start began. The server does it for a handler that returns 0 or
 * more. Errors as kt_http_write. Suspends. */
KT_API int kt_http_finish(kt_http_exchange *x) KT_CHECKED;

/* Adds a trailer to an answer that kt_http_start has begun: a header that is sent behind the content (RFC 9110 section
 * 6.5). A client of HTTP/1.0 does not get it, nor does one that has asked by HEAD. -EINVAL as kt_http_header;
 * KT_EINVALIDSTATE before the start, or after the end; KT_ELIMIT over 32 KiB in all; -ENOMEM. Does not suspend. */
KT_API int kt_http_trailer(kt_http_exchange *x, const char *name, const char *value) KT_CHECKED;

/* The value of a trailer of the request, the first of several; names in any case. They are there once the body has been
 * read to its end. `data` is NULL if there is none. Does not suspend. */
KT_API kt_slice kt_http_request_trailer(const kt_http_exchange *x, const char *name);

/* ---- Work behind the answer ---------------------------------------------------------------- */

/* Calls fn with a copy of the `size` bytes at arg (size 0: arg itself) in a task of its own, which the client does not
 * wait for, nor its connection. It may not touch the exchange. A server that stops waits for it as for handlers, within
 * the grace period, and cancels it then. What it returns below 0, cancellations aside, goes to the error handler
 * (debug.h). 0; KT_EFULL when background_max are at work; -ENOMEM. Does not suspend. Like Starlette's
 * BackgroundTask. */
KT_API int kt_http_background(kt_http_exchange *x, KT__JOB) KT_CHECKED;

/* ---- Another protocol ---------------------------------------------------------------------- */

/* The protocol that the request asks to go on with, such as "websocket", in any case: the first one of Upgrade
 * (RFC 9110 section 7.8), of which kt_http_upgrade may take any, or `:protocol` (RFC 8441). `data` is NULL if it asks
 * for none. Does not suspend. */
KT_API kt_slice kt_http_upgrade_asked(const kt_http_exchange *x);

/* Goes on with another protocol: answers 101 (Switching Protocols) with the headers that were set, or 200 to an
 * extended CONNECT (RFC 8441), whose client takes every 2xx for this: a handler that answers one by itself gets
 * -EOPNOTSUPP, and the client 501 if nothing else is answered. *ret_stream reads first what was received behind the
 * request. It is borrowed: it ends with the handler, who must not close it, nor use it afterwards. Its time limits are
 * the handler's own affair. The server has no answer to send any more; request, headers and kt_http_alloc's memory stay
 * until the handler returns. 0; -EINVAL if the request does not ask for `protocol`; KT_EINVALIDSTATE once an answer has
 * begun; -ENOMEM; the stream's errors; the cancellation's code (then the connection is closed). Suspends. */
KT_API int kt_http_upgrade(kt_http_exchange *x, const char *protocol, kt_stream **ret_stream) KT_CHECKED;

/* ---- Server-Sent Events (HTML standard, section 9.2) ------------------------------------- */

/* Begins a stream of events and sends its head. Afterwards use the two functions below; the stream
 * ends with the handler. Errors as kt_http_respond. Suspends. */
KT_API int kt_http_events_start(kt_http_exchange *x) KT_CHECKED;

/* Sends one event. `event` (its type) and `id` may be NULL; in them CR and LF are -EINVAL. Data of
 * several lines is split at CR LF, CR or LF; the client joins the lines with LF. 0,
 * KT_EINVALIDSTATE without an events_start, KT_ECLOSED if the request was HEAD, -ENOMEM, the
 * stream's errors, the cancellation's code. Suspends. */
KT_API int kt_http_event(kt_http_exchange *x, const char *event, const char *id, const void *data,
                         size_t size) KT_CHECKED;

/* Sends a comment, which clients ignore: sent now and then, it keeps proxies from closing the
 * stream, and a client that is gone shows as an error. CR and LF are -EINVAL; "" is
 * allowed. Otherwise as kt_http_event. Suspends. */
KT_API int kt_http_event_comment(kt_http_exchange *x, const char *text) KT_CHECKED;

/* ---- Files from memory ------------------------------------------------------------------- */

typedef struct kt_http_asset {
    const char *path;         /* as requested: "/style.css", "/" */
    const char *content_type; /* "text/css; charset=utf-8" */
    const char *etag;         /* quoted, changes with the bytes; NULL: computed at each request */
    const void *bytes;
    size_t size;
} kt_http_asset;

/* Answers with the asset whose path is the request's, if there is one: GET and HEAD, 304 where
 * If-None-Match has its ETag (RFC 9110 section 13.1.2), 405 with Allow for other methods;
 * with Cache-Control: no-cache and X-Content-Type-Options: nosniff. Headers set before are kept.
 * 1 when it answered, 0 when no asset has this path and nothing was answered; errors as
 * kt_http_respond. Suspends. */
KT_API int kt_http_serve_assets(kt_http_exchange *x, const kt_http_asset *assets,
                                size_t count) KT_CHECKED;

/* ---- Who may ask -------------------------------------------------------------------------- */

/* For a server that trusts whoever can reach it, such as one for this machine alone: may the request be answered,
 * or does a page of another site make the user's browser send it? 0: it may. Otherwise the status of the refusal,
 * which the caller sends:
 *
 *   421  it is for a host that is neither localhost, nor an address, nor one of `hosts` (NULL-ended; NULL: none): a
 *        name that somebody else lets point here (DNS rebinding)
 *   403  it changes something (neither GET, HEAD, nor an upgrade), and Origin or Sec-Fetch-Site say that it comes from
 *        elsewhere
 *   415  it changes something, and is not application/json, which no form of another site can send unasked
 *
 * Before anything else in a handler. Does not suspend. */
KT_API int kt_http_guard(const kt_http_exchange *x, const char *const *hosts) KT_CHECKED;

/* Adds headers to an answer: nothing of its page comes from elsewhere, nothing in it is run that is not a file of this
 * server, and nobody may frame it or load it into a page of his own. Errors as kt_http_header. Does not suspend. */
KT_API int kt_http_guard_page(kt_http_exchange *x) KT_CHECKED;

/* The standard's words for a status ("Not Found"), "" for an unknown one. Static. Any thread. */
KT_API const char *kt_http_reason(int status);

/* ---- A small client ---------------------------------------------------------------------- */

/* One request. Strings are borrowed during the call. */
typedef struct kt_http_call {
    const char *host;         /* name or address, without brackets */
    uint16_t port;            /* 0: 80 */
    const char *method;       /* NULL: GET, or POST with a body */
    const char *target;       /* path and query, encoded; NULL: "/" */
    const char *content_type; /* of the body; NULL: none said */
    const void *body;
    size_t body_size;
    const char *const *headers; /* name, value, name, value, ..., NULL; or NULL */
    size_t body_bytes_max;    /* of the reply; 0: 16 MiB */
} kt_http_call;

/* The answer. Zero it, or KT_HTTP_REPLY_INIT, before use. */
typedef struct kt_http_reply {
    int status;
    kt_slice reason;
    kt_slice body;
    struct kt__http_reply_parts *parts; /* private: head and body, to be released */
} kt_http_reply;

#define KT_HTTP_REPLY_INIT {0, {NULL, 0}, {NULL, 0}, NULL}

/* Makes one request on a connection of its own and reads the whole answer; interim (1xx) answers
 * are skipped, redirects are not followed. A server that answers early and stops reading is
 * heard. Wants a timeout scope around it: there is none inside. The caller releases *ret_reply,
 * which is untouched on failure. 0 whatever the status; -EINVAL for a method, target, host or
 * header that would break the request; kt_stream_connect's errors; KT_EPROTOCOL for an answer
 * that breaks the protocol, KT_EINCOMPLETE for one that was cut, KT_ELIMIT for one that is too
 * long; -ENOMEM; the cancellation's code (then nothing is left open), unless the whole answer had
 * come. It is a session (http_client.h) for one request. Suspends. */
KT_API int kt_http_fetch(const kt_http_call *call, kt_http_reply *ret_reply) KT_CHECKED;

/* The value of a header of the reply, the first of several; names in any case. `data` is NULL if
 * there is none. Valid until the release. Does not suspend. */
KT_API kt_slice kt_http_reply_header(const kt_http_reply *reply, const char *name);

/* Frees what the reply holds; a zeroed one is allowed. Does not suspend. */
KT_API void kt_http_reply_release(kt_http_reply *reply);

static inline void kt_http_reply_cleanup(kt_http_reply *reply)
{
    kt_http_reply_release(reply);
}

KT_END

#endif
