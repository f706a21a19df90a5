/* SPDX-License-Identifier: MIT */

/* Listening and accepting. */

#include <errno.h>
#include <kettle/memory.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/eyes.h"
#include "io/listener.h"
#include "io/network.h"
#include "io/socket.h"
#include "io/stream_private.h"

#define BACKLOG_DEFAULT 4096
/* Without descriptors for another connection: how long until one may have been closed. */
#define PAUSE_WHEN_FULL KT_MS(50)

/* So many addresses at most; and tries to find a port that is free on all of them. */
#define SOCKETS_MAX 32
#define PORT_TRIES 16

static int backlog(const kt_listen_options *o)
{
    return o && o->backlog > 0 ? o->backlog : BACKLOG_DEFAULT;
}

/* 0 for a Unix socket. */
static int bound_port(int fd, uint16_t *ret_port)
{
    kt_address a = {.size = sizeof a.storage};
    if (getsockname(fd, &a.any, &a.size) < 0)
        return kt_error_set(-errno, "the port of a listener: %s", kt_strerror(-errno));
    *ret_port = kt_address_port(&a);
    return 0;
}

static int set(int fd, int level, int name)
{
    const int on = 1;
    return setsockopt(fd, level, name, &on, sizeof on) < 0 ? -errno : 0;
}

static int set_options(int fd, const kt_listen_options *o)
{
    int rc = set(fd, SOL_SOCKET, SO_REUSEADDR);
    if (rc == 0 && o && o->reuse_port)
        rc = set(fd, SOL_SOCKET, SO_REUSEPORT);
    if (rc == 0 && o && o->keep_alive)
        rc = set(fd, SOL_SOCKET, SO_KEEPALIVE); /* connections inherit it */
    return rc;
}

/* `among_others`: the sockets of other addresses listen on the same port, IPv4's on theirs. */
static int bind_and_listen(const kt_address *a, const kt_listen_options *o, bool among_others, int *ret_fd)
{
    int more = kt__socket_flags() | (among_others ? SOCK_NONBLOCK : 0);
    int fd = socket(a->any.sa_family, SOCK_STREAM | more, 0);
    if (fd < 0)
        return -errno;
    bool inet = a->any.sa_family != AF_UNIX;
    int rc = inet ? set_options(fd, o) : 0;
    if (rc == 0 && among_others && a->any.sa_family == AF_INET6)
        rc = set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
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

kt_listener *kt__listener_alloc(void)
{
    kt_listener *l = kt_calloc(1, sizeof *l);
    if (l)
        l->refs = 1;
    return l;
}

static int listener_new(int fd, sa_family_t family, kt_listener **ret_listener)
{
    kt_listener *l = kt__listener_alloc();
    if (!l) {
        close(fd);
        return -ENOMEM;
    }
    l->fd = (kt__fd){.fd = fd, .is_socket = true};
    l->family = family;
    *ret_listener = l;
    return 0;
}

static int listen_on_one(const kt_address *a, const kt_listen_options *o, kt_listener **ret_listener)
{
    kt_auto(kt_listener) *l = NULL;
    int fd, rc = bind_and_listen(a, o, false, &fd);
    if (rc == 0)
        rc = listener_new(fd, a->any.sa_family, &l);
    if (rc == 0)
        rc = bound_port(fd, &l->port);
    if (rc < 0)
        return rc;
    *ret_listener = kt_steal(l);
    return 0;
}

/* ---- Several addresses --------------------------------------------------------------------- */

typedef struct sockets {
    int fds[SOCKETS_MAX];
    size_t count;
} sockets;

static void sockets_cleanup(sockets *s)
{
    while (s->count > 0)
        close(s->fds[--s->count]);
}

static bool came_before(const kt_addresses *found, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (kt_address_equal(&found->items[k], &found->items[i]))
            return true;
    return false;
}

/* Not every address of a name need be one of this machine's, or of a family that it has. */
static bool is_strange(int rc)
{
    return rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL;
}

/* Binds all to one port, which the first finds if it is 0. */
static int bind_all(const kt_addresses *found, const kt_listen_options *o, sockets *s)
{
    int rc = 0;
    uint16_t port = 0;
    for (size_t i = 0; i < found->count && s->count < SOCKETS_MAX; i++) {
        kt_address a = found->items[i];
        if (came_before(found, i))
            continue;
        if (port && a.any.sa_family == AF_INET6)
            a.in6.sin6_port = htons(port);
        else if (port)
            a.in.sin_port = htons(port);
        rc = bind_and_listen(&a, o, true, &s->fds[s->count]);
        if (rc == 0)
            rc = bound_port(s->fds[s->count++], &port);
        if (rc < 0 && !is_strange(rc))
            return rc;
    }
    return s->count > 0 ? 0 : rc;
}

static int watch_all(int set, const sockets *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = s->fds[i]};
        if (epoll_ctl(set, EPOLL_CTL_ADD, s->fds[i], &event) < 0)
            return -errno;
    }
    return 0;
}

/* The sockets become the listener's on success. */
static int listener_of_all(sockets *s, kt_listener **ret_listener)
{
    kt_auto(kt_listener) *l = NULL;
    int set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0)
        return -errno;
    int rc = listener_new(set, AF_INET, &l);
    if (rc == 0)
        rc = bound_port(s->fds[0], &l->port);
    if (rc == 0)
        rc = watch_all(set, s);
    if (rc < 0)
        return rc;
    l->fd.is_socket = false;
    l->sockets = kt_alloc(s->count * sizeof *l->sockets);
    if (!l->sockets)
        return -ENOMEM;
    memcpy(l->sockets, s->fds, s->count * sizeof *l->sockets);
    l->count = s->count;
    s->count = 0;
    *ret_listener = kt_steal(l);
    return 0;
}

static int listen_on_all(const kt_addresses *found, const kt_listen_options *o, kt_listener **ret_listener)
{
    bool any_port = kt_address_port(&found->items[0]) == 0;
    for (int tries = any_port ? PORT_TRIES : 1;; tries--) {
        kt_auto(sockets) s = {.count = 0};
        int rc = bind_all(found, o, &s);
        if (rc == 0)
            return listener_of_all(&s, ret_listener);
        if (rc != -EADDRINUSE || tries == 1)
            return rc;
    }
}

int kt_listen(const char *host, uint16_t port, const kt_listen_options *options,
              kt_listener **ret_listener)
{
    const kt_task *self = kt__self("kt_listen");
    const kt_resolve_options passive = {.flags = AI_PASSIVE};
    kt_auto(kt_addresses) *found = NULL;
    if (self->loop->simulated && !self->loop->network)
        return kt_error_set(KT_ENOTSIM, "listen on %s", host ? host : "all interfaces");
    int rc = kt__resolve_port(host && *host ? host : NULL, port, &passive, &found);
    if (rc < 0)
        return rc;
    if (self->loop->network) {
        rc = kt__listen_simulated(self->loop->network, &found->items[0], options, ret_listener);
    } else if (found->count > 1) {
        rc = listen_on_all(found, options, ret_listener);
    } else {
        rc = listen_on_one(&found->items[0], options, ret_listener);
    }
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
    if (self->loop->simulated && !self->loop->network)
        return kt_error_set(KT_ENOTSIM, "listen on unix:%s", path);
    int rc = kt_address_unix(path, &a);
    if (rc < 0)
        return rc;
    if (self->loop->network) {
        rc = kt__listen_simulated(self->loop->network, &a, options, ret_listener);
        if (rc == 0)
            kt__opened(*ret_listener, "a listener", KT__SITE, NULL);
        return rc;
    }
    int fd;
    rc = bind_and_listen(&a, options, false, &fd);
    if (rc == -EADDRINUSE && path[0] != '@' && is_stale(path, &a) && unlink(path) == 0)
        rc = bind_and_listen(&a, options, false, &fd);
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
    if (l->share)
        kt__share_close(l->share);
    kt_cancel_hold();
    while (l->pausing)
        if (kt_sleep(KT_MS(1)) < 0)
            break; /* cannot be: cancellations are held back */
    kt_cancel_unhold();
    if (l->share)
        kt__share_free(l->share);
    else if (l->simulated)
        l->simulated->close(l->simulated);
    else
        kt__fd_close(&l->fd);
    for (size_t i = 0; i < l->count; i++)
        close(l->sockets[i]);
    kt_free(l->sockets);
    kt_free(l->path);
    kt_listener_unref(l);
}

void kt_listener_ref(kt_listener *l)
{
    l->refs++;
}

void kt_listener_unref(kt_listener *l)
{
    if (--l->refs == 0)
        kt_free(l);
}

uint16_t kt_listener_port(const kt_listener *l)
{
    return l->port;
}

size_t kt_listener_count(const kt_listener *l)
{
    if (l->share)
        return kt__share_count(l->share);
    return l->sockets ? l->count : 1;
}

int kt_listener_address(const kt_listener *l, size_t index, kt_address *ret_address)
{
    kt_address a = {.size = sizeof a.storage};
    if (index >= kt_listener_count(l))
        return -EINVAL;
    if (l->share || l->simulated) {
        *ret_address = l->share ? kt__share_address(l->share, index) : l->simulated->address;
        return 0;
    }
    if (getsockname(l->sockets ? l->sockets[index] : l->fd.fd, &a.any, &a.size) < 0)
        return -errno;
    *ret_address = a;
    return 0;
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

/* The set hands its sockets out in turns (epoll_wait(2), notes), so none of them starves. */
static ssize_t accept_from_any(kt_task *self, kt_listener *l)
{
    for (;;) {
        struct epoll_event event;
        kt__op_init(self, KT__OP_POLL, &l->fd)->events = POLLIN;
        ssize_t n = kt__op_run(self);
        if (n < 0)
            return n;
        int ready = epoll_wait(l->fd.fd, &event, 1, 0);
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (ready <= 0)
            continue;
        int fd = accept4(event.data.fd, NULL, NULL, kt__socket_flags());
        if (fd >= 0)
            return fd;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
}

static ssize_t accept_one(kt_task *self, kt_listener *l)
{
    if (l->sockets)
        return accept_from_any(self, l);
    kt__op_init(self, KT__OP_ACCEPT, &l->fd);
    return kt__op_run(self);
}

int kt__listener_accept_socket(kt_listener *l, int *ret_fd)
{
    kt_task *self = kt__self("kt_listener_accept");
    sa_family_t family = l->family;
    ssize_t fd;
    if (l->simulated)
        return kt_error_set(KT_ENOTSIM, "a socket of a listener in a simulated network");
    for (;;) {
        fd = accept_one(self, l);
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
    *ret_fd = (int)fd;
    return 0;
}

static int accept_from_share(kt_listener *l, kt_stream **ret_stream)
{
    kt__share *share = l->share;
    int fd;
    l->pausing++;
    int rc = kt__share_accept(share, &fd);
    l->pausing--;
    if (rc < 0)
        return rc;
    rc = kt__stream_new(fd, ret_stream);
    if (rc < 0)
        kt__share_left(share);
    else
        (*ret_stream)->share = share;
    return rc;
}

int kt_listener_accept(kt_listener *l, kt_stream **ret_stream)
{
    int fd, rc;
    if (l->closed)
        return KT_ECLOSED;
    if (l->share) {
        rc = accept_from_share(l, ret_stream);
    } else if (l->simulated) {
        rc = l->simulated->accept(l->simulated, ret_stream);
    } else {
        rc = kt__listener_accept_socket(l, &fd);
        if (rc == 0)
            rc = kt__stream_new(fd, ret_stream);
    }
    if (rc == 0)
        kt__opened(*ret_stream, "a stream", KT__SITE, NULL);
    return rc;
}
