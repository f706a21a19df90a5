/* SPDX-License-Identifier: MIT */

/* Reading and writing files of the simulated disk. */
#include "test/disk.h"

#include <errno.h>
#include <limits.h>

#define READ_FLAGS (RWF_HIPRI | RWF_NOWAIT)
#define WRITE_FLAGS (RWF_HIPRI | RWF_NOWAIT | RWF_DSYNC | RWF_SYNC | RWF_APPEND)
#define COUNT_MAX 0x7ffff000u /* of one call, whatever it asks for */
#define CHUNK 16384u

/* How many of `size` bytes are done at once: mostly all, otherwise at least one. */
static size_t at_once(kt_test_disk *d, size_t size)
{
    if (d->options.whole || size < 2 || !kt__sim_one_in(d, 4))
        return size;
    return 1 + (size_t)kt__sim_below(d, kt__sim_one_in(d, 2) ? size : size < 16 ? size : 16);
}

/* How many bytes the pieces have, cut at what one call does. */
static ssize_t whole(const struct iovec *pieces, int count)
{
    size_t size = 0;
    if (count < 0 || count > IOV_MAX)
        return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > SSIZE_MAX - size)
            return -EINVAL;
        size += pieces[i].iov_len;
    }
    return (ssize_t)(size < COUNT_MAX ? size : COUNT_MAX);
}

/* The open file for reading or writing at offset, -1 being its position. */
static int prepare(kt_test_disk *d, int fd, bool writes, int64_t offset, kt__open **ret_open)
{
    int refused = writes ? O_RDONLY : O_WRONLY;
    if (offset < -1)
        return -EINVAL;
    int rc = kt__sim_descriptor(d, fd, ret_open);
    if (rc < 0)
        return rc;
    if ((*ret_open)->flags & O_PATH || ((*ret_open)->flags & O_ACCMODE) == refused)
        return -EBADF;
    return 0;
}

ssize_t kt__sim_read(kt_test_disk *d, int fd, const struct iovec *pieces, int count, int64_t offset, int flags)
{
    kt__open *o;
    int rc = prepare(d, fd, false, offset, &o);
    ssize_t size = rc < 0 ? rc : whole(pieces, count);
    if (size <= 0)
        return size;
    if (S_ISDIR(o->node->now.mode))
        return -EISDIR;
    if (flags & ~READ_FLAGS)
        return -EOPNOTSUPP;
    uint64_t at = (uint64_t)(offset < 0 ? o->at : offset);
    size_t left = at_once(d, (size_t)size), done = 0;
    for (int i = 0; i < count && left > 0; i++) {
        size_t part = pieces[i].iov_len < left ? pieces[i].iov_len : left;
        size_t n = kt__sim_data_read(o->node, at + done, pieces[i].iov_base, part);
        done += n;
        left -= part;
        if (n < part)
            break;
    }
    if (offset < 0)
        o->at += (int64_t)done;
    return (ssize_t)done;
}

/* ---- Writing ------------------------------------------------------------------------------- */

/* What may be written now of `size` bytes, before a failure that comes after so many: 0 with its code. */
static int allowance(kt_test_disk *d, size_t *size)
{
    if (d->bytes_code == 0)
        return 0;
    if (d->bytes_left < *size)
        *size = (size_t)d->bytes_left;
    if (*size > 0)
        return 0;
    d->failed = true;
    return d->bytes_code;
}

/* Writes the first `size` bytes of the pieces: how many, at least one, or an error. */
static ssize_t put(kt_test_disk *d, kt__node *n, uint64_t at, const struct iovec *pieces, size_t size)
{
    int rc = allowance(d, &size);
    size_t done = 0;
    if (rc < 0)
        return rc;
    kt__sim_node_ahead(d, n);
    for (; done < size; pieces++) {
        size_t part = pieces->iov_len < size - done ? pieces->iov_len : size - done;
        size_t written = kt__sim_data_write(d, n, at + done, pieces->iov_base, part);
        done += written;
        if (written < part)
            break;
    }
    if (done == 0)
        return -ENOSPC;
    if (d->bytes_code)
        d->bytes_left -= done;
    kt__sim_node_touch(n, KT__MODIFIED | KT__CHANGED);
    return (ssize_t)done;
}

ssize_t kt__sim_write(kt_test_disk *d, int fd, const struct iovec *pieces, int count, int64_t offset, int flags)
{
    kt__open *o;
    int rc = prepare(d, fd, true, offset, &o);
    ssize_t size = rc < 0 ? rc : whole(pieces, count);
    if (size <= 0)
        return size;
    if (flags & ~WRITE_FLAGS)
        return -EOPNOTSUPP;
    int64_t at = offset < 0 ? o->at : offset;
    if (o->flags & O_APPEND || flags & RWF_APPEND) /* whatever the offset, as Linux does it: pwrite(2), BUGS */
        at = (int64_t)o->node->size;
    if (at == INT64_MAX)
        return -EFBIG;
    if (size > INT64_MAX - at)
        size = (ssize_t)(INT64_MAX - at);
    ssize_t done = put(d, o->node, (uint64_t)at, pieces, at_once(d, (size_t)size));
    if (done < 0)
        return done;
    if (offset < 0)
        o->at = at + done;
    if (o->flags & O_DSYNC || flags & (RWF_DSYNC | RWF_SYNC))
        kt__sim_node_sync(d, o->node, !((o->flags & O_SYNC) == O_SYNC || flags & RWF_SYNC));
    return done;
}

/* ---- From file to file --------------------------------------------------------------------- */

static bool can(const kt__open *o, int refused)
{
    return !(o->flags & O_PATH) && (o->flags & O_ACCMODE) != refused;
}

/* Copies up to `size` bytes from position to position; if both are the same one, it moves once. */
static ssize_t copy(kt_test_disk *d, kt__open *from, kt__open *to, size_t size)
{
    char chunk[CHUNK];
    size_t done = 0;
    int64_t from_at = from->at, to_at = to->at;
    while (done < size) {
        size_t part = size - done < sizeof chunk ? size - done : sizeof chunk;
        const struct iovec piece = {chunk, kt__sim_data_read(from->node, (uint64_t)from_at + done, chunk, part)};
        if (piece.iov_len == 0)
            break;
        ssize_t n = put(d, to->node, (uint64_t)to_at + done, &piece, piece.iov_len);
        if (n < 0 && done == 0)
            return n;
        if (n > 0)
            done += (size_t)n;
        if (n < (ssize_t)piece.iov_len)
            break;
    }
    from->at = from_at + (int64_t)done;
    to->at = to_at + (int64_t)done;
    return (ssize_t)done;
}

/* Both ends of a copy, of regular files; the codes of generic_copy_file_checks in Linux. */
static int ends(kt_test_disk *d, int from, int to, kt__open **ret_from, kt__open **ret_to)
{
    int rc = kt__sim_descriptor(d, from, ret_from);
    if (rc == 0)
        rc = kt__sim_descriptor(d, to, ret_to);
    if (rc < 0)
        return rc;
    if ((*ret_from)->flags & O_PATH || (*ret_to)->flags & O_PATH)
        return -EBADF;
    if (S_ISDIR((*ret_from)->node->now.mode) || S_ISDIR((*ret_to)->node->now.mode))
        return -EISDIR;
    if (!can(*ret_from, O_WRONLY) || !can(*ret_to, O_RDONLY) || (*ret_to)->flags & O_APPEND)
        return -EBADF;
    return 0;
}

int kt__sim_clone(kt_test_disk *d, int from, int to)
{
    kt__open *source, *target;
    int rc = ends(d, from, to, &source, &target);
    if (rc < 0)
        return rc;
    if (!d->options.reflinks)
        return -EOPNOTSUPP;
    if (source->node == target->node)
        return 0;
    kt__node *n = target->node;
    uint64_t size = n->size;
    kt__sim_node_ahead(d, n);
    kt__sim_data_resize(d, n, 0);
    for (size_t i = 0; i < source->node->pages_count; i++) {
        const kt__page *p = &source->node->pages[i];
        if (p->now && kt__sim_data_write(d, n, p->index * KT__PAGE, p->now, KT__PAGE) < KT__PAGE)
            return -ENOSPC;
    }
    kt__sim_data_resize(d, n, source->node->size > size ? source->node->size : size);
    kt__sim_node_touch(n, KT__MODIFIED | KT__CHANGED);
    return 0;
}

ssize_t kt__sim_copy_range(kt_test_disk *d, int from, int to, size_t size)
{
    kt__open *source, *target;
    int rc = ends(d, from, to, &source, &target);
    if (rc < 0)
        return rc;
    if (size > COUNT_MAX)
        size = COUNT_MAX;
    uint64_t left = source->at < (int64_t)source->node->size ? source->node->size - (uint64_t)source->at : 0;
    if (size > left)
        size = (size_t)left;
    int64_t apart = source->at > target->at ? source->at - target->at : target->at - source->at;
    if (source->node == target->node && apart < (int64_t)size)
        return -EINVAL;
    if (size == 0)
        return 0;
    return copy(d, source, target, at_once(d, size));
}

ssize_t kt__sim_send_range(kt_test_disk *d, int from, int to, size_t size)
{
    kt__open *source, *target;
    int rc = kt__sim_descriptor(d, from, &source);
    if (rc == 0 && !can(source, O_WRONLY))
        rc = -EBADF;
    if (rc == 0)
        rc = kt__sim_descriptor(d, to, &target);
    if (rc == 0 && !can(target, O_RDONLY))
        rc = -EBADF;
    if (rc < 0)
        return rc;
    if (target->flags & O_APPEND)
        return -EINVAL;
    if (size == 0)
        return 0;
    if (S_ISDIR(source->node->now.mode))
        return -EINVAL;
    return copy(d, source, target, at_once(d, size < COUNT_MAX ? size : COUNT_MAX));
}
