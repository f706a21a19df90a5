/* SPDX-License-Identifier: MIT */
/* A semaphore lets only so many in; who waits is served in the order of asking. */
#include <kettle/kettle.h>
#include <stdio.h>

typedef struct gate {
    kt_semaphore permits;
    int inside, most;
} gate;

KT_FN(limited_operation, a, struct {
    gate *gate;
    int number;
})
{
    printf("Task-%d: waiting for semaphore\n", a->number);
    int rc = kt_semaphore_acquire(&a->gate->permits);
    if (rc < 0)
        return rc;
    printf("Task-%d: acquired semaphore\n", a->number);
    if (++a->gate->inside > a->gate->most)
        a->gate->most = a->gate->inside;
    rc = kt_sleep(KT_S(2));
    a->gate->inside--;
    printf("Task-%d: releasing semaphore\n", a->number);
    kt_semaphore_release(&a->gate->permits); /* whatever rc is */
    return rc;
}

static int run(void *arg)
{
    (void)arg;
    gate g = {KT_SEMAPHORE_INIT(2), 0, 0};
    kt_auto(kt_group) tasks = KT_GROUP_INIT;
    kt_time start = kt_now();
    int rc = 0;
    for (int i = 1; rc == 0 && i <= 5; i++)
        rc = kt_group_spawn(&tasks, KT_WITH(limited_operation, &g, i));
    rc = kt_group_join(&tasks, rc);
    if (rc < 0)
        return rc;
    printf("never more than %d inside\n", g.most);
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "semaphore: %s\n", kt_strerror(rc));
    return rc < 0;
}
