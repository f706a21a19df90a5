/* SPDX-License-Identifier: MIT */
/* What debug mode tells of steps: those that block, and what all of them cost. */
#include "watched.h"

#include "under_valgrind.h"

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
    CHECK(seconds_logged("task 'sleepy' has been blocking the loop for ") >= 0.05);
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
    CHECK(!was_logged("(nil)")); /* a frame that is none */
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

static int blocks_its_signals(void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &all, &before), 0);
    while (!was_logged("blocking the loop"))
        CHECK_EQ(usleep(10000), 0);
    *(int *)arg = count_logged("s; its stack cannot be had");
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    return 0;
}

static int joins_deaf(void *arg)
{
    return kt_task_join(spawn_named("deaf", blocks_its_signals, arg));
}

TEST_WITH(a_step_that_blocks_signals_is_reported_without_its_stack, KT_TEST_NO_LOOP)
{
    int seen = 0;
    CHECK_OK(run_watched(joins_deaf, &seen));
    CHECK_EQ(seen, 1);
    CHECK_EQ(count_logged("blocking the loop"), 1);
    CHECK(was_logged("task 'deaf' blocked the loop for "));
}

static int takes_many_steps(void *arg)
{
    kt_slow_step_set((kt_time)(intptr_t)arg);
    yield_times(200);
    return 0;
}

TEST_WITH(a_limit_of_no_time_is_the_default, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(takes_many_steps, (void *)0));
    CHECK_LT(count_logged("blocked the loop for "), 20); /* a busy machine may stop us that often */
    CHECK_OK(run_watched(takes_many_steps, (void *)1));
    CHECK_GT(count_logged("blocked the loop for "), 20);
}

TEST_WITH(the_last_loop_that_watches_gives_the_signal_back, KT_TEST_NO_LOOP)
{
    struct sigaction now;
    int nap = 1;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(run_watched(sleep_seconds, &nap));
        CHECK_EQ(sigaction(SIGURG, NULL, &now), 0);
        CHECK(now.sa_handler == SIG_DFL);
    }
}

static int sleeps_then_blocks(void *arg)
{
    sure(kt_sleep(KT_S(1)));
    return sleeps_on_the_thread(arg);
}

static int switches_under_way(void *arg)
{
    int seen = 0;
    kt_task_stats stats;
    kt_log_hook_set(keep_message);
    kt_task *begun = spawn_named("begun", sleeps_then_blocks, &seen);
    kt_task *behind = spawn_named("behind", sleeps_then_blocks, &seen);
    sure(kt_sleep(KT_MS(10)));
    kt_task *fresh = spawn_named("fresh", sleeps_then_blocks, &seen);
    kt_slow_step_set(KT_MS(50));
    kt_debug_set(true);
    CHECK_EQ(usleep(120000), 0);
    sure(kt_sleep(KT_MS(10)));
    CHECK(was_logged("task 'main' blocked the loop for "));
    sure(kt_task_join(begun));
    sure(kt_task_join(behind));
    kt_task_stats_get(fresh, &stats);
    CHECK_EQ(stats.steps, 1);
    kt_debug_set(false);
    sure(kt_task_join(fresh));
    kt_log_hook_set(NULL);
    (void)arg;
    return 0;
}

TEST_WITH(tasks_that_have_begun_are_watched_from_the_switch_on, KT_TEST_NO_LOOP)
{
    const kt_options options = {.virtual_time = true, .debug = KT_DEBUG_OFF};
    needs_threads_that_run_at_once();
    CHECK_OK(kt_run_with(&options, switches_under_way, NULL, 0));
    CHECK(was_logged("task 'begun' blocked the loop"));
    CHECK(was_logged("task 'behind' blocked the loop"));
    CHECK(!was_logged("task 'fresh' blocked the loop"));
}

static kt_event from_outside = KT_EVENT_INIT;

static void ignore(void *arg)
{
    (void)arg;
}

static void set_event(void *event)
{
    kt_event_set(event);
}

static void *calls_twice(void *loop)
{
    for (int i = 0; i < 2; i++) {
        usleep(20000);
        sure(kt_call_threadsafe(loop, i == 0 ? ignore : set_event, &from_outside));
    }
    return NULL;
}

static int waits_for_a_thread(void *arg)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, calls_twice, kt_loop_current()), 0);
    int rc = kt_event_wait(&from_outside);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    (void)arg;
    return rc;
}

TEST_WITH(a_loop_in_which_nothing_can_happen_says_so_once, KT_TEST_NO_LOOP)
{
    const kt_options options = {.debug = KT_DEBUG_ON};
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("the simulated driver waits for no thread");
    kt_log_hook_set(keep_message);
    CHECK_OK(kt_run_with(&options, waits_for_a_thread, NULL, 0));
    kt_log_hook_set(NULL);
    CHECK_EQ(count_logged("every task waits, and nothing of this loop can wake one"), 1);
    CHECK(was_logged("task 'main' waits for an event"));
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

/* The line of a dump about the task of that name. */
static const char *dumped_line(const char *name, char *line, int size)
{
    char start[40];
    FILE *file = tmpfile();
    CHECK(file != NULL);
    kt_task_dump(fileno(file));
    rewind(file);
    snprintf(start, sizeof start, "task '%s'", name);
    while (fgets(line, size, file) && !strstr(line, start))
        ;
    fclose(file);
    return line;
}

static int dumps_costs(void *arg)
{
    char line[800];
    kt_task *before = spawn_named("before", sleep_seconds, &(int){1});
    sure(kt_sleep(0));
    CHECK(!strstr(dumped_line("before", line, sizeof line), "of CPU"));
    kt_debug_set(true);
    kt_task *after = spawn_named("after", sleep_seconds, &(int){1});
    sure(kt_sleep(0));
    CHECK(strstr(dumped_line("before", line, sizeof line), " s old, 0 steps, 0.000 s of CPU, "));
    CHECK(!strstr(line, "spawned at"));
    CHECK(strstr(dumped_line("after", line, sizeof line), UNDER_VALGRIND ? " s old, 1 steps, 0.0" /* slow */
                                                                          : " s old, 1 steps, 0.000 s of CPU, "));
    CHECK(strstr(line, " KiB of stack; spawned at spawn_named+0x"));
    kt_debug_set(false);
    CHECK(!strstr(dumped_line("after", line, sizeof line), "of CPU"));
    (void)arg;
    sure(kt_task_join(before));
    return kt_task_join(after);
}

TEST_WITH(a_dump_tells_costs_while_they_are_counted, KT_TEST_NO_LOOP)
{
    const kt_options options = {.virtual_time = true, .debug = KT_DEBUG_OFF};
    CHECK_OK(kt_run_with(&options, dumps_costs, NULL, 0));
}

static void add_cpu(const kt_spawn_site *s, void *cpu)
{
    *(kt_time *)cpu += s->cpu;
}

static int uses_a_large_stack(void *arg)
{
    volatile char room[1500 << 10];
    for (size_t i = 0; i < sizeof room; i += 512)
        room[i] = 1;
    int rc = kt_sleep(0);
    (void)arg;
    return rc < 0 ? rc : room[512] - 1;
}

static int measures_a_large_one(void *arg)
{
    const kt_spawn_options options = {.stack_bytes = 4 << 20};
    kt_task_stats stats;
    kt_task *t;
    sure(kt_spawn_with(&options, uses_a_large_stack, NULL, 0, &t));
    sure(kt_sleep(0));
    kt_task_stats_get(t, &stats);
    CHECK_GE(stats.stack_bytes, 1500 << 10);
    CHECK_LT(stats.stack_bytes, 1600 << 10);
    (void)arg;
    return kt_task_join(t);
}

TEST_WITH(a_large_stack_is_measured_too, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(measures_a_large_one, NULL));
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
    kt_time cpu = 0;
    kt_spawn_site_each(add_cpu, &cpu);
    CHECK_GE(cpu, KT_MS(190));
    kt_task_detach(small);
    return 0;
}

static int yields_thrice(void *arg)
{
    (void)arg;
    yield_times(3);
    return 0;
}

/* A task that suspends hands over to the next by the shortest way, where nobody watches. */
static int counts_steps_of_neighbours(void *arg)
{
    const bool *begun_before = arg;
    kt_task_stats stats[3];
    kt_task *tasks[3];
    kt_debug_set(!*begun_before);
    for (int i = 0; i < 3; i++)
        tasks[i] = spawn(yields_thrice, NULL, 0);
    sure(kt_sleep(0));
    kt_debug_set(true);
    yield_times(5);
    for (int i = 0; i < 3; i++) {
        kt_task_stats_get(tasks[i], &stats[i]);
        sure(kt_task_join(tasks[i]));
        CHECK_EQ(stats[i].steps, *begun_before ? 3 : 4);
    }
    return 0;
}

TEST_WITH(each_step_of_tasks_that_follow_each_other_counts, KT_TEST_NO_LOOP)
{
    const kt_options options = {.virtual_time = true, .debug = KT_DEBUG_OFF};
    for (int before = 0; before < 2; before++)
        CHECK_OK(kt_run_with(&options, counts_steps_of_neighbours, &(bool){before}, 0));
}

TEST_WITH(steps_cpu_and_stack_are_counted_per_task_and_place, KT_TEST_NO_LOOP)
{
    kt_spawn_site deepest = {.address = NULL};
    CHECK_OK(run_watched(measures, &deepest));
    CHECK_GE(deepest.stack_bytes_max, 40 << 10);
    CHECK_EQ(deepest.ended, deepest.spawned);
    CHECK_GT(deepest.steps, 0);
}
