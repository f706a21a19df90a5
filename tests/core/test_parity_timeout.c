/* SPDX-License-Identifier: MIT */
#include "parity.h"

static int count(void)
{
    return kt_task_cancelling(kt_task_current());
}

TEST(parity_058_timeout_basic)
{
    kt_timeout scope = KT_TIMEOUT_INIT;
    kt_timeout_start(&scope, 2 * U);
    int rc = kt_sleep(50 * U);
    kt_test_say("body cancelled, count %d", count());
    CHECK_ERR(kt_timeout_end(&scope, rc), KT_ETIMEDOUT);
    kt_test_say("timeout, expired %s count %d", yes(kt_timeout_expired(&scope)), count());
    kt_timeout_start(&scope, 9 * U);
    CHECK_EQ(kt_timeout_end(&scope, kt_sleep(U)), 0);
    kt_test_say("in time, expired %s", yes(kt_timeout_expired(&scope)));
    units(9);
    kt_test_say("later, expired %s", yes(kt_timeout_expired(&scope)));
    kt_timeout_start(&scope, KT_FOREVER);
    kt_test_say("no limit, when %s", kt_timeout_when(&scope) == KT_FOREVER ? "none" : "some");
    CHECK_EQ(kt_timeout_end(&scope, kt_sleep(U)), 0);
    kt_test_say("in time, expired %s", yes(kt_timeout_expired(&scope)));
    kt_timeout_start(&scope, 9 * U);
    rc = kt_timeout_end(&scope, kt_error_set(-EIO, "boom"));
    kt_test_say("error %s expired %s", rc == -EIO ? kt_error_detail() : "?",
                yes(kt_timeout_expired(&scope)));
    CHECK_TRACE("body cancelled, count 1\ntimeout, expired yes count 0\nin time, expired no\n"
                "later, expired no\nno limit, when none\nin time, expired no\n"
                "error boom expired no");
}

static void run_059(int inner_units, int outer_units)
{
    kt_auto(kt_timeout) outer = KT_TIMEOUT_INIT, inner = KT_TIMEOUT_INIT;
    kt_timeout_start(&outer, outer_units * U);
    kt_timeout_start(&inner, inner_units * U);
    int rc = kt_timeout_end(&inner, kt_sleep(50 * U));
    if (rc == KT_ETIMEDOUT && kt_timeout_expired(&inner)) {
        kt_test_say("inner timeout");
        rc = 0;
    } else if (kt_is_cancel(rc)) {
        kt_test_say("inner passed cancelled");
    }
    if (kt_timeout_end(&outer, rc) == KT_ETIMEDOUT)
        kt_test_say("outer timeout");
    kt_test_say("inner expired %s outer expired %s", yes(kt_timeout_expired(&inner)),
                yes(kt_timeout_expired(&outer)));
    kt_test_say("count %d", count());
}

TEST(parity_059_timeout_nested)
{
    run_059(1, 5);
    run_059(5, 1);
    CHECK_TRACE("inner timeout\ninner expired yes outer expired no\ncount 0\n"
                "inner passed cancelled\nouter timeout\ninner expired no outer expired yes\n"
                "count 0");
}

static int work_061(void *arg)
{
    kt_timeout scope = KT_TIMEOUT_INIT;
    (void)arg;
    kt_timeout_start(&scope, 9 * U);
    int rc = kt_timeout_end(&scope, kt_sleep(50 * U));
    if (rc == KT_ETIMEDOUT)
        kt_test_say("W timeout");
    else if (kt_cancel_catch() == KT_ECANCELED)
        kt_test_say("W cancelled, expired %s", yes(kt_timeout_expired(&scope)));
    units(12);
    kt_test_say("W undisturbed, expired %s", yes(kt_timeout_expired(&scope)));
    return 0;
}

TEST(parity_061_timeout_external_cancel)
{
    kt_task *w;
    sure(kt_spawn(work_061, NULL, 0, &w));
    units(1);
    kt_task_cancel(w);
    sure(kt_task_join(w));
    CHECK_TRACE("W cancelled, expired no\nW undisturbed, expired no");
}

static int ready(void *arg)
{
    (void)arg;
    return 0;
}

TEST(parity_064_timeout_zero)
{
    kt_timeout scope = KT_TIMEOUT_INIT;
    kt_task *done;
    sure(kt_spawn(ready, NULL, 0, &done));
    sure(kt_sleep(0));
    kt_timeout_start(&scope, 0);
    int rc = kt_task_await(done);
    kt_test_say("body %s", rc == 0 ? "ready" : "?");
    CHECK_EQ(kt_timeout_end(&scope, rc), 0);
    kt_test_say("no wait, expired %s", yes(kt_timeout_expired(&scope)));
    kt_timeout_start(&scope, 0);
    rc = kt_timeout_end(&scope, kt_sleep(0));
    CHECK_ERR(rc, KT_ETIMEDOUT);
    kt_test_say("timeout, expired %s", yes(kt_timeout_expired(&scope)));
    kt_timeout_start_at(&scope, kt_now() - KT_S(1));
    kt_test_say("body start");
    CHECK_ERR(kt_timeout_end(&scope, kt_sleep(KT_S(9))), KT_ETIMEDOUT);
    kt_test_say("timeout, expired %s", yes(kt_timeout_expired(&scope)));
    sure(kt_task_join(done));
    CHECK_TRACE("body ready\nno wait, expired no\ntimeout, expired yes\nbody start\n"
                "timeout, expired yes");
}

KT_FN(limited, a, struct {
    const char *name;
    bool handle;
})
{
    kt_auto(kt_timeout) scope = KT_TIMEOUT_INIT;
    kt_timeout_start(&scope, U);
    int rc = kt_timeout_end(&scope, kt_sleep(50 * U));
    if (rc == KT_ETIMEDOUT)
        kt_test_say("%s timeout", a->name);
    return a->handle ? 0 : rc;
}

KT_FN(sibling, a, struct {
    const char *name;
    int length;
})
{
    int rc = kt_sleep(a->length * U);
    kt_test_say("%s %s", a->name, rc < 0 ? "cancelled" : "done");
    return rc;
}

TEST(parity_065_timeout_in_group)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, KT_WITH(limited, "A", false)));
    sure(kt_group_spawn(&g, KT_WITH(sibling, "B", 50)));
    if (kt_group_join(&g, 0) == KT_ETIMEDOUT)
        kt_test_say("group raised [timeout]");
    sure(kt_group_spawn(&g, KT_WITH(limited, "C", true)));
    sure(kt_group_spawn(&g, KT_WITH(sibling, "D", 3)));
    CHECK_EQ(kt_group_join(&g, 0), 0);
    kt_test_say("main end");
    CHECK_TRACE("A timeout\nB cancelled\ngroup raised [timeout]\nC timeout\nD done\nmain end");
}

static int who(void *arg)
{
    *(kt_task **)arg = kt_task_current();
    return 0;
}

TEST(parity_909_wait_for_same_task)
{
    kt_task *t = NULL;
    CHECK_EQ(kt_wait_for(50 * U, who, &t, 0), 0);
    kt_test_say("same task %s", yes(t == kt_task_current()));
    t = NULL;
    CHECK_EQ(kt_wait_for(KT_FOREVER, who, &t, 0), 0);
    kt_test_say("same task %s", yes(t == kt_task_current()));
    CHECK_TRACE("same task yes\nsame task yes");
}
