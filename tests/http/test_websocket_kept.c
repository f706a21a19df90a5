/* SPDX-License-Identifier: MIT */
/* WebSockets that a hub serves without a task each. */
#include "client_site.h"

#include <kettle/websocket_hub.h>

enum { PEERS = 20 };

typedef struct place {
    kt_websocket_hub *hub;
    kt_websocket_options o;
    kt_http_session *web;
    int said, ends, rc;
    char last[64];
} place;

static place p; /* each test is a process of its own */

/* "subscribe X" and "say X"; "leave" is refused. */
static int hears(kt_websocket_hub *hub, kt_websocket *ws, const kt_websocket_message *m, void *arg)
{
    CHECK(arg == &p);
    p.said++;
    snprintf(p.last, sizeof p.last, "%.*s", (int)m->data.size, m->data.data);
    if (strcmp(p.last, "leave") == 0)
        return -EPERM;
    if (strcmp(p.last, "bye") == 0)
        return kt_websocket_shutdown(ws, 1000, "so be it");
    int n = kt_websocket_hub_publish(hub, "news", m->kind, m->data.data, m->data.size);
    return n < 0 ? n : 0;
}

static void ended(kt_websocket_hub *hub, kt_websocket *ws, int rc, void *arg)
{
    (void)hub;
    (void)ws;
    CHECK(arg == &p);
    p.ends++;
    p.rc = rc;
}

static int reads_news(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_websocket) *ws = NULL;
    (void)arg;
    int rc = kt_websocket_accept(x, &p.o, &ws);
    if (rc == 0)
        rc = kt_websocket_hub_subscribe(p.hub, ws, "news");
    if (rc == 0)
        rc = kt_websocket_hub_keep(p.hub, &ws);
    CHECK(rc < 0 || !ws);
    return rc;
}

static void place_open(site *s, const kt_http_options *o)
{
    const kt_websocket_hub_options hub = {.on_message = hears, .on_end = ended, .arg = &p};
    CHECK_OK(kt_websocket_hub_new(&hub, &p.hub));
    site_open(s, o, reads_news, NULL);
    p.web = session_for(kt_listener_port(s->l), (kt_http_session_options){0});
}

static void leave_place(site *s)
{
    site_close(s);
    kt_http_session_close(p.web);
}

static kt_websocket *come(void)
{
    const kt_websocket_options o = {.ping_interval = -1, .close_timeout = KT_S(2)};
    kt_websocket *ws = NULL;
    CHECK_OK(kt_websocket_connect(p.web, "/", &o, &ws));
    return ws;
}

static void settle(void)
{
    for (int i = 0; i < 20; i++)
        CHECK_OK(kt_sleep(KT_MS(2)));
}

static void listen_for(kt_websocket *ws, const char *text)
{
    kt_websocket_message m;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, PATIENCE);
    CHECK_EQ(kt_timeout_end(&limit, kt_websocket_read(ws, &m)), 1);
    CHECK_SLICE(m.data, text);
}

static void say_to(kt_websocket *ws, const char *text)
{
    CHECK_OK(kt_websocket_write(ws, KT_WEBSOCKET_TEXT, text, strlen(text)));
}

TEST_WITH(kept_connections_get_messages_and_say_some_without_tasks, KT_TEST_REAL_TIME)
{
    site s;
    kt_websocket *ws[PEERS];
    place_open(&s, NULL);
    size_t before = kt_task_each(NULL, NULL);
    for (int i = 0; i < PEERS; i++)
        ws[i] = come();
    settle();
    CHECK_LE(kt_task_each(NULL, NULL), before + 2); /* the hub's keeper, and the session's */
    CHECK_EQ(kt_websocket_hub_count(p.hub, "news"), PEERS);
    CHECK_EQ(kt_websocket_hub_publish(p.hub, "news", KT_WEBSOCKET_TEXT, "rain", 4), PEERS);
    for (int i = 0; i < PEERS; i++)
        listen_for(ws[i], "rain");
    for (int round = 0; round < 3; round++) {
        say_to(ws[round], "sun");
        for (int i = 0; i < PEERS; i++)
            listen_for(ws[i], "sun");
    }
    CHECK_EQ(p.said, 3);
    settle();
    CHECK_LE(kt_task_each(NULL, NULL), before + 2);
    for (int i = 0; i < PEERS; i++)
        kt_websocket_close(ws[i]);
    settle();
    CHECK_EQ(p.ends, PEERS);
    CHECK_EQ(p.rc, 0);
    CHECK_EQ(kt_websocket_hub_count(p.hub, NULL), 0);
    leave_place(&s);
    kt_websocket_hub_free(p.hub);
}

TEST_WITH(a_kept_connection_answers_pings_and_closes, KT_TEST_REAL_TIME)
{
    site s;
    place_open(&s, NULL);
    kt_websocket *ws = come();
    for (int i = 0; i < 3; i++) {
        CHECK_OK(kt_websocket_ping(ws, "x", 1));
        settle();
    }
    say_to(ws, "hello");
    listen_for(ws, "hello");
    CHECK_OK(kt_websocket_shutdown(ws, 3999, "enough"));
    kt_websocket_message m;
    CHECK_EQ(kt_websocket_read(ws, &m), 0);
    CHECK_EQ(kt_websocket_close_code(ws), 3999);
    kt_websocket_close(ws);
    settle();
    CHECK_EQ(p.ends, 1);
    CHECK_EQ(p.rc, 0);
    leave_place(&s);
    kt_websocket_hub_free(p.hub);
}

TEST_WITH(one_whose_words_are_refused_is_ended, KT_TEST_REAL_TIME)
{
    site s;
    kt_websocket_message m;
    place_open(&s, NULL);
    kt_websocket *ws = come(), *other = come();
    say_to(ws, "leave");
    CHECK_EQ(kt_websocket_read(ws, &m), 0);
    kt_websocket_close(ws);
    settle();
    CHECK_EQ(p.ends, 1);
    CHECK_EQ(p.rc, -EPERM);
    say_to(other, "bye");
    CHECK_EQ(kt_websocket_read(other, &m), 0);
    CHECK_STR(kt_websocket_close_reason(other), "so be it");
    kt_websocket_close(other);
    settle();
    CHECK_EQ(p.ends, 2);
    CHECK_EQ(p.rc, 0);
    leave_place(&s);
    kt_websocket_hub_free(p.hub);
}

static int closes_when_told(void *arg)
{
    kt_websocket_message m;
    kt_websocket *ws = arg;
    int rc = kt_websocket_read(ws, &m);
    CHECK_EQ(rc, 0);
    CHECK_EQ(kt_websocket_close_code(ws), 1001);
    kt_websocket_close(ws);
    return 0;
}

TEST_WITH(a_server_that_stops_says_so_to_those_it_keeps, KT_TEST_REAL_TIME)
{
    site s;
    kt_task *t[3];
    place_open(&s, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_OK(kt_spawn(closes_when_told, come(), 0, &t[i]));
    settle();
    leave_place(&s);
    for (int i = 0; i < 3; i++)
        CHECK_OK(kt_task_join(t[i]));
    CHECK_EQ(p.ends, 3);
    CHECK_EQ(p.rc, 0);
    kt_websocket_hub_free(p.hub);
}

TEST_WITH(one_that_does_not_answer_a_stop_is_cut_after_the_grace_period, KT_TEST_REAL_TIME)
{
    const kt_http_options o = {.grace = KT_MS(50)};
    site s;
    place_open(&s, &o);
    kt_websocket *ws = come(); /* which does not read */
    settle();
    leave_place(&s);
    CHECK_EQ(p.ends, 1);
    CHECK(p.rc < 0);
    kt_websocket_close(ws);
    kt_websocket_hub_free(p.hub);
}

TEST_WITH(a_silent_peer_is_asked_and_given_up, KT_TEST_REAL_TIME)
{
    site s;
    p.o = (kt_websocket_options){.ping_interval = KT_MS(100), .ping_timeout = KT_MS(100)};
    place_open(&s, NULL);
    kt_websocket *mute = come(), *answers = come();
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(closes_when_told, answers, 0, &t)); /* and so answers pings */
    for (int i = 0; i < 500 && p.ends == 0; i++)
        CHECK_OK(kt_sleep(KT_MS(10)));
    CHECK_EQ(p.ends, 1);
    CHECK_EQ(p.rc, -ETIMEDOUT);
    leave_place(&s);
    CHECK_OK(kt_task_join(t));
    kt_websocket_close(mute);
    kt_websocket_hub_free(p.hub);
}

/* A client by hand, whose connection is kept. */
static kt_stream *come_by_hand(const site *s)
{
    kt_stream *c = dial(s);
    heard h = {.size = 0};
    say(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    CHECK(strstr(hear(c, &h, "\r\n\r\n"), "101"));
    return c;
}

/* Without a mask that changes anything. */
static int says_masked(kt_stream *c, const char *text)
{
    char bytes[6 + 100] = {(char)0x81, (char)(0x80 | strlen(text))};
    memcpy(bytes + 6, text, strlen(text));
    return kt_stream_write(c, bytes, 6 + strlen(text));
}

static int chatters(void *arg)
{
    int rc = 0;
    while (rc == 0 && (rc = says_masked(arg, "blah")) == 0)
        rc = kt_sleep(KT_MS(20));
    return 0;
}

/* The hub's answer to "bye" is a close; or the server's is, which stops. */
static void answers_no_close(bool chatty, bool stopping)
{
    site s;
    kt_task *t = NULL;
    const kt_http_options o = {.grace = KT_S(60)};
    p.o = (kt_websocket_options){.close_timeout = KT_MS(300), .ping_interval = -1};
    p.ends = 0;
    place_open(&s, &o);
    kt_stream *c = come_by_hand(&s);
    settle();
    kt_time start = kt_now();
    if (stopping)
        kt_task_cancel(s.task);
    else
        CHECK_OK(says_masked(c, "bye"));
    if (chatty)
        CHECK_OK(kt_spawn(chatters, c, 0, &t));
    while (p.ends == 0 && kt_now() - start < PATIENCE)
        CHECK_OK(kt_sleep(KT_MS(10)));
    CHECK_EQ(p.ends, 1);
    CHECK_ERR(p.rc, KT_EINCOMPLETE);
    CHECK(kt_now() - start >= KT_MS(300));
    if (t)
        CHECK_OK(kt_task_join(t)); /* the connection has ended */
    kt_stream_close(c);
    leave_place(&s);
    kt_websocket_hub_free(p.hub);
}

TEST_WITH(one_that_does_not_answer_a_close_is_waited_for_no_longer_than_said, KT_TEST_REAL_TIME)
{
    answers_no_close(false, false);
    answers_no_close(false, true);
}

TEST_WITH(nor_is_one_that_says_other_things, KT_TEST_REAL_TIME)
{
    answers_no_close(true, false);
    answers_no_close(true, true);
}

/* On the simulated network, where a task waits, for the time itself. */
TEST(one_whose_close_is_late_is_ended_at_once)
{
    kt_auto(net) n = net_open((kt_test_network_options){.latency = KT_MS(1)});
    (void)n;
    sim_only();
    for (int i = 0; i < 4; i++) {
        kt_time start = kt_now();
        answers_no_close(i & 1, i & 2);
        CHECK_LT(kt_now() - start, KT_S(1));
    }
}

TEST_WITH(one_that_answers_no_ping_is_told_why_it_is_ended, KT_TEST_REAL_TIME)
{
    static const char all[] = "\x89\0\x88\x15\x03\xf3no answer to a ping"; /* 1011 */
    char bytes[sizeof all];
    site s;
    p.o = (kt_websocket_options){.ping_interval = KT_MS(50), .ping_timeout = KT_MS(50)};
    place_open(&s, NULL);
    kt_stream *c = come_by_hand(&s);
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, PATIENCE);
    CHECK_OK(kt_stream_read_exactly(c, bytes, sizeof all - 1));
    CHECK_MEM(bytes, all, sizeof all - 1);
    CHECK_EQ(kt_stream_read(c, bytes, sizeof bytes), 0);
    CHECK_OK(kt_timeout_end(&limit, 0));
    settle();
    CHECK_EQ(p.ends, 1);
    CHECK_ERR(p.rc, -ETIMEDOUT);
    kt_stream_close(c);
    leave_place(&s);
    kt_websocket_hub_free(p.hub);
}

/* In the time of the server, whose connection it is no more. */
TEST_WITH(one_that_takes_nothing_is_given_up, KT_TEST_REAL_TIME)
{
    static const char bytes[64 * 1024];
    const kt_http_options o = {.write_timeout = KT_MS(300)};
    site s;
    p.o = (kt_websocket_options){.ping_interval = -1};
    place_open(&s, &o);
    kt_stream *c = come_by_hand(&s);
    settle();
    kt_time start = kt_now();
    while (p.ends == 0 && kt_now() - start < PATIENCE) {
        CHECK_GE(kt_websocket_hub_publish(p.hub, "news", KT_WEBSOCKET_BINARY, bytes, sizeof bytes), 0);
        CHECK_OK(kt_sleep(KT_MS(1)));
    }
    CHECK_EQ(p.ends, 1);
    CHECK_ERR(p.rc, -ETIMEDOUT);
    kt_stream_close(c);
    leave_place(&s);
    kt_websocket_hub_free(p.hub);
}

TEST_WITH(a_hub_that_goes_ends_what_it_keeps, KT_TEST_REAL_TIME)
{
    site s;
    kt_websocket_message m;
    place_open(&s, NULL);
    kt_websocket *ws = come();
    settle();
    kt_websocket_hub_free(p.hub);
    CHECK_EQ(p.ends, 1);
    CHECK(kt_websocket_read(ws, &m) <= 0);
    kt_websocket_close(ws);
    leave_place(&s);
}

/* Its client has been told of the end and does not leave: the server waits a while for that, and then the hub goes. */
TEST_WITH(a_hub_that_goes_waits_for_those_that_are_ending, KT_TEST_REAL_TIME)
{
    site s;
    place_open(&s, NULL);
    kt_stream *c = dial(&s);
    say(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    settle();
    say(c, "\x88\x80mask");
    settle();
    CHECK_EQ(p.ends, 1);
    CHECK_EQ(kt_websocket_hub_count(p.hub, NULL), 0);
    kt_websocket_hub_free(p.hub);
    kt_stream_close(c);
    leave_place(&s);
    CHECK_EQ(p.rc, 0);
}

TEST_WITH(a_connection_that_breaks_is_told_of, KT_TEST_REAL_TIME)
{
    site s;
    place_open(&s, NULL);
    kt_stream *c = dial(&s);
    say(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    settle();
    CHECK_EQ(kt_websocket_hub_count(p.hub, "news"), 1);
    kt_stream_hang_up(c, true);
    settle();
    CHECK_EQ(p.ends, 1);
    CHECK(p.rc < 0);
    kt_stream_close(c);
    leave_place(&s);
    kt_websocket_hub_free(p.hub);
}

TEST(what_no_handler_has_accepted_is_not_kept)
{
    kt_stream *two[2];
    kt_websocket *ws = NULL;
    kt_websocket_hub *hub = NULL;
    CHECK_OK(kt_websocket_hub_new(NULL, &hub));
    CHECK_OK(kt_stream_memory_pair(1000, two));
    CHECK_OK(kt_websocket_over(two[0], false, NULL, &ws));
    CHECK_ERR(kt_websocket_hub_keep(hub, &ws), -EINVAL);
    CHECK(ws != NULL);
    kt_stream_close(two[1]);
    kt_websocket_close(ws);
    kt_websocket_hub_free(hub);
}

/* On the simulated network nothing can be watched: there a task waits, and what is said and heard is the same. */
TEST(without_a_descriptor_a_task_waits_all_the_same)
{
    kt_auto(net) n = net_open((kt_test_network_options){.latency = KT_MS(1)});
    (void)n;
    site s;
    sim_only();
    p.o = (kt_websocket_options){.ping_interval = KT_S(5), .ping_timeout = KT_S(5)};
    place_open(&s, NULL);
    kt_websocket *ws = come();
    for (int i = 0; i < 3; i++) {
        say_to(ws, "hello");
        listen_for(ws, "hello");
        CHECK_OK(kt_sleep(KT_S(2)));
    }
    kt_websocket_close(ws);
    settle();
    CHECK_EQ(p.said, 3);
    CHECK_EQ(p.ends, 1);
    CHECK_EQ(p.rc, 0);
    leave_place(&s);
    kt_websocket_hub_free(p.hub);
}
