/* SPDX-License-Identifier: MIT */

/* Conditions and barriers. */

#include <kettle/sync.h>

#include "core/core.h"

/* ---- Condition ----------------------------------------------------------------------------- */

static const kt__wait wait_condition = {
    .what = "a condition",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_plain,
};

static kt_lock *lock_of(kt_condition *c)
{
    return c->shared ? c->shared : &c->lock;
}

int kt_condition_acquire(kt_condition *c)
{
    return kt__lock_acquire(lock_of(c), KT__SITE);
}

void kt_condition_release(kt_condition *c)
{
    kt_lock_release(lock_of(c));
}

bool kt_condition_locked(const kt_condition *c)
{
    return kt_lock_locked(c->shared ? c->shared : &c->lock);
}

static void notify(kt_condition *c, size_t n)
{
    while (n > 0 && kt__line_wake(&c->waiters, 0))
        n--;
}

static void check_held(kt_condition *c, const char *what)
{
    const kt_task *holder = lock_of(c)->holder;
    if (!holder || holder != kt_task_current())
        kt__misuse("%s: the task does not hold the condition's lock", what);
}

static int wait_once(kt_condition *c, const void *site)
{
    kt_task *self = kt__self("kt_condition_wait");
    check_held(c, "kt_condition_wait");
    kt_lock *lock = lock_of(c);
    kt_lock_release(lock);
    int rc = (self->code ? kt__yield(self) : kt__line_up(self, &c->waiters, &wait_condition, c));
    if (rc == 0)
        rc = kt__lock_acquire(lock, site);
    if (rc < 0) { /* without the lock: who is cancelled while it waits for it begins anew, as in asyncio */
        kt_cancel_hold();
        int locked = kt__lock_acquire(lock, site);
        kt_cancel_unhold();
        if (locked < 0)
            kt__misuse("kt_condition_wait: the lock was taken by the task itself meanwhile");
    }
    if (rc < 0)
        notify(c, 1); /* asyncio since 3.13: the notification may have been ours */
    return rc;
}

int kt_condition_wait(kt_condition *c)
{
    return wait_once(c, KT__SITE);
}

int kt_condition_wait_for(kt_condition *c, int (*holds)(void *arg), void *arg)
{
    for (;;) {
        int answer = holds(arg);
        if (answer != 0)
            return answer;
        int rc = wait_once(c, KT__SITE);
        if (rc < 0)
            return rc;
    }
}

void kt_condition_notify(kt_condition *c, size_t n)
{
    check_held(c, "kt_condition_notify");
    notify(c, n);
}

void kt_condition_notify_all(kt_condition *c)
{
    check_held(c, "kt_condition_notify_all");
    notify(c, SIZE_MAX);
}

/* ---- Barrier ---------------------------------------------------------------------------------
 * The states of asyncio.Barrier. Its condition's lock is never held by one who waits, so the line of
 * waiters alone does the same. All stand in it: those who wait for the others, and those who came
 * when the round before had not been left yet. */

enum { FILLING, DRAINING, RESETTING, BROKEN };

static const kt__wait wait_barrier = {
    .what = "a barrier",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_plain,
};

static void enter_state(kt_barrier *b, uint8_t state)
{
    b->state = state;
    while (kt__line_wake(&b->waiters, 0))
        ;
}

/* Waits while the barrier is in one of two states. Who is cancelled wakes another, as in the condition, who looks
 * and waits on: that gives him another turn. */
static int wait_while(kt_task *self, kt_barrier *b, uint8_t one, uint8_t other)
{
    int rc = 0;
    while (rc == 0 && (b->state == one || b->state == other))
        rc = self->code ? kt__yield(self) : kt__line_up(self, &b->waiters, &wait_barrier, b);
    if (rc < 0)
        kt__line_wake(&b->waiters, 0);
    return rc;
}

/* Inside: the last to come opens it, the others wait for that. */
static int fill(kt_task *self, kt_barrier *b)
{
    if (b->inside == b->parties) {
        enter_state(b, DRAINING);
        return 0;
    }
    int rc = wait_while(self, b, FILLING, FILLING);
    return rc == 0 && b->state != DRAINING ? KT_EBROKEN : rc;
}

int kt_barrier_wait(kt_barrier *b)
{
    kt_task *self = kt__self("kt_barrier_wait");
    if (b->parties == 0)
        kt__misuse("kt_barrier_wait: a barrier is for one task at least");
    int rc = wait_while(self, b, DRAINING, RESETTING);
    if (rc < 0)
        return rc;
    if (b->state == BROKEN)
        return KT_EBROKEN;
    int number = (int)b->inside++;
    rc = fill(self, b);
    if (--b->inside == 0)
        enter_state(b, b->state == BROKEN ? BROKEN : FILLING);
    return rc < 0 ? rc : number;
}

void kt_barrier_reset(kt_barrier *b)
{
    enter_state(b, b->inside > 0 ? RESETTING : FILLING);
}

void kt_barrier_abort(kt_barrier *b)
{
    enter_state(b, BROKEN);
}

unsigned kt_barrier_waiting(const kt_barrier *b)
{
    return b->state == FILLING ? b->inside : 0;
}

bool kt_barrier_broken(const kt_barrier *b)
{
    return b->state == BROKEN;
}
