/* SPDX-License-Identifier: MIT */
/* How a caller works with the parser. What it accepts stands in the tables beside this file. */
#include "http/parser.h"

#include <kettle/test.h>

static kt__http_header headers[KT__HTTP_HEADERS_DEFAULT];

static kt__http_parser parser(kt__http_role role)
{
    kt__http_parser p;
    kt__http_parser_init(&p, role, headers, KT__HTTP_HEADERS_DEFAULT, NULL);
    return p;
}

static ssize_t feed_text(kt__http_parser *p, const char *text, kt__http_event *ret_event)
{
    return kt__http_parser_feed(p, text, strlen(text), ret_event);
}

TEST(head_slices_point_into_the_input)
{
    static const char input[] = "GET http://e.org/a/b?c=d HTTP/1.1\r\nHost: h\r\nX-A:  1 \r\n\r\nrest";
    kt__http_parser p = parser(KT__HTTP_REQUEST);
    kt__http_event e;
    CHECK_EQ(feed_text(&p, input, &e), sizeof(input) - 1 - 4);
    CHECK_EQ(e.type, KT__HTTP_HEAD);
    CHECK(e.head->method.data == input);
    CHECK(kt_slice_is(e.head->method, "GET"));
    CHECK(kt_slice_is(e.head->target, "http://e.org/a/b?c=d"));
    CHECK(kt_slice_is(e.head->path, "/a/b"));
    CHECK(kt_slice_is(e.head->query, "c=d"));
    CHECK(kt_slice_is(e.head->host, "e.org"));
    CHECK_EQ(e.head->header_count, 2);
    CHECK(kt_slice_is(e.head->headers[1].name, "X-A"));
    CHECK(kt_slice_is(e.head->headers[1].value, "1"));
}

TEST(special_targets_have_their_paths)
{
    kt__http_parser p = parser(KT__HTTP_REQUEST);
    kt__http_event e;
    CHECK_GT(feed_text(&p, "OPTIONS * HTTP/1.0\r\n\r\n", &e), 0);
    CHECK(kt_slice_is(e.head->path, "*"));
    kt__http_parser_reset(&p);
    CHECK_GT(feed_text(&p, "CONNECT h:1 HTTP/1.0\r\n\r\n", &e), 0);
    CHECK_EQ(e.head->path.size, 0);
    CHECK(kt_slice_is(e.head->host, "h:1"));
    kt__http_parser_reset(&p);
    CHECK_GT(feed_text(&p, "GET http://h?q HTTP/1.0\r\n\r\n", &e), 0);
    CHECK_EQ(e.head->path.size, 0);
    CHECK(kt_slice_is(e.head->query, "q"));
    kt__http_parser_reset(&p);
    CHECK_GT(feed_text(&p, "GET /? HTTP/1.0\r\n\r\n", &e), 0);
    CHECK(kt_slice_is(e.head->path, "/"));
    CHECK_EQ(e.head->query.size, 0);
}

TEST(empty_input_needs_more_and_changes_nothing)
{
    kt__http_parser p = parser(KT__HTTP_REQUEST);
    kt__http_event e = {.type = KT__HTTP_END};
    CHECK_EQ(kt__http_parser_feed(&p, NULL, 0, &e), 0);
    CHECK_EQ(e.type, KT__HTTP_NEED_MORE);
    CHECK(kt__http_parser_idle(&p));
    CHECK_EQ(feed_text(&p, "GET", &e), 0);
    CHECK(!kt__http_parser_idle(&p));
    CHECK_EQ(feed_text(&p, "GET", &e), 0);
    CHECK_EQ(e.type, KT__HTTP_NEED_MORE);
    CHECK_EQ(feed_text(&p, "GET / HTTP/1.0\r\n\r\n", &e), 18);
    CHECK_EQ(e.type, KT__HTTP_HEAD);
}

TEST(empty_line_before_a_request_is_not_yet_a_message)
{
    kt__http_parser p = parser(KT__HTTP_REQUEST);
    kt__http_event e;
    CHECK_EQ(feed_text(&p, "\r\n", &e), 0);
    CHECK(kt__http_parser_idle(&p));
    CHECK_EQ(kt__http_parser_eof(&p, &e), 0);
}

/* Linear cost: what was scanned may be overwritten. Only the value's last byte is looked at again,
 * once, for the white space behind it. */
TEST(bytes_already_scanned_are_not_read_again)
{
    static char input[32 * 1024];
    const char start[] = "GET / HTTP/1.0\r\nX: ";
    kt__http_parser p = parser(KT__HTTP_REQUEST);
    kt__http_event e;
    size_t size = sizeof(start) - 1;
    memcpy(input, start, size);
    CHECK_EQ(kt__http_parser_feed(&p, input, size, &e), 0);
    for (int i = 0; i < 30000; i++) {
        input[size++] = 'v';
        CHECK_EQ(kt__http_parser_feed(&p, input, size, &e), 0);
        input[size - 1] = i < 29999 ? '\0' : 'v';
    }
    memset(input, '\0', sizeof(start) - 1);
    memcpy(input + size, "\r\n\r\n", 4);
    CHECK_EQ(kt__http_parser_feed(&p, input, size + 4, &e), size + 4);
    CHECK_EQ(e.type, KT__HTTP_HEAD);
    CHECK_EQ(e.head->headers[0].value.size, 30000);
}

TEST(input_may_move_between_calls)
{
    static const char input[] = "GET /abc HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
    char first[sizeof(input)];
    char second[sizeof(input)];
    kt__http_parser p = parser(KT__HTTP_REQUEST);
    kt__http_event e;
    memcpy(first, input, sizeof(input));
    CHECK_EQ(kt__http_parser_feed(&p, first, 31, &e), 0);
    memset(first, 'X', sizeof(first));
    memcpy(second, input, sizeof(input));
    CHECK_EQ(kt__http_parser_feed(&p, second, sizeof(input) - 1, &e), sizeof(input) - 1);
    CHECK(kt_slice_is(e.head->target, "/abc"));
    CHECK(e.head->headers[0].name.data == second + 19);
    CHECK(kt_slice_is(e.head->headers[0].value, "h"));
    CHECK(kt_slice_is(e.head->headers[1].value, "b"));
}

TEST(body_is_a_slice_of_the_input)
{
    static const char input[] = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello!";
    kt__http_parser p = parser(KT__HTTP_REQUEST);
    kt__http_event e;
    ssize_t head = feed_text(&p, input, &e);
    CHECK_EQ(e.head->framing, KT__HTTP_LENGTH);
    CHECK_EQ(e.head->content_length, 5);
    CHECK_EQ(kt__http_parser_feed(&p, input + head, 2, &e), 2);
    CHECK_EQ(e.type, KT__HTTP_BODY);
    CHECK(e.body.data == input + head);
    CHECK_EQ(kt__http_parser_feed(&p, input + head + 2, 4, &e), 3);
    CHECK(kt_slice_is(e.body, "llo"));
    CHECK_EQ(feed_text(&p, "!", &e), 0);
    CHECK_EQ(e.type, KT__HTTP_END);
}

TEST(trailers_lie_behind_the_headers)
{
    static const char input[] =
        "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nSum: 1\r\n\r\n";
    kt__http_parser p = parser(KT__HTTP_REQUEST);
    kt__http_event e;
    ssize_t head = feed_text(&p, input, &e);
    CHECK_GT(feed_text(&p, input + head, &e), 0);
    CHECK_EQ(e.type, KT__HTTP_END);
    CHECK_EQ(e.trailer_count, 1);
    CHECK(e.trailers == e.head->headers + 2);
    CHECK(kt_slice_is(e.trailers[0].name, "Sum"));
    CHECK(kt_slice_is(e.head->headers[0].value, "h"));
}

TEST(an_error_lasts_until_reset_and_leaves_the_event_alone)
{
    kt__http_parser p = parser(KT__HTTP_REQUEST);
    kt__http_event e = {.type = KT__HTTP_BODY};
    CHECK_ERR(feed_text(&p, "GET / HTTP/3.0\r\n\r\n", &e), KT_EPROTOCOL);
    CHECK_ERR(feed_text(&p, "GET / HTTP/1.0\r\n\r\n", &e), KT_EPROTOCOL);
    CHECK_ERR(kt__http_parser_eof(&p, &e), KT_EPROTOCOL);
    CHECK_EQ(e.type, KT__HTTP_BODY);
    CHECK_EQ(p.error.status, 505);
    CHECK_EQ(p.error.offset, 6);
    CHECK_STR(p.error.reason, "HTTP version not supported");
    kt__http_parser_reset(&p);
    CHECK_EQ(feed_text(&p, "GET / HTTP/1.0\r\n\r\n", &e), 18);
}

TEST(a_limit_has_an_error_code_of_its_own)
{
    kt__http_header one[1];
    kt__http_parser p;
    kt__http_event e;
    kt__http_parser_init(&p, KT__HTTP_REQUEST, one, 1, NULL);
    CHECK_ERR(feed_text(&p, "GET / HTTP/1.0\r\nA: b\r\nC: d\r\n\r\n", &e), KT_ELIMIT);
    CHECK_EQ(p.error.status, 431);
}

TEST(feeding_past_the_end_is_refused)
{
    kt__http_parser p = parser(KT__HTTP_REQUEST);
    kt__http_event e;
    CHECK_EQ(feed_text(&p, "GET / HTTP/1.0\r\n\r\n", &e), 18);
    CHECK_EQ(feed_text(&p, "", &e), 0);
    CHECK_EQ(e.type, KT__HTTP_END);
    CHECK_ERR(feed_text(&p, "x", &e), KT_EINVALIDSTATE);
    CHECK_EQ(kt__http_parser_eof(&p, &e), 0);
}

TEST(end_of_connection_ends_a_body_until_close)
{
    kt__http_parser p = parser(KT__HTTP_RESPONSE);
    kt__http_event e;
    CHECK_GT(feed_text(&p, "HTTP/1.1 200 OK\r\n\r\n", &e), 0);
    CHECK_EQ(e.head->framing, KT__HTTP_UNTIL_CLOSE);
    CHECK_EQ(feed_text(&p, "abc", &e), 3);
    CHECK_EQ(kt__http_parser_eof(&p, &e), 1);
    CHECK_EQ(e.type, KT__HTTP_END);
    CHECK_EQ(e.head->status, 200);
}

TEST(end_of_connection_inside_a_message_is_named)
{
    kt__http_parser p = parser(KT__HTTP_RESPONSE);
    kt__http_event e;
    CHECK_EQ(kt__http_parser_eof(&p, &e), 0);
    CHECK_GT(feed_text(&p, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", &e), 0);
    CHECK_EQ(feed_text(&p, "ab", &e), 2);
    CHECK_ERR(kt__http_parser_eof(&p, &e), KT_EINCOMPLETE);
}

/* The defaults that the header states, met exactly and passed by one byte. */
TEST(default_limits_are_the_stated_ones)
{
    static char input[64 * 1024];
    kt__http_parser p = parser(KT__HTTP_REQUEST);
    kt__http_event e;
    memset(input, 'a', sizeof(input));
    memcpy(input, "GET /", 5);
    memcpy(input + 8192 - 11, " HTTP/1.0\r\n", 11);
    CHECK_EQ(kt__http_parser_feed(&p, input, 8192, &e), 0);
    memcpy(input + 8192, "N: ", 3);
    memcpy(input + 8192 + 32768 - 4, "\r\n\r\n", 4);
    CHECK_EQ(kt__http_parser_feed(&p, input, 8192 + 32768, &e), 8192 + 32768);
    kt__http_parser_reset(&p);
    memcpy(input + 8192 - 11, "aaaaaaaaaaa", 11);
    CHECK_EQ(kt__http_parser_feed(&p, input, 8192, &e), 0);
    CHECK_ERR(kt__http_parser_feed(&p, input, 8193, &e), KT_ELIMIT);
    CHECK_EQ(p.error.status, 414);
    CHECK_EQ(p.limits.body_bytes_max, 1024 * 1024);
    CHECK_EQ(p.limits.chunk_ext_bytes_max, 256);
    CHECK_EQ(p.limits.chunk_ext_total_bytes_max, 8192);
    CHECK_EQ(p.limits.trailer_bytes_max, 8192);
}

TEST(unlimited_body_is_counted_in_64_bits)
{
    static const kt__http_limits limits = {.body_bytes_max = KT__HTTP_UNLIMITED};
    kt__http_parser p;
    kt__http_event e;
    kt__http_parser_init(&p, KT__HTTP_REQUEST, headers, KT__HTTP_HEADERS_DEFAULT, &limits);
    CHECK_GT(feed_text(&p, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n",
                       &e), 0);
    CHECK_EQ(e.head->content_length, INT64_MAX);
    CHECK_EQ(feed_text(&p, "abc", &e), 3);
    /* More than a gigabyte is taken in several calls; content is not looked at. */
    CHECK_EQ(kt__http_parser_feed(&p, "", (size_t)3 << 30, &e), (size_t)1 << 30);
    CHECK_EQ(e.body.size, (size_t)1 << 30);
    kt__http_parser_reset(&p);
    CHECK_GT(feed_text(&p, "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", &e), 0);
    CHECK_EQ(feed_text(&p, "7fffffffffffffff\r\nabc", &e), 21);
    CHECK(kt_slice_is(e.body, "abc"));
}

TEST(headers_are_found_in_any_case)
{
    const kt__http_header list[] = {
        {kt_slice_from("Accept"), kt_slice_from("1")},
        {kt_slice_from("X-Y_@"), kt_slice_from("2")},
        {kt_slice_from("ACCEPT"), kt_slice_from("3")},
    };
    CHECK(kt__http_header_find(list, 3, "accept") == &list[0]);
    CHECK(kt__http_header_find(list, 3, "x-y_@") == &list[1]);
    CHECK(kt__http_header_find(list, 3, "x-y_`") == NULL);
    CHECK(kt__http_header_find(list, 3, "accep") == NULL);
    CHECK(kt__http_header_find(list, 3, "accept-") == NULL);
    CHECK(kt__http_header_find(list, 0, "accept") == NULL);
}

TEST(lists_are_searched_by_element)
{
    kt_slice value = kt_slice_from(" gzip ,, BR\t,x y,");
    CHECK(kt__http_list_has(value, "gzip"));
    CHECK(kt__http_list_has(value, "br"));
    CHECK(kt__http_list_has(value, "x y"));
    CHECK(!kt__http_list_has(value, "x"));
    CHECK(!kt__http_list_has(value, ""));
    CHECK(!kt__http_list_has(kt_slice_from(""), "gzip"));
}

/* The scanner for values takes 16 bytes at a time: every byte is tried at every place of a block. */
TEST(every_control_byte_is_seen_at_every_place)
{
    char input[128];
    const char start[] = "GET / HTTP/1.0\r\nX:";
    size_t first = sizeof(start) - 1;
    for (int byte = 0; byte < 256; byte++) {
        bool allowed = byte == '\t' || (byte >= ' ' && byte != 0x7f);
        for (size_t place = 0; place < 40; place++) {
            kt__http_parser p = parser(KT__HTTP_REQUEST);
            kt__http_event e;
            memset(input, 'a', sizeof(input));
            memcpy(input, start, first);
            input[first + place] = (char)byte;
            memcpy(input + first + 40, "\r\n\r\n", 4);
            ssize_t n = kt__http_parser_feed(&p, input, first + 44, &e);
            CHECK_EQ(n, allowed ? (ssize_t)first + 44 : KT_EPROTOCOL);
            if (!allowed)
                CHECK_EQ(p.error.offset, first + place + (byte == '\r' ? 1 : 0));
        }
    }
}
