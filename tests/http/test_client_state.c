/* SPDX-License-Identifier: MIT */
/* Cookies, credentials, and compressed bodies of the client. */
#include "client_site.h"

#include <kettle/cookies.h>

#include "http/coding.h"

TEST(cookies_are_kept_and_sent)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    kt_auto(kt_cookie_jar) *jar = NULL;
    parrot p = {.script = {{"HTTP/1.1 302 In\r\nLocation: /in\r\nSet-Cookie: a=1; Path=/\r\n"
                            "Set-Cookie: b=2; Path=/x\r\n"
                            "Content-Length: 0\r\n\r\n", OK(2, "ab"), OK(2, "ab")}}};
    parrot_open(&p);
    CHECK_OK(kt_cookie_jar_new(NULL, &jar));
    kt_http_session *s = session_for(p.port, (kt_http_session_options){.cookies = jar});
    CHECK_STR(ask(s, "/"), "200 ab");
    CHECK(strstr(p.heard, "Cookie: a=1\r\n"));
    kt_http_request q = {.url = "/x", .no_cookies = true};
    CHECK_STR(ask_with(s, &q), "200 ab");
    CHECK_EQ(count_of(p.heard, "Cookie: "), 1);
    kt_http_session_close(s);
    parrot_close(&p);
}

#define WANTS(challenge) "HTTP/1.1 401 No\r\nWWW-Authenticate: " challenge "\r\nContent-Length: 2\r\n\r\nno"

TEST(credentials_are_shown_to_who_asks)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{WANTS("Basic realm=\"a\""), OK(2, "ab"), OK(2, "cd"), WANTS("Basic realm=\"a\""),
                            OK(2, "ef")}}};
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){0});
    kt_http_request q = {.url = "/", .user = "me", .password = "secret"};
    CHECK_STR(ask_with(s, &q), "200 ab");
    CHECK_EQ(count_of(p.heard, "Authorization: Basic bWU6c2VjcmV0\r\n"), 1);
    CHECK_STR(ask_with(s, &q), "200 cd"); /* without another trip */
    CHECK_STR(ask_with(s, &q), "401 no"); /* they were of no use */
    q = (kt_http_request){.url = "/", .bearer = "abc"};
    CHECK_STR(ask_with(s, &q), "200 ef");
    CHECK(strstr(p.heard, "Authorization: Bearer abc\r\n"));
    CHECK_EQ(p.requests, 5);
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(a_digest_is_answered)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.script = {{WANTS("Digest realm=\"a\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256"), OK(2, "ab")}}};
    char url[100];
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){0});
    snprintf(url, sizeof url, "http://me:s%%20x@127.0.0.1:%u/p", p.port);
    kt_http_response *r = NULL;
    CHECK_OK(kt_http_get(s, url, &r));
    CHECK_EQ(kt_http_response_status(r), 200);
    CHECK(!strstr(kt_http_response_url(r), "me:"));
    CHECK(strstr(p.heard, "Authorization: Digest ") && strstr(p.heard, "username=\"me\""));
    CHECK(!strstr(p.heard, "Basic"));
    kt_http_response_close(r);
    kt_http_session_close(s);
    parrot_close(&p);
}

/* ---- Compressed bodies ---------------------------------------------------------------------------- */

typedef struct packed {
    kt_buffer body;
    const char *coding;
    size_t sent; /* of it; the rest is missing */
} packed;

static int sends_packed(kt_http_exchange *x, void *arg)
{
    const packed *p = arg;
    int rc = kt_http_header(x, "Content-Encoding", p->coding);
    kt_slice accepts = kt_http_request_header(x, "Accept-Encoding");
    CHECK_SLICE(accepts, "gzip, deflate, br");
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain", p->body.data, p->sent);
}

static kt_buffer pack(kt__coding coding, size_t zeros, const char *text)
{
    kt__encoder *e = NULL;
    kt_buffer out = KT_BUFFER_INIT;
    static char nothing[65536];
    CHECK_OK(kt__encoder_new(coding, 0, 0, &e));
    for (; zeros > 0; zeros -= zeros < sizeof nothing ? zeros : sizeof nothing)
        CHECK_OK(kt__encode(e, (kt_slice){nothing, zeros < sizeof nothing ? zeros : sizeof nothing}, KT__FLUSH_NONE,
                            &out));
    CHECK_OK(kt__encode(e, kt_slice_from(text), KT__FLUSH_END, &out));
    kt__encoder_free(e);
    return out;
}

static void check_packed(packed p, const char *expected)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    site s;
    p.sent = p.sent ? p.sent : p.body.size;
    site_open(&s, NULL, sends_packed, &p);
    kt_http_session *web = session_for(kt_listener_port(s.l), (kt_http_session_options){0});
    CHECK_STR(ask(web, "/"), expected);
    kt_http_session_close(web);
    site_close(&s);
    kt_buffer_release(&p.body);
}

TEST(compressed_bodies_are_decoded)
{
    check_packed((packed){pack(KT__CODING_GZIP, 0, "brown fox"), "gzip", 0}, "200 brown fox");
    check_packed((packed){pack(KT__CODING_DEFLATE, 0, "brown fox"), "Deflate", 0}, "200 brown fox");
    check_packed((packed){pack(KT__CODING_BROTLI, 0, "brown fox"), "br", 0}, "200 brown fox");
    check_packed((packed){pack(KT__CODING_GZIP, 0, "brown fox"), "gzip", 15}, "200 KT_EINCOMPLETE");
}

TEST(a_body_that_is_not_what_it_says_is_refused)
{
    kt_buffer b = KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append_string(&b, "plain text"));
    check_packed((packed){b, "gzip", 0}, "200 KT_EPROTOCOL");
    b = (kt_buffer)KT_BUFFER_INIT;
    CHECK_OK(kt_buffer_append_string(&b, "plain text"));
    check_packed((packed){b, "exotic", 0}, "200 plain text");
}

TEST(a_bomb_does_not_go_off)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    packed p = {pack(KT__CODING_GZIP, (size_t)100 * 1024 * 1024, "end"), "gzip", 0};
    site s;
    char piece[65536 / 4];
    ssize_t got = 1;
    p.sent = p.body.size;
    site_open(&s, NULL, sends_packed, &p);
    kt_http_session *web = session_for(kt_listener_port(s.l), (kt_http_session_options){0});
    kt_http_response *r = NULL;
    CHECK_OK(kt_http_get(web, "/", &r));
    while (got > 0)
        got = kt_http_response_read(r, piece, sizeof piece);
    CHECK_ERR(got, KT_ELIMIT);
    CHECK_ERR(kt_http_response_read(r, piece, sizeof piece), KT_ELIMIT);
    kt_http_response_close(r);
    kt_http_session_close(web);
    site_close(&s);
    kt_buffer_release(&p.body);
}
