/* SPDX-License-Identifier: MIT */
/* A session, and what it shares with others, take no more memory for all that was asked. */
#include "client_site.h"

#include "../growth.h"

#include <kettle/cookies.h>
#include <kettle/http_cache.h>
#include <kettle/http_download.h>
#include <kettle/http_event_stream.h>
#include <kettle/http_events.h>
#include <kettle/test_disk.h>
#include <kettle/websocket.h>
#include <limits.h>

/* ---- A server for all of it ---------------------------------------------------------------------- */

typedef struct house {
    net n;
    site s;
    kt_cookie_jar *jar;
    kt_http_cache *cache;
    kt_http_session *web;
    int served;
} house;

static int says_number(kt_http_exchange *x, house *h)
{
    char text[64];
    snprintf(text, sizeof text, "c%d=1; Max-Age=%d", h->served, h->served % 3 ? 60 : 0);
    int rc = kt_http_header(x, "Set-Cookie", text);
    if (rc == 0)
        rc = kt_http_header(x, "Cache-Control", h->served % 2 ? "max-age=60" : "max-age=0");
    if (rc == 0)
        rc = kt_http_header(x, "ETag", "\"a\"");
    if (rc == 0)
        rc = kt_http_header(x, "Vary", "X-Vary");
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain", "number", 6);
}

static int sends_much(kt_http_exchange *x)
{
    static const char piece[8 * 1024];
    int rc = kt_http_start(x, 200, NULL);
    for (int i = 0; i < 100 && rc == 0; i++)
        rc = kt_http_write(x, piece, sizeof piece);
    return rc;
}

static int sends_back(kt_http_exchange *x)
{
    char piece[4096];
    ssize_t n = 0;
    int rc = kt_http_start(x, 200, NULL);
    while (rc == 0 && (n = kt_http_read(x, piece, sizeof piece)) > 0)
        rc = kt_http_write(x, piece, (size_t)n);
    return rc < 0 ? rc : (int)n;
}

static int says_events(kt_http_exchange *x)
{
    int rc = kt_http_events_start(x);
    return rc < 0 ? rc : kt_http_event(x, "tea", "7", "is ready", 8);
}

static int talks(kt_http_exchange *x)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    int rc = kt_websocket_accept(x, NULL, &ws);
    while (rc == 0 && (rc = kt_websocket_read(ws, &m)) > 0)
        rc = kt_slice_is(m.data, "restart") ? kt_websocket_shutdown(ws, 1012, "restart")
                                            : kt_websocket_write(ws, m.kind, m.data.data, m.data.size);
    return 0;
}

static int serves(kt_http_exchange *x, void *arg)
{
    house *h = arg;
    kt_slice path = kt_http_path(x);
    h->served++;
    if (kt_slice_is(path, "/moved")) {
        int rc = kt_http_header(x, "Location", "/hello");
        return rc < 0 ? rc : kt_http_respond(x, 302, NULL, NULL, 0);
    }
    if (kt_slice_is(path, "/never")) {
        int rc = kt_sleep(KT_S(5));
        return rc < 0 ? rc : hello(x, NULL);
    }
    if (kt_slice_is(path, "/busy"))
        return kt_http_respond(x, 503, "text/plain", "busy", 4);
    if (kt_slice_is(path, "/much"))
        return sends_much(x);
    if (kt_slice_is(path, "/back"))
        return sends_back(x);
    if (kt_slice_is(path, "/events"))
        return says_events(x);
    if (kt_slice_is(path, "/talk"))
        return talks(x);
    if (path.size >= 7 && memcmp(path.data, "/number", 7) == 0)
        return says_number(x, h);
    return hello(x, NULL);
}

static void house_open(house *h, kt_http_session_options o)
{
    static const kt_http_options server = {.grace = -1};
    *h = (house){.n = net_open((kt_test_network_options){0}), .jar = o.cookies, .cache = o.cache};
    site_open(&h->s, &server, serves, h);
    h->web = session_for(kt_listener_port(h->s.l), o);
}

static void house_close(house *h)
{
    kt_http_session_close(h->web);
    kt_cookie_jar_free(h->jar);
    kt_http_cache_close(h->cache);
    site_close(&h->s);
    net_cleanup(&h->n);
}

/* Servers notice within seconds that a client is gone. */
static void settle(void)
{
    CHECK_OK(kt_sleep(is_simulated() ? KT_S(10) : 0));
}

/* ---- Requests --------------------------------------------------------------------------------------- */

KT_FN(asks_in_vain, a, struct { kt_http_session *s; const char *path; })
{
    kt_auto(kt_http_response) *r = NULL;
    return kt_http_get(a->s, a->path, &r);
}

static void leave_early(const house *h, const char *path)
{
    kt_auto(kt_http_response) *r = NULL;
    char byte;
    CHECK_OK(kt_http_get(h->web, path, &r));
    CHECK_EQ(kt_http_response_read(r, &byte, 1), 1);
}

static ssize_t gives_body(void *buffer, size_t size, void *arg)
{
    int *left = arg;
    memset(buffer, 'x', size < 1000 ? size : 1000);
    return (*left)-- > 0 ? (ssize_t)(size < 1000 ? size : 1000) : 0;
}

static void ask_all_ways(void *arg)
{
    const house *h = arg;
    int pieces = 3;
    const kt_http_request head = {.url = "/hello", .method = "HEAD"};
    const kt_http_request post = {.url = "/back", .body = "brown fox", .body_size = 9};
    const kt_http_request long_post = {.url = "/hello", .method = "POST", .body_read = gives_body, .body_arg = &pieces};
    CHECK_STR(ask(h->web, "/hello"), "200 hello\n");
    CHECK_STR(ask(h->web, "/moved"), "200 hello\n");
    CHECK_STR(ask(h->web, "/busy"), "503 busy");
    CHECK_STR(ask_with(h->web, &head), "200 ");
    CHECK_STR(ask_with(h->web, &post), "200 brown fox");
    CHECK_STR(ask_with(h->web, &long_post), "200 hello\n");
    CHECK_STR(ask(h->web, "http://user:secret@127.0.0.1:1x/"), "EINVAL");
    leave_early(h, "/hello");
    leave_early(h, "/much");
    settle();
}

static void give_up(void *arg)
{
    const house *h = arg;
    kt_task *t = NULL;
    for (int i = 0; i < 4; i++) {
        CHECK_OK(kt_spawn(KT_WITH(asks_in_vain, .s = h->web, .path = "/never"), &t));
        for (int k = 0; k < 2 * i; k++)
            CHECK_OK(kt_sleep(0));
        kt_task_cancel(t);
        CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    }
    settle();
}

static void check_session(kt_http_session_options o)
{
    house h;
    house_open(&h, o);
    check_no_growth(20, ask_all_ways, &h);
    if (is_simulated())
        check_no_growth(20, give_up, &h);
    house_close(&h);
}

TEST(requests_that_are_over_take_no_memory_of_their_session)
{
    check_session((kt_http_session_options){0});
}

TEST(requests_over_http_2_that_are_over_take_no_memory_of_their_session)
{
    check_session((kt_http_session_options){.version = KT_HTTP_2});
}

static int before(kt_http_attempt *a, void *arg)
{
    (void)arg;
    return kt_http_attempt_header(a, "X-Attempt", a->url);
}

static void after(const kt_http_attempt *a, void *arg)
{
    (void)a;
    (void)arg;
}

TEST(hooks_rates_and_repeats_take_no_memory)
{
    sim_only();
    check_session((kt_http_session_options){.before = before,
                                            .after = after,
                                            .rate_starts = 10,
                                            .rate_period = KT_S(1),
                                            .user = "user",
                                            .password = "secret",
                                            .retries = {.attempts = 2, .budget_percent = 100}});
}

KT_FN(asks_and_reads, a, struct { kt_http_session *s; const char *path; })
{
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    int rc = kt_http_get(a->s, a->path, &r);
    return rc < 0 ? rc : kt_http_response_read_all(r, 1024 * 1024, &body);
}

static void ask_crowd(void *arg)
{
    enum { MANY = 20 };
    const house *h = arg;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < MANY; i++)
        CHECK_OK(kt_group_spawn(&g, KT_WITH(asks_and_reads, .s = h->web, .path = i % 4 ? "/hello" : "/much")));
    CHECK_OK(kt_group_join(&g, 0));
}

TEST(crowds_that_waited_in_line_take_no_memory)
{
    house h;
    house_open(&h, (kt_http_session_options){.connections_per_host_max = 3});
    check_no_growth(5, ask_crowd, &h);
    house_close(&h);
    house_open(&h, (kt_http_session_options){.version = KT_HTTP_2});
    check_no_growth(5, ask_crowd, &h);
    house_close(&h);
}

/* ---- Connections that break --------------------------------------------------------------------------- */

static void ask_parrot(void *arg)
{
    for (int i = 0; i < 8; i++)
        (void)ask(arg, "/");
}

static void check_parrot(const char *const answers[8], kt_http_session_options o)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.l = NULL};
    for (int i = 0; i < 8; i++)
        p.script[i][0] = answers[i];
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, o);
    check_no_growth(10, ask_parrot, s);
    CHECK_GE(p.connections, 8 * 50);
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(connections_that_end_or_break_take_no_memory_of_their_session)
{
    static const char *const answers[8] = {"~" OK(2, "ab"),
                                           "~" OK(5, "ab"),
                                           "!",
                                           "~",
                                           "~HTTP/1.1 200 OK\r\nX: \r\r\n\r\n",
                                           "~HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                                           "~HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab",
                                           "~HTTP/1.1 103 Early\r\n\r\n" OK(0, "")};
    static const char *const frames[8] = {"~", "!", "~HTTP/1.1 200 OK\r\n\r\n", "~zzzzzzzzzzzz", "~", "!", "~", "~"};
    check_parrot(answers, (kt_http_session_options){0});
    check_parrot(frames, (kt_http_session_options){.version = KT_HTTP_2});
}

/* Nobody answers at the discard port of so many addresses. Records are kept of up to 64 servers, then of none. */
static void ask_strangers(void *arg)
{
    static int number;
    char url[80];
    for (int i = 0; i < 32; i++, number++) {
        snprintf(url, sizeof url, "http://me:secret@127.77.%d.%d:9/", number / 250, number % 250 + 1);
        (void)ask(arg, url);
    }
}

TEST(servers_that_are_asked_no_more_take_no_memory_of_the_session)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    kt_http_session *s = session_for(9, (kt_http_session_options){.timeouts = {.connect = KT_S(1)}});
    check_no_growth(10, ask_strangers, s);
    kt_http_session_close(s);
}

/* Each of them is another server to the session, which keeps its connection for a while. */
static void ask_by_proxy(void *arg)
{
    static int number;
    char url[80];
    for (int i = 0; i < 32; i++, number++) {
        snprintf(url, sizeof url, "http://host%d.example/", number);
        CHECK_STR(ask(arg, url), "200 ab");
    }
    CHECK_OK(kt_sleep(KT_S(60)));
}

TEST(servers_behind_a_proxy_take_no_memory_of_the_session)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    char proxy[64];
    kt_http_session *s = NULL;
    parrot p = {.l = NULL};
    for (int i = 0; i < 8; i++)
        p.script[i][0] = OK(2, "ab");
    parrot_open(&p);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", p.port);
    CHECK_OK(kt_http_session_open(&(kt_http_session_options){.proxy = proxy, .connections_max = 10}, &s));
    check_no_growth(10, ask_by_proxy, s);
    kt_http_session_close(s);
    parrot_close(&p);
}

/* ---- Cookies and the cache ------------------------------------------------------------------------------- */

static void ask_numbers(void *arg)
{
    house *h = arg;
    char path[64], vary[16];
    snprintf(vary, sizeof vary, "%d", h->served);
    const char *const headers[] = {"X-Vary", vary, NULL};
    const kt_http_request varied = {.url = "/number", .headers = headers};
    CHECK_STR(ask(h->web, "/number"), "200 number");
    CHECK_STR(ask_with(h->web, &varied), "200 number");
    snprintf(path, sizeof path, "/number/%d", h->served);
    CHECK_STR(ask(h->web, path), "200 number");
    CHECK_STR(ask(h->web, path), "200 number");
    leave_early(h, "/number/x");
}

TEST(a_jar_and_a_cache_hold_no_more_than_they_may)
{
    house h;
    kt_cookie_jar *jar = NULL;
    kt_http_cache *cache = NULL;
    CHECK_OK(kt_cookie_jar_new(&(kt_cookie_jar_options){.cookies_max = 20}, &jar));
    CHECK_OK(kt_http_cache_open(&(kt_http_cache_options){.answers_max = 20}, &cache));
    house_open(&h, (kt_http_session_options){.cookies = jar, .cache = cache});
    check_no_growth(40, ask_numbers, &h);
    house_close(&h);
}

/* ---- Upon sessions ------------------------------------------------------------------------------------- */

static void load_file(void *arg)
{
    const house *h = arg;
    kt_http_download_result got;
    const kt_http_download_options once = {.attempts = 1};
    CHECK_OK(kt_http_download(h->web, "/much", "/tea", &once, &got));
    CHECK_LT(kt_http_download(h->web, "/busy", "/milk", &once, &got), 0);
}

TEST(downloads_that_are_over_take_no_memory)
{
    house h;
    kt_test_disk *disk = kt_test_disk_open(NULL);
    kt_test_disk_use(disk);
    house_open(&h, (kt_http_session_options){0});
    check_no_growth(10, load_file, &h);
    house_close(&h);
    kt_test_disk_close(disk);
}

static void next_event(void *stream)
{
    kt_http_stream_event e;
    CHECK_EQ(kt_http_event_stream_next(stream, &e), 1);
    CHECK_SLICE(e.data, "is ready");
}

TEST(a_stream_of_events_that_connects_again_and_again_does_not_grow)
{
    house h;
    kt_http_event_stream *events = NULL;
    sim_only();
    house_open(&h, (kt_http_session_options){0});
    CHECK_OK(kt_http_event_stream_open(h.web, "/events", NULL, &events));
    check_no_growth(30, next_event, events);
    kt_http_event_stream_close(events);
    house_close(&h);
}

static int says_restart(kt_websocket *ws, void *arg)
{
    kt_websocket_message m;
    int *left = arg;
    if (--*left < 0)
        return 1;
    int rc = kt_websocket_write(ws, KT_WEBSOCKET_TEXT, "tea", 3);
    if (rc == 0)
        rc = kt_websocket_read(ws, &m);
    if (rc > 0)
        rc = kt_websocket_write(ws, KT_WEBSOCKET_TEXT, "restart", 7);
    return rc < 0 ? rc : kt_websocket_read(ws, &m);
}

static int runs_on(void *arg)
{
    const house *h = arg;
    int left = INT_MAX;
    return kt_websocket_run(h->web, "/talk", NULL, says_restart, &left);
}

static void let_it_run(void *arg)
{
    (void)arg;
    CHECK_OK(kt_sleep(KT_S(30)));
}

TEST(a_websocket_that_connects_again_and_again_does_not_grow)
{
    house h;
    kt_task *t = NULL;
    sim_only();
    house_open(&h, (kt_http_session_options){0});
    CHECK_OK(kt_spawn(runs_on, &h, 0, &t));
    check_no_growth(20, let_it_run, NULL);
    CHECK_GE(h.served, 60);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    house_close(&h);
}
