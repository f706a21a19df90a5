/* SPDX-License-Identifier: MIT */
/* Which credentials a server gets, and when it is of no use to try again. */
#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>

#include "http/auth_private.h"
#include "http/parser_internal.h"

#define SECRET_BYTES_MAX ((size_t)64 * 1024)
#define DIGEST (KT_HTTP_AUTH_DIGEST_MD5 | KT_HTTP_AUTH_DIGEST_SHA256)
/* A server that calls each new nonce stale is not to keep us busy. */
#define ANSWERS_MAX 3

struct kt_http_auth {
    char *user, *password, *token, *cnonce; /* NULL: not given */
    unsigned allowed;
    unsigned scheme; /* in use; 0: none yet */
    kt__digest digest;
    kt__auth_shown own; /* of the caller's requests, which come one after the other */
};

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    kt_free(secret);
}

static void wipe_buffer(kt_buffer *b)
{
    if (b->data)
        explicit_bzero(b->data, b->capacity);
    kt_buffer_release(b);
}

void kt_http_auth_free(kt_http_auth *auth)
{
    if (!auth)
        return;
    wipe(auth->user);
    wipe(auth->password);
    wipe(auth->token);
    kt_free(auth->cnonce);
    kt__digest_release(&auth->digest);
    kt_free(auth);
}

/* ---- Options --------------------------------------------------------------------------------- */

static bool is_clean(const char *s)
{
    for (; s && *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return false;
    return true;
}

/* RFC 6750 section 2.1: b64token. */
static bool is_token(const char *s)
{
    const char *from = s;
    while (kt__is(*s, KT__C_DIGIT | KT__C_SCHEME) || *s == '_' || *s == '~' || *s == '/')
        s++;
    if (s == from)
        return false;
    while (*s == '=')
        s++;
    return *s == '\0';
}

static int check(const kt_http_auth_options *o)
{
    if (!o->user && !o->token)
        return kt_error_set(-EINVAL, "credentials without a user and without a token");
    if (!is_clean(o->user) || !is_clean(o->password) || !is_clean(o->cnonce))
        return kt_error_set(-EINVAL, "a control byte in credentials");
    if (o->token && !is_token(o->token))
        return kt_error_set(-EINVAL, "a bearer token may not have this form (RFC 6750 section 2.1)");
    if (o->user && strchr(o->user, ':') && o->schemes == KT_HTTP_AUTH_BASIC)
        return kt_error_set(-EINVAL, "a user's name for Basic may not have a ':'");
    if ((o->user && strlen(o->user) > SECRET_BYTES_MAX) || (o->password && strlen(o->password) > SECRET_BYTES_MAX))
        return kt_error_set(-EINVAL, "credentials of more than %zu bytes", SECRET_BYTES_MAX);
    return 0;
}

static bool copy(const char *from, char **to)
{
    *to = from ? kt_strndup(from, strlen(from)) : NULL;
    return !from || *to;
}

int kt_http_auth_new(const kt_http_auth_options *options, kt_http_auth **ret_auth)
{
    int rc = check(options);
    if (rc < 0)
        return rc;
    kt_http_auth *auth = kt_calloc(1, sizeof *auth);
    if (!auth)
        return -ENOMEM;
    const char *password = options->user && !options->password ? "" : options->password;
    if (!copy(options->user, &auth->user) || !copy(password, &auth->password) ||
        !copy(options->token, &auth->token) || !copy(options->cnonce, &auth->cnonce)) {
        kt_http_auth_free(auth);
        return -ENOMEM;
    }
    auth->allowed = options->token ? KT_HTTP_AUTH_BEARER : 0;
    if (options->user)
        auth->allowed |= DIGEST | (strchr(options->user, ':') ? 0 : KT_HTTP_AUTH_BASIC);
    if (options->schemes)
        auth->allowed &= options->schemes;
    if (auth->allowed & KT_HTTP_AUTH_BEARER)
        auth->scheme = KT_HTTP_AUTH_BEARER;
    else if (options->preemptive)
        auth->scheme = auth->allowed & KT_HTTP_AUTH_BASIC;
    *ret_auth = auth;
    return 0;
}

unsigned kt_http_auth_scheme(const kt_http_auth *auth)
{
    return auth->scheme;
}

/* ---- Challenges ------------------------------------------------------------------------------ */

/* The best that has been found. */
typedef struct choice {
    unsigned scheme;
    bool stale;
    kt__digest digest;
} choice;

static void choice_cleanup(choice *c)
{
    kt__digest_release(&c->digest);
}

/* 0; -ENOMEM, -EIO. */
static int consider_digest(const kt_http_auth *auth, const kt__challenge *c, choice *best)
{
    kt__digest digest;
    int rc = kt__digest_take(c, auth->cnonce, &digest);
    if (rc == -EINVAL)
        return 0;
    if (rc < 0)
        return rc;
    unsigned scheme = digest.hash == KT__DIGEST_MD5 ? KT_HTTP_AUTH_DIGEST_MD5 : KT_HTTP_AUTH_DIGEST_SHA256;
    if (!(scheme & auth->allowed) || scheme <= best->scheme) {
        kt__digest_release(&digest);
        return 0;
    }
    kt__digest_release(&best->digest);
    *best = (choice){scheme, kt__auth_text_is(c->stale, "true"), digest};
    return 0;
}

static int consider(const kt_http_auth *auth, const kt__challenge *c, choice *best)
{
    if (kt__http_same(c->scheme.data, c->scheme.size, "digest"))
        return consider_digest(auth, c, best);
    unsigned scheme = 0;
    if (kt__http_same(c->scheme.data, c->scheme.size, "basic"))
        scheme = KT_HTTP_AUTH_BASIC;
    else if (kt__http_same(c->scheme.data, c->scheme.size, "bearer"))
        scheme = KT_HTTP_AUTH_BEARER;
    if (scheme & auth->allowed && scheme > best->scheme) {
        kt__digest_release(&best->digest);
        *best = (choice){.scheme = scheme};
    }
    return 0;
}

/* Was the same tried before and refused? A nonce of earlier may be over; one that this request was given, and that was
 * not called stale, says that the password is wrong. */
static bool is_hopeless(const kt__auth_shown *shown, const choice *best)
{
    if (shown->answers >= ANSWERS_MAX)
        return true;
    if (best->scheme != shown->scheme)
        return false;
    return !(best->scheme & DIGEST) || (shown->answers > 0 && !best->stale);
}

/* A nonce that comes again is counted on: a server takes each count once (RFC 7616 section 3.4). */
static void take(kt_http_auth *auth, choice *best)
{
    if (auth->digest.nonce && best->digest.nonce && strcmp(auth->digest.nonce, best->digest.nonce) == 0)
        best->digest.count = auth->digest.count;
    auth->scheme = best->scheme;
    kt__digest_release(&auth->digest);
    auth->digest = best->digest;
    best->digest = (kt__digest){.hash = KT__DIGEST_MD5};
}

int kt__auth_challenge(kt_http_auth *auth, kt__auth_shown *shown, const kt_slice *fields, size_t count)
{
    __attribute__((cleanup(choice_cleanup))) choice best = {.scheme = 0};
    for (size_t i = 0; i < count; i++) {
        kt_slice rest = fields[i];
        kt__challenge c;
        while (kt__challenge_next(&rest, &c)) {
            int rc = consider(auth, &c, &best);
            if (rc < 0)
                return rc;
        }
    }
    if (best.scheme == 0 || is_hopeless(shown, &best))
        return 0;
    take(auth, &best);
    shown->scheme = 0;
    shown->answers++;
    return 1;
}

int kt_http_auth_challenge(kt_http_auth *auth, const kt_slice *fields, size_t count)
{
    return kt__auth_challenge(auth, &auth->own, fields, count);
}

/* ---- Values ---------------------------------------------------------------------------------- */

static int put_basic(const kt_http_auth *auth, kt_buffer *out)
{
    kt_buffer pair = KT_BUFFER_INIT;
    size_t size = strlen(auth->user) + strlen(auth->password) + 1;
    int rc = kt_buffer_reserve(&pair, size + 1); /* once, so that no copy is left behind */
    if (rc == 0)
        rc = kt_buffer_printf(&pair, "%s:%s", auth->user, auth->password);
    if (rc == 0)
        rc = kt_buffer_append_string(out, "Basic ");
    if (rc == 0)
        rc = kt__base64_put(kt_buffer_slice(&pair), out);
    wipe_buffer(&pair);
    return rc;
}

static int put_bearer(const kt_http_auth *auth, kt_buffer *out)
{
    int rc = kt_buffer_append_string(out, "Bearer ");
    return rc < 0 ? rc : kt_buffer_append_string(out, auth->token);
}

static int put(kt_http_auth *auth, const kt_http_auth_request *request, kt_buffer *out)
{
    if (auth->scheme & DIGEST)
        return kt__digest_put(&auth->digest, auth->user, auth->password, request, out);
    return auth->scheme == KT_HTTP_AUTH_BASIC ? put_basic(auth, out) : put_bearer(auth, out);
}

int kt__auth_value(kt_http_auth *auth, kt__auth_shown *shown, const kt_http_auth_request *request, kt_buffer *out)
{
    size_t before = out->size;
    int rc = auth->scheme ? put(auth, request, out) : 0;
    if (rc < 0) {
        out->size = before;
        return rc;
    }
    if (shown->scheme) /* shown before: this value answers no challenge */
        shown->answers = 0;
    shown->scheme = auth->scheme;
    return auth->scheme != 0;
}

int kt_http_auth_value(kt_http_auth *auth, const kt_http_auth_request *request, kt_buffer *out)
{
    return kt__auth_value(auth, &auth->own, request, out);
}
