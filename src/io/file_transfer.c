/* SPDX-License-Identifier: MIT */

/* Bytes between a file and memory, a piece at a time: the one place that knows where that is done.
 *
 * Reading what the system has in memory is a copy, and is done at once, on the loop (RWF_NOWAIT, preadv2(2)), where
 * the file system can tell. What must wait goes to io_uring where that is the driver, else to the pool: the
 * ring costs less than two threads that wake each other, and many reads in it keep a disk busier than the pool's few
 * threads. `tools/bench reads` measures it. Opening, closing, sync and all else go to the pool. */
#include "io/file_private.h"

#include <errno.h>
#include <kettle/thread.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

/* What is copied on the loop at most, in some 30 us; and what counts as much as any call that need not wait, of which
 * a task makes a few before the others have a turn. */
#define COPY_MOST ((size_t)128 * 1024)
#define COPY_OF_A_CALL ((size_t)8 * 1024)

typedef struct transfer {
    kt_file *file;
    int kind;
    const struct iovec *pieces;
    int count;
    int64_t offset; /* -1: at the position */
    ssize_t n;
} transfer;

static int run_transfer(void *arg)
{
    transfer *t = arg;
    const kt_file *f = t->file;
    if (t->kind == KT__OP_FILE_READ)
        t->n = f->disk->read(f->disk, f->fd, t->pieces, t->count, t->offset, 0);
    else
        t->n = f->disk->write(f->disk, f->fd, t->pieces, t->count, t->offset, 0);
    return t->n < 0 ? (int)t->n : 0;
}

static bool is_long(const transfer *t)
{
    size_t size = 0;
    for (int i = 0; i < t->count; i++)
        size += t->pieces[i].iov_len; /* of a trip at most */
    return size > COPY_MOST;
}

/* False: it must be done elsewhere. A large copy counts as several calls that need not wait. */
static bool read_now(transfer *t)
{
    kt_file *f = t->file;
    if (!f->nowait || kt__loop->simulated || is_long(t))
        return false;
    t->n = f->disk->read(f->disk, f->fd, t->pieces, t->count, t->offset, RWF_NOWAIT);
    if (t->n == -EOPNOTSUPP)
        f->nowait = false;
    if (t->n > 0)
        kt__loop->io_streak += (unsigned)((size_t)t->n / COPY_OF_A_CALL);
    return t->n != -EOPNOTSUPP && t->n != -EAGAIN;
}

/* Beyond that limit SIGXFSZ comes to who writes: the pool's threads block it, the loop's, on which the ring may write,
 * does not. */
static bool size_is_limited(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

/* io_uring forgets to move the position where it completes a transfer later (O_DIRECT, some FUSE), so it gets an offset
 * in every case. What has no position, or where the system chooses the place, is not for it. */
static bool ring_can(const transfer *t)
{
    const kt_file *f = t->file;
    return kt__loop->driver == &kt__driver_uring && f->disk->is_system &&
           (t->offset >= 0 || (f->regular && !f->append)) && (t->kind == KT__OP_FILE_READ || !size_is_limited());
}

/* The descriptor's state is this call's own: others may be at the same file. A descriptor that is O_NONBLOCK, which the
 * program has asked for or set, gives -EAGAIN. */
static ssize_t run_op(kt_task *self, const transfer *t, int64_t offset)
{
    ssize_t n;
    do {
        kt__fd fd = {.fd = t->file->fd};
        kt__op *op = kt__op_init(self, t->kind, &fd);
        op->pieces = (struct iovec *)(uintptr_t)t->pieces;
        op->count = (unsigned)t->count;
        op->offset = offset;
        op->long_copy = is_long(t);
        n = kt__op_run(self);
    } while (n == -EINTR);
    return n;
}

static ssize_t run_in_ring(kt_task *self, const transfer *t)
{
    const kt_file *f = t->file;
    if (t->offset >= 0)
        return run_op(self, t, t->offset);
    int64_t at = f->disk->seek(f->disk, f->fd, 0, SEEK_CUR);
    ssize_t n = at < 0 ? (ssize_t)at : run_op(self, t, at);
    if (n > 0)
        at = f->disk->seek(f->disk, f->fd, at + n, SEEK_SET);
    return at < 0 ? (ssize_t)at : n;
}

static ssize_t run(kt_task *self, transfer *t)
{
    if (ring_can(t)) {
        ssize_t n = run_in_ring(self, t);
        if (n != -EAGAIN)
            return n;
    }
    int rc = kt_thread_run(run_transfer, t, 0);
    return rc < 0 ? rc : t->n;
}

ssize_t kt__file_read_some(kt_file *f, const struct iovec *pieces, int count, int64_t offset)
{
    kt_task *self = kt__self("reading from a file");
    transfer t = {.file = f, .kind = KT__OP_FILE_READ, .pieces = pieces, .count = count, .offset = offset};
    ssize_t n = kt__op_turn(self);
    if (n == 0)
        n = read_now(&t) ? t.n : run(self, &t);
    return n < 0 ? kt__disk_failed((int)n, "read", f->name) : n;
}

ssize_t kt__file_write_some(kt_file *f, const struct iovec *pieces, int count, int64_t offset)
{
    transfer t = {.file = f, .kind = KT__OP_FILE_WRITE, .pieces = pieces, .count = count, .offset = offset};
    ssize_t n = run(kt__self("writing to a file"), &t);
    if (n == 0)
        n = -EIO; /* no file does that, and asking again might never end */
    return n < 0 ? kt__disk_failed((int)n, "write", f->name) : n;
}

/* ---- At an offset ---------------------------------------------------------------------------- */

static int check_place(const kt_file *f, const char *what, size_t count, int64_t offset)
{
    if (offset < 0)
        return kt_error_set(-EINVAL, "%s %s: there is no offset %lld", what, f->name, (long long)offset);
    if (count > IOV_MAX)
        return kt_error_set(-EINVAL, "%s %s: more than %d pieces", what, f->name, IOV_MAX);
    return 0;
}

int kt__file_begin_at(kt_file *f, const char *what, size_t count, int64_t offset, const void *site)
{
    int rc = check_place(f, what, count, offset);
    if (rc < 0 || (!f->dirty && kt__file_buffered(f) == 0))
        return rc < 0 ? rc : kt__file_enter(f, what);
    rc = kt__file_take(f, what, site);
    if (rc < 0)
        return rc;
    rc = kt__file_settle(f);
    if (rc == 0)
        rc = kt__file_enter(f, what);
    kt__file_give(f);
    return rc;
}

int kt__file_window(const struct iovec *pieces, size_t count, size_t skip, struct iovec *window)
{
    size_t left = KT__TRIP_BYTES;
    int n = 0;
    for (size_t i = 0; i < count && n < KT__FILE_WINDOW && left > 0; i++) {
        if (skip >= pieces[i].iov_len) {
            skip -= pieces[i].iov_len;
            continue;
        }
        size_t size = pieces[i].iov_len - skip;
        size = size < left ? size : left;
        window[n++] = (struct iovec){(char *)pieces[i].iov_base + skip, size};
        left -= size;
        skip = 0;
    }
    return n;
}
