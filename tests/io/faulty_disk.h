/* SPDX-License-Identifier: MIT */
#ifndef TESTS_IO_FAULTY_DISK_H
#define TESTS_IO_FAULTY_DISK_H

/* The system's disk, which fails when it is told to, and counts what is open through it.
 *
 *     kt_auto(faulty) *disk = faulty_install();
 *     disk->kind = ON_SYNC, disk->nth = 1, disk->error = EIO;       // the first sync from now on, once
 *     CHECK_ERR(kt_file_sync(f), -EIO);
 *
 *     faulty_each(disk, subject, arg, excuses);     // every call that subject makes, every errno of its page
 *
 * Calls may come from several threads. */

#include "scratch.h"

#include <pthread.h>
#include <sys/file.h>

typedef enum fault_kind {
    ON_NOTHING,
    ON_OPEN,
    ON_CLOSE,
    ON_READ,
    ON_WRITE,
    ON_SEEK,
    ON_TRUNCATE,
    ON_SYNC,
    ON_STAT,
    ON_STATVFS,
    ON_ACCESS,
    ON_CHMOD,
    ON_UTIMENS,
    ON_LOCK,
    ON_RENAME,
    ON_LINK,
    ON_SYMLINK,
    ON_READLINK,
    ON_UNLINK,
    ON_MKDIR,
    ON_ENTRIES,
    ON_CLONE,
    ON_COPY_RANGE,
    ON_SEND_RANGE,
    ON_ALL, /* how many there are */
} fault_kind;

typedef struct faulty {
    kt__disk disk; /* first: the disk is this */
    pthread_mutex_t mutex;
    fault_kind kind;
    int nth;        /* of the calls of that kind, 1 = the next, that fails, ... */
    bool for_good;  /* ... and those that follow it */
    int error;
    bool struck;    /* it has */
    size_t most;    /* bytes that a read or write moves at once; 0 = any */
    int open;       /* descriptors */
    int calls[ON_ALL];
} faulty;

/* Each call's errors, as its manual page lists them (open(2) to fsync(2) and so on), without those that mean bugs
 * of the caller's memory, and without EINTR, which the table's calls never give; 0 ends each. */
static const int fault_errors[ON_ALL][24] = {
    [ON_OPEN] = {EACCES, EAGAIN, EBADF, EBUSY, EDQUOT, EEXIST, EFBIG, EINVAL, EISDIR, ELOOP, EMFILE, ENAMETOOLONG,
                 ENFILE, ENODEV, ENOENT, ENOMEM, ENOSPC, ENOTDIR, ENXIO, EOPNOTSUPP, EOVERFLOW, EPERM, EROFS},
    [ON_CLOSE] = {EBADF, EIO, ENOSPC, EDQUOT},
    [ON_READ] = {EAGAIN, EBADF, EINVAL, EIO, EISDIR, EOVERFLOW},
    [ON_WRITE] = {EAGAIN, EBADF, EDQUOT, EFBIG, EINVAL, EIO, ENOSPC, EPERM, EPIPE},
    [ON_SEEK] = {EBADF, EINVAL, ENXIO, EOVERFLOW, ESPIPE},
    [ON_TRUNCATE] = {EACCES, EFBIG, EINVAL, EIO, EISDIR, EPERM, EROFS, ETXTBSY, EBADF},
    [ON_SYNC] = {EBADF, EIO, ENOSPC, EROFS, EINVAL, EDQUOT},
    [ON_STAT] = {EACCES, EBADF, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EOVERFLOW},
    [ON_STATVFS] = {EACCES, EBADF, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOSYS, ENOTDIR, EOVERFLOW},
    [ON_ACCESS] = {EACCES, EBADF, EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS, ETXTBSY},
    [ON_CHMOD] = {EACCES, EBADF, EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EOPNOTSUPP, EPERM, EROFS},
    [ON_UTIMENS] = {EACCES, EBADF, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, EROFS, ESRCH},
    [ON_LOCK] = {EBADF, EINVAL, ENOLCK, EWOULDBLOCK},
    [ON_RENAME] = {EACCES, EBUSY, EDQUOT, EINVAL, EISDIR, ELOOP, EMLINK, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC, ENOTDIR,
                   ENOTEMPTY, EEXIST, EPERM, EROFS, EXDEV, EBADF},
    [ON_LINK] = {EACCES, EDQUOT, EEXIST, EIO, ELOOP, EMLINK, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC, ENOTDIR, EPERM,
                 EROFS, EXDEV, EBADF, EINVAL},
    [ON_SYMLINK] = {EACCES, EDQUOT, EEXIST, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC, ENOTDIR, EPERM, EROFS,
                    EBADF},
    [ON_READLINK] = {EACCES, EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EBADF},
    [ON_UNLINK] = {EACCES, EBUSY, EIO, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS, EBADF,
                   EINVAL, ENOTEMPTY},
    [ON_MKDIR] = {EACCES, EDQUOT, EEXIST, EINVAL, ELOOP, EMLINK, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC, ENOTDIR, EPERM,
                  EROFS, EBADF},
    [ON_ENTRIES] = {EBADF, EINVAL, ENOENT, ENOTDIR, EIO},
    [ON_CLONE] = {EBADF, EINVAL, EISDIR, EOPNOTSUPP, EPERM, ETXTBSY, EXDEV},
    [ON_COPY_RANGE] = {EBADF, EFBIG, EINVAL, EIO, EISDIR, ENOMEM, ENOSPC, EOPNOTSUPP, EOVERFLOW, EPERM, ETXTBSY, EXDEV},
    [ON_SEND_RANGE] = {EAGAIN, EBADF, EINVAL, EIO, ENOMEM, EOVERFLOW, ESPIPE},
};

/* 0, or the error with which this call must fail. */
static inline int fault(kt__disk *d, fault_kind kind)
{
    faulty *f = (faulty *)d;
    pthread_mutex_lock(&f->mutex);
    f->calls[kind]++;
    bool mine = f->kind == kind && f->nth > 0 && (--f->nth == 0 || (f->struck && f->for_good));
    if (mine) {
        f->struck = true;
        f->nth = f->for_good ? 1 : 0;
    }
    pthread_mutex_unlock(&f->mutex);
    return mine ? -f->error : 0;
}

static inline void count_open(kt__disk *d, int change)
{
    faulty *f = (faulty *)d;
    pthread_mutex_lock(&f->mutex);
    f->open += change;
    pthread_mutex_unlock(&f->mutex);
}

#define FAULTY__CALL(result, name, kind, parameters, ...) \
    static inline result faulty_##name parameters \
    { \
        int rc = fault(d, kind); \
        return rc < 0 ? rc : kt__disk_system.name(&kt__disk_system, __VA_ARGS__); \
    }

FAULTY__CALL(int64_t, seek, ON_SEEK, (kt__disk * d, int fd, int64_t offset, int whence), fd, offset, whence)
FAULTY__CALL(int, truncate, ON_TRUNCATE, (kt__disk * d, int fd, int64_t size), fd, size)
FAULTY__CALL(int, sync, ON_SYNC, (kt__disk * d, int fd, bool data_only), fd, data_only)
FAULTY__CALL(int, stat, ON_STAT, (kt__disk * d, int dir, const char *path, int flags, struct stat *st),
             dir, path, flags, st)
FAULTY__CALL(int, statvfs, ON_STATVFS, (kt__disk * d, const char *path, struct statvfs *st), path, st)
FAULTY__CALL(int, access, ON_ACCESS, (kt__disk * d, int dir, const char *path, int mode, int flags),
             dir, path, mode, flags)
FAULTY__CALL(int, chmod, ON_CHMOD, (kt__disk * d, int dir, const char *path, mode_t mode), dir, path, mode)
FAULTY__CALL(int, utimens, ON_UTIMENS,
             (kt__disk * d, int dir, const char *path, const struct timespec times[2], int flags),
             dir, path, times, flags)
FAULTY__CALL(int, lock, ON_LOCK, (kt__disk * d, int fd, int operation), fd, operation)
FAULTY__CALL(int, rename, ON_RENAME,
             (kt__disk * d, int dir, const char *path, int to_dir, const char *to, unsigned flags),
             dir, path, to_dir, to, flags)
FAULTY__CALL(int, link, ON_LINK,
             (kt__disk * d, int dir, const char *path, int to_dir, const char *to, int flags),
             dir, path, to_dir, to, flags)
FAULTY__CALL(int, symlink, ON_SYMLINK, (kt__disk * d, const char *target, int dir, const char *path),
             target, dir, path)
FAULTY__CALL(ssize_t, readlink, ON_READLINK,
             (kt__disk * d, int dir, const char *path, char *buffer, size_t size), dir, path, buffer, size)
FAULTY__CALL(int, unlink, ON_UNLINK, (kt__disk * d, int dir, const char *path, int flags), dir, path, flags)
FAULTY__CALL(int, mkdir, ON_MKDIR, (kt__disk * d, int dir, const char *path, mode_t mode), dir, path, mode)
FAULTY__CALL(ssize_t, entries, ON_ENTRIES, (kt__disk * d, int fd, void *buffer, size_t size), fd, buffer, size)
FAULTY__CALL(int, clone, ON_CLONE, (kt__disk * d, int from, int to), from, to)

static inline size_t at_most(const kt__disk *d, size_t size)
{
    size_t most = ((const faulty *)d)->most;
    return most > 0 && most < size ? most : size;
}

FAULTY__CALL(ssize_t, copy_range, ON_COPY_RANGE, (kt__disk * d, int from, int to, size_t size),
             from, to, at_most(d, size))
FAULTY__CALL(ssize_t, send_range, ON_SEND_RANGE, (kt__disk * d, int from, int to, size_t size),
             from, to, at_most(d, size))

static inline int faulty_open(kt__disk *d, int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    int rc = fault(d, ON_OPEN);
    if (rc == 0)
        rc = kt__disk_system.open(&kt__disk_system, dir, path, flags, mode, resolve);
    if (rc >= 0)
        count_open(d, 1);
    return rc;
}

/* Whatever it says, the descriptor is closed. */
static inline int faulty_close(kt__disk *d, int fd)
{
    int rc = fault(d, ON_CLOSE), closed = kt__disk_system.close(&kt__disk_system, fd);
    count_open(d, -1);
    return rc < 0 ? rc : closed;
}

static inline ssize_t faulty_read(kt__disk *d, int fd, const struct iovec *pieces, int count,
                                  int64_t offset, int flags)
{
    int rc = fault(d, ON_READ);
    if (rc < 0)
        return rc;
    const struct iovec first = {pieces->iov_base, at_most(d, pieces->iov_len)};
    bool all = ((faulty *)d)->most == 0;
    return kt__disk_system.read(&kt__disk_system, fd, all ? pieces : &first, all ? count : 1, offset, flags);
}

static inline ssize_t faulty_write(kt__disk *d, int fd, const struct iovec *pieces, int count,
                                   int64_t offset, int flags)
{
    int rc = fault(d, ON_WRITE);
    if (rc < 0)
        return rc;
    const struct iovec first = {pieces->iov_base, at_most(d, pieces->iov_len)};
    bool all = ((faulty *)d)->most == 0;
    return kt__disk_system.write(&kt__disk_system, fd, all ? pieces : &first, all ? count : 1, offset, flags);
}

#define FAULTY__ENTRY(name) .name = faulty_##name

/* The running loop's disk, until the end of the scope, which checks that nothing is open. */
static inline faulty *faulty_install(void)
{
    faulty *f = calloc(1, sizeof *f);
    CHECK(f != NULL);
    f->disk = (kt__disk){
        FAULTY__ENTRY(open), FAULTY__ENTRY(close), FAULTY__ENTRY(read), FAULTY__ENTRY(write), FAULTY__ENTRY(seek),
        FAULTY__ENTRY(truncate), FAULTY__ENTRY(sync), FAULTY__ENTRY(stat), FAULTY__ENTRY(statvfs),
        FAULTY__ENTRY(access), FAULTY__ENTRY(chmod), FAULTY__ENTRY(utimens), FAULTY__ENTRY(lock),
        FAULTY__ENTRY(rename), FAULTY__ENTRY(link), FAULTY__ENTRY(symlink), FAULTY__ENTRY(readlink),
        FAULTY__ENTRY(unlink), FAULTY__ENTRY(mkdir), FAULTY__ENTRY(entries), FAULTY__ENTRY(clone),
        FAULTY__ENTRY(copy_range), FAULTY__ENTRY(send_range),
    };
    pthread_mutex_init(&f->mutex, NULL);
    kt__disk_set(&f->disk);
    return f;
}

static inline void faulty_cleanup(faulty **f)
{
    kt__disk_set(NULL);
    CHECK_EQ((*f)->open, 0);
    pthread_mutex_destroy(&(*f)->mutex);
    free(*f);
}

/* From now on no call fails. */
static inline void faulty_calm(faulty *f)
{
    f->kind = ON_NOTHING;
    f->nth = 0;
    f->struck = false;
}

/* Must the subject's result be the error with which its nth call of this kind failed? For those that are none. */
typedef bool (*fault_excuse)(fault_kind kind, int nth, int error, int rc);

static inline int faulty_try(faulty *f, fault_kind kind, int nth, int error, bool for_good, kt_fn subject, void *arg)
{
    faulty_calm(f);
    f->kind = kind;
    f->nth = nth;
    f->error = error;
    f->for_good = for_good;
    return subject(arg);
}

/* Runs the subject with the nth call of a kind failing: false when it makes no such call. */
static inline bool faulty_nth(faulty *f, fault_kind kind, int nth, kt_fn subject, void *arg, fault_excuse excuse)
{
    int open = f->open;
    for (const int *error = fault_errors[kind]; *error; error++) {
        for (int for_good = 0; for_good < 2; for_good++) {
            int rc = faulty_try(f, kind, nth, *error, for_good, subject, arg);
            bool struck = f->struck;
            faulty_calm(f);
            CHECK_EQ(f->open, open);
            if (!struck)
                return false;
            if (rc != -*error && !(excuse && excuse(kind, nth, *error, rc)))
                kt_test_fail("call %d of kind %d failed with %s: the caller got %d (%s)", nth, kind,
                             strerrorname_np(*error), rc, kt_error_detail());
        }
    }
    return true;
}

/* Every call that subject(arg) makes fails with each errno of its manual page, once and for good: the caller
 * gets it, and no descriptor is left. The subject cleans up after itself. How many failures there were. */
static inline int faulty_each(faulty *f, kt_fn subject, void *arg, fault_excuse excuse)
{
    int strikes = 0;
    for (int kind = ON_OPEN; kind < ON_ALL; kind++)
        for (int nth = 1; faulty_nth(f, (fault_kind)kind, nth, subject, arg, excuse); nth++)
            strikes++;
    return strikes;
}

#endif
