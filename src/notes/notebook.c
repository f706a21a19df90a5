/* SPDX-License-Identifier: MIT */

/* A folder of notes: one note at a time. */

#include <errno.h>
#include <kettle/dir.h>
#include <kettle/memory.h>
#include <stdio.h>

#include "notes/notes.h"

struct kt_notebook {
    char folder[1]; /* as long as it is */
};

int kt_notebook_open(const char *folder, unsigned flags, kt_notebook **ret_book)
{
    int rc = flags & KT_NOTEBOOK_MAKE ? kt_dir_make_all(folder, 0) : kt_path_is_dir(folder);
    if (rc < 0)
        return rc;
    if (rc == 0 && !(flags & KT_NOTEBOOK_MAKE)) {
        rc = kt_path_exists(folder);
        return rc < 0    ? rc
               : rc == 0 ? kt_error_set(-ENOENT, "there is no folder '%s'", folder)
                         : kt_error_set(-ENOTDIR, "'%s' is no folder", folder);
    }
    kt_notebook *b = kt_alloc(sizeof *b + strlen(folder));
    if (!b)
        return -ENOMEM;
    memcpy(b->folder, folder, strlen(folder) + 1);
    *ret_book = b;
    return 0;
}

void kt_notebook_close(kt_notebook *b)
{
    kt_free(b);
}

const char *kt_notebook_folder(const kt_notebook *b)
{
    return b->folder;
}

/* ---- Names -------------------------------------------------------------------------------- */

bool kt__note_name_is_possible(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size + sizeof ".md" <= KT_NOTE_NAME_BYTES && name[0] != '.' &&
           !strchr(name, '/') && kt__text_check(kt_slice_from(name)) == 0;
}

static int no_note(const char *name)
{
    return kt_error_set(KT_ENOTFOUND, "there is no note '%.200s'", name);
}

/* The path of a note's file. */
static int path_of(const kt_notebook *b, const char *name, char **ret_path)
{
    if (!kt__note_name_is_possible(name))
        return no_note(name);
    return kt__path_of(b->folder, name, ".md", ret_path);
}

/* ---- Reading ------------------------------------------------------------------------------ */

void kt__note_complete(kt_note *n, const char *title, kt_time file_changed)
{
    if (!n->title.data)
        n->title = kt__text_trim(kt_slice_from(title));
    n->changed = n->changed ? n->changed : file_changed;
    n->created = n->created ? n->created : n->changed;
}

/* A title from the file's name must be in the note's own memory. */
static int read_note(const char *name, const kt__load *load, kt_note *ret_note)
{
    kt_auto(kt_note) read = KT_NOTE_INIT;
    int rc = kt_note_read(kt_buffer_slice(&load->text), KT_NOTE_MD, &read);
    if (rc < 0) {
        char why[KT__WHY_BYTES];
        kt__why(rc, load->path, why, sizeof why);
        return kt_error_set(rc, "%s", why);
    }
    bool named = read.title.data != NULL;
    kt__note_complete(&read, name, load->changed);
    if (!named)
        return kt_note_copy(&read, ret_note);
    *ret_note = read;
    read = (kt_note)KT_NOTE_INIT;
    return 0;
}

int kt_notebook_get(kt_notebook *b, const char *name, kt_note *ret_note)
{
    kt__load load = {.text = KT_BUFFER_INIT};
    char *path = NULL;
    int rc = path_of(b, name, &path);
    load.path = path;
    if (rc == 0)
        rc = kt__files_load(&load, 1);
    if (rc == 0)
        rc = load.rc == -ENOENT ? no_note(name) : load.rc;
    if (rc == 0)
        rc = read_note(name, &load, ret_note);
    kt_buffer_release(&load.text);
    kt_free(path);
    return rc;
}

/* ---- Writing ------------------------------------------------------------------------------ */

static int save(const char *path, const kt_note *n, unsigned flags)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    int rc = kt_note_write(n, KT_NOTE_MD, &text);
    return rc < 0
               ? rc
               : kt__file_save(path, kt_buffer_slice(&text), n->changed, flags | KT__SAVE_DURABLE);
}

/* Names that are there, so that a new one differs from all in more than case. */
static int names_of(const kt_notebook *b, kt__names *names)
{
    kt_auto(kt_path_list) *list = NULL;
    kt__name *entry;
    int rc = kt_dir_list(b->folder, 0, &list);
    for (size_t i = 0; rc >= 0 && i < list->count; i++) {
        kt_slice file = kt_slice_from(list->paths[i]);
        if (file.size > 3 && memcmp(file.data + file.size - 3, ".md", 3) == 0)
            rc = kt__names_enter(names, (kt_slice){file.data, file.size - 3}, &entry);
    }
    return rc < 0 ? rc : 0;
}

int kt_notebook_add(kt_notebook *b, const kt_note *n, char ret_name[KT_NOTE_NAME_BYTES])
{
    kt_auto(kt__names) names = {NULL, 0, 0, false};
    char slug[KT_NOTE_SLUG_BYTES], name[KT_NOTE_NAME_BYTES];
    kt_note note = *n;
    note.changed = n->changed ? n->changed : kt__wall_now();
    note.created = n->created ? n->created : note.changed;
    kt_note_slug(n->title, slug);
    int rc = kt_note_check(n);
    if (rc == 0)
        rc = names_of(b, &names);
    if (rc < 0)
        return rc;
    do { /* another program may be quicker with the same name */
        char *path = NULL;
        rc = kt__names_claim(&names, slug, name);
        if (rc == 0)
            rc = kt__path_of(b->folder, name, ".md", &path);
        if (rc == 0)
            rc = save(path, &note, KT__SAVE_NEW);
        kt_free(path);
    } while (rc == -EEXIST);
    if (rc == 0)
        memcpy(ret_name, name, sizeof name);
    return rc;
}

/* Is the file there, and as it was seen? */
static int check_seen(const char *name, const char *path, kt_time seen)
{
    struct stat st;
    int rc = kt_path_stat(path, &st);
    if (rc == -ENOENT)
        return no_note(name);
    if (rc < 0)
        return rc;
    kt_time changed = KT_S(st.st_mtim.tv_sec) + st.st_mtim.tv_nsec;
    return seen == 0 || seen == changed
               ? 0
               : kt_error_set(KT_ECONFLICT, "'%.200s' was changed meanwhile", name);
}

int kt_notebook_put(kt_notebook *b, const char *name, const kt_note *n, kt_time seen)
{
    char *path = NULL;
    int rc = kt_note_check(n);
    if (rc == 0)
        rc = path_of(b, name, &path);
    if (rc == 0)
        rc = check_seen(name, path, seen);
    if (rc == 0)
        rc = save(path, n, 0);
    kt_free(path);
    return rc;
}

int kt_notebook_remove(kt_notebook *b, const char *name)
{
    char *path = NULL;
    int rc = path_of(b, name, &path);
    if (rc == 0)
        rc = kt_path_remove(path);
    kt_free(path);
    return rc == -ENOENT ? no_note(name) : rc;
}

/* The new file is on the disk before the old one goes: a crash in between leaves both, never
 * none. (A rename(2) that the power cuts off may, on some file systems, leave neither name.) */
static int replace_by(const char *from, const char *to, const kt_note *n)
{
    int rc = save(to, n, KT__SAVE_NEW);
    if (rc < 0)
        return rc;
    rc = kt_path_remove(from);
    if (rc < 0 && rc != -ENOENT)
        (void)(kt_path_remove(to) < 0); /* the error is the other one's */
    return rc == -ENOENT ? 0 : rc;
}

static int move(kt_notebook *b, const char *name, const kt_note *n,
                char new_name[KT_NOTE_NAME_BYTES])
{
    kt_auto(kt__names) names = {NULL, 0, 0, false};
    char slug[KT_NOTE_SLUG_BYTES];
    char *from = NULL;
    kt_note_slug(n->title, slug);
    int rc = names_of(b, &names);
    kt__names_drop(&names, kt_slice_from(name)); /* its own name may stay */
    if (rc == 0)
        rc = path_of(b, name, &from);
    while (rc == 0) {
        char *to = NULL;
        rc = kt__names_claim(&names, slug, new_name);
        if (rc == 0 && strcmp(new_name, name) == 0) {
            rc = save(from, n, 0);
            break;
        }
        if (rc == 0)
            rc = kt__path_of(b->folder, new_name, ".md", &to);
        if (rc == 0)
            rc = replace_by(from, to, n);
        kt_free(to);
        if (rc != -EEXIST)
            break;
        rc = 0; /* another program was quicker with that name */
    }
    kt_free(from);
    return rc;
}

int kt__notebook_replace(kt_notebook *b, const char *name, const kt_note *n, kt_time seen,
                         char ret_name[KT_NOTE_NAME_BYTES])
{
    kt_auto(kt_note) old = KT_NOTE_INIT;
    char new_name[KT_NOTE_NAME_BYTES];
    int rc = kt_note_check(n);
    if (rc == 0)
        rc = kt_notebook_get(b, name, &old);
    if (rc < 0)
        return rc;
    if (seen && seen != old.changed)
        return kt_error_set(KT_ECONFLICT, "'%.200s' was changed meanwhile", name);
    if (kt_slice_equal(old.title, n->title))
        snprintf(new_name, sizeof new_name, "%s", name);
    rc = kt_slice_equal(old.title, n->title) ? kt_notebook_put(b, name, n, seen)
                                             : move(b, name, n, new_name);
    if (rc == 0)
        memcpy(ret_name, new_name, strlen(new_name) + 1);
    return rc;
}

int kt_notebook_rename(kt_notebook *b, const char *name, kt_slice title,
                       char ret_name[KT_NOTE_NAME_BYTES])
{
    kt_auto(kt_note) old = KT_NOTE_INIT;
    int rc = kt_notebook_get(b, name, &old);
    if (rc < 0)
        return rc;
    kt_note n = old; /* without what it owns */
    n.title = title;
    n.changed = kt__wall_now();
    return kt__notebook_replace(b, name, &n, 0, ret_name);
}

/* ---- What a person means ------------------------------------------------------------------ */

static bool is_there(kt_notebook *b, const char *name)
{
    char *path = NULL;
    bool there = path_of(b, name, &path) == 0 && kt_path_is_file(path) == 1;
    kt_free(path);
    return there;
}

static int find_title(kt_notebook *b, const char *words, char name[KT_NOTE_NAME_BYTES])
{
    kt_auto(kt_note_reader) *r = NULL;
    kt_note_entry e;
    bool found = false;
    int rc = kt_note_reader_open(b, NULL, &r);
    while (rc >= 0 && (rc = kt_note_reader_next(r, &e)) == 1) {
        if (e.rc < 0 || !kt_slice_is(e.note.title, words))
            continue;
        if (found)
            return kt_error_set(
                KT_ECONFLICT,
                "several notes have the title '%.100s': say which by its name, '%.60s' or "
                "'%.60s'",
                words, name, e.name);
        found = true;
        snprintf(name, KT_NOTE_NAME_BYTES, "%s", e.name);
    }
    return rc < 0 ? rc : found;
}

int kt_notebook_find(kt_notebook *b, const char *words, char ret_name[KT_NOTE_NAME_BYTES])
{
    char name[KT_NOTE_NAME_BYTES];
    size_t size = strlen(words);
    if (size > 3 && size < sizeof name && strcmp(words + size - 3, ".md") == 0) {
        snprintf(name, sizeof name, "%.*s", (int)size - 3, words);
        if (is_there(b, name)) {
            memcpy(ret_name, name, size - 2);
            return 0;
        }
    }
    if (is_there(b, words)) {
        memcpy(ret_name, words, size + 1);
        return 0;
    }
    int rc = find_title(b, words, name);
    if (rc == 1)
        memcpy(ret_name, name, sizeof name);
    return rc < 0 ? rc : rc == 0 ? no_note(words) : 0;
}
