/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    kt_barrier *barrier;
    int lengths[2];
})
{
    for (int i = 0; i < 2; i++) {
        units(a->lengths[i]);
        say("%s arrives, waiting %u", a->name, kt_barrier_waiting(a->barrier));
        int number = kt_barrier_wait(a->barrier);
        say("%s passed as %d", a->name, sure(number));
    }
    return 0;
}

static int body(void *arg)
{
    kt_barrier barrier = KT_BARRIER_INIT(3);
    (void)arg;
    say("parties %u", barrier.parties);
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(work, "A", &barrier, {1, 6})),
                           KT_JOB_OF(KT_WITH(work, "B", &barrier, {2, 2})),
                           KT_JOB_OF(KT_WITH(work, "C", &barrier, {3, 4}))};
    sure(kt_gather(jobs, 3, NULL));
    say("waiting %u broken %s", kt_barrier_waiting(&barrier), yes(kt_barrier_broken(&barrier)));
    return 0;
}

int main(void)
{
    return run(body);
}
