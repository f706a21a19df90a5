/* SPDX-License-Identifier: MIT */

/* Calls on names: each is one job for the pool. The request lies on the stack of the task that waits; the words for a
 * failure are made by the task too, since a detail belongs to it. */

#include <errno.h>
#include <kettle/error.h>
#include <kettle/thread.h>
#include <stdio.h> /* RENAME_NOREPLACE */

#include "core/core.h"
#include "io/paths.h"

static int perform(void *arg)
{
    kt__path_request *r = arg;
    r->rc = r->call(r->disk, r);
    return 0;
}

int kt__path_run_quietly(kt__path_request *r)
{
    r->disk = kt__disk_here();
    int rc = kt_thread_run(perform, r, 0);
    return rc < 0 ? rc : r->rc;
}

int kt__path_explain(const kt__path_request *r, int rc)
{
    if (rc >= 0 || rc != r->rc)
        return rc;
    if (r->to)
        return kt_error_set(rc, "%s %s to %s: %s", r->verb, r->path, r->to, kt_strerror(rc));
    return kt_error_set(rc, "%s %s: %s", r->verb, r->path, kt_strerror(rc));
}

int kt__path_run(kt__path_request *r)
{
    return kt__path_explain(r, kt__path_run_quietly(r));
}

/* ---- Shared -------------------------------------------------------------------------------- */

int kt__path_parent(const char *path, char parent[PATH_MAX])
{
    size_t size = strlen(path);
    while (size > 0 && path[size - 1] == '/')
        size--;
    while (size > 0 && path[size - 1] != '/')
        size--;
    while (size > 1 && path[size - 1] == '/')
        size--;
    if (size >= PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(parent, size > 0 ? path : ".", size > 0 ? size : 1);
    parent[size > 0 ? size : 1] = '\0';
    return 0;
}

int kt__disk_sync_dir(kt__disk *d, const char *path)
{
    int fd = d->open(d, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, 0);
    if (fd < 0)
        return fd;
    int rc = d->sync(d, fd, false), closed = d->close(d, fd);
    return rc < 0 ? rc : closed;
}

/* The target's first: a crash in between leaves two names rather than none. */
int kt__disk_sync_renamed(kt__disk *d, const char *from, const char *to)
{
    char from_dir[PATH_MAX], to_dir[PATH_MAX];
    int rc = kt__path_parent(from, from_dir);
    if (rc == 0)
        rc = kt__path_parent(to, to_dir);
    if (rc == 0)
        rc = kt__disk_sync_dir(d, to_dir);
    if (rc == 0 && strcmp(from_dir, to_dir) != 0)
        rc = kt__disk_sync_dir(d, from_dir);
    return rc;
}

/* ---- What is there ------------------------------------------------------------------------- */

static int call_stat(kt__disk *d, kt__path_request *r)
{
    return d->stat(d, AT_FDCWD, r->path, (int)r->flags, &r->stat[0]);
}

int kt_path_stat(const char *path, struct stat *ret_stat)
{
    kt__path_request r = {.call = call_stat, .verb = "stat", .path = path};
    int rc = kt__path_run(&r);
    if (rc == 0)
        *ret_stat = r.stat[0];
    return rc;
}

int kt_path_lstat(const char *path, struct stat *ret_stat)
{
    kt__path_request r = {.call = call_stat, .verb = "lstat", .path = path, .flags = AT_SYMLINK_NOFOLLOW};
    int rc = kt__path_run(&r);
    if (rc == 0)
        *ret_stat = r.stat[0];
    return rc;
}

/* `type` is S_IFREG or another, 0 = any. */
static int is_there(const char *path, mode_t type, unsigned flags)
{
    kt__path_request r = {.call = call_stat, .verb = "stat", .path = path, .flags = flags};
    int rc = kt__path_run_quietly(&r);
    if (rc == -ENOENT || rc == -ENOTDIR)
        return 0;
    if (rc < 0)
        return kt__path_explain(&r, rc);
    return type == 0 || (r.stat[0].st_mode & S_IFMT) == type;
}

int kt_path_exists(const char *path)
{
    return is_there(path, 0, 0);
}

int kt_path_is_file(const char *path)
{
    return is_there(path, S_IFREG, 0);
}

int kt_path_is_dir(const char *path)
{
    return is_there(path, S_IFDIR, 0);
}

int kt_path_is_link(const char *path)
{
    return is_there(path, S_IFLNK, AT_SYMLINK_NOFOLLOW);
}

int64_t kt_path_size(const char *path)
{
    kt__path_request r = {.call = call_stat, .verb = "stat", .path = path};
    int rc = kt__path_run(&r);
    return rc < 0 ? rc : (int64_t)r.stat[0].st_size;
}

static int call_access(kt__disk *d, kt__path_request *r)
{
    return d->access(d, AT_FDCWD, r->path, r->access, 0);
}

int kt_path_access(const char *path, int mode)
{
    kt__path_request r = {.call = call_access, .verb = "access", .path = path, .access = mode};
    return kt__path_run(&r);
}

static int call_same(kt__disk *d, kt__path_request *r)
{
    int rc = d->stat(d, AT_FDCWD, r->path, 0, &r->stat[0]);
    if (rc == 0)
        rc = d->stat(d, AT_FDCWD, r->to, 0, &r->stat[1]);
    if (rc < 0)
        return rc;
    return r->stat[0].st_dev == r->stat[1].st_dev && r->stat[0].st_ino == r->stat[1].st_ino;
}

int kt_path_same_file(const char *path, const char *other)
{
    kt__path_request r = {.call = call_same, .verb = "compare", .path = path, .to = other};
    return kt__path_run(&r);
}

/* A link that says as much as fits may say more, but no path is as long. */
static int call_readlink(kt__disk *d, kt__path_request *r)
{
    ssize_t n = d->readlink(d, AT_FDCWD, r->path, r->text, sizeof r->text);
    return n == (ssize_t)sizeof r->text ? -ENAMETOOLONG : (int)n;
}

int kt_path_readlink(const char *path, kt_path *ret_target)
{
    kt__path_request r = {.call = call_readlink, .verb = "readlink", .path = path};
    int rc = kt__path_run(&r);
    if (rc < 0)
        return rc;
    char *target = kt_strndup(r.text, (size_t)rc);
    if (!target)
        return -ENOMEM;
    *ret_target = target;
    return 0;
}

static int call_statvfs(kt__disk *d, kt__path_request *r)
{
    return d->statvfs(d, r->path, &r->statvfs);
}

int kt_path_statvfs(const char *path, struct statvfs *ret_statvfs)
{
    kt__path_request r = {.call = call_statvfs, .verb = "statvfs", .path = path};
    int rc = kt__path_run(&r);
    if (rc == 0)
        *ret_statvfs = r.statvfs;
    return rc;
}

/* ---- Changes ------------------------------------------------------------------------------- */

static int call_rename(kt__disk *d, kt__path_request *r)
{
    unsigned how = r->flags & KT_PATH_NO_REPLACE ? RENAME_NOREPLACE : 0;
    int rc = d->rename(d, AT_FDCWD, r->path, AT_FDCWD, r->to, how);
    return rc == 0 && r->flags & KT_PATH_DURABLE ? kt__disk_sync_renamed(d, r->path, r->to) : rc;
}

int kt_path_rename(const char *from, const char *to, unsigned flags)
{
    kt__path_request r = {.call = call_rename, .verb = "rename", .path = from, .to = to, .flags = flags};
    return kt__path_run(&r);
}

static int call_remove(kt__disk *d, kt__path_request *r)
{
    return d->unlink(d, AT_FDCWD, r->path, 0);
}

int kt_path_remove(const char *path)
{
    kt__path_request r = {.call = call_remove, .verb = "remove", .path = path};
    return kt__path_run(&r);
}

static int call_link(kt__disk *d, kt__path_request *r)
{
    return d->link(d, AT_FDCWD, r->path, AT_FDCWD, r->to, 0);
}

int kt_path_link(const char *path, const char *new_path)
{
    kt__path_request r = {.call = call_link, .verb = "link", .path = path, .to = new_path};
    return kt__path_run(&r);
}

static int call_symlink(kt__disk *d, kt__path_request *r)
{
    return d->symlink(d, r->to, AT_FDCWD, r->path);
}

int kt_path_symlink(const char *target, const char *path)
{
    kt__path_request r = {.call = call_symlink, .verb = "symlink", .path = path, .to = target};
    return kt__path_run(&r);
}

static int call_chmod(kt__disk *d, kt__path_request *r)
{
    return d->chmod(d, AT_FDCWD, r->path, r->mode);
}

int kt_path_chmod(const char *path, mode_t mode)
{
    kt__path_request r = {.call = call_chmod, .verb = "chmod", .path = path, .mode = mode};
    return kt__path_run(&r);
}

static int call_utimes(kt__disk *d, kt__path_request *r)
{
    return d->utimens(d, AT_FDCWD, r->path, r->times, 0);
}

int kt_path_utimes(const char *path, const struct timespec times[2])
{
    kt__path_request r = {.call = call_utimes, .verb = "utimes", .path = path, .times = times};
    return kt__path_run(&r);
}

static int call_sync_dir(kt__disk *d, kt__path_request *r)
{
    return kt__disk_sync_dir(d, r->path);
}

int kt_path_sync_dir(const char *path)
{
    kt__path_request r = {.call = call_sync_dir, .verb = "sync", .path = path};
    return kt__path_run(&r);
}
