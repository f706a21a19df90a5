/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_BALANCER_H
#define KETTLE_BALANCER_H

/* Shares the connections of one listener out among several loops.
 *
 *     kt_listener *l = NULL;
 *     kt_auto(kt_balancer) *shared = NULL;
 *     int rc = kt_listen("127.0.0.1", 8000, NULL, &l);
 *     if (rc == 0)
 *         rc = kt_balancer_open(l, &shared);
 *     if (rc == 0)
 *         rc = kt_loops_run(0, serve, shared, 0);
 *     else
 *         kt_listener_close(l);
 *
 * In `serve` each loop calls kt_balancer_listen, and uses the listener that it gets like any other: with
 * kt_server_start, kt_http_serve, or a loop around kt_listener_accept.
 *
 * A task on the opener's loop accepts and hands each connection to the loop that has the fewest of them open, in turns
 * where several have equally few. Compared with SO_REUSEPORT, where the kernel draws lots: long-lived
 * connections spread evenly however few they are, port 0 works and a port that is taken is still an error, Unix
 * sockets do it too, and nobody's clients are reset when one loop stops listening. The price is a message from
 * thread to thread for each connection. Who accepts more than one thread can uses SO_REUSEPORT
 * (kt_listen_options.reuse_port). */

#include <kettle/stream.h>

KT_BEGIN

typedef struct kt_balancer kt_balancer;

/* So many connections at most wait for one loop to accept them. Others wait, as long as all loops have as many, in
 * the system's backlog. */
#define KT_BALANCER_WAITING_MAX 64

/* Begins to share the connections of `l` out, as soon as the first loop listens; until then clients wait
 * in the backlog. On success the balancer owns `l`, otherwise it stays the caller's. The caller owns
 * *ret_balancer. -ENOMEM, KT_ENOSTACK. In a task; does not suspend. */
KT_API int kt_balancer_open(kt_listener *l, kt_balancer **ret_balancer) KT_CHECKED;

/* A listener whose connections are the running loop's share of the balancer's. It has the port and the
 * addresses of the balancer's; its backlog is KT_BALANCER_WAITING_MAX. The caller owns *ret_listener. When it is
 * closed, or its loop ends, the connections that wait in it go to the other loops, and are hung up on where those
 * have no room. Once the balancer is closed, kt_listener_accept gives those that wait and then KT_ECLOSED.
 *
 * 0, -ENOMEM, KT_ECLOSED. In a task of any loop, several times in one if need be, while the balancer is
 * open: no other thread may be closing it meanwhile. Does not suspend. */
KT_API int kt_balancer_listen(kt_balancer *b, kt_listener **ret_listener) KT_CHECKED;

/* Stops accepting: new clients are refused; connections go on, and the listeners stay their owners' to close. Frees
 * the balancer; NULL is allowed. On the opener's loop. Suspends to end the accept under way; a
 * cancellation is held back. A balancer that is still open when that loop ends is closed then. */
KT_API void kt_balancer_close(kt_balancer *b);

static inline void kt_balancer_cleanup(kt_balancer **b)
{
    kt_balancer_close(*b);
}

KT_END

#endif
