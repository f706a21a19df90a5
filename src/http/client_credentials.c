/* SPDX-License-Identifier: MIT */
/* What tells a server who asks: credentials and cookies. */
#include <kettle/cookies.h>
#include <kettle/http_auth.h>

#include "http/client.h"

#define CHALLENGES_MAX 8
/* A second challenge may have a fresh nonce; a third is a refusal. */
#define ANSWERS_MAX 2

/* ---- Whose credentials ----------------------------------------------------------------------- */

typedef struct credentials {
    const char *user, *password, *bearer;
    kt_buffer decoded_user, decoded_password;
    kt_buffer key; /* all three, to be recognised */
} credentials;

static void wipe(kt_buffer *b)
{
    if (b->data)
        explicit_bzero(b->data, b->size);
    kt_buffer_release(b);
}

static void credentials_cleanup(credentials *k)
{
    wipe(&k->decoded_user);
    wipe(&k->decoded_password);
    wipe(&k->key);
}

static int decode(kt_slice encoded, kt_buffer *out, const char **ret_text)
{
    int rc = kt_percent_decode(encoded, out);
    if (rc == 0)
        *ret_text = kt_buffer_string(out);
    return rc < 0 ? rc : *ret_text ? 0 : -ENOMEM;
}

static int from_url(const kt_url *url, credentials *k)
{
    int rc = decode(url->user, &k->decoded_user, &k->user);
    return rc < 0 ? rc : decode(url->password, &k->decoded_password, &k->password);
}

/* The request's, those of its URL, or the session's, which are for the origin of its base URL. */
static int find(const kt__http_call *c, credentials *k)
{
    const kt_http_request *q = c->request;
    const kt_http_session_options *o = &c->session->o;
    if (q->user || q->bearer) {
        k->user = q->user;
        k->password = q->password;
        k->bearer = q->bearer;
        return 0;
    }
    if (c->url.user.size > 0)
        return from_url(&c->url, k);
    if (!o->base_url || kt_url_same_origin(&c->session->base, &c->url)) {
        k->user = o->user;
        k->password = o->password;
        k->bearer = o->bearer;
    }
    return 0;
}

static int key_make(credentials *k)
{
    const char *const parts[] = {k->user, k->password, k->bearer};
    int rc = 0;
    for (size_t i = 0; i < 3 && rc == 0; i++)
        rc = kt_buffer_append(&k->key, parts[i] ? parts[i] : "", parts[i] ? strlen(parts[i]) + 1 : 1);
    return rc;
}

void kt__client_origin_forget_auth(kt__client_origin *o)
{
    kt_http_auth_free(o->auth);
    o->auth = NULL;
    wipe(&o->auth_key);
}

/* Over TLS a password is sent unasked, which saves a trip; otherwise the server may want Digest. */
static int renew(kt__http_call *c, credentials *k)
{
    kt__client_origin *o = c->origin;
    const kt_http_auth_options options = {
        .user = k->user,
        .password = k->password ? k->password : "",
        .token = k->bearer,
        .preemptive = kt_url_is_secure(&c->url),
    };
    kt_http_auth *auth = NULL;
    int rc = kt_http_auth_new(&options, &auth);
    if (rc < 0)
        return rc;
    kt__client_origin_forget_auth(o);
    o->auth = auth;
    o->auth_key = k->key;
    k->key = (kt_buffer)KT_BUFFER_INIT;
    return 0;
}

/* Makes o->auth that of the call; *ret_has: it has any. */
static int choose(kt__http_call *c, bool *ret_has)
{
    __attribute__((cleanup(credentials_cleanup))) credentials k = {.user = NULL};
    int rc = c->foreign ? 0 : find(c, &k);
    *ret_has = rc == 0 && (k.user || k.bearer);
    if (rc < 0 || !*ret_has)
        return rc;
    rc = key_make(&k);
    if (rc < 0)
        return rc;
    kt__client_origin *o = c->origin;
    if (o->auth && kt_slice_equal(kt_buffer_slice(&o->auth_key), kt_buffer_slice(&k.key)))
        return 0;
    return renew(c, &k);
}

int kt__client_auth_put(kt__http_call *c)
{
    bool has;
    kt_buffer value = KT_BUFFER_INIT;
    int rc = choose(c, &has);
    c->has_auth = has;
    if (rc < 0 || !has || kt__client_field_find(c, "Authorization"))
        return rc;
    const kt_http_request *q = c->request;
    const kt_http_auth_request request = {
        .method = c->method,
        .target = c->url.target,
        .body = {c->body.is_there ? q->body : "", c->body.is_there ? q->body_size : 0},
    };
    rc = kt_http_auth_value(c->origin->auth, &request, &value);
    if (rc == 1)
        rc = kt__client_field_set(c, "Authorization", kt_buffer_slice(&value));
    wipe(&value);
    return rc;
}

int kt__client_auth_challenged(kt__http_call *c)
{
    const kt_http_response *r = c->response;
    kt_slice fields[CHALLENGES_MAX];
    size_t count = 0;
    if (r->status != 401 || !c->has_auth || !c->origin->auth || c->answers >= ANSWERS_MAX ||
        !kt__client_body_replayable(&c->body))
        return 0;
    for (size_t i = 0; i < r->header_count && count < CHALLENGES_MAX; i++)
        if (kt__http_header_find(&r->headers[i], 1, "WWW-Authenticate"))
            fields[count++] = r->headers[i].value;
    c->answers++;
    return kt_http_auth_challenge(c->origin->auth, fields, count);
}

/* ---- Cookies --------------------------------------------------------------------------------- */

int kt__client_cookies_put(kt__http_call *c)
{
    kt_cookie_jar *jar = c->session->o.cookies;
    kt_auto(kt_buffer) value = KT_BUFFER_INIT;
    if (!jar || c->request->no_cookies || kt__client_field_find(c, "Cookie"))
        return 0;
    int rc = kt_cookie_jar_header(jar, &c->url, NULL, &value);
    return rc > 0 ? kt__client_field_set(c, "Cookie", kt_buffer_slice(&value)) : rc;
}

int kt__client_cookies_take(kt__http_call *c)
{
    kt_cookie_jar *jar = c->session->o.cookies;
    const kt_http_response *r = c->response;
    int rc = 0;
    if (!jar || c->request->no_cookies)
        return 0;
    for (size_t i = 0; i < r->header_count && rc >= 0; i++)
        if (kt__http_header_find(&r->headers[i], 1, "Set-Cookie"))
            rc = kt_cookie_jar_set(jar, &c->url, NULL, r->headers[i].value);
    return rc < 0 ? rc : 0;
}
