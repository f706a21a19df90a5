/* SPDX-License-Identifier: MIT */
/* Accepts connections, gives each a task, and stops in good order. */
#include "http/server.h"

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/timeout.h>
#include <kettle/websocket_hub.h>

#include "http/h2.h"
#include "http/parser_internal.h"

/* Keeps the sums of limits far inside 32 bits. */
#define HEAD_BYTES_LIMIT (UINT32_C(16) * 1024 * 1024)
/* After an accept that failed for want of memory or the like. */
#define PAUSE KT_MS(50)

#define OR_DEFAULT(field, value) ((field) = (field) ? (field) : (value))

static int options_fill(kt_http_options *o, const kt_http_options *given)
{
    *o = given ? *given : (kt_http_options){0};
    OR_DEFAULT(o->request_line_bytes_max, 8 * 1024);
    OR_DEFAULT(o->header_bytes_max, 32 * 1024);
    OR_DEFAULT(o->headers_max, KT__HTTP_HEADERS_DEFAULT);
    OR_DEFAULT(o->body_bytes_max, 1024 * 1024);
    OR_DEFAULT(o->head_timeout, KT_S(10));
    OR_DEFAULT(o->idle_timeout, KT_S(60));
    OR_DEFAULT(o->body_timeout, KT_S(30));
    OR_DEFAULT(o->write_timeout, KT_S(30));
    OR_DEFAULT(o->grace, KT_S(5));
    OR_DEFAULT(o->connections_max, 10000);
    OR_DEFAULT(o->connections_per_address_max, 1000);
    OR_DEFAULT(o->body_rate_min, 500);
    OR_DEFAULT(o->background_max, 1000);
    OR_DEFAULT(o->tls_timeout, KT_S(10));
    OR_DEFAULT(o->request_timeout, KT_S(300));
    if (o->request_line_bytes_max > HEAD_BYTES_LIMIT || o->header_bytes_max > HEAD_BYTES_LIMIT ||
        o->headers_max > HEAD_BYTES_LIMIT)
        return kt_error_set(-EINVAL, "header limits over 16 MiB");
    for (const char *c = o->server; c && *c; c++)
        if (!kt__is(*c, KT__C_VALUE))
            return kt_error_set(-EINVAL, "control character in the server's name");
    return 0;
}

static int server_init(kt__http_server *s, const kt_http_options *options, kt_group *group)
{
    memset(s, 0, sizeof *s);
    int rc = options_fill(&s->o, options);
    if (rc < 0)
        return rc;
    s->name = kt__http_trim(kt_slice_from(s->o.server ? s->o.server : ""));
    s->limits = (kt__http_limits){
        .start_line_bytes_max = s->o.request_line_bytes_max,
        .header_bytes_max = s->o.header_bytes_max,
        .body_bytes_max = s->o.body_bytes_max,
    };
    s->in_bytes_max = (size_t)2 + s->o.request_line_bytes_max + s->o.header_bytes_max + 1;
    if (s->in_bytes_max < KT__HTTP_IN_BYTES)
        s->in_bytes_max = KT__HTTP_IN_BYTES;
    s->slots = (kt_semaphore)KT_SEMAPHORE_INIT(s->o.connections_max);
    s->group = group;
    kt_event_set(&s->empty);
    return 0;
}

/* ---- Connections --------------------------------------------------------------------------- */

void kt__http_tell_empty(kt__http_server *s)
{
    if (!s->conns && !s->jobs)
        kt_event_set(&s->empty);
}

void kt__http_conn_end(kt__http_conn *c)
{
    kt__http_server *s = c->server;
    if (c->work)
        kt__http_work_give(s, c->work);
    c->work = NULL;
    kt__http_address_leave(c);
    kt_stream_close(c->stream);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    kt__http_tell_empty(s);
    kt_free(c->peer);
    kt_free(c);
    kt_semaphore_release(&s->slots);
}

/* Takes the stream and a slot in any case. */
static int conn_start(kt__http_server *s, kt_stream *stream)
{
    kt__http_conn *c = kt_calloc(1, sizeof *c);
    if (!c) {
        kt_stream_close(stream);
        kt_semaphore_release(&s->slots);
        return -ENOMEM;
    }
    c->server = s;
    c->stream = stream;
    c->next = s->conns;
    c->link = &s->conns;
    if (c->next)
        c->next->link = &c->next;
    s->conns = c;
    kt_event_clear(&s->empty);
    if (!kt__http_address_enter(c)) {
        kt__http_conn_end(c);
        return 0;
    }
    kt_spawn_options o = {.name = "http", .stack_bytes = s->o.stack_bytes, .stack_now = true};
    int rc = kt_group_spawn_with(s->group, &o, kt__http_connection, &c, sizeof c, &c->task);
    if (rc < 0)
        kt__http_conn_end(c);
    else
        kt_task_detach(c->task); /* it is good as long as the connection, and the group lives as long as the server */
    return rc;
}

/* Ends the connections whose tasks are over: those that never ran. */
static void conns_reap(kt__http_server *s)
{
    for (kt__http_conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        if (!c->guest)
            kt__http_conn_end(c);
    }
}

/* No handler runs any more, so all that is left are guests'. */
static void guests_end(kt__http_server *s)
{
    kt_cancel_hold();
    for (kt__http_conn *c = s->conns; c; c = c->next)
        c->guest->cut(c->guest);
    while (s->conns)
        (void)!kt_event_wait(&s->empty); /* 0: a cancellation is held back */
    kt_cancel_unhold();
}

/* ---- Accepting ----------------------------------------------------------------------------- */

/* Does this failure say that the listener is of no more use? */
static bool is_final(int rc)
{
    return kt_is_cancel(rc) || rc == KT_ECLOSED || rc == KT_ENOTSIM || rc == -EBADF ||
           rc == -EINVAL || rc == -ENOTSOCK || rc == -EOPNOTSUPP;
}

static int accept_one(kt__http_server *s, kt_listener *l)
{
    int rc = kt_semaphore_acquire(&s->slots);
    if (rc < 0)
        return rc;
    kt_stream *stream = NULL;
    rc = kt_listener_accept(l, &stream);
    if (rc < 0)
        kt_semaphore_release(&s->slots);
    else
        rc = conn_start(s, stream);
    return rc;
}

static int accept_all(kt__http_server *s, kt_listener *l)
{
    for (;;) {
        int rc = accept_one(s, l);
        if (rc >= 0)
            continue;
        if (is_final(rc))
            return rc;
        rc = kt_sleep(PAUSE); /* connections that end meanwhile give memory and stacks back */
        if (rc < 0)
            return rc;
    }
}

/* ---- Stopping ------------------------------------------------------------------------------ */

/* Waits for the connections. True if it was the time that ended. */
static bool wait_for_end(kt__http_server *s, kt_time time)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, time);
    int rc = kt_timeout_end(&limit, kt_event_wait(&s->empty));
    return rc == KT_ETIMEDOUT && kt_timeout_expired(&limit);
}

/* Has a client come just now, or is it shaking hands, whose first request may be on its way? */
static bool is_new(const kt__http_conn *c)
{
    kt_time age = kt_now() - (c->head_deadline - c->server->o.head_timeout);
    return c->requests == 0 && (c->head_deadline == 0 || age < KT__HTTP_LAST_HEAD);
}

/* A head that has come in part, or is to come, has nothing running that the grace is for. But its client has a request
 * on its way, and could not tell from the end whether that was obeyed: it has time for what was sent already. (nginx
 * waits for such a client as long as ever; Go as for one whose handler runs.) Whatever ends the grace period, next all
 * are cancelled. */
static void wait_for_grace(kt__http_server *s)
{
    kt_time first = s->o.grace < KT__HTTP_LAST_HEAD ? s->o.grace : KT__HTTP_LAST_HEAD;
    if (!wait_for_end(s, first))
        return;
    for (kt__http_conn *c = s->conns; c; c = c->next)
        if (c->in_head || c->idle)
            kt_task_cancel(c->task);
    (void)!wait_for_end(s, s->o.grace - first);
}

static void stop(kt__http_server *s)
{
    s->stopping = true;
    (void)kt_cancel_catch();
    for (kt__http_conn *c = s->conns; c; c = c->next)
        if (c->guest)
            c->guest->stop(c->guest);
        else if (c->h2)
            kt__h2_stop(c->h2);
        else if ((c->idle && !is_new(c)) || c->events)
            kt_task_cancel(c->task);
        else if (c->handling)
            kt__ws_server_stops(c->x);
    if (s->o.grace > 0)
        wait_for_grace(s);
    kt_callback_cancel(&s->hang_ups);
    kt_group_cancel(s->group);
    (void)kt_cancel_catch();
    (void)!kt_group_join(s->group, 0); /* children end with 0, or never ran */
    conns_reap(s);
    kt__http_jobs_end(s);
    guests_end(s);
    kt_websocket_hub_free(s->leaving);
    kt__http_works_free(s);
    kt__h2_spare_streams_free(s);
    kt__http_buffers_free(s);
    kt__seen_forget(s);
}

int kt_http_serve(kt_listener *l, const kt_http_options *options, kt_http_handler handler,
                  void *arg)
{
    kt__http_server s;
    kt_auto(kt_group) group = KT_GROUP_INIT;
    int rc = server_init(&s, options, &group);
    if (rc < 0)
        return rc;
    s.handler = handler;
    s.arg = arg;
    kt_listener_ref(l); /* another task may close it between two accepts */
    rc = accept_all(&s, l);
    kt_listener_unref(l);
    stop(&s);
    return rc;
}
