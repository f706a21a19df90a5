/* SPDX-License-Identifier: MIT */

/* The HTTP API: who may ask, and what is asked. */

#include "jobs/api.h"

#include <errno.h>
#include <kettle/memory.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LIST_LIMIT_DEFAULT 50
#define LIST_LIMIT_MAX 1000

/* ---- Answers ------------------------------------------------------------------------------- */

int kt__api_json(kt_http_exchange *x, int status, json_t *json)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    int rc = kt__json_dump(json, &text);
    json_decref(json);
    if (rc == 0)
        rc = kt_http_header(x, "Cache-Control", "no-store");
    return rc < 0 ? rc : kt_http_respond(x, status, "application/json", text.data, text.size);
}

json_t *kt__api_add(json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) == 0)
        return list;
    json_decref(list);
    return NULL;
}

json_t *kt__api_set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) == 0)
        return object;
    json_decref(object);
    return NULL;
}

int kt__api_error(kt_http_exchange *x, int status, const char *code, const char *field,
                  const char *format, ...)
{
    char message[384];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    json_t *error = json_pack("{s:s, s:o}", "code", code, "message",
                              kt__api_text(kt_slice_from(message), sizeof message));
    if (field && *field)
        error = kt__api_set(error, "field", kt__api_text(kt_slice_from(field), 128));
    return kt__api_json(x, status, json_pack("{s:o}", "error", error));
}

int kt__api_failure(kt_http_exchange *x, int rc)
{
    const char *detail = *kt_error_detail() ? kt_error_detail() : kt_strerror(rc);
    switch (rc) {
    case KT_ENOTFOUND:
        return kt__api_error(x, 404, "not_found", NULL, "%s", detail);
    case KT_ECONFLICT:
        return kt__api_error(x, 409, "conflict", NULL, "%s", detail);
    case KT_EVALIDATION:
        return kt__api_error(x, 422, "validation", NULL, "%s", detail);
    case KT_ELIMIT:
        return kt__api_error(x, 413, "too_large", NULL, "%s", detail);
    case KT_ESHUTDOWN:
    case KT_ESTORE:
    case -EAGAIN:
        rc = kt_http_header(x, "Retry-After", "1");
        return rc < 0 ? rc : kt__api_error(x, 503, "unavailable", NULL, "%s", detail);
    default:
        return rc; /* the server makes 500 of it, or closes for a client that is gone */
    }
}

/* ---- Who may ask --------------------------------------------------------------------------- */

/* 0: go on; 1: refused and answered; < 0 as kt_http_respond. */
static int refuse_strangers(kt_http_exchange *x, const kt_jobs *j)
{
    int rc, status = kt_http_guard(x, j->options.hosts);
    kt_slice host = kt_http_host(x);
    if (status == 0)
        return 0;
    if (status == 421)
        rc = kt__api_error(x, status, "host", NULL,
                           "this server does not answer for '%.*s'; name it with --allow-host",
                           (int)(host.size < 128 ? host.size : 128), host.data ? host.data : "");
    else if (status == 403)
        rc = kt__api_error(x, status, "origin", NULL, "requests from other sites' pages are refused");
    else
        rc = kt__api_error(x, status, "content_type", NULL, "send Content-Type: application/json");
    return rc < 0 ? rc : 1;
}

/* ---- Requests ------------------------------------------------------------------------------ */

static int not_allowed(kt_http_exchange *x, const char *allow)
{
    int rc = kt_http_header(x, "Allow", allow);
    return rc < 0 ? rc : kt__api_error(x, 405, "method", NULL, "allowed here: %s", allow);
}

static bool reads(const kt_http_exchange *x)
{
    return kt_http_method_is(x, "GET") || kt_http_method_is(x, "HEAD");
}

/* A number of the query: 1, or 0 if it is not there; KT_EVALIDATION. */
static int query_number(kt_http_exchange *x, const char *name, int64_t min, int64_t max, int64_t *ret_n)
{
    kt_slice text;
    char digits[24], *end;
    int rc = kt_http_query(x, name, &text);
    if (rc <= 0)
        return rc;
    if (text.size == 0 || text.size >= sizeof digits || text.data[0] < '0' || text.data[0] > '9')
        return KT_EVALIDATION;
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    errno = 0;
    long long n = strtoll(digits, &end, 10);
    if (errno || *end || n < min || n > max)
        return KT_EVALIDATION;
    *ret_n = n;
    return 1;
}

/* 0, or 1 when the fault was answered. */
static int read_filter(kt_http_exchange *x, kt__store_filter *f)
{
    kt_slice state = {NULL, 0};
    kt__job_state parsed;
    int64_t limit = LIST_LIMIT_DEFAULT, after = 0;
    *f = (kt__store_filter){.state = -1};
    int rc = kt_http_query(x, "state", &state);
    if (rc == 1 && state.size > 0) {
        if (kt__job_state_parse(state, &parsed) < 0)
            return kt__api_error(x, 422, "validation", "state",
                                 "must be scheduled, ready, running, succeeded, dead or cancelled") < 0 ? -EIO : 1;
        f->state = (int)parsed;
    }
    if (rc >= 0)
        rc = kt_http_query(x, "type", &f->type);
    if (rc >= 0)
        rc = kt_http_query(x, "queue", &f->queue);
    if (rc < 0)
        return rc;
    const char *field = "limit";
    rc = query_number(x, field, 1, LIST_LIMIT_MAX, &limit);
    if (rc >= 0) {
        field = "after";
        rc = query_number(x, field, 0, INT64_MAX, &after);
    }
    if (rc == KT_EVALIDATION) {
        rc = kt__api_error(x, 422, "validation", field, "must be a whole number%s",
                           *field == 'l' ? " between 1 and 1000" : "");
        return rc < 0 ? rc : 1;
    }
    f->limit = (size_t)limit;
    f->after = after;
    return rc < 0 ? rc : 0;
}

static int list_jobs(kt_http_exchange *x, kt_jobs *j)
{
    kt__store_filter filter;
    kt__store_list list;
    int rc = read_filter(x, &filter);
    if (rc == -EINVAL)
        return kt__api_error(x, 400, "query", NULL, "the query holds a broken escape");
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = kt__engine_list(j, &filter, &list);
    if (rc < 0)
        return kt__api_failure(x, rc);
    json_t *jobs = json_array();
    for (size_t i = 0; i < list.count; i++)
        jobs = kt__api_add(jobs, kt__api_job(j, &list.items[i], NULL));
    json_t *next = list.next ? json_integer(list.next) : json_null();
    kt__store_list_release(&list);
    return kt__api_json(x, 200, json_pack("{s:o, s:o}", "jobs", jobs, "next", next));
}

static int show_job(kt_http_exchange *x, kt_jobs *j, int64_t id)
{
    kt__store_job job;
    kt__store_attempts attempts;
    int rc = kt__engine_get(j, id, &job, &attempts);
    if (rc < 0)
        return kt__api_failure(x, rc);
    json_t *json = kt__api_job(j, &job, &attempts);
    kt__store_job_release(&job);
    kt__store_attempts_release(&attempts);
    return kt__api_json(x, 200, json);
}

static int cancel_job(kt_http_exchange *x, kt_jobs *j, int64_t id)
{
    int rc = kt_jobs_cancel(j, id);
    return rc < 0 ? kt__api_failure(x, rc) : show_job(x, j, id);
}

/* "/v1/jobs/17" or "/v1/jobs/17/cancel". */
static int one_job(kt_http_exchange *x, kt_jobs *j, kt_slice rest)
{
    int64_t id = 0;
    size_t i = 0;
    for (; i < rest.size && rest.data[i] >= '0' && rest.data[i] <= '9' && i < 18; i++)
        id = id * 10 + (rest.data[i] - '0');
    kt_slice action = {rest.data + i, rest.size - i};
    if (i == 0 || (action.size > 0 && !kt_slice_is(action, "/cancel")))
        return kt__api_error(x, 404, "not_found", NULL, "no such path");
    if (action.size == 0)
        return reads(x) ? show_job(x, j, id) : not_allowed(x, "GET, HEAD");
    return kt_http_method_is(x, "POST") ? cancel_job(x, j, id) : not_allowed(x, "POST");
}

/* What the types are, and how long their jobs took since the server started. */
static int list_types(kt_http_exchange *x, kt_jobs *j)
{
    json_t *types = json_array();
    for (size_t i = 0; i < j->types_count; i++) {
        const kt__measure *m = &j->measures[i];
        uint64_t ended = m->succeeded + m->failed + m->timed_out + m->cancelled;
        json_t *type = json_pack("{s:s}", "type", j->options.types[i]->name);
        if (j->options.types[i]->measure)
            type = kt__api_set(
                type, "measured",
                json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "succeeded", (json_int_t)m->succeeded,
                          "failed", (json_int_t)m->failed, "timed_out", (json_int_t)m->timed_out,
                          "cancelled", (json_int_t)m->cancelled, "mean_seconds",
                          ended ? (double)m->total / 1e9 / (double)ended : 0.0, "shortest_seconds",
                          (double)m->shortest / 1e9, "longest_seconds", (double)m->longest / 1e9));
        types = kt__api_add(types, type);
    }
    return kt__api_json(x, 200, json_pack("{s:o}", "types", types));
}

static int healthz(kt_http_exchange *x, const kt_jobs *j)
{
    bool well = j->at_work && !j->stopping;
    return kt__api_json(x, well ? 200 : 503, json_pack("{s:s}", "status", well ? "ok" : "stopping"));
}

/* ---- Routes -------------------------------------------------------------------------------- */

static int route_api(kt_http_exchange *x, kt_jobs *j, kt_slice path)
{
    static const char one[] = "/v1/jobs/";
    if (kt_slice_is(path, "/v1/jobs")) {
        if (kt_http_method_is(x, "POST"))
            return kt__api_submit(x, j);
        return reads(x) ? list_jobs(x, j) : not_allowed(x, "GET, HEAD, POST");
    }
    if (path.size > sizeof one - 1 && memcmp(path.data, one, sizeof one - 1) == 0)
        return one_job(x, j, (kt_slice){path.data + sizeof one - 1, path.size - (sizeof one - 1)});
    if (kt_slice_is(path, "/v1/events"))
        return kt_http_method_is(x, "GET") ? kt__api_events(x, j) : not_allowed(x, "GET");
    if (kt_slice_is(path, "/v1/types"))
        return reads(x) ? list_types(x, j) : not_allowed(x, "GET, HEAD");
    if (kt_slice_is(path, "/healthz"))
        return reads(x) ? healthz(x, j) : not_allowed(x, "GET, HEAD");
    return kt__api_error(x, 404, "not_found", NULL, "no such path");
}

int kt_jobs_http(kt_http_exchange *x, void *jobs)
{
    kt_jobs *j = jobs;
    int rc = refuse_strangers(x, j);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = kt_http_guard_page(x);
    if (rc == 0)
        rc = kt_http_serve_assets(x, j->options.assets, j->options.assets_count);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    return route_api(x, j, kt_http_path(x));
}
