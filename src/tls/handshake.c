/* SPDX-License-Identifier: MIT */

/* From a plain stream to a TLS one. */

#include <arpa/inet.h>
#include <errno.h>
#include <kettle/debug.h>
#include <kettle/memory.h>
#include <kettle/timeout.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "tls/tls.h"

#define HANDSHAKE_TIMEOUT_DEFAULT KT_S(60)
#define SHUTDOWN_TIMEOUT_DEFAULT KT_S(30)
/* Encrypted bytes that wait to be sent. Writers keep far below; more is a peer that makes us answer, and does not
 * read. */
#define OUT_MAX ((size_t)256 * 1024)

/* ---- The object ------------------------------------------------------------------------------ */

static bool is_address(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* An address is verified as one, and never sent as a name (RFC 6066 3). */
static int expect_name(kt__tls *c)
{
    X509_VERIFY_PARAM *expected = SSL_get0_param(c->ssl);
    bool address = is_address(c->name);
    if (c->name[0] == '\0')
        return c->set->verify_name ? kt_error_set(-EINVAL, "no server_name to verify") : 0;
    if (!address && !SSL_set_tlsext_host_name(c->ssl, c->name))
        return kt__tls_error("server_name");
    if (!c->set->verify_name)
        return 0;
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    int ok = address ? X509_VERIFY_PARAM_set1_ip_asc(expected, c->name)
                     : X509_VERIFY_PARAM_set1_host(expected, c->name, 0);
    return ok ? 0 : kt__tls_error("server_name");
}

static int offer(kt__tls *c, const char *const *protocols)
{
    kt_auto(kt_buffer) names = KT_BUFFER_INIT_MAX(65535); /* two bytes of length */
    int rc = kt__tls_alpn_encode(&names, protocols);
    if (rc == 0 && SSL_set_alpn_protos(c->ssl, (const unsigned char *)names.data, (unsigned)names.size) != 0)
        rc = -ENOMEM; /* 0 is success, for once */
    return rc;
}

static int prepare(kt__tls *c, const kt_tls_options *o, uint16_t port)
{
    ERR_clear_error();
    c->ssl = SSL_new(c->set->contexts[0]);
    BIO *bio = c->ssl ? kt__tls_bio_new(c) : NULL;
    if (!bio)
        return kt__tls_error("TLS");
    SSL_set_bio(c->ssl, bio, bio);
    if (!SSL_set_app_data(c->ssl, c))
        return kt__tls_error("TLS");
    if (c->set->server) {
        SSL_set_accept_state(c->ssl);
        return 0;
    }
    SSL_set_connect_state(c->ssl);
    int rc = expect_name(c);
    if (rc == 0 && o->alpn)
        rc = offer(c, o->alpn);
    if (rc == 0 && c->set->resume && c->name[0]) {
        snprintf(c->key, sizeof c->key, "%s:%u", c->name, port);
        kt__tls_session_use(&c->set->sessions, c->key, c->ssl);
    }
    return rc;
}

static int tls_new(const kt_tls_config *config, const kt_tls_options *o, uint16_t port, kt__tls **ret_tls)
{
    const char *name = o->server_name ? o->server_name : "";
    if (strlen(name) > KT__TLS_NAME_MAX)
        return kt_error_set(-EINVAL, "server_name is longer than %d bytes", KT__TLS_NAME_MAX);
    kt__tls *c = kt_calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->set = kt__tls_config_set(config);
    c->out = c->sending = (kt_buffer)KT_BUFFER_INIT_MAX(OUT_MAX);
    c->shutdown_timeout = o->shutdown_timeout ? o->shutdown_timeout : SHUTDOWN_TIMEOUT_DEFAULT;
    memcpy(c->name, name, strlen(name) + 1);
    int rc = prepare(c, o, port);
    if (rc < 0)
        kt__tls_free(c);
    else
        *ret_tls = c;
    return rc;
}

/* ---- The handshake --------------------------------------------------------------------------- */

/* All that a server of TLS 1.3 may still have to send are tickets. They are no reason to wait for a client that
 * does not read yet, or to refuse what one has said that is gone by now: they go with what is sent next. */
static int shaken(kt__tls *c)
{
    c->shaken = true;
    if (!c->set->server || SSL_version(c->ssl) != TLS1_3_VERSION)
        return kt__tls_flush(c);
    kt__tls_push(c);
    return 0;
}

static bool has_gone(int rc)
{
    return rc == -EPIPE || rc == -ECONNRESET;
}

/* What we have to say goes out first, an alert too. If the peer has gone, it may have said why. */
static int shake(kt__tls *c)
{
    for (;;) {
        ERR_clear_error();
        int n = SSL_do_handshake(c->ssl);
        if (n == 1)
            return shaken(c);
        int rc = SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ? 0 : kt__tls_broken(c);
        int flushed = kt__tls_flush(c);
        if (rc < 0)
            return rc;
        if (flushed < 0 && !has_gone(flushed))
            return flushed;
        rc = kt__tls_fill(c);
        if (rc < 0)
            return rc;
    }
}

static int shake_in_time(kt__tls *c, kt_time after)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, after);
    int rc = kt_timeout_end(&limit, shake(c));
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&limit))
        return kt_error_set(-ECONNABORTED, "the TLS handshake took longer than its time limit");
    return rc;
}

static int start(kt_stream *s, const kt_tls_config *config, const kt_tls_options *o, uint16_t port)
{
    const kt__tls *before = kt_stream_object(s, &kt__tls_backend);
    kt__tls *c = NULL;
    int rc = before ? kt__tls_usable(before) : 0;
    if (rc == 0)
        rc = tls_new(config, o, port, &c);
    if (rc < 0)
        return rc;
    rc = kt_stream_wrap(s, &kt__tls_backend, c, &c->below);
    if (rc < 0) {
        kt__tls_free(c);
        return rc;
    }
    rc = shake_in_time(c, o->handshake_timeout ? o->handshake_timeout : HANDSHAKE_TIMEOUT_DEFAULT);
    if (rc < 0 && !c->broken)
        c->broken = kt_is_cancel(rc) ? KT_EINVALIDSTATE : rc;
    kt_event_set(&c->over);
    return rc;
}

int kt_stream_start_tls(kt_stream *s, const kt_tls_config *config, const kt_tls_options *options)
{
    const kt_tls_options o = options ? *options : (kt_tls_options){0};
    return start(s, config, &o, 0);
}

/* ---- Connecting and serving ------------------------------------------------------------------ */

int kt_tls_connect(const kt_tls_config *config, const char *host, uint16_t port,
                   const kt_tls_options *options, kt_stream **ret_stream)
{
    kt_tls_options o = options ? *options : (kt_tls_options){0};
    kt_auto(kt_stream) *s = NULL;
    if (!o.server_name)
        o.server_name = host;
    int rc = kt_stream_connect_with(host, port, o.connect, &s);
    if (rc == 0)
        rc = start(s, config, &o, port);
    if (rc == 0)
        *ret_stream = kt_steal(s);
    return rc;
}

int kt_tls_serve(kt_stream *s, void *service)
{
    const kt_tls_service *v = service;
    int rc = kt_stream_start_tls(s, v->config, &v->options);
    if (rc == 0)
        return v->handler(s, v->arg);
    if (kt_is_cancel(rc))
        return rc;
    if (kt_debug())
        kt_error_unhandled(rc, "SSL handshake failed");
    return 0;
}
