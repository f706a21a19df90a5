/* SPDX-License-Identifier: MIT */
/* What a handler answers. */
#include <errno.h>

#include "http/parser_internal.h"
#include "http/server.h"

static bool is_value(const char *s)
{
    for (; *s; s++)
        if (!kt__is(*s, KT__C_VALUE))
            return false;
    return true;
}

static bool is_token(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if (!kt__is(*s, KT__C_TOKEN))
            return false;
    return true;
}

/* These decide where a message ends, or are the library's own business. */
static bool is_reserved(const char *name)
{
    static const char *const reserved[] = {"connection", "content-length", "date", "host",
                                           "transfer-encoding"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (kt__http_same(name, strlen(name), reserved[i]))
            return true;
    return false;
}

int kt__http_header_put(kt_buffer *b, const char *name, const char *value)
{
    if (!is_token(name) || is_reserved(name))
        return kt_error_set(-EINVAL, "header '%.100s' cannot be set", name);
    if (!is_value(value))
        return kt_error_set(-EINVAL, "control character in header '%.100s'", name);
    size_t name_size = strlen(name), value_size = strlen(value);
    int rc = kt_buffer_reserve(b, name_size + value_size + 4);
    if (rc < 0)
        return rc;
    char *p = b->data + b->size;
    memcpy(p, name, name_size);
    p += name_size;
    memcpy(p, ": ", 2);
    p += 2;
    memcpy(p, value, value_size);
    p += value_size;
    memcpy(p, "\r\n", 2);
    b->size += name_size + value_size + 4;
    return 0;
}

int kt_http_header(kt_http_exchange *x, const char *name, const char *value)
{
    if (x->state != KT__HTTP_NEW)
        return kt_error_set(KT_EINVALIDSTATE, "header '%.100s' behind the head", name);
    return kt__http_header_put(&x->m->fields, name, value);
}

/* ---- Beginning ------------------------------------------------------------------------------- */

static int check_begin(const kt_http_exchange *x, int status, const char *content_type)
{
    if (x->state != KT__HTTP_NEW)
        return kt_error_set(KT_EINVALIDSTATE, "the request has been answered already");
    if (status < 200 || status > 599)
        return kt_error_set(-EINVAL, "status %d is not between 200 and 599", status);
    if (content_type && !is_value(content_type))
        return kt_error_set(-EINVAL, "control character in the content type");
    return 0;
}

/* Will the connection go on after this answer? Said in its head, so decided now. */
static bool may_keep(const kt_http_exchange *x)
{
    const kt__http_conn *c = x->c;
    uint32_t requests_max = c->server->o.requests_max;
    return x->head.keep_alive && !c->server->stopping && c->write_rc == 0 && !x->fail_status &&
           (requests_max == 0 || c->requests < requests_max) && kt__http_body_skippable(x);
}

int kt__http_begin(kt_http_exchange *x, kt__http_answer *a, size_t extra)
{
    bool head_only = kt_slice_is(x->head.method, "HEAD");
    bool no_content = a->status == 204 || a->status == 304; /* RFC 9110 sections 15.3.5, 15.4.5 */
    if (no_content) {
        a->framing = KT__HTTP_EMPTY;
        a->content_type = NULL;
    }
    a->minor = x->head.minor;
    a->keep = may_keep(x) && a->framing != KT__HTTP_TO_THE_END;
    int rc = kt__http_compose(x, a, extra);
    if (rc < 0)
        return rc;
    x->status = a->status;
    x->keep = a->keep;
    x->bodiless = head_only || no_content;
    x->chunked = a->framing == KT__HTTP_HAS_CHUNKS;
    return 0;
}

/* ---- Whole answers --------------------------------------------------------------------------- */

/* The lock is held. */
static int respond_locked(kt_http_exchange *x, kt__http_answer *a, const void *bytes, size_t size)
{
    kt__http_conn *c = x->c;
    kt_buffer *out = &c->work->out;
    bool hold = x->may_hold && size < KT__HTTP_HOLD_BYTES;
    int rc = kt__http_begin(x, a, hold ? size : 0);
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

int kt_http_respond(kt_http_exchange *x, int status, const char *content_type, const void *bytes,
                    size_t size)
{
    int rc = check_begin(x, status, content_type);
    if (rc < 0)
        return rc;
    kt__http_answer a = {
        .status = status,
        .content_type = content_type,
        .framing = KT__HTTP_HAS_LENGTH,
        .length = size,
    };
    rc = kt_lock_acquire(&x->c->writing);
    if (rc < 0)
        return rc;
    rc = respond_locked(x, &a, bytes, size);
    kt_lock_release(&x->c->writing);
    return rc;
}

/* ---- Answers in pieces ----------------------------------------------------------------------- */

int kt_http_start(kt_http_exchange *x, int status, const char *content_type)
{
    int rc = check_begin(x, status, content_type);
    if (rc < 0)
        return rc;
    kt__http_answer a = {
        .status = status,
        .content_type = content_type,
        .framing = x->head.minor > 0 ? KT__HTTP_HAS_CHUNKS : KT__HTTP_TO_THE_END,
    };
    rc = kt_lock_acquire(&x->c->writing);
    if (rc < 0)
        return rc;
    rc = kt__http_begin(x, &a, 0);
    if (rc == 0)
        x->state = KT__HTTP_STARTED;
    kt_lock_release(&x->c->writing);
    return rc;
}

static int check_started(const kt_http_exchange *x)
{
    if (x->state != KT__HTTP_STARTED)
        return kt_error_set(KT_EINVALIDSTATE, "no answer is being written");
    return 0;
}

int kt_http_write(kt_http_exchange *x, const void *bytes, size_t size)
{
    static const char line_end[] = "\r\n";
    int rc = check_started(x);
    if (rc < 0 || size == 0 || x->bodiless) /* a chunk of size 0 would end the body */
        return rc;
    char line[16 + 2];
    char *end = kt__http_put_hex(line, size);
    memcpy(end, line_end, 2);
    struct iovec pieces[] = {
        {line, (size_t)(end - line) + 2},
        {(void *)(uintptr_t)bytes, size},
        {(void *)(uintptr_t)line_end, 2},
    };
    rc = kt_lock_acquire(&x->c->writing);
    if (rc < 0)
        return rc;
    if (x->chunked)
        rc = kt__http_send(x->c, pieces, 3);
    else
        rc = kt__http_send(x->c, pieces + 1, 1);
    kt_lock_release(&x->c->writing);
    if (rc == 0)
        x->bytes_sent += size;
    return rc;
}

int kt_http_flush(kt_http_exchange *x)
{
    return kt__http_send_out(x->c);
}

int kt_http_finish(kt_http_exchange *x)
{
    static const char last_chunk[] = "0\r\n\r\n";
    int rc = check_started(x);
    if (rc < 0)
        return rc;
    struct iovec last = {(void *)(uintptr_t)last_chunk, sizeof last_chunk - 1};
    rc = kt_lock_acquire(&x->c->writing);
    if (rc < 0)
        return rc;
    rc = kt__http_send(x->c, &last, x->chunked && !x->bodiless);
    kt_lock_release(&x->c->writing);
    x->state = KT__HTTP_DONE;
    return rc;
}
