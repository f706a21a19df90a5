/* SPDX-License-Identifier: MIT */

/* kettle-notes export, import, pipeline: many files at once. */

#include <errno.h>
#include <inttypes.h>

#include "transfer.h"

/* ---- What is told of each file, and at the end -------------------------------------------- */

void transfer_begin(transfer *t, const char *label, const transfer_options *o)
{
    *t = (transfer){.failures = common.json ? json_array() : NULL};
    t->bar.label = label;
    t->options = (kt_notes_options){
        .in_flight = o->sequential ? 1 : o->in_flight,
        .filter = &t->filter,
        .durable = o->durable,
        .progress = transfer_tell,
        .progress_arg = t,
    };
    if (!common.json)
        kt_progress_start(&t->bar);
}

void transfer_tell(const kt_notes_progress *p, void *arg)
{
    transfer *t = arg;
    if (t->bar.running) {
        kt_progress_total_set(&t->bar, p->total);
        kt_progress_set(&t->bar, p->done);
    }
    if (p->rc >= 0)
        return;
    if (common.json) {
        json_array_append_new(t->failures,
                              json_pack("{s:o, s:o}", "path", json_of_words(p->path), "error", json_of_words(p->why)));
        return;
    }
    kt_auto(kt_buffer) safe = KT_BUFFER_INIT;
    if (kt_terminal_safe(&safe, kt_slice_from(p->why)) == 0)
        (void)(kt_terminal_printf(2, "kettle-notes: %.*s\n", (int)safe.size, safe.data) < 0);
}

json_t *transfer_summary(transfer *t)
{
    const kt_notes_summary *s = &t->summary;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:O}", "notes", (json_int_t)s->notes, "files",
                     (json_int_t)s->files, "unchanged", (json_int_t)s->unchanged, "failed",
                     (json_int_t)s->failed, "bytes", (json_int_t)s->bytes, "seconds",
                     (double)s->duration / 1e9, "failures", t->failures);
}

int transfer_end(transfer *t, ssize_t rc)
{
    kt_progress_end(&t->bar);
    int result = rc < 0 ? (int)rc : t->summary.failed > 0;
    if (rc >= 0 && common.json) {
        int printed = print_json(transfer_summary(t));
        result = printed < 0 ? printed : result;
    }
    json_decref(t->failures);
    filter_release(&t->filter);
    return result;
}

static void say_failed(const transfer *t)
{
    if (t->summary.failed > 0)
        printf(", %" PRIu64 " failed", t->summary.failed);
    putchar('\n');
}

/* ---- Options ------------------------------------------------------------------------------ */

int transfer_formats(const kt_settings_list *list, unsigned *ret_formats)
{
    unsigned formats = 0;
    for (size_t i = 0; i < list->count; i++) {
        kt_note_format f;
        if (strcmp(list->items[i], "all") == 0) {
            formats = (1u << KT_NOTE_FORMATS) - 1;
            continue;
        }
        int rc = kt_note_format_parse(kt_slice_from(list->items[i]), &f);
        if (rc < 0)
            return rc;
        formats |= 1u << f;
    }
    *ret_formats = formats;
    return 0;
}

const char *check_format(const char *value)
{
    kt_note_format f;
    bool known = strcmp(value, "all") == 0 || kt_note_format_parse(kt_slice_from(value), &f) == 0;
    return known ? NULL : "no format; there are md, json, csv, html, all";
}

/* ---- export ------------------------------------------------------------------------------- */

typedef struct export_options {
    filter_options filter;
    transfer_options transfer;
    kt_settings_list formats;
    bool compare;
    const char *folder;
} export_options;

static const kt_setting export_table[] = {
    FORMAT_ROW(export_options,
               "md, json, csv, html or all; may be repeated; md, json and csv unless given"),
    FILTER_ROWS(export_options),
    TRANSFER_ROWS(export_options),
    {KT_SETTING_BOOL(export_options, compare), "compare", .flags = HERE,
     .help = "do it twice, first one file after the other, and tell both times"},
    {.name = NULL},
};

static const kt_settings_spec export_spec = {
    .program = "kettle-notes export",
    .about = "Writes every note in every format, each into the format's folder in FOLDER "
             "(export_output): md/NAME.md, "
             "json/NAME.json, ... Each file is whole or not there; what fails is named, and the "
             "rest goes on.",
    .arguments = "[FOLDER]",
    .table = export_table,
};

static int export_once(kt_notebook *b, const export_options *o, bool sequential,
                       kt_time *ret_duration)
{
    transfer t;
    transfer_options how = o->transfer;
    how.sequential = how.sequential || sequential;
    transfer_begin(&t, "export", &how);
    ssize_t rc = filter_make(&o->filter, &t.filter);
    if (rc == 0)
        rc = transfer_formats(&o->formats, &t.options.formats);
    if (rc == 0)
        rc = kt_notebook_export(b, o->folder, &t.options, &t.summary);
    kt_progress_end(&t.bar);
    *ret_duration = t.summary.duration;
    if (rc >= 0 && !common.json) {
        printf("Exported %" PRIu64 " files in %.2fs%s", t.summary.files,
               (double)t.summary.duration / 1e9, sequential ? ", one after the other" : "");
        say_failed(&t);
    }
    return transfer_end(&t, rc);
}

static int export(kt_notebook *b, void *arg)
{
    const export_options *o = arg;
    kt_time together, in_turn = 0;
    int failed = o->compare ? export_once(b, o, true, &in_turn) : 0;
    int rc = failed < 0 ? failed : export_once(b, o, false, &together);
    if (rc >= 0 && o->compare && !common.json)
        printf("One after the other takes %.1f times as long (%.1f ms, %.1f ms)\n",
               (double)in_turn / (double)(together ? together : 1), (double)in_turn / 1e6,
               (double)together / 1e6);
    return rc < 0 ? rc : rc | failed;
}

int command_export(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    export_options o = {0};
    int count, status = options_load(&export_spec, &o, argc, argv, &s);
    if (status >= 0)
        return status;
    char **rest = kt_settings_rest(s, &count);
    if (count > 1)
        return usage_error(&export_spec, "'%s' is one argument too many", rest[1]);
    o.folder = count == 1 ? rest[0] : "export_output";
    return with_notebook(0, export, &o);
}

/* ---- import ------------------------------------------------------------------------------- */

typedef struct import_options {
    filter_options filter;
    transfer_options transfer;
    kt_settings_list formats;
    char **sources;
} import_options;

static const kt_setting import_table[] = {
    FORMAT_ROW(import_options, "only files of this format: md, json, csv, html; may be repeated"),
    FILTER_TAGS(import_options),
    TRANSFER_ROWS(import_options),
    {.name = NULL},
};

static const kt_settings_spec import_spec = {
    .program = "kettle-notes import",
    .about =
        "Adds the notes of files, or of all files in folders, to the notebook. Of a folder that an "
        "export made, one "
        "format is read: json, csv, html or md. A note that is there already is left as it is.",
    .arguments = "SOURCE...",
    .table = import_table,
};

static int import_one(kt_notebook *b, const import_options *o, const char *source)
{
    transfer t;
    transfer_begin(&t, "import", &o->transfer);
    ssize_t rc = filter_make(&o->filter, &t.filter);
    if (rc == 0)
        rc = transfer_formats(&o->formats, &t.options.formats);
    if (rc == 0)
        rc = kt_notes_import(source, b, &t.options, &t.summary);
    kt_progress_end(&t.bar);
    if (rc >= 0 && !common.json) {
        printf("Imported %" PRIu64 " notes in %.2fs", t.summary.files,
               (double)t.summary.duration / 1e9);
        if (t.summary.unchanged > 0)
            printf(", %" PRIu64 " were there already", t.summary.unchanged);
        say_failed(&t);
    }
    return transfer_end(&t, rc);
}

static int import(kt_notebook *b, void *arg)
{
    const import_options *o = arg;
    int failed = 0;
    for (char **source = o->sources; *source; source++) {
        int rc = import_one(b, o, *source);
        if (kt_is_cancel(rc))
            return rc;
        if (rc < 0)
            complain(rc);
        failed = rc != 0 ? 1 : failed;
    }
    return failed;
}

int command_import(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    import_options o = {0};
    int count, status = options_load(&import_spec, &o, argc, argv, &s);
    if (status >= 0)
        return status;
    o.sources = kt_settings_rest(s, &count);
    if (count == 0)
        return usage_error(&import_spec, "import which files or folders?");
    return with_notebook(KT_NOTEBOOK_MAKE, import, &o);
}

/* ---- pipeline ----------------------------------------------------------------------------- */

typedef struct pipeline_options {
    filter_options filter;
    transfer_options transfer;
    char **folders;
} pipeline_options;

static const kt_setting pipeline_table[] = {
    FILTER_ROWS(pipeline_options),
    TRANSFER_ROWS(pipeline_options),
    {.name = NULL},
};

static const kt_settings_spec pipeline_spec = {
    .program = "kettle-notes pipeline",
    .about = "Streams the notes of one folder into another, as Markdown: they are read while "
             "others are written.",
    .arguments = "SOURCE FOLDER",
    .table = pipeline_table,
};

static int pipeline(kt_notebook *b, void *arg)
{
    const pipeline_options *o = arg;
    transfer t;
    (void)b;
    transfer_begin(&t, "pipeline", &o->transfer);
    ssize_t rc = filter_make(&o->filter, &t.filter);
    if (rc == 0)
        rc = kt_notes_pipeline(o->folders[0], o->folders[1], &t.options, &t.summary);
    kt_progress_end(&t.bar);
    if (rc >= 0 && !common.json) {
        printf("Pipeline complete: %" PRIu64 " notes processed", t.summary.files);
        say_failed(&t);
    }
    return transfer_end(&t, rc);
}

int command_pipeline(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    pipeline_options o = {0};
    int count, status = options_load(&pipeline_spec, &o, argc, argv, &s);
    if (status >= 0)
        return status;
    o.folders = kt_settings_rest(s, &count);
    if (count != 2)
        return usage_error(&pipeline_spec, "give two folders: from where, and where to");
    return with_loop(pipeline, &o);
}
