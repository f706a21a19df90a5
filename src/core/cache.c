/* SPDX-License-Identifier: MIT */

/* A cache with single-flight fetches.
 *
 * An entry is in one of three places: in flight (a task fetches it; callers wait for its event),
 * kept (in the order of use), or out (only callers that hold it know it). While it is listed its
 * key leads to it through the buckets; one that is forgotten in flight is not, and goes out when
 * it lands. References: one of the buckets, one of the flight, one of each caller. */

#include <errno.h>
#include <kettle/cache.h>
#include <kettle/memory.h>

#include "core/core.h"

#define TTL KT_S(60)
#define ENTRIES_MAX 1024
#define KEY_BYTES_MAX 1024
#define BUCKETS_MIN 16

struct kt__cache_entry {
    kt__cache_entry *chain;           /* in its bucket */
    kt__cache_entry *newer, *older;   /* kept: the order of use; in flight: the list of flights */
    kt_cache *cache;                  /* good while in flight */
    kt_task *task;                    /* which fetches, or NULL */
    uint64_t hash;
    size_t refs, waiters;
    kt_time expires;
    kt_event settled;
    int rc;
    bool made;                        /* there is a value, to be dropped even if the task's result is another */
    bool listed, kept;
    char *detail;                     /* of a failure */
    void (*drop)(void *value, void *arg);
    void *drop_arg;
    size_t key_bytes, key_at;         /* where the key is in `value` */
    _Alignas(max_align_t) char value[];
};

/* ---- Entries ------------------------------------------------------------------------------- */

static kt_slice key_of(const kt__cache_entry *e)
{
    return (kt_slice){e->value + e->key_at, e->key_bytes};
}

static int entry_new(kt_cache *c, kt_slice key, uint64_t hash, kt__cache_entry **ret_entry)
{
    size_t bytes;
    if (__builtin_add_overflow(sizeof(kt__cache_entry) + key.size, c->value_bytes, &bytes))
        return -ENOMEM;
    kt__cache_entry *e = kt_calloc(1, bytes);
    if (!e)
        return -ENOMEM;
    e->cache = c;
    e->hash = hash;
    e->key_at = c->value_bytes;
    e->key_bytes = key.size;
    e->drop = c->drop;
    e->drop_arg = c->arg;
    e->refs = 1;
    if (key.size > 0)
        memcpy(e->value + e->key_at, key.data, key.size);
    *ret_entry = e;
    return 0;
}

static void entry_unref(kt__cache_entry *e)
{
    if (--e->refs > 0)
        return;
    if (e->drop && e->made)
        e->drop(e->value, e->drop_arg);
    kt_free(e->detail);
    kt_free(e);
}

void kt_cached_release(kt_cached *v)
{
    if (!v || !v->entry)
        return;
    kt__cache_entry *e = kt_steal(v->entry);
    v->value = NULL;
    entry_unref(e);
}

/* ---- Buckets ------------------------------------------------------------------------------- */

/* FNV-1a. Keys that collide on purpose cost a walk over at most entries_max. */
static uint64_t hash_of(kt_slice key)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.size; i++)
        h = (h ^ (unsigned char)key.data[i]) * UINT64_C(0x100000001b3);
    return h ^ (h >> 32);
}

static kt__cache_entry **bucket_of(const kt_cache *c, uint64_t hash)
{
    return &c->buckets[hash & (c->buckets_count - 1)];
}

static size_t entries_max(const kt_cache *c)
{
    return c->entries_max ? c->entries_max : ENTRIES_MAX;
}

/* As many buckets as entries may be kept, at most 64 Ki. */
static int make_buckets(kt_cache *c)
{
    size_t count = BUCKETS_MIN;
    if (c->buckets)
        return 0;
    while (count < entries_max(c) && count < 65536)
        count *= 2;
    c->buckets = kt_calloc(count, sizeof(kt__cache_entry *));
    c->buckets_count = c->buckets ? count : 0;
    return c->buckets ? 0 : -ENOMEM;
}

static kt__cache_entry *find(const kt_cache *c, kt_slice key, uint64_t hash)
{
    if (!c->buckets)
        return NULL;
    for (kt__cache_entry *e = *bucket_of(c, hash); e; e = e->chain)
        if (e->hash == hash && kt_slice_equal(key_of(e), key))
            return e;
    return NULL;
}

static void list(kt_cache *c, kt__cache_entry *e)
{
    kt__cache_entry **bucket = bucket_of(c, e->hash);
    e->chain = *bucket;
    *bucket = e;
    e->listed = true;
    e->refs++;
}

/* ---- The order of use ---------------------------------------------------------------------- */

static void order_push(kt_cache *c, kt__cache_entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    if (c->newest)
        c->newest->newer = e;
    else
        c->oldest = e;
    c->newest = e;
}

static void order_remove(kt_cache *c, kt__cache_entry *e)
{
    if (e->newer)
        e->newer->older = e->older;
    else
        c->newest = e->older;
    if (e->older)
        e->older->newer = e->newer;
    else
        c->oldest = e->newer;
}

/* Out of buckets and order; the entry may be gone afterwards. */
static void unlist(kt_cache *c, kt__cache_entry *e)
{
    kt__cache_entry **link = bucket_of(c, e->hash);
    while (*link != e)
        link = &(*link)->chain;
    *link = e->chain;
    e->listed = false;
    if (e->kept) {
        e->kept = false;
        order_remove(c, e);
        c->count--;
    }
    entry_unref(e);
}

static void keep(kt_cache *c, kt__cache_entry *e, kt_time ttl)
{
    e->expires = kt__deadline(kt_now(), ttl);
    e->kept = true;
    order_push(c, e);
    c->count++;
    while (c->count > entries_max(c)) {
        c->evicted++;
        unlist(c, c->oldest);
    }
}

/* ---- Flights ------------------------------------------------------------------------------- */

static void flights_add(kt_cache *c, kt__cache_entry *e)
{
    e->newer = NULL;
    e->older = c->flights;
    if (c->flights)
        c->flights->newer = e;
    c->flights = e;
}

static void flights_remove(kt_cache *c, kt__cache_entry *e)
{
    if (e->newer)
        e->newer->older = e->older;
    else
        c->flights = e->older;
    if (e->older)
        e->older->newer = e->newer;
}

static int fly(void *arg)
{
    kt__cache_entry *e = arg;
    int rc = e->cache->fetch(key_of(e), e->value, e->cache->arg);
    e->made = rc >= 0;
    return rc;
}

/* The end of a fetch, also of one whose task was cancelled before it ran. */
static void land(kt_task *t)
{
    kt__cache_entry *e = t->owner;
    kt_cache *c = e->cache;
    e->rc = t->rc == KT_ECANCELED && c->closing ? KT_ESHUTDOWN : t->rc;
    e->detail = kt_steal(t->detail);
    e->task = NULL;
    kt__task_free(t);
    flights_remove(c, e);
    kt_event_set(&e->settled);
    kt_time ttl = e->rc >= 0 ? (c->ttl > 0 ? c->ttl : TTL) : c->error_ttl;
    if (e->listed && ttl > 0 && e->rc != KT_ECANCELED)
        keep(c, e, ttl);
    else if (e->listed)
        unlist(c, e);
    entry_unref(e);
    if (!c->flights)
        kt_event_set(&c->landed);
}

static int start_flight(kt_cache *c, kt_slice key, uint64_t hash, kt__cache_entry **ret_entry)
{
    kt__cache_entry *e;
    int rc = make_buckets(c);
    if (rc == 0)
        rc = entry_new(c, key, hash, &e);
    if (rc < 0)
        return rc;
    rc = kt_spawn_with(&(kt_spawn_options){.name = "cache fetch"}, fly, e, 0, &e->task);
    if (rc < 0) {
        kt_free(e);
        return rc;
    }
    e->task->on_done = land;
    e->task->owner = e;
    flights_add(c, e);
    list(c, e);
    *ret_entry = e;
    return 0;
}

/* The last caller has left: nobody wants it any more, and the next one begins afresh. */
static void abandon(kt_cache *c, kt__cache_entry *e)
{
    if (e->listed)
        unlist(c, e);
    kt_task_cancel(e->task);
}

/* ---- Getting ------------------------------------------------------------------------------- */

static int check_key(const kt_cache *c, kt_slice key)
{
    size_t max = c->key_bytes_max ? c->key_bytes_max : KEY_BYTES_MAX;
    if (key.size > max)
        return kt_error_set(KT_ELIMIT, "key of %zu bytes, %zu allowed", key.size, max);
    return 0;
}

/* The entry of a key, unless it is too old. */
static kt__cache_entry *find_good(kt_cache *c, kt_slice key, uint64_t hash)
{
    kt__cache_entry *e = find(c, key, hash);
    if (e && e->kept && e->expires <= kt_now()) {
        unlist(c, e);
        return NULL;
    }
    return e;
}

/* The outcome of a settled entry for one caller, who holds a reference, which is used up. */
static int hand_out(kt__cache_entry *e, kt_cached *ret_cached)
{
    int rc = e->rc;
    if (rc >= 0) {
        *ret_cached = (kt_cached){e->value, e};
        return 0;
    }
    kt_error_set(rc, "%s", e->detail ? e->detail : "");
    entry_unref(e);
    return rc;
}

static int take_kept(kt_cache *c, kt__cache_entry *e, kt_cached *ret_cached)
{
    c->hits++;
    order_remove(c, e);
    order_push(c, e);
    e->refs++;
    return hand_out(e, ret_cached);
}

static int wait_for_landing(kt_cache *c, kt__cache_entry *e, kt_cached *ret_cached)
{
    e->refs++;
    e->waiters++;
    int rc = kt_event_wait(&e->settled);
    e->waiters--; /* if it has landed, the cache may be closed and gone by now */
    if (rc < 0 && e->task && e->waiters == 0)
        abandon(c, e);
    if (rc < 0) {
        entry_unref(e);
        return rc;
    }
    return hand_out(e, ret_cached);
}

int kt_cache_get(kt_cache *c, kt_slice key, kt_cached *ret_cached)
{
    int rc = check_key(c, key);
    if (rc < 0)
        return rc;
    if (c->closing)
        return KT_ESHUTDOWN;
    uint64_t hash = hash_of(key);
    kt__cache_entry *e = find_good(c, key, hash);
    if (e && e->kept)
        return take_kept(c, e, ret_cached);
    if (!e && !c->fetch)
        return KT_ENOTFOUND;
    if (e) {
        c->shared++;
    } else {
        rc = start_flight(c, key, hash, &e);
        if (rc < 0)
            return rc;
        c->misses++;
    }
    return wait_for_landing(c, e, ret_cached);
}

int kt_cache_get_nowait(kt_cache *c, kt_slice key, kt_cached *ret_cached)
{
    int rc = check_key(c, key);
    if (rc < 0)
        return rc;
    kt__cache_entry *e = find_good(c, key, hash_of(key));
    return e && e->kept ? take_kept(c, e, ret_cached) : KT_ENOTFOUND;
}

int kt_cache_put(kt_cache *c, kt_slice key, const void *value)
{
    kt__cache_entry *e;
    int rc = check_key(c, key);
    if (rc < 0)
        return rc;
    if (c->closing)
        return KT_ESHUTDOWN;
    rc = make_buckets(c);
    if (rc == 0)
        rc = entry_new(c, key, hash_of(key), &e);
    if (rc < 0)
        return rc;
    kt_cache_forget(c, key);
    if (c->value_bytes > 0)
        memcpy(e->value, value, c->value_bytes);
    e->made = true;
    kt_event_set(&e->settled);
    list(c, e);
    keep(c, e, c->ttl > 0 ? c->ttl : TTL);
    entry_unref(e);
    return 0;
}

/* ---- Forgetting ---------------------------------------------------------------------------- */

bool kt_cache_forget(kt_cache *c, kt_slice key)
{
    kt__cache_entry *e = find(c, key, hash_of(key));
    if (e)
        unlist(c, e);
    return e != NULL;
}

void kt_cache_clear(kt_cache *c)
{
    for (size_t i = 0; i < c->buckets_count; i++)
        while (c->buckets[i])
            unlist(c, c->buckets[i]);
}

static void cancel_flights(kt_cache *c)
{
    for (kt__cache_entry *e = c->flights; e; e = e->older) {
        if (e->task == kt_task_current())
            kt__misuse("kt_cache_close: called by a fetch of this cache");
        kt_task_cancel(e->task);
    }
}

void kt_cache_close(kt_cache *c)
{
    c->closing = true;
    kt_cache_clear(c);
    if (c->flights) {
        kt_cancel_hold();
        cancel_flights(c);
        kt_event_clear(&c->landed);
        int rc = kt_event_wait(&c->landed);
        (void)rc; /* held back */
        kt_cancel_unhold();
    }
    kt_free(kt_steal(c->buckets));
    c->buckets_count = 0;
    c->closing = false;
}
