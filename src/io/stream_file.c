/* SPDX-License-Identifier: MIT */

/* Files into streams. sendfile(2) waits for the disk, which no flag forbids, so it runs on the pool; for
 * the peer it must not wait, so the descriptor is O_NONBLOCK meanwhile, and the loop waits for room.
 * Rejected: splicing through a pipe, two system calls and two descriptors for the same copies; and
 * readahead(2) before a sendfile on the loop, since nothing keeps the pages until then. */

#include <errno.h>
#include <fcntl.h>
#include <kettle/memory.h>
#include <kettle/thread.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "core/core.h"
#include "io/stream_private.h"

/* So much at most for one trip to the pool: a cancellation waits for its end. */
#define TRIP_BYTES ((size_t)4 * 1024 * 1024)
#define COPY_BYTES ((size_t)256 * 1024)
#define COPY_SOME_BYTES ((size_t)32 * 1024) /* of which a part may be all that fits */

typedef struct transfer {
    int file, socket;
    off_t offset;
    int64_t left; /* < 0: to the end of the file */
    ssize_t sent;
    bool over;    /* nothing is left, or the file is at its end */
    bool full;    /* the socket has no room */
    bool some;    /* anything that was sent is enough */
    char *buffer; /* copy_bytes(), where the system cannot do it */
    size_t size;  /* of what is in it */
} transfer;

static size_t at_most(const transfer *t, size_t size)
{
    return t->left >= 0 && (uint64_t)t->left < size ? (size_t)t->left : size;
}

static void account(transfer *t, size_t size)
{
    t->sent += (ssize_t)size;
    if (t->left >= 0)
        t->left -= (int64_t)size;
    t->over = t->left == 0;
}

static bool is_done(const transfer *t)
{
    return t->over || (t->some && t->sent > 0);
}

/* ---- On the pool --------------------------------------------------------------------------- */

/* SIGPIPE, which this may raise, is blocked on the pool's threads. */
static int send_file(void *arg)
{
    transfer *t = arg;
    size_t budget = TRIP_BYTES;
    t->full = false;
    while (budget > 0 && !t->over) {
        ssize_t n = sendfile(t->socket, t->file, &t->offset, at_most(t, budget));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return -errno;
        if (n < 0) {
            t->full = true;
            return 0;
        }
        account(t, (size_t)n);
        t->over = t->over || n == 0;
        budget -= (size_t)n;
    }
    return 0;
}

static size_t copy_bytes(const transfer *t)
{
    return t->some ? COPY_SOME_BYTES : COPY_BYTES;
}

static int read_file(void *arg)
{
    transfer *t = arg;
    ssize_t n;
    do
        n = pread(t->file, t->buffer, at_most(t, copy_bytes(t)), t->offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    t->size = (size_t)n;
    t->offset += n;
    return 0;
}

/* ---- On the loop --------------------------------------------------------------------------- */

/* Runs a job during which whoever closes the descriptor waits (in turns, as for any operation). */
static int run_as_writer(kt_task *self, kt_stream *s, kt_fn job, transfer *t)
{
    kt__fd *fd = &s->fd;
    if (fd->closing)
        return KT_ECLOSED;
    fd->writer = kt__op_init(self, KT__OP_WRITE, fd);
    fd->writer->done = true; /* there is nothing to cancel in it */
    int rc = kt_thread_run(job, t, 0);
    fd->writer = NULL;
    return fd->closing ? KT_ECLOSED : rc;
}

static int wait_for_room(kt_task *self, kt_stream *s)
{
    kt__op *op = kt__op_init(self, KT__OP_POLL, &s->fd);
    op->events = POLLOUT;
    ssize_t n = kt__op_run(self);
    return n < 0 ? (int)n : 0;
}

static int send_by_system(kt_task *self, kt_stream *s, transfer *t)
{
    int rc = 0;
    while (rc == 0 && !is_done(t)) {
        rc = run_as_writer(self, s, send_file, t);
        if (rc == 0 && t->full && !is_done(t))
            rc = wait_for_room(self, s);
    }
    return rc;
}

/* The uring driver's descriptors block; it knows how to live with one that does not. */
static int send_without_blocking(kt_task *self, kt_stream *s, transfer *t)
{
    int flags = fcntl(s->fd.fd, F_GETFL);
    if (flags < 0)
        return -errno;
    if (!(flags & O_NONBLOCK) && fcntl(s->fd.fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    int rc = send_by_system(self, s, t);
    if (rc != KT_ECLOSED && !(flags & O_NONBLOCK))
        (void)fcntl(s->fd.fd, F_SETFL, flags); /* it was so before */
    return rc;
}

/* Whoever closes the stream waits meanwhile. After KT_ECLOSED it is gone. */
static int read_as_writer(kt_stream *s, transfer *t)
{
    int rc = kt__stream_enter(s, &s->writer);
    if (rc < 0)
        return rc;
    return (int)kt__stream_leave(s, &s->writer, kt_thread_run(read_file, t, 0));
}

static int write_copy(kt_stream *s, transfer *t)
{
    ssize_t n = t->some ? kt_stream_write_some(s, t->buffer, t->size) : kt_stream_write(s, t->buffer, t->size);
    if (n < 0)
        return (int)n;
    account(t, t->some ? (size_t)n : t->size);
    return 0;
}

static int send_by_copies(kt_stream *s, transfer *t)
{
    int rc = 0;
    t->buffer = kt_alloc(copy_bytes(t));
    if (!t->buffer)
        return -ENOMEM;
    while (rc == 0 && !is_done(t)) {
        rc = read_as_writer(s, t);
        if (rc == 0 && t->size > 0)
            rc = write_copy(s, t);
        t->over = t->over || (rc == 0 && t->size == 0);
    }
    kt_free(t->buffer);
    return rc;
}

/* Says the system that it cannot do this (sendfile(2), "EINVAL")? */
static bool is_refusal(int rc, const transfer *t)
{
    return t->sent == 0 && (rc == -EINVAL || rc == -ENOSYS || rc == -EOPNOTSUPP);
}

/* What is encrypted, or stays in memory, must pass through the program. */
static int send_direct(kt_task *self, kt_stream *s, transfer *t)
{
    if (s->object != &s->fd)
        return -EOPNOTSUPP;
    int rc = kt__stream_enter(s, &s->writer);
    if (rc < 0)
        return rc;
    return (int)kt__stream_leave(s, &s->writer, send_without_blocking(self, s, t));
}

ssize_t kt_stream_sendfile(kt_stream *s, int fd, int64_t offset, int64_t count, unsigned flags)
{
    kt_task *self = kt__self("kt_stream_sendfile");
    transfer t = {.file = fd, .socket = s->fd.fd, .offset = offset, .left = count, .over = count == 0,
                  .some = flags & KT_SENDFILE_SOME};
    if (offset < 0)
        return kt_error_set(-EINVAL, "a file has no offset %lld", (long long)offset);
    if (s->torn)
        return kt_error_set(KT_EINVALIDSTATE, "an earlier write ended in the middle");
    if (t.over)
        return kt_stream_write(s, "", 0);
    int rc = send_direct(self, s, &t);
    if (is_refusal(rc, &t) && flags & KT_SENDFILE_NO_FALLBACK)
        return kt_error_set(-EOPNOTSUPP, "the system cannot send this file to this stream");
    if (is_refusal(rc, &t))
        rc = send_by_copies(s, &t);
    if (rc < 0 && rc != KT_ECLOSED && t.sent > 0)
        s->torn = true;
    return rc < 0 ? rc : t.sent;
}
