/* SPDX-License-Identifier: MIT */

/* Chains that must be refused, each with its reason: by their form, and by revocation lists. */

#include "tls_pair.h"

static made middle, leaf, foreign;

static const made *made_once(made *m, const wanted *w)
{
    if (!m->key[0])
        make(w, m);
    return m;
}

/* The leaf with those above it, root excepted, as servers send them. */
static kt_tls_certificate chain_of(const made *end, const made *above, kt_buffer *b)
{
    CHECK_OK(kt_buffer_append_string(b, end->certificate));
    CHECK_OK(kt_buffer_append_string(b, above->certificate));
    return (kt_tls_certificate){.chain_pem = kt_buffer_slice(b), .key_pem = key_of(end)};
}

static const made *intermediate(void)
{
    return made_once(&middle, &(wanted){.name = "Middle", .authority = true, .issuer = authority()});
}

/* A server with this certificate, and a client with this list, or none. */
static shaken meet(kt_tls_certificate certificate, const char *lists, const char *name)
{
    const kt_tls_options o = {.server_name = name};
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){.crl_pem = kt_slice_from(lists)},
                            (kt_tls_server_options){.certificates = &certificate, .certificate_count = 1});
    shaken r = shake_as(&p, &o, NULL);
    return r;
}

/* Refused for this reason; the server learns of it by an alert, or by the end of the line. */
static void check_refused(shaken r, const char *reason)
{
    CHECK_ERR(r.client, KT_ECERTIFICATE);
    if (!strstr(r.client_words, reason))
        kt_test_fail("'%s' is not about '%s'", r.client_words, reason);
    CHECK(r.server < 0);
}

TEST(a_wildcard_covers_one_label)
{
    static made m;
    made_once(&m, &(wanted){.issuer = authority(), .alternatives = "DNS:*.example.org"});
    CHECK_OK(meet(as_certificate(&m), "", "a.example.org").client);
    check_refused(meet(as_certificate(&m), "", "a.b.example.org"), "hostname mismatch");
    check_refused(meet(as_certificate(&m), "", "example.org"), "hostname mismatch");
}

TEST(a_certificate_signed_by_one_that_is_no_authority_is_refused)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    made_once(&foreign, &(wanted){.issuer = good()});
    check_refused(meet(chain_of(&foreign, good(), &b), "", "localhost"), "invalid CA certificate");
}

TEST(a_chain_without_its_middle_is_refused)
{
    made_once(&leaf, &(wanted){.issuer = intermediate()});
    check_refused(meet(as_certificate(&leaf), "", "localhost"), "unable to get local issuer certificate");
}

/* The last line of the text is the end of the signature. */
static void forge(made *m)
{
    char *end = strstr(m->certificate, "\n-----END");
    while (end[-1] == '=' || end[-1] == '\n')
        end--;
    for (char *c = end - 6; c < end - 2; c++)
        *c = *c == 'A' ? 'B' : 'A';
}

TEST(a_certificate_that_was_changed_after_it_was_signed_is_refused)
{
    made m;
    make(&(wanted){.issuer = authority()}, &m);
    forge(&m);
    check_refused(meet(as_certificate(&m), "", "localhost"), "certificate signature failure");
}

/* ---- Revocation ------------------------------------------------------------------------------ */

TEST(with_lists_in_date_that_name_nobody_all_is_well)
{
    made_list root, mid;
    char lists[8192];
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    make_list(authority(), NULL, 3600, &root);
    make_list(intermediate(), NULL, 3600, &mid);
    snprintf(lists, sizeof lists, "%s%s", root.pem, mid.pem);
    made_once(&leaf, &(wanted){.issuer = intermediate()});
    shaken r = meet(chain_of(&leaf, intermediate(), &b), lists, "localhost");
    CHECK_OK(r.client);
    CHECK_OK(r.server);
}

TEST(a_revoked_certificate_is_refused)
{
    made_list list;
    make_list(authority(), good(), 3600, &list);
    check_refused(meet(as_certificate(good()), list.pem, "localhost"), "certificate revoked");
}

TEST(a_certificate_under_a_revoked_authority_is_refused)
{
    made_list root, mid;
    char lists[8192];
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    make_list(authority(), intermediate(), 3600, &root);
    make_list(intermediate(), NULL, 3600, &mid);
    snprintf(lists, sizeof lists, "%s%s", root.pem, mid.pem);
    made_once(&leaf, &(wanted){.issuer = intermediate()});
    check_refused(meet(chain_of(&leaf, intermediate(), &b), lists, "localhost"), "certificate revoked");
}

TEST(without_a_list_of_each_authority_a_chain_is_refused)
{
    made_list root;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    make_list(authority(), NULL, 3600, &root);
    made_once(&leaf, &(wanted){.issuer = intermediate()});
    check_refused(meet(chain_of(&leaf, intermediate(), &b), root.pem, "localhost"), "unable to get certificate CRL");
}

TEST(a_list_that_is_out_of_date_vouches_for_nobody)
{
    made_list list;
    make_list(authority(), NULL, -60, &list);
    check_refused(meet(as_certificate(good()), list.pem, "localhost"), "CRL has expired");
}

TEST(a_list_that_somebody_else_signed_counts_for_nothing)
{
    made_list list;
    made impostor;
    make(&(wanted){.name = "Test Authority", .authority = true}, &impostor);
    make_list(&impostor, NULL, 3600, &list);
    check_refused(meet(as_certificate(good()), list.pem, "localhost"), "CRL signature failure");
}

TEST(servers_refuse_clients_that_are_revoked)
{
    made_list list;
    const kt_tls_certificate own = as_certificate(good());
    make_list(authority(), good(), 3600, &list);
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){.certificate = &own},
                            (kt_tls_server_options){.client_certificates = KT_TLS_CLIENT_REQUIRED,
                                                    .client_ca_pem = certificate_of(authority()),
                                                    .client_crl_pem = kt_slice_from(list.pem)});
    shaken r = shake(&p);
    CHECK_ERR(r.server, KT_ECERTIFICATE);
    CHECK(strstr(r.server_words, "certificate revoked") != NULL);
}

TEST(a_damaged_list_is_refused_by_its_name)
{
    kt_tls_config *c = NULL;
    made_list list;
    make_list(authority(), NULL, 3600, &list);
    memcpy(strchr(list.pem, '\n') + 9, "!!!!", 4);
    const kt_tls_client_options damaged = {.no_system_trust = true, .crl_pem = kt_slice_from(list.pem)};
    CHECK_ERR(kt_tls_client_new(&damaged, &c), KT_ETLS);
    CHECK(strstr(kt_error_detail(), "revocation list") != NULL);
    CHECK_ERR(kt_tls_client_new(&(kt_tls_client_options){.crl_file = "/nowhere/list.pem"}, &c), -ENOENT);
    CHECK(strstr(kt_error_detail(), "revocation list /nowhere/list.pem") != NULL);
    CHECK(!c);
}
