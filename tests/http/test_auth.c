/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <kettle/error.h>
#include <kettle/http_auth.h>
#include <kettle/test.h>

#include "http/auth_private.h"

static kt_http_auth *auth_of(const kt_http_auth_options *options)
{
    kt_http_auth *auth = NULL;
    CHECK_OK(kt_http_auth_new(options, &auth));
    return auth;
}

static int challenge(kt_http_auth *auth, const char *field)
{
    kt_slice s = kt_slice_from(field);
    return kt_http_auth_challenge(auth, &s, 1);
}

static void check_value(kt_http_auth *auth, const kt_http_auth_request *request, const char *expected)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_EQ(kt_http_auth_value(auth, request, &out), expected != NULL);
    CHECK_STR(out.data ? kt_buffer_string(&out) : NULL, expected);
}

static kt_http_auth_request get(const char *target)
{
    return (kt_http_auth_request){.method = "GET", .target = kt_slice_from(target)};
}

/* The value's response alone. */
static void check_response(kt_http_auth *auth, const kt_http_auth_request *request, const char *expected)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_EQ(kt_http_auth_value(auth, request, &out), 1);
    const char *at = strstr(kt_buffer_string(&out), "response=\"");
    CHECK(at != NULL);
    kt_slice response = {at + 10, strcspn(at + 10, "\"")};
    CHECK_SLICE(response, expected);
}

/* ---- Vectors of the RFCs --------------------------------------------------------------------- */

#define MUFASA "realm=\"http-auth@example.org\", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", " \
               "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""

TEST(digest_answers_as_rfc_7616_section_3_9_1_does)
{
    kt_auto(kt_http_auth) *md5 = NULL, *sha256 = NULL;
    kt_http_auth_options o = {.user = "Mufasa", .password = "Circle of Life",
                              .cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"};
    kt_http_auth_request r = get("/dir/index.html");
    sha256 = auth_of(&o);
    o.schemes = KT_HTTP_AUTH_DIGEST_MD5;
    md5 = auth_of(&o);
    const char *fields = "Digest qop=\"auth, auth-int\", algorithm=SHA-256, " MUFASA ", "
                         "Digest qop=\"auth, auth-int\", algorithm=MD5, " MUFASA;
    CHECK_EQ(challenge(md5, fields), 1);
    CHECK_EQ(challenge(sha256, fields), 1);
    check_value(md5, &r,
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", "
                "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", uri=\"/dir/index.html\", "
                "response=\"8ca523f5e9506fed4657c9700eebdbec\", algorithm=MD5, qop=auth, nc=00000001, "
                "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", "
                "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"");
    check_response(sha256, &r, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    CHECK_EQ(kt_http_auth_scheme(md5), KT_HTTP_AUTH_DIGEST_MD5);
    CHECK_EQ(kt_http_auth_scheme(sha256), KT_HTTP_AUTH_DIGEST_SHA256);
}

/* With the values of the RFC's erratum 4897: those printed in section 3.9.2 are cut SHA-512, not SHA-512/256. */
TEST(digest_hides_the_user_as_rfc_7616_section_3_9_2_does)
{
    kt_auto(kt_http_auth) *auth =
        auth_of(&(kt_http_auth_options){.user = "J\xc3\xa4s\xc3\xb8n Doe", .password = "Secret, or not?",
                                        .cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"});
    kt_http_auth_request r = get("/doe.json");
    CHECK_EQ(challenge(auth, "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, "
                             "nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", "
                             "opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", charset=UTF-8, userhash=true"),
             1);
    check_value(auth, &r,
                "Digest username=\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\", "
                "realm=\"api@example.org\", nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", "
                "uri=\"/doe.json\", response=\"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5\", "
                "algorithm=SHA-512-256, qop=auth, nc=00000001, "
                "cnonce=\"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v\", "
                "opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", userhash=true");
}

TEST(digest_answers_older_servers)
{
    kt_http_auth_request r = get("/dir/index.html");
    kt_auto(kt_http_auth) *rfc2617 = auth_of(&(kt_http_auth_options){
        .user = "Mufasa", .password = "Circle Of Life", .cnonce = "0a4f113b"});
    kt_auto(kt_http_auth) *rfc2069 = auth_of(&(kt_http_auth_options){.user = "Mufasa", .password = "CircleOfLife"});
    CHECK_EQ(challenge(rfc2617, "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", "
                                "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
                                "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""),
             1);
    check_response(rfc2617, &r, "6629fae49393a05397450978507c4ef1");
    CHECK_EQ(challenge(rfc2069, "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\""),
             1);
    check_value(rfc2069, &r,
                "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", "
                "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", "
                "response=\"1949323746fe6a43ef61f9606e7febea\", algorithm=MD5");
}

/* Computed with Python's hashlib by section 3.4.2 and 3.4.3. */
TEST(digest_knows_sessions_and_signed_bodies)
{
    kt_http_auth_options o = {.user = "u", .password = "p", .cnonce = "c"};
    kt_auto(kt_http_auth) *session = auth_of(&o), *body = auth_of(&o);
    kt_http_auth_request r = get("/");
    CHECK_EQ(challenge(session, "Digest realm=r, nonce=n, qop=auth, algorithm=MD5-sess"), 1);
    check_response(session, &r, "6e4aac8b22e97762f88ccd0d5ccf5b1d");
    check_response(session, &r, "4eb41d597405539b77a2117ca9cb090c");
    CHECK_EQ(challenge(body, "Digest realm=r, nonce=n, qop=auth-int, algorithm=SHA-256"), 1);
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_ERR(kt_http_auth_value(body, &r, &out), -EINVAL);
    CHECK_EQ(out.size, 0);
    r.body = kt_slice_from("hello");
    check_response(body, &r, "a3990260585c0c4ffba51beeb86112b9a75a3655dbd8c6a80a609f2552279cca");
}

/* ---- Basic and Bearer ------------------------------------------------------------------------ */

TEST(basic_is_shown_when_it_is_asked_for)
{
    kt_auto(kt_http_auth) *auth = auth_of(&(kt_http_auth_options){.user = "Aladdin", .password = "open sesame"});
    kt_http_auth_request r = get("/");
    check_value(auth, &r, NULL);
    CHECK_EQ(challenge(auth, "Basic realm=\"x\""), 1);
    check_value(auth, &r, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    CHECK_EQ(challenge(auth, "Basic realm=\"x\""), 0); /* refused */
}

TEST(basic_is_utf8_and_may_be_shown_at_once)
{
    kt_auto(kt_http_auth) *auth =
        auth_of(&(kt_http_auth_options){.user = "test", .password = "123\xc2\xa3", .preemptive = true});
    kt_http_auth_request r = get("/");
    check_value(auth, &r, "Basic dGVzdDoxMjPCow=="); /* RFC 7617 section 2.1 */
    CHECK_EQ(challenge(auth, "Basic realm=foo, charset=\"UTF-8\""), 0);
    CHECK_EQ(challenge(auth, "Digest realm=foo, nonce=n, qop=auth, Basic realm=foo"), 1);
    CHECK_EQ(kt_http_auth_scheme(auth), KT_HTTP_AUTH_DIGEST_MD5);
}

TEST(token_is_shown_at_once)
{
    kt_auto(kt_http_auth) *auth = auth_of(&(kt_http_auth_options){.token = "mF_9.B5f-4.1JqM=="});
    kt_http_auth_request r = get("/");
    check_value(auth, &r, "Bearer mF_9.B5f-4.1JqM==");
    CHECK_EQ(challenge(auth, "Bearer realm=\"x\", error=\"invalid_token\""), 0);
    CHECK_EQ(challenge(auth, "Basic realm=\"x\""), 0);
}

TEST(credentials_that_make_no_sense_are_refused)
{
    static const kt_http_auth_options bad[] = {
        {.password = "p"},          {.user = "a\nb"},          {.user = "a", .password = "b\r"}, {.token = ""},
        {.token = "a b"},           {.token = "a=b"},          {.token = "=="},
        {.user = "a:b", .schemes = KT_HTTP_AUTH_BASIC},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        kt_http_auth *auth = NULL;
        CHECK_ERR(kt_http_auth_new(&bad[i], &auth), -EINVAL);
        CHECK(!auth);
        CHECK(strstr(kt_error_detail(), "a:b") == NULL);
    }
    kt_auto(kt_http_auth) *digest_only = auth_of(&(kt_http_auth_options){.user = "a:b", .password = "p"});
    CHECK_EQ(challenge(digest_only, "Basic realm=x"), 0);
    CHECK_EQ(challenge(digest_only, "Digest realm=x, nonce=n, qop=auth"), 1);
}

/* ---- Challenges ------------------------------------------------------------------------------ */

TEST(strongest_challenge_is_chosen_and_of_equals_the_first)
{
    static const struct {
        const char *field;
        unsigned scheme;
    } cases[] = {
        {"Basic realm=x, Digest realm=x, nonce=n, qop=auth, algorithm=MD5", KT_HTTP_AUTH_DIGEST_MD5},
        {"Digest realm=x, nonce=n, qop=auth, algorithm=md5, Basic realm=x", KT_HTTP_AUTH_DIGEST_MD5},
        {"Digest realm=x, nonce=n, Digest realm=x, nonce=n, algorithm=SHA-256, qop=auth", KT_HTTP_AUTH_DIGEST_SHA256},
        {"Digest realm=x, nonce=n, algorithm=SHA-1, Basic realm=x", KT_HTTP_AUTH_BASIC},
        {"Digest realm=x, nonce=n, qop=auth-conf, Basic realm=x", KT_HTTP_AUTH_BASIC},
        {"Digest realm=x, qop=auth, Basic realm=x", KT_HTTP_AUTH_BASIC},
        {"Digest nonce=n, qop=auth, Basic realm=x", KT_HTTP_AUTH_BASIC},
        {"Negotiate, Basic realm=x", KT_HTTP_AUTH_BASIC},
        {"Negotiate YII+/abc==, NTLM, Basic realm=\"a, Digest realm=b, nonce=c\"", KT_HTTP_AUTH_BASIC},
        {"Bearer error=\"x\", Basic", KT_HTTP_AUTH_BASIC},
        {", ,Basic realm = \"x\\\"y\" ,", KT_HTTP_AUTH_BASIC},
        {"Basic realm=\"not closed", KT_HTTP_AUTH_BASIC},
        {"basic", KT_HTTP_AUTH_BASIC},
        {"\"x\", Basic realm=x", KT_HTTP_AUTH_BASIC},
        {"", 0},
        {"Bearer realm=x", 0},
        {"Basicrealm=x", 0},
        {"=,;,\"", 0},
        {"Digest realm=x, nonce=\"\x01\"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kt_auto(kt_http_auth) *auth = auth_of(&(kt_http_auth_options){.user = "u", .password = "p"});
        kt_test_say("%s", cases[i].field);
        CHECK_EQ(challenge(auth, cases[i].field), cases[i].scheme != 0);
        CHECK_EQ(kt_http_auth_scheme(auth), cases[i].scheme);
    }
}

TEST(challenges_of_several_fields_count_together)
{
    kt_auto(kt_http_auth) *auth = auth_of(&(kt_http_auth_options){.user = "u", .password = "p"});
    kt_slice fields[] = {kt_slice_from("Basic realm=x"), kt_slice_from("Digest realm=x, nonce=n, qop=auth")};
    CHECK_EQ(kt_http_auth_challenge(auth, fields, 2), 1);
    CHECK_EQ(kt_http_auth_scheme(auth), KT_HTTP_AUTH_DIGEST_MD5);
}

TEST(digest_counts_its_nonce_and_follows_a_stale_one)
{
    kt_auto(kt_http_auth) *auth = auth_of(&(kt_http_auth_options){.user = "u", .password = "p", .cnonce = "c"});
    kt_http_auth_request r = get("/");
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_EQ(challenge(auth, "Digest realm=r, nonce=n1, qop=auth"), 1);
    for (int i = 0; i < 11; i++)
        CHECK_EQ(kt_http_auth_value(auth, &r, &out), 1);
    CHECK(strstr(kt_buffer_string(&out), "nc=0000000b") != NULL);
    CHECK_EQ(challenge(auth, "Digest realm=r, nonce=n2, qop=auth"), 1); /* n1 has served: it may be over */
    CHECK_EQ(kt_http_auth_value(auth, &r, &out), 1);
    CHECK(strstr(kt_buffer_string(&out), "nonce=\"n2\"") != NULL);
    CHECK_EQ(challenge(auth, "Digest realm=r, nonce=n3, qop=auth, stale=TRUE"), 1);
    CHECK_EQ(kt_http_auth_value(auth, &r, &out), 1);
    CHECK_EQ(challenge(auth, "Digest realm=r, nonce=n4, qop=auth"), 0); /* the password is wrong */
}

TEST(digest_counts_on_a_nonce_that_comes_again)
{
    kt_auto(kt_http_auth) *auth = auth_of(&(kt_http_auth_options){.user = "u", .password = "p"});
    kt_http_auth_request r = get("/");
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(challenge(auth, "Digest realm=r, nonce=n, qop=auth, stale=true"), 1);
        CHECK_EQ(kt_http_auth_value(auth, &r, &out), 1);
    }
    CHECK(strstr(kt_buffer_string(&out), "nc=00000001") && strstr(kt_buffer_string(&out), "nc=00000002"));
}

TEST(requests_under_way_are_judged_each_by_what_it_has_shown)
{
    kt_auto(kt_http_auth) *auth = auth_of(&(kt_http_auth_options){.user = "u", .password = "p"});
    const kt_slice field = kt_slice_from("Basic realm=x");
    kt_http_auth_request r = get("/");
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt__auth_shown first = {0}, second = {0};
    CHECK_EQ(kt__auth_challenge(auth, &first, &field, 1), 1);
    CHECK_EQ(kt__auth_value(auth, &first, &r, &out), 1);
    CHECK_EQ(kt__auth_challenge(auth, &second, &field, 1), 1);
    CHECK_EQ(kt__auth_value(auth, &second, &r, &out), 1);
    CHECK_EQ(kt__auth_challenge(auth, &first, &field, 1), 0);
    CHECK_EQ(kt__auth_challenge(auth, &second, &field, 1), 0);
}

TEST(server_that_calls_every_nonce_stale_is_left)
{
    kt_auto(kt_http_auth) *auth = auth_of(&(kt_http_auth_options){.user = "u", .password = "p"});
    kt_http_auth_request r = get("/");
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    int tries = 0;
    while (challenge(auth, "Digest realm=r, nonce=n, qop=auth, stale=true") == 1 && tries < 100) {
        CHECK_EQ(kt_http_auth_value(auth, &r, &out), 1);
        tries++;
    }
    CHECK_EQ(tries, 3);
}

TEST(digest_quotes_what_it_sends_back)
{
    kt_auto(kt_http_auth) *auth = auth_of(&(kt_http_auth_options){.user = "a\"b\\", .password = "p", .cnonce = "c"});
    kt_http_auth_request r = get("/?a,\"b\"");
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_EQ(challenge(auth, "Digest realm=\"x \\\"y\\\\\", nonce=\"n\", opaque=\"\", qop=auth"), 1);
    CHECK_EQ(kt_http_auth_value(auth, &r, &out), 1);
    CHECK(strstr(kt_buffer_string(&out), "username=\"a\\\"b\\\\\", realm=\"x \\\"y\\\\\", nonce=\"n\", "
                                         "uri=\"/?a,\\\"b\\\"\"") != NULL);
    CHECK(strstr(kt_buffer_string(&out), "opaque=\"\"") != NULL);
    r.target = kt_slice_from("/a b");
    CHECK_ERR(kt_http_auth_value(auth, &r, &out), -EINVAL);
}

TEST(digest_names_a_user_beyond_ascii)
{
    kt_auto(kt_http_auth) *auth = auth_of(&(kt_http_auth_options){.user = "J\xc3\xa4 '*%", .password = "p"});
    kt_http_auth_request r = get("/");
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    CHECK_EQ(challenge(auth, "Digest realm=r, nonce=n, qop=auth"), 1);
    CHECK_EQ(kt_http_auth_value(auth, &r, &out), 1);
    CHECK(strstr(kt_buffer_string(&out), "Digest username*=UTF-8''J%C3%A4%20%27%2A%25, realm=\"r\"") != NULL);
}

TEST(digest_makes_a_client_nonce_for_each_challenge)
{
    kt_auto(kt_http_auth) *a = auth_of(&(kt_http_auth_options){.user = "u", .password = "p"});
    kt_auto(kt_http_auth) *b = auth_of(&(kt_http_auth_options){.user = "u", .password = "p"});
    kt_http_auth_request r = get("/");
    kt_auto(kt_buffer) first = KT_BUFFER_INIT, second = KT_BUFFER_INIT;
    CHECK_EQ(challenge(a, "Digest realm=r, nonce=n, qop=auth"), 1);
    CHECK_EQ(challenge(b, "Digest realm=r, nonce=n, qop=auth"), 1);
    CHECK_EQ(kt_http_auth_value(a, &r, &first), 1);
    CHECK_EQ(kt_http_auth_value(b, &r, &second), 1);
    CHECK_EQ(first.size, second.size);
    CHECK(strcmp(kt_buffer_string(&first), kt_buffer_string(&second)) != 0);
}
