/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_THREAD_H
#define KETTLE_THREAD_H

/* Blocking work on the loop's thread pool, while the other tasks go on. Under the simulated
 * driver jobs run on the loop's own thread, at a seeded moment. */

#include <kettle/task.h>

KT_BEGIN

/* Runs fn(arg) on a pool thread and waits for its end, also when cancelled: so the argument, which is
 * not copied, may live on the caller's stack. Returns fn's result; a cancellation that came meanwhile
 * shows at the next suspending call. If the job had not begun, it is taken back and the
 * cancellation's code returned. -ENOMEM, -EAGAIN: no thread could be made. Suspends. Like
 * asyncio.to_thread. */
KT_API int kt_thread_run(KT__JOB) KT_CHECKED;

/* Hands fn and a copy of the argument (size 0: the pointer itself) to a pool thread and returns at
 * once. After the job, or when it never ran, drop(arg) is called if not NULL: on the pool's thread
 * after a job, on the loop's for one that never began. The loop's end waits for jobs that have begun
 * and drops the rest. 0, -ENOMEM, -EAGAIN (then drop is not called). Does not suspend. Like
 * run_in_executor without waiting. */
KT_API int kt_thread_abandon(KT__JOB, void (*drop)(void *arg)) KT_CHECKED;

KT_END

#endif
