/* SPDX-License-Identifier: MIT */
/* A session's cache (RFC 9111): what comes before and after the attempts at one URL. */
#include <strings.h>

#include "http/client.h"

#include "http/cache_private.h"

typedef struct ask {
    kt__http_call *c;
    kt_http_cache *cache;
    kt_http_cache_hit *hit; /* NULL: nothing was found, or the response has it */
    bool good;              /* the hit may be used although it is stale (RFC 5861 section 3) */
    kt_time asked;
} ask;

static void ask_cleanup(ask *a)
{
    kt_http_cache_hit_release(a->hit);
    a->c->condition_count = 0; /* they were the hit's */
}

/* ---- What the cache is told ------------------------------------------------------------------ */

static bool is_own_condition(const kt__http_call *c, kt_slice name)
{
    for (size_t i = 0; i < c->condition_count; i++) {
        kt_slice own = c->conditions[i].name;
        if (own.size == name.size && strncasecmp(own.data, name.data, name.size) == 0)
            return true;
    }
    return false;
}

/* The attempt's fields without the cache's own conditions, in the call's memory. */
static int request_of(kt__http_call *c, kt_http_cache_request *ret_request)
{
    kt_http_field *fields = kt__client_alloc(c, (c->field_count + 1) * sizeof *fields);
    size_t n = 0;
    if (!fields)
        return -ENOMEM;
    for (size_t i = 0; i < c->field_count; i++)
        if (!is_own_condition(c, c->fields[i].name))
            fields[n++] = (kt_http_field){c->fields[i].name, c->fields[i].value};
    *ret_request = (kt_http_cache_request){c->method, &c->url, fields, n};
    return 0;
}

static int answer_of(ask *a, kt_http_cache_answer *ret_answer)
{
    const kt_http_response *r = a->c->response;
    kt_http_field *fields = kt__client_alloc(a->c, (r->header_count + 1) * sizeof *fields);
    if (!fields)
        return -ENOMEM;
    for (size_t i = 0; i < r->header_count; i++)
        fields[i] = (kt_http_field){r->headers[i].name, r->headers[i].value};
    *ret_answer = (kt_http_cache_answer){r->status, fields, r->header_count, a->asked, 0};
    return 0;
}

/* ---- Answers of the cache -------------------------------------------------------------------- */

static int take_fields(kt_http_response *r)
{
    kt_http_field f;
    size_t n = 0;
    char age[24];
    while (kt_http_cache_hit_field_at(r->hit, n, &f))
        n++;
    int size = snprintf(age, sizeof age, "%lld", (long long)kt_http_cache_hit_age(r->hit));
    r->head = kt_strndup(age, (size_t)size);
    r->headers = kt_calloc(n + 1, sizeof *r->headers);
    if (!r->head || !r->headers)
        return -ENOMEM;
    for (size_t i = 0; i < n && kt_http_cache_hit_field_at(r->hit, i, &f); i++)
        r->headers[i] = (kt__http_header){f.name, f.value};
    r->headers[n] = (kt__http_header){kt_slice_from("Age"), {r->head, (size_t)size}};
    r->header_count = n + 1;
    return 0;
}

/* Without a hit: 504, since only a hit was wanted (RFC 9111 section 5.2.1.7). */
static int serve(ask *a, kt_http_source source)
{
    kt__http_call *c = a->c;
    kt_http_response *r = NULL;
    int rc = kt__client_response_new(c, &r);
    if (rc < 0)
        return rc;
    c->response = r;
    r->source = source;
    r->hit = kt_steal(a->hit);
    r->status = r->hit ? kt_http_cache_hit_status(r->hit) : 504;
    r->reason = (kt_slice){"", 0};
    r->version = 11;
    r->ended = true;
    r->framing = KT__HTTP_NO_BODY;
    if (!r->hit)
        return 0;
    if (!kt__client_is_head(c)) {
        r->pending = kt_http_cache_hit_body(r->hit);
        r->length = (int64_t)r->pending.size;
        r->framing = KT__HTTP_LENGTH;
    }
    return take_fields(r);
}

/* ---- Answers of the server ------------------------------------------------------------------- */

/* Has the server failed so that an old answer is better than none (RFC 5861 section 4)? */
static bool has_failed(const kt__http_call *c, int rc)
{
    if (rc < 0)
        return rc == KT_ENAME || kt__client_is_unreachable(rc);
    int status = c->response->status;
    return status == 500 || (status >= 502 && status <= 504);
}

static int serves_errors(const ask *a)
{
    kt_http_cache_request request;
    int rc = request_of(a->c, &request);
    return rc < 0 ? rc : a->good || kt_http_cache_hit_serves_errors(a->hit, &request);
}

/* Begins to keep the answer, if it may be kept; and forgets what it has outdated. */
static int keep(ask *a)
{
    kt_http_cache_request request;
    kt_http_cache_answer answer;
    int rc = request_of(a->c, &request);
    if (rc == 0)
        rc = answer_of(a, &answer);
    if (rc == 0)
        rc = kt_http_cache_store_begin(a->cache, &request, &answer, &a->c->response->store);
    return rc < 0 ? rc : 0;
}

static int ask_server(ask *a);

/* The server said 304. Is it about another version than ours, it is asked again without conditions. */
static int confirm(ask *a)
{
    kt_http_cache_request request;
    kt_http_cache_answer answer;
    int rc = request_of(a->c, &request);
    if (rc == 0)
        rc = answer_of(a, &answer);
    if (rc == 0)
        rc = kt_http_cache_refresh(a->cache, &request, &answer, a->hit);
    if (rc < 0 && rc != -EINVAL)
        return rc;
    kt__client_dismiss(a->c);
    if (rc == 0)
        return serve(a, KT_HTTP_SOURCE_CONFIRMED);
    kt_http_cache_hit_release(kt_steal(a->hit));
    return ask_server(a);
}

static int ask_server(ask *a)
{
    kt__http_call *c = a->c;
    c->condition_count = a->hit ? kt_http_cache_hit_conditions(a->hit, c->conditions) : 0;
    a->asked = kt__cache_now(a->cache);
    int rc = kt__client_try(c);
    if (a->hit && has_failed(c, rc)) {
        int good = serves_errors(a);
        if (good < 0)
            return good;
        if (good) {
            kt__client_dismiss(c);
            return serve(a, KT_HTTP_SOURCE_STALE);
        }
    }
    if (rc < 0)
        return rc;
    return c->condition_count > 0 && c->response->status == 304 ? confirm(a) : keep(a);
}

static int look_up(ask *a)
{
    kt_http_cache_request request;
    int rc = kt__client_fields_make(a->c);
    if (rc == 0)
        rc = request_of(a->c, &request);
    return rc < 0 ? rc : kt_http_cache_lookup(a->cache, &request, &a->hit);
}

/* ---- For the call, and for the response ------------------------------------------------------ */

/* The cache knows an answer by URL and fields: one to a body is none of its own. */
static bool is_for_cache(const kt__http_call *c)
{
    return c->session->o.cache && !c->request->upgrade && (!c->body.is_there || kt__cache_unsafe(c->method));
}

int kt__client_ask(kt__http_call *c)
{
    if (!is_for_cache(c))
        return kt__client_try(c);
    __attribute__((cleanup(ask_cleanup))) ask a = {.c = c, .cache = c->session->o.cache};
    int verdict = c->body.is_there ? KT_HTTP_CACHE_MISS : look_up(&a);
    if (verdict < 0)
        return verdict;
    if (verdict == KT_HTTP_CACHE_FRESH || verdict == KT_HTTP_CACHE_ONLY)
        return serve(&a, KT_HTTP_SOURCE_CACHE);
    if (verdict == KT_HTTP_CACHE_STALE_GOOD && !c->refreshes && kt__client_refresh(c))
        return serve(&a, KT_HTTP_SOURCE_STALE);
    a.good = verdict == KT_HTTP_CACHE_STALE_GOOD;
    return ask_server(&a);
}

void kt__client_cache_piece(kt_http_response *r, const void *bytes, size_t size)
{
    if (r->store && kt_http_cache_store_append(r->store, bytes, size) < 0)
        kt_http_cache_store_abort(kt_steal(r->store));
}

/* That it could not be kept is nobody's failure. */
int kt__client_cache_end(kt_http_response *r)
{
    if (!r->store)
        return 0;
    int rc = kt_http_cache_store_commit(kt_steal(r->store));
    return kt_is_cancel(rc) ? rc : 0;
}

void kt__client_cache_close(kt_http_response *r)
{
    /* Its reader knew where the end was, and did not go on to see it. */
    bool whole = r->ended && !r->conn && r->rc == 0 && !r->decoder && r->pending.size == 0;
    if (whole)
        (void)!kt__client_cache_end(r); /* within a hold */
    kt_http_cache_store_abort(kt_steal(r->store));
    kt_http_cache_hit_release(kt_steal(r->hit));
}
