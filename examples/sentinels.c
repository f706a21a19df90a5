/* SPDX-License-Identifier: MIT */
/* Producers and consumers with a queue between them. A sentinel for each consumer tells it that no more
 * will come; with `few` each producer sends one, and the third consumer waits for ever.
 *
 * usage: sentinels [few] */
#include <kettle/kettle.h>
#include <stdio.h>

enum { PRODUCERS = 2, CONSUMERS = 3, ITEMS = 5 };

typedef struct item {
    int producer, number; /* producer 0: the sentinel */
} item;

typedef struct market {
    kt_queue queue;
    int consumed[PRODUCERS + 1][ITEMS]; /* how often each */
} market;

KT_FN(produce, a, struct {
    market *market;
    int number;
})
{
    for (int i = 0; i < ITEMS; i++) {
        const item made = {a->number, i};
        int rc = kt_queue_put(&a->market->queue, &made); /* waits while the queue is full */
        if (rc < 0)
            return rc;
        printf("Producer-%d: produced Producer-%d-item-%d\n", a->number, a->number, i);
        rc = kt_sleep(KT_MS(100 * a->number));
        if (rc < 0)
            return rc;
    }
    return 0;
}

KT_FN(consume, a, struct {
    market *market;
    int number;
})
{
    for (;;) {
        item got;
        int rc = kt_queue_get(&a->market->queue, &got);
        if (rc < 0 || got.producer == 0)
            return rc;
        printf("Consumer-%d: consumed Producer-%d-item-%d\n", a->number, got.producer, got.number);
        a->market->consumed[got.producer][got.number]++;
        rc = kt_sleep(KT_MS(250));
        if (rc < 0)
            return rc;
    }
}

static int report(const market *m)
{
    int total = 0, twice = 0;
    for (int p = 1; p <= PRODUCERS; p++)
        for (int i = 0; i < ITEMS; i++) {
            total += m->consumed[p][i];
            twice += m->consumed[p][i] > 1;
        }
    printf("All tasks complete\n%d consumed, %d of them twice\n", total, twice);
    return 0;
}

static int run(void *arg)
{
    int sentinels = *(int *)arg, rc = 0;
    market m = {.queue = KT_QUEUE_INIT(item, 10)}; /* before the groups that use it */
    kt_auto(kt_group) consumers = KT_GROUP_INIT, producers = KT_GROUP_INIT;
    for (int i = 1; rc == 0 && i <= PRODUCERS; i++)
        rc = kt_group_spawn(&producers, KT_WITH(produce, &m, i));
    for (int i = 1; rc == 0 && i <= CONSUMERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "Consumer-%d", i);
        rc = kt_group_spawn_with(&consumers, &(kt_spawn_options){.name = name},
                                 KT_WITH(consume, &m, i), NULL);
    }
    rc = kt_group_join(&producers, rc);
    for (int i = 0; rc == 0 && i < sentinels; i++)
        rc = kt_queue_put(&m.queue, &(item){0, 0});
    rc = kt_group_join(&consumers, rc);
    kt_queue_release(&m.queue);
    return rc < 0 ? rc : report(&m);
}

int main(int argc, char **argv)
{
    (void)argv;
    int sentinels = argc > 1 ? PRODUCERS : CONSUMERS;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* a deadlock ends the process: see all that came before */
    int rc = kt_run(run, &sentinels, 0);
    if (rc < 0)
        fprintf(stderr, "sentinels: %s\n", kt_strerror(rc));
    return rc < 0;
}
