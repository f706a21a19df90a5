/* SPDX-License-Identifier: MIT */
#include "say.h"

static int other(void *arg)
{
    (void)arg;
    say("other start");
    return 0;
}

static int child(void)
{
    say("child runs");
    return 1;
}

static int body(void *arg)
{
    kt_future f = KT_FUTURE_INIT;
    (void)arg;
    kt_task *t = spawn(other, NULL, 0);
    say("main awaits child");
    say("main result %d", child());
    sure(kt_future_set_result(&f, 2));
    for (int i = 0; i < 2; i++) {
        intptr_t result = 0;
        sure(kt_future_await(&f, &result));
        say("main result %d", (int)result);
    }
    say("main yields");
    sure(kt_sleep(0));
    say("main resumed");
    return kt_task_join(t);
}

int main(void)
{
    return run(body);
}
