/* SPDX-License-Identifier: MIT */

/* Streams in memory: pairs without descriptors, which may also be fed by hand. */

#include <errno.h>
#include <kettle/memory.h>

#include "core/core.h"
#include "io/stream_private.h"

#define CAPACITY_DEFAULT (64 * 1024)

/* One direction: a ring of bytes. */
typedef struct way {
    char *bytes;
    size_t start, size;
    bool ended;  /* no bytes will come */
    bool deaf;   /* nobody will read */
    int error;   /* with which it broke, or 0; stands behind the bytes */
    kt__waiters readers, writers;
} way;

typedef struct memory_link memory_link;

typedef struct memory_end {
    memory_link *link;
    way *in, *out;
    int error; /* with which writes fail, or 0 */
    bool closed; /* which who waits for its turn, in no line, sees afterwards */
} memory_end;

/* What the two ends share; the later one to be freed frees it. */
struct memory_link {
    unsigned references;
    size_t capacity; /* of each way */
    memory_end ends[2];
    way ways[2];
    char bytes[];
};

static const kt__wait wait_bytes = {
    .what = "bytes in memory",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_plain,
};
static const kt__wait wait_room = {
    .what = "room in memory",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_plain,
};

/* ---- The ring ------------------------------------------------------------------------------ */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t put(way *w, size_t capacity, const char *bytes, size_t size)
{
    size_t n = smaller(size, capacity - w->size);
    size_t at = (w->start + w->size) % capacity;
    size_t first = smaller(n, capacity - at);
    if (n == 0)
        return 0;
    memcpy(w->bytes + at, bytes, first);
    memcpy(w->bytes, bytes + first, n - first);
    w->size += n;
    kt__line_wake(&w->readers, 0);
    return n;
}

static size_t take(way *w, size_t capacity, char *bytes, size_t size)
{
    size_t n = smaller(size, w->size);
    size_t first = smaller(n, capacity - w->start);
    memcpy(bytes, w->bytes + w->start, first);
    memcpy(bytes + first, w->bytes, n - first);
    w->start = (w->start + n) % capacity;
    w->size -= n;
    if (w->size <= capacity / 2)
        kt__line_wake(&w->writers, 0);
    return n;
}

/* No more bytes will come; error 0: an end in order. */
static void end_way(way *w, int error)
{
    if (w->ended)
        return;
    w->ended = true;
    w->error = error;
    kt__line_wake(&w->readers, 0);
    kt__line_wake(&w->writers, 0);
}

/* ---- The back end -------------------------------------------------------------------------- */

static ssize_t memory_read(void *object, void *bytes, size_t size)
{
    kt_task *self = kt__self("reading from a stream in memory");
    memory_end *e = object;
    int rc = kt__op_turn(self);
    while (rc == 0 && (rc = e->closed ? KT_ECLOSED : 0) == 0 && e->in->size == 0 && !e->in->ended)
        rc = kt__line_up(self, &e->in->readers, &wait_bytes, e->in);
    if (rc < 0)
        return rc;
    return e->in->size == 0 ? e->in->error : (ssize_t)take(e->in, e->link->capacity, bytes, size);
}

/* 0: bytes may be written, if there is room. */
static int write_error(const memory_end *e)
{
    return e->closed ? KT_ECLOSED : e->error ? e->error : e->out->ended || e->out->deaf ? -EPIPE : 0;
}

static ssize_t memory_writev(void *object, const struct iovec *pieces, size_t count)
{
    kt_task *self = kt__self("writing to a stream in memory");
    memory_end *e = object;
    int rc = kt__op_turn(self);
    while (rc == 0 && (rc = write_error(e)) == 0 && e->out->size == e->link->capacity)
        rc = kt__line_up(self, &e->out->writers, &wait_room, e->out);
    if (rc < 0)
        return rc;
    ssize_t written = 0;
    for (size_t i = 0; i < count; i++)
        written += (ssize_t)put(e->out, e->link->capacity, pieces[i].iov_base, pieces[i].iov_len);
    return written;
}

static ssize_t memory_write_nowait(void *object, const void *bytes, size_t size)
{
    memory_end *e = object;
    int rc = write_error(e);
    return rc < 0 ? rc : (ssize_t)put(e->out, e->link->capacity, bytes, size);
}

static int memory_shutdown_write(void *object)
{
    memory_end *e = object;
    end_way(e->out, 0);
    return 0;
}

static void memory_close(void *object)
{
    memory_end *e = object;
    e->closed = true;
    kt__line_wake(&e->in->readers, KT_ECLOSED);
    kt__line_wake(&e->out->writers, KT_ECLOSED);
    e->in->deaf = true;
    kt__line_wake(&e->in->writers, 0); /* the peer's */
    end_way(e->out, 0);
}

static void memory_free(void *object)
{
    memory_end *e = object;
    if (--e->link->references == 0)
        kt_free(e->link);
}

static const kt_stream_backend memory_backend = {
    .name = "in memory",
    .read = memory_read,
    .writev = memory_writev,
    .write_nowait = memory_write_nowait,
    .shutdown_write = memory_shutdown_write,
    .close = memory_close,
    .free = memory_free,
};

/* ---- Life ---------------------------------------------------------------------------------- */

int kt_stream_memory_pair(size_t capacity, kt_stream *ret_streams[2])
{
    kt_stream *both[2];
    capacity = capacity ? capacity : CAPACITY_DEFAULT;
    if (capacity > (SIZE_MAX / 2 - sizeof(memory_link)) / 2)
        return -ENOMEM;
    memory_link *m = kt_alloc(sizeof *m + 2 * capacity);
    if (!m)
        return -ENOMEM;
    *m = (memory_link){.references = 2, .capacity = capacity};
    for (int i = 0; i < 2; i++) {
        m->ways[i].bytes = m->bytes + (size_t)i * capacity;
        m->ends[i] = (memory_end){.link = m, .in = &m->ways[i], .out = &m->ways[!i]};
    }
    int rc = kt_stream_new(&memory_backend, &m->ends[0], &both[0]);
    if (rc == 0 && (rc = kt_stream_new(&memory_backend, &m->ends[1], &both[1])) < 0)
        kt_free(both[0]);
    if (rc < 0) {
        kt_free(m);
        return rc;
    }
    memcpy(ret_streams, both, sizeof both);
    return 0;
}

/* ---- By hand ------------------------------------------------------------------------------- */

static memory_end *end_of(kt_stream *s, const char *what)
{
    memory_end *e = kt_stream_object(s, &memory_backend);
    if (!e)
        kt__misuse("%s: the stream is no end of a memory pair", what);
    return e;
}

int kt_stream_feed(kt_stream *s, const void *bytes, size_t size)
{
    memory_end *e = end_of(s, "kt_stream_feed");
    if (e->in->ended)
        return kt_error_set(KT_EINVALIDSTATE, "fed after its end");
    if (size > e->link->capacity - e->in->size)
        return KT_EFULL;
    put(e->in, e->link->capacity, bytes, size);
    return 0;
}

void kt_stream_feed_end(kt_stream *s)
{
    end_way(end_of(s, "kt_stream_feed_end")->in, 0);
}

void kt_stream_feed_error(kt_stream *s, int rc)
{
    memory_end *e = end_of(s, "kt_stream_feed_error");
    if (rc >= 0)
        kt__misuse("kt_stream_feed_error: %d is no error", rc);
    end_way(e->in, rc);
    e->error = e->error ? e->error : rc;
    kt__line_wake(&e->out->writers, 0);
}
