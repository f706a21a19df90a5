/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    int length;
})
{
    say("%s start", a->name);
    units(a->length);
    say("%s done", a->name);
    return a->name[0] - 'A' + 'a';
}

static int gather(void *rcs)
{
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(work, "A", 3)), KT_JOB_OF(KT_WITH(work, "B", 1)),
                           KT_JOB_OF(KT_WITH(work, "C", 2))};
    return kt_gather(jobs, 3, rcs);
}

/* A gather that goes on beside its caller is a task, here one that begins at once. */
static int body(void *arg)
{
    int rcs[3] = {0};
    kt_task *g;
    (void)arg;
    sure(kt_spawn_with(&(kt_spawn_options){.eager = true}, gather, rcs, 0, &g));
    say("main called gather");
    sure(kt_sleep(0));
    say("main yielded");
    sure(kt_task_join(g));
    say("main results [%c %c %c]", rcs[0], rcs[1], rcs[2]);
    return 0;
}

int main(void)
{
    return run(body);
}
