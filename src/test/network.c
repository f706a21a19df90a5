/* SPDX-License-Identifier: MIT */

/* The simulated network as tests see it: hosts, names and troubles. */
#include "test/network.h"

#include <errno.h>
#include <kettle/context.h>
#include <kettle/loop.h>

#include "test/kit.h"

#define FIRST_PORT 32768

/* ---- Hosts --------------------------------------------------------------------------------- */

static const kt_context_var host_of_task = {"host in the simulated network"};

uint64_t kt__net_below(kt_test_network *n, uint64_t limit)
{
    return kt__test_random(&n->random) % limit;
}

kt_time kt__net_delay(kt_test_network *n)
{
    kt_time jitter = n->options.jitter;
    return n->options.latency + (jitter > 0 ? (kt_time)kt__net_below(n, (uint64_t)jitter + 1) : 0);
}

void kt__net_set_port(kt_address *a, uint16_t port)
{
    if (a->any.sa_family == AF_INET)
        a->in.sin_port = htons(port);
    else if (a->any.sa_family == AF_INET6)
        a->in6.sin6_port = htons(port);
}

/* A Unix socket is within a host, and never cut off. */
bool kt__net_same_host(const kt_address *a, const kt_address *b)
{
    kt_address one = *a, two = *b;
    kt__net_set_port(&one, 0);
    kt__net_set_port(&two, 0);
    return kt_address_equal(&one, &two);
}

static kt_address parse(const char *host)
{
    kt_address a;
    if (kt_address_parse(host, 0, &a) < 0)
        kt_test_fail("\"%s\" is no host of the simulated network; use a number, as 10.0.0.1", host);
    return a;
}

kt_address kt__net_own(void)
{
    const kt__name *own = kt_context_get(&host_of_task, NULL);
    return own ? own->address : parse("127.0.0.1");
}

static bool stands_for_own(const kt_address *a)
{
    if (a->size == 0)
        return true;
    if (a->any.sa_family == AF_INET)
        return ntohl(a->in.sin_addr.s_addr) == INADDR_ANY || ntohl(a->in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return a->any.sa_family == AF_INET6 &&
           (IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr) || IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr));
}

kt_address kt__net_meant(const kt_address *a)
{
    kt_address own = kt__net_own();
    if (!stands_for_own(a))
        return *a;
    kt__net_set_port(&own, kt_address_port(a));
    return own;
}

/* ---- Names --------------------------------------------------------------------------------- */

kt__name *kt__net_know(kt_test_network *n, const char *name, const kt_address *host)
{
    size_t size = strlen(name) + 1;
    for (kt__name *at = n->names; at; at = at->next) {
        if (strcmp(at->name, name) == 0 && kt__net_same_host(&at->address, host))
            return at;
    }
    kt__name **last = &n->names;
    while (*last)
        last = &(*last)->next;
    kt__name *new = kt__test_own(NULL, sizeof *new + size);
    *new = (kt__name){.address = *host};
    memcpy(new->name, name, size);
    kt__net_set_port(&new->address, 0);
    return *last = new;
}

bool kt__net_is_known(const kt_test_network *n, const kt_address *host)
{
    const kt__name *at = n->names;
    while (at && !kt__net_same_host(&at->address, host))
        at = at->next;
    return at != NULL;
}

static size_t net_resolve(kt__network *calls, const char *host, kt_address *ret_addresses, size_t max)
{
    const kt_test_network *n = (const kt_test_network *)(const void *)calls;
    size_t count = 0;
    if (!*host || strcmp(host, "localhost") == 0) {
        ret_addresses[0] = kt__net_own();
        return 1;
    }
    for (const kt__name *at = n->names; at && count < max; at = at->next) {
        if (strcmp(at->name, host) == 0)
            ret_addresses[count++] = at->address;
    }
    return count;
}

void kt_test_network_name(kt_test_network *n, const char *name, const char *host)
{
    kt_address a = parse(host);
    kt__net_know(n, name, &a);
}

void kt_test_network_be(kt_test_network *n, const char *host)
{
    const kt__name *own = NULL;
    if (host) {
        kt_address a = parse(host);
        own = kt__net_know(n, "", &a);
    }
    if (kt_context_set(&host_of_task, own) < 0)
        kt_test_fail("kt_test_network_be: not in a task, or no memory");
}

/* ---- Troubles ------------------------------------------------------------------------------ */

static bool separates(const kt__cut *c, const kt_address *a, const kt_address *b)
{
    if (kt__net_same_host(&c->hosts[0], a))
        return c->any ? !kt__net_same_host(a, b) : kt__net_same_host(&c->hosts[1], b);
    return false;
}

bool kt__net_is_cut(const kt_test_network *n, const kt_address *a, const kt_address *b)
{
    const kt__cut *c = n->cuts;
    while (c && !separates(c, a, b) && !separates(c, b, a))
        c = c->next;
    return c != NULL;
}

static void all_move(kt_test_network *n)
{
    for (kt__connection *c = n->connections; c; c = c->next)
        kt__net_connection_moves(c);
}

static void cut(kt_test_network *n, const char *host, const char *other, bool down)
{
    kt__cut *c = kt__test_own(NULL, sizeof *c);
    *c = (kt__cut){.next = n->cuts, .hosts = {parse(host), parse(other ? other : host)}, .any = !other, .down = down};
    n->cuts = c;
    all_move(n);
}

static void heal(kt_test_network *n, const char *host, const char *other, bool down)
{
    const kt_address one = parse(host), two = parse(other ? other : host);
    for (kt__cut **at = &n->cuts; *at;) {
        kt__cut *c = *at;
        bool ahead = kt__net_same_host(&c->hosts[0], &one) && kt__net_same_host(&c->hosts[1], &two);
        bool back = kt__net_same_host(&c->hosts[0], &two) && kt__net_same_host(&c->hosts[1], &one);
        if (c->any == !other && c->down == down && (ahead || back)) {
            *at = c->next;
            kt__test_disown(c);
        } else {
            at = &c->next;
        }
    }
    all_move(n);
}

void kt_test_network_cut(kt_test_network *n, const char *host, const char *other)
{
    cut(n, host, other, false);
}

void kt_test_network_heal(kt_test_network *n, const char *host, const char *other)
{
    heal(n, host, other, false);
}

size_t kt_test_network_reset(kt_test_network *n, const char *host, const char *other)
{
    const kt_address one = parse(host), two = parse(other ? other : host);
    size_t count = 0;
    for (kt__connection *c = n->connections; c; c = c->next) {
        const kt_address *a = &c->ends[0].address, *b = &c->ends[1].address;
        bool ahead = kt__net_same_host(a, &one) && (!other || kt__net_same_host(b, &two));
        bool back = kt__net_same_host(b, &one) && (!other || kt__net_same_host(a, &two));
        if (!ahead && !back)
            continue;
        kt__net_end_break(&c->ends[0], -ECONNRESET);
        kt__net_end_break(&c->ends[1], -ECONNRESET);
        count++;
    }
    return count;
}

void kt_test_network_down(kt_test_network *n, const char *host)
{
    const kt_address gone = parse(host);
    cut(n, host, NULL, true);
    for (kt__connection *c = n->connections; c; c = c->next) {
        for (int i = 0; i < 2; i++) {
            if (!kt__net_same_host(&c->ends[i].address, &gone))
                continue;
            kt__net_end_break(&c->ends[i], -ENETDOWN);
            c->ends[i].closed = true;
        }
    }
    for (kt__acceptor *a = n->acceptors; a; a = a->next) {
        if (kt__net_same_host(&a->seen.address, &gone))
            kt__net_acceptor_die(a);
    }
}

void kt_test_network_up(kt_test_network *n, const char *host)
{
    heal(n, host, NULL, true);
}

/* ---- Life ---------------------------------------------------------------------------------- */

kt_test_network *kt_test_network_open(const kt_test_network_options *options)
{
    kt_test_network *n = memset(kt__test_own(NULL, sizeof *n), 0, sizeof *n);
    kt_address own = parse("127.0.0.1");
    if (options)
        n->options = *options;
    if (n->options.seed == 0)
        n->options.seed = atomic_load(&kt__test_status->seed);
    n->random = n->options.seed ? n->options.seed : 1;
    n->ports = FIRST_PORT;
    n->calls = (kt__network){.resolve = net_resolve, .connect = kt__net_connect, .listen = kt__net_listen};
    kt__net_know(n, "", &own);
    return n;
}

/* With both ends closed, what is under way to nobody is no connection. */
size_t kt_test_network_connections(kt_test_network *n)
{
    size_t count = 0;
    for (const kt__connection *c = n->connections; c; c = c->next)
        count++;
    return count;
}

void kt_test_network_close(kt_test_network *n)
{
    if (!n)
        return;
    kt__network *in_use = kt_loop_current() ? kt__network_set(NULL) : NULL;
    if (in_use && in_use != &n->calls)
        kt__network_set(in_use);
    if (n->connections)
        kt_test_fail("kt_test_network_close with %zu connections open", kt_test_network_connections(n));
    if (n->acceptors)
        kt_test_fail("kt_test_network_close with a listener open on port %u",
                     kt_address_port(&n->acceptors->seen.address));
    for (kt__name *at = n->names, *next; at; at = next) {
        next = at->next;
        kt__test_disown(at);
    }
    for (kt__cut *c = n->cuts, *next; c; c = next) {
        next = c->next;
        kt__test_disown(c);
    }
    kt__test_disown(n);
}

void kt_test_network_use(kt_test_network *n)
{
    if (!kt_loop_current())
        kt_test_fail("kt_test_network_use outside a loop");
    kt__network_set(n ? &n->calls : NULL);
}
