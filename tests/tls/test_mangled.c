/* SPDX-License-Identifier: MIT */
/* Somebody in the middle: what they change or cut is never taken for what was said. */
#include "tls_pair.h"

typedef struct middle {
    kt_stream *from, *to;
    size_t flip, seen; /* the byte to change, counted from 0 */
    size_t cut;        /* after so many bytes the connection ends */
} middle;

static int relay(void *arg)
{
    middle *m = arg;
    char bytes[4096];
    ssize_t n;
    while ((n = kt_stream_read(m->from, bytes, sizeof bytes)) > 0) {
        size_t size = (size_t)n < m->cut - m->seen ? (size_t)n : m->cut - m->seen;
        if (m->flip >= m->seen && m->flip < m->seen + size)
            bytes[m->flip - m->seen] ^= (char)(1 << (m->flip % 8));
        m->seen += size;
        if (size > 0 && kt_stream_write(m->to, bytes, size) < 0)
            break;
        if (m->seen == m->cut)
            break;
    }
    return kt_stream_shutdown_write(m->to);
}

static int serve(void *arg)
{
    tls_pair *p = arg;
    char bytes[8];
    const kt_tls_options hasty = {.shutdown_timeout = KT_MS(1), .handshake_timeout = KT_S(1)};
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT; /* a changed length makes an end wait for more */
    kt_timeout_start(&limit, KT_S(5));
    int rc = kt_stream_start_tls(p->server, p->server_config, &hasty);
    if (rc == 0)
        rc = kt_stream_read_exactly(p->server, bytes, 5);
    if (rc == 0)
        CHECK_MEM(bytes, "hello", 5);
    if (rc == 0)
        rc = (int)kt_stream_read(p->server, bytes, 1);
    rc = kt_timeout_end(&limit, rc);
    kt_stream_close(kt_steal(p->server));
    return rc;
}

static int speak(tls_pair *p)
{
    const kt_tls_options hasty = {.server_name = "localhost", .shutdown_timeout = KT_MS(1),
                                  .handshake_timeout = KT_S(1)};
    char byte;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(5));
    int rc = kt_stream_start_tls(p->client, p->client_config, &hasty);
    if (rc == 0)
        rc = kt_stream_write(p->client, "hello", 5);
    if (rc == 0)
        rc = kt_stream_shutdown_write(p->client);
    if (rc == 0)
        rc = (int)kt_stream_read(p->client, &byte, 1);
    rc = kt_timeout_end(&limit, rc);
    kt_stream_close(kt_steal(p->client));
    return rc;
}

/* Returns how many bytes the client has sent; the ends' results are outputs. */
static size_t converse(tls_pair *p, bool of_server, size_t flip, size_t cut, int *ret_client, int *ret_server)
{
    kt_stream *near[2], *far[2];
    CHECK_OK(kt_stream_memory_pair(0, near));
    CHECK_OK(kt_stream_memory_pair(0, far));
    p->client = near[0];
    p->server = far[1];
    middle there = {near[1], far[0], of_server ? SIZE_MAX : flip, 0, of_server ? SIZE_MAX : cut};
    middle back = {far[0], near[1], of_server ? flip : SIZE_MAX, 0, of_server ? cut : SIZE_MAX};
    kt_task *a = spawn(relay, &there, 0), *b = spawn(relay, &back, 0), *s = spawn(serve, p, 0);
    *ret_client = speak(p);
    *ret_server = kt_task_join(s);
    kt_task_cancel(a);
    kt_task_cancel(b);
    (void)!kt_task_join(a);
    (void)!kt_task_join(b);
    kt_stream_close(near[1]);
    kt_stream_close(far[0]);
    return of_server ? back.seen : there.seen;
}

static tls_pair configs(void)
{
    return (tls_pair){client_config((kt_tls_client_options){.no_resumption = true}),
                      server_config((kt_tls_server_options){.no_resumption = true}), NULL, NULL};
}

/* "legacy_record_version [...] MUST be ignored" (RFC 8446 5.1), and nothing hangs on it. */
#define IGNORED 2

/* Every byte of either direction, the farewell excepted, with a bit changed: somebody notices. */
TEST(a_changed_bit_is_noticed)
{
    tls_pair p = configs();
    for (int of_server = 0; of_server < 2; of_server++) {
        int client, server;
        size_t size = converse(&p, of_server, SIZE_MAX, SIZE_MAX, &client, &server);
        CHECK_EQ(client, 0);
        CHECK_EQ(server, 0);
        for (size_t i = 0; i + 8 < size; i++) {
            (void)!converse(&p, of_server, i, SIZE_MAX, &client, &server);
            if (client >= 0 && server >= 0 && i != IGNORED)
                kt_test_fail("byte %zu of the %s", i, of_server ? "server" : "client");
        }
    }
    kt_tls_config_free(p.client_config);
    kt_tls_config_free(p.server_config);
}

TEST(a_cut_is_noticed_by_who_would_have_heard_more)
{
    tls_pair p = configs();
    for (int of_server = 0; of_server < 2; of_server++) {
        int client, server;
        size_t size = converse(&p, of_server, SIZE_MAX, SIZE_MAX, &client, &server);
        for (size_t i = 1; i + 8 < size; i += 7) {
            (void)!converse(&p, of_server, SIZE_MAX, i, &client, &server);
            CHECK_LT(of_server ? client : server, 0);
        }
    }
    kt_tls_config_free(p.client_config);
    kt_tls_config_free(p.server_config);
}
