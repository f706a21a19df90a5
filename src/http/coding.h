/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_CODING_H
#define KT__HTTP_CODING_H

/* Compression, piece by piece and in both directions: the content codings of RFC 9110 section 8.4.1, brotli (RFC 7932),
 * and what WebSocket's permessage-deflate (RFC 7692) makes of deflate. zlib is used in coding_zlib.c alone, brotli in
 * coding_brotli.c. Nothing here suspends; any thread, one at a time.
 *
 *     kt__decoder *d;
 *     int rc = kt__decoder_new(KT__CODING_GZIP, &limits, &d);
 *     while ((n = kt__decode(d, &input, piece, sizeof piece)) > 0)
 *         consume(piece, (size_t)n);
 *     if (n == 0 && at_the_end_of_the_body && !kt__decoder_ended(d))
 *         return KT_EINCOMPLETE; */

#include <kettle/buffer.h>
#include <kettle/error.h>

KT_BEGIN

typedef enum kt__coding {
    KT__CODING_GZIP,        /* RFC 1952; several members in a row are one content */
    KT__CODING_DEFLATE,     /* RFC 1950; RFC 1951 alone too, which many have sent under that name */
    KT__CODING_BROTLI,
    KT__CODING_RAW_DEFLATE, /* RFC 1951 without an end: permessage-deflate */
} kt__coding;

/* Against little input that becomes much output. 0: no such limit. */
typedef struct kt__decoder_limits {
    uint64_t bytes_max;  /* of output in all */
    uint32_t ratio_max;  /* output to input, once the output is larger than RATIO_FROM */
    uint8_t window_bits; /* of KT__CODING_RAW_DEFLATE: 8 to 15; 0: 15 */
} kt__decoder_limits;

#define KT__CODING_RATIO_FROM ((uint64_t)64 * 1024)

typedef struct kt__decoder kt__decoder;
typedef struct kt__encoder kt__encoder;

/* 0, -ENOMEM. NULL limits: none. */
int kt__decoder_new(kt__coding coding, const kt__decoder_limits *limits, kt__decoder **ret_decoder) KT_CHECKED;
/* NULL is nothing. */
void kt__decoder_free(kt__decoder *d);

/* Decodes some of *input, of which it cuts off what it has taken, into at most `size` bytes. How many it gave; 0: it
 * needs more input, or all has ended. KT_EPROTOCOL: the input is malformed, or bytes follow its end; KT_ELIMIT: more
 * output than the limits allow; -ENOMEM. After an error only free is of use. */
ssize_t kt__decode(kt__decoder *d, kt_slice *input, void *bytes, size_t size) KT_CHECKED;

/* Has the coding's own end been read? Never with KT__CODING_RAW_DEFLATE. */
bool kt__decoder_ended(const kt__decoder *d);

/* The next message has its own limits, and where `forget` is true cannot refer to earlier ones. */
void kt__decoder_next(kt__decoder *d, bool forget);

/* What is wanted of a piece: */
typedef enum kt__flush {
    KT__FLUSH_NONE, /* the encoder may keep it */
    KT__FLUSH_SYNC, /* whoever has all output so far can decode all input so far */
    KT__FLUSH_END,  /* no more comes */
} kt__flush;

/* level 0: the library's default (zlib's 6, for brotli 4, which costs about the same). window_bits as above, with
 * 8 meaning 9 for zlib's sake: the decoder's window must have 512 bytes then. 0, -ENOMEM. */
int kt__encoder_new(kt__coding coding, int level, unsigned window_bits, kt__encoder **ret_encoder) KT_CHECKED;
/* NULL is nothing. */
void kt__encoder_free(kt__encoder *e);

/* Appends to `out` what becomes of the input. 0; -ENOMEM or KT_ELIMIT of the buffer: then only free is of use. */
int kt__encode(kt__encoder *e, kt_slice input, kt__flush flush, kt_buffer *out) KT_CHECKED;

/* Forgets what was encoded: what follows refers to nothing before it. */
void kt__encoder_forget(kt__encoder *e);

/* ---- Beneath: one of each for a library --------------------------------------------------------- */

typedef struct kt__decoder_kind {
    int (*open)(kt__coding coding, const kt__decoder_limits *limits, void **ret_state);
    /* Takes from *input, gives up to *size bytes and sets it to how many; 1 at the coding's end, 0, or an error. */
    int (*step)(void *state, kt_slice *input, void *bytes, size_t *size);
    bool (*another)(void *state); /* may more follow what has ended? Then all is ready for it. NULL: no */
    void (*forget)(void *state);
    void (*free)(void *state);
} kt__decoder_kind;

typedef struct kt__encoder_kind {
    int (*open)(kt__coding coding, int level, unsigned window_bits, void **ret_state);
    /* As above; 1: all that was asked for has been given. */
    int (*step)(void *state, kt_slice *input, kt__flush flush, void *bytes, size_t *size);
    void (*forget)(void *state);
    void (*free)(void *state);
} kt__encoder_kind;

extern const kt__decoder_kind kt__zlib_decoder, kt__brotli_decoder;
extern const kt__encoder_kind kt__zlib_encoder, kt__brotli_encoder;

KT_END

#endif
