/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <ctype.h>

static int serve(kt_stream *s, void *arg)
{
    kt_slice line;
    char text[64];
    int rc;
    (void)arg;
    say("server: client connected");
    while ((rc = kt_stream_read_line(s, 60, &line)) == 1) {
        say("server: got %.*s", (int)line.size, line.data);
        for (size_t i = 0; i < line.size; i++)
            text[i] = (char)toupper((unsigned char)line.data[i]);
        text[line.size] = '\n';
        sure(kt_stream_write(s, text, line.size + 1));
    }
    if (rc < 0)
        return rc;
    say("server: end of input");
    return kt_stream_write(s, "bye\n", 4);
}

static kt_stream *connect_to(uint16_t port)
{
    kt_stream *s = NULL;
    sure(kt_stream_connect("127.0.0.1", port, &s));
    return s;
}

static void say_reply(const char *label, kt_stream *s)
{
    kt_slice line = {"(empty)", 7};
    sure(kt_stream_read_line(s, 60, &line));
    say("client: %s %.*s", label, (int)line.size, line.data);
}

static void two_lines(uint16_t port)
{
    kt_auto(kt_stream) *s = connect_to(port);
    static const char *const lines[] = {"one\n", "two\n"};
    for (int i = 0; i < 2; i++) {
        sure(kt_stream_write(s, lines[i], 4));
        say_reply("reply", s);
    }
    sure(kt_stream_shutdown_write(s));
    say_reply("reply", s);
    say_reply("rest", s);
}

static void server_closes(kt_server *server, uint16_t port)
{
    kt_auto(kt_stream) *s = connect_to(port);
    kt_auto(kt_stream) *late = NULL;
    sure(kt_stream_write(s, "three\n", 6));
    say_reply("reply", s);
    kt_server_close(server);
    say("serving %s", yes(kt_server_is_serving(server)));
    int rc = kt_stream_connect("127.0.0.1", port, &late);
    say(rc == -ECONNREFUSED ? "client: refused" : "client: connected");
    sure(kt_stream_write(s, "four\n", 5));
    say_reply("reply", s);
    sure(kt_stream_shutdown_write(s));
    say_reply("rest", s);
    sure(kt_server_wait_closed(server));
}

static int body(void *arg)
{
    kt_listener *l;
    kt_auto(kt_server) *server = NULL;
    (void)arg;
    sure(kt_listen("127.0.0.1", 0, NULL, &l));
    uint16_t port = kt_listener_port(l);
    sure(kt_server_start(l, NULL, serve, NULL, &server));
    say("serving %s", yes(kt_server_is_serving(server)));
    two_lines(port);
    server_closes(server, port);
    return 0;
}

int main(void)
{
    needs_reality("real sockets");
    return run(body);
}
