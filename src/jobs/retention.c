/* SPDX-License-Identifier: MIT */

/* Jobs that ended long ago are deleted, a few at a time, so that a store does not grow for ever. */

#include "jobs/engine.h"

/* In one transaction, which others share and wait for. */
#define BATCH 500
#define PAUSE_BETWEEN_BATCHES KT_MS(20)
/* At the most; shorter where jobs are kept for less than that. */
#define PAUSE_BETWEEN_ROUNDS KT_S(60)

typedef struct round {
    kt_time before;
    bool more;
    int deleted;
} round;

static int purge(kt__store *store, void *arg)
{
    round *r = arg;
    int n = kt__store_purge(store, r->before, BATCH, &r->more);
    r->deleted = n > 0 ? n : 0;
    return n < 0 ? n : 0;
}

static kt_time pause_after(const kt_jobs *j, bool more)
{
    kt_time pause = j->options.keep < PAUSE_BETWEEN_ROUNDS ? j->options.keep : PAUSE_BETWEEN_ROUNDS;
    return more || pause < PAUSE_BETWEEN_BATCHES ? PAUSE_BETWEEN_BATCHES : pause;
}

int kt__retention_run(void *jobs)
{
    kt_jobs *j = jobs;
    for (;;) {
        round r = {.before = kt__wall_clock() - j->options.keep};
        int rc = kt__keeper_do(&j->keeper, purge, &r);
        if (rc == KT_ESHUTDOWN)
            return 0;
        if (rc < 0)
            kt__jobs_log(j, "store: %s", kt_error_detail());
        if (r.deleted > 0)
            kt__jobs_touch(j);
        rc = kt_sleep(rc < 0 ? PAUSE_BETWEEN_ROUNDS : pause_after(j, r.more));
        if (rc < 0)
            return rc;
    }
}
