/* SPDX-License-Identifier: MIT */
#include "say.h"

static const kt_wait_mode modes[] = {KT_WAIT_ALL_COMPLETED, KT_WAIT_FIRST_COMPLETED, KT_WAIT_FIRST_FAILED};
static const char *const names[] = {"all", "first", "failure"};

KT_FN(ends, a, struct {
    int units;
    int rc;
})
{
    int rc = kt_sleep(a->units * U);
    return rc < 0 ? rc : a->rc;
}

static kt_task *start(int length, int rc)
{
    return spawn(KT_WITH(ends, length, rc));
}

static int wait_limited(const char *label, kt_task *const ts[], size_t n, int mode, kt_time limit)
{
    char states[16] = "";
    int done = kt_wait(ts, n, modes[mode], limit);
    if (done < 0)
        return done;
    for (size_t i = 0; i < n; i++)
        snprintf(states + strlen(states), sizeof states - strlen(states), " %s", yes(kt_task_done(ts[i])));
    say("%s %s [%s] %d %d", label, names[mode], states + 1, done, (int)n - done);
    return 0;
}

static void wait_all(const char *label, kt_task *const ts[], size_t n, int mode)
{
    sure(wait_limited(label, ts, n, mode, KT_FOREVER));
}

static void finish(kt_task *const ts[], size_t n)
{
    sure(kt_wait(ts, n, KT_WAIT_ALL_COMPLETED, KT_FOREVER));
    for (size_t i = 0; i < n; i++)
        kt_task_detach(ts[i]);
}

static void with_ends(void)
{
    for (int mode = 0; mode < 3; mode++) {
        kt_task *ts[] = {start(1, 0), start(2, -EIO), start(3, KT_ECANCELED)};
        wait_all("mixed", ts, 3, mode);
        finish(ts, 3);
    }
    for (int mode = 0; mode < 3; mode++) {
        kt_task *ts[] = {start(1, KT_ECANCELED), start(2, 0), start(3, 0)};
        wait_all("cancelled first", ts, 3, mode);
        finish(ts, 3);
    }
}

static void with_limits(void)
{
    for (int mode = 0; mode < 3; mode++) {
        kt_task *ts[] = {start(1, 0), start(4, 0)};
        sure(wait_limited("limited", ts, 2, mode, 5 * U / 2));
        sure(wait_limited("again", ts, 2, mode, 0));
        wait_all("again", ts, 2, mode);
        finish(ts, 2);
    }
}

static void over(void)
{
    kt_task *ts[] = {start(0, 0), start(0, -EIO)};
    kt_callback c = KT_CALLBACK_INIT;
    sure(kt_wait(ts, 2, KT_WAIT_ALL_COMPLETED, KT_FOREVER));
    for (int mode = 0; mode < 3; mode++) {
        kt_call_soon(&c, say_text, "a turn for others");
        wait_all("over", ts, 2, mode);
    }
    finish(ts, 2);
}

static int waits_for_two(void *ts)
{
    return wait_limited("never", ts, 2, 0, KT_FOREVER);
}

static void cancelled(void)
{
    kt_task *ts[] = {start(9, 0), start(9, 0)}, *t = spawn(waits_for_two, ts, 0);
    units(1);
    kt_task_cancel(t);
    wait_end(t);
    say("waiter cancelled %s [%s %s]", yes(kt_task_cancelled(t)), yes(kt_task_done(ts[0])),
        yes(kt_task_done(ts[1])));
    kt_task_detach(t);
    kt_task_cancel(ts[0]);
    wait_all("after a cancel", ts, 2, 1);
    kt_task_cancel(ts[1]);
    wait_all("after both", ts, 2, 0);
    finish(ts, 2);
}

static int body(void *arg)
{
    (void)arg;
    with_ends();
    with_limits();
    over();
    cancelled();
    return 0;
}

int main(void)
{
    return run(body);
}
