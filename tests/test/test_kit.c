/* SPDX-License-Identifier: MIT */
/* What the kit grants to tests that pass; what it does to those that fail is in test_bad_kit.py. */
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static kt_time real_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return KT_S(t.tv_sec) + t.tv_nsec;
}

static int sleep_for(void *arg)
{
    const kt_time *d = arg;
    return kt_sleep(*d);
}

/* ---- The loop around a test -------------------------------------------------------------- */

TEST(a_plain_test_is_a_task_in_virtual_time)
{
    kt_time start = kt_now(), real_start = real_now();
    CHECK(kt_task_current() != NULL);
    CHECK_OK(kt_sleep(KT_S(3600)));
    CHECK_EQ(kt_now() - start, KT_S(3600));
    CHECK_LT(real_now() - real_start, KT_S(600));
}

TEST(a_plain_test_runs_under_sim_unless_the_environment_says_otherwise)
{
    const char *forced = getenv("KETTLE_DRIVER");
    CHECK_STR(kt_loop_driver(kt_loop_current()), forced ? forced : "sim");
}

TEST_WITH(real_time_passes, KT_TEST_REAL_TIME)
{
    kt_time start = real_now();
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK_GE(real_now() - start, KT_MS(20));
    CHECK_NE(strcmp(kt_loop_driver(kt_loop_current()), "sim"), 0);
}

TEST_WITH(real_io_has_descriptors_and_a_virtual_clock, KT_TEST_REAL_IO)
{
    kt_time start = kt_now(), real_start = real_now();
    CHECK_NE(strcmp(kt_loop_driver(kt_loop_current()), "sim"), 0);
    CHECK_OK(kt_sleep(KT_S(3600)));
    CHECK_GE(kt_now() - start, KT_S(3600));
    CHECK_LT(real_now() - real_start, KT_S(600));
}

TEST_WITH(no_loop_means_no_loop, KT_TEST_NO_LOOP)
{
    CHECK(kt_loop_current() == NULL);
    kt_time d = KT_S(1);
    kt_options options = {.driver = KT_DRIVER_SIM, .virtual_time = true};
    CHECK_OK(kt_run_with(&options, sleep_for, &d, sizeof d));
}

TEST(what_is_given_back_is_not_a_leak)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_GE(fd, 0);
    CHECK_EQ(close(fd), 0);
    void *block = kt_alloc(100);
    CHECK(block != NULL);
    kt_free(block);
    kt_task *t = NULL;
    kt_time d = KT_S(1);
    CHECK_OK(kt_spawn(sleep_for, &d, sizeof d, &t));
    CHECK_OK(kt_task_join(t));
}

TEST(standard_descriptors_may_be_closed)
{
    CHECK_EQ(close(STDIN_FILENO), 0);
}

/* ---- Checks ------------------------------------------------------------------------------ */

TEST(checks_pass_on_what_is_true)
{
    CHECK(true);
    CHECK_EQ(INT64_MIN, INT64_MIN);
    CHECK_NE(0u, 1);
    CHECK_LT(-1, 0);
    CHECK_LE('a', 'a');
    CHECK_GT(SIZE_MAX / 2, 1);
    CHECK_GE(2, 2);
    CHECK_STR("tea", "tea");
    CHECK_STR(NULL, NULL);
    CHECK_MEM("a\0b", "a\0b", 3);
    CHECK_MEM(NULL, NULL, 0);
    CHECK_SLICE(kt_slice_from("tea"), "tea");
    CHECK_OK(5);
    CHECK_ERR(KT_ELIMIT, KT_ELIMIT);
    CHECK_ERR(-ENOENT, -ENOENT);
}

TEST(a_check_evaluates_its_arguments_once)
{
    int n = 0;
    CHECK_EQ(++n, 1);
    CHECK_OK(n++);
    CHECK_ERR(n++, 2);
    CHECK_MEM("x", "x", n++ - 2);
    CHECK_EQ(n, 4);
}

static int check_in_thread(void *arg)
{
    int *n = arg;
    CHECK_EQ(*n, 1);
    return 0;
}

TEST(a_check_on_a_pool_thread_counts)
{
    int n = 1;
    int rc = kt_thread_run(check_in_thread, &n, 0);
    if (rc < 0)
        kt_test_fail("kt_thread_run: %d", rc);
}

TEST(skipping_in_the_middle_is_allowed)
{
    void *left = kt_alloc(1);
    kt_test_skip("after an allocation of %s", left ? "one byte" : "nothing");
}

/* ---- Deaths ------------------------------------------------------------------------------ */

TEST_DIES(an_abort_with_the_message_is_the_expected_death, 0, "the reason")
{
    fprintf(stderr, "this is the reason\n");
    abort();
}

TEST_DIES(a_message_on_standard_output_counts, KT_TEST_NO_LOOP, "the reason")
{
    printf("this is the reason");
    fflush(stdout);
    abort();
}

TEST_DIES(misuse_dies, 0, "lock")
{
    kt_lock door = KT_LOCK_INIT;
    kt_lock_release(&door);
}

/* ---- Faults ------------------------------------------------------------------------------ */

TEST(the_nth_allocation_fails_once)
{
    void *blocks[4];
    kt_test_fail_allocation(3);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(kt_test_allocation_failed(), i > 2);
        blocks[i] = kt_alloc(10);
        CHECK_EQ(blocks[i] == NULL, i == 2);
    }
    for (int i = 0; i < 4; i++)
        kt_free(blocks[i]);
}

TEST(a_failed_realloc_leaves_the_block)
{
    char *block = kt_strndup("kettle", 6);
    CHECK(block != NULL);
    kt_test_fail_allocation(1);
    CHECK(kt_realloc(block, 100) == NULL);
    CHECK(kt_test_allocation_failed());
    CHECK_STR(block, "kettle");
    char *larger = kt_realloc(block, 100000);
    CHECK(larger != NULL);
    CHECK_STR(larger, "kettle");
    kt_free(larger);
}

TEST(allocations_that_succeed_are_counted)
{
    uint64_t before = kt_test_allocations();
    char *block = kt_strndup("kettle", 6);
    kt_free(block);
    kt_test_fail_allocation(1);
    CHECK(kt_alloc(10) == NULL);
    CHECK_EQ(kt_test_allocations() - before, 1);
}

TEST(blocks_that_are_held_are_counted)
{
    size_t before = kt_test_blocks();
    char *block = kt_strndup("kettle", 6);
    CHECK_EQ(kt_test_blocks(), before + 1);
    kt_free(block);
    CHECK_EQ(kt_test_blocks(), before);
}

TEST(a_failure_can_be_switched_off)
{
    kt_test_fail_allocation(1);
    kt_test_fail_allocation(0);
    void *block = kt_alloc(10);
    CHECK(block != NULL);
    CHECK(!kt_test_allocation_failed());
    kt_free(block);
}

TEST(an_allocation_too_large_fails_and_is_not_counted)
{
    size_t too_large = SIZE_MAX;
    __asm__("" : "+r"(too_large)); /* or the compiler sees and warns */
    CHECK(kt_alloc(too_large) == NULL);
    CHECK(kt_calloc(too_large, 2) == NULL);
}

TEST(blocks_are_aligned_and_calloc_clears)
{
    unsigned char *block = kt_alloc(3);
    CHECK(block != NULL);
    CHECK_EQ((uintptr_t)block % 16, 0);
    kt_free(block);
    unsigned char *cleared = kt_calloc(1, 3);
    CHECK(cleared != NULL);
    CHECK_MEM(cleared, "\0\0", 3);
    kt_free(cleared);
}

/* ---- Seeds ------------------------------------------------------------------------------- */

static int count_run(void *arg)
{
    int *runs = arg;
    ++*runs;
    CHECK_STR(kt_loop_driver(kt_loop_current()), "sim");
    return kt_sleep(KT_S(1));
}

TEST_WITH(every_seed_runs_twice_under_sim, KT_TEST_NO_LOOP)
{
    int runs = 0;
    const char *before = getenv("KETTLE_DRIVER");
    kt_test_seeds(20, count_run, &runs);
    CHECK_EQ(runs, 40);
    const char *after = getenv("KETTLE_DRIVER");
    CHECK_EQ(before == NULL, after == NULL);
}

/* Each run of a seed adds the order of its three tasks as a digit string; see below. */
typedef struct orders {
    char now[4];
    int length;
    char seen[128][4];
    int count;
} orders;

KT_FN(take_turn, a, struct {
    orders *o;
    char digit;
})
{
    a->o->now[a->o->length++] = a->digit;
    return 0;
}

static int race_three(void *arg)
{
    orders *o = arg;
    o->length = 0;
    kt_auto(kt_group) racers = KT_GROUP_INIT;
    for (int i = 0; i < 3; i++) {
        int rc = kt_group_spawn(&racers, KT_WITH(take_turn, o, (char)('1' + i)));
        if (rc < 0)
            return rc;
    }
    int rc = kt_group_join(&racers, 0);
    if (rc == 0)
        memcpy(o->seen[o->count++], o->now, sizeof o->now);
    return rc;
}

TEST_WITH(seeds_make_orders_and_repeat_them, KT_TEST_NO_LOOP)
{
    orders first = {.count = 0}, second = {.count = 0};
    kt_test_seeds(64, race_three, &first);
    kt_test_seeds(64, race_three, &second);
    CHECK_MEM(first.seen, second.seen, sizeof first.seen);
    int other = 0;
    for (int i = 2; i < 128; i += 2)
        other += strcmp(first.seen[i], first.seen[0]) != 0;
    CHECK_GT(other, 0);
}

/* ---- The trace --------------------------------------------------------------------------- */

TEST(a_trace_collects_lines_and_is_emptied_by_the_comparison)
{
    CHECK_TRACE("");
    kt_test_say("one");
    CHECK_TRACE("one");
    kt_test_say("%d", 2);
    kt_test_say("%s", "");
    kt_test_say("three");
    CHECK_TRACE("2\n\nthree");
    CHECK_TRACE("");
}

TEST(a_trace_may_be_long)
{
    kt_auto(kt_buffer) expected = KT_BUFFER_INIT;
    for (int i = 0; i < 10000; i++) {
        kt_test_say("line %d", i);
        CHECK_OK(kt_buffer_printf(&expected, "%sline %d", i > 0 ? "\n" : "", i));
    }
    const char *text = kt_buffer_string(&expected);
    CHECK(text != NULL);
    CHECK_TRACE(text);
}
