/* SPDX-License-Identifier: MIT */
#include "sure.h"

#include "core/core.h"

#include <pthread.h>

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static int fails_with_words(void *arg)
{
    sure(kt_sleep(KT_S(1)));
    return kt_error_set(-EIO, "%s broke", (const char *)arg);
}

/* ---- Arguments --------------------------------------------------------------------------- */

KT_FN(sum, a, struct {
    int b, c;
    _Alignas(max_align_t) char d;
})
{
    CHECK_EQ((uintptr_t)a % _Alignof(max_align_t), 0);
    a->b += a->c + a->d; /* it is our own copy */
    return a->b;
}

TEST(arguments_are_copied_and_aligned)
{
    sum_args args = {1, 2, 3};
    kt_task *t = spawn(sum, &args, sizeof args);
    args.c = 1000;
    CHECK_EQ(kt_task_join(t), 6);
    CHECK_EQ(args.b, 1);
}

static int store_seven(void *arg)
{
    *(int *)arg = 7;
    return 0;
}

TEST(size_0_passes_the_pointer_itself)
{
    int n = 0;
    CHECK_EQ(kt_task_join(spawn(store_seven, &n, 0)), 0);
    CHECK_EQ(n, 7);
}

TEST(an_argument_may_be_large)
{
    char *large = kt_alloc(1 << 20);
    CHECK(large != NULL);
    memset(large, 'k', 1 << 20);
    kt_task *t = spawn(seven, large, 1 << 20);
    kt_free(large);
    CHECK_EQ(kt_task_join(t), 7);
}

TEST(an_argument_beyond_memory_is_refused)
{
    kt_task *t = (kt_task *)&t;
    CHECK_ERR(kt_spawn(seven, "x", SIZE_MAX, &t), -ENOMEM);
    CHECK(t == (kt_task *)&t);
}

/* ---- Outside ----------------------------------------------------------------------------- */

TEST_WITH(no_task_is_spawned_outside_a_loop, KT_TEST_NO_LOOP)
{
    kt_task *t = NULL;
    CHECK_ERR(kt_spawn(seven, NULL, 0, &t), KT_ENOTRUNNING);
    CHECK(t == NULL);
    CHECK(kt_task_current() == NULL);
    CHECK(kt_loop_current() == NULL);
    CHECK_EQ(kt_task_each(NULL, NULL), 0);
}

TEST_WITH(kt_run_returns_what_main_returns, KT_TEST_NO_LOOP)
{
    CHECK_EQ(kt_run(seven, NULL, 0), 7);
}

TEST_WITH(the_words_of_mains_failure_outlive_the_loop, KT_TEST_NO_LOOP)
{
    const kt_options options = {.virtual_time = true};
    CHECK_ERR(kt_run_with(&options, fails_with_words, "main", 0), -EIO);
    CHECK_STR(kt_error_detail(), "main broke");
}

/* One after the other: what one loop has left is what the next one of another thread finds. */
static void *run_in_thread(void *arg)
{
    for (int i = 0; i < 10; i++)
        *(int *)arg += kt_run(seven, NULL, 0);
    return NULL;
}

TEST_WITH(each_thread_may_have_loops, KT_TEST_NO_LOOP)
{
    pthread_t threads[4];
    int results[4] = {0};
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_in_thread, &results[i]), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(results[i], 70);
    }
}

/* ---- Results ----------------------------------------------------------------------------- */

TEST(join_gives_result_and_words)
{
    kt_task *t = spawn(fails_with_words, "the pump", 0);
    CHECK_ERR(kt_task_result(t), KT_EINVALIDSTATE);
    CHECK_ERR(kt_task_join(t), -EIO);
    CHECK_STR(kt_error_detail(), "the pump broke");
}

static int awaits(void *arg)
{
    int rc = kt_task_await(arg);
    if (rc < 0)
        CHECK_STR(kt_error_detail(), "the pump broke");
    return rc;
}

TEST(any_number_may_await_and_all_get_the_result)
{
    kt_task *t = spawn(fails_with_words, "the pump", 0), *waiters[5];
    for (int i = 0; i < 5; i++)
        waiters[i] = spawn(awaits, t, 0);
    for (int i = 0; i < 5; i++)
        CHECK_ERR(kt_task_join(waiters[i]), -EIO);
    CHECK_ERR(kt_task_result(t), -EIO);
    CHECK_ERR(kt_task_join(t), -EIO);
}

TEST(an_awaiter_keeps_its_result_when_another_joins)
{
    kt_task *t = spawn(fails_with_words, "the pump", 0);
    kt_task *waiter = spawn(awaits, t, 0);
    CHECK_ERR(kt_task_join(t), -EIO); /* waits first, wakes first, and frees t */
    CHECK_ERR(kt_task_join(waiter), -EIO);
}

TEST(an_awaited_task_may_be_detached)
{
    kt_task *t = spawn(fails_with_words, "the pump", 0);
    kt_task *waiter = spawn(awaits, t, 0);
    sure(kt_sleep(0));
    kt_task_detach(t);
    CHECK_ERR(kt_task_join(waiter), -EIO);
}

TEST(join_of_a_task_that_is_done_does_not_suspend)
{
    kt_task *t = spawn(seven, NULL, 0);
    yield_times(1);
    kt_task *later = spawn(seven, NULL, 0);
    CHECK_EQ(kt_task_join(t), 7);
    CHECK(!kt_task_done(later));
    CHECK_EQ(kt_task_join(later), 7);
}

TEST(a_done_task_tells_how_it_ended)
{
    kt_task *t = spawn_sleeper(1), *u = spawn_sleeper(9);
    CHECK(!kt_task_done(t) && !kt_task_cancelled(u));
    sure(kt_sleep(KT_S(2)));
    kt_task_cancel(u);
    yield_times(2);
    CHECK(kt_task_done(t) && !kt_task_cancelled(t));
    CHECK_EQ(kt_task_result(t), 0);
    CHECK(kt_task_done(u) && kt_task_cancelled(u));
    CHECK_ERR(kt_task_result(u), KT_ECANCELED);
    CHECK_EQ(kt_task_join(t), 0);
    CHECK_ERR(kt_task_join(u), KT_ECANCELED);
}

/* ---- Letting go -------------------------------------------------------------------------- */

TEST(a_detached_task_runs_on_and_frees_itself)
{
    int n = 0;
    kt_task_detach(spawn(store_seven, &n, 0));
    yield_times(1);
    CHECK_EQ(n, 7);
}

TEST(a_done_task_and_no_task_may_be_detached)
{
    kt_task *t = spawn(seven, NULL, 0);
    yield_times(1);
    CHECK(kt_task_done(t));
    kt_task_detach(t);
    kt_task_detach(NULL);
}

static char logged[2048];

static void keep_message(const char *message)
{
    size_t used = strlen(logged);
    snprintf(logged + used, sizeof logged - used, "%s\n", message);
}

static int leaves_tasks(void *arg)
{
    (void)arg;
    kt_task *t;
    spawn(seven, NULL, 0);
    kt_task_detach(spawn(fails_with_words, "the pump", 0));
    const kt_spawn_options named = {.name = "forgotten"};
    sure(kt_spawn_with(&named, sleep_seconds, &(int){9}, sizeof(int), &t));
    return kt_sleep(KT_S(2));
}

TEST_WITH(debug_mode_tells_of_tasks_that_nobody_asked_after, KT_TEST_NO_LOOP)
{
    const kt_options virtual = {.virtual_time = true};
    kt_log_hook_set(keep_message);
    CHECK_OK(kt_run_with(&virtual, leaves_tasks, NULL, 0)); /* their memory goes with the loop */
    CHECK_STR(logged, "");
    setenv("KETTLE_DEBUG", "1", 1);
    CHECK_OK(kt_run_with(&virtual, leaves_tasks, NULL, 0));
    kt_log_hook_set(NULL);
    CHECK(strstr(logged, "Task exception was never retrieved (task 'Task-3'): EIO: the pump broke"));
    CHECK(strstr(logged, "'Task-2' was neither joined nor detached"));
    CHECK(strstr(logged, "'forgotten' was neither joined nor detached"));
}

static int spawns_at_its_end(void *arg)
{
    int *left = arg;
    int rc = kt_sleep(KT_S(100));
    kt_cancel_catch();
    if (--*left > 0)
        kt_task_detach(spawn(spawns_at_its_end, left, 0));
    return rc;
}

static int leaves_one(void *arg)
{
    kt_task_detach(spawn(spawns_at_its_end, arg, 0));
    return kt_sleep(KT_S(1));
}

TEST_WITH(tasks_that_clean_up_spawns_at_the_loops_end_are_ended_too, KT_TEST_NO_LOOP)
{
    const kt_options virtual = {.virtual_time = true};
    int left = 3;
    CHECK_OK(kt_run_with(&virtual, leaves_one, &left, 0));
    CHECK_LT(left, 3);
}

/* ---- Names and lists --------------------------------------------------------------------- */

TEST(tasks_have_names)
{
    char name[] = "given";
    const kt_spawn_options options = {.name = name};
    kt_task *t = spawn(seven, NULL, 0), *u;
    sure(kt_spawn_with(&options, seven, NULL, 0, &u));
    name[0] = 'X';
    CHECK_STR(kt_task_name(kt_task_current()), "main");
    CHECK_STR(kt_task_name(t), "Task-2");
    CHECK_STR(kt_task_name(u), "given");
    sure(kt_task_join(t));
    sure(kt_task_join(u));
}

static void add_name(kt_task *t, void *arg)
{
    char *names = arg;
    strncat(names, kt_task_name(t), 63 - strlen(names));
}

TEST(each_lists_the_living_in_order_of_creation)
{
    char names[64] = "";
    kt_task *t = spawn_sleeper(1), *u = spawn(seven, NULL, 0), *v = spawn_sleeper(1);
    yield_times(1);
    CHECK_EQ(kt_task_each(add_name, names), 3);
    CHECK_STR(names, "mainTask-2Task-4");
    sure(kt_task_join(t));
    sure(kt_task_join(u));
    sure(kt_task_join(v));
    CHECK_EQ(kt_task_each(NULL, NULL), 1);
}

/* ---- Stacks ------------------------------------------------------------------------------ */

static int deep(void *arg)
{
    volatile char frame[1024];
    int depth = *(int *)arg - 1;
    memset((char *)frame, depth, sizeof frame);
    if (depth == 0)
        return kt_sleep(0);
    int rc = deep(&depth);
    return frame[17] == (char)depth ? rc : -EINVAL;
}

TEST(an_ordinary_stack_holds_60_frames_of_a_kilobyte)
{
    CHECK_OK(kt_task_join(spawn(deep, &(int){60}, sizeof(int))));
}

TEST(a_stack_may_be_larger)
{
    const kt_spawn_options large = {.stack_bytes = 4 << 20};
    kt_task *t;
    sure(kt_spawn_with(&large, deep, &(int){1500}, sizeof(int), &t));
    CHECK_OK(kt_task_join(t));
}

TEST(stack_sizes_are_rounded_to_what_is_possible)
{
    static const size_t sizes[] = {1, 16384, 16385, 100000, 131072, 131073, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const kt_spawn_options odd = {.stack_bytes = sizes[i]};
        kt_task *t;
        sure(kt_spawn_with(&odd, deep, &(int){2}, sizeof(int), &t));
        CHECK_OK(kt_task_join(t));
    }
}

static int spawns_one(void *arg)
{
    return kt_task_join(spawn(deep, arg, 0));
}

TEST_WITH(a_loops_stack_size_may_be_odd, KT_TEST_NO_LOOP)
{
    static const size_t sizes[] = {1, 100000, 131071, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const kt_options odd = {.stack_bytes = sizes[i]};
        CHECK_OK(kt_run_with(&odd, spawns_one, &(int){2}, 0));
    }
}

TEST(stacks_are_reused_by_waves_of_tasks)
{
    enum { WAVE = 1000 };
    static kt_task *tasks[WAVE];
    for (int wave = 0; wave < 20; wave++) {
        for (int i = 0; i < WAVE; i++)
            tasks[i] = wave % 2 ? spawn_sleeper(1) : spawn(seven, NULL, 0);
        for (int i = 0; i < WAVE; i++)
            CHECK_EQ(kt_task_join(tasks[i]), wave % 2 ? 0 : 7);
    }
}

/* ---- The words of failures --------------------------------------------------------------- */

static int sets_and_looks(void *arg)
{
    const char *word = arg;
    CHECK_STR(kt_error_detail(), "");
    sure(kt_error_set(0, "%s", word));
    yield_times(1);
    CHECK_STR(kt_error_detail(), word);
    CHECK_ERR(kt_error_set(-EIO, "%s again", kt_error_detail()), -EIO);
    yield_times(1);
    CHECK_MEM(kt_error_detail(), word, strlen(word));
    return 0;
}

TEST(each_task_has_words_of_its_own)
{
    kt_task *t = spawn(sets_and_looks, "tea", 0), *u = spawn(sets_and_looks, "coffee", 0);
    sure(kt_task_join(t));
    sure(kt_task_join(u));
    CHECK_STR(kt_error_detail(), "");
}

TEST(words_are_cut_at_255_bytes)
{
    char many[1000];
    memset(many, 'w', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    CHECK_ERR(kt_error_set(-EIO, "%s", many), -EIO);
    CHECK_EQ(strlen(kt_error_detail()), 255);
}

/* ---- Arguments that own something, hooks, new names ---------------------------------------- */

static int drops;

static void count_drop(void *arg)
{
    drops += *(int *)arg;
}

TEST(what_an_argument_owns_is_dropped_also_if_the_task_never_runs)
{
    const kt_spawn_options options = {.drop = count_drop};
    kt_task *ran, *never;
    sure(kt_spawn_with(&options, sleep_seconds, &(int){1}, sizeof(int), &ran));
    sure(kt_spawn_with(&options, sleep_seconds, &(int){10}, sizeof(int), &never));
    kt_task_cancel(never);
    CHECK_OK(kt_task_join(ran));
    CHECK_EQ(drops, 11);
    CHECK_ERR(kt_task_join(never), KT_ECANCELED);
    CHECK_EQ(drops, 11);
}

TEST(what_an_argument_owns_is_dropped_also_if_there_is_no_stack)
{
    const kt_spawn_options options = {.drop = count_drop, .stack_bytes = 1 << 20};
    kt_task *t;
    sure(kt_spawn_with(&options, sleep_seconds, &(int){3}, sizeof(int), &t));
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_task_join(t), -ENOMEM);
    CHECK(kt_test_allocation_failed());
    CHECK_EQ(drops, 3);
}

TEST(a_spawn_that_takes_its_stack_at_once_fails_without_one)
{
    const kt_spawn_options options = {.drop = count_drop, .stack_bytes = 1 << 20, .stack_now = true};
    kt_task *t = NULL;
    kt_test_fail_allocation(2); /* behind the task's own */
    CHECK_ERR(kt_spawn_with(&options, sleep_seconds, &(int){3}, sizeof(int), &t), -ENOMEM);
    CHECK(!t);
    CHECK_EQ(drops, 0);
    sure(kt_spawn_with(&options, sleep_seconds, &(int){3}, sizeof(int), &t));
    kt_test_fail_allocation(1); /* it has what it needs */
    CHECK_OK(kt_task_join(t));
    CHECK(!kt_test_allocation_failed());
    CHECK_EQ(drops, 3);
}

TEST(a_stack_that_was_taken_at_once_goes_back_if_the_task_never_runs)
{
    const kt_spawn_options options = {.stack_now = true};
    const size_t before = kt_loop_current()->stacks.in_use;
    kt_task *t;
    sure(kt_spawn_with(&options, sleep_seconds, &(int){3}, sizeof(int), &t));
    CHECK_EQ(kt_loop_current()->stacks.in_use, before + 1);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(kt_loop_current()->stacks.in_use, before);
}

TEST(what_the_arguments_of_a_group_own_is_dropped_when_it_ends_early)
{
    const kt_spawn_options options = {.drop = count_drop};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 1; i <= 3; i++)
        sure(kt_group_spawn_with(&g, &options, sleep_seconds, &i, sizeof i, NULL));
    CHECK_ERR(kt_group_join(&g, -EIO), -EIO);
    CHECK_EQ(drops, 6);
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_group_spawn_with(&g, &options, sleep_seconds, &(int){9}, sizeof(int), NULL), -ENOMEM);
    CHECK_EQ(drops, 6);
}

static void count_task(kt_task *t, void *arg)
{
    CHECK(!kt_task_done(t));
    ++*(int *)arg;
}

TEST(a_hook_sees_every_new_task)
{
    int seen = 0;
    kt_task_hook_set(count_task, &seen);
    kt_task *t = spawn_sleeper(1);
    kt_job job = KT_JOB_OF(sleep_seconds, &(int){1}, sizeof(int));
    CHECK_OK(kt_gather(&job, 1, NULL));
    kt_task_hook_set(NULL, NULL);
    CHECK_OK(kt_task_join(spawn_sleeper(1)));
    CHECK_OK(kt_task_join(t));
    CHECK_EQ(seen, 2);
}

TEST(a_task_can_be_renamed)
{
    kt_task *t = spawn_sleeper(1);
    CHECK_OK(kt_task_name_set(t, "beta"));
    CHECK_OK(kt_task_name_set(t, "gamma"));
    CHECK_STR(kt_task_name(t), "gamma");
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_task_name_set(t, "delta"), -ENOMEM);
    CHECK_STR(kt_task_name(t), "gamma");
    CHECK_OK(kt_task_join(t));
}

/* ---- Shields that end as they are left ----------------------------------------------------------- */

static int shields(void *arg)
{
    return kt_shield(arg);
}

TEST(a_shield_may_be_left_between_the_tasks_end_and_its_own_turn)
{
    kt_task *inner = spawn_sleeper(1), *t = spawn(shields, inner, 0);
    yield_times(1);
    sure(kt_sleep(KT_S(1))); /* wakes in the pass in which `inner` ends, after it */
    CHECK(kt_task_done(inner));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    yield_times(3);
    CHECK_OK(kt_task_join(inner));
}

static int looks_at_its_stack(void *arg)
{
    size_t bytes = kt__stack_usable(kt__loop->current->stack);
    *(size_t *)arg = bytes;
    return 0;
}

TEST(a_task_that_follows_one_with_another_stack_gets_its_own)
{
    const kt_spawn_options large = {.stack_bytes = 1 << 20};
    size_t first = 0, second = 0, third = 0;
    kt_task *t[3];
    sure(kt_spawn(looks_at_its_stack, &first, 0, &t[0]));
    sure(kt_spawn_with(&large, looks_at_its_stack, &second, 0, &t[1]));
    sure(kt_spawn(looks_at_its_stack, &third, 0, &t[2]));
    size_t in_use = kt__loop->stacks.in_use;
    for (int i = 0; i < 3; i++)
        sure(kt_task_join(t[i]));
    CHECK_EQ(second, 1 << 20);
    CHECK_EQ(first, third);
    CHECK_LT(first, second);
    CHECK_EQ(kt__loop->stacks.in_use, in_use);
}

TEST_WITH(a_tasks_age_is_that_of_its_loops_clock, KT_TEST_REAL_TIME)
{
    kt_task *t = spawn_sleeper(0);
    FILE *file = tmpfile();
    char text[4096] = "";
    CHECK(file != NULL);
    kt_task_dump(fileno(file));
    rewind(file);
    CHECK_GT(fread(text, 1, sizeof text - 1, file), 0);
    fclose(file);
    double age = -1;
    const char *where = strstr(text, "has not started; ");
    CHECK(where != NULL);
    CHECK_EQ(sscanf(where, "has not started; %lf s old", &age), 1);
    CHECK(age >= 0 && age < 60);
    sure(kt_task_join(t));
}
