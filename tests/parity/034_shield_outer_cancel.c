/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(inner, a, struct {
    const char *name;
    int length;
})
{
    int rc = kt_sleep(a->length * U);
    say("%s %s", a->name, rc < 0 ? "cancelled" : "done");
    return rc < 0 ? rc : a->name[0];
}

static int waiter(void *task)
{
    int rc = kt_shield(task);
    if (rc == KT_ECANCELED)
        say("W cancelled");
    return rc;
}

static int shield(void *task)
{
    return kt_shield(task);
}

static int body(void *arg)
{
    (void)arg;
    kt_task *i = spawn(KT_WITH(inner, "I", 4));
    kt_task *w = spawn(waiter, i, 0);
    units(1);
    kt_task_cancel(w);
    units(1);
    say("W is cancelled %s I done %s", yes(kt_task_cancelled(w)), yes(kt_task_done(i)));
    say("main got %c", kt_task_join(i));
    kt_task_detach(w);
    kt_task *j = spawn(KT_WITH(inner, "J", 3));
    if (kt_wait_for(U, shield, j, 0) == KT_ETIMEDOUT)
        say("main timeout, J done %s", yes(kt_task_done(j)));
    say("main got %c", kt_task_join(j));
    return 0;
}

int main(void)
{
    return run(body);
}
