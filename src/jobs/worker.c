/* SPDX-License-Identifier: MIT */

/* Workers: each claims a job, runs its function as a task of its own, and hands its end to the store
 * together with its next claim, in one transaction. */

#include <errno.h>
#include <kettle/group.h>
#include <kettle/memory.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "jobs/engine.h"

/* A store that fails may mend (a full disk): how long until an end is offered to it again. */
#define RETRY_PAUSE KT_S(1)

/* ---- One turn at the store ----------------------------------------------------------------- */

typedef struct turn {
    const kt__store_completion *done; /* what the worker has to report, or NULL */
    bool release;                     /* it gives the job back instead */
    kt__job_state state;              /* what the job became */
    bool claim;                       /* it wants another */
    bool claimed;
    uint8_t token[KT__STORE_TOKEN_SIZE];
    kt__store_job job;
} turn;

static int report(kt__store *store, turn *t, kt_time now)
{
    const kt__store_completion *d = t->done;
    if (t->release)
        return kt__store_release(store, d->id, d->token, now, &t->state);
    return kt__store_complete(store, d, now, &t->state);
}

static int turn_work(kt__store *store, void *arg)
{
    turn *t = arg;
    kt_time now = kt__wall_clock();
    t->claimed = false;
    if (t->done) {
        int rc = report(store, t, now);
        if (rc < 0)
            return rc;
    }
    if (!t->claim)
        return 0;
    int rc = kt__store_claim(store, NULL, 0, t->token, now, &t->job);
    t->claimed = rc == 1;
    return rc < 0 ? rc : 0;
}

/* Without a token nothing is claimed; the end of the last job is told all the same. */
static int take_token(turn *t)
{
    ssize_t n = TEMP_FAILURE_RETRY(getrandom(t->token, sizeof t->token, 0));
    bool drawn = n == (ssize_t)sizeof t->token;
    if (!drawn && !t->done)
        return kt_error_set(n < 0 ? -errno : -EIO, "getrandom(2) gave no token");
    t->claim = drawn;
    return 0;
}

/* A claim whose transaction failed has not happened. */
static int try_turn(kt_jobs *j, turn *t)
{
    int rc = t->claim ? take_token(t) : 0;
    if (rc < 0)
        return rc;
    rc = kt__keeper_do(&j->keeper, turn_work, t);
    if (rc < 0 && t->claimed) {
        kt__store_job_release(&t->job);
        t->claimed = false;
    }
    return rc;
}

/* The end of a job must not be lost: the store is asked until it answers. A server that is told to stop
 * meanwhile gives up after one more try, and the next one finds the job running, and repeats it. */
static int take_turn(kt_jobs *j, turn *t)
{
    for (;;) {
        int rc = try_turn(j, t);
        if (rc >= 0 || rc == KT_ESHUTDOWN)
            return rc;
        kt__jobs_log(j, "store: %s", kt_error_detail());
        if (t->done && (rc == KT_ECONFLICT || rc == KT_ENOTFOUND)) {
            t->done = NULL; /* stale: somebody else has ended this job */
            continue;
        }
        rc = kt_sleep(RETRY_PAUSE);
        if (rc < 0) {
            t->claim = false;
            return t->done ? try_turn(j, t) : rc;
        }
    }
}

/* What follows from a job's new state. */
static void follow(kt_jobs *j, const turn *t)
{
    if (t->done && t->state == KT__JOB_READY)
        kt__jobs_hint(j, 1);
    else if (t->done && t->state == KT__JOB_SCHEDULED)
        kt_event_set(&j->timetable);
    kt__jobs_touch(j);
}

/* ---- The attempt --------------------------------------------------------------------------- */

typedef struct ended {
    int rc;
    bool by_timeout;
    char error[256];
} ended;

typedef struct body {
    kt_jobs_attempt *attempt;
    ended *end;
} body;

static int call_type(void *arg)
{
    kt_jobs_attempt *a = arg;
    return a->type->run(a);
}

/* The job's function, as a task of its own: so that it can be cancelled by itself. */
static int run_body(void *arg)
{
    const body *b = arg;
    kt_jobs_attempt *a = b->attempt;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    if (a->job.timeout > 0)
        kt_timeout_start(&limit, a->job.timeout);
    int rc = call_type(a);
    if (a->job.timeout > 0)
        rc = kt_timeout_end(&limit, rc);
    b->end->rc = rc;
    b->end->error[0] = '\0';
    b->end->by_timeout = rc == KT_ETIMEDOUT && kt_timeout_expired(&limit);
    if (b->end->by_timeout)
        snprintf(b->end->error, sizeof b->end->error, "timed out after %.3g s",
                 (double)a->job.timeout / 1e9);
    else if (rc < 0)
        snprintf(b->end->error, sizeof b->end->error, "%s",
                 *kt_error_detail() ? kt_error_detail() : kt_strerror(rc));
    return 0;
}

static int find_type(kt_jobs_attempt *a, ended *end)
{
    a->type = kt__jobs_type_find(a->jobs, a->job.type);
    int rc = a->type ? kt__json_parse(a->job.args, &a->args.json) : KT_ENOTFOUND;
    if (rc >= 0)
        return 0;
    end->rc = rc;
    if (!a->type)
        snprintf(end->error, sizeof end->error, "this server knows no job type '%.*s'",
                 (int)a->job.type.size, a->job.type.data);
    else
        snprintf(end->error, sizeof end->error, "arguments: %s", kt_error_detail());
    return rc;
}

static void run_type(kt_jobs_attempt *a, ended *end)
{
    char name[32];
    body b = {a, end};
    kt_auto(kt_group) alone = KT_GROUP_INIT;
    snprintf(name, sizeof name, "job-%lld", (long long)a->job.id);
    int rc = kt_group_spawn_with(&alone, &(kt_spawn_options){.name = name}, run_body, &b, 0, &a->task);
    if (rc < 0) {
        end->rc = rc;
        snprintf(end->error, sizeof end->error, "%s", kt_strerror(rc));
        return;
    }
    if (a->cancel_asked)
        kt_task_cancel(a->task);
    rc = kt_group_join(&alone, 0);
    a->task = NULL;
    if (rc < 0 && !kt_is_cancel(rc)) { /* no stack for it */
        end->rc = rc;
        snprintf(end->error, sizeof end->error, "%s", kt_error_detail());
    }
}

/* ---- Its book-keeping ---------------------------------------------------------------------- */

static void enlist(kt_jobs_attempt *a)
{
    kt_jobs *j = a->jobs;
    a->next = j->running;
    if (a->next)
        a->next->prev = a;
    j->running = a;
    j->running_count++;
    kt_event_clear(&j->idle);
}

static void delist(kt_jobs_attempt *a)
{
    kt_jobs *j = a->jobs;
    if (a->prev)
        a->prev->next = a->next;
    else
        j->running = a->next;
    if (a->next)
        a->next->prev = a->prev;
    if (--j->running_count == 0)
        kt_event_set(&j->idle);
}

static void measure(const kt_jobs_attempt *a, kt__attempt_outcome outcome, kt_time took)
{
    const kt_jobs *j = a->jobs;
    for (size_t i = 0; i < j->types_count; i++) {
        kt__measure *m = &j->measures[i];
        if (j->options.types[i] != a->type || !a->type->measure)
            continue;
        m->succeeded += outcome == KT__ATTEMPT_SUCCEEDED;
        m->failed += outcome == KT__ATTEMPT_FAILED;
        m->timed_out += outcome == KT__ATTEMPT_TIMED_OUT;
        m->cancelled += outcome == KT__ATTEMPT_CANCELLED;
        m->total += took;
        m->longest = took > m->longest ? took : m->longest;
        m->shortest = m->shortest == 0 || took < m->shortest ? took : m->shortest;
    }
}

static kt__attempt_outcome outcome_of(const kt_jobs_attempt *a, const ended *end)
{
    if (end->rc >= 0)
        return KT__ATTEMPT_SUCCEEDED;
    if (end->by_timeout)
        return KT__ATTEMPT_TIMED_OUT;
    return a->cancel_asked && kt_is_cancel(end->rc) ? KT__ATTEMPT_CANCELLED : KT__ATTEMPT_FAILED;
}

static void tell(const kt_jobs_attempt *a, const char *what, const ended *end, kt_time took)
{
    if (a->type && !a->type->log)
        return;
    if (!end)
        kt__jobs_log(a->jobs, "job %lld %.*s: attempt %d of %d %s", (long long)a->job.id,
                     (int)a->job.type.size, a->job.type.data, a->job.attempts + 1, a->job.attempts_max, what);
    else
        kt__jobs_log(a->jobs, "job %lld %.*s: attempt %d of %d %s after %.3f s%s%s", (long long)a->job.id,
                     (int)a->job.type.size, a->job.type.data, a->job.attempts + 1, a->job.attempts_max, what,
                     (double)took / 1e9, *end->error ? ": " : "", end->error);
}

/* Runs what `t` claimed and makes of it what the next turn reports. */
static void run_attempt(kt_jobs *j, turn *t, kt_jobs_attempt *a, ended *end)
{
    *end = (ended){.rc = KT_ECANCELED, .error = "cancelled"};
    *a = (kt_jobs_attempt){.jobs = j, .job = t->job, .started_at = kt__wall_clock()};
    a->label = (kt_buffer)KT_BUFFER_INIT;
    memcpy(a->token, t->token, sizeof a->token);
    kt_time start = kt_now();
    enlist(a);
    if (kt__engine_label(j, &a->job, &a->label) < 0)
        kt_buffer_clear(&a->label); /* only for people */
    kt__jobs_touch(j);
    if (find_type(a, end) == 0) {
        tell(a, "starts", NULL, 0);
        run_type(a, end);
    }
    kt__attempt_outcome outcome = outcome_of(a, end);
    measure(a, outcome, kt_now() - start);
    tell(a, kt__attempt_outcome_name(outcome), end, kt_now() - start);
}

static void attempt_release(kt_jobs_attempt *a)
{
    delist(a);
    json_decref(a->args.json);
    kt_buffer_release(&a->label);
    kt_buffer_release(&a->result);
    kt__store_job_release(&a->job);
}

/* Ends the attempt in the store, and claims the next job with the same stroke. */
static int finish(kt_jobs *j, kt_jobs_attempt *a, const ended *end, turn *t)
{
    kt__store_completion done = {.id = a->job.id, .outcome = outcome_of(a, end)};
    memcpy(done.token, a->token, sizeof done.token);
    if (end->rc < 0)
        done.error = kt_slice_from(end->error);
    if (a->result.size > 0)
        done.result = kt_buffer_slice(&a->result);
    if (getrandom(&done.random, sizeof done.random, 0) < 0)
        done.random = 0; /* only spreads retries */
    /* Cancelled, and not by its own cancellation: the server stops, the job is not to blame. */
    *t = (turn){
        .done = &done,
        .release = end->rc == KT_ECANCELED && !a->cancel_asked && j->stopping,
        .claim = !j->stopping,
    };
    int rc = take_turn(j, t);
    if (rc >= 0)
        follow(j, t);
    attempt_release(a);
    t->done = NULL;
    return rc;
}

int kt__worker_run(void *jobs)
{
    kt_jobs *j = jobs;
    turn t = {.claim = true};
    while (!j->stopping) {
        t = (turn){.claim = true};
        int rc = take_turn(j, &t);
        while (rc >= 0 && t.claimed) {
            kt_jobs_attempt attempt;
            ended end;
            run_attempt(j, &t, &attempt, &end);
            rc = finish(j, &attempt, &end, &t);
        }
        if (rc >= 0 && t.claim && !j->stopping) /* there was none to claim */
            rc = kt_semaphore_acquire(&j->hints);
        if (rc < 0)
            return rc;
    }
    return 0;
}
