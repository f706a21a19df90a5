/* SPDX-License-Identifier: MIT */
/* A stream of HTTP/2 that carries another protocol, at the client (RFC 8441), as a kt_stream. */
#include <errno.h>

#include "http/client_h2.h"

#define PIECE_BYTES ((size_t)64 * 1024)
/* For our end of the stream to be on its way; a peer that lets us send nothing is not waited for. */
#define PARTING_TIME KT_S(1)

static int wait_on(kt__client_stream *st)
{
    if (st->parted)
        return KT_ECLOSED;
    st->inside++;
    int rc = kt__client_stream_wait(st);
    st->inside--;
    if (st->parted)
        kt_event_set(&st->changed); /* who parts waits for us */
    return rc;
}

static ssize_t up_read(void *object, void *bytes, size_t size)
{
    kt__client_stream *st = object;
    while (st->in.size == st->at) {
        if (st->ended || st->hung_up)
            return 0;
        int rc = wait_on(st);
        if (rc < 0)
            return rc;
    }
    return kt__client_stream_take(st, bytes, size);
}

static int drain(kt__client_stream *st)
{
    int rc = 0;
    while (rc == 0 && st->out_at < st->out.size)
        rc = wait_on(st);
    return rc;
}

/* What is taken is on its way when the next is asked for: bytes of one writer at a time wait here, and a frame that is
 * cancelled has gone or not. */
static ssize_t up_writev(void *object, const struct iovec *pieces, size_t count)
{
    kt__client_stream *st = object;
    int rc = st->out_ended ? -EPIPE : drain(st);
    if (rc < 0)
        return rc;
    if (st->closed || st->h2->rc < 0)
        return kt__client_stream_wait(st); /* says why */
    st->out.size = st->out_at = 0;
    for (size_t i = 0; rc == 0 && i < count && st->out.size < PIECE_BYTES; i++) {
        size_t room = PIECE_BYTES - st->out.size, n = pieces[i].iov_len < room ? pieces[i].iov_len : room;
        rc = kt_buffer_append(&st->out, pieces[i].iov_base, n);
    }
    if (rc < 0 && st->out.size == 0)
        return rc;
    kt__client_h2_resume(st);
    return (ssize_t)st->out.size;
}

static int up_flush(void *object)
{
    return drain(object);
}

static int up_shutdown_write(void *object)
{
    kt__client_stream *st = object;
    st->out_ended = true;
    kt__client_h2_resume(st);
    return 0;
}

/* The good end of a stream is better than its reset, which would overtake what is still to be sent. */
static void up_close(void *object)
{
    kt__client_stream *st = object;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    int rc = up_shutdown_write(st);
    kt_timeout_start(&limit, PARTING_TIME);
    while (rc == 0 && !st->end_given)
        rc = kt__client_stream_wait(st);
    (void)!kt_timeout_end(&limit, rc); /* it is given up whatever comes */
    st->parted = true;
    kt_event_set(&st->changed);
    while (st->inside > 0) {
        kt_event_clear(&st->changed);
        (void)!kt_event_wait(&st->changed); /* within a response's end, which no cancellation cuts */
    }
}

static int up_peer(const void *object, struct sockaddr_storage *ret_address, socklen_t *ret_size)
{
    const kt__client_stream *st = object;
    return kt_stream_peer(st->h2->conn->stream, ret_address, ret_size);
}

static void up_hang_up(void *object, bool reset)
{
    kt__client_stream *st = object;
    st->hung_up = true;
    if (reset)
        kt__client_h2_reset(st);
    else
        (void)up_shutdown_write(st);
    kt_event_set(&st->changed);
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

int kt__client_h2_upgraded(kt_http_response *r)
{
    return kt_stream_new(&backend, r->stream, &r->upgraded);
}

/* Section 3 of RFC 8441: nobody asks before the server's SETTINGS have said so. */
int kt__client_h2_may_extend(kt__client_stream *st, const kt__http_call *c)
{
    kt__client_h2 *h = st->h2;
    kt__client_phase phase;
    int rc = 0;
    kt__client_phase_begin(&phase, "waiting for the server's settings", c->timeouts.first_byte, c->deadline);
    while (rc == 0 && h->settings == 0)
        rc = kt__client_stream_wait(st);
    rc = kt__client_phase_end(&phase, rc);
    if (rc < 0 || kt__client_h2_extends(h->conn))
        return rc;
    return kt_error_set(-EPROTONOSUPPORT, "the server switches to no other protocol over HTTP/2 (RFC 8441)");
}
