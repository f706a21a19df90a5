/* SPDX-License-Identifier: MIT */
/* Which connection a request gets, and which is never used again. */
#include "client_site.h"

typedef struct peer {
    net n;
    parrot p;
    kt_http_session *s;
} peer;

/* Every request on every connection is answered with 200 and "ab". */
static void peer_open(peer *f, kt_http_session_options o)
{
    f->n = net_open((kt_test_network_options){0});
    f->p = (parrot){.stalls = f->p.stalls};
    for (int c = 0; c < PARROT_CONNECTIONS; c++)
        for (int i = 0; i < PARROT_REQUESTS; i++)
            f->p.script[c][i] = OK(2, "ab");
    parrot_open(&f->p);
    f->s = session_for(f->p.port, o);
}

static void peer_close(peer *f)
{
    kt_http_session_close(f->s);
    parrot_close(&f->p);
    net_cleanup(&f->n);
}

static kt_http_response *get(kt_http_session *s)
{
    kt_http_response *r = NULL;
    CHECK_OK(kt_http_get(s, "/", &r));
    return r;
}

/* ---- Limits --------------------------------------------------------------------------------------- */

KT_FN(asks_and_says, a, struct { kt_http_session *s; int number; })
{
    const char *answer = ask(a->s, "/");
    kt_test_say("%d %s", a->number, answer);
    return 0;
}

TEST(who_waits_for_a_connection_is_served_in_order)
{
    sim_only();
    peer f = {.p.stalls = KT_MS(10)};
    peer_open(&f, (kt_http_session_options){.connections_per_host_max = 2});
    {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        for (int i = 0; i < 6; i++)
            CHECK_OK(kt_group_spawn(&g, KT_WITH(asks_and_says, .s = f.s, .number = i)));
        CHECK_OK(kt_sleep(KT_MS(1)));
        CHECK_EQ(facts_of(f.s).waiting, 4);
        CHECK_OK(kt_group_join(&g, 0));
    }
    CHECK_TRACE("0 200 ab\n1 200 ab\n2 200 ab\n3 200 ab\n4 200 ab\n5 200 ab");
    CHECK_EQ(f.p.connections, 2);
    peer_close(&f);
}

TEST(idle_connections_to_other_hosts_make_way)
{
    peer f = {0};
    peer_open(&f, (kt_http_session_options){.connections_max = 1});
    parrot other = {.script = {{OK(2, "cd")}}};
    parrot_open(&other);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", other.port);
    CHECK_STR(ask(f.s, "/"), "200 ab");
    CHECK_STR(ask(f.s, url), "200 cd");
    CHECK_STR(ask(f.s, "/"), "200 ab");
    CHECK_EQ(facts_of(f.s).connections, 1);
    CHECK_EQ(f.p.connections, 2);
    parrot_close(&other);
    peer_close(&f);
}

TEST(the_place_in_line_is_left_by_who_is_cancelled)
{
    peer f = {0};
    peer_open(&f, (kt_http_session_options){.connections_max = 1});
    kt_http_response *r = NULL;
    f.p.script[0][0] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab";
    r = get(f.s);
    kt_task *first = NULL, *second = NULL;
    CHECK_OK(kt_spawn(KT_WITH(asks_and_says, .s = f.s, .number = 1), &first));
    CHECK_OK(kt_spawn(KT_WITH(asks_and_says, .s = f.s, .number = 2), &second));
    for (int i = 0; i < 3; i++)
        CHECK_OK(kt_sleep(0));
    CHECK_EQ(facts_of(f.s).waiting, 2);
    kt_task_cancel(first);
    CHECK_OK(kt_task_join(first));
    kt_http_response_close(r);
    CHECK_OK(kt_task_join(second));
    CHECK_TRACE("1 KT_ECANCELED\n2 200 ab");
    peer_close(&f);
}

TEST(nobody_waits_in_line_for_ever)
{
    peer f = {0};
    sim_only();
    peer_open(&f, (kt_http_session_options){.connections_max = 1, .timeouts.pool = KT_S(3),
                                            .timeouts.between = KT_S(60)});
    f.p.script[0][0] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab";
    kt_http_response *r = get(f.s);
    kt_time start = kt_now();
    CHECK_STR(ask(f.s, "/"), "ETIMEDOUT");
    CHECK_STR(kt_error_detail(), "waiting for a connection to be free: nothing in 3 s");
    CHECK_EQ(kt_now() - start, KT_S(3));
    kt_http_response_close(r);
    CHECK_STR(ask(f.s, "/"), "200 ab");
    peer_close(&f);
}

/* ---- Crowds --------------------------------------------------------------------------------------- */

/* A server that takes connections, and says nothing. */
typedef struct mute {
    net n;
    kt_listener *l;
    kt_http_session *s;
    char url[64];
    kt_time start;
} mute;

static void mute_open(mute *m)
{
    sim_only();
    *m = (mute){.n = net_open((kt_test_network_options){0}), .start = kt_now()};
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &m->l));
    CHECK_OK(kt_http_session_open(&(kt_http_session_options){.timeouts.tls = KT_S(2)}, &m->s));
    snprintf(m->url, sizeof m->url, "https://127.0.0.1:%u/", kt_listener_port(m->l));
}

static void mute_close(mute *m, kt_time after)
{
    CHECK_EQ(kt_now() - m->start, after);
    kt_http_session_close(m->s);
    kt_listener_close(m->l);
    net_cleanup(&m->n);
}

/* The first finds out; the others do so at once, and not one after the other. */
TEST(a_crowd_waits_no_longer_for_a_silent_server_than_two_do)
{
    mute m;
    mute_open(&m);
    crowd_asks(m.s, 8, m.url, "ETIMEDOUT");
    mute_close(&m, 2 * KT_S(2));
}

KT_FN(upgrades_in_vain, a, struct { kt_http_session *s; const char *url; })
{
    const kt_http_request q = {.url = a->url, .upgrade = "x"};
    CHECK_STR(ask_with(a->s, &q), "ETIMEDOUT");
    return 0;
}

/* What it opens is no connection of HTTP/2. */
TEST(an_upgrade_that_is_being_opened_holds_nobody_up)
{
    mute m;
    kt_task *t;
    mute_open(&m);
    CHECK_OK(kt_spawn(KT_WITH(upgrades_in_vain, .s = m.s, .url = m.url), &t));
    CHECK_OK(kt_sleep(0));
    CHECK_STR(ask(m.s, m.url), "ETIMEDOUT");
    CHECK_OK(kt_task_join(t));
    mute_close(&m, KT_S(2));
}

/* ---- What is used again --------------------------------------------------------------------------- */

TEST(a_connection_with_bytes_left_over_is_not_used_again)
{
    peer f = {0};
    peer_open(&f, (kt_http_session_options){0});
    f.p.script[0][0] = OK(2, "ab") OK(4, "evil");
    CHECK_STR(ask(f.s, "/"), "200 ab");
    CHECK_STR(ask(f.s, "/"), "200 ab");
    CHECK_EQ(f.p.connections, 2);
    peer_close(&f);
}

TEST(what_is_left_of_a_body_and_has_come_is_skipped)
{
    peer f = {0};
    peer_open(&f, (kt_http_session_options){0});
    kt_http_response *r = get(f.s);
    kt_http_response_close(r);
    CHECK_STR(ask(f.s, "/"), "200 ab");
    CHECK_EQ(f.p.connections, 1);
    peer_close(&f);
}

TEST(a_body_that_has_not_come_takes_its_connection_along)
{
    peer f = {0};
    peer_open(&f, (kt_http_session_options){0});
    f.p.script[0][0] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab";
    kt_http_response_close(get(f.s));
    CHECK_STR(ask(f.s, "/"), "200 ab");
    CHECK_EQ(f.p.connections, 2);
    peer_close(&f);
}

TEST(who_says_close_is_believed)
{
    peer f = {0};
    peer_open(&f, (kt_http_session_options){0});
    f.p.script[0][0] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab";
    f.p.script[1][0] = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab";
    for (int i = 0; i < 3; i++)
        CHECK_STR(ask(f.s, "/"), "200 ab");
    CHECK_EQ(f.p.connections, 3);
    peer_close(&f);
}

TEST(an_idle_connection_ends_after_a_while)
{
    peer f = {0};
    sim_only();
    peer_open(&f, (kt_http_session_options){.idle_timeout = KT_S(5)});
    CHECK_STR(ask(f.s, "/"), "200 ab");
    CHECK_OK(kt_sleep(KT_S(4)));
    CHECK_EQ(facts_of(f.s).idle, 1);
    CHECK_STR(ask(f.s, "/"), "200 ab");
    CHECK_OK(kt_sleep(KT_S(4)));
    CHECK_EQ(facts_of(f.s).idle, 1);
    CHECK_OK(kt_sleep(KT_S(2)));
    CHECK_EQ(facts_of(f.s).idle, 0);
    CHECK_EQ(facts_of(f.s).connections, 0);
    CHECK_EQ(f.p.ended, 1);
    peer_close(&f);
}

/* ---- Stale ones ----------------------------------------------------------------------------------- */

TEST(a_get_on_a_connection_that_was_closed_meanwhile_is_repeated_once)
{
    peer f = {0};
    peer_open(&f, (kt_http_session_options){0});
    f.p.script[0][1] = NULL; /* closes without a word */
    CHECK_STR(ask(f.s, "/"), "200 ab");
    CHECK_STR(ask(f.s, "/"), "200 ab");
    CHECK_EQ(f.p.requests, 3);
    f.p.script[1][1] = "!";
    f.p.script[2][0] = "!"; /* a fresh one: that is no longer bad luck */
    CHECK_STR(ask(f.s, "/"), "ECONNRESET");
    CHECK_EQ(f.p.connections, 3);
    peer_close(&f);
}

/* Each connection has one answer, and does not say so; the second one in line gets it as it is closed. */
TEST(the_repeat_of_a_get_is_on_a_fresh_connection)
{
    peer f = {0};
    peer_open(&f, (kt_http_session_options){.connections_per_host_max = 1});
    for (int c = 0; c < PARROT_CONNECTIONS; c++)
        f.p.script[c][1] = NULL;
    crowd_asks(f.s, 6, "/", "200 ab");
    CHECK_EQ(f.p.connections, 6);
    peer_close(&f);
}

static ssize_t gives_nothing(void *buffer, size_t size, void *arg)
{
    (void)buffer;
    (void)size;
    ++*(int *)arg;
    return 0;
}

TEST(a_body_of_which_nothing_was_taken_can_be_had_again)
{
    peer f = {0};
    int taken = 0;
    peer_open(&f, (kt_http_session_options){0});
    f.p.script[0][1] = NULL;
    CHECK_STR(ask(f.s, "/"), "200 ab");
    const kt_http_request q = {
        .method = "PUT", .url = "/", .body_read = gives_nothing, .body_arg = &taken, .body_size_known = true};
    CHECK_STR(ask_with(f.s, &q), "200 ab");
    CHECK_EQ(taken, 0);
    CHECK_EQ(f.p.connections, 2);
    peer_close(&f);
}

TEST(a_post_is_not_repeated)
{
    peer f = {0};
    peer_open(&f, (kt_http_session_options){0});
    f.p.script[0][1] = NULL;
    CHECK_STR(ask(f.s, "/"), "200 ab");
    kt_http_request q = {.url = "/", .body = "x", .body_size = 1};
    CHECK_STR(ask_with(f.s, &q), "KT_EINCOMPLETE");
    f.p.script[1][1] = NULL;
    CHECK_STR(ask(f.s, "/"), "200 ab");
    q.idempotent = true;
    CHECK_STR(ask_with(f.s, &q), "200 ab");
    peer_close(&f);
}

TEST(an_answer_that_is_cut_is_not_repeated)
{
    peer f = {0};
    peer_open(&f, (kt_http_session_options){0});
    f.p.script[0][1] = "~HTTP/1.1 2";
    CHECK_STR(ask(f.s, "/"), "200 ab");
    CHECK_STR(ask(f.s, "/"), "KT_EINCOMPLETE");
    CHECK_EQ(f.p.requests, 2);
    peer_close(&f);
}

TEST_WITH(a_closed_idle_connection_is_noticed_before_it_is_used, KT_TEST_REAL_TIME)
{
    peer f = {0};
    peer_open(&f, (kt_http_session_options){0});
    f.p.script[0][0] = "~" OK(2, "ab");
    kt_http_request q = {.url = "/", .body = "x", .body_size = 1};
    CHECK_STR(ask_with(f.s, &q), "200 ab");
    while (f.p.ended < 1)
        CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK_STR(ask_with(f.s, &q), "200 ab");
    peer_close(&f);
}

/* ---- Ends ----------------------------------------------------------------------------------------- */

TEST(a_session_that_is_closed_takes_its_requests_along)
{
    peer f = {0};
    peer_open(&f, (kt_http_session_options){.connections_max = 1});
    f.p.script[0][0] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab";
    char piece[10];
    kt_http_response *r = get(f.s);
    kt_task *waiting = NULL;
    CHECK_OK(kt_spawn(KT_WITH(asks_and_says, .s = f.s, .number = 1), &waiting));
    CHECK_OK(kt_sleep(0));
    CHECK_EQ(kt_http_response_read(r, piece, sizeof piece), 2);
    kt_http_session_close(kt_steal(f.s));
    CHECK_OK(kt_task_join(waiting));
    CHECK_TRACE("1 KT_ECLOSED");
    CHECK_ERR(kt_http_response_read(r, piece, sizeof piece), KT_ECLOSED);
    CHECK_EQ(kt_http_response_status(r), 200);
    kt_http_response_close(r);
    peer_close(&f);
}

TEST(options_that_make_no_sense_are_refused)
{
    kt_http_session *s = NULL;
    static const char *const split[] = {"X-A", "1\r\nX-B: 2", NULL};
    CHECK_ERR(kt_http_session_open(&(kt_http_session_options){.base_url = "mailto:a"}, &s), -EPROTONOSUPPORT);
    CHECK_ERR(kt_http_session_open(&(kt_http_session_options){.headers = split}, &s), -EINVAL);
    CHECK_ERR(kt_http_session_open(&(kt_http_session_options){.user_agent = "a\nb"}, &s), -EINVAL);
    CHECK_ERR(kt_http_session_open(&(kt_http_session_options){.timeouts.total = -1}, &s), -EINVAL);
    CHECK_ERR(kt_http_session_open(&(kt_http_session_options){.rate_starts = 1}, &s), -EINVAL);
    CHECK_ERR(kt_http_session_open(&(kt_http_session_options){.headers_max = 1000000}, &s), -EINVAL);
    CHECK(!s);
    kt_http_session_close(NULL);
    kt_http_response_close(NULL);
}
