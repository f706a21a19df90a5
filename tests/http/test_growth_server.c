/* SPDX-License-Identifier: MIT */
/* A server takes no more memory for all that was asked, and for all whom it has refused. */
#include "client_site.h"

#include "../growth.h"
#include "../tls/certificates.h"
#include "h2_client.h"

#include <kettle/debug.h>
#include <kettle/file.h>
#include <kettle/http_compress.h>
#include <kettle/http_events.h>
#include <kettle/http_files.h>
#include <kettle/http_forms.h>
#include <kettle/http_metrics.h>
#include <kettle/http_proxy.h>
#include <kettle/temp.h>

#define WITH_SERVER(name) TEST_WITH(name, KT_TEST_REAL_TIME | KT_TEST_REAL_IO)

typedef struct hall {
    kt_temp_dir *dir;
    kt_http_folder *folder;
    kt_http_proxies *proxies;
    kt_http_metrics *metrics;
    kt_http_event_source *source;
    kt_tls_config *tls, *trust;
    kt_http_options o;
    site s;
} hall;

static int reads_form(kt_http_exchange *x)
{
    kt_auto(kt_http_multipart) *m = NULL;
    kt_auto(kt_buffer) b = KT_BUFFER_INIT;
    kt_http_part p;
    kt_http_urlencoded form;
    if (kt_http_request_header(x, "Content-Type").size < 50) {
        int rc = kt_http_urlencoded_read(x, 1000, &form);
        return rc < 0 ? rc : hello(x, NULL);
    }
    int rc = kt_http_multipart_open(x, NULL, &m);
    while (rc >= 0 && (rc = kt_http_multipart_next(m, &p)) == 1)
        rc = kt_http_multipart_read_all(m, 1000, &b);
    return rc < 0 ? rc : hello(x, NULL);
}

static int tells_client(kt_http_exchange *x, const hall *h)
{
    kt_http_client c;
    const char *id;
    int rc = kt_http_client_of(x, h->proxies, &c);
    if (rc == 0)
        rc = kt_http_request_id(x, h->proxies, &id);
    return rc < 0 ? rc : kt_http_respond(x, 200, NULL, id, strlen(id));
}

static int works_later(void *arg)
{
    (void)arg;
    int rc = kt_sleep(0);
    return rc < 0 ? rc : -EIO;
}

static int sends_packed(kt_http_exchange *x)
{
    static char much[10000];
    memset(much, 'x', sizeof much);
    int rc = kt_http_decompress(x, NULL);
    if (rc == 0)
        rc = kt_http_compress(x, NULL);
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain", much, sizeof much);
}

static int answers(kt_http_exchange *x, void *arg)
{
    const hall *h = arg;
    kt_slice path = kt_http_path(x), body;
    char *more = kt_http_alloc(x, 5000);
    if (!more)
        return -ENOMEM;
    if (kt_slice_is(path, "/form"))
        return reads_form(x);
    if (kt_slice_is(path, "/client"))
        return tells_client(x, h);
    if (kt_slice_is(path, "/metrics"))
        return kt_http_metrics_respond(h->metrics, x);
    if (kt_slice_is(path, "/packed"))
        return sends_packed(x);
    if (kt_slice_is(path, "/news"))
        return kt_http_event_source_serve(h->source, x);
    if (kt_slice_is(path, "/fails"))
        return kt_error_set(-EIO, "it fails");
    if (kt_slice_is(path, "/never"))
        return kt_sleep(KT_S(30));
    if (kt_slice_is(path, "/body")) {
        int rc = kt_http_read_all(x, 100000, &body);
        return rc < 0 ? rc : kt_http_respond(x, 200, NULL, body.data, body.size);
    }
    if (kt_slice_is(path, "/later")) {
        int rc = kt_http_background(x, works_later, "x", 1);
        return rc < 0 ? rc : hello(x, NULL);
    }
    int rc = kt_http_serve_folder(x, h->folder, path);
    return rc != 0 ? rc : hello(x, NULL);
}

static int counts(kt_http_exchange *x, void *arg)
{
    const hall *h = arg;
    return kt_http_metrics_handle(h->metrics, x, answers, arg);
}

static void logs(const kt_http_record *record, void *arg)
{
    kt_auto(kt_buffer) line = KT_BUFFER_INIT;
    const hall *h = arg;
    kt_http_metrics_record(h->metrics, record);
    CHECK_OK(kt_http_log_line(record, KT_HTTP_LOG_JSON, NULL, &line));
}

static void say_nothing(const kt_unhandled *u, void *arg)
{
    (void)u;
    (void)arg;
}

static void hall_open(hall *h)
{
    static const char *const networks[] = {"127.0.0.1", NULL};
    char path[256];
    *h = (hall){.o = {.log = logs, .log_arg = h, .grace = -1}};
    CHECK_OK(kt_temp_dir_make(NULL, "growth-", &h->dir));
    snprintf(path, sizeof path, "%s/tea.txt", kt_temp_dir_path(h->dir));
    CHECK_OK(kt_file_write_whole(path, "0123456789", 10, NULL));
    CHECK_OK(kt_http_folder_open(kt_temp_dir_path(h->dir), NULL, &h->folder));
    CHECK_OK(kt_http_proxies_new(networks, KT_HTTP_X_FORWARDED, &h->proxies));
    CHECK_OK(kt_http_metrics_new(&h->metrics));
    CHECK_OK(kt_http_event_source_new(&(kt_http_event_source_options){.history_max = 10}, &h->source));
    kt_error_handler_set(say_nothing, NULL);
    site_open(&h->s, &h->o, counts, h);
}

static void hall_close(hall *h)
{
    site_close(&h->s);
    kt_http_event_source_free(h->source);
    kt_http_metrics_free(h->metrics);
    kt_http_proxies_free(h->proxies);
    kt_http_folder_close(h->folder);
    kt_temp_dir_remove(h->dir);
}

/* ---- Requests ------------------------------------------------------------------------------------ */

#define CLOSES "Host: a\r\nConnection: close\r\n"
#define MULTIPART "Content-Type: multipart/form-data; boundary=XXXXXXXXXXXXXXXXXXXXXXXXXX\r\n"
#define PARTS \
    "--XXXXXXXXXXXXXXXXXXXXXXXXXX\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n1234\r\n" \
    "--XXXXXXXXXXXXXXXXXXXXXXXXXX--\r\n"

static const char *const requests[] = {
    "GET / HTTP/1.1\r\n" CLOSES "\r\n",
    "GET /tea.txt HTTP/1.1\r\n" CLOSES "\r\n",
    "GET /tea.txt HTTP/1.1\r\n" CLOSES "Range: bytes=1-2,4-5\r\n\r\n",
    "GET /tea.txt HTTP/1.1\r\n" CLOSES "If-None-Match: *\r\n\r\n",
    "GET /../none HTTP/1.1\r\n" CLOSES "\r\n",
    "GET /client HTTP/1.1\r\n" CLOSES "X-Forwarded-For: 192.0.2.1\r\n\r\n",
    "GET /metrics HTTP/1.1\r\n" CLOSES "\r\n",
    "GET /later HTTP/1.1\r\n" CLOSES "\r\n",
    "GET /fails HTTP/1.1\r\n" CLOSES "\r\n",
    "GET /packed HTTP/1.1\r\n" CLOSES "Accept-Encoding: gzip\r\n\r\n",
    "GET /packed HTTP/1.1\r\n" CLOSES "Accept-Encoding: br\r\n\r\n",
    "POST /packed HTTP/1.1\r\n" CLOSES "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab",
    "POST /body HTTP/1.1\r\n" CLOSES "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nbrown",
    "POST /body HTTP/1.1\r\n" CLOSES "Transfer-Encoding: chunked\r\n\r\n5\r\nbrown\r\n0\r\nX-T: 1\r\n\r\n",
    "POST /form HTTP/1.1\r\n" CLOSES
    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=b&c=d",
    "POST /form HTTP/1.1\r\n" CLOSES MULTIPART "Transfer-Encoding: chunked\r\n\r\n89\r\n" PARTS "\r\n0\r\n\r\n",
    "POST /form HTTP/1.1\r\n" CLOSES MULTIPART "Content-Length: 5\r\n\r\nbrown",
    "POST /body HTTP/1.1\r\n" CLOSES "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "GET / HTTP/1.1\r\n" CLOSES "Bad Header: 1\r\n\r\n",
    "rubbish\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nConnection: close\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish and more of it",
};

static void ask_all(void *arg)
{
    const hall *h = arg;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        heard answer = {.size = 0};
        kt_stream *c = dial(&h->s);
        say(c, requests[i]);
        hear(c, &answer, NULL);
        kt_stream_close(c);
    }
}

static void hang_up(void *arg)
{
    const hall *h = arg;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        kt_stream *c = dial(&h->s);
        CHECK_OK(kt_stream_write(c, requests[i], strlen(requests[i]) / (i % 2 + 1)));
        kt_stream_hang_up(c, i % 3 == 0);
        kt_stream_close(c);
    }
    ask_all(arg);
}

WITH_SERVER(requests_that_are_over_take_no_memory_of_their_server)
{
    hall h;
    hall_open(&h);
    check_no_growth(5, ask_all, &h);
    check_no_growth(5, hang_up, &h);
    hall_close(&h);
}

static void get_news(void *arg)
{
    const hall *h = arg;
    heard answer = {.size = 0};
    kt_stream *c = dial(&h->s);
    say(c, "GET /news HTTP/1.1\r\nHost: a\r\n\r\n");
    while (kt_http_event_source_clients(h->source) == 0)
        CHECK_OK(kt_sleep(0));
    for (int i = 0; i < 20; i++)
        CHECK_OK(kt_http_event_source_send(h->source, "tea", "is ready", 8));
    hear(c, &answer, "data: is ready\n\n");
    kt_stream_hang_up(c, true);
    kt_stream_close(c);
    while (kt_http_event_source_clients(h->source) > 0) {
        CHECK_OK(kt_http_event_source_send(h->source, "tea", "is ready", 8));
        CHECK_OK(kt_sleep(0));
    }
}

WITH_SERVER(events_and_those_who_heard_them_take_no_memory)
{
    hall h;
    hall_open(&h);
    check_no_growth(20, get_news, &h);
    hall_close(&h);
}

/* ---- HTTP/2 --------------------------------------------------------------------------------------- */

/* Streams that are reset, refused, cut, and that go on when their connection ends. */
static void use_streams(void *arg)
{
    const hall *h = arg;
    peer p;
    greet(&p, dial(&h->s));
    get(&p, 1, "/tea.txt");
    expect_status(&p, 1, "200");
    get(&p, 3, "/never");
    get(&p, 5, "/never");
    request(&p, "POST", "/body");
    send_head(&p, 7, END_HEADERS);
    send_frame(&p, DATA, 0, 7, "brown", 5);
    send_number(&p, RST_STREAM, 3, 8);
    send_number(&p, RST_STREAM, 7, 8);
    request(&p, "POST", "/fails");
    send_head(&p, 9, END_HEADERS);
    expect_status(&p, 9, "500");
    field(&p, "bad name", "x");
    send_head(&p, 11, END_STREAM | END_HEADERS);
    send_frame(&p, PING, 0, 0, "12345678", 8);
    expect(&p, PING, 0);
    get(&p, 13, "/later");
    expect_status(&p, 13, "200");
    leave(&p);
}

WITH_SERVER(streams_that_were_reset_take_no_memory_of_their_server)
{
    hall h;
    hall_open(&h);
    check_no_growth(20, use_streams, &h);
    hall_close(&h);
}

typedef struct line {
    peer *p;
    uint32_t id;
} line;

static void refuse_stream(void *arg)
{
    line *l = arg;
    request(l->p, "POST", "/fails"); /* its body is not wanted */
    send_head(l->p, l->id, END_HEADERS);
    expect_status(l->p, l->id, "500");
    send_frame(l->p, DATA, 0, l->id, "brown", 5);
    send_frame(l->p, DATA, END_STREAM, l->id, " fox", 4);
    get(l->p, l->id + 2, "/later");
    expect_status(l->p, l->id + 2, "200");
    expect(l->p, DATA, l->id + 2);
    l->id += 4;
}

WITH_SERVER(streams_whose_bodies_nobody_read_take_no_memory_of_their_connection)
{
    hall h;
    peer p;
    hall_open(&h);
    greet(&p, dial(&h.s));
    line l = {&p, 1};
    check_no_growth(60, refuse_stream, &l);
    leave(&p);
    hall_close(&h);
}

/* ---- TLS ------------------------------------------------------------------------------------------- */

static void tls_open(hall *h, uint32_t requests_max)
{
    static const char *const both[] = {"h2", "http/1.1", NULL};
    const kt_tls_certificate certificate = {.chain_pem = certificate_of(good()), .key_pem = key_of(good())};
    const kt_tls_server_options server = {.certificates = &certificate, .certificate_count = 1, .alpn = both};
    const kt_tls_client_options client = {.ca_pem = certificate_of(authority()), .no_system_trust = true};
    *h = (hall){.o = {.grace = -1, .requests_max = requests_max}};
    CHECK_OK(kt_tls_server_new(&server, &h->tls));
    CHECK_OK(kt_tls_client_new(&client, &h->trust));
    h->o.tls = h->tls;
    site_open(&h->s, &h->o, hello, h);
}

static void tls_close(hall *h)
{
    site_close(&h->s);
    kt_tls_config_free(h->trust);
    kt_tls_config_free(h->tls);
}

static kt_http_session *secure_session(const hall *h, kt_http_protocol version)
{
    char base[64];
    kt_http_session *s = NULL;
    snprintf(base, sizeof base, "https://127.0.0.1:%u/", kt_listener_port(h->s.l));
    const kt_http_session_options o = {.base_url = base, .tls = h->trust, .version = version};
    CHECK_OK(kt_http_session_open(&o, &s));
    return s;
}

static void ask_again(void *session)
{
    CHECK_STR(ask(session, "/"), "200 hello\n");
}

static void check_secure_session(const hall *h, kt_http_protocol version)
{
    kt_http_session *s = secure_session(h, version);
    check_no_growth(100, ask_again, s);
    kt_http_session_close(s);
}

WITH_SERVER(requests_over_tls_take_no_memory_of_their_connection)
{
    hall h;
    tls_open(&h, 0);
    check_secure_session(&h, KT_HTTP_1);
    check_secure_session(&h, KT_HTTP_AUTO);
    tls_close(&h);
}

/* Each connection is good for two requests. */
WITH_SERVER(connections_over_tls_that_the_server_ends_take_no_memory_of_their_session)
{
    hall h;
    tls_open(&h, 2);
    check_secure_session(&h, KT_HTTP_1);
    tls_close(&h);
}

/* With and without a session of before; and such as do not shake hands. */
static void shake_hands(void *arg)
{
    const hall *h = arg;
    kt_http_session *s = secure_session(h, KT_HTTP_1);
    CHECK_STR(ask(s, "/"), "200 hello\n");
    kt_http_session_close(s);
    kt_stream *c = dial(&h->s);
    say(c, "GET / HTTP/1.1\r\n\r\n");
    kt_stream_close(c);
    c = dial(&h->s);
    say(c, "\x16\x03\x01");
    kt_stream_hang_up(c, true);
    kt_stream_close(c);
}

WITH_SERVER(connections_over_tls_that_have_ended_take_no_memory)
{
    hall h;
    tls_open(&h, 0);
    check_no_growth(40, shake_hands, &h);
    tls_close(&h);
}
