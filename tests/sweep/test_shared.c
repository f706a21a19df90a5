/* SPDX-License-Identifier: MIT */
#include "sweep.h"

/* Caches, pools of resources, pipelines. */

/* ---- Cache --------------------------------------------------------------------------------- */

typedef struct page {
    char *text; /* owned */
} page;

static int fetches(kt_slice key, void *ret_value, void *arg)
{
    page *p = ret_value;
    int rc = kt_sleep(KT_S(1));
    if (rc < 0)
        return rc;
    p->text = kt_strndup(key.data, key.size);
    ++*(int *)arg;
    return p->text ? 0 : -ENOMEM;
}

static void drops(void *value, void *arg)
{
    (void)arg;
    kt_free(((page *)value)->text);
}

static kt_cache cache_of(int *fetched)
{
    return (kt_cache){.value_bytes = sizeof(page), .fetch = fetches, .drop = drops, .arg = fetched};
}

static int gets_page(void *arg)
{
    kt_auto(kt_cached) hit = KT_CACHED_INIT;
    int rc = SWEPT(kt_cache_get, (arg, kt_slice_from("key"), &hit));
    CHECK((rc < 0) == !hit.value);
    if (rc >= 0)
        CHECK_STR(((const page *)hit.value)->text, "key");
    return rc;
}

static int gets_page_too(void *arg)
{
    kt_auto(kt_cached) hit = KT_CACHED_INIT;
    return kt_cache_get(arg, kt_slice_from("key"), &hit);
}

SWEEP(kt_cache_get, SUSPENDS | ALLOCATES | WHOLE)
{
    int fetched = 0;
    kt_cache c = cache_of(&fetched);
    sweep_begin(gets_page, &c);
    (void)sweep_end();
    sure(gets_page_too(&c));
    CHECK_GE(fetched, 1);
    kt_cache_close(&c);
}

/* Whoever waits for the same fetch gets it, whatever becomes of the one who began it. */
SWEEP_AS(kt_cache_get, shared, SUSPENDS)
{
    int fetched = 0;
    kt_cache c = cache_of(&fetched);
    kt_task *first = spawn(gets_page_too, &c, 0);
    settle();
    sweep_begin(gets_page, &c);
    kt_task *last = spawn(gets_page_too, &c, 0);
    (void)sweep_end();
    sure(kt_task_join(first));
    sure(kt_task_join(last));
    CHECK_EQ(fetched, 1);
    kt_cache_close(&c);
}

SWEEP(kt_cache_get_nowait, PLAIN)
{
    int fetched = 0;
    kt_cache c = cache_of(&fetched);
    kt_cached hit = KT_CACHED_INIT;
    CHECK_ERR(SWEPT(kt_cache_get_nowait, (&c, kt_slice_from("key"), &hit)), KT_ENOTFOUND);
    sure(gets_page_too(&c));
    sure(SWEPT(kt_cache_get_nowait, (&c, kt_slice_from("key"), &hit)));
    kt_cached_release(&hit);
    kt_cache_close(&c);
}

static int puts_page(void *arg)
{
    page p = {kt_strndup("put", 3)};
    CHECK(p.text != NULL);
    int rc = SWEPT(kt_cache_put, (arg, kt_slice_from("key"), &p));
    if (rc < 0)
        kt_free(p.text); /* still ours */
    return rc;
}

SWEEP(kt_cache_put, ALLOCATES)
{
    int fetched = 0;
    kt_cache c = cache_of(&fetched);
    (void)sweep_subject(puts_page, &c);
    CHECK_EQ(c.count, 1);
    (void)kt_cache_forget(&c, kt_slice_from("key"));
    kt_cache_close(&c);
}

SWEEP(kt_cache_forget, PLAIN)
{
    int fetched = 0;
    kt_cache c = cache_of(&fetched);
    sure(gets_page_too(&c));
    CHECK(SWEPT(kt_cache_forget, (&c, kt_slice_from("key"))));
    kt_cache_close(&c);
}

SWEEP(kt_cache_clear, PLAIN)
{
    int fetched = 0;
    kt_cache c = cache_of(&fetched);
    sure(gets_page_too(&c));
    SWEPT(kt_cache_clear, (&c));
    CHECK_EQ(c.count, 0);
    kt_cache_close(&c);
}

SWEEP(kt_cached_release, PLAIN)
{
    int fetched = 0;
    kt_cache c = cache_of(&fetched);
    kt_cached hit = KT_CACHED_INIT;
    sure(kt_cache_get(&c, kt_slice_from("key"), &hit));
    SWEPT(kt_cached_release, (&hit));
    SWEPT(kt_cached_release, (&hit));
    CHECK(!hit.value);
    kt_cache_close(&c);
}

static int closes_cache(void *arg)
{
    SWEPT(kt_cache_close, (arg));
    return 0;
}

SWEEP(kt_cache_close, SUSPENDS | HOLDS)
{
    int fetched = 0;
    kt_cache c = cache_of(&fetched);
    kt_task *t = spawn(gets_page_too, &c, 0);
    settle();
    sweep_begin(closes_cache, &c);
    (void)sweep_end();
    CHECK_ERR(kt_task_join(t), KT_ESHUTDOWN);
    sure(gets_page_too(&c)); /* it can be used again */
    kt_cache_close(&c);
}

/* ---- Pool of resources ---------------------------------------------------------------------- */

typedef struct plant {
    kt_resource_pool pool;
    int alive;
} plant;

static int creates(void **ret_resource, void *arg)
{
    int rc = kt_sleep(KT_S(1));
    if (rc < 0)
        return rc;
    int *made = kt_alloc(sizeof *made);
    if (!made)
        return -ENOMEM;
    ++((plant *)arg)->alive;
    *ret_resource = made;
    return 0;
}

static void destroys(void *resource, void *arg)
{
    sure(kt_sleep(KT_S(1))); /* held back */
    --((plant *)arg)->alive;
    kt_free(resource);
}

static int checks(void *resource, void *arg)
{
    (void)resource;
    (void)arg;
    return kt_sleep(KT_S(1));
}

static void plant_init(plant *p, unsigned min)
{
    *p = (plant){.pool = {.create = creates, .destroy = destroys, .check = checks,
                          .arg = p, .min = min, .max = 2}};
}

static int opens_pool(void *arg)
{
    plant *p = arg;
    int rc = SWEPT(kt_resource_pool_open, (&p->pool));
    CHECK_EQ(p->alive, rc < 0 ? 0 : 2);
    return rc;
}

SWEEP(kt_resource_pool_open, SUSPENDS | ALLOCATES)
{
    plant p;
    plant_init(&p, 2);
    sweep_begin(opens_pool, &p);
    if (sweep_end() < 0)
        sure(kt_resource_pool_open(&p.pool)); /* it was closed */
    kt_resource_pool_cleanup(&p.pool);
    CHECK_EQ(p.alive, 0);
}

static int acquires_resource(void *arg)
{
    plant *p = arg;
    kt_auto(kt_lease) lease = KT_LEASE_INIT;
    int rc = SWEPT(kt_resource_pool_acquire, (&p->pool, &lease));
    CHECK((rc < 0) == !lease.resource);
    return rc;
}

static int borrows(void *arg)
{
    plant *p = arg;
    kt_auto(kt_lease) lease = KT_LEASE_INIT;
    int rc = kt_resource_pool_acquire(&p->pool, &lease);
    return rc < 0 ? rc : kt_sleep(KT_S(5));
}

SWEEP(kt_resource_pool_acquire, SUSPENDS | ALLOCATES)
{
    plant p;
    plant_init(&p, 0);
    sure(kt_resource_pool_open(&p.pool));
    sweep_begin(acquires_resource, &p);
    (void)sweep_end();
    for (int i = 0; i < 2; i++) { /* all that there can be are to be had */
        kt_lease leases[2] = {KT_LEASE_INIT, KT_LEASE_INIT};
        sure(kt_resource_pool_acquire(&p.pool, &leases[0]));
        sure(kt_resource_pool_acquire(&p.pool, &leases[1]));
        kt_lease_release(&leases[0]);
        kt_lease_release(&leases[1]);
    }
    sure(kt_resource_pool_close(&p.pool));
    CHECK_EQ(p.alive, 0);
}

/* First in line for one that is lent, and then its check: the two where it may be cancelled. */
SWEEP_AS(kt_resource_pool_acquire, in_line, SUSPENDS)
{
    plant p;
    plant_init(&p, 2);
    sure(kt_resource_pool_open(&p.pool));
    kt_task *lent[2] = {spawn(borrows, &p, 0), spawn(borrows, &p, 0)};
    sure(kt_sleep(KT_S(2)));
    sweep_begin(acquires_resource, &p);
    kt_task *next = spawn(borrows, &p, 0);
    (void)sweep_end();
    sure(kt_task_join(lent[0]));
    sure(kt_task_join(lent[1]));
    sure(kt_task_join(next));
    CHECK_EQ(p.pool.waiting, 0);
    sure(kt_resource_pool_close(&p.pool));
    CHECK_EQ(p.alive, 0);
}

SWEEP(kt_lease_release, PLAIN)
{
    plant p;
    kt_lease lease = KT_LEASE_INIT;
    plant_init(&p, 0);
    sure(kt_resource_pool_open(&p.pool));
    sure(kt_resource_pool_acquire(&p.pool, &lease));
    SWEPT(kt_lease_release, (&lease));
    SWEPT(kt_lease_release, (&lease));
    CHECK_EQ(p.pool.idle, 1);
    kt_resource_pool_cleanup(&p.pool);
}

static int discards(void *arg)
{
    SWEPT(kt_lease_discard, (arg));
    return 0;
}

SWEEP(kt_lease_discard, SUSPENDS | HOLDS)
{
    plant p;
    kt_lease lease = KT_LEASE_INIT;
    plant_init(&p, 0);
    sure(kt_resource_pool_open(&p.pool));
    sure(kt_resource_pool_acquire(&p.pool, &lease));
    sweep_begin(discards, &lease);
    (void)sweep_end();
    CHECK_EQ(p.alive, 0);
    kt_resource_pool_cleanup(&p.pool);
}

static int closes_pool(void *arg)
{
    plant *p = arg;
    return SWEPT(kt_resource_pool_close, (&p->pool));
}

SWEEP(kt_resource_pool_close, SUSPENDS | WINS)
{
    plant p;
    plant_init(&p, 1);
    sure(kt_resource_pool_open(&p.pool));
    kt_task *lent = spawn(borrows, &p, 0);
    sure(kt_sleep(KT_S(2)));
    sweep_begin(closes_pool, &p);
    if (sweep_end() < 0)
        sure(kt_resource_pool_close(&p.pool)); /* the call must be repeated */
    sure(kt_task_join(lent));
    CHECK_EQ(p.alive, 0);
}

static int cleans_pool(void *arg)
{
    plant *p = arg;
    SWEPT(kt_resource_pool_cleanup, (&p->pool));
    return 0;
}

SWEEP(kt_resource_pool_cleanup, SUSPENDS | HOLDS)
{
    plant p;
    plant_init(&p, 1);
    sure(kt_resource_pool_open(&p.pool));
    kt_task *lent = spawn(borrows, &p, 0);
    sure(kt_sleep(KT_S(2)));
    sweep_begin(cleans_pool, &p);
    (void)sweep_end();
    sure(kt_task_join(lent));
    CHECK_EQ(p.alive, 0);
}

/* ---- Pipeline ------------------------------------------------------------------------------ */

typedef struct plan {
    kt_pipeline p;
    kt_stage stages[2];
    int sum, dropped;
    bool swept; /* the emit of item 100 is */
} plan;

static int emits(void *arg)
{
    kt_stage *s = arg;
    return SWEPT(kt_stage_emit, (s, &(int){100}));
}

static int passes_on(kt_stage *s, void *item, void *arg)
{
    plan *w = arg;
    int rc = w->swept && *(int *)item == 100 ? sweep_subject(emits, s) : kt_stage_emit(s, item);
    w->dropped += rc < 0 ? *(int *)item : 0; /* the item is the run's, whatever it returns */
    return rc;
}

static int adds(kt_stage *s, void *item, void *arg)
{
    int rc = kt_sleep(KT_S(1));
    (void)s;
    ((plan *)arg)->sum += rc < 0 ? 0 : *(int *)item;
    ((plan *)arg)->dropped += rc < 0 ? *(int *)item : 0;
    return rc;
}

static void gives_up(void *item, void *arg)
{
    ((plan *)arg)->dropped += *(int *)item;
}

static void plan_init(plan *w)
{
    *w = (plan){.p = KT_PIPELINE_INIT};
    w->stages[0] = (kt_stage){.run = passes_on, .drop = gives_up, .arg = w, .item_bytes = sizeof(int),
                              .waiting_max = 1};
    w->stages[1] = (kt_stage){.run = adds, .drop = gives_up, .arg = w, .item_bytes = sizeof(int),
                              .waiting_max = 1};
}

static int starts_pipeline(void *arg)
{
    plan *w = arg;
    int rc = SWEPT(kt_pipeline_start, (&w->p, w->stages, 2));
    CHECK_EQ(w->p.stages != NULL, rc >= 0);
    return rc < 0 ? rc : kt_pipeline_join(&w->p, 0);
}

SWEEP(kt_pipeline_start, ALLOCATES)
{
    plan w;
    plan_init(&w);
    (void)sweep_subject(starts_pipeline, &w);
}

static int puts_item(void *arg)
{
    plan *w = arg;
    return SWEPT(kt_pipeline_put, (&w->p, &(int){100}));
}

static int fill(plan *w)
{
    int put = 0;
    for (int i = 1; i <= 4; i++) {
        sure(kt_pipeline_put(&w->p, &(int){i}));
        put += i;
    }
    return put;
}

SWEEP(kt_pipeline_put, SUSPENDS)
{
    plan w;
    plan_init(&w);
    sure(kt_pipeline_start(&w.p, w.stages, 2));
    int put = fill(&w);
    sweep_begin(puts_item, &w);
    put += sweep_end() < 0 ? 0 : 100;
    sure(kt_pipeline_put(&w.p, &(int){1000}));
    sure(kt_pipeline_join(&w.p, 0));
    CHECK_EQ(w.sum, put + 1000); /* each item once, that of the cancelled call not at all */
}

SWEEP_AS(kt_pipeline_put, first_item, ALLOCATES)
{
    plan w;
    plan_init(&w);
    sure(kt_pipeline_start(&w.p, w.stages, 2));
    (void)sweep_subject(puts_item, &w);
    sure(kt_pipeline_join(&w.p, 0));
    CHECK_EQ(w.sum, 100);
}

/* The call is a worker's, in the middle of the pipeline: where it fails, the item has failed, and where the
 * worker was cancelled the pipeline comes to its end. */
SWEEP(kt_stage_emit, SUSPENDS)
{
    plan w;
    plan_init(&w);
    w.swept = true;
    sure(kt_pipeline_start(&w.p, w.stages, 2));
    int put = fill(&w);
    sure(kt_pipeline_put(&w.p, &(int){100}));
    int rc = kt_pipeline_join(&w.p, 0);
    CHECK(rc == 0 || sweep_struck());
    CHECK_EQ(w.sum + w.dropped, put + 100);
}

static int joins_pipeline(void *arg)
{
    plan *w = arg;
    sure(kt_pipeline_start(&w->p, w->stages, 2));
    int put = fill(w), rc = SWEPT(kt_pipeline_join, (&w->p, 0));
    CHECK_EQ(w->sum + w->dropped, put); /* worked off or dropped, each once */
    CHECK(rc < 0 || w->dropped == 0);
    return rc;
}

SWEEP(kt_pipeline_join, SUSPENDS)
{
    plan w;
    plan_init(&w);
    sweep_begin(joins_pipeline, &w);
    (void)sweep_end();
}

static int leaves_pipeline(void *arg)
{
    plan *w = arg;
    sure(kt_pipeline_start(&w->p, w->stages, 2));
    int put = fill(w);
    SWEPT(kt_pipeline_cleanup, (&w->p));
    CHECK_EQ(w->sum + w->dropped, put);
    return 0;
}

SWEEP(kt_pipeline_cleanup, SUSPENDS | HOLDS)
{
    plan w;
    plan_init(&w);
    sweep_begin(leaves_pipeline, &w);
    (void)sweep_end();
}
