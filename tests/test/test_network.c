/* SPDX-License-Identifier: MIT */

/* What the simulated network does to programs. */
#include <kettle/kettle.h>
#include <kettle/test.h>
#include <kettle/test_network.h>

#include <errno.h>
#include <stdio.h>

#define SERVER "10.0.0.2"
#define CLIENT "10.0.0.1"
#define PORT 80

static kt_test_network *network; /* each test runs in a process of its own */
static kt_listener *listener;

static void begin(const kt_test_network_options *options)
{
    network = kt_test_network_open(options);
    kt_test_network_use(network);
    kt_test_network_be(network, CLIENT);
    CHECK_OK(kt_listen(SERVER, PORT, NULL, &listener));
}

static void end(void)
{
    kt_listener_close(kt_steal(listener));
    kt_test_network_close(network);
}

static int connect_into(void *arg)
{
    return kt_stream_connect(SERVER, PORT, arg);
}

/* Two ends of a connection: the client's and the server's. */
static void connect_both(kt_stream *ret_ends[2])
{
    kt_task *t;
    CHECK_OK(kt_spawn(connect_into, &ret_ends[0], 0, &t));
    CHECK_OK(kt_listener_accept(listener, &ret_ends[1]));
    CHECK_OK(kt_task_join(t));
}

static void close_both(kt_stream *ends[2])
{
    kt_stream_close(kt_steal(ends[0]));
    kt_stream_close(kt_steal(ends[1]));
}

static int echo(kt_stream *s, void *arg)
{
    char bytes[1000];
    ssize_t n;
    (void)arg;
    while ((n = kt_stream_read(s, bytes, sizeof bytes)) > 0) {
        int rc = kt_stream_write(s, bytes, (size_t)n);
        if (rc < 0)
            return rc;
    }
    return (int)n;
}

/* ---- In order ---------------------------------------------------------------------------------- */

TEST(a_server_answers_after_the_way_there_and_back)
{
    const kt_test_network_options options = {.latency = KT_MS(20)};
    kt_server *server;
    char answer[5];
    begin(&options);
    CHECK_OK(kt_server_start(kt_steal(listener), NULL, echo, NULL, &server));
    kt_time start = kt_now();
    kt_auto(kt_stream) *s = NULL;
    CHECK_OK(kt_stream_connect(SERVER, PORT, &s));
    CHECK_EQ(kt_now() - start, KT_MS(40));
    CHECK_OK(kt_stream_write(s, "hello", 5));
    CHECK_OK(kt_stream_read_exactly(s, answer, 5));
    CHECK_MEM(answer, "hello", 5);
    CHECK_LE(kt_now() - start, KT_MS(80) + 1);
    CHECK_GE(kt_now() - start, KT_MS(80));
    CHECK_OK(kt_stream_shutdown_write(s));
    CHECK_EQ(kt_stream_read(s, answer, 5), 0);
    kt_stream_close(kt_steal(s));
    kt_server_free(server);
    end();
}

TEST(bytes_come_one_by_one_where_that_is_asked_for)
{
    const kt_test_network_options options = {.segment_max = 1, .latency = KT_US(1), .jitter = KT_MS(1)};
    kt_stream *ends[2];
    char bytes[100], read[100];
    begin(&options);
    connect_both(ends);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    CHECK_OK(kt_stream_write(ends[0], bytes, sizeof bytes));
    for (size_t i = 0; i < sizeof bytes; i++)
        CHECK_EQ(kt_stream_read(ends[1], read + i, sizeof read - i), 1);
    CHECK_MEM(read, bytes, sizeof bytes);
    close_both(ends);
    end();
}

static int write_one(void *arg)
{
    return kt_stream_write(arg, "x", 1);
}

TEST(a_writer_waits_while_nobody_reads)
{
    const kt_test_network_options options = {.window = 1000};
    static char bytes[2000];
    kt_stream *ends[2];
    begin(&options);
    connect_both(ends);
    CHECK_EQ(kt_stream_write_nowait(ends[0], bytes, sizeof bytes), 1000);
    CHECK_EQ(kt_stream_write_nowait(ends[0], bytes, sizeof bytes), 0);
    CHECK_ERR(kt_wait_for(KT_S(100), write_one, ends[0], 0), KT_ETIMEDOUT);
    CHECK_OK(kt_stream_read_exactly(ends[1], bytes, 1000));
    CHECK_EQ(kt_stream_write_nowait(ends[0], bytes, sizeof bytes), 1000);
    close_both(ends);
    end();
}

TEST(one_direction_ends_before_the_other)
{
    kt_stream *ends[2];
    char byte;
    begin(NULL);
    connect_both(ends);
    CHECK_OK(kt_stream_shutdown_write(ends[0]));
    CHECK_EQ(kt_stream_read(ends[1], &byte, 1), 0);
    CHECK_ERR(kt_stream_write(ends[0], "x", 1), -EPIPE);
    CHECK_OK(kt_stream_write(ends[1], "y", 1));
    CHECK_EQ(kt_stream_read(ends[0], &byte, 1), 1);
    close_both(ends);
    end();
}

TEST(both_ends_know_each_others_address)
{
    struct sockaddr_storage peer;
    socklen_t size;
    kt_stream *ends[2];
    char text[64];
    begin(NULL);
    connect_both(ends);
    CHECK_OK(kt_stream_peer(ends[0], &peer, &size));
    kt_address_format((const struct sockaddr *)&peer, size, text, sizeof text);
    CHECK_STR(text, SERVER ":80");
    CHECK_OK(kt_stream_peer(ends[1], &peer, &size));
    kt_address_format((const struct sockaddr *)&peer, size, text, sizeof text);
    CHECK_STR(text, CLIENT ":32768");
    CHECK_EQ(kt_stream_fd(ends[0]), -1);
    close_both(ends);
    end();
}

TEST(local_addresses_are_those_of_the_tasks_own_host)
{
    kt_listener *own;
    kt_address a;
    begin(NULL);
    CHECK_OK(kt_listen(NULL, 0, NULL, &own));
    CHECK_OK(kt_listener_address(own, 0, &a));
    CHECK_EQ(kt_listener_count(own), 1);
    CHECK_EQ(kt_listener_port(own), kt_address_port(&a));
    CHECK_ERR(kt_listen("localhost", kt_listener_port(own), NULL, &own), -EADDRINUSE);
    kt_auto(kt_stream) *s = NULL, *accepted = NULL;
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(own), &s));
    CHECK_OK(kt_listener_accept(own, &accepted));
    kt_stream_close(kt_steal(s));
    kt_stream_close(kt_steal(accepted));
    kt_test_network_be(network, SERVER);
    CHECK_ERR(kt_stream_connect("localhost", kt_listener_port(own), &s), -ECONNREFUSED);
    kt_listener_close(own);
    end();
}

TEST(unix_sockets_are_there_too)
{
    kt_listener *l;
    kt_auto(kt_stream) *s = NULL, *accepted = NULL;
    begin(NULL);
    CHECK_ERR(kt_stream_connect_unix("/run/x", &s), -ENOENT);
    CHECK_OK(kt_listen_unix("/run/x", NULL, &l));
    CHECK_OK(kt_stream_connect_unix("/run/x", &s));
    CHECK_OK(kt_listener_accept(l, &accepted));
    CHECK_OK(kt_stream_write(s, "x", 1));
    kt_stream_close(kt_steal(s));
    kt_stream_close(kt_steal(accepted));
    kt_listener_close(l);
    end();
}

/* ---- Names ------------------------------------------------------------------------------------- */

TEST(the_next_address_of_a_name_is_tried_while_the_first_is_silent)
{
    kt_auto(kt_stream) *s = NULL, *accepted = NULL;
    kt_auto(kt_addresses) *found = NULL;
    begin(NULL);
    kt_test_network_name(network, "db", "10.0.0.9");
    kt_test_network_name(network, "db", SERVER);
    CHECK_OK(kt_resolve("db", "80", NULL, &found));
    CHECK_EQ(found->count, 2);
    CHECK_ERR(kt_stream_connect("cache", PORT, &s), KT_ENAME);
    kt_test_network_cut(network, "10.0.0.9", NULL);
    kt_time start = kt_now();
    CHECK_OK(kt_stream_connect("db", PORT, &s));
    CHECK_EQ(kt_now() - start, KT_MS(250)); /* RFC 8305 */
    CHECK_OK(kt_listener_accept(listener, &accepted));
    kt_stream_close(kt_steal(s));
    kt_stream_close(kt_steal(accepted));
    end();
}

/* ---- Troubles ---------------------------------------------------------------------------------- */

TEST(who_is_not_there_refuses_or_is_unreachable_or_silent)
{
    const kt_test_network_options options = {.latency = KT_MS(5)};
    kt_stream *s;
    begin(&options);
    kt_time start = kt_now();
    CHECK_ERR(kt_stream_connect(SERVER, 81, &s), -ECONNREFUSED);
    CHECK_EQ(kt_now() - start, KT_MS(10));
    CHECK_ERR(kt_stream_connect("10.9.9.9", PORT, &s), -EHOSTUNREACH);
    kt_test_network_cut(network, CLIENT, SERVER);
    start = kt_now();
    CHECK_ERR(kt_stream_connect(SERVER, PORT, &s), -ETIMEDOUT);
    CHECK_GE(kt_now() - start, KT_S(127));
    end();
}

static int heal_later(void *arg)
{
    (void)arg;
    int rc = kt_sleep(KT_S(10));
    kt_test_network_heal(network, SERVER, CLIENT);
    return rc;
}

TEST(what_is_sent_over_a_cut_arrives_when_it_is_healed)
{
    kt_stream *ends[2];
    kt_task *t;
    char bytes[4];
    begin(NULL);
    connect_both(ends);
    kt_test_network_cut(network, CLIENT, SERVER);
    CHECK_OK(kt_stream_write(ends[0], "late", 4));
    CHECK_OK(kt_spawn(heal_later, NULL, 0, &t));
    kt_time start = kt_now();
    CHECK_OK(kt_stream_read_exactly(ends[1], bytes, 4));
    CHECK_EQ(kt_now() - start, KT_S(10));
    CHECK_OK(kt_task_join(t));
    close_both(ends);
    end();
}

static int read_one(void *arg)
{
    char byte;
    return (int)kt_stream_read(arg, &byte, 1);
}

TEST(the_sender_loses_patience_and_the_reader_hears_nothing)
{
    kt_stream *ends[2];
    char byte;
    begin(NULL);
    connect_both(ends);
    kt_test_network_cut(network, SERVER, NULL);
    CHECK_OK(kt_stream_write(ends[0], "x", 1));
    kt_time start = kt_now();
    CHECK_ERR(kt_stream_read(ends[0], &byte, 1), -ETIMEDOUT);
    CHECK_EQ(kt_now() - start, KT_S(127));
    CHECK_ERR(kt_wait_for(KT_S(1000), read_one, ends[1], 0), KT_ETIMEDOUT);
    close_both(ends);
    end();
}

TEST(a_reset_breaks_both_ends_but_not_what_has_arrived)
{
    kt_stream *ends[2];
    char byte;
    begin(NULL);
    connect_both(ends);
    CHECK_OK(kt_stream_write(ends[0], "x", 1));
    CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK_EQ(kt_test_network_reset(network, SERVER, NULL), 1);
    CHECK_EQ(kt_stream_read(ends[1], &byte, 1), 1);
    CHECK_ERR(kt_stream_read(ends[1], &byte, 1), -ECONNRESET);
    CHECK_ERR(kt_stream_write(ends[0], "x", 1), -ECONNRESET);
    close_both(ends);
    end();
}

TEST(a_dead_host_leaves_connections_half_open_until_it_is_back)
{
    kt_stream *ends[2];
    kt_auto(kt_stream) *s = NULL;
    char byte;
    begin(NULL);
    connect_both(ends);
    kt_test_network_down(network, SERVER);
    CHECK_ERR(kt_stream_read(ends[1], &byte, 1), -ENETDOWN);
    CHECK_ERR(kt_listener_accept(listener, &s), KT_ECLOSED);
    CHECK_ERR(kt_wait_for(KT_S(1000), read_one, ends[0], 0), KT_ETIMEDOUT);
    kt_test_network_up(network, SERVER);
    CHECK_ERR(kt_stream_connect(SERVER, PORT, &s), -ECONNREFUSED);
    CHECK_OK(kt_stream_write(ends[0], "x", 1));
    CHECK_ERR(kt_stream_read(ends[0], &byte, 1), -ECONNRESET);
    close_both(ends);
    end();
}

TEST(who_writes_to_a_closed_peer_learns_of_it_a_round_trip_later)
{
    const kt_test_network_options options = {.latency = KT_MS(10)};
    kt_stream *ends[2];
    begin(&options);
    connect_both(ends);
    kt_stream_close(kt_steal(ends[1]));
    CHECK_OK(kt_stream_write(ends[0], "x", 1));
    CHECK_OK(kt_stream_write(ends[0], "y", 1));
    CHECK_OK(kt_sleep(KT_MS(25)));
    CHECK_ERR(kt_stream_write(ends[0], "z", 1), -ECONNRESET);
    kt_stream_close(kt_steal(ends[0]));
    end();
}

TEST(closing_with_bytes_unread_resets)
{
    kt_stream *ends[2];
    char byte;
    begin(NULL);
    connect_both(ends);
    CHECK_OK(kt_stream_write(ends[0], "x", 1));
    CHECK_OK(kt_sleep(KT_MS(1)));
    kt_stream_close(kt_steal(ends[1]));
    CHECK_ERR(kt_stream_read(ends[0], &byte, 1), -ECONNRESET);
    kt_stream_close(kt_steal(ends[0]));
    end();
}

TEST(a_server_hangs_up_on_its_clients)
{
    kt_server *server;
    char byte;
    kt_auto(kt_stream) *s = NULL;
    begin(NULL);
    CHECK_OK(kt_server_start(kt_steal(listener), NULL, echo, NULL, &server));
    CHECK_OK(kt_stream_connect(SERVER, PORT, &s));
    CHECK_OK(kt_sleep(KT_MS(1)));
    kt_server_close_clients(server);
    CHECK_EQ(kt_stream_read(s, &byte, 1), 0);
    kt_stream_close(kt_steal(s));
    CHECK_OK(kt_stream_connect(SERVER, PORT, &s));
    CHECK_OK(kt_sleep(KT_MS(1)));
    kt_server_abort_clients(server);
    CHECK_ERR(kt_stream_read(s, &byte, 1), -ECONNRESET);
    kt_stream_close(kt_steal(s));
    CHECK_EQ(kt_server_stop(server, KT_S(1)), 0);
    kt_server_free(server);
    end();
}

TEST(a_listener_that_closes_resets_who_waits_in_line)
{
    kt_auto(kt_stream) *s = NULL;
    char byte;
    begin(NULL);
    CHECK_OK(kt_stream_connect(SERVER, PORT, &s));
    kt_listener_close(kt_steal(listener));
    CHECK_ERR(kt_stream_read(s, &byte, 1), -ECONNRESET);
    kt_stream_close(kt_steal(s));
    end();
}

/* ---- Cancelled, and by seeds ------------------------------------------------------------------- */

static int accept_into(void *arg)
{
    return kt_listener_accept(listener, arg);
}

TEST(a_connect_an_accept_and_a_read_that_are_cancelled_leave_nothing)
{
    const kt_test_network_options options = {.latency = KT_MS(10)};
    kt_stream *s = NULL;
    begin(&options);
    for (kt_time within = 0; within < KT_MS(20); within += KT_MS(3))
        CHECK_ERR(kt_wait_for(within, connect_into, &s, 0), KT_ETIMEDOUT);
    kt_listener_close(kt_steal(listener)); /* with those that were in line */
    CHECK_OK(kt_listen(SERVER, PORT, NULL, &listener));
    CHECK_ERR(kt_wait_for(KT_S(1), accept_into, &s, 0), KT_ETIMEDOUT);
    kt_stream *ends[2];
    connect_both(ends);
    CHECK_ERR(kt_wait_for(KT_S(1), read_one, ends[0], 0), KT_ETIMEDOUT);
    CHECK_EQ(kt_test_network_connections(network), 1);
    close_both(ends);
    end();
}

static int talk(void *arg)
{
    const kt_test_network_options options = {.latency = KT_MS(1), .jitter = KT_MS(5), .window = 2000};
    kt_server *server;
    static char bytes[5000], answer[5000];
    (void)arg;
    begin(&options);
    CHECK_OK(kt_server_start(kt_steal(listener), NULL, echo, NULL, &server));
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7);
    for (int round = 0; round < 3; round++) {
        kt_auto(kt_stream) *s = NULL;
        CHECK_OK(kt_stream_connect(SERVER, PORT, &s));
        for (size_t at = 0; at < sizeof bytes; at += 500) {
            CHECK_OK(kt_stream_write(s, bytes + at, 500));
            CHECK_OK(kt_stream_read_exactly(s, answer + at, 500));
        }
        CHECK_MEM(answer, bytes, sizeof bytes);
        kt_test_say("round %d at %lld", round, (long long)kt_now());
    }
    kt_server_free(server);
    end();
    return 0;
}

TEST_WITH(a_seed_decides_everything, KT_TEST_NO_LOOP)
{
    kt_test_seeds(30, talk, NULL);
}

TEST(without_a_network_sim_refuses)
{
    kt_stream *s;
    if (strcmp(kt_loop_driver(kt_loop_current()), "sim") != 0)
        kt_test_skip("elsewhere there is the system's");
    begin(NULL);
    kt_test_network_use(NULL);
    CHECK_ERR(kt_stream_connect(SERVER, PORT, &s), KT_ENOTSIM);
    CHECK_ERR(kt_listen(SERVER, PORT, NULL, &listener), KT_ENOTSIM);
    end();
}
