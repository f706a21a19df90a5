/* SPDX-License-Identifier: MIT */
/* Credentials of a client that asks for many things at once. */
#include "client_site.h"

enum { CROWD = 10, SEEN_MAX = 256 };

/* What a gate wants to see. */
typedef enum wish {
    BASIC,
    ONE_NONCE,     /* Digest, the same for all */
    FRESH_NONCES,  /* another with each refusal; all are good for ever */
    SINGLE_NONCES, /* the same, for one request each: afterwards it is stale */
    SILENT_NONCES, /* the same, but nobody is told that it is stale */
    STALE_NONCES,  /* none is ever good */
} wish;

/* Lets in whom it knows. eve is nobody. */
typedef struct gate {
    wish wants;
    net n;
    site s;
    kt_http_session *web;
    int requests, nonces, replays;
    char seen[SEEN_MAX][64]; /* user, nonce, and its count, of what was let in */
    int seen_count;
} gate;

static void take_word(const char *text, const char *name, char word[32])
{
    const char *at = strstr(text, name);
    CHECK(at);
    at += strlen(name);
    snprintf(word, 32, "%.*s", (int)strcspn(at, "\","), at);
}

static bool was_seen(const gate *g, const char *what)
{
    for (int i = 0; i < g->seen_count; i++)
        if (strncmp(g->seen[i], what, strlen(what)) == 0)
            return true;
    return false;
}

static bool digest_is_good(gate *g, const char *shown, char user[32], bool *ret_stale)
{
    char nonce[32], count[32], use[64], first[64];
    take_word(shown, "username=\"", user);
    take_word(shown, ", nonce=\"", nonce);
    take_word(shown, ", nc=", count);
    snprintf(first, sizeof first, "%.20s %.20s ", user, nonce);
    snprintf(use, sizeof use, "%.43s%.20s", first, count);
    g->replays += was_seen(g, use);
    bool single = g->wants == SINGLE_NONCES || g->wants == SILENT_NONCES;
    bool over = g->wants == STALE_NONCES || (single && was_seen(g, first));
    *ret_stale = over && g->wants != SILENT_NONCES;
    if (over)
        return false;
    CHECK_LT(g->seen_count, SEEN_MAX);
    memcpy(g->seen[g->seen_count++], use, sizeof use);
    return strcmp(user, "eve") != 0;
}

static bool basic_is_good(const char *shown, char user[32])
{
    bool is_ann = strcmp(shown, "Basic YW5uOnB3") == 0, is_bob = strcmp(shown, "Basic Ym9iOnB3") == 0;
    snprintf(user, 32, "%s", is_ann ? "ann" : "bob");
    return is_ann || is_bob;
}

/* Its body comes later, so that there is time between a challenge and its answer. */
static int challenges(gate *g, kt_http_exchange *x, bool stale)
{
    char field[128] = "Basic realm=\"r\"";
    g->nonces += g->wants != ONE_NONCE;
    if (g->wants != BASIC)
        snprintf(field, sizeof field, "Digest realm=\"r\", qop=auth, nonce=\"n%d\"%s", g->nonces,
                 stale ? ", stale=true" : "");
    int rc = kt_http_header(x, "WWW-Authenticate", field);
    if (rc == 0)
        rc = kt_http_start(x, 401, "text/plain");
    if (rc == 0)
        rc = kt_http_flush(x);
    if (rc == 0)
        rc = kt_sleep(KT_MS(5));
    return rc < 0 ? rc : kt_http_write(x, "no", 2);
}

/* All of a crowd have asked before the first of them hears. */
static int guards(kt_http_exchange *x, void *arg)
{
    gate *g = arg;
    char shown[512], user[32] = "";
    bool stale = false;
    kt_slice field = kt_http_request_header(x, "Authorization");
    snprintf(shown, sizeof shown, "%.*s", (int)field.size, field.data ? field.data : "");
    g->requests++;
    int rc = kt_sleep(KT_MS(5));
    bool good = field.data && (g->wants == BASIC ? basic_is_good(shown, user) : digest_is_good(g, shown, user, &stale));
    if (rc < 0 || !good)
        return rc < 0 ? rc : challenges(g, x, stale);
    return kt_http_respond(x, 200, "text/plain", user, strlen(user));
}

static void gate_open(gate *g, wish wants, kt_http_session_options o)
{
    sim_only();
    *g = (gate){.wants = wants, .n = net_open((kt_test_network_options){0})};
    site_open(&g->s, NULL, guards, g);
    g->web = session_for(kt_listener_port(g->s.l), o);
}

static void gate_close(gate *g)
{
    kt_http_session_close(g->web);
    site_close(&g->s);
    net_cleanup(&g->n);
}

/* Who asks, and what he has to hear. */
typedef struct asker {
    const char *user, *answer;
    const char *url; /* NULL: "/" */
} asker;

KT_FN(asks_as, a, struct { kt_http_session *web; asker who; })
{
    const kt_http_request q = {.url = a->who.url ? a->who.url : "/", .user = a->who.user, .password = "pw"};
    CHECK_STR(ask_with(a->web, &q), a->who.answer);
    return 0;
}

/* A crowd of these in turn. How many requests it took. */
static int crowd_of(gate *g, const asker *who, size_t count)
{
    kt_auto(kt_group) all = KT_GROUP_INIT;
    int before = g->requests;
    for (size_t i = 0; i < CROWD; i++)
        CHECK_OK(kt_group_spawn(&all, KT_WITH(asks_as, .web = g->web, .who = who[i % count])));
    CHECK_OK(kt_group_join(&all, 0));
    CHECK_EQ(g->replays, 0);
    return g->requests - before;
}

/* The requests of two crowds, one after the other, over each version of HTTP. */
static void check_crowds(wish wants, const asker *who, size_t count, int first, int second)
{
    for (kt_http_protocol version = KT_HTTP_1; version <= KT_HTTP_2; version++) {
        gate g;
        gate_open(&g, wants, (kt_http_session_options){.version = version, .user = "ann", .password = "pw"});
        CHECK_EQ(crowd_of(&g, who, count), first);
        CHECK_EQ(crowd_of(&g, who, count), second);
        gate_close(&g);
    }
}

/* ---- One user -------------------------------------------------------------------------------------- */

static const asker ann = {.user = "ann", .answer = "200 ann"};

TEST(crowd_gets_in_by_basic)
{
    check_crowds(BASIC, &ann, 1, 2 * CROWD, CROWD);
}

TEST(crowd_gets_in_by_one_nonce_and_counts_its_uses)
{
    check_crowds(ONE_NONCE, &ann, 1, 2 * CROWD, CROWD);
}

TEST(crowd_gets_in_where_each_refusal_has_a_fresh_nonce)
{
    check_crowds(FRESH_NONCES, &ann, 1, 2 * CROWD, CROWD);
}

TEST(crowd_gets_in_where_a_nonce_is_stale_after_its_use)
{
    check_crowds(SINGLE_NONCES, &ann, 1, 2 * CROWD, 2 * CROWD);
}

TEST(crowd_gets_in_where_a_nonce_is_over_after_its_use)
{
    check_crowds(SILENT_NONCES, &ann, 1, 2 * CROWD, 2 * CROWD);
}

/* ---- Several --------------------------------------------------------------------------------------- */

TEST(users_of_one_origin_do_not_disturb_each_other)
{
    static const asker both[] = {{.user = "ann", .answer = "200 ann"}, {.user = "bob", .answer = "200 bob"}};
    check_crowds(BASIC, both, 2, 2 * CROWD, CROWD);
    check_crowds(ONE_NONCE, both, 2, 2 * CROWD, CROWD);
    check_crowds(FRESH_NONCES, both, 2, 2 * CROWD, CROWD);
    check_crowds(SINGLE_NONCES, both, 2, 2 * CROWD, 2 * CROWD);
    check_crowds(SILENT_NONCES, both, 2, 2 * CROWD, 2 * CROWD);
}

TEST(users_of_session_url_and_request_do_not_disturb_each_other)
{
    gate g;
    char url[64];
    gate_open(&g, FRESH_NONCES, (kt_http_session_options){.user = "ann", .password = "pw"});
    snprintf(url, sizeof url, "http://joe:pw@127.0.0.1:%u/", kt_listener_port(g.s.l));
    const asker three[] = {
        {.answer = "200 ann"}, {.user = "bob", .answer = "200 bob"}, {.url = url, .answer = "200 joe"}};
    CHECK_EQ(crowd_of(&g, three, 3), 2 * CROWD);
    CHECK_EQ(crowd_of(&g, three, 3), CROWD);
    gate_close(&g);
}

TEST(users_beyond_those_that_are_remembered_get_in)
{
    static const asker many[CROWD] = {
        {.user = "a", .answer = "200 a"}, {.user = "b", .answer = "200 b"}, {.user = "c", .answer = "200 c"},
        {.user = "d", .answer = "200 d"}, {.user = "e", .answer = "200 e"}, {.user = "f", .answer = "200 f"},
        {.user = "g", .answer = "200 g"}, {.user = "h", .answer = "200 h"}, {.user = "i", .answer = "200 i"},
        {.user = "j", .answer = "200 j"},
    };
    gate g;
    gate_open(&g, FRESH_NONCES, (kt_http_session_options){0});
    CHECK_EQ(crowd_of(&g, many, CROWD), 2 * CROWD);
    crowd_of(&g, many, CROWD);
    gate_close(&g);
}

/* ---- Nobody ---------------------------------------------------------------------------------------- */

static const asker eve = {.user = "eve", .answer = "401 no"};

TEST(crowd_with_wrong_credentials_is_refused_after_one_answer)
{
    check_crowds(BASIC, &eve, 1, 2 * CROWD, CROWD);
    check_crowds(ONE_NONCE, &eve, 1, 2 * CROWD, 2 * CROWD);
    check_crowds(FRESH_NONCES, &eve, 1, 2 * CROWD, 2 * CROWD);
    check_crowds(SINGLE_NONCES, &eve, 1, 2 * CROWD, 2 * CROWD);
}

TEST(wrong_credentials_do_not_lock_the_right_ones_out)
{
    static const asker both[] = {{.user = "ann", .answer = "200 ann"}, {.user = "eve", .answer = "401 no"}};
    check_crowds(BASIC, both, 2, 2 * CROWD, CROWD);
    check_crowds(FRESH_NONCES, both, 2, 2 * CROWD, CROWD + CROWD / 2);
}

TEST(crowd_leaves_a_server_that_calls_every_nonce_stale)
{
    static const asker lost = {.user = "ann", .answer = "401 no"};
    check_crowds(STALE_NONCES, &lost, 1, 4 * CROWD, 4 * CROWD);
}
