/* SPDX-License-Identifier: MIT */
#include "say.h"

static int body(void *arg)
{
    kt_auto(kt_timeout) scope = KT_TIMEOUT_INIT;
    kt_future f = KT_FUTURE_INIT;
    intptr_t text = 0;
    (void)arg;
    sure(kt_future_set_result(&f, (intptr_t)"ready"));
    kt_timeout_start(&scope, 0);
    int rc = kt_future_await(&f, &text);
    say("body %s", (const char *)text);
    sure(kt_timeout_end(&scope, rc));
    say("no wait, expired %s", yes(kt_timeout_expired(&scope)));
    kt_timeout_start(&scope, 0);
    rc = kt_sleep(0);
    if (rc == 0)
        say("body not reached");
    if (kt_timeout_end(&scope, rc) == KT_ETIMEDOUT)
        say("timeout, expired %s", yes(kt_timeout_expired(&scope)));
    kt_timeout_start_at(&scope, kt_now() - KT_S(1));
    say("body start");
    if (kt_timeout_end(&scope, kt_sleep(KT_S(9))) == KT_ETIMEDOUT)
        say("timeout, expired %s", yes(kt_timeout_expired(&scope)));
    return 0;
}

int main(void)
{
    return run(body);
}
