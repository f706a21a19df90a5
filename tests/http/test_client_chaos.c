/* SPDX-License-Identifier: MIT */
/* The client among servers that do all that the protocols allow, whenever it suits them least: whatever it is, every
 * request ends, is acted upon once at most unless it may be repeated, and gets its own answer, whole, or an error.
 *
 * KETTLE_TEST_SEEDS says how many worlds there are, and over TLS a tenth of that. */
#include "chaos_client.h"
#include "chaos_h1.h"
#include "chaos_h2.h"

enum { SEEDS = 200, SEEDS_TLS = 30 };

/* ---- Servers ------------------------------------------------------------------------------------ */

/* 1: it is to be HTTP/2. */
static int agree(world *w, kt_stream *s)
{
    kt_tls_info info;
    if (!w->tls[0])
        return w->h2;
    int rc = kt_stream_start_tls(s, w->tls[w->mixed ? below(&w->random, 2) : w->h2], NULL);
    if (rc == 0)
        rc = kt_tls_info_get(s, &info);
    return rc < 0 ? rc : kt_slice_is(info.alpn, "h2");
}

KT_FN(serves_one, a, struct { world *w; kt_stream *s; })
{
    int h2 = agree(a->w, a->s);
    if (h2 == 1)
        h2_serve(a->w, a->s);
    else if (h2 == 0)
        h1_serve(a->w, a->s);
    kt_stream_close(a->s);
    return 0;
}

static void check_limits(const world *w)
{
    size_t connections = facts_of(w->web).connections;
    CHECK_LE(connections, w->o.connections_max);
    CHECK_LE(connections, w->servers * w->o.connections_per_host_max);
}

KT_FN(serves_all, a, struct { world *w; kt_listener *l; })
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    while (rc == 0) {
        kt_stream *s = NULL;
        kt_task *t = NULL;
        rc = kt_listener_accept(a->l, &s);
        if (rc < 0)
            break;
        if (!a->w->closed)
            check_limits(a->w);
        rc = kt_group_spawn_with(&g, NULL, KT_WITH(serves_one, .w = a->w, .s = s), &t);
        if (rc == 0)
            kt_task_detach(t);
    }
    return kt_group_join(&g, rc);
}

/* ---- Worlds ------------------------------------------------------------------------------------ */

static void draw_world(world *w)
{
    w->h2 = one_in(&w->random, 2);
    w->kind = one_in(&w->random, 2);
    w->servers = 1 + below(&w->random, SERVERS_MAX);
    w->pause_max = (kt_time)ONE_OF(&w->random, 0, KT_US(100), KT_MS(5), KT_MS(200));
    w->sends_on_in = (unsigned)ONE_OF(&w->random, 0, 0, 20);
    w->leaves_in = (unsigned)ONE_OF(&w->random, 0, 2, 5, 20);
    w->refuses_in = (unsigned)ONE_OF(&w->random, 0, 0, 3, 10);
    w->early_in = (unsigned)ONE_OF(&w->random, 0, 2, 10);
    w->interim_in = (unsigned)ONE_OF(&w->random, 0, 3);
    w->trickles_in = (unsigned)below(&w->random, 2);
    w->changes_in = (unsigned)ONE_OF(&w->random, 0, 3);
    w->breaks_in = (unsigned)ONE_OF(&w->random, 3, 20);
    w->per_connection = ONE_OF(&w->random, 0, 0, 1, 3, 10);
    w->o = draw_session(w);
}

/* Connections are lost for no reason. */
KT_FN(troubles, a, struct { kt_test_network *n; world *w; })
{
    int rc = 0;
    while (rc == 0) {
        rc = kt_sleep(1 + (kt_time)below(&a->w->random, KT_S(1)));
        if (rc == 0)
            (void)kt_test_network_reset(a->n, "127.0.0.1", NULL);
    }
    return rc;
}

static int lives(world *w, kt_test_network *n)
{
    kt_auto(kt_group) others = KT_GROUP_INIT;
    int rc = 0;
    for (size_t i = 0; i < w->servers && rc == 0; i++)
        rc = kt_group_spawn(&others, KT_WITH(serves_all, .w = w, .l = w->listeners[i]));
    if (rc == 0 && !w->kind && one_in(&w->random, 3))
        rc = kt_group_spawn(&others, KT_WITH(troubles, .n = n, .w = w));
    if (rc == 0)
        rc = opens_for_customers(w);
    close_session(w);
    kt_group_cancel(&others);
    return kt_group_join(&others, rc);
}

static play legal = {draw_world, lives, NULL, 0};

TEST_WITH(each_request_ends_as_is_promised_whatever_a_legal_server_does, KT_TEST_NO_LOOP)
{
    kt_test_seeds(SEEDS, next_world, &legal);
}

TEST_WITH(so_it_does_over_tls_whatever_is_agreed_on_in_each_handshake, KT_TEST_NO_LOOP)
{
    play_over_tls(&legal, SEEDS_TLS);
}
