/* SPDX-License-Identifier: MIT */
/* Request bodies: read, streamed, announced with Expect, left unread. */

#include "serve.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* Answers with the body that it read as a whole. */
static int echo(kt_http_exchange *x, void *arg)
{
    (void)arg;
    kt_slice body;
    int rc = kt_http_read_all(x, 1024 * 1024, &body);
    return rc < 0 ? rc : kt_http_respond(x, 200, NULL, body.data, body.size);
}

/* The same in pieces of `*(size_t *)arg` bytes. */
static int echo_pieces(kt_http_exchange *x, void *arg)
{
    char buffer[8192];
    int rc = kt_http_start(x, 200, NULL);
    while (rc == 0) {
        ssize_t n = kt_http_read(x, buffer, *(size_t *)arg);
        if (n <= 0)
            return (int)n;
        rc = kt_http_write(x, buffer, (size_t)n);
    }
    return rc;
}

WITH_SERVER(a_body_with_a_length_is_read_as_a_whole)
{
    site s;
    site_open(&s, NULL, echo, NULL);
    converse(&s,
             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nbrown"
             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nfox",
             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbrown"
             "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nfox");
    site_close(&s);
}

WITH_SERVER(a_chunked_body_is_read_as_a_whole_and_its_trailers_are_dropped)
{
    site s;
    site_open(&s, NULL, echo, NULL);
    converse(&s,
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
             "5;x=y\r\nbrown\r\nA\r\n fox jumps\r\n0\r\nX-Sum: 7\r\n\r\n" GET_CLOSE,
             "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nbrown fox jumps"
             "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    site_close(&s);
}

WITH_SERVER(a_body_in_single_bytes_is_the_same_body)
{
    static const char request[] =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nbrown\r\n4\r\n fox\r\n0\r\n\r\n"
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nend";
    size_t piece = 2;
    site s;
    site_open(&s, NULL, echo_pieces, &piece);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    for (const char *p = request; *p; p++) {
        CHECK_OK(kt_stream_write(c, p, 1));
        CHECK_OK(kt_sleep(0));
    }
    hear(c, &h, NULL);
    CHECK_EQ(count_of(h.text, "200 OK"), 2);
    char all[64] = "", *end = all; /* the data of all chunks */
    for (char *p = h.text; (p = strstr(p, "\r\n")); p += 2)
        if (p[2] && strchr("12345", p[2]) && p[3] == '\r')
            end += snprintf(end, 8, "%.*s", p[2] - '0', p + 5);
    CHECK_STR(all, "brown foxend");
    kt_stream_close(c);
    site_close(&s);
}

/* ---- Large bodies ---------------------------------------------------------------------------- */

enum { LARGE = 3 * 1024 * 1024 + 17 };

static char pattern(size_t i)
{
    return (char)(i * 7 + i / 251);
}

typedef struct upload {
    kt_stream *c;
    bool chunked;
} upload;

static int upload_task(void *arg)
{
    upload *u = arg;
    char piece[10000], line[32];
    size_t sent = 0;
    int rc = 0;
    while (sent < LARGE && rc == 0) {
        size_t n = LARGE - sent < sizeof piece ? LARGE - sent : sizeof piece;
        for (size_t i = 0; i < n; i++)
            piece[i] = pattern(sent + i);
        if (u->chunked) {
            snprintf(line, sizeof line, "%zx\r\n", n);
            rc = kt_stream_write(u->c, line, strlen(line));
        }
        if (rc == 0)
            rc = kt_stream_write(u->c, piece, n);
        if (rc == 0 && u->chunked)
            rc = kt_stream_write(u->c, "\r\n", 2);
        sent += n;
    }
    if (rc == 0 && u->chunked)
        rc = kt_stream_write(u->c, "0\r\n\r\n", 5);
    return rc;
}

/* Checks a large body against the pattern, whatever the size of the pieces. */
static int check_large(kt_http_exchange *x, void *arg)
{
    static char buffer[70000];
    size_t size = *(size_t *)arg, total = 0;
    for (;;) {
        ssize_t n = kt_http_read(x, buffer, size);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        for (ssize_t i = 0; i < n; i++, total++)
            if (buffer[i] != pattern(total))
                return -EIO;
    }
    return total == LARGE ? kt_http_respond(x, 200, NULL, NULL, 0) : -EMSGSIZE;
}

static void send_large(const site *s, bool chunked)
{
    char head[128];
    if (chunked)
        snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    else
        snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", LARGE);
    upload u = {dial(s), chunked};
    heard h = {.size = 0};
    kt_task *t;
    say(u.c, head);
    CHECK_OK(kt_spawn(upload_task, &u, sizeof u, &t));
    CHECK_STR(hear(u.c, &h, "\r\n\r\n"), OK_EMPTY);
    CHECK_OK(kt_task_join(t));
    kt_stream_close(u.c);
}

WITH_SERVER(bodies_larger_than_every_buffer_are_streamed)
{
    kt_http_options o = {.body_bytes_max = KT_HTTP_UNLIMITED};
    static const size_t sizes[] = {70000, 4096, 1000, 117};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        site s;
        site_open(&s, &o, check_large, &size);
        send_large(&s, false);
        send_large(&s, true);
        site_close(&s);
    }
}

static int check_large_whole(kt_http_exchange *x, void *arg)
{
    (void)arg;
    kt_slice body;
    int rc = kt_http_read_all(x, LARGE, &body);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < body.size; i++)
        if (body.data[i] != pattern(i))
            return -EIO;
    return body.size == LARGE ? kt_http_respond(x, 200, NULL, NULL, 0) : -EMSGSIZE;
}

WITH_SERVER(a_large_body_is_read_as_a_whole)
{
    kt_http_options o = {.body_bytes_max = KT_HTTP_UNLIMITED};
    site s;
    site_open(&s, &o, check_large_whole, NULL);
    send_large(&s, false);
    send_large(&s, true);
    site_close(&s);
}

/* The headers stay in place while the body behind them is received piecewise. */
static int header_after_body(kt_http_exchange *x, void *arg)
{
    (void)arg;
    char buffer[1000];
    ssize_t n;
    while ((n = kt_http_read(x, buffer, sizeof buffer)) > 0)
        ;
    if (n < 0)
        return (int)n;
    kt_slice last = kt_http_request_header(x, "X-Last");
    return kt_http_respond(x, 200, NULL, last.data, last.size);
}

WITH_SERVER(headers_stay_where_they_are_while_a_body_follows_a_large_head)
{
    site s;
    site_open(&s, NULL, header_after_body, NULL);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    static char head[16000];
    /* The end of one request and all of the next head are received at once: so the head begins in
     * the middle of the buffer, and is moved. */
    say(c, "GET / HTTP/1.1\r\nHost: a\r\n\r");
    CHECK_OK(kt_sleep(KT_MS(5)));
    char *p = head + snprintf(head, sizeof head, "\nPOST / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 14; i++)
        p += snprintf(p, 1100, "X-%d: %01000d\r\n", i, i);
    snprintf(p, 200, "X-Last: here\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    say(c, head);
    CHECK_OK(kt_sleep(KT_MS(5)));
    for (int i = 0; i < 30; i++) {
        snprintf(head, sizeof head, "3e8\r\n%01000d\r\n", i);
        say(c, head);
        CHECK_OK(kt_sleep(0));
    }
    say(c, "0\r\n\r\n");
    hear(c, &h, NULL);
    CHECK_STR(strstr(h.text, "\r\n\r\nhere"), "\r\n\r\nhere");
    kt_stream_close(c);
    site_close(&s);
}

/* ---- Expect ---------------------------------------------------------------------------------- */

#define EXPECT "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"

WITH_SERVER(a_client_that_waits_for_100_gets_it_when_the_body_is_read)
{
    site s;
    site_open(&s, NULL, echo, NULL);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, EXPECT);
    CHECK_STR(hear(c, &h, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    say(c, "fox");
    h = (heard){.size = 0};
    CHECK_STR(hear(c, &h, "fox"), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nfox");
    say(c, EXPECT "dog" GET_CLOSE); /* it did not wait: no 100 needed */
    h = (heard){.size = 0};
    CHECK_STR(hear(c, &h, NULL), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ndog"
                                 "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    kt_stream_close(c);
    site_close(&s);
}

static int echo_in_pieces(kt_http_exchange *x, void *arg)
{
    char c;
    ssize_t n;
    (void)arg;
    int rc = 0;
    for (bool first = true; rc == 0 && (n = kt_http_read(x, &c, 1)) != 0; first = false) {
        rc = n < 0 ? (int)n : first ? kt_http_start(x, 200, NULL) : 0;
        if (rc == 0)
            rc = kt_http_write(x, &c, 1);
    }
    return rc;
}

WITH_SERVER(a_client_that_does_not_wait_for_100_may_be_answered_while_it_sends)
{
    site s;
    site_open(&s, NULL, echo_in_pieces, NULL);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, EXPECT "f");
    CHECK_STR(hear(c, &h, "\r\n\r\n1\r\nf\r\n"),
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nf\r\n");
    say(c, "ox");
    h = (heard){.size = 0};
    CHECK_STR(hear(c, &h, "0\r\n\r\n"), "1\r\no\r\n1\r\nx\r\n0\r\n\r\n");
    kt_stream_close(c);
    site_close(&s);
}

WITH_SERVER(a_client_that_waits_for_100_and_is_refused_gets_the_answer_and_a_close)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    converse(&s, EXPECT, HELLO_CLOSE);
    site_close(&s);
}

static int read_too_late(kt_http_exchange *x, void *arg)
{
    char c;
    int rc = hello(x, arg);
    CHECK_OK(rc);
    CHECK_ERR(kt_http_read(x, &c, 1), KT_EINVALIDSTATE);
    return 0;
}

WITH_SERVER(after_the_answer_no_100_is_sent)
{
    site s;
    site_open(&s, NULL, read_too_late, NULL);
    converse(&s, EXPECT, HELLO_CLOSE);
    site_close(&s);
}

/* ---- Left unread ----------------------------------------------------------------------------- */

WITH_SERVER(a_small_unread_body_is_skipped_and_the_connection_goes_on)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    converse(&s,
             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nbrown"
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfox\r\n0\r\n\r\n"
             GET_CLOSE,
             HELLO HELLO HELLO_CLOSE);
    site_close(&s);
}

WITH_SERVER(the_answer_does_not_wait_for_the_body_that_nobody_reads)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nbr");
    CHECK_STR(hear(c, &h, "hello\n"), HELLO);
    say(c, "own" GET_CLOSE);
    h = (heard){.size = 0};
    CHECK_STR(hear(c, &h, NULL), HELLO_CLOSE);
    kt_stream_close(c);
    site_close(&s);
}

WITH_SERVER(a_large_unread_body_closes_the_connection_and_the_answer_still_arrives)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
    static char body[300000];
    memset(body, 'x', sizeof body);
    CHECK_OK(kt_stream_write(c, body, sizeof body));
    CHECK_STR(hear(c, &h, NULL), HELLO_CLOSE);
    CHECK_EQ(h.rc, 0); /* a reset might have overtaken the answer */
    kt_stream_close(c);
    site_close(&s);
}

WITH_SERVER(an_endless_chunked_body_that_nobody_reads_is_not_skipped_for_ever)
{
    site s;
    kt_http_options o = {.body_bytes_max = KT_HTTP_UNLIMITED};
    site_open(&s, &o, hello, NULL);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    static char chunk[1 + 5 + 2 + 65536 + 2];
    snprintf(chunk, sizeof chunk, "10000\r\n%065536d\r\n", 0);
    int rc = 0; /* 16 MiB is far beyond what is skipped and lingered for */
    for (int i = 0; i < 256 && rc == 0; i++)
        rc = kt_stream_write(c, chunk, strlen(chunk));
    CHECK(rc == -EPIPE || rc == -ECONNRESET);
    hear(c, &h, NULL);
    CHECK(h.ended);
    kt_stream_close(c);
    site_close(&s);
}

/* ---- Failures -------------------------------------------------------------------------------- */

static int swallow(kt_http_exchange *x, void *arg)
{
    char buffer[64];
    ssize_t n, again;
    while ((n = kt_http_read(x, buffer, sizeof buffer)) > 0)
        ;
    again = kt_http_read(x, buffer, sizeof buffer);
    CHECK_EQ(n, again); /* a failure, and the end, stay */
    *(int *)arg = (int)n;
    return (int)n;
}

static void check_broken(const char *request, int rc, const char *answer)
{
    site s;
    int seen = 1;
    site_open(&s, NULL, swallow, &seen);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, request);
    CHECK_OK(kt_stream_shutdown_write(c));
    hear(c, &h, NULL);
    CHECK_EQ(seen, rc);
    CHECK_EQ(strncmp(h.text, answer, strlen(answer)), 0);
    CHECK_EQ(count_of(h.text, "HTTP/1.1"), 1);
    kt_stream_close(c);
    site_close(&s);
}

WITH_SERVER(a_body_that_breaks_fails_the_read_and_is_answered_by_the_server)
{
    check_broken("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfoxx\r\n" GET,
                 KT_EPROTOCOL, "HTTP/1.1 400 Bad Request\r\n");
    check_broken("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nfox" GET,
                 KT_EPROTOCOL, "HTTP/1.1 400 Bad Request\r\n");
    check_broken("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n",
                 KT_ELIMIT, "HTTP/1.1 413 Content Too Large\r\n");
    check_broken("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfox", KT_EINCOMPLETE,
                 "HTTP/1.1 400 Bad Request\r\n");
    check_broken("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfox\r\n",
                 KT_EINCOMPLETE, "HTTP/1.1 400 Bad Request\r\n");
}

static int at_most_ten(kt_http_exchange *x, void *arg)
{
    (void)arg;
    kt_slice body;
    int rc = kt_http_read_all(x, 10, &body);
    CHECK_ERR(rc, KT_ELIMIT);
    return rc;
}

WITH_SERVER(a_body_over_the_handlers_own_limit_gives_413)
{
    site s;
    site_open(&s, NULL, at_most_ten, NULL);
    converse(&s, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
             "HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nContent-Length: 56\r\n"
             "Connection: close\r\n\r\n"
             "413 Content Too Large: body too large for this resource\n");
    converse(&s,
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
             "b\r\nhello world\r\n0\r\n\r\n",
             "HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nContent-Length: 56\r\n"
             "Connection: close\r\n\r\n"
             "413 Content Too Large: body too large for this resource\n");
    site_close(&s);
}
