/* SPDX-License-Identifier: MIT */

/* Servers. A task, the keeper, accepts connections as long as there is a listener, and then waits for
 * the last connection's end. Connections are the server's own children and no group's, since in a
 * group one without a stack would end all the others. */

#include <errno.h>
#include <kettle/debug.h>
#include <kettle/memory.h>
#include <kettle/server.h>
#include <sys/socket.h>

#include "core/core.h"
#include "io/stream_private.h"

#define CONNECTIONS_MAX_DEFAULT 10000
/* Without memory or a stack for a connection: how long until there may be some. */
#define PAUSE KT_MS(50)

typedef struct connection {
    kt_server *server;
    kt_stream *stream; /* NULL: closed */
    kt_task *task;
    struct connection *next, **link; /* in the server's list */
    bool begun;
} connection;

struct kt_server {
    kt_listener *listener; /* NULL: closed */
    unsigned connections_max;
    kt_spawn_options spawn;
    int (*handler)(kt_stream *s, void *arg);
    void *arg;
    kt_task *keeper;
    connection *connections; /* newest first */
    size_t count;
    kt_event changed; /* a connection has ended, or the listener was closed */
    kt_event over;    /* closed, and the last connection has ended */
};

/* ---- Connections --------------------------------------------------------------------------- */

static int run_connection(void *arg)
{
    connection *c = arg;
    c->begun = true;
    int rc = c->server->handler(c->stream, c->server->arg);
    if (rc < 0 && rc != KT_ECANCELED)
        kt_error_unhandled(rc, "Unhandled exception in client_connected_cb");
    kt_stream_close(kt_steal(c->stream));
    return 0;
}

static void connection_over(kt_task *t)
{
    connection *c = t->owner;
    kt_server *s = c->server;
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    s->count--;
    kt_event_set(&s->changed);
    kt_free(c);
    kt__task_free(t);
}

static void connection_add(kt_server *s, connection *c)
{
    c->server = s;
    c->next = s->connections;
    c->link = &s->connections;
    if (c->next)
        c->next->link = &c->next;
    s->connections = c;
    s->count++;
}

/* Takes the stream in every case. The task runs at once until it suspends, so that it is never
 * cancelled before it could close its stream. */
static int connection_begin(kt_task *self, kt_server *s, kt_stream *stream)
{
    kt_auto(kt_stream) *owned = stream;
    connection *c = kt_calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    const void *site = (const void *)(uintptr_t)s->handler;
    int rc = kt__task_new(self->loop, site, &s->spawn, run_connection, c, 0, &c->task);
    if (rc < 0) {
        kt_free(c);
        return rc;
    }
    c->stream = stream;
    c->task->owner = c;
    c->task->on_done = connection_over;
    connection_add(s, c);
    kt__run_now(self, c->task);
    if (c->begun) {
        owned = NULL;
        return 0;
    }
    c->stream = NULL; /* there was no stack; c lives until the next pass */
    return kt_task_result(c->task);
}

/* Once: a handler that cleans up after the first request must not be disturbed by another. */
static void cancel_connections(kt_server *s)
{
    for (connection *c = s->connections; c; c = c->next)
        if (c->task->requests == 0)
            kt_task_cancel(c->task);
}

/* ---- The keeper ---------------------------------------------------------------------------- */

static int accept_one(kt_task *self, kt_server *s)
{
    if (s->count >= s->connections_max) {
        kt_event_clear(&s->changed);
        return kt_event_wait(&s->changed);
    }
    kt_stream *stream;
    int rc = kt_listener_accept(s->listener, &stream);
    return rc < 0 ? rc : connection_begin(self, s, stream);
}

/* 0: the listener is closed; or the cancellation's code; or why the listener is of no more use. */
static int accept_all(kt_task *self, kt_server *s)
{
    while (s->listener) {
        int rc = accept_one(self, s);
        if (rc == KT_ECLOSED)
            return 0;
        if (rc == -ENOMEM || rc == KT_ENOSTACK) {
            kt_error_unhandled(rc, "a connection was dropped");
            rc = kt_sleep(PAUSE);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int keep(void *arg)
{
    kt_server *s = arg;
    int rc = accept_all(kt__self("a server"), s);
    if (rc < 0 && !kt_is_cancel(rc))
        kt_error_unhandled(rc, "the server accepts no more");
    kt_cancel_hold(); /* nobody but us frees what they leave */
    kt_server_close(s);
    if (kt_is_cancel(rc)) /* the loop ends, and did not know one that the last accept has brought */
        cancel_connections(s);
    while (s->count > 0) {
        kt_event_clear(&s->changed);
        (void)!kt_event_wait(&s->changed); /* cannot fail: cancellations are held back */
    }
    kt_cancel_unhold();
    kt_event_set(&s->over);
    return 0;
}

/* ---- Life ---------------------------------------------------------------------------------- */

int kt_server_start(kt_listener *l, const kt_server_options *options,
                    int (*handler)(kt_stream *s, void *arg), void *arg, kt_server **ret_server)
{
    const kt_server_options o = options ? *options : (kt_server_options){0};
    const kt_spawn_options keeper = {.name = "server", .eager = true};
    (void)kt__self("kt_server_start");
    kt_server *s = kt_calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->listener = l;
    s->connections_max = o.connections_max ? o.connections_max : CONNECTIONS_MAX_DEFAULT;
    s->spawn.name = o.name ? o.name : "connection";
    s->spawn.stack_bytes = o.stack_bytes;
    s->handler = handler;
    s->arg = arg;
    int rc = kt_spawn_with(&keeper, keep, s, 0, &s->keeper);
    if (rc == 0 && kt_task_done(s->keeper) && kt_task_result(s->keeper) < 0)
        rc = kt_task_join(s->keeper); /* it never ran */
    if (rc < 0)
        kt_free(s);
    else
        *ret_server = s;
    return rc;
}

static void refuse_in_handler(const kt_server *s, const char *what)
{
    const kt_task *self = kt__self(what);
    if (self->on_done == connection_over && ((const connection *)self->owner)->server == s)
        kt__misuse("%s: called by a handler, which would wait for its own end", what);
}

void kt_server_close(kt_server *s)
{
    kt_listener *l = kt_steal(s->listener);
    kt_event_set(&s->changed);
    kt_listener_close(l);
}

int kt_server_wait_closed(kt_server *s)
{
    refuse_in_handler(s, "kt_server_wait_closed");
    return kt_event_wait(&s->over);
}

static int wait_for_grace(kt_server *s, kt_time grace)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, grace);
    int rc = kt_event_wait(&s->over);
    rc = kt_timeout_end(&limit, rc);
    return rc == KT_ETIMEDOUT && kt_timeout_expired(&limit) ? 0 : rc;
}

int kt_server_stop(kt_server *s, kt_time grace)
{
    refuse_in_handler(s, "kt_server_stop");
    kt_server_close(s);
    int rc = grace > 0 ? wait_for_grace(s, grace) : 0;
    int left = (int)s->count;
    cancel_connections(s);
    kt_cancel_hold();
    (void)!kt_event_wait(&s->over); /* cannot fail: cancellations are held back */
    kt_cancel_unhold();
    return rc < 0 ? rc : left;
}

int kt_server_serve_forever(kt_server *s)
{
    refuse_in_handler(s, "kt_server_serve_forever");
    int rc = kt_event_wait(&s->over);
    if (rc < 0)
        (void)!kt_server_stop(s, 0); /* the cancellation is known already */
    return rc;
}

void kt_server_free(kt_server *s)
{
    if (!s)
        return;
    refuse_in_handler(s, "kt_server_free");
    kt_cancel_hold();
    (void)!kt_server_stop(s, 0);         /* without grace there is nothing to fail */
    (void)!kt_task_join(s->keeper);
    kt_cancel_unhold();
    kt_free(s);
}

/* ---- Clients ------------------------------------------------------------------------------- */

/* A client that is gone already needs no more (-ENOTCONN). */
static void hang_up(const connection *c)
{
    if (c->stream->backend->hang_up)
        c->stream->backend->hang_up(c->stream->object, false);
    else
        (void)shutdown(kt_stream_fd(c->stream), SHUT_RDWR);
}

void kt_server_close_clients(kt_server *s)
{
    for (const connection *c = s->connections; c; c = c->next)
        if (c->stream)
            hang_up(c);
}

/* Connecting to nowhere is how Linux resets a TCP connection that stays open here (tcp_disconnect), and so
 * can still be read by a handler that does not know yet. */
static void reset(const connection *c)
{
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    int fd = kt_stream_fd(c->stream);
    if (c->stream->backend->hang_up)
        c->stream->backend->hang_up(c->stream->object, true);
    else if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) < 0 ||
        connect(fd, &nowhere, sizeof nowhere) < 0)
        hang_up(c);
}

void kt_server_abort_clients(kt_server *s)
{
    for (const connection *c = s->connections; c; c = c->next)
        if (c->stream)
            reset(c);
}

/* ---- Facts --------------------------------------------------------------------------------- */

bool kt_server_is_serving(const kt_server *s)
{
    return s->listener != NULL;
}

kt_listener *kt_server_listener(const kt_server *s)
{
    return s->listener;
}

size_t kt_server_connections(const kt_server *s)
{
    return s->count;
}
