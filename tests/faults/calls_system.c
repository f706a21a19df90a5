/* SPDX-License-Identifier: MIT */

/* Processes, threads, signals, memory, and what the loops wait in. */
#include "calls.h"

#include <grp.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/core.h"

/* ---- What is waited in ----------------------------------------------------------------------------- */

CALL(int, epoll_create1, "epoll_create1(2)", (int flags), (flags), EINVAL, EMFILE, ENFILE, ENOMEM)
CALL(int, epoll_wait, "epoll_wait(2)", (int set, struct epoll_event *e, int max, int ms), (set, e, max, ms), EBADF,
     EFAULT, EINTR, EINVAL)
CALL(int, epoll_pwait2, "epoll_pwait2(2)",
     (int set, struct epoll_event *e, int max, const struct timespec *t, const sigset_t *mask), (set, e, max, t, mask),
     EBADF, EFAULT, EINTR, EINVAL, ENOSYS, EPERM)
CALL(int, eventfd, "eventfd(2)", (unsigned value, int flags), (value, flags), EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM)
CALL(int, poll, "poll(2)", (struct pollfd *fds, nfds_t count, int ms), (fds, count, ms), EFAULT, EINTR, EINVAL, ENOMEM)

/* ---- What io_uring has done ------------------------------------------------------------------------ */

#define READS EBADF, EFAULT, EINVAL, EIO, EISDIR, ECONNRESET, ENOMEM, ENOTCONN, ETIMEDOUT, EINTR
#define WRITES EBADF, EFAULT, EINVAL, EIO, ENOSPC, EDQUOT, EFBIG, EPERM, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EINTR
CALL_ENTRY(cqe_read, "completion of a read", "io_uring_enter(2), read(2)", true, READS)
CALL_ENTRY(cqe_write, "completion of a write", "io_uring_enter(2), write(2)", true, WRITES)
CALL_ENTRY(cqe_accept, "completion of an accept", "io_uring_enter(2), accept(2)", false, ECONNABORTED, EMFILE, ENFILE,
           ENOBUFS, ENOMEM, EPERM, EPROTO, EBADF, EINVAL, EINTR)
CALL_ENTRY(cqe_connect, "completion of a connect", "io_uring_enter(2), connect(2)", false, EACCES, EPERM, EADDRINUSE,
           EADDRNOTAVAIL, EAFNOSUPPORT, ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ETIMEDOUT)
CALL_ENTRY(cqe_poll, "completion of a poll", "io_uring_enter(2), poll(2)", false, EBADF, ENOMEM, EINVAL, EINTR)
CALL_ENTRY(cqe_message, "completion of a message", "io_uring_enter(2), sendmsg(2)", false, ECONNREFUSED, EMSGSIZE,
           ENOBUFS, ENOMEM, EBADF, EINVAL, EPERM, EINTR)

static call *call_of(const kt__op *op)
{
    switch (op->kind) {
    case KT__OP_READ:
    case KT__OP_FILE_READ:
        return &call_cqe_read;
    case KT__OP_WRITE:
    case KT__OP_FILE_WRITE:
        return &call_cqe_write;
    case KT__OP_ACCEPT:
        return &call_cqe_accept;
    case KT__OP_CONNECT:
        return &call_cqe_connect;
    case KT__OP_RECEIVE:
    case KT__OP_SEND:
        return &call_cqe_message;
    default:
        return &call_cqe_poll;
    }
}

/* Those of the bell have the address of something that is no operation, but it lies in the program's own data; those of
 * requests to cancel have their lowest bit set. Each operation is in a task, on the heap. */
static const kt__op *op_of(uint64_t data)
{
    extern char __data_start, _end;
    bool is_static = data >= (uintptr_t)&__data_start && data < (uintptr_t)&_end;
    return !data || (data & 1) || is_static ? NULL : (const kt__op *)(uintptr_t)data;
}

/* Requests that fail are made ones that do nothing, so that no byte is lost with them, and get their error when they
 * are over. One ring at a time, on its loop's thread. */
enum { SPOILT_MAX = 1024 };
static struct {
    const struct io_uring *ring;
    unsigned seen; /* up to this tail of its queue */
    unsigned count;
    struct {
        uint64_t data;
        int error;
    } list[SPOILT_MAX];
} spoilt;

/* Until it is submitted; the kernel has taken the pieces then. */
static struct iovec *first_byte(const struct iovec *pieces)
{
    static struct iovec first[SPOILT_MAX];
    static unsigned next;
    struct iovec *one = &first[next++ % SPOILT_MAX];
    *one = (struct iovec){pieces->iov_base, pieces->iov_len > 0};
    return one;
}

/* One byte of what there is to move. Those that wait for their turn alone move none. */
static void cut(struct io_uring_sqe *sqe)
{
    void *address = (void *)(uintptr_t)sqe->addr;
    struct msghdr *m = address;
    switch (sqe->opcode) {
    case IORING_OP_RECV:
    case IORING_OP_SEND:
        sqe->len = sqe->len > 0;
        break;
    case IORING_OP_READV:
    case IORING_OP_WRITEV:
        sqe->addr = (uintptr_t)first_byte(address);
        sqe->len = 1;
        break;
    case IORING_OP_SENDMSG:
        m->msg_iov = first_byte(m->msg_iov);
        m->msg_iovlen = 1;
        break;
    default:
        break;
    }
}

static void spoil(struct io_uring_sqe *sqe)
{
    const kt__op *op = op_of(sqe->user_data);
    int error = op ? call_made(call_of(op)) : 0;
    if (error == CALLS_SHORT)
        cut(sqe);
    if (error <= 0 || spoilt.count == SPOILT_MAX)
        return;
    uint64_t data = sqe->user_data;
    io_uring_prep_nop(sqe);
    sqe->user_data = data;
    spoilt.list[spoilt.count].data = data;
    spoilt.list[spoilt.count++].error = error;
}

static void look_through(struct io_uring *ring)
{
    if (spoilt.ring != ring || ring->sq.sqe_tail < spoilt.seen) {
        spoilt.ring = ring;
        spoilt.seen = 0;
        spoilt.count = 0;
    }
    unsigned at = spoilt.seen > ring->sq.sqe_head ? spoilt.seen : ring->sq.sqe_head;
    for (; at != ring->sq.sqe_tail; at++)
        spoil(&ring->sq.sqes[at & ring->sq.ring_mask]);
    spoilt.seen = at;
}

static void tell(struct io_uring_cqe *cqe)
{
    for (unsigned i = 0; i < spoilt.count; i++) {
        if (spoilt.list[i].data != cqe->user_data)
            continue;
        cqe->res = -spoilt.list[i].error;
        spoilt.list[i] = spoilt.list[--spoilt.count];
        return;
    }
}

CALL_FACE(unsigned, io_uring_peek_batch_cqe, (struct io_uring *ring, struct io_uring_cqe **cqes, unsigned count))
unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes, unsigned count)
{
    unsigned n = __real_io_uring_peek_batch_cqe(ring, cqes, count);
    for (unsigned i = 0; i < n; i++)
        tell(cqes[i]);
    return n;
}

/* ---- Entering it ----------------------------------------------------------------------------------- */

#define CALL_URING(name, look, page, params, args, ...) \
    CALL_ENTRY(name, #name, page, false, __VA_ARGS__) \
    CALL_FACE(int, name, params) \
    int __wrap_##name params \
    { \
        int error = call_made(&call_##name); \
        look; \
        return error ? -error : __real_##name args; \
    }

#define OF_ENTER EAGAIN, EBADF, EBADFD, EBADR, EBUSY, EINVAL, EFAULT, ENXIO, EOPNOTSUPP, EINTR

CALL_URING(io_uring_queue_init_params, (void)0, "io_uring_setup(2)",
           (unsigned entries, struct io_uring *ring, struct io_uring_params *p), (entries, ring, p), EFAULT, EINVAL,
           EMFILE, ENFILE, ENOMEM, EPERM, ENOSYS)
CALL_URING(io_uring_submit, look_through(ring), "io_uring_enter(2)", (struct io_uring *ring), (ring), OF_ENTER)
CALL_URING(io_uring_submit_and_get_events, look_through(ring), "io_uring_enter(2)", (struct io_uring *ring),
           (ring), OF_ENTER)
CALL_URING(io_uring_submit_and_wait_timeout, look_through(ring), "io_uring_enter(2)",
           (struct io_uring *ring, struct io_uring_cqe **cqe, unsigned n, struct __kernel_timespec *t, sigset_t *mask),
           (ring, cqe, n, t, mask), OF_ENTER, ETIME)

/* ---- Memory and threads ---------------------------------------------------------------------------- */

#define OF_MAPS EACCES, EAGAIN, EBADF, EEXIST, EINVAL, ENFILE, ENODEV, ENOMEM, EOVERFLOW, EPERM, ETXTBSY

CALL(void *, mmap64, "mmap(2)", (void *at, size_t size, int how, int flags, int fd, off64_t offset),
     (at, size, how, flags, fd, offset), OF_MAPS)
CALL(int, munmap, "munmap(2)", (void *at, size_t size), (at, size), EINVAL, ENOMEM)
CALL(int, mprotect, "mprotect(2)", (void *at, size_t size, int how), (at, size, how), EACCES, EINVAL, ENOMEM)
CALL(int, madvise, "madvise(2)", (void *at, size_t size, int what), (at, size, what), EACCES, EAGAIN, EBADF, EBUSY,
     EFAULT, EINVAL, EIO, ENOMEM, EPERM)
CALL(int, mincore, "mincore(2)", (void *at, size_t size, unsigned char *v), (at, size, v), EAGAIN, EFAULT, EINVAL,
     ENOMEM)
CALL_RETURNING(pthread_create, "pthread_create(3)",
               (pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *arg), void *arg), (t, a, fn, arg), EAGAIN,
               EINVAL, EPERM)
CALL(int, sched_getaffinity, "sched_getaffinity(2)", (pid_t pid, size_t size, cpu_set_t *set), (pid, size, set), EFAULT,
     EINVAL, EPERM, ESRCH)
CALL(ssize_t, getrandom, "getrandom(2)", (void *b, size_t size, unsigned flags), (b, size, flags), EAGAIN, EFAULT,
     EINTR, EINVAL, ENOSYS)
CALL(int, nanosleep, "nanosleep(2)", (const struct timespec *t, struct timespec *left), (t, left), EFAULT, EINTR,
     EINVAL)
CALL(int, getrlimit64, "getrlimit(2)", (int what, struct rlimit64 *l), (what, l), EFAULT, EINVAL, EPERM)

/* ---- Signals ----------------------------------------------------------------------------------- */

CALL(int, sigaction, "sigaction(2)", (int n, const struct sigaction *a, struct sigaction *before), (n, a, before),
     EFAULT, EINVAL)
CALL(int, sigaltstack, "sigaltstack(2)", (const stack_t *s, stack_t *before), (s, before), EFAULT, EINVAL, ENOMEM,
     EPERM)
CALL(int, signalfd, "signalfd(2)", (int fd, const sigset_t *set, int flags), (fd, set, flags), EBADF, EINVAL, EMFILE,
     ENFILE, ENODEV, ENOMEM)
/* For a signal that is pending, with a set and a time of our own. */
CALL(int, sigtimedwait, "sigtimedwait(2)", (const sigset_t *s, siginfo_t *i, const struct timespec *t), (s, i, t),
     EINTR)
CALL(int, kill, "kill(2)", (pid_t pid, int n), (pid, n), EPERM, ESRCH)

/* ---- Processes --------------------------------------------------------------------------------- */

CALL(pid_t, fork, "fork(2)", (void), (), EAGAIN, ENOMEM, ENOSYS)
CALL(int, setpgid, "setpgid(2)", (pid_t pid, pid_t group), (pid, group), EACCES, EINVAL, EPERM, ESRCH)
CALL(pid_t, setsid, "setsid(2)", (void), (), EPERM)
CALL(int, close_range, "close_range(2)", (unsigned first, unsigned last, int flags), (first, last, flags), EINVAL,
     EMFILE, ENOMEM, ENOSYS, EPERM)
CALL(pid_t, getpgid, "getpgid(2)", (pid_t pid), (pid), EPERM, ESRCH)
CALL(int, waitid, "waitid(2)", (idtype_t kind, id_t id, siginfo_t *i, int how), (kind, id, i, how), ECHILD, EINTR,
     EINVAL)
CALL(pid_t, waitpid, "waitpid(2)", (pid_t pid, int *status, int how), (pid, status, how), EINTR)
CALL_RETURNING(getpwnam_r, "getpwnam_r(3)",
               (const char *name, struct passwd *p, char *b, size_t size, struct passwd **ret), (name, p, b, size, ret),
               EINTR, EIO, EMFILE, ENFILE, ENOMEM, ERANGE)
CALL_RETURNING(getgrnam_r, "getgrnam_r(3)",
               (const char *name, struct group *g, char *b, size_t size, struct group **ret), (name, g, b, size, ret),
               EINTR, EIO, EMFILE, ENFILE, ENOMEM, ERANGE)

CALL_ENTRY(__clone, "clone", "clone(2)", false, EAGAIN, EINVAL, ENOMEM, ENOSPC, EPERM, EUSERS)
CALL_FACE(int, __clone, (int (*fn)(void *arg), void *stack, int flags, void *arg, int *pidfd))
int __wrap___clone(int (*fn)(void *arg), void *stack, int flags, void *arg, int *pidfd)
{
    int error = call_made(&call___clone);
    if (error == 0)
        return __real___clone(fn, stack, flags, arg, pidfd);
    errno = error;
    return -1;
}

CALL_ENTRY(prctl, "prctl", "prctl(2)", false, EINVAL, EPERM)
CALL_FACE(int, prctl, (int what, ...))
int __wrap_prctl(int what, ...)
{
    va_list rest;
    va_start(rest, what);
    unsigned long value = va_arg(rest, unsigned long);
    va_end(rest);
    int error = call_made(&call_prctl);
    if (error == 0)
        return __real_prctl(what, value, 0UL, 0UL, 0UL);
    errno = error;
    return -1;
}

/* ---- By number: what libc has no function for, and what a child does between clone and exec ---------- */

CALL_ENTRY(openat2, "syscall openat2", "openat2(2), open(2)", false, E2BIG, EAGAIN, EINVAL, ELOOP, EXDEV, EACCES, EINTR,
           EMFILE, ENFILE, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS, ENOSYS)
CALL_ENTRY(getdents64, "syscall getdents64", "getdents64(2)", false, EBADF, EFAULT, EINVAL, ENOENT, ENOTDIR)
CALL_ENTRY(pidfd_open, "syscall pidfd_open", "pidfd_open(2)", false, EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM, ESRCH)
/* ESRCH would be a lie: nobody waits for what has ended. */
CALL_ENTRY(pidfd_send_signal, "syscall pidfd_send_signal", "pidfd_send_signal(2)", false, EBADF, EINVAL, EPERM, ENOSYS)
CALL_ENTRY(sys_waitid, "syscall waitid", "waitid(2)", false, ECHILD, EINTR, EINVAL)
CALL_ENTRY(sys_write, "syscall write", "write(2)", false, EAGAIN, EBADF, EINTR, EIO, EPIPE)
CALL_ENTRY(sys_setsid, "syscall setsid", "setsid(2)", false, EPERM)
CALL_ENTRY(sys_setpgid, "syscall setpgid", "setpgid(2)", false, EACCES, EINVAL, EPERM, ESRCH)
CALL_ENTRY(sys_prctl, "syscall prctl", "PR_SET_PDEATHSIG(2const)", false, EINVAL)
CALL_ENTRY(sys_fcntl, "syscall fcntl", "fcntl(2)", false, EBADF, EINVAL)
CALL_ENTRY(dup3, "syscall dup3", "dup3(2)", false, EBADF, EBUSY, EINTR, EINVAL, EMFILE)
CALL_ENTRY(prlimit64, "syscall prlimit64", "prlimit(2)", false, EFAULT, EINVAL, EPERM, ESRCH)
CALL_ENTRY(setgroups, "syscall setgroups", "setgroups(2)", false, EFAULT, EINVAL, ENOMEM, EPERM)
CALL_ENTRY(setresgid, "syscall setresgid", "setresgid(2)", false, EAGAIN, EINVAL, EPERM)
CALL_ENTRY(setresuid, "syscall setresuid", "setresuid(2)", false, EAGAIN, EINVAL, EPERM)
CALL_ENTRY(sys_openat, "syscall openat", "openat(2)", false, EACCES, EINTR, EMFILE, ENFILE, ENOENT, ENOMEM)
CALL_ENTRY(sys_close_range, "syscall close_range", "close_range(2)", false, EINVAL, EMFILE, ENOMEM, ENOSYS, EPERM)
CALL_ENTRY(fchdir, "syscall fchdir", "fchdir(2)", false, EACCES, EBADF, EIO, ELOOP, ENOENT, ENOMEM, ENOTDIR)
CALL_ENTRY(execve, "syscall execve", "execve(2)", false, E2BIG, EACCES, EAGAIN, EFAULT, EINVAL, EIO, EISDIR, ELIBBAD,
           ELOOP, EMFILE, ENAMETOOLONG, ENFILE, ENOENT, ENOEXEC, ENOMEM, ENOTDIR, EPERM, ETXTBSY)

static const struct numbered {
    long number;
    call *call; /* NULL: has no errors that it could meet */
} numbered[] = {
    {SYS_openat2, &call_openat2},
    {SYS_getdents64, &call_getdents64},
    {SYS_pidfd_open, &call_pidfd_open},
    {SYS_pidfd_send_signal, &call_pidfd_send_signal},
    {SYS_waitid, &call_sys_waitid},
    {SYS_write, &call_sys_write},
    {SYS_setsid, &call_sys_setsid},
    {SYS_setpgid, &call_sys_setpgid},
    {SYS_prctl, &call_sys_prctl},
    {SYS_fcntl, &call_sys_fcntl},
    {SYS_dup3, &call_dup3},
    {SYS_prlimit64, &call_prlimit64},
    {SYS_setgroups, &call_setgroups},
    {SYS_setresgid, &call_setresgid},
    {SYS_setresuid, &call_setresuid},
    {SYS_openat, &call_sys_openat},
    {SYS_close_range, &call_sys_close_range},
    {SYS_fchdir, &call_fchdir},
    {SYS_execve, &call_execve},
    {SYS_getpid, NULL},
    {SYS_getppid, NULL},
    {SYS_exit_group, NULL},
    {SYS_umask, NULL},
    {SYS_restart_syscall, NULL}, /* goes on with another, in a signal's handler */
    {SYS_rt_sigaction, NULL},    /* numbers and memory of our own */
    {SYS_rt_sigprocmask, NULL},
};

static int numbered_made(long number)
{
    for (size_t i = 0; i < sizeof numbered / sizeof numbered[0]; i++)
        if (numbered[i].number == number)
            return numbered[i].call ? call_made(numbered[i].call) : 0;
    __builtin_trap(); /* a system call that is not in the list: give it its errors */
}

CALL_FACE(long, syscall, (long number, ...))
/* Takes six arguments whoever gave fewer, as the C library does. */
__attribute__((no_sanitize_address)) long __wrap_syscall(long number, ...)
{
    long a[6];
    va_list rest;
    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(rest, long);
    va_end(rest);
    int error = numbered_made(number);
    if (error == 0)
        return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    errno = error;
    return -1;
}
