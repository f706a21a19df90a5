/* SPDX-License-Identifier: MIT */

/* One connection of HTTP/2: reads, writes, and ends in good order. */
#include <errno.h>
#include <kettle/timeout.h>

#include "http/h2.h"

/* From the notice that the server stops to the good-bye, for a client that does not say that it has heard. */
#define NOTICE KT_S(1)

/* ---- Writing --------------------------------------------------------------------------------- */

void kt__h2_pump(kt__h2 *h)
{
    if (h->c->write_rc < 0)
        return;
    if (kt__h2_session_take(h) < 0)
        kt__h2_wake_reader(h); /* to end the connection */
    if (h->out.size > 0 || h->closing)
        kt_event_set(&h->out_ready);
}

static int write_out(kt__h2 *h)
{
    kt_buffer out = h->out;
    h->out = h->sending;
    h->sending = out;
    struct iovec piece = {out.data, out.size};
    int rc = kt__http_write_watched(h->c, &piece, 1);
    kt_buffer_clear(&h->sending);
    return rc;
}

/* Memory is kept for what comes next only while there is something to answer. */
static void rest(kt__h2 *h)
{
    if (h->tasks > 0)
        return;
    kt__http_buffer_give(h->c->server, &h->out);
    kt__http_buffer_give(h->c->server, &h->sending);
}

static void wake_streams(const kt__h2 *h)
{
    for (kt__h2_stream *s = h->streams; s; s = s->next) {
        kt_event_set(&s->readable);
        kt_event_set(&s->writable);
    }
}

/* Is all written, and will nobody compose more? */
static bool is_written(const kt__h2 *h)
{
    return h->out.size == 0 && (h->closing || (h->giving_up && h->tasks == 0));
}

static int writer(void *arg)
{
    kt__h2 *h = *(kt__h2 **)arg;
    int rc = 0;
    while (rc >= 0 && !is_written(h)) {
        if (h->out.size == 0) {
            rest(h);
            rc = kt_event_wait(&h->out_ready);
            kt_event_clear(&h->out_ready);
            continue;
        }
        rc = write_out(h);
        if (rc < 0)
            h->c->write_rc = rc;
        kt__h2_pump(h); /* there is room again */
    }
    if (h->c->write_rc < 0) {
        wake_streams(h);
        kt__h2_wake_reader(h);
    }
    kt_event_set(&h->written);
    return 0;
}

/* ---- Reading --------------------------------------------------------------------------------- */

void kt__h2_wake_reader(kt__h2 *h)
{
    if (!h->reading || h->woken)
        return;
    h->woken = true;
    kt_task_cancel(h->c->task);
}

static void end_with(kt__h2 *h, int error, const char *reason)
{
    if (h->said_goaway && error == KT__H2_NO_ERROR)
        return;
    h->said_goaway = true;
    kt__h2_session_goaway(h, error);
    kt__h2_pump(h);
    if (error != KT__H2_NO_ERROR) {
        kt_http_record r = {.rc = KT_EPROTOCOL, .reason = reason};
        kt_http_exchange x = {.c = h->c};
        kt__http_log(&x, &r);
    }
}

/* The good-bye says which requests were taken; those that were on their way are lost. So, while there is something to
 * finish anyway, it comes when no more are (RFC 9113 section 6.8). */
static void give_notice(kt__h2 *h)
{
    h->noticed = false;
    h->leave_by = kt_now() + NOTICE;
    kt__h2_session_give_notice(h);
    kt__h2_pump(h);
}

static void leave_in_time(kt__h2 *h)
{
    if (h->leave_by > 0 && (h->noticed || kt_now() >= h->leave_by))
        end_with(h, KT__H2_NO_ERROR, NULL);
}

void kt__h2_stop(kt__h2 *h)
{
    if (h->tasks > 0 && !h->said_goaway)
        give_notice(h);
    else
        end_with(h, KT__H2_NO_ERROR, NULL);
    for (kt__h2_stream *s = h->streams; s; s = s->next) {
        if (s->x.is_events && s->task)
            kt_task_cancel(s->task);
        kt__ws_server_stops(&s->x);
    }
    kt__h2_wake_reader(h);
}

/* When the client has waited, or let us wait, too long; it may be extended meanwhile. */
static kt_time deadline(const kt__h2 *h)
{
    const kt__http_conn *c = h->c;
    const kt_http_options *o = &c->server->o;
    if (c->head_deadline > 0) /* of a head that has begun, or of the first request */
        return c->head_deadline;
    return (h->tasks > 0 ? kt_now() : h->idle_since) + o->idle_timeout;
}

/* When the reader has to look around. */
static kt_time next_look(const kt__h2 *h)
{
    kt_time limit = deadline(h);
    return h->leave_by > 0 && !h->said_goaway && h->leave_by < limit ? h->leave_by : limit;
}

/* Behind a good-bye, when its last stream has ended. */
static bool is_over(const kt__h2 *h)
{
    return h->failed < 0 || h->c->write_rc < 0 || (h->tasks == 0 && kt__h2_is_leaving(h));
}

/* The limit is over, or somebody has woken the reader. 1 to go on, 0 to end. */
static int look_around(kt__h2 *h)
{
    kt__http_conn *c = h->c;
    if (is_over(h))
        return 0;
    leave_in_time(h);
    if (kt_now() < deadline(h))
        return 1;
    end_with(h, c->head_deadline > 0 && h->watch.in_block ? KT__H2_ENHANCE_YOUR_CALM : KT__H2_NO_ERROR,
             "a request's head did not arrive in time");
    return 0;
}

/* Feeds what has come, and begins each request before the next one is read. 1, or 0 when the connection must end. */
static int feed(kt__h2 *h, const char *bytes, size_t size)
{
    kt__http_conn *c = h->c;
    int rc = 0, error = KT__H2_NO_ERROR;
    kt_time now = kt_now();
    uint32_t requests = c->requests;
    uint32_t max = c->server->o.requests_max ? c->server->o.requests_max : UINT32_MAX;
    while (rc == 0 && error == KT__H2_NO_ERROR && size > 0) {
        size_t good = kt__h2_watch_see(&h->watch, bytes, size, now, &error);
        rc = kt__h2_session_feed(h, bytes, good);
        if (rc == 0 && h->begun) {
            kt__h2_stream_run(kt_steal(h->begun));
            if (c->requests >= max)
                end_with(h, KT__H2_NO_ERROR, NULL);
        }
        bytes += good;
        size -= good;
    }
    if (rc == 0 && error != KT__H2_NO_ERROR) {
        end_with(h, error, h->watch.reason);
        return 0;
    }
    if (h->watch.in_block)
        c->head_deadline = c->head_deadline > 0 ? c->head_deadline : now + c->server->o.head_timeout;
    else if (requests < c->requests || requests > 0)
        c->head_deadline = 0;
    leave_in_time(h);
    kt__h2_pump(h);
    return rc == 0 && kt__h2_session_wants(h);
}

/* Takes back what wake_reader has done. Was the task cancelled by somebody else, too? Then all that follows is to feel
 * it. */
static bool was_cancelled(kt__h2 *h)
{
    kt_task *self = kt_task_current();
    if (!h->woken)
        return kt_task_cancelling(self) > 0;
    h->woken = false;
    if (kt_task_uncancel(self) > 0)
        return true;
    (void)kt_cancel_catch();
    return false;
}

/* One read. 1, or 0 to end. */
static int read_once(kt__h2 *h)
{
    kt__http_work *w = h->c->work;
    kt_timeout limit = KT_TIMEOUT_INIT;
    kt_timeout_start_at(&limit, next_look(h));
    h->reading = true;
    ssize_t n = kt_stream_read(h->c->stream, w->in, w->in_capacity);
    h->reading = false;
    int rc = kt_timeout_end(&limit, n < 0 ? (int)n : 0);
    bool stopped = was_cancelled(h);
    if (n > 0)
        return feed(h, w->in, (size_t)n) && !stopped;
    if (kt_is_cancel((int)n) && rc != KT_ETIMEDOUT)
        return stopped ? 0 : look_around(h);
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
        return look_around(h);
    h->c->write_rc = h->c->write_rc < 0 ? h->c->write_rc : -EPIPE; /* the client is gone */
    return 0;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static int open_session(kt__h2 *h, kt__http_conn *c)
{
    *h = (kt__h2){.c = c, .out_ready = KT_EVENT_INIT, .written = KT_EVENT_INIT, .group = c->group};
    if (!c->work)
        c->work = kt__http_work_take(c->server);
    if (!c->work)
        return -ENOMEM;
    kt__h2_watch_init(&h->watch, (uint32_t)c->server->in_bytes_max, kt__h2_session_has, h, kt_now());
    h->idle_since = kt_now();
    int rc = kt__h2_session_open(h);
    if (rc < 0)
        return rc;
    kt_spawn_options o = {.name = "http2 writer", .stack_now = true};
    return kt_group_spawn_with(h->group, &o, writer, &h, sizeof h, NULL);
}

/* The grace period is over. Lets the handlers that are left be answered for, by a client that reads. */
static void give_up(kt__h2 *h)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    if (h->failed < 0 || h->c->write_rc < 0)
        return;
    h->giving_up = true;
    kt_cancel_hold();
    kt_timeout_start(&limit, KT__HTTP_LAST_TIME);
    for (kt__h2_stream *s = h->streams; s; s = s->next)
        if (s->task) /* also one that outlives its client */
            kt_task_cancel(s->task);
    kt_event_set(&h->out_ready);
    (void)!kt_timeout_end(&limit, kt_event_wait(&h->written)); /* what is left after that is cut */
    kt_cancel_unhold();
}

/* Ends the streams that there are, lets what is composed be written, and waits for all. */
static void close_session(kt__h2 *h)
{
    if (kt_task_cancelling(kt_task_current()) > 0)
        give_up(h);
    wake_streams(h);
    for (kt__h2_stream *s = h->streams; s; s = s->next)
        if (s->task && !s->x.outlives)
            kt_task_cancel(s->task);
    h->closing = true;
    kt__h2_pump(h);
    kt_event_set(&h->out_ready);
    (void)!kt_group_join(h->group, 0); /* its tasks return 0, and have their stacks */
    while (h->streams)
        kt__h2_stream_free(h->streams);
    if (h->session)
        kt__h2_session_close(h);
    kt__http_buffer_give(h->c->server, &h->out);
    kt__http_buffer_give(h->c->server, &h->sending);
}

void kt__h2_serve(kt__http_conn *c)
{
    kt__h2 h;
    int rc = open_session(&h, c);
    if (rc < 0 && h.failed == 0)
        h.failed = rc; /* there may be no session to end */
    c->h2 = &h;
    if (rc == 0) {
        size_t size = c->work->end - c->work->at;
        rc = size == 0 || feed(&h, c->work->in + c->work->at, size);
        if (c->server->stopping)
            end_with(&h, KT__H2_NO_ERROR, NULL);
        while (rc > 0 && !is_over(&h))
            rc = read_once(&h);
        if (h.leave_by > 0)
            end_with(&h, KT__H2_NO_ERROR, NULL);
    }
    close_session(&h);
    c->h2 = NULL;
    c->linger = true;
}
