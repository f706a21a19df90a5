/* SPDX-License-Identifier: MIT */
#include "say.h"

static int report_too_much(void *arg)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 1);
    char item;
    (void)arg;
    sure(kt_queue_put_nowait(&q, "a"));
    sure(kt_queue_get_nowait(&q, &item));
    kt_queue_task_done(&q);
    kt_queue_task_done(&q);
    return 0;
}

KT_FN(get, a, struct {
    kt_queue *q;
    char *item;
})
{
    return kt_queue_get(a->q, a->item);
}

KT_FN(put, a, struct {
    kt_queue *q;
    char item;
})
{
    return kt_queue_put(a->q, &a->item);
}

static int body(void *arg)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(char, 1);
    char item = '?';
    if (kt_queue_get_nowait(&q, &item) == KT_EEMPTY)
        say("empty");
    sure(kt_queue_put_nowait(&q, "a"));
    if (kt_queue_put_nowait(&q, "b") == KT_EFULL)
        say("full");
    sure(kt_queue_get_nowait(&q, &item));
    say("got %c", item);
    kt_queue_task_done(&q);
    if (strstr(arg, "more often than items were put"))
        say("task_done refused");
    if (kt_wait_for(U, KT_WITH(get, &q, &item)) == KT_ETIMEDOUT)
        say("get timed out");
    sure(kt_queue_put(&q, "c"));
    size_t size = kt_queue_size(&q);
    sure(kt_queue_get(&q, &item));
    say("size %zu got %c", size, item);
    sure(kt_queue_put_nowait(&q, "d"));
    if (kt_wait_for(U, KT_WITH(put, &q, 'e')) == KT_ETIMEDOUT)
        say("put timed out, size %zu", kt_queue_size(&q));
    return 0;
}

int main(void)
{
    const char *said = misuse_of(report_too_much);
    return kt_run_with(&(kt_options){.virtual_time = virtual_clock()}, body, said, 0) < 0;
}
