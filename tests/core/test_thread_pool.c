/* SPDX-License-Identifier: MIT */
/* Thread pools of one's own. */
#include "sure.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "core/switch.h"

static kt_thread_pool *opened(const char *name, unsigned threads, size_t queue)
{
    const kt_thread_pool_options options = {.name = name, .threads_max = threads, .queue_max = queue};
    kt_thread_pool *p = NULL;
    sure(kt_thread_pool_open(&options, &p));
    return p;
}

static int adds_one(void *arg)
{
    return *(int *)arg + 1;
}

TEST(a_pool_runs_a_job_and_gives_its_result)
{
    kt_auto(kt_thread_pool) *p = NULL;
    int n = 6;
    CHECK_OK(kt_thread_pool_open(NULL, &p));
    CHECK_EQ(kt_thread_pool_run(p, adds_one, &n, 0), 7);
    CHECK_EQ(kt_thread_pool_run(p, adds_one, &n, sizeof n), 7);
}

static int tells_its_name(void *arg)
{
    return pthread_getname_np(pthread_self(), arg, 16);
}

TEST_WITH(threads_are_called_after_their_pool, KT_TEST_REAL_TIME)
{
    kt_auto(kt_thread_pool) *disk = opened("disk", 1, 0), *cut = opened("a-very-long-name", 1, 0);
    char name[16] = "";
    CHECK_OK(kt_thread_pool_run(disk, tells_its_name, name, 0));
    CHECK_STR(name, "disk-1");
    CHECK_OK(kt_thread_pool_run(cut, tells_its_name, name, 0));
    CHECK_STR(name, "a-very-long-n-1");
    CHECK_OK(kt_thread_run(tells_its_name, name, 0));
    CHECK_STR(name, "kettle-pool-1");
}

/* ---- Order and limits -------------------------------------------------------------------- */

static atomic_int running, most, order_count;
static int order[3];

static int notes_its_number(void *arg)
{
    int now = atomic_fetch_add(&running, 1) + 1;
    if (now > atomic_load(&most))
        atomic_store(&most, now);
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    order[atomic_fetch_add(&order_count, 1)] = *(int *)arg;
    atomic_fetch_sub(&running, 1);
    return *(int *)arg;
}

TEST(one_thread_runs_jobs_in_the_order_of_asking)
{
    kt_auto(kt_thread_pool) *p = opened("one", 1, 0);
    kt_task *tasks[3];
    for (int i = 0; i < 3; i++)
        CHECK_OK(kt_thread_pool_submit(p, notes_its_number, &i, sizeof i, &tasks[i]));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(kt_task_join(tasks[i]), i);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(order[i], i);
    CHECK_EQ(atomic_load(&most), 1);
}

typedef struct gate {
    sem_t begun, go;
    atomic_int ran;
} gate;

static void gate_open(gate *g)
{
    sem_init(&g->begun, 0, 0);
    sem_init(&g->go, 0, 0);
    atomic_store(&g->ran, 0);
}

static int waits_at_gate(void *arg)
{
    gate *g = arg;
    sem_post(&g->begun);
    sem_wait(&g->go);
    atomic_fetch_add(&g->ran, 1);
    return 7;
}

static atomic_int counted, dropped;

static int counts(void *arg)
{
    (void)arg;
    return atomic_fetch_add(&counted, 1);
}

static void drops(void *arg)
{
    (void)arg;
    atomic_fetch_add(&dropped, 1);
}

/* Who waits for his job holds himself back; what nobody waits for has a limit. */
TEST_WITH(a_full_queue_refuses_what_nobody_waits_for, KT_TEST_REAL_TIME)
{
    kt_auto(kt_thread_pool) *p = opened("full", 1, 2);
    kt_task *first, *second;
    gate g;
    gate_open(&g);
    CHECK_OK(kt_thread_pool_submit(p, waits_at_gate, &g, 0, &first));
    sem_wait(&g.begun);
    CHECK_OK(kt_thread_pool_abandon(p, counts, NULL, 0, drops));
    CHECK_OK(kt_thread_pool_abandon(p, counts, NULL, 0, drops));
    CHECK_ERR(kt_thread_pool_abandon(p, counts, NULL, 0, drops), KT_EFULL);
    CHECK_OK(kt_thread_pool_submit(p, counts, NULL, 0, &second));
    sem_post(&g.go);
    CHECK_EQ(kt_task_join(first), 7);
    CHECK_EQ(kt_task_join(second), 2);
    CHECK_EQ(atomic_load(&dropped), 2);
}

/* ---- Submitting -------------------------------------------------------------------------- */

TEST(a_submitted_job_has_its_own_copy_and_may_outlive_the_call)
{
    kt_auto(kt_thread_pool) *p = opened("copy", 1, 0);
    kt_task *t;
    int n = 1;
    CHECK_OK(kt_thread_pool_submit(p, adds_one, &n, sizeof n, &t));
    n = 50;
    CHECK_EQ(kt_task_join(t), 2);
    CHECK_OK(kt_thread_pool_submit(p, adds_one, &n, 0, &t));
    CHECK_EQ(kt_task_join(t), 51);
}

static int is_null(void *arg)
{
    return arg == NULL;
}

TEST(a_null_argument_arrives_as_such)
{
    kt_auto(kt_thread_pool) *p = opened("null", 1, 0);
    kt_task *t;
    CHECK_OK(kt_thread_pool_submit(p, is_null, NULL, 0, &t));
    CHECK_EQ(kt_task_join(t), 1);
    CHECK_EQ(kt_thread_pool_run(p, is_null, NULL, 0), 1);
}

TEST_WITH(a_submitted_job_that_has_not_begun_can_be_cancelled_a_begun_one_not, KT_TEST_REAL_TIME)
{
    kt_auto(kt_thread_pool) *p = opened("cancel", 1, 0);
    kt_task *begun, *queued;
    gate g;
    gate_open(&g);
    CHECK_OK(kt_thread_pool_submit(p, waits_at_gate, &g, 0, &begun));
    sem_wait(&g.begun);
    CHECK_OK(kt_thread_pool_submit(p, counts, NULL, 0, &queued));
    kt_task_cancel(begun);
    kt_task_cancel(queued);
    CHECK_ERR(kt_task_join(queued), KT_ECANCELED);
    CHECK(!kt_task_done(begun));
    sem_post(&g.go);
    CHECK_ERR(kt_task_join(begun), KT_ECANCELED); /* the request was never seen, but the job has been done */
    CHECK_EQ(atomic_load(&g.ran), 1);
    CHECK_EQ(atomic_load(&counted), 0);
}

/* ---- The end ----------------------------------------------------------------------------- */

TEST(closing_waits_for_every_job)
{
    kt_thread_pool *p = opened("close", 2, 0);
    for (int i = 0; i < 10; i++)
        CHECK_OK(kt_thread_pool_abandon(p, counts, NULL, 0, drops));
    kt_thread_pool_close(p);
    CHECK_EQ(atomic_load(&counted), 10);
    CHECK_EQ(atomic_load(&dropped), 10);
    kt_thread_pool_close(NULL);
}

static int closes(void *arg)
{
    kt_thread_pool_close(arg);
    return kt_sleep(0);
}

TEST_WITH(others_run_while_a_pool_closes_and_a_cancellation_is_held_back, KT_TEST_REAL_TIME)
{
    kt_thread_pool *p = opened("slow", 1, 0);
    kt_task *job;
    gate g;
    gate_open(&g);
    CHECK_OK(kt_thread_pool_submit(p, waits_at_gate, &g, 0, &job));
    kt_task *closer = spawn(closes, p, 0);
    CHECK_OK(kt_sleep(KT_MS(5)));
    kt_task_cancel(closer);
    CHECK_OK(kt_sleep(KT_MS(5)));
    CHECK(!kt_task_done(closer));
    sem_post(&g.go);
    CHECK_ERR(kt_task_join(closer), KT_ECANCELED);
    CHECK_EQ(kt_task_join(job), 7);
}

TEST(a_pool_that_is_shut_down_takes_no_jobs)
{
    kt_auto(kt_thread_pool) *p = opened("shut", 1, 0);
    kt_task *t;
    kt_thread_pool_shutdown(p, false);
    CHECK_ERR(kt_thread_pool_run(p, counts, NULL, 0), KT_ESHUTDOWN);
    CHECK_ERR(kt_thread_pool_submit(p, counts, NULL, 0, &t), KT_ESHUTDOWN);
    CHECK_ERR(kt_thread_pool_abandon(p, counts, NULL, 0, drops), KT_ESHUTDOWN);
    CHECK_EQ(atomic_load(&dropped), 0);
}

TEST_WITH(an_immediate_shutdown_takes_back_what_has_not_begun, KT_TEST_REAL_TIME)
{
    kt_auto(kt_thread_pool) *p = opened("now", 1, 0);
    kt_task *begun, *queued;
    gate g;
    gate_open(&g);
    CHECK_OK(kt_thread_pool_submit(p, waits_at_gate, &g, 0, &begun));
    sem_wait(&g.begun);
    CHECK_OK(kt_thread_pool_submit(p, counts, NULL, 0, &queued));
    CHECK_OK(kt_thread_pool_abandon(p, counts, NULL, 0, drops));
    kt_thread_pool_shutdown(p, true);
    CHECK_EQ(atomic_load(&dropped), 1);
    CHECK_ERR(kt_task_join(queued), KT_ESHUTDOWN);
    sem_post(&g.go);
    CHECK_EQ(kt_task_join(begun), 7);
    CHECK_EQ(atomic_load(&counted), 0);
}

static int leaves_a_pool_open(void *arg)
{
    kt_thread_pool *p = opened("left", 1, 0);
    (void)arg;
    for (int i = 0; i < 20; i++)
        sure(kt_thread_pool_abandon(p, counts, NULL, 0, drops));
    return 0;
}

TEST_WITH(a_pool_that_is_left_open_ends_with_its_loop, KT_TEST_NO_LOOP)
{
    CHECK_OK(kt_run(leaves_a_pool_open, NULL, 0));
    CHECK_EQ(atomic_load(&dropped), 20);
}

/* ---- The default pool -------------------------------------------------------------------- */

/* Of whatever number: a thread that has just answered may not be idle yet. */
static bool is_of_the_loops_own(const char *name)
{
    return strncmp(name, "kettle-pool-", 12) == 0;
}

TEST_WITH(jobs_that_name_no_pool_go_to_the_chosen_one, KT_TEST_REAL_TIME)
{
    kt_auto(kt_thread_pool) *p = opened("mine", 1, 0);
    char name[16] = "";
    kt_thread_pool_set_default(p);
    CHECK_OK(kt_thread_run(tells_its_name, name, 0));
    CHECK_STR(name, "mine-1");
    kt_thread_pool_set_default(NULL);
    CHECK_OK(kt_thread_run(tells_its_name, name, 0));
    CHECK(is_of_the_loops_own(name));
    kt_thread_pool_set_default(p);
    kt_thread_pool_shutdown(p, false);
    CHECK_OK(kt_thread_run(tells_its_name, name, 0));
    CHECK(is_of_the_loops_own(name));
}

/* ---- Contexts, memory, misuse ------------------------------------------------------------- */

static const kt_context_var word = {"word"};

static int sees_the_word(void *arg)
{
    return strcmp(kt_context_get(&word, "none"), arg) == 0;
}

static int sets_the_word(void *arg)
{
    return kt_context_set(&word, arg);
}

TEST(a_job_sees_the_context_of_who_asked)
{
    kt_auto(kt_thread_pool) *p = opened("context", 1, 0);
    kt_task *t;
    CHECK_OK(kt_context_set(&word, "tea"));
    CHECK_EQ(kt_thread_pool_run(p, sees_the_word, "tea", 0), 1);
    CHECK_OK(kt_thread_pool_submit(p, sees_the_word, "tea", 0, &t));
    CHECK_OK(kt_context_set(&word, "milk"));
    CHECK_EQ(kt_task_join(t), 1);
    CHECK_EQ(kt_thread_pool_run(p, sees_the_word, "milk", 0), 1);
}

KT_FN(asks_in_pool, a, struct {
    kt_thread_pool *pool;
    char *word;
})
{
    return kt_thread_pool_run(a->pool, sees_the_word, a->word, 0);
}

/* The job that waits for a thread sees what was there when it was asked for, whatever others set. */
TEST(a_job_sees_the_context_in_which_it_was_asked_for)
{
    kt_auto(kt_thread_pool) *p = opened("context", 1, 0);
    kt_auto(kt_context) *c = NULL;
    kt_task *t;
    CHECK_OK(kt_context_set(&word, "tea"));
    CHECK_OK(kt_context_copy(&c));
    CHECK_OK(kt_context_set(&word, "milk"));
    CHECK_EQ(kt_context_run(c, asks_in_pool, &(asks_in_pool_args){p, "tea"}, 0), 1);
    CHECK_OK(kt_spawn_with(&(kt_spawn_options){.eager = true, .context = c}, KT_WITH(asks_in_pool, p, "tea"), &t));
    CHECK_OK(kt_context_run(c, sets_the_word, "salt", 0));
    CHECK_EQ(kt_task_join(t), 1);
}

TEST(without_memory_nothing_is_handed_over)
{
    kt_thread_pool *p = NULL;
    kt_task *t;
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_thread_pool_open(NULL, &p), -ENOMEM);
    CHECK(!p);
    p = opened("memory", 1, 0);
    for (unsigned i = 1; i <= 2; i++) {
        kt_test_fail_allocation(i);
        CHECK_ERR(kt_thread_pool_submit(p, counts, &i, sizeof i, &t), -ENOMEM);
    }
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_thread_pool_abandon(p, counts, NULL, 0, drops), -ENOMEM);
    CHECK_EQ(kt_thread_pool_run(p, counts, NULL, 0), 0);
    kt_thread_pool_close(p);
}

TEST_WITH(no_pool_is_opened_outside_a_loop, KT_TEST_NO_LOOP)
{
    kt_thread_pool *p;
    CHECK_ERR(kt_thread_pool_open(NULL, &p), KT_ENOTRUNNING);
}

static int borrows(void *arg)
{
    return kt_thread_pool_run(arg, counts, NULL, 0);
}

static void *runs_a_borrower(void *arg)
{
    sure(kt_run_with(&(kt_options){.no_signals = true}, borrows, arg, 0));
    return NULL;
}

TEST_DIES(a_pool_of_another_loop, 0, "this thread pool belongs to another loop")
{
    kt_auto(kt_thread_pool) *p = opened("theirs", 1, 0);
    pthread_t thread;
    pthread_create(&thread, NULL, runs_a_borrower, p);
    pthread_join(thread, NULL);
}

TEST_WITH(many_jobs_on_many_pools_all_come_home, KT_TEST_REAL_TIME)
{
    kt_thread_pool *pools[4];
    for (int i = 0; i < 4; i++)
        pools[i] = opened("many", 3, 0);
    for (int i = 0; i < 2000; i++)
        CHECK_OK(kt_thread_pool_abandon(pools[i % 4], counts, NULL, 0, drops));
    for (int i = 0; i < 4; i++)
        kt_thread_pool_close(pools[i]);
    CHECK_EQ(atomic_load(&counted), 2000);
    CHECK_EQ(atomic_load(&dropped), 2000);
}

/* ---- Threads and their queue ----------------------------------------------------------------- */

static int meets(void *arg)
{
    return pthread_barrier_wait(arg) <= 0 ? 0 : -EINVAL;
}

static void start_and_open(gate *g, kt_thread_pool *p, kt_task **ret_task)
{
    gate_open(g);
    CHECK_OK(kt_thread_pool_submit(p, waits_at_gate, g, 0, ret_task));
    sem_wait(&g->begun);
}

TEST_WITH(a_job_is_taken_back_from_among_others, KT_TEST_REAL_TIME)
{
    kt_auto(kt_thread_pool) *p = opened("one", 1, 0);
    gate g;
    kt_task *first, *tasks[4];
    start_and_open(&g, p, &first);
    for (int i = 0; i < 4; i++)
        CHECK_OK(kt_thread_pool_submit(p, adds_one, &i, sizeof i, &tasks[i]));
    kt_task_cancel(tasks[2]);
    CHECK_ERR(kt_task_join(tasks[2]), KT_ECANCELED);
    kt_task_cancel(tasks[1]);
    CHECK_ERR(kt_task_join(tasks[1]), KT_ECANCELED);
    sem_post(&g.go);
    CHECK_EQ(kt_task_join(first), 7);
    CHECK_EQ(kt_task_join(tasks[0]), 1);
    CHECK_EQ(kt_task_join(tasks[3]), 4);
}

TEST_WITH(a_thread_that_was_idle_once_is_busy_again, KT_TEST_REAL_TIME)
{
    kt_auto(kt_thread_pool) *p = opened("two", 2, 0);
    pthread_barrier_t both;
    kt_task *tasks[2];
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(kt_thread_pool_run(p, adds_one, &i, 0), i + 1);
        CHECK_OK(kt_sleep(KT_MS(5))); /* until it is idle */
    }
    CHECK_EQ(pthread_barrier_init(&both, NULL, 2), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(kt_thread_pool_submit(p, meets, &both, 0, &tasks[i]));
        CHECK_OK(kt_sleep(KT_MS(5)));
    }
    for (int i = 0; i < 2; i++)
        CHECK_OK(kt_task_join(tasks[i]));
    pthread_barrier_destroy(&both);
}

static int runs_at_gate(void *g)
{
    return kt_thread_run(waits_at_gate, g, 0);
}

TEST_WITH(the_loops_own_pool_has_four_threads_more_than_there_are_cpus, KT_TEST_REAL_TIME)
{
    enum { JOBS = 40 };
    kt_task *tasks[JOBS];
    cpu_set_t cpus;
    gate g;
    gate_open(&g);
    CHECK_EQ(sched_getaffinity(0, sizeof cpus, &cpus), 0);
    int threads = CPU_COUNT(&cpus) + 4 < 32 ? CPU_COUNT(&cpus) + 4 : 32, begun = 0;
    for (int i = 0; i < JOBS; i++)
        CHECK_OK(kt_spawn(runs_at_gate, &g, 0, &tasks[i]));
    CHECK_OK(kt_sleep(0));
    for (int i = 0; i < threads; i++)
        CHECK_EQ(sem_wait(&g.begun), 0);
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK_EQ(sem_getvalue(&g.begun, &begun), 0);
    CHECK_EQ(begun, 0);
    for (int i = 0; i < JOBS; i++)
        sem_post(&g.go);
    for (int i = 0; i < JOBS; i++)
        CHECK_EQ(kt_task_join(tasks[i]), 7);
}

/* No address space for the stack of another thread. */
TEST_WITH(a_job_that_finds_no_thread_waits_for_one_that_is_there, KT_TEST_REAL_TIME)
{
    if (KT__ASAN || KT__TSAN)
        kt_test_skip("sanitizers need address space of their own");
    kt_auto(kt_thread_pool) *p = opened("two", 2, 0), *none = opened("none", 2, 0);
    gate g;
    kt_task *first, *second;
    struct rlimit before, limit;
    size_t pages = 0;
    int n = 1;
    start_and_open(&g, p, &first);
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%zu", &pages), 1);
    fclose(file);
    CHECK_EQ(getrlimit(RLIMIT_AS, &before), 0);
    limit = (struct rlimit){pages * 4096 + (2 << 20), before.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    CHECK_OK(kt_thread_pool_submit(p, adds_one, &n, sizeof n, &second));
    int rc = kt_thread_pool_run(none, adds_one, &n, 0);
    CHECK_EQ(setrlimit(RLIMIT_AS, &before), 0);
    CHECK_ERR(rc, -EAGAIN);
    CHECK_STR(kt_error_detail(), "no thread for a job");
    sem_post(&g.go);
    CHECK_EQ(kt_task_join(first), 7);
    CHECK_EQ(kt_task_join(second), 2);
}
