/* SPDX-License-Identifier: MIT */

/* kettle-notes list. */

#include <errno.h>
#include <stdlib.h>

#include "program.h"

typedef struct options {
    filter_options filter;
    int sort;
    bool reverse, headings;
    unsigned limit;
} options;

enum { BY_NAME, BY_TITLE, BY_CREATED, BY_CHANGED };

static const char *const orders[] = {"name", "title", "created", "changed", NULL};

static const kt_setting table[] = {
    FILTER_ROWS(options),
    {KT_SETTING_CHOICE(options, sort), "sort", .choices = orders, .standard = "name",
     .meta = "ORDER", .help = "name, title, created or changed; the latest time first"},
    {KT_SETTING_BOOL(options, reverse), "reverse", .letter = 'r', .help = "the other way round"},
    {KT_SETTING_INTEGER(options, limit, 0, 1000000), "limit", .standard = "0", .meta = "N",
     .help = "at most so many; 0: all"},
    {KT_SETTING_BOOL(options, headings), "headings",
     .help = "print each file's name and its first line"},
    {.name = NULL},
};

static const kt_settings_spec spec = {
    .program = "kettle-notes list",
    .about = "Lists notes: name, time of the last change, title, tags.",
    .table = table,
};

/* ---- Lines -------------------------------------------------------------------------------- */

/* What is remembered of a note until all have been read; bodies are not. */
typedef struct line {
    char *name;
    kt_note note; /* without its body */
} line;

typedef struct lines {
    line *items;
    size_t count, capacity;
} lines;

static void lines_cleanup(lines *l)
{
    for (size_t i = 0; i < l->count; i++) {
        kt_free(l->items[i].name);
        kt_note_release(&l->items[i].note);
    }
    kt_free(l->items);
}

static int lines_add(lines *l, const kt_note_entry *e)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        line *items = kt_realloc(l->items, capacity * sizeof *items);
        if (!items)
            return -ENOMEM;
        l->items = items;
        l->capacity = capacity;
    }
    kt_note n = e->note;
    n.body = (kt_slice){NULL, 0};
    line *at = &l->items[l->count];
    *at = (line){kt_strndup(e->name, strlen(e->name)), KT_NOTE_INIT};
    if (!at->name)
        return -ENOMEM;
    l->count++;
    return kt_note_copy(&n, &at->note);
}

static int order;
static int direction;

static int compare(const void *a, const void *b)
{
    const line *x = a, *y = b;
    int by = 0;
    if (order == BY_TITLE)
        by = strcmp(x->note.title.data, y->note.title.data);
    kt_time s = order == BY_CREATED ? x->note.created : x->note.changed;
    kt_time t = order == BY_CREATED ? y->note.created : y->note.changed;
    if (order == BY_CREATED || order == BY_CHANGED)
        by = (s < t) - (s > t);
    return direction * (by ? by : strcmp(x->name, y->name));
}

/* ---- Printing ----------------------------------------------------------------------------- */

static void print_headings(const lines *l)
{
    for (size_t i = 0; i < l->count; i++) {
        print_safe(stdout, kt_slice_from(l->items[i].name), false);
        fputs(".md: # ", stdout);
        print_safe(stdout, l->items[i].note.title, false);
        putchar('\n');
    }
}

static void print_padded(kt_slice text, size_t width)
{
    size_t fits = kt_terminal_fit(text, width);
    kt_slice shown = {text.data, fits};
    print_safe(stdout, shown, false);
    for (size_t used = kt_terminal_columns(shown); used < width; used++)
        putchar(' ');
}

static void print_table(const lines *l)
{
    size_t names = 4, width = terminal_width();
    for (size_t i = 0; i < l->count; i++) {
        size_t columns = kt_terminal_columns(kt_slice_from(l->items[i].name));
        names = columns > names ? columns : names;
    }
    if (width < SIZE_MAX && names > width / 3)
        names = width / 3;
    for (size_t i = 0; i < l->count; i++) {
        const line *at = &l->items[i];
        print_padded(kt_slice_from(at->name), names);
        printf("  %s", dim());
        print_time(stdout, at->note.changed);
        printf("%s  ", plain());
        print_safe(stdout, at->note.title, false);
        for (size_t t = 0; t < at->note.tags_count; t++) {
            printf("%s%s", t > 0 ? ", " : "  ", t > 0 ? "" : dim());
            print_safe(stdout, at->note.tags[t], false);
        }
        printf("%s\n", at->note.tags_count > 0 ? plain() : "");
    }
}

static int print_all_json(const lines *l)
{
    json_t *all = json_array();
    for (size_t i = 0; all && i < l->count; i++) {
        const kt_note *n = &l->items[i].note;
        json_array_append_new(all, json_pack("{s:s, s:o, s:o, s:o, s:o}", "name", l->items[i].name,
                                             "title", json_of_text(n->title), "tags",
                                             json_of_tags(n), "created", json_of_time(n->created),
                                             "changed", json_of_time(n->changed)));
    }
    return print_json(all);
}

static int print_lines(lines *l, const options *o)
{
    order = o->sort;
    direction = o->reverse ? -1 : 1;
    if (l->count > 0)
        qsort(l->items, l->count, sizeof l->items[0], compare);
    while (o->limit > 0 && l->count > o->limit) {
        line *last = &l->items[--l->count];
        kt_free(last->name);
        kt_note_release(&last->note);
    }
    if (common.json)
        return print_all_json(l);
    if (o->headings)
        print_headings(l);
    else
        print_table(l);
    return 0;
}

/* ---- The command -------------------------------------------------------------------------- */

static int list(kt_notebook *b, void *arg)
{
    const options *o = arg;
    kt_note_filter filter;
    int rc = filter_make(&o->filter, &filter);
    if (rc < 0)
        return rc;
    kt_auto(lines) l = {NULL, 0, 0};
    kt_auto(kt_note_reader) *r = NULL;
    kt_note_entry e;
    int failed = 0;
    rc = kt_note_reader_open(b, &filter, &r);
    while (rc >= 0 && (rc = kt_note_reader_next(r, &e)) == 1) {
        if (e.rc < 0) {
            (void)kt_error_set(e.rc, "%s", e.why);
            complain(e.rc);
            failed = 1;
        } else {
            rc = lines_add(&l, &e);
        }
    }
    filter_release(&filter);
    if (rc == 0)
        rc = print_lines(&l, o);
    return rc < 0 ? rc : failed;
}

int command_list(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    options o = {0};
    int status = options_load(&spec, &o, argc, argv, &s);
    return status >= 0 ? status : with_notebook(0, list, &o);
}
