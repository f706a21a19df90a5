/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(child, a, struct {
    const char *name;
    int length;
})
{
    int rc = kt_sleep(a->length * U);
    say("%s %s", a->name, rc < 0 ? "cancelled" : "done");
    return rc;
}

static int await(void *task)
{
    return kt_task_await(task);
}

/* Gathering tasks that exist already is gathering those who wait for them. */
static int body(void *arg)
{
    kt_auto(kt_callback) timer = KT_CALLBACK_INIT;
    (void)arg;
    kt_task *a = spawn(KT_WITH(child, "A", 4)), *b = spawn(KT_WITH(child, "B", 9));
    kt_call_later(&timer, U, cancel_task, b);
    const kt_job jobs[] = {{await, a, 0}, {await, b, 0}};
    int rc = kt_gather(jobs, 2, NULL), count = kt_task_cancelling(kt_task_current());
    if (rc == KT_ECANCELED)
        say("main caught cancelled, count %d", count);
    say("gather cancelled %s", yes(count > 0)); /* it is cancelled by cancelling whoever gathers */
    say("A done %s", yes(kt_task_done(a)));
    sure(kt_task_join(a));
    kt_task_detach(b);
    say("main end");
    return 0;
}

int main(void)
{
    return run(body);
}
