/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <kettle/http_auth.h>

static const char digest[] = "Basic realm=r, "
                             "Digest realm=\"r\\\"x\", nonce=n, opaque=o, qop=auth, algorithm=SHA-256, userhash=true";

static kt_http_auth *auth_new(void)
{
    kt_http_auth *auth = NULL;
    sure(kt_http_auth_new(&(kt_http_auth_options){.user = "u", .password = "p", .cnonce = "c"}, &auth));
    return auth;
}

static int makes(void *arg)
{
    kt_auto(kt_http_auth) *auth = NULL;
    (void)arg;
    int rc = SWEPT(kt_http_auth_new, (&(kt_http_auth_options){.user = "u", .token = "t"}, &auth));
    CHECK_EQ(auth != NULL, rc == 0);
    return rc;
}

SWEEP(kt_http_auth_new, ALLOCATES | NO_LOOP)
{
    (void)sweep_subject(makes, NULL);
}

SWEEP(kt_http_auth_free, PLAIN | NO_LOOP)
{
    kt_http_auth *auth = auth_new();
    SWEPT(kt_http_auth_free, (auth));
    SWEPT(kt_http_auth_free, (NULL));
}

static int is_asked(void *arg)
{
    kt_slice field = kt_slice_from(digest);
    int rc = SWEPT(kt_http_auth_challenge, (arg, &field, 1));
    CHECK_EQ(kt_http_auth_scheme(arg), rc < 0 ? 0 : KT_HTTP_AUTH_DIGEST_SHA256);
    return rc;
}

SWEEP(kt_http_auth_challenge, ALLOCATES | NO_LOOP)
{
    kt_auto(kt_http_auth) *auth = auth_new();
    (void)sweep_subject(is_asked, auth);
}

static int answers(void *arg)
{
    kt_auto(kt_buffer) out = KT_BUFFER_INIT;
    kt_http_auth_request r = {.method = "GET", .target = kt_slice_from("/")};
    int rc = SWEPT(kt_http_auth_value, (arg, &r, &out));
    CHECK(rc < 0 ? out.size == 0 : out.size > 6);
    return rc;
}

SWEEP(kt_http_auth_value, ALLOCATES | NO_LOOP)
{
    kt_auto(kt_http_auth) *auth = auth_new();
    sure(kt_http_auth_challenge(auth, &(kt_slice){digest, sizeof digest - 1}, 1));
    (void)sweep_subject(answers, auth);
}

SWEEP_AS(kt_http_auth_value, basic, ALLOCATES | NO_LOOP)
{
    kt_auto(kt_http_auth) *auth = auth_new();
    kt_slice field = kt_slice_from("Basic");
    sure(kt_http_auth_challenge(auth, &field, 1));
    (void)sweep_subject(answers, auth);
}

SWEEP(kt_http_auth_scheme, PLAIN | NO_LOOP)
{
    kt_auto(kt_http_auth) *auth = auth_new();
    CHECK_EQ(SWEPT(kt_http_auth_scheme, (auth)), 0);
}
