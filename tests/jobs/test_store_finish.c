/* SPDX-License-Identifier: MIT */

/* How attempts end: completion, retries, cancellation, release, and the recovery after a crash. */

#include "test_store.h"

TEST_WITH(success_is_terminal_and_leaves_result_and_history, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t id = submit(s, new_job("sleep"), T0);
    CHECK_EQ(claim(s, 1, T0 + 1), id);
    CHECK_EQ(complete(s, id, 1, KT__ATTEMPT_SUCCEEDED, T0 + 5), KT__JOB_SUCCEEDED);
    kt__store_job job;
    CHECK_OK(kt__store_get(s, id, &job));
    CHECK_EQ(job.state, KT__JOB_SUCCEEDED);
    CHECK_EQ(job.attempts, 1);
    CHECK_EQ(job.finished_at, T0 + 5);
    CHECK_STR(job.result.data, "{\"exit\":0}");
    CHECK(job.error.data == NULL);
    kt__store_job_release(&job);
    kt__store_attempts attempts;
    CHECK_OK(kt__store_attempts_read(s, id, &attempts));
    CHECK_EQ(attempts.count, 1);
    CHECK_EQ(attempts.items[0].number, 1);
    CHECK_EQ(attempts.items[0].outcome, KT__ATTEMPT_SUCCEEDED);
    CHECK_EQ(attempts.items[0].started_at, T0 + 1);
    CHECK_EQ(attempts.items[0].finished_at, T0 + 5);
    CHECK(attempts.items[0].error.data == NULL);
    kt__store_attempts_release(&attempts);
    check_counts(s);
    store_end(s, &p);
}

/* Fails the job's next attempt at `now`; how long it then waits, or -1 when it is dead. */
static kt_time fail_once(kt__store *s, int64_t id, kt_time now, uint64_t random)
{
    kt_time next;
    CHECK_OK(kt__store_promote(s, now, 10, &next));
    CHECK_EQ(claim(s, 1, now), id);
    kt__store_completion done = {.id = id, .outcome = KT__ATTEMPT_FAILED, .random = random};
    memset(done.token, 1, sizeof(done.token));
    done.error = kt_slice_from("exit status 7");
    kt__job_state state;
    CHECK_OK(kt__store_complete(s, &done, now, &state));
    if (state == KT__JOB_DEAD)
        return -1;
    kt__store_job job;
    CHECK_OK(kt__store_get(s, id, &job));
    CHECK_EQ(job.state, state);
    CHECK_EQ(job.state, job.run_at > now ? KT__JOB_SCHEDULED : KT__JOB_READY);
    kt_time wait = job.run_at - now;
    kt__store_job_release(&job);
    return wait;
}

TEST_WITH(failures_wait_1_f_f2_seconds_up_to_the_cap_and_then_the_job_is_dead, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    kt__store_new_job job = new_job("sleep");
    job.attempts_max = 5;
    job.backoff_factor = 3;
    job.backoff_max = KT_S(20);
    int64_t id = submit(s, job, T0);
    CHECK_EQ(fail_once(s, id, T0, 0), KT_S(1));
    CHECK_EQ(fail_once(s, id, T0 + KT_S(100), 0), KT_S(3));
    CHECK_EQ(fail_once(s, id, T0 + KT_S(200), 0), KT_S(9));
    CHECK_EQ(fail_once(s, id, T0 + KT_S(300), 0), KT_S(20));
    CHECK_EQ(fail_once(s, id, T0 + KT_S(400), 0), -1);
    CHECK_EQ(state_of(s, id), KT__JOB_DEAD);
    kt__store_attempts attempts;
    CHECK_OK(kt__store_attempts_read(s, id, &attempts));
    CHECK_EQ(attempts.count, 5);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(attempts.items[i].number, i + 1);
        CHECK_EQ(attempts.items[i].outcome, KT__ATTEMPT_FAILED);
        CHECK_EQ(attempts.items[i].started_at, T0 + KT_S(100 * i));
        CHECK_STR(attempts.items[i].error.data, "exit status 7");
    }
    kt__store_attempts_release(&attempts);
    check_counts(s);
    store_end(s, &p);
}

TEST_WITH(single_attempt_that_times_out_is_dead_at_once, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    kt__store_new_job job = new_job("sleep");
    job.attempts_max = 1;
    int64_t id = submit(s, job, T0);
    claim(s, 1, T0);
    CHECK_EQ(complete(s, id, 1, KT__ATTEMPT_TIMED_OUT, T0 + 1), KT__JOB_DEAD);
    kt__store_job got;
    CHECK_OK(kt__store_get(s, id, &got));
    CHECK_STR(got.error.data, "exit status 1");
    CHECK_EQ(got.finished_at, T0 + 1);
    kt__store_job_release(&got);
    store_end(s, &p);
}

TEST_WITH(backoff_of_a_thousand_attempts_stays_at_its_cap, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    kt__store_new_job job = new_job("sleep");
    job.attempts_max = KT__STORE_ATTEMPTS_MAX;
    job.backoff_factor = 1000;
    job.backoff_max = KT_S(100LL * 365 * 86400);
    int64_t id = submit(s, job, T0);
    query(s, "UPDATE job SET attempts = 998 RETURNING 1");
    CHECK_EQ(fail_once(s, id, T0, 0), job.backoff_max);
    store_end(s, &p);
}

TEST_WITH(factor_zero_retries_at_once, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    kt__store_new_job job = new_job("sleep");
    job.backoff_factor = 0;
    int64_t id = submit(s, job, T0);
    CHECK_EQ(fail_once(s, id, T0, 0), 0);
    CHECK_EQ(fail_once(s, id, T0, 0), 0);
    CHECK_EQ(fail_once(s, id, T0, 0), -1);
    check_counts(s);
    store_end(s, &p);
}

TEST_WITH(jitter_draws_the_wait_from_its_upper_half, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    kt__store_new_job job = new_job("sleep");
    job.attempts_max = 4;
    job.backoff_factor = 1;
    job.jitter = true;
    int64_t id = submit(s, job, T0);
    CHECK_EQ(fail_once(s, id, T0, 0), KT_MS(500));
    CHECK_EQ(fail_once(s, id, T0 + KT_S(10), UINT64_C(1) << 63), KT_MS(750));
    kt_time most = fail_once(s, id, T0 + KT_S(20), UINT64_MAX);
    CHECK_GT(most, KT_MS(999));
    CHECK_LE(most, KT_S(1));
    store_end(s, &p);
}

TEST_WITH(retry_queues_behind_what_arrived_before_its_run_at, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t failing = submit_priority(s, 5, T0);
    CHECK_EQ(fail_once(s, failing, T0, 0), KT_S(1));
    int64_t other = submit_priority(s, 5, T0 + KT_MS(500));
    kt_time next;
    CHECK_EQ(kt__store_promote(s, T0 + KT_S(2), 10, &next), 1);
    CHECK_EQ(claim(s, 1, T0 + KT_S(2)), other);
    CHECK_EQ(claim(s, 1, T0 + KT_S(2)), failing);
    store_end(s, &p);
}

TEST_WITH(success_after_a_failure_clears_the_error_and_keeps_the_history, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    kt__store_new_job job = new_job("sleep");
    job.backoff_factor = 0;
    int64_t id = submit(s, job, T0);
    fail_once(s, id, T0, 0);
    claim(s, 2, T0 + 1);
    CHECK_EQ(complete(s, id, 2, KT__ATTEMPT_SUCCEEDED, T0 + 2), KT__JOB_SUCCEEDED);
    kt__store_job got;
    CHECK_OK(kt__store_get(s, id, &got));
    CHECK(got.error.data == NULL);
    CHECK_EQ(got.attempts, 2);
    kt__store_job_release(&got);
    CHECK_EQ(query(s, "SELECT group_concat(number || ':' || outcome) = '1:2,2:0' FROM attempt"), 1);
    store_end(s, &p);
}

TEST_WITH(result_without_data_leaves_the_last_one_and_an_empty_one_replaces_it, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    kt__store_new_job job = new_job("sleep");
    job.backoff_factor = 0;
    int64_t id = submit(s, job, T0);
    kt__store_completion done = {.id = id, .outcome = KT__ATTEMPT_FAILED, .result = {"out", 3}};
    memset(done.token, 1, sizeof(done.token));
    const kt_slice then[] = {{NULL, 0}, {"", 0}};
    const char *expected[] = {"out", ""};
    kt__job_state state;
    claim(s, 1, T0);
    CHECK_OK(kt__store_complete(s, &done, T0, &state));
    for (int i = 0; i < 2; i++) {
        claim(s, 1, T0);
        done.result = then[i];
        CHECK_OK(kt__store_complete(s, &done, T0, &state));
        kt__store_job got;
        CHECK_OK(kt__store_get(s, id, &got));
        CHECK_STR(got.result.data, expected[i]);
        kt__store_job_release(&got);
    }
    store_end(s, &p);
}

TEST_WITH(stale_token_changes_nothing, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t id = submit(s, new_job("sleep"), T0);
    kt__job_state state;
    uint8_t old[KT__STORE_TOKEN_SIZE], present[KT__STORE_TOKEN_SIZE];
    memset(old, 1, sizeof(old));
    memset(present, 2, sizeof(present));
    CHECK_EQ(complete(s, id, 1, KT__ATTEMPT_SUCCEEDED, T0), KT_ECONFLICT); /* not running */
    claim(s, 1, T0);
    CHECK_OK(kt__store_release(s, id, old, T0, &state));
    claim(s, 2, T0 + 1);
    CHECK_OK(kt__store_commit(s));
    CHECK_OK(kt__store_begin(s));
    int changes = sqlite3_total_changes(s->db);
    CHECK_EQ(complete(s, id, 1, KT__ATTEMPT_SUCCEEDED, T0 + 2), KT_ECONFLICT);
    CHECK_EQ(complete(s, id, 1, KT__ATTEMPT_FAILED, T0 + 2), KT_ECONFLICT);
    CHECK_ERR(kt__store_release(s, id, old, T0 + 2, &state), KT_ECONFLICT);
    CHECK_EQ(sqlite3_total_changes(s->db), changes);
    CHECK_EQ(state_of(s, id), KT__JOB_RUNNING);
    CHECK_EQ(complete(s, id, 2, KT__ATTEMPT_SUCCEEDED, T0 + 3), KT__JOB_SUCCEEDED);
    CHECK_EQ(complete(s, id, 2, KT__ATTEMPT_SUCCEEDED, T0 + 4), KT_ECONFLICT); /* once only */
    CHECK_ERR(kt__store_release(s, id, present, T0 + 4, &state), KT_ECONFLICT);
    CHECK_EQ(query(s, "SELECT count(*) FROM attempt"), 1);
    store_end(s, &p);
}

TEST_WITH(job_that_is_not_there_is_not_found, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    uint8_t token[KT__STORE_TOKEN_SIZE] = {1};
    kt__job_state state = KT__JOB_DEAD;
    kt__store_job job;
    kt__store_attempts attempts;
    CHECK_ERR(kt__store_get(s, 5, &job), KT_ENOTFOUND);
    CHECK_ERR(kt__store_cancel(s, 5, T0, &state), KT_ENOTFOUND);
    CHECK_ERR(kt__store_release(s, 5, token, T0, &state), KT_ENOTFOUND);
    CHECK_EQ(complete(s, 5, 1, KT__ATTEMPT_FAILED, T0), KT_ENOTFOUND);
    CHECK_EQ(state, KT__JOB_DEAD);
    CHECK_OK(kt__store_attempts_read(s, 5, &attempts));
    CHECK_EQ(attempts.count, 0);
    kt__store_attempts_release(&attempts);
    store_end(s, &p);
}

TEST_WITH(completion_that_no_worker_may_report_is_refused, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t id = submit(s, new_job("sleep"), T0);
    claim(s, 1, T0);
    CHECK_EQ(complete(s, id, 1, KT__ATTEMPT_CRASHED, T0), KT_EVALIDATION);
    kt__store_completion done = {.id = id, .error = {"", KT__STORE_TEXT_MAX + 1}};
    memset(done.token, 1, sizeof(done.token));
    kt__job_state state;
    CHECK_ERR(kt__store_complete(s, &done, T0, &state), KT_ELIMIT);
    CHECK_EQ(state_of(s, id), KT__JOB_RUNNING);
    store_end(s, &p);
}

TEST_WITH(cancel_ends_waiting_jobs_at_once, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    kt__store_new_job later = new_job("sleep");
    later.run_at = T0 + KT_S(10);
    int64_t ids[] = {submit(s, new_job("sleep"), T0), submit(s, later, T0)};
    kt__job_state state;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(kt__store_cancel(s, ids[i], T0 + 3, &state));
        CHECK_EQ(state, KT__JOB_CANCELLED);
        CHECK_EQ(state_of(s, ids[i]), KT__JOB_CANCELLED);
        CHECK_ERR(kt__store_cancel(s, ids[i], T0 + 4, &state), KT_ECONFLICT);
    }
    kt_time next;
    CHECK_EQ(kt__store_promote(s, T0 + KT_S(20), 10, &next), 0);
    CHECK_EQ(claim(s, 1, T0 + KT_S(20)), 0);
    CHECK_EQ(query(s, "SELECT count(*) FROM job WHERE finished_at = 1700000000000000003"), 2);
    check_counts(s);
    store_end(s, &p);
}

/* A running job that somebody has asked to cancel. */
static int64_t cancel_asked(kt__store *s)
{
    int64_t id = submit(s, new_job("sleep"), T0);
    CHECK_EQ(claim(s, 1, T0), id);
    kt__job_state state;
    for (int i = 0; i < 2; i++) { /* asking twice is asking once */
        CHECK_OK(kt__store_cancel(s, id, T0 + 1, &state));
        CHECK_EQ(state, KT__JOB_RUNNING);
    }
    kt__store_job job;
    CHECK_OK(kt__store_get(s, id, &job));
    CHECK(job.cancel_requested);
    CHECK_EQ(job.finished_at, 0);
    kt__store_job_release(&job);
    return id;
}

TEST_WITH(cancel_of_a_running_job_waits_for_its_worker, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t id = cancel_asked(s);
    CHECK_EQ(complete(s, id, 1, KT__ATTEMPT_CANCELLED, T0 + 2), KT__JOB_CANCELLED);
    CHECK_EQ(query(s, "SELECT outcome FROM attempt"), KT__ATTEMPT_CANCELLED);
    check_counts(s);
    store_end(s, &p);
}

TEST_WITH(failure_of_a_job_being_cancelled_is_not_retried, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t id = cancel_asked(s);
    CHECK_EQ(complete(s, id, 1, KT__ATTEMPT_FAILED, T0 + 2), KT__JOB_CANCELLED);
    CHECK_EQ(query(s, "SELECT outcome FROM attempt"), KT__ATTEMPT_FAILED);
    store_end(s, &p);
}

TEST_WITH(success_of_a_job_being_cancelled_counts, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t id = cancel_asked(s);
    CHECK_EQ(complete(s, id, 1, KT__ATTEMPT_SUCCEEDED, T0 + 2), KT__JOB_SUCCEEDED);
    store_end(s, &p);
}

TEST_WITH(release_gives_the_job_back_with_its_attempts_and_its_place, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t first = submit(s, new_job("sleep"), T0);
    submit(s, new_job("sleep"), T0 + 1);
    CHECK_EQ(claim(s, 1, T0 + 2), first);
    uint8_t token[KT__STORE_TOKEN_SIZE];
    memset(token, 1, sizeof(token));
    kt__job_state state;
    CHECK_OK(kt__store_release(s, first, token, T0 + 3, &state));
    CHECK_EQ(state, KT__JOB_READY);
    CHECK_EQ(query(s, "SELECT attempts + crashes FROM job WHERE id = 1"), 0);
    CHECK_EQ(query(s, "SELECT count(*) FROM attempt"), 0);
    check_counts(s);
    CHECK_EQ(claim(s, 1, T0 + 4), first);
    store_end(s, &p);
}

TEST_WITH(release_of_a_job_being_cancelled_cancels_it, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t id = cancel_asked(s);
    uint8_t token[KT__STORE_TOKEN_SIZE];
    memset(token, 1, sizeof(token));
    kt__job_state state;
    CHECK_OK(kt__store_release(s, id, token, T0 + 3, &state));
    CHECK_EQ(state, KT__JOB_CANCELLED);
    CHECK_EQ(query(s, "SELECT finished_at FROM job"), T0 + 3);
    check_counts(s);
    store_end(s, &p);
}

TEST_WITH(recovery_requeues_running_jobs_without_using_up_an_attempt, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t id = submit(s, new_job("sleep"), T0);
    submit(s, new_job("sleep"), T0 + 1);
    claim(s, 1, T0 + 2);
    kt__store_recovery r;
    CHECK_OK(kt__store_recover(s, T0 + 9, 5, &r));
    CHECK_EQ(r.requeued, 1);
    CHECK_EQ(r.dead + r.cancelled, 0);
    kt__store_job job;
    CHECK_OK(kt__store_get(s, id, &job));
    CHECK_EQ(job.state, KT__JOB_READY);
    CHECK_EQ(job.crashes, 1);
    CHECK_EQ(job.attempts, 0);
    kt__store_job_release(&job);
    kt__store_attempts attempts;
    CHECK_OK(kt__store_attempts_read(s, id, &attempts));
    CHECK_EQ(attempts.count, 1);
    CHECK_EQ(attempts.items[0].outcome, KT__ATTEMPT_CRASHED);
    CHECK_EQ(attempts.items[0].started_at, T0 + 2);
    CHECK_EQ(attempts.items[0].finished_at, T0 + 9);
    kt__store_attempts_release(&attempts);
    check_counts(s);
    CHECK_EQ(complete(s, id, 1, KT__ATTEMPT_SUCCEEDED, T0 + 10), KT_ECONFLICT);
    CHECK_EQ(claim(s, 2, T0 + 10), id); /* at its old place */
    CHECK_EQ(complete(s, id, 2, KT__ATTEMPT_SUCCEEDED, T0 + 11), KT__JOB_SUCCEEDED);
    CHECK_EQ(query(s, "SELECT group_concat(number || ':' || outcome) = '1:4,2:0' FROM attempt"), 1);
    store_end(s, &p);
}

TEST_WITH(job_that_takes_the_server_down_too_often_is_dead_and_says_so, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t id = submit(s, new_job("sleep"), T0);
    kt__store_recovery r;
    for (int i = 1; i <= 5; i++) {
        CHECK_EQ(claim(s, 1, T0), id);
        CHECK_OK(kt__store_recover(s, T0 + i, KT__STORE_CRASHES_DEFAULT, &r));
        CHECK_EQ(r.requeued, 1);
    }
    CHECK_EQ(claim(s, 1, T0), id);
    CHECK_OK(kt__store_recover(s, T0 + 6, KT__STORE_CRASHES_DEFAULT, &r));
    CHECK_EQ(r.dead, 1);
    CHECK_EQ(r.requeued, 0);
    kt__store_job job;
    CHECK_OK(kt__store_get(s, id, &job));
    CHECK_EQ(job.state, KT__JOB_DEAD);
    CHECK_EQ(job.crashes, 6);
    CHECK_EQ(job.finished_at, T0 + 6);
    CHECK_STR(job.error.data,
              "the server ended 6 times while this job ran; at most 5 are tolerated");
    kt__store_job_release(&job);
    check_counts(s);
    store_end(s, &p);
}

TEST_WITH(recovery_cancels_what_was_being_cancelled, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t id = cancel_asked(s);
    kt__store_recovery r;
    CHECK_OK(kt__store_recover(s, T0 + 9, 0, &r));
    CHECK_EQ(r.cancelled, 1);
    CHECK_EQ(r.requeued + r.dead, 0);
    CHECK_EQ(state_of(s, id), KT__JOB_CANCELLED);
    CHECK_EQ(query(s, "SELECT outcome FROM attempt"), KT__ATTEMPT_CANCELLED);
    check_counts(s);
    store_end(s, &p);
}
