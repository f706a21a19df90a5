/* SPDX-License-Identifier: MIT */

/* Certificates, keys, roots and revocation lists, from PEM files or bytes. */

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "tls/tls.h"

typedef struct source {
    BIO *bio;
    char name[200]; /* for people */
} source;

static void source_cleanup(source *s)
{
    BIO_free(s->bio);
}

/* `what` is in a file or, if that is NULL, in bytes. */
static int source_open(source *s, const char *what, const char *file, kt_slice pem)
{
    snprintf(s->name, sizeof s->name, "%s%s%s", what, file ? " " : "", file ? file : "");
    if (!file && pem.size > INT_MAX)
        return -EINVAL;
    errno = 0;
    s->bio = file ? BIO_new_file(file, "re") : BIO_new_mem_buf(pem.data, (int)pem.size);
    int error = errno;
    if (s->bio)
        return 0;
    ERR_clear_error();
    return kt_error_set(error ? -error : -ENOMEM, "%s: %s", s->name, error ? kt_strerror(-error) : "no memory");
}

/* Never the terminal, which OpenSSL would ask without this. */
static int give_password(char *bytes, int size, int for_writing, void *password)
{
    size_t n = password ? strlen(password) : 0;
    (void)for_writing;
    if (n > (size_t)size)
        return -1;
    if (n > 0)
        memcpy(bytes, password, n);
    return password ? (int)n : -1;
}

/* Calls use_next(context, bio, index) until nothing more comes; one at least must. It is 1 for what it has read
 * and used. */
static int each_of(const source *s, SSL_CTX *context, int (*use_next)(SSL_CTX *, BIO *, size_t))
{
    for (size_t i = 0;; i++) {
        if (use_next(context, s->bio, i))
            continue;
        unsigned long e = ERR_peek_last_error();
        if (i == 0 || ERR_GET_LIB(e) != ERR_LIB_PEM || ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
            return kt__tls_error(s->name);
        ERR_clear_error();
        return 0;
    }
}

static int use_in_chain(SSL_CTX *context, BIO *bio, size_t index)
{
    X509 *x = PEM_read_bio_X509(bio, NULL, give_password, NULL);
    int ok = x && (index == 0 ? SSL_CTX_use_certificate(context, x) : (int)SSL_CTX_add1_chain_cert(context, x));
    X509_free(x);
    return ok;
}

static int use_key(SSL_CTX *context, const kt_tls_certificate *c)
{
    __attribute__((cleanup(source_cleanup))) source s = {NULL, ""};
    int rc = source_open(&s, "key", c->key_file, c->key_pem);
    if (rc < 0)
        return rc;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(s.bio, NULL, give_password, (void *)(uintptr_t)c->key_password);
    int ok = key && SSL_CTX_use_PrivateKey(context, key) && SSL_CTX_check_private_key(context);
    EVP_PKEY_free(key);
    return ok ? 0 : kt__tls_error(s.name);
}

int kt__tls_use_certificate(SSL_CTX *context, const kt_tls_certificate *c)
{
    __attribute__((cleanup(source_cleanup))) source s = {NULL, ""};
    if ((!c->chain_file && c->chain_pem.size == 0) || (!c->key_file && c->key_pem.size == 0))
        return kt_error_set(-EINVAL, "a certificate needs a chain and a key");
    int rc = source_open(&s, "certificate", c->chain_file, c->chain_pem);
    if (rc == 0)
        rc = each_of(&s, context, use_in_chain);
    return rc < 0 ? rc : use_key(context, c);
}

static int trust_next(SSL_CTX *context, BIO *bio, bool ask_for_it)
{
    X509 *x = PEM_read_bio_X509(bio, NULL, give_password, NULL);
    int ok = x && X509_STORE_add_cert(SSL_CTX_get_cert_store(context), x) &&
             (!ask_for_it || SSL_CTX_add_client_CA(context, x));
    X509_free(x);
    return ok;
}

static int trust(SSL_CTX *context, BIO *bio, size_t index)
{
    (void)index;
    return trust_next(context, bio, false);
}

static int trust_and_ask_for(SSL_CTX *context, BIO *bio, size_t index)
{
    (void)index;
    return trust_next(context, bio, true);
}

static int revoke_next(SSL_CTX *context, BIO *bio, size_t index)
{
    (void)index;
    X509_CRL *list = PEM_read_bio_X509_CRL(bio, NULL, give_password, NULL);
    int ok = list && X509_STORE_add_crl(SSL_CTX_get_cert_store(context), list);
    X509_CRL_free(list);
    return ok;
}

/* `what` comes from a file, from bytes, or both; neither is nothing to do. */
static int each_of_both(const char *what, const char *file, kt_slice pem, SSL_CTX *context,
                        int (*use_next)(SSL_CTX *, BIO *, size_t))
{
    for (int i = 0; i < 2; i++) {
        __attribute__((cleanup(source_cleanup))) source s = {NULL, ""};
        if (i == 0 ? !file : pem.size == 0)
            continue;
        int rc = source_open(&s, what, i == 0 ? file : NULL, pem);
        if (rc == 0)
            rc = each_of(&s, context, use_next);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int kt__tls_trust(SSL_CTX *context, const char *file, kt_slice pem, bool ask_for_them)
{
    return each_of_both("trusted certificates", file, pem, context, ask_for_them ? trust_and_ask_for : trust);
}

int kt__tls_revoke(SSL_CTX *context, const char *file, kt_slice pem)
{
    if (!file && pem.size == 0)
        return 0;
    if (!X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL))
        return kt__tls_error("TLS");
    return each_of_both("revocation list", file, pem, context, revoke_next);
}
