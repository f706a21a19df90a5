/* SPDX-License-Identifier: MIT */
/* The patterns upon tasks, and what a loop shares with the world around it, take no more memory for all that they have
 * done. */
#include "growth_jobs.h"
#include "../growth.h"
#include "sure.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kettle/cache.h>
#include <kettle/pool.h>

static void nothing(void *arg)
{
    (void)arg;
}

/* ---- The patterns --------------------------------------------------------------------------------- */

static int fetch(kt_slice key, void *ret_value, void *arg)
{
    (void)arg;
    if (key.data[0] == '7')
        return kt_error_set(-EIO, "no such key");
    *(int *)ret_value = 1;
    return kt_sleep(1);
}

/* Each time other keys, some of which cannot be had, or nobody waits for. */
static void ask_cache(void *cache)
{
    static int key;
    char text[16];
    for (int i = 0; i < 10; i++) {
        kt_auto(kt_cached) hit = KT_CACHED_INIT;
        snprintf(text, sizeof text, "%d", key++);
        int rc = kt_cache_get(cache, kt_slice_from(text), &hit);
        CHECK(rc == 0 || rc == -EIO);
    }
    snprintf(text, sizeof text, "%d", key - 1);
    (void)kt_cache_forget(cache, kt_slice_from(text));
}

TEST(a_cache_holds_no_more_than_it_may)
{
    kt_auto(kt_cache) c = {.value_bytes = sizeof(int), .entries_max = 50, .error_ttl = KT_S(1), .fetch = fetch};
    check_no_growth(50, ask_cache, &c);
    CHECK_LE(c.count, 50);
}

static int make(void **ret_resource, void *arg)
{
    *ret_resource = kt_alloc(100);
    (void)arg;
    return 0;
}

static void unmake(void *resource, void *arg)
{
    (void)arg;
    kt_free(resource);
}

static int takes_lease(void *pool)
{
    kt_auto(kt_lease) lease = KT_LEASE_INIT;
    int rc = kt_resource_pool_acquire(pool, &lease);
    return rc < 0 ? rc : kt_sleep(KT_S(1));
}

/* More than there are, so that some wait in vain; and some of the resources are spoilt. */
static void use_pool(void *pool)
{
    kt_task *t[5];
    kt_auto(kt_lease) lease = KT_LEASE_INIT;
    for (int i = 0; i < 5; i++)
        t[i] = spawn(takes_lease, pool, 0);
    sure(kt_sleep(KT_MS(100)));
    kt_task_cancel(t[4]);
    for (int i = 0; i < 5; i++)
        (void)!kt_task_join(t[i]);
    sure(kt_resource_pool_acquire(pool, &lease));
    kt_lease_discard(&lease);
}

TEST(a_pool_of_resources_holds_no_more_than_it_may)
{
    kt_auto(kt_resource_pool) p = {.max = 2, .idle_max = KT_S(3), .create = make, .destroy = unmake};
    sure(kt_resource_pool_open(&p));
    check_no_growth(50, use_pool, &p);
}

static int counts(void *arg)
{
    ++*(int *)arg;
    return kt_error_set(-EAGAIN, "not yet");
}

static int goes_on(int rc, void *arg)
{
    (void)rc;
    (void)arg;
    return 0;
}

static void use_patterns(void *arg)
{
    struct patterns {
        kt_rate rate;
        kt_debouncer debouncer;
        kt_breaker breaker;
    } *p = arg;
    int n = 0;
    for (int i = 0; i < 8; i++)
        sure(kt_rate_acquire(&p->rate));
    sure(kt_debouncer_call(&p->debouncer, succeeds, &n, sizeof n));
    sure(kt_debouncer_call(&p->debouncer, succeeds, &n, sizeof n));
    sure(kt_debouncer_flush(&p->debouncer));
    (void)!kt_breaker_run(&p->breaker, counts, &n, 0);
    kt_retry r = {.attempts = 3, .jitter = 0.5};
    CHECK_ERR(kt_retry_run(&r, counts, &n, 0), -EAGAIN);
}

TEST(rates_debouncers_breakers_and_retries_do_not_grow)
{
    struct {
        kt_rate rate;
        kt_debouncer debouncer;
        kt_breaker breaker;
    } p = {.rate = KT_RATE_INIT(3, KT_S(1)), .debouncer = KT_DEBOUNCER_INIT(KT_MS(10))};
    check_no_growth(50, use_patterns, &p);
    kt_debouncer_cleanup(&p.debouncer);
    kt_rate_release(&p.rate);
}

static void let_it_run(void *arg)
{
    (void)arg;
    sure(kt_sleep(KT_S(1)));
}

TEST(periodic_work_that_fails_does_not_grow)
{
    int n = 0;
    kt_periodic p = {.interval = KT_MS(100), .failed = goes_on};
    sure(kt_periodic_start(&p, counts, &n, 0));
    check_no_growth(30, let_it_run, NULL);
    CHECK_GT(n, 1000);
    sure(kt_periodic_stop(&p));
}

static int hands_on(kt_stage *s, void *item, void *arg)
{
    (void)arg;
    return *(int *)item % 3 == 0 ? kt_error_set(-EIO, "odd") : kt_stage_emit(s, item);
}

static int ends_here(kt_stage *s, void *item, void *arg)
{
    (void)s;
    (void)item;
    (void)arg;
    return 0;
}

static void feed_pipeline(void *pipeline)
{
    for (int i = 0; i < 50; i++)
        sure(kt_pipeline_put(pipeline, &i));
}

TEST(items_that_have_gone_through_a_pipeline_take_no_memory)
{
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    kt_stage stages[] = {{.run = hands_on, .item_bytes = sizeof(int), .workers = 3},
                         {.run = ends_here, .item_bytes = sizeof(int)}};
    sure(kt_pipeline_start(&p, stages, 2));
    check_no_growth(30, feed_pipeline, &p);
    CHECK_OK(kt_pipeline_join(&p, 0));
}

/* ---- Threads ------------------------------------------------------------------------------------- */

static int fails_in_thread(void *arg)
{
    (void)arg;
    return kt_error_set(-EIO, "in a thread");
}

static void use_threads(void *pool)
{
    kt_task *t = NULL;
    for (int i = 0; i < 5; i++) {
        sure(kt_thread_run(succeeds, NULL, 0));
        CHECK_ERR(kt_thread_pool_run(pool, fails_in_thread, NULL, 0), -EIO);
        sure(kt_thread_abandon(succeeds, "x", 1, NULL));
        sure(kt_thread_pool_submit(pool, succeeds, "x", 1, &t));
        sure(kt_task_join(t));
    }
}

TEST_WITH(jobs_that_are_done_take_no_memory, KT_TEST_REAL_TIME)
{
    kt_auto(kt_thread_pool) *p = NULL;
    sure(kt_thread_pool_open(&(kt_thread_pool_options){.threads_max = 2}, &p));
    check_no_growth(50, use_threads, p);
}

static int spawns_and_waits(void *loop)
{
    for (int i = 0; i < 5; i++) {
        kt_remote *r = NULL;
        CHECK_OK(kt_run_threadsafe(loop, yields, NULL, 0));
        CHECK_OK(kt_spawn_threadsafe(loop, fails, NULL, 0, &r));
        (void)kt_remote_cancel(r);
        CHECK_LT(kt_remote_wait(r, KT_FOREVER), 0);
        kt_remote_free(r);
        CHECK_OK(kt_spawn_threadsafe(loop, yields, NULL, 0, &r));
        kt_remote_free(r);
    }
    return 0;
}

static void visit_loop(void *loop)
{
    sure(kt_thread_run(spawns_and_waits, loop, 0));
}

TEST_WITH(tasks_that_came_from_other_threads_take_no_memory, KT_TEST_REAL_TIME)
{
    check_no_growth(30, visit_loop, kt_loop_current());
    yield_times(5); /* the last one, for which nobody has waited */
}

static void run_loop_beside(void *arg)
{
    (void)arg;
    sure(kt_loop_run(NULL, yields, NULL, 0));
    sure(kt_loops_run(2, yields, NULL, 0));
}

TEST_WITH(loops_that_have_ended_take_no_memory_of_the_one_that_goes_on, KT_TEST_REAL_TIME)
{
    check_no_growth(10, run_loop_beside, NULL);
}

/* ---- Descriptors and signals ------------------------------------------------------------------------ */

static int waits_for_byte(void *fd)
{
    return kt_fd_wait(*(int *)fd, KT_READABLE);
}

static void watch_pair(void *arg)
{
    int fds[2];
    (void)arg;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    sure(kt_fd_watch(fds[0], KT_READABLE, nothing, NULL));
    sure(kt_fd_watch(fds[0], KT_WRITABLE, nothing, NULL));
    yield_times(3);
    CHECK(kt_fd_unwatch(fds[0], KT_READABLE));
    CHECK(kt_fd_unwatch(fds[0], KT_WRITABLE));
    kt_task *t = spawn(waits_for_byte, &fds[1], 0);
    yield_times(2);
    CHECK(kt_task_cancel(t));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(write(fds[0], "x", 1), 1);
    sure(waits_for_byte(&fds[1]));
    close(fds[0]);
    close(fds[1]);
}

TEST_WITH(descriptors_that_were_watched_take_no_memory, KT_TEST_REAL_IO)
{
    check_no_growth(100, watch_pair, NULL);
}

static void handle_signal(void *arg)
{
    kt_auto(kt_signal) s = KT_SIGNAL_INIT;
    (void)arg;
    sure(kt_signal_handle(&s, SIGUSR1, nothing, NULL));
    CHECK_EQ(raise(SIGUSR1), 0);
    yield_times(2);
}

TEST_WITH(handlers_of_signals_that_were_released_take_no_memory, KT_TEST_REAL_TIME)
{
    check_no_growth(50, handle_signal, NULL);
}

/* ---- Eyes --------------------------------------------------------------------------------------------- */

static void dump_tasks(void *fd)
{
    kt_task *t = spawn_sleeper(10);
    sure(kt_sleep(0));
    kt_task_dump(*(int *)fd);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
}

TEST(dumps_of_the_tasks_take_no_memory)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK_GE(fd, 0);
    check_no_growth(4, dump_tasks, &fd);
    close(fd);
}
