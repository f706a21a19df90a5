/* SPDX-License-Identifier: MIT */

/* Twelve calls to a service that allows three in any two seconds. */

#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(call_service, a, struct {
    kt_rate *limit;
    kt_time start;
    int number;
})
{
    int rc = kt_rate_acquire(a->limit);
    if (rc < 0)
        return rc;
    printf("%lld s: call %d\n", (long long)((kt_now() - a->start) / KT_S(1)), a->number);
    return kt_sleep(KT_MS(100));
}

static int client(void *arg)
{
    (void)arg;
    kt_auto(kt_rate) limit = KT_RATE_INIT(3, KT_S(2));
    kt_auto(kt_group) calls = KT_GROUP_INIT;
    kt_time start = kt_now();
    int rc = 0;
    for (int i = 0; rc == 0 && i < 12; i++)
        rc = kt_group_spawn(&calls, KT_WITH(call_service, &limit, start, .number = i));
    return kt_group_join(&calls, rc);
}

int main(void)
{
    int rc = kt_run(client, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "pattern_rate_limit: %s\n", kt_strerror(rc));
    return rc < 0;
}
