/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_SERVER_CHAOS_H2_H
#define TESTS_HTTP_SERVER_CHAOS_H2_H

/* A client of HTTP/2 that does as it likes within RFC 9113, with frames of its own: what it says. A task takes a step
 * by lot as long as there is one to take; server_chaos_h2_hears.h has the other. */

#include "server_chaos.h"

#include <nghttp2/nghttp2.h>

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, PRIORITIZED = 32 };
enum { H2_STREAMS = 12, H2_FRAME_MAX = 40000 };

#define H2_NO_ID UINT32_MAX
#define H2_WINDOW_MAX INT64_C(0x7fffffff)

typedef struct h2_ask {
    ask *a;
    uint32_t id;
    int64_t may_send, window, shrinks; /* the server's window; ours for it; what that loses with the next ACK */
    size_t sent;
    bool ended, continued;             /* by us; and may send its body */
    bool head, whole;                  /* of the answer */
    bool we_reset, reset;              /* by the server */
    unsigned deaf_from;                /* the answer to so many PINGs: then it has heard of our reset */
    uint32_t code;
    answer heard;
} h2_ask;

typedef struct h2_client {
    world *w;
    kt_stream *s;
    nghttp2_hd_inflater *inflater;
    h2_ask asks[H2_STREAMS];
    size_t count, opened, at_once;
    int64_t may_send, window;          /* of the connection */
    int64_t initial, server_initial;   /* of streams: ours, as said last; the server's */
    size_t table;                      /* of the inflater, as said last */
    bool settings_open;                /* ours are not acknowledged */
    bool slow, over, leaving;          /* reads slowly; nothing more can be heard; the server has said GOAWAY */
    uint32_t last;                     /* with this */
    unsigned pings, pongs, extras;     /* PINGs; of them, answered; frames that need not be, yet */
    uint32_t frame_max;
    kt_buffer out, block;
    kt_event changed;
    int rc;
    uint8_t frame[H2_FRAME_MAX];
} h2_client;

/* ---- Frames ------------------------------------------------------------------------------------ */

static inline void h2_put_number(kt_buffer *b, uint32_t n)
{
    uint8_t bytes[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    CHECK_OK(kt_buffer_append(b, bytes, 4));
}

static inline uint32_t h2_number(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline void h2_put_head(h2_client *c, size_t size, unsigned type, unsigned flags, uint32_t id)
{
    h2_put_number(&c->out, (uint32_t)size << 8 | type);
    CHECK_OK(kt_buffer_append(&c->out, &(uint8_t){(uint8_t)flags}, 1));
    h2_put_number(&c->out, id);
}

static inline void h2_put(h2_client *c, unsigned type, unsigned flags, uint32_t id, const void *bytes, size_t size)
{
    h2_put_head(c, size, type, flags, id);
    CHECK_OK(kt_buffer_append(&c->out, bytes, size));
}

static inline void h2_put_4(h2_client *c, unsigned type, uint32_t id, uint32_t number)
{
    h2_put_head(c, 4, type, 0, id);
    h2_put_number(&c->out, number);
}

/* A literal field, with an index that is never used, or without (RFC 7541 section 6.2). */
static inline void h2_field(void *arg, const char *name, const char *value)
{
    h2_client *c = arg;
    size_t n = strlen(name), v = strlen(value);
    CHECK(n < 127 && v < 127);
    int kind = one_in(&c->w->random, 2) ? 0x40 : 0x10;
    CHECK_OK(kt_buffer_printf(&c->block, "%c%c%s%c%s", kind, (int)n, name, (int)v, value));
}

/* The block, in one frame or several. */
static inline void h2_put_block(h2_client *c, uint32_t id, unsigned flags)
{
    world *w = c->w;
    size_t parts = one_in(&w->random, 3) ? 1 + below(&w->random, 6) : 1, at = 0;
    size_t pad = one_in(&w->random, 4) ? below(&w->random, 200) : 0;
    bool priority = one_in(&w->random, 4);
    for (size_t i = 0; i < parts; i++) {
        size_t n = i + 1 == parts ? c->block.size - at : below(&w->random, c->block.size - at + 1);
        unsigned f = i + 1 == parts ? END_HEADERS : 0;
        if (i == 0)
            f |= flags | (pad ? PADDED : 0) | (priority ? PRIORITIZED : 0);
        h2_put_head(c, n + (i == 0 ? (pad ? 1 + pad : 0) + (priority ? 5 : 0) : 0), i == 0 ? HEADERS : CONTINUATION, f,
                    id);
        if (f & PADDED)
            CHECK_OK(kt_buffer_append(&c->out, &(uint8_t){(uint8_t)pad}, 1));
        if (f & PRIORITIZED)
            CHECK_OK(kt_buffer_append(&c->out, "\0\0\0\0\7", 5));
        CHECK_OK(kt_buffer_append(&c->out, c->block.data + at, n));
        at += n;
        for (size_t k = 0; f & PADDED && k < pad; k++)
            CHECK_OK(kt_buffer_append(&c->out, "", 1));
    }
    kt_buffer_clear(&c->block);
}

/* ---- Steps: each says whether it was one ----------------------------------------------------------- */

static inline bool h2_is_over(const h2_ask *q)
{
    return q->whole || q->reset || q->we_reset;
}

static inline size_t h2_open_count(const h2_client *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->opened; i++)
        n += !h2_is_over(&c->asks[i]) || !(c->asks[i].ended || c->asks[i].we_reset || c->asks[i].reset);
    return n;
}

static inline bool h2_open(h2_client *c)
{
    char path[24];
    if (c->opened == c->count || c->leaving || h2_open_count(c) >= c->at_once)
        return false;
    h2_ask *q = &c->asks[c->opened];
    ask *a = q->a;
    q->id = (uint32_t)(2 * c->opened + 1);
    q->may_send = c->server_initial;
    q->window = c->initial;
    q->continued = !a->waits && !a->upgrade;
    snprintf(path, sizeof path, "/%u", a->number);
    h2_field(c, ":method", a->method);
    h2_field(c, ":scheme", "http");
    h2_field(c, ":authority", "a");
    h2_field(c, ":path", path);
    if (a->upgrade)
        h2_field(c, ":protocol", "echo");
    ask_fields(c->w, a, h2_field, c);
    char size[24];
    snprintf(size, sizeof size, "%zu", a->wire_size);
    if (a->wire_size > 0 && !a->upgrade && one_in(&c->w->random, 2))
        h2_field(c, "content-length", size);
    q->ended = a->wire_size == 0 && !a->upgrade && !a->trailer && one_in(&c->w->random, 2);
    h2_put_block(c, q->id, q->ended ? END_STREAM : 0);
    a->sent = true;
    c->opened++;
    return true;
}

static inline void h2_end_body(h2_client *c, h2_ask *q)
{
    char number[24];
    snprintf(number, sizeof number, "%u", q->a->number);
    if (q->a->trailer)
        h2_field(c, "x-end", number);
    if (q->a->trailer)
        h2_put_block(c, q->id, END_STREAM);
    else
        h2_put(c, DATA, END_STREAM, q->id, "", 0);
    q->ended = true;
}

static inline bool h2_say_body(h2_client *c, h2_ask *q)
{
    world *w = c->w;
    size_t left = q->a->wire_size - q->sent;
    int64_t room = q->may_send < c->may_send ? q->may_send : c->may_send;
    if (q->ended || q->reset || q->we_reset || !q->continued || (left > 0 && room <= 0))
        return false;
    if (left == 0) {
        h2_end_body(c, q);
        return true;
    }
    size_t n = left < (size_t)room ? left : (size_t)room, pad = one_in(&w->random, 4) ? 1 + below(&w->random, 200) : 0;
    n = n < 16000 ? n : 16000;
    n = one_in(&w->random, 2) ? n : 1 + below(&w->random, n);
    pad = n + 1 + pad <= (size_t)room ? pad : 0;
    size_t size = n + (pad ? 1 + pad : 0);
    bool ends = n == left && !q->a->trailer && one_in(&w->random, 2);
    char bytes[16300] = {0};
    bytes[0] = (char)pad;
    fill_wire(q->a, bytes + (pad > 0), n, q->sent);
    h2_put(c, DATA, (ends ? END_STREAM : 0) | (pad ? PADDED : 0), q->id, bytes, size);
    q->sent += n;
    q->may_send -= (int64_t)size;
    c->may_send -= (int64_t)size;
    q->ended = ends;
    return true;
}

static inline bool h2_raise(h2_client *c, uint32_t id, int64_t *window)
{
    if (*window >= 100)
        return false;
    uint32_t more = (uint32_t)ONE_OF(&c->w->random, 50, 1000, 20000, 65535, 1000000);
    *window += more;
    h2_put_4(c, WINDOW_UPDATE, id, more);
    return true;
}

static inline void h2_put_setting(h2_client *c, unsigned id, uint32_t value)
{
    uint8_t bytes[2] = {(uint8_t)(id >> 8), (uint8_t)id};
    CHECK_OK(kt_buffer_append(&c->out, bytes, 2));
    h2_put_number(&c->out, value);
}

/* Only one at a time, so that it is known which ACK is whose. More room may be used at once, less is known to the
 * server when it says so. */
static inline bool h2_settings(h2_client *c)
{
    if (c->settings_open)
        return false;
    int64_t initial = (int64_t)ONE_OF(&c->w->random, 0, 0, 1, 500, 20000, 65535, 1000000);
    uint32_t above = (uint32_t)below(&c->w->random, H2_FRAME_MAX - 16384);
    uint32_t frame_max = 16384 + (one_in(&c->w->random, 2) ? 0 : above);
    c->table = ONE_OF(&c->w->random, 0, 100, 4096, 4096, 10000);
    h2_put_head(c, 24, SETTINGS, 0, 0);
    h2_put_setting(c, NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, (uint32_t)c->table);
    h2_put_setting(c, 0x4242, 42); /* which nobody knows */
    h2_put_setting(c, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)initial);
    h2_put_setting(c, NGHTTP2_SETTINGS_MAX_FRAME_SIZE, frame_max);
    c->frame_max = frame_max > c->frame_max ? frame_max : c->frame_max;
    for (size_t i = 0; i < c->opened; i++) {
        h2_ask *q = &c->asks[i];
        int64_t more = initial - c->initial;
        q->window += more > 0 ? more : 0;
        q->shrinks = more < 0 ? -more : 0;
    }
    c->initial = initial;
    c->settings_open = true;
    return true;
}

/* Returns the number of its answer. */
static inline unsigned h2_ping(h2_client *c)
{
    h2_put(c, PING, 0, 0, "\0\0\0\0\0\0\0", 8);
    return ++c->pings;
}

static inline bool h2_reset(h2_client *c, h2_ask *q, unsigned in)
{
    if ((h2_is_over(q) && (q->ended || q->reset || q->we_reset)) || !one_in(&c->w->random, in))
        return false;
    note(c->w, "%u is reset by its client", q->a->number);
    q->we_reset = true;
    q->a->left = !q->whole;
    h2_put_4(c, RST_STREAM, q->id, q->whole ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
    q->deaf_from = h2_ping(c);
    return true;
}

/* What need not be. */
static inline bool h2_extra(h2_client *c)
{
    world *w = c->w;
    if (c->extras == 0)
        return false;
    c->extras--;
    h2_ask *q = &c->asks[below(&w->random, c->count)];
    switch (below(&w->random, 5)) {
    case 4:
        /* RFC 9113 section 5.5 */
        h2_put(c, 0x42, (unsigned)below(&w->random, 256), q->id, "unknown", below(&w->random, 8));
        return true;
    case 0:
        return h2_ping(c) > 0;
    case 1:
        return h2_settings(c);
    case 2:
        h2_put(c, PRIORITY, 0, (uint32_t)(2 * below(&w->random, c->count) + 1), "\0\0\0\0\7", 5);
        return true;
    default:
        return q->id > 0 && h2_reset(c, q, w->resets_in);
    }
}

static inline bool h2_step_of(h2_client *c, unsigned which)
{
    size_t first = c->opened > 0 ? below(&c->w->random, c->opened) : 0;
    if (which == 0)
        return h2_open(c);
    if (which == 1)
        return h2_extra(c);
    for (size_t i = 0; i < c->opened; i++) {
        h2_ask *q = &c->asks[(first + i) % c->opened];
        if (which == 2 ? h2_say_body(c, q) : !h2_is_over(q) && h2_raise(c, q->id, &q->window))
            return true;
    }
    return which == 3 && h2_raise(c, 0, &c->window);
}

static inline bool h2_step(h2_client *c)
{
    unsigned first = (unsigned)below(&c->w->random, 4);
    for (unsigned i = 0; i < 4; i++)
        if (h2_step_of(c, (first + i) % 4))
            return true;
    return false;
}

static inline bool h2_is_done(const h2_client *c)
{
    return (c->opened == c->count || c->leaving) && h2_open_count(c) == 0 && c->out.size == 0;
}

static inline int h2_flush(h2_client *c)
{
    kt_auto(kt_buffer) out = c->out;
    c->out = (kt_buffer)KT_BUFFER_INIT;
    int rc = 0;
    for (size_t at = 0, n; rc == 0 && at < out.size; at += n) {
        n = out.size - at;
        n = one_in(&c->w->random, 2) ? n : 1 + below(&c->w->random, n);
        rc = kt_stream_write(c->s, out.data + at, n);
        if (rc == 0)
            rc = rests(&c->w->random, c->w->pause_max);
    }
    return rc;
}

static inline int h2_says(void *arg)
{
    h2_client *c = *(h2_client **)arg;
    int rc = 0;
    while (rc == 0 && !c->over && !h2_is_done(c)) {
        kt_event_clear(&c->changed);
        if (one_in(&c->w->random, c->w->late_in))
            rc = kt_sleep((kt_time)below(&c->w->random, KT_MS(300)));
        bool step = h2_step(c);
        if (c->out.size > 0 && (!step || one_in(&c->w->random, 3)))
            rc = h2_flush(c);
        else if (!step)
            rc = kt_event_wait(&c->changed);
    }
    if (rc == 0 && !c->over && one_in(&c->w->random, 2))
        h2_put(c, GOAWAY, 0, 0, "\0\0\0\0\0\0\0", 8);
    if (rc == 0)
        rc = h2_flush(c);
    if (rc == 0 && one_in(&c->w->random, 2))
        rc = kt_stream_shutdown_write(c->s);
    return kt_is_cancel(rc) ? rc : 0;
}

#endif
