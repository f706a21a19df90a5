/* SPDX-License-Identifier: MIT */
#include "parity.h"

TEST(parity_078_queue_orders_fifo)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 3);
    kt_auto(kt_queue) unbounded = KT_QUEUE_INIT(int, 0);
    static const int items[] = {2, 3, 1};
    int out[3];
    for (int i = 0; i < 3; i++)
        sure(kt_queue_put(&q, &items[i]));
    kt_test_say("fifo size %zu full %s", kt_queue_size(&q),
                yes(kt_queue_put_nowait(&q, &items[0]) == KT_EFULL));
    for (int i = 0; i < 3; i++)
        sure(kt_queue_get(&q, &out[i]));
    kt_test_say("fifo out %d %d %d empty %s", out[0], out[1], out[2],
                yes(kt_queue_get_nowait(&q, out) == KT_EEMPTY));
    for (int i = 0; i < 5; i++)
        sure(kt_queue_put_nowait(&unbounded, &i));
    kt_test_say("unbounded size %zu", kt_queue_size(&unbounded));
    CHECK_TRACE("fifo size 3 full yes\nfifo out 2 3 1 empty yes\nunbounded size 5");
}

KT_FN(get, a, struct {
    kt_queue *q;
    char *item;
})
{
    return kt_queue_get(a->q, a->item);
}

KT_FN(put, a, struct {
    kt_queue *q;
    char item;
})
{
    return kt_queue_put(a->q, &a->item);
}

/* More reports than items is misuse here (see test_misuse.c). */
TEST(parity_080_queue_errors)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 1);
    char item = '?';
    CHECK_ERR(kt_queue_get_nowait(&q, &item), KT_EEMPTY);
    sure(kt_queue_put_nowait(&q, "a"));
    CHECK_ERR(kt_queue_put_nowait(&q, "b"), KT_EFULL);
    sure(kt_queue_get_nowait(&q, &item));
    kt_test_say("got %c", item);
    kt_queue_task_done(&q);
    if (kt_wait_for(U, KT_WITH(get, &q, &item)) == KT_ETIMEDOUT)
        kt_test_say("get timed out");
    sure(kt_queue_put(&q, "c"));
    size_t size = kt_queue_size(&q);
    sure(kt_queue_get(&q, &item));
    kt_test_say("size %zu got %c", size, item);
    sure(kt_queue_put_nowait(&q, "d"));
    if (kt_wait_for(U, KT_WITH(put, &q, 'e')) == KT_ETIMEDOUT)
        kt_test_say("put timed out, size %zu", kt_queue_size(&q));
    CHECK_TRACE("got a\nget timed out\nsize 1 got c\nput timed out, size 1");
}

KT_FN(joiner, a, struct {
    const char *name;
    kt_queue *q;
})
{
    sure(kt_queue_join(a->q));
    kt_test_say("%s joined", a->name);
    return 0;
}

TEST(parity_081_queue_join)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    kt_task *a, *b;
    int item;
    sure(kt_queue_join(&q));
    kt_test_say("main joined at once");
    sure(kt_queue_put_nowait(&q, &(int){1}));
    sure(kt_queue_put_nowait(&q, &(int){2}));
    sure(kt_spawn(KT_WITH(joiner, "A", &q), &a));
    sure(kt_spawn(KT_WITH(joiner, "B", &q), &b));
    units(1);
    sure(kt_queue_get(&q, &item));
    sure(kt_queue_get(&q, &item));
    kt_test_say("empty %s", yes(kt_queue_size(&q) == 0));
    units(1);
    kt_queue_task_done(&q);
    kt_test_say("one done");
    units(1);
    kt_queue_task_done(&q);
    kt_test_say("two done");
    sure(kt_task_join(a));
    sure(kt_task_join(b));
    CHECK_TRACE("main joined at once\nempty yes\none done\ntwo done\nA joined\nB joined");
}

/* ---- 084 --------------------------------------------------------------------------------- */

typedef struct order {
    int number, length;
} order;

KT_FN(worker, a, struct {
    int number;
    kt_queue *q;
})
{
    for (;;) {
        order j;
        int rc = kt_queue_get(a->q, &j);
        if (rc < 0)
            return rc;
        kt_test_say("W%d takes j%d", a->number, j.number);
        units(j.length);
        kt_test_say("W%d finished j%d", a->number, j.number);
        kt_queue_task_done(a->q);
    }
}

TEST(parity_084_worker_pool)
{
    static const int lengths[] = {3, 5, 7, 8, 4, 6};
    kt_auto(kt_queue) q = KT_QUEUE_INIT(order, 0);
    kt_task *ws[3];
    for (int i = 0; i < 6; i++)
        sure(kt_queue_put_nowait(&q, &(order){i + 1, lengths[i]}));
    for (int i = 0; i < 3; i++)
        sure(kt_spawn(KT_WITH(worker, i + 1, &q), &ws[i]));
    sure(kt_queue_join(&q));
    kt_test_say("main joined");
    for (int i = 0; i < 3; i++)
        kt_task_cancel(ws[i]);
    int cancelled = 0;
    for (int i = 0; i < 3; i++)
        cancelled += kt_task_join(ws[i]) == KT_ECANCELED;
    kt_test_say("workers cancelled %d", cancelled);
    CHECK_TRACE("W1 takes j1\nW2 takes j2\nW3 takes j3\nW1 finished j1\nW1 takes j4\n"
                "W2 finished j2\nW2 takes j5\nW3 finished j3\nW3 takes j6\nW2 finished j5\n"
                "W1 finished j4\nW3 finished j6\nmain joined\nworkers cancelled 3");
}

/* ---- 901 --------------------------------------------------------------------------------- */

static int producer_901(void *arg)
{
    int rc = kt_queue_put(arg, "c");
    kt_test_say(rc == KT_ESHUTDOWN ? "P shut down" : "P put");
    return 0;
}

static int getter_901(void *arg)
{
    char item;
    int rc = kt_queue_get(arg, &item);
    kt_test_say(rc == KT_ESHUTDOWN ? "G shut down" : "G got");
    return 0;
}

static int joiner_901(void *arg)
{
    sure(kt_queue_join(arg));
    kt_test_say("joined");
    return 0;
}

static void getter_is_woken(void)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 0);
    kt_task *g;
    sure(kt_spawn(getter_901, &q, 0, &g));
    units(1);
    kt_queue_shutdown(&q, false);
    sure(kt_task_join(g));
}

static void say_got(kt_queue *q)
{
    char item;
    int rc = kt_queue_get(q, &item);
    if (rc == KT_ESHUTDOWN)
        kt_test_say("get refused");
    else
        kt_test_say("got %c", item);
}

TEST(parity_901_queue_shutdown)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 2);
    kt_task *p, *j;
    sure(kt_queue_put_nowait(&q, "a"));
    sure(kt_queue_put_nowait(&q, "b"));
    sure(kt_spawn(producer_901, &q, 0, &p));
    units(1);
    kt_queue_shutdown(&q, false);
    sure(kt_task_join(p));
    if (kt_queue_put_nowait(&q, "d") == KT_ESHUTDOWN)
        kt_test_say("put refused");
    sure(kt_spawn(joiner_901, &q, 0, &j));
    for (int i = 0; i < 3; i++)
        say_got(&q);
    if (kt_queue_get_nowait(&q, &(char){0}) == KT_ESHUTDOWN)
        kt_test_say("get_nowait refused");
    units(1);
    kt_test_say("join done %s", yes(kt_task_done(j)));
    kt_queue_task_done(&q);
    kt_queue_task_done(&q);
    sure(kt_task_join(j));
    kt_queue_shutdown(&q, false);
    kt_test_say("second shutdown accepted");
    getter_is_woken();
    CHECK_TRACE("P shut down\nput refused\ngot a\ngot b\nget refused\nget_nowait refused\n"
                "join done no\njoined\nsecond shutdown accepted\nG shut down");
}
