/* SPDX-License-Identifier: MIT */
/* Connections: keep-alive, pipelining, versions, and what a handler is told. */
#include <linux/tcp.h>
#include <netinet/in.h>

#include "serve.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

WITH_SERVER(a_request_gets_its_answer_and_the_connection_closes_when_asked)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    converse(&s, GET_CLOSE, HELLO_CLOSE);
    site_close(&s);
}

WITH_SERVER(a_connection_serves_one_request_after_the_other)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    kt_stream *c = dial(&s);
    for (int i = 0; i < 3; i++) {
        heard h = {.size = 0};
        say(c, GET);
        CHECK_STR(hear(c, &h, "hello\n"), HELLO);
    }
    kt_stream_close(c);
    site_close(&s);
}

WITH_SERVER(a_request_in_single_bytes_is_the_same_request)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    for (const char *p = GET_CLOSE; *p; p++) {
        CHECK_OK(kt_stream_write(c, p, 1));
        CHECK_OK(kt_sleep(0));
    }
    CHECK_STR(hear(c, &h, NULL), HELLO_CLOSE);
    kt_stream_close(c);
    site_close(&s);
}

WITH_SERVER(http_1_0_closes_unless_it_asks_to_keep_alive)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    converse(&s, "GET / HTTP/1.0\r\n\r\n", HELLO_CLOSE);
    converse(&s, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n"
             "Connection: keep-alive\r\n\r\nhello\n" HELLO_CLOSE);
    site_close(&s);
}

/* ---- Pipelining ------------------------------------------------------------------------------ */

static int echo_path(kt_http_exchange *x, void *arg)
{
    (void)arg;
    kt_slice path = kt_http_path(x);
    return kt_http_respond(x, 200, NULL, path.data, path.size);
}

static unsigned segments_in(kt_stream *c)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    CHECK_EQ(getsockopt(kt_stream_fd(c), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    return info.tcpi_data_segs_in;
}

WITH_SERVER(pipelined_answers_come_in_order_and_in_one_write)
{
    site s;
    site_open(&s, NULL, echo_path, NULL);
    kt_stream *c = dial(&s);
    char text[2048] = "", *p = text;
    for (int i = 0; i < 20; i++)
        p += snprintf(p, (size_t)(text + sizeof text - p), "GET /n%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
    say(c, text);
    heard h = {.size = 0};
    const char *at = hear(c, &h, "/n19");
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "\r\n\r\n/n%d", i);
        at = strstr(at, text);
        CHECK(at);
    }
    CHECK_EQ(segments_in(c), 1);
    kt_stream_close(c);
    site_close(&s);
}

typedef struct gate {
    kt_event open;
    int calls;
} gate;

/* The second request waits until the gate opens. */
static int second_waits(kt_http_exchange *x, void *arg)
{
    gate *g = arg;
    if (++g->calls == 2) {
        int rc = kt_event_wait(&g->open);
        if (rc < 0)
            return rc;
    }
    return kt_http_respond(x, 200, NULL, g->calls == 1 ? "one" : "two", 3);
}

WITH_SERVER(a_held_answer_leaves_when_the_next_handler_waits)
{
    site s;
    gate g = {.calls = 0};
    site_open(&s, NULL, second_waits, &g);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET GET_CLOSE);
    hear(c, &h, "one");
    CHECK(!strstr(h.text, "two"));
    kt_event_set(&g.open);
    hear(c, &h, NULL);
    CHECK(strstr(h.text, "two"));
    kt_stream_close(c);
    site_close(&s);
}

WITH_SERVER(more_pipelined_requests_than_any_buffer_holds_are_all_answered)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    kt_stream *c = dial(&s);
    static char text[4000 * (sizeof GET - 1) + 1];
    for (size_t i = 0; i < 4000; i++)
        memcpy(text + i * (sizeof GET - 1), GET, sizeof GET);
    size_t sent = 0, heard_bytes = 0, answers = 0;
    while (answers < 4000) { /* a part at a time: whoever only writes never reads the answers */
        if (sent < sizeof text - 1) {
            size_t part = sizeof text - 1 - sent < 20000 ? sizeof text - 1 - sent : 20000;
            CHECK_OK(kt_stream_write(c, text + sent, part));
            sent += part;
        }
        char in[65536];
        ssize_t n = kt_stream_read(c, in, sizeof in - 1);
        CHECK_GT(n, 0);
        heard_bytes += (size_t)n;
        for (ssize_t i = 0; i < n; i++) /* "hello\n" is all that ends a line without CR */
            answers += in[i] == 'o' && i + 1 < n && in[i + 1] == '\n';
        if (in[n - 1] == 'o')
            answers++;
    }
    CHECK_EQ(answers, 4000);
    CHECK_EQ(heard_bytes % 4000, 0);
    kt_stream_close(c);
    site_close(&s);
}

/* ---- What a handler is told ------------------------------------------------------------------ */

static int tell(kt_http_exchange *x, void *arg)
{
    (void)arg;
    kt_buffer b = KT_BUFFER_INIT;
    kt_slice m = kt_http_method(x), t = kt_http_target(x), p = kt_http_path(x);
    kt_slice q = kt_http_query_raw(x), host = kt_http_host(x), v = {NULL, 0};
    kt_slice header = kt_http_request_header(x, "x-thing");
    int found = kt_http_query(x, "na me", &v);
    int rc = kt_buffer_printf(&b, "%.*s %.*s %.*s ?%.*s @%.*s %d=%.*s <%.*s>", (int)m.size, m.data,
                              (int)t.size, t.data, (int)p.size, p.data, (int)q.size, q.data,
                              (int)host.size, host.data, found, (int)v.size, v.data,
                              (int)header.size, header.data);
    if (rc == 0)
        rc = kt_http_respond(x, 200, NULL, b.data, b.size);
    kt_buffer_release(&b);
    return rc;
}

static void check_told(const site *s, const char *line, const char *expected)
{
    char request[512], wanted[512];
    snprintf(request, sizeof request,
             "%s HTTP/1.1\r\nHost: h:1\r\nX-THING:  a b \r\nConnection: close\r\n\r\n", line);
    kt_stream *c = dial(s);
    heard h = {.size = 0};
    say(c, request);
    hear(c, &h, NULL);
    snprintf(wanted, sizeof wanted, "\r\n\r\n%s", expected);
    const char *body = strstr(h.text, "\r\n\r\n");
    CHECK(body);
    CHECK_STR(body, wanted);
    kt_stream_close(c);
}

WITH_SERVER(a_handler_sees_the_request_decoded_and_raw)
{
    site s;
    site_open(&s, NULL, tell, NULL);
    check_told(&s, "GET /a%20b?na+me=1%2b1&x=2", "GET /a%20b?na+me=1%2b1&x=2 /a b ?na+me=1%2b1&x=2 "
                                                 "@h:1 1=1+1 <a b>");
    check_told(&s, "GET /a%2Fb/%2f?na%20me", "GET /a%2Fb/%2f?na%20me /a%2Fb/%2F ?na%20me @h:1 1= "
                                             "<a b>");
    check_told(&s, "PUT /%C3%A9?name=1", "PUT /%C3%A9?name=1 /\xc3\xa9 ?name=1 @h:1 0= <a b>");
    check_told(&s, "GET http://other?na%20me=%00", "GET http://other?na%20me=%00 / ?na%20me=%00 "
                                                   "@other -22= <a b>");
    check_told(&s, "OPTIONS *", "OPTIONS * * ? @h:1 0= <a b>");
    site_close(&s);
}

static int list_headers(kt_http_exchange *x, void *arg)
{
    kt_slice name, value;
    char *seen = arg;
    for (size_t i = 0; kt_http_request_header_at(x, i, &name, &value); i++)
        seen += snprintf(seen, 200, "%.*s=%.*s;", (int)name.size, name.data, (int)value.size,
                         value.data);
    CHECK(!kt_http_request_header(x, "absent").data);
    CHECK_EQ(strncmp(kt_http_peer(x), "127.0.0.1:", 10), 0);
    CHECK(!kt_http_client_closed(x));
    CHECK(!kt_http_stopping(x));
    return kt_http_respond(x, 200, NULL, NULL, 0);
}

WITH_SERVER(a_handler_sees_every_header_and_the_peer)
{
    site s;
    char seen[1024] = "";
    site_open(&s, NULL, list_headers, seen);
    converse(&s, "GET / HTTP/1.1\r\nHost: a\r\nB: 1\r\nb: 2\r\nConnection: close\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    CHECK_STR(seen, "Host=a;B=1;b=2;Connection=close;");
    site_close(&s);
}

static int wait_for_hangup(kt_http_exchange *x, void *arg)
{
    bool *noticed = arg;
    for (int i = 0; i < 200 && !*noticed; i++) {
        int rc = kt_sleep(KT_MS(5));
        if (rc < 0)
            return rc;
        *noticed = kt_http_client_closed(x);
    }
    return kt_http_respond(x, 200, NULL, NULL, 0);
}

WITH_SERVER(a_handler_can_ask_whether_its_client_is_gone)
{
    site s;
    bool noticed = false;
    site_open(&s, NULL, wait_for_hangup, &noticed);
    kt_stream *c = dial(&s);
    say(c, GET);
    CHECK_OK(kt_sleep(KT_MS(20)));
    CHECK(!noticed);
    kt_stream_close(c);
    CHECK_OK(kt_sleep(KT_MS(50)));
    CHECK(noticed);
    site_close(&s);
}

/* ---- The log --------------------------------------------------------------------------------- */

static void write_log(const kt_http_record *r, void *arg)
{
    (void)arg;
    kt_test_say("%.*s %.*s %d %d %d %s", (int)r->method.size, r->method.data, (int)r->target.size,
                r->target.data, r->status, (int)r->bytes_sent, r->rc, r->reason ? r->reason : "-");
    CHECK_EQ(strncmp(r->peer, "127.0.0.1:", 10), 0);
    CHECK_GE(r->duration, 0);
}

/* Waits until the client is gone, and a while longer. */
static int outlives_a_reset(kt_http_exchange *x, void *arg)
{
    kt_http_outlive_client(x);
    while (!kt_http_client_closed(x))
        CHECK_OK(kt_sleep(KT_MS(1)));
    int rc = hello(x, arg);
    return rc < 0 ? rc : kt_sleep(0);
}

typedef struct heard_of {
    int count;
    char peer[128];
} heard_of;

static void keep_peer(const kt_http_record *r, void *arg)
{
    heard_of *h = arg;
    h->count++;
    snprintf(h->peer, sizeof h->peer, "%s", r->peer);
}

WITH_SERVER(the_log_hook_hears_the_address_of_a_client_that_has_reset_the_connection)
{
    site s;
    heard_of h = {0};
    const kt_http_options o = {.log = keep_peer, .log_arg = &h};
    site_open(&s, &o, outlives_a_reset, NULL);
    kt_stream *c = dial(&s);
    kt_address local;
    char expected[128];
    CHECK_OK(kt_stream_local(c, &local));
    kt_address_format(&local.any, local.size, expected, sizeof expected);
    say(c, GET);
    CHECK_OK(kt_sleep(KT_MS(20)));
    kt_stream_hang_up(c, true);
    for (int i = 0; i < 300 && h.count == 0; i++)
        CHECK_OK(kt_sleep(KT_MS(10)));
    CHECK_EQ(h.count, 1);
    CHECK_STR(h.peer, expected);
    kt_stream_close(c);
    site_close(&s);
}

static int fail_on_x(kt_http_exchange *x, void *arg)
{
    return kt_slice_is(kt_http_path(x), "/x") ? -EIO : hello(x, arg);
}

WITH_SERVER(the_log_hook_hears_of_every_request)
{
    site s;
    kt_http_options o = {.log = write_log};
    site_open(&s, &o, fail_on_x, NULL);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET "HEAD /b HTTP/1.1\r\nHost: a\r\n\r\nPOST /x HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n");
    hear(c, &h, NULL);
    CHECK_TRACE("GET / 200 6 0 -\n"
                "HEAD /b 200 0 0 -\n"
                "POST /x 500 26 -5 -\n"
                "  400 56 -10013 method is not a token before one space");
    kt_stream_close(c);
    site_close(&s);
}
