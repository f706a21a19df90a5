/* SPDX-License-Identifier: MIT */

/* Jobs that ended long ago are deleted, others are not. */

#include <kettle/group.h>
#include <kettle/jobs.h>
#include <kettle/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "jobs/engine.h"

/* A kt__job_state, or the error. */
static int state_of(kt_jobs *j, int64_t id)
{
    kt__store_job job;
    kt__store_attempts attempts;
    int rc = kt__engine_get(j, id, &job, &attempts);
    if (rc < 0)
        return rc;
    int state = (int)job.state;
    kt__store_job_release(&job);
    kt__store_attempts_release(&attempts);
    return state;
}

static int work(void *jobs)
{
    return kt_jobs_run(jobs);
}

static int submit_and_look(void *arg)
{
    kt_jobs *j = arg;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    int64_t ids[2];
    const kt_jobs_new news[2] = {
        {.type = "sleep", .args = kt_slice_from("{\"seconds\": 0}")},
        {.type = "sleep", .args = kt_slice_from("{\"seconds\": 0}"), .delay = KT_S(3600)},
    };
    CHECK_OK(kt_group_spawn(&g, work, j, 0));
    CHECK_OK(kt_sleep(KT_MS(10)));
    CHECK_OK(kt_jobs_submit(j, news, 2, ids, NULL));
    int state = 0;
    for (int i = 0; i < 500 && state != KT_ENOTFOUND; i++) {
        state = state_of(j, ids[0]);
        CHECK_OK(kt_sleep(KT_MS(10)));
    }
    CHECK_EQ(state, KT_ENOTFOUND);
    CHECK_EQ(state_of(j, ids[1]), KT__JOB_SCHEDULED);
    return kt_is_cancel(kt_group_join(&g, KT_ECANCELED)) ? 0 : -1;
}

TEST_WITH(what_ended_long_ago_is_deleted_and_what_waits_is_not, KT_TEST_NO_LOOP)
{
    char folder[] = "/tmp/kettle-retention-XXXXXX", path[64];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/jobs.db", folder);
    const kt_jobs_type *types[] = {&kt_jobs_sleep, NULL};
    kt_jobs *j;
    CHECK_OK(kt_jobs_open(&(kt_jobs_options){.path = path, .types = types, .keep = 1}, &j));
    CHECK_OK(kt_run(submit_and_look, j, 0));
    kt_jobs_close(j);
    CHECK_EQ(unlink(path), 0);
    snprintf(path, sizeof path, "%s/jobs.db.lock", folder);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(rmdir(folder), 0);
}
