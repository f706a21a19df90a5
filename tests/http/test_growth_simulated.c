/* SPDX-License-Identifier: MIT */
/* A server takes no more memory for clients that fall silent, stop reading, vanish, or are too many. */
#include "client_site.h"

#include "../growth.h"

#include <kettle/http_events.h>
#include <kettle/websocket.h>

typedef struct harbour {
    kt_test_network *n;
    site s;
    int number, served;
} harbour;

static int talks(kt_http_exchange *x)
{
    const kt_websocket_options o = {.ping_interval = KT_S(2), .ping_timeout = KT_S(2)};
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    int rc = kt_websocket_accept(x, &o, &ws);
    while (rc == 0 && (rc = kt_websocket_read(ws, &m)) > 0)
        rc = kt_websocket_write(ws, m.kind, m.data.data, m.data.size);
    return 0;
}

static int serves(kt_http_exchange *x, void *arg)
{
    static const char much[200 * 1024];
    kt_slice path = kt_http_path(x), body;
    ((harbour *)arg)->served++;
    if (kt_slice_is(path, "/talk"))
        return talks(x);
    if (kt_slice_is(path, "/much"))
        return kt_http_respond(x, 200, NULL, much, sizeof much);
    if (kt_slice_is(path, "/never"))
        return kt_sleep(KT_S(1000));
    if (kt_slice_is(path, "/events")) {
        int rc = kt_http_events_start(x);
        while (rc == 0 && (rc = kt_sleep(KT_S(1))) == 0)
            rc = kt_http_event_comment(x, "");
        return rc;
    }
    int rc = kt_http_read_all(x, 100000, &body);
    return rc < 0 ? rc : kt_http_respond(x, 200, NULL, body.data, body.size);
}

static void harbour_open(harbour *h)
{
    static const kt_http_options o = {.head_timeout = KT_S(5),
                                      .idle_timeout = KT_S(5),
                                      .body_timeout = KT_S(5),
                                      .write_timeout = KT_S(5),
                                      .request_timeout = KT_S(10),
                                      .connections_per_address_max = 8,
                                      .requests_max = 5,
                                      .grace = -1};
    const kt_test_network_options network = {.latency = KT_MS(1), .patience = KT_S(10)};
    sim_only();
    *h = (harbour){.n = kt_test_network_open(&network)};
    kt_test_network_use(h->n);
    h->s = (site){.o = &o, .handler = serves, .arg = h};
    site *s = &h->s;
    CHECK_OK(kt_listen("10.0.0.1", 80, NULL, &h->s.l));
    CHECK_OK(kt_spawn(site_task, &s, sizeof s, &h->s.task));
}

static void harbour_close(harbour *h)
{
    kt_test_network_be(h->n, NULL);
    site_close(&h->s);
    kt_test_network_close(h->n);
}

static const char *const words[] = {
    "",
    "GET / HT",
    GET,
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123",
    "GET /much HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /never HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /events HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /talk HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    GET GET GET GET GET GET GET,
};

enum { WORDS = sizeof words / sizeof *words };

/* Each time from another address. */
static void come(harbour *h, kt_stream *c[WORDS], char host[32])
{
    snprintf(host, 32, "10.1.%d.%d", h->number / 200, h->number % 200 + 1);
    h->number++;
    kt_test_network_be(h->n, host);
    for (int i = 0; i < WORDS; i++) {
        const char *text = words[(i + h->number) % WORDS];
        CHECK_OK(kt_stream_connect("10.0.0.1", 80, &c[i]));
        (void)!kt_stream_write(c[i], text, strlen(text)); /* the last two are not let in */
    }
}

static void go(kt_stream *c[WORDS])
{
    for (int i = 0; i < WORDS; i++)
        kt_stream_close(c[i]);
}

static void fall_silent(void *arg)
{
    kt_stream *c[WORDS];
    char host[32];
    come(arg, c, host);
    CHECK_OK(kt_sleep(KT_S(60)));
    go(c);
}

static void vanish(void *arg)
{
    harbour *h = arg;
    kt_stream *c[WORDS];
    char host[32];
    come(arg, c, host);
    CHECK_OK(kt_sleep(KT_MS(10)));
    kt_test_network_down(h->n, host);
    CHECK_OK(kt_sleep(KT_S(60)));
    go(c);
}

static void be_reset(void *arg)
{
    harbour *h = arg;
    kt_stream *c[WORDS];
    char host[32];
    come(arg, c, host);
    CHECK_OK(kt_sleep(KT_MS(h->number % 5)));
    kt_test_network_reset(h->n, host, NULL);
    CHECK_OK(kt_sleep(KT_S(60)));
    go(c);
}

TEST(clients_that_fall_silent_take_no_memory_of_their_server)
{
    harbour h;
    harbour_open(&h);
    check_no_growth_at_all(10, fall_silent, &h);
    CHECK_GE(h.served, 60 * 7);
    harbour_close(&h);
}

TEST(clients_that_vanish_take_no_memory_of_their_server)
{
    harbour h;
    harbour_open(&h);
    check_no_growth_at_all(10, vanish, &h);
    harbour_close(&h);
}

TEST(clients_that_are_reset_take_no_memory_of_their_server)
{
    harbour h;
    harbour_open(&h);
    check_no_growth_at_all(10, be_reset, &h);
    harbour_close(&h);
}
