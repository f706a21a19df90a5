/* SPDX-License-Identifier: MIT */

/* Hello, world over HTTP. KETTLE_DRIVER picks the driver.
 *
 * usage: http_server PORT */

#include <errno.h>
#include <kettle/http.h>
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>

static int hello(kt_http_exchange *x, void *arg)
{
    (void)arg;
    return kt_http_respond(x, 200, "text/plain", "Hello, world!\n", 14);
}

KT_FN(serve, a, struct { uint16_t port; })
{
    kt_auto(kt_listener) *l = NULL;
    int rc = kt_listen("127.0.0.1", a->port, NULL, &l);
    return rc < 0 ? rc : kt_http_serve(l, NULL, hello, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: http_server PORT\n");
        return 2;
    }
    int rc = kt_run(KT_WITH(serve, .port = (uint16_t)strtoul(argv[1], NULL, 10)));
    if (rc < 0 && rc != -EINTR)
        fprintf(stderr, "http_server: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0 && rc != -EINTR;
}
