/* SPDX-License-Identifier: MIT */

/* Sessions that a client may resume (RFC 8446 2.2, RFC 5077). OpenSSL's own cache of a client cannot be asked by
 * server, so it is off. */

#include <kettle/memory.h>
#include <string.h>

#include "tls/tls.h"

void kt__tls_sessions_init(kt__tls_sessions *s)
{
    pthread_mutex_init(&s->lock, NULL); /* with default attributes it cannot fail here */
}

void kt__tls_sessions_release(kt__tls_sessions *s)
{
    for (size_t i = 0; i < KT__TLS_SESSIONS; i++) {
        SSL_SESSION_free(s->places[i].session);
        kt_free(s->places[i].key);
    }
    pthread_mutex_destroy(&s->lock);
}

static size_t find(const kt__tls_sessions *s, const char *key)
{
    size_t i = 0;
    while (i < KT__TLS_SESSIONS && !(s->places[i].key && strcmp(s->places[i].key, key) == 0))
        i++;
    return i;
}

/* The latest of a server takes the place of the one before, else of the oldest. */
static bool keep(kt__tls_sessions *s, const char *key, SSL_SESSION *session)
{
    char *copy = kt_strndup(key, strlen(key));
    if (!copy)
        return false; /* the next connection shakes hands in full */
    pthread_mutex_lock(&s->lock);
    size_t i = find(s, key);
    if (i == KT__TLS_SESSIONS) {
        i = s->next;
        s->next = (s->next + 1) % KT__TLS_SESSIONS;
    }
    SSL_SESSION *old = s->places[i].session;
    char *old_key = s->places[i].key;
    s->places[i].session = session;
    s->places[i].key = copy;
    pthread_mutex_unlock(&s->lock);
    SSL_SESSION_free(old);
    kt_free(old_key);
    return true;
}

int kt__tls_session_new(SSL *ssl, SSL_SESSION *session)
{
    kt__tls *c = SSL_get_app_data(ssl);
    return c->key[0] && keep(&c->set->sessions, c->key, session);
}

/* A ticket of TLS 1.3 is used once, lest connections can be linked (RFC 8446 C.4). */
void kt__tls_session_use(kt__tls_sessions *s, const char *key, SSL *ssl)
{
    SSL_SESSION *session = NULL;
    pthread_mutex_lock(&s->lock);
    size_t i = find(s, key);
    if (i < KT__TLS_SESSIONS && s->places[i].session) {
        session = s->places[i].session;
        if (SSL_SESSION_get_protocol_version(session) == TLS1_3_VERSION)
            s->places[i].session = NULL;
        else
            SSL_SESSION_up_ref(session);
    }
    pthread_mutex_unlock(&s->lock);
    if (session && SSL_SESSION_is_resumable(session))
        (void)SSL_set_session(ssl, session); /* else in full */
    SSL_SESSION_free(session);
}
