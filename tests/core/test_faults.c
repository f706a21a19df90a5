/* SPDX-License-Identifier: MIT */
/* Every allocation of every call fails in turn: the error is the documented one, nothing is left behind
 * (the kit looks), and the same call works afterwards. */
#include "sure.h"

#include <stdatomic.h>

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int says_no(void *arg)
{
    (void)arg;
    return kt_error_set(-EIO, "no");
}

/* Calls `attempt` with its 1st, 2nd, ... allocation failing until none failed, and returns how often one
 * did. Failures of words are not failures of the call, so success is allowed too. */
static int fail_each(int (*attempt)(void *arg), void *arg)
{
    for (int nth = 1;; nth++) {
        kt_test_fail_allocation((uint64_t)nth);
        int rc = attempt(arg);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        CHECK(rc == 0 || (failed && rc == -ENOMEM));
        CHECK_LT(nth, 200);
        if (!failed)
            return nth - 1;
    }
}

/* ---- In a loop --------------------------------------------------------------------------- */

static int spawns_and_joins(void *arg)
{
    const kt_spawn_options named = {.name = "named", .stack_bytes = *(size_t *)arg};
    kt_task *t = NULL;
    *(size_t *)arg += 65536; /* a class of stacks that is not there yet */
    int rc = kt_spawn_with(&named, nothing, arg, sizeof(size_t), &t);
    if (rc < 0) {
        CHECK(t == NULL);
        return rc;
    }
    return kt_task_join(t);
}

TEST(spawn_gives_enomem_and_a_task_without_a_stack_ends_with_it)
{
    size_t stack_bytes = 1 << 20;
    CHECK_EQ(fail_each(spawns_and_joins, &stack_bytes), 3); /* task, class, slab */
}

static int groups(void *arg)
{
    (void)arg;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = kt_group_spawn(&g, nothing, NULL, 0);
    if (rc == 0)
        rc = kt_group_spawn(&g, nothing, NULL, 0);
    return kt_group_join(&g, rc);
}

TEST(group_spawn_gives_enomem)
{
    CHECK_GE(fail_each(groups, NULL), 2);
}

static int gathers(void *arg)
{
    const kt_job jobs[] = {{nothing, NULL, 0}, {nothing, NULL, 0}, {nothing, NULL, 0}};
    int rcs[3] = {7, 7, 7};
    int rc = kt_gather(jobs, 3, arg ? rcs : NULL);
    if (rc < 0)
        CHECK_EQ(rcs[0] + rcs[1] + rcs[2], 21);
    yield_times(2); /* those that had been made and never ran are gone */
    CHECK_EQ(kt_task_each(NULL, NULL), 1);
    return rc;
}

TEST(gather_gives_enomem_and_starts_none)
{
    CHECK_GE(fail_each(gathers, NULL), 4);
    CHECK_GE(fail_each(gathers, &(int){1}), 4);
}

static int queues(void *arg)
{
    (void)arg;
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    int item;
    for (int i = 0; i < 100; i++) {
        int rc = kt_queue_put(&q, &i);
        if (rc < 0) {
            CHECK_EQ(kt_queue_size(&q), (size_t)i);
            return rc;
        }
    }
    for (int i = 0; i < 100; i++) {
        CHECK_OK(kt_queue_get(&q, &item));
        CHECK_EQ(item, i);
    }
    return 0;
}

TEST(queue_put_gives_enomem_and_keeps_what_is_inside)
{
    CHECK_EQ(fail_each(queues, NULL), 5);
}

static int runs_in_thread(void *arg)
{
    (void)arg;
    return kt_thread_run(nothing, NULL, 0);
}

static atomic_int dropped;

static void drop(void *arg)
{
    (void)arg;
    atomic_fetch_add(&dropped, 1);
}

static int abandons(void *arg)
{
    int before = atomic_load(&dropped);
    int rc = kt_thread_abandon(nothing, &(int){1}, sizeof(int), drop);
    (void)arg;
    if (rc < 0)
        CHECK_EQ(atomic_load(&dropped), before);
    return rc;
}

static int calls(void *arg)
{
    return kt_call_threadsafe(kt_loop_current(), drop, arg);
}

TEST(calls_to_and_from_threads_give_enomem)
{
    CHECK_EQ(fail_each(runs_in_thread, NULL), 1); /* the pool */
    CHECK_EQ(fail_each(abandons, NULL), 1);
    CHECK_EQ(fail_each(calls, NULL), 1);
    CHECK_OK(kt_sleep(KT_S(1)));
}

static int loses_words(void *arg)
{
    (void)arg;
    kt_task *t = NULL;
    int rc = kt_spawn(says_no, NULL, 0, &t);
    if (rc < 0)
        return rc;
    rc = kt_task_join(t);
    CHECK(rc == -EIO || rc == -ENOMEM);
    return rc == -EIO ? 0 : rc;
}

TEST(without_memory_words_are_lost_but_not_the_code)
{
    CHECK_GE(fail_each(loses_words, NULL), 3);
}

/* ---- The loop itself --------------------------------------------------------------------- */

static int runs(void *arg)
{
    return kt_run(arg ? runs_in_thread : nothing, NULL, 0);
}

TEST_WITH(a_loop_gives_enomem_whatever_it_lacks, KT_TEST_NO_LOOP)
{
    int plain = fail_each(runs, NULL), with_pool = fail_each(runs, &(int){1});
    CHECK_GE(plain, 4); /* loop, inbox, task, slab, and what the driver needs */
    CHECK_EQ(with_pool, plain + 1);
}
