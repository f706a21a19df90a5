/* SPDX-License-Identifier: MIT */
#include "say.h"

/* A server: a listener, a task that accepts, and its connections in a group. */
typedef struct server {
    kt_listener *listener;
    kt_stream *client; /* the one there is */
} server;

static int serve(void *arg)
{
    server *v = arg;
    char byte;
    ssize_t n = kt_stream_read(v->client, &byte, 1);
    if (n == 0 || n == KT_ECLOSED)
        say("server: client gone");
    return 0;
}

/* Ends when the listener and then all clients are closed: close() and wait_closed(). */
static int run_server(void *arg)
{
    server *v = arg;
    kt_auto(kt_group) clients = KT_GROUP_INIT;
    int rc;
    while ((rc = kt_listener_accept(v->listener, &v->client)) >= 0)
        sure(kt_group_spawn(&clients, serve, v, 0));
    return kt_group_join(&clients, rc == KT_ECLOSED ? 0 : rc);
}

static int body(void *arg)
{
    server v = {NULL, NULL};
    kt_auto(kt_stream) *s = NULL;
    char byte;
    (void)arg;
    sure(kt_listen("127.0.0.1", 0, NULL, &v.listener));
    kt_task *w = spawn(run_server, &v, 0);
    sure(kt_stream_connect("127.0.0.1", kt_listener_port(v.listener), &s));
    units(1);
    kt_listener_close(v.listener);
    units(1);
    say("closed %s", yes(kt_task_done(w)));
    kt_stream_close(v.client);
    ssize_t n = kt_stream_read(s, &byte, 1);
    say("client read %s", n == 0 ? "(empty)" : "?");
    sure(kt_task_await(w));
    say("closed %s", yes(kt_task_done(w)));
    return kt_task_join(w);
}

int main(void)
{
    needs_reality("real sockets");
    return run(body);
}
