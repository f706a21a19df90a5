/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    int length;
})
{
    say("%s runs", a->name);
    int rc = kt_sleep(a->length * U);
    if (rc < 0)
        return rc;
    say("%s done", a->name);
    return a->name[0];
}

static int fails(void *arg)
{
    (void)arg;
    units(1);
    return raise_error("boom");
}

static int await(void *task)
{
    return kt_task_await(task);
}

/* Gathers what waits for these tasks, as many times as they are named. */
static int gather(kt_task *const ts[], size_t n, int rcs[])
{
    kt_job jobs[3];
    for (size_t i = 0; i < n; i++)
        jobs[i] = (kt_job){await, ts[i], 0};
    return kt_gather(jobs, n, rcs);
}

static int both(void *c)
{
    return gather((kt_task *[]){c, c}, 2, NULL);
}

static int body(void *arg)
{
    int rcs[3];
    (void)arg;
    kt_task *a = spawn(KT_WITH(work, "A", 2)), *b = spawn(KT_WITH(work, "B", 1));
    sure(gather((kt_task *[]){a, b, a}, 3, rcs));
    say("results [%c %c %c]", rcs[0], rcs[1], rcs[2]);
    kt_task *f = spawn(fails, NULL, 0);
    sure(gather((kt_task *[]){f, f}, 2, rcs));
    if (rcs[0] == -EIO && rcs[1] == -EIO && kt_task_await(f) == -EIO)
        say("errors [%s %s]", kt_error_detail(), kt_error_detail());
    kt_task *c = spawn(KT_WITH(work, "C", 9)), *g = spawn(both, c, 0);
    units(1);
    kt_task_cancel(g);
    wait_end(g);
    say("cancelled %s %s", yes(kt_task_cancelled(g)), yes(kt_task_cancelled(c)));
    kt_task *const all[] = {a, b, c, f, g};
    for (size_t i = 0; i < 5; i++)
        kt_task_detach(all[i]);
    return 0;
}

int main(void)
{
    return run(body);
}
