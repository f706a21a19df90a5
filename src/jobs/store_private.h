/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_JOBS_STORE_PRIVATE_H
#define KETTLE_JOBS_STORE_PRIVATE_H

/* What the store's own files share: the object, its prepared statements, and the one way in
 * which a failure of SQLite becomes an error of ours. */

#include "jobs/store.h"

#include <sqlite3.h>

/* Prepared once at open; the texts, with the reason for each index, are in store_sql.c. */
typedef enum kt__sql {
    KT__SQL_BEGIN,
    KT__SQL_COMMIT,
    KT__SQL_ROLLBACK,
    KT__SQL_DATA_VERSION,
    KT__SQL_COUNT_STATES,
    KT__SQL_SUBMIT,
    KT__SQL_PROMOTE,
    KT__SQL_NEXT_DUE,
    KT__SQL_CLAIM_ANY,
    KT__SQL_CLAIM_QUEUE,
    KT__SQL_CLAIM_TAKE,
    KT__SQL_JOB,
    KT__SQL_CLAIMED,
    KT__SQL_FINISH,
    KT__SQL_RETRY,
    KT__SQL_ATTEMPT_ADD,
    KT__SQL_REQUEUE,
    KT__SQL_CANCEL,
    KT__SQL_CANCEL_ASK,
    KT__SQL_RECOVER_ATTEMPTS,
    KT__SQL_RECOVER_CANCELLED,
    KT__SQL_RECOVER_DEAD,
    KT__SQL_RECOVER_READY,
    KT__SQL_ATTEMPTS,
    KT__SQL_LIST,
    KT__SQL_LIST_STATE,
    KT__SQL_LIST_TYPE,
    KT__SQL_LIST_QUEUE,
    KT__SQL_FAILURES,
    KT__SQL_PURGE_NEXT,
    KT__SQL_PURGE,
    KT__SQL_STATEMENTS,
} kt__sql;

struct kt__store {
    sqlite3 *db;
    char *path;
    int lock_fd;
    kt_time ageing_step;
    kt_time arrival;      /* the latest `now` seen by a submit or a retry: never steps back */
    bool active;          /* between begin and commit */
    bool failed;          /* SQLite failed inside this transaction: only rollback is left */
    int bind_rc;          /* the first failure of a bind since the last step */
    int64_t data_version; /* changes when somebody else wrote the file: the counts are read anew */
    int64_t purge_after;  /* the id at which the purge goes on */
    int64_t counts[KT__JOB_STATES];
    int64_t counts_saved[KT__JOB_STATES]; /* as of begin, for a rollback */
    sqlite3_stmt *statements[KT__SQL_STATEMENTS];
};

/* store_sql.c */

extern const char *const kt__store_sql_texts[KT__SQL_STATEMENTS];

/* Prepares all statements. 0, KT_ESTORE. */
int kt__store_prepare(kt__store *s);
void kt__store_finalize(kt__store *s);

/* Binds parameter `i`; a failure is remembered and returned by the next step. The bytes must live
 * until then. */
void kt__store_bind_int(kt__store *s, kt__sql q, int i, int64_t value);
void kt__store_bind_double(kt__store *s, kt__sql q, int i, double value);
void kt__store_bind_text(kt__store *s, kt__sql q, int i, kt_slice text); /* data NULL binds NULL */
void kt__store_bind_blob(kt__store *s, kt__sql q, int i, const void *bytes, size_t size);

/* 1: a row, and the statement must be reset by the caller. 0: done, reset. KT_ESTORE: reset, and
 * the transaction is lost. */
int kt__store_step(kt__store *s, kt__sql q);
void kt__store_reset(kt__store *s, kt__sql q);

/* Runs a statement that returns no row, which must change one row exactly. 0, KT_ESTORE. */
int kt__store_change_one(kt__store *s, kt__sql q);

/* Column `i` of the present row; valid until the next step or reset. */
int64_t kt__store_column(kt__store *s, kt__sql q, int i);
kt_slice kt__store_column_text(kt__store *s, kt__sql q, int i);

/* Records what failed, on which file and what to do about it; returns KT_ESTORE. */
int kt__store_fail_at(sqlite3 *db, const char *path, int sqlite_rc, const char *doing);
/* The same, and the transaction in progress is lost. */
int kt__store_fail(kt__store *s, int sqlite_rc, const char *doing);

/* The end of a path that is too long for a message. */
const char *kt__store_path_tail(const char *path);

/* 0, or the error with which every operation refuses to run outside a sound transaction. */
int kt__store_check(kt__store *s);

/* One job has gone from one state to another. */
void kt__store_moved(kt__store *s, kt__job_state from, kt__job_state to);

/* Reads the counts from the file: a walk along the state index. 0, KT_ESTORE. */
int kt__store_counts_load(kt__store *s);

/* store_schema.c */

typedef struct kt__store_migration {
    int version; /* the schema's version after it; each one more than the one before */
    const char *sql;
} kt__store_migration;

extern const kt__store_migration kt__store_migrations[];
extern const size_t kt__store_migrations_count;

#define KT__STORE_APPLICATION_ID 0x4b544c4a /* "KTLJ", in the header of every store */

/* Brings a database from its user_version to the newest of the list, a transaction each step.
 * 0; KT_ESTORE, when the database is newer than the list too. */
int kt__store_migrate(sqlite3 *db, const char *path, const kt__store_migration *list, size_t count);

/* Looks at the file's header before SQLite touches it. 0 for a store of ours, an empty file or
 * none; KT_ESTORE for anything else. */
int kt__store_file_check(const char *path);

/* store_lock.c */

/* Takes the lock of the store at `path`. ret_created: the lock file was not there before.
 * 0, KT_ECONFLICT, KT_ESTORE, -ENOMEM. */
int kt__store_lock(const char *path, kt_time wait, int *ret_fd, bool *ret_created);

/* Gives up the lock on a file that turned out not to be ours, and removes the lock file if this
 * opener made it. */
void kt__store_unlock(const char *path, int fd, bool created);

/* store_query.c */

/* Reads a row whose first columns are those of KT__SQL_JOB. 0, -ENOMEM. */
int kt__store_job_from_row(kt__store *s, kt__sql q, kt__store_job *ret_job);

#endif
