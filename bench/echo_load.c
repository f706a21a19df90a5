/* SPDX-License-Identifier: MIT */

/* Loads an echo server: each connection sends a message, waits for it to come back, and sends the
 * next. Plain epoll, the same for every server that is measured.
 *
 * usage: echo_load PORT CONNECTIONS BYTES SECONDS [PATH [all]]
 *
 * With a path the messages are those of a WebSocket there. With "all" the server says each to everybody: one
 * connection sends, and sends the next when all have got it.
 *
 * Prints one JSON object: messages that were received, those of the first tenth included, which only warms up; rate
 * and latencies of the rest. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1000
#define BYTES_MAX 65535
#define FRAME_MAX (BYTES_MAX + 8)
#define BUCKETS 100000 /* of a microsecond; the last one holds what is slower */

typedef struct connection {
    int fd;
    size_t got;
    int64_t sent_at;
} connection;

/* What is sent, and what comes for it: the same, but for a WebSocket's frames. */
typedef struct text {
    size_t size;
    char bytes[FRAME_MAX];
} text;

static connection connections[CONNECTIONS_MAX];
static long count, missing; /* for "all": who has not got the message yet */
static int to_all;
static uint32_t latencies[BUCKETS];
static text question, answer;
static long messages;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int dial(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        die("TCP_NODELAY");
    return fd;
}

static void wrong(void)
{
    fprintf(stderr, "echo_load: the server closed or answered something else\n");
    exit(1);
}

static void send_all(int fd, const char *bytes, size_t size)
{
    if (send(fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("send");
}

/* One binary message (RFC 6455 section 5.2). A mask of zeros is one: it leaves the bytes as they are. */
static void frame(text *t, size_t size, int masked)
{
    unsigned char head[8] = {0x82, (unsigned char)(size < 126 ? size : 126), (unsigned char)(size >> 8),
                             (unsigned char)size};
    size_t n = size < 126 ? 2 : 4;
    head[1] |= masked ? 0x80 : 0;
    memset(head + n, 0, 4);
    n += masked ? 4 : 0;
    memcpy(t->bytes, head, n);
    memset(t->bytes + n, 'k', size);
    t->size = n + size;
}

static void upgrade(int fd, const char *path)
{
    char bytes[1024];
    size_t got = 0;
    int n = snprintf(bytes, sizeof bytes,
                     "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                     path);
    if (n < 0 || n >= (int)sizeof bytes)
        wrong();
    send_all(fd, bytes, (size_t)n);
    while (got < 4 || memcmp(bytes + got - 4, "\r\n\r\n", 4) != 0) {
        ssize_t more = recv(fd, bytes + got, sizeof bytes - got, 0);
        if (more <= 0)
            wrong();
        got += (size_t)more;
    }
    if (memcmp(bytes, "HTTP/1.1 101", 12) != 0)
        wrong();
}

static void say(connection *c)
{
    c->sent_at = now_ns();
    missing = count;
    send_all(c->fd, question.bytes, question.size);
}

static void hear(connection *c)
{
    static char bytes[FRAME_MAX];
    ssize_t n = recv(c->fd, bytes, answer.size - c->got, 0);
    if (n <= 0 || memcmp(bytes, answer.bytes + c->got, (size_t)n) != 0)
        wrong();
    c->got += (size_t)n;
    if (c->got < answer.size)
        return;
    c->got = 0;
    messages++;
    if (to_all && --missing > 0)
        return;
    connection *sender = to_all ? &connections[0] : c;
    int64_t took = (now_ns() - sender->sent_at) / 1000;
    latencies[took < BUCKETS ? took : BUCKETS - 1]++;
    say(sender);
}

static void run_until(int epoll, int64_t end)
{
    struct epoll_event events[256];
    while (now_ns() < end) {
        int n = epoll_wait(epoll, events, 256, 100);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++)
            hear(events[i].data.ptr);
    }
}

static long percentile(double part)
{
    long below = 0, bucket = 0, every = 0;
    for (long i = 0; i < BUCKETS; i++)
        every += latencies[i];
    while (bucket < BUCKETS - 1 && (double)(below + latencies[bucket]) < (double)every * part)
        below += latencies[bucket++];
    return bucket;
}

static int connect_all(uint16_t port, const char *path)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (long i = 0; i < count; i++) {
        connections[i].fd = dial(port);
        if (path)
            upgrade(connections[i].fd, path);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) < 0)
            die("epoll_ctl");
    }
    return epoll;
}

static void measure(int epoll, double seconds)
{
    for (long i = 0; i < (to_all ? 1 : count); i++)
        say(&connections[i]);
    run_until(epoll, now_ns() + (int64_t)(seconds * 1e8));
    long warm = messages;
    memset(latencies, 0, sizeof latencies);
    int64_t from = now_ns();
    run_until(epoll, from + (int64_t)(seconds * 9e8));
    double took = (double)(now_ns() - from) / 1e9;
    printf("{\"messages\": %ld, \"rate\": %.1f, \"p50_us\": %ld, \"p99_us\": %ld}\n", messages,
           (double)(messages - warm) / took, percentile(0.5), percentile(0.99));
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc > 7) {
        fprintf(stderr, "usage: echo_load PORT CONNECTIONS BYTES SECONDS [PATH [all]]\n");
        return 2;
    }
    size_t size = strtoul(argv[3], NULL, 10);
    const char *path = argc > 5 ? argv[5] : NULL;
    count = strtol(argv[2], NULL, 10);
    to_all = argc > 6;
    if (count < 1 || count > CONNECTIONS_MAX || size < 1 || size > BYTES_MAX)
        return 2;
    question.size = answer.size = size;
    memset(question.bytes, 'k', size);
    memset(answer.bytes, 'k', size);
    if (path) {
        frame(&question, size, 1);
        frame(&answer, size, 0);
    }
    measure(connect_all((uint16_t)strtoul(argv[1], NULL, 10), path), strtod(argv[4], NULL));
    return 0;
}
