/* SPDX-License-Identifier: MIT */

/* POST /v1/jobs: one job, or a list of jobs of which all or none are taken. */

#include <errno.h>
#include <kettle/memory.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "jobs/api.h"
#include "jobs/type.h"

#define BATCH_MAX 10000
#define SECONDS_MAX (100.0 * 366 * 86400)

/* A job of the request, with what its kt_jobs_new points to. */
typedef struct draft {
    kt_buffer args;
    int priority;
    double backoff;
    kt_time timeout;
} draft;

typedef struct batch {
    json_t *json;
    kt_jobs_new *news;
    draft *drafts;
    int64_t *ids;
    size_t n;
} batch;

static void batch_cleanup(batch *b)
{
    for (size_t i = 0; b->drafts && i < b->n; i++)
        kt_buffer_release(&b->drafts[i].args);
    kt_free(b->drafts);
    kt_free(b->news);
    kt_free(b->ids);
    json_decref(b->json);
}

/* ---- Fields -------------------------------------------------------------------------------- */

typedef int (*field_fn)(const json_t *value, kt_jobs_new *n, draft *d, kt_jobs_fault *f);

static int read_type(const json_t *value, kt_jobs_new *n, draft *d, kt_jobs_fault *f)
{
    (void)d;
    n->type = json_string_value(value);
    return n->type ? 0 : kt__type_fault(f, "type", "must be a string");
}

static int read_queue(const json_t *value, kt_jobs_new *n, draft *d, kt_jobs_fault *f)
{
    (void)d;
    n->queue = json_string_value(value);
    return n->queue ? 0 : kt__type_fault(f, "queue", "must be a string");
}

static int read_args(const json_t *value, kt_jobs_new *n, draft *d, kt_jobs_fault *f)
{
    if (!json_is_object(value))
        return kt__type_fault(f, "args", "must be an object");
    int rc = kt__json_dump(value, &d->args);
    n->args = kt_buffer_slice(&d->args);
    return rc;
}

/* A whole number in the range of an int; what it may be is kt_jobs_submit's to say. */
static int read_int(const json_t *value, const char *field, int *ret_n, kt_jobs_fault *f)
{
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < INT32_MIN || n > INT32_MAX)
        return kt__type_fault(f, field, "must be a whole number");
    *ret_n = (int)n;
    return 0;
}

static int read_priority(const json_t *value, kt_jobs_new *n, draft *d, kt_jobs_fault *f)
{
    n->priority = &d->priority;
    return read_int(value, "priority", &d->priority, f);
}

static int read_attempts(const json_t *value, kt_jobs_new *n, draft *d, kt_jobs_fault *f)
{
    (void)d;
    int rc = read_int(value, "attempts", &n->attempts, f);
    if (rc == 0 && n->attempts == 0) /* to kt_jobs_new it would mean the default */
        return kt__type_fault(f, "attempts", "must be at least 1");
    return rc;
}

static int read_backoff(const json_t *value, kt_jobs_new *n, draft *d, kt_jobs_fault *f)
{
    n->backoff = &d->backoff;
    d->backoff = json_number_value(value);
    return json_is_number(value) ? 0 : kt__type_fault(f, "backoff", "must be a number");
}

static int read_seconds(const json_t *value, const char *field, kt_time *ret_time, kt_jobs_fault *f)
{
    double seconds = json_number_value(value);
    if (!json_is_number(value) || !(seconds >= 0 && seconds <= SECONDS_MAX))
        return kt__type_fault(f, field, "must be a number of seconds between 0 and %.0f", SECONDS_MAX);
    *ret_time = (kt_time)(seconds * 1e9);
    return 0;
}

static int read_timeout(const json_t *value, kt_jobs_new *n, draft *d, kt_jobs_fault *f)
{
    n->timeout = &d->timeout;
    return read_seconds(value, "timeout", &d->timeout, f);
}

static int read_delay(const json_t *value, kt_jobs_new *n, draft *d, kt_jobs_fault *f)
{
    (void)d;
    return read_seconds(value, "delay", &n->delay, f);
}

/* RFC 3339, in UTC: "2026-11-21T02:41:31Z", with or without a fraction. One in the past is now. */
static int read_run_at(const json_t *value, kt_jobs_new *n, draft *d, kt_jobs_fault *f)
{
    (void)d;
    struct tm tm = {.tm_isdst = 0};
    const char *text = json_string_value(value);
    char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    double fraction = end && *end == '.' ? strtod(end, &end) : 0;
    if (!end || strcmp(end, "Z") != 0 || !(fraction >= 0 && fraction < 1))
        return kt__type_fault(f, "run_at", "must be a time as \"2026-11-21T02:41:31Z\"");
    /* Years that do not fit into nanoseconds are compared in seconds. */
    double ahead = (double)timegm(&tm) - (double)(kt__wall_clock() / KT_S(1));
    if (ahead > SECONDS_MAX)
        return kt__type_fault(f, "run_at", "must be within 100 years");
    if (ahead < -SECONDS_MAX)
        return 0;
    kt_time delay = KT_S(timegm(&tm)) + (kt_time)(fraction * 1e9) - kt__wall_clock();
    n->delay = delay > 0 ? delay : 0;
    return 0;
}

static const struct {
    const char *name;
    field_fn read;
} fields[] = {
    {"type", read_type},         {"queue", read_queue},     {"args", read_args},
    {"priority", read_priority}, {"attempts", read_attempts}, {"backoff", read_backoff},
    {"timeout", read_timeout},   {"delay", read_delay},     {"run_at", read_run_at},
};

static int read_job(json_t *json, kt_jobs_new *n, draft *d, kt_jobs_fault *f)
{
    const char *key;
    json_t *value;
    if (!json_is_object(json))
        return kt__type_fault(f, "", "a job must be an object");
    if (json_object_get(json, "delay") && json_object_get(json, "run_at"))
        return kt__type_fault(f, "run_at", "cannot be given together with delay");
    json_object_foreach (json, key, value) {
        size_t i = 0;
        while (i < sizeof fields / sizeof fields[0] && strcmp(fields[i].name, key) != 0)
            i++;
        if (i == sizeof fields / sizeof fields[0])
            return kt__type_fault(f, key, "is no field of a job");
        int rc = fields[i].read(value, n, d, f);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- The request --------------------------------------------------------------------------- */

static int read_batch(batch *b, kt_jobs_fault *f)
{
    bool list = json_is_array(b->json);
    size_t n = list ? json_array_size(b->json) : 1;
    if (n == 0 || n > BATCH_MAX)
        return kt__type_fault(f, "", "a list holds 1 to %d jobs", BATCH_MAX);
    b->news = kt_calloc(n, sizeof *b->news);
    b->drafts = kt_calloc(n, sizeof *b->drafts);
    b->ids = kt_calloc(n, sizeof *b->ids);
    if (!b->news || !b->drafts || !b->ids)
        return -ENOMEM;
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        json_t *json = list ? json_array_get(b->json, i) : b->json;
        kt_jobs_fault inner = {"", ""};
        int rc = read_job(json, &b->news[i], &b->drafts[i], &inner);
        if (rc == KT_EVALIDATION && list)
            kt__type_fault(f, "", "%s", inner.message);
        else if (rc == KT_EVALIDATION)
            *f = inner;
        if (rc == KT_EVALIDATION && list)
            snprintf(f->field, sizeof f->field, "jobs[%zu]%s%.32s", i, *inner.field ? "." : "", inner.field);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* A list of one is a list, too: its faults are named as the others'. */
static int submit_batch(kt_jobs *j, const batch *b, kt_jobs_fault *f)
{
    kt_jobs_fault inner = {"", ""};
    int rc = kt_jobs_submit(j, b->news, b->n, b->ids, &inner);
    if (rc != KT_EVALIDATION)
        return rc;
    *f = inner;
    if (json_is_array(b->json) && b->n == 1)
        snprintf(f->field, sizeof f->field, "jobs[0].%.55s", inner.field);
    return rc;
}

static json_t *answer_json(const batch *b)
{
    if (!json_is_array(b->json))
        return json_pack("{s:I, s:s}", "id", (json_int_t)b->ids[0], "state",
                         b->news[0].delay > 0 ? "scheduled" : "ready");
    json_t *ids = json_array();
    for (size_t i = 0; i < b->n; i++)
        ids = kt__api_add(ids, json_integer(b->ids[i]));
    return json_pack("{s:o}", "ids", ids);
}

int kt__api_submit(kt_http_exchange *x, kt_jobs *j)
{
    kt_auto(batch) b = {NULL, NULL, NULL, NULL, 0};
    kt_jobs_fault fault = {"", ""};
    kt_slice body;
    int rc = kt_http_read_all(x, SIZE_MAX, &body);
    if (rc < 0)
        return rc == KT_ELIMIT ? kt__api_error(x, 413, "too_large", NULL, "the request is too large") : rc;
    rc = kt__json_parse(body, &b.json);
    if (rc == KT_EVALIDATION)
        return kt__api_error(x, 400, "json", NULL, "%s", kt_error_detail());
    if (rc == 0)
        rc = read_batch(&b, &fault);
    if (rc == 0)
        rc = submit_batch(j, &b, &fault);
    if (rc == KT_EVALIDATION)
        return kt__api_error(x, 422, "validation", fault.field, "%s", fault.message);
    return rc < 0 ? kt__api_failure(x, rc) : kt__api_json(x, 201, answer_json(&b));
}
