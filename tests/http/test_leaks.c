/* SPDX-License-Identifier: MIT */
/* Memory: none per request in a steady state, none left behind, and none is no catastrophe. */

#include <sys/resource.h>

#include "serve.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

/* Uses every kind of memory that an exchange has. */
static int greedy(kt_http_exchange *x, void *arg)
{
    (void)arg;
    kt_slice body, value = {NULL, 0};
    int rc = kt_http_read_all(x, 100000, &body);
    if (rc == 0)
        rc = kt_http_header(x, "X-A", "1");
    if (rc == 0)
        rc = kt_http_query(x, "q", &value);
    if (rc < 0)
        return rc;
    char *copy = kt_http_alloc(x, body.size + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, body.data, body.size);
    rc = kt_http_start(x, 200, "text/plain");
    if (rc == 0)
        rc = kt_http_write(x, copy, body.size);
    return rc < 0 ? rc : kt_http_write(x, value.data, value.size);
}

#define GREEDY_REQUEST \
    "POST /a%20b?q=x%20y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" \
    "5\r\nbrown\r\n4\r\n fox\r\n0\r\n\r\n"
#define GREEDY_ANSWER "9\r\nbrown fox\r\n3\r\nx y\r\n0\r\n\r\n"

static void ask(kt_stream *c, const char *request, const char *end)
{
    heard h = {.size = 0};
    say(c, request);
    hear(c, &h, end);
}

WITH_SERVER(a_request_on_an_open_connection_allocates_nothing)
{
    site s;
    site_open(&s, NULL, greedy, NULL);
    kt_stream *c = dial(&s);
    for (int i = 0; i < 3; i++)
        ask(c, GREEDY_REQUEST GREEDY_REQUEST, GREEDY_ANSWER);
    kt_test_fail_allocation(1);
    for (int i = 0; i < 20; i++)
        ask(c, GREEDY_REQUEST, GREEDY_ANSWER);
    CHECK(!kt_test_allocation_failed());
    kt_test_fail_allocation(0);
    kt_stream_close(c);
    site_close(&s);
}

WITH_SERVER(ten_thousand_requests_leave_nothing_behind)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    for (int i = 0; i < 100; i++) {
        kt_stream *c = dial(&s);
        for (int j = 0; j < 100; j++)
            ask(c, GET, "hello\n");
        kt_stream_close(c);
    }
    site_close(&s); /* the kit looks for memory, descriptors and tasks */
    CHECK_ERR(s.rc, KT_ECANCELED);
}

static void visit(const site *s, int times)
{
    for (int i = 0; i < times; i++) {
        kt_stream *c = dial(s);
        ask(c, GET, "hello\n");
        kt_stream_close(c);
    }
}

WITH_SERVER(a_connection_that_has_ended_takes_no_memory_while_the_server_goes_on)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    visit(&s, 50);
    size_t before = kt_test_blocks();
    visit(&s, 500);
    CHECK_LT(kt_test_blocks(), before + 50); /* the last ones are still ending */
    site_close(&s);
}

WITH_SERVER(many_connections_at_once_leave_nothing_behind)
{
    enum { MANY = 200 };
    site s;
    site_open(&s, NULL, greedy, NULL);
    kt_stream *c[MANY];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            c[i] = dial(&s);
            say(c[i], GREEDY_REQUEST);
        }
        for (int i = 0; i < MANY; i++) {
            heard h = {.size = 0};
            if (i % 3 != round) /* the others leave without a word */
                hear(c[i], &h, GREEDY_ANSWER);
            kt_stream_close(c[i]);
        }
    }
    site_close(&s);
    CHECK_ERR(s.rc, KT_ECANCELED);
}

/* One request while the nth allocation fails: the client gets an answer or a close, and the server
 * serves the next client. Returns whether an allocation failed. */
static bool ask_without_memory(site *s, uint64_t nth)
{
    kt_stream *c = dial(s);
    heard h = {.size = 0};
    kt_test_fail_allocation(nth);
    int rc = kt_stream_write(c, GREEDY_REQUEST GET_CLOSE, strlen(GREEDY_REQUEST GET_CLOSE));
    hear(c, &h, NULL);
    bool failed = kt_test_allocation_failed();
    kt_test_fail_allocation(0);
    CHECK(rc == 0 || failed);
    if (h.size > 0)
        CHECK_EQ(strncmp(h.text, "HTTP/1.1 ", 9), 0);
    kt_stream_close(c);
    return failed;
}

WITH_SERVER(a_server_outlives_every_failed_allocation)
{
    uint64_t nth = 0;
    bool failed;
    do {
        site s;
        site_open(&s, NULL, greedy, NULL);
        CHECK_OK(kt_sleep(0));
        failed = ask_without_memory(&s, ++nth);
        kt_stream *c = dial(&s);
        ask(c, GREEDY_REQUEST, GREEDY_ANSWER);
        kt_stream_close(c);
        site_close(&s);
    } while (failed);
    CHECK_GT(nth, 5);
}

#if defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

WITH_SERVER(connections_without_a_stack_are_dropped_and_the_server_goes_on)
{
    if (SANITIZED)
        kt_test_skip("a sanitizer needs more address space than any limit leaves");
    site s;
    kt_http_options o = {.stack_bytes = (size_t)1 << 30};
    struct rlimit before, small = {(rlim_t)1 << 30, RLIM_INFINITY};
    CHECK_EQ(getrlimit(RLIMIT_AS, &before), 0);
    small.rlim_max = before.rlim_max;
    site_open(&s, &o, hello, NULL);
    CHECK_OK(kt_sleep(0));
    CHECK_EQ(setrlimit(RLIMIT_AS, &small), 0);
    for (int i = 0; i < 3; i++) {
        kt_stream *c = dial(&s);
        heard h = {.size = 0};
        CHECK_STR(hear(c, &h, NULL), "");
        kt_stream_close(c);
    }
    CHECK_EQ(setrlimit(RLIMIT_AS, &before), 0);
    kt_stream *c = dial(&s);
    ask(c, GET, "hello\n");
    kt_stream_close(c);
    site_close(&s);
    CHECK_ERR(s.rc, KT_ECANCELED);
}
