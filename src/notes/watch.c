/* SPDX-License-Identifier: MIT */

/* A notebook that is exported again whenever it changes. */

#include <errno.h>
#include <kettle/dir.h>
#include <kettle/dir_watch.h>
#include <kettle/memory.h>
#include <kettle/timeout.h>

#include "notes/export.h"

/* An editor's save is several changes; a run begins when there has been quiet, but is not put
 * off for ever. */
#define QUIET KT_MS(200)
#define DELAY_MAX KT_S(2)

typedef struct watcher {
    kt_notebook *book;
    const kt_notes_options *o;
    void (*ran)(const kt_notes_summary *s, void *arg);
    void *arg;
    kt_dir_watch *watch;
    kt__export x;
    kt__names written; /* by a note's name, what its files are called */
    kt__names changed; /* notes to look at */
    kt__names stale; /* names of files to be removed */
    kt_time first; /* when the first of the changes came */
} watcher;

static void watcher_cleanup(watcher *w)
{
    kt_dir_watch_close(w->watch);
    kt__names_release(&w->x.names);
    kt__names_release(&w->written);
    kt__names_release(&w->changed);
    kt__names_release(&w->stale);
}

/* ---- What has changed --------------------------------------------------------------------- */

static int note_change(watcher *w, const char *file)
{
    kt_slice name = kt_slice_from(file);
    kt__name *entry;
    if (name.size <= 3 || file[0] == '.' || memcmp(file + name.size - 3, ".md", 3) != 0)
        return 0;
    name.size -= 3;
    if (w->changed.count == 0)
        w->first = kt_now();
    int rc = kt__names_enter(&w->changed, name, &entry);
    return rc < 0 ? rc : 0;
}

/* After events were lost: all that is there, and all that was. */
static int note_all(watcher *w)
{
    kt_auto(kt_path_list) *list = NULL;
    int rc = kt_dir_list(kt_notebook_folder(w->book), 0, &list);
    for (size_t i = 0; rc == 0 && i < list->count; i++)
        rc = note_change(w, list->paths[i]);
    size_t cursor = 0;
    for (kt__name *n = NULL; rc == 0 && (n = kt__names_each(&w->written, &cursor, n));) {
        kt__name *entry;
        rc = kt__names_enter(&w->changed, kt_slice_from(n->text), &entry);
        rc = rc < 0 ? rc : 0;
    }
    return rc;
}

static int take_event(watcher *w, const kt_dir_event *e)
{
    if (e->change == KT_DIR_RESCAN)
        return note_all(w);
    int rc = e->old_path ? note_change(w, e->old_path) : 0;
    return rc < 0 ? rc : note_change(w, e->path);
}

/* Waits for changes until there has been quiet. 1; 0 when the folder is gone. */
static int wait_for_changes(watcher *w)
{
    for (;;) {
        kt_dir_event e;
        kt_auto(kt_timeout) limit = KT_TIMEOUT_INIT;
        kt_time left = w->first + DELAY_MAX - kt_now();
        bool limited = w->changed.count > 0;
        if (limited)
            kt_timeout_start(&limit, left < 0 ? 0 : left < QUIET ? left : QUIET);
        int rc = kt_dir_watch_next(w->watch, &e);
        if (rc == 1)
            rc = take_event(w, &e) < 0 ? -ENOMEM : 1;
        if (limited)
            rc = kt_timeout_end(&limit, rc);
        if (rc == KT_ETIMEDOUT)
            return 1;
        if (rc <= 0)
            return rc;
    }
}

/* ---- One run ------------------------------------------------------------------------------ */

/* Is a file's name the slug itself, or the slug with a number? */
static bool fits(const char *name, const char *slug)
{
    size_t size = strlen(slug);
    if (strncmp(name, slug, size) != 0)
        return false;
    const char *rest = name + size;
    return *rest == '\0' ||
           (*rest == '-' && rest[1] && strspn(rest + 1, "0123456789") == strlen(rest + 1));
}

/* The files that it had are removed at the end, when its new ones are there. */
static int give_up(watcher *w, const char *name)
{
    kt__name *entry, *was = kt__names_find(&w->written, kt_slice_from(name));
    if (!was)
        return 0;
    int rc = kt__names_enter(&w->stale, kt_slice_from(was->value), &entry);
    kt__names_drop(&w->x.names, kt_slice_from(was->value));
    kt__names_drop(&w->written, kt_slice_from(name));
    return rc < 0 ? rc : 0;
}

static int export_one(watcher *w, const char *name)
{
    kt_auto(kt_note) n = KT_NOTE_INIT;
    char slug[KT_NOTE_SLUG_BYTES];
    int rc = kt_notebook_get(w->book, name, &n);
    if (rc == KT_ENOTFOUND || (rc == 0 && !kt_note_passes(&n, w->o ? w->o->filter : NULL)))
        return give_up(w, name);
    if (kt_is_cancel(rc) || rc == -ENOMEM)
        return rc;
    if (rc < 0) {
        kt__writer_tell(w->x.writer, name, rc, kt_error_detail());
        w->x.unreadable++;
        return 0;
    }
    kt_note_slug(n.title, slug);
    const kt__name *was = kt__names_find(&w->written, kt_slice_from(name));
    bool keeps = was && fits(was->value, slug);
    rc = was && !keeps ? give_up(w, name) : 0;
    kt__writer_count_note(w->x.writer);
    w->x.taken++;
    if (rc == 0)
        rc = kt__export_make_folders(&w->x, w->o);
    if (rc < 0)
        return rc;
    if (!keeps)
        return kt__export_put(&w->x, name, &n, NULL);
    char as[KT_NOTE_NAME_BYTES]; /* `was` is given another value meanwhile */
    memcpy(as, was->value, strlen(was->value) + 1);
    return kt__export_put(&w->x, name, &n, as);
}

/* Notes that are gone give their files' names back before others ask for one: a note that was
 * moved keeps its. */
static int give_up_gone(watcher *w)
{
    size_t cursor = 0;
    int rc = 0;
    for (kt__name *n = NULL; rc >= 0 && (n = kt__names_each(&w->changed, &cursor, n));) {
        char *path = NULL;
        rc = kt__path_of(kt_notebook_folder(w->book), n->text, ".md", &path);
        if (rc == 0)
            rc = kt_path_exists(path);
        kt_free(path);
        if (rc == 0)
            rc = give_up(w, n->text);
        else if (rc < 0 && !kt_is_cancel(rc) && rc != -ENOMEM)
            rc = 1; /* who reads it will tell */
    }
    return rc < 0 ? rc : 0;
}

static int remove_stale(watcher *w)
{
    size_t cursor = 0;
    int rc = 0;
    for (kt__name *n = NULL; rc == 0 && (n = kt__names_each(&w->stale, &cursor, n));)
        for (int f = 0; rc == 0 && f < KT_NOTE_FORMATS; f++) {
            char *path = NULL;
            if (!(w->x.formats & 1u << f) || kt__names_find(&w->x.names, kt_slice_from(n->text)))
                continue; /* or another note has that name now */
            rc = kt__export_path(&w->x, n->text, (kt_note_format)f, &path);
            if (rc == 0)
                rc = kt_path_remove(path);
            kt_free(path);
            rc = kt_is_cancel(rc) || rc == -ENOMEM
                     ? rc
                     : 0; /* it is gone already, or will be told of as it stands */
        }
    return rc;
}

static int run_changes(watcher *w)
{
    kt_notes_summary s = {0};
    size_t cursor = 0;
    int rc = give_up_gone(w);
    if (rc == 0)
        rc = kt__writer_start(w->o, KT__SAVE_SPARSE, &w->x.writer);
    if (rc < 0)
        return rc;
    size_t left = w->changed.count;
    w->x.taken = w->x.unreadable = 0;
    for (kt__name *n = NULL; rc == 0 && (n = kt__names_each(&w->changed, &cursor, n)); left--) {
        kt__writer_expect(w->x.writer, (w->x.taken + left) * w->x.formats_count + w->x.unreadable);
        rc = export_one(w, n->text);
    }
    kt__writer_expect(w->x.writer, w->x.taken * w->x.formats_count + w->x.unreadable);
    ssize_t files = kt__writer_end(kt_steal(w->x.writer), rc, &s);
    rc = files < 0 ? (int)files : remove_stale(w);
    if (rc == 0 && w->ran)
        w->ran(&s, w->arg);
    kt__names_release(&w->changed);
    kt__names_release(&w->stale);
    return rc;
}

int kt_notebook_watch(kt_notebook *b, const char *folder, const kt_notes_options *options,
                      void (*ran)(const kt_notes_summary *s, void *arg), void *arg)
{
    kt_auto(watcher) w = {
        .book = b,
        .o = options,
        .ran = ran,
        .arg = arg,
        .x = {.folder = folder, .formats = kt__export_formats(options)},
        .written.exact = true,
        .changed.exact = true,
        .stale.exact = true,
    };
    kt_notes_summary s = {0};
    w.x.written = &w.written;
    int rc = kt_dir_watch_open(kt_notebook_folder(b), NULL,
                               &w.watch); /* first, so that no change is missed */
    ssize_t files = rc < 0 ? rc : kt__export_run_folder(kt_notebook_folder(b), &w.x, options, &s);
    if (files >= 0 && ran)
        ran(&s, arg);
    rc = files < 0 ? (int)files : 1;
    while (rc >= 0 && (rc = wait_for_changes(&w)) == 1)
        rc = run_changes(&w);
    return rc == 0 ? kt_error_set(-ENOENT, "the folder '%.200s' is gone", kt_notebook_folder(b))
                   : rc;
}
