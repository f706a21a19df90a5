/* SPDX-License-Identifier: MIT */
#include "say.h"

static int serve(kt_stream *s, void *arg)
{
    char byte;
    (void)arg;
    ssize_t n = kt_stream_read(s, &byte, 1);
    if (n == 0)
        say("server: client gone");
    return (int)n;
}

static int wait_closed(void *server)
{
    return kt_server_wait_closed(server);
}

static int body(void *arg)
{
    kt_listener *l = NULL;
    kt_auto(kt_server) *server = NULL;
    kt_auto(kt_stream) *s = NULL;
    char byte;
    (void)arg;
    sure(kt_listen("127.0.0.1", 0, NULL, &l));
    uint16_t port = kt_listener_port(l);
    sure(kt_server_start(l, NULL, serve, NULL, &server));
    sure(kt_stream_connect("127.0.0.1", port, &s));
    units(1);
    kt_server_close(server);
    kt_task *w = spawn(wait_closed, server, 0);
    units(1);
    say("closed %s", yes(kt_task_done(w)));
    kt_server_close_clients(server);
    units(1); /* a read that finds something does not let others go first, as Python's does */
    ssize_t n = kt_stream_read(s, &byte, 1);
    say("client read %s", n == 0 ? "(empty)" : "?");
    kt_stream_close(kt_steal(s));
    sure(kt_task_await(w));
    say("closed %s", yes(kt_task_done(w)));
    return kt_task_join(w);
}

int main(void)
{
    needs_reality("real sockets");
    return run(body);
}
