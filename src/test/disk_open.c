/* SPDX-License-Identifier: MIT */

/* Descriptors of the simulated disk. Their numbers are far above the system's, so that one which is taken for the
 * other is noticed. */
#include "test/disk.h"

#include <errno.h>
#include <kettle/loop.h>
#include <linux/openat2.h>
#include <sys/file.h>

#include "test/kit.h"

#define FIRST 0x10000000
#define OPEN_MAX_SIM 65536u
#define UMASK 022
#define RESOLVE_ALL (RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | \
                     RESOLVE_IN_ROOT | RESOLVE_CACHED)
/* What O_PATH leaves of the flags. */
#define PATH_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

int kt__sim_descriptor(kt_test_disk *d, int fd, kt__open **ret_open)
{
    size_t at = (size_t)fd - FIRST;
    if (fd < FIRST || at >= d->opens_count || (!d->opens[at].node && !d->opens[at].dead))
        return -EBADF;
    if (d->opens[at].dead)
        return -EIO;
    *ret_open = &d->opens[at];
    return 0;
}

static int descriptor_new(kt_test_disk *d, kt__node *n, int flags)
{
    size_t at = 0;
    while (at < d->opens_count && (d->opens[at].node || d->opens[at].dead))
        at++;
    if (at == OPEN_MAX_SIM)
        return -EMFILE;
    if (at == d->opens_count)
        d->opens = kt__test_own(d->opens, ++d->opens_count * sizeof *d->opens);
    d->opens[at] = (kt__open){.node = n, .flags = flags};
    n->opens++;
    kt__sim_node_use(n);
    return (int)(FIRST + at);
}

/* ---- Open ---------------------------------------------------------------------------------- */

typedef struct request {
    int flags;
    mode_t mode;
    int may;
} request;

/* What open(2) refuses whatever the path. */
static int check_flags(int flags, mode_t mode, uint64_t resolve, request *ret_request)
{
    static const int may[] = {KT__MAY_READ, KT__MAY_WRITE, KT__MAY_READ | KT__MAY_WRITE, 0};
    bool temporary = (flags & O_TMPFILE) == O_TMPFILE;
    if (resolve & ~(uint64_t)RESOLVE_ALL || (resolve & RESOLVE_BENEATH && resolve & RESOLVE_IN_ROOT))
        return -EINVAL;
    if (flags & O_PATH && resolve && flags & ~PATH_FLAGS)
        return -EINVAL; /* openat2(2) is stricter than open(2) */
    if (flags & O_PATH) {
        *ret_request = (request){.flags = flags & PATH_FLAGS};
        return 0;
    }
    if (temporary && ((flags & O_ACCMODE) == O_RDONLY || flags & O_CREAT))
        return -EINVAL;
    if (flags & O_CREAT && flags & O_DIRECTORY && !temporary)
        return -EINVAL;
    if (flags & O_CREAT && flags & O_EXCL)
        flags |= O_NOFOLLOW;
    *ret_request = (request){flags, S_IFREG | (mode & 07777 & ~(mode_t)UMASK), may[flags & O_ACCMODE]};
    if (flags & O_TRUNC)
        ret_request->may |= KT__MAY_WRITE;
    return 0;
}

/* A file without a name. */
static int open_temporary(kt__walk *w, kt__node *start, const char *path, const request *r)
{
    kt__node *dir;
    int rc = kt__sim_walk(w, start, path, !(r->flags & O_NOFOLLOW), &dir);
    if (rc == 0 && !S_ISDIR(dir->now.mode))
        rc = -ENOTDIR;
    if (rc == 0)
        rc = kt__sim_may(w->d, dir, KT__MAY_WRITE | KT__MAY_EXECUTE);
    if (rc < 0)
        return rc;
    kt__node *n = kt__sim_node_new(w->d, r->mode);
    n->linkable = !(r->flags & O_EXCL);
    return descriptor_new(w->d, n, r->flags & ~O_TMPFILE);
}

/* Opens what is there, if that may be. `made`: by this call. */
static int open_node(kt_test_disk *d, kt__node *n, const request *r, bool made)
{
    bool is_dir = S_ISDIR(n->now.mode);
    if (r->flags & O_CREAT && !made) {
        if (r->flags & O_EXCL)
            return -EEXIST;
        if (is_dir)
            return -EISDIR;
    }
    if (r->flags & O_DIRECTORY && !is_dir)
        return -ENOTDIR;
    if (r->flags & O_PATH)
        return descriptor_new(d, n, r->flags);
    if (S_ISLNK(n->now.mode))
        return -ELOOP;
    if (is_dir && r->may & KT__MAY_WRITE)
        return -EISDIR;
    int rc = made ? 0 : kt__sim_may(d, n, r->may);
    if (rc < 0)
        return rc;
    int fd = descriptor_new(d, n, r->flags);
    if (fd >= 0 && r->flags & O_TRUNC && !made && n->size > 0) {
        kt__sim_node_ahead(d, n);
        kt__sim_data_resize(d, n, 0);
        kt__sim_node_touch(n, KT__MODIFIED | KT__CHANGED);
    } else if (fd >= 0 && r->flags & O_TRUNC) {
        kt__sim_node_touch(n, KT__MODIFIED | KT__CHANGED);
    }
    return fd;
}

static int open_new(kt_test_disk *d, const kt__place *p, const request *r)
{
    int rc = kt__sim_may_create(d, p->dir);
    if (rc < 0)
        return rc;
    kt__node *n = kt__sim_node_new(d, r->mode);
    kt__sim_node_ahead(d, p->dir);
    kt__sim_name_set(d, p->dir, p->name, n);
    kt__sim_node_touch(p->dir, KT__MODIFIED | KT__CHANGED);
    return open_node(d, n, r, true);
}

/* With O_CREAT, a link at the end that leads to nothing is where the file is made. */
static int open_or_make(kt__walk *w, kt__node *start, const char *path, const request *r)
{
    for (;;) {
        kt__place p;
        kt__node *n = NULL;
        int rc = kt__sim_walk_parent(w, start, path, &p);
        if (rc < 0)
            return rc;
        if (p.last == KT__LAST_NAME && p.slash)
            return -EISDIR;
        rc = kt__sim_walk_last(w, &p, &n);
        if (rc < 0)
            return rc;
        if (!n)
            return open_new(w->d, &p, r); /* or the directory was removed, and nothing is in it */
        if (!S_ISLNK(n->now.mode) || r->flags & O_NOFOLLOW)
            return open_node(w->d, n, r, false);
        rc = kt__sim_walk_link(w);
        if (rc < 0)
            return rc;
        start = p.dir;
        path = n->target;
    }
}

int kt__sim_open(kt_test_disk *d, int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    request r;
    kt__walk w;
    kt__node *n;
    int rc = check_flags(flags, mode, resolve, &r);
    if (rc < 0)
        return rc;
    if (kt__sim_magic(path) >= 0 && !resolve && !(flags & O_NOFOLLOW)) {
        rc = kt__sim_find(d, AT_FDCWD, path, 0, true, &n);
        return rc < 0 ? rc : open_node(d, n, &r, false);
    }
    rc = kt__sim_walk_start(d, dir, path, resolve, &w, &n);
    if (rc < 0)
        return rc;
    if ((flags & O_TMPFILE) == O_TMPFILE && !(flags & O_PATH))
        return open_temporary(&w, n, path, &r);
    if (r.flags & O_CREAT)
        return open_or_make(&w, n, path, &r);
    rc = kt__sim_walk(&w, n, path, !(r.flags & O_NOFOLLOW), &n);
    return rc < 0 ? rc : open_node(d, n, &r, false);
}

/* ---- Locks --------------------------------------------------------------------------------- */

static void unlock(kt_test_disk *d, kt__open *o)
{
    if (o->lock == LOCK_EX)
        o->node->lock_holders = 0;
    else if (o->lock == LOCK_SH)
        o->node->lock_holders--;
    o->lock = 0;
    pthread_cond_broadcast(&d->unlocked);
}

static bool try_lock(kt__open *o, int how)
{
    kt__node *n = o->node;
    if (how == LOCK_EX ? n->lock_holders != 0 : n->lock_holders < 0)
        return false;
    n->lock_holders += how == LOCK_EX ? -1 : 1;
    o->lock = how;
    return true;
}

/* Changing a lock gives the old one up first, as flock(2) says. Under sim nobody else could ever unlock. */
int kt__sim_lock(kt_test_disk *d, int fd, int operation)
{
    kt__open *o;
    int rc = kt__sim_descriptor(d, fd, &o), how = operation & ~LOCK_NB;
    if (how != LOCK_SH && how != LOCK_EX && how != LOCK_UN)
        return -EINVAL;
    if (rc < 0)
        return rc;
    if (o->flags & O_PATH)
        return -EBADF;
    if (how == o->lock)
        return 0;
    unlock(d, o);
    if (how == LOCK_UN)
        return 0;
    while (!try_lock(o, how)) {
        if (operation & LOCK_NB)
            return -EWOULDBLOCK;
        if (kt_loop_current())
            return -EDEADLK;
        pthread_cond_wait(&d->unlocked, &d->mutex);
        rc = kt__sim_descriptor(d, fd, &o); /* the list may have moved */
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- What needs a descriptor alone --------------------------------------------------------- */

int kt__sim_close(kt_test_disk *d, int fd)
{
    kt__open *o;
    int rc = kt__sim_descriptor(d, fd, &o);
    if (rc == -EIO) {
        d->opens[fd - FIRST].dead = false;
        return 0;
    }
    if (rc < 0)
        return rc;
    unlock(d, o);
    kt__node *n = o->node;
    o->node = NULL;
    n->opens--;
    kt__sim_node_left(d, n);
    kt__sim_node_unuse(d, n);
    return 0;
}

/* Of a directory, the position is a hash: where d_off has led to. */
static int64_t seek_directory(kt__open *o, int64_t offset, int whence)
{
    if (whence == SEEK_CUR)
        offset += o->at;
    if ((whence != SEEK_SET && whence != SEEK_CUR) || offset < 0)
        return -EINVAL;
    return o->at = offset;
}

int64_t kt__sim_seek(kt_test_disk *d, int fd, int64_t offset, int whence)
{
    kt__open *o;
    int rc = kt__sim_descriptor(d, fd, &o);
    if (rc < 0)
        return rc;
    if (o->flags & O_PATH)
        return -EBADF;
    if (S_ISDIR(o->node->now.mode))
        return seek_directory(o, offset, whence);
    int64_t base = 0, size = (int64_t)o->node->size;
    switch (whence) {
    case SEEK_SET:
        break;
    case SEEK_CUR:
        base = o->at;
        break;
    case SEEK_END:
        base = size;
        break;
    case SEEK_DATA:
    case SEEK_HOLE:
        if (offset < 0 || offset >= size)
            return -ENXIO;
        offset = (int64_t)kt__sim_data_next(o->node, (uint64_t)offset, whence == SEEK_HOLE);
        if (whence == SEEK_DATA && offset >= size)
            return -ENXIO;
        break;
    default:
        return -EINVAL;
    }
    int64_t at;
    if (__builtin_add_overflow(base, offset, &at) || at < 0)
        return -EINVAL;
    return o->at = at;
}

int kt__sim_truncate(kt_test_disk *d, int fd, int64_t size)
{
    kt__open *o;
    if (size < 0)
        return -EINVAL;
    int rc = kt__sim_descriptor(d, fd, &o);
    if (rc < 0)
        return rc;
    if (o->flags & O_PATH)
        return -EBADF;
    if (!S_ISREG(o->node->now.mode) || (o->flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    kt__sim_node_ahead(d, o->node);
    kt__sim_data_resize(d, o->node, (uint64_t)size);
    kt__sim_node_touch(o->node, KT__MODIFIED | KT__CHANGED);
    return 0;
}

int kt__sim_sync(kt_test_disk *d, int fd, bool data_only)
{
    kt__open *o;
    int rc = kt__sim_descriptor(d, fd, &o);
    if (rc < 0)
        return rc;
    if (o->flags & O_PATH)
        return -EBADF;
    kt__sim_node_sync(d, o->node, data_only);
    return 0;
}

/* ---- Listing ------------------------------------------------------------------------------- */

typedef struct listing {
    char *buffer;
    size_t room, used;
} listing;

static bool list(listing *l, const char *name, const kt__node *n, uint64_t hash)
{
    size_t length = strlen(name) + 1;
    size_t size = (offsetof(kt__dirent, name) + length + 7) & ~(size_t)7;
    if (size > l->room - l->used)
        return false;
    kt__dirent head = {
        .inode = n->number,
        .offset = (int64_t)hash,
        .size = (uint16_t)size,
        .type = (uint8_t)(n->now.mode >> 12 & 15), /* DT_REG and the others are S_IFREG and the others */
    };
    memcpy(l->buffer + l->used, &head, offsetof(kt__dirent, name));
    memcpy(l->buffer + l->used + offsetof(kt__dirent, name), name, length);
    l->used += size;
    return true;
}

ssize_t kt__sim_entries(kt_test_disk *d, int fd, void *buffer, size_t size)
{
    kt__open *o;
    listing l = {buffer, size, 0};
    int rc = kt__sim_descriptor(d, fd, &o);
    if (rc < 0)
        return rc;
    if (o->flags & O_PATH)
        return -EBADF;
    kt__node *dir = o->node;
    if (!S_ISDIR(dir->now.mode))
        return -ENOTDIR;
    if (dir->links == 0)
        return -ENOENT;
    bool fits = true;
    if (o->at < 1 && (fits = list(&l, ".", dir, 1)))
        o->at = 1;
    if (fits && o->at < 2 && (fits = list(&l, "..", dir->parent, 2)))
        o->at = 2;
    for (size_t i = 0; fits && i < dir->cells_count; i++) {
        const kt__cell *c = dir->cells[i];
        if (!c->now || (int64_t)c->hash <= o->at)
            continue;
        fits = list(&l, c->name, c->now, c->hash);
        if (fits)
            o->at = (int64_t)c->hash;
    }
    return !fits && l.used == 0 ? -EINVAL : (ssize_t)l.used;
}
