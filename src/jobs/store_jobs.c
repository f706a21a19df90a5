/* SPDX-License-Identifier: MIT */

/* A job's way through its states. Each operation looks first and writes afterwards, so that a
 * refusal has changed nothing; only SQLite can fail between two writes, and then the whole
 * transaction is lost. */

#include "jobs/store_private.h"

#include <errno.h>
#include <kettle/error.h>

/* Beyond, due keys and retries could overflow. The year 2255. */
#define RUN_AT_MAX INT64_C(9000000000000000000)
#define SPAN_MAX KT_S(100LL * 365 * 86400)
#define FACTOR_MAX 1000.0

static const kt_slice no_text = {NULL, 0};

static kt_slice text_or_none(kt_slice text)
{
    return text.size > 0 ? text : no_text;
}

static int invalid(const char *field, const char *rule)
{
    return kt_error_set(KT_EVALIDATION, "%s: %s", field, rule);
}

static int check_text(const char *field, kt_slice text, size_t size_max)
{
    if (text.size == 0)
        return invalid(field, "must not be empty");
    if (text.size > size_max)
        return kt_error_set(KT_ELIMIT, "%s: has %zu bytes, at most %zu are allowed", field,
                            text.size, size_max);
    return 0;
}

static int check_new_job(const kt__store_new_job *job)
{
    int rc = check_text("type", job->type, KT__STORE_NAME_MAX);
    if (rc == 0)
        rc = check_text("queue", job->queue, KT__STORE_NAME_MAX);
    if (rc == 0)
        rc = check_text("args", job->args, KT__STORE_ARGS_MAX);
    if (rc < 0)
        return rc;
    if (job->priority < -KT__STORE_PRIORITY_MAX || job->priority > KT__STORE_PRIORITY_MAX)
        return invalid("priority", "must be from -1000 to 1000");
    if (job->run_at < 0 || job->run_at > RUN_AT_MAX)
        return invalid("run_at", "must be between the years 1970 and 2255");
    if (job->timeout < 0 || job->timeout > SPAN_MAX)
        return invalid("timeout", "must be from 0 to 100 years");
    if (job->attempts_max < 1 || job->attempts_max > KT__STORE_ATTEMPTS_MAX)
        return invalid("attempts", "must be from 1 to 1000");
    /* Written so that NaN fails. */
    if (!(job->backoff_factor >= 0 && job->backoff_factor <= FACTOR_MAX))
        return invalid("backoff", "must be from 0 to 1000");
    if (job->backoff_max < 0 || job->backoff_max > SPAN_MAX)
        return invalid("backoff_max", "must be from 0 to 100 years");
    return 0;
}

/* The place in the queue of a job that arrives now, or at run_at if that is later. */
static kt_time due_key(kt__store *s, int64_t priority, kt_time run_at, kt_time now)
{
    if (now > s->arrival)
        s->arrival = now;
    kt_time arrival = run_at > s->arrival ? run_at : s->arrival;
    return arrival + priority * s->ageing_step;
}

int kt__store_submit(kt__store *s, const kt__store_new_job *job, kt_time now, int64_t *ret_id)
{
    int rc = kt__store_check(s);
    if (rc == 0)
        rc = check_new_job(job);
    if (rc < 0)
        return rc;
    kt_time run_at = job->run_at > now ? job->run_at : now;
    kt__job_state state = run_at > now ? KT__JOB_SCHEDULED : KT__JOB_READY;
    const kt__sql q = KT__SQL_SUBMIT;
    kt__store_bind_int(s, q, 1, state);
    kt__store_bind_text(s, q, 2, job->type);
    kt__store_bind_text(s, q, 3, job->queue);
    kt__store_bind_text(s, q, 4, job->args);
    kt__store_bind_int(s, q, 5, job->priority);
    kt__store_bind_int(s, q, 6, due_key(s, job->priority, run_at, now));
    kt__store_bind_int(s, q, 7, run_at);
    kt__store_bind_int(s, q, 8, now);
    kt__store_bind_int(s, q, 9, job->timeout);
    kt__store_bind_int(s, q, 10, job->attempts_max);
    kt__store_bind_double(s, q, 11, job->backoff_factor);
    kt__store_bind_int(s, q, 12, job->backoff_max);
    kt__store_bind_int(s, q, 13, job->jitter);
    rc = kt__store_change_one(s, q);
    if (rc < 0)
        return rc;
    s->counts[state]++;
    *ret_id = sqlite3_last_insert_rowid(s->db);
    return 0;
}

int kt__store_promote(kt__store *s, kt_time now, int limit, kt_time *ret_next)
{
    int rc = kt__store_check(s);
    if (rc < 0)
        return rc;
    kt__store_bind_int(s, KT__SQL_PROMOTE, 1, now);
    kt__store_bind_int(s, KT__SQL_PROMOTE, 2, limit);
    rc = kt__store_step(s, KT__SQL_PROMOTE);
    if (rc < 0)
        return rc;
    int promoted = sqlite3_changes(s->db);
    s->counts[KT__JOB_SCHEDULED] -= promoted;
    s->counts[KT__JOB_READY] += promoted;

    kt_time next = KT_FOREVER;
    rc = kt__store_step(s, KT__SQL_NEXT_DUE);
    if (rc < 0)
        return rc;
    if (rc == 1) {
        next = kt__store_column(s, KT__SQL_NEXT_DUE, 0);
        kt__store_reset(s, KT__SQL_NEXT_DUE);
    }
    *ret_next = next;
    return promoted;
}

/* The head of one queue (or of all): 1 and its id and key, 0 if none is ready. */
static int claim_head(kt__store *s, kt__sql q, int64_t *ret_id, int64_t *ret_key)
{
    int rc = kt__store_step(s, q);
    if (rc == 1) {
        *ret_id = kt__store_column(s, q, 0);
        *ret_key = kt__store_column(s, q, 1);
        kt__store_reset(s, q);
    }
    return rc;
}

/* One probe of the index for each queue beats one walk past all the jobs of other queues. */
static int claim_head_of(kt__store *s, const kt_slice *queues, size_t n_queues, int64_t *ret_id)
{
    int found = 0;
    int64_t best_id = 0, best_key = 0;
    for (size_t i = 0; i < n_queues; i++) {
        int64_t id = 0, key = 0;
        kt__store_bind_text(s, KT__SQL_CLAIM_QUEUE, 1, queues[i]);
        int rc = claim_head(s, KT__SQL_CLAIM_QUEUE, &id, &key);
        if (rc < 0)
            return rc;
        if (rc == 0)
            continue;
        if (!found || key < best_key || (key == best_key && id < best_id)) {
            best_id = id;
            best_key = key;
        }
        found = 1;
    }
    if (found)
        *ret_id = best_id;
    return found;
}

int kt__store_claim(kt__store *s, const kt_slice *queues, size_t n_queues,
                    const uint8_t token[KT__STORE_TOKEN_SIZE], kt_time now, kt__store_job *ret_job)
{
    int rc = kt__store_check(s);
    if (rc < 0)
        return rc;
    int64_t id = 0, key = 0;
    if (n_queues > 0)
        rc = claim_head_of(s, queues, n_queues, &id);
    else
        rc = claim_head(s, KT__SQL_CLAIM_ANY, &id, &key);
    if (rc <= 0)
        return rc;
    kt__store_job job;
    rc = kt__store_get(s, id, &job);
    if (rc < 0)
        return rc;
    kt__store_bind_int(s, KT__SQL_CLAIM_TAKE, 1, id);
    kt__store_bind_blob(s, KT__SQL_CLAIM_TAKE, 2, token, KT__STORE_TOKEN_SIZE);
    kt__store_bind_int(s, KT__SQL_CLAIM_TAKE, 3, now);
    rc = kt__store_change_one(s, KT__SQL_CLAIM_TAKE);
    if (rc < 0) {
        kt__store_job_release(&job);
        return rc;
    }
    kt__store_moved(s, KT__JOB_READY, KT__JOB_RUNNING);
    job.state = KT__JOB_RUNNING;
    job.started_at = now;
    *ret_job = job;
    return 1;
}

/* What the end of an attempt depends on. */
typedef struct claimed {
    kt__job_state state;
    bool token_matches;
    bool cancel_requested;
    bool jitter;
    kt_time started_at;
    int64_t attempts;
    int64_t attempts_max;
    int64_t crashes;
    int64_t priority;
    double backoff_factor;
    kt_time backoff_max;
} claimed;

static int read_claimed(kt__store *s, int64_t id, const uint8_t *token, claimed *ret)
{
    const kt__sql q = KT__SQL_CLAIMED;
    kt__store_bind_int(s, q, 1, id);
    int rc = kt__store_step(s, q);
    if (rc == 0)
        return kt_error_set(KT_ENOTFOUND, "no job has the id %lld", (long long)id);
    if (rc < 0)
        return rc;
    kt_slice held = kt__store_column_text(s, q, 1);
    *ret = (claimed){
        .state = (kt__job_state)kt__store_column(s, q, 0),
        .token_matches = token != NULL && held.size == KT__STORE_TOKEN_SIZE &&
                         memcmp(held.data, token, KT__STORE_TOKEN_SIZE) == 0,
        .started_at = kt__store_column(s, q, 2),
        .attempts = kt__store_column(s, q, 3),
        .attempts_max = kt__store_column(s, q, 4),
        .crashes = kt__store_column(s, q, 5),
        .cancel_requested = kt__store_column(s, q, 6) != 0,
        .priority = kt__store_column(s, q, 7),
        .backoff_factor = sqlite3_column_double(s->statements[q], 8),
        .backoff_max = kt__store_column(s, q, 9),
        .jitter = kt__store_column(s, q, 10) != 0,
    };
    kt__store_reset(s, q);
    return 0;
}

/* Only the holder of the present claim may end it. */
static int read_own_claim(kt__store *s, int64_t id, const uint8_t *token, claimed *ret)
{
    claimed c;
    int rc = read_claimed(s, id, token, &c);
    if (rc < 0)
        return rc;
    if (c.state != KT__JOB_RUNNING || !c.token_matches)
        return kt_error_set(KT_ECONFLICT, "job %lld is %s, and not by this claim", (long long)id,
                            kt__job_state_name(c.state));
    *ret = c;
    return 0;
}

/* The wait after the attempt that made `attempts` used up: factor^(attempts - 1) s, capped. */
static kt_time backoff(const claimed *c, int64_t attempts, uint64_t random)
{
    if (c->backoff_factor <= 0)
        return 0;
    double wait = 1e9;
    for (int64_t i = 1; i < attempts && wait < (double)c->backoff_max; i++)
        wait *= c->backoff_factor;
    if (wait > (double)c->backoff_max)
        wait = (double)c->backoff_max;
    if (c->jitter) /* the upper 53 bits: a double in [0, 1) */
        wait = wait / 2 + wait / 2 * ((double)(random >> 11) * 0x1p-53);
    return (kt_time)wait;
}

static int add_attempt(kt__store *s, const kt__store_completion *done, const claimed *c,
                       kt_time now)
{
    const kt__sql q = KT__SQL_ATTEMPT_ADD;
    kt__store_bind_int(s, q, 1, done->id);
    kt__store_bind_int(s, q, 2, c->attempts + c->crashes + 1);
    kt__store_bind_int(s, q, 3, c->started_at);
    kt__store_bind_int(s, q, 4, now);
    kt__store_bind_int(s, q, 5, done->outcome);
    kt__store_bind_text(s, q, 6, text_or_none(done->error));
    return kt__store_change_one(s, q);
}

static int retry(kt__store *s, const kt__store_completion *done, const claimed *c, kt_time now,
                 kt__job_state *ret_state)
{
    kt_time wait = backoff(c, c->attempts + 1, done->random);
    kt_time run_at = now + wait;
    kt__job_state state = wait > 0 ? KT__JOB_SCHEDULED : KT__JOB_READY;
    const kt__sql q = KT__SQL_RETRY;
    kt__store_bind_int(s, q, 1, done->id);
    kt__store_bind_int(s, q, 2, state);
    kt__store_bind_int(s, q, 3, c->attempts + 1);
    kt__store_bind_int(s, q, 4, run_at);
    kt__store_bind_text(s, q, 5, text_or_none(done->error));
    kt__store_bind_text(s, q, 6, done->result);
    kt__store_bind_int(s, q, 7, due_key(s, c->priority, run_at, now));
    *ret_state = state;
    return kt__store_change_one(s, q);
}

static int finish(kt__store *s, const kt__store_completion *done, const claimed *c, kt_time now,
                  kt__job_state state)
{
    const kt__sql q = KT__SQL_FINISH;
    kt__store_bind_int(s, q, 1, done->id);
    kt__store_bind_int(s, q, 2, state);
    kt__store_bind_int(s, q, 3, c->attempts + 1);
    kt__store_bind_int(s, q, 4, now);
    kt__store_bind_text(s, q, 5, text_or_none(done->error));
    kt__store_bind_text(s, q, 6, done->result);
    return kt__store_change_one(s, q);
}

static int check_completion(const kt__store_completion *done)
{
    if (done->outcome < KT__ATTEMPT_SUCCEEDED || done->outcome >= KT__ATTEMPT_CRASHED)
        return invalid("outcome", "is not one that a worker can report");
    if (done->error.size > KT__STORE_TEXT_MAX || done->result.size > KT__STORE_TEXT_MAX)
        return kt_error_set(KT_ELIMIT, "error or result: at most %d bytes are allowed",
                            KT__STORE_TEXT_MAX);
    return 0;
}

int kt__store_complete(kt__store *s, const kt__store_completion *done, kt_time now,
                       kt__job_state *ret_state)
{
    claimed c;
    int rc = kt__store_check(s);
    if (rc == 0)
        rc = check_completion(done);
    if (rc == 0)
        rc = read_own_claim(s, done->id, done->token, &c);
    if (rc == 0)
        rc = add_attempt(s, done, &c, now);
    if (rc < 0)
        return rc;

    kt__job_state state = KT__JOB_DEAD;
    if (done->outcome == KT__ATTEMPT_SUCCEEDED)
        state = KT__JOB_SUCCEEDED;
    else if (done->outcome == KT__ATTEMPT_CANCELLED || c.cancel_requested)
        state = KT__JOB_CANCELLED;
    if (state == KT__JOB_DEAD && c.attempts + 1 < c.attempts_max)
        rc = retry(s, done, &c, now, &state);
    else
        rc = finish(s, done, &c, now, state);
    if (rc < 0)
        return rc;
    kt__store_moved(s, KT__JOB_RUNNING, state);
    *ret_state = state;
    return 0;
}

/* A job that has not run to its end: no attempt is written. */
static int cancel_now(kt__store *s, int64_t id, kt_time now)
{
    kt__store_bind_int(s, KT__SQL_CANCEL, 1, id);
    kt__store_bind_int(s, KT__SQL_CANCEL, 2, now);
    return kt__store_change_one(s, KT__SQL_CANCEL);
}

int kt__store_release(kt__store *s, int64_t id, const uint8_t token[KT__STORE_TOKEN_SIZE],
                      kt_time now, kt__job_state *ret_state)
{
    claimed c;
    int rc = kt__store_check(s);
    if (rc == 0)
        rc = read_own_claim(s, id, token, &c);
    if (rc < 0)
        return rc;
    kt__job_state state = c.cancel_requested ? KT__JOB_CANCELLED : KT__JOB_READY;
    if (c.cancel_requested) {
        rc = cancel_now(s, id, now);
    } else {
        kt__store_bind_int(s, KT__SQL_REQUEUE, 1, id);
        rc = kt__store_change_one(s, KT__SQL_REQUEUE);
    }
    if (rc < 0)
        return rc;
    kt__store_moved(s, KT__JOB_RUNNING, state);
    *ret_state = state;
    return 0;
}

int kt__store_cancel(kt__store *s, int64_t id, kt_time now, kt__job_state *ret_state)
{
    claimed c;
    int rc = kt__store_check(s);
    if (rc == 0)
        rc = read_claimed(s, id, NULL, &c);
    if (rc < 0)
        return rc;
    if (kt__job_state_is_terminal(c.state))
        return kt_error_set(KT_ECONFLICT, "job %lld has %s already", (long long)id,
                            c.state == KT__JOB_SUCCEEDED ? "succeeded" : "ended");
    if (c.state == KT__JOB_RUNNING) {
        kt__store_bind_int(s, KT__SQL_CANCEL_ASK, 1, id);
        rc = kt__store_change_one(s, KT__SQL_CANCEL_ASK);
        if (rc == 0)
            *ret_state = KT__JOB_RUNNING;
        return rc;
    }
    rc = cancel_now(s, id, now);
    if (rc < 0)
        return rc;
    kt__store_moved(s, c.state, KT__JOB_CANCELLED);
    *ret_state = KT__JOB_CANCELLED;
    return 0;
}

/* Runs one of the recovery's statements and counts what it moved out of running. */
static int recover_into(kt__store *s, kt__sql q, kt__job_state to, int64_t *ret_moved)
{
    int rc = kt__store_step(s, q);
    if (rc < 0)
        return rc;
    int64_t moved = sqlite3_changes64(s->db);
    s->counts[KT__JOB_RUNNING] -= moved;
    s->counts[to] += moved;
    *ret_moved = moved;
    return 0;
}

int kt__store_recover(kt__store *s, kt_time now, int crashes_max, kt__store_recovery *ret_recovery)
{
    kt__store_recovery r = {0, 0, 0};
    int rc = kt__store_check(s);
    if (rc < 0)
        return rc;
    /* The history first: it is read off the rows that the rest moves out of running. */
    kt__store_bind_int(s, KT__SQL_RECOVER_ATTEMPTS, 1, now);
    rc = kt__store_step(s, KT__SQL_RECOVER_ATTEMPTS);
    if (rc == 0) {
        kt__store_bind_int(s, KT__SQL_RECOVER_CANCELLED, 1, now);
        rc = recover_into(s, KT__SQL_RECOVER_CANCELLED, KT__JOB_CANCELLED, &r.cancelled);
    }
    if (rc == 0) {
        kt__store_bind_int(s, KT__SQL_RECOVER_DEAD, 1, now);
        kt__store_bind_int(s, KT__SQL_RECOVER_DEAD, 2, crashes_max);
        rc = recover_into(s, KT__SQL_RECOVER_DEAD, KT__JOB_DEAD, &r.dead);
    }
    if (rc == 0)
        rc = recover_into(s, KT__SQL_RECOVER_READY, KT__JOB_READY, &r.requeued);
    if (rc < 0)
        return rc;
    *ret_recovery = r;
    return 0;
}
