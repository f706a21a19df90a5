/* SPDX-License-Identifier: MIT */
/* A connection of the client that speaks HTTP/2. */
#include "http/client_h2.h"

#define READ_BYTES ((size_t)16 * 1024)
#define TASK_STACK ((size_t)64 * 1024)
#define PATIENCE KT_S(30)

/* ---- Streams --------------------------------------------------------------------------------- */

kt__client_stream *kt__client_stream_new(kt__client_h2 *h)
{
    kt__client_stream *st = kt_calloc(1, sizeof *st);
    if (!st)
        return NULL;
    st->h2 = h;
    st->changed = (kt_event)KT_EVENT_INIT;
    st->next = h->streams;
    if (h->streams)
        h->streams->prev = st;
    h->streams = st;
    return st;
}

void kt__client_stream_free(kt__client_stream *st)
{
    if (st->prev)
        st->prev->next = st->next;
    else
        st->h2->streams = st->next;
    if (st->next)
        st->next->prev = st->prev;
    kt_buffer_release(&st->text);
    kt_buffer_release(&st->fields);
    kt_buffer_release(&st->in);
    kt_buffer_release(&st->out);
    kt_free(st);
}

/* ---- The two tasks --------------------------------------------------------------------------- */

/* Nothing more can be had from the connection: all who wait are told. What a server of HTTP/2 has never been sent it
 * has not acted upon: such a stream counts as refused. */
static void over(kt__client_h2 *h, int rc)
{
    if (h->rc == 0)
        h->rc = rc;
    h->going = true;
    for (kt__client_stream *st = h->streams; st; st = st->next) {
        st->refused = st->refused || (h->settings > 0 && kt__client_h2_is_unsent(st));
        kt_event_set(&st->changed);
    }
    kt_event_set(&h->wanted);
    kt__client_h2_changed(h->conn);
}

static int reads(void *arg)
{
    kt__client_h2 *h = *(kt__client_h2 **)arg;
    kt_stream *s = h->conn->stream;
    int rc = 0;
    while (rc == 0 && h->rc == 0) {
        kt_slice bytes;
        ssize_t n = kt_stream_fill(s, 0, READ_BYTES, &bytes);
        if (n <= 0) {
            rc = n < 0 ? (int)n : KT_EINCOMPLETE;
            break;
        }
        bool was_going = h->going;
        unsigned answered = h->answered, settings = h->settings;
        h->heard_at = kt_now();
        rc = kt__client_h2_feed(h, bytes.data, bytes.size);
        kt_stream_consume(s, bytes.size);
        kt_event_set(&h->wanted);
        if (h->going != was_going || h->settings != settings || h->answered != answered)
            kt__client_h2_changed(h->conn);
    }
    if (!kt_is_cancel(rc))
        over(h, rc);
    return 0;
}

static int send_out(kt__client_h2 *h)
{
    kt__client_phase phase;
    kt__client_phase_begin(&phase, "sending", PATIENCE, KT_FOREVER);
    int rc = kt_stream_write(h->conn->stream, h->out.data, h->out.size);
    kt_buffer_clear(&h->out);
    return kt__client_phase_end(&phase, rc);
}

/* The server has closed. What it has said before, answers or a GOAWAY, counts, and the reader comes to the end. */
static void deaf(kt__client_h2 *h)
{
    h->going = true;
    kt__client_h2_changed(h->conn);
}

static int writes(void *arg)
{
    kt__client_h2 *h = *(kt__client_h2 **)arg;
    int rc = 0;
    while (rc == 0 && h->rc == 0) {
        kt_event_clear(&h->wanted);
        rc = kt__client_h2_compose(h);
        if (rc == 0 && h->out.size > 0)
            rc = send_out(h);
        else if (rc == 0 && kt__client_h2_is_over(h))
            rc = kt_error_set(KT_EPROTOCOL, "HTTP/2: the connection was given up");
        else if (rc == 0)
            rc = kt_event_wait(&h->wanted);
    }
    if (rc == -EPIPE || rc == -ECONNRESET)
        deaf(h);
    else if (rc < 0 && !kt_is_cancel(rc))
        over(h, rc);
    return 0;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void join(kt_task **t)
{
    if (!*t)
        return;
    kt_task_cancel(*t);
    (void)!kt_task_join(kt_steal(*t)); /* they return 0, or were cancelled before they began */
}

int kt__client_h2_open(kt__client_conn *conn)
{
    const kt_spawn_options reader = {.name = "HTTP/2 reader", .stack_bytes = TASK_STACK, .stack_now = true};
    const kt_spawn_options writer = {.name = "HTTP/2 writer", .stack_bytes = TASK_STACK, .stack_now = true};
    kt__client_h2 *h = kt_calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    h->conn = conn;
    h->wanted = (kt_event)KT_EVENT_INIT;
    conn->h2 = h;
    int rc = kt__client_h2_session_new(h, conn->session->o.header_bytes_max);
    if (rc == 0)
        rc = kt_spawn_with(&writer, writes, &h, sizeof h, &h->writer);
    if (rc == 0)
        rc = kt_spawn_with(&reader, reads, &h, sizeof h, &h->reader);
    if (rc < 0)
        kt__client_h2_close(conn);
    return rc;
}

/* Nobody uses it. The stream is the caller's to close. */
void kt__client_h2_close(kt__client_conn *conn)
{
    kt__client_h2 *h = conn->h2;
    if (!h)
        return;
    kt_cancel_hold();
    join(&h->reader);
    join(&h->writer);
    kt_cancel_unhold();
    kt__client_h2_session_free(h);
    while (h->streams)
        kt__client_stream_free(h->streams);
    kt_buffer_release(&h->out);
    kt_free(h);
    conn->h2 = NULL;
}

bool kt__client_h2_usable(const kt__client_conn *conn)
{
    const kt__client_h2 *h = conn->h2;
    return h->rc == 0 && !h->going && kt__client_h2_has_room(h) && kt__client_h2_takes_more(h);
}

bool kt__client_h2_alive(const kt__client_conn *conn)
{
    const kt__client_h2 *h = conn->h2;
    return h->rc == 0 && !h->going && kt__client_h2_takes_more(h);
}

unsigned kt__client_h2_users(kt__client_conn *conn, int change)
{
    conn->h2->users += (unsigned)change;
    return conn->h2->users;
}
