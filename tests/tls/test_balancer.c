/* SPDX-License-Identifier: MIT */
/* Connections that a balancer gives out, and whose handlers speak TLS on them. */
#include "tls_pair.h"

#include <kettle/balancer.h>

#define LISTENERS 2
#define PLACES 3 /* connections at each listener */

typedef struct bank {
    kt_balancer *balancer;
    kt_server *servers[LISTENERS];
    kt_tls_config *client, *server;
    kt_tls_service services[LISTENERS];
    int served[LISTENERS];
    uint16_t port;
} bank;

/* Until the client parts. */
static int counts(kt_stream *s, void *arg)
{
    char byte;
    ++*(int *)arg;
    int rc = kt_stream_write(s, "hello", 5);
    return rc < 0 ? rc : (int)kt_stream_read(s, &byte, 1);
}

static void bank_open(bank *b)
{
    kt_listener *l = NULL;
    *b = (bank){.client = client_config((kt_tls_client_options){0}),
                .server = server_config((kt_tls_server_options){0})};
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    b->port = kt_listener_port(l);
    CHECK_OK(kt_balancer_open(l, &b->balancer));
    for (int i = 0; i < LISTENERS; i++) {
        b->services[i] = (kt_tls_service){.config = b->server, .handler = counts, .arg = &b->served[i]};
        CHECK_OK(kt_balancer_listen(b->balancer, &l));
        CHECK_OK(kt_server_start(l, NULL, kt_tls_serve, &b->services[i], &b->servers[i]));
    }
}

static void bank_close(bank *b)
{
    for (int i = 0; i < LISTENERS; i++)
        kt_server_free(b->servers[i]);
    kt_balancer_close(b->balancer);
    kt_tls_config_free(b->client);
    kt_tls_config_free(b->server);
}

static kt_stream *client_of(const bank *b)
{
    kt_stream *s = NULL;
    CHECK_OK(kt_tls_connect(b->client, "127.0.0.1", b->port, for_localhost(), &s));
    hear(s, "hello");
    return s;
}

static void await_count(const kt_server *server, size_t count)
{
    while (kt_server_connections(server) != count)
        CHECK_OK(kt_sleep(KT_MS(1)));
}

static void speaks_no_tls(const bank *b)
{
    char byte;
    kt_auto(kt_stream) *s = NULL;
    CHECK_OK(kt_stream_connect("127.0.0.1", b->port, &s));
    CHECK_OK(kt_stream_write(s, "GET / HTTP/1.1\r\n\r\n", 18));
    while (kt_stream_read(s, &byte, 1) > 0)
        ;
}

/* One more or less in the count, and the last ones would not all go where the first have left. */
TEST_WITH(a_connection_counts_once_and_until_it_is_closed, KT_TEST_REAL_TIME)
{
    bank b;
    kt_stream *clients[LISTENERS][PLACES];
    bank_open(&b);
    for (int i = 0; i < LISTENERS * PLACES; i++) {
        int before = b.served[0];
        kt_stream *s = client_of(&b);
        int which = b.served[0] > before ? 0 : 1;
        clients[which][b.served[which] - 1] = s;
    }
    CHECK_EQ(b.served[0], PLACES);
    CHECK_EQ(b.served[1], PLACES);
    for (int i = 0; i < PLACES; i++)
        kt_stream_close(clients[0][i]);
    await_count(b.servers[0], 0);
    for (int i = 0; i < PLACES; i++) {
        speaks_no_tls(&b);
        await_count(b.servers[0], 0);
    }
    for (int i = 0; i < PLACES; i++)
        clients[0][i] = client_of(&b);
    CHECK_EQ(b.served[0], 2 * PLACES);
    CHECK_EQ(b.served[1], PLACES);
    for (int i = 0; i < LISTENERS * PLACES; i++)
        kt_stream_close(clients[i / PLACES][i % PLACES]);
    bank_close(&b);
}
