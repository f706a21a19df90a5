/* SPDX-License-Identifier: MIT */
#include "sweep.h"

static int compares(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static int takes(void *arg)
{
    int item = -1, rc = SWEPT(kt_queue_get, (arg, &item));
    if (rc < 0)
        CHECK_EQ(item, -1);
    else
        CHECK_EQ(item, 7);
    return rc;
}

/* One item for two who wait: the subject, and whoever is behind. */
static void sweep_get(kt_queue *q)
{
    int item;
    sweep_begin(takes, q);
    sure(kt_sleep(KT_S(1)));
    sure(kt_queue_put(q, &(int){7}));
    if (sweep_end() < 0) {
        sure(kt_queue_get(q, &item));
        CHECK_EQ(item, 7);
    }
    CHECK_EQ(kt_queue_size(q), 0);
    kt_queue_task_done(q);
    sure(kt_queue_join(q));
    kt_queue_release(q); /* misuse, were there a waiter left */
}

SWEEP(kt_queue_get, SUSPENDS)
{
    sweep_get(&(kt_queue)KT_QUEUE_INIT(int, 0));
}

SWEEP_AS(kt_queue_get, lifo, SUSPENDS)
{
    sweep_get(&(kt_queue)KT_LIFO_QUEUE_INIT(int, 0));
}

SWEEP_AS(kt_queue_get, priority, SUSPENDS)
{
    sweep_get(&(kt_queue)KT_PRIORITY_QUEUE_INIT(int, 0, compares));
}

static int takes_too(void *arg)
{
    int item;
    return kt_queue_get(arg, &item);
}

SWEEP_AS(kt_queue_get, with_others_behind, SUSPENDS)
{
    kt_queue q = KT_QUEUE_INIT(int, 0);
    sweep_begin(takes, &q);
    kt_task *next = spawn(takes_too, &q, 0);
    sure(kt_sleep(KT_S(1)));
    sure(kt_queue_put(&q, &(int){7}));
    sure(kt_sleep(KT_S(1)));
    if (sweep_end() >= 0)
        sure(kt_queue_put(&q, &(int){7}));
    sure(kt_task_join(next)); /* the turn of one who was cancelled was passed on */
    CHECK_EQ(kt_queue_size(&q), 0);
    kt_queue_release(&q);
}

static int puts_one(void *arg)
{
    return SWEPT(kt_queue_put, (arg, &(int){2}));
}

static int puts_behind(void *arg)
{
    return kt_queue_put(arg, &(int){3});
}

static void sweep_put(kt_queue *q)
{
    int item, sum = 0;
    sure(kt_queue_put(q, &(int){1}));
    sweep_begin(puts_one, q);
    kt_task *next = spawn(puts_behind, q, 0);
    sure(kt_sleep(KT_S(1)));
    sure(kt_queue_get(q, &item));
    sum += item;
    sure(kt_sleep(KT_S(1)));
    sure(kt_queue_get(q, &item));
    sum += item;
    sure(kt_task_join(next));
    if (sweep_end() >= 0) {
        sure(kt_queue_get(q, &item));
        sum += item - 2;
    }
    CHECK_EQ(sum, 4); /* each once, and none that was not put */
    CHECK_EQ(kt_queue_size(q), 0);
    kt_queue_release(q);
}

SWEEP(kt_queue_put, SUSPENDS)
{
    sweep_put(&(kt_queue)KT_QUEUE_INIT(int, 1));
}

SWEEP_AS(kt_queue_put, lifo, SUSPENDS)
{
    sweep_put(&(kt_queue)KT_LIFO_QUEUE_INIT(int, 1));
}

SWEEP_AS(kt_queue_put, priority, SUSPENDS)
{
    sweep_put(&(kt_queue)KT_PRIORITY_QUEUE_INIT(int, 1, compares));
}

static int puts_many(void *arg)
{
    kt_queue *q = arg;
    for (int i = (int)kt_queue_size(q); i < 40; i++) {
        int rc = SWEPT(kt_queue_put, (q, &i));
        CHECK_EQ(kt_queue_size(q), rc < 0 ? i : i + 1);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void sweep_growth(kt_queue *q)
{
    (void)sweep_subject(puts_many, q);
    int item, sum = 0;
    while (kt_queue_get_nowait(q, &item) == 0)
        sum += item;
    CHECK_EQ(sum, 39 * 40 / 2);
    kt_queue_release(q);
}

SWEEP_AS(kt_queue_put, growing, ALLOCATES)
{
    sweep_growth(&(kt_queue)KT_QUEUE_INIT(int, 0));
}

SWEEP_AS(kt_queue_put, growing_lifo, ALLOCATES)
{
    sweep_growth(&(kt_queue)KT_LIFO_QUEUE_INIT(int, 0));
}

SWEEP_AS(kt_queue_put, growing_priority, ALLOCATES)
{
    sweep_growth(&(kt_queue)KT_PRIORITY_QUEUE_INIT(int, 0, compares));
}

static int puts_without_waiting(void *arg)
{
    return SWEPT(kt_queue_put_nowait, (arg, &(int){1}));
}

SWEEP(kt_queue_put_nowait, ALLOCATES)
{
    kt_queue q = KT_QUEUE_INIT(int, 1);
    (void)sweep_subject(puts_without_waiting, &q);
    CHECK_ERR(SWEPT(kt_queue_put_nowait, (&q, &(int){2})), KT_EFULL);
    CHECK_EQ(kt_queue_size(&q), 1);
    kt_queue_release(&q);
}

SWEEP(kt_queue_get_nowait, PLAIN)
{
    kt_queue q = KT_QUEUE_INIT(int, 0);
    int item = 5;
    CHECK_ERR(SWEPT(kt_queue_get_nowait, (&q, &item)), KT_EEMPTY);
    CHECK_EQ(item, 5);
    sure(kt_queue_put(&q, &(int){1}));
    sure(SWEPT(kt_queue_get_nowait, (&q, &item)));
    CHECK_EQ(item, 1);
    kt_queue_release(&q);
}

SWEEP(kt_queue_size, PLAIN)
{
    kt_queue q = KT_QUEUE_INIT(int, 0);
    CHECK_EQ(SWEPT(kt_queue_size, (&q)), 0);
}

static int joins(void *arg)
{
    return SWEPT(kt_queue_join, (arg));
}

SWEEP(kt_queue_join, SUSPENDS)
{
    kt_queue q = KT_QUEUE_INIT(int, 0);
    int item;
    sure(kt_queue_put(&q, &(int){1}));
    sure(kt_queue_get(&q, &item));
    sweep_begin(joins, &q);
    sure(kt_sleep(KT_S(1)));
    kt_queue_task_done(&q);
    (void)sweep_end();
    sure(kt_queue_join(&q));
    kt_queue_release(&q);
}

SWEEP(kt_queue_task_done, PLAIN)
{
    kt_queue q = KT_QUEUE_INIT(int, 0);
    int item;
    sure(kt_queue_put(&q, &(int){1}));
    sure(kt_queue_get(&q, &item));
    SWEPT(kt_queue_task_done, (&q));
    sure(kt_queue_join(&q));
    kt_queue_release(&q);
}

SWEEP(kt_queue_shutdown, PLAIN)
{
    kt_queue q = KT_QUEUE_INIT(int, 0);
    kt_task *t = spawn(takes_too, &q, 0);
    settle();
    SWEPT(kt_queue_shutdown, (&q, false));
    CHECK_ERR(kt_task_join(t), KT_ESHUTDOWN);
    SWEPT(kt_queue_shutdown, (&q, true));
    kt_queue_release(&q);
}

SWEEP(kt_queue_release, PLAIN)
{
    kt_queue q = KT_QUEUE_INIT(int, 0);
    sure(kt_queue_put(&q, &(int){1}));
    SWEPT(kt_queue_release, (&q));
}
