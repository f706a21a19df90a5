/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(put, a, struct {
    kt_queue *q;
    char item;
})
{
    int rc = kt_queue_put(a->q, &a->item);
    if (rc < 0)
        say("put %c cancelled", a->item);
    else
        say("put %c size %zu", a->item, kt_queue_size(a->q));
    return rc;
}

KT_FN(get, a, struct {
    kt_queue *q;
    char name;
})
{
    char item;
    int rc = kt_queue_get(a->q, &item);
    if (rc < 0)
        say("%c cancelled", a->name);
    else
        say("%c got %c", a->name, item);
    return rc;
}

static void finish(kt_task *const ts[], size_t n)
{
    sure(kt_wait(ts, n, KT_WAIT_ALL_COMPLETED, KT_FOREVER));
    for (size_t i = 0; i < n; i++)
        kt_task_detach(ts[i]);
}

static char take(kt_queue *q)
{
    char item;
    sure(kt_queue_get_nowait(q, &item));
    return item;
}

static void putters(kt_queue *q)
{
    kt_task *ts[4];
    char item;
    for (int i = 0; i < 4; i++)
        ts[i] = spawn(KT_WITH(put, q, (char)('a' + i)));
    sure(kt_sleep(0));
    say("size %zu full %s", kt_queue_size(q), yes(kt_queue_size(q) == q->max));
    kt_task_cancel(ts[2]);
    sure(kt_sleep(0));
    sure(kt_queue_get(q, &item));
    say("main got %c", item);
    sure(kt_sleep(0));
    say("size %zu", kt_queue_size(q));
    item = take(q);
    say("main got %c %c", item, take(q));
    finish(ts, 4);
}

static void getters(kt_queue *q)
{
    kt_task *ts[] = {spawn(KT_WITH(get, q, 'A')), spawn(KT_WITH(get, q, 'B'))};
    sure(kt_sleep(0));
    sure(kt_queue_put_nowait(q, "x"));
    say("main takes %c", take(q));
    sure(kt_sleep(0));
    sure(kt_sleep(0));
    say("A done %s", yes(kt_task_done(ts[0])));
    sure(kt_queue_put_nowait(q, "y"));
    sure(kt_queue_put_nowait(q, "z"));
    finish(ts, 2);
    ts[0] = spawn(KT_WITH(get, q, 'C'));
    ts[1] = spawn(KT_WITH(get, q, 'D'));
    sure(kt_sleep(0));
    sure(kt_queue_put_nowait(q, "v"));
    kt_task_cancel(ts[0]);
    finish(ts, 2);
    say("size %zu", kt_queue_size(q));
}

static void putter_passes_on(void)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 1);
    sure(kt_queue_put_nowait(&q, "1"));
    kt_task *ts[] = {spawn(KT_WITH(put, &q, '2')), spawn(KT_WITH(put, &q, '3'))};
    sure(kt_sleep(0));
    take(&q);
    kt_task_cancel(ts[0]);
    finish(ts, 2);
    say("size %zu", kt_queue_size(&q));
}

static void overtaking(void)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 1);
    sure(kt_queue_put_nowait(&q, "1"));
    kt_task *p = spawn(KT_WITH(put, &q, '2'));
    sure(kt_sleep(0));
    take(&q);
    sure(kt_queue_put_nowait(&q, "3"));
    sure(kt_sleep(0));
    sure(kt_sleep(0));
    bool done = kt_task_done(p);
    say("p done %s got %c", yes(done), take(&q));
    finish(&p, 1);
}

static int join(void *q)
{
    return kt_queue_join(q);
}

static int body(void *arg)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 2), r = KT_QUEUE_INIT(char, 0);
    (void)arg;
    putters(&q);
    getters(&q);
    putter_passes_on();
    overtaking();
    sure(kt_queue_put_nowait(&r, "1"));
    kt_task *j = spawn(join, &r, 0);
    sure(kt_sleep(0));
    kt_task_cancel(j);
    wait_end(j);
    say("join cancelled %s", yes(kt_task_cancelled(j)));
    kt_task_detach(j);
    take(&r);
    kt_queue_task_done(&r);
    sure(kt_queue_join(&r));
    say("joined");
    return 0;
}

int main(void)
{
    return run(body);
}
