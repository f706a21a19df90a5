/* SPDX-License-Identifier: MIT */
/* Both ends of WebSockets do all that they may, whenever it suits the other least, over networks drawn by lot: whatever
 * it is, messages arrive whole, once, and in order, closes are learned of, and everything ends in time.
 *
 * KETTLE_TEST_SEEDS says how many worlds there are, and over TLS a tenth of that. */
#include "post.h"
#include "websocket_chaos.h"

#include <kettle/tls.h>

#include "../tls/certificates.h"

enum { SEEDS = 200, SEEDS_TLS = 50, LINKS_MAX = 4, SERVERS_MAX = 40, PIECES = 5 };

#define LIMIT KT_S(3600)

typedef struct world world;

/* One end of a connection. */
typedef struct side {
    world *w;
    struct side *other;
    kt_websocket *ws;
    kt_websocket_options o;
    writer writers[WRITERS_MAX];
    unsigned writer_count, writing; /* of its tasks, and those that still do */
    kt_lock turn;                   /* of writers, where messages go in pieces */
    bool in_pieces, by_parts, closes_at_end, is_server;
    bool begun;                     /* the handshake is done */
    bool abandoned;                 /* it does not read to the end */
    bool torn;                      /* perhaps: a write was cancelled, and none has gone since */
    bool closing;                   /* by kt_websocket_close */
    int codes[CODES_MAX];           /* that it may have closed with */
    size_t code_count;
    kt_time close_by;               /* when the peer's close is due; 0: no close was sent */
} side;

struct world {
    uint64_t random;
    bool h2;
    bool kind;      /* no connection is lost, and nobody waits in vain */
    bool cancels;   /* writes and closes, so that frames may be cut */
    bool stopped;   /* the server is, or is about to be */
    size_t bytes_max;
    kt_time pause_max;
    unsigned limits_in, abandons_in;
    post p; /* without the server */
    kt_listener *l;
    kt_http_session *web;
    side clients[LINKS_MAX], servers[SERVERS_MAX];
    size_t links, served;
};

static const made *identity; /* of servers; NULL: they speak without TLS */

static uint64_t *lots(side *s)
{
    return &s->w->random;
}

/* ---- What is promised ---------------------------------------------------------------------------- */

static bool is_lost(int rc)
{
    return rc == KT_EINCOMPLETE || rc == KT_ETRUNCATED || rc == -EPIPE || rc == -ECONNRESET || rc == -ETIMEDOUT;
}

/* May this end fail as it did? What a cancellation has torn says KT_EINVALIDSTATE. */
static void check_failure(const side *s, int rc)
{
    bool excused = !s->w->kind || s->other->torn || s->other->abandoned;
    bool mine = s->torn && rc == KT_EINVALIDSTATE; /* and who answers a stream that is reset is cancelled */
    if (!mine && !(excused && (is_lost(rc) || kt_is_cancel(rc))))
        kt_test_fail("a %s failed with %s (%s)", s->is_server ? "server" : "client", kt_error_name(rc),
                     kt_error_detail());
}

static bool has_code(const side *s, int code)
{
    for (size_t i = 0; i < s->code_count; i++)
        if (s->codes[i] == code)
            return true;
    return s->closing && code == 1000;
}

/* The peer's close: its own, or the answer to ours. */
static void check_close(const side *s)
{
    char reason[REASON_BYTES];
    int code = kt_websocket_close_code(s->ws);
    bool stop = s->w->stopped && code == 1001, mute = !s->w->kind && code == 1011;
    if (!stop && !mute && !has_code(s->other, code) && !has_code(s, code))
        kt_test_fail("nobody has closed with %d", code);
    snprintf(reason, sizeof reason, "r%d", code);
    if (!mute && *kt_websocket_close_reason(s->ws))
        CHECK_STR(kt_websocket_close_reason(s->ws), reason);
    check_all_heard(s->other->writers);
}

/* ---- Writing ------------------------------------------------------------------------------------- */

static void limit_start(side *s, kt_timeout *limit, bool may)
{
    kt_timeout_start(limit, may && one_in(lots(s), s->w->limits_in) ? some_time(lots(s), KT_MS(20)) : KT_FOREVER);
}

static bool was_limited(kt_timeout *limit, int rc)
{
    bool fired = kt_timeout_expired(limit);
    (void)!kt_timeout_end(limit, 0);
    return fired && rc == KT_ETIMEDOUT;
}

static int written(side *s, kt_timeout *limit, int rc, bool *ret_again)
{
    *ret_again = was_limited(limit, rc);
    if (rc == 0 || *ret_again)
        s->torn = *ret_again;
    return *ret_again ? 0 : rc;
}

/* A piece that a cancellation kept from being sent can be sent again. */
static int write_piece(side *s, const note *n, const char *bytes, size_t size, bool final)
{
    bool again = true;
    int rc = 0;
    while (again) {
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        limit_start(s, &limit, s->w->cancels);
        rc = written(s, &limit, kt_websocket_write_part(s->ws, n->kind, bytes, size, final), &again);
    }
    return rc;
}

static int write_in_pieces(side *s, const note *n, const char *bytes)
{
    int rc = 0;
    for (size_t at = 0, size; rc == 0; at += size) {
        size = one_in(lots(s), PIECES) ? n->size - at : below(lots(s), n->size - at + 1);
        bool final = at + size == n->size && one_in(lots(s), 2);
        rc = write_piece(s, n, bytes + at, size, final);
        if (final)
            break;
        if (rc == 0)
            rc = rests(lots(s), s->w->pause_max);
    }
    return rc;
}

static int write_note(side *s, note *n, unsigned number)
{
    char *bytes = kt_alloc(n->size + 1);
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    bool again;
    CHECK(bytes);
    put_note(bytes, n, number);
    bool whole = !s->in_pieces || one_in(lots(s), 3);
    limit_start(s, &limit, s->w->cancels && whole);
    int rc = whole ? kt_websocket_write(s->ws, n->kind, bytes, n->size) : write_in_pieces(s, n, bytes);
    n->fate = rc == 0 ? SENT : FAILED;
    check_failed(&s->writers[number]);
    kt_free(bytes);
    return whole ? written(s, &limit, rc, &again) : rc;
}

static int write_one(side *s, unsigned number)
{
    int rc = s->in_pieces ? kt_lock_acquire(&s->turn) : 0;
    if (rc < 0)
        return rc;
    rc = write_note(s, new_note(&s->writers[number], lots(s), some_bytes(lots(s), s->w->bytes_max), number), number);
    if (s->in_pieces)
        kt_lock_release(&s->turn);
    return rc;
}

static int shut(side *s)
{
    static const int codes[] = {1000, 1001, 1008, 3000, 4999};
    char reason[REASON_BYTES];
    int code = codes[below(lots(s), 5)];
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    snprintf(reason, sizeof reason, "r%d", code);
    CHECK_LT(s->code_count, CODES_MAX);
    s->codes[s->code_count++] = code;
    limit_start(s, &limit, s->w->cancels);
    int rc = kt_websocket_shutdown(s->ws, code, one_in(lots(s), 2) ? reason : NULL);
    if (rc == 0 && s->close_by == 0)
        s->close_by = kt_now() + s->o.close_timeout;
    bool again;
    return written(s, &limit, rc, &again);
}

static void check_written(const side *s, int rc)
{
    if (rc < 0 && rc != KT_ECLOSED && !kt_is_cancel(rc))
        check_failure(s, rc);
}

KT_FN(writes, a, struct { side *s; unsigned number; })
{
    side *s = a->s;
    int rc = 0;
    for (size_t left = below(lots(s), MESSAGES_MAX); left > 0 && rc == 0; left--) {
        rc = rests(lots(s), s->w->pause_max);
        if (rc == 0)
            rc = write_one(s, a->number);
    }
    if (--s->writing == 0 && rc == 0 && s->closes_at_end)
        rc = shut(s);
    check_written(s, rc);
    return 0;
}

KT_FN(pings, a, struct { side *s; })
{
    static const char bytes[125] = "ping";
    side *s = a->s;
    int rc = 0;
    for (size_t left = below(lots(s), 10); left > 0 && rc == 0; left--) {
        rc = rests(lots(s), s->w->pause_max);
        size_t size = one_in(lots(s), 2) ? sizeof bytes : below(lots(s), sizeof bytes);
        if (rc == 0)
            rc = one_in(lots(s), 3) ? kt_websocket_pong(s->ws, bytes, size) : kt_websocket_ping(s->ws, bytes, size);
    }
    check_written(s, rc);
    return 0;
}

KT_FN(closes, a, struct { side *s; })
{
    int rc = kt_sleep(some_time(lots(a->s), KT_MS(500)));
    if (rc == 0)
        rc = shut(a->s);
    check_written(a->s, rc);
    return 0;
}

/* ---- Reading ------------------------------------------------------------------------------------- */

/* One read; one that is cancelled is only late. */
static int read_once(side *s, bool part, kt_websocket_message *m)
{
    for (;;) {
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        limit_start(s, &limit, true);
        kt_time start = kt_now();
        int rc = part ? kt_websocket_read_part(s->ws, m) : kt_websocket_read(s->ws, m);
        if (s->close_by > 0 && start < s->close_by)
            CHECK_LE(kt_now(), s->close_by);
        if (!was_limited(&limit, rc))
            return rc;
    }
}

static int read_parts(side *s, kt_buffer *b)
{
    kt_websocket_message m = {.final = false};
    kt_websocket_kind kind = 0;
    kt_buffer_clear(b);
    while (!m.final) {
        int rc = read_once(s, true, &m);
        if (rc <= 0)
            return rc;
        CHECK(kind == 0 || m.kind == kind);
        kind = m.kind;
        CHECK_OK(kt_buffer_append(b, m.data.data, m.data.size));
        if (one_in(lots(s), 8) && (rc = rests(lots(s), s->w->pause_max)) < 0)
            return rc;
    }
    hear_note(s->other->writers, kind, b->data, b->size);
    return 1;
}

static int read_message(side *s, kt_buffer *b)
{
    kt_websocket_message m;
    if (s->by_parts && one_in(lots(s), 2))
        return read_parts(s, b);
    int rc = read_once(s, false, &m);
    if (rc == 1)
        hear_note(s->other->writers, m.kind, m.data.data, m.data.size);
    return rc;
}

static int read_all(side *s)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    int rc = 1;
    while (rc > 0) {
        if (one_in(lots(s), s->w->abandons_in)) {
            s->abandoned = true;
            return 1;
        }
        if (one_in(lots(s), 2))
            rc = rests(lots(s), s->w->pause_max);
        if (rc >= 0)
            rc = read_message(s, &b);
    }
    return rc;
}

/* ---- An end --------------------------------------------------------------------------------------- */

static void close_side(side *s)
{
    kt_time start = kt_now();
    s->closing = true;
    kt_websocket_close(kt_steal(s->ws));
    CHECK_LE(kt_now() - start, s->o.close_timeout + KT_S(1));
}

static int begin_others(side *s, kt_group *g)
{
    int rc = 0;
    s->writing = s->writer_count;
    for (unsigned i = 0; i < s->writer_count && rc == 0; i++)
        rc = kt_group_spawn(g, KT_WITH(writes, .s = s, .number = i));
    if (rc == 0 && one_in(lots(s), 2))
        rc = kt_group_spawn(g, KT_WITH(pings, .s = s));
    for (int i = 0; i < 2 && rc == 0; i++)
        if (one_in(lots(s), 4))
            rc = kt_group_spawn(g, KT_WITH(closes, .s = s));
    return rc;
}

static int lives(side *s)
{
    kt_auto(kt_group) others = KT_GROUP_INIT;
    s->begun = true;
    int rc = begin_others(s, &others);
    if (rc == 0)
        rc = read_all(s);
    if (rc == 0)
        check_close(s);
    else if (rc < 0)
        check_failure(s, rc);
    if (kt_is_cancel(rc))
        s->abandoned = true;
    kt_group_cancel(&others);
    (void)!kt_group_join(&others, 0); /* KT_ECANCELED, by which they end */
    close_side(s);
    return kt_is_cancel(rc) ? rc : 0;
}

static void draw_side(side *s, side *other, world *w);

/* A request whose connection was lost may come again: the client has the last one that is answered. */
static int serves(kt_http_exchange *x, void *arg)
{
    world *w = arg;
    side *client = &w->clients[kt_http_path(x).data[1] - '0'], *s = &w->servers[w->served];
    if (w->served++ == SERVERS_MAX)
        return -EMFILE;
    draw_side(s, client, w);
    s->is_server = true;
    s->closes_at_end = one_in(&w->random, 2);
    client->other = s;
    int rc = kt_websocket_accept(x, &s->o, &s->ws);
    if (rc < 0) {
        s->abandoned = true;
        return 0;
    }
    return lives(s);
}

KT_FN(comes, a, struct { world *w; size_t number; })
{
    world *w = a->w;
    side *s = &w->clients[a->number];
    char url[64];
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    int rc = rests(&w->random, w->pause_max);
    if (rc < 0)
        return rc;
    snprintf(url, sizeof url, "%s://" SERVERS ":%u/%zu", identity ? "wss" : "ws", kt_listener_port(w->l), a->number);
    limit_start(s, &limit, !w->kind);
    rc = kt_websocket_connect(w->web, url, &s->o, &s->ws);
    (void)was_limited(&limit, rc);
    if (rc == 0) {
        kt_auto(kt_timeout) life = KT_TIMEOUT_INIT; /* cancelled wherever it is then */
        kt_timeout_start(&life, w->kind || one_in(&w->random, 2) ? KT_FOREVER : some_time(&w->random, KT_MS(500)));
        (void)!kt_timeout_end(&life, lives(s));
        return 0;
    }
    s->abandoned = true;
    if (!w->stopped && w->kind)
        kt_test_fail("a client could not connect: %s (%s)", kt_error_name(rc), kt_error_detail());
    return 0;
}

/* ---- Worlds -------------------------------------------------------------------------------------- */

static void draw_side(side *s, side *other, world *w)
{
    uint64_t *r = &w->random;
    *s = (side){
        .w = w,
        .other = other,
        .turn = KT_LOCK_INIT,
        .writer_count = 1 + (unsigned)below(r, WRITERS_MAX),
        .in_pieces = one_in(r, 3),
        .by_parts = one_in(r, 2),
        .o = {
            .no_deflate = one_in(r, 3),
            .deflate_forget = one_in(r, 3),
            .deflate_window_bits = (uint8_t)ONE_OF(r, 0, 0, 9, 12),
            .deflate_from = (uint32_t)ONE_OF(r, 0, 1, 1000),
            .ping_interval = w->kind && !w->cancels && one_in(r, 3) ? -1 : (kt_time)ONE_OF(r, KT_MS(20), KT_S(1)),
            .ping_timeout = w->kind ? LIMIT : (kt_time)ONE_OF(r, KT_MS(50), KT_S(5)),
            .close_timeout = w->kind ? LIMIT : (kt_time)ONE_OF(r, KT_MS(10), KT_S(1)),
            .write_timeout = w->kind ? LIMIT : (kt_time)ONE_OF(r, KT_MS(50), KT_S(5)),
        },
    };
}

static void draw_world(world *w)
{
    uint64_t *r = &w->random;
    w->h2 = one_in(r, 2);
    w->kind = !one_in(r, 3);
    w->cancels = one_in(r, 3); /* what is cut then is noticed by pings alone */
    w->pause_max = (kt_time)ONE_OF(r, 0, KT_US(100), KT_MS(5), KT_MS(100));
    w->limits_in = (unsigned)ONE_OF(r, 0, 2, 10);
    w->abandons_in = (unsigned)ONE_OF(r, 0, 0, 0, 10);
    w->links = 1 + below(r, LINKS_MAX);
    for (size_t i = 0; i < w->links; i++) {
        draw_side(&w->clients[i], NULL, w);
        w->clients[i].closes_at_end = true;
    }
}

static void draw_network(world *w)
{
    uint64_t *r = &w->random;
    kt_test_network_options o = some_network(r);
    bool narrow = o.segment_max < 1000 || o.window < 1000;
    w->bytes_max = narrow ? 500 : ONE_OF(r, 200, 5000, 20000, BYTES_MAX);
    w->p = (post){.loses = true, .away = KT_S(2)};
    post_network(&w->p, &o);
}

static int opens_for_clients(world *w, kt_task *server)
{
    kt_auto(kt_group) clients = KT_GROUP_INIT, others = KT_GROUP_INIT;
    int rc = w->kind ? 0 : kt_group_spawn(&others, KT_WITH(troubles, .p = &w->p, .random = &w->random));
    for (size_t i = 0; i < w->links && rc == 0; i++)
        rc = kt_group_spawn(&clients, KT_WITH(comes, .w = w, .number = i));
    if (rc == 0 && one_in(&w->random, 4)) {
        rc = kt_sleep(some_time(&w->random, KT_MS(300)));
        w->stopped = true;
        kt_task_cancel(server);
    }
    rc = kt_group_join(&clients, rc);
    kt_group_cancel(&others);
    (void)!kt_group_join(&others, 0);
    return rc;
}

static void make_configs(kt_tls_config **ret_server, kt_tls_config **ret_client)
{
    static const char *const protocols[] = {"h2", "http/1.1", NULL};
    if (!identity)
        return;
    const kt_tls_certificate certificate = {.chain_pem = certificate_of(identity), .key_pem = key_of(identity)};
    const kt_tls_server_options server = {.certificates = &certificate, .certificate_count = 1, .alpn = protocols};
    const kt_tls_client_options client = {.ca_pem = certificate_of(authority()), .no_system_trust = true};
    CHECK_OK(kt_tls_server_new(&server, ret_server));
    CHECK_OK(kt_tls_client_new(&client, ret_client));
}

static int world_of(uint64_t seed, void *unused)
{
    static world w;
    (void)unused;
    w = (world){.random = seed};
    kt_tls_config *tls_server = NULL, *tls_client = NULL;
    draw_world(&w);
    draw_network(&w);
    make_configs(&tls_server, &tls_client);
    const kt_http_options server = {.grace = w.kind ? LIMIT : KT_S(1), .write_timeout = LIMIT, .request_timeout = -1,
                                    .tls = tls_server};
    const kt_http_session_options session = {
        .version = w.h2 ? KT_HTTP_2 : KT_HTTP_1,
        .tls = tls_client,
        .timeouts = {.pool = LIMIT, .connect = LIMIT, .first_byte = LIMIT, .send = LIMIT, .total = LIMIT},
    };
    site s = {.o = &server, .handler = serves, .arg = &w}, *at = &s;
    kt_test_network_be(w.p.n, SERVERS);
    CHECK_OK(kt_listen(SERVERS, 0, NULL, &s.l));
    CHECK_OK(kt_spawn(site_task, &at, sizeof at, &s.task));
    kt_test_network_be(w.p.n, CLIENTS);
    w.l = s.l;
    CHECK_OK(kt_http_session_open(&session, &w.web));
    CHECK_OK(opens_for_clients(&w, s.task));
    kt_http_session_close(w.web);
    w.stopped = true;
    site_close(&s);
    kt_test_network_close(w.p.n);
    kt_tls_config_free(tls_server);
    kt_tls_config_free(tls_client);
    return 0;
}

TEST_WITH(messages_arrive_whole_and_closes_are_learned_of_whatever_both_ends_do, KT_TEST_NO_LOOP)
{
    each_world(worlds(SEEDS), world_of, NULL);
}

TEST_WITH(so_they_do_over_tls, KT_TEST_NO_LOOP)
{
    static made one;
    make(&(wanted){.alternatives = "IP:" SERVERS, .issuer = authority()}, &one);
    identity = &one;
    each_world(worlds(10 * SEEDS_TLS) / 10, world_of, NULL);
}
