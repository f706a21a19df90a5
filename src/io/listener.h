/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_LISTENER_H
#define KETTLE_IO_LISTENER_H

#include <kettle/stream.h>

#include "core/driver.h"

/* Of a balancer's connections, those of one listener. */
typedef struct kt__share kt__share;

/* With one address `fd` is its socket. With several it is an epoll(7) set of them, which is readable when
 * one of them is, so that whoever accepts waits in one place; the sockets are O_NONBLOCK then. */
struct kt_listener {
    kt__fd fd;
    int *sockets; /* NULL with one */
    size_t count;
    sa_family_t family;
    uint16_t port;
    char *path; /* of the Unix socket's file, removed at close if it is still ours */
    unsigned pausing; /* tasks in accept that do not wait for the descriptor */
    unsigned refs;    /* the owner's, until it closes it, and those of kt_listener_ref */
    bool closed;
    dev_t device;
    ino_t inode;
    struct kt__network_listener *simulated; /* on such a network: there is no descriptor */
    kt__share *share; /* its connections come from a balancer: there is no descriptor */
};

/* All zero but the owner's reference; NULL without memory. */
kt_listener *kt__listener_alloc(void);

/* As kt_listener_accept, but gives the socket, in the mode of the running loop's driver. */
int kt__listener_accept_socket(kt_listener *l, int *ret_fd) KT_CHECKED;

struct kt__network;

/* A listener on a simulated network. */
int kt__listen_simulated(struct kt__network *n, const kt_address *at, const kt_listen_options *options,
                         kt_listener **ret_listener) KT_CHECKED;

/* ---- What balancer.c does for such a listener ---------------------------------------------- */

/* The caller owns the socket, and tells when it is closed: kt__share_left. 0, KT_ECLOSED, or a cancellation's code. */
int kt__share_accept(kt__share *share, int *ret_fd) KT_CHECKED;
void kt__share_left(kt__share *share);

/* From now on accepting fails. Then, when nobody is inside any more: gives the listener's part up. */
void kt__share_close(kt__share *share);
void kt__share_free(kt__share *share);

size_t kt__share_count(const kt__share *share);
kt_address kt__share_address(const kt__share *share, size_t index);

#endif
