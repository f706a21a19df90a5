/* SPDX-License-Identifier: MIT */
/* The frames of WebSocket, in whatever pieces they come. */
#include "http/websocket_frame.h"

#include <kettle/test.h>
#include <stdio.h>

#define S(text) text, sizeof text - 1

/* Feeds the bytes in pieces of `step` and writes down what came: "text(...)" for a message of whatever pieces,
 * "ping(...)", "pong(...)", "close 1000(...)", "more" at the end, or "fail 1002" alone. */
static void replay(kt__ws_reader r, const char *bytes, size_t size, size_t step, char *out, size_t room)
{
    char input[300];
    size_t have = 0, fed = 0;
    int n = 0;
    out[0] = '\0';
    CHECK_LE(size, sizeof input);
    for (;;) {
        kt__ws_event e;
        ssize_t taken = kt__ws_feed(&r, input, have, &e);
        if (taken < 0) {
            CHECK_ERR((int)taken, KT_EPROTOCOL);
            snprintf(out, room, "fail %d", r.close_code); /* how much came before depends on the pieces */
            return;
        }
        int shown = (int)e.data.size;
        const char *data = e.data.size ? e.data.data : "";
        if (e.type == KT__WS_TEXT || e.type == KT__WS_BINARY)
            n += snprintf(out + n, room - (size_t)n, "%s%.*s%s",
                          !e.first                 ? ""
                          : e.type == KT__WS_TEXT ? "text("
                                                  : "binary(",
                          shown, data, e.final ? ") " : "");
        else if (e.type == KT__WS_CLOSE)
            n += snprintf(out + n, room - (size_t)n, "close %d(%.*s) ", e.code, shown, data);
        else if (e.type != 0)
            n += snprintf(out + n, room - (size_t)n, "%s(%.*s) ", e.type == KT__WS_PING ? "ping" : "pong", shown, data);
        memmove(input, input + taken, have - (size_t)taken);
        have -= (size_t)taken;
        if (e.type != 0)
            continue;
        if (fed == size)
            break;
        size_t piece = size - fed < step ? size - fed : step;
        memcpy(input + have, bytes + fed, piece);
        have += piece;
        fed += piece;
    }
    snprintf(out + n, room - (size_t)n, "%s", r.in_frame || r.message || have > 0 ? "more" : "");
}

typedef struct frames {
    const char *section;
    const char *bytes;
    size_t size;
    const char *expected;
} frames;

static void check_all(kt__ws_reader r, const frames *cases, size_t count)
{
    char got[400];
    for (size_t i = 0; i < count; i++)
        for (size_t step = 1; step <= cases[i].size + 1; step++) {
            kt_test_say("%s: %s", cases[i].section, cases[i].expected);
            replay(r, cases[i].bytes, cases[i].size, step, got, sizeof got);
            CHECK_STR(got, cases[i].expected);
        }
}

#define ALL(cases) cases, sizeof(cases) / sizeof((cases)[0])

TEST(a_servers_frames_are_read_in_any_pieces)
{
    static const frames cases[] = {
        {"5.7", S("\x81\x05Hello"), "text(Hello) "},
        {"5.7", S("\x01\x03Hel\x80\x02lo"), "text(Hello) "},
        {"5.7", S("\x89\x05Hello"), "ping(Hello) "},
        {"5.4", S("\x01\x03Hel\x89\x01!\x80\x02lo"), "text(Helping(!) lo) "},
        {"5.4", S("\x02\x00\x00\x00\x80\x02hi"), "binary(hi) "},
        {"5.4", S("\x02\x00\x80\x00"), "binary() "},
        {"5.6", S("\x82\x00\x81\x00"), "binary() text() "},
        {"5.5.3", S("\x8a\x00"), "pong() "},
        {"5.2", S("\x81\x02h"), "text(hmore"},
        {"5.2", S("\x81"), "more"},
        {"8.1", S("\x81\x02\xc3\xa9"), "text(\xc3\xa9) "},
        {"8.1", S("\x01\x01\xc3\x80\x01\xa9"), "text(\xc3\xa9) "},
        {"7.1.5", S("\x88\x00"), "close 1005() "},
        {"7.1.5", S("\x88\x02\x03\xe8"), "close 1000() "},
        {"7.1.6", S("\x88\x05\x03\xe9" "bye"), "close 1001(bye) "},
        {"7.4.2", S("\x88\x02\x0f\xa0"), "close 4000() "},
    };
    check_all((kt__ws_reader){.masked = false}, ALL(cases));
}

TEST(what_breaks_the_protocol_fails_at_its_first_byte)
{
    static const frames cases[] = {
        {"5.2", S("\xc1\x00"), "fail 1002"},
        {"5.2", S("\xa1\x00"), "fail 1002"},
        {"5.2", S("\x91\x00"), "fail 1002"},
        {"5.2", S("\x83\x00"), "fail 1002"},
        {"5.2", S("\x87\x00"), "fail 1002"},
        {"5.2", S("\x8b\x00"), "fail 1002"},
        {"5.2", S("\x8f\x00"), "fail 1002"},
        {"5.5", S("\x09\x00"), "fail 1002"},
        {"5.5", S("\x89\x7e\x00\x7e"), "fail 1002"},
        {"5.5", S("\x88\x7f"), "fail 1002"},
        {"5.4", S("\x80\x00"), "fail 1002"},
        {"5.4", S("\x00\x00"), "fail 1002"},
        {"5.4", S("\x01\x00\x81\x00"), "fail 1002"},
        {"5.4", S("\x01\x00\x82\x00"), "fail 1002"},
        {"5.1", S("\x81\x80\x00\x00\x00\x00"), "fail 1002"},
        {"5.2", S("\x82\x7e\x00\x7d"), "fail 1002"},
        {"5.2", S("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), "fail 1002"},
        {"5.2", S("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"), "fail 1002"},
        {"5.5.1", S("\x88\x01\x03"), "fail 1002"},
        {"7.4.1", S("\x88\x02\x03\xe7"), "fail 1002"},
        {"7.4.1", S("\x88\x02\x03\xec"), "fail 1002"},
        {"7.4.1", S("\x88\x02\x03\xed"), "fail 1002"},
        {"7.4.1", S("\x88\x02\x03\xee"), "fail 1002"},
        {"7.4.1", S("\x88\x02\x03\xf7"), "fail 1002"},
        {"7.4.2", S("\x88\x02\x0b\xb7"), "fail 1002"},
        {"7.4.2", S("\x88\x02\x13\x88"), "fail 1002"},
        {"8.1", S("\x88\x03\x03\xe8\xff"), "fail 1007"},
        {"8.1", S("\x81\x01\xff"), "fail 1007"},
        {"8.1", S("\x81\x02\xc0\x80"), "fail 1007"},
        {"8.1", S("\x81\x03\xed\xa0\x80"), "fail 1007"},
        {"8.1", S("\x81\x04\xf4\x90\x80\x80"), "fail 1007"},
        {"8.1", S("\x81\x01\xc3"), "fail 1007"},
    };
    check_all((kt__ws_reader){.masked = false}, ALL(cases));
}

TEST(a_clients_frames_are_unmasked_and_must_be_masked)
{
    static const frames cases[] = {
        {"5.7", S("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "text(Hello) "},
        {"5.7", S("\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "ping(Hello) "},
        {"5.1", S("\x81\x05Hello"), "fail 1002"},
        {"5.1", S("\x88\x00"), "fail 1002"},
    };
    check_all((kt__ws_reader){.masked = true}, ALL(cases));
}

TEST(a_bad_byte_fails_before_its_message_is_whole)
{
    kt__ws_reader r = {.masked = false};
    kt__ws_event e;
    char bytes[] = "\x01\x7dhello \xf8";
    CHECK_ERR((int)kt__ws_feed(&r, bytes, sizeof bytes - 1, &e), KT_EPROTOCOL);
    CHECK_EQ(r.close_code, 1007);
}

TEST(the_bit_of_compression_is_for_the_first_frame_of_data)
{
    static const frames cases[] = {
        {"RFC 7692 6", S("\xc1\x02hi"), "text(hi) "},
        {"RFC 7692 6", S("\x41\x01h\xc0\x01i"), "fail 1002"},
        {"RFC 7692 6", S("\xc9\x00"), "fail 1002"},
    };
    check_all((kt__ws_reader){.extended = true}, ALL(cases));
}

TEST(heads_are_written_in_the_shortest_way_and_read_back)
{
    static const uint64_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, UINT64_C(1) << 40};
    static const size_t heads[] = {2, 2, 2, 4, 4, 4, 10, 10};
    const uint8_t mask[4] = {1, 2, 3, 4};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char head[KT__WS_HEAD_MAX];
        kt__ws_reader r = {.masked = true};
        kt__ws_event e;
        CHECK_EQ(kt__ws_head_put(head, KT__WS_BINARY | KT__WS_FINAL, sizes[i], NULL), heads[i]);
        size_t size = kt__ws_head_put(head, KT__WS_BINARY | KT__WS_FINAL, sizes[i], mask);
        CHECK_EQ(size, heads[i] + 4);
        CHECK_EQ(kt__ws_feed(&r, head, size, &e), (ssize_t)size);
        CHECK_EQ(r.left, sizes[i]);
    }
}

TEST(sizes_of_every_width_carry_their_bytes)
{
    static const size_t sizes[] = {125, 126, 127, 65535, 65536, 70000};
    static char frame[KT__WS_HEAD_MAX + 70000];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        kt__ws_reader r = {.masked = false};
        kt__ws_event e;
        size_t head = kt__ws_head_put(frame, KT__WS_BINARY | KT__WS_FINAL, sizes[i], NULL);
        CHECK_EQ(kt__ws_feed(&r, frame, head + sizes[i] - 1, &e), (ssize_t)(head + sizes[i] - 1));
        CHECK(e.first && !e.final && e.data.size == sizes[i] - 1);
        CHECK_EQ(kt__ws_feed(&r, frame + head, 1, &e), 1);
        CHECK(e.final && e.data.size == 1);
    }
}

TEST(masking_twice_gives_the_bytes_back_whatever_the_pieces)
{
    const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    char bytes[100], once[100];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = once[i] = (char)(i * 7);
    kt__ws_mask(once, sizeof once, mask, 0);
    CHECK_EQ((uint8_t)once[5], (uint8_t)(35 ^ 0x34));
    for (size_t at = 0, step = 1; at < sizeof once; at += step, step = step % 13 + 1)
        kt__ws_mask(once + at, at + step < sizeof once ? step : sizeof once - at, mask, at);
    CHECK_MEM(once, bytes, sizeof bytes);
}
