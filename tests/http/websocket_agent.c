/* SPDX-License-Identifier: MIT */
/* A client that says back whatever a server says, for suites that test clients so: it asks the server how many cases it
 * has, takes part in each, and has it write its report (the protocol of Autobahn's fuzzing server).
 *
 * usage: websocket_agent URL [AGENT [http2]] */
#include <errno.h>
#include <kettle/kettle.h>
#include <kettle/websocket.h>
#include <stdio.h>
#include <stdlib.h>

static const kt_websocket_options options = {.message_bytes_max = (size_t)64 * 1024 * 1024};

/* What the cases do wrong on purpose is no failure of this program. */
static int take_part(kt_http_session *web, const char *url)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    int rc = kt_websocket_connect(web, url, &options, &ws);
    if (rc < 0)
        return rc;
    while ((rc = kt_websocket_read(ws, &m)) > 0 && (rc = kt_websocket_write(ws, m.kind, m.data.data, m.data.size)) == 0)
        ;
    return 0;
}

static int count_cases(kt_http_session *web, const char *url, int *ret_count)
{
    char text[12] = "";
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    int rc = kt_websocket_connect(web, url, &options, &ws);
    if (rc == 0)
        rc = kt_websocket_read(ws, &m);
    if (rc <= 0 || m.data.size >= sizeof text)
        return rc < 0 ? rc : -EPROTO;
    memcpy(text, m.data.data, m.data.size);
    *ret_count = (int)strtol(text, NULL, 10);
    return 0;
}

KT_FN(run_cases, a, struct {
    const char *url, *agent;
    kt_http_protocol version;
})
{
    char url[500];
    int count = 0;
    kt_auto(kt_http_session) *web = NULL;
    snprintf(url, sizeof url, "%s/getCaseCount", a->url);
    int rc = kt_http_session_open(&(kt_http_session_options){.version = a->version}, &web);
    if (rc == 0)
        rc = count_cases(web, url, &count);
    for (int i = 1; rc == 0 && i <= count; i++) {
        snprintf(url, sizeof url, "%s/runCase?case=%d&agent=%s", a->url, i, a->agent);
        rc = take_part(web, url);
    }
    snprintf(url, sizeof url, "%s/updateReports?agent=%s", a->url, a->agent);
    if (rc == 0)
        rc = take_part(web, url);
    if (rc == 0)
        printf("%d cases\n", count);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: websocket_agent URL [AGENT [http2]]\n");
        return 2;
    }
    kt_http_protocol version = argc > 3 && strcmp(argv[3], "http2") == 0 ? KT_HTTP_2 : KT_HTTP_AUTO;
    int rc = kt_run(KT_WITH(run_cases, .url = argv[1], .agent = argc > 2 ? argv[2] : "kettle", .version = version));
    if (rc < 0)
        fprintf(stderr, "websocket_agent: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0;
}
