/* SPDX-License-Identifier: MIT */

/* What comes behind: trailers, and work behind the answer. */
#include "h2_client.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

static int sum(kt_http_exchange *x, void *arg)
{
    kt_slice body;
    char text[32];
    (void)arg;
    CHECK_OK(kt_http_read_all(x, 100, &body));
    kt_slice sent = kt_http_request_trailer(x, "X-Sent");
    CHECK(!kt_http_request_trailer(x, "X-Sen").data);
    snprintf(text, sizeof text, "%.*s", (int)sent.size, sent.size ? sent.data : "");
    CHECK_ERR(kt_http_trailer(x, "X-Sum", text), KT_EINVALIDSTATE);
    CHECK_OK(kt_http_start(x, 200, NULL));
    CHECK_ERR(kt_http_trailer(x, "Content-Length", "1"), -EINVAL);
    CHECK_OK(kt_http_trailer(x, "X-Sum", text));
    return kt_http_write(x, body.data, body.size);
}

WITH_SERVER(trailers_go_both_ways)
{
    site s;
    peer p;
    site_open(&s, NULL, sum, NULL);
    converse(&s, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "3\r\ntea\r\n0\r\nX-First: a\r\nX-Sent: 42\r\n\r\n",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
             "3\r\ntea\r\n0\r\nX-Sum: 42\r\n\r\n");
    greet(&p, dial(&s));
    request(&p, "POST", "/");
    send_head(&p, 1, END_HEADERS);
    send_frame(&p, DATA, 0, 1, "tea", 3);
    field(&p, "x-sent", "43");
    send_head(&p, 1, END_STREAM | END_HEADERS);
    expect_status(&p, 1, "200");
    CHECK_MEM(expect(&p, DATA, 1)->bytes, "tea", 3);
    CHECK_EQ(expect(&p, HEADERS, 1)->flags, END_STREAM | END_HEADERS);
    CHECK_STR(p.head, "x-sum: 43\n");
    leave(&p);
    site_close(&s);
}

typedef struct later {
    bool begun, ended;
    int rc;
    kt_time pause;
} later;

static int work(void *arg)
{
    later *l = *(later **)arg;
    l->begun = true;
    l->rc = kt_sleep(l->pause);
    l->ended = true;
    return l->rc;
}

static int answer_then_work(kt_http_exchange *x, void *arg)
{
    int rc = kt_http_background(x, work, &arg, sizeof arg);
    if (rc == KT_EFULL)
        return kt_http_respond(x, 503, NULL, "full\n", 5);
    return rc < 0 ? rc : hello(x, NULL);
}

WITH_SERVER(work_in_the_background_is_awaited_by_a_stop)
{
    later l = {.pause = KT_MS(100)};
    site s;
    site_open(&s, NULL, answer_then_work, &l);
    converse(&s, GET_CLOSE, HELLO_CLOSE);
    CHECK(l.begun && !l.ended);
    site_close(&s);
    CHECK(l.ended);
    CHECK_EQ(l.rc, 0);
}

WITH_SERVER(work_in_the_background_is_bounded_and_cancelled_when_the_grace_is_over)
{
    const kt_http_options o = {.background_max = 1, .grace = KT_MS(30)};
    later l = {.pause = KT_S(30)};
    site s;
    site_open(&s, &o, answer_then_work, &l);
    converse(&s, GET_CLOSE, HELLO_CLOSE);
    converse(&s, GET_CLOSE,
             "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfull\n");
    site_close(&s);
    CHECK(l.ended);
    CHECK_ERR(l.rc, KT_ECANCELED);
}

static int read_body(kt_http_exchange *x, void *arg)
{
    kt_slice body;
    int *rc = arg;
    *rc = kt_http_read_all(x, 1000, &body);
    return *rc;
}

/* Never silent for as long as body_timeout, but too slow on the whole. */
WITH_SERVER(a_body_that_drips_is_given_up)
{
    const kt_http_options o = {.body_timeout = KT_MS(100), .body_rate_min = 500};
    int rc = 1;
    site s;
    heard h = {.size = 0};
    site_open(&s, &o, read_body, &rc);
    kt_stream *c = dial(&s);
    say(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n");
    for (int i = 0; i < 20 && rc == 1; i++) {
        CHECK_OK(kt_sleep(KT_MS(10)));
        if (rc == 1)
            say(c, "x");
    }
    CHECK_ERR(rc, -ETIMEDOUT);
    CHECK(strstr(hear(c, &h, "\r\n\r\n"), "HTTP/1.1 408 "));
    kt_stream_close(c);
    site_close(&s);
}
