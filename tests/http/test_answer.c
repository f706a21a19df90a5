/* SPDX-License-Identifier: MIT */
/* Answers: whole, in pieces, events, files from memory; and what happens when a handler fails. */

#include "serve.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

#define REQUEST(line) line "\r\nHost: a\r\nConnection: close\r\n\r\n"

/* ---- Headers --------------------------------------------------------------------------------- */

static int with_headers(kt_http_exchange *x, void *arg)
{
    (void)arg;
    CHECK_OK(kt_http_header(x, "X-One", "1"));
    CHECK_OK(kt_http_header(x, "x-two", "caf\xc3\xa9\t2"));
    CHECK_ERR(kt_http_header(x, "X-Bad", "a\r\nX-Evil: 1"), -EINVAL);
    CHECK_ERR(kt_http_header(x, "X-Bad", "a\nb"), -EINVAL);
    CHECK_ERR(kt_http_header(x, "X-Bad", "a\x01"), -EINVAL);
    CHECK_ERR(kt_http_header(x, "X Bad", "a"), -EINVAL);
    CHECK_ERR(kt_http_header(x, "X:Bad", "a"), -EINVAL);
    CHECK_ERR(kt_http_header(x, "", "a"), -EINVAL);
    CHECK_ERR(kt_http_header(x, "content-length", "7"), -EINVAL);
    CHECK_ERR(kt_http_header(x, "Transfer-Encoding", "chunked"), -EINVAL);
    CHECK_ERR(kt_http_header(x, "CONNECTION", "close"), -EINVAL);
    CHECK_ERR(kt_http_header(x, "Date", "today"), -EINVAL);
    CHECK_ERR(kt_http_respond(x, 200, "text/plain\r\nX-Evil: 1", "x", 1), -EINVAL);
    CHECK_ERR(kt_http_respond(x, 199, NULL, "x", 1), -EINVAL);
    CHECK_ERR(kt_http_respond(x, 600, NULL, "x", 1), -EINVAL);
    CHECK_OK(kt_http_respond(x, 201, NULL, "x", 1));
    CHECK_ERR(kt_http_header(x, "X-Late", "1"), KT_EINVALIDSTATE);
    CHECK_ERR(kt_http_respond(x, 200, NULL, "y", 1), KT_EINVALIDSTATE);
    CHECK_ERR(kt_http_start(x, 200, NULL), KT_EINVALIDSTATE);
    CHECK_ERR(kt_http_write(x, "y", 1), KT_EINVALIDSTATE);
    CHECK_ERR(kt_http_finish(x), KT_EINVALIDSTATE);
    CHECK_ERR(kt_http_event(x, NULL, NULL, "y", 1), KT_EINVALIDSTATE);
    return 0;
}

WITH_SERVER(headers_go_out_as_set_and_what_would_break_the_message_is_refused)
{
    site s;
    kt_http_options o = {.server = "kettle test"};
    site_open(&s, &o, with_headers, NULL);
    converse(&s, REQUEST("GET / HTTP/1.1"),
             "HTTP/1.1 201 Created\r\nServer: kettle test\r\nX-One: 1\r\nx-two: caf\xc3\xa9\t2\r\n"
             "Content-Length: 1\r\nConnection: close\r\n\r\nx");
    site_close(&s);
}

static int with_blanks(kt_http_exchange *x, void *arg)
{
    (void)arg;
    CHECK_OK(kt_http_header(x, "X-One", " \t1 2\t "));
    CHECK_OK(kt_http_header(x, "X-None", " \t"));
    return kt_http_respond(x, 200, " text/plain\t", "x", 1);
}

/* RFC 9110 section 5.5. */
WITH_SERVER(blanks_at_the_ends_of_a_value_are_no_part_of_it)
{
    site s;
    kt_http_options o = {.server = "\tkettle test "};
    site_open(&s, &o, with_blanks, NULL);
    converse(&s, REQUEST("GET / HTTP/1.1"),
             "HTTP/1.1 200 OK\r\nServer: kettle test\r\nContent-Type: text/plain\r\nX-One: 1 2\r\nX-None: \r\n"
             "Content-Length: 1\r\nConnection: close\r\n\r\nx");
    site_close(&s);
}

static int too_many_headers(kt_http_exchange *x, void *arg)
{
    (void)arg;
    int rc;
    static char value[1000];
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; (rc = kt_http_header(x, "X", value)) == 0; i++)
        CHECK_LT(i, 40);
    CHECK_ERR(rc, KT_ELIMIT);
    return rc;
}

WITH_SERVER(headers_without_end_are_cut_off_and_a_failed_answer_drops_them)
{
    site s;
    site_open(&s, NULL, too_many_headers, NULL);
    converse(&s, REQUEST("GET / HTTP/1.1"),
             "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n"
             "Content-Length: 26\r\nConnection: close\r\n\r\n500 Internal Server Error\n");
    site_close(&s);
}

static int what_date(kt_http_exchange *x, void *arg)
{
    (void)arg;
    return kt_http_respond(x, 200, NULL, NULL, 0);
}

WITH_SERVER(an_answer_carries_the_date)
{
    site s;
    char text[1024] = "", wanted[64];
    site_open(&s, NULL, what_date, NULL);
    kt_stream *c = dial(&s);
    time_t now = time(NULL);
    say(c, REQUEST("GET / HTTP/1.1"));
    CHECK_GT(kt_stream_read(c, text, sizeof text - 1), 0);
    struct tm t;
    gmtime_r(&now, &t);
    strftime(wanted, sizeof wanted, "\r\nDate: %a, %d %b %Y %H:%M", &t);
    CHECK(strstr(text, wanted) || t.tm_sec == 59);
    CHECK_MEM(strstr(text, " GMT"), " GMT\r\n", 6);
    kt_stream_close(c);
    site_close(&s);
}

/* ---- Without content ------------------------------------------------------------------------- */

static int by_path(kt_http_exchange *x, void *arg)
{
    (void)arg;
    int status = 0;
    CHECK_EQ(sscanf(kt_http_path(x).data, "/%d", &status), 1);
    if (status < 1000)
        return kt_http_respond(x, status, "text/plain", "content", 7);
    int rc = kt_http_start(x, status - 1000, "text/plain");
    if (rc == 0)
        rc = kt_http_write(x, "content", 7);
    return rc < 0 ? rc : kt_http_finish(x);
}

WITH_SERVER(head_and_the_statuses_without_content_send_none)
{
    site s;
    site_open(&s, NULL, by_path, NULL);
    converse(&s, REQUEST("HEAD /200 HTTP/1.1"),
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n"
             "Connection: close\r\n\r\n");
    converse(&s, REQUEST("HEAD /1200 HTTP/1.1"),
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"
             "Connection: close\r\n\r\n");
    converse(&s, REQUEST("GET /204 HTTP/1.1"),
             "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    converse(&s, REQUEST("GET /1204 HTTP/1.1"),
             "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    converse(&s, REQUEST("GET /205 HTTP/1.1"),
             "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    converse(&s, REQUEST("GET /1205 HTTP/1.1"),
             "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    converse(&s, REQUEST("GET /304 HTTP/1.1"),
             "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n");
    converse(&s, "GET /1205 HTTP/1.1\r\nHost: a\r\n\r\n" REQUEST("GET /404 HTTP/1.1"),
             "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"
             "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n"
             "Connection: close\r\n\r\ncontent");
    converse(&s, "HEAD /200 HTTP/1.1\r\nHost: a\r\n\r\n" REQUEST("GET /404 HTTP/1.1"),
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\n"
             "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n"
             "Connection: close\r\n\r\ncontent");
    site_close(&s);
}

/* ---- In pieces ------------------------------------------------------------------------------- */

static int in_pieces(kt_http_exchange *x, void *arg)
{
    CHECK_OK(kt_http_header(x, "X-A", "1"));
    CHECK_OK(kt_http_start(x, 200, "text/plain"));
    CHECK_OK(kt_http_write(x, "", 0));
    CHECK_OK(kt_http_write(x, "brown", 5));
    CHECK_OK(kt_http_write(x, " fox jumps over", 15));
    CHECK_ERR(kt_http_event(x, NULL, NULL, "y", 1), KT_EINVALIDSTATE);
    return arg ? kt_http_finish(x) : 0;
}

WITH_SERVER(an_answer_in_pieces_is_chunked_and_ended_by_the_server_if_need_be)
{
    site s;
    int finishes = 1;
    for (int i = 0; i < 2; i++) {
        site_open(&s, NULL, in_pieces, i ? &finishes : NULL);
        converse(&s, GET REQUEST("GET / HTTP/1.1"),
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A: 1\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n"
                 "5\r\nbrown\r\nf\r\n fox jumps over\r\n0\r\n\r\n"
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A: 1\r\n"
                 "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                 "5\r\nbrown\r\nf\r\n fox jumps over\r\n0\r\n\r\n");
        site_close(&s);
    }
}

WITH_SERVER(an_answer_in_pieces_to_http_1_0_ends_with_the_connection)
{
    site s;
    site_open(&s, NULL, in_pieces, NULL);
    converse(&s, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A: 1\r\nConnection: close\r\n\r\n"
             "brown fox jumps over");
    site_close(&s);
}

static int head_first(kt_http_exchange *x, void *arg)
{
    CHECK_OK(kt_http_start(x, 200, NULL));
    CHECK_OK(kt_http_flush(x));
    CHECK_OK(kt_event_wait(arg));
    return kt_http_write(x, "late", 4);
}

WITH_SERVER(flush_sends_the_head_before_the_first_piece)
{
    site s;
    kt_event go = KT_EVENT_INIT;
    site_open(&s, NULL, head_first, &go);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, REQUEST("GET / HTTP/1.1"));
    CHECK(!strstr(hear(c, &h, "\r\n\r\n"), "late"));
    kt_event_set(&go);
    CHECK(strstr(hear(c, &h, NULL), "4\r\nlate\r\n0\r\n\r\n"));
    kt_stream_close(c);
    site_close(&s);
}

/* ---- Failing handlers ------------------------------------------------------------------------ */

static int fails(kt_http_exchange *x, void *arg)
{
    (void)arg;
    kt_slice path = kt_http_path(x);
    if (kt_slice_is(path, "/silent"))
        return 0;
    if (kt_slice_is(path, "/cut")) {
        CHECK_OK(kt_http_start(x, 200, NULL));
        CHECK_OK(kt_http_write(x, "half", 4));
    } else if (kt_slice_is(path, "/after")) {
        CHECK_OK(kt_http_respond(x, 200, NULL, "whole", 5));
    }
    return -EIO;
}

#define ANSWER_500(more) \
    "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 26\r\n" more \
    "\r\n500 Internal Server Error\n"

WITH_SERVER(a_handler_that_fails_or_says_nothing_gives_500)
{
    site s;
    site_open(&s, NULL, fails, NULL);
    converse(&s, "GET /silent HTTP/1.1\r\nHost: a\r\n\r\n" REQUEST("GET /early HTTP/1.1"),
             ANSWER_500("") ANSWER_500("Connection: close\r\n"));
    site_close(&s);
}

WITH_SERVER(a_handler_that_fails_within_its_answer_cuts_it_visibly)
{
    site s;
    site_open(&s, NULL, fails, NULL);
    converse(&s, "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n" GET,
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    converse(&s, "GET /after HTTP/1.1\r\nHost: a\r\n\r\n" GET,
             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole");
    site_close(&s);
}

/* Where the end of the connection is the end of the content, only one that breaks is not taken for it. */
WITH_SERVER(a_cut_answer_to_http_1_0_breaks_the_connection)
{
    site s;
    heard h = {.size = 0};
    site_open(&s, NULL, fails, NULL);
    kt_stream *c = dial(&s);
    say(c, "GET /cut HTTP/1.0\r\n\r\n");
    hear(c, &h, NULL);
    CHECK_ERR(h.rc, -ECONNRESET);
    kt_stream_close(c);
    site_close(&s);
}

/* ---- Events ---------------------------------------------------------------------------------- */

static int send_events(kt_http_exchange *x, void *arg)
{
    (void)arg;
    CHECK_OK(kt_http_events_start(x));
    int rc = kt_http_event(x, "stats", "7", "{\"n\":1}", 7);
    if (rc < 0)
        return rc;
    CHECK_OK(kt_http_event(x, NULL, NULL, "a\nb\r\nc\rd\n", 9));
    CHECK_OK(kt_http_event(x, NULL, NULL, NULL, 0));
    CHECK_OK(kt_http_event_comment(x, "still here"));
    CHECK_ERR(kt_http_event(x, "a\nb", NULL, "x", 1), -EINVAL);
    CHECK_ERR(kt_http_event(x, NULL, "a\rb", "x", 1), -EINVAL);
    CHECK_ERR(kt_http_event_comment(x, "a\nb"), -EINVAL);
    return 0;
}

#define EVENT_HEAD(framing) \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n" \
    "X-Accel-Buffering: no\r\n" framing "Connection: close\r\n\r\n"

WITH_SERVER(events_are_framed_so_that_data_cannot_forge_fields)
{
    site s;
    site_open(&s, NULL, send_events, NULL);
    converse(&s, "GET / HTTP/1.0\r\n\r\n",
             EVENT_HEAD("") "event: stats\nid: 7\ndata: {\"n\":1}\n\n"
                            "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"
                            "data: \n\n"
                            ": still here\n\n");
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, REQUEST("GET / HTTP/1.1"));
    CHECK(strstr(hear(c, &h, NULL), "\r\n22\r\nevent: stats\nid: 7\ndata: {\"n\":1}\n\n\r\n"));
    CHECK(strstr(h.text, "\r\n0\r\n\r\n"));
    kt_stream_close(c);
    converse(&s, REQUEST("HEAD / HTTP/1.1"), EVENT_HEAD("Transfer-Encoding: chunked\r\n"));
    site_close(&s);
}

static int tick(kt_http_exchange *x, void *arg)
{
    int *rc = arg;
    *rc = kt_http_events_start(x);
    while (*rc == 0) {
        *rc = kt_http_event_comment(x, "");
        if (*rc == 0)
            *rc = kt_sleep(KT_MS(1));
    }
    return *rc;
}

WITH_SERVER(a_stream_of_events_ends_when_its_client_is_gone)
{
    site s;
    int rc = 1;
    site_open(&s, NULL, tick, &rc);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET);
    hear(c, &h, ": \n\n");
    kt_stream_close(c);
    CHECK_OK(kt_sleep(KT_MS(50)));
    CHECK(rc == -EPIPE || rc == -ECONNRESET);
    site_close(&s);
}

/* ---- Files from memory ----------------------------------------------------------------------- */

static const kt_http_asset assets[] = {
    {"/", "text/html", "\"v1\"", "<p>", 3},
    {"/a.js", "text/javascript", NULL, "let a", 5},
    {"/b.js", "text/javascript", NULL, "let b", 5},
};

static int serve_assets(kt_http_exchange *x, void *arg)
{
    (void)arg;
    int rc = kt_http_serve_assets(x, assets, sizeof assets / sizeof assets[0]);
    return rc ? rc : kt_http_respond(x, 404, NULL, NULL, 0);
}

#define ASSET_HEADERS "ETag: \"v1\"\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n"

WITH_SERVER(assets_are_served_with_their_validators)
{
    site s;
    site_open(&s, NULL, serve_assets, NULL);
    converse(&s, REQUEST("GET / HTTP/1.1"),
             "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" ASSET_HEADERS
             "Content-Length: 3\r\nConnection: close\r\n\r\n<p>");
    converse(&s, REQUEST("HEAD /?x HTTP/1.1"),
             "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" ASSET_HEADERS
             "Content-Length: 3\r\nConnection: close\r\n\r\n");
    converse(&s, REQUEST("GET / HTTP/1.1\r\nIf-None-Match: \"v0\", W/\"v1\""),
             "HTTP/1.1 304 Not Modified\r\n" ASSET_HEADERS "Connection: close\r\n\r\n");
    converse(&s, REQUEST("GET / HTTP/1.1\r\nif-none-match: *"),
             "HTTP/1.1 304 Not Modified\r\n" ASSET_HEADERS "Connection: close\r\n\r\n");
    converse(&s, REQUEST("GET / HTTP/1.1\r\nIf-None-Match: v1, \"v11\""),
             "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" ASSET_HEADERS
             "Content-Length: 3\r\nConnection: close\r\n\r\n<p>");
    converse(&s, REQUEST("POST / HTTP/1.1"),
             "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\nAllow: GET, HEAD\r\n"
             "Content-Length: 23\r\nConnection: close\r\n\r\n405 Method Not Allowed\n");
    converse(&s, REQUEST("GET /none HTTP/1.1"),
             "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    site_close(&s);
}

static void etag_for(const site *s, const char *line, char *etag)
{
    kt_stream *c = dial(s);
    heard h = {.size = 0};
    say(c, line);
    hear(c, &h, NULL);
    const char *found = strstr(h.text, "ETag: ");
    CHECK(found);
    CHECK_EQ(sscanf(found, "ETag: %63[^\r]", etag), 1);
    kt_stream_close(c);
}

WITH_SERVER(a_computed_etag_follows_the_bytes)
{
    site s;
    char a[64], again[64], b[64];
    site_open(&s, NULL, serve_assets, NULL);
    etag_for(&s, REQUEST("GET /a.js HTTP/1.1"), a);
    etag_for(&s, REQUEST("GET /a.js HTTP/1.1"), again);
    etag_for(&s, REQUEST("GET /b.js HTTP/1.1"), b);
    CHECK_STR(a, again);
    CHECK(strcmp(a, b) != 0);
    CHECK_EQ(strlen(a), 34);
    site_close(&s);
}
