/* SPDX-License-Identifier: MIT */
/* Content codings under libFuzzer: gzip, deflate in both forms, brotli, and what permessage-deflate is made of. The
 * oracle: compressed bytes give the same content and the same verdict whole, one byte at a time, and cut at arbitrary
 * places, into whatever room; a limit on bytes is kept; and what we compress comes out as it was.
 *
 * Two verdicts count as one with brotli: its library gives nothing of what came before a mistake in the same call, so
 * whether a limit or the mistake is met first depends on the pieces. Either refuses the content.
 *
 * Input: one byte of switches, two that seed the cuts, then what is to be decoded, or to be encoded first. */
#include "http/coding.h"

#include "words.h"

#include <stdlib.h>
#include <string.h>

#define INPUT_MAX ((size_t)16 * 1024)
#define CONTENT_MAX ((size_t)256 * 1024)
#define TIGHT_MAX 300

enum { CODING = 3, TIGHT = 4, LITTLE_ROOM = 8, ENCODE = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct result {
    char content[CONTENT_MAX + 4096];
    size_t size;
    int verdict; /* 0: ended; 1: more is missing */
} result;

/* The size of the next piece. */
static size_t cut(uint32_t *seed, size_t left)
{
    if (*seed == 0)
        return left;
    *seed = (*seed * 1664525u + 1013904223u) | 2;
    size_t piece = 1 + ((*seed >> 16) & ((1u << (*seed >> 29)) - 1));
    return piece < left ? piece : left;
}

/* Each call sees a copy of its own size, so that a byte read outside is a report. */
static ssize_t decode_piece(kt__decoder *d, const uint8_t *data, size_t size, size_t room, result *r)
{
    char *copy = malloc(size + (size == 0));
    if (!copy)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    kt_slice input = {copy, size};
    ssize_t n;
    while (r->size <= CONTENT_MAX && (n = kt__decode(d, &input, r->content + r->size, room)) > 0)
        r->size += (size_t)n;
    if (r->size > CONTENT_MAX)
        n = KT_ELIMIT;
    if (n == 0 && input.size > 0)
        abort(); /* it wants more input and has not taken this */
    free(copy);
    return n;
}

static void decode(kt__coding coding, const kt__decoder_limits *limits, const uint8_t *data, size_t size,
                   uint32_t seed, size_t room, result *r)
{
    kt__decoder *d;
    ssize_t n = 0;
    if (kt__decoder_new(coding, limits, &d) < 0)
        abort();
    r->size = 0;
    for (size_t at = 0; n == 0 && at < size;) {
        size_t piece = seed == 1 ? 1 : cut(&seed, size - at);
        n = decode_piece(d, data + at, piece, room, r);
        at += piece;
    }
    r->verdict = n < 0 ? (int)n : kt__decoder_ended(d) ? 0 : 1;
    if (limits->bytes_max && r->size > limits->bytes_max)
        abort();
    kt__decoder_free(d);
}

static void compare(kt__coding coding, const result *a, const result *b, const char *how)
{
    bool refused = coding == KT__CODING_BROTLI && a->verdict < 0 && b->verdict < 0;
    bool same = a->verdict == b->verdict || refused;
    /* Of what is refused, how much came before depends on the room. */
    if (a->verdict >= 0)
        same = same && a->size == b->size && memcmp(a->content, b->content, a->size) == 0;
    if (same)
        return;
    fprintf(stderr, "whole: verdict %d, %zu bytes\n=\n", a->verdict, a->size);
    fprintf(stderr, "%s: verdict %d, %zu bytes\n", how, b->verdict, b->size);
    abort();
}

static void check_decoding(uint8_t switches, const uint8_t *data, size_t size, uint32_t seed)
{
    static result whole, other;
    kt__coding coding = (kt__coding)(switches & CODING);
    kt__decoder_limits limits = {.bytes_max = switches & TIGHT ? TIGHT_MAX : 0};
    size_t room = switches & LITTLE_ROOM ? 7 : 4096;
    decode(coding, &limits, data, size, 0, 4096, &whole);
    decode(coding, &limits, data, size, 1, 4096, &other);
    compare(coding, &whole, &other, "bytes");
    decode(coding, &limits, data, size, seed, room, &other);
    compare(coding, &whole, &other, "cut");
}

/* Some pieces are flushed, and what has come until then can be decoded. */
static void check_encoding(uint8_t switches, const uint8_t *data, size_t size, uint32_t seed)
{
    static result back;
    kt__coding coding = (kt__coding)(switches & CODING);
    bool raw = coding == KT__CODING_RAW_DEFLATE; /* which has no end */
    kt__encoder *e;
    kt_buffer out = {.size_max = SIZE_MAX / 2};
    if (kt__encoder_new(coding, 0, 0, &e) < 0)
        abort();
    for (size_t at = 0; at < size;) {
        size_t piece = cut(&seed, size - at);
        kt__flush flush = seed & 64 ? KT__FLUSH_SYNC : KT__FLUSH_NONE;
        if (kt__encode(e, (kt_slice){(const char *)data + at, piece}, flush, &out) < 0)
            abort();
        at += piece;
        if (flush != KT__FLUSH_SYNC)
            continue;
        decode(coding, &(kt__decoder_limits){0}, (const uint8_t *)out.data, out.size, 0, 4096, &back);
        if (back.verdict != 1 || back.size != at || memcmp(back.content, data, at) != 0)
            abort();
    }
    if (kt__encode(e, (kt_slice){"", 0}, raw ? KT__FLUSH_SYNC : KT__FLUSH_END, &out) < 0)
        abort();
    decode(coding, &(kt__decoder_limits){0}, (const uint8_t *)out.data, out.size, seed, 4096, &back);
    if (back.verdict != (raw ? 1 : 0) || back.size != size || (size > 0 && memcmp(back.content, data, size) != 0))
        abort();
    kt_buffer_release(&out);
    kt__encoder_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > INPUT_MAX)
        return -1;
    uint32_t seed = (uint32_t)data[1] << 24 | (uint32_t)data[2] << 8 | 2;
    if (data[0] & ENCODE)
        check_encoding(data[0], data + 3, size - 3, seed);
    else
        check_decoding(data[0], data + 3, size - 3, seed);
    return 0;
}
