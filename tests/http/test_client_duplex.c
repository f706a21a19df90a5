/* SPDX-License-Identifier: MIT */
/* Requests whose bodies are still being sent while their answers are read, over both versions. */
#include "client_site.h"

static const kt_http_protocol versions[] = {KT_HTTP_1, KT_HTTP_2};

enum { FAILURES = 3 };

typedef struct house {
    net n;
    site s;
    kt_http_session *web;
    uint64_t heard; /* bytes of bodies */
    bool ended;     /* a body has, at the server */
} house;

static int read_rest(kt_http_exchange *x, house *h)
{
    char piece[4096];
    ssize_t n;
    while ((n = kt_http_read(x, piece, sizeof piece)) > 0)
        h->heard += (uint64_t)n;
    h->ended = n == 0;
    return n < 0 ? (int)n : 0;
}

static int says_each_piece_back(kt_http_exchange *x, house *h)
{
    char piece[4096];
    ssize_t n = 0;
    int rc = kt_http_start(x, 200, "text/x");
    if (rc == 0)
        rc = kt_http_flush(x);
    while (rc == 0 && (n = kt_http_read(x, piece, sizeof piece)) > 0) {
        h->heard += (uint64_t)n;
        rc = kt_http_write(x, piece, (size_t)n);
        if (rc == 0)
            rc = kt_http_flush(x);
    }
    h->ended = n == 0;
    return rc < 0 ? rc : kt_http_finish(x);
}

static int serves(kt_http_exchange *x, void *arg)
{
    house *h = arg;
    kt_slice path = kt_http_path(x);
    if (kt_slice_is(path, "/back"))
        return says_each_piece_back(x, h);
    if (kt_slice_is(path, "/moved")) {
        int rc = kt_http_header(x, "Location", "/");
        if (rc == 0)
            rc = read_rest(x, h);
        return rc < 0 ? rc : kt_http_respond(x, 307, NULL, NULL, 0);
    }
    if (kt_slice_is(path, "/refused"))
        return kt_http_respond(x, 413, "text/plain", "no", 2);
    if (kt_slice_is(path, "/silent"))
        return kt_sleep(KT_S(100));
    int rc = kt_http_respond(x, 200, "text/plain", "ok", 2);
    if (rc == 0)
        rc = kt_http_flush(x);
    return rc < 0 ? rc : read_rest(x, h);
}

static void house_open(house *h, kt_http_protocol version)
{
    static const kt_http_options o = {.body_bytes_max = (uint64_t)1 << 30};
    *h = (house){.n = net_open((kt_test_network_options){0})};
    site_open(&h->s, &o, serves, h);
    h->web = session_for(kt_listener_port(h->s.l), (kt_http_session_options){.version = version});
}

static void house_close(house *h)
{
    kt_http_session_close(h->web);
    site_close(&h->s);
    net_cleanup(&h->n);
}

/* ---- Bodies ------------------------------------------------------------------------------------------ */

typedef struct source {
    uint64_t at, size;
    kt_event *go; /* waited for before each piece */
    int fails;    /* with that, in place of the end */
    bool hangs;   /* in place of the end */
    int rewinds;
    int rc;       /* of its waits */
} source;

static char byte_at(uint64_t at)
{
    return (char)('a' + at % 23);
}

static ssize_t gives(void *buffer, size_t size, void *arg)
{
    source *s = arg;
    char *p = buffer;
    if (s->go) {
        s->rc = kt_event_wait(s->go);
        if (s->rc < 0)
            return s->rc;
        kt_event_clear(s->go);
        size = 1;
    }
    if (s->at == s->size && s->hangs)
        s->rc = kt_sleep(KT_S(1000));
    if (s->at == s->size)
        return s->hangs ? s->rc : s->fails;
    size = size < s->size - s->at ? size : (size_t)(s->size - s->at);
    for (size_t i = 0; i < size; i++)
        p[i] = byte_at(s->at + i);
    s->at += size;
    return (ssize_t)size;
}

static int rewinds(void *arg)
{
    source *s = arg;
    s->at = 0;
    s->rewinds++;
    return 0;
}

static int ask_both_ways(house *h, const char *path, source *s, kt_http_response **ret_r)
{
    const kt_http_request q = {.url = path, .body_read = gives, .body_arg = s, .duplex = true};
    return kt_http_send(h->web, &q, ret_r);
}

/* ---- Tests ------------------------------------------------------------------------------------------- */

TEST(more_flows_both_ways_at_once_than_any_buffer_holds)
{
    static char piece[64 * 1024];
    for (size_t v = 0; v < 2; v++) {
        house h;
        source s = {.size = (uint64_t)12 * 1024 * 1024};
        kt_http_response *r = NULL;
        uint64_t got = 0;
        ssize_t n;
        house_open(&h, versions[v]);
        CHECK_OK(ask_both_ways(&h, "/back", &s, &r));
        CHECK_LT(s.at, s.size);
        while ((n = kt_http_response_read(r, piece, sizeof piece)) > 0)
            for (ssize_t i = 0; i < n; i++)
                CHECK(piece[i] == byte_at(got++));
        CHECK_OK((int)n);
        CHECK_EQ(got, s.size);
        kt_http_response_close(r);
        CHECK_STR(ask(h.web, "/"), "200 ok"); /* the connection is good */
        CHECK_EQ(facts_of(h.web).opened, 1);
        house_close(&h);
    }
}

TEST(a_piece_may_depend_on_what_was_said_to_the_one_before)
{
    for (size_t v = 0; v < 2; v++) {
        house h;
        kt_event go = KT_EVENT_INIT;
        source s = {.size = 20, .go = &go};
        kt_http_response *r = NULL;
        char byte;
        house_open(&h, versions[v]);
        CHECK_OK(ask_both_ways(&h, "/back", &s, &r));
        for (uint64_t i = 0; i < s.size; i++) {
            kt_event_set(&go);
            CHECK_EQ(kt_http_response_read(r, &byte, 1), 1);
            CHECK(byte == byte_at(i));
        }
        kt_event_set(&go);
        CHECK_EQ(kt_http_response_read(r, &byte, 1), 0);
        kt_http_response_close(r);
        CHECK(h.ended);
        house_close(&h);
    }
}

TEST(the_last_read_waits_for_the_body_to_be_sent)
{
    for (size_t v = 0; v < 2; v++) {
        house h;
        source s = {.size = (uint64_t)3 * 1024 * 1024};
        kt_http_response *r = NULL;
        kt_slice body;
        house_open(&h, versions[v]);
        CHECK_OK(ask_both_ways(&h, "/", &s, &r));
        CHECK_OK(kt_http_response_read_all(r, 100, &body));
        CHECK_SLICE(body, "ok");
        CHECK_EQ(s.at, s.size);
        kt_http_response_close(r);
        CHECK_STR(ask(h.web, "/"), "200 ok");
        CHECK_EQ(h.heard, s.size);
        house_close(&h);
    }
}

TEST(a_response_that_is_closed_ends_the_body)
{
    for (size_t v = 0; v < 2; v++) {
        house h;
        source s = {.size = 10, .hangs = true};
        kt_http_response *r = NULL;
        char byte;
        house_open(&h, versions[v]);
        CHECK_OK(ask_both_ways(&h, "/back", &s, &r));
        CHECK_EQ(kt_http_response_read(r, &byte, 1), 1);
        kt_http_response_close(r);
        CHECK_ERR(s.rc, KT_ECANCELED);
        CHECK_STR(ask(h.web, "/"), "200 ok");
        house_close(&h);
    }
}

/* Also with codes that travel with cancellations: of a time limit of the source's own, or a task that it has joined. */
TEST(a_body_that_fails_ends_the_answer_with_its_error)
{
    static const int failures[FAILURES] = {-EDOM, KT_ETIMEDOUT, KT_ECANCELED};
    for (size_t v = 0; v < 2 * FAILURES; v++) {
        house h;
        int failure = failures[v / 2];
        source s = {.size = 10, .fails = failure};
        kt_http_response *r = NULL;
        char bytes[100];
        ssize_t n;
        house_open(&h, versions[v % 2]);
        int rc = ask_both_ways(&h, "/back", &s, &r);
        if (rc == 0) {
            while ((n = kt_http_response_read(r, bytes, sizeof bytes)) > 0)
                ;
            rc = (int)n;
            CHECK_ERR(rc, failure);
            if (!kt_is_cancel(failure)) /* and at every later read */
                CHECK_ERR(kt_http_response_read(r, bytes, sizeof bytes), failure);
        }
        CHECK_ERR(rc, failure);
        kt_http_response_close(r);
        CHECK_STR(ask(h.web, "/"), "200 ok");
        house_close(&h);
    }
}

TEST(who_is_refused_need_not_send_the_rest)
{
    for (size_t v = 0; v < 2; v++) {
        house h;
        source s = {.size = 10, .hangs = true};
        kt_http_response *r = NULL;
        house_open(&h, versions[v]);
        CHECK_OK(ask_both_ways(&h, "/refused", &s, &r));
        CHECK_EQ(kt_http_response_status(r), 413);
        CHECK(s.rc == KT_ECANCELED || s.at == 0);
        kt_http_response_close(r);
        house_close(&h);
    }
}

KT_FN(asks_in_vain, a, struct { house *h; source *s; })
{
    kt_http_response *r = NULL;
    return ask_both_ways(a->h, "/silent", a->s, &r);
}

TEST_WITH(a_request_that_is_cancelled_takes_its_body_along, KT_TEST_REAL_TIME)
{
    for (size_t v = 0; v < 2; v++) {
        house h;
        source s = {.size = 10, .hangs = true};
        kt_task *t;
        house_open(&h, versions[v]);
        CHECK_OK(kt_spawn(KT_WITH(asks_in_vain, .h = &h, .s = &s), &t));
        while (s.at < 10)
            CHECK_OK(kt_sleep(KT_MS(1)));
        kt_task_cancel(t);
        CHECK_ERR(kt_task_join(t), KT_ECANCELED);
        CHECK_ERR(s.rc, KT_ECANCELED);
        house_close(&h);
    }
}

KT_FN(reads_to_the_end, a, struct { kt_http_response *r; })
{
    char bytes[100];
    ssize_t n;
    while ((n = kt_http_response_read(a->r, bytes, sizeof bytes)) > 0)
        ;
    return (int)n;
}

TEST_WITH(a_last_read_that_is_cancelled_may_be_called_again, KT_TEST_REAL_TIME)
{
    for (size_t v = 0; v < 2; v++) {
        house h;
        kt_event go = KT_EVENT_INIT;
        source s = {.size = 1, .go = &go};
        kt_http_response *r = NULL;
        kt_task *t;
        house_open(&h, versions[v]);
        CHECK_OK(ask_both_ways(&h, "/", &s, &r));
        CHECK_OK(kt_spawn(KT_WITH(reads_to_the_end, .r = r), &t));
        CHECK_OK(kt_sleep(KT_MS(20)));
        kt_task_cancel(t);
        CHECK_ERR(kt_task_join(t), KT_ECANCELED);
        CHECK_OK(kt_spawn(KT_WITH(reads_to_the_end, .r = r), &t));
        while (!h.ended) {
            kt_event_set(&go);
            CHECK_OK(kt_sleep(KT_MS(1)));
        }
        CHECK_OK(kt_task_join(t));
        kt_http_response_close(r);
        CHECK_EQ(h.heard, 1);
        house_close(&h);
    }
}

TEST(the_last_read_waits_no_longer_than_all_of_it_may_take)
{
    sim_only();
    for (size_t v = 0; v < 2; v++) {
        house h;
        source s = {.size = 10, .hangs = true};
        const kt_http_request q = {
            .url = "/", .body_read = gives, .body_arg = &s, .duplex = true, .timeouts.total = KT_S(20)};
        kt_http_response *r = NULL;
        char bytes[10];
        house_open(&h, versions[v]);
        kt_time start = kt_now();
        CHECK_OK(kt_http_send(h.web, &q, &r));
        CHECK_EQ(kt_http_response_read(r, bytes, sizeof bytes), 2);
        CHECK_ERR(kt_http_response_read(r, bytes, sizeof bytes), -ETIMEDOUT);
        CHECK_EQ(kt_now() - start, KT_S(20));
        CHECK_ERR(kt_http_response_read(r, bytes, sizeof bytes), -ETIMEDOUT);
        kt_http_response_close(r);
        house_close(&h);
    }
}

/* The answer comes when all is sent, and so is the second one's. */
TEST(who_is_sent_elsewhere_sends_all_of_the_body_again)
{
    for (size_t v = 0; v < 2; v++) {
        house h;
        source s = {.size = 100 * 1000};
        const kt_http_request q = {
            .url = "/moved", .body_read = gives, .body_rewind = rewinds, .body_arg = &s, .duplex = true};
        kt_http_response *r = NULL;
        kt_slice body;
        house_open(&h, versions[v]);
        CHECK_OK(kt_http_send(h.web, &q, &r));
        CHECK_EQ(kt_http_response_status(r), 200);
        CHECK_OK(kt_http_response_read_all(r, 100, &body));
        kt_http_response_close(r);
        CHECK_STR(ask(h.web, "/"), "200 ok");
        CHECK_EQ(h.heard, 2 * s.size);
        CHECK_EQ(s.rewinds, 1);
        house_close(&h);
    }
}

TEST(who_cannot_send_the_body_again_is_told_where_to)
{
    for (size_t v = 0; v < 2; v++) {
        house h;
        source s = {.size = 100 * 1000};
        kt_http_response *r = NULL;
        house_open(&h, versions[v]);
        CHECK_OK(ask_both_ways(&h, "/moved", &s, &r));
        CHECK_EQ(kt_http_response_status(r), 307);
        kt_http_response_close(r);
        CHECK_EQ(h.heard, s.size);
        house_close(&h);
    }
}

/* ---- Debug mode ---------------------------------------------------------------------------------------- */

static char reported[4096];

static void keep_report(const char *message)
{
    size_t size = strlen(reported);
    snprintf(reported + size, sizeof reported - size, "%s\n", message);
}

static int sends_much(void *arg)
{
    static char much[300 * 1000];
    (void)arg;
    for (size_t v = 0; v < 2; v++) {
        house h;
        house_open(&h, versions[v]);
        const kt_http_request q = {.url = "/", .body = much, .body_size = sizeof much};
        CHECK_STR(ask_with(h.web, &q), "200 ok");
        kt_http_session_close(h.web);
        kt_task_cancel(h.s.task);
        (void)!kt_task_join(h.s.task);
        kt_listener_close(h.s.l);
        net_cleanup(&h.n);
    }
    return 0;
}

TEST_WITH(a_body_that_was_sent_is_not_reported_in_debug_mode, KT_TEST_NO_LOOP | KT_TEST_REAL_TIME)
{
    const kt_options debug = {.debug = KT_DEBUG_ON, .slow_step = KT_S(60)};
    reported[0] = '\0';
    kt_log_hook_set(keep_report);
    CHECK_OK(kt_run_with(&debug, sends_much, NULL, 0));
    kt_log_hook_set(NULL);
    CHECK(!strstr(reported, "HTTP request body"));
}
