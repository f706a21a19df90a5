/* SPDX-License-Identifier: MIT */
#include "say.h"

static int accepts(void *arg)
{
    void **of = arg;
    return kt_listener_accept(of[0], (kt_stream **)of[1]);
}

KT_FN(receiver, a, struct {
    const char *name;
    kt_stream *s;
    size_t size;
})
{
    char bytes[16];
    ssize_t n = kt_stream_read(a->s, bytes, a->size);
    if (n == 0)
        say("%s got (empty)", a->name);
    else if (n > 0)
        say("%s got %.*s", a->name, (int)n, bytes);
    return n < 0 ? (int)n : 0;
}

static bool is_peer(kt_stream *s, kt_stream *other)
{
    kt_address peer = {.size = 0}, own = {.size = sizeof own.storage};
    sure(kt_stream_peer(s, &peer.storage, &peer.size));
    sure(getsockname(kt_stream_fd(other), &own.any, &own.size));
    return kt_address_equal(&peer, &own);
}

static void say_timeout(kt_stream *s)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    char bytes[16];
    kt_timeout_start(&limit, U);
    if (kt_timeout_end(&limit, (int)kt_stream_read(s, bytes, sizeof bytes)) == KT_ETIMEDOUT)
        say("timeout");
}

static void received(kt_stream *server, kt_stream *client)
{
    kt_task *t = spawn(KT_WITH(receiver, "A", server, 10));
    units(1);
    kt_task_cancel(t);
    wait_end(t);
    say("A cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
    sure(kt_stream_write(client, "hello", 5));
    sure(receiver(&(receiver_args){"B", server, 2}));
    sure(receiver(&(receiver_args){"B", server, 10}));
    char buffer[4];
    sure(kt_stream_write(client, "into", 4));
    ssize_t n = kt_stream_read(server, buffer, sizeof buffer);
    say("into %zd %.*s", n, (int)n, buffer);
    say_timeout(server);
    kt_stream_close(client);
    sure(receiver(&(receiver_args){"C", server, 10}));
}

static void streams(void)
{
    kt_auto(kt_listener) *l = NULL;
    kt_auto(kt_stream) *server = NULL, *late = NULL;
    kt_stream *client = NULL;
    sure(kt_listen("127.0.0.1", 0, NULL, &l));
    uint16_t port = kt_listener_port(l);
    kt_task *t = spawn(accepts, (void *[]){l, &server}, 2 * sizeof(void *));
    units(1);
    say("accepted %s", yes(kt_task_done(t)));
    sure(kt_stream_connect("127.0.0.1", port, &client));
    sure(kt_task_await(t));
    say("accepted %s peer %s", yes(kt_task_done(t)), yes(is_peer(server, client)));
    kt_task_detach(t);
    received(server, client);
    kt_listener_close(kt_steal(l));
    if (kt_stream_connect("127.0.0.1", port, &late) == -ECONNREFUSED)
        say("refused");
}

static int answers(void *u)
{
    char bytes[64] = "<";
    kt_address from;
    ssize_t n;
    while ((n = kt_udp_receive(u, bytes + 1, sizeof bytes - 2, &from, NULL)) >= 0) {
        say("server got %.*s", (int)n, bytes + 1);
        bytes[n + 1] = '>';
        sure(kt_udp_send_to(u, bytes, (size_t)n + 2, &from));
    }
    return n == KT_ECLOSED ? 0 : (int)n;
}

static int hears(void *u)
{
    char bytes[64];
    for (;;) {
        ssize_t n = kt_udp_receive(u, bytes, sizeof bytes, NULL, NULL);
        if (n >= 0)
            say("client got %.*s", (int)n, bytes);
        else if (n == -ECONNREFUSED)
            say("client error %s", kt_strerror((int)n));
        else
            break;
    }
    say("client lost none");
    return 0;
}

static void datagrams(void)
{
    kt_udp *server = NULL, *client = NULL;
    kt_address name;
    sure(kt_udp_bind("127.0.0.1", 0, NULL, &server));
    sure(kt_udp_local(server, &name));
    sure(kt_udp_connect("127.0.0.1", kt_address_port(&name), NULL, &client));
    kt_task *a = spawn(answers, server, 0), *h = spawn(hears, client, 0);
    static const char *const words[] = {"one", "two"};
    for (int i = 0; i < 2; i++) {
        sure(kt_udp_send(client, words[i], 3));
        units(1);
    }
    kt_udp_close(server);
    sure(kt_task_join(a));
    units(1);
    sure(kt_udp_send(client, "nobody", 6));
    units(1);
    kt_udp_close(client);
    sure(kt_task_join(h));
}

static int receives(void *u)
{
    char bytes[100];
    return (int)kt_udp_receive(u, bytes, sizeof bytes, NULL, NULL);
}

static void by_hand(void)
{
    kt_auto(kt_udp) *a = NULL, *b = NULL;
    kt_address of_a, of_b, from;
    char bytes[3];
    sure(kt_udp_bind("127.0.0.1", 0, NULL, &a));
    sure(kt_udp_bind("127.0.0.1", 0, NULL, &b));
    sure(kt_udp_local(a, &of_a));
    sure(kt_udp_local(b, &of_b));
    kt_task *t = spawn(receives, b, 0);
    units(1);
    kt_task_cancel(t);
    wait_end(t);
    kt_task_detach(t);
    sure(kt_udp_send_to(a, "abcdef", 6, &of_b));
    say("sent 6");
    ssize_t n = kt_udp_receive(b, bytes, sizeof bytes, &from, NULL);
    say("got %.*s from a %s", (int)n, bytes, yes(kt_address_equal(&from, &of_a)));
}

static int body(void *arg)
{
    (void)arg;
    streams();
    datagrams();
    by_hand();
    return 0;
}

int main(void)
{
    needs_reality("real sockets");
    return run(body);
}
