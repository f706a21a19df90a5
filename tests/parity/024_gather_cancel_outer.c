/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(child, a, struct {
    const char *name;
    int cleanup;
})
{
    int rc = kt_sleep(50 * U);
    if (!kt_cancel_catch())
        return rc;
    say("%s cancelled", a->name);
    if (a->cleanup) {
        units(a->cleanup);
        say("%s cleaned up", a->name);
    }
    return rc;
}

KT_FN(waiter, a, struct { bool keep_errors; })
{
    int rcs[2];
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(child, "A", 0)), KT_JOB_OF(KT_WITH(child, "B", 2))};
    int rc = kt_gather(jobs, 2, a->keep_errors ? rcs : NULL);
    if (rc == KT_ECANCELED)
        say("W cancelled");
    return rc;
}

static int body(void *arg)
{
    (void)arg;
    for (int part = 1; part <= 2; part++) {
        say("part %d", part);
        kt_task *w = spawn(KT_WITH(waiter, part == 2));
        units(1);
        say("main cancels W %s", yes(kt_task_cancel(w)));
        units(4);
        say("W is cancelled %s", yes(kt_task_cancelled(w)));
        kt_task_detach(w);
    }
    return 0;
}

int main(void)
{
    return run(body);
}
