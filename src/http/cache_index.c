/* SPDX-License-Identifier: MIT */
/* Where answers are kept: in memory, or each in a file that is named by its key. What is in the directory is read once,
 * when it is opened; from then on the index is what counts, and a file that is not as expected is a miss. */
#include "http/cache_private.h"

#include <errno.h>
#include <inttypes.h>
#include <kettle/dir.h>
#include <kettle/error.h>
#include <kettle/file.h>
#include <kettle/memory.h>
#include <kettle/path.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_BYTES 64
#define SUFFIX ".answer"
#define TEMPORARY ".kettle-" /* of kt_file_replace; one that is left is a crash's */

void kt__cache_bytes_unref(kt__cache_bytes *b)
{
    if (!b || --b->refs > 0)
        return;
    kt_buffer_release(&b->buffer);
    kt_free(b);
}

void kt__cache_unref(kt_http_cache *cache)
{
    if (--cache->refs > 0)
        return;
    for (size_t i = 0; i < cache->facts.answers; i++)
        kt__cache_bytes_unref(cache->entries[i].bytes);
    kt_free(cache->entries);
    kt_free(cache->dir);
    kt_free(cache);
}

/* ---- Entries --------------------------------------------------------------------------------- */

static size_t find(const kt_http_cache *cache, kt__cache_key key)
{
    size_t i = 0;
    while (i < cache->facts.answers &&
           (cache->entries[i].key.url != key.url || cache->entries[i].key.variant != key.variant))
        i++;
    return i;
}

static void drop_at(kt_http_cache *cache, size_t i)
{
    kt__cache_bytes_unref(cache->entries[i].bytes);
    cache->facts.bytes -= cache->entries[i].size;
    cache->entries[i] = cache->entries[--cache->facts.answers];
}

static void drop(kt_http_cache *cache, kt__cache_key key)
{
    size_t i = find(cache, key);
    if (i < cache->facts.answers)
        drop_at(cache, i);
}

static int reserve(kt_http_cache *cache)
{
    if (cache->facts.answers < cache->capacity)
        return 0;
    size_t capacity = cache->capacity ? 2 * cache->capacity : 16;
    kt__cache_entry *entries = kt_realloc(cache->entries, capacity * sizeof *entries);
    if (!entries)
        return -ENOMEM;
    cache->entries = entries;
    cache->capacity = capacity;
    return 0;
}

/* There is room: see reserve. */
static void add(kt_http_cache *cache, kt__cache_key key, size_t size, kt__cache_bytes *bytes)
{
    drop(cache, key);
    cache->entries[cache->facts.answers++] = (kt__cache_entry){key, ++cache->uses, size, bytes};
    cache->facts.bytes += size;
}

void kt__cache_index_use(kt_http_cache *cache, kt__cache_key key)
{
    size_t i = find(cache, key);
    if (i < cache->facts.answers)
        cache->entries[i].used = ++cache->uses;
}

size_t kt__cache_index_find(const kt_http_cache *cache, uint64_t url, kt__cache_key ret_keys[KT__CACHE_VARIANTS])
{
    size_t n = 0;
    for (size_t i = 0; i < cache->facts.answers && n < KT__CACHE_VARIANTS; i++)
        if (cache->entries[i].key.url == url)
            ret_keys[n++] = cache->entries[i].key;
    return n;
}

/* ---- Files ----------------------------------------------------------------------------------- */

static int path_of(const kt_http_cache *cache, kt__cache_key key, kt_path *ret_path)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%016" PRIx64 "-%016" PRIx64 SUFFIX, key.url, key.variant);
    return kt_path_join(cache->dir, name, ret_path);
}

static bool key_of_name(const char *name, kt__cache_key *ret_key)
{
    char again[NAME_BYTES];
    char *end;
    ret_key->url = strtoull(name, &end, 16);
    ret_key->variant = *end == '-' ? strtoull(end + 1, &end, 16) : 0;
    snprintf(again, sizeof again, "%016" PRIx64 "-%016" PRIx64 SUFFIX, ret_key->url, ret_key->variant);
    return strcmp(name, again) == 0;
}

/* One that is not there is as good as removed. */
static int remove_file(const kt_http_cache *cache, kt__cache_key key)
{
    kt_auto(kt_path) path = NULL;
    int rc = path_of(cache, key, &path);
    if (rc == 0)
        rc = kt_path_remove(path);
    return rc == -ENOENT ? 0 : rc;
}

/* ---- Limits ---------------------------------------------------------------------------------- */

/* The one that was not used for longest; of a URL, or with NULL of all. */
static size_t oldest(const kt_http_cache *cache, const uint64_t *url)
{
    size_t at = cache->facts.answers;
    for (size_t i = 0; i < cache->facts.answers; i++) {
        const kt__cache_entry *e = &cache->entries[i];
        if ((!url || e->key.url == *url) && (at == cache->facts.answers || e->used < cache->entries[at].used))
            at = i;
    }
    return at;
}

static size_t count_variants(const kt_http_cache *cache, uint64_t url)
{
    size_t n = 0;
    for (size_t i = 0; i < cache->facts.answers; i++)
        n += cache->entries[i].key.url == url;
    return n;
}

/* The index first, so that nobody finds what is about to go. */
static int evict(kt_http_cache *cache, const uint64_t *url)
{
    size_t i = oldest(cache, url);
    kt__cache_key key = cache->entries[i].key;
    drop_at(cache, i);
    cache->facts.evicted++;
    return cache->dir ? remove_file(cache, key) : 0;
}

static int keep_limits(kt_http_cache *cache, const uint64_t *url)
{
    int rc = 0;
    while (rc == 0 && url && count_variants(cache, *url) > KT__CACHE_VARIANTS)
        rc = evict(cache, url);
    while (rc == 0 && cache->facts.answers > 0 &&
           (cache->facts.answers > cache->options.answers_max || cache->facts.bytes > cache->options.bytes_max))
        rc = evict(cache, NULL);
    return rc;
}

/* ---- In and out ------------------------------------------------------------------------------ */

static int read_file(kt_http_cache *cache, kt__cache_key key, kt__cache_bytes *b)
{
    kt_auto(kt_path) path = NULL;
    int rc = path_of(cache, key, &path);
    return rc < 0 ? rc : kt_file_read_whole(path, cache->options.answer_bytes_max, &b->buffer);
}

int kt__cache_index_get(kt_http_cache *cache, kt__cache_key key, kt__cache_bytes **ret_bytes)
{
    size_t i = find(cache, key);
    if (i == cache->facts.answers)
        return KT_ENOTFOUND;
    if (cache->entries[i].bytes) {
        *ret_bytes = cache->entries[i].bytes;
        (*ret_bytes)->refs++;
        return 0;
    }
    kt__cache_bytes *b = kt_calloc(1, sizeof *b);
    if (!b)
        return -ENOMEM;
    b->refs = 1;
    int rc = read_file(cache, key, b);
    if (rc < 0) {
        kt__cache_bytes_unref(b);
        if (!kt_is_cancel(rc) && rc != -ENOMEM && rc != -EAGAIN)
            drop(cache, key);
        return rc;
    }
    *ret_bytes = b;
    return 0;
}

/* Without fsync: what a crash leaves half-written fails its checksum. */
static int write_file(kt_http_cache *cache, kt__cache_key key, const kt_buffer *buffer)
{
    kt_auto(kt_path) path = NULL;
    kt_file_write_options options = {.mode = 0600, .no_sync = true};
    int rc = path_of(cache, key, &path);
    return rc < 0 ? rc : kt_file_replace(path, buffer->data, buffer->size, &options);
}

int kt__cache_index_put(kt_http_cache *cache, kt__cache_key key, kt_buffer *buffer)
{
    kt__cache_bytes *b = NULL;
    int rc = 0;
    if (cache->dir) {
        rc = write_file(cache, key, buffer);
    } else {
        b = kt_calloc(1, sizeof *b);
        rc = b ? 0 : -ENOMEM;
    }
    if (rc == 0)
        rc = reserve(cache);
    if (rc < 0) {
        kt_free(b);
        return rc;
    }
    add(cache, key, buffer->size, b);
    if (b) {
        *b = (kt__cache_bytes){1, *buffer};
        *buffer = (kt_buffer)KT_BUFFER_INIT;
    }
    cache->facts.stored++;
    return keep_limits(cache, &key.url);
}

int kt__cache_index_forget(kt_http_cache *cache, const uint64_t *url)
{
    int rc = 0;
    for (size_t i = oldest(cache, url); i < cache->facts.answers; i = oldest(cache, url)) {
        kt__cache_key key = cache->entries[i].key;
        drop_at(cache, i);
        int failed = cache->dir ? remove_file(cache, key) : 0;
        rc = rc < 0 ? rc : failed;
    }
    return rc;
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* `used` is the file's time until all are there. */
static int take_file(kt_http_cache *cache, const char *name)
{
    kt__cache_key key;
    kt_auto(kt_path) path = NULL;
    struct stat st;
    bool ours = key_of_name(name, &key), left = strncmp(name, TEMPORARY, strlen(TEMPORARY)) == 0;
    if (!ours && !left)
        return 0;
    int rc = kt_path_join(cache->dir, name, &path);
    if (rc == 0 && left)
        rc = kt_path_remove(path);
    else if (rc == 0)
        rc = kt_path_stat(path, &st);
    if (rc < 0 || left)
        return rc == -ENOENT ? 0 : rc;
    rc = reserve(cache);
    if (rc < 0)
        return rc;
    add(cache, key, (size_t)st.st_size, NULL);
    cache->entries[cache->facts.answers - 1].used =
        (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
    return 0;
}

static int by_use(const void *a, const void *b)
{
    const kt__cache_entry *x = a, *y = b;
    return x->used < y->used ? -1 : x->used > y->used;
}

int kt__cache_index_open(kt_http_cache *cache)
{
    kt_auto(kt_path_list) *names = NULL;
    int rc = kt_dir_make_all(cache->dir, 0700);
    if (rc >= 0)
        rc = kt_dir_list(cache->dir, 0, &names);
    for (size_t i = 0; rc >= 0 && i < names->count; i++)
        rc = take_file(cache, names->paths[i]);
    if (rc < 0)
        return rc;
    if (cache->facts.answers > 0)
        qsort(cache->entries, cache->facts.answers, sizeof *cache->entries, by_use);
    for (size_t i = 0; i < cache->facts.answers; i++)
        cache->entries[i].used = i;
    cache->uses = cache->facts.answers;
    return keep_limits(cache, NULL);
}
