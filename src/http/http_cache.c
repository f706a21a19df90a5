/* SPDX-License-Identifier: MIT */
/* The cache's face: look-ups, hits, and answers on their way in. */
#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <strings.h>
#include <time.h>

#include "http/cache_private.h"

#define MEMORY_DEFAULT ((uint64_t)64 * 1024 * 1024)
#define DIR_DEFAULT ((uint64_t)256 * 1024 * 1024)
#define ANSWERS_DEFAULT 10000
#define ANSWER_DEFAULT ((size_t)8 * 1024 * 1024)

struct kt_http_cache_hit {
    kt_http_cache_options options; /* of the cache, which may be closed before the hit */
    kt__cache_bytes *bytes;
    kt__cache_answer answer;
    kt__cache_key key;
};

struct kt_http_cache_store {
    kt_http_cache *cache;
    kt_buffer bytes;
    size_t head_size;
    kt__cache_key key;
};

/* ---- Opening, closing ------------------------------------------------------------------------ */

static kt_time system_clock(void *arg)
{
    struct timespec ts;
    (void)arg;
    clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail: the clock exists */
    return KT_S(ts.tv_sec) + ts.tv_nsec;
}

static void fill_options(kt_http_cache_options *o)
{
    if (o->bytes_max == 0)
        o->bytes_max = o->dir ? DIR_DEFAULT : MEMORY_DEFAULT;
    if (o->answers_max == 0)
        o->answers_max = ANSWERS_DEFAULT;
    if (o->answer_bytes_max == 0)
        o->answer_bytes_max = o->bytes_max / 8 < ANSWER_DEFAULT ? o->bytes_max / 8 : ANSWER_DEFAULT;
    if (!o->clock)
        o->clock = system_clock;
}

int kt_http_cache_open(const kt_http_cache_options *options, kt_http_cache **ret_cache)
{
    kt_http_cache *cache = kt_calloc(1, sizeof *cache);
    if (!cache)
        return -ENOMEM;
    cache->refs = 1;
    if (options)
        cache->options = *options;
    fill_options(&cache->options);
    int rc = 0;
    if (cache->options.dir) {
        cache->dir = kt_strndup(cache->options.dir, strlen(cache->options.dir));
        rc = cache->dir ? kt__cache_index_open(cache) : -ENOMEM;
    }
    cache->options.dir = NULL; /* the caller's */
    if (rc < 0)
        kt__cache_unref(cache);
    else
        *ret_cache = cache;
    return rc;
}

void kt_http_cache_close(kt_http_cache *cache)
{
    if (!cache)
        return;
    cache->closed = true;
    kt__cache_unref(cache);
}

void kt_http_cache_facts_get(const kt_http_cache *cache, kt_http_cache_facts *ret_facts)
{
    *ret_facts = cache->facts;
}

int kt_http_cache_clear(kt_http_cache *cache)
{
    cache->refs++;
    int rc = kt__cache_index_forget(cache, NULL);
    kt__cache_unref(cache);
    return rc;
}

/* ---- Looking up ------------------------------------------------------------------------------ */

void kt_http_cache_hit_release(kt_http_cache_hit *hit)
{
    if (!hit)
        return;
    kt_free(hit->answer.vary);
    kt__cache_bytes_unref(hit->bytes);
    kt_free(hit);
}

/* Reads one answer, and takes it for the hit if it fits and is younger than the one before. */
static int try_key(kt_http_cache *cache, kt__cache_key key, const kt_http_cache_request *request,
                   kt_http_cache_hit *hit)
{
    kt__cache_bytes *bytes = NULL;
    kt__cache_answer answer;
    int rc = kt__cache_index_get(cache, key, &bytes);
    if (rc < 0)
        return rc == -ENOMEM || kt_is_cancel(rc) ? rc : 0;
    rc = kt__cache_answer_read(kt_buffer_slice(&bytes->buffer), &answer);
    if (rc < 0) {
        kt__cache_bytes_unref(bytes);
        return rc == -ENOMEM ? rc : 0;
    }
    if (!kt__cache_answer_fits(&answer, request) || (hit->bytes && hit->answer.answered >= answer.answered)) {
        kt_free(answer.vary);
        kt__cache_bytes_unref(bytes);
        return 0;
    }
    kt_free(hit->answer.vary);
    kt__cache_bytes_unref(hit->bytes);
    hit->answer = answer;
    hit->bytes = bytes;
    hit->key = key;
    return 0;
}

static int find_hit(kt_http_cache *cache, const kt_http_cache_request *request, kt_http_cache_hit **ret_hit)
{
    kt__cache_key keys[KT__CACHE_VARIANTS];
    size_t count = kt__cache_index_find(cache, kt__cache_url_hash(request->url), keys);
    if (count == 0 || !kt__cache_answerable(request))
        return 0;
    kt_auto(kt_http_cache_hit) *hit = kt_calloc(1, sizeof *hit);
    if (!hit)
        return -ENOMEM;
    hit->options = cache->options;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = try_key(cache, keys[i], request, hit);
    if (rc == 0 && hit->bytes)
        *ret_hit = kt_steal(hit);
    return rc;
}

static void judge(const kt_http_cache_hit *hit, kt__cache_facts *ret_facts)
{
    const kt__cache_answer *a = &hit->answer;
    kt_time now = hit->options.clock(hit->options.clock_arg);
    kt__cache_judge(&hit->options, a->status, a->fields, a->field_count, a->asked, a->answered, now, ret_facts);
}

/* What a request's own words make of the verdict. */
static int verdict_of(const kt_http_cache_request *request, kt_http_cache_hit **hit)
{
    kt__cache_control control;
    kt__cache_facts facts;
    kt__cache_control_read(request->fields, request->field_count, &control);
    int verdict = KT_HTTP_CACHE_MISS;
    if (*hit) {
        judge(*hit, &facts);
        verdict = kt__cache_verdict(&(*hit)->options, &control, &facts);
    }
    if (!control.only_if_cached || verdict == KT_HTTP_CACHE_FRESH)
        return verdict;
    if (verdict == KT_HTTP_CACHE_STALE_GOOD) /* it may be used, and nobody is to be asked */
        return KT_HTTP_CACHE_FRESH;
    kt_http_cache_hit_release(kt_steal(*hit));
    return KT_HTTP_CACHE_ONLY;
}

int kt_http_cache_lookup(kt_http_cache *cache, const kt_http_cache_request *request, kt_http_cache_hit **ret_hit)
{
    kt_http_cache_hit *hit = NULL;
    cache->refs++;
    int rc = find_hit(cache, request, &hit);
    if (rc == 0) {
        rc = verdict_of(request, &hit);
        if (hit)
            kt__cache_index_use(cache, hit->key);
        cache->facts.fresh += rc == KT_HTTP_CACHE_FRESH;
        cache->facts.stale += rc == KT_HTTP_CACHE_STALE || rc == KT_HTTP_CACHE_STALE_GOOD;
        cache->facts.misses += !hit;
        *ret_hit = hit;
    }
    kt__cache_unref(cache);
    return rc;
}

/* ---- Hits ------------------------------------------------------------------------------------ */

int kt_http_cache_hit_status(const kt_http_cache_hit *hit)
{
    return hit->answer.status;
}

/* Age is told anew each time. */
bool kt_http_cache_hit_field_at(const kt_http_cache_hit *hit, size_t index, kt_http_field *ret_field)
{
    for (size_t i = 0; i < hit->answer.field_count; i++) {
        const kt_http_field *f = &hit->answer.fields[i];
        if (f->name.size == 3 && strncasecmp(f->name.data, "Age", 3) == 0)
            continue;
        if (index-- == 0) {
            *ret_field = *f;
            return true;
        }
    }
    return false;
}

kt_slice kt_http_cache_hit_field(const kt_http_cache_hit *hit, const char *name)
{
    if (strcasecmp(name, "Age") == 0)
        return (kt_slice){NULL, 0};
    return kt__cache_field(hit->answer.fields, hit->answer.field_count, name);
}

kt_slice kt_http_cache_hit_body(const kt_http_cache_hit *hit)
{
    return hit->answer.body;
}

int64_t kt_http_cache_hit_age(const kt_http_cache_hit *hit)
{
    kt__cache_facts facts;
    judge(hit, &facts);
    return facts.age;
}

size_t kt_http_cache_hit_conditions(const kt_http_cache_hit *hit, kt_http_field ret_fields[2])
{
    size_t n = 0;
    kt_slice tag = kt_http_cache_hit_field(hit, "ETag"), modified = kt_http_cache_hit_field(hit, "Last-Modified");
    if (tag.size > 0)
        ret_fields[n++] = (kt_http_field){kt_slice_from("If-None-Match"), tag};
    if (modified.size > 0)
        ret_fields[n++] = (kt_http_field){kt_slice_from("If-Modified-Since"), modified};
    return n;
}

bool kt_http_cache_hit_serves_errors(const kt_http_cache_hit *hit, const kt_http_cache_request *request)
{
    kt__cache_control control;
    kt__cache_facts facts;
    kt__cache_control_read(request->fields, request->field_count, &control);
    judge(hit, &facts);
    const kt__cache_control *c = &facts.control;
    if (c->must_revalidate || c->no_cache || control.no_cache ||
        (hit->options.shared && (c->proxy_revalidate || c->s_maxage >= 0)))
        return false;
    int64_t most = c->stale_if_error > control.stale_if_error ? c->stale_if_error : control.stale_if_error;
    return most >= 0 && facts.age - facts.lifetime <= most;
}

/* ---- Confirming ------------------------------------------------------------------------------ */

static kt_slice strip_weak(kt_slice tag)
{
    return tag.size >= 2 && memcmp(tag.data, "W/", 2) == 0 ? (kt_slice){tag.data + 2, tag.size - 2} : tag;
}

/* Section 4.3.4: is the 304 about what we have? */
static bool same_version(const kt_http_cache_hit *hit, const kt_http_cache_answer *a)
{
    kt_slice theirs = kt__cache_field(a->fields, a->field_count, "ETag"), ours = kt_http_cache_hit_field(hit, "ETag");
    if (theirs.data)
        return ours.data && kt_slice_equal(strip_weak(theirs), strip_weak(ours));
    theirs = kt__cache_field(a->fields, a->field_count, "Last-Modified");
    ours = kt_http_cache_hit_field(hit, "Last-Modified");
    return !theirs.data || !ours.data || kt_slice_equal(theirs, ours);
}

static bool same_name(kt_slice a, kt_slice b)
{
    return a.size == b.size && strncasecmp(a.data, b.data, a.size) == 0;
}

/* Section 3.2: about the body that is kept, whatever the 304 says. */
static bool is_of_body(kt_slice name)
{
    static const char *const kept[] = {"Content-Length", "Content-Encoding", "Content-Type", "Content-Range"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (same_name(name, kt_slice_from(kept[i])))
            return true;
    return kt__cache_hop_field(name);
}

static bool is_replaced(const kt_http_field *f, const kt_http_cache_answer *a)
{
    for (size_t i = 0; i < a->field_count; i++)
        if (same_name(a->fields[i].name, f->name) && !is_of_body(f->name))
            return true;
    /* The age was of the answer that came then. */
    return same_name(f->name, kt_slice_from("Age"));
}

/* The kept fields, with the 304's in place of those of the same name. The caller frees *ret_fields. */
static int merge(const kt_http_cache_hit *hit, const kt_http_cache_answer *a, kt_http_field **ret_fields,
                 size_t *ret_count)
{
    const kt__cache_answer *old = &hit->answer;
    kt_http_field *fields = kt_calloc(old->field_count + a->field_count + 1, sizeof *fields);
    size_t n = 0;
    if (!fields)
        return -ENOMEM;
    for (size_t i = 0; i < old->field_count; i++)
        if (!is_replaced(&old->fields[i], a))
            fields[n++] = old->fields[i];
    for (size_t i = 0; i < a->field_count; i++)
        if (!is_of_body(a->fields[i].name))
            fields[n++] = a->fields[i];
    *ret_fields = fields;
    *ret_count = n;
    return 0;
}

static int renew(const kt_http_cache_request *request, const kt_http_cache_answer *answer, kt_slice body,
                 kt_http_cache_hit *fresh)
{
    kt__cache_bytes *b = kt_calloc(1, sizeof *b);
    if (!b)
        return -ENOMEM;
    fresh->bytes = b;
    b->refs = 1;
    int rc = kt__cache_answer_put(request, answer, &b->buffer, &fresh->key);
    size_t head_size = b->buffer.size;
    if (rc == 0)
        rc = kt_buffer_append(&b->buffer, body.data, body.size);
    if (rc < 0)
        return rc;
    kt__cache_answer_end(&b->buffer, head_size);
    return kt__cache_answer_read(kt_buffer_slice(&b->buffer), &fresh->answer);
}

/* The hit is what it was, until it is all of the new. */
static int refresh(const kt_http_cache_request *request, const kt_http_cache_answer *answer, kt_http_cache_hit *hit)
{
    kt_http_cache_answer merged = *answer;
    kt_http_field *fields = NULL;
    kt_http_cache_hit fresh = {.options = hit->options};
    int rc = merge(hit, answer, &fields, &merged.field_count);
    if (rc < 0)
        return rc;
    merged.status = hit->answer.status;
    merged.fields = fields;
    rc = renew(request, &merged, hit->answer.body, &fresh);
    kt_free(fields);
    if (rc < 0) {
        kt__cache_bytes_unref(fresh.bytes);
        return rc;
    }
    kt_free(hit->answer.vary);
    kt__cache_bytes_unref(hit->bytes);
    *hit = fresh;
    return 0;
}

static kt_http_cache_answer with_times(const kt_http_cache *cache, const kt_http_cache_answer *answer)
{
    kt_http_cache_answer a = *answer;
    kt_time now = kt__cache_now(cache);
    a.answered = a.answered ? a.answered : now;
    a.asked = a.asked ? a.asked : a.answered;
    return a;
}

/* A copy of the hit's bytes goes into the index: whoever holds the hit goes on reading its own. */
static int keep(kt_http_cache *cache, const kt_http_cache_hit *hit)
{
    kt_auto(kt_buffer) copy = KT_BUFFER_INIT;
    const kt_buffer *from = &hit->bytes->buffer;
    int rc = kt_buffer_append(&copy, from->data, from->size);
    return rc < 0 || cache->closed ? rc : kt__cache_index_put(cache, hit->key, &copy);
}

int kt_http_cache_refresh(kt_http_cache *cache, const kt_http_cache_request *request,
                          const kt_http_cache_answer *answer, kt_http_cache_hit *hit)
{
    if (!same_version(hit, answer))
        return kt_error_set(-EINVAL, "the server's 304 is about another version than the one that is kept");
    kt_http_cache_answer a = with_times(cache, answer);
    cache->refs++;
    int rc = refresh(request, &a, hit);
    if (rc == 0)
        rc = keep(cache, hit);
    kt__cache_unref(cache);
    return rc == -ENOMEM || kt_is_cancel(rc) ? rc : 0;
}

/* ---- Keeping --------------------------------------------------------------------------------- */

/* Section 4.4: of the same origin, since others are not this server's to outdate. */
static int forget_other(kt_http_cache *cache, const kt_url *url, kt_slice reference)
{
    kt_auto(kt_url) other = KT_URL_INIT;
    if (!reference.data)
        return 0;
    int rc = kt_url_parse_slice(reference, url, &other);
    if (rc < 0 || !kt_url_same_origin(url, &other))
        return rc == -ENOMEM ? rc : 0;
    uint64_t hash = kt__cache_url_hash(&other);
    return kt__cache_index_forget(cache, &hash);
}

/* Also what a newer answer would have replaced, but may not. */
static int forget_outdated(kt_http_cache *cache, const kt_http_cache_request *request, const kt_http_cache_answer *a,
                           bool kept)
{
    uint64_t hash = kt__cache_url_hash(request->url);
    if (!kept && a->status == 200 && strcmp(request->method, "GET") == 0 && kt__cache_answerable(request))
        return kt__cache_index_forget(cache, &hash);
    if (!kt__cache_unsafe(request->method) || a->status < 200 || a->status > 399)
        return 0;
    int rc = kt__cache_index_forget(cache, &hash);
    if (rc == 0)
        rc = forget_other(cache, request->url, kt__cache_field(a->fields, a->field_count, "Location"));
    return rc < 0 ? rc
                  : forget_other(cache, request->url, kt__cache_field(a->fields, a->field_count, "Content-Location"));
}

static int store_new(kt_http_cache *cache, const kt_http_cache_request *request, const kt_http_cache_answer *answer,
                     kt_http_cache_store **ret_store)
{
    kt_http_cache_store *store = kt_calloc(1, sizeof *store);
    if (!store)
        return -ENOMEM;
    store->cache = cache;
    cache->refs++;
    store->bytes.size_max = cache->options.answer_bytes_max;
    int rc = kt__cache_answer_put(request, answer, &store->bytes, &store->key);
    store->head_size = store->bytes.size;
    if (rc < 0) {
        kt_http_cache_store_abort(store);
        return rc == KT_ELIMIT ? 0 : rc;
    }
    *ret_store = store;
    return 1;
}

int kt_http_cache_store_begin(kt_http_cache *cache, const kt_http_cache_request *request,
                              const kt_http_cache_answer *answer, kt_http_cache_store **ret_store)
{
    kt_http_cache_answer a = with_times(cache, answer);
    kt_http_cache_store *store = NULL;
    cache->refs++;
    bool kept = kt__cache_storable(&cache->options, request, &a, kt__cache_now(cache));
    int rc = forget_outdated(cache, request, &a, kept);
    if (rc == 0 && kept && !cache->closed)
        rc = store_new(cache, request, &a, &store);
    if (rc >= 0)
        *ret_store = store;
    kt__cache_unref(cache);
    return rc;
}

int kt_http_cache_store_append(kt_http_cache_store *store, const void *bytes, size_t size)
{
    return kt_buffer_append(&store->bytes, bytes, size);
}

int kt_http_cache_store_commit(kt_http_cache_store *store)
{
    int rc = 0;
    if (!store->cache->closed) {
        kt__cache_answer_end(&store->bytes, store->head_size);
        rc = kt__cache_index_put(store->cache, store->key, &store->bytes);
    }
    kt_http_cache_store_abort(store);
    return rc;
}

void kt_http_cache_store_abort(kt_http_cache_store *store)
{
    if (!store)
        return;
    kt__cache_unref(store->cache);
    kt_buffer_release(&store->bytes);
    kt_free(store);
}
