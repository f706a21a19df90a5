/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <kettle/periodic.h>

typedef struct work {
    int calls, fail_at;
    kt_time takes, slow_once;
} work;

static int tick(void *arg)
{
    work *w = arg;
    int call = w->calls++;
    kt_test_say("%d at %lld", call, (long long)(kt_now() / KT_MS(1)));
    int rc = kt_sleep(w->takes + (call == 1 ? w->slow_once : 0));
    if (rc < 0)
        return rc;
    return call == w->fail_at ? kt_error_set(-EIO, "broken") : 0;
}

static int no_word(int rc, void *arg)
{
    ++*(int *)arg;
    return rc == -ENOMEM ? rc : 0;
}

TEST(runs_do_not_drift)
{
    work w = {.takes = KT_MS(300), .fail_at = -1};
    kt_periodic p = {.interval = KT_S(1), .runs_max = 4};
    CHECK_EQ(kt_periodic_run(&p, tick, &w, 0), 0);
    CHECK_TRACE("0 at 1000\n1 at 2000\n2 at 3000\n3 at 4000");
    CHECK_EQ(p.runs, 4);
    CHECK_EQ(p.missed, 0);
}

TEST(a_run_that_takes_too_long_misses_its_times_and_keeps_to_the_grid)
{
    work w = {.slow_once = KT_MS(2500), .fail_at = -1};
    kt_periodic p = {.interval = KT_S(1), .first_after = -1, .runs_max = 4};
    CHECK_EQ(kt_periodic_run(&p, tick, &w, 0), 0);
    CHECK_TRACE("0 at 0\n1 at 1000\n2 at 4000\n3 at 5000");
    CHECK_EQ(p.missed, 2);
}

TEST(a_run_that_takes_just_the_interval_misses_nothing)
{
    work w = {.takes = KT_S(1), .fail_at = -1};
    kt_periodic p = {.interval = KT_S(1), .runs_max = 3};
    CHECK_EQ(kt_periodic_run(&p, tick, &w, 0), 0);
    CHECK_EQ(p.missed, 0);
    CHECK_TRACE("0 at 1000\n1 at 2000\n2 at 3000");
}

static char logged[256];

static void log_line(const char *message)
{
    strncpy(logged, message, sizeof logged - 1);
}

TEST(a_failure_is_reported_and_the_next_run_comes)
{
    work w = {.fail_at = 0};
    kt_periodic p = {.interval = KT_S(1), .runs_max = 2, .name = "cleaner"};
    kt_log_hook_set(log_line);
    CHECK_EQ(kt_periodic_run(&p, tick, &w, 0), 0);
    kt_log_hook_set(NULL);
    CHECK_STR(logged, "kettle: cleaner failed, and goes on: EIO: broken");
    CHECK_EQ(p.failures, 1);
    CHECK_EQ(p.runs, 2);
}

static int no_memory(void *arg)
{
    (void)arg;
    return -ENOMEM;
}

TEST(the_user_may_end_it_at_a_failure)
{
    int asked = 0;
    kt_periodic p = {.interval = KT_S(1), .failed = no_word, .failed_arg = &asked};
    CHECK_ERR(kt_periodic_run(&p, no_memory, NULL, 0), -ENOMEM);
    CHECK_EQ(asked, 1);
}

static int times_out(void *arg)
{
    (void)arg;
    return kt_wait_for(KT_MS(10), sleep_seconds, &(int){9}, 0);
}

TEST(a_deadline_inside_a_run_is_a_failure_like_others)
{
    int asked = 0;
    kt_periodic p = {.interval = KT_S(1), .runs_max = 3, .failed = no_word, .failed_arg = &asked};
    CHECK_EQ(kt_periodic_run(&p, times_out, NULL, 0), 0);
    CHECK_EQ(asked, 3);
}

TEST(stop_ends_a_task_of_its_own_in_the_middle_of_a_run)
{
    work w = {.takes = KT_MS(500), .fail_at = -1};
    kt_periodic p = {.interval = KT_S(1)};
    sure(kt_periodic_start(&p, tick, &w, 0));
    sure(kt_sleep(KT_MS(2200)));
    CHECK_EQ(kt_periodic_stop(&p), 0);
    CHECK_EQ(kt_periodic_stop(&p), 0);
    CHECK_EQ(kt_now(), KT_MS(2200));
    CHECK_TRACE("0 at 1000\n1 at 2000");
    CHECK_EQ(p.failures, 0);
}

TEST(it_can_be_started_again_and_keeps_a_copy_of_the_argument)
{
    int asked = 0;
    kt_auto(kt_periodic) p = {.interval = KT_S(1), .failed = no_word, .failed_arg = &asked};
    sure(kt_periodic_start(&p, no_memory, &(int){1}, sizeof(int)));
    sure(kt_sleep(KT_S(2)));
    sure(kt_periodic_start(&p, no_memory, &(int){1}, sizeof(int)));
    sure(kt_sleep(KT_S(2)));
    CHECK_EQ(asked, 2);
    CHECK_ERR(kt_periodic_stop(&p), -ENOMEM);
}

static int runs_two(void *arg)
{
    kt_periodic p = {.interval = KT_S(1), .runs_max = 2};
    return kt_periodic_run(&p, tick, arg, 0);
}

static int starts(void *arg)
{
    (void)arg;
    work w = {.fail_at = -1};
    kt_auto(kt_periodic) p = {.interval = KT_S(1), .name = "p"};
    int rc = kt_periodic_start(&p, tick, &w, sizeof w);
    return rc < 0 ? rc : kt_sleep(KT_S(2));
}

static void nobody_left(void *arg)
{
    (void)arg;
    CHECK_EQ(kt_task_each(NULL, NULL), 1);
}

TEST(it_may_be_cancelled_at_every_moment)
{
    work w = {.takes = KT_MS(500), .fail_at = -1};
    each_moment_cancelled(runs_two, &w, KT_MS(250), nobody_left);
    each_moment_cancelled(starts, NULL, KT_MS(250), nobody_left);
}

TEST(a_start_survives_missing_memory)
{
    each_allocation_fails(starts, NULL);
}

TEST_DIES(an_interval_of_no_time_is_misuse, 0, "the interval must be more than 0")
{
    kt_periodic p = {.interval = 0};
    sure(kt_periodic_start(&p, sleep_seconds, NULL, 0));
}

TEST_DIES(and_so_it_is_in_the_same_task, 0, "the interval must be more than 0")
{
    kt_periodic p = {.interval = 0, .runs_max = 1};
    sure(kt_periodic_run(&p, sleep_seconds, &(int){0}, 0));
}

TEST(an_argument_that_was_not_copied_stays_the_callers_without_memory_too)
{
    static int seconds;
    kt_auto(kt_periodic) p = {.interval = KT_S(1)};
    kt_test_fail_allocation(1);
    int rc = kt_periodic_start(&p, sleep_seconds, &seconds, 0);
    CHECK(kt_test_allocation_failed());
    CHECK_ERR(rc, -ENOMEM);
}
