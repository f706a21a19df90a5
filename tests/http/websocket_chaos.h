/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_WEBSOCKET_CHAOS_H
#define TESTS_HTTP_WEBSOCKET_CHAOS_H

/* What the tests of WebSockets by lot share: lots, messages that are known by their bytes, and the ledger of what each
 * end has sent and heard. */

#include "client_site.h"
#include "lots.h"

#include <kettle/websocket_hub.h>

enum { WRITERS_MAX = 3, MESSAGES_MAX = 20, BYTES_MAX = 300000, CODES_MAX = 4, REASON_BYTES = 8 };

/* ---- Messages ---------------------------------------------------------------------------------- */

typedef enum fate { WRITING, SENT, FAILED } fate;

typedef struct note {
    uint64_t seed;
    size_t size;
    kt_websocket_kind kind;
    fate fate;
    bool heard;
} note;

/* One task's messages, in its order. The first byte of each names the task; those without are the first one's. */
typedef struct writer {
    note notes[MESSAGES_MAX];
    unsigned count, at; /* the next one that can be heard */
} writer;

static inline void put_text(char *bytes, size_t size, uint64_t random)
{
    static const char *const signs[] = {"a", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x8D\xB5", "tea "};
    bool same = one_in(&random, 3);
    for (size_t at = 0; at < size;) {
        const char *sign = signs[same ? 3 : below(&random, 5)];
        size_t n = strlen(sign) <= size - at ? strlen(sign) : 1;
        memcpy(bytes + at, n == 1 ? "x" : sign, n);
        at += n;
    }
}

static inline void put_bytes(char *bytes, size_t size, uint64_t random)
{
    bool same = one_in(&random, 3);
    for (size_t at = 0; at < size; at++)
        bytes[at] = (char)(same ? random >> 7 : draw(&random));
}

static inline void put_note(char *bytes, const note *n, unsigned number)
{
    if (n->size == 0)
        return;
    bytes[0] = (char)('a' + number);
    if (n->kind == KT_WEBSOCKET_TEXT)
        put_text(bytes + 1, n->size - 1, n->seed);
    else
        put_bytes(bytes + 1, n->size - 1, n->seed);
}

static inline note *new_note(writer *w, uint64_t *random, size_t size, unsigned number)
{
    note *n = &w->notes[w->count++];
    *n = (note){.seed = draw(random), .size = size};
    n->kind = one_in(random, 2) ? KT_WEBSOCKET_TEXT : KT_WEBSOCKET_BINARY;
    if (n->size == 0 && number > 0)
        n->size = 1;
    return n;
}

/* What has failed may have been heard only if it was the last: the connection is torn then. */
static inline void check_failed(const writer *w)
{
    bool torn = false;
    for (const note *n = w->notes; n < w->notes + w->count; n++) {
        if (torn)
            CHECK_NE(n->fate, SENT);
        torn = torn || (n->fate == FAILED && n->heard);
    }
}

static inline bool is_note(const note *n, unsigned number, kt_websocket_kind kind, const char *bytes, size_t size)
{
    static char expected[BYTES_MAX];
    if (kind != n->kind || size != n->size)
        return false;
    put_note(expected, n, number);
    return size == 0 || memcmp(bytes, expected, size) == 0;
}

/* Whole, unaltered, in its writer's order, and nothing that has not been sent. */
static inline void hear_note(writer *writers, kt_websocket_kind kind, const char *bytes, size_t size)
{
    unsigned number = size > 0 ? (unsigned)(uint8_t)bytes[0] - 'a' : 0;
    CHECK_LT(number, WRITERS_MAX);
    writer *w = &writers[number];
    unsigned at = w->at;
    while (at < w->count && w->notes[at].fate == FAILED)
        at++;
    if (at == w->count || !is_note(&w->notes[at], number, kind, bytes, size)) /* short ones are like each other */
        for (at = w->at; at < w->count && w->notes[at].fate == FAILED; at++)
            if (is_note(&w->notes[at], number, kind, bytes, size))
                break;
    w->at = at;
    CHECK_LT(w->at, w->count);
    note *n = &w->notes[w->at++];
    if (!is_note(n, number, kind, bytes, size))
        kt_test_fail("%zu bytes of task %u are not its message %u, of %zu", size, number, w->at - 1, n->size);
    n->heard = true;
    check_failed(w);
}

static inline void check_all_heard(const writer *writers)
{
    for (const writer *w = writers; w < writers + WRITERS_MAX; w++)
        for (unsigned i = 0; i < w->count; i++)
            if (w->notes[i].fate == SENT)
                CHECK(w->notes[i].heard);
}

#endif
