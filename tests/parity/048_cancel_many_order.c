/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct { char name; })
{
    say("%c start", a->name);
    int rc = kt_sleep(50 * U);
    if (rc < 0)
        say("%c cancelled", a->name);
    return rc;
}

static int body(void *arg)
{
    kt_task *t[5];
    (void)arg;
    for (int i = 0; i < 4; i++)
        t[i] = spawn(KT_WITH(work, (char)('A' + i)));
    units(1);
    for (const char *name = "CADB"; *name; name++)
        kt_task_cancel(t[*name - 'A']);
    t[4] = spawn(KT_WITH(work, 'E'));
    kt_task_cancel(t[4]);
    sure(kt_wait(t, 5, KT_WAIT_ALL_COMPLETED, KT_FOREVER));
    say("E cancelled %s", yes(kt_task_cancelled(t[4])));
    for (int i = 0; i < 5; i++)
        kt_task_detach(t[i]);
    return 0;
}

int main(void)
{
    return run(body);
}
