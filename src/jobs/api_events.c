/* SPDX-License-Identifier: MIT */

/* GET /v1/events: the page's Server-Sent Events. What they say is made once for all listeners, at
 * most four times a second, and shared by reference. */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/timeout.h>

#include "jobs/api.h"

#define INTERVAL KT_MS(250)
#define KEEP_ALIVE KT_S(15)
#define RUNNING_MAX 50
#define FAILURES_MAX 20
/* So many are read for that: one job may have failed often. */
#define FAILURES_READ (5 * FAILURES_MAX)
#define RECENT_MAX 20
#define ERROR_BYTES_MAX 4096

struct kt__snapshot {
    unsigned references;
    uint64_t version;
    kt_time made_at;
    kt_buffer text;
};

void kt__snapshot_release(struct kt__snapshot *s)
{
    if (!s || --s->references > 0)
        return;
    kt_buffer_release(&s->text);
    kt_free(s);
}

/* ---- What they say ------------------------------------------------------------------------- */

static json_t *running_json(const kt_jobs *j)
{
    json_t *list = json_array();
    int n = 0;
    for (const kt_jobs_attempt *a = j->running; a && n < RUNNING_MAX; a = a->next, n++)
        list = kt__api_add(
            list,
            json_pack("{s:I, s:o, s:o, s:o, s:i, s:i, s:o}", "id", (json_int_t)a->job.id, "type",
                      kt__api_text(a->job.type, KT__STORE_NAME_MAX), "queue",
                      kt__api_text(a->job.queue, KT__STORE_NAME_MAX), "label",
                      kt__api_text(kt_buffer_slice(&a->label), SIZE_MAX),
                      "attempt", a->job.attempts + 1, "attempts_max", a->job.attempts_max, "started_at",
                      kt__api_time(a->started_at)));
    return list;
}

static bool failed_later(const kt__store_failures *failures, size_t i)
{
    for (size_t newer = 0; newer < i; newer++)
        if (failures->items[newer].job.id == failures->items[i].job.id)
            return true;
    return false;
}

/* The newest failure of each job: a job that fails again and again must not hide the others. */
static json_t *failures_json(kt_jobs *j, const kt__store_failures *failures)
{
    json_t *list = json_array();
    for (size_t i = 0; i < failures->count && json_array_size(list) < FAILURES_MAX; i++) {
        const kt__store_failure *f = &failures->items[i];
        if (failed_later(failures, i))
            continue;
        list = kt__api_add(
            list, json_pack("{s:I, s:o, s:o, s:o, s:o, s:s, s:i, s:i}", "id", (json_int_t)f->job.id,
                            "type", kt__api_text(f->job.type, KT__STORE_NAME_MAX), "label",
                            kt__api_label(j, &f->job), "error",
                            kt__api_text(f->attempt.error, ERROR_BYTES_MAX), "finished_at",
                            kt__api_time(f->attempt.finished_at), "state",
                            kt__job_state_name(f->job.state), "attempt", f->attempt.number,
                            "attempts_max", f->job.attempts_max));
    }
    return list;
}

static json_t *recent_json(kt_jobs *j, const kt__store_list *recent)
{
    json_t *list = json_array();
    for (size_t i = 0; i < recent->count; i++) {
        const kt__store_job *job = &recent->items[i];
        list = kt__api_add(
            list, json_pack("{s:I, s:o, s:o, s:o, s:s, s:o}", "id", (json_int_t)job->id, "type",
                            kt__api_text(job->type, KT__STORE_NAME_MAX), "queue",
                            kt__api_text(job->queue, KT__STORE_NAME_MAX), "label", kt__api_label(j, job),
                            "state", kt__job_state_name(job->state), "created_at",
                            kt__api_time(job->created_at)));
    }
    return list;
}

static json_t *overview_json(kt_jobs *j, const kt__overview *o)
{
    json_t *counts = json_object();
    for (int state = 0; state < KT__JOB_STATES; state++)
        counts = kt__api_set(counts, kt__job_state_name((kt__job_state)state), json_integer(o->counts[state]));
    return json_pack("{s:o, s:o, s:I, s:o, s:o, s:o, s:I}", "counts", counts, "running", running_json(j),
                     "running_total", (json_int_t)j->running_count, "failures",
                     failures_json(j, &o->failures), "recent", recent_json(j, &o->recent), "server_time",
                     kt__api_time(kt__wall_clock()), "concurrency", (json_int_t)j->options.concurrency);
}

static int make_snapshot(kt_jobs *j)
{
    kt__overview overview;
    struct kt__snapshot *s = kt_calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->references = 1;
    s->version = j->version; /* what changes while the store is asked comes with the next one */
    int rc = kt__engine_overview(j, FAILURES_READ, RECENT_MAX, &overview);
    if (rc == 0) {
        json_t *json = overview_json(j, &overview);
        rc = kt__json_dump(json, &s->text);
        json_decref(json);
        kt__store_failures_release(&overview.failures);
        kt__store_list_release(&overview.recent);
    }
    if (rc < 0) {
        kt__snapshot_release(s);
        return rc;
    }
    s->made_at = kt_now();
    kt__snapshot_release(j->snapshot);
    j->snapshot = s;
    return 0;
}

/* One of the listeners makes it, the others wait for that. */
static int take_snapshot(kt_jobs *j, struct kt__snapshot **ret_snapshot)
{
    int rc = kt_lock_acquire(&j->snapshot_lock);
    if (rc < 0)
        return rc;
    bool old = !j->snapshot ||
               (j->snapshot->version != j->version && kt_now() - j->snapshot->made_at >= INTERVAL);
    if (old)
        rc = make_snapshot(j);
    kt_lock_release(&j->snapshot_lock);
    if (rc < 0)
        return rc;
    j->snapshot->references++;
    *ret_snapshot = j->snapshot;
    return 0;
}

/* ---- The stream ---------------------------------------------------------------------------- */

/* Waits for news; a client that hears nothing for a while gets a comment, so that both ends notice
 * when the other is gone. */
static int wait_for_news(kt_http_exchange *x, kt_jobs *j, uint64_t seen)
{
    for (;;) {
        kt_auto(kt_timeout) quiet = KT_TIMEOUT_INIT;
        kt_timeout_start(&quiet, KEEP_ALIVE);
        int rc = kt_timeout_end(&quiet, kt__engine_wait_change(j, seen));
        if (rc != KT_ETIMEDOUT || !kt_timeout_expired(&quiet))
            return rc;
        rc = kt_http_event_comment(x, "");
        if (rc < 0)
            return rc;
    }
}

int kt__api_events(kt_http_exchange *x, kt_jobs *j)
{
    struct kt__snapshot *s = NULL;
    int rc = take_snapshot(j, &s);
    if (rc < 0)
        return kt__api_failure(x, rc);
    rc = kt_http_events_start(x);
    while (rc == 0) {
        uint64_t seen = s->version;
        rc = kt_http_event(x, "stats", NULL, s->text.data, s->text.size);
        kt__snapshot_release(kt_steal(s));
        if (rc == 0)
            rc = kt_sleep(INTERVAL);
        if (rc == 0)
            rc = wait_for_news(x, j, seen);
        if (rc == 0)
            rc = take_snapshot(j, &s);
    }
    kt__snapshot_release(s);
    return rc;
}
