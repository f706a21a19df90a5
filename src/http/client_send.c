/* SPDX-License-Identifier: MIT */
/* One request of a caller: where it leads to, from redirect to redirect. */
#include "http/client.h"

/* ---- The beginning --------------------------------------------------------------------------- */

static int check(const kt__http_call *c)
{
    const kt_http_request *q = c->request;
    const char *const made[] = {"Content-Type", q->content_type ? q->content_type : "",
                                "X", q->upgrade ? q->upgrade : "", NULL};
    int rc = q->url ? kt__client_method_check(c->method) : kt_error_set(-EINVAL, "a request without URL");
    if (rc == 0 && q->upgrade && c->body.is_there)
        rc = kt_error_set(-EINVAL, "an upgrade with a body: it could not be told from the other protocol");
    if (rc == 0)
        rc = kt__client_headers_check(q->headers);
    return rc < 0 ? rc : kt__client_headers_check(made);
}

/* ws and wss are for those who ask for an upgrade. */
static int check_scheme(const kt__http_call *c, const kt_url *url)
{
    bool is_http = kt_slice_is(url->scheme, "http") || kt_slice_is(url->scheme, "https");
    if (is_http || c->request->upgrade)
        return 0;
    return kt_error_set(-EPROTONOSUPPORT, "'%.*s' is not asked for by HTTP", (int)url->scheme.size, url->scheme.data);
}

static int begin(kt__http_call *c)
{
    const kt_http_request *q = c->request;
    c->timeouts = kt__client_timeouts(&q->timeouts, &c->session->o.timeouts);
    c->deadline = kt__client_deadline(c->timeouts.total);
    kt__client_budget_earn(c->session);
    int rc = kt__client_body_begin(&c->body, q);
    c->method = q->method ? q->method : c->body.is_there ? "POST" : "GET";
    if (rc == 0)
        rc = check(c);
    if (rc == 0)
        rc = kt_url_parse(q->url, c->session->o.base_url ? &c->session->base : NULL, &c->url);
    if (rc == 0)
        rc = check_scheme(c, &c->url);
    return rc < 0 ? rc : kt__client_origin_hold(c);
}

/* ---- Redirects (RFC 9110 section 15.4) ------------------------------------------------------- */

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Is the answer to be followed, and can it be? */
static bool leads_on(const kt__http_call *c)
{
    const kt_http_response *r = c->response;
    if (!is_redirect(r->status) || c->session->o.no_redirects || c->request->no_redirects)
        return false;
    if (r->status >= 307 && !kt__client_body_replayable(&c->body))
        return false;
    return kt_http_response_header(r, "Location").data != NULL;
}

static int too_many(const kt__http_call *c, bool again)
{
    if (again)
        return kt_error_set(-ELOOP, "redirects go in a circle, by way of %.200s", c->seen->url);
    return kt_error_set(KT_ELIMIT, "more than %u redirects", c->session->o.redirects_max);
}

/* Notes where the call is. A circle is one at once unless cookies may lead out of it. */
static int note_place(kt__http_call *c)
{
    bool again = false;
    char *url = kt__client_url_shown(&c->url);
    kt__client_seen *seen = url ? kt__client_alloc(c, sizeof *seen + strlen(url) + 1) : NULL;
    if (seen)
        memcpy(seen->url, url, strlen(url) + 1);
    kt_free(url);
    if (!seen)
        return -ENOMEM;
    seen->method = c->method;
    for (const kt__client_seen *s = c->seen; s; s = s->next)
        again = again || (strcmp(s->method, c->method) == 0 && strcmp(s->url, seen->url) == 0);
    seen->next = c->seen;
    c->seen = seen;
    if (c->redirects > c->session->o.redirects_max || (again && !c->session->o.cookies))
        return too_many(c, again);
    return 0;
}

/* 303 is answered by a GET; so are 301 and 302 after a POST, as everybody does. */
static int choose_method(kt__http_call *c, int status)
{
    bool was_post = strcmp(c->method, "POST") == 0;
    if ((status == 303 && !kt__client_is_head(c)) || (status <= 302 && was_post)) {
        c->method = "GET";
        c->body.is_there = false;
    }
    return kt__client_body_rewind(&c->body);
}

static int move_to(kt__http_call *c, kt_slice location)
{
    kt_url next = KT_URL_INIT;
    int rc = kt_url_parse_slice(location, &c->url, &next);
    if (rc == 0)
        rc = check_scheme(c, &next);
    if (rc < 0) {
        kt_url_release(&next);
        return rc == -EINVAL ? kt_error_set(KT_EPROTOCOL, "a redirect to what is no URL") : rc;
    }
    c->foreign = c->foreign || !kt_url_same_origin(&c->url, &next);
    c->no_expect = false;
    c->to_server = (kt__client_shown){0};
    kt__client_origin_release(c);
    kt_url_release(&c->url);
    c->url = next;
    return kt__client_origin_hold(c);
}

static int follow(kt__http_call *c)
{
    int status = c->response->status;
    int rc = move_to(c, kt_http_response_header(c->response, "Location"));
    kt__client_dismiss(c);
    c->redirects++;
    if (rc == 0)
        rc = choose_method(c, status);
    return rc < 0 ? rc : note_place(c);
}

/* ---- The end --------------------------------------------------------------------------------- */

static int finish(kt__http_call *c, kt_http_response **ret_response)
{
    kt_http_response *r = c->response;
    r->url = kt__client_url_shown(&c->url);
    r->redirects = c->redirects;
    if (!r->url)
        return -ENOMEM;
    if (r->conn)
        kt__client_settle(r);
    int rc = c->refreshes ? 0 : kt__client_decoder_begin(r); /* the cache keeps it as it was sent */
    if (rc < 0)
        return rc;
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

static int send_and_follow(kt__http_call *c)
{
    int rc = note_place(c);
    while (rc == 0) {
        rc = kt__client_ask(c);
        if (rc < 0 || !leads_on(c))
            return rc;
        rc = follow(c);
    }
    return rc;
}

static int send_by(kt_http_session *s, const kt_http_request *request, const char *target, bool refreshes,
                   kt_http_response **ret_response)
{
    if (s->closed)
        return kt_error_set(KT_ECLOSED, "the session was closed");
    __attribute__((cleanup(call_cleanup))) kt__http_call c = {
        .session = s, .request = request, .refreshes = refreshes};
    s->references++;
    int rc = begin(&c);
    if (rc == 0 && target)
        c.url.target = kt_slice_from(target);
    if (rc == 0)
        rc = send_and_follow(&c);
    return rc < 0 ? rc : finish(&c, ret_response);
}

int kt__client_send_to(kt_http_session *s, const kt_http_request *request, const char *target,
                       kt_http_response **ret_response)
{
    return send_by(s, request, target, false, ret_response);
}

int kt__client_send_refresh(kt_http_session *s, const kt_http_request *request, kt_http_response **ret_response)
{
    return send_by(s, request, NULL, true, ret_response);
}

int kt_http_send(kt_http_session *s, const kt_http_request *request, kt_http_response **ret_response)
{
    return kt__client_send_to(s, request, NULL, ret_response);
}

int kt_http_get(kt_http_session *s, const char *url, kt_http_response **ret_response)
{
    const kt_http_request request = {.url = url};
    return kt_http_send(s, &request, ret_response);
}
