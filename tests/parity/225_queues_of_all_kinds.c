/* SPDX-License-Identifier: MIT */
#include "say.h"

static int smaller(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

KT_FN(putter, a, struct {
    kt_queue *q;
    int item;
})
{
    int rc = kt_queue_put(a->q, &a->item);
    if (rc == 0)
        say("put %d", a->item);
    return rc;
}

KT_FN(getter, a, struct {
    kt_queue *q;
    char name;
})
{
    int item, rc = kt_queue_get(a->q, &item);
    if (rc < 0)
        return rc;
    say("%c got %d", a->name, item);
    kt_queue_task_done(a->q);
    return 0;
}

static void join_all(kt_task *const ts[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        sure(kt_task_join(ts[i]));
}

static void full(const char *name, kt_queue *q)
{
    static const int first[] = {5, 1}, more[] = {3, 9, 0};
    kt_task *ts[3];
    int item;
    say("--- %s", name);
    for (int i = 0; i < 2; i++)
        sure(kt_queue_put_nowait(q, &first[i]));
    for (int i = 0; i < 3; i++)
        ts[i] = spawn(KT_WITH(putter, q, more[i]));
    sure(kt_sleep(0));
    say("size %zu full %s", kt_queue_size(q), yes(kt_queue_size(q) == q->max));
    for (int i = 0; i < 5; i++) {
        sure(kt_queue_get(q, &item));
        say("main got %d", item);
        kt_queue_task_done(q);
    }
    join_all(ts, 3);
    say("empty %s", yes(kt_queue_size(q) == 0));
    kt_queue_release(q);
}

static void empty(const char *name, kt_queue *q)
{
    static const int items[] = {7, 2, 4};
    kt_task *ts[3];
    say("--- %s", name);
    for (int i = 0; i < 3; i++)
        ts[i] = spawn(KT_WITH(getter, q, "ABC"[i]));
    sure(kt_sleep(0));
    for (int i = 0; i < 3; i++)
        sure(kt_queue_put_nowait(q, &items[i]));
    say("size %zu", kt_queue_size(q));
    sure(kt_queue_join(q));
    say("joined");
    join_all(ts, 3);
    kt_queue_release(q);
}

KT_FN(joiner, a, struct {
    kt_queue *q;
    char name;
})
{
    int rc = kt_queue_join(a->q);
    if (rc == 0)
        say("%c joined", a->name);
    return rc;
}

static void get_and_report(kt_queue *q)
{
    int item;
    sure(kt_queue_get_nowait(q, &item));
    kt_queue_task_done(q);
}

static void joined_by_two(void)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    sure(kt_queue_join(&q));
    say("nothing to join");
    sure(kt_queue_put_nowait(&q, &(int){1}));
    sure(kt_queue_put_nowait(&q, &(int){2}));
    kt_task *ts[] = {spawn(KT_WITH(joiner, &q, 'J')), spawn(KT_WITH(joiner, &q, 'K'))};
    sure(kt_sleep(0));
    get_and_report(&q);
    sure(kt_sleep(0));
    say("done [%s %s]", yes(kt_task_done(ts[0])), yes(kt_task_done(ts[1])));
    get_and_report(&q);
    sure(kt_queue_put_nowait(&q, &(int){3}));
    sure(kt_sleep(0));
    say("done [%s %s]", yes(kt_task_done(ts[0])), yes(kt_task_done(ts[1])));
    join_all(ts, 2);
    say("unfinished goes on %zu", kt_queue_size(&q));
}

KT_FN(late_getter, a, struct { kt_queue *q; })
{
    char item;
    int rc = kt_queue_get(a->q, &item);
    if (rc == 0)
        say("late got %c", item);
    return rc;
}

KT_FN(char_putter, a, struct {
    kt_queue *q;
    char item;
})
{
    int rc = kt_queue_put(a->q, &a->item);
    if (rc == 0)
        say("put %c", a->item);
    return rc;
}

static void got_too_late(void)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 1);
    char item;
    kt_task *t = spawn(KT_WITH(late_getter, &q));
    sure(kt_sleep(0));
    sure(kt_queue_put_nowait(&q, "x"));
    sure(kt_queue_get_nowait(&q, &item));
    say("main takes %c", item);
    sure(kt_sleep(0));
    say("late done %s", yes(kt_task_done(t)));
    kt_task *p = spawn(KT_WITH(char_putter, &q, 'y'));
    join_all((kt_task *[]){p, t}, 2);
}

static int body(void *arg)
{
    (void)arg;
    full("first in", &(kt_queue)KT_QUEUE_INIT(int, 2));
    full("last in", &(kt_queue)KT_LIFO_QUEUE_INIT(int, 2));
    full("smallest", &(kt_queue)KT_PRIORITY_QUEUE_INIT(int, 2, smaller));
    empty("first in", &(kt_queue)KT_QUEUE_INIT(int, 0));
    empty("last in", &(kt_queue)KT_LIFO_QUEUE_INIT(int, 0));
    empty("smallest", &(kt_queue)KT_PRIORITY_QUEUE_INIT(int, 0, smaller));
    joined_by_two();
    got_too_late();
    return 0;
}

int main(void)
{
    return run(body);
}
