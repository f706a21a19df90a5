/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(waiter, a, struct {
    char name;
    kt_condition *c;
})
{
    sure(kt_condition_acquire(a->c));
    say("%c waits", a->name);
    int rc = kt_condition_wait(a->c);
    if (rc == 0)
        say("%c woke, locked %s", a->name, yes(kt_condition_locked(a->c)));
    kt_condition_release(a->c);
    if (rc < 0)
        say("%c cancelled, locked %s", a->name, yes(kt_condition_locked(a->c)));
    return rc;
}

static void notify(kt_condition *c, size_t n)
{
    sure(kt_condition_acquire(c));
    kt_condition_notify(c, n);
    kt_condition_release(c);
}

static void finish(kt_task *t)
{
    wait_end(t);
    kt_task_detach(t);
}

static void in_order(kt_condition *c)
{
    kt_task *ts[4];
    for (int i = 0; i < 4; i++)
        ts[i] = spawn(KT_WITH(waiter, (char)('A' + i), c));
    units(1);
    notify(c, 2);
    say("notified 2");
    units(1);
    notify(c, 10);
    say("notified all");
    for (int i = 0; i < 4; i++)
        finish(ts[i]);
}

/* Cancelled while it waits for the lock again: it gets that first. */
static void lock_comes_first(kt_condition *c)
{
    kt_task *t = spawn(KT_WITH(waiter, 'E', c));
    units(1);
    sure(kt_condition_acquire(c));
    kt_condition_notify(c, 1);
    sure(kt_sleep(0));
    sure(kt_sleep(0));
    kt_task_cancel(t);
    units(1);
    say("E done %s", yes(kt_task_done(t)));
    kt_condition_release(c);
    wait_end(t);
    say("E cancelled %s locked %s", yes(kt_task_cancelled(t)), yes(kt_condition_locked(c)));
    kt_task_detach(t);
    t = spawn(KT_WITH(waiter, 'F', c));
    units(1);
    sure(kt_condition_acquire(c));
    for (int i = 0; i < 2; i++) {
        kt_task_cancel(t);
        units(1);
    }
    say("F done %s", yes(kt_task_done(t)));
    kt_condition_release(c);
    wait_end(t);
    say("F cancelled %s count %d", yes(kt_task_cancelled(t)), kt_task_cancelling(t));
    kt_task_detach(t);
}

static int body(void *arg)
{
    kt_condition c = KT_CONDITION_INIT;
    (void)arg;
    in_order(&c);
    lock_comes_first(&c);
    kt_task *ts[3] = {spawn(KT_WITH(waiter, 'G', &c)), spawn(KT_WITH(waiter, 'H', &c)), NULL};
    units(1);
    sure(kt_condition_acquire(&c));
    kt_condition_notify_all(&c);
    kt_condition_release(&c);
    ts[2] = spawn(KT_WITH(waiter, 'I', &c));
    units(1);
    say("done [%s %s %s]", yes(kt_task_done(ts[0])), yes(kt_task_done(ts[1])),
        yes(kt_task_done(ts[2])));
    kt_task_cancel(ts[2]);
    for (int i = 0; i < 3; i++)
        finish(ts[i]);
    return 0;
}

int main(void)
{
    return run(body);
}
