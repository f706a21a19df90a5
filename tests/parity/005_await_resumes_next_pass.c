/* SPDX-License-Identifier: MIT */
#include "say.h"

static int t_body(void *callback)
{
    say("T running");
    kt_call_soon(callback, say_text, "callback from T");
    say("T returning");
    return 5;
}

static int say_running(void *name)
{
    say("%s running", (const char *)name);
    return 0;
}

static int body(void *arg)
{
    kt_auto(kt_callback) callback = KT_CALLBACK_INIT;
    (void)arg;
    kt_task *t = spawn(t_body, &callback, 0);
    say("main result %d", kt_task_join(t));
    kt_task *t2 = spawn(say_running, "T2", 0);
    kt_task *o = spawn(say_running, "O", 0);
    sure(kt_task_join(t2));
    say("main resumed after T2");
    return kt_task_join(o);
}

int main(void)
{
    return run(body);
}
