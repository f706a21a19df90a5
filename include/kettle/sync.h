/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_SYNC_H
#define KETTLE_SYNC_H

/* Locks, events and semaphores for the tasks of one loop. They live in the caller's storage, all
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

/* Private: tasks that wait, in order. */
typedef struct kt__waiters {
    kt_task *first, *last;
} kt__waiters;

/* ---- Lock (asyncio.Lock) --------------------------------------------------------------- */

typedef struct kt_lock {
    kt_task *holder;
    kt__waiters waiters;
    uintptr_t reserved[1];
} kt_lock;

#define KT_LOCK_INIT {NULL, {NULL, NULL}, {0}}

/* Waits until the lock is the caller's. 0, or the cancellation's code (then it is not). Suspends.
 * Not recursive: taking it twice is misuse. */
KT_API int kt_lock_acquire(kt_lock *l) KT_CHECKED;

/* 0, or -EBUSY if somebody holds it or waits for it. Does not suspend. */
KT_API int kt_lock_acquire_nowait(kt_lock *l) KT_CHECKED;

/* Hands the lock to the first waiter. Misuse unless the running task holds it. */
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
    kt__waiters waiters;
    uintptr_t reserved[1];
} kt_semaphore;

#define KT_SEMAPHORE_INIT(permits) {(permits), {NULL, NULL}, {0}}

/* Takes a permit, waiting for one. 0, or the cancellation's code (then none is taken). Suspends. */
KT_API int kt_semaphore_acquire(kt_semaphore *s) KT_CHECKED;

/* 0, or -EBUSY if no permit is free or somebody waits. Does not suspend. */
KT_API int kt_semaphore_acquire_nowait(kt_semaphore *s) KT_CHECKED;

/* Gives a permit back, to the first waiter if there is one. Any task. */
KT_API void kt_semaphore_release(kt_semaphore *s);

/* Would an acquire wait? */
KT_API bool kt_semaphore_locked(const kt_semaphore *s);

KT_END

#endif
