/* SPDX-License-Identifier: MIT */

/* Watches of streams: a poll operation that no task waits for. */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/stream_watch.h>
#include <poll.h>

#include "core/core.h"
#include "io/stream_private.h"

struct kt__stream_watch {
    kt__ready ready; /* in the queue while `due` */
    kt__op op;       /* in flight while the stream is watched and this is not due */
    kt_stream *stream;
    bool due;
    void (*fn)(void *arg);
    void *arg;
    kt__setting *context; /* of whoever began it */
};

static void call(kt__ready *r)
{
    struct kt__stream_watch *w = KT__OWNER(r, struct kt__stream_watch, ready);
    kt__setting *context = kt_steal(w->context);
    w->due = w->stream->watched = false;
    kt__context_call(context, w->fn, w->arg); /* which may close the stream */
    kt__context_unref(context);
}

static void make_due(kt_loop *l, struct kt__stream_watch *w)
{
    w->due = true;
    w->ready.kind = KT__READY_CALLBACK;
    w->ready.run = call;
    kt__ready_push(l, &w->ready);
}

static void ended(kt_loop *l, kt__op *op, ssize_t result)
{
    struct kt__stream_watch *w = KT__OWNER(op, struct kt__stream_watch, op);
    (void)result; /* a read will tell */
    op->fd->reader = NULL;
    if (!op->cancelling)
        make_due(l, w);
}

static void begin(kt_loop *l, struct kt__stream_watch *w)
{
    const kt_stream *s = w->stream;
    kt__fd *fd = s->object;
    w->op = (kt__op){.kind = KT__OP_POLL, .fd = fd, .events = POLLIN, .ended = ended};
    if (s->end > s->start || s->at_end || l->driver->submit(l, &w->op)) {
        make_due(l, w);
        return;
    }
    fd->reader = &w->op;
    l->pending++;
}

int kt_stream_watch(kt_stream *s, void (*fn)(void *arg), void *arg)
{
    kt_loop *l = kt__loop;
    if (!l)
        kt__no_task("kt_stream_watch");
    if (s->closing)
        return KT_ECLOSED;
    if (s->watched || s->reader)
        kt__misuse("kt_stream_watch: the stream is %s already", s->watched ? "watched" : "read from");
    if (!kt__stream_has_fd(s))
        return kt_error_set(-EOPNOTSUPP, "a stream (%s) cannot be watched", s->backend->name);
    if (!s->watch)
        s->watch = kt_calloc(1, sizeof *s->watch);
    if (!s->watch)
        return -ENOMEM;
    s->watch->stream = s;
    s->watch->fn = fn;
    s->watch->arg = arg;
    s->watch->context = kt__context_ref(kt__context_here());
    s->watched = true;
    begin(l, s->watch);
    return 0;
}

void kt__stream_watch_end(kt_stream *s)
{
    if (!s->watch)
        return;
    if (s->watch->due)
        kt__list_remove(&s->watch->ready);
    kt__context_unref(s->watch->context);
    kt_free(s->watch);
}
