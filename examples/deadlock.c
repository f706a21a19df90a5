/* SPDX-License-Identifier: MIT */
/* Two tasks that wait for each other. A deadline gets out of it; without one, the loop says who waits for
 * whom when it sees that nothing can ever run again.
 *
 * usage: deadlock [report] */
#include <kettle/kettle.h>
#include <stdio.h>

typedef struct pair {
    kt_task *tea, *coffee;
} pair;

static int tea_first_coffee(void *arg)
{
    return kt_task_await(((pair *)arg)->coffee);
}

static int coffee_first_tea(void *arg)
{
    return kt_task_await(((pair *)arg)->tea);
}

static int both(void *arg)
{
    (void)arg;
    const kt_spawn_options tea = {.name = "tea"}, coffee = {.name = "coffee"};
    pair p = {NULL, NULL};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int rc = kt_group_spawn_with(&g, &tea, tea_first_coffee, &p, 0, &p.tea);
    if (rc == 0)
        rc = kt_group_spawn_with(&g, &coffee, coffee_first_tea, &p, 0, &p.coffee);
    return kt_group_join(&g, rc);
}

static int run(void *arg)
{
    const bool *report = arg;
    kt_time start = kt_now();
    int rc = *report ? both(NULL) : kt_wait_for(KT_S(5), both, NULL, 0);
    if (rc != KT_ETIMEDOUT)
        return rc;
    printf("Deadlock detected: operation timed out\n");
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    bool report = argc > 1;
    int rc = kt_run(run, &report, 0);
    if (rc < 0)
        fprintf(stderr, "deadlock: %s\n", kt_strerror(rc));
    return rc < 0;
}
