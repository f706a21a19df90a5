/* SPDX-License-Identifier: MIT */
/* The client among servers that do all that the protocols allow, whenever it suits them least: whatever it is, every
 * request ends, is acted upon once at most unless it may be repeated, and gets its own answer, whole, or an error.
 *
 * KETTLE_TEST_SEEDS says how many worlds there are. */
#include "chaos_h1.h"
#include "chaos_h2.h"

#include "../tls/certificates.h"

enum { SEEDS = 200, SEEDS_TLS = 30, CUSTOMERS_MAX = 40, ASKS_EACH = 5 };

#define LIMIT KT_S(1200)

/* ---- Requests ---------------------------------------------------------------------------------- */

enum { READ_ALL, READ_SLOWLY, READ_SOME, READ_NONE };

/* What a customer wants of one request. */
typedef struct wish {
    world *w;
    unsigned number;
    kt_http_request q;
    char text[16], url[URL_BYTES]; /* its number, and the server's */
    const char *headers[3];
    size_t body_size, body_at;
    bool begun, fails;        /* the body is asked for; and is not to be had */
    int reading;
    kt_time limit;            /* of the caller's patience, or 0 */
    bool once;                /* its body cannot be had again */
} wish;

static ssize_t gives(void *buffer, size_t size, void *arg)
{
    wish *a = arg;
    size_t left = a->body_size - a->body_at, n = left < size ? left : size;
    a->begun = true;
    int rc = rests(a->w);
    if (rc < 0)
        return rc;
    if (a->fails && one_in(a->w, 3))
        return -EDOM;
    if (n > 0 && one_in(a->w, 2))
        n = 1 + below(a->w, n);
    fill(buffer, n, a->number, a->body_at);
    a->body_at += n;
    return (ssize_t)n;
}

static int begins_again(void *arg)
{
    wish *a = arg;
    a->body_at = 0;
    return 0;
}

static void plan_body(wish *a)
{
    world *w = a->w;
    char *bytes = NULL;
    a->body_size = some_bytes(w, w->request_max);
    w->deeds[a->number].body_size = a->body_size;
    a->q.expect_continue = one_in(w, 4);
    a->q.duplex = one_in(w, 4);
    if (one_in(w, 2)) {
        bytes = kt_alloc(a->body_size + 1);
        CHECK(bytes);
        fill(bytes, a->body_size, a->number, 0);
        a->q.body = bytes;
        a->q.body_size = a->body_size;
        return;
    }
    a->q.body_read = gives;
    a->q.body_arg = a;
    a->q.body_size_known = one_in(w, 2);
    a->q.body_size = a->q.body_size_known ? a->body_size : 0;
    a->once = one_in(w, 4);
    a->q.body_rewind = a->once ? NULL : begins_again;
    a->fails = one_in(w, 20);
}

static void plan(wish *a, world *w)
{
    static const char *const methods[] = {"GET", "POST", "GET", "POST", "PUT", "HEAD"};
    *a = (wish){.w = w, .number = w->asked++};
    deed *d = &w->deeds[a->number];
    snprintf(a->text, sizeof a->text, "%u", a->number);
    a->headers[0] = "X-Number";
    a->headers[1] = a->text;
    put_url(w, a->url, 0);
    a->q.url = a->url;
    a->q.headers = a->headers;
    a->q.method = methods[below(w, 6)];
    a->q.idempotent = one_in(w, 8);
    *d = (deed){.idempotent = a->q.idempotent || a->q.method[1] != 'O'};
    if (a->q.method[0] == 'P')
        plan_body(a);
    if (one_in(w, 8))
        a->q.timeouts.total = 1 + (kt_time)below(w, KT_S(1));
    if (one_in(w, 8))
        a->limit = 1 + (kt_time)below(w, KT_S(1));
    a->reading = one_in(w, 2) ? READ_ALL : (int)below(w, 4);
}

/* Nothing but what servers do can make it fail. */
static bool is_undisturbed(const wish *a)
{
    return !a->fails && a->limit == 0 && a->q.timeouts.total == 0 && !a->w->closed;
}

/* ---- Answers ----------------------------------------------------------------------------------- */

static size_t number_in(kt_slice value)
{
    CHECK(value.data != NULL);
    return strtoul(value.data, NULL, 10);
}

/* The body is this request's, byte by byte; at its end, whole. */
static int read_body(wish *a, kt_http_response *r)
{
    char piece[5000];
    size_t size = number_in(kt_http_response_header(r, "X-Size")), at = 0;
    size_t enough = a->reading == READ_SOME ? below(a->w, size + 1) : SIZE_MAX;
    ssize_t n = 1;
    while (n > 0 && at < enough) {
        if (a->reading == READ_SLOWLY) {
            int rc = rests(a->w);
            if (rc < 0)
                return rc;
        }
        n = kt_http_response_read(r, piece, 1 + below(a->w, sizeof piece));
        if (n > 0)
            CHECK(is_filled(piece, (size_t)n, a->number, at));
        at += n > 0 ? (size_t)n : 0;
        CHECK_LE(at, size);
    }
    if (n == 0) {
        CHECK_EQ(at, size);
        if (kt_http_response_header(r, "X-Trailers").data)
            CHECK_EQ(number_in(kt_http_response_trailer(r, "X-End")), a->number);
    }
    return n < 0 ? (int)n : 0;
}

static int take_answer(wish *a, kt_http_response *r)
{
    CHECK_EQ(number_in(kt_http_response_header(r, "X-Number")), a->number);
    int status = kt_http_response_status(r);
    if (status != 307 && status != 417)
        CHECK_GE(deed_of(a->w, a->number)->acted, 1);
    return a->reading == READ_NONE ? 0 : read_body(a, r);
}

/* ---- What is promised ---------------------------------------------------------------------------- */

static bool is_lost(int rc)
{
    return rc == -EPIPE || rc == -ECONNRESET || rc == KT_EINCOMPLETE || rc == KT_ETRUNCATED;
}

/* A kind server of HTTP/1.1 may close a connection while a request that cannot be repeated is on its way to it. */
static bool may_fail(const wish *a, int rc)
{
    const deed *d = &a->w->deeds[a->number];
    if (!is_undisturbed(a) || !a->w->kind)
        return true;
    if (!is_lost(rc))
        return false;
    return (may_speak_1(a->w) && !d->idempotent && d->acted == 0) || (a->once && a->begun);
}

static void check_end(const wish *a, int rc, kt_time took)
{
    kt_test_say("%u %s: %s after %lld ns", a->number, a->q.method, rc < 0 ? kt_error_name(rc) : "done",
                (long long)took);
    if (a->limit > 0)
        CHECK_LE(took, a->limit + KT_S(2));
    CHECK_LE(took, (a->q.timeouts.total ? a->q.timeouts.total : LIMIT) + KT_S(1));
    if (rc == 0)
        return;
    if (!may_fail(a, rc))
        kt_test_fail("%u %s ended with %s (%s)", a->number, a->q.method, kt_error_name(rc), kt_error_detail());
    bool is_named = is_lost(rc) || (rc == KT_ETIMEDOUT && a->limit > 0) || (rc == KT_ECLOSED && a->w->closed) ||
                    (rc == -ETIMEDOUT && a->q.timeouts.total > 0) || (rc == -EDOM && a->fails);
    if (!is_named)
        kt_test_fail("%u %s ended with %s (%s)", a->number, a->q.method, kt_error_name(rc), kt_error_detail());
}

static void asks(wish *a)
{
    kt_http_response *r = NULL;
    kt_time start = kt_now();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, a->limit > 0 ? a->limit : KT_FOREVER);
    int rc = kt_http_send(a->w->web, &a->q, &r);
    if (rc == 0)
        rc = take_answer(a, r);
    if (one_in(a->w, 2))
        kt_http_response_close(kt_steal(r));
    rc = kt_timeout_end(&limit, rc);
    kt_http_response_close(r);
    check_end(a, rc, kt_now() - start);
}

KT_FN(comes, a, struct { world *w; })
{
    world *w = a->w;
    int rc = rests(w);
    for (size_t left = 1 + below(w, ASKS_EACH); left > 0 && rc == 0 && !w->closed && w->asked < ASKS_MAX; left--) {
        wish p;
        plan(&p, w);
        asks(&p);
        kt_free((void *)(uintptr_t)p.q.body);
        if (one_in(w, 3))
            rc = rests(w);
    }
    return rc;
}

/* ---- Servers ------------------------------------------------------------------------------------ */

/* 1: it is to be HTTP/2. */
static int agree(world *w, kt_stream *s)
{
    kt_tls_info info;
    if (!w->tls[0])
        return w->h2;
    int rc = kt_stream_start_tls(s, w->tls[w->mixed ? below(w, 2) : w->h2], NULL);
    if (rc == 0)
        rc = kt_tls_info_get(s, &info);
    return rc < 0 ? rc : kt_slice_is(info.alpn, "h2");
}

KT_FN(serves_one, a, struct { world *w; kt_stream *s; })
{
    int h2 = agree(a->w, a->s);
    if (h2 == 1)
        h2_serve(a->w, a->s);
    else if (h2 == 0)
        h1_serve(a->w, a->s);
    kt_stream_close(a->s);
    return 0;
}

static void check_limits(const world *w)
{
    size_t connections = facts_of(w->web).connections;
    CHECK_LE(connections, w->o.connections_max);
    CHECK_LE(connections, w->servers * w->o.connections_per_host_max);
}

KT_FN(serves_all, a, struct { world *w; kt_listener *l; })
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    while (rc == 0) {
        kt_stream *s = NULL;
        kt_task *t = NULL;
        rc = kt_listener_accept(a->l, &s);
        if (rc < 0)
            break;
        if (!a->w->closed)
            check_limits(a->w);
        rc = kt_group_spawn_with(&g, NULL, KT_WITH(serves_one, .w = a->w, .s = s), &t);
        if (rc == 0)
            kt_task_detach(t);
    }
    return kt_group_join(&g, rc);
}

/* ---- Worlds ------------------------------------------------------------------------------------ */

typedef struct tls_configs {
    kt_tls_config *client, *servers[2]; /* of HTTP/1.1 only; of both */
} tls_configs;

static void draw_world(world *w)
{
    w->h2 = one_in(w, 2);
    w->kind = one_in(w, 2);
    w->servers = 1 + below(w, SERVERS_MAX);
    w->pause_max = (kt_time)ONE_OF(w, 0, KT_US(100), KT_MS(5), KT_MS(200));
    w->sends_on_in = (unsigned)ONE_OF(w, 0, 0, 20);
    w->leaves_in = (unsigned)ONE_OF(w, 0, 2, 5, 20);
    w->refuses_in = (unsigned)ONE_OF(w, 0, 0, 3, 10);
    w->early_in = (unsigned)ONE_OF(w, 0, 2, 10);
    w->interim_in = (unsigned)ONE_OF(w, 0, 3);
    w->trickles_in = (unsigned)below(w, 2);
    w->changes_in = (unsigned)ONE_OF(w, 0, 3);
    w->breaks_in = (unsigned)ONE_OF(w, 3, 20);
    w->per_connection = ONE_OF(w, 0, 0, 1, 3, 10);
    w->o = (kt_http_session_options){
        .version = w->h2 ? KT_HTTP_2 : KT_HTTP_1,
        .timeouts = {.pool = LIMIT, .first_byte = LIMIT, .between = LIMIT, .send = LIMIT, .total = LIMIT},
        .connections_max = 1 + (uint32_t)below(w, 6),
        .connections_per_host_max = 1 + (uint32_t)below(w, 6),
        .idle_timeout = (kt_time)ONE_OF(w, 0, KT_MS(10), KT_S(60)),
        .retries = {.attempts = (unsigned)ONE_OF(w, 1, 1, 3)},
    };
}

static void draw_tls(world *w, const tls_configs *tls)
{
    w->o.version = KT_HTTP_AUTO;
    w->o.tls = tls->client;
    memcpy(w->tls, tls->servers, sizeof w->tls);
    w->mixed = one_in(w, 3);
    w->h2 = w->h2 && !w->mixed;
}

static kt_test_network *draw_network(world *w)
{
    kt_test_network_options o = {
        .seed = 1 + below(w, 1000000),
        .latency = (kt_time)ONE_OF(w, 0, KT_US(50), KT_MS(2), KT_MS(50)),
        .jitter = (kt_time)ONE_OF(w, 0, 0, KT_US(30), KT_MS(10)),
        .segment_max = ONE_OF(w, 1, 7, 100, 1460, 1460, 16384),
        .window = ONE_OF(w, 100, 5000, 65536, 131072),
    };
    bool narrow = o.segment_max < 1000 || o.window < 1000;
    w->answer_max = narrow ? 500 : ONE_OF(w, 500, 20000, 200000, 200000, 3000000);
    w->request_max = narrow ? 500 : ONE_OF(w, 500, 20000, 200000);
    if (may_speak_1(w) && o.window < 100000) /* the client sends a short body without listening */
        w->early_in = w->interim_in = 0;
    if (may_speak_1(w) && w->early_in > 0 && w->answer_max > 50000) /* and, but for `duplex`, reads when all is sent */
        w->answer_max = 50000;
    return kt_test_network_open(&o);
}

/* Connections are lost for no reason. */
KT_FN(troubles, a, struct { kt_test_network *n; world *w; })
{
    int rc = 0;
    while (rc == 0) {
        rc = kt_sleep(1 + (kt_time)below(a->w, KT_S(1)));
        if (rc == 0)
            (void)kt_test_network_reset(a->n, "127.0.0.1", NULL);
    }
    return rc;
}

/* Customers come, and perhaps the session is closed before all have gone. */
static int opens_for_customers(world *w)
{
    kt_auto(kt_group) customers = KT_GROUP_INIT;
    int rc = 0;
    for (size_t count = 1 + below(w, CUSTOMERS_MAX); rc == 0 && count > 0; count--)
        rc = kt_group_spawn(&customers, KT_WITH(comes, .w = w));
    if (rc == 0 && one_in(w, 4)) {
        rc = kt_sleep((kt_time)below(w, KT_S(2)));
        w->closed = true;
        kt_http_session_close(w->web);
    }
    return kt_group_join(&customers, rc);
}

static int lives(world *w, kt_test_network *n)
{
    kt_auto(kt_group) others = KT_GROUP_INIT;
    int rc = 0;
    for (size_t i = 0; i < w->servers && rc == 0; i++)
        rc = kt_group_spawn(&others, KT_WITH(serves_all, .w = w, .l = w->listeners[i]));
    if (rc == 0 && !w->kind && one_in(w, 3))
        rc = kt_group_spawn(&others, KT_WITH(troubles, .n = n, .w = w));
    if (rc == 0)
        rc = opens_for_customers(w);
    if (!w->closed) {
        kt_http_session_facts f = facts_of(w->web);
        CHECK_EQ(f.connections, f.idle);
        CHECK_EQ(f.waiting, 0);
        kt_http_session_close(w->web);
    }
    kt_group_cancel(&others);
    return kt_group_join(&others, rc);
}

/* Without TLS, `tls` is NULL. */
static int world_of(uint64_t seed, const tls_configs *tls)
{
    static world w;
    w = (world){.random = seed};
    draw_world(&w);
    if (tls)
        draw_tls(&w, tls);
    kt_test_network *n = draw_network(&w);
    kt_test_network_use(n);
    for (size_t i = 0; i < w.servers; i++)
        CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &w.listeners[i]));
    CHECK_OK(kt_http_session_open(&w.o, &w.web));
    int rc = lives(&w, n);
    for (size_t i = 0; i < w.servers; i++)
        kt_listener_close(w.listeners[i]);
    kt_test_network_close(n);
    return rc;
}

static int next_world(void *arg)
{
    unsigned *runs = arg;
    return world_of((*runs)++ / 2 + 1, NULL);
}

TEST_WITH(each_request_ends_as_is_promised_whatever_a_legal_server_does, KT_TEST_NO_LOOP)
{
    unsigned runs = 0;
    kt_test_seeds(SEEDS, next_world, &runs);
}

/* ---- Over TLS ------------------------------------------------------------------------------------ */

static void make_configs(tls_configs *t)
{
    static const char *const protocols[] = {"h2", "http/1.1", NULL};
    const kt_tls_certificate certificate = {.chain_pem = certificate_of(good()), .key_pem = key_of(good())};
    const kt_tls_client_options client = {.ca_pem = certificate_of(authority()), .no_system_trust = true};
    CHECK_OK(kt_tls_client_new(&client, &t->client));
    for (int h2 = 0; h2 < 2; h2++) {
        const kt_tls_server_options o = {
            .certificates = &certificate, .certificate_count = 1, .alpn = protocols + !h2};
        CHECK_OK(kt_tls_server_new(&o, &t->servers[h2]));
    }
}

KT_FN(secret_world, a, struct { uint64_t seed; const tls_configs *tls; })
{
    return world_of(a->seed, a->tls);
}

/* Not twice each: keys and signatures are others each time, and some of them longer. */
TEST_WITH(so_it_does_over_tls_whatever_is_agreed_on_in_each_handshake, KT_TEST_NO_LOOP)
{
    tls_configs t;
    const char *text = getenv("KETTLE_TEST_SEEDS");
    uint64_t last = text ? strtoull(text, NULL, 10) : SEEDS_TLS;
    setenv("KETTLE_DRIVER", "sim", 1);
    make_configs(&t);
    for (uint64_t seed = 1; seed <= last; seed++) {
        const kt_options o = {.driver = KT_DRIVER_SIM, .virtual_time = true, .seed = seed};
        printf("seed %llu\n", (unsigned long long)seed);
        CHECK_OK(kt_run_with(&o, KT_WITH(secret_world, .seed = seed, .tls = &t)));
    }
    kt_tls_config_free(t.client);
    kt_tls_config_free(t.servers[0]);
    kt_tls_config_free(t.servers[1]);
}
