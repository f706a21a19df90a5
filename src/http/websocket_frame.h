/* SPDX-License-Identifier: MIT */
#ifndef KT__WEBSOCKET_FRAME_H
#define KT__WEBSOCKET_FRAME_H

/* The frames of WebSocket (RFC 6455 section 5), read strictly and incrementally, and written. No I/O, no memory.
 *
 * The contract of kt__ws_feed is that of the HTTP parser: the caller passes all bytes that no earlier call has
 * consumed; any split of a stream into calls gives the same events, but that data comes in other pieces, and the
 * same failure. What is held back is at most a control frame. */

#include <kettle/base.h>
#include <kettle/error.h>

KT_BEGIN

enum {
    KT__WS_CONTINUATION = 0,
    KT__WS_TEXT = 1,
    KT__WS_BINARY = 2,
    KT__WS_CLOSE = 8,
    KT__WS_PING = 9,
    KT__WS_PONG = 10,

    KT__WS_FINAL = 0x80,      /* bits of a frame's first byte */
    KT__WS_COMPRESSED = 0x40, /* RSV1: RFC 7692 section 6 */

    KT__WS_HEAD_MAX = 14,
    KT__WS_CONTROL_MAX = 125, /* bytes of a control frame's payload: section 5.5 */
};

/* Text that comes in pieces: fails at the first byte that no well-formed UTF-8 can have (RFC 3629 section 4). Zero is
 * the beginning. */
typedef struct kt__ws_utf8 {
    uint8_t need, low, high; /* bytes that the running sequence lacks, and the bounds of the next one */
} kt__ws_utf8;

bool kt__ws_utf8_feed(kt__ws_utf8 *u, const char *bytes, size_t size);

typedef struct kt__ws_event {
    int type;        /* KT__WS_TEXT, _BINARY: a piece of a message; _CLOSE, _PING, _PONG; 0: more input is needed */
    kt_slice data;   /* the payload, or a piece of it, unmasked where it lay */
    bool first;      /* of a message's pieces */
    bool final;
    bool compressed; /* the message is */
    int code;        /* of a close; 1005 where it has none; `data` is the reason */
} kt__ws_event;

typedef struct kt__ws_reader {
    bool masked;     /* frames must be (those of clients); otherwise they must not */
    bool extended;   /* permessage-deflate was agreed on */
    uint8_t message; /* the kind of the running one; 0: none */
    bool compressed, final, begun, in_frame;
    uint8_t mask[4];
    uint64_t left, at; /* bytes of the running frame: that have not come, and that have */
    uint64_t plain_max; /* bytes of a message that is not compressed; 0: any number. May change between two calls */
    uint64_t announced; /* by the heads of the running message's frames */
    kt__ws_utf8 utf8;
    int close_code;     /* why feed has failed, for the peer: 1002, 1007, 1009 */
    const char *reason; /* the same for people; static */
} kt__ws_reader;

/* Consumes input up to the next event. How many bytes, or KT_EPROTOCOL, of 1009 KT_ELIMIT, with close_code and reason
 * set, then always. After a close nothing should be fed. */
ssize_t kt__ws_feed(kt__ws_reader *r, char *bytes, size_t size, kt__ws_event *ret_event) KT_CHECKED;

/* Writes a frame's head, at most KT__WS_HEAD_MAX bytes. `first` is its first byte; mask NULL: none. Returns its
 * size. */
size_t kt__ws_head_put(char *out, unsigned first, uint64_t size, const uint8_t *mask);

/* Masks, or unmasks, bytes that stand at `at` in their frame's payload. */
void kt__ws_mask(char *bytes, size_t size, const uint8_t mask[4], uint64_t at);

/* May a close frame have this code (section 7.4, and IANA's registry)? */
bool kt__ws_code_is_valid(int code);

KT_END

#endif
