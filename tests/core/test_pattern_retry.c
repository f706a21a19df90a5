/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <kettle/retry.h>

typedef struct flaky {
    int calls, fail_first, rc;
    kt_time at[16];
} flaky;

static int attempt(void *arg)
{
    flaky *f = arg;
    f->at[f->calls++ % 16] = kt_now();
    return f->calls <= f->fail_first ? f->rc : 7;
}

TEST(waits_double_from_one_second)
{
    flaky f = {.fail_first = 4, .rc = -EIO};
    kt_retry r = {.attempts = 5};
    CHECK_EQ(kt_retry_run(&r, attempt, &f, 0), 7);
    CHECK_EQ(f.at[1] - f.at[0], KT_S(1));
    CHECK_EQ(f.at[2] - f.at[1], KT_S(2));
    CHECK_EQ(f.at[3] - f.at[2], KT_S(4));
    CHECK_EQ(f.at[4] - f.at[3], KT_S(8));
    CHECK_EQ(r.failures, 4);
}

TEST(three_attempts_unless_told_otherwise_and_the_last_error_stays)
{
    flaky f = {.fail_first = 100, .rc = -EIO};
    CHECK_ERR(kt_retry_run(NULL, attempt, &f, 0), -EIO);
    CHECK_EQ(f.calls, 3);
    CHECK_EQ(kt_now() - f.at[0], KT_S(3)); /* no wait after the last */
}

TEST(a_loop_retries_like_the_function)
{
    flaky f = {.fail_first = 2, .rc = -EIO};
    kt_retry r = {.first_wait = KT_MS(100), .factor = 3};
    int rc;
    do {
        rc = attempt(&f);
    } while (kt_retry_wait(&r, &rc));
    CHECK_EQ(rc, 7);
    CHECK_EQ(f.at[2] - f.at[0], KT_MS(400));
}

TEST(no_wait_exceeds_the_maximum)
{
    flaky f = {.fail_first = 15, .rc = -EIO};
    kt_retry r = {.attempts = 16, .factor = 1e9, .wait_max = KT_S(5)};
    CHECK_EQ(kt_retry_run(&r, attempt, &f, 0), 7);
    CHECK_EQ(f.at[1] - f.at[0], KT_S(1));
    for (int i = 2; i < 16; i++)
        CHECK_EQ(f.at[i] - f.at[i - 1], KT_S(5));
}

static bool not_missing(int rc, void *arg)
{
    ++*(int *)arg;
    return rc != -ENOENT;
}

TEST(the_filter_decides_which_errors_are_worth_it)
{
    int asked = 0;
    flaky f = {.fail_first = 100, .rc = -ENOENT};
    kt_retry r = {.retryable = not_missing, .arg = &asked};
    CHECK_ERR(kt_retry_run(&r, attempt, &f, 0), -ENOENT);
    CHECK_EQ(f.calls, 1);
    CHECK_EQ(asked, 1);
    CHECK_EQ(kt_now(), f.at[0]);
}

/* All the waits of a run with that seed. */
static void jittered(uint64_t seed, kt_time waits[8])
{
    kt_retry r = {.attempts = 9, .factor = 1, .jitter = 0.5, .seed = seed};
    for (int i = 0; i < 8; i++) {
        int rc = -EIO;
        CHECK(kt_retry_wait(&r, &rc));
        waits[i] = r.waited;
        CHECK_GT(waits[i], KT_MS(500) - 1);
        CHECK_LE(waits[i], KT_S(1));
    }
}

TEST(jitter_follows_its_seed)
{
    kt_time a[8], b[8], c[8];
    jittered(5, a);
    jittered(5, b);
    jittered(6, c);
    CHECK_MEM(a, b, sizeof a);
    CHECK(memcmp(a, c, sizeof a) != 0);
    CHECK_NE(a[0], a[1]);
    jittered(0, c);
}

static int too_slow(void *arg)
{
    ++*(int *)arg;
    return kt_wait_for(KT_S(2), sleep_seconds, &(int){60}, 0);
}

TEST(a_limit_on_one_attempt_is_a_failure_like_others)
{
    int calls = 0;
    CHECK_ERR(kt_retry_run(NULL, too_slow, &calls, 0), KT_ETIMEDOUT);
    CHECK_EQ(calls, 3);
    CHECK_EQ(kt_now(), KT_S(9)); /* 2 + 1 + 2 + 2 + 2 */
}

static int retries(void *arg)
{
    return kt_retry_run(NULL, attempt, arg, 0);
}

TEST(a_limit_on_the_whole_ends_it)
{
    flaky f = {.fail_first = 100, .rc = -EIO};
    CHECK_ERR(kt_wait_for(KT_MS(1500), retries, &f, 0), KT_ETIMEDOUT);
    CHECK_EQ(f.calls, 2);
    CHECK_EQ(kt_now(), KT_MS(1500));
}

static void nothing(void *arg)
{
    ((flaky *)arg)->calls = 0;
}

TEST(a_cancellation_ends_it_at_every_moment)
{
    flaky f = {.fail_first = 2, .rc = -EIO};
    each_moment_cancelled(retries, &f, KT_MS(300), nothing);
}

TEST(a_cancelled_attempt_is_not_repeated)
{
    flaky f = {.fail_first = 100, .rc = KT_ECANCELED};
    CHECK_ERR(kt_retry_run(NULL, attempt, &f, 0), KT_ECANCELED);
    CHECK_EQ(f.calls, 1);
}

static int counts_calls(void *calls)
{
    ++*(int *)calls;
    return 0;
}

TEST(a_success_of_0_is_not_repeated)
{
    int calls = 0;
    kt_retry r = {.attempts = 3};
    CHECK_OK(kt_retry_run(&r, counts_calls, &calls, 0));
    CHECK_EQ(calls, 1);
    CHECK_EQ(r.failures, 0);
}

TEST(jitter_is_another_each_time_and_the_failure_stays_as_it_is)
{
    kt_retry r = {.attempts = 9, .jitter = 1, .factor = 1, .first_wait = KT_S(1), .seed = 7};
    kt_time waits[3];
    for (int i = 0; i < 3; i++) {
        int rc = -EIO;
        CHECK(kt_retry_wait(&r, &rc));
        CHECK_ERR(rc, -EIO);
        waits[i] = r.waited;
        CHECK_LT(waits[i], KT_S(1));
    }
    CHECK(waits[0] != waits[1] && waits[1] != waits[2]);
}

static int waits_once(void *ret_waited)
{
    kt_retry r = {.attempts = 2, .jitter = 1, .first_wait = KT_S(1000)};
    int rc = -EIO;
    CHECK(kt_retry_wait(&r, &rc));
    *(kt_time *)ret_waited = r.waited;
    return 0;
}

TEST_WITH(jitter_without_a_seed_is_another_in_each_run_and_under_sim_with_each_seed, KT_TEST_NO_LOOP)
{
    const kt_driver drivers[] = {KT_DRIVER_EPOLL, KT_DRIVER_SIM};
    unsetenv("KETTLE_DRIVER");
    for (int i = 0; i < 2; i++) {
        kt_time waits[2] = {0, 0};
        for (int seed = 0; seed < 2; seed++) {
            const kt_options o = {.driver = drivers[i], .virtual_time = true, .seed = 7 + (uint64_t)seed};
            CHECK_OK(kt_run_with(&o, waits_once, &waits[seed], 0));
        }
        CHECK_NE(waits[0], waits[1]);
    }
}
