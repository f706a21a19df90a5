/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    int length;
})
{
    int rc = kt_sleep(a->length * U);
    say("%s %s", a->name, rc < 0 ? "cancelled" : "done");
    return rc;
}

static void wait_and_say(kt_task *const ts[3], kt_time limit)
{
    int done = sure(kt_wait(ts, 3, KT_WAIT_ALL_COMPLETED, limit));
    say("done %d pending %d", done, 3 - done);
}

static int waiter(void *ts)
{
    int rc = kt_wait(ts, 3, KT_WAIT_ALL_COMPLETED, KT_FOREVER);
    if (rc == KT_ECANCELED)
        say("W cancelled");
    return rc;
}

static int body(void *arg)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    (void)arg;
    kt_task *ts[] = {spawn(KT_WITH(work, "A", 1)), spawn(KT_WITH(work, "B", 3)),
                     spawn(KT_WITH(work, "C", 5))};
    wait_and_say(ts, 2 * U);
    wait_and_say(ts, 0);
    kt_task *w = spawn(waiter, ts, 0);
    sure(kt_sleep(0));
    kt_task_cancel(w);
    wait_end(w);
    kt_task_detach(w);
    say("C done %s", yes(kt_task_done(ts[2])));
    kt_timeout_start(&limit, U / 2);
    if (kt_timeout_end(&limit, kt_wait(ts, 3, KT_WAIT_ALL_COMPLETED, KT_FOREVER)) == KT_ETIMEDOUT)
        say("timeout");
    wait_and_say(ts, 50 * U);
    for (int i = 0; i < 3; i++)
        kt_task_detach(ts[i]);
    return 0;
}

int main(void)
{
    return run(body);
}
