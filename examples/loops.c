/* SPDX-License-Identifier: MIT */
/* One server in four loops, each on a thread of its own: clients are spread evenly. */
#include <errno.h>
#include <kettle/kettle.h>
#include <stdatomic.h>
#include <stdio.h>

enum { LOOPS = 4, CLIENTS = 20 };

typedef struct site {
    kt_balancer *shared;
    uint16_t port;
    kt_channel *listening;    /* each loop says that it does */
    atomic_int served[LOOPS]; /* what several loops write must be atomic, or behind a lock */
} site;

/* Runs in the loop that the client was given to, and stays there. */
static int greet(kt_stream *s, void *arg)
{
    site *x = arg;
    kt_slice name;
    char answer[64];
    int rc = kt_stream_read_line(s, 32, &name);
    if (rc <= 0)
        return rc;
    atomic_fetch_add(&x->served[kt_loops_index()], 1);
    int size = snprintf(answer, sizeof answer, "hello, %.*s\n", (int)name.size, name.data);
    rc = kt_stream_write(s, answer, (size_t)size);
    return rc < 0 ? rc : (int)kt_stream_read_line(s, 32, &name); /* until the client goes */
}

/* The main task of each loop. */
static int serve(void *arg)
{
    const site *x = arg;
    kt_listener *mine = NULL;
    kt_auto(kt_server) *server = NULL;
    int rc = kt_balancer_listen(x->shared, &mine);
    if (rc < 0)
        return rc;
    rc = kt_server_start(mine, NULL, greet, arg, &server);
    if (rc < 0) {
        kt_listener_close(mine);
        return rc;
    }
    rc = kt_channel_send(x->listening, &(char){0});
    return rc < 0 ? rc : kt_server_serve_forever(server);
}

static int serve_all(void *arg)
{
    return kt_loops_run(LOOPS, serve, arg, 0);
}

static int visit(const site *x, int number, kt_stream **ret_stream)
{
    kt_auto(kt_stream) *s = NULL;
    kt_slice line;
    char name[32];
    int rc = kt_stream_connect("127.0.0.1", x->port, &s);
    if (rc < 0)
        return rc;
    int size = snprintf(name, sizeof name, "client %d\n", number);
    rc = kt_stream_write(s, name, (size_t)size);
    if (rc == 0)
        rc = kt_stream_read_line(s, 64, &line);
    if (rc > 0 && number == CLIENTS)
        printf("%.*s\n", (int)line.size, line.data);
    *ret_stream = rc > 0 ? kt_steal(s) : NULL;
    return rc < 0 ? rc : 0;
}

static int visit_all(const site *x)
{
    kt_stream *clients[CLIENTS] = {NULL};
    char listens;
    int rc = 0;
    for (int i = 0; i < LOOPS && rc == 0; i++)
        rc = kt_channel_receive(x->listening, &listens);
    for (int i = 0; i < CLIENTS && rc == 0; i++)
        rc = visit(x, i + 1, &clients[i]);
    for (int i = 0; i < CLIENTS; i++)
        kt_stream_close(clients[i]);
    return rc;
}

static int run(void *arg)
{
    site *x = arg;
    kt_listener *l = NULL;
    int rc = kt_listen("127.0.0.1", 0, NULL, &l);
    if (rc < 0)
        return rc;
    x->port = kt_listener_port(l);
    rc = kt_balancer_open(l, &x->shared);
    if (rc < 0) {
        kt_listener_close(l);
        return rc;
    }
    kt_auto(kt_balancer) *shared = x->shared; /* outlives the loops, which end with the group */
    kt_auto(kt_group) loops = KT_GROUP_INIT;
    rc = kt_group_spawn(&loops, serve_all, x, 0);
    if (rc == 0)
        rc = visit_all(x);
    kt_group_cancel(&loops);
    rc = kt_group_join(&loops, rc);
    for (int i = 0; i < LOOPS && rc == 0; i++)
        printf("loop %d served %d clients\n", i, atomic_load(&x->served[i]));
    (void)shared;
    return rc;
}

int main(void)
{
    kt_auto(kt_channel) listening = KT_CHANNEL_INIT(char, LOOPS);
    site x = {.listening = &listening};
    int rc = kt_run(run, &x, 0);
    if (rc < 0 && rc != -EINTR) {
        fprintf(stderr, "loops: %s (%s)\n", kt_strerror(rc), kt_error_detail());
        return 1;
    }
    return 0;
}
