/* SPDX-License-Identifier: MIT */
#include "say.h"

static kt_task *eager(const char *name, KT__JOB)
{
    kt_task *t = NULL;
    sure(kt_spawn_with(&(kt_spawn_options){.name = name, .eager = true}, fn, arg, size, &t));
    return t;
}

static int at_once(void *n)
{
    say("runs %d %s", *(int *)n, kt_task_name(kt_task_current()));
    return *(int *)n;
}

static int waits(void *arg)
{
    const char *name = arg;
    say("%s begins", name);
    int rc = kt_sleep(U);
    if (rc == KT_ECANCELED)
        say("%s cancelled", name);
    if (rc < 0)
        return rc;
    say("%s ends", name);
    return 0;
}

static int fails(void *arg)
{
    (void)arg;
    return raise_error("at once");
}

static int nests(void *arg)
{
    (void)arg;
    say("outer begins");
    kt_task *t = eager(NULL, waits, "inner", 0);
    say("outer goes on %s", yes(kt_task_done(t)));
    int rc = kt_task_join(t);
    if (rc < 0)
        return rc;
    say("outer ends");
    return 0;
}

static int limited(void *arg)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    (void)arg;
    kt_timeout_start(&limit, U / 2);
    return kt_timeout_end(&limit, kt_sleep(U));
}

static int locked(void *l)
{
    int rc = kt_lock_acquire(l);
    if (rc < 0)
        return rc;
    say("locked");
    kt_lock_release(l);
    return 0;
}

static void say_done_and_detach(kt_task *t, const char *more)
{
    say("done %s%s", yes(kt_task_done(t)), more);
    kt_task_detach(t);
}

static void single(void)
{
    kt_task *t = eager("one", at_once, &(int){1}, sizeof(int));
    int result = kt_task_result(t);
    say("done %s %d %s", yes(kt_task_done(t)), result, kt_task_name(kt_task_current()));
    kt_task_detach(t);
    t = eager(NULL, waits, "A", 0);
    say("done %s", yes(kt_task_done(t)));
    kt_task_cancel(t);
    wait_end(t);
    say("cancelled %s", yes(kt_task_cancelled(t)));
    kt_task_detach(t);
    t = eager(NULL, fails, NULL, 0);
    say_done_and_detach(t, kt_task_result(t) == -EIO ? " failed yes" : " failed no");
    sure(kt_task_join(eager(NULL, nests, NULL, 0)));
    if (kt_task_join(eager(NULL, limited, NULL, 0)) == KT_ETIMEDOUT)
        say("timeout");
}

static void several(void)
{
    int rcs[2];
    kt_task *ts[3] = {eager("n2", at_once, &(int){2}, sizeof(int)), eager("n3", at_once, &(int){3}, sizeof(int)),
                      eager(NULL, waits, "B", 0)};
    int done = sure(kt_wait(ts, 3, KT_WAIT_FIRST_COMPLETED, KT_FOREVER));
    say("wait %d %d", done, 3 - done);
    sure(kt_gather_tasks(ts, 2, rcs));
    say("gathered [%d %d]", rcs[0], rcs[1]);
    for (int i = 0; i < 3; i++)
        sure(kt_task_join(ts[i]));
}

static int body(void *arg)
{
    kt_lock l = KT_LOCK_INIT;
    (void)arg;
    single();
    several();
    sure(kt_lock_acquire(&l));
    kt_task *t = eager(NULL, locked, &l, 0);
    say("before the release");
    kt_lock_release(&l);
    return kt_task_join(t);
}

int main(void)
{
    return run(body);
}
