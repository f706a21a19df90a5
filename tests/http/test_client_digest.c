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
