/* SPDX-License-Identifier: MIT */
/* Digest (RFC 7616 section 3.4). Only hashes of the password leave this file, and none stays in memory. */
#include "http/auth_private.h"

#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/random.h>

#include "http/parser_internal.h"

#define CNONCE_BYTES 16
#define HEX_BYTES (2 * EVP_MAX_MD_SIZE + 1)

static const struct algorithm {
    const char *lower, *name, *session_name;
} algorithms[] = {
    [KT__DIGEST_MD5] = {"md5", "MD5", "MD5-sess"},
    [KT__DIGEST_SHA256] = {"sha-256", "SHA-256", "SHA-256-sess"},
    [KT__DIGEST_SHA512_256] = {"sha-512-256", "SHA-512-256", "SHA-512-256-sess"},
};

/* ---- Challenge ------------------------------------------------------------------------------- */

/* What comes back in our field must not break it. */
static bool is_clean(kt__auth_text text)
{
    for (size_t i = 0; i < text.raw.size; i++)
        if ((unsigned char)text.raw.data[i] < ' ' || text.raw.data[i] == 0x7f)
            return false;
    return true;
}

static int take_algorithm(kt__auth_text text, kt__digest *d)
{
    static const char session[] = "-sess";
    size_t size = sizeof session - 1;
    if (!text.raw.data) /* section 3.3: MD5 */
        return 0;
    if (text.raw.size > size && kt__http_same(text.raw.data + text.raw.size - size, size, session)) {
        d->session = true;
        text.raw.size -= size;
    }
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        if (kt__auth_text_is(text, algorithms[i].lower)) {
            d->hash = (kt__digest_hash)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int take_qop(kt__auth_text text, kt__digest *d)
{
    d->qop = KT__DIGEST_NO_QOP;
    if (!text.raw.data) /* as RFC 2069 had it; without a cnonce there is no session either */
        return d->session ? -EINVAL : 0;
    d->qop = kt__auth_text_has(text, "auth") ? KT__DIGEST_AUTH : KT__DIGEST_AUTH_INT;
    return d->qop == KT__DIGEST_AUTH || kt__auth_text_has(text, "auth-int") ? 0 : -EINVAL;
}

static char *make_cnonce(const char *given, int *ret_rc)
{
    unsigned char bytes[CNONCE_BYTES];
    char text[2 * CNONCE_BYTES + 1];
    *ret_rc = -ENOMEM;
    if (given)
        return kt_strndup(given, strlen(given));
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        *ret_rc = kt_error_set(-EIO, "getrandom(2) gave no client nonce");
        return NULL;
    }
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return kt_strndup(text, sizeof text - 1);
}

int kt__digest_take(const kt__challenge *c, const char *cnonce, kt__digest *ret_digest)
{
    kt__digest d = {.hash = KT__DIGEST_MD5};
    int rc = take_algorithm(c->algorithm, &d);
    if (rc == 0)
        rc = take_qop(c->qop, &d);
    if (rc < 0 || !c->realm.raw.data || !c->nonce.raw.data || !is_clean(c->realm) || !is_clean(c->nonce) ||
        !is_clean(c->opaque))
        return -EINVAL;
    d.userhash = kt__auth_text_is(c->userhash, "true");
    d.realm = kt__auth_text_copy(c->realm);
    d.nonce = kt__auth_text_copy(c->nonce);
    d.opaque = c->opaque.raw.data ? kt__auth_text_copy(c->opaque) : NULL;
    d.cnonce = make_cnonce(cnonce, &rc);
    if (!d.cnonce || !d.realm || !d.nonce || (c->opaque.raw.data && !d.opaque)) {
        rc = d.cnonce ? -ENOMEM : rc;
        kt__digest_release(&d);
        return rc;
    }
    *ret_digest = d;
    return 0;
}

void kt__digest_release(kt__digest *d)
{
    kt_free(d->realm);
    kt_free(d->nonce);
    kt_free(d->opaque);
    kt_free(d->cnonce);
    *d = (kt__digest){.hash = KT__DIGEST_MD5};
}

/* ---- Hashes ---------------------------------------------------------------------------------- */

static const EVP_MD *method_of(kt__digest_hash hash)
{
    switch (hash) {
    case KT__DIGEST_SHA256:
        return EVP_sha256();
    case KT__DIGEST_SHA512_256:
        return EVP_sha512_256();
    case KT__DIGEST_MD5:
    default:
        return EVP_md5();
    }
}

/* The parts with ':' between, hashed, in hexadecimal. 0, -ENOMEM, or -EIO where the algorithm is switched off. */
static int hash(kt__digest_hash algorithm, const kt_slice *parts, size_t count, char ret_hex[HEX_BYTES])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context)
        return -ENOMEM;
    bool good = EVP_DigestInit_ex(context, method_of(algorithm), NULL) == 1;
    for (size_t i = 0; i < count && good; i++)
        good = (i == 0 || EVP_DigestUpdate(context, ":", 1) == 1) &&
               EVP_DigestUpdate(context, parts[i].data, parts[i].size) == 1;
    good = good && EVP_DigestFinal_ex(context, bytes, &size) == 1;
    EVP_MD_CTX_free(context); /* which clears it */
    if (!good)
        return kt_error_set(-EIO, "OpenSSL refuses to hash for Digest");
    for (unsigned i = 0; i < size; i++)
        snprintf(ret_hex + 2 * i, 3, "%02x", bytes[i]);
    explicit_bzero(bytes, sizeof bytes);
    return 0;
}

static int hash_user(const kt__digest *d, const char *user, const char *password, char hex[HEX_BYTES])
{
    const kt_slice a1[] = {kt_slice_from(user), kt_slice_from(d->realm), kt_slice_from(password)};
    int rc = hash(d->hash, a1, 3, hex);
    if (rc < 0 || !d->session)
        return rc;
    const kt_slice session[] = {kt_slice_from(hex), kt_slice_from(d->nonce), kt_slice_from(d->cnonce)};
    return hash(d->hash, session, 3, hex);
}

static int hash_request(const kt__digest *d, const kt_http_auth_request *request, char hex[HEX_BYTES])
{
    char body[HEX_BYTES];
    kt_slice a2[3] = {kt_slice_from(request->method), request->target};
    if (d->qop != KT__DIGEST_AUTH_INT)
        return hash(d->hash, a2, 2, hex);
    if (!request->body.data)
        return kt_error_set(-EINVAL, "the server wants the body signed (auth-int), which is not known");
    int rc = hash(d->hash, &request->body, 1, body);
    a2[2] = kt_slice_from(body);
    return rc < 0 ? rc : hash(d->hash, a2, 3, hex);
}

static const char *qop_name(const kt__digest *d)
{
    return d->qop == KT__DIGEST_AUTH ? "auth" : "auth-int";
}

/* Section 3.4.1. */
static int respond(const kt__digest *d, const char *user, const char *password, const char *count,
                   const kt_http_auth_request *request, char response[HEX_BYTES])
{
    char ha1[HEX_BYTES] = "", ha2[HEX_BYTES] = "";
    int rc = hash_user(d, user, password, ha1);
    if (rc == 0)
        rc = hash_request(d, request, ha2);
    const kt_slice with[] = {kt_slice_from(ha1),       kt_slice_from(d->nonce),     kt_slice_from(count),
                             kt_slice_from(d->cnonce), kt_slice_from(qop_name(d)), kt_slice_from(ha2)};
    const kt_slice without[] = {kt_slice_from(ha1), kt_slice_from(d->nonce), kt_slice_from(ha2)};
    if (rc == 0)
        rc = d->qop == KT__DIGEST_NO_QOP ? hash(d->hash, without, 3, response) : hash(d->hash, with, 6, response);
    explicit_bzero(ha1, sizeof ha1);
    return rc;
}

/* ---- Field ----------------------------------------------------------------------------------- */

/* `name="value"` behind a comma, with escapes. */
static int put_quoted(kt_buffer *out, const char *name, kt_slice value)
{
    int rc = kt_buffer_printf(out, ", %s=\"", name);
    for (size_t i = 0; i < value.size && rc == 0; i++) {
        if (value.data[i] == '"' || value.data[i] == '\\')
            rc = kt_buffer_append(out, "\\", 1);
        if (rc == 0)
            rc = kt_buffer_append(out, value.data + i, 1);
    }
    return rc < 0 ? rc : kt_buffer_append(out, "\"", 1);
}

/* RFC 8187 section 3.2.1: what may stand in an extended value as it is. */
static bool is_attr_char(unsigned char c)
{
    return c < 0x80 && kt__is((char)c, KT__C_TOKEN) && c != '*' && c != '\'' && c != '%';
}

static bool is_ascii(const char *s)
{
    while (*s && (unsigned char)*s < 0x80)
        s++;
    return *s == '\0';
}

static int put_extended(kt_buffer *out, const char *user)
{
    int rc = kt_buffer_append_string(out, "username*=UTF-8''");
    for (const char *c = user; *c && rc == 0; c++) {
        unsigned char byte = (unsigned char)*c;
        rc = is_attr_char(byte) ? kt_buffer_append(out, c, 1) : kt_buffer_printf(out, "%%%02X", byte);
    }
    return rc;
}

static int put_user(const kt__digest *d, const char *user, kt_buffer *out)
{
    char hex[HEX_BYTES];
    if (!d->userhash && !is_ascii(user))
        return put_extended(out, user);
    kt_slice name = kt_slice_from(user);
    int rc = 0;
    if (d->userhash) {
        const kt_slice parts[] = {name, kt_slice_from(d->realm)};
        rc = hash(d->hash, parts, 2, hex);
        name = kt_slice_from(hex);
    }
    size_t before = out->size;
    if (rc == 0)
        rc = put_quoted(out, "username", name);
    if (rc == 0) { /* it is the first: without the comma */
        memmove(out->data + before, out->data + before + 2, out->size - before - 2);
        out->size -= 2;
    }
    return rc;
}

static int put_all(const kt__digest *d, const char *user, const char *count, const char *response, kt_slice target,
                   kt_buffer *out)
{
    const struct algorithm *a = &algorithms[d->hash];
    int rc = kt_buffer_append_string(out, "Digest ");
    if (rc == 0)
        rc = put_user(d, user, out);
    if (rc == 0)
        rc = put_quoted(out, "realm", kt_slice_from(d->realm));
    if (rc == 0)
        rc = put_quoted(out, "nonce", kt_slice_from(d->nonce));
    if (rc == 0)
        rc = put_quoted(out, "uri", target);
    if (rc == 0)
        rc = kt_buffer_printf(out, ", response=\"%s\", algorithm=%s", response, d->session ? a->session_name : a->name);
    if (rc == 0 && d->qop != KT__DIGEST_NO_QOP)
        rc = kt_buffer_printf(out, ", qop=%s, nc=%s", qop_name(d), count);
    if (rc == 0 && d->qop != KT__DIGEST_NO_QOP)
        rc = put_quoted(out, "cnonce", kt_slice_from(d->cnonce));
    if (rc == 0 && d->opaque)
        rc = put_quoted(out, "opaque", kt_slice_from(d->opaque));
    return rc < 0 || !d->userhash ? rc : kt_buffer_append_string(out, ", userhash=true");
}

int kt__digest_put(kt__digest *d, const char *user, const char *password, const kt_http_auth_request *request,
                   kt_buffer *out)
{
    char count[12], response[HEX_BYTES] = "";
    size_t before = out->size;
    for (size_t i = 0; i < request->target.size; i++)
        if ((unsigned char)request->target.data[i] <= ' ' || (unsigned char)request->target.data[i] >= 0x7f)
            return kt_error_set(-EINVAL, "a request's target may not hold byte %zu of this one", i);
    snprintf(count, sizeof count, "%08x", d->count + 1);
    int rc = respond(d, user, password, count, request, response);
    if (rc == 0)
        rc = put_all(d, user, count, response, request->target, out);
    if (rc < 0)
        out->size = before;
    else
        d->count++;
    return rc;
}

int kt__base64_put(kt_slice bytes, kt_buffer *out)
{
    size_t size = (bytes.size + 2) / 3 * 4;
    int rc = kt_buffer_reserve(out, size + 1); /* and the terminator that it writes */
    if (rc < 0)
        return rc;
    out->size += (size_t)EVP_EncodeBlock((unsigned char *)out->data + out->size, (const unsigned char *)bytes.data,
                                         (int)bytes.size);
    return 0;
}
