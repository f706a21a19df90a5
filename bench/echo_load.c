/* SPDX-License-Identifier: MIT */

/* Loads an echo server: each connection sends a message, waits for it to come back, and sends the
 * next. Plain epoll, the same for every server that is measured.
 *
 * usage: echo_load PORT CONNECTIONS BYTES SECONDS
 *
 * Prints one JSON object: messages, those of the first tenth included, which only warms up; rate
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
#define BYTES_MAX 65536
#define BUCKETS 100000 /* of a microsecond; the last one holds what is slower */

typedef struct connection {
    int fd;
    size_t got;
    int64_t sent_at;
} connection;

static connection connections[CONNECTIONS_MAX];
static uint32_t latencies[BUCKETS];
static char message[BYTES_MAX];
static size_t message_bytes;
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

static void say(connection *c)
{
    c->sent_at = now_ns();
    if (send(c->fd, message, message_bytes, MSG_NOSIGNAL) != (ssize_t)message_bytes)
        die("send");
}

static void hear(connection *c)
{
    static char bytes[BYTES_MAX];
    ssize_t n = recv(c->fd, bytes, message_bytes - c->got, 0);
    if (n <= 0 || memcmp(bytes, message + c->got, (size_t)n) != 0) {
        fprintf(stderr, "echo_load: the server closed or answered something else\n");
        exit(1);
    }
    c->got += (size_t)n;
    if (c->got < message_bytes)
        return;
    int64_t took = (now_ns() - c->sent_at) / 1000;
    latencies[took < BUCKETS ? took : BUCKETS - 1]++;
    messages++;
    c->got = 0;
    say(c);
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

static long percentile(long count, double part)
{
    long below = 0, bucket = 0;
    while (bucket < BUCKETS - 1 && (double)(below + latencies[bucket]) < (double)count * part)
        below += latencies[bucket++];
    return bucket;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: echo_load PORT CONNECTIONS BYTES SECONDS\n");
        return 2;
    }
    uint16_t port = (uint16_t)strtoul(argv[1], NULL, 10);
    long count = strtol(argv[2], NULL, 10);
    message_bytes = strtoul(argv[3], NULL, 10);
    double seconds = strtod(argv[4], NULL);
    if (count < 1 || count > CONNECTIONS_MAX || message_bytes < 1 || message_bytes > BYTES_MAX)
        return 2;
    memset(message, 'k', message_bytes);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (long i = 0; i < count; i++) {
        connections[i].fd = dial(port);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) < 0)
            die("epoll_ctl");
    }
    for (long i = 0; i < count; i++)
        say(&connections[i]);
    run_until(epoll, now_ns() + (int64_t)(seconds * 1e8));
    long warm = messages;
    memset(latencies, 0, sizeof latencies);
    int64_t from = now_ns();
    run_until(epoll, from + (int64_t)(seconds * 9e8));
    double took = (double)(now_ns() - from) / 1e9;
    long measured = messages - warm;
    printf("{\"messages\": %ld, \"rate\": %.1f, \"p50_us\": %ld, \"p99_us\": %ld}\n", messages,
           (double)measured / took, percentile(measured, 0.5), percentile(measured, 0.99));
    return 0;
}
