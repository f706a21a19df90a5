/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(waiter, a, struct {
    char name;
    kt_future *f;
})
{
    int rc = kt_future_await(a->f, NULL);
    if (rc == KT_ECANCELED)
        say("%c cancelled, count %d", a->name, kt_task_cancelling(kt_task_current()));
    return rc;
}

static int body(void *arg)
{
    kt_future f = KT_FUTURE_INIT, g = KT_FUTURE_INIT;
    (void)arg;
    kt_task *t[] = {spawn(KT_WITH(waiter, 'A', &f)), spawn(KT_WITH(waiter, 'B', &f)),
                    spawn(KT_WITH(waiter, 'C', &f))};
    sure(kt_sleep(0));
    kt_task_cancel(t[1]);
    say("future cancelled %s", yes(kt_future_cancelled(&f)));
    sure(kt_wait(t, 3, KT_WAIT_ALL_COMPLETED, KT_FOREVER));
    say("[%s %s %s]", yes(kt_task_cancelled(t[0])), yes(kt_task_cancelled(t[1])),
        yes(kt_task_cancelled(t[2])));
    kt_task *u[] = {spawn(KT_WITH(waiter, 'D', &g)), spawn(KT_WITH(waiter, 'E', &g))};
    sure(kt_sleep(0));
    kt_future_cancel(&g);
    sure(kt_wait(u, 2, KT_WAIT_ALL_COMPLETED, KT_FOREVER));
    say("[%s %s]", yes(kt_task_cancelled(u[0])), yes(kt_task_cancelled(u[1])));
    if (kt_task_result(u[0]) == KT_ECANCELED)
        say("result cancelled");
    for (int i = 0; i < 3; i++)
        kt_task_detach(t[i]);
    kt_task_detach(u[0]);
    kt_task_detach(u[1]);
    return 0;
}

int main(void)
{
    return run(body);
}
