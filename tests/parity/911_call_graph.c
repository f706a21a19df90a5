/* SPDX-License-Identifier: MIT */
#include "say.h"

static int leaf(void *arg)
{
    (void)arg;
    return kt_sleep(3 * U);
}

static int a_body(void *s)
{
    return kt_task_await(s);
}

static int b_body(void *s_and_t)
{
    return kt_gather_tasks(s_and_t, 2, NULL);
}

typedef struct level {
    kt_task *tasks[8];
    size_t count;
} level;

static void note(kt_task *t, void *arg)
{
    level *l = arg;
    l->tasks[l->count++] = t;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(kt_task_name(*(kt_task *const *)a), kt_task_name(*(kt_task *const *)b));
}

static void say_waiters(const kt_task *t, int depth)
{
    level l = {.count = 0};
    kt_task_each_awaiter(t, note, &l);
    qsort(l.tasks, l.count, sizeof l.tasks[0], by_name);
    for (size_t i = 0; i < l.count; i++) {
        say("level %d %s", depth, kt_task_name(l.tasks[i]));
        say_waiters(l.tasks[i], depth + 1);
    }
}

static int observer(void *arg)
{
    kt_task **s_and_t = arg;
    units(1);
    for (int i = 0; i < 2; i++) {
        say("graph of %s", kt_task_name(s_and_t[i]));
        say_waiters(s_and_t[i], 0);
    }
    return 0;
}

static int body(void *arg)
{
    (void)arg;
    kt_task *tasks[2] = {spawn_named("S", leaf, NULL, 0), spawn_named("T", leaf, NULL, 0)};
    kt_task *o = spawn_named("O", observer, tasks, 0);
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn_with(&g, &(kt_spawn_options){.name = "A"}, a_body, tasks[0], 0, NULL));
    sure(kt_group_spawn_with(&g, &(kt_spawn_options){.name = "B"}, b_body, tasks, 0, NULL));
    sure(kt_group_join(&g, 0));
    sure(kt_task_join(o));
    for (int i = 0; i < 2; i++)
        sure(kt_task_join(tasks[i]));
    return 0;
}

int main(void)
{
    return run(body);
}
