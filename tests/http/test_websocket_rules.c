/* SPDX-License-Identifier: MIT */

/* WebSocket by the letter, at both ends: frames that a peer sends to an end that says every message back, and all that
 * it hears (RFC 6455, RFC 7692). Each trial is run whole and, in the simulated network, in segments of one byte. */
#include "client_site.h"

#include "http/websocket_private.h"

/* The first byte of a frame. */
enum { FIN = 0x80, RSV1 = 0x40, RSV2 = 0x20, RSV3 = 0x10 };
enum { MORE = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

typedef struct piece {
    unsigned head; /* 0 without a payload: there are no more */
    const char *payload; /* NULL: that many stars */
    size_t size, claims; /* the head announces the latter, if it is more */
} piece;

enum { PIECES = 12 };

typedef struct trial {
    const char *section, *reply; /* "text(a) ping(b) close 1000", the last of which is the end */
    piece pieces[PIECES];
} trial;

static bool deflate; /* each test is a process of its own */

#define P(first, bytes) {(first), bytes, sizeof(bytes) - 1, 0}
#define STARS(first, n) {(first), NULL, (n), 0}
#define BYE P(FIN | CLOSE, "\x03\xe8")

/* ---- The peer -------------------------------------------------------------------------------- */

static int send_piece(kt_stream *s, const piece *p, bool masked)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    static char bytes[KT__WS_HEAD_MAX + 70000];
    size_t at = kt__ws_head_put(bytes, p->head, p->claims > p->size ? p->claims : p->size, masked ? mask : NULL);
    CHECK_LE(at + p->size, sizeof bytes);
    if (p->payload)
        memcpy(bytes + at, p->payload, p->size);
    else
        memset(bytes + at, '*', p->size);
    if (masked)
        kt__ws_mask(bytes + at, p->size, mask, 0);
    return kt_stream_write(s, bytes, at + p->size);
}

/* Reads a frame, which is whole and masked or not as it has to be. False at the end of the connection. */
static bool hear_frame(kt_stream *s, bool masked, unsigned *ret_head, char *payload, size_t room, size_t *ret_size)
{
    uint8_t head[2], more[8], mask[4];
    if (kt_stream_read_exactly(s, head, 2) < 0)
        return false;
    size_t size = head[1] & 0x7f, width = size == 126 ? 2 : size == 127 ? 8 : 0;
    CHECK_EQ(head[1] >> 7, masked);
    CHECK_EQ(head[0] & (RSV1 | RSV2 | RSV3), 0); /* what is short is not compressed */
    CHECK(head[0] & FIN);
    if (width > 0) {
        CHECK_OK(kt_stream_read_exactly(s, more, width));
        size = 0;
        for (size_t i = 0; i < width; i++)
            size = size << 8 | more[i];
    }
    CHECK_LT(size, room);
    if (masked)
        CHECK_OK(kt_stream_read_exactly(s, mask, sizeof mask));
    CHECK_OK(kt_stream_read_exactly(s, payload, size));
    if (masked)
        kt__ws_mask(payload, size, mask, 0);
    payload[size] = '\0';
    *ret_head = head[0] & 15;
    *ret_size = size;
    return true;
}

static const char *name_of(unsigned opcode)
{
    return opcode == TEXT ? "text" : opcode == BINARY ? "binary" : opcode == PING ? "ping" : "pong";
}

/* Says all of it, and writes down what it hears until a close or the end. */
static void play(kt_stream *s, const trial *t, bool client, char *out, size_t room)
{
    static char payload[70001];
    unsigned head = 0;
    size_t n = 0, size;
    int rc = 0;
    for (const piece *p = t->pieces; rc == 0 && p < t->pieces + PIECES && (p->head || p->payload); p++)
        rc = send_piece(s, p, client); /* it may have closed already */
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, PATIENCE);
    out[0] = '\0';
    while (head != CLOSE && hear_frame(s, !client, &head, payload, sizeof payload, &size)) {
        if (head == CLOSE)
            n += (size_t)snprintf(out + n, room - n, size < 2 ? "close" : "close %d",
                                  (uint8_t)payload[0] << 8 | (uint8_t)payload[1]);
        else if (size > 200)
            n += (size_t)snprintf(out + n, room - n, "%s #%zu ", name_of(head), size);
        else
            n += (size_t)snprintf(out + n, room - n, "%s(%s) ", name_of(head), payload);
        CHECK_LT(n, room);
    }
    (void)!kt_timeout_end(&limit, 0);
    if (kt_timeout_expired(&limit))
        kt_test_fail("%s: no more after: %s", t->section, out);
}

/* ---- The ends -------------------------------------------------------------------------------- */

static const trial *now;
static char heard_by_peer[1000];
static size_t message_max = 70000;

static kt_websocket_options options(void)
{
    return (kt_websocket_options){.no_deflate = !deflate, .message_bytes_max = message_max};
}

static void echo(kt_websocket *ws)
{
    kt_websocket_message m;
    while (kt_websocket_read(ws, &m) > 0 && kt_websocket_write(ws, m.kind, m.data.data, m.data.size) == 0)
        ;
}

static int server_echoes(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_websocket) *ws = NULL;
    const kt_websocket_options o = options();
    (void)arg;
    CHECK_OK(kt_websocket_accept(x, &o, &ws));
    echo(ws);
    return 0;
}

/* Shakes hands as ours, and then speaks by itself. */
static int server_plays(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_websocket) *ws = NULL;
    const kt_websocket_options o = options();
    (void)arg;
    CHECK_OK(kt_websocket_accept(x, &o, &ws));
    play(ws->stream, now, false, heard_by_peer, sizeof heard_by_peer);
    kt_stream_hang_up(ws->stream, false);
    return 0;
}

#define HANDSHAKE \
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define OFFER "Sec-WebSocket-Extensions: permessage-deflate\r\n"

static void try_server(const trial *t)
{
    site s;
    kt_slice answer, end = {"\r\n\r\n", 4};
    site_open(&s, NULL, server_echoes, NULL);
    kt_stream *c = dial(&s);
    say(c, deflate ? HANDSHAKE OFFER "\r\n" : HANDSHAKE "\r\n");
    CHECK_GT(kt_stream_read_until(c, end, 4096, &answer), 0);
    play(c, t, true, heard_by_peer, sizeof heard_by_peer);
    char byte;
    CHECK_LE(kt_stream_read(c, &byte, 1), 0); /* the server is the first to close */
    kt_stream_close(c);
    site_close(&s);
}

static void try_client(void)
{
    site s;
    kt_websocket *ws = NULL;
    const kt_websocket_options o = options();
    site_open(&s, NULL, server_plays, NULL);
    kt_http_session *web = session_for(kt_listener_port(s.l), (kt_http_session_options){0});
    CHECK_OK(kt_websocket_connect(web, "/", &o, &ws));
    echo(ws);
    kt_websocket_close(ws);
    kt_http_session_close(web);
    site_close(&s);
}

static void check(const trial *t)
{
    for (int way = 0; way < 4; way += is_simulated() ? 1 : 2) {
        kt_auto(net) n = net_open((kt_test_network_options){.segment_max = way & 1});
        (void)n;
        kt_test_say("%s: %s%s", t->section, way & 2 ? "client" : "server", way & 1 ? ", byte by byte" : "");
        now = t;
        if (way & 2)
            try_client();
        else
            try_server(t);
        CHECK_STR(heard_by_peer, t->reply);
    }
}

#define TRIALS(name, packed, ...) \
    TEST(name) \
    { \
        static const trial trials[] = {__VA_ARGS__}; \
        deflate = (packed); \
        for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++) \
            check(&trials[i]); \
    }

/* ---- Trials ---------------------------------------------------------------------------------- */

TRIALS(messages_of_all_sizes_come_back, false,
    {"5.6", "text() close 1000", {P(FIN | TEXT, ""), BYE}},
    {"5.6", "text(a) close 1000", {P(FIN | TEXT, "a"), BYE}},
    {"5.6", "binary() close 1000", {P(FIN | BINARY, ""), BYE}},
    {"5.2", "text #201 close 1000", {STARS(FIN | TEXT, 201), BYE}},
    {"5.2", "text #65535 close 1000", {STARS(FIN | TEXT, 65535), BYE}},
    {"5.2", "binary #65536 close 1000", {STARS(FIN | BINARY, 65536), BYE}},
    {"7.4.1", "close 1009", {STARS(TEXT, 60000), STARS(FIN | MORE, 60000)}}, )

TRIALS(pings_are_answered_with_their_bytes, false,
    {"5.5.2", "pong() close 1000", {P(FIN | PING, ""), BYE}},
    {"5.5.2", "pong(Hello) close 1000", {P(FIN | PING, "Hello"), BYE}},
    {"5.5.2", "pong(\xff\xfe\xfd) close 1000", {P(FIN | PING, "\xff\xfe\xfd"), BYE}},
    {"5.5", "close 1002", {STARS(FIN | PING, 126)}},
    {"5.5.3", "close 1000", {P(FIN | PONG, ""), BYE}},
    {"5.5.3", "pong(a) close 1000", {P(FIN | PONG, "unasked"), P(FIN | PING, "a"), BYE}},
    {"5.5.2", "pong(1) pong(2) pong(3) close 1000",
     {P(FIN | PING, "1"), P(FIN | PING, "2"), P(FIN | PING, "3"), BYE}}, )

TRIALS(reserved_bits_and_opcodes_end_it, false,
    {"5.2", "close 1002", {P(FIN | RSV1 | TEXT, "a")}},
    {"5.2", "text(a) close 1002", {P(FIN | TEXT, "a"), P(FIN | RSV2 | TEXT, "b"), P(FIN | PING, "")}},
    {"5.2", "text(a) close 1002", {P(FIN | TEXT, "a"), P(FIN | RSV1 | RSV2 | TEXT, "b"), P(FIN | PING, "")}},
    {"5.2", "close 1002", {P(FIN | RSV3 | BINARY, "a")}},
    {"5.2", "close 1002", {P(FIN | RSV1 | RSV3 | PING, "a")}},
    {"5.2", "close 1002", {P(FIN | RSV2 | RSV3 | CLOSE, "")}},
    {"5.2", "close 1002", {P(FIN | 3, "")}},
    {"5.2", "close 1002", {P(FIN | 4, "a")}},
    {"5.2", "text(a) close 1002", {P(FIN | TEXT, "a"), P(FIN | 5, ""), P(FIN | PING, "")}},
    {"5.2", "close 1002", {P(FIN | 6, "a")}},
    {"5.2", "close 1002", {P(FIN | 7, "a")}},
    {"5.2", "close 1002", {P(FIN | 11, "")}},
    {"5.2", "close 1002", {P(FIN | 12, "a")}},
    {"5.2", "text(a) close 1002", {P(FIN | TEXT, "a"), P(FIN | 13, ""), P(FIN | PING, "")}},
    {"5.2", "close 1002", {P(FIN | 14, "a")}},
    {"5.2", "close 1002", {P(FIN | 15, "a")}}, )

TRIALS(fragments_are_put_together_in_order, false,
    {"5.4", "close 1002", {P(PING, "a"), P(FIN | MORE, "b")}},
    {"5.4", "close 1002", {P(PONG, "a"), P(FIN | MORE, "b")}},
    {"5.4", "text(ab) close 1000", {P(TEXT, "a"), P(FIN | MORE, "b"), BYE}},
    {"5.4", "pong(!) text(ab) close 1000", {P(TEXT, "a"), P(FIN | PING, "!"), P(FIN | MORE, "b"), BYE}},
    {"5.4", "text(abc) close 1000", {P(TEXT, "a"), P(MORE, "b"), P(FIN | MORE, "c"), BYE}},
    {"5.4", "text() close 1000", {P(TEXT, ""), P(MORE, ""), P(FIN | MORE, ""), BYE}},
    {"5.4", "text(b) close 1000", {P(TEXT, ""), P(MORE, "b"), P(FIN | MORE, ""), BYE}},
    {"5.4", "close 1002", {P(FIN | MORE, "a"), P(FIN | TEXT, "b")}},
    {"5.4", "close 1002", {P(MORE, "a"), P(FIN | TEXT, "b")}},
    {"5.4", "close 1002", {P(TEXT, "a"), P(FIN | TEXT, "b")}},
    {"5.4", "close 1002", {P(TEXT, "a"), P(FIN | BINARY, "b")}},
    {"5.4", "text(ab) close 1002", {P(TEXT, "a"), P(FIN | MORE, "b"), P(FIN | MORE, "c")}},
    {"5.4", "pong(1) pong(2) text(abcde) close 1000",
     {P(TEXT, "a"), P(MORE, "b"), P(FIN | PING, "1"), P(MORE, "c"), P(MORE, "d"), P(FIN | PING, "2"),
      P(FIN | MORE, "e"), BYE}},
    {"5.4", "text(ab) binary(c) close 1000", {P(TEXT, "a"), P(FIN | MORE, "b"), P(FIN | BINARY, "c"), BYE}}, )

TRIALS(closes_are_answered_and_end_it, false,
    {"5.5.1", "text(a) close 1000", {P(FIN | TEXT, "a"), BYE}},
    {"5.5.1", "close 1000", {BYE, BYE}},
    {"5.5.1", "close 1000", {BYE, P(FIN | PING, "a")}},
    {"5.5.1", "close 1000", {BYE, P(FIN | TEXT, "a")}},
    {"5.5.1", "close 1000", {P(TEXT, "a"), BYE, P(FIN | MORE, "b")}},
    {"5.5.1", "close", {P(FIN | CLOSE, "")}},
    {"5.5.1", "close 1002", {P(FIN | CLOSE, "a")}},
    {"5.5.1", "close 1000", {P(FIN | CLOSE, "\x03\xe8" "bye")}},
    {"5.5.1", "close 1007", {P(FIN | CLOSE, "\x03\xe8" "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80")}},
    {"5.5", "close 1002", {STARS(FIN | CLOSE, 126)}},
    {"5.5", "close 1002", {P(CLOSE, "\x03\xe8"), P(FIN | MORE, "")}}, )

TEST(codes_that_may_be_sent_are_answered_and_others_are_not)
{
    static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999};
    static const unsigned bad[] = {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535};
    for (size_t i = 0; i < sizeof good / sizeof good[0] + sizeof bad / sizeof bad[0]; i++) {
        bool is_good = i < sizeof good / sizeof good[0];
        unsigned code = is_good ? good[i] : bad[i - sizeof good / sizeof good[0]];
        char payload[2] = {(char)(code >> 8), (char)code}, reply[20];
        snprintf(reply, sizeof reply, "close %u", is_good ? code : 1002);
        const trial t = {"7.4", reply, {{FIN | CLOSE, payload, 2, 0}}};
        check(&t);
    }
}

/* ---- Large messages -------------------------------------------------------------------------- */

#define LARGE ((size_t)16 * 1024 * 1024)

static void hear_large(kt_websocket *ws, const char *text)
{
    kt_websocket_message m;
    CHECK_EQ(kt_websocket_read(ws, &m), 1);
    CHECK_EQ(m.kind, KT_WEBSOCKET_TEXT);
    CHECK_EQ(m.data.size, LARGE);
    CHECK(memcmp(m.data.data, text, LARGE) == 0);
}

static void say_large(kt_websocket *ws, const char *text, size_t frame)
{
    for (size_t at = 0; at < LARGE; at += frame)
        CHECK_OK(kt_websocket_write_part(ws, KT_WEBSOCKET_TEXT, text + at, frame, at + frame == LARGE));
}

/* Of what a limit allows, all comes back, in whatever frames it is said; and not a byte more. */
TEST(messages_of_sixteen_mebibytes_come_back_and_no_longer_ones)
{
    static char text[LARGE + 1];
    message_max = LARGE;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * i % 23);
    for (int packed = 0; packed < 2; packed++) {
        kt_auto(net) n = net_open((kt_test_network_options){0});
        (void)n;
        site s;
        kt_websocket *ws = NULL;
        kt_websocket_message m;
        deflate = packed;
        const kt_websocket_options o = options();
        site_open(&s, NULL, server_echoes, NULL);
        kt_http_session *web = session_for(kt_listener_port(s.l), (kt_http_session_options){0});
        CHECK_OK(kt_websocket_connect(web, "/", &o, &ws));
        CHECK_OK(kt_websocket_write(ws, KT_WEBSOCKET_TEXT, text, LARGE));
        hear_large(ws, text);
        for (size_t frame = 4096; frame < LARGE; frame *= 32) {
            say_large(ws, text, frame);
            hear_large(ws, text);
        }
        if (packed) {
            CHECK_OK(kt_websocket_write(ws, KT_WEBSOCKET_TEXT, text, LARGE + 1));
        } else { /* a frame that is too long is refused at its head, and its bytes make the system reset */
            CHECK_OK(kt_websocket_write_part(ws, KT_WEBSOCKET_TEXT, text, LARGE, false));
            CHECK_OK(kt_websocket_write_part(ws, KT_WEBSOCKET_TEXT, text, 1, true));
        }
        CHECK_LE(kt_websocket_read(ws, &m), 0);
        CHECK_EQ(kt_websocket_close_code(ws), 1009);
        kt_websocket_close(ws);
        kt_http_session_close(web);
        site_close(&s);
    }
}

/* ---- Text ------------------------------------------------------------------------------------ */

/* Whole; a byte a frame; and, where it is wrong, at the first byte that is so, before the rest has come. */
static void check_text(const char *text, size_t size, bool good)
{
    char reply[100];
    trial t = {"8.1", reply, {{FIN | TEXT, text, size, 0}, BYE}};
    snprintf(reply, sizeof reply, good ? "text(%s) close 1000" : "close 1007", text);
    check(&t);
    CHECK_LE(size + 1, PIECES - 1);
    t = (trial){"8.1, in frames", reply, {{TEXT, "", 0, 0}}};
    for (size_t i = 0; i < size; i++)
        t.pieces[i] = (piece){i == 0 ? TEXT : MORE, text + i, 1, 0};
    t.pieces[size] = (piece)P(FIN | MORE, "");
    t.pieces[size + 1] = (piece)BYE;
    check(&t);
}

static void check_early(const char *text, size_t size)
{
    const trial t = {"8.1, early", "close 1007", {{FIN | TEXT, text, size, size + 50}}};
    check(&t);
    const trial u = {"8.1, early", "close 1007", {{TEXT, text, size, 0}}};
    check(&u);
}

TEST(text_is_utf_8)
{
    static const char *const good[] = {
        "Hello\xc2\xb5@", "\xce\xba\xe1\xbd\xb9", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbd", "\xef\xbf\xbe", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf0\x9f\xbf\xbf",
        "\xf4\x8f\xbf\xbf", "\x7f",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        check_text(good[i], strlen(good[i]), true);
}

TEST(text_that_is_none_ends_it_at_its_first_wrong_byte)
{
    static const char *const bad[] = {
        "\x80", "\xbf", "\x80\xbf", "a\x80", "\xfe", "\xff", "\xfe\xff", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf",
        "\xe0\x9f\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80",
        "\xed\xb0\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", "\xf4\x90\x80\x80", "\xf5\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfc\x84\x80\x80\x80\x80", "\xf8\x80\x80\x80\xaf", "\xfd\xbf\xbf\xbf\xbf\xbf", "\xc3 a", "\xe2\x82 a",
        "\xf0\x9f\x8d a", "\xce\xba\xed\xa0\x80z",
    };
    static const char *const cut[] = {"\xc3", "\xe2\x82", "\xe2", "\xf0\x9f\x8d", "\xf0\x9f", "\xf0", "a\xce"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check_text(bad[i], strlen(bad[i]), false);
        check_early(bad[i], strlen(bad[i]));
    }
    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++)
        check_text(cut[i], strlen(cut[i]), false);
}

/* ---- Compression: the examples of RFC 7692 section 7.2.3 --------------------------------------- */

#define HELLO_PACKED "\xf2\x48\xcd\xc9\xc9\x07\x00"

TRIALS(what_is_compressed_is_unpacked, true,
    {"7.2.3.1", "text(Hello) close 1000", {P(FIN | RSV1 | TEXT, HELLO_PACKED), BYE}},
    {"7.2.3.1", "text(Hello) close 1000", {P(RSV1 | TEXT, "\xf2\x48\xcd"), P(FIN | MORE, "\xc9\xc9\x07\x00"), BYE}},
    {"7.2.3.2", "text(Hello) text(Hello) close 1000",
     {P(FIN | RSV1 | TEXT, HELLO_PACKED), P(FIN | RSV1 | TEXT, "\xf2\x00\x11\x00\x00"), BYE}},
    {"7.2.3.3", "text(Hello) close 1000", {P(FIN | RSV1 | TEXT, "\x00\x05\x00\xfa\xff" "Hello\x00"), BYE}},
    {"7.2.3.4", "text(Hello) close 1000", {P(FIN | RSV1 | TEXT, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), BYE}},
    {"7.2.3.5", "text(Hello) close 1000",
     {P(FIN | RSV1 | TEXT, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), BYE}},
    {"7.2.3.6", "text() close 1000", {P(FIN | RSV1 | TEXT, "\x00"), BYE}},
    {"6", "text(a) close 1000", {P(FIN | TEXT, "a"), BYE}},
    {"6", "text(a) text(Hello) close 1000", {P(FIN | TEXT, "a"), P(FIN | RSV1 | TEXT, HELLO_PACKED), BYE}},
    {"6", "pong(a) text(Hello) close 1000",
     {P(RSV1 | TEXT, "\xf2\x48\xcd"), P(FIN | PING, "a"), P(FIN | MORE, "\xc9\xc9\x07\x00"), BYE}},
    {"6.1", "close 1002", {P(RSV1 | TEXT, "\xf2\x48\xcd"), P(FIN | RSV1 | MORE, "\xc9\xc9\x07\x00")}},
    {"6.1", "close 1002", {P(FIN | RSV1 | PING, "a")}},
    {"6.1", "close 1002", {P(FIN | RSV1 | CLOSE, "\x03\xe8")}},
    {"6.1", "close 1002", {P(FIN | RSV1 | RSV2 | TEXT, HELLO_PACKED)}}, )
