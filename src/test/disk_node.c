/* SPDX-License-Identifier: MIT */

/* Nodes, and the cells of directories: a name, and whose it is. Cells are ordered by a hash of the name, as on real
 * disks, so that listings come in no order that a program may count on, and a listing that goes on after changes
 * misses none that stayed. */
#include "test/disk.h"

#include <errno.h>

#include "test/kit.h"

void kt__sim_node_touch(kt__node *n, int what)
{
    n->now.changed = kt__sim_now();
    if (what & KT__MODIFIED)
        n->now.modified = n->now.changed;
    n->dirty = true;
}

kt__node *kt__sim_node_new(kt_test_disk *d, mode_t mode)
{
    kt__node *n = memset(kt__test_own(NULL, sizeof *n), 0, sizeof *n);
    n->number = ++d->numbers;
    n->now.mode = mode;
    n->now.accessed = kt__sim_now();
    kt__sim_node_touch(n, KT__MODIFIED | KT__CHANGED);
    n->was = n->now;
    n->next = d->nodes;
    if (d->nodes)
        d->nodes->prev = n;
    d->nodes = n;
    if (S_ISDIR(mode)) {
        n->links = 1;
        d->used_pages++;
    }
    return n;
}

/* Nobody can reach it any more, so its room is free, though the platter may know it still: what is there stays. */
static void give_room_back(kt_test_disk *d, kt__node *n)
{
    if (!n->gone && S_ISDIR(n->now.mode))
        d->used_pages--;
    if (!n->gone)
        kt__sim_data_forget(d, n);
    n->gone = true;
}

void kt__sim_node_left(kt_test_disk *d, kt__node *n)
{
    if (n->links == 0 && n->opens == 0)
        give_room_back(d, n);
}

void kt__sim_node_free(kt_test_disk *d, kt__node *n)
{
    if (n->next)
        n->next->prev = n->prev;
    if (n->prev)
        n->prev->next = n->next;
    else
        d->nodes = n->next;
    give_room_back(d, n);
    kt__sim_data_free(n);
    for (size_t i = 0; i < n->cells_count; i++)
        kt__test_disown(n->cells[i]);
    kt__test_disown(n->cells);
    kt__test_disown(n->target);
    kt__test_disown(n);
}

void kt__sim_node_use(kt__node *n)
{
    n->uses++;
}

void kt__sim_node_unuse(kt_test_disk *d, kt__node *n)
{
    if (--n->uses > 0)
        return;
    for (size_t i = 0; i < n->cells_count; i++) {
        if (n->cells[i]->was)
            kt__sim_node_unuse(d, n->cells[i]->was);
    }
    kt__node *parent = S_ISDIR(n->now.mode) ? n->parent : NULL;
    kt__sim_node_free(d, n);
    if (parent)
        kt__sim_node_unuse(d, parent); /* the use of one that was removed */
}

/* ---- Cells --------------------------------------------------------------------------------- */

/* FNV-1a, the salt before the name; 1 and 2 are "." and "..". */
static uint64_t hash_of(const kt_test_disk *d, kt_slice name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ d->salt;
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (unsigned char)name.data[i]) * UINT64_C(0x100000001b3);
    hash = (hash ^ hash >> 29) & INT64_MAX;
    return hash < 3 ? 3 : hash;
}

static bool is_named(const kt__cell *c, kt_slice name)
{
    return strlen(c->name) == name.size && memcmp(c->name, name.data, name.size) == 0;
}

/* Where in the list cells of this hash begin, or would. */
static size_t position(const kt__node *dir, uint64_t hash)
{
    size_t low = 0, high = dir->cells_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (dir->cells[middle]->hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

kt__cell *kt__sim_cell(const kt_test_disk *d, const kt__node *dir, kt_slice name)
{
    uint64_t hash = hash_of(d, name);
    for (size_t i = position(dir, hash); i < dir->cells_count && dir->cells[i]->hash == hash; i++) {
        if (is_named(dir->cells[i], name))
            return dir->cells[i];
    }
    return NULL;
}

kt__node *kt__sim_lookup(const kt_test_disk *d, const kt__node *dir, kt_slice name)
{
    const kt__cell *c = kt__sim_cell(d, dir, name);
    return c ? c->now : NULL;
}

static kt__cell *cell_make(const kt_test_disk *d, kt__node *dir, kt_slice name)
{
    kt__cell *c = kt__sim_cell(d, dir, name);
    if (c)
        return c;
    c = memset(kt__test_own(NULL, sizeof *c + name.size + 1), 0, sizeof *c + name.size + 1);
    memcpy(c->name, name.data, name.size);
    c->hash = hash_of(d, name);
    if (dir->cells_count == dir->cells_room) {
        dir->cells_room = dir->cells_room ? 2 * dir->cells_room : 8;
        dir->cells = kt__test_own(dir->cells, dir->cells_room * sizeof *dir->cells);
    }
    size_t at = position(dir, c->hash);
    memmove(&dir->cells[at + 1], &dir->cells[at], (dir->cells_count - at) * sizeof *dir->cells);
    dir->cells[at] = c;
    dir->cells_count++;
    return c;
}

void kt__sim_cells_tidy(kt__node *dir)
{
    size_t kept = 0;
    for (size_t i = 0; i < dir->cells_count; i++) {
        kt__cell *c = dir->cells[i];
        if (c->now || c->was || c->dirty)
            dir->cells[kept++] = c;
        else
            kt__test_disown(c);
    }
    dir->cells_count = kept;
}

/* A name leads to n, or no longer: counts it. */
static void name_added(kt__node *dir, kt__node *n)
{
    kt__sim_node_use(n);
    n->links++;
    dir->cells_alive++;
    if (S_ISDIR(n->now.mode)) {
        n->parent = dir;
        dir->links++;
    }
}

/* An empty directory without a name is removed: not even itself leads to it, and it keeps what ".." was. */
static void name_removed(kt__node *dir, kt__node *n)
{
    n->links--;
    dir->cells_alive--;
    if (!S_ISDIR(n->now.mode))
        return;
    dir->links--;
    if (n->links == 1) {
        n->links = 0;
        kt__sim_node_use(dir);
    }
}

void kt__sim_name_set(kt_test_disk *d, kt__node *dir, kt_slice name, kt__node *n)
{
    kt__cell *c = cell_make(d, dir, name);
    kt__node *before = c->now;
    if (before)
        name_removed(dir, before);
    if (n)
        name_added(dir, n);
    c->now = n;
    c->dirty = true;
    if (before) {
        kt__sim_node_left(d, before);
        kt__sim_node_unuse(d, before);
    }
}

void kt__sim_names_swap(kt_test_disk *d, const kt__place *one, const kt__place *two)
{
    kt__cell *a = kt__sim_cell(d, one->dir, one->name), *b = kt__sim_cell(d, two->dir, two->name);
    kt__node *first = a->now, *second = b->now;
    a->now = second;
    b->now = first;
    a->dirty = b->dirty = true;
    if (S_ISDIR(first->now.mode)) {
        first->parent = two->dir;
        one->dir->links--;
        two->dir->links++;
    }
    if (S_ISDIR(second->now.mode)) {
        second->parent = one->dir;
        two->dir->links--;
        one->dir->links++;
    }
}

void kt__sim_cell_write_back(kt_test_disk *d, kt__cell *c)
{
    kt__node *before = c->was;
    if (!c->dirty)
        return;
    c->dirty = false;
    c->was = c->now;
    if (c->was)
        kt__sim_node_use(c->was);
    if (before)
        kt__sim_node_unuse(d, before);
}
