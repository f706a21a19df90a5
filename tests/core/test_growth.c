/* SPDX-License-Identifier: MIT */
/* A loop, and what its tasks share, take no more memory for all that they have done. */
#include "growth_jobs.h"
#include "../growth.h"
#include "sure.h"

#include <kettle/context.h>

static int sleeps(void *arg)
{
    (void)arg;
    return kt_sleep(KT_S(10));
}

/* ---- Tasks and groups ------------------------------------------------------------------------ */

static void spawn_all_ways(void *arg)
{
    kt_task *t;
    (void)arg;
    sure(kt_spawn(succeeds, NULL, 0, &t));
    kt_task_detach(t);
    sure(kt_spawn(yields, NULL, 0, &t));
    sure(kt_task_await(t));
    sure(kt_task_join(t));
    sure(kt_spawn_with(&(kt_spawn_options){.name = "a name", .eager = true}, sleeps, NULL, 0, &t));
    CHECK(kt_task_cancel_with(t, "words"));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    sure(kt_spawn(fails, NULL, 0, &t));
    CHECK_ERR(kt_task_join(t), -EIO);
}

TEST(tasks_that_have_ended_take_no_memory)
{
    check_no_growth(100, spawn_all_ways, NULL);
}

static void add_children(void *group)
{
    kt_task *t;
    sure(kt_group_spawn(group, succeeds, NULL, 0));
    sure(kt_group_spawn(group, yields, NULL, 0));
    sure(kt_group_spawn_with(group, NULL, sleeps, NULL, 0, &t));
    kt_task_detach(t);
    sure(kt_sleep(0));
    CHECK(kt_task_cancel(t));
    yield_times(3);
}

TEST(a_group_that_goes_on_does_not_keep_children_without_handles)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, sleeps, NULL, 0));
    check_no_growth(100, add_children, &g);
    CHECK_OK(kt_group_join(&g, 0));
}

static int has_failing_children(void *arg)
{
    (void)arg;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, fails, NULL, 0));
    sure(kt_group_spawn(&g, fails, NULL, 0));
    return kt_group_join(&g, 0);
}

static void join_failures(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    (void)arg;
    sure(kt_group_spawn(&g, has_failing_children, NULL, 0));
    CHECK_ERR(kt_group_join(&g, 0), -EIO);
    CHECK_EQ(kt_group_failures().count, 1);
}

TEST(a_task_keeps_the_failures_of_its_last_group_only)
{
    check_no_growth(100, join_failures, NULL);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* What waits for a task that goes on, and gives up, or goes on to somebody else. */
static void watch_task(void *task)
{
    kt_task *t = task, *other = spawn(yields, NULL, 0), *first = NULL;
    kt_auto(kt_as_completed) a = KT_AS_COMPLETED_INIT;
    kt_auto(kt_callback) c = KT_CALLBACK_INIT;
    sure(kt_as_completed_start(&a, (kt_task *[]){t, other}, 2));
    kt_task_on_done(t, &c, nothing, NULL);
    CHECK_EQ(kt_wait((kt_task *[]){t, other}, 2, KT_WAIT_FIRST_COMPLETED, KT_FOREVER), 1);
    CHECK_EQ(kt_as_completed_next(&a, &first), 1);
    CHECK(first == other);
    CHECK_EQ(kt_wait(&t, 1, KT_WAIT_ALL_COMPLETED, 1), 0);
    kt_select_case cases[] = {kt_select_task(t), kt_select_after(1)};
    CHECK_EQ(kt_select(cases, 2), 1);
    kt_as_completed_cleanup(&a);
    sure(kt_task_join(other));
}

static int shields(void *task)
{
    return kt_shield(task);
}

static void shield_task(void *task)
{
    CHECK_ERR(kt_wait_for(1, shields, task, 0), KT_ETIMEDOUT);
}

static int sleeps_a_day(void *arg)
{
    (void)arg;
    return kt_sleep(KT_S(86400));
}

TEST(a_task_that_goes_on_does_not_keep_those_who_waited_for_it)
{
    kt_task *t = spawn(sleeps_a_day, NULL, 0);
    check_no_growth(100, watch_task, t);
    check_no_growth(100, shield_task, t);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
}

static void gather_and_race(void *arg)
{
    const kt_job jobs[] = {{yields, NULL, 0}, {fails, NULL, 0}, {sleeps, NULL, 0}};
    int rcs[3];
    size_t winner;
    (void)arg;
    CHECK_ERR(kt_gather(jobs, 3, NULL), -EIO);
    sure(kt_sleep(KT_S(20))); /* the one that sleeps goes on */
    CHECK_OK(kt_gather(jobs, 2, rcs));
    CHECK_OK(kt_staggered_race(jobs, 3, KT_S(1), rcs, &winner));
    CHECK_ERR(kt_wait_for(1, sleeps, NULL, 0), KT_ETIMEDOUT);
}

TEST(gathers_and_races_that_are_over_take_no_memory)
{
    check_no_growth(100, gather_and_race, NULL);
}

KT_FN(numbers, a, struct { int to; })
{
    int rc = 0;
    for (int i = 0; i < a->to && rc == 0; i++)
        rc = kt_yield(&i);
    return rc;
}

static void use_generator(void *arg)
{
    kt_auto(kt_generator) g = KT_GENERATOR_INIT(int);
    int n;
    (void)arg;
    sure(kt_generator_start(&g, KT_WITH(numbers, .to = 4)));
    CHECK_EQ(kt_next(&g, &n), 1);
    CHECK_EQ(kt_next(&g, &n), 1); /* and leaves it in the middle */
}

TEST(generators_that_are_over_take_no_memory)
{
    check_no_growth(100, use_generator, NULL);
}

/* ---- Timers, callbacks, context ---------------------------------------------------------------- */

static void use_timers(void *arg)
{
    kt_callback c[4] = {KT_CALLBACK_INIT, KT_CALLBACK_INIT, KT_CALLBACK_INIT, KT_CALLBACK_INIT};
    kt_auto(kt_timeout) t = KT_TIMEOUT_INIT;
    (void)arg;
    kt_call_soon(&c[0], nothing, NULL);
    kt_call_later(&c[1], 1, nothing, NULL);
    kt_call_later(&c[2], KT_S(10), nothing, NULL);
    kt_call_at(&c[3], KT_FOREVER, nothing, NULL);
    kt_timeout_start(&t, KT_S(100));
    kt_timeout_reschedule(&t, kt_now() + KT_S(200));
    sure(kt_sleep(2));
    CHECK_EQ(kt_timeout_end(&t, 0), 0);
    CHECK(kt_callback_cancel(&c[2]));
    CHECK(kt_callback_cancel(&c[3]));
    sure(kt_call_threadsafe(kt_loop_current(), nothing, NULL));
    yield_times(2);
}

TEST(timers_and_callbacks_that_are_over_take_no_memory)
{
    check_no_growth(200, use_timers, NULL);
}

static const kt_context_var var = {"var"}, other_var = {"other"};

static int sets(void *arg)
{
    int rc = kt_context_set(&var, arg);
    return rc < 0 ? rc : kt_context_set(&other_var, arg);
}

static void use_context(void *arg)
{
    kt_auto(kt_callback) c = KT_CALLBACK_INIT;
    kt_auto(kt_context) *copy = NULL;
    kt_context_token token;
    sure(kt_context_copy(&copy));
    sure(kt_context_run(copy, sets, arg, 0));
    sure(kt_task_join(spawn(sets, arg, 0)));
    kt_call_later(&c, KT_S(10), nothing, NULL);
    sure(kt_context_set_token(&var, arg, &token));
    sure(sets(arg));
    sure(kt_context_reset(&token));
}

TEST(values_that_are_set_in_copies_and_children_take_no_more_and_more_memory)
{
    int x;
    check_no_growth(100, use_context, &x);
}

/* ---- What tasks share -------------------------------------------------------------------------- */

typedef struct shared {
    kt_queue few, many, lifo, sorted;
    kt_channel channel;
    kt_lock lock;
    kt_event event;
    kt_semaphore semaphore;
    kt_condition condition;
    kt_barrier barrier;
    kt_future future;
} shared;

static int by_number(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

#define SHARED \
    { \
        KT_QUEUE_INIT(int, 1), KT_QUEUE_INIT(int, 0), KT_LIFO_QUEUE_INIT(int, 0), \
            KT_PRIORITY_QUEUE_INIT(int, 0, by_number), KT_CHANNEL_INIT(int, 1), KT_LOCK_INIT, KT_EVENT_INIT, \
            KT_SEMAPHORE_INIT(0), KT_CONDITION_INIT, KT_BARRIER_INIT(2), KT_FUTURE_INIT \
    }

static int takes(void *arg)
{
    int n;
    return kt_queue_get(&((shared *)arg)->few, &n);
}

static int receives(void *arg)
{
    int n;
    return kt_channel_receive(&((shared *)arg)->channel, &n);
}

static int locks(void *arg)
{
    return kt_lock_acquire(&((shared *)arg)->lock);
}

static int waits_for_event(void *arg)
{
    return kt_event_wait(&((shared *)arg)->event);
}

static int takes_permit(void *arg)
{
    return kt_semaphore_acquire(&((shared *)arg)->semaphore);
}

static int waits_for_condition(void *arg)
{
    kt_condition *c = &((shared *)arg)->condition;
    int rc = kt_condition_acquire(c);
    if (rc < 0)
        return rc;
    rc = kt_condition_wait(c);
    kt_condition_release(c);
    return rc;
}

static int waits_at_barrier(void *arg)
{
    return kt_barrier_wait(&((shared *)arg)->barrier);
}

static int selects(void *arg)
{
    shared *s = arg;
    int n;
    kt_select_case cases[] = {kt_select_get(&s->few, &n),     kt_select_receive(&s->channel, &n),
                              kt_select_event(&s->event),     kt_select_future(&s->future),
                              kt_select_semaphore(&s->semaphore)};
    return kt_select(cases, sizeof cases / sizeof *cases);
}

static void wait_in_vain(void *arg)
{
    static int (*const waits[])(void *) = {takes,        receives,            locks,           waits_for_event,
                                           takes_permit, waits_for_condition, waits_at_barrier, selects};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        CHECK_ERR(kt_wait_for(1, waits[i], arg, 0), KT_ETIMEDOUT);
        kt_task *t = spawn(waits[i], arg, 0);
        sure(kt_sleep(0));
        CHECK(kt_task_cancel(t));
        CHECK_ERR(kt_task_join(t), KT_ECANCELED);
        kt_barrier_reset(&((shared *)arg)->barrier);
    }
}

TEST(waits_in_vain_take_no_memory)
{
    shared s = SHARED;
    sure(kt_lock_acquire(&s.lock));
    check_no_growth(50, wait_in_vain, &s);
    kt_lock_release(&s.lock);
    kt_queue_release(&s.few);
    kt_channel_release(&s.channel);
}

static void pass_items(void *arg)
{
    shared *s = arg;
    kt_queue *const unbounded[] = {&s->many, &s->lifo, &s->sorted};
    for (int i = 0, n; i < 30; i++)
        for (size_t k = 0; k < 3; k++) {
            sure(kt_queue_put_nowait(unbounded[k], &i));
            sure(kt_queue_put_nowait(unbounded[k], &i));
            sure(kt_queue_get(unbounded[k], &n));
            sure(kt_queue_get(unbounded[k], &n));
        }
    kt_task *get = spawn(takes, s, 0), *receive = spawn(receives, s, 0);
    sure(kt_sleep(0));
    sure(kt_queue_put(&s->few, &(int){1}));
    sure(kt_channel_send(&s->channel, &(int){1}));
    sure(kt_task_join(get));
    sure(kt_task_join(receive));
}

TEST(items_that_have_been_taken_take_no_memory)
{
    shared s = SHARED;
    check_no_growth(50, pass_items, &s);
    kt_queue_release(&s.few);
    kt_queue_release(&s.many);
    kt_queue_release(&s.lifo);
    kt_queue_release(&s.sorted);
    kt_channel_release(&s.channel);
}

static void subscribe_and_leave(void *broadcast)
{
    kt_auto(kt_subscriber) me = {.max = 2, .when_full = KT_FULL_DROP_OLDEST};
    int n;
    sure(kt_subscriber_open(&me, broadcast));
    for (int i = 0; i < 5; i++)
        sure(kt_broadcast_send(broadcast, &i));
    sure(kt_subscriber_get(&me, &n));
    CHECK_EQ(n, 3);
}

TEST(listeners_that_have_left_a_broadcast_take_no_memory)
{
    kt_auto(kt_broadcast) news = KT_BROADCAST_INIT(int);
    kt_auto(kt_subscriber) slow = {.max = 4, .when_full = KT_FULL_DROP_NEWEST};
    sure(kt_subscriber_open(&slow, &news));
    check_no_growth(100, subscribe_and_leave, &news);
}
