/* SPDX-License-Identifier: MIT */

/* WebSockets over HTTP/2 (RFC 8441), by hand: what begins one, what it says, and how it ends. */
#include "client_site.h"

#include "h2_client.h"

#include <kettle/websocket.h>

static kt_websocket_options options; /* each test is a process of its own */
static bool outlives;
static kt_websocket *served; /* by the handler, while it reads */
static kt_event done = KT_EVENT_INIT;

static struct {
    int accepted, rc, code, ended;
} last;

static int echo(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    (void)arg;
    if (outlives)
        kt_http_outlive_client(x);
    last.accepted = kt_websocket_accept(x, &options, &ws);
    if (last.accepted < 0)
        return 0; /* it has been answered */
    served = ws;
    do
        last.rc = kt_websocket_read(ws, &m);
    while (last.rc > 0 && (last.rc = kt_websocket_write(ws, m.kind, m.data.data, m.data.size)) == 0);
    served = NULL;
    last.code = kt_websocket_close_code(ws);
    last.ended++;
    kt_event_set(&done);
    return 0;
}

typedef struct ends {
    net n;
    site s;
    peer p;
} ends;

static void ends_open(ends *e)
{
    e->n = net_open((kt_test_network_options){0});
    site_open(&e->s, NULL, echo, NULL);
    greet(&e->p, dial(&e->s));
}

static void ends_close(ends *e)
{
    leave(&e->p);
    site_close(&e->s);
    net_cleanup(&e->n);
}

static void chat(peer *p, const char *path)
{
    request(p, "CONNECT", path);
    field(p, ":protocol", "websocket");
}

static void begin(ends *e)
{
    ends_open(e);
    chat(&e->p, "/");
    field(&e->p, "sec-websocket-version", "13");
    send_head(&e->p, 1, END_HEADERS);
    expect_status(&e->p, 1, "200");
}

/* Soon, and not when a ping is not answered. */
static void wait_for_the_end(void)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(1));
    CHECK_OK(kt_timeout_end(&limit, kt_event_wait(&done)));
}

#define SAYS(p, flags, bytes) send_frame((p), DATA, (flags), 1, bytes, sizeof(bytes) - 1)
#define HEARS_ON(p, id, bytes) hears((p), (id), bytes, sizeof(bytes) - 1)
#define HEARS(p, bytes) HEARS_ON(p, 1, bytes)

/* The next bytes of a stream, in however many frames. */
static void hears(peer *p, uint32_t id, const char *bytes, size_t size)
{
    for (size_t got = 0; got < size; got += p->f.size) {
        expect(p, DATA, id);
        CHECK_LE(p->f.size, size - got);
        CHECK_MEM(p->f.bytes, bytes + got, p->f.size);
    }
}

#define HELLO_MASKED "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
#define CLOSE_1000 "\x88\x82\0\0\0\0\x03\xe8"

/* The window of the stream, and of the connection, is full when it begins to wait. */
TEST(a_write_that_was_cancelled_before_its_first_byte_leaves_the_stream_as_it_was)
{
    enum { FILLS = 65535 - 7 - 4 }; /* what has been said, and this frame's head */
    static const char head[] = "\x82\x7e\xff\xf4";
    static char whole[4 + FILLS];
    ends e;
    sim_only();
    begin(&e);
    SAYS(&e.p, 0, HELLO_MASKED);
    HEARS(&e.p, "\x81\x05Hello");
    memcpy(whole, head, 4);
    CHECK_OK(kt_websocket_write(served, KT_WEBSOCKET_BINARY, whole + 4, FILLS));
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_MS(1));
    CHECK_ERR(kt_timeout_end(&limit, kt_websocket_write(served, KT_WEBSOCKET_TEXT, "lost", 4)), KT_ETIMEDOUT);
    hears(&e.p, 1, whole, sizeof whole);
    send_number(&e.p, WINDOW_UPDATE, 0, 100);
    send_number(&e.p, WINDOW_UPDATE, 1, 100);
    CHECK_OK(kt_websocket_write(served, KT_WEBSOCKET_TEXT, "found", 5));
    HEARS(&e.p, "\x81\x05" "found");
    ends_close(&e);
}

/* Section 3: 8 is SETTINGS_ENABLE_CONNECT_PROTOCOL. */
TEST(a_server_says_that_it_takes_extended_connects)
{
    ends e;
    uint32_t value = 0;
    ends_open(&e);
    const frame *f = expect(&e.p, SETTINGS, 0);
    for (size_t at = 0; at + 6 <= f->size; at += 6)
        if (f->bytes[at] == 0 && f->bytes[at + 1] == 8)
            value = number_at(f, at + 2);
    CHECK_EQ(value, 1);
    ends_close(&e);
}

TEST(a_websocket_over_http_2_speaks_and_closes)
{
    ends e;
    begin(&e);
    CHECK(!strstr(e.p.head, "upgrade") && !strstr(e.p.head, "connection") && !strstr(e.p.head, "accept"));
    SAYS(&e.p, 0, HELLO_MASKED);
    HEARS(&e.p, "\x81\x05Hello");
    SAYS(&e.p, 0, "\x89\x81\0\0\0\0!");
    HEARS(&e.p, "\x8a\x01!");
    SAYS(&e.p, 0, CLOSE_1000);
    HEARS(&e.p, "\x88\x02\x03\xe8");
    if (!(e.p.f.flags & END_STREAM))
        CHECK_EQ(expect(&e.p, DATA, 1)->flags, END_STREAM);
    wait_for_the_end();
    CHECK_OK(last.rc);
    CHECK_EQ(last.code, 1000);
    get(&e.p, 3, "/"); /* and the connection lives on */
    expect_status(&e.p, 3, "426");
    ends_close(&e);
}

TEST(its_frames_need_not_be_those_of_the_stream)
{
    static const char bytes[] = HELLO_MASKED HELLO_MASKED;
    ends e;
    begin(&e);
    for (size_t i = 1; i < sizeof bytes; i++) {
        send_frame(&e.p, DATA, 0, 1, bytes + i - 1, 1);
        if (i % (sizeof bytes / 2) == 0) {
            HEARS(&e.p, "\x81\x05Hello");
            continue;
        }
        send_frame(&e.p, PING, 0, 0, "12345678", 8); /* so that each is read by itself */
        expect(&e.p, PING, 0);
    }
    ends_close(&e);
    CHECK_EQ(last.ended, 1);
}

TEST(several_websockets_share_a_connection)
{
    ends e;
    begin(&e);
    chat(&e.p, "/b");
    field(&e.p, "sec-websocket-version", "13");
    send_head(&e.p, 3, END_HEADERS);
    expect_status(&e.p, 3, "200");
    send_frame(&e.p, DATA, 0, 3, HELLO_MASKED, sizeof HELLO_MASKED - 1);
    HEARS_ON(&e.p, 3, "\x81\x05Hello");
    send_number(&e.p, RST_STREAM, 3, NGHTTP2_CANCEL);
    SAYS(&e.p, 0, HELLO_MASKED);
    HEARS(&e.p, "\x81\x05Hello");
    ends_close(&e);
    CHECK_EQ(last.ended, 2);
}

TEST(subprotocols_and_compression_are_agreed_upon)
{
    static const char *const protocols[] = {"b", "a", NULL};
    ends e;
    options = (kt_websocket_options){.protocols = protocols};
    ends_open(&e);
    chat(&e.p, "/");
    field(&e.p, "sec-websocket-version", "13");
    field(&e.p, "sec-websocket-protocol", "a, b");
    field(&e.p, "sec-websocket-extensions", "permessage-deflate; server_no_context_takeover");
    send_head(&e.p, 1, END_HEADERS);
    expect_status(&e.p, 1, "200");
    CHECK(strstr(e.p.head, "sec-websocket-protocol: "));
    CHECK(strstr(e.p.head, "sec-websocket-extensions: permessage-deflate; server_no_context_takeover"));
    SAYS(&e.p, 0, "\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\0"); /* "Hello", RFC 7692 section 7.2.3.1 */
    expect(&e.p, DATA, 1);
    CHECK_EQ(e.p.f.bytes[0] & 0x8f, 0x81);
    ends_close(&e);
}

static void refused(const char *const *fields, const char *status)
{
    ends e;
    ends_open(&e);
    for (size_t i = 0; fields[i]; i += 2)
        field(&e.p, fields[i], fields[i + 1]);
    send_head(&e.p, 1, END_HEADERS);
    expect_status(&e.p, 1, status);
    CHECK_LT(last.accepted, 0);
    ends_close(&e);
}

#define EXTENDED ":method", "CONNECT", ":scheme", "http", ":authority", "a", ":path", "/", ":protocol"
#define VERSION "sec-websocket-version"

TEST(what_is_no_handshake_is_refused)
{
    refused((const char *const[]){EXTENDED, "websocket", NULL}, "426");
    refused((const char *const[]){EXTENDED, "websocket", VERSION, "8", NULL}, "426");
    refused((const char *const[]){EXTENDED, "websocket", VERSION, "13", VERSION, "13", NULL}, "426");
    refused((const char *const[]){EXTENDED, "connect-udp", VERSION, "13", NULL}, "426");
    refused((const char *const[]){EXTENDED, "websocket", VERSION, "13", "origin", "http://evil.example", NULL}, "403");
    refused((const char *const[]){EXTENDED, "websocket", VERSION, "13", "sec-websocket-extensions", ";;", NULL}, "400");
}

/* A frame that is not masked: section 5.1 of RFC 6455. */
TEST(what_breaks_the_protocol_is_told_and_ends_the_stream_alone)
{
    ends e;
    begin(&e);
    SAYS(&e.p, 0, "\x81\x05Hello");
    CHECK_EQ(expect(&e.p, DATA, 1)->bytes[0], 0x88);
    if (e.p.f.size == 2) /* the frame's head alone */
        CHECK_MEM(expect(&e.p, DATA, 1)->bytes, "\x03\xea", 2);
    else
        CHECK_MEM(e.p.f.bytes + 2, "\x03\xea", 2);
    wait_for_the_end();
    CHECK_ERR(last.rc, KT_EPROTOCOL);
    get(&e.p, 3, "/");
    expect_status(&e.p, 3, "426");
    ends_close(&e);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

/* END_STREAM stands for the end of the TCP connection (RFC 8441 section 5). */
TEST(an_end_without_a_close_is_an_incomplete_websocket)
{
    ends e;
    begin(&e);
    SAYS(&e.p, 0, HELLO_MASKED);
    HEARS(&e.p, "\x81\x05Hello");
    SAYS(&e.p, END_STREAM, "\x81\x85");
    wait_for_the_end();
    CHECK_ERR(last.rc, KT_EINCOMPLETE);
    CHECK_EQ(last.code, 1006);
    ends_close(&e);
}

/* RST_STREAM with CANCEL stands for a reset. */
TEST(a_reset_stream_ends_its_websocket)
{
    ends e;
    begin(&e);
    send_number(&e.p, RST_STREAM, 1, NGHTTP2_CANCEL);
    wait_for_the_end();
    CHECK_LT(last.rc, 0);
    CHECK_EQ(last.code, 1006);
    get(&e.p, 3, "/");
    expect_status(&e.p, 3, "426");
    ends_close(&e);
}

static void dies(bool reset)
{
    ends e;
    kt_event_clear(&done);
    begin(&e);
    SAYS(&e.p, 0, HELLO_MASKED);
    HEARS(&e.p, "\x81\x05Hello");
    kt_stream_hang_up(e.p.c, reset);
    wait_for_the_end();
    CHECK_LT(last.rc, 0);
    CHECK_EQ(last.code, 1006);
    ends_close(&e);
}

TEST(a_dead_connection_wakes_its_websockets)
{
    dies(false);
    dies(true);
}

/* They are not cancelled with the connection, and must learn of its end by themselves. */
TEST(a_dead_connection_wakes_those_that_outlive_it)
{
    outlives = true;
    dies(false);
    dies(true);
}

/* The handler is reading, without a limit of its own. */
TEST(a_peer_that_does_not_answer_a_close_is_waited_for_no_longer_than_said)
{
    sim_only();
    for (int i = 0; i < 2; i++) {
        ends e;
        options = (kt_websocket_options){.ping_interval = -1, .close_timeout = KT_S(3)};
        outlives = i;
        kt_event_clear(&done);
        begin(&e);
        SAYS(&e.p, 0, HELLO_MASKED);
        HEARS(&e.p, "\x81\x05Hello");
        CHECK_OK(kt_websocket_shutdown(served, 1000, NULL));
        HEARS(&e.p, "\x88\x02\x03\xe8");
        kt_time start = kt_now();
        CHECK_OK(kt_event_wait(&done));
        CHECK_EQ(kt_now() - start, KT_S(3));
        CHECK_ERR(last.rc, KT_EINCOMPLETE);
        CHECK_EQ(last.code, 1006);
        get(&e.p, 3, "/"); /* and the connection lives on */
        expect_status(&e.p, 3, "426");
        ends_close(&e);
    }
}

static int pours(void *arg)
{
    static const char much[1000 * 1000];
    return kt_websocket_write(arg, KT_WEBSOCKET_BINARY, much, sizeof much);
}

/* The client reads nothing more, so that not even a reset gets through. */
TEST(nor_is_it_where_the_connection_takes_nothing)
{
    ends e;
    kt_task *t = NULL;
    sim_only();
    options = (kt_websocket_options){.ping_interval = -1, .close_timeout = KT_S(3)};
    begin(&e);
    SAYS(&e.p, 0, HELLO_MASKED);
    HEARS(&e.p, "\x81\x05Hello");
    CHECK_OK(kt_sleep(KT_S(10))); /* it waits without a limit now */
    CHECK_OK(kt_websocket_shutdown(served, 1000, NULL));
    HEARS(&e.p, "\x88\x02\x03\xe8");
    kt_time start = kt_now();
    chat(&e.p, "/b");
    field(&e.p, "sec-websocket-version", "13");
    send_head(&e.p, 3, END_HEADERS);
    send_number(&e.p, WINDOW_UPDATE, 0, 1 << 20);
    send_number(&e.p, WINDOW_UPDATE, 3, 1 << 20);
    send_frame(&e.p, DATA, 0, 3, HELLO_MASKED, sizeof HELLO_MASKED - 1);
    HEARS_ON(&e.p, 3, "\x81\x05Hello");
    CHECK_OK(kt_spawn(pours, served, 0, &t));
    CHECK_OK(kt_sleep(KT_MS(1)));
    send_frame(&e.p, PING, 0, 0, "12345678", 8); /* more is made ready together with the answer */
    CHECK_OK(kt_event_wait(&done));
    CHECK_LE(kt_now() - start, KT_S(3));
    CHECK_ERR(last.rc, KT_EINCOMPLETE);
    CHECK(!kt_task_done(t));
    kt_stream_hang_up(e.p.c, true);
    CHECK_LT(kt_task_join(t), 0);
    ends_close(&e);
}

TEST(a_server_that_stops_says_so_on_each_stream)
{
    ends e;
    begin(&e);
    SAYS(&e.p, 0, HELLO_MASKED);
    HEARS(&e.p, "\x81\x05Hello");
    kt_task_cancel(e.s.task);
    HEARS(&e.p, "\x88\x02\x03\xe9");
    SAYS(&e.p, 0, "\x88\x82\0\0\0\0\x03\xe9");
    wait_for_the_end();
    CHECK_OK(last.rc);
    CHECK_EQ(last.code, 1001);
    ends_close(&e);
}

TEST(a_connection_that_breaks_the_protocol_wakes_its_websockets)
{
    for (int i = 0; i < 2; i++) {
        ends e;
        outlives = i;
        kt_event_clear(&done);
        begin(&e);
        send_frame(&e.p, PING, 0, 1, "12345678", 8);
        expect_goaway(&e.p, NGHTTP2_PROTOCOL_ERROR);
        wait_for_the_end();
        CHECK_LT(last.rc, 0);
        ends_close(&e);
    }
}
