/* SPDX-License-Identifier: MIT */

/* One request, whatever it came by: the handler's call, what is answered in its place, and the log. */
#include <kettle/timeout.h>
#include <stdio.h>

#include "http/server.h"

void kt__http_fault(kt_http_exchange *x, int status, const char *reason)
{
    if (x->fail_status)
        return;
    x->fail_status = status;
    x->fail_reason = reason;
}

size_t kt__http_refusal_text(char text[KT__HTTP_REFUSAL_BYTES], int status, const char *reason)
{
    int n = snprintf(text, KT__HTTP_REFUSAL_BYTES, "%d %s%s%s\n", status, kt_http_reason(status),
                     reason ? ": " : "", reason ? reason : "");
    return n < KT__HTTP_REFUSAL_BYTES ? (size_t)n : KT__HTTP_REFUSAL_BYTES - 1;
}

void kt__http_log(kt_http_exchange *x, kt_http_record *r)
{
    const kt_http_options *o = &x->c->server->o;
    if (!o->log)
        return;
    r->peer = kt_http_peer(x);
    o->log(r, o->log_arg);
}

/* A task that is being cancelled, as all are that outlive the grace period, cannot send a byte; and a stop is not to
 * wait for clients that do not read. */
static int respond_last(kt_http_exchange *x, int status, const char *text, size_t size)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    x->fail_status = status; /* the connection ends with its task, which the answer is to say */
    kt_cancel_hold();
    kt_timeout_start(&limit, KT__HTTP_LAST_TIME);
    int rc = kt_timeout_end(&limit, kt_http_respond(x, status, "text/plain", text, size));
    kt_cancel_unhold();
    return rc;
}

static int respond(kt_http_exchange *x, int status, const char *text, size_t size)
{
    if (kt_task_cancelling(kt_task_current()) > 0)
        return respond_last(x, status, text, size);
    return kt_http_respond(x, status, "text/plain", text, size);
}

/* The handler failed, or the library refused, before an answer was begun. Its text is not to lie in the frame in which
 * handlers run. */
static __attribute__((noinline)) void answer_failure(kt_http_exchange *x, int rc)
{
    char text[KT__HTTP_REFUSAL_BYTES];
    int status = x->fail_status;
    if (!status)
        status = kt_is_cancel(rc) && x->c->server->stopping ? 503 : 500;
    size_t size = kt__http_refusal_text(text, status, x->fail_reason);
    kt_buffer_clear(&x->m->fields);
    if (respond(x, status, text, size) == 0)
        return;
    /* The connection is marked as broken, or memory is out: it is closed. */
    x->keep = false;
    x->status = 0;
    x->bytes_sent = 0;
}

/* Completes the answer after the handler. */
static void conclude(kt_http_exchange *x, int rc)
{
    if (x->c->gone)
        x->keep = false;
    else if (x->state == KT__HTTP_NEW)
        answer_failure(x, rc);
    else if (rc < 0)
        x->keep = false; /* a cut answer must not look complete; a complete one is not doubted */
    else if (x->state == KT__HTTP_STARTED && kt_http_finish(x) < 0)
        x->keep = false;
}

/* Has the client the head of an answer, or may it still get one? HTTP/1.1 keeps to that what a handler has begun. */
static bool is_answered(const kt_http_exchange *x)
{
    return x->c->is_h2 || x->head_sent || x->c->write_rc == 0;
}

static void tell_log(kt_http_exchange *x, int rc)
{
    bool answered = is_answered(x);
    kt_http_record r = {
        .method = x->head.method,
        .target = x->head.target,
        .status = answered ? x->status : 0,
        .bytes_sent = answered ? x->bytes_sent : 0,
        .duration = kt_now() - x->started,
        .rc = rc < 0 ? rc : 0,
        .reason = x->fail_reason,
        .exchange = x->head.method.size > 0 ? x : NULL,
    };
    kt__http_log(x, &r);
}

/* The handler, within the request's deadline. */
static int call_handler(kt_http_exchange *x)
{
    const kt__http_server *s = x->c->server;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, s->o.request_timeout > 0 ? s->o.request_timeout : KT_FOREVER);
    x->limit = &limit;
    int rc = kt_timeout_end(&limit, s->handler(x, s->arg));
    x->limit = NULL;
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
        kt__http_fault(x, 503, "the request took too long");
    return rc;
}

void kt_http_deadline_set(kt_http_exchange *x, kt_time when)
{
    if (x->limit && !kt_timeout_expired(x->limit))
        kt_timeout_reschedule(x->limit, when);
}

void kt_http_outlive_client(kt_http_exchange *x)
{
    x->outlives = true;
}

void kt__http_handle(kt_http_exchange *x, int rc)
{
    const kt__http_server *s = x->c->server;
    if (rc == 0)
        rc = kt__http_path_decode(x);
    if (rc == 0)
        rc = call_handler(x);
    conclude(x, rc);
    if (s->o.log)
        tell_log(x, rc);
}
