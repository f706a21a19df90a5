/* SPDX-License-Identifier: MIT */
#include "parity.h"

/* ---- 049: waits for all ------------------------------------------------------------------ */

KT_FN(work_049, a, struct {
    const char *name;
    int length;
})
{
    int rc = kt_sleep(a->length * U);
    kt_test_say("%s %s", a->name, rc < 0 ? "cancelled" : "done");
    return rc < 0 ? rc : a->name[0];
}

KT_FN(spawner_049, a, struct {
    kt_group *group;
    kt_task **c;
})
{
    units(2);
    sure(kt_group_spawn_with(a->group, NULL, KT_WITH(work_049, "C", 6), a->c));
    kt_test_say("B spawned C");
    return 'B';
}

KT_FN(cancel_at_6, a, struct { kt_task *task; })
{
    units(6);
    kt_task_cancel(a->task);
    return 0;
}

/* The results are looked at by a child that ends last, since handles are good until the join. */
KT_FN(look_at_results, a, struct { kt_task **abcd; })
{
    units(9);
    kt_task **t = a->abcd;
    kt_test_say("results [%c %c %c] D cancelled %s", kt_task_result(t[0]), kt_task_result(t[1]),
                kt_task_result(t[2]), yes(kt_task_cancelled(t[3])));
    return 0;
}

TEST(parity_049_group_basic)
{
    kt_task *t[4], *timer;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn_with(&g, NULL, KT_WITH(work_049, "D", 50), &t[3]));
    sure(kt_group_spawn_with(&g, NULL, KT_WITH(work_049, "A", 4), &t[0]));
    sure(kt_group_spawn_with(&g, NULL, KT_WITH(spawner_049, &g, &t[2]), &t[1]));
    sure(kt_group_spawn(&g, KT_WITH(look_at_results, t)));
    sure(kt_spawn(KT_WITH(cancel_at_6, t[3]), &timer));
    kt_test_say("body ends");
    CHECK_EQ(kt_group_join(&g, 0), 0);
    kt_test_say("group ended");
    sure(kt_task_join(timer));
    CHECK_TRACE("body ends\nB spawned C\nA done\nD cancelled\nC done\n"
                "results [A B C] D cancelled yes\ngroup ended");
}

/* ---- 050: a child fails ------------------------------------------------------------------ */

static int cleans_up(void *arg)
{
    (void)arg;
    int rc = kt_sleep(50 * U);
    kt_test_say("A cancelled");
    CHECK_ERR(kt_cancel_catch(), KT_ECANCELED);
    units(2);
    kt_test_say("A cleaned up");
    return rc;
}

KT_FN(fails, a, struct { const char *name; })
{
    units(1);
    kt_test_say("%s fails", a->name);
    return kt_error_set(-EIO, "%s", a->name);
}

TEST(parity_050_group_child_failure)
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, cleans_up, NULL, 0));
    sure(kt_group_spawn(&g, KT_WITH(fails, "B")));
    kt_test_say("body ends");
    CHECK_ERR(kt_group_join(&g, 0), -EIO);
    kt_test_say("group raised [%s]", kt_error_detail());
    units(1);
    kt_test_say("main end");
    CHECK_TRACE("body ends\nB fails\nA cancelled\nA cleaned up\ngroup raised [B]\nmain end");
}

/* ---- 053: the owner is cancelled --------------------------------------------------------- */

KT_FN(owner_053, a, struct { bool in_body; })
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, cleans_up, NULL, 0));
    int rc = 0;
    if (a->in_body) {
        rc = kt_sleep(50 * U);
        kt_test_say("body cancelled");
    }
    rc = kt_group_join(&g, rc);
    if (rc == KT_ECANCELED)
        kt_test_say("owner cancelled, count %d", kt_task_cancelling(kt_task_current()));
    return rc;
}

TEST(parity_053_group_outer_cancel)
{
    for (int part = 1; part <= 2; part++) {
        kt_task *t;
        kt_test_say("part %d", part);
        sure(kt_spawn(KT_WITH(owner_053, part == 2), &t));
        units(1);
        kt_test_say("main cancels owner %s", yes(kt_task_cancel(t)));
        CHECK_ERR(kt_shield(t), KT_ECANCELED);
        kt_test_say("owner is cancelled %s", yes(kt_task_cancelled(t)));
        CHECK_ERR(kt_task_join(t), KT_ECANCELED);
    }
    CHECK_TRACE("part 1\nmain cancels owner yes\nA cancelled\nA cleaned up\n"
                "owner cancelled, count 1\nowner is cancelled yes\npart 2\n"
                "main cancels owner yes\nbody cancelled\nA cancelled\nA cleaned up\n"
                "owner cancelled, count 1\nowner is cancelled yes");
}

/* ---- 056: nested ------------------------------------------------------------------------- */

KT_FN(sleeper, a, struct { const char *name; })
{
    int rc = kt_sleep(50 * U);
    kt_test_say("%s cancelled", a->name);
    return rc;
}

/* A group's failure is its first child's: there is no list of lists. */
static void run_056(const kt_job *outer_child, const kt_job *inner_child)
{
    kt_auto(kt_group) outer = KT_GROUP_INIT, inner = KT_GROUP_INIT;
    sure(kt_group_spawn(&outer, outer_child->fn, outer_child->arg, outer_child->size));
    sure(kt_group_spawn(&inner, inner_child->fn, inner_child->arg, inner_child->size));
    int rc = kt_group_join(&inner, 0);
    if (rc == -EIO)
        kt_test_say("inner raised [%s]", kt_error_detail());
    else
        kt_test_say(rc == KT_ESIBLING ? "inner passed cancelled" : "inner gave something else");
    if (kt_group_join(&outer, rc) == -EIO)
        kt_test_say("outer raised [%s]", kt_error_detail());
}

TEST(parity_056_group_nested)
{
    const kt_job a = KT_JOB_OF(KT_WITH(sleeper, "A")), b = KT_JOB_OF(KT_WITH(fails, "B"));
    const kt_job c = KT_JOB_OF(KT_WITH(fails, "C")), d = KT_JOB_OF(KT_WITH(sleeper, "D"));
    run_056(&a, &b);
    run_056(&c, &d);
    CHECK_TRACE("B fails\ninner raised [B]\nA cancelled\nouter raised [B]\nC fails\n"
                "D cancelled\ninner passed cancelled\nouter raised [C]");
}

/* ---- 905: keeps a cancellation from outside ---------------------------------------------- */

static int breaks_on_cancel(void *arg)
{
    (void)arg;
    CHECK_ERR(kt_sleep(50 * U), KT_ECANCELED);
    kt_test_say("A fails in cleanup");
    return kt_error_set(-EIO, "A");
}

KT_FN(owner_905, a, struct { kt_job body; })
{
    kt_auto(kt_group) g = KT_GROUP_INIT;
    sure(kt_group_spawn(&g, a->body.fn, a->body.arg, a->body.size));
    int rc = kt_group_join(&g, 0);
    if (kt_is_cancel(rc)) {
        kt_test_say("group passed cancelled");
        return rc;
    }
    kt_test_say("group raised [%s] count %d", kt_error_detail(),
                kt_task_cancelling(kt_task_current()));
    rc = kt_sleep(U);
    kt_test_say(rc < 0 ? "owner cancelled at next wait" : "owner undisturbed");
    return rc;
}

KT_FN(cancel_after_1, a, struct { kt_task *task; })
{
    units(1);
    kt_task_cancel(a->task);
    return 0;
}

TEST(parity_905_group_keeps_outer_cancel)
{
    const kt_job b = KT_JOB_OF(KT_WITH(fails, "B")), c = KT_JOB_OF(KT_WITH(fails, "C"));
    kt_task *t, *canceller;
    kt_test_say("part 1");
    sure(kt_spawn(KT_WITH(owner_905, b), &t));
    CHECK_EQ(kt_task_join(t), 0);
    kt_test_say("part 2");
    sure(kt_spawn(KT_WITH(owner_905, {breaks_on_cancel, NULL, 0}), &t));
    units(1);
    kt_task_cancel(t);
    kt_test_say("owner is cancelled %s", yes(kt_task_join(t) == KT_ECANCELED));
    kt_test_say("part 3");
    sure(kt_spawn(KT_WITH(owner_905, c), &t));
    sure(kt_sleep(0)); /* the canceller is made after C */
    sure(kt_spawn(KT_WITH(cancel_after_1, t), &canceller));
    kt_test_say("owner is cancelled %s", yes(kt_task_join(t) == KT_ECANCELED));
    sure(kt_task_join(canceller));
    CHECK_TRACE("part 1\nB fails\ngroup raised [B] count 0\nowner undisturbed\npart 2\n"
                "A fails in cleanup\ngroup raised [A] count 1\nowner cancelled at next wait\n"
                "owner is cancelled yes\npart 3\nC fails\ngroup raised [C] count 1\n"
                "owner cancelled at next wait\nowner is cancelled yes");
}
