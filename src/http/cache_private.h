/* SPDX-License-Identifier: MIT */
#ifndef KT__HTTP_CACHE_PRIVATE_H
#define KT__HTTP_CACHE_PRIVATE_H

/* What the files of the cache share: http_cache.c is its face, cache_policy.c decides by RFC 9111 alone, cache_answer.c
 * makes one run of bytes of an answer and reads it again, cache_index.c keeps those in memory or in a directory. */

#include <kettle/http_cache.h>

/* ---- Decisions: pure ------------------------------------------------------------------------- */

/* Cache-Control (RFC 9111 section 5.2, RFC 5861); seconds, -1: not there. */
typedef struct kt__cache_control {
    bool no_store, no_cache, must_revalidate, proxy_revalidate, is_public, is_private, only_if_cached;
    int64_t max_age, s_maxage, min_fresh, max_stale, stale_if_error, stale_while_revalidate;
} kt__cache_control;

void kt__cache_control_read(const kt_http_field *fields, size_t count, kt__cache_control *ret_control);

/* The first field of this name; data NULL: none. */
kt_slice kt__cache_field(const kt_http_field *fields, size_t count, const char *name);

/* What a decision needs of an answer that was kept; times in seconds since 1970. */
typedef struct kt__cache_facts {
    kt__cache_control control;
    int64_t lifetime; /* section 4.2.1 */
    int64_t age;      /* section 4.2.3 */
} kt__cache_facts;

void kt__cache_judge(const kt_http_cache_options *options, int status, const kt_http_field *fields, size_t count,
                     kt_time asked, kt_time answered, kt_time now, kt__cache_facts *ret_facts);

/* Section 4: KT_HTTP_CACHE_FRESH, _STALE or _STALE_GOOD. */
int kt__cache_verdict(const kt_http_cache_options *options, const kt__cache_control *request,
                      const kt__cache_facts *answer);

/* Is it of a method and without fields of its own that ask for something else than the whole? */
bool kt__cache_answerable(const kt_http_cache_request *request);

/* Section 3. */
bool kt__cache_storable(const kt_http_cache_options *options, const kt_http_cache_request *request,
                        const kt_http_cache_answer *answer, kt_time now);

/* Does a method change something (RFC 9110 section 9.2.1)? */
bool kt__cache_unsafe(const char *method);

/* Is it about the connection, or the body's transfer: not to be kept, nor taken over from a 304? */
bool kt__cache_hop_field(kt_slice name);

/* ---- Answers as bytes ------------------------------------------------------------------------ */

typedef struct kt__cache_key {
    uint64_t url, variant; /* hashes: of the URL without its fragment, and of what Vary names in the request */
} kt__cache_key;

uint64_t kt__cache_hash(uint64_t hash, kt_slice bytes);
uint64_t kt__cache_url_hash(const kt_url *url);

/* Appends an answer but for its body, and says its key. 0, -ENOMEM, KT_ELIMIT. */
int kt__cache_answer_put(const kt_http_cache_request *request, const kt_http_cache_answer *answer, kt_buffer *out,
                         kt__cache_key *ret_key);

/* Closes it: everything behind the head is the body. */
void kt__cache_answer_end(kt_buffer *out, size_t head_size);

/* An answer that has been read; what it points to lies in the bytes. */
typedef struct kt__cache_answer {
    int status;
    kt_time asked, answered;
    kt_slice url;
    size_t vary_count, field_count;
    kt_http_field *vary;   /* names and what the request had for them, with one byte in front: '=', or '-' for none */
    kt_http_field *fields; /* one allocation with `vary` */
    kt_slice body;
} kt__cache_answer;

/* 0; -EINVAL: the bytes are damaged; -ENOMEM. kt_free(ret->vary) releases it. */
int kt__cache_answer_read(kt_slice bytes, kt__cache_answer *ret_answer);

/* Is it what the request asks for? */
bool kt__cache_answer_fits(const kt__cache_answer *answer, const kt_http_cache_request *request);

/* ---- Kept bytes ------------------------------------------------------------------------------ */

/* An answer's bytes, shared by those who look at it. */
typedef struct kt__cache_bytes {
    unsigned refs;
    kt_buffer buffer;
} kt__cache_bytes;

void kt__cache_bytes_unref(kt__cache_bytes *b);

typedef struct kt__cache_entry {
    kt__cache_key key;
    uint64_t used;  /* the cache's count at its last use */
    size_t size;
    kt__cache_bytes *bytes; /* NULL: in the directory */
} kt__cache_entry;

struct kt_http_cache {
    unsigned refs; /* its owner, and calls and stores under way */
    bool closed;
    kt_http_cache_options options;
    char *dir; /* NULL: in memory */
    kt__cache_entry *entries;
    size_t capacity;
    uint64_t uses;
    kt_http_cache_facts facts;
};

static inline kt_time kt__cache_now(const kt_http_cache *cache)
{
    return cache->options.clock(cache->options.clock_arg);
}

void kt__cache_unref(kt_http_cache *cache);

#define KT__CACHE_VARIANTS 8

/* Reads what is in the directory. Suspends. */
int kt__cache_index_open(kt_http_cache *cache);

/* The keys of a URL's answers, at most KT__CACHE_VARIANTS. */
size_t kt__cache_index_find(const kt_http_cache *cache, uint64_t url, kt__cache_key ret_keys[KT__CACHE_VARIANTS]);

/* An answer's bytes, which the caller unrefs. 0; KT_ENOTFOUND; -ENOMEM; in a directory what reading gives,
 * cancellations included. */
int kt__cache_index_get(kt_http_cache *cache, kt__cache_key key, kt__cache_bytes **ret_bytes);

/* Takes the bytes out of `buffer` and keeps them, and the limits. 0; -ENOMEM; in a directory what writing gives. */
int kt__cache_index_put(kt_http_cache *cache, kt__cache_key key, kt_buffer *buffer);

/* Notes a use. */
void kt__cache_index_use(kt_http_cache *cache, kt__cache_key key);

/* Forgets all answers of a URL; url NULL: all. 0, or what removing gives. */
int kt__cache_index_forget(kt_http_cache *cache, const uint64_t *url);

#endif
