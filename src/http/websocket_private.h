/* SPDX-License-Identifier: MIT */
#ifndef KT__WEBSOCKET_PRIVATE_H
#define KT__WEBSOCKET_PRIVATE_H

/* The rooms: websocket_frame.c (bytes and frames), websocket_extension.c (what is agreed on about compression),
 * websocket_deflate.c (compression), websocket_send.c (writing), websocket.c (reading, and the end),
 * websocket_handshake.c (both sides' beginning), websocket_hub.c (broadcast), websocket_shared.c (its frames),
 * websocket_kept.c (without a task). */

#include <kettle/buffer.h>
#include <kettle/callback.h>
#include <kettle/sync.h>
#include <kettle/websocket_hub.h>

#include "http/coding.h"
#include "http/websocket_frame.h"

enum {
    KT__WS_REASON_MAX = KT__WS_CONTROL_MAX - 2,
    KT__WS_KEY_BYTES = 24,    /* 16 random bytes in base64 */
    KT__WS_ACCEPT_BYTES = 28, /* a SHA-1 in base64 */
    KT__WS_STRETCH = 64 * 1024, /* the peer must take this much within the write timeout */
};

#define KT__WS_STALLED "the peer does not take what is sent to it"

/* permessage-deflate as it was agreed on: RFC 7692 section 7.1. */
typedef struct kt__ws_deflate {
    bool on;
    bool forget_out, forget_in;  /* no context takeover, in what this end sends and receives */
    uint8_t bits_out, bits_in;   /* of the windows, 8 to 15 */
} kt__ws_deflate;

/* Not in the WebSocket itself, of which most are open. */
typedef struct kt__ws_parting {
    kt_time by;      /* when the peer's close is due */
    kt_callback due; /* pending until then, or until it is here */
    size_t late;     /* bytes that were read after that */
} kt__ws_parting;

/* What reading has to say by itself, until it has been said. */
typedef struct kt__ws_answers {
    kt_task *task;   /* says it; NULL: it begins, or somebody joins it */
    kt_event over;
    bool awaited;    /* by whoever frees this then */
    bool ping, closes;
    size_t size;     /* of the pongs' payloads, each behind a byte that says how long it is */
    char pongs[1024];
    int code;        /* of the close, and its reason, which is static */
    const char *why;
} kt__ws_answers;

struct kt_websocket {
    kt_stream *stream;
    kt_http_response *response; /* whose stream that is; NULL: it is borrowed, or our own */
    kt_http_exchange *exchange; /* of the handler that has accepted it, or NULL */
    size_t message_bytes_max;   /* these are the options that count until the end */
    kt_time ping_interval, ping_timeout, close_timeout, write_timeout;
    uint32_t deflate_from;
    bool owns_stream, client;
    uint8_t rounds;             /* 0: a read waits as often as it must; see kt__ws_read_once */
    bool pinged;                /* and nothing was heard since */
    char *protocol;             /* NULL: none */

    kt_time silence;            /* in which reads have waited, since something was heard or asked */

    kt__ws_reader reader;
    char *in;               /* in[at..end) was received and not read; NULL while idle */
    uint32_t at, end;
    kt_buffer message;      /* being put together, or the last one */
    kt__ws_event pending;   /* a piece that found no memory; type 0: none */
    kt_slice inflating;     /* compressed bytes that lie in `in` */
    kt__decoder *inflater;
    bool in_message, message_compressed;
    uint8_t message_kind;   /* the reader has forgotten it once the last bytes are here */
    bool inflating_last : 1, inflating_more : 1, tail_fed : 1; /* more: not all of it has been given in parts */
    bool gathered : 1;      /* `message` has what no part has given: a read was cancelled in it */
    bool close_sent : 1;
    bool awaited : 1;       /* somebody waits for bytes, by a read or by a watch */
    kt__ws_utf8 utf8;       /* of a compressed message's text */
    uint8_t piece_of;       /* the kind of the message that is sent in pieces */
    uint16_t close_code;    /* the peer's */
    kt__ws_deflate deflate;
    kt__ws_parting *parting; /* once our close has been sent, and the peer's has not come; NULL before */

    kt_lock writing;        /* held while a frame is made and sent */
    kt__encoder *deflater;
    kt__ws_answers *answers; /* NULL: none are under way */

    struct kt__ws_member *hubs; /* that it has subscriptions in, or something to send from */

    int write_rc;           /* the first failure; nothing is sent after it */
    int read_rc;            /* why nothing more is read: as kt_websocket_read says; 1 while all is well */
    char *reason;           /* NULL: none */
};

enum { KT__WS_OUR_FAULT = 1011 };
#define KT__WS_MUTE "no answer to a ping"

/* ---- websocket.c */

/* Puts the defaults in, and checks them. 0, or -EINVAL. */
int kt__ws_options_fill(const kt_websocket_options *given, kt_websocket_options *ret) KT_CHECKED;
/* A new one, by options with their defaults; NULL without memory. No deflate: NULL. */
kt_websocket *kt__ws_new(kt_stream *s, bool client, const kt_websocket_options *o, const kt__ws_deflate *deflate);
void kt__ws_free(kt_websocket *ws);

enum { KT__WS_RESTS = 2 };
/* As kt_websocket_read, but that between two messages bytes are received once only, after ws->rounds was set to 1: then
 * KT__WS_RESTS, and there are no buffers. */
int kt__ws_read_once(kt_websocket *ws, kt_websocket_message *ret_message) KT_CHECKED;
/* Between two messages, with nothing received that has not been looked at? Then it has no buffers any more. */
bool kt__ws_rest(kt_websocket *ws);

/* A close has been sent: from now on the peer's is waited for no longer than close_timeout, whatever it says. */
void kt__ws_closing(kt_websocket *ws);
/* Should it have been here? */
bool kt__ws_close_is_overdue(const kt_websocket *ws);

/* ---- websocket_handshake.c */

/* As kt_websocket_connect, and says the status of the answer: 0, there was none. */
int kt__ws_connect(kt_http_session *s, const char *url, const kt_websocket_options *options, int *ret_status,
                   kt_websocket **ret_ws) KT_CHECKED;

/* Its handler has it no more. */
void kt__ws_part(kt_websocket *ws);

/* ---- websocket_send.c */

/* Sends one frame, masked where this end is the client. */
int kt__ws_send(kt_websocket *ws, unsigned first, kt_slice payload) KT_CHECKED;
/* The same with the code and the reason of a close, if none was sent. code 1005: none. */
int kt__ws_send_close(kt_websocket *ws, int code, kt_slice reason) KT_CHECKED;
/* A server's, for a connection that ends next: as much as goes at once, if no frame is being sent. */
void kt__ws_send_last(kt_websocket *ws, int code, kt_slice reason);

/* Sends a ping or a pong by a task of its own: a reader that waited until the peer takes it would wait for ever if the
 * peer did so, too; and what it says is whole even if the read is cancelled. Where many pongs wait, those before this
 * one are dropped (section 5.5.3). 0; the errors of kt__ws_check_open; without memory it does wait, as kt__ws_send. */
int kt__ws_answer(kt_websocket *ws, unsigned opcode, kt_slice payload) KT_CHECKED;
/* The same with a close, unless there was one; `why` is static. From now on nothing else is sent. */
void kt__ws_answer_close(kt_websocket *ws, int code, const char *why);
/* Waits until that has been sent, or could not be within close_timeout. 0, or the cancellation's code, which leaves it
 * on its way. */
int kt__ws_await_close(kt_websocket *ws) KT_CHECKED;
/* Waits until all is said; a cancellation, or a limit, cuts it. Suspends. */
void kt__ws_answers_end(kt_websocket *ws);

/* Sends bytes of a frame, KT__WS_STRETCH and a head at most; a peer that does not take them in time is hung up on
 * (-ETIMEDOUT). The lock is held. Otherwise as kt_stream_writev. */
int kt__ws_write(kt_websocket *ws, const struct iovec *pieces, size_t count) KT_CHECKED;
/* Sends all from *at on, which says how far that went. */
int kt__ws_write_on(kt_websocket *ws, kt_slice bytes, size_t *at) KT_CHECKED;
/* How long a stretch may last. */
kt_time kt__ws_write_timeout(const kt_websocket *ws);

/* Why no frame can be sent; 0: one can. */
int kt__ws_check_open(const kt_websocket *ws) KT_CHECKED;

/* ---- websocket_shared.c */

typedef struct kt__ws_frame { /* as it goes over the wire, unmasked, for all that it goes to */
    size_t refs, size;
    bool compressed, control, closes;
    char bytes[];
} kt__ws_frame;

/* NULL without memory. */
kt__ws_frame *kt__ws_frame_new(unsigned first, kt_slice payload);
/* By a compressor that forgets after each message, and is made when it is needed. NULL: it cannot be had, and goes
 * without compression. */
kt__ws_frame *kt__ws_frame_compressed(kt__encoder **deflater, unsigned first, kt_slice message);
void kt__ws_frame_unref(kt__ws_frame *f);
bool kt__ws_takes_compressed(const kt_websocket *ws, size_t size);

/* ---- websocket_hub.c */

/* Leaves its hubs, after the frame that has begun. Suspends; a cancellation cuts the frame. */
void kt__ws_leave_hubs(kt_websocket *ws);
/* The pieces of a message have all been sent: others may follow. */
void kt__ws_hubs_go_on(kt_websocket *ws);

/* Sends a control frame, or queues it: 0, or why it could not be done. In a task. Does not suspend. */
int kt__ws_hub_control(kt_websocket_hub *hub, kt_websocket *ws, unsigned opcode, kt_slice payload) KT_CHECKED;

/* ---- websocket_kept.c */

typedef struct kt__ws_kept kt__ws_kept;

/* What a hub has for connections that are served without a task. */
typedef struct kt__ws_keeping {
    kt__ws_kept *first;
    kt_task *keeper;  /* asks silent peers whether they are there; while there are any */
    kt_event changed; /* there is one more, or one less, or one that needs a task */
} kt__ws_keeping;

kt__ws_keeping *kt__ws_keeping_of(kt_websocket_hub *hub);
const kt_websocket_hub_options *kt__ws_hub_options(const kt_websocket_hub *hub);
/* Ends all of them. Suspends; not to be cancelled. */
void kt__ws_keeping_end(kt_websocket_hub *hub);

/* ---- websocket_deflate.c */

/* Compresses a message behind what is in `out`. 0, -ENOMEM, KT_ELIMIT. */
int kt__ws_compress(kt_websocket *ws, kt_slice message, kt_buffer *out) KT_CHECKED;
/* Decompresses some of ws->inflating: the number of bytes, 0 when all is done; 1002 and its like are noted by the
 * caller. Errors as kt__decode. */
ssize_t kt__ws_decompress(kt_websocket *ws, char *bytes, size_t size) KT_CHECKED;

/* ---- websocket_extension.c: Sec-WebSocket-Extensions (RFC 6455 section 9.1) */

/* Room for an offer or an answer of ours. */
#define KT__WS_EXTENSION_BYTES 160

/* Server: picks from what a client offers; *ret says what was agreed on, and `answer` how to say so, "" for nothing.
 * 0, or -EPROTO for what is no list of extensions. */
int kt__ws_extension_pick(kt_slice offers, const kt_websocket_options *o, kt__ws_deflate *ret,
                          char answer[KT__WS_EXTENSION_BYTES]) KT_CHECKED;
/* Client: what to offer, and whether the answer is one to it. */
void kt__ws_extension_offer(const kt_websocket_options *o, char offer[KT__WS_EXTENSION_BYTES]);
int kt__ws_extension_check(kt_slice answer, const kt_websocket_options *o, kt__ws_deflate *ret) KT_CHECKED;

#endif
