/* SPDX-License-Identifier: MIT */
#include "sure.h"

#include <kettle/simulated.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

static bool simulated(void)
{
    return strcmp(kt_loop_driver(kt_loop_current()), "sim") == 0;
}

static void nap(int ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* ---- Run --------------------------------------------------------------------------------- */

static int looks_around(void *arg)
{
    CHECK(kt_task_current() == NULL);
    return *(int *)arg + 1;
}

TEST(a_job_works_on_the_callers_argument_and_gives_its_result)
{
    int n = 6;
    CHECK_EQ(kt_thread_run(looks_around, &n, 0), 7);
    CHECK_EQ(kt_thread_run(looks_around, &n, sizeof n), 7);
}

static int fails(void *arg)
{
    return kt_error_set(-EIO, "the %s leaks", (const char *)arg);
}

TEST(a_jobs_failure_brings_its_words)
{
    CHECK_ERR(kt_thread_run(fails, "kettle", 0), -EIO);
    CHECK_STR(kt_error_detail(), "the kettle leaks");
}

static int fails_silently(void *arg)
{
    (void)arg;
    return -EIO;
}

/* The pool's one thread has run both. */
TEST(a_job_that_fails_without_words_brings_none_of_another_jobs)
{
    const kt_thread_pool_options one = {.threads_max = 1};
    kt_auto(kt_thread_pool) *p = NULL;
    CHECK_OK(kt_thread_pool_open(&one, &p));
    CHECK_ERR(kt_thread_pool_run(p, fails, "kettle", 0), -EIO);
    CHECK_ERR(kt_thread_pool_run(p, fails_silently, NULL, 0), -EIO);
    CHECK_STR(kt_error_detail(), "");
}

TEST(a_jobs_success_leaves_the_words_of_earlier_failures)
{
    int n = 1;
    CHECK_ERR(kt_error_set(-EIO, "cold water"), -EIO);
    CHECK_EQ(kt_thread_run(looks_around, &n, sizeof n), 2);
    n = -1;
    CHECK_EQ(kt_thread_run(looks_around, &n, sizeof n), 0);
    CHECK_STR(kt_error_detail(), "cold water");
}

static int which_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return 0;
}

TEST(jobs_run_beside_the_loop_or_under_sim_on_it)
{
    pthread_t thread = pthread_self();
    CHECK_OK(kt_thread_run(which_thread, &thread, 0));
    CHECK_EQ(pthread_equal(thread, pthread_self()) != 0, simulated());
}

KT_FN(spins_until, a, struct {
    const bool *over;
})
{
    while (!*a->over)
        sure(kt_sleep(0));
    return 0;
}

TEST(tasks_that_never_wait_do_not_keep_a_job_from_running)
{
    bool over = false;
    int n = 1;
    kt_task *t = spawn(KT_WITH(spins_until, &over));
    CHECK_EQ(kt_thread_run(looks_around, &n, 0), 2);
    over = true;
    CHECK_OK(kt_task_join(t));
}

TEST(jobs_that_follow_each_other_share_one_thread)
{
    pthread_t first = pthread_self(), later = first;
    CHECK_OK(kt_thread_run(which_thread, &first, 0));
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(kt_thread_run(which_thread, &later, 0));
        CHECK(pthread_equal(first, later));
    }
}

static int naps(void *arg)
{
    nap(30);
    ++*(int *)arg;
    return 0;
}

static int runs_a_nap(void *arg)
{
    return kt_thread_run(naps, arg, 0);
}

TEST(virtual_time_stands_still_while_a_job_runs)
{
    int napped = 0;
    kt_task *t = spawn(runs_a_nap, &napped, 0);
    yield_times(2);
    CHECK_OK(kt_sleep(KT_S(5)));
    CHECK_EQ(napped, 1);
    CHECK_EQ(kt_task_join(t), 0);
    CHECK_EQ(kt_now(), KT_S(5));
}

/* ---- Many at once ------------------------------------------------------------------------ */

static pthread_barrier_t barrier;

static int meets(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&barrier);
    return 0;
}

static int runs_a_meeting(void *arg)
{
    return kt_thread_run(meets, arg, 0);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Each job ends only when the other has begun: one idle thread must not be given both. */
TEST_WITH(jobs_that_wait_for_each_other_both_get_a_thread, KT_TEST_REAL_TIME)
{
    const kt_job jobs[] = {{runs_a_meeting, NULL, 0}, {runs_a_meeting, NULL, 0},
                           {runs_a_meeting, NULL, 0}};
    pthread_barrier_init(&barrier, NULL, 3);
    sure(kt_thread_run(nothing, NULL, 0));
    CHECK_OK(kt_sleep(KT_MS(20))); /* its thread is idle now */
    CHECK_OK(kt_gather(jobs, 3, NULL));
    CHECK_OK(kt_gather(jobs, 3, NULL)); /* three idle threads */
    pthread_barrier_destroy(&barrier);
}

static atomic_int running, most;

static int counts_itself(void *arg)
{
    int now = atomic_fetch_add(&running, 1) + 1, before = atomic_load(&most);
    (void)arg;
    while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
        ;
    nap(2);
    atomic_fetch_sub(&running, 1);
    return 1;
}

static int runs_a_count(void *arg)
{
    return kt_thread_run(counts_itself, arg, 0);
}

static int runs_forty(void *arg)
{
    kt_job jobs[40];
    int rcs[40];
    (void)arg;
    for (int i = 0; i < 40; i++)
        jobs[i] = (kt_job){runs_a_count, NULL, 0};
    sure(kt_gather(jobs, 40, rcs));
    for (int i = 0; i < 40; i++)
        CHECK_EQ(rcs[i], 1);
    return 0;
}

TEST_WITH(no_more_jobs_run_at_once_than_threads_are_allowed, KT_TEST_NO_LOOP)
{
    const kt_options three = {.threads_max = 3};
    CHECK_OK(kt_run_with(&three, runs_forty, NULL, 0));
    CHECK_LE(atomic_load(&most), 3);
    CHECK_GE(atomic_load(&most), 1);
}

/* ---- Cancelled --------------------------------------------------------------------------- */

typedef struct gate {
    sem_t begun, go;
    atomic_int ran;
} gate;

static int waits_at_gate(void *arg)
{
    gate *g = arg;
    sem_post(&g->begun);
    sem_wait(&g->go);
    atomic_fetch_add(&g->ran, 1);
    return 7;
}

static int runs_the_gate(void *arg)
{
    int rc = kt_thread_run(waits_at_gate, arg, 0);
    CHECK_EQ(rc, 7);
    CHECK_ERR(kt_sleep(0), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    return rc;
}

static void gate_open(gate *g)
{
    sem_init(&g->begun, 0, 0);
    sem_init(&g->go, 0, 0);
    atomic_store(&g->ran, 0);
}

TEST_WITH(a_job_that_has_begun_is_waited_for_and_its_result_wins, KT_TEST_REAL_TIME)
{
    gate g;
    gate_open(&g);
    kt_task *t = spawn(runs_the_gate, &g, 0);
    yield_times(2);
    sem_wait(&g.begun);
    kt_task_cancel(t);
    kt_task_cancel(t);
    CHECK_OK(kt_sleep(KT_MS(5)));
    CHECK(!kt_task_done(t));
    sem_post(&g.go);
    CHECK_EQ(kt_task_join(t), 7);
}

static int runs_behind(void *arg)
{
    return kt_thread_run(waits_at_gate, arg, 0);
}

/* One thread, which is busy: the job behind is taken back. */
static int cancels_the_second(void *arg)
{
    gate g, never;
    (void)arg;
    gate_open(&g);
    gate_open(&never);
    kt_task *first = spawn(runs_behind, &g, 0), *second = spawn(runs_behind, &never, 0);
    yield_times(2);
    sem_wait(&g.begun);
    kt_task_cancel(second);
    CHECK_ERR(kt_task_join(second), KT_ECANCELED);
    sem_post(&g.go);
    CHECK_EQ(kt_task_join(first), 7);
    return atomic_load(&never.ran);
}

TEST_WITH(a_job_that_has_not_begun_is_taken_back, KT_TEST_NO_LOOP)
{
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("no job waits behind another under sim");
    const kt_options one = {.threads_max = 1};
    CHECK_EQ(kt_run_with(&one, cancels_the_second, NULL, 0), 0);
}

/* ---- Abandoned --------------------------------------------------------------------------- */

static atomic_int dropped, done;

static void drop(void *arg)
{
    CHECK_EQ(*(int *)arg, 5);
    atomic_fetch_add(&dropped, 1);
}

static int does(void *arg)
{
    CHECK_EQ(*(int *)arg, 5);
    atomic_fetch_add(&done, 1);
    return -EIO; /* nobody asks */
}

static int abandons_many(void *arg)
{
    int n = 5;
    (void)arg;
    for (int i = 0; i < 100; i++)
        sure(kt_thread_abandon(does, &n, sizeof n, drop));
    n = 6; /* a copy was taken */
    return 0;
}

TEST_WITH(every_abandoned_argument_is_dropped_once_whether_its_job_ran_or_not, KT_TEST_NO_LOOP)
{
    CHECK_OK(kt_run(abandons_many, NULL, 0));
    CHECK_EQ(atomic_load(&dropped), 100);
    CHECK_LE(atomic_load(&done), 100);
}

TEST(abandon_does_not_wait)
{
    static int five = 5;
    CHECK_OK(kt_thread_abandon(does, &five, 0, NULL));
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK_EQ(atomic_load(&done), 1);
}

TEST_WITH(nothing_is_abandoned_outside_a_loop, KT_TEST_NO_LOOP)
{
    CHECK_ERR(kt_thread_abandon(does, NULL, 0, drop), KT_ENOTRUNNING);
    CHECK_EQ(atomic_load(&dropped), 0);
}

static void touch(void *arg)
{
    ++*(int *)arg;
}

static gate home;

KT_FN(calls_home_late, a, struct {
    kt_loop *loop;
    int *called;
})
{
    sem_post(&home.begun);
    nap(10);
    return kt_call_threadsafe(a->loop, touch, a->called);
}

static int abandons_a_caller(void *arg)
{
    int rc = kt_thread_abandon(KT_WITH(calls_home_late, kt_loop_current(), arg), NULL);
    if (rc == 0 && !simulated())
        sem_wait(&home.begun);
    return rc;
}

/* The call is dropped or made, and leaves no memory either way. */
TEST_WITH(a_job_that_outlasts_main_may_still_call_the_loop, KT_TEST_NO_LOOP)
{
    int called = 0;
    gate_open(&home);
    CHECK_OK(kt_run(abandons_a_caller, &called, 0));
    CHECK_LE(called, 1);
}

/* ---- A loop of its own --------------------------------------------------------------------- */

static const kt_context_var word = {"word"};

static int returns_zero(void *arg)
{
    (void)arg;
    return 0;
}

static int spawns_many(void *arg)
{
    CHECK_STR(kt_context_get(&word, "none"), "shared");
    for (int i = 0; i < 2000; i++) {
        kt_task *t = spawn(returns_zero, arg, 0);
        CHECK_OK(kt_task_join(t));
    }
    return 0;
}

static int runs_a_loop(void *arg)
{
    return kt_run_with(&(kt_options){.no_signals = true}, spawns_many, arg, 0);
}

static int in_thread(void *arg)
{
    return kt_thread_run(runs_a_loop, arg, 0);
}

TEST_WITH(loops_on_pool_threads_share_the_context_of_the_job, KT_TEST_REAL_TIME)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    CHECK_OK(kt_context_set(&word, "shared"));
    for (int i = 0; i < 4; i++)
        CHECK_OK(kt_group_spawn(&g, in_thread, NULL, 0));
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_STR(kt_context_get(&word, "none"), "shared");
}

/* ---- Under sim, for as long as is said ------------------------------------------------------ */

static int lasts(void *arg)
{
    kt__job_lasts(KT_S(2));
    kt__job_lasts(KT_S(1));
    CHECK_EQ(kt__job_lasted(), arg ? KT_S(3) : 0);
    return 7;
}

static int lasts_in_a_task(void *arg)
{
    return kt_thread_run(lasts, arg, 0);
}

TEST(a_job_that_lasts_ends_later_and_others_go_on_meanwhile)
{
    bool sim = simulated();
    kt_time start = kt_now();
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(lasts_in_a_task, sim ? &sim : NULL, 0, &t));
    if (sim) {
        CHECK_OK(kt_sleep(KT_S(1)));
        CHECK_EQ(kt_now() - start, KT_S(1));
        CHECK(!kt_task_done(t));
    }
    CHECK_EQ(kt_task_join(t), 7);
    CHECK(!sim || kt_now() - start == KT_S(3));
    CHECK_OK(kt_sleep(sim ? KT_S(1) : 0)); /* nothing is outstanding, so the clock may jump */
}

/* Outside a job there is nothing that could last, nor outside a loop. */
TEST_WITH(what_is_no_job_does_not_last, KT_TEST_NO_LOOP)
{
    kt__job_lasts(KT_S(1));
    CHECK_EQ(kt__job_lasted(), 0);
}

TEST(a_task_does_not_last)
{
    kt_time start = kt_now();
    kt__job_lasts(KT_S(1));
    CHECK_EQ(kt__job_lasted(), 0);
    CHECK_OK(kt_sleep(0));
    CHECK(!simulated() || kt_now() == start);
}
