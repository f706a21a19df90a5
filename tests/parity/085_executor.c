/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <time.h>

static int ran[3], ran_count;

static void block_for(kt_time d)
{
    nanosleep(&(struct timespec){.tv_sec = d / KT_S(1), .tv_nsec = d % KT_S(1)}, NULL);
}

static int block(void *length)
{
    block_for(*(int *)length * U);
    return *(int *)length * 10;
}

static int fail(void *arg)
{
    (void)arg;
    return raise_error("boom");
}

static int job(void *n)
{
    ran[ran_count++] = *(int *)n;
    block_for(U);
    return *(int *)n;
}

typedef struct division {
    int a, b, quotient, remainder;
} division;

static int divide(void *arg)
{
    division *d = arg;
    d->quotient = d->a / d->b;
    d->remainder = d->a % d->b;
    return 0;
}

static int body(void *arg)
{
    kt_auto(kt_callback) tick_1 = KT_CALLBACK_INIT, tick_2 = KT_CALLBACK_INIT;
    (void)arg;
    kt_call_later(&tick_1, 1 * U, say_text, "tick 1");
    kt_call_later(&tick_2, 2 * U, say_text, "tick 2");
    kt_auto(kt_thread_pool) *pool = NULL;
    kt_task *f, *fs[3];
    sure(kt_thread_pool_open(&(kt_thread_pool_options){.threads_max = 1}, &pool));
    sure(kt_thread_pool_submit(pool, block, &(int){4}, sizeof(int), &f));
    say("main submitted, done %s", yes(kt_task_done(f)));
    say("main got %d", kt_task_join(f));
    if (kt_thread_run(fail, NULL, 0) == -EIO)
        say("main caught %s", kt_error_detail());
    int rcs[3];
    for (int n = 1; n <= 3; n++)
        sure(kt_thread_pool_submit(pool, job, &n, sizeof n, &fs[n - 1]));
    for (int i = 0; i < 3; i++)
        rcs[i] = kt_task_join(fs[i]);
    say("results [%d %d %d]", rcs[0], rcs[1], rcs[2]);
    say("ran [%d %d %d]", ran[0], ran[1], ran[2]);
    division d = {.a = 7, .b = 2};
    sure(kt_thread_run(divide, &d, 0));
    say("to_thread [%d %d]", d.quotient, d.remainder);
    return 0;
}

int main(void)
{
    needs_reality("a job of the simulated driver runs on the loop's thread and takes no virtual time");
    return kt_run_with(&(kt_options){.threads_max = 1}, body, NULL, 0) < 0;
}
