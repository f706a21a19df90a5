/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    kt_lock *lock;
})
{
    say("%s asks", a->name);
    sure(kt_lock_acquire(a->lock));
    say("%s got lock", a->name);
    sure(kt_sleep(0));
    say("%s releases", a->name);
    kt_lock_release(a->lock);
    return 0;
}

static int body(void *arg)
{
    kt_lock lock = KT_LOCK_INIT;
    (void)arg;
    kt_task *ts[] = {spawn(KT_WITH(work, "A", &lock)), spawn(KT_WITH(work, "B", &lock)),
                     spawn(KT_WITH(work, "C", &lock))};
    sure(kt_lock_acquire(&lock));
    say("main got lock");
    sure(kt_sleep(0));
    say("main releases");
    kt_lock_release(&lock);
    say("locked %s", yes(kt_lock_locked(&lock)));
    sure(kt_lock_acquire(&lock));
    say("main got lock again");
    kt_lock_release(&lock);
    for (int i = 0; i < 3; i++)
        sure(kt_task_join(ts[i]));
    return 0;
}

int main(void)
{
    return run(body);
}
