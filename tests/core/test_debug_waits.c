/* SPDX-License-Identifier: MIT */
/* Who waits for whom. */
#include "watched.h"

#include <signal.h>

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

static int makes_a_wide_circle(void *arg)
{
    static kt_task *tasks[4];
    static const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++)
        tasks[i] = spawn_named(names[i], awaits, &tasks[(i + 1) % 4]);
    sure(kt_sleep(KT_S(1)));
    kt_task_cancel(tasks[0]);
    for (int i = 0; i < 4; i++)
        CHECK_ERR(kt_task_join(tasks[i]), KT_ECANCELED);
    (void)arg;
    return 0;
}

TEST_WITH(a_circle_of_four_is_told_in_the_order_of_its_waits, KT_TEST_NO_LOOP)
{
    CHECK_OK(run_watched(makes_a_wide_circle, NULL));
    CHECK_EQ(count_logged("deadlock: task 'd' waits for task 'a', which waits for task 'b', which waits for task 'c', "
                          "which waits for task 'd'"), 1);
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

/* ---- Who waits ------------------------------------------------------------------------------- */

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
