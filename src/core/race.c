/* SPDX-License-Identifier: MIT */

/* Staggered races. */

#include <errno.h>
#include <kettle/race.h>
#include <stdio.h>

#include "core/core.h"

#define DETAIL_BYTES 256 /* kt_error_set's */

typedef struct race {
    const kt_job *jobs;
    int *rcs; /* or NULL */
    size_t newest;
    size_t running;
    bool newest_over, won;
    size_t winner;
    int rc;         /* the winner's, or the failure that came last, KT_ECANCELED if none began */
    kt_event ended; /* some job */
    char detail[DETAIL_BYTES];
} race;

KT_FN(runner, a, struct {
    race *race;
    size_t index;
})
{
    race *r = a->race;
    const kt_job *job = &r->jobs[a->index];
    int rc = job->fn((void *)(uintptr_t)job->arg);
    if (r->rcs)
        r->rcs[a->index] = rc;
    if (!r->won) {
        r->won = rc >= 0;
        r->winner = a->index;
        r->rc = rc;
        snprintf(r->detail, sizeof r->detail, "%s", rc < 0 ? kt_error_detail() : "");
    }
    return 0; /* a failure would end the group */
}

/* Also if it was cancelled before it began. */
static void runner_over(void *arg)
{
    const runner_args *a = arg;
    race *r = a->race;
    r->running--;
    r->newest_over = r->newest_over || a->index == r->newest;
    kt_event_set(&r->ended);
}

/* Until somebody has won, or it is the next one's turn. */
static int wait_for_turn(race *r, kt_time delay)
{
    kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
    int rc = 0;
    kt_timeout_start(&limit, delay);
    while (rc == 0 && !r->won && !r->newest_over) {
        kt_event_clear(&r->ended);
        rc = kt_event_wait(&r->ended);
    }
    rc = kt_timeout_end(&limit, rc);
    return rc == KT_ETIMEDOUT && kt_timeout_expired(&limit) ? 0 : rc;
}

static int start_in_turn(race *r, size_t n, kt_time delay, kt_group *g)
{
    const kt_spawn_options options = {.drop = runner_over};
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0 && !r->won; i++) {
        r->newest = i;
        r->newest_over = false;
        r->running++;
        rc = kt_group_spawn_with(g, &options, KT_WITH(runner, r, i), NULL);
        if (rc == 0 && i + 1 < n)
            rc = wait_for_turn(r, delay);
    }
    return rc;
}

int kt_staggered_race(const kt_job *jobs, size_t n, kt_time delay, int ret_rcs[], size_t *ret_winner)
{
    race r = {.jobs = jobs, .rcs = ret_rcs, .rc = KT_ECANCELED, .ended = KT_EVENT_INIT};
    kt_auto(kt_group) g = KT_GROUP_INIT;
    if (n == 0)
        return kt_error_set(-EINVAL, "a race without jobs");
    for (size_t i = 0; ret_rcs && i < n; i++)
        ret_rcs[i] = KT_ECANCELED;
    int rc = start_in_turn(&r, n, delay, &g);
    while (rc == 0 && !r.won && r.running > 0) {
        kt_event_clear(&r.ended);
        rc = kt_event_wait(&r.ended);
    }
    if (r.won)
        kt_group_cancel(&g);
    rc = kt_group_join(&g, rc);
    if (rc < 0)
        return rc;
    if (r.won && ret_winner)
        *ret_winner = r.winner;
    return r.won ? r.rc : kt_error_set(r.rc, "%s", r.detail);
}
