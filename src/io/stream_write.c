/* SPDX-License-Identifier: MIT */

/* Streams: their writing. */

#include <errno.h>

#include "core/core.h"
#include "io/stream_private.h"

/* Pieces that go to the system at once. */
#define WINDOW 64
#define PIECES_MAX 1024

/* Where a write stands: the first piece not written, and the bytes of it that are. */
typedef struct position {
    const struct iovec *piece;
    size_t left, offset;
} position;

/* The next pieces, the array that the caller gave being left as it was. */
static unsigned fill_window(const position *p, struct iovec window[WINDOW])
{
    unsigned count = 0;
    size_t offset = p->offset;
    for (size_t i = 0; i < p->left && count < WINDOW; i++, offset = 0) {
        if (p->piece[i].iov_len == offset)
            continue;
        window[count++] = (struct iovec){(char *)p->piece[i].iov_base + offset,
                                         p->piece[i].iov_len - offset};
    }
    return count;
}

static void advance(position *p, size_t written)
{
    written += p->offset;
    while (p->left > 0 && written >= p->piece->iov_len) {
        written -= p->piece->iov_len;
        p->piece++;
        p->left--;
    }
    p->offset = written;
}

/* What has ended in the middle can be followed by nothing. */
static int begin_write(kt_stream *s)
{
    if (s->torn)
        return kt_error_set(KT_EINVALIDSTATE, "an earlier write ended in the middle");
    return kt__stream_enter(s, &s->writer);
}

static ssize_t write_window(kt_stream *s, const position *p)
{
    struct iovec window[WINDOW];
    unsigned count = fill_window(p, window);
    return count == 0 ? 0 : s->backend->writev(s->object, window, count);
}

int kt_stream_writev(kt_stream *s, const struct iovec *pieces, size_t count)
{
    position p = {.piece = pieces, .left = count};
    bool begun = false;
    if (count > PIECES_MAX)
        return -EINVAL;
    ssize_t n = begin_write(s);
    if (n < 0)
        return (int)n;
    while ((n = write_window(s, &p)) > 0) {
        begun = true;
        advance(&p, (size_t)n);
    }
    if (n == 0 && !begun)
        n = kt__op_turn(s->writer); /* a cancellation point also for who does not look at how much there is */
    else if (n == 0 && s->backend->flush)
        n = s->backend->flush(s->object);
    n = kt__stream_leave(s, &s->writer, n);
    if (n < 0)
        s->torn = begun || !kt_is_cancel((int)n);
    return (int)n;
}

int kt_stream_write(kt_stream *s, const void *bytes, size_t size)
{
    const struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    return kt_stream_writev(s, &piece, 1);
}

/* Kept bytes of a write that was cancelled go with the next one: so here the result wins. */
ssize_t kt_stream_write_some(kt_stream *s, const void *bytes, size_t size)
{
    const struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    if (size == 0)
        return -EINVAL;
    ssize_t n = begin_write(s);
    if (n < 0)
        return n;
    n = s->backend->writev(s->object, &piece, 1);
    int rc = n > 0 && s->backend->flush ? s->backend->flush(s->object) : 0;
    n = kt__stream_leave(s, &s->writer, rc < 0 && !kt_is_cancel(rc) ? rc : n);
    if (n < 0)
        s->torn = !kt_is_cancel((int)n);
    return n;
}

ssize_t kt_stream_write_nowait(kt_stream *s, const void *bytes, size_t size)
{
    if (size == 0)
        return -EINVAL;
    ssize_t n = begin_write(s);
    if (n < 0)
        return n;
    n = s->backend->write_nowait ? s->backend->write_nowait(s->object, bytes, size) : 0;
    s->writer = NULL;
    s->torn = n < 0;
    return n;
}

int kt_stream_shutdown_write(kt_stream *s)
{
    int rc = s->backend->shutdown_write(s->object);
    if (rc < 0 || !s->backend->flush)
        return rc;
    rc = begin_write(s);
    if (rc < 0)
        return rc;
    return (int)kt__stream_leave(s, &s->writer, s->backend->flush(s->object));
}
