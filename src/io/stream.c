/* SPDX-License-Identifier: MIT */

/* Streams: their life and their reading, whatever stands behind them. */

#include "io/stream_private.h"

#include <errno.h>
#include <kettle/memory.h>

#include "core/eyes.h"
#include "io/listener.h"

#define CAPACITY_MIN 4096
#define SEPARATOR_MAX 16
#define SEPARATORS_MAX 8

/* ---- Life ---------------------------------------------------------------------------------- */

int kt_stream_new(const kt_stream_backend *backend, void *object, kt_stream **ret_stream)
{
    kt_stream *s = kt_calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->backend = backend;
    s->object = object;
    *ret_stream = s;
    return 0;
}

void *kt_stream_object(const kt_stream *s, const kt_stream_backend *backend)
{
    return s->backend == backend ? s->object : NULL;
}

/* The descriptor stays where it is, since drivers know it by its address: in s, which outlives what it was. */
int kt_stream_wrap(kt_stream *s, const kt_stream_backend *backend, void *object, kt_stream **ret_below)
{
    const kt_task *inside = s->reader ? s->reader : s->writer;
    if (inside)
        kt__misuse("kt_stream_wrap: task '%s' is inside the stream", kt_task_name(inside));
    if (s->watched)
        kt__misuse("kt_stream_wrap: the stream is watched");
    kt_stream *below = kt_calloc(1, sizeof *below);
    if (!below)
        return -ENOMEM;
    *below = *s;
    below->fd = (kt__fd){.fd = -1};
    below->share = NULL;
    below->watch = NULL;
    s->backend = backend;
    s->object = object;
    s->buffer = NULL;
    s->start = s->end = s->capacity = 0;
    s->at_end = s->torn = false;
    *ret_below = below;
    return 0;
}

int kt_stream_turn(void)
{
    return kt__op_turn(kt__self("kt_stream_turn"));
}

int kt__stream_enter(kt_stream *s, kt_task **place)
{
    kt_task *self = kt__self("reading from or writing to a stream");
    if (s->closing)
        return KT_ECLOSED;
    if (*place)
        kt__misuse("a stream (%s): task '%s' %s it already", s->backend->name, kt_task_name(*place),
                   place == &s->reader ? "reads from" : "writes to");
    if (s->watched && place == &s->reader)
        kt__misuse("a stream (%s): a read while it is watched", s->backend->name);
    *place = self;
    return 0;
}

ssize_t kt__stream_leave(const kt_stream *s, kt_task **place, ssize_t n)
{
    *place = NULL;
    return s->closing && !kt_is_cancel((int)n) ? KT_ECLOSED : n;
}

static void await_users(const kt_stream *s)
{
    kt_task *self = kt__self("kt_stream_close");
    kt_cancel_hold();
    while (s->reader || s->writer)
        kt__yield(self);
    kt_cancel_unhold();
}

void kt_stream_close(kt_stream *s)
{
    if (!s)
        return;
    kt_task *self = kt_task_current();
    bool told = self && self->delivered;
    kt__closed(s, "a stream");
    s->closing = true;
    s->backend->close(s->object);
    if (self)
        self->delivered = self->delivered && told; /* who closes is not told of a cancellation that cut it short */
    if (s->reader || s->writer)
        await_users(s);
    if (s->backend->free)
        s->backend->free(s->object);
    if (s->share)
        kt__share_left(s->share);
    kt__stream_watch_end(s);
    kt_free(s->buffer);
    kt_free(s);
}

/* ---- Facts --------------------------------------------------------------------------------- */

int kt_stream_fd(const kt_stream *s)
{
    return s->backend->fd ? s->backend->fd(s->object) : -1;
}

void kt_stream_hang_up(kt_stream *s, bool reset)
{
    if (s->backend->hang_up)
        s->backend->hang_up(s->object, reset);
}

/* ---- Reading ------------------------------------------------------------------------------- */

static ssize_t read_some(kt_stream *s, void *bytes, size_t size)
{
    int rc = kt__stream_enter(s, &s->reader);
    if (rc < 0)
        return rc;
    ssize_t n = kt__stream_leave(s, &s->reader, s->backend->read(s->object, bytes, size));
    if (n == 0)
        s->at_end = true;
    return n;
}

static size_t buffered(const kt_stream *s)
{
    return s->end - s->start;
}

kt_slice kt_stream_buffered(const kt_stream *s)
{
    return (kt_slice){s->buffer ? s->buffer + s->start : "", buffered(s)};
}

bool kt_stream_at_eof(const kt_stream *s)
{
    return s->at_end && buffered(s) == 0;
}

/* Room for at least one byte more behind `end`. */
static int make_room(kt_stream *s)
{
    size_t have = buffered(s);
    if (have == 0)
        s->start = s->end = 0;
    if (s->end < s->capacity)
        return 0;
    if (s->start > 0) {
        memmove(s->buffer, s->buffer + s->start, have);
        s->start = 0;
        s->end = have;
        return 0;
    }
    size_t capacity = s->capacity ? s->capacity * 2 : CAPACITY_MIN;
    char *buffer = kt_realloc(s->buffer, capacity);
    if (!buffer)
        return -ENOMEM;
    s->buffer = buffer;
    s->capacity = capacity;
    return 0;
}

int kt_stream_unread(kt_stream *s, const void *bytes, size_t size)
{
    if (s->reader)
        kt__misuse("kt_stream_unread: task '%s' is inside the stream", kt_task_name(s->reader));
    size_t have = buffered(s);
    if (size == 0)
        return 0;
    if (size > s->capacity - have) {
        if (size > SIZE_MAX - have - CAPACITY_MIN)
            return -ENOMEM;
        char *buffer = kt_realloc(s->buffer, size + have);
        if (!buffer)
            return -ENOMEM;
        s->buffer = buffer;
        s->capacity = size + have;
    }
    if (have > 0)
        memmove(s->buffer + size, s->buffer + s->start, have);
    memcpy(s->buffer, bytes, size);
    s->start = 0;
    s->end = size + have;
    return 0;
}

ssize_t kt_stream_fill(kt_stream *s, size_t have, size_t size_max, kt_slice *ret_bytes)
{
    while (buffered(s) <= have && !s->at_end) {
        if (buffered(s) >= size_max)
            return KT_ELIMIT;
        int rc = make_room(s);
        if (rc < 0)
            return rc;
        size_t room = s->capacity - s->end;
        size_t wanted = size_max - buffered(s);
        ssize_t n = read_some(s, s->buffer + s->end, room < wanted ? room : wanted);
        if (n < 0)
            return n;
        s->end += (size_t)n;
    }
    *ret_bytes = kt_stream_buffered(s);
    return (ssize_t)buffered(s);
}

void kt_stream_consume(kt_stream *s, size_t size)
{
    s->start += size < buffered(s) ? size : buffered(s);
}

/* Moves bytes out of the buffer. */
static size_t take(kt_stream *s, void *bytes, size_t size)
{
    if (size > buffered(s))
        size = buffered(s);
    if (size > 0)
        memcpy(bytes, s->buffer + s->start, size);
    s->start += size;
    return size;
}

ssize_t kt_stream_read(kt_stream *s, void *buffer, size_t size)
{
    if (size == 0)
        return -EINVAL; /* 0 would look like the end of file */
    if (buffered(s) > 0)
        return (ssize_t)take(s, buffer, size);
    return s->at_end ? 0 : read_some(s, buffer, size);
}

int kt_stream_read_exactly(kt_stream *s, void *buffer, size_t size)
{
    kt_slice bytes;
    for (size_t have = buffered(s); have < size;) {
        ssize_t n = kt_stream_fill(s, have, size, &bytes);
        if (n < 0)
            return (int)n;
        if ((size_t)n == have)
            return kt_error_set(KT_EINCOMPLETE, "end of file after %zu of %zu bytes", have, size);
        have = (size_t)n;
    }
    take(s, buffer, size);
    return 0;
}

/* Where the separator that ends first ends, and which one that is, counted from 1; 0: there is none. `from`: no
 * separator begins before. */
static size_t find_end(kt_slice bytes, size_t from, const kt_slice *separators, size_t count, int *which)
{
    size_t end = 0;
    for (size_t i = 0; i < count; i++) {
        const char *hit = memmem(bytes.data + from, bytes.size - from, separators[i].data, separators[i].size);
        if (!hit)
            continue;
        size_t hit_end = (size_t)(hit - bytes.data) + separators[i].size;
        if (end != 0 && (hit_end > end || (hit_end == end && separators[i].size >= separators[*which - 1].size)))
            continue;
        end = hit_end;
        *which = (int)i + 1;
    }
    return end;
}

/* Which separator was found, with the bytes up to it; 0: the end of file, with what is left. */
static int find(kt_stream *s, const kt_slice *separators, size_t count, size_t size_max, kt_slice *ret_bytes)
{
    size_t longest = 0, have = 0;
    kt_slice bytes = kt_stream_buffered(s);
    int which = 0;
    for (size_t i = 0; i < count; i++)
        longest = separators[i].size > longest ? separators[i].size : longest;
    for (;;) {
        size_t from = have >= longest ? have - longest + 1 : 0;
        size_t until = bytes.size < size_max ? bytes.size : size_max;
        size_t end = from < until ? find_end((kt_slice){bytes.data, until}, from, separators, count, &which) : 0;
        if (end > 0) {
            *ret_bytes = (kt_slice){bytes.data, end};
            return which;
        }
        if (bytes.size >= size_max)
            return kt_error_set(KT_ELIMIT, "no separator within %zu bytes", size_max);
        have = bytes.size;
        ssize_t n = kt_stream_fill(s, have, size_max, &bytes);
        if (n < 0)
            return (int)n;
        if ((size_t)n == have) {
            *ret_bytes = bytes;
            return 0;
        }
    }
}

int kt_stream_read_until_any(kt_stream *s, const kt_slice *separators, size_t count, size_t size_max,
                             kt_slice *ret_bytes)
{
    if (count == 0 || count > SEPARATORS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < count; i++)
        if (separators[i].size == 0 || separators[i].size > SEPARATOR_MAX)
            return -EINVAL;
    kt_slice bytes;
    int rc = find(s, separators, count, size_max, &bytes);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return bytes.size == 0 ? 0 : kt_error_set(KT_EINCOMPLETE, "end of file before the separator");
    s->start += bytes.size;
    *ret_bytes = bytes;
    return rc;
}

int kt_stream_read_until(kt_stream *s, kt_slice separator, size_t size_max, kt_slice *ret_bytes)
{
    return kt_stream_read_until_any(s, &separator, 1, size_max, ret_bytes);
}

int kt_stream_read_line(kt_stream *s, size_t size_max, kt_slice *ret_line)
{
    kt_slice line;
    int rc = find(s, &(kt_slice){"\n", 1}, 1, size_max, &line);
    if (rc < 0 || (rc == 0 && line.size == 0))
        return rc;
    s->start += line.size;
    if (rc == 1)
        line.size--;
    if (rc == 1 && line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    *ret_line = line;
    return 1;
}
