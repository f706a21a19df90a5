/* SPDX-License-Identifier: MIT */
#include "say.h"

static kt_lock lock = KT_LOCK_INIT;
static kt_condition not_full = KT_CONDITION_INIT_ON(&lock), not_empty = KT_CONDITION_INIT_ON(&lock);
static int buffer[2], used;

KT_FN(produce, a, struct {
    char name;
    int n;
})
{
    for (int i = 0; i < a->n; i++) {
        int rc = kt_condition_acquire(&not_full);
        if (rc < 0)
            return rc;
        while (rc == 0 && used == 2) {
            say("%c waits", a->name);
            rc = kt_condition_wait(&not_full);
        }
        if (rc == 0) {
            buffer[used++] = i;
            say("%c puts %d", a->name, i);
            kt_condition_notify(&not_empty, 1);
        }
        kt_condition_release(&not_full);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int has_some(void *arg)
{
    (void)arg;
    return used;
}

static int take(char name)
{
    int rc = kt_lock_acquire(&lock);
    if (rc < 0)
        return rc;
    rc = kt_condition_wait_for(&not_empty, has_some, NULL);
    if (rc > 0) {
        say("%c takes %d", name, buffer[0]);
        buffer[0] = buffer[1];
        used--;
        kt_condition_notify(&not_full, 1);
    }
    kt_lock_release(&lock);
    return rc < 0 ? rc : 0;
}

KT_FN(consume, a, struct {
    char name;
    int n;
})
{
    int rc = 0;
    for (int i = 0; i < a->n && rc == 0; i++) {
        rc = take(a->name);
        if (rc == 0)
            rc = kt_sleep(0);
    }
    return rc;
}

static int body(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    (void)arg;
    sure(kt_group_spawn(&g, KT_WITH(consume, 'A', 3)));
    sure(kt_group_spawn(&g, KT_WITH(produce, 'P', 5)));
    sure(kt_group_spawn(&g, KT_WITH(consume, 'B', 3)));
    sure(kt_group_spawn(&g, KT_WITH(produce, 'Q', 1)));
    sure(kt_group_join(&g, 0));
    say("left %d locked %s", used, yes(kt_lock_locked(&lock)));
    sure(kt_lock_acquire(&lock));
    say("one lock %s %s", yes(kt_condition_locked(&not_full)), yes(kt_condition_locked(&not_empty)));
    kt_lock_release(&lock);
    kt_task *t = spawn(KT_WITH(consume, 'C', 1));
    sure(kt_sleep(0));
    kt_task_cancel(t);
    wait_end(t);
    say("C cancelled %s locked %s", yes(kt_task_cancelled(t)), yes(kt_lock_locked(&lock)));
    kt_task_detach(t);
    return 0;
}

int main(void)
{
    return run(body);
}
