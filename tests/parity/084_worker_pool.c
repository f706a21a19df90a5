/* SPDX-License-Identifier: MIT */
#include "say.h"

typedef struct order {
    int number, length;
} order;

KT_FN(worker, a, struct {
    int number;
    kt_queue *q;
})
{
    for (;;) {
        order j;
        int rc = kt_queue_get(a->q, &j);
        if (rc < 0)
            return rc;
        say("W%d takes j%d", a->number, j.number);
        units(j.length);
        say("W%d finished j%d", a->number, j.number);
        kt_queue_task_done(a->q);
    }
}

static int body(void *arg)
{
    static const int lengths[] = {3, 5, 7, 8, 4, 6};
    kt_auto(kt_queue) q = KT_QUEUE_INIT(order, 0);
    kt_task *ws[3];
    (void)arg;
    for (int i = 0; i < 6; i++)
        sure(kt_queue_put_nowait(&q, &(order){i + 1, lengths[i]}));
    for (int i = 0; i < 3; i++)
        ws[i] = spawn(KT_WITH(worker, i + 1, &q));
    sure(kt_queue_join(&q));
    say("main joined");
    for (int i = 0; i < 3; i++)
        kt_task_cancel(ws[i]);
    bool cancelled[3];
    for (int i = 0; i < 3; i++)
        cancelled[i] = kt_task_join(ws[i]) == KT_ECANCELED;
    say("workers cancelled [%s %s %s]", yes(cancelled[0]), yes(cancelled[1]), yes(cancelled[2]));
    return 0;
}

int main(void)
{
    return run(body);
}
