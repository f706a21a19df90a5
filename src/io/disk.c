/* SPDX-License-Identifier: MIT */

/* The system's disk: one call each, begun again when a signal cut it short. */
#include "io/disk.h"

#include <errno.h>
#include <kettle/thread.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/core.h"

/* A call's result, or its negated errno; begun again after EINTR. */
#define AGAIN(call)                                                                                \
    __extension__({                                                                                \
        ssize_t result_ = TEMP_FAILURE_RETRY(call);                                                \
        result_ < 0 ? -errno : result_;                                                            \
    })

/* Of an openat2 that lost races against renames, which it reports by -EAGAIN. */
#define RACES_MAX 100

/* openat2 only where it is needed: filters of containers that are older than it refuse it. */
static int open_resolved(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    const struct open_how how = {
        .flags = (uint64_t)(unsigned)flags,
        .mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0, /* it has O_DIRECTORY in it */
        .resolve = resolve,
    };
    int fd = -EAGAIN;
    for (int races = 0; races < RACES_MAX && fd == -EAGAIN; races++)
        fd = (int)AGAIN(syscall(SYS_openat2, dir, path, &how, sizeof how));
    return fd;
}

static int system_open(kt__disk *d, int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    (void)d;
    if (resolve)
        return open_resolved(dir, path, flags | O_CLOEXEC, mode, resolve);
    return (int)AGAIN(openat(dir, path, flags | O_CLOEXEC, mode));
}

/* Not begun again: on Linux the descriptor is gone in any case, close(2). */
static int system_close(kt__disk *d, int fd)
{
    (void)d;
    return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

static ssize_t system_read(kt__disk *d, int fd, const struct iovec *pieces, int count, int64_t offset,
                           int flags)
{
    (void)d;
    return AGAIN(preadv2(fd, pieces, count, offset, flags));
}

static ssize_t system_write(kt__disk *d, int fd, const struct iovec *pieces, int count, int64_t offset,
                            int flags)
{
    (void)d;
    return AGAIN(pwritev2(fd, pieces, count, offset, flags));
}

static int64_t system_seek(kt__disk *d, int fd, int64_t offset, int whence)
{
    (void)d;
    off_t at = lseek(fd, offset, whence);
    return at < 0 ? -errno : at;
}

static int system_truncate(kt__disk *d, int fd, int64_t size)
{
    (void)d;
    return (int)AGAIN(ftruncate(fd, size));
}

static int system_sync(kt__disk *d, int fd, bool data_only)
{
    (void)d;
    return (int)AGAIN(data_only ? fdatasync(fd) : fsync(fd));
}

static int system_stat(kt__disk *d, int dir, const char *path, int flags, struct stat *ret_stat)
{
    (void)d;
    return fstatat(dir, path, ret_stat, flags) < 0 ? -errno : 0;
}

static int system_statvfs(kt__disk *d, const char *path, struct statvfs *ret_stat)
{
    (void)d;
    return (int)AGAIN(statvfs(path, ret_stat));
}

static int system_access(kt__disk *d, int dir, const char *path, int mode, int flags)
{
    (void)d;
    return faccessat(dir, path, mode, flags) < 0 ? -errno : 0;
}

static int system_chmod(kt__disk *d, int dir, const char *path, mode_t mode)
{
    (void)d;
    return fchmodat(dir, path, mode, 0) < 0 ? -errno : 0;
}

static int system_utimens(kt__disk *d, int dir, const char *path, const struct timespec times[2], int flags)
{
    (void)d;
    return utimensat(dir, path, times, flags) < 0 ? -errno : 0;
}

static int system_lock(kt__disk *d, int fd, int operation)
{
    (void)d;
    return (int)AGAIN(flock(fd, operation));
}

/* ---- Names --------------------------------------------------------------------------------- */

static int system_rename(kt__disk *d, int dir, const char *path, int new_dir, const char *new_path,
                         unsigned flags)
{
    (void)d;
    return renameat2(dir, path, new_dir, new_path, flags) < 0 ? -errno : 0;
}

static int system_link(kt__disk *d, int dir, const char *path, int new_dir, const char *new_path, int flags)
{
    (void)d;
    return linkat(dir, path, new_dir, new_path, flags) < 0 ? -errno : 0;
}

static int system_symlink(kt__disk *d, const char *target, int dir, const char *path)
{
    (void)d;
    return symlinkat(target, dir, path) < 0 ? -errno : 0;
}

static ssize_t system_readlink(kt__disk *d, int dir, const char *path, char *buffer, size_t size)
{
    (void)d;
    ssize_t n = readlinkat(dir, path, buffer, size);
    return n < 0 ? -errno : n;
}

static int system_unlink(kt__disk *d, int dir, const char *path, int flags)
{
    (void)d;
    return unlinkat(dir, path, flags) < 0 ? -errno : 0;
}

static int system_mkdir(kt__disk *d, int dir, const char *path, mode_t mode)
{
    (void)d;
    return mkdirat(dir, path, mode) < 0 ? -errno : 0;
}

static ssize_t system_entries(kt__disk *d, int fd, void *buffer, size_t size)
{
    (void)d;
    ssize_t n = syscall(SYS_getdents64, fd, buffer, size);
    return n < 0 ? -errno : n;
}

/* ---- From file to file --------------------------------------------------------------------- */

static int system_clone(kt__disk *d, int from, int to)
{
    (void)d;
    return (int)AGAIN(ioctl(to, FICLONE, from));
}

static ssize_t system_copy_range(kt__disk *d, int from, int to, size_t size)
{
    (void)d;
    return AGAIN(copy_file_range(from, NULL, to, NULL, size, 0));
}

static ssize_t system_send_range(kt__disk *d, int from, int to, size_t size)
{
    (void)d;
    return AGAIN(sendfile(to, from, NULL, size));
}

kt__disk kt__disk_system = {
    .is_system = true,
    .open = system_open,
    .close = system_close,
    .read = system_read,
    .write = system_write,
    .seek = system_seek,
    .truncate = system_truncate,
    .sync = system_sync,
    .stat = system_stat,
    .statvfs = system_statvfs,
    .access = system_access,
    .chmod = system_chmod,
    .utimens = system_utimens,
    .lock = system_lock,
    .rename = system_rename,
    .link = system_link,
    .symlink = system_symlink,
    .readlink = system_readlink,
    .unlink = system_unlink,
    .mkdir = system_mkdir,
    .entries = system_entries,
    .clone = system_clone,
    .copy_range = system_copy_range,
    .send_range = system_send_range,
};

/* ---- On the loop --------------------------------------------------------------------------- */

kt__disk *kt__disk_here(void)
{
    const kt_loop *l = kt__loop;
    return l && l->disk ? l->disk : &kt__disk_system;
}

kt__disk *kt__disk_set(kt__disk *d)
{
    kt__disk *before = kt__loop->disk;
    kt__loop->disk = d;
    return before;
}

int kt__disk_failed(int rc, const char *what, const char *path)
{
    return kt_is_cancel(rc) ? rc : kt_error_set(rc, "%s %s: %s", what, path, kt_strerror(rc));
}

typedef struct release {
    int (*fn)(void *arg);
    void *arg;
    bool done;
    int rc;
} release;

static int run_release(void *arg)
{
    release *r = arg;
    r->rc = r->fn(r->arg);
    r->done = true;
    return 0;
}

int kt__disk_release(int (*fn)(void *arg), void *arg)
{
    release r = {.fn = fn, .arg = arg};
    if (kt_task_current()) {
        kt_cancel_hold();
        int rc = kt_thread_run(run_release, &r, 0);
        (void)rc; /* no memory, or no thread: then it is done here */
        kt_cancel_unhold();
    }
    if (!r.done)
        (void)run_release(&r);
    return r.rc;
}
