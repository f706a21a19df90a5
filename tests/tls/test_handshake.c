/* SPDX-License-Identifier: MIT */
/* Handshakes: those that succeed, and what each end is told of those that do not. */
#include "tls_pair.h"

static void check(const char *words, const char *part)
{
    if (!strstr(words, part))
        kt_test_fail("'%s' is not in '%s'", part, words);
}

/* A server with this certificate is refused by our client, for a reason that both hear. */
static void refused_as_made(const made *m, const char *name, const char *why, const char *alert)
{
    const kt_tls_certificate certificate = as_certificate(m);
    const kt_tls_options o = {.server_name = name};
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0},
                                     (kt_tls_server_options){.certificates = &certificate, .certificate_count = 1});
    shaken r = shake_as(&p, &o, NULL);
    CHECK_ERR(r.client, KT_ECERTIFICATE);
    check(r.client_words, why);
    check(r.client_words, name);
    CHECK_ERR(r.server, KT_ETLS);
    check(r.server_words, alert);
}

static void refused(const wanted *w, const char *name, const char *why, const char *alert)
{
    static made m;
    make(w, &m);
    refused_as_made(&m, name, why, alert);
}

TEST(a_forged_certificate_is_refused_as_one)
{
    static made m;
    make(&(wanted){.issuer = authority()}, &m);
    char *in_signature = strstr(m.certificate, "-----END") - 10; /* base64 */
    *in_signature = *in_signature == 'A' ? 'B' : 'A';
    refused_as_made(&m, "localhost", "certificate signature failure", "decrypt error");
}

TEST(bad_certificates_are_refused_with_the_reason)
{
    static made other;
    make(&(wanted){.name = "Other Authority", .authority = true}, &other);
    refused(&(wanted){.issuer = authority(), .begins = -7200, .ends = -3600}, "localhost", "expired", "expired");
    refused(&(wanted){.issuer = authority(), .begins = 3600, .ends = 7200}, "localhost", "not yet valid", "alert");
    refused(&(wanted){.issuer = authority()}, "example.org", "hostname mismatch", "bad certificate");
    refused(&(wanted){.issuer = authority()}, "127.0.0.1", "IP address mismatch", "bad certificate");
    refused(&(wanted){0}, "localhost", "self-signed", "unknown ca");
    refused(&(wanted){.issuer = &other}, "localhost", "unable to get local issuer", "unknown ca");
}

TEST(an_address_is_verified_as_one)
{
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    const kt_tls_options o = {.server_name = "127.0.0.1"};
    shaken r = shake_as(&p, &o, NULL);
    CHECK_OK(r.client);
    CHECK_OK(r.server);
}

TEST(a_key_that_is_another_certificates_is_refused)
{
    const kt_tls_certificate wrong = {.chain_pem = certificate_of(good()), .key_pem = key_of(authority())};
    kt_tls_config *c = NULL;
    CHECK_ERR(kt_tls_server_new(&(kt_tls_server_options){.certificates = &wrong, .certificate_count = 1}, &c), KT_ETLS);
    check(kt_error_detail(), "mismatch");
    CHECK(!c);
}

TEST(no_common_protocol_is_told_on_both_ends)
{
    static const char *const ours[] = {"h2", NULL}, *const theirs[] = {"http/1.1", NULL};
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){.alpn = ours}, (kt_tls_server_options){.alpn = theirs});
    shaken r = shake(&p);
    CHECK_ERR(r.client, KT_ETLS);
    check(r.client_words, "no application protocol");
    CHECK_ERR(r.server, KT_ETLS);
}

TEST(plain_text_ahead_of_a_handshake_makes_it_fail)
{
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    kt_slice line;
    say(p.client, "STARTTLS\nRCPT TO:<victim>\n");
    CHECK_EQ(kt_stream_read_line(p.server, 100, &line), 1);
    shaken r = shake(&p);
    CHECK_ERR(r.server, KT_ETLS);
    CHECK_LT(r.client, 0);
}

TEST(a_peer_that_says_nothing_is_given_up_after_a_minute)
{
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    kt_time start = kt_now();
    CHECK_ERR(kt_stream_start_tls(p.server, p.server_config, NULL), -ECONNABORTED);
    CHECK_EQ(kt_now() - start, KT_S(60));
}

TEST(a_connection_cut_short_is_no_end_of_file)
{
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    kt_task *t = spawn(KT_WITH(start_tls_task, p.server, p.server_config, NULL));
    CHECK_OK(kt_sleep(KT_MS(1)));
    kt_stream_close(kt_steal(p.client));
    CHECK_ERR(kt_task_join(t), KT_ETRUNCATED);
}

KT_FN(says_much, a, struct { kt_stream *s; })
{
    static char much[100000];
    return kt_stream_write(a->s, much, sizeof much);
}

/* What fits below is less than a server's tickets: neither end may wait for the other to read them. */
TEST(tickets_that_nobody_reads_hold_nobody_up)
{
    kt_auto(tls_pair) p = plain_pair(64, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    static char much[100000];
    shake_well(&p);
    kt_task *writer = spawn(KT_WITH(says_much, p.client));
    CHECK_OK(kt_stream_read_exactly(p.server, much, sizeof much));
    CHECK_OK(kt_task_join(writer));
    CHECK_EQ(kt_now(), 0);
}

/* It has done all that a handshake of TLS 1.3 asks of it, said what it had to say, and left; the server's tickets come
 * too late for it. */
TEST(a_client_that_is_gone_when_the_server_has_shaken_is_heard)
{
    kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    kt_task *t = spawn(KT_WITH(start_tls_task, p.server, p.server_config, NULL));
    char byte;
    CHECK_OK(kt_stream_start_tls(p.client, p.client_config, for_localhost()));
    say(p.client, "last words");
    CHECK_OK(kt_stream_shutdown_write(p.client));
    kt_stream_close(kt_steal(inside(p.client)->below));
    CHECK(!kt_task_done(t));
    CHECK_OK(kt_task_join(t));
    hear(p.server, "last words");
    CHECK_EQ(kt_stream_read(p.server, &byte, 1), 0);
}
