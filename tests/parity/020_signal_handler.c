/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <kettle/signal.h>

static void handler(void *tag)
{
    say("signal %s current task %s", (const char *)tag, kt_task_current() ? "some" : "none");
}

static bool removed(kt_signal *s)
{
    bool in_use = s->loop != NULL;
    kt_signal_release(s);
    return in_use;
}

static int body(void *arg)
{
    kt_auto(kt_signal) first = KT_SIGNAL_INIT, second = KT_SIGNAL_INIT;
    (void)arg;
    sure(kt_signal_handle(&first, SIGUSR1, handler, "first"));
    kill(getpid(), SIGUSR1);
    say("main sent 1");
    units(1);
    kt_signal_release(&first); /* to replace a handler is to give the old one back */
    sure(kt_signal_handle(&second, SIGUSR1, handler, "second"));
    kill(getpid(), SIGUSR1);
    say("main sent 2");
    units(1);
    say("removed %s", yes(removed(&second)));
    say("removed %s", yes(removed(&second)));
    return 0;
}

int main(void)
{
    needs_reality("real signals");
    return run(body);
}
