/* SPDX-License-Identifier: MIT */
/* In virtual time, when nothing can ever run again, the loop says who waits for what, and ends. */
#include "sure.h"

static void ignore(int rc)
{
    (void)rc;
}

static int waits_for_event(void *arg)
{
    return kt_event_wait(arg);
}

static kt_task *spawn_named(const char *name, kt_fn fn, void *arg)
{
    const kt_spawn_options options = {.name = name};
    kt_task *t;
    sure(kt_spawn_with(&options, fn, arg, 0, &t));
    return t;
}

TEST_DIES(a_deadlock_counts_the_tasks, 0, "deadlock: nothing can ever run again; 3 tasks are left")
{
    kt_event never = KT_EVENT_INIT;
    kt_task_detach(spawn(waits_for_event, &never, 0));
    kt_task_detach(spawn(waits_for_event, &never, 0));
    ignore(kt_event_wait(&never));
}

/* Not static: names of static functions are not in the program's table, which the report uses. */
int consumes_orders(void *arg);
int sleeps_in_depth(void *arg);

int consumes_orders(void *arg)
{
    int item;
    return kt_queue_get(arg, &item);
}

TEST_DIES(a_deadlock_names_the_consumer_and_its_queue_get, 0, "task 'Consumer-3' waits for queue get")
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    kt_task *consumer = spawn_named("Consumer-3", consumes_orders, &q);
    ignore(kt_task_join(consumer));
}

TEST_DIES(a_deadlock_shows_the_functions_that_wait, 0, "consumes_orders+0x")
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    ignore(kt_task_join(spawn(consumes_orders, &q, 0)));
}

static int awaits(void *arg)
{
    return kt_task_await(*(kt_task **)arg);
}

TEST_DIES(a_deadlock_shows_a_cycle_of_tasks, 0, "task 'tea' waits for task 'coffee'")
{
    kt_task *tea, *coffee = NULL;
    tea = spawn_named("tea", awaits, &coffee);
    coffee = spawn_named("coffee", awaits, &tea);
    ignore(kt_task_await(tea));
}

TEST_DIES(and_tells_it_in_one_line, 0, "deadlock: task 'tea' waits for task 'coffee', which waits for task 'tea'")
{
    kt_task *tea, *coffee = NULL;
    tea = spawn_named("tea", awaits, &coffee);
    coffee = spawn_named("coffee", awaits, &tea);
    ignore(kt_task_await(tea));
}

static int locks(void *arg)
{
    return kt_lock_acquire(arg);
}

TEST_DIES(a_deadlock_names_a_lock, 0, "task 'second' waits for a lock")
{
    kt_lock lock = KT_LOCK_INIT;
    ignore(kt_lock_acquire(&lock));
    ignore(kt_task_join(spawn_named("second", locks, &lock)));
}

TEST_DIES(a_deadlock_names_an_event, 0, "waits for an event")
{
    kt_event never = KT_EVENT_INIT;
    ignore(kt_event_wait(&never));
}

TEST_DIES(a_deadlock_names_a_semaphore, 0, "waits for a semaphore")
{
    kt_semaphore none = KT_SEMAPHORE_INIT(0);
    ignore(kt_semaphore_acquire(&none));
}

TEST_DIES(a_deadlock_names_a_full_queue, 0, "waits for queue put")
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 1);
    ignore(kt_queue_put(&q, &(int){1}));
    ignore(kt_queue_put(&q, &(int){1}));
}

TEST_DIES(a_deadlock_names_a_queue_join, 0, "waits for queue join")
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 1);
    ignore(kt_queue_put(&q, &(int){1}));
    ignore(kt_queue_join(&q));
}

TEST_DIES(a_deadlock_names_a_group, 0, "task 'main' waits for its group's children")
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_event never = KT_EVENT_INIT;
    ignore(kt_group_spawn(&g, waits_for_event, &never, 0));
    ignore(kt_group_join(&g, 0));
}

TEST_DIES(a_sleep_for_ever_is_a_deadlock, 0, "task 'main' waits for sleep")
{
    ignore(kt_sleep(KT_FOREVER));
}

TEST(a_waiter_with_a_deadline_is_no_deadlock)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    CHECK_ERR(kt_wait_for(KT_S(5), consumes_orders, &q, 0), KT_ETIMEDOUT);
    CHECK_EQ(kt_now(), KT_S(5));
}

int sleeps_in_depth(void *arg)
{
    (void)arg;
    int rc = kt_sleep(KT_S(1));
    CHECK_OK(rc); /* and so its frame is there: not a tail call */
    return rc;
}

/* The report is also there for the asking. */
TEST(a_dump_shows_every_task_and_leaves_them_as_they_are)
{
    char text[8192] = "";
    FILE *file = tmpfile();
    CHECK(file != NULL);
    kt_task *sleeper = spawn_named("sleeper", sleeps_in_depth, NULL);
    yield_times(1);
    kt_task *fresh = spawn_named("fresh", sleeps_in_depth, NULL);
    kt_task_dump(fileno(file));
    rewind(file);
    CHECK_GT(fread(text, 1, sizeof text - 1, file), 0);
    fclose(file);
    CHECK(strstr(text, "task 'main' runs"));
    CHECK(strstr(text, "task 'sleeper' waits for sleep"));
    CHECK(strstr(text, "sleeps_in_depth+0x"));
    CHECK(strstr(text, "task 'fresh' has not started"));
    CHECK_OK(kt_task_join(sleeper));
    CHECK_OK(kt_task_join(fresh));
}
