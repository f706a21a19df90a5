/* SPDX-License-Identifier: MIT */
#include "stream_pair.h"

#include <sys/resource.h>

/* ---- Handlers ---------------------------------------------------------------------------- */

/* What a server's handlers share. */
typedef struct log {
    int begun, ended, last; /* last: the last handler's last result */
} log;

/* Sends back what it gets until the end of file. */
static int echo(kt_stream *s, void *arg)
{
    log *g = arg;
    char bytes[64];
    ssize_t n;
    g->begun++;
    while ((n = kt_stream_read(s, bytes, sizeof bytes)) > 0) {
        int rc = kt_stream_write(s, bytes, (size_t)n);
        if (rc < 0)
            n = rc;
        if (rc < 0)
            break;
    }
    g->ended++;
    g->last = (int)n;
    return n == -ECONNRESET ? 0 : (int)n;
}

/* Looks at nothing but the clock. */
static int sleeps(kt_stream *s, void *arg)
{
    log *g = arg;
    (void)s;
    g->begun++;
    g->last = kt_sleep(KT_S(30));
    g->ended++;
    return g->last;
}

static kt_server *start(int (*handler)(kt_stream *s, void *arg), log *g, const kt_server_options *o)
{
    kt_listener *l = NULL;
    kt_server *s = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_server_start(l, o, handler, g, &s));
    return s;
}

static kt_stream *client_of(const kt_server *server)
{
    kt_stream *s = NULL;
    CHECK_OK(kt_stream_connect("127.0.0.1", kt_listener_port(kt_server_listener(server)), &s));
    return s;
}

/* Until so many handlers have begun. */
static void wait_begun(const log *g, int n)
{
    while (g->begun < n)
        CHECK_OK(kt_sleep(KT_MS(1)));
}

static void echoes(kt_stream *s)
{
    char byte;
    say(s, "x");
    CHECK_EQ(kt_stream_read(s, &byte, 1), 1);
}

static int waits_closed(void *server)
{
    return kt_server_wait_closed(server);
}

static int serves(void *server)
{
    return kt_server_serve_forever(server);
}

/* ---- Serving ----------------------------------------------------------------------------- */

TEST_WITH(each_connection_is_served, KT_TEST_REAL_TIME)
{
    log g = {0, 0, 0};
    kt_auto(kt_server) *server = start(echo, &g, NULL);
    kt_stream *clients[5];
    CHECK(kt_server_is_serving(server));
    for (int i = 0; i < 5; i++)
        clients[i] = client_of(server);
    for (int i = 0; i < 5; i++)
        echoes(clients[i]);
    CHECK_EQ(kt_server_connections(server), 5);
    for (int i = 0; i < 5; i++)
        kt_stream_close(clients[i]);
    while (kt_server_connections(server) > 0)
        CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK_EQ(g.ended, 5);
    CHECK_EQ(g.last, 0);
}

TEST_WITH(more_than_the_maximum_wait_for_their_turn, KT_TEST_REAL_TIME)
{
    log g = {0, 0, 0};
    const kt_server_options two = {.connections_max = 2};
    kt_auto(kt_server) *server = start(echo, &g, &two);
    kt_auto(kt_stream) *a = client_of(server);
    kt_auto(kt_stream) *b = client_of(server);
    kt_auto(kt_stream) *c = client_of(server);
    echoes(a);
    echoes(b);
    CHECK_OK(kt_sleep(KT_MS(10)));
    CHECK_EQ(g.begun, 2);
    kt_stream_close(kt_steal(a));
    echoes(c);
    CHECK_EQ(g.begun, 3);
}

TEST_WITH(a_full_server_can_be_closed, KT_TEST_REAL_TIME)
{
    log g = {0, 0, 0};
    const kt_server_options one = {.connections_max = 1};
    kt_auto(kt_server) *server = start(echo, &g, &one);
    kt_auto(kt_stream) *a = client_of(server);
    echoes(a);
    kt_server_close(server);
    CHECK(!kt_server_is_serving(server));
    echoes(a);
    kt_stream_close(kt_steal(a));
    CHECK_OK(kt_server_wait_closed(server));
    CHECK_EQ(g.ended, 1);
}

static int handler_that_fails(kt_stream *s, void *arg)
{
    (void)s;
    (void)arg;
    return kt_error_set(-EBADMSG, "nonsense");
}

static char logged[512];

static void log_into(const kt_unhandled *u, void *arg)
{
    (void)arg;
    snprintf(logged, sizeof logged, "%s: %s: %s: %s", kt_task_name(u->task), u->message,
             kt_error_name(u->rc), u->detail);
}

TEST_WITH(a_handlers_failure_goes_to_the_error_handler_and_concerns_nobody_else, KT_TEST_REAL_TIME)
{
    const kt_server_options named = {.name = "greeter"};
    kt_auto(kt_server) *server = start(handler_that_fails, NULL, &named);
    char byte;
    kt_error_handler_set(log_into, NULL);
    for (int i = 0; i < 3; i++) {
        kt_auto(kt_stream) *s = client_of(server);
        CHECK_EQ(kt_stream_read(s, &byte, 1), 0);
    }
    CHECK_STR(logged, "greeter: Unhandled exception in client_connected_cb: EBADMSG: nonsense");
    CHECK(kt_server_is_serving(server));
}

TEST_WITH(unix_sockets_are_served_too, KT_TEST_REAL_TIME)
{
    log g = {0, 0, 0};
    char name[64], byte;
    kt_listener *l = NULL;
    kt_auto(kt_server) *server = NULL;
    kt_auto(kt_stream) *s = NULL;
    snprintf(name, sizeof name, "@kettle-test-server-%d", (int)getpid());
    CHECK_OK(kt_listen_unix(name, NULL, &l));
    CHECK_OK(kt_server_start(l, NULL, echo, &g, &server));
    CHECK_OK(kt_stream_connect_unix(name, &s));
    echoes(s);
    kt_server_abort_clients(server); /* no reset there: it hangs up */
    CHECK_EQ(kt_stream_read(s, &byte, 1), 0);
}

/* ---- Closing ----------------------------------------------------------------------------- */

TEST_WITH(a_closed_server_refuses_and_its_connections_go_on, KT_TEST_REAL_TIME)
{
    log g = {0, 0, 0};
    kt_auto(kt_server) *server = start(echo, &g, NULL);
    kt_auto(kt_stream) *s = client_of(server);
    kt_stream *late = NULL;
    uint16_t port = kt_listener_port(kt_server_listener(server));
    echoes(s);
    kt_server_close(server);
    kt_server_close(server);
    CHECK(kt_server_listener(server) == NULL);
    CHECK_ERR(kt_stream_connect("127.0.0.1", port, &late), -ECONNREFUSED);
    echoes(s);
    kt_task *w = spawn(waits_closed, server, 0);
    turns(5);
    CHECK(!kt_task_done(w));
    kt_stream_close(kt_steal(s));
    CHECK_OK(kt_task_join(w));
    CHECK_EQ(kt_server_connections(server), 0);
}

TEST_WITH(a_cancelled_wait_leaves_the_server_alone, KT_TEST_REAL_TIME)
{
    log g = {0, 0, 0};
    kt_auto(kt_server) *server = start(echo, &g, NULL);
    kt_task *w = spawn(waits_closed, server, 0);
    turns(3);
    kt_task_cancel(w);
    CHECK_ERR(kt_task_join(w), KT_ECANCELED);
    CHECK(kt_server_is_serving(server));
    kt_auto(kt_stream) *s = client_of(server);
    echoes(s);
}

TEST_WITH(closed_clients_and_their_handlers_see_the_end, KT_TEST_REAL_TIME)
{
    log g = {0, 0, -1};
    kt_auto(kt_server) *server = start(echo, &g, NULL);
    kt_auto(kt_stream) *s = client_of(server);
    char byte;
    echoes(s);
    kt_server_close(server);
    kt_server_close_clients(server);
    CHECK_OK(kt_server_wait_closed(server));
    CHECK_EQ(g.ended, 1);
    CHECK_EQ(g.last, 0);
    CHECK_EQ(kt_stream_read(s, &byte, 1), 0);
}

TEST_WITH(aborted_clients_and_their_handlers_see_a_reset, KT_TEST_REAL_TIME)
{
    log g = {0, 0, 0};
    kt_auto(kt_server) *server = start(echo, &g, NULL);
    kt_auto(kt_stream) *s = client_of(server);
    char byte;
    echoes(s);
    kt_server_abort_clients(server);
    CHECK_ERR(kt_stream_read(s, &byte, 1), -ECONNRESET);
    kt_server_close(server);
    CHECK_OK(kt_server_wait_closed(server));
    CHECK_EQ(g.last, -ECONNRESET);
}

TEST_WITH(serving_for_ever_ends_with_the_server, KT_TEST_REAL_TIME)
{
    log g = {0, 0, 0};
    kt_auto(kt_server) *server = start(echo, &g, NULL);
    kt_task *t = spawn(serves, server, 0);
    turns(3);
    CHECK(!kt_task_done(t));
    kt_server_close(server);
    CHECK_OK(kt_task_join(t));
}

TEST_WITH(a_cancellation_of_serving_stops_the_server, KT_TEST_REAL_TIME)
{
    log g = {0, 0, 0};
    kt_auto(kt_server) *server = start(sleeps, &g, NULL);
    kt_auto(kt_stream) *s = client_of(server);
    char byte;
    kt_task *t = spawn(serves, server, 0);
    wait_begun(&g, 1);
    turns(3);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(g.last, KT_ECANCELED);
    CHECK_EQ(kt_server_connections(server), 0);
    CHECK(!kt_server_is_serving(server));
    CHECK_EQ(kt_stream_read(s, &byte, 1), 0);
}

/* ---- Stopping in good order -------------------------------------------------------------- */

KT_FN(closes_later, a, struct {
    kt_stream *s;
    kt_time after;
})
{
    int rc = kt_sleep(a->after);
    kt_stream_close(a->s);
    return rc;
}

TEST_WITH(a_stop_lets_connections_finish, KT_TEST_REAL_TIME)
{
    log g = {0, 0, -1};
    kt_auto(kt_server) *server = start(echo, &g, NULL);
    kt_stream *s = client_of(server);
    echoes(s);
    kt_task *t = spawn(KT_WITH(closes_later, s, KT_MS(20)));
    CHECK_EQ(kt_server_stop(server, KT_S(30)), 0);
    CHECK_EQ(g.last, 0);
    CHECK_OK(kt_task_join(t));
}

TEST_WITH(a_stop_cancels_those_left_after_the_grace, KT_TEST_REAL_TIME)
{
    log g = {0, 0, 0};
    kt_auto(kt_server) *server = start(sleeps, &g, NULL);
    kt_auto(kt_stream) *a = client_of(server);
    (void)a; /* held open */
    kt_auto(kt_stream) *b = client_of(server);
    (void)b; /* held open */
    wait_begun(&g, 2);
    kt_time start = kt_now();
    CHECK_EQ(kt_server_stop(server, KT_MS(20)), 2);
    CHECK_GE(kt_now() - start, KT_MS(20));
    CHECK_EQ(g.ended, 2);
    CHECK_EQ(g.last, KT_ECANCELED);
    CHECK_EQ(kt_server_stop(server, KT_MS(20)), 0);
}

static int stops_with_much_grace(void *server)
{
    return kt_server_stop(server, KT_S(30));
}

TEST_WITH(a_cancellation_cuts_the_grace_short, KT_TEST_REAL_TIME)
{
    log g = {0, 0, 0};
    kt_auto(kt_server) *server = start(sleeps, &g, NULL);
    kt_auto(kt_stream) *s = client_of(server);
    (void)s; /* held open */
    wait_begun(&g, 1);
    kt_task *t = spawn(stops_with_much_grace, server, 0);
    turns(5);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_EQ(g.ended, 1);
    CHECK_EQ(kt_server_connections(server), 0);
}

TEST_WITH(a_server_may_be_freed_at_any_moment, KT_TEST_REAL_TIME)
{
    for (int i = 0; i < 8; i++) {
        log g = {0, 0, 0};
        kt_server *server = start(i % 2 ? sleeps : echo, &g, NULL);
        kt_auto(kt_stream) *s = client_of(server);
        (void)s; /* held open */
        for (int j = 0; j < i; j++)
            CHECK_OK(kt_sleep(0));
        kt_server_free(server);
        CHECK_EQ(g.begun, g.ended);
    }
}

static int leaves_a_server(void *arg)
{
    static log g;
    kt_server **ret_server = arg;
    kt_auto(kt_stream) *s = NULL;
    *ret_server = start(sleeps, &g, NULL);
    s = client_of(*ret_server);
    wait_begun(&g, 1);
    return 0;
}

/* Its tasks are cancelled with the others that are left over; nobody waits for ever. */
TEST_WITH(a_forgotten_server_ends_with_the_loop, KT_TEST_NO_LOOP)
{
    const kt_options real = {.driver = KT_DRIVER_AUTO};
    const char *driver = getenv("KETTLE_DRIVER");
    kt_server *server = NULL;
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors, and KETTLE_DRIVER is sim");
    CHECK_OK(kt_run_with(&real, leaves_a_server, &server, 0));
    CHECK(!kt_server_is_serving(server));
    CHECK_EQ(kt_server_connections(server), 0);
    kt_free(server); /* too late for kt_server_free, which needs the loop */
}

KT_FN(leaves_a_server_that_accepts, a, struct {
    kt_server **ret_server;
    int turns;
})
{
    static log g;
    kt_address to;
    *a->ret_server = start(sleeps, &g, NULL);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(kt_sleep(KT_MS(1)));
    CHECK_OK(kt_address_parse("127.0.0.1", kt_listener_port(kt_server_listener(*a->ret_server)), &to));
    CHECK_EQ(connect(fd, &to.any, to.size), 0);
    for (int i = 0; i < a->turns; i++)
        CHECK_OK(kt_sleep(0));
    close(fd);
    return 0;
}

/* The accept may win over the cancellation, and its connection be younger than that: when the loop asks the
 * system in the last turn of main, which is one of these. */
TEST_WITH(a_connection_younger_than_the_loops_end_ends_too, KT_TEST_NO_LOOP)
{
    const kt_options real = {.driver = KT_DRIVER_AUTO};
    const char *driver = getenv("KETTLE_DRIVER");
    kt_server *server = NULL;
    if (driver && strcmp(driver, "sim") == 0)
        kt_test_skip("needs real descriptors, and KETTLE_DRIVER is sim");
    kt_time start = kt_now();
    for (int turns = 0; turns < 150; turns++) {
        CHECK_OK(kt_run_with(&real, KT_WITH(leaves_a_server_that_accepts, &server, turns)));
        kt_free(server);
    }
    CHECK_LT(kt_now() - start, KT_S(20));
}

/* Needs its time to clean up, and is asked once only. */
static int cleans_up(kt_stream *s, void *arg)
{
    log *g = arg;
    (void)s;
    g->begun++;
    int rc = kt_sleep(KT_S(30));
    (void)kt_cancel_catch();
    g->last = kt_sleep(KT_MS(20));
    g->ended++;
    return rc;
}

static int stops_at_once(void *server)
{
    return kt_server_stop(server, 0);
}

TEST_WITH(a_handler_is_cancelled_once_only, KT_TEST_REAL_TIME)
{
    log g = {0, 0, -1};
    kt_auto(kt_server) *server = start(cleans_up, &g, NULL);
    kt_auto(kt_stream) *s = client_of(server);
    (void)s; /* held open */
    wait_begun(&g, 1);
    kt_task *first = spawn(stops_at_once, server, 0);
    turns(3);
    CHECK_EQ(kt_server_stop(server, 0), 1);
    CHECK_EQ(kt_task_join(first), 1);
    CHECK_EQ(g.last, 0);
}

static int frees_its_server(kt_stream *s, void *arg)
{
    (void)s;
    kt_server_free(*(kt_server **)arg);
    return 0;
}

TEST_DIES(a_handler_must_not_free_its_server, KT_TEST_REAL_TIME, "wait for its own end")
{
    kt_server *server = NULL;
    kt_listener *l = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_server_start(l, NULL, frees_its_server, &server, &server));
    kt_stream *s = client_of(server);
    (void)s;
    CHECK_OK(kt_sleep(KT_S(1)));
}

static int closes_its_server(kt_stream *s, void *arg)
{
    (void)s;
    kt_server_close(*(kt_server **)arg);
    return 0;
}

TEST_WITH(a_handler_may_close_its_server, KT_TEST_REAL_TIME)
{
    kt_auto(kt_server) *server = NULL;
    kt_listener *l = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_server_start(l, NULL, closes_its_server, &server, &server));
    kt_auto(kt_stream) *s = client_of(server);
    (void)s; /* held open */
    CHECK_OK(kt_server_wait_closed(server));
}

/* ---- Without memory ---------------------------------------------------------------------- */

TEST_WITH(a_server_that_cannot_be_made_leaves_the_listener, KT_TEST_REAL_TIME)
{
    kt_auto(kt_listener) *l = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    for (uint64_t nth = 1;; nth++) {
        kt_server *server = NULL;
        log g = {0, 0, 0};
        kt_test_fail_allocation(nth);
        int rc = kt_server_start(l, NULL, echo, &g, &server);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        if (rc == 0)
            l = NULL;
        kt_server_free(server);
        CHECK(rc == 0 || (failed && rc == -ENOMEM));
        if (rc == 0)
            break;
        CHECK_LT(nth, 100);
    }
}

TEST_WITH(a_connection_without_memory_is_dropped_and_the_server_goes_on, KT_TEST_REAL_TIME)
{
    log g = {0, 0, 0};
    const kt_server_options o = {.connections_max = 3};
    kt_error_handler_set(log_into, NULL);
    for (uint64_t nth = 1; nth < 20; nth++) {
        kt_auto(kt_server) *server = start(echo, &g, &o);
        uint16_t port = kt_listener_port(kt_server_listener(server));
        kt_auto(kt_stream) *s = NULL;
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_EQ(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        kt_test_fail_allocation(nth); /* only the server allocates from here */
        turns(6);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        s = client_of(server);
        echoes(s);
        close(fd);
        CHECK(kt_server_is_serving(server));
        if (!failed)
            break;
        CHECK_LT(nth, 19);
    }
    kt_log_hook_set(NULL);
    CHECK_STR(logged, "server: a connection was dropped: ENOMEM: ");
}
