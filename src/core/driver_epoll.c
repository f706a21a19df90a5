/* SPDX-License-Identifier: MIT */

/* The epoll driver: edge-triggered, each descriptor registered once, for both directions, when an
 * operation on it first has to wait. An operation is tried at once and again after each event; a
 * read that came back short has emptied the socket, so the next one waits for the event without a
 * try. See epoll(7), questions and answers. */

#include <errno.h>
#include <kettle/memory.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "core/core.h"

#define EVENTS_AT_ONCE 256

typedef struct epoll_state {
    int fd;
    bool coarse; /* no epoll_pwait2 (Linux 5.11): milliseconds */
    struct epoll_event events[EVENTS_AT_ONCE];
} epoll_state;

static int ep_open(kt_loop *l)
{
    epoll_state *e = kt_calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    /* TSan keeps a signal back until the thread enters a blocking call that it knows, and epoll_pwait2
     * is none to it (clang 14): a signal that came just before would never be seen. */
    e->coarse = KT__TSAN;
    e->fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event inbox = {.events = EPOLLIN, .data.ptr = NULL};
    if (e->fd < 0 || epoll_ctl(e->fd, EPOLL_CTL_ADD, kt__inbox_fd(l->inbox), &inbox) < 0) {
        int rc = -errno;
        if (e->fd >= 0)
            close(e->fd);
        kt_free(e);
        return rc;
    }
    l->driver_state = e;
    return 0;
}

static void ep_close(kt_loop *l)
{
    epoll_state *e = l->driver_state;
    close(e->fd);
    kt_free(e);
}

static int watch(kt_loop *l, kt__fd *fd)
{
    const epoll_state *e = l->driver_state;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = fd};
    if (epoll_ctl(e->fd, EPOLL_CTL_ADD, fd->fd, &event) < 0)
        return -errno;
    fd->registered = true;
    return 0;
}

static size_t room(const kt__op *op)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < op->count; i++)
        bytes += op->pieces[i].iov_len;
    return bytes;
}

static ssize_t attempt(kt__op *op)
{
    ssize_t n = kt__op_attempt(op);
    if (op->kind == KT__OP_READ && n > 0 && op->fd->registered && op->fd->is_socket)
        op->fd->drained = !op->fd->ending && (size_t)n < room(op);
    return n;
}

static int ep_submit(kt_loop *l, kt__op *op)
{
    bool futile = op->kind == KT__OP_READ && op->fd->drained;
    op->result = futile ? -EAGAIN : attempt(op);
    if (op->result != -EAGAIN)
        return 1;
    if (!op->fd->registered) {
        op->result = watch(l, op->fd);
        if (op->result < 0)
            return 1;
    }
    return 0;
}

static void ep_cancel(kt_loop *l, kt__op *op)
{
    kt__op_done(l, op, -ECANCELED);
}

/* Explicitly, though closing would do: a child that is between fork and exec still holds the file, and an
 * event for a stream that is gone would be a write into freed memory. */
static void ep_forget(kt_loop *l, kt__fd *fd)
{
    const epoll_state *e = l->driver_state;
    if (fd->registered)
        (void)epoll_ctl(e->fd, EPOLL_CTL_DEL, fd->fd, NULL); /* EBADF: the user closed it */
    fd->registered = false;
}

static void try_again(kt_loop *l, kt__op *op)
{
    if (op->done)
        return;
    ssize_t n = attempt(op);
    if (n != -EAGAIN)
        kt__op_done(l, op, n);
}

static void happened(kt_loop *l, const struct epoll_event *event)
{
    kt__fd *fd = event->data.ptr;
    if (!fd) {
        uint64_t count; /* of rings; the inbox knows what they mean */
        ssize_t n = read(kt__inbox_fd(l->inbox), &count, sizeof count);
        (void)n; /* EAGAIN: read already */
        return;
    }
    const uint32_t broken = EPOLLERR | EPOLLHUP;
    if (event->events & (EPOLLRDHUP | broken))
        fd->ending = true; /* a short read leaves it to be read, and no event will say so again */
    /* Looked at first: a watch without one may be gone when its reader has ended. */
    kt__op *writer = event->events & (EPOLLOUT | broken) ? fd->writer : NULL;
    bool readable = event->events & (EPOLLIN | EPOLLRDHUP | broken);
    if (readable)
        fd->drained = false;
    if (fd->reader && (readable || fd->reader->kind == KT__OP_POLL)) /* which may wait for both directions */
        try_again(l, fd->reader);
    if (writer)
        try_again(l, writer);
}

/* Rounded up, so that no timer is early. */
static int milliseconds(kt_time left)
{
    kt_time ms = left / 1000000 + (left % 1000000 != 0);
    return ms > 1000 * 3600 ? 1000 * 3600 : (int)ms;
}

static int wait_events(epoll_state *e, kt_time left)
{
    if (!e->coarse) {
        struct timespec ts = {.tv_sec = left / KT_S(1), .tv_nsec = left % KT_S(1)};
        int n = epoll_pwait2(e->fd, e->events, EVENTS_AT_ONCE, left == KT_FOREVER ? NULL : &ts, NULL);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        e->coarse = true;
    }
    return epoll_wait(e->fd, e->events, EVENTS_AT_ONCE, left == KT_FOREVER ? -1 : milliseconds(left));
}

static void ep_wait(kt_loop *l, kt_time deadline)
{
    epoll_state *e = l->driver_state;
    kt_time left = deadline;
    if (deadline != KT_FOREVER) {
        left = deadline > 0 ? deadline - kt__clock_now(l) : 0;
        left = left > 0 ? left : 0;
    }
    int n = wait_events(e, left); /* < 0: EINTR, a signal, which the loop looks at next */
    for (int i = 0; i < n; i++)
        happened(l, &e->events[i]);
}

const kt__driver kt__driver_epoll = {
    .name = "epoll",
    .nonblocking = true,
    .open = ep_open,
    .close = ep_close,
    .submit = ep_submit,
    .cancel = ep_cancel,
    .forget = ep_forget,
    .wait = ep_wait,
};
