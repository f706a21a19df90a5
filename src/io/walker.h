/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_WALKER_H
#define KETTLE_IO_WALKER_H

/* The walk through a tree as blocking code, for jobs: one step is a few system calls. It goes by descriptors from
 * directory to directory, so that neither the length of a path nor renames above matter, and never through a link
 * unless it was asked to.
 *
 * Few directories are open at once: the root and the last few. The way back up to another one is "..", if that leads
 * to the same directory as before (behind a link, or after a rename, it does not), else from the root down. */

#include <kettle/buffer.h>
#include <kettle/dir.h>

#include "io/disk.h"

typedef struct kt__level {
    int fd; /* -1: closed, to keep few open */
    dev_t device;
    ino_t inode;
    size_t path_size; /* of its path, in walker.path */
    bool at_end;      /* nothing left to read */
    int64_t position; /* of the last entry that was taken, for reading on */
    kt_buffer entries; /* struct kt__dirent: read, and taken up to `at` */
    size_t at;
    const kt__dirent **order; /* sorted, once all is read: the entries by name; then `at` counts these */
    size_t count;             /* sorted: of entries */
} kt__level;

typedef struct kt__walker {
    kt__disk *disk;
    kt_walk_options options;
    bool tells_leaving; /* KT__WALK_LEFT */
    bool enter;         /* the entry at hand is a directory to go into next */
    kt_buffer path;     /* of the entry at hand, or the directory that failed, terminated */
    kt__level *levels;
    size_t depth, capacity; /* of levels; the last one is that being read */
    size_t entries_max;     /* of a directory, when sorted */
} kt__walker;

enum {
    KT__WALK_END = 0,
    KT__WALK_FOUND = 1, /* an entry: walker.path, *ret_found */
    KT__WALK_ON = 2,    /* nothing to tell: call again */
    KT__WALK_LEFT = 3,  /* all that is in the directory walker.path has been told; the last level is its parent's */
};

/* Its path is in the walker, its name the last part. */
typedef struct kt__walk_found {
    kt_path_type type;
    unsigned depth;
    uint64_t inode;
    size_t name_size;
} kt__walk_found;

/* Opens the root; `flags`: O_NOFOLLOW or 0. On failure there is nothing to close. */
int kt__walker_open(kt__walker *w, kt__disk *d, const char *root, int flags, const kt_walk_options *o);

/* See above; or an error: of the directory walker.path, which is passed over; or -ENOMEM, the walk being where it
 * was. */
int kt__walker_step(kt__walker *w, kt__walk_found *ret_found);

/* The descriptor of the directory in which the entry at hand is. */
int kt__walker_fd(const kt__walker *w);

/* The name, in that directory, of the entry at hand or of the directory that was left. */
const char *kt__walker_name(const kt__walker *w);

/* Leaves directories, with nothing told, until `depth` levels are left. 0; or an error of the last of these, which is
 * passed over, as of a step. */
int kt__walker_cut(kt__walker *w, size_t depth);

/* Closes what is open, and frees. */
void kt__walker_close(kt__walker *w);

#endif
