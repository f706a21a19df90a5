/* SPDX-License-Identifier: MIT */
/* gzip and deflate, by zlib. */
#include <errno.h>
#include <kettle/memory.h>
#include <limits.h>

#include "http/coding.h"

#define ZLIB_CONST
#include <zlib.h>

#define GZIP 16 /* on top of the window's bits: see inflateInit2 in zlib.h */
#define MEMORY_LEVEL 8
#define WINDOW_BYTES 32768

typedef struct inflater {
    z_stream z;
    kt__coding coding;
    bool maybe_raw; /* "deflate" whose first bytes have not been looked at */
    unsigned char head[2];
    unsigned heads;
} inflater;

static void *allocate(void *opaque, unsigned count, unsigned size)
{
    (void)opaque;
    return kt_calloc(count, size);
}

static void release(void *opaque, void *bytes)
{
    (void)opaque;
    kt_free(bytes);
}

static z_stream stream(void)
{
    return (z_stream){.zalloc = allocate, .zfree = release};
}

static int failure(int code, const z_stream *z)
{
    if (code == Z_MEM_ERROR)
        return -ENOMEM;
    return kt_error_set(KT_EPROTOCOL, "compressed content: %s", z->msg ? z->msg : "malformed");
}

/* ---- Decoding ------------------------------------------------------------------------------- */

/* The sign says what zlib expects around the data. */
static int bits_of(kt__coding coding, unsigned window)
{
    switch (coding) {
    case KT__CODING_GZIP:
        return MAX_WBITS + GZIP;
    case KT__CODING_DEFLATE:
        return MAX_WBITS;
    default:
        return -(int)(window ? window : MAX_WBITS);
    }
}

static int inflater_open(kt__coding coding, const kt__decoder_limits *limits, void **ret_state)
{
    inflater *i = kt_calloc(1, sizeof *i);
    if (!i)
        return -ENOMEM;
    i->z = stream();
    i->coding = coding;
    i->maybe_raw = coding == KT__CODING_DEFLATE;
    if (inflateInit2(&i->z, bits_of(coding, limits->window_bits)) != Z_OK) {
        kt_free(i);
        return -ENOMEM;
    }
    *ret_state = i;
    return 0;
}

/* RFC 1950 section 2.2: method 8, and the first two bytes are a multiple of 31. */
static bool is_zlib_head(const unsigned char *head)
{
    return (head[0] & 15) == 8 && (head[0] * 256 + head[1]) % 31 == 0;
}

/* Of an empty input there may be no pointer, to which C lets nobody add even nothing. */
static void pass(kt_slice *input, size_t size)
{
    if (size > 0)
        *input = (kt_slice){input->data + size, input->size - size};
}

static int run(inflater *i, const void *bytes, size_t size, size_t *ret_left)
{
    i->z.next_in = bytes;
    i->z.avail_in = (unsigned)size;
    int code = inflate(&i->z, Z_SYNC_FLUSH);
    *ret_left = i->z.avail_in;
    return code;
}

/* Collects the two bytes that tell zlib's form from deflate alone. 1: decided, and both were fed. */
static int decide(inflater *i, kt_slice *input)
{
    size_t left;
#ifdef KT_FUZZ_PLANTED_BUG /* the first of the two bytes lives only as long as one call */
    i->heads = 0;
#endif
    while (i->heads < 2 && input->size > 0) {
        i->head[i->heads++] = (unsigned char)*input->data++;
        input->size--;
    }
    if (i->heads < 2)
        return 0;
    i->maybe_raw = false;
    if (!is_zlib_head(i->head) && inflateReset2(&i->z, -MAX_WBITS) != Z_OK)
        return -ENOMEM;
    int code = run(i, i->head, 2, &left);
    return code == Z_OK || code == Z_BUF_ERROR ? 1 : code == Z_STREAM_END ? 2 : failure(code, &i->z);
}

static int inflater_step(void *state, kt_slice *input, void *bytes, size_t *size)
{
    inflater *i = state;
    size_t room = *size < UINT_MAX ? *size : UINT_MAX, piece = input->size < UINT_MAX ? input->size : UINT_MAX, left;
    i->z.next_out = bytes;
    i->z.avail_out = (unsigned)room;
    *size = 0;
    if (i->maybe_raw) {
        int rc = decide(i, input);
        if (rc <= 0)
            return rc;
        *size = room - i->z.avail_out;
        if (rc == 2)
            return 1;
        piece = input->size < UINT_MAX ? input->size : UINT_MAX;
    }
    int code = run(i, input->data, piece, &left);
    pass(input, piece - left);
    *size = room - i->z.avail_out;
    if (code == Z_STREAM_END)
        return 1;
    /* What came before a mistake counts; zlib says it again in the next call. So it does not depend on how the input
     * was cut whether text or a limit is found wrong before the mistake is. */
    if (code == Z_OK || code == Z_BUF_ERROR || (code == Z_DATA_ERROR && *size > 0))
        return 0;
    return failure(code, &i->z);
}

/* In permessage-deflate a block may follow one that was the last, and refer to what was before it (RFC 7692 section
 * 7.2.3.4). */
static bool go_on_with_window(inflater *i)
{
    unsigned size = 0;
    unsigned char *window = kt_alloc(WINDOW_BYTES);
    bool well = window && inflateGetDictionary(&i->z, window, &size) == Z_OK && inflateReset(&i->z) == Z_OK &&
                (size == 0 || inflateSetDictionary(&i->z, window, size) == Z_OK);
    kt_free(window);
    return well;
}

/* A member of gzip's format may follow another (RFC 1952 section 2.2). */
static bool inflater_another(void *state)
{
    inflater *i = state;
    if (i->coding == KT__CODING_RAW_DEFLATE)
        return go_on_with_window(i);
    return i->coding == KT__CODING_GZIP && inflateReset(&i->z) == Z_OK;
}

static void inflater_forget(void *state)
{
    (void)inflateReset(&((inflater *)state)->z); /* fails for a broken state only */
}

static void inflater_free(void *state)
{
    inflater *i = state;
    (void)inflateEnd(&i->z);
    kt_free(i);
}

const kt__decoder_kind kt__zlib_decoder = {
    .open = inflater_open,
    .step = inflater_step,
    .another = inflater_another,
    .forget = inflater_forget,
    .free = inflater_free,
};

/* ---- Encoding ------------------------------------------------------------------------------- */

static int deflater_open(kt__coding coding, int level, unsigned window_bits, void **ret_state)
{
    z_stream *z = kt_alloc(sizeof *z);
    if (!z)
        return -ENOMEM;
    *z = stream();
    /* Raw deflate with 8 bits is not what zlib can do: it would make 9 of it in silence, or refuse. */
    int bits = bits_of(coding, window_bits == 8 ? 9 : window_bits);
    int code = deflateInit2(z, level ? level : Z_DEFAULT_COMPRESSION, Z_DEFLATED, bits, MEMORY_LEVEL,
                            Z_DEFAULT_STRATEGY);
    if (code != Z_OK) {
        kt_free(z);
        return -ENOMEM;
    }
    *ret_state = z;
    return 0;
}

static int deflater_step(void *state, kt_slice *input, kt__flush flush, void *bytes, size_t *size)
{
    static const int codes[] = {[KT__FLUSH_NONE] = Z_NO_FLUSH, [KT__FLUSH_SYNC] = Z_SYNC_FLUSH,
                                [KT__FLUSH_END] = Z_FINISH};
    z_stream *z = state;
    size_t room = *size < UINT_MAX ? *size : UINT_MAX, piece = input->size < UINT_MAX ? input->size : UINT_MAX;
    bool whole = piece == input->size;
    z->next_in = (const unsigned char *)input->data;
    z->avail_in = (unsigned)piece;
    z->next_out = bytes;
    z->avail_out = (unsigned)room;
    int code = deflate(z, whole ? codes[flush] : Z_NO_FLUSH);
    pass(input, piece - z->avail_in);
    *size = room - z->avail_out;
    if (code == Z_STREAM_ERROR)
        return failure(code, z);
    if (flush == KT__FLUSH_END)
        return code == Z_STREAM_END;
    return input->size == 0 && z->avail_out > 0; /* with room left, nothing is kept that was asked for */
}

static void deflater_forget(void *state)
{
    (void)deflateReset(state);
}

static void deflater_free(void *state)
{
    (void)deflateEnd(state); /* Z_DATA_ERROR: input was dropped, as is meant */
    kt_free(state);
}

const kt__encoder_kind kt__zlib_encoder = {
    .open = deflater_open,
    .step = deflater_step,
    .forget = deflater_forget,
    .free = deflater_free,
};
