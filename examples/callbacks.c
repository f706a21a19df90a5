/* SPDX-License-Identifier: MIT */
/* Functions that the loop calls: soon, later, at a time. They run outside any task and must not wait;
 * a kt_callback lives in the caller's storage, and its scope's end takes it back. */
#include <kettle/kettle.h>
#include <stdio.h>

typedef struct note {
    const char *name;
    kt_time start;
} note;

static void say(void *arg)
{
    const note *n = arg;
    printf("%d s: %s\n", (int)((kt_now() - n->start) / KT_S(1)), n->name);
}

static int run(void *arg)
{
    (void)arg;
    kt_time start = kt_now();
    note notes[] = {{"Immediate", start}, {"Delayed 2s", start}, {"Delayed 3s", start}};
    kt_auto(kt_callback) immediate = KT_CALLBACK_INIT;
    kt_auto(kt_callback) later = KT_CALLBACK_INIT;
    kt_auto(kt_callback) at_three = KT_CALLBACK_INIT;
    kt_call_soon(&immediate, say, &notes[0]);
    kt_call_later(&later, KT_S(2), say, &notes[1]);
    kt_call_at(&at_three, start + KT_S(3), say, &notes[2]);
    int rc = kt_sleep(KT_S(5));
    if (rc < 0)
        return rc;
    printf("(%d s)\n", (int)((kt_now() - start) / KT_S(1)));
    return 0;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "callbacks: %s\n", kt_strerror(rc));
    return rc < 0;
}
