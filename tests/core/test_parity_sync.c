/* SPDX-License-Identifier: MIT */
#include "parity.h"

/* ---- Lock -------------------------------------------------------------------------------- */

KT_FN(work_067, a, struct {
    const char *name;
    kt_lock *lock;
})
{
    kt_test_say("%s asks", a->name);
    sure(kt_lock_acquire(a->lock));
    kt_test_say("%s got lock", a->name);
    sure(kt_sleep(0));
    kt_test_say("%s releases", a->name);
    kt_lock_release(a->lock);
    return 0;
}

TEST(parity_067_lock_fifo_no_barging)
{
    static const char *const names[] = {"A", "B", "C"};
    kt_lock lock = KT_LOCK_INIT;
    kt_task *ts[3];
    for (int i = 0; i < 3; i++)
        sure(kt_spawn(KT_WITH(work_067, names[i], &lock), &ts[i]));
    sure(kt_lock_acquire(&lock));
    kt_test_say("main got lock");
    sure(kt_sleep(0));
    kt_test_say("main releases");
    kt_lock_release(&lock);
    kt_test_say("locked %s", yes(kt_lock_locked(&lock)));
    sure(kt_lock_acquire(&lock));
    kt_test_say("main got lock again");
    kt_lock_release(&lock);
    for (int i = 0; i < 3; i++)
        sure(kt_task_join(ts[i]));
    CHECK_TRACE("main got lock\nA asks\nB asks\nC asks\nmain releases\nlocked no\nA got lock\n"
                "A releases\nB got lock\nB releases\nC got lock\nC releases\n"
                "main got lock again");
}

KT_FN(guarded, a, struct {
    kt_lock *lock;
    bool fail;
})
{
    sure(kt_lock_acquire(a->lock));
    int rc = a->fail ? kt_error_set(-EIO, "boom") : kt_sleep(50 * U);
    kt_lock_release(a->lock);
    return rc;
}

/* Refusals are misuse here (see test_misuse.c): a release by another task, a second acquire. */
TEST(parity_069_lock_errors)
{
    kt_lock lock = KT_LOCK_INIT;
    kt_task *t;
    if (guarded(&(guarded_args){&lock, true}) == -EIO)
        kt_test_say("block failed %s locked %s", kt_error_detail(), yes(kt_lock_locked(&lock)));
    sure(kt_spawn(KT_WITH(guarded, &lock, false), &t));
    sure(kt_sleep(0));
    kt_test_say("locked %s", yes(kt_lock_locked(&lock)));
    kt_task_cancel(t);
    int rc = kt_task_join(t);
    kt_test_say("owner cancelled %s locked %s", yes(rc == KT_ECANCELED),
                yes(kt_lock_locked(&lock)));
    CHECK_TRACE("block failed boom locked no\nlocked yes\nowner cancelled yes locked no");
}

/* ---- Semaphore --------------------------------------------------------------------------- */

KT_FN(work_070, a, struct {
    const char *name;
    kt_semaphore *sem;
    int length;
})
{
    sure(kt_semaphore_acquire(a->sem));
    kt_test_say("%s enters", a->name);
    units(a->length);
    kt_test_say("%s leaves", a->name);
    kt_semaphore_release(a->sem);
    return 0;
}

static void two_slots(void)
{
    static const struct {
        const char *name;
        int length;
    } plan[] = {{"A", 8}, {"B", 2}, {"C", 2}, {"D", 10}, {"E", 3}};
    kt_semaphore sem = KT_SEMAPHORE_INIT(2);
    kt_task *ts[5];
    for (int i = 0; i < 5; i++)
        sure(kt_spawn(KT_WITH(work_070, plan[i].name, &sem, plan[i].length), &ts[i]));
    sure(kt_sleep(0));
    kt_test_say("locked %s", yes(kt_semaphore_locked(&sem)));
    for (int i = 0; i < 5; i++)
        sure(kt_task_join(ts[i]));
    kt_test_say("locked %s", yes(kt_semaphore_locked(&sem)));
}

TEST(parity_070_sem_fairness)
{
    kt_semaphore sem = KT_SEMAPHORE_INIT(1);
    kt_task *f;
    two_slots();
    sure(kt_semaphore_acquire(&sem));
    sure(kt_spawn(KT_WITH(work_070, "F", &sem, 1), &f));
    sure(kt_sleep(0));
    kt_semaphore_release(&sem);
    kt_test_say("main asks again");
    sure(kt_semaphore_acquire(&sem));
    kt_test_say("main got it");
    sure(kt_task_join(f));
    CHECK_TRACE("A enters\nB enters\nlocked yes\nB leaves\nC enters\nC leaves\nD enters\n"
                "A leaves\nE enters\nE leaves\nD leaves\nlocked no\nmain asks again\nF enters\n"
                "F leaves\nmain got it");
}

/* ---- Event ------------------------------------------------------------------------------- */

KT_FN(waiter_072, a, struct {
    const char *name;
    kt_event *event;
})
{
    int rc = kt_event_wait(a->event);
    if (rc < 0)
        kt_test_say("%s cancelled", a->name);
    else
        kt_test_say("%s woke, set %s", a->name, yes(kt_event_is_set(a->event)));
    return rc;
}

static int d_runs(void *arg)
{
    (void)arg;
    kt_test_say("D runs");
    return 0;
}

TEST(parity_072_event)
{
    kt_event ev = KT_EVENT_INIT;
    kt_task *a, *b, *c, *d;
    sure(kt_spawn(KT_WITH(waiter_072, "A", &ev), &a));
    sure(kt_spawn(KT_WITH(waiter_072, "B", &ev), &b));
    sure(kt_sleep(0));
    kt_event_set(&ev);
    kt_event_clear(&ev);
    sure(kt_spawn(KT_WITH(waiter_072, "C", &ev), &c));
    kt_test_say("main set and cleared");
    sure(kt_sleep(0));
    sure(kt_sleep(0));
    kt_test_say("A done %s B done %s C done %s", yes(kt_task_done(a)), yes(kt_task_done(b)),
                yes(kt_task_done(c)));
    kt_task_cancel(c);
    CHECK_ERR(kt_task_join(c), KT_ECANCELED);
    kt_event_set(&ev);
    sure(kt_spawn(d_runs, NULL, 0, &d));
    sure(kt_event_wait(&ev));
    kt_test_say("main passed a set event");
    sure(kt_task_join(d));
    sure(kt_task_join(a));
    sure(kt_task_join(b));
    CHECK_TRACE("main set and cleared\nA woke, set no\nB woke, set no\n"
                "A done yes B done yes C done no\nC cancelled\nmain passed a set event\nD runs");
}
