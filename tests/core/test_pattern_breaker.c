/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <kettle/breaker.h>

static int gives(void *arg)
{
    return *(int *)arg;
}

static int call(kt_breaker *b, int rc)
{
    return kt_breaker_run(b, gives, &rc, 0);
}

TEST(failures_in_a_row_open_it_and_a_success_begins_the_row_anew)
{
    kt_breaker b = {.failures_max = 3, .open_for = KT_S(10)};
    CHECK_ERR(call(&b, -EIO), -EIO);
    CHECK_ERR(call(&b, -EIO), -EIO);
    CHECK_EQ(call(&b, 5), 5);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_CLOSED);
        CHECK_ERR(call(&b, -EIO), -EIO);
    }
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_OPEN);
    CHECK_ERR(call(&b, 5), -EAGAIN);
    CHECK_STR(kt_error_detail(), "circuit breaker is open for another 10000 ms");
    CHECK_EQ(b.calls, 6);
    CHECK_EQ(b.failures, 5);
    CHECK_EQ(b.refused, 1);
}

static void open_it(kt_breaker *b)
{
    while (kt_breaker_state_now(b) == KT_BREAKER_CLOSED)
        CHECK_ERR(call(b, -EIO), -EIO);
}

TEST(the_defaults_are_five_failures_and_thirty_seconds)
{
    kt_breaker b = {0};
    open_it(&b);
    CHECK_EQ(b.calls, 5);
    sure(kt_sleep(KT_S(30) - 1));
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_OPEN);
    sure(kt_sleep(1));
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_HALF_OPEN);
}

TEST(a_good_trial_closes_it_and_a_bad_one_opens_it_again)
{
    kt_breaker b = {.open_for = KT_S(10)};
    open_it(&b);
    sure(kt_sleep(KT_S(10)));
    CHECK_ERR(call(&b, -EIO), -EIO);
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_OPEN);
    CHECK_EQ(b.openings, 2);
    sure(kt_sleep(KT_S(10)));
    CHECK_EQ(call(&b, 1), 1);
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_CLOSED);
    CHECK_ERR(call(&b, -EIO), -EIO); /* one is not five */
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_CLOSED);
}

TEST(as_many_trials_at_a_time_as_allowed_and_as_many_successes_as_wanted)
{
    kt_breaker b = {.trials_max = 2, .successes_min = 3};
    open_it(&b);
    sure(kt_sleep(KT_S(30)));
    int first = kt_breaker_enter(&b), second = kt_breaker_enter(&b);
    CHECK_OK(first);
    CHECK_OK(second);
    CHECK_ERR(kt_breaker_enter(&b), -EAGAIN);
    kt_breaker_leave(&b, first, 0);
    kt_breaker_leave(&b, second, 0);
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_HALF_OPEN);
    CHECK_EQ(call(&b, 0), 0);
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_CLOSED);
}

TEST(a_cancelled_trial_makes_room_for_another)
{
    kt_breaker b = {0};
    open_it(&b);
    sure(kt_sleep(KT_S(30)));
    CHECK_ERR(call(&b, KT_ECANCELED), KT_ECANCELED);
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_HALF_OPEN);
    CHECK_EQ(call(&b, 0), 0);
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_CLOSED);
}

TEST(a_late_result_from_before_does_not_count)
{
    kt_breaker b = {0};
    int late = kt_breaker_enter(&b);
    CHECK_OK(late);
    open_it(&b);
    sure(kt_sleep(KT_S(30)));
    int trial = kt_breaker_enter(&b);
    kt_breaker_leave(&b, late, -EIO);
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_HALF_OPEN);
    kt_breaker_leave(&b, trial, 0);
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_CLOSED);
}

static bool only_io(int rc, void *arg)
{
    (void)arg;
    return rc == -EIO;
}

TEST(a_filter_says_what_a_failure_is_and_reset_closes)
{
    kt_breaker b = {.failures_max = 1, .failed = only_io};
    CHECK_ERR(call(&b, -ENOENT), -ENOENT);
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_CLOSED);
    CHECK_ERR(call(&b, -EIO), -EIO);
    CHECK_EQ(kt_breaker_state_now(&b), KT_BREAKER_OPEN);
    kt_breaker_reset(&b);
    CHECK_EQ(call(&b, 2), 2);
}

TEST_DIES(leaving_more_often_than_entering_is_misuse, 0, "more often than kt_breaker_enter")
{
    kt_breaker b = {0};
    open_it(&b);
    sure(kt_sleep(KT_S(30)));
    int ticket = kt_breaker_enter(&b);
    CHECK_OK(ticket);
    kt_breaker_leave(&b, ticket, KT_ECANCELED);
    kt_breaker_leave(&b, ticket, KT_ECANCELED);
}
