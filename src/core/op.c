/* SPDX-License-Identifier: MIT */

/* Operations: the wait of one task for one input or output. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "core/core.h"

/* So many calls in a row that need not wait, and the others get a turn: a peer that never lets us
 * wait must not stop everybody else. */
#define STREAK_MAX 64

static bool is_writer(const kt__op *op)
{
    return op->kind == KT__OP_WRITE || op->kind == KT__OP_CONNECT || op->kind == KT__OP_SEND ||
           op->kind == KT__OP_FILE_WRITE || (op->kind == KT__OP_POLL && op->events == POLLOUT);
}

static void op_cancel(kt_task *t)
{
    kt__op *op = &t->op;
    if (op->cancelling)
        return;
    op->cancelling = true;
    t->loop->driver->cancel(t->loop, op);
}

/* No `raced`: what the kernel has done stays done, and the cancellation shows at the next call. */
static const kt__wait waits[] = {
    [KT__OP_READ] = {.what = "bytes to read", .cancel = op_cancel},
    [KT__OP_WRITE] = {.what = "room to write", .cancel = op_cancel},
    [KT__OP_ACCEPT] = {.what = "a connection", .cancel = op_cancel},
    [KT__OP_CONNECT] = {.what = "connect", .cancel = op_cancel},
    [KT__OP_POLL] = {.what = "a descriptor", .cancel = op_cancel},
    [KT__OP_RECEIVE] = {.what = "a message", .cancel = op_cancel},
    [KT__OP_SEND] = {.what = "room to send", .cancel = op_cancel},
    [KT__OP_FILE_READ] = {.what = "a file to be read", .cancel = op_cancel},
    [KT__OP_FILE_WRITE] = {.what = "a file to be written", .cancel = op_cancel},
};

kt__op *kt__op_init(kt_task *self, int kind, kt__fd *fd)
{
    self->op = (kt__op){.kind = (uint8_t)kind, .task = self, .fd = fd};
    return &self->op;
}

/* Others run, then the result that is there already is returned, cancelled or not. */
static ssize_t yield_with(kt_task *self, ssize_t result)
{
    kt__wait_begin(self, &waits[self->op.kind], NULL);
    kt__wake(self, (int)result);
    return kt__park(self);
}

/* An operation that others may come between: until this returns, so also after it is done, the
 * descriptor knows of it, and whoever closes the descriptor waits. */
static ssize_t run_in_place(kt_task *self, kt__op *op)
{
    kt_loop *l = self->loop;
    if (self->code) {
        op->done = true;
        return kt__yield(self);
    }
    if (l->driver->submit(l, op)) {
        op->done = true;
        return ++l->io_streak < STREAK_MAX ? op->result : yield_with(self, op->result);
    }
    l->pending++;
    kt__wait_begin(self, &waits[op->kind], op);
    return kt__park(self);
}

/* The operation has just ended when the descriptor was closed. Its result would not tell that. */
static ssize_t closed_meanwhile(const kt__op *op, ssize_t n)
{
    if (op->kind == KT__OP_ACCEPT && n >= 0)
        close((int)n);
    return KT_ECLOSED;
}

ssize_t kt__op_run(kt_task *self)
{
    kt__op *op = &self->op;
    kt__op **place = is_writer(op) ? &op->fd->writer : &op->fd->reader;
    if (op->fd->closing)
        return KT_ECLOSED;
    if (*place && !(*place)->task)
        kt__misuse("descriptor %d: a read while it is watched", op->fd->fd);
    if (*place)
        kt__misuse("descriptor %d: task '%s' %s it already", op->fd->fd, kt_task_name((*place)->task),
                   is_writer(op) ? "writes to" : "reads from");
    *place = op;
    ssize_t n = run_in_place(self, op);
    *place = NULL;
    return op->fd->closing && !kt_is_cancel((int)n) ? closed_meanwhile(op, n) : n;
}

void kt__sigpipe_swallow(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    const struct timespec now = {0, 0};
    while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
        ;
}

void kt__op_done(kt_loop *l, kt__op *op, ssize_t result)
{
    kt_task *t = op->task;
    l->pending--;
    op->done = true;
    if (op->ended) {
        op->ended(l, op, result);
        return;
    }
    if (result == -EPIPE && op->kind == KT__OP_WRITE && !op->fd->is_socket)
        kt__sigpipe_swallow(); /* io_uring writes to pipes on this thread too */
    if (result == -ECANCELED && op->cancelling) {
        result = t->code ? t->code : KT_ECLOSED;
        t->delivered = t->delivered || t->code;
    }
    kt__wake(t, (int)result);
}

int kt__op_turn(kt_task *self)
{
    return self->code || ++self->loop->io_streak >= STREAK_MAX ? kt__yield(self) : 0;
}

/* ---- The system calls ---------------------------------------------------------------------- */

static ssize_t attempt_write(const kt__op *op)
{
    struct msghdr message = {.msg_iov = op->pieces, .msg_iovlen = op->count};
    if (op->fd->is_socket)
        return sendmsg(op->fd->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    ssize_t n = writev(op->fd->fd, op->pieces, (int)op->count);
    if (n < 0 && errno == EPIPE) {
        kt__sigpipe_swallow();
        errno = EPIPE;
    }
    return n;
}

static ssize_t attempt_connect(kt__op *op)
{
    if (!op->begun) {
        op->begun = true;
        int rc = connect(op->fd->fd, op->address, op->address_size);
        if (rc < 0 && errno == EAGAIN)
            return KT_EFULL; /* a Unix socket's line is: nothing is under way, and nothing will tell (connect(2)) */
        if (rc < 0 && errno == EINPROGRESS)
            errno = EAGAIN;
        return rc;
    }
    struct pollfd writable = {.fd = op->fd->fd, .events = POLLOUT};
    int rc = poll(&writable, 1, 0);
    if (rc <= 0) {
        errno = rc < 0 ? errno : EAGAIN;
        return -1;
    }
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(op->fd->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -1;
    errno = error;
    return error ? -1 : 0;
}

/* What poll(2) says of errors counts as ready for whatever was asked. */
static ssize_t ready_for(const kt__op *op, int revents)
{
    if (revents & POLLNVAL)
        return -EBADF;
    if (revents & (POLLERR | POLLHUP))
        revents |= op->events;
    return revents & (POLLIN | POLLOUT);
}

static ssize_t attempt_poll(const kt__op *op)
{
    struct pollfd p = {.fd = op->fd->fd, .events = op->events};
    int rc = poll(&p, 1, 0);
    if (rc < 0)
        return -1;
    if (rc > 0)
        return ready_for(op, p.revents);
    errno = EAGAIN;
    return -1;
}

ssize_t kt__op_attempt(kt__op *op)
{
    for (;;) {
        ssize_t n = -1;
        switch (op->kind) {
        case KT__OP_READ:
            n = readv(op->fd->fd, op->pieces, (int)op->count);
            break;
        case KT__OP_WRITE:
            n = attempt_write(op);
            break;
        case KT__OP_ACCEPT:
            n = accept4(op->fd->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            break;
        case KT__OP_CONNECT:
            n = attempt_connect(op);
            break;
        case KT__OP_RECEIVE:
            n = recvmsg(op->fd->fd, &op->message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
            break;
        case KT__OP_SEND:
            n = sendmsg(op->fd->fd, &op->message, MSG_DONTWAIT | MSG_NOSIGNAL);
            break;
        default:
            n = attempt_poll(op);
            break;
        }
        if (n != -1)
            return n;
        if (errno != EINTR)
            return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
}

/* ---- Descriptors --------------------------------------------------------------------------- */

int kt__fd_open(kt_loop *l, kt__fd *fd, int number)
{
    if (l->driver == &kt__driver_sim)
        return kt_error_set(KT_ENOTSIM, "descriptor %d", number);
    int type;
    socklen_t size = sizeof type;
    int flags = fcntl(number, F_GETFL);
    if (flags < 0)
        return -errno;
    int wanted = l->driver->nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (wanted != flags && fcntl(number, F_SETFL, wanted) < 0)
        return -errno;
    *fd = (kt__fd){.fd = number};
    fd->is_socket = getsockopt(number, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
    return 0;
}

static void end_op(kt__op *op)
{
    if (op && !op->done && !op->cancelling) {
        op->cancelling = true;
        kt__loop->driver->cancel(kt__loop, op);
    }
}

static void end_ops(kt__fd *fd)
{
    kt_task *self = kt__self("closing a descriptor that a task uses");
    kt_cancel_hold();
    while (fd->reader || fd->writer) {
        end_op(fd->reader);
        end_op(fd->writer);
        if (fd->reader || fd->writer)
            kt__yield(self);
    }
    kt_cancel_unhold();
}

/* A driver that has been closed has forgotten all of them. */
void kt__fd_close(kt__fd *fd)
{
    fd->closing = true;
    if (fd->reader || fd->writer)
        end_ops(fd);
    if (kt__loop)
        kt__loop->driver->forget(kt__loop, fd);
    /* Linux frees the number whatever close says, EINTR included: nothing to repeat (close(2)). */
    (void)close(fd->fd);
    fd->fd = -1;
}

int kt_fd_wait(int fd, int events)
{
    kt_task *self = kt__self("kt_fd_wait");
    kt_loop *l = self->loop;
    if (l->driver == &kt__driver_sim)
        return kt_error_set(KT_ENOTSIM, "kt_fd_wait on descriptor %d", fd);
    kt__fd polled = {.fd = fd};
    kt__op *op = kt__op_init(self, KT__OP_POLL, &polled);
    op->events = (short)((events & KT_READABLE ? POLLIN : 0) | (events & KT_WRITABLE ? POLLOUT : 0));
    int rc = (int)kt__op_run(self);
    l->driver->forget(l, &polled);
    return rc;
}
