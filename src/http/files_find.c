/* SPDX-License-Identifier: MIT */
/* Opens the file that a request is for, with what is beside it. All in one job, and on the loop where the system has
 * what it takes in memory: RESOLVE_CACHED of openat2(2) and RWF_NOWAIT of preadv2(2) say so instead of waiting. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <kettle/memory.h>
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
static int try_sibling(kt__found *f, const char *path, bool cached, const char *ending, const char *coding)
{
    char name[PATH_BYTES];
    struct stat st;
    int n = snprintf(name, sizeof name, "%s%s", path, ending);
    if (n < 0 || (size_t)n >= sizeof name)
        return 0;
    int fd = open_regular(&f->query, name, cached, &st);
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

static int try_siblings(kt__found *f, const char *path, bool cached)
{
    const kt__file_query *q = &f->query;
    int rc = 0;
    bool br_first = q->want_br >= q->want_gzip;
    for (int i = 0; rc == 0 && i < 2 && !f->coding; i++) {
        bool br = br_first == (i == 0);
        if ((br ? q->want_br : q->want_gzip) > 0)
            rc = br ? try_sibling(f, path, cached, ".br", "br") : try_sibling(f, path, cached, ".gz", "gzip");
    }
    return rc;
}

static int fill(kt__found *f, bool cached)
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
    return 0;
}

/* Reads a small file whole. One that has become shorter meanwhile is an error. */
static int read_small(kt__found *f, bool cached)
{
    f->small = kt_alloc((size_t)f->st.st_size);
    int rc = f->small ? fill(f, cached) : -ENOMEM;
    if (rc < 0)
        kt_free(kt_steal(f->small));
    return rc;
}

/* The directory's index, or 1 for one that wants a slash. */
static int open_index(kt__found *f, char path[PATH_BYTES], bool cached)
{
    const kt__file_query *q = &f->query;
    if (!q->index || !*q->index)
        return -EISDIR;
    if (!q->slash)
        return 1;
    int n = snprintf(path, PATH_BYTES, "%s/%s", f->path, q->index);
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

static int look(kt__found *f, bool cached)
{
    const kt__file_query *q = &f->query;
    char path[PATH_BYTES];
    f->coding = NULL;
    if (q->path.size >= sizeof path)
        return -ENAMETOOLONG;
    memcpy(path, f->path, q->path.size + 1);
    f->fd = open_regular(q, path, cached, &f->st);
    int rc = f->fd < 0 ? f->fd : 0;
    if (rc == -EISDIR)
        rc = open_index(f, path, cached);
    if (rc != 0)
        return rc;
    note_name(f, path);
    if (q->compressed)
        rc = try_siblings(f, path, cached);
    if (rc == 0 && f->st.st_size <= KT__SMALL_BYTES)
        rc = read_small(f, cached);
    if (rc < 0)
        close_found(f);
    return rc;
}

static int look_on_pool(void *arg)
{
    return look(arg, false);
}

static kt__found *found_new(const kt__file_query *q)
{
    kt__found *f = kt_alloc(sizeof *f + q->path.size + 1);
    if (!f)
        return NULL;
    *f = (kt__found){.uses = 1, .query = *q, .fd = -1};
    memcpy(f->path, q->path.data, q->path.size);
    f->path[q->path.size] = '\0';
    f->query.path.data = f->path;
    return f;
}

void kt__found_release(kt__found *f)
{
    if (--f->uses > 0)
        return;
    close_found(f);
    kt_free(f->small);
    kt_free(f);
}

static void note_validators(kt__found *f)
{
    char date[32];
    snprintf(f->etag, sizeof f->etag, "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"", (uint64_t)f->st.st_ino,
             (uint64_t)f->st.st_size, (uint64_t)f->st.st_mtim.tv_sec * 1000000000u + (uint64_t)f->st.st_mtim.tv_nsec);
    kt__http_date_text(f->st.st_mtim.tv_sec, date);
    snprintf(f->validators, sizeof f->validators, "ETag: %s\r\nLast-Modified: %s\r\n", f->etag, date);
}

int kt__find(kt__http_server *s, const kt__file_query *q, kt__found **ret_found)
{
    kt__found *f = kt__seen(s, q);
    *ret_found = f;
    if (f)
        return 0;
    f = found_new(q);
    if (!f)
        return -ENOMEM;
    int rc = look(f, true);
    bool waited = rc == -EAGAIN;
    if (waited)
        rc = kt_thread_run(look_on_pool, f, 0);
    if (rc != 0) {
        kt__found_release(f);
        return rc;
    }
    note_validators(f);
    if (!waited)
        kt__seen_add(s, f);
    *ret_found = f;
    return 0;
}
