/* SPDX-License-Identifier: MIT */

/* Submitting, claiming, promoting: which job runs, and when. */

#include "test_store.h"

TEST_WITH(submitted_job_is_ready_and_reads_back_as_given, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    kt__store_new_job job = {
        .type = {"command", 7},
        .queue = {"mail", 4},
        .args = {"{\"argv\":[\"true\"]}", 17},
        .priority = -7,
        .timeout = KT_S(30),
        .attempts_max = 4,
        .backoff_factor = 1.5,
        .backoff_max = KT_S(60),
        .jitter = true,
    };
    int64_t id = submit(s, job, T0);
    kt__store_job got;
    CHECK_OK(kt__store_get(s, id, &got));
    CHECK_EQ(got.state, KT__JOB_READY);
    CHECK_STR(got.type.data, "command");
    CHECK_STR(got.queue.data, "mail");
    CHECK_STR(got.args.data, "{\"argv\":[\"true\"]}");
    CHECK_EQ(got.priority, -7);
    CHECK_EQ(got.run_at, T0);
    CHECK_EQ(got.created_at, T0);
    CHECK_EQ(got.timeout, KT_S(30));
    CHECK_EQ(got.attempts_max, 4);
    CHECK(got.backoff_factor == 1.5);
    CHECK_EQ(got.backoff_max, KT_S(60));
    CHECK(got.jitter);
    CHECK(got.error.data == NULL && got.result.data == NULL);
    CHECK_EQ(got.attempts + got.crashes + got.started_at + got.finished_at, 0);
    kt__store_job_release(&got);
    store_end(s, &p);
}

TEST_WITH(ids_only_grow_even_when_the_newest_job_is_purged, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t id = submit(s, new_job("sleep"), T0);
    kt__job_state state;
    CHECK_OK(kt__store_cancel(s, id, T0, &state));
    bool more;
    CHECK_EQ(kt__store_purge(s, T0 + 1, 10, &more), 1);
    CHECK_EQ(submit(s, new_job("sleep"), T0), id + 1);
    store_end(s, &p);
}

static void check_refused(kt__store *s, const kt__store_new_job *job, int code, const char *field)
{
    int64_t id = 77;
    CHECK_ERR(kt__store_submit(s, job, T0, &id), code);
    CHECK_EQ(id, 77);
    CHECK(strncmp(kt_error_detail(), field, strlen(field)) == 0);
}

TEST_WITH(fields_out_of_range_are_refused_by_name, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    char *text = kt_calloc(1, KT__STORE_ARGS_MAX + 1);
    CHECK(text != NULL);
    memset(text, 'x', KT__STORE_ARGS_MAX + 1);
    kt__store_new_job good = new_job("sleep"), job;
#define REFUSED(field, value, code, name) \
    (job = good, job.field = value, check_refused(s, &job, code, name))
    REFUSED(type, ((kt_slice){"", 0}), KT_EVALIDATION, "type");
    REFUSED(type, ((kt_slice){text, KT__STORE_NAME_MAX + 1}), KT_ELIMIT, "type");
    REFUSED(queue, ((kt_slice){NULL, 0}), KT_EVALIDATION, "queue");
    REFUSED(args, ((kt_slice){text, KT__STORE_ARGS_MAX + 1}), KT_ELIMIT, "args");
    REFUSED(priority, -1001, KT_EVALIDATION, "priority");
    REFUSED(priority, 1001, KT_EVALIDATION, "priority");
    REFUSED(run_at, -1, KT_EVALIDATION, "run_at");
    REFUSED(run_at, INT64_MAX, KT_EVALIDATION, "run_at");
    REFUSED(timeout, -1, KT_EVALIDATION, "timeout");
    REFUSED(attempts_max, 0, KT_EVALIDATION, "attempts");
    REFUSED(attempts_max, 1001, KT_EVALIDATION, "attempts");
    REFUSED(backoff_factor, -0.5, KT_EVALIDATION, "backoff");
    REFUSED(backoff_factor, __builtin_nan(""), KT_EVALIDATION, "backoff");
    REFUSED(backoff_max, INT64_MAX, KT_EVALIDATION, "backoff_max");
#undef REFUSED
    kt_free(text);
    CHECK_EQ(query(s, "SELECT count(*) FROM job"), 0);
    submit(s, good, T0); /* and the transaction goes on */
    CHECK_OK(kt__store_commit(s));
    CHECK_EQ(count(s, KT__JOB_READY), 1);
    store_end(s, &p);
}

TEST_WITH(ten_thousand_jobs_go_into_one_transaction, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    for (int i = 0; i < 10000; i++)
        submit(s, new_job("sleep"), T0 + i);
    CHECK_OK(kt__store_commit(s));
    CHECK_EQ(count(s, KT__JOB_READY), 10000);
    CHECK_OK(kt__store_begin(s));
    for (int i = 1; i <= 10000; i++)
        CHECK_EQ(claim(s, 1, T0), i);
    CHECK_EQ(claim(s, 1, T0), 0);
    check_counts(s);
    store_end(s, &p);
}

TEST_WITH(smallest_priority_goes_first_and_equals_in_order_of_arrival, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t five = submit_priority(s, 5, T0);
    int64_t one = submit_priority(s, 1, T0 + 1);
    int64_t three = submit_priority(s, 3, T0 + 2);
    int64_t other_five = submit_priority(s, 5, T0 + 3);
    CHECK_EQ(claim(s, 1, T0 + 4), one);
    CHECK_EQ(claim(s, 1, T0 + 4), three);
    CHECK_EQ(claim(s, 1, T0 + 4), five);
    CHECK_EQ(claim(s, 1, T0 + 4), other_five);
    CHECK_EQ(claim(s, 1, T0 + 4), 0);
    store_end(s, &p);
}

TEST_WITH(equals_of_one_instant_go_in_order_of_submission, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    for (int i = 0; i < 5; i++)
        submit_priority(s, 5, T0);
    for (int i = 1; i <= 5; i++)
        CHECK_EQ(claim(s, 1, T0), i);
    store_end(s, &p);
}

/* A worker that takes a job a second, and a client that submits an urgent one a second. */
TEST_WITH(stream_of_urgent_jobs_does_not_starve_a_patient_one, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t patient = submit_priority(s, 5, T0);
    int second = 0;
    int64_t id;
    do {
        second++;
        submit_priority(s, 1, T0 + KT_S(second));
        id = claim(s, 1, T0 + KT_S(second));
    } while (id != patient && second < 1000);
    CHECK_EQ(second, 4 * 60); /* four levels of 60 s, the default step */
    store_end(s, &p);
}

TEST_WITH(ageing_step_is_an_option, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s;
    CHECK_OK(kt__store_open(&(kt__store_options){.path = p.path, .ageing_step = KT_S(1)}, &s));
    CHECK_OK(kt__store_begin(s));
    int64_t patient = submit_priority(s, 5, T0);
    int64_t early = submit_priority(s, 1, T0 + KT_S(4) - 1);
    int64_t late = submit_priority(s, 1, T0 + KT_S(4) + 1);
    CHECK_EQ(claim(s, 1, T0 + KT_S(5)), early);
    CHECK_EQ(claim(s, 1, T0 + KT_S(5)), patient);
    CHECK_EQ(claim(s, 1, T0 + KT_S(5)), late);
    store_end(s, &p);
}

TEST_WITH(clock_that_steps_back_does_not_let_later_jobs_overtake, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t first = submit_priority(s, 5, T0);
    int64_t second = submit_priority(s, 5, T0 - KT_S(3600));
    CHECK_EQ(claim(s, 1, T0), first);
    CHECK_EQ(claim(s, 1, T0), second);
    store_end(s, &p);
}

TEST_WITH(claim_gives_the_whole_job_and_hides_it_from_others, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    uint8_t token[KT__STORE_TOKEN_SIZE] = "0123456789abcdef";
    kt__store_new_job job = new_job("command");
    job.args = kt_slice_from("{\"argv\":[\"date\"]}");
    int64_t id = submit(s, job, T0);
    kt__store_job got;
    CHECK_EQ(kt__store_claim(s, NULL, 0, token, T0 + 9, &got), 1);
    CHECK_EQ(got.id, id);
    CHECK_EQ(got.state, KT__JOB_RUNNING);
    CHECK_EQ(got.started_at, T0 + 9);
    CHECK_STR(got.args.data, "{\"argv\":[\"date\"]}");
    kt__store_job_release(&got);
    CHECK_EQ(claim(s, 2, T0 + 9), 0);
    CHECK_EQ(query(s, "SELECT token = '0123456789abcdef' FROM job"), 0); /* a blob, not a text */
    CHECK_EQ(query(s, "SELECT hex(token) = hex('0123456789abcdef') FROM job"), 1);
    store_end(s, &p);
}

static int64_t claim_from(kt__store *s, const char *a, const char *b)
{
    uint8_t token[KT__STORE_TOKEN_SIZE] = {1};
    kt_slice queues[2] = {kt_slice_from(a), kt_slice_from(b != NULL ? b : "")};
    kt__store_job job = {0};
    CHECK_OK(kt__store_claim(s, queues, b != NULL ? 2 : 1, token, T0, &job));
    int64_t id = job.id;
    kt__store_job_release(&job);
    return id;
}

TEST_WITH(claim_with_queues_takes_these_only_and_merges_their_order, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    const char *queues[] = {"a", "b", "c", "b", "a"};
    const int priorities[] = {5, 3, 1, 5, 1};
    for (int i = 0; i < 5; i++) {
        kt__store_new_job job = new_job("sleep");
        job.queue = kt_slice_from(queues[i]);
        job.priority = priorities[i];
        submit(s, job, T0);
    }
    CHECK_EQ(claim_from(s, "none", NULL), 0);
    CHECK_EQ(claim_from(s, "b", "a"), 5);
    CHECK_EQ(claim_from(s, "b", "a"), 2);
    CHECK_EQ(claim_from(s, "b", "a"), 1); /* equal keys: the older id, whatever the queues' order */
    CHECK_EQ(claim_from(s, "b", "a"), 4);
    CHECK_EQ(claim_from(s, "b", "a"), 0);
    CHECK_EQ(claim_from(s, "c", NULL), 3);
    store_end(s, &p);
}

TEST_WITH(job_with_a_later_run_at_waits_for_its_promotion, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    kt__store_new_job job = new_job("sleep");
    job.run_at = T0 + KT_S(10);
    int64_t id = submit(s, job, T0);
    CHECK_EQ(state_of(s, id), KT__JOB_SCHEDULED);
    CHECK_EQ(claim(s, 1, T0 + KT_S(20)), 0);
    kt_time next;
    CHECK_EQ(kt__store_promote(s, T0 + KT_S(10) - 1, 100, &next), 0);
    CHECK_EQ(next, T0 + KT_S(10));
    CHECK_EQ(kt__store_promote(s, T0 + KT_S(10), 100, &next), 1);
    CHECK_EQ(next, KT_FOREVER);
    check_counts(s);
    CHECK_EQ(claim(s, 1, T0 + KT_S(10)), id);
    store_end(s, &p);
}

TEST_WITH(run_at_in_the_past_means_now, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t first = submit_priority(s, 5, T0);
    kt__store_new_job job = new_job("sleep");
    job.run_at = T0 - KT_S(3600);
    int64_t second = submit(s, job, T0);
    CHECK_EQ(state_of(s, second), KT__JOB_READY);
    CHECK_EQ(claim(s, 1, T0), first);
    store_end(s, &p);
}

TEST_WITH(promotion_goes_by_run_at_and_stops_at_its_limit, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    for (int i = 0; i < 5; i++) {
        kt__store_new_job job = new_job("sleep");
        job.run_at = T0 + KT_S(5 - i);
        submit(s, job, T0);
    }
    kt_time next;
    CHECK_EQ(kt__store_promote(s, T0 + KT_S(4), 3, &next), 3);
    CHECK_EQ(next, T0 + KT_S(4)); /* due, but beyond the limit */
    CHECK_EQ(claim(s, 1, T0 + KT_S(4)), 5);
    CHECK_EQ(claim(s, 1, T0 + KT_S(4)), 4);
    CHECK_EQ(claim(s, 1, T0 + KT_S(4)), 3);
    CHECK_EQ(claim(s, 1, T0 + KT_S(4)), 0);
    check_counts(s);
    store_end(s, &p);
}

TEST_WITH(scheduled_job_takes_its_place_as_of_its_run_at_not_of_its_promotion, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    kt__store_new_job job = new_job("sleep");
    job.run_at = T0 + KT_S(10);
    int64_t scheduled = submit(s, job, T0);
    int64_t before = submit_priority(s, 5, T0 + KT_S(9));
    int64_t after = submit_priority(s, 5, T0 + KT_S(11));
    kt_time next;
    CHECK_EQ(kt__store_promote(s, T0 + KT_S(60), 100, &next), 1);
    CHECK_EQ(claim(s, 1, T0 + KT_S(60)), before);
    CHECK_EQ(claim(s, 1, T0 + KT_S(60)), scheduled);
    CHECK_EQ(claim(s, 1, T0 + KT_S(60)), after);
    store_end(s, &p);
}

TEST_WITH(claim_without_memory_changes_nothing, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int64_t id = submit(s, new_job("sleep"), T0);
    uint8_t token[KT__STORE_TOKEN_SIZE] = {1};
    kt__store_job job;
    kt_test_fail_allocation(1);
    CHECK_ERR(kt__store_claim(s, NULL, 0, token, T0, &job), -ENOMEM);
    kt_test_fail_allocation(0);
    CHECK_EQ(state_of(s, id), KT__JOB_READY);
    CHECK_EQ(claim(s, 1, T0), id);
    check_counts(s);
    store_end(s, &p);
}
