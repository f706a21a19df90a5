/* SPDX-License-Identifier: MIT */
/* What fails for want of memory, or is given up at whatever moment, leaves nothing in what goes on: a server, a
 * session, a hub, a cache. In the simulated network. */
#include "client_site.h"

#include "../growth.h"

#include <kettle/cookies.h>
#include <kettle/http_cache.h>
#include <kettle/http_event_stream.h>
#include <kettle/http_events.h>
#include <kettle/websocket_hub.h>

/* More than any of the exchanges below makes of allocations, or of steps. */
enum { POINTS = 100 };

typedef struct house {
    net n;
    site s;
    kt_websocket_hub *hub;
    kt_http_event_source *source;
    kt_cookie_jar *jar;
    kt_http_cache *cache;
    kt_http_session *web;
    int served, members;
} house;

static int joins_hub(kt_http_exchange *x, kt_websocket_hub *hub, bool kept)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    int rc = kt_websocket_accept(x, NULL, &ws);
    if (rc == 0)
        rc = kt_websocket_hub_subscribe(hub, ws, "news");
    if (rc == 0 && kept)
        rc = kt_websocket_hub_keep(hub, &ws);
    while (rc == 0 && ws && (rc = kt_websocket_read(ws, &m)) > 0)
        rc = kt_websocket_hub_publish(hub, "news", m.kind, m.data.data, m.data.size) < 0;
    return rc < 0 ? rc : 0;
}

static int says_back(kt_http_exchange *x, house *h)
{
    kt_slice body;
    char text[32];
    snprintf(text, sizeof text, "c%d=1", h->served++);
    int rc = kt_http_read_all(x, 100000, &body);
    if (rc == 0)
        rc = kt_http_header(x, "Set-Cookie", text);
    if (rc == 0)
        rc = kt_http_header(x, "Cache-Control", "max-age=60");
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain", body.data, body.size);
}

static int admits(kt_http_exchange *x)
{
    if (kt_http_request_header(x, "Authorization").data)
        return kt_http_respond(x, 200, "text/plain", "in", 2);
    int rc = kt_http_header(x, "WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"");
    return rc < 0 ? rc : kt_http_respond(x, 401, "text/plain", "no", 2);
}

static int serves(kt_http_exchange *x, void *arg)
{
    house *h = arg;
    kt_slice path = kt_http_path(x);
    if (kt_slice_is(path, "/kept"))
        return joins_hub(x, h->hub, true);
    if (kt_slice_is(path, "/joined"))
        return joins_hub(x, h->hub, false);
    if (kt_slice_is(path, "/news"))
        return kt_http_event_source_serve(h->source, x);
    if (kt_slice_is(path, "/members"))
        return admits(x);
    return says_back(x, h);
}

/* Those who wait for somebody without memory do so for seconds at most. */
static void house_open(house *h, kt_http_protocol version)
{
    static const kt_http_options server = {.grace = -1, .idle_timeout = KT_S(1000), .body_timeout = KT_S(4)};
    *h = (house){.n = net_open((kt_test_network_options){0})};
    CHECK_OK(kt_websocket_hub_new(NULL, &h->hub));
    const kt_http_event_source_options source = {.history_max = 10, .replay_new = true};
    CHECK_OK(kt_http_event_source_new(&source, &h->source));
    CHECK_OK(kt_cookie_jar_new(&(kt_cookie_jar_options){.cookies_max = 10}, &h->jar));
    CHECK_OK(kt_http_cache_open(&(kt_http_cache_options){.answers_max = 10}, &h->cache));
    site_open(&h->s, &server, serves, h);
    h->web = session_for(kt_listener_port(h->s.l), (kt_http_session_options){.version = version,
                                                                             .cookies = h->jar,
                                                                             .cache = h->cache,
                                                                             .idle_timeout = KT_S(1000),
                                                                             .timeouts = {.total = KT_S(3)}});
}

static void house_close(house *h)
{
    kt_http_session_close(h->web);
    site_close(&h->s);
    kt_http_cache_close(h->cache);
    kt_cookie_jar_free(h->jar);
    kt_http_event_source_free(h->source);
    kt_websocket_hub_free(h->hub);
    net_cleanup(&h->n);
}

/* ---- What is done, well or not ------------------------------------------------------------------------ */

static int asks(void *arg)
{
    const house *h = arg;
    char path[32];
    kt_slice body;
    kt_auto(kt_http_response) *r = NULL;
    snprintf(path, sizeof path, "/%d", h->served);
    const kt_http_request q = {.url = path, .body = "brown fox", .body_size = h->served % 2 ? 9 : 0};
    int rc = kt_http_send(h->web, &q, &r);
    return rc < 0 ? rc : kt_http_response_read_all(r, 100000, &body);
}

static ssize_t gives_pieces(void *buffer, size_t size, void *arg)
{
    int *left = arg;
    memset(buffer, 'a', size < 1000 ? size : 1000);
    return (*left)-- > 0 ? (ssize_t)(size < 1000 ? size : 1000) : 0;
}

static int asks_both_ways(void *arg)
{
    const house *h = arg;
    kt_slice body;
    kt_auto(kt_http_response) *r = NULL;
    int pieces = 5;
    const kt_http_request q = {.url = "/", .body_read = gives_pieces, .body_arg = &pieces, .duplex = true};
    int rc = kt_http_send(h->web, &q, &r);
    rc = rc < 0 ? rc : kt_http_response_read_all(r, 100000, &body);
    kt_http_response_close(kt_steal(r)); /* before what the body comes from is gone */
    return rc;
}

/* Each time another, so that a server's users are forgotten, too. 500: it was the server that lacked memory. */
static int asks_as_member(void *arg)
{
    house *h = arg;
    char user[32];
    kt_auto(kt_http_response) *r = NULL;
    snprintf(user, sizeof user, "member %d", h->members++);
    const kt_http_request q = {.url = "/members", .user = user, .password = "secret"};
    int rc = kt_http_send(h->web, &q, &r);
    if (rc == 0 && kt_http_response_status(r) == 500)
        return -ENOMEM;
    if (rc == 0)
        CHECK_EQ(kt_http_response_status(r), 200);
    return rc;
}

static int chats(const house *h, const char *path)
{
    static const char much[500] = "to be or not to be";
    const kt_websocket_options o = {.close_timeout = KT_S(1), .ping_interval = KT_S(1), .ping_timeout = KT_S(1)};
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    int rc = kt_websocket_connect(h->web, path, &o, &ws);
    if (rc == 0)
        rc = kt_websocket_write(ws, KT_WEBSOCKET_BINARY, much, sizeof much);
    if (rc == 0 && kt_websocket_hub_publish(h->hub, "news", KT_WEBSOCKET_BINARY, much, sizeof much) > 0)
        rc = kt_websocket_read(ws, &m);
    return rc < 0 ? rc : kt_websocket_shutdown(ws, 1000, NULL);
}

static int chats_with_hub(void *arg)
{
    return chats(arg, "/kept");
}

static int chats_with_task(void *arg)
{
    return chats(arg, "/joined");
}

static int hears_news(void *arg)
{
    const house *h = arg;
    const kt_http_event_stream_options o = {.attempts = 1, .timeouts = {.total = KT_S(2)}};
    kt_auto(kt_http_event_stream) *es = NULL;
    kt_http_stream_event e;
    int rc = kt_http_event_stream_open(h->web, "/news", &o, &es);
    if (rc == 0)
        rc = kt_http_event_source_send(h->source, "tea", "is ready", 8);
    return rc < 0 ? rc : kt_http_event_stream_next(es, &e);
}

/* ---- Without memory ------------------------------------------------------------------------------------ */

typedef struct deed {
    house *h;
    kt_fn fn;
    int well;
} deed;

static void do_without_memory(void *arg)
{
    deed *d = arg;
    for (unsigned n = 1; n <= POINTS; n++) {
        kt_test_fail_allocation(n);
        d->well += d->fn(d->h) >= 0;
        kt_test_fail_allocation(0);
    }
    CHECK_OK(kt_sleep(KT_S(20)));
}

static void check_without_memory(kt_http_protocol version, kt_fn fn)
{
    house h;
    sim_only();
    house_open(&h, version);
    deed d = {.h = &h, .fn = fn};
    check_no_growth_at_all(4, do_without_memory, &d);
    CHECK_GT(d.well, 0);
    CHECK_OK(fn(&h));
    house_close(&h);
}

TEST(requests_without_memory_leave_nothing_in_session_and_server)
{
    check_without_memory(KT_HTTP_1, asks);
}

TEST(requests_over_http_2_without_memory_leave_nothing_in_session_and_server)
{
    check_without_memory(KT_HTTP_2, asks);
}

TEST(credentials_without_memory_leave_nothing_in_their_session)
{
    check_without_memory(KT_HTTP_1, asks_as_member);
    check_without_memory(KT_HTTP_2, asks_as_member);
}

TEST(websockets_without_memory_leave_nothing_in_their_hub)
{
    check_without_memory(KT_HTTP_1, chats_with_hub);
}

TEST(websockets_in_tasks_without_memory_leave_nothing_in_their_hub)
{
    check_without_memory(KT_HTTP_1, chats_with_task);
    check_without_memory(KT_HTTP_2, chats_with_task);
}

TEST(talk_both_ways_without_memory_leaves_nothing_in_its_session)
{
    check_without_memory(KT_HTTP_1, asks_both_ways);
    check_without_memory(KT_HTTP_2, asks_both_ways);
}

TEST(events_without_memory_leave_nothing_in_their_source)
{
    check_without_memory(KT_HTTP_1, hears_news);
}

TEST(events_over_http_2_without_memory_leave_nothing_in_their_source)
{
    check_without_memory(KT_HTTP_2, hears_news);
}

/* ---- Given up ------------------------------------------------------------------------------------------- */

static void do_and_give_up(void *arg)
{
    deed *d = arg;
    for (int n = 0; n < POINTS; n++) {
        kt_task *t = NULL;
        CHECK_OK(kt_spawn(d->fn, d->h, 0, &t));
        for (int i = 0; i < n; i++)
            CHECK_OK(kt_sleep(i < 30 ? 0 : KT_MS(1)));
        kt_task_cancel(t);
        d->well += kt_task_join(t) >= 0;
    }
    CHECK_OK(kt_sleep(KT_S(20)));
}

static void check_given_up(kt_http_protocol version, kt_fn fn)
{
    house h;
    sim_only();
    house_open(&h, version);
    deed d = {.h = &h, .fn = fn};
    check_no_growth_at_all(4, do_and_give_up, &d);
    CHECK_GT(d.well, 0);
    CHECK_OK(fn(&h));
    house_close(&h);
}

TEST(requests_that_are_given_up_leave_nothing_in_session_and_server)
{
    check_given_up(KT_HTTP_1, asks);
}

TEST(requests_over_http_2_that_are_given_up_leave_nothing_in_session_and_server)
{
    check_given_up(KT_HTTP_2, asks);
}

TEST(credentials_that_are_given_up_leave_nothing_in_their_session)
{
    check_given_up(KT_HTTP_1, asks_as_member);
    check_given_up(KT_HTTP_2, asks_as_member);
}

TEST(websockets_that_are_given_up_leave_nothing_in_their_hub)
{
    check_given_up(KT_HTTP_1, chats_with_hub);
}

TEST(websockets_in_tasks_that_are_given_up_leave_nothing_in_their_hub)
{
    check_given_up(KT_HTTP_1, chats_with_task);
    check_given_up(KT_HTTP_2, chats_with_task);
}

TEST(talk_both_ways_that_is_given_up_leaves_nothing_in_its_session)
{
    check_given_up(KT_HTTP_1, asks_both_ways);
    check_given_up(KT_HTTP_2, asks_both_ways);
}

TEST(events_that_nobody_wants_any_more_leave_nothing_in_their_source)
{
    check_given_up(KT_HTTP_1, hears_news);
    check_given_up(KT_HTTP_2, hears_news);
}
