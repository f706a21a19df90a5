/* SPDX-License-Identifier: MIT */
/* Opens the client's connections, and ends them. */
#include <kettle/thread.h>

#include "http/client.h"

#define PARTING_TIME KT_S(1)
#define PARSER_LINE_BYTES_MAX ((uint32_t)16 * 1024)

/* ---- TLS ------------------------------------------------------------------------------------- */

/* Reads the system's roots: on a thread. */
static int make_config(void *arg)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    const kt_tls_client_options o = {.alpn = alpn};
    return kt_tls_client_new(&o, arg);
}

int kt__client_tls(kt_http_session *s, const kt_tls_config **ret_config)
{
    if (s->o.tls) {
        *ret_config = s->o.tls;
        return 0;
    }
    int rc = kt_lock_acquire(&s->tls_door);
    if (rc < 0)
        return rc;
    if (!s->own_tls)
        rc = kt_thread_run(make_config, &s->own_tls, 0);
    kt_lock_release(&s->tls_door);
    if (rc == 0)
        *ret_config = s->own_tls;
    return rc;
}

static const char *const *offered(const kt__http_call *c, bool only_1)
{
    static const char *const one[] = {"http/1.1", NULL}, *const two[] = {"h2", NULL};
    static const char *const both[] = {"h2", "http/1.1", NULL};
    if (only_1)
        return one;
    return c->session->o.version == KT_HTTP_2 ? two : both;
}

int kt__client_shake(kt_http_session *s, kt_stream *stream, const char *host, const char *const *alpn)
{
    const kt_tls_options o = {.server_name = host,
                              .handshake_timeout = KT_FOREVER,
                              .shutdown_timeout = PARTING_TIME,
                              .alpn = alpn};
    const kt_tls_config *config;
    int rc = kt__client_tls(s, &config);
    return rc == 0 ? kt_stream_start_tls(stream, config, &o) : rc;
}

static int shake(const kt__http_call *c, kt_stream *stream, const char *host, bool only_1)
{
    kt__client_phase phase;
    kt__client_phase_begin(&phase, "TLS handshake", c->timeouts.tls, c->deadline);
    return kt__client_phase_end(&phase, kt__client_shake(c->session, stream, host, offered(c, only_1)));
}

/* ---- Connections ----------------------------------------------------------------------------- */

static int conn_new(kt_http_session *s, kt__client_origin *o, kt__client_conn **ret_conn)
{
    uint32_t max = s->o.headers_max;
    const kt__http_limits limits = {
        .start_line_bytes_max = PARSER_LINE_BYTES_MAX,
        .header_bytes_max = s->o.header_bytes_max,
        .body_bytes_max = KT__HTTP_UNLIMITED,
    };
    kt__client_conn *conn = kt_calloc(1, sizeof *conn + max * sizeof(kt__http_header));
    if (!conn)
        return -ENOMEM;
    conn->session = s;
    conn->origin = o;
    kt__http_parser_init(&conn->parser, KT__HTTP_RESPONSE, conn->headers, max, &limits);
    *ret_conn = conn;
    return 0;
}

char *kt__client_bare_host(const kt_url *url)
{
    kt_slice h = url->host;
    if (h.size > 2 && h.data[0] == '[')
        h = (kt_slice){h.data + 1, h.size - 2};
    return kt_strndup(h.data, h.size);
}

/* *ret_stream may be set on failure, too. */
static int dial(kt__http_call *c, const char *host, kt_stream **ret_stream)
{
    const kt__client_proxy *p = kt__client_proxy_of(c, host);
    kt__client_phase phase;
    kt__client_phase_begin(&phase, "connect", c->timeouts.connect, c->deadline);
    int rc = p ? kt__client_proxy_dial(c, p, host, ret_stream)
               : kt_stream_connect_with(host, c->url.port, &c->session->connect, ret_stream);
    return kt__client_phase_end(&phase, rc);
}

static int open_stream(kt__http_call *c, bool only_1, kt_stream **ret_stream)
{
    kt_stream *s = NULL;
    char *host = kt__client_bare_host(&c->url);
    if (!host)
        return -ENOMEM;
    int rc = dial(c, host, &s);
    if (rc == 0 && kt_url_is_secure(&c->url))
        rc = shake(c, s, host, only_1);
    kt_free(host);
    if (rc < 0) {
        kt__client_part(s, KT__CLIENT_DROP);
        return rc;
    }
    *ret_stream = s;
    return 0;
}

/* A server that speaks HTTP/2 with a cipher suite that is forbidden for it is told so (RFC 9113 9.2.2): a preface,
 * SETTINGS, and a GOAWAY with INADEQUATE_SECURITY. */
static int refuse_2(const kt__http_call *c, kt_stream *s, const char *suite)
{
    static const char words[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                "\0\0\0\4\0\0\0\0\0"
                                "\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\14";
    kt__client_phase phase;
    kt__client_phase_begin(&phase, "refusing HTTP/2", c->timeouts.send, c->deadline);
    int rc = kt__client_phase_end(&phase, kt_stream_write(s, words, sizeof words - 1));
    return rc < 0 ? rc : kt_error_set(KT_EPROTOCOL, "the server speaks HTTP/2 with %s, too weak a suite for it", suite);
}

/* 1: it is HTTP/2; 0: HTTP/1.1; or an error. */
static int speaks_2(const kt__http_call *c, kt_stream *s)
{
    kt_tls_info info;
    if (!kt_url_is_secure(&c->url)) /* whatever there is between us and a proxy */
        return c->session->o.version == KT_HTTP_2; /* by prior knowledge */
    int rc = kt_tls_info_get(s, &info);
    if (rc < 0 || !kt_slice_is(info.alpn, "h2"))
        return rc;
    return info.modern ? 1 : refuse_2(c, s, info.cipher);
}

int kt__client_connect(kt__http_call *c, kt__client_conn **ret_conn)
{
    kt__client_conn *conn = NULL;
    bool only_1 = kt__client_only_1(c); /* as it is now, whatever others find out meanwhile */
    int rc = conn_new(c->session, c->origin, &conn);
    if (rc == 0)
        rc = open_stream(c, only_1, &conn->stream);
    if (rc == 0 && !only_1)
        rc = speaks_2(c, conn->stream);
    if (rc == 0 && c->session->o.version == KT_HTTP_2)
        rc = kt_error_set(KT_EPROTOCOL, "the server does not speak HTTP/2");
    if (rc > 0)
        rc = kt__client_h2_open(conn);
    if (rc < 0) {
        if (conn)
            kt__client_part(conn->stream, KT__CLIENT_DROP);
        kt_free(conn);
        return rc;
    }
    *ret_conn = conn;
    return 0;
}

/* Where an end of the connection could not be taken for that of a body, TLS's good-bye is sent, and not waited for
 * (RFC 8446 section 6.1); where a peer is still sending, nothing is waited for at all. */
void kt__client_part(kt_stream *s, kt__client_fate fate)
{
    if (!s)
        return;
    kt_cancel_hold();
    if (fate == KT__CLIENT_KEEP) {
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        kt_timeout_start(&limit, PARTING_TIME);
        int rc = kt_stream_shutdown_write(s);
        (void)!kt_timeout_end(&limit, rc); /* it is closed whatever comes */
    }
    kt_stream_hang_up(s, fate == KT__CLIENT_DROP);
    kt_stream_close(s);
    kt_cancel_unhold();
}
