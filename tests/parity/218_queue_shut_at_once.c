/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(put, a, struct {
    kt_queue *q;
    char item;
})
{
    int rc = kt_queue_put(a->q, &a->item);
    say(rc == KT_ESHUTDOWN ? "put %c shut down" : "put %c", a->item);
    return 0;
}

KT_FN(get, a, struct {
    kt_queue *q;
    char name;
})
{
    char item;
    int rc = kt_queue_get(a->q, &item);
    if (rc == KT_ESHUTDOWN)
        say("%c shut down", a->name);
    else
        say("%c got %c", a->name, item);
    return 0;
}

KT_FN(join, a, struct {
    kt_queue *q;
    char name;
})
{
    sure(kt_queue_join(a->q));
    say("%c joined", a->name);
    return 0;
}

static void finish(kt_task *const ts[], size_t n)
{
    sure(kt_wait(ts, n, KT_WAIT_ALL_COMPLETED, KT_FOREVER));
    for (size_t i = 0; i < n; i++)
        kt_task_detach(ts[i]);
}

static void putters_and_joiner(void)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 2);
    kt_task *ts[5];
    char item;
    for (int i = 0; i < 4; i++)
        ts[i] = spawn(KT_WITH(put, &q, (char)('a' + i)));
    ts[4] = spawn(KT_WITH(join, &q, 'J'));
    sure(kt_sleep(0));
    kt_queue_shutdown(&q, true);
    say("size %zu empty %s", kt_queue_size(&q), yes(kt_queue_size(&q) == 0));
    finish(ts, 5);
    if (kt_queue_get(&q, &item) == KT_ESHUTDOWN)
        say("get refused");
}

static void taken_before(void)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 0);
    char item;
    sure(kt_queue_put_nowait(&q, "1"));
    sure(kt_queue_put_nowait(&q, "2"));
    sure(kt_queue_get_nowait(&q, &item));
    kt_task *j = spawn(KT_WITH(join, &q, 'K'));
    sure(kt_sleep(0));
    kt_queue_shutdown(&q, true);
    sure(kt_sleep(0));
    sure(kt_sleep(0));
    say("K done %s", yes(kt_task_done(j)));
    kt_queue_task_done(&q);
    finish(&j, 1);
}

static void graceful_then_at_once(void)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 0);
    sure(kt_queue_put_nowait(&q, "1"));
    kt_queue_shutdown(&q, false);
    say("size %zu", kt_queue_size(&q));
    kt_queue_shutdown(&q, true);
    say("size %zu", kt_queue_size(&q));
    sure(kt_queue_join(&q));
    say("joined");
}

static void getters(char first, bool immediate)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 0);
    kt_task *ts[] = {spawn(KT_WITH(get, &q, first)), spawn(KT_WITH(get, &q, (char)(first + 1)))};
    sure(kt_sleep(0));
    sure(kt_queue_put_nowait(&q, "x"));
    kt_queue_shutdown(&q, immediate);
    finish(ts, 2);
}

static int body(void *arg)
{
    (void)arg;
    putters_and_joiner();
    taken_before();
    graceful_then_at_once();
    getters('A', false);
    getters('C', true);
    return 0;
}

int main(void)
{
    return run(body);
}
