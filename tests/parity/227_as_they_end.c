/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(ends, a, struct {
    char name;
    int units;
    bool fails;
})
{
    int rc = kt_sleep(a->units * U);
    return rc < 0 ? rc : a->fails ? raise_error((char[]){a->name, 0}) : a->name;
}

static kt_task *start(char name, int length)
{
    return spawn(KT_WITH(ends, name, length, false));
}

static void detach_all(kt_task *const ts[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        kt_task_detach(ts[i]);
}

static void mixed(void)
{
    kt_auto(kt_callback) canceller = KT_CALLBACK_INIT;
    kt_auto(kt_as_completed) next = KT_AS_COMPLETED_INIT;
    kt_task *t, *ts[] = {start('A', 3), spawn(KT_WITH(ends, 'B', 1, true)), start('C', 2), start('D', 9)};
    kt_call_later(&canceller, 5 * U / 2, cancel_task, ts[3]);
    sure(kt_as_completed_start(&next, ts, 4));
    while (sure(kt_as_completed_next(&next, &t)) == 1) {
        int rc = kt_task_join(t);
        if (rc == KT_ECANCELED)
            say("cancelled");
        else if (rc < 0)
            say("failed %s", kt_error_detail());
        else
            say("got %c", rc);
    }
}

static void together(void)
{
    kt_auto(kt_as_completed) next = KT_AS_COMPLETED_INIT;
    kt_task *t, *ts[] = {start('E', 1), start('F', 1), start('G', 1)};
    char names[4] = "";
    units(2);
    sure(kt_as_completed_start(&next, ts, 3));
    for (int i = 0; i < 3 && sure(kt_as_completed_next(&next, &t)) == 1; i++)
        names[i] = (char)kt_task_join(t);
    say("got [%c %c %c]", names[0], names[1], names[2]);
}

static int say_each(kt_task *const ts[], size_t n, const char *label)
{
    kt_auto(kt_as_completed) next = KT_AS_COMPLETED_INIT;
    kt_task *t;
    sure(kt_as_completed_start(&next, ts, n));
    int rc;
    while ((rc = kt_as_completed_next(&next, &t)) == 1) {
        say("%s %c", label, kt_task_result(t));
        if (strcmp(label, "first") == 0)
            break;
    }
    return rc;
}

static void say_later(kt_task *const ts[], size_t n)
{
    int rcs[3] = {0, 0, 0};
    sure(kt_gather_tasks(ts, n, rcs));
    say(n == 3 ? "later [%c %c %c]" : "later [%c %c]", rcs[0], rcs[1], rcs[2]);
    detach_all(ts, n);
}

static void limited(void)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_task *ts[] = {start('H', 1), start('I', 5), start('J', 5)};
    kt_timeout_start(&limit, 2 * U);
    if (kt_timeout_end(&limit, say_each(ts, 3, "got")) == KT_ETIMEDOUT)
        say("timeout, done [%s %s %s]", yes(kt_task_done(ts[0])), yes(kt_task_done(ts[1])),
            yes(kt_task_done(ts[2])));
    say_later(ts, 3);
}

static void left_early(void)
{
    kt_task *ts[] = {start('K', 1), start('L', 2)};
    sure(say_each(ts, 2, "first"));
    int other = kt_task_await(ts[1]);
    say("other %c", other);
    detach_all(ts, 2);
}

static int consumer(void *ts)
{
    return say_each(ts, 2, "got");
}

static void waiter_cancelled(void)
{
    kt_task *ts[] = {start('M', 3), start('N', 3)}, *t = spawn(consumer, ts, 0);
    units(1);
    kt_task_cancel(t);
    wait_end(t);
    say("consumer cancelled %s done [%s %s]", yes(kt_task_cancelled(t)), yes(kt_task_done(ts[0])),
        yes(kt_task_done(ts[1])));
    kt_task_detach(t);
    say_later(ts, 2);
}

static int body(void *arg)
{
    (void)arg;
    mixed();
    together();
    limited();
    left_early();
    waiter_cancelled();
    return 0;
}

int main(void)
{
    return run(body);
}
