/* SPDX-License-Identifier: MIT */
/* Sends what was composed, with a deadline for a client that does not read.
 *
 * Answers to pipelined requests are held back so that they leave in one write. A handler may wait,
 * however, and then they must not wait with it. So a second task, the flusher, is made ready as soon
 * as an answer is held: it gets its turn exactly when the connection's own task suspends. */
#include <errno.h>
#include <kettle/timeout.h>

#include "http/server.h"

#define PIECES_MAX 4 /* `out`, and three more */
/* The client must take this much within the write timeout. */
#define STRETCH ((size_t)64 * 1024)

/* Moves up to STRETCH bytes from the front of the pieces into `batch`; returns how many pieces. */
static size_t take_stretch(struct iovec *pieces, size_t count, struct iovec *batch)
{
    size_t n = 0, room = STRETCH;
    for (size_t i = 0; i < count && room > 0; i++) {
        size_t size = pieces[i].iov_len < room ? pieces[i].iov_len : room;
        if (size == 0)
            continue;
        batch[n++] = (struct iovec){pieces[i].iov_base, size};
        pieces[i].iov_base = (char *)pieces[i].iov_base + size;
        pieces[i].iov_len -= size;
        room -= size;
    }
    return n;
}

int kt__http_write_watched(kt__http_conn *c, struct iovec *pieces, size_t count)
{
    struct iovec batch[PIECES_MAX];
    kt_time timeout = c->server->o.write_timeout;
    size_t n = take_stretch(pieces, count, batch);
    if (n == 0)
        return 0;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, timeout);
    int rc;
    for (;;) {
        rc = kt_stream_writev(c->stream, batch, n);
        if (rc < 0)
            break;
        n = take_stretch(pieces, count, batch);
        if (n == 0)
            break;
        if (!kt_timeout_expired(&limit))
            kt_timeout_reschedule(&limit, kt_now() + timeout);
    }
    rc = kt_timeout_end(&limit, rc);
    /* Another code than the scope's: a handler must not take it for its own deadline. */
    return rc == KT_ETIMEDOUT && kt_timeout_expired(&limit) ? -ETIMEDOUT : rc;
}

static size_t size_of(const struct iovec *pieces, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += pieces[i].iov_len;
    return size;
}

int kt__http_send(kt__http_conn *c, const struct iovec *pieces, size_t count)
{
    if (c->write_rc < 0)
        return c->write_rc;
    struct iovec all[PIECES_MAX] = {{c->work->out.data, c->work->out.size}};
    for (size_t i = 0; i < count; i++)
        all[i + 1] = pieces[i];
    size_t total = size_of(all, count + 1);
    int rc = kt__http_write_watched(c, all, count + 1);
    size_t taken = total - size_of(all, count + 1);
    /* `out` has the head, if it is not sent yet. Of the stretch that failed nobody knows how much was written. */
    bool sent = rc == 0 || taken >= c->work->out.size + STRETCH;
    if (c->handling && sent && c->x->state != KT__HTTP_NEW)
        c->x->head_sent = true;
    kt_buffer_clear(&c->work->out);
    if (rc < 0)
        c->write_rc = rc;
    return rc;
}

int kt__http_send_out(kt__http_conn *c)
{
    int rc = kt_lock_acquire(&c->writing);
    if (rc < 0)
        return rc;
    if (c->work) /* given away while this task waited for the lock? Then all is sent */
        rc = kt__http_send(c, NULL, 0);
    kt_lock_release(&c->writing);
    return rc;
}

/* Its turn comes when the connection's task waits; by then all may have been sent. */
static int flusher(void *arg)
{
    kt__http_conn *c = *(kt__http_conn **)arg;
    int rc;
    do {
        rc = kt_event_wait(&c->flush_wanted);
        kt_event_clear(&c->flush_wanted);
        if (rc == 0)
            rc = kt__http_send_out(c);
    } while (rc >= 0);
    return 0;
}

int kt__http_flusher_start(kt__http_conn *c)
{
    if (c->has_flusher)
        return 0;
    kt_spawn_options o = {.name = "http flusher", .stack_now = true};
    int rc = kt_group_spawn_with(c->group, &o, flusher, &c, sizeof c, NULL);
    c->has_flusher = rc == 0;
    return rc;
}
