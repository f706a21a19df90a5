/* SPDX-License-Identifier: MIT */
/* Kept connections: WebSockets that belong to a hub and have no task while they are silent. A watch on the stream wakes
 * one, which reads what has come and goes again. */
#include <errno.h>
#include <kettle/memory.h>
#include <kettle/stream_backend.h>
#include <kettle/stream_watch.h>
#include <kettle/task.h>
#include <kettle/timeout.h>

#include "http/server.h"
#include "http/websocket_private.h"

/* Between two looks at all of them; a ping may be late by as much. */
#define LOOK_PAUSE KT_MS(250)

typedef struct kt__ws_kept kept;

struct kt__ws_kept {
    kt__http_guest guest; /* first */
    kt__http_conn *conn;
    kt_websocket *ws; /* NULL once it is being closed */
    kt_websocket_hub *hub;
    kept *next, **link;
    kt_task *task;   /* while it is served */
    kt_time heard;   /* or asked whether it is there */
    bool begun;      /* its handler has returned */
    bool wants_task; /* and there was no memory for one */
    bool cut;
};

/* ---- Serving -------------------------------------------------------------------------------- */

static int tell_message(kt_websocket_hub *hub, kt_websocket *ws, const kt_websocket_message *m)
{
    const kt_websocket_hub_options *o = kt__ws_hub_options(hub);
    return o->on_message ? o->on_message(hub, ws, m, o->arg) : 0;
}

static void tell_end(kt_websocket_hub *hub, kt_websocket *ws, int rc)
{
    const kt_websocket_hub_options *o = kt__ws_hub_options(hub);
    if (o->on_end)
        o->on_end(hub, ws, rc, o->arg);
}

/* Reads messages until there are none for now (KT__WS_RESTS), or ever. */
static int read_some(kt_websocket_hub *hub, kt_websocket *ws)
{
    kt_websocket_message m;
    int rc;
    while ((rc = kt__ws_read_once(ws, &m)) == 1)
        if ((rc = tell_message(hub, ws, &m)) < 0)
            return rc;
    return rc;
}

static void end(kept *k, int rc)
{
    kt__ws_keeping *all = kt__ws_keeping_of(k->hub);
    k->ws->rounds = 0; /* the close waits for the peer's */
    tell_end(k->hub, k->ws, rc);
    kt_websocket_close(kt_steal(k->ws));
    kt__http_linger(k->conn);
    kt__http_conn_end(k->conn);
    kt_task_detach(kt_steal(k->task));
    *k->link = k->next;
    if (k->next)
        k->next->link = k->link;
    kt_event_set(&all->changed);
    kt_free(k);
}

static void wake(kept *k);

static void readable(void *arg)
{
    kept *k = arg;
    k->ws->awaited = false;
    wake(k);
}

/* A close that is overdue has woken all that were watched then: others find out by reading. */
static int watch(kept *k)
{
    if (kt__ws_close_is_overdue(k->ws))
        return -EOPNOTSUPP;
    int rc = kt_stream_watch(k->ws->stream, readable, k);
    k->ws->awaited = rc == 0;
    return rc;
}

/* Where nothing can be watched, or not now for want of memory, the task waits itself. */
static int serve(void *arg)
{
    kept *k = *(kept **)arg;
    int rc = 0;
    do {
        k->heard = kt_now();
        k->ws->rounds = 1;
        rc = read_some(k->hub, k->ws);
        k->heard = kt_now();
        if (rc != KT__WS_RESTS)
            break;
        rc = watch(k);
        if (rc == 0) {
            kt_task_detach(kt_steal(k->task));
            return 0;
        }
    } while (rc == -EOPNOTSUPP || rc == -ENOMEM);
    end(k, rc);
    return 0; /* told */
}

static void wake(kept *k)
{
    const kt_spawn_options o = {.name = "kept websocket", .stack_now = true};
    if (k->task)
        return;
    k->wants_task = kt_spawn_with(&o, serve, &k, sizeof k, &k->task) < 0;
    if (k->wants_task)
        kt_event_set(&kt__ws_keeping_of(k->hub)->changed);
}

/* ---- What the server wants ------------------------------------------------------------------- */

static kept *of(kt__http_guest *g)
{
    return (kept *)g; /* its first member */
}

/* Whoever waits for it reads the end. */
static void cut(kt__http_guest *g)
{
    kept *k = of(g);
    k->cut = true;
    kt_stream_hang_up(k->conn->stream, false);
    if (k->task)
        kt_task_cancel(k->task);
}

static int say_going_away(kt_websocket_hub *hub, kt_websocket *ws)
{
    static const char code[] = {(char)(1001 >> 8), (char)(1001 & 0xff)};
    return kt__ws_hub_control(hub, ws, KT__WS_CLOSE, (kt_slice){code, sizeof code});
}

static void stop(kt__http_guest *g)
{
    kept *k = of(g);
    if (k->begun && k->ws && !k->ws->close_sent && say_going_away(k->hub, k->ws) < 0)
        cut(g); /* nothing can be said to it */
}

/* Whoever reads gets 0 once the peer has answered. One that cannot be told has the grace period. */
void kt__ws_server_stops(kt_http_exchange *x)
{
    if (!x->ws || x->ws->close_sent) /* without one it may be no request yet, and have no connection */
        return;
    kt__http_server *s = x->c->server;
    if (s->leaving || kt_websocket_hub_new(NULL, &s->leaving) == 0)
        (void)!say_going_away(s->leaving, x->ws);
}

static void begin(kt__http_guest *g)
{
    kept *k = of(g);
    k->begun = true;
    k->heard = kt_now();
    kt_event_set(&kt__ws_keeping_of(k->hub)->changed);
    if (k->cut || !kt__ws_rest(k->ws) || watch(k) < 0)
        wake(k);
    if (k->conn->server->stopping)
        stop(g);
}

/* ---- Those that say nothing ------------------------------------------------------------------- */

/* Until the peer's close is due, time runs elsewhere: kt__ws_closing. */
static kt_time patience(const kt_websocket *ws)
{
    if (ws->close_sent || ws->ping_interval <= 0)
        return KT_FOREVER;
    return ws->pinged ? ws->ping_timeout : ws->ping_interval;
}

/* Asks it, or gives it up. */
static void silent(kept *k, kt_time now)
{
    kt_websocket *ws = k->ws;
    if (ws->pinged) {
        kt__ws_send_last(ws, KT__WS_OUR_FAULT, kt_slice_from(KT__WS_MUTE));
        ws->read_rc = -ETIMEDOUT;
        cut(&k->guest);
        return;
    }
    ws->pinged = kt__ws_hub_control(k->hub, ws, KT__WS_PING, (kt_slice){NULL, 0}) == 0;
    k->heard = now; /* one that cannot be asked now is asked later */
}

/* Looks at all; when to look again. One that is being served is looked after by its task. */
static kt_time look(const kt__ws_keeping *all)
{
    kt_time now = kt_now(), next = KT_FOREVER;
    for (kept *k = all->first; k; k = k->next) {
        if (!k->begun || k->task)
            continue;
        if (k->wants_task)
            wake(k);
        if (k->wants_task)
            next = now;
        if (k->task || k->cut)
            continue;
        kt_time most = patience(k->ws);
        if (most != KT_FOREVER && k->heard + most <= now)
            silent(k, now);
        most = patience(k->ws);
        if (most != KT_FOREVER && k->heard + most < next)
            next = k->heard + most;
    }
    return next;
}

static int keep(void *arg)
{
    kt__ws_keeping *all = *(kt__ws_keeping **)arg;
    int rc = 0;
    while (rc == 0 && all->first) {
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        kt_event_clear(&all->changed);
        kt_timeout_start_at(&limit, look(all));
        rc = kt_timeout_end(&limit, kt_event_wait(&all->changed));
        if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
            rc = 0;
        if (rc == 0)
            rc = kt_sleep(LOOK_PAUSE);
    }
    if (all->keeper) /* else somebody waits for it */
        kt_task_detach(kt_steal(all->keeper));
    return rc;
}

void kt__ws_keeping_end(kt_websocket_hub *hub)
{
    kt__ws_keeping *all = kt__ws_keeping_of(hub);
    for (kept *k = all->first; k; k = k->next)
        cut(&k->guest);
    while (all->first) {
        kt_event_clear(&all->changed);
        (void)!kt_event_wait(&all->changed); /* 0: a cancellation is held back */
    }
    kt_task *keeper = kt_steal(all->keeper);
    if (keeper) {
        kt_task_cancel(keeper);
        (void)!kt_task_join(keeper); /* KT_ECANCELED, or it had ended */
    }
}

/* ---- Keeping ---------------------------------------------------------------------------------- */

/* Over HTTP/2 the stream ends with the handler's task, which is this one. */
static int serve_here(kt_websocket_hub *hub, kt_websocket *ws)
{
    ws->rounds = 0;
    int rc = read_some(hub, ws);
    tell_end(hub, ws, rc);
    kt_websocket_close(ws);
    return 0;
}

int kt_websocket_hub_keep(kt_websocket_hub *hub, kt_websocket **ws)
{
    kt__ws_keeping *all = kt__ws_keeping_of(hub);
    if (!*ws || !(*ws)->exchange)
        return kt_error_set(-EINVAL, "a hub keeps what kt_websocket_accept has made, and nothing else");
    kt__http_conn *c = (*ws)->exchange->c;
    if (c->is_h2)
        return serve_here(hub, kt_steal(*ws));
    kept *k = kt_calloc(1, sizeof *k);
    if (!k)
        return -ENOMEM;
    *k = (kept){.guest = {begin, stop, cut}, .conn = c, .hub = hub, .next = all->first, .link = &all->first};
    const kt_spawn_options o = {.name = "websocket keeper", .stack_now = true};
    int rc = all->keeper ? 0 : kt_spawn_with(&o, keep, &all, sizeof all, &all->keeper);
    if (rc < 0) {
        kt_free(k);
        return rc;
    }
    if (k->next)
        k->next->link = &k->next;
    all->first = k;
    k->ws = kt_steal(*ws);
    k->ws->write_timeout = kt__ws_write_timeout(k->ws); /* the handler's connection is known until now */
    kt__ws_part(k->ws);
    c->guest = &k->guest;
    return 0;
}
