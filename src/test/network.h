/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_TEST_NETWORK_PRIVATE_H
#define KETTLE_TEST_NETWORK_PRIVATE_H

/* The inside of the simulated network.
 *
 *     network.c        hosts, names, troubles;    network_connect.c  connecting and listening
 *     network_link.c   connections: segments on their way, and the streams at both ends
 *
 * Of libkettle it needs the public interface, kettle/simulated.h, and the declarations in io/network.h. */

#include <kettle/callback.h>
#include <kettle/stream_backend.h>
#include <kettle/sync.h>
#include <kettle/test_network.h>

#include "io/network.h"

typedef struct kt__connection kt__connection;

enum kt__segment_kind { KT__DATA, KT__FIN, KT__RST };

typedef struct kt__segment {
    struct kt__segment *next;
    kt_time sent, arrives;
    enum kt__segment_kind kind;
    size_t at, size; /* bytes[at..size) are unread */
    char bytes[];
} kt__segment;

typedef struct kt__segments {
    kt__segment *first, **last;
} kt__segments;

/* From one end to the other. */
typedef struct kt__way {
    kt__connection *connection;
    kt__segments under_way, arrived; /* in order */
    size_t held;                     /* bytes in both */
    kt_time last_arrival;
    bool fin_sent; /* no more bytes are taken */
    bool refused;  /* the end that it comes from has answered with a reset */
    bool ended;    /* the FIN has arrived */
    kt_event readable, room;
    kt_callback timer; /* of the first under way */
} kt__way;

typedef struct kt__end {
    kt__connection *connection;
    kt__way *in, *out;
    kt_address address;
    int error;    /* with which it broke, or 0 */
    bool closed;  /* or forgotten, with its host: what arrives is answered with a reset */
    bool freed;   /* no stream is there any more */
} kt__end;

struct kt__connection {
    kt_test_network *network;
    kt__connection *next, *prev;
    kt__connection *next_waiting; /* in a listener's queue */
    kt__end ends[2];              /* who connected, who accepted */
    kt__way ways[2];              /* from these */
};

typedef struct kt__acceptor {
    kt__network_listener seen; /* first: what the library sees */
    struct kt__acceptor *next;
    kt_test_network *network;
    kt__connection *first, **last; /* not accepted yet */
    size_t waiting, backlog;
    kt_event ready;
    unsigned users; /* the listener, and the accept that waits */
    bool closed, dead; /* dead: with its host, but nobody has closed it */
    bool shared;    /* SO_REUSEPORT */
} kt__acceptor;

typedef struct kt__name {
    struct kt__name *next;
    kt_address address;
    char name[];
} kt__name;

/* `any`: all others. */
typedef struct kt__cut {
    struct kt__cut *next;
    kt_address hosts[2];
    bool any, down;
} kt__cut;

struct kt_test_network {
    kt__network calls; /* first: what the library sees */
    kt_test_network_options options;
    uint64_t random;
    uint16_t ports;
    kt__connection *connections;
    kt__acceptor *acceptors;
    kt__name *names; /* also of hosts without one: "" */
    kt__cut *cuts;
};

/* ---- network.c ----------------------------------------------------------------------------- */

uint64_t kt__net_below(kt_test_network *n, uint64_t limit);

/* How long a segment is on its way. */
kt_time kt__net_delay(kt_test_network *n);

bool kt__net_same_host(const kt_address *a, const kt_address *b);
bool kt__net_is_cut(const kt_test_network *n, const kt_address *a, const kt_address *b);
bool kt__net_is_known(const kt_test_network *n, const kt_address *host);
kt__name *kt__net_know(kt_test_network *n, const char *name, const kt_address *host);

/* The host of the running task; and an address as it is meant there. */
kt_address kt__net_own(void);
kt_address kt__net_meant(const kt_address *a);
void kt__net_set_port(kt_address *a, uint16_t port);

/* ---- network_connect.c --------------------------------------------------------------------- */

int kt__net_connect(kt__network *n, const kt_address *to, const kt_address *local, kt_stream **ret_stream);
int kt__net_listen(kt__network *n, const kt_address *at, const kt_listen_options *o,
                   kt__network_listener **ret_listener);
void kt__net_acceptor_die(kt__acceptor *a);

/* ---- network_link.c ------------------------------------------------------------------------ */

extern const kt_stream_backend kt__net_backend;

kt__connection *kt__net_connection_new(kt_test_network *n, const kt_address *from, const kt_address *to);

/* An end without a stream: closes and frees it, and the connection with the second one. */
void kt__net_end_drop(kt__end *e);

/* An end breaks, and its peer hears nothing of it. */
void kt__net_end_break(kt__end *e, int error);

/* What is under way was held up, or is no longer. */
void kt__net_connection_moves(kt__connection *c);

#endif
