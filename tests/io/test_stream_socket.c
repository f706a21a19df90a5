/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <kettle/kettle.h>
#include <kettle/test.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is special about streams over sockets: addresses, options, descriptors. */

typedef struct pair {
    kt_stream *near, *far;
} pair;

static void pair_cleanup(pair *p)
{
    kt_stream_close(p->near);
    kt_stream_close(p->far);
}

static pair unix_pair(void)
{
    kt_stream *ends[2];
    CHECK_OK(kt_stream_pair(ends));
    return (pair){ends[0], ends[1]};
}

static pair memory_pair(void)
{
    kt_stream *ends[2];
    CHECK_OK(kt_stream_memory_pair(0, ends));
    return (pair){ends[0], ends[1]};
}

static pair tcp_pair(void)
{
    kt_auto(kt_listener) *l = NULL;
    pair p;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(l), &p.near));
    CHECK_OK(kt_listener_accept(l, &p.far));
    return p;
}

/* ---- Addresses and options -------------------------------------------------------------------- */

TEST_WITH(the_own_address_is_the_peers_peer, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = tcp_pair();
    kt_address own, seen = {.size = 0};
    CHECK_OK(kt_stream_local(p.near, &own));
    CHECK_OK(kt_stream_peer(p.far, &seen.storage, &seen.size));
    CHECK_NE(kt_address_port(&own), 0);
    CHECK(kt_address_equal(&own, &seen));
}

TEST(memory_has_no_address)
{
    kt_auto(pair) p = memory_pair();
    kt_address a = {.size = 7};
    CHECK_ERR(kt_stream_local(p.near, &a), -EBADF);
    CHECK_EQ(a.size, 7);
}

static int option(const kt_stream *s, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    CHECK_EQ(getsockopt(kt_stream_fd(s), level, name, &value, &size), 0);
    return value;
}

TEST_WITH(small_writes_leave_at_once_unless_told_otherwise, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = tcp_pair();
    CHECK_NE(option(p.near, IPPROTO_TCP, TCP_NODELAY), 0);
    CHECK_NE(option(p.far, IPPROTO_TCP, TCP_NODELAY), 0);
    CHECK_OK(kt_stream_nodelay_set(p.near, false));
    CHECK_EQ(option(p.near, IPPROTO_TCP, TCP_NODELAY), 0);
    CHECK_OK(kt_stream_nodelay_set(p.near, true));
    CHECK_NE(option(p.near, IPPROTO_TCP, TCP_NODELAY), 0);
}

TEST_WITH(a_peer_is_asked_for_life_as_told, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = tcp_pair();
    const kt_keep_alive k = {.idle = KT_MS(29500), .interval = KT_S(7), .probes = 3}, defaults = {.idle = 0};
    CHECK_EQ(option(p.near, SOL_SOCKET, SO_KEEPALIVE), 0);
    CHECK_OK(kt_stream_keep_alive_set(p.near, &k));
    CHECK_NE(option(p.near, SOL_SOCKET, SO_KEEPALIVE), 0);
    CHECK_EQ(option(p.near, IPPROTO_TCP, TCP_KEEPIDLE), 30);
    CHECK_EQ(option(p.near, IPPROTO_TCP, TCP_KEEPINTVL), 7);
    CHECK_EQ(option(p.near, IPPROTO_TCP, TCP_KEEPCNT), 3);
    CHECK_OK(kt_stream_keep_alive_set(p.near, NULL));
    CHECK_EQ(option(p.near, SOL_SOCKET, SO_KEEPALIVE), 0);
    CHECK_OK(kt_stream_keep_alive_set(p.far, &defaults));
    CHECK_NE(option(p.far, SOL_SOCKET, SO_KEEPALIVE), 0);
}

static void check_no_tcp(kt_stream *s, int error)
{
    const kt_keep_alive k = {.idle = KT_S(5)};
    CHECK_ERR(kt_stream_nodelay_set(s, true), error);
    CHECK_ERR(kt_stream_keep_alive_set(s, &k), error);
    CHECK_ERR(kt_stream_keep_alive_set(s, NULL), error);
}

TEST_WITH(what_is_not_tcp_has_no_such_options, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = unix_pair();
    kt_auto(pair) m = memory_pair();
    kt_auto(pair) tcp = tcp_pair();
    const kt_keep_alive never = {.interval = -1}, late = {.idle = KT_S(40000)};
    check_no_tcp(p.near, -EOPNOTSUPP);
    check_no_tcp(m.near, -EBADF);
    CHECK_ERR(kt_stream_keep_alive_set(tcp.near, &never), -EINVAL);
    CHECK_ERR(kt_stream_keep_alive_set(tcp.near, &late), -EINVAL);
}

/* ---- Descriptors ------------------------------------------------------------------------------- */

/* Is nobody left who could write into the pipe? */
static bool is_closed(int reader)
{
    char byte;
    return read(reader, &byte, 1) == 0;
}

typedef struct channel {
    int reader, writer;
} channel;

static channel channel_open(void)
{
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    return (channel){ends[0], ends[1]};
}

/* Sends the writing end away, and keeps the other. */
static int give_away(kt_stream *to, const char *bytes)
{
    channel c = channel_open();
    CHECK_OK(kt_stream_send_fds(to, bytes, strlen(bytes), &c.writer, 1));
    close(c.writer);
    CHECK(!is_closed(c.reader));
    return c.reader;
}

TEST_WITH(a_descriptor_arrives_and_is_the_same_file, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = unix_pair();
    char bytes[8] = "";
    int fd = -1, reader = give_away(p.near, "take it");
    size_t count = 0;
    CHECK_EQ(kt_stream_receive_fds(p.far, bytes, sizeof bytes, &fd, 1, &count), 7);
    CHECK_STR(bytes, "take it");
    CHECK_EQ(count, 1);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(write(fd, "tea", 3), 3);
    CHECK_EQ(read(reader, bytes, sizeof bytes), 3);
    close(fd);
    CHECK(is_closed(reader));
    close(reader);
}

TEST_WITH(descriptors_travel_with_the_first_of_their_bytes, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = unix_pair();
    char bytes[16];
    int fds[2];
    size_t count = 7;
    CHECK_OK(kt_stream_write(p.near, "12", 2));
    int reader = give_away(p.near, "345");
    CHECK_OK(kt_stream_write(p.near, "6", 1));
    CHECK_EQ(kt_stream_receive_fds(p.far, bytes, 2, fds, 2, &count), 2);
    CHECK_EQ(count, 0);
    CHECK_EQ(kt_stream_receive_fds(p.far, bytes, 1, fds, 2, &count), 1);
    CHECK_EQ(count, 1);
    CHECK_EQ(bytes[0], '3');
    CHECK_OK(kt_stream_read_exactly(p.far, bytes, 3));
    CHECK_MEM(bytes, "456", 3);
    CHECK_OK(kt_stream_shutdown_write(p.near));
    count = 7;
    CHECK_EQ(kt_stream_receive_fds(p.far, bytes, 1, fds, 2, &count), 0);
    CHECK_EQ(count, 0);
    CHECK(kt_stream_at_eof(p.far));
    close(fds[0]);
    close(reader);
}

TEST_WITH(as_many_as_the_system_takes_arrive_at_once, KT_TEST_REAL_IO)
{
    enum { MANY = 253 };
    kt_auto(pair) p = unix_pair();
    int sent[MANY + 1], got[MANY];
    size_t count;
    char byte;
    channel c = channel_open();
    for (int i = 0; i < MANY + 1; i++)
        sent[i] = c.writer;
    CHECK_ERR(kt_stream_send_fds(p.near, "x", 1, sent, MANY + 1), -EINVAL);
    CHECK_OK(kt_stream_send_fds(p.near, "x", 1, sent, MANY));
    CHECK_EQ(kt_stream_receive_fds(p.far, &byte, 1, got, MANY, &count), 1);
    CHECK_EQ(count, MANY);
    close(c.writer);
    for (int i = 0; i < MANY; i++) {
        CHECK(!is_closed(c.reader));
        CHECK_EQ(close(got[i]), 0);
    }
    CHECK(is_closed(c.reader));
    close(c.reader);
}

TEST_WITH(those_for_which_there_is_no_room_are_closed, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = unix_pair();
    channel a = channel_open(), b = channel_open();
    const int both[] = {a.writer, b.writer};
    int got[2] = {-1, -1};
    size_t count;
    char byte;
    CHECK_OK(kt_stream_send_fds(p.near, "x", 1, both, 2));
    close(a.writer);
    close(b.writer);
    CHECK_EQ(kt_stream_receive_fds(p.far, &byte, 1, got, 1, &count), 1);
    CHECK_EQ(count, 2);
    CHECK_EQ(got[1], -1);
    CHECK(!is_closed(a.reader));
    CHECK(is_closed(b.reader));
    close(got[0]);
    close(a.reader);
    close(b.reader);
}

TEST_WITH(those_that_a_plain_read_passes_over_are_closed, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = unix_pair();
    int reader = give_away(p.near, "line\nrest"), fd;
    kt_slice line;
    char bytes[8];
    size_t count = 7;
    CHECK_EQ(kt_stream_read_line(p.far, 100, &line), 1);
    CHECK(is_closed(reader));
    CHECK_EQ(kt_stream_receive_fds(p.far, bytes, sizeof bytes, &fd, 1, &count), 4); /* that were buffered */
    CHECK_EQ(count, 0);
    close(reader);
}

static int drinks(void *arg)
{
    kt_stream *s = arg;
    static char bytes[100000];
    ssize_t n, sum = 0;
    while ((n = kt_stream_read(s, bytes, sizeof bytes)) > 0)
        sum += n;
    return n < 0 ? (int)n : (int)sum;
}

TEST_WITH(more_bytes_than_the_socket_holds_follow_the_descriptor, KT_TEST_REAL_IO)
{
    enum { MUCH = 3000000 };
    static char much[MUCH];
    kt_auto(pair) p = unix_pair();
    channel c = channel_open();
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(drinks, p.far, 0, &t));
    CHECK_OK(kt_stream_send_fds(p.near, much, MUCH, &c.writer, 1));
    CHECK_OK(kt_stream_shutdown_write(p.near));
    CHECK_EQ(kt_task_join(t), MUCH);
    close(c.writer);
    CHECK(is_closed(c.reader));
    close(c.reader);
}

static int receives(void *arg)
{
    char byte;
    int fd;
    size_t count = 7;
    ssize_t n = kt_stream_receive_fds(arg, &byte, 1, &fd, 1, &count);
    CHECK((n < 0) == (count == 7));
    if (count == 1)
        close(fd);
    return (int)n;
}

TEST_WITH(a_cancelled_receive_takes_nothing, KT_TEST_REAL_TIME)
{
    kt_auto(pair) p = unix_pair();
    char bytes[8];
    int fd;
    size_t count;
    CHECK_ERR(kt_wait_for(KT_MS(5), receives, p.far, 0), KT_ETIMEDOUT);
    int reader = give_away(p.near, "x");
    CHECK_EQ(kt_stream_receive_fds(p.far, bytes, 1, &fd, 1, &count), 1);
    CHECK_EQ(count, 1);
    close(fd);
    close(reader);
}

KT_FN(closes_when_told, a, struct { kt_stream *told, *victim; })
{
    char byte;
    ssize_t n = kt_stream_read(a->told, &byte, 1);
    kt_stream_close(a->victim);
    return (int)n;
}

/* Both tasks are woken together, and the one that closes runs first: the descriptor has come already. */
TEST_WITH(a_close_meanwhile_leaves_no_descriptor, KT_TEST_REAL_IO)
{
    kt_auto(pair) other = unix_pair();
    kt_auto(pair) p = unix_pair();
    kt_task *closer = NULL, *receiver = NULL;
    CHECK_OK(kt_spawn(KT_WITH(closes_when_told, other.far, p.far), &closer));
    CHECK_OK(kt_spawn(receives, kt_steal(p.far), 0, &receiver));
    CHECK_OK(kt_sleep(0));
    CHECK_OK(kt_stream_write(other.near, "x", 1));
    int reader = give_away(p.near, "x");
    CHECK_EQ(kt_task_join(closer), 1);
    CHECK_ERR(kt_task_join(receiver), KT_ECLOSED);
    CHECK(is_closed(reader));
    close(reader);
}

static void check_refused(kt_stream *s)
{
    char byte;
    int fd = 0;
    size_t count;
    CHECK_ERR(kt_stream_send_fds(s, "x", 1, &fd, 1), -EOPNOTSUPP);
    CHECK_ERR(kt_stream_receive_fds(s, &byte, 1, &fd, 1, &count), -EOPNOTSUPP);
}

TEST_WITH(only_unix_sockets_pass_descriptors, KT_TEST_REAL_IO)
{
    kt_auto(pair) tcp = tcp_pair();
    kt_auto(pair) memory = memory_pair();
    kt_auto(kt_stream) *end = NULL;
    channel c = channel_open();
    CHECK_OK(kt_stream_from_fd(c.reader, &end));
    check_refused(tcp.near);
    check_refused(memory.near);
    check_refused(end);
    close(c.writer);
}

TEST_WITH(a_descriptor_that_is_not_open_is_refused, KT_TEST_REAL_IO)
{
    kt_auto(pair) p = unix_pair();
    const int none = -1;
    char byte;
    CHECK_ERR(kt_stream_send_fds(p.near, "x", 1, &none, 1), -EBADF);
    CHECK_ERR(kt_stream_send_fds(p.near, "x", 0, &none, 1), -EINVAL);
    CHECK_ERR(kt_stream_send_fds(p.near, "x", 1, &none, 0), -EINVAL);
    CHECK_OK(kt_stream_write(p.near, "y", 1)); /* nothing was harmed */
    CHECK_OK(kt_stream_read_exactly(p.far, &byte, 1));
    CHECK_EQ(byte, 'y');
}

static const char python[] =
    "import os, socket\n"
    "s = socket.socket(fileno=3)\n"
    "data, fds, flags, address = socket.recv_fds(s, 100, 4)\n"
    "os.write(fds[0], b'from python: ' + data)\n"
    "r, w = os.pipe()\n"
    "os.write(w, b'and back')\n"
    "socket.send_fds(s, [b'here'], [r])\n";

TEST_WITH(python_passes_them_too, KT_TEST_REAL_TIME)
{
    int ends[2], fd = -1;
    char bytes[64] = "";
    size_t count;
    kt_auto(kt_stream) *s = NULL;
    kt_auto(kt_process) *child = NULL;
    kt_process_status status;
    channel c = channel_open();
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    CHECK_OK(kt_stream_from_fd(ends[0], &s));
    const kt_process_fd fds[] = {{ends[1], 3}};
    const char *const argv[] = {"python3", "-c", python, NULL};
    const kt_process_options o = {.argv = argv, .fds = fds, .fds_count = 1, .error = KT_PROCESS_INHERIT};
    CHECK_OK(kt_process_spawn(&o, &child));
    close(ends[1]);
    CHECK_OK(kt_stream_send_fds(s, "tea", 3, &c.writer, 1));
    CHECK_EQ(kt_stream_receive_fds(s, bytes, sizeof bytes, &fd, 1, &count), 4);
    CHECK_EQ(count, 1);
    CHECK_OK(kt_process_wait(child, &status));
    CHECK_EQ(status.exit_code, 0);
    CHECK_EQ(read(fd, bytes, sizeof bytes), 8);
    CHECK_MEM(bytes, "and back", 8);
    CHECK_EQ(read(c.reader, bytes, sizeof bytes), 16);
    CHECK_MEM(bytes, "from python: tea", 16);
    close(fd);
    close(c.reader);
    close(c.writer);
}
