/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_HTTP_CACHE_H
#define KETTLE_HTTP_CACHE_H

/* A private cache of HTTP answers (RFC 9111), in memory or in a directory. Library: libkettle-net.
 *
 * It decides and keeps; it does not ask servers. A session of http_client.h that is given one does the asking; by
 * hand it goes like this:
 *
 *     kt_auto(kt_http_cache_hit) *hit = NULL;
 *     int rc = kt_http_cache_lookup(cache, &request, &hit);
 *     switch (rc) {
 *     case KT_HTTP_CACHE_FRESH:      // answer with the hit: _status, _field_at, _body, _age
 *     case KT_HTTP_CACHE_STALE:      // ask the server with the hit's _conditions; on 304 _refresh the hit and use it
 *     case KT_HTTP_CACHE_MISS:       // ask the server, and _store what it says
 *     case KT_HTTP_CACHE_ONLY:       // only-if-cached: answer 504
 *     }
 *
 * What is kept: answers to GET that are whole, by their status and fields cacheable by a private cache; Vary is
 * honoured; bodies as they were sent (decoded or not is the caller's choice, as long as it is always the same). Never a
 * part (206), an answer to a request with Range, nor what says no-store. s-maxage and private mean nothing here, and an
 * answer to a request with Authorization is kept as any other: the cache belongs to one user. One that serves several
 * must have `shared` set.
 *
 * A directory belongs to one cache at a time. Each answer is a file that appears whole or not at all, and that is
 * checked when it is read, so a crash costs at most the newest answers. One loop's thread, any number of its tasks. */

#include <kettle/base.h>
#include <kettle/buffer.h>
#include <kettle/url.h>

KT_BEGIN

typedef struct kt_http_cache kt_http_cache;
typedef struct kt_http_cache_hit kt_http_cache_hit;

/* All zero means the defaults. */
typedef struct kt_http_cache_options {
    const char *dir;             /* is made if it is not there; NULL: in memory */
    uint64_t bytes_max;          /* of all answers; 0 = 64 MiB in memory, 256 MiB in a directory */
    size_t answers_max;          /* 0 = 10000 */
    size_t answer_bytes_max;     /* of one, its fields included; 0 = 8 MiB, but an eighth of bytes_max at most */
    bool shared;                 /* several users are behind it: s-maxage, private and Authorization count */
    kt_time heuristic_max;       /* an answer that says nothing but when it was changed is fresh for a tenth of the time
                                  * since, at most so long; 0 = 24 h; below 0: not at all */
    kt_time (*clock)(void *arg); /* the time, since 1970-01-01T00:00:00Z; NULL: clock_gettime(CLOCK_REALTIME) */
    void *clock_arg;
} kt_http_cache_options;

/* Opens a cache; NULL options mean the defaults. The caller owns *ret_cache. 0; -ENOMEM; for a directory the errors of
 * kt_dir_make_all and kt_dir_list. Suspends only with a directory; a cancellation leaves nothing but the directory. */
KT_API int kt_http_cache_open(const kt_http_cache_options *options, kt_http_cache **ret_cache) KT_CHECKED;

/* Frees it; NULL is allowed. Hits and stores that are under way go on, and are released as ever. Does not suspend. */
KT_API void kt_http_cache_close(kt_http_cache *cache);

static inline void kt_http_cache_cleanup(kt_http_cache **cache)
{
    kt_http_cache_close(*cache);
}

/* What a cache holds and has done. */
typedef struct kt_http_cache_facts {
    size_t answers;
    uint64_t bytes;
    uint64_t fresh, stale, misses; /* results of look-ups */
    uint64_t stored, evicted;
    uintptr_t reserved[4];
} kt_http_cache_facts;

/* Does not suspend. */
KT_API void kt_http_cache_facts_get(const kt_http_cache *cache, kt_http_cache_facts *ret_facts);

/* ---- Looking up ------------------------------------------------------------------------------ */

/* A field of a request or an answer: its name, in any case, and its value. */
typedef struct kt_http_field {
    kt_slice name, value;
} kt_http_field;

/* A request, borrowed during each call. */
typedef struct kt_http_cache_request {
    const char *method;
    const kt_url *url;           /* the fragment does not count */
    const kt_http_field *fields; /* those that are sent, but for conditions of the cache's own */
    size_t field_count;
} kt_http_cache_request;

enum {
    KT_HTTP_CACHE_MISS = 0,       /* no hit: ask the server */
    KT_HTTP_CACHE_FRESH = 1,      /* the hit is the answer */
    KT_HTTP_CACHE_STALE = 2,      /* the hit has to be confirmed by the server first */
    KT_HTTP_CACHE_STALE_GOOD = 3, /* the hit is the answer, to be confirmed meanwhile (RFC 5861 section 3) */
    KT_HTTP_CACHE_ONLY = 4,       /* no hit, and the request does not want the server asked: answer 504 */
};

/* Looks for an answer; the caller releases *ret_hit, which is NULL for a miss. One of the above; -ENOMEM. What cannot
 * be read from the directory is a miss. Suspends only with a directory; a cancellation leaves everything as it was.
 * RFC 9111 section 4. */
KT_API int kt_http_cache_lookup(kt_http_cache *cache, const kt_http_cache_request *request,
                                kt_http_cache_hit **ret_hit) KT_CHECKED;

/* Frees it; NULL is allowed. None of these suspends. */
KT_API void kt_http_cache_hit_release(kt_http_cache_hit *hit);

static inline void kt_http_cache_hit_cleanup(kt_http_cache_hit **hit)
{
    kt_http_cache_hit_release(*hit);
}

/* What was kept; the slices live as long as the hit. The fields hold no Age: kt_http_cache_hit_age gives its value, in
 * seconds, as of now. */
KT_API int kt_http_cache_hit_status(const kt_http_cache_hit *hit);
KT_API bool kt_http_cache_hit_field_at(const kt_http_cache_hit *hit, size_t index, kt_http_field *ret_field);
KT_API kt_slice kt_http_cache_hit_field(const kt_http_cache_hit *hit, const char *name);
KT_API kt_slice kt_http_cache_hit_body(const kt_http_cache_hit *hit);
KT_API int64_t kt_http_cache_hit_age(const kt_http_cache_hit *hit);

/* The fields that ask the server whether the hit still holds: If-None-Match, If-Modified-Since. How many of the
 * two places are filled, 0 if the answer has nothing to be recognised by: then ask without. They live as long as the
 * hit. */
KT_API size_t kt_http_cache_hit_conditions(const kt_http_cache_hit *hit, kt_http_field ret_fields[2]);

/* May a stale hit be the answer, since the server cannot be reached, or says 500, 502, 503 or 504 (RFC 5861 section 4,
 * RFC 9111 section 4.2.4)? Only if the answer or the request says stale-if-error, and for how long. */
KT_API bool kt_http_cache_hit_serves_errors(const kt_http_cache_hit *hit, const kt_http_cache_request *request);

/* ---- Keeping --------------------------------------------------------------------------------- */

/* An answer's head, borrowed during the call. */
typedef struct kt_http_cache_answer {
    int status;
    const kt_http_field *fields;
    size_t field_count;
    kt_time asked;    /* when its request was sent, and when its head came, by the cache's clock; 0 = now */
    kt_time answered;
} kt_http_cache_answer;

/* The server said 304: takes over its fields into the hit and what is kept, which is fresh again. 0; -EINVAL if the 304
 * is about another version (its validator differs): then the hit is not to be used, and the request to be made again
 * without conditions; -ENOMEM. What cannot be written is forgotten. Suspends only with a directory; a cancellation
 * leaves the old answer or the new one. RFC 9111 section 4.3.4. */
KT_API int kt_http_cache_refresh(kt_http_cache *cache, const kt_http_cache_request *request,
                                 const kt_http_cache_answer *answer, kt_http_cache_hit *hit) KT_CHECKED;

/* A body on its way into the cache. */
typedef struct kt_http_cache_store kt_http_cache_store;

/* To be called for every answer, whatever its method and status: forgets what the answer has outdated (section 4.4),
 * and says whether it is to be kept: 1, and *ret_store takes the body; 0, and *ret_store is NULL. -ENOMEM. Does not
 * suspend unless something has to be forgotten in a directory; a cancellation there may leave it. RFC 9111 section 3.
 * */
KT_API int kt_http_cache_store_begin(kt_http_cache *cache, const kt_http_cache_request *request,
                                     const kt_http_cache_answer *answer,
                                     kt_http_cache_store **ret_store) KT_CHECKED;

/* Adds a piece of the body. 0; KT_ELIMIT: it is too long to be kept, -ENOMEM: after either the store is of no more
 * use, but for its abort. Does not suspend. */
KT_API int kt_http_cache_store_append(kt_http_cache_store *store, const void *bytes, size_t size) KT_CHECKED;

/* The body is whole: keeps it, in place of an older answer, and frees the store in any case. 0; -ENOMEM, the errors of
 * kt_file_replace. Suspends only with a directory; a cancellation leaves the older answer, or the new one. */
KT_API int kt_http_cache_store_commit(kt_http_cache_store *store) KT_CHECKED;

/* The body was cut: nothing is kept. NULL is allowed. Does not suspend. */
KT_API void kt_http_cache_store_abort(kt_http_cache_store *store);

static inline void kt_http_cache_store_cleanup(kt_http_cache_store **store)
{
    kt_http_cache_store_abort(*store);
}

/* Forgets all answers. 0; the errors of kt_path_remove: then some are left. Suspends only with a directory. */
KT_API int kt_http_cache_clear(kt_http_cache *cache) KT_CHECKED;

KT_END

#endif
