/* SPDX-License-Identifier: MIT */

/* Records in files of text. */

#include <errno.h>
#include <fcntl.h>
#include <kettle/memory.h>

#include "json_text.h"
#include "names.h"
#include "records.h"
#include "records_sqlite.h"

enum { FILE_BYTES_MAX = 1 << 30, CROSSED_OUT = '\0' };
enum { LIST_BEGIN = 2, LIST_END = 2 }; /* bytes of a line with a bracket */

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
    bool all;        /* what failed is kept, too */
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

/* ---- What an earlier run has left ------------------------------------------------------------- */

/* 1: it is done, and to be kept at the end of `kept`, where it is the URL's only one: an earlier one is crossed out; 0:
 * it has failed, and is forgotten. */
static int remember(records *r, json_t *record, kt_buffer *kept)
{
    const char *url = json_string_value(json_object_get(record, "url"));
    static const char *const led[] = {"final_url", "found", "next"};
    if (!url)
        return kt_error_set(KT_EVALIDATION, "%s holds something that is no record", r->path);
    if (!json_is_true(json_object_get(record, "ok")))
        return r->all;
    json_t *done = json_object(), *before = json_object_get(r->done, url);
    int rc = json_object_set_new(done, "at", json_integer((json_int_t)kept->size));
    if (before)
        kept->data[json_integer_value(json_object_get(before, "at"))] = CROSSED_OUT;
    for (size_t i = 0; rc == 0 && i < sizeof led / sizeof led[0]; i++)
        if (json_object_get(record, led[i]))
            rc = json_object_set(done, led[i], json_object_get(record, led[i]));
    if (rc == 0)
        rc = json_object_set(r->done, url, done);
    json_decref(done);
    return rc < 0 ? -ENOMEM : 1;
}

static void drop_crossed_out(kt_buffer *kept)
{
    size_t to = 0;
    for (size_t at = 0, size; at < kept->size; at += size) {
        size = (size_t)((char *)memchr(kept->data + at, '\n', kept->size - at) - (kept->data + at)) + 1;
        if (kept->data[at] == CROSSED_OUT)
            continue;
        memmove(kept->data + to, kept->data + at, size);
        to += size;
    }
    kept->size = to;
}

static int load(const records *r, kt_slice text, const char *otherwise, json_t **ret_value)
{
    int rc = json_text_parse(text, 0, RECORD_DEPTH_MAX, ret_value);
    return rc == KT_EVALIDATION ? kt_error_set(rc, "%s holds %s", r->path, otherwise) : rc;
}

/* Keeps the lines of what went well. The last one may be half a line: it is none. */
static int keep_each_line(records *r, kt_slice text, kt_buffer *kept)
{
    int rc = 0;
    while (rc >= 0 && text.size > 0) {
        const char *end = memchr(text.data, '\n', text.size);
        if (!end)
            return 0;
        kt_slice line = {text.data, (size_t)(end - text.data) + 1};
        json_t *record;
        rc = load(r, line, "something that is no record", &record);
        if (rc < 0)
            return rc;
        rc = remember(r, record, kept);
        json_decref(record);
        if (rc == 1)
            rc = kt_buffer_append(kept, line.data, line.size);
        text = (kt_slice){end + 1, text.size - line.size};
    }
    return rc < 0 ? rc : 0;
}

static int keep_lines(records *r, kt_slice text, kt_buffer *kept)
{
    int rc = keep_each_line(r, text, kept);
    if (rc == 0)
        drop_crossed_out(kept);
    return rc;
}

/* The length of a row of CSV; 0: it has no end. `url` and *ret_ok are its first and fourth cells. */
static int csv_row_size(kt_slice text, kt_buffer *url, bool *ret_ok, size_t *ret_size)
{
    bool quoted = false;
    int cell = 0;
    kt_buffer_clear(url);
    kt_slice ok = {NULL, 0};
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '"')
            quoted = !quoted;
        else if (!quoted && c == ',')
            cell++;
        else if (!quoted && c == '\n') {
            *ret_ok = kt_slice_is(ok, "true");
            *ret_size = i + 1;
            return 0;
        } else if (cell == 0 && kt_buffer_append(url, &c, 1) < 0)
            return -ENOMEM;
        else if (cell == 3)
            ok = ok.data ? (kt_slice){ok.data, ok.size + 1} : (kt_slice){text.data + i, 1};
    }
    *ret_size = 0;
    return 0;
}

static int keep_rows(records *r, kt_slice text, kt_buffer *kept)
{
    kt_auto(kt_buffer) heading = KT_BUFFER_INIT, url = KT_BUFFER_INIT;
    bool ok = false;
    int rc = csv_heading(r, &heading);
    if (rc < 0)
        return rc;
    if (text.size < heading.size || memcmp(text.data, heading.data, heading.size) != 0)
        return kt_error_set(KT_EVALIDATION, "%s has other columns", r->path);
    rc = kt_buffer_append(kept, heading.data, heading.size);
    text = (kt_slice){text.data + heading.size, text.size - heading.size};
    for (size_t size; rc == 0 && (rc = csv_row_size(text, &url, &ok, &size)) == 0 && size > 0;) {
        if (ok) {
            const char *key = kt_buffer_string(&url);
            rc = key && json_object_set_new(r->done, key, json_true()) == 0 ? 0 : -ENOMEM;
            if (rc == 0)
                rc = kt_buffer_append(kept, text.data, size);
        }
        text = (kt_slice){text.data + size, text.size - size};
    }
    return rc;
}

/* ---- A JSON list ------------------------------------------------------------------------------ */

/* It has a line for each record, with a comma in front, or a blank; and one for each bracket. A record takes the place
 * of the last bracket, which it brings along: so there is a whole list at any time, unless a crash comes in the middle
 * of that. */
static int put_in_list(json_t *record, bool first, kt_buffer *out)
{
    int rc = kt_buffer_append(out, first ? " " : ",", 1);
    if (rc == 0)
        rc = json_text_append(record, JSON_COMPACT, out);
    return rc == 0 ? kt_buffer_append(out, "\n", 1) : rc;
}

static int keep_in_list(records *r, json_t *record, kt_buffer *kept)
{
    int rc = remember(r, record, kept);
    return rc == 1 ? put_in_list(record, kept->size == LIST_BEGIN, kept) : rc;
}

static int no_list(const records *r)
{
    return kt_error_set(KT_EVALIDATION, "%s holds no list of records", r->path);
}

/* Does a record's line begin so? */
static bool is_beginning(kt_slice line)
{
    return line.size > 0 && (line.data[0] == ' ' || line.data[0] == ',') && (line.size == 1 || line.data[1] == '{');
}

/* One that was cut, behind its first bracket: what is not a whole line is none. */
static int keep_cut_list(records *r, kt_slice text, kt_buffer *kept)
{
    int rc = 0;
    while (rc >= 0 && text.size > 0) {
        const char *end = memchr(text.data, '\n', text.size);
        kt_slice line = {text.data, end ? (size_t)(end - text.data) : text.size};
        json_t *record;
        if (!is_beginning(line))
            return no_list(r);
        if (!end || (line.size == 1 && text.size == 2)) /* the latter: a comma, and what is left of "]\n" behind it */
            return 0;
        rc = load(r, (kt_slice){line.data + 1, line.size - 1}, "no list of records", &record);
        if (rc < 0)
            return rc;
        rc = keep_in_list(r, record, kept);
        json_decref(record);
        text = (kt_slice){end + 1, text.size - line.size - 1};
    }
    return rc < 0 ? rc : 0;
}

static int keep_whole_list(records *r, json_t *list, kt_buffer *kept)
{
    size_t index;
    json_t *record;
    int rc = json_is_array(list) ? 0 : no_list(r);
    json_array_foreach(list, index, record) {
        if (rc == 0)
            rc = keep_in_list(r, record, kept);
    }
    return rc;
}

static int keep_list(records *r, kt_slice text, kt_buffer *kept)
{
    json_t *list = NULL;
    int rc = kt_buffer_append(kept, "[\n", LIST_BEGIN);
    if (rc == 0)
        rc = load(r, text, "no list of records", &list);
    if (rc == KT_EVALIDATION && text.size >= LIST_BEGIN && memcmp(text.data, "[\n", LIST_BEGIN) == 0)
        rc = keep_cut_list(r, (kt_slice){text.data + LIST_BEGIN, text.size - LIST_BEGIN}, kept);
    else if (rc == 0)
        rc = keep_whole_list(r, list, kept);
    json_decref(list);
    if (rc < 0)
        return rc;
    drop_crossed_out(kept);
    if (kept->size > LIST_BEGIN)
        kept->data[LIST_BEGIN] = ' '; /* of the first that is left */
    return kt_buffer_append(kept, "]\n", LIST_END);
}

static int add_to_list(records *r, json_t *record)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    int rc = kt_lock_acquire(&r->turn);
    if (rc < 0)
        return rc;
    rc = r->rc;
    if (rc == 0)
        rc = put_in_list(record, r->end == LIST_BEGIN, &text);
    if (rc == 0)
        rc = kt_buffer_append(&text, "]\n", LIST_END);
    if (rc == 0 && (rc = r->rc = kt_file_pwrite(r->file, text.data, text.size, r->end)) == 0)
        r->end += (int64_t)text.size - LIST_END;
    kt_lock_release(&r->turn);
    return rc;
}

/* ---- Which file there is ---------------------------------------------------------------------- */

/* What a file without records has. */
static int begin_text(const records *r, kt_buffer *out)
{
    return r->kind == RECORDS_CSV    ? csv_heading(r, out)
           : r->kind == RECORDS_JSON ? kt_buffer_append_string(out, "[\n]\n")
                                     : 0;
}

static int resume_file(records *r, kt_buffer *kept)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT_MAX(FILE_BYTES_MAX);
    int rc = kt_file_read_whole(r->path, 0, &text);
    if (rc == -ENOENT || (rc == 0 && text.size == 0))
        return begin_text(r, kept);
    if (rc < 0)
        return rc;
    kt_slice bytes = kt_buffer_slice(&text);
    return r->kind == RECORDS_JSONL ? keep_lines(r, bytes, kept)
           : r->kind == RECORDS_CSV ? keep_rows(r, bytes, kept)
                                    : keep_list(r, bytes, kept);
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

/* Written at once, so that a place where that cannot be is told before anything is fetched. */
static int open_text(records *r, bool resume)
{
    kt_auto(kt_buffer) kept = KT_BUFFER_INIT;
    int rc = resume ? resume_file(r, &kept) : begin_text(r, &kept);
    if (rc == 0)
        rc = kt_file_replace(r->path, kept.data ? kept.data : "", kept.size, NULL);
    if (rc == 0)
        rc = kt_file_open(r->path, r->kind == RECORDS_JSON ? O_WRONLY : O_WRONLY | O_APPEND, 0, &r->file);
    r->end = (int64_t)kept.size - LIST_END;
    return rc;
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
static int sift(records *r)
{
    kt_auto(kt_buffer) kept = KT_BUFFER_INIT;
    r->all = true;
    json_object_clear(r->done);
    int rc = resume_file(r, &kept);
    return rc == 0 ? kt_file_replace(r->path, kept.data, kept.size, NULL) : rc;
}

int records_close(records *r)
{
    int rc = 0;
    if (!r)
        return 0;
    kt_cancel_hold();
    rc = kt_file_close(kt_steal(r->file));
    if (rc == 0 && r->again && r->kind != RECORDS_SQLITE)
        rc = sift(r);
    kt_cancel_unhold();
    int closed = database_close(r->db);
    rc = rc < 0 ? rc : closed;
    json_decref(r->done);
    kt_free(r->path);
    kt_free(r);
    return rc;
}
