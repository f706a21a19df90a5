/* SPDX-License-Identifier: MIT */
/* Opens the file that a request is for, with what is beside it. All in one job, and on the loop where the system has
 * what it takes in memory: RESOLVE_CACHED of openat2(2) and RWF_NOWAIT of preadv2(2) say so instead of waiting. */
#include <errno.h>
#include <fcntl.h>
#include <kettle/thread.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "http/files.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif
#define PATH_BYTES 4096

/* -EAGAIN: not without waiting. */
static int open_beneath(const kt__file_query *q, const char *path, bool cached)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, /* the latter so that no FIFO is waited for */
        .resolve = q->dir == AT_FDCWD ? 0 : RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    if (cached)
        how.resolve |= RESOLVE_CACHED;
    int fd = (int)syscall(SYS_openat2, q->dir, path, &how, sizeof how);
    if (fd >= 0)
        return fd;
    if (cached && (errno == EINVAL || errno == ENOSYS)) /* before Linux 5.12 */
        return -EAGAIN;
    if (errno == ENOSYS && q->dir == AT_FDCWD)
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static void close_found(kt__found *f)
{
    if (f->fd >= 0)
        (void)close(f->fd); /* it was only read */
    f->fd = -1;
}

static int open_regular(const kt__file_query *q, const char *path, bool cached, struct stat *st)
{
    int fd = open_beneath(q, path, cached);
    if (fd < 0)
        return fd;
    int rc = fstat(fd, st) < 0 ? -errno : 0;
    if (rc == 0 && !S_ISREG(st->st_mode))
        rc = S_ISDIR(st->st_mode) ? -EISDIR : -ESPIPE;
    if (rc < 0) {
        (void)close(fd);
        return rc;
    }
    return fd;
}

static bool is_older(const struct stat *a, const struct stat *b)
{
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec)
        return a->st_mtim.tv_sec < b->st_mtim.tv_sec;
    return a->st_mtim.tv_nsec < b->st_mtim.tv_nsec;
}

/* Puts the sibling in the file's place, if there is one as new. 0, also where there is none; -EAGAIN. */
static int try_sibling(kt__file_query *q, const char *path, bool cached, const char *ending, const char *coding)
{
    char name[PATH_BYTES];
    struct stat st;
    kt__found *f = q->found;
    int n = snprintf(name, sizeof name, "%s%s", path, ending);
    if (n < 0 || (size_t)n >= sizeof name)
        return 0;
    int fd = open_regular(q, name, cached, &st);
    if (fd < 0)
        return fd == -EAGAIN ? fd : 0;
    if (is_older(&st, &f->st)) {
        (void)close(fd);
        return 0;
    }
    close_found(f);
    f->fd = fd;
    f->st = st;
    f->coding = coding;
    return 0;
}

static int try_siblings(kt__file_query *q, const char *path, bool cached)
{
    int rc = 0;
    bool br_first = q->want_br >= q->want_gzip;
    for (int i = 0; rc == 0 && i < 2 && !q->found->coding; i++) {
        bool br = br_first == (i == 0);
        if ((br ? q->want_br : q->want_gzip) > 0)
            rc = br ? try_sibling(q, path, cached, ".br", "br") : try_sibling(q, path, cached, ".gz", "gzip");
    }
    return rc;
}

/* Reads a small file whole. One that has become shorter meanwhile is an error. */
static int read_small(kt__found *f, bool cached)
{
    size_t size = (size_t)f->st.st_size, done = 0;
    while (done < size) {
        struct iovec piece = {f->small + done, size - done};
        ssize_t n = preadv2(f->fd, &piece, 1, (off_t)done, cached ? RWF_NOWAIT : 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cached && errno == EOPNOTSUPP ? -EAGAIN : -errno;
        if (n == 0)
            return KT_EINCOMPLETE;
        done += (size_t)n;
    }
    f->read = (ssize_t)size;
    return 0;
}

/* The directory's index, or 1 for one that wants a slash. */
static int open_index(kt__file_query *q, char path[PATH_BYTES], bool cached)
{
    kt__found *f = q->found;
    if (!q->index || !*q->index)
        return -EISDIR;
    if (!q->slash)
        return 1;
    int n = snprintf(path, PATH_BYTES, "%s/%s", q->path, q->index);
    if (n < 0 || n >= PATH_BYTES)
        return -ENAMETOOLONG;
    f->fd = open_regular(q, path, cached, &f->st);
    return f->fd < 0 ? f->fd : 0;
}

static void note_name(kt__found *f, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    snprintf(f->name, sizeof f->name, "%.255s", name);
}

static int look(kt__file_query *q, bool cached)
{
    kt__found *f = q->found;
    char path[PATH_BYTES];
    f->coding = NULL;
    f->read = -1;
    int n = snprintf(path, sizeof path, "%s", q->path);
    if (n < 0 || (size_t)n >= sizeof path)
        return -ENAMETOOLONG;
    f->fd = open_regular(q, path, cached, &f->st);
    int rc = f->fd < 0 ? f->fd : 0;
    if (rc == -EISDIR)
        rc = open_index(q, path, cached);
    if (rc != 0)
        return rc;
    note_name(f, path);
    if (q->compressed)
        rc = try_siblings(q, path, cached);
    if (rc == 0 && f->st.st_size <= (off_t)sizeof f->small)
        rc = read_small(f, cached);
    if (rc < 0)
        close_found(f);
    return rc;
}

static int look_on_pool(void *arg)
{
    return look(arg, false);
}

int kt__find(kt__file_query *q)
{
    q->found->fd = -1;
    int rc = look(q, true);
    return rc == -EAGAIN ? kt_thread_run(look_on_pool, q, 0) : rc;
}
