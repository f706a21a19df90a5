/* SPDX-License-Identifier: MIT */

/* Reading from files. What the system has in memory is taken on the loop (RWF_NOWAIT, preadv2(2)); for the rest
 * there is a trip to the pool. */
#include "io/file_private.h"

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/thread.h>
#include <limits.h>

/* ---- From the system ----------------------------------------------------------------------- */

typedef struct transfer {
    kt_file *file;
    const struct iovec *pieces;
    int count;
    int64_t offset; /* -1: at the position */
    ssize_t n;
} transfer;

static int run_read(void *arg)
{
    transfer *t = arg;
    kt__disk *disk = t->file->disk;
    t->n = disk->read(disk, t->file->fd, t->pieces, t->count, t->offset, 0);
    return t->n < 0 ? (int)t->n : 0;
}

/* False: it must be done elsewhere. */
static bool read_now(transfer *t)
{
    kt_file *f = t->file;
    if (!f->nowait || kt__loop->simulated)
        return false;
    t->n = f->disk->read(f->disk, f->fd, t->pieces, t->count, t->offset, RWF_NOWAIT);
    if (t->n == -EOPNOTSUPP)
        f->nowait = false;
    return t->n != -EOPNOTSUPP && t->n != -EAGAIN;
}

/* At least one byte, at most as many as the pieces hold; 0 at the end. */
static ssize_t read_pieces(kt_file *f, const struct iovec *pieces, int count, int64_t offset)
{
    transfer t = {.file = f, .pieces = pieces, .count = count, .offset = offset};
    int rc = kt__op_turn(kt__self("reading from a file"));
    if (rc < 0)
        return rc;
    rc = read_now(&t) ? (int)t.n : kt_thread_run(run_read, &t, 0);
    return rc < 0 ? kt__disk_failed(rc, "read", f->name) : t.n;
}

/* At the position. */
static ssize_t read_some(kt_file *f, void *bytes, size_t size)
{
    const struct iovec piece = {bytes, size < KT__FILE_TRIP ? size : KT__FILE_TRIP};
    return read_pieces(f, &piece, 1, -1);
}

/* ---- Into the buffer ------------------------------------------------------------------------ */

/* Room for at least one byte more behind the unread ones, of which there are fewer than most. */
static int make_room(kt_file *f, size_t most)
{
    int rc = kt__file_buffer(f);
    if (rc < 0)
        return rc;
    size_t have = kt__file_buffered(f);
    if (f->start > 0) {
        memmove(f->buffer, f->buffer + f->start, have);
        f->start = 0;
        f->end = have;
    }
    if (have < f->capacity)
        return 0;
    size_t capacity = f->capacity * 2 < most ? f->capacity * 2 : most;
    char *buffer = kt_realloc(f->buffer, capacity);
    if (!buffer)
        return -ENOMEM;
    f->buffer = buffer;
    f->capacity = capacity;
    return 0;
}

/* At least one byte more; 0 at the end of the file. */
static ssize_t fill(kt_file *f, size_t most)
{
    int rc = make_room(f, most);
    if (rc < 0)
        return rc;
    ssize_t n = read_some(f, f->buffer + f->end, f->capacity - f->end);
    if (n > 0)
        f->end += (size_t)n;
    return n;
}

static size_t take_out(kt_file *f, char *bytes, size_t size)
{
    size_t have = kt__file_buffered(f);
    size_t n = have < size ? have : size;
    if (n > 0)
        memcpy(bytes, f->buffer + f->start, n);
    f->start += n;
    return n;
}

/* A call begins: nothing is unwritten. */
static int begin_reading(kt_file *f, const char *what, const void *site)
{
    int rc = kt__file_take(f, what, site);
    if (rc < 0 || !f->dirty)
        return rc;
    rc = kt__file_settle(f);
    if (rc < 0)
        kt__file_give(f);
    return rc;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

/* Small rests go through the buffer. */
static ssize_t read_more(kt_file *f, char *bytes, size_t size)
{
    if (kt__file_buffered(f) == 0) {
        int rc = kt__file_buffer(f);
        if (rc < 0)
            return rc;
        if (size >= f->capacity)
            return read_some(f, bytes, size);
        ssize_t n = fill(f, f->capacity);
        if (n <= 0)
            return n;
    }
    return (ssize_t)take_out(f, bytes, size);
}

/* A failed read takes nothing. What cannot be sought back is lost. */
static void put_back(kt_file *f, size_t taken)
{
    int64_t back = (int64_t)(taken + kt__file_buffered(f));
    if (f->disk->seek(f->disk, f->fd, -back, SEEK_CUR) >= 0)
        f->start = f->end = 0;
}

static ssize_t read_all(kt_file *f, char *bytes, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t n = read_more(f, bytes + have, size - have);
        if (n < 0 && have > 0)
            put_back(f, have);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

ssize_t kt_file_read(kt_file *f, void *buffer, size_t size)
{
    int rc = begin_reading(f, "kt_file_read", KT__SITE);
    if (rc < 0)
        return rc;
    ssize_t n = read_all(f, buffer, size < SSIZE_MAX ? size : SSIZE_MAX);
    kt__file_give(f);
    return n;
}

static int read_chunk(kt_file *f, size_t size_max, kt_slice *ret_bytes)
{
    if (kt__file_buffered(f) == 0) {
        ssize_t n = fill(f, f->capacity);
        if (n <= 0)
            return (int)n;
    }
    size_t size = kt__file_buffered(f);
    size = size < size_max ? size : size_max;
    *ret_bytes = (kt_slice){f->buffer + f->start, size};
    f->start += size;
    return 1;
}

int kt_file_read_chunk(kt_file *f, size_t size_max, kt_slice *ret_bytes)
{
    if (size_max == 0)
        return kt_error_set(-EINVAL, "read %s: no chunk has no bytes", f->name);
    int rc = begin_reading(f, "kt_file_read_chunk", KT__SITE);
    if (rc < 0)
        return rc;
    rc = read_chunk(f, size_max, ret_bytes);
    kt__file_give(f);
    return rc;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* The bytes up to and with the next line end, or to the end of the file, at most size_max. 1; 0: there are none. */
static int find_line(kt_file *f, size_t size_max, kt_slice *ret_line)
{
    for (size_t searched = 0;;) {
        size_t have = kt__file_buffered(f);
        size_t most = have < size_max ? have : size_max;
        const char *bytes = f->buffer + f->start;
        const char *hit = most > searched ? memchr(bytes + searched, '\n', most - searched) : NULL;
        if (hit) {
            *ret_line = (kt_slice){bytes, (size_t)(hit - bytes) + 1};
            return 1;
        }
        if (have >= size_max)
            return kt_error_set(KT_ELIMIT, "read %s: no line end within %zu bytes", f->name, size_max);
        searched = most;
        ssize_t n = fill(f, size_max);
        if (n < 0)
            return (int)n;
        if (n == 0) {
            *ret_line = (kt_slice){f->buffer + f->start, have};
            return have > 0;
        }
    }
}

static int read_line(kt_file *f, size_t size_max, kt_slice *ret_line)
{
    kt_slice line;
    int rc = find_line(f, size_max, &line);
    if (rc <= 0)
        return rc;
    f->start += line.size;
    if (line.data[line.size - 1] == '\n') {
        line.size--;
        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
    }
    *ret_line = line;
    return 1;
}

int kt_file_read_line(kt_file *f, size_t size_max, kt_slice *ret_line)
{
    int rc = begin_reading(f, "kt_file_read_line", KT__SITE);
    if (rc < 0)
        return rc;
    rc = read_line(f, size_max, ret_line);
    kt__file_give(f);
    return rc;
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
    size_t left = KT__FILE_TRIP;
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

static ssize_t read_at(kt_file *f, const struct iovec *pieces, size_t count, int64_t offset)
{
    struct iovec window[KT__FILE_WINDOW];
    size_t have = 0;
    for (int n; (n = kt__file_window(pieces, count, have, window)) > 0;) {
        ssize_t got = read_pieces(f, window, n, offset + (int64_t)have);
        if (got < 0)
            return got;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

static ssize_t preadv_at(kt_file *f, const struct iovec *pieces, size_t count, int64_t offset, const void *site)
{
    int rc = kt__file_begin_at(f, "read", count, offset, site);
    if (rc < 0)
        return rc;
    ssize_t n = read_at(f, pieces, count, offset);
    kt__file_leave(f);
    return n;
}

ssize_t kt_file_pread(kt_file *f, void *buffer, size_t size, int64_t offset)
{
    const struct iovec piece = {buffer, size < SSIZE_MAX ? size : SSIZE_MAX};
    return preadv_at(f, &piece, 1, offset, KT__SITE);
}

ssize_t kt_file_preadv(kt_file *f, const struct iovec *pieces, size_t count, int64_t offset)
{
    return preadv_at(f, pieces, count, offset, KT__SITE);
}
