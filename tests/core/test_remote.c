/* SPDX-License-Identifier: MIT */
/* Tasks that other threads start on a loop. */
#include "sure.h"

#include <pthread.h>
#include <stdatomic.h>

/* What a thread does, while the loop goes on. */
typedef struct visit {
    kt_loop *loop;
    int (*fn)(struct visit *v);
    atomic_bool over;
    int rc;
} visit;

static void *thread_main(void *arg)
{
    visit *v = arg;
    v->rc = v->fn(v);
    atomic_store(&v->over, true);
    return NULL;
}

static int visited_by(int (*fn)(visit *v))
{
    visit v = {.loop = kt_loop_current(), .fn = fn};
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, thread_main, &v), 0);
    while (!atomic_load(&v.over))
        sure(kt_sleep(KT_MS(1)));
    pthread_join(thread, NULL);
    return v.rc;
}

static int adds_one(void *arg)
{
    int rc = kt_sleep(KT_MS(1));
    return rc < 0 ? rc : *(int *)arg + 1;
}

static int fails(void *arg)
{
    (void)arg;
    return kt_error_set(-EIO, "the kettle leaks");
}

static int runs(visit *v)
{
    CHECK_EQ(kt_run_threadsafe(v->loop, adds_one, &(int){6}, sizeof(int)), 7);
    CHECK_ERR(kt_run_threadsafe(v->loop, fails, NULL, 0), -EIO);
    CHECK_STR(kt_error_detail(), "the kettle leaks");
    return 5;
}

TEST_WITH(a_thread_runs_a_task_and_gets_its_result_and_words, KT_TEST_REAL_TIME)
{
    CHECK_EQ(visited_by(runs), 5);
}

static int is_cancelled(void *arg)
{
    (void)arg;
    int rc = kt_sleep(KT_S(600));
    CHECK_ERR(rc, KT_ECANCELED);
    return rc;
}

/* The second request must find it alive. */
static int is_cancelled_twice(void *arg)
{
    const atomic_bool *twice = *(atomic_bool *const *)arg;
    int rc = is_cancelled(NULL);
    kt_cancel_hold();
    while (!atomic_load(twice))
        sure(kt_sleep(KT_MS(1)));
    kt_cancel_unhold();
    return rc;
}

static int waits_then_cancels(visit *v)
{
    atomic_bool twice = false, *place = &twice;
    kt_auto(kt_remote) *r = NULL;
    sure(kt_spawn_threadsafe(v->loop, is_cancelled_twice, &place, sizeof place, &r));
    CHECK_ERR(kt_remote_wait(r, KT_MS(5)), -ETIMEDOUT);
    CHECK(!kt_remote_done(r));
    CHECK(kt_remote_cancel(r));
    CHECK(kt_remote_cancel(r));
    atomic_store(&twice, true);
    CHECK_ERR(kt_remote_wait(r, KT_FOREVER), KT_ECANCELED);
    CHECK(kt_remote_done(r));
    CHECK(!kt_remote_cancel(r));
    return 0;
}

TEST_WITH(a_wait_has_a_limit_and_the_task_can_be_cancelled, KT_TEST_REAL_TIME)
{
    CHECK_EQ(visited_by(waits_then_cancels), 0);
}

static atomic_int ran;

static int counts(void *arg)
{
    (void)arg;
    atomic_fetch_add(&ran, 1);
    return 0;
}

static int lets_go(visit *v)
{
    kt_remote *r;
    sure(kt_spawn_threadsafe(v->loop, counts, NULL, 0, &r));
    kt_remote_free(r);
    kt_remote_free(NULL);
    return 0;
}

TEST_WITH(a_task_runs_on_when_its_handle_is_given_up, KT_TEST_REAL_TIME)
{
    CHECK_EQ(visited_by(lets_go), 0);
    CHECK_OK(kt_sleep(KT_MS(5)));
    CHECK_EQ(atomic_load(&ran), 1);
}

/* ---- The loop ends ------------------------------------------------------------------------- */

static atomic_int last_rc;

/* In a job of the pool, which the loop's end waits for: without end, unless it is told. */
static int calls_until_refused(void *loop)
{
    int rc;
    do
        rc = kt_run_threadsafe(loop, counts, NULL, 0);
    while (rc == 0);
    atomic_store(&last_rc, rc);
    return 0;
}

static int leaves_a_caller(void *arg)
{
    sure(kt_thread_abandon(calls_until_refused, kt_loop_current(), 0, NULL));
    (void)arg;
    while (atomic_load(&ran) < 3)
        sure(kt_sleep(KT_MS(1)));
    return 0;
}

static void skip_sim(void)
{
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("a job of the simulated driver runs on the loop's thread");
}

TEST_WITH(a_loop_that_ends_refuses_new_tasks, KT_TEST_NO_LOOP)
{
    skip_sim();
    CHECK_OK(kt_run(leaves_a_caller, NULL, 0));
    int rc = atomic_load(&last_rc);
    CHECK(rc == KT_ENOTRUNNING || rc == KT_ECANCELED);
}

static int calls_a_sleeper(void *loop)
{
    atomic_fetch_add(&ran, 1);
    atomic_store(&last_rc, kt_run_threadsafe(loop, is_cancelled, NULL, 0));
    return 0;
}

static int leaves_a_sleeper(void *arg)
{
    (void)arg;
    sure(kt_thread_abandon(calls_a_sleeper, kt_loop_current(), 0, NULL));
    while (kt_task_each(NULL, NULL) < 2)
        sure(kt_sleep(KT_MS(1)));
    return 0;
}

TEST_WITH(a_task_that_runs_when_the_loop_ends_is_cancelled, KT_TEST_NO_LOOP)
{
    skip_sim();
    CHECK_OK(kt_run(leaves_a_sleeper, NULL, 0));
    CHECK_ERR(atomic_load(&last_rc), KT_ECANCELED);
}

/* ---- Memory and misuse --------------------------------------------------------------------- */

static int runs_without_memory(visit *v)
{
    kt_remote *r;
    (void)v;
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_spawn_threadsafe(v->loop, counts, NULL, 0, &r), -ENOMEM);
    return 0;
}

TEST_WITH(without_memory_no_task_is_started, KT_TEST_REAL_TIME)
{
    CHECK_EQ(visited_by(runs_without_memory), 0);
}

TEST_DIES(blocking_a_loop, 0, "kt_run_threadsafe: would block the loop that runs on this thread")
{
    sure(kt_run_threadsafe(kt_loop_current(), counts, NULL, 0));
}
