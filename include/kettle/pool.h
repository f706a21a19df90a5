/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_POOL_H
#define KETTLE_POOL_H

/* A pool of things that are dear to make: connections, sessions, workers. Who wants one waits in
 * line, uses it, and gives it back.
 *
 *     kt_auto(kt_resource_pool) db = {.create = connect_db, .destroy = close_db, .max = 5};
 *     rc = kt_resource_pool_open(&db);
 *     ...
 *     kt_auto(kt_lease) lease = KT_LEASE_INIT;
 *     rc = kt_resource_pool_acquire(&db, &lease);
 *     if (rc < 0)
 *         return rc;
 *     rc = query(lease.resource, "SELECT 1");       // given back on any way out of this scope
 *     if (rc < 0)
 *         kt_lease_discard(&lease);                 // unless it is broken
 *
 * Fill in the settings, leave the rest zero. There are never more than `max` resources, those
 * included that are just being made, checked or destroyed. Of the idle ones the one used last
 * goes first, so that the others grow old and are destroyed.
 *
 * For the tasks of one loop. Must not move while it is open. What borrows is declared after the
 * pool (and so cleaned up before it). Like asyncpg.create_pool. */

#include <kettle/sync.h>

KT_BEGIN

typedef struct kt__idle {
    void *resource;
    kt_time since;
} kt__idle;

typedef struct kt_resource_pool {
    /* Settings. */
    unsigned min;          /* made by open, and not destroyed for being idle; 0 = none */
    unsigned max;          /* 0 = 10 */
    kt_time idle_max;      /* unused for so long, it is destroyed; 0 = 5 minutes */
    kt_time check_after;   /* one that was idle for less is not checked; 0 = every one is */

    /* Makes one: 0 with *ret_resource set, or an error code. May suspend; needed. */
    int (*create)(void **ret_resource, void *arg);

    /* Ends one; NULL if nothing is to be done. May suspend: a cancellation is held back
     * meanwhile. */
    void (*destroy)(void *resource, void *arg);

    /* Is an idle one still good? < 0: no, and it is destroyed. NULL = always. May suspend. */
    int (*check)(void *resource, void *arg);
    void *arg;             /* of all three */

    /* Statistics. */
    unsigned alive;        /* idle, lent, or in one of the callbacks */
    unsigned idle;
    unsigned waiting;      /* callers in line */
    uint64_t created, destroyed, acquired;

    /* State. */
    kt_semaphore permits;  /* to have, or make, one resource */
    kt__idle *stack;       /* `max` places; [0] has been idle longest */
    unsigned users;        /* callers in open and acquire, and leases */
    kt_event changed;      /* something for the keeper to look at */
    kt_event unused;       /* users fell to 0 */
    kt_task *keeper;
    bool opening;
    bool closing;
    uintptr_t reserved[2];
} kt_resource_pool;

/* One borrowed resource. In the caller's storage; may be copied as long as only one copy is
 * released. */
typedef struct kt_lease {
    void *resource;
    kt_resource_pool *pool;
} kt_lease;

#define KT_LEASE_INIT {NULL, NULL}

/* Opens the pool: makes `min` resources, one after the other. 0, or what `create` failed with,
 * -ENOMEM, the cancellation's code, or KT_ESHUTDOWN when another task has closed it meanwhile: then
 * those made are destroyed and the pool is closed. Opening twice is misuse. Suspends as `create` does. */
KT_API int kt_resource_pool_open(kt_resource_pool *p) KT_CHECKED;

/* Borrows a resource: an idle one that passes the check, or a new one; waits, in the order of
 * the calls, while all are lent. *ret_lease, which must hold nothing, is the caller's to release
 * or discard. 0; what `create` failed with; KT_ESHUTDOWN when the pool is closing or not open;
 * or the cancellation's code. A failed or cancelled call holds nothing, and its turn goes to the
 * next. A check that was cancelled half-way leaves the resource in an unknown state: it is
 * destroyed. Suspends. */
KT_API int kt_resource_pool_acquire(kt_resource_pool *p, kt_lease *ret_lease) KT_CHECKED;

/* Gives the resource back, to the first in line if there is one. Empty leases are allowed. Any
 * task. Does not suspend. */
KT_API void kt_lease_release(kt_lease *l);

/* Destroys the resource, which is broken or in an unknown state, and makes room for another.
 * Empty leases are allowed. Suspends as `destroy` does; a cancellation is held back. */
KT_API void kt_lease_discard(kt_lease *l);

static inline void kt_lease_cleanup(kt_lease *l)
{
    kt_lease_release(l);
}

/* Sends those in line away with KT_ESHUTDOWN, waits until every lease is back (and an opening has ended), destroys all
 * resources, and closes the pool, which can be opened again. 0, or the cancellation's code: then
 * it is still closing, nobody can borrow any more, and the call must be repeated. 0 if it is not
 * open. One task closes at a time. Suspends. */
KT_API int kt_resource_pool_close(kt_resource_pool *p) KT_CHECKED;

/* The same, holding a cancellation back. For kt_auto. */
KT_API void kt_resource_pool_cleanup(kt_resource_pool *p);

KT_END

#endif
