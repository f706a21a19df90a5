/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_SERVER_CHAOS_H1_H
#define TESTS_HTTP_SERVER_CHAOS_H1_H

/* A client of HTTP/1.1, and 1.0, that does as it likes within RFC 9112: one task says requests, the other hears. */

#include "server_chaos.h"

enum { H1_ASKS = 6 };

typedef struct h1_client {
    world *w;
    kt_stream *s;
    ask *asks[H1_ASKS];
    size_t count, begun, answered, continued; /* so many were sent in part, are answered, may send their bodies */
    size_t composed, said; /* so many to their ends; and all of these were written */
    size_t ahead;  /* so many are sent before their answers come */
    bool slow;     /* at reading */
    bool half;     /* ends its side behind the last request */
    bool upgraded; /* the last one has become another protocol */
    bool closing;  /* an answer has said that it is the last */
    bool over;     /* nothing more can be heard */
    kt_event changed;
    kt_buffer out;
    int rc;        /* of the read that failed, or the end */
    char in[3000];
    size_t at, end;
} h1_client;

/* ---- Saying ------------------------------------------------------------------------------------ */

/* Some of it at a time. */
static inline int h1_flush(h1_client *c)
{
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && at < c->out.size) {
        size_t n = c->out.size - at;
        n = one_in(&c->w->random, 2) ? n : 1 + below(&c->w->random, n);
        rc = kt_stream_write(c->s, c->out.data + at, n);
        at += n;
        if (rc == 0)
            rc = c->closing || c->over ? -EPIPE : rests(&c->w->random, c->w->pause_max);
    }
    kt_buffer_clear(&c->out);
    c->said = rc == 0 ? c->composed : c->said;
    return rc;
}

static inline void h1_put(h1_client *c, const char *text)
{
    CHECK_OK(kt_buffer_append_string(&c->out, text));
}

static inline void h1_put_field(void *arg, const char *name, const char *value)
{
    CHECK_OK(kt_buffer_printf(&((h1_client *)arg)->out, "%s: %s\r\n", name, value));
}

static inline void h1_put_head(h1_client *c, const ask *a, bool last)
{
    const char *host = one_in(&c->w->random, 8) ? "http://a" : ""; /* RFC 9112 section 3.2.2 */
    h1_put(c, one_in(&c->w->random, 8) ? "\r\n" : "");             /* section 2.2 */
    CHECK_OK(kt_buffer_printf(&c->out, "%s %s/%u HTTP/1.%d\r\nHost:%s\r\n", a->method, host, a->number,
                              a->version == 11, one_in(&c->w->random, 4) ? "a \t" : " a"));
    ask_fields(c->w, a, h1_put_field, c);
    if (a->upgrade)
        h1_put(c, "Connection: keep-alive, Upgrade\r\nUpgrade: echo\r\n");
    if (a->version == 10 && !last)
        h1_put(c, "Connection: keep-alive\r\n");
    if (a->version == 11 && last && !a->upgrade && one_in(&c->w->random, 2))
        h1_put(c, "Connection: close\r\n");
    if (a->chunked)
        h1_put(c, a->trailer ? "Trailer: X-End\r\nTransfer-Encoding: chunked\r\n" : "Transfer-Encoding: chunked\r\n");
    else if (*a->method == 'P')
        CHECK_OK(kt_buffer_printf(&c->out, "Content-Length: %zu\r\n", a->wire_size));
    h1_put(c, "\r\n");
}

static inline int h1_wait_while(h1_client *c, const size_t *count, size_t least)
{
    int rc = h1_flush(c);
    while (rc == 0 && *count < least && c->answered < least && !c->closing && !c->over) {
        kt_event_clear(&c->changed);
        rc = kt_event_wait(&c->changed);
    }
    return rc < 0 ? rc : c->closing || c->over ? -EPIPE : 0;
}

static inline int h1_say_body(h1_client *c, const ask *a)
{
    world *w = c->w;
    char piece[4000];
    int rc = 0;
    for (size_t at = 0, n; rc == 0 && at < a->wire_size; at += n) {
        n = a->wire_size - at < sizeof piece ? a->wire_size - at : sizeof piece;
        n = one_in(&w->random, 2) ? n : 1 + below(&w->random, n);
        fill_wire(a, piece, n, at);
        if (a->chunked)
            CHECK_OK(kt_buffer_printf(&c->out, one_in(&w->random, 8) ? "%zX;a=b\r\n" : "%zx\r\n", n));
        CHECK_OK(kt_buffer_append(&c->out, piece, n));
        if (a->chunked)
            h1_put(c, "\r\n");
        if (one_in(&w->random, 2))
            rc = h1_flush(c);
    }
    if (a->chunked)
        h1_put(c, "0\r\n");
    if (a->chunked && a->trailer)
        CHECK_OK(kt_buffer_printf(&c->out, "X-End: %u\r\n", a->number));
    if (a->chunked)
        h1_put(c, "\r\n");
    return rc;
}

static inline int h1_say_all(h1_client *c)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->count; i++) {
        ask *a = c->asks[i];
        if (i >= c->ahead)
            rc = h1_wait_while(c, &c->answered, i + 1 - c->ahead);
        if (rc < 0)
            break;
        a->sent = true;
        c->begun = i + 1;
        h1_put_head(c, a, i + 1 == c->count);
        if (a->waits || a->upgrade)
            rc = h1_wait_while(c, &c->continued, i + 1);
        if (rc == 0 && (!a->upgrade || c->upgraded))
            rc = h1_say_body(c, a);
        c->composed += rc == 0;
        if (rc == 0 && one_in(&c->w->random, 3))
            rc = h1_flush(c);
    }
    if (rc == 0)
        rc = h1_flush(c);
    if (rc == 0 && c->half)
        rc = kt_stream_shutdown_write(c->s);
    return rc;
}

static inline int h1_says(void *arg)
{
    h1_client *c = *(h1_client **)arg;
    int rc = h1_say_all(c);
    return kt_is_cancel(rc) ? rc : 0; /* who cannot say any more may still hear */
}

/* ---- Hearing ------------------------------------------------------------------------------------ */

enum { H1_NOTHING, H1_CUT, H1_WHOLE };

/* -1 at the end. */
static inline int h1_byte(h1_client *c)
{
    if (c->at < c->end)
        return (unsigned char)c->in[c->at++];
    if (c->over)
        return -1;
    if (c->slow)
        c->rc = rests(&c->w->random, c->w->pause_max);
    ssize_t n = c->rc < 0 ? c->rc : kt_stream_read(c->s, c->in, 1 + below(&c->w->random, sizeof c->in));
    if (n <= 0) {
        c->rc = (int)n;
        c->over = true;
        kt_event_set(&c->changed);
        return -1;
    }
    c->at = 1;
    c->end = (size_t)n;
    return (unsigned char)c->in[0];
}

/* Without its CR LF. False at the end. */
static inline bool h1_line(h1_client *c, char line[LINE_BYTES])
{
    size_t n = 0;
    for (;;) {
        int b = h1_byte(c);
        if (b < 0)
            return false;
        CHECK_LT(n, LINE_BYTES - 1);
        line[n++] = (char)b;
        if (b == '\n')
            break;
    }
    CHECK(n >= 2 && line[n - 2] == '\r');
    line[n - 2] = '\0';
    CHECK_EQ(strlen(line), n - 2);
    return true;
}

static inline bool h1_take(h1_client *c, answer *s, size_t size)
{
    for (; size > 0; size--) {
        int b = h1_byte(c);
        if (b < 0)
            return false;
        char letter = (char)b;
        CHECK_OK(kt_buffer_append(&s->content, &letter, 1));
    }
    return true;
}

static inline bool h1_fields(h1_client *c, answer *s)
{
    char line[LINE_BYTES];
    while (h1_line(c, line)) {
        char *colon = strchr(line, ':');
        if (!*line)
            return true;
        CHECK(colon && colon > line && colon[1] == ' ');
        *colon = '\0';
        answer_field(s, line, colon + 2);
    }
    return false;
}

static inline bool h1_chunks(h1_client *c, answer *s)
{
    char line[LINE_BYTES], *end;
    for (;;) {
        if (!h1_line(c, line))
            return false;
        size_t size = strtoul(line, &end, 16);
        CHECK(end > line && !*end);
        if (size == 0)
            return h1_fields(c, s);
        if (!h1_take(c, s, size) || !h1_line(c, line))
            return false;
        CHECK_STR(line, "");
    }
}

static inline bool h1_content(h1_client *c, const ask *a, answer *s)
{
    CHECK(!s->chunked || (s->length < 0 && a->version == 11));
    if (is_bare(a, s->status) && a->begun) { /* else the server may not know yet that it is HEAD */
        CHECK(s->status != 204 || (!s->chunked && s->length < 0));
        return true;
    }
    if (c->upgraded) {
        while (h1_take(c, s, 1))
            ;
        return s->content.size == s->total;
    }
    if (s->chunked)
        return h1_chunks(c, s);
    if (s->length >= 0)
        return h1_take(c, s, (size_t)s->length);
    CHECK(a->version == 10 && s->close);
    while (h1_take(c, s, 1))
        ;
    return c->rc == 0; /* the end of the connection is that of the content (RFC 9112 section 6.3) */
}

/* The heads of an answer. */
static inline int h1_heads(h1_client *c, const ask *a, answer *s)
{
    char line[LINE_BYTES];
    bool again = false;
    for (;;) {
        bool fresh = c->at == c->end && !again;
        answer_begin(s);
        if (!h1_line(c, line))
            return fresh && c->at == c->end ? H1_NOTHING : H1_CUT;
        CHECK_EQ(strncmp(line, "HTTP/1.1 ", 9), 0);
        s->status = (int)number_in(line + 9);
        if (!h1_fields(c, s))
            return H1_CUT;
        c->upgraded = s->status == 101 && a->upgrade;
        if (s->status >= 200)
            return H1_WHOLE;
        c->continued = c->answered + 1;
        kt_event_set(&c->changed);
        if (c->upgraded)
            return H1_WHOLE;
        CHECK(s->status == 100 && a->expects && !again);
        again = true;
    }
}

static inline int h1_hear(h1_client *c, ask *a, answer *s)
{
    int how = h1_heads(c, a, s);
    if (how != H1_WHOLE)
        return how;
    CHECK(a->sent && (s->close || !a->must_close || c->upgraded));
    bool whole = h1_content(c, a, s);
    check_answer(c->w, a, s, whole);
    c->closing = whole && s->close;
    c->answered += whole;
    kt_event_set(&c->changed);
    return whole ? H1_WHOLE : H1_CUT;
}

/* ---- A connection --------------------------------------------------------------------------------- */

static inline void h1_plan(h1_client *c)
{
    world *w = c->w;
    bool is_old = one_in(&w->random, 8);
    for (size_t count = 1 + below(&w->random, H1_ASKS); c->count < count; c->count++) {
        c->asks[c->count] = ask_new(w, is_old ? 10 : 11);
        if (!c->asks[c->count])
            break;
        if (c->asks[c->count]->upgrade)
            count = c->count + 1;
    }
    c->ahead = is_old ? 1 : 1 + below(&w->random, H1_ASKS); /* HTTP/1.0 has no pipelining */
    c->slow = one_in(&w->random, w->slow_in);
    c->half = one_in(&w->random, 4);
}

/* Nothing comes behind the last answer. */
static inline void h1_hear_end(h1_client *c)
{
    bool must_end = c->closing || c->half;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, must_end ? LIMIT : KT_MS(20));
    CHECK_EQ(h1_byte(c), -1);
    c->rc = kt_timeout_end(&limit, c->rc);
    if (!kt_timeout_expired(&limit))
        return;
    CHECK(!must_end);
    c->rc = 0;
}

/* Of a body that the handler has left only so much is skipped; how long one in chunks is shows when the answer has been
 * sent. */
static inline bool h1_is_too_long(const world *w, const ask *a)
{
    return a->chunked && (a->wire_size > w->o.body_bytes_max || a->wire_size > 64000);
}

/* What is not answered: may that be, and was it not begun where the client must think so? */
static inline void h1_judge(const h1_client *c, bool left)
{
    const world *w = c->w;
    for (size_t i = c->answered; i < c->count; i++) {
        ask *a = c->asks[i];
        a->left = left;
        a->denied = !a->sent || c->closing;
        if (a->denied)
            CHECK_EQ(a->begun, 0);
        if (!w->kind || c->closing || !a->sent || i > c->answered)
            continue;
        bool may_be_cut = a->may_be_cut || (a->events && w->stopping);
        may_be_cut |= c->rc == -ECONNRESET && c->said < c->count; /* who sends on and reads little is not waited for */
        bool may_be_lost = w->stopping || (i > 0 && (c->asks[i - 1]->may_be_cut || h1_is_too_long(w, c->asks[i - 1])));
        if (a->begun ? !may_be_cut : !may_be_lost)
            kt_test_fail("%u %s was sent and not answered: %s", a->number, a->method, kt_error_name(c->rc));
    }
}

static inline int h1_visit(world *w, kt_stream *s)
{
    h1_client c = {.w = w, .s = s, .changed = KT_EVENT_INIT, .out = KT_BUFFER_INIT}, *p = &c;
    answer heard = {.content = KT_BUFFER_INIT};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    bool leaves = one_in(&w->random, w->leaves_in);
    h1_plan(&c);
    CHECK_OK(kt_group_spawn(&g, h1_says, &p, sizeof p));
    kt_timeout_start(&limit, leaves ? draw_leave(w) : LIMIT);
    while (c.answered < c.count && !c.closing && h1_hear(&c, c.asks[c.answered], &heard) == H1_WHOLE)
        ;
    if (!c.over && one_in(&w->random, 2))
        h1_hear_end(&c);
    int rc = kt_timeout_end(&limit, c.rc == KT_ETIMEDOUT ? c.rc : 0);
    if (rc == KT_ETIMEDOUT && !leaves)
        kt_test_fail("a client of HTTP/1.1 waits forever");
    kt_group_cancel(&g);
    CHECK_OK(kt_group_join(&g, 0));
    if (leaves && one_in(&w->random, 2))
        kt_stream_hang_up(s, true);
    h1_judge(&c, rc == KT_ETIMEDOUT);
    kt_buffer_release(&c.out);
    kt_buffer_release(&heard.content);
    return 0;
}

#endif
