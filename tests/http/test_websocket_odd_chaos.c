/* SPDX-License-Identifier: MIT */
/* Peers that frame by hand, as oddly as RFC 6455 and RFC 7692 allow, drawn by lot: empty fragments, control frames
 * between them, blocks that deflate need not have, closes with anything or nothing in them, and half-closed
 * connections.
 *
 * KETTLE_TEST_SEEDS says how many worlds there are. */
#include "websocket_chaos.h"

#include "http/websocket_private.h"

enum { SEEDS = 500, FRAME_MAX = 70000, BLOCK = 5 };

#define LIMIT KT_S(3600)

typedef struct world {
    uint64_t random;
    enum { CLOSES, ENDS, SAYS_TOO_MUCH } end; /* of the peer: in order; without a close; a message that is too long */
    bool client, deflate, closes_first, half_closes; /* client: our end is */
    size_t bytes_max;
    kt_time pause_max;
    unsigned limits_in;
    kt_stream *peer;
    kt_websocket *ws;
    writer ours[WRITERS_MAX], theirs[WRITERS_MAX]; /* of which the first writes all */
    unsigned pings, ponged; /* by the peer, and the last that was answered */
    int code;               /* the peer's close */
    char reason[KT__WS_REASON_MAX + 1];
    int heard_code;
} world;

/* ---- What the peer says -------------------------------------------------------------------------- */

/* In as many segments as it likes. */
static int say_bytes(world *w, const char *bytes, size_t size)
{
    int rc = 0;
    for (size_t at = 0, n; rc == 0 && at < size; at += n) {
        n = one_in(&w->random, 3) ? 1 + below(&w->random, size - at) : size - at;
        if (one_in(&w->random, 5))
            rc = rests(&w->random, w->pause_max);
        if (rc == 0)
            rc = kt_stream_write(w->peer, bytes + at, n);
    }
    return rc;
}

static int say_frame(world *w, unsigned first, const char *payload, size_t size)
{
    char *frame = kt_alloc(KT__WS_HEAD_MAX + size);
    uint8_t mask[4];
    CHECK(frame);
    for (int i = 0; i < 4; i++)
        mask[i] = (uint8_t)draw(&w->random);
    size_t head = kt__ws_head_put(frame, first, size, w->client ? NULL : mask);
    if (size > 0)
        memcpy(frame + head, payload, size);
    if (!w->client)
        kt__ws_mask(frame + head, size, mask, 0);
    int rc = say_bytes(w, frame, head + size);
    kt_free(frame);
    return rc;
}

static int say_control(world *w)
{
    char payload[KT__WS_CONTROL_MAX + 1];
    size_t size = one_in(&w->random, 2) ? KT__WS_CONTROL_MAX : 6 + below(&w->random, KT__WS_CONTROL_MAX - 5);
    memset(payload, '.', sizeof payload);
    if (one_in(&w->random, 3))
        return say_frame(w, KT__WS_PONG | KT__WS_FINAL, payload, one_in(&w->random, 2) ? 0 : size);
    snprintf(payload, 7, "%06u", ++w->pings);
    return say_frame(w, KT__WS_PING | KT__WS_FINAL, payload, size);
}

/* Deflate without compression, in blocks of any size, also none; the last block may say that it is, and then there is
 * an empty one (RFC 7692 section 7.2.3.4). */
static size_t put_blocks(world *w, char *out, const char *bytes, size_t size)
{
    size_t n = 0;
    bool final = one_in(&w->random, 4);
    for (size_t at = 0, block; at < size || one_in(&w->random, 4); at += block) {
        block = below(&w->random, (size - at < 0xffff ? size - at : 0xffff) + 1);
        if (one_in(&w->random, 2))
            block = size - at < 0xffff ? size - at : 0xffff;
        bool last = final && at + block == size;
        const uint8_t head[BLOCK] = {
            last, (uint8_t)block, (uint8_t)(block >> 8), (uint8_t)~block, (uint8_t)(~block >> 8)};
        CHECK_LT(n + BLOCK + block, 2 * BYTES_MAX);
        memcpy(out + n, head, BLOCK);
        memcpy(out + n + BLOCK, bytes + at, block);
        n += BLOCK + block;
        if (last)
            break;
    }
    out[n++] = 0;
    return n;
}

static int say_message(world *w, size_t bytes_size)
{
    note *m = new_note(w->theirs, &w->random, bytes_size, 0);
    char *bytes = kt_alloc(2 * BYTES_MAX), *blocks = kt_alloc(2 * BYTES_MAX);
    CHECK(bytes && blocks);
    put_note(bytes, m, 0);
    bool compressed = w->deflate && one_in(&w->random, 2), final = false;
    const char *from = compressed ? blocks : bytes;
    size_t size = compressed ? put_blocks(w, blocks, bytes, m->size) : m->size;
    unsigned first = (unsigned)m->kind | (compressed ? KT__WS_COMPRESSED : 0u);
    int rc = 0;
    for (size_t at = 0, n; rc == 0 && !final; at += n, first = KT__WS_CONTINUATION) {
        n = one_in(&w->random, 2) ? size - at : below(&w->random, size - at + 1);
        final = at + n == size && one_in(&w->random, 2);
        if (one_in(&w->random, 4))
            rc = say_control(w);
        if (rc == 0)
            rc = say_frame(w, first | (final ? KT__WS_FINAL : 0u), from + at, n);
    }
    m->fate = rc == 0 ? SENT : FAILED;
    kt_free(bytes);
    kt_free(blocks);
    return rc;
}

static int say_close(world *w)
{
    char payload[KT__WS_CONTROL_MAX];
    size_t size = one_in(&w->random, 3) ? 0 : below(&w->random, KT__WS_REASON_MAX + 1);
    w->code = one_in(&w->random, 3) ? 1005 : (int)ONE_OF(&w->random, 1000, 1001, 1003, 1011, 3000, 4999);
    if (w->code == 1005)
        return say_frame(w, KT__WS_CLOSE | KT__WS_FINAL, NULL, 0);
    put_text(w->reason, size, draw(&w->random));
    w->reason[size] = '\0';
    payload[0] = (char)(w->code >> 8);
    payload[1] = (char)(w->code & 0xff);
    memcpy(payload + 2, w->reason, size);
    return say_frame(w, KT__WS_CLOSE | KT__WS_FINAL, payload, 2 + size);
}

static int say_the_end(world *w)
{
    if (w->end == CLOSES) {
        int rc = say_close(w);
        return rc == 0 && w->half_closes ? kt_stream_shutdown_write(w->peer) : rc;
    }
    int rc = w->end == ENDS ? kt_stream_shutdown_write(w->peer) : say_message(w, w->bytes_max + 1);
    if (w->end == SAYS_TOO_MUCH)
        w->theirs->notes[w->theirs->count - 1].fate = FAILED;
    return rc;
}

static int peer_says(world *w)
{
    int rc = 0;
    for (size_t left = below(&w->random, MESSAGES_MAX); left > 0 && rc == 0; left--) {
        rc = one_in(&w->random, 3) ? say_control(w) : 0;
        if (rc == 0)
            rc = say_message(w, some_bytes(&w->random, w->bytes_max));
        if (w->heard_code != 0 && one_in(&w->random, 2)) /* section 5.5.1: it may end what it was saying */
            break;
    }
    return rc == 0 ? say_the_end(w) : rc;
}

/* ---- What the peer hears ------------------------------------------------------------------------- */

static void hear_event(world *w, kt_buffer *b, const kt__ws_event *e)
{
    char digits[7] = "";
    if (e->type == KT__WS_CLOSE)
        w->heard_code = e->code;
    if (e->type == KT__WS_PONG) {
        CHECK_GE(e->data.size, 6);
        memcpy(digits, e->data.data, 6);
        unsigned number = (unsigned)strtoul(digits, NULL, 10);
        CHECK_GT(number, w->ponged);
        CHECK_LE(number, w->pings);
        w->ponged = number;
    }
    if (e->type >= KT__WS_CLOSE)
        return;
    CHECK(!e->compressed);
    CHECK_OK(kt_buffer_append(b, e->data.data, e->data.size));
    if (!e->final)
        return;
    hear_note(w->ours, (kt_websocket_kind)e->type, b->data, b->size);
    kt_buffer_clear(b);
}

/* A server that hears too much closes, and what it has not read resets the connection. */
static bool is_cut(const world *w, ssize_t rc)
{
    return w->end == SAYS_TOO_MUCH && !w->client && (rc == -ECONNRESET || rc == -EPIPE);
}

KT_FN(peer_hears, a, struct { world *w; })
{
    world *w = a->w;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    kt__ws_reader r = {.masked = w->client};
    char bytes[1000];
    size_t have = 0;
    ssize_t n = 1;
    while (n > 0 && w->heard_code == 0) {
        kt__ws_event e;
        n = kt__ws_feed(&r, bytes, have, &e);
        CHECK_GE(n, 0);
        if (e.type != 0)
            hear_event(w, &b, &e);
        have -= (size_t)n;
        memmove(bytes, bytes + n, have);
        if (n > 0 || e.type != 0) {
            n = 1;
            continue;
        }
        n = rests(&w->random, w->pause_max);
        if (n == 0)
            n = kt_stream_read(w->peer, bytes + have, 1 + below(&w->random, sizeof bytes - have));
        have += n > 0 ? (size_t)n : 0;
    }
    CHECK(n > 0 || is_cut(w, n));
    return 0;
}

KT_FN(peer_lives, a, struct { world *w; })
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    CHECK_OK(kt_group_spawn(&g, KT_WITH(peer_hears, .w = a->w)));
    int rc = peer_says(a->w);
    CHECK(rc == 0 || is_cut(a->w, rc));
    return kt_group_join(&g, 0);
}

/* ---- Our end ------------------------------------------------------------------------------------- */

KT_FN(writes, a, struct { world *w; })
{
    world *w = a->w;
    int rc = 0;
    for (size_t left = below(&w->random, MESSAGES_MAX); left > 0 && rc == 0; left--) {
        note *n = new_note(w->ours, &w->random, some_bytes(&w->random, w->bytes_max), 0);
        char *bytes = kt_alloc(n->size + 1);
        CHECK(bytes);
        put_note(bytes, n, 0);
        rc = rests(&w->random, w->pause_max);
        if (rc == 0)
            rc = kt_websocket_write(w->ws, n->kind, bytes, n->size);
        n->fate = rc == 0 ? SENT : FAILED;
        kt_free(bytes);
    }
    if (rc == 0 && w->closes_first)
        rc = kt_websocket_shutdown(w->ws, 4000, "enough");
    CHECK(rc == 0 || rc == KT_ECLOSED);
    return 0;
}

static int read_once(world *w, bool part, kt_websocket_message *m, bool *ret_late)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, one_in(&w->random, w->limits_in) ? some_time(&w->random, KT_MS(20)) : KT_FOREVER);
    int rc = part ? kt_websocket_read_part(w->ws, m) : kt_websocket_read(w->ws, m);
    *ret_late = rc == KT_ETIMEDOUT && kt_timeout_expired(&limit);
    (void)!kt_timeout_end(&limit, 0);
    return rc;
}

static int reads(world *w)
{
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    kt_websocket_message m = {.final = true};
    bool part = false, late;
    int rc;
    for (;;) {
        if (m.final) { /* a read that was cancelled in a message may be followed by one of a piece */
            part = w->end != SAYS_TOO_MUCH && one_in(&w->random, 2); /* pieces have no limit */
            kt_buffer_clear(&b);
        }
        if (one_in(&w->random, 4) && (rc = rests(&w->random, w->pause_max)) < 0)
            return rc;
        rc = read_once(w, part, &m, &late);
        if (late)
            continue;
        if (rc <= 0)
            return rc;
        CHECK_OK(kt_buffer_append(&b, m.data.data, m.data.size));
        if (m.final)
            hear_note(w->theirs, m.kind, b.data, b.size);
    }
}

static void check_end(const world *w, int rc)
{
    static const int results[] = {0, KT_EINCOMPLETE, KT_ELIMIT}, codes[] = {0, 1006, 0};
    CHECK_EQ(rc, results[w->end]);
    CHECK_EQ(kt_websocket_close_code(w->ws), w->end == CLOSES ? w->code : codes[w->end]);
    CHECK_STR(kt_websocket_close_reason(w->ws), w->reason);
    check_all_heard(w->theirs);
}

/* What the peer has heard. */
static void check_peer(const world *w)
{
    const int codes[] = {w->code, 1000, 1009};
    if (w->heard_code == 0 && is_cut(w, -ECONNRESET))
        return;
    CHECK(w->heard_code == codes[w->end] || (w->closes_first && w->heard_code == 4000));
    check_all_heard(w->ours);
    if (w->end == CLOSES && !w->closes_first)
        CHECK_EQ(w->ponged, w->pings);
}

static int lives(world *w)
{
    kt_auto(kt_group) peer = KT_GROUP_INIT, writers = KT_GROUP_INIT;
    CHECK_OK(kt_group_spawn(&peer, KT_WITH(peer_lives, .w = w)));
    CHECK_OK(kt_group_spawn(&writers, KT_WITH(writes, .w = w)));
    check_end(w, reads(w));
    CHECK_OK(kt_group_join(&writers, 0));
    if (w->end != CLOSES)
        kt_websocket_close(kt_steal(w->ws));
    CHECK_OK(kt_group_join(&peer, 0));
    check_peer(w);
    return 0;
}

/* ---- Worlds -------------------------------------------------------------------------------------- */

static void open_ends(world *w)
{
    kt_listener *l = NULL;
    kt_stream *near = NULL;
    kt_websocket_options o;
    const kt_websocket_options given = {.message_bytes_max = w->bytes_max, .ping_interval = -1,
                                        .close_timeout = LIMIT, .write_timeout = LIMIT};
    const kt__ws_deflate deflate = {.on = true, .bits_out = 8, .bits_in = 15, .forget_in = one_in(&w->random, 2)};
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(l), &near));
    CHECK_OK(kt_listener_accept(l, &w->peer));
    kt_listener_close(l);
    CHECK_OK(kt__ws_options_fill(&given, &o));
    w->ws = kt__ws_new(near, w->client, &o, w->deflate ? &deflate : NULL);
    CHECK(w->ws);
    w->ws->owns_stream = true;
}

static int world_of(uint64_t seed, void *unused)
{
    static world w;
    (void)unused;
    w = (world){.random = seed};
    uint64_t *r = &w.random;
    kt_test_network_options o = {
        .seed = 1 + below(r, 1000000),
        .latency = (kt_time)ONE_OF(r, 0, KT_US(50), KT_MS(2)),
        .segment_max = ONE_OF(r, 1, 7, 100, 1460, 16384),
        .window = ONE_OF(r, 100, 5000, 65536),
    };
    w.end = one_in(r, 2) ? CLOSES : one_in(r, 2) ? ENDS : SAYS_TOO_MUCH;
    w.client = one_in(r, 2);
    w.deflate = one_in(r, 2);
    w.closes_first = one_in(r, 3);
    w.half_closes = one_in(r, 3);
    w.bytes_max = o.segment_max < 1000 || o.window < 1000 ? 500 : ONE_OF(r, 500, 20000, FRAME_MAX);
    w.pause_max = (kt_time)ONE_OF(r, 0, KT_US(100), KT_MS(5));
    w.limits_in = (unsigned)ONE_OF(r, 0, 2, 10);
    kt_test_network *n = kt_test_network_open(&o);
    kt_test_network_use(n);
    open_ends(&w);
    CHECK_OK(lives(&w));
    kt_stream_close(w.peer);
    kt_websocket_close(w.ws);
    kt_test_network_close(n);
    return 0;
}

TEST_WITH(odd_peers_are_understood_and_answered, KT_TEST_NO_LOOP)
{
    each_world(worlds(SEEDS), world_of, NULL);
}
