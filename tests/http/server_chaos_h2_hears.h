/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_SERVER_CHAOS_H2_HEARS_H
#define TESTS_HTTP_SERVER_CHAOS_H2_HEARS_H

/* What the client of server_chaos_h2.h hears, frame by frame, and whether a server may say so. */

#include "server_chaos_h2.h"

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
        int rc = c->slow ? rests(&c->w->random, c->w->pause_max) : 0;
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
    c->extras = (unsigned)below(&w->random, w->frames_max + 1);
    c->slow = one_in(&w->random, w->slow_in);
    c->at_once = 1 + below(&w->random, H2_STREAMS);
    CHECK_EQ(nghttp2_hd_inflate_new(&c->inflater), 0);
    for (size_t count = 1 + below(&w->random, H2_STREAMS); c->count < count; c->count++) {
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
    bool leaves = one_in(&w->random, w->leaves_in);
    CHECK_OK(kt_buffer_append_string(&c->out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    (void)h2_settings(c);
    if (one_in(&w->random, 3)) {
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
    if (leaves && one_in(&w->random, 2))
        kt_stream_hang_up(s, true);
    h2_judge(c, rc == KT_ETIMEDOUT);
    h2_free(c);
    return 0;
}

#endif
