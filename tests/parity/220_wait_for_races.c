/* SPDX-License-Identifier: MIT */
#include "say.h"

static int on_future(void *f)
{
    return kt_future_await(f, NULL);
}

static int w_body(void *f)
{
    int rc = kt_wait_for(50 * U, on_future, f, 0);
    if (kt_is_cancel(rc)) {
        say(rc == KT_ETIMEDOUT ? "W timeout" : "W cancelled");
        return rc;
    }
    say("W got 1");
    sure(kt_sleep(0));
    say("W goes on");
    return 0;
}

static int yield(void *arg)
{
    (void)arg;
    return kt_sleep(0);
}

static int v_body(void *arg)
{
    (void)arg;
    kt_task_cancel(kt_task_current());
    int rc = kt_wait_for(50 * U, yield, NULL, 0);
    say(rc < 0 ? "V cancelled" : "not reached");
    return rc;
}

static int slow(void *arg)
{
    (void)arg;
    int rc = kt_sleep(50 * U);
    kt_cancel_catch();
    say("slow cancelled");
    int again = kt_sleep(3 * U);
    say(again < 0 ? "slow cut" : "slow cleaned");
    return again < 0 ? again : rc;
}

static int x_body(void *arg)
{
    (void)arg;
    int rc = kt_wait_for(U, slow, NULL, 0);
    say(rc == KT_ETIMEDOUT ? "X timeout, count %d" : "X cancelled, count %d",
        kt_task_cancelling(kt_task_current()));
    return rc;
}

static int sleeper(void *arg)
{
    (void)arg;
    return kt_sleep(50 * U);
}

/* Whose deadline it was, the scope knows. */
static int inner(void *length)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    kt_timeout_start(&limit, *(int *)length * U);
    int rc = kt_timeout_end(&limit, sleeper(NULL));
    if (!kt_timeout_expired(&limit)) {
        say("inner cancelled");
        return rc;
    }
    say("inner timeout");
    return kt_sleep(U);
}

static int on_event(void *e)
{
    return kt_event_wait(e);
}

static int on_lock(void *l)
{
    return kt_lock_acquire(l);
}

static void finish(kt_task *t)
{
    wait_end(t);
    kt_task_detach(t);
}

static int body(void *arg)
{
    kt_future f = KT_FUTURE_INIT;
    kt_event e = KT_EVENT_INIT;
    kt_lock l = KT_LOCK_INIT;
    (void)arg;
    kt_task *t = spawn(w_body, &f, 0);
    sure(kt_sleep(0));
    sure(kt_sleep(0));
    sure(kt_future_set_result(&f, 1));
    kt_task_cancel(t);
    wait_end(t);
    say("cancelled %s future %s", yes(kt_task_cancelled(t)), yes(kt_future_cancelled(&f)));
    kt_task_detach(t);
    finish(spawn(v_body, NULL, 0));
    t = spawn(x_body, NULL, 0);
    units(2);
    kt_task_cancel(t);
    wait_end(t);
    say("cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
    if (kt_wait_for(U, inner, &(int){5}, 0) == KT_ETIMEDOUT)
        say("outer timeout");
    if (kt_wait_for(5 * U, inner, &(int){1}, 0) == 0)
        say("outer got recovered");
    sure(kt_lock_acquire(&l));
    if (kt_wait_for(U, on_event, &e, 0) == KT_ETIMEDOUT)
        say("timeout");
    if (kt_wait_for(U, on_lock, &l, 0) == KT_ETIMEDOUT)
        say("timeout");
    kt_lock_release(&l);
    say("locked %s", yes(kt_lock_locked(&l)));
    return 0;
}

int main(void)
{
    return run(body);
}
