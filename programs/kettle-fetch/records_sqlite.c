/* SPDX-License-Identifier: MIT */

#include "records_sqlite.h"

#include <errno.h>
#include <kettle/kettle.h>
#include <kettle/memory.h>
#include <sqlite3.h>
#include <string.h>

#include "json_text.h"

struct database {
    sqlite3 *db;
    sqlite3_stmt *add;
    kt_lock turn;
    char why[256]; /* of the last failure: a detail belongs to the thread that set it */
};

static const char *const columns[] = {"url",   "final_url", "status",   "ok",    "cause", "error",  "content_type",
                                      "bytes", "seconds",   "attempts", "depth", "page",  "saved",  "fields",
                                      "found", "next"};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS results (url TEXT PRIMARY KEY, final_url TEXT, status INTEGER, ok INTEGER,"
    " cause TEXT, error TEXT, content_type TEXT, bytes INTEGER, seconds REAL, attempts INTEGER, depth INTEGER,"
    " page INTEGER, saved TEXT, fields TEXT, found TEXT, next TEXT)";
static const char insert[] = "INSERT OR REPLACE INTO results VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

static int fail(database *d, int code)
{
    if (code == SQLITE_NOMEM)
        return -ENOMEM;
    snprintf(d->why, sizeof d->why, "SQLite: %s", d->db ? sqlite3_errmsg(d->db) : sqlite3_errstr(code));
    return KT_ESTORE;
}

static int execute(database *d, const char *sql)
{
    int code = sqlite3_exec(d->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : fail(d, code);
}

static int note_done(database *d, json_t *done)
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(d->db, "SELECT url, found, next, final_url FROM results WHERE ok", -1, &s, NULL);
    int rc = code == SQLITE_OK ? 0 : fail(d, code);
    while (rc == 0 && (code = sqlite3_step(s)) == SQLITE_ROW) {
        const char *url = (const char *)sqlite3_column_text(s, 0), *found = (const char *)sqlite3_column_text(s, 1);
        const char *next = (const char *)sqlite3_column_text(s, 2);
        const char *final_url = (const char *)sqlite3_column_text(s, 3);
        json_t *list = NULL;
        if (found && json_text_parse(kt_slice_from(found), 0, RECORD_DEPTH_MAX, &list) == -ENOMEM) {
            rc = -ENOMEM;
            break;
        }
        json_t *led = json_pack("{s:o*, s:s*, s:s*}", "found", list, "next", next, "final_url",
                                final_url);
        if (url && json_object_set_new(done, url, led) < 0)
            rc = -ENOMEM;
    }
    if (rc == 0 && code != SQLITE_DONE)
        rc = fail(d, code);
    sqlite3_finalize(s);
    return rc;
}

KT_FN(open_thread, a, struct { database *d; const char *path; bool resume; json_t *done; })
{
    database *d = a->d;
    int code = sqlite3_open_v2(a->path, &d->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    int rc = code == SQLITE_OK ? 0 : fail(d, code);
    if (rc == 0)
        rc = execute(d, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000");
    if (rc == 0)
        rc = execute(d, schema);
    if (rc == 0)
        rc = a->resume ? note_done(d, a->done) : execute(d, "DELETE FROM results");
    if (rc == 0 && (code = sqlite3_prepare_v2(d->db, insert, -1, &d->add, NULL)) != SQLITE_OK)
        rc = fail(d, code);
    return rc;
}

static int told(database *d, int rc)
{
    return rc == KT_ESTORE ? kt_error_set(rc, "%s", d->why) : rc;
}

static int end(database *d)
{
    sqlite3_finalize(d->add);
    int code = sqlite3_close(d->db); /* a checkpoint of a few pages: short, and the end of the program */
    kt_free(d);
    return code == SQLITE_OK ? 0 : KT_ESTORE;
}

int database_open(const char *path, bool resume, json_t *done, database **ret_database)
{
    database *d = kt_calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    d->turn = (kt_lock)KT_LOCK_INIT;
    int rc = kt_thread_run(KT_WITH(open_thread, .d = d, .path = path, .resume = resume, .done = done));
    rc = told(d, rc);
    if (rc == 0)
        *ret_database = d;
    else
        (void)end(d);
    return rc;
}

static int bind_value(sqlite3_stmt *s, int at, json_t *value)
{
    if (!value || json_is_null(value))
        return sqlite3_bind_null(s, at);
    if (json_is_string(value))
        return sqlite3_bind_text(s, at, json_string_value(value), (int)json_string_length(value), SQLITE_TRANSIENT);
    if (json_is_real(value))
        return sqlite3_bind_double(s, at, json_real_value(value));
    if (json_is_integer(value))
        return sqlite3_bind_int64(s, at, json_integer_value(value));
    if (json_is_boolean(value))
        return sqlite3_bind_int(s, at, json_is_true(value));
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    int rc = json_text_append(value, JSON_COMPACT, &text);
    return rc == 0 ? sqlite3_bind_text(s, at, text.data, (int)text.size, SQLITE_TRANSIENT) : SQLITE_NOMEM;
}

KT_FN(add_thread, a, struct { database *d; json_t *record; })
{
    database *d = a->d;
    int code = SQLITE_OK;
    for (int i = 0; code == SQLITE_OK && i < COLUMNS; i++)
        code = bind_value(d->add, i + 1, json_object_get(a->record, columns[i]));
    if (code == SQLITE_OK)
        code = sqlite3_step(d->add);
    int rc = code == SQLITE_DONE ? 0 : fail(d, code);
    sqlite3_reset(d->add);
    return rc;
}

int database_add(database *d, json_t *record)
{
    int rc = kt_lock_acquire(&d->turn);
    if (rc < 0)
        return rc;
    rc = told(d, kt_thread_run(KT_WITH(add_thread, .d = d, .record = record)));
    kt_lock_release(&d->turn);
    return rc;
}

int database_close(database *d)
{
    return d ? end(d) : 0;
}
