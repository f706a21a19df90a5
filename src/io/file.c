/* SPDX-License-Identifier: MIT */

/* Files: their life, and what is done to them as a whole. */
#include "io/file_private.h"

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/thread.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <unistd.h>

#include "core/eyes.h"


/* ---- Turns --------------------------------------------------------------------------------- */

int kt__file_enter(kt_file *f, const char *what)
{
    (void)kt__self(what);
    if (f->closing)
        return KT_ECLOSED;
    f->users++;
    return 0;
}

void kt__file_leave(kt_file *f)
{
    if (--f->users == 0)
        kt__line_wake(&f->closers, 0);
}

int kt__file_take(kt_file *f, const char *what, const void *site)
{
    int rc = kt__file_enter(f, what);
    if (rc < 0)
        return rc;
    rc = kt__lock_acquire(&f->turn, site);
    if (rc == 0 && f->closing) {
        kt_lock_release(&f->turn);
        rc = KT_ECLOSED;
    }
    if (rc < 0)
        kt__file_leave(f);
    return rc;
}

void kt__file_give(kt_file *f)
{
    kt_lock_release(&f->turn);
    kt__file_leave(f);
}

/* ---- The buffer ---------------------------------------------------------------------------- */

/* What was unread or unwritten is at its front afterwards. */
int kt__file_buffer(kt_file *f, size_t capacity)
{
    if (f->start > 0) {
        memmove(f->buffer, f->buffer + f->start, kt__file_buffered(f));
        f->end -= f->start;
        f->start = 0;
    }
    if (capacity <= f->capacity)
        return 0;
    char *buffer = kt_realloc(f->buffer, capacity);
    if (!buffer)
        return -ENOMEM;
    f->buffer = buffer;
    f->capacity = capacity;
    return 0;
}

int kt__file_unread(kt_file *f)
{
    int64_t ahead = (int64_t)kt__file_buffered(f);
    if (ahead > 0) {
        int64_t at = f->disk->seek(f->disk, f->fd, -ahead, SEEK_CUR);
        if (at < 0)
            return kt__disk_failed((int)at, "seek", f->name);
    }
    f->start = f->end = 0;
    return 0;
}

int kt__file_settle(kt_file *f)
{
    return f->dirty ? kt__file_write_out(f) : kt__file_unread(f);
}

int kt__file_write_out(kt_file *f)
{
    while (f->dirty && f->start < f->end) {
        const struct iovec piece = {f->buffer + f->start, kt__file_buffered(f)};
        ssize_t n = kt__file_write_some(f, &piece, 1, -1);
        if (n < 0)
            return (int)n;
        f->start += (size_t)n;
    }
    if (f->dirty)
        f->start = f->end = 0;
    f->dirty = false;
    return 0;
}

/* ---- Opening ------------------------------------------------------------------------------- */

static kt_file *file_new(kt__disk *disk, const char *name, int flags)
{
    size_t size = strlen(name) + 1;
    kt_file *f = kt_calloc(1, sizeof *f + size);
    if (!f)
        return NULL;
    f->disk = disk;
    f->fd = -1;
    f->append = flags & O_APPEND;
    f->nowait = !(flags & O_DIRECT); /* whose reads wait for the disk whatever RWF_NOWAIT says */
    memcpy(f->name, name, size);
    return f;
}

static void file_free(kt_file *f)
{
    kt_free(f->buffer);
    kt_free(f);
}

typedef struct opening {
    kt_file *file;
    int dir, flags;
    mode_t mode;
    uint64_t resolve;
} opening;

/* O_NONBLOCK says nothing about regular files, but io_uring takes it for a wish not to wait. */
static int as_asked(const kt_file *f, int flags)
{
    if (flags & (O_NONBLOCK | O_PATH) || !f->disk->is_system)
        return 0;
    int now = fcntl(f->fd, F_GETFL);
    return now < 0 || fcntl(f->fd, F_SETFL, now & ~O_NONBLOCK) < 0 ? -errno : 0;
}

static int check_kind(kt_file *f, int flags)
{
    struct stat st;
    int rc = f->disk->stat(f->disk, f->fd, "", AT_EMPTY_PATH, &st);
    if (rc < 0)
        return rc;
    if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
        return -ESPIPE;
    f->regular = S_ISREG(st.st_mode);
    f->nowait = f->nowait && f->regular;
    return f->regular ? as_asked(f, flags) : 0;
}

static int run_open(void *arg)
{
    opening *o = arg;
    kt_file *f = o->file;
    int flags = o->flags & O_PATH ? o->flags : o->flags | O_NONBLOCK; /* no peer of a FIFO is waited for */
    int rc = f->disk->open(f->disk, o->dir, f->name, flags, o->mode, o->resolve);
    if (rc < 0)
        return rc;
    f->fd = rc;
    rc = check_kind(f, o->flags);
    if (rc == 0)
        return 0;
    (void)f->disk->close(f->disk, f->fd); /* nothing was written */
    return rc;
}

static int open_file(opening *o, kt__disk *disk, const char *path, const void *site, kt_file **ret_file)
{
    o->file = file_new(disk, path, o->flags);
    if (!o->file)
        return -ENOMEM;
    int rc = kt_thread_run(run_open, o, 0);
    if (rc < 0) {
        kt_free(o->file);
        return kt__disk_failed(rc, "open", path);
    }
    kt__opened(o->file, "a file", site, NULL);
    *ret_file = o->file;
    return 0;
}

int kt_file_open(const char *path, int flags, mode_t mode, kt_file **ret_file)
{
    (void)kt__self("kt_file_open");
    opening o = {.dir = AT_FDCWD, .flags = flags, .mode = mode};
    return open_file(&o, kt__disk_here(), path, KT__SITE, ret_file);
}

int kt_file_open_beneath(kt_file *root, const char *path, int flags, mode_t mode, kt_file **ret_file)
{
    int rc = kt__file_enter(root, "kt_file_open_beneath");
    if (rc < 0)
        return rc;
    opening o = {
        .dir = root->fd,
        .flags = flags,
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    rc = open_file(&o, root->disk, path, KT__SITE, ret_file);
    kt__file_leave(root);
    return rc;
}

int kt_file_adopt(int fd, kt_file **ret_file)
{
    char name[32];
    if (!kt__loop)
        return kt_error_set(KT_ENOTRUNNING, "kt_file_adopt outside kt_run");
    kt__disk *disk = kt__disk_here();
    snprintf(name, sizeof name, "descriptor %d", fd);
    int flags = disk->is_system ? fcntl(fd, F_GETFL) : 0;
    if (flags < 0)
        return kt__disk_failed(-errno, "adopt", name);
    kt_file *f = file_new(disk, name, flags);
    if (!f)
        return -ENOMEM;
    f->fd = fd;
    int rc = check_kind(f, O_NONBLOCK);
    if (rc < 0) {
        kt_free(f);
        return kt__disk_failed(rc, "adopt", name);
    }
    kt__opened(f, "a file", KT__SITE, NULL);
    *ret_file = f;
    return 0;
}

/* ---- Closing ------------------------------------------------------------------------------- */

/* With the writing, it is one trip. */
static int run_close(void *arg)
{
    kt_file *f = arg;
    int rc = 0;
    while (f->dirty && f->start < f->end && rc == 0) {
        const struct iovec piece = {f->buffer + f->start, kt__file_buffered(f)};
        ssize_t n = f->disk->write(f->disk, f->fd, &piece, 1, -1, 0);
        rc = n > 0 ? 0 : n < 0 ? (int)n : -EIO;
        f->start += n > 0 ? (size_t)n : 0;
    }
    int closed = f->disk->close(f->disk, f->fd);
    return rc < 0 ? rc : closed;
}

static const kt__wait wait_closing = {.what = "the end of other calls on a file"};

static void await_users(kt_file *f)
{
    if (f->users == 0)
        return;
    kt_task *self = kt__self("closing a file that a task uses");
    kt_cancel_hold();
    (void)kt__line_up(self, &f->closers, &wait_closing, f);
    kt_cancel_unhold();
}

int kt_file_close(kt_file *f)
{
    if (!f)
        return 0;
    if (f->closing)
        kt__misuse("kt_file_close: another task closes %s already", f->name);
    f->closing = true;
    kt__closed(f, "a file");
    await_users(f);
    int rc = kt__disk_release(run_close, f);
    if (rc < 0)
        rc = kt__disk_failed(rc, "close", f->name);
    file_free(f);
    return rc;
}

int kt_file_detach(kt_file *f, int *ret_fd)
{
    int rc = kt__file_take(f, "kt_file_detach", KT__SITE);
    if (rc < 0)
        return rc;
    rc = kt__file_settle(f);
    if (f->users > 1)
        kt__misuse("kt_file_detach: other tasks are at %s", f->name);
    if (rc == 0 && f->closing)
        rc = KT_ECLOSED;
    kt__file_give(f);
    if (rc < 0)
        return rc;
    kt__closed(f, "a file");
    *ret_fd = f->fd;
    file_free(f);
    return 0;
}

/* ---- As a whole ---------------------------------------------------------------------------- */

/* What is done on the pool, after what is buffered is written. */
typedef struct job {
    kt_file *file;
    int64_t number; /* an argument, or the result */
    int whence;
    struct stat *st;
} job;

static int run_job(kt_file *f, kt_fn fn, job *j, const char *what)
{
    int rc = kt__file_write_out(f);
    if (rc < 0)
        return rc;
    j->file = f;
    rc = kt_thread_run(fn, j, 0);
    return rc < 0 ? kt__disk_failed(rc, what, f->name) : 0;
}

static int run_seek(void *arg)
{
    job *j = arg;
    j->number = j->file->disk->seek(j->file->disk, j->file->fd, j->number, j->whence);
    return j->number < 0 ? (int)j->number : 0;
}

static int64_t seek_now(kt_file *f, int64_t offset, int whence)
{
    int64_t at = f->disk->seek(f->disk, f->fd, offset, whence);
    return at < 0 ? kt__disk_failed((int)at, "seek", f->name) : at;
}

static int64_t seek(kt_file *f, int64_t offset, int whence)
{
    job j = {.number = offset, .whence = whence};
    int rc = kt__file_settle(f);
    if (rc < 0)
        return rc;
    if (whence == SEEK_SET || whence == SEEK_CUR)
        return seek_now(f, offset, whence);
    rc = run_job(f, run_seek, &j, "seek");
    return rc < 0 ? rc : j.number;
}

int64_t kt_file_seek(kt_file *f, int64_t offset, int whence)
{
    int64_t at = kt__file_take(f, "kt_file_seek", KT__SITE);
    if (at < 0)
        return at;
    at = seek(f, offset, whence);
    kt__file_give(f);
    return at;
}

static int64_t tell(kt_file *f)
{
    int rc = f->append ? kt__file_write_out(f) : 0;
    if (rc < 0)
        return rc;
    int64_t at = seek_now(f, 0, SEEK_CUR), here = (int64_t)kt__file_buffered(f);
    if (at >= 0 && !f->dirty && at < here) /* a device says 0 wherever it is */
        return kt__disk_failed(-ESPIPE, "tell", f->name);
    return at < 0 ? at : f->dirty ? at + here : at - here;
}

int64_t kt_file_tell(kt_file *f)
{
    int64_t at = kt__file_take(f, "kt_file_tell", KT__SITE);
    if (at < 0)
        return at;
    at = tell(f);
    kt__file_give(f);
    return at;
}

static int run_truncate(void *arg)
{
    const job *j = arg;
    return j->file->disk->truncate(j->file->disk, j->file->fd, j->number);
}

int kt_file_truncate(kt_file *f, int64_t size)
{
    job j = {.number = size};
    int rc = kt__file_take(f, "kt_file_truncate", KT__SITE);
    if (rc < 0)
        return rc;
    rc = kt__file_settle(f); /* what was read ahead may be what is cut off */
    if (rc == 0)
        rc = run_job(f, run_truncate, &j, "truncate");
    kt__file_give(f);
    return rc;
}

static int run_stat(void *arg)
{
    const job *j = arg;
    return j->file->disk->stat(j->file->disk, j->file->fd, "", AT_EMPTY_PATH, j->st);
}

int kt_file_stat(kt_file *f, struct stat *ret_stat)
{
    struct stat st;
    job j = {.st = &st};
    int rc = kt__file_take(f, "kt_file_stat", KT__SITE);
    if (rc < 0)
        return rc;
    rc = run_job(f, run_stat, &j, "stat");
    kt__file_give(f);
    if (rc == 0)
        *ret_stat = st;
    return rc;
}

int64_t kt_file_size(kt_file *f)
{
    struct stat st;
    int rc = kt_file_stat(f, &st);
    return rc < 0 ? rc : st.st_size;
}

int kt_file_fd(const kt_file *f)
{
    return f->fd;
}

const char *kt_file_name(const kt_file *f)
{
    return f->name;
}
