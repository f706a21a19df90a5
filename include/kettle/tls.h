/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_TLS_H
#define KETTLE_TLS_H

/* TLS 1.2 and 1.3, by OpenSSL. A TLS stream is a kt_stream like any other, over whatever stream was there
 * before: TCP, Unix, a pair in memory. Link with libkettle-net.
 *
 *     kt_auto(kt_tls_config) *config = NULL;
 *     kt_auto(kt_stream) *s = NULL;
 *     int rc = kt_tls_client_new(NULL, &config);      // once; trusts what the system trusts
 *     if (rc == 0)
 *         rc = kt_tls_connect(config, "example.org", 443, NULL, &s);
 *     if (rc == 0)
 *         rc = kt_stream_write(s, "GET / HTTP/1.0\r\nHost: example.org\r\n\r\n", 37);
 *
 * What differs from a plain stream:
 *   - An end of file is one only if the peer said good-bye (close_notify, RFC 8446 6.1). A connection that ends
 *     without is KT_ETRUNCATED, since anybody on the way can make it end.
 *   - After KT_ETLS, KT_ECERTIFICATE, or KT_ETRUNCATED every further call on the stream returns the same. So it does
 *     after KT_ELIMIT, with which a peer is given up that makes us answer and does not read.
 *   - kt_stream_close says good-bye and waits for the peer's, for the shutdown time limit at most, also where
 *     cancellations are held back; what the peer still sends is thrown away. A cancellation cuts the wait short and
 *     shows at the next call. Nobody waits while another task reads or writes, which gets KT_ECLOSED, or
 *     without memory for a task. The stream is closed in every case.
 *   - kt_stream_shutdown_write says good-bye, and reading goes on. A peer that speaks TLS 1.2 may take that for the
 *     end of both directions (RFC 5246 7.2.1).
 *   - kt_stream_write_nowait has no room ever.
 *   - A write that is cancelled in the middle tears the stream as any other does, but no record: what was encrypted is
 *     sent at the close, ahead of the good-bye. What kt_stream_write_some has taken goes with the next write.
 *
 * kt_error_detail has OpenSSL's words. OpenSSL allocates for itself; when it cannot, that is -ENOMEM here, or
 * KT_ETLS where it does not say why it failed; kt_allocator_set and kt_test_fail_allocation do not reach it. A task
 * that shakes hands needs a stack of 64 KiB. */

#include <kettle/stream.h>

KT_BEGIN

/* ---- What both sides share: made once, used for many connections -------------------------- */

/* Certificates, keys, and rules, of a client or of a server. Any number of threads may use one at a time. Streams that
 * were made with it outlive it. Like ssl.SSLContext. */
typedef struct kt_tls_config kt_tls_config;

typedef enum kt_tls_version {
    KT_TLS_DEFAULT, /* 1.2 */
    KT_TLS_1_2,
    KT_TLS_1_3,
} kt_tls_version;

/* A certificate with those that lead to its root, and its key, in PEM: each a file, or bytes. */
typedef struct kt_tls_certificate {
    const char *chain_file, *key_file;
    kt_slice chain_pem, key_pem;
    const char *key_password; /* NULL: a key that needs one is refused */
} kt_tls_certificate;

/* All zero means the defaults. Everything is copied. */
typedef struct kt_tls_client_options {
    const char *ca_file;  /* PEM: trusted as well */
    kt_slice ca_pem;
    bool no_system_trust; /* trusts only these */
    const char *crl_file; /* PEM: revocation lists (RFC 5280 5). With any, each authority of a chain needs one */
    kt_slice crl_pem;     /* that is in date, and what it names is refused */
    const kt_tls_certificate *certificate; /* of the client itself; NULL = none */
    const char *const *alpn;    /* protocols in order of preference, then NULL (RFC 7301); NULL = none */
    kt_tls_version version_min;
    bool no_resumption;         /* of sessions: each connection shakes hands in full */
    bool danger_accept_any_name;        /* of a certificate that is otherwise good */
    bool danger_accept_any_certificate; /* anybody can pose as the server; includes the name */
} kt_tls_client_options;

typedef enum kt_tls_client_certificates {
    KT_TLS_CLIENT_NONE,     /* not asked for */
    KT_TLS_CLIENT_OPTIONAL, /* asked for; one that is not trusted is refused */
    KT_TLS_CLIENT_REQUIRED,
} kt_tls_client_certificates;

/* All zero means the defaults, but at least one certificate is needed. Everything is copied. */
typedef struct kt_tls_server_options {
    /* Clients get the first one whose names fit what they ask for (SNI, RFC 6066 3), else the first. */
    const kt_tls_certificate *certificates;
    size_t certificate_count;
    const char *const *alpn; /* in order of preference, then NULL. Clients that offer none of them are refused, those
                              * that do not offer any protocol are not (RFC 7301 3.2). "h2" counts only where the
                              * connection is `modern` (RFC 9113 9.2.2). NULL = not negotiated */
    kt_tls_version version_min;
    bool no_resumption;      /* of sessions, which clients keep, in tickets: a server remembers nothing of them */
    kt_tls_client_certificates client_certificates;
    const char *client_ca_file; /* PEM: whose certificates clients may have; nobody else's, not the system's */
    kt_slice client_ca_pem;
    const char *client_crl_file; /* PEM: revocation lists, as of kt_tls_client_options, for clients' certificates */
    kt_slice client_crl_pem;
} kt_tls_server_options;

/* Makes a client's config; NULL options mean the defaults. Certificates are verified: chain, dates, and the
 * name or IP address in the subject's alternative names (RFC 6125; never the common name). The caller
 * owns *ret_config. -ENOMEM; -ENOENT and the like for a file; KT_ETLS for what is in it (the detail names it); -EINVAL
 * for options that contradict each other or lack something. Reads files, and so may block; the system's roots alone
 * are hundreds of kilobytes: in a running loop by kt_thread_run. Roots that a system keeps in a folder
 * (SSL_CERT_DIR) are read one by one later, each by the first handshake that needs it, on that loop's thread; who does
 * not want that names a ca_file and no_system_trust. Any thread; does not suspend. Like
 * ssl.create_default_context. */
KT_API int kt_tls_client_new(const kt_tls_client_options *options, kt_tls_config **ret_config) KT_CHECKED;

/* Makes a server's config. A key that does not belong to its certificate is KT_ETLS. Otherwise as
 * kt_tls_client_new. Like ssl.create_default_context(Purpose.CLIENT_AUTH). */
KT_API int kt_tls_server_new(const kt_tls_server_options *options, kt_tls_config **ret_config) KT_CHECKED;

/* Reads everything anew: handshakes that begin from now on are by these options; connections that are there go on by
 * the old. On failure nothing changes. -EINVAL for a config of the other side. Otherwise as when it was made. */
KT_API int kt_tls_client_reload(kt_tls_config *c, const kt_tls_client_options *options) KT_CHECKED;
KT_API int kt_tls_server_reload(kt_tls_config *c, const kt_tls_server_options *options) KT_CHECKED;

/* Frees it; NULL is allowed. No other thread is using it. Any thread; does not suspend. */
KT_API void kt_tls_config_free(kt_tls_config *c);

/* ---- Connections --------------------------------------------------------------------------- */

/* All zero means the defaults. */
typedef struct kt_tls_options {
    const char *server_name;   /* client: the name or IP address that the certificate must have, copied, at most 253
                                * bytes; kt_tls_connect: NULL = the host */
    kt_time handshake_timeout; /* 0 = 60 s */
    kt_time shutdown_timeout;  /* of kt_stream_close; 0 = 30 s */
    const kt_connect_options *connect; /* of kt_tls_connect; NULL = the defaults */
    const char *const *alpn;   /* client: what to offer in place of the config's protocols; NULL = those */
} kt_tls_options;

/* Connects over TCP and shakes hands. The caller owns *ret_stream. Errors of kt_stream_connect and
 * kt_stream_start_tls. Suspends; cancelled: nothing is left open. Like asyncio.open_connection(ssl=...). */
KT_API int kt_tls_connect(const kt_tls_config *c, const char *host, uint16_t port,
                          const kt_tls_options *options, kt_stream **ret_stream) KT_CHECKED;

/* Shakes hands on a stream that is there, as the client or the server that the config is of; s is a TLS stream from
 * then on, in place. Bytes that s had buffered count as the beginning of the peer's handshake, never as what
 * was said under its protection: plain text that somebody put behind a STARTTLS makes it fail (RFC 2595 2.2).
 * NULL options mean the defaults; a client that verifies names needs a
 * server_name (-EINVAL).
 *
 * 0; KT_ECERTIFICATE: the peer's certificate is not trusted, and the detail says why; KT_ETLS: another failure, or
 * what the peer objects to; KT_ETRUNCATED: the peer hung up; -ECONNABORTED: the time limit is over; -ENOMEM;
 * the errors of reading from and writing to s. After -EINVAL and -ENOMEM s may be as it was; otherwise, and when
 * cancelled, it is good only to be closed. In TLS 1.3 a client is done before the server has looked at the client's
 * certificate: a refusal shows at the first read. Suspends. A task that is inside s already is misuse. One that
 * reads or writes meanwhile waits for the end of the handshake; one that starts TLS gets KT_EINVALIDSTATE; one that
 * closes s ends it with KT_ECLOSED, and s is gone then. Like loop.start_tls, StreamWriter.start_tls. */
KT_API int kt_stream_start_tls(kt_stream *s, const kt_tls_config *c, const kt_tls_options *options) KT_CHECKED;

/* What kt_tls_serve does for each connection. Lives in the caller's storage, as long as the server. */
typedef struct kt_tls_service {
    const kt_tls_config *config;
    kt_tls_options options;
    int (*handler)(kt_stream *s, void *arg); /* gets a TLS stream */
    void *arg;
    uintptr_t reserved[2];
} kt_tls_service;

/* A handler for kt_server_start, whose `arg` is a kt_tls_service: shakes hands, then calls the service's handler and
 * returns what that returns. So a handshake is in the connection's own task, and holds nobody up. One that fails is
 * the client's affair: 0; in debug mode the error handler hears of it. Suspends. Like
 * asyncio.start_server(ssl=...). */
KT_API int kt_tls_serve(kt_stream *s, void *service) KT_CHECKED;

/* ---- Facts --------------------------------------------------------------------------------- */

/* What was negotiated. The strings are the stream's, good until it is closed. */
typedef struct kt_tls_info {
    const char *version;     /* "TLSv1.3" */
    const char *cipher;      /* "TLS_AES_256_GCM_SHA384" */
    kt_slice alpn;           /* empty: none */
    const char *server_name; /* that the client asked for; "" if none */
    bool resumed;            /* an earlier session, without certificates */
    bool modern;             /* TLS 1.3; or 1.2 with a suite that has ephemeral keys and authenticated encryption
                              * (AEAD), as HTTP/2 demands (RFC 9113 9.2.2) */
    uintptr_t reserved[4];
} kt_tls_info;

/* 0; -EINVAL for a stream that is not TLS; KT_EINVALIDSTATE before the handshake is over. Does not suspend. Like
 * transport.get_extra_info("cipher"). */
KT_API int kt_tls_info_get(const kt_stream *s, kt_tls_info *ret_info) KT_CHECKED;

/* The certificate that the peer has shown; one block of memory. */
typedef struct kt_tls_peer {
    const char *subject, *issuer; /* "CN=example.org,O=Example" (RFC 2253) */
    const char *names;            /* "DNS:example.org, IP Address:127.0.0.1" */
    const char *serial;           /* hexadecimal */
    const char *fingerprint;      /* SHA-256 of the DER form, 64 hexadecimal digits */
    int64_t not_before, not_after; /* seconds since 1970 */
    const char *pem;
    kt_slice der;
    uintptr_t reserved[4];
} kt_tls_peer;

/* The caller frees *ret_peer. KT_ENOTFOUND: the peer has shown none; -ENOMEM; as kt_tls_info_get. Does not suspend.
 * Like transport.get_extra_info("peercert"). */
KT_API int kt_tls_peer_get(const kt_stream *s, kt_tls_peer **ret_peer) KT_CHECKED;

/* NULL is allowed. */
KT_API void kt_tls_peer_free(kt_tls_peer *p);

static inline void kt_tls_config_cleanup(kt_tls_config **c)
{
    kt_tls_config_free(*c);
}

static inline void kt_tls_peer_cleanup(kt_tls_peer **p)
{
    kt_tls_peer_free(*p);
}

KT_END

#endif
