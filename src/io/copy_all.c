/* SPDX-License-Identifier: MIT */

/* The copy of a tree, and moves across file systems. The source is walked by descriptors; the copy is made in a
 * directory beside the target, which is renamed in the end, or removed. */

#include <errno.h>
#include <kettle/buffer.h>
#include <kettle/dir.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <kettle/thread.h>
#include <stdio.h>

#include "io/copy.h"
#include "io/walker.h"

#define TRIP_STEPS 256
#define TRIP_BYTES ((int64_t)4 << 20)

typedef struct tree {
    kt__disk *disk;
    const char *from, *to;
    unsigned flags;
    uint64_t number;

    kt__walker walker;
    kt__copy file;   /* under way while `copying` */
    bool copying;
    bool made, over; /* `temp` is there; all is done */
    bool at_target;  /* a failure is the target's: for its words */
    struct stat itself; /* that directory */
    int64_t done, total;
    int rc;
    char temp[PATH_MAX];
    char path[PATH_MAX]; /* in there, of the entry at hand */
} tree;

/* ---- Steps --------------------------------------------------------------------------------- */

/* The directory that becomes the copy; it is closed to all others until then. */
static int make_root(tree *t)
{
    char dir[PATH_MAX];
    struct stat st;
    int rc = t->disk->stat(t->disk, AT_FDCWD, t->to, AT_SYMLINK_NOFOLLOW, &st);
    if (rc != -ENOENT)
        return rc < 0 ? rc : -EEXIST;
    rc = kt__path_parent(t->to, dir);
    if (rc < 0)
        return rc;
    rc = -EEXIST;
    for (int tries = 0; rc == -EEXIST && tries < KT__TEMP_TRIES; tries++) {
        rc = kt__temp_path(dir, ".kettle-", &t->number, t->temp);
        if (rc == 0)
            rc = t->disk->mkdir(t->disk, AT_FDCWD, t->temp, 0700);
    }
    t->made = rc == 0;
    if (rc == 0)
        rc = t->disk->stat(t->disk, AT_FDCWD, t->temp, AT_SYMLINK_NOFOLLOW, &t->itself);
    return rc;
}

static int begin(tree *t)
{
    int rc = kt__walker_open(&t->walker, t->disk, t->from, 0, NULL);
    if (rc < 0)
        return rc;
    t->walker.tells_leaving = true;
    t->at_target = true;
    rc = make_root(t);
    t->at_target = rc < 0;
    return rc;
}

/* Where the entry at hand, or the directory just left, is to be. */
static int set_path(tree *t)
{
    int size = snprintf(t->path, sizeof t->path, "%s/%s", t->temp, t->walker.path.data);
    return size < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int copy_link(const tree *t)
{
    char target[PATH_MAX];
    ssize_t n = t->disk->readlink(t->disk, kt__walker_fd(&t->walker), kt__walker_name(&t->walker), target,
                                  sizeof target);
    if (n < 0)
        return (int)n;
    if (n == PATH_MAX)
        return -ENAMETOOLONG;
    target[n] = '\0';
    return t->disk->symlink(t->disk, target, AT_FDCWD, t->path);
}

static int copy_file(tree *t)
{
    int64_t before = t->file.at;
    int rc = kt__copy_step(&t->file);
    t->done += t->file.at - before;
    t->copying = rc == 1;
    return rc < 0 ? rc : 0;
}

static int begin_file(tree *t)
{
    t->file = (kt__copy){
        .disk = t->disk,
        .from_dir = kt__walker_fd(&t->walker),
        .from = kt__walker_name(&t->walker),
        .to = t->path,
        .flags = t->flags,
        .in_place = true,
    };
    int rc = copy_file(t);
    t->total += t->file.total > t->file.at ? t->file.total : t->file.at;
    return rc;
}

/* The copy must not be part of what is copied. */
static int copy_dir(const tree *t, uint64_t inode)
{
    kt__disk *d = t->disk;
    struct stat st = {.st_dev = 0};
    int rc = 0;
    if (inode == t->itself.st_ino)
        rc = d->stat(d, kt__walker_fd(&t->walker), kt__walker_name(&t->walker), AT_SYMLINK_NOFOLLOW, &st);
    if (rc == 0 && st.st_ino == t->itself.st_ino && st.st_dev == t->itself.st_dev)
        rc = -EINVAL;
    return rc < 0 ? rc : d->mkdir(d, AT_FDCWD, t->path, 0700);
}

static int copy_entry(tree *t, const kt__walk_found *found)
{
    int rc = set_path(t);
    if (rc < 0)
        return rc;
    switch (found->type) {
    case KT_PATH_FILE:
        return begin_file(t);
    case KT_PATH_DIR:
        return copy_dir(t, found->inode);
    case KT_PATH_LINK:
        return copy_link(t);
    default:
        return -EINVAL;
    }
}

/* A directory may get permissions under which nothing more could be put there. */
static int leave_dir(tree *t, int from_dir, const char *from, const char *path)
{
    struct stat st;
    int rc = t->disk->stat(t->disk, from_dir, from, 0, &st);
    if (rc == 0 && t->flags & KT_PATH_KEEP_TIMES)
        rc = t->disk->utimens(t->disk, AT_FDCWD, path, (struct timespec[2]){st.st_atim, st.st_mtim}, 0);
    if (rc == 0 && t->flags & KT_PATH_DURABLE)
        rc = kt__disk_sync_dir(t->disk, path);
    return rc < 0 ? rc : t->disk->chmod(t->disk, AT_FDCWD, path, st.st_mode & 0777);
}

static int finish(tree *t)
{
    int rc = leave_dir(t, AT_FDCWD, t->from, t->temp);
    if (rc < 0)
        return rc;
    t->at_target = true;
    rc = t->disk->rename(t->disk, AT_FDCWD, t->temp, AT_FDCWD, t->to, RENAME_NOREPLACE);
    if (rc == -EINVAL) /* where the file system cannot do that: rename(2) replaces an empty directory alone */
        rc = t->disk->rename(t->disk, AT_FDCWD, t->temp, AT_FDCWD, t->to, 0);
    if (rc < 0)
        return rc;
    t->made = false;
    t->over = true;
    return t->flags & KT_PATH_DURABLE ? kt__disk_sync_renamed(t->disk, t->temp, t->to) : 0;
}

static int step(tree *t)
{
    kt__walk_found found;
    if (!t->made)
        return begin(t);
    if (t->copying)
        return copy_file(t);
    int rc = kt__walker_step(&t->walker, &found);
    if (rc == KT__WALK_FOUND)
        return copy_entry(t, &found);
    if (rc == KT__WALK_END)
        return finish(t);
    if (rc != KT__WALK_LEFT)
        return rc;
    rc = set_path(t);
    return rc < 0 ? rc : leave_dir(t, kt__walker_fd(&t->walker), kt__walker_name(&t->walker), t->path);
}

static int copy_some(void *arg)
{
    tree *t = arg;
    int64_t before = t->done;
    t->rc = 0;
    for (int steps = 0; steps < TRIP_STEPS && t->done - before < TRIP_BYTES; steps++) {
        t->rc = step(t);
        if (t->rc < 0 || t->over)
            break;
    }
    return 0;
}

/* ---- For tasks ----------------------------------------------------------------------------- */

static int end(void *arg)
{
    tree *t = arg;
    if (t->copying)
        kt__copy_undo(&t->file);
    kt__walker_close(&t->walker);
    if (t->made)
        (void)kt__disk_remove_all(t->disk, t->temp);
    return 0;
}

static int explain(const tree *t)
{
    const char *path = t->walker.path.data;
    if (!path || !*path || t->at_target)
        return kt_error_set(t->rc, "copy %s to %s: %s", t->from, t->to, kt_strerror(t->rc));
    return kt_error_set(t->rc, "copy %s/%s to %s: %s", t->from, path, t->to, kt_strerror(t->rc));
}

static int run(tree *t, const kt_path_copy_options *o)
{
    int rc = 0;
    while (rc == 0 && !t->over) {
        rc = kt_thread_run(copy_some, t, 0);
        if (rc == 0 && t->rc < 0)
            return explain(t);
        if (rc == 0 && o->progress) {
            rc = o->progress(t->done, t->total > t->done ? t->total : t->done, o->progress_arg);
            rc = rc < 0 && !t->over ? rc : 0;
        }
    }
    return rc;
}

int kt_dir_copy_all(const char *from, const char *to, const kt_path_copy_options *options)
{
    const kt_path_copy_options defaults = {.flags = 0}, *o = options ? options : &defaults;
    tree *t = kt_calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->disk = kt__disk_here();
    t->from = from;
    t->to = to;
    t->flags = o->flags;
    t->number = kt__temp_number();
    int rc = run(t, o);
    if (t->walker.depth > 0 || t->made)
        (void)kt__disk_release(end, t);
    else
        kt__walker_close(&t->walker);
    kt_free(t);
    return rc;
}
