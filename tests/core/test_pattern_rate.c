/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <kettle/rate.h>

/* ---- N in a window ----------------------------------------------------------------------- */

KT_FN(starts, a, struct {
    kt_rate *rate;
    int number;
})
{
    int rc = kt_rate_acquire(a->rate);
    if (rc == 0)
        kt_test_say("%d at %lld", a->number, (long long)(kt_now() / KT_S(1)));
    return rc;
}

TEST(three_per_two_seconds_in_the_order_of_the_calls)
{
    kt_auto(kt_rate) rate = KT_RATE_INIT(3, KT_S(2));
    kt_auto(kt_group) calls = KT_GROUP_INIT;
    for (int i = 0; i < 12; i++)
        sure(kt_group_spawn(&calls, KT_WITH(starts, &rate, i)));
    CHECK_OK(kt_group_join(&calls, 0));
    CHECK_TRACE("0 at 0\n1 at 0\n2 at 0\n3 at 2\n4 at 2\n5 at 2\n6 at 4\n7 at 4\n8 at 4\n"
                "9 at 6\n10 at 6\n11 at 6");
}

TEST(no_window_holds_more_than_allowed_whenever_calls_come)
{
    kt_auto(kt_rate) rate = KT_RATE_INIT(4, KT_MS(1000));
    kt_time at[60];
    unsigned x = 1;
    for (int i = 0; i < 60; i++) {
        x = x * 1103515245u + 12345u;
        sure(kt_sleep(KT_MS((x >> 16) % 400)));
        sure(kt_rate_acquire(&rate));
        at[i] = kt_now();
        if (i >= 4)
            CHECK_GE(at[i] - at[i - 4], KT_S(1));
    }
}

TEST(nowait_says_busy_and_delay_says_how_long)
{
    kt_auto(kt_rate) rate = KT_RATE_INIT(1, KT_S(2));
    CHECK_EQ(kt_rate_delay(&rate), 0);
    CHECK_OK(kt_rate_acquire_nowait(&rate));
    sure(kt_sleep(KT_MS(500)));
    CHECK_ERR(kt_rate_acquire_nowait(&rate), -EBUSY);
    CHECK_EQ(kt_rate_delay(&rate), KT_MS(1500));
    sure(kt_sleep(KT_MS(1500)));
    CHECK_OK(kt_rate_acquire_nowait(&rate));
}

TEST(a_cancelled_caller_counts_nothing_and_the_next_moves_up)
{
    kt_auto(kt_rate) rate = KT_RATE_INIT(1, KT_S(2));
    sure(kt_rate_acquire(&rate));
    kt_task *first = spawn(KT_WITH(starts, &rate, 1));
    kt_task *second = spawn(KT_WITH(starts, &rate, 2));
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(first);
    CHECK_ERR(kt_task_join(first), KT_ECANCELED);
    CHECK_OK(kt_task_join(second));
    CHECK_TRACE("2 at 2");
}

static int rate_once(void *arg)
{
    (void)arg;
    kt_auto(kt_rate) rate = KT_RATE_INIT(2, KT_S(1));
    return kt_rate_acquire(&rate);
}

TEST(a_rate_says_when_there_is_no_memory)
{
    each_allocation_fails(rate_once, NULL);
}

/* ---- Token bucket ------------------------------------------------------------------------ */

TEST(a_bucket_allows_a_burst_and_then_a_steady_rate)
{
    kt_bucket b = KT_BUCKET_INIT(2, KT_S(1), 3);
    CHECK_EQ(kt_bucket_tokens(&b), 3);
    for (int i = 0; i < 3; i++)
        sure(kt_bucket_take(&b, 1));
    CHECK_EQ(kt_now(), 0);
    CHECK_EQ(kt_bucket_tokens(&b), 0);
    CHECK_ERR(kt_bucket_take_nowait(&b, 1), -EBUSY);
    for (int i = 1; i <= 4; i++) {
        sure(kt_bucket_take(&b, 1));
        CHECK_EQ(kt_now(), i * KT_MS(500));
    }
    sure(kt_sleep(KT_S(60)));
    CHECK_EQ(kt_bucket_tokens(&b), 3);
    CHECK_OK(kt_bucket_take_nowait(&b, 3));
    CHECK_ERR(kt_bucket_take(&b, 4), KT_ELIMIT);
}

KT_FN(takes, a, struct {
    kt_bucket *bucket;
    unsigned n;
})
{
    int rc = kt_bucket_take(a->bucket, a->n);
    if (rc == 0)
        kt_test_say("%u at %lld", a->n, (long long)(kt_now() / KT_MS(1)));
    return rc;
}

TEST(who_wants_few_tokens_does_not_overtake_who_wants_many)
{
    kt_bucket b = KT_BUCKET_INIT(1, KT_S(1), 5);
    sure(kt_bucket_take(&b, 5));
    kt_task *gone = spawn(KT_WITH(takes, &b, 4));
    kt_task *many = spawn(KT_WITH(takes, &b, 3));
    kt_task *few = spawn(KT_WITH(takes, &b, 1));
    sure(kt_sleep(KT_MS(1500)));
    CHECK_ERR(kt_bucket_take_nowait(&b, 1), -EBUSY); /* there is one, but others wait */
    kt_task_cancel(gone);
    CHECK_ERR(kt_task_join(gone), KT_ECANCELED);
    CHECK_OK(kt_task_join(many));
    CHECK_OK(kt_task_join(few));
    CHECK_TRACE("3 at 3000\n1 at 4000");
}

/* ---- Throttle ---------------------------------------------------------------------------- */

TEST(a_throttle_passes_the_first_of_each_interval)
{
    kt_throttle t = KT_THROTTLE_INIT(KT_S(1));
    int passed = 0;
    for (int i = 0; i < 25; i++) {
        if (kt_throttle_pass(&t))
            kt_test_say("%d", i);
        else
            passed++;
        sure(kt_sleep(KT_MS(100)));
    }
    CHECK_EQ(passed, 22);
    CHECK_TRACE("0\n10\n20");
}

/* ---- Debouncer --------------------------------------------------------------------------- */

KT_FN(query, a, struct {
    const char *text;
    kt_time takes;
    int rc;
})
{
    kt_test_say("%s at %lld", a->text, (long long)(kt_now() / KT_MS(1)));
    int rc = a->takes ? kt_sleep(a->takes) : 0;
    if (rc < 0)
        kt_test_say("%s cancelled", a->text);
    return rc < 0 ? rc : a->rc;
}

TEST(only_the_last_of_three_calls_runs)
{
    kt_auto(kt_debouncer) d = KT_DEBOUNCER_INIT(KT_S(1));
    sure(kt_debouncer_call(&d, KT_WITH(query, .text = "query1")));
    sure(kt_sleep(KT_MS(100)));
    sure(kt_debouncer_call(&d, KT_WITH(query, .text = "query2")));
    sure(kt_sleep(KT_MS(100)));
    sure(kt_debouncer_call(&d, KT_WITH(query, .text = "query3")));
    sure(kt_sleep(KT_S(2)));
    CHECK_EQ(d.runs, 1);
    sure(kt_debouncer_call(&d, KT_WITH(query, .text = "query4")));
    sure(kt_sleep(KT_S(2)));
    CHECK_TRACE("query3 at 1200\nquery4 at 3200");
}

TEST(a_longest_delay_ends_endless_waiting)
{
    kt_auto(kt_debouncer) d = KT_DEBOUNCER_INIT(KT_S(1));
    d.delay_max = KT_S(3);
    for (int i = 0; i < 8; i++) {
        sure(kt_debouncer_call(&d, KT_WITH(query, .text = i < 6 ? "early" : "late")));
        sure(kt_sleep(KT_MS(600)));
    }
    sure(kt_sleep(KT_S(3)));
    CHECK_TRACE("early at 3000\nlate at 5200");
}

TEST(a_call_during_a_run_waits_for_its_end)
{
    kt_auto(kt_debouncer) d = KT_DEBOUNCER_INIT(KT_MS(10));
    sure(kt_debouncer_call(&d, KT_WITH(query, .text = "long", .takes = KT_S(5))));
    sure(kt_sleep(KT_S(1)));
    sure(kt_debouncer_call(&d, KT_WITH(query, .text = "next", .rc = -EIO)));
    CHECK_ERR(kt_debouncer_flush(&d), -EIO);
    CHECK_TRACE("long at 10\nnext at 5010");
}

TEST(flush_runs_at_once_and_drop_forgets)
{
    kt_auto(kt_debouncer) d = KT_DEBOUNCER_INIT(KT_S(1));
    CHECK_EQ(kt_debouncer_flush(&d), 0);
    sure(kt_debouncer_call(&d, KT_WITH(query, .text = "a", .rc = 3)));
    CHECK_EQ(kt_debouncer_flush(&d), 3);
    sure(kt_debouncer_call(&d, KT_WITH(query, .text = "b")));
    yield_times(2);
    kt_debouncer_drop(&d);
    CHECK_EQ(kt_debouncer_flush(&d), 3);
    CHECK_EQ(kt_now(), 0);
    CHECK_TRACE("a at 0");
}

TEST(leaving_the_scope_cancels_the_run_and_what_waits)
{
    {
        kt_auto(kt_debouncer) d = KT_DEBOUNCER_INIT(KT_S(1));
        sure(kt_debouncer_call(&d, KT_WITH(query, .text = "a", .takes = KT_S(60))));
        sure(kt_sleep(KT_S(2)));
        sure(kt_debouncer_call(&d, KT_WITH(query, .text = "b")));
    }
    CHECK_EQ(kt_now(), KT_S(2));
    CHECK_TRACE("a at 1000\na cancelled");
}

static void cancel_it(kt_task *t, void *arg)
{
    (void)arg;
    kt_task_cancel(t);
}

TEST(a_debouncers_task_that_is_cancelled_before_it_begins_leaves_nobody_waiting)
{
    kt_auto(kt_debouncer) d = KT_DEBOUNCER_INIT(KT_S(1));
    kt_task_hook_set(cancel_it, NULL);
    sure(kt_debouncer_call(&d, KT_WITH(query, .text = "never")));
    kt_task_hook_set(NULL, NULL);
    CHECK_OK(kt_debouncer_flush(&d));
    sure(kt_debouncer_call(&d, KT_WITH(query, .text = "now", .rc = 2)));
    CHECK_EQ(kt_debouncer_flush(&d), 2);
    CHECK_TRACE("now at 0");
}

static int debounce_and_flush(void *arg)
{
    (void)arg;
    kt_auto(kt_debouncer) d = KT_DEBOUNCER_INIT(KT_S(1));
    int rc = kt_debouncer_call(&d, KT_WITH(query, .text = "x", .takes = KT_S(1)));
    return rc < 0 ? rc : kt_debouncer_flush(&d);
}

static void clear_trace(void *arg)
{
    (void)arg;
    CHECK_EQ(kt_task_each(NULL, NULL), 1);
}

TEST(a_debouncer_survives_missing_memory)
{
    each_allocation_fails(debounce_and_flush, NULL);
}

TEST(a_debouncers_caller_may_be_cancelled_at_every_moment)
{
    each_moment_cancelled(debounce_and_flush, NULL, KT_MS(250), clear_trace);
}

TEST_DIES(a_rate_over_no_time_is_misuse, 0, "needs at least one start and a period")
{
    kt_rate r = {.starts_max = 1, .period = 0};
    sure(kt_rate_acquire(&r));
}

TEST_DIES(a_bucket_without_an_interval_is_misuse, 0, "needs room for at least one token, and an interval")
{
    kt_bucket b = {.size = 1, .interval = 0};
    sure(kt_bucket_take(&b, 1));
}
