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

static void await_all(kt_task *const ts[], size_t n)
{
    sure(kt_wait(ts, n, KT_WAIT_ALL_COMPLETED, KT_FOREVER));
}

static void finish(kt_task *const ts[], size_t n)
{
    await_all(ts, n);
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

KT_FN(rounds, a, struct {
    char name;
    kt_barrier *b;
})
{
    for (int i = 0; i < 3; i++) {
        say("%c round %d waiting %u", a->name, i, kt_barrier_waiting(a->b));
        int number = kt_barrier_wait(a->b);
        say("%c passed %d", a->name, number);
    }
    return 0;
}

/* The last to come goes on without a pause, but not into the next round before the others have left. */
static void next_round(kt_barrier *b)
{
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(rounds, 'J', b)), KT_JOB_OF(KT_WITH(rounds, 'K', b)),
                           KT_JOB_OF(KT_WITH(rounds, 'L', b))};
    sure(kt_gather(jobs, 3, NULL));
    say_state(b);
}

/* A reset while some are inside: newcomers wait until they have left. */
static void reset_and_come(kt_barrier *b)
{
    kt_task *ts[5] = {enter('M', b), enter('N', b)};
    sure(kt_sleep(0));
    kt_barrier_reset(b);
    say("resetting waiting %u", kt_barrier_waiting(b));
    for (int i = 0; i < 3; i++)
        ts[2 + i] = enter("OPQ"[i], b);
    finish(ts, 5);
    say_state(b);
}

/* The round is full, but the others have not left it yet: a reset or an abort still reaches them. */
static void too_late(kt_barrier *b, bool reset)
{
    kt_task *ts[3] = {enter('R', b), enter('S', b)};
    sure(kt_sleep(0));
    int number = kt_barrier_wait(b);
    say("opener %d", number);
    say_state(b);
    if (reset)
        kt_barrier_reset(b);
    else
        kt_barrier_abort(b);
    say_state(b);
    ts[2] = enter('T', b);
    sure(kt_sleep(0));
    sure(kt_sleep(0));
    say_state(b);
    kt_barrier_reset(b);
    sure(kt_sleep(0));
    sure(kt_sleep(0));
    say_state(b);
    say("done %s", yes(kt_task_done(ts[0]) && kt_task_done(ts[1]) && kt_task_done(ts[2])));
    finish(ts, 3);
}

/* Cancelled in the pass in which it was let go; and one that waits for the round to be left. */
static void cancelled_late(kt_barrier *b)
{
    kt_task *ts[5] = {enter('U', b), enter('V', b)}, *x;
    sure(kt_sleep(0));
    int number = kt_barrier_wait(b);
    say("opener %d", number);
    kt_task_cancel(ts[0]);
    ts[2] = enter('W', b);
    x = enter('X', b);
    kt_task_cancel(x);
    await_all(ts, 2);
    say_state(b);
    ts[3] = enter('Y', b);
    ts[4] = enter('Z', b);
    finish(ts, 5);
    kt_task_detach(x);
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
    next_round(&b);
    reset_and_come(&b);
    too_late(&b, true);
    too_late(&b, false);
    cancelled_late(&b);
    return 0;
}

int main(void)
{
    return run(body);
}
