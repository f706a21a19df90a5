/* SPDX-License-Identifier: MIT */

/* The places of a watched tree, and how new ones are found. */

#include <errno.h>
#include <kettle/memory.h>
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "core/core.h"
#include "io/dir_watch.h"

#define TRIP_STEPS 512

/* ---- Places -------------------------------------------------------------------------------- */

static const void *key_of(int wd)
{
    return (const void *)(uintptr_t)(unsigned)wd;
}

static kt__place *place_of(kt__map_node *n)
{
    return n ? KT__OWNER(n, kt__place, node) : NULL;
}

/* In no order: NULL at first and at the end. */
static kt__place *next_place(const kt_dir_watch *w, size_t *cursor, const kt__place *before)
{
    return place_of(kt__map_each(&w->places, cursor, before ? &before->node : NULL));
}

kt__place *kt__place_by_wd(const kt_dir_watch *w, int wd)
{
    return place_of(kt__map_find(&w->places, key_of(wd)));
}

kt__place *kt__place_in(const kt_dir_watch *w, const kt__place *parent, const char *name)
{
    size_t cursor = 0;
    kt__place *p = NULL;
    while ((p = next_place(w, &cursor, p)))
        if (p->parent == parent && strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

/* From the end to the begin, so that each name is written once. */
int kt__place_path(const kt__place *p, const char *name, kt_buffer *text)
{
    size_t size = strlen(name);
    for (const kt__place *up = p; up->parent; up = up->parent)
        size += strlen(up->name) + (size > 0);
    text->size = 0;
    if (kt_buffer_reserve(text, size + 1) < 0)
        return -ENOMEM;
    text->size = size;
    text->data[size] = '\0';
    size_t at = size - strlen(name);
    memcpy(text->data + at, name, strlen(name));
    for (const kt__place *up = p; up->parent; up = up->parent) {
        if (at < size)
            text->data[--at] = '/';
        at -= strlen(up->name);
        memcpy(text->data + at, up->name, strlen(up->name));
    }
    return 0;
}

bool kt__place_is_within(const kt__place *p, const kt__place *top)
{
    while (p && p != top)
        p = p->parent;
    return p;
}

int kt__place_move(kt__place *p, kt__place *parent, const char *name)
{
    char *copy = kt_strndup(name, strlen(name));
    if (!copy)
        return -ENOMEM;
    kt_free(p->name);
    p->name = copy;
    p->parent = parent;
    return 0;
}

static void place_free(kt_dir_watch *w, kt__place *p)
{
    (void)inotify_rm_watch(w->fd, p->wd); /* perhaps the kernel has ended it already */
    kt__map_remove(&w->places, &p->node);
    if (w->root == p)
        w->root = NULL;
    kt_free(p->name);
    kt_free(p);
}

/* Those that were last seen in a round that is none. */
static void drop_doomed(kt_dir_watch *w, unsigned doom)
{
    size_t cursor = 0;
    for (kt__place *p = next_place(w, &cursor, NULL), *next; p; p = next) {
        next = next_place(w, &cursor, p);
        if (p->round == doom)
            place_free(w, p);
    }
}

void kt__place_drop(kt_dir_watch *w, kt__place *top)
{
    size_t cursor = 0;
    kt__place *p = NULL;
    while ((p = next_place(w, &cursor, p)))
        if (kt__place_is_within(p, top))
            p->round = 0;
    drop_doomed(w, 0);
}

bool kt__place_has_missed(const kt_dir_watch *w, const kt__place *top)
{
    size_t cursor = 0;
    const kt__place *p = NULL;
    while ((p = next_place(w, &cursor, p)))
        if (p->missed && kt__place_is_within(p, top))
            return true;
    return false;
}

/* The parents of those that have been seen have been, too. */
static void drop_unseen(kt_dir_watch *w)
{
    size_t cursor = 0;
    kt__place *p = NULL;
    while ((p = next_place(w, &cursor, p)))
        if (p->round != w->round)
            p->round = 0;
    drop_doomed(w, 0);
}

/* ---- Taking in ----------------------------------------------------------------------------- */

static uint32_t mask_of(const kt_dir_watch *w, bool is_root)
{
    uint32_t mask = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR | IN_EXCL_UNLINK;
    mask |= is_root ? IN_DELETE_SELF | IN_MOVE_SELF : IN_DONT_FOLLOW;
    mask |= w->options.every_write ? IN_MODIFY : 0;
    return mask | (w->options.attributes ? IN_ATTRIB : 0);
}

/* Of the directory `text`. */
static int path_of(const kt_dir_watch *w, char path[PATH_MAX])
{
    const char *inside = w->text.size > 0 ? w->text.data : "";
    int size = snprintf(path, PATH_MAX, "%s%s%s", w->path, *inside ? "/" : "", inside);
    return size < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Watches the directory `text` (from the root on), which is that name in a place; or goes on watching it. */
static int watch(kt_dir_watch *w, kt__place *parent, const char *name, kt__place **ret_place)
{
    char path[PATH_MAX];
    int rc = path_of(w, path);
    if (rc < 0)
        return rc;
    int wd = inotify_add_watch(w->fd, path, mask_of(w, !parent));
    if (wd < 0)
        return -errno;
    kt__place *known = kt__place_by_wd(w, wd), *p = known ? known : kt_calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    if (known && kt__place_is_within(parent, known))
        return -ELOOP; /* moves that are yet to be heard of have brought it here */
    rc = kt__place_move(p, parent, name);
    if (rc == 0 && !known)
        rc = kt__map_add(&w->places, &p->node, key_of(wd));
    if (rc < 0 && !known) {
        kt_free(p->name);
        kt_free(p);
    }
    if (rc < 0)
        return rc;
    p->wd = wd;
    p->round = w->round;
    p->missed = false;
    *ret_place = p;
    return 0;
}

static kt__place *place_at(const kt_dir_watch *w, size_t depth)
{
    return ((kt__place **)(void *)w->way.data)[depth];
}

static int set_place_at(kt_dir_watch *w, size_t depth, kt__place *p)
{
    w->way.size = depth * sizeof(kt__place *);
    return kt_buffer_append(&w->way, &p, sizeof(kt__place *));
}

static int begin(kt_dir_watch *w)
{
    char path[PATH_MAX];
    kt__place *place = NULL;
    w->text.size = 0;
    int rc = w->take_parent ? kt__place_path(w->take_parent, w->take_name.data, &w->text) : 0;
    if (rc == 0)
        rc = watch(w, w->take_parent, w->take_name.data, &place);
    if (rc == 0)
        rc = set_place_at(w, 0, place);
    if (rc < 0)
        return rc;
    if (!w->take_parent)
        w->root = place;
    if (!w->options.recursive || place->wd == w->take_unless)
        return KT__WALK_END;
    path_of(w, path);
    rc = kt__walker_open(&w->walker, &kt__disk_system, path, w->take_parent ? O_NOFOLLOW : 0, NULL);
    w->walking = rc == 0;
    return rc < 0 ? rc : KT__WALK_ON;
}

static bool has_vanished(int rc)
{
    return rc == -ENOENT || rc == -ENOTDIR || rc == -ELOOP;
}

/* Directories are told before they are watched, so that one which cannot be is not unknown. */
static int take_entry(kt_dir_watch *w, const kt__walk_found *found)
{
    const char *name = kt__walker_name(&w->walker);
    kt__place *parent = place_at(w, found->depth - 1), *p = NULL;
    bool is_dir = found->type == KT_PATH_DIR;
    int rc = kt__place_path(parent, name, &w->text);
    if (rc == 0 && w->tell)
        rc = kt_buffer_append(&w->found, is_dir ? "d" : "f", 1);
    if (rc == 0 && w->tell)
        rc = kt_buffer_append(&w->found, w->text.data, w->text.size + 1);
    if (rc == 0 && is_dir) {
        rc = watch(w, parent, name, &p);
        if (rc == 0)
            rc = set_place_at(w, found->depth, p);
        w->walker.enter = rc == 0;
        parent->missed = parent->missed || has_vanished(rc);
    }
    return rc < 0 ? rc : KT__WALK_ON;
}

static int step(kt_dir_watch *w)
{
    kt__walk_found found;
    if (!w->walking)
        return begin(w);
    int rc = kt__walker_step(&w->walker, &found);
    if (rc == KT__WALK_FOUND)
        return take_entry(w, &found);
    if (rc < 0 && rc != -ENOMEM && kt__place_path(place_at(w, 0), w->walker.path.data, &w->text) < 0)
        return -ENOMEM;
    return rc;
}

static void stop(kt_dir_watch *w)
{
    if (w->walking)
        kt__walker_close(&w->walker);
    w->walking = false;
}

int kt__watch_take(void *arg)
{
    kt_dir_watch *w = arg;
    int rc = KT__WALK_ON;
    w->found.size = w->found_at = 0; /* all told */
    for (int steps = 0; steps < TRIP_STEPS && rc == KT__WALK_ON; steps++) {
        rc = step(w);
        if (!has_vanished(rc) || !(w->walking || w->take_parent))
            continue;
        if (!w->walking)
            w->take_parent->missed = true;
        rc = w->walking ? KT__WALK_ON : KT__WALK_END;
    }
    w->rc = rc < 0 ? rc : 0;
    w->taking = rc == KT__WALK_ON || rc == -ENOMEM || (rc < 0 && w->walking);
    if (rc == -ENOMEM)
        w->found.size = 0; /* it will be found again */
    if (rc == -ENOMEM || !w->taking)
        stop(w);
    if (!w->taking && rc == KT__WALK_END && !w->take_parent)
        drop_unseen(w);
    return 0;
}

int kt__watch_end(void *arg)
{
    kt_dir_watch *w = arg;
    stop(w);
    for (kt__place *p; (p = next_place(w, &(size_t){0}, NULL));) {
        kt__map_remove(&w->places, &p->node);
        kt_free(p->name);
        kt_free(p);
    }
    kt__map_release(&w->places);
    kt_buffer_release(&w->take_name);
    kt_buffer_release(&w->way);
    kt_buffer_release(&w->found);
    kt_buffer_release(&w->text);
    kt_buffer_release(&w->old_text);
    kt_free(kt_steal(w->path));
    if (w->fd >= 0)
        (void)close(w->fd); /* ends all watches */
    w->fd = -1;
    return 0;
}
