/* SPDX-License-Identifier: MIT */
/* A call that blocks the thread holds up every task. With KETTLE_DEBUG=1 the loop says which task
 * did it, and for how long; see blocking_calls.c for the cure. */
#include <kettle/kettle.h>
#include <stdio.h>
#include <unistd.h>

static int problematic_code(void *arg)
{
    (void)arg;
    printf("Starting\n");
    sleep(2); /* wrong, in a task */
    printf("Complete\n");
    return 0;
}

static int run(void *arg)
{
    (void)arg;
    const kt_spawn_options options = {.name = "problematic"};
    kt_auto(kt_group) tasks = KT_GROUP_INIT;
    int rc = kt_group_spawn_with(&tasks, &options, problematic_code, NULL, 0, NULL);
    return kt_group_join(&tasks, rc);
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "debug_mode: %s\n", kt_strerror(rc));
    return rc < 0;
}
