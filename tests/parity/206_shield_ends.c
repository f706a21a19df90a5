/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(inner, a, struct {
    const char *name;
    bool fails;
})
{
    int rc = kt_sleep(2 * U);
    say("%s inner %s", a->name, rc < 0 ? "cancelled" : "done");
    return rc < 0 ? rc : a->fails ? raise_error(a->name) : a->name[0];
}

KT_FN(outer, a, struct {
    const char *name;
    kt_task *t;
})
{
    int rc = kt_shield(a->t);
    if (rc == KT_ECANCELED)
        say("%s outer cancelled, count %d", a->name, kt_task_cancelling(kt_task_current()));
    else if (rc < 0)
        say("%s outer caught %s", a->name, kt_error_detail());
    else
        say("%s outer got %c", a->name, rc);
    return rc == KT_ECANCELED ? rc : 0;
}

static int quick(void *arg)
{
    (void)arg;
    return 'q';
}

static int shielded(void *t)
{
    sure(kt_shield(t));
    say("shielded woke");
    return 0;
}

static int plain(void *t)
{
    sure(kt_task_await(t));
    say("plain woke");
    return 0;
}

static int on_future(void *f)
{
    return kt_future_await(f, NULL);
}

static void order_of_waking(void)
{
    kt_future f = KT_FUTURE_INIT;
    kt_task *t = spawn(on_future, &f, 0);
    kt_task *s = spawn(shielded, t, 0), *p = spawn(plain, t, 0);
    sure(kt_sleep(0));
    sure(kt_future_set_result(&f, 1));
    sure(kt_task_join(s));
    sure(kt_task_join(p));
    sure(kt_task_join(t));
}

static int body(void *arg)
{
    kt_auto(kt_callback) c = KT_CALLBACK_INIT;
    static const char *const names[] = {"A", "B"};
    (void)arg;
    for (int n = 0; n < 2; n++) {
        kt_task *i = spawn(KT_WITH(inner, names[n], n == 1)), *o = spawn(KT_WITH(outer, names[n], i));
        wait_end(o);
        say("%s outer cancelled %s", names[n], yes(kt_task_cancelled(o)));
        kt_task_detach(i);
        kt_task_detach(o);
    }
    kt_task *i = spawn(KT_WITH(inner, "C", false)), *o = spawn(KT_WITH(outer, "C", i));
    units(1);
    kt_task_cancel(i);
    wait_end(o);
    say("C outer cancelled %s count %d", yes(kt_task_cancelled(o)), kt_task_cancelling(o));
    kt_task_detach(i);
    kt_task_detach(o);
    i = spawn(quick, NULL, 0);
    sure(kt_sleep(0));
    kt_call_soon(&c, say_text, "callback");
    say("shield of done %c", kt_shield(i));
    kt_task_detach(i);
    order_of_waking();
    return 0;
}

int main(void)
{
    return run(body);
}
