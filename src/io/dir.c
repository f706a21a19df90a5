/* SPDX-License-Identifier: MIT */

/* Making and removing directories. */

#include <errno.h>
#include <kettle/dir.h>
#include <kettle/error.h>
#include <kettle/thread.h>

#include "core/core.h"
#include "io/paths.h"
#include "io/walker.h"

#define RACES_MAX 100 /* against somebody who removes what is being made */
#define TRIP_STEPS 512

/* ---- Making -------------------------------------------------------------------------------- */

/* There was something a moment ago. 0, -EEXIST when it is no directory, -ENOENT when it is gone. The second look is for
 * links that lead nowhere; others may have made the directory before it. */
static int check_is_dir(kt__disk *d, const char *path, struct stat *st)
{
    int rc = d->stat(d, AT_FDCWD, path, 0, st);
    if (rc == -ENOENT)
        rc = d->stat(d, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, st);
    if (rc == 0 && S_ISDIR(st->st_mode))
        return 0;
    return rc == -ENOENT ? -ENOENT : -EEXIST;
}

static int call_make(kt__disk *d, kt__path_request *r)
{
    int rc = -ENOENT;
    for (int races = 0; rc == -ENOENT && races < RACES_MAX; races++) {
        rc = d->mkdir(d, AT_FDCWD, r->path, r->mode);
        if (rc != -EEXIST || !(r->flags & KT_DIR_EXIST_OK))
            break;
        rc = check_is_dir(d, r->path, &r->stat[0]);
    }
    return rc;
}

int kt_dir_make(const char *path, mode_t mode, unsigned flags)
{
    kt__path_request r = {.call = call_make, .verb = "mkdir", .path = path, .flags = flags};
    r.mode = mode ? mode : 0777;
    return kt__path_run(&r);
}

/* Where the last name before `end` begins to be one: the text up to there is the parent. 0: it has none. */
static size_t parent_end(const char *path, size_t end)
{
    while (end > 0 && path[end - 1] != '/')
        end--;
    while (end > 0 && path[end - 1] == '/')
        end--;
    return end;
}

/* Up, until something can be made or is there, and down again. In `path` the ends of the names that are still to be
 * made are marked with NUL. */
static int make_down_to(kt__disk *d, char *path, size_t whole, mode_t mode)
{
    size_t end = whole;
    int rc = d->mkdir(d, AT_FDCWD, path, mode);
    while (rc == -ENOENT && (end = parent_end(path, end)) > 0) {
        path[end] = '\0';
        rc = d->mkdir(d, AT_FDCWD, path, 0777);
    }
    while ((rc == 0 || rc == -EEXIST) && end < whole && end > 0) {
        path[end] = '/';
        end += strlen(path + end);
        rc = d->mkdir(d, AT_FDCWD, path, end == whole ? mode : 0777);
    }
    for (size_t i = 0; i < whole; i++)
        if (path[i] == '\0')
            path[i] = '/';
    return rc;
}

static int call_make_all(kt__disk *d, kt__path_request *r)
{
    char path[PATH_MAX];
    struct stat st;
    int rc = -ENOENT;
    size_t size = strlen(r->path);
    if (size == 0)
        return -ENOENT;
    if (size >= sizeof path)
        return -ENAMETOOLONG;
    memcpy(path, r->path, size + 1);
    while (size > 1 && path[size - 1] == '/')
        path[--size] = '\0';
    for (int races = 0; rc == -ENOENT && races < RACES_MAX; races++) {
        rc = make_down_to(d, path, size, r->mode);
        if (rc == -EEXIST)
            rc = check_is_dir(d, path, &st);
    }
    return rc;
}

int kt_dir_make_all(const char *path, mode_t mode)
{
    kt__path_request r = {.call = call_make_all, .verb = "mkdir", .path = path};
    r.mode = mode ? mode : 0777;
    return kt__path_run(&r);
}

/* ---- Removing ------------------------------------------------------------------------------ */

static int call_remove(kt__disk *d, kt__path_request *r)
{
    return d->unlink(d, AT_FDCWD, r->path, AT_REMOVEDIR);
}

int kt_dir_remove(const char *path)
{
    kt__path_request r = {.call = call_remove, .verb = "rmdir", .path = path};
    return kt__path_run(&r);
}

/* A walk that removes what it is told, and each directory when it is left. A file system that skips entries when
 * others are removed leaves directories that are not empty: so it goes again while that helps. */
typedef struct removal {
    kt__walker walker; /* depth 0: a round begins, or all is over */
    kt__disk *disk;
    const char *root; /* without slashes at its end */
    size_t removed;   /* in this round */
    bool ours;        /* all is the process's own, so permissions are no obstacle */
    bool over;
    int rc;
} removal;

/* That somebody else has removed it is as well; what is in a directory still, another round will tell. */
static int remove_at(removal *r, int dir, const char *name, int flags)
{
    int rc = r->disk->unlink(r->disk, dir, name, flags);
    r->removed += rc == 0;
    return rc == -ENOENT || (rc == -ENOTEMPTY && dir != AT_FDCWD) ? 0 : rc;
}

/* What a copy has finished, or a program put into its temporary directory, may be closed to changes. */
static void open_up(const removal *r, int dir, const char *name)
{
    if (r->ours)
        (void)r->disk->chmod(r->disk, dir, name, 0700); /* if that was needed the removal fails, and tells */
}

static int begin_round(removal *r)
{
    r->removed = 0;
    open_up(r, AT_FDCWD, r->root);
    kt__walker_close(&r->walker); /* of the round before */
    int rc = kt__walker_open(&r->walker, r->disk, r->root, O_NOFOLLOW, NULL);
    r->walker.tells_leaving = true;
    return rc;
}

static int end_round(removal *r)
{
    int rc = remove_at(r, AT_FDCWD, r->root, AT_REMOVEDIR);
    bool again = rc == -ENOTEMPTY && r->removed > 0;
    r->over = !again;
    return again ? 0 : rc;
}

static int remove_step(removal *r)
{
    kt__walk_found found;
    if (r->walker.depth == 0)
        return begin_round(r);
    int rc = kt__walker_step(&r->walker, &found);
    if (rc == KT__WALK_LEFT || (rc == KT__WALK_FOUND && found.type != KT_PATH_DIR))
        return remove_at(r, kt__walker_fd(&r->walker), kt__walker_name(&r->walker),
                         rc == KT__WALK_LEFT ? AT_REMOVEDIR : 0);
    if (rc == KT__WALK_FOUND)
        open_up(r, kt__walker_fd(&r->walker), kt__walker_name(&r->walker));
    if (r->walker.depth == 0)
        return end_round(r);
    return rc == -ENOENT ? 0 : rc;
}

static int end_removal(void *arg)
{
    removal *r = arg;
    kt__walker_close(&r->walker);
    return 0;
}

static int remove_some(void *arg)
{
    removal *r = arg;
    for (unsigned steps = 0; steps < TRIP_STEPS && !r->over && r->rc >= 0; steps++)
        r->rc = remove_step(r);
    return 0;
}

int kt__disk_remove_all(kt__disk *d, const char *root)
{
    removal r = {.disk = d, .root = root, .ours = true};
    while (!r.over && r.rc >= 0)
        remove_some(&r);
    end_removal(&r);
    return r.rc;
}

/* A failure at the very begin names the root alone. */
static int explain_removal(const removal *r, bool begun)
{
    const char *path = begun && r->walker.path.data ? r->walker.path.data : "";
    return kt_error_set(r->rc, "remove %s%s%s: %s", r->root, *path ? "/" : "", path, kt_strerror(r->rc));
}

static int remove_all(removal *r)
{
    int rc = 0;
    while (rc == 0 && !r->over && r->rc >= 0)
        rc = kt_thread_run(remove_some, r, 0);
    if (rc == 0 && r->rc < 0)
        rc = explain_removal(r, r->walker.depth > 0);
    if (r->walker.depth > 0)
        (void)kt__disk_release(end_removal, r);
    else
        kt__walker_close(&r->walker);
    return rc;
}

int kt_dir_remove_all(const char *path)
{
    kt_slice name = kt_path_name(path);
    if (name.size == 0 || kt_slice_is(name, ".") || kt_slice_is(name, ".."))
        return kt_error_set(-EINVAL, "remove %s: not by that name", path);
    char *root = kt_strndup(path, (size_t)(name.data + name.size - path));
    if (!root)
        return -ENOMEM;
    removal r = {.disk = kt__disk_here(), .root = root};
    int rc = remove_all(&r);
    kt_free(root);
    return rc;
}
