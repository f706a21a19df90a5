/* SPDX-License-Identifier: MIT */
#include "say.h"

static int count(void)
{
    return kt_task_cancelling(kt_task_current());
}

static int body(void *arg)
{
    kt_auto(kt_timeout) scope = KT_TIMEOUT_INIT;
    (void)arg;
    kt_timeout_start(&scope, 2 * U);
    int rc = kt_sleep(50 * U);
    if (kt_is_cancel(rc))
        say("body cancelled, count %d", count());
    if (kt_timeout_end(&scope, rc) == KT_ETIMEDOUT)
        say("timeout, expired %s count %d", yes(kt_timeout_expired(&scope)), count());
    kt_timeout_start(&scope, 9 * U);
    sure(kt_timeout_end(&scope, kt_sleep(U)));
    say("in time, expired %s", yes(kt_timeout_expired(&scope)));
    units(9);
    say("later, expired %s", yes(kt_timeout_expired(&scope)));
    kt_timeout_start(&scope, KT_FOREVER);
    say("no limit, when %s", kt_timeout_when(&scope) == KT_FOREVER ? "none" : "some");
    sure(kt_timeout_end(&scope, kt_sleep(U)));
    say("in time, expired %s", yes(kt_timeout_expired(&scope)));
    kt_timeout_start(&scope, 9 * U);
    if (kt_timeout_end(&scope, raise_error("boom")) == -EIO)
        say("error %s expired %s", kt_error_detail(), yes(kt_timeout_expired(&scope)));
    return 0;
}

int main(void)
{
    return run(body);
}
