/* SPDX-License-Identifier: MIT */
#include "say.h"

static const char *current(void)
{
    const kt_task *t = kt_task_current();
    return t ? kt_task_name(t) : "none";
}

static int work(void *arg)
{
    (void)arg;
    say("current %s", current());
    sure(kt_sleep(0));
    say("current %s", current());
    return 0;
}

typedef struct names {
    char names[8][32];
    size_t count;
} names;

static void note(kt_task *t, void *arg)
{
    names *n = arg;
    snprintf(n->names[n->count++], sizeof n->names[0], "%s", kt_task_name(t));
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void say_all(void)
{
    names n = {.count = 0};
    char line[256] = "";
    kt_task_each(note, &n);
    qsort(n.names, n.count, sizeof n.names[0], compare);
    for (size_t i = 0, used = 0; i < n.count; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%s", i > 0 ? " " : "", n.names[i]);
    say("all [%s]", line);
}

static void say_current(void *arg)
{
    (void)arg;
    say("callback current %s", current());
}

/* Kettle calls the main task "main", as a debugger would; here it gets the name that its number gives. */
static int body(void *arg)
{
    kt_callback c = KT_CALLBACK_INIT;
    (void)arg;
    sure(kt_task_name_set(kt_task_current(), "Task-1"));
    say("current %s", current());
    kt_task *b = spawn(work, NULL, 0);
    kt_task *a = spawn_named("alpha", work, NULL, 0);
    kt_call_soon(&c, say_current, NULL);
    say_all();
    sure(kt_sleep(0));
    sure(kt_task_name_set(b, "beta"));
    say_all();
    sure(kt_task_await(a));
    sure(kt_task_await(b));
    say_all();
    say("a name %s b name %s", kt_task_name(a), kt_task_name(b));
    sure(kt_task_join(a));
    return kt_task_join(b);
}

int main(void)
{
    return run(body);
}
