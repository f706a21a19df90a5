/* SPDX-License-Identifier: MIT */
/* Tests that must fail; test_bad_kit.py runs them and reads what the kit says of each. */
#include <kettle/kettle.h>
#include <kettle/test.h>
#include <kettle/test_disk.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/disk.h"

static int sleep_long(void *arg)
{
    (void)arg;
    return kt_sleep(KT_S(1000));
}

/* ---- Left behind ------------------------------------------------------------------------- */

TEST(leaves_a_task)
{
    kt_spawn_options options = {.name = "forgotten cook"};
    kt_task *t = NULL;
    CHECK_OK(kt_spawn_with(&options, sleep_long, NULL, 0, &t));
    kt_task_detach(t);
}

TEST(leaves_a_descriptor)
{
    CHECK_GE(open("/dev/zero", O_RDONLY | O_CLOEXEC), 0);
}

TEST(leaves_another_descriptor_under_an_old_number)
{
    CHECK_EQ(close(STDIN_FILENO), 0);
    CHECK_EQ(open("/dev/zero", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
}

TEST(leaves_a_descriptor_on_a_test_disk)
{
    kt_test_disk *d = kt_test_disk_open(NULL);
    CHECK_OK(kt_test_disk_put(d, "/menu/tea", kt_slice_from("")));
    kt_test_disk_use(d);
    CHECK_OK(kt__disk_here()->open(kt__disk_here(), AT_FDCWD, "/menu/tea", O_RDONLY, 0, 0));
    kt_test_disk_close(d);
}

/* Keeps the compiler from making the call before it a jump, which would hide the caller. */
#define NO_TAIL_CALL() __asm__ volatile("")

__attribute__((noinline)) static void *forget_memory(size_t size)
{
    void *block = kt_calloc(1, size);
    NO_TAIL_CALL();
    return block;
}

TEST(leaves_blocks)
{
    CHECK(forget_memory(4711) != NULL);
    for (int i = 0; i < 9; i++)
        CHECK(forget_memory(1) != NULL);
}

TEST_WITH(leaves_a_block_without_a_loop, KT_TEST_NO_LOOP)
{
    CHECK(forget_memory(4711) != NULL);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_SANITIZER 1
#endif

#ifdef HAS_LEAK_SANITIZER
TEST_WITH(leaves_memory_of_malloc, KT_TEST_NO_LOOP)
{
    char *volatile lost = malloc(1234);
    CHECK(lost != NULL);
    lost = NULL;
}
#endif

/* ---- Checks ------------------------------------------------------------------------------ */

TEST(makes_no_check)
{
    kt_test_say("a trace is no check");
}

TEST(wrong_condition)
{
    int cups = 3;
    CHECK(cups == 4);
}

TEST(wrong_value)
{
    int cups = 3;
    CHECK_EQ(cups + 1, KT_NS(5));
}

TEST(wrong_error_code_as_value)
{
    int rc = KT_EFULL;
    CHECK_EQ(rc, 0);
}

TEST(wrong_memory)
{
    char long_one[200], other[200];
    memset(long_one, 'a', sizeof long_one);
    memset(other, 'a', sizeof other);
    memcpy(other + 100, "\x01\n\"\xff", 4);
    CHECK_MEM(long_one, other, sizeof other);
}

TEST(wrong_string)
{
    const char *drink = "tea";
    CHECK_STR(drink, "teapot");
}

TEST(wrong_null_string)
{
    const char *drink = NULL;
    CHECK_STR(drink, "tea");
}

TEST(wrong_slice)
{
    CHECK_SLICE(kt_slice_from("tea\r\n"), "tea");
}

TEST(wrong_success)
{
    int rc = kt_error_set(KT_ENOTFOUND, "no queue called %s", "kitchen");
    CHECK_OK(rc);
}

TEST(wrong_error)
{
    int rc = -ENOENT;
    CHECK_ERR(rc, KT_ELIMIT);
}

TEST(wrong_trace)
{
    for (int i = 1; i <= 20; i++)
        kt_test_say("%s %d", i == 10 ? "coffee" : "tea", i);
    CHECK_TRACE("tea 1\ntea 2\ntea 3\ntea 4\ntea 5\ntea 6\ntea 7\ntea 8\ntea 9\ntea 10\n"
                "tea 11\ntea 12\ntea 13\ntea 14\ntea 15\ntea 16\ntea 17\ntea 18\ntea 19\ntea 20\n"
                "tea 21");
}

TEST(fails_with_a_trace_and_output)
{
    kt_test_say("water boils");
    printf("printed before");
    kt_test_fail("no cup for %s", "tea");
}

static int check_wrongly(void *arg)
{
    (void)arg;
    int cups = 3;
    CHECK_EQ(cups, 5);
    return 0;
}

TEST(wrong_in_another_task)
{
    kt_spawn_options options = {.name = "careless cook"};
    kt_task *t = NULL;
    CHECK_OK(kt_spawn_with(&options, check_wrongly, NULL, 0, &t));
    CHECK_OK(kt_task_join(t));
}

TEST(wrong_on_a_pool_thread)
{
    CHECK_OK(kt_thread_run(check_wrongly, NULL, 0));
}

static void call_wrongly(void *arg)
{
    check_wrongly(arg);
}

TEST(wrong_in_a_callback)
{
    CHECK_OK(kt_call_threadsafe(kt_loop_current(), call_wrongly, NULL));
    CHECK_OK(kt_sleep(KT_S(1)));
}

TEST(wrong_in_a_child_process)
{
    CHECK(true);
    pid_t pid = fork();
    if (pid == 0)
        check_wrongly(NULL);
    waitpid(pid, NULL, 0);
}

/* ---- Ends that are none ------------------------------------------------------------------ */

TEST(waits_for_nothing)
{
    kt_event never = KT_EVENT_INIT;
    CHECK_OK(kt_event_wait(&never));
}

TEST_WITH(hangs, KT_TEST_NO_LOOP)
{
    CHECK(true);
    for (;;)
        pause();
}

TEST_WITH(hangs_in_a_task, KT_TEST_REAL_TIME)
{
    CHECK_OK(sleep_long(NULL));
}

TEST_WITH(hangs_deaf, KT_TEST_NO_LOOP)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    CHECK(true);
    for (;;)
        pause();
}

TEST_WITH(crashes, KT_TEST_NO_LOOP)
{
    CHECK(true);
    fprintf(stderr, "about to crash\n");
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigaction(SIGSEGV, &plain, NULL);
    raise(SIGSEGV);
}

TEST(exits_in_the_middle)
{
    CHECK(true);
    exit(0);
}

static void exit_badly(void)
{
    _exit(5);
}

TEST(fails_in_its_exit_handlers)
{
    CHECK_EQ(atexit(exit_badly), 0);
}

static int fail_by_result(void *arg)
{
    (void)arg;
    return kt_error_set(KT_EPROTOCOL, "tea in the coffee pot");
}

/* Each seed runs twice. */
static int leak_by_seed(void *arg)
{
    int *runs = arg;
    return ++*runs == 5 && !forget_memory(4711) ? -ENOMEM : 0;
}

static int check_by_seed(void *arg)
{
    int *runs = arg;
    CHECK_LT(++*runs, 13);
    return 0;
}

TEST_WITH(fails_with_the_first_seed, KT_TEST_NO_LOOP)
{
    kt_test_seeds(5, fail_by_result, NULL);
}

TEST_WITH(leaks_with_the_third_seed, KT_TEST_NO_LOOP)
{
    int runs = 0;
    kt_test_seeds(5, leak_by_seed, &runs);
}

static int says_how_often(void *arg)
{
    int *runs = arg;
    kt_test_say("run %d", ++*runs < 9 ? 0 : *runs);
    return 0;
}

TEST_WITH(says_something_else_with_the_fifth_seed, KT_TEST_NO_LOOP)
{
    int runs = 0;
    kt_test_seeds(10, says_how_often, &runs);
}

static int takes_its_time(void *arg)
{
    int *runs = arg;
    return kt_sleep(KT_S(++*runs < 6 ? 1 : 2));
}

TEST_WITH(takes_longer_with_the_third_seed, KT_TEST_NO_LOOP)
{
    int runs = 0;
    kt_test_seeds(10, takes_its_time, &runs);
}

TEST_WITH(fails_with_the_seventh_seed, KT_TEST_NO_LOOP)
{
    int runs = 0;
    kt_test_seeds(100, check_by_seed, &runs);
}

TEST(runs_seeds_inside_a_loop)
{
    int runs = 0;
    kt_test_seeds(5, check_by_seed, &runs);
}

/* ---- Deaths that are none ---------------------------------------------------------------- */

TEST_DIES(should_die_and_does_not, 0, "the reason")
{
    fprintf(stderr, "still alive\n");
}

TEST_DIES(should_die_and_exits, 0, "the reason")
{
    fprintf(stderr, "the reason\n");
    exit(0);
}

TEST_DIES(dies_for_another_reason, 0, "the reason")
{
    fprintf(stderr, "something else\n");
    abort();
}

TEST_DIES(dies_by_a_failed_check, 0, "check failed")
{
    CHECK(false);
}

TEST(prints_very_much)
{
    CHECK(true);
    for (int i = 0; i < 300000; i++)
        printf("line %d\n", i);
    abort();
}

/* ---- Memory misused ---------------------------------------------------------------------- */

/* Hides a pointer's origin from the compiler, which would warn. */
static char *hidden(void *p)
{
    __asm__("" : "+r"(p));
    return p;
}

TEST(frees_what_is_not_a_block)
{
    static char bytes[512];
    CHECK(true);
    kt_free(hidden(bytes + 256));
    NO_TAIL_CALL();
}

TEST(writes_before_a_block)
{
    char *block = hidden(kt_alloc(8));
    CHECK(block != NULL);
    block[-1] = 0;
    kt_free(block);
}
