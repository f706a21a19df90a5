/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <time.h>

KT_FN(left_over, a, struct {
    const char *name;
    int cleanup;
})
{
    int rc = kt_sleep(50 * U);
    kt_cancel_catch();
    say("%s cancelled", a->name);
    units(a->cleanup);
    say("%s cleaned up", a->name);
    return rc;
}

static int blocks(void *arg)
{
    kt_time d = 6 * U;
    (void)arg;
    nanosleep(&(struct timespec){.tv_sec = d / KT_S(1), .tv_nsec = d % KT_S(1)}, NULL);
    say("thread done");
    return 0;
}

static int body(void *end)
{
    watch_end(end, spawn(KT_WITH(left_over, "A", 2)));
    sure(kt_thread_abandon(blocks, NULL, 0, NULL));
    units(1);
    say("main returns");
    return 5;
}

int main(void)
{
    needs_reality("a job of the simulated driver runs on the loop's thread");
    task_end end = {.cancelled = false};
    int gave = kt_run(body, &end, 0);
    say("run gave %d", gave);
    say("cancelled %s", yes(end.cancelled));
    return 0;
}
