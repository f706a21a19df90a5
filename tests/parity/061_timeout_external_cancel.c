/* SPDX-License-Identifier: MIT */
#include "say.h"

static int work(void *arg)
{
    kt_auto(kt_timeout) scope = KT_TIMEOUT_INIT;
    (void)arg;
    kt_timeout_start(&scope, 9 * U);
    int rc = kt_timeout_end(&scope, kt_sleep(50 * U));
    if (rc == KT_ETIMEDOUT)
        say("W timeout");
    else if (kt_cancel_catch())
        say("W cancelled, expired %s", yes(kt_timeout_expired(&scope)));
    units(12);
    say("W undisturbed, expired %s", yes(kt_timeout_expired(&scope)));
    return 0;
}

static int body(void *arg)
{
    (void)arg;
    kt_task *w = spawn(work, NULL, 0);
    units(1);
    kt_task_cancel(w);
    return kt_task_join(w);
}

int main(void)
{
    return run(body);
}
