/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_CACHE_H
#define KETTLE_CACHE_H

/* A cache that fetches what it does not have: once, however many ask, and again when it has
 * grown old.
 *
 *     static int fetch_page(kt_slice key, void *ret_value, void *arg);    // may suspend
 *
 *     kt_auto(kt_cache) pages = {.value_bytes = sizeof(struct page), .fetch = fetch_page};
 *     kt_auto(kt_cached) hit = KT_CACHED_INIT;
 *     int rc = kt_cache_get(&pages, kt_slice_from(url), &hit);
 *     if (rc < 0)
 *         return rc;
 *     const struct page *page = hit.value;        // good until hit is released
 *
 * Fill in the settings, leave the rest zero. The fetch runs in a task of the cache's own:
 * whoever asks for the same key meanwhile waits for the same fetch, and a caller that is
 * cancelled takes it from nobody; only when the last of them has left is the fetch cancelled.
 * Values are `value_bytes` long and may own more (then `drop` frees that): they live until they
 * are out of the cache and nobody holds them.
 *
 * For the tasks of one loop. Must not move while it is in use. */

#include <kettle/sync.h>

KT_BEGIN

typedef struct kt__cache_entry kt__cache_entry;

typedef struct kt_cache {
    /* Settings. */
    size_t value_bytes;
    kt_time ttl;           /* how long a value is good, from the end of its fetch; 0 = 1 minute */
    kt_time error_ttl;     /* the same for a failed fetch; 0 = failures are not kept */
    size_t entries_max;    /* kept; the least recently used goes; 0 = 1024 */
    size_t key_bytes_max;  /* longer keys are refused; 0 = 1024 */

    /* Makes the value of a key in *ret_value (zeroed, aligned for anything) and returns >= 0, or
     * an error code, leaving nothing to drop. May suspend. The key is good until it returns.
     * NULL: only kt_cache_put brings values. */
    int (*fetch)(kt_slice key, void *ret_value, void *arg);

    /* Frees what a value owns; NULL if that is nothing. Must not suspend. */
    void (*drop)(void *value, void *arg);
    void *arg;             /* of both */

    /* Statistics. */
    uint64_t hits;         /* was there */
    uint64_t misses;       /* began a fetch */
    uint64_t shared;       /* joined somebody else's fetch */
    uint64_t evicted;      /* went for want of room */

    /* State. */
    kt__cache_entry **buckets;
    size_t buckets_count;  /* a power of two */
    size_t count;          /* kept */
    kt__cache_entry *newest, *oldest;
    kt__cache_entry *flights;
    kt_event landed;
    bool closing;
    uintptr_t reserved[2];
} kt_cache;

/* A value in use. `value` is good until the release; it is shared, so not to be changed. */
typedef struct kt_cached {
    const void *value;
    kt__cache_entry *entry;
} kt_cached;

#define KT_CACHED_INIT {NULL, NULL}

/* Gives the value of a key, fetching it if it is not there or too old. *ret_cached, which must
 * hold nothing, is the caller's to release. 0; the fetch's error (its words are in
 * kt_error_detail); KT_ELIMIT for a key that is too long; KT_ENOTFOUND without `fetch`;
 * KT_ESHUTDOWN when the cache is being closed; -ENOMEM, KT_ENOSTACK; or the cancellation's code.
 * Suspends unless it is there. Like an async-aware functools.lru_cache. */
KT_API int kt_cache_get(kt_cache *c, kt_slice key, kt_cached *ret_cached) KT_CHECKED;

/* The same without fetching: 0, KT_ENOTFOUND if there is no value that is still good, a failure
 * that was kept, KT_ELIMIT. Does not suspend. */
KT_API int kt_cache_get_nowait(kt_cache *c, kt_slice key, kt_cached *ret_cached) KT_CHECKED;

/* Copies a value in, in place of what was there. The cache owns what it owns from then on,
 * unless the call fails: -ENOMEM, KT_ELIMIT, KT_ESHUTDOWN. A fetch under way still serves those
 * who wait for it, but is not kept. Does not suspend. */
KT_API int kt_cache_put(kt_cache *c, kt_slice key, const void *value) KT_CHECKED;

/* Forgets a key; true if there was something. A fetch under way still serves those who wait.
 * Does not suspend. */
KT_API bool kt_cache_forget(kt_cache *c, kt_slice key);

/* Forgets everything. Does not suspend. */
KT_API void kt_cache_clear(kt_cache *c);

/* Gives a value back, which may drop it. NULL and empty ones are allowed. Does not suspend. */
KT_API void kt_cached_release(kt_cached *v);

static inline void kt_cached_cleanup(kt_cached *v)
{
    kt_cached_release(v);
}

/* Cancels the fetches under way, waits for their ends, and forgets everything; the cache can be
 * used again. Who waits for a fetch gets KT_ESHUTDOWN. Values that are in use stay good until
 * they are released. Misuse from within a fetch. Suspends; a cancellation is held back. */
KT_API void kt_cache_close(kt_cache *c);

static inline void kt_cache_cleanup(kt_cache *c)
{
    kt_cache_close(c);
}

KT_END

#endif
