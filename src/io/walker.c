/* SPDX-License-Identifier: MIT */

#include "io/walker.h"

#include <dirent.h>
#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <limits.h>
#include <stdlib.h>

#define OPEN_MAX_LEVELS 16 /* beside the root */
#define BATCH_BYTES ((size_t)32 << 10) /* as the C library's readdir */
#define PATH_BYTES_MAX ((size_t)1 << 20)
#define ENTRIES_MAX 1000000

static kt__level *top(const kt__walker *w)
{
    return &w->levels[w->depth - 1];
}

int kt__walker_fd(const kt__walker *w)
{
    return top(w)->fd;
}

const char *kt__walker_name(const kt__walker *w)
{
    size_t before = top(w)->path_size;
    return w->path.data + before + (before > 0);
}

static void close_fd(const kt__walker *w, kt__level *l)
{
    if (l->fd >= 0)
        (void)w->disk->close(w->disk, l->fd); /* opened for reading: nothing can be lost */
    l->fd = -1;
}

static void forget_entries(kt__level *l)
{
    kt_buffer_release(&l->entries);
    kt_free(kt_steal(l->order));
    l->at = l->count = 0;
}

static void path_cut(kt__walker *w, size_t size)
{
    w->path.size = size;
    w->path.data[size] = '\0';
}

/* There is room for one more name. */
static void path_add(kt__walker *w, const char *name, size_t size)
{
    path_cut(w, top(w)->path_size);
    if (w->path.size > 0)
        w->path.data[w->path.size++] = '/';
    memcpy(w->path.data + w->path.size, name, size);
    path_cut(w, w->path.size + size);
}

/* ---- Down ---------------------------------------------------------------------------------- */

static int open_dir(const kt__walker *w, int dir, const char *name, bool follow)
{
    const int flags = O_RDONLY | O_DIRECTORY | (follow ? 0 : O_NOFOLLOW);
    return w->disk->open(w->disk, dir, name, flags, 0, 0);
}

static void drop_last(kt__walker *w)
{
    kt__level *l = top(w);
    close_fd(w, l);
    forget_entries(l);
    w->depth--;
}

/* Makes the open directory the last level. Without memory nothing is changed. */
static int push(kt__walker *w, int fd)
{
    struct stat st;
    if (w->depth == w->capacity) {
        size_t capacity = w->capacity ? 2 * w->capacity : 8;
        kt__level *levels = kt_realloc(w->levels, capacity * sizeof *levels);
        if (!levels)
            return -ENOMEM;
        w->levels = levels;
        w->capacity = capacity;
    }
    int rc = w->disk->stat(w->disk, fd, "", AT_EMPTY_PATH, &st);
    if (rc < 0)
        return rc;
    w->levels[w->depth++] = (kt__level){
        .fd = fd,
        .device = st.st_dev,
        .inode = st.st_ino,
        .path_size = w->path.size,
        .entries = KT_BUFFER_INIT,
    };
    return 0;
}

/* May the last level, just pushed, be gone into? 1, 0 or an error. */
static int may_enter(const kt__walker *w)
{
    const kt__level *new = top(w);
    if (w->options.one_file_system && new->device != w->levels[0].device)
        return 0;
    if (new->path_size + 1 + NAME_MAX >= PATH_BYTES_MAX)
        return KT_ELIMIT;
    for (size_t i = 0; i + 1 < w->depth && w->options.follow_links; i++)
        if (w->levels[i].device == new->device && w->levels[i].inode == new->inode)
            return -ELOOP;
    return 1;
}

/* Closes one that is far enough above. Its entries can be read again, unless they are in order. */
static void close_distant(kt__walker *w)
{
    if (w->depth <= OPEN_MAX_LEVELS + 1)
        return;
    kt__level *l = &w->levels[w->depth - 1 - OPEN_MAX_LEVELS];
    close_fd(w, l);
    if (!w->options.sorted)
        forget_entries(l);
}

static int enter(kt__walker *w)
{
    const kt__level *l = top(w);
    int fd = open_dir(w, l->fd, kt__walker_name(w), w->options.follow_links);
    int rc = fd < 0 ? fd : push(w, fd);
    if (fd < 0 || rc < 0) {
        w->enter = rc == -ENOMEM && fd >= 0;
        if (fd >= 0)
            (void)w->disk->close(w->disk, fd);
        return rc;
    }
    w->enter = false;
    rc = may_enter(w);
    if (rc == 1)
        close_distant(w);
    else
        drop_last(w);
    return rc < 0 ? rc : KT__WALK_ON;
}

/* ---- Up ------------------------------------------------------------------------------------ */

static bool is_level(const kt__walker *w, int fd, const kt__level *l)
{
    struct stat st;
    return w->disk->stat(w->disk, fd, "", AT_EMPTY_PATH, &st) == 0 && st.st_dev == l->device &&
           st.st_ino == l->inode;
}

/* From the root down along the path, name by name. */
static int open_by_path(kt__walker *w, const kt__level *l)
{
    int fd = w->levels[0].fd;
    for (size_t at = 0; at < l->path_size;) {
        char *name = w->path.data + at, *end = name;
        while (end < w->path.data + l->path_size && *end != '/')
            end++;
        char behind = *end;
        *end = '\0';
        int next = open_dir(w, fd, name, w->options.follow_links);
        *end = behind;
        if (fd != w->levels[0].fd)
            (void)w->disk->close(w->disk, fd);
        if (next < 0)
            return next;
        fd = next;
        at = (size_t)(end - w->path.data) + 1;
    }
    return fd;
}

/* Opens level l again, to which ".." of its child may lead (-1: of none). */
static int reopen(kt__walker *w, kt__level *l, int child)
{
    int fd = child < 0 ? -ENOENT : open_dir(w, child, "..", true);
    if (fd >= 0 && !is_level(w, fd, l)) {
        (void)w->disk->close(w->disk, fd);
        fd = -ENOENT;
    }
    if (fd < 0)
        fd = open_by_path(w, l);
    if (fd >= 0 && !is_level(w, fd, l)) {
        (void)w->disk->close(w->disk, fd);
        fd = -ENOENT; /* it has gone elsewhere */
    }
    if (fd < 0)
        return fd;
    int64_t at = w->options.sorted || l->at_end ? 0 : w->disk->seek(w->disk, fd, l->position, SEEK_SET);
    if (at < 0) {
        (void)w->disk->close(w->disk, fd);
        return (int)at;
    }
    l->fd = fd;
    return 0;
}

/* The last level has been told. The parent may have been closed; if it cannot be opened, what is left of it is not
 * told, and the next step leaves it, too. */
static int leave(kt__walker *w)
{
    kt__level *l = top(w), *parent = w->depth > 1 ? l - 1 : NULL;
    int rc = 0;
    path_cut(w, l->path_size);
    if (parent && parent->fd < 0)
        rc = reopen(w, parent, l->fd);
    drop_last(w);
    if (rc < 0) {
        path_cut(w, parent->path_size);
        forget_entries(parent);
        parent->at_end = true;
        return rc;
    }
    return w->depth > 0 && w->tells_leaving ? KT__WALK_LEFT : KT__WALK_ON;
}

/* ---- Reading ------------------------------------------------------------------------------- */

static const kt__dirent *entry_at(const kt__level *l, size_t at)
{
    return (const kt__dirent *)(const void *)(l->entries.data + at);
}

static int by_name(const void *a, const void *b)
{
    const kt__dirent *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int bring_in_order(kt__level *l)
{
    size_t i = 0;
    l->order = kt_alloc(l->count * sizeof(const kt__dirent *));
    if (!l->order)
        return -ENOMEM;
    for (size_t at = 0; at < l->entries.size; at += entry_at(l, at)->size)
        l->order[i++] = entry_at(l, at);
    qsort(l->order, l->count, sizeof(const kt__dirent *), by_name);
    return KT__WALK_ON;
}

/* A directory that fails in the middle, too, is passed over with what has been read of it. */
static int read_failed(kt__walker *w, kt__level *l, int rc)
{
    forget_entries(l);
    l->at_end = true;
    path_cut(w, l->path_size);
    return rc;
}

static int read_on(kt__walker *w, kt__level *l)
{
    if (!w->options.sorted)
        l->entries.size = l->at = 0;
    if (kt_buffer_reserve(&l->entries, BATCH_BYTES) < 0)
        return -ENOMEM;
    ssize_t n = w->disk->entries(w->disk, l->fd, l->entries.data + l->entries.size, BATCH_BYTES);
    if (n < 0)
        return read_failed(w, l, (int)n);
    size_t at = l->entries.size;
    l->entries.size += (size_t)n;
    l->at_end = n == 0;
    for (; w->options.sorted && at < l->entries.size; at += entry_at(l, at)->size)
        l->count++;
    return l->count > w->entries_max ? read_failed(w, l, KT_ELIMIT) : KT__WALK_ON;
}

/* ---- Telling ------------------------------------------------------------------------------- */

static kt_path_type type_of_mode(mode_t mode)
{
    if (S_ISREG(mode))
        return KT_PATH_FILE;
    if (S_ISDIR(mode))
        return KT_PATH_DIR;
    return S_ISLNK(mode) ? KT_PATH_LINK : KT_PATH_OTHER;
}

/* A link that leads nowhere is a link; what has vanished is told as far as it is known. */
static kt_path_type type_of(const kt__walker *w, const kt__dirent *e)
{
    struct stat st;
    bool follow = w->options.follow_links && (e->type == DT_LNK || e->type == DT_UNKNOWN);
    if (follow && w->disk->stat(w->disk, top(w)->fd, e->name, 0, &st) == 0)
        return type_of_mode(st.st_mode);
    if (e->type != DT_UNKNOWN)
        return type_of_mode((mode_t)DTTOIF(e->type));
    if (w->disk->stat(w->disk, top(w)->fd, e->name, AT_SYMLINK_NOFOLLOW, &st) == 0)
        return type_of_mode(st.st_mode);
    return KT_PATH_OTHER;
}

static bool is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static int tell(kt__walker *w, kt__walk_found *ret_found)
{
    kt__level *l = top(w);
    const kt__dirent *e = l->order ? l->order[l->at] : entry_at(l, l->at);
    size_t size = strlen(e->name);
    if (kt_buffer_reserve(&w->path, size + 2) < 0)
        return -ENOMEM;
    l->position = e->offset;
    l->at += l->order ? 1 : e->size;
    if (is_dots(e->name) || (w->options.skip_hidden && e->name[0] == '.'))
        return KT__WALK_ON;
    kt_path_type type = type_of(w, e);
    unsigned depth = (unsigned)w->depth;
    path_add(w, e->name, size);
    w->enter = type == KT_PATH_DIR && (w->options.depth_max == 0 || depth < w->options.depth_max);
    if (w->options.files_only && type != KT_PATH_FILE)
        return KT__WALK_ON;
    *ret_found = (kt__walk_found){.type = type, .depth = depth, .inode = e->inode, .name_size = size};
    return KT__WALK_FOUND;
}

/* ---- The walk ------------------------------------------------------------------------------ */

int kt__walker_step(kt__walker *w, kt__walk_found *ret_found)
{
    if (w->depth == 0)
        return KT__WALK_END;
    if (w->enter)
        return enter(w);
    kt__level *l = top(w);
    bool read = l->at_end || (!w->options.sorted && l->at < l->entries.size);
    if (!read)
        return read_on(w, l);
    if (w->options.sorted && !l->order && l->count > 0)
        return bring_in_order(l);
    return l->at < (l->order ? l->count : l->entries.size) ? tell(w, ret_found) : leave(w);
}

int kt__walker_cut(kt__walker *w, size_t depth)
{
    int rc = 0;
    w->enter = false;
    while (w->depth > depth)
        rc = leave(w);
    return rc < 0 ? rc : 0;
}

int kt__walker_open(kt__walker *w, kt__disk *d, const char *root, int flags,
                    const kt_walk_options *o)
{
    *w = (kt__walker){.disk = d, .path = KT_BUFFER_INIT, .entries_max = ENTRIES_MAX};
    if (o)
        w->options = *o;
    int rc = kt_buffer_reserve(&w->path, 1);
    if (rc < 0)
        return rc;
    w->path.data[0] = '\0';
    int fd = d->open(d, AT_FDCWD, root, O_RDONLY | O_DIRECTORY | flags, 0, 0);
    rc = fd < 0 ? fd : push(w, fd);
    if (rc < 0 && fd >= 0)
        (void)d->close(d, fd);
    if (rc < 0)
        kt__walker_close(w);
    return rc;
}

void kt__walker_close(kt__walker *w)
{
    while (w->depth > 0)
        drop_last(w);
    kt_free(kt_steal(w->levels));
    kt_buffer_release(&w->path);
    w->capacity = 0;
}
