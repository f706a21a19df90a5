/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_TASK_H
#define KETTLE_TASK_H

/* Tasks: plain C functions that wait without blocking anybody else.
 *
 *     KT_FN(brew, cup, struct { const char *drink; int seconds; })
 *     {
 *         int rc = kt_sleep(KT_S(cup->seconds));   // others run meanwhile
 *         if (rc < 0)
 *             return rc;                           // cancelled: nothing to clean up
 *         printf("%s is ready\n", cup->drink);
 *         return 0;
 *     }
 *
 *     kt_task *t = NULL;
 *     int rc = kt_spawn(KT_WITH(brew, .drink = "tea", .seconds = 2), &t);
 *     if (rc < 0)
 *         return rc;
 *     return kt_task_join(t);
 *
 * A task is a function with a stack of its own, so any function that it calls may suspend, at
 * any depth. All tasks of a loop run on the loop's thread, one at a time; a task runs until it
 * calls something that suspends. Tasks start in the order of their creation.
 *
 * Cancellation arrives only as an error return. A request makes every later suspending call of
 * the task fail (each still lets the others run once) until the task calls kt_cancel_catch(),
 * which is C's `except CancelledError`. "Suspends" in a comment means: is such a call whenever
 * it cannot be done at once. The code tells the cause: KT_ECANCELED, KT_ETIMEDOUT, KT_ESIBLING
 * (see kt_is_cancel).
 *
 * Thread rule: unless a comment says otherwise, a function is called from the loop's thread,
 * in a task where it suspends. */

#include <kettle/base.h>
#include <kettle/error.h>

KT_BEGIN

/* What a task, job or generator runs. `arg` is its own aligned copy of the argument, or with
 * size 0 the very pointer that was given. Negative results are failures. */
typedef int (*kt_fn)(void *arg);

/* The three things that say what to run: function, argument, and how many bytes of it to copy. */
#define KT__JOB kt_fn fn, const void *arg, size_t size

/* Defines `static int name(void *)` with a typed argument: KT_FN(name, a, struct { int n; }) { ... a->n ... }.
 * The argument's type is called name_args. */
#define KT_FN(name, a, ...) \
    typedef __VA_ARGS__ name##_args; \
    static int name##_body(name##_args *a); \
    static int name(void *kt__arg) \
    { \
        return name##_body((name##_args *)kt__arg); \
    } \
    static int name##_body(name##_args *a)

/* A job of a KT_FN with its argument's fields: kt_spawn(KT_WITH(name, .n = 3), &t). */
#ifdef __cplusplus
KT_END
template <class T> static inline const T *kt__address(const T &value)
{
    return &value;
}
KT_BEGIN
#define KT_WITH(name, ...) name, kt__address(name##_args{__VA_ARGS__}), sizeof(name##_args)
#else
#define KT_WITH(name, ...) name, &(name##_args){__VA_ARGS__}, sizeof(name##_args)
#endif

typedef struct kt_task kt_task;
typedef struct kt_loop kt_loop;

/* ---- Running a loop -------------------------------------------------------------------- */

typedef enum kt_driver {
    KT_DRIVER_AUTO,  /* the best that this machine allows */
    KT_DRIVER_EPOLL,
    KT_DRIVER_URING, /* falls back to epoll where io_uring is forbidden or too old */
    KT_DRIVER_SIM,   /* virtual time, seeded order, no real descriptors */
} kt_driver;

typedef enum kt_debug_mode {
    KT_DEBUG_INHERIT, /* on if the environment says KETTLE_DEBUG=1 */
    KT_DEBUG_ON,
    KT_DEBUG_OFF,
} kt_debug_mode;

/* All zero means the defaults. */
typedef struct kt_options {
    kt_driver driver;         /* overruled by KETTLE_DRIVER=uring|epoll|sim, which does not fall back */
    size_t stack_bytes;       /* usable stack of a task, 16 KiB to 1 GiB; 0 = 128 KiB */
    unsigned threads_max;     /* of the loop's pool; 0 = CPUs + 4, at most 32 */
    uint64_t seed;            /* sim: order of tasks that are ready together; 0 = first in, first out */
    bool virtual_time;        /* the clock jumps to the next timer whenever nothing real is outstanding */
    bool no_signals;          /* leave SIGINT and SIGTERM alone */
    bool no_overflow_report;  /* leave SIGSEGV and SIGBUS alone */
    bool dump_on_quit;        /* SIGQUIT prints the tasks, and the program goes on; always so in debug mode */
    kt_debug_mode debug;      /* see debug.h */
    kt_time slow_step;        /* in debug mode, a step longer than this is reported; 0 = 100 ms */
} kt_options;

/* Makes a loop on this thread, runs fn as its main task, then cancels and joins what is left, in
 * the order of creation, waits for the pool's threads, and ends the loop.
 *
 * Where SIGINT and SIGTERM are at their defaults, the first one cancels the main task and the
 * second one ends the process; both are given back at the end. A stack overflow is reported with
 * the task's name (SIGSEGV and SIGBUS are taken on an alternate stack, and other faults passed on).
 *
 * Returns the main task's result. -EINTR: it ended by the cancellation that a signal asked for.
 * -ENOMEM, or a system error, when no loop could be made. Calling it inside a loop is misuse.
 * Any thread, one loop a thread. Like asyncio.run. */
KT_API int kt_run(KT__JOB) KT_CHECKED;

/* The same with options; NULL options mean the defaults. Like asyncio.Runner. */
KT_API int kt_run_with(const kt_options *options, KT__JOB) KT_CHECKED;

/* Several main tasks on one loop, one after the other. Tasks that are left over stand still between two
 * runs and go on in the next; kt_runner_close cancels and joins them. kt_run is the three in a row.
 * All on one thread. Like asyncio.Runner. */
typedef struct kt_runner kt_runner;

/* Makes a loop; options as for kt_run_with. The caller owns *ret_runner. Errors as kt_run. */
KT_API int kt_runner_open(const kt_options *options, kt_runner **ret_runner) KT_CHECKED;

/* Runs fn as the main task, until it has ended. It begins with the context that the one before has left. Without fn
 * (NULL) there is no main task, and all that is left over runs until kt_runner_stop.
 * Returns the main task's result, or 0; errors as kt_run; KT_EINVALIDSTATE when it was stopped before the main
 * task's end, which is then one of those left over; and KT_ENOTRUNNING for NULL, which is what kt_steal leaves of
 * a runner that is closed. Inside a loop it is misuse. Like run_until_complete and run_forever. */
KT_API int kt_runner_run(kt_runner *r, KT__JOB) KT_CHECKED;

/* Ends the run with the pass at hand: what is ready already still has its turn. Between two runs: the next one is a
 * single pass, in which nothing is waited for. On the runner's thread. Does not suspend. Like loop.stop. */
KT_API void kt_runner_stop(kt_runner *r);

/* Cancels and joins what is left, and ends the loop; NULL is allowed. Inside a loop it is misuse. */
KT_API void kt_runner_close(kt_runner *r);

/* ---- Tasks ----------------------------------------------------------------------------- */

/* Makes a task that runs fn; it starts when the caller next suspends, after all that are ready
 * already. `size` bytes of arg are copied; what they point to must outlive the task. The caller
 * owns *ret_task and must join or detach it (a group owns its children: see group.h); debug mode
 * reports one that was neither, which is gone with the loop.
 * Returns 0, -ENOMEM, KT_ENOTRUNNING outside a loop. Does not suspend. Like asyncio.create_task. */
KT_API int kt_spawn(KT__JOB, kt_task **ret_task) KT_CHECKED;

typedef struct kt_context kt_context; /* context.h */

typedef struct kt_spawn_options {
    const char *name;   /* copied; NULL = "Task-N" */
    size_t stack_bytes; /* 0 = the loop's; otherwise 16 KiB to 1 GiB, which it is rounded to */
    bool eager;         /* runs within the call until it first suspends; it may be done then */
    bool stack_now;     /* takes its stack within the call, which fails with KT_ENOSTACK where there is none; else a
                         * task takes it when it first runs, and ends with that error */
    kt_context *context; /* to run in, shared, instead of a copy of the spawner's; context.h */

    /* If not NULL, called once with fn's argument: after fn, or in its stead where the task never starts, because it
     * was cancelled before or because there is no stack for it. Frees what the argument owns. Must not suspend. A
     * spawn that fails does not call it. */
    void (*drop)(void *arg);
} kt_spawn_options;

/* The same with options; NULL options mean the defaults. Also KT_ENOSTACK, with stack_now. */
KT_API int kt_spawn_with(const kt_spawn_options *options, KT__JOB, kt_task **ret_task) KT_CHECKED;

/* Waits for the task's end, frees it, and returns its result (KT_ECANCELED if it was cancelled).
 * Takes ownership in every case: `t` is gone afterwards. Joining twice, or oneself, is misuse.
 * Suspends unless the task is done. A cancellation of the caller is passed on to the task, as
 * asyncio's await does, and the call goes on waiting; what the task makes of it is the result.
 * Like `await task`. */
KT_API int kt_task_join(kt_task *t) KT_CHECKED;

/* As kt_task_join, but the caller still owns the task and any number may wait. */
KT_API int kt_task_await(kt_task *t) KT_CHECKED;

/* Waits for the task's end as kt_task_await, but a cancellation ends only the wait: the task is not
 * touched and still the caller's. Like asyncio.shield. */
KT_API int kt_shield(kt_task *t) KT_CHECKED;

/* Gives the task up: it frees itself when it ends, until when the handle is good; NULL is allowed. In debug mode
 * a failure that nobody can read any more goes to the log hook. A group's child stays the group's, which waits for
 * it and learns how it ended, but keeps it no longer than that. Does not suspend. */
KT_API void kt_task_detach(kt_task *t);

/* Asks the task to stop. True if the request was taken, false if the task is done. A task that has
 * not started never runs; what its argument owns goes by `drop` of kt_spawn_options. One that ends before
 * any of its calls has returned the request ends with KT_ECANCELED, whatever fn returned: so what fn makes for
 * others it hands out by its argument, and its result only says how it went. One may cancel oneself. Does not
 * suspend. Like Task.cancel. */
KT_API bool kt_task_cancel(kt_task *t);

/* The same with words for the reason: they are copied, and replace those of an earlier request that is not
 * on its way to the task yet (without memory, or with NULL, there are none). The task finds them with
 * kt_task_cancel_message; who waits for it, when it has ended by the cancellation, with kt_error_detail. Like
 * Task.cancel(msg=...). */
KT_API bool kt_task_cancel_with(kt_task *t, const char *words);

/* The words of the request that reached the task last, or waits to; "" if it had none. Valid until the next. */
KT_API const char *kt_task_cancel_message(const kt_task *t);

/* Is it over? */
KT_API bool kt_task_done(const kt_task *t);

/* Did it end by a cancellation? False while it runs. */
KT_API bool kt_task_cancelled(const kt_task *t);

/* The result of a task that is done, and its words as the caller's kt_error_detail; otherwise KT_EINVALIDSTATE. A
 * failure that was read counts as handled. Like Task.result and exception. */
KT_API int kt_task_result(kt_task *t) KT_CHECKED;

/* The running task, NULL in a callback or outside a loop. Any thread. */
KT_API kt_task *kt_task_current(void);

/* The task's name; valid for a task without a name of its own until the fourth next call. */
KT_API const char *kt_task_name(const kt_task *t);

/* Renames it; the name is copied. 0, -ENOMEM. Like Task.set_name. */
KT_API int kt_task_name_set(kt_task *t, const char *name) KT_CHECKED;

/* Gives back the memory that earlier calls of the running task have used on its stack: the whole pages below the
 * caller. For a task that is about to wait for long, of which there are many; it costs a system call, and a page fault
 * when the stack grows again. In a task or its coroutine, else nothing happens. Does not suspend. Like malloc_trim(3),
 * by MADV_DONTNEED of madvise(2). */
KT_API void kt_task_trim(void);

/* Calls fn for every new task of this loop, when it has been made and has not run; NULL: nobody. fn must
 * neither suspend nor spawn. Misuse outside a loop. Like loop.set_task_factory, to watch. */
KT_API void kt_task_hook_set(void (*fn)(kt_task *t, void *arg), void *arg);

/* Calls fn for each task that is not done, in order of creation, and returns their number. fn must
 * not suspend nor end tasks; NULL only counts. Like asyncio.all_tasks. */
KT_API size_t kt_task_each(void (*fn)(kt_task *t, void *arg), void *arg);

/* Writes the tree of this loop's tasks to descriptor `fd`: name, state, age, what each waits for (and for whom, and
 * until when), its C stack with functions and lines as far as the debug information tells. A task stands
 * below the one that spawned it. For people; the form may change. Does not suspend. Like asyncio pstree. */
KT_API void kt_task_dump(int fd);

/* ---- Cancellation, seen from inside ---------------------------------------------------- */

/* Ends the state in which every suspending call fails, and returns the code that they gave, or 0 if
 * there was none: a request that no call has returned yet is not caught, and shows at the next. C's
 * `except CancelledError`, to be called where clean-up must wait or where the task means to go on.
 * Timeouts and groups that fired still know it. Does not suspend. */
KT_API int kt_cancel_catch(void);

/* Holds a cancellation back, for a destructor that must wait: until the matching
 * kt_cancel_unhold() suspending calls do not see it, nor time limits and groups that began before. What begins
 * meanwhile does its work: a clean-up that must not wait for ever starts a timeout of its own. Nests up
 * to 64 deep, else misuse. Does not suspend. */
KT_API void kt_cancel_hold(void);
KT_API void kt_cancel_unhold(void);

/* Requests not yet taken back, those of fired timeouts and groups included. Like Task.cancelling. */
KT_API int kt_task_cancelling(const kt_task *t);

/* Takes one request back, from outside if there is one, otherwise of a scope, and returns how many are
 * left. At zero, a request that no call has returned yet is dropped. Like Task.uncancel (3.13). */
KT_API int kt_task_uncancel(kt_task *t);

/* ---- Time ------------------------------------------------------------------------------ */

/* Suspends for at least d; 0 or less lets every other ready task run once. Returns 0 or the
 * cancellation's code. Like asyncio.sleep. */
KT_API int kt_sleep(kt_time d) KT_CHECKED;

/* The loop's clock: monotonic, virtual under sim; outside a loop CLOCK_MONOTONIC. Any thread. */
KT_API kt_time kt_now(void);

KT_END

#endif
