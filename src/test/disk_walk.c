/* SPDX-License-Identifier: MIT */

/* The way along a path, in the order in which Linux looks for what is wrong with it: path_resolution(7). */
#include "test/disk.h"

#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>

#define LINKS_MAX 40u

/* All nodes are the one user's. */
int kt__sim_may(const kt_test_disk *d, const kt__node *n, int mask)
{
    int granted = n->now.mode >> 6 & 7;
    if (d->options.superuser)
        granted = S_ISDIR(n->now.mode) || n->now.mode & 0111 ? 7 : 6;
    return (granted & mask) == mask || S_ISLNK(n->now.mode) ? 0 : -EACCES;
}

int kt__sim_may_create(const kt_test_disk *d, const kt__node *dir)
{
    if (dir->links == 0)
        return -ENOENT;
    return kt__sim_may(d, dir, KT__MAY_WRITE | KT__MAY_EXECUTE);
}

int kt__sim_magic(const char *path)
{
    static const char prefix[] = "/proc/self/fd/";
    char *end;
    if (strncmp(path, prefix, sizeof prefix - 1) != 0)
        return -1;
    long fd = strtol(path + sizeof prefix - 1, &end, 10);
    return *end || end == path + sizeof prefix - 1 || fd < 0 || fd > INT_MAX ? -1 : (int)fd;
}

int kt__sim_walk_start(kt_test_disk *d, int dir, const char *path, uint64_t resolve, kt__walk *ret_walk,
                       kt__node **ret_start)
{
    kt__node *start = d->root;
    if (!*path)
        return -ENOENT;
    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    bool fixed = resolve & RESOLVE_IN_ROOT;
    if (dir != AT_FDCWD && (*path != '/' || fixed)) {
        kt__open *o;
        int rc = kt__sim_descriptor(d, dir, &o);
        if (rc < 0)
            return rc;
        start = o->node;
        if (!S_ISDIR(start->now.mode))
            return -ENOTDIR;
    }
    *ret_walk = (kt__walk){.d = d, .top = start, .resolve = resolve};
    *ret_start = start;
    return 0;
}

int kt__sim_walk_link(kt__walk *w)
{
    if (w->resolve & RESOLVE_NO_SYMLINKS || ++w->links > LINKS_MAX)
        return -ELOOP;
    return 0;
}

static int step_up(kt__walk *w, kt__node *from, kt__node **ret_node)
{
    w->rooted = true;
    if (from == w->top && w->resolve & RESOLVE_BENEATH)
        return -EXDEV;
    bool stays = from == w->d->root || (from == w->top && w->resolve & RESOLVE_IN_ROOT);
    *ret_node = stays ? from : from->parent;
    return 0;
}

int kt__sim_walk_last(kt__walk *w, const kt__place *p, kt__node **ret_node)
{
    switch (p->last) {
    case KT__LAST_DOT:
    case KT__LAST_ROOT:
        *ret_node = p->dir;
        return 0;
    case KT__LAST_DOTDOT:
        return step_up(w, p->dir, ret_node);
    default:
        break;
    }
    if (p->dir->links == 0)
        return -ENOENT;
    if (p->name.size > NAME_MAX)
        return -ENAMETOOLONG;
    *ret_node = kt__sim_lookup(w->d, p->dir, p->name);
    return 0;
}

/* Enters the component that `p` stands at, which is not the last. */
static int enter(kt__walk *w, kt__place *p)
{
    kt__node *n = NULL;
    int rc = kt__sim_walk_last(w, p, &n);
    if (rc < 0)
        return rc;
    if (!n)
        return -ENOENT;
    if (S_ISLNK(n->now.mode)) {
        rc = kt__sim_walk_link(w);
        if (rc == 0)
            rc = kt__sim_walk(w, p->dir, n->target, true, &n);
        if (rc < 0)
            return rc;
    }
    if (!S_ISDIR(n->now.mode))
        return -ENOTDIR;
    p->dir = n;
    return 0;
}

int kt__sim_walk_parent(kt__walk *w, kt__node *start, const char *path, kt__place *ret_place)
{
    kt__place p = {.dir = start, .last = KT__LAST_ROOT};
    if (*path == '/') {
        /* Linux compares with a root that it has not looked up yet, unless something else made it. */
        bool strange = w->resolve & RESOLVE_NO_XDEV && w->links > 0 && !w->rooted;
        if (w->resolve & RESOLVE_BENEATH || strange)
            return -EXDEV;
        w->rooted = true;
        p.dir = w->resolve & RESOLVE_IN_ROOT ? w->top : w->d->root;
    }
    const char *at = path + strspn(path, "/");
    while (*at) {
        int rc = kt__sim_may(w->d, p.dir, KT__MAY_EXECUTE);
        if (rc < 0)
            return rc;
        p.name = (kt_slice){at, strcspn(at, "/")};
        p.last = kt_slice_is(p.name, ".") ? KT__LAST_DOT
                 : kt_slice_is(p.name, "..") ? KT__LAST_DOTDOT
                                             : KT__LAST_NAME;
        at += p.name.size;
        p.slash = *at == '/';
        at += strspn(at, "/");
        if (*at) {
            rc = enter(w, &p);
            if (rc < 0)
                return rc;
        }
    }
    *ret_place = p;
    return 0;
}

int kt__sim_walk(kt__walk *w, kt__node *start, const char *path, bool follow, kt__node **ret_node)
{
    bool must_be_dir = false;
    for (;;) {
        kt__place p;
        kt__node *n = NULL;
        int rc = kt__sim_walk_parent(w, start, path, &p);
        if (rc == 0)
            rc = kt__sim_walk_last(w, &p, &n);
        if (rc < 0)
            return rc;
        if (!n)
            return -ENOENT;
        must_be_dir |= p.slash;
        follow |= p.slash;
        if (!S_ISLNK(n->now.mode) || !follow) {
            if (must_be_dir && !S_ISDIR(n->now.mode))
                return -ENOTDIR;
            *ret_node = n;
            return 0;
        }
        rc = kt__sim_walk_link(w);
        if (rc < 0)
            return rc;
        start = p.dir;
        path = n->target;
    }
}

int kt__sim_find(kt_test_disk *d, int dir, const char *path, int at_flags, bool follow, kt__node **ret_node)
{
    kt__walk w;
    kt__node *start;
    int magic = follow ? kt__sim_magic(path) : -1;
    bool itself = !*path && at_flags & AT_EMPTY_PATH;
    if (itself && dir == AT_FDCWD) {
        *ret_node = d->root;
        return 0;
    }
    if (itself || magic >= 0) {
        kt__open *o;
        int rc = kt__sim_descriptor(d, itself ? dir : magic, &o);
        if (rc < 0)
            return rc == -EBADF && !itself ? -ENOENT : rc;
        *ret_node = o->node;
        return 0;
    }
    int rc = kt__sim_walk_start(d, dir, path, 0, &w, &start);
    return rc < 0 ? rc : kt__sim_walk(&w, start, path, follow, ret_node);
}

int kt__sim_place(kt_test_disk *d, int dir, const char *path, kt__place *ret_place)
{
    kt__walk w;
    kt__node *start;
    int rc = kt__sim_walk_start(d, dir, path, 0, &w, &start);
    return rc < 0 ? rc : kt__sim_walk_parent(&w, start, path, ret_place);
}
