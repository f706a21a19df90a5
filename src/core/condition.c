/* SPDX-License-Identifier: MIT */

/* Conditions and barriers. */

#include <kettle/sync.h>

#include "core/core.h"

/* ---- Condition ----------------------------------------------------------------------------- */

static const kt__wait wait_condition = {"a condition", kt__cancel_leave, kt__raced_plain, NULL};

int kt_condition_acquire(kt_condition *c)
{
    return kt_lock_acquire(&c->lock);
}

void kt_condition_release(kt_condition *c)
{
    kt_lock_release(&c->lock);
}

bool kt_condition_locked(const kt_condition *c)
{
    return kt_lock_locked(&c->lock);
}

static void notify(kt_condition *c, size_t n)
{
    while (n > 0 && kt__line_wake(&c->waiters, 0))
        n--;
}

static void check_held(const kt_condition *c, const char *what)
{
    if (!c->lock.holder || c->lock.holder != kt_task_current())
        kt__misuse("%s: the task does not hold the condition's lock", what);
}

int kt_condition_wait(kt_condition *c)
{
    kt_task *self = kt__self("kt_condition_wait");
    check_held(c, "kt_condition_wait");
    kt_lock_release(&c->lock);
    int rc = (self->code ? kt__yield(self) : kt__line_up(self, &c->waiters, &wait_condition, c));
    kt_cancel_hold();
    int locked = kt_lock_acquire(&c->lock);
    kt_cancel_unhold();
    if (locked < 0)
        kt__misuse("kt_condition_wait: the lock was taken by the task itself meanwhile");
    if (rc == 0 && self->code) { /* one that came while it waited for the lock */
        rc = self->code;
        self->delivered = true;
    }
    if (rc < 0)
        notify(c, 1); /* asyncio since 3.13: the notification may have been ours */
    return rc;
}

int kt_condition_wait_for(kt_condition *c, int (*holds)(void *arg), void *arg)
{
    for (;;) {
        int answer = holds(arg);
        if (answer != 0)
            return answer;
        int rc = kt_condition_wait(c);
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

/* ---- Barrier ------------------------------------------------------------------------------- */

static void barrier_cancel(kt_task *t)
{
    kt_barrier *b = t->wait_object;
    b->waiting--;
    kt__cancel_leave(t);
}

/* Those who were let go are no longer counted, so a late cancellation takes nothing back. */
static const kt__wait wait_barrier = {"a barrier", barrier_cancel, kt__raced_plain, NULL};

static void let_all_go(kt_barrier *b, int rc)
{
    kt_task *t;
    while ((t = b->waiters.first))
        kt__line_wake(&b->waiters, rc < 0 ? rc : t->wake);
    b->waiting = 0;
}

int kt_barrier_wait(kt_barrier *b)
{
    kt_task *self = kt__self("kt_barrier_wait");
    if (b->broken)
        return KT_EBROKEN;
    if (b->waiting + 1 == b->parties) {
        let_all_go(b, 0);
        return (int)b->parties - 1;
    }
    if (self->code)
        return kt__yield(self);
    self->wake = (int)b->waiting++; /* its number, unless the barrier breaks */
    return kt__line_up(self, &b->waiters, &wait_barrier, b);
}

void kt_barrier_reset(kt_barrier *b)
{
    let_all_go(b, KT_EBROKEN);
    b->broken = false;
}

void kt_barrier_abort(kt_barrier *b)
{
    let_all_go(b, KT_EBROKEN);
    b->broken = true;
}

unsigned kt_barrier_waiting(const kt_barrier *b)
{
    return b->waiting;
}

bool kt_barrier_broken(const kt_barrier *b)
{
    return b->broken;
}
