/* SPDX-License-Identifier: MIT */

/* Clients' addresses: noted when a connection begins, since the system tells that of one that was reset no more; and a
 * chained table in which connections of the same address meet. */
#include "http/server.h"

static void note(kt__http_address *to, const struct sockaddr_storage *a)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)a;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;
    if (a->ss_family == AF_INET) {
        *to = (kt__http_address){.family = AF_INET, .port = v4->sin_port};
        memcpy(to->bytes, &v4->sin_addr, sizeof v4->sin_addr);
    } else if (a->ss_family == AF_INET6) {
        *to = (kt__http_address){.family = AF_INET6, .port = v6->sin6_port, .scope = v6->sin6_scope_id};
        memcpy(to->bytes, &v6->sin6_addr, sizeof v6->sin6_addr);
    }
}

socklen_t kt__http_address_of(const kt__http_conn *c, struct sockaddr_storage *ret_address)
{
    const kt__http_address *from = &c->address;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = from->port};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = from->port, .sin6_scope_id = from->scope};
    socklen_t size = sizeof *ret_address;
    memset(ret_address, 0, sizeof *ret_address);
    if (from->family == AF_INET) {
        memcpy(&v4.sin_addr, from->bytes, sizeof v4.sin_addr);
        memcpy(ret_address, &v4, sizeof v4);
        return sizeof v4;
    }
    if (from->family == AF_INET6) {
        memcpy(&v6.sin6_addr, from->bytes, sizeof v6.sin6_addr);
        memcpy(ret_address, &v6, sizeof v6);
        return sizeof v6;
    }
    return kt_stream_peer(c->stream, ret_address, &size) < 0 ? 0 : size;
}

/* The part of an address that one customer has: all of IPv4's, the first half of IPv6's. 0 for those not counted. */
static uint64_t key_of(const kt__http_address *a)
{
    struct in6_addr ip;
    uint32_t v4;
    uint64_t half;
    memcpy(&ip, a->bytes, sizeof ip);
    memcpy(&half, a->bytes, sizeof half);
    if (a->family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&ip))
        return 0;
    if (a->family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&ip))
        return half;
    if (a->family == 0)
        return 0;
    memcpy(&v4, a->bytes + (a->family == AF_INET ? 0 : 12), sizeof v4);
    v4 = ntohl(v4);
    return v4 >> 24 == 127 ? 0 : (uint64_t)v4 | UINT64_C(1) << 32;
}

static kt__http_conn **place(kt__http_server *s, uint64_t key)
{
    return &s->addresses[(key * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (KT__HTTP_ADDRESSES - 1)];
}

bool kt__http_address_enter(kt__http_conn *c)
{
    kt__http_server *s = c->server;
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (kt_stream_peer(c->stream, &address, &size) == 0)
        note(&c->address, &address);
    uint64_t key = key_of(&c->address);
    uint32_t count = 0;
    if (key == 0)
        return true;
    kt__http_conn **first = place(s, key);
    for (const kt__http_conn *o = *first; o; o = o->address_next)
        count += key_of(&o->address) == key;
    if (count >= s->o.connections_per_address_max)
        return false;
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
