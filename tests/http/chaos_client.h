/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_CHAOS_CLIENT_H
#define TESTS_HTTP_CHAOS_CLIENT_H

/* The clients of a world: crowds of requests of all kinds by one session, and what each of them may come to. */

#include "chaos.h"

#include "../tls/certificates.h"

enum { CUSTOMERS_MAX = 40, ASKS_EACH = 5 };

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

static inline ssize_t gives(void *buffer, size_t size, void *arg)
{
    wish *a = arg;
    size_t left = a->body_size - a->body_at, n = left < size ? left : size;
    a->begun = true;
    int rc = rests(&a->w->random, a->w->pause_max);
    if (rc < 0)
        return rc;
    if (a->fails && one_in(&a->w->random, 3))
        return -EDOM;
    if (n > 0 && one_in(&a->w->random, 2))
        n = 1 + below(&a->w->random, n);
    fill(buffer, n, a->number, a->body_at);
    a->body_at += n;
    return (ssize_t)n;
}

static inline int begins_again(void *arg)
{
    wish *a = arg;
    a->body_at = 0;
    return a->fails && one_in(&a->w->random, 2) ? -EDOM : 0;
}

static inline void plan_body(wish *a)
{
    world *w = a->w;
    char *bytes = NULL;
    a->body_size = some_bytes(&w->random, w->request_max);
    w->deeds[a->number].body_size = a->body_size;
    a->q.expect_continue = one_in(&w->random, 4);
    a->q.duplex = one_in(&w->random, 4);
    if (one_in(&w->random, 2)) {
        bytes = kt_alloc(a->body_size + 1);
        CHECK(bytes);
        fill(bytes, a->body_size, a->number, 0);
        a->q.body = bytes;
        a->q.body_size = a->body_size;
        return;
    }
    a->q.body_read = gives;
    a->q.body_arg = a;
    a->q.body_size_known = one_in(&w->random, 2);
    a->q.body_size = a->q.body_size_known ? a->body_size : 0;
    a->once = one_in(&w->random, 4);
    a->q.body_rewind = a->once ? NULL : begins_again;
    a->fails = one_in(&w->random, 20);
}

static inline void plan(wish *a, world *w)
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
    a->q.method = methods[below(&w->random, 6)];
    a->q.idempotent = one_in(&w->random, 8);
    *d = (deed){.idempotent = a->q.idempotent || a->q.method[1] != 'O'};
    if (a->q.method[0] == 'P')
        plan_body(a);
    if (one_in(&w->random, 8))
        a->q.timeouts.total = 1 + (kt_time)below(&w->random, KT_S(1));
    if (one_in(&w->random, 8))
        a->limit = 1 + (kt_time)below(&w->random, KT_S(1));
    a->reading = one_in(&w->random, 2) ? READ_ALL : (int)below(&w->random, 4);
}

/* Nothing but what servers do can make it fail. */
static inline bool is_undisturbed(const wish *a)
{
    return !a->fails && a->limit == 0 && a->q.timeouts.total == 0 && !a->w->closed;
}

/* ---- Answers ----------------------------------------------------------------------------------- */

static inline size_t number_in(kt_slice value)
{
    CHECK(value.data != NULL);
    return strtoul(value.data, NULL, 10);
}

/* The body is this request's, byte by byte; at its end, whole. */
static inline int read_body(wish *a, kt_http_response *r)
{
    char piece[5000];
    size_t size = number_in(kt_http_response_header(r, "X-Size")), at = 0;
    size_t enough = a->reading == READ_SOME ? below(&a->w->random, size + 1) : SIZE_MAX;
    ssize_t n = 1;
    while (n > 0 && at < enough) {
        if (a->reading == READ_SLOWLY) {
            int rc = rests(&a->w->random, a->w->pause_max);
            if (rc < 0)
                return rc;
        }
        n = kt_http_response_read(r, piece, 1 + below(&a->w->random, sizeof piece));
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

static inline int take_answer(wish *a, kt_http_response *r)
{
    CHECK_EQ(number_in(kt_http_response_header(r, "X-Number")), a->number);
    int status = kt_http_response_status(r);
    if (status / 100 != 3 && status != 417)
        CHECK_GE(deed_of(a->w, a->number)->acted, 1);
    return a->reading == READ_NONE ? 0 : read_body(a, r);
}

/* ---- What is promised ---------------------------------------------------------------------------- */

static inline bool is_lost(int rc)
{
    return rc == -EPIPE || rc == -ECONNRESET || rc == KT_EINCOMPLETE || rc == KT_ETRUNCATED;
}

/* A kind server of HTTP/1.1 may close a connection while a request that cannot be repeated is on its way to it. */
static inline bool may_fail(const wish *a, int rc)
{
    const deed *d = &a->w->deeds[a->number];
    if (!is_undisturbed(a) || !a->w->kind)
        return true;
    if (!is_lost(rc))
        return false;
    return (may_speak_1(a->w) && !d->idempotent && d->acted == 0) || (a->once && a->begun);
}

static inline void check_end(const wish *a, int rc, kt_time took)
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

static inline void asks(wish *a)
{
    kt_http_response *r = NULL;
    kt_time start = kt_now();
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, a->limit > 0 ? a->limit : KT_FOREVER);
    int rc = kt_http_send(a->w->web, &a->q, &r);
    if (rc == 0)
        rc = take_answer(a, r);
    if (one_in(&a->w->random, 2))
        kt_http_response_close(kt_steal(r));
    rc = kt_timeout_end(&limit, rc);
    kt_http_response_close(r);
    check_end(a, rc, kt_now() - start);
}

KT_FN(comes, a, struct { world *w; })
{
    world *w = a->w;
    int rc = rests(&w->random, w->pause_max);
    size_t left = 1 + below(&w->random, ASKS_EACH);
    for (; left > 0 && rc == 0 && !w->closed && w->asked < ASKS_MAX; left--) {
        wish p;
        plan(&p, w);
        asks(&p);
        kt_free((void *)(uintptr_t)p.q.body);
        if (one_in(&w->random, 3))
            rc = rests(&w->random, w->pause_max);
    }
    return rc;
}

/* Customers come, and perhaps the session is closed before all have gone. */
static inline int opens_for_customers(world *w)
{
    kt_auto(kt_group) customers = KT_GROUP_INIT;
    int rc = 0;
    for (size_t count = 1 + below(&w->random, CUSTOMERS_MAX); rc == 0 && count > 0; count--)
        rc = kt_group_spawn(&customers, KT_WITH(comes, .w = w));
    if (rc == 0 && one_in(&w->random, 4)) {
        rc = kt_sleep((kt_time)below(&w->random, KT_S(2)));
        w->closed = true;
        kt_http_session_close(w->web);
    }
    return kt_group_join(&customers, rc);
}

/* ---- Networks ---------------------------------------------------------------------------------- */

static inline kt_test_network *draw_network(world *w)
{
    kt_test_network_options o = some_network(&w->random);
    bool narrow = o.segment_max < 1000 || o.window < 1000;
    w->answer_max = narrow ? 500 : ONE_OF(&w->random, 500, 20000, 200000, 200000, 3000000);
    w->request_max = narrow ? 500 : ONE_OF(&w->random, 500, 20000, 200000);
    if (may_speak_1(w) && o.window < 100000) /* the client sends a short body without listening */
        w->early_in = w->interim_in = 0;
    if (may_speak_1(w) && w->early_in > 0 && w->answer_max > 50000) /* and, but for `duplex`, reads when all is sent */
        w->answer_max = 50000;
    return kt_test_network_open(&o);
}

/* ---- Sessions ---------------------------------------------------------------------------------- */

static inline kt_http_session_options draw_session(world *w)
{
    return (kt_http_session_options){
        .version = w->h2 ? KT_HTTP_2 : KT_HTTP_1,
        .timeouts = {.pool = LIMIT, .first_byte = LIMIT, .between = LIMIT, .send = LIMIT, .total = LIMIT},
        .connections_max = 1 + (uint32_t)below(&w->random, 6),
        .connections_per_host_max = 1 + (uint32_t)below(&w->random, 6),
        .idle_timeout = (kt_time)ONE_OF(&w->random, 0, KT_MS(10), KT_S(60)),
        .retries = {.attempts = (unsigned)ONE_OF(&w->random, 1, 1, 3)},
    };
}

/* Nothing is left under way. */
static inline void close_session(world *w)
{
    if (w->closed)
        return;
    kt_http_session_facts f = facts_of(w->web);
    CHECK_EQ(f.connections, f.idle);
    CHECK_EQ(f.waiting, 0);
    kt_http_session_close(w->web);
}

/* ---- TLS --------------------------------------------------------------------------------------- */

typedef struct tls_configs {
    kt_tls_config *client, *servers[2]; /* of HTTP/1.1 only; of both */
} tls_configs;

static inline void draw_tls(world *w, const tls_configs *tls)
{
    w->o.version = KT_HTTP_AUTO;
    w->o.tls = tls->client;
    memcpy(w->tls, tls->servers, sizeof w->tls);
    w->mixed = one_in(&w->random, 3);
    w->h2 = w->h2 && !w->mixed;
}

static inline void make_configs(tls_configs *t)
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

/* ---- Worlds ------------------------------------------------------------------------------------ */

/* What is drawn for a world, and what happens in it. */
typedef struct play {
    void (*draw)(world *w);
    int (*lives)(world *w, kt_test_network *n);
    const tls_configs *tls; /* NULL: without */
    unsigned runs;
} play;

static inline int play_once(const play *p, uint64_t seed)
{
    static world w;
    w = (world){.random = seed};
    p->draw(&w);
    if (p->tls)
        draw_tls(&w, p->tls);
    kt_test_network *n = draw_network(&w);
    kt_test_network_use(n);
    for (size_t i = 0; i < w.servers; i++)
        CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &w.listeners[i]));
    CHECK_OK(kt_http_session_open(&w.o, &w.web));
    int rc = p->lives(&w, n);
    for (size_t i = 0; i < w.servers; i++)
        kt_listener_close(w.listeners[i]);
    kt_test_network_close(n);
    return rc;
}

/* For kt_test_seeds, which runs each seed twice. */
static inline int next_world(void *arg)
{
    play *p = arg;
    return play_once(p, p->runs++ / 2 + 1);
}

static inline int a_world(uint64_t seed, void *arg)
{
    return play_once(arg, seed);
}

static inline void play_over_tls(play *p, uint64_t seeds)
{
    tls_configs t;
    make_configs(&t);
    p->tls = &t;
    each_world(worlds(10 * seeds) / 10, a_world, p);
    kt_tls_config_free(t.client);
    kt_tls_config_free(t.servers[0]);
    kt_tls_config_free(t.servers[1]);
}

#endif
