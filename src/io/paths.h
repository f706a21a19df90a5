/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_PATHS_H
#define KETTLE_IO_PATHS_H

/* What the rooms of paths and directories share. */

#include <kettle/path.h>
#include <kettle/task.h>
#include <limits.h>

#include "io/disk.h"

/* One call for a pool thread. */
typedef struct kt__path_request {
    kt__disk *disk;
    int (*call)(kt__disk *d, struct kt__path_request *r); /* the result, by the system's calls alone */
    const char *verb, *path; /* for the words of a failure: "VERB PATH: reason" */
    const char *to;          /* "VERB PATH to TO: reason"; or NULL */
    union {
        unsigned flags;
        int access;
        const struct timespec *times; /* two */
    };
    mode_t mode;
    union {
        struct stat stat[2];
        struct statvfs statvfs;
        char text[PATH_MAX];
    };
    int rc;
} kt__path_request;

/* Has it done on a pool thread, and waits. The first leaves the words for a failure to the second; the third is
 * both. */
int kt__path_run_quietly(kt__path_request *r);
int kt__path_explain(const kt__path_request *r, int rc);
int kt__path_run(kt__path_request *r);

/* The directory in which `path` is a name: everything before it, "." or "/"; into `parent`. 0 or -ENAMETOOLONG. */
int kt__path_parent(const char *path, char parent[PATH_MAX]);

/* fsync(2) of a directory. */
int kt__disk_sync_dir(kt__disk *d, const char *path);

/* Makes a rename last: syncs the directory of `to`, and that of `from` if it is another. */
int kt__disk_sync_renamed(kt__disk *d, const char *from, const char *to);

/* kt_dir_remove_all as blocking code; no slashes at the end of root. */
int kt__disk_remove_all(kt__disk *d, const char *root);

/* A number for the names of temporary files, random but under the simulated driver, where the seed decides. On the
 * loop. */
uint64_t kt__temp_number(void);

/* DIR/PREFIX and 16 digits that stand for *number, which counts up; into `path`. 0 or -ENAMETOOLONG. */
int kt__temp_path(const char *dir, const char *prefix, uint64_t *number, char path[PATH_MAX]);
#define KT__TEMP_TRIES 1000 /* names that others have taken */

/* kt_path_match. LEADS: is there any path that begins with this one, goes on, and matches? HIDDEN: a dot at the begin
 * of a name is like any other character. */
enum { KT__MATCH_LEADS = 1, KT__MATCH_HIDDEN = 2 };
bool kt__path_match(const char *pattern, const char *path, unsigned how);

#endif
