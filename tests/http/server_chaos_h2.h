/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_SERVER_CHAOS_H2_H
#define TESTS_HTTP_SERVER_CHAOS_H2_H

/* A client of HTTP/2 that does as it likes within RFC 9113, with frames of its own: one task takes a step by lot, as
 * long as there is one to take, the other hears. */

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
    CHECK_OK(kt_buffer_printf(&c->block, "%c%c%s%c%s", one_in(c->w, 2) ? 0x40 : 0x10, (int)n, name, (int)v, value));
}

/* The block, in one frame or several. */
static inline void h2_put_block(h2_client *c, uint32_t id, unsigned flags)
{
    world *w = c->w;
    size_t parts = one_in(w, 3) ? 1 + below(w, 6) : 1, at = 0, pad = one_in(w, 4) ? below(w, 200) : 0;
    bool priority = one_in(w, 4);
    for (size_t i = 0; i < parts; i++) {
        size_t n = i + 1 == parts ? c->block.size - at : below(w, c->block.size - at + 1);
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
    q->continued = !a->waits;
    snprintf(path, sizeof path, "/%u", a->number);
    h2_field(c, ":method", a->method);
    h2_field(c, ":scheme", "http");
    h2_field(c, ":authority", "a");
    h2_field(c, ":path", path);
    ask_fields(c->w, a, h2_field, c);
    char size[24];
    snprintf(size, sizeof size, "%zu", a->body_size);
    if (a->body_size > 0 && one_in(c->w, 2))
        h2_field(c, "content-length", size);
    q->ended = a->body_size == 0 && !a->trailer && one_in(c->w, 2);
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
    size_t left = q->a->body_size - q->sent;
    int64_t room = q->may_send < c->may_send ? q->may_send : c->may_send;
    if (q->ended || q->reset || q->we_reset || !q->continued || (left > 0 && room <= 0))
        return false;
    if (left == 0) {
        h2_end_body(c, q);
        return true;
    }
    size_t n = left < (size_t)room ? left : (size_t)room, pad = one_in(w, 4) ? 1 + below(w, 200) : 0;
    n = n < 16000 ? n : 16000;
    n = one_in(w, 2) ? n : 1 + below(w, n);
    pad = n + 1 + pad <= (size_t)room ? pad : 0;
    size_t size = n + (pad ? 1 + pad : 0);
    bool ends = n == left && !q->a->trailer && one_in(w, 2);
    char bytes[16300] = {0};
    bytes[0] = (char)pad;
    fill(bytes + (pad > 0), n, q->a->number, q->sent);
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
    uint32_t more = (uint32_t)ONE_OF(c->w, 50, 1000, 20000, 65535, 1000000);
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
    int64_t initial = (int64_t)ONE_OF(c->w, 0, 0, 1, 500, 20000, 65535, 1000000);
    uint32_t frame_max = one_in(c->w, 2) ? 16384 : 16384 + (uint32_t)below(c->w, H2_FRAME_MAX - 16384);
    c->table = ONE_OF(c->w, 0, 100, 4096, 4096, 10000);
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
    if ((h2_is_over(q) && (q->ended || q->reset || q->we_reset)) || !one_in(c->w, in))
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
    h2_ask *q = &c->asks[below(w, c->count)];
    switch (below(w, 5)) {
    case 4:
        h2_put(c, 0x42, (unsigned)below(w, 256), q->id, "unknown", below(w, 8)); /* RFC 9113 section 5.5 */
        return true;
    case 0:
        return h2_ping(c) > 0;
    case 1:
        return h2_settings(c);
    case 2:
        h2_put(c, PRIORITY, 0, (uint32_t)(2 * below(w, c->count) + 1), "\0\0\0\0\7", 5);
        return true;
    default:
        return q->id > 0 && h2_reset(c, q, w->resets_in);
    }
}

static inline bool h2_step_of(h2_client *c, unsigned which)
{
    size_t first = c->opened > 0 ? below(c->w, c->opened) : 0;
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
    unsigned first = (unsigned)below(c->w, 4);
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
        n = one_in(c->w, 2) ? n : 1 + below(c->w, n);
        rc = kt_stream_write(c->s, out.data + at, n);
        if (rc == 0)
            rc = rests(c->w);
    }
    return rc;
}

static inline int h2_says(void *arg)
{
    h2_client *c = *(h2_client **)arg;
    int rc = 0;
    while (rc == 0 && !c->over && !h2_is_done(c)) {
        kt_event_clear(&c->changed);
        if (one_in(c->w, c->w->late_in))
            rc = kt_sleep((kt_time)below(c->w, KT_MS(300)));
        bool step = h2_step(c);
        if (c->out.size > 0 && (!step || one_in(c->w, 3)))
            rc = h2_flush(c);
        else if (!step)
            rc = kt_event_wait(&c->changed);
    }
    if (rc == 0 && !c->over && one_in(c->w, 2))
        h2_put(c, GOAWAY, 0, 0, "\0\0\0\0\0\0\0", 8);
    if (rc == 0)
        rc = h2_flush(c);
    if (rc == 0 && one_in(c->w, 2))
        rc = kt_stream_shutdown_write(c->s);
    return kt_is_cancel(rc) ? rc : 0;
}

/* ---- Hearing ------------------------------------------------------------------------------------ */

static inline h2_ask *h2_of(h2_client *c, uint32_t id)
{
    CHECK(id % 2 == 1 && id / 2 < c->opened);
    return &c->asks[id / 2];
}

static inline void h2_hear_end(h2_client *c, h2_ask *q)
{
    q->whole = true;
    check_answer(c->w, q->a, &q->heard, true);
}

static inline void h2_hear_data(h2_client *c, h2_ask *q, unsigned flags, size_t size)
{
    CHECK(q->head && !q->whole && !q->reset);
    CHECK(!q->we_reset || c->pongs < q->deaf_from);
    CHECK_LE(size, c->frame_max);
    CHECK(size == 0 || (size <= (size_t)c->window && c->window > 0));
    CHECK(size == 0 || (q->window > 0 && size <= (size_t)q->window));
    CHECK(!(flags & PADDED));
    c->window -= (int64_t)size;
    q->window -= (int64_t)size;
    if (q->we_reset)
        return;
    CHECK_OK(kt_buffer_append(&q->heard.content, c->frame, size));
    if (flags & END_STREAM)
        h2_hear_end(c, q);
}

static inline void h2_inflate(h2_client *c, answer *s, size_t size)
{
    size_t at = 0;
    char name[200], value[600];
    for (int flags = 0; !(flags & NGHTTP2_HD_INFLATE_FINAL);) {
        nghttp2_nv nv;
        flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(c->inflater, &nv, &flags, c->frame + at, size - at, 1);
        CHECK_GE(n, 0);
        at += (size_t)n;
        if (!(flags & NGHTTP2_HD_INFLATE_EMIT))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)nv.namelen, (const char *)nv.name);
        snprintf(value, sizeof value, "%.*s", (int)nv.valuelen, (const char *)nv.value);
        if (strcmp(name, ":status") == 0)
            s->status = (int)number_in(value);
        else
            answer_field(s, name, value);
    }
    nghttp2_hd_inflate_end_headers(c->inflater);
}

static inline void h2_hear_headers(h2_client *c, h2_ask *q, unsigned flags, size_t size)
{
    CHECK(!q->whole && !q->reset);
    CHECK(!q->we_reset || c->pongs < q->deaf_from);
    CHECK(flags & END_HEADERS);
    if (!q->head)
        answer_begin(&q->heard);
    else
        CHECK(flags & END_STREAM);
    h2_inflate(c, &q->heard, size);
    CHECK(!q->heard.close && !q->heard.chunked);
    if (q->heard.status < 200) {
        CHECK(q->heard.status == 100 && q->a->expects && !(flags & END_STREAM));
        q->continued = true;
        return;
    }
    q->head = q->continued = true;
    if (flags & END_STREAM && !q->we_reset)
        h2_hear_end(c, q);
}

static inline void h2_hear_reset(h2_client *c, h2_ask *q)
{
    CHECK(!q->reset);
    q->reset = true;
    q->code = h2_number(c->frame);
    note(c->w, "%u is reset with %u", q->a->number, q->code);
    if (q->we_reset)
        return;
    if (q->whole)
        CHECK_EQ(q->code, NGHTTP2_NO_ERROR);
    else if (q->code == NGHTTP2_REFUSED_STREAM)
        q->a->denied = true;
    else
        CHECK_NE(q->code, NGHTTP2_NO_ERROR);
    CHECK(q->code != NGHTTP2_PROTOCOL_ERROR && q->code != NGHTTP2_FLOW_CONTROL_ERROR);
}

static inline void h2_hear_settings(h2_client *c, unsigned flags, size_t size)
{
    if (flags & ACK) {
        CHECK(c->settings_open);
        c->settings_open = false;
        CHECK_EQ(nghttp2_hd_inflate_change_table_size(c->inflater, c->table), 0);
        for (size_t i = 0; i < c->opened; i++) {
            c->asks[i].window -= c->asks[i].shrinks;
            c->asks[i].shrinks = 0;
        }
        return;
    }
    for (size_t at = 0; at + 6 <= size; at += 6) {
        unsigned id = (unsigned)c->frame[at] << 8 | c->frame[at + 1];
        uint32_t value = h2_number(c->frame + at + 2);
        if (id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
            CHECK_GE(value, H2_STREAMS);
        if (id != NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE)
            continue;
        for (size_t i = 0; i < c->opened; i++)
            c->asks[i].may_send += (int64_t)value - c->server_initial;
        c->server_initial = value;
    }
    h2_put(c, SETTINGS, ACK, 0, "", 0);
}

static inline void h2_hear_goaway(h2_client *c)
{
    uint32_t last = h2_number(c->frame);
    note(c->w, "the client of %u hears GOAWAY %u, %u", c->asks[0].a->number, last, h2_number(c->frame + 4));
    CHECK_LE(last, c->last);
    if (c->w->kind)
        CHECK_EQ(h2_number(c->frame + 4), NGHTTP2_NO_ERROR);
    c->last = last;
    c->leaving = true;
}

static inline void h2_hear_frame(h2_client *c, unsigned type, unsigned flags, uint32_t id, size_t size)
{
    int64_t *window = type == WINDOW_UPDATE && id > 0 ? &h2_of(c, id)->may_send : &c->may_send;
    if (type == DATA)
        h2_hear_data(c, h2_of(c, id), flags, size);
    else if (type == HEADERS)
        h2_hear_headers(c, h2_of(c, id), flags, size);
    else if (type == RST_STREAM)
        h2_hear_reset(c, h2_of(c, id));
    else if (type == SETTINGS)
        h2_hear_settings(c, flags, size);
    else if (type == GOAWAY)
        h2_hear_goaway(c);
    else if (type == PING && flags & ACK)
        CHECK_LE(++c->pongs, c->pings);
    else if (type == PING)
        h2_put(c, PING, ACK, 0, c->frame, 8);
    else if (type == WINDOW_UPDATE)
        CHECK_LE(*window += h2_number(c->frame), H2_WINDOW_MAX);
    else
        kt_test_fail("the server has sent a frame of type %u", type);
}

static inline int h2_hears(h2_client *c)
{
    uint8_t h[9];
    for (;;) {
        int rc = c->slow ? rests(c->w) : 0;
        if (rc == 0)
            rc = kt_stream_read_exactly(c->s, h, sizeof h);
        if (rc == 0 && !c->w->kind && memcmp(h, "HTTP/1.1 ", sizeof h) == 0)
            return KT_EPROTOCOL; /* the preface came too late to be known */
        size_t size = (size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2];
        if (rc == 0)
            CHECK_LE(size, sizeof c->frame);
        if (rc == 0)
            rc = kt_stream_read_exactly(c->s, c->frame, size);
        if (rc < 0)
            return rc;
        h2_hear_frame(c, h[3], h[4], h2_number(h + 5), size);
        kt_event_set(&c->changed);
    }
}

/* ---- A connection --------------------------------------------------------------------------------- */

static inline void h2_judge(h2_client *c, bool left)
{
    const world *w = c->w;
    for (size_t i = 0; i < c->opened; i++) {
        h2_ask *q = &c->asks[i];
        ask *a = q->a;
        a->left |= left && !q->whole;
        a->denied |= c->last < q->id;
        if (q->head && !q->whole && !q->we_reset)
            check_answer(w, a, &q->heard, false);
        if (a->denied)
            CHECK_EQ(a->begun, 0);
        if (!w->kind || q->whole || q->we_reset || a->denied)
            continue;
        bool may_be_cut = a->may_be_cut || (a->events && w->stopping);
        bool told = c->last < q->id || (!a->begun && w->stopping && c->last == H2_NO_ID);
        if (!may_be_cut && !told)
            kt_test_fail("%u %s (stream %u) was sent and not answered: %s", a->number, a->method, q->id,
                         kt_error_name(c->rc));
    }
}

static inline h2_client *h2_new(world *w, kt_stream *s)
{
    h2_client *c = kt_calloc(1, sizeof *c);
    CHECK(c);
    c->w = w;
    c->s = s;
    c->may_send = c->server_initial = c->window = c->initial = 65535;
    c->last = H2_NO_ID;
    c->frame_max = 16384;
    c->changed = (kt_event)KT_EVENT_INIT;
    c->extras = (unsigned)below(w, w->frames_max + 1);
    c->slow = one_in(w, w->slow_in);
    c->at_once = 1 + below(w, H2_STREAMS);
    CHECK_EQ(nghttp2_hd_inflate_new(&c->inflater), 0);
    for (size_t count = 1 + below(w, H2_STREAMS); c->count < count; c->count++) {
        c->asks[c->count].a = ask_new(w, 20);
        if (!c->asks[c->count].a)
            break;
    }
    return c;
}

static inline void h2_free(h2_client *c)
{
    for (size_t i = 0; i < c->count; i++)
        kt_buffer_release(&c->asks[i].heard.content);
    kt_buffer_release(&c->out);
    kt_buffer_release(&c->block);
    nghttp2_hd_inflate_del(c->inflater);
    kt_free(c);
}

static inline int h2_visit(world *w, kt_stream *s)
{
    h2_client *c = h2_new(w, s);
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    bool leaves = one_in(w, w->leaves_in);
    CHECK_OK(kt_buffer_append_string(&c->out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    (void)h2_settings(c);
    if (one_in(w, 3)) {
        c->window += 1000000;
        h2_put_4(c, WINDOW_UPDATE, 0, 1000000);
    }
    CHECK_OK(kt_group_spawn(&g, h2_says, &c, sizeof c));
    kt_timeout_start(&limit, leaves ? draw_leave(w) : LIMIT);
    c->rc = h2_hears(c);
    c->over = true;
    int rc = kt_timeout_end(&limit, c->rc == KT_ETIMEDOUT ? c->rc : 0);
    kt_event_set(&c->changed);
    kt_group_cancel(&g);
    CHECK_OK(kt_group_join(&g, 0));
    if (rc == KT_ETIMEDOUT && !leaves)
        kt_test_fail("a client of HTTP/2 waits forever");
    if (leaves && one_in(w, 2))
        kt_stream_hang_up(s, true);
    h2_judge(c, rc == KT_ETIMEDOUT);
    h2_free(c);
    return 0;
}

#endif
