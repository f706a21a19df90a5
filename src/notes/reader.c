/* SPDX-License-Identifier: MIT */

/* All notes of a folder, in order: read in batches, one batch ahead of the caller. */

#include <errno.h>
#include <kettle/dir.h>
#include <kettle/memory.h>
#include <kettle/task.h>
#include <stdio.h>

#include "notes/notes.h"

/* A batch is one job on a thread. Its size follows what the last one weighed, so that large
 * notes do not fill the memory and small ones do not cost a trip each. */
#define BATCH_MAX 64
#define BATCH_FIRST 8
#define BATCH_BYTES_LOW ((size_t)1 << 20)
#define BATCH_BYTES_HIGH ((size_t)4 << 20)

typedef struct batch {
    kt__load loads[BATCH_MAX];
    size_t count, at;
    int rc;
} batch;

struct kt_note_reader {
    char *folder;
    const kt_note_filter *filter;
    kt_path_list *names; /* all of the folder */
    size_t total; /* those that are notes */
    size_t listed; /* position in `names` behind the last that was put into a batch */
    size_t passed;
    size_t batch_size;
    bool ahead;
    batch *now, *next;
    kt_task *loading; /* of `next` */
    kt_note note; /* of the last entry */
    char name[KT_NOTE_NAME_BYTES];
    char why[KT__WHY_BYTES];
};

static bool is_note(const char *file)
{
    size_t size = strlen(file);
    return size > 3 && file[0] != '.' && size < KT_NOTE_NAME_BYTES &&
           strcmp(file + size - 3, ".md") == 0;
}

/* ---- Batches ------------------------------------------------------------------------------ */

static void batch_clear(batch *t)
{
    for (size_t i = 0; i < t->count; i++) {
        kt_free((char *)t->loads[i].path);
        kt_buffer_release(&t->loads[i].text);
    }
    t->count = t->at = 0;
}

/* Names the files of the next batch. */
static int batch_fill(kt_note_reader *r, batch *t)
{
    size_t i = r->listed;
    int rc = 0;
    for (; rc == 0 && i < r->names->count && t->count < r->batch_size; i++) {
        char *path = NULL;
        if (!is_note(r->names->paths[i]))
            continue;
        rc = kt__path_of(r->folder, r->names->paths[i], "", &path);
        if (rc == 0)
            t->loads[t->count++] = (kt__load){.path = path, .text = KT_BUFFER_INIT};
    }
    if (rc < 0) {
        batch_clear(t);
        return rc;
    }
    r->listed = i;
    return 0;
}

static int load(void *arg)
{
    batch *t = arg;
    t->rc = kt__files_load(t->loads, t->count);
    return t->rc;
}

static void weigh(kt_note_reader *r)
{
    size_t bytes = 0;
    for (size_t i = 0; i < r->now->count; i++)
        bytes += r->now->loads[i].text.capacity;
    if (bytes > BATCH_BYTES_HIGH && r->batch_size > 1)
        r->batch_size /= 2;
    else if (bytes < BATCH_BYTES_LOW && r->batch_size < BATCH_MAX)
        r->batch_size *= 2;
}

/* Starts to read what comes behind the batch at hand. */
static int start_loading(kt_note_reader *r)
{
    if (r->loading)
        return 0;
    if (r->next->count == 0) {
        int rc = batch_fill(r, r->next);
        if (rc < 0 || r->next->count == 0)
            return rc;
    }
    return kt_spawn_with(&(kt_spawn_options){.name = "note reader"}, load, r->next, 0, &r->loading);
}

/* Waits for the batch that is being read and makes it the one at hand. A cancellation ends the
 * wait alone, and a batch that failed as a whole is read again: the files in it are not lost. */
static int turn(kt_note_reader *r)
{
    int rc = start_loading(r);
    if (rc < 0 || !r->loading)
        return rc;
    rc = kt_shield(r->loading);
    if (!kt_task_done(r->loading))
        return rc;
    rc = kt_task_join(kt_steal(r->loading));
    if (rc < 0)
        return rc;
    batch_clear(r->now);
    batch *t = r->now;
    r->now = r->next;
    r->next = t;
    weigh(r);
    return r->ahead ? start_loading(r) : 0;
}

/* ---- Entries ------------------------------------------------------------------------------ */

/* 1 if there is something to tell of it. */
static int read_one(kt_note_reader *r, const kt__load *l, kt_note_entry *ret_entry)
{
    const char *file = strrchr(l->path, '/');
    file = file ? file + 1 : l->path;
    snprintf(r->name, sizeof r->name, "%.*s", (int)strlen(file) - 3, file);
    kt_note_release(&r->note);
    r->passed++;
    if (l->rc == -EISDIR)
        return 0;
    int rc = l->rc;
    r->why[0] = '\0';
    if (rc == 0 && kt__text_check(kt_slice_from(r->name)) < 0)
        rc = kt_error_set(KT_EVALIDATION, "the file's name is not UTF-8");
    else if (rc == 0)
        rc = kt_note_read(kt_buffer_slice(&l->text), KT_NOTE_MD, &r->note);
    else
        rc = kt_error_set(rc, "%s", kt_strerror(rc)); /* what it said was said to another task */
    if (rc == 0)
        kt__note_complete(&r->note, r->name, l->changed);
    else
        kt__why(rc, file, r->why, sizeof r->why);
    if (rc == 0 && !kt_note_passes(&r->note, r->filter))
        return 0;
    if (rc == -ENOMEM)
        return rc;
    *ret_entry = (kt_note_entry){.name = r->name, .note = r->note, .rc = rc, .why = r->why};
    ret_entry->note.storage = NULL; /* it is the reader's */
    return 1;
}

int kt_note_reader_next(kt_note_reader *r, kt_note_entry *ret_entry)
{
    for (;;) {
        if (r->now->at == r->now->count) {
            int rc = turn(r);
            if (rc < 0 || r->now->at == r->now->count)
                return rc;
        }
        int rc = read_one(r, &r->now->loads[r->now->at], ret_entry);
        if (rc < 0) {
            r->passed--; /* it comes again */
            return rc;
        }
        kt_buffer_release(&r->now->loads[r->now->at++].text);
        if (rc == 1)
            return 1;
    }
}

size_t kt_note_reader_total(const kt_note_reader *r)
{
    return r->total;
}

size_t kt_note_reader_passed(const kt_note_reader *r)
{
    return r->passed;
}

/* ---- Beginning and end -------------------------------------------------------------------- */

static int prepare(kt_note_reader *r, const char *folder)
{
    r->folder = kt_strndup(folder, strlen(folder));
    r->now = kt_calloc(1, sizeof *r->now);
    r->next = kt_calloc(1, sizeof *r->next);
    if (!r->folder || !r->now || !r->next)
        return -ENOMEM;
    int rc = kt_dir_list(folder, 0, &r->names);
    for (size_t i = 0; rc >= 0 && i < r->names->count; i++)
        r->total += is_note(r->names->paths[i]);
    return rc < 0 ? rc : 0;
}

int kt__note_reader_open(const char *folder, const kt_note_filter *filter, bool ahead,
                         kt_note_reader **ret_reader)
{
    kt_note_reader *r = kt_calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->filter = filter;
    r->ahead = ahead;
    r->batch_size = ahead ? BATCH_FIRST : 1;
    int rc = prepare(r, folder);
    if (rc < 0) {
        kt_note_reader_close(r);
        return rc;
    }
    *ret_reader = r;
    return 0;
}

int kt_note_reader_open(kt_notebook *b, const kt_note_filter *filter, kt_note_reader **ret_reader)
{
    return kt__note_reader_open(kt_notebook_folder(b), filter, true, ret_reader);
}

void kt_note_reader_close(kt_note_reader *r)
{
    if (!r)
        return;
    if (r->loading) {
        kt_task_cancel(r->loading);
        kt_cancel_hold();
        (void)(kt_task_join(kt_steal(r->loading)) < 0); /* what it read is thrown away */
        kt_cancel_unhold();
    }
    for (int i = 0; i < 2; i++) {
        batch *t = i ? r->next : r->now;
        if (t)
            batch_clear(t);
        kt_free(t);
    }
    kt_path_list_free(r->names);
    kt_note_release(&r->note);
    kt_free(r->folder);
    kt_free(r);
}
