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
    struct kt__failures *failures;
} kt_group;

#define KT_GROUP_INIT {{NULL, NULL, 0, 0, 0, false, 0}, NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL}

/* Spawns a child (see kt_spawn for the argument). Returns 0, -ENOMEM, or KT_ESIBLING when the group
 * is ending. By the owner or a child. Does not suspend. Like TaskGroup.create_task. */
KT_API int kt_group_spawn(kt_group *g, KT__JOB) KT_CHECKED;

/* The same with options, and with a handle if ret_task is not NULL: the group still owns the
 * child, which may be cancelled or looked at through the handle until the join. So its memory stays until then, and a
 * group that lives long and has many children gives their handles back with kt_task_detach. */
KT_API int kt_group_spawn_with(kt_group *g, const kt_spawn_options *options, KT__JOB,
                               kt_task **ret_task) KT_CHECKED;

/* Waits until every child has ended, also those added meanwhile. `rc` is how the body ended: < 0
 * cancels the children first. Returns, in this order: the body's own failure; the first child's
 * failure (its words are then kt_error_detail); a cancellation; rc. A cancellation that arrives
 * while it waits cancels the children and the wait goes on; together with a failed child it shows at
 * the next suspending call. The group can be used again. Suspends. */
KT_API int kt_group_join(kt_group *g, int rc) KT_CHECKED;

/* Ends the group early, without an error for anyone: asks all children to stop and makes the owner's
 * suspending calls return KT_ESIBLING, up to the join, which then returns 0 unless the body or a child has
 * failed or a cancellation came from outside. Again does nothing. On a group without a child it takes effect
 * at the first spawn, which fails with KT_ESIBLING; a join before that, or one that is over, forgets it. By any
 * task of the loop, or a callback. Does not suspend. Like TaskGroup.cancel (3.15). */
KT_API void kt_group_cancel(kt_group *g);

/* Cancels and joins what is left. Suspends; a cancellation is held back. For kt_auto. */
KT_API void kt_group_cleanup(kt_group *g);

/* ---- All failures of a group ------------------------------------------------------------ */

/* The code that a join returns is that of one failure; here are all, in the order in which they came, the
 * body's own last. (asyncio raises them as an ExceptionGroup.)
 *
 *     rc = kt_group_join(&g, rc);
 *     kt_failures all = kt_group_failures();
 *     for (size_t i = 0; rc < 0 && i < all.count; i++)
 *         printf("%s: %s (%s)\n", all.items[i].name, kt_strerror(all.items[i].rc), all.items[i].detail);
 */
typedef struct kt_failures {
    const struct kt_failure *items;
    size_t count; /* of items, at most KT_GROUP_FAILURES_MAX */
    size_t total; /* failures that there were */
} kt_failures;

typedef struct kt_failure {
    int rc;
    const char *name;   /* of the child, or of the owner; NULL if memory was short */
    const char *detail; /* in words, or NULL */
    kt_failures inner;  /* if it came from a group inside: that group's list; else empty */
} kt_failure;

#define KT_GROUP_FAILURES_MAX 64

/* The failures of the group that the running task has joined last with kt_group_join; none if all went
 * well. A task that is awaited or joined and returns its group's code brings that list along. Valid
 * until the task's next join of a group or of such a task, or its end. Without memory entries are missing, and
 * with none for any there is no list.
 * Does not suspend. */
KT_API kt_failures kt_group_failures(void);

/* Calls fn for each failure with code rc (0: with any), those of inner groups in their place instead of the
 * entry that stands for them, and returns how many there were. NULL only counts: what is
 * left over after the codes that one handles is the rest of an `except*`. Does not suspend itself. */
KT_API size_t kt_failures_each(kt_failures f, int rc, void (*fn)(const kt_failure *failure, void *arg),
                               void *arg);

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

/* The same over tasks that run already, which stay the caller's: also after a cancellation or a failure
 * they are to be joined or detached, and nobody may join one while the call waits. One that is in the
 * array twice is waited for and cancelled once, and its result stands at both positions. A cancellation is
 * passed on to all. -ENOMEM: nothing was waited for. Suspends unless all are done, or without ret_rcs one has
 * failed already. Like asyncio.gather given tasks (3.12). */
KT_API int kt_gather_tasks(kt_task *const tasks[], size_t n, int ret_rcs[]) KT_CHECKED;

KT_END

#endif
