/* SPDX-License-Identifier: MIT */

/* What a loop keeps of looked-up names. The system does not tell how long an answer is good: getaddrinfo(3) asks
 * hosts(5), mDNS, LDAP as nsswitch.conf(5) says, and not all of them know. So it is a fixed, short time. Asking name
 * servers for it ourselves was rejected: their answers may not be what the machine is configured to see. */

#include <errno.h>
#include <kettle/cache.h>
#include <kettle/memory.h>
#include <stdio.h>

#include "core/core.h"
#include "io/resolve.h"

#define KEEP_FOUND KT_S(30)
#define KEEP_NOT_FOUND KT_S(3)
#define NAMES_MAX 512
#define KEY_BYTES_MAX 512

struct kt__names {
    kt__left_open open;
    kt_loop *loop;
    kt_cache cache; /* of kt_addresses */
    bool off;
};

/* A question: what the hints say, the service and the host, each terminated. */
typedef struct question {
    kt_resolve_options options;
    bool has_service;
} question;

static kt_slice make_key(const char *host, const char *service, const kt_resolve_options *o, char key[KEY_BYTES_MAX])
{
    question q;
    memset(&q, 0, sizeof q); /* its padding is compared */
    q.options.family = o->family;
    q.options.type = o->type ? o->type : SOCK_STREAM;
    q.options.protocol = o->protocol;
    q.options.flags = o->flags;
    q.has_service = service != NULL;
    memcpy(key, &q, sizeof q);
    int size = snprintf(key + sizeof q, KEY_BYTES_MAX - sizeof q, "%s%c%s", service ? service : "", '\0', host);
    return (kt_slice){key, sizeof q + (size_t)size + 1};
}

static int fetch(kt_slice key, void *ret_value, void *arg)
{
    struct kt__names *names = arg;
    question q;
    bool final;
    memcpy(&q, key.data, sizeof q);
    const char *service = key.data + sizeof q, *host = service + strlen(service) + 1;
    int rc = kt__resolve_ask(host, q.has_service ? service : NULL, &q.options, &final, ret_value);
    if (rc < 0 && !final)
        (void)kt_cache_forget(&names->cache, key); /* so this is not kept */
    return rc;
}

static void drop(void *value, void *arg)
{
    (void)arg;
    kt_addresses_free(*(kt_addresses **)value);
}

static void close_names(kt__left_open *o)
{
    struct kt__names *names = KT__OWNER(o, struct kt__names, open);
    kt_loop *l = names->loop;
    kt_cache_close(&names->cache);
    kt__left_open_remove(l, o);
    l->names_kept = NULL;
    kt_free(names);
}

/* The running loop's, made on demand; NULL without memory. */
static struct kt__names *names_of(kt_loop *l)
{
    if (l->names_kept)
        return l->names_kept;
    struct kt__names *names = kt_calloc(1, sizeof *names);
    if (!names)
        return NULL;
    names->loop = l;
    names->open.close = close_names;
    names->cache = (kt_cache){.value_bytes = sizeof(kt_addresses *),
                              .ttl = KEEP_FOUND,
                              .error_ttl = KEEP_NOT_FOUND,
                              .entries_max = NAMES_MAX,
                              .fetch = fetch,
                              .drop = drop,
                              .arg = names};
    kt__left_open_add(l, &names->open);
    l->names_kept = names;
    return names;
}

int kt__resolve_kept(const char *host, const char *service, const kt_resolve_options *o,
                     kt_addresses **ret_addresses)
{
    kt_auto(kt_cached) hit = KT_CACHED_INIT;
    char bytes[KEY_BYTES_MAX];
    bool final;
    struct kt__names *names = names_of(kt__loop);
    if (!names)
        return -ENOMEM;
    if (names->off)
        return kt__resolve_ask(host, service, o, &final, ret_addresses);
    kt_slice key = make_key(host, service, o, bytes);
    if (o->fresh)
        (void)kt_cache_forget(&names->cache, key);
    int rc = kt_cache_get(&names->cache, key, &hit);
    if (rc < 0)
        return rc;
    kt_addresses *copy = kt__addresses_copy(*(kt_addresses *const *)hit.value);
    if (!copy)
        return -ENOMEM;
    *ret_addresses = copy;
    return 0;
}

void kt__resolve_forget(const char *host, const kt_resolve_options *o)
{
    char bytes[KEY_BYTES_MAX];
    struct kt__names *names = kt__loop->names_kept;
    if (names && strlen(host) < KEY_BYTES_MAX / 2)
        (void)kt_cache_forget(&names->cache, make_key(host, NULL, o, bytes));
}

int kt_resolve_cache_set(kt_time found, kt_time not_found)
{
    const kt_task *self = kt__self("kt_resolve_cache_set");
    struct kt__names *names = names_of(self->loop);
    if (!names)
        return -ENOMEM;
    names->off = found < 0;
    names->cache.ttl = found > 0 ? found : KEEP_FOUND;
    names->cache.error_ttl = not_found > 0 ? not_found : not_found < 0 ? 0 : KEEP_NOT_FOUND;
    kt_cache_clear(&names->cache);
    return 0;
}

void kt_resolve_cache_clear(void)
{
    const kt_task *self = kt__self("kt_resolve_cache_clear");
    if (self->loop->names_kept)
        kt_cache_clear(&self->loop->names_kept->cache);
}
