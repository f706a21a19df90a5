/* SPDX-License-Identifier: MIT */

/* Taking jobs in: every field is looked at before the store sees any of them. */

#include <errno.h>
#include <kettle/memory.h>
#include <stdio.h>

#include "jobs/engine.h"
#include "jobs/type.h"

#define QUEUE_DEFAULT "default"
#define ATTEMPTS_DEFAULT 3
#define BACKOFF_DEFAULT 2.0
#define BACKOFF_MAX 1000.0
#define BACKOFF_WAIT_DEFAULT KT_S(3600)
#define PRIORITY_DEFAULT 5
/* So far ahead a job may be planned, and so long an attempt may last: a century. */
#define SPAN_MAX KT_S(INT64_C(100) * 366 * 86400)

static int check_args(const kt_jobs_type *type, kt_slice text, kt_jobs_fault *f)
{
    kt_jobs_args args;
    if (text.size == 0)
        text = kt_slice_from("{}");
    if (text.size > KT__STORE_ARGS_MAX)
        return kt__type_fault(f, "args", "has %zu bytes; at most %d are allowed", text.size, KT__STORE_ARGS_MAX);
    int rc = kt__json_parse(text, &args.json);
    if (rc == KT_EVALIDATION)
        return kt__type_fault(f, "args", "%s", kt_error_detail());
    if (rc < 0)
        return rc;
    kt_jobs_fault inner = {"", ""};
    if (!json_is_object(args.json))
        rc = kt__type_fault(f, "args", "must be an object");
    else if (type->check && (rc = type->check(&args, &inner)) == KT_EVALIDATION)
        snprintf(f->field, sizeof f->field, "args%s%.58s", *inner.field ? "." : "", inner.field);
    if (rc == KT_EVALIDATION && *inner.message)
        memcpy(f->message, inner.message, sizeof f->message);
    json_decref(args.json);
    return rc;
}

static int check_queue(kt_slice queue, kt_jobs_fault *f)
{
    if (queue.size == 0 || queue.size > KT__STORE_NAME_MAX)
        return kt__type_fault(f, "queue", "must have 1 to %d bytes", KT__STORE_NAME_MAX);
    for (size_t i = 0; i < queue.size; i++)
        if ((unsigned char)queue.data[i] < ' ' || queue.data[i] == 0x7f)
            return kt__type_fault(f, "queue", "must not hold control characters");
    return 0;
}

static int check_numbers(const kt_jobs_new *n, kt_jobs_fault *f)
{
    if (n->priority && (*n->priority < -KT__STORE_PRIORITY_MAX || *n->priority > KT__STORE_PRIORITY_MAX))
        return kt__type_fault(f, "priority", "must be between -%d and %d", KT__STORE_PRIORITY_MAX,
                     KT__STORE_PRIORITY_MAX);
    if (n->attempts < 0 || n->attempts > KT__STORE_ATTEMPTS_MAX)
        return kt__type_fault(f, "attempts", "must be between 1 and %d", KT__STORE_ATTEMPTS_MAX);
    if (n->backoff && !(*n->backoff >= 0 && *n->backoff <= BACKOFF_MAX))
        return kt__type_fault(f, "backoff", "must be between 0 and %g", BACKOFF_MAX);
    if (n->timeout && (*n->timeout < 0 || *n->timeout > SPAN_MAX))
        return kt__type_fault(f, "timeout", "must be between 0 (none) and 100 years, in seconds");
    if (n->delay < 0 || n->delay > SPAN_MAX)
        return kt__type_fault(f, "delay", "must be between 0 and 100 years, in seconds");
    return 0;
}

/* The job's own value, or the type's, or the default. */
static kt__store_new_job complete(const kt_jobs_new *n, const kt_jobs_type *type, kt_time now)
{
    kt__store_new_job s = KT__STORE_NEW_JOB_INIT;
    s.type = kt_slice_from(type->name);
    s.queue = kt_slice_from(n->queue ? n->queue : QUEUE_DEFAULT);
    if (n->args.size > 0)
        s.args = n->args;
    s.priority = n->priority ? *n->priority : type->priority ? type->priority : PRIORITY_DEFAULT;
    s.run_at = n->delay > 0 ? now + n->delay : 0;
    s.timeout = n->timeout ? *n->timeout : type->timeout;
    s.attempts_max = n->attempts ? n->attempts : type->attempts ? type->attempts : ATTEMPTS_DEFAULT;
    s.backoff_factor = n->backoff ? *n->backoff : type->backoff > 0 ? type->backoff : BACKOFF_DEFAULT;
    s.backoff_max = type->backoff_max ? type->backoff_max : BACKOFF_WAIT_DEFAULT;
    s.jitter = type->jitter;
    return s;
}

static int prepare(const kt_jobs *j, const kt_jobs_new *n, kt_time now, kt__store_new_job *ret_job,
                   kt_jobs_fault *f)
{
    if (!n->type || !*n->type)
        return kt__type_fault(f, "type", "is missing");
    const kt_jobs_type *type = kt__jobs_type_find(j, kt_slice_from(n->type));
    if (!type)
        return kt__type_fault(f, "type", "'%.64s' is no job type of this server", n->type);
    int rc = n->queue ? check_queue(kt_slice_from(n->queue), f) : 0;
    if (rc == 0)
        rc = check_numbers(n, f);
    if (rc == 0)
        rc = check_args(type, n->args, f);
    if (rc == 0)
        *ret_job = complete(n, type, now);
    return rc;
}

typedef struct newcomer {
    kt__store_new_job job;
    int64_t id; /* the caller's only once it is on the disk */
} newcomer;

typedef struct submission {
    newcomer *jobs;
    size_t n;
    kt_time now;
} submission;

/* A refusal in the middle would leave the first ones in; but everything was checked before, so what
 * fails here is the store, and that takes the transaction with it. */
static int submit_work(kt__store *store, void *arg)
{
    submission *s = arg;
    for (size_t i = 0; i < s->n; i++) {
        int rc = kt__store_submit(store, &s->jobs[i].job, s->now, &s->jobs[i].id);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void announce(kt_jobs *j, const newcomer *jobs, size_t n)
{
    size_t ready = 0;
    for (size_t i = 0; i < n; i++)
        ready += jobs[i].job.run_at == 0;
    kt__jobs_hint(j, ready);
    if (ready < n)
        kt_event_set(&j->timetable);
    kt__jobs_touch(j);
}

int kt_jobs_submit(kt_jobs *j, const kt_jobs_new *news, size_t n, int64_t *ret_ids,
                   kt_jobs_fault *ret_fault)
{
    kt_jobs_fault f = {"", ""};
    if (n == 0)
        return 0;
    newcomer *jobs = kt_calloc(n, sizeof *jobs);
    if (!jobs)
        return -ENOMEM;
    kt_time now = kt__wall_clock();
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = prepare(j, &news[i], now, &jobs[i].job, &f);
        if (rc == KT_EVALIDATION && n > 1) {
            char inner[sizeof f.field];
            memcpy(inner, f.field, sizeof inner);
            snprintf(f.field, sizeof f.field, "jobs[%zu].%.32s", i, inner);
        }
    }
    submission s = {jobs, n, now};
    if (rc == 0)
        rc = kt__keeper_do(&j->keeper, submit_work, &s);
    else if (rc == KT_EVALIDATION)
        kt_error_set(rc, "%s: %s", f.field, f.message);
    for (size_t i = 0; i < n && rc == 0; i++)
        ret_ids[i] = jobs[i].id;
    if (rc == 0)
        announce(j, jobs, n);
    if (rc == KT_EVALIDATION && ret_fault)
        *ret_fault = f;
    kt_free(jobs);
    return rc;
}
