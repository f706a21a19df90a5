/* SPDX-License-Identifier: MIT */
/* The attempts at one URL: what surrounds each of them, and which failures are worth another. */
#include <kettle/retry.h>

#include "http/client.h"

#define FIRST_WAIT KT_MS(500)
#define WAIT_MAX KT_S(30)
#define RETRY_AFTER_MAX KT_S(60)
#define BUDGET_PERCENT 20
#define BUDGET_FIRST 10
/* An answer that is not returned is read on, up to this size and for so long, for the sake of its connection. */
#define DRAIN_BYTES 65536
#define DRAIN_TIME KT_S(1)
/* So often one request may be refused before it was begun, by connections that answer nobody. Where others are answered
 * meanwhile, its own time limits it. */
#define REFUSALS_MAX 20u
/* Behind so many it waits longer each time, from twice this up to a second and a quarter. */
#define REFUSED_WAIT KT_MS(10)

/* ---- Repeats --------------------------------------------------------------------------------- */

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
    return (c->request->idempotent || is_among(c->method, idempotent)) && kt__client_body_replayable(&c->body);
}

/* Each request earns a part of a repeat, so that a server in trouble is not asked many times as often. */
void kt__client_budget_earn(kt_http_session *s)
{
    const kt_http_retries *r = &s->o.retries;
    double first = r->budget_first ? r->budget_first : BUDGET_FIRST;
    if (s->requests == 0)
        s->budget = first;
    s->requests++;
    s->budget += (r->budget_percent ? r->budget_percent : BUDGET_PERCENT) / 100.0;
    if (s->budget > first)
        s->budget = first;
}

static bool budget_spend(kt_http_session *s)
{
    if (s->budget < 1)
        return false;
    s->budget -= 1;
    s->retries++;
    return true;
}

bool kt__client_is_unreachable(int rc)
{
    static const int passing[] = {-ECONNREFUSED, -ECONNRESET, -ECONNABORTED, -EPIPE, -ETIMEDOUT, -EHOSTUNREACH,
                                  -ENETUNREACH, -ENETDOWN, KT_EINCOMPLETE, KT_ETRUNCATED};
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        if (rc == passing[i])
            return true;
    return false;
}

static bool is_busy(int status)
{
    return status == 408 || status == 429 || (status >= 502 && status <= 504);
}

/* How long the server wants us to wait: -1 if it does not say; KT_FOREVER for too long. */
static kt_time asked_wait(const kt__http_call *c)
{
    const kt_http_retries *o = &c->session->o.retries;
    kt_time max = o->retry_after_max ? o->retry_after_max : RETRY_AFTER_MAX;
    if (!c->response)
        return -1;
    kt_time wait = kt__client_retry_after(kt_http_response_header(c->response, "Retry-After"));
    kt_time left = c->deadline == KT_FOREVER ? KT_FOREVER : c->deadline - kt_now();
    return wait > max || wait > left ? KT_FOREVER : wait;
}

/* ---- An answer that is not the caller's ------------------------------------------------------ */

void kt__client_dismiss(kt__http_call *c)
{
    kt_http_response *r = c->response;
    if (!r)
        return;
    char bytes[4096];
    ssize_t n = 1;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, DRAIN_TIME);
    for (size_t left = DRAIN_BYTES; r->keep && n > 0 && left > 0; left -= (size_t)n) {
        n = kt_http_response_read(r, bytes, left < sizeof bytes ? left : sizeof bytes);
        if (n < 0)
            break;
    }
    (void)!kt_timeout_end(&limit, 0); /* a cancellation shows at the next call */
    kt_http_response_close(kt_steal(c->response));
}

/* ---- One attempt ----------------------------------------------------------------------------- */

/* Its connection is the response's from here on. */
static int exchange(kt__http_call *c, bool *ret_silent)
{
    kt_http_response *r = NULL;
    *ret_silent = false;
    c->conn = NULL;
    c->refused = c->refused_in_vain = false;
    int rc = kt__client_response_new(c, &r);
    if (rc == 0)
        rc = kt__client_acquire(c);
    if (rc < 0) {
        kt_http_response_close(r);
        return rc;
    }
    c->response = r;
    r->conn = c->conn;
    rc = kt__client_auth_fit(c);
    if (rc == 0)
        rc = c->conn->h2 ? kt__client_h2_exchange(c, ret_silent) : kt__client_h1_exchange(c, ret_silent);
    if (rc < 0) {
        r->rc = rc;
        kt_http_response_close(kt_steal(c->response));
    }
    return rc;
}

/* Has the server closed a connection that was idle, before it could hear of this request? Then it is repeated, once, if
 * it may be (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1). One that was refused has done nothing (RFC 9113 section
 * 8.7), and is repeated more often: a server that ends each connection after a few requests refuses those behind. */
static bool was_stale(const kt__http_call *c, int rc, bool silent)
{
    if (c->refused)
        return kt__client_body_replayable(&c->body);
    bool broken = rc == -EPIPE || rc == -ECONNRESET || rc == KT_EINCOMPLETE || rc == KT_ETRUNCATED;
    return broken && silent && c->reused && kt__client_may_repeat(c);
}

/* A server that serves others and goes on refusing this one is not asked as fast as the network is. */
static int rest(kt__http_call *c, unsigned refusals)
{
    kt__client_phase phase;
    unsigned more = refusals > REFUSALS_MAX ? refusals - REFUSALS_MAX : 0;
    if (more == 0)
        return 0;
    kt__client_phase_begin(&phase, "waiting to be taken", KT_FOREVER, c->deadline);
    return kt__client_phase_end(&phase, kt_sleep(more < 7 ? REFUSED_WAIT << more : REFUSED_WAIT << 7));
}

static int exchange_fresh(kt__http_call *c)
{
    unsigned refusals = REFUSALS_MAX, repeats = 1, refused = 0;
    bool silent;
    c->fresh = false;
    int rc = exchange(c, &silent);
    while (rc < 0 && was_stale(c, rc, silent)) {
        unsigned *left = c->refused ? &refusals : &repeats;
        if (*left == 0)
            break;
        *left -= !c->refused || c->refused_in_vain;
        c->fresh = !c->refused;
        kt__client_origin_drop_idle(c->origin);
        refused += c->refused;
        rc = rest(c, refused);
        rc = rc < 0 ? rc : kt__client_body_rewind(&c->body);
        if (rc < 0)
            break;
        rc = exchange(c, &silent);
    }
    return rc;
}

static int wait_for_rate(kt__http_call *c)
{
    kt__client_phase phase;
    if (!c->session->o.rate_starts)
        return 0;
    kt__client_phase_begin(&phase, "waiting for the rate limit", KT_FOREVER, c->deadline);
    int rc = kt__client_phase_end(&phase, kt_rate_acquire(&c->origin->rate));
    c->origin->rate_used = kt_now();
    return rc;
}

int kt_http_attempt_header(kt_http_attempt *a, const char *name, const char *value)
{
    if (!a->private_call)
        return kt_error_set(KT_EINVALIDSTATE, "the attempt has begun");
    return kt__client_field_set(a->private_call, name, kt_slice_from(value));
}

static int attempt(kt__http_call *c)
{
    const kt_http_session_options *o = &c->session->o;
    char *url = o->before || o->after ? kt__client_url_shown(&c->url) : NULL;
    kt_http_attempt a = {.method = c->method, .url = url, .number = ++c->attempts, .private_call = c};
    int rc = (o->before || o->after) && !url ? -ENOMEM : kt__client_fields_make(c);
    if (rc == 0)
        rc = kt__client_proxy_auth_put(c);
    if (rc == 0)
        rc = wait_for_rate(c);
    if (rc == 0 && o->before)
        rc = o->before(&a, o->hook_arg);
    a.private_call = NULL;
    kt_time start = kt_now();
    rc = rc < 0 ? rc : exchange_fresh(c);
    a.rc = rc;
    a.status = c->response ? c->response->status : 0;
    a.duration = kt_now() - start;
    a.reused = c->reused;
    if (o->after && url)
        o->after(&a, o->hook_arg);
    kt_free(url);
    return rc;
}

/* ---- All of them ----------------------------------------------------------------------------- */

/* RFC 9110 section 10.1.1: 417 may come from somebody on the way who knows no expectations. What of the body has not
 * been taken cannot have been acted upon, whatever the method. */
static bool expectation_failed(const kt__http_call *c)
{
    const kt_http_response *r = c->response;
    return r->status == 417 && r->version < 20 && kt__client_expects(c) && !c->body.begun;
}

/* 1: the answer is of a kind that another attempt at once can meet. 0: it is not; or an error. */
static int meet(kt__http_call *c)
{
    int rc = kt__client_auth_challenged(c);
    if (rc == 0 && expectation_failed(c)) {
        c->no_expect = true;
        rc = 1;
    }
    if (rc <= 0)
        return rc;
    kt__client_dismiss(c);
    rc = kt__client_body_rewind(&c->body);
    return rc < 0 ? rc : 1;
}

/* 1: the attempt is to be repeated, and it is time. 0: its result counts; or an error. */
static int wait_to_repeat(kt__http_call *c, kt_retry *tries, int rc)
{
    kt__client_phase phase;
    bool failed = rc < 0 ? kt__client_is_unreachable(rc) && kt_now() < c->deadline : is_busy(c->response->status);
    kt_time asked = failed ? asked_wait(c) : 0;
    if (!failed || tries->failures + 1 >= tries->attempts || !kt__client_may_repeat(c) || asked == KT_FOREVER ||
        !budget_spend(c->session))
        return 0;
    kt__client_dismiss(c);
    kt__client_phase_begin(&phase, "waiting to try again", KT_FOREVER, c->deadline);
    int waited = rc < 0 ? rc : -EAGAIN;
    if (asked >= 0) {
        tries->failures++;
        waited = kt_sleep(asked);
    } else if (kt_retry_wait(tries, &waited)) {
        waited = 0;
    }
    waited = kt__client_phase_end(&phase, waited);
    if (waited == 0)
        waited = kt__client_body_rewind(&c->body);
    return waited < 0 ? waited : 1;
}

int kt__client_try(kt__http_call *c)
{
    const kt_http_retries *o = &c->session->o.retries;
    kt_retry tries = {.attempts = o->attempts ? o->attempts : 1,
                      .first_wait = o->first_wait ? o->first_wait : FIRST_WAIT,
                      .wait_max = o->wait_max ? o->wait_max : WAIT_MAX,
                      .jitter = 1};
    for (;;) {
        int rc = attempt(c);
        if (rc == 0)
            rc = kt__client_cookies_take(c);
        int again = rc == 0 ? meet(c) : 0;
        if (again == 0)
            again = wait_to_repeat(c, &tries, rc);
        if (again <= 0)
            return again < 0 ? again : rc;
    }
}
