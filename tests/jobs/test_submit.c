/* SPDX-License-Identifier: MIT */

/* Jobs that the store could not take. */

#include <kettle/group.h>
#include <kettle/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "jobs/engine.h"
#include "jobs/store_private.h"

enum { JOBS = 20 };

static int work(void *jobs)
{
    return kt_jobs_run(jobs);
}

/* Each takes the store ten pages; it may grow no further than to a few of them. */
static int submit_too_much(void *arg)
{
    static char args[40000];
    kt_jobs *j = arg;
    kt_auto(kt_group) g = KT_GROUP_INIT;
    kt_jobs_new news[JOBS];
    int64_t ids[JOBS] = {0};
    snprintf(args, sizeof args, "{\"text\": \"%*d\"}", (int)sizeof args - 20, 1);
    for (int i = 0; i < JOBS; i++)
        news[i] = (kt_jobs_new){.type = "greet", .args = kt_slice_from(args), .delay = KT_S(3600)};
    CHECK_OK(kt_group_spawn(&g, work, j, 0));
    CHECK_OK(kt_sleep(KT_MS(10)));
    CHECK_ERR(kt_jobs_submit(j, news, JOBS, ids, NULL), KT_ESTORE);
    for (int i = 0; i < JOBS; i++)
        CHECK_EQ(ids[i], 0);
    CHECK_OK(kt_jobs_submit(j, news, 1, ids, NULL));
    CHECK_EQ(ids[0], 1);
    return kt_is_cancel(kt_group_join(&g, KT_ECANCELED)) ? 0 : -1;
}

KT_JOB(greet)
{
    (void)job;
    return 0;
}

TEST_WITH(jobs_that_did_not_get_into_the_store_have_no_ids, KT_TEST_NO_LOOP)
{
    char folder[] = "/tmp/kettle-submit-XXXXXX", path[64];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/jobs.db", folder);
    const kt_jobs_type *types[] = {&greet, NULL};
    kt_jobs *j;
    CHECK_OK(kt_jobs_open(&(kt_jobs_options){.path = path, .types = types}, &j));
    CHECK_EQ(sqlite3_exec(j->store->db, "PRAGMA max_page_count = 60", NULL, NULL, NULL), SQLITE_OK);
    CHECK_OK(kt_run(submit_too_much, j, 0));
    kt_jobs_close(j);
    CHECK_EQ(unlink(path), 0);
    snprintf(path, sizeof path, "%s/jobs.db.lock", folder);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(rmdir(folder), 0);
}
