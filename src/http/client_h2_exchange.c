/* SPDX-License-Identifier: MIT */
/* One attempt over HTTP/2, and its answer's body. */
#include "http/client_h2.h"

#include <errno.h>

#define PIECE_BYTES ((size_t)64 * 1024)
#define SILENCE KT_S(1)

static int gone(const kt__client_stream *st)
{
    const kt__client_h2 *h = st->h2;
    if (h->conn->closed_under)
        return kt_error_set(KT_ECLOSED, "the session was closed");
    return kt_error_set(h->rc, "HTTP/2: the connection is over: %s", kt_strerror(h->rc));
}

int kt__client_stream_wait(kt__client_stream *st)
{
    if (st->rc < 0)
        return kt_error_set(st->rc, "HTTP/2: the stream is over: %s", kt_strerror(st->rc));
    if (st->closed)
        return kt_error_set(KT_EINCOMPLETE, "HTTP/2: the stream ended early");
    if (st->h2->rc < 0)
        return gone(st);
    kt_event_clear(&st->changed);
    return kt_event_wait(&st->changed);
}

/* Ends a phase that began then. When it was in vain and nothing came for anybody, the connection may be dead, and gets
 * no new stream; those that it has wait for themselves. Who has hardly waited cannot tell that from a slow answer. */
static int end_phase(const kt__client_stream *st, kt__client_phase *phase, kt_time begun, int rc)
{
    kt__client_h2 *h = st->h2;
    rc = kt__client_phase_end(phase, rc);
    if (rc == -ETIMEDOUT && h->heard_at <= begun && kt_now() - begun >= SILENCE && !h->going) {
        h->going = true;
        kt__client_h2_changed(h->conn);
    }
    return rc;
}

/* ---- Sending --------------------------------------------------------------------------------- */

static bool may_stop_sending(const kt__client_stream *st)
{
    return st->closed || (st->has_head && st->status >= 300);
}

/* What cannot be had again is not begun before the server can have heard of the request: another connection may yet get
 * it whole. */
static bool is_early(const kt__client_sender *s)
{
    return s->body.read && !s->body.rewind && kt__client_h2_is_unsent(s->stream);
}

static int await_room(const kt__client_sender *s)
{
    kt__client_stream *st = s->stream;
    kt__client_phase phase;
    kt_time begun = kt_now();
    int rc = 0;
    kt__client_phase_begin(&phase, "sending the request", s->limit, s->deadline);
    while (rc == 0 && (st->out_at < st->out.size || is_early(s)) && !may_stop_sending(st))
        rc = kt__client_stream_wait(st);
    return end_phase(st, &phase, begun, rc);
}

static int send_body(kt__client_sender *s)
{
    kt__client_stream *st = s->stream;
    for (;;) {
        int rc = await_room(s);
        if (rc < 0 || may_stop_sending(st))
            return rc;
        st->out.size = st->out_at = 0;
        rc = kt_buffer_reserve(&st->out, PIECE_BYTES);
        ssize_t n = rc < 0 ? rc : kt__client_body_read(&s->body, st->out.data, PIECE_BYTES);
        if (n < 0)
            return (int)n;
        st->out.size = (size_t)n;
        st->out_ended = n == 0;
        kt__client_h2_resume(st);
        if (n == 0)
            return 0;
    }
}

/* In a task of its own, whose end is waited for, too. */
static int send_beside(kt__client_sender *s)
{
    s->rc = send_body(s);
    kt_event_set(&s->stream->changed);
    return s->rc;
}

static int send_first(kt__http_call *c)
{
    kt__client_sender s = {.body = c->body,
                           .stream = c->response->stream,
                           .limit = c->timeouts.send,
                           .deadline = c->deadline};
    int rc = send_body(&s);
    c->body = s.body;
    return rc;
}

/* ---- The head -------------------------------------------------------------------------------- */

/* The fields from `first` on, up to `end`. */
static kt__http_header *headers_of(const kt__client_stream *st, size_t first, size_t end)
{
    const kt__client_h2_field *f = (const kt__client_h2_field *)(const void *)st->fields.data;
    const char *text = st->text.data;
    kt__http_header *headers = kt_calloc(end - first + 1, sizeof *headers);
    for (size_t i = first; headers && i < end; i++)
        headers[i - first] =
            (kt__http_header){{text + f[i].name, f[i].name_size}, {text + f[i].value, f[i].value_size}};
    return headers;
}

static int64_t length_of(const kt__http_header *headers, size_t count)
{
    const kt__http_header *h = kt__http_header_find(headers, count, "content-length");
    int64_t n = 0;
    if (!h || h->value.size == 0 || h->value.size > 18)
        return -1;
    for (size_t i = 0; i < h->value.size; i++) {
        if (h->value.data[i] < '0' || h->value.data[i] > '9')
            return -1;
        n = n * 10 + (h->value.data[i] - '0');
    }
    return n;
}

static int take_head(kt__client_stream *st, kt_http_response *r)
{
    size_t count = st->head_fields;
    kt__http_header *headers = headers_of(st, 0, count);
    if (!headers)
        return -ENOMEM;
    const kt__http_head head = {.status = st->status, .headers = headers, .header_count = count};
    r->version = 20;
    r->framing = st->ended && st->in.size == 0 && !st->trailers ? KT__HTTP_NO_BODY : KT__HTTP_UNTIL_CLOSE;
    r->length = r->framing == KT__HTTP_NO_BODY ? 0 : length_of(headers, count);
    int rc = kt__client_response_head(r, &head, st->text.data ? st->text.data : "", st->head_bytes);
    kt_free(headers);
    return rc;
}

/* As long as the body is being sent, the answer may take its time. */
static int hear_beside(kt__client_stream *st, const kt__http_call *c)
{
    const kt__client_sender *s = st->r->sender;
    kt__client_phase phase;
    int rc = 0;
    kt__client_phase_begin(&phase, "waiting for the answer", KT_FOREVER, c->deadline);
    while (rc == 0 && !st->has_head && s->rc > 0)
        rc = kt__client_stream_wait(st);
    rc = kt__client_phase_end(&phase, rc);
    return rc == 0 && !st->has_head && s->rc < 0 ? s->rc : rc;
}

static int hear(kt__client_stream *st, const kt__http_call *c)
{
    kt__client_phase phase;
    kt_time begun = kt_now();
    int rc = 0;
    kt__client_phase_begin(&phase, "waiting for the answer", c->timeouts.first_byte, c->deadline);
    while (rc == 0 && !st->has_head)
        rc = kt__client_stream_wait(st);
    return end_phase(st, &phase, begun, rc);
}

static int send_and_hear(kt__client_stream *st, kt__http_call *c)
{
    kt_http_response *r = st->r;
    int rc = kt__client_sender_start(c, send_beside, &r->sender);
    if (rc == 0)
        rc = hear_beside(st, c);
    if (rc == 0)
        rc = hear(st, c);
    if (r->sender && (rc < 0 || may_stop_sending(st))) {
        c->body = r->sender->body; /* for a repeat */
        (void)kt__client_sender_end(kt_steal(r->sender));
    }
    return rc;
}

/* Nothing has been sent, and the connection is no good: another one serves as well. */
static int too_late(kt__http_call *c)
{
    const kt__client_h2 *h = c->conn->h2;
    c->refused = true;
    c->refused_in_vain = h->served == 0;
    return h->rc < 0 ? h->rc : -ECONNRESET;
}

static bool is_gone(const kt__client_h2 *h)
{
    return h->rc < 0 || h->going;
}

static int begin(kt__client_h2 *h, kt__client_stream *st, kt__http_call *c)
{
    int rc = c->request->upgrade ? kt__client_h2_may_extend(st, c) : 0;
    if (is_gone(h) && h->settings > 0 && !kt_is_cancel(rc)) /* else it is no server of HTTP/2 */
        return too_late(c);
    return rc < 0 ? rc : kt__client_h2_submit(h, st, c);
}

int kt__client_h2_exchange(kt__http_call *c, bool *ret_silent)
{
    kt__client_h2 *h = c->conn->h2;
    kt_http_response *r = c->response;
    *ret_silent = true;
    if (is_gone(h))
        return too_late(c);
    kt__client_stream *st = kt__client_stream_new(h);
    if (!st)
        return -ENOMEM;
    r->stream = st;
    st->r = r;
    int rc = begin(h, st, c);
    if (rc < 0)
        return rc;
    kt_event_set(&h->wanted);
    bool beside = c->body.is_there && c->request->duplex;
    if (beside)
        rc = send_and_hear(st, c);
    else if (c->body.is_there)
        rc = send_first(c);
    if (rc == 0 && !beside)
        rc = hear(st, c);
    bool by_server = rc < 0 && (rc == st->rc || rc == h->rc); /* and not by the body, or the time */
    c->refused = by_server && st->refused;
    c->refused_in_vain = c->refused && h->served == 0;
    *ret_silent = !st->has_head;
    if (rc == 0)
        rc = take_head(st, r);
    return rc == 0 && c->request->upgrade && r->status < 300 ? kt__client_h2_upgraded(r) : rc;
}

/* ---- The body -------------------------------------------------------------------------------- */

static int take_trailers(kt__client_stream *st, kt_http_response *r)
{
    size_t end = st->fields.size / sizeof(kt__client_h2_field);
    if (!st->trailers)
        return 0;
    kt__http_header *headers = headers_of(st, st->head_fields, end);
    if (!headers)
        return -ENOMEM;
    int rc = kt__client_response_trailers(r, headers, end - st->head_fields);
    kt_free(headers);
    return rc;
}

ssize_t kt__client_stream_take(kt__client_stream *st, void *buffer, size_t size)
{
    size_t left = st->in.size - st->at;
    size_t n = left < size ? left : size;
    memcpy(buffer, st->in.data + st->at, n);
    st->at += n;
    if (st->at == st->in.size)
        st->at = st->in.size = 0;
    kt__client_h2_consumed(st, n);
    return (ssize_t)n;
}

ssize_t kt__client_h2_read(kt_http_response *r, void *buffer, size_t size)
{
    kt__client_stream *st = r->stream;
    kt__client_phase phase;
    kt_time begun = kt_now();
    int rc = 0;
    if (r->ended)
        return 0;
    kt__client_phase_begin(&phase, "reading the answer", r->between, r->deadline);
    while (rc == 0 && st->in.size == st->at && !st->ended)
        rc = r->sender && kt__client_sender_failed(r->sender) ? r->sender->rc : kt__client_stream_wait(st);
    rc = end_phase(st, &phase, begun, rc);
    if (rc < 0 && !kt_is_cancel(rc))
        r->rc = rc;
    if (rc < 0)
        return rc;
    if (st->in.size > st->at)
        return kt__client_stream_take(st, buffer, size);
    r->ended = true;
    rc = take_trailers(st, r);
    return rc < 0 ? rc : 0;
}

void kt__client_h2_end(kt_http_response *r)
{
    kt__client_conn *conn = r->conn;
    kt_stream_close(kt_steal(r->upgraded));
    if (r->stream && r->stream->has_head)
        conn->h2->answered--;
    if (r->stream)
        kt__client_h2_cancel(kt_steal(r->stream));
    r->conn = NULL;
    kt__client_release(conn, KT__CLIENT_KEEP);
}
