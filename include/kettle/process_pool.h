/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_PROCESS_POOL_H
#define KETTLE_PROCESS_POOL_H

/* Functions run in worker processes: for work that must not harm the program when it crashes, leaks,
 * or has to be killed in the middle. Work that is merely long is cheaper on a thread (thread.h).
 *
 *     KT_PROCESS_FN(count_primes, input, size, ret_output)
 *     {
 *         const struct range *r = input;
 *         return kt_buffer_printf(ret_output, "%d", count(r->first, r->last));
 *     }
 *
 *     static int run(void *arg)
 *     {
 *         const struct range r = {1, 1000000};
 *         kt_auto(kt_process_pool) *pool = NULL;
 *         kt_auto(kt_buffer) answer = KT_BUFFER_INIT;
 *         int rc = kt_process_pool_open(NULL, &pool);
 *         if (rc == 0)
 *             rc = kt_process_pool_run(pool, count_primes, &r, sizeof(r), &answer);
 *         return rc;
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         kt_process_pool_main(argc, argv);      // before anything else
 *         return kt_run(run, NULL, 0) < 0;
 *     }
 *
 * A program with threads cannot fork(2) safely: the child has one thread, and locks that the others
 * held stay locked in it. So open starts the program anew, as a server of one thread that forks the
 * workers; in that process kt_process_pool_main does not return. Hence a pool can be opened at any
 * moment, and a function finds in its process what the program's constructors made, and nothing
 * that main has done since: what it needs comes with the input, or from `prepare`.
 *
 * Workers are made when they are needed. Each leads a process group of its own, so a terminal's Ctrl-C
 * does not reach it; it has no descriptor but 0 (/dev/null), 1, 2 and its line to the pool, all
 * signals at their defaults and none blocked. When the program or its loop's thread dies, of
 * whatever cause, the server kills all workers, with what they started in their groups; when the
 * server is killed, the kernel kills the workers.
 *
 * A pool belongs to the loop that opened it, and its calls to that loop's tasks. One that is still open
 * at the loop's end is closed then, when all tasks have ended. */

#include <kettle/buffer.h>
#include <kettle/task.h>

KT_BEGIN

typedef struct kt_process_pool kt_process_pool;

/* What a worker runs: one job at a time, outside any loop (it may kt_run one). The input is aligned
 * for any type and gone afterwards. What is appended to ret_output travels back if the result is
 * >= 0; beyond the limit an append fails with KT_ELIMIT. A failure should say why by
 * kt_error_set: its first 255 bytes travel, too. */
typedef int (*kt_process_fn)(const void *input, size_t size, kt_buffer *ret_output);

/* Private: a function registers itself before main, for the program and its workers know it by name. */
typedef struct kt__process_function {
    const char *name;
    kt_process_fn fn;
    struct kt__process_function *next;
} kt__process_function;

KT_API void kt__process_function_register(kt__process_function *f);

/* Defines and registers `static int name(const void *input, size_t size, kt_buffer *ret_output)`. Names
 * are the program's, at most 127 bytes: two functions with the same one are misuse. */
#define KT_PROCESS_FN(name, input, size, ret_output) \
    static int name(const void *input, size_t size, kt_buffer *ret_output); \
    static kt__process_function kt__process_function_##name = {#name, name, NULL}; \
    __attribute__((constructor)) static void kt__process_register_##name(void) \
    { \
        kt__process_function_register(&kt__process_function_##name); \
    } \
    static int name(const void *input, size_t size, kt_buffer *ret_output)

/* To be called first in main, by every program that opens a pool. In a process that a pool has
 * started it serves and never returns; otherwise it returns at once. Like
 * multiprocessing.freeze_support. */
KT_API void kt_process_pool_main(int argc, char **argv);

/* All zero means the defaults. */
typedef struct kt_process_pool_options {
    const char *name;          /* for ps(1), at most 15 bytes count; read during open only; NULL = "pool" */
    unsigned workers;          /* at most 1024; 0 = CPUs */
    unsigned waiting_max;      /* callers in line for a worker, see run; 0 = 65,536 */
    size_t input_bytes_max;    /* of a job, at most 1 GiB; 0 = 64 MiB */
    size_t output_bytes_max;   /* of a job, at most 1 GiB; 0 = 64 MiB */
    unsigned jobs_per_worker;  /* then it is replaced; 0 = no end. Like max_tasks_per_child */
    kt_time idle_max;          /* a worker unused for so long is ended; 0 = 5 minutes */
    kt_process_fn prepare;     /* run once in every worker before its first job; NULL = nothing. What
                                * it puts out is dropped. Like initializer */
    const void *prepare_input; /* not copied: must outlive the pool */
    size_t prepare_size;       /* at most input_bytes_max */
} kt_process_pool_options;

/* Starts the pool's server; workers follow with the jobs. The caller owns *ret_pool. Misuse unless
 * main has called kt_process_pool_main. KT_EWORKER when the server ends at once or does not know
 * this protocol (the detail says), -EINVAL beyond the limits above, KT_ENOTSIM, -EMFILE, -EAGAIN,
 * -ENOMEM, -ENOENT without /proc, or the cancellation's code: nothing is left then. NULL options
 * mean the defaults. Suspends until the server is there, some milliseconds; the first of them
 * block the thread, as kt_process_spawn does. Like ProcessPoolExecutor(). */
KT_API int kt_process_pool_open(const kt_process_pool_options *options,
                                kt_process_pool **ret_pool) KT_CHECKED;

/* Runs fn in a worker and waits for its end. Callers are served in the order of their calls. The input
 * is not copied but sent when a worker is free, and must stay as it is meanwhile. On success
 * ret_output, unless NULL, holds the output instead of what it held, which is released; its
 * size_max, if less than the pool's limit, is the limit of this job.
 *
 * Returns fn's result: >= 0, or its failure with its words in kt_error_detail. Otherwise:
 *  - KT_EWORKER: the worker died while it ran fn (the detail: "worker 1234 was killed by SIGSEGV while
 *    it ran 'fn'"). fn may have run in part. Only this job is harmed; the worker is replaced when
 *    another is needed, from the fourth death on without a success in between after a wait of 10 ms,
 *    doubled with each further one, 1 s at most. Also: the pool's server was
 *    killed; then this holds for all further calls.
 *  - KT_EPROTOCOL: what the worker sent is no answer; it was killed. fn has written to its line.
 *  - what prepare has failed with, in this worker (KT_EWORKER: it died); the next job tries another
 *    one. From the fourth
 *    failure in a row on the pool is broken for 10 ms, doubled with each further one, 1 s at most:
 *    meanwhile whoever needs a new worker gets the last failure at once, and no worker is made. Like
 *    BrokenProcessPool, but that it may mend.
 *  - KT_ELIMIT: more input than the pool takes, or more output than the limit (from fn).
 *  - KT_EFULL: waiting_max callers wait already. KT_ESHUTDOWN: the pool is being closed.
 *  - KT_ENOTFOUND: the worker's program does not have fn (it lies in a library loaded by dlopen(3)).
 *  - -EAGAIN, -ENOMEM, -EMFILE: no worker can be made, or there is no room for the job.
 *  - the cancellation's code. A job that waits is taken back; one that runs is ended by SIGKILL to the
 *    worker and its process group, and the end of both is awaited (of the group at most two seconds,
 *    for a system call may hang). A result that is already there may win, and the cancellation
 *    shows at the next call.
 * In all these cases ret_output is untouched. A limit on time is a timeout scope around the call.
 *
 * Misuse for a function that is not a KT_PROCESS_FN. Suspends. Like loop.run_in_executor with a
 * ProcessPoolExecutor. */
KT_API int kt_process_pool_run(kt_process_pool *p, kt_process_fn fn, const void *input, size_t size,
                               kt_buffer *ret_output) KT_CHECKED;

/* Ends the pool; NULL is allowed. Jobs that run are killed, and those that wait do not begin: their
 * callers get KT_ESHUTDOWN first. (To let jobs end, join the tasks that run them before.) Then no
 * process of the pool runs, but what has left its worker's group. Suspends; a cancellation is held
 * back. In a task, and not in two at once. Like ProcessPoolExecutor.kill_workers (3.14). */
KT_API void kt_process_pool_close(kt_process_pool *p);

static inline void kt_process_pool_cleanup(kt_process_pool **p)
{
    kt_process_pool_close(*p);
}

KT_END

#endif
