/* SPDX-License-Identifier: MIT */

/* Streams over sockets: addresses, options, and descriptors that travel between processes. */

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/core.h"
#include "io/stream_private.h"

#define FDS_MAX 253 /* SCM_MAX_FD, the kernel's */

/* ---- Addresses ------------------------------------------------------------------------------ */

int kt_stream_peer(const kt_stream *s, struct sockaddr_storage *ret_address, socklen_t *ret_size)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (s->backend->peer)
        return s->backend->peer(s->object, ret_address, ret_size);
    if (getpeername(kt_stream_fd(s), (struct sockaddr *)&address, &size) < 0)
        return -errno;
    *ret_address = address;
    *ret_size = size;
    return 0;
}

int kt_stream_local(const kt_stream *s, kt_address *ret_address)
{
    kt_address a = {.size = sizeof a.storage};
    if (getsockname(kt_stream_fd(s), &a.any, &a.size) < 0)
        return -errno;
    *ret_address = a;
    return 0;
}

/* ---- Options -------------------------------------------------------------------------------- */

static int family_of(const kt_stream *s)
{
    int family;
    socklen_t size = sizeof family;
    return getsockopt(kt_stream_fd(s), SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 ? -errno : family;
}

/* 0, or why s is not TCP. */
static int check_tcp(const kt_stream *s)
{
    int family = family_of(s);
    return family < 0 ? family : family == AF_INET || family == AF_INET6 ? 0 : -EOPNOTSUPP;
}

static int set(const kt_stream *s, int level, int name, int value)
{
    return setsockopt(kt_stream_fd(s), level, name, &value, sizeof value) < 0 ? -errno : 0;
}

int kt_stream_nodelay_set(kt_stream *s, bool on)
{
    int rc = check_tcp(s);
    return rc < 0 ? rc : set(s, IPPROTO_TCP, TCP_NODELAY, on);
}

/* The kernel counts in whole seconds, and has a limit of its own for each. */
static int whole_seconds(kt_time t)
{
    kt_time s = t / KT_S(1) + (t % KT_S(1) > 0);
    return s > INT_MAX ? INT_MAX : (int)s;
}

int kt_stream_keep_alive_set(kt_stream *s, const kt_keep_alive *k)
{
    int rc = check_tcp(s);
    if (rc == 0 && k && (k->idle < 0 || k->interval < 0))
        rc = -EINVAL;
    if (rc == 0 && k && k->idle > 0)
        rc = set(s, IPPROTO_TCP, TCP_KEEPIDLE, whole_seconds(k->idle));
    if (rc == 0 && k && k->interval > 0)
        rc = set(s, IPPROTO_TCP, TCP_KEEPINTVL, whole_seconds(k->interval));
    if (rc == 0 && k && k->probes > 0)
        rc = set(s, IPPROTO_TCP, TCP_KEEPCNT, k->probes > INT_MAX ? INT_MAX : (int)k->probes);
    return rc < 0 ? rc : set(s, SOL_SOCKET, SO_KEEPALIVE, k != NULL);
}

/* ---- Descriptors ---------------------------------------------------------------------------- */

typedef union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
} control;

/* Over a Unix socket itself: what is wrapped around one knows nothing of descriptors. */
static int check_unix(const kt_stream *s)
{
    if (s->object != &s->fd)
        return -EOPNOTSUPP;
    int family = family_of(s);
    return family == -ENOTSOCK ? -EOPNOTSUPP : family < 0 ? family : family == AF_UNIX ? 0 : -EOPNOTSUPP;
}

static ssize_t run_message(kt_task *self, kt_stream *s, int kind, struct iovec *piece, control *c, size_t control_size)
{
    kt__op *op = kt__op_init(self, kind, &s->fd);
    op->message = (struct msghdr){.msg_iov = piece, .msg_iovlen = 1};
    if (control_size > 0) {
        op->message.msg_control = c;
        op->message.msg_controllen = control_size;
    }
    return kt__op_run(self);
}

/* Sends the descriptors with the first of the bytes. How many of these. */
static ssize_t send_first(kt_stream *s, const void *bytes, size_t size, const int *fds, size_t count)
{
    struct iovec piece = {(void *)(uintptr_t)bytes, size};
    control c;
    memset(&c, 0, sizeof c);
    c.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof *fds),
                                .cmsg_level = SOL_SOCKET,
                                .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&c.header), fds, count * sizeof *fds);
    int rc = kt__stream_enter(s, &s->writer);
    if (rc < 0)
        return rc;
    ssize_t n = run_message(s->writer, s, KT__OP_SEND, &piece, &c, CMSG_SPACE(count * sizeof *fds));
    return kt__stream_leave(s, &s->writer, n);
}

int kt_stream_send_fds(kt_stream *s, const void *bytes, size_t size, const int *fds, size_t count)
{
    int rc = check_unix(s);
    if (rc == 0 && (size == 0 || count == 0 || count > FDS_MAX))
        rc = -EINVAL;
    if (rc == 0 && s->torn)
        rc = kt_error_set(KT_EINVALIDSTATE, "an earlier write ended in the middle");
    if (rc < 0)
        return rc;
    ssize_t n = send_first(s, bytes, size, fds, count);
    if (n < 0 || (size_t)n == size)
        return n < 0 ? (int)n : 0;
    rc = kt_stream_write(s, (const char *)bytes + n, size - (size_t)n);
    s->torn = s->torn || rc < 0;
    return rc;
}

/* Stores those for which there is room, and closes the others; all of them where the call has failed. */
static size_t take_fds(control *c, size_t control_size, int *fds, size_t fds_max)
{
    struct msghdr m = {.msg_control = c, .msg_controllen = control_size};
    size_t count = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = CMSG_LEN(0); at + sizeof *fds <= h->cmsg_len; at += sizeof *fds) {
            int fd;
            memcpy(&fd, (char *)h + at, sizeof fd);
            if (count < fds_max)
                fds[count] = fd;
            else
                close(fd);
            count++;
        }
    }
    return count;
}

static ssize_t receive(kt_stream *s, void *bytes, size_t size, int *fds, size_t fds_max, size_t *ret_count)
{
    struct iovec piece = {bytes, size};
    control c;
    memset(&c, 0, sizeof c); /* so that it tells whether anything has come */
    int rc = kt__stream_enter(s, &s->reader);
    if (rc < 0)
        return rc;
    kt_task *self = s->reader;
    ssize_t n = run_message(self, s, KT__OP_RECEIVE, &piece, &c, sizeof c);
    size_t control_size = self->op.message.msg_controllen;
    n = kt__stream_leave(s, &s->reader, n);
    size_t count = take_fds(&c, control_size, fds, n < 0 ? 0 : fds_max);
    if (n < 0)
        return n;
    s->at_end = n == 0;
    *ret_count = count;
    return n;
}

ssize_t kt_stream_receive_fds(kt_stream *s, void *bytes, size_t size, int *fds, size_t fds_max, size_t *ret_count)
{
    int rc = check_unix(s);
    if (rc < 0)
        return rc;
    if (size == 0)
        return -EINVAL;
    if (s->start == s->end && !s->at_end)
        return receive(s, bytes, size, fds, fds_max, ret_count);
    ssize_t n = kt_stream_read(s, bytes, size);
    if (n >= 0)
        *ret_count = 0;
    return n;
}
