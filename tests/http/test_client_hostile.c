/* SPDX-License-Identifier: MIT */
/* The client among bad networks and bad servers, and in bad moments: stalls, cuts, cancellations, no memory. */
#include "client_site.h"

/* ---- Stalls: each phase has its limit -------------------------------------------------------------- */

static void check_stalls(parrot p, kt_http_session_options o, kt_http_request q, kt_time after, const char *words)
{
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, o);
    kt_time start = kt_now();
    q.url = "/";
    const char *answer = ask_with(s, &q);
    CHECK_STR(strstr(answer, "ETIMEDOUT"), "ETIMEDOUT");
    CHECK_STR(kt_error_detail(), words);
    CHECK_EQ(kt_now() - start, after);
    CHECK_EQ(facts_of(s).connections, 0);
    kt_http_session_close(s);
    parrot_close(&p);
}

TEST(each_phase_of_a_request_has_a_limit)
{
    static char much[1000000];
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    kt_http_session_options o = {.timeouts = {.send = KT_S(1), .first_byte = KT_S(2), .between = KT_S(3)}};
    check_stalls((parrot){.script = {{""}}}, o, (kt_http_request){0}, KT_S(2),
                 "waiting for the answer: nothing in 2 s");
    check_stalls((parrot){.script = {{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"}}}, o, (kt_http_request){0},
                 KT_S(3),
                 "reading the answer: nothing in 3 s");
    check_stalls((parrot){.script = {{""}}, .stalls = KT_S(100)}, o,
                 (kt_http_request){.body = much, .body_size = 100000},
                 KT_S(2), "waiting for the answer: nothing in 2 s");
    o.timeouts.total = KT_MS(1500);
    check_stalls((parrot){.script = {{""}}}, o, (kt_http_request){0}, KT_MS(1500),
                 "the request's time is over: waiting for the answer");
    o.timeouts.total = KT_S(10);
    check_stalls((parrot){.script = {{""}}}, o, (kt_http_request){.timeouts.first_byte = KT_MS(100)}, KT_MS(100),
                 "waiting for the answer: nothing in 0.1 s");
}

KT_FN(accepts_only, a, struct { kt_listener *l; })
{
    kt_auto(kt_stream) *s = NULL;
    int rc = kt_listener_accept(a->l, &s);
    return rc < 0 ? rc : kt_sleep(KT_FOREVER);
}

TEST(a_server_that_takes_nothing_is_given_up)
{
    static char much[1000000];
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    kt_listener *l = NULL;
    kt_task *t = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_spawn(KT_WITH(accepts_only, .l = l), &t));
    kt_http_session *s = session_for(kt_listener_port(l), (kt_http_session_options){.timeouts.send = KT_S(4)});
    kt_http_request q = {.url = "/", .body = much, .body_size = sizeof much};
    kt_time start = kt_now();
    CHECK_STR(ask_with(s, &q), "ETIMEDOUT");
    CHECK_STR(kt_error_detail(), "sending the request: nothing in 4 s");
    CHECK_EQ(kt_now() - start, KT_S(4));
    kt_http_session_close(s);
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    kt_listener_close(l);
}

TEST(a_host_that_says_nothing_is_given_up)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    kt_test_network_cut(n.n, "10.0.0.9", NULL);
    kt_http_session *s = NULL;
    kt_http_response *r = NULL;
    CHECK_OK(kt_http_session_open(&(kt_http_session_options){.timeouts.connect = KT_S(7)}, &s));
    kt_time start = kt_now();
    CHECK_ERR(kt_http_get(s, "http://10.0.0.9/", &r), -ETIMEDOUT);
    CHECK_STR(kt_error_detail(), "connect: nothing in 7 s");
    CHECK_EQ(kt_now() - start, KT_S(7));
    kt_http_session_close(s);
}

/* A byte a second is no stall, but the whole has a limit, too. */
TEST(a_body_that_drips_ends_with_the_requests_time)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){.segment_max = 1, .latency = KT_MS(900)});
    (void)n;
    static char text[500] = "HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n";
    parrot p = {.script = {{text}}};
    memset(text + strlen(text), 'x', 400);
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){.timeouts.total = KT_S(3)});
    kt_time start = kt_now();
    const char *answer = ask(s, "/");
    CHECK(strstr(answer, "ETIMEDOUT") || strncmp(answer, "200 xxx", 7) == 0);
    CHECK_LE(kt_now() - start, KT_S(3));
    kt_http_session_close(s);
    parrot_close(&p);
}

/* ---- Cuts ------------------------------------------------------------------------------------------ */

#define CHUNKED \
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n3\r\nfox\r\n2\r\nes\r\n0\r\nX-T: u\r\n\r\n"
#define SIZED "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nfoxes"

static void cut_everywhere(const char *whole, const char *ending)
{
    char text[256];
    for (size_t at = 0; at < strlen(whole); at++) {
        snprintf(text, sizeof text, "~%.*s", (int)at, whole);
        parrot p = {.script = {{text}, {whole}}};
        parrot_open(&p);
        kt_http_session *s = session_for(p.port, (kt_http_session_options){0});
        const char *answer = ask(s, "/");
        if (!strstr(answer, ending))
            kt_test_fail("cut at %zu: %s", at, answer);
        CHECK_EQ(facts_of(s).connections, 0);
        CHECK_STR(ask(s, "/"), "200 foxes");
        CHECK_EQ(facts_of(s).idle, 1);
        kt_http_session_close(s);
        parrot_close(&p);
    }
}

TEST(an_answer_that_is_cut_anywhere_is_incomplete)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    cut_everywhere(SIZED, "KT_EINCOMPLETE");
    cut_everywhere(CHUNKED, "KT_EINCOMPLETE");
}

TEST(answers_come_in_whatever_pieces)
{
    sim_only();
    for (size_t size = 1; size < 40; size += 3) {
        kt_auto(net) n = net_open((kt_test_network_options){.segment_max = size, .latency = KT_MS(1),
                                                            .jitter = KT_MS(2)});
        (void)n;
        parrot p = {.script = {{SIZED, CHUNKED, SIZED, "~HTTP/1.1 200 OK\r\n\r\nfoxes"}}};
        parrot_open(&p);
        kt_http_session *s = session_for(p.port, (kt_http_session_options){0});
        for (int i = 0; i < 4; i++)
            CHECK_STR(ask(s, "/"), "200 foxes");
        CHECK_EQ(p.connections, 1);
        kt_http_session_close(s);
        parrot_close(&p);
    }
}

/* ---- Readers that take their time ------------------------------------------------------------------ */

/* `between` the reads goes by although all of the body is there. */
static int reads_twice(uint16_t port, kt_http_protocol version, kt_time between)
{
    char bytes[2];
    kt_http_response *r = NULL;
    kt_http_session *s = session_for(port, (kt_http_session_options){.version = version});
    const kt_http_request q = {.url = "/", .timeouts.total = KT_S(2)};
    CHECK_OK(kt_http_send(s, &q, &r));
    CHECK_EQ(kt_http_response_read(r, bytes, sizeof bytes), 2);
    CHECK_OK(kt_sleep(between));
    ssize_t n = kt_http_response_read(r, bytes, sizeof bytes);
    CHECK_EQ(kt_http_response_read(r, bytes, sizeof bytes), n);
    kt_http_response_close(r);
    kt_http_session_close(s);
    return (int)n;
}

TEST(the_time_of_a_request_goes_by_between_two_reads)
{
    sim_only();
    site s;
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    site_open(&s, NULL, hello, NULL);
    for (kt_http_protocol version = KT_HTTP_1; version <= KT_HTTP_2; version++) {
        CHECK_EQ(reads_twice(kt_listener_port(s.l), version, KT_S(1)), 2);
        CHECK_ERR(reads_twice(kt_listener_port(s.l), version, KT_S(3)), -ETIMEDOUT);
    }
    site_close(&s);
}

/* ---- Cancellations --------------------------------------------------------------------------------- */

KT_FN(asks_chunked, a, struct { kt_http_session *s; const void *body; size_t size; })
{
    kt_auto(kt_http_response) *r = NULL;
    kt_slice body;
    kt_http_request q = {.url = "/", .body = a->body, .body_size = a->size, .expect_continue = a->size == 1};
    int rc = kt_http_send(a->s, &q, &r);
    return rc < 0 ? rc : kt_http_response_read_all(r, 1000, &body);
}

static void cancel_everywhere(const void *body, size_t size)
{
    kt_time step = KT_US(500);
    for (kt_time at = 0;; at += step) {
        kt_auto(net) n = net_open((kt_test_network_options){.segment_max = 40, .latency = KT_MS(1)});
        (void)n;
        parrot p = {0};
        for (int c = 0; c < PARROT_CONNECTIONS; c++)
            p.script[c][0] = p.script[c][1] = CHUNKED;
        parrot_open(&p);
        kt_http_session *s = session_for(p.port, (kt_http_session_options){.connections_max = 1});
        kt_task *t = NULL;
        CHECK_OK(kt_spawn(KT_WITH(asks_chunked, .s = s, .body = body, .size = size), &t));
        CHECK_OK(kt_sleep(at));
        bool done = kt_task_done(t);
        kt_task_cancel(t);
        int rc = kt_task_join(t);
        CHECK(rc == 0 || rc == KT_ECANCELED);
        CHECK_EQ(facts_of(s).connections, facts_of(s).idle);
        CHECK_STR(ask(s, "/"), "200 foxes"); /* by one that is not poisoned */
        kt_http_session_close(s);
        parrot_close(&p);
        if (done)
            return;
    }
}

TEST(a_request_that_is_cancelled_at_any_time_poisons_no_connection)
{
    static char much[100000];
    sim_only();
    cancel_everywhere(NULL, 0);
    cancel_everywhere("x", 1);
    cancel_everywhere(much, sizeof much);
}

TEST(every_allocation_of_a_request_may_fail)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    for (uint64_t nth = 1;; nth++) {
        parrot p = {0};
        for (int c = 0; c < PARROT_CONNECTIONS; c++)
            p.script[c][0] = p.script[c][1] = CHUNKED;
        parrot_open(&p);
        kt_http_session *s = session_for(p.port, (kt_http_session_options){0});
        CHECK_OK(kt_sleep(0));
        kt_test_fail_allocation(nth);
        char first[100];
        snprintf(first, sizeof first, "%.99s", ask(s, "/"));
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        CHECK(failed || strcmp(first, "200 foxes") == 0); /* it may have been the server's */
        CHECK_STR(ask(s, "/"), "200 foxes");
        kt_http_session_close(s);
        parrot_close(&p);
        if (!failed)
            break;
    }
}
