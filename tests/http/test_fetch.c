/* SPDX-License-Identifier: MIT */
/* The small client, against our own server and against peers that misbehave. */

#include "serve.h"

#define WITH_NETWORK(name) TEST_WITH(name, KT_TEST_REAL_TIME)

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

static kt_http_call call_to(const site *s)
{
    return (kt_http_call){.host = "127.0.0.1", .port = kt_listener_port(s->l)};
}

WITH_NETWORK(fetch_sends_what_it_is_told_and_returns_the_whole_answer)
{
    site s;
    site_open(&s, NULL, mirror, NULL);
    static const char *const headers[] = {"X-Thing", "7", NULL};
    kt_http_call call = call_to(&s);
    call.target = "/a?b";
    call.content_type = "text/plain";
    call.body = "brown fox";
    call.body_size = 9;
    call.headers = headers;
    kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
    CHECK_OK(kt_http_fetch(&call, &reply));
    CHECK_EQ(reply.status, 203);
    CHECK_SLICE(reply.reason, "Non-Authoritative Information");
    CHECK_SLICE(reply.body, "brown fox");
    CHECK_SLICE(kt_http_reply_header(&reply, "x-line"), "POST /a?b <text/plain> <7>");
    CHECK(!kt_http_reply_header(&reply, "X-None").data);
    site_close(&s);
}

WITH_NETWORK(fetch_gets_by_default_and_head_has_no_body)
{
    site s;
    site_open(&s, NULL, mirror, NULL);
    kt_http_call call = call_to(&s);
    kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
    CHECK_OK(kt_http_fetch(&call, &reply));
    CHECK_SLICE(kt_http_reply_header(&reply, "X-Line"), "GET / <> <>");
    CHECK_EQ(reply.body.size, 0);
    kt_http_reply_release(&reply);
    call.method = "HEAD";
    CHECK_OK(kt_http_fetch(&call, &reply));
    CHECK_SLICE(kt_http_reply_header(&reply, "Content-Length"), "0");
    kt_http_reply_release(&reply);
    call.method = "DELETE";
    CHECK_OK(kt_http_fetch(&call, &reply));
    CHECK_SLICE(kt_http_reply_header(&reply, "X-Line"), "DELETE / <> <>");
    site_close(&s);
}

WITH_NETWORK(fetch_says_its_target_as_it_is_and_a_type_also_without_a_body)
{
    static const char *const targets[] = {"/a/../b", "/%7Ea/./?x=%41&y", "//b", "*"};
    site s;
    char expected[100];
    site_open(&s, NULL, mirror, NULL);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        kt_http_call call = call_to(&s);
        kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
        call.target = targets[i];
        call.method = *targets[i] == '*' ? "OPTIONS" : "POST";
        call.content_type = "application/json";
        CHECK_OK(kt_http_fetch(&call, &reply));
        snprintf(expected, sizeof expected, "%s %s <application/json> <>", call.method, targets[i]);
        CHECK_SLICE(kt_http_reply_header(&reply, "X-Line"), expected);
    }
    site_close(&s);
}

WITH_NETWORK(fetch_refuses_what_would_break_the_request)
{
    site s;
    site_open(&s, NULL, mirror, NULL);
    static const char *const split[] = {"X-A", "1\r\nX-B: 2", NULL};
    static const char *const framing[] = {"Content-Length", "2", NULL};
    const kt_http_call good = call_to(&s);
    kt_http_reply reply = {.status = 7};
    kt_http_call call = good;
    call.method = "GET /";
    CHECK_ERR(kt_http_fetch(&call, &reply), -EINVAL);
    call = good;
    call.target = "/a b";
    CHECK_ERR(kt_http_fetch(&call, &reply), -EINVAL);
    call.target = "/a\r\nX: 1";
    CHECK_ERR(kt_http_fetch(&call, &reply), -EINVAL);
    call.target = "a";
    CHECK_ERR(kt_http_fetch(&call, &reply), -EINVAL);
    call = good;
    call.host = "a\r\nb";
    CHECK_ERR(kt_http_fetch(&call, &reply), -EINVAL);
    call = good;
    call.headers = split;
    CHECK_ERR(kt_http_fetch(&call, &reply), -EINVAL);
    call.headers = framing;
    CHECK_ERR(kt_http_fetch(&call, &reply), -EINVAL);
    CHECK_EQ(reply.status, 7); /* untouched */
    site_close(&s);
}

/* ---- A peer that says what it is told ------------------------------------------------------------ */

typedef struct parrot {
    kt_listener *l;
    const char *says;
    bool waits; /* for the client's end, before it closes */
} parrot;

static int parrot_task(void *arg)
{
    parrot *p = *(parrot **)arg;
    kt_stream *c = NULL;
    char text[4096];
    int rc = kt_listener_accept(p->l, &c);
    if (rc < 0)
        return rc;
    ssize_t n = kt_stream_read(c, text, sizeof text);
    if (n > 0)
        rc = kt_stream_write(c, p->says, strlen(p->says));
    while (p->waits && n > 0)
        n = kt_stream_read(c, text, sizeof text);
    kt_stream_close(c);
    return rc;
}

/* Fetches from a peer that says `says`, and checks the body or the failure. */
static void hear_from(const char *says, const char *method, size_t max, int rc, const char *body)
{
    parrot p = {.says = says}, *arg = &p;
    kt_task *t;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &p.l));
    CHECK_OK(kt_spawn(parrot_task, &arg, sizeof arg, &t));
    kt_http_call call = {.host = "127.0.0.1", .port = kt_listener_port(p.l), .method = method};
    call.body_bytes_max = max;
    kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
    int found = kt_http_fetch(&call, &reply);
    if (found != rc)
        kt_test_fail("%s (%s) for: %s", kt_error_name(found), kt_error_detail(), says);
    if (rc == 0)
        CHECK_SLICE(reply.body, body);
    (void)!kt_task_join(t);
    kt_listener_close(p.l);
}

WITH_NETWORK(fetch_finds_the_end_of_every_kind_of_body)
{
    hear_from("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nfox", NULL, 0, 0, "fox");
    hear_from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfo\r\n1\r\nx\r\n0\r\n\r\n",
              NULL, 0, 0, "fox");
    hear_from("HTTP/1.1 200 OK\r\n\r\nfox until close", NULL, 0, 0, "fox until close");
    hear_from("HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n", NULL, 0, 0, "");
    hear_from("HTTP/1.1 204 No Content\r\n\r\n", NULL, 0, 0, "");
    hear_from("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "HEAD", 0, 0, "");
    hear_from("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
              "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nfox", NULL, 0, 0, "fox");
}

WITH_NETWORK(fetch_refuses_answers_that_are_cut_too_long_or_no_http)
{
    hear_from("", NULL, 0, KT_EINCOMPLETE, NULL);
    hear_from("HTTP/1.1 200", NULL, 0, KT_EINCOMPLETE, NULL);
    hear_from("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfox", NULL, 0, KT_EINCOMPLETE, NULL);
    hear_from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfox\r\n", NULL, 0,
              KT_EINCOMPLETE, NULL);
    hear_from("HTTP/1.1 100 Continue\r\n\r\n", NULL, 0, KT_EINCOMPLETE, NULL);
    hear_from("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfoxy", NULL, 3, KT_ELIMIT, NULL);
    hear_from("HTTP/1.1 200 OK\r\n\r\nfoxy", NULL, 3, KT_ELIMIT, NULL);
    hear_from("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nfoxy", NULL, 0,
              KT_EPROTOCOL, NULL);
    hear_from("SSH-2.0-OpenSSH\r\n", NULL, 0, KT_EPROTOCOL, NULL);
    hear_from("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", NULL, 0,
              KT_EPROTOCOL, NULL);
}

static int refuse_body(kt_http_exchange *x, void *arg)
{
    (void)arg;
    return kt_http_respond(x, 413, NULL, "no", 2);
}

WITH_NETWORK(fetch_hears_an_answer_that_comes_before_the_body_is_sent)
{
    site s;
    kt_http_options o = {.body_bytes_max = KT_HTTP_UNLIMITED};
    site_open(&s, &o, refuse_body, NULL);
    static char large[8 * 1024 * 1024];
    kt_http_call call = call_to(&s);
    call.body = large;
    call.body_size = sizeof large;
    kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
    CHECK_OK(kt_http_fetch(&call, &reply));
    CHECK_EQ(reply.status, 413);
    CHECK_SLICE(reply.body, "no");
    site_close(&s);
}

WITH_NETWORK(a_fetch_that_is_cancelled_leaves_nothing)
{
    parrot p = {.says = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfox", .waits = true}, *arg = &p;
    kt_task *t;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &p.l));
    CHECK_OK(kt_spawn(parrot_task, &arg, sizeof arg, &t));
    kt_http_call call = {.host = "127.0.0.1", .port = kt_listener_port(p.l)};
    kt_http_reply reply = {.status = 7};
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_MS(30));
    int rc = kt_http_fetch(&call, &reply);
    CHECK_ERR(kt_timeout_end(&limit, rc), KT_ETIMEDOUT);
    CHECK_EQ(reply.status, 7);
    CHECK_OK(kt_task_join(t));
    kt_listener_close(p.l);
}

WITH_NETWORK(fetch_survives_every_failed_allocation)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    kt_http_call call = call_to(&s);
    int rc, failures = 0;
    for (uint64_t nth = 1;; nth++) {
        kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
        kt_test_fail_allocation(nth);
        rc = kt_http_fetch(&call, &reply);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        failures += failed && rc < 0;
        if (rc == 0 && reply.status == 200)
            CHECK_SLICE(reply.body, "hello\n");
        if (!failed)
            break;
    }
    CHECK_OK(rc);
    CHECK_GT(failures, 3);
    site_close(&s);
}
