/* SPDX-License-Identifier: MIT */
#include "say.h"

enum how { OK, FAIL, SELF, SWALLOW, BREAK };
static const char *const how_names[] = {"ok", "fail", "self", "swallow", "break"};

KT_FN(work, a, struct {
    const char *name;
    int length;
    enum how how;
})
{
    int rc = kt_sleep(a->length * U);
    if (rc < 0) {
        say("%s cancelled", a->name);
        if (a->how == SWALLOW)
            kt_cancel_catch();
        return a->how == SWALLOW ? a->name[0] : a->how == BREAK ? raise_error(a->name) : rc;
    }
    say("%s done", a->name);
    return a->how == FAIL ? raise_error(a->name) : a->how == SELF ? KT_ECANCELED : a->name[0];
}

KT_FN(gatherer, a, struct {
    enum how d, e;
    bool keep;
})
{
    int rcs[2];
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(work, "D", 50, a->d)), KT_JOB_OF(KT_WITH(work, "E", 50, a->e))};
    int rc = kt_gather(jobs, 2, a->keep ? rcs : NULL);
    if (kt_is_cancel(rc)) {
        say("gather cancelled");
        return rc;
    }
    if (rc < 0)
        say("gather raised %s", kt_error_detail());
    else
        say("gather gave [%d %d]", rcs[0], rcs[1]);
    kt_cancel_catch();
    sure(kt_sleep(0));
    say("goes on, count %d", kt_task_cancelling(kt_task_current()));
    return 0;
}

static void cancel_gatherer(enum how d, enum how e, bool keep)
{
    say("with %s %s", how_names[d], how_names[e]);
    kt_task *t = spawn(KT_WITH(gatherer, d, e, keep));
    units(1);
    kt_task_cancel(t);
    wait_end(t);
    say("cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
}

static int inner(void *arg)
{
    (void)arg;
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(work, "G", 50, OK)), KT_JOB_OF(KT_WITH(work, "H", 50, OK))};
    return kt_gather(jobs, 2, NULL);
}

static int outer(void *arg)
{
    (void)arg;
    const kt_job jobs[] = {{inner, NULL, 0}, KT_JOB_OF(KT_WITH(work, "I", 50, OK))};
    int rc = kt_gather(jobs, 2, NULL);
    if (kt_is_cancel(rc))
        say("outer cancelled");
    return rc;
}

static void keep_errors(void)
{
    int rcs[3];
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(work, "A", 3, OK)), KT_JOB_OF(KT_WITH(work, "B", 1, FAIL)),
                           KT_JOB_OF(KT_WITH(work, "C", 2, SELF))};
    sure(kt_gather(jobs, 3, rcs));
    say("[%c %s %s]", rcs[0], rcs[1] == -EIO ? "error B" : "?", rcs[2] == KT_ECANCELED ? "cancelled" : "?");
    sure(kt_gather(NULL, 0, rcs));
    say("[]");
}

static int body(void *arg)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    (void)arg;
    keep_errors();
    cancel_gatherer(SWALLOW, SWALLOW, false);
    cancel_gatherer(BREAK, OK, false);
    cancel_gatherer(SWALLOW, OK, true);
    cancel_gatherer(OK, SWALLOW, false);
    cancel_gatherer(SWALLOW, SWALLOW, true);
    kt_task *t = spawn(outer, NULL, 0);
    units(1);
    kt_task_cancel(t);
    wait_end(t);
    say("cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(work, "K", 50, OK)), KT_JOB_OF(KT_WITH(work, "L", 2, OK))};
    kt_timeout_start(&limit, U);
    if (kt_timeout_end(&limit, kt_gather(jobs, 2, NULL)) == KT_ETIMEDOUT)
        say("timeout");
    return 0;
}

int main(void)
{
    return run(body);
}
