/* SPDX-License-Identifier: MIT */
/* WebSockets and other protocols on streams of HTTP/2 (RFC 8441), from the client's end. */
#include "h2_evil.h"

#include <kettle/websocket.h>

typedef struct house {
    net n;
    site s;
    kt_http_session *web;
    kt_websocket_options o;
    char url[64];
    int rc, code; /* of the server's end */
    bool key;     /* was sent */
    int guarded;
    kt_event done;
} house;

static int serves(kt_http_exchange *x, void *arg)
{
    house *h = arg;
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    if (kt_slice_is(kt_http_path(x), "/plain"))
        return hello(x, NULL);
    if (kt_slice_is(kt_http_path(x), "/deaf")) {
        h->rc = kt_websocket_accept(x, &h->o, &ws);
        return h->rc < 0 ? h->rc : kt_sleep(KT_S(1000));
    }
    h->guarded = kt_http_guard(x, NULL);
    h->key = kt_http_request_header(x, "Sec-WebSocket-Key").data;
    CHECK_STR(kt_http_version(x), "HTTP/2");
    h->rc = kt_websocket_accept(x, &h->o, &ws);
    if (h->rc < 0)
        return 0; /* it has been answered */
    do
        h->rc = kt_websocket_read(ws, &m);
    while (h->rc > 0 && (h->rc = kt_websocket_write(ws, m.kind, m.data.data, m.data.size)) == 0);
    h->code = kt_websocket_close_code(ws);
    kt_event_set(&h->done);
    return 0;
}

static void house_open(house *h)
{
    *h = (house){.n = net_open((kt_test_network_options){0}), .done = KT_EVENT_INIT};
    site_open(&h->s, NULL, serves, h);
    h->web = session_for(kt_listener_port(h->s.l), (kt_http_session_options){.version = KT_HTTP_2});
    snprintf(h->url, sizeof h->url, "ws://127.0.0.1:%u/", kt_listener_port(h->s.l));
}

static void house_close(house *h)
{
    kt_http_session_close(h->web);
    site_close(&h->s);
    net_cleanup(&h->n);
}

static void check_echo(kt_websocket *ws, const char *bytes, size_t size)
{
    kt_websocket_message m;
    CHECK_OK(kt_websocket_write(ws, KT_WEBSOCKET_BINARY, bytes, size));
    CHECK_EQ(kt_websocket_read(ws, &m), 1);
    CHECK_EQ(m.data.size, size);
    CHECK_MEM(m.data.data, bytes, size);
}

TEST(websockets_share_a_connection_of_http_2_with_requests)
{
    static char much[700 * 1000]; /* more than a window */
    house h;
    kt_websocket *a = NULL, *b = NULL;
    house_open(&h);
    for (size_t i = 0; i < sizeof much; i++)
        much[i] = (char)(i * i >> 3);
    CHECK_OK(kt_websocket_connect(h.web, h.url, NULL, &a));
    CHECK_OK(kt_websocket_connect(h.web, h.url, NULL, &b));
    CHECK(!h.key);
    CHECK_EQ(h.guarded, 0);
    check_echo(a, "one", 3);
    check_echo(b, "two", 3);
    check_echo(a, much, sizeof much);
    check_echo(b, "", 0);
    CHECK_STR(ask(h.web, "/plain"), "200 hello\n");
    kt_websocket_close(b);
    CHECK_OK(kt_event_wait(&h.done));
    CHECK_EQ(h.code, 1000);
    check_echo(a, "three", 5);
    kt_websocket_close(a);
    CHECK_EQ(facts_of(h.web).opened, 1);
    CHECK_EQ(facts_of(h.web).idle, 1);
    house_close(&h);
}

TEST(a_closing_handshake_ends_both_ends_in_good_order)
{
    house h;
    kt_websocket *ws = NULL;
    kt_websocket_message m;
    house_open(&h);
    CHECK_OK(kt_websocket_connect(h.web, h.url, NULL, &ws));
    CHECK_OK(kt_websocket_shutdown(ws, 4000, "enough"));
    CHECK_EQ(kt_websocket_read(ws, &m), 0);
    CHECK_EQ(kt_websocket_close_code(ws), 4000);
    kt_websocket_close(ws);
    CHECK_OK(kt_event_wait(&h.done));
    CHECK_OK(h.rc);
    CHECK_EQ(h.code, 4000);
    house_close(&h);
}

TEST(subprotocols_and_compression_are_agreed_upon_over_http_2)
{
    static const char *const ours[] = {"tea", "coffee", NULL}, *const theirs[] = {"coffee", NULL};
    static char text[10000];
    house h;
    kt_websocket *ws = NULL;
    house_open(&h);
    memset(text, 'a', sizeof text);
    h.o.protocols = theirs;
    CHECK_OK(kt_websocket_connect(h.web, h.url, &(kt_websocket_options){.protocols = ours}, &ws));
    CHECK_STR(kt_websocket_protocol(ws), "coffee");
    check_echo(ws, text, sizeof text);
    kt_websocket_close(ws);
    house_close(&h);
}

TEST(what_answers_no_upgrade_is_told_by_its_status)
{
    house h;
    char url[80];
    kt_websocket *ws = NULL;
    house_open(&h);
    snprintf(url, sizeof url, "%splain", h.url);
    CHECK_ERR(kt_websocket_connect(h.web, url, NULL, &ws), KT_EPROTOCOL);
    CHECK_STR(kt_error_detail(), "WebSocket: the server answered with 501");
    house_close(&h);
}

TEST(a_server_that_stops_ends_websockets_on_streams)
{
    house h;
    kt_websocket *ws = NULL;
    kt_websocket_message m;
    house_open(&h);
    CHECK_OK(kt_websocket_connect(h.web, h.url, NULL, &ws));
    check_echo(ws, "one", 3);
    kt_task_cancel(h.s.task);
    CHECK_EQ(kt_websocket_read(ws, &m), 0);
    CHECK_EQ(kt_websocket_close_code(ws), 1001);
    kt_websocket_close(ws);
    house_close(&h);
}

KT_FN(reads_one, a, struct { kt_websocket *ws; })
{
    kt_websocket_message m;
    return kt_websocket_read(a->ws, &m);
}

TEST(a_session_that_is_closed_wakes_websockets_on_streams)
{
    house h;
    kt_websocket *ws = NULL;
    kt_task *t;
    house_open(&h);
    CHECK_OK(kt_websocket_connect(h.web, h.url, NULL, &ws));
    CHECK_OK(kt_spawn(KT_WITH(reads_one, .ws = ws), &t));
    CHECK_OK(kt_sleep(0));
    kt_http_session_close(kt_steal(h.web));
    CHECK_ERR(kt_task_join(t), KT_ECLOSED);
    kt_websocket_close(ws);
    house_close(&h);
}

TEST(a_read_that_is_cancelled_loses_nothing)
{
    house h;
    kt_websocket *ws = NULL;
    kt_task *t;
    house_open(&h);
    CHECK_OK(kt_websocket_connect(h.web, h.url, NULL, &ws));
    CHECK_OK(kt_spawn(KT_WITH(reads_one, .ws = ws), &t));
    CHECK_OK(kt_sleep(0));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    check_echo(ws, "one", 3);
    kt_websocket_close(ws);
    house_close(&h);
}

TEST(a_peer_on_a_stream_that_answers_no_close_is_waited_for_as_long_as_said)
{
    const kt_websocket_options o = {.close_timeout = KT_S(3)};
    house h;
    char url[80];
    kt_websocket *ws = NULL;
    kt_websocket_message m;
    sim_only();
    house_open(&h);
    snprintf(url, sizeof url, "%sdeaf", h.url);
    CHECK_OK(kt_websocket_connect(h.web, url, &o, &ws));
    kt_time start = kt_now();
    CHECK_OK(kt_websocket_shutdown(ws, 1000, NULL));
    CHECK_ERR(kt_websocket_read(ws, &m), KT_EINCOMPLETE);
    CHECK_EQ(kt_now() - start, KT_S(3));
    kt_websocket_close(ws);
    CHECK_STR(ask(h.web, "/plain"), "200 hello\n");
    CHECK_EQ(facts_of(h.web).opened, 1);
    house_close(&h);
}

TEST(a_peer_on_a_stream_that_takes_nothing_is_given_up)
{
    static char much[1024 * 1024];
    const kt_websocket_options o = {.write_timeout = KT_S(3), .no_deflate = true};
    house h;
    char url[80];
    kt_websocket *ws = NULL;
    int rc = 0;
    sim_only();
    house_open(&h);
    snprintf(url, sizeof url, "%sdeaf", h.url);
    CHECK_OK(kt_websocket_connect(h.web, url, &o, &ws));
    kt_time start = kt_now();
    for (int i = 0; rc == 0 && i < 10; i++)
        rc = kt_websocket_write(ws, KT_WEBSOCKET_BINARY, much, sizeof much);
    CHECK_ERR(rc, -ETIMEDOUT);
    CHECK_EQ(kt_now() - start, KT_S(3));
    kt_websocket_close(ws);
    CHECK_STR(ask(h.web, "/plain"), "200 hello\n");
    CHECK_EQ(facts_of(h.web).opened, 1);
    house_close(&h);
}

TEST(a_server_that_does_not_speak_http_2_is_asked_for_a_websocket_once)
{
    parrot p = {.script = {{"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"}, {""}}};
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    kt_websocket *ws = NULL;
    char url[64];
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){.version = KT_HTTP_2});
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", p.port);
    CHECK_LT(kt_websocket_connect(s, url, NULL, &ws), 0);
    CHECK_EQ(p.connections, 1);
    kt_http_session_close(s);
    parrot_close(&p);
}

static void says_nothing(peer *p, uint32_t id)
{
    (void)p;
    (void)id;
}

TEST(a_server_that_offers_no_extended_connect_is_not_asked)
{
    evil e = {.acts = says_nothing};
    kt_websocket *ws = NULL;
    char url[64];
    evil_open(&e, (kt_http_session_options){0});
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", kt_listener_port(e.l));
    CHECK_ERR(kt_websocket_connect(e.web, url, NULL, &ws), -EPROTONOSUPPORT);
    evil_close(&e);
}
