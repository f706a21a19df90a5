/* SPDX-License-Identifier: MIT */

/* Datagrams: sending and receiving. A send is tried at once under every driver, since the buffer of a
 * UDP socket is seldom full: only one that must wait becomes an operation. */

#include <errno.h>
#include <sys/socket.h>

#include "core/core.h"
#include "io/udp.h"

/* So many datagrams at once go to the system. */
#define BATCH 32
/* So many sends in a row without a wait, and the others get a turn. */
#define STREAK_MAX 64

static struct iovec piece_of(const void *bytes, size_t size)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
}

static struct msghdr message_to(struct iovec *piece, const kt_address *to)
{
    struct msghdr m = {.msg_iov = piece, .msg_iovlen = 1};
    if (to && to->size > 0) {
        m.msg_name = (void *)(uintptr_t)&to->any;
        m.msg_namelen = to->size;
    }
    return m;
}

static struct msghdr message_from(struct iovec *piece, kt_address *from)
{
    struct msghdr m = {.msg_iov = piece, .msg_iovlen = 1};
    m.msg_name = &from->any;
    m.msg_namelen = sizeof from->storage;
    return m;
}

/* The sender's address. On a socket for both families, IPv4 arrives in IPv6's clothes; the way
 * back works without them (RFC 4291, 2.5.5.2). */
static kt_address sender(const kt_address *from, socklen_t size)
{
    kt_address a = *from;
    a.size = size;
    if (size == 0 || a.any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr))
        return a;
    kt_address v4 = {.size = sizeof v4.in};
    v4.in.sin_family = AF_INET;
    v4.in.sin_port = a.in6.sin6_port;
    memcpy(&v4.in.sin_addr, &a.in6.sin6_addr.s6_addr[12], sizeof v4.in.sin_addr);
    return v4;
}

/* ---- Sending ------------------------------------------------------------------------------- */

static ssize_t attempt_send(const kt_udp *u, const struct msghdr *m)
{
    ssize_t n;
    do
        n = sendmsg(u->fd.fd, m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? (errno == EWOULDBLOCK ? -EAGAIN : -errno) : n;
}

int kt_udp_send_nowait(kt_udp *u, const void *bytes, size_t size, const kt_address *to)
{
    struct iovec piece = piece_of(bytes, size);
    const struct msghdr m = message_to(&piece, to);
    ssize_t n = attempt_send(u, &m);
    return n < 0 ? (int)n : 0;
}

/* The buffer is full: one task waits for room in it, the others for that one. */
static ssize_t send_when_there_is_room(kt_task *self, kt_udp *u, const struct msghdr *m)
{
    u->senders++;
    ssize_t n = kt_lock_acquire(&u->turn);
    if (n == 0) {
        n = KT_ECLOSED;
        if (!u->fd.closing) {
            kt__op_init(self, KT__OP_SEND, &u->fd)->message = *m;
            n = kt__op_run(self);
        }
        kt_lock_release(&u->turn);
    }
    u->senders--;
    return n;
}

/* Meanwhile somebody may close it. */
static int let_others_run(kt_udp *u)
{
    u->senders++;
    int rc = kt_sleep(0);
    u->senders--;
    return rc == 0 && u->fd.closing ? KT_ECLOSED : rc;
}

static int send_message(kt_task *self, kt_udp *u, const struct msghdr *m)
{
    if (u->fd.closing)
        return KT_ECLOSED;
    if (self->code)
        return kt__yield(self);
    int rc = ++u->sent % STREAK_MAX == 0 ? let_others_run(u) : 0;
    if (rc < 0)
        return rc;
    ssize_t n = attempt_send(u, m);
    if (n == -EAGAIN)
        n = send_when_there_is_room(self, u, m);
    return n < 0 ? (int)n : 0;
}

int kt_udp_send_to(kt_udp *u, const void *bytes, size_t size, const kt_address *to)
{
    struct iovec piece = piece_of(bytes, size);
    const struct msghdr m = message_to(&piece, to);
    return send_message(kt__self("kt_udp_send"), u, &m);
}

int kt_udp_send(kt_udp *u, const void *bytes, size_t size)
{
    return kt_udp_send_to(u, bytes, size, NULL);
}

/* Those that the system takes without a wait; an error is left to be found again. */
static size_t send_batch(const kt_udp *u, const kt_datagram *d, size_t count)
{
    struct mmsghdr batch[BATCH];
    struct iovec pieces[BATCH];
    unsigned n = count < BATCH ? (unsigned)count : BATCH;
    if (n == 0)
        return 0;
    for (unsigned i = 0; i < n; i++) {
        pieces[i] = piece_of(d[i].bytes, d[i].size);
        batch[i].msg_hdr = message_to(&pieces[i], &d[i].address);
    }
    int sent = sendmmsg(u->fd.fd, batch, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent > 0 ? (size_t)sent : 0;
}

int kt_udp_send_many(kt_udp *u, const kt_datagram *datagrams, size_t count)
{
    kt_task *self = kt__self("kt_udp_send_many");
    size_t sent = 0;
    if (count > INT32_MAX)
        return -EINVAL;
    if (count == 0)
        return kt__op_turn(self);
    while (sent < count) {
        struct iovec piece = piece_of(datagrams[sent].bytes, datagrams[sent].size);
        const struct msghdr m = message_to(&piece, &datagrams[sent].address);
        int rc = send_message(self, u, &m);
        if (rc < 0)
            return sent > 0 ? (int)sent : rc;
        sent++;
        sent += send_batch(u, datagrams + sent, count - sent);
    }
    return (int)sent;
}

/* ---- Receiving ----------------------------------------------------------------------------- */

/* An error that a batch has found behind its first datagram. */
static int take_error(kt_udp *u)
{
    int rc = u->error;
    u->error = 0;
    return rc;
}

static void hand_out(const struct msghdr *m, const kt_address *from, kt_address *ret_from,
                     bool *ret_truncated)
{
    if (ret_from)
        *ret_from = sender(from, m->msg_namelen);
    if (ret_truncated)
        *ret_truncated = (m->msg_flags & MSG_TRUNC) != 0;
}

ssize_t kt_udp_receive_nowait(kt_udp *u, void *buffer, size_t size, kt_address *ret_from,
                              bool *ret_truncated)
{
    kt_address from;
    struct iovec piece = piece_of(buffer, size);
    struct msghdr m = message_from(&piece, &from);
    ssize_t n;
    if (u->error)
        return take_error(u);
    do
        n = recvmsg(u->fd.fd, &m, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    hand_out(&m, &from, ret_from, ret_truncated);
    return n;
}

ssize_t kt_udp_receive(kt_udp *u, void *buffer, size_t size, kt_address *ret_from, bool *ret_truncated)
{
    kt_task *self = kt__self("kt_udp_receive");
    kt_address from;
    struct iovec piece = piece_of(buffer, size);
    if (u->error)
        return take_error(u);
    kt__op *op = kt__op_init(self, KT__OP_RECEIVE, &u->fd);
    op->message = message_from(&piece, &from);
    ssize_t n = kt__op_run(self);
    if (n >= 0)
        hand_out(&op->message, &from, ret_from, ret_truncated);
    return n;
}

/* What is there already, without a wait. */
static size_t receive_batch(kt_udp *u, kt_datagram *d, size_t count)
{
    struct mmsghdr batch[BATCH];
    struct iovec pieces[BATCH];
    kt_address from[BATCH];
    unsigned n = count < BATCH ? (unsigned)count : BATCH;
    if (n == 0)
        return 0;
    for (unsigned i = 0; i < n; i++) {
        pieces[i] = piece_of(d[i].bytes, d[i].size);
        batch[i].msg_hdr = message_from(&pieces[i], &from[i]);
    }
    int received = recvmmsg(u->fd.fd, batch, n, MSG_DONTWAIT, NULL);
    if (received < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        u->error = -errno; /* the system tells it once */
    for (int i = 0; i < received; i++) {
        d[i].size = batch[i].msg_len;
        hand_out(&batch[i].msg_hdr, &from[i], &d[i].address, &d[i].truncated);
    }
    return received > 0 ? (size_t)received : 0;
}

int kt_udp_receive_many(kt_udp *u, kt_datagram *datagrams, size_t count)
{
    if (count == 0)
        return -EINVAL;
    kt_datagram *first = &datagrams[0];
    ssize_t n = kt_udp_receive(u, first->bytes, first->size, &first->address, &first->truncated);
    if (n < 0)
        return (int)n;
    first->size = (size_t)n;
    return 1 + (int)receive_batch(u, datagrams + 1, count - 1);
}
