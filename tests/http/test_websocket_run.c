/* SPDX-License-Identifier: MIT */
/* A WebSocket client that connects again. */
#include "client_site.h"

#include <kettle/websocket.h>

enum { HANG_UP = -1, REFUSE = -2, FORBID = -3, STAY = -4 };

/* What the server does on each connection: closes with a code; or one of the above. */
typedef struct club {
    net n;
    site s;
    kt_http_session *web;
    const int *plan;
    kt_time lasts;  /* each connection, before it ends */
    kt_time came[16]; /* when */
    int served, talked;
    int says;       /* what the client's part returns, unless 0: then what reading gave */
} club;

static int serves(kt_http_exchange *x, void *arg)
{
    club *c = arg;
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    int what = c->plan[c->served];
    c->came[c->served++] = kt_now();
    if (what == REFUSE || what == FORBID)
        return kt_http_respond(x, what == REFUSE ? 503 : 403, NULL, NULL, 0);
    kt_stream *s = NULL;
    if (what == HANG_UP) {
        int rc = kt_http_upgrade(x, "other", &s);
        if (rc == 0)
            kt_stream_hang_up(s, true);
        return rc;
    }
    int rc = kt_websocket_accept(x, NULL, &ws);
    if (rc == 0)
        rc = kt_websocket_write(ws, KT_WEBSOCKET_TEXT, "hi", 2);
    while (rc == 0 && what == STAY)
        rc = kt_websocket_read(ws, &m) > 0 ? 0 : 1;
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = kt_sleep(c->lasts);
    return rc < 0 ? rc : kt_websocket_shutdown(ws, what, NULL);
}

static int talks(kt_websocket *ws, void *arg)
{
    club *c = arg;
    kt_websocket_message m;
    int rc = kt_websocket_read(ws, &m);
    CHECK_EQ(rc, 1);
    CHECK_SLICE(m.data, "hi");
    c->talked++;
    return c->says ? c->says : kt_websocket_read(ws, &m);
}

static void club_open(club *c)
{
    static const kt_http_options server = {.grace = -1};
    c->n = net_open((kt_test_network_options){0});
    site_open(&c->s, &server, serves, c);
    c->web = session_for(kt_listener_port(c->s.l), (kt_http_session_options){0});
}

static void club_close(club *c)
{
    kt_http_session_close(c->web);
    site_close(&c->s);
    net_cleanup(&c->n);
}

static int runs(club *c, kt_websocket_run_options o)
{
    return kt_websocket_run(c->web, "/", &o, talks, c);
}

TEST(the_peers_good_bye_ends_it)
{
    club c = {.plan = (int[]){1000}};
    club_open(&c);
    CHECK_EQ(runs(&c, (kt_websocket_run_options){0}), 1000);
    CHECK_EQ(c.served, 1);
    club_close(&c);
}

TEST(the_callback_ends_it_with_a_number_or_a_failure_of_its_own)
{
    static const int results[] = {7, -EXDEV, KT_EPROTOCOL};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        club c = {.plan = (int[]){STAY}, .says = results[i]};
        club_open(&c);
        CHECK_EQ(runs(&c, (kt_websocket_run_options){0}), results[i]);
        CHECK_EQ(c.served, 1);
        club_close(&c);
    }
}

TEST(an_answer_that_will_not_change_ends_it)
{
    club c = {.plan = (int[]){FORBID}};
    club_open(&c);
    CHECK_EQ(runs(&c, (kt_websocket_run_options){0}), KT_EPROTOCOL);
    CHECK_EQ(c.served, 1);
    club_close(&c);
}

TEST(options_that_make_no_sense_are_refused)
{
    club c = {.plan = (int[]){1000}};
    club_open(&c);
    CHECK_ERR(runs(&c, (kt_websocket_run_options){.first_wait = -1}), -EINVAL);
    CHECK_ERR(runs(&c, (kt_websocket_run_options){.stable = -1}), -EINVAL);
    CHECK_EQ(c.served, 0);
    club_close(&c);
}

/* ---- In virtual time ----------------------------------------------------------------------------- */

TEST(other_codes_losses_and_refusals_are_followed_by_another_connection)
{
    club c = {.plan = (int[]){1001, HANG_UP, REFUSE, 1011, 1000}};
    sim_only();
    club_open(&c);
    CHECK_EQ(runs(&c, (kt_websocket_run_options){0}), 1000);
    CHECK_EQ(c.served, 5);
    CHECK_EQ(c.talked, 3);
    club_close(&c);
}

TEST(stop_codes_may_be_chosen)
{
    club c = {.plan = (int[]){1000, 4001}};
    sim_only();
    club_open(&c);
    CHECK_EQ(runs(&c, (kt_websocket_run_options){.stop_codes = (const int[]){1008, 4001, 0}}), 4001);
    CHECK_EQ(c.served, 2);
    club_close(&c);
}

TEST(waits_grow_up_to_their_limit)
{
    club c = {.plan = (int[]){REFUSE, REFUSE, REFUSE, REFUSE, REFUSE, 1000}};
    static const int most[] = {1, 2, 4, 5, 5};
    sim_only();
    club_open(&c);
    CHECK_EQ(runs(&c, (kt_websocket_run_options){.wait_max = KT_S(5)}), 1000);
    for (int i = 0; i < 5; i++) {
        CHECK_GE(c.came[i + 1] - c.came[i], KT_S(most[i]) / 2);
        CHECK_LE(c.came[i + 1] - c.came[i], KT_S(most[i]) + KT_MS(500));
    }
    club_close(&c);
}

TEST(after_a_connection_that_lasted_the_waits_begin_anew)
{
    club c = {.plan = (int[]){1001, 1001, 1001, 1001, 1000}, .lasts = KT_S(15)};
    sim_only();
    club_open(&c);
    CHECK_EQ(runs(&c, (kt_websocket_run_options){.attempts = 2}), 1000);
    for (int i = 0; i < 4; i++)
        CHECK_LE(c.came[i + 1] - c.came[i], KT_S(15) + KT_S(1) + KT_MS(500));
    club_close(&c);
}

TEST(attempts_come_to_an_end)
{
    club c = {.plan = (int[]){REFUSE, REFUSE, REFUSE, 1000}};
    sim_only();
    club_open(&c);
    CHECK_ERR(runs(&c, (kt_websocket_run_options){.attempts = 3}), KT_EPROTOCOL);
    CHECK_EQ(c.served, 3);
    club_close(&c);
}

TEST(a_server_that_is_not_there_is_tried_again)
{
    club c = {.plan = (int[]){1000}};
    sim_only();
    club_open(&c);
    kt_listener *l = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    char url[64];
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", kt_listener_port(l));
    kt_listener_close(l);
    const kt_websocket_run_options o = {.attempts = 4};
    kt_time start = kt_now();
    CHECK_ERR(kt_websocket_run(c.web, url, &o, talks, &c), -ECONNREFUSED);
    CHECK_GE(kt_now() - start, KT_S(1 + 2 + 4) / 2);
    club_close(&c);
}

KT_FN(runs_on, a, struct { club *c; })
{
    return runs(a->c, (kt_websocket_run_options){0});
}

TEST(a_cancellation_ends_it_while_it_talks_and_while_it_waits)
{
    static const int plans[][2] = {{STAY, STAY}, {REFUSE, STAY}};
    for (size_t i = 0; i < 2; i++) {
        club c = {.plan = plans[i]};
        kt_task *t = NULL;
        club_open(&c);
        CHECK_OK(kt_spawn(KT_WITH(runs_on, .c = &c), &t));
        for (int n = 0; c.served == 0 || n < 50; n++)
            CHECK_OK(kt_sleep(0));
        kt_task_cancel(t);
        CHECK_ERR(kt_task_join(t), KT_ECANCELED);
        kt_http_session_facts f = facts_of(c.web);
        CHECK_EQ(f.connections, f.idle);
        club_close(&c);
    }
}
