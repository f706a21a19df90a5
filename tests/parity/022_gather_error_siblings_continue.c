/* SPDX-License-Identifier: MIT */
#include "say.h"

KT_FN(work, a, struct {
    const char *name;
    int length;
    bool fails;
})
{
    units(a->length);
    say("%s %s", a->name, a->fails ? "fails" : "done");
    return a->fails ? raise_error(a->name) : 0;
}

static int body(void *arg)
{
    (void)arg;
    const kt_job jobs[] = {KT_JOB_OF(KT_WITH(work, "A", 3, false)), KT_JOB_OF(KT_WITH(work, "B", 1, true)),
                           KT_JOB_OF(KT_WITH(work, "C", 2, true))};
    if (kt_gather(jobs, 3, NULL) == -EIO)
        say("main caught %s", kt_error_detail());
    units(4);
    say("main end");
    return 0;
}

int main(void)
{
    return run(body);
}
