/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(waiter, a, struct {
    const char *name;
    kt_condition *cond;
})
{
    sure(kt_condition_acquire(a->cond));
    int rc = kt_condition_wait(a->cond);
    say("%s %s", a->name, rc < 0 ? "cancelled" : "woke");
    kt_condition_release(a->cond);
    return rc;
}

static int body(void *arg)
{
    kt_condition cond = KT_CONDITION_INIT;
    (void)arg;
    kt_task *a = spawn(KT_WITH(waiter, "A", &cond)), *b = spawn(KT_WITH(waiter, "B", &cond));
    units(1);
    sure(kt_condition_acquire(&cond));
    kt_condition_notify(&cond, 1);
    kt_task_cancel(a);
    kt_condition_release(&cond);
    units(1);
    say("A done %s B done %s", yes(kt_task_done(a)), yes(kt_task_done(b)));
    kt_task *c = spawn(KT_WITH(waiter, "C", &cond)), *d = spawn(KT_WITH(waiter, "D", &cond));
    units(1);
    kt_task_cancel(c);
    units(1);
    say("C done %s D done %s", yes(kt_task_done(c)), yes(kt_task_done(d)));
    kt_task_detach(a);
    kt_task_detach(b);
    kt_task_detach(c);
    kt_task_detach(d);
    return 0;
}

int main(void)
{
    return run(body);
}
