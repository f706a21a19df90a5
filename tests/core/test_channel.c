/* SPDX-License-Identifier: MIT */
/* Channels between the tasks of one loop: what they do is the same there, and can be told step by step. For other
 * loops and threads see test_channel_threads.c. */
#include "sure.h"

typedef struct parcel {
    char name[24];
    int number;
} parcel;

TEST(items_are_copied_in_and_out_in_order)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(parcel, 0);
    parcel in = {"tea", 1}, out = {"", 0};
    CHECK_OK(kt_channel_send(&c, &in));
    in = (parcel){"coffee", 2};
    CHECK_OK(kt_channel_send_nowait(&c, &in));
    CHECK_EQ(kt_channel_size(&c), 2);
    CHECK_OK(kt_channel_receive(&c, &out));
    CHECK_STR(out.name, "tea");
    CHECK_OK(kt_channel_receive_nowait(&c, &out));
    CHECK_STR(out.name, "coffee");
    CHECK_EQ(out.number, 2);
}

TEST(an_output_is_untouched_by_a_failure)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 1);
    int out = 17;
    CHECK_ERR(kt_channel_receive_nowait(&c, &out), KT_EEMPTY);
    CHECK_OK(kt_channel_send_nowait(&c, &(int){1}));
    CHECK_ERR(kt_channel_send_nowait(&c, &(int){2}), KT_EFULL);
    kt_channel_shutdown(&c, true);
    CHECK_ERR(kt_channel_receive(&c, &out), KT_ESHUTDOWN);
    CHECK_ERR(kt_channel_send(&c, &out), KT_ESHUTDOWN);
    CHECK_EQ(out, 17);
}

TEST(a_released_channel_is_empty_and_usable)
{
    kt_channel c = KT_CHANNEL_INIT(int, 0);
    sure(kt_channel_send(&c, &(int){1}));
    kt_channel_release(&c);
    CHECK_EQ(kt_channel_size(&c), 0);
    sure(kt_channel_send(&c, &(int){2}));
    int item = 0;
    CHECK_OK(kt_channel_receive(&c, &item));
    CHECK_EQ(item, 2);
    kt_channel_release(&c);
    kt_channel_release(&c);
}

/* ---- Waiting ------------------------------------------------------------------------------- */

KT_FN(sends, a, struct {
    kt_channel *c;
    int first, count;
})
{
    for (int i = a->first; i < a->first + a->count; i++) {
        int rc = kt_channel_send(a->c, &i);
        if (rc < 0)
            return rc;
    }
    return 0;
}

KT_FN(receives, a, struct {
    kt_channel *c;
    int number;
})
{
    int item, rc = kt_channel_receive(a->c, &item);
    if (rc == 0)
        kt_test_say("%d got %d", a->number, item);
    return rc;
}

TEST(those_who_wait_are_served_in_the_order_of_asking)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 1);
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < 4; i++) {
        sure(kt_group_spawn(&g, KT_WITH(receives, &c, i)));
        yield_times(1);
    }
    for (int i = 0; i < 4; i++)
        sure(kt_group_spawn(&g, KT_WITH(sends, &c, 10 + i, 1)));
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_TRACE("0 got 10\n1 got 11\n2 got 12\n3 got 13");
}

TEST(nobody_overtakes_those_who_wait)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 1);
    kt_task *first = spawn(KT_WITH(receives, &c, 1)), *sender;
    int item = 0;
    yield_times(1);
    CHECK_OK(kt_channel_send_nowait(&c, &(int){5}));
    CHECK_EQ(kt_channel_size(&c), 0); /* it is the first one's, though he has not run */
    CHECK_ERR(kt_channel_receive_nowait(&c, &item), KT_EEMPTY);
    yield_times(1);
    CHECK(kt_task_done(first)); /* in the next pass, without a look at other threads */
    CHECK_OK(kt_task_join(first));
    sure(kt_channel_send_nowait(&c, &(int){6}));
    sender = spawn(KT_WITH(sends, &c, 7, 1));
    yield_times(1);
    CHECK_OK(kt_channel_receive_nowait(&c, &item));
    CHECK_ERR(kt_channel_send_nowait(&c, &(int){8}), KT_EFULL); /* his item is inside */
    CHECK_OK(kt_task_join(sender));
    CHECK_OK(kt_channel_receive_nowait(&c, &item));
    CHECK_EQ(item, 7);
    CHECK_TRACE("1 got 5");
}

TEST(a_full_channel_holds_its_sender_back)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 3);
    kt_task *t = spawn(KT_WITH(sends, &c, 0, 10));
    sure(kt_sleep(KT_S(1)));
    CHECK_EQ(kt_channel_size(&c), 3);
    for (int i = 0, item; i < 10; i++) {
        CHECK_EQ(kt_task_done(t), i > 6);
        CHECK_OK(kt_channel_receive(&c, &item));
        CHECK_EQ(item, i);
        sure(kt_sleep(KT_S(1)));
    }
    CHECK_EQ(kt_task_join(t), 0);
}

TEST(without_memory_an_item_is_not_sent)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 0);
    kt_test_fail_allocation(1);
    CHECK_ERR(kt_channel_send(&c, &(int){1}), -ENOMEM);
    CHECK_EQ(kt_channel_size(&c), 0);
    CHECK_OK(kt_channel_send(&c, &(int){1}));
}

/* ---- Cancellation -------------------------------------------------------------------------- */

TEST(who_is_cancelled_in_line_takes_and_leaves_nothing)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 1);
    kt_task *receiver = spawn(KT_WITH(receives, &c, 1));
    yield_times(1);
    CHECK(kt_task_cancel(receiver));
    CHECK_OK(kt_channel_send_nowait(&c, &(int){5}));
    CHECK_ERR(kt_task_join(receiver), KT_ECANCELED);
    CHECK_EQ(kt_channel_size(&c), 1);
    kt_task *sender = spawn(KT_WITH(sends, &c, 6, 1));
    yield_times(1);
    CHECK(kt_task_cancel(sender));
    int item = 0;
    CHECK_OK(kt_channel_receive_nowait(&c, &item));
    CHECK_ERR(kt_task_join(sender), KT_ECANCELED);
    CHECK_EQ(item, 5);
    CHECK_EQ(kt_channel_size(&c), 0);
}

static int receives_then_sleeps(void *c)
{
    int item = 0;
    CHECK_OK(kt_channel_receive(c, &item));
    CHECK_EQ(item, 5);
    return kt_sleep(KT_S(1));
}

TEST(an_item_wins_over_a_cancellation_that_shows_at_the_next_call)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 1);
    kt_task *receiver = spawn(receives_then_sleeps, &c, 0);
    yield_times(1);
    CHECK_OK(kt_channel_send_nowait(&c, &(int){5}));
    CHECK(kt_task_cancel(receiver));
    CHECK_ERR(kt_task_join(receiver), KT_ECANCELED);
    CHECK_EQ(kt_channel_size(&c), 0);
}

static int sends_then_sleeps(void *c)
{
    CHECK_OK(kt_channel_send(c, &(int){6}));
    return kt_sleep(KT_S(1));
}

TEST(an_item_that_was_taken_is_sent_whatever_comes_then)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 1);
    int item = 0;
    sure(kt_channel_send(&c, &(int){5}));
    kt_task *sender = spawn(sends_then_sleeps, &c, 0);
    yield_times(1);
    CHECK_OK(kt_channel_receive_nowait(&c, &item));
    CHECK(kt_task_cancel(sender));
    CHECK_ERR(kt_task_join(sender), KT_ECANCELED);
    CHECK_OK(kt_channel_receive_nowait(&c, &item));
    CHECK_EQ(item, 6);
}

TEST(a_receive_that_times_out_takes_nothing)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 0);
    CHECK_ERR(kt_wait_for(KT_S(1), KT_WITH(receives, &c, 0)), KT_ETIMEDOUT);
    sure(kt_channel_send(&c, &(int){5}));
    CHECK_OK(kt_wait_for(KT_S(1), KT_WITH(receives, &c, 0)));
    CHECK_TRACE("0 got 5");
}

static int is_cancelled_and_calls(void *arg)
{
    kt_channel *c = arg;
    int item = 0;
    CHECK_ERR(kt_sleep(KT_S(1)), KT_ECANCELED);
    CHECK_OK(kt_channel_send(c, &(int){3}));
    CHECK_OK(kt_channel_receive(c, &item));
    CHECK_EQ(item, 3);
    return kt_channel_receive(c, &item);
}

TEST(a_call_that_need_not_wait_succeeds_in_a_task_that_is_being_cancelled)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 1);
    kt_task *t = spawn(is_cancelled_and_calls, &c, 0);
    yield_times(1);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
}

static kt_channel left = KT_CHANNEL_INIT(int, 1);

static int leaves_some_waiting(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        kt_task_detach(spawn(KT_WITH(receives, &left, i)));
    yield_times(1);
    return 0;
}

TEST_WITH(a_loop_that_ends_cancels_those_of_its_tasks_that_wait, KT_TEST_NO_LOOP)
{
    CHECK_OK(kt_run(leaves_some_waiting, NULL, 0));
    CHECK_OK(kt_channel_send_nowait(&left, &(int){1})); /* to nobody */
    CHECK_EQ(kt_channel_size(&left), 1);
    kt_channel_release(&left);
}

/* ---- Shutdown ------------------------------------------------------------------------------ */

TEST(a_shutdown_leaves_what_is_inside_to_the_receivers)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 2);
    int item = 0;
    kt_task *sender = spawn(KT_WITH(sends, &c, 1, 3));
    yield_times(1);
    kt_channel_shutdown(&c, false);
    CHECK_ERR(kt_task_join(sender), KT_ESHUTDOWN); /* its third was not sent */
    CHECK_EQ(kt_channel_size(&c), 2);
    CHECK_OK(kt_channel_receive(&c, &item));
    CHECK_OK(kt_channel_receive(&c, &item));
    CHECK_EQ(item, 2);
    CHECK_ERR(kt_channel_receive(&c, &item), KT_ESHUTDOWN);
    CHECK_ERR(kt_channel_receive_nowait(&c, &item), KT_ESHUTDOWN);
}

TEST(a_shutdown_sends_all_away_who_wait)
{
    kt_auto(kt_channel) empty = KT_CHANNEL_INIT(int, 0), full = KT_CHANNEL_INIT(int, 1);
    kt_task *tasks[6];
    sure(kt_channel_send(&full, &(int){1}));
    for (int i = 0; i < 3; i++) {
        tasks[i] = spawn(KT_WITH(receives, &empty, i));
        tasks[3 + i] = spawn(KT_WITH(sends, &full, i, 1));
    }
    yield_times(1);
    kt_channel_shutdown(&empty, false);
    kt_channel_shutdown(&full, true);
    for (int i = 0; i < 6; i++)
        CHECK_ERR(kt_task_join(tasks[i]), KT_ESHUTDOWN);
    CHECK_EQ(kt_channel_size(&full), 0);
    CHECK_TRACE("");
}

/* ---- Misuse -------------------------------------------------------------------------------- */

static void receives_in_callback(void *c)
{
    int item;
    sure(kt_channel_receive(c, &item));
}

TEST_DIES(waiting_in_a_callback, 0, "kt_channel_receive suspends, so it may be called in a task only")
{
    kt_channel c = KT_CHANNEL_INIT(int, 0);
    kt_callback soon = KT_CALLBACK_INIT;
    kt_call_soon(&soon, receives_in_callback, &c);
    sure(kt_sleep(KT_S(1)));
}

TEST_DIES(blocking_a_loop, 0, "kt_channel_send_within: would block the loop that runs on this thread")
{
    kt_channel c = KT_CHANNEL_INIT(int, 0);
    sure(kt_channel_send_within(&c, &(int){1}, KT_S(1)));
}

TEST_DIES(releasing_one_that_is_waited_for, 0, "kt_channel_release: somebody waits on this channel")
{
    kt_channel c = KT_CHANNEL_INIT(int, 0);
    kt_task_detach(spawn(KT_WITH(receives, &c, 0)));
    yield_times(1);
    kt_channel_release(&c);
}
