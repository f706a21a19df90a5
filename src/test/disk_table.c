/* SPDX-License-Identifier: MIT */

/* The calls as the library makes them: each is counted, takes its time, and fails when it is to fail. */
#include "test/disk.h"

#include <errno.h>
#include <kettle/simulated.h>

#include "test/kit.h"

static kt_test_disk *of(kt__disk *calls)
{
    return (kt_test_disk *)(void *)calls;
}

static int fault(kt_test_disk *d, kt_test_disk_call call)
{
    kt__fault *f = &d->faults[call];
    if (f->in == 0 || --f->in > 0)
        return 0;
    d->failed = true;
    return f->code;
}

/* Begins a call: 0, or what it fails with. */
static int begin(kt_test_disk *d, kt_test_disk_call call)
{
    pthread_mutex_lock(&d->mutex);
    d->counts[KT_TEST_DISK_ANY]++;
    d->counts[call]++;
    if (d->power_in > 0 && --d->power_in == 0)
        d->off = true;
    if (d->off)
        return -EIO;
    kt_time jitter = d->options.jitter > 0 ? (kt_time)kt__sim_below(d, (uint64_t)d->options.jitter + 1) : 0;
    kt__job_lasts(d->options.latency + jitter);
    int any = fault(d, KT_TEST_DISK_ANY), rc = fault(d, call);
    return any < 0 ? any : rc;
}

static int64_t end(kt_test_disk *d, int64_t result)
{
    pthread_mutex_unlock(&d->mutex);
    return result;
}

/* The body of a call: `expression` on disk `d`, unless it fails. */
#define CALL(type, call, expression)                                                               \
    kt_test_disk *d = of(calls);                                                                   \
    int rc = begin(d, KT_TEST_DISK_##call);                                                        \
    return (type)end(d, rc < 0 ? rc : (expression))

static int sim_open(kt__disk *calls, int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    CALL(int, OPEN, kt__sim_open(d, dir, path, flags, mode, resolve));
}

/* The descriptor is gone in any case. */
static int sim_close(kt__disk *calls, int fd)
{
    kt_test_disk *d = of(calls);
    int rc = begin(d, KT_TEST_DISK_CLOSE), closed = kt__sim_close(d, fd);
    return (int)end(d, rc == 0 || d->off ? closed : rc);
}

static ssize_t sim_read(kt__disk *calls, int fd, const struct iovec *pieces, int count, int64_t offset, int flags)
{
    CALL(ssize_t, READ, kt__sim_read(d, fd, pieces, count, offset, flags));
}

static ssize_t sim_write(kt__disk *calls, int fd, const struct iovec *pieces, int count, int64_t offset, int flags)
{
    CALL(ssize_t, WRITE, kt__sim_write(d, fd, pieces, count, offset, flags));
}

static int64_t sim_seek(kt__disk *calls, int fd, int64_t offset, int whence)
{
    CALL(int64_t, SEEK, kt__sim_seek(d, fd, offset, whence));
}

static int sim_truncate(kt__disk *calls, int fd, int64_t size)
{
    CALL(int, TRUNCATE, kt__sim_truncate(d, fd, size));
}

static int sim_sync(kt__disk *calls, int fd, bool data_only)
{
    kt_test_disk *d = of(calls);
    kt__open *o;
    int rc = begin(d, KT_TEST_DISK_SYNC);
    if (rc < 0 && !d->off && kt__sim_descriptor(d, fd, &o) == 0)
        kt__sim_node_lose(d, o->node);
    return (int)end(d, rc < 0 ? rc : kt__sim_sync(d, fd, data_only));
}

static int sim_stat(kt__disk *calls, int dir, const char *path, int flags, struct stat *ret_stat)
{
    CALL(int, STAT, kt__sim_stat(d, dir, path, flags, ret_stat));
}

static int sim_statvfs(kt__disk *calls, const char *path, struct statvfs *ret_stat)
{
    CALL(int, STATVFS, kt__sim_statvfs(d, path, ret_stat));
}

static int sim_access(kt__disk *calls, int dir, const char *path, int mode, int flags)
{
    CALL(int, ACCESS, kt__sim_access(d, dir, path, mode, flags));
}

static int sim_chmod(kt__disk *calls, int dir, const char *path, mode_t mode)
{
    CALL(int, CHMOD, kt__sim_chmod(d, dir, path, mode));
}

static int sim_utimens(kt__disk *calls, int dir, const char *path, const struct timespec times[2], int flags)
{
    CALL(int, UTIMENS, kt__sim_utimens(d, dir, path, times, flags));
}

static int sim_lock(kt__disk *calls, int fd, int operation)
{
    CALL(int, LOCK, kt__sim_lock(d, fd, operation));
}

static int sim_rename(kt__disk *calls, int dir, const char *path, int new_dir, const char *new_path, unsigned flags)
{
    CALL(int, RENAME, kt__sim_rename(d, dir, path, new_dir, new_path, flags));
}

static int sim_link(kt__disk *calls, int dir, const char *path, int new_dir, const char *new_path, int flags)
{
    CALL(int, LINK, kt__sim_link(d, dir, path, new_dir, new_path, flags));
}

static int sim_symlink(kt__disk *calls, const char *target, int dir, const char *path)
{
    CALL(int, SYMLINK, kt__sim_symlink(d, target, dir, path));
}

static ssize_t sim_readlink(kt__disk *calls, int dir, const char *path, char *buffer, size_t size)
{
    CALL(ssize_t, READLINK, kt__sim_readlink(d, dir, path, buffer, size));
}

static int sim_unlink(kt__disk *calls, int dir, const char *path, int flags)
{
    CALL(int, UNLINK, kt__sim_unlink(d, dir, path, flags));
}

static int sim_mkdir(kt__disk *calls, int dir, const char *path, mode_t mode)
{
    CALL(int, MKDIR, kt__sim_mkdir(d, dir, path, mode));
}

static ssize_t sim_entries(kt__disk *calls, int fd, void *buffer, size_t size)
{
    CALL(ssize_t, ENTRIES, kt__sim_entries(d, fd, buffer, size));
}

static int sim_clone(kt__disk *calls, int from, int to)
{
    CALL(int, CLONE, kt__sim_clone(d, from, to));
}

static ssize_t sim_copy_range(kt__disk *calls, int from, int to, size_t size)
{
    CALL(ssize_t, COPY_RANGE, kt__sim_copy_range(d, from, to, size));
}

static ssize_t sim_send_range(kt__disk *calls, int from, int to, size_t size)
{
    CALL(ssize_t, SEND_RANGE, kt__sim_send_range(d, from, to, size));
}

const kt__disk kt__sim_table = {
    .is_system = false,
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .write = sim_write,
    .seek = sim_seek,
    .truncate = sim_truncate,
    .sync = sim_sync,
    .stat = sim_stat,
    .statvfs = sim_statvfs,
    .access = sim_access,
    .chmod = sim_chmod,
    .utimens = sim_utimens,
    .lock = sim_lock,
    .rename = sim_rename,
    .link = sim_link,
    .symlink = sim_symlink,
    .readlink = sim_readlink,
    .unlink = sim_unlink,
    .mkdir = sim_mkdir,
    .entries = sim_entries,
    .clone = sim_clone,
    .copy_range = sim_copy_range,
    .send_range = sim_send_range,
};
