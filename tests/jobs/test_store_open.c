/* SPDX-License-Identifier: MIT */

/* The file: which are opened, which refused, who may hold it, and what a failure, a full disk or a
 * kill leaves behind. */

#include "test_store.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int open_at(const char *path)
{
    kt__store *s = NULL;
    int rc = kt__store_open(&(kt__store_options){.path = path}, &s);
    CHECK(rc >= 0 || s == NULL);
    kt__store_close(s);
    return rc;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK_OK(fd);
    CHECK_EQ(write(fd, bytes, size), size);
    close(fd);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_EQ(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* KT_ESTORE, with the path's end and this text in the detail. */
static void check_estore(int rc, const char *text)
{
    CHECK_ERR(rc, KT_ESTORE);
    CHECK(strstr(kt_error_detail(), "jobs.db") != NULL);
    if (strstr(kt_error_detail(), text) == NULL)
        CHECK_STR(kt_error_detail(), text); /* shows both */
}

TEST_WITH(store_opened_again_has_its_jobs_and_counts, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    for (int i = 0; i < 3; i++)
        submit(s, new_job("sleep"), T0);
    CHECK_EQ(claim(s, 1, T0), 1);
    CHECK_OK(kt__store_commit(s));
    kt__store_close(s);
    CHECK_OK(kt__store_open(&(kt__store_options){.path = p.path}, &s));
    CHECK_EQ(count(s, KT__JOB_READY), 2); /* before the first transaction */
    CHECK_EQ(count(s, KT__JOB_RUNNING), 1);
    CHECK_OK(kt__store_begin(s));
    check_counts(s);
    CHECK_EQ(claim(s, 1, T0), 2);
    store_end(s, &p);
}

TEST_WITH(store_is_readable_by_its_owner_only, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    submit(s, new_job("sleep"), T0);
    CHECK_OK(kt__store_commit(s));
    const char *suffixes[] = {"", "-wal", "-shm", ".lock"};
    for (int i = 0; i < 4; i++) {
        char name[320];
        snprintf(name, sizeof(name), "%s%s", p.path, suffixes[i]);
        struct stat st;
        CHECK_OK(stat(name, &st));
        CHECK_EQ(st.st_mode & 0777, 0600);
    }
    store_end(s, &p);
}

TEST_WITH(commits_are_synced_in_wal_mode, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    CHECK_EQ(query(s, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
    CHECK_EQ(query(s, "PRAGMA synchronous"), 2); /* FULL */
    CHECK_EQ(query(s, "PRAGMA foreign_keys"), 1);
    CHECK_EQ(query(s, "PRAGMA application_id"), KT__STORE_APPLICATION_ID);
    CHECK_EQ(query(s, "PRAGMA user_version"), 1);
    store_end(s, &p);
}

TEST_WITH(second_opener_is_refused_and_told_who_holds_the_store, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    CHECK_ERR(open_at(p.path), KT_ECONFLICT);
    char expected[64];
    snprintf(expected, sizeof(expected), "in use by process %ld", (long)getpid());
    CHECK(strstr(kt_error_detail(), expected) != NULL);
    CHECK(strstr(kt_error_detail(), "jobs.db") != NULL);
    submit(s, new_job("sleep"), T0); /* the holder is undisturbed */
    CHECK_OK(kt__store_commit(s));
    kt__store_close(s);
    CHECK_OK(open_at(p.path));
    place_remove(&p);
}

TEST_WITH(lock_outlives_the_store_in_whoever_inherited_it, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    CHECK_EQ(fcntl(kt__store_lock_fd(s), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    int inherited = dup(kt__store_lock_fd(s));
    CHECK_OK(inherited);
    kt__store_close(s);
    CHECK_ERR(open_at(p.path), KT_ECONFLICT);
    close(inherited);
    CHECK_OK(open_at(p.path));
    place_remove(&p);
}

TEST_WITH(opener_may_wait_for_the_lock, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    int ends[2];
    CHECK_OK(pipe(ends));
    pid_t child = fork();
    if (child == 0) { /* a reaper: holds the lock until the parent lets go of the pipe */
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    CHECK_GT(child, 0);
    close(ends[0]);
    kt__store_close(s);
    CHECK_ERR(open_at(p.path), KT_ECONFLICT);
    close(ends[1]);
    CHECK_OK(kt__store_open(&(kt__store_options){.path = p.path, .lock_wait = KT_S(60)}, &s));
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    store_end(s, &p);
}

TEST_WITH(file_that_is_no_database_is_refused_and_left_alone, KT_TEST_NO_LOOP)
{
    place p = place_make();
    const char text[] = "my diary, not a database; long enough to hold a header of a hundred "
                        "bytes, which this sentence makes sure of by going on";
    write_file(p.path, text, sizeof(text));
    check_estore(open_at(p.path), "is not a job store");
    write_file(p.path, text, 20);
    check_estore(open_at(p.path), "is not a job store");
    char back[64];
    int fd = open(p.path, O_RDONLY | O_CLOEXEC);
    CHECK_EQ(read(fd, back, sizeof(back)), 20);
    close(fd);
    CHECK_MEM(back, text, 20);
    CHECK_EQ(place_remove(&p), 1); /* no lock file, no WAL beside it */
}

TEST_WITH(database_of_another_program_is_refused_and_left_alone, KT_TEST_NO_LOOP)
{
    place p = place_make();
    run_sql(p.path, "CREATE TABLE job (id INTEGER PRIMARY KEY); PRAGMA user_version = 1");
    check_estore(open_at(p.path), "of another program");
    run_sql(p.path, "INSERT INTO job VALUES (1)");
    CHECK_EQ(place_remove(&p), 1);
}

TEST_WITH(what_is_no_file_is_refused, KT_TEST_NO_LOOP)
{
    place p = place_make();
    CHECK_OK(mkfifo(p.path, 0600));
    check_estore(open_at(p.path), "is not a regular file");
    CHECK_OK(unlink(p.path));
    CHECK_OK(mkdir(p.path, 0700));
    check_estore(open_at(p.path), "is not a regular file");
    CHECK_OK(rmdir(p.path));
    CHECK_EQ(place_remove(&p), 0);
}

TEST_WITH(missing_folder_and_empty_path_are_refused, KT_TEST_NO_LOOP)
{
    place p = place_make();
    char path[400];
    snprintf(path, sizeof(path), "%s/missing/jobs.db", p.folder);
    check_estore(open_at(path), "check that its folder exists");
    CHECK_ERR(open_at(""), KT_EVALIDATION);
    CHECK_ERR(open_at(":memory:"), KT_EVALIDATION);
    place_remove(&p);
}

TEST_WITH(damaged_store_is_reported, KT_TEST_NO_LOOP)
{
    place p = place_make();
    CHECK_OK(open_at(p.path));
    int fd = open(p.path, O_WRONLY | O_CLOEXEC);
    char garbage[512];
    memset(garbage, 0xa5, sizeof(garbage));
    CHECK_EQ(pwrite(fd, garbage, sizeof(garbage), 100), sizeof(garbage));
    close(fd);
    check_estore(open_at(p.path), "damaged");
    place_remove(&p);
}

TEST_WITH(newer_schema_is_refused, KT_TEST_NO_LOOP)
{
    place p = place_make();
    CHECK_OK(open_at(p.path));
    run_sql(p.path, "PRAGMA user_version = 99");
    check_estore(open_at(p.path), "has schema version 99, this build knows none above 1");
    run_sql(p.path, "PRAGMA user_version = 1");
    CHECK_OK(open_at(p.path));
    place_remove(&p);
}

static int64_t value_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    CHECK_EQ(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    CHECK_EQ(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static const kt__store_migration steps[] = {
    {1, "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)"},
    {2, "ALTER TABLE t ADD COLUMN b INTEGER; UPDATE t SET b = a + 1"},
    {3, "INSERT INTO t (a) VALUES (3); SELECT no_such_column FROM t"},
};

TEST_WITH(migrations_run_in_order_and_once, KT_TEST_NO_LOOP)
{
    sqlite3 *db;
    CHECK_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
    CHECK_OK(kt__store_migrate(db, "jobs.db", steps, 1));
    CHECK_EQ(value_of(db, "PRAGMA user_version"), 1);
    CHECK_OK(kt__store_migrate(db, "jobs.db", steps, 2));
    CHECK_EQ(value_of(db, "PRAGMA user_version"), 2);
    CHECK_OK(kt__store_migrate(db, "jobs.db", steps, 2));
    CHECK_EQ(value_of(db, "SELECT count(*) FROM t"), 1);
    CHECK_EQ(value_of(db, "SELECT b FROM t"), 2);
    check_estore(kt__store_migrate(db, "jobs.db", steps, 1), "has schema version 2");
    sqlite3_close(db);
}

TEST_WITH(failed_migration_leaves_the_version_before, KT_TEST_NO_LOOP)
{
    sqlite3 *db;
    CHECK_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
    check_estore(kt__store_migrate(db, "jobs.db", steps, 3), "schema to version 3: no such column");
    CHECK_EQ(value_of(db, "PRAGMA user_version"), 2);
    CHECK_EQ(value_of(db, "SELECT count(*) FROM t"), 1);
    CHECK(sqlite3_get_autocommit(db));
    sqlite3_close(db);
}

TEST_WITH(operations_outside_a_transaction_are_refused, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s;
    CHECK_OK(kt__store_open(&(kt__store_options){.path = p.path}, &s));
    kt__store_new_job job = new_job("sleep");
    int64_t id;
    CHECK_ERR(kt__store_submit(s, &job, T0, &id), KT_EINVALIDSTATE);
    kt__store_recovery r;
    CHECK_ERR(kt__store_recover(s, T0, 5, &r), KT_EINVALIDSTATE);
    CHECK_ERR(kt__store_commit(s), KT_EINVALIDSTATE);
    kt__store_rollback(s);
    CHECK_OK(kt__store_begin(s));
    CHECK_ERR(kt__store_begin(s), KT_EINVALIDSTATE);
    CHECK_OK(kt__store_submit(s, &job, T0, &id)); /* the open one is undisturbed */
    CHECK_OK(kt__store_commit(s));
    CHECK_EQ(count(s, KT__JOB_READY), 1);
    store_end(s, &p);
}

TEST_WITH(rollback_undoes_jobs_and_counts, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    submit(s, new_job("sleep"), T0);
    CHECK_OK(kt__store_commit(s));
    CHECK_OK(kt__store_begin(s));
    submit(s, new_job("sleep"), T0);
    CHECK_EQ(claim(s, 1, T0), 1);
    kt__store_rollback(s);
    CHECK_EQ(count(s, KT__JOB_READY), 1);
    CHECK_EQ(count(s, KT__JOB_RUNNING), 0);
    CHECK_OK(kt__store_begin(s));
    check_counts(s);
    CHECK_EQ(state_of(s, 1), KT__JOB_READY);
    store_end(s, &p);
}

static int submit_big(kt__store *s)
{
    char *args = kt_alloc(KT__STORE_ARGS_MAX);
    CHECK(args != NULL);
    memset(args, ' ', KT__STORE_ARGS_MAX);
    kt__store_new_job job = new_job("sleep");
    job.args = (kt_slice){args, KT__STORE_ARGS_MAX};
    int64_t id;
    int rc = kt__store_submit(s, &job, T0, &id);
    kt_free(args);
    return rc;
}

TEST_WITH(full_database_loses_the_transaction_and_nothing_else, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    submit(s, new_job("sleep"), T0);
    CHECK_OK(kt__store_commit(s));
    query(s, "PRAGMA max_page_count = 40");
    CHECK_OK(kt__store_begin(s));
    submit(s, new_job("sleep"), T0);
    check_estore(submit_big(s), "free space on its disk");
    kt__store_job job;
    check_estore(kt__store_get(s, 1, &job), "failed before");
    check_estore(kt__store_commit(s), "failed before");
    CHECK_EQ(count(s, KT__JOB_READY), 1);
    CHECK_OK(kt__store_begin(s)); /* the commit has ended it */
    check_counts(s);
    submit(s, new_job("sleep"), T0);
    CHECK_OK(kt__store_commit(s));
    store_end(s, &p);
}

TEST_WITH(commit_that_cannot_be_written_loses_the_transaction_and_nothing_else, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    submit(s, new_job("sleep"), T0);
    CHECK_OK(kt__store_commit(s));
    struct rlimit before, small;
    CHECK_OK(getrlimit(RLIMIT_FSIZE, &before));
    small = (struct rlimit){512 * 1024, before.rlim_max};
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK_OK(setrlimit(RLIMIT_FSIZE, &small));
    CHECK_OK(kt__store_begin(s));
    CHECK_OK(submit_big(s));
    int rc = kt__store_commit(s);
    CHECK_OK(setrlimit(RLIMIT_FSIZE, &before));
    check_estore(rc, "cannot commit: disk I/O error; check its disk");
    CHECK_EQ(count(s, KT__JOB_READY), 1);
    CHECK_OK(kt__store_begin(s));
    check_counts(s);
    CHECK_OK(submit_big(s));
    CHECK_OK(kt__store_commit(s));
    CHECK_EQ(count(s, KT__JOB_READY), 2);
    store_end(s, &p);
}

TEST_WITH(store_that_may_not_be_written_says_so, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s;
    CHECK_OK(kt__store_open(&(kt__store_options){.path = p.path}, &s));
    CHECK_EQ(sqlite3_exec(s->db, "PRAGMA query_only = 1", NULL, NULL, NULL), SQLITE_OK);
    int rc = kt__store_begin(s);
    if (rc == 0)
        rc = submit_big(s);
    check_estore(rc, "this user may write");
    kt__store_rollback(s);
    CHECK_EQ(count(s, KT__JOB_READY), 0);
    store_end(s, &p);
}

TEST_WITH(another_writer_makes_begin_fail_with_a_remedy, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s;
    CHECK_OK(kt__store_open(&(kt__store_options){.path = p.path}, &s));
    sqlite3 *other;
    CHECK_EQ(sqlite3_open(p.path, &other), SQLITE_OK);
    CHECK_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_busy_timeout(s->db, 0); /* no waiting in a test */
    check_estore(kt__store_begin(s), "another program holds it");
    sqlite3_close(other);
    CHECK_OK(kt__store_begin(s));
    store_end(s, &p);
}

TEST_WITH(counts_notice_what_another_program_wrote, KT_TEST_NO_LOOP)
{
    place p = place_make();
    kt__store *s = store_begun(&p);
    submit(s, new_job("sleep"), T0);
    submit(s, new_job("sleep"), T0);
    CHECK_OK(kt__store_commit(s));
    run_sql(p.path, "DELETE FROM job WHERE id = 1");
    CHECK_OK(kt__store_begin(s));
    CHECK_EQ(count(s, KT__JOB_READY), 1);
    check_counts(s);
    store_end(s, &p);
}

TEST_WITH(kill_keeps_what_was_committed_and_only_that, KT_TEST_NO_LOOP)
{
    place p = place_make();
    pid_t child = fork();
    if (child == 0) {
        kt__store *s = store_begun(&p);
        for (int i = 0; i < 100; i++)
            submit(s, new_job("sleep"), T0);
        CHECK_EQ(claim(s, 1, T0), 1);
        CHECK_OK(kt__store_commit(s));
        CHECK_OK(kt__store_begin(s));
        CHECK_EQ(complete(s, 1, 1, KT__ATTEMPT_SUCCEEDED, T0), KT__JOB_SUCCEEDED);
        CHECK_OK(submit_big(s));
        raise(SIGKILL);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    kt__store *s = store_begun(&p);
    CHECK_EQ(count(s, KT__JOB_READY), 99);
    CHECK_EQ(count(s, KT__JOB_RUNNING), 1);
    CHECK_EQ(query(s, "SELECT count(*) FROM attempt"), 0);
    kt__store_recovery r;
    CHECK_OK(kt__store_recover(s, T0, 5, &r));
    CHECK_EQ(r.requeued, 1);
    check_counts(s);
    store_end(s, &p);
}

TEST_WITH(open_without_memory_leaves_nothing_open, KT_TEST_NO_LOOP)
{
    place p = place_make();
    int failures = 0;
    for (uint64_t nth = 1;; nth++) {
        kt_test_fail_allocation(nth);
        int rc = open_at(p.path);
        bool failed = kt_test_allocation_failed();
        kt_test_fail_allocation(0);
        if (!failed) {
            CHECK_OK(rc);
            break;
        }
        CHECK_ERR(rc, -ENOMEM);
        failures++;
    }
    CHECK_GE(failures, 3); /* the store, its path, the lock's name */
    place_remove(&p);
}
