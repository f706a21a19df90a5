/* SPDX-License-Identifier: MIT */

/* Socket addresses: from text, to text, and compared. */

#include <arpa/inet.h>
#include <errno.h>
#include <kettle/address.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- From text ----------------------------------------------------------------------------- */

/* The number behind '%': of an interface by name, or as it stands (RFC 4007, 11.2). */
static bool parse_zone(const char *zone, uint32_t *ret_id)
{
    char *end;
    unsigned index = if_nametoindex(zone);
    if (index == 0) {
        unsigned long number = strtoul(zone, &end, 10);
        if (zone[0] < '0' || zone[0] > '9' || *end || number > UINT32_MAX)
            return false;
        index = (unsigned)number;
    }
    *ret_id = index;
    return true;
}

static int parse_in6(const char *host, struct in6_addr *ret_ip, uint32_t *ret_zone)
{
    char ip[INET6_ADDRSTRLEN];
    size_t length = strcspn(host, "%");
    if (length >= sizeof ip)
        return -EINVAL;
    memcpy(ip, host, length);
    ip[length] = '\0';
    if (inet_pton(AF_INET6, ip, ret_ip) != 1)
        return -EINVAL;
    return host[length] == '\0' || parse_zone(host + length + 1, ret_zone) ? 0 : -EINVAL;
}

int kt_address_parse(const char *host, uint16_t port, kt_address *ret_address)
{
    kt_address a = {.size = sizeof a.in};
    a.in.sin_family = AF_INET;
    a.in.sin_port = htons(port);
    if (inet_pton(AF_INET, host, &a.in.sin_addr) != 1) {
        a = (kt_address){.size = sizeof a.in6};
        a.in6.sin6_family = AF_INET6;
        a.in6.sin6_port = htons(port);
        if (parse_in6(host, &a.in6.sin6_addr, &a.in6.sin6_scope_id) < 0)
            return -EINVAL;
    }
    *ret_address = a;
    return 0;
}

int kt_address_unix(const char *path, kt_address *ret_address)
{
    kt_address a = {.size = sizeof a.un};
    size_t length = strlen(path);
    bool abstract = path[0] == '@';
    if (length == 0)
        return kt_error_set(-EINVAL, "the path of a Unix socket is empty");
    if (length >= sizeof a.un.sun_path)
        return kt_error_set(-ENAMETOOLONG, "the path of a Unix socket has at most %zu bytes: %.80s...",
                            sizeof a.un.sun_path - 1, path);
    a.un.sun_family = AF_UNIX;
    memcpy(a.un.sun_path, path, length);
    if (abstract) {
        a.un.sun_path[0] = '\0';
        a.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    }
    *ret_address = a;
    return 0;
}

/* ---- To text, and compared ----------------------------------------------------------------- */

static void format_unix(const struct sockaddr *address, socklen_t size, char *text, size_t text_size)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)address;
    size_t length = size > offsetof(struct sockaddr_un, sun_path)
                        ? size - offsetof(struct sockaddr_un, sun_path)
                        : 0;
    if (length == 0)
        snprintf(text, text_size, "unix:");
    else if (un->sun_path[0] == '\0')
        snprintf(text, text_size, "unix:@%.*s", (int)length - 1, un->sun_path + 1);
    else
        snprintf(text, text_size, "unix:%.*s", (int)length, un->sun_path);
}

static void format_in6(const struct sockaddr *address, char *text, size_t text_size)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    char host[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
    if (in6->sin6_scope_id)
        snprintf(text, text_size, "[%s%%%u]:%u", host, in6->sin6_scope_id, ntohs(in6->sin6_port));
    else
        snprintf(text, text_size, "[%s]:%u", host, ntohs(in6->sin6_port));
}

void kt_address_format(const struct sockaddr *address, socklen_t address_size, char *text,
                       size_t text_size)
{
    char host[INET_ADDRSTRLEN];
    if (address_size < sizeof(sa_family_t)) {
        snprintf(text, text_size, "?");
    } else if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(text, text_size, "%s:%u", host, ntohs(in->sin_port));
    } else if (address->sa_family == AF_INET6) {
        format_in6(address, text, text_size);
    } else if (address->sa_family == AF_UNIX) {
        format_unix(address, address_size, text, text_size);
    } else {
        snprintf(text, text_size, "family %d", address->sa_family);
    }
}

uint16_t kt_address_port(const kt_address *a)
{
    if (a->any.sa_family == AF_INET)
        return ntohs(a->in.sin_port);
    return a->any.sa_family == AF_INET6 ? ntohs(a->in6.sin6_port) : 0;
}

/* Field by field: the kernel leaves padding, and the bytes behind a path, as they were. */
bool kt_address_equal(const kt_address *a, const kt_address *b)
{
    if (a->any.sa_family != b->any.sa_family || a->size != b->size)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    if (a->any.sa_family == AF_INET6)
        return a->in6.sin6_port == b->in6.sin6_port && a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
               memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof a->in6.sin6_addr) == 0;
    return memcmp(&a->storage, &b->storage, a->size) == 0;
}
