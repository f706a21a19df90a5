/* SPDX-License-Identifier: MIT */
/* Producers and consumers with a queue between them, which holds the faster side back. A sentinel for
 * each consumer tells it that no more will come. */
#include <kettle/kettle.h>
#include <stdio.h>

enum { PRODUCERS = 2, CONSUMERS = 3, ITEMS = 5, NO_MORE = -1 };

KT_FN(produce, a, struct {
    kt_queue *queue;
    int number;
})
{
    for (int i = 0; i < ITEMS; i++) {
        int item = a->number * 100 + i;
        int rc = kt_sleep(KT_MS(100 * a->number));
        if (rc == 0)
            rc = kt_queue_put(a->queue, &item); /* waits while the queue is full */
        if (rc < 0)
            return rc;
        printf("Producer-%d: produced %d\n", a->number, item);
    }
    return 0;
}

KT_FN(consume, a, struct {
    kt_queue *queue;
    int number;
    int *consumed;
})
{
    for (;;) {
        int item;
        int rc = kt_queue_get(a->queue, &item);
        if (rc < 0)
            return rc;
        if (item == NO_MORE)
            return 0;
        rc = kt_sleep(KT_MS(250));
        if (rc < 0)
            return rc;
        printf("Consumer-%d: consumed %d\n", a->number, item);
        ++*a->consumed;
    }
}

static int market(void *arg)
{
    (void)arg;
    int consumed = 0, rc = 0;
    kt_auto(kt_queue) queue = KT_QUEUE_INIT(int, 2); /* before the groups that use it */
    kt_auto(kt_group) producers = KT_GROUP_INIT, consumers = KT_GROUP_INIT;
    for (int i = 1; rc == 0 && i <= CONSUMERS; i++)
        rc = kt_group_spawn(&consumers, KT_WITH(consume, &queue, i, &consumed));
    for (int i = 1; rc == 0 && i <= PRODUCERS; i++)
        rc = kt_group_spawn(&producers, KT_WITH(produce, &queue, i));
    rc = kt_group_join(&producers, rc);
    for (int i = 0; rc == 0 && i < CONSUMERS; i++)
        rc = kt_queue_put(&queue, &(int){NO_MORE});
    rc = kt_group_join(&consumers, rc);
    if (rc == 0)
        printf("All tasks complete, %d consumed\n", consumed);
    return rc;
}

int main(void)
{
    int rc = kt_run(market, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "producers: %s\n", kt_strerror(rc));
    return rc < 0;
}
