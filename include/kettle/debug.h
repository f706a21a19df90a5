/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_DEBUG_H
#define KETTLE_DEBUG_H

/* Eyes into a running loop: who waits for whom, what was forgotten, and what blocks.
 *
 *     KETTLE_DEBUG=1 ./program        # debug mode: see below
 *     kill -QUIT PID                  # in debug mode: the program prints its tasks, and goes on
 *
 * Debug mode reports, each as a message to the log hook (error.h):
 *   - a step of a task or a callback that blocks the loop longer than kt_slow_step_set says, while it blocks
 *     and with its stack; and how long it was, when it ends;
 *   - a task that was neither joined nor detached, a task's or future's error that nobody read, a task that
 *     swallowed a cancellation, a lock still held by a task that ended, a coroutine that never ran, and whatever
 *     was opened and not closed by the loop's end: each with the place in the source where it was made;
 *   - tasks that wait for each other in a circle, at the moment when the circle closes;
 *   - in real time, once a run: that every task waits and nothing of this loop can wake one.
 * It costs some 100 to 300 ns a step. Names of functions and lines come from the program's debug information,
 * by libdw if that is installed; else from its dynamic symbols.
 *
 * Thread rule: on the loop's thread. Nothing here suspends. */

#include <kettle/task.h>

KT_BEGIN

/* ---- Debug mode ------------------------------------------------------------------------- */

/* Switches it on or off for this thread's loop; at the loop's begin kt_options.debug says, or KETTLE_DEBUG=1
 * in the environment. What was made before it was switched on has no place to name. Misuse outside a loop.
 * Like loop.set_debug. */
KT_API void kt_debug_set(bool on);

/* Is it on? False outside a loop. Like loop.get_debug. */
KT_API bool kt_debug(void);

/* A step longer than this is reported, in real time, also where the loop's clock is virtual. 0 or less: the default,
 * 100 ms. Misuse outside a loop. Like loop.slow_callback_duration. */
KT_API void kt_slow_step_set(kt_time limit);

/* For types of one's own: an object was opened, and is closed. What is left at the loop's end is reported as
 * "KIND made at PLACE was never closed". `kind` must stay; the place is the caller of whoever calls
 * kt_debug_opened. Does nothing outside debug mode. */
KT_API void kt_debug_opened(const void *object, const char *kind);
KT_API void kt_debug_closed(const void *object, const char *kind);

/* ---- Errors that nobody can receive ----------------------------------------------------- */

typedef struct kt_unhandled {
    const char *message; /* what happened, in asyncio's words */
    int rc;              /* the error */
    const char *detail;  /* it in words, "" if there are none; cut at 255 bytes */
    kt_task *task;       /* whose it is, or NULL; only to look at */
} kt_unhandled;

/* Calls fn for errors that nobody can receive any more: of a task that was detached or never joined and whose
 * result nobody read, of tasks left over at the loop's end, and what kt_error_unhandled is told. The pointers in
 * *u are good during the call. fn must not suspend. NULL: the default, which in debug mode tells the log hook.
 * Misuse outside a loop. Like loop.set_exception_handler. */
KT_API void kt_error_handler_set(void (*fn)(const kt_unhandled *u, void *arg), void *arg);

/* Hands an error to that handler, for callbacks and the like; its words are kt_error_detail's. Misuse outside
 * a loop. Like loop.call_exception_handler. */
KT_API void kt_error_unhandled(int rc, const char *message);

/* ---- Who waits for whom ------------------------------------------------------------------ */

/* Calls fn for every task that waits for t: by join, await or shield, for a lock that t holds, or with t among the
 * children of its group or the tasks that it gathers or waits for. Returns their number; fn must neither
 * suspend nor end tasks, and may be NULL. Like Future awaited_by, asyncio.capture_call_graph. */
KT_API size_t kt_task_each_awaiter(const kt_task *t, void (*fn)(kt_task *awaiter, void *arg), void *arg);

/* ---- What a task costs ------------------------------------------------------------------- */

/* Counted in debug mode; all zero for a task that began before. */
typedef struct kt_task_stats {
    uint64_t steps;     /* times it was given the processor */
    kt_time cpu;        /* processor time of those, the one at hand not included */
    kt_time age;        /* since its spawn, by the loop's clock */
    size_t stack_bytes; /* of its stack the most that it has touched, in whole pages; 0 before it starts */
} kt_task_stats;

/* How much t has cost so far. */
KT_API void kt_task_stats_get(const kt_task *t, kt_task_stats *ret_stats);

/* The same, summed over all tasks spawned at one place in the source, alive or ended. */
typedef struct kt_spawn_site {
    const void *address; /* the place; kt_site_format makes words of it */
    uint64_t spawned, ended, steps;
    kt_time cpu;
    size_t stack_bytes_max; /* of those that have ended */
} kt_spawn_site;

/* Calls fn for every place where this loop spawned in debug mode, in no order; returns their number. fn must not
 * suspend nor spawn, and may be NULL. */
KT_API size_t kt_spawn_site_each(void (*fn)(const kt_spawn_site *s, void *arg), void *arg);

/* Writes "function+0x2a at file.c:12", as far as is known; cut and terminated. Any thread; takes some
 * milliseconds, and blocks meanwhile. */
KT_API void kt_site_format(const void *address, char *text, size_t size);

KT_END

#endif
