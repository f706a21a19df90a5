/* SPDX-License-Identifier: MIT */

/* What is on the platter, and what a crash leaves. */
#include "test/disk.h"

#include "test/kit.h"

/* Of 16 pieces, how many get to the platter. */
#define ALL 16u

static bool chosen(kt_test_disk *d, unsigned chance)
{
    return chance >= ALL || kt__sim_below(d, ALL) < chance;
}

static uint8_t some_sectors(kt_test_disk *d, unsigned chance)
{
    unsigned sectors = 0;
    for (unsigned i = 0; i < KT__SECTORS; i++)
        sectors |= (unsigned)chosen(d, chance) << i;
    return (uint8_t)sectors;
}

static void data_write_back(kt_test_disk *d, kt__node *n, unsigned chance)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->pages_count; i++) {
        kt__page *p = &n->pages[i];
        if (p->dirty)
            kt__sim_page_write_back(p, some_sectors(d, chance));
        if (p->now || p->was)
            n->pages[kept++] = *p;
    }
    n->pages_count = kept;
    if (n->size_dirty && chosen(d, chance)) {
        n->size_was = n->size;
        n->size_dirty = false;
    }
}

static void cells_write_back(kt_test_disk *d, kt__node *n, unsigned chance)
{
    for (size_t i = 0; i < n->cells_count; i++) {
        if (n->cells[i]->dirty && chosen(d, chance))
            kt__sim_cell_write_back(d, n->cells[i]);
    }
    kt__sim_cells_tidy(n);
}

static void write_back(kt_test_disk *d, kt__node *n, unsigned chance)
{
    data_write_back(d, n, chance);
    cells_write_back(d, n, chance);
    if (n->dirty && chosen(d, chance)) {
        n->was = n->now;
        n->dirty = false;
    }
}

void kt__sim_node_sync(kt_test_disk *d, kt__node *n, bool data_only)
{
    if (data_only)
        data_write_back(d, n, ALL);
    else
        write_back(d, n, ALL);
}

void kt__sim_node_lose(kt_test_disk *d, kt__node *n)
{
    write_back(d, n, ALL / 2);
    for (size_t i = 0; i < n->pages_count; i++)
        n->pages[i].dirty = 0;
    for (size_t i = 0; i < n->cells_count; i++)
        n->cells[i]->dirty = false;
    n->size_dirty = n->dirty = false;
}

void kt__sim_node_ahead(kt_test_disk *d, kt__node *n)
{
    if (kt__sim_one_in(d, 8))
        write_back(d, n, ALL / 2);
}

/* ---- The crash ----------------------------------------------------------------------------- */

/* A page that never was on the platter has its place there: what somebody else left in it. */
static void leave_rubbish(kt_test_disk *d, kt__page *p)
{
    if (p->was || !p->now || !p->dirty || !kt__sim_one_in(d, 4))
        return;
    p->was = memset(kt__test_own(NULL, KT__PAGE), 0, KT__PAGE);
    for (size_t i = 0; i < KT__SECTORS; i++) {
        if (p->dirty & 1u << i)
            memset(p->was + i * KT__SECTOR, (int)(128 + kt__sim_below(d, 128)), KT__SECTOR);
    }
}

/* Nothing is in memory but what is on the platter. */
static void data_reread(kt__node *n)
{
    size_t kept = 0;
    n->size = n->size_was;
    n->size_dirty = false;
    for (size_t i = 0; i < n->pages_count; i++) {
        kt__page p = n->pages[i];
        uint64_t start = p.index * KT__PAGE;
        if (!p.was || start >= n->size) {
            kt__test_disown(p.now);
            kt__test_disown(p.was);
            continue;
        }
        if (n->size - start < KT__PAGE)
            memset(p.was + (n->size - start), 0, KT__PAGE - (size_t)(n->size - start));
        p.now = memcpy(kt__test_own(p.now, KT__PAGE), p.was, KT__PAGE);
        p.dirty = 0;
        n->pages[kept++] = p;
    }
    n->pages_count = kept;
}

static void node_reread(kt__node *n)
{
    data_reread(n);
    for (size_t i = 0; i < n->cells_count; i++) {
        n->cells[i]->now = n->cells[i]->was;
        n->cells[i]->dirty = false;
    }
    n->now = n->was;
    n->dirty = n->reached = n->gone = n->linkable = false;
    n->uses = n->cells_alive = 0;
    n->links = S_ISDIR(n->now.mode) ? 1 : 0;
    n->opens = 0;
    n->lock_holders = 0;
}

/* Counts what this directory leads to; one that is known already keeps its first name. */
static void reach(kt_test_disk *d, kt__node *dir)
{
    dir->reached = true;
    d->used_pages++;
    for (size_t i = 0; i < dir->cells_count; i++) {
        kt__cell *c = dir->cells[i];
        kt__node *n = c->now;
        if (n && S_ISDIR(n->now.mode) && n->reached)
            n = c->now = c->was = NULL;
        if (!n)
            continue;
        n->uses += 2;
        n->links++;
        dir->cells_alive++;
        if (S_ISDIR(n->now.mode)) {
            n->parent = dir;
            dir->links++;
            reach(d, n);
        } else if (!n->reached) {
            n->reached = true;
            d->used_pages += n->pages_count;
        }
    }
    kt__sim_cells_tidy(dir);
}

void kt__sim_crash(kt_test_disk *d)
{
    static const unsigned chances[] = {0, 2, ALL / 2, ALL / 2, ALL - 2, ALL};
    unsigned chance = chances[kt__sim_below(d, sizeof chances / sizeof *chances)];
    for (kt__node *n = d->nodes; n; n = n->next)
        kt__sim_node_use(n); /* none is freed while cells change */
    for (kt__node *n = d->nodes; n; n = n->next) {
        for (size_t i = 0; i < n->pages_count; i++)
            leave_rubbish(d, &n->pages[i]);
        write_back(d, n, chance);
    }
    for (kt__node *n = d->nodes; n; n = n->next)
        node_reread(n);
    d->used_pages = 0;
    d->root->uses = d->root->links = 1;
    d->root->links++;
    reach(d, d->root);
    for (kt__node *n = d->nodes, *next; n; n = next) {
        next = n->next;
        if (!n->reached) {
            n->gone = true;
            kt__sim_node_free(d, n);
        }
    }
}
