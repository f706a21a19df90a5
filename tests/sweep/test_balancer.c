/* SPDX-License-Identifier: MIT */
#include "sweep.h"

/* A balancer with a listener, and a neighbour's listener that must come to no harm. */
typedef struct counter {
    kt_listener *shared; /* until it has a balancer */
    kt_balancer *balancer;
    kt_listener *listener, *neighbour;
    kt_stream *accepted;
    uint16_t port;
} counter;

static void counter_found(counter *c)
{
    *c = (counter){.shared = NULL};
    sweep_listen(&c->shared);
    c->port = kt_listener_port(c->shared);
}

static void counter_open(counter *c)
{
    counter_found(c);
    sure(kt_balancer_open(kt_steal(c->shared), &c->balancer));
}

static void counter_close(counter *c)
{
    kt_balancer_close(kt_steal(c->balancer));
    kt_listener_close(kt_steal(c->listener));
    kt_listener_close(kt_steal(c->neighbour));
}

static void check_served(const counter *c, kt_listener *l)
{
    kt_auto(kt_stream) *client = NULL;
    kt_auto(kt_stream) *s = NULL;
    sure(kt_stream_connect("127.0.0.1", c->port, &client));
    sure(kt_listener_accept(l, &s));
}

static int opens(void *arg)
{
    counter *c = arg;
    int rc = SWEPT(kt_balancer_open, (c->shared, &c->balancer));
    CHECK((rc < 0) == !c->balancer);
    if (rc == 0)
        c->shared = NULL;
    return rc;
}

SWEEP(kt_balancer_open, ALLOCATES | REAL)
{
    counter c;
    counter_found(&c);
    sure(sweep_subject(opens, &c));
    sure(kt_balancer_listen(c.balancer, &c.listener));
    check_served(&c, c.listener);
    counter_close(&c);
}

static int listens(void *arg)
{
    counter *c = arg;
    int rc = SWEPT(kt_balancer_listen, (c->balancer, &c->listener));
    CHECK((rc < 0) == !c->listener);
    return rc;
}

SWEEP(kt_balancer_listen, ALLOCATES | REAL)
{
    counter c;
    counter_open(&c);
    sure(kt_balancer_listen(c.balancer, &c.neighbour));
    sure(sweep_subject(listens, &c));
    check_served(&c, c.neighbour);
    check_served(&c, c.listener);
    counter_close(&c);
}

static int accepts(void *arg)
{
    counter *c = arg;
    return SWEPT(kt_listener_accept, (c->listener, &c->accepted));
}

/* A connection that was on its way to one who was cancelled is there for the next; one for which there is no memory is
 * hung up on, and the next one comes. */
SWEEP_AS(kt_listener_accept, of_a_balancer, SUSPENDS | ALLOCATES | WINS | REAL)
{
    counter c;
    kt_auto(kt_stream) *client = NULL;
    kt_auto(kt_stream) *next = NULL;
    counter_open(&c);
    sure(kt_balancer_listen(c.balancer, &c.listener));
    sweep_begin(accepts, &c);
    turns(2);
    sure(kt_stream_connect("127.0.0.1", c.port, &client));
    sure(kt_stream_connect("127.0.0.1", c.port, &next));
    if (kt_is_cancel(sweep_end()))
        sure(kt_listener_accept(c.listener, &c.accepted));
    kt_stream_close(kt_steal(c.accepted));
    counter_close(&c);
}

static int closes(void *arg)
{
    counter *c = arg;
    SWEPT(kt_balancer_close, (kt_steal(c->balancer)));
    return 0;
}

SWEEP(kt_balancer_close, SUSPENDS | HOLDS | REAL)
{
    counter c;
    kt_stream *client = NULL;
    counter_open(&c);
    sure(kt_balancer_listen(c.balancer, &c.listener));
    check_served(&c, c.listener);
    sweep_begin(closes, &c);
    (void)sweep_end();
    CHECK_ERR(kt_stream_connect("127.0.0.1", c.port, &client), -ECONNREFUSED);
    CHECK_ERR(kt_listener_accept(c.listener, &c.accepted), KT_ECLOSED);
    counter_close(&c);
}
