/* SPDX-License-Identifier: MIT */

/* Notes of files in any format, into a notebook. */

#include <errno.h>
#include <kettle/dir.h>
#include <kettle/memory.h>
#include <stdio.h>

#include "notes/notes.h"

#define BATCH 16
/* Notes of one name that a new one is compared with, before it gets a number unseen. */
#define COMPARED_MAX 100

typedef struct import {
    kt_notebook *book;
    const kt_notes_options *o;
    unsigned formats;
    char *folder; /* of the files, or NULL when it is one file */
    kt_path_list *files; /* all in the folder */
    size_t listed; /* position in `files` */
    size_t left; /* files that are to be read */
    size_t told; /* notes and failures so far */
    kt__names
        there; /* notes that were there before, and have not been found to be one of the new */
    kt__names names; /* all names that are taken */
    kt__writer *writer;
    kt__load loads[BATCH];
} import;

static void import_cleanup(import *m)
{
    kt_free(m->folder);
    kt_path_list_free(m->files);
    kt__names_release(&m->there);
    kt__names_release(&m->names);
}

/* ---- Which files -------------------------------------------------------------------------- */

/* The format that a file's name says; KT_NOTE_FORMATS for none. */
static kt_note_format format_of(const import *m, const char *file)
{
    const char *name = strrchr(file, '/');
    const char *dot = strrchr(name ? name : file, '.');
    kt_note_format f;
    if ((name ? name[1] : file[0]) == '.' || !dot ||
        kt_note_format_parse(kt_slice_from(dot + 1), &f) < 0)
        return KT_NOTE_FORMATS;
    return m->formats & 1u << f ? f : KT_NOTE_FORMATS;
}

static int list(import *m, const char *folder, const char *inner)
{
    kt_path_list_free(kt_steal(m->files));
    kt_free(kt_steal(m->folder));
    m->left = 0;
    int rc = kt__path_of(folder, inner, "", &m->folder);
    if (rc == 0)
        rc = kt_dir_list(m->folder, 0, &m->files);
    for (size_t i = 0; rc >= 0 && i < m->files->count; i++)
        m->left += format_of(m, m->files->paths[i]) < KT_NOTE_FORMATS;
    return rc < 0 ? rc : 0;
}

/* The folder itself; or what an export has made in it, in the format that keeps most. */
static int find_files(import *m, const char *source)
{
    static const kt_note_format richest[] = {KT_NOTE_JSON, KT_NOTE_CSV, KT_NOTE_HTML, KT_NOTE_MD};
    int rc = kt_path_is_dir(source);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        m->left = 1;
        return kt_path_exists(source) == 1
                   ? 0
                   : kt_error_set(-ENOENT, "there is no file or folder '%.200s'", source);
    }
    rc = list(m, source, "");
    for (int i = 0; rc == 0 && m->left == 0 && i < KT_NOTE_FORMATS; i++) {
        char *path = NULL;
        if (!(m->formats & 1u << richest[i]))
            continue;
        rc = kt__path_of(source, kt_note_format_name(richest[i]), "", &path);
        if (rc == 0)
            rc = kt_path_is_dir(path);
        kt_free(path);
        if (rc == 1)
            rc = list(m, source, kt_note_format_name(richest[i]));
    }
    return rc;
}

static int list_names(import *m)
{
    kt_auto(kt_path_list) *list = NULL;
    int rc = kt_dir_list(kt_notebook_folder(m->book), 0, &list);
    for (size_t i = 0; rc >= 0 && i < list->count; i++) {
        kt_slice file = kt_slice_from(list->paths[i]);
        kt__name *entry;
        if (file.size <= 3 || memcmp(file.data + file.size - 3, ".md", 3) != 0)
            continue;
        file.size -= 3;
        rc = kt__names_enter(&m->names, file, &entry);
        if (rc >= 0)
            rc = kt__names_enter(&m->there, file, &entry);
    }
    return rc < 0 ? rc : 0;
}

/* ---- One note ----------------------------------------------------------------------------- */

static void expect(import *m)
{
    kt__writer_expect(m->writer, m->told + m->left);
}

/* Is the note there already? 1, and the name. Only what cannot be decided otherwise is read. */
static int is_there(import *m, const kt_note *n, const char *slug, char name[KT_NOTE_NAME_BYTES])
{
    for (int i = 1; i <= COMPARED_MAX; i++) {
        kt_auto(kt_note) old = KT_NOTE_INIT;
        snprintf(name, KT_NOTE_NAME_BYTES, i == 1 ? "%.100s" : "%.100s-%d", slug, i);
        if (!kt__names_find(&m->names, kt_slice_from(name)))
            return 0;
        if (!kt__names_find(&m->there, kt_slice_from(name)))
            continue;
        int rc = kt_notebook_get(m->book, name, &old);
        if (kt_is_cancel(rc) || rc == -ENOMEM)
            return rc;
        if (rc < 0 || !kt_note_equal(&old, n))
            continue;
        return 1;
    }
    return 0;
}

static int add(import *m, kt__shared_note *n)
{
    char slug[KT_NOTE_SLUG_BYTES], name[KT_NOTE_NAME_BYTES], *path = NULL;
    kt_note_slug(n->note.title, slug);
    int there = is_there(m, &n->note, slug, name);
    int rc = there == 0 ? kt__names_claim(&m->names, slug, name) : there;
    if (rc >= 0)
        rc = kt__path_of(kt_notebook_folder(m->book), name, ".md", &path);
    if (rc < 0)
        return rc;
    if (there == 0)
        return kt__writer_put(m->writer, n, KT_NOTE_MD, path);
    kt__writer_tell(m->writer, path, 1, "");
    kt_free(path);
    return 0;
}

typedef struct taking {
    import *m;
    const kt__load *load;
    size_t count;
} taking;

static int take_note(kt_note *n, void *arg)
{
    taking *t = arg;
    import *m = t->m;
    char title[KT_NOTE_NAME_BYTES];
    const char *file = strrchr(t->load->path, '/');
    file = file ? file + 1 : t->load->path;
    snprintf(title, sizeof title, "%.*s", (int)(strrchr(file, '.') - file), file);
    kt_note whole = *n;
    if (!n->title.data || format_of(m, t->load->path) == KT_NOTE_MD)
        kt__note_complete(&whole, title, t->load->changed);
    if (!kt_note_passes(&whole, m->o ? m->o->filter : NULL))
        return 0;
    kt__shared_note *shared = kt__shared_note_new(&whole);
    if (!shared)
        return -ENOMEM;
    kt__writer_count_note(m->writer);
    m->told++;
    t->count++;
    expect(m);
    int rc = add(m, shared);
    kt__shared_note_unref(shared);
    return rc;
}

/* ---- All files ---------------------------------------------------------------------------- */

/* Names the files of the next batch; returns how many. */
static ssize_t next_batch(import *m, const char *source)
{
    size_t n = 0, max = m->o && m->o->in_flight == 1 ? 1 : BATCH;
    int rc = 0;
    if (!m->files && m->listed++ == 0) {
        m->loads[n++] =
            (kt__load){.path = kt_strndup(source, strlen(source)), .text = KT_BUFFER_INIT};
        return m->loads[0].path ? 1 : -ENOMEM;
    }
    for (; rc == 0 && m->files && m->listed < m->files->count && n < max; m->listed++) {
        char *path = NULL;
        if (format_of(m, m->files->paths[m->listed]) == KT_NOTE_FORMATS)
            continue;
        rc = kt__path_of(m->folder, m->files->paths[m->listed], "", &path);
        if (rc == 0)
            m->loads[n++] = (kt__load){.path = path, .text = KT_BUFFER_INIT};
    }
    return rc < 0 ? rc : (ssize_t)n;
}

static int take_file(import *m, const kt__load *l)
{
    taking t = {m, l, 0};
    char why[KT__WHY_BYTES];
    ssize_t n = l->rc;
    if (n < 0)
        n = kt_error_set((int)n, "%s", kt_strerror((int)n));
    else
        n = kt_note_read_each(kt_buffer_slice(&l->text), format_of(m, l->path), take_note, &t);
    m->left--;
    if (n < 0 && (kt_is_cancel((int)n) || n == -ENOMEM || n == KT_ESHUTDOWN))
        return (int)n;
    m->told += n < 0;
    expect(m);
    if (n < 0) {
        kt__why((int)n, l->path, why, sizeof why);
        kt__writer_tell(m->writer, l->path, (int)n, why);
    }
    return 0;
}

static int take_all(import *m, const char *source)
{
    ssize_t n;
    int rc = 0;
    while (rc == 0 && (n = next_batch(m, source)) != 0) {
        size_t count = n < 0 ? 0 : (size_t)n;
        rc = n < 0 ? (int)n : kt__files_load(m->loads, count);
        for (size_t i = 0; i < count; i++) {
            if (rc == 0)
                rc = take_file(m, &m->loads[i]);
            kt_buffer_release(&m->loads[i].text);
        }
        for (size_t i = 0; i < BATCH; i++)
            kt_free((char *)kt_steal(m->loads[i].path));
    }
    return rc;
}

ssize_t kt_notes_import(const char *source, kt_notebook *b, const kt_notes_options *options,
                        kt_notes_summary *ret_summary)
{
    unsigned all = (1u << KT_NOTE_FORMATS) - 1;
    kt_auto(import) m = {
        .book = b, .o = options, .formats = options && options->formats ? options->formats : all};
    int rc = find_files(&m, source);
    if (rc >= 0 && !m.files && format_of(&m, source) == KT_NOTE_FORMATS)
        rc = kt_error_set(
            -EINVAL, "'%.200s' does not end as a format does: .md, .json, .csv, .html", source);
    if (rc >= 0)
        rc = list_names(&m);
    if (rc >= 0)
        rc = kt__writer_start(options, KT__SAVE_NEW | KT__SAVE_DURABLE, &m.writer);
    if (rc < 0)
        return rc;
    expect(&m);
    rc = take_all(&m, source);
    return kt__writer_end(m.writer, rc, ret_summary);
}
