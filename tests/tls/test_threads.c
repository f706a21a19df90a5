/* SPDX-License-Identifier: MIT */
/* One config, the loops of several threads, and somebody who reloads it meanwhile. */
#include "tls_pair.h"

#include <pthread.h>
#include <stdlib.h>

/* OpenSSL's libraries are not instrumented: of what they do to each other, locks and copies are seen and atomics are
 * not. What is to be seen is our own. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libcrypto.so\ncalled_from_lib:libssl.so\n";
}

enum { THREADS = 4, CONNECTIONS = 25, RELOADS = 40 };

static kt_tls_config *client, *server;

/* Over descriptors where the driver has them. */
static int pair_new(kt_stream *ret_ends[2])
{
    return strcmp(kt_loop_driver(kt_loop_current()), "sim") == 0 ? kt_stream_memory_pair(0, ret_ends)
                                                                  : kt_stream_pair(ret_ends);
}

static void connect_once(void)
{
    tls_pair p = {.client_config = client, .server_config = server};
    kt_stream *ends[2];
    kt_tls_peer *peer = NULL;
    CHECK_OK(pair_new(ends));
    p.client = ends[0];
    p.server = ends[1];
    shake_well(&p);
    say(p.client, "hello");
    hear(p.server, "hello");
    say(p.server, "and the tickets");
    hear(p.client, "and the tickets");
    CHECK_OK(kt_tls_peer_get(p.client, &peer));
    CHECK(strstr(peer->names, "localhost"));
    kt_tls_peer_free(peer);
    kt_task *t = spawn(close_task, p.server, 0);
    kt_stream_close(p.client);
    CHECK_OK(kt_task_join(t));
}

static int connects(void *arg)
{
    (void)arg;
    for (int i = 0; i < CONNECTIONS; i++)
        connect_once();
    return 0;
}

static void *in_loop(void *arg)
{
    const char *driver = getenv("KETTLE_DRIVER");
    const kt_options o = {
        .driver = driver && strcmp(driver, "sim") == 0 ? KT_DRIVER_SIM : KT_DRIVER_AUTO,
    };
    CHECK_OK(kt_run_with(&o, connects, arg, 0));
    return NULL;
}

/* Certificates and roots that are good either way, so that nobody may notice. */
static void reload(int i)
{
    static made other;
    if (i == 0)
        make(&(wanted){.name = "newer", .alternatives = "DNS:localhost", .issuer = authority()}, &other);
    const kt_tls_certificate certificate = as_certificate(i % 2 == 0 ? &other : good());
    CHECK_OK(kt_tls_server_reload(
        server, &(kt_tls_server_options){.certificates = &certificate, .certificate_count = 1}));
    CHECK_OK(kt_tls_client_reload(
        client, &(kt_tls_client_options){.no_system_trust = true, .ca_pem = certificate_of(authority())}));
}

TEST_WITH(loops_share_a_config_that_is_reloaded_meanwhile, KT_TEST_NO_LOOP)
{
    pthread_t threads[THREADS];
    client = client_config((kt_tls_client_options){0});
    server = server_config((kt_tls_server_options){0});
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, in_loop, NULL), 0);
    for (int i = 0; i < RELOADS; i++)
        reload(i);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    kt_tls_config_free(client);
    kt_tls_config_free(server);
}

/* The sessions of one loop's connections are the others' as well. */
TEST_WITH(loops_share_sessions, KT_TEST_NO_LOOP)
{
    pthread_t threads[THREADS];
    client = client_config((kt_tls_client_options){0});
    server = server_config((kt_tls_server_options){0});
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, in_loop, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_GT(SSL_CTX_sess_hits(server->set->contexts[0]), THREADS * CONNECTIONS / 2);
    kt_tls_config_free(client);
    kt_tls_config_free(server);
}
