/* SPDX-License-Identifier: MIT */
/* Many requests on few connections of HTTP/2: which connection they share, and who waits for whom. */
#include "h2_evil.h"

enum { CROWD = 8 };

static int crowd_heard;

static void leaves_the_first_crowd(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    if (++crowd_heard > CROWD)
        put_frame(&b, HEADERS, END_HEADERS | END_STREAM, id, "\x88", 1);
    else if (crowd_heard == CROWD)
        put_frame(&b, GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    spill(p, b.data, b.size);
}

TEST(a_crowd_whose_connection_of_http_2_is_lost_opens_one)
{
    evil e = {.acts = leaves_the_first_crowd};
    crowd_heard = 0;
    evil_open(&e, (kt_http_session_options){0});
    crowd_asks(e.web, CROWD, "/", "200 ");
    CHECK_EQ(e.connections, 2);
    evil_close(&e);
}

enum { A_FEW = 3, MANY = 40 };

static int asked_of_misers;

/* Each connection answers a few, and then goes; what it has heard of by then is refused. */
static void answers_a_few(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    asked_of_misers++;
    if (id < 2 * A_FEW)
        put_frame(&b, HEADERS, END_HEADERS | END_STREAM, id, "\x88", 1);
    if (id == 2 * A_FEW - 1)
        put_frame(&b, GOAWAY, 0, 0, "\0\0\0\5\0\0\0\0", 8);
    spill(p, b.data, b.size);
}

/* More than 20 rounds of three; and most are not sent to be refused. */
TEST(many_at_once_are_served_by_connections_of_a_few_requests)
{
    evil e = {.acts = answers_a_few};
    asked_of_misers = 0;
    evil_open(&e, (kt_http_session_options){.connections_per_host_max = 1});
    crowd_asks(e.web, 3 * MANY, "/", "200 ");
    CHECK_EQ(e.connections, MANY);
    CHECK_LT(asked_of_misers, 100 + 3 * 3 * MANY);
    evil_close(&e);
}

static int answered_first;
static bool lasts;

/* The first connection takes one request and goes; the second begins a long answer. */
static void begins_a_long_answer(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    int n = ++answered_first;
    if (n == 1) {
        put_frame(&b, HEADERS, END_HEADERS | END_STREAM, id, "\x88", 1);
        put_frame(&b, GOAWAY, 0, 0, "\0\0\0\1\0\0\0\0", 8);
    } else if (id > 1 || lasts) {
        put_frame(&b, HEADERS, END_HEADERS | END_STREAM, id, "\x88", 1);
    } else {
        put_frame(&b, HEADERS, END_HEADERS, id, "\x88", 1);
        lasts = true;
    }
    spill(p, b.data, b.size);
}

KT_FN(asks_in_time, a, struct { kt_http_session *s; })
{
    kt_time start = kt_now();
    CHECK_STR(ask(a->s, "/"), "200 ");
    CHECK_LT(kt_now() - start, KT_S(1));
    return 0;
}

TEST(an_answer_that_lasts_does_not_count_as_one_that_is_waited_for)
{
    evil e = {.acts = begins_a_long_answer};
    kt_http_response *first = NULL;
    sim_only();
    answered_first = 0;
    lasts = false;
    evil_open(&e, (kt_http_session_options){0});
    {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        CHECK_OK(kt_group_spawn(&g, KT_WITH(asks_in_time, .s = e.web)));
        CHECK_OK(kt_sleep(0));
        CHECK_OK(kt_http_get(e.web, "/", &first)); /* refused, and asked again: it lasts */
        CHECK_OK(kt_group_join(&g, 0));
    }
    crowd_asks(e.web, 5, "/", "200 ");
    kt_http_response_close(first);
    evil_close(&e);
}

static int streams_heard;

/* One stream at a time, whose answer lasts; later it says something about the connection. */
static void lets_one_last(peer *p, uint32_t id, unsigned type, const void *bytes, size_t size)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    bool first = !streams_heard++;
    if (first)
        put_frame(&b, SETTINGS, 0, 0, "\0\3\0\0\0\1", 6);
    put_frame(&b, HEADERS, first ? END_HEADERS : END_HEADERS | END_STREAM, id, "\x88", 1);
    spill(p, b.data, b.size);
    if (!first)
        return;
    CHECK_OK(kt_sleep(KT_MS(100)));
    kt_buffer_clear(&b);
    put_frame(&b, type, 0, 0, bytes, size);
    spill(p, b.data, b.size);
}

static void says_good_bye(peer *p, uint32_t id)
{
    lets_one_last(p, id, GOAWAY, "\0\0\0\1\0\0\0\0", 8);
}

static void allows_more(peer *p, uint32_t id)
{
    lets_one_last(p, id, SETTINGS, "\0\3\0\0\0\x64", 6);
}

/* Who is in line gets an answer when the server has said it, and there are so many connections then. */
static void check_line(void (*acts)(peer *p, uint32_t id), int connections)
{
    evil e = {.acts = acts};
    kt_http_response *r = NULL;
    kt_task *t = NULL;
    sim_only();
    streams_heard = 0;
    evil_open(&e, (kt_http_session_options){0});
    CHECK_OK(kt_http_get(e.web, "/", &r));
    CHECK_OK(kt_spawn(KT_WITH(asks_in_time, .s = e.web), &t));
    CHECK_OK(kt_sleep(KT_MS(10)));
    CHECK_EQ(facts_of(e.web).waiting, 1);
    CHECK_OK(kt_task_join(t));
    CHECK_EQ(e.connections, connections);
    kt_http_response_close(r);
    evil_close(&e);
}

TEST(who_is_in_line_for_a_connection_that_leaves_gets_another)
{
    check_line(says_good_bye, 2);
}

TEST(who_is_in_line_hears_that_more_streams_are_allowed)
{
    check_line(allows_more, 1);
}

static kt_event is_lost;

/* The first connection allows any number of bytes and reads none of them, until it is lost. */
static void reads_no_body(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    if (streams_heard++ > 0) {
        put_frame(&b, HEADERS, END_HEADERS | END_STREAM, id, "\x88", 1);
        spill(p, b.data, b.size);
        return;
    }
    put_frame(&b, SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
    put_frame(&b, WINDOW_UPDATE, 0, 0, "\x7f\0\0\0", 4);
    spill(p, b.data, b.size);
    CHECK_OK(kt_event_wait(&is_lost));
}

KT_FN(posts, a, struct { kt_http_session *s; size_t size; const char *answer; })
{
    static const char bytes[1024 * 1024];
    CHECK_LE(a->size, sizeof bytes);
    const kt_http_request q = {.method = "POST", .url = "/", .body = bytes, .body_size = a->size};
    CHECK_STR(ask_with(a->s, &q), a->answer);
    return 0;
}

static ssize_t gives_once(void *buffer, size_t size, void *arg)
{
    int *left = arg;
    memset(buffer, 'x', size);
    return *left > 0 ? (*left)-- : 0;
}

/* Its body cannot be had again, and is not begun too early. */
KT_FN(posts_once, a, struct { kt_http_session *s; const char *answer; })
{
    int left = 1;
    const kt_http_request q = {.method = "POST", .url = "/", .body_read = gives_once, .body_arg = &left};
    CHECK_STR(ask_with(a->s, &q), a->answer);
    CHECK_EQ(left, 0);
    return 0;
}

/* Though it is a POST: the server cannot have heard of it. */
TEST(what_was_never_sent_on_a_connection_that_is_lost_goes_over_another)
{
    evil e = {.acts = reads_no_body};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sim_only(); /* where little fits into a connection */
    streams_heard = 0;
    is_lost = (kt_event)KT_EVENT_INIT;
    evil_open(&e, (kt_http_session_options){0});
    CHECK_OK(kt_group_spawn(&g, KT_WITH(posts, .s = e.web, .size = 1024 * 1024, .answer = "ECONNRESET")));
    CHECK_OK(kt_sleep(KT_MS(100)));
    CHECK_OK(kt_group_spawn(&g, KT_WITH(posts, .s = e.web, .size = 1, .answer = "200 ")));
    CHECK_OK(kt_group_spawn(&g, KT_WITH(posts_once, .s = e.web, .answer = "200 ")));
    CHECK_OK(kt_group_spawn(&g, KT_WITH(asks_for, .s = e.web, .url = "/", .answer = "200 ")));
    CHECK_OK(kt_sleep(KT_MS(100)));
    CHECK_EQ(kt_test_network_reset(e.n.n, "127.0.0.1", NULL), 1);
    kt_event_set(&is_lost);
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_EQ(e.connections, 2);
    evil_close(&e);
}

/* The first connection warns that it will end, and then reads; the second one takes one request at a time. */
static void warns(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    if (streams_heard++ == 0) {
        put_frame(&b, SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
        put_frame(&b, WINDOW_UPDATE, 0, 0, "\x7f\0\0\0", 4);
        spill(p, b.data, b.size);
        CHECK_OK(kt_sleep(KT_MS(100)));
        kt_buffer_clear(&b);
        put_frame(&b, GOAWAY, 0, 0, "\x7f\xff\xff\xff\0\0\0\0", 8);
        spill(p, b.data, b.size);
        kt_buffer_clear(&b);
    } else {
        put_frame(&b, SETTINGS, 0, 0, "\0\3\0\0\0\1", 6);
    }
    CHECK_OK(kt_sleep(KT_MS(10)));
    put_frame(&b, HEADERS, END_HEADERS | END_STREAM, id, "\x88", 1);
    spill(p, b.data, b.size);
}

TEST(a_warning_does_not_say_how_many_requests_a_connection_takes)
{
    evil e = {.acts = warns};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sim_only(); /* where little fits into a connection */
    streams_heard = 0;
    evil_open(&e, (kt_http_session_options){0});
    CHECK_OK(kt_group_spawn(&g, KT_WITH(posts, .s = e.web, .size = 1024 * 1024, .answer = "200 ")));
    CHECK_OK(kt_sleep(KT_MS(50)));
    CHECK_STR(ask(e.web, "/"), "200 "); /* which had not been sent, and goes elsewhere */
    crowd_asks(e.web, CROWD, "/", "200 ");
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_EQ(e.connections, 2);
    evil_close(&e);
}

/* The connection ends here, with what has not been read. */
static void goes(peer *p)
{
    kt_stream *pair[2];
    kt_stream_close(p->c);
    CHECK_OK(kt_stream_memory_pair(1, pair));
    kt_stream_close(pair[1]);
    p->c = pair[0];
}

enum { LONG_ANSWER = 16000 };

/* The first connection answers its first request and leaves, while the body of its second one is being sent. */
static void answers_one_and_goes(peer *p, uint32_t id)
{
    static const char zeros[LONG_ANSWER];
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    if (streams_heard > 1)
        put_frame(&b, HEADERS, END_HEADERS | END_STREAM, id, "\x8d", 1); /* 404: the rest need not be sent */
    if (streams_heard == 1) {
        CHECK_OK(kt_sleep(KT_MS(100)));
        put_frame(&b, HEADERS, END_HEADERS, 1, "\x88", 1);
        put_frame(&b, DATA, END_STREAM, 1, zeros, sizeof zeros);
        put_frame(&b, GOAWAY, 0, 0, "\0\0\0\1\0\0\0\0", 8);
    }
    if (streams_heard == 0) {
        put_frame(&b, SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
        put_frame(&b, WINDOW_UPDATE, 0, 0, "\x7f\0\0\0", 4);
    }
    spill(p, b.data, b.size);
    if (streams_heard == 1)
        goes(p);
    streams_heard++;
}

KT_FN(gets_a_long_one, a, struct { kt_http_session *s; })
{
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    CHECK_OK(kt_http_get(a->s, "/", &r));
    CHECK_OK(kt_http_response_read_all(r, LONG_ANSWER, &body));
    CHECK_EQ(body.size, LONG_ANSWER);
    return 0;
}

/* The reset is noticed by who sends first, long before all that came ahead of it has been read. */
TEST(what_a_server_has_said_before_it_stopped_listening_is_heard)
{
    evil e = {.acts = answers_one_and_goes, .segment_max = 10};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sim_only();
    streams_heard = 0;
    evil_open(&e, (kt_http_session_options){0});
    CHECK_OK(kt_group_spawn(&g, KT_WITH(gets_a_long_one, .s = e.web)));
    CHECK_OK(kt_sleep(KT_MS(100)));
    CHECK_OK(kt_group_spawn(&g, KT_WITH(posts, .s = e.web, .size = 1024 * 1024, .answer = "404 ")));
    CHECK_OK(kt_group_join(&g, 0));
    CHECK_EQ(e.connections, 2);
    evil_close(&e);
}

/* All in one segment: the trailers are here before anybody has looked at the head. */
static void says_all_at_once(peer *p, uint32_t id)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    put_frame(&b, HEADERS, END_HEADERS, id, "\x88\0\6x-head\1h", 11);
    if (id == 1)
        put_frame(&b, DATA, 0, id, "body", 4);
    put_frame(&b, HEADERS, END_HEADERS | END_STREAM, id, "\0\6x-tail\1t", 10);
    spill(p, b.data, b.size);
}

TEST(trailers_that_come_with_the_head_are_not_taken_for_it)
{
    evil e = {.acts = says_all_at_once};
    evil_open(&e, (kt_http_session_options){0});
    for (int i = 0; i < 2; i++) {
        kt_http_response *r = NULL;
        kt_slice body;
        CHECK_OK(kt_http_get(e.web, "/", &r));
        CHECK_SLICE(kt_http_response_header(r, "X-Head"), "h");
        CHECK(!kt_http_response_header(r, "X-Tail").data);
        CHECK_OK(kt_http_response_read_all(r, 100, &body));
        CHECK_SLICE(body, i == 0 ? "body" : "");
        CHECK_SLICE(kt_http_response_trailer(r, "X-Tail"), "t");
        kt_http_response_close(r);
    }
    evil_close(&e);
}
