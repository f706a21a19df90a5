/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <kettle/kettle.h>
#include <kettle/test.h>
#include <stdio.h>
#include <unistd.h>

static kt_udp *bound(const char *host)
{
    kt_udp *u = NULL;
    int rc = kt_udp_bind(host, 0, NULL, &u);
    if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT)
        kt_test_skip("this machine has no IPv6");
    CHECK_OK(rc);
    return u;
}

static kt_address local_of(const kt_udp *u)
{
    kt_address a;
    CHECK_OK(kt_udp_local(u, &a));
    return a;
}

static kt_udp *connected_to(const kt_udp *server)
{
    kt_udp *u = NULL;
    kt_address a = local_of(server);
    CHECK_OK(kt_udp_connect(a.any.sa_family == AF_INET ? "127.0.0.1" : "::1", kt_address_port(&a), NULL, &u));
    return u;
}

static kt_task *spawn(KT__JOB)
{
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(fn, arg, size, &t));
    return t;
}

/* ---- There and back ---------------------------------------------------------------------- */

static void there_and_back(const char *host)
{
    kt_auto(kt_udp) *server = bound(host);
    kt_auto(kt_udp) *client = connected_to(server);
    char bytes[100];
    bool truncated = true;
    kt_address from, own = local_of(client);
    CHECK_OK(kt_udp_send(client, "ping", 4));
    CHECK_EQ(kt_udp_receive(server, bytes, sizeof bytes, &from, &truncated), 4);
    CHECK_MEM(bytes, "ping", 4);
    CHECK(!truncated);
    CHECK(kt_address_equal(&from, &own));
    CHECK_OK(kt_udp_send_to(server, "pong!", 5, &from));
    CHECK_EQ(kt_udp_receive(client, bytes, sizeof bytes, NULL, NULL), 5);
    CHECK_MEM(bytes, "pong!", 5);
}

TEST_WITH(a_datagram_goes_there_and_back, KT_TEST_REAL_TIME)
{
    there_and_back("127.0.0.1");
}

TEST_WITH(a_datagram_goes_there_and_back_over_ipv6, KT_TEST_REAL_TIME)
{
    there_and_back("::1");
}

TEST_WITH(all_interfaces_hear_both_families, KT_TEST_REAL_TIME)
{
    kt_auto(kt_udp) *server = bound(NULL);
    kt_auto(kt_udp) *client = bound("127.0.0.1");
    kt_address to, from, own = local_of(client), any = local_of(server);
    char byte;
    CHECK_OK(kt_address_parse("127.0.0.1", kt_address_port(&any), &to));
    CHECK_OK(kt_udp_send_to(client, "x", 1, &to));
    CHECK_EQ(kt_udp_receive(server, &byte, 1, &from, NULL), 1);
    CHECK(kt_address_equal(&from, &own)); /* plain IPv4, not mapped into IPv6 */
    CHECK_OK(kt_udp_send_to(server, "y", 1, &from));
    CHECK_EQ(kt_udp_receive(client, &byte, 1, NULL, NULL), 1);
    CHECK_EQ(byte, 'y');
}

TEST_WITH(an_empty_datagram_is_one_too, KT_TEST_REAL_TIME)
{
    kt_auto(kt_udp) *server = bound("127.0.0.1");
    kt_auto(kt_udp) *client = connected_to(server);
    char byte;
    kt_address from = {.size = 0};
    CHECK_OK(kt_udp_send(client, NULL, 0));
    CHECK_EQ(kt_udp_receive(server, &byte, 1, &from, NULL), 0);
    CHECK_NE(from.size, 0);
}

TEST_WITH(what_does_not_fit_is_cut_and_told, KT_TEST_REAL_TIME)
{
    kt_auto(kt_udp) *server = bound("127.0.0.1");
    kt_auto(kt_udp) *client = connected_to(server);
    char bytes[4];
    bool truncated = false;
    CHECK_OK(kt_udp_send(client, "too long", 8));
    CHECK_OK(kt_udp_send(client, "fits", 4));
    CHECK_EQ(kt_udp_receive(server, bytes, 4, NULL, &truncated), 4);
    CHECK(truncated);
    CHECK_EQ(kt_udp_receive(server, bytes, 4, NULL, &truncated), 4);
    CHECK(!truncated);
    CHECK_MEM(bytes, "fits", 4);
}

TEST_WITH(a_local_address_can_be_chosen, KT_TEST_REAL_TIME)
{
    kt_auto(kt_udp) *server = bound("127.0.0.1");
    kt_auto(kt_udp) *client = NULL;
    kt_auto(kt_udp) *other = NULL;
    kt_address a = local_of(server), b;
    const kt_udp_options from_2 = {.local_host = "127.0.0.2"};
    const kt_udp_options from_far = {.local_host = "198.51.100.1"};
    CHECK_OK(kt_udp_connect("127.0.0.1", kt_address_port(&a), &from_2, &client));
    b = local_of(client);
    CHECK_EQ(ntohl(b.in.sin_addr.s_addr), 0x7f000002);
    CHECK_OK(kt_udp_peer(client, &b));
    CHECK(kt_address_equal(&a, &b));
    CHECK_ERR(kt_udp_peer(server, &b), -ENOTCONN);
    CHECK_ERR(kt_udp_connect("127.0.0.1", 9, &from_far, &other), -EADDRNOTAVAIL);
}

static char unix_path[108];

static void remove_unix_path(void)
{
    unlink(unix_path);
}

TEST_WITH(unix_datagrams_come_in_by_their_descriptor, KT_TEST_REAL_IO)
{
    int fds[2], stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    kt_auto(kt_udp) *a = NULL;
    kt_auto(kt_udp) *b = NULL;
    kt_udp *none = NULL;
    char bytes[10];
    kt_address from, own;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_OK(kt_udp_from_fd(fds[0], &a));
    CHECK_OK(kt_udp_from_fd(fds[1], &b));
    CHECK_OK(kt_udp_send(a, "one", 3));
    CHECK_EQ(kt_udp_receive(b, bytes, sizeof bytes, &from, NULL), 3);
    CHECK_EQ(from.size, 0);
    snprintf(unix_path, sizeof unix_path, "/tmp/kettle-test-udp-%d", (int)getpid());
    CHECK_OK(kt_address_unix(unix_path, &own));
    CHECK_EQ(bind(kt_udp_fd(a), &own.any, own.size), 0);
    CHECK_OK(kt_udp_send(a, "two", 3));
    CHECK_EQ(kt_udp_receive(b, bytes, sizeof bytes, &from, NULL), 3);
    CHECK_STR(from.un.sun_path, unix_path);
    remove_unix_path();
    CHECK_ERR(kt_udp_from_fd(stream, &none), -EINVAL);
    CHECK_ERR(kt_udp_from_fd(-1, &none), -EBADF);
    close(stream);
}

/* ---- Without waiting --------------------------------------------------------------------- */

TEST_WITH(the_nowait_twins_never_wait, KT_TEST_REAL_TIME)
{
    kt_auto(kt_udp) *server = bound("127.0.0.1");
    kt_auto(kt_udp) *client = connected_to(server);
    char bytes[10];
    kt_address from, own = local_of(client);
    CHECK_ERR(kt_udp_receive_nowait(server, bytes, 10, NULL, NULL), -EAGAIN);
    CHECK_OK(kt_udp_send_nowait(client, "abc", 3, NULL));
    CHECK_EQ(kt_udp_receive_nowait(server, bytes, 10, &from, NULL), 3);
    CHECK(kt_address_equal(&from, &own));
    CHECK_OK(kt_udp_send_nowait(server, "d", 1, &from));
    CHECK_EQ(kt_udp_receive_nowait(client, bytes, 10, NULL, NULL), 1);
}

/* A pair whose buffer of messages is full; how many there are. */
static int full_pair(kt_udp **ret_near, kt_udp **ret_far)
{
    int fds[2], sent = 0, rc;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_OK(kt_udp_from_fd(fds[0], ret_near));
    CHECK_OK(kt_udp_from_fd(fds[1], ret_far));
    while ((rc = kt_udp_send_nowait(*ret_near, "f", 1, NULL)) == 0)
        sent++;
    CHECK_ERR(rc, -EAGAIN);
    return sent;
}

KT_FN(sends, a, struct {
    kt_udp *u;
    const char *text;
})
{
    return kt_udp_send(a->u, a->text, strlen(a->text));
}

TEST_WITH(many_senders_wait_for_room_in_order, KT_TEST_REAL_TIME)
{
    kt_auto(kt_udp) *near = NULL;
    kt_auto(kt_udp) *far = NULL;
    char byte, last[3];
    int queued = full_pair(&near, &far);
    kt_task *tasks[] = {spawn(KT_WITH(sends, near, "1")), spawn(KT_WITH(sends, near, "2")),
                        spawn(KT_WITH(sends, near, "3"))};
    CHECK_OK(kt_sleep(KT_MS(5)));
    CHECK(!kt_task_done(tasks[0]));
    for (int i = 0; i < queued; i++)
        CHECK_EQ(kt_udp_receive(far, &byte, 1, NULL, NULL), 1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(kt_udp_receive(far, &last[i], 1, NULL, NULL), 1);
    CHECK_MEM(last, "123", 3);
    for (int i = 0; i < 3; i++)
        CHECK_OK(kt_task_join(tasks[i]));
}

TEST_WITH(a_cancelled_send_sends_nothing_and_the_next_takes_its_turn, KT_TEST_REAL_TIME)
{
    kt_auto(kt_udp) *near = NULL;
    kt_auto(kt_udp) *far = NULL;
    char byte;
    int queued = full_pair(&near, &far);
    kt_task *first = spawn(KT_WITH(sends, near, "1"));
    kt_task *second = spawn(KT_WITH(sends, near, "2"));
    CHECK_OK(kt_sleep(KT_MS(5)));
    kt_task_cancel(first);
    CHECK_ERR(kt_task_join(first), KT_ECANCELED);
    for (int i = 0; i <= queued; i++)
        CHECK_EQ(kt_udp_receive(far, &byte, 1, NULL, NULL), 1);
    CHECK_EQ(byte, '2');
    CHECK_OK(kt_task_join(second));
    CHECK_ERR(kt_udp_receive_nowait(far, &byte, 1, NULL, NULL), -EAGAIN);
}

TEST_WITH(a_close_ends_all_who_wait, KT_TEST_REAL_TIME)
{
    kt_udp *near = NULL;
    kt_auto(kt_udp) *far = NULL;
    full_pair(&near, &far);
    kt_task *tasks[] = {spawn(KT_WITH(sends, near, "1")), spawn(KT_WITH(sends, near, "2")),
                        spawn(KT_WITH(sends, near, "3"))};
    CHECK_OK(kt_sleep(KT_MS(5)));
    kt_udp_close(near);
    for (int i = 0; i < 3; i++)
        CHECK_ERR(kt_task_join(tasks[i]), KT_ECLOSED);
}

static int sends_for_ever(void *u)
{
    int rc;
    while ((rc = kt_udp_send(u, "x", 1)) == 0)
        ;
    return rc;
}

TEST_WITH(a_sender_that_never_waits_lets_others_run, KT_TEST_REAL_TIME)
{
    kt_auto(kt_udp) *server = bound("127.0.0.1");
    kt_udp *client = connected_to(server);
    kt_task *t = spawn(sends_for_ever, client, 0);
    for (int i = 0; i < 10; i++)
        CHECK_OK(kt_sleep(0));
    kt_udp_close(client); /* maybe while it lets us run */
    CHECK_ERR(kt_task_join(t), KT_ECLOSED);
    client = connected_to(server);
    t = spawn(sends_for_ever, client, 0);
    CHECK_OK(kt_sleep(0));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    kt_udp_close(client);
}

/* ---- Receiving: cancelled, closed -------------------------------------------------------- */

KT_FN(receives, a, struct {
    kt_udp *u;
    int *n; /* or NULL */
})
{
    char byte;
    int n = (int)kt_udp_receive(a->u, &byte, 1, NULL, NULL);
    if (a->n)
        *a->n = n;
    return n;
}

TEST_WITH(a_cancelled_receive_takes_nothing, KT_TEST_REAL_TIME)
{
    kt_auto(kt_udp) *server = bound("127.0.0.1");
    kt_auto(kt_udp) *client = connected_to(server);
    char byte = 0;
    for (int i = 0; i < 20; i++) {
        int n = KT_ECANCELED; /* of one that never ran */
        kt_task *t = spawn(KT_WITH(receives, server, &n));
        CHECK_OK(kt_sleep(i % 2 ? KT_MS(1) : 0));
        if (i % 4 < 2)
            CHECK_OK(kt_udp_send(client, "x", 1));
        kt_task_cancel(t);
        CHECK_ERR(kt_task_join(t), KT_ECANCELED);
        if (i % 4 >= 2)
            CHECK_OK(kt_udp_send(client, "x", 1));
        CHECK(n == KT_ECANCELED || (n == 1 && i % 4 < 2));
        if (n == KT_ECANCELED)
            CHECK_EQ(kt_udp_receive(server, &byte, 1, NULL, NULL), 1);
    }
    CHECK_EQ(byte, 'x');
    CHECK_ERR(kt_udp_receive_nowait(server, &byte, 1, NULL, NULL), -EAGAIN);
}

TEST_WITH(a_close_ends_a_receive, KT_TEST_REAL_TIME)
{
    kt_udp *server = bound("127.0.0.1");
    kt_task *t = spawn(KT_WITH(receives, server, NULL));
    CHECK_OK(kt_sleep(KT_MS(2)));
    kt_udp_close(server);
    CHECK_ERR(kt_task_join(t), KT_ECLOSED);
}

KT_FN(closes_when_told, a, struct {
    int fd;
    kt_udp *u;
})
{
    CHECK_OK(kt_fd_wait(a->fd, KT_READABLE));
    kt_udp_close(a->u);
    return 0;
}

/* Closer and receiver are woken by the same look at the kernel, the closer first. */
TEST_WITH(a_close_outranks_what_has_just_arrived, KT_TEST_REAL_TIME)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    kt_udp *server = bound("127.0.0.1");
    kt_auto(kt_udp) *client = connected_to(server);
    kt_task *closer = spawn(KT_WITH(closes_when_told, ends[0], server));
    kt_task *receiver = spawn(KT_WITH(receives, server, NULL));
    CHECK_OK(kt_sleep(KT_MS(2)));
    CHECK_EQ(write(ends[1], "x", 1), 1);
    CHECK_OK(kt_udp_send_nowait(client, "x", 1, NULL));
    CHECK_OK(kt_task_join(closer));
    CHECK_ERR(kt_task_join(receiver), KT_ECLOSED);
    close(ends[0]);
    close(ends[1]);
}

TEST_DIES(two_receivers_are_misuse, KT_TEST_REAL_TIME, "reads from it already")
{
    kt_udp *server = bound("127.0.0.1");
    spawn(KT_WITH(receives, server, NULL));
    spawn(KT_WITH(receives, server, NULL));
    CHECK_OK(kt_sleep(KT_MS(2)));
}

TEST_WITH(a_receive_within_a_timeout_ends, KT_TEST_REAL_TIME)
{
    kt_auto(kt_udp) *server = bound("127.0.0.1");
    char byte;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_MS(10));
    int rc = (int)kt_udp_receive(server, &byte, 1, NULL, NULL);
    CHECK_ERR(kt_timeout_end(&limit, rc), KT_ETIMEDOUT);
}

/* ---- Errors ------------------------------------------------------------------------------ */

TEST_WITH(a_port_where_nobody_is_refuses_once, KT_TEST_REAL_TIME)
{
    kt_udp *server = bound("127.0.0.1");
    kt_auto(kt_udp) *client = connected_to(server);
    char byte;
    kt_udp_close(server);
    CHECK_OK(kt_udp_send(client, "x", 1));
    CHECK_ERR(kt_udp_receive(client, &byte, 1, NULL, NULL), -ECONNREFUSED);
    CHECK_ERR(kt_udp_receive_nowait(client, &byte, 1, NULL, NULL), -EAGAIN);
}

TEST_WITH(a_refusal_wakes_a_receiver_that_waits, KT_TEST_REAL_TIME)
{
    kt_udp *server = bound("127.0.0.1");
    kt_auto(kt_udp) *client = connected_to(server);
    kt_udp_close(server);
    kt_task *t = spawn(KT_WITH(receives, client, NULL));
    CHECK_OK(kt_sleep(KT_MS(2)));
    CHECK_OK(kt_udp_send(client, "x", 1));
    CHECK_ERR(kt_task_join(t), -ECONNREFUSED);
}

TEST_WITH(failures_are_told_apart, KT_TEST_REAL_TIME)
{
    static char large[70000];
    kt_auto(kt_udp) *server = bound("127.0.0.1");
    kt_auto(kt_udp) *client = connected_to(server);
    kt_udp *second = NULL;
    kt_address a = local_of(server), all, v6;
    char expected[80];
    CHECK_ERR(kt_udp_send(client, large, sizeof large), -EMSGSIZE);
    CHECK_ERR(kt_udp_send(server, "x", 1), -EDESTADDRREQ);
    CHECK_OK(kt_address_parse("::1", 9, &v6));
    CHECK_ERR(kt_udp_send_to(server, "x", 1, &v6), -EAFNOSUPPORT);
    CHECK_OK(kt_address_parse("255.255.255.255", 9, &all));
    CHECK_ERR(kt_udp_send_to(server, "x", 1, &all), -EACCES);
    CHECK_ERR(kt_udp_bind("127.0.0.1", kt_address_port(&a), NULL, &second), -EADDRINUSE);
    snprintf(expected, sizeof expected, "bind to 127.0.0.1:%u: Address already in use", kt_address_port(&a));
    CHECK_STR(kt_error_detail(), expected);
    CHECK_ERR(kt_udp_bind("no such host", 0, NULL, &second), KT_ENAME);
    CHECK(second == NULL);
}

TEST_WITH(options_reach_the_socket, KT_TEST_REAL_TIME)
{
    const kt_udp_options o = {.broadcast = true, .reuse_port = true, .receive_buffer_bytes = 8192};
    const kt_udp_options bad_interface = {.multicast_interface = "no-such"};
    const kt_udp_options bad_hops = {.multicast_hops = 256};
    kt_auto(kt_udp) *u = NULL;
    kt_auto(kt_udp) *twin = NULL;
    kt_udp *none = NULL;
    int value = 0;
    socklen_t size = sizeof value;
    CHECK_OK(kt_udp_bind("127.0.0.1", 0, &o, &u));
    kt_address a = local_of(u);
    CHECK_OK(kt_udp_bind("127.0.0.1", kt_address_port(&a), &o, &twin));
    CHECK_EQ(getsockopt(kt_udp_fd(u), SOL_SOCKET, SO_BROADCAST, &value, &size), 0);
    CHECK_EQ(value, 1);
    CHECK_EQ(getsockopt(kt_udp_fd(u), SOL_SOCKET, SO_RCVBUF, &value, &size), 0);
    CHECK_EQ(value, 16384); /* the system doubles it, see socket(7) */
    CHECK_ERR(kt_udp_bind("127.0.0.1", 0, &bad_interface, &none), -ENODEV);
    CHECK_ERR(kt_udp_bind("127.0.0.1", 0, &bad_hops, &none), -EINVAL);
}

TEST_WITH(every_allocation_of_an_open_may_fail, KT_TEST_REAL_TIME)
{
    for (uint64_t nth = 1;; nth++) {
        kt_udp *u = NULL;
        kt_test_fail_allocation(nth);
        int rc = kt_udp_bind("localhost", 0, NULL, &u);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        kt_udp_close(u);
        CHECK(rc == 0 || (failed && rc == -ENOMEM));
        if (!failed)
            break;
        CHECK_LT(nth, 100);
    }
}

/* ---- Many at once ------------------------------------------------------------------------ */

enum { MANY = 80 }; /* more than one batch */

TEST_WITH(many_datagrams_are_sent_and_received_at_once, KT_TEST_REAL_TIME)
{
    kt_auto(kt_udp) *server = bound("127.0.0.1");
    kt_auto(kt_udp) *client = connected_to(server);
    kt_datagram out[MANY], in[MANY];
    int numbers[MANY], got[MANY], received = 0, rc;
    kt_address own = local_of(client);
    for (int i = 0; i < MANY; i++) {
        numbers[i] = i;
        out[i] = (kt_datagram){.bytes = &numbers[i], .size = sizeof numbers[i]};
        in[i] = (kt_datagram){.bytes = &got[i], .size = i == 5 ? 2 : sizeof got[i]};
    }
    CHECK_EQ(kt_udp_send_many(client, out, MANY), MANY);
    for (; received < MANY; received += rc)
        CHECK_GE(rc = kt_udp_receive_many(server, in + received, (size_t)(MANY - received)), 1);
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(in[i].truncated, i == 5);
        CHECK_EQ(in[i].size, i == 5 ? 2 : sizeof got[i]);
        CHECK(i == 5 || got[i] == i);
        CHECK(kt_address_equal(&in[i].address, &own));
    }
    CHECK_ERR(kt_udp_receive_many(server, in, 0), -EINVAL);
    CHECK_EQ(kt_udp_send_many(client, out, 0), 0);
    kt_task_cancel(kt_task_current());
    CHECK_ERR(kt_udp_send_many(client, out, 0), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
}

TEST_WITH(a_batch_takes_what_is_there_and_no_more, KT_TEST_REAL_TIME)
{
    kt_auto(kt_udp) *server = bound("127.0.0.1");
    kt_auto(kt_udp) *client = connected_to(server);
    char bytes[3] = {0};
    kt_datagram in[3];
    for (int i = 0; i < 3; i++)
        in[i] = (kt_datagram){.bytes = &bytes[i], .size = 1};
    CHECK_OK(kt_udp_send(client, "a", 1));
    CHECK_OK(kt_udp_send(client, "b", 1));
    CHECK_EQ(kt_udp_receive_many(server, in, 3), 2);
    CHECK_MEM(bytes, "ab", 3);
    CHECK_EQ(in[2].size, 1);
}

TEST_WITH(a_failure_within_a_batch_comes_after_those_sent, KT_TEST_REAL_TIME)
{
    static char large[70000];
    kt_auto(kt_udp) *server = bound("127.0.0.1");
    kt_auto(kt_udp) *client = connected_to(server);
    const kt_datagram out[] = {{.bytes = large, .size = 1},
                               {.bytes = large, .size = 1},
                               {.bytes = large, .size = sizeof large}};
    CHECK_EQ(kt_udp_send_many(client, out, 3), 2);
    CHECK_ERR(kt_udp_send_many(client, out + 2, 1), -EMSGSIZE);
}

KT_FN(receives_two, a, struct { kt_udp *u; })
{
    char bytes[2];
    kt_datagram in[2] = {{.bytes = bytes, .size = 1}, {.bytes = bytes + 1, .size = 1}};
    return kt_udp_receive_many(a->u, in, 2);
}

/* The system tells a refusal before the datagrams that are there. It is behind the first of a batch when
 * it comes between that one and the rest: after as many turns as it takes the loop to ask. */
static int refuse_after(int turns)
{
    kt_udp *server = bound("127.0.0.1");
    kt_auto(kt_udp) *client = connected_to(server);
    kt_address to = local_of(client);
    char byte;
    kt_task *t = spawn(KT_WITH(receives_two, client));
    CHECK_OK(kt_sleep(KT_US(100)));
    CHECK_OK(kt_udp_send_to(server, "x", 1, &to));
    kt_udp_close(server);
    for (int i = 0; i < turns; i++)
        CHECK_OK(kt_sleep(0));
    CHECK_OK(kt_udp_send(client, "y", 1));
    int n = kt_task_join(t);
    CHECK(n == 1 || n == -ECONNREFUSED);
    CHECK_ERR(kt_udp_receive_nowait(client, &byte, 1, NULL, NULL), n == 1 ? -ECONNREFUSED : 1);
    return n;
}

TEST_WITH(a_refusal_behind_a_batch_is_not_lost, KT_TEST_REAL_TIME)
{
    int received = 0;
    for (int turns = 0; turns < 150; turns++)
        received += refuse_after(turns) == 1;
    CHECK_GT(received, 0);
}

/* ---- Multicast --------------------------------------------------------------------------- */

static void through_a_group(const char *group, const char *host)
{
    const kt_udp_options options = {.multicast_interface = "lo", .reuse_address = true};
    kt_auto(kt_udp) *member = NULL;
    kt_auto(kt_udp) *sender = NULL;
    kt_address to, own;
    char byte;
    if (kt_udp_bind(host, 0, &options, &member) < 0)
        kt_test_skip("this machine has no %s", host);
    CHECK_OK(kt_udp_bind(host, 0, &options, &sender));
    own = local_of(member);
    CHECK_OK(kt_address_parse(group, kt_address_port(&own), &to));
    int rc = kt_udp_join(member, group, "lo");
    if (rc == -ENODEV || rc == -ENOSYS)
        kt_test_skip("this machine has no multicast");
    CHECK_OK(rc);
    CHECK_ERR(kt_udp_join(member, group, "lo"), -EADDRINUSE);
    rc = kt_udp_send_to(sender, "m", 1, &to);
    if (rc == 0)
        CHECK_EQ(kt_udp_receive(member, &byte, 1, NULL, NULL), 1);
    CHECK_OK(kt_udp_leave(member, group, "lo"));
    CHECK_ERR(kt_udp_leave(member, group, "lo"), -EADDRNOTAVAIL);
    if (rc == -ENETUNREACH)
        kt_test_skip("no route for multicasts of %s", host);
    CHECK_OK(rc);
    CHECK_OK(kt_udp_send_to(sender, "m", 1, &to)); /* to nobody */
    CHECK_OK(kt_sleep(KT_MS(2)));
    CHECK_ERR(kt_udp_receive_nowait(member, &byte, 1, NULL, NULL), -EAGAIN);
}

TEST_WITH(a_group_is_joined_and_left, KT_TEST_REAL_TIME)
{
    through_a_group("239.255.77.1", "0.0.0.0");
}

TEST_WITH(a_group_is_joined_and_left_over_ipv6, KT_TEST_REAL_TIME)
{
    through_a_group("ff01::4b54", "::");
}

TEST_WITH(what_is_no_group_is_refused, KT_TEST_REAL_TIME)
{
    kt_auto(kt_udp) *u = bound("127.0.0.1");
    CHECK_ERR(kt_udp_join(u, "127.0.0.1", "lo"), -EINVAL);
    CHECK_ERR(kt_udp_join(u, "localhost", "lo"), -EINVAL);
    CHECK_ERR(kt_udp_join(u, "239.1.1.1", "no-such"), -ENODEV);
}

TEST(there_are_no_datagrams_under_the_simulated_driver)
{
    kt_udp *u = NULL;
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("a real driver");
    CHECK_ERR(kt_udp_bind("127.0.0.1", 0, NULL, &u), KT_ENOTSIM);
    CHECK_ERR(kt_udp_connect("127.0.0.1", 1, NULL, &u), KT_ENOTSIM);
    CHECK_ERR(kt_udp_from_fd(0, &u), KT_ENOTSIM);
}
