/* SPDX-License-Identifier: MIT */

/* Names of the simulated disk: made, changed and removed, each with what Linux refuses, in its order. */
#include "test/disk.h"

#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>

#include "test/kit.h"

#define UMASK 022

/* ---- Making -------------------------------------------------------------------------------- */

/* The place of a name that is to be made, and is nobody's. */
static int place_new(kt_test_disk *d, int dir, const char *path, bool for_dir, kt__place *ret_place)
{
    kt__walk w = {.d = d};
    kt__node *n = NULL;
    int rc = kt__sim_place(d, dir, path, ret_place);
    if (rc < 0)
        return rc;
    if (ret_place->last != KT__LAST_NAME)
        return -EEXIST;
    rc = kt__sim_walk_last(&w, ret_place, &n);
    if (rc < 0)
        return rc;
    if (n)
        return -EEXIST;
    return ret_place->slash && !for_dir ? -ENOENT : 0;
}

/* Gives the name at a place to a node. */
static void enter(kt_test_disk *d, const kt__place *p, kt__node *n)
{
    kt__sim_node_ahead(d, p->dir);
    kt__sim_name_set(d, p->dir, p->name, n);
    kt__sim_node_touch(p->dir, KT__MODIFIED | KT__CHANGED);
}

int kt__sim_mkdir(kt_test_disk *d, int dir, const char *path, mode_t mode)
{
    kt__place p;
    int rc = place_new(d, dir, path, true, &p);
    if (rc == 0)
        rc = kt__sim_may_create(d, p.dir);
    if (rc == 0 && !kt__sim_has_room(d))
        rc = -ENOSPC;
    if (rc < 0)
        return rc;
    enter(d, &p, kt__sim_node_new(d, S_IFDIR | (mode & 01777 & ~(mode_t)UMASK)));
    return 0;
}

int kt__sim_symlink(kt_test_disk *d, const char *target, int dir, const char *path)
{
    kt__place p;
    size_t size = strlen(target) + 1;
    if (size == 1)
        return -ENOENT;
    if (size > PATH_MAX)
        return -ENAMETOOLONG;
    int rc = place_new(d, dir, path, false, &p);
    if (rc == 0)
        rc = kt__sim_may_create(d, p.dir);
    if (rc < 0)
        return rc;
    kt__node *n = kt__sim_node_new(d, S_IFLNK | 0777);
    n->target = memcpy(kt__test_own(NULL, size), target, size);
    n->size = n->size_was = size - 1;
    enter(d, &p, n);
    return 0;
}

int kt__sim_link(kt_test_disk *d, int dir, const char *path, int new_dir, const char *new_path, int flags)
{
    kt__place p;
    kt__node *n;
    if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    int rc = kt__sim_find(d, dir, path, flags, flags & AT_SYMLINK_FOLLOW, &n);
    if (rc == 0)
        rc = place_new(d, new_dir, new_path, false, &p);
    if (rc == 0)
        rc = kt__sim_may_create(d, p.dir);
    if (rc < 0)
        return rc;
    if (S_ISDIR(n->now.mode))
        return -EPERM;
    if (n->links == 0 && !n->linkable)
        return -ENOENT;
    enter(d, &p, n);
    kt__sim_node_touch(n, KT__CHANGED);
    return 0;
}

ssize_t kt__sim_readlink(kt_test_disk *d, int dir, const char *path, char *buffer, size_t size)
{
    kt__node *n;
    if (size == 0 || size > INT_MAX)
        return -EINVAL;
    int rc = kt__sim_find(d, dir, path, dir == AT_FDCWD ? 0 : AT_EMPTY_PATH, false, &n);
    if (rc < 0)
        return rc;
    if (!S_ISLNK(n->now.mode))
        return *path ? -EINVAL : -ENOENT;
    size_t length = strlen(n->target) < size ? strlen(n->target) : size;
    memcpy(buffer, n->target, length);
    return (ssize_t)length;
}

/* ---- Removing ------------------------------------------------------------------------------ */

/* May n lose its name in dir? `as_dir`: to a call for directories. The sticky bit does not count where all is the one
 * user's. */
static int may_remove(const kt_test_disk *d, const kt__node *dir, const kt__node *n, bool as_dir)
{
    int rc = kt__sim_may(d, dir, KT__MAY_WRITE | KT__MAY_EXECUTE);
    if (rc < 0)
        return rc;
    if (as_dir && !S_ISDIR(n->now.mode))
        return -ENOTDIR;
    return !as_dir && S_ISDIR(n->now.mode) ? -EISDIR : 0;
}

static int unlink_place(kt_test_disk *d, const kt__place *p, kt__node *n)
{
    if (!n)
        return -ENOENT;
    if (p->slash)
        return S_ISDIR(n->now.mode) ? -EISDIR : -ENOTDIR;
    return may_remove(d, p->dir, n, false);
}

static int rmdir_place(kt_test_disk *d, const kt__place *p, kt__node *n)
{
    if (!n)
        return -ENOENT;
    int rc = may_remove(d, p->dir, n, true);
    return rc == 0 && n->cells_alive > 0 ? -ENOTEMPTY : rc;
}

int kt__sim_unlink(kt_test_disk *d, int dir, const char *path, int flags)
{
    static const int refused[] = {
        [KT__LAST_DOT] = -EINVAL,
        [KT__LAST_DOTDOT] = -ENOTEMPTY,
        [KT__LAST_ROOT] = -EBUSY,
    };
    kt__walk w = {.d = d};
    kt__place p;
    kt__node *n = NULL;
    bool as_dir = flags & AT_REMOVEDIR;
    if (flags & ~AT_REMOVEDIR)
        return -EINVAL;
    int rc = kt__sim_place(d, dir, path, &p);
    if (rc < 0)
        return rc;
    if (p.last != KT__LAST_NAME)
        return as_dir ? refused[p.last] : -EISDIR;
    rc = kt__sim_walk_last(&w, &p, &n);
    if (rc == 0)
        rc = as_dir ? rmdir_place(d, &p, n) : unlink_place(d, &p, n);
    if (rc < 0)
        return rc;
    kt__sim_node_touch(n, KT__CHANGED);
    enter(d, &p, NULL);
    return 0;
}

/* ---- Renaming ------------------------------------------------------------------------------ */

typedef struct move {
    kt__place from, to;
    kt__node *node, *target; /* target: who has the new name, or NULL */
    bool exchange, keep;
} move;

/* The places and who is there. */
static int move_find(kt_test_disk *d, move *m)
{
    kt__walk w = {.d = d};
    if (m->from.last != KT__LAST_NAME)
        return -EBUSY;
    if (m->to.last != KT__LAST_NAME)
        return m->keep ? -EEXIST : -EBUSY;
    int rc = kt__sim_walk_last(&w, &m->from, &m->node);
    if (rc == 0 && !m->node)
        rc = -ENOENT;
    if (rc == 0)
        rc = kt__sim_walk_last(&w, &m->to, &m->target);
    return rc;
}

static bool is_above(const kt_test_disk *d, const kt__node *n, const kt__node *below)
{
    while (below != d->root && below != n)
        below = below->parent;
    return below == n;
}

/* What is refused because of what the two are. */
static int move_check(const kt_test_disk *d, const move *m)
{
    bool is_dir = S_ISDIR(m->node->now.mode);
    if (m->keep && m->target)
        return -EEXIST;
    if (m->exchange && !m->target)
        return -ENOENT;
    if (m->exchange && !S_ISDIR(m->target->now.mode) && m->to.slash)
        return -ENOTDIR;
    if (!is_dir && (m->from.slash || (!m->exchange && m->to.slash)))
        return -ENOTDIR;
    if (is_dir && is_above(d, m->node, m->to.dir))
        return -EINVAL;
    if (m->target && S_ISDIR(m->target->now.mode) && is_above(d, m->target, m->from.dir))
        return m->exchange ? -EINVAL : -ENOTEMPTY;
    return 0;
}

static int move_may(const kt_test_disk *d, const move *m)
{
    bool is_dir = S_ISDIR(m->node->now.mode), to_dir = m->target && S_ISDIR(m->target->now.mode);
    int rc = may_remove(d, m->from.dir, m->node, is_dir);
    if (rc < 0)
        return rc;
    if (m->target)
        rc = may_remove(d, m->to.dir, m->target, m->exchange ? to_dir : is_dir);
    else
        rc = kt__sim_may_create(d, m->to.dir);
    if (rc < 0)
        return rc;
    if (m->from.dir != m->to.dir) { /* its ".." changes */
        if (is_dir)
            rc = kt__sim_may(d, m->node, KT__MAY_WRITE);
        if (rc == 0 && m->exchange && to_dir)
            rc = kt__sim_may(d, m->target, KT__MAY_WRITE);
    }
    if (rc == 0 && !m->exchange && to_dir && m->target->cells_alive > 0)
        rc = -ENOTEMPTY;
    return rc;
}

int kt__sim_rename(kt_test_disk *d, int dir, const char *path, int new_dir, const char *new_path, unsigned flags)
{
    move m = {.exchange = flags & RENAME_EXCHANGE, .keep = flags & RENAME_NOREPLACE};
    if (flags & ~(unsigned)(RENAME_EXCHANGE | RENAME_NOREPLACE) || (m.exchange && m.keep))
        return -EINVAL;
    int rc = kt__sim_place(d, dir, path, &m.from);
    if (rc == 0)
        rc = kt__sim_place(d, new_dir, new_path, &m.to);
    if (rc == 0)
        rc = move_find(d, &m);
    if (rc == 0)
        rc = move_check(d, &m);
    if (rc < 0 || m.node == m.target)
        return rc;
    rc = move_may(d, &m);
    if (rc < 0)
        return rc;
    kt__sim_node_touch(m.node, KT__CHANGED);
    if (m.target)
        kt__sim_node_touch(m.target, KT__CHANGED);
    if (m.exchange) {
        kt__sim_node_ahead(d, m.from.dir);
        kt__sim_node_ahead(d, m.to.dir);
        kt__sim_names_swap(d, &m.from, &m.to);
        return 0;
    }
    enter(d, &m.to, m.node); /* first, so that it is never without a name */
    enter(d, &m.from, NULL);
    return 0;
}
