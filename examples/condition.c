/* SPDX-License-Identifier: MIT */
/* A condition: a lock, and a place to wait until what the lock guards has changed. */
#include <kettle/kettle.h>
#include <stdio.h>

typedef struct shelf {
    kt_condition condition;
    int items[2]; /* the producers' numbers */
    int first, count;
} shelf;

KT_FN(consumer, a, struct {
    shelf *shelf;
    int number;
})
{
    shelf *s = a->shelf;
    int rc = kt_condition_acquire(&s->condition);
    if (rc < 0)
        return rc;
    while (rc == 0 && s->count == 0)
        rc = kt_condition_wait(&s->condition); /* gives the lock up meanwhile */
    if (rc == 0) {
        printf("Consumer-%d: consumed Producer-%d-item\n", a->number, s->items[s->first++]);
        s->count--;
    }
    kt_condition_release(&s->condition); /* ours again, whatever rc is */
    return rc;
}

KT_FN(producer, a, struct {
    shelf *shelf;
    int number;
})
{
    shelf *s = a->shelf;
    int rc = kt_condition_acquire(&s->condition);
    if (rc < 0)
        return rc;
    s->items[s->first + s->count++] = a->number;
    printf("Producer-%d: produced Producer-%d-item\n", a->number, a->number);
    kt_condition_notify(&s->condition, 1);
    kt_condition_release(&s->condition);
    return 0;
}

static int run(void *arg)
{
    (void)arg;
    shelf s = {.condition = KT_CONDITION_INIT};
    kt_auto(kt_group) tasks = KT_GROUP_INIT;
    int rc = 0;
    for (int i = 1; rc == 0 && i <= 2; i++)
        rc = kt_group_spawn(&tasks, KT_WITH(consumer, &s, i));
    for (int i = 1; rc == 0 && i <= 2; i++)
        rc = kt_group_spawn(&tasks, KT_WITH(producer, &s, i));
    return kt_group_join(&tasks, rc);
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "condition: %s\n", kt_strerror(rc));
    return rc < 0;
}
