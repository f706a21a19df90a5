/* SPDX-License-Identifier: MIT */

/* What was negotiated, and with whom. */

#include <errno.h>
#include <kettle/memory.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls/tls.h"

static int connection_of(const kt_stream *s, const kt__tls **ret_tls)
{
    const kt__tls *c = kt_stream_object(s, &kt__tls_backend);
    if (!c)
        return kt_error_set(-EINVAL, "not a TLS stream");
    if (!c->shaken)
        return kt_error_set(KT_EINVALIDSTATE, "the TLS handshake is not over");
    *ret_tls = c;
    return 0;
}

bool kt__tls_is_modern(const SSL *ssl, const SSL_CIPHER *suite)
{
    if (SSL_version(ssl) >= TLS1_3_VERSION)
        return true;
    const int exchange = suite ? SSL_CIPHER_get_kx_nid(suite) : NID_undef;
    return (exchange == NID_kx_ecdhe || exchange == NID_kx_dhe) && SSL_CIPHER_is_aead(suite);
}

int kt_tls_info_get(const kt_stream *s, kt_tls_info *ret_info)
{
    const kt__tls *c = NULL;
    const unsigned char *alpn;
    unsigned alpn_size;
    int rc = connection_of(s, &c);
    if (rc < 0)
        return rc;
    SSL_get0_alpn_selected(c->ssl, &alpn, &alpn_size);
    const char *name = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
    *ret_info = (kt_tls_info){
        .version = SSL_get_version(c->ssl),
        .cipher = SSL_get_cipher_name(c->ssl),
        .alpn = {alpn ? (const char *)alpn : "", alpn_size},
        .server_name = name ? name : "",
        .resumed = SSL_session_reused(c->ssl) == 1,
        .modern = kt__tls_is_modern(c->ssl, SSL_get_current_cipher(c->ssl)),
    };
    return 0;
}

/* ---- The peer's certificate ------------------------------------------------------------------ */

/* Texts are written one behind the other, each with a terminator; `ends` tells where. */
enum { SUBJECT, ISSUER, NAMES, SERIAL, FINGERPRINT, PEM, DER, TEXTS };

static int put_names(BIO *b, X509 *x)
{
    const int place = X509_get_ext_by_NID(x, NID_subject_alt_name, -1);
    return place < 0 || X509V3_EXT_print(b, X509_get_ext(x, place), 0, 0);
}

static int put_fingerprint(BIO *b, X509 *x)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size;
    if (!X509_digest(x, EVP_sha256(), digest, &size))
        return 0;
    for (unsigned i = 0; i < size; i++)
        if (BIO_printf(b, "%02x", digest[i]) < 0)
            return 0;
    return 1;
}

static int put(BIO *b, X509 *x, int text)
{
    switch (text) {
    case SUBJECT: return X509_NAME_print_ex(b, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) >= 0;
    case ISSUER: return X509_NAME_print_ex(b, X509_get_issuer_name(x), 0, XN_FLAG_RFC2253) >= 0;
    case NAMES: return put_names(b, x);
    case SERIAL: return i2a_ASN1_INTEGER(b, X509_get0_serialNumber(x)) > 0;
    case FINGERPRINT: return put_fingerprint(b, x);
    case PEM: return PEM_write_bio_X509(b, x);
    default: return i2d_X509_bio(b, x);
    }
}

static int64_t seconds(const ASN1_TIME *t)
{
    struct tm tm;
    return ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) : 0;
}

static int peer_new(BIO *b, X509 *x, kt_tls_peer **ret_peer)
{
    size_t ends[TEXTS];
    char *all;
    for (int i = 0; i < TEXTS; i++) {
        if (!put(b, x, i) || BIO_write(b, "", 1) != 1)
            return kt__tls_error("the peer's certificate");
        ends[i] = (size_t)BIO_get_mem_data(b, &all);
    }
    size_t size = (size_t)BIO_get_mem_data(b, &all);
    kt_tls_peer *p = kt_alloc(sizeof *p + size);
    if (!p)
        return -ENOMEM;
    char *copy = memcpy(p + 1, all, size);
    *p = (kt_tls_peer){
        .subject = copy,
        .issuer = copy + ends[SUBJECT],
        .names = copy + ends[ISSUER],
        .serial = copy + ends[NAMES],
        .fingerprint = copy + ends[SERIAL],
        .pem = copy + ends[FINGERPRINT],
        .der = {copy + ends[PEM], ends[DER] - ends[PEM] - 1},
        .not_before = seconds(X509_get0_notBefore(x)),
        .not_after = seconds(X509_get0_notAfter(x)),
    };
    *ret_peer = p;
    return 0;
}

int kt_tls_peer_get(const kt_stream *s, kt_tls_peer **ret_peer)
{
    const kt__tls *c = NULL;
    int rc = connection_of(s, &c);
    if (rc < 0)
        return rc;
    X509 *x = SSL_get0_peer_certificate(c->ssl);
    if (!x)
        return kt_error_set(KT_ENOTFOUND, "the peer has shown no certificate");
    ERR_clear_error();
    BIO *b = BIO_new(BIO_s_mem());
    rc = b ? peer_new(b, x, ret_peer) : -ENOMEM;
    BIO_free(b);
    return rc;
}

void kt_tls_peer_free(kt_tls_peer *p)
{
    kt_free(p);
}
