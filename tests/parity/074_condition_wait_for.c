/* SPDX-License-Identifier: MIT */
#include "say.h"

static int count;

typedef struct need {
    const char *name;
    kt_condition *cond;
    int count;
} need;

static int check(void *arg)
{
    const need *n = arg;
    say("%s checks %d locked %s", n->name, count, yes(kt_condition_locked(n->cond)));
    return count >= n->count;
}

static int waiter(void *arg)
{
    need *n = arg;
    sure(kt_condition_acquire(n->cond));
    int rc = kt_condition_wait_for(n->cond, check, n);
    say("%s passed %s", n->name, yes(sure(rc)));
    kt_condition_release(n->cond);
    return 0;
}

static int body(void *arg)
{
    kt_condition cond = KT_CONDITION_INIT;
    (void)arg;
    kt_task *a = spawn(waiter, &(need){"A", &cond, 2}, sizeof(need));
    kt_task *b = spawn(waiter, &(need){"B", &cond, 1}, sizeof(need));
    units(1);
    for (int i = 0; i < 2; i++) {
        sure(kt_condition_acquire(&cond));
        say("main count %d", ++count);
        kt_condition_notify_all(&cond);
        kt_condition_release(&cond);
        units(1);
    }
    sure(kt_task_join(a));
    sure(kt_task_join(b));
    return waiter(&(need){"C", &cond, 1});
}

int main(void)
{
    return run(body);
}
