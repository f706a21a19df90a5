/* SPDX-License-Identifier: MIT */
/* The client by way of proxies that it speaks TLS with. What is said within, see test_client_proxy.c; tunnels to
 * servers that have TLS as well, test_client_tls.c. */
#include "client_site.h"

#include "../tls/certificates.h"

/* A proxy with a certificate, and a session by way of it. */
typedef struct gate {
    parrot p;
    kt_tls_config *server, *client;
    kt_http_session *web;
} gate;

static void certify(gate *g, const made *m, const made *trusted)
{
    const kt_tls_certificate certificate = {.chain_pem = certificate_of(m), .key_pem = key_of(m)};
    const kt_tls_server_options server = {.certificates = &certificate, .certificate_count = 1};
    const kt_tls_client_options client = {.ca_pem = certificate_of(trusted), .no_system_trust = true};
    CHECK_OK(kt_tls_server_new(&server, &g->server));
    CHECK_OK(kt_tls_client_new(&client, &g->client));
    g->p.tls = g->server;
}

static void gate_open(gate *g, kt_http_session_options o)
{
    char proxy[100];
    if (!g->server)
        certify(g, good(), authority());
    parrot_open(&g->p);
    snprintf(proxy, sizeof proxy, "https://me:secret@127.0.0.1:%u", g->p.port);
    o.proxy = proxy;
    o.tls = g->client;
    CHECK_OK(kt_http_session_open(&o, &g->web));
}

static void gate_close(gate *g)
{
    kt_http_session_close(g->web);
    parrot_close(&g->p);
    kt_tls_config_free(g->server);
    kt_tls_config_free(g->client);
}

#define CONNECTED "HTTP/1.1 200 Connected\r\n\r\n"
#define SWITCHED "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello"
#define ASKS_FOR_BASIC "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\n\r\n"
#define BASIC "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"

TEST(a_proxy_over_tls_is_told_the_whole_url)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    gate g = {.p.script = {{ASKS_FOR_BASIC, OK(2, "ab"), OK(2, "cd")}, {OK(2, "ef")}}};
    gate_open(&g, (kt_http_session_options){0});
    CHECK_STR(ask(g.web, "http://far.example:81/a?b"), "200 ab");
    CHECK_STR(ask(g.web, "http://far.example:81/c"), "200 cd");
    CHECK_STR(ask(g.web, "http://other.example/"), "200 ef");
    CHECK_EQ(g.p.connections, 2); /* one for each server, as with any proxy */
    CHECK(strstr(g.p.heard, "GET http://far.example:81/a?b HTTP/1.1\r\n"));
    CHECK_EQ(count_of(g.p.heard, BASIC), 3);
    gate_close(&g);
}

TEST(a_tunnel_of_a_proxy_over_tls_carries_another_protocol)
{
    for (size_t bytes = 0; bytes <= 1; bytes++) {
        kt_auto(net) n = net_open((kt_test_network_options){.segment_max = bytes});
        (void)n;
        gate g = {.p.script = {{ASKS_FOR_BASIC}, {CONNECTED, SWITCHED}}};
        const kt_http_request q = {.url = "ws://far.example/a", .upgrade = "x"};
        kt_http_response *r = NULL;
        kt_stream *stream = NULL;
        char text[5];
        gate_open(&g, (kt_http_session_options){0});
        CHECK_OK(kt_http_send(g.web, &q, &r));
        CHECK_EQ(kt_http_response_status(r), 101);
        CHECK_OK(kt_http_response_stream(r, &stream));
        CHECK_OK(kt_stream_read_exactly(stream, text, 5));
        CHECK_MEM(text, "hello", 5);
        CHECK_EQ(count_of(g.p.heard, "CONNECT far.example:80 HTTP/1.1\r\n"), 2);
        CHECK_EQ(count_of(g.p.heard, BASIC), 1);
        kt_http_response_close(r);
        gate_close(&g);
    }
}

/* That the stream has TLS says nothing of the server. */
TEST(http_2_in_the_clear_goes_through_a_tunnel_of_a_proxy_over_tls)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    gate g = {.p.script = {{CONNECTED}}};
    gate_open(&g, (kt_http_session_options){.version = KT_HTTP_2});
    CHECK_STR(ask(g.web, "http://far.example/"), "KT_EINCOMPLETE");
    CHECK_STR(g.p.heard, "CONNECT far.example:80 HTTP/1.1\r\nHost: far.example:80\r\n\r\nPRI * HTTP/2.0\r\n\r\n");
    gate_close(&g);
}

static void check_refused(const made *m, const made *trusted)
{
    gate g = {.p.script = {{OK(2, "ab")}}};
    certify(&g, m, trusted);
    gate_open(&g, (kt_http_session_options){0});
    CHECK_STR(ask(g.web, "http://far.example/"), "KT_ECERTIFICATE");
    CHECK(strncmp(kt_error_detail(), "the proxy: ", 11) == 0);
    CHECK_STR(ask(g.web, "https://far.example/"), "KT_ECERTIFICATE");
    CHECK_EQ(g.p.requests, 0);
    CHECK_EQ(facts_of(g.web).connections, 0);
    gate_close(&g);
}

TEST(a_proxy_must_be_who_it_is_taken_for)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    made stranger, other;
    make(&(wanted){.name = "stranger", .authority = true}, &stranger);
    make(&(wanted){.name = "far.example", .issuer = authority()}, &other);
    check_refused(good(), &stranger);
    check_refused(&other, authority());
}

TEST(a_proxy_that_speaks_no_tls_is_no_proxy_over_tls)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    gate g = {.p = {.at_once = "HTTP/1.1 400 Bad\r\n\r\n"}};
    certify(&g, good(), authority());
    g.p.tls = NULL;
    gate_open(&g, (kt_http_session_options){0});
    CHECK_STR(ask(g.web, "http://far.example/"), "KT_ETLS");
    gate_close(&g);
}

KT_FN(says_nothing, a, struct { kt_listener *l; })
{
    kt_auto(kt_stream) *s = NULL;
    char bytes[1000];
    CHECK_OK(kt_listener_accept(a->l, &s));
    while (kt_stream_read(s, bytes, sizeof bytes) > 0)
        ;
    return 0;
}

TEST(tls_with_a_proxy_is_part_of_the_connect)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    gate g = {.server = NULL};
    kt_listener *l = NULL;
    kt_task *t = NULL;
    char proxy[64];
    certify(&g, good(), authority());
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_spawn(KT_WITH(says_nothing, .l = l), &t));
    snprintf(proxy, sizeof proxy, "https://127.0.0.1:%u", kt_listener_port(l));
    const kt_http_session_options o = {.proxy = proxy, .tls = g.client, .timeouts.connect = KT_S(3)};
    CHECK_OK(kt_http_session_open(&o, &g.web));
    kt_time start = kt_now();
    CHECK_STR(ask(g.web, "http://far.example/"), "ETIMEDOUT");
    CHECK_GE(kt_now() - start, KT_S(3));
    CHECK_LT(kt_now() - start, KT_S(4));
    CHECK_OK(kt_task_join(t));
    kt_http_session_close(g.web);
    kt_listener_close(l);
    kt_tls_config_free(g.server);
    kt_tls_config_free(g.client);
}

/* The environment may name such proxies, and their port is that of https. */
TEST(the_environment_may_name_a_proxy_over_tls)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    gate g = {.p.script = {{OK(2, "ab")}, {"~" CONNECTED}}};
    certify(&g, good(), authority());
    CHECK_OK(kt_listen("127.0.0.1", 443, NULL, &g.p.l));
    CHECK_OK(kt_spawn(KT_WITH(parrot__serves, .p = &g.p), &g.p.task));
    setenv("http_proxy", "https://127.0.0.1", 1);
    setenv("https_proxy", "HTTPS://127.0.0.1:443/", 1);
    const kt_http_session_options o = {.environment = true, .tls = g.client};
    CHECK_OK(kt_http_session_open(&o, &g.web));
    CHECK_STR(ask(g.web, "http://far.example/"), "200 ab");
    CHECK_STR(ask(g.web, "https://far.example/"), "KT_ETRUNCATED");
    CHECK(strstr(g.p.heard, "CONNECT far.example:443 HTTP/1.1\r\n"));
    gate_close(&g);
    unsetenv("http_proxy");
    unsetenv("https_proxy");
}

KT_FN(asks, a, struct { kt_http_session *s; })
{
    CHECK_STR(ask(a->s, "https://far.example/"), "KT_ECANCELED");
    return 0;
}

TEST(who_is_cancelled_on_the_way_to_a_proxy_leaves_nothing)
{
    sim_only();
    for (kt_time after = 0; after < KT_MS(150); after += KT_MS(5)) {
        kt_auto(net) n = net_open((kt_test_network_options){.latency = KT_MS(10)});
        (void)n;
        gate g = {.p.script = {{CONNECTED}}}; /* and then it hears no end of a head */
        kt_task *t = NULL;
        gate_open(&g, (kt_http_session_options){0});
        CHECK_OK(kt_spawn(KT_WITH(asks, .s = g.web), &t));
        CHECK_OK(kt_sleep(after));
        kt_task_cancel(t);
        (void)!kt_task_join(t);
        CHECK_EQ(facts_of(g.web).connections, 0);
        gate_close(&g);
    }
}

TEST(without_memory_on_the_way_to_a_proxy_nothing_is_left)
{
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        kt_auto(net) n = net_open((kt_test_network_options){0});
        (void)n;
        gate g = {.p.script = {{CONNECTED, "~" OK(2, "ab")}}};
        gate_open(&g, (kt_http_session_options){0});
        kt_test_fail_allocation(nth);
        (void)ask_with(g.web, &(kt_http_request){.url = "ws://far.example/", .upgrade = "x"});
        failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        gate_close(&g);
    }
}
