/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(joiner, a, struct {
    const char *name;
    kt_queue *q;
})
{
    sure(kt_queue_join(a->q));
    say("%s joined", a->name);
    return 0;
}

static int body(void *arg)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    int item;
    (void)arg;
    sure(kt_queue_join(&q));
    say("main joined at once");
    sure(kt_queue_put_nowait(&q, &(int){1}));
    sure(kt_queue_put_nowait(&q, &(int){2}));
    kt_task *a = spawn(KT_WITH(joiner, "A", &q)), *b = spawn(KT_WITH(joiner, "B", &q));
    units(1);
    sure(kt_queue_get(&q, &item));
    sure(kt_queue_get(&q, &item));
    say("empty %s", yes(kt_queue_size(&q) == 0));
    units(1);
    kt_queue_task_done(&q);
    say("one done");
    units(1);
    kt_queue_task_done(&q);
    say("two done");
    sure(kt_task_join(a));
    return kt_task_join(b);
}

int main(void)
{
    return run(body);
}
