/* SPDX-License-Identifier: MIT */

/* kettle-notes watch: an export that stays as the notes are. */

#include <inttypes.h>

#include "transfer.h"

typedef struct options {
    filter_options filter;
    transfer_options transfer;
    kt_settings_list formats;
    const char *folder;
} options;

static const kt_setting table[] = {
    FORMAT_ROW(options,
               "md, json, csv, html or all; may be repeated; md, json and csv unless given"),
    FILTER_ROWS(options),
    TRANSFER_ROWS(options),
    {.name = NULL},
};

static const kt_settings_spec spec = {
    .program = "kettle-notes watch",
    .about = "Exports every note, as 'kettle-notes export' does, and again whatever changes, until "
             "Ctrl-C or SIGTERM. "
             "The files of a note that is removed are removed.",
    .arguments = "[FOLDER]",
    .table = table,
};

static void ran(const kt_notes_summary *s, void *arg)
{
    transfer *t = arg;
    t->summary = *s;
    kt_progress_end(&t->bar);
    if (common.json) {
        (void)(print_json(transfer_summary(t)) < 0); /* without memory, a line is missing */
        json_array_clear(t->failures);
    } else {
        printf("Exported %" PRIu64 " files in %.2fs", s->files, (double)s->duration / 1e9);
        if (s->failed > 0)
            printf(", %" PRIu64 " failed", s->failed);
        putchar('\n');
    }
    fflush(stdout);
}

static int watch(kt_notebook *b, void *arg)
{
    const options *o = arg;
    transfer t;
    transfer_begin(&t, "export", &o->transfer);
    int rc = filter_make(&o->filter, &t.filter);
    if (rc == 0)
        rc = transfer_formats(&o->formats, &t.options.formats);
    if (rc == 0)
        rc = kt_notebook_watch(b, o->folder, &t.options, ran, &t);
    return transfer_end(&t, rc);
}

int command_watch(int argc, char **argv)
{
    kt_auto(kt_settings) *s = NULL;
    options o = {0};
    int count, status = options_load(&spec, &o, argc, argv, &s);
    if (status >= 0)
        return status;
    char **rest = kt_settings_rest(s, &count);
    if (count > 1)
        return usage_error(&spec, "'%s' is one argument too many", rest[1]);
    o.folder = count == 1 ? rest[0] : "export_output";
    status = with_notebook(KT_NOTEBOOK_MAKE, watch, &o);
    return status == EXIT_INTERRUPTED ? EXIT_DONE : status;
}
