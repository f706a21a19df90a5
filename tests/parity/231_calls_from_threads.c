/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <semaphore.h>

static int gives(void *n)
{
    int rc = kt_sleep(U);
    if (rc < 0)
        return rc;
    say("task gives %d", *(int *)n);
    return *(int *)n;
}

static int fails(void *arg)
{
    (void)arg;
    int rc = kt_sleep(0);
    return rc < 0 ? rc : raise_error("boom");
}

static int sleeps_long(void *arg)
{
    (void)arg;
    return kt_sleep(50 * U);
}

static void called(void *done)
{
    say("called on the loop");
    sem_post(done);
}

static kt_remote *start(kt_loop *loop, KT__JOB)
{
    kt_remote *r = NULL;
    sure(kt_spawn_threadsafe(loop, fn, arg, size, &r));
    return r;
}

static void waits_and_gives_up(kt_loop *loop)
{
    kt_auto(kt_remote) *r = start(loop, sleeps_long, NULL, 0);
    if (kt_remote_wait(r, 2 * U) == -ETIMEDOUT)
        say("thread: not yet");
    say("thread: cancel %s", yes(kt_remote_cancel(r)));
    if (kt_remote_wait(r, KT_FOREVER) == KT_ECANCELED)
        say("thread: cancelled");
}

static int other_thread(void *loop)
{
    kt_auto(kt_remote) *r = start(loop, gives, &(int){1}, sizeof(int));
    sem_t done;
    say("thread: done %s", yes(kt_remote_done(r)));
    int got = kt_remote_wait(r, KT_FOREVER);
    say("thread: got %d done %s", got, yes(kt_remote_done(r)));
    if (kt_run_threadsafe(loop, fails, NULL, 0) == -EIO)
        say("thread: caught %s", kt_error_detail());
    waits_and_gives_up(loop);
    sem_init(&done, 0, 0);
    sure(kt_call_threadsafe(loop, called, &done));
    while (sem_wait(&done) < 0)
        ;
    return 7;
}

static int body(void *arg)
{
    (void)arg;
    int gave = kt_thread_run(other_thread, kt_loop_current(), 0);
    say("thread gave %d", gave);
    return 0;
}

int main(void)
{
    needs_reality("a job of the simulated driver runs on the loop's thread");
    return run(body);
}
