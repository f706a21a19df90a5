/* SPDX-License-Identifier: MIT */
/* Sessions, requests, and answers over HTTP/1.1. */
#include "client_site.h"

#include <fcntl.h>
#include <kettle/file.h>

static int mirror(kt_http_exchange *x, void *arg)
{
    (void)arg;
    kt_slice body, m = kt_http_method(x), t = kt_http_target(x);
    char line[256];
    int rc = kt_http_read_all(x, 1024 * 1024, &body);
    if (rc < 0)
        return rc;
    kt_slice type = kt_http_request_header(x, "Content-Type");
    kt_slice thing = kt_http_request_header(x, "X-Thing");
    snprintf(line, sizeof line, "%.*s %.*s <%.*s> <%.*s>", (int)m.size, m.data, (int)t.size, t.data,
             (int)type.size, type.data, (int)thing.size, thing.data);
    rc = kt_http_header(x, "X-Line", line);
    return rc < 0 ? rc : kt_http_respond(x, 203, "text/x", body.data, body.size);
}

typedef struct house {
    net n;
    site s;
    kt_http_session *web;
} house;

static void house_open(house *h, kt_http_handler handler, kt_http_session_options o)
{
    h->n = net_open((kt_test_network_options){0});
    site_open(&h->s, NULL, handler, NULL);
    h->web = session_for(kt_listener_port(h->s.l), o);
}

static void house_close(house *h)
{
    kt_http_session_close(h->web);
    site_close(&h->s);
    net_cleanup(&h->n);
}

TEST(a_get_is_three_lines)
{
    house h;
    house_open(&h, hello, (kt_http_session_options){0});
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    CHECK_OK(kt_http_get(h.web, "/", &r));
    CHECK_OK(kt_http_response_read_all(r, 1024, &body));
    CHECK_SLICE(body, "hello\n");
    CHECK_EQ(kt_http_response_status(r), 200);
    CHECK_SLICE(kt_http_response_reason(r), "OK");
    CHECK_SLICE(kt_http_response_header(r, "content-TYPE"), "text/plain");
    CHECK(!kt_http_response_header(r, "X-None").data);
    CHECK_EQ(kt_http_response_version(r), 11);
    CHECK_EQ(kt_http_response_length(r), 6);
    kt_http_response_close(kt_steal(r));
    house_close(&h);
}

TEST(a_request_says_what_it_is_told)
{
    house h;
    house_open(&h, mirror, (kt_http_session_options){0});
    static const char *const headers[] = {"X-Thing", "7", NULL};
    kt_http_request q = {.url = "/a?b#c", .body = "brown fox", .body_size = 9, .content_type = "text/plain",
                         .headers = headers};
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    CHECK_OK(kt_http_send(h.web, &q, &r));
    CHECK_OK(kt_http_response_read_all(r, 1024, &body));
    CHECK_SLICE(body, "brown fox");
    CHECK_SLICE(kt_http_response_header(r, "X-Line"), "POST /a?b <text/plain> <7>");
    house_close(&h);
}

TEST(connections_are_used_again)
{
    house h;
    house_open(&h, hello, (kt_http_session_options){0});
    for (int i = 0; i < 5; i++)
        CHECK_STR(ask(h.web, "/"), "200 hello\n");
    kt_http_session_facts f = facts_of(h.web);
    CHECK_EQ(f.opened, 1);
    CHECK_EQ(f.reused, 4);
    CHECK_EQ(f.idle, 1);
    house_close(&h);
}

/* ---- What an answer may be ------------------------------------------------------------------------ */

TEST(the_end_of_every_kind_of_body_is_found)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    CHECK_STR(answer_of(OK(3, "fox")), "200 fox");
    CHECK_STR(answer_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfo\r\n1\r\nx\r\n0\r\n\r\n"),
              "200 fox");
    CHECK_STR(answer_of("~HTTP/1.1 200 OK\r\n\r\nuntil close"), "200 until close");
    CHECK_STR(answer_of("HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "404 ");
    CHECK_STR(answer_of("HTTP/1.1 204 No\r\n\r\n"), "204 ");
    CHECK_STR(answer_of("HTTP/1.1 304 Same\r\nContent-Length: 7\r\n\r\n"), "304 ");
    CHECK_STR(answer_of("HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hint\r\nLink: <a>\r\n\r\n" OK(3, "fox")), "200 fox");
}

TEST(answers_that_are_none_are_refused)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    CHECK_STR(answer_of("~HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfox"), "200 KT_EINCOMPLETE");
    CHECK_STR(answer_of("~HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfox\r\n"), "200 KT_EINCOMPLETE");
    CHECK_STR(answer_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "200 KT_EPROTOCOL");
    CHECK_STR(answer_of("~HTTP/1.1 200 OK\r\nContent-"), "KT_EINCOMPLETE");
    CHECK_STR(answer_of("~"), "KT_EINCOMPLETE");
    CHECK_STR(answer_of("220 mail.example.org\r\n"), "KT_EPROTOCOL");
    CHECK_STR(answer_of("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "KT_EPROTOCOL");
    CHECK_STR(answer_of("HTTP/1.1 101 Other\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), "KT_EPROTOCOL");
    CHECK_STR(answer_of("!"), "ECONNRESET");
}

TEST(an_endless_head_ends)
{
    static char head[256 * 1024];
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    int size = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nX: ");
    memset(head + size, 'x', sizeof head - 1 - (size_t)size);
    CHECK_STR(answer_of(head), "KT_ELIMIT");
    size = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n");
    while ((size_t)size < sizeof head - 10)
        size += snprintf(head + size, sizeof head - (size_t)size, "X: y\r\n");
    CHECK_STR(answer_of(head), "KT_ELIMIT");
}

TEST(a_body_may_have_a_limit)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{OK(5, "abcde"), OK(6, "abcdef")}}};
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){.body_bytes_max = 5});
    CHECK_STR(ask(s, "/"), "200 abcde");
    CHECK_STR(ask(s, "/"), "200 KT_ELIMIT");
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(read_all_has_a_limit_and_can_go_on_behind_it)
{
    house h;
    house_open(&h, hello, (kt_http_session_options){0});
    kt_http_response *r = NULL;
    kt_slice body;
    CHECK_OK(kt_http_get(h.web, "/", &r));
    CHECK_ERR(kt_http_response_read_all(r, 5, &body), KT_ELIMIT);
    CHECK_OK(kt_http_response_read_all(r, 6, &body));
    CHECK_SLICE(body, "hello\n");
    CHECK_EQ(body.data[6], 0);
    kt_http_response_close(r);
    house_close(&h);
}

TEST(head_has_no_body_whatever_it_announces)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", OK(2, "ab")}}};
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){0});
    kt_http_request q = {.url = "/", .method = "HEAD"};
    CHECK_STR(ask_with(s, &q), "200 ");
    CHECK_STR(ask(s, "/"), "200 ab");
    CHECK_EQ(p.connections, 1);
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(trailers_are_there_behind_the_end)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"
                            "X-Sum: 7\r\nY: z\r\n\r\n"}}};
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){0});
    kt_http_response *r = NULL;
    kt_slice body;
    CHECK_OK(kt_http_get(s, "/", &r));
    CHECK_EQ(kt_http_response_length(r), -1);
    CHECK_OK(kt_http_response_read_all(r, 10, &body));
    CHECK_SLICE(kt_http_response_trailer(r, "x-sum"), "7");
    CHECK_SLICE(kt_http_response_trailer(r, "y"), "z");
    CHECK(!kt_http_response_trailer(r, "z").data);
    kt_http_response_close(r);
    kt_http_session_close(s);
    parrot_close(&p);
}

/* ---- What a request may say ----------------------------------------------------------------------- */

static void check_refused(kt_http_session *s, kt_http_request q)
{
    kt_http_response *r = NULL;
    CHECK_ERR(kt_http_send(s, &q, &r), -EINVAL);
    CHECK(!r);
}

TEST(what_would_break_a_request_is_refused)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    kt_http_session *s = session_for(1, (kt_http_session_options){0});
    static const char *const split[] = {"X-A", "1\r\nX-B: 2", NULL}, *const framing[] = {"Content-Length", "2", NULL};
    static const char *const name[] = {"X A", "1", NULL}, *const unpaired[] = {"X-A", NULL};
    check_refused(s, (kt_http_request){.url = "/", .method = "GET /"});
    check_refused(s, (kt_http_request){.url = "/", .method = ""});
    check_refused(s, (kt_http_request){.url = "/", .method = "CONNECT"});
    check_refused(s, (kt_http_request){.url = "/", .headers = split});
    check_refused(s, (kt_http_request){.url = "/", .headers = framing});
    check_refused(s, (kt_http_request){.url = "/", .headers = name});
    check_refused(s, (kt_http_request){.url = "/", .headers = unpaired});
    check_refused(s, (kt_http_request){.url = "/", .content_type = "a\nb"});
    check_refused(s, (kt_http_request){.url = "/", .upgrade = "a\r\nb"});
    check_refused(s, (kt_http_request){.url = "/", .upgrade = "a", .body = "b", .body_size = 1});
    check_refused(s, (kt_http_request){.url = "/", .body_size = 3});
    check_refused(s, (kt_http_request){.url = NULL});
    kt_http_session_close(s);
}

TEST(a_request_overrules_the_sessions_headers)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    static const char *const defaults[] = {"X-A", "1", "X-B", "2", "Accept", "text/html", NULL};
    static const char *const own[] = {"x-b", "3", "X-B", "4", "user-agent", "", NULL};
    parrot p = {.script = {{OK(0, "")}}};
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){.headers = defaults, .no_decompression = true});
    kt_http_request q = {.url = "/p?q", .headers = own};
    CHECK_STR(ask_with(s, &q), "200 ");
    char expected[256];
    snprintf(expected, sizeof expected, "GET /p?q HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX-A: 1\r\nAccept: text/html\r\n"
             "x-b: 3\r\nX-B: 4\r\n\r\n", p.port);
    CHECK_STR(p.heard, expected);
    kt_http_session_close(s);
    parrot_close(&p);
}

typedef struct source {
    size_t left, piece;
    int rc;
} source;

static ssize_t gives(void *buffer, size_t size, void *arg)
{
    source *s = arg;
    if (s->left == 0)
        return s->rc;
    size_t n = s->left < s->piece ? s->left : s->piece;
    n = n < size ? n : size;
    memset(buffer, 'x', n);
    s->left -= n;
    return (ssize_t)n;
}

static int counts(kt_http_exchange *x, void *arg)
{
    char piece[5000], text[64];
    size_t size = 0;
    ssize_t n;
    (void)arg;
    while ((n = kt_http_read(x, piece, sizeof piece)) > 0)
        size += (size_t)n;
    kt_slice coding = kt_http_request_header(x, "Transfer-Encoding");
    int m = snprintf(text, sizeof text, "%zu %.*s", size, (int)coding.size, coding.data);
    return n < 0 ? (int)n : kt_http_respond(x, 200, NULL, text, (size_t)m);
}

static void check_sent(kt_http_session *web, source *src, kt_http_request q, const char *expected)
{
    q.url = "/";
    q.body_read = gives;
    q.body_arg = src;
    CHECK_STR(ask_with(web, &q), expected);
}

TEST(a_body_comes_from_a_function)
{
    house h;
    house_open(&h, counts, (kt_http_session_options){0});
    check_sent(h.web, &(source){.left = 200000, .piece = 999}, (kt_http_request){0}, "200 200000 chunked");
    check_sent(h.web, &(source){.left = 0, .piece = 999}, (kt_http_request){0}, "200 0 chunked");
    check_sent(h.web, &(source){.left = 70000, .piece = 70000},
               (kt_http_request){.body_size_known = true, .body_size = 70000}, "200 70000 ");
    check_sent(h.web, &(source){.left = 0}, (kt_http_request){.body_size_known = true}, "200 0 ");
    CHECK_EQ(facts_of(h.web).opened, 1);
    check_sent(h.web, &(source){.left = 10, .piece = 7, .rc = -EBADMSG}, (kt_http_request){0}, "EBADMSG");
    check_sent(h.web, &(source){.left = 10, .piece = 7},
               (kt_http_request){.body_size_known = true, .body_size = 11}, "EINVAL");
    CHECK_EQ(facts_of(h.web).connections, 0);
    house_close(&h);
}

TEST(a_large_body_of_bytes_is_sent_whole)
{
    static char bytes[300000];
    house h;
    house_open(&h, counts, (kt_http_session_options){0});
    kt_http_request q = {.url = "/", .body = bytes, .body_size = sizeof bytes};
    CHECK_STR(ask_with(h.web, &q), "200 300000 ");
    q.expect_continue = true;
    CHECK_STR(ask_with(h.web, &q), "200 300000 ");
    house_close(&h);
}

TEST_WITH(a_body_comes_from_a_file, KT_TEST_REAL_TIME)
{
    house h;
    kt_auto(kt_file) *f = NULL;
    house_open(&h, counts, (kt_http_session_options){0});
    CHECK_OK(kt_file_open("/proc/self/exe", O_RDONLY, 0, &f));
    char expected[64];
    snprintf(expected, sizeof expected, "200 %lld ", (long long)kt_file_size(f));
    kt_http_request q = {.url = "/", .body_file = f, .method = "PUT"};
    kt_http_session_close(h.web);
    h.web = session_for(kt_listener_port(h.s.l), (kt_http_session_options){0});
    const char *text = ask_with(h.web, &q);
    CHECK(strcmp(text, expected) == 0 || strncmp(text, "413", 3) == 0);
    house_close(&h);
}

/* ---- Early answers -------------------------------------------------------------------------------- */

TEST(an_answer_that_comes_before_the_body_is_heard)
{
    static char bytes[3000000];
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.at_once = "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nfar", .script = {{NULL}},
                .stalls = KT_S(100)};
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){0});
    kt_http_request q = {.url = "/", .body = bytes, .body_size = sizeof bytes};
    CHECK_STR(ask_with(s, &q), "413 far");
    CHECK_EQ(facts_of(s).connections, 0);
    kt_http_session_close(s);
    parrot_close(&p);
}

/* One byte a second, and no end. */
static ssize_t drips(void *buffer, size_t size, void *arg)
{
    (void)arg;
    int rc = size > 0 ? kt_sleep(KT_S(1)) : 0;
    if (rc < 0 || size == 0)
        return rc;
    *(char *)buffer = 'x';
    return 1;
}

TEST(an_answer_of_a_server_that_then_stops_listening_counts)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.at_once = OK(3, "far"), .script = {{"!"}}, .stalls = KT_MS(2500)};
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){0});
    const kt_http_request q = {.url = "/", .body_read = drips};
    CHECK_STR(ask_with(s, &q), "200 far");
    CHECK_EQ(facts_of(s).connections, 0);
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(a_body_waits_for_the_servers_leave_for_a_second)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{OK(2, "ab")}, {OK(2, "cd")}}};
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){0});
    kt_http_request q = {.url = "/", .body = "x", .body_size = 1, .expect_continue = true};
    kt_time start = kt_now();
    CHECK_STR(ask_with(s, &q), "200 ab");
    CHECK_GE(kt_now() - start, KT_S(1));
    CHECK(strstr(p.heard, "Expect: 100-continue\r\n"));
    kt_http_session_close(s);
    parrot_close(&p);
}

#define FAILED "HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno"

/* What a request that expects a leave, of a body of one byte that can be had once, comes to. */
static const char *expects(parrot *p, kt_http_request q)
{
    parrot_open(p);
    source src = {.left = 1, .piece = 1};
    kt_http_session *s = session_for(p->port, (kt_http_session_options){.retries = {.attempts = 5}});
    q.url = "/";
    q.body_read = gives;
    q.body_arg = &src;
    q.body_size_known = true;
    q.body_size = 1;
    const char *text = ask_with(s, &q);
    CHECK_EQ(facts_of(s).retries, 0);
    kt_http_session_close(s);
    parrot_close(p);
    return text;
}

TEST(a_request_whose_expectation_fails_is_sent_once_more_without)
{
    for (size_t segment_max = 0; segment_max <= 1; segment_max++) {
        kt_auto(net) n = net_open((kt_test_network_options){.segment_max = segment_max});
        (void)n;
        parrot p = {.script = {{FAILED}, {OK(2, "ab")}}, .hasty = true};
        parrot q = {.script = {{FAILED}, {FAILED}}, .hasty = true};
        CHECK_STR(expects(&p, (kt_http_request){.expect_continue = true}), "200 ab");
        CHECK_EQ(p.connections, 2);
        CHECK_EQ(count_of(p.heard, "POST / HTTP/1.1\r\n"), 2);
        CHECK_EQ(count_of(p.heard, "Content-Length: 1\r\nExpect: 100-continue\r\n"), 1);
        CHECK_STR(expects(&q, (kt_http_request){.expect_continue = true}), "417 no");
        CHECK_EQ(q.requests, 2);
    }
}

TEST(what_expects_nothing_is_not_sent_once_more)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{FAILED}, {OK(2, "ab")}}, .hasty = true};
    CHECK_STR(expects(&p, (kt_http_request){0}), "417 no");
    CHECK_EQ(p.requests, 1);
}

TEST(a_body_that_has_begun_is_not_sent_once_more)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{FAILED}, {OK(2, "ab")}}};
    CHECK_STR(expects(&p, (kt_http_request){.expect_continue = true}), "417 no");
    CHECK_EQ(p.requests, 1);
}

TEST(a_failed_expectation_is_forgotten_at_a_redirect_only)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{FAILED},
                           {"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n",
                            "HTTP/1.1 307 There\r\nContent-Length: 0\r\nLocation: /there\r\n\r\n", FAILED},
                           {OK(2, "ab")}},
                .hasty = true};
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){.retries = {.attempts = 2}});
    const kt_http_request q = {.url = "/", .body = "x", .body_size = 1, .expect_continue = true, .idempotent = true};
    CHECK_STR(ask_with(s, &q), "200 ab");
    CHECK_EQ(count_of(p.heard, "POST / HTTP/1.1\r\n"), 3);
    CHECK_EQ(count_of(p.heard, "POST /there HTTP/1.1\r\n"), 2);
    CHECK_EQ(count_of(p.heard, "Expect: "), 2);
    CHECK_EQ(facts_of(s).retries, 1);
    kt_http_session_close(s);
    parrot_close(&p);
}
