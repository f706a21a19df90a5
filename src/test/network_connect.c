/* SPDX-License-Identifier: MIT */

/* Connecting and listening in the simulated network. */
#include "test/network.h"

#include <errno.h>

#include "test/kit.h"

#define BACKLOG_DEFAULT 4096u
#define PATIENCE_DEFAULT KT_S(127)
#define FIRST_PAUSE KT_S(1)    /* before a connection is asked for again, doubled each time: RFC 6298, 2 */
#define NOBODY_AFTER KT_S(3)   /* as a router says that there is no such host */

static kt_test_network *of(kt__network *calls)
{
    return (kt_test_network *)(void *)calls;
}

static uint16_t free_port(kt_test_network *n)
{
    return n->ports++;
}

/* ---- Listening ----------------------------------------------------------------------------- */

/* The one to hand the next connection to: of several on one port the least busy. */
static kt__acceptor *find_acceptor(const kt_test_network *n, const kt_address *at)
{
    kt__acceptor *found = NULL;
    for (kt__acceptor *a = n->acceptors; a; a = a->next) {
        if (!a->closed && !a->dead && kt_address_equal(&a->seen.address, at) && (!found || a->waiting < found->waiting))
            found = a;
    }
    return found;
}

static void acceptor_unuse(kt__acceptor *a)
{
    kt__acceptor **at = &a->network->acceptors;
    if (--a->users > 0)
        return;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    kt__test_disown(a);
}

static kt__connection *take_waiting(kt__acceptor *a)
{
    kt__connection *c = a->first;
    a->first = c->next_waiting;
    if (!a->first)
        a->last = &a->first;
    a->waiting--;
    return c;
}

static void put_waiting(kt__acceptor *a, kt__connection *c)
{
    c->next_waiting = NULL;
    *a->last = c;
    a->last = &c->next_waiting;
    a->waiting++;
    kt_event_set(&a->ready);
}

/* Connections that nobody has accepted are reset. */
static void refuse_waiting(kt__acceptor *a)
{
    while (a->first) {
        kt__end *e = &take_waiting(a)->ends[1];
        kt__net_backend.hang_up(e, true);
        kt__net_end_drop(e);
    }
    kt_event_set(&a->ready);
}

void kt__net_acceptor_die(kt__acceptor *a)
{
    a->dead = true;
    refuse_waiting(a);
}

static void net_listener_close(kt__network_listener *l)
{
    kt__acceptor *a = (kt__acceptor *)(void *)l;
    a->closed = true;
    refuse_waiting(a);
    acceptor_unuse(a);
}

/* The connection stays in line if there is no memory for its stream. */
static int accept_first(kt__acceptor *a, kt_stream **ret_stream)
{
    int rc = kt_stream_new(&kt__net_backend, &a->first->ends[1], ret_stream);
    if (rc == 0)
        (void)take_waiting(a);
    return rc;
}

static int net_accept(kt__network_listener *l, kt_stream **ret_stream)
{
    kt__acceptor *a = (kt__acceptor *)(void *)l;
    int rc = kt_stream_turn();
    if (a->users > 1)
        kt_test_fail("two tasks accept from one listener");
    a->users++;
    while (rc == 0 && !a->first && !a->closed && !a->dead) {
        kt_event_clear(&a->ready);
        rc = kt_event_wait(&a->ready);
    }
    if (rc == 0)
        rc = a->first ? accept_first(a, ret_stream) : KT_ECLOSED;
    acceptor_unuse(a);
    return rc;
}

int kt__net_listen(kt__network *calls, const kt_address *at, const kt_listen_options *o,
                   kt__network_listener **ret_listener)
{
    kt_test_network *n = of(calls);
    kt_address address = kt__net_meant(at);
    const kt__acceptor *other = find_acceptor(n, &address);
    bool shared = o && o->reuse_port;
    if (other && !(other->shared && shared))
        return -EADDRINUSE;
    if (address.any.sa_family != AF_UNIX) {
        if (kt_address_port(&address) == 0)
            kt__net_set_port(&address, free_port(n));
        kt__net_know(n, "", &address);
    }
    kt__acceptor *a = memset(kt__test_own(NULL, sizeof *a), 0, sizeof *a);
    a->seen = (kt__network_listener){.address = address, .accept = net_accept, .close = net_listener_close};
    a->network = n;
    a->last = &a->first;
    a->backlog = o && o->backlog > 0 ? (size_t)o->backlog : BACKLOG_DEFAULT;
    a->shared = shared;
    a->users = 1;
    a->ready = (kt_event)KT_EVENT_INIT;
    a->next = n->acceptors;
    n->acceptors = a;
    *ret_listener = &a->seen;
    return 0;
}

/* ---- Connecting ---------------------------------------------------------------------------- */

/* Asks once, in the time that the way there takes. 1: the connection is in line; 0: nobody has heard; or an error. */
static int ask(kt_test_network *n, const kt_address *from, const kt_address *to, kt__connection **ret_connection)
{
    bool is_unix = to->any.sa_family == AF_UNIX;
    int rc = is_unix ? kt_stream_turn() : kt_sleep(kt__net_delay(n));
    if (rc < 0)
        return rc;
    if (kt__net_is_cut(n, from, to))
        return 0;
    kt__acceptor *a = find_acceptor(n, to);
    if (a && a->waiting >= a->backlog)
        return 0;
    if (a) {
        *ret_connection = kt__net_connection_new(n, from, to);
        put_waiting(a, *ret_connection);
        return 1;
    }
    if (is_unix)
        return -ENOENT;
    bool known = kt__net_is_known(n, to);
    rc = kt_sleep(known ? kt__net_delay(n) : NOBODY_AFTER);
    return rc < 0 ? rc : known ? -ECONNREFUSED : -EHOSTUNREACH;
}

static int ask_until_heard(kt_test_network *n, const kt_address *from, const kt_address *to,
                           kt__connection **ret_connection)
{
    kt_time patience = n->options.patience ? n->options.patience : PATIENCE_DEFAULT;
    kt_time deadline = kt_now() + patience, pause = FIRST_PAUSE;
    for (;;) {
        int rc = ask(n, from, to, ret_connection);
        if (rc != 0)
            return rc < 0 ? rc : 0;
        kt_time left = deadline - kt_now();
        if (left <= 0)
            return -ETIMEDOUT;
        rc = kt_sleep(pause < left ? pause : left);
        if (rc < 0)
            return rc;
        pause *= 2;
    }
}

/* The answer comes after the way back; what the peer has done meanwhile, the stream will tell. */
int kt__net_connect(kt__network *calls, const kt_address *to, const kt_address *local, kt_stream **ret_stream)
{
    kt_test_network *n = of(calls);
    kt_address target = kt__net_meant(to), from = local ? kt__net_meant(local) : kt__net_own();
    kt__connection *c;
    kt_stream *s;
    if (to->any.sa_family == AF_UNIX)
        from = (kt_address){.un = {.sun_family = AF_UNIX}, .size = sizeof(sa_family_t)};
    else if (kt_address_port(&from) == 0)
        kt__net_set_port(&from, free_port(n));
    int rc = ask_until_heard(n, &from, &target, &c);
    if (rc < 0)
        return rc;
    rc = kt_stream_new(&kt__net_backend, &c->ends[0], &s);
    if (rc < 0) {
        kt__net_end_drop(&c->ends[0]);
        return rc;
    }
    rc = to->any.sa_family == AF_UNIX ? 0 : kt_sleep(kt__net_delay(n));
    if (rc < 0) {
        kt_stream_close(s);
        return rc;
    }
    *ret_stream = s;
    return 0;
}
