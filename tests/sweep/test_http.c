/* SPDX-License-Identifier: MIT */
/* The server, what a handler asks about its request, and the client. */
#include "http_site.h"

/* ---- Serving --------------------------------------------------------------------------------- */

typedef struct house {
    kt_listener *l;
    uint16_t port;
    int begun, ended, whole;
} house;

static int takes_turns(kt_http_exchange *x, void *arg)
{
    house *h = arg;
    h->begun++;
    int rc = 0;
    for (int i = 0; i < 4 && rc == 0; i++)
        rc = kt_sleep(0);
    h->ended++;
    return rc < 0 ? rc : kt_http_respond(x, 200, NULL, "hello\n", 6);
}

static int serves(void *arg)
{
    house *h = arg;
    int rc = SWEPT(kt_http_serve, (h->l, NULL, takes_turns, h));
    CHECK_EQ(h->begun, h->ended);
    return rc == KT_ECLOSED ? 0 : rc;
}

/* Is served, dropped, or, when the listener is closed, refused. */
static int visits(void *arg)
{
    house *h = arg;
    for (int i = 0; i < 3; i++) {
        site heard_of = {0};
        kt_auto(kt_stream) *c = NULL;
        if (kt_stream_connect("127.0.0.1", h->port, &c) < 0)
            break;
        if (kt_stream_write(c, HTTP_GET, strlen(HTTP_GET)) == 0)
            hear(&heard_of, c);
        h->whole += heard(&heard_of, "\r\n\r\nhello\n");
    }
    kt_listener_close(kt_steal(h->l));
    return 0;
}

/* Who cannot be let in for want of memory is dropped, and the next one is served. */
SWEEP(kt_http_serve, SUSPENDS | ALLOCATES | SPARES | REAL_TIME)
{
    house h = {0};
    site other = {0};
    sweep_listen(&h.l);
    h.port = kt_listener_port(h.l);
    site_open(&other);
    kt_stream *neighbour = dial(&other);
    sweep_begin(serves, &h);
    kt_task *visitor = spawn(visits, &h, 0);
    if (sweep_end() >= 0)
        CHECK(sweep_calm() ? h.whole == 3 : h.whole >= 2 || sweep_struck());
    kt_listener_close(kt_steal(h.l));
    sure(kt_task_join(visitor));
    check_served(neighbour);
    kt_stream_close(neighbour);
    site_close(&other);
}

/* ---- The request ----------------------------------------------------------------------------- */

/* An entry whose subject calls f(x) once and looks at what it gives. */
#define SWEEP_QUESTION(f, expected) \
    static int asks_##f(void *arg) \
    { \
        const site *s = arg; \
        CHECK_SLICE(SWEPT(f, (s->x)), expected); \
        return 0; \
    } \
    SWEEP(f, PLAIN | REAL) \
    { \
        site s = {.act = asks_##f}; \
        visit(&s, HTTP_REQUEST("GET /subject?a=%62", ""), NULL); \
    }

static int asks_version(void *arg)
{
    const site *s = arg;
    CHECK_STR(SWEPT(kt_http_version, (s->x)), "HTTP/1.1");
    return 0;
}

SWEEP(kt_http_version, PLAIN | REAL)
{
    site s = {.act = asks_version};
    visit(&s, HTTP_GET, NULL);
}

static int asks_scheme(void *arg)
{
    const site *s = arg;
    CHECK_STR(SWEPT(kt_http_scheme, (s->x)), "http");
    return 0;
}

SWEEP(kt_http_scheme, PLAIN | REAL)
{
    site s = {.act = asks_scheme};
    visit(&s, HTTP_GET, NULL);
}

static int moves_deadline(void *arg)
{
    const site *s = arg;
    SWEPT(kt_http_deadline_set, (s->x, KT_FOREVER));
    return 0;
}

SWEEP(kt_http_deadline_set, PLAIN | REAL)
{
    site s = {.act = moves_deadline};
    visit(&s, HTTP_GET, NULL);
}

static int outlives(void *arg)
{
    const site *s = arg;
    SWEPT(kt_http_outlive_client, (s->x));
    return 0;
}

SWEEP(kt_http_outlive_client, PLAIN | REAL)
{
    site s = {.act = outlives};
    visit(&s, HTTP_GET, NULL);
}

SWEEP_QUESTION(kt_http_method, "GET")
SWEEP_QUESTION(kt_http_target, "/subject?a=%62")
SWEEP_QUESTION(kt_http_path, "/subject")
SWEEP_QUESTION(kt_http_query_raw, "a=%62")
SWEEP_QUESTION(kt_http_host, "a")

static int asks_method(void *arg)
{
    const site *s = arg;
    CHECK(SWEPT(kt_http_method_is, (s->x, "GET")));
    return 0;
}

SWEEP(kt_http_method_is, PLAIN | REAL)
{
    site s = {.act = asks_method};
    visit(&s, HTTP_GET, NULL);
}

static int asks_header(void *arg)
{
    const site *s = arg;
    CHECK_SLICE(SWEPT(kt_http_request_header, (s->x, "connection")), "close");
    return 0;
}

SWEEP(kt_http_request_header, PLAIN | REAL)
{
    site s = {.act = asks_header};
    visit(&s, HTTP_GET, NULL);
}

static int asks_headers(void *arg)
{
    const site *s = arg;
    kt_slice name, value;
    CHECK(SWEPT(kt_http_request_header_at, (s->x, 1, &name, &value)));
    CHECK_SLICE(name, "Connection");
    CHECK(!SWEPT(kt_http_request_header_at, (s->x, 2, &name, &value)));
    return 0;
}

SWEEP(kt_http_request_header_at, PLAIN | REAL)
{
    site s = {.act = asks_headers};
    visit(&s, HTTP_GET, NULL);
}

static int asks_peer(void *arg)
{
    const site *s = arg;
    const char *peer = SWEPT(kt_http_peer, (s->x));
    if (strcmp(peer, "?") == 0 && !sweep_refused())
        return -ENOMEM;
    CHECK(sweep_refused() || strncmp(peer, "127.0.0.1:", 10) == 0);
    return 0;
}

SWEEP(kt_http_peer, ALLOCATES | REAL)
{
    site s = {.act = asks_peer};
    visit(&s, HTTP_GET, NULL);
}

static int asks_presence(void *arg)
{
    const site *s = arg;
    CHECK(!SWEPT(kt_http_client_closed, (s->x)));
    return 0;
}

SWEEP(kt_http_client_closed, PLAIN | REAL)
{
    site s = {.act = asks_presence};
    visit(&s, HTTP_GET, NULL);
}

static int asks_for_the_end(void *arg)
{
    const site *s = arg;
    CHECK(!SWEPT(kt_http_stopping, (s->x)));
    return 0;
}

SWEEP(kt_http_stopping, PLAIN | REAL)
{
    site s = {.act = asks_for_the_end};
    visit(&s, HTTP_GET, NULL);
}

/* Both need memory beyond what every exchange has. */
static int takes_memory(void *arg)
{
    const site *s = arg;
    char *bytes = SWEPT(kt_http_alloc, (s->x, 5000));
    if (!bytes)
        return -ENOMEM;
    memset(bytes, 'x', 5000);
    return 0;
}

SWEEP(kt_http_alloc, ALLOCATES | REAL)
{
    site s = {.act = takes_memory};
    visit(&s, HTTP_GET, NULL);
}

static int asks_query(void *arg)
{
    const site *s = arg;
    kt_slice value = {NULL, 0};
    int rc = SWEPT(kt_http_query, (s->x, "name", &value));
    CHECK_SLICE(value, rc < 0 ? "" : "a b");
    return rc;
}

SWEEP(kt_http_query, ALLOCATES | REAL)
{
    site s = {.act = asks_query};
    char request[4096];
    snprintf(request, sizeof request, HTTP_REQUEST("GET /subject?x=%02000d&name=a%%20b", ""), 0);
    visit(&s, request, NULL);
}

/* ---- Its body -------------------------------------------------------------------------------- */

static int reads(void *arg)
{
    const site *s = arg;
    char bytes[8] = "";
    ssize_t n = SWEPT(kt_http_read, (s->x, bytes, sizeof bytes - 1));
    CHECK_STR(bytes, n < 0 ? "" : "tea");
    return (int)n;
}

/* What a cancelled read did not take is still to be read. */
static int reads_rest(void *arg)
{
    const site *s = arg;
    kt_slice body;
    sure(kt_http_read_all(s->x, 100, &body));
    CHECK_SLICE(body, s->rc < 0 ? "tea" : "");
    return 0;
}

/* A client that is there still would wait for an answer. */
SWEEP(kt_http_read, SUSPENDS | REAL | UNREFUSED)
{
    site s = {.act = reads, .after = reads_rest};
    visit(&s, HTTP_REQUEST("POST /subject", "Content-Length: 3\r\n"), "tea");
}

SWEEP_AS(kt_http_read, chunked, SUSPENDS | REAL | UNREFUSED)
{
    site s = {.act = reads, .after = reads_rest};
    visit(&s, HTTP_REQUEST("POST /subject", "Transfer-Encoding: chunked\r\n"), "3\r\ntea\r\n0\r\n\r\n");
}

/* The client is told to go on, once. */
SWEEP_AS(kt_http_read, expected, SUSPENDS | REAL | UNREFUSED)
{
    site s = {.act = reads, .after = reads_rest, .busy = true};
    visit(&s, HTTP_REQUEST("POST /subject", "Content-Length: 3\r\nExpect: 100-continue\r\n"), "tea");
    CHECK(heard_once(&s, "HTTP/1.1 100 Continue\r\n"));
}

static int reads_all(void *arg)
{
    const site *s = arg;
    kt_slice body = {NULL, 0};
    int rc = SWEPT(kt_http_read_all, (s->x, 100, &body));
    CHECK_SLICE(body, rc < 0 ? "" : "teapot");
    return rc;
}

/* After a cancellation another read_all gives the whole. */
static int reads_all_again(void *arg)
{
    const site *s = arg;
    kt_slice body;
    if (s->rc >= 0)
        return 0;
    sure(kt_http_read_all(s->x, 100, &body));
    CHECK_SLICE(body, "teapot");
    return 0;
}

SWEEP(kt_http_read_all, SUSPENDS | ALLOCATES | REAL | UNREFUSED)
{
    site s = {.act = reads_all, .after = reads_all_again};
    visit(&s, HTTP_REQUEST("POST /subject", "Transfer-Encoding: chunked\r\n") "3\r\ntea\r\n",
          "3\r\npot\r\n0\r\n\r\n");
}

SWEEP_AS(kt_http_read_all, sized, SUSPENDS | ALLOCATES | REAL | UNREFUSED)
{
    site s = {.act = reads_all, .after = reads_all_again};
    visit(&s, HTTP_REQUEST("POST /subject", "Content-Length: 6\r\n") "tea", "pot");
}

/* ---- The client ------------------------------------------------------------------------------ */

static int mirrors(void *arg)
{
    const site *s = arg;
    kt_slice body;
    int rc = kt_http_read_all(s->x, 2 * MUCH, &body);
    return rc < 0 ? rc : kt_http_respond(s->x, 200, "text/plain", body.data, body.size);
}

static int serves_mirror(kt_http_exchange *x, void *arg)
{
    ((site *)arg)->x = x;
    return mirrors(arg);
}

static int mirror_serves(void *arg)
{
    const site *s = arg;
    return kt_http_serve(s->l, NULL, serves_mirror, arg);
}

static void mirror_open(site *s)
{
    sweep_listen(&s->l);
    s->task = spawn(mirror_serves, s, 0);
    turns(2);
}

static int fetches(void *arg)
{
    const site *s = arg;
    static char much[MUCH];
    kt_http_call call = {.host = "127.0.0.1", .port = kt_listener_port(s->l), .body = much};
    call.body_size = sizeof much - 1;
    memset(much, 'x', sizeof much - 1);
    kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
    int rc = SWEPT(kt_http_fetch, (&call, &reply));
    CHECK_EQ(reply.status, rc < 0 ? 0 : 200);
    CHECK_EQ(reply.body.size, rc < 0 ? 0 : sizeof much - 1);
    return rc;
}

static void check_fetched(const site *s, kt_http_reply *reply)
{
    const kt_http_call call = {.host = "127.0.0.1", .port = kt_listener_port(s->l), .body = "tea", .body_size = 3};
    sure(kt_http_fetch(&call, reply));
    CHECK_EQ(reply->status, 200);
    CHECK_SLICE(reply->body, "tea");
}

/* After a write that failed it looks for an answer that came before; a server that is there still has none, and
 * virtual time stands still. */
SWEEP(kt_http_fetch, SUSPENDS | ALLOCATES | SPARES | WINS | REAL | UNREFUSED)
{
    site s = {0};
    kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
    mirror_open(&s);
    sweep_begin(fetches, &s);
    (void)sweep_end();
    check_fetched(&s, &reply);
    site_close(&s);
}

SWEEP(kt_http_reply_header, PLAIN | REAL)
{
    site s = {0};
    kt_auto(kt_http_reply) reply = KT_HTTP_REPLY_INIT;
    mirror_open(&s);
    check_fetched(&s, &reply);
    CHECK_SLICE(SWEPT(kt_http_reply_header, (&reply, "content-length")), "3");
    site_close(&s);
}

SWEEP(kt_http_reply_release, PLAIN | REAL)
{
    site s = {0};
    kt_http_reply reply = KT_HTTP_REPLY_INIT;
    mirror_open(&s);
    check_fetched(&s, &reply);
    SWEPT(kt_http_reply_release, (&reply));
    CHECK(!reply.parts && !reply.body.data);
    site_close(&s);
}

SWEEP(kt_http_reason, PLAIN | NO_LOOP)
{
    CHECK_STR(SWEPT(kt_http_reason, (404)), "Not Found");
}
