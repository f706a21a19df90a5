/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <kettle/pool.h>

/* Resources are numbers in a table, so that each can be followed. */
typedef struct maker {
    int made, destroyed, checks, fail_creates;
    kt_time takes;
    int check_rc;
    int numbers[64];
} maker;

static int create(void **ret_resource, void *arg)
{
    maker *m = arg;
    int rc = m->takes ? kt_sleep(m->takes) : 0;
    if (rc < 0)
        return rc;
    if (m->fail_creates > 0 && m->fail_creates--)
        return -ECONNREFUSED;
    CHECK_LT(m->made, 64);
    m->numbers[m->made] = m->made + 1;
    *ret_resource = &m->numbers[m->made++];
    return 0;
}

static void destroy(void *resource, void *arg)
{
    maker *m = arg;
    if (m->takes)
        sure(kt_sleep(m->takes)); /* held back: also while the task is being cancelled */
    CHECK_GT(*(int *)resource, 0);
    *(int *)resource = 0;
    m->destroyed++;
}

static int check(void *resource, void *arg)
{
    maker *m = arg;
    (void)resource;
    m->checks++;
    int rc = m->takes ? kt_sleep(m->takes) : 0;
    return rc < 0 ? rc : m->check_rc;
}

#define POOL(m) {.create = create, .destroy = destroy, .arg = (m)}

static int number(const kt_lease *l)
{
    return *(int *)l->resource;
}

KT_FN(borrows, a, struct {
    kt_resource_pool *pool;
    int who;
    kt_time takes;
})
{
    kt_auto(kt_lease) lease = KT_LEASE_INIT;
    int rc = kt_resource_pool_acquire(a->pool, &lease);
    if (rc < 0)
        return rc;
    kt_test_say("%d has %d at %lld", a->who, number(&lease), (long long)(kt_now() / KT_S(1)));
    CHECK_LE(a->pool->alive, a->pool->max);
    return kt_sleep(a->takes);
}

TEST(waiters_get_resources_in_order_and_never_more_than_max_exist)
{
    maker m = {0};
    kt_auto(kt_resource_pool) p = POOL(&m);
    p.max = 2;
    sure(kt_resource_pool_open(&p));
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < 5; i++)
        sure(kt_group_spawn(&g, KT_WITH(borrows, &p, i, KT_S(i == 0 ? 3 : 2))));
    yield_times(2);
    CHECK_EQ(p.waiting, 3);
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_TRACE("0 has 1 at 0\n1 has 2 at 0\n2 has 2 at 2\n3 has 1 at 3\n4 has 2 at 4");
    CHECK_EQ(m.made, 2);
    CHECK_EQ(p.acquired, 5);
}

TEST(min_are_made_at_once_and_idle_ones_above_it_are_destroyed_in_time)
{
    maker m = {0};
    kt_auto(kt_resource_pool) p = POOL(&m);
    p.min = 1;
    p.idle_max = KT_S(10);
    sure(kt_resource_pool_open(&p));
    CHECK_EQ(m.made, 1);
    {
        kt_auto(kt_lease) a = KT_LEASE_INIT, b = KT_LEASE_INIT, c = KT_LEASE_INIT;
        sure(kt_resource_pool_acquire(&p, &a));
        sure(kt_resource_pool_acquire(&p, &b));
        sure(kt_resource_pool_acquire(&p, &c));
        CHECK_EQ(p.alive, 3);
    }
    sure(kt_sleep(KT_S(10) - 1));
    CHECK_EQ(p.alive, 3);
    sure(kt_sleep(KT_MS(1)));
    CHECK_EQ(p.alive, 1);
    CHECK_EQ(p.idle, 1);
    sure(kt_sleep(KT_S(100)));
    CHECK_EQ(p.alive, 1);
    CHECK_OK(kt_resource_pool_close(&p));
    CHECK_EQ(m.destroyed, 3);
    CHECK_EQ(p.created, 3);
    CHECK_EQ(p.destroyed, 3);
    CHECK_EQ(p.acquired, 3);
}

TEST(when_idle_ones_have_been_destroyed_as_many_as_ever_may_be_borrowed)
{
    maker m = {0};
    kt_auto(kt_resource_pool) p = POOL(&m);
    kt_auto(kt_lease) a = KT_LEASE_INIT, b = KT_LEASE_INIT, c = KT_LEASE_INIT;
    p.max = 3;
    p.idle_max = KT_S(10);
    sure(kt_resource_pool_open(&p));
    sure(kt_resource_pool_acquire(&p, &a));
    sure(kt_resource_pool_acquire(&p, &b));
    kt_lease_release(&a);
    kt_lease_release(&b);
    sure(kt_sleep(KT_S(11)));
    CHECK_EQ(p.alive, 0);
    sure(kt_resource_pool_acquire(&p, &a));
    sure(kt_resource_pool_acquire(&p, &b));
    CHECK_OK(kt_resource_pool_acquire(&p, &c));
}

TEST(an_unhealthy_idle_one_is_replaced_and_a_broken_one_discarded)
{
    maker m = {0};
    kt_auto(kt_resource_pool) p = POOL(&m);
    p.check = check;
    p.check_after = KT_S(1);
    sure(kt_resource_pool_open(&p));
    kt_auto(kt_lease) a = KT_LEASE_INIT;
    sure(kt_resource_pool_acquire(&p, &a));
    kt_lease_release(&a);
    sure(kt_resource_pool_acquire(&p, &a));
    CHECK_EQ(number(&a), 1);
    CHECK_EQ(m.checks, 0); /* it was not idle long enough */
    kt_lease_release(&a);
    sure(kt_sleep(KT_S(1)));
    m.check_rc = -EPIPE;
    sure(kt_resource_pool_acquire(&p, &a));
    CHECK_EQ(number(&a), 2);
    CHECK_EQ(m.checks, 1);
    CHECK_EQ(m.destroyed, 1);
    kt_lease_discard(&a);
    CHECK(a.resource == NULL);
    kt_lease_discard(&a);
    CHECK_EQ(m.destroyed, 2);
    CHECK_EQ(p.alive, 0);
}

TEST(a_failed_create_gives_the_turn_to_the_next)
{
    maker m = {.fail_creates = 1, .takes = KT_S(1)};
    kt_auto(kt_resource_pool) p = POOL(&m);
    p.max = 1;
    sure(kt_resource_pool_open(&p));
    kt_task *first = spawn(KT_WITH(borrows, &p, 1, 0)), *second = spawn(KT_WITH(borrows, &p, 2, 0));
    CHECK_ERR(kt_task_join(first), -ECONNREFUSED);
    CHECK_OK(kt_task_join(second));
    CHECK_TRACE("2 has 1 at 2");
}

TEST(a_cancelled_waiter_passes_its_turn_on)
{
    maker m = {0};
    kt_auto(kt_resource_pool) p = POOL(&m);
    p.max = 1;
    sure(kt_resource_pool_open(&p));
    kt_auto(kt_lease) a = KT_LEASE_INIT;
    sure(kt_resource_pool_acquire(&p, &a));
    kt_task *first = spawn(KT_WITH(borrows, &p, 1, 0)), *second = spawn(KT_WITH(borrows, &p, 2, 0));
    yield_times(2);
    kt_lease_release(&a);  /* the turn is the first one's */
    kt_task_cancel(first); /* before it ran */
    CHECK_ERR(kt_task_join(first), KT_ECANCELED);
    CHECK_OK(kt_task_join(second));
    CHECK_TRACE("2 has 1 at 0");
}

TEST(a_cancelled_task_does_not_spoil_the_idle_ones)
{
    maker m = {0};
    kt_auto(kt_resource_pool) p = POOL(&m);
    p.min = 2;
    p.check = check;
    sure(kt_resource_pool_open(&p));
    kt_auto(kt_lease) a = KT_LEASE_INIT;
    kt_task_cancel(kt_task_current());
    CHECK_ERR(kt_resource_pool_acquire(&p, &a), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    CHECK_EQ(p.idle, 2);
    CHECK_EQ(m.checks, 0);
}

KT_FN(closes, a, struct { kt_resource_pool *pool; })
{
    return kt_resource_pool_close(a->pool);
}

TEST(close_waits_for_leases_and_sends_the_line_away)
{
    maker m = {0};
    kt_auto(kt_resource_pool) p = POOL(&m);
    p.max = 1;
    sure(kt_resource_pool_open(&p));
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_task *in_line[2];
    sure(kt_group_spawn(&g, KT_WITH(borrows, &p, 1, KT_S(5))));
    yield_times(1);
    for (int i = 0; i < 2; i++)
        in_line[i] = spawn(KT_WITH(borrows, &p, 2, 0));
    yield_times(1);
    kt_task *closer = spawn(KT_WITH(closes, &p));
    for (int i = 0; i < 2; i++)
        CHECK_ERR(kt_task_join(in_line[i]), KT_ESHUTDOWN);
    CHECK_EQ(kt_now(), 0); /* before the lease is back */
    kt_task_cancel(closer);
    CHECK_ERR(kt_task_join(closer), KT_ECANCELED);
    CHECK_OK(kt_resource_pool_close(&p));
    CHECK_EQ(kt_now(), KT_S(5));
    CHECK_EQ(m.destroyed, 1);
    kt_auto(kt_lease) late = KT_LEASE_INIT;
    CHECK_ERR(kt_resource_pool_acquire(&p, &late), KT_ESHUTDOWN);
    CHECK_OK(kt_group_join(&g, 0));
}

static int open_and_borrow(void *arg)
{
    kt_auto(kt_resource_pool) p = POOL(arg);
    p.min = 2;
    p.check = check;
    int rc = kt_resource_pool_open(&p);
    if (rc < 0)
        return rc;
    kt_auto(kt_lease) a = KT_LEASE_INIT;
    rc = kt_resource_pool_acquire(&p, &a);
    return rc < 0 ? rc : kt_sleep(KT_S(1));
}

static void all_destroyed(void *arg)
{
    maker *m = arg;
    CHECK_EQ(m->made, m->destroyed);
    m->made = m->destroyed = 0;
}

TEST(a_pool_survives_missing_memory)
{
    maker m = {0};
    each_allocation_fails(open_and_borrow, &m);
    all_destroyed(&m);
}

TEST(a_pools_user_may_be_cancelled_at_every_moment)
{
    maker m = {.takes = KT_S(1)};
    each_moment_cancelled(open_and_borrow, &m, KT_MS(250), all_destroyed);
}

TEST(a_min_that_cannot_be_made_leaves_nothing)
{
    maker m = {0};
    kt_auto(kt_resource_pool) p = POOL(&m);
    p.min = 2;
    m.fail_creates = 1;
    CHECK_ERR(kt_resource_pool_open(&p), -ECONNREFUSED);
    CHECK_OK(kt_resource_pool_open(&p));
    CHECK_EQ(p.idle, 2);
}

KT_FN(opens, a, struct { kt_resource_pool *pool; })
{
    return kt_resource_pool_open(a->pool);
}

TEST(a_pool_that_is_being_opened_may_be_closed)
{
    maker m = {.takes = KT_S(1)};
    kt_auto(kt_resource_pool) p = POOL(&m);
    kt_auto(kt_lease) early = KT_LEASE_INIT;
    p.min = 3;
    kt_task *opener = spawn(KT_WITH(opens, &p));
    CHECK_OK(kt_sleep(KT_MS(1500)));
    CHECK_ERR(kt_resource_pool_acquire(&p, &early), KT_ESHUTDOWN);
    CHECK_OK(kt_resource_pool_close(&p));
    CHECK_ERR(kt_task_join(opener), KT_ESHUTDOWN);
    CHECK_EQ(m.made, 2);
    CHECK_EQ(m.destroyed, 2);
    CHECK_OK(kt_resource_pool_open(&p));
    CHECK_OK(kt_resource_pool_acquire(&p, &early));
}

TEST(a_healthy_idle_one_is_lent_again)
{
    maker m = {0};
    kt_auto(kt_resource_pool) p = POOL(&m);
    p.check = check;
    p.min = p.max = 1;
    sure(kt_resource_pool_open(&p));
    for (int i = 1; i < 4; i++) {
        kt_auto(kt_lease) a = KT_LEASE_INIT;
        sure(kt_resource_pool_acquire(&p, &a));
        CHECK_EQ(number(&a), 1);
        CHECK_EQ(m.checks, i);
    }
}
