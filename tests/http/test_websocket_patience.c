/* SPDX-License-Identifier: MIT */
/* How long either end waits for a peer that does not do its part: on the simulated network, against bytes by hand. */
#include "client_site.h"

#include <kettle/websocket.h>

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
