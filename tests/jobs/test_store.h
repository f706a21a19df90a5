/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_TESTS_JOBS_TEST_STORE_H
#define KETTLE_TESTS_JOBS_TEST_STORE_H

/* What the tests of the store share: a store in a folder of its own, and jobs in one line. The
 * clock of these tests is a number that they pass; nothing waits. */

#include "jobs/store_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <kettle/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define T0 KT_S(1700000000)

typedef struct place {
    char folder[256];
    char path[300]; /* of the store in it */
} place;

/* An empty folder, and the path of a store that is not there yet. */
static inline place place_make(void)
{
    place p;
    const char *base = getenv("TMPDIR");
    snprintf(p.folder, sizeof(p.folder), "%.200s/kettle-store-XXXXXX", base ? base : "/tmp");
    CHECK(mkdtemp(p.folder) != NULL);
    snprintf(p.path, sizeof(p.path), "%s/jobs.db", p.folder);
    return p;
}

/* Removes the folder with all that is in it; how many files that were. */
static inline int place_remove(const place *p)
{
    DIR *folder = opendir(p->folder);
    CHECK(folder != NULL);
    int files = 0;
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        CHECK_OK(unlinkat(dirfd(folder), entry->d_name, 0));
        files++;
    }
    closedir(folder);
    CHECK_OK(rmdir(p->folder));
    return files;
}

/* An open store inside a transaction. */
static inline kt__store *store_begun(const place *p)
{
    kt__store *s;
    CHECK_OK(kt__store_open(&(kt__store_options){.path = p->path}, &s));
    CHECK_OK(kt__store_begin(s));
    return s;
}

static inline void store_end(kt__store *s, const place *p)
{
    kt__store_close(s);
    place_remove(p);
}

static inline kt__store_new_job new_job(const char *type)
{
    kt__store_new_job job = KT__STORE_NEW_JOB_INIT;
    job.type = kt_slice_from(type);
    return job;
}

static inline int64_t submit(kt__store *s, kt__store_new_job job, kt_time now)
{
    int64_t id = 0;
    CHECK_OK(kt__store_submit(s, &job, now, &id));
    return id;
}

static inline int64_t submit_priority(kt__store *s, int priority, kt_time now)
{
    kt__store_new_job job = new_job("sleep");
    job.priority = priority;
    return submit(s, job, now);
}

/* Claims under a token of sixteen times `mark`. The id, or 0 when nothing is ready. */
static inline int64_t claim(kt__store *s, uint8_t mark, kt_time now)
{
    uint8_t token[KT__STORE_TOKEN_SIZE];
    memset(token, mark, sizeof(token));
    kt__store_job job = {0};
    int rc = kt__store_claim(s, NULL, 0, token, now, &job);
    CHECK_OK(rc);
    int64_t id = rc == 1 ? job.id : 0;
    kt__store_job_release(&job);
    return id;
}

/* The result code of a completion with that token. */
static inline int complete(kt__store *s, int64_t id, uint8_t mark, kt__attempt_outcome outcome,
                           kt_time now)
{
    kt__store_completion done = {.id = id, .outcome = outcome};
    memset(done.token, mark, sizeof(done.token));
    if (outcome != KT__ATTEMPT_SUCCEEDED)
        done.error = kt_slice_from("exit status 1");
    else
        done.result = kt_slice_from("{\"exit\":0}");
    kt__job_state state;
    int rc = kt__store_complete(s, &done, now, &state);
    return rc < 0 ? rc : (int)state;
}

static inline kt__job_state state_of(kt__store *s, int64_t id)
{
    kt__store_job job;
    CHECK_OK(kt__store_get(s, id, &job));
    kt__job_state state = job.state;
    kt__store_job_release(&job);
    return state;
}

static inline int64_t count(const kt__store *s, kt__job_state state)
{
    int64_t counts[KT__JOB_STATES];
    kt__store_counts(s, counts);
    return counts[state];
}

/* The first column of a query of one row, on the store's own connection. */
static inline int64_t query(kt__store *s, const char *sql)
{
    sqlite3_stmt *statement;
    CHECK_EQ(sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL), SQLITE_OK);
    CHECK_EQ(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

/* The counts in memory are those of the file. */
static inline void check_counts(kt__store *s)
{
    for (int i = 0; i < KT__JOB_STATES; i++) {
        char sql[80];
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM job NOT INDEXED WHERE state = %d", i);
        CHECK_EQ(count(s, (kt__job_state)i), query(s, sql));
    }
}

#endif
