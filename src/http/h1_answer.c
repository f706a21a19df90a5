/* SPDX-License-Identifier: MIT */

/* Answers over HTTP/1.1 (RFC 9112). */
#include <errno.h>

#include "http/server.h"

/* Will the connection go on after this answer? Said in its head, so decided now. */
static bool may_keep(const kt_http_exchange *x)
{
    const kt__http_conn *c = x->c;
    uint32_t requests_max = c->server->o.requests_max;
    return x->head.keep_alive && !c->server->stopping && c->write_rc == 0 && !x->fail_status &&
           (requests_max == 0 || c->requests < requests_max) && kt__http_body_skippable(x);
}

/* Appends the head to `out`, with room for `extra` bytes. 0, or -ENOMEM and nothing has begun. The lock is held. */
static int begin(kt_http_exchange *x, kt__http_answer *a, size_t extra)
{
    a->minor = x->head.minor;
    if (a->framing == KT__HTTP_HAS_CHUNKS && a->minor == 0)
        a->framing = KT__HTTP_TO_THE_END;
    a->keep = may_keep(x) && a->framing != KT__HTTP_TO_THE_END;
    int rc = kt__http_compose(x, a, extra);
    if (rc < 0)
        return rc;
    x->status = a->status;
    x->keep = a->keep;
    x->chunked = a->framing == KT__HTTP_HAS_CHUNKS;
    x->to_the_end = a->framing == KT__HTTP_TO_THE_END && !x->bodiless;
    return 0;
}

/* The lock is held. */
static int respond_locked(kt_http_exchange *x, kt__http_answer *a, const void *bytes, size_t size)
{
    kt__http_conn *c = x->c;
    kt_buffer *out = &c->work->out;
    bool hold = x->may_hold && size < KT__HTTP_HOLD_BYTES;
    int rc = begin(x, a, hold ? size : 0);
    if (rc < 0)
        return rc;
    x->state = KT__HTTP_DONE;
    if (x->bodiless)
        size = 0;
    x->bytes_sent = size;
    if (hold && out->size + size < KT__HTTP_HOLD_BYTES && x->keep) {
        if (size > 0)
            memcpy(out->data + out->size, bytes, size);
        out->size += size;
        kt_event_set(&c->flush_wanted);
        return c->write_rc;
    }
    struct iovec piece = {(void *)(uintptr_t)bytes, size};
    return kt__http_send(c, &piece, size > 0);
}

static int h1_respond(kt_http_exchange *x, kt__http_answer *a, const void *bytes, size_t size)
{
    int rc = kt_lock_acquire(&x->c->writing);
    if (rc < 0)
        return rc;
    rc = respond_locked(x, a, bytes, size);
    kt_lock_release(&x->c->writing);
    return rc;
}

static int h1_start(kt_http_exchange *x, kt__http_answer *a)
{
    int rc = kt_lock_acquire(&x->c->writing);
    if (rc < 0)
        return rc;
    rc = begin(x, a, 0);
    if (rc == 0)
        x->state = KT__HTTP_STARTED;
    kt_lock_release(&x->c->writing);
    return rc;
}

static int h1_write(kt_http_exchange *x, const void *bytes, size_t size)
{
    static const char line_end[] = "\r\n";
    char line[16 + 2];
    char *end = kt__http_put_hex(line, size);
    memcpy(end, line_end, 2);
    struct iovec pieces[] = {
        {line, (size_t)(end - line) + 2},
        {(void *)(uintptr_t)bytes, size},
        {(void *)(uintptr_t)line_end, 2},
    };
    int rc = kt_lock_acquire(&x->c->writing);
    if (rc < 0)
        return rc;
    if (x->chunked)
        rc = kt__http_send(x->c, pieces, 3);
    else
        rc = kt__http_send(x->c, pieces + 1, 1);
    kt_lock_release(&x->c->writing);
    return rc;
}

static int h1_flush(kt_http_exchange *x)
{
    return kt__http_send_out(x->c);
}

static int h1_finish(kt_http_exchange *x)
{
    static const char last_chunk[] = "0\r\n";
    const kt_buffer *trailers = &x->m->trailers;
    struct iovec last[] = {
        {(void *)(uintptr_t)last_chunk, sizeof last_chunk - 1},
        {trailers->data, trailers->size},
        {(void *)(uintptr_t)(last_chunk + 1), 2},
    };
    int rc = kt_lock_acquire(&x->c->writing);
    if (rc < 0)
        return rc;
    rc = kt__http_send(x->c, last, x->chunked && !x->bodiless ? 3 : 0);
    kt_lock_release(&x->c->writing);
    x->state = KT__HTTP_DONE;
    return rc;
}

static bool h1_client_closed(const kt_http_exchange *x)
{
    return kt__http_hung_up(x->c);
}

const kt__http_backend kt__h1_backend = {
    .respond = h1_respond,
    .start = h1_start,
    .write = h1_write,
    .flush = h1_flush,
    .finish = h1_finish,
    .sendfile = kt__h1_sendfile,
    .read = kt__h1_read,
    .read_all = kt__h1_read_all,
    .client_closed = h1_client_closed,
    .upgrade_asked = kt__h1_upgrade_asked,
    .upgrade = kt__h1_upgrade,
};
