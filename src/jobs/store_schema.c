/* SPDX-License-Identifier: MIT */

/* The schema, how a file comes to have it, and which files are refused. */

#include "jobs/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <kettle/error.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

/* Version 1. Times are nanoseconds, 0 = has not happened.
 *
 * job_ready and job_ready_queue hold the ready jobs only, in the order in which they are claimed
 * (SQLite appends the id, which settles equals); job_scheduled the scheduled ones by run_at.
 * job_state, job_type and job_queue are walked backwards along the appended id for the lists;
 * job_state also counts at open. The purge walks the ids themselves.
 *
 * An attempt's row is written when it ends. The primary key keeps a job's attempts together;
 * attempt_failure makes the newest failures one short walk. */
/* clang-format off */
static const char version_1[] =
    "PRAGMA application_id = " TEXT(KT__STORE_APPLICATION_ID) ";"
    "CREATE TABLE job ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 5),"
    " type TEXT NOT NULL,"
    " queue TEXT NOT NULL,"
    " priority INTEGER NOT NULL,"
    " due_key INTEGER NOT NULL,"
    " run_at INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL,"
    " started_at INTEGER NOT NULL DEFAULT 0,"
    " finished_at INTEGER NOT NULL DEFAULT 0,"
    " timeout INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL DEFAULT 0,"
    " attempts_max INTEGER NOT NULL,"
    " crashes INTEGER NOT NULL DEFAULT 0,"
    " backoff_factor REAL NOT NULL,"
    " backoff_max INTEGER NOT NULL,"
    " jitter INTEGER NOT NULL,"
    " cancel_requested INTEGER NOT NULL DEFAULT 0,"
    " token BLOB,"
    " error TEXT,"
    " args TEXT NOT NULL,"
    " result TEXT,"
    " CHECK ((state = 2) = (token IS NOT NULL))"
    ") STRICT;"
    "CREATE INDEX job_ready ON job (due_key) WHERE state = 1;"
    "CREATE INDEX job_ready_queue ON job (queue, due_key) WHERE state = 1;"
    "CREATE INDEX job_scheduled ON job (run_at) WHERE state = 0;"
    "CREATE INDEX job_state ON job (state);"
    "CREATE INDEX job_type ON job (type);"
    "CREATE INDEX job_queue ON job (queue);"
    "CREATE TABLE attempt ("
    " job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,"
    " number INTEGER NOT NULL,"
    " started_at INTEGER NOT NULL,"
    " finished_at INTEGER NOT NULL,"
    " outcome INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 4),"
    " error TEXT,"
    " PRIMARY KEY (job_id, number)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX attempt_failure ON attempt (finished_at) WHERE outcome >= 2;";
/* clang-format on */

const kt__store_migration kt__store_migrations[] = {
    {1, version_1},
};

const size_t kt__store_migrations_count =
    sizeof(kt__store_migrations) / sizeof(kt__store_migrations[0]);

static int read_version(sqlite3 *db, const char *path, int *ret_version)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    int version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    if (rc != SQLITE_ROW)
        return kt__store_fail_at(db, path, rc, "read its schema version");
    *ret_version = version;
    return 0;
}

/* One transaction: either the schema and its version change, or neither does. */
static int migrate_one(sqlite3 *db, const char *path, const kt__store_migration *step)
{
    char stamp[64];
    snprintf(stamp, sizeof(stamp), "PRAGMA user_version = %d", step->version);
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, step->sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, stamp, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    char doing[64];
    snprintf(doing, sizeof(doing), "bring its schema to version %d", step->version);
    int result = kt__store_fail_at(db, path, rc, doing);
    if (!sqlite3_get_autocommit(db))
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return result;
}

int kt__store_migrate(sqlite3 *db, const char *path, const kt__store_migration *list, size_t count)
{
    int version = 0;
    int rc = read_version(db, path, &version);
    if (rc < 0)
        return rc;
    int newest = count > 0 ? list[count - 1].version : 0;
    if (version > newest)
        return kt_error_set(KT_ESTORE,
                            "store %s: has schema version %d, this build knows none above %d; "
                            "run a newer version of the program",
                            kt__store_path_tail(path), version, newest);
    for (size_t i = 0; i < count; i++) {
        if (list[i].version <= version)
            continue;
        rc = migrate_one(db, path, &list[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static uint32_t big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The database header, https://sqlite.org/fileformat2.html section 1.3: 16 bytes of magic, the
 * application id at 68. Version 1 is made with a rollback journal, before the switch to WAL, so
 * that the id of a whole store is in the main file whatever is still in the WAL. */
static const char *header_problem(const unsigned char *header, ssize_t size)
{
    if (size < 100 || memcmp(header, "SQLite format 3", 16) != 0)
        return "is not a job store";
    if (big_endian(header + 68) != KT__STORE_APPLICATION_ID)
        return "is the SQLite database of another program, not a job store";
    return NULL;
}

int kt__store_file_check(const char *path)
{
    /* O_NONBLOCK: a FIFO of that name must not hold the server up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return kt_error_set(KT_ESTORE,
                            "store %s: cannot open: %s; check that this user may read it",
                            kt__store_path_tail(path), kt_strerror(-errno));
    struct stat st;
    unsigned char header[100];
    const char *problem = NULL;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        problem = "is not a regular file";
    else if (st.st_size > 0)
        problem = header_problem(header, pread(fd, header, sizeof(header), 0));
    close(fd);
    if (problem != NULL)
        return kt_error_set(KT_ESTORE, "store %s: %s; nothing was changed, name another file",
                            kt__store_path_tail(path), problem);
    return 0;
}
