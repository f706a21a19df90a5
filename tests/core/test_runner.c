/* SPDX-License-Identifier: MIT */

/* One loop, several main tasks. */

#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static int count_each_second(void *arg)
{
    int *count = arg;
    for (;;) {
        int rc = kt_sleep(KT_S(1));
        if (rc < 0) {
            *count = -*count;
            return rc;
        }
        ++*count;
    }
}

static int leave_a_task(void *arg)
{
    kt_task *t;
    int rc = kt_spawn(count_each_second, arg, 0, &t);
    if (rc == 0)
        kt_task_detach(t);
    return rc;
}

static int sleep_for(void *arg)
{
    return kt_sleep(*(kt_time *)arg);
}

static kt_runner *virtual_runner(void)
{
    kt_runner *r = NULL;
    CHECK_OK(kt_runner_open(&(kt_options){.virtual_time = true}, &r));
    return r;
}

TEST_WITH(a_runner_runs_several_main_tasks, KT_TEST_NO_LOOP)
{
    kt_runner *r = virtual_runner();
    CHECK_EQ(kt_runner_run(r, seven, NULL, 0), 7);
    CHECK_EQ(kt_runner_run(r, seven, NULL, 0), 7);
    kt_runner_close(r);
    kt_runner_close(NULL);
}

TEST_WITH(what_is_left_stands_still_between_runs_and_is_cancelled_at_the_end, KT_TEST_NO_LOOP)
{
    int count = 0;
    kt_time two_and_a_half = KT_MS(2500);
    kt_runner *r = virtual_runner();
    CHECK_OK(kt_runner_run(r, leave_a_task, &count, 0));
    CHECK_EQ(count, 0);
    CHECK_OK(kt_runner_run(r, sleep_for, &two_and_a_half, 0));
    CHECK_EQ(count, 2);
    CHECK(kt_loop_current() == NULL);
    kt_runner_close(r);
    CHECK_EQ(count, -2);
}

/* ---- Stopping ------------------------------------------------------------------------------- */

typedef struct stop {
    kt_runner *r;
    kt_callback first, second, third;
} stop;

static void says(void *word)
{
    kt_test_say("%s", (const char *)word);
}

static void stops_and_calls(void *arg)
{
    stop *s = arg;
    kt_runner_stop(s->r);
    kt_call_soon(&s->third, says, "a pass later");
}

static int calls_two(void *arg)
{
    stop *s = arg;
    kt_call_later(&s->first, KT_S(1), stops_and_calls, s);
    kt_call_later(&s->second, KT_S(1), says, "the same pass");
    return 0;
}

TEST_WITH(a_run_that_is_stopped_ends_with_the_pass, KT_TEST_NO_LOOP)
{
    stop s = {virtual_runner(), KT_CALLBACK_INIT, KT_CALLBACK_INIT, KT_CALLBACK_INIT};
    CHECK_OK(kt_runner_run(s.r, calls_two, &s, 0));
    CHECK_OK(kt_runner_run(s.r, NULL, NULL, 0));
    CHECK_TRACE("the same pass");
    kt_runner_stop(s.r);
    CHECK_OK(kt_runner_run(s.r, NULL, NULL, 0));
    CHECK_TRACE("a pass later");
    kt_runner_close(s.r);
}

static int counts_and_stops(void *arg)
{
    int count = 0;
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(count_each_second, &count, 0, &t));
    CHECK_OK(kt_sleep(KT_MS(2500)));
    kt_runner_stop(arg);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(count, -3);
    kt_test_say("main ends");
    return 0;
}

TEST_WITH(a_main_task_that_is_stopped_is_one_of_those_left_over, KT_TEST_NO_LOOP)
{
    kt_time long_enough = KT_S(5);
    kt_runner *r = virtual_runner();
    CHECK_ERR(kt_runner_run(r, counts_and_stops, r, 0), KT_EINVALIDSTATE);
    CHECK_STR(kt_error_detail(), "stopped before the main task's end");
    CHECK_OK(kt_runner_run(r, sleep_for, &long_enough, 0));
    CHECK_TRACE("main ends");
    kt_runner_close(r);
}

/* One pass, and the clock stands still. */
TEST_WITH(a_run_after_a_stop_is_one_pass, KT_TEST_NO_LOOP)
{
    int count = 0;
    kt_time second = KT_S(1);
    kt_runner *r = virtual_runner();
    CHECK_OK(kt_runner_run(r, leave_a_task, &count, 0));
    kt_runner_stop(r);
    CHECK_OK(kt_runner_run(r, NULL, NULL, 0));
    CHECK_EQ(count, 0);
    kt_runner_stop(r);
    CHECK_ERR(kt_runner_run(r, sleep_for, &second, 0), KT_EINVALIDSTATE);
    kt_runner_stop(r);
    kt_runner_close(r);
    CHECK_EQ(count, 0);
}

static int stops_at_its_end(void *r)
{
    kt_runner_stop(r);
    return 7;
}

TEST_WITH(a_main_task_that_has_ended_was_not_stopped, KT_TEST_NO_LOOP)
{
    kt_runner *r = virtual_runner();
    CHECK_EQ(kt_runner_run(r, stops_at_its_end, r, 0), 7);
    CHECK_EQ(kt_runner_run(r, seven, NULL, 0), 7);
    kt_runner_close(r);
}

TEST_WITH(nothing_is_left_of_a_main_task_that_stops_the_run_at_its_end, KT_TEST_NO_LOOP)
{
    kt_runner *r = virtual_runner();
    CHECK_EQ(kt_runner_run(r, stops_at_its_end, r, 0), 7);
    kt_runner_close(r);
}

static int run_inside(void *arg)
{
    return kt_runner_run(arg, seven, NULL, 0);
}

TEST_DIES(running_a_runner_inside_a_loop_is_misuse, KT_TEST_NO_LOOP, "a loop runs on this thread already")
{
    kt_runner *r = virtual_runner();
    CHECK_OK(kt_runner_run(r, run_inside, r, 0));
}

/* ---- What comes at the very end ------------------------------------------------------------- */

static kt_callback last = KT_CALLBACK_INIT;
static const kt_context_var var = {"var"};

static void leave_a_task_late(void *count)
{
    CHECK_OK(leave_a_task(count));
}

static int calls_at_the_end(void *count)
{
    kt_call_soon(&last, leave_a_task_late, count);
    return 0;
}

TEST_WITH(a_task_that_the_last_callback_spawns_is_cancelled_too, KT_TEST_NO_LOOP)
{
    int count = 7;
    CHECK_OK(kt_run(calls_at_the_end, &count, 0));
    CHECK_EQ(count, 7); /* cancelled before it began, and freed */
}

static int nothing_more(void *arg)
{
    (void)arg;
    return 0;
}

static void abandon_late(void *arg)
{
    CHECK_OK(kt_thread_abandon(nothing_more, arg, 0, NULL));
}

static int posts(void *loop)
{
    return kt_call_threadsafe(loop, abandon_late, NULL);
}

static int abandons_one_that_posts(void *arg)
{
    (void)arg;
    return kt_thread_abandon(posts, kt_loop_current(), 0, NULL);
}

TEST_WITH(threads_for_the_last_jobs_end_with_the_loop, KT_TEST_NO_LOOP)
{
    CHECK_OK(kt_run(abandons_one_that_posts, NULL, 0));
}

static int calls_much_later(void *count)
{
    CHECK_OK(kt_context_set(&var, "value"));
    kt_call_later(&last, KT_S(1000), leave_a_task_late, count);
    return 0;
}

TEST_WITH(callbacks_whose_time_has_not_come_are_dropped, KT_TEST_NO_LOOP)
{
    int count = 7;
    CHECK_OK(kt_run(calls_much_later, &count, 0));
    CHECK(!kt_callback_pending(&last));
    CHECK_EQ(count, 7);
}

static kt_callback later = KT_CALLBACK_INIT;

static int calls_never(void *count)
{
    CHECK_OK(kt_context_set(&var, "value"));
    kt_call_later(&last, KT_FOREVER, leave_a_task_late, count);
    kt_call_at(&later, KT_FOREVER, leave_a_task_late, count);
    return 0;
}

TEST_WITH(callbacks_whose_time_never_comes_can_be_started_by_the_next_loop, KT_TEST_NO_LOOP)
{
    int count = 7;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(kt_run(calls_never, &count, 0));
        CHECK(!kt_callback_pending(&last) && !kt_callback_pending(&later));
    }
    CHECK_EQ(count, 7);
}

static int starts_one_again(void *arg)
{
    kt_call_later(&last, KT_FOREVER, leave_a_task_late, arg);
    kt_call_later(&later, KT_FOREVER, leave_a_task_late, arg);
    CHECK(kt_callback_cancel(&last));
    kt_call_later(&last, KT_FOREVER, leave_a_task_late, arg);
    return 0;
}

TEST_WITH(one_that_was_started_again_is_the_last_to_be_dropped, KT_TEST_NO_LOOP)
{
    int count = 7;
    CHECK_OK(kt_run(starts_one_again, &count, 0));
    CHECK(!kt_callback_pending(&last) && !kt_callback_pending(&later));
    CHECK_EQ(count, 7);
}

/* ---- What is left over at the end --------------------------------------------------------- */

KT_FN(left_over, a, struct {
    const char *name;
    int cleanup;
    int fails;
})
{
    int rc = kt_sleep(KT_S(50));
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_OK(kt_sleep(KT_S(a->cleanup)));
    kt_test_say("%s cleaned up", a->name);
    return a->fails ? a->fails : rc;
}

static int says_that_it_runs(void *arg)
{
    (void)arg;
    kt_test_say("D runs");
    return 0;
}

static int leaves_four(void *arg)
{
    kt_task **keep = arg, *d = NULL;
    CHECK_OK(kt_spawn(KT_WITH(left_over, "A", 1, 0), &keep[0]));
    CHECK_OK(kt_spawn(KT_WITH(left_over, "B", 3, 0), &keep[1]));
    CHECK_OK(kt_spawn(KT_WITH(left_over, "C", 5, -EIO), &keep[2]));
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK_OK(kt_spawn(says_that_it_runs, NULL, 0, &d));
    kt_task_detach(d);
    kt_test_say("main returns");
    return 7;
}

/* Nobody is told of C's failure outside debug mode. */
TEST_WITH(what_is_left_over_is_cancelled_and_cleans_up, KT_TEST_NO_LOOP)
{
    kt_task *keep[3] = {NULL, NULL, NULL};
    const kt_options virtual = {.driver = KT_DRIVER_SIM, .virtual_time = true};
    kt_test_say("run gave %d", kt_run_with(&virtual, leaves_four, keep, 0));
    CHECK_TRACE("main returns\nD runs\nA cleaned up\nB cleaned up\nC cleaned up\nrun gave 7");
}

/* ---- Words ------------------------------------------------------------------------------------ */

static int does_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void fail_as_well(const kt_unhandled *u, void *arg)
{
    (void)arg;
    CHECK_ERR(kt_error_set(-EPIPE, "of the handler, about %s", u->detail), -EPIPE);
}

static int fails_in_cleanup(void *arg)
{
    (void)arg;
    (void)!kt_sleep(KT_S(60));
    return kt_error_set(-EIO, "of the task");
}

static int leaves_a_failure_and_fails(void *arg)
{
    kt_error_handler_set(fail_as_well, arg);
    kt_task *t;
    CHECK_OK(kt_spawn(fails_in_cleanup, arg, 0, &t));
    CHECK_OK(kt_sleep(0));
    return kt_error_set(-EPERM, "of main");
}

TEST_WITH(after_a_run_the_threads_words_are_mains_if_it_failed, KT_TEST_NO_LOOP)
{
    CHECK_ERR(kt_error_set(-EINVAL, "from before"), -EINVAL);
    CHECK_OK(kt_run(does_nothing, NULL, 0));
    CHECK_STR(kt_error_detail(), "from before");
    CHECK_ERR(kt_run(leaves_a_failure_and_fails, NULL, 0), -EPERM);
    CHECK_STR(kt_error_detail(), "of main");
}
