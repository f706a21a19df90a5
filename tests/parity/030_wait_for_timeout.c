/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    int length, cleanup;
})
{
    int rc = kt_sleep(a->length * U);
    if (rc == 0)
        return a->name[0];
    kt_cancel_catch();
    say("%s cancelled", a->name);
    units(a->cleanup);
    say("%s cleaned up", a->name);
    return rc;
}

static int body(void *arg)
{
    kt_auto(kt_callback) timer = KT_CALLBACK_INIT;
    (void)arg;
    say("main got %c", kt_wait_for(5 * U, KT_WITH(work, "A", 1, 0)));
    kt_call_later(&timer, 3 * U, say_text, "tick");
    if (kt_wait_for(2 * U, KT_WITH(work, "B", 50, 2)) == KT_ETIMEDOUT)
        say("main timeout");
    say("main got %c", kt_wait_for(KT_FOREVER, KT_WITH(work, "C", 1, 0)));
    return 0;
}

int main(void)
{
    return run(body);
}
