/* SPDX-License-Identifier: MIT */

/* Watches: callbacks for as long as a descriptor is ready. Each direction is a poll operation of its own, begun
 * anew after each call, which is what makes the watch level-triggered on every driver. What io_uring still
 * has in flight outlives the watch: then only `fn` is gone, and the rest goes when the operation ends. */

#include <errno.h>
#include <fcntl.h>
#include <kettle/loop.h>
#include <kettle/memory.h>
#include <poll.h>

#include "core/core.h"

#define TABLE_MIN 64

typedef struct direction {
    kt__ready ready; /* in the queue while `due` */
    kt__op op;       /* while `in_flight` */
    struct kt__fd_watch *watch;
    void (*fn)(void *arg); /* NULL: not watched */
    void *arg;
    kt__setting *context; /* of whoever set fn */
    bool due, in_flight;
} direction;

struct kt__fd_watch {
    kt_loop *loop;
    kt__fd fd;
    direction reader, writer;
    bool in_use; /* by a function further up the stack, which frees it if need be */
};

/* ---- One direction ------------------------------------------------------------------------- */

static void ended(kt_loop *l, kt__op *op, ssize_t result);
static void call(kt__ready *r);

static void make_due(kt_loop *l, direction *d)
{
    d->due = true;
    d->ready.kind = KT__READY_CALLBACK;
    d->ready.run = call;
    kt__ready_push(l, &d->ready);
}

/* Begins to wait. 0, or why that is not possible. */
static int arm(kt_loop *l, direction *d)
{
    struct kt__fd_watch *w = d->watch;
    bool reads = d == &w->reader;
    d->op = (kt__op){.kind = KT__OP_POLL,
                     .fd = &w->fd,
                     .events = (short)(reads ? POLLIN : POLLOUT),
                     .ended = ended};
    if (l->driver->submit(l, &d->op)) {
        if (d->op.result < 0)
            return (int)d->op.result;
        make_due(l, d);
        return 0;
    }
    *(reads ? &w->fd.reader : &w->fd.writer) = &d->op;
    l->pending++;
    d->in_flight = true;
    return 0;
}

static void forget_fn(direction *d)
{
    d->fn = NULL;
    kt__context_unref(kt_steal(d->context));
}

/* It is ready, or its wait has failed. Nobody is there to be told of a failure, but the function's own calls
 * meet it: so it is called. Only a descriptor that was closed behind our back ends the watch. */
static void go_on(kt_loop *l, direction *d, int result)
{
    if (result == -EEXIST)
        kt__misuse("kt_fd_watch: somebody else waits on descriptor %d", d->watch->fd.fd);
    if (result == -EBADF)
        forget_fn(d);
    else
        make_due(l, d);
}

static void arm_again(kt_loop *l, direction *d)
{
    int rc = arm(l, d);
    if (rc < 0)
        go_on(l, d, rc);
}

static void disarm(kt_loop *l, direction *d)
{
    if (d->due)
        kt__list_remove(&d->ready);
    d->due = false;
    if (!d->in_flight || d->op.cancelling)
        return;
    d->op.cancelling = true;
    l->driver->cancel(l, &d->op);
}

/* ---- Both directions ------------------------------------------------------------------------ */

static void free_if_over(kt_loop *l, struct kt__fd_watch *w)
{
    if (w->in_use || w->reader.fn || w->writer.fn)
        return;
    l->driver->forget(l, &w->fd);
    if (w->reader.in_flight || w->writer.in_flight)
        return;
    l->watches[w->fd.fd] = NULL;
    l->watches_count--;
    kt_free(w);
}

static void ended(kt_loop *l, kt__op *op, ssize_t result)
{
    direction *d = KT__OWNER(op, direction, op);
    struct kt__fd_watch *w = d->watch;
    *(d == &w->reader ? &w->fd.reader : &w->fd.writer) = NULL;
    d->in_flight = false;
    if (d->fn && op->cancelling)
        arm_again(l, d); /* it is watched anew, with what may be another file */
    else if (d->fn)
        go_on(l, d, (int)result);
    free_if_over(l, w);
}

static void call(kt__ready *r)
{
    direction *d = KT__OWNER(r, direction, ready);
    struct kt__fd_watch *w = d->watch;
    kt_loop *l = w->loop;
    kt__setting *context = kt__context_ref(d->context); /* the function may replace itself */
    d->due = false;
    w->in_use = true;
    kt__context_call(context, d->fn, d->arg);
    w->in_use = false;
    kt__context_unref(context);
    if (d->fn && !d->due && !d->in_flight)
        arm_again(l, d);
    free_if_over(l, w);
}

static struct kt__fd_watch *find(const kt_loop *l, int fd)
{
    return fd >= 0 && (size_t)fd < l->watches_size ? l->watches[fd] : NULL;
}

static int grow_table(kt_loop *l, size_t needed)
{
    size_t size = l->watches_size ? l->watches_size : TABLE_MIN;
    while (size < needed)
        size *= 2;
    struct kt__fd_watch **table = kt_realloc(l->watches, size * sizeof *table);
    if (!table)
        return -ENOMEM;
    memset(table + l->watches_size, 0, (size - l->watches_size) * sizeof *table);
    l->watches = table;
    l->watches_size = size;
    return 0;
}

static int find_or_make(kt_loop *l, int fd, struct kt__fd_watch **ret)
{
    *ret = find(l, fd);
    if (*ret)
        return 0;
    if ((size_t)fd >= l->watches_size && grow_table(l, (size_t)fd + 1) < 0)
        return -ENOMEM;
    struct kt__fd_watch *w = kt_calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    w->loop = l;
    w->fd.fd = fd;
    w->reader.watch = w->writer.watch = w;
    l->watches[fd] = *ret = w;
    l->watches_count++;
    return 0;
}

/* ---- Public -------------------------------------------------------------------------------- */

static int set(kt_loop *l, direction *d, void (*fn)(void *arg), void *arg)
{
    int rc = d->fn || d->in_flight ? 0 : arm(l, d);
    if (rc < 0)
        return rc;
    kt__setting *before = d->context;
    d->fn = fn;
    d->arg = arg;
    d->context = kt__context_ref(kt__context_here());
    kt__context_unref(before);
    return 0;
}

static void check_event(int event, const char *what)
{
    if (event != KT_READABLE && event != KT_WRITABLE)
        kt__misuse("%s: one direction at a time, KT_READABLE or KT_WRITABLE", what);
}

int kt_fd_watch(int fd, int event, void (*fn)(void *arg), void *arg)
{
    kt_loop *l = kt__loop;
    check_event(event, "kt_fd_watch");
    if (!l || l->watches_over)
        return kt_error_set(KT_ENOTRUNNING, "kt_fd_watch outside a loop, or at its end");
    if (l->driver == &kt__driver_sim)
        return kt_error_set(KT_ENOTSIM, "kt_fd_watch on descriptor %d", fd);
    if (fcntl(fd, F_GETFD) < 0)
        return -errno;
    struct kt__fd_watch *w;
    int rc = find_or_make(l, fd, &w);
    if (rc < 0)
        return rc;
    rc = set(l, event == KT_READABLE ? &w->reader : &w->writer, fn, arg);
    free_if_over(l, w);
    return rc;
}

static void unwatch(kt_loop *l, struct kt__fd_watch *w, direction *d)
{
    bool in_use = w->in_use;
    w->in_use = true; /* a driver may end the operation at once */
    forget_fn(d);
    disarm(l, d);
    w->in_use = in_use;
}

bool kt_fd_unwatch(int fd, int event)
{
    kt_loop *l = kt__loop;
    check_event(event, "kt_fd_unwatch");
    struct kt__fd_watch *w = l ? find(l, fd) : NULL;
    direction *d = w ? (event == KT_READABLE ? &w->reader : &w->writer) : NULL;
    if (!d || !d->fn)
        return false;
    unwatch(l, w, d);
    if (!w->reader.fn && !w->writer.fn)
        l->driver->forget(l, &w->fd); /* now: the descriptor may be closed as soon as we return */
    free_if_over(l, w);
    return true;
}

void kt__fd_watches_end(kt_loop *l)
{
    l->watches_over = true;
    for (size_t fd = 0; fd < l->watches_size; fd++) {
        struct kt__fd_watch *w = l->watches[fd];
        if (!w)
            continue;
        unwatch(l, w, &w->reader);
        unwatch(l, w, &w->writer);
        free_if_over(l, w);
    }
    while (l->watches_count > 0)
        l->driver->wait(l, KT_FOREVER); /* for what is cancelled, and comes soon */
    kt_free(kt_steal(l->watches));
    l->watches_size = 0;
}
