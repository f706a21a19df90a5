/* SPDX-License-Identifier: MIT */
/* Broadcast to WebSockets: over pairs in memory, and with compression over the simulated network. */
#include "client_site.h"

#include "http/websocket_private.h"

enum { ROOM = 2000, SIZE = 1000, MANY = 50 };

typedef struct peer {
    kt_websocket *server, *client;
    int got, first, last, disorder, rc;
} peer;

static peer peer_open(kt_websocket_hub *hub, const char *topic)
{
    kt_stream *two[2];
    peer p = {NULL, NULL, 0, -1, -1, 0, 0};
    const kt_websocket_options o = {.close_timeout = KT_S(1), .ping_interval = -1};
    CHECK_OK(kt_stream_memory_pair(ROOM, two));
    CHECK_OK(kt_websocket_over(two[0], false, &o, &p.server));
    CHECK_OK(kt_websocket_over(two[1], true, &o, &p.client));
    CHECK_OK(kt_websocket_hub_subscribe(hub, p.server, topic));
    return p;
}

static int number_of(kt_slice text)
{
    int n = 0;
    for (size_t i = 0; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        n = n * 10 + text.data[i] - '0';
    return n;
}

static int reads(void *arg)
{
    peer *p = *(peer **)arg;
    kt_websocket_message m;
    while ((p->rc = kt_websocket_read(p->client, &m)) > 0) {
        int i = number_of(m.data);
        p->first = p->got++ == 0 ? i : p->first;
        p->disorder += i <= p->last;
        p->last = i;
    }
    return 0;
}

static kt_task *reader(peer *p)
{
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(reads, &p, sizeof p, &t));
    return t;
}

static void peer_close(peer *p, kt_task *t)
{
    kt_websocket_close(kt_steal(p->server));
    CHECK_OK(kt_task_join(t));
    kt_websocket_close(kt_steal(p->client));
}

static int publish(kt_websocket_hub *hub, const char *topic, int i)
{
    char text[SIZE] = "";
    snprintf(text, sizeof text, "%d", i);
    return kt_websocket_hub_publish(hub, topic, KT_WEBSOCKET_BINARY, text, sizeof text);
}

TEST(subscribers_of_a_topic_get_its_messages_in_order)
{
    kt_websocket_hub *hub = NULL;
    CHECK_OK(kt_websocket_hub_new(NULL, &hub));
    peer a = peer_open(hub, "a"), b = peer_open(hub, "b");
    kt_task *at = reader(&a), *bt = reader(&b);
    CHECK_OK(kt_websocket_hub_subscribe(hub, b.server, "a"));
    CHECK_OK(kt_websocket_hub_subscribe(hub, b.server, "a"));
    CHECK_EQ(kt_websocket_hub_count(hub, "a"), 2);
    CHECK_EQ(kt_websocket_hub_count(hub, NULL), 3);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(publish(hub, i % 2 ? "a" : "b", i), i % 2 ? 2 : 1);
    CHECK_EQ(publish(hub, "c", MANY), 0);
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK_EQ(a.got, MANY / 2);
    CHECK_EQ(b.got, MANY);
    CHECK_EQ(a.disorder + b.disorder, 0);
    kt_websocket_hub_unsubscribe(hub, a.server, "a");
    CHECK_EQ(publish(hub, "a", MANY), 1);
    peer_close(&a, at);
    peer_close(&b, bt);
    CHECK_EQ(b.last, MANY);
    CHECK_EQ(kt_websocket_hub_count(hub, NULL), 0);
    kt_websocket_hub_free(hub);
}

/* One that reads all along, and one that begins when all has been said. */
static void with_slow(kt_websocket_slow slow, peer *ret_slow)
{
    const kt_websocket_hub_options o = {.queue_bytes_max = 10000, .slow = slow};
    kt_websocket_hub *hub = NULL;
    CHECK_OK(kt_websocket_hub_new(&o, &hub));
    peer quick = peer_open(hub, "a");
    *ret_slow = peer_open(hub, "a");
    kt_task *qt = reader(&quick);
    for (int i = 0; i < MANY; i++) {
        CHECK(publish(hub, "a", i) >= 1);
        CHECK_OK(kt_sleep(KT_MS(1)));
    }
    CHECK_EQ(quick.got, MANY);
    kt_task *st = reader(ret_slow);
    CHECK_OK(kt_sleep(KT_S(1)));
    peer_close(&quick, qt);
    peer_close(ret_slow, st);
    CHECK_EQ(ret_slow->disorder, 0);
    kt_websocket_hub_free(hub);
}

TEST(a_slow_reader_that_loses_the_oldest_gets_the_newest)
{
    peer slow;
    with_slow(KT_WEBSOCKET_DROP_OLDEST, &slow);
    CHECK_EQ(slow.last, MANY - 1);
    CHECK(slow.got > 5 && slow.got < 15);
}

TEST(a_slow_reader_that_loses_the_newest_gets_the_oldest)
{
    peer slow;
    with_slow(KT_WEBSOCKET_DROP_NEWEST, &slow);
    CHECK_EQ(slow.first, 0);
    CHECK_EQ(slow.last, slow.got - 1);
    CHECK(slow.got > 5 && slow.got < 15);
}

TEST(a_slow_reader_is_cut_off)
{
    peer slow;
    with_slow(KT_WEBSOCKET_CUT, &slow);
    CHECK(slow.rc < 0);
    CHECK(slow.got < 5);
}

typedef struct saying {
    kt_websocket_hub *hub;
    int rc;
} saying;

static int says_all(void *arg)
{
    saying *s = *(saying **)arg;
    s->rc = 0;
    for (int i = 0; i < MANY && s->rc >= 0; i++)
        s->rc = publish(s->hub, "a", i);
    return s->rc < 0 ? s->rc : 0;
}

/* How the wait ends: the slow one reads; it closes; the publisher is cancelled. */
static void wait_until(int how)
{
    const kt_websocket_hub_options o = {.queue_bytes_max = 10038, .slow = KT_WEBSOCKET_WAIT};
    saying s = {NULL, 1}, *at = &s;
    kt_task *t = NULL;
    CHECK_OK(kt_websocket_hub_new(&o, &s.hub));
    peer quick = peer_open(s.hub, "a"), slow = peer_open(s.hub, "a");
    kt_task *qt = reader(&quick), *st = NULL;
    CHECK_OK(kt_spawn(says_all, &at, sizeof at, &t));
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK(quick.got > 5 && quick.got < 15);
    if (how == 0)
        st = reader(&slow);
    else if (how == 1)
        kt_websocket_close(kt_steal(slow.server));
    else
        kt_task_cancel(t);
    CHECK_EQ(kt_task_join(t), how == 2 ? KT_ECANCELED : 0);
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK(how == 2 ? quick.got < 15 : quick.got == MANY);
    peer_close(&quick, qt);
    peer_close(&slow, st ? st : reader(&slow));
    CHECK(how > 0 || slow.got == MANY);
    kt_websocket_hub_free(s.hub);
}

TEST(a_publisher_waits_for_the_slowest)
{
    wait_until(0);
}

TEST(a_publisher_no_longer_waits_for_one_that_closes)
{
    wait_until(1);
}

TEST(a_publisher_that_waits_can_be_cancelled)
{
    wait_until(2);
}

/* What a slow reader is sent, by the first bytes of the frames: numbers, "P" for a ping, and "C" for the close, behind
 * which nothing comes. Its hub's queue overflows both before and behind them. */
static const char *sent_with_control(kt_websocket_slow slow, bool close)
{
    static char text[1000];
    const kt_websocket_hub_options o = {.queue_bytes_max = 3100, .slow = slow};
    kt_websocket_hub *hub = NULL;
    kt_websocket *ws = NULL;
    kt_stream *two[2];
    char bytes[4 + SIZE];
    size_t n = 0;
    CHECK_OK(kt_websocket_hub_new(&o, &hub));
    CHECK_OK(kt_stream_memory_pair(ROOM, two));
    CHECK_OK(kt_websocket_over(two[0], false, &(kt_websocket_options){.close_timeout = KT_S(1)}, &ws));
    CHECK_OK(kt_websocket_hub_subscribe(hub, ws, "a"));
    for (int i = 0; i < 9; i++)
        CHECK_LE(0, publish(hub, "a", i));
    CHECK_OK(kt__ws_hub_control(hub, ws, KT__WS_PING, (kt_slice){NULL, 0}));
    if (close)
        CHECK_OK(kt__ws_hub_control(hub, ws, KT__WS_CLOSE, (kt_slice){"\x03\xe9", 2}));
    for (int i = 9; i < 14; i++)
        CHECK_EQ(publish(hub, "a", i), !close && slow == KT_WEBSOCKET_DROP_OLDEST);
    if (close) {
        CHECK_OK(kt__ws_hub_control(hub, ws, KT__WS_CLOSE, (kt_slice){"\x03\xe9", 2}));
        CHECK_ERR(kt__ws_hub_control(hub, ws, KT__WS_PING, (kt_slice){NULL, 0}), KT_ECLOSED);
    }
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    while (kt_stream_read_exactly(two[1], bytes, 2) == 0) {
        int opcode = bytes[0] & 15;
        size_t size = opcode == KT__WS_BINARY ? 2 + SIZE : (size_t)bytes[1];
        CHECK_OK(kt_stream_read_exactly(two[1], bytes, size));
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n > 0 ? " " : "",
                              opcode == KT__WS_BINARY ? bytes + 2 : opcode == KT__WS_PING ? "P" : "C");
    }
    CHECK_ERR(kt_timeout_end(&limit, KT_ETIMEDOUT), KT_ETIMEDOUT);
    kt_stream_close(two[1]);
    kt_websocket_close(ws);
    kt_websocket_hub_free(hub);
    return text;
}

TEST(a_full_queue_loses_no_control_frames)
{
    CHECK_STR(sent_with_control(KT_WEBSOCKET_DROP_OLDEST, false), "0 1 P 12 13");
    CHECK_STR(sent_with_control(KT_WEBSOCKET_DROP_NEWEST, false), "0 1 2 3 P");
}

TEST(nothing_comes_behind_a_close_that_is_queued)
{
    CHECK_STR(sent_with_control(KT_WEBSOCKET_DROP_OLDEST, true), "0 1 7 8 P C");
    CHECK_STR(sent_with_control(KT_WEBSOCKET_DROP_NEWEST, true), "0 1 2 3 P C");
}

TEST(a_publisher_waits_no_longer_for_one_that_is_to_get_a_close)
{
    const kt_websocket_hub_options o = {.queue_bytes_max = 3100, .slow = KT_WEBSOCKET_WAIT};
    saying s = {NULL, 1}, *at = &s;
    kt_task *t = NULL;
    CHECK_OK(kt_websocket_hub_new(&o, &s.hub));
    peer slow = peer_open(s.hub, "a");
    CHECK_OK(kt_spawn(says_all, &at, sizeof at, &t));
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK_EQ(s.rc, 1); /* it waits */
    CHECK_OK(kt__ws_hub_control(s.hub, slow.server, KT__WS_CLOSE, (kt_slice){"\x03\xe9", 2}));
    CHECK_OK(kt_task_join(t));
    kt_task *st = reader(&slow);
    CHECK_OK(kt_task_join(st));
    CHECK_EQ(slow.rc, 0);
    CHECK_EQ(kt_websocket_close_code(slow.client), 1001);
    CHECK_LT(slow.got, MANY);
    kt_websocket_close(slow.client);
    kt_websocket_close(slow.server);
    kt_websocket_hub_free(s.hub);
}

TEST(a_freed_hub_leaves_no_sender)
{
    kt_websocket_hub *hub = NULL;
    CHECK_OK(kt_websocket_hub_new(NULL, &hub));
    peer p = peer_open(hub, "a");
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(publish(hub, "a", i), 1);
    kt_websocket_hub_free(hub);
    peer_close(&p, reader(&p));
    CHECK(p.got < 5);
}

TEST(a_connection_that_can_send_no_more_drops_out)
{
    kt_websocket_hub *hub = NULL;
    CHECK_OK(kt_websocket_hub_new(NULL, &hub));
    peer p = peer_open(hub, "a");
    kt_task *t = reader(&p);
    CHECK_OK(kt_websocket_shutdown(p.server, 1001, NULL));
    CHECK_EQ(publish(hub, "a", 1), 0);
    CHECK_EQ(kt_websocket_hub_count(hub, NULL), 0);
    peer_close(&p, t);
    CHECK_EQ(p.got, 0);
    kt_websocket_hub_free(hub);
}

TEST(pieces_of_a_message_are_not_torn_apart)
{
    kt_websocket_hub *hub = NULL;
    CHECK_OK(kt_websocket_hub_new(NULL, &hub));
    peer p = peer_open(hub, "a");
    kt_task *t = reader(&p);
    CHECK_OK(kt_websocket_write_part(p.server, KT_WEBSOCKET_TEXT, "1", 1, false));
    CHECK_EQ(publish(hub, "a", 7), 1);
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK_EQ(p.got, 0);
    CHECK_OK(kt_websocket_write_part(p.server, KT_WEBSOCKET_TEXT, "2", 1, true));
    CHECK_OK(kt_sleep(KT_S(1)));
    CHECK_EQ(p.got, 2);
    CHECK_EQ(p.first, 12);
    CHECK_EQ(p.disorder, 1);
    peer_close(&p, t);
    kt_websocket_hub_free(hub);
}

/* One frame for all, and nothing else while nothing has to wait. */
TEST(a_message_is_framed_once_for_all_subscribers)
{
    enum { PEERS = 10 };
    kt_websocket_hub *hub = NULL;
    peer peers[PEERS];
    kt_task *readers[PEERS];
    CHECK_OK(kt_websocket_hub_new(NULL, &hub));
    for (int i = 0; i < PEERS; i++)
        peers[i] = peer_open(hub, "a");
    uint64_t before = kt_test_allocations();
    CHECK_EQ(publish(hub, "a", 1), PEERS);
    CHECK_EQ(kt_test_allocations() - before, 1);
    for (int i = 0; i < PEERS; i++)
        readers[i] = reader(&peers[i]);
    for (int i = 0; i < PEERS; i++)
        peer_close(&peers[i], readers[i]);
    for (int i = 0; i < PEERS; i++)
        CHECK_EQ(peers[i].got, 1);
    kt_websocket_hub_free(hub);
}

/* ---- With compression -------------------------------------------------------------------------- */

#define WORDS "the same words, the same words, the same words, the same words, the same words, the same words"

#define OTHERS "0123456789abcdefghijklmnopqrstuvwxyz-0123456789abcdefghijklmnopqrstuvwxyz-0123456789"

static int relays(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    int rc = kt_websocket_accept(x, NULL, &ws);
    if (rc == 0)
        rc = kt_websocket_hub_subscribe(arg, ws, "a");
    while (rc >= 0 && (rc = kt_websocket_read(ws, &m)) > 0) {
        rc = kt_websocket_write(ws, m.kind, m.data.data, m.data.size);
        if (rc == 0)
            rc = kt_websocket_hub_publish(arg, "a", m.kind, OTHERS, sizeof OTHERS - 1);
    }
    return rc;
}

/* Own messages refer to earlier own ones, unless a shared one has come between. */
TEST(shared_messages_mix_with_compressed_ones_of_the_connection)
{
    kt_websocket_hub *hub = NULL;
    kt_websocket *ws = NULL;
    kt_websocket_message m;
    CHECK_OK(kt_websocket_hub_new(NULL, &hub));
    net n = net_open((kt_test_network_options){0});
    site s;
    site_open(&s, NULL, relays, hub);
    kt_http_session *web = session_for(kt_listener_port(s.l), (kt_http_session_options){0});
    CHECK_OK(kt_websocket_connect(web, "/", NULL, &ws));
    for (int i = 0; i < 5; i++) {
        CHECK_OK(kt_websocket_write(ws, KT_WEBSOCKET_TEXT, WORDS, sizeof WORDS - 1));
        for (int j = 0; j < 2; j++) {
            CHECK_EQ(kt_websocket_read(ws, &m), 1);
            CHECK(kt_slice_is(m.data, j == 0 ? WORDS : OTHERS));
        }
    }
    kt_websocket_close(ws);
    kt_http_session_close(web);
    site_close(&s);
    net_cleanup(&n);
    kt_websocket_hub_free(hub);
}
