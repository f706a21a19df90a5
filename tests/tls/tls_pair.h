/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TLS_TLS_PAIR_H
#define TESTS_TLS_TLS_PAIR_H

/* A client and a server that speak TLS over a pair in memory. */

#include <errno.h>
#include <kettle/kettle.h>
#include <kettle/test.h>
#include <kettle/tls.h>
#include <stdio.h>

#include "certificates.h"
#include "tls/tls.h"

typedef struct tls_pair {
    kt_tls_config *client_config, *server_config;
    kt_stream *client, *server;
} tls_pair;

KT_FN(start_tls_task, a, struct {
    kt_stream *s;
    const kt_tls_config *config;
    const kt_tls_options *options;
})
{
    return kt_stream_start_tls(a->s, a->config, a->options);
}

static inline kt_task *spawn(KT__JOB)
{
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(fn, arg, size, &t));
    return t;
}

static inline const kt_tls_options *for_localhost(void)
{
    static const kt_tls_options o = {.server_name = "localhost"};
    return &o;
}

static inline kt_tls_config *client_config(kt_tls_client_options o)
{
    kt_tls_config *c = NULL;
    o.no_system_trust = true;
    if (!o.ca_pem.size && !o.ca_file)
        o.ca_pem = certificate_of(authority());
    CHECK_OK(kt_tls_client_new(&o, &c));
    return c;
}

static inline kt_tls_certificate as_certificate(const made *m)
{
    return (kt_tls_certificate){.chain_pem = certificate_of(m), .key_pem = key_of(m)};
}

static inline kt_tls_config *server_config(kt_tls_server_options o)
{
    kt_tls_config *c = NULL;
    const kt_tls_certificate certificate = as_certificate(good());
    if (!o.certificates) {
        o.certificates = &certificate;
        o.certificate_count = 1;
    }
    CHECK_OK(kt_tls_server_new(&o, &c));
    return c;
}

/* What the two handshakes come to. */
typedef struct shaken {
    int client, server;
    char client_words[256], server_words[256];
} shaken;

static inline shaken shake_as(tls_pair *p, const kt_tls_options *client, const kt_tls_options *server)
{
    shaken r = {0};
    kt_task *t = spawn(KT_WITH(start_tls_task, p->server, p->server_config, server));
    r.client = kt_stream_start_tls(p->client, p->client_config, client);
    snprintf(r.client_words, sizeof r.client_words, "%s", kt_error_detail());
    r.server = kt_task_join(t);
    snprintf(r.server_words, sizeof r.server_words, "%s", kt_error_detail());
    return r;
}

static inline shaken shake(tls_pair *p)
{
    return shake_as(p, for_localhost(), NULL);
}

/* Not yet shaken. */
static inline tls_pair plain_pair(size_t capacity, kt_tls_client_options c, kt_tls_server_options s)
{
    kt_stream *ends[2];
    CHECK_OK(kt_stream_memory_pair(capacity, ends));
    return (tls_pair){client_config(c), server_config(s), ends[0], ends[1]};
}

static inline void shake_well(tls_pair *p)
{
    shaken r = shake(p);
    CHECK_OK(r.client);
    CHECK_OK(r.server);
}

static inline tls_pair tls_pair_open(kt_tls_client_options c, kt_tls_server_options s)
{
    tls_pair p = plain_pair(0, c, s);
    shake_well(&p);
    return p;
}

static inline tls_pair usual_pair(void)
{
    return tls_pair_open((kt_tls_client_options){0}, (kt_tls_server_options){0});
}

static inline int close_task(void *arg)
{
    kt_stream_close(arg);
    return 0;
}

/* Both at once, since each waits for the other's farewell. */
static inline void tls_pair_cleanup(tls_pair *p)
{
    kt_task *t = spawn(close_task, p->server, 0);
    kt_stream_close(p->client);
    CHECK_OK(kt_task_join(t));
    kt_tls_config_free(p->client_config);
    kt_tls_config_free(p->server_config);
}

/* The inside of an end, for what no peer of ours does by itself. */
static inline kt__tls *inside(const kt_stream *s)
{
    return kt_stream_object(s, &kt__tls_backend);
}

static inline void say(kt_stream *s, const char *text)
{
    CHECK_OK(kt_stream_write(s, text, strlen(text)));
}

static inline void hear(kt_stream *s, const char *expected)
{
    char bytes[256] = "";
    CHECK_OK(kt_stream_read_exactly(s, bytes, strlen(expected)));
    CHECK_STR(bytes, expected);
}

#endif
