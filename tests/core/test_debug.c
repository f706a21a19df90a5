/* SPDX-License-Identifier: MIT */
/* What debug mode tells, and that nobody hears of it otherwise. */
#include "watched.h"

/* ---- What was forgotten --------------------------------------------------------------------- */

static int swallows(void *arg)
{
    (void)arg;
    int rc = kt_sleep(KT_S(9));
    return rc < 0 ? 0 : 1;
}

static int cancels_swallower(void *arg)
{
    kt_task *t = spawn_named("greedy", swallows, arg);
    yield_times(1);
    kt_task_cancel(t);
    return kt_task_join(t);
}

TEST_WITH(a_swallowed_cancellation_is_reported, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(cancels_swallower, NULL));
    CHECK(was_logged("task 'greedy', spawned at spawn_named"));
    CHECK(was_logged("swallowed a cancellation"));
}

static int takes_request_back(void *arg)
{
    (void)arg;
    CHECK_ERR(kt_sleep(KT_S(9)), KT_ECANCELED);
    kt_cancel_catch();
    return kt_task_uncancel(kt_task_current());
}

static int cancels_polite(void *arg)
{
    kt_task *t = spawn_named("polite", takes_request_back, arg);
    yield_times(1);
    kt_task_cancel(t);
    return kt_task_join(t);
}

TEST_WITH(a_request_that_was_taken_back_is_not_swallowed, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(cancels_polite, NULL));
    CHECK_STR(logged, "");
}

static kt_lock door = KT_LOCK_INIT;

static int takes_lock(void *arg)
{
    (void)arg;
    int rc = kt_lock_acquire(&door);
    CHECK_OK(rc); /* not a tail call, so that the place is here */
    return rc;
}

static int forgets_lock(void *arg)
{
    return kt_task_join(spawn_named("forgetful", takes_lock, arg));
}

TEST_WITH(a_lock_held_by_a_task_that_ended_is_reported, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(forgets_lock, NULL));
    CHECK(was_logged("task 'forgetful' ended and still holds a lock, taken at takes_lock"));
}

static int is_asked_once(void *arg)
{
    return (*(int *)arg)++;
}

static int takes_locks_again(void *arg)
{
    kt_condition *c = arg;
    int asked = 0;
    sure(kt_condition_acquire(&c[0]));
    sure(kt_condition_wait(&c[0]));
    sure(kt_condition_acquire(&c[1]));
    sure(kt_condition_wait_for(&c[1], is_asked_once, &asked));
    return 0;
}

static int forgets_conditions(void *arg)
{
    kt_condition c[2] = {KT_CONDITION_INIT, KT_CONDITION_INIT};
    kt_task *t = spawn_named("forgetful", takes_locks_again, c);
    (void)arg;
    for (int i = 0; i < 2; i++) {
        yield_times(2);
        sure(kt_condition_acquire(&c[i]));
        kt_condition_notify(&c[i], 1);
        kt_condition_release(&c[i]);
    }
    return kt_task_join(t);
}

TEST_WITH(a_conditions_lock_is_taken_where_it_was_waited_for, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(forgets_conditions, NULL));
    CHECK_EQ(count_logged("task 'forgetful' ended and still holds a lock, taken at takes_locks_again"), 2);
}

static int selects_lock(void *arg)
{
    kt_select_case c = kt_select_lock(arg);
    int rc = kt_select(&c, 1);
    CHECK_EQ(rc, 0);
    return rc;
}

static int forgets_selected(void *arg)
{
    kt_lock free = KT_LOCK_INIT, held = KT_LOCK_INIT;
    (void)arg;
    sure(kt_lock_acquire(&held));
    kt_task *t = spawn_named("at once", selects_lock, &free), *u = spawn_named("later", selects_lock, &held);
    yield_times(1);
    kt_lock_release(&held);
    sure(kt_task_join(t));
    return kt_task_join(u);
}

TEST_WITH(a_lock_that_was_selected_is_reported_too, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(forgets_selected, NULL));
    CHECK(was_logged("task 'at once' ended and still holds a lock, taken at selects_lock"));
    CHECK(was_logged("task 'later' ended and still holds a lock, taken at selects_lock"));
}

static int forgets_error(void *arg)
{
    (void)arg;
    static kt_future read = KT_FUTURE_INIT, unread = KT_FUTURE_INIT;
    sure(kt_future_set_error(&read, -EIO));
    sure(kt_future_set_error(&unread, -EIO));
    CHECK_ERR(kt_future_await(&read, NULL), -EIO);
    return 0;
}

TEST_WITH(a_futures_error_that_nobody_read_is_reported, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(forgets_error, NULL));
    CHECK_EQ(count_logged("a future's error, made at forgets_error"), 1);
    CHECK(was_logged("was never read"));
}

static int never_runs(void *arg)
{
    (void)arg;
    CHECK(false);
    return 0;
}

static int forgets_coroutine(void *arg)
{
    kt_coroutine *c;
    sure(kt_coroutine_new(never_runs, arg, 0, &c));
    kt_coroutine_close(c);
    return 0;
}

static int ends_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static int runs_coroutine(void *arg)
{
    kt_coroutine *c;
    sure(kt_coroutine_new(ends_at_once, arg, 0, &c));
    CHECK_OK(kt_coroutine_resume(c, NULL, NULL));
    kt_coroutine_close(c);
    return 0;
}

TEST_WITH(one_that_ran_is_not, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(runs_coroutine, NULL));
    CHECK(!was_logged("a coroutine"));
}

TEST_WITH(a_coroutine_that_never_ran_is_reported, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(forgets_coroutine, NULL));
    CHECK(was_logged("a coroutine, made at forgets_coroutine"));
    CHECK(was_logged("was never run"));
}

static int opens_things(void *arg)
{
    (void)arg;
    int closed = 0, open = 0;
    kt_debug_opened(&closed, "a session");
    kt_debug_opened(&open, "a basket");
    kt_debug_closed(&closed, "a session");
    return 0;
}

TEST_WITH(what_was_opened_and_not_closed_is_reported_with_its_place, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(opens_things, NULL));
    CHECK(was_logged("kettle: a basket, made at opens_things"));
    CHECK(!was_logged("a session"));
}

static int leaves_pool(void *arg)
{
    kt_thread_pool *closed, *open;
    (void)arg;
    sure(kt_thread_pool_open(NULL, &closed));
    sure(kt_thread_pool_open(NULL, &open));
    kt_thread_pool_close(closed);
    return 0;
}

TEST_WITH(a_pool_that_is_left_open_is_reported_with_its_place, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(leaves_pool, NULL));
    CHECK_EQ(count_logged("a thread pool, made at leaves_pool"), 1);
    CHECK_EQ(count_logged("was never closed"), 1);
}

/* ---- At the end ----------------------------------------------------------------------------- */

static void never_called(void *arg)
{
    CHECK(arg != NULL); /* it is: so this fails */
}

static void call_too_late(const char *message)
{
    keep_message(message);
    for (int i = 0; i < 3; i++)
        sure(kt_call_threadsafe(kt_loop_current(), never_called, NULL));
}

static int leaves_an_error(void *arg)
{
    return kt_future_set_error(arg, -EIO);
}

TEST_WITH(a_call_that_comes_after_the_loops_last_look_is_dropped, KT_TEST_NO_LOOP)
{
    const kt_options options = {.virtual_time = true, .debug = KT_DEBUG_ON};
    kt_future f = KT_FUTURE_INIT;
    kt_log_hook_set(call_too_late);
    CHECK_OK(kt_run_with(&options, leaves_an_error, &f, 0));
    kt_log_hook_set(NULL);
    CHECK(was_logged("a future's error"));
}

static int settles_well_where_errors_were(void *arg)
{
    kt_future *f = arg;
    for (int i = 0; i < 2; i++) {
        *f = (kt_future)KT_FUTURE_INIT;
        CHECK_OK(kt_future_set_error(f, -EIO));
    }
    *f = (kt_future)KT_FUTURE_INIT;
    CHECK_OK(kt_future_set_result(f, 5));
    return kt_future_result(f, NULL);
}

TEST_WITH(a_result_that_is_read_does_not_hide_errors_that_were_not, KT_TEST_NO_LOOP)
{
    kt_future f = KT_FUTURE_INIT;
    CHECK_OK(run_watched(settles_well_where_errors_were, &f));
    CHECK_EQ(count_logged("a future's error, made at"), 2);
}
