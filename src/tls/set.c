/* SPDX-License-Identifier: MIT */

/* Sets: options made into contexts of OpenSSL's. */

#include <errno.h>
#include <kettle/memory.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tls/tls.h"

/* Which sessions belong together (SSL_CTX_set_session_id_context(3)): needed where clients show certificates. */
static const unsigned char session_context[] = "kettle";

/* ---- What clients and servers share -------------------------------------------------------- */

void kt__tls_set_unref(kt__tls_set *set)
{
    if (!set || atomic_fetch_sub(&set->references, 1) > 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        SSL_CTX_free(set->contexts[i]);
    kt_free(set->contexts);
    kt__tls_sessions_release(&set->sessions);
    kt_buffer_release(&set->alpn);
    BIO_meth_free(set->method);
    kt_free(set);
}

static void set_cleanup(kt__tls_set **set)
{
    kt__tls_set_unref(*set);
}

/* Each name with its length before it (RFC 7301 3.1). */
int kt__tls_alpn_encode(kt_buffer *b, const char *const *names)
{
    int rc = 0;
    for (; rc == 0 && names && *names; names++) {
        size_t size = strlen(*names);
        unsigned char length = (unsigned char)size;
        if (size == 0 || size > 255)
            return kt_error_set(-EINVAL, "an ALPN name has 1 to 255 bytes: '%s'", *names);
        rc = kt_buffer_append(b, &length, 1);
        if (rc == 0)
            rc = kt_buffer_append(b, *names, size);
    }
    return rc;
}

static int set_new(size_t count, const char *const *alpn, kt__tls_set **ret_set)
{
    __attribute__((cleanup(set_cleanup))) kt__tls_set *set = kt_calloc(1, sizeof *set);
    if (!set)
        return -ENOMEM;
    atomic_init(&set->references, 1);
    set->alpn = (kt_buffer)KT_BUFFER_INIT_MAX(65535); /* two bytes of length */
    kt__tls_sessions_init(&set->sessions);
    set->contexts = kt_calloc(count, sizeof(SSL_CTX *));
    set->method = kt__tls_bio_method();
    if (!set->contexts || !set->method)
        return -ENOMEM;
    int rc = kt__tls_alpn_encode(&set->alpn, alpn);
    if (rc == 0)
        *ret_set = kt_steal(set);
    return rc;
}

static int version_number(kt_tls_version v)
{
    return v == KT_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

/* The next of the set's contexts. */
static int context_new(kt__tls_set *set, const SSL_METHOD *method, kt_tls_version version,
                       SSL_CTX **ret_context)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(method);
    if (!context)
        return kt__tls_error("TLS");
    set->contexts[set->count++] = context;
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    if (!SSL_CTX_set_min_proto_version(context, version_number(version)) ||
        !SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1))
        return kt__tls_error("TLS");
    *ret_context = context;
    return 0;
}

/* ---- Clients --------------------------------------------------------------------------------- */

static int trust_as_client(SSL_CTX *context, const kt_tls_client_options *o)
{
    if (!o->no_system_trust && !SSL_CTX_set_default_verify_paths(context))
        return kt__tls_error("the system's trusted certificates");
    int rc = kt__tls_trust(context, o->ca_file, o->ca_pem, false);
    return rc < 0 ? rc : kt__tls_revoke(context, o->crl_file, o->crl_pem);
}

int kt__tls_client_set(const kt_tls_client_options *options, kt__tls_set **ret_set)
{
    const kt_tls_client_options o = options ? *options : (kt_tls_client_options){0};
    __attribute__((cleanup(set_cleanup))) kt__tls_set *set = NULL;
    SSL_CTX *context;
    int rc = set_new(1, o.alpn, &set);
    if (rc == 0)
        rc = context_new(set, TLS_client_method(), o.version_min, &context);
    if (rc < 0)
        return rc;
    set->verify = !o.danger_accept_any_certificate;
    set->verify_name = set->verify && !o.danger_accept_any_name;
    set->resume = !o.no_resumption;
    SSL_CTX_set_verify(context, set->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    if (set->resume)
        SSL_CTX_sess_set_new_cb(context, kt__tls_session_new);
    rc = set->verify ? trust_as_client(context, &o) : 0;
    if (rc == 0 && o.certificate)
        rc = kt__tls_use_certificate(context, o.certificate);
    if (rc == 0 && set->alpn.size > 0 && /* 0 is success, for once */
        SSL_CTX_set_alpn_protos(context, (const unsigned char *)set->alpn.data, (unsigned)set->alpn.size) != 0)
        rc = -ENOMEM;
    if (rc == 0)
        *ret_set = kt_steal(set);
    return rc;
}

/* ---- Servers --------------------------------------------------------------------------------- */

/* May the protocol be spoken with what has been negotiated? One that is registered has rules on that: HTTP/2. */
static bool is_allowed(const unsigned char *name, bool modern)
{
    return modern || name[0] != 2 || memcmp(name + 1, "h2", 2) != 0;
}

/* OpenSSL asks once the cipher suite is settled, that of a resumed session included. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *offered, unsigned offered_size, void *arg)
{
    const kt__tls_set *set = arg;
    const unsigned char *own = (const unsigned char *)set->alpn.data, *end = own + set->alpn.size;
    const bool modern = kt__tls_is_modern(ssl, SSL_get_pending_cipher(ssl));
    for (; own < end; own += own[0] + 1)
        if (is_allowed(own, modern) &&
            SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_size, own, own[0] + 1u, offered,
                                  offered_size) == OPENSSL_NPN_NEGOTIATED)
            return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* 1: the certificate's names fit; 0: no; below 0: there was no memory to find out. */
static int fits(SSL_CTX *context, const char *name)
{
    X509 *x = SSL_CTX_get0_certificate(context);
    int rc = X509_check_host(x, name, strlen(name), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL);
    return rc == -2 ? 0 : rc; /* what the client asks for is no name */
}

static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
    const kt__tls_set *set = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    int rc = 0;
    for (size_t i = 0; name && rc == 0 && i < set->count; i++) {
        rc = fits(set->contexts[i], name);
        if (rc == 1 && !SSL_set_SSL_CTX(ssl, set->contexts[i]))
            rc = -1;
    }
    *alert = SSL_AD_INTERNAL_ERROR;
    return rc < 0 ? SSL_TLSEXT_ERR_ALERT_FATAL : name ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static int verify_mode(kt_tls_client_certificates want)
{
    if (want == KT_TLS_CLIENT_NONE)
        return SSL_VERIFY_NONE;
    return SSL_VERIFY_PEER | (want == KT_TLS_CLIENT_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
}

static int context_of_server(kt__tls_set *set, const kt_tls_server_options *o, size_t index)
{
    SSL_CTX *context;
    int rc = context_new(set, TLS_server_method(), o->version_min, &context);
    if (rc < 0)
        return rc;
    SSL_CTX_set_verify(context, verify_mode(o->client_certificates), NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* clients keep their sessions, in tickets */
    if (!set->resume) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
    }
    if (set->alpn.size > 0)
        SSL_CTX_set_alpn_select_cb(context, choose_protocol, set);
    SSL_CTX_set_tlsext_servername_callback(context, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(context, set);
    rc = kt__tls_use_certificate(context, &o->certificates[index]);
    if (rc == 0)
        rc = kt__tls_trust(context, o->client_ca_file, o->client_ca_pem, true);
    return rc < 0 ? rc : kt__tls_revoke(context, o->client_crl_file, o->client_crl_pem);
}

static int check_server_options(const kt_tls_server_options *o)
{
    if (o->certificate_count == 0)
        return kt_error_set(-EINVAL, "a server needs a certificate");
    if (o->client_certificates != KT_TLS_CLIENT_NONE && !o->client_ca_file && o->client_ca_pem.size == 0)
        return kt_error_set(-EINVAL, "without roots no client's certificate can be trusted");
    return 0;
}

int kt__tls_server_set(const kt_tls_server_options *options, kt__tls_set **ret_set)
{
    const kt_tls_server_options o = options ? *options : (kt_tls_server_options){0};
    __attribute__((cleanup(set_cleanup))) kt__tls_set *set = NULL;
    int rc = check_server_options(&o);
    if (rc == 0)
        rc = set_new(o.certificate_count, o.alpn, &set);
    if (rc < 0)
        return rc;
    set->server = true;
    set->verify = o.client_certificates != KT_TLS_CLIENT_NONE;
    set->resume = !o.no_resumption;
    for (size_t i = 0; rc == 0 && i < o.certificate_count; i++)
        rc = context_of_server(set, &o, i);
    if (rc == 0)
        *ret_set = kt_steal(set);
    return rc;
}
