/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_SYNC_H
#define KETTLE_SYNC_H

/* Locks, events, semaphores, conditions and barriers for the tasks of one loop. They live in the caller's storage, all
 * zero or by their initialiser, need no release, and never allocate.
 *
 *     static kt_lock door = KT_LOCK_INIT;
 *     int rc = kt_lock_acquire(&door);
 *     if (rc < 0)
 *         return rc;
 *     ... at most one task is here ...
 *     kt_lock_release(&door);
 *
 * Waiters are served in the order of asking, with no overtaking; one that is cancelled passes its
 * turn on. A call that need not wait succeeds at once, also in a task that is being
 * cancelled (as in asyncio). An object must outlive its waiters. */

#include <kettle/task.h>

KT_BEGIN

/* Private: tasks that wait, in order; and a task's place in such a line. */
typedef struct kt__waiters {
    struct kt__waiter *first, *last;
} kt__waiters;

typedef struct kt__waiter {
    struct kt__waiter *next, *prev;
    kt__waiters *line; /* in which it is, or NULL */
    kt_task *task;
} kt__waiter;

/* ---- Lock (asyncio.Lock) --------------------------------------------------------------- */

typedef struct kt_lock {
    kt_task *holder;
    bool handed_over; /* the holder has not run since it was given the lock */
    kt__waiters waiters;
    uintptr_t reserved[1];
} kt_lock;

#define KT_LOCK_INIT {NULL, false, {NULL, NULL}, {0}}

/* Waits until the lock is the caller's. 0, or the cancellation's code (then it is not). Suspends.
 * Not recursive: whoever takes it twice waits for himself. */
KT_API int kt_lock_acquire(kt_lock *l) KT_CHECKED;

/* 0, or -EBUSY if somebody holds it or waits for it. Does not suspend. */
KT_API int kt_lock_acquire_nowait(kt_lock *l) KT_CHECKED;

/* Hands the lock to the first waiter. Any task may. Misuse when nobody holds it. */
KT_API void kt_lock_release(kt_lock *l);

/* Does a task hold it? */
KT_API bool kt_lock_locked(const kt_lock *l);

/* ---- Event (asyncio.Event) ------------------------------------------------------------- */

typedef struct kt_event {
    bool is_set;
    kt__waiters waiters;
    uintptr_t reserved[1];
} kt_event;

#define KT_EVENT_INIT {false, {NULL, NULL}, {0}}

/* Waits until the event is set; 0 at once if it is. 0, or the cancellation's code. Suspends. */
KT_API int kt_event_wait(kt_event *e) KT_CHECKED;

/* Sets it and wakes every waiter, even if it is cleared before they run. */
KT_API void kt_event_set(kt_event *e);
KT_API void kt_event_clear(kt_event *e);
KT_API bool kt_event_is_set(const kt_event *e);

/* ---- Semaphore (asyncio.Semaphore) ----------------------------------------------------- */

typedef struct kt_semaphore {
    unsigned value;
    unsigned bound; /* 0: none */
    kt__waiters waiters;
    unsigned given; /* permits of waiters that have not run since */
    unsigned reserved[1];
} kt_semaphore;

#define KT_SEMAPHORE_INIT(permits) {(permits), 0, {NULL, NULL}, 0, {0}}

/* One that is never released more often than it was acquired: that is misuse. Like
 * asyncio.BoundedSemaphore. */
#define KT_BOUNDED_SEMAPHORE_INIT(permits) {(permits), (permits), {NULL, NULL}, 0, {0}}

/* Takes a permit, waiting for one. 0, or the cancellation's code (then none is taken). Suspends. */
KT_API int kt_semaphore_acquire(kt_semaphore *s) KT_CHECKED;

/* 0, or -EBUSY if no permit is free or somebody waits. Does not suspend. */
KT_API int kt_semaphore_acquire_nowait(kt_semaphore *s) KT_CHECKED;

/* Gives a permit back, to the first waiter if there is one. Any task. */
KT_API void kt_semaphore_release(kt_semaphore *s);

/* Would an acquire wait? */
KT_API bool kt_semaphore_locked(const kt_semaphore *s);

/* ---- Condition (asyncio.Condition) ----------------------------------------------------- */

/* A lock, and a place to wait until what the lock guards has changed.
 *
 *     rc = kt_condition_acquire(&c);
 *     while (rc == 0 && n == 0)
 *         rc = kt_condition_wait(&c);         // gives the lock up meanwhile
 *     ... the lock is the caller's, whatever rc is, once the acquire succeeded ... */
typedef struct kt_condition {
    kt_lock lock;
    kt__waiters waiters;
    kt_lock *shared; /* the lock instead of its own, or NULL */
} kt_condition;

#define KT_CONDITION_INIT {KT_LOCK_INIT, {NULL, NULL}, NULL}

/* One for a lock of the caller's, which must outlive it: so one lock may have several conditions ("not full", "not
 * empty"). Like asyncio.Condition(lock). */
#define KT_CONDITION_INIT_ON(lock) {KT_LOCK_INIT, {NULL, NULL}, (lock)}

/* The condition's lock; see kt_lock. */
KT_API int kt_condition_acquire(kt_condition *c) KT_CHECKED;
KT_API void kt_condition_release(kt_condition *c);
KT_API bool kt_condition_locked(const kt_condition *c);

/* Gives the lock up, waits for a notification, and takes the lock again, which no cancellation
 * prevents. 0, or the cancellation's code; then a notification that may have been meant for this task
 * goes to another. Wake-ups without cause are possible: wait in a loop. Misuse without the lock.
 * Suspends. */
KT_API int kt_condition_wait(kt_condition *c) KT_CHECKED;

/* Waits until holds(arg) is not 0, and returns that, or a cancellation's code. `holds` is called with the
 * lock held. Like Condition.wait_for. */
KT_API int kt_condition_wait_for(kt_condition *c, int (*holds)(void *arg), void *arg) KT_CHECKED;

/* Wakes the first n waiters, or all. Misuse without the lock. */
KT_API void kt_condition_notify(kt_condition *c, size_t n);
KT_API void kt_condition_notify_all(kt_condition *c);

/* ---- Barrier (asyncio.Barrier) --------------------------------------------------------- */

/* Lets tasks go on when `parties` of them have arrived. Once the last of these has left it is ready for the
 * next round; who comes in between waits for that. */
typedef struct kt_barrier {
    unsigned parties;
    uint8_t state; /* filling, draining, resetting, broken */
    kt__waiters waiters;
    unsigned inside; /* arrived, and not left yet */
    uintptr_t reserved[1];
} kt_barrier;

#define KT_BARRIER_INIT(parties) {(parties), 0, {NULL, NULL}, 0, {0}}

/* Waits for the others. How many were inside when the caller came, 0 to parties - 1 (so two get the same
 * number where a waiter was cancelled in between); the last to arrive does not wait. KT_EBROKEN when
 * the barrier is broken or reset before the caller has left it, or the cancellation's code: then one more
 * is needed. Suspends. */
KT_API int kt_barrier_wait(kt_barrier *b) KT_CHECKED;

/* Sends all who are inside away with KT_EBROKEN, and begins anew when they have left, mended if it was
 * broken. Does not suspend. */
KT_API void kt_barrier_reset(kt_barrier *b);

/* The same, and nobody can wait any more until a reset. Does not suspend. */
KT_API void kt_barrier_abort(kt_barrier *b);

/* Tasks that wait now for others; 0 while a round is being left. */
KT_API unsigned kt_barrier_waiting(const kt_barrier *b);
KT_API bool kt_barrier_broken(const kt_barrier *b);

KT_END

#endif
