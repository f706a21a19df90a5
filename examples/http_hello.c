/* SPDX-License-Identifier: MIT */
/* A web server that greets: try http://127.0.0.1:8080/?name=Ada, stop it with Ctrl-C.
 *
 * usage: http_hello [PORT] */
#include <errno.h>
#include <kettle/http.h>
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>

static int greet(kt_http_exchange *x, void *arg)
{
    (void)arg;
    if (!kt_slice_is(kt_http_path(x), "/"))
        return kt_http_respond(x, 404, "text/plain", "not here\n", 9);
    kt_slice name = kt_slice_from("world");
    int rc = kt_http_query(x, "name", &name);
    if (rc < 0)
        return rc; /* nothing was answered: the server says 500 */
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    rc = kt_buffer_printf(&text, "Hello, %.*s!\n", (int)name.size, name.data);
    if (rc < 0)
        return rc;
    return kt_http_respond(x, 200, "text/plain; charset=utf-8", text.data, text.size);
}

KT_FN(serve, a, struct { uint16_t port; })
{
    kt_auto(kt_listener) *l = NULL;
    int rc = kt_listen("127.0.0.1", a->port, NULL, &l);
    if (rc < 0)
        return rc;
    printf("http://127.0.0.1:%u\n", kt_listener_port(l));
    fflush(stdout);
    return kt_http_serve(l, NULL, greet, NULL); /* until Ctrl-C cancels this task */
}

int main(int argc, char **argv)
{
    uint16_t port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 8080;
    int rc = kt_run(KT_WITH(serve, .port = port));
    if (rc < 0 && rc != -EINTR) {
        fprintf(stderr, "http_hello: %s\n", kt_strerror(rc));
        return 1;
    }
    return 0;
}
