/* SPDX-License-Identifier: MIT */
#include "say.h"

static int wait_for_end(kt_stream *s)
{
    char byte;
    ssize_t n = kt_stream_read(s, &byte, 1);
    if (n == 0)
        say("server: client has left");
    return (int)n;
}

static int serve(kt_stream *s, void *arg)
{
    kt_slice line;
    char answer[64];
    (void)arg;
    int rc = kt_stream_read_line(s, 60, &line);
    if (rc <= 0)
        return rc;
    say("server: got %.*s", (int)line.size, line.data);
    if (kt_slice_is(line, "fail"))
        return raise_error("handler failed");
    if (kt_slice_is(line, "wait"))
        return wait_for_end(s);
    int n = snprintf(answer, sizeof answer, "<%.*s>\n", (int)line.size, line.data);
    return kt_stream_write(s, answer, (size_t)n);
}

static const char *answer_of(kt_stream *s, const char *line)
{
    static char answer[64];
    kt_slice got = {"(empty)", 7};
    sure(kt_stream_write(s, line, strlen(line)));
    sure(kt_stream_read_line(s, 60, &got));
    snprintf(answer, sizeof answer, "%.*s", (int)got.size, got.data);
    return answer;
}

static const char *ask(uint16_t port, const char *line)
{
    kt_auto(kt_stream) *s = NULL;
    sure(kt_stream_connect("127.0.0.1", port, &s));
    return answer_of(s, line);
}

static void on_error(const kt_unhandled *u, void *arg)
{
    (void)arg;
    say("handler told: %s", u->detail);
}

static int serve_forever(void *server)
{
    return kt_server_serve_forever(server);
}

static size_t sockets(const kt_server *s)
{
    kt_listener *l = kt_server_listener(s);
    return l ? kt_listener_count(l) : 0;
}

static kt_server *start(uint16_t *ret_port)
{
    kt_listener *l = NULL;
    kt_server *server = NULL;
    sure(kt_listen("127.0.0.1", 0, NULL, &l));
    *ret_port = kt_listener_port(l);
    sure(kt_server_start(l, NULL, serve, NULL, &server));
    return server;
}

static int body(void *arg)
{
    uint16_t port;
    (void)arg;
    kt_error_handler_set(on_error, NULL);
    kt_auto(kt_server) *server = start(&port);
    say("serving %s sockets %zu", yes(kt_server_is_serving(server)), sockets(server));
    say("client: answer %s", ask(port, "fail\n"));
    const char *answer = ask(port, "one\n");
    units(1);
    say("client: answers [%s none]", answer);
    kt_task *forever = spawn(serve_forever, server, 0);
    units(1);
    say("client: answer %s", ask(port, "two\n"));
    kt_task_cancel(forever);
    wait_end(forever);
    say("cancelled %s serving %s sockets %zu", yes(kt_task_cancelled(forever)), yes(kt_server_is_serving(server)),
        sockets(server));
    kt_task_detach(forever);
    return 0;
}

static int wait_closed(void *server)
{
    return kt_server_wait_closed(server);
}

static int closing_waits(void *arg)
{
    uint16_t port;
    (void)arg;
    kt_auto(kt_server) *server = start(&port);
    kt_auto(kt_stream) *s = NULL;
    sure(kt_stream_connect("127.0.0.1", port, &s));
    sure(kt_stream_write(s, "wait\n", 5));
    units(1);
    kt_server_close(server);
    kt_task *closed = spawn(wait_closed, server, 0);
    units(1);
    say("closed %s", yes(kt_task_done(closed)));
    kt_stream_close(kt_steal(s));
    sure(kt_task_await(closed));
    say("closed %s", yes(kt_task_done(closed)));
    kt_task_detach(closed);
    kt_server_close(server);
    return kt_server_wait_closed(server);
}

static void say_refusal(const char *path, int error, const char *text)
{
    kt_auto(kt_stream) *s = NULL;
    int rc = kt_stream_connect_unix(path, &s);
    if (rc == error)
        say("%s", text);
}

static int local(void *arg)
{
    char folder[] = "/tmp/kettle-parity-XXXXXX", path[64], byte;
    (void)arg;
    if (!mkdtemp(folder))
        return -errno;
    snprintf(path, sizeof path, "%s/socket", folder);
    kt_listener *l = NULL;
    kt_auto(kt_server) *server = NULL;
    kt_auto(kt_stream) *s = NULL;
    sure(kt_listen_unix(path, NULL, &l));
    sure(kt_server_start(l, NULL, serve, NULL, &server));
    sure(kt_stream_connect_unix(path, &s));
    const char *answer = answer_of(s, "unix\n");
    ssize_t rest = kt_stream_read(s, &byte, 1);
    say("client: answer %s rest %s", answer, rest == 0 ? "(empty)" : "?");
    kt_stream_close(kt_steal(s));
    kt_server_close(server);
    sure(kt_server_wait_closed(server));
    say_refusal(path, -ENOENT, "client: nobody there");
    snprintf(path, sizeof path, "%s/none", folder);
    say_refusal(path, -ENOENT, "client: no such path");
    return rmdir(folder) < 0 ? -errno : 0;
}

int main(void)
{
    needs_reality("real sockets");
    return run(body) || run(closing_waits) || run(local);
}
