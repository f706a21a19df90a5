/* SPDX-License-Identifier: MIT */
/* Which cookies are kept, and which are sent (RFC 6265bis sections 5.7 and 5.8). */
#include "http/cookie_private.h"

#include <errno.h>
#include <kettle/memory.h>
#include <strings.h>
#include <time.h>

#include "http/url_private.h"

#define COOKIES_DEFAULT 3000
#define PER_DOMAIN_DEFAULT 180
#define COOKIE_BYTES_DEFAULT 4096
#define AGE_DEFAULT KT_S(400 * 24 * 3600)

/* ---- The jar --------------------------------------------------------------------------------- */

static kt_time system_clock(void *arg)
{
    struct timespec ts;
    (void)arg;
    clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail: the clock exists */
    return KT_S(ts.tv_sec) + ts.tv_nsec;
}

int64_t kt__cookie_jar_now(const kt_cookie_jar *jar)
{
    return jar->options.clock(jar->options.clock_arg) / KT_S(1);
}

int kt_cookie_jar_new(const kt_cookie_jar_options *options, kt_cookie_jar **ret_jar)
{
    kt_cookie_jar *jar = kt_calloc(1, sizeof *jar);
    if (!jar)
        return -ENOMEM;
    kt_cookie_jar_options *o = &jar->options;
    if (options)
        *o = *options;
    o->cookies_max = o->cookies_max ? o->cookies_max : COOKIES_DEFAULT;
    o->cookies_per_domain_max = o->cookies_per_domain_max ? o->cookies_per_domain_max : PER_DOMAIN_DEFAULT;
    o->cookie_bytes_max = o->cookie_bytes_max ? o->cookie_bytes_max : COOKIE_BYTES_DEFAULT;
    o->age_max = o->age_max ? o->age_max : AGE_DEFAULT;
    o->clock = o->clock ? o->clock : system_clock;
    *ret_jar = jar;
    return 0;
}

void kt_cookie_jar_free(kt_cookie_jar *jar)
{
    if (!jar)
        return;
    kt_cookie_jar_clear(jar, NULL);
    kt_free(jar->cookies);
    kt_free(jar->found);
    kt_free(jar);
}

static void remove_at(kt_cookie_jar *jar, size_t i)
{
    kt_free(jar->cookies[i]);
    jar->count--;
    memmove(jar->cookies + i, jar->cookies + i + 1, (jar->count - i) * sizeof *jar->cookies);
}

static bool is_expired(const kt__cookie *c, int64_t now)
{
    return c->persistent && c->expires <= now;
}

static void remove_expired(kt_cookie_jar *jar)
{
    int64_t now = kt__cookie_jar_now(jar);
    size_t to = 0;
    for (size_t i = 0; i < jar->count; i++) {
        if (is_expired(jar->cookies[i], now))
            kt_free(jar->cookies[i]);
        else
            jar->cookies[to++] = jar->cookies[i];
    }
    jar->count = to;
}

/* ---- Matching -------------------------------------------------------------------------------- */

/* RFC 6265bis section 5.1.3. */
static bool domain_match(kt_slice host, kt_slice domain)
{
    if (kt_slice_equal(host, domain))
        return true;
    return domain.size > 0 && host.size > domain.size && host.data[host.size - domain.size - 1] == '.' &&
           memcmp(host.data + host.size - domain.size, domain.data, domain.size) == 0 &&
           !kt__url_host_is_address(host);
}

/* Section 5.1.4. */
static bool path_match(kt_slice path, kt_slice cookie_path)
{
    size_t size = cookie_path.size;
    if (path.size < size || memcmp(path.data, cookie_path.data, size) != 0)
        return false;
    return path.size == size || cookie_path.data[size - 1] == '/' || path.data[size] == '/';
}

static kt_slice default_path(const kt_url *url)
{
    const char *slash = memrchr(url->path.data, '/', url->path.size);
    size_t size = slash ? (size_t)(slash - url->path.data) : 0;
    return size > 0 ? (kt_slice){url->path.data, size} : kt_slice_from("/");
}

/* Section 5.2: the same registered domain, by a scheme of the same kind. */
static bool same_site(const kt_url *url, const kt_cookie_request *request)
{
    const kt_url *from = request ? request->initiator : NULL;
    return !from || (kt_url_is_secure(from) == kt_url_is_secure(url) &&
                     kt_slice_equal(kt__site(from->host), kt__site(url->host)));
}

static bool same_cookie(const kt_cookie *a, const kt_cookie *b)
{
    return kt_slice_equal(a->name, b->name) && kt_slice_equal(a->domain, b->domain) &&
           kt_slice_equal(a->path, b->path) && a->host_only == b->host_only;
}

static size_t find_same(const kt_cookie_jar *jar, const kt_cookie *cookie)
{
    size_t i = 0;
    while (i < jar->count && !same_cookie(&jar->cookies[i]->c, cookie))
        i++;
    return i;
}

/* ---- Putting in ------------------------------------------------------------------------------ */

static kt_slice put_bytes(char **to, kt_slice from)
{
    kt_slice s = {*to, from.size};
    if (from.size > 0)
        memcpy(*to, from.data, from.size);
    *to += from.size;
    return s;
}

static kt__cookie *cookie_new(const kt_cookie *from)
{
    size_t size = from->name.size + from->value.size + from->domain.size + from->path.size;
    kt__cookie *c = kt_calloc(1, sizeof *c + size);
    if (!c)
        return NULL;
    char *to = c->bytes;
    c->c = *from;
    c->c.name = put_bytes(&to, from->name);
    c->c.value = put_bytes(&to, from->value);
    c->c.domain = put_bytes(&to, from->domain);
    c->c.path = put_bytes(&to, from->path);
    c->site = kt__site(c->c.domain);
    return c;
}

/* Room for one more. */
static int grow(kt_cookie_jar *jar)
{
    if (jar->count < jar->capacity)
        return 0;
    size_t capacity = jar->capacity ? 2 * jar->capacity : 16;
    kt__cookie **cookies = kt_realloc(jar->cookies, capacity * sizeof *cookies);
    if (!cookies)
        return -ENOMEM;
    jar->cookies = cookies;
    kt__cookie **found = kt_realloc(jar->found, capacity * sizeof *found);
    if (!found)
        return -ENOMEM;
    jar->found = found;
    jar->capacity = capacity;
    return 0;
}

/* Removes the one that has not been used for the longest time, of a site or, with data NULL, of all. */
static void evict(kt_cookie_jar *jar, kt_slice site)
{
    size_t oldest = jar->count;
    for (size_t i = 0; i < jar->count; i++) {
        const kt__cookie *c = jar->cookies[i];
        if (site.data && !kt_slice_equal(c->site, site))
            continue;
        if (oldest == jar->count || c->used < jar->cookies[oldest]->used)
            oldest = i;
    }
    if (oldest < jar->count)
        remove_at(jar, oldest);
}

static size_t count_site(const kt_cookie_jar *jar, kt_slice site)
{
    size_t count = 0;
    for (size_t i = 0; i < jar->count; i++)
        count += kt_slice_equal(jar->cookies[i]->site, site);
    return count;
}

/* Section 5.7, the end: the domain's excess goes first, then that of all; the new one is the youngest. */
static void keep_limits(kt_cookie_jar *jar, const kt__cookie *added)
{
    const kt_cookie_jar_options *o = &jar->options;
    if (count_site(jar, added->site) > o->cookies_per_domain_max || jar->count > o->cookies_max)
        remove_expired(jar);
    if (count_site(jar, added->site) > o->cookies_per_domain_max)
        evict(jar, added->site);
    if (jar->count > o->cookies_max)
        evict(jar, (kt_slice){NULL, 0});
}

int kt__cookie_jar_put(kt_cookie_jar *jar, const kt_cookie *cookie, bool persistent, int64_t expires)
{
    kt__cookie *c = cookie_new(cookie);
    if (!c || grow(jar) < 0) {
        kt_free(c);
        return -ENOMEM;
    }
    int64_t last = kt__cookie_jar_now(jar) + jar->options.age_max / KT_S(1);
    c->persistent = persistent;
    c->expires = expires < last ? expires : last;
    c->used = ++jar->uses;
    size_t at = find_same(jar, cookie);
    if (at < jar->count) { /* keeps its age, which is its place */
        kt_free(jar->cookies[at]);
        jar->cookies[at] = c;
        return 0;
    }
    jar->cookies[jar->count++] = c;
    keep_limits(jar, c);
    return 0;
}

/* ---- Set-Cookie ------------------------------------------------------------------------------ */

static bool has_prefix(kt_slice s, const char *prefix)
{
    return s.size >= strlen(prefix) && strncasecmp(s.data, prefix, strlen(prefix)) == 0;
}

static bool prefix_kept(const kt__set_cookie *set, const kt_cookie *c)
{
    if (c->name.size == 0) /* would be sent as if it had the name that its value looks like */
        return !has_prefix(c->value, "__Secure-") && !has_prefix(c->value, "__Host-");
    if (has_prefix(c->name, "__Secure-"))
        return c->secure;
    return !has_prefix(c->name, "__Host-") || (c->secure && c->host_only && set->path.data && set->path.size == 1);
}

/* Lower-cases the domain into `to` and sees whether this host may set it. False: it may not. */
static bool take_domain(const kt__set_cookie *set, const kt_url *url, char *to, kt_cookie *c)
{
    kt_slice domain = {to, set->domain.size};
    for (size_t i = 0; i < domain.size; i++) {
        char x = set->domain.data[i];
        if ((unsigned char)x >= 0x80)
            return false;
        to[i] = x >= 'A' && x <= 'Z' ? (char)(x | 0x20) : x;
    }
    c->host_only = true;
    c->domain = url->host;
    if (domain.size == 0)
        return true;
    if (kt__public_suffix(domain))
        return kt_slice_equal(domain, url->host);
    c->host_only = false;
    c->domain = domain;
    return domain_match(url->host, domain);
}

/* Does a cookie of an insecure answer hide or replace one that is secure? */
static bool shadows_secure(const kt_cookie_jar *jar, const kt_cookie *c)
{
    int64_t now = kt__cookie_jar_now(jar);
    for (size_t i = 0; i < jar->count; i++) {
        const kt_cookie *s = &jar->cookies[i]->c;
        if (s->secure && !is_expired(jar->cookies[i], now) && kt_slice_equal(s->name, c->name) &&
            path_match(c->path, s->path) &&
            (domain_match(s->domain, c->domain) || domain_match(c->domain, s->domain)))
            return true;
    }
    return false;
}

static bool may_set(const kt_cookie_jar *jar, const kt_url *url, const kt_cookie_request *request,
                    const kt__set_cookie *set, const kt_cookie *c)
{
    if (!kt_url_is_secure(url) && (c->secure || shadows_secure(jar, c)))
        return false;
    if (c->same_site != KT_COOKIE_SAME_SITE_NONE && !same_site(url, request) && !request->navigation)
        return false;
    return prefix_kept(set, c);
}

int kt_cookie_jar_set(kt_cookie_jar *jar, const kt_url *url, const kt_cookie_request *request, kt_slice set_cookie)
{
    kt__set_cookie set;
    char domain[256];
    if (!kt__set_cookie_parse(set_cookie, jar->options.cookie_bytes_max, &set) || set.domain.size > sizeof domain)
        return 0;
    kt_cookie c = {.name = set.name, .value = set.value, .path = set.path.data ? set.path : default_path(url),
                   .secure = set.secure, .http_only = set.http_only, .same_site = set.same_site};
    if (!take_domain(&set, url, domain, &c) || !may_set(jar, url, request, &set, &c))
        return 0;
    int64_t now = kt__cookie_jar_now(jar);
    int64_t expires = set.relative ? now + set.seconds : set.seconds;
    if (set.persistent && expires <= now) {
        size_t at = find_same(jar, &c);
        if (at < jar->count)
            remove_at(jar, at);
        return 1;
    }
    int rc = kt__cookie_jar_put(jar, &c, set.persistent, expires);
    return rc < 0 ? rc : 1;
}

/* ---- Cookie ---------------------------------------------------------------------------------- */

static bool may_send(const kt__cookie *c, const kt_url *url, const kt_cookie_request *request, bool ours)
{
    if (c->c.host_only ? !kt_slice_equal(url->host, c->c.domain) : !domain_match(url->host, c->c.domain))
        return false;
    if (!path_match(url->path, c->c.path) || (c->c.secure && !kt_url_is_secure(url)))
        return false;
    if (ours || c->c.same_site == KT_COOKIE_SAME_SITE_NONE)
        return true;
    return c->c.same_site != KT_COOKIE_SAME_SITE_STRICT && request->navigation && !request->unsafe;
}

/* The ones to send in `found`, in their order: longer paths first, then older ones. */
static size_t find(kt_cookie_jar *jar, const kt_url *url, const kt_cookie_request *request)
{
    size_t count = 0;
    int64_t now = kt__cookie_jar_now(jar);
    bool ours = same_site(url, request);
    for (size_t i = 0; i < jar->count; i++) {
        kt__cookie *c = jar->cookies[i];
        if (is_expired(c, now) || !may_send(c, url, request, ours))
            continue;
        size_t at = count++;
        for (; at > 0 && jar->found[at - 1]->c.path.size < c->c.path.size; at--)
            jar->found[at] = jar->found[at - 1];
        jar->found[at] = c;
    }
    return count;
}

int kt_cookie_jar_header(kt_cookie_jar *jar, const kt_url *url, const kt_cookie_request *request, kt_buffer *out)
{
    size_t before = out->size, count = find(jar, url, request);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        const kt_cookie *c = &jar->found[i]->c;
        rc = i > 0 ? kt_buffer_append(out, "; ", 2) : 0;
        if (rc == 0)
            rc = kt_buffer_append(out, c->name.data, c->name.size);
        if (rc == 0 && c->name.size > 0)
            rc = kt_buffer_append(out, "=", 1);
        if (rc == 0)
            rc = kt_buffer_append(out, c->value.data, c->value.size);
    }
    if (rc < 0) {
        out->size = before;
        return rc;
    }
    for (size_t i = 0; i < count; i++)
        jar->found[i]->used = ++jar->uses;
    return (int)count;
}

/* ---- Looking, forgetting --------------------------------------------------------------------- */

bool kt_cookie_jar_next(kt_cookie_jar *jar, size_t *cursor, kt_cookie *ret_cookie)
{
    int64_t now = kt__cookie_jar_now(jar);
    while (*cursor < jar->count && is_expired(jar->cookies[*cursor], now))
        ++*cursor;
    if (*cursor >= jar->count)
        return false;
    const kt__cookie *c = jar->cookies[(*cursor)++];
    *ret_cookie = c->c;
    ret_cookie->expires = c->persistent ? KT_S(c->expires) : 0;
    return true;
}

void kt_cookie_jar_clear(kt_cookie_jar *jar, const char *domain)
{
    size_t to = 0;
    for (size_t i = 0; i < jar->count; i++) {
        if (!domain || domain_match(jar->cookies[i]->c.domain, kt_slice_from(domain)))
            kt_free(jar->cookies[i]);
        else
            jar->cookies[to++] = jar->cookies[i];
    }
    jar->count = to;
}

void kt_cookie_jar_end_session(kt_cookie_jar *jar)
{
    size_t to = 0;
    for (size_t i = 0; i < jar->count; i++) {
        if (!jar->cookies[i]->persistent)
            kt_free(jar->cookies[i]);
        else
            jar->cookies[to++] = jar->cookies[i];
    }
    jar->count = to;
}
