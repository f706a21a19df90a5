/* SPDX-License-Identifier: MIT */
#include "say.h"

/* A group frees its children at the join, so what is asked of them later they leave here. */
typedef struct outcome {
    int rc;
} outcome;

KT_FN(work, a, struct {
    const char *name;
    int length;
    outcome *outcome;
})
{
    int rc = kt_sleep(a->length * U);
    say("%s %s", a->name, rc < 0 ? "cancelled" : "done");
    return a->outcome->rc = rc < 0 ? rc : a->name[0];
}

KT_FN(spawner, a, struct {
    kt_group *group;
    outcome *b, *c;
})
{
    units(2);
    sure(kt_group_spawn(a->group, KT_WITH(work, "C", 6, a->c)));
    say("B spawned C");
    return a->b->rc = 'B';
}

static int body(void *arg)
{
    outcome out[4];
    kt_task *d;
    kt_auto(kt_callback) timer = KT_CALLBACK_INIT;
    kt_auto(kt_group) tg = KT_GROUP_INIT;
    (void)arg;
    sure(kt_group_spawn_with(&tg, NULL, KT_WITH(work, "D", 50, &out[3]), &d));
    sure(kt_group_spawn(&tg, KT_WITH(work, "A", 4, &out[0])));
    sure(kt_group_spawn(&tg, KT_WITH(spawner, &tg, &out[1], &out[2])));
    kt_call_later(&timer, 6 * U, cancel_task, d);
    say("body ends");
    sure(kt_group_join(&tg, 0));
    say("group ended [%c %c %c] D cancelled %s", out[0].rc, out[1].rc, out[2].rc,
        yes(out[3].rc == KT_ECANCELED));
    return 0;
}

int main(void)
{
    return run(body);
}
