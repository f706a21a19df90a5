/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_REMOTE_H
#define KETTLE_REMOTE_H

/* Tasks that another thread starts on a loop, and whose results it waits for (run_coroutine_threadsafe).
 *
 *     int rc = kt_run_threadsafe(loop, look_up, &name, sizeof name);     // blocks this thread
 *
 *     kt_remote *r = NULL;
 *     rc = kt_spawn_threadsafe(loop, look_up, &name, sizeof name, &r);
 *     if (rc == 0)
 *         rc = kt_remote_wait(r, KT_S(2));                               // -ETIMEDOUT: not yet
 *     kt_remote_free(r);
 *
 * Any thread but the loop's own, not from a signal handler. The loop must exist when a call begins; should it end
 * meanwhile, a task that has started is cancelled, like all others, and one that has not never does
 * (KT_ENOTRUNNING): no caller is left waiting. Between two runs of a kt_runner calls wait for the next. */

#include <kettle/task.h>

KT_BEGIN

typedef struct kt_remote kt_remote;

/* Starts fn as a task of the loop, with a copy of the argument (size 0: the pointer itself, which must then
 * outlive the task). The caller owns *ret_remote. -ENOMEM. Does not block. Like
 * asyncio.run_coroutine_threadsafe. */
KT_API int kt_spawn_threadsafe(kt_loop *loop, KT__JOB, kt_remote **ret_remote) KT_CHECKED;

/* Blocks the thread until the task has ended, `limit` at most (KT_FOREVER: none), and returns its result; its
 * words become the thread's (kt_error_detail). -ETIMEDOUT: it runs on, and one may wait again.
 * KT_ENOTRUNNING: the loop ended before it started; KT_ECANCELED: it was cancelled; -ENOMEM: the
 * loop could not make it. On a thread that runs a loop it is misuse. Like
 * concurrent.futures.Future.result. */
KT_API int kt_remote_wait(kt_remote *r, kt_time limit) KT_CHECKED;

/* Asks the task to stop, started or not. True unless it is over already. Does not block: wait to see how it
 * ends. Like Future.cancel. */
KT_API bool kt_remote_cancel(kt_remote *r);

/* Is it over? */
KT_API bool kt_remote_done(kt_remote *r);

/* Gives the handle up; the task runs on. NULL is allowed. */
KT_API void kt_remote_free(kt_remote *r);

/* Starts, waits without a limit, and frees: fn's result, or an error as above. The argument is not copied.
 * Misuse on a thread that runs a loop. */
KT_API int kt_run_threadsafe(kt_loop *loop, KT__JOB) KT_CHECKED;

static inline void kt_remote_cleanup(kt_remote **r)
{
    kt_remote_free(*r);
}

KT_END

#endif
