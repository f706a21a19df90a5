/* SPDX-License-Identifier: MIT */

/* Listening and accepting. */

#include <errno.h>
#include <kettle/memory.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/eyes.h"
#include "io/socket.h"
#include "io/stream_private.h"

#define BACKLOG_DEFAULT 4096
/* Without descriptors for another connection: how long until one may have been closed. */
#define PAUSE_WHEN_FULL KT_MS(50)

struct kt_listener {
    kt__fd fd;
    sa_family_t family;
    uint16_t port;
    char *path; /* of the Unix socket's file, removed at close if it is still ours */
    unsigned pausing; /* tasks in accept that sleep */
    bool closed;
    dev_t device;
    ino_t inode;
};

static int backlog(const kt_listen_options *o)
{
    return o && o->backlog > 0 ? o->backlog : BACKLOG_DEFAULT;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)&address)->sin6_port);
    return 0;
}

static int bind_and_listen(const kt_address *a, const kt_listen_options *o, int *ret_fd)
{
    const int on = 1;
    int fd = socket(a->any.sa_family, SOCK_STREAM | kt__socket_flags(), 0);
    if (fd < 0)
        return -errno;
    bool inet = a->any.sa_family != AF_UNIX;
    int rc = 0;
    if (inet && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        rc = -errno;
    if (rc == 0 && inet && o && o->reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
        rc = -errno;
    if (rc == 0 && bind(fd, &a->any, a->size) < 0)
        rc = -errno;
    if (rc == 0 && inet && listen(fd, backlog(o)) < 0)
        rc = -errno;
    if (rc < 0) {
        char text[128];
        close(fd);
        kt_address_format(&a->any, a->size, text, sizeof text);
        return kt_error_set(rc, "listen on %s: %s", text, kt_strerror(rc));
    }
    *ret_fd = fd;
    return 0;
}

static int listener_new(int fd, sa_family_t family, kt_listener **ret_listener)
{
    kt_listener *l = kt_calloc(1, sizeof *l);
    if (!l) {
        close(fd);
        return -ENOMEM;
    }
    l->fd = (kt__fd){.fd = fd, .is_socket = true};
    l->family = family;
    l->port = bound_port(fd);
    *ret_listener = l;
    return 0;
}

int kt_listen(const char *host, uint16_t port, const kt_listen_options *options,
              kt_listener **ret_listener)
{
    kt_task *self = kt__self("kt_listen");
    if (self->loop->simulated)
        return kt_error_set(KT_ENOTSIM, "listen on %s", host);
    const kt_resolve_options passive = {.flags = AI_PASSIVE};
    kt_auto(kt_addresses) *found = NULL;
    int rc = kt__resolve_port(host, port, &passive, &found);
    if (rc < 0)
        return rc;
    int fd = -1;
    sa_family_t family = 0;
    for (size_t i = 0; i < found->count; i++) {
        rc = bind_and_listen(&found->items[i], options, &fd);
        family = found->items[i].any.sa_family;
        if (rc == 0)
            break;
    }
    if (rc == 0)
        rc = listener_new(fd, family, ret_listener);
    if (rc == 0)
        kt__opened(*ret_listener, "a listener", KT__SITE, NULL);
    return rc;
}

/* ---- Unix sockets -------------------------------------------------------------------------- */

/* Does nobody answer behind the socket's file? Then a server died without removing it. A file of another
 * kind refuses connections as well, and is somebody's. */
static bool is_stale(const char *path, const kt_address *a)
{
    struct stat st;
    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool stale = connect(fd, &a->any, a->size) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

/* The mode is set before anybody can connect: between bind and listen. */
static int open_unix(int fd, const char *path, const kt_listen_options *o, kt_listener *l)
{
    struct stat st;
    mode_t mode = o && o->unix_mode ? o->unix_mode : 0600;
    if (path[0] == '@')
        return listen(fd, backlog(o)) < 0 ? -errno : 0;
    l->path = kt_strndup(path, strlen(path));
    if (!l->path)
        return -ENOMEM;
    if (chmod(path, mode) < 0 || stat(path, &st) < 0)
        return -errno;
    l->device = st.st_dev;
    l->inode = st.st_ino;
    return listen(fd, backlog(o)) < 0 ? -errno : 0;
}

int kt_listen_unix(const char *path, const kt_listen_options *options, kt_listener **ret_listener)
{
    kt_task *self = kt__self("kt_listen_unix");
    kt_address a;
    if (self->loop->simulated)
        return kt_error_set(KT_ENOTSIM, "listen on unix:%s", path);
    int rc = kt_address_unix(path, &a);
    if (rc < 0)
        return rc;
    int fd;
    rc = bind_and_listen(&a, options, &fd);
    if (rc == -EADDRINUSE && path[0] != '@' && is_stale(path, &a) && unlink(path) == 0)
        rc = bind_and_listen(&a, options, &fd);
    if (rc < 0)
        return rc;
    kt_auto(kt_listener) *l = NULL;
    rc = listener_new(fd, AF_UNIX, &l);
    if (rc == 0)
        rc = open_unix(fd, path, options, l);
    if (rc < 0) {
        if (path[0] != '@')
            unlink(path); /* that bind has made, just now */
        return kt_error_set(rc, "listen on unix:%s: %s", path, kt_strerror(rc));
    }
    kt__opened(l, "a listener", KT__SITE, NULL);
    *ret_listener = kt_steal(l);
    return 0;
}

static void remove_file(const kt_listener *l)
{
    struct stat st;
    if (l->path && l->inode && stat(l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
        unlink(l->path);
}

void kt_listener_close(kt_listener *l)
{
    if (!l)
        return;
    kt__closed(l, "a listener");
    remove_file(l);
    l->closed = true;
    kt_cancel_hold();
    while (l->pausing)
        if (kt_sleep(KT_MS(1)) < 0)
            break; /* cannot be: cancellations are held back */
    kt_cancel_unhold();
    kt__fd_close(&l->fd);
    kt_free(l->path);
    kt_free(l);
}

uint16_t kt_listener_port(const kt_listener *l)
{
    return l->port;
}

/* ---- Accepting ----------------------------------------------------------------------------- */

/* Errors that concern one connection, which is gone, and not the listener (accept(2)). */
static bool is_passing(ssize_t rc)
{
    return rc == -ECONNABORTED || rc == -EPROTO || rc == -EPERM || rc == -ENETDOWN || rc == -ENOPROTOOPT ||
           rc == -EHOSTDOWN || rc == -ENONET || rc == -EHOSTUNREACH || rc == -ENETUNREACH;
}

static bool is_full(ssize_t rc)
{
    return rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM;
}

static int pause_accepting(kt_listener *l)
{
    if (l->closed)
        return KT_ECLOSED; /* the closer may wait for nothing but the operation that has just ended */
    l->pausing++;
    int rc = kt_sleep(PAUSE_WHEN_FULL);
    l->pausing--;
    return rc < 0 ? rc : l->closed ? KT_ECLOSED : 0;
}

int kt_listener_accept(kt_listener *l, kt_stream **ret_stream)
{
    kt_task *self = kt__self("kt_listener_accept");
    sa_family_t family = l->family;
    ssize_t fd;
    for (;;) {
        kt__op_init(self, KT__OP_ACCEPT, &l->fd);
        fd = kt__op_run(self);
        if (is_passing(fd))
            continue;
        if (!is_full(fd))
            break;
        int rc = pause_accepting(l);
        if (rc < 0)
            return rc;
    }
    if (fd < 0)
        return (int)fd;
    const int on = 1;
    if (family != AF_UNIX) /* a peer that is gone already shows at the first read */
        (void)setsockopt((int)fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int rc = kt__stream_new((int)fd, ret_stream);
    if (rc == 0)
        kt__opened(*ret_stream, "a stream", KT__SITE, NULL);
    return rc;
}
