/* SPDX-License-Identifier: MIT */
/* What looks at the frames of HTTP/2 before the session does, under libFuzzer. The oracle: however the bytes are split
 * into reads, the verdict is the same and falls on the same frame; and once there is one, no byte of that frame's
 * payload has been let through. The bytes stand in memory of their exact size.
 *
 * Input: a byte that says how to split, then what a client sends behind the preface. */
#include "http/h2.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BLOCK_BYTES 4096u

typedef struct outcome {
    size_t frames_end; /* where the frame at fault begins, or all */
    int verdict;
    bool in_block;
} outcome;

static bool has_stream(void *arg, uint32_t id)
{
    (void)arg;
    return id % 4 == 1;
}

/* How many of the bytes it took. */
static size_t see(kt__h2_watch *w, const uint8_t *bytes, size_t size, outcome *o, size_t header_before)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, bytes, size);
    size_t good = kt__h2_watch_see(w, copy, size, 0, &o->verdict);
    if (good > size || (good == 0 && !o->verdict))
        abort();
    /* The header at fault began in an earlier read, if nothing of this one is good. */
    o->frames_end += o->verdict && good == 0 ? 0 - header_before : good;
    free(copy);
    return good;
}

static outcome watch(const uint8_t *bytes, size_t size, size_t step)
{
    static kt__h2_watch w;
    outcome o = {.verdict = 0};
    kt__h2_watch_init(&w, BLOCK_BYTES, has_stream, NULL, 0);
    see(&w, (const uint8_t *)KT__H2_PREFACE, KT__H2_PREFACE_BYTES, &o, 0);
    for (size_t at = 0; at < size && o.verdict == 0;) {
        size_t n = size - at < step ? size - at : step;
        size_t before = w.header_size; /* of a header begun in an earlier read */
        at += see(&w, bytes + at, n, &o, before);
    }
    o.in_block = w.in_block;
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t step = data[0] % 32 + 1;
    outcome whole = watch(data + 1, size - 1, size - 1), split = watch(data + 1, size - 1, step);
    if (whole.verdict != split.verdict || whole.frames_end != split.frames_end || whole.in_block != split.in_block) {
        fprintf(stderr, "whole: verdict %d at %zu, in %zu-byte reads %d at %zu\n", whole.verdict, whole.frames_end,
                step, split.verdict, split.frames_end);
        abort();
    }
    return 0;
}
