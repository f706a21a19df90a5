/* SPDX-License-Identifier: MIT */

/* Server and client on the simulated network, in virtual time and under many seeds: bytes that come one by one, clients
 * that fall silent, connections that break. */
#include "serve.h"

#include <kettle/test_network.h>

#define BODY 700u

static int mirror(kt_http_exchange *x, void *arg)
{
    kt_slice body;
    (void)arg;
    int rc = kt_http_read_all(x, 1024 * 1024, &body);
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain", body.data, body.size);
}

static int ask_in_small_segments(void *arg)
{
    const kt_test_network_options options = {.segment_max = 1 + (size_t)(uintptr_t)arg, .jitter = KT_US(50)};
    static char body[BODY];
    site s;
    kt_test_network *n = kt_test_network_open(&options);
    kt_test_network_use(n);
    site_open(&s, NULL, mirror, NULL);
    memset(body, 'b', sizeof body);
    for (int i = 0; i < 3; i++) {
        kt_http_call call = {.host = "localhost", .port = kt_listener_port(s.l), .body = body, .body_size = BODY};
        kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
        CHECK_OK(kt_http_fetch(&call, &reply));
        CHECK_EQ(reply.status, 200);
        CHECK(kt_slice_equal(reply.body, (kt_slice){body, BODY}));
        kt_test_say("%d at %lld", i, (long long)kt_now());
    }
    site_close(&s);
    kt_test_network_close(n);
    return 0;
}

TEST_WITH(requests_and_answers_may_come_byte_by_byte, KT_TEST_NO_LOOP)
{
    kt_test_seeds(10, ask_in_small_segments, NULL);
    kt_test_seeds(20, ask_in_small_segments, (void *)(uintptr_t)100);
}

TEST(a_client_that_falls_silent_in_its_head_is_told_so_and_left)
{
    const kt_test_network_options options = {.latency = KT_MS(10)};
    char answer[1000];
    site s;
    kt_test_network *n = kt_test_network_open(&options);
    kt_test_network_use(n);
    site_open(&s, NULL, mirror, NULL);
    kt_stream *c = dial(&s);
    kt_time start = kt_now();
    say(c, "GET / HTT");
    ssize_t size = kt_stream_read(c, answer, sizeof answer);
    CHECK_GT(size, 12);
    CHECK_MEM(answer, "HTTP/1.1 408", 12);
    CHECK_GE(kt_now() - start, KT_S(10)); /* head_timeout */
    CHECK_LT(kt_now() - start, KT_S(11));
    kt_stream_close(c);
    site_close(&s);
    kt_test_network_close(n);
}

TEST(a_client_whose_host_dies_is_left_after_a_while)
{
    site s;
    kt_test_network *n = kt_test_network_open(NULL);
    kt_test_network_use(n);
    CHECK_OK(kt_listen("10.0.0.2", 80, NULL, &s.l));
    s = (site){.l = s.l, .handler = mirror};
    site *served = &s;
    CHECK_OK(kt_spawn(site_task, &served, sizeof served, &s.task));
    kt_test_network_be(n, "10.0.0.1");
    kt_auto(kt_stream) *c = NULL;
    CHECK_OK(kt_stream_connect("10.0.0.2", 80, &c));
    say(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123");
    CHECK_OK(kt_sleep(KT_MS(1)));
    kt_test_network_down(n, "10.0.0.1");
    CHECK_EQ(kt_test_network_connections(n), 1);
    kt_stream_close(kt_steal(c));
    CHECK_OK(kt_sleep(KT_S(200))); /* body_timeout, and patience with the answer */
    CHECK_EQ(kt_test_network_connections(n), 0);
    site_close(&s);
    kt_test_network_close(n);
}

TEST(one_address_gets_so_many_connections_and_no_more)
{
    site s;
    const kt_http_options o = {.connections_per_address_max = 2};
    kt_test_network *n = kt_test_network_open(NULL);
    kt_test_network_use(n);
    CHECK_OK(kt_listen("10.0.0.2", 80, NULL, &s.l));
    s = (site){.l = s.l, .o = &o, .handler = mirror};
    site *served = &s;
    CHECK_OK(kt_spawn(site_task, &served, sizeof served, &s.task));
    const char *const hosts[] = {"10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.3"};
    kt_stream *c[4] = {NULL};
    for (int i = 0; i < 4; i++) {
        heard h = {.size = 0};
        kt_test_network_be(n, hosts[i]);
        CHECK_OK(kt_stream_connect("10.0.0.2", 80, &c[i]));
        if (kt_stream_write(c[i], GET, strlen(GET)) == 0)
            hear(c[i], &h, "\r\n\r\n");
        CHECK_EQ(strstr(h.text, " 200 OK") != NULL, i != 2);
    }
    for (int i = 0; i < 4; i++)
        kt_stream_close(c[i]);
    site_close(&s);
    kt_test_network_close(n);
}

static int never_answer(kt_http_exchange *x, void *arg)
{
    (void)x;
    return kt_event_wait(arg);
}

static int reset_soon(void *arg)
{
    int rc = kt_sleep(KT_S(1));
    CHECK_EQ(kt_test_network_reset(arg, "127.0.0.1", NULL), 1);
    return rc;
}

TEST(a_fetch_fails_as_its_connection_does)
{
    site s;
    kt_event never = KT_EVENT_INIT;
    kt_task *t;
    kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
    kt_test_network *n = kt_test_network_open(NULL);
    kt_test_network_use(n);
    site_open(&s, NULL, never_answer, &never);
    kt_test_network_cut(n, "10.0.0.7", NULL);
    kt_http_call call = {.host = "10.0.0.7", .port = 80};
    CHECK_ERR(kt_http_fetch(&call, &reply), -ETIMEDOUT);
    call = (kt_http_call){.host = "localhost", .port = 1};
    CHECK_ERR(kt_http_fetch(&call, &reply), -ECONNREFUSED);
    call.port = kt_listener_port(s.l);
    CHECK_OK(kt_spawn(reset_soon, n, 0, &t));
    CHECK_ERR(kt_http_fetch(&call, &reply), -ECONNRESET);
    CHECK_OK(kt_task_join(t));
    site_close(&s);
    kt_test_network_close(n);
}

static int reads_a_little(kt_http_exchange *x, void *arg)
{
    char byte;
    (void)arg;
    for (int i = 0; i < 3000 && kt_http_method_is(x, "POST"); i++)
        CHECK_EQ(kt_http_read(x, &byte, 1), 1);
    return kt_http_respond(x, 204, NULL, NULL, 0);
}

/* Of which the server has received more than its handler has read. */
TEST(a_connection_goes_on_behind_a_body_when_its_answer_has_said_so)
{
    const kt_test_network_options options = {.segment_max = 16384, .window = 131072};
    static char body[70000];
    char answers[1000] = {0};
    site s;
    kt_test_network *n = kt_test_network_open(&options);
    kt_test_network_use(n);
    site_open(&s, NULL, reads_a_little, NULL);
    kt_stream *c = dial(&s);
    say(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n");
    CHECK_OK(kt_stream_write(c, body, sizeof body));
    say(c, GET_CLOSE);
    size_t size = 0;
    for (ssize_t got; (got = kt_stream_read(c, answers + size, sizeof answers - 1 - size)) > 0; size += (size_t)got)
        continue;
    CHECK_EQ(count_of(answers, "HTTP/1.1 204"), 2);
    CHECK_EQ(count_of(answers, "Connection: close"), 1);
    kt_stream_close(c);
    site_close(&s);
    kt_test_network_close(n);
}
