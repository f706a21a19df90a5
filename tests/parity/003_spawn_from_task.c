/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    kt_task **spawned;
})
{
    for (int i = 0; i < 3; i++) {
        say("%s step %d", a->name, i);
        if (a->spawned && i == 0)
            *a->spawned = spawn(KT_WITH(work, "X", NULL));
        sure(kt_sleep(0));
    }
    return 0;
}

static int body(void *arg)
{
    kt_task *x = NULL;
    (void)arg;
    kt_task *a = spawn(KT_WITH(work, "A", &x));
    kt_task *b = spawn(KT_WITH(work, "B", NULL));
    sure(kt_task_join(a));
    sure(kt_task_join(b));
    return kt_task_join(x);
}

int main(void)
{
    return run(body);
}
