/* SPDX-License-Identifier: MIT */
#include "say.h"

/* A callback that tells how a task or a future has ended. */
typedef struct teller {
    kt_callback callback;
    const char *name;
    kt_task *task;
    kt_future *future;
} teller;

static void tell(void *arg)
{
    teller *t = arg;
    intptr_t result = 0;
    int rc = t->task ? kt_task_result(t->task) : kt_future_result(t->future, &result);
    if (rc < 0)
        say("%s %s", t->name, rc == KT_ECANCELED ? "cancelled" : "error");
    else
        say("%s %d", t->name, t->task ? rc : (int)result);
}

static void tell_of(teller *t, const char *name, kt_task *task)
{
    *t = (teller){.callback = KT_CALLBACK_INIT, .name = name, .task = task};
    kt_task_on_done(task, &t->callback, tell, t);
}

static void tell_of_future(teller *t, const char *name, kt_future *f)
{
    *t = (teller){.callback = KT_CALLBACK_INIT, .name = name, .future = f};
    kt_future_on_done(f, &t->callback, tell, t);
}

static int gives(void *n)
{
    int rc = kt_sleep(0);
    return rc < 0 ? rc : *(int *)n;
}

static int fails(void *arg)
{
    (void)arg;
    return -EIO;
}

static void of_a_task(void)
{
    teller first, second, third, again, late;
    kt_callback soon = KT_CALLBACK_INIT;
    kt_task *t = spawn(gives, &(int){5}, sizeof(int));
    tell_of(&first, "first", t);
    tell_of(&second, "second", t);
    tell_of(&third, "third", t);
    tell_of(&again, "second", t);
    int removed = kt_callback_cancel(&second.callback) + kt_callback_cancel(&again.callback);
    int more = kt_callback_cancel(&second.callback) + kt_callback_cancel(&again.callback);
    say("removed %d %d", removed, more);
    int got = kt_task_await(t);
    say("got %d", got);
    say("after");
    tell_of(&late, "late", t);
    kt_call_soon(&soon, say_text, "soon");
    sure(kt_sleep(0));
    kt_task_detach(t);
}

static teller added;

static void adds(void *f)
{
    say("adds");
    tell_of_future(&added, "added", f);
}

static void of_a_future(void)
{
    kt_future f = KT_FUTURE_INIT;
    kt_callback c = KT_CALLBACK_INIT;
    teller after;
    kt_future_on_done(&f, &c, adds, &f);
    tell_of_future(&after, "after it", &f);
    sure(kt_future_set_result(&f, 1));
    say("set");
    sure(kt_sleep(0));
    say("a pass");
    sure(kt_sleep(0));
}

static void of_bad_futures(void)
{
    kt_future cancelled = KT_FUTURE_INIT, failed = KT_FUTURE_INIT;
    teller a, b;
    tell_of_future(&a, "future", &cancelled);
    bool first = kt_future_cancel(&cancelled), second = kt_future_cancel(&cancelled);
    say("cancel %s %s", yes(first), yes(second));
    sure(kt_sleep(0));
    tell_of_future(&b, "future", &failed);
    sure(kt_future_set_error(&failed, -EIO));
    sure(kt_sleep(0));
}

static void of_bad_tasks(void)
{
    teller a, b;
    kt_task *t = spawn(gives, &(int){6}, sizeof(int));
    tell_of(&a, "never begun", t);
    kt_task_cancel(t);
    sure(kt_sleep(0));
    say("done %s", yes(kt_task_done(t)));
    sure(kt_sleep(0));
    kt_task_detach(t);
    t = spawn(fails, NULL, 0);
    tell_of(&b, "failed", t);
    units(1);
    kt_task_detach(t);
}

typedef struct chain {
    kt_callback callback;
    kt_task *task;
    kt_future f;
} chain;

static void pass_on(void *arg)
{
    chain *c = arg;
    sure(kt_future_set_result(&c->f, kt_task_result(c->task) + 1));
}

static int body(void *arg)
{
    (void)arg;
    of_a_task();
    say("---");
    of_a_future();
    say("---");
    of_bad_futures();
    say("---");
    of_bad_tasks();
    say("---");
    chain c = {KT_CALLBACK_INIT, spawn(gives, &(int){7}, sizeof(int)), KT_FUTURE_INIT};
    intptr_t result = 0;
    kt_task_on_done(c.task, &c.callback, pass_on, &c);
    sure(kt_future_await(&c.f, &result));
    say("chained %d", (int)result);
    kt_task_detach(c.task);
    return 0;
}

int main(void)
{
    return run(body);
}
