/* SPDX-License-Identifier: MIT */

/* Many files written at once: a line of files to be written, and `in_flight` workers, each of
 * which takes its share of the line and writes that in one trip to the pool. So a few files are
 * all under way at the same time, and of many each costs but a part of a trip. A worker renders
 * its files itself: only what is under way is in memory. */

#include <errno.h>
#include <kettle/file.h>
#include <kettle/group.h>
#include <kettle/memory.h>
#include <kettle/queue.h>
#include <stdio.h>

#include "notes/notes.h"

#define IN_FLIGHT_DEFAULT 16
#define IN_FLIGHT_MAX 1024
#define SHARE_MAX 32 /* files that a worker takes at once */
#define SHARE_BYTES_MAX ((size_t)1 << 20) /* of their notes; one is taken whatever its size */
#define WAITING_BYTES_MAX ((size_t)8 << 20) /* of the notes in line */

typedef struct file {
    kt__shared_note *note;
    kt_note_format format;
    char *path;
    kt_buffer text;
    bool told; /* what became of it */
} file;

struct kt__writer {
    kt_notes_options o;
    unsigned save_flags;
    unsigned idle; /* workers that wait for a file */
    kt_notes_summary s;
    uint64_t done, total;
    kt_time began;
    kt_queue line;
    size_t waiting_bytes; /* in line */
    kt_event taken; /* a worker took files */
    kt_group workers;
};

/* ---- Notes that several files are written of ---------------------------------------------- */

kt__shared_note *kt__shared_note_new(const kt_note *n)
{
    kt__shared_note *s = kt_alloc(sizeof *s);
    if (!s)
        return NULL;
    *s = (kt__shared_note){KT_NOTE_INIT, 1};
    if (kt_note_copy(n, &s->note) < 0)
        kt_free(kt_steal(s));
    return s;
}

void kt__shared_note_unref(kt__shared_note *s)
{
    if (!s || --s->users > 0)
        return;
    kt_note_release(&s->note);
    kt_free(s);
}

static size_t bytes_of(const file *f)
{
    return f->note->note.body.size;
}

static void file_release(file *f)
{
    kt__shared_note_unref(f->note);
    kt_free(f->path);
    kt_buffer_release(&f->text);
}

/* ---- What came of it ---------------------------------------------------------------------- */

void kt__writer_tell(kt__writer *w, const char *path, int rc, const char *why)
{
    w->done++;
    w->total = w->total < w->done ? w->done : w->total;
    if (rc == 1)
        w->s.unchanged++;
    else if (rc < 0)
        w->s.failed++;
    if (rc < 0 && w->s.rc == 0)
        w->s.rc = rc;
    const kt_notes_progress p = {w->done, w->total, path, rc, why};
    if (w->o.progress)
        w->o.progress(&p, w->o.progress_arg);
}

void kt__writer_expect(kt__writer *w, uint64_t total)
{
    w->total = total;
}

void kt__writer_count_note(kt__writer *w)
{
    w->s.notes++;
}

static void file_ended(kt__writer *w, file *f, int rc, const char *failed_at)
{
    char why[KT__WHY_BYTES] = "";
    f->told = true;
    if (rc < 0 && failed_at)
        snprintf(why, sizeof why, "%.300s: %s: %s", f->path, failed_at, kt_strerror(rc));
    else if (rc < 0)
        kt__why(rc, f->path, why, sizeof why);
    w->s.files += rc >= 0;
    w->s.bytes += rc >= 0 ? f->text.size : 0;
    kt__writer_tell(w, f->path, rc < 0 ? rc : 0, why);
}

/* ---- Work --------------------------------------------------------------------------------- */

/* A worker's share of the line. */
typedef struct share {
    kt__writer *writer;
    file files[SHARE_MAX];
    kt_file_write_item items[SHARE_MAX];
    size_t at[SHARE_MAX]; /* the file of an item */
    size_t count, items_count;
} share;

static int render(const kt__writer *w, file *f)
{
    kt_note n = f->note->note;
    if ((w->save_flags & KT__SAVE_SPARSE) && f->format == KT_NOTE_MD && n.created == n.changed)
        n.created = 0;
    return kt_note_write(&n, f->format, &f->text);
}

static void item_ended(size_t index, void *arg)
{
    share *s = arg;
    const kt_file_write_item *item = &s->items[index];
    file_ended(s->writer, &s->files[s->at[index]], item->rc, item->failed_at);
}

/* Files that were not begun when the work was cancelled are not told of: the whole is given up. */
static int write_files(share *s)
{
    kt__writer *w = s->writer;
    const kt_file_batch_options o = {
        .workers = 1,
        .replace = true,
        .write = {.exclusive = (w->save_flags & KT__SAVE_NEW) != 0,
                  .no_sync = !(w->save_flags & KT__SAVE_DURABLE)},
        .on_item = item_ended,
        .arg = s,
    };
    int rc = kt_file_write_batch(s->items, s->items_count, &o);
    for (size_t i = 0; i < s->items_count; i++)
        if (!s->files[s->at[i]].told && !kt_is_cancel(s->items[i].rc))
            item_ended(i, s);
    return kt_is_cancel(rc) ? rc : 0;
}

static int write_elsewhere(share *s)
{
    const kt_notes_options *o = &s->writer->o;
    for (size_t i = 0; i < s->items_count; i++) {
        file *f = &s->files[s->at[i]];
        int rc = o->write(f->path, kt_buffer_slice(&f->text), o->write_arg);
        if (kt_is_cancel(rc))
            return rc;
        file_ended(s->writer, f, rc, NULL);
    }
    return 0;
}

static int write_share(share *s)
{
    s->items_count = 0;
    for (size_t i = 0; i < s->count; i++) {
        file *f = &s->files[i];
        int rc = render(s->writer, f);
        if (rc < 0) {
            file_ended(s->writer, f, rc, NULL);
            continue;
        }
        /* Only Markdown leaves the time of the last change to the file. */
        s->at[s->items_count] = i;
        s->items[s->items_count++] = (kt_file_write_item){
            .path = f->path,
            .content = kt_buffer_slice(&f->text),
            .changed = f->format == KT_NOTE_MD ? f->note->note.changed : 0,
        };
    }
    return s->writer->o.write ? write_elsewhere(s) : write_files(s);
}

/* Waits for a file and takes more, but leaves those who have none their part. What is waited for
 * (another service, the disk itself) is waited for by as many as possible. */
static int take_share(share *s)
{
    kt__writer *w = s->writer;
    w->idle++;
    int rc = kt_queue_get(&w->line, &s->files[0]);
    w->idle--;
    if (rc < 0)
        return rc;
    size_t share_max = 1 + kt_queue_size(&w->line) / (w->idle + 1), bytes = bytes_of(&s->files[0]);
    if (w->o.write || (w->save_flags & KT__SAVE_DURABLE) || w->o.in_flight == 1)
        share_max = 1;
    s->count = 1;
    while (s->count < SHARE_MAX && s->count < share_max && bytes < SHARE_BYTES_MAX &&
           kt_queue_get_nowait(&w->line, &s->files[s->count]) == 0)
        bytes += bytes_of(&s->files[s->count++]);
    w->waiting_bytes -= bytes;
    kt_event_set(&w->taken);
    return 0;
}

static int work(void *arg)
{
    kt__writer *w = arg;
    share *s = kt_alloc(sizeof *s);
    int rc = s ? 0 : -ENOMEM;
    if (s)
        s->writer = w;
    while (rc == 0 && (rc = take_share(s)) == 0) {
        rc = write_share(s);
        for (size_t i = 0; i < s->count; i++)
            file_release(&s->files[i]);
    }
    kt_free(s);
    return rc == KT_ESHUTDOWN ? 0 : rc;
}

/* ---- The whole ---------------------------------------------------------------------------- */

int kt__writer_start(const kt_notes_options *o, unsigned save_flags, kt__writer **ret_writer)
{
    kt__writer *w = kt_calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    if (o)
        w->o = *o;
    unsigned in_flight = w->o.in_flight ? w->o.in_flight : IN_FLIGHT_DEFAULT;
    in_flight = in_flight < IN_FLIGHT_MAX ? in_flight : IN_FLIGHT_MAX;
    w->save_flags = save_flags | (w->o.durable ? KT__SAVE_DURABLE : 0);
    w->began = kt_now();
    w->line = (kt_queue)KT_QUEUE_INIT(file, 0);
    w->line.max = in_flight == 1 ? 1 : (size_t)in_flight * 4;
    w->workers = (kt_group)KT_GROUP_INIT;
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < in_flight; i++)
        rc = kt_group_spawn_with(&w->workers, &(kt_spawn_options){.name = "notes writer"}, work, w,
                                 0, NULL);
    if (rc < 0) {
        rc = kt_group_join(&w->workers, rc);
        kt_free(w);
        return rc;
    }
    *ret_writer = w;
    return 0;
}

int kt__writer_put(kt__writer *w, kt__shared_note *n, kt_note_format f, char *path)
{
    file item = {.note = n, .format = f, .path = path, .text = KT_BUFFER_INIT};
    int rc = 0;
    n->users++;
    while (rc == 0 && w->waiting_bytes > WAITING_BYTES_MAX) {
        kt_event_clear(&w->taken);
        rc = kt_event_wait(&w->taken);
    }
    w->waiting_bytes += bytes_of(&item);
    if (rc == 0)
        rc = kt_queue_put(&w->line, &item);
    if (rc < 0) {
        w->waiting_bytes -= bytes_of(&item);
        file_release(&item);
    }
    return rc;
}

ssize_t kt__writer_end(kt__writer *w, int rc, kt_notes_summary *ret_summary)
{
    file left;
    kt_queue_shutdown(&w->line, false);
    rc = kt_group_join(&w->workers, rc);
    while (kt_queue_get_nowait(&w->line, &left) == 0)
        file_release(&left);
    kt_queue_release(&w->line);
    w->s.duration = kt_now() - w->began;
    ssize_t files = (ssize_t)w->s.files;
    if (ret_summary)
        *ret_summary = w->s;
    kt_free(w);
    return rc < 0 ? rc : files;
}
