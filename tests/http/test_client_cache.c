/* SPDX-License-Identifier: MIT */
/* A session with a cache: which answers come over the wire, and what is said there. */
#include "client_site.h"

#include <kettle/http_cache.h>
#include <kettle/temp.h>

#include "http/client.h"

static kt_time now;

static kt_time clock_of(void *arg)
{
    (void)arg;
    return now;
}

typedef struct shop {
    net n;
    parrot p;
    kt_http_cache *cache;
    kt_http_session *web;
    char age[16]; /* of the last answer */
} shop;

static void shop_open(shop *h, kt_http_cache_options o)
{
    now = KT_S(1700000000); /* Tue, 14 Nov 2023 22:13:20 GMT */
    o.clock = clock_of;
    h->n = net_open((kt_test_network_options){0});
    parrot_open(&h->p);
    CHECK_OK(kt_http_cache_open(&o, &h->cache));
    h->web = session_for(h->p.port, (kt_http_session_options){.cache = h->cache});
}

static void shop_close(shop *h)
{
    kt_http_session_close(h->web);
    kt_http_cache_close(h->cache);
    parrot_close(&h->p);
    net_cleanup(&h->n);
}

/* "source status body", or an error's name. */
static const char *buy_with(shop *h, const kt_http_request *q)
{
    static const char *const sources[] = {"server", "cache", "confirmed", "stale"};
    static char text[4096];
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    int rc = kt_http_send(h->web, q, &r);
    if (rc == 0)
        rc = kt_http_response_read_all(r, 2048, &body);
    if (rc < 0)
        return kt_error_name(rc);
    kt_slice age = kt_http_response_header(r, "Age");
    snprintf(h->age, sizeof h->age, "%.*s", (int)age.size, age.data ? age.data : "");
    snprintf(text, sizeof text, "%s %d %.*s", sources[kt_http_response_source(r)], kt_http_response_status(r),
             (int)body.size, body.data);
    return text;
}

static const char *buy(shop *h, const char *path)
{
    const kt_http_request q = {.url = path};
    return buy_with(h, &q);
}

static const char *buy_by(shop *h, const char *method, const char *name, const char *value)
{
    const char *const headers[] = {name, value, NULL};
    const kt_http_request q = {.method = method, .url = "/", .headers = headers};
    return buy_with(h, &q);
}

#define FRESH(body) "HTTP/1.1 200 OK\r\nCache-Control: max-age=10\r\nETag: \"e\"\r\nContent-Length: 3\r\n\r\n" body
#define SAME(fields) "HTTP/1.1 304 Same\r\n" fields "\r\n"

TEST(a_fresh_answer_takes_no_wire_and_tells_its_age)
{
    shop h = {.p.script = {{FRESH("tea")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    CHECK_STR(h.age, "");
    now += KT_S(4);
    CHECK_STR(buy(&h, "/#part"), "cache 200 tea");
    CHECK_STR(h.age, "4");
    CHECK_STR(buy_by(&h, "HEAD", NULL, NULL), "cache 200 ");
    CHECK_EQ(h.p.requests, 1);
    shop_close(&h);
}

TEST(a_stale_answer_is_confirmed_by_its_validators_and_fresh_again)
{
    shop h = {.p.script = {{"HTTP/1.1 200 OK\r\nCache-Control: max-age=10\r\nETag: \"e\"\r\nLast-Modified: Tue, 14 Nov "
                            "2023 20:00:00 GMT\r\nX-Way: 1\r\nContent-Length: 3\r\n\r\ntea",
                            SAME("ETag: \"e\"\r\nX-Way: 2\r\nCache-Control: max-age=20\r\n")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    CHECK(!strstr(h.p.heard, "If-"));
    now += KT_S(10);
    kt_auto(kt_http_response) *r = NULL;
    CHECK_OK(kt_http_get(h.web, "/", &r));
    CHECK_EQ(kt_http_response_source(r), KT_HTTP_SOURCE_CONFIRMED);
    CHECK_EQ(kt_http_response_length(r), 3);
    CHECK_SLICE(kt_http_response_header(r, "X-Way"), "2");
    kt_http_response_close(kt_steal(r));
    CHECK(strstr(h.p.heard, "If-None-Match: \"e\"\r\nIf-Modified-Since: Tue, 14 Nov 2023 20:00:00 GMT\r\n"));
    now += KT_S(15);
    CHECK_STR(buy(&h, "/"), "cache 200 tea");
    CHECK_EQ(h.p.requests, 2);
    shop_close(&h);
}

TEST(a_stale_answer_gives_way_to_a_new_one)
{
    shop h = {.p.script = {{FRESH("tea"), FRESH("gin")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    now += KT_S(11);
    CHECK_STR(buy(&h, "/"), "server 200 gin");
    CHECK_STR(buy(&h, "/"), "cache 200 gin");
    shop_close(&h);
}

TEST(a_304_about_another_version_is_asked_again_without_conditions)
{
    shop h = {.p.script = {{FRESH("tea"), SAME("ETag: \"other\"\r\n"), FRESH("gin")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    now += KT_S(11);
    CHECK_STR(buy(&h, "/"), "server 200 gin");
    CHECK_EQ(count_of(h.p.heard, "If-None-Match"), 1);
    CHECK_STR(buy(&h, "/"), "cache 200 gin");
    shop_close(&h);
}

/* A caller that asks with conditions of its own gets the 304. */
TEST(conditions_of_the_caller_are_not_the_caches)
{
    shop h = {.p.script = {{FRESH("tea"), SAME("ETag: \"e\"\r\n")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    CHECK_STR(buy_by(&h, "GET", "If-None-Match", "\"e\""), "server 304 ");
    CHECK_STR(buy(&h, "/"), "cache 200 tea");
    shop_close(&h);
}

/* ---- What is kept, and for whom ------------------------------------------------------------------ */

/* Twice the same request: does the second take the wire? */
static void check_second(const char *fields, kt_http_cache_options o, const char *name, const char *value,
                         const char *second)
{
    char text[2][512];
    snprintf(text[0], sizeof text[0], "HTTP/1.1 200 OK\r\n%sContent-Length: 3\r\n\r\ntea", fields);
    snprintf(text[1], sizeof text[1], "HTTP/1.1 200 OK\r\n%sContent-Length: 3\r\n\r\ngin", fields);
    shop h = {.p.script = {{text[0], text[1]}}};
    shop_open(&h, o);
    CHECK_STR(buy_by(&h, "GET", name, value), "server 200 tea");
    CHECK_STR(buy_by(&h, "GET", name, value), second);
    shop_close(&h);
}

TEST(rules_of_the_answer_and_the_request_decide_what_is_kept)
{
    const kt_http_cache_options alone = {0}, shared = {.shared = true};
    check_second("Cache-Control: max-age=9\r\n", alone, NULL, NULL, "cache 200 tea");
    check_second("Cache-Control: no-store, max-age=9\r\n", alone, NULL, NULL, "server 200 gin");
    check_second("Cache-Control: max-age=9\r\n", alone, "Cache-Control", "no-store", "server 200 gin");
    check_second("Cache-Control: max-age=9\r\n", alone, "Cache-Control", "no-cache", "server 200 gin");
    check_second("Cache-Control: private, max-age=9\r\n", alone, NULL, NULL, "cache 200 tea");
    check_second("Cache-Control: private, max-age=9\r\n", shared, NULL, NULL, "server 200 gin");
    check_second("Cache-Control: max-age=9\r\n", alone, "Authorization", "Bearer x", "cache 200 tea");
    check_second("Cache-Control: max-age=9\r\n", shared, "Authorization", "Bearer x", "server 200 gin");
    check_second("Cache-Control: public, max-age=9\r\n", shared, "Authorization", "Bearer x", "cache 200 tea");
    check_second("Cache-Control: max-age=9\r\nVary: *\r\n", alone, NULL, NULL, "server 200 gin");
    check_second("Cache-Control: max-age=9\r\n", alone, "Range", "bytes=0-2", "server 200 gin");
    check_second("", alone, NULL, NULL, "server 200 gin");
}

TEST(vary_keeps_answers_apart)
{
#define VARIED(body) "HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nVary: X-Cup\r\nContent-Length: 3\r\n\r\n" body
    shop h = {.p.script = {{VARIED("tea"), VARIED("gin")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy_by(&h, "GET", "X-Cup", "blue"), "server 200 tea");
    CHECK_STR(buy_by(&h, "GET", "X-Cup", "red"), "server 200 gin");
    CHECK_STR(buy_by(&h, "GET", "X-Cup", "blue"), "cache 200 tea");
    CHECK_STR(buy_by(&h, "GET", "X-Cup", "red"), "cache 200 gin");
    shop_close(&h);
}

TEST(only_if_cached_never_takes_the_wire)
{
    shop h = {.p.script = {{FRESH("tea")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy_by(&h, "GET", "Cache-Control", "only-if-cached"), "cache 504 ");
    CHECK_EQ(h.p.requests, 0);
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    CHECK_STR(buy_by(&h, "GET", "Cache-Control", "only-if-cached"), "cache 200 tea");
    shop_close(&h);
}

TEST(an_unsafe_method_outdates_what_was_kept_if_it_succeeds)
{
    shop h = {.p.script = {{FRESH("tea"), "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
                            "HTTP/1.1 204 Done\r\n\r\n", FRESH("gin")}}};
    shop_open(&h, (kt_http_cache_options){0});
    const kt_http_request put = {.method = "PUT", .url = "/", .body = "gin", .body_size = 3};
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    CHECK_STR(buy_with(&h, &put), "server 403 ");
    CHECK_STR(buy(&h, "/"), "cache 200 tea");
    CHECK_STR(buy_with(&h, &put), "server 204 ");
    CHECK_STR(buy(&h, "/"), "server 200 gin");
    shop_close(&h);
}

TEST(a_get_with_a_body_has_nothing_to_do_with_the_cache)
{
    shop h = {.p.script = {{FRESH("tea"), FRESH("gin"), FRESH("mud")}}};
    shop_open(&h, (kt_http_cache_options){0});
    const kt_http_request asks = {.method = "GET", .url = "/", .body = "?", .body_size = 1};
    CHECK_STR(buy_with(&h, &asks), "server 200 tea");
    CHECK_STR(buy(&h, "/"), "server 200 gin");
    CHECK_STR(buy_with(&h, &asks), "server 200 mud");
    shop_close(&h);
}

TEST(redirects_are_kept_and_followed_without_the_wire)
{
    shop h = {.p.script = {{"HTTP/1.1 301 Moved\r\nCache-Control: max-age=99\r\nLocation: /new\r\n"
                            "Content-Length: 3\r\n\r\nold", FRESH("tea")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/old"), "server 200 tea");
    CHECK_STR(buy(&h, "/old"), "cache 200 tea");
    CHECK_EQ(h.p.requests, 2);
    shop_close(&h);
}

/* ---- Bodies -------------------------------------------------------------------------------------- */

TEST(a_body_that_was_not_read_to_its_end_is_not_kept)
{
    shop h = {.p.script = {{"HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 6\r\n\r\nteatea"},
                           {FRESH("gin")}}};
    shop_open(&h, (kt_http_cache_options){0});
    kt_http_response *r = NULL;
    char piece[3];
    CHECK_OK(kt_http_get(h.web, "/", &r));
    CHECK_EQ(kt_http_response_read(r, piece, sizeof piece), 3);
    kt_http_response_close(r);
    CHECK(strncmp(buy(&h, "/"), "cache", 5) != 0);
    shop_close(&h);
}

TEST(a_body_that_was_cut_is_not_kept)
{
    shop h = {.p.script = {{"~HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 6\r\n\r\ntea"},
                           {FRESH("gin")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/"), "KT_EINCOMPLETE");
    CHECK_STR(buy(&h, "/"), "server 200 gin");
    shop_close(&h);
}

KT_FN(buys, a, struct { shop *h; })
{
    return strlen(buy(a->h, "/")) > 0 ? 0 : -1;
}

TEST(a_cancelled_body_is_not_kept)
{
    shop h = {.p.script = {{"HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 6\r\n\r\ntea"},
                           {FRESH("gin")}}};
    kt_task *t = NULL;
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_OK(kt_spawn(KT_WITH(buys, .h = &h), &t));
    for (int i = 0; h.p.requests < 1 || i < 20; i++)
        CHECK_OK(kt_sleep(0));
    kt_task_cancel(t);
    (void)!kt_task_join(t);
    CHECK_STR(buy(&h, "/"), "server 200 gin");
    shop_close(&h);
}

/* Who knows the length need not read on to see the end. */
TEST(a_body_of_known_length_is_kept_when_it_is_closed)
{
    shop h = {.p.script = {{FRESH("tea")}}};
    shop_open(&h, (kt_http_cache_options){0});
    kt_http_response *r = NULL;
    char piece[3];
    CHECK_OK(kt_http_get(h.web, "/", &r));
    CHECK_EQ(kt_http_response_read(r, piece, sizeof piece), 3);
    kt_http_response_close(r);
    CHECK_STR(buy(&h, "/"), "cache 200 tea");
    shop_close(&h);
}

TEST(a_body_beyond_the_caches_limit_reaches_its_reader_all_the_same)
{
    static char text[2048];
    int n = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nCache-Control: max-age=9\r\nContent-Length: 1000\r\n\r\n");
    memset(text + n, 'x', 1000);
    shop h = {.p.script = {{text, FRESH("gin")}}};
    shop_open(&h, (kt_http_cache_options){.answer_bytes_max = 500});
    CHECK_EQ(strlen(buy(&h, "/")), strlen("server 200 ") + 1000);
    CHECK_STR(buy(&h, "/"), "server 200 gin");
    shop_close(&h);
}

static int zips(kt_http_exchange *x, void *arg)
{
    static const unsigned char tea[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0x2b, 0x49, 0x4d, 4, 0, 0xb2, 0xd7, 0x86,
                                        0x8e, 3, 0, 0, 0};
    ++*(int *)arg;
    int rc = kt_http_header(x, "Content-Encoding", "gzip");
    if (rc == 0)
        rc = kt_http_header(x, "Cache-Control", "max-age=10");
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain", tea, sizeof tea);
}

TEST(a_compressed_body_is_kept_as_it_was_sent)
{
    int asked = 0;
    shop h = {.p.script = {{NULL}}};
    shop_open(&h, (kt_http_cache_options){0});
    site s;
    char url[64];
    site_open(&s, NULL, zips, &asked);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", kt_listener_port(s.l));
    CHECK_STR(buy(&h, url), "server 200 tea");
    CHECK_STR(buy(&h, url), "cache 200 tea");
    CHECK_EQ(asked, 1);
    kt_http_session_close(kt_steal(h.web));
    site_close(&s);
    shop_close(&h);
}

/* ---- Servers in trouble -------------------------------------------------------------------------- */

TEST(an_old_answer_is_better_than_an_error_where_that_is_allowed)
{
    shop h = {.p.script = {{"HTTP/1.1 200 OK\r\nCache-Control: max-age=1, stale-if-error=60\r\nContent-Length: "
                            "3\r\n\r\ntea", "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "!"},
                           {"!"}, {"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    now += KT_S(30);
    CHECK_STR(buy(&h, "/"), "stale 200 tea");
    CHECK_STR(buy(&h, "/"), "stale 200 tea");
    now += KT_S(60);
    CHECK_STR(buy(&h, "/"), "server 503 ");
    shop_close(&h);
}

/* ---- Confirmed meanwhile ------------------------------------------------------------------------- */

#define LENIENT(body) \
    "HTTP/1.1 200 OK\r\nCache-Control: max-age=10, stale-while-revalidate=5\r\nETag: \"e\"\r\nContent-Length: " \
    "3\r\n\r\n" body

#define MOVED "HTTP/1.1 301 No\r\nCache-Control: no-store\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"

static void await_refreshes(const shop *h)
{
    while (h->web->refreshes)
        CHECK_OK(kt_sleep(0));
}

TEST(an_answer_that_may_be_used_while_it_is_confirmed_is_used_at_once)
{
    const char *const headers[] = {"X-Mine", "yes", NULL};
    const kt_http_request q = {.url = "/", .headers = headers, .bearer = "token"};
    shop h = {.p.script = {{LENIENT("tea"), SAME("Cache-Control: max-age=20\r\n"), FRESH("mat")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy_with(&h, &q), "server 200 tea");
    h.p.size = 0;
    now += KT_S(12);
    CHECK_STR(buy_with(&h, &q), "stale 200 tea");
    CHECK_STR(h.age, "12");
    CHECK_STR(buy_with(&h, &q), "stale 200 tea"); /* by one question for both */
    await_refreshes(&h);
    CHECK_EQ(h.p.requests, 2);
    h.p.heard[h.p.size] = '\0';
    CHECK(strstr(h.p.heard, "If-None-Match: \"e\"\r\n"));
    CHECK(strstr(h.p.heard, "X-Mine: yes\r\n") && strstr(h.p.heard, "Authorization: Bearer token\r\n"));
    now += KT_S(15);
    CHECK_STR(buy_with(&h, &q), "cache 200 tea");
    now += KT_S(10);
    CHECK_STR(buy_with(&h, &q), "server 200 mat"); /* the 304 has allowed nothing of the kind */
    shop_close(&h);
}

TEST(what_the_server_says_instead_is_the_next_answer)
{
    shop h = {.p.script = {{LENIENT("tea"), FRESH("mat")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    now += KT_S(12);
    CHECK_STR(buy_by(&h, "HEAD", NULL, NULL), "stale 200 ");
    await_refreshes(&h);
    CHECK_STR(buy(&h, "/"), "cache 200 mat");
    CHECK_EQ(h.p.requests, 2);
    shop_close(&h);
}

TEST(an_answer_that_cannot_be_confirmed_serves_as_long_as_it_may)
{
    shop h = {.p.script = {{LENIENT("tea"), "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "!"},
                           {"!"}, {FRESH("mat")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    now += KT_S(12);
    for (int i = 0; i < 2; i++) {
        CHECK_STR(buy(&h, "/"), "stale 200 tea");
        await_refreshes(&h);
    }
    now += KT_S(4);
    CHECK_STR(buy(&h, "/"), "server 200 mat");
    shop_close(&h);
}

TEST(a_session_that_is_closed_ends_what_confirms)
{
    for (int i = 0; i < 2; i++) {
        shop h = {.p.script = {{LENIENT("tea"), ""}}};
        shop_open(&h, (kt_http_cache_options){0});
        CHECK_STR(buy(&h, "/"), "server 200 tea");
        now += KT_S(12);
        CHECK_STR(buy(&h, "/"), "stale 200 tea");
        while (i == 1 && h.p.requests < 2) /* else it has not begun */
            CHECK_OK(kt_sleep(0));
        CHECK(h.web->refreshes);
        shop_close(&h);
    }
}

static int buys_too_late(void *arg)
{
    shop *h = arg;
    CHECK_STR(buy(h, "/"), "KT_ECLOSED");
    return 0;
}

TEST_WITH(a_session_that_is_closed_during_a_look_into_its_directory_confirms_nothing, KT_TEST_REAL_TIME)
{
    kt_auto(kt_temp_dir) *dir = NULL;
    kt_task *buyer = NULL;
    CHECK_OK(kt_temp_dir_make(NULL, "cache", &dir));
    shop h = {.p.script = {{LENIENT("tea")}}};
    shop_open(&h, (kt_http_cache_options){.dir = kt_temp_dir_path(dir)});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    kt_http_session_close(h.web);
    kt_http_cache_close(h.cache);
    const kt_http_cache_options o = {.dir = kt_temp_dir_path(dir), .clock = clock_of};
    CHECK_OK(kt_http_cache_open(&o, &h.cache)); /* which has nothing in memory yet */
    h.web = session_for(h.p.port, (kt_http_session_options){.cache = h.cache});
    now += KT_S(12);
    CHECK_OK(kt_spawn(buys_too_late, &h, 0, &buyer));
    CHECK_OK(kt_sleep(0)); /* it looks */
    kt_http_session_close(kt_steal(h.web));
    CHECK_OK(kt_task_join(buyer));
    CHECK_EQ(h.p.requests, 1);
    shop_close(&h);
}

TEST(what_only_the_cache_may_answer_is_not_confirmed)
{
    shop h = {.p.script = {{LENIENT("tea")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    now += KT_S(12);
    CHECK_STR(buy_by(&h, "GET", "Cache-Control", "only-if-cached"), "cache 200 tea");
    CHECK(!h.web->refreshes);
    shop_close(&h);
}

/* Of an answer that is not kept no more is read than its head. */
TEST(an_answer_that_does_not_end_and_is_not_kept_ends_the_confirmation)
{
    shop h = {.p.script = {{LENIENT("tea"), "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 1000000"
                                            "\r\n\r\nno end"}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    now += KT_S(12);
    CHECK_STR(buy(&h, "/"), "stale 200 tea");
    await_refreshes(&h);
    shop_close(&h);
}

static int buys_the_last(void *arg)
{
    (void)buy(arg, "/16"); /* until the session is closed */
    return 0;
}

TEST(beyond_sixteen_confirmations_who_asks_waits_for_the_server)
{
    enum { MANY = 17, EACH = PARROT_REQUESTS - 1 };
    shop h = {.p.connections = 0};
    kt_task *last = NULL;
    char path[MANY][8];
    for (int i = 0; i < MANY; i++)
        h.p.script[i / EACH][i % EACH] = LENIENT("tea");
    h.p.script[MANY / EACH][MANY % EACH] = ""; /* to the first that confirms, whose connection the others wait for */
    shop_open(&h, (kt_http_cache_options){0});
    kt_http_session_close(h.web);
    h.web = session_for(h.p.port,
                        (kt_http_session_options){.cache = h.cache, .connections_per_host_max = 1});
    for (int i = 0; i < MANY; i++) {
        snprintf(path[i], sizeof path[i], "/%d", i);
        CHECK_STR(buy(&h, path[i]), "server 200 tea");
    }
    now += KT_S(12);
    for (int i = 0; i < MANY - 1; i++)
        CHECK_STR(buy(&h, path[i]), "stale 200 tea");
    CHECK_EQ(h.web->refresh_count, 16);
    CHECK_OK(kt_spawn(buys_the_last, &h, 0, &last));
    for (int i = 0; i < 10; i++)
        CHECK_OK(kt_sleep(0));
    CHECK(!kt_task_done(last));
    CHECK_EQ(h.web->refresh_count, 16);
    kt_http_session_close(kt_steal(h.web));
    CHECK_OK(kt_task_join(last));
    shop_close(&h);
}

TEST(who_has_been_sent_on_confirms_by_itself)
{
    shop h = {.p.script = {{MOVED, LENIENT("tea"), MOVED, SAME("")}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    now += KT_S(12);
    CHECK_STR(buy(&h, "/"), "confirmed 200 tea");
    shop_close(&h);
}

TEST(must_revalidate_forbids_an_old_answer)
{
    shop h = {.p.script = {{"HTTP/1.1 200 OK\r\nCache-Control: max-age=1, must-revalidate, stale-if-error=60\r\n"
                            "Content-Length: 3\r\n\r\ntea", "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"}}};
    shop_open(&h, (kt_http_cache_options){0});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    now += KT_S(30);
    CHECK_STR(buy(&h, "/"), "server 503 ");
    shop_close(&h);
}

TEST_WITH(a_directory_outlives_the_session, KT_TEST_REAL_TIME)
{
    kt_auto(kt_temp_dir) *dir = NULL;
    CHECK_OK(kt_temp_dir_make(NULL, "cache", &dir));
    shop h = {.p.script = {{FRESH("tea")}}};
    shop_open(&h, (kt_http_cache_options){.dir = kt_temp_dir_path(dir)});
    CHECK_STR(buy(&h, "/"), "server 200 tea");
    kt_http_cache *again = NULL;
    kt_http_session_close(h.web);
    kt_http_cache_close(h.cache);
    const kt_http_cache_options o = {.dir = kt_temp_dir_path(dir), .clock = clock_of};
    CHECK_OK(kt_http_cache_open(&o, &again));
    h.cache = again;
    h.web = session_for(h.p.port, (kt_http_session_options){.cache = again});
    CHECK_STR(buy(&h, "/"), "cache 200 tea");
    shop_close(&h);
}
