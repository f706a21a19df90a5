/* SPDX-License-Identifier: MIT */
/* Both ends of a WebSocket, on the simulated network and in virtual time. */
#include "client_site.h"

#include <kettle/websocket.h>

#include "core/core.h"

typedef struct ends {
    net n;
    site s;
    kt_http_session *web;
    kt_websocket *ws;
} ends;

/* What the server does, and what became of it. */
typedef struct served {
    kt_websocket_options o;
    int rc, code;
    char protocol[20], reason[40];
} served;

static served last;

static int echo(kt_http_exchange *x, void *arg)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    (void)arg;
    int rc = kt_websocket_accept(x, &last.o, &ws);
    last.rc = rc;
    if (rc < 0)
        return 0; /* it has been answered */
    snprintf(last.protocol, sizeof last.protocol, "%s", kt_websocket_protocol(ws));
    while ((rc = kt_websocket_read(ws, &m)) > 0 && (rc = kt_websocket_write(ws, m.kind, m.data.data, m.data.size)) == 0)
        ;
    last.rc = rc;
    last.code = kt_websocket_close_code(ws);
    snprintf(last.reason, sizeof last.reason, "%s", kt_websocket_close_reason(ws));
    return 0;
}

/* Shakes hands, and then only sits there; or answers with a key that fits another request. */
static int sits(kt_http_exchange *x, void *arg)
{
    kt_websocket *ws = NULL;
    (void)arg;
    int rc = kt_websocket_accept(x, NULL, &ws);
    if (rc < 0)
        return rc;
    rc = kt_sleep(KT_S(1000));
    kt_websocket_close(ws);
    return rc;
}

static int misfits(kt_http_exchange *x, void *arg)
{
    kt_stream *s = NULL;
    (void)arg;
    int rc = kt_http_header(x, "Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    if (rc == 0)
        rc = kt_http_upgrade(x, "websocket", &s);
    if (rc == 0)
        kt_stream_hang_up(s, false);
    return rc;
}

static kt_http_handler handler = echo; /* each test is a process of its own */

static void ends_open_with(ends *e, const kt_websocket_options *server, const kt_websocket_options *client,
                           kt_test_network_options options)
{
    last = (served){.rc = 1};
    if (server)
        last.o = *server;
    e->ws = NULL;
    e->n = net_open(options);
    site_open(&e->s, NULL, handler, NULL);
    e->web = session_for(kt_listener_port(e->s.l), (kt_http_session_options){0});
    CHECK_OK(kt_websocket_connect(e->web, "/chat", client, &e->ws));
}

static void ends_open(ends *e)
{
    ends_open_with(e, NULL, NULL, (kt_test_network_options){0});
}

static void ends_close(ends *e)
{
    kt_websocket_close(kt_steal(e->ws));
    kt_http_session_close(e->web);
    site_close(&e->s);
    net_cleanup(&e->n);
}

static void check_echo(kt_websocket *ws, kt_websocket_kind kind, kt_slice bytes)
{
    kt_websocket_message m;
    CHECK_OK(kt_websocket_write(ws, kind, bytes.data, bytes.size));
    CHECK_EQ(kt_websocket_read(ws, &m), 1);
    CHECK_EQ(m.kind, kind);
    CHECK(m.final);
    CHECK(kt_slice_equal(m.data, bytes));
}

TEST(messages_go_there_and_back)
{
    ends e;
    ends_open(&e);
    check_echo(e.ws, KT_WEBSOCKET_TEXT, kt_slice_from("h\xc3\xa9llo"));
    check_echo(e.ws, KT_WEBSOCKET_BINARY, (kt_slice){"\0\xff", 2});
    check_echo(e.ws, KT_WEBSOCKET_TEXT, (kt_slice){"", 0});
    ends_close(&e);
    CHECK_OK(last.rc);
    CHECK_EQ(last.code, 1000);
}

#define MUCH ((size_t)300 * 1000)

static char much[MUCH];

static void make_much(void)
{
    uint64_t x = 1;
    for (size_t i = 0; i < MUCH; i++) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
        much[i] = i % 1000 < 700 ? "kettle boils "[i % 13] : (char)(x >> 56);
    }
}

/* Sizes around those where something changes: heads, what is compressed, buffers. */
static int all_sizes(void *arg)
{
    static const size_t sizes[] = {1, 63, 64, 125, 126, 1000, 1024, 1025, 16384, 65535, 65536, MUCH};
    const kt_websocket_options *o = arg;
    ends e;
    make_much();
    ends_open_with(&e, &o[0], &o[1], (kt_test_network_options){.latency = KT_MS(1)});
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        check_echo(e.ws, KT_WEBSOCKET_BINARY, (kt_slice){much, sizes[i]});
    ends_close(&e);
    CHECK_EQ(last.code, 1000);
    return 0;
}

TEST(messages_of_all_sizes_go_there_and_back_compressed_and_not)
{
    static const kt_websocket_options options[][2] = {
        {{0}, {0}},
        {{.no_deflate = true}, {0}},
        {{0}, {.no_deflate = true}},
        {{.deflate_forget = true}, {0}},
        {{0}, {.deflate_forget = true}},
        {{.deflate_window_bits = 9}, {0}},
        {{0}, {.deflate_window_bits = 9}},
        {{.deflate_window_bits = 10, .deflate_forget = true}, {.deflate_window_bits = 12}},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        all_sizes((void *)(uintptr_t)options[i]);
}

TEST(bytes_may_come_one_by_one)
{
    ends e;
    ends_open_with(&e, NULL, NULL, (kt_test_network_options){.segment_max = 1});
    make_much();
    check_echo(e.ws, KT_WEBSOCKET_BINARY, (kt_slice){much, 3000});
    check_echo(e.ws, KT_WEBSOCKET_TEXT, kt_slice_from("h\xc3\xa9llo"));
    ends_close(&e);
    CHECK_EQ(last.code, 1000);
}

TEST(a_message_in_pieces_is_one_message)
{
    ends e;
    kt_websocket_message m;
    ends_open(&e);
    CHECK_OK(kt_websocket_write_part(e.ws, KT_WEBSOCKET_TEXT, "one ", 4, false));
    CHECK_OK(kt_websocket_ping(e.ws, "?", 1));
    CHECK_OK(kt_websocket_write_part(e.ws, KT_WEBSOCKET_TEXT, "two", 3, false));
    CHECK_OK(kt_websocket_write_part(e.ws, KT_WEBSOCKET_TEXT, "", 0, true));
    CHECK_EQ(kt_websocket_read(e.ws, &m), 1);
    CHECK(kt_slice_is(m.data, "one two"));
    ends_close(&e);
}

/* Of whatever length: the limit on whole messages does not count. */
static void read_in_parts(bool compressed)
{
    ends e;
    kt_websocket_message m;
    size_t at = 0;
    make_much();
    ends_open_with(&e, NULL, &(kt_websocket_options){.message_bytes_max = 10, .no_deflate = !compressed},
                   (kt_test_network_options){0});
    CHECK_OK(kt_websocket_write(e.ws, KT_WEBSOCKET_BINARY, much, MUCH));
    do {
        CHECK_EQ(kt_websocket_read_part(e.ws, &m), 1);
        CHECK_LE(at + m.data.size, MUCH);
        CHECK_MEM(m.data.size ? m.data.data : "", much + at, m.data.size);
        at += m.data.size;
    } while (!m.final);
    CHECK_EQ(at, MUCH);
    check_echo(e.ws, KT_WEBSOCKET_TEXT, kt_slice_from("more"));
    ends_close(&e);
}

TEST(a_message_can_be_read_in_pieces)
{
    read_in_parts(false);
    read_in_parts(true);
}

TEST(a_compressed_text_in_pieces_is_text_to_its_end)
{
    ends e;
    kt_websocket_message m;
    size_t sum = 0;
    memset(much, 'k', MUCH);
    ends_open(&e);
    CHECK_OK(kt_websocket_write(e.ws, KT_WEBSOCKET_TEXT, much, MUCH));
    do {
        CHECK_EQ(kt_websocket_read_part(e.ws, &m), 1);
        CHECK_EQ(m.kind, KT_WEBSOCKET_TEXT);
        sum += m.data.size;
    } while (!m.final);
    CHECK_EQ(sum, MUCH);
    check_echo(e.ws, KT_WEBSOCKET_BINARY, (kt_slice){much, 1000});
    ends_close(&e);
}

TEST(a_piece_that_was_not_sent_is_none)
{
    ends e;
    kt_websocket_message m;
    ends_open(&e);
    kt_task_cancel(kt_task_current());
    CHECK_ERR(kt_websocket_write_part(e.ws, KT_WEBSOCKET_TEXT, "lost", 4, false), KT_ECANCELED);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    check_echo(e.ws, KT_WEBSOCKET_TEXT, kt_slice_from("whole"));
    CHECK_OK(kt_websocket_write_part(e.ws, KT_WEBSOCKET_TEXT, "a", 1, false));
    CHECK_OK(kt_websocket_write_part(e.ws, KT_WEBSOCKET_TEXT, "b", 1, true));
    CHECK_EQ(kt_websocket_read(e.ws, &m), 1);
    CHECK(kt_slice_is(m.data, "ab"));
    ends_close(&e);
}

/* The close must not be lost with a connection that is ended over unread bytes. */
TEST(who_sends_too_much_learns_why_it_was_ended)
{
    ends e;
    kt_websocket_message m;
    make_much();
    ends_open_with(&e, &(kt_websocket_options){.message_bytes_max = 1000}, &(kt_websocket_options){.no_deflate = true},
                   (kt_test_network_options){0});
    int rc = kt_websocket_write(e.ws, KT_WEBSOCKET_BINARY, much, MUCH);
    CHECK(rc == 0 || rc == -EPIPE || rc == -ECONNRESET);
    CHECK_EQ(kt_websocket_read(e.ws, &m), 0);
    CHECK_EQ(kt_websocket_close_code(e.ws), 1009);
    ends_close(&e);
}

TEST(the_first_of_the_servers_protocols_is_chosen)
{
    static const char *const ours[] = {"v3", "v2", NULL}, *const theirs[] = {"v1", "v2", "v3", NULL};
    ends e;
    ends_open_with(&e, &(kt_websocket_options){.protocols = ours}, &(kt_websocket_options){.protocols = theirs},
                   (kt_test_network_options){0});
    CHECK_STR(kt_websocket_protocol(e.ws), "v3");
    ends_close(&e);
    CHECK_STR(last.protocol, "v3");
}

TEST(a_close_tells_its_code_and_reason_and_is_answered)
{
    ends e;
    kt_websocket_message m;
    ends_open(&e);
    CHECK_OK(kt_websocket_shutdown(e.ws, 4001, "enough"));
    CHECK_ERR(kt_websocket_write(e.ws, KT_WEBSOCKET_TEXT, "x", 1), KT_ECLOSED);
    CHECK_EQ(kt_websocket_read(e.ws, &m), 0);
    CHECK_EQ(kt_websocket_read(e.ws, &m), 0);
    CHECK_EQ(kt_websocket_close_code(e.ws), 4001);
    ends_close(&e);
    CHECK_OK(last.rc);
    CHECK_EQ(last.code, 4001);
    CHECK_STR(last.reason, "enough");
}

TEST(what_may_not_be_sent_is_refused_and_harms_nothing)
{
    ends e;
    char long_reason[130];
    memset(long_reason, 'x', sizeof long_reason - 1);
    long_reason[sizeof long_reason - 1] = '\0';
    ends_open(&e);
    CHECK_ERR(kt_websocket_write(e.ws, KT_WEBSOCKET_TEXT, "\xff", 1), -EINVAL);
    CHECK_ERR(kt_websocket_write(e.ws, (kt_websocket_kind)3, "", 0), -EINVAL);
    CHECK_ERR(kt_websocket_ping(e.ws, much, 126), -EINVAL);
    CHECK_ERR(kt_websocket_shutdown(e.ws, 1005, NULL), -EINVAL);
    CHECK_ERR(kt_websocket_shutdown(e.ws, 1000, long_reason), -EINVAL);
    CHECK_ERR(kt_websocket_shutdown(e.ws, 1000, "\xff"), -EINVAL);
    check_echo(e.ws, KT_WEBSOCKET_TEXT, kt_slice_from("well"));
    ends_close(&e);
}

TEST(a_message_that_is_too_long_ends_it_with_1009)
{
    for (int compressed = 0; compressed < 2; compressed++) {
        ends e;
        kt_websocket_message m;
        memset(much, 'a', MUCH);
        ends_open_with(&e, &(kt_websocket_options){.message_bytes_max = 1000},
                       &(kt_websocket_options){.no_deflate = !compressed}, (kt_test_network_options){0});
        CHECK_OK(kt_websocket_write(e.ws, KT_WEBSOCKET_TEXT, much, 1000));
        CHECK_EQ(kt_websocket_read(e.ws, &m), 1);
        CHECK_OK(kt_websocket_write(e.ws, KT_WEBSOCKET_TEXT, much, 1001));
        CHECK_EQ(kt_websocket_read(e.ws, &m), 0);
        CHECK_EQ(kt_websocket_close_code(e.ws), 1009);
        ends_close(&e);
        CHECK_ERR(last.rc, KT_ELIMIT);
    }
}

TEST(a_peer_that_answers_pings_may_be_silent_for_ever)
{
    ends e;
    kt_websocket_message m;
    sim_only();
    ends_open_with(&e, NULL, &(kt_websocket_options){.ping_interval = KT_S(5), .ping_timeout = KT_S(3)},
                   (kt_test_network_options){0});
    kt_time start = kt_now();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(100));
    CHECK_ERR(kt_websocket_read(e.ws, &m), KT_ETIMEDOUT);
    CHECK_ERR(kt_timeout_end(&limit, KT_ETIMEDOUT), KT_ETIMEDOUT);
    CHECK_EQ(kt_now() - start, KT_S(100));
    check_echo(e.ws, KT_WEBSOCKET_TEXT, kt_slice_from("still"));
    ends_close(&e);
}

static void check_one_page(kt_task *t, void *arg)
{
    if (strcmp(kt_task_name(t), "http") != 0)
        return;
    CHECK_EQ(kt__stack_touched(t->stack, t->stack->limit + kt__stack_usable(t->stack)), 4096u);
    ++*(int *)arg;
}

TEST(the_task_of_a_silent_connection_needs_one_page_of_stack)
{
    ends e;
    int tasks = 0;
    sim_only();
    if (KT__ASAN || KT__TSAN)
        kt_test_skip("frames are larger");
    ends_open(&e);
    check_echo(e.ws, KT_WEBSOCKET_TEXT, kt_slice_from("busy"));
    CHECK_OK(kt_sleep(KT_S(3)));
    kt_task_each(check_one_page, &tasks);
    CHECK_EQ(tasks, 1);
    check_echo(e.ws, KT_WEBSOCKET_TEXT, kt_slice_from("again"));
    ends_close(&e);
}

TEST(a_peer_that_answers_no_ping_is_left)
{
    ends e;
    kt_websocket_message m;
    sim_only();
    handler = sits;
    ends_open_with(&e, NULL, &(kt_websocket_options){.ping_interval = KT_S(5), .ping_timeout = KT_S(3)},
                   (kt_test_network_options){0});
    kt_time start = kt_now();
    CHECK_ERR(kt_websocket_read(e.ws, &m), -ETIMEDOUT);
    CHECK_EQ(kt_now() - start, KT_S(5) + KT_S(3));
    CHECK_ERR(kt_websocket_read(e.ws, &m), -ETIMEDOUT);
    ends_close(&e);
}

static int drains(void *arg)
{
    kt_websocket_message m;
    return kt_websocket_read(arg, &m);
}

static int writes_much(void *arg)
{
    return kt_websocket_write(arg, KT_WEBSOCKET_BINARY, much, MUCH);
}

/* Its ping would wait for that write, and nobody would read what the peer must get rid of first. */
TEST(a_reader_goes_on_while_a_write_waits)
{
    kt_stream *two[2];
    kt_websocket *near = NULL, *far = NULL;
    kt_websocket_message m;
    const kt_websocket_options o = {
        .ping_interval = KT_S(5), .ping_timeout = KT_S(3), .close_timeout = KT_S(1), .write_timeout = -1};
    sim_only();
    CHECK_OK(kt_stream_memory_pair(4096, two));
    CHECK_OK(kt_websocket_over(two[0], true, &o, &near));
    CHECK_OK(kt_websocket_over(two[1], false, &o, &far));
    kt_auto(kt_group) writers = KT_GROUP_INIT;
    CHECK_OK(kt_group_spawn(&writers, writes_much, near, 0));
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_S(60));
    CHECK_ERR(kt_websocket_read(near, &m), KT_ETIMEDOUT); /* a dozen intervals of silence */
    CHECK_ERR(kt_timeout_end(&limit, KT_ETIMEDOUT), KT_ETIMEDOUT);
    CHECK_OK(kt_group_spawn(&writers, writes_much, far, 0));
    CHECK_EQ(kt_websocket_read(near, &m), 1);
    CHECK_EQ(kt_websocket_read(far, &m), 1);
    CHECK_OK(kt_group_join(&writers, 0));
    kt_stream_hang_up(two[1], false);
    kt_websocket_close(near);
    kt_websocket_close(far);
}

TEST(a_cancellation_is_not_lost_while_the_peer_is_told_why)
{
    kt_stream *two[2];
    kt_websocket *ws = NULL;
    kt_task *t = NULL;
    CHECK_OK(kt_stream_memory_pair(4096, two));
    CHECK_OK(kt_websocket_over(two[0], true, NULL, &ws));
    CHECK_OK(kt_websocket_write(ws, KT_WEBSOCKET_BINARY, much, 4080)); /* no room for a close */
    CHECK_OK(kt_stream_write(two[1], "\xf3\x00", 2)); /* reserved bits: 1002 */
    CHECK_OK(kt_spawn(drains, ws, 0, &t));
    for (int i = 0; i < 10; i++)
        CHECK_OK(kt_sleep(0));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    kt_stream_close(two[1]);
    kt_websocket_close(ws);
}

TEST(a_peer_that_does_not_close_is_waited_for_no_longer_than_said)
{
    ends e;
    sim_only();
    handler = sits;
    ends_open_with(&e, NULL, &(kt_websocket_options){.close_timeout = KT_S(7)}, (kt_test_network_options){0});
    kt_time start = kt_now();
    kt_websocket_close(kt_steal(e.ws));
    CHECK_EQ(kt_now() - start, KT_S(7));
    ends_close(&e);
}

TEST(a_read_that_is_cancelled_loses_nothing)
{
    ends e;
    kt_websocket_message m;
    sim_only();
    ends_open_with(&e, NULL, NULL, (kt_test_network_options){.latency = KT_MS(10), .segment_max = 100});
    make_much();
    CHECK_OK(kt_websocket_write(e.ws, KT_WEBSOCKET_BINARY, much, 5000));
    int rc, tries = 0;
    do {
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        kt_timeout_start(&limit, KT_US(300));
        rc = kt_websocket_read(e.ws, &m);
        int end = kt_timeout_end(&limit, rc < 0 ? rc : 0);
        rc = rc > 0 ? 1 : end;
        tries++;
    } while (rc == KT_ETIMEDOUT);
    CHECK_EQ(rc, 1);
    CHECK_GT(tries, 10);
    CHECK(kt_slice_equal(m.data, (kt_slice){much, 5000}));
    ends_close(&e);
}

static int talks(void *arg)
{
    kt_websocket *ws = arg;
    for (int i = 0; i < 50; i++) {
        int rc = kt_websocket_write(ws, KT_WEBSOCKET_BINARY, much, 20000);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* A message that could not be sent is not what later ones refer to. */
TEST(a_write_that_is_cancelled_before_its_first_byte_harms_nothing)
{
    for (int deflate = 0; deflate < 2; deflate++) {
        ends e;
        ends_open_with(&e, NULL, &(kt_websocket_options){.no_deflate = !deflate}, (kt_test_network_options){0});
        memset(much, 'k', 5000);
        check_echo(e.ws, KT_WEBSOCKET_TEXT, (kt_slice){much, 500});
        kt_task_cancel(kt_task_current());
        CHECK_ERR(kt_websocket_write(e.ws, KT_WEBSOCKET_TEXT, much, 700), KT_ECANCELED);
        CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
        check_echo(e.ws, KT_WEBSOCKET_TEXT, (kt_slice){much, 900});
        ends_close(&e);
        CHECK_EQ(last.code, 1000);
    }
}

TEST(messages_of_several_writers_do_not_mix)
{
    ends e;
    kt_websocket_message m;
    make_much();
    ends_open(&e);
    kt_auto(kt_group) writers = KT_GROUP_INIT;
    for (int i = 0; i < 3; i++)
        CHECK_OK(kt_group_spawn(&writers, talks, e.ws, 0));
    for (int i = 0; i < 150; i++) {
        CHECK_EQ(kt_websocket_read(e.ws, &m), 1);
        CHECK(kt_slice_equal(m.data, (kt_slice){much, 20000}));
    }
    CHECK_OK(kt_group_join(&writers, 0));
    ends_close(&e);
}

TEST(a_connection_that_breaks_says_so)
{
    kt_websocket_message m;
    kt_stream *two[2];
    kt_websocket *ws = NULL;
    CHECK_OK(kt_stream_memory_pair(1000, two));
    CHECK_OK(kt_websocket_over(two[0], true, NULL, &ws));
    kt_stream_close(two[1]);
    CHECK_ERR(kt_websocket_read(ws, &m), KT_EINCOMPLETE);
    CHECK_EQ(kt_websocket_close_code(ws), 1006);
    kt_websocket_close(ws);
}

TEST(a_server_whose_answer_does_not_fit_the_key_is_refused)
{
    ends e = {.ws = NULL};
    e.n = net_open((kt_test_network_options){0});
    site_open(&e.s, NULL, misfits, NULL);
    e.web = session_for(kt_listener_port(e.s.l), (kt_http_session_options){0});
    CHECK_ERR(kt_websocket_connect(e.web, "/chat", NULL, &e.ws), KT_EPROTOCOL);
    CHECK(strstr(kt_error_detail(), "Sec-WebSocket-Accept"));
    ends_close(&e);
}
