/* SPDX-License-Identifier: MIT */
#include "sure.h"

/* A runner of the race: says when it starts, takes its time, and ends with rc. */
KT_FN(runs, a, struct {
    int number;
    kt_time takes;
    int rc;
})
{
    kt_test_say("%d starts at %lld", a->number, (long long)(kt_now() / KT_MS(1) % 100000));
    int rc = kt_sleep(a->takes);
    if (rc < 0) {
        kt_test_say("%d is cancelled", a->number);
        return rc;
    }
    return a->rc < 0 ? kt_error_set(a->rc, "runner %d", a->number) : a->rc;
}

#define RUNNER(n, ms, rc) KT_JOB_OF(KT_WITH(runs, n, KT_MS(ms), rc))

/* Virtual clocks start somewhere: to the next multiple of 100 s. */
static void to_the_start(void)
{
    kt_time round = KT_S(100);
    CHECK_OK(kt_sleep(round - kt_now() % round));
}

TEST(the_first_alone_wins_if_it_is_quick)
{
    const kt_job jobs[] = {RUNNER(0, 50, 7), RUNNER(1, 0, 8)};
    size_t winner = 9;
    to_the_start();
    CHECK_EQ(kt_staggered_race(jobs, 2, KT_MS(250), NULL, &winner), 7);
    CHECK_EQ(winner, 0);
    CHECK_TRACE("0 starts at 0");
}

TEST(the_next_starts_after_the_delay_and_the_slow_one_is_cancelled)
{
    const kt_job jobs[] = {RUNNER(0, 1000, 0), RUNNER(1, 100, 8), RUNNER(2, 0, 0)};
    size_t winner;
    int rcs[3] = {1, 1, 1};
    to_the_start();
    CHECK_EQ(kt_staggered_race(jobs, 3, KT_MS(250), rcs, &winner), 8);
    CHECK_EQ(winner, 1);
    CHECK_TRACE("0 starts at 0\n1 starts at 250\n0 is cancelled");
    CHECK_ERR(rcs[0], KT_ECANCELED);
    CHECK_EQ(rcs[1], 8);
    CHECK_ERR(rcs[2], KT_ECANCELED);
    CHECK_EQ(kt_now() % KT_S(100), KT_MS(350));
}

TEST(a_failure_of_the_newest_starts_the_next_at_once)
{
    const kt_job jobs[] = {RUNNER(0, 10, -EIO), RUNNER(1, 300, 0), RUNNER(2, 20, -EIO), RUNNER(3, 5, 4)};
    size_t winner;
    to_the_start();
    CHECK_EQ(kt_staggered_race(jobs, 4, KT_MS(250), NULL, &winner), 4);
    CHECK_EQ(winner, 3);
    CHECK_TRACE("0 starts at 0\n1 starts at 10\n2 starts at 260\n3 starts at 280\n1 is cancelled");
}

/* As asyncio has it: who started last sets the pace. */
TEST(a_failure_of_an_older_one_does_not_hurry_the_next)
{
    const kt_job jobs[] = {RUNNER(0, 300, -EIO), RUNNER(1, 900, 1), RUNNER(2, 10, 2)};
    to_the_start();
    CHECK_EQ(kt_staggered_race(jobs, 3, KT_MS(250), NULL, NULL), 2);
    CHECK_TRACE("0 starts at 0\n1 starts at 250\n2 starts at 500\n1 is cancelled");
}

TEST(an_older_one_may_win_after_all_have_started)
{
    const kt_job jobs[] = {RUNNER(0, 400, 5), RUNNER(1, 50, -EIO)};
    size_t winner;
    CHECK_EQ(kt_staggered_race(jobs, 2, KT_MS(250), NULL, &winner), 5);
    CHECK_EQ(winner, 0);
}

TEST(without_an_end_of_the_delay_only_failures_start_the_next)
{
    const kt_job jobs[] = {RUNNER(0, 99999, -EIO), RUNNER(1, 1, 1)};
    to_the_start();
    CHECK_EQ(kt_staggered_race(jobs, 2, KT_FOREVER, NULL, NULL), 1);
    CHECK_TRACE("0 starts at 0\n1 starts at 99999");
}

TEST(without_a_delay_all_start_together)
{
    const kt_job jobs[] = {RUNNER(0, 30, 0), RUNNER(1, 20, 1), RUNNER(2, 10, 2)};
    size_t winner;
    to_the_start();
    CHECK_EQ(kt_staggered_race(jobs, 3, 0, NULL, &winner), 2);
    CHECK_TRACE("0 starts at 0\n1 starts at 0\n2 starts at 0\n0 is cancelled\n1 is cancelled");
}

TEST(when_all_fail_the_last_failure_is_told_in_its_words)
{
    const kt_job jobs[] = {RUNNER(0, 300, -EPERM), RUNNER(1, 10, -EIO)};
    size_t winner = 9;
    int rcs[2];
    CHECK_ERR(kt_staggered_race(jobs, 2, KT_MS(250), rcs, &winner), -EPERM);
    CHECK_STR(kt_error_detail(), "runner 0");
    CHECK_EQ(winner, 9);
    CHECK_ERR(rcs[0], -EPERM);
    CHECK_ERR(rcs[1], -EIO);
    CHECK_ERR(kt_staggered_race(jobs, 0, 0, NULL, NULL), -EINVAL);
}

static int loses_but_succeeds(void *arg)
{
    int rc = kt_sleep(KT_S(9));
    *(bool *)arg = true;
    (void)rc;
    (void)kt_cancel_catch();
    return 3;
}

TEST(a_loser_that_succeeds_all_the_same_shows_in_the_results)
{
    bool done = false;
    const kt_job jobs[] = {{loses_but_succeeds, &done, 0}, RUNNER(1, 10, 1)};
    size_t winner;
    int rcs[2];
    CHECK_EQ(kt_staggered_race(jobs, 2, KT_MS(250), rcs, &winner), 1);
    CHECK_EQ(winner, 1);
    CHECK_EQ(rcs[0], 3);
    CHECK(done);
}

static int races(void *arg)
{
    const kt_job jobs[] = {RUNNER(0, 1000, 0), RUNNER(1, 1000, 0), RUNNER(2, 1000, 0)};
    (void)arg;
    return kt_staggered_race(jobs, 3, KT_MS(250), NULL, NULL);
}

TEST(a_cancelled_race_leaves_no_runner)
{
    kt_task *t = NULL;
    to_the_start();
    CHECK_OK(kt_spawn(races, NULL, 0, &t));
    CHECK_OK(kt_sleep(KT_MS(300)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_TRACE("0 starts at 0\n1 starts at 250\n0 is cancelled\n1 is cancelled");
    CHECK_EQ(kt_task_each(NULL, NULL), 1);
    CHECK_ERR(kt_wait_for(KT_MS(10), races, NULL, 0), KT_ETIMEDOUT);
    CHECK_TRACE("0 starts at 300\n0 is cancelled"); /* another limit than the race's own */
}

static void cancel_some(kt_task *t, void *count)
{
    if ((*(int *)count)-- > 0)
        kt_task_cancel(t);
}

TEST(a_runner_that_is_cancelled_before_it_begins_has_failed)
{
    const kt_job jobs[] = {RUNNER(0, 10, 5), RUNNER(1, 10, 6)};
    int rcs[2], count = 1;
    size_t winner;
    to_the_start();
    kt_task_hook_set(cancel_some, &count);
    CHECK_EQ(kt_staggered_race(jobs, 2, KT_FOREVER, rcs, &winner), 6);
    CHECK_EQ(winner, 1);
    CHECK_ERR(rcs[0], KT_ECANCELED);
    CHECK_TRACE("1 starts at 0");
    count = 2;
    CHECK_ERR(kt_staggered_race(jobs, 2, KT_FOREVER, NULL, &winner), KT_ECANCELED);
    kt_task_hook_set(NULL, NULL);
}

TEST(every_allocation_of_a_race_may_fail)
{
    for (uint64_t nth = 1;; nth++) {
        kt_test_fail_allocation(nth);
        int rc = races(NULL);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        CHECK(rc == 0 || (failed && rc == -ENOMEM));
        if (!failed)
            break;
        CHECK_LT(nth, 100);
    }
}

static int any_seed(void *arg)
{
    const kt_job jobs[] = {RUNNER(0, 250, 0), RUNNER(1, 250, -EIO), RUNNER(2, 0, 2), RUNNER(3, 250, 3)};
    size_t winner = 9;
    int rcs[4];
    (void)arg;
    int rc = kt_staggered_race(jobs, 4, KT_MS(250), rcs, &winner);
    return rc >= 0 && winner < 4 && rc == rcs[winner] ? 0 : -EIO;
}

TEST_WITH(the_winner_is_one_under_every_seed, KT_TEST_NO_LOOP)
{
    kt_test_seeds(200, any_seed, NULL);
    CHECK(true);
}
