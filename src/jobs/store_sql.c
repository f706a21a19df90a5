/* SPDX-License-Identifier: MIT */

/* The store's statements, and the thin layer that runs them. Each statement that may meet a
 * million rows walks an index; a test reads the query plans. */

#include "jobs/store_private.h"

#include <assert.h>
#include <kettle/error.h>
#include <stdio.h>

/* In the order in which kt__store_job_from_row() reads them. */
#define JOB_COLUMNS(args, result) \
    "job.id, job.state, job.type, job.queue, " args ", job.error, " result ", job.priority, " \
    "job.attempts, job.attempts_max, job.crashes, job.cancel_requested, job.jitter, job.run_at, " \
    "job.created_at, job.started_at, job.finished_at, job.timeout, job.backoff_factor, " \
    "job.backoff_max"

/* A list of a thousand jobs must not hold a thousand times the longest arguments: it shows where they
 * begin, which is enough for a label. */
#define LIST_ARGS "substr(job.args, 1, 16385)"

/* clang-format off */

/* The digits are kt__job_state and kt__attempt_outcome: a partial index serves only a query whose
 * WHERE repeats the index's own constant. INDEXED BY, because without statistics SQLite prefers
 * job_state to the partial indexes, and then sorts every ready job for each claim; and because a
 * query that loses its index ought to fail at open, not to crawl at a million jobs. */
const char *const kt__store_sql_texts[KT__SQL_STATEMENTS] = {
    /* IMMEDIATE: waits for another writer here, not half-way through. */
    [KT__SQL_BEGIN] = "BEGIN IMMEDIATE",
    [KT__SQL_COMMIT] = "COMMIT",
    [KT__SQL_ROLLBACK] = "ROLLBACK",
    [KT__SQL_DATA_VERSION] = "PRAGMA data_version",
    [KT__SQL_COUNT_STATES] = "SELECT state, count(*) FROM job GROUP BY state",
    [KT__SQL_SUBMIT] =
        "INSERT INTO job (state, type, queue, args, priority, due_key, run_at, created_at, timeout,"
        " attempts_max, backoff_factor, backoff_max, jitter)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    [KT__SQL_PROMOTE] =
        "UPDATE job SET state = 1 WHERE id IN"
        " (SELECT id FROM job INDEXED BY job_scheduled WHERE state = 0 AND run_at <= ?1"
        " ORDER BY run_at LIMIT ?2)",
    [KT__SQL_NEXT_DUE] =
        "SELECT run_at FROM job INDEXED BY job_scheduled WHERE state = 0 ORDER BY run_at LIMIT 1",
    [KT__SQL_CLAIM_ANY] =
        "SELECT id, due_key FROM job INDEXED BY job_ready WHERE state = 1"
        " ORDER BY due_key, id LIMIT 1",
    [KT__SQL_CLAIM_QUEUE] =
        "SELECT id, due_key FROM job INDEXED BY job_ready_queue WHERE state = 1 AND queue = ?1"
        " ORDER BY due_key, id LIMIT 1",
    [KT__SQL_CLAIM_TAKE] = "UPDATE job SET state = 2, token = ?2, started_at = ?3 WHERE id = ?1",
    [KT__SQL_JOB] = "SELECT " JOB_COLUMNS("job.args", "job.result") " FROM job WHERE id = ?1",
    [KT__SQL_CLAIMED] =
        "SELECT state, token, started_at, attempts, attempts_max, crashes, cancel_requested,"
        " priority, backoff_factor, backoff_max, jitter FROM job WHERE id = ?1",
    [KT__SQL_FINISH] =
        "UPDATE job SET state = ?2, attempts = ?3, finished_at = ?4, error = ?5,"
        " result = coalesce(?6, result), token = NULL WHERE id = ?1",
    [KT__SQL_RETRY] =
        "UPDATE job SET state = ?2, attempts = ?3, run_at = ?4, error = ?5,"
        " result = coalesce(?6, result), due_key = ?7, token = NULL WHERE id = ?1",
    [KT__SQL_ATTEMPT_ADD] =
        "INSERT INTO attempt (job_id, number, started_at, finished_at, outcome, error)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [KT__SQL_REQUEUE] = "UPDATE job SET state = 1, token = NULL WHERE id = ?1",
    [KT__SQL_CANCEL] = "UPDATE job SET state = 5, finished_at = ?2, token = NULL WHERE id = ?1",
    [KT__SQL_CANCEL_ASK] = "UPDATE job SET cancel_requested = 1 WHERE id = ?1",
    [KT__SQL_RECOVER_ATTEMPTS] =
        "INSERT INTO attempt (job_id, number, started_at, finished_at, outcome, error)"
        " SELECT id, attempts + crashes + 1, started_at, ?1, iif(cancel_requested, 1, 4),"
        " 'the server ended while this attempt ran' FROM job WHERE state = 2",
    [KT__SQL_RECOVER_CANCELLED] =
        "UPDATE job SET state = 5, attempts = attempts + 1, finished_at = ?1, token = NULL"
        " WHERE state = 2 AND cancel_requested",
    [KT__SQL_RECOVER_DEAD] =
        "UPDATE job SET state = 4, crashes = crashes + 1, finished_at = ?1, token = NULL,"
        " error = 'the server ended ' || (crashes + 1) || ' times while this job ran; at most '"
        " || ?2 || ' are tolerated' WHERE state = 2 AND crashes >= ?2",
    [KT__SQL_RECOVER_READY] =
        "UPDATE job SET state = 1, crashes = crashes + 1, token = NULL WHERE state = 2",
    [KT__SQL_ATTEMPTS] =
        "SELECT number, outcome, started_at, finished_at, error FROM attempt"
        " WHERE job_id = ?1 ORDER BY number",
    [KT__SQL_LIST] =
        "SELECT " JOB_COLUMNS(LIST_ARGS, "NULL") " FROM job WHERE id < ?1 ORDER BY id DESC",
    [KT__SQL_LIST_STATE] =
        "SELECT " JOB_COLUMNS(LIST_ARGS, "NULL") " FROM job INDEXED BY job_state"
        " WHERE id < ?1 AND state = ?2 ORDER BY id DESC",
    [KT__SQL_LIST_TYPE] =
        "SELECT " JOB_COLUMNS(LIST_ARGS, "NULL") " FROM job INDEXED BY job_type"
        " WHERE id < ?1 AND type = ?2 ORDER BY id DESC",
    [KT__SQL_LIST_QUEUE] =
        "SELECT " JOB_COLUMNS(LIST_ARGS, "NULL") " FROM job INDEXED BY job_queue"
        " WHERE id < ?1 AND queue = ?2 ORDER BY id DESC",
    /* CROSS JOIN: SQLite keeps the order of the tables, hence walks the failures, newest first. */
    [KT__SQL_FAILURES] =
        "SELECT " JOB_COLUMNS(LIST_ARGS, "NULL") ", attempt.number, attempt.outcome, attempt.started_at,"
        " attempt.finished_at, attempt.error FROM attempt INDEXED BY attempt_failure"
        " CROSS JOIN job ON job.id = attempt.job_id"
        " WHERE attempt.outcome >= 2"
        " ORDER BY attempt.finished_at DESC, attempt.job_id DESC, attempt.number DESC LIMIT ?1",
    [KT__SQL_PURGE_NEXT] =
        "SELECT id, state, created_at, finished_at FROM job WHERE id > ?1 ORDER BY id LIMIT 1",
    [KT__SQL_PURGE] = "DELETE FROM job WHERE id = ?1",
};

/* clang-format on */

const char *kt__store_path_tail(const char *path)
{
    size_t size = strlen(path);
    return size > 80 ? path + size - 80 : path;
}

static const char *remedy(int sqlite_rc)
{
    switch (sqlite_rc & 0xff) {
    case SQLITE_FULL:
        return "free space on its disk";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return "check that its folder exists and that this user may write both";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "another program holds it: close that program";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "it is damaged: restore a backup, or name another store";
    case SQLITE_NOMEM:
        return "free memory";
    default:
        return "check its disk and the kernel's log";
    }
}

int kt__store_fail_at(sqlite3 *db, const char *path, int sqlite_rc, const char *doing)
{
    const char *message = db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(sqlite_rc);
    int kind = sqlite_rc & 0xff;
    int number = db != NULL ? sqlite3_system_errno(db) : 0;
    bool system_knows = number > 0 && (kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN);
    return kt_error_set(KT_ESTORE, "store %s: cannot %s: %s%s%s; %s", kt__store_path_tail(path),
                        doing, message, system_knows ? ": " : "",
                        system_knows ? kt_strerror(-number) : "", remedy(sqlite_rc));
}

int kt__store_fail(kt__store *s, int sqlite_rc, const char *doing)
{
    if (s->active)
        s->failed = true;
    return kt__store_fail_at(s->db, s->path, sqlite_rc, doing);
}

int kt__store_check(kt__store *s)
{
    if (!s->active)
        return kt_error_set(KT_EINVALIDSTATE, "store %s: operation outside a transaction",
                            kt__store_path_tail(s->path));
    if (s->failed)
        return kt_error_set(KT_ESTORE, "store %s: this transaction has failed before; roll it back",
                            kt__store_path_tail(s->path));
    return 0;
}

int kt__store_prepare(kt__store *s)
{
    for (int q = 0; q < KT__SQL_STATEMENTS; q++) {
        int rc = sqlite3_prepare_v3(s->db, kt__store_sql_texts[q], -1, SQLITE_PREPARE_PERSISTENT,
                                    &s->statements[q], NULL);
        if (rc != SQLITE_OK)
            return kt__store_fail(s, rc, "prepare a statement");
    }
    return 0;
}

void kt__store_finalize(kt__store *s)
{
    for (int q = 0; q < KT__SQL_STATEMENTS; q++) {
        sqlite3_finalize(s->statements[q]);
        s->statements[q] = NULL;
    }
}

static void bound(kt__store *s, int rc)
{
    if (s->bind_rc == SQLITE_OK)
        s->bind_rc = rc;
}

void kt__store_bind_int(kt__store *s, kt__sql q, int i, int64_t value)
{
    bound(s, sqlite3_bind_int64(s->statements[q], i, value));
}

void kt__store_bind_double(kt__store *s, kt__sql q, int i, double value)
{
    bound(s, sqlite3_bind_double(s->statements[q], i, value));
}

void kt__store_bind_text(kt__store *s, kt__sql q, int i, kt_slice text)
{
    bound(s, sqlite3_bind_text64(s->statements[q], i, text.data, text.size, SQLITE_STATIC,
                                 SQLITE_UTF8));
}

void kt__store_bind_blob(kt__store *s, kt__sql q, int i, const void *bytes, size_t size)
{
    bound(s, sqlite3_bind_blob64(s->statements[q], i, bytes, size, SQLITE_STATIC));
}

void kt__store_reset(kt__store *s, kt__sql q)
{
    /* Repeats the error of the last step, which has been reported. */
    (void)sqlite3_reset(s->statements[q]);
}

int kt__store_step(kt__store *s, kt__sql q)
{
    int rc = s->bind_rc;
    s->bind_rc = SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s->statements[q]);
    if (rc == SQLITE_ROW)
        return 1;
    int result = 0;
    if (rc != SQLITE_DONE)
        result = kt__store_fail(s, rc, q == KT__SQL_COMMIT ? "commit" : "run a statement");
    kt__store_reset(s, q);
    return result;
}

int kt__store_change_one(kt__store *s, kt__sql q)
{
    int rc = kt__store_step(s, q);
    assert(rc <= 0);
    if (rc == 0 && sqlite3_changes(s->db) != 1)
        rc = kt__store_fail(s, SQLITE_CORRUPT, "find a row that was there a moment ago");
    return rc;
}

int64_t kt__store_column(kt__store *s, kt__sql q, int i)
{
    return sqlite3_column_int64(s->statements[q], i);
}

kt_slice kt__store_column_text(kt__store *s, kt__sql q, int i)
{
    /* As a blob, a text comes without the copy that would terminate it. */
    kt_slice text = {sqlite3_column_blob(s->statements[q], i), 0};
    text.size = (size_t)sqlite3_column_bytes(s->statements[q], i);
    if (text.data == NULL && sqlite3_column_type(s->statements[q], i) != SQLITE_NULL)
        text.data = ""; /* as a blob, an empty text has no address */
    return text;
}
