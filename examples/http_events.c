/* SPDX-License-Identifier: MIT */
/* A page that follows a clock by Server-Sent Events: http://127.0.0.1:8080, stop it with Ctrl-C.
 *
 * usage: http_events [PORT] */
#include <errno.h>
#include <kettle/http.h>
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char page[] = "<!doctype html><title>clock</title><h1 id=now>...</h1>\n"
                           "<script src=/clock.js></script>\n";
static const char script[] = "new EventSource('/events').addEventListener('tick', e => {\n"
                             "    document.getElementById('now').textContent = e.data;\n"
                             "});\n";

static const kt_http_asset assets[] = {
    {"/", "text/html; charset=utf-8", NULL, page, sizeof page - 1},
    {"/clock.js", "text/javascript; charset=utf-8", NULL, script, sizeof script - 1},
};

/* Runs as long as the browser listens: a write to one that left fails, and a server that stops
 * cancels the sleep. */
static int tell_time(kt_http_exchange *x)
{
    int rc = kt_http_events_start(x);
    for (unsigned id = 1; rc == 0; id++) {
        char number[16], text[32];
        struct tm t;
        time_t now = time(NULL);
        snprintf(number, sizeof number, "%u", id);
        size_t size = strftime(text, sizeof text, "%H:%M:%S", localtime_r(&now, &t));
        rc = kt_http_event(x, "tick", number, text, size);
        if (rc == 0)
            rc = kt_sleep(KT_S(1));
    }
    return rc;
}

static int answer(kt_http_exchange *x, void *arg)
{
    (void)arg;
    if (kt_slice_is(kt_http_path(x), "/events"))
        return tell_time(x);
    int rc = kt_http_serve_assets(x, assets, sizeof assets / sizeof assets[0]);
    return rc == 0 ? kt_http_respond(x, 404, "text/plain", "not here\n", 9) : rc;
}

KT_FN(serve, a, struct { uint16_t port; })
{
    kt_auto(kt_listener) *l = NULL;
    int rc = kt_listen("127.0.0.1", a->port, NULL, &l);
    if (rc < 0)
        return rc;
    printf("http://127.0.0.1:%u\n", kt_listener_port(l));
    fflush(stdout);
    return kt_http_serve(l, NULL, answer, NULL);
}

int main(int argc, char **argv)
{
    uint16_t port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 8080;
    int rc = kt_run(KT_WITH(serve, .port = port));
    if (rc < 0 && rc != -EINTR) {
        fprintf(stderr, "http_events: %s\n", kt_strerror(rc));
        return 1;
    }
    return 0;
}
