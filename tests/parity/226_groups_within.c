/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(child, a, struct {
    const char *name;
    int units;
    bool fails;
})
{
    int rc = kt_sleep(a->units * U);
    if (kt_is_cancel(rc)) {
        say("%s cancelled", a->name);
        return rc;
    }
    say("%s %s", a->name, a->fails ? "fails" : "ends");
    return a->fails ? raise_error(a->name) : 0;
}

static void add(kt_group *g, const char *name, int length, bool fails)
{
    sure(kt_group_spawn(g, KT_WITH(child, name, length, fails)));
}

static int count(void)
{
    return kt_task_cancelling(kt_task_current());
}

static const char *failures(void)
{
    return listed(kt_group_failures());
}

static int inner_group(void *arg)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    (void)arg;
    add(&g, "B", 3, false);
    add(&g, "C", 1, true);
    return kt_group_join(&g, 0);
}

static void inner_fails(void)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    add(&g, "A", 3, false);
    sure(kt_group_spawn(&g, inner_group, NULL, 0));
    if (kt_group_join(&g, 0) == -EIO)
        say("caught %s", failures());
}

static void body_group_fails(void)
{
    kt_auto(kt_group) outer = KT_GROUP_INIT;
    kt_auto(kt_group) inner = KT_GROUP_INIT;
    add(&outer, "D", 3, false);
    add(&inner, "E", 1, true);
    if (kt_group_join(&inner, kt_sleep(5 * U)) == -EIO)
        say("inner %s", failures());
    say("body goes on");
    sure(kt_group_join(&outer, kt_sleep(U)));
    say("outer ends, count %d", count());
}

static void outer_fails(void)
{
    kt_auto(kt_group) outer = KT_GROUP_INIT;
    kt_auto(kt_group) inner = KT_GROUP_INIT;
    add(&outer, "F", 1, true);
    add(&inner, "G", 5, false);
    int rc = kt_group_join(&inner, kt_sleep(5 * U));
    if (kt_is_cancel(rc))
        say("inner cancelled, count %d", count());
    if (kt_group_join(&outer, rc) == -EIO)
        say("outer %s count %d", failures(), count());
}

static void limit_around(void)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT, long_one = KT_TIMEOUT_INIT;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_timeout_start(&limit, 2 * U);
    add(&g, "H", 5, false);
    kt_timeout_start(&long_one, 5 * U);
    int rc = kt_timeout_end(&long_one, kt_sleep(9 * U));
    if (kt_timeout_end(&limit, kt_group_join(&g, rc)) == KT_ETIMEDOUT)
        say("limit around, count %d", count());
}

static void limit_within(void)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    add(&g, "I", 5, false);
    kt_timeout_start(&limit, U);
    if (kt_group_join(&g, kt_timeout_end(&limit, kt_sleep(9 * U))) == KT_ETIMEDOUT)
        say("limit within [TimeoutError]");
}

static int stubborn(void *name)
{
    int rc = kt_sleep(9 * U);
    if (rc < 0)
        say("%s fails too", (const char *)name);
    return raise_error(name);
}

static void several_fail(void)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, stubborn, "J", 0));
    add(&g, "K", 1, true);
    if (kt_group_join(&g, kt_sleep(2 * U)) == -EIO)
        say("caught %s", failures());
    sure(kt_group_spawn(&g, stubborn, "L", 0));
    sure(kt_sleep(0));
    if (kt_group_join(&g, raise_error("body")) == -EIO)
        say("caught %s", failures());
}

static int parent(void *g)
{
    kt_task *t = NULL;
    units(1);
    sure(kt_group_spawn_with(g, NULL, KT_WITH(child, "N", 1, false), &t));
    say("added %s", yes(kt_task_done(t)));
    return 0;
}

static void added_by_a_child(void)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_task *t = NULL;
    task_end end;
    sure(kt_group_spawn(&g, parent, &g, 0));
    sure(kt_group_spawn_with(&g, NULL, KT_WITH(child, "M", 9, false), &t));
    watch_end(&end, t);
    sure(kt_sleep(U / 2));
    kt_task_cancel(t);
    sure(kt_group_join(&g, 0));
    say("M cancelled %s", yes(end.cancelled));
}

static int body(void *arg)
{
    (void)arg;
    say("---");
    inner_fails();
    say("---");
    body_group_fails();
    say("---");
    outer_fails();
    say("---");
    limit_around();
    limit_within();
    say("---");
    several_fail();
    say("---");
    added_by_a_child();
    return 0;
}

int main(void)
{
    return run(body);
}
