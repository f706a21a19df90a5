/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <kettle/remote.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

/* The scenario's thread is the one that runs no loop; the loop is another thread's, and can be stopped, so that
 * what it allocates is not taken for the call's. */
typedef struct other {
    pthread_t thread;
    kt_loop *loop; /* NULL: this driver is not to be had */
    sem_t begun, stopped, resumed;
    atomic_bool stop, end;
    int rc;
} other;

static int serves(void *arg)
{
    other *o = arg;
    int rc = kt_task_join(spawn(nothing, NULL, 0)); /* the stacks are there */
    o->loop = kt_loop_current();
    sem_post(&o->begun);
    while (rc == 0 && !atomic_load(&o->end)) {
        if (atomic_exchange(&o->stop, false)) {
            sem_post(&o->stopped);
            sem_wait(&o->resumed);
        }
        rc = kt_sleep(KT_MS(1));
    }
    return rc;
}

static void *other_thread(void *arg)
{
    other *o = arg;
    o->rc = kt_run(serves, o, 0);
    sem_post(&o->begun);
    return NULL;
}

static void other_begin(other *o)
{
    memset(o, 0, sizeof *o);
    sem_init(&o->begun, 0, 0);
    sem_init(&o->stopped, 0, 0);
    sem_init(&o->resumed, 0, 0);
    CHECK_EQ(pthread_create(&o->thread, NULL, other_thread, o), 0);
    sem_wait(&o->begun);
    if (o->loop)
        return;
    pthread_join(o->thread, NULL);
    kt_test_skip("this driver is not to be had");
}

static void other_end(other *o)
{
    atomic_store(&o->end, true);
    pthread_join(o->thread, NULL);
    sure(o->rc);
    sem_destroy(&o->begun);
    sem_destroy(&o->stopped);
    sem_destroy(&o->resumed);
}

static void other_stop(other *o)
{
    atomic_store(&o->stop, true);
    sem_wait(&o->stopped);
}

static void other_resume(other *o)
{
    sem_post(&o->resumed);
}

/* ---- Tasks --------------------------------------------------------------------------------- */

/* Runs on the loop until it is told to end. */
typedef struct work {
    atomic_int begun, ended;
    atomic_bool end;
} work;

static int works(void *arg)
{
    work *w = arg;
    int rc = 0;
    atomic_fetch_add(&w->begun, 1);
    while (rc == 0 && !atomic_load(&w->end))
        rc = kt_sleep(KT_MS(1));
    atomic_fetch_add(&w->ended, 1);
    return rc < 0 ? rc : 5;
}

static void await_count(atomic_int *count, int wanted)
{
    while (atomic_load(count) < wanted)
        usleep(100);
}

/* One that runs already. */
static kt_remote *begin_work(other *o, work *w)
{
    kt_remote *r = NULL;
    int before = atomic_load(&w->begun);
    sure(kt_spawn_threadsafe(o->loop, works, w, 0, &r));
    await_count(&w->begun, before + 1);
    return r;
}

static int end_work(kt_remote *r, work *w)
{
    atomic_store(&w->end, true);
    int rc = kt_remote_wait(r, KT_FOREVER);
    kt_remote_free(r);
    return rc;
}

static int fails(void *arg)
{
    (void)arg;
    return kt_error_set(-EIO, "the kettle leaks");
}

/* ---- Starting ------------------------------------------------------------------------------ */

/* What runs on the loop already is not harmed. */
static void sweep_beside_work(kt_fn fn)
{
    other o;
    work w = {.begun = 0};
    other_begin(&o);
    kt_remote *r = begin_work(&o, &w);
    (void)sweep_subject(fn, &o);
    CHECK_EQ(end_work(r, &w), 5);
    other_end(&o);
}

static int doubles(void *arg)
{
    return 2 * *(int *)arg;
}

static int spawns(void *arg)
{
    other *o = arg;
    kt_auto(kt_remote) *r = NULL;
    other_stop(o);
    int n = 4, rc = SWEPT(kt_spawn_threadsafe, (o->loop, doubles, &n, sizeof n, &r));
    n = 0; /* it has a copy */
    other_resume(o);
    CHECK((rc < 0) == !r);
    if (rc == 0)
        CHECK_EQ(kt_remote_wait(r, KT_FOREVER), 8);
    return rc;
}

SWEEP(kt_spawn_threadsafe, ALLOCATES | NO_LOOP)
{
    sweep_beside_work(spawns);
}

static int runs(void *arg)
{
    other *o = arg;
    int n = 4, rc = SWEPT(kt_run_threadsafe, (o->loop, doubles, &n, 0));
    CHECK(rc < 0 || rc == 8);
    return rc;
}

/* Also where it is the loop that has no memory for the task. */
SWEEP(kt_run_threadsafe, ALLOCATES | NO_LOOP)
{
    sweep_beside_work(runs);
}

/* ---- Handles ------------------------------------------------------------------------------- */

SWEEP(kt_remote_wait, PLAIN | NO_LOOP)
{
    other o;
    work w = {.begun = 0};
    other_begin(&o);
    kt_remote *r = begin_work(&o, &w), *failed = NULL;
    CHECK_ERR(SWEPT(kt_remote_wait, (r, 0)), -ETIMEDOUT);
    CHECK_ERR(SWEPT(kt_remote_wait, (r, KT_MS(2))), -ETIMEDOUT);
    atomic_store(&w.end, true);
    CHECK_EQ(SWEPT(kt_remote_wait, (r, KT_FOREVER)), 5);
    CHECK_EQ(SWEPT(kt_remote_wait, (r, 0)), 5); /* and again */
    kt_remote_free(r);
    sure(kt_spawn_threadsafe(o.loop, fails, NULL, 0, &failed));
    while (!kt_remote_done(failed))
        usleep(100);
    CHECK_ERR(SWEPT(kt_remote_wait, (failed, KT_FOREVER)), -EIO);
    CHECK_STR(kt_error_detail(), "the kettle leaks");
    kt_remote_free(failed);
    other_end(&o);
}

/* One that runs, and one that has not started and never will. The third goes on. */
SWEEP(kt_remote_cancel, PLAIN | NO_LOOP)
{
    other o;
    work w = {.begun = 0}, never = {.begun = 0}, others = {.begun = 0};
    other_begin(&o);
    kt_remote *r = begin_work(&o, &w), *third = begin_work(&o, &others), *late = NULL;
    other_stop(&o);
    sure(kt_spawn_threadsafe(o.loop, works, &never, 0, &late));
    CHECK(SWEPT(kt_remote_cancel, (late)));
    CHECK(SWEPT(kt_remote_cancel, (r)));
    CHECK(SWEPT(kt_remote_cancel, (r)));
    other_resume(&o);
    CHECK_ERR(kt_remote_wait(r, KT_FOREVER), KT_ECANCELED);
    CHECK_ERR(kt_remote_wait(late, KT_FOREVER), KT_ECANCELED);
    CHECK(!SWEPT(kt_remote_cancel, (r)));
    CHECK_EQ(atomic_load(&w.ended), 1);
    CHECK_EQ(atomic_load(&never.begun), 0);
    CHECK_EQ(end_work(third, &others), 5);
    kt_remote_free(r);
    kt_remote_free(late);
    other_end(&o);
}

SWEEP(kt_remote_done, PLAIN | NO_LOOP)
{
    other o;
    work w = {.begun = 0};
    other_begin(&o);
    kt_remote *r = begin_work(&o, &w);
    CHECK(!SWEPT(kt_remote_done, (r)));
    atomic_store(&w.end, true);
    CHECK_EQ(kt_remote_wait(r, KT_FOREVER), 5);
    CHECK(SWEPT(kt_remote_done, (r)));
    kt_remote_free(r);
    other_end(&o);
}

/* The task of a handle that is given up runs on, also if it was asked to stop and has not heard of it yet. */
SWEEP(kt_remote_free, PLAIN | NO_LOOP)
{
    other o;
    work w = {.begun = 0}, stopping = {.begun = 0};
    other_begin(&o);
    kt_remote *r = begin_work(&o, &w), *asked = begin_work(&o, &stopping);
    other_stop(&o);
    CHECK(kt_remote_cancel(asked));
    SWEPT(kt_remote_free, (asked));
    SWEPT(kt_remote_free, (r));
    SWEPT(kt_remote_free, (NULL));
    other_resume(&o);
    await_count(&stopping.ended, 1);
    CHECK_EQ(atomic_load(&w.ended), 0);
    atomic_store(&w.end, true);
    await_count(&w.ended, 1);
    other_end(&o);
}
