/* SPDX-License-Identifier: MIT */
#include "sweep.h"

/* Timeouts, groups, coroutines: what looks after others. */

/* ---- Timeouts ------------------------------------------------------------------------------ */

SWEEP(kt_timeout_start, PLAIN)
{
    kt_timeout t = KT_TIMEOUT_INIT;
    SWEPT(kt_timeout_start, (&t, KT_S(1)));
    CHECK_ERR(kt_timeout_end(&t, kt_sleep(KT_S(2))), KT_ETIMEDOUT);
}

SWEEP(kt_timeout_start_at, PLAIN)
{
    kt_timeout t = KT_TIMEOUT_INIT;
    SWEPT(kt_timeout_start_at, (&t, kt_now() + KT_S(1)));
    CHECK_ERR(kt_timeout_end(&t, kt_sleep(KT_S(2))), KT_ETIMEDOUT);
}

SWEEP(kt_timeout_end, PLAIN)
{
    kt_timeout t = KT_TIMEOUT_INIT;
    kt_timeout_start(&t, KT_S(1));
    CHECK_EQ(SWEPT(kt_timeout_end, (&t, 3)), 3);
}

SWEEP(kt_timeout_reschedule, PLAIN)
{
    kt_timeout t = KT_TIMEOUT_INIT;
    kt_timeout_start(&t, KT_S(5));
    SWEPT(kt_timeout_reschedule, (&t, kt_now() + KT_S(1)));
    CHECK_ERR(kt_timeout_end(&t, kt_sleep(KT_S(2))), KT_ETIMEDOUT);
}

SWEEP(kt_timeout_when, PLAIN)
{
    kt_timeout t = KT_TIMEOUT_INIT;
    kt_timeout_start(&t, KT_FOREVER);
    CHECK_EQ(SWEPT(kt_timeout_when, (&t)), KT_FOREVER);
    kt_timeout_cleanup(&t);
}

SWEEP(kt_timeout_expired, PLAIN)
{
    kt_timeout t = KT_TIMEOUT_INIT;
    kt_timeout_start(&t, KT_S(1));
    CHECK(!SWEPT(kt_timeout_expired, (&t)));
    kt_timeout_cleanup(&t);
}

SWEEP(kt_timeout_cleanup, PLAIN)
{
    kt_timeout t = KT_TIMEOUT_INIT;
    kt_timeout_start(&t, KT_S(1));
    SWEPT(kt_timeout_cleanup, (&t));
    sure(kt_sleep(KT_S(2)));
}

static int sleeps_twice(void *arg)
{
    int rc = kt_sleep(KT_S(1));
    (void)arg;
    return rc < 0 ? rc : kt_sleep(KT_S(1));
}

static int waits_for_it(void *arg)
{
    (void)arg;
    return SWEPT(kt_wait_for, (KT_S(5), sleeps_twice, NULL, 0));
}

SWEEP(kt_wait_for, SUSPENDS)
{
    sweep_begin(waits_for_it, NULL);
    (void)sweep_end();
}

/* ---- Groups -------------------------------------------------------------------------------- */

static int counts(void *arg)
{
    int rc = kt_sleep(KT_S(1));
    ++*(int *)arg;
    return rc;
}

static int spawns_in_group(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = SWEPT(kt_group_spawn, (&g, counts, arg, 0));
    return kt_group_join(&g, rc);
}

SWEEP(kt_group_spawn, ALLOCATES)
{
    int ended = 0;
    (void)sweep_subject(spawns_in_group, &ended);
    CHECK_EQ(ended, 1);
}

static int spawns_with_in_group(void *arg)
{
    const kt_spawn_options named = {.name = "child"};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_task *t = NULL;
    int rc = SWEPT(kt_group_spawn_with, (&g, &named, counts, arg, 0, &t));
    CHECK((rc < 0) == !t);
    return kt_group_join(&g, rc);
}

SWEEP(kt_group_spawn_with, ALLOCATES)
{
    int ended = 0;
    (void)sweep_subject(spawns_with_in_group, &ended);
    CHECK_EQ(ended, 1);
}

/* The cancelled join waits for its children all the same, and only then returns. */
static int joins_group_of_its_own(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, counts, arg, 0));
    settle();
    sure(kt_group_spawn(&g, counts, arg, 0));
    settle();
    int rc = SWEPT(kt_group_join, (&g, 0));
    CHECK_EQ(*(int *)arg, 2);
    return rc;
}

SWEEP(kt_group_join, SUSPENDS)
{
    int ended = 0;
    sweep_begin(joins_group_of_its_own, &ended);
    (void)sweep_end();
}

SWEEP(kt_group_cancel, PLAIN)
{
    int ended = 0;
    kt_group g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, counts, &ended, 0));
    settle();
    SWEPT(kt_group_cancel, (&g));
    sure(kt_group_join(&g, 0));
    CHECK_EQ(ended, 1);
}

static int leaves_group(void *arg)
{
    kt_group g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, counts, arg, 0));
    settle();
    SWEPT(kt_group_cleanup, (&g));
    CHECK_EQ(*(int *)arg, 1);
    return 0;
}

SWEEP(kt_group_cleanup, SUSPENDS | HOLDS)
{
    int ended = 0;
    sweep_begin(leaves_group, &ended);
    (void)sweep_end();
}

static void waits_and_counts(void *arg)
{
    sure(kt_sleep(KT_S(1))); /* a cancellation is held back */
    ++*(int *)arg;
}

static int leaves_exit_stack(void *arg)
{
    kt_exit_stack s = KT_EXIT_STACK_INIT;
    sure(kt_exit_stack_push(&s, waits_and_counts, arg));
    sure(kt_exit_stack_push(&s, waits_and_counts, arg));
    SWEPT(kt_exit_stack_cleanup, (&s));
    CHECK_EQ(*(int *)arg, 2);
    return 0;
}

SWEEP(kt_exit_stack_cleanup, SUSPENDS | HOLDS)
{
    int closed = 0;
    sweep_begin(leaves_exit_stack, &closed);
    (void)sweep_end();
}

static int drains(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, counts, arg, 0));
    settle();
    int rc = SWEPT(kt_shutdown_drain, (&g, KT_S(10), 0));
    CHECK_EQ(*(int *)arg, 1);
    return rc;
}

SWEEP(kt_shutdown_drain, SUSPENDS)
{
    int ended = 0;
    sweep_begin(drains, &ended);
    (void)sweep_end();
}

/* ---- All failures of a group ---------------------------------------------------------------- */

enum { FAILING = 6, WITHIN = 2 }; /* more than a list has room for in the beginning; in a group of one of them */

static int fails_when_told(void *event)
{
    (void)!kt_event_wait(event); /* or when it is cancelled, by another's failure */
    return kt_error_set(-EIO, "told to");
}

static int fails_within(void *event)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < WITHIN; i++)
        sure(kt_group_spawn(&g, fails_when_told, event, 0));
    return kt_group_join(&g, 0);
}

static void spawn_failing(kt_group *g, kt_event *event)
{
    sure(kt_group_spawn(g, fails_within, event, 0));
    while (g->live < FAILING)
        sure(kt_group_spawn(g, fails_when_told, event, 0));
    settle();
    kt_event_set(event);
}

static void is_failure(const kt_failure *failure, void *arg)
{
    (void)arg;
    CHECK_ERR(failure->rc, -EIO);
}

/* The code and the number of failures are right in any case, and what there was memory for is in the list: without
 * one allocation one entry is missing, or two where it stood for a list. */
static int joins_group_that_fails(void *arg)
{
    kt_event event = KT_EVENT_INIT;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    spawn_failing(&g, &event);
    CHECK_ERR(SWEPT(kt_group_join, (&g, 0)), -EIO);
    kt_failures all = kt_group_failures();
    CHECK_EQ(all.total, FAILING);
    CHECK_LE(all.count, all.total);
    *(size_t *)arg = kt_failures_each(all, 0, is_failure, NULL);
    return 0;
}

SWEEP_AS(kt_group_join, failures, SUSPENDS | ALLOCATES | SPARES | WHOLE | TELLS)
{
    size_t listed = 0;
    sweep_begin(joins_group_that_fails, &listed);
    (void)sweep_end();
    CHECK_GE(listed, FAILING - 1 + (sweep_struck() ? 0 : WITHIN));
}

static int asks_for_failures(void *arg)
{
    kt_event event = KT_EVENT_INIT;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    (void)arg;
    spawn_failing(&g, &event);
    CHECK_ERR(kt_group_join(&g, 0), -EIO);
    return (int)SWEPT(kt_group_failures, ()).total;
}

SWEEP(kt_group_failures, PLAIN)
{
    CHECK_EQ(SWEPT(kt_group_failures, ()).count, 0);
    CHECK_EQ(kt_task_join(spawn(asks_for_failures, NULL, 0)), FAILING);
    CHECK_EQ(SWEPT(kt_group_failures, ()).count, 0); /* that was another task's */
}

SWEEP(kt_failures_each, PLAIN)
{
    kt_event event = KT_EVENT_INIT;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    spawn_failing(&g, &event);
    CHECK_ERR(kt_group_join(&g, 0), -EIO);
    kt_failures all = kt_group_failures();
    CHECK_EQ(SWEPT(kt_failures_each, (all, -EIO, is_failure, NULL)), FAILING - 1 + WITHIN);
    CHECK_EQ(SWEPT(kt_failures_each, (all, -EPERM, is_failure, NULL)), 0);
}

/* ---- Coroutines and generators --------------------------------------------------------------- */

static int counts_to_three(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 3; i++) {
        int rc = kt_sleep(KT_S(1));
        if (rc == 0)
            rc = kt_coroutine_yield(&i, NULL);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int makes_coroutine(void *arg)
{
    kt_auto(kt_coroutine) *c = NULL;
    int rc = SWEPT(kt_coroutine_new, (counts_to_three, arg, sizeof(int), &c));
    CHECK((rc < 0) == !c);
    return rc;
}

SWEEP(kt_coroutine_new, ALLOCATES)
{
    (void)sweep_subject(makes_coroutine, &(int){1});
}

static int resumes(void *arg)
{
    kt_auto(kt_coroutine) *c = NULL;
    int rc, sum = 0;
    void *value;
    sure(kt_coroutine_new(counts_to_three, arg, 0, &c));
    while ((rc = SWEPT(kt_coroutine_resume, (c, NULL, &value))) == 1)
        sum += *(int *)value;
    CHECK_EQ(sum, rc == 0 ? 6 : sum);
    CHECK(kt_coroutine_state_of(c) == KT_COROUTINE_ENDED);
    return rc;
}

SWEEP(kt_coroutine_resume, SUSPENDS)
{
    sweep_begin(resumes, NULL);
    (void)sweep_end();
}

static int yields_swept(void *arg)
{
    void *sent = NULL;
    int rc = SWEPT(kt_coroutine_yield, (arg, &sent));
    CHECK(sent == arg);
    return rc;
}

SWEEP(kt_coroutine_yield, PLAIN)
{
    kt_coroutine *c = NULL;
    int n = 0;
    sure(kt_coroutine_new(yields_swept, &n, 0, &c));
    CHECK_EQ(kt_coroutine_resume(c, NULL, NULL), 1);
    sure(kt_coroutine_resume(c, &n, NULL));
    kt_coroutine_close(c);
}

static int waits_in_clean_up(void *arg)
{
    int rc = kt_coroutine_yield(NULL, NULL);
    CHECK_ERR(rc, KT_ECLOSED);
    sure(kt_sleep(KT_S(1))); /* held back */
    *(int *)arg += 1;
    return rc;
}

static int closes_coroutine(void *arg)
{
    kt_coroutine *c = NULL;
    sure(kt_coroutine_new(waits_in_clean_up, arg, 0, &c));
    CHECK_EQ(kt_coroutine_resume(c, NULL, NULL), 1);
    SWEPT(kt_coroutine_close, (c));
    CHECK_EQ(*(int *)arg, 1);
    return 0;
}

SWEEP(kt_coroutine_close, SUSPENDS | HOLDS)
{
    int cleaned = 0;
    sweep_begin(closes_coroutine, &cleaned);
    (void)sweep_end();
}

SWEEP(kt_coroutine_state_of, PLAIN)
{
    kt_coroutine *c = NULL;
    sure(kt_coroutine_new(nothing, NULL, 0, &c));
    CHECK_EQ(SWEPT(kt_coroutine_state_of, (c)), KT_COROUTINE_FRESH);
    kt_coroutine_close(c);
}

static int generates(void *arg)
{
    int from = *(int *)arg;
    for (int i = from; i < from + 3; i++) {
        int rc = kt_sleep(KT_S(1));
        if (rc == 0)
            rc = kt_yield(&i);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int starts_generator(void *arg)
{
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    return SWEPT(kt_generator_start, (&g, generates, arg, sizeof(int)));
}

SWEEP(kt_generator_start, ALLOCATES)
{
    (void)sweep_subject(starts_generator, &(int){1});
}

static int takes_items(void *arg)
{
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    int item = 0, rc, sum = 0;
    sure(kt_generator_start(&g, generates, arg, sizeof(int)));
    while ((rc = SWEPT(kt_next, (&g, &item))) == 1)
        sum += item;
    CHECK(rc < 0 || sum == 6);
    return rc;
}

SWEEP(kt_next, SUSPENDS)
{
    sweep_begin(takes_items, &(int){1});
    (void)sweep_end();
}

static int yields_item(void *arg)
{
    return SWEPT(kt_yield, (arg));
}

SWEEP(kt_yield, PLAIN)
{
    kt_generator g = KT_GENERATOR_INIT(int);
    int item = 0;
    sure(kt_generator_start(&g, yields_item, &(int){4}, sizeof(int)));
    CHECK_EQ(kt_next(&g, &item), 1);
    CHECK_EQ(item, 4);
    CHECK_EQ(kt_next(&g, &item), 0);
    kt_generator_close(&g);
}

static int cleans_up_slowly(void *arg)
{
    int rc = kt_yield(&(int){1});
    sure(kt_sleep(KT_S(1)));
    *(int *)arg += 1;
    return rc;
}

static int closes_generator(void *arg)
{
    kt_generator g = KT_GENERATOR_INIT(int);
    int item;
    sure(kt_generator_start(&g, cleans_up_slowly, arg, 0));
    CHECK_EQ(kt_next(&g, &item), 1);
    SWEPT(kt_generator_close, (&g));
    CHECK_EQ(*(int *)arg, 1);
    return 0;
}

SWEEP(kt_generator_close, SUSPENDS | HOLDS)
{
    int cleaned = 0;
    sweep_begin(closes_generator, &cleaned);
    (void)sweep_end();
}
