/* SPDX-License-Identifier: MIT */
/* The patterns, in a thousand orders. */
#include "crowd.h"

static const int some[] = {1, 2, 5};

/* ---- Broadcast --------------------------------------------------------------------------- */

enum { SENDERS = 3 };

typedef struct station {
    kt_broadcast news;
    int sent, orders[CROWD][SENDERS], counts[CROWD];
} station;

static int listens_or_sends(void *arg)
{
    const member *m = arg;
    station *w = m->thing;
    kt_auto(kt_subscriber) s = {.max = 1};
    int item, rc;
    if (m->number < SENDERS) {
        rc = kt_sleep(KT_MS(1));
        if (rc == 0)
            rc = kt_broadcast_send(&w->news, &m->number);
        w->sent += rc >= 0;
        return rc;
    }
    sure(kt_subscriber_open(&s, &w->news));
    while ((rc = kt_subscriber_get(&s, &item)) == 0) {
        kt_test_say("%d hears %d", m->number, item);
        w->orders[m->number][w->counts[m->number]++] = item;
        rc = kt_sleep(0);
        if (rc < 0)
            break;
    }
    return rc == KT_ESHUTDOWN ? 0 : rc;
}

static int broadcast_world(void *arg)
{
    station w = {.news = KT_BROADCAST_INIT(int)};
    crowd c;
    (void)arg;
    crowd_start(&c, listens_or_sends, &w);
    sure(kt_sleep(KT_MS(1)));
    crowd_cancel(&c, some, 3);
    crowd_join(&c, 0, SENDERS);
    kt_broadcast_shutdown(&w.news);
    crowd_join(&c, SENDERS, CROWD);
    for (int i = SENDERS; i < CROWD; i++) {
        CHECK(i == 5 || w.counts[i] == w.sent);
        CHECK_MEM(w.orders[i], w.orders[3], (size_t)(i == 5 ? 0 : w.counts[i]) * sizeof(int));
    }
    kt_broadcast_cleanup(&w.news);
    return 0;
}

TEST_WITH(all_listeners_hear_the_same, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, broadcast_world, NULL);
}

/* ---- Cache ------------------------------------------------------------------------------- */

static int fetches(kt_slice key, void *ret_value, void *arg)
{
    int rc = kt_sleep(KT_MS(1));
    if (rc < 0)
        return rc;
    *(int *)ret_value = key.data[0];
    ++*(int *)arg;
    return 0;
}

static int looks_up(void *arg)
{
    const member *m = arg;
    kt_auto(kt_cached) hit = KT_CACHED_INIT;
    int rc = kt_cache_get(m->thing, kt_slice_from(m->number % 2 ? "a" : "b"), &hit);
    if (rc == 0)
        CHECK_EQ(*(const int *)hit.value, m->number % 2 ? 'a' : 'b');
    return rc;
}

static int cache_world(void *arg)
{
    int fetched = 0;
    kt_auto(kt_cache) cache = {.value_bytes = sizeof(int), .fetch = fetches, .arg = &fetched};
    crowd c;
    (void)arg;
    crowd_start(&c, looks_up, &cache);
    crowd_cancel(&c, some, 3);
    crowd_join(&c, 0, CROWD);
    CHECK_GE(c.ended, CROWD - 3);
    CHECK_EQ(fetched, 2); /* each once, however many asked */
    CHECK_EQ(cache.count, 2);
    return 0;
}

TEST_WITH(each_key_is_fetched_once, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, cache_world, NULL);
}

/* ---- Pool of resources ---------------------------------------------------------------------- */

typedef struct plant {
    kt_resource_pool pool;
    int alive, lent;
} plant;

static int creates(void **ret_resource, void *arg)
{
    plant *p = arg;
    int rc = kt_sleep(0);
    if (rc < 0)
        return rc;
    CHECK_LE(++p->alive, 2);
    *ret_resource = p;
    return 0;
}

static void destroys(void *resource, void *arg)
{
    (void)resource;
    sure(kt_sleep(0));
    ((plant *)arg)->alive--;
}

static int borrows(void *arg)
{
    const member *m = arg;
    plant *p = m->thing;
    kt_auto(kt_lease) lease = KT_LEASE_INIT;
    int rc = kt_resource_pool_acquire(&p->pool, &lease);
    if (rc < 0)
        return rc;
    CHECK_LE(++p->lent, 2);
    rc = kt_sleep(0);
    p->lent--;
    kt_test_say("%d had one", m->number);
    if (m->number % 3 == 0)
        kt_lease_discard(&lease);
    return rc;
}

static int pool_world(void *arg)
{
    plant p = {.pool = {.create = creates, .destroy = destroys, .max = 2}};
    crowd c;
    (void)arg;
    p.pool.arg = &p;
    sure(kt_resource_pool_open(&p.pool));
    crowd_start(&c, borrows, &p);
    crowd_cancel(&c, some, 3);
    crowd_join(&c, 0, CROWD);
    CHECK_GE(c.ended, CROWD - 3);
    kt_lease leases[2] = {KT_LEASE_INIT, KT_LEASE_INIT};
    for (int i = 0; i < 2; i++)
        sure(kt_resource_pool_acquire(&p.pool, &leases[i])); /* all are to be had */
    for (int i = 0; i < 2; i++)
        kt_lease_release(&leases[i]);
    sure(kt_resource_pool_close(&p.pool));
    CHECK_EQ(p.alive, 0);
    return 0;
}

TEST_WITH(a_pool_lends_no_more_than_it_has, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, pool_world, NULL);
}

/* ---- Pipeline ---------------------------------------------------------------------------- */

typedef struct line {
    kt_pipeline p;
    kt_stage stages[2];
    int put, worked, dropped;
} line;

static int passes_on(kt_stage *s, void *item, void *arg)
{
    line *w = arg;
    int rc = kt_sleep(0);
    if (rc == 0)
        rc = kt_stage_emit(s, item);
    w->dropped += rc < 0;
    return rc;
}

static int works(kt_stage *s, void *item, void *arg)
{
    (void)s;
    kt_test_say("item %d", *(int *)item);
    ((line *)arg)->worked++;
    return 0;
}

static void gives_up(void *item, void *arg)
{
    (void)item;
    ((line *)arg)->dropped++;
}

static int feeds(void *arg)
{
    const member *m = arg;
    line *w = m->thing;
    int rc = 0;
    for (int i = 0; rc == 0 && i < 3; i++) {
        rc = kt_pipeline_put(&w->p, &m->number);
        w->put += rc == 0;
    }
    return rc == KT_ESHUTDOWN ? 0 : rc;
}

/* The whole is worked off, or ended in the middle: each item is worked on or given up, once. */
static int pipeline_world(void *arg)
{
    line w = {.p = KT_PIPELINE_INIT};
    crowd c;
    w.stages[0] = (kt_stage){.run = passes_on, .drop = gives_up, .arg = &w, .item_bytes = sizeof(int),
                             .workers = 2, .waiting_max = 2};
    w.stages[1] = (kt_stage){.run = works, .drop = gives_up, .arg = &w, .item_bytes = sizeof(int),
                             .workers = 2, .waiting_max = 1};
    sure(kt_pipeline_start(&w.p, w.stages, 2));
    crowd_start(&c, feeds, &w);
    crowd_cancel(&c, some, 3);
    if (!arg)
        crowd_join(&c, 0, CROWD);
    int rc = kt_pipeline_join(&w.p, arg ? -EIO : 0);
    CHECK_EQ(rc, arg ? -EIO : 0);
    if (arg)
        crowd_join(&c, 0, CROWD);
    CHECK_EQ(w.worked + w.dropped, w.put);
    CHECK(arg || w.dropped == 0);
    return 0;
}

TEST_WITH(each_item_is_worked_on_or_given_up_once, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, pipeline_world, NULL);
    kt_test_seeds(SEEDS, pipeline_world, &(int){1});
}

static int takes_long(kt_stage *s, void *item, void *arg)
{
    (void)s;
    (void)item;
    (void)arg;
    return kt_sleep(KT_S(3));
}

static int puts_all(void *pipeline)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < 9; i++)
        rc = kt_pipeline_put(pipeline, &i);
    return rc;
}

static void cancel_worker(kt_task *t, void *arg)
{
    (void)arg;
    if (strcmp(kt_task_name(t), "stage") == 0)
        kt_task_cancel(t);
}

/* Who puts is woken by the last worker's end, and has its turn before the one who joins, or after. */
static int early_join_world(void *arg)
{
    kt_stage stage = {.run = takes_long, .item_bytes = sizeof(int), .waiting_max = 1};
    kt_auto(kt_pipeline) p = KT_PIPELINE_INIT;
    (void)arg;
    sure(kt_pipeline_start(&p, &stage, 1));
    kt_task *t = spawn(puts_all, &p, 0);
    sure(kt_sleep(KT_S(1)));
    kt_task_each(cancel_worker, NULL);
    yield_times(chance(4));
    CHECK_ERR(kt_pipeline_join(&p, -EIO), -EIO);
    kt_test_say("joined");
    CHECK_ERR(kt_task_join(t), KT_ESHUTDOWN);
    return 0;
}

TEST_WITH(a_pipeline_outlasts_whoever_puts, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, early_join_world, NULL);
}

/* ---- Rates, debouncers, breakers ------------------------------------------------------------- */

typedef struct limits {
    kt_rate rate;
    kt_bucket bucket;
    int starts, taken;
    kt_time at[CROWD];
} limits;

static int starts(void *arg)
{
    const member *m = arg;
    limits *l = m->thing;
    int rc = kt_rate_acquire(&l->rate);
    if (rc < 0)
        return rc;
    l->at[l->starts++] = kt_now();
    kt_test_say("%d starts", m->number);
    rc = kt_bucket_take(&l->bucket, 1);
    l->taken += rc == 0;
    return rc;
}

static int rate_world(void *arg)
{
    limits l = {.rate = KT_RATE_INIT(2, KT_S(1)), .bucket = KT_BUCKET_INIT(1, KT_S(1), 2)};
    crowd c;
    (void)arg;
    kt_time start = kt_now();
    crowd_start(&c, starts, &l);
    sure(kt_sleep(KT_S(1)));
    crowd_cancel(&c, some, 3);
    crowd_join(&c, 0, CROWD);
    for (int i = 2; i < l.starts; i++)
        CHECK_GE(l.at[i] - l.at[i - 2], KT_S(1));
    CHECK_EQ(l.taken, c.ended);
    CHECK_LE(l.taken - 2, (kt_now() - start) / KT_S(1));
    kt_rate_release(&l.rate);
    return 0;
}

TEST_WITH(rates_are_kept, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, rate_world, NULL);
}

static int counts(void *arg)
{
    ++*(int *)arg;
    return kt_sleep(KT_MS(1));
}

typedef struct bounced {
    kt_debouncer d;
    kt_periodic p;
    int runs, ticks;
} bounced;

static int bounces(void *arg)
{
    const member *m = arg;
    bounced *b = m->thing;
    int rc = kt_sleep(KT_MS(m->number % 2));
    if (rc == 0)
        rc = kt_debouncer_call(&b->d, counts, &b->runs, 0);
    return rc < 0 || m->number > 5 ? rc : kt_debouncer_flush(&b->d);
}

static int debouncer_world(void *arg)
{
    bounced b = {.d = KT_DEBOUNCER_INIT(KT_MS(2)), .p = {.interval = KT_MS(1)}};
    crowd c;
    (void)arg;
    sure(kt_periodic_start(&b.p, counts, &b.ticks, 0));
    crowd_start(&c, bounces, &b);
    sure(kt_sleep(KT_MS(1)));
    crowd_cancel(&c, some, 3);
    crowd_join(&c, 0, CROWD);
    CHECK_OK(kt_debouncer_flush(&b.d));
    CHECK_GE(b.runs, 1);
    CHECK_LE(b.runs, CROWD);
    sure(kt_periodic_stop(&b.p));
    int ticks = b.ticks;
    kt_debouncer_cleanup(&b.d);
    sure(kt_sleep(KT_S(1)));
    CHECK_EQ(b.ticks, ticks);
    return 0;
}

TEST_WITH(what_runs_by_itself_stops_when_told, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, debouncer_world, NULL);
}

static int fails_once_in_a_while(void *arg)
{
    const member *m = arg;
    int rc = kt_sleep(KT_MS(m->number));
    return rc < 0 ? rc : m->number % 2 ? -EIO : 0;
}

static int goes_through_breaker(void *arg)
{
    member *m = arg;
    kt_retry tries = {.attempts = 3, .first_wait = KT_MS(2), .jitter = 0.5};
    int rc;
    do
        rc = kt_breaker_run(m->thing, fails_once_in_a_while, m, 0);
    while (kt_retry_wait(&tries, &rc));
    kt_test_say("%d: %d after %u failures", m->number, rc, tries.failures);
    return rc == -EIO || rc == -EAGAIN ? 0 : rc;
}

static int breaker_world(void *arg)
{
    kt_breaker b = {.failures_max = 1, .open_for = KT_MS(1)};
    crowd c;
    (void)arg;
    crowd_start(&c, goes_through_breaker, &b);
    for (int i = 0; i < 3; i++) {
        sure(kt_sleep(KT_MS(chance(6))));
        kt_task_cancel(c.tasks[some[i]]);
    }
    crowd_join(&c, 0, CROWD);
    CHECK_EQ(b.trials, 0); /* nobody's trial is left open */
    sure(kt_sleep(KT_S(1)));
    CHECK_NE(kt_breaker_state_now(&b), KT_BREAKER_OPEN);
    return 0;
}

TEST_WITH(a_breaker_forgets_no_trial, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, breaker_world, NULL);
}
