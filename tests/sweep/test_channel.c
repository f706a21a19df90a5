/* SPDX-License-Identifier: MIT */
#include "sweep.h"

static int takes(void *arg)
{
    int item = -1, rc = SWEPT(kt_channel_receive, (arg, &item));
    CHECK_EQ(item, rc < 0 ? -1 : 7);
    return rc;
}

static int takes_too(void *arg)
{
    int item;
    return kt_channel_receive(arg, &item);
}

/* One item for two who wait: the subject, and whoever is behind. */
SWEEP(kt_channel_receive, SUSPENDS)
{
    kt_channel c = KT_CHANNEL_INIT(int, 0);
    sweep_begin(takes, &c);
    kt_task *next = spawn(takes_too, &c, 0);
    sure(kt_sleep(KT_S(1)));
    sure(kt_channel_send(&c, &(int){7}));
    sure(kt_sleep(KT_S(1)));
    if (sweep_end() >= 0)
        sure(kt_channel_send(&c, &(int){7}));
    sure(kt_task_join(next));
    CHECK_EQ(kt_channel_size(&c), 0);
    kt_channel_release(&c); /* misuse, were there a waiter left */
}

static int sends_one(void *arg)
{
    return SWEPT(kt_channel_send, (arg, &(int){2}));
}

static int sends_behind(void *arg)
{
    return kt_channel_send(arg, &(int){3});
}

SWEEP(kt_channel_send, SUSPENDS)
{
    kt_channel c = KT_CHANNEL_INIT(int, 1);
    int item, sum = 0;
    sure(kt_channel_send(&c, &(int){1}));
    sweep_begin(sends_one, &c);
    kt_task *next = spawn(sends_behind, &c, 0);
    sure(kt_sleep(KT_S(1)));
    for (int i = 0; i < 2; i++) {
        sure(kt_channel_receive(&c, &item));
        sum += item;
        sure(kt_sleep(KT_S(1)));
    }
    sure(kt_task_join(next));
    if (sweep_end() >= 0) {
        sure(kt_channel_receive(&c, &item));
        sum += item - 2;
    }
    CHECK_EQ(sum, 4); /* each once, and none that was not sent */
    CHECK_EQ(kt_channel_size(&c), 0);
    kt_channel_release(&c);
}

static int sends_many(void *arg)
{
    kt_channel *c = arg;
    for (int i = (int)kt_channel_size(c); i < 40; i++) {
        int rc = SWEPT(kt_channel_send, (c, &i));
        CHECK_EQ(kt_channel_size(c), rc < 0 ? i : i + 1);
        if (rc < 0)
            return rc;
    }
    return 0;
}

SWEEP_AS(kt_channel_send, growing, ALLOCATES)
{
    kt_channel c = KT_CHANNEL_INIT(int, 0);
    int item, sum = 0;
    (void)sweep_subject(sends_many, &c);
    while (kt_channel_receive_nowait(&c, &item) == 0)
        sum += item;
    CHECK_EQ(sum, 39 * 40 / 2);
    kt_channel_release(&c);
}

static int sends_without_waiting(void *arg)
{
    return SWEPT(kt_channel_send_nowait, (arg, &(int){1}));
}

SWEEP(kt_channel_send_nowait, ALLOCATES)
{
    kt_channel c = KT_CHANNEL_INIT(int, 1);
    (void)sweep_subject(sends_without_waiting, &c);
    CHECK_ERR(SWEPT(kt_channel_send_nowait, (&c, &(int){2})), KT_EFULL);
    CHECK_EQ(kt_channel_size(&c), 1);
    kt_channel_release(&c);
}

SWEEP(kt_channel_receive_nowait, PLAIN)
{
    kt_channel c = KT_CHANNEL_INIT(int, 0);
    int item = 5;
    CHECK_ERR(SWEPT(kt_channel_receive_nowait, (&c, &item)), KT_EEMPTY);
    CHECK_EQ(item, 5);
    sure(kt_channel_send(&c, &(int){1}));
    sure(SWEPT(kt_channel_receive_nowait, (&c, &item)));
    CHECK_EQ(item, 1);
    kt_channel_release(&c);
}

static int sends_within_limit(void *arg)
{
    return SWEPT(kt_channel_send_within, (arg, &(int){1}, KT_FOREVER));
}

SWEEP(kt_channel_send_within, ALLOCATES | NO_LOOP)
{
    kt_channel c = KT_CHANNEL_INIT(int, 1);
    (void)sweep_subject(sends_within_limit, &c);
    CHECK_ERR(SWEPT(kt_channel_send_within, (&c, &(int){2}, 0)), -ETIMEDOUT);
    CHECK_EQ(kt_channel_size(&c), 1);
    kt_channel_release(&c);
}

SWEEP(kt_channel_receive_within, PLAIN | NO_LOOP)
{
    kt_channel c = KT_CHANNEL_INIT(int, 1);
    int item = 5;
    CHECK_ERR(SWEPT(kt_channel_receive_within, (&c, &item, KT_MS(1))), -ETIMEDOUT);
    CHECK_EQ(item, 5);
    sure(kt_channel_send(&c, &(int){1}));
    sure(SWEPT(kt_channel_receive_within, (&c, &item, 0)));
    CHECK_EQ(item, 1);
    kt_channel_release(&c);
}

SWEEP(kt_channel_size, PLAIN)
{
    kt_channel c = KT_CHANNEL_INIT(int, 0);
    CHECK_EQ(SWEPT(kt_channel_size, (&c)), 0);
}

SWEEP(kt_channel_shutdown, PLAIN)
{
    kt_channel c = KT_CHANNEL_INIT(int, 0);
    kt_task *t = spawn(takes_too, &c, 0);
    settle();
    SWEPT(kt_channel_shutdown, (&c, false));
    CHECK_ERR(kt_task_join(t), KT_ESHUTDOWN);
    SWEPT(kt_channel_shutdown, (&c, true));
    kt_channel_release(&c);
}

SWEEP(kt_channel_release, PLAIN)
{
    kt_channel c = KT_CHANNEL_INIT(int, 0);
    sure(kt_channel_send(&c, &(int){1}));
    SWEPT(kt_channel_release, (&c));
}

/* ---- Among the cases of kt_select ---------------------------------------------------------- */

typedef struct both {
    kt_channel in, out;
} both;

static int receives_or_sends(void *arg)
{
    both *b = arg;
    int item = -1;
    kt_select_case cases[] = {kt_select_receive(&b->in, &item), kt_select_send(&b->out, &(int){9})};
    int which = SWEPT(kt_select, (cases, 2));
    CHECK_EQ(item, which == 0 ? 7 : -1);
    if (which >= 0)
        CHECK_OK(cases[which].rc);
    return which;
}

/* Both become possible in one pass: one takes effect, or, cancelled, none. */
SWEEP_AS(kt_select, channels, SUSPENDS)
{
    both b = {KT_CHANNEL_INIT(int, 1), KT_CHANNEL_INIT(int, 1)};
    int item;
    sure(kt_channel_send(&b.out, &(int){8}));
    sweep_begin(receives_or_sends, &b);
    sure(kt_sleep(KT_S(1)));
    sure(kt_channel_send(&b.in, &(int){7}));
    sure(kt_channel_receive(&b.out, &item));
    CHECK_EQ(item, 8);
    int which = sweep_end();
    CHECK_LE(which, 0);
    CHECK_EQ(kt_channel_size(&b.in), which == 0 ? 0 : 1);
    CHECK_EQ(kt_channel_size(&b.out), 0);
    kt_channel_release(&b.in);
    kt_channel_release(&b.out);
}
