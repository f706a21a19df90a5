/* SPDX-License-Identifier: MIT */

#include "io/copy.h"

#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <kettle/thread.h>
#include <stdio.h>

#define TRIP_BYTES ((size_t)4 << 20)
#define RUN_COST ((size_t)64 << 10) /* finding the next data weighs as copying so much */
#define BUFFER_BYTES ((size_t)256 << 10)

/* From the best to the plainest: each that cannot leaves the rest to the next. */
enum { CLONE, COPY_RANGE, SEND_RANGE, READ_WRITE };

/* ---- Beginning ----------------------------------------------------------------------------- */

static int open_source(kt__copy *c)
{
    const int flags = O_RDONLY | O_NONBLOCK | (c->from_dir == AT_FDCWD ? 0 : O_NOFOLLOW);
    struct stat st;
    c->in = c->disk->open(c->disk, c->from_dir, c->from, flags, 0, 0);
    int rc = c->in < 0 ? c->in : c->disk->stat(c->disk, c->in, "", AT_EMPTY_PATH, &st);
    if (rc < 0)
        return rc;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    c->mode = st.st_mode & 0777;
    c->times[0] = st.st_atim;
    c->times[1] = st.st_mtim;
    c->total = st.st_size;
    c->sparse = (int64_t)st.st_blocks * 512 < st.st_size;
    c->method = st.st_size > 0 ? CLONE : READ_WRITE; /* files of /proc say 0 and have something to read */
    return 0;
}

/* What stands at the target is worth no copy that cannot take its place. */
static int check_target(const kt__copy *c)
{
    struct stat st;
    int rc = c->disk->stat(c->disk, AT_FDCWD, c->to, AT_SYMLINK_NOFOLLOW, &st);
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    if (c->flags & KT_PATH_NO_REPLACE)
        return -EEXIST;
    if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
        return 0;
    return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
}

static int make(kt__copy *c)
{
    c->out = c->disk->open(c->disk, AT_FDCWD, c->temp, O_WRONLY | O_CREAT | O_EXCL, c->mode & 0700, 0);
    c->made = c->out >= 0;
    return c->made ? 0 : c->out;
}

static int make_in_place(kt__copy *c)
{
    size_t size = strlen(c->to);
    if (size >= sizeof c->temp)
        return -ENAMETOOLONG;
    memcpy(c->temp, c->to, size + 1);
    return make(c);
}

static int make_beside(kt__copy *c)
{
    char dir[PATH_MAX];
    int rc = check_target(c);
    if (rc == 0)
        rc = kt__path_parent(c->to, dir);
    if (rc < 0)
        return rc;
    rc = -EEXIST;
    for (int tries = 0; rc == -EEXIST && tries < KT__TEMP_TRIES; tries++) {
        rc = kt__temp_path(dir, ".kettle-", &c->number, c->temp);
        if (rc == 0)
            rc = make(c);
    }
    return rc;
}

static int begin(kt__copy *c)
{
    c->begun = true;
    c->in = c->out = -1;
    int rc = open_source(c);
    if (rc == 0)
        rc = c->in_place ? make_in_place(c) : make_beside(c);
    return rc < 0 ? rc : 1;
}

/* ---- Copying ------------------------------------------------------------------------------- */

/* The rest without regard for holes. */
static int all_of_it(kt__copy *c)
{
    c->sparse = false;
    c->end = INT64_MAX;
    return 1;
}

/* Finds the next run of data, and goes there. 1, 0 at the end of the file. */
static int next_run(kt__copy *c)
{
    kt__disk *d = c->disk;
    if (!c->sparse)
        return c->end == 0 ? all_of_it(c) : 0;
    int64_t data = d->seek(d, c->in, c->at, SEEK_DATA);
    int64_t hole = data < 0 ? data : d->seek(d, c->in, data, SEEK_HOLE);
    if (hole == -ENXIO)
        return 0;
    if (hole < 0 && c->end == 0 && hole != -EIO)
        return all_of_it(c); /* this file system knows no holes */
    int64_t rc = hole < 0 ? hole : d->seek(d, c->in, data, SEEK_SET);
    if (rc >= 0)
        rc = d->seek(d, c->out, data, SEEK_SET);
    if (rc < 0)
        return (int)rc;
    c->at = data;
    c->end = hole;
    return 1;
}

static ssize_t read_write(kt__copy *c, size_t size)
{
    kt__disk *d = c->disk;
    if (!c->buffer)
        c->buffer = kt_alloc(BUFFER_BYTES);
    if (!c->buffer)
        return -ENOMEM;
    struct iovec piece = {c->buffer, size < BUFFER_BYTES ? size : BUFFER_BYTES};
    ssize_t got = d->read(d, c->in, &piece, 1, -1, 0);
    if (got <= 0)
        return got;
    for (piece.iov_len = (size_t)got; piece.iov_len > 0;) {
        ssize_t n = d->write(d, c->out, &piece, 1, -1, 0);
        if (n <= 0)
            return n < 0 ? n : -EIO;
        piece = (struct iovec){(char *)piece.iov_base + n, piece.iov_len - (size_t)n};
    }
    return got;
}

static bool cannot(ssize_t rc)
{
    return rc == -EXDEV || rc == -EINVAL || rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EPERM || rc == -ENOTTY;
}

/* How much was copied; 0 at the end of the file. */
static ssize_t copy_piece(kt__copy *c, size_t size)
{
    ssize_t n = -EINVAL;
    if (c->method == COPY_RANGE)
        n = c->disk->copy_range(c->disk, c->in, c->out, size);
    else if (c->method == SEND_RANGE)
        n = c->disk->send_range(c->disk, c->in, c->out, size);
    else
        return read_write(c, size);
    if (!cannot(n) && (n != 0 || c->at >= c->total))
        return n;
    c->method++; /* at the same place of both */
    return copy_piece(c, size);
}

static int copy_some(kt__copy *c)
{
    size_t left = TRIP_BYTES;
    while (left > 0) {
        if (c->at == c->end) {
            int rc = next_run(c);
            if (rc <= 0)
                return rc;
            left -= left < RUN_COST ? left : RUN_COST;
        }
        int64_t run = c->end - c->at;
        ssize_t n = copy_piece(c, run < (int64_t)TRIP_BYTES ? (size_t)run : TRIP_BYTES);
        if (n <= 0)
            return (int)n;
        c->at += n;
        left -= left < (size_t)n ? left : (size_t)n;
    }
    return 1;
}

/* The whole at once, sharing the blocks. */
static bool clone(kt__copy *c)
{
    c->method++;
    if (c->disk->clone(c->disk, c->in, c->out) < 0)
        return false;
    c->at = c->total;
    c->sparse = false;
    return true;
}

/* ---- Ending -------------------------------------------------------------------------------- */

int kt__disk_put_in_place(kt__disk *d, const char *temp, const char *to, unsigned flags)
{
    if (!(flags & KT_PATH_NO_REPLACE))
        return d->rename(d, AT_FDCWD, temp, AT_FDCWD, to, 0);
    int rc = d->rename(d, AT_FDCWD, temp, AT_FDCWD, to, RENAME_NOREPLACE);
    if (rc != -EINVAL)
        return rc;
    rc = d->link(d, AT_FDCWD, temp, AT_FDCWD, to, 0);
    return rc < 0 ? rc : d->unlink(d, AT_FDCWD, temp, 0);
}

static int close_out(kt__copy *c)
{
    int fd = c->out;
    c->out = -1;
    return c->disk->close(c->disk, fd);
}

/* A hole at the end is made by setting the size. */
static int finish(kt__copy *c)
{
    kt__disk *d = c->disk;
    int64_t size = c->sparse ? d->seek(d, c->in, 0, SEEK_END) : 0;
    int rc = size < 0 ? (int)size : 0;
    if (rc == 0 && c->sparse)
        rc = d->truncate(d, c->out, size);
    if (rc == 0)
        rc = d->chmod(d, AT_FDCWD, c->temp, c->mode);
    if (rc == 0 && c->flags & KT_PATH_KEEP_TIMES)
        rc = d->utimens(d, AT_FDCWD, c->temp, c->times, AT_SYMLINK_NOFOLLOW);
    if (rc == 0 && c->flags & KT_PATH_DURABLE)
        rc = d->sync(d, c->out, false);
    if (rc == 0)
        rc = close_out(c);
    if (rc == 0 && !c->in_place)
        rc = kt__disk_put_in_place(d, c->temp, c->to, c->flags);
    if (rc < 0)
        return rc;
    c->made = false;
    kt__copy_undo(c);
    return !c->in_place && c->flags & KT_PATH_DURABLE ? kt__disk_sync_renamed(d, c->temp, c->to) : 0;
}

void kt__copy_undo(kt__copy *c)
{
    if (!c->begun)
        return;
    if (c->in >= 0)
        (void)c->disk->close(c->disk, c->in); /* it has only been read */
    if (c->out >= 0)
        (void)close_out(c); /* it is of no use any more */
    if (c->made)
        (void)c->disk->unlink(c->disk, AT_FDCWD, c->temp, 0);
    kt_free(kt_steal(c->buffer));
    c->made = false;
    c->in = -1;
}

int kt__copy_step(kt__copy *c)
{
    int rc = c->begun ? 1 : begin(c);
    if (rc == 1)
        rc = c->method == CLONE && clone(c) ? 0 : copy_some(c);
    if (rc == 0)
        rc = finish(c);
    if (rc < 0)
        kt__copy_undo(c);
    return rc;
}

/* ---- For tasks ----------------------------------------------------------------------------- */

typedef struct trip {
    kt__copy copy;
    int rc;
} trip;

static int copy_on(void *arg)
{
    trip *t = arg;
    t->rc = kt__copy_step(&t->copy);
    return 0;
}

static int give_up(void *arg)
{
    kt__copy_undo(&((trip *)arg)->copy);
    return 0;
}

/* At the end it is too late to stop. */
static int tell_progress(const trip *t, const kt_path_copy_options *o)
{
    const kt__copy *c = &t->copy;
    if (!o->progress || t->rc < 0)
        return 0;
    int rc = o->progress(c->at, c->total > c->at ? c->total : c->at, o->progress_arg);
    return t->rc == 1 && rc < 0 ? rc : 0;
}

static int run_copy(trip *t, const kt_path_copy_options *o)
{
    int rc = 0;
    for (t->rc = 1; rc == 0 && t->rc == 1;) {
        rc = kt_thread_run(copy_on, t, 0);
        if (rc == 0)
            rc = tell_progress(t, o);
    }
    return rc;
}

int kt_path_copy(const char *from, const char *to, const kt_path_copy_options *options)
{
    const kt_path_copy_options defaults = {.flags = 0}, *o = options ? options : &defaults;
    trip t = {.rc = 0};
    t.copy.disk = kt__disk_here();
    t.copy.from_dir = AT_FDCWD;
    t.copy.from = from;
    t.copy.to = to;
    t.copy.flags = o->flags;
    t.copy.number = kt__temp_number();
    int rc = run_copy(&t, o);
    if (rc < 0 && t.copy.begun)
        (void)kt__disk_release(give_up, &t);
    if (rc == 0 && t.rc < 0)
        return kt_error_set(t.rc, "copy %s to %s: %s", from, to, kt_strerror(t.rc));
    return rc;
}
