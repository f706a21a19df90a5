/* SPDX-License-Identifier: MIT */
#include "sure.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static bool simulated(void)
{
    return strcmp(kt_loop_driver(kt_loop_current()), "sim") == 0;
}

/* ---- One loop beside ----------------------------------------------------------------------- */

typedef struct seen {
    kt_loop *loop;
    pthread_t thread;
    const char *driver;
} seen;

static int looks_around(void *arg)
{
    seen *s = arg;
    s->loop = kt_loop_current();
    s->thread = pthread_self();
    s->driver = kt_loop_driver(s->loop);
    sure(kt_sleep(KT_MS(1)));
    return 7;
}

TEST_WITH(a_loop_beside_runs_on_a_thread_of_its_own, KT_TEST_REAL_TIME)
{
    seen other = {.loop = kt_loop_current(), .thread = pthread_self()};
    CHECK_EQ(kt_loop_run(NULL, looks_around, &other, 0), 7);
    CHECK(other.loop != kt_loop_current());
    CHECK(!pthread_equal(other.thread, pthread_self()));
    CHECK_STR(other.driver, kt_loop_driver(kt_loop_current()));
}

TEST_WITH(a_loop_beside_has_the_options_that_it_is_given, KT_TEST_REAL_TIME)
{
    const kt_options options = {.driver = KT_DRIVER_SIM};
    seen other = {.loop = kt_loop_current(), .thread = pthread_self()};
    CHECK_EQ(kt_loop_run(&options, looks_around, &other, 0), 7);
    const char *forced = getenv("KETTLE_DRIVER");
    CHECK_STR(other.driver, forced && *forced ? forced : "sim");
}

static int fails(void *arg)
{
    (void)arg;
    return kt_error_set(-EIO, "the kettle leaks");
}

TEST_WITH(the_words_of_a_failure_come_back, KT_TEST_REAL_TIME)
{
    CHECK_ERR(kt_loop_run(NULL, fails, NULL, 0), -EIO);
    CHECK_STR(kt_error_detail(), "the kettle leaks");
}

static int breaks_when_cancelled(void *arg)
{
    (void)arg;
    return kt_sleep(KT_FOREVER) < 0 ? kt_error_set(-EPIPE, "the cup breaks") : 0;
}

static int fails_and_leaves_one_that_does(void *arg)
{
    kt_task_detach(spawn(breaks_when_cancelled, NULL, 0));
    sure(kt_sleep(KT_MS(1)));
    return fails(arg);
}

TEST_WITH(not_those_of_a_task_that_fails_at_the_loops_end, KT_TEST_REAL_TIME)
{
    CHECK_ERR(kt_loop_run(NULL, fails_and_leaves_one_that_does, NULL, 0), -EIO);
    CHECK_STR(kt_error_detail(), "the kettle leaks");
}

TEST(beside_a_simulated_loop_there_is_no_other)
{
    seen other;
    int rc = simulated() ? kt_loop_run(NULL, looks_around, &other, 0) : KT_ENOTSIM;
    CHECK_ERR(rc, KT_ENOTSIM);
}

static int naps(void *arg)
{
    return kt_sleep(*(const kt_time *)arg);
}

static int ticks(void *arg)
{
    int *n = arg;
    for (;;) {
        int rc = kt_sleep(KT_MS(1));
        if (rc < 0)
            return rc;
        ++*n;
    }
}

TEST_WITH(the_callers_loop_goes_on_meanwhile, KT_TEST_REAL_TIME)
{
    int n = 0;
    kt_task *clock = spawn(ticks, &n, 0);
    const kt_time nap = KT_MS(30);
    CHECK_OK(kt_loop_run(NULL, naps, &nap, sizeof nap));
    CHECK_GE(n, 2);
    kt_task_cancel(clock);
    CHECK_ERR(kt_task_join(clock), KT_ECANCELED);
}

/* ---- Cancellation -------------------------------------------------------------------------- */

typedef struct cleanup {
    atomic_bool begun, over;
    bool swallows;
} cleanup;

static int cleans_up(void *arg)
{
    cleanup *c = arg;
    atomic_store(&c->begun, true);
    int rc = kt_sleep(KT_FOREVER);
    kt_cancel_hold();
    sure(kt_sleep(KT_MS(5)));
    kt_cancel_unhold();
    atomic_store(&c->over, true);
    if (c->swallows)
        CHECK_EQ(kt_cancel_catch(), rc);
    return c->swallows ? 5 : rc;
}

static int runs_beside(void *arg)
{
    return kt_loop_run(NULL, cleans_up, arg, 0);
}

static void wait_until_begun(const cleanup *c)
{
    while (!atomic_load(&c->begun))
        sure(kt_sleep(KT_MS(1)));
}

TEST_WITH(a_cancellation_is_passed_on_and_its_clean_up_awaited, KT_TEST_REAL_TIME)
{
    cleanup c = {.begun = false};
    kt_task *t = spawn(runs_beside, &c, 0);
    wait_until_begun(&c);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK(atomic_load(&c.over));
}

TEST_WITH(a_timeout_over_a_loop_beside_is_told_as_such, KT_TEST_REAL_TIME)
{
    cleanup c = {.begun = false};
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_MS(20));
    int rc = kt_loop_run(NULL, cleans_up, &c, 0);
    CHECK_ERR(rc, KT_ETIMEDOUT);
    CHECK_ERR(kt_timeout_end(&limit, rc), KT_ETIMEDOUT);
    CHECK(kt_timeout_expired(&limit));
    CHECK(atomic_load(&c.over) || !atomic_load(&c.begun));
}

static int cancels_itself(void *arg)
{
    (void)arg;
    kt_task_cancel(kt_task_current());
    return kt_sleep(KT_FOREVER);
}

TEST_WITH(one_that_cancels_itself_cancels_nobody_else, KT_TEST_REAL_TIME)
{
    CHECK_ERR(kt_loop_run(NULL, cancels_itself, NULL, 0), KT_ECANCELED);
    CHECK_OK(kt_sleep(0));
}

static int swallows_beside(void *arg)
{
    int rc = kt_loop_run(NULL, cleans_up, arg, 0);
    CHECK_EQ(rc, 5);
    return kt_sleep(0);
}

TEST_WITH(one_that_is_swallowed_there_shows_at_the_callers_next_call, KT_TEST_REAL_TIME)
{
    cleanup c = {.swallows = true};
    kt_task *t = spawn(swallows_beside, &c, 0);
    wait_until_begun(&c);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
}

TEST_WITH(a_cancellation_at_any_moment_leaves_nothing, KT_TEST_REAL_TIME)
{
    for (int i = 0; i < 60; i++) {
        cleanup c = {.begun = false};
        kt_task *t = spawn(runs_beside, &c, 0);
        sure(kt_sleep(i * KT_US(20)));
        kt_task_cancel(t);
        if (i % 3 == 0)
            kt_task_cancel(t);
        CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    }
}

static int leaves_a_task(void *arg)
{
    kt_task_detach(spawn(cleans_up, arg, 0));
    return kt_sleep(0);
}

TEST_WITH(the_tasks_that_it_leaves_are_cancelled_there, KT_TEST_REAL_TIME)
{
    cleanup c = {.begun = false};
    CHECK_OK(kt_loop_run(NULL, leaves_a_task, &c, 0));
    CHECK(atomic_load(&c.over));
}

/* ---- A set of loops ------------------------------------------------------------------------ */

#define MANY 4

typedef struct set {
    kt_loop *loops[MANY];
    atomic_uint arrived;
} set;

KT_FN(arrives, a, struct { set *set; })
{
    CHECK_EQ(kt_loops_count(), MANY);
    a->set->loops[kt_loops_index()] = kt_loop_current();
    atomic_fetch_add(&a->set->arrived, 1);
    while (atomic_load(&a->set->arrived) < MANY)
        sure(kt_sleep(KT_MS(1)));
    return 3;
}

TEST_WITH(each_loop_runs_it_once_and_knows_its_number, KT_TEST_REAL_TIME)
{
    set s = {.arrived = 0};
    CHECK_OK(kt_loops_run(MANY, KT_WITH(arrives, &s)));
    CHECK_EQ(atomic_load(&s.arrived), MANY);
    CHECK(s.loops[0] == kt_loop_current());
    for (int i = 0; i < MANY; i++)
        for (int k = 0; k < i; k++)
            CHECK(s.loops[i] != s.loops[k]);
    CHECK_EQ(kt_loops_index(), 0);
    CHECK_EQ(kt_loops_count(), 1);
}

TEST(in_virtual_time_they_are_tasks_of_one_loop)
{
    set s = {.arrived = 0};
    kt_time before = kt_now();
    CHECK_OK(kt_loops_run(MANY, KT_WITH(arrives, &s)));
    CHECK_EQ(atomic_load(&s.arrived), MANY);
    for (int i = 0; i < MANY; i++)
        CHECK(s.loops[i] == kt_loop_current());
    CHECK_EQ(kt_now() - before, KT_MS(1));
}

KT_FN(writes_to_its_own, n, struct { int n; })
{
    CHECK_EQ(n->n, 5);
    n->n += (int)kt_loops_index();
    int mine = n->n;
    sure(kt_sleep(KT_MS(2)));
    CHECK_EQ(n->n, mine);
    return 0;
}

TEST_WITH(each_has_its_own_copy_of_the_argument, KT_TEST_REAL_TIME)
{
    CHECK_OK(kt_loops_run(MANY, KT_WITH(writes_to_its_own, 5)));
}

static int counts(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
    return 0;
}

TEST_WITH(without_a_number_there_is_one_for_each_cpu, KT_TEST_REAL_TIME)
{
    cpu_set_t cpus;
    atomic_uint loops = 0;
    CHECK_OK(sched_getaffinity(0, sizeof cpus, &cpus));
    CHECK_OK(kt_loops_run(0, counts, &loops, 0));
    CHECK_EQ(atomic_load(&loops), (unsigned)CPU_COUNT(&cpus));
}

TEST(as_many_as_the_limit_run)
{
    atomic_uint loops = 0;
    CHECK_OK(kt_loops_run(KT_LOOPS_MAX, counts, &loops, 0));
    CHECK_EQ(atomic_load(&loops), KT_LOOPS_MAX);
}

TEST(more_than_the_limit_are_refused)
{
    atomic_uint loops = 0;
    CHECK_ERR(kt_loops_run(KT_LOOPS_MAX + 1, counts, &loops, 0), -EINVAL);
    CHECK_STR(kt_error_detail(), "1025 loops, at most 1024");
    CHECK_EQ(atomic_load(&loops), 0);
}

static int index_in_a_job(void *arg)
{
    (void)arg;
    return (int)kt_loops_index();
}

static int asks_everywhere(void *arg)
{
    const int index = (int)kt_loops_index();
    CHECK_EQ(kt_task_join(spawn(index_in_a_job, NULL, 0)), index);
    CHECK_EQ(kt_thread_run(index_in_a_job, NULL, 0), index);
    return counts(arg);
}

TEST_WITH(tasks_and_jobs_know_the_number_too, KT_TEST_REAL_TIME)
{
    atomic_uint loops = 0;
    CHECK_OK(kt_loops_run(MANY, asks_everywhere, &loops, 0));
    CHECK_EQ(atomic_load(&loops), MANY);
}

typedef struct failing {
    unsigned which;
    atomic_uint arrived, cancelled;
} failing;

static int one_fails(void *arg)
{
    failing *f = arg;
    atomic_fetch_add(&f->arrived, 1);
    while (kt_loops_index() == f->which && atomic_load(&f->arrived) < MANY)
        sure(kt_sleep(KT_MS(1)));
    if (kt_loops_index() == f->which)
        return kt_error_set(-EIO, "loop %u leaks", f->which);
    int rc = kt_sleep(KT_FOREVER);
    atomic_fetch_add(&f->cancelled, 1);
    return rc;
}

TEST_WITH(the_first_that_fails_cancels_the_others, KT_TEST_REAL_TIME)
{
    for (unsigned i = 0; i < MANY; i++) {
        failing f = {.which = i};
        char words[] = "loop 0 leaks";
        words[5] = (char)('0' + i);
        CHECK_ERR(kt_loops_run(MANY, one_fails, &f, 0), -EIO);
        CHECK_STR(kt_error_detail(), words);
        CHECK_EQ(atomic_load(&f.cancelled), MANY - 1);
        kt_failures all = kt_group_failures();
        CHECK_EQ(all.count, 1);
        words[6] = 0;
        CHECK_STR(all.items[0].name, words);
    }
}

static int all_of_them(void *arg)
{
    return kt_loops_run(MANY, one_fails, arg, 0);
}

TEST_WITH(a_cancellation_reaches_all_of_them, KT_TEST_REAL_TIME)
{
    failing f = {.which = MANY};
    kt_task *t = spawn(all_of_them, &f, 0);
    while (atomic_load(&f.arrived) < MANY)
        sure(kt_sleep(KT_MS(1)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(atomic_load(&f.cancelled), MANY);
}

static int two_more(void *arg)
{
    CHECK_OK(kt_loops_run(2, counts, arg, 0));
    CHECK_EQ(kt_loops_count(), 2);
    return 0;
}

TEST_WITH(a_loop_of_a_set_may_run_a_set, KT_TEST_REAL_TIME)
{
    atomic_uint loops = 0;
    CHECK_OK(kt_loops_run(2, two_more, &loops, 0));
    CHECK_EQ(atomic_load(&loops), 4);
}

static int stop(void *arg)
{
    const failing *f = arg;
    while (atomic_load(&f->arrived) < MANY)
        sure(kt_sleep(KT_MS(1)));
    CHECK_OK(kill(getpid(), SIGTERM));
    return 0;
}

static int loops_until_signalled(void *arg)
{
    kt_task_detach(spawn(stop, arg, 0));
    return kt_loops_run(MANY, one_fails, arg, 0);
}

TEST_WITH(a_signal_stops_all_of_them, KT_TEST_NO_LOOP)
{
    failing f = {.which = MANY};
    const char *forced = getenv("KETTLE_DRIVER");
    if (forced && strcmp(forced, "sim") == 0)
        kt_test_skip("the simulated driver takes no signals");
    CHECK_ERR(kt_run(loops_until_signalled, &f, 0), -EINTR);
    CHECK_EQ(atomic_load(&f.cancelled), MANY);
}

/* ---- Without threads ----------------------------------------------------------------------- */

#define STACK ((size_t)1 << 30)

static size_t address_space(void)
{
    char text[64] = "";
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fgets(text, sizeof text, f));
    fclose(f);
    return strtoull(text, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* Room for one thread, the stacks being large, and not for two. */
static struct rlimit limit_threads(void)
{
    pthread_attr_t attributes;
    struct rlimit before, tight;
    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, STACK), 0);
    CHECK_EQ(pthread_setattr_default_np(&attributes), 0);
    CHECK_EQ(pthread_attr_destroy(&attributes), 0);
    CHECK_OK(getrlimit(RLIMIT_AS, &before));
    tight = (struct rlimit){.rlim_cur = address_space() + STACK + STACK / 2, .rlim_max = before.rlim_max};
    CHECK_OK(setrlimit(RLIMIT_AS, &tight));
    return before;
}

TEST_WITH(a_loop_does_not_wait_for_the_thread_of_another, KT_TEST_REAL_TIME)
{
    failing f = {.which = MANY};
    const struct rlimit before = limit_threads();
    int rc = kt_loops_run(MANY, one_fails, &f, 0);
    CHECK_OK(setrlimit(RLIMIT_AS, &before));
    CHECK_ERR(rc, -EAGAIN);
    CHECK_EQ(atomic_load(&f.arrived), atomic_load(&f.cancelled));
}

/* ---- Eyes ---------------------------------------------------------------------------------- */

static atomic_uint mains_seen;

static void counts_mains(const char *line)
{
    if (strstr(line, "task 'main' waits for sleep, for ever"))
        atomic_fetch_add(&mains_seen, 1);
}

static int quits(void *arg)
{
    const failing *f = arg;
    while (atomic_load(&f->arrived) < MANY)
        sure(kt_sleep(KT_MS(1)));
    CHECK_OK(kill(getpid(), SIGQUIT));
    while (atomic_load(&mains_seen) < MANY - 1)
        sure(kt_sleep(KT_MS(1)));
    CHECK_OK(kill(getpid(), SIGTERM));
    return 0;
}

static int loops_until_seen(void *arg)
{
    kt_task_detach(spawn(quits, arg, 0));
    return kt_loops_run(MANY, one_fails, arg, 0);
}

TEST_WITH(sigquit_prints_the_tasks_of_all_of_them, KT_TEST_NO_LOOP)
{
    failing f = {.which = MANY};
    const kt_options options = {.dump_on_quit = true};
    const char *forced = getenv("KETTLE_DRIVER");
    if (forced && strcmp(forced, "sim") == 0)
        kt_test_skip("the simulated driver takes no signals");
    kt_log_hook_set(counts_mains);
    signal(SIGQUIT, SIG_DFL); /* the kit's own gives way */
    CHECK_ERR(kt_run_with(&options, loops_until_seen, &f, 0), -EINTR);
    kt_log_hook_set(NULL);
    CHECK_EQ(atomic_load(&mains_seen), MANY - 1);
}

static char dump[4096];

static void keeps_dump(const char *line)
{
    size_t used = strlen(dump);
    snprintf(dump + used, sizeof dump - used, "%s\n", line);
}

static int one_beside(void *nap)
{
    return kt_loop_run(NULL, naps, nap, sizeof(kt_time));
}

/* Where a task's stack was, so that nobody can use what was there and not notice. */
static int fills_its_stack(void *arg)
{
    char room[32 << 10];
    memset(room, 0xff, sizeof room);
    memcpy(arg, room + (uintptr_t)arg % 64, 1);
    return 0;
}

static int quits_meanwhile_and_afterwards(void *arg)
{
    char byte = 0;
    const kt_time nap = KT_MS(50);
    kt_task *t = spawn(one_beside, &nap, sizeof nap);
    sure(kt_sleep(KT_MS(10)));
    CHECK_OK(kill(getpid(), SIGQUIT));
    sure(kt_task_join(t));
    CHECK(strstr(dump, "waits for a loop on another thread"));
    sure(kt_task_join(spawn(fills_its_stack, &byte, 0)));
    CHECK_OK(kill(getpid(), SIGQUIT));
    sure(kt_sleep(KT_MS(10)));
    return (intptr_t)arg == 0 && byte == -1 ? 7 : 0;
}

TEST_WITH(a_loop_that_has_ended_is_not_asked_any_more, KT_TEST_NO_LOOP)
{
    const kt_options options = {.dump_on_quit = true};
    const char *forced = getenv("KETTLE_DRIVER");
    if (forced && strcmp(forced, "sim") == 0)
        kt_test_skip("the simulated driver takes no signals");
    kt_log_hook_set(keeps_dump);
    signal(SIGQUIT, SIG_DFL); /* the kit's own gives way */
    CHECK_EQ(kt_run_with(&options, quits_meanwhile_and_afterwards, NULL, 0), 7);
    kt_log_hook_set(NULL);
}

/* In virtual time a loop in which nothing can happen any more is a deadlock. This one may be told to end. */
TEST_WITH(a_loop_that_waits_for_its_caller_only_is_no_deadlock, KT_TEST_REAL_TIME)
{
    cleanup c = {.begun = false};
    const kt_options options = {.virtual_time = true};
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_MS(50));
    int rc = kt_loop_run(&options, cleans_up, &c, 0);
    CHECK_ERR(kt_timeout_end(&limit, rc), KT_ETIMEDOUT);
}

static int holds_on(void *arg)
{
    kt_event never = KT_EVENT_INIT;
    kt_cancel_hold();
    (void)arg;
    return kt_event_wait(&never);
}

static int leaves_one_that_holds_on(void *arg)
{
    kt_task_detach(spawn(holds_on, arg, 0));
    return kt_sleep(0);
}

/* Its caller can cancel the main task, and nothing else. */
TEST_DIES(one_whose_main_task_is_over_is_a_deadlock_again, KT_TEST_REAL_TIME, "deadlock")
{
    const kt_options options = {.virtual_time = true};
    CHECK_OK(kt_loop_run(&options, leaves_one_that_holds_on, NULL, 0));
}
