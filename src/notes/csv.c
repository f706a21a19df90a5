/* SPDX-License-Identifier: MIT */

/* CSV (RFC 4180): a line of names, and a line for each note. */

#include <errno.h>
#include <kettle/memory.h>
#include <strings.h>

#include "notes/notes.h"

enum { TITLE, BODY, TAGS, CREATED, CHANGED, COLUMNS };

static const char *const names[COLUMNS] = {"title", "body", "tags", "created", "changed"};

/* ---- Writing ------------------------------------------------------------------------------ */

/* Quoted where a reader needs it: RFC 4180 section 2, rules 6 and 7. */
static int write_field(kt_buffer *out, kt_slice text, const char *end)
{
    bool plain = true;
    for (size_t i = 0; i < text.size && plain; i++)
        plain = !strchr(",\"\r\n", text.data[i]);
    int rc = plain ? 0 : kt_buffer_append_string(out, "\"");
    while (rc == 0 && text.size > 0) {
        const char *quote = plain ? NULL : memchr(text.data, '"', text.size);
        size_t size = quote ? (size_t)(quote - text.data) + 1 : text.size;
        rc = kt_buffer_append(out, text.data, size);
        if (rc == 0 && quote)
            rc = kt_buffer_append_string(out, "\"");
        text.data += size;
        text.size -= size;
    }
    if (rc == 0 && !plain)
        rc = kt_buffer_append_string(out, "\"");
    return rc < 0 ? rc : kt_buffer_append_string(out, end);
}

static int join_tags(const kt_note *n, kt_buffer *out)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n->tags_count; i++) {
        rc = i > 0 ? kt_buffer_append_string(out, ",") : 0;
        if (rc == 0)
            rc = kt_buffer_append(out, n->tags[i].data, n->tags[i].size);
    }
    return rc;
}

int kt__csv_write(const kt_note *n, kt_buffer *out)
{
    kt_auto(kt_buffer) tags = KT_BUFFER_INIT;
    char created[KT_NOTE_TIME_BYTES], changed[KT_NOTE_TIME_BYTES];
    size_t created_size = kt_note_time_format(n->created, created);
    size_t changed_size = kt_note_time_format(n->changed, changed);
    int rc = join_tags(n, &tags);
    if (rc == 0)
        rc = kt_buffer_append_string(out, "title,body,tags,created,changed\r\n");
    const kt_slice fields[COLUMNS] = {n->title,
                                      n->body,
                                      kt_buffer_slice(&tags),
                                      {created, created_size},
                                      {changed, changed_size}};
    for (int i = 0; rc == 0 && i < COLUMNS; i++)
        rc = write_field(out, fields[i], i + 1 < COLUMNS ? "," : "\r\n");
    return rc;
}

/* ---- Reading ------------------------------------------------------------------------------ */

/* A table's text as it is taken apart. A row's fields lie in `bytes` one behind the other, each
 * from its start to the next one's. */
typedef struct table {
    const char *at, *end;
    size_t line; /* of `at`, counted from 1 */
    kt_buffer bytes;
    size_t *starts;
    size_t fields, capacity;
} table;

static void table_cleanup(table *t)
{
    kt_buffer_release(&t->bytes);
    kt_free(t->starts);
}

static int begin_field(table *t)
{
    if (t->fields + 1 >= t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 16;
        size_t *starts = kt_realloc(t->starts, capacity * sizeof *starts);
        if (!starts)
            return -ENOMEM;
        t->starts = starts;
        t->capacity = capacity;
    }
    t->starts[t->fields++] = t->bytes.size;
    return 0;
}

static kt_slice field_of(const table *t, size_t i)
{
    if (i >= t->fields || t->bytes.size == 0)
        return (kt_slice){NULL, 0};
    size_t end = i + 1 < t->fields ? t->starts[i + 1] : t->bytes.size;
    return (kt_slice){t->bytes.data + t->starts[i], end - t->starts[i]};
}

static int quoted_field(table *t)
{
    size_t line = t->line;
    for (;;) {
        const char *quote = memchr(t->at, '"', (size_t)(t->end - t->at));
        if (!quote)
            return kt_error_set(KT_EVALIDATION, "line %zu: a quoted field that does not end", line);
        bool doubled = quote + 1 < t->end && quote[1] == '"';
        int rc = kt_buffer_append(&t->bytes, t->at, (size_t)(quote - t->at) + doubled);
        if (rc < 0)
            return rc;
        for (; t->at < quote; t->at++)
            t->line += *t->at == '\n';
        t->at = quote + 1 + doubled;
        if (!doubled)
            return 0;
    }
}

static int plain_field(table *t)
{
    const char *start = t->at;
    while (t->at < t->end && !strchr(",\r\n\"", *t->at))
        t->at++;
    if (t->at < t->end && *t->at == '"')
        return kt_error_set(KT_EVALIDATION, "line %zu: a quote inside a field that is not quoted",
                            t->line);
    return kt_buffer_append(&t->bytes, start, (size_t)(t->at - start));
}

/* Takes what ends a field: 1 if another one follows in this row, 0 if it was the row's last. */
static int end_field(table *t)
{
    if (t->at == t->end)
        return 0;
    if (*t->at == ',') {
        t->at++;
        return 1;
    }
    if (*t->at == '\r' && t->at + 1 < t->end && t->at[1] == '\n')
        t->at++;
    if (*t->at != '\n' && *t->at != '\r')
        return kt_error_set(KT_EVALIDATION, "line %zu: text behind a quoted field", t->line);
    t->at++;
    t->line++;
    return 0;
}

/* 1 and a row, 0 at the end. */
static int next_row(table *t)
{
    int rc;
    t->fields = 0;
    kt_buffer_clear(&t->bytes);
    if (t->at == t->end)
        return 0;
    do {
        rc = begin_field(t);
        if (rc == 0 && t->at < t->end && *t->at == '"') {
            t->at++;
            rc = quoted_field(t);
        } else if (rc == 0) {
            rc = plain_field(t);
        }
        if (rc == 0)
            rc = end_field(t);
    } while (rc == 1);
    return rc < 0 ? rc : 1;
}

/* Which column holds what; SIZE_MAX for none. */
static int read_names(table *t, size_t columns[COLUMNS])
{
    int rc = next_row(t);
    for (int c = 0; c < COLUMNS; c++) {
        columns[c] = SIZE_MAX;
        for (size_t i = 0; rc == 1 && i < t->fields && columns[c] == SIZE_MAX; i++) {
            kt_slice name = kt__text_trim(field_of(t, i));
            if (name.size == strlen(names[c]) && strncasecmp(name.data, names[c], name.size) == 0)
                columns[c] = i;
        }
    }
    if (rc == 1 && columns[TITLE] == SIZE_MAX && columns[BODY] == SIZE_MAX)
        return kt_error_set(KT_EVALIDATION, "line 1: names neither title nor body as a column");
    return rc;
}

static int take_row(const table *t, const size_t columns[COLUMNS], kt__note_sink *sink)
{
    kt_auto(kt__tags) tags = KT__TAGS_INIT;
    kt_note n = {.title = kt__text_trim(field_of(t, columns[TITLE])),
                 .body = field_of(t, columns[BODY])};
    int rc = kt__tags_split(&tags, field_of(t, columns[TAGS]));
    if (rc == 0)
        rc = kt_note_time_parse(field_of(t, columns[CREATED]), &n.created);
    if (rc == 0)
        rc = kt_note_time_parse(field_of(t, columns[CHANGED]), &n.changed);
    n.tags = tags.items;
    n.tags_count = tags.count;
    return rc < 0 ? rc : kt__note_sink_take(sink, &n);
}

int kt__csv_read(kt_slice text, kt__note_sink *sink)
{
    kt_auto(table) t = {.at = text.data, .end = text.data + text.size, .line = 1};
    size_t columns[COLUMNS];
    int rc = read_names(&t, columns);
    while (rc == 1) {
        size_t line = t.line;
        rc = next_row(&t);
        if (rc <= 0)
            break;
        if (t.fields == 1 && t.bytes.size == 0)
            continue; /* an empty line */
        rc = take_row(&t, columns, sink);
        if (rc == KT_EVALIDATION) {
            char why[200];
            size_t size = strnlen(kt_error_detail(), sizeof why - 1);
            memcpy(why, kt_error_detail(), size);
            why[size] = '\0';
            return kt_error_set(rc, "row of line %zu: %s", line, why);
        }
        rc = rc < 0 ? rc : 1;
    }
    return rc;
}
