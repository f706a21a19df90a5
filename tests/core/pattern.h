/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_PATTERN_H
#define TESTS_CORE_PATTERN_H

/* Sweeps for the tests of the patterns. */

#include "sure.h"

/* Calls fn with each of its allocations failing in turn, until none does. It must say so, and
 * then work. */
static inline void each_allocation_fails(kt_fn fn, void *arg)
{
    for (unsigned n = 1;; n++) {
        CHECK_LT(n, 200);
        kt_test_fail_allocation(n);
        int rc = fn(arg);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        if (!failed) {
            CHECK_GT(n, 1);
            CHECK_OK(rc);
            return;
        }
        CHECK_ERR(rc, -ENOMEM);
    }
}

/* Runs fn as a task again and again, cancelled after 0, 1, 2, ... turns of the queue and then of
 * `step` each, until it ends before its cancellation. Calls `after` every time to look at what
 * is left. */
static inline void each_moment_cancelled(kt_fn fn, void *arg, kt_time step,
                                         void (*after)(void *arg))
{
    for (int n = 0, whole = 0; !whole; n++) {
        CHECK_LT(n, 500);
        kt_task *t = spawn(fn, arg, 0);
        for (int i = 0; i < n; i++)
            sure(kt_sleep(i < 6 ? 0 : step));
        whole = !kt_task_cancel(t);
        int rc = kt_task_join(t);
        if (whole)
            CHECK_OK(rc);
        else if (rc < 0)
            CHECK_ERR(rc, KT_ECANCELED);
        after(arg);
    }
}

#endif
