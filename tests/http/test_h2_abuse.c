/* SPDX-License-Identifier: MIT */

/* Clients of HTTP/2 that mean no good (RFC 9113 section 10.5). */
#include "h2_client.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

typedef struct guests {
    int now, most, in_all;
} guests;

static int stay(kt_http_exchange *x, void *arg)
{
    guests *g = arg;
    (void)x;
    g->in_all++;
    if (++g->now > g->most)
        g->most = g->now;
    int rc = kt_sleep(KT_S(20));
    g->now--;
    return rc;
}

WITH_SERVER(more_streams_than_allowed_are_refused)
{
    site s;
    peer p;
    guests g = {0};
    const kt_http_options o = {.grace = -1};
    site_open(&s, &o, stay, &g);
    greet(&p, dial(&s));
    for (uint32_t i = 0; i < 101; i++)
        get(&p, 2 * i + 1, "/");
    expect_reset(&p, 201, NGHTTP2_REFUSED_STREAM);
    CHECK_EQ(g.now, 100);
    leave(&p);
    site_close(&s);
    CHECK_EQ(g.now, 0);
}

WITH_SERVER(a_client_that_opens_and_resets_is_cut_off)
{
    site s;
    peer p;
    guests g = {0};
    site_open(&s, NULL, stay, &g);
    greet(&p, dial(&s));
    for (uint32_t i = 0; i < 250; i++) {
        get(&p, 2 * i + 1, "/");
        send_number(&p, RST_STREAM, 2 * i + 1, NGHTTP2_CANCEL);
    }
    expect_goaway(&p, NGHTTP2_ENHANCE_YOUR_CALM);
    CHECK_LE(g.most, 100);
    leave(&p);
    site_close(&s);
}

/* The client breaks a rule of each stream, and we reset it: CVE-2025-8671. */
WITH_SERVER(a_client_that_makes_us_reset_is_cut_off)
{
    site s;
    peer p;
    guests g = {0};
    site_open(&s, NULL, stay, &g);
    greet(&p, dial(&s));
    for (uint32_t i = 0; i < 250; i++) {
        get(&p, 2 * i + 1, "/");
        send_number(&p, WINDOW_UPDATE, 2 * i + 1, 0x7fffffff);
    }
    expect_goaway(&p, NGHTTP2_ENHANCE_YOUR_CALM);
    leave(&p);
    site_close(&s);
}

static void flood(unsigned type, unsigned flags, uint32_t id, const char *payload, size_t size)
{
    site s;
    peer p;
    guests g = {0};
    const kt_http_options o = {.grace = -1};
    site_open(&s, &o, stay, &g);
    greet(&p, dial(&s));
    request(&p, "POST", "/");
    send_head(&p, 1, END_HEADERS);
    for (int i = 0; i < 1100; i++)
        send_frame(&p, type, flags, id, payload, size);
    expect_goaway(&p, NGHTTP2_ENHANCE_YOUR_CALM);
    leave(&p);
    site_close(&s);
}

WITH_SERVER(floods_of_frames_that_carry_nothing_are_cut_off)
{
    flood(PING, ACK, 0, "12345678", 8);
    flood(SETTINGS, 0, 0, NULL, 0);
    flood(PRIORITY, 0, 1, "\0\0\0\0\1", 5);
    flood(DATA, 0, 1, NULL, 0);
    flood(DATA, PADDED, 1, "\0", 1);
    flood(DATA, PADDED, 1, "\5\0\0\0\0", 6);
    flood(77, 0, 0, "unknown", 7);
}

WITH_SERVER(a_byte_of_data_beside_padding_is_something)
{
    site s;
    peer p;
    guests g = {0};
    const kt_http_options o = {.grace = -1};
    site_open(&s, &o, stay, &g);
    greet(&p, dial(&s));
    request(&p, "POST", "/");
    send_head(&p, 1, END_HEADERS);
    for (int i = 0; i < 1100; i++)
        send_frame(&p, DATA, PADDED, 1, "\1a", 3);
    send_frame(&p, PING, 0, 0, "12345678", 8);
    expect(&p, PING, 0);
    leave(&p);
    site_close(&s);
}

static int much(kt_http_exchange *x, void *arg)
{
    static const char bytes[2500000];
    (void)arg;
    return kt_http_respond(x, 200, NULL, bytes, sizeof bytes);
}

/* As `nghttp -w 10 -W 10` does. */
WITH_SERVER(a_client_with_small_windows_may_open_both_for_each_frame)
{
    static const uint8_t small[] = {0, 4, 0, 0, 4, 0}; /* SETTINGS_INITIAL_WINDOW_SIZE: 1,024 */
    site s;
    peer p;
    size_t got = 0;
    site_open(&s, NULL, much, NULL);
    greet(&p, dial(&s));
    send_frame(&p, SETTINGS, 0, 0, small, sizeof small);
    get(&p, 1, "/");
    while (got < 2500000) {
        size_t n = expect(&p, DATA, 1)->size;
        got += n;
        send_number(&p, WINDOW_UPDATE, 0, (uint32_t)n);
        if (got < 2500000)
            send_number(&p, WINDOW_UPDATE, 1, (uint32_t)n);
    }
    leave(&p);
    site_close(&s);
}

WITH_SERVER(a_head_that_comes_in_too_many_frames_is_cut_off)
{
    site s;
    peer p;
    site_open(&s, NULL, hello, NULL);
    greet(&p, dial(&s));
    request(&p, "GET", "/");
    send_head(&p, 1, END_STREAM);
    for (int i = 0; i < 9; i++) {
        field(&p, "x-more", "1");
        send_frame(&p, CONTINUATION, 0, 1, p.block, p.block_size);
        p.block_size = 0;
    }
    expect_goaway(&p, NGHTTP2_ENHANCE_YOUR_CALM);
    leave(&p);
    site_close(&s);
}

/* One large field in the dynamic table, and then a byte for each time that it comes again. */
WITH_SERVER(a_head_that_unpacks_to_megabytes_is_refused)
{
    site s;
    peer p;
    uint8_t bomb[3500];
    memset(bomb, 0x80 | 62, sizeof bomb); /* indexed: the newest entry of the table */
    site_open(&s, NULL, hello, NULL);
    greet(&p, dial(&s));
    request(&p, "GET", "/");
    uint8_t *b = p.block + p.block_size;
    *b++ = 0x40; /* literal, to be indexed */
    *b++ = 1;
    *b++ = 'x';
    *b++ = 0x7f; /* a length of 127 + 2^7 * 23 + 1 */
    *b++ = 0x81;
    *b++ = 23;
    memset(b, 'y', 3072);
    p.block_size = (size_t)(b - p.block) + 3072;
    send_head(&p, 1, END_STREAM);
    send_frame(&p, CONTINUATION, END_HEADERS, 1, bomb, sizeof bomb);
    expect_status(&p, 1, "431");
    leave(&p);
    site_close(&s);
}

WITH_SERVER(streams_are_opened_in_order_or_the_connection_ends)
{
    site s;
    peer p;
    site_open(&s, NULL, hello, NULL);
    greet(&p, dial(&s));
    get(&p, 5, "/");
    get(&p, 3, "/");
    expect_goaway(&p, NGHTTP2_PROTOCOL_ERROR);
    leave(&p);
    greet(&p, dial(&s));
    get(&p, 5, "/");
    expect(&p, DATA, 5);
    get(&p, 5, "/");
    expect_goaway(&p, NGHTTP2_STREAM_CLOSED);
    leave(&p);
    site_close(&s);
}

/* Asks so often that what is remembered of streams begins anew; then the connection ends for this number. */
static void expect_that_is_no_number(const site *s, uint32_t id)
{
    peer p;
    greet(&p, dial(s));
    for (uint32_t i = 1; i < 2 * 267; i += i == 1 ? 4 : 2) {
        get(&p, i, "/");
        expect(&p, DATA, i);
    }
    get(&p, id, "/");
    expect_goaway(&p, NGHTTP2_PROTOCOL_ERROR);
    leave(&p);
}

WITH_SERVER(streams_are_opened_in_order_however_many_there_were)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    expect_that_is_no_number(&s, 3); /* never opened */
    expect_that_is_no_number(&s, 5); /* closed */
    site_close(&s);
}

/* A library may remember the last streams, say a hundred. */
WITH_SERVER(data_for_a_stream_that_has_ended_is_an_error_for_long)
{
    site s;
    peer p;
    site_open(&s, NULL, hello, NULL);
    greet(&p, dial(&s));
    for (uint32_t i = 1; i < 2 * 200; i += 2) {
        get(&p, i, "/");
        expect(&p, DATA, i);
    }
    send_frame(&p, DATA, 0, 1, "a", 1);
    expect_goaway(&p, NGHTTP2_STREAM_CLOSED);
    leave(&p);
    site_close(&s);
}

static int answer_much(kt_http_exchange *x, void *arg)
{
    static char much[100000];
    int *rc = arg;
    *rc = kt_http_respond(x, 200, NULL, much, sizeof much);
    return *rc;
}

WITH_SERVER(a_client_that_never_opens_its_window_loses_the_stream)
{
    const kt_http_options o = {.write_timeout = KT_MS(60)};
    int rc = 1;
    site s;
    peer p;
    site_open(&s, &o, answer_much, &rc);
    greet(&p, dial(&s));
    get(&p, 1, "/");
    expect_reset(&p, 1, NGHTTP2_CANCEL);
    CHECK_ERR(rc, -ETIMEDOUT);
    leave(&p);
    site_close(&s);
}

WITH_SERVER(a_head_that_does_not_end_is_cut_off)
{
    const kt_http_options o = {.head_timeout = KT_MS(60)};
    site s;
    peer p;
    site_open(&s, &o, hello, NULL);
    greet(&p, dial(&s));
    get(&p, 1, "/");
    expect(&p, DATA, 1);
    request(&p, "GET", "/");
    send_head(&p, 3, END_STREAM);
    expect_goaway(&p, NGHTTP2_ENHANCE_YOUR_CALM);
    leave(&p);
    site_close(&s);
}

static int read_slowly(kt_http_exchange *x, void *arg)
{
    int *rc = arg;
    kt_slice body;
    *rc = kt_http_read_all(x, 1000, &body);
    return *rc;
}

WITH_SERVER(a_body_that_does_not_come_is_given_up)
{
    const kt_http_options o = {.body_timeout = KT_MS(60)};
    int rc = 1;
    site s;
    peer p;
    site_open(&s, &o, read_slowly, &rc);
    greet(&p, dial(&s));
    request(&p, "POST", "/");
    send_head(&p, 1, END_HEADERS);
    expect_status(&p, 1, "408");
    CHECK_ERR(rc, -ETIMEDOUT);
    leave(&p);
    site_close(&s);
}
