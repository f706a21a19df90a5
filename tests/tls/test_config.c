/* SPDX-License-Identifier: MIT */
/* What configs say, as it shows in connections. */
#include "tls_pair.h"

/* One more connection by the same configs. */
static tls_pair again(const tls_pair *p, const char *name)
{
    kt_stream *ends[2];
    const kt_tls_options o = {.server_name = name};
    CHECK_OK(kt_stream_memory_pair(0, ends));
    tls_pair q = {p->client_config, p->server_config, ends[0], ends[1]};
    shaken r = shake_as(&q, &o, NULL);
    CHECK_OK(r.client);
    CHECK_OK(r.server);
    return q;
}

static void hang_up(tls_pair *p)
{
    kt_task *t = spawn(close_task, kt_steal(p->server), 0);
    kt_stream_close(kt_steal(p->client));
    CHECK_OK(kt_task_join(t));
}

static kt_tls_info info_of(const kt_stream *s)
{
    kt_tls_info info;
    CHECK_OK(kt_tls_info_get(s, &info));
    return info;
}

static void check_subject(const kt_stream *s, const char *expected)
{
    kt_auto(kt_tls_peer) *peer = NULL;
    CHECK_OK(kt_tls_peer_get(s, &peer));
    CHECK_STR(peer->subject, expected);
    CHECK_EQ(strlen(peer->fingerprint), 64);
}

TEST(a_protocol_is_agreed_on_in_the_servers_order)
{
    static const char *const client[] = {"http/1.1", "h2", NULL}, *const server[] = {"h2", "http/1.1", NULL};
    kt_auto(tls_pair) p = tls_pair_open((kt_tls_client_options){.alpn = client},
                                        (kt_tls_server_options){.alpn = server});
    CHECK_SLICE(info_of(p.client).alpn, "h2");
    CHECK_SLICE(info_of(p.server).alpn, "h2");
    CHECK_STR(info_of(p.server).server_name, "localhost");
}

/* The client's suites, of TLS 1.2 unless NULL. */
static tls_pair pair_by(const char *suites, const char *const *alpn, const made *certificate)
{
    const kt_tls_certificate own = as_certificate(certificate);
    tls_pair p = plain_pair(0, (kt_tls_client_options){.alpn = alpn},
                            (kt_tls_server_options){.alpn = alpn, .certificates = &own, .certificate_count = 1});
    SSL_CTX *context = p.client_config->set->contexts[0];
    CHECK(!suites || (SSL_CTX_set_cipher_list(context, suites) &&
                      SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION)));
    return p;
}

/* RFC 9113 9.2.2 and appendix A. */
TEST(http_2_is_not_agreed_on_with_a_suite_that_is_too_weak_for_it)
{
    static const struct { const char *suite; bool modern; } suites[] = {
        {NULL, true},
        {"ECDHE-RSA-AES128-GCM-SHA256", true},
        {"ECDHE-RSA-CHACHA20-POLY1305", true},
        {"AES128-GCM-SHA256", false},        /* keys that are not ephemeral */
        {"ECDHE-RSA-AES128-SHA256", false},  /* CBC */
        {"AES256-SHA", false},
    };
    static const char *const both[] = {"h2", "http/1.1", NULL};
    made rsa;
    make(&(wanted){.issuer = authority(), .rsa = true}, &rsa);
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        kt_auto(tls_pair) p = pair_by(suites[i].suite, both, &rsa);
        shake_well(&p);
        CHECK_STR(info_of(p.client).cipher, suites[i].suite ? suites[i].suite : "TLS_AES_256_GCM_SHA384");
        CHECK_EQ(info_of(p.client).modern, suites[i].modern);
        CHECK_EQ(info_of(p.server).modern, suites[i].modern);
        CHECK_SLICE(info_of(p.client).alpn, suites[i].modern ? "h2" : "http/1.1");
        say(p.server, "tickets come with the first bytes");
        hear(p.client, "tickets come with the first bytes");
        hang_up(&p);
        tls_pair q = again(&p, "localhost");
        p.client = q.client;
        p.server = q.server;
        CHECK(info_of(q.client).resumed);
        CHECK_SLICE(info_of(q.client).alpn, suites[i].modern ? "h2" : "http/1.1");
    }
}

TEST(a_client_that_offers_http_2_alone_with_a_weak_suite_is_refused)
{
    static const char *const only[] = {"h2", NULL};
    kt_auto(tls_pair) p = pair_by("ECDHE-ECDSA-AES128-SHA256", only, good());
    shaken s = shake(&p);
    CHECK_ERR(s.client, KT_ETLS);
    CHECK(strstr(s.client_words, "no application protocol"));
    CHECK_ERR(s.server, KT_ETLS);
}

TEST(a_connection_may_offer_other_protocols_than_its_config)
{
    static const char *const both[] = {"h2", "http/1.1", NULL}, *const only[] = {"http/1.1", NULL};
    static const char *const wrong[] = {"", NULL};
    kt_tls_options o = {.server_name = "localhost", .alpn = wrong};
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){.alpn = both}, (kt_tls_server_options){.alpn = both});
    CHECK_ERR(kt_stream_start_tls(p.client, p.client_config, &o), -EINVAL);
    o.alpn = only;
    shaken s = shake_as(&p, &o, NULL);
    CHECK_OK(s.client);
    CHECK_SLICE(info_of(p.client).alpn, "http/1.1");
}

TEST(a_session_is_resumed_unless_forbidden)
{
    for (int forbidden = 0; forbidden < 2; forbidden++) {
        kt_auto(tls_pair) p = tls_pair_open((kt_tls_client_options){.no_resumption = forbidden == 1},
                                            (kt_tls_server_options){0});
        say(p.server, "tickets come with the first bytes");
        hear(p.client, "tickets come with the first bytes");
        hang_up(&p);
        tls_pair q = again(&p, "localhost");
        CHECK_EQ(info_of(q.client).resumed, !forbidden);
        CHECK_EQ(info_of(q.server).resumed, !forbidden);
        p.client = q.client;
        p.server = q.server;
    }
}

/* One without tickets would have the server remember. */
TEST(a_server_keeps_nothing_of_its_clients)
{
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    SSL_CTX *context = p.client_config->set->contexts[0];
    CHECK(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION));
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    shake_well(&p);
    CHECK_EQ(SSL_CTX_sess_number(p.server_config->set->contexts[0]), 0);
}

TEST(the_name_chooses_among_certificates)
{
    static made other;
    make(&(wanted){.name = "example.org", .issuer = authority()}, &other);
    const kt_tls_certificate both[] = {as_certificate(good()), as_certificate(&other)};
    kt_auto(tls_pair) p = tls_pair_open((kt_tls_client_options){0},
                                        (kt_tls_server_options){.certificates = both, .certificate_count = 2});
    check_subject(p.client, "CN=localhost");
    tls_pair q = again(&p, "example.org");
    check_subject(q.client, "CN=example.org");
    hang_up(&q);
}

TEST(certificates_are_reloaded_under_a_live_connection)
{
    static made other;
    make(&(wanted){.name = "newer", .alternatives = "DNS:localhost", .issuer = authority()}, &other);
    const kt_tls_certificate newer = as_certificate(&other);
    kt_auto(tls_pair) p = tls_pair_open((kt_tls_client_options){.no_resumption = true}, (kt_tls_server_options){0});
    CHECK_OK(kt_tls_server_reload(p.server_config,
                                  &(kt_tls_server_options){.certificates = &newer, .certificate_count = 1}));
    CHECK_ERR(kt_tls_client_reload(p.server_config, NULL), -EINVAL);
    tls_pair q = again(&p, "localhost");
    check_subject(q.client, "CN=newer");
    say(p.client, "still here");
    hear(p.server, "still here");
    hang_up(&q);
}

TEST(a_client_shows_its_certificate_or_is_refused)
{
    static made client;
    make(&(wanted){.name = "a client", .alternatives = "DNS:client", .issuer = authority()}, &client);
    const kt_tls_certificate own = as_certificate(&client);
    const kt_tls_server_options o = {.client_certificates = KT_TLS_CLIENT_REQUIRED,
                                     .client_ca_pem = certificate_of(authority())};
    char byte;
    kt_auto(tls_pair) p = tls_pair_open((kt_tls_client_options){.certificate = &own}, o);
    check_subject(p.server, "CN=a client");
    kt_auto(tls_pair) q = plain_pair(0, (kt_tls_client_options){0}, o);
    shaken r = shake(&q);
    CHECK_OK(r.client); /* in TLS 1.3 it is told afterwards */
    CHECK_ERR(r.server, KT_ECERTIFICATE);
    CHECK_ERR(kt_stream_read(q.client, &byte, 1), KT_ETLS);
    CHECK(strstr(kt_error_detail(), "certificate required"));
}

KT_FN(makes_config, a, struct { kt_tls_config **ret_config; })
{
    return kt_tls_client_new(NULL, a->ret_config);
}

/* The system's roots are a file of a few hundred kilobytes. */
TEST(a_config_may_be_made_on_the_pool)
{
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    kt_tls_config_free(kt_steal(p.client_config));
    CHECK_OK(kt_thread_run(KT_WITH(makes_config, &p.client_config)));
    shaken r = shake(&p);
    CHECK_ERR(r.client, KT_ECERTIFICATE); /* the system does not trust it */
    CHECK_ERR(r.server, KT_ETLS);
}

TEST(a_chain_whose_end_is_damaged_is_refused)
{
    kt_auto(kt_buffer) chain = KT_BUFFER_INIT;
    kt_tls_config *c = NULL;
    CHECK_OK(kt_buffer_append_string(&chain, good()->certificate));
    CHECK_OK(kt_buffer_append_string(&chain, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"));
    const kt_tls_certificate damaged = {.chain_pem = {chain.data, chain.size}, .key_pem = key_of(good())};
    CHECK_ERR(kt_tls_server_new(&(kt_tls_server_options){.certificates = &damaged, .certificate_count = 1}, &c),
              KT_ETLS);
    CHECK(!c);
}

TEST(files_that_are_not_there_are_named)
{
    kt_tls_config *c = NULL;
    CHECK_ERR(kt_tls_client_new(&(kt_tls_client_options){.ca_file = "/nowhere/ca.pem"}, &c), -ENOENT);
    CHECK(strstr(kt_error_detail(), "/nowhere/ca.pem"));
}
