/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SWEEP_JOBS_SHOP_H
#define TESTS_SWEEP_JOBS_SHOP_H

/* A job system in a folder of its own, for one run: opened outside the loop, at work inside. In real time, since
 * watching over the guardian process is an operation that never ends. */

#include "sweep.h"

#include <kettle/jobs.h>

#include "jansson_faults.h"
#include "jobs/engine.h"

#define SHOP (NO_LOOP | REAL_TIME)

typedef struct shop {
    kt_jobs *j;
    void (*scenario)(struct shop *s);
    kt_fn act;    /* what a job of the type "inside" does, called with its attempt; NULL: it fails */
    bool acted;
    kt_task *work;
    kt_time grace;
    char folder[32], path[64];

    kt_task *subject; /* the rest is for the scenarios */
    bool stopped;
    int64_t ids[2];
} shop;

static shop *shop__open; /* a job's function has no argument of its own */

static inline int shop__act(kt_jobs_attempt *job)
{
    shop *s = shop__open;
    if (!s->act)
        return kt_error_set(-EIO, "the tea is cold");
    int rc = sweep_subject(s->act, job);
    s->acted = true;
    return rc;
}

static const kt_jobs_type shop_inside = {.name = "inside", .run = shop__act, .attempts = 1};
static const kt_jobs_type *const shop_types[] = {&kt_jobs_sleep, &kt_jobs_command, &shop_inside, NULL};

/* In memory where that can be: a sync of a disk takes milliseconds, and a run has twenty. */
static inline void shop_folder(shop *s)
{
    const char *root = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
    jansson_counts();
    snprintf(s->folder, sizeof s->folder, "%s/kettle-sweep-XXXXXX", root);
    CHECK(mkdtemp(s->folder) != NULL);
    snprintf(s->path, sizeof s->path, "%s/jobs.db", s->folder);
}

static inline kt_jobs_options shop_options(const shop *s)
{
    return (kt_jobs_options){.path = s->path, .types = shop_types, .concurrency = 1, .keep = -1,
                             .grace = s->grace ? s->grace : -1};
}

/* Only the store and its lock are left behind. */
static inline void shop_folder_remove(const shop *s)
{
    char lock[80];
    snprintf(lock, sizeof lock, "%s.lock", s->path);
    CHECK_EQ(unlink(s->path), 0);
    CHECK_EQ(unlink(lock), 0);
    CHECK_EQ(rmdir(s->folder), 0);
}

/* Has every task of the engine come to where it waits for something to do? */
static inline bool shop_idle(const shop *s)
{
    const kt_jobs *j = s->j;
    return j->at_work && !j->keeper.first && j->hints.waiters.first && j->timetable.waiters.first &&
           j->running_count == 0;
}

static inline void shop_until_idle(const shop *s)
{
    while (!shop_idle(s))
        settle();
}

static inline int shop__works(void *arg)
{
    return kt_jobs_run(((shop *)arg)->j);
}

static inline void shop_begin(shop *s)
{
    s->work = spawn(shop__works, s, 0);
    shop_until_idle(s);
}

static inline void shop_end(shop *s)
{
    shop_until_idle(s); /* nobody else was harmed */
    kt_task_cancel(s->work);
    CHECK_ERR(kt_task_join(s->work), KT_ECANCELED);
}

static inline int64_t shop_submit(const shop *s, const char *type, const char *args)
{
    const kt_jobs_new n = {.type = type, .args = kt_slice_from(args)};
    int64_t id = 0;
    sure(kt_jobs_submit(s->j, &n, 1, &id, NULL));
    return id;
}

/* A job's state. */
static inline int shop_state(const shop *s, int64_t id)
{
    kt__store_job job;
    kt__store_attempts attempts;
    int rc = kt__engine_get(s->j, id, &job, &attempts);
    if (rc < 0)
        return rc;
    rc = (int)job.state;
    kt__store_job_release(&job);
    kt__store_attempts_release(&attempts);
    return rc;
}

static inline void shop__in_loop(void *arg)
{
    shop *s = arg;
    s->scenario(s);
}

/* Opens, runs the scenario, closes. */
static inline void shop_run(shop *s)
{
    shop_folder(s);
    const kt_jobs_options options = shop_options(s);
    sure(kt_jobs_open(&options, &s->j));
    shop__open = s;
    sweep_loop(shop__in_loop, s);
    CHECK(!s->j->at_work && !s->j->running && !s->j->keeper.first && !s->j->keeper.open);
    kt_jobs_close(s->j);
    shop_folder_remove(s);
}

/* One job, whose function is the subject. */
static inline void shop__one_job(shop *s)
{
    shop_begin(s);
    (void)shop_submit(s, "inside", "{\"seconds\": 0.01, \"argv\": [\"echo\", \"tea\"]}");
    while (!s->acted)
        settle();
    shop_end(s);
}

static inline void shop_job(kt_fn act)
{
    shop s = {.scenario = shop__one_job, .act = act};
    shop_run(&s);
}

#endif
