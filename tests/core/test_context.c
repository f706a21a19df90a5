/* SPDX-License-Identifier: MIT */
/* Contexts as objects, and tokens. */
#include "sure.h"

#include "test/kit.h"

static const kt_context_var var = {"var"}, other = {"other"};

static const char *value(void)
{
    return kt_context_get(&var, "none");
}

/* ---- Tokens -------------------------------------------------------------------------------- */

TEST(reset_puts_back_what_was_before_each_set)
{
    kt_context_token first, second;
    CHECK_OK(kt_context_set_token(&var, "a", &first));
    CHECK_OK(kt_context_set_token(&var, "b", &second));
    CHECK_OK(kt_context_reset(&second));
    CHECK_STR(value(), "a");
    CHECK_OK(kt_context_reset(&first));
    CHECK_STR(value(), "none");
}

static int sees_both(void *expected)
{
    int rc = kt_sleep(KT_S(2)); /* beside the next one */
    CHECK(kt_context_get(&var, NULL) == expected);
    CHECK_STR(kt_context_get(&other, "none"), "x");
    return rc;
}

/* As who accepts connections and tells each handler a number by a variable. */
TEST(values_that_are_set_for_one_task_after_the_other_take_no_more_and_more_memory)
{
    size_t live = 0;
    static const char numbers[100];
    for (int i = 0; i < 100; i++) {
        CHECK_OK(kt_context_set(&other, "x"));
        CHECK_OK(kt_context_set(&var, &numbers[i]));
        kt_task_detach(spawn(sees_both, (void *)(uintptr_t)&numbers[i], 0));
        CHECK_OK(kt_context_set(&other, "y"));
        CHECK_OK(kt_sleep(KT_S(1)));
        if (i == 5)
            live = kt_test_blocks();
    }
    CHECK_EQ(kt_test_blocks(), live);
    CHECK_OK(kt_sleep(KT_S(3)));
}

TEST(a_set_in_a_shared_list_fails_whole)
{
    static const kt_context_var third = {"third"};
    const kt_context_var *const all[] = {&var, &other, &third}; /* to the last one belong copies of two */
    CHECK_OK(kt_context_set(&var, "1"));
    CHECK_OK(kt_context_set(&other, "2"));
    CHECK_OK(kt_context_set(&third, "3"));
    kt_auto(kt_context) *shared = NULL;
    CHECK_OK(kt_context_copy(&shared));
    for (int n = 1; n <= 3; n++) {
        kt_test_fail_allocation((uint64_t)n);
        CHECK_ERR(kt_context_set(all[n - 1], "new"), -ENOMEM);
        CHECK(kt_test_allocation_failed());
        CHECK_STR(value(), "1");
    }
    CHECK_OK(kt_context_set(&third, "new"));
    CHECK_STR(kt_context_get(&third, "none"), "new");
    CHECK_STR(kt_context_get(&other, "none"), "2");
    CHECK_STR(kt_context_lookup(shared, &third, "none"), "3");
}

static int value_is(void *expected)
{
    CHECK_STR(value(), expected);
    return 0;
}

TEST(reset_does_not_change_what_others_have_taken_over)
{
    kt_context_token token;
    CHECK_OK(kt_context_set_token(&var, "a", &token));
    CHECK_OK(kt_context_set(&other, "x"));
    kt_task *t = spawn(value_is, (void *)"a", 0);
    CHECK_OK(kt_context_reset(&token));
    CHECK_STR(value(), "none");
    CHECK_STR(kt_context_get(&other, "none"), "x");
    kt_task *u = spawn(value_is, (void *)"none", 0);
    CHECK_OK(kt_task_join(t));
    CHECK_OK(kt_task_join(u));
}

TEST(a_reset_without_memory_can_be_tried_again)
{
    kt_context_token token;
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_context_set_token(&var, "a", &token), -ENOMEM);
    CHECK_OK(kt_context_set_token(&var, "a", &token));
    kt_task *t = spawn(value_is, (void *)"a", 0);
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_context_reset(&token), -ENOMEM);
    CHECK_STR(value(), "a");
    CHECK_OK(kt_context_reset(&token));
    CHECK_STR(value(), "none");
    CHECK_OK(kt_task_join(t));
}

TEST_DIES(a_token_that_is_used_twice_is_misuse, 0, "the token has been used")
{
    kt_context_token token;
    CHECK_OK(kt_context_set_token(&var, "a", &token));
    CHECK_OK(kt_context_reset(&token));
    CHECK_OK(kt_context_reset(&token));
}

static int resets(void *token)
{
    return kt_context_reset(token);
}

TEST_DIES(a_token_of_another_task_is_misuse, 0, "set in another task or context")
{
    kt_context_token token;
    CHECK_OK(kt_context_set_token(&var, "a", &token));
    CHECK_OK(kt_task_join(spawn(resets, &token, 0)));
}

/* ---- Contexts ------------------------------------------------------------------------------ */

static int sets(void *text)
{
    CHECK_OK(kt_sleep(KT_S(1)));
    return kt_context_set(&var, text);
}

TEST(what_runs_in_a_context_leaves_its_values_there)
{
    kt_auto(kt_context) *c = NULL;
    CHECK_OK(kt_context_set(&var, "one"));
    CHECK_OK(kt_context_copy(&c));
    CHECK_OK(kt_context_set(&var, "two"));
    CHECK_STR(kt_context_lookup(c, &var, "none"), "one");
    CHECK_STR(kt_context_lookup(c, &other, "none"), "none");
    CHECK_OK(kt_context_run(c, value_is, "one", 0));
    CHECK_OK(kt_context_run(c, sets, "own", 0));
    CHECK_STR(value(), "two");
    CHECK_STR(kt_context_lookup(c, &var, "none"), "own");
}

TEST(a_task_can_be_spawned_into_a_context_and_keeps_it)
{
    kt_context *c;
    CHECK_OK(kt_context_set(&var, "one"));
    CHECK_OK(kt_context_copy(&c));
    const kt_spawn_options in = {.context = c};
    kt_task *t, *u;
    CHECK_OK(kt_spawn_with(&in, sets, "own", 0, &t));
    CHECK_OK(kt_task_join(t));
    CHECK_STR(value(), "one");
    CHECK_STR(kt_context_lookup(c, &var, "none"), "own");
    CHECK_OK(kt_spawn_with(&in, value_is, "own", 0, &t));
    CHECK_OK(kt_spawn_with(&in, value_is, "own", 0, &u));
    kt_context_free(c);
    CHECK_OK(kt_task_join(t));
    CHECK_OK(kt_task_join(u));
}

static int spawns_one_that_sees_own(void *arg)
{
    (void)arg;
    CHECK_OK(kt_context_set(&var, "own"));
    kt_task *t = spawn(value_is, (void *)"own", 0);
    CHECK_OK(kt_context_set(&var, "later"));
    return kt_task_join(t);
}

TEST(a_task_that_is_spawned_inside_begins_with_a_copy)
{
    kt_auto(kt_context) *c = NULL;
    CHECK_OK(kt_context_copy(&c));
    CHECK_OK(kt_context_run(c, spawns_one_that_sees_own, NULL, 0));
    CHECK_STR(kt_context_lookup(c, &var, "none"), "later");
    CHECK_STR(value(), "none");
}

static int runs_inside(void *c)
{
    CHECK_OK(kt_context_set(&var, "inner"));
    CHECK_OK(kt_context_run(c, value_is, "outer", 0));
    CHECK_STR(value(), "inner");
    return 7;
}

TEST(contexts_nest_and_the_result_comes_back)
{
    kt_auto(kt_context) *outer = NULL, *inner = NULL;
    CHECK_OK(kt_context_set(&var, "outer"));
    CHECK_OK(kt_context_copy(&outer));
    CHECK_OK(kt_context_copy(&inner));
    CHECK_EQ(kt_context_run(inner, runs_inside, outer, 0), 7);
}

static int sets_at_once(void *text)
{
    return kt_context_set(&var, text);
}

static void enter_context(void *c)
{
    CHECK_ERR(kt_context_set(&var, "x"), KT_ENOTRUNNING);
    CHECK_OK(kt_context_run(c, sets_at_once, "callback", 0));
    CHECK_STR(value(), "none");
}

static void say_value(void *arg)
{
    (void)arg;
    kt_test_say("%s", value());
}

static int calls_home(void *loop)
{
    return kt_call_threadsafe(loop, say_value, NULL);
}

TEST(a_call_from_another_thread_sees_what_its_caller_saw)
{
    CHECK_OK(kt_context_set(&var, "a"));
    CHECK_OK(kt_call_threadsafe(kt_loop_current(), say_value, NULL));
    CHECK_OK(kt_thread_run(calls_home, kt_loop_current(), 0));
    CHECK_OK(kt_context_set(&var, "b"));
    CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK_TRACE("a\na");
}

TEST(a_callback_can_run_in_a_context)
{
    kt_auto(kt_context) *c = NULL;
    kt_callback soon = KT_CALLBACK_INIT;
    CHECK_OK(kt_context_copy(&c));
    kt_call_soon(&soon, enter_context, c);
    yield_times(2);
    CHECK_STR(kt_context_lookup(c, &var, "none"), "callback");
}

static int main_of_a_loop(void *arg)
{
    (void)arg;
    CHECK_STR(value(), "outside");
    return kt_context_set(&var, "main");
}

static int runs_a_loop(void *arg)
{
    CHECK_OK(kt_context_set(&var, "outside"));
    CHECK_OK(kt_run(main_of_a_loop, arg, 0));
    CHECK_STR(value(), "outside");
    return 0;
}

TEST_WITH(a_loop_can_be_run_in_a_context, KT_TEST_NO_LOOP)
{
    kt_auto(kt_context) *c = NULL;
    CHECK_OK(kt_context_copy(&c));
    CHECK_OK(kt_context_run(c, runs_a_loop, NULL, 0));
    CHECK_STR(kt_context_lookup(c, &var, "none"), "outside");
    CHECK_STR(value(), "none");
}

static int yields(void *arg)
{
    return kt_coroutine_yield(arg, NULL);
}

static int yields_in_a_context(void *arg)
{
    kt_auto(kt_context) *c = NULL;
    CHECK_OK(kt_context_copy(&c));
    return kt_context_run(c, yields, arg, 0);
}

TEST_DIES(to_yield_inside_a_context_is_misuse, 0, "must not yield inside a kt_context_run")
{
    kt_coroutine *c;
    void *value;
    CHECK_OK(kt_coroutine_new(yields_in_a_context, NULL, 0, &c));
    CHECK_OK(kt_coroutine_resume(c, NULL, &value));
}

TEST(a_copy_without_memory_fails)
{
    kt_context *c = NULL;
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_context_copy(&c), -ENOMEM);
    CHECK(!c);
}
