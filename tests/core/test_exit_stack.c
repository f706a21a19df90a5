/* SPDX-License-Identifier: MIT */
/* Clean-ups that are pushed at run time. */
#include "sure.h"

static void say_it(void *text)
{
    kt_test_say("%s", (const char *)text);
}

static int say_rc(void *text, int rc)
{
    kt_test_say("%s %s", (const char *)text, rc < 0 ? kt_error_name(rc) : "good");
    return rc;
}

static int swallow(void *text, int rc)
{
    (void)say_rc(text, rc);
    return 0;
}

static int fail(void *text, int rc)
{
    (void)say_rc(text, rc);
    return -EIO;
}

static void say_slowly(void *text)
{
    CHECK_OK(kt_sleep(KT_S(2)));
    say_it(text);
}

TEST(closers_run_in_reverse_and_once)
{
    kt_auto(kt_exit_stack) s = KT_EXIT_STACK_INIT;
    CHECK_EQ(kt_exit_stack_close(&s, 5), 5);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(kt_exit_stack_push(&s, say_it, "a"));
        CHECK_OK(kt_exit_stack_push(&s, say_it, "b"));
        CHECK_EQ(kt_exit_stack_close(&s, 3), 3);
        CHECK_TRACE("b\na");
    }
}

static int returns_early(void *arg)
{
    (void)arg;
    kt_auto(kt_exit_stack) s = KT_EXIT_STACK_INIT;
    for (int i = 0; i < 40; i++)
        CHECK_OK(kt_exit_stack_push(&s, say_it, i < 38 ? "." : "x"));
    CHECK_OK(kt_exit_stack_push_exit(&s, say_rc, "end"));
    return -EPERM;
}

TEST(leaving_the_scope_runs_them)
{
    CHECK_ERR(returns_early(NULL), -EPERM);
    CHECK_TRACE("end KT_ECANCELED\nx\nx\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n"
                ".\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.\n.");
}

TEST(each_is_told_what_those_before_have_left_of_the_failure)
{
    kt_auto(kt_exit_stack) s = KT_EXIT_STACK_INIT;
    CHECK_OK(kt_exit_stack_push_exit(&s, say_rc, "a"));
    CHECK_OK(kt_exit_stack_push_exit(&s, fail, "b"));
    CHECK_OK(kt_exit_stack_push(&s, say_it, "c"));
    CHECK_OK(kt_exit_stack_push_exit(&s, swallow, "d"));
    CHECK_ERR(kt_exit_stack_close(&s, -EPERM), -EIO);
    CHECK_TRACE("d EPERM\nc\nb good\na EIO");
}

static kt_exit_stack *pushed_on;

static void pushes(void *text)
{
    say_it(text);
    CHECK_OK(kt_exit_stack_push(pushed_on, say_it, "late"));
}

TEST(a_closer_may_push_another)
{
    kt_auto(kt_exit_stack) s = KT_EXIT_STACK_INIT;
    pushed_on = &s;
    CHECK_OK(kt_exit_stack_push(&s, say_it, "first"));
    CHECK_OK(kt_exit_stack_push(&s, pushes, "second"));
    CHECK_OK(kt_exit_stack_close(&s, 0));
    CHECK_TRACE("second\nlate\nfirst");
}

static kt_exit_stack opens_two(void)
{
    kt_auto(kt_exit_stack) s = KT_EXIT_STACK_INIT;
    CHECK_OK(kt_exit_stack_push(&s, say_it, "a"));
    CHECK_OK(kt_exit_stack_push(&s, say_it, "b"));
    return kt_exit_stack_pop_all(&s);
}

TEST(pop_all_takes_the_closers_out_of_the_scope)
{
    kt_auto(kt_exit_stack) kept = opens_two();
    CHECK_TRACE("");
    CHECK_OK(kt_exit_stack_close(&kept, 0));
    CHECK_TRACE("b\na");
}

TEST(a_push_without_memory_has_closed)
{
    kt_auto(kt_exit_stack) s = KT_EXIT_STACK_INIT;
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_exit_stack_push(&s, say_slowly, "a"), -ENOMEM);
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_exit_stack_push_exit(&s, swallow, "b"), -ENOMEM);
    CHECK_OK(kt_exit_stack_push(&s, say_it, "c"));
    CHECK_OK(kt_exit_stack_close(&s, 0));
    CHECK_TRACE("a\nb ENOMEM\nc");
}

/* ---- Cancellation --------------------------------------------------------------------------- */

static int closes_slowly(void *arg)
{
    kt_auto(kt_exit_stack) s = KT_EXIT_STACK_INIT;
    (void)arg;
    CHECK_OK(kt_exit_stack_push(&s, say_slowly, "a"));
    CHECK_OK(kt_exit_stack_push(&s, say_slowly, "b"));
    return kt_exit_stack_close(&s, kt_sleep(KT_S(60)));
}

TEST(closers_may_wait_whatever_is_requested_meanwhile)
{
    kt_task *t = spawn(closes_slowly, NULL, 0);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(kt_now(), KT_S(5));
    CHECK_TRACE("b\na");
}

static int swallows_its_cancellation(void *arg)
{
    kt_auto(kt_exit_stack) s = KT_EXIT_STACK_INIT;
    (void)arg;
    CHECK_OK(kt_exit_stack_push(&s, say_slowly, "slow"));
    CHECK_OK(kt_exit_stack_push_exit(&s, swallow, "a"));
    CHECK_EQ(kt_exit_stack_close(&s, kt_sleep(KT_S(60))), 0);
    int rc = kt_sleep(KT_S(1));
    return rc < 0 ? rc : 9;
}

TEST(a_cancellation_can_be_swallowed)
{
    kt_task *t = spawn(swallows_its_cancellation, NULL, 0);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_EQ(kt_task_join(t), 9);
    CHECK_TRACE("a KT_ECANCELED\nslow");
}

TEST(but_not_one_that_comes_meanwhile)
{
    kt_task *t = spawn(swallows_its_cancellation, NULL, 0);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_TRACE("a KT_ECANCELED\nslow");
}

static int returns_early_when_cancelled(void *arg)
{
    (void)arg;
    kt_auto(kt_exit_stack) s = KT_EXIT_STACK_INIT;
    CHECK_OK(kt_exit_stack_push_exit(&s, swallow, "a"));
    return kt_sleep(KT_S(60)) < 0 ? -EIO : 0;
}

static int goes_on_after_it(void *arg)
{
    CHECK_ERR(returns_early_when_cancelled(arg), -EIO);
    return kt_sleep(KT_S(1));
}

TEST(and_not_by_an_early_return)
{
    kt_task *t = spawn(goes_on_after_it, NULL, 0);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_TRACE("a KT_ECANCELED");
}

TEST_WITH(it_works_outside_a_loop, KT_TEST_NO_LOOP)
{
    kt_auto(kt_exit_stack) s = KT_EXIT_STACK_INIT;
    CHECK_OK(kt_exit_stack_push(&s, say_it, "a"));
    CHECK_ERR(kt_exit_stack_close(&s, -EIO), -EIO);
    CHECK_TRACE("a");
}
