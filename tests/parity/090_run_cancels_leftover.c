/* SPDX-License-Identifier: MIT */
#include "say.h"

typedef struct leftover {
    const char *name;
    int cleanup;
    bool fail;
    kt_task *task;
    kt_callback over;
    bool cancelled; /* what Python asks the task itself, which is gone with the loop here */
} leftover;

static leftover kept[4] = {
    {.name = "A", .cleanup = 1},
    {.name = "B", .cleanup = 3},
    {.name = "C", .cleanup = 5, .fail = true},
};

static void handler(const kt_unhandled *u, void *arg)
{
    (void)arg;
    say("handler told %s", u->detail);
}

static int left(void *arg)
{
    const leftover *l = arg;
    int rc = kt_sleep(50 * U);
    if (kt_is_cancel(rc)) {
        kt_cancel_catch();
        units(l->cleanup);
        say("%s cleaned up", l->name);
        if (l->fail)
            return raise_error(l->name);
    }
    return rc;
}

static int quick(void *arg)
{
    (void)arg;
    say("D runs");
    return 0;
}

static void note_cancelled(void *arg)
{
    leftover *l = arg;
    l->cancelled = kt_task_cancelled(l->task);
}

static void keep(leftover *l, kt_fn fn)
{
    l->task = spawn(fn, l, 0);
    kt_task_on_done(l->task, &l->over, note_cancelled, l);
}

static int body(void *arg)
{
    (void)arg;
    kt_error_handler_set(handler, NULL);
    for (int i = 0; i < 3; i++)
        keep(&kept[i], left);
    units(1);
    keep(&kept[3], quick);
    say("main returns");
    return 7;
}

int main(void)
{
    int rc = kt_run_with(&(kt_options){.virtual_time = virtual_clock()}, body, NULL, 0);
    say("run gave %s", rc == 7 ? "main value" : kt_error_name(rc));
    say("cancelled [%s %s %s %s]", yes(kept[0].cancelled), yes(kept[1].cancelled), yes(kept[2].cancelled),
        yes(kept[3].cancelled));
    return 0;
}
