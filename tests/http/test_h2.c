/* SPDX-License-Identifier: MIT */

/* HTTP/2 to the same handlers. */
#include "h2_client.h"

#include <sys/resource.h>
#include <unistd.h>

#include "core/switch.h"
#include "http/server.h"
#include "test/kit.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

static int tell(kt_http_exchange *x, void *arg)
{
    (void)arg;
    CHECK_STR(kt_http_version(x), "HTTP/2");
    CHECK_SLICE(kt_http_host(x), "a");
    kt_slice path = kt_http_path(x), cookie = kt_http_request_header(x, "cookie");
    char text[200];
    int n = snprintf(text, sizeof text, "%.*s %.*s %.*s", (int)kt_http_method(x).size, kt_http_method(x).data,
                     (int)path.size, path.data, (int)cookie.size, cookie.size ? cookie.data : "");
    CHECK_OK(kt_http_header(x, "X-Mine", "yes"));
    return kt_http_respond(x, 200, "text/plain", text, (size_t)n);
}

WITH_SERVER(a_request_is_the_same_to_its_handler)
{
    site s;
    peer p;
    site_open(&s, NULL, tell, NULL);
    greet(&p, dial(&s));
    request(&p, "GET", "/a%20b?c");
    field(&p, "x-host", "b");
    field(&p, "host", "a"); /* as :authority has it */
    field(&p, "cookie", "a=1");
    field(&p, "cookie", "b=2");
    send_head(&p, 1, END_STREAM | END_HEADERS);
    expect_status(&p, 1, "200");
    CHECK(strstr(p.head, "x-mine: yes\n") && strstr(p.head, "content-type: text/plain\n"));
    CHECK(strstr(p.head, "content-length: 17\n") && strstr(p.head, "date: "));
    const frame *f = expect(&p, DATA, 1);
    CHECK_MEM(f->bytes, "GET /a b a=1; b=2", 17);
    CHECK_EQ(f->flags, END_STREAM);
    leave(&p);
    site_close(&s);
}

static uint32_t ask_in_turn(peer *p, uint32_t id, int times)
{
    for (int i = 0; i < times; i++, id += 2) {
        get(p, id, "/");
        expect_status(p, id, "200");
        expect(p, DATA, id);
    }
    return id;
}

WITH_SERVER(a_request_that_has_ended_takes_no_memory_while_its_connection_goes_on)
{
    site s;
    peer p;
    site_open(&s, NULL, tell, NULL);
    greet(&p, dial(&s));
    uint32_t id = ask_in_turn(&p, 1, 200); /* nghttp2 remembers the last 100 */
    size_t before = kt_test_blocks();
    ask_in_turn(&p, id, 500);
    CHECK_LT(kt_test_blocks(), before + 50);
    leave(&p);
    site_close(&s);
}

static int wait_for(kt_http_exchange *x, void *arg)
{
    if (kt_slice_is(kt_http_path(x), "/now"))
        return hello(x, NULL);
    int rc = kt_event_wait(arg);
    return rc < 0 ? rc : hello(x, NULL);
}

WITH_SERVER(requests_of_one_connection_do_not_wait_for_each_other)
{
    site s;
    peer p;
    kt_event go = KT_EVENT_INIT;
    site_open(&s, NULL, wait_for, &go);
    greet(&p, dial(&s));
    get(&p, 1, "/later");
    get(&p, 3, "/now");
    expect_status(&p, 3, "200");
    kt_event_set(&go);
    expect_status(&p, 1, "200");
    leave(&p);
    site_close(&s);
}

static int mirror(kt_http_exchange *x, void *arg)
{
    kt_slice body;
    (void)arg;
    int rc = kt_http_read_all(x, 1024 * 1024, &body);
    return rc < 0 ? rc : kt_http_respond(x, 200, NULL, body.data, body.size);
}

static char plenty[300 * 1000];

static int answers_much(kt_http_exchange *x, void *arg)
{
    (void)arg;
    return kt_http_respond(x, 200, NULL, plenty, sizeof plenty);
}

/* Asks for much, with windows open for all of it, and keeps the connection. */
static void have_much(peer *p, const site *s)
{
    static const uint8_t window[6] = {0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0, 16, 0, 0};
    greet(p, dial(s));
    send_frame(p, SETTINGS, 0, 0, window, sizeof window);
    send_number(p, WINDOW_UPDATE, 0, 1 << 20);
    get(p, 1, "/");
    expect_status(p, 1, "200");
    while (!(expect(p, DATA, 1)->flags & END_STREAM))
        continue;
}

WITH_SERVER(an_idle_connection_has_no_buffers_of_its_last_answer)
{
    enum { MANY = 60, SPARE = KT__HTTP_SPARE_BUFFERS * 128 * 1024 }; /* the latter are the server's */
    static peer p[MANY];
    site s;
    site_open(&s, NULL, answers_much, NULL);
    size_t before = kt__test_memory_bytes();
    for (int i = 0; i < MANY; i++)
        have_much(&p[i], &s);
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK_LT(kt__test_memory_bytes(), before + SPARE + MANY * (size_t)64 * 1024);
    for (int i = 0; i < MANY; i++)
        leave(&p[i]);
    site_close(&s);
}

WITH_SERVER(a_connection_that_has_had_its_requests_says_good_bye_and_ends_with_the_last)
{
    site s;
    peer p;
    kt_event go = KT_EVENT_INIT;
    const kt_http_options o = {.requests_max = 3};
    site_open(&s, &o, wait_for, &go);
    greet(&p, dial(&s));
    get(&p, 1, "/later");
    get(&p, 3, "/now");
    expect_status(&p, 3, "200");
    get(&p, 5, "/now");
    get(&p, 7, "/now");
    const frame *f = expect(&p, GOAWAY, 0);
    CHECK_EQ(number_at(f, 0), 5);
    CHECK_EQ(number_at(f, 4), NGHTTP2_NO_ERROR);
    kt_event_set(&go);
    expect_status(&p, 1, "200");
    while (next(&p))
        CHECK_NE(p.f.id, 7);
    leave(&p);
    site_close(&s);
}

/* What the server has to say has come before the answer to a second PING. Did it reset the stream? */
static bool was_refused(peer *p, uint32_t id)
{
    static const uint8_t text[8] = "refused?";
    bool refused = false;
    for (int i = 0; i < 2; i++) {
        send_frame(p, PING, 0, 0, text, sizeof text);
        while (next(p) && p->f.type != PING)
            if (p->f.type == RST_STREAM) {
                CHECK_EQ(p->f.id, id);
                CHECK_EQ(number_at(&p->f, 0), NGHTTP2_REFUSED_STREAM);
                refused = true;
            }
        CHECK_EQ(p->f.type, PING);
    }
    return refused;
}

static rlim_t address_space_in_use(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    CHECK(f && fscanf(f, "%ld", &pages) == 1);
    fclose(f);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* There is address space for what is small, but not for another slab of stacks. */
WITH_SERVER(a_request_without_a_stack_is_refused_and_the_others_are_answered)
{
    if (KT__ASAN || KT__TSAN)
        kt_test_skip("a sanitizer needs more address space than any limit leaves");
    site s;
    peer p;
    kt_event go = KT_EVENT_INIT;
    kt_http_options o = {.stack_bytes = (size_t)1 << 28};
    struct rlimit before;
    uint32_t id = 1;
    site_open(&s, &o, wait_for, &go);
    greet(&p, dial(&s));
    get(&p, id, "/now");
    expect_status(&p, id, "200");
    CHECK_EQ(getrlimit(RLIMIT_AS, &before), 0);
    rlim_t limit = address_space_in_use() + ((rlim_t)1 << 30);
    CHECK_EQ(setrlimit(RLIMIT_AS, &(struct rlimit){limit, before.rlim_max}), 0);
    do {
        CHECK_LT(id, 200);
        get(&p, id += 2, "/later");
    } while (!was_refused(&p, id));
    CHECK_EQ(setrlimit(RLIMIT_AS, &before), 0);
    CHECK_GT(id, 3);
    kt_event_set(&go);
    for (uint32_t i = 3; i < id; i += 2)
        expect_status(&p, i, "200");
    get(&p, id + 2, "/now");
    expect_status(&p, id + 2, "200");
    leave(&p);
    site_close(&s);
}

WITH_SERVER(a_body_longer_than_the_window_is_read_and_sent_as_the_windows_open)
{
    site s;
    peer p;
    static uint8_t piece[16000];
    size_t sent = 0, got = 0;
    site_open(&s, NULL, mirror, NULL);
    greet(&p, dial(&s));
    expect(&p, SETTINGS, 0); /* which enlarge the window */
    send_frame(&p, SETTINGS, ACK, 0, NULL, 0);
    request(&p, "POST", "/");
    send_head(&p, 1, END_HEADERS);
    for (size_t room = 256 * 1024; sent < 640000; room -= sizeof piece, sent += sizeof piece) {
        while (room < sizeof piece)
            room += number_at(expect(&p, WINDOW_UPDATE, 1), 0);
        send_frame(&p, DATA, sent + sizeof piece == 640000, 1, piece, sizeof piece);
    }
    while (got < sent) {
        size_t n = expect(&p, DATA, 1)->size;
        got += n;
        if (n > 0) {
            send_number(&p, WINDOW_UPDATE, 0, (uint32_t)n);
            send_number(&p, WINDOW_UPDATE, 1, (uint32_t)n);
        }
    }
    CHECK_EQ(got, sent);
    CHECK_EQ(p.f.flags, END_STREAM);
    leave(&p);
    site_close(&s);
}

WITH_SERVER(a_client_that_waits_for_100_is_told_to_go_on)
{
    site s;
    peer p;
    site_open(&s, NULL, mirror, NULL);
    greet(&p, dial(&s));
    for (uint32_t id = 1; id < 5; id += 2) {
        request(&p, "POST", "/");
        if (id == 1)
            field(&p, "content-length", "3");
        field(&p, "expect", "100-continue");
        send_head(&p, id, END_HEADERS);
        expect_status(&p, id, "100");
        send_frame(&p, DATA, END_STREAM, id, "tea", 3);
        expect_status(&p, id, "200");
        CHECK_MEM(expect(&p, DATA, id)->bytes, "tea", 3);
    }
    leave(&p);
    site_close(&s);
}

static int echo_in_pieces(kt_http_exchange *x, void *arg)
{
    char c;
    ssize_t n;
    int rc = kt_event_wait(arg);
    for (bool first = true; rc == 0 && (n = kt_http_read(x, &c, 1)) != 0; first = false) {
        rc = n < 0 ? (int)n : first ? kt_http_start(x, 200, NULL) : 0;
        if (rc == 0)
            rc = kt_http_write(x, &c, 1);
    }
    return rc;
}

WITH_SERVER(a_client_that_does_not_wait_for_100_may_be_answered_while_it_sends)
{
    site s;
    peer p;
    kt_event go = KT_EVENT_INIT;
    site_open(&s, NULL, echo_in_pieces, &go);
    greet(&p, dial(&s));
    request(&p, "POST", "/");
    field(&p, "content-length", "3");
    field(&p, "expect", "100-continue");
    send_head(&p, 1, END_HEADERS);
    send_frame(&p, DATA, 0, 1, "t", 1);
    send_frame(&p, PING, 0, 0, "12345678", 8);
    expect(&p, PING, 0); /* the byte has arrived */
    kt_event_set(&go);
    expect_status(&p, 1, "200");
    CHECK_MEM(expect(&p, DATA, 1)->bytes, "t", 1);
    send_frame(&p, DATA, END_STREAM, 1, "ea", 2);
    CHECK_MEM(expect(&p, DATA, 1)->bytes, "e", 1);
    CHECK_MEM(expect(&p, DATA, 1)->bytes, "a", 1);
    CHECK_EQ(expect(&p, DATA, 1)->flags, END_STREAM);
    leave(&p);
    site_close(&s);
}

static int answer_early(kt_http_exchange *x, void *arg)
{
    (void)arg;
    return kt_http_respond(x, 200, NULL, "no\n", 3);
}

/* Sends the head of a request with a body, and gets its answer. */
static void get_early_answer(peer *p, uint32_t id)
{
    request(p, "POST", "/");
    send_head(p, id, END_HEADERS);
    expect_status(p, id, "200");
    CHECK_EQ(expect(p, DATA, id)->flags, END_STREAM);
}

WITH_SERVER(a_client_whose_body_nobody_reads_is_asked_to_stop)
{
    static const char much[16384];
    site s;
    peer p;
    site_open(&s, NULL, answer_early, NULL);
    greet(&p, dial(&s));
    get_early_answer(&p, 1);
    for (int i = 0; i < 3; i++)
        send_frame(&p, DATA, 0, 1, much, sizeof much);
    expect_reset(&p, 1, NGHTTP2_NO_ERROR);
    get(&p, 3, "/");
    expect_status(&p, 3, "200");
    leave(&p);
    site_close(&s);
}

WITH_SERVER(an_error_in_a_body_that_nobody_reads_is_told)
{
    site s;
    peer p;
    site_open(&s, NULL, answer_early, NULL);
    greet(&p, dial(&s));
    request(&p, "POST", "/");
    field(&p, "content-length", "1");
    send_head(&p, 1, END_HEADERS);
    CHECK_EQ(expect(&p, DATA, 1)->flags, END_STREAM);
    send_frame(&p, DATA, END_STREAM, 1, "test", 4);
    expect_reset(&p, 1, NGHTTP2_PROTOCOL_ERROR);
    request(&p, "POST", "/");
    send_head(&p, 3, END_HEADERS);
    CHECK_EQ(expect(&p, DATA, 3)->flags, END_STREAM);
    field(&p, ":method", "GET");
    send_head(&p, 3, END_STREAM | END_HEADERS);
    expect_reset(&p, 3, NGHTTP2_PROTOCOL_ERROR);
    leave(&p);
    site_close(&s);
}

WITH_SERVER(a_client_that_ends_its_body_soon_is_not_asked_to_stop)
{
    static const uint8_t piece[16000];
    site s;
    peer p;
    site_open(&s, NULL, answer_early, NULL);
    greet(&p, dial(&s));
    get_early_answer(&p, 1);
    send_frame(&p, DATA, 0, 1, piece, sizeof piece);
    send_frame(&p, DATA, END_STREAM, 1, piece, sizeof piece);
    get(&p, 3, "/");
    do {
        CHECK(next(&p));
        CHECK_NE(p.f.type, RST_STREAM);
    } while (p.f.type != DATA || p.f.id != 3);
    leave(&p);
    site_close(&s);
}

WITH_SERVER(a_body_that_nobody_reads_does_not_hold_up_others)
{
    static const uint8_t piece[16000];
    site s;
    peer p;
    site_open(&s, NULL, answer_early, NULL);
    greet(&p, dial(&s));
    expect(&p, SETTINGS, 0); /* which enlarge the window */
    send_frame(&p, SETTINGS, ACK, 0, NULL, 0);
    for (uint32_t id = 1; id < 24; id += 2) { /* two windows of the connection in all */
        request(&p, "POST", "/");
        send_head(&p, id, END_HEADERS);
        for (int i = 0; i < 13; i++)
            send_frame(&p, DATA, 0, id, piece, sizeof piece);
        expect_reset(&p, id, NGHTTP2_NO_ERROR);
    }
    leave(&p);
    site_close(&s);
}

static int in_pieces(kt_http_exchange *x, void *arg)
{
    (void)arg;
    int rc = kt_http_start(x, 200, "text/plain");
    for (int i = 0; rc == 0 && i < 3; i++)
        rc = kt_http_write(x, "piece", 5);
    return kt_http_method_is(x, "POST") ? -EIO : rc;
}

WITH_SERVER(an_answer_in_pieces_ends_only_if_its_handler_succeeds)
{
    site s;
    peer p;
    size_t got = 0;
    site_open(&s, NULL, in_pieces, NULL);
    greet(&p, dial(&s));
    get(&p, 1, "/");
    do
        got += expect(&p, DATA, 1)->size;
    while (!(p.f.flags & END_STREAM));
    CHECK_EQ(got, 15);
    request(&p, "POST", "/");
    send_head(&p, 3, END_STREAM | END_HEADERS);
    expect_reset(&p, 3, NGHTTP2_INTERNAL_ERROR);
    leave(&p);
    site_close(&s);
}

WITH_SERVER(heads_have_the_same_limits_as_with_the_older_version)
{
    const kt_http_options o = {.headers_max = 3, .header_bytes_max = 200, .body_bytes_max = 4};
    site s;
    peer p;
    site_open(&s, &o, mirror, NULL);
    greet(&p, dial(&s));
    request(&p, "GET", "/");
    for (int i = 0; i < 4; i++)
        field(&p, "x-many", "1");
    send_head(&p, 1, END_STREAM | END_HEADERS);
    expect_status(&p, 1, "431");
    request(&p, "GET", "/%zz");
    send_head(&p, 3, END_STREAM | END_HEADERS);
    expect_status(&p, 3, "400");
    request(&p, "POST", "/");
    field(&p, "content-length", "5");
    send_head(&p, 5, END_HEADERS);
    expect_status(&p, 5, "413");
    request(&p, "POST", "/");
    send_head(&p, 7, END_HEADERS);
    send_frame(&p, DATA, 0, 7, "12345", 5);
    expect_status(&p, 7, "413");
    leave(&p);
    site_close(&s);
}

static int echo(kt_http_exchange *x, void *arg)
{
    kt_stream *s = NULL;
    char bytes[64];
    ssize_t n;
    (void)arg;
    CHECK_SLICE(kt_http_method(x), "CONNECT");
    CHECK_SLICE(kt_http_upgrade_asked(x), "websocket");
    CHECK_ERR(kt_http_upgrade(x, "other", &s), -EINVAL);
    int rc = kt_http_upgrade(x, "websocket", &s);
    if (rc < 0)
        return rc;
    while ((n = kt_stream_read(s, bytes, sizeof bytes)) > 0)
        CHECK_OK(kt_stream_write(s, bytes, (size_t)n));
    return (int)n;
}

WITH_SERVER(an_extended_connect_becomes_a_stream)
{
    site s;
    peer p;
    site_open(&s, NULL, echo, NULL);
    greet(&p, dial(&s));
    request(&p, "CONNECT", "/chat");
    field(&p, ":protocol", "websocket");
    send_head(&p, 1, END_HEADERS);
    expect_status(&p, 1, "200");
    CHECK_EQ(p.f.flags, END_HEADERS);
    send_frame(&p, DATA, 0, 1, "tea", 3);
    CHECK_MEM(expect(&p, DATA, 1)->bytes, "tea", 3);
    send_frame(&p, DATA, END_STREAM, 1, "pot", 3);
    CHECK_MEM(expect(&p, DATA, 1)->bytes, "pot", 3);
    CHECK_EQ(expect(&p, DATA, 1)->flags, END_STREAM);
    leave(&p);
    site_close(&s);
}

WITH_SERVER(a_server_that_stops_says_good_bye_and_lets_streams_finish)
{
    site s;
    peer p;
    kt_event go = KT_EVENT_INIT;
    site_open(&s, NULL, wait_for, &go);
    greet(&p, dial(&s));
    get(&p, 1, "/later");
    CHECK_OK(kt_sleep(KT_MS(20)));
    kt_task_cancel(s.task);
    CHECK_EQ(number_at(expect(&p, GOAWAY, 0), 0), 0x7fffffff); /* a warning: none is refused yet */
    CHECK_EQ(number_at(&p.f, 4), NGHTTP2_NO_ERROR);
    kt_event_set(&go);
    expect_status(&p, 1, "200");
    CHECK_EQ(number_at(expect(&p, GOAWAY, 0), 0), 1); /* the last stream that is answered */
    CHECK_EQ(number_at(&p.f, 4), NGHTTP2_NO_ERROR);
    while (next(&p))
        ;
    CHECK_OK(kt_task_join(s.task));
    CHECK_ERR(s.rc, KT_ECANCELED);
    kt_listener_close(s.l);
    leave(&p);
}

WITH_SERVER(idle_connections_get_a_good_bye_and_are_closed)
{
    const kt_http_options o = {.idle_timeout = KT_MS(60)};
    site s;
    peer p;
    site_open(&s, &o, hello, NULL);
    greet(&p, dial(&s));
    get(&p, 1, "/");
    expect_status(&p, 1, "200");
    expect_goaway(&p, NGHTTP2_NO_ERROR);
    leave(&p);
    site_close(&s);
}
