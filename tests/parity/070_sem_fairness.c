/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    kt_semaphore *sem;
    int length;
})
{
    sure(kt_semaphore_acquire(a->sem));
    say("%s enters", a->name);
    units(a->length);
    say("%s leaves", a->name);
    kt_semaphore_release(a->sem);
    return 0;
}

static void two_slots(void)
{
    kt_semaphore sem = KT_SEMAPHORE_INIT(2);
    kt_task *ts[] = {spawn(KT_WITH(work, "A", &sem, 8)), spawn(KT_WITH(work, "B", &sem, 2)),
                     spawn(KT_WITH(work, "C", &sem, 2)), spawn(KT_WITH(work, "D", &sem, 10)),
                     spawn(KT_WITH(work, "E", &sem, 3))};
    sure(kt_sleep(0));
    say("locked %s", yes(kt_semaphore_locked(&sem)));
    for (int i = 0; i < 5; i++)
        sure(kt_task_join(ts[i]));
    say("locked %s", yes(kt_semaphore_locked(&sem)));
}

static int body(void *arg)
{
    kt_semaphore sem = KT_SEMAPHORE_INIT(1);
    (void)arg;
    two_slots();
    sure(kt_semaphore_acquire(&sem));
    kt_task *f = spawn(KT_WITH(work, "F", &sem, 1));
    sure(kt_sleep(0));
    kt_semaphore_release(&sem);
    say("main asks again");
    sure(kt_semaphore_acquire(&sem));
    say("main got it");
    return kt_task_join(f);
}

int main(void)
{
    return run(body);
}
