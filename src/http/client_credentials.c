/* SPDX-License-Identifier: MIT */
/* What tells a server, or a proxy, who asks: credentials and cookies. */
#include <kettle/cookies.h>
#include <kettle/http_auth.h>

#include "http/client.h"

#define CHALLENGES_MAX 8
/* So many users of one origin are remembered. */
#define AUTHS_KEPT 8

struct kt__client_auth {
    kt__client_auth *next;
    kt_http_auth *auth;
    kt_buffer key; /* the credentials that it was made of */
};

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

int kt__client_auth_of_url(const kt_url *url, kt_http_auth **ret_auth)
{
    __attribute__((cleanup(credentials_cleanup))) credentials k = {.user = NULL};
    int rc = url->user.size > 0 ? from_url(url, &k) : 0;
    const kt_http_auth_options o = {.user = k.user, .password = k.password};
    return rc == 0 && k.user ? kt_http_auth_new(&o, ret_auth) : rc;
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

/* ---- What an origin has asked each user for -------------------------------------------------- */

static void forget_from(kt__client_auth **link)
{
    while (*link) {
        kt__client_auth *a = *link;
        *link = a->next;
        kt_http_auth_free(a->auth);
        wipe(&a->key);
        kt_free(a);
    }
}

void kt__client_origin_forget_auths(kt__client_origin *o)
{
    forget_from(&o->auths);
}

static void put_first(kt__client_origin *o, kt__client_auth *a)
{
    a->next = o->auths;
    o->auths = a;
}

/* Over TLS a password is sent unasked, which saves a trip; otherwise the server may want Digest. */
static int add(kt__http_call *c, credentials *k)
{
    const kt_http_auth_options options = {
        .user = k->user,
        .password = k->password ? k->password : "",
        .token = k->bearer,
        .preemptive = kt_url_is_secure(&c->url),
    };
    kt__client_auth *a = kt_calloc(1, sizeof *a);
    int rc = a ? kt_http_auth_new(&options, &a->auth) : -ENOMEM;
    if (rc < 0) {
        kt_free(a);
        return rc;
    }
    a->key = k->key;
    k->key = (kt_buffer)KT_BUFFER_INIT;
    put_first(c->origin, a);
    kt__client_auth **link = &c->origin->auths;
    for (size_t i = 0; i < AUTHS_KEPT && *link; i++)
        link = &(*link)->next;
    forget_from(link);
    return 0;
}

static int find_or_add(kt__http_call *c, credentials *k)
{
    for (kt__client_auth **link = &c->origin->auths; *link; link = &(*link)->next) {
        kt__client_auth *a = *link;
        if (kt_slice_equal(kt_buffer_slice(&a->key), kt_buffer_slice(&k->key))) {
            *link = a->next;
            put_first(c->origin, a);
            return 0;
        }
    }
    return add(c, k);
}

/* *ret_auth: that of the call's credentials, until the next suspension; NULL: it has none. */
static int choose(kt__http_call *c, kt_http_auth **ret_auth)
{
    __attribute__((cleanup(credentials_cleanup))) credentials k = {.user = NULL};
    *ret_auth = NULL;
    int rc = c->foreign ? 0 : find(c, &k);
    if (rc < 0 || (!k.user && !k.bearer))
        return rc;
    rc = key_make(&k);
    if (rc == 0)
        rc = find_or_add(c, &k);
    if (rc == 0)
        *ret_auth = c->origin->auths->auth;
    return rc;
}

/* ---- At a door ------------------------------------------------------------------------------- */

/* Makes the answer, if there is anything to show. */
static int prepare(kt__http_call *c, const kt__client_door *d)
{
    kt_buffer value = KT_BUFFER_INIT;
    int rc = kt__auth_value(d->auth, &d->shown->past, &d->request, &value);
    char *copy = rc == 1 ? kt__client_alloc(c, value.size) : NULL;
    if (copy)
        d->shown->answer = (kt_slice){memcpy(copy, value.data, value.size), value.size};
    else if (rc == 1)
        rc = -ENOMEM;
    d->shown->method = d->request.method;
    wipe(&value);
    return rc < 0 ? rc : 0;
}

int kt__client_door_greet(kt__http_call *c, const kt__client_door *d)
{
    return d->auth && !d->shown->answer.data ? prepare(c, d) : 0;
}

/* The answer is made here: by the next attempt another call may have been given another nonce. */
int kt__client_door_challenged(kt__http_call *c, const kt__client_door *d, const kt__http_header *fields, size_t count,
                               const char *name)
{
    kt_slice challenges[CHALLENGES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < count && n < CHALLENGES_MAX; i++)
        if (kt__http_header_find(&fields[i], 1, name))
            challenges[n++] = fields[i].value;
    int rc = d->auth ? kt__auth_challenge(d->auth, &d->shown->past, challenges, n) : 0;
    if (rc <= 0)
        return rc;
    rc = prepare(c, d);
    return rc < 0 ? rc : 1;
}

static int put(kt__http_call *c, const kt__client_door *d, const char *name)
{
    int rc = kt__client_door_greet(c, d);
    if (rc == 0 && d->shown->answer.data)
        rc = kt__client_field_set(c, name, d->shown->answer);
    d->shown->value = d->shown->answer;
    d->shown->answer = (kt_slice){NULL, 0};
    return rc;
}

/* Has the caller put something of his own there? Then its challenges are his. */
static bool is_his_own(const kt__http_call *c, const kt__client_shown *shown, const char *name)
{
    return !shown->past.scheme && kt__client_field_find(c, name);
}

static int challenged(kt__http_call *c, const kt__client_door *d, const char *name)
{
    return kt__client_door_challenged(c, d, c->response->headers, c->response->header_count, name);
}

static kt_slice body_of(const kt__http_call *c)
{
    return c->body.is_there ? (kt_slice){c->request->body, c->request->body_size} : (kt_slice){"", 0};
}

/* ---- The server's ---------------------------------------------------------------------------- */

/* An upgrade is another method over HTTP/2 (RFC 8441 section 4), and Digest signs the method. */
static const char *method_by(const kt__http_call *c, bool is_2)
{
    return is_2 && c->request->upgrade ? "CONNECT" : c->method;
}

/* The one that the attempt will have, as far as that is known before it has a connection. */
static const char *method_expected(const kt__http_call *c)
{
    return method_by(c, !kt__client_only_1(c));
}

static int server_door(kt__http_call *c, const char *method, kt__client_door *ret_door)
{
    *ret_door = (kt__client_door){NULL, &c->to_server, {method, c->url.target, body_of(c)}};
    return c->to_server.answer.data ? 0 : choose(c, &ret_door->auth);
}

static int server_put(kt__http_call *c, const char *method)
{
    kt__client_door d;
    int rc = server_door(c, method, &d);
    return rc < 0 ? rc : put(c, &d, "Authorization");
}

int kt__client_auth_put(kt__http_call *c)
{
    c->to_server.value = (kt_slice){NULL, 0};
    return kt__client_field_find(c, "Authorization") ? 0 : server_put(c, method_expected(c));
}

/* What is made anew answers the same challenge. */
int kt__client_auth_fit(kt__http_call *c)
{
    const kt__client_field *f = c->request->upgrade ? kt__client_field_find(c, "Authorization") : NULL;
    const char *method = method_by(c, c->conn->h2);
    kt__client_shown *shown = &c->to_server;
    if (!f || !shown->value.data || !kt_slice_equal(f->value, shown->value) || strcmp(method, shown->method) == 0)
        return 0;
    shown->past.scheme = 0;
    return server_put(c, method);
}

static int server_challenged(kt__http_call *c)
{
    kt__client_door d;
    if (is_his_own(c, &c->to_server, "Authorization"))
        return 0;
    int rc = server_door(c, method_expected(c), &d);
    return rc < 0 ? rc : challenged(c, &d, "WWW-Authenticate");
}

/* ---- A proxy's that takes requests itself ---------------------------------------------------- */

static int proxy_door(kt__http_call *c, kt__client_door *ret_door)
{
    const kt__client_proxy *p = NULL;
    kt_auto(kt_buffer) target = KT_BUFFER_INIT;
    *ret_door = (kt__client_door){NULL, &c->to_proxy, {c->method, {NULL, 0}, body_of(c)}};
    int rc = kt__client_proxy_forwarder(c, &p);
    if (rc < 0 || !p || !p->auth)
        return rc;
    rc = kt__client_proxy_target(c, &target);
    char *copy = rc == 0 ? kt__client_alloc(c, target.size) : NULL;
    if (!copy)
        return rc < 0 ? rc : -ENOMEM;
    ret_door->auth = p->auth;
    ret_door->request.target = (kt_slice){memcpy(copy, target.data, target.size), target.size};
    return 0;
}

int kt__client_proxy_auth_put(kt__http_call *c)
{
    kt__client_door d;
    if (kt__client_field_find(c, "Proxy-Authorization"))
        return 0;
    int rc = proxy_door(c, &d);
    return rc < 0 || !d.auth ? rc : put(c, &d, "Proxy-Authorization");
}

static int proxy_challenged(kt__http_call *c)
{
    kt__client_door d;
    if (is_his_own(c, &c->to_proxy, "Proxy-Authorization"))
        return 0;
    int rc = proxy_door(c, &d);
    return rc < 0 ? rc : challenged(c, &d, "Proxy-Authenticate");
}

int kt__client_auth_challenged(kt__http_call *c)
{
    int status = c->response->status;
    if ((status != 401 && status != 407) || !kt__client_body_replayable(&c->body))
        return 0;
    return status == 401 ? server_challenged(c) : proxy_challenged(c);
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
