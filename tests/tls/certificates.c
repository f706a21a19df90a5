/* SPDX-License-Identifier: MIT */
#include "certificates.h"

#include <kettle/test.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static void write_pem(BIO *b, char *text, size_t size)
{
    int n = BIO_read(b, text, (int)size - 1);
    CHECK_GT(n, 0);
    text[n] = '\0';
    BIO_free(b);
}

static X509 *read_certificate(const made *m)
{
    BIO *b = BIO_new_mem_buf(m->certificate, -1);
    X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
    BIO_free(b);
    return x;
}

static EVP_PKEY *read_key(const made *m)
{
    BIO *b = BIO_new_mem_buf(m->key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
    BIO_free(b);
    return key;
}

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    CHECK(e != NULL);
    CHECK(X509_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
}

static X509 *describe(const wanted *w, EVP_PKEY *key)
{
    const char *name = w->name ? w->name : "localhost";
    X509 *x = X509_new();
    uint64_t serial;
    CHECK(RAND_bytes((unsigned char *)&serial, sizeof serial) == 1);
    CHECK(ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1));
    X509_set_version(x, 2);
    X509_gmtime_adj(X509_getm_notBefore(x), w->begins || w->ends ? w->begins : -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), w->begins || w->ends ? w->ends : 86400);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    return x;
}

void make(const wanted *w, made *ret_made)
{
    char names[512];
    EVP_PKEY *key = w->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    X509 *x = describe(w, key);
    X509 *issuer = w->issuer ? read_certificate(w->issuer) : x;
    EVP_PKEY *issuer_key = w->issuer ? read_key(w->issuer) : key;
    snprintf(names, sizeof names, "%s%s", w->alternatives ? "" : "DNS:",
             w->alternatives ? w->alternatives : w->name ? w->name : "localhost");
    X509_set_issuer_name(x, X509_get_subject_name(issuer));
    extend(x, issuer, NID_basic_constraints, w->authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    extend(x, issuer, NID_subject_key_identifier, "hash");
    if (w->issuer)
        extend(x, issuer, NID_authority_key_identifier, "keyid");
    if (!w->authority)
        extend(x, issuer, NID_subject_alt_name, names);
    CHECK(X509_sign(x, issuer_key, EVP_sha256()));
    BIO *b = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_X509(b, x));
    write_pem(b, ret_made->certificate, sizeof ret_made->certificate);
    b = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL));
    write_pem(b, ret_made->key, sizeof ret_made->key);
    if (w->issuer) {
        X509_free(issuer);
        EVP_PKEY_free(issuer_key);
    }
    X509_free(x);
    EVP_PKEY_free(key);
}

static X509_REVOKED *revocation_of(const made *m)
{
    X509 *x = read_certificate(m);
    X509_REVOKED *r = X509_REVOKED_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -60);
    CHECK(X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(x)));
    CHECK(X509_REVOKED_set_revocationDate(r, now));
    ASN1_TIME_free(now);
    X509_free(x);
    return r;
}

void make_list(const made *issuer, const made *revoked, long ends, made_list *ret_list)
{
    X509 *x = read_certificate(issuer);
    EVP_PKEY *key = read_key(issuer);
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *from = X509_gmtime_adj(NULL, -7200), *to = X509_gmtime_adj(NULL, ends);
    CHECK(X509_CRL_set_version(list, 1));
    CHECK(X509_CRL_set_issuer_name(list, X509_get_subject_name(x)));
    CHECK(X509_CRL_set1_lastUpdate(list, from) && X509_CRL_set1_nextUpdate(list, to));
    if (revoked)
        CHECK(X509_CRL_add0_revoked(list, revocation_of(revoked)));
    CHECK(X509_CRL_sign(list, key, EVP_sha256()));
    BIO *b = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_X509_CRL(b, list));
    write_pem(b, ret_list->pem, sizeof ret_list->pem);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    X509_CRL_free(list);
    EVP_PKEY_free(key);
    X509_free(x);
}

const made *authority(void)
{
    static made m;
    if (!m.key[0])
        make(&(wanted){.name = "Test Authority", .authority = true}, &m);
    return &m;
}

const made *good(void)
{
    static made m;
    if (!m.key[0])
        make(&(wanted){.alternatives = "DNS:localhost,IP:127.0.0.1", .issuer = authority()}, &m);
    return &m;
}
