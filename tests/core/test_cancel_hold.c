/* SPDX-License-Identifier: MIT */

/* kt_cancel_hold: what comes from outside waits, what begins within does its work. */

#include "sure.h"

#include <errno.h>

static int holds(void *arg)
{
    (void)arg;
    kt_cancel_hold();
    kt_cancel_hold();
    CHECK_EQ(kt_sleep(KT_S(10)), 0);
    CHECK_EQ(kt_cancel_catch(), 0);
    kt_cancel_unhold();
    CHECK_EQ(kt_sleep(KT_S(10)), 0);
    kt_cancel_unhold();
    return kt_sleep(KT_S(10));
}

TEST(a_held_cancellation_comes_after_the_last_unhold)
{
    kt_time start = kt_now();
    kt_task *t = spawn(holds, NULL, 0);
    sure(kt_sleep(KT_S(5)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(kt_now() - start, KT_S(20));
}

TEST(what_was_held_back_can_be_caught_whatever_was_open_meanwhile)
{
    kt_task_cancel(kt_task_current());
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    kt_cancel_hold();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    CHECK_ERR(kt_sleep(KT_S(2)), KT_ETIMEDOUT);
    CHECK_ERR(kt_timeout_end(&limit, KT_ETIMEDOUT), KT_ETIMEDOUT);
    kt_cancel_unhold();
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_OK(kt_sleep(0));
}

/* ---- What begins within a hold --------------------------------------------------------------- */

KT_FN(cleans_up_with_a_limit, a, struct {
    kt_time limit;
})
{
    kt_cancel_hold();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, a->limit);
    int rc = kt_timeout_end(&limit, kt_sleep(KT_S(10)));
    CHECK(rc == KT_ETIMEDOUT || rc == 0);
    CHECK_EQ(rc < 0, kt_timeout_expired(&limit));
    kt_cancel_unhold();
    return kt_sleep(KT_S(10));
}

TEST(a_time_limit_of_a_clean_up_ends_its_wait_and_a_cancellation_does_not)
{
    for (int i = 1; i <= 2; i++) {
        kt_time start = kt_now();
        kt_task *t = spawn(KT_WITH(cleans_up_with_a_limit, KT_S(i * 6)));
        sure(kt_sleep(KT_S(5)));
        kt_task_cancel(t);
        CHECK_ERR(kt_task_join(t), KT_ECANCELED);
        CHECK_EQ(kt_now() - start, i == 1 ? KT_S(6) : KT_S(10));
    }
}

TEST(a_time_limit_from_before_the_hold_waits_for_its_end)
{
    kt_auto(kt_timeout) outer = KT_TIMEOUT_INIT, inner = KT_TIMEOUT_INIT;
    kt_timeout_start(&outer, KT_S(1));
    kt_cancel_hold();
    kt_timeout_start(&inner, KT_S(3));
    CHECK_OK(kt_sleep(KT_S(2)));
    CHECK(kt_timeout_expired(&outer));
    CHECK_ERR(kt_sleep(KT_S(2)), KT_ETIMEDOUT);
    CHECK_EQ(kt_now(), KT_S(3));
    CHECK_ERR(kt_timeout_end(&inner, KT_ETIMEDOUT), KT_ETIMEDOUT);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_cancel_unhold();
    CHECK_ERR(kt_sleep(KT_S(1)), KT_ETIMEDOUT);
    CHECK_EQ(kt_now(), KT_S(4));
    CHECK_ERR(kt_timeout_end(&outer, KT_ETIMEDOUT), KT_ETIMEDOUT);
}

TEST(a_deeper_hold_holds_back_the_limit_of_the_one_around_it)
{
    kt_cancel_hold();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    kt_cancel_hold();
    CHECK_OK(kt_sleep(KT_S(2)));
    kt_cancel_unhold();
    CHECK_ERR(kt_sleep(KT_S(1)), KT_ETIMEDOUT);
    CHECK_ERR(kt_cancel_catch(), KT_ETIMEDOUT);
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK_OK(kt_timeout_end(&limit, 0));
    kt_cancel_unhold();
}

/* Of what a catch could take, it takes what is felt here. */
TEST(a_catch_within_a_hold_leaves_the_request_from_outside)
{
    kt_task_cancel(kt_task_current());
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    kt_cancel_hold();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    CHECK_ERR(kt_sleep(KT_S(2)), KT_ETIMEDOUT);
    CHECK_ERR(kt_cancel_catch(), KT_ETIMEDOUT);
    CHECK_EQ(kt_cancel_catch(), 0);
    CHECK_OK(kt_timeout_end(&limit, 0));
    kt_cancel_unhold();
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_OK(kt_sleep(KT_S(1)));
}

static int fails_in_a_second(void *arg)
{
    (void)arg;
    int rc = kt_sleep(KT_S(1));
    return rc < 0 ? rc : -EIO;
}

TEST(a_group_of_a_clean_up_is_ended_by_its_failed_child)
{
    kt_task_cancel(kt_task_current());
    kt_cancel_hold();
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, fails_in_a_second, NULL, 0));
    CHECK_ERR(kt_sleep(KT_S(9)), KT_ESIBLING);
    CHECK_ERR(kt_group_join(&g, KT_ESIBLING), -EIO);
    CHECK_EQ(kt_now(), KT_S(1));
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_cancel_unhold();
    CHECK_ERR(kt_sleep(KT_S(1)), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
}

KT_FN(awaits_with_a_limit, a, struct {
    kt_task *other;
    kt_time limit;
})
{
    kt_cancel_hold();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, a->limit);
    int rc = kt_timeout_end(&limit, kt_task_await(a->other));
    kt_cancel_unhold();
    return rc;
}

/* The limit is passed on to the task that is waited for, the request from outside is not. */
TEST(a_limit_within_a_hold_reaches_the_task_that_is_waited_for)
{
    int seconds = 60;
    kt_task *sleeper = spawn(sleep_seconds, &seconds, sizeof seconds);
    kt_task *t = spawn(KT_WITH(awaits_with_a_limit, sleeper, KT_S(2)));
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_EQ(kt_task_cancelling(sleeper), 0);
    CHECK_ERR(kt_task_join(t), KT_ETIMEDOUT);
    CHECK_EQ(kt_now(), KT_S(2));
    CHECK_ERR(kt_task_join(sleeper), KT_ECANCELED);
}
