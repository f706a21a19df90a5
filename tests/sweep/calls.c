/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kettle/error.h>
#include <kettle/test.h>

#include "core/driver.h"

static struct {
    unsigned nth, error, counted;
    const char *name; /* of the one that failed */
    int code;
} state;

static __thread int depth;

void calls_begin(void)
{
    depth++;
}

void calls_end(void)
{
    depth--;
}

void calls_fail(unsigned nth, unsigned error)
{
    state.nth = nth;
    state.error = error;
    state.counted = 0;
    state.name = NULL;
    state.code = 0;
}

unsigned calls_counted(void)
{
    return state.counted;
}

bool calls_failed(void)
{
    return state.name;
}

const char *calls_failed_name(void)
{
    return state.name ? state.name : "no call";
}

int calls_failed_errno(void)
{
    return state.code;
}

/* Does this call fail? `errors` ends in 0. */
static bool fails(const char *name, const int *errors)
{
    if (depth <= 0 || ++state.counted != state.nth || state.name)
        return false;
    for (unsigned i = 0; errors[i]; i++) {
        if (i != state.error)
            continue;
        state.name = name;
        state.code = errors[i];
        kt_test_say("%s fails: %s", name, kt_error_name(-state.code));
        errno = state.code;
        return true;
    }
    return false;
}

#define CALL(ret, name, params, args, ...)                                                         \
    ret __real_##name params;                                                                      \
    ret __wrap_##name params;                                                                      \
    ret __wrap_##name params                                                                       \
    {                                                                                              \
        static const int errors[] = {__VA_ARGS__, 0};                                              \
        return fails(#name, errors) ? (ret)-1 : __real_##name args;                                \
    }

/* ---- Sockets: socket(7), ip(7), unix(7) ------------------------------------------------------ */

CALL(int, socket, (int family, int type, int protocol), (family, type, protocol), EACCES, EAFNOSUPPORT, EMFILE, ENFILE,
     ENOBUFS, ENOMEM, EPROTONOSUPPORT)
CALL(int, socketpair, (int family, int type, int protocol, int fds[2]), (family, type, protocol, fds), EMFILE, ENFILE,
     ENOMEM)
CALL(int, bind, (int fd, const struct sockaddr *a, socklen_t size), (fd, a, size), EACCES, EADDRNOTAVAIL, EADDRINUSE,
     ENOMEM)
CALL(int, listen, (int fd, int backlog), (fd, backlog), EADDRINUSE, EOPNOTSUPP)
CALL(int, accept4, (int fd, struct sockaddr *a, socklen_t *size, int flags), (fd, a, size, flags), ECONNABORTED, EINTR,
     EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO, EPERM)
CALL(int, connect, (int fd, const struct sockaddr *a, socklen_t size), (fd, a, size), EACCES, EPERM, EADDRINUSE,
     EADDRNOTAVAIL, EAFNOSUPPORT, ECONNREFUSED, ENETUNREACH, ETIMEDOUT)
CALL(int, getsockname, (int fd, struct sockaddr *a, socklen_t *size), (fd, a, size), ENOBUFS)
CALL(int, getpeername, (int fd, struct sockaddr *a, socklen_t *size), (fd, a, size), ENOBUFS, ENOTCONN)
CALL(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size), (fd, level, name, value, size),
     ENOPROTOOPT)
CALL(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size), (fd, level, name, value, size),
     ENOPROTOOPT, ENOMEM)
CALL(int, shutdown, (int fd, int how), (fd, how), ENOTCONN, ENOBUFS)

/* ---- Bytes and messages ---------------------------------------------------------------------- */

#define READS EINTR, EIO, ENOMEM, ECONNRESET, ETIMEDOUT
#define WRITES EINTR, EIO, ENOMEM, ENOBUFS, ECONNRESET, EPIPE

CALL(ssize_t, read, (int fd, void *b, size_t size), (fd, b, size), READS)
CALL(ssize_t, readv, (int fd, const struct iovec *v, int count), (fd, v, count), READS)
CALL(ssize_t, recv, (int fd, void *b, size_t size, int flags), (fd, b, size, flags), READS, ECONNREFUSED)
CALL(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags), READS, ECONNREFUSED)
CALL(int, recvmmsg, (int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t), (fd, m, n, flags, t), READS,
     ECONNREFUSED)
CALL(ssize_t, write, (int fd, const void *b, size_t size), (fd, b, size), WRITES, ENOSPC)
CALL(ssize_t, writev, (int fd, const struct iovec *v, int count), (fd, v, count), WRITES, ENOSPC)
CALL(ssize_t, send, (int fd, const void *b, size_t size, int flags), (fd, b, size, flags), WRITES)
CALL(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags), WRITES, EMSGSIZE)
CALL(int, sendmmsg, (int fd, struct mmsghdr *m, unsigned n, int flags), (fd, m, n, flags), WRITES, EMSGSIZE)

/* ---- Descriptors, processes, memory ---------------------------------------------------------- */

CALL(int, epoll_create1, (int flags), (flags), EMFILE, ENFILE, ENOMEM)
CALL(int, epoll_ctl, (int set, int what, int fd, struct epoll_event *e), (set, what, fd, e), ENOMEM, ENOSPC)
CALL(int, eventfd, (unsigned value, int flags), (value, flags), EMFILE, ENFILE, ENODEV, ENOMEM)
CALL(int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags), EMFILE, ENFILE, ENODEV, ENOMEM)
CALL(int, pipe2, (int fds[2], int flags), (fds, flags), EMFILE, ENFILE)
CALL(int, poll, (struct pollfd *fds, nfds_t count, int wait), (fds, count, wait), EINTR, ENOMEM)
CALL(int, chmod, (const char *path, mode_t mode), (path, mode), EACCES, EIO, ENOENT, EROFS)
CALL(int, stat64, (const char *path, struct stat64 *s), (path, s), EACCES, ENOENT, ENOMEM)
CALL(int, lstat64, (const char *path, struct stat64 *s), (path, s), EACCES, ENOENT, ENOMEM)
CALL(int, waitid, (idtype_t kind, id_t id, siginfo_t *info, int options), (kind, id, info, options), EINTR, ECHILD)
CALL(int, kill, (pid_t pid, int signal), (pid, signal), EPERM, ESRCH)
CALL(void *, mmap64, (void *at, size_t size, int how, int flags, int fd, off64_t offset),
     (at, size, how, flags, fd, offset), ENOMEM)
CALL(int, mprotect, (void *at, size_t size, int how), (at, size, how), ENOMEM)

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

int __wrap_open64(const char *path, int flags, ...)
{
    static const int errors[] = {EACCES, EINTR, EIO, EMFILE, ENFILE, ENOENT, ENOMEM, 0};
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails("open", errors) ? -1 : __real_open64(path, flags, mode);
}

int __real_fcntl64(int fd, int what, ...);
int __wrap_fcntl64(int fd, int what, ...);

int __wrap_fcntl64(int fd, int what, ...)
{
    static const int of_copies[] = {EMFILE, 0}, of_sizes[] = {EPERM, EBUSY, ENOMEM, 0}, none[] = {0};
    va_list args;
    va_start(args, what);
    long value = va_arg(args, long);
    va_end(args);
    const int *errors = what == F_DUPFD_CLOEXEC || what == F_DUPFD ? of_copies : what == F_SETPIPE_SZ ? of_sizes : none;
    return fails("fcntl", errors) ? -1 : __real_fcntl64(fd, what, value);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* Takes six arguments whoever gave fewer, as the C library does. */
__attribute__((no_sanitize_address)) long __wrap_syscall(long number, ...)
{
    static const int of_pidfd[] = {EMFILE, ENFILE, ENODEV, ENOMEM, 0}, none[] = {0};
    long a[6];
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (fails("pidfd_open", number == SYS_pidfd_open ? of_pidfd : none))
        return -1;
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- What a driver does for the call --------------------------------------------------------- */

ssize_t __real_kt__op_attempt(kt__op *op);
ssize_t __wrap_kt__op_attempt(kt__op *op);

ssize_t __wrap_kt__op_attempt(kt__op *op)
{
    bool callers = op->task && sweep_is_caller(op->task);
    depth += callers;
    ssize_t n = __real_kt__op_attempt(op);
    depth -= callers;
    return n;
}
