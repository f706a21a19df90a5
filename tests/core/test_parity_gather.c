/* SPDX-License-Identifier: MIT */
#include "parity.h"

KT_FN(work, a, struct {
    const char *name;
    int length;
})
{
    kt_test_say("%s start", a->name);
    units(a->length);
    kt_test_say("%s done", a->name);
    return a->name[0] - 'A' + 'a';
}

static int gather_021(void *arg)
{
    int *rcs = arg;
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(work, "A", 3)), KT_JOB_OF(KT_WITH(work, "B", 1)),
                           KT_JOB_OF(KT_WITH(work, "C", 2))};
    kt_test_say("main called gather");
    return kt_gather(jobs, 3, rcs);
}

/* A task waits in the gather, since it starts and waits in one call. */
TEST(parity_021_gather_result_order)
{
    int rcs[3] = {0};
    kt_task *g;
    sure(kt_spawn(gather_021, rcs, 0, &g));
    sure(kt_sleep(0));
    sure(kt_sleep(0));
    kt_test_say("main yielded");
    CHECK_EQ(kt_task_join(g), 0);
    kt_test_say("main results [%c %c %c]", rcs[0], rcs[1], rcs[2]);
    CHECK_TRACE("main called gather\nA start\nB start\nC start\nmain yielded\nB done\nC done\n"
                "A done\nmain results [a b c]");
}

KT_FN(ok_or_fail, a, struct {
    const char *name;
    int length;
    int fails;
})
{
    sure(kt_sleep(a->length * U));
    kt_test_say("%s %s", a->name, a->fails ? "fails" : "done");
    return a->fails ? kt_error_set(a->fails, "%s", a->name) : 0;
}

TEST(parity_022_gather_error_siblings_continue)
{
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(ok_or_fail, "A", 3, 0)),
                           KT_JOB_OF(KT_WITH(ok_or_fail, "B", 1, -EIO)),
                           KT_JOB_OF(KT_WITH(ok_or_fail, "C", 2, -EIO))};
    CHECK_ERR(kt_gather(jobs, 3, NULL), -EIO);
    kt_test_say("main caught %s", kt_error_detail());
    units(4);
    kt_test_say("main end");
    CHECK_TRACE("B fails\nmain caught B\nC fails\nA done\nmain end");
}

/* ---- Cancellation ------------------------------------------------------------------------ */

KT_FN(child, a, struct {
    const char *name;
    int cleanup;
})
{
    int rc = kt_sleep(50 * U);
    kt_test_say("%s cancelled", a->name);
    if (a->cleanup) {
        CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
        units(a->cleanup);
        kt_test_say("%s cleaned up", a->name);
    }
    return rc;
}

static int waiter_024(void *arg)
{
    bool keep_errors = *(bool *)arg;
    int rcs[2];
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(child, "A", 0)), KT_JOB_OF(KT_WITH(child, "B", 2))};
    int rc = kt_gather(jobs, 2, keep_errors ? rcs : NULL);
    if (rc == KT_ECANCELED)
        kt_test_say("W cancelled");
    return rc;
}

TEST(parity_024_gather_cancel_outer)
{
    for (int part = 1; part <= 2; part++) {
        bool keep_errors = part == 2;
        kt_task *w;
        kt_test_say("part %d", part);
        sure(kt_spawn(waiter_024, &keep_errors, sizeof keep_errors, &w));
        units(1);
        kt_test_say("main cancels W %s", yes(kt_task_cancel(w)));
        units(4);
        kt_test_say("W is cancelled %s", yes(kt_task_cancelled(w)));
        CHECK_ERR(kt_task_join(w), KT_ECANCELED);
    }
    CHECK_TRACE("part 1\nmain cancels W yes\nA cancelled\nB cancelled\nW cancelled\n"
                "B cleaned up\nW is cancelled yes\npart 2\nmain cancels W yes\nA cancelled\n"
                "B cancelled\nB cleaned up\nW cancelled\nW is cancelled yes");
}

KT_FN(child_025, a, struct {
    const char *name;
    int length;
    kt_task **self; /* filled in */
})
{
    *a->self = kt_task_current();
    int rc = kt_sleep(a->length * U);
    kt_test_say("%s %s", a->name, rc < 0 ? "cancelled" : "done");
    return rc;
}

KT_FN(cancel_later, a, struct { kt_task **task; })
{
    units(1);
    return kt_task_cancel(*a->task);
}

TEST(parity_025_gather_child_cancelled)
{
    kt_task *a = NULL, *b = NULL, *timer;
    sure(kt_spawn(KT_WITH(cancel_later, &b), &timer));
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(child_025, "A", 4, &a)),
                           KT_JOB_OF(KT_WITH(child_025, "B", 9, &b))};
    if (kt_gather(jobs, 2, NULL) == KT_ECANCELED)
        kt_test_say("main caught cancelled, count %d", kt_task_cancelling(kt_task_current()));
    kt_test_say("A done %s", yes(kt_task_done(a)));
    sure(kt_task_join(timer));
    units(4);
    kt_test_say("main end");
    CHECK_TRACE("B cancelled\nmain caught cancelled, count 0\nA done no\nA done\nmain end");
}

/* ---- Shield ------------------------------------------------------------------------------ */

KT_FN(inner_034, a, struct {
    const char *name;
    int length;
})
{
    int rc = kt_sleep(a->length * U);
    kt_test_say("%s %s", a->name, rc < 0 ? "cancelled" : "done");
    return rc < 0 ? rc : a->name[0];
}

static int shielded(void *arg)
{
    int rc = kt_shield(arg);
    if (rc == KT_ECANCELED)
        kt_test_say("W cancelled");
    return rc;
}

static int only_shield(void *arg)
{
    return kt_shield(arg);
}

TEST(parity_034_shield_outer_cancel)
{
    kt_task *i, *j, *w;
    sure(kt_spawn(KT_WITH(inner_034, "I", 4), &i));
    sure(kt_spawn(shielded, i, 0, &w));
    units(1);
    kt_task_cancel(w);
    units(1);
    kt_test_say("W is cancelled %s I done %s", yes(kt_task_cancelled(w)), yes(kt_task_done(i)));
    CHECK_ERR(kt_task_join(w), KT_ECANCELED);
    kt_test_say("main got %c", kt_task_join(i));
    sure(kt_spawn(KT_WITH(inner_034, "J", 3), &j));
    if (kt_wait_for(U, only_shield, j, 0) == KT_ETIMEDOUT)
        kt_test_say("main timeout, J done %s", yes(kt_task_done(j)));
    kt_test_say("main got %c", kt_task_join(j));
    CHECK_TRACE("W cancelled\nW is cancelled yes I done no\nI done\nmain got I\n"
                "main timeout, J done no\nJ done\nmain got J");
}
