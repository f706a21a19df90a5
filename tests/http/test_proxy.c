/* SPDX-License-Identifier: MIT */
/* Clients behind proxies, names of requests, lines of the log, metrics. */
#include "serve.h"

#include <kettle/http_metrics.h>
#include <kettle/http_proxy.h>
#include <stdlib.h>

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

typedef struct hall {
    kt_http_proxies *proxies;
    kt_http_metrics *metrics;
    kt_http_log_style style;
    char line[1024];
    site s;
} hall;

static int tells_client(kt_http_exchange *x, void *arg)
{
    hall *h = arg;
    kt_http_client c;
    char text[256];
    CHECK_OK(kt_http_client_of(x, h->proxies, &c));
    int n = snprintf(text, sizeof text, "%s %s %.*s %u", c.address, c.scheme, (int)c.host.size, c.host.data, c.proxies);
    return kt_http_respond(x, 200, NULL, text, (size_t)n);
}

static const char *ask(hall *h, const char *headers, kt_http_handler handler, const kt_http_options *o)
{
    static heard answer;
    char request[1024];
    site_open(&h->s, o, handler, h);
    kt_stream *c = dial(&h->s);
    answer = (heard){.size = 0};
    snprintf(request, sizeof request, "GET /a?b HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n%s\r\n", headers);
    say(c, request);
    hear(c, &answer, NULL);
    kt_stream_close(c);
    site_close(&h->s);
    return answer.text;
}

static const char *const here[] = {"127.0.0.1", "10.0.0.0/8", "fd00::/8", NULL};
static const char *const elsewhere[] = {"10.0.0.0/8", NULL};

WITH_SERVER(the_client_is_whom_the_outermost_proxy_has_seen)
{
    static const struct {
        const char *const *networks;
        kt_http_forwarding forwarding;
        const char *headers, *expected;
    } cases[] = {
        {here, KT_HTTP_X_FORWARDED, "", "127.0.0.1 http shop 0"},
        {elsewhere, KT_HTTP_X_FORWARDED, "X-Forwarded-For: 192.0.2.1\r\n", "127.0.0.1 http shop 0"},
        {here, KT_HTTP_X_FORWARDED, "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: HTTPS\r\n"
         "X-Forwarded-Host: a.b\r\n",
         "192.0.2.1 https a.b 1"},
        /* whoever is in front of the outermost one may have made it up */
        {here, KT_HTTP_X_FORWARDED, "X-Forwarded-For: 1.1.1.1, 192.0.2.1, 10.0.0.7\r\n", "192.0.2.1 http shop 2"},
        {here, KT_HTTP_X_FORWARDED, "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.1\r\n",
         "192.0.2.1 http shop 1"},
        {here, KT_HTTP_X_FORWARDED, "X-Forwarded-For: 1.1.1.1, 192.0.2.1\r\nX-Forwarded-Proto: https, http\r\n",
         "192.0.2.1 http shop 1"},
        {here, KT_HTTP_X_FORWARDED, "X-Forwarded-For: 2001:db8::1, fd00::2\r\n", "2001:db8::1 http shop 2"},
        {here, KT_HTTP_X_FORWARDED, "X-Forwarded-For: [2001:db8::1]:80\r\n", "2001:db8::1 http shop 1"},
        {here, KT_HTTP_X_FORWARDED, "X-Forwarded-For: 192.0.2.1:80, ::ffff:10.0.0.7\r\n", "192.0.2.1 http shop 2"},
        {here, KT_HTTP_X_FORWARDED, "X-Forwarded-For: 192.0.2.1, evil\r\n", "unknown http shop 1"},
        {here, KT_HTTP_X_FORWARDED, "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: a/b\r\n", "192.0.2.1 http shop 1"},
        {here, KT_HTTP_X_FORWARDED, "Forwarded: for=192.0.2.1\r\n", "127.0.0.1 http shop 0"}, /* not what ours set */
        {here, KT_HTTP_FORWARDED, "X-Forwarded-For: 192.0.2.1\r\n", "127.0.0.1 http shop 0"},
        /* RFC 7239 section 4 and 7.1 */
        {here, KT_HTTP_FORWARDED, "Forwarded: for=192.0.2.60;proto=https;by=203.0.113.43\r\n",
         "192.0.2.60 https shop 1"},
        {here, KT_HTTP_FORWARDED, "Forwarded: For=\"[2001:db8:cafe::17]:4711\"\r\n", "2001:db8:cafe::17 http shop 1"},
        {here, KT_HTTP_FORWARDED, "Forwarded: for=192.0.2.43, for=10.1.1.1;host=\"a.b:80\"\r\n",
         "192.0.2.43 http a.b:80 2"},
        {here, KT_HTTP_FORWARDED, "Forwarded: for=192.0.2.43;proto=https, for=10.1.1.1\r\n", "192.0.2.43 https shop 2"},
        {here, KT_HTTP_FORWARDED, "Forwarded: for=unknown\r\n", "unknown http shop 1"},
        {here, KT_HTTP_FORWARDED, "Forwarded: for=_hidden, for=10.1.1.1\r\n", "unknown http shop 2"},
        {here, KT_HTTP_FORWARDED, "Forwarded: for=192.0.2.1, for=\"10.1.1.1\r\n", "unknown http shop 1"}, /* broken */
        {here, KT_HTTP_FORWARDED, "Forwarded: for=192.0.2.1;for=192.0.2.2\r\n", "unknown http shop 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hall h = {.proxies = NULL};
        CHECK_OK(kt_http_proxies_new(cases[i].networks, cases[i].forwarding, &h.proxies));
        const char *answer = ask(&h, cases[i].headers, tells_client, NULL);
        if (strcmp(strstr(answer, "\r\n\r\n") + 4, cases[i].expected) != 0)
            kt_test_fail("%s gives %s", cases[i].headers, strstr(answer, "\r\n\r\n") + 4);
        kt_http_proxies_free(h.proxies);
    }
}

TEST(a_network_that_is_none_is_refused)
{
    static const char *const bad[] = {"", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "::/129", "host",
                                      "1.2.3.4/-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *const networks[] = {"127.0.0.1", bad[i], NULL};
        kt_http_proxies *p = NULL;
        CHECK_ERR(kt_http_proxies_new(networks, KT_HTTP_FORWARDED, &p), -EINVAL);
        CHECK(!p);
    }
}

static int names_request(kt_http_exchange *x, void *arg)
{
    hall *h = arg;
    const char *id = NULL;
    CHECK_OK(kt_http_request_id(x, h->proxies, &id));
    return kt_http_respond(x, 200, NULL, id, strlen(id));
}

WITH_SERVER(a_request_keeps_the_name_that_a_known_peer_gave_it)
{
    hall h = {.proxies = NULL};
    char first[64];
    const char *answer = ask(&h, "X-Request-Id: abc\r\n", names_request, NULL); /* nobody is known */
    snprintf(first, sizeof first, "%s", strstr(answer, "\r\n\r\n") + 4);
    CHECK_EQ(strlen(first), 32);
    CHECK(strstr(answer, "X-Request-Id: "));
    CHECK_OK(kt_http_proxies_new(here, KT_HTTP_FORWARDED, &h.proxies));
    CHECK(strstr(ask(&h, "X-Request-Id: abc-1.2\r\n", names_request, NULL), "X-Request-Id: abc-1.2\r\n"));
    answer = ask(&h, "X-Request-Id: a b\r\n", names_request, NULL);
    CHECK_EQ(strlen(strstr(answer, "\r\n\r\n") + 4), 32);
    CHECK(strcmp(strstr(answer, "\r\n\r\n") + 4, first) != 0);
    kt_http_proxies_free(h.proxies);
}

/* ---- The log ----------------------------------------------------------------------------------------- */

static void logs(const kt_http_record *r, void *arg)
{
    hall *h = arg;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    const kt_http_log_extra e = {.now = KT_S((kt_time)784111777) + KT_MS(5), .request_id = "r1"};
    CHECK_OK(kt_http_log_line(r, h->style, &e, &b));
    snprintf(h->line, sizeof h->line, "%.*s", (int)b.size, b.data);
    if (h->metrics)
        kt_http_metrics_record(h->metrics, r);
}

WITH_SERVER(each_request_is_a_line_of_the_log)
{
    static const char *const expected[] = {
        [KT_HTTP_LOG_COMMON] = "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b HTTP/1.1\" 200 6\n",
        [KT_HTTP_LOG_COMBINED] = "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b HTTP/1.1\" 200 6 \"-\" "
                                 "\"\\x22x\\x5C\\xC3\\xA9\"\n",
        [KT_HTTP_LOG_JSON] = "{\"time\":\"1994-11-06T08:49:37.005Z\",\"client\":\"127.0.0.1\",\"method\":\"GET\","
                             "\"target\":\"/a?b\",\"version\":\"HTTP/1.1\",\"status\":200,\"bytes\":6,\"seconds\":",
    };
    hall h = {.proxies = NULL};
    kt_http_options o = {.log = logs, .log_arg = &h};
    for (int style = 0; style < 3; style++) {
        h.style = (kt_http_log_style)style;
        (void)ask(&h, "User-Agent: \"x\\\xc3\xa9\r\n", hello, &o);
        if (strncmp(h.line, expected[style], strlen(expected[style])) != 0)
            kt_test_fail("style %d: %s", style, h.line);
    }
    CHECK(strstr(h.line, ",\"user_agent\":\"\\u0022x\\u005c\xc3\xa9\",\"request_id\":\"r1\"}\n"));
}

TEST(nobody_can_forge_a_line_of_the_log)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    const kt_http_record r = {
        .method = kt_slice_from("GET"), .target = {"/\r\n\x1b[2J\x7f\xff\xc2\x85", 11},
        .peer = "[::1]:80", .rc = -EPIPE};
    const kt_http_log_extra e = {.now = KT_S(1)};
    CHECK_OK(kt_http_log_line(&r, KT_HTTP_LOG_COMMON, &e, &b));
    CHECK_SLICE(kt_buffer_slice(&b), "::1 - - [01/Jan/1970:00:00:01 +0000] "
                                     "\"GET /\\x0D\\x0A\\x1B[2J\\x7F\\xFF\\xC2\\x85"
                                     " HTTP/1.1\" 0 0\n");
    kt_buffer_clear(&b);
    CHECK_OK(kt_http_log_line(&r, KT_HTTP_LOG_JSON, &e, &b));
    const char *line = kt_buffer_string(&b);
    CHECK(line && strstr(line, "/\\u000d\\u000a\\u001b[2J\\u007f\\u00ff\\u00c2\\u0085\""));
    CHECK(strstr(line, "\"error\":\""));
}

/* ---- Metrics ----------------------------------------------------------------------------------------- */

static int shows_metrics(kt_http_exchange *x, void *arg)
{
    hall *h = arg;
    return kt_http_metrics_respond(h->metrics, x);
}

static int counts(kt_http_exchange *x, void *arg)
{
    hall *h = arg;
    return kt_http_metrics_handle(h->metrics, x, shows_metrics, arg);
}

WITH_SERVER(what_a_server_does_is_counted_for_prometheus)
{
    hall h = {.proxies = NULL};
    kt_http_options o = {.log = logs, .log_arg = &h};
    CHECK_OK(kt_http_metrics_new(&h.metrics));
    const kt_http_record odd = {.method = kt_slice_from("BREW"), .status = 418, .duration = KT_MS(7), .peer = "?"};
    kt_http_metrics_record(h.metrics, &odd);
    const kt_http_record slow = {.method = kt_slice_from("GET"), .duration = KT_S(100), .rc = -EPIPE, .peer = "?"};
    kt_http_metrics_record(h.metrics, &slow);
    (void)ask(&h, "", counts, &o);
    const char *answer = ask(&h, "", counts, &o);
    CHECK(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    CHECK(strstr(answer, "\nhttp_requests_total{method=\"GET\",status=\"2xx\"} 1\n"));
    CHECK(strstr(answer, "\nhttp_requests_total{method=\"GET\",status=\"none\"} 1\n"));
    CHECK(strstr(answer, "\nhttp_requests_total{method=\"other\",status=\"4xx\"} 1\n"));
    CHECK(strstr(answer, "\nhttp_request_duration_seconds_bucket{le=\"60\"} 2\n"));
    CHECK(strstr(answer, "\nhttp_request_duration_seconds_bucket{le=\"+Inf\"} 3\n"));
    CHECK(strstr(answer, "\nhttp_request_duration_seconds_count 3\n"));
    CHECK(strstr(answer, "\nhttp_requests_in_flight 1\n"));
    CHECK(strstr(answer, "\nhttp_request_errors_total 1\n"));
    kt_http_metrics_free(h.metrics);
}
