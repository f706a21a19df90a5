/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_GROUP_H
#define KETTLE_GROUP_H

/* A group owns its children: whatever way its scope is left, they have ended by then.
 *
 *     kt_auto(kt_group) cooks = KT_GROUP_INIT;
 *     int rc = kt_group_spawn(&cooks, KT_WITH(brew, .drink = "tea"));
 *     if (rc == 0)
 *         rc = kt_group_spawn(&cooks, KT_WITH(brew, .drink = "coffee"));
 *     return kt_group_join(&cooks, rc);
 *
 * The first child that fails cancels the others and the owner's body, whose suspending calls then
 * return KT_ESIBLING until the join. A child that ends with KT_ECANCELED has not failed. What
 * children use is declared before the group, since clean-up runs in reverse. The task that
 * spawns the first child owns the group. Like asyncio.TaskGroup. */

#include <kettle/timeout.h>

KT_BEGIN

/* In the caller's storage; linked by address until joined, so it must not move. */
typedef struct kt_group {
    kt__scope scope;
    kt_task *children;      /* not yet ended, in order of creation */
    kt_task *children_last;
    size_t live;            /* children whose end the group has not seen */
    size_t failed;          /* children that failed, cancellations aside */
    int rc;                 /* the first failure */
    uint8_t state;
    char *detail;           /* the first failure in words */
    kt_task *ended;         /* children to which there are handles */
    uintptr_t reserved[1];
} kt_group;

#define KT_GROUP_INIT {{NULL, NULL, 0, 0, 0, false}, NULL, NULL, 0, 0, 0, 0, NULL, NULL, {0}}

/* Spawns a child (see kt_spawn for the argument). Returns 0, -ENOMEM, or KT_ESIBLING when the group
 * is ending. By the owner or a child. Does not suspend. Like TaskGroup.create_task. */
KT_API int kt_group_spawn(kt_group *g, KT__JOB) KT_CHECKED;

/* The same with options, and with a handle if ret_task is not NULL: the group still owns the
 * child, which may be cancelled or looked at through the handle until the join. */
KT_API int kt_group_spawn_with(kt_group *g, const kt_spawn_options *options, KT__JOB,
                               kt_task **ret_task) KT_CHECKED;

/* Waits until every child has ended, also those added meanwhile. `rc` is how the body ended: < 0
 * cancels the children first. Returns, in this order: the body's own failure; the first child's
 * failure (its words are then kt_error_detail); a cancellation; rc. A cancellation that arrives
 * while it waits cancels the children and the wait goes on; together with a failed child it shows at
 * the next suspending call. The group can be used again. Suspends. */
KT_API int kt_group_join(kt_group *g, int rc) KT_CHECKED;

/* Asks all children to stop, without an error for anyone. Does not suspend. */
KT_API void kt_group_cancel(kt_group *g);

/* Cancels and joins what is left. Suspends; a cancellation is held back. For kt_auto. */
KT_API void kt_group_cleanup(kt_group *g);

/* ---- Gather ---------------------------------------------------------------------------- */

typedef struct kt_job {
    kt_fn fn;
    const void *arg;
    size_t size;
} kt_job;

/* A kt_job from a KT_FN: (kt_job[]){KT_JOB_OF(KT_WITH(brew, .drink = "tea")), ...}. */
#define KT_JOB_OF(...) {__VA_ARGS__}

/* Runs n jobs as tasks and waits. With ret_rcs: waits for all and stores every result by position;
 * returns 0. Without: returns the first failure at once, while the others go on, detached (a group
 * would cancel them), else 0. A cancellation is passed on to all and returned after the end of
 * all with ret_rcs, of the first without. -ENOMEM: none was started. Suspends. Like asyncio.gather,
 * with and without return_exceptions. */
KT_API int kt_gather(const kt_job *jobs, size_t n, int ret_rcs[]) KT_CHECKED;

KT_END

#endif
