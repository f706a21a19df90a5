/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(fails, a, struct {
    const char *name;
    int length;
    bool cleanup_fails;
})
{
    if (kt_sleep(a->length * U) < 0) {
        say("%s cancelled", a->name);
        return a->cleanup_fails ? raise_error(a->name) : KT_ECANCELED;
    }
    say("%s fails", a->name);
    return raise_error(a->name);
}

KT_FN(when_set, a, struct {
    const char *name;
    kt_event *event;
})
{
    sure(kt_event_wait(a->event));
    say("%s fails", a->name);
    return raise_error(a->name);
}

KT_FN(at_once, a, struct {
    const char *name;
    bool fails;
})
{
    say("%s runs", a->name);
    return a->fails ? raise_error(a->name) : kt_sleep(50 * U);
}

static int count(void)
{
    return kt_task_cancelling(kt_task_current());
}

/* The body's own failure is the result; the child's, in its clean-up, goes with it. */
static void body_fails(kt_group *tg)
{
    sure(kt_group_spawn(tg, KT_WITH(fails, "A", 50, false)));
    sure(kt_group_spawn(tg, KT_WITH(fails, "B", 50, true)));
    units(1);
    if (kt_group_join(tg, -EINVAL) == -EINVAL)
        say("group body");
}

static void body_is_cancelled(kt_group *tg)
{
    sure(kt_group_spawn(tg, KT_WITH(fails, "C", 1, false)));
    int rc = kt_sleep(50 * U);
    if (kt_is_cancel(rc))
        say("body cancelled, count %d", count());
    if (kt_group_spawn(tg, KT_WITH(fails, "X", 1, false)) == KT_ESIBLING)
        say("spawn refused");
    if (kt_group_join(tg, rc) == -EIO)
        say("group %s count %d", kt_error_detail(), count());
}

static void body_swallows(kt_group *tg)
{
    sure(kt_group_spawn(tg, KT_WITH(fails, "D", 1, false)));
    if (kt_sleep(50 * U) < 0 && kt_cancel_catch())
        say("body swallows");
    units(1);
    say("body goes on");
    if (kt_group_join(tg, 0) == -EIO)
        say("group %s count %d", kt_error_detail(), count());
}

static void two_in_one_pass(kt_group *tg)
{
    kt_event event = KT_EVENT_INIT;
    sure(kt_group_spawn(tg, KT_WITH(when_set, "E", &event)));
    sure(kt_group_spawn(tg, KT_WITH(when_set, "F", &event)));
    sure(kt_sleep(0));
    kt_event_set(&event);
    if (kt_group_join(tg, 0) == -EIO)
        say("group %s", kt_error_detail());
}

static int body(void *arg)
{
    kt_auto(kt_group) tg = KT_GROUP_INIT;
    (void)arg;
    body_fails(&tg);
    body_is_cancelled(&tg);
    body_swallows(&tg);
    two_in_one_pass(&tg);
    sure(kt_group_join(&tg, 0));
    say("empty group left");
    sure(kt_group_spawn(&tg, KT_WITH(at_once, "G", true)));
    sure(kt_group_spawn(&tg, KT_WITH(at_once, "H", false)));
    if (kt_group_join(&tg, 0) == -EIO)
        say("group %s count %d", kt_error_detail(), count());
    sure(kt_sleep(0));
    say("main end");
    return 0;
}

int main(void)
{
    return run(body);
}
