/* SPDX-License-Identifier: MIT */
/* The client over TLS, against our own server. */
#include "client_site.h"

#include <kettle/tls.h>

#include "../tls/certificates.h"

typedef struct house {
    kt_listener *l;
    kt_task *task;
    kt_http_options o;
    kt_tls_config *server, *client;
    kt_http_session *web;
} house;

static int serves(void *arg)
{
    house *h = arg;
    return kt_http_serve(h->l, &h->o, hello, NULL);
}

static void house_open(house *h, const char *const *alpn, const made *trusted, kt_http_session_options o)
{
    char base[64];
    const kt_tls_certificate certificate = {.chain_pem = kt_slice_from(good()->certificate),
                                            .key_pem = kt_slice_from(good()->key)};
    const kt_tls_server_options server = {.certificates = &certificate, .certificate_count = 1, .alpn = alpn};
    const kt_tls_client_options client = {.ca_pem = kt_slice_from(trusted->certificate), .no_system_trust = true};
    CHECK_OK(kt_tls_server_new(&server, &h->server));
    CHECK_OK(kt_tls_client_new(&client, &h->client));
    h->o = (kt_http_options){.tls = h->server};
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &h->l));
    CHECK_OK(kt_spawn(serves, h, 0, &h->task));
    snprintf(base, sizeof base, "https://127.0.0.1:%u/", kt_listener_port(h->l));
    o.base_url = base;
    o.tls = h->client;
    CHECK_OK(kt_http_session_open(&o, &h->web));
}

static void house_close(house *h)
{
    kt_http_session_close(h->web);
    kt_task_cancel(h->task);
    CHECK_ERR(kt_task_join(h->task), KT_ECANCELED);
    kt_listener_close(h->l);
    kt_tls_config_free(h->client);
    kt_tls_config_free(h->server);
}

static int version_of(kt_http_session *s)
{
    kt_http_response *r = NULL;
    kt_slice body;
    CHECK_OK(kt_http_get(s, "/", &r));
    CHECK_OK(kt_http_response_read_all(r, 100, &body));
    CHECK_SLICE(body, "hello\n");
    int version = kt_http_response_version(r);
    kt_http_response_close(r);
    return version;
}

TEST_WITH(the_version_is_agreed_on_in_the_handshake, KT_TEST_REAL_TIME)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    house h;
    house_open(&h, both, authority(), (kt_http_session_options){0});
    CHECK_EQ(version_of(h.web), 20);
    CHECK_EQ(version_of(h.web), 20);
    CHECK_EQ(facts_of(h.web).opened, 1);
    house_close(&h);
    house_open(&h, both, authority(), (kt_http_session_options){.version = KT_HTTP_1});
    CHECK_EQ(version_of(h.web), 11);
    CHECK_EQ(version_of(h.web), 11);
    CHECK_EQ(facts_of(h.web).opened, 1);
    house_close(&h);
    house_open(&h, NULL, authority(), (kt_http_session_options){0});
    CHECK_EQ(version_of(h.web), 11);
    house_close(&h);
}

KT_FN(asks_once, a, struct { kt_http_session *s; })
{
    CHECK_EQ(version_of(a->s), 20);
    return 0;
}

TEST_WITH(while_the_version_is_not_known_one_connection_finds_out, KT_TEST_REAL_TIME)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    house h;
    house_open(&h, both, authority(), (kt_http_session_options){0});
    {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        for (int i = 0; i < 20; i++)
            CHECK_OK(kt_group_spawn(&g, KT_WITH(asks_once, .s = h.web)));
        CHECK_OK(kt_group_join(&g, 0));
    }
    CHECK_EQ(facts_of(h.web).opened, 1);
    house_close(&h);
}

TEST_WITH(who_is_not_trusted_is_not_asked, KT_TEST_REAL_TIME)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    made stranger;
    house h;
    make(&(wanted){.name = "stranger", .authority = true}, &stranger);
    house_open(&h, both, &stranger, (kt_http_session_options){0});
    CHECK_STR(ask(h.web, "/"), "KT_ECERTIFICATE");
    CHECK_EQ(facts_of(h.web).connections, 0);
    house_close(&h);
}
