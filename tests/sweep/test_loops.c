/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <stdatomic.h>

/* Begins, waits a little, and ends, whatever happens to it. */
typedef struct work {
    atomic_int begun, ended;
} work;

static int works(void *arg)
{
    work *w = arg;
    atomic_fetch_add(&w->begun, 1);
    int rc = kt_sleep(KT_MS(2));
    atomic_fetch_add(&w->ended, 1);
    return rc;
}

static int runs_beside(void *arg)
{
    return SWEPT(kt_loop_run, (NULL, works, arg, 0));
}

/* The other thread's allocations fail too, each at a moment of its own. */
SWEEP(kt_loop_run, SUSPENDS | ALLOCATES | WINS | WHOLE | REAL_TIME)
{
    work w = {.begun = 0};
    sweep_begin(runs_beside, &w);
    int rc = sweep_end();
    CHECK_EQ(atomic_load(&w.begun), atomic_load(&w.ended));
    CHECK(rc < 0 || atomic_load(&w.ended) > 0);
}

static int runs_several(void *arg)
{
    return SWEPT(kt_loops_run, (3, works, arg, 0));
}

SWEEP(kt_loops_run, SUSPENDS | ALLOCATES | WINS | WHOLE | REAL_TIME)
{
    work w = {.begun = 0};
    sweep_begin(runs_several, &w);
    int rc = sweep_end();
    CHECK_EQ(atomic_load(&w.begun), atomic_load(&w.ended));
    CHECK(rc < 0 || atomic_load(&w.ended) >= 3);
}

SWEEP_AS(kt_loops_run, in_virtual_time, SUSPENDS | ALLOCATES | WHOLE)
{
    work w = {.begun = 0};
    sweep_begin(runs_several, &w);
    int rc = sweep_end();
    CHECK_EQ(atomic_load(&w.begun), atomic_load(&w.ended));
    CHECK(rc < 0 || atomic_load(&w.ended) >= 3);
}

SWEEP(kt_loops_index, PLAIN)
{
    CHECK_EQ(SWEPT(kt_loops_index, ()), 0);
}

SWEEP(kt_loops_count, PLAIN)
{
    CHECK_EQ(SWEPT(kt_loops_count, ()), 1);
}
