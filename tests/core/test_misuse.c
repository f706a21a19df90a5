/* SPDX-License-Identifier: MIT */
/* Every rule whose breach stops the program says so, with the task's name. */
#include "sure.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void ignore(int rc)
{
    (void)rc;
}

/* ---- Tasks and loops --------------------------------------------------------------------- */

TEST_DIES(a_suspending_call_outside_tasks, KT_TEST_NO_LOOP,
          "misuse in no task: kt_sleep suspends, so it may be called in a task only")
{
    ignore(kt_sleep(1));
}

static void sleeps(void *arg)
{
    (void)arg;
    ignore(kt_sleep(0));
}

TEST_DIES(a_suspending_call_in_a_callback, 0, "misuse in no task: kt_sleep suspends")
{
    ignore(kt_call_threadsafe(kt_loop_current(), sleeps, NULL));
    ignore(kt_sleep(KT_S(1)));
}

TEST_DIES(a_loop_inside_a_loop, 0, "misuse in task 'main': kt_run: a loop runs on this thread already")
{
    ignore(kt_run(nothing, NULL, 0));
}

TEST_DIES(waiting_for_oneself, 0, "a task must not wait for itself")
{
    ignore(kt_task_await(kt_task_current()));
}

static int joins(void *arg)
{
    return kt_task_join(arg);
}

TEST_DIES(joining_the_main_task, 0,
          "kt_task_join: task 'main' is being joined already, or belongs to a group or the loop")
{
    spawn(joins, kt_task_current(), 0);
    ignore(kt_sleep(KT_S(1)));
}

TEST_DIES(joining_twice, 0, "kt_task_join: task 'Task-2' is being joined already")
{
    kt_task *t = spawn_sleeper(5);
    kt_task *u = spawn(joins, t, 0);
    ignore(kt_sleep(0));
    ignore(kt_task_join(t));
    ignore(kt_task_join(u));
}

TEST_DIES(joining_a_detached_task, 0, "kt_task_join: task 'Task-2' was joined or detached before")
{
    kt_task *t = spawn_sleeper(5);
    kt_task_detach(t);
    ignore(kt_task_join(t));
}

TEST_DIES(detaching_twice, 0, "kt_task_detach: task 'Task-2' was joined or detached before")
{
    kt_task *t = spawn_sleeper(5);
    kt_task_detach(t);
    kt_task_detach(t);
}

TEST_DIES(joining_a_groups_child, 0, "kt_task_join: task 'Task-2' is being joined already, or belongs")
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_task *child;
    ignore(kt_group_spawn_with(&g, NULL, nothing, NULL, 0, &child));
    ignore(kt_task_join(child));
}

static int awaits(void *arg)
{
    return kt_task_await(arg);
}

static void *awaits_in_another_loop(void *arg)
{
    ignore(kt_run(awaits, arg, 0));
    return NULL;
}

TEST_DIES(waiting_for_a_task_of_another_loop, 0, "a task of another loop cannot be waited for")
{
    pthread_t thread;
    pthread_create(&thread, NULL, awaits_in_another_loop, kt_task_current());
    pthread_join(thread, NULL);
}

static int waits_for_one(void *arg)
{
    kt_task *t = arg;
    return kt_wait(&t, 1, KT_WAIT_ALL_COMPLETED, KT_FOREVER);
}

static void *waits_in_another_loop(void *arg)
{
    ignore(kt_run(waits_for_one, arg, 0));
    return NULL;
}

TEST_DIES(waiting_for_several_tasks_of_another_loop, 0, "a task of another loop cannot be waited for")
{
    pthread_t thread;
    pthread_create(&thread, NULL, waits_in_another_loop, kt_task_current());
    pthread_join(thread, NULL);
}

/* ---- Other threads, other processes -------------------------------------------------------- */

static void *cancels(void *task)
{
    (void)kt_task_cancel(task);
    return NULL;
}

static void in_a_thread(void *(*fn)(void *arg), void *arg)
{
    pthread_t thread;
    pthread_create(&thread, NULL, fn, arg);
    pthread_join(thread, NULL);
}

static void *asks_to_be_told(void *task)
{
    static kt_callback told = KT_CALLBACK_INIT;
    kt_task_on_done(task, &told, NULL, NULL);
    return NULL;
}

TEST_DIES(asking_for_a_tasks_end_from_another_thread, 0, "kt_task_on_done: on a thread that is not the loop's")
{
    in_a_thread(asks_to_be_told, kt_task_current());
}

TEST_DIES(cancelling_from_another_thread, 0,
          "kt_task_cancel: on a thread that is not the loop's. Use kt_call_threadsafe")
{
    in_a_thread(cancels, kt_task_current());
}

static int waits_for_event(void *event)
{
    return kt_event_wait(event);
}

static void *sets(void *event)
{
    kt_event_set(event);
    return NULL;
}

TEST_DIES(setting_an_event_from_another_thread, 0, "what a task waits for: on a thread that is not the loop's")
{
    kt_event e = KT_EVENT_INIT;
    kt_task *t = spawn(waits_for_event, &e, 0);
    yield_times(2);
    in_a_thread(sets, &e);
    ignore(kt_task_join(t));
}

static int takes_one(void *queue)
{
    int n;
    return kt_queue_get(queue, &n);
}

static void *puts_one(void *queue)
{
    ignore(kt_queue_put_nowait(queue, &(int){1}));
    return NULL;
}

TEST_DIES(putting_from_another_thread, 0, "what a task waits for: on a thread that is not the loop's")
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    kt_task *t = spawn(takes_one, &q, 0);
    yield_times(2);
    in_a_thread(puts_one, &q);
    ignore(kt_task_join(t));
}

static void *cancels_callback(void *callback)
{
    (void)kt_callback_cancel(callback);
    return NULL;
}

static void never(void *arg)
{
    (void)arg;
}

TEST_DIES(taking_a_callback_back_from_another_thread, 0, "kt_callback_cancel: on a thread that is not")
{
    kt_callback c = KT_CALLBACK_INIT;
    kt_call_later(&c, KT_S(5), never, NULL);
    in_a_thread(cancels_callback, &c);
}

/* The child's abort becomes the test's, whose message it has written. */
static void in_a_child(int (*fn)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(fn());
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
        abort();
}

TEST_DIES(running_no_function, KT_TEST_NO_LOOP, "kt_run: there is no function to run")
{
    (void)!kt_run(NULL, NULL, 0);
}

static int sleeps_in_child(void)
{
    return kt_sleep(1) < 0;
}

static int runs_in_child(void)
{
    return kt_run(nothing, NULL, 0) < 0;
}

TEST_DIES(suspending_in_a_forked_child, 0, "kt_sleep: this process was forked in a loop, which is its parent's")
{
    in_a_child(sleeps_in_child);
}

TEST_DIES(a_loop_in_a_forked_child, 0, "kt_runner_run: this process was forked in a loop")
{
    in_a_child(runs_in_child);
}

static int forks_and_returns(void *arg)
{
    int status = 0;
    pid_t pid = fork();
    (void)arg;
    if (pid == 0)
        return 0;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
        abort();
    return 0;
}

TEST_DIES(a_child_that_goes_on_with_the_loop, 0, "this process was forked in a loop")
{
    ignore(kt_task_join(spawn(forks_and_returns, NULL, 0)));
}

/* ---- Scopes ------------------------------------------------------------------------------ */

static int ends_in_a_timeout(void *arg)
{
    kt_timeout_start(arg, KT_S(1));
    return 0;
}

TEST_DIES(ending_inside_a_timeout, 0,
          "misuse in task 'Task-2': a task must not end inside an open timeout or group")
{
    kt_timeout limit = KT_TIMEOUT_INIT;
    ignore(kt_task_join(spawn(ends_in_a_timeout, &limit, 0)));
}

static int ends_in_a_group(void *arg)
{
    return kt_group_spawn(arg, nothing, NULL, 0);
}

TEST_DIES(ending_inside_a_group, 0, "a task must not end inside an open timeout or group")
{
    kt_group g = KT_GROUP_INIT;
    ignore(kt_task_join(spawn(ends_in_a_group, &g, 0)));
}

static int ends_holding(void *arg)
{
    (void)arg;
    kt_cancel_hold();
    return 0;
}

TEST_DIES(ending_while_holding, 0, "a task must not end between kt_cancel_hold and kt_cancel_unhold")
{
    ignore(kt_task_join(spawn(ends_holding, NULL, 0)));
}

TEST_DIES(unhold_without_hold, 0, "kt_cancel_unhold without kt_cancel_hold")
{
    kt_cancel_unhold();
}

TEST_DIES(holding_deeper_than_64, 0, "kt_cancel_hold: 64 are open")
{
    for (int i = 0; i <= 64; i++)
        kt_cancel_hold();
}

TEST_DIES(starting_a_timeout_twice, 0, "kt_timeout_start: the timeout has been started already")
{
    kt_timeout limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    kt_timeout_start(&limit, KT_S(1));
}

TEST_DIES(ending_a_timeout_that_was_not_started, 0,
          "kt_timeout_end: the running task has not started this timeout")
{
    kt_timeout limit = KT_TIMEOUT_INIT;
    ignore(kt_timeout_end(&limit, 0));
}

TEST_DIES(ending_timeouts_in_the_wrong_order, 0,
          "kt_timeout_end: a timeout that was started later has not ended")
{
    kt_timeout outer = KT_TIMEOUT_INIT, inner = KT_TIMEOUT_INIT;
    kt_timeout_start(&outer, KT_S(1));
    kt_timeout_start(&inner, KT_S(1));
    ignore(kt_timeout_end(&outer, 0));
}

static int moves(void *arg)
{
    kt_timeout_reschedule(arg, KT_S(5));
    return 0;
}

TEST_DIES(moving_another_tasks_timeout, 0,
          "kt_timeout_reschedule: the running task has not started this timeout")
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    ignore(kt_task_join(spawn(moves, &limit, 0)));
}

static int joins_group(void *arg)
{
    return kt_group_join(arg, 0);
}

TEST_DIES(joining_another_tasks_group, 0,
          "kt_group_join: only the task that spawned the first child joins a group")
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    ignore(kt_group_spawn(&g, nothing, NULL, 0));
    ignore(kt_task_join(spawn(joins_group, &g, 0)));
}

TEST_DIES(spawning_into_a_group_outside_tasks, KT_TEST_NO_LOOP,
          "kt_group_spawn may be called in a task only")
{
    kt_group g = KT_GROUP_INIT;
    ignore(kt_group_spawn(&g, nothing, NULL, 0));
}

static int spawns_into(void *arg)
{
    return kt_group_spawn(arg, nothing, NULL, 0);
}

static void *spawns_in_another_loop(void *arg)
{
    ignore(kt_run(spawns_into, arg, 0));
    return NULL;
}

TEST_DIES(spawning_into_another_loops_group, 0, "kt_group_spawn: the group belongs to another loop")
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    pthread_t thread;
    ignore(kt_group_spawn(&g, nothing, NULL, 0));
    pthread_create(&thread, NULL, spawns_in_another_loop, &g);
    pthread_join(thread, NULL);
}

/* ---- Locks and queues -------------------------------------------------------------------- */

TEST_DIES(releasing_an_open_lock, 0, "kt_lock_release: nobody holds this lock")
{
    kt_lock lock = KT_LOCK_INIT;
    kt_lock_release(&lock);
}

static int acquires(void *arg)
{
    return kt_lock_acquire(arg);
}

/* It has been handed on, and whom it was handed to has not run yet. */
TEST_DIES(releasing_a_lock_twice, 0, "kt_lock_release: nobody holds this lock")
{
    kt_lock lock = KT_LOCK_INIT;
    ignore(kt_lock_acquire(&lock));
    kt_task_detach(spawn(acquires, &lock, 0));
    ignore(kt_sleep(0));
    kt_lock_release(&lock);
    kt_lock_release(&lock);
}

TEST_DIES(more_permits_than_a_counter_holds, 0,
          "kt_semaphore_release: more releases than a counter holds")
{
    kt_semaphore permits = KT_SEMAPHORE_INIT(UINT_MAX);
    kt_semaphore_release(&permits);
}

TEST_DIES(more_done_than_put, 0, "kt_queue_task_done: called more often than items were put")
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    kt_queue_task_done(&q);
}

static int takes_from(void *arg)
{
    int item;
    return kt_queue_get(arg, &item);
}

TEST_DIES(releasing_a_queue_with_waiters, 0, "kt_queue_release: a task waits on this queue")
{
    kt_queue q = KT_QUEUE_INIT(int, 0);
    kt_task *t = spawn(takes_from, &q, 0);
    ignore(kt_sleep(0));
    kt_queue_release(&q);
    ignore(kt_task_join(t));
}

/* ---- Descriptors ------------------------------------------------------------------------- */

static int reads(void *arg)
{
    char byte;
    return (int)kt_stream_read(arg, &byte, 1);
}

TEST_DIES(two_readers_of_a_stream, KT_TEST_REAL_IO, "task 'Task-2' reads from it already")
{
    kt_stream *ends[2];
    ignore(kt_stream_pair(ends));
    kt_task *t = spawn(reads, ends[0], 0);
    ignore(kt_sleep(0));
    ignore(reads(ends[0]));
    ignore(kt_task_join(t));
}

static int writes_much(void *arg)
{
    static char bytes[8 << 20];
    return kt_stream_write(arg, bytes, sizeof bytes);
}

TEST_DIES(two_writers_of_a_stream, KT_TEST_REAL_IO, "task 'Task-2' writes to it already")
{
    kt_stream *ends[2];
    ignore(kt_stream_pair(ends));
    kt_task *t = spawn(writes_much, ends[0], 0);
    ignore(kt_sleep(0));
    ignore(kt_sleep(0));
    ignore(writes_much(ends[0]));
    ignore(kt_task_join(t));
}

/* ---- Stacks ------------------------------------------------------------------------------ */

static int recurse(int depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    return depth == 1 << 30 ? 0 : recurse(depth + 1) + frame[0];
}

static int overflows(void *arg)
{
    return recurse(*(int *)arg);
}

TEST_DIES(a_stack_overflow_names_task_size_and_remedy, 0,
          "kettle: stack overflow in task 'deep': its stack has 128 KiB. Give it more")
{
    const kt_spawn_options named = {.name = "deep"};
    kt_task *t;
    ignore(kt_spawn_with(&named, overflows, &(int){0}, sizeof(int), &t));
    ignore(kt_task_join(t));
}

TEST_DIES(an_overflow_of_an_unnamed_task_with_a_large_stack, 0,
          "kettle: stack overflow in task 'Task-2': its stack has 1024 KiB.")
{
    const kt_spawn_options large = {.stack_bytes = 1 << 20};
    kt_task *t;
    ignore(kt_spawn_with(&large, overflows, &(int){0}, sizeof(int), &t));
    ignore(kt_task_join(t));
}

TEST_DIES(an_overflow_of_main, 0, "kettle: stack overflow in task 'main'")
{
    ignore(recurse(0));
}

/* A frame may be larger than a page and step over a guard of one. */
static int steps_over(void *arg)
{
    volatile char frame[160 << 10];
    frame[0] = 1;
    return frame[*(int *)arg];
}

TEST_DIES(an_overflow_by_one_large_frame, 0, "kettle: stack overflow in task 'Task-2'")
{
    ignore(kt_task_join(spawn(steps_over, &(int){0}, sizeof(int))));
}

TEST_DIES(an_overflow_with_guards_by_map, KT_TEST_NO_LOOP, "kettle: stack overflow in task 'main'")
{
    setenv("KETTLE_GUARD", "map", 1);
    ignore(kt_run(overflows, &(int){0}, 0));
}
