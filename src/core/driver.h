/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CORE_DRIVER_H
#define KETTLE_CORE_DRIVER_H

/* The seam between a loop and the outside world. Three drivers stand behind it: epoll, uring, sim.
 *
 * An operation is the input or output that one task (or a watch) waits for. It lives in the task, one at a time,
 * since its memory must outlive whatever happens to the task's stack. The driver may end it
 * within submit; otherwise it calls kt__op_done from its wait. An operation that was cancelled still
 * ends through kt__op_done, with -ECANCELED or with the result that raced with it; until then the
 * kernel may touch its buffers. */

#include <kettle/base.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct kt_loop;
struct kt_task;

/* A descriptor and what is kept about it. Lives in a stream, a listener or the frame of whoever waits; nobody else
 * waits on that descriptor. */
typedef struct kt__fd {
    int fd;
    bool is_socket;
    bool registered; /* epoll: is in the set */
    bool drained;    /* epoll: a read came back short, and no event since: it would find nothing */
    bool ending;     /* epoll: an end or an error was announced, which stands behind the bytes */
    bool closing;    /* by another task; operations fail with KT_ECLOSED */
    struct kt__op *reader, *writer; /* not over */
} kt__fd;

enum kt__op_kind {
    KT__OP_READ,    /* into `pieces` */
    KT__OP_WRITE,   /* from `pieces` */
    KT__OP_ACCEPT,  /* result: the descriptor */
    KT__OP_CONNECT, /* to `address`; KT_EFULL: try again later */
    KT__OP_POLL,    /* for `events`; result: what it is ready for */
    KT__OP_RECEIVE, /* one message into `message` */
    KT__OP_SEND,    /* `message` */
    KT__OP_FILE_READ,  /* of a file, into `pieces`, at `offset`; -1: at its position; uring alone */
    KT__OP_FILE_WRITE, /* from `pieces`; the same */
};

typedef struct kt__op {
    uint8_t kind;
    bool cancelling;
    bool done;    /* but its task has not run since, and may still look at `fd` */
    bool begun;   /* connect: the system was asked; uring: waits for readiness */
    bool recalled; /* uring: a request to cancel it has not been answered */
    bool over;     /* uring: it has ended, with `result` */
    bool long_copy; /* uring: of a file, and too much to be copied on the loop's thread */
    short events;
    struct kt_task *task; /* or, for an operation that no task waits for: */
    void (*ended)(struct kt_loop *l, struct kt__op *op, ssize_t result);
    kt__fd *fd;
    struct iovec *pieces;
    unsigned count;
    int64_t offset;
    const struct sockaddr *address;
    socklen_t address_size;
    ssize_t result; /* >= 0, or a negative error */
    struct msghdr message; /* receive, send; uring also: what the kernel reads while it is in flight */
} kt__op;

typedef struct kt__driver {
    const char *name;
    bool nonblocking; /* wants O_NONBLOCK descriptors */

    /* 0, or the negated errno that says why this machine does not allow it. */
    int (*open)(struct kt_loop *l);
    void (*close)(struct kt_loop *l);

    /* Begins op. 1: it is done already, op->result is set. 0: it is in flight. */
    int (*submit)(struct kt_loop *l, kt__op *op);

    /* Makes an operation in flight end soon, within this call or later. */
    void (*cancel)(struct kt_loop *l, kt__op *op);

    /* Before fd->fd is closed; no operation is in flight on it. */
    void (*forget)(struct kt_loop *l, kt__fd *fd);

    /* Collects what has happened, waiting until `deadline` (on kt__clock_now's clock; 0 or in the
     * past: without waiting) at most, and less if it likes. */
    void (*wait)(struct kt_loop *l, kt_time deadline);
} kt__driver;

extern const kt__driver kt__driver_epoll, kt__driver_uring, kt__driver_sim;

/* What the running task's operation needs beside its kind; see the kinds. */
kt__op *kt__op_init(struct kt_task *self, int kind, kt__fd *fd);

/* Runs the task's operation and suspends until it has ended. The result; or a cancellation's code, and
 * then it has had no effect; or KT_ECLOSED, and then fd is gone; or KT_ENOTSIM. */
ssize_t kt__op_run(struct kt_task *self);

/* Before input or output without a driver: a cancellation point, and now and then a turn for the others. 0
 * or a cancellation's code. */
int kt__op_turn(struct kt_task *self);

/* By the drivers: the operation has ended. */
void kt__op_done(struct kt_loop *l, kt__op *op, ssize_t result);

/* Does what op is for by a system call that does not wait: the result, or -EAGAIN. */
ssize_t kt__op_attempt(kt__op *op);

/* Prepares a descriptor for the driver. 0 or a negated errno. */
int kt__fd_open(struct kt_loop *l, kt__fd *fd, int number);

/* Ends the operations of other tasks on fd with KT_ECLOSED, waits for that, and closes it. Outside a task,
 * also after the loop's end, there must be none. */
void kt__fd_close(kt__fd *fd);

#endif
