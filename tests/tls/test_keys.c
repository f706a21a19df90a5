/* SPDX-License-Identifier: MIT */
/* What the peer says in between, about tickets and keys, whole or in parts. */
#include <openssl/err.h>

#include "tls_pair.h"

/* ---- Half a ticket ---------------------------------------------------------------------------- */

/* A pair whose server has sent tickets, which the client has not seen: they are in `ticket`. A client's certificate
 * makes them long, and records are as short as they can be, so that there are several. */
typedef struct ticketed {
    tls_pair p;
    char ticket[8192];
    size_t size;
} ticketed;

static void ticketed_open(ticketed *t)
{
    const kt_tls_certificate own = as_certificate(good());
    const kt_tls_server_options o = {.client_certificates = KT_TLS_CLIENT_REQUIRED,
                                     .client_ca_pem = certificate_of(authority())};
    t->p = plain_pair(0, (kt_tls_client_options){.certificate = &own}, o);
    CHECK(SSL_CTX_set_max_send_fragment(t->p.server_config->set->contexts[0], 512));
    shake_well(&t->p);
    ssize_t n = kt_stream_read(inside(t->p.client)->below, t->ticket, sizeof t->ticket);
    CHECK_GT(n, 1000);
    t->size = (size_t)n;
}

static void feed(const ticketed *t, size_t from, size_t to)
{
    CHECK_OK(kt_stream_feed(inside(t->p.client)->below, t->ticket + from, to - from));
    CHECK_OK(kt_sleep(KT_MS(1)));
}

KT_FN(says, a, struct {
    kt_stream *s;
    const char *text;
})
{
    ERR_raise(ERR_LIB_USER, ERR_R_PASSED_INVALID_ARGUMENT); /* somebody else's: OpenSSL must not take it for its own */
    return kt_stream_write(a->s, a->text, strlen(a->text));
}

KT_FN(reads, a, struct { kt_stream *s; })
{
    char byte;
    return (int)kt_stream_read(a->s, &byte, 1);
}

static void cancel_and_join(kt_task *t)
{
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
}

/* OpenSSL does not encrypt before it has the rest. Whether another task reads or not, the writer gets it. */
TEST(who_writes_in_the_middle_of_a_ticket_hears_it_out)
{
    static ticketed t;
    for (size_t k = 1, i = 0; i == 0 || k < t.size; k += 53, i++) {
        ticketed_open(&t);
        kt_task *reader = spawn(KT_WITH(reads, t.p.client));
        feed(&t, 0, k);
        if (i % 2 == 0)
            cancel_and_join(reader);
        kt_task *writer = spawn(KT_WITH(says, t.p.client, "hello"));
        feed(&t, k, t.size);
        CHECK_OK(kt_task_join(writer));
        hear(t.p.server, "hello");
        say(t.p.server, "x");
        CHECK_EQ(i % 2 == 0 ? reads(&(reads_args){t.p.client}) : kt_task_join(reader), 1);
        tls_pair_cleanup(&t.p);
    }
}

TEST(who_waits_behind_a_cancelled_reader_reads_on)
{
    static ticketed t;
    ticketed_open(&t);
    kt_task *reader = spawn(KT_WITH(reads, t.p.client));
    feed(&t, 0, 600);
    kt_task *writer = spawn(KT_WITH(says, t.p.client, "hello"));
    CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK(!kt_task_done(writer));
    cancel_and_join(reader);
    feed(&t, 600, t.size);
    CHECK_OK(kt_task_join(writer));
    hear(t.p.server, "hello");
    tls_pair_cleanup(&t.p);
}

TEST(half_a_ticket_does_not_hide_what_was_negotiated)
{
    static ticketed t;
    kt_tls_info info;
    ticketed_open(&t);
    kt_task *reader = spawn(KT_WITH(reads, t.p.client));
    feed(&t, 0, 600);
    CHECK_OK(kt_tls_info_get(t.p.client, &info));
    CHECK_STR(info.version, "TLSv1.3");
    cancel_and_join(reader);
    feed(&t, 600, t.size);
    tls_pair_cleanup(&t.p);
}

static int ends_writing(void *arg)
{
    ERR_raise(ERR_LIB_USER, ERR_R_PASSED_INVALID_ARGUMENT);
    return kt_stream_shutdown_write(arg);
}

TEST(a_farewell_is_said_after_the_rest_of_a_ticket)
{
    for (int close = 0; close < 2; close++) {
        static ticketed t;
        char byte;
        ticketed_open(&t);
        kt_task *reader = spawn(KT_WITH(reads, t.p.client));
        feed(&t, 0, 600);
        cancel_and_join(reader);
        kt_task *end = spawn(close ? close_task : ends_writing, t.p.client, 0);
        CHECK_OK(kt_sleep(KT_MS(1)));
        feed(&t, 600, t.size);
        CHECK_EQ(kt_stream_read(t.p.server, &byte, 1), 0);
        if (close)
            t.p.client = NULL;
        else
            CHECK_OK(kt_task_join(end));
        tls_pair_cleanup(&t.p);
        if (close)
            CHECK_OK(kt_task_join(end));
    }
}

TEST(a_close_in_the_middle_of_a_ticket_ends_who_waits_for_its_rest)
{
    static ticketed t;
    ticketed_open(&t);
    kt_task *reader = spawn(KT_WITH(reads, t.p.client));
    feed(&t, 0, 600);
    kt_task *writer = spawn(KT_WITH(says, t.p.client, "hello"));
    CHECK_OK(kt_sleep(KT_MS(1)));
    kt_stream_close(kt_steal(t.p.client));
    CHECK_ERR(kt_task_join(reader), KT_ECLOSED);
    CHECK_ERR(kt_task_join(writer), KT_ECLOSED);
    tls_pair_cleanup(&t.p);
}

/* ---- Key updates (RFC 8446 4.6.3) --------------------------------------------------------------- */

static void ask_for_new_keys(const kt_stream *s)
{
    CHECK(SSL_key_update(inside(s)->ssl, SSL_KEY_UPDATE_REQUESTED));
}

enum { PARTS = 100, PART_BYTES = 5000 };

KT_FN(writes_with_new_keys, a, struct { kt_stream *s; })
{
    char part[PART_BYTES];
    int rc = 0;
    for (int i = 0; rc == 0 && i < PARTS; i++) {
        memset(part, i, sizeof part);
        ask_for_new_keys(a->s);
        rc = kt_stream_write(a->s, part, sizeof part);
    }
    return rc;
}

static int check_parts(void *arg)
{
    char part[PART_BYTES];
    int rc = 0;
    for (int i = 0; rc == 0 && i < PARTS; i++) {
        rc = kt_stream_read_exactly(arg, part, sizeof part);
        for (int j = 0; rc == 0 && j < PART_BYTES; j += 1000)
            CHECK_EQ(part[j], i);
    }
    return rc;
}

TEST(keys_change_in_both_directions_at_once)
{
    kt_auto(tls_pair) p = usual_pair();
    kt_task *w1 = spawn(KT_WITH(writes_with_new_keys, p.client));
    kt_task *w2 = spawn(KT_WITH(writes_with_new_keys, p.server));
    kt_task *r1 = spawn(check_parts, p.client, 0), *r2 = spawn(check_parts, p.server, 0);
    CHECK_OK(kt_task_join(w1));
    CHECK_OK(kt_task_join(w2));
    CHECK_OK(kt_task_join(r1));
    CHECK_OK(kt_task_join(r2));
}

/* Each request makes us answer; what waits to be sent has a limit. */
TEST(a_peer_that_has_keys_changed_and_does_not_read_is_given_up)
{
    kt_auto(tls_pair) p = plain_pair(4096, (kt_tls_client_options){0}, (kt_tls_server_options){0});
    shake_well(&p);
    kt_task *reader = spawn(KT_WITH(reads, p.client));
    int requests = 0;
    char byte;
    for (; !kt_task_done(reader) && requests < 20000; requests++) {
        ask_for_new_keys(p.server);
        CHECK(SSL_do_handshake(inside(p.server)->ssl) == 1);
        CHECK_OK(kt__tls_flush(inside(p.server)));
        CHECK_OK(kt_sleep(0));
    }
    CHECK_ERR(kt_task_join(reader), KT_ELIMIT);
    CHECK_GT(requests, 5000);
    CHECK_ERR(kt_stream_read(p.client, &byte, 1), KT_ELIMIT);
}

/* ---- Renegotiation, which TLS 1.3 has not --------------------------------------------------------- */

/* `s` begins to renegotiate, as no end of ours does; it speaks TLS 1.2. */
static void renegotiate(const kt_stream *s)
{
    SSL_clear_options(inside(s)->ssl, SSL_OP_NO_RENEGOTIATION);
    CHECK(SSL_renegotiate(inside(s)->ssl) == 1);
    (void)SSL_do_handshake(inside(s)->ssl);
    CHECK_OK(kt__tls_flush(inside(s)));
}

TEST(nobody_renegotiates_but_goes_on)
{
    for (int of_server = 0; of_server < 2; of_server++) {
        kt_auto(tls_pair) p = plain_pair(0, (kt_tls_client_options){0}, (kt_tls_server_options){0});
        CHECK(SSL_CTX_set_max_proto_version(p.client_config->set->contexts[0], TLS1_2_VERSION));
        shake_well(&p);
        kt_stream *asks = of_server ? p.server : p.client, *other = of_server ? p.client : p.server;
        renegotiate(asks);
        kt_task *reader = spawn(KT_WITH(reads, other));
        CHECK_OK(kt_sleep(KT_MS(1)));
        CHECK(!kt_task_done(reader)); /* it has only objected */
        CHECK(SSL_is_init_finished(inside(other)->ssl));
        cancel_and_join(reader);
        say(other, "go on");
    }
}
