/* SPDX-License-Identifier: MIT */

/* TLS on the simulated network: records that come byte by byte, and connections that break beneath it. */
#include "tls_pair.h"

#include <kettle/test_network.h>

static int connect_into(void *arg)
{
    return kt_stream_connect("10.0.0.2", 443, arg);
}

/* A pair that is connected there, and shaken. */
static tls_pair connected(kt_test_network *n, const kt_tls_client_options *c)
{
    kt_listener *l;
    kt_test_network_use(n);
    kt_test_network_be(n, "10.0.0.1");
    tls_pair p = {client_config(*c), server_config((kt_tls_server_options){0}), NULL, NULL};
    CHECK_OK(kt_listen("10.0.0.2", 443, NULL, &l));
    kt_task *t = spawn(connect_into, &p.client, 0);
    CHECK_OK(kt_listener_accept(l, &p.server));
    CHECK_OK(kt_task_join(t));
    kt_listener_close(l);
    shake_well(&p);
    return p;
}

static void part(tls_pair *p, kt_test_network *n)
{
    kt_stream_close(p->client);
    kt_stream_close(p->server);
    kt_tls_config_free(p->client_config);
    kt_tls_config_free(p->server_config);
    kt_test_network_close(n);
}

TEST(records_may_come_byte_by_byte)
{
    const kt_test_network_options options = {.segment_max = 1, .latency = KT_MS(1)};
    kt_test_network *n = kt_test_network_open(&options);
    tls_pair p = connected(n, &(kt_tls_client_options){0});
    struct sockaddr_storage peer;
    socklen_t size;
    char bytes[300] = {0}, read[300];
    memset(bytes, 'b', sizeof bytes);
    CHECK_OK(kt_stream_write(p.client, bytes, sizeof bytes));
    CHECK_OK(kt_stream_read_exactly(p.server, read, sizeof read));
    CHECK_MEM(read, bytes, sizeof bytes);
    CHECK_OK(kt_stream_peer(p.client, &peer, &size));
    CHECK_EQ(((const struct sockaddr_in *)(const void *)&peer)->sin_port, htons(443));
    part(&p, n);
}

TEST(a_connection_that_is_hung_up_beneath_is_reset_or_cut)
{
    char byte;
    kt_test_network *n = kt_test_network_open(NULL);
    tls_pair p = connected(n, &(kt_tls_client_options){0});
    kt_stream_hang_up(p.server, true);
    CHECK_ERR(kt_stream_read(p.client, &byte, 1), -ECONNRESET);
    part(&p, n);
}
