/* SPDX-License-Identifier: MIT */

/* A connection that goes on with another protocol. */
#include "serve.h"

#include "http/server.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

#define UPGRADE(line, headers) \
    line " HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n" headers "\r\n"
#define SWITCHED \
    "HTTP/1.1 101 Switching Protocols\r\nX-Room: a b\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"

/* Says who is there, then repeats what comes until the client ends. */
static int echo(kt_http_exchange *x, void *arg)
{
    kt_stream *s = NULL;
    char bytes[64];
    kt_slice path = kt_http_path(x);
    if (!kt_http_upgrade_asked(x).data)
        return hello(x, arg);
    CHECK_SLICE(kt_http_upgrade_asked(x), "echo");
    CHECK_OK(kt_http_header(x, "X-Room", "a b"));
    int rc = kt_http_upgrade(x, "echo", &s);
    if (rc < 0)
        return rc;
    CHECK_SLICE(path, "/a b");
    CHECK_SLICE(kt_http_request_header(x, "host"), "a");
    CHECK(!x->c->work);
    CHECK_EQ(x->c->server->spare_count, 1); /* while it lasts, it costs no more than an idle one */
    ssize_t n;
    while ((n = kt_stream_read(s, bytes, sizeof bytes)) > 0)
        CHECK_OK(kt_stream_write(s, bytes, (size_t)n));
    return (int)n;
}

WITH_SERVER(the_stream_of_another_protocol_reads_first_what_came_with_the_request)
{
    site s;
    heard h = {.size = 0};
    site_open(&s, NULL, echo, NULL);
    kt_stream *c = dial(&s);
    say(c, UPGRADE("GET /a%20b", "") "early ");
    CHECK_STR(hear(c, &h, "early "), SWITCHED "early ");
    say(c, "late");
    CHECK_OK(kt_stream_shutdown_write(c));
    CHECK_STR(hear(c, &h, NULL), SWITCHED "early late"); /* and the connection ends with the handler */
    CHECK_EQ(h.rc, 0);
    kt_stream_close(c);
    site_close(&s);
}

WITH_SERVER(answers_held_back_leave_before_another_protocol_begins)
{
    site s;
    heard h = {.size = 0};
    site_open(&s, NULL, echo, NULL);
    kt_stream *c = dial(&s);
    say(c, GET UPGRADE("GET /a%20b", "") "x");
    CHECK_OK(kt_stream_shutdown_write(c));
    CHECK_STR(hear(c, &h, NULL), HELLO SWITCHED "x");
    kt_stream_close(c);
    site_close(&s);
}

static int refuse(kt_http_exchange *x, void *arg)
{
    kt_stream *s = NULL;
    (void)arg;
    CHECK_ERR(kt_http_upgrade(x, "other", &s), -EINVAL);
    bool asked = kt_http_upgrade_asked(x).data;
    if (asked)
        CHECK_OK(kt_http_respond(x, 200, NULL, "plain\n", 6));
    else
        CHECK_OK(kt_http_respond(x, 200, NULL, "none\n", 5));
    CHECK_ERR(kt_http_upgrade(x, "echo", &s), KT_EINVALIDSTATE);
    CHECK(!s);
    return 0;
}

WITH_SERVER(a_request_that_asks_for_another_protocol_may_be_answered_as_any_other)
{
    site s;
    site_open(&s, NULL, refuse, NULL);
    converse(&s, UPGRADE("GET /", "") GET_CLOSE,
             "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nplain\n"
             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nnone\n");
    site_close(&s);
}

WITH_SERVER(an_upgrade_in_an_old_version_or_with_a_body_or_without_connection_is_none)
{
    site s;
    site_open(&s, NULL, refuse, NULL);
    converse(&s, "GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nnone\n");
    converse(&s, UPGRADE("POST /", "Content-Length: 1\r\n") "b" "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n"
                 "Connection: close\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nnone\n"
             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nnone\n");
    site_close(&s);
}

/* RFC 9110 section 5.6.1.2: an element that is empty is none. */
WITH_SERVER(the_first_protocol_that_is_named_is_the_one_that_is_asked_for)
{
    site s;
    heard h = {.size = 0};
    site_open(&s, NULL, echo, NULL);
    kt_stream *c = dial(&s);
    say(c, "GET /a%20b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ,\r\nUpgrade: , echo ,other\r\n\r\n");
    CHECK_STR(hear(c, &h, "\r\n\r\n"), SWITCHED);
    kt_stream_close(c);
    converse(&s, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: ,\r\n\r\n",
             HELLO_CLOSE);
    site_close(&s);
}

WITH_SERVER(a_handler_of_another_protocol_is_cancelled_when_the_grace_is_over)
{
    site s;
    heard h = {.size = 0};
    const kt_http_options o = {.grace = KT_MS(20)};
    site_open(&s, &o, echo, NULL);
    kt_stream *c = dial(&s);
    say(c, UPGRADE("GET /a%20b", ""));
    CHECK_STR(hear(c, &h, "\r\n\r\n"), SWITCHED);
    site_close(&s);
    CHECK_STR(hear(c, &h, NULL), SWITCHED);
    kt_stream_close(c);
}
