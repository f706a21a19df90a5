/* SPDX-License-Identifier: MIT */
/* An echo server and two of its clients, in one program: each connection is a task. */
#include <errno.h>
#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(echo, a, struct { kt_stream *stream; })
{
    kt_auto(kt_stream) *s = a->stream; /* closed on any way out */
    kt_slice line;
    int rc;
    while ((rc = kt_stream_read_line(s, 4096, &line)) > 0) {
        struct iovec answer[] = {{"echo: ", 6}, {(void *)(uintptr_t)line.data, line.size}, {"\n", 1}};
        rc = kt_stream_writev(s, answer, 3);
        if (rc < 0)
            return 0; /* the peer is gone, which is no failure of the server */
    }
    return kt_is_cancel(rc) ? rc : 0;
}

static int serve(void *arg)
{
    kt_listener *l = arg;
    kt_auto(kt_group) connections = KT_GROUP_INIT;
    int rc;
    for (;;) {
        kt_stream *s = NULL;
        rc = kt_listener_accept(l, &s);
        if (rc == 0)
            rc = kt_group_spawn(&connections, KT_WITH(echo, s));
        if (rc < 0) {
            kt_stream_close(s); /* if nobody took it over */
            return kt_group_join(&connections, rc);
        }
    }
}

static int talk(uint16_t port, const char *text)
{
    kt_auto(kt_stream) *s = NULL;
    kt_slice line;
    int rc = kt_stream_connect("127.0.0.1", port, &s);
    if (rc == 0)
        rc = kt_stream_write(s, text, strlen(text));
    if (rc == 0)
        rc = kt_stream_shutdown_write(s);
    while (rc == 0 && (rc = kt_stream_read_line(s, 4096, &line)) > 0) {
        printf("%.*s\n", (int)line.size, line.data);
        rc = 0;
    }
    return rc;
}

static int run(void *arg)
{
    (void)arg;
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_group) server = KT_GROUP_INIT; /* ends before the listener does */
    int rc = kt_listen("127.0.0.1", 0, NULL, &l);
    if (rc == 0)
        rc = kt_group_spawn(&server, serve, l, 0);
    if (rc == 0)
        rc = talk(kt_listener_port(l), "one\ntwo\n");
    if (rc == 0)
        rc = talk(kt_listener_port(l), "and a last line without an end");
    kt_group_cancel(&server);
    return kt_group_join(&server, rc);
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0 && rc != -EINTR) {
        fprintf(stderr, "echo_server: %s (%s)\n", kt_strerror(rc), kt_error_detail());
        return 1;
    }
    return 0;
}
