/* SPDX-License-Identifier: MIT */

/* What a handler's answer becomes over HTTP/2. */
#include "client_site.h"

#include "h2_client.h"

typedef struct ends {
    net n;
    site s;
    peer p;
} ends;

static void ends_open(ends *e, const kt_http_options *o, kt_http_handler handler)
{
    e->n = net_open((kt_test_network_options){0});
    site_open(&e->s, o, handler, NULL);
    greet(&e->p, dial(&e->s));
}

static void ends_close(ends *e)
{
    leave(&e->p);
    site_close(&e->s);
    net_cleanup(&e->n);
}

static int with_blanks(kt_http_exchange *x, void *arg)
{
    (void)arg;
    CHECK_OK(kt_http_header(x, "X-One", " \t1 2\t "));
    CHECK_OK(kt_http_header(x, "X-None", " \t"));
    CHECK_OK(kt_http_start(x, 200, " text/plain\t"));
    CHECK_OK(kt_http_trailer(x, "X-Sum", " 42 "));
    return kt_http_write(x, "tea", 3);
}

/* RFC 9113 section 8.2.1: a value with blanks at its ends is malformed. */
TEST(blanks_at_the_ends_of_a_value_are_not_sent)
{
    const kt_http_options o = {.server = "\tkettle test "};
    ends e;
    ends_open(&e, &o, with_blanks);
    get(&e.p, 1, "/");
    expect_status(&e.p, 1, "200");
    CHECK(strstr(e.p.head, "\nserver: kettle test\n") && strstr(e.p.head, "\ncontent-type: text/plain\n"));
    CHECK(strstr(e.p.head, "\nx-one: 1 2\n") && strstr(e.p.head, "\nx-none: \n"));
    expect(&e.p, HEADERS, 1);
    CHECK_STR(e.p.head, "x-sum: 42\n");
    ends_close(&e);
}

static int says_205(kt_http_exchange *x, void *arg)
{
    (void)arg;
    if (kt_http_method_is(x, "GET"))
        return kt_http_respond(x, 205, "text/plain", "content", 7);
    int rc = kt_http_start(x, 205, "text/plain");
    return rc < 0 ? rc : kt_http_write(x, "content", 7);
}

/* RFC 9110 section 15.3.6. */
TEST(status_205_has_no_content)
{
    ends e;
    ends_open(&e, NULL, says_205);
    get(&e.p, 1, "/");
    expect_status(&e.p, 1, "205");
    CHECK_EQ(e.p.f.flags, END_STREAM | END_HEADERS);
    CHECK(strstr(e.p.head, "\ncontent-length: 0\n") && !strstr(e.p.head, "content-type"));
    request(&e.p, "POST", "/");
    send_head(&e.p, 3, END_STREAM | END_HEADERS);
    expect_status(&e.p, 3, "205");
    CHECK(strstr(e.p.head, "\ncontent-length: 0\n") && !strstr(e.p.head, "content-type"));
    CHECK_EQ(expect(&e.p, DATA, 3)->size, 0);
    CHECK_EQ(e.p.f.flags, END_STREAM);
    ends_close(&e);
}

/* ---- What has to wait -------------------------------------------------------------------------- */

static kt_http_record last_record; /* its numbers */

static void keep_record(const kt_http_record *r, void *arg)
{
    (void)arg;
    last_record = *r;
}

/* A client whose windows for a stream are so large, and which then reads nothing for a while. */
static void greet_with_window(ends *e, uint32_t size)
{
    uint8_t setting[] = {0, 4, (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size};
    send_frame(&e->p, SETTINGS, 0, 0, setting, sizeof setting);
    send_number(&e->p, WINDOW_UPDATE, 0, 1 << 20);
}

static int much_or_nothing(kt_http_exchange *x, void *arg)
{
    static char much[400 * 1024];
    (void)arg;
    if (kt_slice_is(kt_http_path(x), "/much"))
        return kt_http_respond(x, 200, NULL, much, sizeof much);
    return kt_http_respond(x, 204, NULL, NULL, 0);
}

TEST(a_head_that_is_the_whole_answer_waits_for_room_as_others_do)
{
    sim_only();
    ends e;
    ends_open(&e, NULL, much_or_nothing);
    greet_with_window(&e, 1 << 20);
    get(&e.p, 1, "/much");
    CHECK_OK(kt_sleep(KT_MS(10)));
    get(&e.p, 3, "/nothing");
    CHECK_OK(kt_sleep(KT_MS(10)));
    while (next(&e.p) && e.p.f.id != 3)
        ;
    CHECK_EQ(e.p.f.type, HEADERS);
    CHECK_EQ(e.p.f.flags, END_STREAM | END_HEADERS);
    ends_close(&e);
}

TEST(an_answer_that_is_sent_as_its_client_leaves_is_a_whole_one)
{
    const kt_http_options o = {.log = keep_record};
    sim_only();
    ends e;
    ends_open(&e, &o, hello);
    greet_with_window(&e, 0);
    get(&e.p, 1, "/");
    expect_status(&e.p, 1, "200");
    send_number(&e.p, WINDOW_UPDATE, 1, 100);
    CHECK_OK(kt_stream_shutdown_write(e.p.c));
    CHECK_EQ(expect(&e.p, DATA, 1)->flags, END_STREAM);
    while (next(&e.p))
        CHECK_NE(e.p.f.type, RST_STREAM);
    CHECK_EQ(last_record.status, 200);
    CHECK_EQ(last_record.rc, 0);
    ends_close(&e);
}

TEST(a_request_whose_head_is_refused_has_no_exchange_in_its_record)
{
    const kt_http_options o = {.body_bytes_max = 10, .log = keep_record};
    ends e;
    ends_open(&e, &o, hello);
    request(&e.p, "POST", "/");
    field(&e.p, "content-length", "11");
    send_head(&e.p, 1, END_HEADERS);
    expect_status(&e.p, 1, "413");
    ends_close(&e);
    CHECK_EQ(last_record.status, 413);
    CHECK(!last_record.exchange);
}

/* ---- Extended CONNECT (RFC 8441) ------------------------------------------------------------- */

static int tries; /* each test is a process of its own */

/* /respond, /start, /events answer with success; /404 does so after it has been told that it cannot. */
static int does_not_upgrade(kt_http_exchange *x, void *arg)
{
    kt_slice path = kt_http_path(x);
    int rc;
    CHECK_SLICE(kt_http_upgrade_asked(x), "websocket");
    CHECK_OK(kt_http_header(x, "X-Mine", "yes"));
    if (kt_slice_is(path, "/start"))
        rc = kt_http_start(x, 204, NULL);
    else if (kt_slice_is(path, "/events"))
        rc = kt_http_events_start(x);
    else
        rc = hello(x, arg);
    CHECK_ERR(rc, -EOPNOTSUPP);
    CHECK_ERR(kt_http_write(x, "tea", 3), KT_EINVALIDSTATE);
    tries++;
    if (kt_slice_is(path, "/404"))
        return kt_http_respond(x, 404, NULL, "none", 4);
    return kt_slice_is(path, "/start") ? 0 : rc;
}

TEST(a_success_does_not_tell_an_extended_connect_that_its_protocol_begins)
{
    static const char *const paths[] = {"/respond", "/start", "/events", "/404"};
    ends e;
    ends_open(&e, NULL, does_not_upgrade);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t id = 2 * i + 1;
        request(&e.p, "CONNECT", paths[i]);
        field(&e.p, ":protocol", "websocket");
        send_head(&e.p, id, END_HEADERS);
        expect_status(&e.p, id, i < 3 ? "501" : "404");
        CHECK_EQ(strstr(e.p.head, "x-mine") != NULL, i == 3);
        CHECK_EQ(expect(&e.p, DATA, id)->flags, END_STREAM);
    }
    CHECK_EQ(tries, 4);
    ends_close(&e);
}

/* ---- Clients that leave ---------------------------------------------------------------------- */

static kt_event done = KT_EVENT_INIT;
static bool outlives, begun;

static int waits(kt_http_exchange *x, void *arg)
{
    begun = true;
    if (outlives)
        kt_http_outlive_client(x);
    int rc = kt_sleep(KT_MS(50));
    return rc < 0 ? rc : hello(x, arg);
}

static void write_log(const kt_http_record *r, void *arg)
{
    (void)arg;
    if (r->method.size == 0)
        return; /* the connection's own end */
    kt_test_say("%.*s %d %d", (int)r->method.size, r->method.data, r->status, (int)r->bytes_sent);
    kt_event_set(&done);
}

typedef void leave_by(peer *p);

static void leaves(leave_by *by)
{
    const kt_http_options o = {.log = write_log};
    ends e;
    kt_event_clear(&done);
    begun = false;
    ends_open(&e, &o, waits);
    get(&e.p, 1, "/");
    while (!begun)
        CHECK_OK(kt_sleep(KT_MS(1)));
    by(&e.p);
    CHECK_OK(kt_event_wait(&done));
    ends_close(&e);
}

static void by_reset(peer *p)
{
    send_number(p, RST_STREAM, 1, NGHTTP2_CANCEL);
}

static void by_close(peer *p)
{
    kt_stream_hang_up(p->c, false);
}

static void by_abort(peer *p)
{
    kt_stream_hang_up(p->c, true);
}

static void by_mistake(peer *p)
{
    send_frame(p, PING, 0, 1, "12345678", 8);
}

TEST(a_client_that_leaves_before_its_answer_is_recorded_as_having_none)
{
    static leave_by *const ways[] = {by_reset, by_close, by_abort, by_mistake};
    sim_only();
    for (int i = 0; i < 8; i++) {
        outlives = i >= 4;
        leaves(ways[i % 4]);
    }
    CHECK_TRACE("GET 0 0\nGET 0 0\nGET 0 0\nGET 0 0\nGET 0 0\nGET 0 0\nGET 0 0\nGET 0 0");
}
