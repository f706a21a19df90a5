/* SPDX-License-Identifier: MIT */
/* How long either end waits for a peer that does not do its part: on the simulated network, against bytes by hand. */
#include "client_site.h"

#include <kettle/websocket_hub.h>

#include "http/websocket_private.h"

enum { CLOSES = 3 }; /* seconds of the close timeout */

typedef struct ends {
    net n;
    kt_websocket *ws;
    kt_stream *peer;
    bool client; /* the WebSocket is */
} ends;

static void ends_open(ends *e, bool client, const kt_websocket_options *o)
{
    kt_listener *l = NULL;
    kt_stream *near = NULL;
    sim_only();
    *e = (ends){.n = net_open((kt_test_network_options){0}), .client = client};
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(l), &near));
    CHECK_OK(kt_listener_accept(l, &e->peer));
    kt_listener_close(l);
    CHECK_OK(kt_websocket_over(near, client, o, &e->ws));
}

static void ends_close(ends *e)
{
    kt_stream_close(e->peer);
    kt_websocket_close(e->ws);
    net_cleanup(&e->n);
}

/* A frame of the peer's with a short payload. */
static int peer_says(const ends *e, unsigned opcode, const char *payload)
{
    static const uint8_t no_mask[4];
    char bytes[KT__WS_HEAD_MAX + 100];
    size_t size = strlen(payload);
    size_t head = kt__ws_head_put(bytes, opcode | KT__WS_FINAL, size, e->client ? NULL : no_mask);
    memcpy(bytes + head, payload, size);
    return kt_stream_write(e->peer, bytes, head + size);
}

static int reads_on(void *arg)
{
    kt_websocket_message m;
    int rc;
    while ((rc = kt_websocket_read(arg, &m)) > 0)
        ;
    return rc;
}

static int chatters(void *arg)
{
    int rc = 0;
    while (rc == 0 && (rc = peer_says(arg, KT__WS_TEXT, "blah")) == 0 && (rc = peer_says(arg, KT__WS_PONG, "")) == 0)
        rc = kt_sleep(KT_MS(400));
    return rc;
}

/* ---- The peer's close ------------------------------------------------------------------------ */

static const kt_websocket_options closes = {.close_timeout = KT_S(CLOSES), .ping_interval = -1};

TEST(a_peer_that_does_not_answer_a_close_is_read_from_no_longer_than_said)
{
    for (int client = 0; client < 2; client++) {
        ends e;
        char bytes[100];
        ssize_t n;
        ends_open(&e, client, &closes);
        CHECK_OK(kt_websocket_shutdown(e.ws, 4000, "go"));
        kt_time start = kt_now();
        CHECK_ERR(reads_on(e.ws), KT_EINCOMPLETE);
        CHECK_EQ(kt_now() - start, KT_S(CLOSES));
        CHECK_EQ(kt_websocket_close_code(e.ws), 1006);
        CHECK_ERR(reads_on(e.ws), KT_EINCOMPLETE);
        while ((n = kt_stream_read(e.peer, bytes, sizeof bytes)) > 0) /* and the connection has ended */
            ;
        CHECK_EQ(kt_now() - start, KT_S(CLOSES));
        ends_close(&e);
    }
}

TEST(nor_is_one_that_says_other_things)
{
    for (int client = 0; client < 2; client++) {
        ends e;
        kt_task *t = NULL;
        ends_open(&e, client, &closes);
        CHECK_OK(kt_spawn(chatters, &e, 0, &t));
        CHECK_OK(kt_sleep(KT_S(1)));
        CHECK_OK(kt_websocket_shutdown(e.ws, 4000, "go"));
        kt_time start = kt_now();
        CHECK_ERR(reads_on(e.ws), KT_EINCOMPLETE);
        CHECK_EQ(kt_now() - start, KT_S(CLOSES));
        kt_task_cancel(t);
        CHECK_LT(kt_task_join(t), 0);
        ends_close(&e);
    }
}

/* It waits without a limit of its own when the close is sent. */
TEST(a_reader_waits_no_longer_after_a_close_of_another_task)
{
    ends e;
    kt_task *t = NULL;
    ends_open(&e, true, &closes);
    CHECK_OK(kt_spawn(reads_on, e.ws, 0, &t));
    CHECK_OK(kt_sleep(KT_S(100)));
    CHECK_OK(kt_websocket_shutdown(e.ws, 4000, "go"));
    kt_time start = kt_now();
    CHECK_ERR(kt_task_join(t), KT_EINCOMPLETE);
    CHECK_EQ(kt_now() - start, KT_S(CLOSES));
    ends_close(&e);
}

TEST(a_close_that_came_in_time_may_be_read_late)
{
    ends e;
    ends_open(&e, true, &closes);
    CHECK_OK(kt_websocket_shutdown(e.ws, 4000, "go"));
    CHECK_OK(peer_says(&e, KT__WS_TEXT, "one more"));
    CHECK_OK(peer_says(&e, KT__WS_CLOSE, "\x0f\xa1"));
    CHECK_OK(kt_sleep(KT_S(10 * CLOSES)));
    CHECK_EQ(reads_on(e.ws), 0);
    CHECK_EQ(kt_websocket_close_code(e.ws), 4001);
    ends_close(&e);
}

/* ---- Silence ----------------------------------------------------------------------------------- */

/* Reads with a limit, again and again. */
static int reads_by_the_second(kt_websocket *ws)
{
    kt_websocket_message m;
    for (;;) {
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        kt_timeout_start(&limit, KT_S(1));
        int rc = kt_timeout_end(&limit, kt_websocket_read(ws, &m));
        if (rc != KT_ETIMEDOUT)
            return rc;
    }
}

TEST(a_silent_peer_is_noticed_also_by_reads_that_are_cancelled)
{
    ends e;
    ends_open(&e, true, &(kt_websocket_options){.ping_interval = KT_S(20), .ping_timeout = KT_S(10)});
    kt_time start = kt_now();
    CHECK_ERR(reads_by_the_second(e.ws), -ETIMEDOUT);
    CHECK_EQ((kt_now() - start) / KT_S(1), 30);
    CHECK_OK(peer_says(&e, KT__WS_CLOSE, "\x03\xe8"));
    ends_close(&e);
}

TEST(but_not_before_what_it_has_said_is_read)
{
    ends e;
    ends_open(&e, true, &(kt_websocket_options){.ping_interval = KT_S(20), .ping_timeout = KT_S(10)});
    for (int i = 0; i < 40; i++) {
        kt_websocket_message m;
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        kt_timeout_start(&limit, KT_S(9));
        CHECK_ERR(kt_timeout_end(&limit, kt_websocket_read(e.ws, &m)), KT_ETIMEDOUT);
        CHECK_OK(kt_sleep(KT_S(100)));
        if (i % 2)
            CHECK_OK(peer_says(&e, KT__WS_PONG, ""));
    }
    ends_close(&e);
}

/* ---- What is sent ------------------------------------------------------------------------------ */

enum { MUCH = 1024 * 1024, STRETCH = 64 * 1024 };

static const char much[MUCH];

static int writes_much(void *arg)
{
    return kt_websocket_write(arg, KT_WEBSOCKET_BINARY, much, MUCH);
}

/* Takes so much each time. */
typedef struct sips {
    kt_stream *peer;
    size_t size;
    kt_time pause;
} sips;

static int takes_sips(void *arg)
{
    static char bytes[STRETCH];
    const sips *s = arg;
    int rc;
    while ((rc = kt_stream_read_exactly(s->peer, bytes, s->size)) == 0 && (rc = kt_sleep(s->pause)) == 0)
        ;
    return rc;
}

TEST(a_write_waits_for_a_peer_that_takes_nothing_no_longer_than_said)
{
    for (int client = 0; client < 2; client++) {
        ends e;
        kt_task *others[2] = {NULL, NULL};
        ends_open(&e, client, &closes);
        CHECK_OK(kt_spawn(writes_much, e.ws, 0, &others[0]));
        CHECK_OK(kt_spawn(reads_on, e.ws, 0, &others[1]));
        CHECK_OK(kt_sleep(0));
        kt_time start = kt_now();
        CHECK_ERR(writes_much(e.ws), -ETIMEDOUT); /* which waits for its turn */
        CHECK_EQ(kt_now() - start, KT_S(30));
        CHECK_ERR(kt_task_join(others[0]), -ETIMEDOUT);
        CHECK_ERR(kt_task_join(others[1]), -ETIMEDOUT);
        CHECK_EQ(kt_now() - start, KT_S(30));
        CHECK_ERR(writes_much(e.ws), -ETIMEDOUT);
        ends_close(&e);
        CHECK_EQ(kt_now() - start, KT_S(30));
    }
}

/* A write that takes longer than the timeout in all, by a peer that takes enough, or not. */
static int written_to(bool client, size_t sip, kt_time pause, kt_time limit)
{
    ends e;
    kt_task *t = NULL;
    ends_open(&e, client, &(kt_websocket_options){.write_timeout = limit, .no_deflate = true});
    sips s = {e.peer, sip, pause};
    CHECK_OK(kt_spawn(takes_sips, &s, 0, &t));
    int rc = writes_much(e.ws);
    kt_task_cancel(t);
    CHECK_LT(kt_task_join(t), 0);
    ends_close(&e);
    return rc;
}

TEST(one_that_takes_enough_may_take_long)
{
    for (int client = 0; client < 2; client++) {
        CHECK_OK(written_to(client, STRETCH, KT_S(8), KT_S(10)));
        CHECK_ERR(written_to(client, 1024, KT_S(1), KT_S(10)), -ETIMEDOUT);
        CHECK_OK(written_to(client, 1024, KT_S(1), -1));
    }
}

static int poured_rc = 1;

static int pours(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_websocket) *ws = NULL;
    int rc = kt_websocket_accept(x, arg, &ws);
    while (rc == 0)
        rc = writes_much(ws);
    poured_rc = rc;
    return rc;
}

/* How long a handler pours. */
static kt_time poured_for(const kt_websocket_options *accepts)
{
    const kt_http_options o = {.write_timeout = KT_S(7)};
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    site s;
    kt_websocket *ws = NULL;
    sim_only();
    poured_rc = 1;
    site_open(&s, &o, pours, (void *)(uintptr_t)accepts);
    kt_http_session *web = session_for(kt_listener_port(s.l), (kt_http_session_options){0});
    CHECK_OK(kt_websocket_connect(web, "/", &(kt_websocket_options){.no_deflate = true}, &ws));
    kt_time start = kt_now();
    while (poured_rc > 0)
        CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK_ERR(poured_rc, -ETIMEDOUT);
    kt_time lasted = kt_now() - start;
    kt_websocket_close(ws);
    kt_http_session_close(web);
    site_close(&s);
    return lasted;
}

TEST(what_a_server_has_accepted_has_its_write_timeout)
{
    CHECK_EQ(poured_for(NULL) / KT_MS(10), KT_S(7) / KT_MS(10));
    CHECK_EQ(poured_for(&(kt_websocket_options){.write_timeout = KT_S(4)}) / KT_MS(10), KT_S(4) / KT_MS(10));
}

TEST(a_subscriber_that_takes_nothing_drops_out)
{
    ends e;
    kt_websocket_hub *hub = NULL;
    kt_task *t = NULL;
    ends_open(&e, false, &closes);
    CHECK_OK(kt_websocket_hub_new(NULL, &hub));
    CHECK_OK(kt_websocket_hub_subscribe(hub, e.ws, "a"));
    CHECK_OK(kt_spawn(reads_on, e.ws, 0, &t));
    kt_time start = kt_now();
    for (int i = 0; i < 3; i++)
        CHECK_EQ(kt_websocket_hub_publish(hub, "a", KT_WEBSOCKET_BINARY, much, MUCH), 1);
    CHECK_ERR(kt_task_join(t), -ETIMEDOUT);
    CHECK_EQ(kt_now() - start, KT_S(30));
    CHECK_EQ(kt_websocket_hub_count(hub, NULL), 0);
    ends_close(&e);
    kt_websocket_hub_free(hub);
}
