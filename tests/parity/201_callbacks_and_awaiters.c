/* SPDX-License-Identifier: MIT */
#include "say.h"

/* Who waits and who is called back stand in one line. */
KT_FN(waiter, a, struct {
    const char *name;
    kt_future *f;
})
{
    intptr_t n = 0;
    int rc = kt_future_await(a->f, &n);
    if (rc == KT_ECANCELED)
        say("%s cancelled", a->name);
    else
        say("%s got %d", a->name, (int)n);
    return rc;
}

static int work(void *arg)
{
    (void)arg;
    int rc = kt_sleep(0);
    return rc < 0 ? rc : 7;
}

KT_FN(awaiter, a, struct {
    const char *name;
    kt_task *t;
})
{
    int n = kt_task_await(a->t);
    say("%s got %d", a->name, n);
    return 0;
}

static void of_a_future(void)
{
    kt_callback c[5];
    kt_future f = KT_FUTURE_INIT;
    for (int i = 0; i < 5; i++)
        c[i] = (kt_callback)KT_CALLBACK_INIT;
    kt_future_on_done(&f, &c[0], say_text, "callback 1");
    kt_task *a = spawn(KT_WITH(waiter, "A", &f));
    sure(kt_sleep(0));
    kt_future_on_done(&f, &c[1], say_text, "callback 2");
    kt_task *b = spawn(KT_WITH(waiter, "B", &f));
    sure(kt_sleep(0));
    kt_future_on_done(&f, &c[2], say_text, "callback 3");
    kt_call_soon(&c[3], say_text, "before");
    sure(kt_future_set_result(&f, 5));
    kt_call_soon(&c[4], say_text, "after");
    say("set");
    sure(kt_task_join(a));
    sure(kt_task_join(b));
}

static int body(void *arg)
{
    kt_callback c = KT_CALLBACK_INIT, late = KT_CALLBACK_INIT;
    (void)arg;
    of_a_future();
    kt_task *t = spawn(work, NULL, 0);
    kt_task *x = spawn(KT_WITH(awaiter, "X", t));
    sure(kt_sleep(0));
    kt_task_on_done(t, &c, say_text, "task callback");
    kt_task *y = spawn(KT_WITH(awaiter, "Y", t));
    sure(kt_task_join(x));
    sure(kt_task_join(y));
    kt_task_on_done(t, &late, say_text, "late callback");
    say("added late");
    sure(kt_sleep(0));
    say("main end");
    kt_task_detach(t);
    return 0;
}

int main(void)
{
    return run(body);
}
