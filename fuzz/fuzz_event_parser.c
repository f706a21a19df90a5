/* SPDX-License-Identifier: MIT */
/* The parser of event streams under libFuzzer. The oracle: a stream gives the same events whole, and cut at arbitrary
 * places; types, data and ids are UTF-8 whatever came; no id has a NUL; limits hold.
 *
 * Input: two bytes that seed the cuts, then the stream. */
#include "http/event_parser.h"

#include "words.h"

#include <kettle/error.h>
#include <kettle/utf8.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_MAX ((size_t)16 * 1024)
#define LINE_MAX_BYTES ((size_t)200)
#define EVENT_MAX_BYTES ((size_t)600)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A byte that is no UTF-8 becomes three, and the id comes with each event. */
typedef struct transcript {
    char text[64 * STREAM_MAX];
    size_t size;
} transcript;

static void note(transcript *t, const void *bytes, size_t size)
{
    if (t->size + size > sizeof t->text)
        abort();
    if (size > 0)
        memcpy(t->text + t->size, bytes, size);
    t->size += size;
}

static void note_text(transcript *t, const char *mark, const kt_buffer *b)
{
    kt_slice text = {b->data, b->size};
    if (text.size > 0 && kt_utf8_check(text) != text.size)
        abort();
    note(t, mark, 1);
    note(t, text.data, text.size);
}

static void note_event(transcript *t, const kt__event_parser *p)
{
    if (p->data.size + p->type.size > EVENT_MAX_BYTES || (p->id.size > 0 && memchr(p->id.data, '\0', p->id.size)))
        abort();
    note_text(t, "[", &p->type);
    note_text(t, "#", &p->id);
    note_text(t, "]", &p->data);
}

/* Each call sees a copy of its own size, so that a byte read outside is a report. */
static int feed(kt__event_parser *p, const uint8_t *data, size_t size, transcript *t)
{
    char *copy = malloc(size + (size == 0));
    int rc;
    if (!copy)
        abort();
    memcpy(copy, data, size);
    kt_slice in = {copy, size};
    while ((rc = kt__event_parser_feed(p, &in)) > 0)
        note_event(t, p);
    if (rc == 0 && in.size > 0)
        abort();
#ifdef KT_FUZZ_PLANTED_BUG
    if (size > 3 && memcmp(copy, "bug", 3) == 0)
        note(t, "!", 1);
#endif
    free(copy);
    return rc;
}

static void run(const uint8_t *data, size_t size, uint32_t seed, transcript *t)
{
    kt__event_parser p;
    size_t at = 0;
    int rc = 0;
    t->size = 0;
    kt__event_parser_init(&p, LINE_MAX_BYTES, EVENT_MAX_BYTES);
    while (rc == 0 && at < size) {
        size_t piece = size - at;
        if (seed) {
            seed = seed * 1664525u + 1013904223u;
            size_t some = 1 + ((seed >> 16) & ((1u << (seed >> 29)) - 1));
            piece = some < piece ? some : piece;
        }
        rc = feed(&p, data + at, piece, t);
        at += piece;
    }
    note(t, rc < 0 ? "L" : ".", 1);
    note(t, &p.retry_ms, sizeof p.retry_ms);
    kt__event_parser_release(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static transcript whole, cut;
    if (size < 2 || size > STREAM_MAX)
        return 0;
    run(data + 2, size - 2, 0, &whole);
    run(data + 2, size - 2, 1 + data[0] + 256u * data[1], &cut);
    if (whole.size != cut.size || memcmp(whole.text, cut.text, whole.size) != 0) {
        fprintf(stderr, "whole: %.*s\n=\ncut: %.*s\n", (int)whole.size, whole.text, (int)cut.size, cut.text);
        abort();
    }
    return 0;
}
