/* SPDX-License-Identifier: MIT */

/* Answers and bodies over HTTP/2: what an exchange asks of its stream. */
#include <errno.h>
#include <kettle/timeout.h>

#include "http/h2.h"

/* The client must make room for this much within the write timeout. */
#define STRETCH ((size_t)64 * 1024)
#define FIELDS_OWN 6u /* :status, date, server, content-type, content-length, and one to spare */

/* Nothing comes any more, nor does anything go. Whoever outlives the client is not cancelled, and finds out here. */
static bool is_over(const kt__h2 *h)
{
    return h->closing || h->failed < 0 || h->c->write_rc < 0;
}

static int gone(void)
{
    return kt_error_set(-ECONNRESET, "the client has reset the stream");
}

int kt__h2_lost(const kt__h2_stream *s)
{
    const kt__h2 *h = s->h;
    if (h->c->write_rc < 0)
        return kt_error_set(h->c->write_rc, "the connection has ended");
    if (h->failed < 0)
        return h->failed;
    return s->gone || !kt__h2_session_wants(h) ? gone() : 0;
}

/* ---- Heads ----------------------------------------------------------------------------------- */

/* The next "name: value\r\n" of *rest, with the name in small letters, as HTTP/2 wants it. False at the end. */
static bool next_line(kt_slice *rest, kt__h2_field *ret_field)
{
    if (rest->size == 0 || !rest->data)
        return false;
    char *name = (char *)(uintptr_t)rest->data; /* in our own buffer */
    const char *end = memmem(name, rest->size, "\r\n", 2);
    const char *colon = memchr(name, ':', rest->size);
    for (char *p = name; p < colon; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    const char *value = colon + 2;
    *ret_field = (kt__h2_field){{name, (size_t)(colon - name)}, {value, (size_t)(end - value)}};
    *rest = (kt_slice){end + 2, rest->size - (size_t)(end + 2 - name)};
    return true;
}

/* These are of one connection's, which HTTP/2 has not (RFC 9113 section 8.2.2). */
static bool is_of_connection(kt_slice name)
{
    return kt_slice_is(name, "upgrade") || kt_slice_is(name, "keep-alive") || kt_slice_is(name, "proxy-connection");
}

static size_t put_lines(kt__h2_field *fields, kt_slice lines)
{
    size_t n = 0;
    while (next_line(&lines, &fields[n]))
        n += !is_of_connection(fields[n].name);
    return n;
}

static size_t count_lines(kt_slice lines)
{
    size_t n = 0;
    for (size_t i = 0; i < lines.size; i++)
        n += lines.data[i] == '\n';
    return n + 1;
}

static kt__h2_field a_field(const char *name, const char *value, size_t size)
{
    return (kt__h2_field){kt_slice_from(name), {value, size}};
}

int kt__h2_send_head(kt__h2_stream *s, const kt__http_answer *a, int kind)
{
    kt__http_server *server = s->h->c->server;
    const char *date = kt__http_date_line(&server->date);
    kt_slice lines = kt_buffer_slice(&s->m.fields);
    char status[20], length[20];
    size_t n = 0;
    kt__h2_field *f = kt_http_alloc(&s->x, (FIELDS_OWN + count_lines(lines)) * sizeof *f);
    if (!f)
        return -ENOMEM;
    f[n++] = a_field(":status", status, (size_t)(kt__http_put_decimal(status, (uint64_t)a->status) - status));
    if (kind != KT__H2_INTERIM)
        f[n++] = a_field("date", date + 6, KT__HTTP_DATE_BYTES - 8); /* without "Date: " and the line's end */
    if (kind != KT__H2_INTERIM && server->name.size > 0)
        f[n++] = a_field("server", server->name.data, server->name.size);
    if (a->content_type.size > 0)
        f[n++] = a_field("content-type", a->content_type.data, a->content_type.size);
    if (a->framing == KT__HTTP_HAS_LENGTH)
        f[n++] = a_field("content-length", length, (size_t)(kt__http_put_decimal(length, a->length) - length));
    if (kind != KT__H2_INTERIM)
        n += put_lines(f + n, lines);
    return kt__h2_session_answer(s, f, n, kind);
}

int kt__h2_send_trailers(kt__h2_stream *s)
{
    kt_slice lines = kt_buffer_slice(&s->m.trailers);
    kt__h2_field *f = kt_http_alloc(&s->x, count_lines(lines) * sizeof *f);
    if (!f)
        return -ENOMEM;
    return kt__h2_session_trailers(s, f, put_lines(f, lines));
}

/* ---- Pieces ---------------------------------------------------------------------------------- */

static bool is_composed(const kt__h2_stream *s)
{
    return s->piece_size == 0 && (!s->last || s->end_sent);
}

/* The client opens its window too slowly, or not at all. */
static int stalled(const kt__h2_stream *s)
{
    kt__h2_session_reset(s, KT__H2_CANCEL);
    kt__h2_pump(s->h);
    return kt_error_set(-ETIMEDOUT, "the client does not take the answer");
}

static int wait_watched(kt__h2_stream *s, kt_timeout *limit)
{
    kt_time timeout = s->h->c->server->o.write_timeout;
    size_t mark = s->piece_size;
    kt_timeout_start(limit, timeout);
    int rc = 0;
    while (rc == 0 && !is_composed(s) && !s->gone && !s->hung_up && !is_over(s->h)) {
        kt_event_clear(&s->writable);
        rc = kt_event_wait(&s->writable);
        if (mark - s->piece_size < STRETCH || kt_timeout_expired(limit))
            continue;
        mark = s->piece_size;
        kt_timeout_reschedule(limit, kt_now() + timeout);
    }
    return kt_timeout_end(limit, rc);
}

/* *ret_left: of the piece, that neither has gone nor was promised by a frame's head. */
static int wait_composed(kt__h2_stream *s, size_t *ret_left)
{
    *ret_left = 0;
    if (is_composed(s))
        return s->h->c->write_rc;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    int rc = wait_watched(s, &limit);
    bool done = is_composed(s);
    *ret_left = s->piece_size - s->promised;
    s->piece = NULL; /* it is the caller's */
    s->piece_size = 0;
    if (done) /* whatever came in the same moment */
        return 0;
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
        return stalled(s);
    if (rc < 0)
        return rc;
    return s->h->c->write_rc < 0 ? s->h->c->write_rc : gone();
}

int kt__h2_wait_composed(kt__h2_stream *s)
{
    size_t left;
    return wait_composed(s, &left);
}

static int send_piece(kt__h2_stream *s, const void *bytes, size_t size, bool last, size_t *ret_left)
{
    *ret_left = size;
    if (s->gone || s->hung_up)
        return gone();
    s->piece = bytes;
    s->piece_size = size;
    s->last = last;
    kt__h2_session_resume(s);
    kt__h2_pump(s->h);
    return wait_composed(s, ret_left);
}

int kt__h2_send_piece(kt__h2_stream *s, const void *bytes, size_t size, bool last)
{
    size_t left;
    int rc = send_piece(s, bytes, size, last, &left);
    if (rc < 0 && !s->gone)
        kt__h2_session_reset(s, KT__H2_INTERNAL_ERROR);
    return rc;
}

int kt__h2_send_some(kt__h2_stream *s, const void *bytes, size_t size, size_t *ret_sent)
{
    size_t left;
    int rc = send_piece(s, bytes, size, false, &left);
    if (rc < 0 && !s->gone && (!kt_is_cancel(rc) || s->promised > 0))
        kt__h2_session_reset(s, KT__H2_INTERNAL_ERROR);
    *ret_sent = size - left;
    return rc;
}

/* ---- Answers --------------------------------------------------------------------------------- */

/* To an extended CONNECT (RFC 8441) any 2xx says that the other protocol begins (RFC 9110 section 9.3.6), which is for
 * kt__h2_upgrade to say. 501 is what RFC 9220 section 3 has for a protocol that is not spoken. */
static int check_answer(kt__h2_stream *s, const kt__http_answer *a)
{
    int rc = kt__h2_lost(s);
    if (rc < 0 || !s->extended || a->status / 100 != 2)
        return rc;
    kt__http_fault(&s->x, 501, "the protocol is not spoken here");
    return kt_error_set(-EOPNOTSUPP, "status %d would begin the other protocol", a->status);
}

static int h2_respond(kt_http_exchange *x, kt__http_answer *a, const void *bytes, size_t size)
{
    kt__h2_stream *s = kt__h2_stream_of(x);
    int rc = check_answer(s, a);
    if (rc < 0)
        return rc;
    if (x->bodiless)
        size = 0;
    bool whole = size == 0 && s->m.trailers.size == 0;
    rc = kt__h2_send_head(s, a, whole ? KT__H2_WHOLE : KT__H2_FINAL);
    if (rc < 0)
        return rc;
    x->state = KT__HTTP_DONE;
    x->status = a->status;
    x->bytes_sent = size;
    if (!whole)
        return kt__h2_send_piece(s, bytes, size, true);
    s->last = true; /* its end is the head's, which may have to wait for room */
    kt__h2_pump(s->h);
    return 0;
}

static int h2_start(kt_http_exchange *x, kt__http_answer *a)
{
    kt__h2_stream *s = kt__h2_stream_of(x);
    int rc = check_answer(s, a);
    if (rc == 0)
        rc = kt__h2_send_head(s, a, KT__H2_FINAL);
    if (rc < 0)
        return rc;
    x->state = KT__HTTP_STARTED;
    x->status = a->status;
    return 0;
}

static int h2_write(kt_http_exchange *x, const void *bytes, size_t size)
{
    return kt__h2_send_piece(kt__h2_stream_of(x), bytes, size, false);
}

static int h2_flush(kt_http_exchange *x)
{
    kt__h2_stream *s = kt__h2_stream_of(x);
    kt__h2_pump(s->h);
    if (s->h->c->write_rc < 0)
        return s->h->c->write_rc;
    return s->gone && !s->end_sent ? gone() : 0;
}

static int h2_finish(kt_http_exchange *x)
{
    x->state = KT__HTTP_DONE;
    return kt__h2_send_piece(kt__h2_stream_of(x), NULL, 0, true);
}

static bool h2_client_closed(const kt_http_exchange *x)
{
    const kt__h2_stream *s = kt__h2_stream_of_const(x);
    return (s->gone && !s->end_sent) || s->h->c->write_rc < 0 || s->h->failed < 0;
}

/* ---- Bodies ---------------------------------------------------------------------------------- */

static int broken(kt__h2_stream *s, int rc, int status, const char *reason)
{
    kt__http_fault(&s->x, status, reason);
    s->x.body_rc = rc;
    return kt_error_set(rc, "request body: %s", reason);
}

static int send_continue(kt__h2_stream *s)
{
    const kt__http_answer a = {.status = 100, .framing = KT__HTTP_EMPTY};
    if (s->x.continued)
        return 0;
    if (s->x.state != KT__HTTP_NEW)
        return kt_error_set(KT_EINVALIDSTATE, "the client waits for 100 and has been answered");
    int rc = kt__h2_send_head(s, &a, KT__H2_INTERIM);
    if (rc < 0)
        return rc;
    s->x.continued = true;
    kt__h2_pump(s->h);
    return 0;
}

static int wait_readable(kt__h2_stream *s)
{
    kt_time start = kt_now();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, s->stream ? KT_FOREVER : kt__http_body_patience(&s->x));
    kt_event_clear(&s->readable);
    int rc = kt_timeout_end(&limit, kt_event_wait(&s->readable));
    s->x.body_waited += kt_now() - start;
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
        return broken(s, -ETIMEDOUT, 408, "the client stopped sending");
    return rc;
}

ssize_t kt__h2_receive(kt__h2_stream *s, void *buffer, size_t size)
{
    size_t have;
    while ((have = s->in.size - s->in_at) == 0) {
        if (s->x.body_rc < 0)
            return s->x.body_rc;
        if (s->ended || s->hung_up)
            return 0;
        if (s->gone || is_over(s->h))
            return broken(s, KT_EINCOMPLETE, 400, "the client closed in the middle");
        int rc = send_continue(s);
        if (rc == 0)
            rc = wait_readable(s);
        if (rc < 0)
            return rc;
    }
    size_t n = have < size ? have : size;
    memcpy(buffer, s->in.data + s->in_at, n);
    s->in_at += n;
    kt__h2_session_consumed(s, n);
    kt__h2_pump(s->h);
    return (ssize_t)n;
}

static ssize_t h2_read(kt_http_exchange *x, void *buffer, size_t size)
{
    return kt__h2_receive(kt__h2_stream_of(x), buffer, size);
}

static int h2_read_all(kt_http_exchange *x, size_t size_max, kt_slice *ret_body)
{
    kt_buffer *b = &x->m->body;
    for (;;) {
        int rc = kt_buffer_reserve(b, 4096);
        if (rc < 0)
            return rc;
        ssize_t n = h2_read(x, b->data + b->size, b->capacity - b->size);
        if (n < 0)
            return (int)n;
        b->size += (size_t)n;
        if (b->size > size_max)
            return kt__http_too_long(x, size_max);
        if (n == 0)
            break;
    }
    *ret_body = kt_buffer_slice(b);
    return 0;
}

const kt__http_backend kt__h2_backend = {
    .respond = h2_respond,
    .start = h2_start,
    .write = h2_write,
    .flush = h2_flush,
    .finish = h2_finish,
    .read = h2_read,
    .read_all = h2_read_all,
    .client_closed = h2_client_closed,
    .upgrade_asked = kt__h2_upgrade_asked,
    .upgrade = kt__h2_upgrade,
};
