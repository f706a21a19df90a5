/* SPDX-License-Identifier: MIT */
/* Certificates that were good, and that their authority has taken back. */
#include "tls_pair.h"

static void check(const char *words, const char *part)
{
    if (!strstr(words, part))
        kt_test_fail("'%s' is not in '%s'", part, words);
}

/* How our client gets on with a server that has the good certificate. */
static shaken shake_with(const char *list)
{
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){.crl_pem = kt_slice_from(list)},
                                     (kt_tls_server_options){0});
    return shake(&p);
}

static void check_refused(const char *list, const char *why)
{
    shaken r = shake_with(list);
    CHECK_ERR(r.client, KT_ECERTIFICATE);
    check(r.client_words, why);
    CHECK_ERR(r.server, KT_ETLS);
}

TEST(what_was_revoked_is_refused_and_the_rest_is_not)
{
    static made another;
    char list[4096];
    make(&(wanted){.issuer = authority()}, &another);
    make_list(authority(), NULL, 3600, list);
    CHECK_OK(shake_with(list).client);
    make_list(authority(), &another, 3600, list);
    CHECK_OK(shake_with(list).client);
    make_list(authority(), good(), 3600, list);
    check_refused(list, "certificate revoked");
}

TEST(without_a_list_in_force_nobody_is_trusted)
{
    static made other;
    char list[4096];
    make(&(wanted){.name = "Other Authority", .authority = true}, &other);
    make_list(authority(), NULL, -60, list);
    check_refused(list, "CRL has expired");
    make_list(&other, NULL, 3600, list);
    check_refused(list, "unable to get certificate CRL");
}

TEST(a_list_that_somebody_else_has_signed_does_not_count)
{
    static made forger;
    char list[4096];
    make(&(wanted){.name = "Test Authority", .authority = true}, &forger); /* by that name */
    make_list(&forger, NULL, 3600, list);
    check_refused(list, "CRL signature failure");
}

TEST(each_issuer_in_the_chain_needs_a_list)
{
    static made between, leaf;
    static char lists[2][4096], both[8192], chain[8192];
    make(&(wanted){.name = "Between", .authority = true, .issuer = authority()}, &between);
    make(&(wanted){.issuer = &between}, &leaf);
    make_list(authority(), NULL, 3600, lists[0]);
    make_list(&between, NULL, 3600, lists[1]);
    snprintf(both, sizeof both, "%s%s", lists[0], lists[1]);
    snprintf(chain, sizeof chain, "%s%s", leaf.certificate, between.certificate);
    const kt_tls_certificate c = {.chain_pem = kt_slice_from(chain), .key_pem = key_of(&leaf)};
    const kt_tls_server_options server = {.certificates = &c, .certificate_count = 1};
    const char *const cases[] = {lists[1], both};
    for (int i = 0; i < 2; i++) {
        kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){.crl_pem = kt_slice_from(cases[i])}, server);
        shaken r = shake(&p);
        if (i == 0)
            CHECK_ERR(r.client, KT_ECERTIFICATE);
        else
            CHECK_OK(r.client);
    }
}

TEST(a_clients_certificate_can_be_revoked_too)
{
    static made mine;
    char list[4096];
    make(&(wanted){.name = "client", .issuer = authority()}, &mine);
    const kt_tls_certificate c = as_certificate(&mine);
    for (int revoked = 0; revoked < 2; revoked++) {
        make_list(authority(), revoked ? &mine : NULL, 3600, list);
        kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){.certificate = &c, .version_min = KT_TLS_1_3},
                                         (kt_tls_server_options){.client_certificates = KT_TLS_CLIENT_REQUIRED,
                                                                 .client_ca_pem = certificate_of(authority()),
                                                                 .client_crl_pem = kt_slice_from(list)});
        shaken r = shake(&p);
        if (!revoked)
            CHECK_OK(r.server);
        else
            CHECK_ERR(r.server, KT_ECERTIFICATE);
        if (revoked)
            check(r.server_words, "certificate revoked");
    }
}

TEST(a_reload_revokes_without_a_restart)
{
    char list[4096];
    kt_auto(tls_pair) p = usual_pair();
    kt_stream *ends[2];
    make_list(authority(), good(), 3600, list);
    const kt_tls_client_options o = {.no_system_trust = true, .ca_pem = certificate_of(authority()),
                                     .crl_pem = kt_slice_from(list)};
    CHECK_OK(kt_tls_client_reload(p.client_config, &o));
    CHECK_OK(kt_stream_memory_pair(0, ends));
    kt_auto(tls_pair) next = {.client = ends[0], .server = ends[1]};
    kt_task *t = spawn(KT_WITH(start_tls_task, next.server, p.server_config, NULL));
    CHECK_ERR(kt_stream_start_tls(next.client, p.client_config, for_localhost()), KT_ECERTIFICATE);
    CHECK_ERR(kt_task_join(t), KT_ETLS);
}

static void check_client_refused(kt_tls_client_options o, int error, const char *words)
{
    kt_tls_config *c = NULL;
    o.no_system_trust = true;
    CHECK_ERR(kt_tls_client_new(&o, &c), error);
    check(kt_error_detail(), words);
}

TEST(what_is_no_list_is_refused_by_its_name)
{
    char list[4096];
    kt_tls_config *c = NULL;
    make_list(authority(), NULL, 3600, list);
    const kt_tls_certificate mine = as_certificate(good());
    const kt_tls_server_options server = {.certificates = &mine, .certificate_count = 1,
                                          .client_crl_pem = kt_slice_from(list)};
    check_client_refused((kt_tls_client_options){.crl_file = "/no/such"}, -ENOENT, "/no/such");
    check_client_refused((kt_tls_client_options){.crl_pem = kt_slice_from("tea")}, KT_ETLS, "revoked certificates");
    check_client_refused((kt_tls_client_options){.crl_pem = certificate_of(good())}, KT_ETLS, "revoked certificates");
    check_client_refused((kt_tls_client_options){.crl_pem = kt_slice_from(list), .danger_accept_any_certificate = true},
                         -EINVAL, "any certificate");
    CHECK_ERR(kt_tls_server_new(&server, &c), -EINVAL);
}
