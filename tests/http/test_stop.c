/* SPDX-License-Identifier: MIT */
/* A server that is cancelled ends in good order, and leaves nothing behind. */

#include "h2_client.h"

#include <kettle/test_network.h>
#include <kettle/tls.h>

#include "../tls/certificates.h"

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME)

static void settle(void)
{
    CHECK_OK(kt_sleep(KT_MS(10)));
}

/* Cancels and joins, and returns how long that took. */
static kt_time timed_close(site *s)
{
    kt_time start = kt_now();
    site_close(s);
    return kt_now() - start;
}

WITH_SERVER(a_server_that_serves_nobody_stops_at_once)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    settle();
    CHECK_LT(timed_close(&s), KT_MS(500));
    CHECK_ERR(s.rc, KT_ECANCELED);
}

WITH_SERVER(idle_connections_are_closed_at_once)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    kt_stream *silent = dial(&s), *used = dial(&s);
    heard h = {.size = 0};
    say(used, GET);
    hear(used, &h, "hello\n");
    CHECK_OK(kt_sleep(KT_S(1))); /* and now nobody can have sent a request at once */
    CHECK_LT(timed_close(&s), KT_MS(500));
    CHECK_STR(hear(used, &h, NULL), HELLO);
    h = (heard){.size = 0};
    CHECK_STR(hear(silent, &h, NULL), "");
    kt_stream_close(silent);
    kt_stream_close(used);
}

typedef struct slow {
    kt_time pause;
    int rc;
    bool was_stopping;
} slow;

static int take_time(kt_http_exchange *x, void *arg)
{
    slow *s = arg;
    s->rc = kt_sleep(s->pause);
    s->was_stopping = kt_http_stopping(x);
    return s->rc < 0 ? s->rc : hello(x, NULL);
}

WITH_SERVER(running_handlers_finish_and_say_that_the_connection_closes)
{
    site s;
    slow how = {.pause = KT_MS(60), .rc = 1};
    site_open(&s, NULL, take_time, &how);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET GET);
    settle();
    CHECK_LT(timed_close(&s), KT_S(4)); /* the client has not closed yet: lingers, then ends */
    CHECK_EQ(how.rc, 0);
    CHECK(how.was_stopping);
    CHECK_STR(hear(c, &h, NULL), HELLO_CLOSE);
    kt_stream_close(c);
}

#define GIVEN_UP \
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 24\r\n" \
    "Connection: close\r\n\r\n503 Service Unavailable\n"

WITH_SERVER(handlers_that_outlive_the_grace_period_are_cancelled)
{
    site s;
    slow how = {.pause = KT_S(30), .rc = 1};
    kt_http_options o = {.grace = KT_MS(50)};
    site_open(&s, &o, take_time, &how);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET);
    settle();
    kt_time took = timed_close(&s);
    CHECK_GE(took, KT_MS(45));
    CHECK_LT(took, KT_S(5));
    CHECK_ERR(how.rc, KT_ECANCELED);
    CHECK_STR(hear(c, &h, NULL), GIVEN_UP);
    kt_stream_close(c);
}

WITH_SERVER(without_grace_handlers_are_cancelled_at_once)
{
    site s;
    slow how = {.pause = KT_S(30), .rc = 1};
    kt_http_options o = {.grace = -1};
    site_open(&s, &o, take_time, &how);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET);
    settle();
    CHECK_LT(timed_close(&s), KT_MS(500));
    CHECK_ERR(how.rc, KT_ECANCELED);
    CHECK_STR(hear(c, &h, NULL), GIVEN_UP);
    kt_stream_close(c);
}

WITH_SERVER(a_second_cancellation_ends_the_grace_period)
{
    site s;
    slow how = {.pause = KT_S(30), .rc = 1};
    kt_http_options o = {.grace = KT_S(30)};
    site_open(&s, &o, take_time, &how);
    kt_stream *c = dial(&s);
    say(c, GET);
    settle();
    kt_task_cancel(s.task);
    settle();
    CHECK_EQ(how.rc, 1);
    CHECK_LT(timed_close(&s), KT_MS(500));
    CHECK_ERR(how.rc, KT_ECANCELED);
    kt_stream_close(c);
}

/* ---- What is said for handlers that are given up ----------------------------------------------------------------- */

typedef struct told {
    int count, status, rc;
    uint64_t bytes_sent;
} told;

static void tell(const kt_http_record *r, void *arg)
{
    told *t = arg;
    *t = (told){t->count + 1, r->status, r->rc, r->bytes_sent};
}

WITH_SERVER(streams_that_outlive_the_grace_period_are_answered)
{
    site s;
    peer p;
    slow how = {.pause = KT_S(30), .rc = 1};
    told t = {0};
    kt_http_options o = {.grace = KT_MS(50), .log = tell, .log_arg = &t};
    site_open(&s, &o, take_time, &how);
    greet(&p, dial(&s));
    get(&p, 1, "/");
    get(&p, 3, "/");
    settle();
    CHECK_LT(timed_close(&s), KT_MS(500)); /* all is written: nobody waits for the client */
    CHECK_ERR(how.rc, KT_ECANCELED);
    expect_status(&p, 0, "503"); /* in whatever order */
    expect_status(&p, 0, "503");
    CHECK_EQ(t.count, 2);
    CHECK_EQ(t.status, 503);
    CHECK_EQ(t.bytes_sent, 24);
    leave(&p);
}

static int lives_on(kt_http_exchange *x, void *arg)
{
    kt_http_outlive_client(x);
    return take_time(x, arg);
}

WITH_SERVER(a_handler_that_outlives_its_client_does_not_outlive_the_grace_period)
{
    site s;
    peer p;
    slow how = {.pause = KT_S(30), .rc = 1};
    kt_http_options o = {.grace = KT_MS(50)};
    site_open(&s, &o, lives_on, &how);
    greet(&p, dial(&s));
    get(&p, 1, "/");
    settle();
    CHECK_LT(timed_close(&s), KT_MS(500));
    CHECK_ERR(how.rc, KT_ECANCELED);
    expect_status(&p, 1, "503");
    leave(&p);
}

static void ask(kt_stream *c)
{
    say(c, GET);
}

static void ask_by_http2(kt_stream *c)
{
    peer p;
    greet(&p, c);
    get(&p, 1, "/");
    nghttp2_hd_inflate_del(p.inflater);
}

/* The client asks and reads nothing: its window is too small for an answer. */
static void stop_without_a_reader(void (*asks)(kt_stream *c), kt_http_handler handler, kt_time grace, told *ret_told)
{
    const kt_test_network_options options = {.window = 100};
    const kt_http_options o = {.grace = grace, .log = tell, .log_arg = ret_told};
    slow how = {.pause = KT_S(30), .rc = 1};
    site s;
    *ret_told = (told){0};
    kt_test_network *n = kt_test_network_open(&options);
    kt_test_network_use(n);
    site_open(&s, &o, handler, &how);
    kt_stream *c = dial(&s);
    asks(c);
    settle();
    kt_time took = timed_close(&s);
    CHECK_GE(took, grace);
    CHECK_LT(took, (grace > 0 ? grace : 0) + KT_S(1));
    CHECK_ERR(how.rc, KT_ECANCELED);
    kt_stream_close(c);
    kt_test_network_close(n);
}

TEST(a_client_that_does_not_read_gets_no_answer_when_its_handler_is_given_up)
{
    told t;
    stop_without_a_reader(ask, take_time, KT_S(1), &t);
    CHECK_EQ(t.count, 1);
    CHECK_EQ(t.status, 0);
    CHECK_EQ(t.bytes_sent, 0);
    CHECK_ERR(t.rc, KT_ECANCELED);
}

TEST(a_client_that_does_not_read_its_streams_answers_does_not_hold_up_the_stop)
{
    told t;
    static const kt_time graces[] = {KT_S(1), -1};
    for (int i = 0; i < 2; i++) {
        stop_without_a_reader(ask_by_http2, take_time, graces[i], &t);
        CHECK_EQ(t.count, 1);
        CHECK_ERR(t.rc, KT_ECANCELED);
    }
}

static int answers_when_cancelled(kt_http_exchange *x, void *arg)
{
    ((slow *)arg)->rc = kt_sleep(KT_S(30));
    return hello(x, NULL);
}

TEST(an_answer_that_a_cancelled_handler_could_not_send_is_none_in_the_record)
{
    told t;
    stop_without_a_reader(ask, answers_when_cancelled, KT_S(1), &t);
    CHECK_EQ(t.count, 1);
    CHECK_EQ(t.status, 0);
    CHECK_EQ(t.bytes_sent, 0);
    CHECK_ERR(t.rc, KT_ECANCELED);
}

/* ---- Heads that have come in part, or are to come --------------------------------------------------------------- */

/* Stops while a client has sent part of a head; the rest follows after a while, if there is any. */
static kt_time stop_within_a_head(const char *first, kt_time pause, const char *rest, heard *ret_heard)
{
    site s;
    *ret_heard = (heard){.size = 0};
    kt_test_network *n = kt_test_network_open(NULL);
    kt_test_network_use(n);
    site_open(&s, NULL, hello, NULL);
    kt_stream *c = dial(&s);
    say(c, first);
    settle();
    kt_time start = kt_now();
    kt_task_cancel(s.task);
    CHECK_OK(kt_sleep(pause));
    if (rest)
        say(c, rest);
    hear(c, ret_heard, NULL);
    kt_time took = kt_now() - start;
    kt_stream_close(c);
    CHECK_OK(kt_task_join(s.task));
    CHECK_ERR(s.rc, KT_ECANCELED);
    kt_listener_close(s.l);
    kt_test_network_close(n);
    return took;
}

TEST(a_head_that_does_not_go_on_holds_a_stop_up_for_a_second)
{
    static const char *const parts[] = {"G", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n", "PRI * HTTP/2.0\r\n"};
    heard h;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        CHECK_LE(stop_within_a_head(parts[i], 0, NULL, &h), KT_S(1) + KT_MS(1));
        CHECK_STR(h.text, "");
        CHECK_EQ(h.rc, 0);
    }
}

TEST(a_head_that_arrives_while_the_server_stops_is_answered)
{
    heard h;
    CHECK_LT(stop_within_a_head("GET / HT", KT_MS(900), "TP/1.1\r\nHost: a\r\n\r\n", &h), KT_S(1));
    CHECK_STR(h.text, HELLO_CLOSE);
}

TEST(a_client_that_has_just_come_has_a_second_for_its_request)
{
    heard h;
    CHECK_LT(stop_within_a_head("", KT_MS(900), GET, &h), KT_S(1));
    CHECK_STR(h.text, HELLO_CLOSE);
    CHECK_LE(stop_within_a_head("", 0, NULL, &h), KT_S(1) + KT_MS(1));
    CHECK_STR(h.text, "");
    CHECK_EQ(h.rc, 0);
}

static int begins_and_waits(kt_http_exchange *x, void *arg)
{
    (void)arg;
    CHECK_OK(kt_http_start(x, 200, NULL));
    return kt_sleep(KT_S(2));
}

TEST(a_head_in_part_behind_an_answer_that_ends_while_the_server_stops_has_a_second)
{
    site s;
    heard h = {.size = 0};
    kt_test_network *n = kt_test_network_open(NULL);
    kt_test_network_use(n);
    site_open(&s, NULL, begins_and_waits, NULL);
    kt_stream *c = dial(&s);
    say(c, GET "GET / HT");
    settle();
    kt_time took = timed_close(&s);
    CHECK_GE(took, KT_MS(2900));
    CHECK_LE(took, KT_MS(3001));
    CHECK_EQ(count_of(hear(c, &h, NULL), "HTTP/1.1 "), 1);
    kt_stream_close(c);
    kt_test_network_close(n);
}

/* In whatever state of the accept and the handshake the stop finds it. */
static int stop_within_a_handshake(void *arg)
{
    const kt_http_options *o = arg;
    kt_test_network *n = kt_test_network_open(NULL);
    kt_test_network_use(n);
    for (int turns = 0; turns < 8; turns++) {
        site s;
        site_open(&s, o, hello, NULL);
        CHECK_OK(kt_sleep(KT_MS(1)));
        kt_stream *c = dial(&s);
        for (int i = 0; i < turns; i++)
            CHECK_OK(kt_sleep(0));
        CHECK_LE(timed_close(&s), KT_S(1) + KT_MS(1));
        kt_stream_close(c);
    }
    kt_test_network_close(n);
    return 0;
}

TEST_WITH(a_handshake_that_does_not_go_on_holds_a_stop_up_for_a_second, KT_TEST_NO_LOOP)
{
    const kt_tls_certificate certificate = {.chain_pem = kt_slice_from(good()->certificate),
                                            .key_pem = kt_slice_from(good()->key)};
    const kt_tls_server_options server = {.certificates = &certificate, .certificate_count = 1};
    kt_auto(kt_tls_config) *tls = NULL;
    CHECK_OK(kt_tls_server_new(&server, &tls));
    kt_http_options o = {.tls = tls};
    kt_test_seeds(50, stop_within_a_handshake, &o);
}

/* ---- With TLS ---------------------------------------------------------------------------------------------------- */

/* Configurations for a server and its clients, who speak this protocol. */
static void make_tls(const char *protocol, kt_tls_config **ret_server, kt_tls_config **ret_client)
{
    const char *const protocols[] = {protocol, NULL};
    const kt_tls_certificate certificate = {.chain_pem = kt_slice_from(good()->certificate),
                                            .key_pem = kt_slice_from(good()->key)};
    const kt_tls_server_options server = {.certificates = &certificate, .certificate_count = 1, .alpn = protocols};
    const kt_tls_client_options client = {.alpn = protocols, .danger_accept_any_certificate = true};
    CHECK_OK(kt_tls_server_new(&server, ret_server));
    CHECK_OK(kt_tls_client_new(&client, ret_client));
}

static int one_event(kt_http_exchange *x, void *arg)
{
    (void)arg;
    CHECK_OK(kt_http_events_start(x));
    return kt_http_event(x, NULL, NULL, "only", 4);
}

/* Over HTTP/2, after a stream of events, while the server waits for the client's end of TLS. */
TEST(a_connection_that_had_events_may_be_closing_when_the_server_stops)
{
    kt_auto(kt_tls_config) *of_server = NULL, *of_client = NULL;
    make_tls("h2", &of_server, &of_client);
    const kt_http_options o = {.tls = of_server, .stack_bytes = 96 * 1024, .requests_max = 1};
    kt_test_network *n = kt_test_network_open(NULL);
    kt_test_network_use(n);
    site s;
    peer p;
    site_open(&s, &o, one_event, NULL);
    kt_stream *c = dial(&s);
    CHECK_OK(kt_stream_start_tls(c, of_client, NULL));
    greet(&p, c);
    get(&p, 1, "/");
    while (next(&p))
        continue;
    CHECK_OK(kt_sleep(KT_S(3)));
    CHECK_LT(timed_close(&s), KT_S(2));
    leave(&p);
    kt_test_network_close(n);
}

/* The first answer, which was held back, is being sent while the second handler takes its time. */
static int takes_time_the_second_time(kt_http_exchange *x, void *arg)
{
    static const char much[1000];
    slow *s = arg;
    if (s->rc == 1) {
        s->rc = 0;
        return kt_http_respond(x, 200, NULL, much, sizeof much);
    }
    return take_time(x, arg);
}

TEST(an_answer_that_was_held_back_and_is_not_read_does_not_hold_up_the_stop)
{
    const kt_test_network_options options = {.window = 100};
    kt_auto(kt_tls_config) *of_server = NULL, *of_client = NULL;
    make_tls("http/1.1", &of_server, &of_client);
    const kt_http_options o = {.tls = of_server, .stack_bytes = 96 * 1024, .grace = KT_S(1)};
    slow how = {.pause = KT_S(30), .rc = 1};
    kt_test_network *n = kt_test_network_open(&options);
    kt_test_network_use(n);
    site s;
    site_open(&s, &o, takes_time_the_second_time, &how);
    kt_stream *c = dial(&s);
    CHECK_OK(kt_stream_start_tls(c, of_client, NULL));
    say(c, GET GET);
    settle();
    CHECK_LT(timed_close(&s), KT_S(2));
    CHECK_ERR(how.rc, KT_ECANCELED);
    kt_stream_close(c);
    kt_test_network_close(n);
}

/* ---- What ends at once ------------------------------------------------------------------------------------------- */

static int endless_events(kt_http_exchange *x, void *arg)
{
    int *rc = arg;
    *rc = kt_http_events_start(x);
    if (*rc == 0)
        *rc = kt_http_event(x, NULL, NULL, "first", 5);
    if (*rc == 0)
        *rc = kt_sleep(KT_S(60));
    return *rc;
}

WITH_SERVER(streams_of_events_end_at_once)
{
    site s;
    int rc = 1;
    site_open(&s, NULL, endless_events, &rc);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET);
    hear(c, &h, "first\n\n");
    CHECK_LT(timed_close(&s), KT_MS(500));
    CHECK_ERR(rc, KT_ECANCELED);
    hear(c, &h, NULL);
    CHECK(!strstr(h.text, "\r\n0\r\n")); /* cut, so the browser connects again */
    kt_stream_close(c);
}

static int opens_events_late(kt_http_exchange *x, void *arg)
{
    (void)!kt_sleep(KT_MS(50));
    return *(int *)arg = kt_http_events_start(x);
}

WITH_SERVER(no_stream_of_events_begins_while_the_server_stops)
{
    site s;
    int rc = 1;
    site_open(&s, NULL, opens_events_late, &rc);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET);
    settle();
    site_close(&s);
    CHECK_ERR(rc, KT_ESHUTDOWN);
    CHECK_EQ(strncmp(hear(c, &h, NULL), "HTTP/1.1 503 ", 13), 0);
    kt_stream_close(c);
}

WITH_SERVER(a_client_that_takes_no_answer_does_not_hold_up_the_stop)
{
    site s;
    kt_http_options o = {.grace = KT_MS(50)};
    site_open(&s, &o, endless_events, &(int){1});
    kt_stream *c[10]; /* in all states: silent, in a head, in events */
    for (int i = 0; i < 10; i++) {
        c[i] = dial(&s);
        if (i % 3 == 1)
            say(c[i], "GET / HTTP/1.1\r\nHo");
        if (i % 3 == 2)
            say(c[i], GET);
    }
    settle();
    CHECK_LT(timed_close(&s), KT_S(2));
    for (int i = 0; i < 10; i++)
        kt_stream_close(c[i]);
}

WITH_SERVER(connections_accepted_in_the_last_moment_are_ended_too)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    kt_stream *c = dial(&s); /* the server's task has had no turn since */
    CHECK_LT(timed_close(&s), KT_MS(1500));
    kt_stream_close(c);
}

WITH_SERVER(a_listener_that_is_closed_ends_the_server)
{
    site s;
    site_open(&s, NULL, hello, NULL);
    settle();
    kt_listener_close(s.l);
    CHECK_OK(kt_task_join(s.task));
    CHECK_ERR(s.rc, KT_ECLOSED);
}

WITH_SERVER(a_listener_that_is_closed_while_no_connection_is_free_ends_the_server)
{
    site s;
    slow how = {.pause = KT_MS(60), .rc = 1};
    kt_http_options o = {.connections_max = 1};
    site_open(&s, &o, take_time, &how);
    kt_stream *c = dial(&s);
    heard h = {.size = 0};
    say(c, GET_CLOSE);
    settle();
    kt_listener_close(s.l); /* the server waits for its only slot, not in accept */
    CHECK_STR(hear(c, &h, NULL), HELLO_CLOSE);
    kt_stream_close(c);
    CHECK_OK(kt_task_join(s.task));
    CHECK_ERR(s.rc, KT_ECLOSED);
}

static int with_deadline(void *arg)
{
    site *s = *(site **)arg;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, KT_MS(20));
    s->rc = kt_timeout_end(&limit, kt_http_serve(s->l, NULL, hello, NULL));
    return kt_sleep(0); /* the scope is over: nothing is left of it */
}

WITH_SERVER(a_server_in_a_timeout_scope_ends_with_the_scopes_code)
{
    site s = {.rc = 1}, *p = &s;
    kt_task *t;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &s.l));
    CHECK_OK(kt_spawn(with_deadline, &p, sizeof p, &t));
    CHECK_OK(kt_task_join(t));
    CHECK_ERR(s.rc, KT_ETIMEDOUT);
    kt_listener_close(s.l);
}
