/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(leaf, a, struct { const char *name; })
{
    int rc = kt_sleep(50 * U);
    if (!kt_cancel_catch())
        return rc;
    say("%s leaf cancelled", a->name);
    int again = kt_sleep(U);
    if (again < 0)
        return again;
    say("%s leaf cleaned", a->name);
    return rc;
}

KT_FN(mid, a, struct {
    const char *name;
    kt_task *t;
    bool swallow;
})
{
    int rc = kt_task_await(a->t);
    if (rc == KT_ECANCELED)
        say("%s mid cancelled, count %d", a->name, kt_task_cancelling(kt_task_current()));
    if (rc == KT_ECANCELED && !a->swallow)
        return rc;
    kt_cancel_catch();
    return 1;
}

KT_FN(top, a, struct {
    const char *name;
    kt_task *t;
})
{
    int rc = kt_task_await(a->t), count = kt_task_cancelling(kt_task_current());
    if (rc >= 0) {
        say("%s top got mid", a->name);
        rc = kt_sleep(0);
    }
    if (rc >= 0)
        say("%s top goes on, count %d", a->name, count);
    else
        say("%s top cancelled, count %d", a->name, count);
    return rc;
}

static void three(const char *name, bool swallow)
{
    kt_task *l = spawn(KT_WITH(leaf, name)), *m = spawn(KT_WITH(mid, name, l, swallow));
    kt_task *t = spawn(KT_WITH(top, name, m));
    units(1);
    kt_task_cancel(t);
    say("done %s %s %s", yes(kt_task_done(l)), yes(kt_task_done(m)), yes(kt_task_done(t)));
    wait_end(t);
    say("cancelled %s %s %s", yes(kt_task_cancelled(l)), yes(kt_task_cancelled(m)),
        yes(kt_task_cancelled(t)));
    kt_task_detach(l);
    kt_task_detach(m);
    kt_task_detach(t);
}

static int body(void *arg)
{
    (void)arg;
    three("1", false);
    three("2", true);
    kt_task *l = spawn(KT_WITH(leaf, "3")), *t = spawn(KT_WITH(top, "3", l));
    units(1);
    kt_task_cancel(t);
    sure(kt_sleep(U / 2));
    kt_task_cancel(t);
    wait_end(t);
    say("cancelled %s %s counts %d %d", yes(kt_task_cancelled(l)), yes(kt_task_cancelled(t)),
        kt_task_cancelling(l), kt_task_cancelling(t));
    kt_task_detach(l);
    kt_task_detach(t);
    l = spawn(KT_WITH(leaf, "4"));
    units(1);
    kt_task_cancel(l);
    kt_task_cancel(l);
    wait_end(l);
    say("count %d", kt_task_cancelling(l));
    kt_task_detach(l);
    return 0;
}

int main(void)
{
    return run(body);
}
