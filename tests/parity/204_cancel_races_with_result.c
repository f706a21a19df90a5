/* SPDX-License-Identifier: MIT */
#include "say.h"

typedef struct item {
    const char *name;
    kt_fn wait;
    void *on;
} item;

static int on(void *arg)
{
    const item *i = arg;
    int rc = i->wait(i->on);
    if (kt_is_cancel(rc)) {
        say("%s cancelled", i->name);
        return rc;
    }
    if (rc == 0)
        say("%s got yes", i->name);
    else
        say("%s got %d", i->name, rc);
    rc = kt_sleep(0);
    say("%s %s", i->name, rc < 0 ? "cancelled later" : "went on");
    return rc;
}

static kt_task *start(const char *name, kt_fn wait, void *object)
{
    return spawn(on, &(item){name, wait, object}, sizeof(item));
}

static void finish(kt_task *t)
{
    wait_end(t);
    kt_task_detach(t);
}

static int on_future(void *f)
{
    return kt_future_await(f, NULL);
}

static int on_event(void *e)
{
    return kt_event_wait(e);
}

static int on_get(void *q)
{
    int n;
    return kt_queue_get(q, &n);
}

static int on_put(void *q)
{
    return kt_queue_put(q, &(int){2});
}

static int on_lock(void *l)
{
    return kt_lock_acquire(l);
}

static int on_semaphore(void *s)
{
    return kt_semaphore_acquire(s);
}

static int on_task(void *t)
{
    return kt_task_await(t);
}

static int quick(void *arg)
{
    (void)arg;
    return 3;
}

static void future_and_event(void)
{
    kt_future f = KT_FUTURE_INIT;
    kt_event e = KT_EVENT_INIT;
    kt_task *t = start("future", on_future, &f);
    sure(kt_sleep(0));
    sure(kt_future_set_result(&f, 1));
    say("cancel %s", yes(kt_task_cancel(t)));
    finish(t);
    intptr_t n = 0;
    sure(kt_future_result(&f, &n));
    say("future result %d", (int)n);
    t = start("event", on_event, &e);
    sure(kt_sleep(0));
    kt_event_set(&e);
    kt_task_cancel(t);
    finish(t);
}

static void queue_get(void)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 0);
    kt_task *t = start("queue", on_get, &q);
    sure(kt_sleep(0));
    sure(kt_queue_put_nowait(&q, &(int){1}));
    kt_task_cancel(t);
    finish(t);
    say("queue size %zu", kt_queue_size(&q));
}

static void queue_put(void)
{
    kt_auto(kt_queue) q = KT_QUEUE_INIT(int, 1);
    int n = 1;
    sure(kt_queue_put_nowait(&q, &n));
    kt_task *t = start("put", on_put, &q);
    sure(kt_sleep(0));
    sure(kt_queue_get_nowait(&q, &n));
    kt_task_cancel(t);
    finish(t);
    say("queue size %zu", kt_queue_size(&q));
}

static void lock_and_semaphore(void)
{
    kt_lock l = KT_LOCK_INIT;
    kt_semaphore s = KT_SEMAPHORE_INIT(0);
    sure(kt_lock_acquire(&l));
    kt_task *t = start("lock", on_lock, &l), *t2 = start("lock 2", on_lock, &l);
    sure(kt_sleep(0));
    kt_lock_release(&l);
    kt_task_cancel(t);
    finish(t);
    wait_end(t2);
    say("locked %s", yes(kt_lock_locked(&l)));
    kt_task_detach(t2);
    t = start("sem", on_semaphore, &s);
    t2 = start("sem 2", on_semaphore, &s);
    sure(kt_sleep(0));
    kt_semaphore_release(&s);
    kt_task_cancel(t);
    finish(t);
    finish(t2);
    say("sem locked %s", yes(kt_semaphore_locked(&s)));
}

static int body(void *arg)
{
    (void)arg;
    future_and_event();
    queue_get();
    lock_and_semaphore();
    kt_task *inner = spawn(quick, NULL, 0);
    kt_task *t = start("task", on_task, inner);
    sure(kt_sleep(0));
    say("inner done %s", yes(kt_task_done(inner)));
    kt_task_cancel(t);
    finish(t);
    sure(kt_task_join(inner));
    queue_put();
    return 0;
}

int main(void)
{
    return run(body);
}
