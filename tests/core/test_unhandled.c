/* SPDX-License-Identifier: MIT */
/* Errors that nobody can receive go to the loop's handler. */
#include "sure.h"

static void note_unhandled(const kt_unhandled *u, void *arg)
{
    snprintf(arg, 128, "%s: %s: %s", u->message, kt_error_name(u->rc), u->detail);
}

static int fails(void *arg)
{
    return kt_error_set(-EIO, "%s", (const char *)arg);
}

TEST(a_failure_that_nobody_read_goes_to_the_handler)
{
    char told[128] = "";
    kt_error_handler_set(note_unhandled, told);
    kt_task *t = spawn(fails, "the pump", 0);
    yield_times(1);
    CHECK_STR(told, "");
    kt_task_detach(t);
    CHECK_STR(told, "Task exception was never retrieved: EIO: the pump");
}

TEST(a_failure_that_somebody_read_does_not)
{
    char told[128] = "";
    kt_error_handler_set(note_unhandled, told);
    kt_task *t = spawn(fails, "the pump", 0);
    yield_times(1);
    CHECK_ERR(kt_task_result(t), -EIO);
    CHECK_STR(kt_error_detail(), "the pump");
    kt_task_detach(t);
    CHECK_STR(told, "");
}

static void report_own(void *arg)
{
    (void)arg;
    kt_error_unhandled(kt_error_set(-EIO, "cold"), "the callback failed");
}

TEST(callbacks_can_hand_their_errors_over)
{
    char told[128] = "";
    kt_callback c = KT_CALLBACK_INIT;
    kt_error_handler_set(note_unhandled, told);
    kt_call_soon(&c, report_own, NULL);
    yield_times(1);
    CHECK_STR(told, "the callback failed: EIO: cold");
}

static void note_and_fail(const kt_unhandled *u, void *arg)
{
    int rc = kt_error_set(-EPIPE, "and the log is closed");
    snprintf(arg, 128, "%s: %s", u->detail, kt_error_name(rc));
}

TEST(a_handler_that_fails_itself_can_still_read_the_words)
{
    char told[128] = "";
    kt_error_handler_set(note_and_fail, told);
    kt_task_detach(spawn(fails, "the pump", 0));
    yield_times(1);
    CHECK_STR(told, "the pump: EPIPE");
    kt_error_unhandled(kt_error_set(-EIO, "cold"), "the tea");
    CHECK_STR(told, "cold: EPIPE");
}

static void append_unhandled(const kt_unhandled *u, void *arg)
{
    char *told = arg;
    size_t used = strlen(told);
    snprintf(told + used, 128 - used, "%s;", u->detail);
}

static int fails_in_cleanup(void *arg)
{
    (void)!kt_sleep(KT_S(60));
    kt_cancel_catch();
    sure(kt_sleep(*(const char *)arg == 'A' ? KT_S(5) : KT_S(1)));
    return kt_error_set(-EIO, "%s", (const char *)arg);
}

static int leaves_two(void *arg)
{
    kt_error_handler_set(append_unhandled, arg);
    kt_task_detach(spawn(fails_in_cleanup, (char[]){"A"}, 2));
    spawn(fails_in_cleanup, (char[]){"B"}, 2);
    return kt_sleep(KT_S(1));
}

TEST_WITH(left_over_tasks_that_fail_are_told_of_in_order_of_creation, KT_TEST_NO_LOOP)
{
    const kt_options options = {.virtual_time = true};
    char told[128] = "";
    CHECK_OK(kt_run_with(&options, leaves_two, told, 0));
    CHECK_STR(told, "A;B;");
}

static void note_call(void *arg)
{
    *(bool *)arg = true;
}

/* Like one that sends what it is told to a server. */
static void spawn_and_call(const kt_unhandled *u, void *arg)
{
    static kt_callback soon = KT_CALLBACK_INIT;
    (void)u;
    spawn(sleep_seconds, &(int){1}, sizeof(int));
    kt_call_soon(&soon, note_call, arg);
}

static int leaves_a_failure(void *arg)
{
    kt_error_handler_set(spawn_and_call, arg);
    spawn(fails, "the pump", 0);
    return kt_sleep(0);
}

TEST_WITH(a_handler_may_spawn_and_call_even_at_the_very_end, KT_TEST_NO_LOOP)
{
    bool called = false;
    CHECK_OK(kt_run(leaves_a_failure, &called, 0));
    CHECK(called);
}

static void append_message(const kt_unhandled *u, void *arg)
{
    char *told = arg;
    size_t used = strlen(told);
    snprintf(told + used, 256 - used, "%s: %s;", u->message, u->detail);
}

static int joins_later(void *arg)
{
    (void)!kt_sleep(KT_S(60));
    kt_cancel_catch();
    sure(kt_sleep(KT_S(9)));
    CHECK_ERR(kt_task_join(arg), -EIO);
    return 0;
}

static int leaves_three_and_a_joiner(void *arg)
{
    kt_error_handler_set(append_message, arg);
    spawn(fails_in_cleanup, (char[]){"A"}, 2);
    kt_task *joined = spawn(fails_in_cleanup, (char[]){"B"}, 2);
    spawn(fails_in_cleanup, (char[]){"C"}, 2);
    kt_task_detach(spawn(joins_later, joined, 0));
    return kt_sleep(KT_S(1));
}

#define AT_THE_END "unhandled exception during asyncio.run() shutdown: "

TEST_WITH(a_left_over_failure_that_is_joined_after_all_is_not_told_of, KT_TEST_NO_LOOP)
{
    const kt_options options = {.virtual_time = true};
    char told[256] = "";
    CHECK_OK(kt_run_with(&options, leaves_three_and_a_joiner, told, 0));
    CHECK_STR(told, AT_THE_END "A;" AT_THE_END "C;");
}
