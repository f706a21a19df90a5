/* SPDX-License-Identifier: MIT */
/* What debug mode tells, and that nobody hears of it otherwise. */
#include "sure.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "core/core.h"

/* Reports come from the watching thread too. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* for what follows */
static char logged[32768];
static size_t logged_size;

static void keep_message(const char *message)
{
    size_t size = strlen(message);
    pthread_mutex_lock(&mutex);
    if (logged_size + size + 1 < sizeof logged) {
        memcpy(logged + logged_size, message, size);
        logged[logged_size + size] = '\n';
        logged_size += size + 1;
    }
    pthread_mutex_unlock(&mutex);
}

static int count_logged(const char *words)
{
    int count = 0;
    pthread_mutex_lock(&mutex);
    for (const char *p = logged; (p = strstr(p, words)); p++)
        count++;
    pthread_mutex_unlock(&mutex);
    return count;
}

static bool was_logged(const char *words)
{
    return count_logged(words) > 0;
}

/* Runs fn in debug mode and in virtual time, and keeps what is reported, that of the loop's end included. */
static int run_watched(kt_fn fn, void *arg)
{
    const kt_options options = {.virtual_time = true, .debug = KT_DEBUG_ON, .slow_step = KT_MS(50)};
    pthread_mutex_lock(&mutex);
    memset(logged, 0, sizeof logged);
    logged_size = 0;
    pthread_mutex_unlock(&mutex);
    kt_log_hook_set(keep_message);
    int rc = kt_run_with(&options, fn, arg, 0);
    kt_log_hook_set(NULL);
    return rc;
}

/* Reports name it, so it must be there. */
static __attribute__((noinline)) kt_task *spawn_named(const char *name, kt_fn fn, void *arg)
{
    const kt_spawn_options options = {.name = name};
    kt_task *t;
    sure(kt_spawn_with(&options, fn, arg, 0, &t));
    return t;
}

static double seconds_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
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
    CHECK_OK(run_watched(joins_sleeper, &seen));
    CHECK_EQ(seen, 1);
    CHECK(was_logged("task 'sleepy' has been blocking the loop for "));
    CHECK(was_logged("sleeps_on_the_thread+0x"));
    CHECK_EQ(count_logged("task 'sleepy' blocked the loop for "), 1);
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
    CHECK_OK(run_watched(joins_burner, &sum));
    CHECK(was_logged("task 'hot' has been blocking the loop for"));
    CHECK(was_logged("burns+0x"));
    CHECK(was_logged("task 'hot' blocked the loop for "));
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

/* ---- Circles -------------------------------------------------------------------------------- */

static int awaits(void *arg)
{
    return kt_task_await(*(kt_task **)arg);
}

static int makes_circle(void *arg)
{
    (void)arg;
    kt_task *tea, *coffee = NULL;
    tea = spawn_named("tea", awaits, &coffee);
    coffee = spawn_named("coffee", awaits, &tea);
    int rc = kt_wait_for(KT_S(5), awaits, &tea, 0);
    CHECK_EQ(kt_now(), KT_S(5));
    CHECK_ERR(kt_task_join(tea), KT_ECANCELED);
    CHECK_ERR(kt_task_join(coffee), KT_ECANCELED);
    return rc;
}

TEST_WITH(a_circle_of_tasks_is_reported_when_it_closes_and_a_limit_ends_it, KT_TEST_NO_LOOP)
{
    CHECK_ERR(run_watched(makes_circle, NULL), KT_ETIMEDOUT);
    CHECK_EQ(count_logged("deadlock: task 'coffee' waits for task 'tea', which waits for task 'coffee'"), 1);
}

typedef struct two_locks {
    kt_lock *first, *second;
} two_locks;

static int takes_two(void *arg)
{
    const two_locks *locks = arg;
    int rc = kt_lock_acquire(locks->first);
    if (rc == 0)
        rc = kt_sleep(KT_S(1));
    if (rc == 0)
        rc = kt_lock_acquire(locks->second);
    if (rc == 0)
        kt_lock_release(locks->second);
    kt_lock_release(locks->first);
    return rc;
}

static int crosses_locks(void *arg)
{
    (void)arg;
    kt_lock salt = KT_LOCK_INIT, pepper = KT_LOCK_INIT;
    kt_task *a = spawn_named("a", takes_two, &(two_locks){&salt, &pepper});
    kt_task *b = spawn_named("b", takes_two, &(two_locks){&pepper, &salt});
    sure(kt_sleep(KT_S(3)));
    kt_task_cancel(a);
    CHECK_ERR(kt_task_join(a), KT_ECANCELED);
    return kt_task_join(b);
}

TEST_WITH(locks_taken_in_two_orders_are_a_circle, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(crosses_locks, NULL));
    CHECK(was_logged("deadlock: task 'b' waits for a lock ('a'), which waits for a lock ('b')"));
}

static int waits_for_first(void *arg)
{
    int rc = kt_wait(arg, 2, KT_WAIT_FIRST_COMPLETED, KT_FOREVER);
    return rc < 0 ? rc : 0;
}

static int waits_for_either(void *arg)
{
    (void)arg;
    kt_task *both[2];
    both[0] = spawn_sleeper(1);
    both[1] = spawn_named("waiter", waits_for_first, both);
    CHECK_OK(kt_task_join(both[1]));
    return kt_task_join(both[0]);
}

TEST_WITH(who_waits_for_one_of_several_is_in_no_circle, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(waits_for_either, NULL));
    CHECK_STR(logged, "");
}

/* ---- Who waits, and what it costs -------------------------------------------------------------- */

static void note_name(kt_task *t, void *arg)
{
    char *names = arg;
    size_t used = strlen(names);
    snprintf(names + used, 64 - used, "%s", kt_task_name(t));
}

TEST(who_waits_for_a_task_can_be_asked)
{
    char names[64] = "";
    kt_task *tasks[3], *slow = spawn_sleeper(5);
    tasks[0] = spawn_named("A", awaits, &slow);
    tasks[1] = spawn_named("B", awaits, &slow);
    tasks[2] = spawn_named("C", awaits, &tasks[0]);
    yield_times(1);
    CHECK_EQ(kt_task_each_awaiter(slow, note_name, names), 2);
    CHECK_EQ(kt_task_each_awaiter(tasks[0], note_name, names), 1);
    CHECK_EQ(kt_task_each_awaiter(tasks[2], NULL, NULL), 0);
    CHECK_STR(names, "ABC");
    for (int i = 2; i >= 0; i--)
        CHECK_OK(kt_task_join(tasks[i]));
    CHECK_OK(kt_task_join(slow));
}

static int shields(void *arg)
{
    return kt_shield(*(kt_task **)arg);
}

/* It is told of the end a pass later than who awaits: by then the task may have been freed. */
TEST(a_shield_that_is_over_waits_for_no_task)
{
    kt_task *t = spawn_sleeper(1), *shield = spawn_named("shield", shields, &t);
    CHECK_OK(kt_task_await(t)); /* is in line before it */
    CHECK(!kt_task_done(shield));
    CHECK_EQ(kt_task_each_awaiter(t, NULL, NULL), 0);
    CHECK_OK(kt_task_join(t));
    kt_task_dump(STDOUT_FILENO);
    CHECK_OK(kt_task_join(shield));
}

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
    kt_task *small = spawn_named("small", awaits, &(kt_task *){spawn_sleeper(1)});
    kt_task *hot = spawn(burns, &sum, 0);
    kt_task *large = spawn(uses_stack, NULL, 0);
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

/* ---- The tree ---------------------------------------------------------------------------------- */

static int spawns_child(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    const kt_spawn_options named = {.name = "child"};
    kt_timeout_start(&limit, KT_S(30));
    sure(kt_group_spawn_with(&g, &named, sleep_seconds, arg, sizeof(int), NULL));
    return kt_timeout_end(&limit, kt_group_join(&g, 0));
}

TEST(a_dump_is_a_tree_with_what_each_waits_for_and_until_when)
{
    char text[16384] = "";
    FILE *file = tmpfile();
    CHECK(file != NULL);
    kt_task *parent = spawn_named("parent", spawns_child, &(int){9});
    yield_times(2);
    kt_task_dump(fileno(file));
    rewind(file);
    CHECK_GT(fread(text, 1, sizeof text - 1, file), 0);
    fclose(file);
    CHECK(strstr(text, "\n    task 'parent' waits for its group's children ('child'); timeout, 30.000 s left"));
    CHECK(strstr(text, "\n      task 'child' waits for sleep, 9.000 s left"));
    CHECK_OK(kt_task_join(parent));
}

static int quits(void *arg)
{
    CHECK_EQ(raise(SIGQUIT), 0);
    return kt_sleep(KT_MS((intptr_t)arg));
}

TEST_WITH(sigquit_prints_the_tasks_and_the_program_goes_on, KT_TEST_NO_LOOP)
{
    const kt_options options = {.dump_on_quit = true};
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("the simulated driver takes no signals");
    kt_log_hook_set(keep_message);
    signal(SIGQUIT, SIG_DFL); /* the kit's own gives way */
    CHECK_OK(kt_run_with(&options, quits, (void *)20, 0));
    kt_log_hook_set(NULL);
    CHECK(was_logged("task 'main' waits for sleep"));
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
