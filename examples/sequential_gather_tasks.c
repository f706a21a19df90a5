/* SPDX-License-Identifier: MIT */
/* The same two waits three ways: by plain calls, gathered, and as tasks that are joined. */
#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(work, a, struct { int n; })
{
    printf("start %d\n", a->n);
    int rc = kt_sleep(KT_S(a->n));
    if (rc < 0)
        return rc;
    printf("done %d\n", a->n);
    return a->n;
}

static int sequential(void)
{
    int rc = work(&(work_args){2});
    return rc < 0 ? rc : work(&(work_args){1});
}

static int with_gather(void)
{
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(work, 2)), KT_JOB_OF(KT_WITH(work, 1))};
    return kt_gather(jobs, 2, NULL);
}

static int with_tasks(void)
{
    kt_auto(kt_group) tasks = KT_GROUP_INIT;
    int rc = kt_group_spawn(&tasks, KT_WITH(work, 2));
    if (rc == 0)
        rc = kt_group_spawn(&tasks, KT_WITH(work, 1));
    return kt_group_join(&tasks, rc);
}

static int run(void *arg)
{
    static const struct {
        const char *name;
        int (*fn)(void);
    } ways[] = {{"sequential", sequential}, {"gather", with_gather}, {"tasks", with_tasks}};
    (void)arg;
    for (int i = 0; i < 3; i++) {
        kt_time start = kt_now();
        int rc = ways[i].fn();
        if (rc < 0)
            return rc;
        printf("%s took (%d s)\n", ways[i].name, (int)((kt_now() - start) / KT_S(1)));
    }
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "sequential_gather_tasks: %s\n", kt_strerror(rc));
    return rc < 0;
}
