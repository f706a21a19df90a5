/* SPDX-License-Identifier: MIT */

/* Streams, listeners, datagrams, names of hosts. */
#include "faults.h"

#include <netdb.h>
#include <signal.h>
#include <sys/uio.h>
#include <sys/un.h>

#define BYTES 100000

#define LATER "waited for the next one"
#define ACCEPTS \
    {"accept4", ECONNABORTED, 0, LATER}, {"accept4", EPROTO, 0, LATER}, {"accept4", EPERM, 0, LATER}, \
        {"accept4", ENETDOWN, 0, LATER}, {"accept4", EHOSTDOWN, 0, LATER}, {"accept4", ENONET, 0, LATER}, \
        {"accept4", EHOSTUNREACH, 0, LATER}, {"accept4", ENETUNREACH, 0, LATER}, {"accept4", EMFILE, 0, FULL}, \
        {"accept4", ENFILE, 0, FULL}, {"accept4", ENOBUFS, 0, FULL}, {"accept4", ENOMEM, 0, FULL}, \
        {"completion of an accept", ECONNABORTED, 0, LATER}, {"completion of an accept", EPROTO, 0, LATER}, \
        {"completion of an accept", EPERM, 0, LATER}, {"completion of an accept", EMFILE, 0, FULL}, \
        {"completion of an accept", ENFILE, 0, FULL}, {"completion of an accept", ENOBUFS, 0, FULL}, \
        {"completion of an accept", ENOMEM, 0, FULL}, \
        {"completion of an accept", 0, KT_ETIMEDOUT, "for good: waited for as long as the caller likes"}, \
        {"accept4", 0, KT_ETIMEDOUT, "for good: waited for as long as the caller likes"}
#define FULL "tried again after a while"

static void file_of_a_page(void)
{
    put("file", "what is sent\n");
}

/* ---- A client and a server on loopback --------------------------------------------------------- */

/* Answers each line of one client with the same line. */
static void answers(kt_stream *s)
{
    kt_slice line;
    int rc;
    while ((rc = kt_stream_read_line(s, 1000, &line)) > 0) {
        const struct iovec pieces[] = {{(void *)line.data, line.size}, {(void *)"\n", 1}};
        if (!ok(kt_stream_writev(s, pieces, 2)))
            return;
    }
    ok(rc);
}

/* Behind the one client it listens no more, so that nobody waits for a server that has failed. */
static int serves(void *arg)
{
    kt_listener **l = *(kt_listener ***)arg;
    kt_auto(kt_stream) *s = NULL;
    bool accepted = ok(kt_listener_accept(*l, &s));
    kt_listener_close(kt_steal(*l));
    if (accepted)
        answers(s);
    return 0;
}

static void asks(uint16_t port)
{
    kt_auto(kt_stream) *s = NULL;
    kt_slice line;
    if (!ok(kt_stream_connect("127.0.0.1", port, &s)))
        return;
    ok(kt_stream_nodelay_set(s, true));
    for (int i = 0; i < 2; i++) {
        const struct iovec pieces[] = {{(void *)"ping ", 5}, {(void *)"pong\n", 5}};
        if (!ok(kt_stream_writev(s, pieces, 2)))
            return;
        int rc = kt_stream_read_line(s, 1000, &line);
        if (ok(rc == 0 ? KT_EINCOMPLETE : rc))
            MUST(line.size == 9);
    }
    if (ok(kt_stream_shutdown_write(s)))
        ok(kt_stream_read(s, (char[1]){0}, 1));
}

static void echoes(void)
{
    kt_auto(kt_listener) *l = NULL;
    kt_listener **place = &l;
    kt_task *server = NULL;
    if (!ok(kt_listen("127.0.0.1", 0, NULL, &l)))
        return;
    uint16_t port = kt_listener_port(l);
    MUST(port > 0);
    if (!ok(kt_spawn(serves, &place, sizeof place, &server)))
        return;
    asks(port);
    end_task(server); /* which has ended, unless its client has failed */
}

static const spared of_server[] = {
    ACCEPTS,
    {"setsockopt", 0, 0, "TCP_NODELAY of a peer that may be gone: shows at the first read"},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_client_and_a_server, NULL, echoes, of_server)

static void echoes_by_path(void)
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_stream) *client = NULL, *server = NULL;
    char bytes[4];
    const kt_listen_options options = {.unix_mode = 0600};
    if (!ok(kt_listen_unix("socket", &options, &l)))
        return;
    if (!ok(kt_stream_connect_unix("socket", &client)) || !ok(kt_listener_accept(l, &server)))
        return;
    ok(kt_stream_write(client, "ping", 4));
    kt_stream_close(kt_steal(client));
    if (ok(kt_stream_read_exactly(server, bytes, 4)))
        MUST(memcmp(bytes, "ping", 4) == 0);
}

static const spared of_path[] = {
    ACCEPTS,
    {"unlink", 0, 0, "closing tells nobody"},
    {"stat64", 0, 0, "closing tells nobody"},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_socket_with_a_path, NULL, echoes_by_path, of_path)

/* ---- Two ends of one connection ---------------------------------------------------------------- */

static int fills(void *arg)
{
    static const char bytes[BYTES];
    kt_stream **s = *(kt_stream ***)arg;
    ok(kt_stream_write(*s, bytes, sizeof bytes));
    kt_stream_close(kt_steal(*s));
    return 0;
}

static void pours(void)
{
    kt_stream *both[2], **first = &both[0];
    kt_task *writer = NULL;
    static char bytes[BYTES];
    if (!ok(kt_stream_pair(both)))
        return;
    if (ok(kt_spawn(fills, &first, sizeof first, &writer))) {
        ok(kt_stream_read_exactly(both[1], bytes, sizeof bytes));
        kt_stream_close(kt_steal(both[1]));
        ok(kt_task_join(writer));
    }
    kt_stream_close(both[0]);
    kt_stream_close(both[1]);
}

SCENARIO(more_than_a_socket_holds, NULL, pours, NULL)

static void writes_at_once(kt_stream *from, kt_stream *to)
{
    char bytes[4];
    ssize_t n = kt_stream_write_nowait(from, "ping", 4);
    if (!ok(n))
        return;
    if (n < 4) /* no room, or no way to ask for it */
        ok(kt_stream_write(from, &"ping"[n], (size_t)(4 - n)));
    if (ok(kt_stream_read_exactly(to, bytes, 4)))
        MUST(memcmp(bytes, "ping", 4) == 0);
}

static void pipes(void)
{
    int fds[2];
    kt_auto(kt_stream) *from = NULL, *to = NULL;
    if (!ok(pipe2(fds, O_CLOEXEC) < 0 ? -errno : 0))
        return;
    bool first = ok(kt_stream_from_fd(fds[0], &to)), second = ok(kt_stream_from_fd(fds[1], &from));
    if (!first)
        close(fds[0]);
    if (!second)
        close(fds[1]);
    if (first && second)
        writes_at_once(from, to);
}

static const spared of_pipes[] = {
    {"getsockopt", 0, 0, "no socket, then"},
    {"pwritev64v2", EOPNOTSUPP, 0, "a pipe that cannot be asked not to wait"},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_pipe_that_is_written_to_at_once, NULL, pipes, of_pipes)

/* To a reader that has gone, in a program that does not ignore SIGPIPE. */
static void heed_sigpipe(void)
{
    signal(SIGPIPE, SIG_DFL);
}

static void pours_into_nothing(void)
{
    int fds[2];
    kt_auto(kt_stream) *from = NULL;
    if (!ok(pipe2(fds, O_CLOEXEC) < 0 ? -errno : 0))
        return;
    close(fds[0]);
    if (!ok(kt_stream_from_fd(fds[1], &from))) {
        close(fds[1]);
        return;
    }
    int rc = kt_stream_write(from, "ping", 4);
    if (rc != -EPIPE)
        ok(rc < 0 ? rc : KT_EPROTOCOL);
}

static const spared of_broken_pipes[] = {
    {"getsockopt", 0, 0, "no socket, then"},
    {"writev", EPIPE, 0, "as it is"},
    {"completion of a write", EPIPE, 0, "as it is"},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_pipe_that_nobody_reads, heed_sigpipe, pours_into_nothing, of_broken_pipes)

static void sends_file(void)
{
    kt_stream *both[2];
    char bytes[13];
    if (!ok(kt_stream_pair(both)))
        return;
    kt_file *f = NULL;
    if (ok(kt_file_open("file", O_RDONLY, 0, &f))) {
        ok(kt_stream_sendfile(both[0], kt_file_fd(f), 0, 13, 0));
        ok(kt_file_close(f));
        kt_stream_close(both[0]);
        both[0] = NULL;
        if (ok(kt_stream_read_exactly(both[1], bytes, 13)))
            MUST(memcmp(bytes, "what is sent\n", 13) == 0);
    }
    kt_stream_close(both[0]);
    kt_stream_close(both[1]);
}

static const spared of_sending[] = {
    {"sendfile64", EINVAL, 0, "not from such a file: read and written"},
    {"sendfile64", ENOSYS, 0, "not from such a file: read and written"},
    {"fcntl F_SETFL, F_SETFD", 0, 0, "the descriptor stays O_NONBLOCK, which io_uring can do with, too"},
    {NULL, 0, 0, NULL},
};

SCENARIO(sending_a_file, file_of_a_page, sends_file, of_sending)

static void sends_descriptor(void)
{
    kt_stream *both[2];
    int fd = -1;
    size_t count = 0;
    char byte;
    if (!ok(kt_stream_pair(both)))
        return;
    const int own = kt_stream_fd(both[0]);
    if (ok(kt_stream_send_fds(both[0], "x", 1, &own, 1)) &&
        ok(kt_stream_receive_fds(both[1], &byte, 1, &fd, 1, &count)) && count == 1)
        close(fd);
    kt_stream_close(both[0]);
    kt_stream_close(both[1]);
}

static const spared of_descriptors[] = {
    {"getsockopt", ENOTSOCK, -EOPNOTSUPP, "what is no socket sends none"},
    {NULL, 0, 0, NULL},
};

SCENARIO(sending_a_descriptor, NULL, sends_descriptor, of_descriptors)

/* ---- Datagrams --------------------------------------------------------------------------------- */

static void exchanges(kt_udp *a, kt_udp *b)
{
    char bytes[2][16];
    kt_address to;
    if (!ok(kt_udp_local(b, &to)))
        return;
    if (!ok(kt_udp_send_to(a, "one", 3, &to)))
        return;
    ssize_t n = kt_udp_receive(b, bytes[0], sizeof bytes[0], NULL, NULL);
    if (!ok(n))
        return;
    MUST(n == 3);
    kt_datagram out[2] = {{.bytes = (void *)"two", .size = 3, .address = to},
                          {.bytes = (void *)"three", .size = 5, .address = to}};
    kt_datagram in[2] = {{.bytes = bytes[0], .size = sizeof bytes[0]}, {.bytes = bytes[1], .size = sizeof bytes[1]}};
    if (ok(kt_udp_send_many(a, out, 2)))
        ok(kt_udp_receive_many(b, in, 2));
    n = kt_udp_receive_nowait(b, bytes[0], sizeof bytes[0], NULL, NULL);
    if (n != -EAGAIN) /* what a batch has found behind its first */
        ok(n);
}

static void datagrams(void)
{
    kt_auto(kt_udp) *a = NULL, *b = NULL;
    const kt_udp_options options = {.receive_buffer_bytes = 8192};
    if (ok(kt_udp_bind("127.0.0.1", 0, NULL, &a)) && ok(kt_udp_bind("127.0.0.1", 0, &options, &b)))
        exchanges(a, b);
}

static const spared of_datagrams[] = {
    {"sendmmsg", 0, 0, "the first that was refused is sent again, alone, and meets its error"},
    {NULL, 0, 0, NULL},
};

SCENARIO(datagrams_between_two_sockets, NULL, datagrams, of_datagrams)

static void connected(void)
{
    kt_auto(kt_udp) *a = NULL, *b = NULL;
    kt_address local;
    char bytes[16];
    if (!ok(kt_udp_bind("127.0.0.1", 0, NULL, &a)) || !ok(kt_udp_local(a, &local)))
        return;
    if (!ok(kt_udp_connect("127.0.0.1", kt_address_port(&local), NULL, &b)))
        return;
    if (ok(kt_udp_send(b, "ping", 4)))
        ok(kt_udp_receive(a, bytes, sizeof bytes, NULL, NULL));
}

SCENARIO(a_datagram_to_a_peer, NULL, connected, NULL)

/* An interface by its name. */
static void groups(void)
{
    kt_auto(kt_udp) *u = NULL;
    kt_address a;
    const kt_udp_options options = {.multicast_interface = "lo"};
    if (ok(kt_udp_bind("127.0.0.1", 0, &options, &u)))
        ok(kt_udp_join(u, "239.255.1.1", "lo"));
    if (ok(kt_address_parse("fe80::1%lo", 80, &a)))
        MUST(a.in6.sin6_scope_id > 0);
}

static const spared of_groups[] = {
    {"if_nametoindex", 0, -ENODEV, "an interface that is not there"},
    {"if_nametoindex", 0, -EINVAL, "a zone that is none"},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_group_on_an_interface, NULL, groups, of_groups)

/* ---- Unix sockets ------------------------------------------------------------------------------ */

/* Of a server that has died. */
static void stale_socket(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&name, sizeof name) < 0)
        kt_test_fail("socket: %s", strerror(errno));
    close(fd);
}

static void replaces(void)
{
    kt_auto(kt_listener) *l = NULL;
    ok(kt_listen_unix("socket", NULL, &l));
}

#define AT_THE_END "the listener's end has nobody to tell"
static const spared of_unix[] = {
    {"*", 0, -EADDRINUSE, "nobody can tell that its server is dead"},
    {"bind", EADDRINUSE, 0, "the socket is there: tried again without it"},
    {"connect", ECONNREFUSED, 0, "as it is"},
    {"stat64", 0, 0, AT_THE_END},
    {"unlink", 0, 0, AT_THE_END},
    {NULL, 0, 0, NULL},
};

SCENARIO(a_socket_that_a_dead_server_left, stale_socket, replaces, of_unix)

/* ---- Names ------------------------------------------------------------------------------------- */

static void resolves(void)
{
    kt_auto(kt_addresses) *a = NULL;
    kt_host_name name;
    const kt_resolve_options options = {.type = SOCK_STREAM, .fresh = true};
    if (!ok(kt_resolve("localhost", "80", &options, &a)))
        return;
    MUST(a->count > 0);
    ok(kt_resolve_name(&a->items[0], 0, &name));
}

static const spared of_names[] = {
    {"getaddrinfo", EAI_MEMORY, -ENOMEM, "a code of the resolver's"},
    {"getaddrinfo", EAI_BADFLAGS, -EINVAL, "a code of the resolver's"},
    {"getaddrinfo", EAI_FAMILY, -EINVAL, "a code of the resolver's"},
    {"getaddrinfo", EAI_SOCKTYPE, -EINVAL, "a code of the resolver's"},
    {"getaddrinfo", 0, KT_ENAME, "with the resolver's words"},
    {"getnameinfo", EAI_MEMORY, -ENOMEM, "a code of the resolver's"},
    {"getnameinfo", EAI_BADFLAGS, -EINVAL, "a code of the resolver's"},
    {"getnameinfo", EAI_FAMILY, -EINVAL, "a code of the resolver's"},
    {"getnameinfo", 0, KT_ENAME, "with the resolver's words"},
    {NULL, 0, 0, NULL},
};

SCENARIO(names_of_hosts, NULL, resolves, of_names)
