/* SPDX-License-Identifier: MIT */
/* What debug mode tells, and that nobody hears of it otherwise. */
#include "watched.h"

#ifdef KT_VALGRIND
#include <valgrind/valgrind.h>
#define UNDER_VALGRIND RUNNING_ON_VALGRIND
#else
#define UNDER_VALGRIND 0
#endif

static void needs_threads_that_run_at_once(void)
{
    if (UNDER_VALGRIND)
        kt_test_skip("Valgrind runs one thread at a time, and ends a sleep that a signal interrupts");
}

/* ---- Steps that block ----------------------------------------------------------------------- */

/* Not static, so that the program's table has its name where libdw is not there. */
int sleeps_on_the_thread(void *arg);
int burns(void *arg);

int sleeps_on_the_thread(void *arg)
{
    double start = seconds_of(CLOCK_MONOTONIC);
    CHECK_EQ(usleep(300000), 0);
    CHECK(seconds_of(CLOCK_MONOTONIC) - start >= 0.3);
    *(int *)arg = count_logged("has been blocking the loop"); /* while it blocks */
    return 0;
}

static int joins_sleeper(void *arg)
{
    return kt_task_join(spawn_named("sleepy", sleeps_on_the_thread, arg));
}

TEST_WITH(a_blocking_sleep_is_reported_while_it_blocks_and_is_not_cut_short, KT_TEST_NO_LOOP)
{
    int seen = 0;
    needs_threads_that_run_at_once();
    CHECK_OK(run_watched(joins_sleeper, &seen));
    CHECK_EQ(seen, 1);
    CHECK(was_logged("task 'sleepy' has been blocking the loop for "));
    CHECK(was_logged("sleeps_on_the_thread+0x"));
    CHECK_EQ(count_logged("task 'sleepy' blocked the loop for "), 1);
    CHECK(seconds_logged("task 'sleepy' blocked the loop for ") >= 0.3);
    CHECK_EQ(count_logged("blocking the loop"), 1);
}

int burns(void *arg)
{
    volatile unsigned *sum = arg;
    for (double end = seconds_of(CLOCK_THREAD_CPUTIME_ID) + 0.2; seconds_of(CLOCK_THREAD_CPUTIME_ID) < end;)
        ++*sum;
    return 0;
}

static int joins_burner(void *arg)
{
    return kt_task_join(spawn_named("hot", burns, arg));
}

TEST_WITH(a_step_that_computes_too_long_is_reported_with_its_stack, KT_TEST_NO_LOOP)
{
    unsigned sum = 0;
    needs_threads_that_run_at_once();
    CHECK_OK(run_watched(joins_burner, &sum));
    CHECK(was_logged("task 'hot' has been blocking the loop for"));
    CHECK(was_logged("burns+0x"));
    CHECK(seconds_logged("task 'hot' blocked the loop for ") >= 0.2);
}

static void callback_that_blocks(void *arg)
{
    (void)arg;
    CHECK_EQ(usleep(120000), 0);
}

static int calls_soon(void *arg)
{
    kt_callback c = KT_CALLBACK_INIT;
    kt_call_soon(&c, callback_that_blocks, arg);
    return kt_sleep(KT_S(1));
}

TEST_WITH(a_callback_that_blocks_is_reported_too, KT_TEST_NO_LOOP)
{
    needs_threads_that_run_at_once();
    CHECK_OK(run_watched(calls_soon, NULL));
    CHECK(was_logged("a callback"));
    CHECK(was_logged("blocked the loop for "));
}

static int switches_debug(void *arg)
{
    int seen = 0;
    kt_log_hook_set(keep_message);
    CHECK(!kt_debug());
    kt_debug_set(true);
    kt_slow_step_set(KT_MS(50));
    CHECK(kt_debug());
    sure(joins_sleeper(&seen));
    kt_debug_set(false);
    sure(joins_sleeper(&seen));
    kt_log_hook_set(NULL);
    (void)arg;
    return 0;
}

TEST_WITH(debug_mode_is_switched_at_run_time, KT_TEST_NO_LOOP)
{
    const kt_options options = {.virtual_time = true, .debug = KT_DEBUG_OFF};
    needs_threads_that_run_at_once();
    CHECK_OK(kt_run_with(&options, switches_debug, NULL, 0));
    CHECK_EQ(count_logged("task 'sleepy' blocked the loop"), 1);
}

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

/* ---- What tasks cost ------------------------------------------------------------------------- */

static int uses_stack(void *arg)
{
    volatile char room[40 << 10];
    for (size_t i = 0; i < sizeof room; i += 512)
        room[i] = 1;
    int rc = kt_sleep(0);
    (void)arg;
    return rc < 0 ? rc : room[512] - 1;
}

static void find_deepest(const kt_spawn_site *s, void *arg)
{
    kt_spawn_site *deepest = arg;
    if (s->stack_bytes_max >= deepest->stack_bytes_max)
        *deepest = *s;
}

static int measures(void *arg)
{
    kt_spawn_site *deepest = arg;
    kt_task_stats stats;
    unsigned sum = 0;
    kt_task *small = spawn_named("small", sleep_seconds, &(int){1});
    kt_task *hot = spawn(burns, &sum, 0);
    kt_task *large;
    sure(kt_spawn(uses_stack, NULL, 0, &large)); /* a third place, also where `spawn` is not inlined */
    sure(kt_sleep(0));
    kt_task_stats_get(large, &stats);
    CHECK_GE(stats.stack_bytes, 40 << 10);
    CHECK_LT(stats.stack_bytes, 64 << 10);
    CHECK_EQ(stats.steps, 1);
    kt_task_stats_get(small, &stats);
    CHECK_GT(stats.stack_bytes, 0);
    CHECK_LE(stats.stack_bytes, 16 << 10);
    CHECK(kt_task_done(hot));
    kt_task_stats_get(hot, &stats);
    CHECK_GE(stats.cpu, KT_MS(190));
    sure(kt_task_join(hot));
    sure(kt_task_join(large));
    CHECK_GE(kt_spawn_site_each(find_deepest, deepest), 3);
    kt_task_detach(small);
    return 0;
}

TEST_WITH(steps_cpu_and_stack_are_counted_per_task_and_place, KT_TEST_NO_LOOP)
{
    kt_spawn_site deepest = {.address = NULL};
    CHECK_OK(run_watched(measures, &deepest));
    CHECK_GE(deepest.stack_bytes_max, 40 << 10);
    CHECK_EQ(deepest.ended, deepest.spawned);
    CHECK_GT(deepest.steps, 0);
}

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
