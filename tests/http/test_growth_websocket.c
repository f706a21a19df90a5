/* SPDX-License-Identifier: MIT */
/* Servers, hubs and sessions take no more memory for all the WebSockets that there were. */
#include "client_site.h"

#include "../growth.h"
#include "h2_client.h"

#include <kettle/websocket_hub.h>

typedef struct place {
    net n;
    kt_websocket_hub *hub;
    kt_http_session *web;
    site s;
    int rounds;
} place;

static int echoes(kt_http_exchange *x)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    int rc = kt_websocket_accept(x, NULL, &ws);
    while (rc == 0 && (rc = kt_websocket_read(ws, &m)) > 0)
        rc = kt_websocket_write(ws, m.kind, m.data.data, m.data.size);
    return 0;
}

static int joins_hub(kt_http_exchange *x, kt_websocket_hub *hub, bool kept)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    int rc = kt_websocket_accept(x, NULL, &ws);
    if (rc == 0)
        rc = kt_websocket_hub_subscribe(hub, ws, "news");
    if (rc == 0 && kept)
        return kt_websocket_hub_keep(hub, &ws);
    while (rc == 0 && (rc = kt_websocket_read(ws, &m)) > 0)
        rc = 0;
    return 0;
}

static int serves(kt_http_exchange *x, void *arg)
{
    const place *p = arg;
    kt_slice path = kt_http_path(x);
    if (kt_slice_is(path, "/echo"))
        return echoes(x);
    return joins_hub(x, p->hub, kt_slice_is(path, "/kept"));
}

/* "topic N": leaves the topic before, for this one. */
static int hears(kt_websocket_hub *hub, kt_websocket *ws, const kt_websocket_message *m, void *arg)
{
    char topic[32], before[32];
    (void)arg;
    int n = (int)strtol(m->data.data, NULL, 10);
    snprintf(topic, sizeof topic, "topic %d", n);
    snprintf(before, sizeof before, "topic %d", n - 1);
    kt_websocket_hub_unsubscribe(hub, ws, before);
    int rc = kt_websocket_hub_subscribe(hub, ws, topic);
    return rc < 0 ? rc : kt_websocket_write(ws, KT_WEBSOCKET_TEXT, "done", 4);
}

static void place_open_with(place *p, kt_websocket_slow slow)
{
    static const kt_http_options server = {.grace = -1};
    const kt_websocket_hub_options hub = {.on_message = hears, .queue_bytes_max = 100 * 1024, .slow = slow};
    *p = (place){.n = net_open((kt_test_network_options){0})};
    CHECK_OK(kt_websocket_hub_new(&hub, &p->hub));
    site_open(&p->s, &server, serves, p);
    p->web = session_for(kt_listener_port(p->s.l), (kt_http_session_options){0});
}

static void place_open(place *p)
{
    place_open_with(p, KT_WEBSOCKET_CUT);
}

static void place_close(place *p)
{
    kt_http_session_close(p->web);
    site_close(&p->s);
    kt_websocket_hub_free(p->hub);
    net_cleanup(&p->n);
}

static kt_websocket *come(const place *p, const char *path)
{
    const kt_websocket_options o = {.ping_interval = -1, .close_timeout = KT_S(2)};
    kt_websocket *ws = NULL;
    CHECK_OK(kt_websocket_connect(p->web, path, &o, &ws));
    return ws;
}

static void exchange(kt_websocket *ws, const char *text, const char *answer)
{
    kt_websocket_message m;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, PATIENCE);
    if (text)
        CHECK_OK(kt_websocket_write(ws, KT_WEBSOCKET_TEXT, text, strlen(text)));
    CHECK_EQ(kt_timeout_end(&limit, kt_websocket_read(ws, &m)), 1);
    CHECK_SLICE(m.data, answer);
}

static void part(kt_websocket *ws)
{
    (void)!kt_websocket_shutdown(ws, 1000, NULL);
    kt_websocket_close(ws);
}

static void have_word(void *arg)
{
    static const char much[2000] = "to be or not to be"; /* is compressed */
    const place *p = arg;
    kt_websocket *ws = come(p, "/echo");
    exchange(ws, "tea", "tea");
    CHECK_OK(kt_websocket_ping(ws, "x", 1));
    CHECK_OK(kt_websocket_write(ws, KT_WEBSOCKET_BINARY, much, sizeof much));
    part(ws);
    kt_websocket_close(come(p, "/echo")); /* without a word, and without a handshake */
}

TEST(websockets_that_have_closed_take_no_memory)
{
    place p;
    place_open(&p);
    check_no_growth(20, have_word, &p);
    place_close(&p);
}

static void talk_on(void *arg)
{
    static const char much[2000] = "to be or not to be";
    kt_websocket_message m;
    CHECK_OK(kt_websocket_ping(arg, "x", 1));
    CHECK_OK(kt_websocket_write(arg, KT_WEBSOCKET_BINARY, much, sizeof much));
    CHECK_EQ(kt_websocket_read(arg, &m), 1);
    CHECK_OK(kt_websocket_write_part(arg, KT_WEBSOCKET_TEXT, "te", 2, false));
    CHECK_OK(kt_websocket_write_part(arg, KT_WEBSOCKET_TEXT, "a", 1, true));
    exchange(arg, NULL, "tea");
}

TEST(messages_that_are_over_take_no_memory_of_their_websocket)
{
    place p;
    place_open(&p);
    kt_websocket *ws = come(&p, "/echo");
    check_no_growth(50, talk_on, ws);
    part(ws);
    place_close(&p);
}

static void join_and_leave(void *arg)
{
    const place *p = arg;
    kt_websocket *kept = come(p, "/kept"), *other = come(p, "/joined");
    while (kt_websocket_hub_count(p->hub, "news") < 2)
        CHECK_OK(kt_sleep(0));
    CHECK_EQ(kt_websocket_hub_publish(p->hub, "news", KT_WEBSOCKET_TEXT, "rain", 4), 2);
    exchange(kept, NULL, "rain");
    exchange(other, NULL, "rain");
    part(kept);
    kt_websocket_close(other);
    while (kt_websocket_hub_count(p->hub, "news") > 0)
        CHECK_OK(kt_sleep(is_simulated() ? KT_S(1) : 0));
}

TEST(websockets_that_have_left_take_no_memory_of_their_hub)
{
    place p;
    place_open(&p);
    check_no_growth(20, join_and_leave, &p);
    place_close(&p);
}

typedef struct member {
    place *p;
    kt_websocket *ws;
    int topic;
} member;

static void change_topic(void *arg)
{
    member *m = arg;
    char text[32];
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof text, "%d ", ++m->topic);
        exchange(m->ws, text, "done");
        snprintf(text, sizeof text, "topic %d", m->topic);
        CHECK_EQ(kt_websocket_hub_publish(m->p->hub, text, KT_WEBSOCKET_TEXT, text, strlen(text)), 1);
        exchange(m->ws, NULL, text);
        CHECK_EQ(kt_websocket_hub_publish(m->p->hub, "nobody", KT_WEBSOCKET_TEXT, text, strlen(text)), 0);
    }
}

TEST(topics_that_nobody_has_any_more_take_no_memory)
{
    place p;
    place_open(&p);
    member m = {.p = &p, .ws = come(&p, "/kept")};
    check_no_growth(20, change_topic, &m);
    part(m.ws);
    place_close(&p);
}

static void publish_much(void *arg)
{
    static char much[30 * 1024];
    const place *p = arg;
    for (uint32_t i = 0, x = 1; i < sizeof much; i++, x = x * 1664525u + 1013904223u)
        much[i] = (char)(x >> 24); /* which cannot be compressed */
    for (int i = 0; i < 5; i++)
        (void)!kt_websocket_hub_publish(p->hub, "news", KT_WEBSOCKET_BINARY, much, sizeof much);
    (void)!kt_sleep(0); /* or it has been cancelled */
}

static int publishes(void *arg)
{
    publish_much(arg);
    return 0;
}

/* Where publishers wait, they give up. */
static void publish_in_vain(void *arg)
{
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(publishes, arg, 0, &t));
    for (int i = 0; i < 3; i++)
        CHECK_OK(kt_sleep(0));
    kt_task_cancel(t);
    (void)!kt_task_join(t);
}

static void check_slow_member(kt_websocket_slow slow)
{
    place p;
    place_open_with(&p, slow);
    kt_websocket *ws = come(&p, "/kept");
    while (kt_websocket_hub_count(p.hub, "news") < 1)
        CHECK_OK(kt_sleep(0));
    check_no_growth(20, slow == KT_WEBSOCKET_WAIT ? publish_in_vain : publish_much, &p);
    kt_websocket_close(ws);
    place_close(&p);
}

TEST(a_member_that_does_not_read_gets_a_bounded_queue)
{
    check_slow_member(KT_WEBSOCKET_CUT);
    check_slow_member(KT_WEBSOCKET_DROP_OLDEST);
    check_slow_member(KT_WEBSOCKET_DROP_NEWEST);
    check_slow_member(KT_WEBSOCKET_WAIT);
}

/* ---- Over HTTP/2 ------------------------------------------------------------------------------------- */

static void begin(peer *p, uint32_t id, const char *path)
{
    request(p, "CONNECT", path);
    field(p, ":protocol", "websocket");
    field(p, "sec-websocket-version", "13");
    send_head(p, id, END_HEADERS);
    expect_status(p, id, "200");
}

typedef struct line {
    peer *p;
    uint32_t id;
} line;

#define SAY(l, flags, bytes) send_frame((l)->p, DATA, (flags), (l)->id, bytes, sizeof(bytes) - 1)

static void have_streams(void *arg)
{
    line *l = arg;
    begin(l->p, l->id, "/echo");
    SAY(l, 0, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"); /* RFC 6455 section 5.7 */
    expect(l->p, DATA, l->id);
    SAY(l, END_STREAM, "\x88\x82\0\0\0\0\x03\xe8");
    while (!(expect(l->p, DATA, l->id)->flags & END_STREAM))
        continue;
    l->id += 2;
    begin(l->p, l->id, "/kept");
    SAY(l, END_STREAM, "\x88\x82\0\0\0\0\x03\xe8");
    while (!(expect(l->p, DATA, l->id)->flags & END_STREAM))
        continue;
    l->id += 2;
}

TEST(websockets_over_http_2_that_have_closed_take_no_memory_of_their_connection)
{
    place p;
    peer a;
    place_open(&p);
    greet(&a, dial(&p.s));
    line l = {&a, 1};
    check_no_growth(50, have_streams, &l);
    leave(&a);
    place_close(&p);
}

static void reset_streams(void *arg)
{
    const place *p = arg;
    peer a;
    greet(&a, dial(&p->s));
    for (uint32_t id = 1; id < 10; id += 2)
        begin(&a, id, id % 4 == 1 ? "/echo" : "/kept");
    for (uint32_t id = 1; id < 6; id += 2)
        send_number(&a, RST_STREAM, id, 8);
    send_frame(&a, PING, 0, 0, "12345678", 8);
    expect(&a, PING, 0);
    leave(&a); /* with streams that go on */
    while (kt_websocket_hub_count(p->hub, "news") > 0)
        CHECK_OK(kt_sleep(0));
}

TEST(websockets_over_http_2_that_were_reset_take_no_memory_of_their_server)
{
    place p;
    place_open(&p);
    check_no_growth(20, reset_streams, &p);
    place_close(&p);
}
