/* SPDX-License-Identifier: MIT */
/* The client over HTTP/2 against servers that mean it harm: each is cut off, with a named error, and its connection is
 * really dropped while the session goes on. */
#include "h2_evil.h"

#include "http/client_h2.h"

/* The same frame as often as it takes. */
static void flood(peer *p, unsigned type, unsigned flags, uint32_t id, const void *bytes, size_t size)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    for (int i = 0; i < 50000; i++)
        put_frame(&b, type, flags, id, bytes, size);
    spill(p, b.data, b.size);
}

/* What the answer comes to, and the connection must go while the session is open. */
static void check_cut_off(void (*acts)(peer *p, uint32_t id), const char *expected)
{
    evil e = {.acts = acts};
    evil_open(&e, (kt_http_session_options){0});
    CHECK_STR(ask(e.web, "/"), expected);
    while (e.dropped < e.connections)
        CHECK_OK(kt_sleep(0));
    CHECK_EQ(facts_of(e.web).connections, 0);
    evil_close(&e);
}

/* ":status: 200", and a literal field if there is a name. */
static size_t head_of(uint8_t *block, const char *name, const char *value)
{
    size_t n = 0, name_size = name ? strlen(name) : 0, value_size = name ? strlen(value) : 0;
    block[n++] = 0x88;
    if (!name)
        return n;
    block[n++] = 0;
    block[n++] = (uint8_t)name_size;
    memcpy(block + n, name, name_size);
    n += name_size;
    block[n++] = (uint8_t)value_size;
    memcpy(block + n, value, value_size);
    return n + value_size;
}

static void say_head(peer *p, uint32_t id, unsigned flags, const char *name, const char *value)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    uint8_t block[256];
    put_frame(&b, HEADERS, flags, id, block, head_of(block, name, value));
    spill(p, b.data, b.size);
}

/* ---- Floods ---------------------------------------------------------------------------------------- */

static void pings(peer *p, uint32_t id)
{
    (void)id;
    flood(p, PING, 0, 0, "12345678", 8);
}

static void pongs(peer *p, uint32_t id)
{
    (void)id;
    flood(p, PING, ACK, 0, "12345678", 8);
}

static void settings(peer *p, uint32_t id)
{
    (void)id;
    flood(p, SETTINGS, 0, 0, "\0\4\0\0\377\377", 6);
}

static void empty_data(peer *p, uint32_t id)
{
    say_head(p, id, END_HEADERS, NULL, NULL);
    flood(p, DATA, 0, id, "", 0);
}

static void priorities(peer *p, uint32_t id)
{
    flood(p, PRIORITY, 0, id, "\0\0\0\0\1", 5);
}

static void windows(peer *p, uint32_t id)
{
    (void)id;
    flood(p, WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4);
}

static void unknown(peer *p, uint32_t id)
{
    flood(p, 0xfa, 0, id, "12345678", 8);
}

static void interims(peer *p, uint32_t id)
{
    static const uint8_t block[] = {0x08, 3, '1', '0', '3'};
    flood(p, HEADERS, END_HEADERS, id, block, sizeof block);
}

TEST(floods_of_frames_that_carry_nothing_are_cut_off)
{
    check_cut_off(pings, "KT_ELIMIT");
    check_cut_off(pongs, "KT_ELIMIT");
    check_cut_off(settings, "KT_ELIMIT");
    check_cut_off(empty_data, "200 KT_ELIMIT");
    check_cut_off(priorities, "KT_ELIMIT");
    check_cut_off(windows, "KT_ELIMIT");
    check_cut_off(unknown, "KT_ELIMIT");
    check_cut_off(interims, "KT_ELIMIT");
}

static kt_event is_idle = KT_EVENT_INIT;

static void answers_and_pings(peer *p, uint32_t id)
{
    say_head(p, id, END_HEADERS | END_STREAM, NULL, NULL);
    (void)!kt_event_wait(&is_idle);
    flood(p, PING, 0, 0, "12345678", 8);
}

/* Nobody asks for anything any more, and nobody waits for the time of idle connections to be over. */
TEST(an_idle_connection_that_is_flooded_is_dropped)
{
    evil e = {.acts = answers_and_pings};
    evil_open(&e, (kt_http_session_options){0});
    CHECK_STR(ask(e.web, "/"), "200 ");
    CHECK_EQ(facts_of(e.web).idle, 1);
    for (int i = 0; i < 10; i++) /* and who looks after it sleeps */
        CHECK_OK(kt_sleep(0));
    kt_event_set(&is_idle);
    while (e.dropped < 1)
        CHECK_OK(kt_sleep(0));
    CHECK_EQ(facts_of(e.web).connections, 0);
    evil_close(&e);
}

/* ---- What comes late ------------------------------------------------------------------------------- */

static int late_frames;

static void sends_on(peer *p, uint32_t id)
{
    static const uint8_t bytes[16 * 1024];
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    say_head(p, id, END_HEADERS | (id > 1 ? END_STREAM : 0), NULL, NULL);
    if (id > 1)
        return;
    put_frame(&b, DATA, 0, id, bytes, 1);
    spill(p, b.data, b.size);
    while (p->f.type != RST_STREAM && hears_frame(p))
        continue;
    for (int i = 0; i < late_frames; i++)
        put_frame(&b, DATA, 0, id, bytes, sizeof bytes);
    spill(p, b.data, b.size);
}

static const char *ask_behind_late_frames_of(evil *e, int count)
{
    kt_http_response *r = NULL;
    char byte;
    late_frames = count;
    evil_open(e, (kt_http_session_options){0});
    CHECK_OK(kt_http_get(e->web, "/", &r));
    CHECK_EQ(kt_http_response_read(r, &byte, 1), 1);
    kt_http_response_close(r);
    const char *answer = ask(e->web, "/");
    evil_close(e);
    return answer;
}

static const char *ask_behind_late_frames(int count)
{
    evil e = {.acts = sends_on};
    return ask_behind_late_frames_of(&e, count);
}

TEST(what_a_server_had_sent_on_a_stream_that_is_given_up_is_no_flood)
{
    CHECK_STR(ask_behind_late_frames(60), "200 "); /* its window is 64 of them */
    CHECK_STR(ask_behind_late_frames(200), "KT_ELIMIT");
}

/* The client's settings are confirmed behind what it does not want any more. */
static void sends_on_and_confirms(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    if (id == 1)
        put_frame(&b, SETTINGS, 0, 0, NULL, 0);
    spill(p, b.data, b.size);
    sends_on(p, id);
    kt_buffer_clear(&b);
    if (id == 1)
        put_frame(&b, SETTINGS, ACK, 0, NULL, 0);
    spill(p, b.data, b.size);
}

TEST(what_was_sent_before_our_settings_were_heard_of_is_no_flood)
{
    evil e = {.acts = sends_on_and_confirms, .bare = true};
    CHECK_STR(ask_behind_late_frames_of(&e, 60), "200 ");
}

/* Reads nothing of what comes behind the first request, for a while. */
static void sends_on_unheard(peer *p, uint32_t id)
{
    static const uint8_t bytes[16 * 1024];
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    if (id > 1) {
        say_head(p, id, END_HEADERS | END_STREAM, NULL, NULL);
        return;
    }
    put_frame(&b, SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
    put_frame(&b, WINDOW_UPDATE, 0, 0, "\x7f\0\0\0", 4);
    spill(p, b.data, b.size);
    say_head(p, id, END_HEADERS, NULL, NULL);
    CHECK_OK(kt_sleep(KT_S(1)));
    kt_buffer_clear(&b);
    for (int i = 0; i < 60; i++)
        put_frame(&b, DATA, 0, id, bytes, sizeof bytes);
    spill(p, b.data, b.size);
}

KT_FN(puts_a_sea, a, struct { kt_http_session *s; })
{
    static char sea[200 * 1000];
    const kt_http_request q = {.method = "PUT", .url = "/", .body = sea, .body_size = sizeof sea};
    CHECK_STR(ask_with(a->s, &q), "200 ");
    return 0;
}

/* That it is given up stands in line behind what the server does not read. */
TEST(what_is_sent_before_a_stream_can_be_given_up_is_no_flood)
{
    evil e = {.acts = sends_on_unheard};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_http_response *r = NULL;
    sim_only(); /* where little fits into a connection */
    evil_open(&e, (kt_http_session_options){0});
    CHECK_OK(kt_http_get(e.web, "/", &r));
    CHECK_OK(kt_group_spawn(&g, KT_WITH(puts_a_sea, .s = e.web)));
    CHECK_OK(kt_sleep(KT_MS(100)));
    kt_http_response_close(r);
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_EQ(e.connections, 1);
    evil_close(&e);
}

static void resets(peer *p, uint32_t id)
{
    flood(p, RST_STREAM, 0, id, "\0\0\0\2", 4);
}

TEST(a_flood_of_resets_is_cut_off)
{
    check_cut_off(resets, "ECONNRESET");
}

/* ---- Heads ----------------------------------------------------------------------------------------- */

static void continuations(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    uint8_t block[64];
    put_frame(&b, HEADERS, 0, id, block, head_of(block, NULL, NULL));
    for (int i = 0; i < 50000; i++)
        put_frame(&b, CONTINUATION, 0, id, block + 1, head_of(block, "x", "yyyyyyyy") - 1);
    spill(p, b.data, b.size);
}

static void empty_continuations(peer *p, uint32_t id)
{
    say_head(p, id, 0, NULL, NULL);
    flood(p, CONTINUATION, 0, id, "", 0);
}

TEST(a_head_that_does_not_end_is_cut_off)
{
    check_cut_off(continuations, "KT_EPROTOCOL");
    check_cut_off(empty_continuations, "KT_EPROTOCOL");
}

/* One field of 4000 bytes goes into the table, and a byte each calls it up again. */
static void bomb(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    static uint8_t block[16384];
    size_t n = 0;
    memcpy(block, "\x88\x40\x01x\x7f\xa1\x1e", 7);
    n = 7;
    memset(block + n, 'y', 4000);
    n += 4000;
    memset(block + n, 0xbe, sizeof block - n);
    put_frame(&b, HEADERS, END_HEADERS, id, block, sizeof block);
    spill(p, b.data, b.size);
}

/* It costs its own stream alone. */
TEST(a_head_that_unpacks_to_megabytes_is_refused)
{
    evil e = {.acts = bomb};
    evil_open(&e, (kt_http_session_options){0});
    CHECK_STR(ask(e.web, "/"), "KT_ELIMIT");
    CHECK_EQ(e.connections, 1);
    evil_close(&e);
}

static void rubbish(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    put_frame(&b, HEADERS, END_HEADERS, id, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    spill(p, b.data, b.size);
}

TEST(a_head_that_cannot_be_unpacked_ends_the_connection)
{
    check_cut_off(rubbish, "KT_EPROTOCOL");
}

/* ---- Bodies ---------------------------------------------------------------------------------------- */

static void too_much(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    say_head(p, id, END_HEADERS, "content-length", "3");
    put_frame(&b, DATA, END_STREAM, id, "green", 5);
    spill(p, b.data, b.size);
}

static void too_little(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    say_head(p, id, END_HEADERS, "content-length", "7");
    put_frame(&b, DATA, END_STREAM, id, "green", 5);
    spill(p, b.data, b.size);
}

static const char *answer_of_evil(void (*acts)(peer *p, uint32_t id), kt_http_session_options o)
{
    evil e = {.acts = acts};
    evil_open(&e, o);
    const char *said = ask(e.web, "/");
    evil_close(&e);
    return said;
}

TEST(a_body_of_another_length_than_announced_is_broken)
{
    CHECK_STR(answer_of_evil(too_much, (kt_http_session_options){0}), "200 KT_EPROTOCOL");
    CHECK_STR(answer_of_evil(too_little, (kt_http_session_options){0}), "200 KT_EPROTOCOL");
}

/* More than the window allows, which no reader asked for. */
static void overflow(peer *p, uint32_t id)
{
    static char bytes[16384];
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    say_head(p, id, END_HEADERS, NULL, NULL);
    for (int i = 0; i < 2000; i++)
        put_frame(&b, DATA, 0, id, bytes, sizeof bytes);
    spill(p, b.data, b.size);
}

TEST(data_beyond_the_window_is_cut_off)
{
    evil e = {.acts = overflow};
    kt_http_response *r = NULL;
    char byte;
    evil_open(&e, (kt_http_session_options){0});
    CHECK_OK(kt_http_get(e.web, "/", &r));
    while (r->conn->h2->rc == 0)
        CHECK_OK(kt_sleep(0));
    ssize_t n = 1;
    size_t size = 0;
    while (n > 0) {
        n = kt_http_response_read(r, &byte, 1);
        size += n > 0;
    }
    CHECK_ERR(n, KT_EPROTOCOL);
    CHECK_LE(size, 2 * 1024 * 1024);
    kt_http_response_close(r);
    evil_close(&e);
}

/* ---- Silence --------------------------------------------------------------------------------------- */

static void no_window(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    (void)id;
    put_frame(&b, SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
    spill(p, b.data, b.size);
}

TEST(a_window_that_never_opens_ends_with_the_time_for_sending)
{
    static char sea[200 * 1000];
    evil e = {.acts = no_window};
    sim_only();
    evil_open(&e, (kt_http_session_options){0});
    const kt_http_request q = {.method = "PUT", .url = "/", .body = sea, .body_size = sizeof sea};
    kt_time start = kt_now();
    CHECK_STR(ask_with(e.web, &q), "ETIMEDOUT");
    CHECK_EQ(kt_now() - start, KT_S(30));
    evil_close(&e);
}

static void says_half(peer *p, uint32_t id)
{
    say_head(p, id, END_HEADERS, "content-length", "9");
}

static void says_nothing(peer *p, uint32_t id)
{
    (void)p;
    (void)id;
}

TEST(silence_ends_with_the_time_of_each_phase)
{
    sim_only();
    CHECK_STR(answer_of_evil(says_nothing, (kt_http_session_options){0}), "ETIMEDOUT");
    CHECK_STR(answer_of_evil(says_half, (kt_http_session_options){0}), "200 ETIMEDOUT");
}

/* ---- Streams that are given up --------------------------------------------------------------------- */

static void goes_away(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    (void)id;
    put_frame(&b, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    spill(p, b.data, b.size);
}

static void refuses(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    put_frame(&b, RST_STREAM, 0, id, "\0\0\0\7", 4);
    spill(p, b.data, b.size);
}

/* What was refused may be sent again on other connections, since servers say GOAWAY in good order, and no oftener than
 * 20 times. */
TEST(a_server_that_refuses_all_is_not_asked_for_ever)
{
    evil e = {.acts = goes_away};
    evil_open(&e, (kt_http_session_options){0});
    CHECK_STR(ask(e.web, "/"), "ECONNRESET");
    CHECK_EQ(e.connections, 1 + 20);
    evil_close(&e);
    CHECK_STR(answer_of_evil(refuses, (kt_http_session_options){0}), "ECONNRESET");
}

static int refused;

/* All but what has no body. */
static void refuses_bodies(peer *p, uint32_t id)
{
    if (p->f.flags & END_STREAM) {
        say_head(p, id, END_HEADERS | END_STREAM, NULL, NULL);
        return;
    }
    refused++;
    refuses(p, id);
}

typedef struct late_body {
    int read_rc, rewind_rc;
} late_body;

static ssize_t reads_late(void *buffer, size_t size, void *arg)
{
    const late_body *b = arg;
    (void)buffer;
    (void)size;
    int rc = kt_sleep(KT_MS(1));
    return rc < 0 ? rc : b->read_rc;
}

static int rewinds(void *arg)
{
    return ((const late_body *)arg)->rewind_rc;
}

static const char *ask_who_refuses(late_body b)
{
    evil e = {.acts = refuses_bodies};
    const kt_http_request q = {.method = "PUT",
                               .url = "/",
                               .body_read = reads_late,
                               .body_rewind = rewinds,
                               .body_arg = &b,
                               .timeouts.total = KT_S(10)};
    refused = 0;
    evil_open(&e, (kt_http_session_options){0});
    CHECK_STR(ask(e.web, "/"), "200 ");
    const char *answer = ask_with(e.web, &q);
    evil_close(&e);
    return answer;
}

/* Not as fast as the network is. */
TEST(a_server_that_refuses_some_is_asked_ever_more_seldom)
{
    sim_only();
    CHECK_STR(ask_who_refuses((late_body){0}), "ETIMEDOUT");
    CHECK_GT(refused, 20);
    CHECK_LT(refused, 40);
}

TEST(a_body_that_fails_ends_a_request_that_is_refused)
{
    sim_only();
    CHECK_STR(ask_who_refuses((late_body){.rewind_rc = -EDOM}), "EDOM");
    CHECK_EQ(refused, 1);
    CHECK_STR(ask_who_refuses((late_body){.read_rc = -EDOM}), "EDOM");
    CHECK_EQ(refused, 1);
}

static void pushes(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    put_frame(&b, PUSH_PROMISE, END_HEADERS, id, "\0\0\0\2\x82\x84\x86\x41\1a", 10);
    spill(p, b.data, b.size);
}

static void even_stream(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    (void)id;
    put_frame(&b, HEADERS, END_HEADERS, 2, "\x88", 1);
    spill(p, b.data, b.size);
}

static void huge_frame(peer *p, uint32_t id)
{
    const uint8_t head[9] = {0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, (uint8_t)id};
    spill(p, head, sizeof head);
}

static void window_overflow(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    (void)id;
    put_frame(&b, WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff", 4);
    spill(p, b.data, b.size);
}

/* RFC 9113 section 6.9.2: it is an error of the connection, whatever the stream. */
static void settings_overflow(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    put_frame(&b, WINDOW_UPDATE, 0, id, "\0\0\0\1", 4);
    put_frame(&b, SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
    spill(p, b.data, b.size);
}

TEST(frames_that_a_server_must_not_send_end_the_connection)
{
    check_cut_off(pushes, "KT_EPROTOCOL");
    check_cut_off(even_stream, "KT_EPROTOCOL");
    check_cut_off(huge_frame, "KT_EPROTOCOL");
    check_cut_off(window_overflow, "KT_EPROTOCOL");
    check_cut_off(settings_overflow, "KT_EPROTOCOL");
}
