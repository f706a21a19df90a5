/* SPDX-License-Identifier: MIT */
/* What looks after tasks, in a thousand orders. */
#include "crowd.h"

/* ---- Gather, wait, shield ------------------------------------------------------------------- */

KT_FN(ends_with, a, struct { int number, sleep; })
{
    int rc = kt_sleep(KT_MS(a->sleep));
    kt_test_say("%d ends with %d", a->number, rc);
    return rc < 0 ? rc : a->number;
}

#define ENDS_WITH(n, ms) {ends_with, &(ends_with_args){(n), (ms)}, sizeof(ends_with_args)}

static int gather_world(void *arg)
{
    const kt_job jobs[] = {ENDS_WITH(0, 2), ENDS_WITH(1, 0), ENDS_WITH(-5, 1), ENDS_WITH(3, 1)};
    int rcs[4] = {9, 9, 9, 9};
    (void)arg;
    sure(kt_gather(jobs, 4, rcs));
    CHECK(rcs[0] == 0 && rcs[1] == 1 && rcs[2] == -5 && rcs[3] == 3);
    CHECK_ERR(kt_gather(jobs, 4, NULL), -5);
    return kt_sleep(KT_MS(5)); /* the others go on */
}

TEST_WITH(gathered_results_stand_in_their_places, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, gather_world, NULL);
}

static int gather_until(void *arg)
{
    const kt_job jobs[] = {ENDS_WITH(0, 1), ENDS_WITH(1, 2), ENDS_WITH(2, 3)};
    int rcs[3];
    (void)arg;
    return kt_gather(jobs, 3, rcs);
}

static int limited_gather_world(void *arg)
{
    (void)arg;
    int rc = kt_wait_for(KT_MS(2), gather_until, NULL, 0);
    CHECK_ERR(rc, KT_ETIMEDOUT);
    CHECK_EQ(kt_task_cancelling(kt_task_current()), 0);
    return kt_sleep(0);
}

TEST_WITH(a_limit_ends_all_that_was_gathered, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, limited_gather_world, NULL);
}

static int sleeps_by_number(void *arg)
{
    const member *m = arg;
    int rc = kt_sleep(KT_MS(m->number % 3));
    kt_test_say("%d wakes", m->number);
    return rc;
}

static int wait_world(void *arg)
{
    static const int some[] = {2, 5};
    crowd c;
    (void)arg;
    crowd_start(&c, sleeps_by_number, NULL);
    int done = kt_wait(c.tasks, CROWD, KT_WAIT_FIRST_COMPLETED, KT_FOREVER);
    CHECK_GE(done, 1);
    crowd_cancel(&c, some, 2);
    CHECK_EQ(kt_wait(c.tasks, CROWD, KT_WAIT_ALL_COMPLETED, KT_FOREVER), CROWD);
    crowd_join(&c, 0, CROWD);
    return 0;
}

TEST_WITH(a_wait_for_all_sees_all, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, wait_world, NULL);
}

static int as_completed_world(void *arg)
{
    static const int some[] = {2, 5};
    crowd c;
    kt_auto(kt_as_completed) a = KT_AS_COMPLETED_INIT;
    kt_task *t;
    int rc, count = 0;
    (void)arg;
    crowd_start(&c, sleeps_by_number, NULL);
    sure(kt_as_completed_start(&a, c.tasks, CROWD));
    crowd_cancel(&c, some, 2);
    while ((rc = kt_as_completed_next(&a, &t)) == 1) {
        CHECK(kt_task_done(t));
        rc = kt_task_join(t);
        CHECK(rc == 0 || rc == KT_ECANCELED);
        count++;
    }
    CHECK_EQ(count, CROWD);
    return rc;
}

TEST_WITH(each_task_is_handed_out_once, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, as_completed_world, NULL);
}

static int shields(void *arg)
{
    const member *m = arg;
    return kt_shield(m->thing);
}

static int shield_world(void *arg)
{
    static const int some[] = {0, 3, 7};
    crowd c;
    kt_task *t = spawn_sleeper(1);
    (void)arg;
    crowd_start(&c, shields, t);
    crowd_cancel(&c, some, 3);
    crowd_join(&c, 0, CROWD);
    CHECK_EQ(c.cancelled, 3);
    return kt_task_join(t);
}

TEST_WITH(what_is_shielded_is_not_touched, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, shield_world, NULL);
}

static int awaits(void *arg)
{
    const member *m = arg;
    return kt_task_await(m->thing);
}

static int await_world(void *arg)
{
    static const int one[] = {3};
    crowd c;
    kt_task *t = spawn_sleeper(1);
    (void)arg;
    crowd_start(&c, awaits, t);
    yield_times(2);
    crowd_cancel(&c, one, 1); /* is passed on */
    crowd_join(&c, 0, CROWD);
    CHECK_EQ(c.cancelled, CROWD);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    return 0;
}

TEST_WITH(a_cancellation_that_is_passed_on_reaches_all_who_wait, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, await_world, NULL);
}

/* ---- Scopes ------------------------------------------------------------------------------ */

static int within_limits(void *arg)
{
    const member *m = arg;
    kt_auto(kt_timeout) outer = KT_TIMEOUT_INIT, inner = KT_TIMEOUT_INIT;
    kt_timeout_start(&outer, KT_MS(4));
    kt_timeout_start(&inner, KT_MS(m->number));
    int rc = kt_sleep(KT_MS(3)), in = kt_timeout_end(&inner, rc);
    CHECK(m->number >= 3 || in < 0);
    rc = kt_is_cancel(in) && in != KT_ECANCELED ? 0 : in;
    if (rc == 0)
        rc = kt_sleep(KT_MS(m->number));
    rc = kt_timeout_end(&outer, rc);
    kt_test_say("%d: %d, %d", m->number, in, rc);
    if (rc != KT_ECANCELED)
        CHECK_EQ(kt_task_cancelling(kt_task_current()), 0);
    return rc == KT_ETIMEDOUT ? 0 : rc;
}

static int timeout_world(void *arg)
{
    static const int some[] = {0, 4, 7};
    crowd c;
    (void)arg;
    crowd_start(&c, within_limits, NULL);
    sure(kt_sleep(KT_MS(3))); /* as limits and sleeps end */
    crowd_cancel(&c, some, 3);
    crowd_join(&c, 0, CROWD);
    return 0;
}

TEST_WITH(nested_limits_leave_no_request_behind, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, timeout_world, NULL);
}

static int is_child(void *arg)
{
    const member *m = arg;
    int *ended = m->thing;
    int rc = kt_sleep(KT_MS(m->number % 2));
    ++*ended;
    return m->number == 5 && rc == 0 ? -EIO : rc;
}

static int owns_group(void *arg)
{
    const member *m = arg;
    int ended = 0;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < CROWD; i++)
        sure(kt_group_spawn(&g, is_child, &(member){&ended, m->number % 2 ? i : 0}, sizeof(member)));
    int rc = kt_group_join(&g, kt_sleep(0));
    kt_test_say("%d: %d, %d of its children ran", m->number, rc, ended);
    CHECK_LE(ended, CROWD);
    CHECK(rc == 0 || rc == KT_ECANCELED || (rc == -EIO && m->number % 2));
    return rc == -EIO ? 0 : rc;
}

static int group_world(void *arg)
{
    static const int some[] = {0, 1, 3, 6};
    crowd c;
    (void)arg;
    crowd_start(&c, owns_group, NULL);
    crowd_cancel(&c, some, 4);
    crowd_join(&c, 0, CROWD);
    CHECK_EQ(kt_task_each(NULL, NULL), 1); /* no child outlives its group */
    return 0;
}

TEST_WITH(no_child_outlives_its_group, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, group_world, NULL);
}

static int drain_world(void *arg)
{
    int ended = 0;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < CROWD; i++)
        sure(kt_group_spawn(&g, is_child, &(member){&ended, i % 5}, sizeof(member)));
    yield_times(1);
    sure(kt_shutdown_drain(&g, KT_S(1), 0));
    CHECK_EQ(ended, CROWD);
    return 0;
}

TEST_WITH(a_drained_group_ends_by_itself, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, drain_world, NULL);
}

/* ---- Generators -------------------------------------------------------------------------- */

static int counts_up(void *arg)
{
    int rc = 0;
    (void)arg;
    for (int i = 0; rc == 0 && i < 3; i++) {
        rc = kt_sleep(0);
        if (rc == 0)
            rc = kt_yield(&i);
    }
    return rc;
}

static int consumes(void *arg)
{
    const member *m = arg;
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    int rc, item, expected = 0;
    sure(kt_generator_start(&g, counts_up, NULL, 0));
    while ((rc = kt_next(&g, &item)) == 1) {
        CHECK_EQ(item, expected++);
        kt_test_say("%d gets %d", m->number, item);
    }
    CHECK(rc < 0 || expected == 3);
    return rc;
}

static int generator_world(void *arg)
{
    static const int some[] = {1, 6};
    crowd c;
    (void)arg;
    crowd_start(&c, consumes, NULL);
    crowd_cancel(&c, some, 2);
    crowd_join(&c, 0, CROWD);
    return 0;
}

TEST_WITH(generators_keep_their_own_order, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, generator_world, NULL);
}
