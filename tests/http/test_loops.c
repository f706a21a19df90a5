/* SPDX-License-Identifier: MIT */
/* One HTTP server in several loops, each with its share of a balancer's connections. */
#include "serve.h"

#include <stdatomic.h>

#define LOOPS 2
#define CLIENTS 8
#define REQUESTS 20

typedef struct web {
    kt_balancer *balancer;
    atomic_int listening, answered[LOOPS];
} web;

static int answer(kt_http_exchange *x, void *arg)
{
    web *w = arg;
    atomic_fetch_add(&w->answered[kt_loops_index()], 1);
    return hello(x, NULL);
}

static int serve(void *arg)
{
    web *w = arg;
    kt_auto(kt_listener) *mine = NULL;
    CHECK_OK(kt_balancer_listen(w->balancer, &mine));
    atomic_fetch_add(&w->listening, 1);
    return kt_http_serve(mine, NULL, answer, arg);
}

static int serve_all(void *arg)
{
    return kt_loops_run(LOOPS, serve, arg, 0);
}

/* Stays connected until all have come, so that the connections are spread. */
KT_FN(asks, a, struct { const site *s; kt_barrier *all; })
{
    kt_auto(kt_stream) *c = dial(a->s);
    for (int i = 0; i < REQUESTS; i++) {
        heard h = {.size = 0};
        say(c, GET);
        CHECK_STR(hear(c, &h, "hello\n"), HELLO);
        if (i == 0)
            CHECK_OK(kt_barrier_wait(a->all));
    }
    return 0;
}

TEST_WITH(each_loop_answers_its_share_of_the_clients, KT_TEST_REAL_TIME)
{
    web w = {.balancer = NULL};
    site s = {.handler = answer};
    kt_task *t = NULL;
    kt_barrier all = KT_BARRIER_INIT(CLIENTS);
    kt_auto(kt_group) clients = KT_GROUP_INIT;
    CHECK_OK(kt_listen("127.0.0.1", 0, NULL, &s.l));
    CHECK_OK(kt_balancer_open(s.l, &w.balancer));
    CHECK_OK(kt_spawn(serve_all, &w, 0, &t));
    while (atomic_load(&w.listening) < LOOPS)
        CHECK_OK(kt_sleep(KT_MS(1)));
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(kt_group_spawn(&clients, KT_WITH(asks, &s, &all)));
    CHECK_OK(kt_group_join(&clients, 0));
    kt_task_cancel(t);
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    for (int i = 0; i < LOOPS; i++)
        CHECK_EQ(atomic_load(&w.answered[i]), CLIENTS / LOOPS * REQUESTS);
    kt_balancer_close(w.balancer);
}
