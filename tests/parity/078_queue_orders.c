/* SPDX-License-Identifier: MIT */
#include "say.h"

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static bool full(const kt_queue *q)
{
    return q->max > 0 && kt_queue_size(q) >= q->max;
}

static void in_and_out(const char *label, kt_queue *q)
{
    static const int items[] = {2, 3, 1};
    int out[3];
    for (int i = 0; i < 3; i++)
        sure(kt_queue_put(q, &items[i]));
    say("%s size %zu full %s max %zu", label, kt_queue_size(q), yes(full(q)), q->max);
    for (int i = 0; i < 3; i++)
        sure(kt_queue_get(q, &out[i]));
    say("%s out %d %d %d empty %s full %s", label, out[0], out[1], out[2],
        yes(kt_queue_size(q) == 0), yes(full(q)));
}

static int body(void *arg)
{
    kt_auto(kt_queue) fifo = KT_QUEUE_INIT(int, 3), lifo = KT_LIFO_QUEUE_INIT(int, 3);
    kt_auto(kt_queue) priority = KT_PRIORITY_QUEUE_INIT(int, 3, compare);
    kt_auto(kt_queue) unbounded = KT_QUEUE_INIT(int, 0);
    (void)arg;
    in_and_out("fifo", &fifo);
    in_and_out("lifo", &lifo);
    in_and_out("priority", &priority);
    for (int i = 0; i < 5; i++)
        sure(kt_queue_put_nowait(&unbounded, &i));
    say("unbounded full %s size %zu", yes(full(&unbounded)), kt_queue_size(&unbounded));
    return 0;
}

int main(void)
{
    return run(body);
}
