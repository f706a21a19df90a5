/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_NETWORK_H
#define KETTLE_IO_NETWORK_H

/* A network that stands in for the system's beneath connecting, listening and names: the simulated one of the test
 * kit. Its streams have a back end of their own. All of its functions run on the loop's thread. */

#include <kettle/simulated.h>
#include <kettle/stream.h>

typedef struct kt__network kt__network;

typedef struct kt__network_listener {
    kt_address address;

    /* As kt_listener_accept. */
    int (*accept)(struct kt__network_listener *l, kt_stream **ret_stream);

    /* Ends the accept that waits, with KT_ECLOSED, and gives the listener up. Does not suspend. */
    void (*close)(struct kt__network_listener *l);
} kt__network_listener;

struct kt__network {
    /* The addresses of a name that is no number, port 0: how many, at most `max`; 0 = it has none. Does not suspend. */
    size_t (*resolve)(kt__network *n, const char *host, kt_address *ret_addresses, size_t max);

    /* `local`: where to connect from, or NULL. As kt_stream_connect. Suspends. */
    int (*connect)(kt__network *n, const kt_address *to, const kt_address *local, kt_stream **ret_stream);

    /* An address of size 0, or one that stands for all interfaces, is the network's choice. -EADDRINUSE, -ENOMEM. Does not
     * suspend. */
    int (*listen)(kt__network *n, const kt_address *at, const kt_listen_options *o, kt__network_listener **ret_listener);
};

/* The running loop's, or NULL: the system's. */
kt__network *kt__network_here(void);

#endif
