/* SPDX-License-Identifier: MIT */

/* The io_uring driver. One ring a loop, touched by the loop's thread only, so completions are run by
 * us when we ask (DEFER_TASKRUN, Linux 6.1). Everything that tasks begin between two waits goes to the
 * kernel with the wait: one system call for all. See io_uring_setup(2). */

#include <errno.h>
#include <kettle/memory.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>

#include "core/core.h"

#define ENTRIES 512
#define COMPLETIONS_AT_ONCE 128

typedef struct uring_state {
    struct io_uring ring;
    uint64_t bell; /* what is read from the inbox's descriptor */
    bool deferred; /* DEFER_TASKRUN */
} uring_state;

/* The completion that belongs to no operation: of the bell. Those of requests to cancel carry the operation's
 * address with this bit. */
static _Alignas(2) char tag_bell;
#define CANCEL_BIT ((uintptr_t)1)

static struct io_uring_sqe *next_sqe(uring_state *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    while (!sqe) {
        io_uring_submit(&u->ring); /* the queue is full: hand it over */
        sqe = io_uring_get_sqe(&u->ring);
    }
    return sqe;
}

static void listen_for_bell(kt_loop *l)
{
    uring_state *u = l->driver_state;
    struct io_uring_sqe *sqe = next_sqe(u);
    io_uring_prep_poll_add(sqe, kt__inbox_fd(l->inbox), POLLIN);
    io_uring_sqe_set_data(sqe, &tag_bell);
}

/* liburing maps its rings by system calls of its own, which ThreadSanitizer does not see: to it, a ring that comes to
 * lie where one of another thread lay is the same memory, touched by two threads without order. So it is told, page
 * by page, that a ring begins after whatever ring was there before has ended. */
#if KT__TSAN
#define PAGE 4096

static void each_page(void *start, size_t bytes, void (*tell)(void *page))
{
    for (size_t at = 0; at < bytes; at += PAGE)
        tell((char *)start + at);
}

static void each_page_of(const struct io_uring *ring, void (*tell)(void *page))
{
    each_page(ring->sq.ring_ptr, ring->sq.ring_sz, tell);
    each_page(ring->cq.ring_ptr, ring->cq.ring_sz, tell);
    each_page(ring->sq.sqes, ring->sq.ring_entries * sizeof *ring->sq.sqes, tell);
}
#else
#define each_page_of(ring, tell) ((void)0)
#endif

static int ring_open(uring_state *u)
{
    struct io_uring_params p = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = ENTRIES * 8,
    };
    int rc = io_uring_queue_init_params(ENTRIES, &u->ring, &p);
    u->deferred = rc == 0;
    if (rc == -EINVAL) { /* before 6.1 */
        p = (struct io_uring_params){.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                                     .cq_entries = ENTRIES * 8};
        rc = io_uring_queue_init_params(ENTRIES, &u->ring, &p);
    }
    if (rc < 0)
        return rc;
    const unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_FAST_POLL;
    each_page_of(&u->ring, __tsan_acquire);
    if ((p.features & needed) == needed) /* Linux 5.11 */
        return 0;
    io_uring_queue_exit(&u->ring);
    return -ENOSYS;
}

static int ur_open(kt_loop *l)
{
    uring_state *u = kt_calloc(1, sizeof *u);
    if (!u)
        return -ENOMEM;
    int rc = ring_open(u);
    if (rc < 0) {
        kt_free(u);
        return rc;
    }
    l->driver_state = u;
    listen_for_bell(l);
    return 0;
}

static void ur_close(kt_loop *l)
{
    uring_state *u = l->driver_state;
    each_page_of(&u->ring, __tsan_release);
    io_uring_queue_exit(&u->ring);
    kt_free(u);
}

/* ---- Operations ---------------------------------------------------------------------------- */

static void prepare(struct io_uring_sqe *sqe, kt__op *op)
{
    int fd = op->fd->fd;
    switch (op->kind) {
    case KT__OP_READ:
        if (op->fd->is_socket && op->count == 1)
            io_uring_prep_recv(sqe, fd, op->pieces->iov_base, op->pieces->iov_len, 0);
        else
            io_uring_prep_readv(sqe, fd, op->pieces, op->count, (uint64_t)-1);
        break;
    case KT__OP_WRITE:
        op->message = (struct msghdr){.msg_iov = op->pieces, .msg_iovlen = op->count};
        if (!op->fd->is_socket)
            io_uring_prep_writev(sqe, fd, op->pieces, op->count, (uint64_t)-1);
        else if (op->count == 1)
            io_uring_prep_send(sqe, fd, op->pieces->iov_base, op->pieces->iov_len, MSG_NOSIGNAL);
        else
            io_uring_prep_sendmsg(sqe, fd, &op->message, MSG_NOSIGNAL);
        break;
    case KT__OP_ACCEPT:
        io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
        break;
    case KT__OP_CONNECT:
        io_uring_prep_connect(sqe, fd, op->address, op->address_size);
        break;
    case KT__OP_RECEIVE:
        io_uring_prep_recvmsg(sqe, fd, &op->message, MSG_CMSG_CLOEXEC);
        break;
    case KT__OP_SEND: /* a try anew, the kernel would send what the refused one left: nothing */
        io_uring_prep_sendmsg(sqe, fd, &op->message, MSG_DONTWAIT | MSG_NOSIGNAL);
        break;
    case KT__OP_FILE_READ:
        io_uring_prep_readv(sqe, fd, op->pieces, op->count, (uint64_t)op->offset);
        io_uring_sqe_set_flags(sqe, op->long_copy ? IOSQE_ASYNC : 0);
        break;
    case KT__OP_FILE_WRITE:
        io_uring_prep_writev(sqe, fd, op->pieces, op->count, (uint64_t)op->offset);
        io_uring_sqe_set_flags(sqe, op->long_copy ? IOSQE_ASYNC : 0);
        break;
    default:
        io_uring_prep_poll_add(sqe, fd, (unsigned)op->events);
        break;
    }
    io_uring_sqe_set_data(sqe, op);
}

static int ur_submit(kt_loop *l, kt__op *op)
{
    prepare(next_sqe(l->driver_state), op);
    return 0;
}

static void ur_cancel(kt_loop *l, kt__op *op)
{
    struct io_uring_sqe *sqe = next_sqe(l->driver_state);
    op->recalled = true;
    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data64(sqe, (uintptr_t)op | CANCEL_BIT);
}

/* A request to cancel names the operation, which therefore stays until that has been answered too. */
static void op_over(kt_loop *l, kt__op *op, ssize_t result)
{
    op->result = result;
    op->over = true;
    if (!op->recalled)
        kt__op_done(l, op, result);
}

/* Between two tries of its own the kernel has an operation in no list, and does not find it. */
static void cancel_answered(kt_loop *l, kt__op *op, int result)
{
    op->recalled = false;
    if (op->over)
        kt__op_done(l, op, op->result);
    else if (result == -ENOENT)
        ur_cancel(l, op);
}

static void ur_forget(kt_loop *l, kt__fd *fd)
{
    (void)l;
    (void)fd;
}

/* io_uring does not wait on a descriptor that is O_NONBLOCK: then we poll it first. Files cannot be polled. */
static bool poll_first(kt_loop *l, kt__op *op, int result)
{
    if (op->kind == KT__OP_FILE_READ || op->kind == KT__OP_FILE_WRITE)
        return false;
    if (result != -EAGAIN && !(op->begun && result >= 0))
        return false;
    struct io_uring_sqe *sqe = next_sqe(l->driver_state);
    if (op->begun) { /* polled: ready now */
        op->begun = false;
        prepare(sqe, op);
        return true;
    }
    op->begun = true;
    bool reads = op->kind == KT__OP_READ || op->kind == KT__OP_ACCEPT || op->kind == KT__OP_RECEIVE;
    io_uring_prep_poll_add(sqe, op->fd->fd, reads ? POLLIN : POLLOUT);
    io_uring_sqe_set_data(sqe, op);
    return true;
}

/* A signal has cut it short before anything was done. A connect goes on in the kernel, and is not begun twice
 * (connect(2)). */
static bool begin_again(kt_loop *l, kt__op *op, int result)
{
    if (result != -EINTR || op->kind == KT__OP_CONNECT)
        return false;
    op->begun = false;
    prepare(next_sqe(l->driver_state), op);
    return true;
}

static ssize_t poll_result(const kt__op *op, int revents)
{
    if (revents < 0)
        return revents;
    if (revents & (POLLERR | POLLHUP))
        revents |= op->events;
    return revents & (POLLIN | POLLOUT);
}

static void rung(kt_loop *l)
{
    uint64_t count;
    ssize_t n = read(kt__inbox_fd(l->inbox), &count, sizeof count);
    (void)n; /* EAGAIN: read already */
    listen_for_bell(l);
}

static void op_completed(kt_loop *l, kt__op *op, int result)
{
    if (result == -EINTR && op->cancelling) /* a worker was interrupted by our request */
        op_over(l, op, -ECANCELED);
    else if (begin_again(l, op, result))
        return;
    else if (op->kind == KT__OP_POLL)
        op_over(l, op, poll_result(op, result));
    else if (op->cancelling || !poll_first(l, op, result))
        op_over(l, op, op->cancelling && (result == -EAGAIN || op->begun) ? -ECANCELED : result);
}

static void completed(kt_loop *l, uintptr_t data, int result)
{
    if (data == (uintptr_t)&tag_bell)
        rung(l);
    else if (data & CANCEL_BIT)
        cancel_answered(l, (kt__op *)(data & ~CANCEL_BIT), result);
    else
        op_completed(l, (kt__op *)data, result);
}

static void collect(kt_loop *l)
{
    uring_state *u = l->driver_state;
    struct io_uring_cqe *cqes[COMPLETIONS_AT_ONCE];
    unsigned n;
    do {
        n = io_uring_peek_batch_cqe(&u->ring, cqes, COMPLETIONS_AT_ONCE);
        for (unsigned i = 0; i < n; i++)
            completed(l, (uintptr_t)io_uring_cqe_get_data64(cqes[i]), cqes[i]->res);
        io_uring_cq_advance(&u->ring, n);
    } while (n == COMPLETIONS_AT_ONCE);
}

static bool kernel_has_work(const uring_state *u)
{
    return !u->deferred || (*u->ring.sq.kflags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* TSan keeps a signal back until the thread enters a blocking call that it knows, and io_uring's is none. */
#define TSAN_WAIT_MAX KT_MS(50)

static void ur_wait(kt_loop *l, kt_time deadline)
{
    uring_state *u = l->driver_state;
    kt_time left = deadline;
    if (deadline != KT_FOREVER)
        left = deadline > 0 ? deadline - kt__clock_now(l) : 0;
    if (KT__TSAN && left > TSAN_WAIT_MAX)
        left = TSAN_WAIT_MAX;
    if (left > 0 && io_uring_cq_ready(&u->ring) == 0) {
        struct __kernel_timespec ts = {.tv_sec = left / KT_S(1), .tv_nsec = left % KT_S(1)};
        struct io_uring_cqe *cqe;
        /* < 0: ETIME, or EINTR, a signal, which the loop looks at next */
        io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, left == KT_FOREVER ? NULL : &ts, NULL);
    } else if (io_uring_sq_ready(&u->ring) > 0 || kernel_has_work(u)) {
        io_uring_submit_and_get_events(&u->ring);
    }
    collect(l);
}

const kt__driver kt__driver_uring = {
    .name = "uring",
    .open = ur_open,
    .close = ur_close,
    .submit = ur_submit,
    .cancel = ur_cancel,
    .forget = ur_forget,
    .wait = ur_wait,
};
