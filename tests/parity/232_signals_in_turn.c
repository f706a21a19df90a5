/* SPDX-License-Identifier: MIT */
#include "say.h"

static void set(void *event)
{
    kt_event_set(event);
}

static int waits(void *event)
{
    return kt_event_wait(event);
}

/* To replace a handler is to release the old one. */
static void handle(kt_signal *s, int number, const char *text)
{
    kt_signal_release(s);
    sure(kt_signal_handle(s, number, say_text, (void *)(uintptr_t)text));
}

static bool release(kt_signal *s)
{
    bool used = s->loop;
    kt_signal_release(s);
    return used;
}

static int body(void *arg)
{
    kt_auto(kt_signal) one = KT_SIGNAL_INIT, two = KT_SIGNAL_INIT, kill_ = KT_SIGNAL_INIT, term = KT_SIGNAL_INIT;
    kt_event woken = KT_EVENT_INIT;
    (void)arg;
    handle(&one, SIGUSR1, "first");
    sure(kt_signal_handle(&two, SIGUSR2, set, &woken));
    kill(getpid(), SIGUSR1);
    say("sent");
    units(1);
    handle(&one, SIGUSR1, "second");
    kill(getpid(), SIGUSR1);
    units(1);
    kt_task *t = spawn(waits, &woken, 0);
    units(1);
    say("woken %s", yes(kt_task_done(t)));
    kill(getpid(), SIGUSR2);
    sure(kt_task_await(t));
    say("woken %s", yes(kt_task_done(t)));
    kt_task_detach(t);
    bool first = release(&one), again = release(&one);
    say("removed %s %s", yes(first), yes(again));
    signal(SIGUSR1, SIG_IGN);
    kill(getpid(), SIGUSR1);
    units(1);
    if (kt_signal_handle(&kill_, SIGKILL, say_text, NULL) == -EINVAL)
        say("refused");
    handle(&term, SIGTERM, "asked to end");
    kill(getpid(), SIGTERM);
    units(1);
    say("main end");
    return 0;
}

int main(void)
{
    needs_reality("real signals");
    return run(body);
}
