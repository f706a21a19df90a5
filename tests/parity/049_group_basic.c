/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    int length;
})
{
    int rc = kt_sleep(a->length * U);
    say("%s %s", a->name, rc < 0 ? "cancelled" : "done");
    return rc < 0 ? rc : a->name[0];
}

static kt_task *create(kt_group *tg, task_end *e, KT__JOB)
{
    kt_task *t;
    sure(kt_group_spawn_with(tg, NULL, fn, arg, size, &t));
    watch_end(e, t);
    return t;
}

KT_FN(spawner, a, struct {
    kt_group *group;
    task_end *c;
})
{
    units(2);
    create(a->group, a->c, KT_WITH(work, "C", 6));
    say("B spawned C");
    return 'B';
}

static int body(void *arg)
{
    task_end a, b, c, d;
    kt_auto(kt_callback) timer = KT_CALLBACK_INIT;
    kt_auto(kt_group) tg = KT_GROUP_INIT;
    (void)arg;
    kt_task *long_one = create(&tg, &d, KT_WITH(work, "D", 50));
    create(&tg, &a, KT_WITH(work, "A", 4));
    create(&tg, &b, KT_WITH(spawner, &tg, &c));
    kt_call_later(&timer, 6 * U, cancel_task, long_one);
    say("body ends");
    sure(kt_group_join(&tg, 0));
    say("group ended [%c %c %c] D cancelled %s", a.rc, b.rc, c.rc, yes(d.cancelled));
    return 0;
}

int main(void)
{
    return run(body);
}
