/* SPDX-License-Identifier: MIT */
#include "say.h"

static int work(void *name)
{
    say("%s start", (const char *)name);
    return 0;
}

static int body(void *arg)
{
    kt_auto(kt_callback) first = KT_CALLBACK_INIT, second = KT_CALLBACK_INIT;
    (void)arg;
    kt_call_soon(&first, say_text, "callback 1");
    kt_task *a = spawn(work, "A", 0);
    kt_call_soon(&second, say_text, "callback 2");
    kt_task *b = spawn(work, "B", 0);
    say("main yields");
    sure(kt_sleep(0));
    say("main resumed");
    sure(kt_task_join(a));
    return kt_task_join(b);
}

int main(void)
{
    return run(body);
}
