/* SPDX-License-Identifier: MIT */
#include "say.h"

static int producer(void *q)
{
    int rc = kt_queue_put(q, "c");
    say(rc == KT_ESHUTDOWN ? "P shut down" : "P put");
    return 0;
}

static int getter(void *q)
{
    char item;
    int rc = kt_queue_get(q, &item);
    if (rc == KT_ESHUTDOWN)
        say("G shut down");
    else
        say("G got %c", item);
    return 0;
}

static int joiner(void *q)
{
    sure(kt_queue_join(q));
    say("joined");
    return 0;
}

static void getter_is_woken(void)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 0);
    kt_task *g = spawn(getter, &q, 0);
    units(1);
    kt_queue_shutdown(&q, false);
    sure(kt_task_join(g));
}

static int body(void *arg)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 2);
    char item;
    (void)arg;
    sure(kt_queue_put_nowait(&q, "a"));
    sure(kt_queue_put_nowait(&q, "b"));
    kt_task *p = spawn(producer, &q, 0);
    units(1);
    kt_queue_shutdown(&q, false);
    sure(kt_task_join(p));
    if (kt_queue_put_nowait(&q, "d") == KT_ESHUTDOWN)
        say("put refused");
    kt_task *j = spawn(joiner, &q, 0);
    for (int i = 0; i < 2; i++) {
        sure(kt_queue_get(&q, &item));
        say("got %c", item);
    }
    if (kt_queue_get(&q, &item) == KT_ESHUTDOWN)
        say("get refused");
    if (kt_queue_get_nowait(&q, &item) == KT_ESHUTDOWN)
        say("get_nowait refused");
    units(1);
    say("join done %s", yes(kt_task_done(j)));
    kt_queue_task_done(&q);
    kt_queue_task_done(&q);
    sure(kt_task_join(j));
    kt_queue_shutdown(&q, false);
    say("second shutdown accepted");
    getter_is_woken();
    return 0;
}

int main(void)
{
    return run(body);
}
