/* SPDX-License-Identifier: MIT */
/* A server that says every message back: try it from a browser's console, stop it with Ctrl-C.
 *
 *     ws = new WebSocket('ws://127.0.0.1:9001'); ws.onmessage = m => console.log(m.data);
 *     ws.onopen = () => ws.send('hi')
 *
 * usage: websocket_echo [PORT] */
#include <errno.h>
#include <kettle/kettle.h>
#include <kettle/websocket.h>
#include <stdio.h>
#include <stdlib.h>

/* Anybody may talk to it, from pages of any origin; a server with secrets leaves `origins` alone. */
static const char *const any[] = {"*", NULL};
static const kt_websocket_options options = {.origins = any, .message_bytes_max = (size_t)64 * 1024 * 1024};

static int echo(kt_http_exchange *x, void *arg)
{
    (void)arg;
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    int rc = kt_websocket_accept(x, &options, &ws);
    while (rc >= 0 && (rc = kt_websocket_read(ws, &m)) > 0)
        rc = kt_websocket_write(ws, m.kind, m.data.data, m.data.size);
    return rc;
}

KT_FN(serve, a, struct { uint16_t port; })
{
    kt_auto(kt_listener) *l = NULL;
    int rc = kt_listen("127.0.0.1", a->port, NULL, &l);
    if (rc < 0)
        return rc;
    printf("ws://127.0.0.1:%u\n", kt_listener_port(l));
    fflush(stdout);
    return kt_http_serve(l, NULL, echo, NULL); /* until Ctrl-C cancels this task */
}

int main(int argc, char **argv)
{
    uint16_t port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 9001;
    int rc = kt_run(KT_WITH(serve, .port = port));
    if (rc < 0 && rc != -EINTR) {
        fprintf(stderr, "websocket_echo: %s (%s)\n", kt_strerror(rc), kt_error_detail());
        return 1;
    }
    return 0;
}
