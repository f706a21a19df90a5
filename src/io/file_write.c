/* SPDX-License-Identifier: MIT */

/* Writing to files: into the buffer, and on pool threads to the system. */
#include "io/file_private.h"

#include <errno.h>
#include <kettle/thread.h>

typedef struct transfer {
    kt_file *file;
    const char *bytes; /* or: */
    const struct iovec *pieces;
    int count;
    int64_t offset;
    size_t size;
    size_t done; /* of `size` */
    bool data_only;
} transfer;

/* ---- At the position ------------------------------------------------------------------------- */

/* What is buffered, then a trip's worth of the bytes that the buffer does not hold. */
static int run_write(void *arg)
{
    transfer *t = arg;
    kt_file *f = t->file;
    int rc = kt__file_flush_here(f);
    size_t until = t->size - t->done < KT__FILE_TRIP ? t->size : t->done + KT__FILE_TRIP;
    while (rc == 0 && t->done < until) {
        const struct iovec piece = {(char *)(uintptr_t)t->bytes + t->done, until - t->done};
        ssize_t n = f->disk->write(f->disk, f->fd, &piece, 1, -1, 0);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        t->done += (size_t)n;
    }
    return rc;
}

static int write_through(kt_file *f, const void *bytes, size_t size)
{
    transfer t = {.file = f, .bytes = bytes, .size = size};
    int rc = 0;
    do
        rc = kt_thread_run(run_write, &t, 0);
    while (rc == 0 && t.done < size);
    return rc < 0 ? kt__disk_failed(rc, "write", f->name) : 0;
}

static int write_all(kt_file *f, const void *bytes, size_t size)
{
    int rc = kt__file_buffer(f);
    if (rc == 0 && !f->dirty)
        rc = kt__file_unread(f);
    if (rc < 0)
        return rc;
    if (size > f->capacity - f->end) {
        bool fits = size < f->capacity;
        rc = write_through(f, bytes, fits ? 0 : size);
        if (rc < 0 || !fits)
            return rc;
    }
    memcpy(f->buffer + f->end, bytes, size);
    f->end += size;
    f->dirty = true;
    return 0;
}

int kt_file_write(kt_file *f, const void *bytes, size_t size)
{
    int rc = kt__file_take(f, "kt_file_write", KT__SITE);
    if (rc < 0)
        return rc;
    rc = size > 0 ? write_all(f, bytes, size) : 0;
    kt__file_give(f);
    return rc;
}

int kt_file_flush(kt_file *f)
{
    int rc = kt__file_take(f, "kt_file_flush", KT__SITE);
    if (rc < 0)
        return rc;
    rc = f->dirty ? kt__file_settle(f) : 0;
    kt__file_give(f);
    return rc;
}

/* ---- To the disk ----------------------------------------------------------------------------- */

static int run_sync(void *arg)
{
    transfer *t = arg;
    kt_file *f = t->file;
    int rc = kt__file_flush_here(f);
    if (rc < 0)
        return rc;
    rc = f->disk->sync(f->disk, f->fd, t->data_only);
    if (rc < 0)
        f->sync_error = rc;
    return rc;
}

static int sync_file(kt_file *f, bool data_only, const char *what, const void *site)
{
    transfer t = {.file = f, .data_only = data_only};
    int rc = kt__file_take(f, what, site);
    if (rc < 0)
        return rc;
    rc = f->sync_error ? f->sync_error : kt_thread_run(run_sync, &t, 0);
    if (rc < 0)
        rc = kt__disk_failed(rc, f->sync_error ? "sync" : "write", f->name);
    kt__file_give(f);
    return rc;
}

int kt_file_sync(kt_file *f)
{
    return sync_file(f, false, "kt_file_sync", KT__SITE);
}

int kt_file_datasync(kt_file *f)
{
    return sync_file(f, true, "kt_file_datasync", KT__SITE);
}

/* ---- At an offset ---------------------------------------------------------------------------- */

static int run_pwrite(void *arg)
{
    transfer *t = arg;
    kt__disk *disk = t->file->disk;
    ssize_t n = disk->write(disk, t->file->fd, t->pieces, t->count, t->offset, 0);
    t->done = n > 0 ? (size_t)n : 0;
    return n > 0 ? 0 : n < 0 ? (int)n : -EIO;
}

static int write_at(kt_file *f, const struct iovec *pieces, size_t count, int64_t offset)
{
    struct iovec window[KT__FILE_WINDOW];
    size_t done = 0;
    for (int n; (n = kt__file_window(pieces, count, done, window)) > 0;) {
        transfer t = {.file = f, .pieces = window, .count = n, .offset = offset + (int64_t)done};
        int rc = kt_thread_run(run_pwrite, &t, 0);
        if (rc < 0)
            return kt__disk_failed(rc, "write", f->name);
        done += t.done;
    }
    return 0;
}

static int pwritev_at(kt_file *f, const struct iovec *pieces, size_t count, int64_t offset, const void *site)
{
    int rc = kt__file_begin_at(f, "write", count, offset, site);
    if (rc < 0)
        return rc;
    rc = write_at(f, pieces, count, offset);
    kt__file_leave(f);
    return rc;
}

int kt_file_pwrite(kt_file *f, const void *bytes, size_t size, int64_t offset)
{
    const struct iovec piece = {(void *)(uintptr_t)bytes, size};
    return pwritev_at(f, &piece, 1, offset, KT__SITE);
}

int kt_file_pwritev(kt_file *f, const struct iovec *pieces, size_t count, int64_t offset)
{
    return pwritev_at(f, pieces, count, offset, KT__SITE);
}
