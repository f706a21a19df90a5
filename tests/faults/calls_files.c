/* SPDX-License-Identifier: MIT */

/* Files, directories, names. */
#include "calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define OF_PATHS EACCES, EBADF, EFAULT, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR
#define OF_NAMES OF_PATHS, EDQUOT, EEXIST, ENOSPC, EPERM, EROFS
#define OF_READS EAGAIN, EBADF, EFAULT, EINTR, EINVAL, EIO, EISDIR
#define OF_WRITES \
    EAGAIN, EBADF, EDESTADDRREQ, EDQUOT, EFAULT, EFBIG, EINTR, EINVAL, EIO, ENOSPC, EPERM, EPIPE

/* ---- Opening ------------------------------------------------------------------------------------- */

#define OPENING(name, params, take, args) \
    CALL_ENTRY(name, #name, "open(2)", false, EACCES, EBADF, EBUSY, EDQUOT, EEXIST, EFAULT, EFBIG, EINTR, EINVAL, \
               EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENFILE, ENODEV, ENOENT, ENOMEM, ENOSPC, ENOTDIR, ENXIO, \
               EOPNOTSUPP, EOVERFLOW, EPERM, EROFS, ETXTBSY, EWOULDBLOCK) \
    CALL_FACE(int, name, params) \
    int __wrap_##name params \
    { \
        int error = call_made(&call_##name); \
        take if (error == 0) return __real_##name args; \
        errno = error; \
        return -1; \
    }

#define MODE_OF(flags) \
    mode_t mode = 0; \
    va_list rest; \
    va_start(rest, flags); \
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) \
        mode = va_arg(rest, mode_t); \
    va_end(rest);

OPENING(open64, (const char *path, int flags, ...), MODE_OF(flags), (path, flags, mode))
OPENING(openat64, (int dir, const char *path, int flags, ...), MODE_OF(flags), (dir, path, flags, mode))
OPENING(__open64_2, (const char *path, int flags), , (path, flags))

/* Linux frees the number whatever it says. What has been written may be lost with a file alone. */
#define OF_CLOSING EBADF, EINTR, EIO, ENOSPC, EDQUOT
CALL_ENTRY(close_file, "close of a file", "close(2)", false, OF_CLOSING)
CALL_ENTRY(close_read, "close of a file that was only read", "close(2)", false, OF_CLOSING)
CALL_ENTRY(close_dir, "close of a directory", "close(2)", false, OF_CLOSING)
CALL_ENTRY(close, "close", "close(2)", false, OF_CLOSING)
int __real_fstat64(int fd, struct stat64 *s);
int __real_fcntl64(int fd, int what, ...);
CALL_FACE(int, close, (int fd))
int __wrap_close(int fd)
{
    struct stat64 s = {0};
    (void)__real_fstat64(fd, &s);
    bool is_read = (__real_fcntl64(fd, F_GETFL, 0) & O_ACCMODE) == O_RDONLY;
    call *of_file = is_read ? &call_close_read : &call_close_file;
    int error = call_made(S_ISREG(s.st_mode) ? of_file : S_ISDIR(s.st_mode) ? &call_close_dir : &call_close);
    int rc = __real_close(fd);
    if (error == 0)
        return rc;
    errno = error;
    return -1;
}

CALL(int, dup2, "dup2(2)", (int fd, int wanted), (fd, wanted), EBADF, EBUSY, EINTR, EINVAL, EMFILE)
CALL(int, pipe2, "pipe2(2)", (int fds[2], int flags), (fds, flags), EFAULT, EINVAL, EMFILE, ENFILE, ENOPKG)
CALL_DONE(int, closedir, "closedir(3)", (DIR *d), (d), EBADF)

CALL_ENTRY(opendir, "opendir", "opendir(3)", false, EACCES, EBADF, EMFILE, ENFILE, ENOENT, ENOMEM, ENOTDIR)
CALL_FACE(DIR *, opendir, (const char *path))
DIR *__wrap_opendir(const char *path)
{
    int error = call_made(&call_opendir);
    if (error == 0)
        return __real_opendir(path);
    errno = error;
    return NULL;
}

CALL_ENTRY(readdir64, "readdir64", "readdir(3)", false, EBADF)
CALL_FACE(struct dirent64 *, readdir64, (DIR *d))
struct dirent64 *__wrap_readdir64(DIR *d)
{
    int error = call_made(&call_readdir64);
    if (error == 0)
        return __real_readdir64(d);
    errno = error;
    return NULL;
}

CALL_ENTRY(getcwd, "getcwd", "getcwd(3)", false, EACCES, EFAULT, EINVAL, ENAMETOOLONG, ENOENT, ENOMEM, ERANGE)
CALL_FACE(char *, getcwd, (char *b, size_t size))
char *__wrap_getcwd(char *b, size_t size)
{
    int error = call_made(&call_getcwd);
    if (error == 0)
        return __real_getcwd(b, size);
    errno = error;
    return NULL;
}

/* ---- fcntl and ioctl: what is asked of a descriptor ------------------------------------------------ */

CALL_ENTRY(F_DUPFD, "fcntl F_DUPFD_CLOEXEC", "fcntl(2)", false, EBADF, EINVAL, EMFILE)
CALL_ENTRY(F_FLAGS, "fcntl F_GETFL, F_GETFD", "fcntl(2)", false, EBADF)
CALL_ENTRY(F_SETFLAGS, "fcntl F_SETFL, F_SETFD", "fcntl(2)", false, EBADF, EPERM, EINVAL)
CALL_ENTRY(F_SETPIPE, "fcntl F_SETPIPE_SZ", "fcntl(2)", false, EBADF, EBUSY, EINVAL, ENOMEM, EPERM)
CALL_FACE(int, fcntl64, (int fd, int what, ...))
int __wrap_fcntl64(int fd, int what, ...)
{
    va_list rest;
    va_start(rest, what);
    long value = va_arg(rest, long);
    va_end(rest);
    int error = 0;
    switch (what) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        error = call_made(&call_F_DUPFD);
        break;
    case F_GETFL:
    case F_GETFD:
        error = call_made(&call_F_FLAGS);
        break;
    case F_SETFL:
    case F_SETFD:
        error = call_made(&call_F_SETFLAGS);
        break;
    case F_SETPIPE_SZ:
        error = call_made(&call_F_SETPIPE);
        break;
    default:
        __builtin_trap(); /* fcntl(2): give it its errors */
    }
    if (error == 0)
        return __real_fcntl64(fd, what, value);
    errno = error;
    return -1;
}

CALL_ENTRY(FICLONE_, "ioctl FICLONE", "ioctl_ficlone(2)", false, EBADF, EINVAL, EISDIR, EOPNOTSUPP, EPERM, ETXTBSY,
           EXDEV, EINTR)
CALL_ENTRY(ioctl, "ioctl", "ioctl(2)", false, EBADF, EFAULT, EINVAL, ENOTTY)
CALL_FACE(int, ioctl, (int fd, unsigned long what, ...))
int __wrap_ioctl(int fd, unsigned long what, ...)
{
    va_list rest;
    va_start(rest, what);
    long value = va_arg(rest, long);
    va_end(rest);
    int error = call_made(what == FICLONE ? &call_FICLONE_ : &call_ioctl);
    if (error == 0)
        return __real_ioctl(fd, what, value);
    errno = error;
    return -1;
}

CALL_ENTRY(isatty, "isatty", "isatty(3)", false, EBADF, ENOTTY)
CALL_FACE(int, isatty, (int fd))
int __wrap_isatty(int fd)
{
    int error = call_made(&call_isatty);
    if (error == 0)
        return __real_isatty(fd);
    errno = error;
    return 0;
}

CALL(pid_t, tcgetpgrp, "tcgetpgrp(3)", (int fd), (fd), EBADF, EINVAL, ENOTTY)

/* ---- Bytes --------------------------------------------------------------------------------------- */

#define ONE_PIECE(v, count) \
    struct iovec first = {v->iov_base, v->iov_len > 0}; \
    v = &first; \
    count = 1

/* What has no type of a file: an eventfd, eight bytes at once, and EAGAIN alone when it rings already, since the number
 * is the library's own; and what tells of events, inotify's or signals, of which there are no parts. */
CALL_ENTRY(ring, "write to an eventfd", "eventfd(2)", false, EINTR)
CALL_ENTRY(rung, "read of an eventfd", "eventfd(2)", false, EINTR, EAGAIN)
CALL_ENTRY(events, "read of events", "inotify(7), signalfd(2)", false, OF_READS)
static bool is_nameless(int fd)
{
    struct stat64 s;
    return __real_fstat64(fd, &s) == 0 && (s.st_mode & S_IFMT) == 0;
}

CALL_ENTRY(read, "read", "read(2)", true, OF_READS)
static call *read_of(int fd, size_t size)
{
    if (!is_nameless(fd))
        return &call_read;
    return size == sizeof(uint64_t) ? &call_rung : &call_events;
}

CALL_FACE(ssize_t, read, (int fd, void *b, size_t size))
ssize_t __wrap_read(int fd, void *b, size_t size)
{
    int error = call_made(read_of(fd, size));
    if (error <= 0)
        return __real_read(fd, b, error == CALLS_SHORT ? size > 0 : size);
    call_refused(fd, error);
    errno = error;
    return -1;
}

CALL_ENTRY(write, "write", "write(2)", true, OF_WRITES)
CALL_FACE(ssize_t, write, (int fd, const void *b, size_t size))
ssize_t __wrap_write(int fd, const void *b, size_t size)
{
    int error = call_made(is_nameless(fd) ? &call_ring : &call_write);
    if (error <= 0)
        return __real_write(fd, b, error == CALLS_SHORT ? size > 0 : size);
    call_refused(fd, error);
    errno = error;
    return -1;
}

CALL_OF_BYTES(ssize_t, pread64, "pread(2)", (int fd, void *b, size_t size, off64_t at), (fd, b, size, at),
              size = size > 0, OF_READS, ENXIO, EOVERFLOW, ESPIPE)

CALL_OF_BYTES(ssize_t, pwrite64, "pwrite(2)", (int fd, const void *b, size_t size, off64_t at), (fd, b, size, at),
              size = size > 0, OF_WRITES, ENXIO, EOVERFLOW, ESPIPE)

#define VECTOR(name, page, type, params, args, ...) \
    CALL_ENTRY(name, #name, page, true, __VA_ARGS__) \
    CALL_FACE(ssize_t, name, params) \
    ssize_t __wrap_##name params \
    { \
        int error = call_made(&call_##name); \
        struct iovec first = {count > 0 ? v->iov_base : NULL, count > 0 && v->iov_len > 0}; \
        if (error == 0) \
            return __real_##name args; \
        if (error == CALLS_SHORT) { \
            v = &first; \
            count = 1; \
            ssize_t n = __real_##name args; \
            call_edge(fd); \
            return n; \
        } \
        call_refused(fd, error); \
        errno = error; \
        return -1; \
    }

VECTOR(readv, "readv(2)", ssize_t, (int fd, const struct iovec *v, int count), (fd, v, count), OF_READS, ECONNRESET,
       ETIMEDOUT, ENOTCONN, ENOMEM)
VECTOR(writev, "writev(2)", ssize_t, (int fd, const struct iovec *v, int count), (fd, v, count), OF_WRITES)
VECTOR(preadv64v2, "preadv2(2)", ssize_t, (int fd, const struct iovec *v, int count, off64_t at, int flags),
       (fd, v, count, at, flags), OF_READS, ENXIO, EOVERFLOW, ESPIPE, EOPNOTSUPP)
VECTOR(pwritev64v2, "pwritev2(2)", ssize_t, (int fd, const struct iovec *v, int count, off64_t at, int flags),
       (fd, v, count, at, flags), OF_WRITES, ENXIO, EOVERFLOW, ESPIPE, EOPNOTSUPP)

CALL_ENTRY(sendfile64, "sendfile64", "sendfile(2)", true, EAGAIN, EBADF, EFAULT, EINVAL, EIO, ENOMEM, EOVERFLOW, ESPIPE,
           EINTR, ENOSYS, EPIPE, ECONNRESET)
CALL_FACE(ssize_t, sendfile64, (int fd, int from, off64_t *at, size_t size))
ssize_t __wrap_sendfile64(int fd, int from, off64_t *at, size_t size)
{
    int error = call_made(&call_sendfile64);
    if (error <= 0)
        return __real_sendfile64(fd, from, at, error == CALLS_SHORT ? size > 0 : size);
    call_refused(fd, error);
    errno = error;
    return -1;
}

CALL_ENTRY(copy_file_range, "copy_file_range", "copy_file_range(2)", true, EBADF, EFBIG, EINVAL, EIO, EISDIR, ENOMEM,
           ENOSPC, EOPNOTSUPP, EOVERFLOW, EPERM, ETXTBSY, EXDEV, EINTR, ENOSYS)
CALL_FACE(ssize_t, copy_file_range, (int from, off64_t *a, int to, off64_t *b, size_t size, unsigned flags))
ssize_t __wrap_copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t size, unsigned flags)
{
    int error = call_made(&call_copy_file_range);
    if (error <= 0)
        return __real_copy_file_range(from, a, to, b, error == CALLS_SHORT ? size > 0 : size, flags);
    errno = error;
    return -1;
}

CALL(off64_t, lseek64, "lseek(2)", (int fd, off64_t at, int whence), (fd, at, whence), EBADF, EINVAL, ENXIO, EOVERFLOW,
     ESPIPE)
CALL(int, ftruncate64, "ftruncate(2)", (int fd, off64_t size), (fd, size), EBADF, EFBIG, EINTR, EINVAL, EIO, EPERM,
     ETXTBSY)
CALL(int, fsync, "fsync(2)", (int fd), (fd), EBADF, EINTR, EIO, ENOSPC, EROFS, EINVAL, EDQUOT)
CALL(int, fdatasync, "fdatasync(2)", (int fd), (fd), EBADF, EINTR, EIO, ENOSPC, EROFS, EINVAL, EDQUOT)
CALL(int, flock, "flock(2)", (int fd, int how), (fd, how), EBADF, EINTR, EINVAL, ENOLCK, EWOULDBLOCK)

/* ---- Names --------------------------------------------------------------------------------------- */

CALL(int, fstat64, "fstat(2)", (int fd, struct stat64 *s), (fd, s), EBADF, EFAULT, ENOMEM, EOVERFLOW)
CALL(int, stat64, "stat(2)", (const char *path, struct stat64 *s), (path, s), OF_PATHS, EOVERFLOW)
CALL(int, lstat64, "lstat(2)", (const char *path, struct stat64 *s), (path, s), OF_PATHS, EOVERFLOW)
CALL(int, fstatat64, "fstatat(2)", (int dir, const char *path, struct stat64 *s, int flags), (dir, path, s, flags),
     OF_PATHS, EOVERFLOW)
CALL(int, statvfs64, "statvfs(3)", (const char *path, struct statvfs64 *s), (path, s), OF_PATHS, EINTR, EIO, ENOSYS,
     EOVERFLOW)
CALL(int, access, "access(2)", (const char *path, int mode), (path, mode), OF_PATHS, EIO, EPERM, EROFS, ETXTBSY)
CALL(int, faccessat, "faccessat(2)", (int dir, const char *path, int mode, int flags), (dir, path, mode, flags),
     OF_PATHS, EIO, EPERM, EROFS, ETXTBSY)
CALL(int, chmod, "chmod(2)", (const char *path, mode_t mode), (path, mode), OF_PATHS, EIO, ENOTSUP, EPERM, EROFS)
CALL(int, fchmodat, "fchmodat(2)", (int dir, const char *path, mode_t mode, int flags), (dir, path, mode, flags),
     OF_PATHS, EIO, ENOTSUP, EPERM, EROFS)
CALL(int, utimensat, "utimensat(2)", (int dir, const char *path, const struct timespec t[2], int flags),
     (dir, path, t, flags), OF_PATHS, EPERM, EROFS, ESRCH)
CALL(int, rename, "rename(2)", (const char *from, const char *to), (from, to), OF_NAMES, EBUSY, EISDIR, EMLINK,
     ENOTEMPTY, EXDEV)
CALL(int, renameat2, "renameat2(2)", (int dir, const char *from, int new_dir, const char *to, unsigned flags),
     (dir, from, new_dir, to, flags), OF_NAMES, EBUSY, EISDIR, EMLINK, ENOTEMPTY, EXDEV)
CALL(int, linkat, "linkat(2)", (int dir, const char *path, int new_dir, const char *name, int flags),
     (dir, path, new_dir, name, flags), OF_NAMES, EIO, EMLINK, EXDEV)
CALL(int, symlinkat, "symlinkat(2)", (const char *target, int dir, const char *path), (target, dir, path), OF_NAMES,
     EIO)
CALL(ssize_t, readlink, "readlink(2)", (const char *path, char *b, size_t size), (path, b, size), OF_PATHS, EIO)
CALL(ssize_t, readlinkat, "readlinkat(2)", (int dir, const char *path, char *b, size_t size), (dir, path, b, size),
     OF_PATHS, EIO)
CALL(int, mkdirat, "mkdirat(2)", (int dir, const char *path, mode_t mode), (dir, path, mode), OF_NAMES, EMLINK)
CALL(int, chdir, "chdir(2)", (const char *path), (path), OF_PATHS, EIO)
CALL(int, unlink, "unlink(2)", (const char *path), (path), OF_PATHS, EBUSY, EIO, EISDIR, EPERM, EROFS)
CALL(int, unlinkat, "unlinkat(2), rmdir(2)", (int dir, const char *path, int flags), (dir, path, flags), OF_PATHS,
     EBUSY, EIO, EISDIR, EPERM, EROFS, ENOTEMPTY)

/* ---- inotify ------------------------------------------------------------------------------------- */

CALL(int, inotify_init1, "inotify_init1(2)", (int flags), (flags), EINVAL, EMFILE, ENFILE, ENOMEM)
CALL(int, inotify_add_watch, "inotify_add_watch(2)", (int fd, const char *path, uint32_t mask), (fd, path, mask),
     EACCES, EBADF, EEXIST, EFAULT, EINVAL, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC, ENOTDIR)
CALL_DONE(int, inotify_rm_watch, "inotify_rm_watch(2)", (int fd, int watch), (fd, watch), EBADF, EINVAL)
