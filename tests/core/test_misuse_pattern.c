/* SPDX-License-Identifier: MIT */
/* The same for patterns, generators, signals and callbacks: every rule whose breach stops the program says so. */
#include "sure.h"

#include <signal.h>

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void ignore(int rc)
{
    (void)rc;
}

static void callback(void *arg)
{
    (void)arg;
}

/* ---- Callbacks, futures, signals, waits ------------------------------------------------------ */

TEST_DIES(a_callback_outside_a_loop, KT_TEST_NO_LOOP, "outside a loop")
{
    kt_callback c = KT_CALLBACK_INIT;
    kt_call_soon(&c, callback, NULL);
}

TEST_DIES(an_error_that_is_none, 0, "kt_future_set_error: 0 is no error")
{
    kt_future f = KT_FUTURE_INIT;
    ignore(kt_future_set_error(&f, 0));
}

TEST_DIES(a_signal_outside_a_loop, KT_TEST_NO_LOOP, "kt_signal_handle outside a loop")
{
    kt_signal s = KT_SIGNAL_INIT;
    ignore(kt_signal_handle(&s, SIGUSR1, callback, NULL));
}

TEST_DIES(a_signal_twice, KT_TEST_REAL_IO, "this kt_signal is in use already")
{
    kt_signal s = KT_SIGNAL_INIT;
    ignore(kt_signal_handle(&s, SIGUSR1, callback, NULL));
    ignore(kt_signal_handle(&s, SIGUSR2, callback, NULL));
}

TEST_DIES(watching_twice, 0, "kt_as_completed_start: started already")
{
    kt_as_completed a = KT_AS_COMPLETED_INIT;
    kt_task *t = spawn_sleeper(1);
    ignore(kt_as_completed_start(&a, &t, 1));
    ignore(kt_as_completed_start(&a, &t, 1));
}

/* ---- Coroutines ---------------------------------------------------------------------------- */

TEST_DIES(starting_a_generator_twice, 0, "kt_generator_start: the generator has been started already")
{
    kt_generator g = KT_GENERATOR_INIT(int);
    ignore(kt_generator_start(&g, nothing, NULL, 0));
    ignore(kt_generator_start(&g, nothing, NULL, 0));
}

static int leaves_a_timeout_open(void *arg)
{
    kt_timeout_start(arg, KT_S(1));
    return 0;
}

static int ends_in_a_hold(void *arg)
{
    (void)arg;
    kt_cancel_hold();
    return 0;
}

TEST_DIES(a_coroutine_that_ends_in_a_hold, 0,
          "a coroutine must not end between kt_cancel_hold and kt_cancel_unhold")
{
    kt_coroutine *c = NULL;
    ignore(kt_coroutine_new(ends_in_a_hold, NULL, 0, &c));
    ignore(kt_coroutine_resume(c, NULL, NULL));
}

static int yields_in_a_hold(void *arg)
{
    (void)arg;
    kt_cancel_hold();
    return kt_coroutine_yield(NULL, NULL);
}

TEST_DIES(a_coroutine_that_yields_in_a_hold, 0,
          "a coroutine must not yield between kt_cancel_hold and kt_cancel_unhold")
{
    kt_coroutine *c = NULL;
    ignore(kt_coroutine_new(yields_in_a_hold, NULL, 0, &c));
    ignore(kt_coroutine_resume(c, NULL, NULL));
}

TEST_DIES(a_coroutine_that_ends_inside_a_timeout, 0,
          "a coroutine must not end inside a timeout or group that it opened")
{
    static kt_timeout limit = KT_TIMEOUT_INIT;
    kt_coroutine *c = NULL;
    ignore(kt_coroutine_new(leaves_a_timeout_open, &limit, 0, &c));
    ignore(kt_coroutine_resume(c, NULL, NULL));
}

static int resumes(void *arg)
{
    return kt_coroutine_resume(arg, NULL, NULL);
}

static int runs_a_loop(void *arg)
{
    return kt_run(resumes, arg, 0);
}

TEST_DIES(a_coroutine_of_another_loop, KT_TEST_REAL_TIME, "a coroutine of another loop cannot be resumed")
{
    kt_coroutine *c = NULL;
    ignore(kt_coroutine_new(nothing, NULL, 0, &c));
    ignore(kt_thread_run(runs_a_loop, c, 0));
}

/* ---- Periodic work and debouncers ------------------------------------------------------------ */

TEST_DIES(a_period_of_nothing, 0, "misuse in task 'main': kt_periodic: the interval must be more than 0")
{
    kt_periodic p = {.interval = 0};
    ignore(kt_periodic_start(&p, nothing, NULL, 0));
}

TEST_DIES(running_with_a_period_of_nothing, 0, "kt_periodic: the interval must be more than 0")
{
    kt_periodic p = {.interval = 0};
    ignore(kt_periodic_run(&p, nothing, NULL, 0));
}

TEST_DIES(starting_what_runs_periodically, 0, "kt_periodic_start: tea is running")
{
    kt_periodic p = {.interval = KT_S(1), .name = "tea"};
    ignore(kt_periodic_start(&p, nothing, NULL, 0));
    ignore(kt_periodic_start(&p, nothing, NULL, 0));
}

static int cleans_up_slowly(void *arg)
{
    (void)arg;
    kt_cancel_hold();
    ignore(kt_sleep(KT_S(1)));
    kt_cancel_unhold();
    return kt_sleep(0);
}

static int stops(void *arg)
{
    return kt_periodic_stop(arg);
}

/* Its run cleans up, and somebody waits for that. */
static void begin_to_stop(kt_periodic *p)
{
    ignore(kt_periodic_start(p, cleans_up_slowly, "arg", 4));
    ignore(kt_sleep(KT_S(1)));
    (void)spawn(stops, p, 0);
    ignore(kt_sleep(0));
}

TEST_DIES(starting_what_is_just_being_stopped, 0, "kt_periodic_start: tea is running")
{
    kt_periodic p = {.interval = KT_S(1), .name = "tea"};
    begin_to_stop(&p);
    ignore(kt_periodic_start(&p, nothing, NULL, 0));
}

TEST_DIES(stopping_what_is_just_being_stopped, 0, "task 'tea' is being joined already")
{
    kt_periodic p = {.interval = KT_S(1), .name = "tea"};
    begin_to_stop(&p);
    ignore(kt_periodic_stop(&p));
}

static int stops_itself(void *arg)
{
    return kt_periodic_stop(arg);
}

TEST_DIES(stopping_from_within_the_run, 0, "kt_periodic_stop: called from within the run")
{
    kt_periodic p = {.interval = KT_S(1)};
    ignore(kt_periodic_start(&p, stops_itself, &p, 0));
    ignore(kt_sleep(KT_S(2)));
}

static int flushes_itself(void *arg)
{
    return kt_debouncer_flush(arg);
}

TEST_DIES(flushing_from_within_the_call, 0, "kt_debouncer_flush: called by the very call")
{
    kt_debouncer d = KT_DEBOUNCER_INIT(KT_S(1));
    ignore(kt_debouncer_call(&d, flushes_itself, &d, 0));
    ignore(kt_sleep(KT_S(2)));
}

/* ---- Rates --------------------------------------------------------------------------------- */

TEST_DIES(the_delay_of_a_rate_of_no_starts, 0, "kt_rate: needs at least one start and a period")
{
    const kt_rate r = KT_RATE_INIT(0, KT_S(1));
    CHECK_EQ(kt_rate_delay(&r), 0);
}

TEST_DIES(a_rate_of_no_starts, 0, "kt_rate: needs at least one start and a period")
{
    kt_rate r = KT_RATE_INIT(0, KT_S(1));
    ignore(kt_rate_acquire(&r));
}

static int acquires(void *arg)
{
    return kt_rate_acquire(arg);
}

TEST_DIES(releasing_a_rate_with_a_waiter, 0, "kt_rate_release: a task waits for this rate")
{
    kt_rate r = KT_RATE_INIT(1, KT_S(5));
    ignore(kt_rate_acquire(&r));
    kt_task_detach(spawn(acquires, &r, 0));
    ignore(kt_sleep(KT_S(1)));
    kt_rate_release(&r);
}

TEST_DIES(a_bucket_without_room, 0, "kt_bucket: needs room for at least one token")
{
    kt_bucket b = KT_BUCKET_INIT(1, KT_S(1), 0);
    ignore(kt_bucket_take(&b, 1));
}

/* ---- Broadcasts, caches, pools, pipelines ------------------------------------------------------ */

TEST_DIES(subscribing_twice, 0, "kt_subscriber_open: the subscriber is open")
{
    kt_broadcast b = KT_BROADCAST_INIT(int);
    kt_subscriber s = {.max = 1};
    ignore(kt_subscriber_open(&s, &b));
    ignore(kt_subscriber_open(&s, &b));
}

static int closes_its_cache(kt_slice key, void *ret_value, void *arg)
{
    (void)key;
    (void)ret_value;
    kt_cache_close(*(kt_cache **)arg);
    return 0;
}

TEST_DIES(closing_a_cache_from_a_fetch, 0, "kt_cache_close: called by a fetch of this cache")
{
    kt_cache *self, c = {.value_bytes = 1, .fetch = closes_its_cache, .arg = &self};
    kt_cached hit = KT_CACHED_INIT;
    self = &c;
    ignore(kt_cache_get(&c, kt_slice_from("tea"), &hit));
}

static int creates(void **ret_resource, void *arg)
{
    *ret_resource = arg;
    return 0;
}

TEST_DIES(opening_a_pool_twice, 0, "kt_resource_pool_open: the pool is open")
{
    kt_resource_pool p = {.create = creates};
    ignore(kt_resource_pool_open(&p));
    ignore(kt_resource_pool_open(&p));
}

TEST_DIES(a_pool_that_makes_nothing, 0, "kt_resource_pool_open: needs a create function, and min <= max")
{
    kt_resource_pool p = {.create = NULL};
    ignore(kt_resource_pool_open(&p));
}

static int works(kt_stage *s, void *item, void *arg)
{
    (void)s;
    (void)item;
    (void)arg;
    return 0;
}

TEST_DIES(a_stage_without_work, 0, "kt_pipeline_start: a stage needs a run function")
{
    kt_stage s = {.item_bytes = 1};
    kt_pipeline p = KT_PIPELINE_INIT;
    ignore(kt_pipeline_start(&p, &s, 1));
}

TEST_DIES(a_pipeline_without_stages, 0, "kt_pipeline_start: a pipeline has at least one stage")
{
    kt_stage s = {.run = works, .item_bytes = 1};
    kt_pipeline p = KT_PIPELINE_INIT;
    ignore(kt_pipeline_start(&p, &s, 0));
}

TEST_DIES(starting_a_pipeline_twice, 0, "kt_pipeline_start: the pipeline is running")
{
    kt_stage s = {.run = works, .item_bytes = 1};
    kt_pipeline p = KT_PIPELINE_INIT;
    ignore(kt_pipeline_start(&p, &s, 1));
    ignore(kt_pipeline_start(&p, &s, 1));
}
