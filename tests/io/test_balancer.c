/* SPDX-License-Identifier: MIT */
#include "core/switch.h"
#include "stream_pair.h"

#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>

static kt_balancer *balancer_on(const char *host)
{
    kt_listener *l = NULL;
    kt_balancer *b = NULL;
    CHECK_OK(kt_listen(host, 0, NULL, &l));
    CHECK_OK(kt_balancer_open(l, &b));
    return b;
}

static kt_listener *listen_at(kt_balancer *b)
{
    kt_listener *l = NULL;
    CHECK_OK(kt_balancer_listen(b, &l));
    return l;
}

static kt_stream *client_of(const kt_listener *l)
{
    kt_stream *s = NULL;
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(l), &s));
    return s;
}

static kt_stream *accept_at(kt_listener *l)
{
    kt_stream *s = NULL;
    CHECK_OK(kt_listener_accept(l, &s));
    return s;
}

/* A client's connection comes out there. */
static void check_meet(kt_stream *client, kt_listener *l)
{
    kt_stream_close(accept_at(l));
    kt_stream_close(client);
}

static void close_all(kt_stream *streams[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        kt_stream_close(kt_steal(streams[i]));
}

/* Until the peer's end of file, or its reset. */
static bool is_hung_up(kt_stream *s)
{
    char byte;
    ssize_t n = kt_stream_read(s, &byte, 1);
    return n == 0 || n == -ECONNRESET;
}

/* ---- In one loop --------------------------------------------------------------------------- */

/* Three listeners of one balancer; whoever accepts at one of them alone sees what it was given. */
#define LISTENERS 3

TEST_WITH(connections_are_given_out_in_turns, KT_TEST_REAL_TIME)
{
    kt_auto(kt_balancer) *b = balancer_on("127.0.0.1");
    kt_listener *l[LISTENERS];
    kt_stream *clients[4 * LISTENERS], *accepted[4 * LISTENERS];
    for (int i = 0; i < LISTENERS; i++)
        l[i] = listen_at(b);
    for (int i = 0; i < 4 * LISTENERS; i++)
        clients[i] = client_of(l[0]);
    for (int i = 0; i < LISTENERS; i++)
        for (int k = 0; k < 4; k++)
            accepted[4 * i + k] = accept_at(l[i]);
    for (int i = 0; i < LISTENERS; i++)
        kt_listener_close(l[i]);
    close_all(accepted, 4 * LISTENERS);
    close_all(clients, 4 * LISTENERS);
}

TEST_WITH(who_has_the_fewest_gets_the_next, KT_TEST_REAL_TIME)
{
    kt_auto(kt_balancer) *b = balancer_on("127.0.0.1");
    kt_auto(kt_listener) *first = listen_at(b);
    kt_auto(kt_listener) *second = listen_at(b);
    kt_stream *clients[8], *at_first[3], *at_second[5];
    for (int i = 0; i < 6; i++)
        clients[i] = client_of(first);
    for (int i = 0; i < 3; i++) {
        at_first[i] = accept_at(first);
        at_second[i] = accept_at(second);
    }
    close_all(at_second, 2);
    for (int i = 6; i < 8; i++) {
        clients[i] = client_of(first);
        at_second[i - 3] = accept_at(second);
    }
    close_all(at_first, 3);
    close_all(at_second + 2, 3);
    close_all(clients, 8);
}

TEST_WITH(equals_take_turns, KT_TEST_REAL_TIME)
{
    kt_auto(kt_balancer) *b = balancer_on("127.0.0.1");
    kt_listener *l[LISTENERS];
    for (int i = 0; i < LISTENERS; i++)
        l[i] = listen_at(b);
    for (int i = 0; i < 4 * LISTENERS; i++) /* short visits: nobody has any when the next one comes */
        check_meet(client_of(l[0]), l[i % LISTENERS]);
    for (int i = 0; i < LISTENERS; i++)
        kt_listener_close(l[i]);
}

TEST_WITH(the_streams_do_not_need_the_listener_nor_the_balancer, KT_TEST_REAL_TIME)
{
    kt_balancer *b = balancer_on("127.0.0.1");
    kt_listener *l = listen_at(b);
    kt_auto(kt_stream) *client = client_of(l);
    kt_auto(kt_stream) *s = accept_at(l);
    kt_listener_close(l);
    kt_balancer_close(b);
    char text[5];
    say(client, "hello");
    CHECK_OK(kt_stream_read_exactly(s, text, sizeof text));
    CHECK_EQ(memcmp(text, "hello", 5), 0);
}

TEST_WITH(clients_wait_until_somebody_listens, KT_TEST_REAL_TIME)
{
    kt_listener *l = NULL;
    kt_auto(kt_balancer) *b = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_balancer_open(l, &b));
    kt_stream *client = client_of(l);
    CHECK_OK(kt_sleep(KT_MS(10)));
    kt_auto(kt_listener) *mine = listen_at(b);
    CHECK_EQ(kt_listener_port(mine), kt_listener_port(l));
    check_meet(client, mine);
}

TEST_WITH(what_waits_at_a_listener_that_closes_goes_to_the_others, KT_TEST_REAL_TIME)
{
    kt_auto(kt_balancer) *b = balancer_on("127.0.0.1");
    kt_auto(kt_listener) *stays = listen_at(b);
    kt_listener *leaves = listen_at(b);
    kt_stream *clients[6], *accepted[6];
    for (int i = 0; i < 6; i++)
        clients[i] = client_of(stays);
    CHECK_OK(kt_sleep(KT_MS(10)));
    kt_listener_close(leaves);
    for (int i = 0; i < 6; i++)
        accepted[i] = accept_at(stays);
    close_all(accepted, 6);
    close_all(clients, 6);
}

TEST_WITH(the_clients_of_the_last_one_that_closes_are_hung_up_on, KT_TEST_REAL_TIME)
{
    kt_auto(kt_balancer) *b = balancer_on("127.0.0.1");
    kt_listener *l = listen_at(b);
    kt_auto(kt_stream) *client = client_of(l);
    CHECK_OK(kt_sleep(KT_MS(10)));
    kt_listener_close(l);
    CHECK(is_hung_up(client));
}

TEST_WITH(more_than_fit_wait_in_the_backlog_and_none_is_lost, KT_TEST_REAL_TIME)
{
    enum { MANY = KT_BALANCER_WAITING_MAX + 20 };
    kt_auto(kt_balancer) *b = balancer_on("127.0.0.1");
    kt_auto(kt_listener) *l = listen_at(b);
    kt_stream *clients[MANY], *accepted[MANY];
    for (int i = 0; i < MANY; i++)
        clients[i] = client_of(l);
    CHECK_OK(kt_sleep(KT_MS(20)));
    for (int i = 0; i < MANY; i++)
        accepted[i] = accept_at(l);
    close_all(accepted, MANY);
    close_all(clients, MANY);
}

TEST_WITH(one_that_is_full_is_left_out, KT_TEST_REAL_TIME)
{
    enum { MANY = KT_BALANCER_WAITING_MAX + 20 };
    kt_auto(kt_balancer) *b = balancer_on("127.0.0.1");
    kt_auto(kt_listener) *idle = listen_at(b);
    kt_auto(kt_listener) *busy = listen_at(b);
    kt_stream *clients[2 * MANY], *accepted[2 * MANY];
    for (int i = 0; i < 2 * MANY; i++)
        clients[i] = client_of(idle);
    for (int i = 0; i < 2 * MANY - KT_BALANCER_WAITING_MAX; i++)
        accepted[i] = accept_at(busy);
    close_all(accepted, 2 * MANY - KT_BALANCER_WAITING_MAX);
    close_all(clients, 2 * MANY);
}

static int accepts(void *arg)
{
    kt_stream *s = NULL;
    int rc = kt_listener_accept(arg, &s);
    kt_stream_close(s);
    return rc;
}

TEST_WITH(a_cancelled_accept_loses_no_connection, KT_TEST_REAL_TIME)
{
    kt_auto(kt_balancer) *b = balancer_on("127.0.0.1");
    kt_auto(kt_listener) *l = listen_at(b);
    kt_task *t = spawn(accepts, l, 0);
    CHECK_OK(kt_sleep(KT_MS(5)));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    check_meet(client_of(l), l);
}

TEST_WITH(an_accept_at_a_listener_that_closes_says_so, KT_TEST_REAL_TIME)
{
    kt_auto(kt_balancer) *b = balancer_on("127.0.0.1");
    kt_listener *l = listen_at(b);
    kt_task *t = spawn(accepts, l, 0);
    CHECK_OK(kt_sleep(KT_MS(5)));
    kt_listener_close(l);
    CHECK_ERR(kt_task_join(t), KT_ECLOSED);
}

TEST_WITH(a_closed_balancer_gives_what_it_has_and_refuses_the_rest, KT_TEST_REAL_TIME)
{
    kt_balancer *b = balancer_on("127.0.0.1");
    kt_auto(kt_listener) *l = listen_at(b);
    kt_stream *late = NULL;
    kt_stream *client = client_of(l);
    CHECK_OK(kt_sleep(KT_MS(10)));
    kt_balancer_close(b);
    CHECK_ERR(kt_stream_connect("127.0.0.1", kt_listener_port(l), &late), -ECONNREFUSED);
    check_meet(client, l);
    CHECK_ERR(kt_listener_accept(l, &late), KT_ECLOSED);
}

TEST_WITH(closing_ends_the_accepts_that_wait, KT_TEST_REAL_TIME)
{
    kt_balancer *b = balancer_on("127.0.0.1");
    kt_auto(kt_listener) *l = listen_at(b);
    kt_task *t = spawn(accepts, l, 0);
    CHECK_OK(kt_sleep(KT_MS(5)));
    kt_balancer_close(b);
    CHECK_ERR(kt_task_join(t), KT_ECLOSED);
}

TEST_WITH(it_has_the_addresses_of_the_one_that_it_shares, KT_TEST_REAL_TIME)
{
    kt_listener *all = NULL;
    kt_auto(kt_balancer) *b = NULL;
    kt_address here, there;
    CHECK_OK(kt_listen(NULL, 0, NULL, &all));
    CHECK_OK(kt_balancer_open(all, &b));
    kt_auto(kt_listener) *l = listen_at(b);
    CHECK_EQ(kt_listener_count(l), kt_listener_count(all));
    for (size_t i = 0; i < kt_listener_count(l); i++) {
        CHECK_OK(kt_listener_address(l, i, &here));
        CHECK_OK(kt_listener_address(all, i, &there));
        CHECK(kt_address_equal(&here, &there));
    }
    CHECK_ERR(kt_listener_address(l, kt_listener_count(l), &here), -EINVAL);
    check_meet(client_of(l), l);
}

TEST_WITH(unix_sockets_are_shared_too, KT_TEST_REAL_TIME)
{
    kt_listener *l = NULL;
    kt_auto(kt_balancer) *b = NULL;
    char path[] = "@kettle-balancer-0000000";
    kt_stream *clients[4], *accepted[4];
    snprintf(path, sizeof path, "@kettle-balancer-%d", getpid());
    CHECK_OK(kt_listen_unix(path, NULL, &l));
    CHECK_OK(kt_balancer_open(l, &b));
    kt_auto(kt_listener) *first = listen_at(b);
    kt_auto(kt_listener) *second = listen_at(b);
    CHECK_EQ(kt_listener_port(first), 0);
    for (int i = 0; i < 4; i++)
        CHECK_OK(kt_stream_connect_unix(path, &clients[i]));
    for (int i = 0; i < 4; i++)
        accepted[i] = accept_at(i % 2 ? first : second);
    close_all(accepted, 4);
    close_all(clients, 4);
}

/* ---- In several loops ---------------------------------------------------------------------- */

#define LOOPS 4
#define CLIENTS 100

typedef struct shop {
    kt_balancer *balancer;
    uint16_t port;
    atomic_size_t seen[LOOPS];    /* connections that each loop has served */
    atomic_uint listening, ended; /* loops, clients */
} shop;

/* Sends the number of its loop, and stays until the client goes. */
static int says_where(kt_stream *s, void *arg)
{
    shop *x = arg;
    char digit = (char)('0' + kt_loops_index());
    atomic_fetch_add(&x->seen[kt_loops_index()], 1);
    int rc = kt_stream_write(s, &digit, 1);
    return rc == 0 && is_hung_up(s) ? 0 : rc;
}

static int serve(void *arg)
{
    shop *x = arg;
    kt_listener *l = listen_at(x->balancer);
    kt_server *server = NULL;
    CHECK_OK(kt_server_start(l, NULL, says_where, x, &server));
    atomic_fetch_add(&x->listening, 1);
    while (!atomic_load(&x->ended))
        CHECK_OK(kt_sleep(KT_MS(1)));
    kt_server_free(server);
    return 0;
}

static int serves_all(void *arg)
{
    return kt_loops_run(LOOPS, serve, arg, 0);
}

static kt_task *shop_open(shop *x)
{
    kt_listener *l = NULL;
    *x = (shop){.balancer = NULL};
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    x->port = kt_listener_port(l);
    CHECK_OK(kt_balancer_open(l, &x->balancer));
    kt_task *t = spawn(serves_all, x, 0);
    while (atomic_load(&x->listening) < LOOPS)
        CHECK_OK(kt_sleep(KT_MS(1)));
    return t;
}

static void shop_close(shop *x, kt_task *t)
{
    atomic_store(&x->ended, 1);
    CHECK_OK(kt_task_join(t));
    kt_balancer_close(x->balancer);
}

TEST_WITH(every_loop_gets_the_same_number_of_clients, KT_TEST_REAL_TIME)
{
    shop x;
    kt_task *t = shop_open(&x);
    kt_stream *clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(kt_stream_connect("127.0.0.1", x.port, &clients[i]));
    for (int i = 0; i < CLIENTS; i++) {
        char digit;
        CHECK_EQ(kt_stream_read(clients[i], &digit, 1), 1);
    }
    for (int i = 0; i < LOOPS; i++)
        CHECK_EQ(atomic_load(&x.seen[i]), CLIENTS / LOOPS);
    close_all(clients, CLIENTS);
    shop_close(&x, t);
}

KT_FN(visits, v, struct { uint16_t port; int times; atomic_uint *answers; })
{
    for (int i = 0; i < v->times; i++) {
        kt_auto(kt_stream) *s = NULL;
        char digit;
        int rc = kt_stream_connect("127.0.0.1", v->port, &s);
        if (rc < 0)
            return rc;
        ssize_t n = kt_stream_read(s, &digit, 1);
        if (n != 1)
            return n < 0 ? (int)n : -EPIPE;
        atomic_fetch_add(v->answers, 1);
    }
    return 0;
}

TEST_WITH(of_many_short_visits_each_is_answered, KT_TEST_REAL_TIME)
{
    shop x;
    kt_task *t = shop_open(&x);
    atomic_uint answers = 0;
    kt_auto(kt_group) visitors = KT_GROUP_INIT;
    for (int i = 0; i < 20; i++)
        CHECK_OK(kt_group_spawn(&visitors, KT_WITH(visits, x.port, 50, &answers)));
    CHECK_OK(kt_group_join(&visitors, 0));
    CHECK_EQ(atomic_load(&answers), 1000);
    size_t sum = 0;
    for (int i = 0; i < LOOPS; i++) {
        sum += atomic_load(&x.seen[i]);
        CHECK_GT(atomic_load(&x.seen[i]), 0);
    }
    CHECK_EQ(sum, 1000);
    shop_close(&x, t);
}

/* Listens for a moment only, again and again, and closes with clients that wait. */
static int comes_and_goes(void *arg)
{
    shop *x = arg;
    while (!atomic_load(&x->ended)) {
        kt_listener *l = listen_at(x->balancer);
        int rc = kt_sleep(KT_US(300));
        kt_listener_close(l);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int serves_or_comes_and_goes(void *arg)
{
    return kt_loops_index() < 2 ? serve(arg) : comes_and_goes(arg);
}

static int half_serves(void *arg)
{
    return kt_loops_run(LOOPS, serves_or_comes_and_goes, arg, 0);
}

TEST_WITH(nobody_is_lost_where_loops_come_and_go, KT_TEST_REAL_TIME)
{
    shop x = {.balancer = balancer_on("127.0.0.1")};
    atomic_uint answers = 0;
    kt_listener *probe = listen_at(x.balancer);
    x.port = kt_listener_port(probe);
    kt_listener_close(probe);
    kt_task *t = spawn(half_serves, &x, 0);
    while (atomic_load(&x.listening) < 2)
        CHECK_OK(kt_sleep(KT_MS(1)));
    kt_auto(kt_group) visitors = KT_GROUP_INIT;
    for (int i = 0; i < 10; i++)
        CHECK_OK(kt_group_spawn(&visitors, KT_WITH(visits, x.port, 50, &answers)));
    CHECK_OK(kt_group_join(&visitors, 0));
    CHECK_EQ(atomic_load(&answers), 500);
    shop_close(&x, t);
}

/* ---- Ends ---------------------------------------------------------------------------------- */

static int runs_another(void *arg)
{
    const kt_job *j = arg;
    return kt_loop_run(NULL, j->fn, j->arg, 0);
}

KT_FN(leaves_its_listener, a, struct { kt_balancer *balancer; kt_listener **ret_left; })
{
    *a->ret_left = listen_at(a->balancer);
    return kt_sleep(KT_MS(20));
}

TEST_WITH(a_loop_that_ends_without_closing_gets_no_more, KT_TEST_REAL_TIME)
{
    kt_auto(kt_balancer) *b = balancer_on("127.0.0.1");
    kt_auto(kt_listener) *l = listen_at(b);
    kt_listener *left = NULL;
    kt_stream *clients[6], *accepted[6];
    kt_job other = KT_JOB_OF(KT_WITH(leaves_its_listener, b, &left));
    kt_task *t = spawn(runs_another, &other, 0);
    for (int i = 0; i < 6; i++) {
        clients[i] = client_of(l);
        CHECK_OK(kt_sleep(KT_MS(i < 4 ? 2 : 0)));
    }
    CHECK_OK(kt_task_join(t));
    for (int i = 0; i < 6; i++)
        accepted[i] = accept_at(l);
    kt_listener_close(left); /* what is left of it */
    close_all(accepted, 6);
    close_all(clients, 6);
}

typedef struct short_lived {
    _Atomic(kt_balancer *) balancer;
    atomic_bool listened;
} short_lived;

static int leaves_its_balancer(void *arg)
{
    short_lived *x = arg;
    atomic_store(&x->balancer, balancer_on("127.0.0.1"));
    for (int i = 0; i < 1000 && !atomic_load(&x->listened); i++)
        CHECK_OK(kt_sleep(KT_MS(1)));
    return 0;
}

TEST_WITH(at_the_end_of_its_loop_it_is_closed, KT_TEST_REAL_TIME)
{
    short_lived x = {.balancer = NULL};
    kt_stream *s = NULL;
    kt_task *t = spawn(runs_another, &(kt_job){.fn = leaves_its_balancer, .arg = &x}, 0);
    while (!atomic_load(&x.balancer))
        CHECK_OK(kt_sleep(KT_MS(1)));
    kt_auto(kt_listener) *l = listen_at(atomic_load(&x.balancer));
    atomic_store(&x.listened, true);
    CHECK_ERR(kt_listener_accept(l, &s), KT_ECLOSED);
    CHECK_OK(kt_task_join(t));
}

static int waits(void *arg)
{
    return kt_event_wait(arg);
}

/* All the stacks that there is address space for are in use. */
TEST_WITH(without_a_stack_to_accept_on_it_is_not_opened, KT_TEST_REAL_TIME)
{
    enum { MANY = 4096 };
    static kt_task *crowd[MANY];
    kt_listener *l = NULL;
    kt_balancer *b = NULL;
    kt_event go = KT_EVENT_INIT;
    struct rlimit before;
    int n = 0;
    if (KT__ASAN || KT__TSAN)
        kt_test_skip("sanitizers need the address space themselves");
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(getrlimit(RLIMIT_AS, &before));
    CHECK_OK(setrlimit(RLIMIT_AS, &(struct rlimit){.rlim_cur = 1 << 20, .rlim_max = before.rlim_max}));
    do {
        crowd[n] = spawn(waits, &go, 0);
        CHECK_OK(kt_sleep(0));
    } while (!kt_task_done(crowd[n++]) && n < MANY);
    int rc = kt_balancer_open(l, &b);
    CHECK_OK(setrlimit(RLIMIT_AS, &before));
    CHECK_ERR(rc, KT_ENOSTACK);
    kt_event_set(&go);
    for (int i = 0; i < n; i++)
        CHECK_EQ(kt_task_join(crowd[i]), i < n - 1 ? 0 : KT_ENOSTACK);
    kt_listener_close(l);
}

static char logged[1024];

static void keep_line(const char *line)
{
    size_t used = strlen(logged);
    snprintf(logged + used, sizeof logged - used, "%s\n", line);
}

TEST_WITH(debug_mode_reports_one_that_is_left_open, KT_TEST_REAL_TIME)
{
    const kt_options options = {.debug = KT_DEBUG_ON};
    short_lived x = {.listened = true};
    logged[0] = 0;
    kt_log_hook_set(keep_line);
    int rc = kt_loop_run(&options, leaves_its_balancer, &x, 0);
    kt_log_hook_set(NULL);
    CHECK_OK(rc);
    CHECK(strstr(logged, "a balancer, made at "));
    CHECK(!strstr(logged, "a listener, made at "));
}

static int closes_balancer(void *arg)
{
    kt_balancer_close(arg);
    return 0;
}

static int closes_listener(void *arg)
{
    kt_listener_close(arg);
    return 0;
}

TEST_DIES(only_the_openers_loop_closes_it, KT_TEST_REAL_TIME, "kt_balancer_close: on a thread that is not the loop's")
{
    CHECK_OK(kt_loop_run(NULL, closes_balancer, balancer_on("127.0.0.1"), 0));
}

TEST_DIES(only_its_loop_closes_a_share, KT_TEST_REAL_TIME, "kt_listener_close: on a thread that is not the loop's")
{
    CHECK_OK(kt_loop_run(NULL, closes_listener, listen_at(balancer_on("127.0.0.1")), 0));
}

TEST_DIES(only_its_loop_accepts_from_a_share, KT_TEST_REAL_TIME,
          "kt_listener_accept: on a thread that is not the loop's")
{
    CHECK_OK(kt_loop_run(NULL, accepts, listen_at(balancer_on("127.0.0.1")), 0));
}
