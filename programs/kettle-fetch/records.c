/* SPDX-License-Identifier: MIT */

/* Records in files of text. */

#include <errno.h>
#include <fcntl.h>
#include <kettle/memory.h>

#include "json_text.h"
#include "names.h"
#include "records.h"
#include "records_sift.h"
#include "records_sqlite.h"

struct records {
    enum records_kind kind;
    char *path;
    const extract *names;
    size_t names_count;
    kt_file *file;   /* of text */
    kt_lock turn;    /* JSON: to write */
    int64_t end;     /* JSON: where the list's last line is, its bracket, and the next record comes */
    int rc;          /* JSON: of a record that could not be written: nothing comes behind it */
    json_t *done;    /* of the earlier run: URL -> where it led to, or true */
    bool again;      /* something of it was done once more, and well */
    database *db;
};

/* ---- One record ------------------------------------------------------------------------------- */

static json_t *text_or_null(const char *text)
{
    kt_auto(kt_buffer) safe = KT_BUFFER_INIT;
    json_t *value = text ? json_string(text) : json_null();
    if (!value && kt_terminal_safe(&safe, kt_slice_from(text)) == 0) /* no UTF-8: a header of a stranger */
        value = json_stringn(safe.data, safe.size);
    return value;
}

json_t *record_of(const item *it)
{
    json_t *r = json_pack("{s:o, s:o, s:i, s:b, s:s, s:o, s:o, s:I, s:f, s:i, s:i, s:i, s:o}", "url",
                          text_or_null(it->url), "final_url", text_or_null(it->final_url), "status", it->status, "ok",
                          it->cause == CAUSE_OK, "cause", cause_name(it->cause), "error",
                          text_or_null(it->cause == CAUSE_OK ? NULL : it->why ? it->why : cause_words(it->cause)),
                          "content_type", text_or_null(it->content_type), "bytes", (json_int_t)it->bytes, "seconds",
                          (double)it->took / 1e9, "attempts", (int)it->attempts, "depth", (int)it->depth, "page",
                          (int)it->page, "saved", text_or_null(it->saved));
    int rc = r ? 0 : -1;
    if (rc == 0 && it->replaced > 0)
        rc = json_object_set_new(r, "replaced", json_integer((json_int_t)it->replaced));
    if (rc == 0 && it->fields)
        rc = json_object_set(r, "fields", it->fields);
    if (rc == 0 && it->found)
        rc = json_object_set(r, "found", it->found);
    if (rc == 0 && it->next_url)
        rc = json_object_set_new(r, "next", text_or_null(it->next_url));
    if (rc == 0)
        return r;
    json_decref(r);
    return NULL;
}

/* ---- CSV (RFC 4180) --------------------------------------------------------------------------- */

static const char *const columns[] = {"url",   "final_url", "status",   "ok",    "cause", "error", "content_type",
                                      "bytes", "seconds",   "attempts", "depth", "page",  "saved"};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static int append_cell(kt_slice text, bool first, kt_buffer *out)
{
    bool quoted = false;
    int rc = first ? 0 : kt_buffer_append(out, ",", 1);
    for (size_t i = 0; i < text.size; i++)
        quoted = quoted || strchr(",\"\r\n", text.data[i]);
    if (!quoted)
        return rc == 0 ? kt_buffer_append(out, text.data, text.size) : rc;
    if (rc == 0)
        rc = kt_buffer_append(out, "\"", 1);
    for (size_t i = 0; rc == 0 && i < text.size; i++)
        rc = kt_buffer_append(out, text.data[i] == '"' ? "\"\"" : &text.data[i], text.data[i] == '"' ? 2 : 1);
    return rc == 0 ? kt_buffer_append(out, "\"", 1) : rc;
}

static int append_value(json_t *value, bool first, kt_buffer *out)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    if (!value || json_is_null(value))
        return append_cell(kt_slice_from(""), first, out);
    if (json_is_string(value))
        return append_cell((kt_slice){json_string_value(value), json_string_length(value)}, first, out);
    int rc = json_text_append(value, JSON_COMPACT, &text);
    return rc == 0 ? append_cell(kt_buffer_slice(&text), first, out) : rc;
}

static int csv_heading(const records *r, kt_buffer *out)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < COLUMNS; i++)
        rc = append_cell(kt_slice_from(columns[i]), i == 0, out);
    for (size_t i = 0; rc == 0 && i < r->names_count; i++)
        rc = append_cell(kt_slice_from(r->names[i].name), false, out);
    return rc == 0 ? kt_buffer_append(out, "\r\n", 2) : rc;
}

static int csv_row(const records *r, json_t *record, kt_buffer *out)
{
    int rc = 0;
    json_t *fields = json_object_get(record, "fields");
    for (size_t i = 0; rc == 0 && i < COLUMNS; i++)
        rc = append_value(json_object_get(record, columns[i]), i == 0, out);
    for (size_t i = 0; rc == 0 && i < r->names_count; i++)
        rc = append_value(json_object_get(fields, r->names[i].name), false, out);
    return rc == 0 ? kt_buffer_append(out, "\r\n", 2) : rc;
}

/* ---- A JSON list ------------------------------------------------------------------------------ */

static int add_to_list(records *r, json_t *record)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    int rc = kt_lock_acquire(&r->turn);
    if (rc < 0)
        return rc;
    rc = r->rc;
    if (rc == 0)
        rc = list_put(record, r->end == LIST_BEGIN, &text);
    if (rc == 0)
        rc = kt_buffer_append_string(&text, &LIST_EMPTY[LIST_BEGIN]);
    if (rc == 0 && (rc = r->rc = kt_file_pwrite(r->file, text.data, text.size, r->end)) == 0)
        r->end += (int64_t)text.size - LIST_END;
    kt_lock_release(&r->turn);
    return rc;
}

/* ---- Opening ---------------------------------------------------------------------------------- */

int records_kind_of(const char *path, enum records_kind *ret_kind)
{
    static const struct {
        const char *ending;
        enum records_kind kind;
    } known[] = {{".jsonl", RECORDS_JSONL}, {".ndjson", RECORDS_JSONL}, {".csv", RECORDS_CSV},
                 {".json", RECORDS_JSON},   {".sqlite", RECORDS_SQLITE}, {".db", RECORDS_SQLITE},
                 {"/", RECORDS_FOLDER}};
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t ending = strlen(known[i].ending);
        if (size > ending && strcmp(path + size - ending, known[i].ending) == 0) {
            *ret_kind = known[i].kind;
            return 0;
        }
    }
    return kt_error_set(-EINVAL, "ends neither in .jsonl, .csv, .json, .sqlite nor in /");
}

/* What a file without records has. */
static int begin_text(const records *r, kt_buffer *out)
{
    return r->kind == RECORDS_CSV    ? csv_heading(r, out)
           : r->kind == RECORDS_JSON ? kt_buffer_append_string(out, LIST_EMPTY)
                                     : 0;
}

static int resume_text(records *r, kt_slice empty, bool all)
{
    const sift s = {r->kind, r->path, empty, all, r->done};
    return sift_file(&s);
}

/* Written at once, so that a place where that cannot be is told before anything is fetched. */
static int open_text(records *r, bool resume)
{
    kt_auto(kt_buffer) empty = KT_BUFFER_INIT;
    int rc = begin_text(r, &empty);
    if (rc == 0 && resume)
        rc = resume_text(r, kt_buffer_slice(&empty), false);
    if (rc == 0)
        rc = kt_file_replace(r->path, empty.data ? empty.data : "", empty.size, NULL);
    if (rc >= 0)
        rc = kt_file_open(r->path, r->kind == RECORDS_JSON ? O_WRONLY : O_WRONLY | O_APPEND, 0, &r->file);
    int64_t size = rc == 0 ? kt_file_size(r->file) : rc;
    r->end = size - LIST_END;
    return size < 0 ? (int)size : 0;
}

int records_open(const char *path, bool resume, const extract *names, size_t count, records **ret_records)
{
    records *r = kt_calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->names = names;
    r->names_count = count;
    r->path = kt_strndup(path, strlen(path));
    r->done = json_object();
    r->turn = (kt_lock)KT_LOCK_INIT;
    int rc = r->path && r->done ? records_kind_of(path, &r->kind) : -ENOMEM;
    if (rc == 0 && r->kind == RECORDS_SQLITE)
        rc = database_open(path, resume, r->done, &r->db);
    else if (rc == 0 && r->kind == RECORDS_FOLDER)
        rc = kt_dir_make_all(path, 0777);
    else if (rc == 0)
        rc = open_text(r, resume);
    if (rc < 0) {
        (void)!records_close(r); /* why it cannot be opened is what counts */
        return rc;
    }
    *ret_records = r;
    return 0;
}

/* ---- Adding ----------------------------------------------------------------------------------- */

static int add_file(const records *r, const item *it, json_t *record)
{
    kt_auto(kt_buffer) path = KT_BUFFER_INIT, text = KT_BUFFER_INIT;
    char name[NAME_BYTES];
    (void)name_of_url(kt_slice_from(it->url), (kt_slice){NULL, 0}, "json", name);
    if (it->cause != CAUSE_OK)
        return 0;
    int rc = kt_buffer_printf(&path, "%s%s", r->path, name);
    if (rc == 0)
        rc = json_text_append(record, JSON_COMPACT, &text);
    if (rc == 0)
        rc = kt_buffer_append(&text, "\n", 1);
    const kt_file_write_options quick = {.no_sync = true};
    const char *at = rc == 0 ? kt_buffer_string(&path) : NULL;
    return rc < 0 ? rc : at ? kt_file_replace(at, text.data, text.size, &quick) : -ENOMEM;
}

int records_add(records *r, const item *it)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    bool has = records_has(r, kt_slice_from(it->url));
    if (has && it->cause != CAUSE_OK)
        return 0;
    r->again = r->again || has;
    json_t *record = record_of(it);
    int rc = record ? 0 : -ENOMEM;
    if (rc == 0 && r->kind == RECORDS_JSON)
        rc = add_to_list(r, record);
    else if (rc == 0 && r->kind == RECORDS_SQLITE)
        rc = database_add(r->db, record);
    else if (rc == 0 && r->kind == RECORDS_FOLDER)
        rc = add_file(r, it, record);
    else if (rc == 0) {
        rc = r->kind == RECORDS_CSV ? csv_row(r, record, &text) : json_text_append(record, JSON_COMPACT, &text);
        if (rc == 0 && r->kind == RECORDS_JSONL)
            rc = kt_buffer_append(&text, "\n", 1);
        if (rc == 0)
            rc = kt_file_write(r->file, text.data, text.size);
        if (rc == 0)
            rc = kt_file_flush(r->file);
    }
    json_decref(record);
    return rc;
}

bool records_has(const records *r, kt_slice url)
{
    return json_object_getn(r->done, url.data, url.size) != NULL;
}

json_t *records_found(const records *r, kt_slice url)
{
    return json_object_get(json_object_getn(r->done, url.data, url.size), "found");
}

const char *records_final(const records *r, kt_slice url)
{
    return json_string_value(json_object_get(json_object_getn(r->done, url.data, url.size), "final_url"));
}

const char *records_next(const records *r, kt_slice url)
{
    return json_string_value(json_object_get(json_object_getn(r->done, url.data, url.size), "next"));
}

/* Leaves one record of each URL that was done twice. */
static int leave_one(records *r)
{
    kt_auto(kt_buffer) empty = KT_BUFFER_INIT;
    int rc = begin_text(r, &empty);
    return rc == 0 ? resume_text(r, kt_buffer_slice(&empty), true) : rc;
}

int records_close(records *r)
{
    int rc = 0;
    if (!r)
        return 0;
    kt_cancel_hold();
    rc = kt_file_close(kt_steal(r->file));
    if (rc == 0 && r->again && r->kind != RECORDS_SQLITE)
        rc = leave_one(r);
    kt_cancel_unhold();
    int closed = database_close(r->db);
    rc = rc < 0 ? rc : closed;
    json_decref(r->done);
    kt_free(r->path);
    kt_free(r);
    return rc;
}
