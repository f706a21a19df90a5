/* SPDX-License-Identifier: MIT */

/* Connecting: to one address, or to the first that answers of a name's many ("happy eyeballs",
 * RFC 8305). */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/race.h>
#include <kettle/stream.h>
#include <netinet/tcp.h>

#include "core/eyes.h"
#include "io/resolve.h"
#include "io/network.h"
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

/* RFC 8305, 5: "recommended value". */
#define ATTEMPT_DELAY_DEFAULT KT_MS(250)

/* One try. All of them may be under way together. */
typedef struct attempt {
    const kt_address *to;
    const kt_connect_options *options;
    kt_stream *stream; /* if it succeeded */
} attempt;

static int describe(int rc, const kt_address *a)
{
    char text[128];
    if (kt_is_cancel(rc))
        return rc;
    kt_address_format(&a->any, a->size, text, sizeof text);
    return kt_error_set(rc, "connect to %s: %s", text, kt_strerror(rc));
}

static int bind_to(int fd, sa_family_t family, const kt_connect_options *o)
{
    kt_address local;
    char text[128];
    if (!o->local_host && !o->local_port)
        return 0;
    int rc = kt__resolve_local(o->local_host, o->local_port, family, SOCK_STREAM, &local);
    if (rc < 0 || bind(fd, &local.any, local.size) == 0)
        return rc;
    rc = -errno;
    kt_address_format(&local.any, local.size, text, sizeof text);
    return kt_error_set(rc, "bind to %s: %s", text, kt_strerror(rc));
}

static int connect_socket(kt_task *self, kt_stream *s, const kt_address *to)
{
    const int on = 1;
    if (to->any.sa_family != AF_UNIX) /* cannot fail on a TCP socket that we made */
        (void)setsockopt(s->fd.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int rc = run_connect(self, s, to);
    return rc < 0 ? describe(rc, to) : 0;
}

static int try_simulated(attempt *a, kt__network *n)
{
    const kt_connect_options *o = a->options;
    sa_family_t family = a->to->any.sa_family;
    kt_address local;
    bool bound = o->local_host || o->local_port;
    int rc = bound ? kt__resolve_local(o->local_host, o->local_port, family, SOCK_STREAM, &local) : 0;
    if (rc < 0)
        return rc;
    rc = n->connect(n, a->to, bound ? &local : NULL, &a->stream);
    return rc < 0 ? describe(rc, a->to) : 0;
}

static int try(void *arg)
{
    attempt *a = arg;
    kt_task *self = kt__self("connecting");
    const kt_connect_options *o = a->options;
    int refused = o->check ? o->check(a->to, o->check_arg) : 0;
    if (refused < 0)
        return describe(refused, a->to);
    if (self->loop->network)
        return try_simulated(a, self->loop->network);
    int fd = socket(a->to->any.sa_family, SOCK_STREAM | kt__socket_flags(), 0);
    if (fd < 0)
        return describe(-errno, a->to);
    kt_auto(kt_stream) *s = NULL;
    int rc = kt__stream_new(fd, &s);
    if (rc == 0)
        rc = bind_to(fd, a->to->any.sa_family, o);
    if (rc == 0)
        rc = connect_socket(self, s, a->to);
    if (rc == 0)
        a->stream = kt_steal(s);
    return rc;
}

/* The families in turns, beginning with the one that was to be preferred (RFC 8305, 4). */
static void interleave(const kt_addresses *found, const kt_connect_options *o, attempt *attempts)
{
    size_t next[2] = {0, 0}; /* of the first family, of the others */
    sa_family_t first = found->items[0].any.sa_family;
    for (size_t i = 0; i < found->count; i++) {
        for (size_t k = 0, other = i % 2; k < 2; k++, other = 1 - other) {
            size_t *at = &next[other];
            while (*at < found->count && (found->items[*at].any.sa_family != first) != (other == 1))
                ++*at;
            if (*at == found->count)
                continue; /* none of these is left */
            attempts[i] = (attempt){.to = &found->items[(*at)++], .options = o};
            break;
        }
    }
}

static int race(const attempt *attempts, const kt_job *jobs, size_t n, kt_time delay)
{
    size_t winner;
    int rc = kt_staggered_race(jobs, n, delay, NULL, &winner);
    for (size_t i = 0; i < n; i++) /* of those that came second, and all if we were cancelled */
        if (rc < 0 || i != winner)
            kt_stream_close(attempts[i].stream);
    return rc < 0 ? rc : (int)winner;
}

static int connect_to_only(const kt_address *to, const kt_connect_options *o, kt_stream **ret_stream)
{
    attempt only = {.to = to, .options = o};
    int rc = try(&only);
    if (rc == 0)
        *ret_stream = only.stream;
    return rc;
}

static int connect_to_first(const kt_addresses *found, const kt_connect_options *o,
                            kt_stream **ret_stream)
{
    size_t n = found->count;
    if (n == 1)
        return connect_to_only(&found->items[0], o, ret_stream);
    attempt *attempts = kt_calloc(n, sizeof *attempts + sizeof(kt_job));
    if (!attempts)
        return -ENOMEM;
    kt_job *jobs = (kt_job *)(void *)(attempts + n);
    interleave(found, o, attempts);
    for (size_t i = 0; i < n; i++)
        jobs[i] = (kt_job){.fn = try, .arg = &attempts[i]};
    int rc = race(attempts, jobs, n, o->attempt_delay ? o->attempt_delay : ATTEMPT_DELAY_DEFAULT);
    if (rc >= 0)
        *ret_stream = attempts[rc].stream;
    kt_free(attempts);
    return rc < 0 ? rc : 0;
}

static int connect_by_name(const char *host, uint16_t port, const kt_connect_options *options,
                           kt_stream **ret_stream)
{
    const kt_task *self = kt__self("kt_stream_connect");
    const kt_connect_options o = options ? *options : (kt_connect_options){0};
    const kt_resolve_options r = {.family = o.family, .flags = kt__resolve_flags(o.family)};
    kt_auto(kt_addresses) *found = NULL;
    if (self->loop->simulated && !self->loop->network)
        return kt_error_set(KT_ENOTSIM, "connect to %s", host);
    int rc = kt__resolve_port(host, port, &r, &found);
    if (rc < 0)
        return rc;
    rc = connect_to_first(found, &o, ret_stream);
    if (rc < 0 && !kt_is_cancel(rc))
        kt__resolve_forget(host, &r);
    return rc;
}

int kt_stream_connect_with(const char *host, uint16_t port, const kt_connect_options *options,
                           kt_stream **ret_stream)
{
    int rc = connect_by_name(host, port, options, ret_stream);
    if (rc >= 0)
        kt__opened(*ret_stream, "a stream", KT__SITE, NULL);
    return rc;
}

int kt_stream_connect(const char *host, uint16_t port, kt_stream **ret_stream)
{
    int rc = connect_by_name(host, port, NULL, ret_stream);
    if (rc >= 0)
        kt__opened(*ret_stream, "a stream", KT__SITE, NULL);
    return rc;
}

int kt_stream_connect_unix(const char *path, kt_stream **ret_stream)
{
    const kt_task *self = kt__self("kt_stream_connect_unix");
    const kt_connect_options o = {0};
    kt_address to;
    if (self->loop->simulated && !self->loop->network)
        return kt_error_set(KT_ENOTSIM, "connect to unix:%s", path);
    int rc = kt_address_unix(path, &to);
    if (rc < 0)
        return rc;
    rc = connect_to_only(&to, &o, ret_stream);
    if (rc == 0)
        kt__opened(*ret_stream, "a stream", KT__SITE, NULL);
    return rc;
}
