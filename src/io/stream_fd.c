/* SPDX-License-Identifier: MIT */

/* Streams over descriptors: sockets and pipes. */

#include <errno.h>
#include <fcntl.h>
#include <kettle/memory.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/core.h"
#include "core/eyes.h"
#include "io/stream_private.h"

int kt__socket_flags(void)
{
    return SOCK_CLOEXEC | (kt__loop->driver->nonblocking ? SOCK_NONBLOCK : 0);
}

/* ---- The back end -------------------------------------------------------------------------- */

static ssize_t fd_read(void *object, void *bytes, size_t size)
{
    kt_task *self = kt__self("reading from a stream");
    struct iovec piece = {.iov_base = bytes, .iov_len = size};
    kt__op *op = kt__op_init(self, KT__OP_READ, object);
    op->pieces = &piece;
    op->count = 1;
    return kt__op_run(self);
}

static ssize_t fd_writev(void *object, const struct iovec *pieces, size_t count)
{
    kt_task *self = kt__self("writing to a stream");
    kt__op *op = kt__op_init(self, KT__OP_WRITE, object);
    op->pieces = (struct iovec *)(uintptr_t)pieces; /* only read */
    op->count = (unsigned)count;
    return kt__op_run(self);
}

/* The uring driver's descriptors block, so the system is asked not to; what cannot (pipes, before Linux
 * 6.4) has no room. */
static ssize_t fd_write_nowait(void *object, const void *bytes, size_t size)
{
    kt__fd *fd = object;
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    kt__op op = {.kind = KT__OP_WRITE, .fd = fd, .pieces = &piece, .count = 1};
    ssize_t n;
    if (fd->is_socket || kt__loop->driver->nonblocking) {
        n = kt__op_attempt(&op);
    } else {
        n = TEMP_FAILURE_RETRY(pwritev2(fd->fd, &piece, 1, -1, RWF_NOWAIT));
        n = n < 0 ? -errno : n;
    }
    return n == -EAGAIN || n == -EOPNOTSUPP ? 0 : n;
}

static int fd_shutdown_write(void *object)
{
    const kt__fd *fd = object;
    return shutdown(fd->fd, SHUT_WR) < 0 ? -errno : 0;
}

static void fd_close(void *object)
{
    kt__fd_close(object);
    const kt_stream *s = KT__OWNER(object, kt_stream, fd);
    if (s->restores)
        (void)fcntl(s->flags_of, F_SETFL, s->flags); /* fails if it is not open any more */
}

/* Connecting to nowhere is how Linux resets a TCP connection that stays open here (tcp_disconnect), and so
 * can still be read by who does not know yet. A peer that is gone already needs no more (-ENOTCONN). */
static void fd_hang_up(void *object, bool reset)
{
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    int fd = ((const kt__fd *)object)->fd;
    if (!reset || setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) < 0 ||
        connect(fd, &nowhere, sizeof nowhere) < 0)
        (void)shutdown(fd, SHUT_RDWR);
}

static int fd_fd(const void *object)
{
    const kt__fd *fd = object;
    return fd->fd;
}

static const kt_stream_backend fd_backend = {
    .name = "descriptor",
    .read = fd_read,
    .writev = fd_writev,
    .write_nowait = fd_write_nowait,
    .shutdown_write = fd_shutdown_write,
    .close = fd_close,
    .fd = fd_fd,
    .hang_up = fd_hang_up,
};

bool kt__stream_has_fd(const kt_stream *s)
{
    return s->backend == &fd_backend;
}

/* ---- Life ---------------------------------------------------------------------------------- */

static kt_stream *stream_of(kt__fd fd)
{
    kt_stream *s = kt_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->backend = &fd_backend;
    s->fd = fd;
    s->object = &s->fd;
    return s;
}

int kt__stream_new(int fd, kt_stream **ret_stream)
{
    kt_stream *s = stream_of((kt__fd){.fd = fd, .is_socket = true});
    if (!s) {
        close(fd);
        return -ENOMEM;
    }
    *ret_stream = s;
    return 0;
}

int kt_stream_from_fd(int fd, kt_stream **ret_stream)
{
    struct stat st;
    if (!kt__loop)
        kt__no_task("kt_stream_from_fd");
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        return kt_error_set(-EINVAL, "descriptor %d is a file or folder, not a stream", fd);
    int type;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type != SOCK_STREAM)
        return kt_error_set(-EINVAL, "descriptor %d is a socket of messages, not a stream", fd);
    kt_stream *s = stream_of((kt__fd){.fd = -1});
    if (!s)
        return -ENOMEM;
    int rc = kt__fd_open(kt__loop, &s->fd, fd);
    if (rc < 0) {
        kt_free(s);
        return rc;
    }
    kt__opened(s, "a stream", KT__SITE, NULL);
    *ret_stream = s;
    return 0;
}

int kt_stream_pair(kt_stream *ret_streams[2])
{
    kt_task *self = kt__self("kt_stream_pair");
    if (self->loop->simulated)
        return kt_error_set(KT_ENOTSIM, "kt_stream_pair");
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | kt__socket_flags(), 0, fds) < 0)
        return -errno;
    kt_stream *first = NULL;
    int rc = kt__stream_new(fds[0], &first);
    if (rc < 0) {
        close(fds[1]);
        return rc;
    }
    rc = kt__stream_new(fds[1], &ret_streams[1]);
    if (rc < 0) {
        kt_stream_close(first);
        return rc;
    }
    ret_streams[0] = first;
    for (int i = 0; i < 2; i++)
        kt__opened(ret_streams[i], "a stream", KT__SITE, NULL);
    return 0;
}
