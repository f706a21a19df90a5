/* SPDX-License-Identifier: MIT */
/* All tasks that are not done, by name, in the order of their creation. */
#include <kettle/kettle.h>
#include <stdio.h>

static int sleeps(void *arg)
{
    (void)arg;
    return kt_sleep(KT_S(5));
}

static void print_task(kt_task *t, void *arg)
{
    (void)arg;
    printf(" - %s%s\n", kt_task_name(t), t == kt_task_current() ? " (runs)" : "");
}

static int track_tasks(void *arg)
{
    (void)arg;
    printf("Total tasks: %zu\n", kt_task_each(NULL, NULL));
    kt_task_each(print_task, NULL);
    return 0;
}

static int run(void *arg)
{
    (void)arg;
    const kt_spawn_options sleep_task = {.name = "sleep-task"}, tracking = {.name = "tracking"};
    kt_auto(kt_group) tasks = KT_GROUP_INIT;
    kt_task *tracker;
    int rc = kt_group_spawn_with(&tasks, &sleep_task, sleeps, NULL, 0, NULL);
    if (rc == 0)
        rc = kt_group_spawn_with(&tasks, &tracking, track_tasks, NULL, 0, &tracker);
    if (rc == 0)
        rc = kt_task_await(tracker);
    kt_group_cancel(&tasks); /* nobody waits for the sleep's end */
    return kt_group_join(&tasks, rc);
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "track_tasks: %s\n", kt_strerror(rc));
    return rc < 0;
}
