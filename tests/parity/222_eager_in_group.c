/* SPDX-License-Identifier: MIT */
#include "say.h"

static int a_body(void *arg)
{
    (void)arg;
    say("A starts");
    int rc = kt_sleep(50 * U);
    if (kt_is_cancel(rc))
        say("A cancelled");
    return rc;
}

static int b_body(void *arg)
{
    (void)arg;
    say("B runs");
    return 0;
}

static int c_body(void *arg)
{
    (void)arg;
    say("C fails");
    return raise_error("C");
}

static int body(void *arg)
{
    static const kt_fn bodies[] = {a_body, b_body, c_body};
    const kt_spawn_options eager = {.eager = true};
    kt_auto(kt_group) tg = KT_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < 3; i++) {
        kt_task *t = NULL;
        sure(kt_group_spawn_with(&tg, &eager, bodies[i], NULL, 0, &t));
        say("created %c, done %s", 'A' + i, yes(kt_task_done(t)));
    }
    int rc = kt_sleep(50 * U);
    if (kt_is_cancel(rc))
        say("body cancelled");
    if (kt_group_join(&tg, rc) == -EIO)
        say("group [%s]", kt_error_detail());
    return 0;
}

int main(void)
{
    return run(body);
}
