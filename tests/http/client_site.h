/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_CLIENT_SITE_H
#define TESTS_HTTP_CLIENT_SITE_H

/* Servers for the tests of the client, in the simulated network or on loopback: our own; and parrots, which say for
 * each connection and request what a test told them to, true or not. */

#include "serve.h"

#include <kettle/http_client.h>
#include <kettle/stream_backend.h>
#include <kettle/test_network.h>
#include <stdlib.h>

/* ---- A network, where there is no real one ---------------------------------------------------- */

static inline bool is_simulated(void)
{
    return strcmp(kt_loop_driver(kt_loop_current()), "sim") == 0;
}

typedef struct net {
    kt_test_network *n;
} net;

static inline net net_open(kt_test_network_options o)
{
    net n = {NULL};
    if (is_simulated()) {
        n.n = kt_test_network_open(&o);
        kt_test_network_use(n.n);
    }
    return n;
}

static inline void net_cleanup(net *n)
{
    if (n->n)
        kt_test_network_close(n->n);
}

/* For tests in which time has to pass. */
static inline void sim_only(void)
{
    if (!is_simulated())
        kt_test_skip("time passes only in the simulator");
}

/* ---- Parrots ---------------------------------------------------------------------------------- */

/* What is said on one connection after the nth request: script[connection][request]. NULL ends the connection; "" says
 * nothing. A text that begins with '!' resets it instead, one with '~' is followed by the end. */
enum { PARROT_CONNECTIONS = 8, PARROT_REQUESTS = 8 };

typedef struct parrot {
    kt_listener *l;
    const char *script[PARROT_CONNECTIONS][PARROT_REQUESTS];
    const char *at_once; /* said when a connection begins */
    kt_time stalls;      /* before each answer */
    bool hasty;          /* answers what expects a leave before its body */
    const kt_tls_config *tls; /* of each connection; NULL: plain */
    kt_task *task;
    int connections, requests, ended;
    char heard[4 * 1024]; /* all heads, one after the other */
    size_t size;
    uint16_t port;
} parrot;

/* Reads one request, with the body that its Content-Length announces. 1, 0 at the end. */
static inline int parrot__hears(parrot *p, kt_stream *s)
{
    kt_slice head, end = {"\r\n\r\n", 4};
    if (kt_stream_read_until(s, end, 16 * 1024, &head) <= 0)
        return 0;
    if (p->size + head.size < sizeof p->heard) {
        memcpy(p->heard + p->size, head.data, head.size);
        p->size += head.size;
    }
    bool waits = p->hasty && memmem(head.data, head.size, "Expect: ", 8);
    const char *length = waits ? NULL : memmem(head.data, head.size, "Content-Length: ", 16);
    size_t left = length ? strtoul(length + 16, NULL, 10) : 0;
    p->requests++;
    while (left > 0) {
        char skipped[4096];
        ssize_t n = kt_stream_read(s, skipped, left < sizeof skipped ? left : sizeof skipped);
        if (n <= 0)
            return 0;
        left -= (size_t)n;
    }
    return 1;
}

KT_FN(parrot__talks, a, struct { parrot *p; kt_stream *s; int number; })
{
    parrot *p = a->p;
    int rc = p->tls ? kt_stream_start_tls(a->s, p->tls, NULL) : 0;
    if (rc == 0 && p->at_once)
        rc = kt_stream_write(a->s, p->at_once, strlen(p->at_once));
    for (int i = 0; rc == 0 && i < PARROT_REQUESTS && parrot__hears(p, a->s); i++) {
        const char *text = p->script[a->number % PARROT_CONNECTIONS][i];
        if (p->stalls)
            rc = kt_sleep(p->stalls);
        if (!text || rc < 0)
            break;
        if (*text == '!') {
            kt_stream_hang_up(a->s, true);
            break;
        }
        rc = kt_stream_write(a->s, text + (*text == '~'), strlen(text) - (*text == '~'));
        if (*text == '~')
            break;
    }
    p->ended++;
    kt_stream_close(a->s);
    return 0;
}

KT_FN(parrot__serves, a, struct { parrot *p; })
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    while (rc == 0) {
        kt_stream *s = NULL;
        rc = kt_listener_accept(a->p->l, &s);
        int number = a->p->connections;
        if (rc == 0)
            rc = kt_group_spawn(&g, KT_WITH(parrot__talks, .p = a->p, .s = s, .number = number));
        a->p->connections += rc == 0;
        if (rc == -ENOMEM) { /* a test lets allocations fail */
            kt_stream_close(s);
            rc = 0;
        }
    }
    return kt_group_join(&g, rc);
}

static inline void parrot_open(parrot *p)
{
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &p->l));
    p->port = kt_listener_port(p->l);
    CHECK_OK(kt_spawn(KT_WITH(parrot__serves, .p = p), &p->task));
}

static inline void parrot_close(parrot *p)
{
    kt_task_cancel(p->task);
    CHECK_ERR(kt_task_join(p->task), KT_ECANCELED);
    kt_listener_close(p->l);
}

/* ---- Clients ---------------------------------------------------------------------------------- */

static inline kt_http_session *session_for(uint16_t port, kt_http_session_options o)
{
    char base[64];
    kt_http_session *s = NULL;
    snprintf(base, sizeof base, "http://127.0.0.1:%u/", port);
    o.base_url = base;
    CHECK_OK(kt_http_session_open(&o, &s));
    return s;
}

/* Asks, reads the whole body, and says what it came to: "200 body", or an error's name. Valid until the next. */
static inline const char *ask_with(kt_http_session *s, const kt_http_request *q)
{
    static char text[70 * 1024];
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    int rc = kt_http_send(s, q, &r);
    if (rc < 0)
        return kt_error_name(rc);
    rc = kt_http_response_read_all(r, 64 * 1024, &body);
    if (rc < 0)
        snprintf(text, sizeof text, "%d %s", kt_http_response_status(r), kt_error_name(rc));
    else
        snprintf(text, sizeof text, "%d %.*s", kt_http_response_status(r), (int)body.size, body.data);
    return text;
}

static inline const char *ask(kt_http_session *s, const char *path)
{
    const kt_http_request q = {.url = path};
    return ask_with(s, &q);
}

KT_FN(asks_for, a, struct { kt_http_session *s; const char *url, *answer; })
{
    CHECK_STR(ask(a->s, a->url), a->answer);
    return 0;
}

/* So many tasks ask at once, and all have to get the answer. */
static inline void crowd_asks(kt_http_session *s, int size, const char *url, const char *answer)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    for (int i = 0; i < size; i++)
        CHECK_OK(kt_group_spawn(&g, KT_WITH(asks_for, .s = s, .url = url, .answer = answer)));
    CHECK_OK(kt_group_join(&g, 0));
}

/* What one answer of a parrot comes to. */
static inline const char *answer_of(const char *text)
{
    parrot p = {.script = {{text}}};
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){0});
    const char *result = ask(s, "/");
    kt_http_session_close(s);
    parrot_close(&p);
    return result;
}

static inline kt_http_session_facts facts_of(const kt_http_session *s)
{
    kt_http_session_facts f;
    kt_http_session_facts_get(s, &f);
    return f;
}

#define OK(length, body) "HTTP/1.1 200 OK\r\nContent-Length: " #length "\r\n\r\n" body

#endif
