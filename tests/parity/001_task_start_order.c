/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    int length;
})
{
    say("%s start", a->name);
    units(a->length);
    say("%s done", a->name);
    return a->name[0];
}

static int body(void *arg)
{
    (void)arg;
    kt_task *tasks[] = {spawn(KT_WITH(work, "A", 3)), spawn(KT_WITH(work, "B", 1)),
                        spawn(KT_WITH(work, "C", 2))};
    say("main created");
    for (int i = 0; i < 3; i++)
        say("main result %c", kt_task_join(tasks[i]));
    return 0;
}

int main(void)
{
    return run(body);
}
