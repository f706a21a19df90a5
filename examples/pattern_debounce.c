/* SPDX-License-Identifier: MIT */

/* Somebody types; only when they pause is the query made, once, with what stands there then. */

#include <kettle/kettle.h>
#include <stdio.h>

KT_FN(look_up, a, struct {
    kt_time start;
    char query[16];
})
{
    printf("%.1f s: looking up '%s'\n", (double)(kt_now() - a->start) / KT_S(1), a->query);
    return 0;
}

static int typing(void *arg)
{
    static const char *const queries[] = {"query1", "query2", "query3"};
    (void)arg;
    kt_auto(kt_debouncer) search = KT_DEBOUNCER_INIT(KT_S(1));
    kt_time start = kt_now();
    int rc = 0;
    for (int i = 0; rc == 0 && i < 3; i++) {
        look_up_args call = {.start = start};
        snprintf(call.query, sizeof call.query, "%s", queries[i]);
        rc = kt_debouncer_call(&search, look_up, &call, sizeof call);
        if (rc == 0)
            rc = kt_sleep(i < 2 ? KT_MS(100) : KT_S(2));
    }
    return rc;
}

int main(void)
{
    int rc = kt_run(typing, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "pattern_debounce: %s\n", kt_strerror(rc));
    return rc < 0;
}
