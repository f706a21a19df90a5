/* SPDX-License-Identifier: MIT */
#include "say.h"

static const kt_context_var var = {"var"};
static kt_loop *loops[2];

static int background(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        say("background %d", i);
        int rc = kt_sleep(4 * U);
        if (rc < 0) {
            say("background cancelled");
            return rc;
        }
    }
    return 0;
}

static int first(void *left_over)
{
    sure(kt_context_set(&var, "from first"));
    watch_end(left_over, spawn(background, NULL, 0));
    units(2);
    loops[0] = kt_loop_current();
    return 0;
}

static int second(void *arg)
{
    (void)arg;
    say("second sees %s", (const char *)kt_context_get(&var, "unset"));
    units(4);
    loops[1] = kt_loop_current();
    return 0;
}

int main(void)
{
    task_end left_over = {.cancelled = false};
    kt_runner *r = NULL;
    sure(kt_runner_open(&(kt_options){.virtual_time = virtual_clock()}, &r));
    sure(kt_runner_run(r, first, &left_over, 0));
    say("first returned");
    sure(kt_runner_run(r, second, NULL, 0));
    say("second returned, same loop %s", yes(loops[0] == loops[1]));
    kt_runner_close(kt_steal(r));
    say("closed %s background cancelled %s", yes(!kt_loop_current()), yes(left_over.cancelled));
    if (kt_runner_run(r, second, NULL, 0) == KT_ENOTRUNNING)
        say("closed runner refused");
    return 0;
}
