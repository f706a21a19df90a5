/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <kettle/http_cache.h>
#include <kettle/test_disk.h>

/* A URL whose answer is there, stale; and fields for a new one. */
static const kt_http_field fields[] = {
    {{"Cache-Control", 13}, {"max-age=9, stale-if-error=60", 28}},
    {{"ETag", 4}, {"\"e\"", 3}},
};

typedef struct scene {
    kt_test_disk *disk;
    kt_http_cache *cache;
    kt_url url;
    kt_http_cache_request request;
    kt_http_cache_answer answer;
} scene;

static kt_time clock_of(void *arg)
{
    return *(kt_time *)arg;
}

static kt_time now;
static const kt_http_cache_options in_dir = {.dir = "/c", .clock = clock_of, .clock_arg = &now};

static kt_http_cache_store *begin(scene *s)
{
    kt_http_cache_store *store = NULL;
    CHECK_EQ(kt_http_cache_store_begin(s->cache, &s->request, &s->answer, &store), 1);
    return store;
}

static void scene_start(scene *s, bool disk)
{
    *s = (scene){.url = KT_URL_INIT};
    now = KT_S(1700000000);
    kt_http_cache_options memory = in_dir;
    memory.dir = NULL;
    if (disk) {
        s->disk = kt_test_disk_open(&(kt_test_disk_options){.whole = true});
        kt_test_disk_use(s->disk);
        sure(kt_thread_run(nothing, NULL, 0)); /* the pool is there */
    }
    sure(kt_http_cache_open(disk ? &in_dir : &memory, &s->cache));
    sure(kt_url_parse("http://h/", NULL, &s->url));
    s->request = (kt_http_cache_request){"GET", &s->url, NULL, 0};
    s->answer = (kt_http_cache_answer){.status = 200, .fields = fields, .field_count = 2};
    kt_http_cache_store *store = begin(s);
    sure(kt_http_cache_store_append(store, "body", 4));
    sure(kt_http_cache_store_commit(store));
    now += KT_S(10);
}

static void scene_end(scene *s)
{
    kt_http_cache_close(s->cache);
    kt_url_release(&s->url);
    kt_test_disk_close(s->disk);
}

#define SCENARIO(body, disk) \
    scene s; \
    scene_start(&s, disk); \
    sweep_begin(body, &s); \
    (void)sweep_end(); \
    scene_end(&s)

static int opens(void *arg)
{
    kt_auto(kt_http_cache) *cache = NULL;
    (void)arg;
    int rc = SWEPT(kt_http_cache_open, (&in_dir, &cache));
    CHECK_EQ(cache != NULL, rc == 0);
    return rc;
}

SWEEP(kt_http_cache_open, SUSPENDS | ALLOCATES | WINS)
{
    SCENARIO(opens, true);
}

SWEEP(kt_http_cache_close, PLAIN)
{
    kt_http_cache *cache = NULL;
    sure(kt_http_cache_open(NULL, &cache));
    SWEPT(kt_http_cache_close, (cache));
    SWEPT(kt_http_cache_close, (NULL));
}

SWEEP(kt_http_cache_facts_get, PLAIN)
{
    scene s;
    kt_http_cache_facts facts;
    scene_start(&s, false);
    SWEPT(kt_http_cache_facts_get, (s.cache, &facts));
    CHECK_EQ(facts.answers, 1);
    scene_end(&s);
}

static int looks(void *arg)
{
    scene *s = arg;
    kt_auto(kt_http_cache_hit) *hit = NULL;
    int rc = SWEPT(kt_http_cache_lookup, (s->cache, &s->request, &hit));
    CHECK_EQ(hit != NULL, rc >= 0);
    return rc;
}

SWEEP(kt_http_cache_lookup, SUSPENDS | ALLOCATES | WINS)
{
    SCENARIO(looks, true);
}

static int confirms(void *arg)
{
    scene *s = arg;
    kt_auto(kt_http_cache_hit) *hit = NULL;
    kt_http_cache_answer answer = {.status = 304, .fields = fields, .field_count = 2};
    CHECK_EQ(kt_http_cache_lookup(s->cache, &s->request, &hit), KT_HTTP_CACHE_STALE);
    int rc = SWEPT(kt_http_cache_refresh, (s->cache, &s->request, &answer, hit));
    CHECK_SLICE(kt_http_cache_hit_body(hit), "body");
    return rc;
}

SWEEP(kt_http_cache_refresh, ALLOCATES)
{
    SCENARIO(confirms, false);
}

static int begins(void *arg)
{
    scene *s = arg;
    kt_auto(kt_http_cache_store) *store = NULL;
    int rc = SWEPT(kt_http_cache_store_begin, (s->cache, &s->request, &s->answer, &store));
    CHECK_EQ(store != NULL, rc == 1);
    return rc;
}

SWEEP(kt_http_cache_store_begin, ALLOCATES)
{
    SCENARIO(begins, false);
}

static int outdates(void *arg)
{
    scene *s = arg;
    kt_http_cache_store *store = NULL;
    s->request.method = "POST";
    return SWEPT(kt_http_cache_store_begin, (s->cache, &s->request, &s->answer, &store));
}

SWEEP_AS(kt_http_cache_store_begin, outdates, SUSPENDS | ALLOCATES | WINS | SPARES)
{
    SCENARIO(outdates, true);
}

static int appends(void *arg)
{
    kt_auto(kt_http_cache_store) *store = begin(arg);
    char body[4000] = "";
    return SWEPT(kt_http_cache_store_append, (store, body, sizeof body));
}

SWEEP(kt_http_cache_store_append, ALLOCATES)
{
    SCENARIO(appends, false);
}

/* A commit uses its store up, whatever comes of it; so there is one for a second call. */
static int commits(void *arg)
{
    kt_http_cache_store **stores = arg;
    kt_http_cache_store *store = stores[0] ? kt_steal(stores[0]) : kt_steal(stores[1]);
    return SWEPT(kt_http_cache_store_commit, (store));
}

SWEEP(kt_http_cache_store_commit, SUSPENDS | ALLOCATES | WINS)
{
    scene s;
    scene_start(&s, true);
    kt_http_cache_store *stores[] = {begin(&s), begin(&s)};
    sweep_begin(commits, stores);
    (void)sweep_end();
    kt_http_cache_store_abort(stores[0]);
    kt_http_cache_store_abort(stores[1]);
    scene_end(&s);
}

SWEEP(kt_http_cache_store_abort, PLAIN)
{
    scene s;
    scene_start(&s, false);
    kt_http_cache_store *store = begin(&s);
    SWEPT(kt_http_cache_store_abort, (store));
    SWEPT(kt_http_cache_store_abort, (NULL));
    scene_end(&s);
}

static int clears(void *arg)
{
    scene *s = arg;
    return SWEPT(kt_http_cache_clear, (s->cache));
}

SWEEP(kt_http_cache_clear, SUSPENDS | ALLOCATES | WINS | SPARES)
{
    SCENARIO(clears, true);
}

/* ---- Hits ------------------------------------------------------------------------------------ */

#define SWEEP_HIT(symbol, expression) \
    SWEEP(symbol, PLAIN) \
    { \
        scene s; \
        kt_http_cache_hit *hit = NULL; \
        scene_start(&s, false); \
        sure(kt_http_cache_lookup(s.cache, &s.request, &hit)); \
        CHECK(expression); \
        kt_http_cache_hit_release(hit); \
        scene_end(&s); \
    }

static kt_http_field found[2];

SWEEP_HIT(kt_http_cache_hit_status, SWEPT(kt_http_cache_hit_status, (hit)) == 200)
SWEEP_HIT(kt_http_cache_hit_field_at, SWEPT(kt_http_cache_hit_field_at, (hit, 0, found)))
SWEEP_HIT(kt_http_cache_hit_field, SWEPT(kt_http_cache_hit_field, (hit, "etag")).size == 3)
SWEEP_HIT(kt_http_cache_hit_body, SWEPT(kt_http_cache_hit_body, (hit)).size == 4)
SWEEP_HIT(kt_http_cache_hit_age, SWEPT(kt_http_cache_hit_age, (hit)) == 10)
SWEEP_HIT(kt_http_cache_hit_conditions, SWEPT(kt_http_cache_hit_conditions, (hit, found)) == 1)
SWEEP_HIT(kt_http_cache_hit_serves_errors, SWEPT(kt_http_cache_hit_serves_errors, (hit, &s.request)))

SWEEP(kt_http_cache_hit_release, PLAIN)
{
    scene s;
    kt_http_cache_hit *hit = NULL;
    scene_start(&s, false);
    sure(kt_http_cache_lookup(s.cache, &s.request, &hit));
    SWEPT(kt_http_cache_hit_release, (hit));
    SWEPT(kt_http_cache_hit_release, (NULL));
    scene_end(&s);
}
