/* SPDX-License-Identifier: MIT */
#include "say.h"

static int release_free_lock(void *arg)
{
    kt_lock lock = KT_LOCK_INIT;
    (void)arg;
    kt_lock_release(&lock);
    return 0;
}

KT_FN(guarded, a, struct {
    kt_lock *lock;
    bool fail;
})
{
    sure(kt_lock_acquire(a->lock));
    int rc = a->fail ? raise_error("boom") : kt_sleep(50 * U);
    kt_lock_release(a->lock);
    return rc;
}

static int releaser(void *lock)
{
    kt_lock_release(lock);
    return 0;
}

static int acquire(void *lock)
{
    return kt_lock_acquire(lock);
}

static int body(void *arg)
{
    kt_lock lock = KT_LOCK_INIT;
    (void)arg;
    if (guarded(&(guarded_args){&lock, true}) == -EIO)
        say("block failed %s locked %s", kt_error_detail(), yes(kt_lock_locked(&lock)));
    kt_task *t = spawn(KT_WITH(guarded, &lock, false));
    sure(kt_sleep(0));
    say("locked %s", yes(kt_lock_locked(&lock)));
    kt_task_cancel(t);
    wait_end(t);
    say("owner cancelled %s locked %s", yes(kt_task_cancelled(t)), yes(kt_lock_locked(&lock)));
    kt_task_detach(t);
    sure(kt_lock_acquire(&lock));
    sure(kt_task_join(spawn(releaser, &lock, 0)));
    say("released by another task, locked %s", yes(kt_lock_locked(&lock)));
    sure(kt_lock_acquire(&lock));
    if (kt_wait_for(U, acquire, &lock, 0) == KT_ETIMEDOUT)
        say("second acquire timed out, locked %s", yes(kt_lock_locked(&lock)));
    return 0;
}

int main(void)
{
    if (strstr(misuse_of(release_free_lock), "nobody holds this lock"))
        say("release of free lock refused");
    return run(body);
}
