/* SPDX-License-Identifier: MIT */
#include "say.h"

static char text[256];

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

typedef struct list {
    char *names[8];
    size_t count;
} list;

static void collect(kt_task *t, void *arg)
{
    list *l = arg;
    if (strcmp(kt_task_name(t), "main") != 0)
        l->names[l->count++] = strdup(kt_task_name(t));
}

/* The names of all unfinished tasks but main's, sorted. */
static const char *names(void)
{
    list l = {.count = 0};
    kt_task_each(collect, &l);
    qsort(l.names, l.count, sizeof *l.names, by_name);
    size_t used = (size_t)snprintf(text, sizeof text, "[");
    for (size_t i = 0; i < l.count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? " " : "", l.names[i]);
        free(l.names[i]);
    }
    snprintf(text + used, sizeof text - used, "]");
    return text;
}

static const char *current(void)
{
    kt_task *t = kt_task_current();
    return t ? kt_task_name(t) : "none";
}

static int idle(void *gate)
{
    say("%s runs", current());
    return kt_event_wait(gate);
}

static void in_callback(void *arg)
{
    (void)arg;
    say("callback of %s left %s", current(), names());
}

static int renames(void *arg)
{
    (void)arg;
    sure(kt_task_name_set(kt_task_current(), "renamed"));
    return kt_sleep(0);
}

static void count_made(kt_task *t, void *made)
{
    (void)t;
    ++*(int *)made;
}

static void of_tasks(kt_event *gate, kt_callback *c)
{
    kt_task *ts[] = {spawn_named("b", idle, gate, 0), spawn_named("a", idle, gate, 0)};
    say("left %s", names());
    kt_call_soon(c, in_callback, NULL);
    sure(kt_sleep(0));
    kt_task_cancel(ts[0]);
    say("left %s", names());
    sure(kt_sleep(0));
    say("left %s done [%s %s]", names(), yes(kt_task_done(ts[0])), yes(kt_task_done(ts[1])));
    say("name of one that has ended %s", kt_task_name(ts[0]));
    sure(kt_task_name_set(ts[1], "c"));
    say("left %s", names());
    kt_task_detach(ts[0]);
    kt_task_detach(ts[1]);
}

static int body(void *arg)
{
    kt_auto(kt_callback) c = KT_CALLBACK_INIT;
    kt_event gate = KT_EVENT_INIT;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int made = 0;
    (void)arg;
    of_tasks(&gate, &c);
    kt_task *t = spawn_named("before", renames, NULL, 0);
    char before[16];
    snprintf(before, sizeof before, "%s", kt_task_name(t));
    sure(kt_task_await(t));
    say("before %s gave %s after %s", before, kt_task_name(t), kt_task_name(t));
    kt_task_detach(t);
    sure(kt_group_spawn_with(&g, &(kt_spawn_options){.name = "child"}, idle, &gate, 0, NULL));
    sure(kt_sleep(0));
    say("left %s", names());
    kt_event_set(&gate);
    sure(kt_group_join(&g, 0));
    say("left %s", names());
    kt_task_hook_set(count_made, &made);
    sure(kt_gather((kt_job[]){{renames, NULL, 0}, {renames, NULL, 0}}, 2, NULL));
    kt_task_hook_set(NULL, NULL);
    sure(kt_task_join(spawn(renames, NULL, 0)));
    say("hook saw %d", made);
    return 0;
}

int main(void)
{
    return run(body);
}
