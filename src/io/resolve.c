/* SPDX-License-Identifier: MIT */

/* Names to addresses and back, off the loop. getaddrinfo(3) may take half a minute and cannot be
 * stopped, so a look-up whose asker has been cancelled is abandoned: it ends alone, and frees itself. */

#include <errno.h>
#include <kettle/address.h>
#include <kettle/memory.h>
#include <kettle/sync.h>
#include <kettle/thread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "core/core.h"
#include "io/network.h"
#include "io/socket.h"

#define NAME_BYTES_MAX 255 /* RFC 1035, 2.3.4 */
#define SERVICE_BYTES_MAX 31
#define SIMULATED_MAX 16 /* addresses of a name */

/* Shared by the asker, the job and the message between them, which needs no memory of its own: a job
 * that could not send it would leave its asker waiting. */
typedef struct lookup {
    atomic_int references;
    kt__message message;
    kt_loop *loop;
    kt_event done;
    void (*ask)(struct lookup *l); /* on the thread */
    int error;                     /* EAI_... */
    int system_error;              /* errno, for EAI_SYSTEM */

    struct addrinfo hints; /* names to addresses */
    struct addrinfo *answer;
    bool has_host, has_service;

    kt_address address; /* addresses to names */
    int flags;

    kt_host_name name; /* what is asked for, or the answer */
} lookup;

static void unref(void *arg)
{
    lookup *l = arg;
    if (atomic_fetch_sub(&l->references, 1) > 1)
        return;
    if (l->answer)
        freeaddrinfo(l->answer);
    kt_free(l);
}

static void announce(kt__message *m)
{
    lookup *l = KT__OWNER(m, lookup, message);
    kt_event_set(&l->done);
    unref(l);
}

/* The loop has ended. */
static void nobody_asks(kt__message *m)
{
    unref(KT__OWNER(m, lookup, message));
}

static int look_up(void *arg)
{
    lookup *l = arg;
    l->ask(l);
    l->system_error = errno;
    atomic_fetch_add(&l->references, 1);
    l->message = (kt__message){.run = announce, .drop = nobody_asks};
    kt__inbox_post(l->loop->inbox, &l->message);
    return 0;
}

static const char *question(const lookup *l)
{
    if (l->has_host)
        return l->name.host;
    return l->has_service ? l->name.service : "the address";
}

static int outcome(const lookup *l)
{
    if (l->error == 0)
        return 0;
    if (l->error == EAI_MEMORY)
        return -ENOMEM;
    if (l->error == EAI_BADFLAGS || l->error == EAI_FAMILY || l->error == EAI_SOCKTYPE)
        return kt_error_set(-EINVAL, "%s: %s", question(l), gai_strerror(l->error));
    const char *why = l->error == EAI_SYSTEM ? kt_strerror(-l->system_error) : gai_strerror(l->error);
    return kt_error_set(KT_ENAME, "%s: %s", question(l), why);
}

static int lookup_new(void (*ask)(lookup *l), lookup **ret_lookup)
{
    lookup *l = kt_calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    l->loop = kt__loop;
    l->ask = ask;
    *ret_lookup = l;
    return 0;
}

/* Has a thread ask, and waits. Afterwards *l is the caller's to read, and to unref, in every case. */
static int ask(lookup *l)
{
    atomic_store(&l->references, 2);
    int rc = kt_thread_abandon(look_up, l, 0, unref);
    if (rc < 0) {
        unref(l); /* for the job */
        return rc;
    }
    rc = kt_event_wait(&l->done);
    return rc < 0 ? rc : outcome(l);
}

/* ---- Names to addresses -------------------------------------------------------------------- */

/* The addresses and the name lie behind the struct, in the same allocation. */
static kt_addresses *list_new(size_t count, const char *canonical_name)
{
    size_t name_size = canonical_name ? strlen(canonical_name) + 1 : 0;
    kt_addresses *list = kt_calloc(1, sizeof *list + count * sizeof(kt_address) + name_size);
    if (!list)
        return NULL;
    kt_address *items = (kt_address *)(void *)(list + 1);
    list->count = count;
    list->items = items;
    if (canonical_name)
        list->canonical_name = memcpy(items + count, canonical_name, name_size);
    return list;
}

static kt_address *items_of(kt_addresses *list)
{
    return (kt_address *)(void *)(list + 1);
}

void kt_addresses_free(kt_addresses *a)
{
    kt_free(a);
}

static int copy_answer(const struct addrinfo *answer, kt_addresses **ret_addresses)
{
    size_t count = 0;
    for (const struct addrinfo *a = answer; a; a = a->ai_next)
        count++;
    kt_addresses *list = list_new(count, answer->ai_canonname);
    if (!list)
        return -ENOMEM;
    kt_address *item = items_of(list);
    for (const struct addrinfo *a = answer; a; a = a->ai_next, item++) {
        memcpy(&item->storage, a->ai_addr, a->ai_addrlen);
        item->size = a->ai_addrlen;
    }
    *ret_addresses = list;
    return 0;
}

static void ask_addresses(lookup *l)
{
    l->error = getaddrinfo(l->has_host ? l->name.host : NULL, l->has_service ? l->name.service : NULL,
                           &l->hints, &l->answer);
}

static bool parse_port(const char *service, uint16_t *ret_port)
{
    unsigned port = 0;
    if (service && !*service)
        return false;
    for (const char *c = service ? service : ""; *c; c++) {
        if (*c < '0' || *c > '9' || port > UINT16_MAX)
            return false;
        port = port * 10 + (unsigned)(*c - '0');
    }
    *ret_port = (uint16_t)port;
    return port <= UINT16_MAX;
}

/* Numbers are understood on the spot: 1 if that is all, 0 if somebody must be asked. */
static int resolve_numbers(const char *host, const char *service, const kt_resolve_options *o,
                           kt_addresses **ret_addresses)
{
    kt_address one;
    uint16_t port;
    if (!host || o->flags & AI_CANONNAME || !parse_port(service, &port) ||
        kt_address_parse(host, port, &one) < 0)
        return 0;
    if (o->family && o->family != one.any.sa_family)
        return 0; /* to be refused, or mapped with AI_V4MAPPED */
    kt_addresses *list = list_new(1, NULL);
    if (!list)
        return -ENOMEM;
    *items_of(list) = one;
    *ret_addresses = list;
    return 1;
}

/* Services have no names there. */
static int resolve_simulated(kt__network *n, const char *host, const char *service, const kt_resolve_options *o,
                             kt_addresses **ret_addresses)
{
    kt_address found[SIMULATED_MAX];
    uint16_t port;
    size_t kept = 0;
    if (!parse_port(service, &port))
        return kt_error_set(KT_ENAME, "%s: no such service", service);
    size_t count = n->resolve(n, host ? host : "", found, SIMULATED_MAX);
    for (size_t i = 0; i < count; i++) {
        if (o->family && o->family != found[i].any.sa_family)
            continue;
        if (found[i].any.sa_family == AF_INET6)
            found[i].in6.sin6_port = htons(port);
        else
            found[i].in.sin_port = htons(port);
        found[kept++] = found[i];
    }
    if (kept == 0)
        return kt_error_set(KT_ENAME, "%s: no such name", host ? host : "");
    kt_addresses *list = list_new(kept, o->flags & AI_CANONNAME ? host : NULL);
    if (!list)
        return -ENOMEM;
    memcpy(items_of(list), found, kept * sizeof *found);
    *ret_addresses = list;
    return 0;
}

static int check_names(const char *host, const char *service)
{
    size_t length = host ? strlen(host) : 1;
    if (!host && !service)
        return kt_error_set(-EINVAL, "neither a host nor a service to look up");
    if (length == 0 || length > NAME_BYTES_MAX)
        return kt_error_set(KT_ENAME, "a host name has 1 to %d bytes", NAME_BYTES_MAX);
    length = service ? strlen(service) : 1;
    if (length == 0 || length > SERVICE_BYTES_MAX)
        return kt_error_set(KT_ENAME, "a service's name has 1 to %d bytes", SERVICE_BYTES_MAX);
    uint16_t port;
    if (service && service[strspn(service, "0123456789")] == '\0' && !parse_port(service, &port))
        return kt_error_set(KT_ENAME, "%s: a port is at most 65535", service); /* glibc cuts it */
    return 0;
}

int kt_resolve(const char *host, const char *service, const kt_resolve_options *options,
               kt_addresses **ret_addresses)
{
    const kt_task *self = kt__self("kt_resolve");
    const kt_resolve_options o = options ? *options : (kt_resolve_options){0};
    int rc = resolve_numbers(host, service, &o, ret_addresses);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = check_names(host, service);
    if (rc < 0)
        return rc;
    if (self->loop->network)
        return resolve_simulated(self->loop->network, host, service, &o, ret_addresses);
    if (self->loop->simulated)
        return kt_error_set(KT_ENOTSIM, "looking up %s", host ? host : service);
    lookup *l;
    rc = lookup_new(ask_addresses, &l);
    if (rc < 0)
        return rc;
    l->has_host = host != NULL;
    l->has_service = service != NULL;
    memcpy(l->name.host, host ? host : "", host ? strlen(host) : 0);
    memcpy(l->name.service, service ? service : "", service ? strlen(service) : 0);
    l->hints = (struct addrinfo){.ai_family = o.family,
                                 .ai_socktype = o.type ? o.type : SOCK_STREAM,
                                 .ai_protocol = o.protocol,
                                 .ai_flags = o.flags};
    rc = ask(l);
    if (rc == 0)
        rc = copy_answer(l->answer, ret_addresses);
    unref(l);
    return rc;
}

int kt__resolve_port(const char *host, uint16_t port, const kt_resolve_options *options,
                     kt_addresses **ret_addresses)
{
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    return kt_resolve(host, service, options, ret_addresses);
}

int kt__resolve_local(const char *host, uint16_t port, int family, int type, kt_address *ret_local)
{
    const kt_resolve_options o = {.family = family, .type = type, .flags = AI_PASSIVE};
    kt_auto(kt_addresses) *found = NULL;
    int rc = kt__resolve_port(host, port, &o, &found);
    if (rc == 0)
        *ret_local = found->items[0];
    return rc;
}

/* ---- Addresses to names -------------------------------------------------------------------- */

static void ask_name(lookup *l)
{
    l->error = getnameinfo(&l->address.any, l->address.size, l->name.host, sizeof l->name.host,
                           l->name.service, sizeof l->name.service, l->flags);
}

int kt_resolve_name(const kt_address *a, int flags, kt_host_name *ret_name)
{
    const kt_task *self = kt__self("kt_resolve_name");
    const int numeric = NI_NUMERICHOST | NI_NUMERICSERV;
    if (self->loop->simulated && (flags & numeric) != numeric)
        return kt_error_set(KT_ENOTSIM, "looking up the name of an address");
    lookup *l;
    int rc = lookup_new(ask_name, &l);
    if (rc < 0)
        return rc;
    l->address = *a;
    l->flags = flags;
    if ((flags & numeric) == numeric) {
        atomic_store(&l->references, 1);
        ask_name(l);
        l->system_error = errno;
        rc = outcome(l);
    } else {
        rc = ask(l);
    }
    if (rc == 0)
        *ret_name = l->name;
    unref(l);
    return rc;
}
