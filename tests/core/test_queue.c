/* SPDX-License-Identifier: MIT */
#include "sure.h"

typedef struct order {
    char name[24];
    int number;
} order;

TEST(items_are_copied_in_and_out)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(order, 0);
    order in = {"tea", 1}, out = {"", 0};
    CHECK_OK(kt_queue_put(&q, &in));
    in = (order){"coffee", 2};
    CHECK_OK(kt_queue_put(&q, &in));
    CHECK_EQ(kt_queue_size(&q), 2);
    CHECK_OK(kt_queue_get(&q, &out));
    CHECK_STR(out.name, "tea");
    CHECK_OK(kt_queue_get(&q, &out));
    CHECK_STR(out.name, "coffee");
    CHECK_EQ(out.number, 2);
}

TEST(an_output_is_untouched_by_a_failure)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    int out = 17;
    CHECK_ERR(kt_queue_get_nowait(&q, &out), KT_EEMPTY);
    kt_queue_shutdown(&q, false);
    CHECK_ERR(kt_queue_get(&q, &out), KT_ESHUTDOWN);
    CHECK_EQ(out, 17);
}

/* The ring wraps around, grows while it is wrapped, and keeps the order: beside two counters. */
TEST(the_ring_keeps_the_order_whatever_its_turns)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(uint32_t, 0);
    uint32_t in = 0, out = 0, random = 1, item;
    for (int i = 0; i < 20000; i++) {
        random = random * 1103515245 + 12345;
        unsigned n = random >> 24;
        bool growing = i % 2000 < 1200;
        while (n-- % (growing ? 5 : 3) > 0)
            CHECK_OK(kt_queue_put_nowait(&q, &(uint32_t){in++}));
        for (n = random >> 20 & 3; n > 0 && kt_queue_get_nowait(&q, &item) == 0; n--)
            CHECK_EQ(item, out++);
        CHECK_EQ(kt_queue_size(&q), in - out);
    }
    while (kt_queue_get_nowait(&q, &item) == 0)
        CHECK_EQ(item, out++);
    CHECK_EQ(in, out);
    CHECK_GT(in, 20000);
}

TEST(a_bound_is_kept_at_every_size)
{
    for (size_t max = 1; max < 40; max++) {
        kt_auto(kt_queue) q = KT_QUEUE_INIT(size_t, max);
        for (size_t i = 0; i < max; i++)
            CHECK_OK(kt_queue_put_nowait(&q, &i));
        CHECK_ERR(kt_queue_put_nowait(&q, &max), KT_EFULL);
        size_t item;
        for (size_t i = 0; i < 3 * max; i++) {
            CHECK_OK(kt_queue_get_nowait(&q, &item));
            CHECK_EQ(item, i);
            CHECK_OK(kt_queue_put_nowait(&q, &(size_t){i + max}));
        }
        CHECK_EQ(kt_queue_size(&q), max);
    }
}

TEST(a_released_queue_is_empty_and_usable)
{
    kt_queue q = KT_QUEUE_INIT(int, 0);
    sure(kt_queue_put(&q, &(int){1}));
    kt_queue_release(&q);
    CHECK_EQ(kt_queue_size(&q), 0);
    sure(kt_queue_put(&q, &(int){2}));
    int item = 0;
    CHECK_OK(kt_queue_get(&q, &item));
    CHECK_EQ(item, 2);
    kt_queue_release(&q);
    kt_queue_release(&q);
}

/* ---- Waiting ----------------------------------------------------------------------------- */

KT_FN(puts_in, a, struct {
    kt_queue *q;
    int first, count;
})
{
    for (int i = a->first; i < a->first + a->count; i++) {
        int rc = kt_queue_put(a->q, &i);
        if (rc < 0)
            return rc;
    }
    return 0;
}

KT_FN(takes, a, struct {
    kt_queue *q;
    int number;
})
{
    int item, rc = kt_queue_get(a->q, &item);
    if (rc == 0)
        kt_test_say("%d got %d", a->number, item);
    return rc;
}

TEST(getters_and_putters_are_served_in_the_order_of_asking)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 1);
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < 4; i++)
        sure(kt_group_spawn(&g, KT_WITH(takes, &q, i)));
    yield_times(1);
    for (int i = 0; i < 4; i++)
        sure(kt_group_spawn(&g, KT_WITH(puts_in, &q, 10 + i, 1)));
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_TRACE("0 got 10\n1 got 11\n2 got 12\n3 got 13");
}

TEST(a_full_queue_holds_its_producer_back)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 3);
    kt_task *t = spawn(KT_WITH(puts_in, &q, 0, 10));
    sure(kt_sleep(KT_S(1)));
    CHECK_EQ(kt_queue_size(&q), 3);
    for (int i = 0, item; i < 10; i++) {
        CHECK_EQ(kt_task_done(t), i > 6);
        CHECK_OK(kt_queue_get(&q, &item));
        CHECK_EQ(item, i);
        sure(kt_sleep(KT_S(1)));
    }
    CHECK_EQ(kt_task_join(t), 0);
}

KT_FN(consumes, a, struct {
    kt_queue *q;
    int *sum, *count;
})
{
    int item, rc;
    while ((rc = kt_queue_get(a->q, &item)) == 0) {
        *a->sum += item;
        ++*a->count;
        kt_queue_task_done(a->q);
        sure(kt_sleep(0));
    }
    return rc == KT_ESHUTDOWN ? 0 : rc;
}

TEST(every_item_is_consumed_once_by_some_of_many)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 3);
    int sum = 0, count = 0;
    kt_auto(kt_group) producers = KT_GROUP_INIT, consumers = KT_GROUP_INIT;
    for (int i = 0; i < 5; i++)
        sure(kt_group_spawn(&producers, KT_WITH(puts_in, &q, i * 1000, 1000)));
    for (int i = 0; i < 7; i++)
        sure(kt_group_spawn(&consumers, KT_WITH(consumes, &q, &sum, &count)));
    CHECK_OK(kt_group_join(&producers, 0));
    CHECK_OK(kt_queue_join(&q));
    kt_queue_shutdown(&q, false);
    CHECK_OK(kt_group_join(&consumers, 0));
    CHECK_EQ(count, 5000);
    CHECK_EQ(sum, 4999 * 5000 / 2);
}

TEST(a_get_that_times_out_takes_nothing)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    CHECK_ERR(kt_wait_for(KT_S(1), KT_WITH(takes, &q, 0)), KT_ETIMEDOUT);
    sure(kt_queue_put(&q, &(int){5}));
    CHECK_OK(kt_wait_for(KT_S(1), KT_WITH(takes, &q, 0)));
    CHECK_TRACE("0 got 5");
}

/* ---- Shutdown ---------------------------------------------------------------------------- */

static int joins_queue(void *arg)
{
    return kt_queue_join(arg);
}

TEST(an_immediate_shutdown_drops_what_is_inside_and_ends_the_joiners)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 3);
    kt_task *putter = spawn(KT_WITH(puts_in, &q, 0, 5)), *joiner = spawn(joins_queue, &q, 0);
    sure(kt_sleep(KT_S(1)));
    kt_queue_shutdown(&q, true);
    CHECK_EQ(kt_queue_size(&q), 0);
    CHECK_ERR(kt_task_join(putter), KT_ESHUTDOWN);
    CHECK_EQ(kt_task_join(joiner), 0);
    CHECK_ERR(kt_queue_get_nowait(&q, &(int){0}), KT_ESHUTDOWN);
}

TEST(an_immediate_shutdown_leaves_items_in_work_to_the_joiner)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    int item;
    sure(kt_queue_put(&q, &(int){1}));
    sure(kt_queue_put(&q, &(int){2}));
    sure(kt_queue_get(&q, &item));
    kt_task *joiner = spawn(joins_queue, &q, 0);
    sure(kt_sleep(KT_S(1)));
    kt_queue_shutdown(&q, true);
    sure(kt_sleep(KT_S(1)));
    CHECK(!kt_task_done(joiner));
    kt_queue_task_done(&q);
    CHECK_EQ(kt_task_join(joiner), 0);
}

/* ---- Room and turns --------------------------------------------------------------------------- */

TEST(a_bounded_queue_takes_room_as_it_needs_it_and_not_beyond_its_bound)
{
    kt_auto(kt_queue) small = KT_QUEUE_INIT(int, 3), large = KT_QUEUE_INIT(int, 100);
    sure(kt_queue_put(&small, &(int){1}));
    sure(kt_queue_put(&large, &(int){1}));
    CHECK_EQ(small.capacity, 3);
    CHECK_EQ(large.capacity, 8);
}

static void burst(kt_queue *q, int count)
{
    int item;
    for (int i = 0; i < count; i++)
        CHECK_OK(kt_queue_put_nowait(q, &i));
    for (int i = 0; i < count; i++)
        CHECK_OK(kt_queue_get_nowait(q, &item));
    CHECK_ERR(kt_queue_get_nowait(q, &item), KT_EEMPTY);
}

static int in_order(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

TEST(the_memory_of_a_burst_is_given_back_once_all_is_taken)
{
    kt_queue q[] = {KT_QUEUE_INIT(int, 0), KT_LIFO_QUEUE_INIT(int, 0), KT_PRIORITY_QUEUE_INIT(int, 0, in_order)};
    size_t before = kt_test_blocks();
    for (size_t i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++) {
            burst(&q[i], 5000);
            CHECK_EQ(kt_test_blocks(), before);
        }
        burst(&q[i], 1000); /* so much is usual */
        CHECK_EQ(kt_test_blocks(), before + 1);
        kt_queue_release(&q[i]);
    }
}

TEST(an_immediate_shutdown_gives_the_memory_of_a_burst_back)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    size_t before = kt_test_blocks();
    for (int i = 0; i < 5000; i++)
        CHECK_OK(kt_queue_put_nowait(&q, &i));
    kt_queue_shutdown(&q, true);
    CHECK_EQ(kt_test_blocks(), before);
}

/* Who waits for room must not fail for want of memory when there is some. */
TEST(a_bounded_queue_keeps_its_memory)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 5000);
    burst(&q, 5000);
    kt_test_fail_allocation(1);
    burst(&q, 5000);
    CHECK(!kt_test_allocation_failed());
    kt_test_fail_allocation(0);
}

KT_FN(gets, a, struct { kt_queue *q; int *ret; })
{
    return kt_queue_get(a->q, a->ret);
}

KT_FN(selects_get, a, struct { kt_queue *q; int *ret; })
{
    kt_select_case cases[] = {kt_select_get(a->q, a->ret)};
    return kt_select(cases, 1);
}

static void pass_on_a_turn_to_nothing(kt_fn first)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    int item, second = 0, third = 0;
    kt_task *a = spawn(first, &(gets_args){&q, &item}, sizeof(gets_args));
    kt_task *b = spawn(KT_WITH(gets, &q, &second)), *c = spawn(KT_WITH(gets, &q, &third));
    yield_times(1);
    sure(kt_queue_put(&q, &(int){1})); /* a's turn */
    sure(kt_queue_get_nowait(&q, &item));
    kt_task_cancel(a);
    CHECK_ERR(kt_task_join(a), KT_ECANCELED);
    yield_times(2);
    sure(kt_queue_put(&q, &(int){2}));
    sure(kt_queue_put(&q, &(int){3}));
    sure(kt_task_join(b));
    sure(kt_task_join(c));
    CHECK_EQ(second, 2);
    CHECK_EQ(third, 3);
}

TEST(a_turn_to_what_is_gone_is_not_passed_on)
{
    pass_on_a_turn_to_nothing(gets);
}

TEST(nor_by_a_select)
{
    pass_on_a_turn_to_nothing(selects_get);
}
