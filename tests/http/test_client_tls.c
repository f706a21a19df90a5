/* SPDX-License-Identifier: MIT */
/* The client over TLS, against our own server. */
#include "client_site.h"

#include <kettle/tls.h>

#include "../tls/certificates.h"
#include "tls/tls.h"

typedef struct house {
    kt_listener *l;
    kt_task *task;
    kt_http_options o;
    kt_tls_config *server, *client;
    kt_http_session *web;
} house;

static int hello_or_echo(kt_http_exchange *x, void *arg)
{
    kt_stream *s = NULL;
    char byte;
    if (kt_slice_is(kt_http_path(x), "/slow") && kt_sleep(KT_S(5)) < 0)
        return KT_ECANCELED;
    if (!kt_http_upgrade_asked(x).data)
        return hello(x, arg);
    int rc = kt_http_upgrade(x, "echo", &s);
    while (rc == 0 && kt_stream_read(s, &byte, 1) > 0)
        rc = kt_stream_write(s, &byte, 1);
    return rc;
}

static int serves(void *arg)
{
    house *h = arg;
    return kt_http_serve(h->l, &h->o, hello_or_echo, NULL);
}

static void house_open(house *h, const char *const *alpn, const made *trusted, kt_http_session_options o)
{
    char base[64];
    const kt_tls_certificate certificate = {.chain_pem = kt_slice_from(good()->certificate),
                                            .key_pem = kt_slice_from(good()->key)};
    const kt_tls_server_options server = {.certificates = &certificate, .certificate_count = 1, .alpn = alpn};
    const kt_tls_client_options client = {.ca_pem = kt_slice_from(trusted->certificate), .no_system_trust = true};
    CHECK_OK(kt_tls_server_new(&server, &h->server));
    CHECK_OK(kt_tls_client_new(&client, &h->client));
    h->o = (kt_http_options){.tls = h->server};
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &h->l));
    CHECK_OK(kt_spawn(serves, h, 0, &h->task));
    snprintf(base, sizeof base, "https://127.0.0.1:%u/", kt_listener_port(h->l));
    o.base_url = base;
    o.tls = h->client;
    CHECK_OK(kt_http_session_open(&o, &h->web));
}

static void house_close(house *h)
{
    kt_http_session_close(h->web);
    kt_task_cancel(h->task);
    CHECK_ERR(kt_task_join(h->task), KT_ECANCELED);
    kt_listener_close(h->l);
    kt_tls_config_free(h->client);
    kt_tls_config_free(h->server);
}

static int version_of(kt_http_session *s)
{
    kt_http_response *r = NULL;
    kt_slice body;
    CHECK_OK(kt_http_get(s, "/", &r));
    CHECK_OK(kt_http_response_read_all(r, 100, &body));
    CHECK_SLICE(body, "hello\n");
    int version = kt_http_response_version(r);
    kt_http_response_close(r);
    return version;
}

TEST_WITH(the_version_is_agreed_on_in_the_handshake, KT_TEST_REAL_TIME)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    house h;
    house_open(&h, both, authority(), (kt_http_session_options){0});
    CHECK_EQ(version_of(h.web), 20);
    CHECK_EQ(version_of(h.web), 20);
    CHECK_EQ(facts_of(h.web).opened, 1);
    house_close(&h);
    house_open(&h, both, authority(), (kt_http_session_options){.version = KT_HTTP_1});
    CHECK_EQ(version_of(h.web), 11);
    CHECK_EQ(version_of(h.web), 11);
    CHECK_EQ(facts_of(h.web).opened, 1);
    house_close(&h);
    house_open(&h, NULL, authority(), (kt_http_session_options){0});
    CHECK_EQ(version_of(h.web), 11);
    house_close(&h);
}

static void allow_only(const char *suites, kt_tls_config *c)
{
    CHECK(SSL_CTX_set_cipher_list(c->set->contexts[0], suites));
    CHECK(SSL_CTX_set_max_proto_version(c->set->contexts[0], TLS1_2_VERSION));
}

TEST_WITH(a_weak_cipher_suite_leads_to_http_1, KT_TEST_REAL_TIME)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    for (int weak = 0; weak < 2; weak++) {
        house h;
        house_open(&h, both, authority(), (kt_http_session_options){0});
        allow_only(weak ? "ECDHE-ECDSA-AES128-SHA256" : "ECDHE-ECDSA-AES128-GCM-SHA256", h.server);
        CHECK_EQ(version_of(h.web), weak ? 11 : 20);
        house_close(&h);
    }
}

static int insists(SSL *ssl, const unsigned char **out, unsigned char *size, const unsigned char *offered,
                   unsigned offered_size, void *arg)
{
    (void)ssl, (void)offered, (void)offered_size, (void)arg;
    *out = (const unsigned char *)"h2";
    *size = 2;
    return SSL_TLSEXT_ERR_OK;
}

typedef struct stubborn {
    kt_listener *l;
    kt_tls_config *tls;
} stubborn;

static int hears_why(void *arg)
{
    const stubborn *d = arg;
    kt_auto(kt_stream) *s = NULL;
    char in[50] = "";
    CHECK_OK(kt_listener_accept(d->l, &s));
    CHECK_OK(kt_stream_start_tls(s, d->tls, NULL));
    CHECK_OK(kt_stream_read_exactly(s, in, sizeof in));
    CHECK_MEM(in, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    CHECK_MEM(in + 24, "\0\0\0\4\0\0\0\0\0", 9);
    CHECK_MEM(in + 33, "\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\14", 17);
    return 0;
}

TEST_WITH(a_server_that_speaks_http_2_with_a_weak_suite_is_told, KT_TEST_REAL_TIME)
{
    char base[64];
    kt_task *task;
    kt_http_response *r = NULL;
    house h;
    stubborn d;
    house_open(&h, NULL, authority(), (kt_http_session_options){0});
    d.tls = h.server;
    allow_only("ECDHE-ECDSA-AES128-SHA256", d.tls);
    SSL_CTX_set_alpn_select_cb(d.tls->set->contexts[0], insists, NULL);
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &d.l));
    CHECK_OK(kt_spawn(hears_why, &d, 0, &task));
    snprintf(base, sizeof base, "https://127.0.0.1:%u/", kt_listener_port(d.l));
    CHECK_ERR(kt_http_get(h.web, base, &r), KT_EPROTOCOL);
    CHECK(strstr(kt_error_detail(), "ECDHE-ECDSA-AES128-SHA256"));
    CHECK_OK(kt_task_join(task));
    kt_listener_close(d.l);
    house_close(&h);
}

KT_FN(asks_once, a, struct { kt_http_session *s; })
{
    CHECK_EQ(version_of(a->s), 20);
    return 0;
}

TEST_WITH(while_the_version_is_not_known_one_connection_finds_out, KT_TEST_REAL_TIME)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    house h;
    house_open(&h, both, authority(), (kt_http_session_options){0});
    {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        for (int i = 0; i < 20; i++)
            CHECK_OK(kt_group_spawn(&g, KT_WITH(asks_once, .s = h.web)));
        CHECK_OK(kt_group_join(&g, 0));
    }
    CHECK_EQ(facts_of(h.web).opened, 1);
    house_close(&h);
}

TEST_WITH(a_connection_that_was_upgraded_holds_nobody_up, KT_TEST_REAL_TIME)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    const kt_http_request q = {.url = "/", .upgrade = "echo"};
    kt_http_response *r = NULL;
    house h;
    house_open(&h, both, authority(), (kt_http_session_options){0});
    CHECK_OK(kt_http_send(h.web, &q, &r));
    CHECK_EQ(kt_http_response_status(r), 101);
    CHECK_EQ(version_of(h.web), 20);
    kt_http_response_close(r);
    house_close(&h);
}

TEST(a_crowd_at_a_server_of_http_1_connects_at_once)
{
    house h;
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){.latency = KT_MS(100)});
    (void)n;
    house_open(&h, NULL, authority(), (kt_http_session_options){0});
    kt_time start = kt_now();
    crowd_asks(h.web, 6, "/slow", "200 hello\n");
    CHECK_LT(kt_now() - start, KT_MS(6500)); /* the first connects in half a second, and then the others */
    house_close(&h);
}

/* ---- A house whose servers do not agree --------------------------------------------------------------- */

typedef struct discord {
    kt_listener *l;
    kt_tls_config *configs[2];
    kt_event answered;
    char heard[24];
} discord;

/* The first connection fails. While the third one is being shaken, the second one turns out to be of HTTP/1.1. */
KT_FN(disagrees, a, struct { discord *d; int number; kt_stream *s; })
{
    discord *d = a->d;
    kt_slice head, end = {"\r\n\r\n", 4};
    kt_auto(kt_stream) *s = a->s;
    if (a->number == 0)
        return 0;
    if (a->number == 2)
        CHECK_OK(kt_event_wait(&d->answered));
    CHECK_OK(kt_stream_start_tls(s, d->configs[a->number - 1], NULL));
    if (a->number == 2) {
        CHECK_OK(kt_stream_read_exactly(s, d->heard, sizeof d->heard));
        return 0;
    }
    CHECK_EQ(kt_stream_read_until(s, end, 4096, &head), 1);
    CHECK_OK(kt_stream_write(s, OK(2, "ab"), strlen(OK(2, "ab"))));
    CHECK_EQ(kt_stream_read_until(s, end, 4096, &head), 0);
    return 0;
}

static int house_of_discord(void *arg)
{
    discord *d = arg;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++) {
        kt_stream *s = NULL;
        rc = kt_listener_accept(d->l, &s);
        if (rc == 0)
            rc = kt_group_spawn(&g, KT_WITH(disagrees, .d = d, .number = i, .s = s));
    }
    return kt_group_join(&g, rc);
}

KT_FN(asks_and_tells, a, struct { kt_http_session *s; kt_event *answered; })
{
    const char *answer = ask(a->s, "/");
    if (strcmp(answer, "200 ab") == 0)
        kt_event_set(a->answered);
    return 0;
}

TEST(what_was_agreed_on_in_a_handshake_is_spoken)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    const kt_tls_certificate certificate = {.chain_pem = kt_slice_from(good()->certificate),
                                            .key_pem = kt_slice_from(good()->key)};
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    discord d = {.answered = KT_EVENT_INIT};
    kt_task *t = NULL;
    char base[64];
    kt_tls_config *trust = NULL;
    const kt_tls_client_options client = {.ca_pem = kt_slice_from(authority()->certificate), .no_system_trust = true};
    CHECK_OK(kt_tls_client_new(&client, &trust));
    for (int i = 0; i < 2; i++) {
        const kt_tls_server_options o = {.certificates = &certificate, .certificate_count = 1, .alpn = both + !i};
        CHECK_OK(kt_tls_server_new(&o, &d.configs[i]));
    }
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &d.l));
    CHECK_OK(kt_spawn(house_of_discord, &d, 0, &t));
    snprintf(base, sizeof base, "https://127.0.0.1:%u/", kt_listener_port(d.l));
    const kt_http_session_options o = {.base_url = base, .tls = trust};
    kt_http_session *s = NULL;
    CHECK_OK(kt_http_session_open(&o, &s));
    CHECK_NE(ask(s, "/")[0], '2');
    {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        for (int i = 0; i < 2; i++)
            CHECK_OK(kt_group_spawn(&g, KT_WITH(asks_and_tells, .s = s, .answered = &d.answered)));
        CHECK_OK(kt_group_join(&g, 0));
    }
    CHECK_MEM(d.heard, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    kt_http_session_close(s);
    CHECK_OK(kt_task_join(t));
    kt_listener_close(d.l);
    kt_tls_config_free(trust);
    kt_tls_config_free(d.configs[0]);
    kt_tls_config_free(d.configs[1]);
}

TEST_WITH(an_upgrade_shares_a_connection_whose_server_says_that_it_may, KT_TEST_REAL_TIME)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    const kt_http_request q = {.url = "/", .upgrade = "echo"};
    kt_http_response *r = NULL;
    kt_stream *s = NULL;
    char byte = 'a';
    house h;
    house_open(&h, both, authority(), (kt_http_session_options){0});
    CHECK_EQ(version_of(h.web), 20);
    CHECK_OK(kt_http_send(h.web, &q, &r));
    CHECK_EQ(kt_http_response_status(r), 200);
    CHECK_EQ(kt_http_response_version(r), 20);
    CHECK_ERR((int)kt_http_response_read(r, &byte, 1), KT_EINVALIDSTATE);
    CHECK_OK(kt_http_response_stream(r, &s));
    for (byte = 'a'; byte < 'e'; byte++) {
        char back;
        CHECK_OK(kt_stream_write(s, &byte, 1));
        CHECK_EQ(kt_stream_read(s, &back, 1), 1);
        CHECK(back == byte);
    }
    kt_http_response_close(r);
    CHECK_EQ(facts_of(h.web).opened, 1);
    house_close(&h);
}

TEST_WITH(who_is_not_trusted_is_not_asked, KT_TEST_REAL_TIME)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    made stranger;
    house h;
    make(&(wanted){.name = "stranger", .authority = true}, &stranger);
    house_open(&h, both, &stranger, (kt_http_session_options){0});
    CHECK_STR(ask(h.web, "/"), "KT_ECERTIFICATE");
    CHECK_EQ(facts_of(h.web).connections, 0);
    house_close(&h);
}

/* ---- By way of proxies ------------------------------------------------------------------------------ */

/* A proxy that makes one tunnel, to the server of the test whatever it is asked for, and says how often. */
typedef struct tunnel {
    kt_listener *l;
    uint16_t to;
    bool socks;
    const kt_tls_config *tls; /* with the proxy; NULL: none */
    int made;
    char asked[200];
} tunnel;

KT_FN(pumps, a, struct { kt_stream *from, *to; })
{
    char piece[4096];
    ssize_t n;
    int rc = 0;
    while (rc == 0 && (n = kt_stream_read(a->from, piece, sizeof piece)) > 0)
        rc = kt_stream_write(a->to, piece, (size_t)n);
    return rc < 0 ? rc : kt_stream_shutdown_write(a->to);
}

static void hear_connect(tunnel *t, kt_stream *s)
{
    kt_slice head, end = {"\r\n\r\n", 4};
    CHECK_EQ(kt_stream_read_until(s, end, 4096, &head), 1);
    snprintf(t->asked, sizeof t->asked, "%.*s", (int)head.size, head.data);
    CHECK_OK(kt_stream_write(s, "HTTP/1.1 200 Connected\r\n\r\n", 26));
}

static void hear_socks(tunnel *t, kt_stream *s)
{
    unsigned char in[64];
    CHECK_OK(kt_stream_read_exactly(s, in, 3));
    CHECK_MEM(in, "\5\1\0", 3);
    CHECK_OK(kt_stream_write(s, "\5\0", 2));
    CHECK_OK(kt_stream_read_exactly(s, in, 4));
    size_t rest = 6; /* an IPv4 address, or a name */
    if (in[3] == 3) {
        CHECK_OK(kt_stream_read_exactly(s, in, 1));
        rest = in[0] + (size_t)2;
    }
    CHECK_OK(kt_stream_read_exactly(s, in, rest));
    snprintf(t->asked, sizeof t->asked, "%d", in[rest - 2] << 8 | in[rest - 1]);
    CHECK_OK(kt_stream_write(s, "\5\0\0\1\0\0\0\0\0\0", 10));
}

static int digs(void *arg)
{
    tunnel *t = arg;
    for (;;) {
        kt_auto(kt_stream) *near = NULL, *far = NULL;
        int rc = kt_listener_accept(t->l, &near);
        if (rc < 0)
            return rc;
        if (t->tls)
            CHECK_OK(kt_stream_start_tls(near, t->tls, NULL));
        if (t->socks)
            hear_socks(t, near);
        else
            hear_connect(t, near);
        t->made++;
        CHECK_OK(kt_stream_connect("127.0.0.1", t->to, &far));
        kt_auto(kt_group) g = KT_GROUP_INIT;
        CHECK_OK(kt_group_spawn(&g, KT_WITH(pumps, .from = near, .to = far)));
        CHECK_OK(kt_group_spawn(&g, KT_WITH(pumps, .from = far, .to = near)));
        rc = kt_group_join(&g, 0);
        if (kt_is_cancel(rc))
            return rc;
    }
}

/* Of a proxy, with a certificate of an authority's. */
static kt_tls_config *config_of(const made *issuer)
{
    made own;
    kt_tls_config *config = NULL;
    make(&(wanted){.alternatives = "IP:127.0.0.1", .issuer = issuer}, &own);
    const kt_tls_certificate certificate = {.chain_pem = certificate_of(&own), .key_pem = key_of(&own)};
    const kt_tls_server_options o = {.certificates = &certificate, .certificate_count = 1};
    CHECK_OK(kt_tls_server_new(&o, &config));
    return config;
}

/* TLS is with the server behind the proxy, and its certificate counts. */
static void check_tunnel(const char *scheme, const char *const *alpn, const made *trusted, int version)
{
    house h;
    bool socks = strcmp(scheme, "socks5") == 0;
    kt_tls_config *tls = strcmp(scheme, "https") == 0 ? config_of(trusted) : NULL;
    tunnel t = {.socks = socks, .tls = tls};
    kt_task *task = NULL;
    char proxy[64];
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &t.l));
    CHECK_OK(kt_spawn(digs, &t, 0, &task));
    snprintf(proxy, sizeof proxy, "%s://127.0.0.1:%u", scheme, kt_listener_port(t.l));
    house_open(&h, alpn, trusted, (kt_http_session_options){.proxy = proxy});
    t.to = kt_listener_port(h.l);
    if (version > 0) {
        CHECK_EQ(version_of(h.web), version);
        CHECK_EQ(version_of(h.web), version); /* by the same tunnel */
    } else {
        kt_http_response *r = NULL;
        CHECK_ERR(kt_http_get(h.web, "/", &r), KT_ECERTIFICATE);
    }
    CHECK_EQ(t.made, 1);
    char expected[100];
    snprintf(expected, sizeof expected, socks ? "%u" : "CONNECT 127.0.0.1:%u HTTP/1.1\r\n", t.to);
    CHECK_EQ(strncmp(t.asked, expected, strlen(expected)), 0);
    house_close(&h);
    kt_task_cancel(task);
    CHECK_ERR(kt_task_join(task), KT_ECANCELED);
    kt_listener_close(t.l);
    kt_tls_config_free(tls);
}

TEST_WITH(https_goes_through_a_tunnel_of_a_proxy, KT_TEST_REAL_TIME)
{
    static const char *const both[] = {"h2", "http/1.1", NULL}, *const old[] = {"http/1.1", NULL};
    static const char *const schemes[] = {"http", "https", "socks5"};
    for (size_t i = 0; i < 3; i++) {
        check_tunnel(schemes[i], both, authority(), 20);
        check_tunnel(schemes[i], old, authority(), 11);
    }
}

TEST(tls_goes_within_tls_however_the_network_cuts_it)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    sim_only();
    for (size_t bytes = 0; bytes <= 1; bytes++) {
        kt_auto(net) n = net_open((kt_test_network_options){.segment_max = bytes, .latency = KT_MS(10)});
        (void)n;
        check_tunnel("https", both, authority(), 20);
        check_tunnel("https", both + 1, authority(), 11);
    }
}

TEST_WITH(a_proxy_cannot_take_the_servers_place, KT_TEST_REAL_TIME)
{
    static const char *const old[] = {"http/1.1", NULL};
    made stranger;
    make(&(wanted){.name = "stranger", .authority = true}, &stranger);
    check_tunnel("http", old, &stranger, 0);
    check_tunnel("https", old, &stranger, 0);
    check_tunnel("socks5", old, &stranger, 0);
}
