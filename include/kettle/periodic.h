/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_PERIODIC_H
#define KETTLE_PERIODIC_H

/* Doing something again and again, at fixed times.
 *
 *     kt_auto(kt_periodic) cleaner = {.interval = KT_S(60), .name = "cleaner"};
 *     rc = kt_periodic_start(&cleaner, remove_old_files, NULL, 0);
 *     ... it runs every minute, in a task of its own, until this scope is left ...
 *
 * Runs do not drift: the times are first + n * interval, however long a run takes. One that
 * takes longer than the interval misses the times that have passed; it is never run twice at
 * once. A failed run is reported, and the next one comes all the same.
 *
 * Fill in the settings, leave the rest zero. For the tasks of one loop; must not move while it
 * runs. */

#include <kettle/task.h>

KT_BEGIN

typedef struct kt_periodic {
    /* Settings. */
    kt_time interval;    /* more than 0 */
    kt_time first_after; /* the first run; 0 = after one interval, less than 0 = at once */
    uint64_t runs_max;   /* ends after so many; 0 = never */
    const char *name;    /* for people; the task's; NULL = "periodic" */

    /* A run failed with rc (kt_error_detail has the words): < 0 ends the whole with that code,
     * otherwise it goes on. NULL = a line to the log hook (kettle/error.h), and it goes on. */
    int (*failed)(int rc, void *arg);
    void *failed_arg;

    /* Statistics. */
    uint64_t runs, failures;
    uint64_t missed;     /* times at which the run before had not ended */

    /* State. */
    kt_task *task;
    kt_fn fn;
    void *arg;           /* ours if arg_bytes > 0 */
    size_t arg_bytes;
    uintptr_t reserved[2];
} kt_periodic;

/* Begins to call fn(arg) in a task of its own. `size` bytes of arg are copied, once: every run
 * gets the same copy. 0, -ENOMEM, KT_ENOTRUNNING. Starting one that runs, or is just being stopped, is
 * misuse. Does not suspend. */
KT_API int kt_periodic_start(kt_periodic *p, KT__JOB) KT_CHECKED;

/* Cancels it, in the middle of a run too, and waits for its end. Returns 0, or the code with
 * which `failed` ended it before. 0 if it does not run. Misuse from within the run, and while another
 * task stops it. Suspends; a cancellation of the caller is held back. */
KT_API int kt_periodic_stop(kt_periodic *p);

/* The same in the calling task: calls fn(arg), uncopied, on the caller's stack until it is
 * cancelled. Returns the cancellation's code, what `failed` returned, or 0 after runs_max runs.
 * A run that ends by the caller's cancellation has not failed; one that returns a cancellation's
 * code by itself (KT_ETIMEDOUT from a scope of its own) has. Suspends. */
KT_API int kt_periodic_run(kt_periodic *p, KT__JOB) KT_CHECKED;

static inline void kt_periodic_cleanup(kt_periodic *p)
{
    (void)kt_periodic_stop(p);
}

KT_END

#endif
