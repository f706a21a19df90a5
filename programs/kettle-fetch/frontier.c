/* SPDX-License-Identifier: MIT */

/* The frontier: URLs that wait, by host. */

#include <errno.h>
#include <kettle/memory.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "engine.h"

void item_free(item *it)
{
    if (!it)
        return;
    kt_free(it->url);
    kt_free(it->why);
    kt_free(it->final_url);
    kt_free(it->content_type);
    kt_free(it->next_link);
    kt_free(it->next_url);
    kt_free(it->saved);
    if (it->part)
        (void)unlink(it->part); /* one system call; a body that is whole has its own name by now */
    kt_free(it->part);
    json_decref(it->fields);
    json_decref(it->found);
    kt_buffer_release(&it->body);
    kt_free(it);
}

int item_fail(item *it, enum cause cause, int rc, const char *why)
{
    const char *detail = kt_error_detail();
    if (!why)
        why = *detail && rc != -ENOMEM ? detail : kt_strerror(rc); /* for memory, the words are of something else */
    it->cause = cause;
    it->rc = rc;
    kt_free(it->why);
    it->why = kt_strndup(why, strlen(why)); /* without memory the cause has to do */
    return rc;
}

void frontier_init(frontier *f, const engine_options *o)
{
    *f = (frontier){.per_host = o->per_host, .urls_max = o->urls_max, .changed = KT_EVENT_INIT};
    f->rate = (kt_rate)KT_RATE_INIT(o->rate_starts, o->rate_period);
}

item *frontier_rest(frontier *f)
{
    item *back = f->returned;
    if (back) {
        f->returned = back->next;
        return back;
    }
    for (host *h = f->hosts; h; h = h->next) {
        item *it = h->first;
        if (it) {
            h->first = it->next;
            f->waiting--;
            return it;
        }
    }
    return NULL;
}

void frontier_release(frontier *f)
{
    for (item *it = frontier_rest(f); it; it = frontier_rest(f))
        item_free(it);
    while (f->hosts) {
        host *h = f->hosts;
        f->hosts = h->next;
        robots_free(h->robots);
        kt_rate_release(&h->rate);
        kt_free(h->origin);
        kt_free(h);
    }
    kt__map_release(&f->by_origin);
    kt_free(f->seen);
}

/* ---- What is known ---------------------------------------------------------------------------- */

typedef unsigned char key[16];

/* The hash cannot be steered by whoever writes the URLs, so that a table of hashes is enough. */
static void key_of(kt_slice url, key ret_key)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    unsigned size;
    if (EVP_Digest(url.data, url.size, digest, &size, EVP_sha256(), NULL) != 1)
        memset(digest, 0, sizeof digest);
    digest[0] |= 1; /* never all zero, which is an empty place */
    memcpy(ret_key, digest, sizeof(key));
}

static key *place_of(key *table, size_t capacity, const key k)
{
    static const key empty;
    size_t at;
    memcpy(&at, k + 8, sizeof at);
    for (at &= capacity - 1;; at = (at + 1) & (capacity - 1))
        if (memcmp(table[at], k, sizeof(key)) == 0 || memcmp(table[at], empty, sizeof(key)) == 0)
            return &table[at];
}

static int grow(frontier *f)
{
    static const key empty;
    size_t capacity = f->seen_capacity ? 2 * f->seen_capacity : 1024;
    key *table = kt_calloc(capacity, sizeof(key));
    if (!table)
        return -ENOMEM;
    for (size_t i = 0; i < f->seen_capacity; i++)
        if (memcmp(f->seen[i], empty, sizeof(key)) != 0)
            memcpy(place_of(table, capacity, f->seen[i]), f->seen[i], sizeof(key));
    kt_free(f->seen);
    f->seen = table;
    f->seen_capacity = capacity;
    return 0;
}

kt_slice frontier_key(const kt_url *url)
{
    size_t fragment = url->fragment.data ? url->fragment.size + 1 : 0;
    return (kt_slice){url->text.data, url->text.size - fragment};
}

static bool has(const frontier *f, const key k)
{
    return f->seen && memcmp(place_of(f->seen, f->seen_capacity, k), k, sizeof(key)) == 0;
}

/* 1, 0 where it is there already, -ENOMEM. */
static int put(frontier *f, const key k)
{
    if (2 * (f->seen_count + 1) > f->seen_capacity && grow(f) < 0)
        return -ENOMEM;
    key *place = place_of(f->seen, f->seen_capacity, k);
    if (memcmp(place, k, sizeof(key)) == 0)
        return 0;
    memcpy(place, k, sizeof(key));
    f->seen_count++;
    return 1;
}

static bool is_seen(const frontier *f, const kt_url *url)
{
    key k;
    key_of(frontier_key(url), k);
    return has(f, k);
}

int frontier_see(frontier *f, const kt_url *url)
{
    key k;
    key_of(frontier_key(url), k);
    return put(f, k);
}

/* The mark of an arrival is a key of its own: what the user names is fetched although a redirect has led there. */
static void arrival_of(const kt_url *url, key ret_key)
{
    key_of(frontier_key(url), ret_key);
    ret_key[1] ^= 0xff;
}

int frontier_arrive(frontier *f, const kt_url *url)
{
    key k;
    arrival_of(url, k);
    return put(f, k);
}

bool frontier_has_arrived(const frontier *f, const kt_url *url)
{
    key k;
    arrival_of(url, k);
    return has(f, k);
}

/* ---- Lines ------------------------------------------------------------------------------------ */

/* The beginning of a URL, which is canonical, up to its path. */
static kt_slice origin_of(const kt_url *url)
{
    return (kt_slice){url->text.data, (size_t)(url->authority.data - url->text.data) + url->authority.size};
}

/* Its hash, as the key of a map; and the host, NULL: there is none yet. */
static const void *hash_of(kt_slice origin)
{
    key k;
    const void *hash;
    key_of(origin, k);
    memcpy(&hash, k + 8, sizeof hash);
    return hash;
}

static host *find_host(const frontier *f, kt_slice origin)
{
    const kt__map_node *n = kt__map_find(&f->by_origin, hash_of(origin));
    for (; n; n = kt__map_find_next(n)) {
        host *h = (host *)(uintptr_t)n;
        if (kt_slice_is(origin, h->origin))
            return h;
    }
    return NULL;
}

/* Those with a user are hosts of their own: their robots.txt has to be asked for with it. */
int frontier_host(frontier *f, const kt_url *url, host **ret_host)
{
    kt_slice origin = origin_of(url);
    host *h = find_host(f, origin);
    if (h) {
        *ret_host = h;
        return 0;
    }
    h = kt_calloc(1, sizeof *h);
    if (h)
        h->origin = kt_strndup(origin.data, origin.size);
    if (!h || !h->origin || kt__map_add(&f->by_origin, &h->node, hash_of(origin)) < 0) {
        kt_free(h ? h->origin : NULL);
        kt_free(h);
        return -ENOMEM;
    }
    h->asking = (kt_lock)KT_LOCK_INIT;
    h->rate = f->rate;
    h->next = f->hosts;
    f->hosts = h;
    *ret_host = h;
    return 0;
}

static void make_ready(frontier *f, host *h)
{
    if (h->ready || !h->first || h->active >= f->per_host)
        return;
    h->ready = true;
    h->ready_next = NULL;
    if (f->ready_last)
        f->ready_last->ready_next = h;
    else
        f->ready_first = h;
    f->ready_last = h;
}

int frontier_add(frontier *f, const kt_url *url, unsigned depth, unsigned page, uint64_t *left_out)
{
    host *h;
    if (f->numbers >= f->urls_max) {
        *left_out += !is_seen(f, url);
        return 0;
    }
    int rc = frontier_see(f, url);
    if (rc <= 0)
        return rc;
    rc = frontier_host(f, url, &h);
    if (rc < 0)
        return rc;
    item *it = kt_calloc(1, sizeof *it);
    kt_slice text = frontier_key(url);
    if (it)
        it->url = kt_strndup(text.data, text.size);
    if (!it || !it->url) {
        item_free(it);
        return -ENOMEM;
    }
    it->host = h;
    it->number = f->numbers++;
    it->depth = depth;
    it->page = page;
    if (h->first)
        h->last->next = it;
    else
        h->first = it;
    h->last = it;
    f->waiting++;
    make_ready(f, h);
    kt_event_set(&f->changed);
    return 1;
}

static host *take_ready(frontier *f)
{
    host *h = f->ready_first;
    if (h) {
        f->ready_first = h->ready_next;
        f->ready_last = f->ready_first ? f->ready_last : NULL;
        h->ready = false;
    }
    return h;
}

int frontier_take(frontier *f, item **ret_item)
{
    host *h;
    while (!(h = take_ready(f))) {
        if (f->active == 0)
            return 0; /* nothing is in line, or its host would be ready */
        kt_event_clear(&f->changed);
        int rc = kt_event_wait(&f->changed);
        if (rc < 0)
            return rc;
    }
    item *it = h->first;
    h->first = it->next;
    it->next = NULL;
    it->host = h;
    h->active++;
    f->active++;
    f->waiting--;
    make_ready(f, h);
    *ret_item = it;
    return 1;
}

void frontier_done(frontier *f, item *it)
{
    it->host->active--;
    f->active--;
    make_ready(f, it->host);
    kt_event_set(&f->changed);
}

void frontier_return(frontier *f, item *it)
{
    it->next = f->returned;
    f->returned = it;
    frontier_done(f, it);
}

int frontier_give(frontier *f, const kt_url *url, bool named)
{
    host *h;
    int rc = frontier_host(f, url, &h);
    if (rc < 0)
        return rc;
    h->given = true;
    h->named = h->named || named;
    return 0;
}

bool frontier_is_given(const frontier *f, const kt_url *url)
{
    const host *h = url->user.size == 0 && url->password.size == 0 ? find_host(f, origin_of(url)) : NULL;
    return h && h->given;
}
