/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_H2_STEPS_H
#define TESTS_HTTP_H2_STEPS_H

/* Tables of frames, for either end. */

#include "h2_client.h"

/* Steps that are no frames. */
enum { SAY = 256, ANSWERED }; /* bytes as they are; waits until the stream's answer has ended */
enum { WITH_PRIORITY = 0x20, WHOLE = END_STREAM | END_HEADERS };

typedef struct step {
    unsigned type, flags;
    uint32_t id;
    const char *bytes; /* NULL: zeros */
    size_t size;
    const char *head; /* behind the bytes: a field a line; "GET" and "POST" are what a request for "/" begins with */
    const char *after;
    size_t after_size;
} step;

#define FRAME(t, f, i, b) {.type = (t), .flags = (f), .id = (i), .bytes = (b), .size = sizeof(b) - 1}
#define ZEROS(t, f, i, n) {.type = (t), .flags = (f), .id = (i), .size = (n)}
#define HEAD(f, i, text) {.type = HEADERS, .flags = (f), .id = (i), .head = (text)}
#define MORE(f, i, text) {.type = CONTINUATION, .flags = (f), .id = (i), .head = (text)}
#define HEAD_AND(f, i, text, b) \
    {.type = HEADERS, .flags = (f), .id = (i), .head = (text), .after = (b), .after_size = sizeof(b) - 1}
#define HEAD_WITHIN(f, i, b, text, a) \
    {.type = HEADERS, .flags = (f), .id = (i), .bytes = (b), .size = sizeof(b) - 1, .head = (text), .after = (a), \
     .after_size = sizeof(a) - 1}
#define WAIT_FOR(i) {.type = ANSWERED, .id = (i)}

static inline void put_fields(peer *p, const char *text)
{
    while (*text) {
        char line[300];
        size_t n = strcspn(text, "\n");
        CHECK_LT(n, sizeof line);
        memcpy(line, text, n);
        line[n] = '\0';
        text += n + (text[n] == '\n');
        if (strcmp(line, "GET") == 0 || strcmp(line, "POST") == 0) {
            request(p, line, "/");
            continue;
        }
        char *colon = strstr(line, ": ");
        CHECK(colon != NULL);
        *colon = '\0';
        field(p, line, colon + 2);
    }
}

static inline void put_bytes(peer *p, const char *bytes, size_t size)
{
    CHECK_LE(size, sizeof p->block - p->block_size);
    if (size > 0)
        memcpy(p->block + p->block_size, bytes, size);
    p->block_size += size;
}

static inline bool is_step(const step *s)
{
    return s->type || s->size || s->flags || s->id;
}

/* One that is said: not ANSWERED. */
static inline int say_step(peer *p, const step *s)
{
    static const char zeros[70000];
    if (s->type == SAY)
        return kt_stream_write(p->c, s->bytes, s->size);
    if (!s->head)
        return try_frame(p, s->type, s->flags, s->id, s->bytes ? s->bytes : zeros, s->size);
    put_bytes(p, s->bytes, s->size);
    put_fields(p, s->head);
    put_bytes(p, s->after, s->after_size);
    int rc = try_frame(p, s->type, s->flags, s->id, p->block, p->block_size);
    p->block_size = 0;
    return rc;
}

#endif
