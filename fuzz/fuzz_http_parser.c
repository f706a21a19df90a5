/* SPDX-License-Identifier: MIT */
/* The HTTP parser under libFuzzer. The oracle: a stream gives the same transcript (events, contents,
 * error status and offset) whole, one byte at a time, and cut at arbitrary places; and every call
 * keeps the contract of parser.h, which replay_run() checks. The input stands in one of two buffers
 * by turns, with everything but the bytes that the parser may read poisoned, so that a pointer kept
 * between calls, or one byte read outside the input, is an AddressSanitizer report.
 *
 * Input: one byte of switches, two that seed the cuts, then the stream. */
#include "../tests/http/test_parser_replay.h"

#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>

#define STREAM_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *stream;
static size_t stream_size;
static char room[2][STREAM_MAX] __attribute__((aligned(16)));
static unsigned turn;

static const char *place(const char *data, size_t size)
{
    size_t at = (size_t)(data - stream);
    char *now = room[turn ^= 1];
    ASAN_POISON_MEMORY_REGION(room[turn ^ 1], stream_size);
    ASAN_POISON_MEMORY_REGION(now, stream_size);
    ASAN_UNPOISON_MEMORY_REGION(now + at, size);
    return now + at;
}

static void load(const char *data, size_t size)
{
    stream = data;
    stream_size = size;
    for (int i = 0; i < 2; i++) {
        ASAN_UNPOISON_MEMORY_REGION(room[i], STREAM_MAX);
        memcpy(room[i], data, size);
        ASAN_POISON_MEMORY_REGION(room[i] + size, STREAM_MAX - size);
    }
}

/* Pieces of 1 to 2^k bytes, where k changes from run to run. */
static size_t cut_anywhere(size_t fed, void *arg)
{
    uint32_t *seed = arg;
    (void)fed;
    *seed = *seed * 1664525u + 1013904223u;
    return 1 + ((*seed >> 16) & ((1u << (*seed >> 29)) - 1));
}

static void check(const replay_transcript *t)
{
    if (t->broken) {
        fprintf(stderr, "contract: %s\ntranscript: %s\n", t->broken, t->text);
        abort();
    }
}

static void compare(const replay_transcript *whole, const replay_transcript *cut, const char *how)
{
    check(cut);
    if (whole->size == cut->size && memcmp(whole->text, cut->text, whole->size) == 0)
        return;
    fprintf(stderr, "whole: %s\n%s: %s\n", whole->text, how, cut->text);
    abort();
}

static const kt__http_limits tight = {
    .start_line_bytes_max = 40,
    .header_bytes_max = 96,
    .body_bytes_max = 24,
    .chunk_ext_bytes_max = 8,
    .chunk_ext_total_bytes_max = 12,
    .trailer_bytes_max = 20,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static replay_transcript whole;
    static replay_transcript cut;
    if (size < 3 || size - 3 > STREAM_MAX)
        return -1;
    replay_setup setup = {
        .role = data[0] & 1 ? KT__HTTP_RESPONSE : KT__HTTP_REQUEST,
        .answer_to = (kt__http_answer_to)((data[0] >> 1) % 3),
        .limits = data[0] & 8 ? &tight : NULL,
        .header_max = data[0] & 16 ? 3 : 0,
        .place = place,
    };
    uint32_t seed = (uint32_t)data[1] << 24 | (uint32_t)data[2] << 8;
    load((const char *)data + 3, size - 3);
    replay_run(&setup, stream, stream_size, replay_whole, NULL, &whole);
    check(&whole);
    replay_run(&setup, stream, stream_size, replay_bytes, NULL, &cut);
    compare(&whole, &cut, "bytes");
    replay_run(&setup, stream, stream_size, cut_anywhere, &seed, &cut);
    compare(&whole, &cut, "cut");
    return 0;
}
