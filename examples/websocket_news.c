/* SPDX-License-Identifier: MIT */
/* News for very many: whoever connects gets what anybody says, and costs no task. Stop it with Ctrl-C.
 *
 *     ws = new WebSocket('ws://127.0.0.1:9002'); ws.onmessage = m => console.log(m.data);
 *     ws.onopen = () => ws.send('hi, all')
 *
 * usage: websocket_news [PORT] */
#include <kettle/kettle.h>
#include <kettle/websocket_hub.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int tell_all(kt_websocket_hub *hub, kt_websocket *ws, const kt_websocket_message *m, void *arg)
{
    (void)ws;
    (void)arg;
    return kt_websocket_hub_publish(hub, "news", m->kind, m->data.data, m->data.size);
}

/* Anybody may talk to it, from pages of any origin; a server with secrets leaves `origins` alone. */
static const char *const any[] = {"*", NULL};
static const kt_websocket_options options = {.origins = any, .no_deflate = true};

/* Its connection goes on without it. */
static int subscribe(kt_http_exchange *x, void *hub)
{
    kt_auto(kt_websocket) *ws = NULL;
    int rc = kt_websocket_accept(x, &options, &ws);
    if (rc == 0)
        rc = kt_websocket_hub_subscribe(hub, ws, "news");
    if (rc == 0)
        rc = kt_websocket_hub_keep(hub, &ws);
    return rc;
}

KT_FN(serve, a, struct { uint16_t port; })
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_websocket_hub) *hub = NULL;
    const kt_websocket_hub_options o = {.on_message = tell_all};
    int rc = kt_listen("127.0.0.1", a->port, NULL, &l);
    if (rc == 0)
        rc = kt_websocket_hub_new(&o, &hub);
    if (rc < 0)
        return rc;
    printf("ws://127.0.0.1:%u\n", kt_listener_port(l));
    fflush(stdout);
    return kt_http_serve(l, NULL, subscribe, hub); /* until Ctrl-C cancels this task */
}

int main(int argc, char **argv)
{
    uint16_t port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 9002;
    int rc = kt_run(KT_WITH(serve, .port = port));
    if (rc < 0 && rc != -EINTR) {
        fprintf(stderr, "websocket_news: %s (%s)\n", kt_strerror(rc), kt_error_detail());
        return 1;
    }
    return 0;
}
