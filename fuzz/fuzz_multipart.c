/* SPDX-License-Identifier: MIT */
/* The parser of multipart bodies under libFuzzer. The oracle: a body gives the same parts whole, byte by byte, and cut
 * at arbitrary places; nothing outside the input is read; and headers and parameters of parts are read without harm.
 *
 * Input: two bytes that seed the cuts, then the body, whose boundary is "XX". */
#include "http/multipart.h"

#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX ((size_t)16 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct transcript {
    char text[4 * BODY_MAX];
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

static void look_at_headers(kt_slice lines)
{
    kt_slice value, parameter;
    if (kt__multipart_header(lines, "content-disposition", &value) != 1)
        return;
    char *out = malloc(2 * value.size + 1);
    if (!out)
        return;
    if (kt__parameter(value, "name", out, &parameter) == 1 && parameter.size > value.size)
        abort();
    free(out);
}

/* Each call sees a copy of its own size, so that a byte read outside is a report. */
static int feed(kt__multipart *m, const uint8_t *data, size_t size, kt__multipart_event *e, transcript *t)
{
    char *copy = malloc(size + (size == 0));
    if (!copy)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    int rc = kt__multipart_feed(m, (kt_slice){copy, size}, e);
    if (rc == 0) {
        if (e->consumed > size)
            abort();
        static const char marks[] = "m[d|.";
        if (e->type != KT__MULTIPART_MORE && e->type != KT__MULTIPART_DATA)
            note(t, &marks[e->type], 1);
        if (e->type == KT__MULTIPART_PART)
            look_at_headers(e->bytes);
        note(t, e->bytes.data, e->bytes.size);
#ifdef KT_FUZZ_PLANTED_BUG
        if (e->type == KT__MULTIPART_DATA && size > 3 && memcmp(copy, "bug", 3) == 0)
            note(t, "!", 1);
#endif
    }
    free(copy);
    return rc;
}

static void run(const uint8_t *data, size_t size, uint32_t seed, transcript *t)
{
    kt__multipart m;
    kt__multipart_event e;
    size_t at = 0, end = seed ? 0 : size;
    t->size = 0;
    if (kt__multipart_init(&m, (kt_slice){"XX", 2}, 200) < 0)
        abort();
    for (;;) {
        int rc = feed(&m, data + at, end - at, &e, t);
        if (rc < 0)
            note(t, rc == KT_ELIMIT ? "L" : "P", 1);
        if (rc < 0 || e.type == KT__MULTIPART_END)
            return;
        at += e.consumed;
        if (e.type != KT__MULTIPART_MORE)
            continue;
        if (end == size)
            return;
        seed = seed * 1664525u + 1013904223u;
        size_t piece = 1 + ((seed >> 16) & ((1u << (seed >> 29)) - 1));
        end = size - end < piece ? size : end + piece;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static transcript whole, cut;
    if (size < 2 || size > BODY_MAX)
        return 0;
    uint32_t seed = 1 + data[0] + 256u * data[1];
    run(data + 2, size - 2, 0, &whole);
    run(data + 2, size - 2, seed, &cut);
    if (whole.size != cut.size || memcmp(whole.text, cut.text, whole.size) != 0) {
        fprintf(stderr, "whole: %.*s\n=\ncut: %.*s\n", (int)whole.size, whole.text, (int)cut.size, cut.text);
        abort();
    }
    return 0;
}
