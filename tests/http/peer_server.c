/* SPDX-License-Identifier: MIT */
/* The server that is driven with clients of others. Prints its port, and at the end a line.
 *
 *   /hello      "hello\n"                    /echo      the body, in pieces, as it comes
 *   /whole      the body, read first         /count     ?n lines, in pieces
 *   /slow       "slow\n" after 0.3 s         /events    three events and the end
 *   /page       a file from memory           /fail      a failing handler
 *   /refuse     401, whatever the body       /text      20,000 lines, compressed
 *   /program    this program's file          /trailers  the body, and its X-Sum as a trailer
 *   /ticks      two events behind the last   /websocket echoes; to "version" the version of HTTP
 *
 * usage: peer_server [CHAIN.PEM KEY.PEM]      over TLS, with HTTP/2 by ALPN */
#include <errno.h>
#include <kettle/http.h>
#include <kettle/http_compress.h>
#include <kettle/http_files.h>
#include <kettle/kettle.h>
#include <kettle/websocket.h>
#include <stdio.h>
#include <stdlib.h>

static int say_hello(kt_http_exchange *x)
{
    return kt_http_respond(x, 200, "text/plain", "hello\n", 6);
}

static int echo(kt_http_exchange *x)
{
    char buffer[16 * 1024];
    ssize_t n = kt_http_read(x, buffer, sizeof buffer);
    if (n < 0)
        return (int)n;
    int rc = kt_http_start(x, 200, "application/octet-stream");
    while (rc == 0 && n > 0) {
        rc = kt_http_write(x, buffer, (size_t)n);
        if (rc == 0)
            n = kt_http_read(x, buffer, sizeof buffer);
    }
    return rc < 0 ? rc : (int)n;
}

static int whole(kt_http_exchange *x)
{
    kt_slice body;
    int rc = kt_http_read_all(x, (size_t)64 * 1024 * 1024, &body);
    return rc < 0 ? rc : kt_http_respond(x, 200, "application/octet-stream", body.data, body.size);
}

static int count(kt_http_exchange *x)
{
    kt_slice n = {NULL, 0};
    int rc = kt_http_query(x, "n", &n);
    if (rc <= 0)
        return rc < 0 ? rc : kt_http_respond(x, 400, "text/plain", "n?\n", 3);
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)n.size, n.data);
    long last = strtol(text, NULL, 10);
    rc = kt_http_start(x, 200, "text/plain");
    for (long i = 1; i <= last && rc == 0; i++) {
        int size = snprintf(text, sizeof text, "%ld\n", i);
        rc = kt_http_write(x, text, (size_t)size);
    }
    return rc;
}

static int slow(kt_http_exchange *x)
{
    int rc = kt_sleep(KT_MS(300));
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain", "slow\n", 5);
}

static int events(kt_http_exchange *x)
{
    int rc = kt_http_events_start(x);
    for (int i = 0; i < 3 && rc == 0; i++) {
        rc = kt_http_event(x, "tick", NULL, "a\nb", 3);
        if (rc == 0)
            rc = kt_sleep(KT_MS(20));
    }
    return rc;
}

static int page(kt_http_exchange *x)
{
    static const kt_http_asset assets[] = {{"/page", "text/html", NULL, "<p>page", 7}};
    int rc = kt_http_serve_assets(x, assets, 1);
    return rc < 0 ? rc : 0;
}

static int fail(kt_http_exchange *x)
{
    (void)x;
    return -EIO;
}

static int refuse(kt_http_exchange *x)
{
    int rc = kt_http_header(x, "WWW-Authenticate", "Basic realm=\"peers\"");
    return rc < 0 ? rc : kt_http_respond(x, 401, "text/plain", "no\n", 3);
}

static int text(kt_http_exchange *x)
{
    kt_auto(kt_buffer) lines = KT_BUFFER_INIT;
    int rc = kt_http_compress(x, NULL);
    for (int i = 0; rc == 0 && i < 20000; i++)
        rc = kt_buffer_printf(&lines, "line %d\n", i);
    return rc < 0 ? rc : kt_http_respond(x, 200, "text/plain", lines.data, lines.size);
}

static int program(kt_http_exchange *x)
{
    return kt_http_respond_file(x, "/proc/self/exe", NULL);
}

static int trailers(kt_http_exchange *x)
{
    kt_auto(kt_buffer) sum = KT_BUFFER_INIT;
    int rc = echo(x);
    kt_slice sent = kt_http_request_trailer(x, "X-Sum");
    if (rc >= 0)
        rc = kt_buffer_printf(&sum, "%.*s", (int)sent.size, sent.data);
    return rc < 0 ? rc : kt_http_trailer(x, "X-Sum", sum.data);
}

/* A client that comes back gets the next two. */
static int ticks(kt_http_exchange *x)
{
    kt_slice seen = kt_http_request_header(x, "Last-Event-ID");
    char id[32];
    snprintf(id, sizeof id, "%.*s", (int)seen.size, seen.size ? seen.data : "");
    long last = strtol(id, NULL, 10);
    int rc = kt_http_events_start(x);
    for (long i = last + 1; rc == 0 && i <= last + 2; i++) {
        int size = snprintf(id, sizeof id, "%ld", i);
        rc = kt_http_event(x, NULL, id, id, (size_t)size);
    }
    return rc;
}

static int talk(kt_http_exchange *x)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    const char *version = kt_http_version(x);
    int rc = kt_websocket_accept(
        x, &(kt_websocket_options){.message_bytes_max = (size_t)16 * 1024 * 1024}, &ws);
    while (rc >= 0 && (rc = kt_websocket_read(ws, &m)) > 0)
        rc = kt_slice_is(m.data, "version")
                 ? kt_websocket_write(ws, KT_WEBSOCKET_TEXT, version, strlen(version))
                 : kt_websocket_write(ws, m.kind, m.data.data, m.data.size);
    return rc;
}

static int answer(kt_http_exchange *x, void *arg)
{
    static const struct {
        const char *path;
        int (*run)(kt_http_exchange *x);
    } routes[] = {
        {"/hello", say_hello}, {"/echo", echo},      {"/whole", whole},     {"/count", count},
        {"/slow", slow},       {"/events", events},  {"/page", page},       {"/fail", fail},
        {"/refuse", refuse},   {"/text", text},      {"/program", program}, {"/trailers", trailers},
        {"/ticks", ticks},     {"/websocket", talk},
    };
    (void)arg;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (kt_slice_is(kt_http_path(x), routes[i].path))
            return routes[i].run(x);
    return kt_http_respond(x, 404, "text/plain", "not here\n", 9);
}

KT_FN(
    serve, a, struct { const char *chain, *key; })
{
    static const char *const alpn[] = {"h2", "http/1.1", NULL};
    const kt_tls_certificate certificate = {.chain_file = a->chain, .key_file = a->key};
    const kt_tls_server_options secure = {
        .certificates = &certificate, .certificate_count = 1, .alpn = alpn};
    kt_http_options o = {
        .body_bytes_max = (uint64_t)64 * 1024 * 1024,
        .head_timeout = KT_S(2),
    };
    kt_auto(kt_tls_config) *tls = NULL;
    kt_auto(kt_listener) *l = NULL;
    int rc = a->chain ? kt_tls_server_new(&secure, &tls) : 0;
    if (rc == 0)
        rc = kt_listen("127.0.0.1", 0, NULL, &l);
    if (rc < 0)
        return rc;
    o.tls = tls;
    printf("%u\n", kt_listener_port(l));
    fflush(stdout);
    return kt_http_serve(l, &o, answer, NULL);
}

int main(int argc, char **argv)
{
    bool secure = argc > 2;
    int rc =
        kt_run(KT_WITH(serve, .chain = secure ? argv[1] : NULL, .key = secure ? argv[2] : NULL));
    printf("ended: %s\n", kt_error_name(rc));
    return rc != -EINTR;
}
