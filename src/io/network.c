/* SPDX-License-Identifier: MIT */

/* Where a simulated network is put beneath the running loop's streams, and listeners on it. */
#include "io/network.h"

#include <errno.h>
#include <kettle/memory.h>

#include "core/core.h"
#include "io/listener.h"

kt__network *kt__network_here(void)
{
    return kt__loop ? kt__loop->network : NULL;
}

kt__network *kt__network_set(kt__network *n)
{
    kt__network *before = kt__loop->network;
    kt__loop->network = n;
    return before;
}

int kt__listen_simulated(kt__network *n, const kt_address *at, const kt_listen_options *options,
                         kt_listener **ret_listener)
{
    char text[128];
    kt_listener *l = kt_calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    int rc = n->listen(n, at, options, &l->simulated);
    if (rc < 0) {
        kt_free(l);
        kt_address_format(&at->any, at->size, text, sizeof text);
        return kt_error_set(rc, "listen on %s: %s", text, kt_strerror(rc));
    }
    l->fd = (kt__fd){.fd = -1};
    l->family = l->simulated->address.any.sa_family;
    l->port = kt_address_port(&l->simulated->address);
    *ret_listener = l;
    return 0;
}
