/* SPDX-License-Identifier: MIT */

/* Lock, event, semaphore. Lock and semaphore hand over: a release gives the turn to the first in the
 * line, so nobody overtakes; who is cancelled with the turn in hand gives it on. */

#include <errno.h>
#include <kettle/sync.h>

#include "core/eyes.h"

/* ---- Lock ---------------------------------------------------------------------------------- */

void kt__lock_pass(kt_lock *l)
{
    l->holder = kt__line_wake(&l->waiters, 0);
    l->handed_over = l->holder != NULL;
}

/* One that ended without a release may be gone: then nobody can be named. */
static void awaits_holder(const kt_task *t, kt__each each, void *arg)
{
    const kt_lock *l = t->wait_object;
    for (kt_task *holder = t->loop->tasks_first; holder; holder = holder->all_next)
        if (holder == l->holder)
            each(holder, arg);
}

static const kt__wait wait_lock = {
    .what = "a lock",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_turn,
    .awaits = awaits_holder,
};

/* Debug mode tells of a task that ends with the lock. */
void kt__lock_taken(const kt_lock *l, const void *site)
{
    kt__opened(l, "a lock", site, l->holder);
}

int kt_lock_acquire_nowait(kt_lock *l)
{
    kt_task *self = kt__self("kt_lock_acquire_nowait");
    if (l->holder)
        return -EBUSY;
    l->holder = self;
    kt__lock_taken(l, KT__SITE);
    return 0;
}

int kt__lock_acquire(kt_lock *l, const void *site)
{
    kt_task *self = kt__self("kt_lock_acquire");
    if (!l->holder) {
        l->holder = self;
        kt__lock_taken(l, site);
        return 0;
    }
    if (self->code)
        return kt__yield(self);
    int rc = kt__line_up(self, &l->waiters, &wait_lock, l);
    if (rc == 0) {
        l->handed_over = false;
        kt__lock_taken(l, site);
    } else if (kt__had_turn(self)) {
        kt__lock_pass(l);
    }
    return rc;
}

int kt_lock_acquire(kt_lock *l)
{
    return kt__lock_acquire(l, KT__SITE);
}

/* Anybody may, as with asyncio: to take the lock here and release it there is a use of its own. */
void kt_lock_release(kt_lock *l)
{
    if (!kt_lock_locked(l))
        kt__misuse("kt_lock_release: nobody holds this lock");
    kt__closed(l, "a lock");
    kt__lock_pass(l);
}

/* One that was handed the lock but has not run since does not hold it yet, as with asyncio. */
bool kt_lock_locked(const kt_lock *l)
{
    return l->holder && !l->handed_over;
}

/* ---- Event --------------------------------------------------------------------------------- */

static const kt__wait wait_event = {
    .what = "an event",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_plain,
};

int kt_event_wait(kt_event *e)
{
    kt_task *self = kt__self("kt_event_wait");
    if (e->is_set)
        return 0;
    if (self->code)
        return kt__yield(self);
    return kt__line_up(self, &e->waiters, &wait_event, e);
}

void kt_event_set(kt_event *e)
{
    e->is_set = true;
    while (kt__line_wake(&e->waiters, 0))
        ;
}

void kt_event_clear(kt_event *e)
{
    e->is_set = false;
}

bool kt_event_is_set(const kt_event *e)
{
    return e->is_set;
}

/* ---- Semaphore ----------------------------------------------------------------------------- */

static const kt__wait wait_semaphore = {
    .what = "a semaphore",
    .cancel = kt__cancel_leave,
    .raced = kt__raced_turn,
};

static void give_permits(kt_semaphore *s)
{
    while (s->value > 0 && kt__line_wake(&s->waiters, 0)) {
        s->value--;
        s->given++;
    }
}

void kt__semaphore_taken(kt_semaphore *s)
{
    s->given--;
    give_permits(s);
}

void kt__semaphore_pass(kt_semaphore *s)
{
    s->value++;
    kt__semaphore_taken(s);
}

void kt_semaphore_release(kt_semaphore *s)
{
    if (s->bound > 0 && s->value == s->bound)
        kt__misuse("kt_semaphore_release: a bounded semaphore was released too often");
    if (++s->value == 0)
        kt__misuse("kt_semaphore_release: more releases than a counter holds");
    give_permits(s);
}

int kt_semaphore_acquire_nowait(kt_semaphore *s)
{
    if (kt_semaphore_locked(s))
        return -EBUSY;
    s->value--;
    return 0;
}

int kt_semaphore_acquire(kt_semaphore *s)
{
    kt_task *self = kt__self("kt_semaphore_acquire");
    if (kt_semaphore_acquire_nowait(s) == 0)
        return 0;
    if (self->code)
        return kt__yield(self);
    int rc = kt__line_up(self, &s->waiters, &wait_semaphore, s);
    if (rc == 0)
        kt__semaphore_taken(s);
    else if (kt__had_turn(self))
        kt__semaphore_pass(s);
    return rc;
}

/* Who has been given a permit is let in before a newcomer is, even where there are more of them. */
bool kt_semaphore_locked(const kt_semaphore *s)
{
    return s->value == 0 || s->given > 0;
}
