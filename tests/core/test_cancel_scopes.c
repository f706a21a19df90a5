/* SPDX-License-Identifier: MIT */
/* Where several sources ask one task to stop: requests from outside, timeouts inside timeouts, groups. */
#include "sure.h"


static int fails(void *arg)
{
    (void)arg;
    return -EIO;
}

static int spawn_failing(kt_group *g)
{
    const kt_spawn_options eager = {.eager = true};
    return kt_group_spawn_with(g, &eager, fails, NULL, 0, NULL);
}

/* ---- Taking requests back ------------------------------------------------------------------ */

TEST(uncancel_takes_back_the_timeout_that_has_fired_not_one_inside_it)
{
    kt_auto(kt_timeout) outer = KT_TIMEOUT_INIT, inner = KT_TIMEOUT_INIT;
    kt_timeout_start(&outer, KT_S(1));
    kt_timeout_start(&inner, KT_S(60));
    CHECK_ERR(kt_sleep(KT_S(2)), KT_ETIMEDOUT);
    CHECK_EQ(kt_task_cancelling(kt_task_current()), 1);
    CHECK_EQ(kt_task_uncancel(kt_task_current()), 0);
    CHECK_EQ(kt_task_uncancel(kt_task_current()), 0);
    CHECK_OK(kt_timeout_end(&inner, 0));
    CHECK(!kt_timeout_expired(&inner));
}

/* A child that fails before it first waits: no call of ours has told of it so far. */
TEST(what_no_call_has_returned_can_be_taken_back)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    sure(spawn_failing(&g));
    kt_timeout_start(&limit, KT_S(60));
    CHECK_EQ(kt_cancel_catch(), 0);
    CHECK_EQ(kt_task_uncancel(kt_task_current()), 0);
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK(!kt_timeout_expired(&limit));
    CHECK_OK(kt_timeout_end(&limit, 0));
    CHECK_ERR(kt_group_join(&g, 0), -EIO);
}

/* ---- Reminders: a group that fails tells again what its owner was asked ---------------------- */

TEST(a_groups_failure_reminds_of_the_timeout_that_fired)
{
    kt_auto(kt_timeout) outer = KT_TIMEOUT_INIT, inner = KT_TIMEOUT_INIT;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_timeout_start(&outer, KT_S(1));
    kt_timeout_start(&inner, KT_S(60));
    CHECK_ERR(kt_sleep(KT_S(2)), KT_ETIMEDOUT);
    CHECK_ERR(kt_cancel_catch(), KT_ETIMEDOUT);
    sure(spawn_failing(&g));
    CHECK_ERR(kt_group_join(&g, 0), -EIO);
    CHECK_ERR(kt_sleep(0), KT_ETIMEDOUT);
    CHECK(!kt_timeout_expired(&inner));
    CHECK_ERR(kt_timeout_end(&inner, KT_ETIMEDOUT), KT_ETIMEDOUT);
    CHECK_ERR(kt_timeout_end(&outer, KT_ETIMEDOUT), KT_ETIMEDOUT);
    CHECK_OK(kt_sleep(0));
}

TEST(a_groups_failure_does_not_remind_of_what_was_taken_back)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_timeout_start(&limit, KT_S(1));
    CHECK_ERR(kt_sleep(KT_S(2)), KT_ETIMEDOUT);
    CHECK_ERR(kt_cancel_catch(), KT_ETIMEDOUT);
    CHECK_EQ(kt_task_uncancel(kt_task_current()), 0);
    sure(spawn_failing(&g));
    CHECK_ERR(kt_group_join(&g, 0), -EIO);
    CHECK_OK(kt_sleep(0));
}

/* ---- What can be caught ---------------------------------------------------------------------- */

TEST(one_that_was_held_back_at_a_timeouts_end_cannot)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    CHECK_ERR(kt_sleep(KT_S(2)), KT_ETIMEDOUT);
    CHECK_ERR(kt_cancel_catch(), KT_ETIMEDOUT);
    kt_task_cancel(kt_task_current());
    kt_cancel_hold();
    CHECK_ERR(kt_timeout_end(&limit, KT_ETIMEDOUT), KT_ETIMEDOUT);
    kt_cancel_unhold();
    CHECK_EQ(kt_cancel_catch(), 0);
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
}

TEST(one_that_comes_while_the_body_ends_well_cannot)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    CHECK_ERR(kt_sleep(KT_S(2)), KT_ETIMEDOUT);
    CHECK_ERR(kt_cancel_catch(), KT_ETIMEDOUT);
    kt_task_cancel(kt_task_current());
    CHECK_OK(kt_timeout_end(&limit, 0));
    CHECK_EQ(kt_cancel_catch(), 0);
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
}

static int swallows(void *arg)
{
    (void)arg;
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ECANCELED);
    kt_cancel_catch();
    return 7;
}

static int outlives_its_request(void *arg)
{
    CHECK_EQ(kt_task_await(arg), 7);
    kt_task_cancel(kt_task_current());
    CHECK_EQ(kt_cancel_catch(), 0);
    return kt_sleep(KT_S(1));
}

TEST(after_one_that_the_awaited_swallowed_the_next_is_caught_by_its_own_call_only)
{
    kt_task *inner = spawn(swallows, NULL, 0), *t = spawn(outlives_its_request, inner, 0);
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(kt_task_join(inner), 7);
}

/* Both have been asked for, and caught; then the body ends by the request after all. */
static void end_by_a_request_that_was_caught(bool held)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    CHECK_ERR(kt_sleep(KT_S(2)), KT_ETIMEDOUT);
    kt_task_cancel(kt_task_current());
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    if (held)
        kt_cancel_hold();
    CHECK_ERR(kt_timeout_end(&limit, KT_ECANCELED), held ? KT_ETIMEDOUT : KT_ECANCELED);
    if (held)
        kt_cancel_unhold();
}

TEST(a_timeouts_end_that_returns_a_caught_request_lets_it_be_caught_again)
{
    end_by_a_request_that_was_caught(false);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_OK(kt_sleep(0));
}

TEST(but_not_where_it_is_held_back_and_returns_the_timeouts_own)
{
    end_by_a_request_that_was_caught(true);
    CHECK_EQ(kt_cancel_catch(), 0);
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
}

static int sleeps_a_second(void *arg)
{
    (void)arg;
    return kt_sleep(KT_S(1));
}

TEST(after_a_group_that_ended_well_the_next_request_is_caught_by_its_own_call_only)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, sleeps_a_second, NULL, 0));
    CHECK_OK(kt_group_join(&g, 0));
    kt_task_cancel(kt_task_current());
    CHECK_EQ(kt_cancel_catch(), 0);
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
}
