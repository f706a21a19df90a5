/* SPDX-License-Identifier: MIT */
#include "sure.h"

/* ---- Ways out of the scope --------------------------------------------------------------- */

static int returns_early(void)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    return kt_sleep(KT_S(60));
}

TEST(an_early_return_carries_the_timeouts_code_and_ends_it)
{
    CHECK_ERR(returns_early(), KT_ETIMEDOUT);
    CHECK_EQ(kt_now(), KT_S(1));
    CHECK_EQ(kt_task_cancelling(kt_task_current()), 0);
    CHECK_EQ(kt_sleep(KT_S(1)), 0);
}

TEST(break_continue_and_goto_end_the_scope)
{
    int rounds = 0;
again:
    for (int i = 0; i < 10; i++) {
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        kt_timeout_start(&limit, KT_S(1));
        if (i < 3)
            continue;
        if (++rounds < 3)
            goto again;
        break;
    }
    CHECK_EQ(rounds, 3);
    CHECK_EQ(kt_sleep(KT_S(10)), 0); /* none of them fires later */
}

TEST(scopes_may_be_cleaned_up_in_another_order_than_they_were_started)
{
    {
        kt_auto(kt_timeout) first = KT_TIMEOUT_INIT, second = KT_TIMEOUT_INIT;
        kt_timeout_start(&second, KT_S(1));
        kt_timeout_start(&first, KT_S(2)); /* inside second, and cleaned up after it */
    }
    CHECK_EQ(kt_sleep(KT_S(10)), 0);
}

/* ---- What the body makes of it ----------------------------------------------------------- */

TEST(every_call_fails_until_the_scope_ends)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    for (int i = 0; i < 3; i++)
        CHECK_ERR(kt_sleep(KT_S(60)), KT_ETIMEDOUT);
    CHECK_ERR(kt_timeout_end(&limit, KT_ETIMEDOUT), KT_ETIMEDOUT);
    CHECK_EQ(kt_sleep(KT_S(1)), 0);
    CHECK_EQ(kt_now(), KT_S(2));
}

TEST(a_body_that_finished_all_the_same_keeps_its_result)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ETIMEDOUT);
    CHECK_EQ(kt_timeout_end(&limit, 42), 42);
    CHECK(kt_timeout_expired(&limit));
    kt_timeout_start(&limit, KT_S(1));
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ETIMEDOUT);
    CHECK_ERR(kt_timeout_end(&limit, -EIO), -EIO);
}

TEST(a_caught_timeout_lets_the_body_go_on)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ETIMEDOUT);
    CHECK_ERR(kt_cancel_catch(), KT_ETIMEDOUT);
    CHECK_EQ(kt_sleep(KT_S(5)), 0);
    CHECK_ERR(kt_timeout_end(&limit, KT_ETIMEDOUT), KT_ETIMEDOUT);
}

TEST(a_body_that_does_not_wait_is_not_stopped)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, -KT_S(5));
    CHECK_EQ(kt_timeout_end(&limit, 3), 3);
    CHECK(!kt_timeout_expired(&limit));
}

/* ---- Wait for ---------------------------------------------------------------------------- */

static int must_not_run(void *arg)
{
    (void)arg;
    kt_test_fail("it ran");
}

static int seven_after(void *arg)
{
    int rc = sleep_seconds(arg);
    return rc < 0 ? rc : 7;
}

TEST(wait_for_gives_the_result_or_the_timeout)
{
    CHECK_EQ(kt_wait_for(KT_S(5), seven_after, &(int){4}, 0), 7);
    CHECK_ERR(kt_wait_for(KT_S(5), seven_after, &(int){6}, 0), KT_ETIMEDOUT);
    CHECK_EQ(kt_now(), KT_S(9));
    CHECK_EQ(kt_wait_for(KT_FOREVER, seven_after, &(int){4}, 0), 7);
}

TEST(wait_for_without_time_does_not_call)
{
    CHECK_ERR(kt_wait_for(0, must_not_run, NULL, 0), KT_ETIMEDOUT);
    CHECK_ERR(kt_wait_for(-KT_S(1), must_not_run, NULL, 0), KT_ETIMEDOUT);
}

static int cleans_up(void *arg)
{
    int rc = kt_sleep(KT_S(60));
    CHECK_ERR(kt_cancel_catch(), KT_ETIMEDOUT);
    sure(kt_sleep(KT_S(2)));
    ++*(int *)arg;
    return rc;
}

TEST(wait_for_returns_after_the_clean_up)
{
    int cleaned = 0;
    CHECK_ERR(kt_wait_for(KT_S(1), cleans_up, &cleaned, 0), KT_ETIMEDOUT);
    CHECK_EQ(cleaned, 1);
    CHECK_EQ(kt_now(), KT_S(3));
}

/* ---- Deadlines --------------------------------------------------------------------------- */

TEST(a_deadline_can_be_moved)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    kt_timeout_reschedule(&limit, KT_S(30));
    CHECK_EQ(kt_timeout_when(&limit), KT_S(30));
    CHECK_EQ(kt_sleep(KT_S(10)), 0);
    kt_timeout_reschedule(&limit, KT_S(12));
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ETIMEDOUT);
    CHECK_EQ(kt_now(), KT_S(12));
    kt_timeout_reschedule(&limit, KT_S(99)); /* too late */
    CHECK_ERR(kt_timeout_end(&limit, kt_sleep(0)), KT_ETIMEDOUT);
    CHECK_EQ(kt_timeout_when(&limit), KT_FOREVER);
}

TEST(a_deadline_can_be_set_and_taken_away)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_FOREVER);
    CHECK_EQ(kt_timeout_when(&limit), KT_FOREVER);
    kt_timeout_reschedule(&limit, KT_S(5));
    kt_timeout_reschedule(&limit, KT_FOREVER);
    CHECK_EQ(kt_sleep(KT_S(60)), 0);
    kt_timeout_reschedule(&limit, KT_S(1)); /* the past */
    CHECK_ERR(kt_sleep(0), KT_ETIMEDOUT);
    CHECK_ERR(kt_timeout_end(&limit, KT_ETIMEDOUT), KT_ETIMEDOUT);
}

TEST(a_deadline_that_is_due_can_still_be_moved)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, 0); /* fires in the next pass */
    kt_timeout_reschedule(&limit, KT_S(5));
    CHECK_EQ(kt_sleep(KT_S(1)), 0);
    CHECK_EQ(kt_timeout_end(&limit, 0), 0);
}

TEST(a_deadline_may_be_a_point_in_time)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    sure(kt_sleep(KT_S(10)));
    kt_timeout_start_at(&limit, KT_S(12));
    CHECK_ERR(kt_timeout_end(&limit, kt_sleep(KT_S(60))), KT_ETIMEDOUT);
    CHECK_EQ(kt_now(), KT_S(12));
}

TEST(a_deadline_beyond_all_time_does_not_overflow)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    sure(kt_sleep(KT_S(10)));
    kt_timeout_start(&limit, KT_FOREVER - 1);
    CHECK_EQ(kt_timeout_when(&limit), KT_FOREVER);
    CHECK_EQ(kt_timeout_end(&limit, kt_sleep(KT_S(1))), 0);
}

/* ---- Nesting ----------------------------------------------------------------------------- */

TEST(of_two_that_fire_together_both_have_expired)
{
    kt_auto(kt_timeout) outer = KT_TIMEOUT_INIT, inner = KT_TIMEOUT_INIT;
    kt_timeout_start(&outer, KT_S(1));
    kt_timeout_start(&inner, KT_S(1));
    int rc = kt_timeout_end(&inner, kt_sleep(KT_S(60)));
    CHECK_ERR(rc, KT_ETIMEDOUT);
    CHECK_ERR(kt_sleep(KT_S(1)), KT_ETIMEDOUT); /* the outer one's */
    CHECK_ERR(kt_timeout_end(&outer, rc), KT_ETIMEDOUT);
    CHECK(kt_timeout_expired(&inner) && kt_timeout_expired(&outer));
    CHECK_EQ(kt_sleep(KT_S(1)), 0);
}

static int nests(void *arg)
{
    int depth = *(int *)arg - 1;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(100 - depth));
    int rc = depth > 0 ? nests(&depth) : kt_sleep(KT_S(200));
    CHECK_ERR(rc, KT_ETIMEDOUT);
    CHECK(!kt_timeout_expired(&limit)); /* 60 s or more, and an outer one has 40 */
    return kt_timeout_end(&limit, rc);
}

TEST(many_levels_unwind_to_the_one_that_fired)
{
    kt_auto(kt_timeout) outer = KT_TIMEOUT_INIT;
    kt_timeout_start(&outer, KT_S(40));
    int depth = 40;
    CHECK_ERR(kt_timeout_end(&outer, nests(&depth)), KT_ETIMEDOUT);
    CHECK_EQ(kt_now(), KT_S(40));
}

TEST(a_timeout_that_fires_while_held_comes_afterwards)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    kt_cancel_hold();
    CHECK_EQ(kt_sleep(KT_S(5)), 0);
    kt_cancel_unhold();
    CHECK_ERR(kt_timeout_end(&limit, kt_sleep(KT_S(5))), KT_ETIMEDOUT);
    CHECK_EQ(kt_now(), KT_S(5));
}

KT_FN(times_out_after, a, struct { int seconds; })
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(a->seconds));
    return kt_timeout_end(&limit, kt_sleep(KT_S(2000)));
}

TEST(a_thousand_tasks_time_out_each_at_its_time)
{
    static kt_task *tasks[1000];
    for (int i = 0; i < 1000; i++)
        tasks[i] = spawn(KT_WITH(times_out_after, 1 + i * 7919 % 1000));
    for (int i = 0; i < 1000; i++) {
        CHECK_ERR(kt_task_join(tasks[i]), KT_ETIMEDOUT);
        CHECK_GE(kt_now(), KT_S(1 + i * 7919 % 1000));
    }
    CHECK_EQ(kt_now(), KT_S(1000));
}

static int never_called(void *arg)
{
    (void)arg;
    CHECK(false);
    return 0;
}

static int says_turns(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 4; i++) {
        kt_test_say("turn %d", i);
        sure(kt_sleep(0));
    }
    return 0;
}

/* As many as asyncio takes to end a task that it has not started. */
TEST(what_has_no_time_takes_three_turns)
{
    kt_task *t = spawn(says_turns, NULL, 0);
    CHECK_ERR(kt_wait_for(0, never_called, NULL, 0), KT_ETIMEDOUT);
    kt_test_say("over");
    sure(kt_task_join(t));
    CHECK_TRACE("turn 1\nturn 2\nturn 3\nover\nturn 4");
}

static int waits_without_time(void *arg)
{
    (void)arg;
    return kt_wait_for(0, never_called, NULL, 0);
}

TEST(what_has_no_time_can_be_cancelled)
{
    kt_task *t = spawn(waits_without_time, NULL, 0);
    yield_times(1);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
}

/* The next request is one that nobody has seen: it must not count as delivered with the scope's. */
TEST(a_scope_takes_what_it_delivered_with_it)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    CHECK_ERR(kt_timeout_end(&limit, kt_sleep(KT_S(2))), KT_ETIMEDOUT);
    kt_task_cancel(kt_task_current());
    CHECK_EQ(kt_task_uncancel(kt_task_current()), 0);
    CHECK_OK(kt_sleep(0));
}

TEST(a_scopes_request_can_be_taken_back)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    CHECK_ERR(kt_sleep(KT_S(2)), KT_ETIMEDOUT);
    CHECK_ERR(kt_cancel_catch(), KT_ETIMEDOUT);
    CHECK_EQ(kt_task_cancelling(kt_task_current()), 1);
    CHECK_EQ(kt_task_uncancel(kt_task_current()), 0);
    CHECK_EQ(kt_task_uncancel(kt_task_current()), 0);
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK_OK(kt_timeout_end(&limit, 0));
    CHECK(kt_timeout_expired(&limit));
}

/* As asyncio has it: the scope's own cancellation goes on as the outside's, and the request is still to come. */
TEST(a_request_made_while_a_scopes_is_handled_comes_on_top)
{
    kt_task *self = kt_task_current();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    int rc = kt_sleep(KT_S(2));
    CHECK_ERR(kt_cancel_catch(), KT_ETIMEDOUT);
    kt_task_cancel(self);
    CHECK_ERR(kt_timeout_end(&limit, rc), KT_ECANCELED);
    CHECK_OK(kt_cancel_catch());
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_OK(kt_sleep(0));
    CHECK_EQ(kt_task_uncancel(self), 0);
}
