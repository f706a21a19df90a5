/* SPDX-License-Identifier: MIT */
/* One connection of HTTP/1.1: reads heads, calls the handler, refuses what is not HTTP, and ends. */
#include <errno.h>
#include <kettle/stream_backend.h>
#include <kettle/timeout.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "http/h2.h"
#include "http/server.h"

/* A first read takes this much, into the task's stack, of which an idle connection is to need one page. */
#define FIRST_BYTES 1536
/* A connection that has been idle for so long will probably stay so. */
#define REST_AFTER KT_S(1)
/* How long a client may take to notice that its connection is being closed, and how much it may still
 * send meanwhile. */
#define LINGER_TIME KT_S(2)
#define LINGER_BYTES ((size_t)1024 * 1024)
#define UNSENT_BYTES (128 * 1024)

/* ---- Refusing ------------------------------------------------------------------------------ */

/* Answers bytes that are no request, and has the connection closed. */
static void refuse(kt__http_conn *c, int rc, int status, const char *reason)
{
    char text[KT__HTTP_REFUSAL_BYTES];
    size_t size = kt__http_refusal_text(text, status, reason);
    kt__http_answer a = {
        .status = status,
        .content_type = kt_slice_from("text/plain"),
        .framing = KT__HTTP_HAS_LENGTH,
        .length = size,
        .minor = 1,
    };
    kt_http_exchange *x = &c->work->x;
    *x = (kt_http_exchange){
        .back = &kt__h1_backend, .c = c, .w = c->work, .m = &c->work->m, .arena = &c->work->m.arena};
    c->linger = true;
    int sent = kt_lock_acquire(&c->writing);
    if (sent == 0) {
        sent = kt__http_compose(x, &a, 0);
        struct iovec body = {text, size};
        if (sent == 0)
            sent = kt__http_send(c, &body, 1);
        kt_lock_release(&c->writing);
    }
    kt_http_record r = {.status = sent < 0 ? 0 : status, .rc = rc, .reason = reason};
    r.bytes_sent = sent < 0 ? 0 : size;
    kt__http_log(x, &r);
}

/* ---- Reading a head ------------------------------------------------------------------------ */

/* A request came and there is no memory to read it into. */
static void answer_without_memory(kt__http_conn *c)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\n"
                                 "Content-Length: 0\r\nConnection: close\r\n\r\n";
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, c->server->o.write_timeout);
    c->write_rc = kt_timeout_end(&limit, kt_stream_write(c->stream, answer, sizeof answer - 1));
    c->linger = true;
}

/* Reads until a deadline. How many bytes; *ret_late: none came in time; otherwise 0 or less. */
static ssize_t read_until(kt__http_conn *c, char *bytes, size_t size, kt_time deadline, bool *ret_late)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start_at(&limit, deadline);
    ssize_t n = kt_stream_read(c->stream, bytes, size);
    int rc = kt_timeout_end(&limit, n < 0 ? (int)n : 0);
    *ret_late = rc == KT_ETIMEDOUT && kt_timeout_expired(&limit);
    return rc < 0 ? rc : n;
}

static ssize_t read_idle(kt__http_conn *c, char *bytes, size_t size)
{
    const kt_time now = kt_now(), last = now + c->server->o.idle_timeout;
    bool late;
    ssize_t n = read_until(c, bytes, size, last - now > REST_AFTER ? now + REST_AFTER : last, &late);
    if (!late)
        return n;
    kt_task_trim();
    return read_until(c, bytes, size, last, &late);
}

/* Waits for the first bytes of a request, and borrows a work for them. 1, or 0 to close. */
static int read_first(kt__http_conn *c)
{
    char bytes[FIRST_BYTES];
    bool late;
    c->idle = true;
    ssize_t n = c->requests > 0 ? read_idle(c, bytes, sizeof bytes)
                                : read_until(c, bytes, sizeof bytes, c->head_deadline, &late);
    c->idle = false;
    if (n <= 0)
        return 0;
    c->work = kt__http_work_take(c->server);
    if (!c->work) {
        answer_without_memory(c);
        return 0;
    }
    memcpy(c->work->in, bytes, (size_t)n);
    c->work->end = (size_t)n;
    return 1;
}

/* Nothing has been received: sends what was held back, and gives the memory to others. 1, or 0. */
static int rest(kt__http_conn *c)
{
    if (c->work) {
        if (kt__http_send_out(c) < 0)
            return 0;
        kt__http_work_give(c->server, kt_steal(c->work));
    }
    if (c->server->stopping && c->requests > 0)
        return 0;
    return read_first(c);
}

/* For a head that begins now. One that was sent ahead of an answer may do so while the server stops. */
static kt_time head_time(const kt__http_server *s)
{
    kt_time time = s->o.head_timeout;
    return s->stopping && time > KT__HTTP_LAST_HEAD ? KT__HTTP_LAST_HEAD : time;
}

/* Receives more of a head that has begun. 1, or 0 to close. The deadline is absolute, so that a client
 * cannot stay by sending a byte now and then. */
static int read_more(kt__http_conn *c)
{
    kt__http_work *w = c->work;
    int rc = kt__http_send_out(c);
    if (rc < 0)
        return 0;
    rc = kt__http_work_room(w, c->server->in_bytes_max);
    if (rc < 0) {
        refuse(c, rc, rc == KT_ELIMIT ? 431 : 503, NULL);
        return 0;
    }
    if (c->head_deadline == 0)
        c->head_deadline = kt_now() + head_time(c->server);
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start_at(&limit, c->head_deadline);
    c->in_head = true;
    ssize_t n = kt_stream_read(c->stream, w->in + w->end, w->in_capacity - w->end);
    c->in_head = false;
    rc = kt_timeout_end(&limit, n < 0 ? (int)n : 0);
    if (n > 0)
        w->end += (size_t)n;
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit) && !c->server->stopping)
        refuse(c, rc, 408, "the request's head did not arrive in time");
    return rc == 0 && n > 0;
}

/* Sets the work's exchange up for a complete head. */
static void begin(kt__http_conn *c, const kt__http_head *head, size_t head_at)
{
    kt__http_work *w = c->work;
    kt_http_exchange *x = &w->x;
    w->head_at = head_at;
    w->body_at = w->at;
    memset(x, 0, sizeof *x);
    x->back = &kt__h1_backend;
    x->c = c;
    x->w = w;
    x->m = &w->m;
    x->arena = &w->m.arena;
    x->head = *head;
    x->left = head->framing == KT__HTTP_LENGTH ? head->content_length : 0;
    x->continued = !head->expect_continue;
    if (c->server->o.log)
        x->started = kt_now();
    c->requests++;
    c->head_deadline = 0;
}

/* Do the connection's first bytes begin as HTTP/2 does (RFC 9113 section 3.4)? 1 if that is certain, 0 if it is not so,
 * -1 if more must come. No request of HTTP/1 that is complete begins so. */
static int is_h2(const kt__http_conn *c)
{
    const kt__http_work *w = c->work;
    size_t size = w->end - w->at;
    if (c->requests > 0 || c->server->o.no_http2 || c->server->o.tls || size == 0)
        return 0;
    size_t n = size < KT__H2_PREFACE_BYTES ? size : KT__H2_PREFACE_BYTES;
    if (memcmp(w->in + w->at, KT__H2_PREFACE, n) != 0)
        return 0;
    return n == KT__H2_PREFACE_BYTES ? 1 : -1;
}

/* Reads up to a complete head. 1, or 0 to close, or to go on with HTTP/2. */
static int next_head(kt__http_conn *c)
{
    for (;;) {
        kt__http_work *w = c->work;
        if (!w || (w->at == w->end && kt__http_parser_idle(&w->parser))) {
            if (!rest(c))
                return 0;
            w = c->work;
        }
        int h2 = is_h2(c);
        if (h2 > 0)
            c->is_h2 = true;
        if (h2 > 0 || (h2 < 0 && !read_more(c)))
            return 0;
        if (h2 < 0)
            continue;
        size_t head_at = w->at;
        kt__http_event e;
        ssize_t n = kt__http_parser_feed(&w->parser, w->in + w->at, w->end - w->at, &e);
        if (n < 0) {
            refuse(c, (int)n, w->parser.error.status, w->parser.error.reason);
            return 0;
        }
        w->at += (size_t)n;
        if (e.type == KT__HTTP_HEAD) {
            begin(c, e.head, head_at);
            return 1;
        }
        if (w->at == w->end && kt__http_parser_idle(&w->parser))
            continue;
        if (!read_more(c))
            return 0;
    }
}

/* ---- One exchange -------------------------------------------------------------------------- */

/* Is there more input than this request? Then the next one is at least begun, and the client does not
 * wait for this answer alone. */
static bool is_pipelined(const kt_http_exchange *x)
{
    const kt__http_work *w = x->w;
    return x->head.framing != KT__HTTP_CHUNKED && w->end - w->at > x->left;
}

/* May the client still be sending this request? */
static bool is_unread(const kt_http_exchange *x)
{
    return x->head.framing == KT__HTTP_CHUNKED ? !x->body_done : x->left > 0;
}

static int prepare(kt_http_exchange *x)
{
    kt__http_conn *c = x->c;
    if (kt_slice_is(x->head.method, "CONNECT")) {
        kt__http_fault(x, 501, "this is no proxy");
        return -EOPNOTSUPP;
    }
    int rc = 0;
    if (x->head.framing == KT__HTTP_CHUNKED || x->left > x->w->end - x->w->at)
        rc = kt__http_work_body_room(x->w, x);
    if (rc < 0) {
        kt__http_fault(x, 503, "out of memory");
        return rc;
    }
    bool other = kt__http_may_upgrade(&x->head); /* then what follows is no request */
    x->may_hold = !other && is_pipelined(x) && kt__http_flusher_start(c) == 0;
    return 0;
}

/* The exchange that the handler gets: one that asks for another protocol must outlive the work. */
static kt_http_exchange *keep_if_needed(kt_http_exchange *x, kt__http_kept **ret_kept)
{
    if (!kt__http_may_upgrade(&x->head))
        return x;
    kt__http_kept *k = kt__http_keep(x);
    if (!k) {
        kt__http_fault(x, 503, "out of memory");
        return x;
    }
    *ret_kept = k;
    return &k->x;
}

/* May another request follow? Sees to it that it can. */
static bool may_go_on(kt_http_exchange *x)
{
    kt__http_conn *c = x->c;
    if (!x->w) { /* it has gone on with another protocol, whose last words must arrive as well */
        c->linger = true;
        return false;
    }
    if (x->to_the_end && (x->state != KT__HTTP_DONE || c->write_rc < 0))
        kt_stream_hang_up(c->stream, true); /* nothing else shows that it was cut (RFC 9112 section 8) */
    bool keep = x->keep && c->write_rc == 0 && kt__http_body_skip(x);
    if (!keep && (x->head.keep_alive || is_unread(x) || is_pipelined(x)))
        c->linger = true;
    kt__http_memory_clear(&x->w->m);
    kt__http_parser_reset(&x->w->parser);
    return keep;
}

/* Runs one request. 1 if the connection goes on. */
static int exchange(kt__http_conn *c)
{
    kt__http_kept *kept = NULL;
    kt_http_exchange *x = keep_if_needed(&c->work->x, &kept);
    int rc = x->fail_status ? -ENOMEM : prepare(x);
    c->x = x;
    c->handling = true;
    kt__http_watch_hang_ups(c->server);
    kt__http_handle(x, rc);
    c->handling = c->events = false;
    bool keep = may_go_on(x);
    kt__http_kept_free(kept);
    return keep;
}

bool kt__http_hung_up(const kt__http_conn *c)
{
    struct pollfd p = {.fd = kt_stream_fd(c->stream), .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0;
}

/* A pause; a handler that takes longer is asked for whether its client is there. So short requests cost no system
 * call. */
#define HANG_UPS_EVERY KT_MS(500)
#define HANG_UPS_AT_ONCE 64

static void tell_gone(kt__http_conn *c)
{
    c->gone = true;
    c->write_rc = c->write_rc < 0 ? c->write_rc : -EPIPE;
    kt_task_cancel(c->task);
}

static void look_at(kt__http_conn *const *conns, struct pollfd *p, size_t count)
{
    if (count == 0 || poll(p, count, 0) <= 0)
        return;
    for (size_t i = 0; i < count; i++)
        if (p[i].revents)
            tell_gone(conns[i]);
}

static void look_for_hang_ups(void *arg)
{
    kt__http_server *s = arg;
    kt__http_conn *conns[HANG_UPS_AT_ONCE] = {NULL};
    struct pollfd p[HANG_UPS_AT_ONCE];
    size_t count = 0;
    bool again = false;
    for (kt__http_conn *c = s->conns; c; c = c->next) {
        if (!c->handling || c->gone || c->x->outlives)
            continue;
        again = true;
        if (c->seen == c->requests) {
            conns[count] = c;
            p[count++] = (struct pollfd){.fd = kt_stream_fd(c->stream), .events = POLLRDHUP};
        }
        c->seen = c->requests;
        if (count == HANG_UPS_AT_ONCE) {
            look_at(conns, p, count);
            count = 0;
        }
    }
    look_at(conns, p, count);
    if (again)
        kt_call_later(&s->hang_ups, HANG_UPS_EVERY, look_for_hang_ups, s);
}

/* Without descriptors, as in a simulation, there is nothing to ask, and no time that must pass. */
void kt__http_watch_hang_ups(kt__http_server *s)
{
    if (!kt_callback_pending(&s->hang_ups) && kt_stream_fd(s->conns->stream) >= 0)
        kt_call_later(&s->hang_ups, HANG_UPS_EVERY, look_for_hang_ups, s);
}

/* ---- The end ------------------------------------------------------------------------------- */

/* The flusher may still be at it, where a stop has not let the connection's task wait for it. */
static int end_writing(kt__http_conn *c)
{
    int rc = kt_lock_acquire(&c->writing);
    if (rc < 0)
        return rc;
    rc = kt_stream_shutdown_write(c->stream);
    kt_lock_release(&c->writing);
    return rc;
}

/* A close while bytes are unread makes the system send a reset, upon which the client's system
 * throws the answer away. So: no more bytes from us, then wait for the client's end (RFC 9112
 * section 9.6). */
void kt__http_linger(kt__http_conn *c)
{
    char bytes[FIRST_BYTES];
    if (!c->linger || c->write_rc < 0 || end_writing(c) < 0)
        return;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, LINGER_TIME);
    c->idle = true;
    ssize_t n;
    size_t total = 0;
    do {
        n = kt_stream_read(c->stream, bytes, sizeof bytes);
        total += n > 0 ? (size_t)n : 0;
    } while (n > 0 && total < LINGER_BYTES);
    c->idle = false;
    (void)!kt_timeout_end(&limit, n < 0 ? (int)n : 0); /* closed in any case */
}

/* Keeps the system from collecting megabytes for a client that reads slowly: so memory stays bounded,
 * and a write that makes no progress is a client that takes nothing. Other sockets than TCP refuse. */
static void bound_unsent(const kt__http_conn *c)
{
    int bytes = UNSENT_BYTES;
    (void)setsockopt(kt_stream_fd(c->stream), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

/* Shakes hands. False if the client could not, which is its own affair. */
static bool begin_tls(kt__http_conn *c)
{
    const kt_http_options *o = &c->server->o;
    const kt_tls_options tls = {.handshake_timeout = o->tls_timeout, .shutdown_timeout = LINGER_TIME};
    kt_tls_info info;
    c->idle = true;
    int rc = kt_stream_start_tls(c->stream, o->tls, &tls);
    c->idle = false;
    if (rc == 0)
        rc = kt_tls_info_get(c->stream, &info);
    if (rc < 0)
        return false;
    c->is_h2 = kt_slice_is(info.alpn, "h2") && !o->no_http2;
    return true;
}

static void run(kt__http_conn *c)
{
    kt_auto(kt_group) group = KT_GROUP_INIT;
    bound_unsent(c);
    if (c->server->o.tls && !begin_tls(c))
        return;
    c->group = &group;
    c->head_deadline = kt_now() + c->server->o.head_timeout;
    while (!c->is_h2 && next_head(c) && exchange(c))
        ;
    if (c->is_h2)
        kt__h2_serve(c);
    else if (c->work)
        (void)!kt__http_send_out(c); /* a failure is in write_rc */
    if (!c->guest)
        kt__http_linger(c);
    kt_group_cancel(&group);
    (void)!kt_group_join(&group, 0); /* the flusher returns 0 */
}

int kt__http_over(void)
{
    return kt_task_cancelling(kt_task_current()) > 0 ? KT_ECANCELED : 0;
}

int kt__http_connection(void *arg)
{
    kt__http_conn *c = *(kt__http_conn **)arg;
    run(c);
    c->task = NULL;
    if (c->guest)
        c->guest->begin(c->guest);
    else
        kt__http_conn_end(c);
    return kt__http_over();
}
