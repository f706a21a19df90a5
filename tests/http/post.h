/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_POST_H
#define TESTS_HTTP_POST_H

/* What befalls a server of the tests by lot, and the network between it and its clients. */

#include "client_site.h"
#include "lots.h"

#define CLIENTS "10.0.0.1"
#define SERVERS "10.0.0.2"

/* A server, and the network between it and its clients. */
typedef struct post {
    kt_test_network *n;
    site s;
    kt_http_options o;
    uint16_t port; /* the same again for another one */
    bool loses;    /* connections, or nothing gets through for a while */
    kt_time away;  /* the while, at most */
    bool comes_and_goes;
} post;

static inline void post_network(post *p, const kt_test_network_options *o)
{
    p->n = kt_test_network_open(o);
    kt_test_network_use(p->n);
    kt_test_network_be(p->n, CLIENTS);
}

/* p->s has its handler. */
static inline void post_open(post *p)
{
    site *at = &p->s;
    p->s = (site){.o = &p->o, .handler = p->s.handler, .arg = p->s.arg};
    kt_test_network_be(p->n, SERVERS);
    CHECK_OK(kt_listen(SERVERS, p->port, NULL, &p->s.l));
    CHECK_OK(kt_spawn(site_task, &at, sizeof at, &p->s.task));
    kt_test_network_be(p->n, CLIENTS);
    p->port = kt_listener_port(p->s.l);
}

KT_FN(troubles, a, struct { post *p; uint64_t *random; })
{
    post *p = a->p;
    int rc = 0;
    while (rc == 0) {
        rc = kt_sleep(1 + (kt_time)below(a->random, KT_S(1)));
        if (rc == 0 && p->loses && one_in(a->random, 2)) {
            (void)kt_test_network_reset(p->n, CLIENTS, SERVERS);
        } else if (rc == 0 && p->loses) {
            kt_test_network_cut(p->n, CLIENTS, SERVERS);
            rc = kt_sleep((kt_time)ONE_OF(a->random, KT_MS(30), (size_t)p->away));
            kt_test_network_heal(p->n, CLIENTS, SERVERS);
        } else if (rc == 0 && p->comes_and_goes) {
            kt_cancel_hold();
            site_close(&p->s);
            (void)!kt_sleep(some_time(a->random, KT_S(1)));
            post_open(p);
            kt_cancel_unhold();
        }
    }
    return rc;
}

#endif
