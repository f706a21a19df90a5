/* SPDX-License-Identifier: MIT */
#include "say.h"

static kt_runner *loop;
static kt_callback calls[3];
static kt_task *t;

static int steps(void *name)
{
    for (int i = 0; i < 4; i++) {
        say("%s %d", (const char *)name, i);
        units(2);
    }
    return 0;
}

static void stop_and_more(void *arg)
{
    (void)arg;
    say("stop");
    kt_runner_stop(loop);
    kt_call_soon(&calls[2], say_text, "a pass later");
}

static int begin(void *ret_loop)
{
    *(kt_loop **)ret_loop = kt_loop_current();
    for (int i = 0; i < 3; i++)
        calls[i] = (kt_callback)KT_CALLBACK_INIT;
    t = spawn(steps, "T", 0);
    kt_call_later(&calls[0], 3 * U, stop_and_more, NULL);
    kt_call_later(&calls[1], 3 * U, say_text, "the same pass");
    return 0;
}

static int ends_with(void *task)
{
    return kt_task_await(task);
}

static int fails(void *arg)
{
    (void)arg;
    int rc = kt_sleep(0);
    return rc < 0 ? rc : raise_error("boom");
}

static int stops(void *arg)
{
    (void)arg;
    kt_runner_stop(loop);
    return kt_sleep(U);
}

int main(void)
{
    kt_loop *inside = NULL;
    sure(kt_runner_open(&(kt_options){.virtual_time = virtual_clock()}, &loop));
    sure(kt_runner_run(loop, begin, &inside, 0));
    sure(kt_runner_run(loop, NULL, NULL, 0));
    say("stopped, running %s done %s", yes(kt_loop_current()), yes(kt_task_done(t)));
    sure(kt_call_threadsafe(inside, say_text, "called between"));
    kt_runner_stop(loop);
    sure(kt_runner_run(loop, NULL, NULL, 0));
    say("one pass");
    sure(kt_runner_run(loop, ends_with, t, 0));
    say("done %s", yes(kt_task_done(t)));
    kt_task_detach(t);
    if (kt_runner_run(loop, fails, NULL, 0) == -EIO)
        say("run raised %s", kt_error_detail());
    if (kt_runner_run(loop, stops, NULL, 0) == KT_EINVALIDSTATE)
        say("stopped before the end");
    kt_runner_close(kt_steal(loop));
    kt_runner_close(loop);
    say("closed %s", yes(!loop));
    if (kt_runner_run(loop, NULL, NULL, 0) == KT_ENOTRUNNING)
        say("refused");
    return 0;
}
