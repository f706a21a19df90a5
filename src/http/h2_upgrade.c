/* SPDX-License-Identifier: MIT */

/* A stream of HTTP/2 that carries another protocol (RFC 8441), as a kt_stream. */
#include <errno.h>
#include <kettle/stream_backend.h>

#include "http/h2.h"
#include "http/parser_internal.h"

static ssize_t up_read(void *object, void *bytes, size_t size)
{
    return kt__h2_receive(object, bytes, size);
}

/* What has gone counts, though the rest fails. */
static ssize_t up_writev(void *object, const struct iovec *pieces, size_t count)
{
    size_t total = 0, sent;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = kt__h2_send_some(object, pieces[i].iov_base, pieces[i].iov_len, &sent);
        total += sent;
    }
    return rc < 0 && total == 0 ? rc : (ssize_t)total;
}

static int up_shutdown_write(void *object)
{
    kt__h2_stream *s = object;
    if (!s->gone && !s->last) {
        s->last = true;
        kt__h2_session_resume(s);
        kt__h2_pump(s->h);
    }
    return 0;
}

static int up_flush(void *object)
{
    return kt__h2_wait_composed(object);
}

/* The handler has ended. */
static void up_close(void *object)
{
    (void)up_shutdown_write(object);
}

static int up_peer(const void *object, struct sockaddr_storage *ret_address, socklen_t *ret_size)
{
    const kt__h2_stream *s = object;
    return kt_stream_peer(s->h->c->stream, ret_address, ret_size);
}

static void up_hang_up(void *object, bool reset)
{
    kt__h2_stream *s = object;
    s->hung_up = true;
    kt_event_set(&s->readable);
    kt_event_set(&s->writable);
    if (s->gone)
        return;
    if (reset)
        kt__h2_session_reset(s, KT__H2_CANCEL);
    else
        (void)up_shutdown_write(s);
    kt__h2_pump(s->h);
}

static const kt_stream_backend backend = {
    .name = "http2",
    .read = up_read,
    .writev = up_writev,
    .flush = up_flush,
    .shutdown_write = up_shutdown_write,
    .close = up_close,
    .peer = up_peer,
    .hang_up = up_hang_up,
};

kt_slice kt__h2_upgrade_asked(const kt_http_exchange *x)
{
    const kt__h2_stream *s = kt__h2_stream_of_const(x);
    kt__h2_span at = s->fields[KT__H2_PROTOCOL];
    return s->extended ? (kt_slice){s->pseudo.data + at.at, at.size} : (kt_slice){NULL, 0};
}

int kt__h2_upgrade(kt_http_exchange *x, const char *protocol, kt_stream **ret_stream)
{
    kt__h2_stream *s = kt__h2_stream_of(x);
    const kt__http_answer a = {.status = 200, .framing = KT__HTTP_EMPTY};
    kt_slice asked = kt__h2_upgrade_asked(x);
    if (!asked.data || strlen(protocol) != asked.size || strncasecmp(asked.data, protocol, asked.size) != 0)
        return kt_error_set(-EINVAL, "the request does not ask for '%.100s'", protocol);
    int rc = kt__h2_lost(s);
    if (rc == 0 && !s->stream)
        rc = kt_stream_new(&backend, s, &s->stream);
    if (rc == 0)
        rc = kt__h2_send_head(s, &a, KT__H2_FINAL);
    if (rc < 0)
        return rc;
    x->state = KT__HTTP_DONE;
    x->status = a.status;
    kt__h2_pump(s->h);
    *ret_stream = s->stream;
    return 0;
}
