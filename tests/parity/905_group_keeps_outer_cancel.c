/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(breaks_on_cancel, a, struct { const char *name; })
{
    if (kt_sleep(50 * U) == 0)
        return 0;
    say("%s fails in cleanup", a->name);
    return raise_error(a->name);
}

KT_FN(fails, a, struct { const char *name; })
{
    units(1);
    say("%s fails", a->name);
    return raise_error(a->name);
}

static int cancel_owner(void *owner)
{
    units(1);
    kt_task_cancel(owner);
    return 0;
}

KT_FN(owner, a, struct {
    kt_job body;
    kt_task **canceller;
})
{
    kt_auto(kt_group) tg = KT_GROUP_INIT;
    kt_task *me = kt_task_current();
    sure(kt_group_spawn(&tg, a->body.fn, a->body.arg, a->body.size));
    if (a->canceller)
        *a->canceller = spawn(cancel_owner, me, 0);
    int rc = kt_group_join(&tg, 0);
    if (kt_is_cancel(rc)) {
        say("group passed cancelled");
        return rc;
    }
    if (rc < 0)
        say("group raised [%s] count %d", kt_error_detail(), kt_task_cancelling(me));
    rc = kt_sleep(U);
    say(rc < 0 ? "owner cancelled at next wait" : "owner undisturbed");
    return rc;
}

static int body(void *arg)
{
    const kt_job a = KT_JOB_OF(KT_WITH(breaks_on_cancel, "A"));
    const kt_job b = KT_JOB_OF(KT_WITH(fails, "B")), c = KT_JOB_OF(KT_WITH(fails, "C"));
    kt_task *canceller = NULL;
    (void)arg;
    say("part 1");
    sure(kt_task_join(spawn(KT_WITH(owner, b, NULL))));
    say("part 2");
    kt_task *t = spawn(KT_WITH(owner, a, NULL));
    units(1);
    kt_task_cancel(t);
    wait_end(t);
    say("owner is cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
    say("part 3");
    t = spawn(KT_WITH(owner, c, &canceller));
    wait_end(t);
    say("owner is cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
    return kt_task_join(canceller);
}

int main(void)
{
    return run(body);
}
