/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_CHAOS_H
#define TESTS_HTTP_CHAOS_H

/* What the servers and the clients of test_client_chaos.c share: a world, drawn by lot from a seed, and the ledger of
 * what has been done in it. All that a server says is legal; what the network does is not always kind. */

#include "client_site.h"
#include "lots.h"

#include <kettle/tls.h>

enum { ASKS_MAX = 200, SERVERS_MAX = 2, URL_BYTES = 64 };

/* One request of a client, by its number. */
typedef struct deed {
    bool idempotent;
    size_t body_size; /* of the request */
    unsigned acted;   /* so often has a server acted upon it */
} deed;

typedef struct world {
    uint64_t random;
    bool h2;
    kt_tls_config *tls[2]; /* of servers that speak HTTP/1.1 only, or HTTP/2, too; NULL: none */
    bool mixed;          /* each connection is to another one of them */
    bool kind;           /* the servers do only what costs nobody an answer, and the network loses no connection */
    size_t answer_max, request_max;
    kt_time pause_max;   /* of a server, between two things that it does */
    unsigned sends_on_in, leaves_in, refuses_in, early_in, interim_in; /* one in so many; 0: never */
    unsigned trickles_in, changes_in, breaks_in;
    size_t per_connection; /* requests of HTTP/2, and then GOAWAY; 0: any number */
    kt_listener *listeners[SERVERS_MAX];
    size_t servers;
    kt_http_session *web;
    kt_http_session_options o;
    bool closed;         /* the session is, or is about to be */
    deed deeds[ASKS_MAX];
    unsigned asked;
} world;

static inline bool may_speak_1(const world *w)
{
    return !w->h2 || w->tls[0];
}

/* A URL of one of the servers. */
static inline void put_url(world *w, char *url, size_t path)
{
    snprintf(url, URL_BYTES, "%s://127.0.0.1:%u/%zu", w->tls[0] ? "https" : "http",
             kt_listener_port(w->listeners[below(&w->random, w->servers)]), path);
}

/* ---- The ledger -------------------------------------------------------------------------------- */

static inline deed *deed_of(world *w, unsigned number)
{
    CHECK_LT(number, w->asked);
    return &w->deeds[number];
}

static inline void acts_upon(world *w, unsigned number)
{
    deed *d = deed_of(w, number);
    d->acted++;
    kt_test_say("acted upon %u", number);
    if (!d->idempotent && d->acted > 1)
        kt_test_fail("%u has been acted upon twice", number);
}

/* A status that sends a request on to another place, where by 303 it becomes a GET. */
static inline int sends_on(world *w, unsigned number)
{
    int status = (int)ONE_OF(&w->random, 303, 307);
    deed *d = deed_of(w, number);
    d->idempotent = d->idempotent || status == 303;
    return status;
}

/* More of a request's body has come. */
static inline void check_piece(world *w, unsigned number, const void *bytes, size_t size, size_t at)
{
    CHECK(is_filled(bytes, size, number, at));
    CHECK_LE(at + size, deed_of(w, number)->body_size);
}

#endif
