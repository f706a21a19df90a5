/* SPDX-License-Identifier: MIT */
/* Requests whose bodies are still being sent while their answers are read, over both versions. */
#include "client_site.h"

static const kt_http_protocol versions[] = {KT_HTTP_1, KT_HTTP_2};

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

TEST(a_body_that_fails_ends_the_answer_with_its_error)
{
    for (size_t v = 0; v < 2; v++) {
        house h;
        source s = {.size = 10, .fails = -EDOM};
        kt_http_response *r = NULL;
        char bytes[100];
        ssize_t n;
        house_open(&h, versions[v]);
        int rc = ask_both_ways(&h, "/back", &s, &r);
        if (rc == 0) {
            while ((n = kt_http_response_read(r, bytes, sizeof bytes)) > 0)
                ;
            rc = (int)n;
            CHECK_ERR(rc, -EDOM);
            CHECK_ERR(kt_http_response_read(r, bytes, sizeof bytes), -EDOM); /* and at every later read */
        }
        CHECK_ERR(rc, -EDOM);
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
        CHECK_OK(kt_sleep(KT_MS(20)));
        CHECK_EQ(s.at, 10);
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

TEST_WITH(a_last_read_that_is_cancelled_ends_the_body, KT_TEST_REAL_TIME)
{
    for (size_t v = 0; v < 2; v++) {
        house h;
        source s = {.size = 10, .hangs = true};
        kt_http_response *r = NULL;
        kt_task *t;
        house_open(&h, versions[v]);
        CHECK_OK(ask_both_ways(&h, "/", &s, &r));
        CHECK_OK(kt_spawn(KT_WITH(reads_to_the_end, .r = r), &t));
        CHECK_OK(kt_sleep(KT_MS(20)));
        kt_task_cancel(t);
        CHECK_ERR(kt_task_join(t), KT_ECANCELED);
        kt_http_response_close(r);
        CHECK_ERR(s.rc, KT_ECANCELED);
        house_close(&h);
    }
}
