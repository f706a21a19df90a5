/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    int length;
})
{
    units(a->length);
    say("%s done", a->name);
    return 0;
}

static int body(void *arg)
{
    (void)arg;
    kt_task *ts[] = {spawn_named("A", KT_WITH(work, "A", 3)), spawn_named("B", KT_WITH(work, "B", 1)),
                     spawn_named("C", KT_WITH(work, "C", 5))};
    kt_auto(kt_as_completed) next = KT_AS_COMPLETED_INIT;
    sure(kt_as_completed_start(&next, ts, 3));
    for (kt_task *t; sure(kt_as_completed_next(&next, &t));) {
        const char *name = kt_task_name(t);
        say("next is %s done %s original %s", name, yes(kt_task_done(t)), yes(t == ts[name[0] - 'A']));
        if (name[0] == 'A')
            break;
    }
    say("C done %s", yes(kt_task_done(ts[2])));
    for (int i = 0; i < 3; i++)
        sure(kt_task_join(ts[i]));
    return 0;
}

int main(void)
{
    return run(body);
}
