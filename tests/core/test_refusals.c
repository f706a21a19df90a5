/* SPDX-License-Identifier: MIT */
/* What cannot be done is refused by the documented code, and nothing has changed. */
#include "sure.h"

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- Sizes that overflow --------------------------------------------------------------------- */

TEST(counts_and_sizes_beyond_all_memory_give_enomem)
{
    enum { MANY = 3 };
    const kt_job jobs[MANY] = {{nothing, NULL, 0}};
    kt_task *t = spawn_sleeper(1), *tasks[MANY] = {t, t, t};
    kt_as_completed a = KT_AS_COMPLETED_INIT;
    kt_coroutine *c = NULL;
    kt_queue q = KT_QUEUE_INIT(int, 0);
    kt_cache cache = {.value_bytes = SIZE_MAX};
    CHECK_ERR(kt_gather(jobs, SIZE_MAX / 8, NULL), -ENOMEM);
    CHECK_ERR(kt_as_completed_start(&a, tasks, SIZE_MAX / 8), -ENOMEM);
    CHECK_ERR(kt_coroutine_new(nothing, jobs, SIZE_MAX, &c), -ENOMEM);
    CHECK_ERR(kt_thread_abandon(nothing, jobs, SIZE_MAX, NULL), -ENOMEM);
    CHECK_ERR(kt_cache_put(&cache, kt_slice_from("key"), jobs), -ENOMEM);
    q.item_bytes = SIZE_MAX;
    CHECK_ERR(kt_queue_put_nowait(&q, jobs), -ENOMEM);
    kt_cache_close(&cache);
    sure(kt_task_join(t));
}

/* ---- Nowhere to do it ------------------------------------------------------------------------ */

TEST_WITH(outside_loops_and_tasks_calls_say_so, KT_TEST_NO_LOOP)
{
    static const kt_context_var var = {"a variable"};
    kt_coroutine *c = NULL;
    CHECK_ERR(kt_context_set(&var, "value"), KT_ENOTRUNNING);
    CHECK_ERR(kt_coroutine_new(nothing, NULL, 0, &c), KT_ENOTRUNNING);
    CHECK_ERR(kt_runner_run(NULL, nothing, NULL, 0), KT_ENOTRUNNING);
    CHECK(!c);
}

/* ---- Over already ------------------------------------------------------------------------------ */

TEST(a_broadcast_that_is_shut_takes_nobody)
{
    kt_broadcast b = KT_BROADCAST_INIT(int);
    kt_subscriber s = {.max = 1};
    kt_broadcast_shutdown(&b);
    CHECK_ERR(kt_subscriber_open(&s, &b), KT_ESHUTDOWN);
    CHECK_ERR(kt_broadcast_send(&b, &(int){1}), KT_ESHUTDOWN);
    CHECK_ERR(kt_broadcast_send_nowait(&b, &(int){1}), KT_ESHUTDOWN);
    kt_broadcast_cleanup(&b);
}

static int fetches_slowly(kt_slice key, void *ret_value, void *arg)
{
    (void)key;
    (void)ret_value;
    (void)arg;
    int rc = kt_sleep(KT_S(5));
    if (kt_cancel_catch() < 0)
        sure(kt_sleep(KT_S(5))); /* its clean-up */
    return rc;
}

static int looks_up(kt_cache *c)
{
    kt_auto(kt_cached) hit = KT_CACHED_INIT;
    return kt_cache_get(c, kt_slice_from("key"), &hit);
}

static int asks(void *arg)
{
    return looks_up(arg);
}

static int closes(void *arg)
{
    kt_cache_close(arg);
    return 0;
}

TEST(a_cache_that_is_being_closed_takes_nothing)
{
    kt_cache c = {.value_bytes = 1, .fetch = fetches_slowly};
    kt_task *asker = spawn(asks, &c, 0);
    yield_times(1);
    kt_task *closer = spawn(closes, &c, 0);
    yield_times(1);
    CHECK_ERR(looks_up(&c), KT_ESHUTDOWN);
    CHECK_ERR(kt_cache_put(&c, kt_slice_from("key"), ""), KT_ESHUTDOWN);
    CHECK_ERR(kt_task_join(asker), KT_ESHUTDOWN);
    sure(kt_task_join(closer));
}

TEST(a_cache_without_a_fetch_finds_only_what_was_put)
{
    kt_auto(kt_cache) c = {.value_bytes = 1};
    CHECK_ERR(looks_up(&c), KT_ENOTFOUND);
    sure(kt_cache_put(&c, kt_slice_from("key"), "x"));
    sure(looks_up(&c));
}

static int yields_twice(void *arg)
{
    (void)arg;
    CHECK_ERR(kt_coroutine_yield(NULL, NULL), KT_ECLOSED);
    CHECK_ERR(kt_coroutine_yield(NULL, NULL), KT_ECLOSED); /* and ever after */
    return 0;
}

TEST(a_coroutine_that_is_being_closed_cannot_yield)
{
    kt_coroutine *c = NULL;
    sure(kt_coroutine_new(yields_twice, NULL, 0, &c));
    CHECK_EQ(kt_coroutine_resume(c, NULL, NULL), 1);
    kt_coroutine_close(c);
}

static int fails(void *arg)
{
    (void)arg;
    return -EIO;
}

TEST(a_wait_that_is_fulfilled_does_not_wait)
{
    kt_task *tasks[] = {spawn(fails, NULL, 0), spawn_sleeper(5)};
    kt_as_completed a = KT_AS_COMPLETED_INIT;
    kt_task *t = NULL;
    yield_times(1);
    CHECK_EQ(kt_wait(tasks, 2, KT_WAIT_FIRST_FAILED, KT_FOREVER), 1);
    CHECK_EQ(kt_as_completed_next(&a, &t), 0); /* never started: nothing to hand out */
    CHECK_ERR(kt_task_join(tasks[0]), -EIO);
    sure(kt_task_join(tasks[1]));
}

static void note(void *arg)
{
    ++*(int *)arg;
}

TEST(a_settled_future_calls_back_in_the_next_pass)
{
    kt_future f = KT_FUTURE_INIT;
    kt_callback c = KT_CALLBACK_INIT;
    int called = 0;
    sure(kt_future_set_result(&f, 1));
    kt_future_on_done(&f, &c, note, &called);
    CHECK_EQ(called, 0);
    yield_times(1);
    CHECK_EQ(called, 1);
}

/* ---- A task that is being cancelled and waits all the same -------------------------------------- */

typedef struct waits {
    kt_future future;
    kt_task *task;
} waits;

static int waits_again(void *arg)
{
    waits *w = arg;
    CHECK_ERR(kt_sleep(KT_S(1)), KT_ECANCELED);
    CHECK_ERR(kt_future_await(&w->future, NULL), KT_ECANCELED);
    CHECK_ERR(kt_shield(w->task), KT_ECANCELED);
    CHECK_ERR(kt_task_await(w->task), KT_ECANCELED);
    return 0;
}

TEST(what_a_cancelled_task_waits_for_is_left_alone)
{
    waits w = {KT_FUTURE_INIT, spawn_sleeper(5)};
    kt_task *t = spawn(waits_again, &w, 0);
    yield_times(1);
    kt_task_cancel(t);
    sure(kt_task_join(t));
    CHECK(!kt_future_done(&w.future)); /* the request had been seen: it is not passed on */
    sure(kt_task_join(w.task));
}

static int uses_context(void *arg)
{
    static const kt_context_var first = {"first"}, second = {"second"};
    sure(kt_context_set(&first, "1"));
    sure(kt_context_set(&second, "2"));
    CHECK_STR(kt_context_get(&first, arg), "1"); /* behind the newer one */
    return 0;
}

TEST(older_values_are_found_behind_newer_ones)
{
    sure(kt_task_join(spawn(uses_context, "none", 0)));
}

/* ---- The loop's end ---------------------------------------------------------------------------- */

static int calls_and_leaves(void *arg)
{
    (void)arg;
    kt_call_later(arg, KT_S(1), note, NULL);
    return 0;
}

TEST_WITH(a_callback_whose_time_has_not_come_ends_with_the_loop, KT_TEST_NO_LOOP)
{
    static kt_callback later = KT_CALLBACK_INIT;
    sure(kt_run(calls_and_leaves, &later, 0));
    CHECK(!kt_callback_pending(&later));
}
