/* SPDX-License-Identifier: MIT */

/* Reading the store, keeping it small, and that no question walks the whole table. */

#include "test_store.h"

/* Adds `n` jobs of that type and queue. */
static void add(kt__store *s, int n, const char *type, const char *queue)
{
    for (int i = 0; i < n; i++) {
        kt__store_new_job job = new_job(type);
        job.queue = kt_slice_from(queue);
        submit(s, job, T0);
    }
}

/* Reads one page; checks its length and, where it is not empty, its first and last ids. */
static int64_t page(kt__store *s, kt__store_filter filter, size_t length, int64_t first,
                    int64_t last)
{
    kt__store_list list;
    CHECK_OK(kt__store_list_read(s, &filter, &list));
    CHECK_EQ(list.count, length);
    for (size_t i = 1; i < list.count; i++)
        CHECK_LT(list.items[i].id, list.items[i - 1].id);
    if (length > 0) {
        CHECK_EQ(list.items[0].id, first);
        CHECK_EQ(list.items[length - 1].id, last);
    }
    int64_t next = list.next;
    kt__store_list_release(&list);
    return next;
}

TEST_WITH(list_goes_from_the_newest_in_pages, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    add(s, 25, "sleep", "default");
    kt__store_filter any = {.state = -1, .limit = 10};
    any.after = page(s, any, 10, 25, 16);
    CHECK_EQ(any.after, 16);
    any.after = page(s, any, 10, 15, 6);
    any.after = page(s, any, 5, 5, 1);
    CHECK_EQ(any.after, 0);
    any.limit = 25;
    CHECK_EQ(page(s, any, 25, 25, 1), 0); /* full, and yet the last */
    store_end(s, &p);
}

TEST_WITH(list_filters_by_state_type_and_queue, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    add(s, 3, "sleep", "a");   /* 1 2 3 */
    add(s, 3, "command", "a"); /* 4 5 6 */
    add(s, 3, "command", "b"); /* 7 8 9 */
    kt__job_state state;
    for (int64_t id = 3; id <= 9; id += 3)
        CHECK_OK(kt__store_cancel(s, id, T0, &state));
    kt_slice command = kt_slice_from("command"), a = kt_slice_from("a");
    const int gone = KT__JOB_CANCELLED;
    page(s, (kt__store_filter){.state = gone, .limit = 10}, 3, 9, 3);
    page(s, (kt__store_filter){.state = KT__JOB_DEAD, .limit = 10}, 0, 0, 0);
    page(s, (kt__store_filter){.state = -1, .type = command, .limit = 10}, 6, 9, 4);
    page(s, (kt__store_filter){.state = -1, .queue = a, .limit = 10}, 6, 6, 1);
    page(s, (kt__store_filter){.state = -1, .type = command, .queue = a, .limit = 10}, 3, 6, 4);
    page(s, (kt__store_filter){.state = gone, .type = command, .limit = 10}, 2, 9, 6);
    page(s, (kt__store_filter){.state = gone, .type = command, .queue = a, .limit = 10}, 1, 6, 6);
    page(s, (kt__store_filter){.state = gone, .queue = a, .limit = 1, .after = 6}, 1, 3, 3);
    store_end(s, &p);
}

TEST_WITH(list_that_finds_little_stops_and_says_where_to_go_on, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    add(s, 1, "rare", "a");
    add(s, KT__STORE_SCAN_MAX + 10, "rare", "b");
    kt__store_filter filter = {.state = KT__JOB_READY, .type = {"rare", 4}, .queue = {"a", 1}};
    filter.limit = 10;
    filter.after = page(s, filter, 0, 0, 0);
    CHECK_EQ(filter.after, 12); /* of 20,011 the newest 20,000 were looked at */
    CHECK_EQ(page(s, filter, 1, 1, 1), 0);
    store_end(s, &p);
}

TEST_WITH(list_carries_no_results_and_refuses_nonsense, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    add(s, 1, "sleep", "a");
    claim(s, 1, T0);
    CHECK_EQ(complete(s, 1, 1, KT__ATTEMPT_SUCCEEDED, T0), KT__JOB_SUCCEEDED);
    kt__store_list list;
    CHECK_OK(kt__store_list_read(s, &(kt__store_filter){.state = -1, .limit = 1}, &list));
    CHECK(list.items[0].result.data == NULL);
    CHECK_STR(list.items[0].queue.data, "a");
    kt__store_list_release(&list);
    const kt__store_filter bad[] = {
        {.state = -1, .limit = 0},
        {.state = 6, .limit = 1},
        {.state = -1, .limit = 1, .after = -1},
    };
    for (int i = 0; i < 3; i++)
        CHECK_ERR(kt__store_list_read(s, &bad[i], &list), KT_EVALIDATION);
    store_end(s, &p);
}

TEST_WITH(recent_failures_come_newest_first_with_their_jobs_as_they_are_now, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    kt__store_new_job job = new_job("command");
    job.backoff_factor = 0;
    job.attempts_max = 2;
    submit(s, job, T0);
    job.type = kt_slice_from("sleep");
    submit(s, job, T0 + 1);
    CHECK_EQ(claim(s, 1, T0), 1);
    CHECK_EQ(claim(s, 1, T0), 2);
    CHECK_EQ(complete(s, 1, 1, KT__ATTEMPT_FAILED, T0 + 10), KT__JOB_READY);
    CHECK_EQ(complete(s, 2, 1, KT__ATTEMPT_TIMED_OUT, T0 + 20), KT__JOB_READY);
    CHECK_EQ(claim(s, 1, T0 + 30), 1);
    CHECK_EQ(complete(s, 1, 1, KT__ATTEMPT_SUCCEEDED, T0 + 40), KT__JOB_SUCCEEDED);
    kt__store_failures failures;
    CHECK_OK(kt__store_failures_read(s, 10, &failures));
    CHECK_EQ(failures.count, 2);
    CHECK_EQ(failures.items[0].job.id, 2);
    CHECK_EQ(failures.items[0].job.state, KT__JOB_READY);
    CHECK_EQ(failures.items[0].attempt.outcome, KT__ATTEMPT_TIMED_OUT);
    CHECK_EQ(failures.items[0].attempt.finished_at, T0 + 20);
    CHECK_STR(failures.items[0].attempt.error.data, "exit status 1");
    CHECK_EQ(failures.items[1].job.id, 1);
    CHECK_EQ(failures.items[1].job.state, KT__JOB_SUCCEEDED);
    CHECK_STR(failures.items[1].job.type.data, "command");
    kt__store_failures_release(&failures);
    CHECK_OK(kt__store_failures_read(s, 1, &failures));
    CHECK_EQ(failures.count, 1);
    kt__store_failures_release(&failures);
    store_end(s, &p);
}

TEST_WITH(crashes_are_failures_and_cancellations_are_not, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    add(s, 2, "sleep", "a");
    claim(s, 1, T0);
    claim(s, 1, T0);
    CHECK_EQ(complete(s, 1, 1, KT__ATTEMPT_CANCELLED, T0), KT__JOB_CANCELLED);
    kt__store_recovery r;
    CHECK_OK(kt__store_recover(s, T0, 5, &r));
    kt__store_failures failures;
    CHECK_OK(kt__store_failures_read(s, 10, &failures));
    CHECK_EQ(failures.count, 1);
    CHECK_EQ(failures.items[0].job.id, 2);
    CHECK_EQ(failures.items[0].attempt.outcome, KT__ATTEMPT_CRASHED);
    kt__store_failures_release(&failures);
    store_end(s, &p);
}

TEST_WITH(purge_deletes_old_terminal_jobs_with_their_attempts, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    for (int i = 0; i < 5; i++) { /* 2 stays ready; 1, 3, 4, 5 end at T0 + 10 x their id */
        submit(s, new_job("sleep"), T0 + i);
        if (i == 1)
            query(s, "UPDATE job SET due_key = 9223372036854775807 WHERE id = 2 RETURNING 1");
        else
            CHECK_EQ(claim(s, 1, T0), i + 1);
    }
    for (int id = 1; id <= 5; id++) {
        if (id != 2)
            CHECK_EQ(complete(s, id, 1, KT__ATTEMPT_SUCCEEDED, T0 + 10 * id), KT__JOB_SUCCEEDED);
    }
    bool more = true;
    CHECK_EQ(kt__store_purge(s, T0 + 50, 100, &more), 3);
    CHECK(!more);
    CHECK_EQ(query(s, "SELECT group_concat(id) = '2,5' FROM job"), 1);
    CHECK_EQ(query(s, "SELECT group_concat(job_id) = '5' FROM attempt"), 1);
    check_counts(s);
    store_end(s, &p);
}

TEST_WITH(purge_goes_on_where_its_limit_stopped_it, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    kt__job_state state;
    add(s, 25, "sleep", "a");
    for (int id = 1; id <= 25; id++) {
        if (id % 5 != 0)
            CHECK_OK(kt__store_cancel(s, id, T0 + 1, &state));
    }
    bool more;
    CHECK_EQ(kt__store_purge(s, T0 + 2, 8, &more), 8);
    CHECK(more);
    CHECK_EQ(kt__store_purge(s, T0 + 2, 8, &more), 8);
    CHECK(more);
    CHECK_EQ(kt__store_purge(s, T0 + 2, 8, &more), 4);
    CHECK(!more);
    CHECK_EQ(query(s, "SELECT count(*) FROM job"), 5);
    CHECK_OK(kt__store_cancel(s, 5, T0 + 1, &state)); /* and begins anew */
    CHECK_EQ(kt__store_purge(s, T0 + 2, 8, &more), 1);
    check_counts(s);
    store_end(s, &p);
}

TEST_WITH(purge_does_not_walk_jobs_younger_than_its_date, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    add(s, KT__STORE_SCAN_MAX + 1, "sleep", "a");
    bool more = true;
    CHECK_EQ(kt__store_purge(s, T0, 100, &more), 0);
    CHECK(!more); /* the end, seen at the first of more rows than one call looks at */
    store_end(s, &p);
}

/* The plan of a prepared statement, a line a step. */
static void plan_of(kt__store *s, kt__sql q, char *plan, size_t size)
{
    char sql[2048];
    snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", sqlite3_sql(s->statements[q]));
    sqlite3_stmt *statement;
    CHECK_EQ(sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL), SQLITE_OK);
    size_t used = 0;
    plan[0] = '\0';
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(statement, 3);
        used += (size_t)snprintf(plan + used, size - used, "%s\n", step);
        CHECK_LT(used, size);
    }
    sqlite3_finalize(statement);
}

TEST_WITH(every_statement_walks_an_index_and_sorts_nothing, KT_TEST_NO_LOOP)
{
    const struct {
        kt__sql statement;
        const char *plan;
    } plans[] = {
        {KT__SQL_CLAIM_ANY, "USING INDEX job_ready\n"},
        {KT__SQL_CLAIM_QUEUE, "SEARCH job USING INDEX job_ready_queue (queue=?)"},
        {KT__SQL_PROMOTE, "USING INDEX job_scheduled (run_at<?)"},
        {KT__SQL_NEXT_DUE, "USING INDEX job_scheduled\n"},
        {KT__SQL_LIST, "SEARCH job USING INTEGER PRIMARY KEY (rowid<?)"},
        {KT__SQL_LIST_STATE, "SEARCH job USING INDEX job_state (state=? AND rowid<?)"},
        {KT__SQL_LIST_TYPE, "SEARCH job USING INDEX job_type (type=? AND rowid<?)"},
        {KT__SQL_LIST_QUEUE, "SEARCH job USING INDEX job_queue (queue=? AND rowid<?)"},
        {KT__SQL_FAILURES, "USING INDEX attempt_failure\n"},
        {KT__SQL_ATTEMPTS, "SEARCH attempt USING PRIMARY KEY (job_id=?)"},
        {KT__SQL_COUNT_STATES, "USING COVERING INDEX job_state\n"},
        {KT__SQL_RECOVER_ATTEMPTS, "USING INDEX job_state (state=?)"},
        {KT__SQL_RECOVER_READY, "USING INDEX job_state (state=?)"},
        {KT__SQL_PURGE_NEXT, "SEARCH job USING INTEGER PRIMARY KEY (rowid>?)"},
    };
    place p = place_make();
    kt__store *s = store_begun(&p);
    char plan[1024];
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        plan_of(s, plans[i].statement, plan, sizeof(plan));
        if (strstr(plan, plans[i].plan) == NULL)
            CHECK_STR(plan, plans[i].plan); /* shows both */
    }
    for (int q = KT__SQL_COUNT_STATES; q < KT__SQL_STATEMENTS; q++) {
        plan_of(s, (kt__sql)q, plan, sizeof(plan));
        CHECK(strstr(plan, "TEMP B-TREE") == NULL);
        CHECK(strstr(plan, "SCAN job\n") == NULL && strstr(plan, "SCAN attempt\n") == NULL);
    }
    store_end(s, &p);
}

TEST_WITH(names_of_states_and_outcomes_are_those_of_the_manual, KT_TEST_NO_LOOP)
{
    const char *names[] = {"scheduled", "ready", "running", "succeeded", "dead", "cancelled"};
    for (int i = 0; i < KT__JOB_STATES; i++) {
        CHECK_STR(kt__job_state_name((kt__job_state)i), names[i]);
        kt__job_state state = KT__JOB_READY;
        CHECK_OK(kt__job_state_parse(kt_slice_from(names[i]), &state));
        CHECK_EQ(state, i);
        CHECK_EQ(kt__job_state_is_terminal(state), i >= 3);
    }
    kt__job_state state;
    CHECK_ERR(kt__job_state_parse(kt_slice_from("Ready"), &state), KT_ENOTFOUND);
    CHECK_ERR(kt__job_state_parse((kt_slice){NULL, 0}, &state), KT_ENOTFOUND);
    CHECK_STR(kt__attempt_outcome_name(KT__ATTEMPT_TIMED_OUT), "timed_out");
    CHECK_STR(kt__attempt_outcome_name(KT__ATTEMPT_CRASHED), "crashed");
}

TEST_WITH(reads_without_memory_fail_cleanly_at_every_allocation, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    for (int i = 0; i < 10; i++) {
        submit(s, new_job("sleep"), T0);
        claim(s, 1, T0);
        complete(s, i + 1, 1, KT__ATTEMPT_FAILED, T0);
    }
    const kt__store_filter any = {.state = -1, .limit = 100};
    int failures = 0;
    for (uint64_t nth = 1; nth < 100; nth++) {
        kt__store_list list = {NULL, 0, 0};
        kt__store_attempts attempts = {NULL, 0};
        kt__store_failures failed = {NULL, 0};
        kt_test_fail_allocation(nth);
        int rc = kt__store_list_read(s, &any, &list);
        if (rc == 0)
            rc = kt__store_attempts_read(s, 1, &attempts);
        if (rc == 0)
            rc = kt__store_failures_read(s, 100, &failed);
        bool hit = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        CHECK_EQ(rc, hit ? -ENOMEM : 0);
        failures += hit;
        kt__store_list_release(&list);
        kt__store_attempts_release(&attempts);
        kt__store_failures_release(&failed);
    }
    CHECK_EQ(failures, 12 + 2 + 22); /* arrays of 8, then 16; a block each job and attempt */
    store_end(s, &p);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* One operation, chosen and aimed at random; refusals are as good as successes. */
static void do_something(kt__store *s, uint64_t *random, kt_time now)
{
    int64_t newest = query(s, "SELECT coalesce(max(id), 1) FROM job");
    int64_t id = newest - (int64_t)(next_random(random) % 30);
    uint8_t token[KT__STORE_TOKEN_SIZE];
    memset(token, 1, sizeof(token));
    kt__store_new_job job = new_job("sleep");
    kt__job_state state;
    kt__store_recovery r;
    kt_time next;
    bool more;
    int rc = 0;
    switch (next_random(random) % 12) {
    case 0:
        job.run_at = now + KT_S(5);
        submit(s, job, now);
        break;
    case 1:
    case 2:
        job.backoff_factor = (double)(next_random(random) % 2);
        submit(s, job, now);
        break;
    case 3:
    case 4:
        claim(s, 1, now);
        break;
    case 5:
        rc = complete(s, id, 1, KT__ATTEMPT_SUCCEEDED, now);
        break;
    case 6:
    case 7:
        rc = complete(s, id, 1, KT__ATTEMPT_FAILED, now);
        break;
    case 8:
        rc = kt__store_cancel(s, id, now, &state);
        break;
    case 9:
        rc = kt__store_release(s, id, token, now, &state);
        break;
    case 10:
        rc = kt__store_promote(s, now, 3, &next);
        break;
    default:
        if (next_random(random) % 4 == 0)
            rc = kt__store_recover(s, now, 1, &r);
        else
            rc = kt__store_purge(s, now - KT_S(9), 2, &more);
        break;
    }
    CHECK(rc >= 0 || rc == KT_ENOTFOUND || rc == KT_ECONFLICT);
}

TEST_WITH(counts_and_history_hold_under_any_sequence_of_operations, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s;
    CHECK_OK(kt__store_open(&(kt__store_options){.path = p.path}, &s));
    uint64_t random = 1;
    int64_t seen[KT__JOB_STATES] = {0};
    for (int i = 0; i < 200; i++) {
        CHECK_OK(kt__store_begin(s));
        for (int k = 0; k < 20; k++)
            do_something(s, &random, T0 + KT_MS(100) * (20 * i + k));
        if (i % 5 == 4)
            kt__store_rollback(s);
        else
            CHECK_OK(kt__store_commit(s));
        CHECK_OK(kt__store_begin(s));
        check_counts(s);
        CHECK_EQ(query(s, "SELECT count(*) FROM job WHERE (state >= 3) != (finished_at > 0)"), 0);
        CHECK_EQ(query(s, "SELECT count(*) FROM job WHERE attempts > attempts_max"), 0);
        CHECK_EQ(query(s, "SELECT count(*) FROM job WHERE attempts + crashes !="
                          " (SELECT count(*) FROM attempt WHERE job_id = job.id)"), 0);
        for (int k = 0; k < KT__JOB_STATES; k++)
            seen[k] += count(s, (kt__job_state)k);
        kt__store_rollback(s);
    }
    for (int i = 0; i < KT__JOB_STATES; i++)
        CHECK_GT(seen[i], 0);
    store_end(s, &p);
}
