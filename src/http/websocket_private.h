/* SPDX-License-Identifier: MIT */
#ifndef KT__WEBSOCKET_PRIVATE_H
#define KT__WEBSOCKET_PRIVATE_H

/* The rooms: websocket_frame.c (bytes and frames), websocket_extension.c (what is agreed on about compression),
 * websocket_deflate.c (compression), websocket_send.c (writing), websocket.c (reading, and the end),
 * websocket_handshake.c (both sides' beginning). */

#include <kettle/buffer.h>
#include <kettle/sync.h>
#include <kettle/websocket.h>

#include "http/coding.h"
#include "http/websocket_frame.h"

enum {
    KT__WS_REASON_MAX = KT__WS_CONTROL_MAX - 2,
    KT__WS_KEY_BYTES = 24,    /* 16 random bytes in base64 */
    KT__WS_ACCEPT_BYTES = 28, /* a SHA-1 in base64 */
};

/* permessage-deflate as it was agreed on: RFC 7692 section 7.1. */
typedef struct kt__ws_deflate {
    bool on;
    bool forget_out, forget_in;  /* no context takeover, in what this end sends and receives */
    uint8_t bits_out, bits_in;   /* of the windows, 8 to 15 */
} kt__ws_deflate;

struct kt_websocket {
    kt_stream *stream;
    kt_http_response *response; /* whose stream that is; NULL: it is borrowed, or our own */
    bool owns_stream, client;
    size_t message_bytes_max;   /* these are the options that count until the end */
    kt_time ping_interval, ping_timeout, close_timeout;
    uint32_t deflate_from;
    char *protocol;             /* NULL: none */

    kt__ws_reader reader;
    char *in;               /* in[at..end) was received and not read; NULL while idle */
    size_t at, end;
    kt_buffer message;      /* being put together, or the last one */
    bool in_message, message_compressed;
    uint8_t message_kind;   /* the reader has forgotten it once the last bytes are here */
    kt__ws_event pending;   /* a piece that found no memory; type 0: none */
    kt__ws_utf8 utf8;       /* of a compressed message's text */
    kt_slice inflating;     /* compressed bytes that lie in `in` */
    bool inflating_last, tail_fed;
    kt__decoder *inflater;
    bool pinged;            /* and nothing was heard since */

    kt_lock writing;        /* held while a frame is made and sent */
    kt__encoder *deflater;
    kt__ws_deflate deflate;
    uint8_t piece_of;       /* the kind of the message that is sent in pieces */
    int write_rc;           /* the first failure; nothing is sent after it */
    bool close_sent;

    struct kt__ws_member *hubs; /* that it has subscriptions in, or something to send from */

    int read_rc;            /* why nothing more is read: as kt_websocket_read says; 1 while all is well */
    int close_code;         /* the peer's */
    char *reason;           /* NULL: none */
};

/* ---- websocket.c */

/* Puts the defaults in, and checks them. 0, or -EINVAL. */
int kt__ws_options_fill(const kt_websocket_options *given, kt_websocket_options *ret) KT_CHECKED;
/* A new one, by options with their defaults; NULL without memory. No deflate: NULL. */
kt_websocket *kt__ws_new(kt_stream *s, bool client, const kt_websocket_options *o, const kt__ws_deflate *deflate);
void kt__ws_free(kt_websocket *ws);

/* ---- websocket_send.c */

/* Sends one frame, masked where this end is the client. */
int kt__ws_send(kt_websocket *ws, unsigned first, kt_slice payload) KT_CHECKED;
/* The same with the code and the reason of a close, if none was sent. code 1005: none. */
int kt__ws_send_close(kt_websocket *ws, int code, kt_slice reason) KT_CHECKED;

/* Why no frame can be sent; 0: one can. */
int kt__ws_check_open(const kt_websocket *ws) KT_CHECKED;

/* ---- websocket_hub.c */

/* Leaves its hubs, after the frame that has begun. Suspends; a cancellation cuts the frame. */
void kt__ws_leave_hubs(kt_websocket *ws);
/* The pieces of a message have all been sent: others may follow. */
void kt__ws_hubs_go_on(kt_websocket *ws);

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
