/* SPDX-License-Identifier: MIT */

/* Lock, event, semaphore. Lock and semaphore hand over: a release gives the turn to the first in the
 * line, so nobody overtakes; who is cancelled with the turn in hand gives it on. */

#include <errno.h>
#include <kettle/sync.h>

#include "core/core.h"

/* ---- Lock ---------------------------------------------------------------------------------- */

static void hand_over(kt_lock *l)
{
    l->holder = kt__line_wake(&l->waiters, 0);
    l->handed_over = l->holder != NULL;
}

static const kt__wait wait_lock = {"a lock", kt__cancel_leave, kt__raced_turn, NULL};

int kt_lock_acquire_nowait(kt_lock *l)
{
    kt_task *self = kt__self("kt_lock_acquire_nowait");
    if (l->holder)
        return -EBUSY;
    l->holder = self;
    return 0;
}

int kt_lock_acquire(kt_lock *l)
{
    kt_task *self = kt__self("kt_lock_acquire");
    if (!l->holder) {
        l->holder = self;
        return 0;
    }
    if (self->code)
        return kt__yield(self);
    int rc = kt__line_up(self, &l->waiters, &wait_lock, l);
    if (rc == 0)
        l->handed_over = false;
    else if (kt__had_turn(self))
        hand_over(l);
    return rc;
}

/* Anybody may, as with asyncio: to take the lock here and release it there is a use of its own. */
void kt_lock_release(kt_lock *l)
{
    if (!kt_lock_locked(l))
        kt__misuse("kt_lock_release: nobody holds this lock");
    hand_over(l);
}

/* One that was handed the lock but has not run since does not hold it yet, as with asyncio. */
bool kt_lock_locked(const kt_lock *l)
{
    return l->holder && !l->handed_over;
}

/* ---- Event --------------------------------------------------------------------------------- */

static const kt__wait wait_event = {"an event", kt__cancel_leave, kt__raced_plain, NULL};

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

static const kt__wait wait_semaphore = {"a semaphore", kt__cancel_leave, kt__raced_turn, NULL};

static void give_permits(kt_semaphore *s)
{
    while (s->value > 0 && kt__line_wake(&s->waiters, 0)) {
        s->value--;
        s->given++;
    }
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
    if (rc == 0 || kt__had_turn(self))
        s->given--;
    if (rc < 0 && kt__had_turn(self))
        s->value++;
    give_permits(s);
    return rc;
}

/* Who has been given a permit is let in before a newcomer is, even where there are more of them. */
bool kt_semaphore_locked(const kt_semaphore *s)
{
    return s->value == 0 || s->given > 0;
}
