/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <ctype.h>

/* A protocol's callbacks are the lines of a function that reads; to pause reading is to stop its task. */

static int echo(kt_stream *s, void *arg)
{
    char bytes[64];
    ssize_t n;
    (void)arg;
    say("server: made");
    while ((n = kt_stream_read(s, bytes, sizeof bytes)) > 0) {
        say("server: data %.*s", (int)n, bytes);
        for (ssize_t i = 0; i < n; i++)
            bytes[i] = (char)toupper((unsigned char)bytes[i]);
        sure(kt_stream_write(s, bytes, (size_t)n));
    }
    if (n < 0)
        return (int)n;
    say("server: eof");
    (void)!kt_stream_write(s, "bye", 3); /* the client may have left */
    say("server: lost none");
    return 0;
}

static int silent(kt_stream *s, void *gone)
{
    (void)s;
    return kt_event_wait(gone);
}

typedef struct client {
    const char *name;
    kt_stream *s;
    kt_task *reader;
} client;

static int reads(void *arg)
{
    client *c = arg;
    char bytes[64];
    ssize_t n;
    while ((n = kt_stream_read(c->s, bytes, sizeof bytes)) > 0)
        say("%s data %.*s", c->name, (int)n, bytes);
    if (n == 0)
        say("%s eof", c->name);
    if (n == 0 || n == KT_ECLOSED)
        say("%s lost none", c->name);
    return n == KT_ECLOSED ? 0 : (int)n;
}

static void resume_reading(client *c)
{
    c->reader = spawn(reads, c, 0);
}

static void pause_reading(client *c)
{
    kt_task_cancel(c->reader);
    wait_end(c->reader);
    kt_task_detach(kt_steal(c->reader));
}

static client connect_as(const char *name, uint16_t port)
{
    client c = {.name = name};
    sure(kt_stream_connect("127.0.0.1", port, &c.s));
    units(1);
    return c;
}

static void half_closed(uint16_t port)
{
    client c = connect_as("A", port);
    say("A made, closing no");
    resume_reading(&c);
    sure(kt_stream_write(c.s, "one", 3));
    units(1);
    pause_reading(&c);
    say("reading %s", yes(c.reader));
    sure(kt_stream_write(c.s, "two", 3));
    units(1);
    say("resumes");
    resume_reading(&c);
    units(1);
    say("can write eof yes");
    sure(kt_stream_shutdown_write(c.s));
    sure(kt_task_join(c.reader));
    kt_stream_close(c.s);
}

static void swapped(uint16_t port)
{
    client c = connect_as("B", port);
    say("B made, closing no");
    resume_reading(&c);
    sure(kt_stream_write(c.s, "three", 5));
    units(1);
    c.name = "C";
    sure(kt_stream_write(c.s, "four", 4));
    units(1);
    say("closing yes");
    kt_stream_close(c.s);
    sure(kt_task_join(c.reader));
    units(1);
}

static int writes_many(void *s)
{
    static char bytes[8000000];
    return kt_stream_write(s, bytes, sizeof bytes);
}

static void aborted(uint16_t port)
{
    client c = connect_as("D", port);
    say("D made, closing no");
    resume_reading(&c);
    kt_task *writer = spawn(writes_many, c.s, 0);
    units(1);
    say("buffered %s", yes(!kt_task_done(writer)));
    kt_task_cancel(writer);
    bool dropped = kt_task_join(writer) == KT_ECANCELED;
    say("closing yes buffered %s", yes(!dropped));
    kt_stream_close(c.s);
    sure(kt_task_join(c.reader));
}

static kt_server *start(int (*handler)(kt_stream *, void *), void *arg, uint16_t *ret_port)
{
    kt_listener *l = NULL;
    kt_server *server = NULL;
    sure(kt_listen("127.0.0.1", 0, NULL, &l));
    *ret_port = kt_listener_port(l);
    sure(kt_server_start(l, NULL, handler, arg, &server));
    return server;
}

static int body(void *arg)
{
    kt_event gone = KT_EVENT_INIT;
    uint16_t port, silent_port;
    kt_auto(kt_server) *server = start(echo, NULL, &port);
    kt_auto(kt_server) *mute = start(silent, &gone, &silent_port);
    (void)arg, (void)server, (void)mute;
    half_closed(port);
    swapped(port);
    aborted(silent_port);
    return 0;
}

int main(void)
{
    needs_reality("real sockets");
    return run(body);
}
