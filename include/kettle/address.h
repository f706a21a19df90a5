/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_ADDRESS_H
#define KETTLE_ADDRESS_H

/* Socket addresses as values, and names looked up off the loop.
 *
 *     kt_auto(kt_addresses) *found = NULL;
 *     int rc = kt_resolve("localhost", "http", NULL, &found);
 *     for (size_t i = 0; rc == 0 && i < found->count; i++) {
 *         char text[64];
 *         kt_address_format(&found->items[i].any, found->items[i].size, text, sizeof text);
 *         puts(text);                             // 127.0.0.1:80
 *     }
 *
 * Names are looked up by getaddrinfo(3) and getnameinfo(3), so /etc/hosts and nsswitch.conf(5) count,
 * on a thread of the loop's pool. A thread cannot be stopped: who is cancelled leaves at once, and the
 * look-up ends alone and frees itself. The loop's end waits for it. */

#include <kettle/task.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

KT_BEGIN

/* An address of any family, to be copied as one likes. `size` bytes of it are used; 0 = none. */
typedef struct kt_address {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    };
    socklen_t size;
} kt_address;

/* Understands a numeric address ("127.0.0.1", "::1", "fe80::1%eth0"), without asking anybody. 0, or
 * -EINVAL for anything else. Any thread; does not suspend. Like inet_pton(3). */
KT_API int kt_address_parse(const char *host, uint16_t port, kt_address *ret_address) KT_CHECKED;

/* The address of a Unix socket; '@' in front stands for the abstract namespace. -EINVAL for "",
 * -ENAMETOOLONG over 107 bytes. Any thread; does not suspend. Like unix(7). */
KT_API int kt_address_unix(const char *path, kt_address *ret_address) KT_CHECKED;

/* The port of an IPv4 or IPv6 address, 0 for others. Any thread. */
KT_API uint16_t kt_address_port(const kt_address *a);

/* Do both name the same end, port included? Any thread. */
KT_API bool kt_address_equal(const kt_address *a, const kt_address *b);

/* Writes "127.0.0.1:80", "[::1]:80", "[fe80::1%2]:80" or "unix:/path" into text (64 bytes are enough for
 * IP; cut and terminated). Any thread. */
KT_API void kt_address_format(const struct sockaddr *address, socklen_t address_size, char *text,
                              size_t text_size);

/* ---- Names to addresses ------------------------------------------------------------------ */

/* As the fields of getaddrinfo(3)'s hints. */
typedef struct kt_resolve_options {
    int family;   /* AF_INET or AF_INET6; 0 = both */
    int type;     /* SOCK_STREAM, SOCK_DGRAM, ...; 0 = SOCK_STREAM, so that each address comes once */
    int protocol; /* 0 = the type's own */
    int flags;    /* AI_PASSIVE, AI_CANONNAME, ... */
    bool fresh;   /* asks the system, whatever the loop has kept */
} kt_resolve_options;

/* What a look-up has found, in the order in which to try them (RFC 6724). One allocation. */
typedef struct kt_addresses {
    size_t count;               /* at least 1 */
    const kt_address *items;
    const char *canonical_name; /* with AI_CANONNAME, otherwise NULL */
} kt_addresses;

/* Looks a host up. `host` may be a name, an address, or NULL: this machine, or with AI_PASSIVE all of
 * its interfaces. `service` may be a name ("http"), a port ("80"), or NULL: port 0. NULL options mean
 * the defaults. The caller frees *ret_addresses. 0; KT_ENAME (the detail says why); -EINVAL when both
 * are NULL or the options make no sense; -ENOMEM, -EAGAIN without a thread; KT_ENOTSIM under the
 * simulated driver unless both are numbers; or the cancellation's code: the call leaves at once.
 * Suspends, except for numbers and what is kept. Like loop.getaddrinfo. */
KT_API int kt_resolve(const char *host, const char *service, const kt_resolve_options *options,
                      kt_addresses **ret_addresses) KT_CHECKED;

/* The running loop keeps the answers about the 512 hosts that were asked for last: for `found` those with addresses,
 * for `not_found` that there is no such name. 0: the defaults, 30 s and 3 s; below 0: not at all. Forgets what is
 * there. The system does not tell how long an answer is good (its TTL), so somebody's new address is seen that much
 * later; a failure to ask is never kept, and who asks for what is being asked waits for the same answer.
 * 0 or -ENOMEM. In a task; does not suspend. */
KT_API int kt_resolve_cache_set(kt_time found, kt_time not_found) KT_CHECKED;

/* Forgets all of them. In a task; does not suspend. */
KT_API void kt_resolve_cache_clear(void);

/* Frees them; NULL is allowed. Any thread. */
KT_API void kt_addresses_free(kt_addresses *a);

static inline void kt_addresses_cleanup(kt_addresses **a)
{
    kt_addresses_free(*a);
}

/* ---- Addresses to names ------------------------------------------------------------------ */

typedef struct kt_host_name {
    char host[1025];  /* NI_MAXHOST */
    char service[32]; /* NI_MAXSERV */
} kt_host_name;

/* Looks the names of an address up. `flags` are getnameinfo(3)'s: NI_NUMERICHOST, NI_NAMEREQD,
 * NI_DGRAM, ...; an address without a name comes as a number unless NI_NAMEREQD is given. 0, KT_ENAME
 * (the detail says why), and the other errors of kt_resolve. Suspends, except with NI_NUMERICHOST
 * and NI_NUMERICSERV. Like loop.getnameinfo. */
KT_API int kt_resolve_name(const kt_address *a, int flags, kt_host_name *ret_name) KT_CHECKED;

KT_END

#endif
