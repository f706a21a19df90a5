/* SPDX-License-Identifier: MIT */

/* Waiting for several tasks, callbacks, futures, contexts, eager tasks. */

#include <kettle/callback.h>
#include <kettle/context.h>
#include <kettle/future.h>
#include <kettle/group.h>
#include <kettle/test.h>
#include <kettle/thread.h>
#include <kettle/wait.h>

#include <errno.h>

KT_FN(work, a, struct { int seconds; int rc; })
{
    int rc = kt_sleep(KT_S(a->seconds));
    return rc < 0 ? rc : a->rc;
}

static kt_task *start(int seconds, int rc)
{
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(KT_WITH(work, .seconds = seconds, .rc = rc), &t));
    return t;
}

static void join_all(kt_task *tasks[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int rc = kt_task_join(tasks[i]);
        (void)rc;
    }
}

/* ---- kt_wait ------------------------------------------------------------------------------- */

TEST(wait_returns_at_the_first_that_ends)
{
    kt_task *tasks[] = {start(3, 0), start(1, 0), start(2, 0)};
    CHECK_EQ(kt_wait(tasks, 3, KT_WAIT_FIRST_COMPLETED, KT_FOREVER), 1);
    CHECK(kt_task_done(tasks[1]));
    CHECK_EQ(kt_wait(tasks, 3, KT_WAIT_ALL_COMPLETED, KT_FOREVER), 3);
    CHECK_EQ(kt_wait(tasks, 3, KT_WAIT_FIRST_COMPLETED, KT_FOREVER), 3);
    join_all(tasks, 3);
}

static int says_turns(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 3; i++) {
        kt_test_say("turn %d", i);
        CHECK_OK(kt_sleep(0));
    }
    return 0;
}

static int counts_turns(void *turns)
{
    int rc = 0;
    while (rc == 0) {
        rc = kt_sleep(0);
        ++*(int *)turns;
    }
    return rc;
}

/* A busy loop does not look at the clock in each turn. */
TEST(a_limit_that_is_past_ends_the_wait_at_once_in_a_busy_loop)
{
    int turns = 0;
    kt_task *tasks[] = {start(3, 0)}, *busy;
    CHECK_OK(kt_spawn(counts_turns, &turns, 0, &busy));
    CHECK_OK(kt_sleep(0));
    for (int i = 0; i < 20; i++) {
        turns = 0;
        CHECK_EQ(kt_wait(tasks, 1, KT_WAIT_ALL_COMPLETED, 0), 0);
        CHECK_LE(turns, 2);
    }
    kt_task_cancel(busy);
    CHECK_ERR(kt_task_join(busy), KT_ECANCELED);
    join_all(tasks, 1);
}

/* asyncio hears of each end by a callback, even of ends that are past. */
TEST(a_wait_for_what_is_done_takes_two_turns)
{
    kt_task *tasks[] = {start(0, 0)}, *t;
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK_OK(kt_spawn(says_turns, NULL, 0, &t));
    CHECK_EQ(kt_wait(tasks, 1, KT_WAIT_ALL_COMPLETED, 0), 1);
    kt_test_say("over");
    CHECK_OK(kt_task_join(t));
    CHECK_TRACE("turn 1\nturn 2\nover\nturn 3");
    CHECK_EQ(kt_wait(NULL, 0, KT_WAIT_ALL_COMPLETED, KT_FOREVER), 0);
    join_all(tasks, 1);
}

TEST(wait_for_a_failure_passes_over_a_cancelled_task)
{
    kt_task *tasks[] = {start(9, 0), start(2, 0), start(3, -5), start(6, 0)};
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_task_cancel(tasks[0]);
    CHECK_EQ(kt_wait(tasks, 4, KT_WAIT_FIRST_FAILED, KT_FOREVER), 3);
    CHECK(!kt_task_done(tasks[3]));
    CHECK_EQ(kt_wait(tasks, 4, KT_WAIT_ALL_COMPLETED, KT_FOREVER), 4);
    join_all(tasks, 4);
}

TEST(a_limit_ends_the_wait_without_an_error)
{
    kt_task *tasks[] = {start(1, 0), start(5, 0)};
    kt_time before = kt_now();
    CHECK_EQ(kt_wait(tasks, 2, KT_WAIT_ALL_COMPLETED, KT_S(3)), 1);
    CHECK_EQ(kt_now() - before, KT_S(3));
    join_all(tasks, 2);
}

KT_FN(sleeps_and_says, a, struct { const char *name; })
{
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_test_say("%s", a->name);
    return 0;
}

/* Their timers are due in one pass, which runs them from one list. */
TEST(a_limit_and_others_sleeps_that_end_together_end_in_their_order)
{
    kt_task *slow = start(5, 0), *tasks[3];
    CHECK_OK(kt_spawn(KT_WITH(sleeps_and_says, "first"), &tasks[0]));
    CHECK_OK(kt_spawn(KT_WITH(sleeps_and_says, "second"), &tasks[1]));
    CHECK_EQ(kt_wait(&slow, 1, KT_WAIT_ALL_COMPLETED, KT_S(1)), 0); /* the earliest */
    kt_test_say("limit");
    CHECK_OK(kt_spawn(KT_WITH(sleeps_and_says, "later"), &tasks[2]));
    CHECK_OK(kt_sleep(0));
    kt_test_say("a turn");
    join_all(tasks, 3);
    CHECK_OK(kt_task_join(slow));
    CHECK_TRACE("limit\nfirst\nsecond\na turn\nlater");
}

KT_FN(wait_long, a, struct { kt_task **tasks; })
{
    return kt_wait(a->tasks, 2, KT_WAIT_ALL_COMPLETED, KT_FOREVER);
}

TEST(a_cancelled_wait_touches_no_task)
{
    kt_task *tasks[] = {start(5, 1), start(6, 2)}, *waiter;
    CHECK_OK(kt_spawn(KT_WITH(wait_long, .tasks = tasks), &waiter));
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_task_cancel(waiter);
    CHECK_ERR(kt_task_join(waiter), KT_ECANCELED);
    CHECK_EQ(kt_task_join(tasks[0]), 1);
    CHECK_EQ(kt_task_join(tasks[1]), 2);
}

TEST(an_outer_timeout_is_not_taken_for_the_limit)
{
    kt_task *tasks[] = {start(5, 0), start(6, 0)};
    kt_auto(kt_timeout) outer = KT_TIMEOUT_INIT;
    kt_timeout_start(&outer, KT_S(1));
    CHECK_ERR(kt_wait(tasks, 2, KT_WAIT_ALL_COMPLETED, KT_S(2)), KT_ETIMEDOUT);
    CHECK_ERR(kt_timeout_end(&outer, KT_ETIMEDOUT), KT_ETIMEDOUT);
    join_all(tasks, 2);
}

/* ---- kt_as_completed ------------------------------------------------------------------------ */

TEST(tasks_come_in_the_order_in_which_they_end)
{
    kt_task *tasks[] = {start(3, 3), start(1, 1), start(2, 2)}, *t;
    kt_auto(kt_as_completed) next = KT_AS_COMPLETED_INIT;
    CHECK_OK(kt_as_completed_start(&next, tasks, 3));
    for (int i = 1; i <= 3; i++) {
        CHECK_EQ(kt_as_completed_next(&next, &t), 1);
        CHECK_EQ(kt_task_result(t), i);
    }
    CHECK_EQ(kt_as_completed_next(&next, &t), 0);
    join_all(tasks, 3);
}

TEST(leaving_the_iteration_leaves_the_rest_running)
{
    kt_task *tasks[] = {start(1, 0), start(5, 0)}, *t;
    kt_auto(kt_as_completed) next = KT_AS_COMPLETED_INIT;
    CHECK_OK(kt_as_completed_start(&next, tasks, 2));
    CHECK_EQ(kt_as_completed_next(&next, &t), 1);
    CHECK_EQ(t == tasks[0], 1);
    kt_as_completed_cleanup(&next);
    CHECK(!kt_task_done(tasks[1]));
    join_all(tasks, 2);
}

TEST(a_timeout_limits_the_iteration)
{
    kt_task *tasks[] = {start(1, 0), start(5, 0)}, *t;
    kt_auto(kt_as_completed) next = KT_AS_COMPLETED_INIT;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    CHECK_OK(kt_as_completed_start(&next, tasks, 2));
    kt_timeout_start(&limit, KT_S(3));
    CHECK_EQ(kt_as_completed_next(&next, &t), 1);
    CHECK_ERR(kt_as_completed_next(&next, &t), KT_ETIMEDOUT);
    CHECK_ERR(kt_timeout_end(&limit, KT_ETIMEDOUT), KT_ETIMEDOUT);
    join_all(tasks, 2);
}

TEST(no_memory_for_a_watch_is_told)
{
    kt_task *tasks[] = {start(1, 0), start(2, 0)};
    kt_as_completed next = KT_AS_COMPLETED_INIT;
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_wait(tasks, 2, KT_WAIT_ALL_COMPLETED, KT_FOREVER), -ENOMEM);
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_as_completed_start(&next, tasks, 2), -ENOMEM);
    join_all(tasks, 2);
}

/* ---- Callbacks ----------------------------------------------------------------------------- */

static void say(void *word)
{
    CHECK(kt_task_current() == NULL);
    kt_test_say("%s at %d", (const char *)word, (int)(kt_now() / KT_S(1)));
}

TEST(callbacks_run_soon_and_later_in_order)
{
    kt_callback soon = KT_CALLBACK_INIT, two = KT_CALLBACK_INIT, three = KT_CALLBACK_INIT,
                never = KT_CALLBACK_INIT;
    kt_call_later(&three, KT_S(3), say, "three");
    kt_call_at(&two, kt_now() + KT_S(2), say, "two");
    kt_call_later(&never, KT_S(1), say, "never");
    kt_call_soon(&soon, say, "soon");
    CHECK(kt_callback_cancel(&never));
    CHECK(!kt_callback_cancel(&never));
    CHECK_OK(kt_sleep(KT_S(5)));
    CHECK(!kt_callback_pending(&three));
    CHECK_TRACE("soon at 0\ntwo at 2\nthree at 3");
}

TEST(a_time_that_has_come_is_looked_at_before_the_next_pass)
{
    kt_callback later = KT_CALLBACK_INIT, at = KT_CALLBACK_INIT;
    kt_call_later(&later, 0, say, "later");
    kt_call_at(&at, kt_now() - KT_S(1), say, "at");
    for (int i = 1; i <= 2; i++) {
        CHECK_OK(kt_sleep(0));
        kt_test_say("turn %d", i);
    }
    CHECK_TRACE("turn 1\nat at 0\nlater at 0\nturn 2");
}

static void again(void *arg)
{
    static int left = 3;
    kt_test_say("again");
    if (--left > 0)
        kt_call_soon(arg, again, arg);
}

TEST(a_callback_may_start_itself_again)
{
    kt_callback c = KT_CALLBACK_INIT;
    kt_call_soon(&c, again, &c);
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK_TRACE("again\nagain\nagain");
}

TEST_DIES(starting_a_pending_callback_is_misuse, 0, "this callback is pending already")
{
    kt_callback c = KT_CALLBACK_INIT;
    kt_call_soon(&c, say, "x");
    kt_call_soon(&c, say, "x");
}

TEST(done_callbacks_run_in_order_and_can_be_removed)
{
    kt_callback a = KT_CALLBACK_INIT, b = KT_CALLBACK_INIT, c = KT_CALLBACK_INIT, late = KT_CALLBACK_INIT;
    kt_task *t = start(1, 0);
    kt_task_on_done(t, &a, say, "a");
    kt_task_on_done(t, &b, say, "b");
    kt_task_on_done(t, &c, say, "c");
    CHECK(kt_callback_cancel(&b));
    CHECK_OK(kt_task_await(t));
    kt_task_on_done(t, &late, say, "late");
    CHECK_OK(kt_sleep(0));
    CHECK_OK(kt_task_join(t));
    CHECK_TRACE("a at 1\nc at 1\nlate at 1");
}

/* ---- Futures ------------------------------------------------------------------------------- */

TEST(a_future_is_settled_once)
{
    kt_future f = KT_FUTURE_INIT, bad = KT_FUTURE_INIT, gone = KT_FUTURE_INIT;
    intptr_t n = 0;
    CHECK_ERR(kt_future_result(&f, &n), KT_EINVALIDSTATE);
    CHECK_OK(kt_future_set_result(&f, 1));
    CHECK_ERR(kt_future_set_result(&f, 2), KT_EINVALIDSTATE);
    CHECK_ERR(kt_future_set_error(&f, -5), KT_EINVALIDSTATE);
    CHECK(!kt_future_cancel(&f));
    CHECK_OK(kt_future_result(&f, &n));
    CHECK_EQ(n, 1);
    CHECK_OK(kt_future_set_error(&bad, -5));
    CHECK_ERR(kt_future_result(&bad, &n), -5);
    CHECK(kt_future_cancel(&gone));
    CHECK(!kt_future_cancel(&gone));
    CHECK(kt_future_done(&gone));
    CHECK(kt_future_cancelled(&gone));
    CHECK_ERR(kt_future_result(&gone, NULL), KT_ECANCELED);
}

KT_FN(await_future, a, struct { kt_future *f; })
{
    intptr_t n;
    int rc = kt_future_await(a->f, &n);
    return rc < 0 ? rc : (int)n;
}

static void settle(void *f)
{
    CHECK_OK(kt_future_set_result(f, 42));
}

TEST(a_callback_settles_a_future_for_several_waiters)
{
    kt_future f = KT_FUTURE_INIT;
    kt_callback later = KT_CALLBACK_INIT, told = KT_CALLBACK_INIT;
    kt_task *a, *b;
    CHECK_OK(kt_spawn(KT_WITH(await_future, .f = &f), &a));
    CHECK_OK(kt_spawn(KT_WITH(await_future, .f = &f), &b));
    kt_future_on_done(&f, &told, say, "told");
    kt_call_later(&later, KT_S(1), settle, &f);
    CHECK_EQ(kt_task_join(a), 42);
    CHECK_EQ(kt_task_join(b), 42);
    CHECK_TRACE("told at 1");
}

TEST(cancelling_a_waiter_cancels_the_future)
{
    kt_future f = KT_FUTURE_INIT;
    kt_task *a, *b;
    CHECK_OK(kt_spawn(KT_WITH(await_future, .f = &f), &a));
    CHECK_OK(kt_spawn(KT_WITH(await_future, .f = &f), &b));
    CHECK_OK(kt_sleep(0));
    kt_task_cancel(a);
    CHECK_ERR(kt_task_join(a), KT_ECANCELED);
    CHECK_ERR(kt_task_join(b), KT_ECANCELED);
    CHECK(kt_future_cancelled(&f));
}

/* ---- Contexts ------------------------------------------------------------------------------ */

static const kt_context_var var = {"var"};

static const char *value(void)
{
    return kt_context_get(&var, "none");
}

static void say_value(void *who)
{
    kt_test_say("%s sees %s", (const char *)who, value());
}

static int sees_and_sets(void *arg)
{
    (void)arg;
    kt_test_say("task sees %s", value());
    CHECK_OK(kt_context_set(&var, "task"));
    CHECK_OK(kt_sleep(0));
    kt_test_say("task sees %s", value());
    return 0;
}

static int look(void *ret)
{
    *(const char **)ret = value();
    return 0;
}

TEST(a_context_is_copied_at_the_spawn_and_the_call)
{
    kt_callback one = KT_CALLBACK_INIT, two = KT_CALLBACK_INIT;
    const char *seen = NULL;
    kt_task *t;
    CHECK_STR(value(), "none");
    CHECK_OK(kt_context_set(&var, "one"));
    CHECK_OK(kt_spawn(sees_and_sets, NULL, 0, &t));
    kt_call_soon(&one, say_value, "callback");
    CHECK_OK(kt_context_set(&var, "two"));
    kt_call_soon(&two, say_value, "callback");
    CHECK_OK(kt_task_join(t));
    CHECK_OK(kt_thread_run(look, &seen, 0));
    CHECK_STR(seen, "two");
    CHECK_TRACE("task sees one\ncallback sees one\ncallback sees two\ntask sees task");
}

TEST(setting_again_and_again_takes_no_memory)
{
    static const kt_context_var other = {"other"};
    CHECK_OK(kt_context_set(&other, "x"));
    CHECK_OK(kt_context_set(&var, "y"));
    kt_test_fail_allocation(1);
    for (int i = 0; i < 100; i++) {
        CHECK_OK(kt_context_set(&var, "a"));
        CHECK_OK(kt_context_set(&other, "b"));
    }
    kt_test_fail_allocation(0);
    CHECK_STR(value(), "a");
}

/* ---- Eager tasks --------------------------------------------------------------------------- */

static int waits_once(void *arg)
{
    (void)arg;
    kt_test_say("start as %s", kt_task_name(kt_task_current()));
    CHECK_OK(kt_sleep(0));
    kt_test_say("end");
    return 1;
}

static int never_waits(void *arg)
{
    (void)arg;
    return 2;
}

TEST(an_eager_task_runs_within_the_spawn)
{
    const kt_spawn_options eager = {.name = "A", .eager = true};
    kt_task *a, *b, *self = kt_task_current();
    CHECK_OK(kt_spawn_with(&eager, waits_once, NULL, 0, &a));
    CHECK(kt_task_current() == self);
    kt_test_say("made");
    CHECK_OK(kt_spawn_with(&eager, never_waits, NULL, 0, &b));
    CHECK(kt_task_done(b));
    CHECK_EQ(kt_task_join(b), 2);
    CHECK_EQ(kt_task_join(a), 1);
    CHECK_TRACE("start as A\nmade\nend");
}
