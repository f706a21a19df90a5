/* SPDX-License-Identifier: MIT */

/* An echo server with libuv at its best: no allocation a message, and the answer is written on the
 * spot; what does not fit into the socket is copied and left to the loop.
 *
 * usage: uv_echo PORT */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

typedef struct client {
    uv_tcp_t tcp;
    char bytes[4096];
} client;

typedef struct rest {
    uv_write_t request;
    uv_buf_t bytes;
} rest;

static void check(int rc, const char *what)
{
    if (rc < 0) {
        fprintf(stderr, "uv_echo: %s: %s\n", what, uv_strerror(rc));
        exit(1);
    }
}

static void closed(uv_handle_t *h)
{
    free(h->data);
}

static void written(uv_write_t *request, int status)
{
    (void)status; /* the next read tells */
    free(request->data);
}

static void write_rest(uv_stream_t *s, const char *bytes, size_t size)
{
    rest *r = malloc(sizeof *r + size);
    if (!r)
        check(UV_ENOMEM, "write");
    r->bytes = uv_buf_init((char *)(r + 1), (unsigned)size);
    r->request.data = r;
    memcpy(r->bytes.base, bytes, size);
    check(uv_write(&r->request, s, &r->bytes, 1, written), "write");
}

static void room(uv_handle_t *h, size_t suggested, uv_buf_t *ret_buffer)
{
    (void)suggested;
    client *c = h->data;
    *ret_buffer = uv_buf_init(c->bytes, sizeof c->bytes);
}

static void arrived(uv_stream_t *s, ssize_t n, const uv_buf_t *buffer)
{
    if (n < 0) {
        uv_close((uv_handle_t *)s, closed);
        return;
    }
    if (n == 0)
        return;
    uv_buf_t answer = uv_buf_init(buffer->base, (unsigned)n);
    int sent = uv_try_write(s, &answer, 1);
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent < 0)
        uv_close((uv_handle_t *)s, closed);
    else if (sent < n)
        write_rest(s, buffer->base + sent, (size_t)(n - sent));
}

static void connected(uv_stream_t *listener, int status)
{
    check(status, "accept");
    client *c = malloc(sizeof *c);
    if (!c)
        check(UV_ENOMEM, "accept");
    check(uv_tcp_init(listener->loop, &c->tcp), "init");
    c->tcp.data = c;
    check(uv_accept(listener, (uv_stream_t *)&c->tcp), "accept");
    check(uv_tcp_nodelay(&c->tcp, 1), "nodelay");
    check(uv_read_start((uv_stream_t *)&c->tcp, room, arrived), "read");
}

int main(int argc, char **argv)
{
    uv_tcp_t listener;
    struct sockaddr_in address;
    if (argc != 2) {
        fprintf(stderr, "usage: uv_echo PORT\n");
        return 2;
    }
    check(uv_ip4_addr("127.0.0.1", (int)strtol(argv[1], NULL, 10), &address), "address");
    check(uv_tcp_init(uv_default_loop(), &listener), "init");
    check(uv_tcp_bind(&listener, (struct sockaddr *)&address, 0), "bind");
    check(uv_listen((uv_stream_t *)&listener, 4096, connected), "listen");
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
