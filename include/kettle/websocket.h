/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_WEBSOCKET_H
#define KETTLE_WEBSOCKET_H

/* WebSocket (RFC 6455) at both ends, with compression (permessage-deflate, RFC 7692).
 *
 *     static int echo(kt_http_exchange *x, void *arg)            // a handler of kt_http_serve
 *     {
 *         kt_auto(kt_websocket) *ws = NULL;
 *         kt_websocket_message m;
 *         int rc = kt_websocket_accept(x, NULL, &ws);
 *         while (rc >= 0 && (rc = kt_websocket_read(ws, &m)) > 0)
 *             rc = kt_websocket_write(ws, m.kind, m.data.data, m.data.size);
 *         return rc;
 *     }
 *
 * One task may read and any number may write at the same time; whole messages of several writers do not mix. Whoever
 * reads also answers pings and the closing handshake, and asks a peer that has been silent for `ping_interval`
 * whether it is still there; so an end that nobody reads from notices neither.
 *
 * A failure of the protocol, of a limit, or of the connection ends it: the peer is told why where it can be, and
 * every later call says so again. A write that was cut off in the middle ends it too, one that waited for its turn
 * does not.
 *
 * While nothing is under way, a connection keeps no buffers; a server's has its request's head until the handler
 * returns. Thread rule: on the loop's thread, in a task. Like aiohttp's and websockets' WebSocket objects. */

#include <kettle/http.h>
#include <kettle/http_client.h>

KT_BEGIN

typedef struct kt_websocket kt_websocket;

typedef enum kt_websocket_kind {
    KT_WEBSOCKET_TEXT = 1,   /* UTF-8, which is checked when it is received */
    KT_WEBSOCKET_BINARY = 2,
} kt_websocket_kind;

/* A message, or a piece of one. */
typedef struct kt_websocket_message {
    kt_websocket_kind kind;
    kt_slice data; /* valid until the next read */
    bool final;    /* false: more pieces follow (kt_websocket_read_part only) */
} kt_websocket_message;

/* All zero means the defaults, which stand beside each field. What it points to is borrowed during the call. */
typedef struct kt_websocket_options {
    const char *const *protocols; /* subprotocols, the best first, and then NULL: a server takes the first of its own
                                   * that the client offers, a client offers them all. NULL: none */
    const char *const *origins;   /* server: pages of which origins ("https://example.org") may connect, and then NULL;
                                   * "*" for all. NULL: those of the host that the request is for. Requests without an
                                   * Origin do not come from pages, and may */
    size_t message_bytes_max;     /* of a message that is received, decompressed; 0 = 1 MiB. Beyond: 1009 */
    bool no_deflate;              /* does not compress */
    bool deflate_forget;          /* each message is compressed for itself: less memory, and worse */
    uint8_t deflate_window_bits;  /* 9 to 15; 0 = 15. Of both directions, where the peer agrees; 9 to 12 save memory */
    uint32_t deflate_from;        /* smaller messages are not compressed; 0 = 64 bytes */
    kt_time ping_interval;        /* of silence, until the peer is asked; 0 = 20 s; negative: never */
    kt_time ping_timeout;         /* until it must have answered, or sent anything; 0 = 20 s */
    kt_time close_timeout;        /* for the peer's part of the closing handshake, from our close on, whatever it says
                                   * meanwhile; 0 = 10 s */
    kt_time write_timeout;        /* in which the peer takes less than 64 KiB of what is being sent; negative: none; 0 =
                                   * the server's for what was accepted (there over HTTP/2 in any case), else 30 s */
    uintptr_t reserved[4];
} kt_websocket_options;

/* ---- Beginning --------------------------------------------------------------------------------- */

/* Server: goes on with WebSocket in a handler, after the checks of RFC 6455 section 4.2. What is no proper request
 * is answered (400, 403 for the origin, 426 for another version) and gives -EPROTO, or -EACCES for the origin. The
 * caller owns *ret_ws and closes it before the handler returns. NULL options mean the defaults. KT_EINVALIDSTATE
 * once an answer has begun; KT_ESHUTDOWN when the server stops (503); -EINVAL for the options; -ENOMEM, the stream's
 * errors, the cancellation's code. Suspends.
 *
 * When the server stops, the peer is told so by a close (1001): a write gives KT_ECLOSED from then on, and a read 0,
 * once the peer has answered. So a handler that reads ends by itself; one that does not may ask kt_http_stopping. */
KT_API int kt_websocket_accept(kt_http_exchange *x, const kt_websocket_options *options,
                               kt_websocket **ret_ws) KT_CHECKED;

/* Client: connects to a "ws:" or "wss:" URL by a session, whose proxies, TLS, credentials and cookies serve. Over
 * HTTP/1.1; or on a stream of the session's connection of HTTP/2 to that server, where there is one and the server
 * says that it takes WebSockets (RFC 8441); with a session of KT_HTTP_2 always so, and -EPROTONOSUPPORT where it does
 * not. The session must outlive *ret_ws, which the caller owns. KT_EPROTOCOL where the server answers otherwise than
 * RFC 6455 section 4.1 wants, with the status in the detail; -EINVAL; the errors of kt_http_send. Suspends. Like
 * ClientSession.ws_connect. */
KT_API int kt_websocket_connect(kt_http_session *s, const char *url, const kt_websocket_options *options,
                                kt_websocket **ret_ws) KT_CHECKED;

/* Goes on over a stream on which the handshakes are done, without compression. Takes the stream on success. `client`:
 * this end is the one that masks. -ENOMEM. Does not suspend. */
KT_API int kt_websocket_over(kt_stream *s, bool client, const kt_websocket_options *options,
                             kt_websocket **ret_ws) KT_CHECKED;

/* The subprotocol that was agreed on, "" for none. Does not suspend. */
KT_API const char *kt_websocket_protocol(const kt_websocket *ws);

/* ---- Reading ----------------------------------------------------------------------------------- */

/* The next message, whole. 1; 0 after the peer's close, in order; KT_EPROTOCOL: it broke the protocol (1002) or sent
 * text that is not UTF-8 (1007); KT_ELIMIT: a message longer than message_bytes_max (1009); KT_EINCOMPLETE: the
 * connection ended without a close, or was ended because none came within close_timeout of ours; -ETIMEDOUT: it
 * answers no ping, or takes nothing of what is sent to it; -ENOMEM; the stream's errors; the cancellation's code, after
 * which nothing is lost and another read goes on. Suspends. */
KT_API int kt_websocket_read(kt_websocket *ws, kt_websocket_message *ret_message) KT_CHECKED;

/* The next piece of a message as soon as it is there, for messages of any length: message_bytes_max does not count.
 * A message may end with a piece of no bytes. Otherwise as kt_websocket_read, which must not be called between two
 * pieces of one message; but pieces may follow a read that was cancelled in one, and begin where it does. Suspends. */
KT_API int kt_websocket_read_part(kt_websocket *ws, kt_websocket_message *ret_part) KT_CHECKED;

/* ---- Writing ----------------------------------------------------------------------------------- */

/* Sends a message. Waits while the peer does not read, but no longer than write_timeout. 0; -EINVAL: text that is not
 * UTF-8; KT_ECLOSED once a close has been sent or received; -ETIMEDOUT: the peer has taken too little for too long, and
 * the connection has been reset; -ENOMEM; the stream's errors; the cancellation's code. Suspends. */
KT_API int kt_websocket_write(kt_websocket *ws, kt_websocket_kind kind, const void *bytes, size_t size) KT_CHECKED;

/* Sends a piece of a message, in a frame of its own; the last one is `final`. Between the pieces no other message
 * can be sent (KT_EINVALIDSTATE); they are not compressed, and text is not checked. Otherwise as kt_websocket_write.
 * Suspends. */
KT_API int kt_websocket_write_part(kt_websocket *ws, kt_websocket_kind kind, const void *bytes, size_t size,
                                   bool final) KT_CHECKED;

/* Sends a ping with up to 125 bytes (-EINVAL), or a pong that nobody asked for. Otherwise as kt_websocket_write. */
KT_API int kt_websocket_ping(kt_websocket *ws, const void *bytes, size_t size) KT_CHECKED;
KT_API int kt_websocket_pong(kt_websocket *ws, const void *bytes, size_t size) KT_CHECKED;

/* ---- The end ----------------------------------------------------------------------------------- */

/* Begins the closing handshake: sends a close with a code (1000: done; 1001: going away; 1008: not allowed; 1011:
 * our fault; 3000 to 4999: the program's own) and a reason of up to 123 bytes of UTF-8, or NULL. Whoever reads gets
 * 0 once the peer has answered, or KT_EINCOMPLETE if it has not within close_timeout. 0 also if a close was sent
 * before; -EINVAL for code or reason; otherwise as kt_websocket_write. Suspends. */
KT_API int kt_websocket_shutdown(kt_websocket *ws, int code, const char *reason) KT_CHECKED;

/* The code of the peer's close: 1005 if it had none, 1006 if the connection ended without one, 0 before. */
KT_API int kt_websocket_close_code(const kt_websocket *ws);

/* The reason of the peer's close, "" for none, or without memory. Valid until kt_websocket_close. */
KT_API const char *kt_websocket_close_reason(const kt_websocket *ws);

/* Ends and frees it; NULL is allowed. Sends a close (1000) if there was none, waits for the peer's for close_timeout at
 * most, and ends the connection. Suspends; a cancellation is held back, and shortens the wait to nothing. No other task
 * may be inside. */
KT_API void kt_websocket_close(kt_websocket *ws);

static inline void kt_websocket_cleanup(kt_websocket **ws)
{
    kt_websocket_close(*ws);
}

/* ---- One connection after the other ------------------------------------------------------------ */

/* All zero means the defaults. What it points to is borrowed during the call. */
typedef struct kt_websocket_run_options {
    kt_websocket_options websocket; /* of each connection */
    kt_time first_wait;    /* after a connection that was lost or could not be made; then twice as long each time, with
                            * jitter, which halves a wait at most; 0 = 1 s */
    kt_time wait_max;      /* the longest of them; 0 = 1 minute */
    kt_time stable;        /* after a connection that has lasted so long the waits begin anew; 0 = 10 s */
    unsigned attempts;     /* lost or failed connections in a row, before the last one's failure is the result; 0: no
                            * end */
    const int *stop_codes; /* the peer's close codes that end it, and then 0; NULL: 1000 alone */
    uintptr_t reserved[4];
} kt_websocket_run_options;

/* Client, for subscribers that stay: connects as kt_websocket_connect, calls `talk` with the connection, and closes it
 * when that returns; and does it again, after a wait, when the connection was lost. `talk` reads and writes as it
 * likes, also by tasks of its own, which it joins, and returns
 *
 *     1 or more    to end all of it;
 *     0            when the peer has closed (what kt_websocket_read says): goes on unless the code is a stop code;
 *     negative     a failure. Goes on after those of a connection: KT_EINCOMPLETE, KT_ETRUNCATED, KT_ECLOSED, -EPIPE,
 *                  -ECONNRESET and the like, -ETIMEDOUT. Any other ends all of it.
 *
 * While connecting, the same failures, KT_ENAME, and the statuses 408, 429, 500, 502, 503 and 504 are worth another
 * attempt. NULL options mean the defaults.
 *
 * The positive number that `talk` returned; the close code that ended it, positive too; or the failure that did: those
 * of `talk`, of kt_websocket_connect; KT_EINCOMPLETE where `attempts` are used up by peers that close; KT_ECLOSED: the
 * session was closed; the cancellation's code, and then no connection is left. Suspends. Like websockets' "async for
 * websocket in connect(...)". */
KT_API int kt_websocket_run(kt_http_session *s, const char *url, const kt_websocket_run_options *options,
                            int (*talk)(kt_websocket *ws, void *arg), void *arg) KT_CHECKED;

KT_END

#endif
