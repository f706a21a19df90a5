/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_TLS_TLS_H
#define KETTLE_TLS_TLS_H

/* The inside of TLS.
 *
 * OpenSSL's objects are not reentrant, but no SSL_* call ever suspends: the BIO beneath reads from `in` and writes to
 * `out`, both in memory. So between two suspensions an SSL is in order, and one task may wait for bytes while another
 * waits for room. Whoever waits does it outside OpenSSL: fill gets bytes, flush sends them.
 *
 * Rejected: OpenSSL's memory BIOs, which keep bytes that were sent until all are read, and fail in
 * the middle of a record when there is no memory; and a BIO right over the stream, one system call a record. */

#include <kettle/buffer.h>
#include <kettle/stream_backend.h>
#include <kettle/sync.h>
#include <kettle/tls.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

/* ---- Sets: what a config holds at one time -------------------------------------------------- */

#define KT__TLS_SESSIONS 64

/* Sessions of earlier connections that a client may resume, by server. */
typedef struct kt__tls_sessions {
    pthread_mutex_t lock;
    struct {
        char *key;
        SSL_SESSION *session;
    } places[KT__TLS_SESSIONS];
    size_t next; /* to be overwritten */
} kt__tls_sessions;

/* Does not change once it is made, its sessions excepted; the last of its users frees it. */
typedef struct kt__tls_set {
    atomic_uint references;
    bool server, verify, verify_name, resume;
    BIO_METHOD *method;
    kt_buffer alpn;     /* as on the wire (RFC 7301 3.1) */
    SSL_CTX **contexts; /* one for each certificate, at least one */
    size_t count;
    kt__tls_sessions sessions;
} kt__tls_set;

int kt__tls_client_set(const kt_tls_client_options *options, kt__tls_set **ret_set) KT_CHECKED;
int kt__tls_server_set(const kt_tls_server_options *options, kt__tls_set **ret_set) KT_CHECKED;
void kt__tls_set_unref(kt__tls_set *set);

/* Appends protocols' names, NULL-ended or NULL, as a handshake has them. 0; -EINVAL; -ENOMEM, KT_ELIMIT. */
int kt__tls_alpn_encode(kt_buffer *b, const char *const *names) KT_CHECKED;

struct kt_tls_config {
    pthread_mutex_t lock;
    kt__tls_set *set;
};

/* Its set, with a reference that the caller owns. */
kt__tls_set *kt__tls_config_set(const kt_tls_config *c);

/* Certificates, keys, roots and revocation lists into a context (certificate.c). With no list nothing is asked for. */
int kt__tls_use_certificate(SSL_CTX *context, const kt_tls_certificate *certificate) KT_CHECKED;
int kt__tls_trust(SSL_CTX *context, const char *file, kt_slice pem, bool ask_for_them) KT_CHECKED;
int kt__tls_revoke(SSL_CTX *context, const char *file, kt_slice pem) KT_CHECKED;

/* ---- Sessions (session.c) -------------------------------------------------------------------- */

void kt__tls_sessions_init(kt__tls_sessions *s);
void kt__tls_sessions_release(kt__tls_sessions *s);
/* Keeps what the server gave: for SSL_CTX_sess_set_new_cb. */
int kt__tls_session_new(SSL *ssl, SSL_SESSION *session);
/* Gives an earlier session to a connection that is about to begin, if there is one. */
void kt__tls_session_use(kt__tls_sessions *s, const char *key, SSL *ssl);

/* ---- Connections ----------------------------------------------------------------------------- */

#define KT__TLS_NAME_MAX 253

typedef struct kt__tls {
    kt__tls_set *set;
    SSL *ssl;
    kt_stream *below; /* NULL: closed */
    char *in;         /* in[in_start..in_end) came from below and is not decrypted yet */
    size_t in_start, in_end, in_capacity;
    bool in_over;     /* below is at its end */
    kt_buffer out;    /* encrypted bytes, to be sent after `sending` */
    kt_buffer sending; /* from `sent` on; does not move while below writes from it */
    size_t sent;
    int push_error;   /* of a push that failed, 0 if none did: what was to be sent is lost */
    int out_error;    /* why the last write of OpenSSL's into `out` failed */
    int broken;       /* with which every call fails, or 0 */
    kt_event over;    /* the handshake, well or not */
    bool shaken;      /* hands are. OpenSSL does not say: half a ticket or key update looks like a handshake to it */
    bool ended;       /* no more bytes are to be written */
    bool reading, flushing; /* a task waits below */
    kt_event filled;  /* for others that need bytes while one is `reading` */
    kt_task *closer;  /* who alone may still use it, or NULL */
    kt_time shutdown_timeout;
    char name[KT__TLS_NAME_MAX + 1];     /* of the server, "" if unknown */
    char key[KT__TLS_NAME_MAX + 1 + 16]; /* of its sessions, "" if there are none */
} kt__tls;

extern const kt_stream_backend kt__tls_backend;

/* The BIO between an SSL and its connection (bio.c). NULL without memory. */
BIO_METHOD *kt__tls_bio_method(void);
BIO *kt__tls_bio_new(kt__tls *c);

/* 0, or why the running task cannot go on: closed by another, broken, not shaken. To be asked after each wait. */
int kt__tls_usable(const kt__tls *c);
/* Waits for bytes from below, on behalf of all who need them: 0 when some came, or the end, or when another
 * task that waited has ceased to: the caller tries again. Suspends. */
int kt__tls_fill(kt__tls *c);
/* Sends what is to be sent, in order. A cancellation leaves the rest for the next time. Suspends. */
int kt__tls_flush(kt__tls *c);
/* The same as far as there is room, without waiting. */
void kt__tls_push(kt__tls *c);
/* Frees what is not NULL. */
void kt__tls_free(void *object);

/* The last failure of SSL_* on the connection in words, after which it is broken: returns the code. */
int kt__tls_broken(kt__tls *c);

/* kt_tls_info.modern, with that suite (facts.c). */
bool kt__tls_is_modern(const SSL *ssl, const SSL_CIPHER *suite);

/* ---- Words (words.c) ------------------------------------------------------------------------- */

/* What OpenSSL's error queue says, as "DOING: reason"; empties it. -ENOMEM or KT_ETLS. */
int kt__tls_error(const char *doing);

#endif
