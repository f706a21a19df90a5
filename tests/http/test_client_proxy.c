/* SPDX-License-Identifier: MIT */
/* The client by way of proxies. */
#include "client_site.h"

static kt_http_session *by_way_of(const char *scheme, uint16_t port, const char *const *direct)
{
    char proxy[100];
    kt_http_session *s = NULL;
    snprintf(proxy, sizeof proxy, "%s://me:secret@127.0.0.1:%u", scheme, port);
    CHECK_OK(kt_http_session_open(&(kt_http_session_options){.proxy = proxy, .no_proxy = direct}, &s));
    return s;
}

#define ASKS_FOR_BASIC "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\n\r\n"
#define BASIC "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"

TEST(a_proxy_is_told_the_whole_url)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{OK(2, "ab")}}};
    parrot_open(&p);
    kt_http_session *s = by_way_of("http", p.port, NULL);
    CHECK_STR(ask(s, "http://far.example:81/a?b"), "200 ab");
    CHECK(strstr(p.heard, "GET http://far.example:81/a?b HTTP/1.1\r\n"));
    CHECK(strstr(p.heard, "Host: far.example:81\r\n"));
    CHECK(!strstr(p.heard, "Authorization")); /* it has not asked */
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(a_proxy_that_asks_is_told_who_it_is_from_then_on)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{ASKS_FOR_BASIC, OK(2, "ab"), OK(2, "cd")}, {OK(2, "ef")}}};
    parrot_open(&p);
    kt_http_session *s = by_way_of("http", p.port, NULL);
    CHECK_STR(ask_with(s, &(kt_http_request){.url = "http://far.example/", .body = "x", .body_size = 1}), "200 ab");
    CHECK_STR(ask(s, "http://far.example/"), "200 cd");
    CHECK_STR(ask(s, "http://other.example/"), "200 ef");
    CHECK_EQ(p.requests, 4);
    CHECK_EQ(count_of(p.heard, BASIC), 3);
    kt_http_session_close(s);
    parrot_close(&p);
}

static ssize_t one_byte(void *buffer, size_t size, void *arg)
{
    int *left = arg;
    (void)size;
    if (*left == 0)
        return 0;
    *(char *)buffer = 'x';
    return (*left)--;
}

TEST(a_body_that_can_be_had_once_waits_for_the_proxy_if_it_is_told_to)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    for (int waits = 0; waits < 2; waits++) {
        parrot p = {.hasty = true, .script = {{ASKS_FOR_BASIC}, {OK(2, "ab")}}};
        int left = 1;
        parrot_open(&p);
        kt_http_session *s = by_way_of("http", p.port, NULL);
        const kt_http_request q = {.url = "http://far.example/", .body_read = one_byte, .body_arg = &left,
                                   .body_size = 1, .body_size_known = true, .expect_continue = waits};
        CHECK_STR(ask_with(s, &q), waits ? "200 ab" : "407 ");
        CHECK_EQ(count_of(p.heard, BASIC), (size_t)waits);
        kt_http_session_close(s);
        parrot_close(&p);
    }
}

TEST(a_proxy_that_refuses_credentials_is_shown_them_once)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{ASKS_FOR_BASIC, ASKS_FOR_BASIC}, {ASKS_FOR_BASIC}, {ASKS_FOR_BASIC}}};
    parrot_open(&p);
    kt_http_session *s = by_way_of("http", p.port, NULL);
    CHECK_STR(ask(s, "http://far.example/"), "407 ");
    CHECK_STR(ask(s, "https://far.example/"), "EACCES");
    CHECK_EQ(p.requests, 4);
    CHECK_EQ(count_of(p.heard, BASIC), 2);
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(an_upgrade_goes_through_a_tunnel)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{ASKS_FOR_BASIC}, {"HTTP/1.1 200 Connected\r\n\r\n",
                            "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello"}}};
    parrot_open(&p);
    kt_http_session *s = by_way_of("http", p.port, NULL);
    kt_http_request q = {.url = "ws://far.example/a", .upgrade = "x"};
    kt_http_response *r = NULL;
    kt_stream *stream = NULL;
    char text[5];
    CHECK_OK(kt_http_send(s, &q, &r));
    CHECK_EQ(kt_http_response_status(r), 101);
    CHECK_OK(kt_http_response_stream(r, &stream));
    CHECK_OK(kt_stream_read_exactly(stream, text, 5));
    CHECK_MEM(text, "hello", 5);
    CHECK(strstr(p.heard, "CONNECT far.example:80 HTTP/1.1\r\nHost: far.example:80\r\n\r\n"));
    CHECK(strstr(p.heard, "CONNECT far.example:80 HTTP/1.1\r\nHost: far.example:80\r\n" BASIC "\r\n"));
    CHECK(strstr(p.heard, "GET /a HTTP/1.1\r\n"));
    CHECK_EQ(count_of(p.heard, BASIC), 1); /* the server hears nothing of it */
    kt_http_response_close(r);
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(http_2_in_the_clear_goes_through_a_tunnel)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{"HTTP/1.1 200 Connected\r\n\r\n"}}};
    parrot_open(&p);
    char proxy[64];
    kt_http_session *s = NULL;
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", p.port);
    CHECK_OK(kt_http_session_open(&(kt_http_session_options){.proxy = proxy, .version = KT_HTTP_2}, &s));
    CHECK_STR(ask(s, "http://far.example/"), "KT_EINCOMPLETE");
    CHECK_STR(p.heard, "CONNECT far.example:80 HTTP/1.1\r\nHost: far.example:80\r\n\r\nPRI * HTTP/2.0\r\n\r\n");
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(a_tunnel_may_be_refused)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n"}, {"HTTP/1.1 502 No\r\n\r\n"}, {"~"}}};
    parrot_open(&p);
    kt_http_session *s = by_way_of("http", p.port, NULL);
    CHECK_STR(ask(s, "https://far.example/"), "EACCES");
    CHECK_STR(ask(s, "https://far.example/"), "ECONNREFUSED");
    CHECK_STR(kt_error_detail(), "the proxy answered 502");
    CHECK_STR(ask(s, "https://far.example/"), "KT_EINCOMPLETE");
    CHECK_EQ(facts_of(s).connections, 0);
    kt_http_session_close(s);
    parrot_close(&p);
}

#define EARLY "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
#define EARLY_4 EARLY EARLY EARLY EARLY
#define EARLY_16 EARLY_4 EARLY_4 EARLY_4 EARLY_4

/* Asks for what needs a tunnel, which a proxy answers like that; the network delivers so many bytes at a time. */
static void check_tunnel(size_t segment_max, const char *answer, const char *result)
{
    kt_auto(net) n = net_open((kt_test_network_options){.segment_max = segment_max});
    (void)n;
    parrot p = {.script = {{answer, "~HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello"}}};
    parrot_open(&p);
    kt_http_session *s = by_way_of("http", p.port, NULL);
    const kt_http_request q = {.url = "ws://far.example/a", .upgrade = "x"};
    kt_http_response *r = NULL;
    int rc = kt_http_send(s, &q, &r);
    CHECK_STR(rc < 0 ? kt_error_name(rc) : kt_http_response_status(r) == 101 ? "101" : "another", result);
    CHECK_EQ(p.requests, rc < 0 ? 1 : 2);
    kt_http_response_close(r);
    CHECK_EQ(facts_of(s).connections, 0);
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(interim_answers_of_a_proxy_are_skipped)
{
    for (size_t bytes = 0; bytes <= 1; bytes++) {
        check_tunnel(bytes, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Connected\r\n\r\n", "101");
        check_tunnel(bytes, EARLY "HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 502 No\r\n\r\n", "ECONNREFUSED");
        check_tunnel(bytes, EARLY "HTTP/1.1 407 Who\r\n\r\n", "EACCES");
        check_tunnel(bytes, "~" EARLY, "KT_EINCOMPLETE");
        check_tunnel(bytes, EARLY_16 "HTTP/1.1 200 Connected\r\n\r\n", "101");
    }
}

TEST(interim_answers_of_a_proxy_have_an_end)
{
    for (size_t bytes = 0; bytes <= 1; bytes++)
        check_tunnel(bytes, EARLY_16 EARLY "HTTP/1.1 200 Connected\r\n\r\n", "KT_ELIMIT");
}

TEST(a_proxy_may_not_switch_protocols)
{
    for (size_t bytes = 0; bytes <= 1; bytes++)
        check_tunnel(bytes, "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "KT_EPROTOCOL");
}

KT_FN(says_early, a, struct { kt_listener *l; })
{
    kt_auto(kt_stream) *s = NULL;
    kt_slice head, end = {"\r\n\r\n", 4};
    CHECK_OK(kt_listener_accept(a->l, &s));
    CHECK_EQ(kt_stream_read_until(s, end, 4096, &head), 1);
    int rc = 0;
    while (rc == 0) {
        rc = kt_stream_write(s, EARLY, sizeof EARLY - 1);
        rc = rc == 0 ? kt_sleep(KT_S(4)) : rc;
    }
    return rc;
}

TEST(interim_answers_of_a_proxy_buy_it_no_time)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    kt_listener *l = NULL;
    kt_task *t = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_spawn(KT_WITH(says_early, .l = l), &t));
    kt_http_session *s = by_way_of("http", kt_listener_port(l), NULL);
    kt_time start = kt_now();
    CHECK_STR(ask(s, "https://far.example/"), "ETIMEDOUT");
    CHECK_GE(kt_now() - start, KT_S(10));
    CHECK_LT(kt_now() - start, KT_S(11));
    kt_http_session_close(s);
    kt_task_cancel(t);
    (void)!kt_task_join(t);
    kt_listener_close(l);
}

typedef struct socks {
    kt_listener *l;
    unsigned char reply;
} socks;

static int socks_serves(void *arg)
{
    const socks *k = arg;
    kt_auto(kt_stream) *s = NULL;
    unsigned char in[64];
    kt_slice head, end = {"\r\n\r\n", 4};
    CHECK_OK(kt_listener_accept(k->l, &s));
    CHECK_OK(kt_stream_read_exactly(s, in, 4));
    CHECK_MEM(in, "\5\2\0\2", 4);
    CHECK_OK(kt_stream_write(s, "\5\2", 2));
    CHECK_OK(kt_stream_read_exactly(s, in, 11));
    CHECK_MEM(in, "\1\2me\6secret", 11);
    CHECK_OK(kt_stream_write(s, "\1\0", 2));
    CHECK_OK(kt_stream_read_exactly(s, in, 18));
    CHECK_MEM(in, "\5\1\0\3\13far.example\0\121", 18);
    const unsigned char reply[] = {5, k->reply, 0, 1, 0, 0, 0, 0, 0, 0};
    CHECK_OK(kt_stream_write(s, reply, sizeof reply));
    if (k->reply)
        return 0;
    CHECK_EQ(kt_stream_read_until(s, end, 4096, &head), 1);
    return kt_stream_write(s, OK(2, "ab"), strlen(OK(2, "ab")));
}

TEST(a_socks_proxy_looks_names_up)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    for (unsigned char reply = 0; reply < 10; reply += 5) {
        socks k = {.reply = reply};
        kt_task *t = NULL;
        CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &k.l));
        CHECK_OK(kt_spawn(socks_serves, &k, 0, &t));
        kt_http_session *s = by_way_of("socks5", kt_listener_port(k.l), NULL);
        CHECK_STR(ask(s, "http://far.example:81/"), reply ? "ECONNREFUSED" : "200 ab");
        if (reply)
            CHECK_STR(kt_error_detail(), "SOCKS5: connection refused");
        kt_http_session_close(s);
        CHECK_OK(kt_task_join(t));
        kt_listener_close(k.l);
    }
}

TEST(some_hosts_are_reached_directly)
{
    static const char *const direct[] = {"near.example", ".below.example", "127.0.0.0/8", NULL};
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{OK(5, "proxy")}, {OK(5, "proxy")}}}, near = {.script = {{OK(4, "near")}}};
    char url[64];
    parrot_open(&p);
    parrot_open(&near);
    kt_http_session *s = by_way_of("http", p.port, direct);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", near.port);
    CHECK_STR(ask(s, url), "200 near");
    CHECK_STR(ask(s, "http://below.example/"), "200 proxy");
    CHECK_STR(ask(s, "http://farnear.example/"), "200 proxy");
    kt_http_session_close(s);
    parrot_close(&near);
    parrot_close(&p);
}

TEST(proxies_that_make_no_sense_are_refused)
{
    kt_http_session *s = NULL;
    CHECK_ERR(kt_http_session_open(&(kt_http_session_options){.proxy = "wss://a"}, &s), -EINVAL);
    CHECK_ERR(kt_http_session_open(&(kt_http_session_options){.proxy = "http://a", .guard = true}, &s), -EINVAL);
    CHECK_ERR(kt_http_session_open(&(kt_http_session_options){.environment = true, .guard = true}, &s), -EINVAL);
    CHECK(!s);
}
