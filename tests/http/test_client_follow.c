/* SPDX-License-Identifier: MIT */
/* Where a request leads to: redirects, repeats, hooks, rates, guarded addresses. */
#include "client_site.h"

/* ---- Redirects ------------------------------------------------------------------------------------ */

#define MOVED(status, to) "HTTP/1.1 " #status " Moved\r\nLocation: " to "\r\nContent-Length: 4\r\n\r\ngone"

/* What the server heard: the request lines, joined. */
static const char *lines_of(const parrot *p)
{
    static char text[1024];
    size_t size = 0;
    text[0] = '\0';
    for (const char *at = p->heard; *at;) {
        size_t n = strcspn(at, "\r");
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%.*s", size ? "; " : "", (int)(n - 9), at);
        at = strstr(at, "\r\n\r\n") + 4;
    }
    return text;
}

typedef struct trail {
    net n;
    parrot p;
    kt_http_session *s;
} trail;

static void trail_open(trail *t, kt_http_session_options o)
{
    t->n = net_open((kt_test_network_options){0});
    parrot_open(&t->p);
    t->s = session_for(t->p.port, o);
}

static void trail_close(trail *t)
{
    kt_http_session_close(t->s);
    parrot_close(&t->p);
    net_cleanup(&t->n);
}

static void check_follows(const char *answer, kt_http_request q, const char *result, const char *lines)
{
    trail t = {.p.script = {{answer, OK(3, "fox")}, {OK(3, "fox")}}};
    trail_open(&t, (kt_http_session_options){0});
    q.url = "/a/b?c";
    CHECK_STR(ask_with(t.s, &q), result);
    CHECK_STR(lines_of(&t.p), lines);
    trail_close(&t);
}

TEST(redirects_follow_the_rules_for_methods)
{
    kt_http_request get = {0}, post = {.body = "x", .body_size = 1}, put = {.body = "x", .body_size = 1,
        .method = "PUT"};
    kt_http_request head = {.method = "HEAD"}, never = {.no_redirects = true};
    check_follows(MOVED(301, "d"), get, "200 fox", "GET /a/b?c; GET /a/d");
    check_follows(MOVED(302, "/d"), get, "200 fox", "GET /a/b?c; GET /d");
    check_follows(MOVED(301, "?e"), post, "200 fox", "POST /a/b?c; GET /a/b?e");
    check_follows(MOVED(302, "d"), put, "200 fox", "PUT /a/b?c; PUT /a/d");
    check_follows(MOVED(303, "d"), put, "200 fox", "PUT /a/b?c; GET /a/d");
    check_follows(MOVED(307, "d"), post, "200 fox", "POST /a/b?c; POST /a/d");
    check_follows(MOVED(308, "d#f"), post, "200 fox", "POST /a/b?c; POST /a/d");
    check_follows(MOVED(300, "d"), get, "300 gone", "GET /a/b?c");
    check_follows(MOVED(302, "d"), never, "302 gone", "GET /a/b?c");
    check_follows("HTTP/1.1 302 Nowhere\r\nContent-Length: 0\r\n\r\n", get, "302 ", "GET /a/b?c");
    check_follows(MOVED(302, "http://[oops"), get, "KT_EPROTOCOL", "GET /a/b?c");
    check_follows(MOVED(302, "file:///etc/passwd"), get, "EPROTONOSUPPORT", "GET /a/b?c");
    check_follows("HTTP/1.1 303 See\r\nLocation: d\r\nContent-Length: 4\r\n\r\n", head, "200 ",
                  "HEAD /a/b?c; HEAD /a/d");
}

static ssize_t gives_once(void *buffer, size_t size, void *arg)
{
    int *left = arg;
    (void)size;
    if (*left == 0)
        return 0;
    memcpy(buffer, "x", 1);
    return (*left)--;
}

static int again(void *arg)
{
    *(int *)arg = 1;
    return 0;
}

TEST(a_body_is_sent_again_only_if_it_can_be)
{
    int left = 1;
    kt_http_request q = {.method = "PUT", .body_read = gives_once, .body_arg = &left, .body_size = 1,
                         .body_size_known = true};
    check_follows(MOVED(307, "d"), q, "307 gone", "PUT /a/b?c");
    left = 1;
    check_follows(MOVED(303, "d"), q, "200 fox", "PUT /a/b?c; GET /a/d");
    left = 1;
    q.body_rewind = again;
    check_follows(MOVED(307, "d"), q, "200 fox", "PUT /a/b?c; PUT /a/d");
}

TEST(a_circle_of_redirects_is_named)
{
    trail t = {.p.script = {{MOVED(302, "/b"), MOVED(302, "/a")}}};
    trail_open(&t, (kt_http_session_options){0});
    CHECK_STR(ask(t.s, "/a"), "ELOOP");
    char words[100];
    snprintf(words, sizeof words, "redirects go in a circle, by way of http://127.0.0.1:%u/a", t.p.port);
    CHECK_STR(kt_error_detail(), words);
    trail_close(&t);
}

TEST(redirects_have_a_number)
{
    trail t = {.p.script = {{MOVED(302, "/1"), MOVED(302, "/2"), MOVED(302, "/3"), OK(2, "ab"), MOVED(302, "/4"),
                             MOVED(302, "/5"), MOVED(302, "/6"), MOVED(302, "/7")}}};
    trail_open(&t, (kt_http_session_options){.redirects_max = 3});
    kt_http_response *r = NULL;
    CHECK_OK(kt_http_get(t.s, "/0", &r));
    CHECK_EQ(kt_http_response_redirects(r), 3);
    char url[100];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/3", t.p.port);
    CHECK_STR(kt_http_response_url(r), url);
    kt_http_response_close(r);
    CHECK_EQ(t.p.connections, 1); /* bodies of redirects are skipped */
    CHECK_STR(ask(t.s, "/0"), "KT_ELIMIT");
    trail_close(&t);
}

TEST(secrets_do_not_follow_to_another_origin)
{
    static const char *const headers[] = {"Authorization", "Bearer abc", "Cookie", "a=b", "X-A", "1", NULL};
    char location[200];
    parrot far = {.script = {{OK(2, "cd")}}};
    trail t = {.p.script = {{MOVED(302, "/here")}}};
    trail_open(&t, (kt_http_session_options){0});
    parrot_open(&far);
    snprintf(location, sizeof location,
             "HTTP/1.1 302 Away\r\nLocation: http://127.0.0.1:%u/\r\nContent-Length: 0\r\n\r\n",
             far.port);
    t.p.script[0][1] = location;
    kt_http_request q = {.url = "/", .headers = headers};
    CHECK_STR(ask_with(t.s, &q), "200 cd");
    CHECK_EQ(count_of(t.p.heard, "Bearer abc"), 2);
    CHECK_EQ(count_of(t.p.heard, "a=b"), 2);
    CHECK(!strstr(far.heard, "Bearer") && !strstr(far.heard, "Cookie"));
    CHECK(strstr(far.heard, "X-A: 1"));
    parrot_close(&far);
    trail_close(&t);
}

/* ---- Repeats -------------------------------------------------------------------------------------- */

#define BUSY(status, more) "HTTP/1.1 " #status " Busy\r\n" more "Content-Length: 4\r\n\r\nbusy"

TEST(what_passes_is_tried_again_after_waits_that_grow)
{
    sim_only();
    trail t = {.p.script = {{BUSY(503, ""), "!"}, {BUSY(429, ""), OK(2, "ab")}}};
    trail_open(&t, (kt_http_session_options){.retries = {.attempts = 4, .first_wait = KT_S(8)}});
    kt_time start = kt_now();
    CHECK_STR(ask(t.s, "/"), "200 ab");
    CHECK_GT(kt_now() - start, 0);
    CHECK_LE(kt_now() - start, KT_S(8 + 16 + 30));
    CHECK_EQ(t.p.requests, 4);
    CHECK_EQ(facts_of(t.s).retries, 2); /* the reset one was a stale connection */
    trail_close(&t);
}

TEST(who_is_not_idempotent_or_not_allowed_is_not_repeated)
{
    trail t = {.p.script = {{BUSY(503, ""), BUSY(500, ""), BUSY(503, "")}}};
    trail_open(&t, (kt_http_session_options){.retries = {.attempts = 4}});
    kt_http_request q = {.url = "/", .body = "x", .body_size = 1};
    CHECK_STR(ask_with(t.s, &q), "503 busy");
    CHECK_STR(ask(t.s, "/"), "500 busy");
    kt_http_session_close(t.s);
    t.p.script[1][0] = BUSY(503, "");
    t.s = session_for(t.p.port, (kt_http_session_options){0});
    CHECK_STR(ask(t.s, "/"), "503 busy");
    CHECK_EQ(t.p.requests, 3);
    trail_close(&t);
}

TEST(the_server_says_when_to_come_back)
{
    sim_only();
    trail t = {.p.script = {{BUSY(503, "Retry-After: 7\r\n"),
                             BUSY(429, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
                             OK(2, "ab"), BUSY(503, "Retry-After: 61\r\n")}}};
    trail_open(&t, (kt_http_session_options){.retries = {.attempts = 4}});
    kt_time start = kt_now();
    CHECK_STR(ask(t.s, "/"), "200 ab");
    CHECK_EQ(kt_now() - start, KT_S(7));
    CHECK_STR(ask(t.s, "/"), "503 busy"); /* that is more patience than we have */
    CHECK_EQ(t.p.requests, 4);
    trail_close(&t);
}

TEST(repeats_have_a_budget)
{
    sim_only();
    trail t = {0};
    for (int c = 0; c < PARROT_CONNECTIONS; c++)
        for (int i = 0; i < PARROT_REQUESTS; i++)
            t.p.script[c][i] = BUSY(503, "Retry-After: 0\r\n");
    trail_open(&t, (kt_http_session_options){.retries = {.attempts = 3, .budget_first = 4, .budget_percent = 25}});
    for (int i = 0; i < 6; i++)
        CHECK_STR(ask(t.s, "/"), "503 busy");
    CHECK_EQ(t.p.requests, 6 + 5); /* four at first, and one that the others have earned */
    trail_close(&t);
}

TEST(a_connection_that_is_refused_is_tried_again)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    kt_http_session *s = session_for(9, (kt_http_session_options){.retries = {.attempts = 3}});
    CHECK_STR(ask(s, "/"), "ECONNREFUSED");
    CHECK_EQ(facts_of(s).retries, 2);
    kt_http_session_close(s);
}

/* ---- Hooks ---------------------------------------------------------------------------------------- */

static int says_before(kt_http_attempt *a, void *arg)
{
    kt_test_say("%s %u %s", a->method, a->number, strrchr(a->url, '/'));
    if (strstr(a->url, "refuse"))
        return -EPERM;
    CHECK_ERR(kt_http_attempt_header(a, "Content-Length", "7"), -EINVAL);
    return kt_http_attempt_header(a, "User-Agent", arg);
}

static void says_after(const kt_http_attempt *a, void *arg)
{
    (void)arg;
    kt_test_say("%d %d %s", a->status, a->reused, a->rc ? kt_error_name(a->rc) : "success");
}

TEST(hooks_see_each_attempt)
{
    trail t = {.p.script = {{MOVED(302, "/b"), OK(2, "ab")}, {"!"}}};
    trail_open(&t, (kt_http_session_options){.before = says_before, .after = says_after, .hook_arg = "hooked"});
    CHECK_STR(ask(t.s, "/a"), "200 ab");
    CHECK_STR(ask(t.s, "/refuse"), "EPERM");
    CHECK_EQ(count_of(t.p.heard, "User-Agent: hooked\r\n"), 2);
    CHECK_EQ(count_of(t.p.heard, "User-Agent"), 2);
    CHECK_TRACE("GET 1 /a\n302 0 success\nGET 2 /b\n200 1 success\nGET 1 /refuse\n0 0 EPERM");
    trail_close(&t);
}

/* ---- Rates ---------------------------------------------------------------------------------------- */

TEST(a_host_is_asked_no_more_often_than_allowed)
{
    sim_only();
    trail t = {0};
    for (int i = 0; i < 6; i++)
        t.p.script[0][i] = OK(2, "ab");
    trail_open(&t, (kt_http_session_options){.rate_starts = 2, .rate_period = KT_S(10)});
    kt_time start = kt_now();
    for (int i = 0; i < 5; i++)
        CHECK_STR(ask(t.s, "/"), "200 ab");
    CHECK_EQ(kt_now() - start, KT_S(20));
    kt_http_request q = {.url = "/", .timeouts.total = KT_S(1)};
    CHECK_STR(ask_with(t.s, &q), "200 ab");
    CHECK_STR(ask_with(t.s, &q), "ETIMEDOUT");
    trail_close(&t);
}

/* ---- Guarded addresses ------------------------------------------------------------------------------ */

static void check_guarded(kt_http_session *s, const char *url)
{
    kt_http_response *r = NULL;
    int rc = kt_http_get(s, url, &r);
    if (rc != KT_EGUARD)
        kt_test_fail("%s: %s (%s)", url, kt_error_name(rc), kt_error_detail());
}

TEST(a_guarded_session_connects_to_public_addresses_only)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{MOVED(302, "http://rebound.example/")}}};
    kt_listener *l = NULL;
    kt_http_session *s = NULL;
    kt_test_network_name(n.n, "inner.example", "10.0.0.1");
    kt_test_network_name(n.n, "rebound.example", "192.168.0.1");
    kt_test_network_name(n.n, "outer.example", "93.184.216.34");
    CHECK_OK(kt_listen("93.184.216.34", 80, NULL, &l));
    p.l = l;
    CHECK_OK(kt_spawn(KT_WITH(parrot__serves, .p = &p), &p.task));
    CHECK_OK(kt_http_session_open(&(kt_http_session_options){.guard = true}, &s));
    check_guarded(s, "http://127.0.0.1/");
    check_guarded(s, "http://[::1]/");
    check_guarded(s, "http://[::ffff:127.0.0.1]/");
    check_guarded(s, "http://0x7f.1/");
    check_guarded(s, "http://169.254.169.254/latest/meta-data/");
    check_guarded(s, "http://inner.example/");
    check_guarded(s, "http://outer.example/"); /* by way of its redirect */
    CHECK_EQ(p.requests, 1);
    kt_http_session_close(s);
    parrot_close(&p);
}
