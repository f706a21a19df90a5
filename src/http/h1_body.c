/* SPDX-License-Identifier: MIT */
/* The request's body over HTTP/1.1: read by the handler, or skipped behind it. */
#include <errno.h>
#include <kettle/timeout.h>

#include "http/server.h"

/* From here on it pays to receive straight into the reader's memory. */
#define DIRECT_BYTES 4096
#define SKIP_TIME KT_S(10)

/* The body can be read no further; later reads say so again. */
static int broken(kt_http_exchange *x, int rc, int status, const char *reason)
{
    kt__http_fault(x, status, reason);
    x->body_rc = rc;
    return kt_error_set(rc, "request body: %s", reason);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

/* At least one byte, or an error; the end of the connection is one. */
static ssize_t receive(kt_http_exchange *x, char *buffer, size_t size)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_time start = kt_now();
    kt_timeout_start(&limit, kt__http_body_patience(x));
    ssize_t n = kt_stream_read(x->c->stream, buffer, size);
    x->body_waited += kt_now() - start;
    int rc = kt_timeout_end(&limit, n < 0 ? (int)n : 0);
    x->body_bytes += n > 0 ? (size_t)n : 0;
    if (n > 0)
        return n;
    if (n == 0)
        return broken(x, KT_EINCOMPLETE, 400, "the client closed in the middle");
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
        return broken(x, -ETIMEDOUT, 408, "the client stopped sending");
    return kt_is_cancel(rc) ? rc : broken(x, rc, 400, "the connection broke");
}

/* A client that waits for a word before it sends the body gets it (RFC 9110 section 10.1.1). */
static int send_continue(kt_http_exchange *x)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (x->continued)
        return 0;
    if (x->state != KT__HTTP_NEW)
        return kt_error_set(KT_EINVALIDSTATE, "the client waits for 100 and has been answered");
    struct iovec piece = {(void *)(uintptr_t)go_on, sizeof go_on - 1};
    int rc = kt_lock_acquire(&x->c->writing);
    if (rc < 0)
        return rc;
    rc = kt__http_send(x->c, &piece, 1);
    kt_lock_release(&x->c->writing);
    x->continued = rc == 0;
    return rc;
}

/* Receives into the work's buffer, behind what the parser holds back. */
static int receive_buffered(kt_http_exchange *x)
{
    kt__http_work *w = x->w;
    if (w->at > w->body_at) {
        memmove(w->in + w->body_at, w->in + w->at, w->end - w->at);
        w->end -= w->at - w->body_at;
        w->at = w->body_at;
    }
    if (w->end == w->in_capacity) /* the parser's limit is below the room, see KT__HTTP_BODY_ROOM */
        return broken(x, KT_ELIMIT, 431, "trailers too large");
    ssize_t n = receive(x, w->in + w->end, w->in_capacity - w->end);
    if (n < 0)
        return (int)n;
    w->end += (size_t)n;
    return 0;
}

/* Receives a piece of a body with a length into the reader's memory; the parser only looks on. */
static ssize_t receive_direct(kt_http_exchange *x, char *buffer, size_t size)
{
    ssize_t n = receive(x, buffer, size < x->left ? size : (size_t)x->left);
    if (n < 0)
        return n;
    kt__http_event e;
    ssize_t consumed = kt__http_parser_feed(&x->w->parser, buffer, (size_t)n, &e);
    if (consumed != n)
        return broken(x, KT_EPROTOCOL, 400, "bad framing");
    x->left -= (uint64_t)n;
    return n;
}

/* The body is complete, and its trailers with it. */
static int end(kt_http_exchange *x, const kt__http_event *e)
{
    for (size_t i = 0; i < e->trailer_count; i++) {
        int rc = kt__http_trailer_take(x->m, e->trailers[i].name, e->trailers[i].value);
        if (rc < 0)
            return broken(x, rc, 503, "out of memory");
    }
    x->body_done = true;
    return 0;
}

/* Goes on with the body: sets x->pending or x->body_done, or stores bytes in `buffer` and returns how
 * many. 0, or a failure; call again until something has happened. */
static ssize_t advance(kt_http_exchange *x, char *buffer, size_t size)
{
    kt__http_work *w = x->w;
    kt__http_event e;
    ssize_t n = kt__http_parser_feed(&w->parser, w->in + w->at, w->end - w->at, &e);
    if (n < 0)
        return broken(x, (int)n, w->parser.error.status, w->parser.error.reason);
    w->at += (size_t)n;
    if (e.type == KT__HTTP_BODY) {
        x->pending = e.body;
        x->continued = true; /* who sends does not wait */
        x->left -= x->head.framing == KT__HTTP_LENGTH ? e.body.size : 0;
        return 0;
    }
    if (e.type == KT__HTTP_END)
        return end(x, &e);
    int rc = send_continue(x);
    if (rc < 0)
        return rc;
    bool whole = buffer && (size >= DIRECT_BYTES || size >= x->left);
    if (x->head.framing == KT__HTTP_LENGTH && whole && w->at == w->end)
        return receive_direct(x, buffer, size);
    return receive_buffered(x);
}

/* ---- Reading --------------------------------------------------------------------------------- */

ssize_t kt__h1_read(kt_http_exchange *x, void *buffer, size_t size)
{
    while (x->pending.size == 0) {
        if (x->body_done)
            return 0;
        if (x->body_rc < 0)
            return x->body_rc;
        ssize_t n = advance(x, buffer, size);
        if (n != 0)
            return n;
    }
    size_t n = x->pending.size < size ? x->pending.size : size;
    memcpy(buffer, x->pending.data, n);
    x->pending.data += n;
    x->pending.size -= n;
    return (ssize_t)n;
}

/* The whole body lies behind the head: no copy. True if *ret_body was set. */
static bool body_in_place(kt_http_exchange *x, kt_slice *ret_body)
{
    kt__http_work *w = x->w;
    if (x->body_rc < 0 || x->head.framing != KT__HTTP_LENGTH || x->pending.size > 0 ||
        x->left != x->head.content_length || w->end - w->at < x->left)
        return false;
    (void)advance(x, NULL, 0); /* one piece, as it is all there */
    if (x->pending.size != x->head.content_length)
        return false;
    *ret_body = x->pending;
    x->pending.size = 0;
    return true;
}

int kt__h1_read_all(kt_http_exchange *x, size_t size_max, kt_slice *ret_body)
{
    kt_buffer *b = &x->m->body;
    if (b->size == 0 && body_in_place(x, ret_body))
        return 0;
    while (!x->body_done || x->pending.size > 0) {
        bool sized = x->head.framing == KT__HTTP_LENGTH;
        int rc = kt_buffer_reserve(b, sized ? x->left + x->pending.size + 1 : DIRECT_BYTES);
        if (rc < 0)
            return rc;
        ssize_t n = kt__h1_read(x, b->data + b->size, b->capacity - b->size);
        if (n < 0)
            return (int)n;
        b->size += (size_t)n;
        if (b->size > size_max)
            return kt__http_too_long(x, size_max);
    }
    *ret_body = kt_buffer_slice(b);
    return 0;
}

/* ---- Skipping -------------------------------------------------------------------------------- */

bool kt__http_body_skippable(const kt_http_exchange *x)
{
    if (x->body_done || (x->head.framing != KT__HTTP_CHUNKED && x->left == 0))
        return true;
    /* A client that got its answer in place of 100 may or may not send the body. */
    return x->body_rc == 0 && x->continued && x->left <= KT__HTTP_SKIP_BYTES;
}

/* What the parser has passed counts no more than it did in kt__http_body_skippable. */
static bool skip_some(kt_http_exchange *x)
{
    size_t skipped = 0;
    x->pending.size = 0;
    while (!x->body_done && skipped <= KT__HTTP_SKIP_BYTES) {
        if (advance(x, NULL, 0) < 0)
            return false;
        skipped += x->pending.size;
        x->pending.size = 0;
    }
    return x->body_done;
}

static bool skip_waiting(kt_http_exchange *x)
{
    if (kt__http_send_out(x->c) < 0) /* the answer must not wait for the skipping */
        return false;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, SKIP_TIME);
    bool done = skip_some(x);
    return kt_timeout_end(&limit, 0) == 0 && done;
}

bool kt__http_body_skip(kt_http_exchange *x)
{
    if (!kt__http_body_skippable(x))
        return false;
    if (x->head.framing == KT__HTTP_CHUNKED || x->left > x->w->end - x->w->at)
        return skip_waiting(x);
    return skip_some(x);
}
