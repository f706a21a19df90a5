/* SPDX-License-Identifier: MIT */
#include "say.h"

static void nest(int inner_units, int outer_units)
{
    kt_auto(kt_timeout) outer = KT_TIMEOUT_INIT, inner = KT_TIMEOUT_INIT;
    kt_timeout_start(&outer, outer_units * U);
    kt_timeout_start(&inner, inner_units * U);
    int rc = kt_timeout_end(&inner, kt_sleep(50 * U));
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&inner)) {
        say("inner timeout");
        rc = 0;
    } else if (kt_is_cancel(rc)) {
        say("inner passed cancelled");
    }
    if (kt_timeout_end(&outer, rc) == KT_ETIMEDOUT)
        say("outer timeout");
    say("inner expired %s outer expired %s", yes(kt_timeout_expired(&inner)),
        yes(kt_timeout_expired(&outer)));
    say("count %d", kt_task_cancelling(kt_task_current()));
}

static int body(void *arg)
{
    (void)arg;
    nest(1, 5);
    nest(5, 1);
    return 0;
}

int main(void)
{
    return run(body);
}
