/* SPDX-License-Identifier: MIT */
#include "say.h"

static const char *me(void)
{
    return kt_task_name(kt_task_current());
}

static int a_body(void *arg)
{
    (void)arg;
    say("A start as %s", me());
    sure(kt_sleep(0));
    say("A end");
    return 1;
}

static int b_body(void *arg)
{
    (void)arg;
    say("B runs as %s", me());
    return 2;
}

static int c_body(void *arg)
{
    (void)arg;
    return raise_error("C");
}

static int d_body(void *arg)
{
    (void)arg;
    kt_task_cancel(kt_task_current());
    say("D continues");
    int rc = kt_sleep(0);
    if (rc == 0)
        say("D not reached");
    return rc;
}

static kt_task *eager(const char *name, kt_fn fn)
{
    kt_task *t = NULL;
    sure(kt_spawn_with(&(kt_spawn_options){.name = name, .eager = true}, fn, NULL, 0, &t));
    return t;
}

static void on_done(void *task)
{
    say("callback B %d", kt_task_result(task));
}

static int body(void *arg)
{
    kt_auto(kt_callback) done = KT_CALLBACK_INIT;
    (void)arg;
    kt_task *a = eager("A", a_body);
    say("created A, done %s current %s", yes(kt_task_done(a)), me());
    kt_task *b = eager("B", b_body);
    say("created B, done %s", yes(kt_task_done(b)));
    kt_task_on_done(b, &done, on_done, b);
    say("main got %d", kt_task_await(b));
    say("main got %d", kt_task_join(a));
    kt_task *c = eager("C", c_body);
    bool c_done = kt_task_done(c);
    if (kt_task_join(c) == -EIO)
        say("created C, done %s error %s", yes(c_done), kt_error_detail());
    kt_task *d = eager("D", d_body);
    say("created D, done %s", yes(kt_task_done(d)));
    wait_end(d);
    say("D cancelled %s", yes(kt_task_cancelled(d)));
    kt_task_detach(d);
    return kt_task_join(b);
}

int main(void)
{
    return run(body);
}
