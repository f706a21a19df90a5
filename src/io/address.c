/* SPDX-License-Identifier: MIT */

/* Socket addresses as text, and Unix paths as addresses. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/un.h>

#include "io/stream_private.h"

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

void kt_address_format(const struct sockaddr *address, socklen_t address_size, char *text,
                       size_t text_size)
{
    char host[INET6_ADDRSTRLEN];
    if (address_size < sizeof(sa_family_t)) {
        snprintf(text, text_size, "?");
    } else if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(text, text_size, "%s:%u", host, ntohs(in->sin_port));
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(text, text_size, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else if (address->sa_family == AF_UNIX) {
        format_unix(address, address_size, text, text_size);
    } else {
        snprintf(text, text_size, "family %d", address->sa_family);
    }
}

int kt__unix_address(const char *path, kt__address *ret_address)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    bool abstract = path[0] == '@';
    if (length == 0)
        return kt_error_set(-EINVAL, "the path of a Unix socket is empty");
    if (length >= sizeof un.sun_path)
        return kt_error_set(-ENAMETOOLONG, "the path of a Unix socket has at most %zu bytes: %.80s...",
                            sizeof un.sun_path - 1, path);
    memcpy(un.sun_path, path, length);
    if (abstract)
        un.sun_path[0] = '\0';
    memcpy(&ret_address->storage, &un, sizeof un);
    ret_address->size =
        (socklen_t)(abstract ? offsetof(struct sockaddr_un, sun_path) + length : sizeof un);
    return 0;
}
