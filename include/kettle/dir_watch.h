/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_DIR_WATCH_H
#define KETTLE_DIR_WATCH_H

/* Watching a directory, or a tree, for changes.
 *
 *     kt_auto(kt_dir_watch) *w = NULL;                       // closed on any way out of this scope
 *     kt_dir_watch_options o = {.recursive = true};
 *     kt_dir_event e;
 *     int rc = kt_dir_watch_open("notes", &o, &w);
 *     while (rc >= 0 && (rc = kt_dir_watch_next(w, &e)) == 1)
 *         if (e.change == KT_DIR_WRITTEN)
 *             rc = export(e.path);                           // "tea/green.md", from "notes" on
 *
 * Many changes in a short time are as many events: to wait for a pause is the caller's affair (see
 * kt_debouncer in rate.h). Changes that other machines make on a network's file system are not seen, nor those of
 * /proc and /sys. By inotify(7), which knows nothing of the simulated driver or disk: KT_ENOTSIM there. */

#include <kettle/base.h>

KT_BEGIN

typedef enum kt_dir_change {
    KT_DIR_CREATED,    /* there is a new name: made, linked, or moved here from elsewhere */
    KT_DIR_WRITTEN,    /* a file that was open for writing has been closed */
    KT_DIR_MODIFIED,   /* bytes were written or cut off; with every_write only */
    KT_DIR_ATTRIBUTES, /* permissions, owner, times, number of links; with attributes only */
    KT_DIR_REMOVED,    /* a name is gone: removed, or moved elsewhere */
    KT_DIR_MOVED,      /* from old_path to path, both being watched; replaces what was there */
    KT_DIR_RESCAN,     /* more happened than the system keeps: events are lost, so look at everything again */
    KT_DIR_GONE,       /* the directory itself was removed, renamed or unmounted: no more events come */
} kt_dir_change;

typedef struct kt_dir_event {
    kt_dir_change change;
    const char *path;     /* from the directory on; "" for itself. Until the next call on this watch */
    const char *old_path; /* KT_DIR_MOVED only, else NULL; the same */
    bool is_dir;          /* is, or was, it a directory? */
} kt_dir_event;

/* All zero means the defaults. */
typedef struct kt_dir_watch_options {
    bool recursive;   /* directories within, too, and those that are new; links are not followed */
    bool every_write; /* KT_DIR_MODIFIED */
    bool attributes;  /* KT_DIR_ATTRIBUTES */
    uintptr_t reserved[2];
} kt_dir_watch_options;

typedef struct kt_dir_watch kt_dir_watch;

/* Begins to watch. NULL options mean the defaults. The caller owns *ret_watch. -ENOENT, -ENOTDIR, -EACCES; -EMFILE
 * beyond the user's fs.inotify.max_user_instances, -ENOSPC beyond max_user_watches (one for each directory),
 * -ENAMETOOLONG for one whose path is beyond 4,095 bytes, -ENOMEM, KT_ENOTSIM. Directories are read by jobs on a
 * thread of the loop's pool; a relative path counts from the working directory of that moment, and later for new
 * directories. Suspends; a cancellation leaves nothing. */
KT_API int kt_dir_watch_open(const char *path, const kt_dir_watch_options *options,
                             kt_dir_watch **ret_watch) KT_CHECKED;

/* Waits for the next change: 1; or 0 after KT_DIR_GONE. The events of one directory come in their order. What is in a
 * directory that is new in a watched tree is told as created, in no order; what appears there just then may be told
 * twice. An error that is no cancellation concerns a new directory which cannot be watched (-ENOSPC, -EACCES; the
 * detail names it) or is -ENOMEM: the next call goes on, and nothing is lost but, after others than -ENOMEM, what
 * happens in there. A cancellation loses nothing. Suspends. In one task at a time. Like read(2) of inotify(7),
 * watchfiles.awatch. */
KT_API int kt_dir_watch_next(kt_dir_watch *w, kt_dir_event *ret_event) KT_CHECKED;

/* Ends the watch and frees; NULL is allowed. No task may wait in it. Suspends; a cancellation is held back. */
KT_API void kt_dir_watch_close(kt_dir_watch *w);

static inline void kt_dir_watch_cleanup(kt_dir_watch **w)
{
    kt_dir_watch_close(*w);
}

KT_END

#endif
