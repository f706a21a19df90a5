/* SPDX-License-Identifier: MIT */
/* The smallest event loop: a list of coroutines, each resumed in its turn until its next yield, until
 * all have ended. A task is such a coroutine, with something to wait for in place of the turn. */
#include <kettle/kettle.h>
#include <stdio.h>

enum { COROUTINES = 3 };

KT_FN(body, a, struct {
    char name;
    int steps;
})
{
    for (int i = 1; i <= a->steps; i++) {
        printf("%c step %d\n", a->name, i);
        int rc = kt_coroutine_yield(NULL, NULL);
        if (rc < 0)
            return rc; /* it is being closed */
    }
    printf("%c ends\n", a->name);
    return 0;
}

/* Round robin over those that have not ended. */
static int step_all(kt_coroutine *list[], int count)
{
    int left, rounds = 0;
    do {
        left = 0;
        for (int i = 0; i < count; i++) {
            if (kt_coroutine_state_of(list[i]) == KT_COROUTINE_ENDED)
                continue;
            int rc = kt_coroutine_resume(list[i], NULL, NULL);
            if (rc < 0)
                return rc;
            left += rc; /* 1: it has yielded, 0: it has ended */
        }
        rounds++;
    } while (left > 0);
    printf("%d rounds\n", rounds);
    return 0;
}

static int run(void *arg)
{
    (void)arg;
    kt_coroutine *list[COROUTINES] = {NULL};
    int rc = 0;
    for (int i = 0; rc == 0 && i < COROUTINES; i++)
        rc = kt_coroutine_new(KT_WITH(body, (char)('A' + i), i + 1), &list[i]);
    if (rc == 0)
        rc = step_all(list, COROUTINES);
    for (int i = 0; i < COROUTINES; i++)
        kt_coroutine_close(list[i]);
    return rc;
}

int main(void)
{
    int rc = kt_run(run, NULL, 0);
    if (rc < 0)
        fprintf(stderr, "mini_event_loop: %s\n", kt_strerror(rc));
    return rc < 0;
}
