/* SPDX-License-Identifier: MIT */
/* Two tasks in the background while main goes on. A spawned task starts when main first waits; the
 * group sees to it that none outlives this function, whatever happens. */
#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(background_task, a, struct { int number; })
{
    for (int i = 0; i < 5; i++) {
        printf("Task-%d: iteration %d\n", a->number, i);
        int rc = kt_sleep(KT_S(1));
        if (rc < 0)
            return rc;
    }
    return a->number;
}

static int run(void *arg)
{
    (void)arg;
    kt_auto(kt_group) background = KT_GROUP_INIT;
    kt_task *tasks[2]; /* the group's; to be looked at until the join */
    int rc = 0, results[2] = {0};
    kt_time start = kt_now();
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = kt_group_spawn_with(&background, NULL, KT_WITH(background_task, i + 1), &tasks[i]);
    if (rc == 0) {
        printf("Main: doing other work\n");
        rc = kt_sleep(KT_S(2));
    }
    for (int i = 0; rc >= 0 && i < 2; i++)
        rc = results[i] = kt_task_await(tasks[i]);
    rc = kt_group_join(&background, rc);
    if (rc < 0)
        return rc;
    printf("Results: Task-%d complete, Task-%d complete\n", results[0], results[1]);
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "background_tasks: %s\n", kt_strerror(rc));
    return rc < 0;
}
