/* SPDX-License-Identifier: MIT */
/* One request of a caller: its attempts, one after the other, until one gives the answer. */
#include "http/client.h"

/* ---- An attempt ------------------------------------------------------------------------------ */

/* The attempt's connection is the response's from here on. */
static int exchange(kt__http_call *c, bool *ret_silent)
{
    kt_http_response *r = NULL;
    *ret_silent = false;
    int rc = kt__client_response_new(c, &r);
    if (rc == 0)
        rc = kt__client_acquire(c);
    if (rc < 0) {
        kt_http_response_close(r);
        return rc;
    }
    c->response = r;
    r->conn = c->conn;
    rc = kt__client_h1_exchange(c, ret_silent);
    if (rc < 0) {
        r->rc = rc;
        kt_http_response_close(kt_steal(c->response));
    }
    return rc;
}

/* Has the server closed a connection that was idle, before it could hear of this request? Then it is repeated, once, if
 * it may be (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1). */
static bool was_stale(const kt__http_call *c, int rc, bool silent, bool reused)
{
    bool broken = rc == -EPIPE || rc == -ECONNRESET || rc == KT_EINCOMPLETE || rc == KT_ETRUNCATED;
    return broken && silent && reused && !c->refreshed && kt__client_may_repeat(c);
}

static int attempt(kt__http_call *c)
{
    bool silent;
    int rc = kt__client_fields_make(c);
    if (rc < 0)
        return rc;
    for (;;) {
        c->conn = NULL;
        rc = exchange(c, &silent);
        if (rc == 0 || !was_stale(c, rc, silent, c->reused))
            return rc;
        c->refreshed = true;
        kt__client_origin_drop_idle(c->origin);
        rc = kt__client_body_rewind(c);
        if (rc < 0)
            return rc;
    }
}

/* ---- Public ---------------------------------------------------------------------------------- */

static bool is_among(const char *method, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(method, *list) == 0)
            return true;
    return false;
}

bool kt__client_may_repeat(const kt__http_call *c)
{
    static const char *const idempotent[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", NULL};
    return (c->request->idempotent || is_among(c->method, idempotent)) && kt__client_body_replayable(c);
}

static int check(const kt__http_call *c)
{
    const kt_http_request *q = c->request;
    const char *const made[] = {"Content-Type", q->content_type ? q->content_type : "",
                                "X", q->upgrade ? q->upgrade : "", NULL};
    int rc = q->url ? kt__client_method_check(c->method) : kt_error_set(-EINVAL, "a request without URL");
    if (rc == 0)
        rc = kt__client_headers_check(q->headers);
    return rc < 0 ? rc : kt__client_headers_check(made);
}

static int begin(kt__http_call *c)
{
    const kt_http_request *q = c->request;
    c->timeouts = kt__client_timeouts(&q->timeouts, &c->session->o.timeouts);
    c->deadline = kt__client_deadline(c->timeouts.total);
    c->session->requests++;
    int rc = kt__client_body_begin(c);
    c->method = q->method ? q->method : c->has_body ? "POST" : "GET";
    if (rc == 0)
        rc = check(c);
    if (rc == 0)
        rc = kt_url_parse(q->url, c->session->o.base_url ? &c->session->base : NULL, &c->url);
    return rc < 0 ? rc : kt__client_origin_hold(c);
}

static int finish(kt__http_call *c, kt_http_response **ret_response)
{
    kt_http_response *r = c->response;
    r->url = kt__client_url_shown(&c->url);
    if (!r->url)
        return -ENOMEM;
    kt__client_settle(r);
    *ret_response = kt_steal(c->response);
    return 0;
}

static void call_cleanup(kt__http_call *c)
{
    kt_http_response_close(c->response);
    kt__client_origin_release(c);
    kt_url_release(&c->url);
    kt_free(c->fields);
    while (c->blocks) {
        kt__client_block *next = c->blocks->next;
        kt_free(c->blocks);
        c->blocks = next;
    }
    kt__client_session_unref(c->session);
}

int kt_http_send(kt_http_session *s, const kt_http_request *request, kt_http_response **ret_response)
{
    if (s->closed)
        return KT_ECLOSED;
    __attribute__((cleanup(call_cleanup))) kt__http_call c = {.session = s, .request = request};
    s->references++;
    int rc = begin(&c);
    if (rc == 0)
        rc = attempt(&c);
    return rc < 0 ? rc : finish(&c, ret_response);
}

int kt_http_get(kt_http_session *s, const char *url, kt_http_response **ret_response)
{
    const kt_http_request request = {.url = url};
    return kt_http_send(s, &request, ret_response);
}
