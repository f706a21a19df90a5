/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_UDP_H
#define KETTLE_UDP_H

/* Datagrams: UDP over IPv4 and IPv6, and Unix datagram sockets by their descriptor.
 *
 *     kt_auto(kt_udp) *u = NULL;
 *     char bytes[1500];
 *     kt_address from;
 *     int rc = kt_udp_bind("127.0.0.1", 7, NULL, &u);
 *     while (rc >= 0) {
 *         ssize_t n = kt_udp_receive(u, bytes, sizeof bytes, &from, NULL);
 *         rc = n < 0 ? (int)n : kt_udp_send_to(u, bytes, (size_t)n, &from);
 *     }
 *
 * Datagrams arrive whole or cut to the buffer, in any order, or not at all. Any number of tasks may
 * send on one socket; one receives at a time, else misuse. Unless said otherwise errors are the
 * system's, KT_ENOTSIM under the simulated driver, and the cancellation's code. Calls that wait are
 * cancellation points and let others run now and then even if they never have to wait; a cancelled
 * one has taken, or sent, nothing. Like loop.create_datagram_endpoint with its transport and
 * protocol, see udp(7). */

#include <kettle/address.h>
#include <kettle/task.h>

KT_BEGIN

typedef struct kt_udp kt_udp;

/* ---- Opening ----------------------------------------------------------------------------- */

/* All zero means the defaults. */
typedef struct kt_udp_options {
    int family;                /* AF_INET or AF_INET6; 0 = what the host's addresses say */
    const char *local_host;    /* kt_udp_connect: the address to send from; NULL = the system's choice */
    uint16_t local_port;       /* kt_udp_connect: 0 = any */
    bool reuse_address;        /* SO_REUSEADDR: several sockets receive the same multicasts */
    bool reuse_port;           /* SO_REUSEPORT: several sockets share the port's load */
    bool broadcast;            /* SO_BROADCAST: may send to broadcast addresses */
    int receive_buffer_bytes;  /* SO_RCVBUF; 0 = the system's default */
    int send_buffer_bytes;     /* SO_SNDBUF; the same */
    const char *multicast_interface; /* through which multicasts leave ("eth0"); NULL = by the routes */
    int multicast_hops;        /* of multicasts sent, 1 to 255; 0 = 1, within this network */
    bool multicast_not_here;   /* this machine does not get its own multicasts */
} kt_udp_options;

/* Opens a socket bound to a host and port, which receives from anybody and sends by kt_udp_send_to.
 * NULL as host: all interfaces, IPv6 and IPv4 in one socket where the machine has both; port 0 picks
 * one (kt_udp_local tells). NULL options mean the defaults. The caller owns *ret_udp. KT_ENAME,
 * -EADDRINUSE (the detail names the address), -EINVAL, -ENODEV for an interface, -ENOMEM.
 * Suspends only to look a name up. */
KT_API int kt_udp_bind(const char *host, uint16_t port, const kt_udp_options *options,
                       kt_udp **ret_udp) KT_CHECKED;

/* Opens a socket that sends to one peer and receives from no other. Its errors come back to us: after a
 * datagram to a port where nobody is, a later call fails with -ECONNREFUSED (the ICMP message), once;
 * the socket stays usable. Otherwise as kt_udp_bind. */
KT_API int kt_udp_connect(const char *host, uint16_t port, const kt_udp_options *options,
                          kt_udp **ret_udp) KT_CHECKED;

/* Takes an open datagram socket of any family, Unix included, over; its O_NONBLOCK is set or cleared
 * as the driver needs it. Owns fd on success only. -EBADF, -ENOTSOCK, -EINVAL for a socket of another
 * type, -ENOMEM. In a task. Does not suspend. */
KT_API int kt_udp_from_fd(int fd, kt_udp **ret_udp) KT_CHECKED;

/* Closes and frees; NULL is allowed. Tasks that wait in it get KT_ECLOSED. Suspends at most to end
 * those calls; a cancellation is held back. */
KT_API void kt_udp_close(kt_udp *u);

/* ---- Sending ----------------------------------------------------------------------------- */

/* Sends one datagram to the connected peer, waiting while the socket's buffer is full. 0; -EMSGSIZE
 * when it is too large for UDP; -EDESTADDRREQ without a peer; -ECONNREFUSED and the like for an
 * earlier datagram, nothing being sent; KT_ECLOSED. Suspends, always a cancellation point. Like
 * loop.sock_sendto, send(2). */
KT_API int kt_udp_send(kt_udp *u, const void *bytes, size_t size) KT_CHECKED;

/* The same to an address, which a bound socket needs. -EACCES: a broadcast that the options do not
 * allow; -EAFNOSUPPORT: an address of another family. */
KT_API int kt_udp_send_to(kt_udp *u, const void *bytes, size_t size, const kt_address *to) KT_CHECKED;

/* The same at once or not: -EAGAIN when the buffer is full. NULL as address: the connected peer. Does not
 * suspend; also in callbacks. */
KT_API int kt_udp_send_nowait(kt_udp *u, const void *bytes, size_t size,
                              const kt_address *to) KT_CHECKED;

/* ---- Receiving --------------------------------------------------------------------------- */

/* Waits for a datagram. The number of bytes stored, which is 0 for an empty one; what does not fit is
 * lost. ret_from (whence; size 0 for an unbound Unix sender) and ret_truncated (did something not
 * fit?) may be NULL. An IPv4 sender has an IPv4 address on a socket for both families too. -ECONNREFUSED
 * and its like (see kt_udp_connect), KT_ECLOSED when another task closes. A cancellation takes
 * nothing: the datagram stays for the next call, or is returned and the cancellation shows later.
 * Suspends. Like loop.sock_recvfrom, recvmsg(2). */
KT_API ssize_t kt_udp_receive(kt_udp *u, void *buffer, size_t size, kt_address *ret_from,
                              bool *ret_truncated) KT_CHECKED;

/* The same at once or not: -EAGAIN when there is none. Does not suspend; also in callbacks. */
KT_API ssize_t kt_udp_receive_nowait(kt_udp *u, void *buffer, size_t size, kt_address *ret_from,
                                     bool *ret_truncated) KT_CHECKED;

/* ---- Many at once ------------------------------------------------------------------------ */

typedef struct kt_datagram {
    void *bytes;
    size_t size;        /* to send; or the room for one, then what was received */
    kt_address address; /* whither (size 0: the connected peer), or whence */
    bool truncated;     /* received: something did not fit */
} kt_datagram;

/* Waits for a datagram and takes those that have come with it, at most `count` in all, for two system
 * calls. How many, >= 1; the entries behind are untouched. Errors and cancellation as
 * kt_udp_receive; an error behind the first datagram comes with the next call. -EINVAL for count
 * 0. Suspends. Like recvmmsg(2). */
KT_API int kt_udp_receive_many(kt_udp *u, kt_datagram *datagrams, size_t count) KT_CHECKED;

/* Sends all of them, in order, for few system calls, waiting while the buffer is full. How many were
 * sent: fewer than `count` when the next one failed, or the wait for it was cancelled, which another
 * call for the rest reports. A failure of the first is the result. Suspends, always a cancellation
 * point. Like sendmmsg(2). */
KT_API int kt_udp_send_many(kt_udp *u, const kt_datagram *datagrams, size_t count) KT_CHECKED;

/* ---- Multicast --------------------------------------------------------------------------- */

/* Receives what is sent to a group ("239.1.2.3", "ff02::1:3") and the socket's port, too. NULL as
 * interface: the system's choice. -EINVAL for an address that is no group, -ENODEV for an interface
 * that is none, -EADDRINUSE when it has joined already. Does not suspend. Like IP_ADD_MEMBERSHIP
 * (ip(7)), IPV6_JOIN_GROUP. */
KT_API int kt_udp_join(kt_udp *u, const char *group, const char *interface_name) KT_CHECKED;

/* No longer. -EADDRNOTAVAIL when it had not joined. Does not suspend. */
KT_API int kt_udp_leave(kt_udp *u, const char *group, const char *interface_name) KT_CHECKED;

/* ---- Facts ------------------------------------------------------------------------------- */

/* The own address; the peer's, or -ENOTCONN. Does not suspend. */
KT_API int kt_udp_local(const kt_udp *u, kt_address *ret_address) KT_CHECKED;
KT_API int kt_udp_peer(const kt_udp *u, kt_address *ret_address) KT_CHECKED;

/* The descriptor, still the socket's, for options that are not here. */
KT_API int kt_udp_fd(const kt_udp *u);

static inline void kt_udp_cleanup(kt_udp **u)
{
    kt_udp_close(*u);
}

KT_END

#endif
