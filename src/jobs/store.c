/* SPDX-License-Identifier: MIT */

/* The store as an object: opening and closing, transactions, the counts. */

#include "jobs/store_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <unistd.h>

#define AGEING_STEP_DEFAULT KT_S(60)
#define BUSY_TIMEOUT_MS 5000

/* WAL with synchronous=FULL: one fdatasync of one file makes a commit durable.
 * wal_autocheckpoint: 4000 pages of 4 KiB; the default of 1000 would copy the hot pages of the
 * indexes back, and sync twice more, four times as often. journal_size_limit: a WAL that a long
 * reader has made large is cut again. locking_mode stays NORMAL, so that an operator may look into
 * a live store or back it up with sqlite3; one who writes is noticed by data_version.
 * cell_size_check: a damaged page is reported, not followed. */
static const char settings[] = "PRAGMA synchronous = FULL;"
                               "PRAGMA wal_autocheckpoint = 4000;"
                               "PRAGMA journal_size_limit = 67108864;"
                               "PRAGMA cache_size = -16384;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA foreign_keys = ON;"
                               "PRAGMA trusted_schema = OFF;"
                               "PRAGMA cell_size_check = ON;";

/* The answer to the pragma is the mode that was reached. */
static int set_wal(kt__store *s)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(s->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    const unsigned char *mode = rc == SQLITE_ROW ? sqlite3_column_text(statement, 0) : NULL;
    int result = 0;
    if (rc != SQLITE_ROW)
        result = kt__store_fail(s, rc, "switch to WAL");
    else if (mode == NULL || strcmp((const char *)mode, "wal") != 0)
        result = kt_error_set(KT_ESTORE,
                              "store %s: its file system has no shared memory for SQLite's WAL; "
                              "put it on a local disk",
                              kt__store_path_tail(s->path));
    sqlite3_finalize(statement);
    return result;
}

/* Made here and not by SQLite for its mode: arguments of jobs may hold secrets. SQLite gives the
 * same mode to the WAL. */
static void make_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

static int open_database(kt__store *s)
{
    make_private(s->path);
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(s->path, &s->db, flags, NULL);
    if (rc != SQLITE_OK)
        return kt__store_fail(s, rc, "open");
    sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    rc = sqlite3_exec(s->db, settings, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return kt__store_fail(s, rc, "configure");
    rc = kt__store_migrate(s->db, s->path, kt__store_migrations, kt__store_migrations_count);
    if (rc == 0)
        rc = set_wal(s);
    if (rc == 0)
        rc = kt__store_prepare(s);
    if (rc == 0)
        rc = kt__store_begin(s); /* reads the counts: no data_version is known yet */
    if (rc == 0)
        kt__store_rollback(s);
    return rc;
}

static int check_options(const kt__store_options *options)
{
    /* SQLite would take the second for a database in memory. */
    if (options->path == NULL || options->path[0] == '\0' || options->path[0] == ':')
        return kt_error_set(KT_EVALIDATION, "store: the path is empty or begins with a colon");
    if (options->ageing_step < 0 || options->ageing_step > KT_S(86400))
        return kt_error_set(KT_EVALIDATION, "store: ageing_step is not between 0 and a day");
    return 0;
}

int kt__store_open(const kt__store_options *options, kt__store **ret_store)
{
    int rc = check_options(options);
    if (rc < 0)
        return rc;
    kt__store *s = kt_calloc(1, sizeof(*s));
    char *path = kt_strndup(options->path, strlen(options->path));
    if (s == NULL || path == NULL) {
        kt_free(s);
        kt_free(path);
        return -ENOMEM;
    }
    s->path = path;
    s->lock_fd = -1;
    s->data_version = -1;
    s->ageing_step = options->ageing_step > 0 ? options->ageing_step : AGEING_STEP_DEFAULT;

    bool lock_created;
    rc = kt__store_lock(path, options->lock_wait, &s->lock_fd, &lock_created);
    if (rc == 0) {
        rc = kt__store_file_check(path);
        if (rc < 0) {
            kt__store_unlock(path, s->lock_fd, lock_created);
            s->lock_fd = -1;
        }
    }
    if (rc == 0)
        rc = open_database(s);
    if (rc < 0) {
        kt__store_close(s);
        return rc;
    }
    *ret_store = s;
    return 0;
}

void kt__store_close(kt__store *s)
{
    if (s == NULL)
        return;
    if (s->active)
        kt__store_rollback(s);
    kt__store_finalize(s);
    /* The database before the lock: the next opener must not meet the last checkpoint. */
    int rc = sqlite3_close(s->db);
    assert(rc == SQLITE_OK);
    (void)rc;
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    kt_free(s->path);
    kt_free(s);
}

int kt__store_lock_fd(const kt__store *s)
{
    return s->lock_fd;
}

int kt__store_counts_load(kt__store *s)
{
    int64_t counts[KT__JOB_STATES] = {0};
    int rc;
    while ((rc = kt__store_step(s, KT__SQL_COUNT_STATES)) == 1) {
        int64_t state = kt__store_column(s, KT__SQL_COUNT_STATES, 0);
        if (state >= 0 && state < KT__JOB_STATES)
            counts[state] = kt__store_column(s, KT__SQL_COUNT_STATES, 1);
    }
    if (rc < 0)
        return rc;
    memcpy(s->counts, counts, sizeof(counts));
    return 0;
}

/* The version is known inside the transaction only: before, somebody might still write. */
static int notice_other_writers(kt__store *s)
{
    int rc = kt__store_step(s, KT__SQL_DATA_VERSION);
    if (rc < 0)
        return rc;
    int64_t version = kt__store_column(s, KT__SQL_DATA_VERSION, 0);
    kt__store_reset(s, KT__SQL_DATA_VERSION);
    if (version == s->data_version)
        return 0;
    rc = kt__store_counts_load(s);
    if (rc == 0)
        s->data_version = version;
    return rc;
}

int kt__store_begin(kt__store *s)
{
    if (s->active)
        return kt_error_set(KT_EINVALIDSTATE, "store %s: a transaction is open already",
                            kt__store_path_tail(s->path));
    int rc = kt__store_step(s, KT__SQL_BEGIN);
    if (rc < 0)
        return rc;
    s->active = true;
    s->failed = false;
    rc = notice_other_writers(s);
    memcpy(s->counts_saved, s->counts, sizeof(s->counts));
    if (rc < 0)
        kt__store_rollback(s);
    return rc;
}

int kt__store_commit(kt__store *s)
{
    int rc = kt__store_check(s);
    if (rc == 0)
        rc = kt__store_step(s, KT__SQL_COMMIT);
    if (rc == 0)
        s->active = false;
    else
        kt__store_rollback(s);
    return rc;
}

void kt__store_rollback(kt__store *s)
{
    if (!s->active)
        return;
    s->active = false;
    memcpy(s->counts, s->counts_saved, sizeof(s->counts));
    /* After some failures (full disk, I/O) SQLite has rolled back by itself. A ROLLBACK that
     * fails leaves nothing behind either: the transaction is not in the WAL. */
    if (!sqlite3_get_autocommit(s->db)) {
        (void)sqlite3_step(s->statements[KT__SQL_ROLLBACK]);
        kt__store_reset(s, KT__SQL_ROLLBACK);
    }
}

void kt__store_moved(kt__store *s, kt__job_state from, kt__job_state to)
{
    s->counts[from]--;
    s->counts[to]++;
}

void kt__store_counts(const kt__store *s, int64_t ret_counts[KT__JOB_STATES])
{
    memcpy(ret_counts, s->counts, sizeof(s->counts));
}
