/* SPDX-License-Identifier: MIT */

/* What the parts about the web ask a server for. KETTLE_DRIVER picks the driver.
 *
 * usage: http_server PORT [FOLDER [CERTIFICATE KEY]]
 *
 *   /              fourteen bytes
 *   /slow          the same after 50 ms
 *   /files/NAME    a file of the folder
 *   /echo          WebSocket: says each message back, in a task
 *   /kept          WebSocket: the same, from a hub without a task
 *   /broadcast     WebSocket: what one says all get, from the hub */

#include <errno.h>
#include <kettle/http.h>
#include <kettle/http_files.h>
#include <kettle/kettle.h>
#include <kettle/websocket_hub.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 60000
/* Longer than a measurement, so that nobody who is idle is closed or asked. */
#define IDLE_MAX KT_S(600)

typedef struct parts {
    kt_http_folder *folder;
    kt_websocket_hub *kept, *everybody;
} parts;

static const kt_websocket_options plain = {.no_deflate = true, .ping_interval = -1};

static int echo(kt_http_exchange *x)
{
    kt_auto(kt_websocket) *ws = NULL;
    kt_websocket_message m;
    int rc = kt_websocket_accept(x, &plain, &ws);
    while (rc >= 0 && (rc = kt_websocket_read(ws, &m)) > 0)
        rc = kt_websocket_write(ws, m.kind, m.data.data, m.data.size);
    return rc;
}

static int keep(kt_http_exchange *x, kt_websocket_hub *hub, const char *topic)
{
    kt_auto(kt_websocket) *ws = NULL;
    int rc = kt_websocket_accept(x, &plain, &ws);
    if (rc == 0 && topic)
        rc = kt_websocket_hub_subscribe(hub, ws, topic);
    return rc < 0 ? rc : kt_websocket_hub_keep(hub, &ws);
}

static int say_back(kt_websocket_hub *hub, kt_websocket *ws, const kt_websocket_message *m, void *arg)
{
    (void)hub;
    (void)arg;
    return kt_websocket_write(ws, m->kind, m->data.data, m->data.size);
}

static int say_to_all(kt_websocket_hub *hub, kt_websocket *ws, const kt_websocket_message *m, void *arg)
{
    (void)ws;
    (void)arg;
    return kt_websocket_hub_publish(hub, "all", m->kind, m->data.data, m->data.size);
}

static bool is(kt_slice path, const char *name)
{
    return path.size == strlen(name) && memcmp(path.data, name, path.size) == 0;
}

static int hello(kt_http_exchange *x)
{
    return kt_http_respond(x, 200, "text/plain", "Hello, world!\n", 14);
}

static int slow(kt_http_exchange *x)
{
    int rc = kt_sleep(KT_MS(50));
    return rc < 0 ? rc : hello(x);
}

static int file(kt_http_exchange *x, kt_http_folder *folder, kt_slice name)
{
    int rc = folder ? kt_http_serve_folder(x, folder, name) : 0;
    return rc != 0 ? rc : kt_http_respond(x, 404, NULL, NULL, 0);
}

static int answer(kt_http_exchange *x, void *arg)
{
    parts *p = arg;
    kt_slice path = kt_http_path(x);
    if (path.size == 1)
        return hello(x);
    if (path.size > 7 && memcmp(path.data, "/files/", 7) == 0)
        return file(x, p->folder, (kt_slice){path.data + 7, path.size - 7});
    if (is(path, "/slow"))
        return slow(x);
    if (is(path, "/echo"))
        return echo(x);
    if (is(path, "/kept"))
        return keep(x, p->kept, NULL);
    if (is(path, "/broadcast"))
        return keep(x, p->everybody, "all");
    return kt_http_respond(x, 404, NULL, NULL, 0);
}

static int tls_config(char **files, kt_tls_config **ret_config)
{
    const kt_tls_certificate certificate = {.chain_file = files[0], .key_file = files[1]};
    static const char *const alpn[] = {"h2", "http/1.1", NULL};
    const kt_tls_server_options options = {
        .certificates = &certificate, .certificate_count = 1, .alpn = alpn, .no_resumption = true};
    return kt_tls_server_new(&options, ret_config);
}

KT_FN(serve, a, struct { uint16_t port; int words; char **word; })
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_tls_config) *tls = NULL;
    kt_auto(kt_http_folder) *folder = NULL;
    kt_auto(kt_websocket_hub) *kept = NULL;
    kt_auto(kt_websocket_hub) *everybody = NULL;
    const kt_websocket_hub_options back = {.on_message = say_back}, all = {.on_message = say_to_all};
    int rc = kt_listen("127.0.0.1", a->port, NULL, &l);
    if (rc == 0 && a->words > 0)
        rc = kt_http_folder_open(a->word[0], NULL, &folder);
    if (rc == 0 && a->words > 2)
        rc = tls_config(a->word + 1, &tls);
    if (rc == 0)
        rc = kt_websocket_hub_new(&back, &kept);
    if (rc == 0)
        rc = kt_websocket_hub_new(&all, &everybody);
    if (rc < 0)
        return rc;
    parts p = {folder, kept, everybody};
    const kt_http_options options = {.connections_max = CONNECTIONS_MAX,
                                     .idle_timeout = IDLE_MAX,
                                     .tls = tls,
                                     .stack_bytes = tls ? 65536 : 0};
    return kt_http_serve(l, &options, answer, &p);
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3 && argc != 5) {
        fprintf(stderr, "usage: http_server PORT [FOLDER [CERTIFICATE KEY]]\n");
        return 2;
    }
    int rc = kt_run(
        KT_WITH(serve, .port = (uint16_t)strtoul(argv[1], NULL, 10), .words = argc - 2, .word = argv + 2));
    if (rc < 0 && rc != -EINTR)
        fprintf(stderr, "http_server: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0 && rc != -EINTR;
}
