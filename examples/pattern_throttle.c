/* SPDX-License-Identifier: MIT */

/* A scroll bar moves ten times a second; the page is drawn at most once in half a second. */

#include <kettle/kettle.h>
#include <stdio.h>

static int scrolling(void *arg)
{
    (void)arg;
    kt_throttle draw = KT_THROTTLE_INIT(KT_MS(500));
    kt_time start = kt_now();
    int moves, rc = 0;
    for (moves = 0; rc == 0 && moves < 15; moves++) {
        if (kt_throttle_pass(&draw))
            printf("%.1f s: drawn at move %d\n", (double)(kt_now() - start) / KT_S(1), moves);
        rc = kt_sleep(KT_MS(100));
    }
    printf("%d moves\n", moves);
    return rc;
}

int main(void)
{
    int rc = kt_run(scrolling, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "pattern_throttle: %s\n", kt_strerror(rc));
    return rc < 0;
}
