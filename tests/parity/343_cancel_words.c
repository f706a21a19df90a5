/* SPDX-License-Identifier: MIT */
#include "say.h"

static const char *or_none(const char *words)
{
    return *words ? words : "none";
}

static const char *own_words(void)
{
    return or_none(kt_task_cancel_message(kt_task_current()));
}

static int sleeper(void *name)
{
    int rc = kt_sleep(50 * U);
    if (rc == KT_ECANCELED)
        say("%s cancelled %s", (const char *)name, own_words());
    return rc;
}

static kt_task *sleeps(const char *name)
{
    return spawn(sleeper, name, 0);
}

KT_FN(waiter, a, struct {
    const char *name;
    kt_task *t;
})
{
    int rc = kt_task_await(a->t);
    if (rc == KT_ECANCELED)
        say("%s cancelled %s", a->name, or_none(kt_error_detail()));
    return rc;
}

static void outcome(const char *name, kt_task *t)
{
    wait_end(t);
    if (kt_task_join(t) == KT_ECANCELED)
        say("%s ended %s", name, or_none(kt_error_detail()));
}

static int joins(void *t)
{
    if (kt_task_join(t) == KT_ECANCELED)
        say("main %s", or_none(kt_error_detail()));
    return 0;
}

static void plain(void)
{
    static const char *const words[] = {"enough", NULL};
    for (int i = 0; i < 2; i++) {
        kt_task *t = sleeps("A");
        units(1);
        kt_task_cancel_with(t, words[i]);
        sure(kt_task_join(spawn(joins, t, 0))); /* the words of another failure are not this task's */
    }
}

static void through_a_chain(void)
{
    kt_task *leaf = sleeps("leaf"), *mid = spawn(KT_WITH(waiter, "mid", leaf));
    kt_task *top = spawn(KT_WITH(waiter, "top", mid));
    units(1);
    kt_task_cancel_with(top, "from above");
    outcome("top", top);
    say("all %s %s yes", yes(kt_task_cancelled(leaf)), yes(kt_task_cancelled(mid)));
    kt_task_detach(leaf);
    kt_task_detach(mid);
}

static void of_the_leaf(void)
{
    kt_task *leaf = sleeps("leaf"), *top = spawn(KT_WITH(waiter, "top", leaf));
    units(1);
    kt_task_cancel_with(leaf, "only me");
    outcome("top", top);
    kt_task_detach(leaf);
}

static void never_begun(void)
{
    kt_task *t = sleeps("B");
    kt_task_cancel_with(t, "too soon");
    kt_task_cancel_with(t, "still too soon");
    outcome("B", t);
}

static void twice(void)
{
    kt_task *t = sleeps("C");
    units(1);
    kt_task_cancel_with(t, "first");
    kt_task_cancel_with(t, "second");
    outcome("C", t);
}

static void twice_through_a_chain(void)
{
    kt_task *leaf = sleeps("leaf"), *top = spawn(KT_WITH(waiter, "top", leaf));
    units(1);
    kt_task_cancel_with(top, "first");
    kt_task_cancel_with(top, "second");
    outcome("top", top);
    kt_task_detach(leaf);
}

static int stubborn(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++)
        if (kt_sleep(50 * U) == KT_ECANCELED && kt_cancel_catch())
            say("D swallows %s", own_words());
    int rc = kt_sleep(0);
    return rc < 0 ? rc : 1;
}

static void caught_and_again(void)
{
    kt_task *t = spawn(stubborn, NULL, 0);
    units(1);
    kt_task_cancel_with(t, "one");
    units(1);
    kt_task_cancel_with(t, "two");
    int gave = kt_task_await(t);
    say("D gave %d count %d", gave, kt_task_cancelling(t));
    kt_task_detach(t);
}

static int cancels_itself(void *arg)
{
    (void)arg;
    kt_task_cancel_with(kt_task_current(), "my own");
    int rc = kt_sleep(0);
    if (rc == KT_ECANCELED)
        say("E %s", own_words());
    return rc;
}

static int within_a_limit(void *arg)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    (void)arg;
    kt_timeout_start(&limit, 50 * U);
    int rc = kt_timeout_end(&limit, kt_sleep(60 * U));
    if (rc == KT_ECANCELED)
        say("F %s", own_words());
    return rc;
}

static void limited(void)
{
    kt_task *t = spawn(within_a_limit, NULL, 0);
    units(1);
    kt_task_cancel_with(t, "stop F");
    outcome("F", t);
}

static int gatherer(void *arg)
{
    kt_task *ts[] = {arg, sleeps("I")};
    int rc = kt_gather_tasks(ts, 2, NULL);
    if (rc == KT_ECANCELED)
        say("gatherer cancelled %s", own_words());
    kt_task_detach(ts[1]);
    return rc;
}

static void gathered(void)
{
    kt_task *t = sleeps("H"), *g = spawn(gatherer, t, 0);
    units(1);
    kt_task_cancel_with(g, "all of you");
    outcome("gatherer", g);
    kt_task_detach(t);
}

static int body(void *arg)
{
    (void)arg;
    plain();
    through_a_chain();
    of_the_leaf();
    never_begun();
    twice();
    twice_through_a_chain();
    caught_and_again();
    outcome("E", spawn(cancels_itself, NULL, 0));
    limited();
    gathered();
    return 0;
}

int main(void)
{
    return run(body);
}
