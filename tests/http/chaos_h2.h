/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_CHAOS_H2_H
#define TESTS_HTTP_CHAOS_H2_H

/* A connection of a server of HTTP/2 that does as it likes within RFC 9113: nghttp2 keeps it within. */

#include "chaos.h"

#include <nghttp2/nghttp2.h>

typedef struct h2_turn h2_turn;

typedef struct h2_server {
    world *w;
    kt_stream *s;
    nghttp2_session *ng;
    kt_group *tasks;
    kt_buffer out;     /* what nghttp2 has said: for it, that is sent */
    kt_event wanted;   /* there is more of that, or the end */
    h2_turn *turns;
    int32_t last;      /* streams behind it are not acted upon */
    int32_t acted;     /* up to this one */
    size_t heard;
    bool leaving, parted; /* GOAWAY is said; and nothing follows */
} h2_server;

/* One stream. */
struct h2_turn {
    h2_server *c;
    h2_turn *next, *prev;
    int32_t id;
    unsigned number;
    bool is_head, has_body, early;
    bool ended, closed, busy; /* the request; the stream; a task serves it */
    bool hasty;               /* does not wait for the request's end, once it has answered */
    size_t at, unread;        /* of the request's body: what has come, and what of it makes no room yet */
    size_t size, given, may_give; /* of the answer's body */
    bool trailers;
    kt_event changed;
};

/* Something has been submitted. */
static inline void h2_want(h2_server *c)
{
    const uint8_t *bytes;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(c->ng, &bytes)) > 0)
        CHECK_OK(kt_buffer_append(&c->out, bytes, (size_t)n));
    CHECK_EQ(n, 0);
    kt_event_set(&c->wanted);
}

static inline void h2_free(h2_turn *t)
{
    if (t->next)
        t->next->prev = t->prev;
    if (t->prev)
        t->prev->next = t->next;
    else
        t->c->turns = t->next;
    kt_free(t);
}

/* ---- The answer -------------------------------------------------------------------------------- */

static inline nghttp2_nv h2_pair(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

static inline ssize_t h2_give(nghttp2_session *ng, int32_t id, uint8_t *bytes, size_t size, uint32_t *flags,
                              nghttp2_data_source *source, void *user)
{
    h2_turn *t = source->ptr;
    size_t n = t->may_give - t->given;
    (void)user;
    n = n < size ? n : size;
    if (n == 0 && t->given < t->size)
        return NGHTTP2_ERR_DEFERRED;
    fill((char *)bytes, n, t->number, t->given);
    t->given += n;
    if (t->given < t->size)
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (t->trailers) {
        char number[16];
        snprintf(number, sizeof number, "%u", t->number);
        const nghttp2_nv nv = h2_pair("x-end", number);
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        CHECK_EQ(nghttp2_submit_trailer(ng, id, &nv, 1), 0);
    }
    return (ssize_t)n;
}

static inline int h2_answer(h2_turn *t, const char *status)
{
    h2_server *c = t->c;
    world *w = c->w;
    char number[16], size[24], url[URL_BYTES];
    bool is_bare = t->is_head || strcmp(status, "204") == 0;
    size_t count = 3;
    t->size = is_bare ? 0 : some_bytes(&w->random, w->answer_max);
    t->trailers = !is_bare && one_in(&w->random, 3);
    snprintf(number, sizeof number, "%u", t->number);
    snprintf(size, sizeof size, "%zu", t->size);
    nghttp2_nv nv[6] = {h2_pair(":status", status), h2_pair("x-number", number), h2_pair("x-size", size)};
    if (!is_bare && one_in(&w->random, 2))
        nv[count++] = h2_pair("content-length", size);
    if (t->trailers)
        nv[count++] = h2_pair("x-trailers", "yes");
    put_url(w, url, below(&w->random, SIZE_MAX));
    if (status[0] == '3')
        nv[count++] = h2_pair("location", url);
    const nghttp2_data_provider body = {{.ptr = t}, h2_give};
    bool at_once = t->size == 0 && !t->trailers && (is_bare || one_in(&w->random, 2));
    CHECK_EQ(nghttp2_submit_response(c->ng, t->id, nv, count, at_once ? NULL : &body), 0);
    h2_want(c);
    int rc = 0;
    while (rc == 0 && t->may_give < t->size && !t->closed) {
        rc = rests(&w->random, w->pause_max);
        t->may_give += 1 + below(&w->random, t->size - t->may_give);
        if (!t->closed)
            (void)!nghttp2_session_resume_data(c->ng, t->id);
        h2_want(c);
    }
    return rc;
}

static inline int h2_reset(h2_turn *t, uint32_t code)
{
    kt_test_say("resets %u with %u", t->number, code);
    CHECK_EQ(nghttp2_submit_rst_stream(t->c->ng, 0, t->id, code), 0);
    h2_want(t->c);
    return -ECANCELED;
}

/* The status of the answer; negative: there is none. */
static inline int h2_act(h2_turn *t)
{
    h2_server *c = t->c;
    world *w = c->w;
    int rc = rests(&w->random, w->pause_max);
    if (rc < 0 || t->closed || t->id > c->last)
        return rc < 0 ? rc : -ECANCELED;
    if (one_in(&w->random, w->refuses_in))
        return h2_reset(t, w->tls[0] && one_in(&w->random, 4) ? NGHTTP2_HTTP_1_1_REQUIRED : NGHTTP2_REFUSED_STREAM);
    c->acted = c->acted > t->id ? c->acted : t->id;
    if (one_in(&w->random, w->sends_on_in))
        return sends_on(w, t->number);
    acts_upon(w, t->number);
    rc = rests(&w->random, w->pause_max);
    while (rc == 0 && !t->closed && one_in(&w->random, w->interim_in)) {
        const nghttp2_nv nv[] = {h2_pair(":status", "103"), h2_pair("link", "</a>")};
        CHECK_GE(nghttp2_submit_headers(c->ng, 0, t->id, NULL, nv, 2, NULL), 0);
        h2_want(c);
        rc = rests(&w->random, w->pause_max);
    }
    if (rc == 0 && !t->closed && !w->kind && one_in(&w->random, w->breaks_in))
        return h2_reset(t, (uint32_t)ONE_OF(&w->random, NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL));
    return rc < 0 || t->closed ? -ECANCELED : (int)ONE_OF(&w->random, 200, 200, 200, 200, 200, 404, 503, 204);
}

static inline void h2_serve_stream(h2_turn *t)
{
    int rc = rests(&t->c->w->random, t->c->w->pause_max);
    while (rc == 0 && !t->early && !t->ended && !t->closed) {
        kt_event_clear(&t->changed);
        rc = kt_event_wait(&t->changed);
    }
    if (rc == 0 && !t->closed)
        rc = h2_act(t);
    if (rc > 0) {
        char status[16];
        snprintf(status, sizeof status, "%d", rc);
        (void)!h2_answer(t, status);
    }
}

KT_FN(h2_serves_stream, a, struct { h2_turn *t; })
{
    h2_turn *t = a->t;
    h2_server *c = t->c;
    h2_serve_stream(t);
    t->busy = false;
    if (t->closed)
        h2_free(t);
    h2_want(c); /* it may be the last */
    return 0;
}

/* ---- What comes -------------------------------------------------------------------------------- */

static inline int h2_on_begin(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    h2_server *c = user;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    h2_turn *t = kt_calloc(1, sizeof *t);
    CHECK(t);
    *t = (h2_turn){.c = c, .next = c->turns, .id = frame->hd.stream_id, .changed = KT_EVENT_INIT};
    if (t->next)
        t->next->prev = t;
    c->turns = t;
    CHECK_EQ(nghttp2_session_set_stream_user_data(ng, t->id, t), 0);
    return 0;
}

static inline int h2_on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                               const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    h2_turn *t = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    kt_slice n = {(const char *)name, name_size};
    (void)flags;
    (void)user;
    (void)value_size;
    if (t && kt_slice_is(n, "x-number"))
        t->number = (unsigned)strtoul((const char *)value, NULL, 10);
    else if (t && kt_slice_is(n, ":method"))
        t->is_head = value[0] == 'H';
    return 0;
}

/* A request's head. */
static inline void h2_begin(h2_turn *t, bool ended)
{
    h2_server *c = t->c;
    world *w = c->w;
    c->heard++;
    t->has_body = !ended;
    t->early = !ended && one_in(&w->random, w->early_in);
    t->hasty = one_in(&w->random, 2);
    t->busy = true;
    CHECK_OK(kt_group_spawn(c->tasks, KT_WITH(h2_serves_stream, .t = t)));
}

static inline int h2_on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    h2_server *c = user;
    h2_turn *t = frame->hd.stream_id ? nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id) : NULL;
    bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (!t || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (ends) {
        t->ended = true;
        kt_event_set(&t->changed);
        if (t->has_body)
            CHECK_EQ(t->at, deed_of(c->w, t->number)->body_size);
    }
    if (frame->hd.type == NGHTTP2_HEADERS && t->id <= c->last)
        h2_begin(t, ends);
    return 0;
}

static inline int h2_on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *bytes, size_t size,
                             void *user)
{
    h2_server *c = user;
    h2_turn *t = nghttp2_session_get_stream_user_data(ng, id);
    (void)flags;
    if (t) {
        check_piece(c->w, t->number, bytes, size, t->at);
        t->at += size;
    }
    if (t && c->w->trickles_in)
        t->unread += size;
    else
        CHECK_EQ(nghttp2_session_consume(ng, id, size), 0);
    return 0;
}

static inline int h2_on_invalid(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *user)
{
    (void)ng;
    (void)user;
    if (error == NGHTTP2_ERR_REFUSED_STREAM) /* it has not heard yet how many there may be */
        return 0;
    kt_test_fail("the client sent a frame of type %u that it may not: %s", frame->hd.type, nghttp2_strerror(error));
    return 0;
}

static inline int h2_on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user)
{
    h2_turn *t = nghttp2_session_get_stream_user_data(ng, id);
    (void)user;
    (void)code;
    if (!t)
        return 0;
    t->closed = true;
    if (t->unread > 0)
        CHECK_EQ(nghttp2_session_consume_connection(ng, t->unread), 0);
    kt_event_set(&t->changed);
    if (!t->busy)
        h2_free(t);
    return 0;
}

/* RFC 9113 section 8.1: whoever has answered may do without the rest of the request. */
static inline int h2_on_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    h2_turn *t = frame->hd.stream_id ? nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id) : NULL;
    (void)user;
    bool is_answer = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (t && is_answer && frame->hd.flags & NGHTTP2_FLAG_END_STREAM && !t->ended && t->hasty)
        CHECK_EQ(nghttp2_submit_rst_stream(ng, 0, t->id, NGHTTP2_NO_ERROR), 0);
    return 0;
}

/* ---- Changes of mind --------------------------------------------------------------------------- */

/* The last ones let everybody go on. */
static inline void h2_settings(h2_server *c, bool last)
{
    world *w = c->w;
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)ONE_OF(&w->random, last, 1, 2, 5, 100, 1000)},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
         (uint32_t)ONE_OF(&w->random, last ? w->request_max / 10 + 1 : 0, 3000, 65535, 1000000)},
    };
    size_t skip = below(&w->random, 2);
    CHECK_EQ(nghttp2_submit_settings(c->ng, 0, entries + (last ? 0 : skip), last ? 2 : 2 - skip), 0);
    h2_want(c);
}

static inline int h2_changes_mind(h2_server *c)
{
    world *w = c->w;
    int rc = 0;
    while (rc == 0 && one_in(&w->random, w->changes_in)) {
        rc = kt_sleep((kt_time)below(&w->random, KT_MS(300)));
        if (one_in(&w->random, 2))
            h2_settings(c, false);
        else
            CHECK_EQ(nghttp2_submit_ping(c->ng, 0, NULL), 0);
        h2_want(c);
    }
    if (rc == 0 && w->changes_in > 0)
        h2_settings(c, true);
    return rc;
}

/* Of what has been read, room is made little by little. */
KT_FN(h2_trickles, a, struct { h2_server *c; })
{
    h2_server *c = a->c;
    int rc = 0;
    while (rc == 0) {
        rc = kt_sleep(KT_MS(1) + (kt_time)below(&c->w->random, KT_MS(20)));
        for (h2_turn *t = c->turns; t && rc == 0; t = t->next) {
            if (t->unread == 0 || t->closed)
                continue;
            size_t n = one_in(&c->w->random, 3) ? t->unread : 1 + below(&c->w->random, t->unread);
            t->unread -= n;
            CHECK_EQ(nghttp2_session_consume(c->ng, t->id, n), 0);
        }
        h2_want(c);
    }
    return rc;
}

/* RFC 9113 section 6.8: perhaps a warning; then what has been acted upon, or may yet be. */
static inline int h2_say_good_bye(h2_server *c)
{
    int32_t up_to = nghttp2_session_get_last_proc_stream_id(c->ng);
    if (one_in(&c->w->random, 2)) {
        CHECK_EQ(nghttp2_submit_shutdown_notice(c->ng), 0);
        h2_want(c);
        int rc = rests(&c->w->random, c->w->pause_max);
        if (rc < 0)
            return rc;
        up_to = nghttp2_session_get_last_proc_stream_id(c->ng);
    }
    c->last = one_in(&c->w->random, 2) ? up_to : c->acted;
    if (up_to > c->acted && one_in(&c->w->random, 4))
        c->last = up_to - 2 * (int32_t)below(&c->w->random, (size_t)(up_to - c->acted) / 2 + 1);
    c->leaving = true;
    kt_test_say("GOAWAY %d", c->last);
    CHECK_EQ(nghttp2_submit_goaway(c->ng, 0, c->last, NGHTTP2_NO_ERROR, NULL, 0), 0);
    h2_want(c);
    return 0;
}

KT_FN(h2_lives, a, struct { h2_server *c; })
{
    h2_server *c = a->c;
    world *w = c->w;
    int rc = h2_changes_mind(c);
    if (rc == 0 && w->per_connection == 0)
        rc = kt_sleep((kt_time)below(&w->random, KT_S(1)));
    while (rc == 0 && w->per_connection > 0 && c->heard < w->per_connection)
        rc = kt_sleep(KT_MS(1));
    if (rc == 0 && (w->per_connection > 0 || one_in(&w->random, w->leaves_in)))
        rc = h2_say_good_bye(c);
    if (rc == 0 && !w->kind && one_in(&w->random, w->breaks_in)) {
        rc = rests(&w->random, w->pause_max);
        return rc < 0 ? rc : -EPIPE;
    }
    return rc;
}

/* ---- Connections ------------------------------------------------------------------------------- */

static inline bool h2_is_done(const h2_server *c)
{
    const h2_turn *t = c->turns;
    while (t && (t->id > c->last || (t->closed && !t->busy)))
        t = t->next;
    return c->leaving && !t;
}

/* Ends with an error that ends the others, unless it lingers. */
static inline int h2_part(h2_server *c)
{
    c->parted = true;
    if (one_in(&c->w->random, 3))
        return -EPIPE;
    return kt_stream_shutdown_write(c->s);
}

static inline int h2_write(h2_server *c)
{
    kt_auto(kt_buffer) out = c->out;
    int rc = 0;
    c->out = (kt_buffer)KT_BUFFER_INIT;
    while (rc == 0 && out.size > 0) {
        size_t n = one_in(&c->w->random, 3) ? 1 + below(&c->w->random, out.size) : out.size;
        rc = kt_stream_write(c->s, out.data, n);
        kt_buffer_consume(&out, n);
        if (rc == 0 && one_in(&c->w->random, 4))
            rc = rests(&c->w->random, c->w->pause_max);
    }
    return rc;
}

KT_FN(h2_writes, a, struct { h2_server *c; })
{
    h2_server *c = a->c;
    int rc = rests(&c->w->random, c->w->pause_max); /* its settings are late */
    while (rc == 0) {
        kt_event_clear(&c->wanted);
        if (c->out.size > 0)
            rc = h2_write(c);
        else if (h2_is_done(c))
            return h2_part(c);
        else
            rc = kt_event_wait(&c->wanted);
    }
    return rc;
}

static inline void h2_new(h2_server *c)
{
    nghttp2_session_callbacks *k;
    nghttp2_option *o;
    CHECK_EQ(nghttp2_session_callbacks_new(&k), 0);
    CHECK_EQ(nghttp2_option_new(&o), 0);
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_session_callbacks_set_on_begin_headers_callback(k, h2_on_begin);
    nghttp2_session_callbacks_set_on_header_callback(k, h2_on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(k, h2_on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(k, h2_on_data);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(k, h2_on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(k, h2_on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(k, h2_on_sent);
    CHECK_EQ(nghttp2_session_server_new2(&c->ng, k, c, o), 0);
    nghttp2_option_del(o);
    nghttp2_session_callbacks_del(k);
    h2_settings(c, c->w->changes_in == 0);
}

static inline int h2_reads(h2_server *c)
{
    uint8_t bytes[16 * 1024];
    ssize_t n;
    while ((n = kt_stream_read(c->s, bytes, sizeof bytes)) > 0) {
        if (c->parted)
            continue;
        ssize_t taken = nghttp2_session_mem_recv(c->ng, bytes, (size_t)n);
        if (taken != n)
            kt_test_fail("the client's frames: %s", nghttp2_strerror((int)taken));
        h2_want(c);
    }
    return n < 0 ? (int)n : -EPIPE;
}

static inline void h2_serve(world *w, kt_stream *s)
{
    h2_server c = {.w = w, .s = s, .out = KT_BUFFER_INIT, .wanted = KT_EVENT_INIT, .last = INT32_MAX};
    h2_new(&c);
    {
        kt_auto(kt_group) tasks = KT_GROUP_INIT;
        c.tasks = &tasks;
        int rc = kt_group_spawn(&tasks, KT_WITH(h2_writes, .c = &c));
        if (rc == 0)
            rc = kt_group_spawn(&tasks, KT_WITH(h2_lives, .c = &c));
        if (rc == 0 && w->trickles_in)
            rc = kt_group_spawn(&tasks, KT_WITH(h2_trickles, .c = &c));
        if (rc == 0)
            rc = h2_reads(&c);
        (void)!kt_group_join(&tasks, rc);
    }
    nghttp2_session_del(c.ng);
    kt_buffer_release(&c.out);
    while (c.turns)
        h2_free(c.turns);
    if (!w->kind && one_in(&w->random, 2))
        kt_stream_hang_up(s, true);
}

#endif
