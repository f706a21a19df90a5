/* SPDX-License-Identifier: MIT */
#include "sweep.h"

#include <sys/socket.h>

typedef struct pair {
    kt_udp *near, *far;
    int queued;
} pair;

/* Unix sockets, whose sender waits while the receiver has not read. */
static pair pair_open(void)
{
    pair p = {NULL, NULL, 0};
    int fds[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds));
    sure(kt_udp_from_fd(fds[0], &p.near));
    sure(kt_udp_from_fd(fds[1], &p.far));
    return p;
}

static pair full_pair_open(void)
{
    pair p = pair_open();
    int rc;
    while ((rc = kt_udp_send_nowait(p.near, "f", 1, NULL)) == 0)
        p.queued++;
    CHECK_ERR(rc, -EAGAIN);
    return p;
}

static void pair_close(pair *p)
{
    kt_udp_close(kt_steal(p->near));
    kt_udp_close(kt_steal(p->far));
}

static void say(pair *p, const char *text)
{
    sure(kt_udp_send_nowait(p->far, text, strlen(text), NULL));
}

static void check_next(kt_udp *u, const char *expected)
{
    char bytes[8] = "";
    CHECK_EQ(kt_udp_receive_nowait(u, bytes, sizeof bytes, NULL, NULL), strlen(expected));
    CHECK_STR(bytes, expected);
}

static void check_no_more(kt_udp *u)
{
    char byte;
    CHECK_ERR(kt_udp_receive_nowait(u, &byte, 1, NULL, NULL), -EAGAIN);
}

static void take(pair *p, int n)
{
    for (int i = 0; i < n; i++, p->queued--)
        check_next(p->far, "f");
}

static kt_udp *bound(void)
{
    kt_udp *u = NULL;
    sure(kt_udp_bind("127.0.0.1", 0, NULL, &u));
    return u;
}

static kt_address local_of(const kt_udp *u)
{
    kt_address a;
    sure(kt_udp_local(u, &a));
    return a;
}

/* ---- Opening -------------------------------------------------------------------------------- */

static int binds(void *arg)
{
    kt_auto(kt_udp) *u = NULL;
    int rc = SWEPT(kt_udp_bind, (arg, 0, NULL, &u));
    CHECK((rc < 0) == !u);
    return rc;
}

SWEEP(kt_udp_bind, SUSPENDS | ALLOCATES | SPARES | REAL)
{
    sweep_begin(binds, "localhost");
    (void)sweep_end();
}

SWEEP_AS(kt_udp_bind, everywhere, ALLOCATES | REAL)
{
    (void)sweep_subject(binds, NULL);
}

static int connects(void *arg)
{
    const kt_udp_options options = {.family = AF_INET, .local_host = "localhost"};
    kt_auto(kt_udp) *u = NULL;
    int rc = SWEPT(kt_udp_connect, ("localhost", *(uint16_t *)arg, &options, &u));
    CHECK((rc < 0) == !u);
    return rc;
}

/* Two names, one after the other. */
SWEEP(kt_udp_connect, SUSPENDS | ALLOCATES | SPARES | REAL)
{
    kt_auto(kt_udp) *server = bound();
    kt_address a = local_of(server);
    uint16_t port = kt_address_port(&a);
    sweep_begin(connects, &port);
    (void)sweep_end();
}

static int takes_over(void *arg)
{
    kt_auto(kt_udp) *u = NULL;
    int rc = SWEPT(kt_udp_from_fd, (*(int *)arg, &u));
    CHECK((rc < 0) == !u);
    return rc;
}

SWEEP(kt_udp_from_fd, ALLOCATES | REAL)
{
    int fds[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds));
    (void)sweep_subject(takes_over, &fds[0]);
    CHECK_ERR(close(fds[0]), -1); /* the object's, in the end */
    close(fds[1]);
}

static int closes(void *arg)
{
    SWEPT(kt_udp_close, (arg));
    return 0;
}

static int waits_for_bytes(void *arg)
{
    char byte;
    return (int)kt_udp_receive(arg, &byte, 1, NULL, NULL);
}

static int waits_for_room(void *arg)
{
    return kt_udp_send(arg, "x", 1);
}

/* One waits for a datagram, one for room, and one for that one. */
SWEEP(kt_udp_close, SUSPENDS | HOLDS | REAL)
{
    pair p = full_pair_open();
    kt_task *tasks[] = {spawn(waits_for_bytes, p.near, 0), spawn(waits_for_room, p.near, 0),
                        spawn(waits_for_room, p.near, 0)};
    turns(2);
    sweep_begin(closes, p.near);
    (void)sweep_end();
    for (int i = 0; i < 3; i++)
        CHECK_ERR(kt_task_join(tasks[i]), KT_ECLOSED);
    kt_udp_close(p.far);
}

/* ---- Sending -------------------------------------------------------------------------------- */

static int sends(void *arg)
{
    return SWEPT(kt_udp_send, (arg, "tea", 3));
}

/* A cancelled send has sent nothing, and stands in nobody's way. */
static void sweep_send(kt_fn fn, void *arg, pair *p)
{
    sweep_begin(fn, arg);
    kt_task *other = spawn(waits_for_room, p->near, 0);
    turns(4);
    take(p, p->queued);
    int rc = sweep_end();
    sure(kt_task_join(other));
    if (rc >= 0)
        check_next(p->far, "tea");
    check_next(p->far, "x");
    check_no_more(p->far);
}

SWEEP(kt_udp_send, SUSPENDS | REAL)
{
    pair p = full_pair_open();
    sweep_send(sends, p.near, &p);
    pair_close(&p);
}

/* Another one waits for room already. */
SWEEP_AS(kt_udp_send, in_turn, SUSPENDS | REAL)
{
    pair p = full_pair_open();
    kt_task *first = spawn(waits_for_room, p.near, 0);
    turns(2);
    sweep_begin(sends, p.near);
    turns(4);
    take(&p, p.queued);
    int rc = sweep_end();
    sure(kt_task_join(first));
    check_next(p.far, "x");
    if (rc >= 0)
        check_next(p.far, "tea");
    check_no_more(p.far);
    pair_close(&p);
}

typedef struct letter {
    kt_udp *u;
    kt_address to;
} letter;

static int sends_to(void *arg)
{
    const letter *l = arg;
    return SWEPT(kt_udp_send_to, (l->u, "tea", 3, &l->to));
}

/* Sockets with names, so that there is an address; with one more sender on the same socket. */
SWEEP(kt_udp_send_to, SUSPENDS | REAL)
{
    pair p = pair_open();
    letter l = {p.near, {.size = 0}};
    char name[64];
    int rc;
    snprintf(name, sizeof name, "@kettle-sweep-udp-%d", (int)getpid());
    sure(kt_address_unix(name, &l.to));
    kt_udp_close(kt_steal(p.far));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_OK(bind(fd, &l.to.any, l.to.size));
    sure(kt_udp_from_fd(fd, &p.far));
    CHECK_OK(connect(kt_udp_fd(p.near), &l.to.any, l.to.size));
    while ((rc = kt_udp_send_nowait(p.near, "f", 1, &l.to)) == 0)
        p.queued++;
    CHECK_ERR(rc, -EAGAIN);
    sweep_send(sends_to, &l, &p);
    pair_close(&p);
}

SWEEP(kt_udp_send_nowait, PLAIN | REAL)
{
    pair p = full_pair_open();
    CHECK_ERR(SWEPT(kt_udp_send_nowait, (p.near, "x", 1, NULL)), -EAGAIN);
    take(&p, p.queued);
    sure(SWEPT(kt_udp_send_nowait, (p.near, "tea", 3, NULL)));
    check_next(p.far, "tea");
    pair_close(&p);
}

static int sends_many(void *arg)
{
    char text[] = "tea";
    const kt_datagram three[] = {
        {.bytes = text, .size = 3}, {.bytes = text, .size = 3}, {.bytes = text, .size = 3}};
    return SWEPT(kt_udp_send_many, (arg, three, 3));
}

/* It returns how many are on their way, neither fewer nor more. */
static void sweep_send_many(int places)
{
    pair p = full_pair_open();
    take(&p, places);
    sweep_begin(sends_many, p.near);
    turns(4);
    take(&p, p.queued);
    int rc = sweep_end();
    CHECK(sweep_struck() || rc == 3);
    CHECK(rc >= 1 || kt_is_cancel(rc));
    for (int i = 0; i < rc; i++)
        check_next(p.far, "tea");
    check_no_more(p.far);
    pair_close(&p);
}

SWEEP(kt_udp_send_many, SUSPENDS | REAL)
{
    sweep_send_many(0);
}

/* There is room for the first: then a cancellation shows at the next call. */
SWEEP_AS(kt_udp_send_many, after_the_first, SUSPENDS | WINS | REAL)
{
    sweep_send_many(1);
}

/* ---- Receiving ------------------------------------------------------------------------------ */

static int receives(void *arg)
{
    char bytes[8] = "";
    kt_address from = {.size = 77};
    bool truncated = true;
    ssize_t n = SWEPT(kt_udp_receive, (arg, bytes, sizeof bytes, &from, &truncated));
    CHECK_EQ(from.size, n < 0 ? 77 : 0);
    CHECK_EQ(truncated, n < 0);
    CHECK(n < 0 || strcmp(bytes, "tea") == 0);
    return (int)n;
}

/* What a cancelled one has not taken is there for the next one. */
SWEEP(kt_udp_receive, SUSPENDS | REAL)
{
    pair p = pair_open();
    sweep_begin(receives, p.near);
    turns(4);
    say(&p, "tea");
    if (sweep_end() < 0)
        check_next(p.near, "tea");
    check_no_more(p.near);
    pair_close(&p);
}

SWEEP(kt_udp_receive_nowait, PLAIN | REAL)
{
    pair p = pair_open();
    char bytes[2];
    bool truncated = false;
    CHECK_ERR(SWEPT(kt_udp_receive_nowait, (p.near, bytes, 2, NULL, &truncated)), -EAGAIN);
    say(&p, "tea");
    CHECK_EQ(SWEPT(kt_udp_receive_nowait, (p.near, bytes, 2, NULL, &truncated)), 2);
    CHECK(truncated);
    pair_close(&p);
}

static int receives_many(void *arg)
{
    char bytes[3][8] = {"", "", ""};
    kt_datagram three[3];
    for (int i = 0; i < 3; i++)
        three[i] = (kt_datagram){.bytes = bytes[i], .size = sizeof bytes[i]};
    int rc = SWEPT(kt_udp_receive_many, (arg, three, 3));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(three[i].size, i < rc ? 3 : sizeof bytes[i]);
        CHECK(i >= rc || strcmp(bytes[i], i == 0 ? "tea" : "pot") == 0);
    }
    return rc;
}

SWEEP(kt_udp_receive_many, SUSPENDS | REAL)
{
    pair p = pair_open();
    const char *const words[] = {"tea", "pot"};
    char byte;
    sweep_begin(receives_many, p.near);
    turns(4);
    for (int i = 0; i < 2; i++)
        say(&p, words[i]);
    int rc = sweep_end();
    if (rc > 0 && rc < 2 && sweep_refused() && sweep_refused() != EINTR) /* told by the next call */
        CHECK_ERR(kt_udp_receive_nowait(p.near, &byte, 1, NULL, NULL), -sweep_refused());
    for (int i = rc < 0 ? 0 : rc; i < 2; i++)
        check_next(p.near, words[i]);
    check_no_more(p.near);
    pair_close(&p);
}

/* ---- Multicast, and facts ------------------------------------------------------------------- */

enum { IN_GROUP = -EADDRINUSE, NOT_IN_GROUP = -EADDRNOTAVAIL };

SWEEP(kt_udp_join, PLAIN | REAL)
{
    kt_auto(kt_udp) *u = bound();
    sure(SWEPT(kt_udp_join, (u, "239.255.77.2", "lo")));
    CHECK_ERR(kt_udp_join(u, "239.255.77.2", "lo"), IN_GROUP);
}

SWEEP(kt_udp_leave, PLAIN | REAL)
{
    kt_auto(kt_udp) *u = bound();
    sure(kt_udp_join(u, "239.255.77.2", "lo"));
    sure(SWEPT(kt_udp_leave, (u, "239.255.77.2", "lo")));
    CHECK_ERR(kt_udp_leave(u, "239.255.77.2", "lo"), NOT_IN_GROUP);
}

SWEEP(kt_udp_local, PLAIN | REAL)
{
    kt_auto(kt_udp) *u = bound();
    kt_address a = {.size = 0};
    sure(SWEPT(kt_udp_local, (u, &a)));
    CHECK_NE(kt_address_port(&a), 0);
}

SWEEP(kt_udp_peer, PLAIN | REAL)
{
    kt_auto(kt_udp) *server = bound();
    kt_auto(kt_udp) *client = NULL;
    kt_address a = {.size = 0}, peer = local_of(server);
    CHECK_ERR(SWEPT(kt_udp_peer, (server, &a)), -ENOTCONN);
    sure(kt_udp_connect("127.0.0.1", kt_address_port(&peer), NULL, &client));
    sure(SWEPT(kt_udp_peer, (client, &a)));
    CHECK(kt_address_equal(&a, &peer));
}

SWEEP(kt_udp_fd, PLAIN | REAL)
{
    kt_auto(kt_udp) *u = bound();
    CHECK_GE(SWEPT(kt_udp_fd, (u)), 0);
}
