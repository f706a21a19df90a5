/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    int length;
    bool fails;
})
{
    int rc = kt_sleep(a->length * U);
    if (rc < 0)
        return rc;
    say("%s %s", a->name, a->fails ? "fails" : "done");
    return a->fails ? raise_error(a->name) : 0;
}

/* The names of those that are done, or are not. */
static const char *names(kt_task *const ts[4], bool done, char text[16])
{
    size_t n = 0;
    for (int i = 0; i < 4; i++)
        if (kt_task_done(ts[i]) == done)
            n += (size_t)snprintf(text + n, 16 - n, "%s%s", n ? " " : "", kt_task_name(ts[i]));
    text[n] = 0;
    return text;
}

static void wait_and_say(kt_task *const ts[4], kt_wait_mode mode)
{
    char done[16], pending[16];
    sure(kt_wait(ts, 4, mode, KT_FOREVER));
    say("done [%s] pending [%s]", names(ts, true, done), names(ts, false, pending));
}

static int body(void *arg)
{
    kt_auto(kt_callback) timer = KT_CALLBACK_INIT;
    (void)arg;
    kt_task *ts[] = {
        spawn_named("A", KT_WITH(work, "A", 9, false)), spawn_named("B", KT_WITH(work, "B", 2, false)),
        spawn_named("C", KT_WITH(work, "C", 3, true)), spawn_named("D", KT_WITH(work, "D", 6, false))};
    kt_call_later(&timer, U, cancel_task, ts[0]);
    wait_and_say(ts, KT_WAIT_FIRST_FAILED);
    wait_and_say(ts, KT_WAIT_ALL_COMPLETED);
    if (kt_task_await(ts[2]) == -EIO)
        say("C error %s A cancelled %s", kt_error_detail(), yes(kt_task_cancelled(ts[0])));
    for (int i = 0; i < 4; i++)
        kt_task_detach(ts[i]);
    return 0;
}

int main(void)
{
    return run(body);
}
