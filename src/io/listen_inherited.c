/* SPDX-License-Identifier: MIT */

/* Listening on sockets that others have opened: our parent, or systemd. */

#include <errno.h>
#include <fcntl.h>
#include <kettle/memory.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/core.h"
#include "core/eyes.h"
#include "io/listener.h"

#define FIRST 3 /* SD_LISTEN_FDS_START */

static int option(int fd, int name)
{
    int value;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -errno : value;
}

/* 0, or why nobody can be accepted there. */
static int check_listens(int fd)
{
    int type = option(fd, SO_TYPE);
    if (type < 0)
        return type;
    return type == SOCK_STREAM && option(fd, SO_ACCEPTCONN) == 1
               ? 0
               : kt_error_set(-EINVAL, "descriptor %d is no socket that listens", fd);
}

static int adopt(int fd, const void *site, kt_listener **ret_listener)
{
    kt_address a = {.size = sizeof a.storage};
    if (!kt__loop)
        kt__no_task("kt_listener_from_fd");
    if (kt__loop->simulated)
        return kt_error_set(KT_ENOTSIM, "listen on descriptor %d", fd);
    int rc = check_listens(fd);
    if (rc < 0)
        return rc;
    if (getsockname(fd, &a.any, &a.size) < 0)
        return -errno;
    kt_listener *l = kt__listener_alloc();
    if (!l)
        return -ENOMEM;
    rc = kt__fd_open(kt__loop, &l->fd, fd);
    if (rc < 0) {
        kt_free(l);
        return rc;
    }
    l->family = a.any.sa_family;
    l->port = kt_address_port(&a);
    kt__opened(l, "a listener", site, NULL);
    *ret_listener = l;
    return 0;
}

int kt_listener_from_fd(int fd, kt_listener **ret_listener)
{
    return adopt(fd, KT__SITE, ret_listener);
}

/* ---- systemd --------------------------------------------------------------------------------- */

static long variable(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    long number = text && *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;
    return end && *end == '\0' ? number : -1;
}

/* Is that the name of the socket with this index? */
static bool has_name(long index, const char *name)
{
    const char *names = getenv("LISTEN_FDNAMES");
    for (; names && index > 0; index--) {
        names = strchr(names, ':');
        names = names ? names + 1 : NULL;
    }
    size_t size = names ? strcspn(names, ":") : 0;
    return names && size == strlen(name) && memcmp(names, name, size) == 0;
}

/* They arrive without the flag. Whatever is opened here has it, a listener of ours first of all. */
static bool is_taken(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    return flags < 0 || flags & FD_CLOEXEC;
}

int kt_listen_activated(const char *name, kt_listener **ret_listener)
{
    long count = variable("LISTEN_PID") == (long)getpid() ? variable("LISTEN_FDS") : 0;
    if (count > INT_MAX - FIRST)
        count = 0;
    for (long i = 0; i < count; i++) {
        int fd = FIRST + (int)i;
        if (is_taken(fd) || check_listens(fd) < 0 || (name && !has_name(i, name)))
            continue;
        int rc = adopt(fd, KT__SITE, ret_listener);
        if (rc == 0)
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* cannot fail on one that is open */
        return rc;
    }
    return kt_error_set(KT_ENOTFOUND, "no socket%s%s was handed over", name ? " named " : "", name ? name : "");
}
