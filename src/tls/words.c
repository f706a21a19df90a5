/* SPDX-License-Identifier: MIT */

/* OpenSSL's failures as codes and words. Its queue of errors belongs to the thread, and so to all tasks of the
 * loop: it is emptied before the failing call's task can suspend. */

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "tls/tls.h"

static bool is_verification(unsigned long e)
{
    return ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED;
}

/* The earliest error is the cause; later ones are what callers made of it. Any of them may be the one that speaks of
 * memory: then that is the cause, whatever it says. So it is with a certificate that is not trusted, which may have
 * failed in arithmetic before. */
static unsigned long take_error(char *words, size_t size)
{
    const char *data;
    int flags;
    unsigned long first = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
    const char *reason = first ? ERR_reason_error_string(first) : NULL;
    snprintf(words, size, "%s%s%s", reason ? reason : "unknown error",
             first && flags & ERR_TXT_STRING && *data ? ": " : "",
             first && flags & ERR_TXT_STRING ? data : "");
    for (unsigned long e = first; e; e = ERR_get_error())
        if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE ||
            (is_verification(e) && ERR_GET_REASON(first) != ERR_R_MALLOC_FAILURE))
            first = e;
    return first;
}

int kt__tls_error(const char *doing)
{
    char words[160];
    unsigned long e = take_error(words, sizeof words);
    if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
        return -ENOMEM;
    return kt_error_set(KT_ETLS, "%s: %s", doing, words);
}

static int broken_certificate(const kt__tls *c)
{
    const char *why = X509_verify_cert_error_string(SSL_get_verify_result(c->ssl));
    if (c->set->server)
        return kt_error_set(KT_ECERTIFICATE, "the client's certificate: %s", why);
    return kt_error_set(KT_ECERTIFICATE, "the certificate of '%s': %s", c->name, why);
}

static int words_of_failure(const kt__tls *c)
{
    char words[160];
    unsigned long e = take_error(words, sizeof words);
    int reason = ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0;
    if (c->out_error)
        return kt_error_set(c->out_error, "TLS: no room for encrypted bytes");
    if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
        return -ENOMEM;
    if (is_verification(e))
        return broken_certificate(c);
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return kt_error_set(KT_ECERTIFICATE, "the client has shown no certificate");
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return kt_error_set(KT_ETRUNCATED, c->shaken ? "TLS: the connection ended without close_notify"
                                                     : "TLS: the peer hung up during the handshake");
    if (reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256) /* an alert is a byte */
        return kt_error_set(KT_ETLS, "TLS: the peer objects: %s", words);
    return kt_error_set(KT_ETLS, "TLS: %s", words);
}

int kt__tls_broken(kt__tls *c)
{
    c->broken = words_of_failure(c);
    return c->broken;
}
