/* SPDX-License-Identifier: MIT */
/* Which connection an attempt gets: one that is idle, a new one, or a place in line.
 *
 * Invariant between two suspensions: nobody is in line whom the limits would let go on. So who comes new may take what
 * he finds, and overtakes nobody who could have had it. */
#include <poll.h>

#include "http/client.h"

#define KEEPER_STACK ((size_t)64 * 1024)

/* ---- Lists ----------------------------------------------------------------------------------- */

static void enlist(kt__client_conn *conn)
{
    kt_http_session *s = conn->session;
    conn->next = s->conns;
    if (s->conns)
        s->conns->prev = conn;
    s->conns = conn;
}

static void delist(kt__client_conn *conn)
{
    kt_http_session *s = conn->session;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        s->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
}

static void idle_add(kt__client_conn *conn)
{
    kt__client_origin *o = conn->origin;
    conn->is_idle = true;
    conn->idle_since = kt_now();
    conn->session->idle++;
    if (conn->h2)
        return;
    conn->idle_prev = NULL;
    conn->idle_next = o->idle;
    if (o->idle)
        o->idle->idle_prev = conn;
    o->idle = conn;
}

static void idle_remove(kt__client_conn *conn)
{
    kt__client_origin *o = conn->origin;
    conn->is_idle = false;
    conn->session->idle--;
    if (conn->h2)
        return;
    if (conn->idle_prev)
        conn->idle_prev->idle_next = conn->idle_next;
    else
        o->idle = conn->idle_next;
    if (conn->idle_next)
        conn->idle_next->idle_prev = conn->idle_prev;
}

/* Takes a connection out of all accounts; what is left is to close its stream. Until then its tasks still know its
 * origin. */
static void forget(kt__client_conn *conn)
{
    if (conn->is_idle)
        idle_remove(conn);
    delist(conn);
    if (conn->origin->shared == conn)
        conn->origin->shared = NULL;
    conn->origin->users++;
    conn->origin->open--;
    conn->session->open--;
}

static void conn_close(kt__client_conn *conn, kt__client_fate fate)
{
    kt__client_h2_close(conn);
    conn->origin->users--;
    kt__client_part(conn->stream, fate);
    kt_free(conn);
}

/* The idle one that was used longest ago, of any origin. */
static kt__client_conn *oldest_idle(const kt_http_session *s)
{
    kt__client_conn *oldest = NULL;
    for (kt__client_conn *conn = s->idle > 0 ? s->conns : NULL; conn; conn = conn->next)
        if (conn->is_idle && (!oldest || conn->broken || conn->idle_since < oldest->idle_since))
            oldest = conn;
    return oldest;
}

/* ---- Who is next ----------------------------------------------------------------------------- */

static bool can_share(const kt__client_origin *o)
{
    return o->shared && kt__client_h2_usable(o->shared);
}

/* Servers of HTTP/2 that switch to other protocols are rare: an upgrade goes over HTTP/1.1, unless there is a
 * connection to one that says it does, or the session wants nothing else. */
bool kt__client_only_1(const kt__http_call *c)
{
    bool wants_2 = c->session->o.version == KT_HTTP_2;
    if (c->request->upgrade && !wants_2 && !(can_share(c->origin) && kt__client_h2_extends(c->origin->shared)))
        return true;
    bool is_plain = !kt_url_is_secure(&c->url) && !wants_2;
    return is_plain || c->session->o.version == KT_HTTP_1 || c->origin->speaks == KT__CLIENT_HTTP_1;
}

static void share(kt__client_conn *conn)
{
    if (conn->is_idle)
        idle_remove(conn);
    (void)kt__client_h2_users(conn, 1);
}

/* One connection of HTTP/2 is enough for all: nobody opens a second one while there is one that lives, or while another
 * call opens what may become one. It is not where the server ends them after a few requests. And where the attempt to
 * open one has failed, all find out for themselves at once, until one succeeds: a crowd at a server that does not
 * answer would else wait for it one after the other. */
static bool one_is_enough(const kt__client_origin *o)
{
    bool is_there = o->shared && kt__client_h2_alive(o->shared) && o->streams_served == 0;
    return is_there || (o->opening > 0 && !o->failing);
}

static bool may_open(const kt_http_session *s, const kt__client_origin *o, bool only_1)
{
    if (!only_1 && one_is_enough(o))
        return false;
    return o->open < s->o.connections_per_host_max && (s->open < s->o.connections_max || s->idle > 0);
}

/* Counts a connection that is to be opened, which may become one of HTTP/2 or not. One that has to make way is put
 * aside: a task of its own cannot end it. */
static void permit(kt_http_session *s, kt__client_origin *o, bool only_1)
{
    kt__client_conn *old = s->open >= s->o.connections_max ? oldest_idle(s) : NULL;
    if (old) {
        forget(old);
        old->next = s->doomed;
        s->doomed = old;
    }
    o->opening += !only_1;
    o->open++;
    s->open++;
}

static void end_doomed(kt_http_session *s)
{
    while (s->doomed) {
        kt__client_conn *conn = s->doomed;
        s->doomed = conn->next;
        conn_close(conn, KT__CLIENT_KEEP);
    }
}

static void line_leave(kt_http_session *s, kt__client_origin *o, kt__client_waiter *w)
{
    kt__client_waiter *before = NULL;
    for (kt__client_waiter *i = o->first; i; before = i, i = i->next) {
        if (i != w)
            continue;
        if (before)
            before->next = w->next;
        else
            o->first = w->next;
        if (o->last == w)
            o->last = before;
        s->waiting--;
        return;
    }
}

/* It may have turned out since it got in line that the server speaks HTTP/1.1. */
static bool wants_1(const kt__client_origin *o, const kt__client_waiter *w)
{
    return w->only_1 || o->speaks == KT__CLIENT_HTTP_1;
}

/* Is there one to be had at once? */
static bool may_have(const kt__client_origin *o, bool only_1)
{
    return o->idle || (!only_1 && can_share(o));
}

/* The first in an origin's line whom the limits let go on, or NULL: they may let only one of two kinds. */
static kt__client_waiter *first_served(const kt_http_session *s, const kt__client_origin *o)
{
    bool serves_1 = may_have(o, true) || may_open(s, o, true), serves_2 = may_have(o, false) || may_open(s, o, false);
    kt__client_waiter *w = serves_1 || serves_2 ? o->first : NULL;
    while (w && !(wants_1(o, w) ? serves_1 : serves_2))
        w = w->next;
    return w;
}

/* Of those whom the limits let go on, the one who asked first, taken out of his line. */
static kt__client_waiter *next_served(kt_http_session *s, kt__client_origin **ret_origin)
{
    kt__client_waiter *found = NULL;
    for (kt__client_origin *o = s->waiting > 0 ? s->origins : NULL; o; o = o->next) {
        kt__client_waiter *w = o->first ? first_served(s, o) : NULL;
        if (w && (!found || w->number < found->number)) {
            found = w;
            *ret_origin = o;
        }
    }
    if (found)
        line_leave(s, *ret_origin, found);
    return found;
}

/* Restores the invariant. */
static void serve_line(kt_http_session *s)
{
    kt__client_origin *o = NULL;
    kt__client_waiter *w;
    while ((w = next_served(s, &o))) {
        bool only_1 = wants_1(o, w);
        if (!only_1 && can_share(o)) {
            w->conn = o->shared;
            share(w->conn);
        } else if (o->idle) {
            w->conn = o->idle;
            idle_remove(w->conn);
        } else {
            permit(s, o, only_1);
            w->permit = true;
            w->opening = !only_1;
        }
        kt_event_set(&w->ready);
    }
}

/* The same for who may suspend. */
static void serve(kt_http_session *s)
{
    serve_line(s);
    end_doomed(s);
}

/* Ends a connection. Its place is another's before the parting, which may take a while. */
static void discard(kt__client_conn *conn, kt__client_fate fate)
{
    kt_http_session *s = conn->session;
    forget(conn);
    serve(s);
    conn_close(conn, fate);
}

static void permit_return(kt_http_session *s, kt__client_origin *o, bool opening)
{
    o->opening -= opening;
    o->open--;
    s->open--;
    serve(s);
}

/* ---- Idle ones ------------------------------------------------------------------------------- */

/* Has its server closed it, or said something unasked? One system call that never waits. Under TLS there may be
 * something to read that is none of HTTP's business. */
static bool is_stale(const kt__client_conn *conn)
{
    struct pollfd p = {.fd = kt_stream_fd(conn->stream), .events = POLLIN | POLLRDHUP};
    kt_tls_info info;
    if (kt_now() - conn->idle_since >= conn->session->o.idle_timeout || kt_stream_buffered(conn->stream).size > 0)
        return true;
    if (p.fd < 0 || poll(&p, 1, 0) <= 0)
        return false;
    return (p.revents & ~POLLIN) || kt_tls_info_get(conn->stream, &info) < 0;
}

static kt__client_conn *take_idle(kt__client_origin *o)
{
    while (o->idle) {
        kt__client_conn *conn = o->idle;
        if (!is_stale(conn)) {
            idle_remove(conn);
            return conn;
        }
        discard(conn, KT__CLIENT_KEEP);
    }
    return NULL;
}

void kt__client_origin_drop_idle(kt__client_origin *o)
{
    while (o->idle)
        discard(o->idle, KT__CLIENT_DROP);
}

/* Closes what has been idle too long; returns when to look again. */
static kt_time sweep_idle(kt_http_session *s)
{
    for (;;) {
        kt__client_conn *conn = oldest_idle(s);
        if (!conn)
            return KT_FOREVER;
        if (!conn->broken && s->o.idle_timeout >= KT_FOREVER - conn->idle_since)
            return KT_FOREVER;
        kt_time due = conn->idle_since + s->o.idle_timeout;
        if (!conn->broken && due > kt_now())
            return due;
        discard(conn, conn->broken ? KT__CLIENT_DROP : KT__CLIENT_KEEP);
    }
}

/* Until it is time; or a connection has broken, which may hold memory and a peer that goes on sending. What merely
 * becomes idle while there is a time to wait for is looked at then. */
static int keeper_rests(kt_http_session *s, kt_time due)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    s->keeper_dozes = due == KT_FOREVER;
    if (s->keeper_dozes)
        return kt_event_wait(&s->keeper_wanted);
    kt_timeout_start(&limit, due - kt_now());
    int rc = kt_timeout_end(&limit, kt_event_wait(&s->keeper_wanted));
    return rc == KT_ETIMEDOUT && kt_timeout_expired(&limit) ? 0 : rc;
}

static int keep(void *arg)
{
    kt_http_session *s = *(kt_http_session **)arg;
    int rc = 0;
    while (rc == 0) {
        kt_event_clear(&s->keeper_wanted);
        end_doomed(s);
        kt_time due = sweep_idle(s);
        rc = keeper_rests(s, due);
    }
    return rc;
}

/* Without a keeper, for want of memory for a task, nothing is lost: what is idle too long is found when it is looked
 * for, and what is put aside when the next is. */
void kt__client_h2_changed(kt__client_conn *conn)
{
    kt_http_session *s = conn->session;
    if (conn->origin->shared == conn && !kt__client_h2_alive(conn))
        conn->origin->shared = NULL;
    conn->broken = conn->is_idle && !kt__client_h2_alive(conn); /* the keeper ends it */
    serve_line(s);
    if (conn->broken || s->doomed)
        kt_event_set(&s->keeper_wanted);
}

static void wake_keeper(kt_http_session *s)
{
    const kt_spawn_options o = {.name = "HTTP connections", .stack_bytes = KEEPER_STACK, .stack_now = true};
    if (s->closed) /* meanwhile */
        return;
    if (s->keeper_dozes)
        kt_event_set(&s->keeper_wanted);
    if (!s->keeper && kt_spawn_with(&o, keep, &s, sizeof s, &s->keeper) < 0)
        s->keeper = NULL;
}

/* ---- To and fro ------------------------------------------------------------------------------ */

static int wait_in_line(kt__http_call *c, kt__client_waiter *w)
{
    kt_http_session *s = c->session;
    kt__client_origin *o = c->origin;
    kt__client_phase phase;
    *w = (kt__client_waiter){.number = s->asked++, .only_1 = kt__client_only_1(c), .ready = KT_EVENT_INIT};
    if (o->last)
        o->last->next = w;
    else
        o->first = w;
    o->last = w;
    s->waiting++;
    kt__client_phase_begin(&phase, "waiting for a connection to be free", c->timeouts.pool, c->deadline);
    int rc = kt__client_phase_end(&phase, kt_event_wait(&w->ready));
    if (rc == 0 && !w->turned_away)
        return 0;
    line_leave(s, o, w);
    if (w->conn)
        kt__client_release(w->conn, KT__CLIENT_KEEP);
    else if (w->permit)
        permit_return(s, o, w->opening);
    return rc < 0 ? rc : KT_ECLOSED;
}

static int open_new(kt__http_call *c, bool opening)
{
    kt_http_session *s = c->session;
    int rc = kt__client_connect(c, &c->conn);
    if (rc < 0) {
        c->origin->failing = rc != KT_ECANCELED;
        permit_return(s, c->origin, opening);
        return rc;
    }
    if (s->closed) {
        kt__client_h2_close(c->conn);
        kt__client_part(c->conn->stream, KT__CLIENT_DROP);
        kt_free(kt_steal(c->conn));
        permit_return(s, c->origin, opening);
        return kt_error_set(KT_ECLOSED, "the session was closed");
    }
    c->origin->opening -= opening;
    c->origin->failing = false;
    c->reused = false;
    enlist(c->conn);
    s->opened++;
    if (c->conn->h2) {
        c->origin->speaks = KT__CLIENT_HTTP_2;
        c->origin->shared = c->conn;
        (void)kt__client_h2_users(c->conn, 1);
    } else if (!c->request->upgrade) {
        c->origin->speaks = KT__CLIENT_HTTP_1;
    }
    serve(s);
    return 0;
}

/* A new connection in the place of one that was there before. */
static int replace(kt__http_call *c, kt__client_conn *conn)
{
    forget(conn);
    permit(c->session, c->origin, true);
    conn_close(conn, KT__CLIENT_KEEP);
    return open_new(c, false);
}

static int got(kt__http_call *c, kt__client_conn *conn)
{
    if (c->fresh && !conn->h2)
        return replace(c, conn);
    conn->reused = true;
    c->session->reused++;
    c->conn = conn;
    c->reused = true;
    return 0;
}

int kt__client_acquire(kt__http_call *c)
{
    kt_http_session *s = c->session;
    kt__client_origin *o = c->origin;
    kt__client_waiter w = {.permit = false};
    kt__client_conn *conn = NULL;
    bool only_1 = kt__client_only_1(c);
    if (!only_1 && can_share(o)) {
        share(o->shared);
        return got(c, o->shared);
    }
    conn = take_idle(o);
    if (conn)
        return got(c, conn);
    if (s->closed)
        return KT_ECLOSED;
    if (may_open(s, o, only_1)) {
        w.opening = !only_1;
        permit(s, o, only_1);
        end_doomed(s);
    } else {
        int rc = wait_in_line(c, &w);
        if (rc < 0)
            return rc;
        if (w.conn)
            return got(c, w.conn);
    }
    return open_new(c, w.opening);
}

static void release_shared(kt__client_conn *conn)
{
    kt_http_session *s = conn->session;
    unsigned users = kt__client_h2_users(conn, -1);
    bool alive = !s->closed && kt__client_h2_alive(conn);
    if (users == 0 && !alive) {
        discard(conn, KT__CLIENT_DROP);
        return;
    }
    if (users == 0)
        idle_add(conn);
    serve(s);
    if (users == 0)
        wake_keeper(s);
}

void kt__client_release(kt__client_conn *conn, kt__client_fate fate)
{
    kt_http_session *s = conn->session;
    if (conn->h2) {
        release_shared(conn);
        return;
    }
    bool keep_it = fate == KT__CLIENT_KEEP && !s->closed && kt_stream_buffered(conn->stream).size == 0;
    if (keep_it && !s->once) {
        idle_add(conn);
        serve(s);
        wake_keeper(s);
        return;
    }
    discard(conn, keep_it ? KT__CLIENT_KEEP : KT__CLIENT_DROP);
}

void kt__client_pool_close(kt_http_session *s)
{
    for (kt__client_origin *o = s->origins; o; o = o->next)
        while (o->first) {
            kt__client_waiter *w = o->first;
            line_leave(s, o, w);
            w->turned_away = true;
            kt_event_set(&w->ready);
        }
    for (kt__client_conn *conn = s->conns; conn; conn = conn->next)
        if (!conn->is_idle) {
            conn->closed_under = true;
            kt_stream_hang_up(conn->stream, true);
        }
    kt__client_conn *conn;
    end_doomed(s);
    while ((conn = oldest_idle(s))) {
        forget(conn);
        conn_close(conn, KT__CLIENT_KEEP);
    }
}
