/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    char name;
    kt_semaphore *s;
    int length;
})
{
    int rc = kt_semaphore_acquire(a->s);
    if (rc == 0) {
        say("%c enters", a->name);
        rc = kt_sleep(a->length * U);
        kt_semaphore_release(a->s);
    }
    say("%c %s", a->name, rc < 0 ? "cancelled" : "leaves");
    return rc;
}

KT_FN(guarded, a, struct {
    char name;
    kt_lock *l;
})
{
    int rc = kt_lock_acquire(a->l);
    if (rc == 0) {
        say("%c enters", a->name);
        rc = kt_sleep(U);
        kt_lock_release(a->l);
    }
    say("%c %s", a->name, rc < 0 ? "cancelled" : "leaves");
    return rc;
}

static void finish(kt_task *const ts[], size_t n)
{
    sure(kt_wait(ts, n, KT_WAIT_ALL_COMPLETED, KT_FOREVER));
    for (size_t i = 0; i < n; i++)
        kt_task_detach(ts[i]);
}

static void cancelled_waiters(kt_semaphore *s)
{
    kt_task *ts[4];
    for (int i = 0; i < 4; i++)
        ts[i] = spawn(KT_WITH(work, (char)('A' + i), s, 2));
    units(1);
    kt_task_cancel(ts[1]);
    units(2);
    kt_task_cancel(ts[3]);
    say("locked %s", yes(kt_semaphore_locked(s)));
    finish(ts, 4);
    say("locked %s", yes(kt_semaphore_locked(s)));
}

static void woken_and_cancelled(kt_semaphore *s)
{
    sure(kt_semaphore_acquire(s));
    kt_task *ts[] = {spawn(KT_WITH(work, 'E', s, 1)), spawn(KT_WITH(work, 'F', s, 1))};
    sure(kt_sleep(0));
    kt_semaphore_release(s);
    say("locked %s", yes(kt_semaphore_locked(s)));
    kt_task_cancel(ts[0]);
    finish(ts, 2);
    say("locked %s", yes(kt_semaphore_locked(s)));
}

static void two_at_once(void)
{
    kt_semaphore s = KT_SEMAPHORE_INIT(0), spare = KT_SEMAPHORE_INIT(1);
    kt_task *ts[3];
    for (int i = 0; i < 3; i++)
        ts[i] = spawn(KT_WITH(work, (char)('G' + i), &s, 3));
    sure(kt_sleep(0));
    kt_semaphore_release(&s);
    kt_semaphore_release(&s);
    say("locked %s", yes(kt_semaphore_locked(&s)));
    units(1);
    kt_semaphore_release(&s);
    finish(ts, 3);
    kt_semaphore_release(&spare);
    sure(kt_semaphore_acquire(&spare));
    sure(kt_semaphore_acquire(&spare));
    say("locked %s", yes(kt_semaphore_locked(&spare)));
}

static int body(void *arg)
{
    kt_semaphore s = KT_SEMAPHORE_INIT(1), three = KT_SEMAPHORE_INIT(3);
    kt_lock l = KT_LOCK_INIT;
    kt_event e = KT_EVENT_INIT;
    kt_task *ts[3];
    (void)arg;
    cancelled_waiters(&s);
    woken_and_cancelled(&s);
    two_at_once();
    sure(kt_lock_acquire(&l));
    for (int i = 0; i < 3; i++)
        ts[i] = spawn(KT_WITH(guarded, (char)('J' + i), &l));
    sure(kt_sleep(0));
    kt_task_cancel(ts[0]);
    kt_task_cancel(ts[1]);
    kt_lock_release(&l);
    finish(ts, 3);
    say("locked %s", yes(kt_lock_locked(&l)));
    say("locked %s", yes(kt_semaphore_locked(&three)));
    kt_event_set(&e);
    kt_event_set(&e);
    sure(kt_event_wait(&e));
    kt_event_clear(&e);
    say("set %s", yes(kt_event_is_set(&e)));
    return 0;
}

int main(void)
{
    return run(body);
}
