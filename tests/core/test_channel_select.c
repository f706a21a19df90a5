/* SPDX-License-Identifier: MIT */
/* Channels among the cases of kt_select. */
#include "beside.h"

#include <sched.h>
#include <stdatomic.h>

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

/* ---- On its way: another thread serves the task, whose loop has not looked yet ------------------ */

typedef struct desk {
    kt_channel c;
    kt_lock lock;
    int item, which;
} desk;

static int selects(void *arg)
{
    desk *d = arg;
    kt_select_case cases[] = {kt_select_lock(&d->lock), kt_select_receive(&d->c, &d->item)};
    d->which = kt_select(cases, 2);
    CHECK_OK(cases[1].rc);
    return kt_sleep(KT_S(1));
}

static int locks(void *arg)
{
    desk *d = arg;
    int rc = kt_lock_acquire(&d->lock);
    if (rc == 0)
        kt_lock_release(&d->lock);
    return rc;
}

TEST(a_turn_that_comes_after_an_item_goes_to_the_next)
{
    desk d = {.c = KT_CHANNEL_INIT(int, 1), .lock = KT_LOCK_INIT};
    sure(kt_lock_acquire(&d.lock));
    kt_task *t = spawn(selects, &d, 0);
    yield_times(1);
    kt_task *next = spawn(locks, &d, 0);
    yield_times(1);
    elsewhere(sends_five, &d.c);
    kt_lock_release(&d.lock); /* to the one who has got something else */
    CHECK_OK(kt_task_join(next));
    CHECK_OK(kt_task_join(t));
    CHECK_EQ(d.which, 1);
    CHECK_EQ(d.item, 5);
    kt_channel_release(&d.c);
}

TEST(an_item_on_its_way_to_a_select_wins_over_a_cancellation)
{
    desk d = {.c = KT_CHANNEL_INIT(int, 1), .lock = KT_LOCK_INIT};
    sure(kt_lock_acquire(&d.lock));
    kt_task *t = spawn(selects, &d, 0);
    yield_times(1);
    elsewhere(sends_five, &d.c);
    CHECK(kt_task_cancel(t));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED); /* from its sleep */
    CHECK_EQ(d.item, 5);
    kt_lock_release(&d.lock);
    kt_channel_release(&d.c);
}

/* ---- While a select is about to stand in line ------------------------------------------------ */

enum { DUEL_ROUNDS = 4000, CASES = 100 };

typedef struct duel {
    kt_channel items, ends;
    atomic_int round;
} duel;

static int strikes(void *arg)
{
    duel *d = arg;
    for (int i = 1; i <= DUEL_ROUNDS; i++) {
        while (atomic_load(&d->round) < i)
            sched_yield();
        for (volatile int wait = i * 37 % 1000; wait > 0; wait--)
            ;
        if (i % 2)
            sure(kt_channel_send_nowait(&d->items, &i));
        else
            kt_channel_shutdown(&d->ends, false);
    }
    return 0;
}

/* No other case comes true, so one that were missed would be missed for good. */
TEST_WITH(what_comes_as_a_select_begins_to_wait_is_there_for_it, KT_TEST_REAL_TIME)
{
    duel d = {.items = KT_CHANNEL_INIT(int, 0), .ends = KT_CHANNEL_INIT(int, 0)};
    pthread_t striker = start(&(kt_job){.fn = strikes, .arg = &d});
    for (int i = 1, item; i <= DUEL_ROUNDS; i++) {
        kt_select_case cases[CASES] = {kt_select_receive(&d.items, &item), kt_select_receive(&d.ends, &item)};
        for (int k = 2; k < CASES; k++)
            cases[k] = kt_select_event(NULL); /* so that it takes its time */
        atomic_store(&d.round, i);
        int which = kt_select(cases, CASES);
        CHECK_EQ(which, (i + 1) % 2);
        CHECK_EQ(cases[which].rc, which == 0 ? 0 : KT_ESHUTDOWN);
        if (which == 0)
            CHECK_EQ(item, i);
        kt_channel_release(&d.ends);
        d.ends = (kt_channel)KT_CHANNEL_INIT(int, 0);
    }
    end(striker);
    kt_channel_release(&d.items);
}

/* ---- Sending by select --------------------------------------------------------------------- */

enum { SENDS = 20000 };

static atomic_long sum;

static int drains(void *arg)
{
    int item, last = 0, rc;
    while ((rc = kt_channel_receive(arg, &item)) == 0) {
        CHECK_GT(item, 0);
        last += item;
    }
    atomic_fetch_add(&sum, last);
    return rc == KT_ESHUTDOWN ? 0 : rc;
}

TEST_WITH(an_item_is_sent_by_exactly_one_case, KT_TEST_REAL_TIME)
{
    kt_channel one = KT_CHANNEL_INIT(int, 1), other = KT_CHANNEL_INIT(int, 1);
    kt_job jobs[] = {{.fn = drains, .arg = &one}, {.fn = drains, .arg = &other}};
    pthread_t threads[] = {start(&jobs[0]), start(&jobs[1])};
    int sent = 0;
    for (int i = 0; i < SENDS; i++) {
        int item = 1;
        kt_select_case cases[] = {kt_select_send(&one, &item), kt_select_send(&other, &item),
                                  kt_select_after(KT_US(i % 40))};
        int which = kt_select(cases, 3);
        sent += which < 2;
        if (which < 2)
            sure(cases[which].rc);
    }
    kt_channel_shutdown(&one, false);
    kt_channel_shutdown(&other, false);
    end(threads[0]);
    end(threads[1]);
    CHECK_EQ(atomic_load(&sum), sent);
    CHECK_GT(sent, 0);
    kt_channel_release(&one);
    kt_channel_release(&other);
}

static int selects_channels_only(void *arg)
{
    choice *c = arg;
    kt_select_case cases[] = {kt_select_receive(&c->in, &c->item), kt_select_receive(&c->out, &c->item)};
    c->which = kt_select(cases, 2);
    return kt_sleep(0);
}

TEST(what_another_thread_has_served_wins_among_channels_alone)
{
    choice c = CHOICE;
    kt_task *t = spawn(selects_channels_only, &c, 0);
    yield_times(1);
    elsewhere(sends_five, &c.in);
    CHECK(kt_task_cancel(t)); /* the item's message is on the way */
    CHECK_ERR(kt_task_join(t), KT_ECANCELED); /* from its next call */
    CHECK_EQ(c.which, 0);
    CHECK_EQ(c.item, 5);
    kt_channel_release(&c.in);
    kt_channel_release(&c.out);
}
