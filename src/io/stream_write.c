/* SPDX-License-Identifier: MIT */

/* Streams: their writing. */

#include <errno.h>
#include <sys/socket.h>

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

int kt_stream_writev(kt_stream *s, const struct iovec *pieces, size_t count)
{
    kt_task *self = kt__self("writing to a stream");
    struct iovec window[WINDOW];
    position p = {.piece = pieces, .left = count};
    bool begun = false;
    if (count > PIECES_MAX)
        return -EINVAL;
    if (s->torn)
        return kt_error_set(KT_EINVALIDSTATE, "an earlier write ended in the middle");
    for (;;) {
        kt__op *op = kt__op_init(self, KT__OP_WRITE, &s->fd);
        op->pieces = window;
        op->count = fill_window(&p, window);
        if (op->count == 0)
            return 0;
        ssize_t n = kt__op_run(self);
        if (n == KT_ECLOSED)
            return KT_ECLOSED; /* s is gone */
        if (n < 0) {
            s->torn = begun || !kt_is_cancel((int)n);
            return (int)n;
        }
        begun = true;
        advance(&p, (size_t)n);
    }
}

int kt_stream_write(kt_stream *s, const void *bytes, size_t size)
{
    const struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    return kt_stream_writev(s, &piece, 1);
}

int kt_stream_shutdown_write(kt_stream *s)
{
    return shutdown(s->fd.fd, SHUT_WR) < 0 ? -errno : 0;
}
