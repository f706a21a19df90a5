/* SPDX-License-Identifier: MIT */
/* The HTTP client. */
#include "http_site.h"

#include <kettle/http_cache.h>
#include <kettle/http_client.h>
#include <kettle/http_download.h>
#include <kettle/http_event_stream.h>
#include <kettle/test_disk.h>

typedef struct client {
    site server;
    kt_http_session *s;
    kt_http_response *r;
    char url[64];
} client;

static void client_open(client *c)
{
    site_open(&c->server);
    snprintf(c->url, sizeof c->url, "http://127.0.0.1:%u/", kt_listener_port(c->server.l));
    sure(kt_http_session_open(NULL, &c->s));
}

static void client_close(client *c)
{
    kt_http_response_close(c->r);
    kt_http_session_close(c->s);
    site_close(&c->server);
}

/* Others are served as ever. */
static void check_next(client *c)
{
    kt_http_response *r = NULL;
    kt_slice body;
    sure(kt_http_get(c->s, c->url, &r));
    sure(kt_http_response_read_all(r, 100, &body));
    CHECK_SLICE(body, "hello\n");
    kt_http_response_close(r);
}

static int opens(void *arg)
{
    client *c = arg;
    static const char *const headers[] = {"X-A", "1", NULL};
    const kt_http_session_options o = {.base_url = "http://a/", .headers = headers};
    return SWEPT(kt_http_session_open, (&o, &c->s));
}

SWEEP(kt_http_session_open, ALLOCATES)
{
    client c = {.s = NULL};
    if (sweep_subject(opens, &c) >= 0)
        kt_http_session_close(c.s);
}

static int closes_session(void *arg)
{
    client *c = arg;
    SWEPT(kt_http_session_close, (kt_steal(c->s)));
    return 0;
}

SWEEP(kt_http_session_close, SUSPENDS | HOLDS | REAL)
{
    client c = {.s = NULL};
    client_open(&c);
    check_next(&c);
    (void)!sweep_subject(closes_session, &c);
    client_close(&c);
}

SWEEP(kt_http_session_facts_get, PLAIN | REAL)
{
    client c = {.s = NULL};
    kt_http_session_facts f;
    client_open(&c);
    check_next(&c);
    SWEPT(kt_http_session_facts_get, (c.s, &f));
    CHECK_EQ(f.opened, 1);
    client_close(&c);
}

static int sends(void *arg)
{
    client *c = arg;
    const kt_http_request q = {.url = c->url, .body = "x", .body_size = 1};
    return SWEPT(kt_http_send, (c->s, &q, &c->r));
}

SWEEP(kt_http_send, SUSPENDS | ALLOCATES | SPARES | WINS | REAL)
{
    client c = {.s = NULL};
    client_open(&c);
    sweep_begin(sends, &c);
    if (sweep_end() >= 0)
        CHECK_EQ(kt_http_response_status(c.r), 200);
    kt_http_response_close(kt_steal(c.r));
    check_next(&c);
    client_close(&c);
}

/* What the cache has is fresh, or has to be confirmed. */
static void fill(kt_http_cache *cache, const char *at, const char *control)
{
    kt_auto(kt_url) url = KT_URL_INIT;
    kt_http_cache_store *store = NULL;
    sure(kt_url_parse(at, NULL, &url));
    const kt_http_cache_request q = {.method = "GET", .url = &url};
    const kt_http_field fields[] = {{kt_slice_from("Cache-Control"), kt_slice_from(control)},
                                    {kt_slice_from("ETag"), kt_slice_from("\"e\"")}};
    const kt_http_cache_answer a = {.status = 200, .fields = fields, .field_count = 2};
    CHECK_EQ(kt_http_cache_store_begin(cache, &q, &a, &store), 1);
    sure(kt_http_cache_store_append(store, "hello\n", 6));
    sure(kt_http_cache_store_commit(store));
}

static int asks(void *arg)
{
    client *c = arg;
    return SWEPT(kt_http_get, (c->s, c->url, &c->r));
}

SWEEP(kt_http_get, SUSPENDS | ALLOCATES | SPARES | WINS | REAL)
{
    client c = {.s = NULL};
    client_open(&c);
    check_next(&c);
    sweep_begin(asks, &c);
    (void)!sweep_end();
    kt_http_response_close(kt_steal(c.r));
    check_next(&c);
    client_close(&c);
}

static void sweep_cached(const char *control)
{
    client c = {.s = NULL};
    client_open(&c);
    check_next(&c);
    kt_http_cache *cache = NULL;
    kt_http_session *plain = c.s;
    sure(kt_http_cache_open(NULL, &cache));
    fill(cache, c.url, control);
    const kt_http_session_options o = {.cache = cache};
    sure(kt_http_session_open(&o, &c.s));
    sweep_begin(asks, &c);
    (void)!sweep_end();
    kt_http_response_close(kt_steal(c.r));
    check_next(&c);
    kt_http_session_close(c.s);
    c.s = plain;
    kt_http_cache_close(cache);
    client_close(&c);
}

SWEEP_AS(kt_http_get, fresh_in_a_cache, ALLOCATES | REAL)
{
    sweep_cached("max-age=100");
}

SWEEP_AS(kt_http_get, stale_in_a_cache, SUSPENDS | ALLOCATES | SPARES | WINS | REAL)
{
    sweep_cached("max-age=0");
}

/* ---- Hooks ------------------------------------------------------------------------------------------ */

static int sets_header(void *arg)
{
    return SWEPT(kt_http_attempt_header, (arg, "X-A", "1"));
}

static int sets_before(kt_http_attempt *a, void *arg)
{
    (void)arg;
    return sweep_subject(sets_header, a);
}

SWEEP(kt_http_attempt_header, ALLOCATES | REAL)
{
    client c = {.s = NULL};
    client_open(&c);
    kt_http_session *hooked = NULL;
    const kt_http_session_options o = {.before = sets_before};
    sure(kt_http_session_open(&o, &hooked));
    if (kt_http_get(hooked, c.url, &c.r) == 0)
        kt_http_response_close(kt_steal(c.r));
    kt_http_session_close(hooked);
    client_close(&c);
}

/* ---- Downloads -------------------------------------------------------------------------------------- */

typedef struct download {
    client c;
    kt_test_disk *disk;
} download;

static int downloads(void *arg)
{
    download *d = arg;
    const kt_http_download_options once = {.attempts = 1};
    return SWEPT(kt_http_download, (d->c.s, d->c.url, "/tea", &once, NULL));
}

/* Whole or not there, and no part, since it could not be resumed. */
SWEEP(kt_http_download, SUSPENDS | ALLOCATES | SPARES | WINS | REAL)
{
    download d = {.disk = kt_test_disk_open(NULL)};
    kt_auto(kt_buffer) found = KT_BUFFER_INIT;
    kt_auto(kt_buffer) names = KT_BUFFER_INIT;
    kt_test_disk_use(d.disk);
    client_open(&d.c);
    check_next(&d.c);
    sweep_begin(downloads, &d);
    int rc = sweep_end();
    kt_test_fail_allocation(0);
    if (rc == 0)
        sure(kt_test_disk_get(d.disk, "/tea", &found));
    if (found.size > 0)
        CHECK_SLICE(kt_buffer_slice(&found), "hello\n");
    sure(kt_test_disk_list(d.disk, &names));
    CHECK(names.size == 0 || !memmem(names.data, names.size, ".part", 5));
    check_next(&d.c);
    client_close(&d.c);
    kt_test_disk_close(d.disk);
}

/* ---- Events ----------------------------------------------------------------------------------------- */

static int opens_stream(void *arg)
{
    client *c = arg;
    static const char *const headers[] = {"X-A", "1", NULL};
    const kt_http_event_stream_options o = {.headers = headers, .last_event_id = "7"};
    kt_http_event_stream *es = NULL;
    int rc = SWEPT(kt_http_event_stream_open, (c->s, "http://a/", &o, &es));
    kt_http_event_stream_close(es);
    return rc;
}

SWEEP(kt_http_event_stream_open, ALLOCATES)
{
    client c = {.s = NULL};
    sure(kt_http_session_open(NULL, &c.s));
    (void)!sweep_subject(opens_stream, &c);
    kt_http_session_close(c.s);
}

typedef struct radio {
    kt_listener *l;
    kt_task *task;
    kt_http_session *web;
    kt_http_event_stream *es;
} radio;

static int says_event(kt_http_exchange *x, void *arg)
{
    (void)arg;
    int rc = kt_http_events_start(x);
    if (rc == 0)
        rc = kt_http_event(x, "a", "7", "tea", 3);
    return rc < 0 ? rc : kt_sleep(KT_S(1));
}

static int plays(void *arg)
{
    radio *r = arg;
    return kt_http_serve(r->l, NULL, says_event, NULL);
}

static void radio_open(radio *r)
{
    char url[64];
    const kt_http_event_stream_options o = {.attempts = 1};
    sweep_listen(&r->l);
    r->task = spawn(plays, r, 0);
    sure(kt_http_session_open(NULL, &r->web));
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", kt_listener_port(r->l));
    sure(kt_http_event_stream_open(r->web, url, &o, &r->es));
}

static void radio_close(radio *r)
{
    kt_http_event_stream_close(r->es);
    kt_http_session_close(r->web);
    kt_task_cancel(r->task);
    CHECK_ERR(kt_task_join(r->task), KT_ECANCELED);
    kt_listener_close(r->l);
}

static int hears(void *arg)
{
    radio *r = arg;
    kt_http_stream_event e;
    int rc = SWEPT(kt_http_event_stream_next, (r->es, &e));
    if (rc > 0)
        CHECK_SLICE(e.data, "tea");
    return rc;
}

SWEEP(kt_http_event_stream_next, SUSPENDS | ALLOCATES | SPARES | REAL)
{
    radio r = {.es = NULL};
    kt_http_stream_event e;
    radio_open(&r);
    sweep_begin(hears, &r);
    if (sweep_end() <= 0) { /* and it can be had still */
        CHECK_EQ(kt_http_event_stream_next(r.es, &e), 1);
        CHECK_SLICE(e.data, "tea");
    }
    radio_close(&r);
}

static int closes_stream(void *arg)
{
    radio *r = arg;
    SWEPT(kt_http_event_stream_close, (kt_steal(r->es)));
    return 0;
}

SWEEP(kt_http_event_stream_close, PLAIN | REAL)
{
    radio r = {.es = NULL};
    kt_http_stream_event e;
    radio_open(&r);
    CHECK_EQ(kt_http_event_stream_next(r.es, &e), 1);
    (void)!sweep_subject(closes_stream, &r);
    radio_close(&r);
}

/* ---- Responses -------------------------------------------------------------------------------------- */

static void client_ask(client *c)
{
    client_open(c);
    sure(kt_http_get(c->s, c->url, &c->r));
}

#define SWEEP_FACT(f, check) \
    SWEEP(f, PLAIN | REAL) \
    { \
        client c = {.s = NULL}; \
        client_ask(&c); \
        check; \
        client_close(&c); \
    }

SWEEP_FACT(kt_http_response_status, CHECK_EQ(SWEPT(kt_http_response_status, (c.r)), 200))
SWEEP_FACT(kt_http_response_reason, CHECK_SLICE(SWEPT(kt_http_response_reason, (c.r)), "OK"))
SWEEP_FACT(kt_http_response_header, CHECK_SLICE(SWEPT(kt_http_response_header, (c.r, "content-length")), "6"))
SWEEP_FACT(kt_http_response_url, CHECK_STR(SWEPT(kt_http_response_url, (c.r)), c.url))
SWEEP_FACT(kt_http_response_redirects, CHECK_EQ(SWEPT(kt_http_response_redirects, (c.r)), 0))
SWEEP_FACT(kt_http_response_version, CHECK_EQ(SWEPT(kt_http_response_version, (c.r)), 11))
SWEEP_FACT(kt_http_response_source, CHECK_EQ(SWEPT(kt_http_response_source, (c.r)), KT_HTTP_SOURCE_SERVER))
SWEEP_FACT(kt_http_response_length, CHECK_EQ(SWEPT(kt_http_response_length, (c.r)), 6))
SWEEP_FACT(kt_http_response_trailer, CHECK(!SWEPT(kt_http_response_trailer, (c.r, "X")).data))

SWEEP(kt_http_response_header_at, PLAIN | REAL)
{
    client c = {.s = NULL};
    kt_slice name, value;
    client_ask(&c);
    CHECK(SWEPT(kt_http_response_header_at, (c.r, 0, &name, &value)));
    CHECK(!SWEPT(kt_http_response_header_at, (c.r, 100, &name, &value)));
    client_close(&c);
}

/* A peer that says the beginning of an answer at once, and the rest when the subject waits for it. */
typedef struct slow {
    bool upgrades;
    kt_listener *l;
    kt_stream *peer;
    kt_http_session *s;
    kt_http_response *r;
} slow;

static int begins(void *arg)
{
    slow *w = arg;
    const char *head = w->upgrades ? "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
                                   : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    char heard[1024];
    sure(kt_listener_accept(w->l, &w->peer));
    CHECK_GT(kt_stream_read(w->peer, heard, sizeof heard), 0);
    return kt_stream_write(w->peer, head, strlen(head));
}

static void slow_open(slow *w)
{
    char url[64];
    sweep_listen(&w->l);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", kt_listener_port(w->l));
    kt_task *t = spawn(begins, w, 0);
    sure(kt_http_session_open(NULL, &w->s));
    const kt_http_request q = {.url = url, .upgrade = w->upgrades ? "x" : NULL};
    sure(kt_http_send(w->s, &q, &w->r));
    sure(kt_task_join(t));
}

static void slow_ends(slow *w)
{
    static const char rest[] = "3\r\nfox\r\n0\r\nX: y\r\n\r\n";
    sure(kt_stream_write(w->peer, rest, sizeof rest - 1));
}

static void slow_close(slow *w)
{
    kt_http_response_close(w->r);
    kt_http_session_close(w->s);
    kt_stream_close(w->peer);
    kt_listener_close(w->l);
}

SWEEP(kt_http_response_stream, PLAIN | REAL)
{
    slow w = {.upgrades = true};
    kt_stream *s = NULL;
    slow_open(&w);
    sure(SWEPT(kt_http_response_stream, (w.r, &s)));
    sure(kt_stream_write(s, "x", 1));
    slow_close(&w);
}

static int reads(void *arg)
{
    slow *w = arg;
    char piece[100];
    ssize_t n = SWEPT(kt_http_response_read, (w->r, piece, sizeof piece));
    if (n > 0)
        CHECK_MEM(piece, "fox", (size_t)n);
    return (int)n;
}

SWEEP(kt_http_response_read, SUSPENDS | ALLOCATES | SPARES | WINS | LASTING | REAL)
{
    slow w = {.l = NULL};
    slow_open(&w);
    sweep_begin(reads, &w);
    turns(4);
    slow_ends(&w);
    (void)!sweep_end();
    slow_close(&w);
}

static int reads_all(void *arg)
{
    slow *w = arg;
    kt_slice body;
    int rc = SWEPT(kt_http_response_read_all, (w->r, 100, &body));
    if (rc == 0)
        CHECK_SLICE(body, "fox");
    return rc;
}

SWEEP(kt_http_response_read_all, SUSPENDS | ALLOCATES | SPARES | WINS | LASTING | REAL)
{
    slow w = {.l = NULL};
    slow_open(&w);
    sweep_begin(reads_all, &w);
    turns(4);
    slow_ends(&w);
    (void)!sweep_end();
    slow_close(&w);
}

static int closes(void *arg)
{
    client *c = arg;
    SWEPT(kt_http_response_close, (kt_steal(c->r)));
    return 0;
}

SWEEP(kt_http_response_close, ALLOCATES | SPARES | REAL)
{
    client c = {.s = NULL};
    client_ask(&c);
    (void)!sweep_subject(closes, &c);
    check_next(&c);
    client_close(&c);
}
