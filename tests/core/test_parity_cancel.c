/* SPDX-License-Identifier: MIT */
#include "parity.h"

static int never_runs(void *arg)
{
    (void)arg;
    kt_test_say("A start");
    return 0;
}

TEST(parity_036_cancel_before_start)
{
    kt_task *a;
    sure(kt_spawn(never_runs, NULL, 0, &a));
    kt_test_say("cancel %s", yes(kt_task_cancel(a)));
    kt_test_say("done %s cancelled %s", yes(kt_task_done(a)), yes(kt_task_cancelled(a)));
    if (kt_task_await(a) == KT_ECANCELED)
        kt_test_say("main caught cancelled");
    kt_test_say("done %s cancelled %s", yes(kt_task_done(a)), yes(kt_task_cancelled(a)));
    CHECK_ERR(kt_task_join(a), KT_ECANCELED);
    CHECK_TRACE("cancel yes\ndone no cancelled no\nmain caught cancelled\ndone yes cancelled yes");
}

static int work_037(void *arg)
{
    (void)arg;
    kt_test_say("A start");
    int rc = kt_sleep(50 * U);
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    kt_test_say("A finally begins");
    units(2);
    kt_test_say("A finally ends");
    return rc;
}

TEST(parity_037_cancel_sleeping)
{
    kt_task *a;
    sure(kt_spawn(work_037, NULL, 0, &a));
    units(1);
    kt_test_say("cancel %s", yes(kt_task_cancel(a)));
    kt_test_say("main continues, done %s", yes(kt_task_done(a)));
    if (kt_task_await(a) == KT_ECANCELED)
        kt_test_say("main caught cancelled");
    kt_test_say("cancelled %s", yes(kt_task_cancelled(a)));
    kt_test_say("cancel again %s", yes(kt_task_cancel(a)));
    CHECK_ERR(kt_task_join(a), KT_ECANCELED);
    CHECK_TRACE("A start\ncancel yes\nmain continues, done no\nA finally begins\n"
                "A finally ends\nmain caught cancelled\ncancelled yes\ncancel again no");
}

/* ---- Swallowing -------------------------------------------------------------------------- */

static int a_body_041(void *arg)
{
    (void)arg;
    CHECK_ERR(kt_sleep(50 * U), KT_ECANCELED);
    kt_cancel_catch();
    kt_test_say("A swallows");
    return 41;
}

static int b_body_041(void *arg)
{
    (void)arg;
    CHECK_ERR(kt_sleep(50 * U), KT_ECANCELED);
    kt_cancel_catch();
    kt_test_say("B swallows");
    int rc = kt_sleep(50 * U);
    kt_test_say("B gives up");
    return rc;
}

TEST(parity_041_cancel_swallowed)
{
    kt_task *a, *b;
    sure(kt_spawn(a_body_041, NULL, 0, &a));
    sure(kt_spawn(b_body_041, NULL, 0, &b));
    units(1);
    kt_task_cancel(a);
    kt_test_say("main got %s", kt_task_await(a) == 41 ? "A value" : "something else");
    kt_test_say("A cancelled %s count %d", yes(kt_task_cancelled(a)), kt_task_cancelling(a));
    kt_task_cancel(b);
    units(1);
    kt_test_say("B done %s", yes(kt_task_done(b)));
    kt_task_cancel(b);
    units(1);
    kt_test_say("B done %s cancelled %s count %d", yes(kt_task_done(b)),
                yes(kt_task_cancelled(b)), kt_task_cancelling(b));
    CHECK_EQ(kt_task_join(a), 41);
    CHECK_ERR(kt_task_join(b), KT_ECANCELED);
    CHECK_TRACE("A swallows\nmain got A value\nA cancelled no count 1\nB swallows\nB done no\n"
                "B gives up\nB done yes cancelled yes count 2");
}

static int work_042(void *arg)
{
    kt_task *me = kt_task_current();
    (void)arg;
    kt_test_say("count %d", kt_task_cancelling(me));
    kt_test_say("uncancel %d", kt_task_uncancel(me));
    CHECK_ERR(kt_sleep(50 * U), KT_ECANCELED);
    kt_cancel_catch();
    kt_test_say("count %d", kt_task_cancelling(me));
    for (int i = 0; i < 3; i++)
        kt_test_say("uncancel %d", kt_task_uncancel(me));
    int rc = kt_sleep(50 * U);
    kt_test_say("count %d", kt_task_cancelling(me));
    kt_test_say("uncancel %d", kt_task_uncancel(me));
    return rc;
}

TEST(parity_042_uncancel_counts)
{
    kt_task *t;
    sure(kt_spawn(work_042, NULL, 0, &t));
    units(1);
    kt_task_cancel(t);
    kt_task_cancel(t);
    units(1);
    kt_task_cancel(t);
    units(1);
    kt_test_say("cancelled %s count %d", yes(kt_task_cancelled(t)), kt_task_cancelling(t));
    CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    CHECK_TRACE("count 0\nuncancel 0\ncount 2\nuncancel 1\nuncancel 0\nuncancel 0\ncount 1\n"
                "uncancel 0\ncancelled yes count 0");
}

/* ---- Oneself, and many ------------------------------------------------------------------- */

static int done_at_once(void *arg)
{
    (void)arg;
    return 1;
}

static int a_body_044(void *arg)
{
    kt_task *done;
    (void)arg;
    sure(kt_spawn(done_at_once, NULL, 0, &done));
    sure(kt_sleep(0));
    kt_task_cancel(kt_task_current());
    kt_test_say("A continues");
    kt_test_say("A done future %d", kt_task_join(done));
    int rc = kt_sleep(0);
    kt_test_say("A cancelled at sleep");
    return rc;
}

static int b_body_044(void *arg)
{
    (void)arg;
    kt_task_cancel(kt_task_current());
    kt_test_say("B returns");
    return 44;
}

static int c_body_044(void *arg)
{
    (void)arg;
    kt_task_cancel(kt_task_current());
    kt_test_say("C fails");
    return kt_error_set(-EIO, "boom");
}

TEST(parity_044_cancel_self)
{
    const kt_fn bodies[] = {a_body_044, b_body_044, c_body_044};
    for (int i = 0; i < 3; i++) {
        kt_task *t;
        sure(kt_spawn(bodies[i], NULL, 0, &t));
        int rc = kt_task_await(t);
        if (rc == KT_ECANCELED)
            kt_test_say("main caught cancelled from %c", 'A' + i);
        else
            kt_test_say(rc < 0 ? "main caught %s" : "main got a value", kt_error_detail());
        kt_test_say("%c cancelled %s", 'A' + i, yes(kt_task_cancelled(t)));
        CHECK_ERR(kt_task_join(t), rc);
    }
    CHECK_TRACE("A continues\nA done future 1\nA cancelled at sleep\n"
                "main caught cancelled from A\nA cancelled yes\nB returns\n"
                "main caught cancelled from B\nB cancelled yes\nC fails\nmain caught boom\n"
                "C cancelled no");
}

KT_FN(work_048, a, struct { char name; })
{
    kt_test_say("%c start", a->name);
    int rc = kt_sleep(50 * U);
    kt_test_say("%c cancelled", a->name);
    return rc;
}

TEST(parity_048_cancel_many_order)
{
    kt_task *t[5];
    static const char order[] = "CADB";
    for (int i = 0; i < 4; i++)
        sure(kt_spawn(KT_WITH(work_048, (char)('A' + i)), &t[i]));
    units(1);
    for (int i = 0; i < 4; i++)
        kt_task_cancel(t[order[i] - 'A']);
    sure(kt_spawn(KT_WITH(work_048, 'E'), &t[4]));
    kt_task_cancel(t[4]);
    for (int i = 0; i < 4; i++)
        CHECK_ERR(kt_task_join(t[i]), KT_ECANCELED);
    kt_test_say("E cancelled %s", yes(kt_task_cancelled(t[4])));
    CHECK_ERR(kt_task_join(t[4]), KT_ECANCELED);
    CHECK_TRACE("A start\nB start\nC start\nD start\nC cancelled\nA cancelled\nD cancelled\n"
                "B cancelled\nE cancelled yes");
}
