/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    int length;
    bool fails;
})
{
    units(a->length);
    say("%s %s", a->name, a->fails ? "fails" : "done");
    return a->fails ? raise_error(a->name) : a->name[0];
}

static void in_order_of_completion(void)
{
    kt_auto(kt_as_completed) next = KT_AS_COMPLETED_INIT;
    kt_task *ts[] = {spawn(KT_WITH(work, "A", 6, false)), spawn(KT_WITH(work, "B", 2, true)),
                     spawn(KT_WITH(work, "C", 4, false))};
    sure(kt_as_completed_start(&next, ts, 3));
    for (kt_task *t; sure(kt_as_completed_next(&next, &t));) {
        int rc = kt_task_join(t);
        if (rc < 0)
            say("main caught %s", kt_error_detail());
        else
            say("main got %c", rc);
    }
}

static int within(kt_timeout *limit, kt_task *ts[2])
{
    kt_auto(kt_as_completed) next = KT_AS_COMPLETED_INIT;
    int rc = kt_as_completed_start(&next, ts, 2);
    kt_timeout_start(limit, 5 * U);
    for (kt_task *t; rc >= 0 && (rc = kt_as_completed_next(&next, &t)) == 1;)
        say("main got %c", kt_task_join(t));
    return kt_timeout_end(limit, rc);
}

static int body(void *arg)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    (void)arg;
    in_order_of_completion();
    kt_task *ts[] = {spawn(KT_WITH(work, "D", 2, false)), spawn(KT_WITH(work, "E", 9, false))};
    if (within(&limit, ts) == KT_ETIMEDOUT)
        say("main timeout");
    say("main awaits E %c", kt_task_join(ts[1]));
    return 0;
}

int main(void)
{
    return run(body);
}
