/* SPDX-License-Identifier: MIT */
/* The server that server_peers.py drives with real clients. Prints its port, and at the end a line.
 *
 *   /hello      "hello\n"                    /echo    the body, in pieces, as it comes
 *   /whole      the body, read first         /count   ?n lines, in pieces
 *   /slow       "slow\n" after 0.3 s         /events  three events and the end
 *   /page       a file from memory           /fail    a failing handler */
#include <errno.h>
#include <kettle/http.h>
#include <kettle/kettle.h>
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

static int answer(kt_http_exchange *x, void *arg)
{
    static const struct {
        const char *path;
        int (*run)(kt_http_exchange *x);
    } routes[] = {
        {"/hello", say_hello}, {"/echo", echo},     {"/whole", whole}, {"/count", count},
        {"/slow", slow},       {"/events", events}, {"/page", page},   {"/fail", fail},
    };
    (void)arg;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (kt_slice_is(kt_http_path(x), routes[i].path))
            return routes[i].run(x);
    return kt_http_respond(x, 404, "text/plain", "not here\n", 9);
}

static int serve(void *arg)
{
    static const kt_http_options o = {
        .body_bytes_max = (uint64_t)64 * 1024 * 1024,
        .head_timeout = KT_S(2),
    };
    (void)arg;
    kt_auto(kt_listener) *l = NULL;
    int rc = kt_listen("127.0.0.1", 0, NULL, &l);
    if (rc < 0)
        return rc;
    printf("%u\n", kt_listener_port(l));
    fflush(stdout);
    return kt_http_serve(l, &o, answer, NULL);
}

int main(void)
{
    int rc = kt_run(serve, NULL, 0);
    printf("ended: %s\n", kt_error_name(rc));
    return rc != -EINTR;
}
