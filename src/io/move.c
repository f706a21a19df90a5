/* SPDX-License-Identifier: MIT */

/* Moves: a rename, or a copy and the removal of the original. */

#include <errno.h>
#include <kettle/dir.h>
#include <kettle/error.h>

#include "io/copy.h"

/* readlink, symlink beside the target, rename, as of copies. */
typedef struct link_copy {
    kt__path_request request;
    uint64_t number;
} link_copy;

static int call_copy_link(kt__disk *d, kt__path_request *r)
{
    link_copy *l = (link_copy *)(void *)r;
    char dir[PATH_MAX], temp[PATH_MAX];
    ssize_t n = d->readlink(d, AT_FDCWD, r->path, r->text, sizeof r->text);
    if (n < 0)
        return (int)n;
    if (n == (ssize_t)sizeof r->text)
        return -ENAMETOOLONG;
    r->text[n] = '\0';
    int rc = kt__path_parent(r->to, dir);
    if (rc < 0)
        return rc;
    rc = -EEXIST;
    for (int tries = 0; rc == -EEXIST && tries < KT__TEMP_TRIES; tries++) {
        rc = kt__temp_path(dir, ".kettle-", &l->number, temp);
        if (rc == 0)
            rc = d->symlink(d, r->text, AT_FDCWD, temp);
    }
    if (rc < 0)
        return rc;
    rc = kt__disk_put_in_place(d, temp, r->to, r->flags);
    if (rc < 0)
        (void)d->unlink(d, AT_FDCWD, temp, 0); /* the first failure counts */
    return rc == 0 && r->flags & KT_PATH_DURABLE ? kt__disk_sync_renamed(d, temp, r->to) : rc;
}

static int copy_link(const char *from, const char *to, unsigned flags)
{
    link_copy l = {.number = kt__temp_number()};
    l.request.call = call_copy_link;
    l.request.verb = "copy";
    l.request.path = from;
    l.request.to = to;
    l.request.flags = flags;
    return kt__path_run(&l.request);
}

static int move_across(const char *from, const char *to, const kt_path_copy_options *o)
{
    struct stat st;
    int rc = kt_path_lstat(from, &st);
    if (rc < 0)
        return rc;
    if (S_ISDIR(st.st_mode))
        rc = kt_dir_copy_all(from, to, o);
    else if (S_ISLNK(st.st_mode))
        rc = copy_link(from, to, o->flags);
    else
        rc = kt_path_copy(from, to, o);
    if (rc < 0)
        return rc;
    return S_ISDIR(st.st_mode) ? kt_dir_remove_all(from) : kt_path_remove(from);
}

int kt_path_move(const char *from, const char *to, const kt_path_copy_options *options)
{
    kt_path_copy_options o = {.flags = 0};
    if (options)
        o = *options;
    int rc = kt_path_rename(from, to, o.flags);
    o.flags |= KT_PATH_KEEP_TIMES;
    return rc == -EXDEV ? move_across(from, to, &o) : rc;
}
