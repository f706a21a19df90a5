/* SPDX-License-Identifier: MIT */
#include "sweep.h"

/* ---- Lock ---------------------------------------------------------------------------------- */

static int acquires(void *arg)
{
    return SWEPT(kt_lock_acquire, (arg));
}

static int behind(void *arg)
{
    int rc = kt_lock_acquire(arg);
    if (rc == 0)
        kt_lock_release(arg);
    return rc;
}

SWEEP(kt_lock_acquire, SUSPENDS)
{
    kt_lock lock = KT_LOCK_INIT;
    sure(kt_lock_acquire(&lock));
    sweep_begin(acquires, &lock);
    kt_task *next = spawn(behind, &lock, 0);
    sure(kt_sleep(KT_S(1)));
    kt_lock_release(&lock);
    if (sweep_end() >= 0)
        kt_lock_release(&lock);
    sure(kt_task_join(next));
    CHECK(!kt_lock_locked(&lock));
}

SWEEP(kt_lock_acquire_nowait, PLAIN)
{
    kt_lock lock = KT_LOCK_INIT;
    sure(SWEPT(kt_lock_acquire_nowait, (&lock)));
    CHECK_ERR(SWEPT(kt_lock_acquire_nowait, (&lock)), -EBUSY);
}

SWEEP(kt_lock_release, PLAIN)
{
    kt_lock lock = KT_LOCK_INIT;
    sure(kt_lock_acquire(&lock));
    kt_task *next = spawn(behind, &lock, 0);
    settle();
    SWEPT(kt_lock_release, (&lock));
    sure(kt_task_join(next));
}

SWEEP(kt_lock_locked, PLAIN)
{
    kt_lock lock = KT_LOCK_INIT;
    CHECK(!SWEPT(kt_lock_locked, (&lock)));
}

/* ---- Event --------------------------------------------------------------------------------- */

static int waits_for_event(void *arg)
{
    return SWEPT(kt_event_wait, (arg));
}

static int also_waits(void *arg)
{
    return kt_event_wait(arg);
}

SWEEP(kt_event_wait, SUSPENDS)
{
    kt_event e = KT_EVENT_INIT;
    sweep_begin(waits_for_event, &e);
    kt_task *other = spawn(also_waits, &e, 0);
    sure(kt_sleep(KT_S(1)));
    kt_event_set(&e);
    (void)sweep_end();
    sure(kt_task_join(other));
    CHECK(!e.waiters.first);
}

SWEEP(kt_event_set, PLAIN)
{
    kt_event e = KT_EVENT_INIT;
    kt_task *t = spawn(also_waits, &e, 0);
    settle();
    SWEPT(kt_event_set, (&e));
    sure(kt_task_join(t));
}

SWEEP(kt_event_clear, PLAIN)
{
    kt_event e = {.is_set = true};
    SWEPT(kt_event_clear, (&e));
    CHECK(!kt_event_is_set(&e));
}

SWEEP(kt_event_is_set, PLAIN)
{
    kt_event e = {.is_set = true};
    CHECK(SWEPT(kt_event_is_set, (&e)));
}

/* ---- Semaphore ----------------------------------------------------------------------------- */

static int takes_permit(void *arg)
{
    return SWEPT(kt_semaphore_acquire, (arg));
}

static int takes_permit_and_gives_it_back(void *arg)
{
    int rc = kt_semaphore_acquire(arg);
    if (rc == 0)
        kt_semaphore_release(arg);
    return rc;
}

SWEEP(kt_semaphore_acquire, SUSPENDS)
{
    kt_semaphore s = KT_BOUNDED_SEMAPHORE_INIT(1);
    sure(kt_semaphore_acquire(&s));
    sweep_begin(takes_permit, &s);
    kt_task *next = spawn(takes_permit_and_gives_it_back, &s, 0);
    sure(kt_sleep(KT_S(1)));
    kt_semaphore_release(&s);
    if (sweep_end() >= 0)
        kt_semaphore_release(&s);
    sure(kt_task_join(next));
    CHECK_EQ(s.value, 1); /* no permit was lost, nor made */
}

SWEEP(kt_semaphore_acquire_nowait, PLAIN)
{
    kt_semaphore s = KT_SEMAPHORE_INIT(1);
    sure(SWEPT(kt_semaphore_acquire_nowait, (&s)));
    CHECK_ERR(SWEPT(kt_semaphore_acquire_nowait, (&s)), -EBUSY);
}

SWEEP(kt_semaphore_release, PLAIN)
{
    kt_semaphore s = KT_SEMAPHORE_INIT(0);
    kt_task *t = spawn(takes_permit_and_gives_it_back, &s, 0);
    settle();
    SWEPT(kt_semaphore_release, (&s));
    sure(kt_task_join(t));
    CHECK_EQ(s.value, 1);
}

SWEEP(kt_semaphore_locked, PLAIN)
{
    kt_semaphore s = KT_SEMAPHORE_INIT(0);
    CHECK(SWEPT(kt_semaphore_locked, (&s)));
}

/* ---- Condition ----------------------------------------------------------------------------- */

typedef struct stock {
    kt_condition changed;
    int count;
} stock;

static int acquires_condition(void *arg)
{
    return SWEPT(kt_condition_acquire, (arg));
}

SWEEP(kt_condition_acquire, SUSPENDS)
{
    kt_condition c = KT_CONDITION_INIT;
    sure(kt_condition_acquire(&c));
    sweep_begin(acquires_condition, &c);
    sure(kt_sleep(KT_S(1)));
    kt_condition_release(&c);
    if (sweep_end() >= 0)
        kt_condition_release(&c);
    sure(kt_condition_acquire(&c));
    kt_condition_release(&c);
}

SWEEP(kt_condition_release, PLAIN)
{
    kt_condition c = KT_CONDITION_INIT;
    sure(kt_condition_acquire(&c));
    SWEPT(kt_condition_release, (&c));
    CHECK(!kt_condition_locked(&c));
}

SWEEP(kt_condition_locked, PLAIN)
{
    kt_condition c = KT_CONDITION_INIT;
    CHECK(!SWEPT(kt_condition_locked, (&c)));
}

static int waits_for_notice(void *arg)
{
    stock *s = arg;
    int rc = kt_condition_acquire(&s->changed);
    if (rc < 0)
        return rc;
    rc = SWEPT(kt_condition_wait, (&s->changed));
    CHECK(s->changed.lock.holder == kt_task_current()); /* whatever rc is */
    kt_condition_release(&s->changed);
    return rc;
}

static int takes_from_stock(void *arg)
{
    stock *s = arg;
    int rc = kt_condition_acquire(&s->changed);
    if (rc < 0)
        return rc;
    while (rc == 0 && s->count == 0)
        rc = kt_condition_wait(&s->changed);
    s->count -= rc == 0;
    kt_condition_release(&s->changed);
    return rc;
}

/* One notification for two who wait: where the subject had it and was cancelled, the other gets it. The
 * lock is kept for a while after, so that a wake-up has to wait for it. */
SWEEP(kt_condition_wait, SUSPENDS)
{
    stock s = {.changed = KT_CONDITION_INIT};
    sweep_begin(waits_for_notice, &s);
    kt_task *next = spawn(takes_from_stock, &s, 0);
    sure(kt_sleep(KT_S(1)));
    sure(kt_condition_acquire(&s.changed));
    s.count = 1;
    kt_condition_notify(&s.changed, 1);
    sure(kt_sleep(KT_S(1)));
    kt_condition_release(&s.changed);
    if (sweep_end() >= 0) {
        sure(kt_condition_acquire(&s.changed));
        kt_condition_notify(&s.changed, 1);
        kt_condition_release(&s.changed);
    }
    sure(kt_task_join(next));
    CHECK_EQ(s.count, 0);
    CHECK(!kt_condition_locked(&s.changed));
}

static int has_stock(void *arg)
{
    return ((stock *)arg)->count;
}

static int waits_for_stock(void *arg)
{
    stock *s = arg;
    int rc = kt_condition_acquire(&s->changed);
    if (rc < 0)
        return rc;
    rc = SWEPT(kt_condition_wait_for, (&s->changed, has_stock, s));
    CHECK(s->changed.lock.holder == kt_task_current());
    if (rc >= 0)
        CHECK_EQ(rc, s->count);
    s->count -= rc >= 0;
    kt_condition_release(&s->changed);
    return rc;
}

SWEEP(kt_condition_wait_for, SUSPENDS)
{
    stock s = {.changed = KT_CONDITION_INIT};
    sweep_begin(waits_for_stock, &s);
    kt_task *next = spawn(takes_from_stock, &s, 0);
    for (int round = 0; round < 3; round++) {
        sure(kt_sleep(KT_S(1)));
        sure(kt_condition_acquire(&s.changed));
        s.count += round > 0;
        kt_condition_notify_all(&s.changed);
        sure(kt_sleep(KT_S(1)));
        kt_condition_release(&s.changed);
    }
    int rc = sweep_end();
    sure(kt_task_join(next));
    CHECK_EQ(s.count, rc >= 0 ? 0 : 1);
    CHECK(!kt_condition_locked(&s.changed));
}

SWEEP(kt_condition_notify, PLAIN)
{
    stock s = {.changed = KT_CONDITION_INIT};
    kt_task *t = spawn(takes_from_stock, &s, 0);
    settle();
    sure(kt_condition_acquire(&s.changed));
    s.count = 1;
    SWEPT(kt_condition_notify, (&s.changed, 1));
    kt_condition_release(&s.changed);
    sure(kt_task_join(t));
}

SWEEP(kt_condition_notify_all, PLAIN)
{
    stock s = {.changed = KT_CONDITION_INIT};
    kt_task *t = spawn(takes_from_stock, &s, 0);
    settle();
    sure(kt_condition_acquire(&s.changed));
    s.count = 1;
    SWEPT(kt_condition_notify_all, (&s.changed));
    kt_condition_release(&s.changed);
    sure(kt_task_join(t));
}

/* ---- Barrier ------------------------------------------------------------------------------- */

static int arrives(void *arg)
{
    return SWEPT(kt_barrier_wait, (arg));
}

static int arrives_too(void *arg)
{
    return kt_barrier_wait(arg);
}

SWEEP(kt_barrier_wait, SUSPENDS)
{
    kt_barrier b = KT_BARRIER_INIT(3);
    sweep_begin(arrives, &b);
    kt_task *one = spawn(arrives_too, &b, 0);
    sure(kt_sleep(KT_S(1)));
    kt_task *two = spawn(arrives_too, &b, 0);
    (void)sweep_end();
    sure(kt_sleep(KT_S(1)));
    if (kt_barrier_waiting(&b) > 0) { /* the subject left before the others came: one more is needed */
        CHECK(sweep_struck());
        CHECK_EQ(kt_barrier_waiting(&b), 2);
        sure(kt_barrier_wait(&b));
    }
    sure(kt_task_join(one));
    sure(kt_task_join(two));
    CHECK_EQ(kt_barrier_waiting(&b), 0);
    CHECK(!kt_barrier_broken(&b));
}

SWEEP(kt_barrier_reset, PLAIN)
{
    kt_barrier b = KT_BARRIER_INIT(2);
    kt_task *t = spawn(arrives_too, &b, 0);
    settle();
    SWEPT(kt_barrier_reset, (&b));
    CHECK_ERR(kt_task_join(t), KT_EBROKEN);
}

SWEEP(kt_barrier_abort, PLAIN)
{
    kt_barrier b = KT_BARRIER_INIT(2);
    kt_task *t = spawn(arrives_too, &b, 0);
    settle();
    SWEPT(kt_barrier_abort, (&b));
    CHECK_ERR(kt_task_join(t), KT_EBROKEN);
    CHECK_ERR(kt_barrier_wait(&b), KT_EBROKEN);
}

SWEEP(kt_barrier_waiting, PLAIN)
{
    kt_barrier b = KT_BARRIER_INIT(2);
    CHECK_EQ(SWEPT(kt_barrier_waiting, (&b)), 0);
}

SWEEP(kt_barrier_broken, PLAIN)
{
    kt_barrier b = KT_BARRIER_INIT(2);
    CHECK(!SWEPT(kt_barrier_broken, (&b)));
}
