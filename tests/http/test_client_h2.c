/* SPDX-License-Identifier: MIT */
/* The client over HTTP/2, by prior knowledge, against our own server and against peers that misbehave. */
#include "client_site.h"

static int mirrors(kt_http_exchange *x, void *arg)
{
    kt_event *go = arg;
    kt_slice path = kt_http_path(x);
    if (kt_slice_is(path, "/hello"))
        return hello(x, NULL);
    if (kt_slice_is(path, "/unexpected"))
        return kt_http_respond(x, 417, NULL, "no", 2);
    if (kt_slice_is(path, "/blanks")) {
        CHECK_SLICE(kt_http_request_header(x, "X-One"), "1 2");
        CHECK_SLICE(kt_http_request_header(x, "X-None"), "");
        CHECK_SLICE(kt_http_request_header(x, "Content-Type"), "text/plain");
        return hello(x, NULL);
    }
    if (kt_slice_is(path, "/later") && kt_event_wait(go) < 0)
        return KT_ECANCELED;
    char piece[4096];
    ssize_t n;
    int rc = kt_http_header(x, "X-Line", "a");
    if (rc == 0)
        rc = kt_http_start(x, 201, "text/x");
    while (rc == 0 && (n = kt_http_read(x, piece, sizeof piece)) > 0)
        rc = kt_http_write(x, piece, (size_t)n);
    return rc < 0 ? rc : kt_http_finish(x);
}

typedef struct house {
    net n;
    site s;
    kt_event go;
    kt_http_session *web;
} house;

static void house_open(house *h, kt_http_session_options o)
{
    h->n = net_open((kt_test_network_options){0});
    h->go = (kt_event)KT_EVENT_INIT;
    o.version = KT_HTTP_2;
    site_open(&h->s, NULL, mirrors, &h->go);
    h->web = session_for(kt_listener_port(h->s.l), o);
}

static void house_close(house *h)
{
    kt_http_session_close(h->web);
    site_close(&h->s);
    net_cleanup(&h->n);
}

TEST(http_2_looks_the_same)
{
    house h;
    house_open(&h, (kt_http_session_options){0});
    kt_http_response *r = NULL;
    kt_slice body;
    CHECK_OK(kt_http_get(h.web, "/hello", &r));
    CHECK_EQ(kt_http_response_status(r), 200);
    CHECK_EQ(kt_http_response_version(r), 20);
    CHECK_EQ(kt_http_response_length(r), 6);
    CHECK_SLICE(kt_http_response_header(r, "Content-Type"), "text/plain");
    CHECK_OK(kt_http_response_read_all(r, 100, &body));
    CHECK_SLICE(body, "hello\n");
    kt_http_response_close(r);
    kt_http_request q = {.url = "/", .body = "brown fox", .body_size = 9};
    CHECK_STR(ask_with(h.web, &q), "201 brown fox");
    q = (kt_http_request){.url = "/hello", .method = "HEAD"};
    CHECK_STR(ask_with(h.web, &q), "200 ");
    CHECK_EQ(facts_of(h.web).opened, 1);
    CHECK_EQ(facts_of(h.web).idle, 1);
    house_close(&h);
}

/* RFC 9113 section 8.2.1: a server may take the request for malformed. */
TEST(blanks_at_the_ends_of_a_value_are_not_sent)
{
    const char *const headers[] = {"X-One", " \t1 2\t ", "X-None", " ", NULL};
    house h;
    house_open(&h, (kt_http_session_options){0});
    const kt_http_request q = {
        .url = "/blanks", .headers = headers, .content_type = " text/plain ", .body = "tea", .body_size = 3};
    CHECK_STR(ask_with(h.web, &q), "200 hello\n");
    house_close(&h);
}

KT_FN(asks_later, a, struct { kt_http_session *s; const char *path; int *done; })
{
    CHECK_STR(ask(a->s, a->path), strcmp(a->path, "/later") == 0 ? "201 " : "200 hello\n");
    ++*a->done;
    return 0;
}

TEST(requests_share_a_connection_and_do_not_wait_for_each_other)
{
    house h;
    int later = 0, now = 0;
    house_open(&h, (kt_http_session_options){0});
    {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        for (int i = 0; i < 5; i++) {
            CHECK_OK(kt_group_spawn(&g, KT_WITH(asks_later, .s = h.web, .path = "/later", .done = &later)));
            CHECK_OK(kt_group_spawn(&g, KT_WITH(asks_later, .s = h.web, .path = "/hello", .done = &now)));
        }
        while (now < 5)
            CHECK_OK(kt_sleep(0));
        CHECK_EQ(later, 0);
        kt_event_set(&h.go);
        CHECK_OK(kt_group_join(&g, 0));
    }
    CHECK_EQ(later, 5);
    CHECK_EQ(facts_of(h.web).opened, 1);
    house_close(&h);
}

TEST(large_bodies_flow_both_ways)
{
    static char much[60000];
    house h;
    house_open(&h, (kt_http_session_options){0});
    memset(much, 'x', sizeof much);
    kt_http_request q = {.url = "/", .body = much, .body_size = sizeof much};
    const char *answer = ask_with(h.web, &q);
    CHECK_EQ(strlen(answer), 4 + sizeof much);
    house_close(&h);
}

TEST(a_response_that_is_closed_early_gives_its_stream_up)
{
    static char much[200000];
    house h;
    house_open(&h, (kt_http_session_options){0});
    kt_http_request q = {.url = "/", .body = much, .body_size = sizeof much};
    for (int i = 0; i < 3; i++) {
        kt_http_response *r = NULL;
        char piece[10];
        CHECK_OK(kt_http_send(h.web, &q, &r));
        CHECK_GT(kt_http_response_read(r, piece, sizeof piece), 0);
        kt_http_response_close(r);
        CHECK_STR(ask(h.web, "/hello"), "200 hello\n");
    }
    CHECK_EQ(facts_of(h.web).opened, 1);
    house_close(&h);
}

TEST(a_cancelled_stream_harms_no_other)
{
    sim_only();
    house h;
    int done = 0;
    house_open(&h, (kt_http_session_options){0});
    kt_task *t = NULL;
    CHECK_OK(kt_spawn(KT_WITH(asks_later, .s = h.web, .path = "/later", .done = &done), &t));
    CHECK_STR(ask(h.web, "/hello"), "200 hello\n");
    kt_http_response *r = NULL;
    kt_http_request slow = {.url = "/later", .timeouts.first_byte = KT_NS(1)};
    CHECK_ERR(kt_http_send(h.web, &slow, &r), -ETIMEDOUT);
    CHECK_STR(ask(h.web, "/hello"), "200 hello\n");
    kt_event_set(&h.go);
    CHECK_OK(kt_task_join(t));
    CHECK_EQ(done, 1);
    CHECK_EQ(facts_of(h.web).opened, 1);
    house_close(&h);
}

TEST(a_server_that_does_not_speak_http_2_is_told_apart)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    parrot p = {.at_once = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", .script = {{"", "", ""}}};
    parrot_open(&p);
    kt_http_session *s = session_for(p.port, (kt_http_session_options){.version = KT_HTTP_2});
    CHECK_STR(ask(s, "/"), "KT_EPROTOCOL");
    CHECK_EQ(facts_of(s).connections, 0);
    kt_http_session_close(s);
    parrot_close(&p);
}

/* ---- A server that serves one request of each connection --------------------------------------- */

typedef struct miser {
    kt_listener *l;
    kt_task *task;
    int served;
} miser;

/* Skips frames up to a HEADERS. */
static int read_head(kt_stream *s)
{
    uint8_t head[9], payload[16384];
    for (;;) {
        int rc = kt_stream_read_exactly(s, head, sizeof head);
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (rc == 0)
            rc = kt_stream_read_exactly(s, payload, size);
        if (rc < 0 || head[3] == 1)
            return rc;
    }
}

KT_FN(serves_one, a, struct { miser *m; kt_stream *s; })
{
    static const char settings[] = "\0\0\0\4\0\0\0\0", answer[] = "\0\0\1\1\5\0\0\0\1\x88", /* :status 200, the end */
                      go_away[] = "\0\0\10\7\0\0\0\0\0\0\0\0\1\0\0\0";
    char preface[24];
    kt_auto(kt_stream) *s = a->s;
    int rc = kt_stream_read_exactly(s, preface, sizeof preface);
    if (rc == 0)
        rc = kt_stream_write(s, settings, sizeof settings);
    if (rc == 0)
        rc = read_head(s);
    if (rc == 0)
        rc = kt_stream_write(s, answer, sizeof answer - 1);
    a->m->served += rc == 0;
    if (rc == 0)
        rc = kt_stream_write(s, go_away, sizeof go_away);
    while (rc == 0)
        rc = read_head(s); /* until the client goes */
    return 0;
}

static int misers(void *arg)
{
    miser *m = *(miser **)arg;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = 0;
    while (rc == 0) {
        kt_stream *s = NULL;
        rc = kt_listener_accept(m->l, &s);
        if (rc == 0)
            rc = kt_group_spawn(&g, KT_WITH(serves_one, .m = m, .s = s));
    }
    return kt_group_join(&g, rc);
}

KT_FN(asks_miser, a, struct { kt_http_session *s; })
{
    kt_http_request q = {.url = "/", .method = "POST"}; /* what was refused has done nothing, whatever it was */
    CHECK_STR(ask_with(a->s, &q), "200 ");
    return 0;
}

TEST(what_a_server_refuses_that_goes_away_is_asked_again)
{
    miser m = {.served = 0}, *p = &m;
    kt_auto(net) n = net_open((kt_test_network_options){0});
    (void)n;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &m.l));
    CHECK_OK(kt_spawn(misers, &p, sizeof p, &m.task));
    kt_http_session *s = session_for(kt_listener_port(m.l), (kt_http_session_options){.version = KT_HTTP_2});
    {
        kt_auto(kt_group) g = KT_GROUP_INIT;
        for (int i = 0; i < 6; i++)
            CHECK_OK(kt_group_spawn(&g, KT_WITH(asks_miser, .s = s)));
        CHECK_OK(kt_group_join(&g, 0));
    }
    CHECK_EQ(m.served, 6);
    CHECK_EQ(facts_of(s).opened, 6);
    kt_http_session_close(s);
    kt_task_cancel(m.task);
    CHECK_ERR(kt_task_join(m.task), KT_ECANCELED);
    kt_listener_close(m.l);
}

TEST(a_session_that_is_closed_ends_its_streams)
{
    house h;
    house_open(&h, (kt_http_session_options){0});
    static char much[200000];
    kt_http_request q = {.url = "/", .body = much, .body_size = sizeof much};
    kt_http_response *r = NULL;
    char piece[100];
    CHECK_OK(kt_http_send(h.web, &q, &r));
    kt_http_session_close(kt_steal(h.web));
    ssize_t got = 1;
    while (got > 0)
        got = kt_http_response_read(r, piece, sizeof piece);
    CHECK(got == KT_ECLOSED || got == 0);
    kt_http_response_close(r);
    house_close(&h);
}

#define PASSES_ON(type, flags, id, size, bytes) "\0\0" size type flags "\0\0\0" id bytes

/* An answer whose head comes in three frames. */
KT_FN(answers_in_frames, a, struct { kt_listener *l; })
{
    static const char greeting[] = PASSES_ON("\4", "\0", "\0", "\0", "") PASSES_ON("\4", "\1", "\0", "\0", "");
    static const char answer[] = PASSES_ON("\1", "\0", "\1", "\1", "\x88")
        PASSES_ON("\11", "\0", "\1", "\5", "\0\1x\1y")
        PASSES_ON("\11", "\4", "\1", "\5", "\0\1z\1y") PASSES_ON("\0", "\1", "\1", "\5", "foxes");
    kt_auto(kt_stream) *s = NULL;
    char request[1000];
    int rc = kt_listener_accept(a->l, &s);
    if (rc == 0)
        rc = kt_stream_write(s, greeting, sizeof greeting - 1);
    if (rc == 0)
        rc = kt_stream_read_exactly(s, request, 24 + 9 + 9); /* at least: the preface, SETTINGS, HEADERS */
    if (rc == 0)
        rc = kt_sleep(KT_S(1)); /* until it is whole */
    if (rc == 0)
        rc = kt_stream_write(s, answer, sizeof answer - 1);
    while (rc == 0 && kt_stream_read(s, request, sizeof request) > 0)
        ;
    return rc;
}

static void counts_attempts(const kt_http_attempt *a, void *arg)
{
    int *count = arg;
    *count = (int)a->number;
}

TEST(an_expectation_that_was_not_said_cannot_fail)
{
    house h;
    int attempts = 0;
    house_open(&h, (kt_http_session_options){.after = counts_attempts, .hook_arg = &attempts});
    const kt_http_request q = {.url = "/unexpected", .body = "x", .body_size = 1, .expect_continue = true};
    CHECK_STR(ask_with(h.web, &q), "417 no");
    CHECK_EQ(attempts, 1);
    house_close(&h);
}

TEST(a_head_in_many_frames_may_come_byte_by_byte)
{
    sim_only();
    kt_auto(net) n = net_open((kt_test_network_options){.segment_max = 1});
    (void)n;
    kt_listener *l = NULL;
    kt_task *t = NULL;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &l));
    CHECK_OK(kt_spawn(KT_WITH(answers_in_frames, .l = l), &t));
    kt_http_session *s = session_for(kt_listener_port(l), (kt_http_session_options){.version = KT_HTTP_2});
    CHECK_STR(ask(s, "/"), "200 foxes");
    kt_http_session_close(s);
    CHECK_OK(kt_task_join(t));
    kt_listener_close(l);
}
