/* SPDX-License-Identifier: MIT */

#include "records_sift.h"

#include <errno.h>
#include <fcntl.h>
#include <kettle/memory.h>
#include <kettle/path.h>
#include <kettle/temp.h>
#include <unistd.h>

#include "json_text.h"

#define LIST_BYTES_MAX ((size_t)1 << 30) /* of one that others have written anew */
#define ROW_BYTES_MAX ((size_t)1 << 30)
#define PIECE_BYTES ((size_t)64 * 1024)

/* Where a row stands that is kept. */
typedef struct span {
    int64_t at, size; /* size 0: crossed out */
} span;

typedef struct pass {
    const sift *s;
    kt_file *from;
    span line;       /* the one at hand */
    bool cut;        /* it has no end */
    span *kept;
    size_t count, capacity;
} pass;

/* ---- What counts ------------------------------------------------------------------------------ */

static int keep(pass *p, int64_t at, int64_t size)
{
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 64;
        span *kept = kt_realloc(p->kept, capacity * sizeof *kept);
        if (!kept)
            return -ENOMEM;
        p->kept = kept;
        p->capacity = capacity;
    }
    p->kept[p->count++] = (span){at, size};
    return 0;
}

/* What went well is remembered, and an earlier record of its URL crossed out; what failed is forgotten, to be done
 * again. `record` may be NULL. */
static int note(pass *p, const char *url, bool ok, json_t *record, span row)
{
    static const char *const led[] = {"final_url", "found", "next"};
    if (!ok && !p->s->all)
        return 0;
    int rc = keep(p, row.at, row.size);
    if (rc < 0 || !ok)
        return rc;
    json_t *done = json_object(), *before = json_object_get(p->s->done, url);
    if (before)
        p->kept[json_integer_value(json_object_get(before, "row"))].size = 0;
    rc = json_object_set_new(done, "row", json_integer((json_int_t)p->count - 1));
    for (size_t i = 0; rc == 0 && i < sizeof led / sizeof led[0]; i++)
        if (json_object_get(record, led[i]))
            rc = json_object_set(done, led[i], json_object_get(record, led[i]));
    if (rc == 0)
        rc = json_object_set(p->s->done, url, done);
    json_decref(done);
    return rc < 0 ? -ENOMEM : 0;
}

/* The next line. 1, 0 at the end. */
static int next_line(pass *p, kt_slice *ret_line)
{
    int64_t at = kt_file_tell(p->from);
    int rc = at < 0 ? (int)at : kt_file_read_line(p->from, ROW_BYTES_MAX, ret_line);
    if (rc <= 0)
        return rc;
    int64_t end = kt_file_tell(p->from);
    p->line = (span){at, end - at};
    p->cut = p->line.size == (int64_t)ret_line->size;
    return end < 0 ? (int)end : 1;
}

/* ---- Lines of JSON ---------------------------------------------------------------------------- */

static int otherwise(const sift *s)
{
    return kt_error_set(KT_EVALIDATION, s->kind == RECORDS_JSON ? "%s holds no list of records"
                                                                : "%s holds something that is no record", s->path);
}

static int load(const sift *s, kt_slice text, json_t **ret_value)
{
    int rc = json_text_parse(text, 0, RECORD_DEPTH_MAX, ret_value);
    return rc == KT_EVALIDATION ? otherwise(s) : rc;
}

static int judge(pass *p, kt_slice text, span row)
{
    json_t *record;
    int rc = load(p->s, text, &record);
    if (rc < 0)
        return rc;
    const char *url = json_string_value(json_object_get(record, "url"));
    rc = url ? note(p, url, json_is_true(json_object_get(record, "ok")), record, row) : otherwise(p->s);
    json_decref(record);
    return rc;
}

static int read_lines(pass *p)
{
    kt_slice line;
    int rc;
    while ((rc = next_line(p, &line)) > 0 && !p->cut)
        if ((rc = judge(p, line, p->line)) < 0)
            break;
    return rc;
}

/* ---- CSV -------------------------------------------------------------------------------------- */

/* The first and the fourth cell of a row, as far as this line has them. *quoted: its end is within quotes. */
static int read_cells(kt_slice line, kt_buffer *url, bool *ret_ok, bool *quoted)
{
    int cell = 0, rc = 0;
    kt_buffer_clear(url);
    kt_slice ok = {line.data, 0};
    for (size_t i = 0; rc == 0 && i < line.size; i++) {
        if (line.data[i] == '"')
            *quoted = !*quoted;
        else if (!*quoted && line.data[i] == ',')
            cell++;
        else if (cell == 0)
            rc = kt_buffer_append(url, &line.data[i], 1);
        else if (cell == 3)
            ok = (kt_slice){ok.size ? ok.data : &line.data[i], ok.size + 1};
    }
    *ret_ok = kt_slice_is(ok, "true");
    return rc;
}

static int read_rows(pass *p)
{
    kt_auto(kt_buffer) url = KT_BUFFER_INIT, rest = KT_BUFFER_INIT;
    kt_slice line;
    int rc;
    while ((rc = next_line(p, &line)) > 0) {
        bool ok, quoted = false, ignored;
        int64_t at = p->line.at;
        rc = read_cells(line, &url, &ok, &quoted);
        while (rc >= 0 && quoted && (rc = next_line(p, &line)) > 0) /* a line end in a cell */
            rc = read_cells(line, &rest, &ignored, &quoted);
        if (rc < 0 || quoted || p->cut)
            return rc < 0 ? rc : 0;
        const char *key = kt_buffer_string(&url);
        rc = key ? note(p, key, ok, NULL, (span){at, p->line.at + p->line.size - at}) : -ENOMEM;
        if (rc < 0)
            return rc;
    }
    return rc;
}

/* ---- A JSON list ------------------------------------------------------------------------------ */

int list_put(json_t *record, bool first, kt_buffer *out)
{
    int rc = kt_buffer_append(out, first ? " " : ",", 1);
    if (rc == 0)
        rc = json_text_append(record, JSON_COMPACT, out);
    return rc == 0 ? kt_buffer_append(out, "\n", 1) : rc;
}

/* Does a record's line begin so? */
static bool is_beginning(kt_slice line, bool first)
{
    return line.size > 0 && line.data[0] == (first ? ' ' : ',') && (line.size == 1 || line.data[1] == '{');
}

/* Behind its first bracket. It may be cut anywhere, also between a comma and what it takes the place of, the second
 * bracket, whose end of line is left then. */
static int read_list(pass *p)
{
    kt_slice line;
    bool over = false;
    int rc;
    while ((rc = next_line(p, &line)) > 0) {
        if (over || !(kt_slice_is(line, "]") || is_beginning(line, p->line.at == LIST_BEGIN)))
            return otherwise(p->s);
        over = p->cut || line.size == 1;
        rc = over ? 0 : judge(p, (kt_slice){line.data + 1, line.size - 1}, p->line);
        if (rc < 0)
            return rc;
    }
    return rc;
}

/* Gives a list that others have written anew the form of ours. */
static int convert(const sift *s)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT, lines = KT_BUFFER_INIT;
    json_t *list = NULL, *record;
    size_t index;
    int rc = kt_file_read_whole(s->path, LIST_BYTES_MAX, &text);
    if (rc == KT_ELIMIT)
        return kt_error_set(rc, "%s has no line for each record, and more than 1 GiB", s->path);
    if (rc == 0)
        rc = load(s, kt_buffer_slice(&text), &list);
    if (rc == 0)
        rc = json_is_array(list) ? kt_buffer_append(&lines, LIST_EMPTY, LIST_BEGIN) : otherwise(s);
    json_array_foreach(list, index, record) {
        if (rc == 0)
            rc = json_string_value(json_object_get(record, "url")) ? list_put(record, index == 0, &lines)
                                                                   : otherwise(s);
    }
    json_decref(list);
    if (rc == 0)
        rc = kt_buffer_append_string(&lines, &LIST_EMPTY[LIST_BEGIN]);
    return rc == 0 ? kt_file_replace(s->path, lines.data, lines.size, NULL) : rc;
}

/* ---- Copying ---------------------------------------------------------------------------------- */

static int copy_span(const pass *p, span from, kt_file *to, char *piece)
{
    int rc = 0;
    while (rc == 0 && from.size > 0) {
        size_t size = from.size < (int64_t)PIECE_BYTES ? (size_t)from.size : PIECE_BYTES;
        ssize_t got = kt_file_pread(p->from, piece, size, from.at);
        if (got <= 0)
            return got < 0 ? (int)got : kt_error_set(KT_EINCOMPLETE, "%s was cut meanwhile", p->s->path);
        rc = kt_file_write(to, piece, (size_t)got);
        from = (span){from.at + got, from.size - got};
    }
    return rc;
}

/* Rows that stand one behind the other are copied together. */
static int copy_kept(const pass *p, kt_file *to)
{
    char *piece = kt_alloc(PIECE_BYTES);
    int rc = piece ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < p->count;) {
        span s = p->kept[i++];
        while (i < p->count && p->kept[i].at == s.at + s.size && p->kept[i].size > 0)
            s.size += p->kept[i++].size;
        rc = copy_span(p, s, to, piece);
    }
    kt_free(piece);
    return rc;
}

static int finish_list(kt_file *to)
{
    int64_t size = kt_file_tell(to);
    int rc = size < 0 ? (int)size : kt_file_write(to, &LIST_EMPTY[LIST_BEGIN], LIST_END);
    return rc == 0 && size > LIST_BEGIN ? kt_file_pwrite(to, " ", 1, LIST_BEGIN) : rc; /* of the first that is left */
}

static int write_kept(const pass *p, const char *path, kt_file *to)
{
    struct stat old;
    int rc = copy_kept(p, to);
    if (rc == 0 && p->s->kind == RECORDS_JSON)
        rc = finish_list(to);
    if (rc == 0)
        rc = kt_file_stat(p->from, &old);
    if (rc == 0)
        rc = kt_path_chmod(path, old.st_mode & 07777);
    return rc == 0 ? kt_file_sync(to) : rc;
}

/* As kt_file_replace does. */
static int replace(const pass *p)
{
    kt_auto(kt_path) path = NULL;
    kt_file *to = NULL;
    int fd = -1;
    kt_slice parent = kt_path_parent(p->s->path);
    char *dir = kt_strndup(parent.data, parent.size);
    int rc = dir ? kt_temp_named(dir, ".kettle-", &path, &fd) : -ENOMEM;
    kt_free(dir);
    if (rc < 0)
        return rc;
    rc = kt_file_adopt(fd, &to);
    if (rc < 0)
        close(fd);
    if (rc == 0)
        rc = write_kept(p, path, to);
    kt_cancel_hold();
    int closed = kt_file_close(to);
    rc = rc == 0 ? closed : rc;
    if (rc == 0)
        rc = kt_path_rename(path, p->s->path, KT_PATH_DURABLE);
    if (rc < 0)
        (void)!kt_path_remove(path); /* why it is of no use is what counts */
    kt_cancel_unhold();
    return rc;
}

/* ---- All of it -------------------------------------------------------------------------------- */

/* The first row of CSV, and a list's first bracket. */
static int read_beginning(pass *p)
{
    const sift *s = p->s;
    kt_auto(kt_buffer) bytes = KT_BUFFER_INIT;
    kt_slice expected = {s->empty.data, s->kind == RECORDS_JSON ? LIST_BEGIN : s->empty.size};
    int rc = kt_buffer_reserve(&bytes, expected.size);
    ssize_t got = rc == 0 && expected.size > 0 ? kt_file_read(p->from, bytes.data, expected.size) : rc;
    if (got < 0)
        return (int)got;
    bytes.size = (size_t)got;
    if (!kt_slice_equal(kt_buffer_slice(&bytes), expected))
        return s->kind == RECORDS_CSV ? kt_error_set(KT_EVALIDATION, "%s has other columns", s->path) : otherwise(s);
    return expected.size > 0 ? keep(p, 0, (int64_t)expected.size) : 0;
}

static int read_all(pass *p)
{
    int rc = read_beginning(p);
    if (rc < 0)
        return rc;
    return p->s->kind == RECORDS_JSONL ? read_lines(p) : p->s->kind == RECORDS_CSV ? read_rows(p) : read_list(p);
}

static int sift_once(const sift *s)
{
    pass p = {.s = s};
    json_object_clear(s->done);
    int rc = kt_file_open(s->path, O_RDONLY, 0, &p.from);
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    int64_t size = kt_file_size(p.from);
    rc = size < 0 ? (int)size : size > 0 ? read_all(&p) : 0;
    if (rc >= 0 && size > 0)
        rc = replace(&p);
    kt_free(p.kept);
    int closed = kt_file_close(p.from);
    return rc < 0 ? rc : closed < 0 ? closed : size > 0;
}

int sift_file(const sift *s)
{
    int rc = sift_once(s);
    if (rc != KT_EVALIDATION || s->kind != RECORDS_JSON)
        return rc;
    rc = convert(s);
    return rc == 0 ? sift_once(s) : rc;
}
