/* SPDX-License-Identifier: MIT */
/* What fails for want of memory, or is given up at whatever moment, leaves nothing in what goes on: a loop, a group, a
 * cache, a pool. */
#include "growth_jobs.h"
#include "../growth.h"
#include "sure.h"

#include <kettle/cache.h>
#include <kettle/context.h>
#include <kettle/exit_stack.h>
#include <kettle/pool.h>

/* More than any of these makes of allocations, or of steps. */
enum { POINTS = 25 };

typedef struct place {
    kt_group group; /* that goes on */
    kt_queue queue;
    kt_channel channel;
    kt_cache cache;
    kt_resource_pool pool;
    kt_broadcast news;
    kt_rate rate;
    kt_debouncer debouncer;
    kt_thread_pool *threads;
    int number;
} place;

/* ---- What is done ------------------------------------------------------------------------------------- */

static int spawns(void *arg)
{
    place *p = arg;
    kt_task *t = NULL, *child = NULL;
    int rc = kt_group_spawn_with(&p->group, &(kt_spawn_options){.name = "a name"}, yields, "x", 1, &child);
    kt_task_detach(child);
    if (rc == 0)
        rc = kt_spawn(yields, "x", 1, &t);
    return rc < 0 ? rc : kt_task_join(t);
}

static int gathers(void *arg)
{
    const kt_job jobs[] = {{yields, "x", 1}, {fails, NULL, 0}, {yields, NULL, 0}};
    int rcs[3];
    size_t winner;
    (void)arg;
    int rc = kt_gather(jobs, 3, rcs);
    return rc < 0 ? rc : kt_staggered_race(jobs, 3, KT_S(1), rcs, &winner);
}

static int joins_failures(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    (void)arg;
    int rc = kt_group_spawn(&g, fails, NULL, 0);
    if (rc == 0)
        rc = kt_group_spawn(&g, fails, NULL, 0);
    rc = kt_group_join(&g, rc);
    return rc == -EIO ? 0 : rc;
}

static int watches(void *arg)
{
    kt_auto(kt_as_completed) a = KT_AS_COMPLETED_INIT;
    kt_task *t[2] = {NULL, NULL}, *done;
    (void)arg;
    int rc = kt_spawn(yields, NULL, 0, &t[0]);
    if (rc == 0)
        rc = kt_spawn(yields, NULL, 0, &t[1]);
    if (rc == 0)
        rc = kt_as_completed_start(&a, t, 2);
    if (rc == 0)
        rc = kt_as_completed_next(&a, &done);
    if (rc > 0)
        rc = kt_wait(t, 2, KT_WAIT_ALL_COMPLETED, KT_FOREVER);
    kt_as_completed_cleanup(&a);
    kt_task_detach(t[0]);
    kt_task_detach(t[1]);
    return rc;
}

static int passes_items(void *arg)
{
    place *p = arg;
    int n = 0, rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = kt_queue_put(&p->queue, &n);
    while (kt_queue_size(&p->queue) > 0)
        (void)!kt_queue_get_nowait(&p->queue, &n);
    if (rc == 0)
        rc = kt_channel_send(&p->channel, &n);
    return rc < 0 ? rc : kt_channel_receive(&p->channel, &n);
}

static int asks_cache(void *arg)
{
    place *p = arg;
    char key[16];
    kt_auto(kt_cached) hit = KT_CACHED_INIT;
    snprintf(key, sizeof key, "%d", p->number++);
    return kt_cache_get(&p->cache, kt_slice_from(key), &hit);
}

static int takes_lease(void *arg)
{
    place *p = arg;
    kt_auto(kt_lease) lease = KT_LEASE_INIT;
    int rc = kt_resource_pool_acquire(&p->pool, &lease);
    if (rc == 0)
        rc = kt_sleep(KT_MS(1));
    kt_lease_discard(&lease);
    return rc;
}

static int hears_news(void *arg)
{
    place *p = arg;
    kt_auto(kt_subscriber) me = {.max = 1};
    int n = 1, rc = kt_subscriber_open(&me, &p->news);
    if (rc == 0)
        rc = kt_broadcast_send(&p->news, &n);
    return rc < 0 ? rc : kt_subscriber_get(&me, &n);
}

static int keeps_time(void *arg)
{
    place *p = arg;
    int rc = kt_rate_acquire(&p->rate);
    if (rc == 0)
        rc = kt_debouncer_call(&p->debouncer, yields, "x", 1);
    return rc < 0 ? rc : kt_debouncer_flush(&p->debouncer);
}

static const kt_context_var var = {"var"};

static int sets(void *arg)
{
    return kt_context_set(&var, arg);
}

static int changes_context(void *arg)
{
    kt_auto(kt_context) *copy = NULL;
    kt_context_token token;
    kt_task *t = NULL;
    int rc = kt_context_copy(&copy);
    if (rc == 0)
        rc = kt_context_run(copy, sets, arg, 0);
    if (rc == 0)
        rc = kt_context_set_token(&var, arg, &token);
    if (rc == 0)
        rc = kt_context_reset(&token);
    if (rc == 0)
        rc = kt_spawn_with(&(kt_spawn_options){.context = copy}, sets, arg, 0, &t);
    return rc < 0 ? rc : kt_task_join(t);
}

static void nothing(void *arg)
{
    (void)arg;
}

static int uses_threads(void *arg)
{
    place *p = arg;
    kt_task *t = NULL;
    int rc = kt_call_threadsafe(kt_loop_current(), nothing, NULL);
    if (rc == 0)
        rc = kt_thread_pool_abandon(p->threads, fails, "x", 1, NULL);
    if (rc == 0)
        rc = kt_thread_pool_submit(p->threads, fails, "x", 1, &t);
    rc = rc < 0 ? rc : kt_task_join(t);
    return rc == -EIO ? 0 : rc;
}

KT_FN(numbers, a, struct { int to; })
{
    int rc = 0;
    for (int i = 0; i < a->to && rc == 0; i++)
        rc = kt_yield(&i);
    return rc;
}

static int counts(void *arg)
{
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    kt_auto(kt_exit_stack) stack = KT_EXIT_STACK_INIT;
    int n;
    int rc = kt_exit_stack_push(&stack, nothing, arg);
    if (rc == 0)
        rc = kt_generator_start(&g, KT_WITH(numbers, .to = 3));
    while (rc >= 0 && (rc = kt_next(&g, &n)) > 0)
        rc = kt_sleep(0);
    return rc;
}

static int (*const deeds[])(void *) = {spawns,      gathers,    joins_failures, watches,    passes_items,
                                       asks_cache,  takes_lease, hears_news,    keeps_time, changes_context,
                                       uses_threads, counts};

enum { DEEDS = sizeof deeds / sizeof *deeds };

/* ---- And where it is done ------------------------------------------------------------------------------- */

static int fetch(kt_slice key, void *ret_value, void *arg)
{
    (void)key;
    (void)arg;
    *(int *)ret_value = 1;
    return kt_sleep(1);
}

static int make(void **ret_resource, void *arg)
{
    (void)arg;
    int rc = kt_sleep(0);
    void *resource = rc < 0 ? NULL : kt_alloc(100);
    if (!resource)
        return rc < 0 ? rc : -ENOMEM;
    *ret_resource = resource;
    return 0;
}

static void unmake(void *resource, void *arg)
{
    (void)arg;
    kt_free(resource);
}

static void place_open(place *p)
{
    *p = (place){
        .group = KT_GROUP_INIT,
        .queue = KT_QUEUE_INIT(int, 0),
        .channel = KT_CHANNEL_INIT(int, 2),
        .cache = {.value_bytes = sizeof(int), .entries_max = 5, .fetch = fetch},
        .pool = {.max = 2, .create = make, .destroy = unmake},
        .news = KT_BROADCAST_INIT(int),
        .rate = KT_RATE_INIT(2, KT_MS(1)),
        .debouncer = KT_DEBOUNCER_INIT(KT_MS(1)),
    };
    sure(kt_group_spawn(&p->group, yields, NULL, 0)); /* it is the test's */
    sure(kt_resource_pool_open(&p->pool));
    sure(kt_thread_pool_open(&(kt_thread_pool_options){.threads_max = 1}, &p->threads));
}

static void place_close(place *p)
{
    sure(kt_group_join(&p->group, 0));
    kt_queue_release(&p->queue);
    kt_channel_release(&p->channel);
    kt_cache_close(&p->cache);
    kt_resource_pool_cleanup(&p->pool);
    kt_broadcast_cleanup(&p->news);
    kt_rate_release(&p->rate);
    kt_debouncer_cleanup(&p->debouncer);
    kt_thread_pool_close(p->threads);
}

static void empty_channel(place *p)
{
    int n;
    while (kt_channel_receive_nowait(&p->channel, &n) == 0)
        continue;
}

static void do_without_memory(void *arg)
{
    for (unsigned n = 1; n <= POINTS; n++)
        for (size_t i = 0; i < DEEDS; i++) {
            kt_test_fail_allocation(n);
            int rc = deeds[i](arg);
            kt_test_fail_allocation(0);
            CHECK(rc >= 0 || rc == -ENOMEM || rc == -EIO);
            empty_channel(arg);
        }
    sure(kt_sleep(KT_S(1)));
}

TEST(what_fails_without_memory_leaves_nothing_behind)
{
    place p;
    place_open(&p);
    check_no_growth_at_all(5, do_without_memory, &p);
    place_close(&p);
}

static void do_and_give_up(void *arg)
{
    for (int n = 0; n < POINTS; n++)
        for (size_t i = 0; i < DEEDS; i++) {
            kt_task *t = spawn(deeds[i], arg, 0);
            for (int k = 0; k < n; k++)
                sure(kt_sleep(k % 5 == 4 ? 1 : 0));
            kt_task_cancel(t);
            (void)!kt_task_join(t);
            empty_channel(arg);
        }
    sure(kt_sleep(KT_S(1)));
}

TEST(what_is_given_up_leaves_nothing_behind)
{
    place p;
    place_open(&p);
    check_no_growth_at_all(5, do_and_give_up, &p);
    place_close(&p);
}
