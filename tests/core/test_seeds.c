/* SPDX-License-Identifier: MIT */
/* The simulated driver runs what is ready together in an order of the seed: whatever it is, the
 * promises hold, and the same seed gives the same run. */
#include "sure.h"

enum { SEEDS = 1000 };

static uint64_t trace_hash;

static void note(int number)
{
    trace_hash = (trace_hash ^ (uint64_t)number) * UINT64_C(1099511628211); /* FNV-1a */
}

/* ---- A little of everything -------------------------------------------------------------- */

typedef struct world {
    kt_queue queue;
    kt_lock lock;
    kt_semaphore permits;
    kt_event started;
    int inside, produced, consumed, visitors;
} world;

KT_FN(produces, a, struct {
    world *w;
    int number;
})
{
    int rc = kt_event_wait(&a->w->started);
    for (int i = 0; rc == 0 && i < 5; i++) {
        int item = a->number * 10 + i;
        rc = kt_queue_put(&a->w->queue, &item);
        a->w->produced += rc == 0;
        note(item);
    }
    return rc;
}

static int consumes(void *arg)
{
    world *w = arg;
    int item, rc;
    while ((rc = kt_queue_get(&w->queue, &item)) == 0) {
        note(1000 + item);
        w->consumed++;
        kt_queue_task_done(&w->queue);
    }
    return rc == KT_ESHUTDOWN ? 0 : rc;
}

KT_FN(visits, a, struct {
    world *w;
    int number;
})
{
    sure(kt_semaphore_acquire(&a->w->permits));
    sure(kt_lock_acquire(&a->w->lock));
    CHECK_EQ(++a->w->inside, 1);
    note(2000 + a->number);
    sure(kt_sleep(a->number % 2 ? 0 : KT_MS(a->number)));
    a->w->inside--;
    kt_lock_release(&a->w->lock);
    kt_semaphore_release(&a->w->permits);
    a->w->visitors++;
    return 0;
}

static int job(void *arg)
{
    note(3000);
    return *(int *)arg;
}

static int runs_a_job(void *arg)
{
    (void)arg;
    return kt_thread_run(job, &(int){3}, 0) == 3 ? 0 : -EINVAL;
}

static int little_world(void *arg)
{
    (void)arg;
    world w = {.queue = KT_QUEUE_INIT(int, 2), .permits = KT_SEMAPHORE_INIT(2)};
    kt_auto(kt_group) producers = KT_GROUP_INIT, others = KT_GROUP_INIT;
    for (int i = 0; i < 3; i++) {
        sure(kt_group_spawn(&producers, KT_WITH(produces, &w, i)));
        sure(kt_group_spawn(&others, consumes, &w, 0));
        sure(kt_group_spawn(&others, KT_WITH(visits, &w, i)));
        sure(kt_group_spawn(&others, runs_a_job, NULL, 0));
    }
    kt_event_set(&w.started);
    sure(kt_group_join(&producers, 0));
    sure(kt_queue_join(&w.queue));
    kt_queue_shutdown(&w.queue, false);
    sure(kt_group_join(&others, 0));
    CHECK_EQ(w.produced, 15);
    CHECK_EQ(w.consumed, 15);
    CHECK_EQ(w.visitors, 3);
    kt_queue_release(&w.queue);
    return 0;
}

TEST_WITH(groups_queues_locks_and_jobs_keep_their_promises_in_any_order, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, little_world, NULL);
}

/* ---- Cancelled at any moment ------------------------------------------------------------- */

typedef struct lines {
    kt_lock lock;
    kt_semaphore permits;
    kt_queue queue;
    int inside, taken;
} lines;

static int stands_in_lines(void *arg)
{
    lines *l = arg;
    int item, rc = kt_lock_acquire(&l->lock);
    if (rc < 0)
        return rc;
    CHECK_EQ(++l->inside, 1);
    rc = kt_sleep(0);
    l->inside--;
    kt_lock_release(&l->lock);
    if (rc == 0)
        rc = kt_semaphore_acquire(&l->permits);
    if (rc < 0)
        return rc;
    rc = kt_sleep(0);
    kt_semaphore_release(&l->permits);
    if (rc == 0)
        rc = kt_queue_get(&l->queue, &item);
    l->taken += rc == 0;
    return rc;
}

static int cancels_some(void *arg)
{
    (void)arg;
    lines l = {.permits = KT_SEMAPHORE_INIT(1), .queue = KT_QUEUE_INIT(int, 0)};
    kt_task *tasks[8];
    int ended = 0;
    for (int i = 0; i < 8; i++)
        tasks[i] = spawn(stands_in_lines, &l, 0);
    for (int i = 0; i < 8; i++) {
        sure(kt_sleep(0));
        sure(kt_queue_put(&l.queue, &i));
        kt_task_cancel(tasks[i % 3]);
        if (i % 2)
            kt_task_cancel(tasks[i]);
    }
    for (int i = 0; i < 8; i++)
        ended += kt_task_join(tasks[i]) == 0;
    CHECK_EQ(ended, l.taken);
    CHECK_EQ(kt_queue_size(&l.queue), 8 - l.taken);
    CHECK(!kt_lock_locked(&l.lock));
    CHECK_OK(kt_semaphore_acquire_nowait(&l.permits));
    CHECK_ERR(kt_semaphore_acquire_nowait(&l.permits), -EBUSY);
    kt_queue_release(&l.queue);
    return 0;
}

TEST_WITH(cancelled_waiters_lose_and_keep_nothing_in_any_order, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, cancels_some, NULL);
}

KT_FN(fails_or_sleeps, a, struct { int number; })
{
    int rc = kt_sleep(KT_MS(1));
    note(a->number);
    return rc < 0 ? rc : a->number % 3 == 0 ? -1 - a->number : 0;
}

static int fails_in_a_group(void *arg)
{
    (void)arg;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_timeout_start(&limit, KT_MS(1));
    for (int i = 0; i < 6; i++)
        sure(kt_group_spawn(&g, KT_WITH(fails_or_sleeps, i)));
    int rc = kt_group_join(&g, kt_sleep(KT_S(1)));
    CHECK(rc == -1 || rc == -4 || rc == KT_ETIMEDOUT);
    rc = kt_timeout_end(&limit, rc);
    CHECK(rc == -1 || rc == -4 || rc == KT_ETIMEDOUT);
    CHECK_EQ(kt_task_cancelling(kt_task_current()), 0);
    return kt_sleep(KT_S(1));
}

TEST_WITH(a_group_fails_once_and_leaves_no_trace_in_any_order, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, fails_in_a_group, NULL);
}

/* ---- The seeds themselves ---------------------------------------------------------------- */

static uint64_t hash_of_seed(uint64_t seed)
{
    const kt_options options = {.driver = KT_DRIVER_SIM, .seed = seed};
    setenv("KETTLE_DRIVER", "sim", 1);
    trace_hash = UINT64_C(14695981039346656037);
    sure(kt_run_with(&options, little_world, NULL, 0));
    return trace_hash;
}

TEST_WITH(the_same_seed_gives_the_same_run, KT_TEST_NO_LOOP)
{
    for (uint64_t seed = 0; seed < 100; seed++)
        CHECK_EQ(hash_of_seed(seed), hash_of_seed(seed));
}

TEST_WITH(different_seeds_give_different_runs, KT_TEST_NO_LOOP)
{
    int differ = 0;
    uint64_t fifo = hash_of_seed(0);
    for (uint64_t seed = 1; seed <= 100; seed++)
        differ += hash_of_seed(seed) != fifo;
    CHECK_GT(differ, 95);
}

TEST_WITH(the_largest_seed_is_a_seed, KT_TEST_NO_LOOP)
{
    CHECK_NE(hash_of_seed(UINT64_MAX), hash_of_seed(0));
}
