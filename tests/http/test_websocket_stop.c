/* SPDX-License-Identifier: MIT */
/* What becomes of the WebSockets of a server's handlers when it stops. Those that a hub keeps: test_websocket_kept.c;
 * over HTTP/2: test_websocket_h2.c. */
#include "client_site.h"

#include <kettle/websocket.h>

typedef struct ends {
    net n;
    site s;
    kt_http_session *web;
    kt_websocket *ws;
} ends;

static int last_rc = 1, last_code; /* of the handler */

static int reads(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    (void)arg;
    int rc = kt_websocket_accept(x, NULL, &ws);
    while (rc >= 0 && (rc = kt_websocket_read(ws, &m)) > 0)
        ;
    last_rc = rc;
    last_code = rc < 0 ? 0 : kt_websocket_close_code(ws);
    return rc;
}

static int sits(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_websocket) *ws = NULL;
    (void)arg;
    int rc = kt_websocket_accept(x, NULL, &ws);
    return rc < 0 ? rc : kt_sleep(KT_S(1000));
}

/* Begins when the server is stopping. */
static int is_late(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_websocket) *ws = NULL;
    (void)arg;
    while (!kt_http_stopping(x))
        if (kt_sleep(KT_MS(1)) < 0)
            return KT_ECANCELED;
    last_rc = kt_websocket_accept(x, NULL, &ws);
    return 0;
}

/* Fills the connection of a client that does not read. */
static int pours(kt_http_exchange *x, void *arg)
{
    static const char bytes[64 * 1024];
    kt_auto(kt_websocket) *ws = NULL;
    (void)arg;
    int rc = kt_websocket_accept(x, &(kt_websocket_options){.no_deflate = true}, &ws);
    while (rc == 0)
        rc = kt_websocket_write(ws, KT_WEBSOCKET_BINARY, bytes, sizeof bytes);
    last_rc = rc;
    return rc;
}

static void site_with(ends *e, kt_http_handler handler)
{
    e->ws = NULL;
    e->n = net_open((kt_test_network_options){0});
    site_open(&e->s, NULL, handler, NULL);
    e->web = session_for(kt_listener_port(e->s.l), (kt_http_session_options){0});
}

static void ends_open(ends *e, kt_http_handler handler, const kt_websocket_options *client)
{
    site_with(e, handler);
    CHECK_OK(kt_websocket_connect(e->web, "/", client, &e->ws));
}

static void ends_close(ends *e)
{
    kt_websocket_close(kt_steal(e->ws));
    kt_http_session_close(e->web);
    site_close(&e->s);
    net_cleanup(&e->n);
}

static int reads_the_end(void *arg)
{
    kt_websocket_message m;
    CHECK_EQ(kt_websocket_read(arg, &m), 0);
    CHECK_EQ(kt_websocket_close_code(arg), 1001);
    return 0;
}

TEST(a_server_that_stops_says_so_and_its_readers_end)
{
    ends e;
    kt_task *reader = NULL;
    ends_open(&e, reads, NULL);
    CHECK_OK(kt_spawn(reads_the_end, e.ws, 0, &reader));
    CHECK_OK(kt_sleep(0));
    kt_time start = kt_now();
    kt_task_cancel(e.s.task);
    CHECK_OK(kt_task_join(reader));
    ends_close(&e);
    CHECK_EQ(last_rc, 0);
    CHECK_EQ(last_code, 1001); /* the peer's answer */
    CHECK_LT(kt_now() - start, KT_S(5)); /* it was not waited for */
}

TEST(a_handler_that_does_not_read_has_the_grace_period)
{
    ends e;
    kt_task *reader = NULL;
    sim_only();
    ends_open(&e, sits, NULL);
    CHECK_OK(kt_spawn(reads_the_end, e.ws, 0, &reader));
    CHECK_OK(kt_sleep(KT_MS(10)));
    kt_time start = kt_now();
    kt_task_cancel(e.s.task);
    CHECK_OK(kt_task_join(reader));
    CHECK_LT(kt_now() - start, KT_S(1));
    ends_close(&e);
    CHECK_EQ(kt_now() - start, KT_S(5));
}

TEST(a_server_that_stops_waits_no_longer_for_a_peer_that_does_not_read)
{
    ends e;
    sim_only();
    ends_open(&e, pours, &(kt_websocket_options){.close_timeout = KT_MS(1)});
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK_EQ(last_rc, 1); /* it waits for room */
    kt_time start = kt_now();
    site_close(&e.s);
    CHECK_LE(kt_now() - start, KT_S(5));
    CHECK_LT(last_rc, 0);
    kt_websocket_close(e.ws);
    kt_http_session_close(e.web);
    net_cleanup(&e.n);
}

static int connects_late(void *arg)
{
    ends *e = arg;
    CHECK_ERR(kt_websocket_connect(e->web, "/late", NULL, &e->ws), KT_EPROTOCOL);
    CHECK(strstr(kt_error_detail(), "503") != NULL);
    return 0;
}

TEST(a_server_that_stops_begins_none)
{
    ends e = {.ws = NULL};
    kt_task *t = NULL;
    sim_only();
    site_with(&e, is_late);
    CHECK_OK(kt_spawn(connects_late, &e, 0, &t));
    CHECK_OK(kt_sleep(KT_MS(100)));
    kt_task_cancel(e.s.task);
    CHECK_OK(kt_task_join(t));
    ends_close(&e);
    CHECK_EQ(last_rc, KT_ESHUTDOWN);
}
