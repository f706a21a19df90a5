/* SPDX-License-Identifier: MIT */

/* What is in files: pages, of which those that were never written are holes. */
#include "test/disk.h"

#include "test/kit.h"

/* Where a page is in the list, or would be. */
static size_t position(const kt__node *n, uint64_t index)
{
    size_t low = 0, high = n->pages_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (n->pages[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static kt__page *page_make(kt__node *n, uint64_t index)
{
    size_t at = position(n, index);
    if (at < n->pages_count && n->pages[at].index == index)
        return &n->pages[at];
    if (n->pages_count == n->pages_room) {
        n->pages_room = n->pages_room ? 2 * n->pages_room : 4;
        n->pages = kt__test_own(n->pages, n->pages_room * sizeof *n->pages);
    }
    memmove(&n->pages[at + 1], &n->pages[at], (n->pages_count - at) * sizeof *n->pages);
    n->pages_count++;
    n->pages[at] = (kt__page){.index = index};
    return &n->pages[at];
}

static char *zeros(void)
{
    return memset(kt__test_own(NULL, KT__PAGE), 0, KT__PAGE);
}

bool kt__sim_has_room(const kt_test_disk *d)
{
    return d->options.capacity == 0 || d->used_pages < d->options.capacity / KT__PAGE;
}

/* The sectors of a page that bytes from `from` to `to` lie in. */
static uint8_t sectors_between(size_t from, size_t to)
{
    unsigned below = (1u << from / KT__SECTOR) - 1, through = (1u << (to + KT__SECTOR - 1) / KT__SECTOR) - 1;
    return (uint8_t)(through & ~below);
}

static size_t smaller(uint64_t a, uint64_t b)
{
    return (size_t)(a < b ? a : b);
}

size_t kt__sim_data_read(const kt__node *n, uint64_t offset, void *bytes, size_t size)
{
    size_t done = 0, all = offset < n->size ? smaller(size, n->size - offset) : 0;
    while (done < all) {
        uint64_t index = (offset + done) / KT__PAGE;
        size_t in = (size_t)((offset + done) % KT__PAGE), part = smaller(all - done, KT__PAGE - in);
        size_t at = position(n, index);
        const char *page = at < n->pages_count && n->pages[at].index == index ? n->pages[at].now : NULL;
        if (page)
            memcpy((char *)bytes + done, page + in, part);
        else
            memset((char *)bytes + done, 0, part);
        done += part;
    }
    return done;
}

size_t kt__sim_data_write(kt_test_disk *d, kt__node *n, uint64_t offset, const void *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        size_t in = (size_t)((offset + done) % KT__PAGE), part = smaller(size - done, KT__PAGE - in);
        kt__page *p = page_make(n, (offset + done) / KT__PAGE);
        if (!p->now) {
            if (!kt__sim_has_room(d))
                break;
            p->now = zeros();
            d->used_pages++;
        }
        memcpy(p->now + in, (const char *)bytes + done, part);
        p->dirty |= sectors_between(in, in + part);
        done += part;
    }
    if (done > 0 && offset + done > n->size) {
        n->size = offset + done;
        n->size_dirty = true;
    }
    return done;
}

static void page_drop(kt_test_disk *d, kt__page *p)
{
    if (p->now)
        d->used_pages--;
    kt__test_disown(p->now);
    p->now = NULL;
    p->dirty = p->was ? KT__ALL_SECTORS : 0;
}

void kt__sim_data_resize(kt_test_disk *d, kt__node *n, uint64_t size)
{
    for (size_t i = position(n, size / KT__PAGE); size < n->size && i < n->pages_count; i++) {
        kt__page *p = &n->pages[i];
        size_t kept = p->index == size / KT__PAGE ? (size_t)(size % KT__PAGE) : 0;
        if (kept == 0) {
            page_drop(d, p);
        } else if (p->now) {
            memset(p->now + kept, 0, KT__PAGE - kept);
            p->dirty |= sectors_between(kept, KT__PAGE);
        }
    }
    n->size_dirty |= n->size != size;
    n->size = size;
}

uint64_t kt__sim_data_next(const kt__node *n, uint64_t offset, bool hole)
{
    uint64_t index = offset / KT__PAGE;
    size_t i = position(n, index);
    for (; i < n->pages_count; i++) {
        const kt__page *p = &n->pages[i];
        if (hole && (p->index > index || !p->now))
            break;
        if (!hole && p->now)
            break;
        index = p->index + 1;
    }
    if (!hole)
        index = i < n->pages_count ? n->pages[i].index : UINT64_MAX / KT__PAGE;
    uint64_t at = index * KT__PAGE > offset ? index * KT__PAGE : offset;
    return at < n->size ? at : n->size;
}

size_t kt__sim_data_pages(const kt__node *n)
{
    size_t count = 0;
    for (size_t i = 0; i < n->pages_count; i++)
        count += n->pages[i].now != NULL;
    return count;
}

void kt__sim_page_write_back(kt__page *p, uint8_t sectors)
{
    sectors &= p->dirty;
    if (sectors == 0)
        return;
    p->dirty &= (uint8_t)~sectors;
    if (p->now && !p->was)
        p->was = zeros();
    for (size_t i = 0; p->was && i < KT__SECTORS; i++) {
        char *to = p->was + i * KT__SECTOR;
        if (!(sectors & 1u << i))
            continue;
        if (p->now)
            memcpy(to, p->now + i * KT__SECTOR, KT__SECTOR);
        else
            memset(to, 0, KT__SECTOR);
    }
    if (!p->now && p->dirty == 0) {
        kt__test_disown(p->was);
        p->was = NULL;
    }
}

void kt__sim_data_forget(kt_test_disk *d, kt__node *n)
{
    for (size_t i = 0; i < n->pages_count; i++) {
        page_drop(d, &n->pages[i]);
        n->pages[i].dirty = 0;
    }
}

void kt__sim_data_free(kt__node *n)
{
    for (size_t i = 0; i < n->pages_count; i++) {
        kt__test_disown(n->pages[i].now);
        kt__test_disown(n->pages[i].was);
    }
    kt__test_disown(n->pages);
    n->pages = NULL;
    n->pages_count = n->pages_room = 0;
}
