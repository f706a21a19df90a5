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

/* ---- Among the cases of kt_select ---------------------------------------------------------- */

typedef struct choice {
    kt_channel in, out;
    kt_event other;
    int item, which, rc;
} choice;

static int chooses(void *arg)
{
    choice *c = arg;
    kt_select_case cases[] = {kt_select_event(&c->other), kt_select_receive(&c->in, &c->item),
                              kt_select_send(&c->out, &(int){9}), kt_select_after(KT_S(9))};
    c->which = kt_select(cases, 4);
    c->rc = c->which < 0 ? c->which : cases[c->which].rc;
    return 0;
}

#define CHOICE {.in = KT_CHANNEL_INIT(int, 1), .out = KT_CHANNEL_INIT(int, 1), .other = KT_EVENT_INIT}

static kt_task *chooser(choice *c)
{
    sure(kt_channel_send(&c->out, &(int){8})); /* full */
    kt_task *t = spawn(chooses, c, 0);
    yield_times(1);
    return t;
}

/* And has left all lines, or this would be misuse. */
static void check_choice(choice *c, kt_task *t, int which, int rc)
{
    CHECK_OK(kt_task_join(t));
    CHECK_EQ(c->which, which);
    CHECK_EQ(c->rc, rc);
    kt_channel_release(&c->in);
    kt_channel_release(&c->out);
}

TEST(a_select_receives)
{
    choice c = CHOICE;
    kt_task *t = chooser(&c);
    CHECK_OK(kt_channel_send_nowait(&c.in, &(int){5}));
    CHECK_EQ(kt_channel_size(&c.in), 0);
    kt_event_set(&c.other); /* too late */
    check_choice(&c, t, 1, 0);
    CHECK_EQ(c.item, 5);
}

TEST(a_select_sends)
{
    choice c = CHOICE;
    kt_task *t = chooser(&c);
    int item = 0;
    CHECK_OK(kt_channel_receive_nowait(&c.out, &item));
    CHECK_EQ(item, 8);
    CHECK_OK(kt_channel_receive_nowait(&c.out, &item));
    CHECK_EQ(item, 9);
    check_choice(&c, t, 2, 0);
}

TEST(a_select_is_told_of_a_shutdown)
{
    choice c = CHOICE;
    kt_task *t = chooser(&c);
    kt_channel_shutdown(&c.in, false);
    check_choice(&c, t, 1, KT_ESHUTDOWN);
}

TEST(a_select_that_has_something_else_leaves_its_channels_alone)
{
    choice c = CHOICE, late = CHOICE;
    kt_task *t = chooser(&c);
    kt_event_set(&c.other);
    CHECK_OK(kt_channel_send_nowait(&c.in, &(int){5}));
    CHECK_EQ(kt_channel_size(&c.in), 1);
    check_choice(&c, t, 0, 0);
    check_choice(&late, chooser(&late), 3, 0);
}

TEST(a_channel_is_asked_without_waiting)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 1);
    int item = 0;
    kt_select_case cases[] = {kt_select_receive(NULL, &item), kt_select_receive(&c, &item)};
    CHECK_ERR(kt_select_nowait(cases, 2), -EAGAIN);
    sure(kt_channel_send(&c, &(int){4}));
    CHECK_EQ(kt_select_nowait(cases, 2), 1);
    CHECK_EQ(item, 4);
}

enum { ITEMS = 12, TAKERS = 4 };

typedef struct fair {
    kt_channel a, b;
    int taken[2 * ITEMS];
} fair;

KT_FN(brings, a, struct {
    kt_channel *c;
    int first;
})
{
    for (int i = a->first; i < a->first + ITEMS; i++) {
        int rc = kt_channel_send(a->c, &i);
        if (rc < 0)
            return rc;
    }
    kt_channel_shutdown(a->c, false);
    return 0;
}

static int takes(void *arg)
{
    fair *f = arg;
    int x, y;
    kt_select_case cases[] = {kt_select_receive(&f->a, &x), kt_select_receive(&f->b, &y)};
    while (cases[0].object || cases[1].object) {
        int which = kt_select(cases, 2);
        if (which < 0)
            return which;
        if (cases[which].rc == KT_ESHUTDOWN)
            cases[which].object = NULL;
        else
            f->taken[which == 0 ? x : y]++;
    }
    return 0;
}

/* Some of the takers are cancelled at some moment. */
static int all_items_once(void *arg)
{
    fair f = {.a = KT_CHANNEL_INIT(int, 2), .b = KT_CHANNEL_INIT(int, 3)};
    kt_task *victims[2];
    (void)arg;
    {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        for (int i = 0; i < TAKERS; i++)
            sure(kt_group_spawn_with(&g, NULL, takes, &f, 0, &victims[i % 2]));
        sure(kt_group_spawn(&g, KT_WITH(brings, &f.a, 0)));
        sure(kt_group_spawn(&g, KT_WITH(brings, &f.b, ITEMS)));
        for (int i = 0; i < 2; i++) {
            yield_times(5);
            kt_task_cancel(victims[i]);
        }
        sure(kt_group_join(&g, 0));
    }
    for (int i = 0; i < 2 * ITEMS; i++)
        CHECK_EQ(f.taken[i], 1);
    kt_channel_release(&f.a);
    kt_channel_release(&f.b);
    return 0;
}

TEST_WITH(no_item_is_lost_or_taken_twice_in_any_order, KT_TEST_NO_LOOP)
{
    kt_test_seeds(300, all_items_once, NULL);
    CHECK(true);
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
