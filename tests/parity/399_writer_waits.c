/* SPDX-License-Identifier: MIT */
#include "say.h"

enum { MANY = 16000000 };

static char bytes[MANY];
static kt_event gate = KT_EVENT_INIT;

static void say_line(const char *label, kt_stream *s)
{
    kt_slice line = {"(empty)", 7};
    sure(kt_stream_read_line(s, 60, &line));
    say("%s %.*s", label, (int)line.size, line.data);
}

static int serve(kt_stream *s, void *arg)
{
    static char piece[65536];
    size_t total = 0;
    ssize_t n;
    (void)arg;
    say_line("server: line", s);
    sure(kt_event_wait(&gate));
    while ((n = kt_stream_read(s, piece, sizeof piece)) > 0)
        total += (size_t)n;
    say("server: read %zu", total);
    return kt_stream_write(s, "thanks\n", 7);
}

static int resets(kt_stream *s, void *arg)
{
    char byte;
    (void)arg;
    sure(kt_stream_read_exactly(s, &byte, 1));
    return setsockopt(kt_stream_fd(s), SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
}

static kt_server *start(int (*handler)(kt_stream *, void *), kt_stream **ret_client)
{
    kt_listener *l = NULL;
    kt_server *server = NULL;
    sure(kt_listen("127.0.0.1", 0, NULL, &l));
    sure(kt_server_start(l, NULL, handler, NULL, &server));
    sure(kt_stream_connect("127.0.0.1", kt_listener_port(l), ret_client));
    return server;
}

static int writes_many(void *s)
{
    return kt_stream_write(s, bytes, sizeof bytes);
}

static void back_pressure(void)
{
    kt_auto(kt_stream) *s = NULL;
    kt_auto(kt_server) *server = start(serve, &s);
    struct iovec pieces[] = {{"he", 2}, {"", 0}, {"llo", 3}, {"\n", 1}};
    char byte;
    (void)server;
    sure(kt_stream_writev(s, pieces, 4));
    say("client: written");
    units(1);
    kt_task *t = spawn(writes_many, s, 0);
    units(2);
    say("client: drained %s", yes(kt_task_done(t)));
    kt_event_set(&gate);
    sure(kt_task_await(t));
    say("client: drained %s", yes(kt_task_done(t)));
    kt_task_detach(t);
    sure(kt_stream_shutdown_write(s));
    kt_slice line = {NULL, 0};
    sure(kt_stream_read_line(s, 60, &line));
    char reply[8] = "";
    memcpy(reply, line.data, line.size < 7 ? line.size : 7);
    ssize_t rest = kt_stream_read(s, &byte, 1);
    say("client: reply %s rest %s", reply, rest == 0 ? "(empty)" : "?");
}

static void lost(void)
{
    kt_auto(kt_stream) *s = NULL;
    kt_auto(kt_server) *server = start(resets, &s);
    char byte;
    (void)server;
    sure(kt_stream_write(s, "x", 1));
    units(1);
    if (kt_stream_read(s, &byte, 1) == -ECONNRESET)
        say("client: read reset");
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = kt_stream_write(s, "y", 1);
    if (rc == -ECONNRESET || rc == -EPIPE)
        say("client: write lost");
}

static int body(void *arg)
{
    (void)arg;
    back_pressure();
    lost();
    return 0;
}

int main(void)
{
    needs_reality("real sockets");
    return run(body);
}
