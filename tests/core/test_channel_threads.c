/* SPDX-License-Identifier: MIT */
/* Channels between loops and threads. */
#include "beside.h"

#include <kettle/memory.h>
#include <stdatomic.h>
#include <time.h>

static void skip_sim(void)
{
    const char *driver = getenv("KETTLE_DRIVER");
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("a loop in virtual time does not wait for other threads");
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

/* ---- A thread alone ------------------------------------------------------------------------ */

static kt_channel shared = KT_CHANNEL_INIT(int, 1);

static int sends_one(void *item)
{
    nap();
    return kt_channel_send(&shared, item);
}

TEST_WITH(a_thread_waits_for_an_item_but_not_beyond_its_limit, KT_TEST_NO_LOOP)
{
    int item = 0;
    CHECK_ERR(kt_channel_receive_within(&shared, &item, KT_MS(1)), -ETIMEDOUT);
    pthread_t sender = start(&(kt_job){.fn = sends_one, .arg = &(int){7}});
    CHECK_OK(kt_channel_receive_within(&shared, &item, KT_S(50)));
    CHECK_EQ(item, 7);
    end(sender);
    sender = start(&(kt_job){.fn = sends_one, .arg = &(int){8}});
    CHECK_OK(kt_channel_receive(&shared, &item));
    CHECK_EQ(item, 8);
    end(sender);
    kt_channel_release(&shared);
}

static int receives_one(void *ret_item)
{
    nap();
    return kt_channel_receive(&shared, ret_item);
}

TEST_WITH(a_thread_waits_for_room_but_not_beyond_its_limit, KT_TEST_NO_LOOP)
{
    int items[2] = {0};
    sure(kt_channel_send(&shared, &(int){1}));
    CHECK_ERR(kt_channel_send_within(&shared, &(int){2}, KT_MS(1)), -ETIMEDOUT);
    CHECK_EQ(kt_channel_size(&shared), 1);
    pthread_t receiver = start(&(kt_job){.fn = receives_one, .arg = &items[0]});
    CHECK_OK(kt_channel_send_within(&shared, &(int){3}, KT_S(50)));
    end(receiver);
    CHECK_OK(kt_channel_receive(&shared, &items[1]));
    CHECK_EQ(items[0], 1);
    CHECK_EQ(items[1], 3); /* what was not sent in time never came */
    kt_channel_release(&shared);
}

static int shuts_down(void *immediate)
{
    nap();
    kt_channel_shutdown(&shared, *(bool *)immediate);
    return 0;
}

TEST_WITH(a_shutdown_ends_a_threads_waiting, KT_TEST_NO_LOOP)
{
    int item;
    pthread_t other = start(&(kt_job){.fn = shuts_down, .arg = &(bool){false}});
    CHECK_ERR(kt_channel_receive(&shared, &item), KT_ESHUTDOWN);
    end(other);
    kt_channel_release(&shared);
}

/* ---- On its way: another thread serves a task, whose loop has not looked yet -------------------- */

static int receives_now(void *c)
{
    int item;
    return kt_channel_receive_nowait(c, &item);
}

static int shuts_now(void *c)
{
    kt_channel_shutdown(c, false);
    return 0;
}

static int receives_then_sleeps(void *c)
{
    int item = 0;
    CHECK_OK(kt_channel_receive(c, &item));
    CHECK_EQ(item, 5);
    return kt_sleep(KT_S(1));
}

TEST(an_item_on_its_way_wins_over_a_cancellation)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 1);
    kt_task *t = spawn(receives_then_sleeps, &c, 0);
    yield_times(1);
    elsewhere(sends_five, &c);
    CHECK(kt_task_cancel(t));
    CHECK(kt_task_cancel(t));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED); /* from its sleep */
    CHECK_EQ(kt_channel_size(&c), 0);
}

static int sends_then_sleeps(void *c)
{
    CHECK_OK(kt_channel_send(c, &(int){6}));
    return kt_sleep(KT_S(1));
}

TEST(an_item_taken_by_another_thread_is_sent)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 1);
    int item = 0;
    sure(kt_channel_send(&c, &(int){5}));
    kt_task *t = spawn(sends_then_sleeps, &c, 0);
    yield_times(1);
    elsewhere(receives_now, &c);
    CHECK(kt_task_cancel(t));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_OK(kt_channel_receive_nowait(&c, &item));
    CHECK_EQ(item, 6);
}

static int receives(void *c)
{
    int item;
    return kt_channel_receive(c, &item);
}

TEST(another_thread_shuts_it_down)
{
    kt_auto(kt_channel) c = KT_CHANNEL_INIT(int, 1);
    kt_task *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = spawn(receives, &c, 0);
    yield_times(1);
    elsewhere(shuts_now, &c);
    for (int i = 0; i < 3; i++)
        CHECK_ERR(kt_task_join(tasks[i]), KT_ESHUTDOWN);
}

/* ---- All together: in a task and on a thread these are the same ------------------------------ */

enum { PRODUCERS = 8, ITEMS_EACH = 12500, TASKS = 3 };

typedef struct ticket {
    int producer, number;
} ticket;

static kt_channel market = KT_CHANNEL_INIT(ticket, 8);
static atomic_int producers;     /* numbers given out */
static atomic_int producers_done;
static atomic_long count, sum;

static int produces(void *arg)
{
    (void)arg;
    ticket t = {.producer = atomic_fetch_add(&producers, 1)};
    for (t.number = 1; t.number <= ITEMS_EACH; t.number++)
        sure(kt_channel_send(&market, &t));
    if (atomic_fetch_add(&producers_done, 1) + 1 == PRODUCERS)
        kt_channel_shutdown(&market, false);
    return 0;
}

static int consumes(void *arg)
{
    int last[PRODUCERS] = {0}, rc;
    ticket t;
    (void)arg;
    while ((rc = kt_channel_receive(&market, &t)) == 0) {
        CHECK_GT(t.number, last[t.producer]); /* each producer's in its order */
        last[t.producer] = t.number;
        atomic_fetch_add(&count, 1);
        atomic_fetch_add(&sum, t.number);
    }
    CHECK_ERR(rc, KT_ESHUTDOWN);
    return 0;
}

static int many(void *arg)
{
    (void)arg;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    for (int i = 0; i < TASKS && rc == 0; i++) {
        rc = kt_group_spawn(&g, produces, NULL, 0);
        if (rc == 0)
            rc = kt_group_spawn(&g, consumes, NULL, 0);
    }
    return kt_group_join(&g, rc);
}

static int in_loop(void *fn)
{
    return kt_run(*(kt_fn *)fn, NULL, 0);
}

TEST_WITH(every_item_arrives_once_and_in_order_at_loops_and_threads, KT_TEST_NO_LOOP)
{
    skip_sim();
    kt_job jobs[] = {{.fn = produces}, {.fn = produces}, {.fn = consumes},
                     {.fn = consumes}, {.fn = in_loop, .arg = &(kt_fn){many}}};
    pthread_t threads[5];
    for (int i = 0; i < 5; i++)
        threads[i] = start(&jobs[i]);
    sure(kt_run(many, NULL, 0));
    for (int i = 0; i < 5; i++)
        end(threads[i]);
    CHECK_EQ(atomic_load(&count), PRODUCERS * ITEMS_EACH);
    CHECK_EQ(atomic_load(&sum), (long)PRODUCERS * ITEMS_EACH * (ITEMS_EACH + 1) / 2);
    kt_channel_release(&market);
}

/* ---- A storm of cancellations and timeouts ------------------------------------------------- */

enum { STORM_ITEMS = 20000, STORM_TASKS = 6 };

typedef struct storm {
    kt_channel a, b;
    kt_queue own; /* of the loop that receives */
    atomic_int feeders;
    kt_task *tasks[STORM_TASKS];
    int received;
    long total;
    unsigned random;
} storm;

static unsigned roll(storm *s, unsigned sides)
{
    s->random = s->random * 1103515245 + 12345;
    return (s->random >> 16) % sides;
}

static int feeds(void *arg)
{
    storm *s = arg;
    for (int i = 1; i <= STORM_ITEMS; i++)
        sure(kt_channel_send(i % 3 ? &s->a : &s->b, &i));
    if (atomic_fetch_sub(&s->feeders, 1) == 1) {
        kt_channel_shutdown(&s->a, false);
        kt_channel_shutdown(&s->b, false);
    }
    return 0;
}

/* Counts an item if it came, and takes a cancellation back. */
static void took(storm *s, int rc, int item)
{
    if (rc == 0) {
        s->received++;
        s->total += item;
    }
    (void)kt_cancel_catch();
}

static int receives_in_storm(void *arg)
{
    storm *s = arg;
    int rc;
    do {
        int item;
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        kt_timeout_start(&limit, KT_US(roll(s, 60)));
        rc = kt_timeout_end(&limit, kt_channel_receive(roll(s, 2) ? &s->a : &s->b, &item));
        took(s, rc, item);
    } while (rc == 0 || kt_is_cancel(rc));
    return rc == KT_ESHUTDOWN ? 0 : rc;
}

static int selects_in_storm(void *arg)
{
    storm *s = arg;
    bool over = false;
    while (!over) {
        int item;
        kt_select_case cases[] = {
            kt_select_get(&s->own, &item),
            kt_select_receive(&s->a, &item),
            kt_select_receive(&s->b, &item),
            kt_select_after(KT_US(roll(s, 60))),
        };
        int which = kt_select(cases, 4);
        took(s, which == 3 ? -1 : which < 0 ? which : cases[which].rc, item);
        over = which >= 0 && cases[which].rc == KT_ESHUTDOWN;
    }
    return 0;
}

static int feeds_own(void *arg)
{
    storm *s = arg;
    for (int i = 1; i <= STORM_ITEMS; i++)
        sure(kt_queue_put(&s->own, &i));
    return 0;
}

static int cancels(void *arg)
{
    storm *s = arg;
    for (int rc = 0; rc == 0; rc = kt_sleep(KT_US(roll(s, 100))))
        kt_task_cancel(s->tasks[roll(s, STORM_TASKS)]);
    return 0;
}

static int sleeps_through(storm *s, kt_fn fn, kt_fn own)
{
    kt_task *canceller = NULL, *feeder = own ? spawn(own, s, 0) : NULL;
    for (int i = 0; i < STORM_TASKS; i++)
        s->tasks[i] = spawn(fn, s, 0);
    canceller = spawn(cancels, s, 0);
    for (int i = 0; i < STORM_TASKS; i++) {
        while (!kt_task_done(s->tasks[i]))
            sure(kt_sleep(KT_MS(1)));
    }
    kt_task_cancel(canceller);
    sure(kt_task_join(canceller));
    for (int i = 0; i < STORM_TASKS; i++) {
        int rc = kt_task_join(s->tasks[i]);
        CHECK(rc == 0 || rc == KT_ECANCELED); /* the latter: one more came than it saw */
    }
    if (feeder) {
        int item; /* what the queue still holds, its feeder included */
        while (!kt_task_done(feeder) || kt_queue_size(&s->own) > 0) {
            int rc = kt_queue_get(&s->own, &item);
            took(s, rc, item);
        }
        sure(kt_task_join(feeder));
    }
    return 0;
}

static void weather(kt_fn fn, kt_fn own)
{
    storm s = {.a = KT_CHANNEL_INIT(int, 2), .b = KT_CHANNEL_INIT(int, 2), .own = KT_QUEUE_INIT(int, 2), .random = 7};
    kt_job feed = {.fn = feeds, .arg = &s};
    pthread_t threads[2];
    atomic_init(&s.feeders, 2);
    for (int i = 0; i < 2; i++)
        threads[i] = start(&feed);
    sure(sleeps_through(&s, fn, own));
    for (int i = 0; i < 2; i++)
        end(threads[i]);
    int feeders = own ? 3 : 2, item;
    while (kt_channel_receive_nowait(&s.a, &item) == 0 || kt_channel_receive_nowait(&s.b, &item) == 0)
        took(&s, 0, item); /* whoever saw one channel's end left the other's items */
    CHECK_EQ(s.received, feeders * STORM_ITEMS);
    CHECK_EQ(s.total, (long)feeders * STORM_ITEMS * (STORM_ITEMS + 1) / 2);
    kt_channel_release(&s.a);
    kt_channel_release(&s.b);
    kt_queue_release(&s.own);
}

TEST_WITH(no_item_is_lost_in_a_storm_of_cancellations, KT_TEST_REAL_TIME)
{
    weather(receives_in_storm, NULL);
}

TEST_WITH(no_item_is_lost_where_selects_are_cancelled, KT_TEST_REAL_TIME)
{
    weather(selects_in_storm, feeds_own);
}

/* ---- Ends ---------------------------------------------------------------------------------- */

static atomic_int sent_total, received_total;

static int sends_until_shut(void *c)
{
    int rc;
    while ((rc = kt_channel_send(c, &(int){1})) == 0)
        atomic_fetch_add(&sent_total, 1);
    return rc == KT_ESHUTDOWN || kt_is_cancel(rc) ? 0 : rc;
}

static int receives_until_shut(void *c)
{
    int rc, item;
    while ((rc = kt_channel_receive(c, &item)) == 0)
        atomic_fetch_add(&received_total, 1);
    return rc == KT_ESHUTDOWN || kt_is_cancel(rc) ? 0 : rc;
}

static int shuts_amid(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < 3; i++) {
        sure(kt_group_spawn(&g, sends_until_shut, arg, 0));
        sure(kt_group_spawn(&g, receives_until_shut, arg, 0));
    }
    sure(kt_sleep(KT_US(atomic_load(&received_total) % 500)));
    kt_channel_shutdown(arg, false);
    return kt_group_join(&g, 0);
}

TEST_WITH(what_was_sent_before_a_shutdown_is_received, KT_TEST_NO_LOOP)
{
    skip_sim();
    for (int round = 0; round < 50; round++) {
        kt_channel c = KT_CHANNEL_INIT(int, 2);
        kt_job jobs[] = {{.fn = sends_until_shut, .arg = &c}, {.fn = receives_until_shut, .arg = &c}};
        pthread_t threads[] = {start(&jobs[0]), start(&jobs[1])};
        sure(kt_run(shuts_amid, &c, 0));
        end(threads[0]);
        end(threads[1]);
        CHECK_EQ(kt_channel_size(&c), 0);
        CHECK_EQ(atomic_load(&sent_total), atomic_load(&received_total));
        kt_channel_release(&c);
    }
}

static int leaves_receivers(void *c)
{
    for (int i = 0; i < 4; i++)
        kt_task_detach(spawn(receives_until_shut, c, 0));
    return kt_sleep(KT_US(atomic_load(&received_total) % 500));
}

TEST_WITH(a_loop_that_ends_amid_loses_no_item, KT_TEST_NO_LOOP)
{
    skip_sim();
    kt_channel c = KT_CHANNEL_INIT(int, 2);
    pthread_t sender = start(&(kt_job){.fn = sends_until_shut, .arg = &c});
    for (int round = 0; round < 100; round++)
        sure(kt_run(leaves_receivers, &c, 0));
    kt_channel_shutdown(&c, false);
    end(sender);
    CHECK_EQ(atomic_load(&sent_total), atomic_load(&received_total) + (int)kt_channel_size(&c));
    kt_channel_release(&c);
}

static int sends_last(void *c)
{
    return kt_channel_send(c, &(int){1});
}

static int receives_last(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        kt_channel *c = kt_alloc(sizeof *c);
        int item;
        CHECK(c != NULL);
        *c = (kt_channel)KT_CHANNEL_INIT(int, 1);
        pthread_t sender = start(&(kt_job){.fn = sends_last, .arg = c});
        sure(kt_channel_receive(c, &item));
        kt_channel_release(c); /* the sender may be in its call still */
        kt_free(c);
        end(sender);
    }
    return 0;
}

TEST_WITH(who_receives_the_last_item_may_release_the_channel, KT_TEST_NO_LOOP)
{
    skip_sim();
    sure(receives_last(NULL));
    CHECK_OK(kt_run(receives_last, NULL, 0));
}
