/* SPDX-License-Identifier: MIT */

/* Datagrams: sockets, their options, and groups. */

#include <errno.h>
#include <kettle/memory.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include "core/core.h"
#include "io/resolve.h"
#include "io/socket.h"
#include "io/stream_private.h"
#include "io/udp.h"

/* ---- Options ------------------------------------------------------------------------------- */

static int set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

static int interface_index(const char *name, unsigned *ret_index)
{
    unsigned index = name ? if_nametoindex(name) : 0;
    if (name && index == 0)
        return kt_error_set(-ENODEV, "no interface %s", name);
    *ret_index = index;
    return 0;
}

static int set_in_multicast(int fd, const kt_udp_options *o, unsigned index)
{
    const struct ip_mreqn through = {.imr_ifindex = (int)index};
    int rc = 0;
    if (index && setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &through, sizeof through) < 0)
        rc = -errno;
    if (rc == 0 && o->multicast_hops)
        rc = set(fd, IPPROTO_IP, IP_MULTICAST_TTL, o->multicast_hops);
    if (rc == 0 && o->multicast_not_here)
        rc = set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
    return rc;
}

static int set_in6_multicast(int fd, const kt_udp_options *o, unsigned index)
{
    int rc = 0;
    if (index)
        rc = set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)index);
    if (rc == 0 && o->multicast_hops)
        rc = set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, o->multicast_hops);
    if (rc == 0 && o->multicast_not_here)
        rc = set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
    return rc;
}

/* A socket of IPv6 speaks IPv4 too, so it gets both kinds. */
static int set_multicast(int fd, sa_family_t family, const kt_udp_options *o)
{
    unsigned index = 0;
    if (o->multicast_hops < 0 || o->multicast_hops > 255)
        return kt_error_set(-EINVAL, "multicast_hops is %d, and not 1 to 255", o->multicast_hops);
    int rc = interface_index(o->multicast_interface, &index);
    if (rc == 0)
        rc = set_in_multicast(fd, o, index);
    if (rc == 0 && family == AF_INET6)
        rc = set_in6_multicast(fd, o, index);
    return rc;
}

static int set_options(int fd, sa_family_t family, const kt_udp_options *o)
{
    int rc = 0;
    if (o->reuse_address)
        rc = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0 && o->reuse_port)
        rc = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0 && o->broadcast)
        rc = set(fd, SOL_SOCKET, SO_BROADCAST, 1);
    if (rc == 0 && o->receive_buffer_bytes)
        rc = set(fd, SOL_SOCKET, SO_RCVBUF, o->receive_buffer_bytes);
    if (rc == 0 && o->send_buffer_bytes)
        rc = set(fd, SOL_SOCKET, SO_SNDBUF, o->send_buffer_bytes);
    return rc == 0 ? set_multicast(fd, family, o) : rc;
}

/* ---- Opening ------------------------------------------------------------------------------- */

static int udp_new(int fd, kt_udp **ret_udp)
{
    kt_udp *u = kt_calloc(1, sizeof *u);
    if (!u)
        return -ENOMEM;
    u->fd = (kt__fd){.fd = fd, .is_socket = true};
    *ret_udp = u;
    return 0;
}

/* A socket with its options, bound or connected by `attach`. */
static int open_one(const kt_address *a, const kt_udp_options *o, const kt_address *local,
                    int (*attach)(int fd, const struct sockaddr *a, socklen_t size), kt_udp **ret_udp)
{
    int fd = socket(a->any.sa_family, SOCK_DGRAM | kt__socket_flags(), 0);
    if (fd < 0)
        return -errno;
    int rc = set_options(fd, a->any.sa_family, o);
    if (rc == 0 && local && bind(fd, &local->any, local->size) < 0)
        rc = -errno;
    if (rc == 0 && attach(fd, &a->any, a->size) < 0)
        rc = -errno;
    if (rc == 0)
        rc = udp_new(fd, ret_udp);
    if (rc < 0)
        close(fd);
    return rc;
}

static int describe(int rc, const char *what, const kt_address *a)
{
    char text[128];
    if (rc == -ENODEV || rc == -EINVAL)
        return rc; /* options, and said already */
    kt_address_format(&a->any, a->size, text, sizeof text);
    return kt_error_set(rc, "%s %s: %s", what, text, kt_strerror(rc));
}

static int find(const char *host, uint16_t port, int family, bool passive, kt_addresses **ret_found)
{
    const kt_resolve_options o = {
        .family = family,
        .type = SOCK_DGRAM,
        .flags = passive ? AI_PASSIVE : kt__resolve_flags(family),
    };
    return kt__resolve_port(host, port, &o, ret_found);
}

/* One socket for both families where there is IPv6. */
static int bind_everywhere(uint16_t port, const kt_udp_options *o, kt_udp **ret_udp)
{
    kt_address any = {.size = sizeof any.in6};
    any.in6.sin6_family = AF_INET6;
    any.in6.sin6_port = htons(port);
    int rc = o->family == AF_INET ? -EAFNOSUPPORT : open_one(&any, o, NULL, bind, ret_udp);
    if (o->family != AF_INET6 && (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL)) {
        any = (kt_address){.size = sizeof any.in};
        any.in.sin_family = AF_INET;
        any.in.sin_port = htons(port);
        rc = open_one(&any, o, NULL, bind, ret_udp);
    }
    return rc < 0 ? describe(rc, "bind to", &any) : 0;
}

int kt_udp_bind(const char *host, uint16_t port, const kt_udp_options *options, kt_udp **ret_udp)
{
    const kt_task *self = kt__self("kt_udp_bind");
    const kt_udp_options o = options ? *options : (kt_udp_options){0};
    if (self->loop->simulated)
        return kt_error_set(KT_ENOTSIM, "datagrams from %s", host ? host : "all interfaces");
    if (!host)
        return bind_everywhere(port, &o, ret_udp);
    kt_auto(kt_addresses) *found = NULL;
    int rc = find(host, port, o.family, true, &found);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < found->count; i++) {
        rc = open_one(&found->items[i], &o, NULL, bind, ret_udp);
        if (rc == 0)
            return 0;
        rc = describe(rc, "bind to", &found->items[i]);
    }
    return rc;
}

int kt_udp_connect(const char *host, uint16_t port, const kt_udp_options *options, kt_udp **ret_udp)
{
    const kt_task *self = kt__self("kt_udp_connect");
    const kt_udp_options o = options ? *options : (kt_udp_options){0};
    bool has_local = o.local_host || o.local_port;
    if (self->loop->simulated)
        return kt_error_set(KT_ENOTSIM, "datagrams to %s", host);
    kt_auto(kt_addresses) *found = NULL;
    int rc = find(host, port, o.family, false, &found);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < found->count; i++) {
        kt_address local;
        rc = has_local ? kt__resolve_local(o.local_host, o.local_port, found->items[i].any.sa_family,
                                           SOCK_DGRAM, &local)
                       : 0;
        if (kt_is_cancel(rc))
            return rc;
        if (rc < 0)
            continue;
        rc = open_one(&found->items[i], &o, has_local ? &local : NULL, connect, ret_udp);
        if (rc == 0)
            return 0;
        rc = describe(rc, "send to", &found->items[i]);
    }
    return rc;
}

int kt_udp_from_fd(int fd, kt_udp **ret_udp)
{
    const kt_task *self = kt__self("kt_udp_from_fd");
    int type;
    socklen_t size = sizeof type;
    if (self->loop->simulated)
        return kt_error_set(KT_ENOTSIM, "descriptor %d", fd);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return -errno;
    if (type != SOCK_DGRAM)
        return kt_error_set(-EINVAL, "descriptor %d is no socket of datagrams", fd);
    kt_udp *u;
    int rc = udp_new(fd, &u);
    if (rc < 0)
        return rc;
    rc = kt__fd_open(self->loop, &u->fd, fd);
    if (rc < 0)
        kt_free(u);
    else
        *ret_udp = u;
    return rc;
}

void kt_udp_close(kt_udp *u)
{
    if (!u)
        return;
    kt__fd_close(&u->fd);
    kt_cancel_hold();
    while (u->senders > 0) /* each finds it closed at its turn */
        if (kt_sleep(0) < 0)
            break; /* cannot be: cancellations are held back */
    kt_cancel_unhold();
    kt_free(u);
}

/* ---- Groups -------------------------------------------------------------------------------- */

static int change_group(kt_udp *u, const char *group, const char *interface_name, int option)
{
    struct group_req request = {0};
    kt_address a;
    if (kt_address_parse(group, 0, &a) < 0)
        return kt_error_set(-EINVAL, "%s is no multicast address", group);
    unsigned index = 0;
    int rc = interface_index(interface_name, &index);
    if (rc < 0)
        return rc;
    request.gr_interface = index;
    memcpy(&request.gr_group, &a.storage, a.size);
    int level = a.any.sa_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    if (setsockopt(u->fd.fd, level, option, &request, sizeof request) < 0)
        return kt_error_set(-errno, "group %s: %s", group, kt_strerror(-errno));
    return 0;
}

int kt_udp_join(kt_udp *u, const char *group, const char *interface_name)
{
    return change_group(u, group, interface_name, MCAST_JOIN_GROUP);
}

int kt_udp_leave(kt_udp *u, const char *group, const char *interface_name)
{
    return change_group(u, group, interface_name, MCAST_LEAVE_GROUP);
}

/* ---- Facts --------------------------------------------------------------------------------- */

static int ask(const kt_udp *u, int (*call)(int fd, struct sockaddr *a, socklen_t *size),
               kt_address *ret_address)
{
    kt_address a = {.size = sizeof a.storage};
    if (call(u->fd.fd, &a.any, &a.size) < 0)
        return -errno;
    *ret_address = a;
    return 0;
}

int kt_udp_local(const kt_udp *u, kt_address *ret_address)
{
    return ask(u, getsockname, ret_address);
}

int kt_udp_peer(const kt_udp *u, kt_address *ret_address)
{
    return ask(u, getpeername, ret_address);
}

int kt_udp_fd(const kt_udp *u)
{
    return u->fd.fd;
}
