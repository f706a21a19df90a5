/* SPDX-License-Identifier: MIT */
/* Hubs, and clients that come again, by lot: members come and go, read slowly or not at all for a while, and are lost;
 * whatever becomes of them, what each is sent is whole, in order, and once, and no more of it is missing than the hub
 * says.
 *
 * KETTLE_TEST_SEEDS says how many worlds there are. */
#include "post.h"
#include "websocket_chaos.h"

enum { SEEDS = 300, CLIENTS_MAX = 6, TOPICS = 3, ISSUES_MAX = 300, MEMBERS_MAX = 300, HEAD = 7 };

#define LIMIT KT_S(3600)

typedef struct world world;

/* A connection at the server. */
typedef struct member {
    world *w;
    kt_websocket *ws; /* NULL once it has ended */
    bool in[TOPICS];
    uint16_t due[ISSUES_MAX]; /* what was published for it */
    size_t due_count, at;     /* and the first of them that may be heard next */
    size_t heard, answered, answers;
} member;

/* A client, which connects again. */
typedef struct client {
    world *w;
    size_t number;
    member *now; /* at the other end of its connection */
    int result;
} client;

typedef struct issue {
    note n;
    unsigned topic;
} issue;

struct world {
    uint64_t random;
    bool h2, kind, over;
    kt_websocket_slow slow;
    size_t bytes_max;
    kt_time pause_max;
    unsigned limits_in, leaves_in;
    post p;
    kt_http_session *web;
    kt_websocket_hub *hub;
    kt_websocket_options o;
    client clients[CLIENTS_MAX];
    member members[MEMBERS_MAX];
    issue issues[ISSUES_MAX];
    size_t client_count, member_count, issue_count, sent;
};

static const char *const topics[TOPICS] = {"a", "b", "c"};

/* ---- Messages ------------------------------------------------------------------------------------ */

/* The kind, a number, and bytes that belong to it. */
static void put_issue(char *bytes, const issue *i, size_t number)
{
    char head[HEAD + 1];
    snprintf(head, sizeof head, "i%06zu", number);
    memcpy(bytes, head, HEAD);
    if (i->n.kind == KT_WEBSOCKET_TEXT)
        put_text(bytes + HEAD, i->n.size - HEAD, i->n.seed);
    else
        put_bytes(bytes + HEAD, i->n.size - HEAD, i->n.seed);
}

static void check_place(member *m, size_t number)
{
    bool drops = m->w->slow == KT_WEBSOCKET_DROP_OLDEST || m->w->slow == KT_WEBSOCKET_DROP_NEWEST;
    while (drops && m->at < m->due_count && m->due[m->at] != number)
        m->at++;
    CHECK_LT(m->at, m->due_count);
    CHECK_EQ(m->due[m->at], number);
    m->at++;
    m->heard++;
}

static void hear_issue(member *m, const kt_websocket_message *got)
{
    static char expected[BYTES_MAX + HEAD];
    char head[HEAD + 1] = "";
    CHECK_GE(got->data.size, HEAD);
    memcpy(head, got->data.data, HEAD);
    size_t number = strtoul(head + 1, NULL, 10);
    if (head[0] == 'r') {
        CHECK_EQ(number, m->answered++);
        return;
    }
    CHECK_LT(number, m->w->issue_count);
    const issue *i = &m->w->issues[number];
    CHECK_EQ(i->n.fate, SENT);
    CHECK_EQ(got->kind, i->n.kind);
    CHECK_EQ(got->data.size, i->n.size);
    put_issue(expected, i, number);
    CHECK(memcmp(got->data.data, expected, i->n.size) == 0);
    check_place(m, number);
}

/* ---- The server ---------------------------------------------------------------------------------- */

/* Whole, or in pieces between which nothing may come. */
static int answers(member *m)
{
    char bytes[2000] = "";
    size_t size = HEAD + below(&m->w->random, sizeof bytes - HEAD);
    snprintf(bytes, sizeof bytes, "r%06zu", m->answers++);
    if (one_in(&m->w->random, 2))
        return kt_websocket_write(m->ws, KT_WEBSOCKET_BINARY, bytes, size);
    int rc = kt_websocket_write_part(m->ws, KT_WEBSOCKET_BINARY, bytes, HEAD, false);
    if (rc == 0)
        rc = rests(&m->w->random, m->w->pause_max);
    return rc < 0 ? rc : kt_websocket_write_part(m->ws, KT_WEBSOCKET_BINARY, bytes + HEAD, size - HEAD, true);
}

/* "+a" and "-a" subscribe and do not; "?" is answered, between what is published. */
static int obeys(member *m, const kt_websocket_message *got)
{
    unsigned topic = (unsigned)got->data.data[got->data.size - 1] - 'a';
    if (got->data.data[0] == '?')
        return answers(m);
    CHECK_LT(topic, TOPICS);
    m->in[topic] = got->data.data[0] == '+';
    if (m->in[topic])
        return kt_websocket_hub_subscribe(m->w->hub, m->ws, topics[topic]);
    kt_websocket_hub_unsubscribe(m->w->hub, m->ws, topics[topic]);
    return 0;
}

static member *member_of(world *w, const kt_websocket *ws)
{
    member *m = w->members;
    while (m->ws != ws)
        CHECK_LT(++m, w->members + w->member_count);
    return m;
}

static int on_message(kt_websocket_hub *hub, kt_websocket *ws, const kt_websocket_message *got, void *arg)
{
    (void)hub;
    return obeys(member_of(arg, ws), got);
}

static void ends(member *m)
{
    m->ws = NULL;
    memset(m->in, 0, sizeof m->in);
}

static void on_end(kt_websocket_hub *hub, kt_websocket *ws, int rc, void *arg)
{
    (void)hub;
    (void)rc;
    ends(member_of(arg, ws));
}

static int reads(member *m)
{
    kt_websocket_message got;
    int rc;
    while ((rc = kt_websocket_read(m->ws, &got)) > 0)
        if ((rc = obeys(m, &got)) < 0)
            return rc;
    return rc;
}

static int serves(kt_http_exchange *x, void *arg)
{
    world *w = arg;
    kt_websocket *ws = NULL;
    if (w->member_count == MEMBERS_MAX)
        return -EMFILE;
    int rc = kt_websocket_accept(x, &w->o, &ws);
    if (rc < 0)
        return 0;
    member *m = &w->members[w->member_count++];
    *m = (member){.w = w, .ws = ws};
    w->clients[kt_http_path(x).data[1] - '0'].now = m;
    if (one_in(&w->random, 2) && kt_websocket_hub_keep(w->hub, &ws) == 0)
        return 0;
    rc = reads(m);
    ends(m);
    kt_websocket_close(ws);
    return rc;
}

/* ---- Publishers ---------------------------------------------------------------------------------- */

static void note_due(world *w, size_t number, int n)
{
    int most = 0;
    for (member *m = w->members; m < w->members + w->member_count; m++) {
        if (!m->in[w->issues[number].topic])
            continue;
        m->due[m->due_count++] = (uint16_t)number;
        most++;
    }
    CHECK_LE(n, most);
    w->sent += (size_t)n;
}

static int publish(world *w)
{
    size_t number = w->issue_count++;
    issue *i = &w->issues[number];
    char *bytes = kt_alloc(BYTES_MAX + HEAD);
    CHECK(bytes);
    *i = (issue){.topic = (unsigned)below(&w->random, TOPICS)};
    i->n.seed = draw(&w->random);
    i->n.size = HEAD + some_bytes(&w->random, w->bytes_max);
    i->n.kind = one_in(&w->random, 2) ? KT_WEBSOCKET_TEXT : KT_WEBSOCKET_BINARY;
    put_issue(bytes, i, number);
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, one_in(&w->random, w->limits_in) ? some_time(&w->random, KT_MS(20)) : KT_FOREVER);
    int rc = kt_websocket_hub_publish(w->hub, topics[i->topic], i->n.kind, bytes, i->n.size);
    i->n.fate = rc >= 0 ? SENT : FAILED;
    if (rc >= 0)
        note_due(w, number, rc);
    kt_free(bytes);
    bool fired = rc == KT_ETIMEDOUT && kt_timeout_expired(&limit);
    (void)!kt_timeout_end(&limit, 0);
    return fired ? 0 : rc;
}

KT_FN(publishes, a, struct { world *w; })
{
    world *w = a->w;
    int rc = 0;
    for (size_t left = below(&w->random, ISSUES_MAX / 3); left > 0 && rc >= 0; left--) {
        rc = rests(&w->random, w->pause_max);
        if (rc >= 0)
            rc = publish(w);
    }
    return rc < 0 ? rc : 0;
}

/* ---- Clients ------------------------------------------------------------------------------------- */

static int asks(kt_websocket *ws, world *w)
{
    char text[3] = {"+-?+"[below(&w->random, 4)], (char)('a' + (int)below(&w->random, TOPICS)), '\0'};
    return kt_websocket_write(ws, KT_WEBSOCKET_TEXT, text, 2);
}

static int talks(kt_websocket *ws, void *arg)
{
    client *c = arg;
    world *w = c->w;
    member *m = c->now;
    kt_websocket_message got;
    int rc = 0;
    for (size_t asked = 0; rc >= 0;) {
        if (!w->over && one_in(&w->random, 3)) /* what has been read is not the end of what waits */
            rc = rests(&w->random, w->pause_max);
        if (rc >= 0 && !w->over && (asked++ < 2 || one_in(&w->random, 8)))
            rc = asks(ws, w);
        if (rc >= 0 && !w->over && one_in(&w->random, w->leaves_in))
            return 0;
        if (rc < 0 || (rc = kt_websocket_read(ws, &got)) <= 0)
            break;
        hear_issue(m, &got);
    }
    return rc;
}

KT_FN(comes, a, struct { client *c; })
{
    client *c = a->c;
    char url[64];
    kt_websocket_run_options o = {.websocket = c->w->o, .first_wait = KT_MS(20), .wait_max = KT_S(1)};
    snprintf(url, sizeof url, "ws://" SERVERS ":%u/%zu", c->w->p.port, c->number);
    c->result = kt_websocket_run(c->w->web, url, &o, talks, c);
    return 0;
}

/* ---- Worlds -------------------------------------------------------------------------------------- */

/* All is quiet: who is still there has heard what it was to hear. */
static void check_heard(const world *w)
{
    size_t all = 0, live = 0;
    for (const member *m = w->members; m < w->members + w->member_count; m++) {
        all += m->heard;
        live += m->ws != NULL;
        if (!m->ws || w->slow == KT_WEBSOCKET_DROP_NEWEST)
            continue;
        CHECK_EQ(m->at, m->due_count);
        CHECK_EQ(m->answered, m->answers);
    }
    if (w->slow == KT_WEBSOCKET_DROP_NEWEST && live == w->member_count)
        CHECK_EQ(all, w->sent);
}

static void says_goodbye(world *w)
{
    for (member *m = w->members; m < w->members + w->member_count; m++)
        if (m->ws)
            CHECK_OK(kt_websocket_shutdown(m->ws, 1000, NULL));
}

static int lives(world *w)
{
    kt_auto(kt_group) clients = KT_GROUP_INIT, others = KT_GROUP_INIT, publishers = KT_GROUP_INIT;
    int rc = kt_group_spawn(&others, KT_WITH(troubles, .p = &w->p, .random = &w->random));
    for (size_t i = 0; i < w->client_count && rc == 0; i++) {
        w->clients[i] = (client){.w = w, .number = i};
        rc = kt_group_spawn(&clients, KT_WITH(comes, .c = &w->clients[i]));
    }
    for (size_t i = 0; i < 2 && rc == 0; i++)
        rc = kt_group_spawn(&publishers, KT_WITH(publishes, .w = w));
    CHECK_OK(kt_group_join(&publishers, rc));
    kt_group_cancel(&others);
    (void)!kt_group_join(&others, 0);
    w->over = true;
    CHECK_OK(kt_sleep(KT_S(60)));
    check_heard(w);
    CHECK_GT(facts_of(w->web).opened, 0);
    says_goodbye(w);
    CHECK_OK(kt_group_join(&clients, 0));
    for (size_t i = 0; i < w->client_count; i++)
        CHECK_EQ(w->clients[i].result, 1000);
    return 0;
}

static void draw_world(world *w)
{
    uint64_t *r = &w->random;
    w->h2 = one_in(r, 2);
    w->kind = !one_in(r, 3);
    w->p.comes_and_goes = one_in(r, 3);
    w->p.loses = !w->kind;
    w->p.away = KT_S(2);
    w->slow = (kt_websocket_slow)below(r, 4);
    w->pause_max = (kt_time)ONE_OF(r, KT_US(100), KT_MS(5), KT_MS(100));
    w->limits_in = (unsigned)ONE_OF(r, 0, 2, 10);
    w->leaves_in = (unsigned)ONE_OF(r, 0, 0, 10);
    w->client_count = 1 + below(r, CLIENTS_MAX);
    w->o = (kt_websocket_options){
        .no_deflate = one_in(r, 3),
        .deflate_forget = one_in(r, 3),
        .deflate_window_bits = (uint8_t)ONE_OF(r, 0, 0, 9, 12),
        .deflate_from = (uint32_t)ONE_OF(r, 0, 1, 1000),
        .ping_interval = w->kind && one_in(r, 3) ? -1 : (kt_time)ONE_OF(r, KT_MS(300), KT_S(5)),
        .ping_timeout = w->kind ? LIMIT : (kt_time)ONE_OF(r, KT_S(1), KT_S(5)),
        .close_timeout = (kt_time)ONE_OF(r, KT_MS(10), KT_S(1)),
        .write_timeout = w->kind ? LIMIT : (kt_time)ONE_OF(r, KT_MS(500), KT_S(5)),
    };
    w->p.o = (kt_http_options){.grace = KT_S(1), .write_timeout = LIMIT, .request_timeout = -1};
}

static void draw_network(world *w)
{
    uint64_t *r = &w->random;
    kt_test_network_options o = some_network(r);
    o.segment_max = ONE_OF(r, 100, 1460, 1460, 16384);
    o.window = ONE_OF(r, 1000, 5000, 65536, 131072);
    bool narrow = o.segment_max < 1000 || o.window < 5000;
    w->bytes_max = narrow ? 500 : ONE_OF(r, 200, 5000, 20000);
    post_network(&w->p, &o);
}

static int world_of(uint64_t seed, void *unused)
{
    static world w;
    (void)unused;
    w = (world){.random = seed, .p.s = {.handler = serves, .arg = &w}};
    draw_world(&w);
    draw_network(&w);
    const kt_http_session_options session = {
        .version = w.h2 ? KT_HTTP_2 : KT_HTTP_1,
        .timeouts = {.pool = LIMIT, .connect = KT_S(5), .first_byte = KT_S(5), .total = KT_S(5)},
    };
    const kt_websocket_hub_options hub = {
        .queue_bytes_max = ONE_OF(&w.random, 1, 1000, 30000, 0), .slow = w.slow,
        .on_message = on_message, .on_end = on_end, .arg = &w};
    CHECK_OK(kt_websocket_hub_new(&hub, &w.hub));
    CHECK_OK(kt_http_session_open(&session, &w.web));
    post_open(&w.p);
    CHECK_OK(lives(&w));
    CHECK_OK(kt_sleep(KT_S(10)));
    CHECK_EQ(kt_websocket_hub_count(w.hub, NULL), 0);
    kt_http_session_close(w.web);
    site_close(&w.p.s);
    kt_websocket_hub_free(w.hub);
    kt_test_network_close(w.p.n);
    return 0;
}

TEST_WITH(members_of_a_hub_hear_what_they_should_whatever_becomes_of_them, KT_TEST_NO_LOOP)
{
    each_world(worlds(SEEDS), world_of, NULL);
}
