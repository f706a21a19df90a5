/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(waiter, a, struct {
    const char *name;
    kt_event *ev;
})
{
    int rc = kt_event_wait(a->ev);
    if (rc < 0)
        say("%s cancelled", a->name);
    else
        say("%s woke, set %s", a->name, yes(kt_event_is_set(a->ev)));
    return rc;
}

static int d_body(void *arg)
{
    (void)arg;
    say("D runs");
    return 0;
}

static int body(void *arg)
{
    kt_event ev = KT_EVENT_INIT;
    (void)arg;
    kt_task *a = spawn(KT_WITH(waiter, "A", &ev)), *b = spawn(KT_WITH(waiter, "B", &ev));
    sure(kt_sleep(0));
    kt_event_set(&ev);
    kt_event_clear(&ev);
    kt_task *c = spawn(KT_WITH(waiter, "C", &ev));
    say("main set and cleared");
    sure(kt_sleep(0));
    sure(kt_sleep(0));
    say("A done %s B done %s C done %s", yes(kt_task_done(a)), yes(kt_task_done(b)),
        yes(kt_task_done(c)));
    kt_task_cancel(c);
    wait_end(c);
    kt_event_set(&ev);
    kt_task *d = spawn(d_body, NULL, 0);
    sure(kt_event_wait(&ev));
    say("main passed a set event");
    sure(kt_task_join(d));
    sure(kt_task_join(a));
    kt_task_detach(c);
    return kt_task_join(b);
}

int main(void)
{
    return run(body);
}
