/* SPDX-License-Identifier: MIT */
/* OpenSSL's queue of errors is the thread's, which all tasks share, and so are other users of OpenSSL. */
#include <openssl/err.h>

#include "tls_pair.h"

/* What others have left in the queue. */
static void litter(void)
{
    ERR_raise_data(ERR_LIB_USER, ERR_R_PASSED_INVALID_ARGUMENT, "litter");
}

static void check_words(const char *part)
{
    if (!strstr(kt_error_detail(), part) || strstr(kt_error_detail(), "litter"))
        kt_test_fail("'%s' is not about '%s'", kt_error_detail(), part);
    CHECK_EQ(ERR_peek_error(), 0); /* and we leave nothing to others */
}

TEST(configs_tell_of_their_own_failures)
{
    kt_tls_config *c = NULL;
    const kt_slice garbage = kt_slice_from("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const kt_tls_certificate wrong = {.chain_pem = certificate_of(good()), .key_pem = key_of(authority())};
    const kt_tls_certificate no_key = {.chain_pem = certificate_of(good()), .key_pem = certificate_of(good())};
    litter();
    CHECK_ERR(kt_tls_client_new(&(kt_tls_client_options){.no_system_trust = true, .ca_pem = garbage}, &c), KT_ETLS);
    check_words("trusted certificates: ");
    litter();
    CHECK_ERR(kt_tls_client_new(&(kt_tls_client_options){.ca_file = "/nowhere"}, &c), -ENOENT);
    check_words("/nowhere");
    litter();
    CHECK_ERR(kt_tls_server_new(&(kt_tls_server_options){.certificates = &wrong, .certificate_count = 1}, &c), KT_ETLS);
    check_words("mismatch");
    litter();
    CHECK_ERR(kt_tls_server_new(&(kt_tls_server_options){.certificates = &no_key, .certificate_count = 1}, &c),
              KT_ETLS);
    check_words("key: ");
    CHECK(!c);
}

TEST(what_succeeds_leaves_no_errors_behind)
{
    kt_tls_peer *peer = NULL;
    tls_pair p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    CHECK_EQ(ERR_peek_error(), 0);
    shake_well(&p);
    CHECK_EQ(ERR_peek_error(), 0);
    CHECK_OK(kt_tls_peer_get(p.client, &peer));
    kt_tls_peer_free(peer);
    CHECK_EQ(ERR_peek_error(), 0);
    say(p.server, "tickets come before this");
    hear(p.client, "tickets come before this");
    tls_pair_cleanup(&p);
    CHECK_EQ(ERR_peek_error(), 0);
}

static int litters(void *arg)
{
    (void)arg;
    for (;;) {
        litter();
        int rc = kt_sleep(0);
        if (rc < 0)
            return rc;
    }
}

/* At every step, since little fits below. */
TEST(litter_of_others_harms_no_stream)
{
    kt_task *others = spawn(litters, NULL, 0);
    tls_pair p = plain_pair(50, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    char byte;
    shake_well(&p);
    litter();
    say(p.client, "hello");
    litter();
    hear(p.server, "hello");
    litter();
    CHECK_OK(kt_stream_shutdown_write(p.client));
    litter();
    CHECK_EQ(kt_stream_read(p.server, &byte, 1), 0);
    litter();
    tls_pair_cleanup(&p);
    kt_task_cancel(others);
    CHECK_ERR(kt_task_join(others), KT_ECANCELED);
}

/* Sends a record that nobody has encrypted. */
static void forge(const kt_stream *s)
{
    static const char record[] = "\x17\x03\x03\x00\x20"
                                 "a forged one, of 32 bytes ......";
    CHECK_OK(kt_stream_write(inside(s)->below, record, sizeof record - 1));
}

/* Two connections that fail in turns, each for a reason of its own, and one between them that does not. */
TEST(each_connection_tells_of_its_own_failure)
{
    kt_auto(tls_pair) forged = usual_pair(), fine = usual_pair(), cut = usual_pair();
    char byte;
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            forge(forged.server);
        CHECK_ERR(kt_stream_read(forged.client, &byte, 1), KT_ETLS);
        check_words(i == 0 ? "bad record mac" : "TLS has failed on this stream");
        say(fine.server, "fine");
        hear(fine.client, "fine");
        CHECK_OK(kt_stream_shutdown_write(inside(cut.server)->below));
        CHECK_ERR(kt_stream_read(cut.client, &byte, 1), KT_ETRUNCATED);
        check_words(i == 0 ? "without close_notify" : "TLS has failed on this stream");
    }
    CHECK_ERR(kt_stream_read(forged.server, &byte, 1), KT_ETLS);
    check_words("the peer objects: ");
}

KT_FN(shakes_as, a, struct {
    const kt_tls_config *client;
    const kt_tls_config *server;
    const char *name, *words;
    int rc;
})
{
    kt_stream *ends[2];
    const kt_tls_options o = {.server_name = a->name};
    CHECK_OK(kt_stream_memory_pair(50, ends));
    kt_task *t = spawn(KT_WITH(start_tls_task, ends[1], a->server, NULL));
    int rc = kt_stream_start_tls(ends[0], a->client, &o);
    CHECK_ERR(rc, a->rc);
    if (rc < 0)
        check_words(a->words);
    kt_stream_close(ends[0]);
    (void)!kt_task_join(t);
    kt_stream_close(ends[1]);
    return 0;
}

/* Their steps interleave, since little fits below. */
TEST(handshakes_at_the_same_time_fail_each_for_its_own_reason)
{
    static made late;
    make(&(wanted){.issuer = authority(), .begins = -7200, .ends = -3600}, &late);
    const kt_tls_certificate expired = as_certificate(&late);
    kt_tls_config *client = client_config((kt_tls_client_options){0});
    kt_tls_config *server = server_config((kt_tls_server_options){0});
    kt_tls_config *stale = server_config((kt_tls_server_options){.certificates = &expired, .certificate_count = 1});
    kt_task *tasks[9];
    for (int i = 0; i < 9; i += 3) {
        tasks[i] = spawn(KT_WITH(shakes_as, client, server, "localhost", "", 0));
        tasks[i + 1] = spawn(KT_WITH(shakes_as, client, server, "example.org", "hostname mismatch", KT_ECERTIFICATE));
        tasks[i + 2] = spawn(KT_WITH(shakes_as, client, stale, "localhost", "expired", KT_ECERTIFICATE));
    }
    for (int i = 0; i < 9; i++)
        CHECK_OK(kt_task_join(tasks[i]));
    kt_tls_config_free(client);
    kt_tls_config_free(server);
    kt_tls_config_free(stale);
}
