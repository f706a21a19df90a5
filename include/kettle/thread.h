/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_THREAD_H
#define KETTLE_THREAD_H

/* Blocking work on threads, while the other tasks go on.
 *
 *     int rc = kt_thread_run(hash_password, &login, 0);      // on the loop's own pool
 *
 *     kt_auto(kt_thread_pool) *disk = NULL;                  // closed on any way out of this scope
 *     rc = kt_thread_pool_open(&(kt_thread_pool_options){.name = "disk", .threads_max = 2}, &disk);
 *     if (rc == 0)
 *         rc = kt_thread_pool_run(disk, read_index, &index, 0);
 *
 * A loop makes a pool of its own when it is first needed (kt_options.threads_max); others are for work that
 * must not stand in line behind that of strangers. A pool belongs to the loop that opened it: several
 * loops need several. Jobs begin in the order of asking, see the context of who asked (context.h), and
 * have all signals blocked. Under the simulated driver jobs run on the loop's own thread, at a seeded
 * moment. What a loop's tasks and its pool's threads share beyond a job's argument needs a lock, or a
 * channel (channel.h). */

#include <kettle/task.h>

KT_BEGIN

/* ---- The loop's own pool --------------------------------------------------------------- */

/* Runs fn(arg) on a pool thread and waits for its end, also when cancelled: so the argument, which is
 * not copied, may live on the caller's stack. Returns fn's result; a cancellation that came meanwhile
 * shows at the next suspending call. If the job had not begun, it is taken back and the
 * cancellation's code returned. -ENOMEM, -EAGAIN: no thread could be made. Suspends. Like
 * asyncio.to_thread. */
KT_API int kt_thread_run(KT__JOB) KT_CHECKED;

/* Hands fn and a copy of the argument (size 0: the pointer itself) to a pool thread and returns at
 * once. After the job, or when it never ran, drop(arg) is called if not NULL: on the pool's thread
 * after a job, on the loop's for one that never began. The loop's end waits for jobs that have begun
 * and drops the rest. 0, -ENOMEM, -EAGAIN, KT_EFULL when 65,536 jobs have not begun (then drop is not
 * called). Does not suspend. Like run_in_executor without waiting. */
KT_API int kt_thread_abandon(KT__JOB, void (*drop)(void *arg)) KT_CHECKED;

/* ---- Pools of one's own ---------------------------------------------------------------- */

typedef struct kt_thread_pool kt_thread_pool;

/* All zero means the defaults. */
typedef struct kt_thread_pool_options {
    const char *name;     /* the threads are called NAME-1, NAME-2, ... within the 15 bytes that the system
                           * keeps, see pthread_setname_np(3); copied; NULL = "kettle-pool" */
    unsigned threads_max; /* made as jobs come; 0 = CPUs + 4, at most 32 */
    size_t queue_max;     /* of jobs that nobody waits for and that have not begun; 0 = 65,536 */
} kt_thread_pool_options;

/* Makes a pool, without threads at first; NULL options mean the defaults. The caller owns *ret_pool; one that is
 * open at the loop's end ends with it, as the loop's own does. -ENOMEM, KT_ENOTRUNNING. Does not
 * suspend. Like concurrent.futures.ThreadPoolExecutor. */
KT_API int kt_thread_pool_open(const kt_thread_pool_options *options, kt_thread_pool **ret_pool) KT_CHECKED;

/* As kt_thread_run, on this pool. KT_ESHUTDOWN after kt_thread_pool_shutdown, or if that took the job back.
 * Callers that wait are not counted by queue_max: each has but one job there. On the pool's loop,
 * else misuse. Suspends. Like run_in_executor. */
KT_API int kt_thread_pool_run(kt_thread_pool *p, KT__JOB) KT_CHECKED;

/* As kt_thread_abandon, on this pool. KT_EFULL when queue_max jobs wait to begin, KT_ESHUTDOWN. */
KT_API int kt_thread_pool_abandon(kt_thread_pool *p, KT__JOB, void (*drop)(void *arg)) KT_CHECKED;

/* Hands fn and a copy of the argument (size 0: the pointer itself) to the pool; *ret_task is a task of the
 * caller's that stands for the job: it ends with fn's result, and cancelling it takes a job back that has
 * not begun. -ENOMEM, KT_ESHUTDOWN; what else goes wrong is the task's result, as of
 * kt_thread_pool_run. In a task; does not suspend. Like Executor.submit. */
KT_API int kt_thread_pool_submit(kt_thread_pool *p, KT__JOB, kt_task **ret_task) KT_CHECKED;

/* The pool takes no more jobs. `immediate`: those that have not begun are taken back: who waits for one gets
 * KT_ESHUTDOWN, an abandoned one is dropped. On the pool's loop, else misuse; does not suspend. Like
 * Executor.shutdown(wait=False, cancel_futures=immediate). */
KT_API void kt_thread_pool_shutdown(kt_thread_pool *p, bool immediate);

/* Shuts it down, waits until every job has ended, and frees it; NULL is allowed. Suspends; a cancellation is
 * held back. Not in two tasks at once. Like Executor.shutdown(wait=True), leaving `with`. */
KT_API void kt_thread_pool_close(kt_thread_pool *p);

/* From now on kt_thread_run, kt_thread_abandon and the library's own jobs (name look-up) go to this pool, until
 * it is shut down; NULL: to the loop's own. On the pool's loop, else misuse; does not suspend. Like
 * loop.set_default_executor. */
KT_API void kt_thread_pool_set_default(kt_thread_pool *p);

static inline void kt_thread_pool_cleanup(kt_thread_pool **p)
{
    kt_thread_pool_close(*p);
}

KT_END

#endif
