/* SPDX-License-Identifier: MIT */
#include "say.h"

static int fail(void *arg)
{
    (void)arg;
    sure(kt_sleep(0));
    return raise_error("boom");
}

/* asyncio's result() and exception() are one call here. */
static int body(void *arg)
{
    (void)arg;
    kt_task *a = spawn(fail, NULL, 0);
    say("A done %s", yes(kt_task_done(a)));
    static const char *const names[] = {"result", "error"};
    for (int i = 0; i < 2; i++)
        if (kt_task_result(a) == KT_EINVALIDSTATE)
            say("A %s invalid state", names[i]);
    for (int i = 1; i <= 2; i++)
        if (kt_task_await(a) == -EIO)
            say("await %d raised %s", i, kt_error_detail());
    say("A done %s cancelled %s", yes(kt_task_done(a)), yes(kt_task_cancelled(a)));
    if (kt_task_result(a) == -EIO)
        say("A error %s", kt_error_detail());
    if (kt_task_join(a) == -EIO)
        say("A result raised %s", kt_error_detail());
    return 0;
}

int main(void)
{
    return run(body);
}
