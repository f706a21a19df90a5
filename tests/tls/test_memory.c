/* SPDX-License-Identifier: MIT */
/* OpenSSL without memory: each of its allocations fails in turn. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "tls_pair.h"

static int64_t left = INT64_MAX; /* allocations before one that fails; below 0: it has failed */

static bool fails(void)
{
    return --left == -1;
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : malloc(size); /* tidy: malloc: OpenSSL's hooks stand beneath kt_alloc */
}

static void *reallocate(void *p, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : realloc(p, size); /* tidy: realloc: as above */
}

static void release(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p); /* tidy: free: as above */
}

static const kt_tls_options hasty = {.server_name = "localhost", .shutdown_timeout = KT_MS(1),
                                     .handshake_timeout = KT_S(1)};

/* Before OpenSSL is used for anything else. */
static void take_over(void)
{
    CHECK(CRYPTO_set_mem_functions(allocate, reallocate, release) == 1);
    (void)good();
}

/* Calls subject(arg) again and again, each time with a later allocation failing, until it needs no more: how many it
 * needs. */
static int each(void (*subject)(void *arg), void *arg)
{
    int n = 0;
    for (;; n++) {
        left = n;
        subject(arg);
        bool over = left >= 0;
        left = INT64_MAX;
        if (over)
            return n;
    }
}

/* What an end says of itself is not put into its peer's mouth. */
static void check_words(const char *words)
{
    if (strstr(words, "the peer objects") && !strstr(words, "alert number"))
        kt_test_fail("'%s' is no objection of the peer's", words);
}

/* One connection, from the handshake to the farewells: each step may fail, and none may do harm. */
static void converses(void *arg)
{
    tls_pair p = *(const tls_pair *)arg;
    kt_stream *ends[2];
    char bytes[8];
    int64_t before = left;
    left = INT64_MAX;
    CHECK_OK(kt_stream_memory_pair(0, ends));
    left = before;
    p.client = ends[0];
    p.server = ends[1];
    shaken r = shake_as(&p, &hasty, &hasty);
    int rc = r.client < 0 ? r.client : r.server;
    check_words(r.client_words);
    check_words(r.server_words);
    if (rc == 0)
        rc = kt_stream_write(p.client, "hello", 5);
    if (rc == 0)
        rc = kt_stream_read_exactly(p.server, bytes, 5);
    if (rc == 0)
        CHECK_MEM(bytes, "hello", 5);
    kt_task *t = spawn(close_task, p.server, 0);
    kt_stream_close(p.client);
    CHECK_OK(kt_task_join(t));
    CHECK(rc == 0 || left < 0); /* without a cause nothing fails */
}

TEST(openssl_may_lack_memory_anywhere_in_a_connection)
{
    static made other;
    take_over();
    make(&(wanted){.name = "example.org", .issuer = authority()}, &other);
    const kt_tls_certificate both[] = {as_certificate(&other), as_certificate(good())};
    tls_pair p = {client_config((kt_tls_client_options){0}),
                  server_config((kt_tls_server_options){.certificates = both, .certificate_count = 2}), NULL, NULL};
    converses(&p); /* what is made once is there */
    CHECK_GT(each(converses, &p), 500);
    kt_tls_config_free(p.client_config);
    kt_tls_config_free(p.server_config);
}
