/* SPDX-License-Identifier: MIT */

/* Writing to files: into the buffer, and from there to the system and to the disk. */
#include "io/file_private.h"

#include <errno.h>
#include <kettle/thread.h>

/* ---- At the position ------------------------------------------------------------------------- */

/* All of them, a trip at a time, past the buffer. */
static int write_through(kt_file *f, const char *bytes, size_t size)
{
    while (size > 0) {
        const struct iovec piece = {(char *)(uintptr_t)bytes, size < KT__FILE_TRIP ? size : KT__FILE_TRIP};
        ssize_t n = kt__file_write_some(f, &piece, 1, -1);
        if (n < 0)
            return (int)n;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Room for so many bytes more; beyond its largest size the buffer is written first. */
static int make_room(kt_file *f, size_t size)
{
    size_t need = kt__file_buffered(f) + size;
    size_t capacity = f->capacity ? f->capacity : KT__FILE_BUFFER_MIN;
    while (capacity < need)
        capacity *= 2;
    if (capacity <= KT__FILE_BUFFER_MAX || capacity <= f->capacity)
        return kt__file_buffer(f, capacity);
    int rc = kt__file_write_out(f);
    return rc < 0 ? rc : kt__file_buffer(f, KT__FILE_BUFFER_MAX);
}

static int write_all(kt_file *f, const void *bytes, size_t size)
{
    int rc = f->dirty ? 0 : kt__file_unread(f);
    if (rc == 0 && size >= KT__FILE_BUFFER_MAX) {
        rc = kt__file_write_out(f);
        return rc < 0 ? rc : write_through(f, bytes, size);
    }
    if (rc == 0)
        rc = make_room(f, size);
    if (rc < 0)
        return rc;
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
    rc = kt__file_write_out(f);
    kt__file_give(f);
    return rc;
}

/* ---- To the disk ----------------------------------------------------------------------------- */

typedef struct syncing {
    kt_file *file;
    bool data_only;
} syncing;

static int run_sync(void *arg)
{
    const syncing *s = arg;
    return s->file->sync_error = s->file->disk->sync(s->file->disk, s->file->fd, s->data_only);
}

static int sync_file(kt_file *f, bool data_only, const char *what, const void *site)
{
    syncing s = {f, data_only};
    int rc = kt__file_take(f, what, site);
    if (rc < 0)
        return rc;
    rc = f->sync_error ? f->sync_error : kt__file_write_out(f);
    if (rc == 0)
        rc = kt_thread_run(run_sync, &s, 0);
    if (rc < 0 && (f->sync_error || !f->dirty))
        rc = kt__disk_failed(rc, "sync", f->name);
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

static int write_at(kt_file *f, const struct iovec *pieces, size_t count, int64_t offset)
{
    struct iovec window[KT__FILE_WINDOW];
    size_t done = 0;
    for (int n; (n = kt__file_window(pieces, count, done, window)) > 0;) {
        ssize_t put = kt__file_write_some(f, window, n, offset + (int64_t)done);
        if (put < 0)
            return (int)put;
        done += (size_t)put;
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
