/* SPDX-License-Identifier: MIT */
/* A coroutine that is made and never resumed: nothing of it runs, and its scope frees it. With
 * KETTLE_DEBUG=1 the loop says so, and where it was made, since it is nearly always a mistake. */
#include <kettle/kettle.h>
#include <stdio.h>

static int say(void *arg)
{
    (void)arg;
    printf("hello\n");
    return 0;
}

static int run(void *arg)
{
    (void)arg;
    kt_auto(kt_coroutine) *forgotten = NULL;
    int rc = kt_coroutine_new(say, NULL, 0, &forgotten);
    if (rc < 0)
        return rc;
    printf("made, %s\n", kt_coroutine_state_of(forgotten) == KT_COROUTINE_FRESH ? "not begun" : "begun");
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "forgotten_coroutine: %s\n", kt_strerror(rc));
    return rc < 0;
}
