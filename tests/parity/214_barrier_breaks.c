/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    char name;
    kt_barrier *b;
})
{
    int rc = kt_barrier_wait(a->b);
    if (rc >= 0)
        say("%c passed %d", a->name, rc);
    else
        say("%c %s", a->name, rc == KT_EBROKEN ? "broken" : "cancelled");
    return kt_is_cancel(rc) ? rc : 0;
}

static kt_task *enter(char name, kt_barrier *b)
{
    return spawn(KT_WITH(work, name, b));
}

static void finish(kt_task *const ts[], size_t n)
{
    sure(kt_wait(ts, n, KT_WAIT_ALL_COMPLETED, KT_FOREVER));
    for (size_t i = 0; i < n; i++)
        kt_task_detach(ts[i]);
}

static void say_state(kt_barrier *b)
{
    say("broken %s waiting %u", yes(kt_barrier_broken(b)), kt_barrier_waiting(b));
}

static void abort_and_reset(kt_barrier *b)
{
    kt_task *ts[] = {enter('A', b), enter('B', b)};
    sure(kt_sleep(0));
    say("waiting %u", kt_barrier_waiting(b));
    kt_barrier_abort(b);
    say("broken %s", yes(kt_barrier_broken(b)));
    finish(ts, 2);
    say("waiting %u", kt_barrier_waiting(b));
    ts[0] = enter('C', b);
    finish(ts, 1);
    kt_barrier_reset(b);
    say("broken %s", yes(kt_barrier_broken(b)));
    ts[0] = enter('D', b);
    ts[1] = enter('E', b);
    sure(kt_sleep(0));
    kt_barrier_reset(b);
    finish(ts, 2);
    say_state(b);
}

static int body(void *arg)
{
    kt_barrier b = KT_BARRIER_INIT(3), one = KT_BARRIER_INIT(1);
    (void)arg;
    abort_and_reset(&b);
    kt_task *ts[4] = {enter('F', &b), enter('G', &b), NULL, NULL};
    sure(kt_sleep(0));
    kt_task_cancel(ts[0]);
    wait_end(ts[0]);
    say_state(&b);
    ts[2] = enter('H', &b);
    ts[3] = enter('I', &b);
    finish(ts, 4);
    say("waiting %u", kt_barrier_waiting(&b));
    int alone = kt_barrier_wait(&one);
    say("alone %d", alone);
    return 0;
}

int main(void)
{
    return run(body);
}
