/* SPDX-License-Identifier: MIT */

/* Coroutines by hand, and generators. */

#include <kettle/coroutine.h>
#include <kettle/group.h>
#include <kettle/test.h>
#include <kettle/timeout.h>

#include <errno.h>

/* ---- Coroutines ---------------------------------------------------------------------------- */

static int adder(void *arg)
{
    intptr_t sum = 0;
    void *sent = NULL;
    (void)arg;
    for (;;) {
        int rc = kt_coroutine_yield((void *)sum, &sent);
        if (rc < 0) {
            kt_test_say("closed at %d", (int)sum);
            return rc;
        }
        sum += (intptr_t)sent;
    }
}

TEST(values_go_in_and_out)
{
    kt_coroutine *c;
    void *sum;
    CHECK_OK(kt_coroutine_new(adder, NULL, 0, &c));
    CHECK_EQ(kt_coroutine_state_of(c), KT_COROUTINE_FRESH);
    CHECK_EQ(kt_coroutine_resume(c, NULL, &sum), 1);
    CHECK_EQ(kt_coroutine_resume(c, (void *)3, &sum), 1);
    CHECK_EQ(kt_coroutine_resume(c, (void *)4, &sum), 1);
    CHECK_EQ((intptr_t)sum, 7);
    CHECK_EQ(kt_coroutine_state_of(c), KT_COROUTINE_SUSPENDED);
    kt_coroutine_close(c);
    CHECK_TRACE("closed at 7");
}

static int ends_with(void *arg)
{
    return *(int *)arg;
}

TEST(the_end_gives_the_result_once)
{
    kt_coroutine *good, *bad;
    CHECK_OK(kt_coroutine_new(ends_with, &(int){7}, sizeof(int), &good));
    CHECK_OK(kt_coroutine_new(ends_with, &(int){-5}, sizeof(int), &bad));
    CHECK_EQ(kt_coroutine_resume(good, NULL, NULL), 0);
    CHECK_EQ(kt_coroutine_resume(bad, NULL, NULL), -5);
    CHECK_EQ(kt_coroutine_state_of(good), KT_COROUTINE_ENDED);
    CHECK_ERR(kt_coroutine_resume(good, NULL, NULL), KT_EINVALIDSTATE);
    kt_coroutine_close(good);
    kt_coroutine_close(bad);
}

TEST(one_that_never_began_is_closed_in_silence)
{
    kt_coroutine *c;
    CHECK_OK(kt_coroutine_new(adder, NULL, 0, &c));
    kt_coroutine_close(c);
    kt_coroutine_close(NULL);
    CHECK_TRACE("");
}

static int closes_itself(void *arg)
{
    kt_coroutine_close(*(kt_coroutine **)arg);
    return 0;
}

TEST_DIES(closing_the_running_one_is_misuse, 0, "a coroutine that runs cannot be resumed or closed")
{
    kt_coroutine *c;
    CHECK_OK(kt_coroutine_new(closes_itself, &c, 0, &c));
    CHECK_EQ(kt_coroutine_resume(c, NULL, NULL), 0);
}

TEST_DIES(yielding_outside_a_coroutine_is_misuse, 0, "outside a coroutine")
{
    CHECK_OK(kt_coroutine_yield(NULL, NULL));
}

static int yields_inside_a_timeout(void *arg)
{
    (void)arg;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    return kt_timeout_end(&limit, kt_coroutine_yield(NULL, NULL));
}

TEST_DIES(yielding_across_an_open_timeout_is_misuse, 0, "must not yield inside a timeout or group")
{
    kt_coroutine *c;
    CHECK_OK(kt_coroutine_new(yields_inside_a_timeout, NULL, 0, &c));
    CHECK_EQ(kt_coroutine_resume(c, NULL, NULL), 1);
}

/* ---- Generators ---------------------------------------------------------------------------- */

KT_FN(numbers, a, struct { const char *name; kt_time pause; })
{
    int rc = 0;
    kt_test_say("%s opens", a->name);
    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = kt_sleep(a->pause);
        if (rc == 0)
            rc = kt_yield(&i);
    }
    kt_cancel_catch();
    kt_test_say("%s cleanup begins", a->name);
    CHECK_OK(kt_sleep(a->pause));
    kt_test_say("%s cleanup ends", a->name);
    return rc;
}

TEST(leaving_early_runs_the_cleanup)
{
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    int n;
    CHECK_OK(kt_generator_start(&g, KT_WITH(numbers, .name = "G")));
    CHECK_EQ(kt_next(&g, &n), 1);
    CHECK_EQ(n, 0);
    kt_generator_close(&g);
    kt_generator_close(&g);
    CHECK_EQ(kt_next(&g, &n), 0);
    CHECK_TRACE("G opens\nG cleanup begins\nG cleanup ends");
}

TEST(a_generator_runs_to_its_end)
{
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    int n, sum = 0, rc;
    CHECK_OK(kt_generator_start(&g, KT_WITH(numbers, .name = "H", .pause = KT_S(1))));
    while ((rc = kt_next(&g, &n)) == 1)
        sum += n;
    CHECK_EQ(rc, 0);
    CHECK_EQ(sum, 3);
    CHECK_EQ(kt_next(&g, &n), 0);
    CHECK_TRACE("H opens\nH cleanup begins\nH cleanup ends");
}

KT_FN(odd_only, a, struct { kt_generator *source; })
{
    int n, rc;
    while ((rc = kt_next(a->source, &n)) == 1)
        if (n % 2 == 1 && (rc = kt_yield(&n)) < 0)
            return rc;
    return rc;
}

TEST(generators_chain)
{
    kt_auto(kt_generator) source = KT_GENERATOR_INIT(int);
    kt_auto(kt_generator) odd = KT_GENERATOR_INIT(int);
    int n;
    CHECK_OK(kt_generator_start(&source, KT_WITH(numbers, .name = "S", .pause = KT_MS(1))));
    CHECK_OK(kt_generator_start(&odd, KT_WITH(odd_only, .source = &source)));
    CHECK_EQ(kt_next(&odd, &n), 1);
    CHECK_EQ(n, 1);
    kt_generator_close(&odd);
    kt_generator_close(&source);
    CHECK_TRACE("S opens\nS cleanup begins\nS cleanup ends");
}

static int consume(void *arg)
{
    (void)arg;
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    int n, rc = kt_generator_start(&g, KT_WITH(numbers, .name = "G", .pause = KT_S(10)));
    while (rc == 0 && (rc = kt_next(&g, &n)) == 1)
        rc = 0;
    return rc;
}

TEST(a_cancellation_reaches_the_producer)
{
    kt_task *t;
    CHECK_OK(kt_spawn(consume, NULL, 0, &t));
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_TRACE("G opens\nG cleanup begins\nG cleanup ends");
}

TEST(a_timeout_around_the_consumer_reaches_the_producer)
{
    CHECK_ERR(kt_wait_for(KT_S(15), consume, NULL, 0), KT_ETIMEDOUT);
    CHECK_TRACE("G opens\nG cleanup begins\nG cleanup ends");
}

TEST(many_generators_interleave_over_tasks)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < 50; i++)
        CHECK_OK(kt_group_spawn(&g, consume, NULL, 0));
    CHECK_OK(kt_group_join(&g, 0));
}

TEST(no_memory_for_a_coroutine_is_told)
{
    kt_coroutine *c = NULL;
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_coroutine_new(adder, NULL, 0, &c), -ENOMEM);
    CHECK(kt_test_allocation_failed());
}
