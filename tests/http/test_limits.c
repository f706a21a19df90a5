/* SPDX-License-Identifier: MIT */
/* What clients may not do: ambiguous requests, too much, too slowly, too many at once. */

#include "serve.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

static int count_calls(kt_http_exchange *x, void *arg)
{
    ++*(int *)arg;
    kt_slice body;
    int rc = kt_http_read_all(x, 1024 * 1024, &body);
    return rc < 0 ? rc : hello(x, NULL);
}

/* Sends `request`, with a well-formed one behind it, which must never be answered: whoever can make
 * a server see a second request where a proxy saw none smuggles. */
static void check_refused(const site *s, const char *request, int status)
{
    char answer[32];
    kt_stream *c = dial(s);
    heard h = {.size = 0};
    snprintf(answer, sizeof answer, "HTTP/1.1 %d ", status);
    say(c, request);
    say(c, GET);
    hear(c, &h, NULL);
    if (strncmp(h.text, answer, strlen(answer)) != 0)
        kt_test_fail("wanted %d for: %s\ngot: %s", status, request, h.text);
    if (count_of(h.text, "\r\nContent-Length: ") != 1 ||
        count_of(h.text, "\r\nConnection: close\r\n") != 1)
        kt_test_fail("wanted one answer and a close for: %s\ngot: %s", request, h.text);
    kt_stream_close(c);
}

#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

static const struct {
    const char *request;
    int status;
} refused[] = {
    /* RFC 9112 section 6.3: where does the body end? */
    {POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
    {POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nfox", 400},
    {POST "Content-Length: 3, 3\r\n\r\nfox", 400},
    {POST "Content-Length: +3\r\n\r\nfox", 400},
    {POST "Content-Length: -3\r\n\r\nfox", 400},
    {POST "Content-Length: 0x3\r\n\r\nfox", 400},
    {POST "Content-Length:\r\n\r\n", 400},
    {POST "Content-Length: 99999999999999999999\r\n\r\n", 400},
    {POST "Transfer-Encoding: gzip\r\n\r\n", 400},
    {POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
    {POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\n\r\n 3\r\nfox\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\n\r\n0x3\r\nfox\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\n\r\n3\nfox\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nfox\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\n\r\n3\r\nfoxy\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n", 400},
    /* RFC 9112 section 5: where does a header end? */
    {"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded: 2\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\rX: 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400},
    {"GET / HTTP/1.1\n\n", 400},
    /* RFC 9112 section 3 */
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {"GET /\r\n\r\n", 400},
    {"GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
    {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501},
    {"\x16\x03\x01\x02", 400},
};

WITH_SERVER(a_request_with_two_readings_is_refused_and_what_follows_is_not_read)
{
    site s;
    int calls = 0;
    site_open(&s, NULL, count_calls, &calls);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        check_refused(&s, refused[i].request, refused[i].status);
    site_close(&s);
}

WITH_SERVER(a_refusal_says_why_and_comes_behind_the_answers_before_it)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    converse(&s, GET GET "GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n" GET,
             HELLO HELLO
             "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 46\r\n"
             "Connection: close\r\n\r\n"
             "400 Bad Request: white space before the colon\n");
    site_close(&s);
}

/* ---- Too much -------------------------------------------------------------------------------- */

static void check_head(const site *s, const char *front, char fill, size_t count, const char *back,
                       int status)
{
    static char text[64 * 1024];
    char answer[32];
    size_t size = strlen(front);
    memcpy(text, front, size);
    memset(text + size, fill, count);
    memcpy(text + size + count, back, strlen(back) + 1);
    kt_stream *c = dial(s);
    heard h = {.size = 0};
    say(c, text);
    hear(c, &h, NULL);
    snprintf(answer, sizeof answer, "HTTP/1.1 %d ", status);
    if (strncmp(h.text, answer, strlen(answer)) != 0)
        kt_test_fail("wanted %d, got: %s", status, h.text);
    kt_stream_close(c);
}

#define END "\r\nConnection: close\r\n\r\n"

WITH_SERVER(limits_on_the_head_have_their_statuses)
{
    site s;
    static const char line_end[] = " HTTP/1.1\r\nHost: a" END;
    site_open(&s, NULL, hello, NULL);
    check_head(&s, "GET /", 'x', 8192 - 5 - 11, line_end, 200);
    check_head(&s, "GET /", 'x', 8192 - 5 - 10, line_end, 414);
    check_head(&s, "GET /", 'x', 60000, "", 414);
    check_head(&s, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 'v', 31000, END, 200);
    check_head(&s, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 'v', 33000, END, 431);
    check_head(&s, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 'v', 60000, "", 431);
    site_close(&s);
}

static void many_headers(const site *s, int count, int status)
{
    static char text[4096];
    char *p = text + snprintf(text, 100, "GET / HTTP/1.1\r\nHost: a");
    for (int i = 2; i < count; i++)
        p += snprintf(p, 100, "\r\nX-%d: 1", i);
    check_head(s, text, ' ', 0, END, status);
}

WITH_SERVER(limits_can_be_set)
{
    site s;
    kt_http_options o = {
        .request_line_bytes_max = 32,
        .header_bytes_max = 200,
        .headers_max = 5,
        .body_bytes_max = 10,
    };
    int calls = 0;
    site_open(&s, &o, count_calls, &calls);
    check_head(&s, "GET /", 'x', 32, " HTTP/1.1\r\nHost: a" END, 414);
    check_head(&s, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 'v', 200, END, 431);
    many_headers(&s, 5, 200);
    many_headers(&s, 6, 431);
    check_head(&s, POST "Content-Length: 10\r\nConnection: close\r\n\r\n", 'b', 10, "", 200);
    check_head(&s, POST "Content-Length: 11\r\nConnection: close\r\n\r\n", 'b', 11, "", 413);
    check_head(&s, POST "Transfer-Encoding: chunked\r\n\r\nb\r\n", 'b', 11, "\r\n0\r\n\r\n", 413);
    CHECK_EQ(calls, 3);
    site_close(&s);
}

WITH_SERVER(options_that_cannot_work_are_refused)
{
    kt_listener *l;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    kt_http_options o = {.header_bytes_max = 17 * 1024 * 1024};
    CHECK_ERR(kt_http_serve(l, &o, hello, NULL), -EINVAL);
    o = (kt_http_options){.server = "a\r\nb"};
    CHECK_ERR(kt_http_serve(l, &o, hello, NULL), -EINVAL);
    kt_listener_close(l);
}

WITH_SERVER(a_connection_ends_after_so_many_requests)
{
    site s;
    kt_http_options o = {.requests_max = 2};
    site_open(&s, &o, hello, NULL);
    converse(&s, GET GET GET, HELLO HELLO_CLOSE);
    site_close(&s);
}

WITH_SERVER(connections_beyond_the_cap_wait_until_one_ends)
{
    site s;
    kt_http_options o = {.connections_max = 2};
    site_open(&s, &o, hello, NULL);
    kt_stream *c[3];
    heard h = {.size = 0};
    for (int i = 0; i < 3; i++) {
        c[i] = dial(&s);
        say(c[i], GET);
    }
    hear(c[0], &h, "hello");
    h = (heard){.size = 0};
    hear(c[1], &h, "hello");
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    char text[100];
    kt_timeout_start(&limit, KT_MS(30));
    CHECK_ERR(kt_stream_read(c[2], text, sizeof text), KT_ETIMEDOUT);
    CHECK_ERR(kt_timeout_end(&limit, KT_ETIMEDOUT), KT_ETIMEDOUT);
    kt_stream_close(c[0]);
    h = (heard){.size = 0};
    CHECK_STR(hear(c[2], &h, "hello\n"), HELLO);
    kt_stream_close(c[1]);
    kt_stream_close(c[2]);
    site_close(&s);
}

/* So many that the next needs memory for more of them. */
enum { STACKS = 16 };

static void check_all_served(kt_stream *const *c)
{
    for (int i = 0; i < STACKS; i++) {
        heard h = {.size = 0};
        say(c[i], GET);
        CHECK_STR(hear(c[i], &h, "hello\n"), HELLO);
    }
}

/* A stranger who connects while the nth allocation fails: nothing of ours allocates for it. */
static bool is_served_without(const site *s, uint64_t nth)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(kt_listener_port(s->l)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    kt_test_fail_allocation(nth);
    CHECK_OK(kt_sleep(KT_MS(10)));
    bool failed = kt_test_allocation_failed();
    kt_test_fail_allocation(0);
    close(fd);
    CHECK_OK(kt_sleep(KT_MS(60))); /* it pauses after a failure */
    return !failed;
}

WITH_SERVER(without_a_stack_for_one_more_the_others_are_served)
{
    site s;
    kt_stream *c[STACKS];
    const kt_http_options o = {.stack_bytes = 1 << 18};
    site_open(&s, &o, hello, NULL);
    for (int i = 0; i < STACKS; i++)
        c[i] = dial(&s);
    check_all_served(c);
    uint64_t nth = 1;
    for (; !is_served_without(&s, nth); nth++)
        check_all_served(c);
    CHECK_GT(nth, 3); /* the connection's, its task's, the stack's */
    for (int i = 0; i < STACKS; i++)
        kt_stream_close(c[i]);
    site_close(&s);
}

/* ---- Too slowly ------------------------------------------------------------------------------ */

static const kt_http_options hasty = {
    .head_timeout = KT_MS(60),
    .idle_timeout = KT_MS(60),
    .body_timeout = KT_MS(60),
    .write_timeout = KT_MS(60),
};

/* Sends a byte every 10 ms until it fails. */
static int trickle(void *arg)
{
    kt_stream *c = *(kt_stream **)arg;
    for (;;) {
        int rc = kt_stream_write(c, "x", 1);
        if (rc == 0)
            rc = kt_sleep(KT_MS(10));
        if (rc < 0)
            return 0;
    }
}

WITH_SERVER(a_head_that_trickles_in_is_cut_off_in_time)
{
    site s;
    site_open(&s, &hasty, hello, NULL);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    kt_task *t;
    kt_time start = kt_now();
    say(c, "GET /");
    CHECK_OK(kt_spawn(trickle, &c, sizeof c, &t));
    hear(c, &h, "in time\n");
    CHECK_EQ(strncmp(h.text, "HTTP/1.1 408 ", 13), 0);
    CHECK(strstr(h.text, "\r\nConnection: close\r\n"));
    CHECK_GE(kt_now() - start, KT_MS(50));
    CHECK_LT(kt_now() - start, KT_S(1));
    kt_task_cancel(t);
    (void)!kt_task_join(t);
    kt_stream_close(c);
    site_close(&s);
}

WITH_SERVER(silent_connections_are_closed_without_a_word)
{
    site s;
    site_open(&s, &hasty, hello, NULL);
    converse(&s, "", "");       /* never a request */
    converse(&s, GET, HELLO);   /* none after the first */
    site_close(&s);
}

static int keep_rc(kt_http_exchange *x, void *arg)
{
    kt_slice body;
    int rc = kt_http_read_all(x, 1000, &body);
    *(int *)arg = rc;
    return rc;
}

WITH_SERVER(a_body_that_stops_coming_ends_the_read)
{
    site s;
    int rc = 1;
    site_open(&s, &hasty, keep_rc, &rc);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, POST "Content-Length: 10\r\n\r\n12345");
    CHECK_EQ(strncmp(hear(c, &h, NULL), "HTTP/1.1 408 ", 13), 0);
    CHECK_ERR(rc, -ETIMEDOUT);
    kt_stream_close(c);
    site_close(&s);
}

static int write_much(kt_http_exchange *x, void *arg)
{
    static char piece[256 * 1024];
    int *rc = arg;
    *rc = kt_http_start(x, 200, NULL);
    for (int i = 0; i < 1000 && *rc == 0; i++)
        *rc = kt_http_write(x, piece, sizeof piece);
    return *rc;
}

WITH_SERVER(a_client_that_does_not_read_ends_the_write)
{
    site s;
    int rc = 1;
    site_open(&s, &hasty, write_much, &rc);
    kt_stream *c = dial(&s);
    say(c, GET);
    for (int i = 0; i < 200 && rc >= 0; i++)
        CHECK_OK(kt_sleep(KT_MS(10)));
    CHECK_ERR(rc, -ETIMEDOUT);
    kt_stream_close(c);
    site_close(&s);
}

/* Reads for a multiple of the write timeout, 64 KiB at a time. */
WITH_SERVER(a_client_that_reads_slowly_but_steadily_gets_everything)
{
    static char text[64 * 1024];
    site s;
    int rc = 1;
    kt_http_options o = {.write_timeout = KT_MS(250)};
    site_open(&s, &o, write_much, &rc);
    kt_stream *c = dial(&s);
    say(c, GET);
    size_t total = 0;
    for (int i = 0; i < 40; i++) {
        ssize_t n = kt_stream_read(c, text, sizeof text);
        CHECK_GT(n, 0);
        total += (size_t)n;
        CHECK_OK(kt_sleep(KT_MS(20)));
    }
    CHECK_EQ(rc, 0);
    CHECK_GT(total, 0);
    kt_stream_close(c);
    site_close(&s);
}
