/* SPDX-License-Identifier: MIT */

/* Notes, from memory or a notebook, into folders. */

#include "notes/export.h"

#include <errno.h>
#include <kettle/dir.h>
#include <kettle/memory.h>
#include <stdio.h>

#define FORMATS_DEFAULT (1u << KT_NOTE_MD | 1u << KT_NOTE_JSON | 1u << KT_NOTE_CSV)

/* The next note that passes. */
static int next(kt__export *x, kt_note_entry *ret_entry)
{
    if (x->reader)
        return kt_note_reader_next(x->reader, ret_entry);
    while (x->at < x->count && !kt_note_passes(&x->notes[x->at], x->filter))
        x->at++;
    if (x->at == x->count)
        return 0;
    *ret_entry = (kt_note_entry){.name = "", .note = x->notes[x->at++], .why = ""};
    return 1;
}

/* Notes that were taken count once for each format, those yet to come as well; an unreadable one
 * is one file. */
static void expect(kt__export *x)
{
    size_t total = x->reader ? kt_note_reader_total(x->reader) : x->count;
    size_t passed = x->reader ? kt_note_reader_passed(x->reader) : x->at;
    kt__writer_expect(x->writer,
                      (uint64_t)(total - passed + x->taken) * x->formats_count + x->unreadable);
}

/* With the first note: an export of nothing makes nothing. */
int kt__export_make_folders(kt__export *x, const kt_notes_options *o)
{
    int rc = 0;
    if (x->folders_made || (o && o->write))
        return 0;
    if (x->flat)
        rc = kt_dir_make_all(x->folder, 0);
    for (int f = 0; rc == 0 && f < KT_NOTE_FORMATS && !x->flat; f++) {
        char *path = NULL;
        if (!(x->formats & 1u << f))
            continue;
        rc = kt__path_of(x->folder, kt_note_format_name((kt_note_format)f), "", &path);
        if (rc == 0)
            rc = kt_dir_make_all(path, 0);
        kt_free(path);
    }
    x->folders_made = rc == 0;
    return rc;
}

int kt__export_path(const kt__export *x, const char *name, kt_note_format f, char **ret_path)
{
    const char *format = kt_note_format_name(f);
    char file[KT_NOTE_NAME_BYTES + 16];
    snprintf(file, sizeof file, "%s%s%s.%s", x->flat ? "" : format, x->flat ? "" : "/", name,
             format);
    return kt__path_of(x->folder, file, "", ret_path);
}

/* Notes with what it was written as, for who writes it again. */
static int remember(kt__export *x, const char *name, const char *written_as)
{
    kt__name *entry;
    if (!x->written)
        return 0;
    int rc = kt__names_enter(x->written, kt_slice_from(name), &entry);
    if (rc < 0)
        return rc;
    char *value = kt_strndup(written_as, strlen(written_as));
    if (!value)
        return -ENOMEM;
    kt_free(entry->value);
    entry->value = value;
    return 0;
}

int kt__export_put(kt__export *x, const char *name, const kt_note *note, const char *written_as)
{
    char slug[KT_NOTE_SLUG_BYTES], claimed[KT_NOTE_NAME_BYTES];
    kt_note_slug(note->title, slug);
    kt__shared_note *n = kt__shared_note_new(note);
    int rc = n ? 0 : -ENOMEM;
    if (rc == 0 && !written_as) {
        rc = kt__names_claim(&x->names, slug, claimed);
        written_as = claimed;
    }
    if (rc == 0)
        rc = remember(x, name, written_as);
    for (int f = 0; rc == 0 && f < KT_NOTE_FORMATS; f++) {
        char *path = NULL;
        if (!(x->formats & 1u << f))
            continue;
        rc = kt__export_path(x, written_as, (kt_note_format)f, &path);
        if (rc == 0)
            rc = kt__writer_put(x->writer, n, (kt_note_format)f, path);
    }
    kt__shared_note_unref(n);
    return rc;
}

static int take(kt__export *x, const kt_note_entry *e, const kt_notes_options *o)
{
    if (e->rc < 0) {
        x->unreadable++;
        expect(x);
        char *path = NULL;
        int rc = kt__path_of(x->from, e->name, ".md", &path);
        kt__writer_tell(x->writer, path ? path : e->name, e->rc, e->why);
        kt_free(path);
        return rc;
    }
    x->taken++;
    expect(x);
    kt__writer_count_note(x->writer);
    int rc = kt__export_make_folders(x, o);
    return rc < 0 ? rc : kt__export_put(x, e->name, &e->note, NULL);
}

ssize_t kt__export_run(kt__export *x, const kt_notes_options *o, kt_notes_summary *ret_summary)
{
    kt_note_entry e;
    x->formats_count = (unsigned)__builtin_popcount(x->formats);
    int rc = kt__writer_start(o, KT__SAVE_SPARSE, &x->writer);
    if (rc < 0)
        return rc;
    while (rc >= 0 && (rc = next(x, &e)) == 1)
        rc = take(x, &e, o);
    if (rc == 0)
        expect(x);
    return kt__writer_end(kt_steal(x->writer), rc, ret_summary);
}

unsigned kt__export_formats(const kt_notes_options *o)
{
    return o && o->formats ? o->formats : FORMATS_DEFAULT;
}

ssize_t kt_notes_export(const kt_note *notes, size_t count, const char *folder,
                        const kt_notes_options *options, kt_notes_summary *ret_summary)
{
    kt__export x = {.notes = notes,
                    .count = count,
                    .folder = folder,
                    .filter = options ? options->filter : NULL,
                    .formats = kt__export_formats(options)};
    ssize_t files = kt__export_run(&x, options, ret_summary);
    kt__names_release(&x.names);
    return files;
}

ssize_t kt__export_run_folder(const char *from, kt__export *x, const kt_notes_options *o,
                              kt_notes_summary *ret_summary)
{
    kt_auto(kt_note_reader) *reader = NULL;
    int rc = kt__note_reader_open(from, o ? o->filter : NULL, !o || o->in_flight != 1, &reader);
    if (rc < 0)
        return rc;
    x->reader = reader;
    x->from = from;
    ssize_t files = kt__export_run(x, o, ret_summary);
    x->reader = NULL;
    return files;
}

ssize_t kt_notebook_export(kt_notebook *b, const char *folder, const kt_notes_options *options,
                           kt_notes_summary *ret_summary)
{
    kt__export x = {.folder = folder, .formats = kt__export_formats(options)};
    ssize_t files = kt__export_run_folder(kt_notebook_folder(b), &x, options, ret_summary);
    kt__names_release(&x.names);
    return files;
}

ssize_t kt_notes_pipeline(const char *from, const char *to, const kt_notes_options *options,
                          kt_notes_summary *ret_summary)
{
    kt__export x = {.folder = to, .flat = true, .formats = 1u << KT_NOTE_MD};
    int same = kt_path_exists(to) == 1 ? kt_path_same_file(from, to) : 0;
    if (same == 1)
        return kt_error_set(KT_ECONFLICT, "'%s' and '%s' are one folder", from, to);
    ssize_t files = same < 0 ? same : kt__export_run_folder(from, &x, options, ret_summary);
    kt__names_release(&x.names);
    return files;
}
