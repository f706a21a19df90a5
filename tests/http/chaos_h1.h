/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_CHAOS_H1_H
#define TESTS_HTTP_CHAOS_H1_H

/* A connection of a server of HTTP/1.1 that does as it likes within RFC 9112. */

#include "chaos.h"

/* One request, and what is made of it. */
typedef struct h1_turn {
    world *w;
    kt_stream *s;
    unsigned number;
    bool is_head, is_chunked, expects;
    size_t length, at; /* of the request's body; what has come of it */
    bool early;        /* the answer comes before the body has been read */
    bool keep;
    int status;        /* 0: one of several; 3xx and 417 mean that nothing is done */
} h1_turn;

/* A header's value as text; "" if there is none. */
static inline const char *h1_value(kt_slice head, const char *name)
{
    static char value[64];
    const char *at = memmem(head.data, head.size, name, strlen(name));
    value[0] = '\0';
    if (at)
        sscanf(at + strlen(name), ": %63[^\r]", value);
    return value;
}

/* ---- The request's body ------------------------------------------------------------------------ */

static inline int h1_piece(h1_turn *t, size_t left)
{
    char bytes[4096];
    while (left > 0) {
        size_t n = left < sizeof bytes ? left : sizeof bytes;
        int rc = kt_stream_read_exactly(t->s, bytes, n);
        if (rc < 0)
            return rc;
        check_piece(t->w, t->number, bytes, n, t->at);
        t->at += n;
        left -= n;
    }
    return rests(&t->w->random, t->w->pause_max);
}

static inline int h1_chunks(h1_turn *t)
{
    kt_slice line;
    size_t size = 1;
    int rc = 0;
    while (rc == 0 && size > 0) {
        rc = kt_stream_read_line(t->s, 100, &line) < 0 ? -EPIPE : 0;
        if (rc < 0 || line.size == 0)
            return -EPIPE;
        CHECK(strchr("0123456789abcdef", line.data[0]) != NULL);
        size = strtoul(line.data, NULL, 16);
        if (size > 0)
            rc = h1_piece(t, size);
        if (rc == 0)
            rc = kt_stream_read_line(t->s, 100, &line) <= 0 ? -EPIPE : 0;
        if (rc == 0)
            CHECK_EQ(line.size, 0);
    }
    return rc;
}

static inline int h1_body(h1_turn *t)
{
    int rc = t->is_chunked ? h1_chunks(t) : h1_piece(t, t->length);
    if (rc == 0 && (t->is_chunked || t->length > 0))
        CHECK_EQ(t->at, deed_of(t->w, t->number)->body_size);
    return rc;
}

/* ---- The answer -------------------------------------------------------------------------------- */

static inline int h1_write(h1_turn *t, const void *bytes, size_t size)
{
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && at < size) { /* in pieces */
        size_t n = one_in(&t->w->random, 3) ? 1 + below(&t->w->random, size - at) : size - at;
        rc = kt_stream_write(t->s, (const char *)bytes + at, n);
        at += n;
        if (rc == 0 && at < size)
            rc = rests(&t->w->random, t->w->pause_max);
    }
    return rc;
}

static inline int h1_say(h1_turn *t, const char *text)
{
    return h1_write(t, text, strlen(text));
}

/* `framing`: 0 a length, 1 chunks, 2 until the end of the connection. */
static inline int h1_content(h1_turn *t, size_t size, int framing)
{
    char piece[4096], line[64];
    size_t at = 0;
    int rc = 0;
    while (rc == 0 && at < size) {
        size_t n = 1 + below(&t->w->random, sizeof piece);
        n = n < size - at ? n : size - at;
        fill(piece, n, t->number, at);
        snprintf(line, sizeof line, "%zx\r\n", n);
        if (!t->w->kind && framing != 2 && one_in(&t->w->random, t->w->breaks_in * 8)) /* else it looks like the end */
            return -EPIPE;
        if (framing == 1)
            rc = h1_say(t, line);
        if (rc == 0)
            rc = h1_write(t, piece, n);
        if (rc == 0 && framing == 1)
            rc = h1_say(t, "\r\n");
        at += n;
    }
    snprintf(line, sizeof line, "0\r\nX-End: %u\r\n\r\n", t->number);
    if (rc == 0 && framing == 1)
        rc = h1_say(t, line);
    return rc;
}

static inline int h1_answer(h1_turn *t)
{
    world *w = t->w;
    char head[400], url[URL_BYTES];
    int status = t->status ? t->status : (int)ONE_OF(&w->random, 200, 200, 200, 200, 200, 404, 503, 204), minor = 1;
    size_t size = status == 204 ? 0 : some_bytes(&w->random, w->answer_max);
    int framing = (int)ONE_OF(&w->random, 0, 0, 0, 1, 2);
    if (framing == 2)
        t->keep = false;
    if (framing != 1 && one_in(&w->random, framing == 2 ? 2 : 8))
        minor = 0;
    int n = snprintf(head, sizeof head, "HTTP/1.%d %d Yes\r\nX-Number: %u\r\nX-Size: %zu\r\n", minor, status, t->number,
                     t->is_head ? 0 : size);
    if (framing == 0 && status != 204)
        n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %zu\r\n", size);
    else if (framing == 1 && status != 204)
        n += snprintf(head + n, sizeof head - (size_t)n, "Transfer-Encoding: chunked\r\n%s",
                      t->is_head ? "" : "X-Trailers: yes\r\n");
    if (status == 303 || status == 307) {
        put_url(w, url, below(&w->random, SIZE_MAX));
        n += snprintf(head + n, sizeof head - (size_t)n, "Location: %s\r\n", url);
    }
    bool is_said = t->keep == (minor == 0); /* what is the rule need not be */
    snprintf(head + n, sizeof head - (size_t)n, "%s%s\r\n", is_said ? "Connection: " : "",
             is_said ? t->keep ? "keep-alive\r\n" : "close\r\n" : "");
    int rc = h1_say(t, head);
    return rc < 0 || t->is_head || status == 204 ? rc : h1_content(t, size, framing);
}

static inline int h1_interim(h1_turn *t)
{
    int rc = 0;
    while (rc == 0 && one_in(&t->w->random, t->w->interim_in))
        rc = h1_say(t, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    if (rc == 0 && t->expects && !t->early)
        rc = rests(&t->w->random, t->w->pause_max);
    if (rc == 0 && t->expects && !t->early && !one_in(&t->w->random, 5)) /* else the client loses patience */
        rc = h1_say(t, "HTTP/1.1 100 Continue\r\n\r\n");
    return rc;
}

static inline int h1_act(h1_turn *t)
{
    if (!t->w->kind && one_in(&t->w->random, t->w->breaks_in))
        return -EPIPE;
    if (!t->status)
        acts_upon(t->w, t->number);
    return rests(&t->w->random, t->w->pause_max);
}

static inline int h1_serve_one(h1_turn *t)
{
    int rc = h1_interim(t);
    if (rc == 0 && t->early)
        rc = h1_act(t);
    if (rc == 0 && t->early)
        rc = h1_answer(t);
    if (rc == 0 && t->early && !t->keep)
        return 0;
    if (rc == 0)
        rc = h1_body(t);
    if (rc == 0 && !t->early)
        rc = h1_act(t);
    if (rc == 0 && !t->early)
        rc = h1_answer(t);
    return rc;
}

/* ---- Connections ------------------------------------------------------------------------------- */

/* 1, and the request's head has been read; 0: the connection is to be closed. */
static inline int h1_head(h1_turn *t, kt_time patience)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_slice head, end = {"\r\n\r\n", 4};
    kt_timeout_start(&limit, patience);
    ssize_t n = kt_stream_fill(t->s, 0, 16 * 1024, &head);
    int rc = kt_timeout_end(&limit, n < 0 ? (int)n : 0);
    if (n <= 0)
        return rc == KT_ETIMEDOUT || n == 0 ? 0 : rc;
    rc = kt_stream_read_until(t->s, end, 16 * 1024, &head);
    if (rc <= 0)
        return rc == KT_EINCOMPLETE || rc == -ECONNRESET ? 0 : rc;
    CHECK(memmem(head.data, head.size, " HTTP/1.1\r\n", 11) != NULL);
    CHECK(head.data[0] >= 'A' && head.data[0] <= 'Z');
    CHECK_LE((const char *)memchr(head.data, ' ', head.size) - head.data, 7);
    CHECK(h1_value(head, "X-Number")[0] != '\0');
    t->number = (unsigned)strtoul(h1_value(head, "X-Number"), NULL, 10);
    t->is_head = head.data[0] == 'H';
    t->is_chunked = h1_value(head, "Transfer-Encoding")[0] != '\0';
    t->length = strtoul(h1_value(head, "Content-Length"), NULL, 10);
    t->expects = h1_value(head, "Expect")[0] != '\0';
    t->early = (t->is_chunked || t->length > 0) && one_in(&t->w->random, t->w->early_in);
    t->keep = !one_in(&t->w->random, t->w->leaves_in);
    if (one_in(&t->w->random, t->w->sends_on_in))
        t->status = sends_on(t->w, t->number);
    else if (t->expects && one_in(&t->w->random, 6))
        t->status = 417;
    t->early = t->early || t->status == 417;
    return 1;
}

/* What has been said is to arrive: nothing is left unread for as long as the client is there. */
static inline void h1_linger(kt_stream *s)
{
    char bytes[4096];
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(60));
    if (kt_stream_shutdown_write(s) == 0)
        while (kt_stream_read(s, bytes, sizeof bytes) > 0)
            ;
    (void)!kt_timeout_end(&limit, 0);
}

static inline void h1_serve(world *w, kt_stream *s)
{
    int rc = 1, served = 0;
    bool keep = true;
    while (rc > 0 && keep) {
        h1_turn t = {.w = w, .s = s};
        kt_time patience = (kt_time)ONE_OF(&w->random, 0, KT_MS(1), KT_MS(50), KT_S(1), KT_S(20));
        if (served++ == 0)
            patience = KT_S(60);
        rc = h1_head(&t, patience);
        if (rc > 0 && !w->kind && one_in(&w->random, w->breaks_in))
            rc = -EPIPE;
        if (rc > 0)
            rc = h1_serve_one(&t) < 0 ? -EPIPE : 1;
        keep = t.keep;
    }
    if (rc >= 0 && (w->kind || one_in(&w->random, 2)))
        h1_linger(s);
    else if (one_in(&w->random, 2))
        kt_stream_hang_up(s, true);
}

#endif
