/* SPDX-License-Identifier: MIT */
/* Server-Sent Events as a client reads them. */
#include "client_site.h"

#include <kettle/http_event_stream.h>
#include <kettle/http_events.h>

#include "http/event_parser.h"

/* ---- The parser -------------------------------------------------------------------------------------- */

/* What a stream becomes when it comes in pieces of so many bytes: "type(id)data|" for each event, "!" for an error. */
static const char *parse(kt_slice text, size_t piece)
{
    static char said[4096];
    kt__event_parser p;
    size_t n = 0;
    int rc = 0;
    said[0] = '\0';
    kt__event_parser_init(&p, 64, 100);
    while (text.size > 0 && rc >= 0) {
        kt_slice in = {text.data, piece < text.size ? piece : text.size};
        text = (kt_slice){text.data + in.size, text.size - in.size};
        while ((rc = kt__event_parser_feed(&p, &in)) > 0)
            n += (size_t)snprintf(said + n, sizeof said - n, "%.*s(%.*s)%.*s|", (int)p.type.size,
                                  p.type.data ? p.type.data : "", (int)p.id.size, p.id.data ? p.id.data : "",
                                  (int)p.data.size, p.data.data);
    }
    if (p.retry_ms >= 0)
        n += (size_t)snprintf(said + n, sizeof said - n, "retry %lld", (long long)p.retry_ms);
    if (rc < 0)
        snprintf(said + n, sizeof said - n, "!%s", kt_error_name(rc));
    kt__event_parser_release(&p);
    return said;
}

#define S(text) {text, sizeof text - 1}
#define R "\xEF\xBF\xBD"

static const struct {
    kt_slice text;
    const char *expected;
} streams[] = {
    /* HTML standard, section 9.2.6: its examples */
    {S("data: YHOO\ndata: +2\ndata: 10\n\n"), "()YHOO\n+2\n10|"},
    {S(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"),
     "(1)first event|()second event|() third event|"},
    {S("data\n\ndata\ndata\n\ndata:"), "()|()\n|"},
    {S("data:test\n\ndata: test\n\n"), "()test|()test|"},
    /* Line ends */
    {S("data: a\r\rdata: b\r\n\r\ndata: c\n\n"), "()a|()b|()c|"},
    {S("data: a\r\ndata: b\n\rdata: c\n\n"), "()a\nb|()c|"},
    {S("data: a\rdata: b\r\r"), "()a\nb|"},
    /* BOM: one, in front */
    {S("\xEF\xBB\xBF" "data: a\n\n"), "()a|"},
    {S("\xEF\xBB\xBF\xEF\xBB\xBF" "data: a\n\n"), ""},
    {S("\n\xEF\xBB\xBF" "data: a\n\n"), ""},
    /* Fields */
    {S("event: add\ndata: a\n\ndata: b\n\n"), "add()a|()b|"},
    {S("event: add\n\ndata: a\n\n"), "()a|"},
    {S("Data: a\ndata : b\nx: c\n\n"), ""},
    {S("data:a:b: c\n\n"), "()a:b: c|"},
    {S(":data: a\n:\n\n"), ""},
    {S("event: a\nevent: b\ndata: c\n\n"), "b()c|"},
    {S("event: a\nevent\ndata: c\n\n"), "()c|"},
    /* Ids */
    {S("id: 7\ndata: a\n\ndata: b\n\n"), "(7)a|(7)b|"},
    {S("id: 7\n\ndata: b\n\n"), "(7)b|"},
    {S("id: 7\ndata: a\n\nid: 8\0\ndata: b\n\n"), "(7)a|(7)b|"},
    {S("id: 7\ndata: a\n\nid:\ndata: b\n\n"), "(7)a|()b|"},
    /* retry */
    {S("retry: 1500\n"), "retry 1500"},
    {S("retry: 15x\nretry:\nretry: -1\nretry: 1.5\nretry:  2\n"), ""},
    {S("retry: 99999999999999999999999999\n"), "retry 1000000000"},
    /* UTF-8: what is broken is replaced, by as many as the Encoding standard says */
    {S("data: \xC3\xA4\xE2\x82\xAC\xF0\x9F\x8D\xB5\n\n"), "()\xC3\xA4\xE2\x82\xAC\xF0\x9F\x8D\xB5|"},
    {S("data: \xFF\n\n"), "()" R "|"},
    {S("data: \xE2\x82x\n\n"), "()" R "x|"},
    {S("data: \xF0\x9F\x8D\n\n"), "()" R "|"},
    {S("data: \xC0\xAF\n\n"), "()" R R "|"},
    {S("data: \xED\xA0\x80\n\n"), "()" R R R "|"},
    {S("data: \xF4\x90\x80\x80\n\n"), "()" R R R R "|"},
    {S("data: \x80\xC3\n\n"), "()" R R "|"},
    {S("event: \xFF\ndata: a\n\n"), R "()a|"},
    /* The end */
    {S("data: a\n\ndata: b\n"), "()a|"},
    {S("data: a\n"), ""},
    {S("data: a\n\ndata: b"), "()a|"},
};

TEST(streams_mean_the_same_at_any_split)
{
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        for (size_t piece = 1; piece <= streams[i].text.size; piece++) {
            CHECK_STR(parse(streams[i].text, piece), streams[i].expected);
        }
}

TEST(lines_and_events_have_limits_at_any_split)
{
    char text[300];
    for (size_t piece = 1; piece < 200; piece++) {
        memset(text, 'x', sizeof text);
        CHECK_STR(parse((kt_slice){text, 65}, piece), "!KT_ELIMIT");
        memcpy(text + 65, "\n\n", 2);
        CHECK_STR(parse((kt_slice){text, 67}, piece), "!KT_ELIMIT");
        size_t n = (size_t)snprintf(text, sizeof text, "data: %050d\ndata: %048d\n\n", 0, 0);
        CHECK_EQ(strlen(parse((kt_slice){text, n}, piece)), 2 + 50 + 1 + 48 + 1);
        n = (size_t)snprintf(text, sizeof text, "data: %050d\ndata: %050d\n\n", 0, 0);
        CHECK_STR(parse((kt_slice){text, n}, piece), "!KT_ELIMIT");
    }
}

/* ---- Streams ----------------------------------------------------------------------------------------- */

typedef struct radio {
    net n;
    parrot p;
    kt_http_session *web;
    kt_http_event_stream *es;
} radio;

static void radio_open(radio *r, kt_http_event_stream_options o)
{
    r->n = net_open((kt_test_network_options){0});
    parrot_open(&r->p);
    r->web = session_for(r->p.port, (kt_http_session_options){0});
    CHECK_OK(kt_http_event_stream_open(r->web, "/", &o, &r->es));
}

static void radio_close(radio *r)
{
    kt_http_event_stream_close(r->es);
    kt_http_session_close(r->web);
    parrot_close(&r->p);
    net_cleanup(&r->n);
}

/* "type data", "end", or an error's name. */
static const char *hears(radio *r)
{
    static char text[1024];
    kt_http_stream_event e;
    int rc = kt_http_event_stream_next(r->es, &e);
    if (rc <= 0)
        return rc < 0 ? kt_error_name(rc) : "end";
    snprintf(text, sizeof text, "%.*s %.*s", (int)e.type.size, e.type.data, (int)e.data.size, e.data.data);
    return text;
}

#define STREAM(text) "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n" text
#define GONE "HTTP/1.1 204 No more\r\n\r\n"
#define STATUS(line) "HTTP/1.1 " line "\r\nContent-Length: 0\r\n\r\n"

TEST(events_come_one_after_the_other)
{
    radio r = {.p.script = {{STREAM("data: one\n\nevent: add\ndata: two\n\n")}}};
    radio_open(&r, (kt_http_event_stream_options){.last_event_id = "41"});
    CHECK_STR(hears(&r), "message one");
    CHECK_STR(hears(&r), "add two");
    CHECK(strstr(r.p.heard, "Accept: text/event-stream\r\n"));
    CHECK(strstr(r.p.heard, "Cache-Control: no-store\r\n"));
    CHECK(strstr(r.p.heard, "Last-Event-ID: 41\r\n"));
    radio_close(&r);
}

TEST(a_204_ends_it_for_good)
{
    radio r = {.p.script = {{GONE}}};
    radio_open(&r, (kt_http_event_stream_options){0});
    CHECK_STR(hears(&r), "end");
    CHECK_STR(hears(&r), "end");
    CHECK_EQ(r.p.requests, 1);
    radio_close(&r);
}

TEST(what_is_no_event_stream_is_refused_for_good)
{
    static const struct {
        const char *answer, *rc;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\ntea", "KT_EPROTOCOL"},
        {"HTTP/1.1 200 OK\r\nContent-Type: text/event-streams\r\nContent-Length: 3\r\n\r\ntea", "KT_EPROTOCOL"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntea", "KT_EPROTOCOL"},
        {STATUS("404 No"), "EREMOTEIO"},
        {STATUS("500 No"), "EREMOTEIO"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        radio r = {.p.script = {{cases[i].answer}}};
        radio_open(&r, (kt_http_event_stream_options){0});
        CHECK_STR(hears(&r), cases[i].rc);
        CHECK_STR(hears(&r), cases[i].rc);
        CHECK_EQ(r.p.requests, 1);
        radio_close(&r);
    }
}

/* Waits a second at a time. The last time's result. */
static const char *hears_by_the_second(radio *r, int seconds)
{
    const char *said = "";
    for (int i = 0; i < seconds; i++) {
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        kt_timeout_start(&limit, KT_S(1));
        said = hears(r);
        (void)!kt_timeout_end(&limit, 0);
    }
    return said;
}

TEST(calls_that_are_cancelled_do_not_shorten_the_wait_for_another_connection)
{
    sim_only();
    radio r = {.p.script = {{NULL}, {STREAM("data: one\n\n")}}};
    radio_open(&r, (kt_http_event_stream_options){.first_wait = KT_S(20)});
    CHECK_STR(hears_by_the_second(&r, 9), "KT_ETIMEDOUT");
    CHECK_EQ(r.p.requests, 1);
    kt_time start = kt_now();
    CHECK_STR(hears(&r), "message one");
    CHECK_LE(kt_now() - start, KT_S(11));
    radio_close(&r);
}

TEST(a_silent_connection_is_given_up_also_by_calls_that_are_cancelled)
{
    sim_only();
    radio r = {.p.script = {{STREAM("data: one\n\n")}, {STREAM("data: two\n\n")}}};
    radio_open(&r, (kt_http_event_stream_options){.first_wait = KT_MS(100), .idle = KT_S(5)});
    CHECK_STR(hears(&r), "message one");
    CHECK_STR(hears_by_the_second(&r, 5), "KT_ETIMEDOUT");
    CHECK_STR(hears_by_the_second(&r, 1), "message two");
    radio_close(&r);
}

TEST(an_endless_line_ends_it_for_good)
{
    radio r = {.p.script = {{STREAM("data: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")}}};
    radio_open(&r, (kt_http_event_stream_options){.line_bytes_max = 32});
    CHECK_STR(hears(&r), "KT_ELIMIT");
    CHECK_STR(hears(&r), "KT_ELIMIT");
    CHECK_EQ(r.p.connections, 1);
    radio_close(&r);
}

TEST(options_that_make_no_sense_are_refused)
{
    static const char *const bad[] = {"last-event-id", "1", NULL};
    kt_http_session *web = NULL;
    kt_http_event_stream *es = NULL;
    const kt_http_event_stream_options options[] = {{.headers = bad}, {.last_event_id = "a\nb"}, {.idle = -1}};
    CHECK_OK(kt_http_session_open(NULL, &web));
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        CHECK_ERR(kt_http_event_stream_open(web, "http://a/", &options[i], &es), -EINVAL);
    CHECK(!es);
    kt_http_session_close(web);
}

/* ---- Connections that end ---------------------------------------------------------------------------- */

TEST(a_connection_that_ends_is_made_again_where_it_was)
{
    radio r = {.p.script = {{"~" STREAM("id: 7\ndata: one\n\nid: 8\ndata: cut\n")}, {STREAM("data: two\n\n")}}};
    sim_only();
    radio_open(&r, (kt_http_event_stream_options){0});
    CHECK_STR(hears(&r), "message one");
    kt_time start = kt_now();
    CHECK_STR(hears(&r), "message two");
    CHECK_GE(kt_now() - start, KT_S(3) / 2);
    CHECK_LE(kt_now() - start, KT_S(3) + KT_MS(100));
    CHECK_EQ(count_of(r.p.heard, "Last-Event-ID: 7\r\n"), 1);
    CHECK(!strstr(r.p.heard, "Last-Event-ID: 8"));
    radio_close(&r);
}

TEST(the_server_says_after_how_long)
{
    radio r = {.p.script = {{"~" STREAM("retry: 20000\n\ndata: one\n\n")}, {STREAM("data: two\n\n")}}};
    sim_only();
    radio_open(&r, (kt_http_event_stream_options){0});
    CHECK_STR(hears(&r), "message one");
    kt_time start = kt_now();
    CHECK_STR(hears(&r), "message two");
    CHECK_GE(kt_now() - start, KT_S(10));
    radio_close(&r);
}

TEST(a_server_cannot_make_it_hurry_or_wait_for_ever)
{
    static const struct {
        const char *stream;
        kt_time least, most;
    } cases[] = {
        {"~" STREAM("retry: 0\ndata: one\n\n"), KT_MS(50), KT_MS(200)},
        {"~" STREAM("retry: 999999999999\ndata: one\n\n"), KT_S(15), KT_S(31)},
    };
    sim_only();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        radio r = {.p.script = {{cases[i].stream}, {STREAM("data: two\n\n")}}};
        radio_open(&r, (kt_http_event_stream_options){.wait_max = KT_S(30)});
        CHECK_STR(hears(&r), "message one");
        kt_time start = kt_now();
        CHECK_STR(hears(&r), "message two");
        CHECK_GE(kt_now() - start, cases[i].least);
        CHECK_LE(kt_now() - start, cases[i].most);
        radio_close(&r);
    }
}

TEST(failures_of_all_kinds_are_tried_again_with_waits_that_grow)
{
    radio r = {.p.script = {{"!"}, {STATUS("503 Busy")}, {"~" STREAM("")}, {"~"}, {STREAM("data: one\n\n")}}};
    sim_only();
    radio_open(&r, (kt_http_event_stream_options){.first_wait = KT_S(1)});
    kt_time start = kt_now();
    CHECK_STR(hears(&r), "message one");
    CHECK_GE(kt_now() - start, KT_S(1 + 2 + 4) / 2);
    radio_close(&r);
}

TEST(attempts_may_be_limited_and_the_next_call_tries_again)
{
    radio r = {.p.script = {{"!"}, {STATUS("503 Busy")}, {STREAM("data: one\n\n")}}};
    sim_only();
    radio_open(&r, (kt_http_event_stream_options){.attempts = 2});
    CHECK_STR(hears(&r), "EREMOTEIO");
    CHECK_EQ(r.p.connections, 2);
    CHECK_STR(hears(&r), "message one");
    radio_close(&r);
}

TEST(a_server_that_has_fallen_silent_is_left)
{
    radio r = {.p.script = {{STREAM("data: one\n\n")}, {STREAM("data: two\n\n")}}};
    sim_only();
    radio_open(&r, (kt_http_event_stream_options){.idle = KT_S(20)});
    CHECK_STR(hears(&r), "message one");
    kt_time start = kt_now();
    CHECK_STR(hears(&r), "message two");
    CHECK_GE(kt_now() - start, KT_S(20));
    radio_close(&r);
}

TEST(an_id_that_is_no_header_is_not_sent)
{
    radio r = {.p.script = {{"~" STREAM("id: \x01\ndata: one\n\n")}, {STREAM("data: two\n\n")}}};
    sim_only();
    radio_open(&r, (kt_http_event_stream_options){0});
    CHECK_STR(hears(&r), "message one");
    CHECK_STR(hears(&r), "message two");
    CHECK(!strstr(r.p.heard, "Last-Event-ID"));
    radio_close(&r);
}

/* Says an event and a half, and the other half when it is let. */
static int halves(kt_http_exchange *x, void *arg)
{
    int rc = kt_http_events_start(x);
    if (rc == 0)
        rc = kt_http_write(x, "data: zero\n\nid: 1\ndata: on", 26);
    if (rc == 0)
        rc = kt_event_wait(arg);
    return rc < 0 ? rc : kt_http_write(x, "e\n\n", 3);
}

KT_FN(listens, a, struct { kt_http_event_stream *es; })
{
    kt_http_stream_event e;
    return kt_http_event_stream_next(a->es, &e);
}

TEST(a_cancellation_loses_nothing)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    kt_event leave = KT_EVENT_INIT;
    kt_http_event_stream *es = NULL;
    kt_http_stream_event e;
    kt_task *t = NULL;
    site s;
    (void)n;
    site_open(&s, NULL, halves, &leave);
    kt_http_session *web = session_for(kt_listener_port(s.l), (kt_http_session_options){0});
    CHECK_OK(kt_http_event_stream_open(web, "/", NULL, &es));
    CHECK_EQ(kt_http_event_stream_next(es, &e), 1);
    CHECK_SLICE(e.data, "zero");
    CHECK_OK(kt_spawn(KT_WITH(listens, .es = es), &t));
    for (int i = 0; i < 100; i++)
        CHECK_OK(kt_sleep(0));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    kt_event_set(&leave);
    CHECK_EQ(kt_http_event_stream_next(es, &e), 1);
    CHECK_SLICE(e.data, "one");
    CHECK_SLICE(e.id, "1");
    CHECK_EQ(facts_of(web).opened, 1);
    kt_http_event_stream_close(es);
    kt_http_session_close(web);
    site_close(&s);
}

/* ---- Our own server ---------------------------------------------------------------------------------- */

static int serves(kt_http_exchange *x, void *arg)
{
    return kt_http_event_source_serve(arg, x);
}

TEST(a_history_is_gone_on_with)
{
    kt_auto(net) n = net_open((kt_test_network_options){0});
    static const kt_http_options server = {.grace = -1};
    kt_http_event_source *source = NULL;
    kt_http_event_stream *es = NULL;
    kt_http_stream_event e;
    site s;
    char id[64];
    (void)n;
    CHECK_OK(kt_http_event_source_new(&(kt_http_event_source_options){.replay_new = true}, &source));
    site_open(&s, &server, serves, source);
    kt_http_session *web = session_for(kt_listener_port(s.l), (kt_http_session_options){0});
    CHECK_OK(kt_http_event_source_send(source, "a", "1", 1));
    CHECK_OK(kt_http_event_source_send(source, "b", "2\n3", 3));
    CHECK_OK(kt_http_event_stream_open(web, "/", NULL, &es));
    CHECK_EQ(kt_http_event_stream_next(es, &e), 1);
    CHECK_SLICE(e.type, "a");
    snprintf(id, sizeof id, "%.*s", (int)e.id.size, e.id.data);
    kt_http_event_stream_close(es);
    CHECK_OK(kt_http_event_stream_open(web, "/", &(kt_http_event_stream_options){.last_event_id = id}, &es));
    CHECK_EQ(kt_http_event_stream_next(es, &e), 1);
    CHECK_SLICE(e.type, "b");
    CHECK_SLICE(e.data, "2\n3");
    kt_http_event_stream_close(es);
    kt_http_session_close(web);
    kt_http_event_source_free(source);
    site_close(&s);
}
