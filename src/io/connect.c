/* SPDX-License-Identifier: MIT */

/* Connecting. */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "core/eyes.h"
#include "io/socket.h"
#include "io/stream_private.h"

/* A Unix socket whose line of connections is full refuses without a way to hear of room. */
#define PAUSE_WHEN_FULL KT_MS(5)

static int run_connect(kt_task *self, kt_stream *s, const kt_address *a)
{
    for (;;) {
        kt__op *op = kt__op_init(self, KT__OP_CONNECT, &s->fd);
        op->address = &a->any;
        op->address_size = a->size;
        int rc = (int)kt__op_run(self);
        if (rc != KT_EFULL)
            return rc;
        rc = kt_sleep(PAUSE_WHEN_FULL);
        if (rc < 0)
            return rc;
    }
}

static int connect_to(kt_task *self, const kt_address *a, kt_stream **ret_stream)
{
    int fd = socket(a->any.sa_family, SOCK_STREAM | kt__socket_flags(), 0);
    if (fd < 0)
        return -errno;
    kt_auto(kt_stream) *s = NULL;
    int rc = kt__stream_new(fd, &s);
    if (rc < 0)
        return rc;
    const int on = 1;
    if (a->any.sa_family != AF_UNIX) /* cannot fail on a TCP socket that we made */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    rc = run_connect(self, s, a);
    if (rc < 0)
        return rc;
    *ret_stream = kt_steal(s);
    return 0;
}

static int describe(int rc, const kt_address *a)
{
    char text[128];
    if (kt_is_cancel(rc))
        return rc;
    kt_address_format(&a->any, a->size, text, sizeof text);
    return kt_error_set(rc, "connect to %s: %s", text, kt_strerror(rc));
}

int kt_stream_connect(const char *host, uint16_t port, kt_stream **ret_stream)
{
    kt_task *self = kt__self("kt_stream_connect");
    if (self->loop->simulated)
        return kt_error_set(KT_ENOTSIM, "connect to %s", host);
    const kt_resolve_options o = {.flags = AI_ADDRCONFIG};
    kt_auto(kt_addresses) *found = NULL;
    int rc = kt__resolve_port(host, port, &o, &found);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < found->count; i++) {
        rc = connect_to(self, &found->items[i], ret_stream);
        if (rc >= 0 || kt_is_cancel(rc))
            break;
        describe(rc, &found->items[i]);
    }
    if (rc >= 0)
        kt__opened(*ret_stream, "a stream", KT__SITE, NULL);
    return rc;
}

int kt_stream_connect_unix(const char *path, kt_stream **ret_stream)
{
    kt_task *self = kt__self("kt_stream_connect_unix");
    kt_address a;
    if (self->loop->simulated)
        return kt_error_set(KT_ENOTSIM, "connect to unix:%s", path);
    int rc = kt_address_unix(path, &a);
    if (rc < 0)
        return rc;
    rc = connect_to(self, &a, ret_stream);
    if (rc < 0)
        return describe(rc, &a);
    kt__opened(*ret_stream, "a stream", KT__SITE, NULL);
    return 0;
}
