/* SPDX-License-Identifier: MIT */

/* Certificates, keys, roots, and lists of what was revoked, from PEM files or bytes. */

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

/* After something could not be read, `count` others having been: that was their end. */
static bool is_end(size_t count)
{
    unsigned long e = ERR_peek_last_error();
    if (count == 0 || ERR_GET_LIB(e) != ERR_LIB_PEM || ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
        return false;
    ERR_clear_error();
    return true;
}

/* Calls use(context, x) for each certificate, the first apart; one at least. Takes no ownership. */
static int each_certificate(const source *s, SSL_CTX *context, int (*use)(SSL_CTX *, X509 *, size_t))
{
    for (size_t i = 0;; i++) {
        X509 *x = PEM_read_bio_X509(s->bio, NULL, give_password, NULL);
        if (!x && is_end(i))
            return 0;
        int ok = x && use(context, x, i);
        X509_free(x);
        if (!ok)
            return kt__tls_error(s->name);
    }
}

static int use_in_chain(SSL_CTX *context, X509 *x, size_t index)
{
    return index == 0 ? SSL_CTX_use_certificate(context, x) : (int)SSL_CTX_add1_chain_cert(context, x);
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
        rc = each_certificate(&s, context, use_in_chain);
    return rc < 0 ? rc : use_key(context, c);
}

static int trust(SSL_CTX *context, X509 *x, size_t index)
{
    (void)index;
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(context), x);
}

static int trust_and_ask_for(SSL_CTX *context, X509 *x, size_t index)
{
    return trust(context, x, index) && SSL_CTX_add_client_CA(context, x);
}

/* Roots come from a file, from bytes, or both; neither is nothing to do. */
int kt__tls_trust(SSL_CTX *context, const char *file, kt_slice pem, bool ask_for_them)
{
    for (int i = 0; i < 2; i++) {
        __attribute__((cleanup(source_cleanup))) source s = {NULL, ""};
        if (i == 0 ? !file : pem.size == 0)
            continue;
        int rc = source_open(&s, "trusted certificates", i == 0 ? file : NULL, pem);
        if (rc == 0)
            rc = each_certificate(&s, context, ask_for_them ? trust_and_ask_for : trust);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int add_lists(const source *s, X509_STORE *store)
{
    for (size_t i = 0;; i++) {
        X509_CRL *list = PEM_read_bio_X509_CRL(s->bio, NULL, give_password, NULL);
        if (!list && is_end(i))
            return 0;
        int ok = list && X509_STORE_add_crl(store, list);
        X509_CRL_free(list);
        if (!ok)
            return kt__tls_error(s->name);
    }
}

int kt__tls_refuse_revoked(SSL_CTX *context, const char *file, kt_slice pem)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    for (int i = 0; i < 2; i++) {
        __attribute__((cleanup(source_cleanup))) source s = {NULL, ""};
        if (i == 0 ? !file : pem.size == 0)
            continue;
        int rc = source_open(&s, "revoked certificates", i == 0 ? file : NULL, pem);
        if (rc == 0)
            rc = add_lists(&s, store);
        if (rc < 0)
            return rc;
        if (!X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL))
            return kt__tls_error(s.name);
    }
    return 0;
}
