/* SPDX-License-Identifier: MIT */

/* Connections of one address: a chained table in which connections of the same address meet. */
#include <netinet/in.h>

#include "http/server.h"

/* The part of an address that one customer has: all of IPv4's, the first half of IPv6's. 0 for those not counted. */
static uint64_t key_of(const kt_stream *s)
{
    struct sockaddr_storage a;
    socklen_t size = sizeof a;
    if (kt_stream_peer(s, &a, &size) < 0)
        return 0;
    if (a.ss_family == AF_INET) {
        uint32_t ip = ntohl(((const struct sockaddr_in *)(const void *)&a)->sin_addr.s_addr);
        return ip >> 24 == 127 ? 0 : (uint64_t)ip | UINT64_C(1) << 32;
    }
    if (a.ss_family != AF_INET6)
        return 0;
    const struct in6_addr *ip = &((const struct sockaddr_in6 *)(const void *)&a)->sin6_addr;
    uint64_t half;
    if (IN6_IS_ADDR_LOOPBACK(ip))
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        uint32_t v4;
        memcpy(&v4, ip->s6_addr + 12, sizeof v4);
        v4 = ntohl(v4);
        return v4 >> 24 == 127 ? 0 : (uint64_t)v4 | UINT64_C(1) << 32;
    }
    memcpy(&half, ip->s6_addr, sizeof half);
    return half;
}

static kt__http_conn **place(kt__http_server *s, uint64_t key)
{
    return &s->addresses[(key * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (KT__HTTP_ADDRESSES - 1)];
}

bool kt__http_address_enter(kt__http_conn *c)
{
    kt__http_server *s = c->server;
    uint64_t key = key_of(c->stream);
    uint32_t count = 0;
    if (key == 0)
        return true;
    kt__http_conn **first = place(s, key);
    for (const kt__http_conn *o = *first; o; o = o->address_next)
        count += o->address == key;
    if (count >= s->o.connections_per_address_max)
        return false;
    c->address = key;
    c->address_next = *first;
    c->address_link = first;
    if (c->address_next)
        c->address_next->address_link = &c->address_next;
    *first = c;
    return true;
}

void kt__http_address_leave(kt__http_conn *c)
{
    if (!c->address_link)
        return;
    *c->address_link = c->address_next;
    if (c->address_next)
        c->address_next->address_link = c->address_link;
    c->address_link = NULL;
}
