/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_WAIT_H
#define KETTLE_WAIT_H

/* Waiting for the first, or for all, of several tasks, which stay the caller's.
 *
 *     kt_task *tasks[3] = ...;
 *     int done = kt_wait(tasks, 3, KT_WAIT_FIRST_COMPLETED, KT_S(5));
 *     for (size_t i = 0; done > 0 && i < 3; i++)
 *         if (kt_task_done(tasks[i])) ...
 *
 * Nothing here cancels the tasks, nor joins them. */

#include <kettle/task.h>

KT_BEGIN

typedef enum kt_wait_mode {
    KT_WAIT_ALL_COMPLETED,
    KT_WAIT_FIRST_COMPLETED,
    KT_WAIT_FIRST_FAILED, /* or all; a task that was cancelled has not failed */
} kt_wait_mode;

/* Waits as the mode says, but no longer than `limit` (KT_FOREVER: without one). Returns how many of the
 * tasks are done (a limit that passed is no error), -ENOMEM, or the cancellation's code. Suspends, also when
 * the mode is fulfilled already, unless n is 0. Like asyncio.wait. */
KT_API int kt_wait(kt_task *const tasks[], size_t n, kt_wait_mode mode, kt_time limit) KT_CHECKED;

/* Tasks in the order in which they end.
 *
 *     kt_auto(kt_as_completed) next = KT_AS_COMPLETED_INIT;
 *     kt_task *t;
 *     int rc = kt_as_completed_start(&next, tasks, 3);
 *     while (rc >= 0 && (rc = kt_as_completed_next(&next, &t)) == 1)
 *         rc = kt_task_join(t);
 */
typedef struct kt_as_completed {
    struct kt__completions *completions;
    uintptr_t reserved[1];
} kt_as_completed;

#define KT_AS_COMPLETED_INIT {NULL, {0}}

/* Begins to watch n tasks, which must not be joined before they were handed out or the watch is over. 0,
 * -ENOMEM. Does not suspend. */
KT_API int kt_as_completed_start(kt_as_completed *a, kt_task *const tasks[], size_t n) KT_CHECKED;

/* Waits for the next one that ends. 1 and the task, which is done; 0 when all were handed out; the
 * cancellation's code (a timeout scope around it limits the whole). Suspends. Like
 * asyncio.as_completed. */
KT_API int kt_as_completed_next(kt_as_completed *a, kt_task **ret_task) KT_CHECKED;

/* Ends the watch; the tasks go on. For kt_auto. */
KT_API void kt_as_completed_cleanup(kt_as_completed *a);

KT_END

#endif
