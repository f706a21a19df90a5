/* SPDX-License-Identifier: MIT */
/* A group keeps the failures of all its children, and of the groups inside it. */
#include "sure.h"

KT_FN(fails_after, a, struct {
    int seconds;
    int rc;
})
{
    int rc = kt_sleep(KT_S(a->seconds));
    return rc < 0 ? rc : kt_error_set(a->rc, "after %d s", a->seconds);
}

static int fails_late(void *arg)
{
    (void)!kt_sleep(KT_S(60));
    return kt_error_set(*(int *)arg, "in its clean-up");
}

TEST(all_failures_are_listed_in_the_order_in_which_they_came_the_bodys_last)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    const kt_spawn_options named = {.name = "second"};
    sure(kt_group_spawn_with(&g, &named, fails_late, &(int){-ENOENT}, sizeof(int), NULL));
    sure(kt_group_spawn(&g, KT_WITH(fails_after, 1, -EIO)));
    sure(kt_group_spawn(&g, sleep_seconds, &(int){60}, sizeof(int)));
    CHECK_ERR(kt_sleep(KT_S(60)), KT_ESIBLING);
    CHECK_ERR(kt_group_join(&g, kt_error_set(-EPERM, "the body")), -EPERM);
    kt_failures all = kt_group_failures();
    CHECK_EQ(all.count, 3);
    CHECK_EQ(all.total, 3);
    CHECK_ERR(all.items[0].rc, -EIO);
    CHECK_STR(all.items[0].detail, "after 1 s");
    CHECK_STR(all.items[1].name, "second");
    CHECK_ERR(all.items[1].rc, -ENOENT);
    CHECK_STR(all.items[1].detail, "in its clean-up");
    CHECK_ERR(all.items[2].rc, -EPERM);
    CHECK_STR(all.items[2].name, kt_task_name(kt_task_current()));
    CHECK_EQ(all.items[2].inner.count, 0);
    CHECK_STR(kt_error_detail(), "the body");
}

/* It has the same code, but words of its own. */
TEST(the_list_of_a_group_is_not_that_of_a_later_failure)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, KT_WITH(fails_after, 1, -EIO)));
    CHECK_ERR(kt_group_join(&g, 0), -EIO);
    sure(kt_group_spawn(&g, sleep_seconds, &(int){60}, sizeof(int)));
    CHECK_ERR(kt_group_join(&g, kt_error_set(-EIO, "another one")), -EIO);
    kt_failures all = kt_group_failures();
    CHECK_EQ(all.count, 1);
    CHECK_STR(all.items[0].detail, "another one");
    CHECK_EQ(all.items[0].inner.count, 0);
}

TEST(a_join_without_failures_leaves_no_list)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, KT_WITH(fails_after, 1, -EIO)));
    CHECK_ERR(kt_group_join(&g, 0), -EIO);
    CHECK_EQ(kt_group_failures().count, 1);
    sure(kt_group_spawn(&g, sleep_seconds, &(int){1}, sizeof(int)));
    CHECK_EQ(kt_group_join(&g, 0), 0);
    CHECK_EQ(kt_group_failures().count, 0);
}

static int joins_two_that_fail(void *arg)
{
    (void)arg;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, fails_late, &(int){-ENOENT}, sizeof(int)));
    sure(kt_group_spawn(&g, KT_WITH(fails_after, 1, -EIO)));
    return kt_group_join(&g, 0);
}

static void count_one(const kt_failure *failure, void *n)
{
    CHECK_ERR(failure->rc, -ENOENT);
    ++*(int *)n;
}

TEST(the_list_of_an_inner_group_is_an_entry_of_the_outer_ones)
{
    kt_auto(kt_group) outer = KT_GROUP_INIT;
    sure(kt_group_spawn(&outer, joins_two_that_fail, NULL, 0));
    sure(kt_group_spawn(&outer, fails_late, &(int){-ENOENT}, sizeof(int)));
    CHECK_ERR(kt_group_join(&outer, 0), -EIO);
    kt_failures all = kt_group_failures();
    CHECK_EQ(all.count, 2);
    CHECK_EQ(all.items[0].inner.count, 2);
    CHECK_EQ(all.items[1].inner.count, 0);
    CHECK_ERR(all.items[0].inner.items[1].rc, -ENOENT);
    int n = 0;
    CHECK_EQ(kt_failures_each(all, -ENOENT, count_one, &n), 2);
    CHECK_EQ(n, 2);
    CHECK_EQ(kt_failures_each(all, 0, NULL, NULL), 3);
    CHECK_EQ(kt_failures_each(all, -EPERM, NULL, NULL), 0);
}

TEST(whoever_joins_the_task_gets_its_list)
{
    CHECK_ERR(kt_task_join(spawn(joins_two_that_fail, NULL, 0)), -EIO);
    CHECK_EQ(kt_group_failures().count, 2);
    CHECK_ERR(kt_task_join(spawn(KT_WITH(fails_after, 1, -EIO))), -EIO);
    CHECK_EQ(kt_group_failures().count, 2); /* no group's failure: the list stays */
}

TEST(beyond_the_bound_failures_are_only_counted)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < KT_GROUP_FAILURES_MAX + 10; i++)
        sure(kt_group_spawn(&g, fails_late, &(int){-ENOENT}, sizeof(int)));
    sure(kt_sleep(KT_S(1)));
    CHECK_ERR(kt_group_join(&g, -EIO), -EIO);
    kt_failures all = kt_group_failures();
    CHECK_EQ(all.count, KT_GROUP_FAILURES_MAX);
    CHECK_EQ(all.total, KT_GROUP_FAILURES_MAX + 11);
}

TEST(without_memory_the_code_is_not_lost)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int nth = 1; nth <= 4; nth++) {
        sure(kt_group_spawn(&g, KT_WITH(fails_after, 1, -EIO)));
        sure(kt_group_spawn(&g, KT_WITH(fails_after, 1, -EIO)));
        sure(kt_sleep(0));
        kt_test_fail_allocation(nth);
        CHECK_ERR(kt_group_join(&g, 0), -EIO);
        CHECK(kt_test_allocation_failed());
        CHECK_LE(kt_group_failures().count, 2);
        CHECK_EQ(kt_group_failures().total, 2); /* also of those whose entry is missing */
    }
}
