/* SPDX-License-Identifier: MIT */
/* What Digest signs where the request is not plain: upgrades, and what goes by way of a proxy. */
#include "client_site.h"

#include <kettle/http_auth.h>
#include <kettle/tls.h>

#include "../tls/certificates.h"

#define CHALLENGE "Digest realm=\"r\", qop=\"auth\", algorithm=SHA-256, nonce=\"n1\""

/* Are these ann's credentials for this request, by her words of chance and her count? */
static bool signs(kt_slice value, const char *method, const char *uri)
{
    char text[1024], cnonce[64] = "";
    unsigned count = 0;
    kt_auto(kt_http_auth) *auth = NULL;
    kt_auto(kt_buffer) expected = KT_BUFFER_INIT;
    const kt_slice challenge = {CHALLENGE, sizeof CHALLENGE - 1};
    const kt_http_auth_request q = {.method = method, .target = kt_slice_from(uri)};
    snprintf(text, sizeof text, "%.*s", (int)value.size, value.data ? value.data : "");
    const char *chance = strstr(text, "cnonce=\""), *nc = strstr(text, "nc=");
    if (!chance || !nc || sscanf(chance, "cnonce=\"%63[0-9a-f]", cnonce) != 1 || sscanf(nc, "nc=%x", &count) != 1)
        return false;
    const kt_http_auth_options o = {.user = "ann", .password = "pw", .cnonce = cnonce};
    CHECK_OK(kt_http_auth_new(&o, &auth));
    CHECK_EQ(kt_http_auth_challenge(auth, &challenge, 1), 1);
    for (unsigned i = 0; i < count; i++) {
        kt_buffer_clear(&expected);
        CHECK_EQ(kt_http_auth_value(auth, &q, &expected), 1);
    }
    return kt_slice_equal(value, kt_buffer_slice(&expected));
}

/* ---- Upgrades -------------------------------------------------------------------------------------- */

/* Upgrades those who sign what goes on the wire: an extended CONNECT over HTTP/2 (RFC 8441 section 4). */
typedef struct gate {
    net n;
    site s;
    kt_http_options o;
    kt_tls_config *server_tls, *client_tls;
    kt_http_session *web;
    int challenged, upgraded;
    char version[16], refused[512]; /* of the last request for an upgrade; what was shown and is not good */
    int before;        /* attempts, at upgrades and at others */
    int shares_at;     /* before that one a connection of HTTP/2 is made, */
    const char *shows; /* and it shows this; or NULL */
} gate;

static int guards(kt_http_exchange *x, void *arg)
{
    gate *g = arg;
    kt_stream *s = NULL;
    bool is_2 = strcmp(kt_http_version(x), "HTTP/2") == 0;
    if (kt_slice_is(kt_http_path(x), "/plain"))
        return hello(x, NULL);
    kt_slice field = kt_http_request_header(x, "Authorization");
    snprintf(g->version, sizeof g->version, "%s", kt_http_version(x));
    if (!signs(field, is_2 ? "CONNECT" : "GET", "/chat?room=1")) {
        g->challenged++;
        snprintf(g->refused, sizeof g->refused, "%.*s", (int)field.size, field.data ? field.data : "");
        int rc = kt_http_header(x, "WWW-Authenticate", CHALLENGE);
        return rc < 0 ? rc : kt_http_respond(x, 401, "text/plain", "no", 2);
    }
    g->upgraded++;
    return kt_http_upgrade(x, "echo", &s);
}

static int looks(kt_http_attempt *a, void *arg)
{
    gate *g = arg;
    if (++g->before != g->shares_at)
        return 0;
    CHECK_STR(ask(g->web, "/plain"), "200 hello\n");
    return g->shows ? kt_http_attempt_header(a, "Authorization", g->shows) : 0;
}

static void gate_open(gate *g, bool tls, kt_http_session_options o)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    char base[64];
    const kt_tls_certificate certificate = {.chain_pem = certificate_of(good()), .key_pem = key_of(good())};
    const kt_tls_server_options server = {.certificates = &certificate, .certificate_count = 1, .alpn = both};
    const kt_tls_client_options client = {.ca_pem = certificate_of(authority()), .no_system_trust = true};
    *g = (gate){.n = net_open((kt_test_network_options){0})};
    CHECK_OK(kt_tls_server_new(&server, &g->server_tls));
    CHECK_OK(kt_tls_client_new(&client, &g->client_tls));
    g->o.tls = tls ? g->server_tls : NULL;
    site_open(&g->s, &g->o, guards, g);
    snprintf(base, sizeof base, "http%s://127.0.0.1:%u/", tls ? "s" : "", kt_listener_port(g->s.l));
    o.base_url = base;
    o.tls = g->client_tls;
    o.before = looks;
    o.hook_arg = g;
    CHECK_OK(kt_http_session_open(&o, &g->web));
}

static void gate_close(gate *g)
{
    kt_http_session_close(g->web);
    site_close(&g->s);
    kt_tls_config_free(g->server_tls);
    kt_tls_config_free(g->client_tls);
    net_cleanup(&g->n);
}

static int upgrade(gate *g)
{
    const kt_http_request q = {.url = "/chat?room=1", .upgrade = "echo", .user = "ann", .password = "pw"};
    kt_http_response *r = NULL;
    CHECK_OK(kt_http_send(g->web, &q, &r));
    int status = kt_http_response_status(r);
    kt_http_response_close(r);
    return status;
}

TEST(an_upgrade_signs_the_method_that_its_version_has)
{
    for (kt_http_protocol version = KT_HTTP_1; version <= KT_HTTP_2; version++) {
        gate g;
        gate_open(&g, false, (kt_http_session_options){.version = version});
        for (int i = 0; i < 2; i++)
            CHECK_EQ(upgrade(&g), version == KT_HTTP_1 ? 101 : 200);
        CHECK_EQ(g.challenged, 1);
        CHECK_EQ(g.upgraded, 2);
        CHECK_STR(g.version, version == KT_HTTP_1 ? "HTTP/1.1" : "HTTP/2");
        gate_close(&g);
    }
}

/* Nothing is known of the server, so that the first goes over HTTP/1.1. The second would, too; but when it has been
 * composed, another request finds out that there is HTTP/2. */
static void upgrade_and_share(gate *g)
{
    gate_open(g, true, (kt_http_session_options){0});
    CHECK_EQ(upgrade(g), 101);
    CHECK_STR(g->version, "HTTP/1.1");
    CHECK_EQ(g->challenged, 1);
    g->shares_at = g->before + 1;
}

TEST(an_upgrade_whose_version_changes_in_the_last_moment_is_signed_anew)
{
    gate g;
    upgrade_and_share(&g);
    CHECK_EQ(upgrade(&g), 200);
    CHECK_STR(g.version, "HTTP/2");
    CHECK_EQ(g.challenged, 1);
    gate_close(&g);
}

TEST(credentials_of_a_hook_are_left_as_they_are)
{
    gate g;
    upgrade_and_share(&g);
    g.shows = "Other one";
    CHECK_EQ(upgrade(&g), 200);
    CHECK_EQ(g.challenged, 2);
    CHECK_STR(g.refused, "Other one");
    CHECK_STR(g.version, "HTTP/2");
    gate_close(&g);
}

/* ---- By way of a proxy ----------------------------------------------------------------------------- */

#define ASKS "HTTP/1.1 407 Who\r\nProxy-Authenticate: " CHALLENGE "\r\nContent-Length: 0\r\n\r\n"
#define ASKS_IN_FULL "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"r\"\r\nProxy-Authenticate: " CHALLENGE \
                     "\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwords"
#define STALE "HTTP/1.1 407 Who\r\nProxy-Authenticate: " CHALLENGE ", stale=true\r\nContent-Length: 0\r\n\r\n"
#define CONNECTED "HTTP/1.1 200 Connected\r\n\r\n"
#define SWITCHED "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"

static kt_http_session *by_way_of(uint16_t port, const char *const *direct)
{
    char proxy[64];
    kt_http_session *s = NULL;
    snprintf(proxy, sizeof proxy, "http://ann:pw@127.0.0.1:%u", port);
    CHECK_OK(kt_http_session_open(&(kt_http_session_options){.proxy = proxy, .no_proxy = direct}, &s));
    return s;
}

/* What the nth head that a parrot has heard, from 0, says for a name; data NULL: nothing. */
static kt_slice said(const parrot *p, int n, const char *line, const char *name)
{
    const char *head = p->heard;
    for (; n > 0; n--) {
        head = strstr(head, "\r\n\r\n");
        CHECK(head);
        head += 4;
    }
    CHECK_EQ(strncmp(head, line, strlen(line)), 0);
    const char *end = strstr(head, "\r\n\r\n"), *at = strstr(head, name);
    if (!at || at > end)
        return (kt_slice){NULL, 0};
    at += strlen(name);
    return (kt_slice){at, strcspn(at, "\r")};
}

static kt_slice shown(const parrot *p, int n, const char *line)
{
    return said(p, n, line, "\r\nProxy-Authorization: ");
}

static void upgrade_far(kt_http_session *s)
{
    const kt_http_request q = {.url = "ws://far.example/a", .upgrade = "x"};
    kt_http_response *r = NULL;
    CHECK_OK(kt_http_send(s, &q, &r));
    CHECK_EQ(kt_http_response_status(r), 101);
    kt_http_response_close(r);
}

/* The second tunnel needs no challenge, and counts on. */
TEST(a_tunnel_is_signed_for_its_host_and_port)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{ASKS_IN_FULL}, {CONNECTED, SWITCHED}, {CONNECTED, SWITCHED}}};
    parrot_open(&p);
    kt_http_session *s = by_way_of(p.port, NULL);
    upgrade_far(s);
    upgrade_far(s);
    CHECK_EQ(p.requests, 5);
    CHECK(!shown(&p, 0, "CONNECT far.example:80 ").data);
    CHECK(signs(shown(&p, 1, "CONNECT far.example:80 "), "CONNECT", "far.example:80"));
    CHECK(!shown(&p, 2, "GET /a ").data);
    CHECK(signs(shown(&p, 3, "CONNECT far.example:80 "), "CONNECT", "far.example:80"));
    CHECK(!kt_slice_equal(shown(&p, 1, "C"), shown(&p, 3, "C")));
    CHECK(!shown(&p, 4, "GET /a ").data);
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(a_request_to_a_proxy_is_signed_for_its_whole_url)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{ASKS, OK(2, "ab"), OK(2, "cd")}}};
    parrot_open(&p);
    kt_http_session *s = by_way_of(p.port, NULL);
    const kt_http_request q = {.url = "http://far.example/", .body = "x", .body_size = 1};
    CHECK_STR(ask(s, "http://far.example/a?b"), "200 ab");
    CHECK_STR(ask_with(s, &q), "200 cd");
    CHECK(!shown(&p, 0, "GET http://far.example/a?b ").data);
    CHECK(signs(shown(&p, 1, "GET http://far.example/a?b "), "GET", "http://far.example/a?b"));
    CHECK(signs(shown(&p, 2, "POST http://far.example/ "), "POST", "http://far.example/"));
    kt_http_session_close(s);
    parrot_close(&p);
}

/* Server and proxy each get their own, of one request. */
TEST(a_server_behind_a_proxy_may_ask_as_well)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {
        {ASKS, "HTTP/1.1 401 Who\r\nWWW-Authenticate: " CHALLENGE "\r\nContent-Length: 0\r\n\r\n", OK(2, "ab")}}};
    parrot_open(&p);
    kt_http_session *s = by_way_of(p.port, NULL);
    const kt_http_request q = {.url = "http://far.example/a", .user = "ann", .password = "pw"};
    CHECK_STR(ask_with(s, &q), "200 ab");
    CHECK(!said(&p, 1, "GET http", "\r\nAuthorization: ").data);
    CHECK(signs(said(&p, 2, "GET http", "\r\nAuthorization: "), "GET", "/a"));
    CHECK(signs(shown(&p, 2, "GET http"), "GET", "http://far.example/a"));
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(a_proxy_that_calls_a_nonce_stale_is_answered_with_the_next)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{STALE, STALE, ASKS, OK(2, "ab")}}};
    parrot_open(&p);
    kt_http_session *s = by_way_of(p.port, NULL);
    CHECK_STR(ask(s, "http://far.example/"), "407 ");
    CHECK_EQ(p.requests, 3); /* that the last one is not stale says that the credentials are wrong */
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(wrong_credentials_for_a_tunnel_are_shown_once)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{ASKS}, {ASKS}}};
    parrot_open(&p);
    kt_http_session *s = by_way_of(p.port, NULL);
    CHECK_STR(ask(s, "https://far.example/"), "EACCES");
    CHECK_STR(kt_error_detail(), "the proxy wants other credentials");
    CHECK_EQ(p.connections, 2);
    kt_http_session_close(s);
    parrot_close(&p);
}

/* A server that is reached directly, or at the other end of a tunnel, asks as if it were one. */
TEST(nobody_but_the_proxy_gets_its_credentials)
{
    static const char *const direct[] = {"127.0.0.0/8", NULL};
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{ASKS}, {CONNECTED, ASKS}}}, near = {.script = {{ASKS}}};
    char url[64];
    parrot_open(&p);
    parrot_open(&near);
    kt_http_session *s = by_way_of(p.port, direct);
    const kt_http_request q = {.url = "ws://far.example/a", .upgrade = "x"};
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", near.port);
    CHECK_STR(ask_with(s, &q), "407 ");
    CHECK_STR(ask(s, url), "407 ");
    CHECK_EQ(p.requests, 3);
    CHECK(!shown(&p, 2, "GET /a ").data);
    CHECK_EQ(near.requests, 1);
    CHECK(!shown(&near, 0, "GET / ").data);
    kt_http_session_close(s);
    parrot_close(&near);
    parrot_close(&p);
}

/* Lets a request through that signs what it asks for, by a count that is new. */
typedef struct forwarder {
    int requests;
    uint64_t counts; /* seen, a bit each */
} forwarder;

static int forwards(kt_http_exchange *x, void *arg)
{
    forwarder *f = arg;
    char target[100], *nc;
    kt_slice field = kt_http_request_header(x, "Proxy-Authorization"), sent = kt_http_target(x);
    snprintf(target, sizeof target, "%.*s", (int)sent.size, sent.data);
    f->requests++;
    int rc = kt_sleep(KT_MS(5)); /* a crowd has asked before the first of them hears */
    if (rc == 0 && field.data && signs(field, "GET", target)) {
        nc = memmem(field.data, field.size, "nc=", 3);
        uint64_t bit = (uint64_t)1 << strtoul(nc + 3, NULL, 16);
        CHECK(!(f->counts & bit));
        f->counts |= bit;
        return kt_http_respond(x, 200, "text/plain", "in", 2);
    }
    if (rc == 0)
        rc = kt_http_header(x, "Proxy-Authenticate", CHALLENGE);
    return rc < 0 ? rc : kt_http_respond(x, 407, "text/plain", "no", 2);
}

TEST(a_crowd_gets_through_a_proxy_and_counts_the_uses_of_its_nonce)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    forwarder f = {0};
    site p;
    site_open(&p, NULL, forwards, &f);
    kt_http_session *s = by_way_of(kt_listener_port(p.l), NULL);
    crowd_asks(s, 10, "http://far.example/a", "200 in");
    crowd_asks(s, 10, "http://other.example/", "200 in");
    CHECK_EQ(f.requests, 30);
    kt_http_session_close(s);
    site_close(&p);
}
