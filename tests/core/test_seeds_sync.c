/* SPDX-License-Identifier: MIT */
/* What tasks wait in, in a thousand orders. */
#include "crowd.h"

static const int three[] = {1, 4, 6};

/* ---- Sync objects ------------------------------------------------------------------------ */

typedef struct room {
    kt_lock lock;
    kt_semaphore permits;
    kt_event open;
    int inside, inside_max, visits;
} room;

static int comes_in(room *r, int inside_max)
{
    CHECK_LE(++r->inside, inside_max);
    int rc = kt_sleep(0);
    r->inside--;
    r->visits++;
    return rc;
}

static int locks(void *arg)
{
    const member *m = arg;
    room *r = m->thing;
    int rc = kt_lock_acquire(&r->lock);
    if (rc < 0)
        return rc;
    kt_test_say("in %d", m->number);
    rc = comes_in(r, 1);
    kt_lock_release(&r->lock);
    return rc;
}

static int lock_world(void *arg)
{
    room r = {.lock = KT_LOCK_INIT};
    crowd c;
    (void)arg;
    crowd_start(&c, locks, &r);
    crowd_cancel(&c, three, 3);
    crowd_join(&c, 0, CROWD);
    CHECK_GE(r.visits, c.ended);
    CHECK_GE(c.ended, CROWD - 3);
    return kt_lock_acquire_nowait(&r.lock);
}

TEST_WITH(a_lock_has_one_holder_and_is_free_in_the_end, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, lock_world, NULL);
}

static int takes_permit(void *arg)
{
    const member *m = arg;
    room *r = m->thing;
    int rc = kt_semaphore_acquire(&r->permits);
    if (rc < 0)
        return rc;
    rc = comes_in(r, 2);
    kt_semaphore_release(&r->permits);
    return rc;
}

static int semaphore_world(void *arg)
{
    room r = {.permits = KT_BOUNDED_SEMAPHORE_INIT(2)};
    crowd c;
    (void)arg;
    crowd_start(&c, takes_permit, &r);
    crowd_cancel(&c, three, 3);
    crowd_join(&c, 0, CROWD);
    CHECK_EQ(r.permits.value, 2);
    CHECK_GE(c.ended, CROWD - 3);
    return 0;
}

TEST_WITH(permits_are_neither_lost_nor_made, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, semaphore_world, NULL);
}

static int waits_for_opening(void *arg)
{
    const member *m = arg;
    room *r = m->thing;
    int rc = kt_event_wait(&r->open);
    kt_test_say("%d goes", m->number);
    return rc;
}

static int event_world(void *arg)
{
    room r = {.open = KT_EVENT_INIT};
    crowd c;
    (void)arg;
    crowd_start(&c, waits_for_opening, &r);
    crowd_cancel(&c, three, 3);
    kt_event_set(&r.open);
    kt_event_clear(&r.open); /* those that have begun to wait are woken all the same */
    yield_times(3);
    kt_event_set(&r.open);
    crowd_join(&c, 0, CROWD);
    CHECK_GE(c.ended, CROWD - 3);
    CHECK(!r.open.waiters.first);
    return 0;
}

TEST_WITH(an_event_wakes_all_that_wait, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, event_world, NULL);
}

typedef struct stock {
    kt_condition changed;
    int count, put, taken;
} stock;

static int sells(stock *s)
{
    int rc = kt_condition_acquire(&s->changed);
    if (rc < 0)
        return rc;
    s->count++;
    s->put++;
    kt_condition_notify(&s->changed, 1);
    kt_condition_release(&s->changed);
    return 0;
}

static int buys(void *arg)
{
    const member *m = arg;
    stock *s = m->thing;
    int rc = kt_condition_acquire(&s->changed);
    if (rc < 0)
        return rc;
    while (rc == 0 && s->count == 0)
        rc = kt_condition_wait(&s->changed);
    s->count -= rc == 0;
    s->taken += rc == 0;
    kt_test_say("%d: %d left", m->number, s->count);
    kt_condition_release(&s->changed);
    return rc;
}

/* One piece, and one notification, for each buyer who is not cancelled in the end: were one lost with
 * a buyer who was, another would wait for ever. */
static int condition_world(void *arg)
{
    static const int buyers[] = {0, 3, 4, 1};
    stock s = {.changed = KT_CONDITION_INIT};
    crowd c;
    (void)arg;
    crowd_start(&c, buys, &s);
    yield_times(chance(3));
    for (int i = 0; i < 4; i++) {
        sure(sells(&s));
        yield_times(chance(2));
        kt_task_cancel(c.tasks[buyers[i]]);
    }
    yield_times(4);
    while (s.put < CROWD && s.count == 0 && s.changed.waiters.first) {
        sure(sells(&s));
        yield_times(4);
    }
    crowd_join(&c, 0, CROWD);
    CHECK_EQ(s.count, s.put - s.taken);
    CHECK_EQ(s.taken, c.ended);
    CHECK(!kt_condition_locked(&s.changed));
    return 0;
}

TEST_WITH(a_notification_is_never_lost, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, condition_world, NULL);
}

static int meets(void *arg)
{
    const member *m = arg;
    int rc = kt_barrier_wait(m->thing);
    kt_test_say("%d was number %d", m->number, rc);
    return rc;
}

static int barrier_world(void *arg)
{
    kt_barrier b = KT_BARRIER_INIT(CROWD / 2);
    int places[CROWD / 2] = {0};
    crowd c;
    (void)arg;
    crowd_start(&c, meets, &b);
    crowd_join(&c, 0, CROWD);
    for (int i = 0; i < CROWD; i++)
        places[c.rcs[i]]++;
    for (int i = 0; i < CROWD / 2; i++)
        CHECK_EQ(places[i], 2); /* two rounds, in each every place once */
    CHECK_EQ(kt_barrier_waiting(&b), 0);
    return 0;
}

TEST_WITH(a_barrier_gives_each_place_once_a_round, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, barrier_world, NULL);
}

static int meets_or_breaks(void *arg)
{
    const member *m = arg;
    int rc = kt_barrier_wait(m->thing);
    return rc == KT_EBROKEN ? 1000 : rc;
}

static int broken_barrier_world(void *arg)
{
    kt_barrier b = KT_BARRIER_INIT(3);
    crowd c;
    (void)arg;
    crowd_start(&c, meets_or_breaks, &b);
    crowd_cancel(&c, three, 3);
    yield_times(3);
    kt_barrier_abort(&b);
    crowd_join(&c, 0, CROWD);
    CHECK_EQ(kt_barrier_waiting(&b), 0);
    CHECK_ERR(kt_barrier_wait(&b), KT_EBROKEN);
    kt_barrier_reset(&b);
    CHECK(!kt_barrier_broken(&b));
    return 0;
}

TEST_WITH(a_broken_barrier_keeps_nobody, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, broken_barrier_world, NULL);
}

/* ---- Queues ------------------------------------------------------------------------------ */

enum { ITEMS = 4 };

typedef struct market {
    kt_queue *queue;
    int put, got, sum_put, sum_got, last;
} market;

/* The first half puts, the other takes until the end. */
static int buys_or_sells(void *arg)
{
    const member *m = arg;
    market *w = m->thing;
    int rc = 0, item;
    for (int i = 0; rc == 0 && m->number < CROWD / 2 && i < ITEMS; i++) {
        item = m->number * ITEMS + i;
        rc = kt_queue_put(w->queue, &item);
        w->put += rc == 0;
        w->sum_put += rc == 0 ? item : 0;
    }
    while (rc == 0 && m->number >= CROWD / 2) {
        rc = kt_queue_get(w->queue, &item);
        if (rc < 0)
            break;
        kt_test_say("%d got %d", m->number, item);
        w->got++;
        w->sum_got += item;
        kt_queue_task_done(w->queue);
    }
    return rc == KT_ESHUTDOWN ? 0 : rc;
}

static int market_world(kt_queue *q)
{
    static const int some[] = {0, 5, 2, 7};
    market w = {.queue = q};
    crowd c;
    crowd_start(&c, buys_or_sells, &w);
    crowd_cancel(&c, some, 4);
    crowd_join(&c, 0, CROWD / 2);
    sure(kt_queue_join(q));
    kt_queue_shutdown(q, false);
    crowd_join(&c, CROWD / 2, CROWD);
    CHECK_EQ(w.put, w.got);
    CHECK_EQ(w.sum_put, w.sum_got); /* each item once */
    CHECK_GE(w.got, 2 * ITEMS);
    CHECK_EQ(kt_queue_size(q), 0);
    kt_queue_release(q);
    return 0;
}

static int compares(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static int fifo_world(void *arg)
{
    return market_world(&(kt_queue)KT_QUEUE_INIT(int, *(size_t *)arg));
}

static int lifo_world(void *arg)
{
    return market_world(&(kt_queue)KT_LIFO_QUEUE_INIT(int, *(size_t *)arg));
}

static int priority_world(void *arg)
{
    return market_world(&(kt_queue)KT_PRIORITY_QUEUE_INIT(int, *(size_t *)arg, compares));
}

TEST_WITH(queues_give_each_item_once, KT_TEST_NO_LOOP)
{
    const kt_fn worlds[] = {fifo_world, lifo_world, priority_world};
    for (int i = 0; i < 3; i++) {
        kt_test_seeds(SEEDS, worlds[i], &(size_t){2});
        kt_test_seeds(SEEDS / 4, worlds[i], &(size_t){0});
    }
}

static int takes_one(void *arg)
{
    const member *m = arg;
    int item, rc = kt_queue_get(m->thing, &item);
    return rc < 0 ? rc : item;
}

/* One item for each getter that is not cancelled: were a turn lost with one who was, an item would lie there
 * and another getter sleep. */
static int turn_world(void *arg)
{
    static const int getters[] = {0, 3, 4, 1};
    kt_queue q = KT_QUEUE_INIT(int, 0);
    crowd c;
    int put = 0;
    (void)arg;
    crowd_start(&c, takes_one, &q);
    yield_times(chance(3));
    for (; put < 4; put++) {
        sure(kt_queue_put(&q, &put));
        yield_times(chance(2));
        kt_task_cancel(c.tasks[getters[put]]);
    }
    yield_times(CROWD); /* each who was cancelled with the turn passes it on when it runs */
    for (; q.getters.first && kt_queue_size(&q) == 0; put++) {
        sure(kt_queue_put(&q, &put));
        yield_times(CROWD);
    }
    crowd_join(&c, 0, CROWD);
    CHECK_EQ(kt_queue_size(&q), put - c.ended);
    kt_queue_release(&q);
    return 0;
}

TEST_WITH(a_turn_at_a_queue_is_never_lost, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, turn_world, NULL);
}

static int drops_all(void *arg)
{
    kt_queue q = KT_QUEUE_INIT(int, 2);
    market w = {.queue = &q};
    crowd c;
    (void)arg;
    crowd_start(&c, buys_or_sells, &w);
    yield_times(3);
    kt_queue_shutdown(&q, true);
    crowd_join(&c, 0, CROWD);
    CHECK_LE(w.got, w.put);
    CHECK_EQ(kt_queue_size(&q), 0);
    sure(kt_queue_join(&q));
    kt_queue_release(&q);
    return 0;
}

TEST_WITH(a_queue_that_is_shut_at_once_keeps_nobody, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, drops_all, NULL);
}

/* ---- Futures ----------------------------------------------------------------------------- */

static int awaits_future(void *arg)
{
    const member *m = arg;
    intptr_t result = 0;
    int rc = kt_future_await(m->thing, &result);
    return rc < 0 ? rc : (int)result;
}

static int future_world(void *arg)
{
    kt_future f = KT_FUTURE_INIT;
    crowd c;
    (void)arg;
    crowd_start(&c, awaits_future, &f);
    crowd_cancel(&c, three, 1);
    yield_times(1);
    int set = kt_future_set_result(&f, 7);
    crowd_join(&c, 0, CROWD);
    if (set == 0)
        CHECK_GE(c.ended, CROWD - 1); /* the one was cancelled before it began to wait, or later */
    else
        CHECK(kt_future_cancelled(&f));
    for (int i = 0; i < CROWD; i++)
        CHECK(c.rcs[i] == (set == 0 ? 7 : KT_ECANCELED) || i == three[0]);
    return 0;
}

TEST_WITH(a_future_tells_all_the_same, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, future_world, NULL);
}
