/* SPDX-License-Identifier: MIT */

/* What it costs, and how even it is, to spread connections over loops by a balancer, beside SO_REUSEPORT. Client
 * and servers are one process: loop 0 visits, the others serve. One process is one repetition, as with costs.c.
 *
 * usage: loops [scale] */

#include <errno.h>
#include <kettle/kettle.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define SERVERS 4
#define VISITS 20000
#define LONG_ONES 16
#define TRIALS 50

static long scale = 1;

typedef struct site {
    bool balanced;
    uint16_t port;
    kt_balancer *balancer;
    kt_channel listening;
    atomic_int clients[SERVERS];
} site;

static int serve_one(kt_stream *s, void *arg)
{
    site *x = arg;
    char byte = 0;
    atomic_int *clients = &x->clients[kt_loops_index() - 1];
    atomic_fetch_add(clients, 1);
    int rc = kt_stream_write(s, &byte, 1);
    if (rc == 0)
        rc = (int)kt_stream_read(s, &byte, 1);
    atomic_fetch_sub(clients, 1);
    return rc == -ECONNRESET ? 0 : rc;
}

static int listen_here(site *x, kt_listener **ret_listener)
{
    const kt_listen_options options = {.reuse_port = true};
    return x->balanced ? kt_balancer_listen(x->balancer, ret_listener)
                       : kt_listen("127.0.0.1", x->port, &options, ret_listener);
}

static int serve(site *x)
{
    kt_listener *l = NULL;
    kt_auto(kt_server) *server = NULL;
    int rc = listen_here(x, &l);
    if (rc < 0)
        return rc;
    rc = kt_server_start(l, NULL, serve_one, x, &server);
    if (rc < 0) {
        kt_listener_close(l);
        return rc;
    }
    rc = kt_channel_send(&x->listening, &(char){0});
    return rc < 0 ? rc : kt_server_serve_forever(server);
}

static int visit(const site *x, kt_stream **ret_stream)
{
    char byte;
    kt_stream *s = NULL;
    int rc = kt_stream_connect("127.0.0.1", x->port, &s);
    if (rc < 0)
        return rc;
    ssize_t n = kt_stream_read(s, &byte, 1);
    if (n == 1) {
        *ret_stream = s;
        return 0;
    }
    kt_stream_close(s);
    return n < 0 ? (int)n : -EPIPE;
}

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

KT_FN(visits, v, struct { const site *site; long count; })
{
    int rc = 0;
    for (long i = 0; i < v->count && rc == 0; i++) {
        kt_stream *s = NULL;
        rc = visit(v->site, &s);
        kt_stream_close(s);
    }
    return rc;
}

static int measure_visits(const site *x)
{
    enum { CLIENTS = 20 };
    kt_auto(kt_group) clients = KT_GROUP_INIT;
    const long each = VISITS / scale / CLIENTS;
    double before = cpu_us();
    int rc = 0;
    for (int i = 0; i < CLIENTS && rc == 0; i++)
        rc = kt_group_spawn(&clients, KT_WITH(visits, x, each));
    rc = kt_group_join(&clients, rc);
    if (rc == 0)
        printf("%s\tCPU us/visit\t%.2f\n", x->balanced ? "balancer" : "SO_REUSEPORT",
               (cpu_us() - before) / (double)(each * CLIENTS));
    return rc;
}

static int spread_of(site *x)
{
    int most = 0, fewest = LONG_ONES;
    for (int i = 0; i < SERVERS; i++) {
        int n = atomic_load(&x->clients[i]);
        most = n > most ? n : most;
        fewest = n < fewest ? n : fewest;
    }
    return most - fewest;
}

/* Until the servers know that the clients have gone. */
static int wait_for_end(site *x)
{
    int rc = 0;
    for (int i = 0; i < SERVERS && rc == 0; i++)
        while (rc == 0 && atomic_load(&x->clients[i]) > 0)
            rc = kt_sleep(KT_MS(1));
    return rc < 0 ? rc : kt_sleep(KT_MS(2));
}

static int measure_spread(site *x)
{
    const long trials = TRIALS / scale > 0 ? TRIALS / scale : 1;
    int rc = wait_for_end(x);
    long sum = 0;
    for (long t = 0; t < trials && rc == 0; t++) {
        kt_stream *streams[LONG_ONES] = {NULL};
        for (int i = 0; i < LONG_ONES && rc == 0; i++)
            rc = visit(x, &streams[i]);
        sum += spread_of(x);
        for (int i = 0; i < LONG_ONES; i++)
            kt_stream_close(streams[i]);
        rc = rc < 0 ? rc : wait_for_end(x);
    }
    if (rc == 0)
        printf("%s\tmost - fewest\t%.2f\n", x->balanced ? "balancer" : "SO_REUSEPORT", (double)sum / (double)trials);
    return rc;
}

static int visit_all(site *x)
{
    char listens;
    int rc = 0;
    for (int i = 0; i < SERVERS && rc == 0; i++)
        rc = kt_channel_receive(&x->listening, &listens);
    if (rc == 0)
        rc = measure_visits(x);
    if (rc == 0)
        rc = measure_spread(x);
    return rc < 0 ? rc : -ESTALE; /* done, which ends the others */
}

static int work(void *arg)
{
    return kt_loops_index() == 0 ? visit_all(arg) : serve(arg);
}

/* With SO_REUSEPORT the first listener only finds a port. */
static int measure(bool balanced)
{
    kt_auto(kt_balancer) *balancer = NULL;
    kt_listener *l = NULL;
    site x = {.balanced = balanced, .listening = KT_CHANNEL_INIT(char, SERVERS)};
    int rc = kt_listen("127.0.0.1", 0, NULL, &l);
    if (rc < 0)
        return rc;
    x.port = kt_listener_port(l);
    if (!balanced)
        kt_listener_close(l);
    else if ((rc = kt_balancer_open(l, &balancer)) < 0)
        kt_listener_close(l);
    x.balancer = balancer;
    if (rc == 0)
        rc = kt_loops_run(SERVERS + 1, work, &x, 0);
    kt_channel_release(&x.listening);
    return rc == -ESTALE ? 0 : rc;
}

static int run(void *arg)
{
    (void)arg;
    int rc = measure(true);
    return rc < 0 ? rc : measure(false);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        scale = strtol(argv[1], NULL, 10);
    if (scale < 1 || argc > 2) {
        fprintf(stderr, "usage: loops [scale]\n");
        return 2;
    }
    int rc = kt_run(run, NULL, 0);
    if (rc < 0 && rc != -EINTR)
        fprintf(stderr, "loops: %s (%s)\n", kt_strerror(rc), kt_error_detail());
    return rc < 0;
}
