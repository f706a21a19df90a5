/* SPDX-License-Identifier: MIT */
#include "say.h"

static const kt_context_var var = {"var"};

static int work(void *ret_task)
{
    sure(kt_context_set(&var, "set by work"));
    *(kt_task **)ret_task = kt_task_current();
    return 0;
}

static void wait_and_say(kt_time limit)
{
    kt_task *t = NULL;
    sure(kt_wait_for(limit, work, &t, 0));
    say("same task %s variable %s", yes(t == kt_task_current()),
        (const char *)kt_context_get(&var, "unset"));
}

static int body(void *arg)
{
    (void)arg;
    wait_and_say(50 * U);
    sure(kt_context_set(&var, "unset"));
    wait_and_say(KT_FOREVER);
    return 0;
}

int main(void)
{
    return run(body);
}
