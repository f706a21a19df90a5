/* SPDX-License-Identifier: MIT */
/* Server-Sent Events by lot: a source with a history, and clients that come again, over networks that lose connections,
 * and servers that come and go. Whatever becomes of them, each client hears each event once and in order, as long as
 * the history holds what it has not heard, and comes back after each loss.
 *
 * KETTLE_TEST_SEEDS says how many worlds there are. */
#include "post.h"
#include "websocket_chaos.h"

#include <kettle/http_event_stream.h>
#include <kettle/http_events.h>

enum { SEEDS = 300, CLIENTS_MAX = 5, EVENTS_MAX = 300, HEAD = 7 };

#define LIMIT KT_S(3600)

typedef struct event {
    uint64_t seed;
    size_t size;
    unsigned type;
    unsigned lines; /* how they end: none; LF; CR; CR LF */
} event;

typedef struct world {
    uint64_t random;
    bool h2, kind, over, forgets; /* the last: so that who is slow misses some */
    size_t bytes_max, count, born; /* events; the first that the present source has sent */
    kt_time pause_max;
    unsigned limits_in;
    post p;
    kt_http_session *web;
    kt_http_event_source_options o;
    kt_http_event_source *source;
    event events[EVENTS_MAX];
    size_t served; /* connections */
} world;

static const char *const types[] = {NULL, "tick", "\xF0\x9F\x8D\xB5"};

/* ---- Events -------------------------------------------------------------------------------------- */

/* Its number, and text that belongs to it, whose lines end as the server says them, or as the client hears them. */
static size_t put_event(char *bytes, const event *e, size_t number, bool is_heard)
{
    static const char *const ends[] = {"", "\n", "\r", "\r\n"};
    static char text[BYTES_MAX];
    char head[HEAD + 1];
    uint64_t random = e->seed;
    snprintf(head, sizeof head, "e%06zu", number);
    memcpy(bytes, head, HEAD);
    put_text(text, e->size, e->seed);
    size_t n = HEAD;
    for (size_t at = 0; at < e->size; at++) {
        bytes[n++] = text[at];
        if (text[at] != 'a' || e->lines == 0 || !one_in(&random, 3))
            continue;
        const char *end = is_heard ? "\n" : ends[e->lines];
        memcpy(bytes + n, end, strlen(end));
        n += strlen(end);
    }
    return n;
}

static size_t number_of(const kt_http_stream_event *heard_one)
{
    char head[HEAD + 1] = "";
    CHECK_GE(heard_one->data.size, HEAD);
    memcpy(head, heard_one->data.data, HEAD);
    CHECK_EQ(head[0], 'e');
    return strtoul(head + 1, NULL, 10);
}

/* Whole and unaltered. */
static size_t check_event(const world *w, const kt_http_stream_event *heard_one)
{
    static char expected[3 * BYTES_MAX];
    size_t number = number_of(heard_one);
    CHECK_LT(number, w->count);
    const event *e = &w->events[number];
    size_t size = put_event(expected, e, number, true);
    CHECK_EQ(heard_one->data.size, size);
    CHECK(memcmp(heard_one->data.data, expected, size) == 0);
    CHECK(kt_slice_is(heard_one->type, types[e->type] ? types[e->type] : "message"));
    CHECK_GT(heard_one->id.size, 0);
    return number;
}

/* ---- The server ---------------------------------------------------------------------------------- */

static int serves(kt_http_exchange *x, void *arg)
{
    world *w = arg;
    w->served++;
    if (!w->kind && !w->over && one_in(&w->random, 8))
        return kt_http_respond(x, 503, "text/plain", "busy", 4);
    if (w->over || !one_in(&w->random, 4))
        return kt_http_event_source_serve(w->source, x);
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT; /* it breaks off */
    kt_timeout_start(&limit, some_time(&w->random, KT_MS(500)));
    return kt_timeout_end(&limit, kt_http_event_source_serve(w->source, x));
}

static int say_one(world *w)
{
    static char bytes[3 * BYTES_MAX];
    size_t number = w->count++;
    event *e = &w->events[number];
    *e = (event){draw(&w->random), some_bytes(&w->random, w->bytes_max), (unsigned)below(&w->random, 3),
                 (unsigned)below(&w->random, 4)};
    size_t size = put_event(bytes, e, number, false);
    return kt_http_event_source_send(w->source, types[e->type], bytes, size);
}

KT_FN(says, a, struct { world *w; })
{
    world *w = a->w;
    int rc = 0;
    for (size_t left = below(&w->random, EVENTS_MAX); left > 0 && rc == 0; left--) {
        rc = rests(&w->random, w->pause_max);
        if (rc == 0)
            rc = say_one(w);
    }
    return rc;
}

/* ---- Clients ------------------------------------------------------------------------------------- */

static int next(world *w, kt_http_event_stream *es, kt_http_stream_event *ret_event)
{
    for (;;) {
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        bool is_limited = !w->over && one_in(&w->random, w->limits_in);
        kt_timeout_start(&limit, is_limited ? some_time(&w->random, KT_MS(200)) : KT_FOREVER);
        int rc = kt_http_event_stream_next(es, ret_event);
        bool fired = rc == KT_ETIMEDOUT && kt_timeout_expired(&limit);
        (void)!kt_timeout_end(&limit, 0);
        if (!fired)
            return rc;
    }
}

/* Hears all to the last, in order. A client that has read on with a new stream knows where the old one was. */
KT_FN(listens, a, struct { world *w; size_t *heard; })
{
    world *w = a->w;
    char url[64], last[64] = "";
    kt_http_event_stream *es = NULL;
    kt_http_stream_event one;
    snprintf(url, sizeof url, "http://" SERVERS ":%u/", w->p.port);
    kt_http_event_stream_options o = {
        .first_wait = KT_MS(100), .wait_max = KT_S(1), .idle = KT_S(2), .timeouts = {.first_byte = KT_S(5)}};
    int rc = 0;
    while (rc >= 0) {
        if (es && !w->over && one_in(&w->random, 20))
            kt_http_event_stream_close(kt_steal(es));
        o.last_event_id = *last ? last : NULL;
        if (!es)
            CHECK_OK(kt_http_event_stream_open(w->web, url, &o, &es));
        rc = w->over ? 0 : rests(&w->random, w->pause_max);
        if (rc < 0 || (rc = next(w, es, &one)) <= 0)
            break;
        size_t number = check_event(w, &one);
        CHECK(w->forgets ? number >= *a->heard : number == *a->heard);
        *a->heard = number + 1;
        snprintf(last, sizeof last, "%.*s", (int)one.id.size, one.id.data);
    }
    kt_http_event_stream_close(es);
    return rc;
}

/* ---- Worlds -------------------------------------------------------------------------------------- */

static int lives(world *w)
{
    kt_auto(kt_group) clients = KT_GROUP_INIT, others = KT_GROUP_INIT, sources = KT_GROUP_INIT;
    size_t heard_by[CLIENTS_MAX] = {0}, count = 1 + below(&w->random, CLIENTS_MAX);
    int rc = kt_group_spawn(&others, KT_WITH(troubles, .p = &w->p, .random = &w->random));
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = kt_group_spawn(&clients, KT_WITH(listens, .w = w, .heard = &heard_by[i]));
    if (rc == 0)
        rc = kt_group_spawn(&sources, KT_WITH(says, .w = w));
    CHECK_OK(kt_group_join(&sources, rc));
    kt_group_cancel(&others);
    (void)!kt_group_join(&others, 0);
    w->over = true;
    CHECK_OK(kt_sleep(KT_S(60)));
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(heard_by[i], w->count);
    kt_group_cancel(&clients);
    CHECK_ERR(kt_group_join(&clients, 0), 0);
    return 0;
}

static void draw_world(world *w)
{
    uint64_t *r = &w->random;
    w->h2 = one_in(r, 2);
    w->kind = !one_in(r, 3);
    w->p.comes_and_goes = one_in(r, 3);
    w->p.loses = !w->kind;
    w->p.away = KT_S(4);
    w->pause_max = (kt_time)ONE_OF(r, KT_US(100), KT_MS(5), KT_MS(100));
    w->limits_in = (unsigned)ONE_OF(r, 0, 2, 10);
    w->forgets = one_in(r, 3);
    w->o = (kt_http_event_source_options){
        .history_max = w->forgets ? 1 + (uint32_t)below(r, 20) : EVENTS_MAX,
        .history_bytes_max = (size_t)1 << 30, .replay_new = true, .close_slow = one_in(r, 2),
        .heartbeat = (kt_time)ONE_OF(r, KT_MS(300), KT_S(1)), .retry = (kt_time)ONE_OF(r, 0, KT_MS(1), KT_MS(700))};
    w->p.o = (kt_http_options){.grace = KT_S(1)};
}

static void draw_network(world *w)
{
    uint64_t *r = &w->random;
    kt_test_network_options o = some_network(r);
    o.segment_max = ONE_OF(r, 10, 100, 1460, 1460, 16384);
    o.window = ONE_OF(r, 1000, 5000, 65536, 131072);
    bool narrow = o.segment_max < 1000 || o.window < 5000;
    w->bytes_max = narrow ? 300 : ONE_OF(r, 200, 5000, 20000);
    post_network(&w->p, &o);
}

static int world_of(uint64_t seed, void *unused)
{
    static world w;
    (void)unused;
    w = (world){.random = seed, .p.s = {.handler = serves, .arg = &w}};
    draw_world(&w);
    draw_network(&w);
    const kt_http_session_options session = {.version = w.h2 ? KT_HTTP_2 : KT_HTTP_1};
    CHECK_OK(kt_http_event_source_new(&w.o, &w.source));
    CHECK_OK(kt_http_session_open(&session, &w.web));
    post_open(&w.p);
    CHECK_OK(lives(&w));
    kt_http_session_close(w.web);
    site_close(&w.p.s);
    CHECK_EQ(kt_http_event_source_clients(w.source), 0);
    kt_http_event_source_free(w.source);
    kt_test_network_close(w.p.n);
    return 0;
}

TEST_WITH(events_are_heard_once_and_in_order_whatever_becomes_of_connections, KT_TEST_NO_LOOP)
{
    each_world(worlds(SEEDS), world_of, NULL);
}
