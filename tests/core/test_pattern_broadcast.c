/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <kettle/broadcast.h>

static int give(kt_broadcast *b, int n)
{
    return kt_broadcast_send(b, &n);
}

/* The next item, or the error. */
static int next(kt_subscriber *s)
{
    int n = 0, rc = kt_subscriber_get_nowait(s, &n);
    return rc < 0 ? rc : n;
}

TEST(everybody_who_listens_gets_everything_in_order)
{
    kt_auto(kt_broadcast) b = KT_BROADCAST_INIT(int);
    kt_auto(kt_subscriber) early = {.max = 4}, late = {.max = 4};
    CHECK_EQ(give(&b, 1), 0);
    sure(kt_subscriber_open(&early, &b));
    CHECK_EQ(give(&b, 2), 1);
    sure(kt_subscriber_open(&late, &b));
    CHECK_EQ(give(&b, 3), 2);
    CHECK_EQ(next(&early), 2);
    CHECK_EQ(next(&early), 3);
    CHECK_EQ(next(&late), 3);
    CHECK_ERR(next(&late), KT_EEMPTY);
    kt_subscriber_close(&early);
    CHECK_ERR(next(&early), KT_ESHUTDOWN);
    CHECK_EQ(give(&b, 4), 1);
    CHECK_EQ(b.subscribers, 1);
}

TEST(a_full_buffer_does_what_its_owner_said)
{
    kt_auto(kt_broadcast) b = KT_BROADCAST_INIT(int);
    kt_auto(kt_subscriber) oldest = {.max = 2, .when_full = KT_FULL_DROP_OLDEST};
    kt_auto(kt_subscriber) newest = {.max = 2, .when_full = KT_FULL_DROP_NEWEST};
    kt_auto(kt_subscriber) slow = {.max = 2, .when_full = KT_FULL_CLOSE};
    sure(kt_subscriber_open(&oldest, &b));
    sure(kt_subscriber_open(&newest, &b));
    sure(kt_subscriber_open(&slow, &b));
    CHECK_EQ(give(&b, 1), 3);
    CHECK_EQ(give(&b, 2), 3);
    CHECK_EQ(give(&b, 3), 1);
    CHECK_EQ(b.subscribers, 2);
    CHECK_EQ(next(&oldest), 2);
    CHECK_EQ(next(&oldest), 3);
    CHECK_EQ(oldest.lost, 1);
    CHECK_EQ(next(&newest), 1);
    CHECK_EQ(next(&newest), 2);
    CHECK_ERR(next(&newest), KT_EEMPTY);
    CHECK_EQ(newest.lost, 1);
    CHECK_EQ(next(&slow), 1);
    CHECK_EQ(next(&slow), 2);
    CHECK_ERR(next(&slow), KT_ELIMIT);
}

KT_FN(sends, a, struct {
    kt_broadcast *b;
    int n;
})
{
    int rc = give(a->b, a->n);
    kt_test_say("%d: %s", a->n, rc < 0 ? kt_error_name(rc) : "sent");
    return rc;
}

KT_FN(reads_slowly, a, struct { kt_subscriber *s; })
{
    int n, rc = 0;
    while (rc == 0) {
        rc = kt_sleep(KT_S(1));
        if (rc == 0)
            rc = kt_subscriber_get(a->s, &n);
        if (rc == 0)
            kt_test_say("got %d at %lld", n, (long long)(kt_now() / KT_S(1)));
    }
    return rc == KT_ESHUTDOWN ? 0 : rc;
}

TEST(senders_wait_in_turn_for_one_who_must_not_lose)
{
    kt_auto(kt_broadcast) b = KT_BROADCAST_INIT(int);
    kt_auto(kt_subscriber) s = {.max = 1};
    sure(kt_subscriber_open(&s, &b));
    kt_task *reader = spawn(KT_WITH(reads_slowly, &s));
    kt_task *senders[3];
    for (int i = 0; i < 3; i++)
        senders[i] = spawn(KT_WITH(sends, &b, i + 1));
    yield_times(2);
    CHECK_ERR(kt_broadcast_send_nowait(&b, &(int){9}), KT_EFULL);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(kt_task_join(senders[i]), 1);
    kt_broadcast_shutdown(&b);
    CHECK_OK(kt_task_join(reader));
    CHECK_TRACE("1: sent\ngot 1 at 1\n2: sent\ngot 2 at 2\n3: sent\ngot 3 at 3");
}

TEST(a_cancelled_send_reaches_nobody)
{
    kt_auto(kt_broadcast) b = KT_BROADCAST_INIT(int);
    kt_auto(kt_subscriber) full = {.max = 1}, roomy = {.max = 9};
    sure(kt_subscriber_open(&roomy, &b));
    sure(kt_subscriber_open(&full, &b));
    CHECK_EQ(give(&b, 1), 2);
    kt_task *gone = spawn(KT_WITH(sends, &b, 2)), *stays = spawn(KT_WITH(sends, &b, 3));
    yield_times(2);
    kt_task_cancel(gone);
    CHECK_ERR(kt_task_join(gone), KT_ECANCELED);
    CHECK_EQ(next(&full), 1);
    CHECK_ERR(kt_broadcast_send_nowait(&b, &(int){9}), KT_EFULL); /* others were first */
    CHECK_EQ(kt_task_join(stays), 2);
    CHECK_EQ(next(&roomy), 1);
    CHECK_EQ(next(&roomy), 3);
    CHECK_EQ(next(&full), 3);
}

TEST(who_leaves_lets_the_sender_go_on)
{
    kt_auto(kt_broadcast) b = KT_BROADCAST_INIT(int);
    kt_auto(kt_subscriber) full = {.max = 1};
    sure(kt_subscriber_open(&full, &b));
    CHECK_EQ(give(&b, 1), 1);
    kt_task *t = spawn(KT_WITH(sends, &b, 2));
    yield_times(2);
    kt_subscriber_close(&full);
    CHECK_EQ(kt_task_join(t), 0);
}

static int gets_one(void *arg)
{
    int n;
    return kt_subscriber_get(arg, &n);
}

TEST(the_end_reaches_those_who_wait_on_either_side)
{
    kt_auto(kt_subscriber) full = {.max = 1}, empty = {.max = 1};
    kt_task *sender, *getter;
    {
        kt_auto(kt_broadcast) b = KT_BROADCAST_INIT(int);
        sure(kt_subscriber_open(&full, &b));
        CHECK_EQ(give(&b, 1), 1);
        sure(kt_subscriber_open(&empty, &b));
        sender = spawn(KT_WITH(sends, &b, 2));
        getter = spawn(gets_one, &empty, 0);
        yield_times(2);
    }
    CHECK_ERR(kt_task_join(sender), KT_ESHUTDOWN);
    CHECK_ERR(kt_task_join(getter), KT_ESHUTDOWN);
    CHECK_EQ(next(&full), 1); /* what it had stays */
    CHECK_ERR(next(&full), KT_ESHUTDOWN);
}

static int listen_once(void *arg)
{
    kt_auto(kt_broadcast) b = KT_BROADCAST_INIT(int);
    kt_auto(kt_subscriber) s = {.max = 1};
    (void)arg;
    int rc = kt_subscriber_open(&s, &b);
    if (rc < 0)
        return rc;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    rc = kt_group_spawn(&g, KT_WITH(reads_slowly, &s));
    if (rc == 0)
        rc = give(&b, 1);
    if (rc >= 0)
        rc = give(&b, 2);
    if (rc >= 0)
        rc = give(&b, 3);
    kt_broadcast_shutdown(&b);
    return kt_group_join(&g, rc < 0 ? rc : 0);
}

static void nobody_left(void *arg)
{
    (void)arg;
    CHECK_EQ(kt_task_each(NULL, NULL), 1);
}

TEST(listening_survives_missing_memory)
{
    each_allocation_fails(listen_once, NULL);
}

TEST(sending_and_getting_may_be_cancelled_at_every_moment)
{
    each_moment_cancelled(listen_once, NULL, KT_MS(250), nobody_left);
}

TEST(subscribers_come_and_go_at_both_ends)
{
    kt_auto(kt_broadcast) b = KT_BROADCAST_INIT(int);
    kt_auto(kt_subscriber) x = {.max = 9}, y = {.max = 9}, z = {.max = 9};
    sure(kt_subscriber_open(&x, &b));
    sure(kt_subscriber_open(&y, &b));
    CHECK_EQ(give(&b, 1), 2);
    kt_subscriber_close(&y); /* the last */
    CHECK_ERR(next(&y), KT_ESHUTDOWN); /* with its items */
    sure(kt_subscriber_open(&z, &b));
    CHECK_EQ(give(&b, 2), 2);
    kt_subscriber_close(&x); /* the first */
    sure(kt_subscriber_open(&x, &b));
    CHECK_EQ(give(&b, 3), 2);
    CHECK_EQ(next(&x), 3);
    CHECK_EQ(next(&z), 2);
    CHECK_EQ(next(&z), 3);
}
