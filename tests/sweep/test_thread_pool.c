/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <semaphore.h>
#include <stdatomic.h>

/* Thread pools. Under the simulated driver a job is done by the loop, at a moment that the seed decides; with real
 * threads a gate keeps the only one, so that what comes behind it has not begun. */

typedef struct workshop {
    kt_thread_pool *pool;
    sem_t begun, gate;
    atomic_int done;
} workshop;

static void workshop_open(workshop *w)
{
    const kt_thread_pool_options one = {.name = "sweep", .threads_max = 1};
    *w = (workshop){.pool = NULL};
    sem_init(&w->begun, 0, 0);
    sem_init(&w->gate, 0, 0);
    sure(kt_thread_pool_open(&one, &w->pool));
}

static void workshop_close(workshop *w)
{
    kt_thread_pool_close(kt_steal(w->pool));
    sem_destroy(&w->begun);
    sem_destroy(&w->gate);
}

static int keeps_thread(void *arg)
{
    workshop *w = arg;
    sem_post(&w->begun);
    sem_wait(&w->gate);
    return 0;
}

/* No job begins until the gate is open; under sim, until somebody waits. */
static void gate_shut(workshop *w)
{
    if (sweep_simulated())
        return;
    sure(kt_thread_pool_abandon(w->pool, keeps_thread, w, 0, NULL));
    sem_wait(&w->begun);
}

static void gate_open(workshop *w)
{
    sem_post(&w->gate);
}

/* Counts in its argument; what was dropped shows there too. */
static int job(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 5;
}

enum { DROPPED = 100 };

static void drop(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, DROPPED);
}

/* The pool is as good as before. */
static void check_works(const workshop *w)
{
    atomic_int done = 0;
    CHECK_EQ(kt_thread_pool_run(w->pool, job, &done, 0), 5);
    CHECK_EQ(atomic_load(&done), 1);
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static int opens(void *arg)
{
    kt_auto(kt_thread_pool) *p = NULL;
    int rc = SWEPT(kt_thread_pool_open, (NULL, &p));
    (void)arg;
    CHECK((rc < 0) == !p);
    return rc;
}

SWEEP(kt_thread_pool_open, ALLOCATES)
{
    (void)sweep_subject(opens, NULL);
}

static int closes(void *arg)
{
    workshop *w = arg;
    SWEPT(kt_thread_pool_close, (kt_steal(w->pool)));
    return atomic_load(&w->done);
}

/* All that was asked for is done, cancelled or not. */
SWEEP(kt_thread_pool_close, SUSPENDS | HOLDS)
{
    workshop w, neighbour;
    kt_task *submitted = NULL;
    workshop_open(&w);
    workshop_open(&neighbour);
    gate_shut(&w);
    sure(kt_thread_pool_abandon(w.pool, job, &w.done, 0, drop));
    sure(kt_thread_pool_submit(w.pool, job, &w.done, 0, &submitted));
    sweep_begin(closes, &w);
    check_works(&neighbour);
    gate_open(&w);
    CHECK_EQ(sweep_end(), 2 + DROPPED);
    CHECK_EQ(kt_task_join(submitted), 5);
    workshop_close(&w);
    workshop_close(&neighbour);
}

/* What has not begun is taken back, and whoever waits for it is told. */
SWEEP(kt_thread_pool_shutdown, PLAIN)
{
    workshop w;
    kt_task *submitted = NULL;
    workshop_open(&w);
    gate_shut(&w);
    sure(kt_thread_pool_abandon(w.pool, job, &w.done, 0, drop));
    sure(kt_thread_pool_submit(w.pool, job, &w.done, 0, &submitted));
    SWEPT(kt_thread_pool_shutdown, (w.pool, true));
    CHECK_EQ(atomic_load(&w.done), DROPPED);
    CHECK_ERR(kt_task_join(submitted), KT_ESHUTDOWN);
    CHECK_ERR(kt_thread_pool_run(w.pool, job, &w.done, 0), KT_ESHUTDOWN);
    gate_open(&w);
    workshop_close(&w);
    CHECK_EQ(atomic_load(&w.done), DROPPED);
}

SWEEP_AS(kt_thread_pool_shutdown, in_order, PLAIN)
{
    workshop w;
    workshop_open(&w);
    sure(kt_thread_pool_abandon(w.pool, job, &w.done, 0, drop));
    SWEPT(kt_thread_pool_shutdown, (w.pool, false));
    CHECK_ERR(kt_thread_pool_run(w.pool, job, &w.done, 0), KT_ESHUTDOWN);
    CHECK_ERR(kt_thread_pool_abandon(w.pool, job, &w.done, 0, drop), KT_ESHUTDOWN);
    workshop_close(&w);
    CHECK_EQ(atomic_load(&w.done), 1 + DROPPED);
}

/* ---- Jobs ------------------------------------------------------------------------------------ */

static int runs(void *arg)
{
    const workshop *w = arg;
    atomic_int done = 0;
    int rc = SWEPT(kt_thread_pool_run, (w->pool, job, &done, 0));
    CHECK_EQ(atomic_load(&done), rc < 0 ? 0 : 1); /* all of it, or nothing */
    CHECK(rc < 0 || rc == 5);
    return rc;
}

static int also_runs(void *arg)
{
    workshop *w = arg;
    return kt_thread_pool_run(w->pool, job, &w->done, 0);
}

/* The job has not begun when it is cancelled at once, and one stands behind it. */
SWEEP(kt_thread_pool_run, SUSPENDS | WINS)
{
    workshop w;
    workshop_open(&w);
    gate_shut(&w);
    sweep_begin(runs, &w);
    kt_task *other = spawn(also_runs, &w, 0);
    turns(4);
    gate_open(&w);
    (void)sweep_end();
    CHECK_EQ(kt_task_join(other), 5);
    CHECK_EQ(atomic_load(&w.done), 1);
    check_works(&w);
    workshop_close(&w);
}

static int job_at_gate(void *arg)
{
    (void)keeps_thread(arg);
    return job(&((workshop *)arg)->done);
}

static int runs_at_gate(void *arg)
{
    workshop *w = arg;
    int rc = SWEPT(kt_thread_pool_run, (w->pool, job_at_gate, w, 0));
    CHECK_EQ(atomic_load(&w->done), rc < 0 ? 0 : 1);
    return rc;
}

/* The job may have begun, and then a cancellation waits for it. */
SWEEP_AS(kt_thread_pool_run, begun, SUSPENDS | WINS)
{
    workshop w;
    workshop_open(&w);
    if (sweep_simulated())
        gate_open(&w); /* there is but one thread */
    sweep_begin(runs_at_gate, &w);
    turns(4);
    gate_open(&w);
    (void)sweep_end();
    gate_open(&w);
    check_works(&w);
    workshop_close(&w);
}

static int abandons(void *arg)
{
    workshop *w = arg;
    return SWEPT(kt_thread_pool_abandon, (w->pool, job, &w->done, 0, drop));
}

SWEEP(kt_thread_pool_abandon, ALLOCATES)
{
    workshop w;
    workshop_open(&w);
    sure(sweep_subject(abandons, &w));
    check_works(&w);
    workshop_close(&w);
    CHECK_EQ(atomic_load(&w.done), 1 + DROPPED); /* once, and not for the call that failed */
}

typedef struct submission {
    workshop *w;
    kt_task *task;
} submission;

static int job_of_copy(void *arg)
{
    return job(&((submission *)arg)->w->done);
}

static int submits(void *arg)
{
    submission *s = arg;
    int rc = SWEPT(kt_thread_pool_submit, (s->w->pool, job_of_copy, s, sizeof *s, &s->task));
    CHECK((rc < 0) == !s->task);
    return rc;
}

SWEEP(kt_thread_pool_submit, ALLOCATES)
{
    workshop w;
    workshop_open(&w);
    submission s = {.w = &w, .task = NULL};
    sure(sweep_subject(submits, &s));
    CHECK_EQ(kt_task_join(s.task), 5);
    check_works(&w);
    workshop_close(&w);
    CHECK_EQ(atomic_load(&w.done), 1); /* nothing of the call that failed */
}

/* ---- The default ----------------------------------------------------------------------------- */

/* The job that names no pool has gone to the one that is shut down, the next one to the loop's own. */
SWEEP(kt_thread_pool_set_default, PLAIN)
{
    workshop w;
    atomic_int own = 0;
    workshop_open(&w);
    gate_shut(&w);
    SWEPT(kt_thread_pool_set_default, (w.pool));
    sure(kt_thread_abandon(job, &w.done, 0, drop));
    SWEPT(kt_thread_pool_set_default, (NULL));
    sure(kt_thread_abandon(job, &own, 0, drop));
    kt_thread_pool_shutdown(w.pool, true);
    CHECK_EQ(atomic_load(&w.done), DROPPED);
    for (int i = 0; i < 100000 && atomic_load(&own) < DROPPED; i++)
        sure(kt_thread_run(nothing, NULL, 0));
    CHECK_EQ(atomic_load(&own), 1 + DROPPED);
    gate_open(&w);
    workshop_close(&w);
}
