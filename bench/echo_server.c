/* SPDX-License-Identifier: MIT */

/* The echo server as one writes it with Kettle: a task a connection. KETTLE_DRIVER picks the
 * driver.
 *
 * usage: echo_server PORT */

#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>
#include <stdlib.h>

KT_FN(echo, a, struct { kt_stream *stream; })
{
    kt_auto(kt_stream) *s = a->stream;
    char bytes[4096];
    for (;;) {
        ssize_t n = kt_stream_read(s, bytes, sizeof bytes);
        if (n <= 0)
            return 0; /* the client is gone, which is no failure of the server */
        if (kt_stream_write(s, bytes, (size_t)n) < 0)
            return 0;
    }
}

KT_FN(serve, a, struct { uint16_t port; })
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_group) clients = KT_GROUP_INIT;
    int rc = kt_listen("127.0.0.1", a->port, NULL, &l);
    while (rc == 0) {
        kt_stream *s;
        rc = kt_listener_accept(l, &s);
        if (rc < 0)
            break;
        rc = kt_group_spawn(&clients, KT_WITH(echo, .stream = s));
        if (rc < 0)
            kt_stream_close(s);
    }
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: echo_server PORT\n");
        return 2;
    }
    int rc = kt_run(KT_WITH(serve, .port = (uint16_t)strtoul(argv[1], NULL, 10)));
    if (rc < 0 && rc != -EINTR)
        fprintf(stderr, "echo_server: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0 && rc != -EINTR;
}
