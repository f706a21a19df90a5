/* SPDX-License-Identifier: MIT */

/* Files that rotate: path is the newest, path.1 the one before it. Every step is one rename(2), so at each moment
 * every line is in exactly one file; whatever fails, lines go on into the file that is open. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/log_private.h"

#define OLD_NAME_BYTES (4096 + 8) /* PATH_MAX and a number; the log's thread has a stack of megabytes */

/* The second in which the next period begins. */
static int64_t next_period(const kt__log_sink *s, int64_t second)
{
    int64_t every = s->options.rotate_every / KT_S(1);
    if (every == 0)
        return INT64_MAX;
    int64_t offset = s->options.utc ? 0 : kt__log_utc_offset(second, true), local = second + offset;
    int64_t period = local / every - (local % every < 0);
    return (period + 1) * every - offset;
}

/* Without waiting for a reader, if it is a fifo: -ENXIO. */
static int file_open(const kt__log_sink *s, struct stat *ret_stat)
{
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = (int)TEMP_FAILURE_RETRY(open(s->path, flags, 0640));
    if (fd < 0)
        return -errno;
    if (fstat(fd, ret_stat) < 0) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

static void take(kt__log_sink *s, int fd, const struct stat *st)
{
    if (s->descriptor >= 0)
        close(s->descriptor);
    s->descriptor = fd;
    s->size = st->st_size;
    s->waits = !S_ISREG(st->st_mode); /* a fifo, say, or /dev/tty */
    s->torn = false;
    s->rotate_at = next_period(s, st->st_size ? st->st_mtim.tv_sec : time(NULL));
}

int kt__log_file_open(kt__log_sink *s)
{
    struct stat st;
    int fd = file_open(s, &st);
    if (fd < 0)
        return kt_error_set(fd, "%s: %s", s->path, kt_strerror(fd));
    s->coloured = s->options.colour == KT_LOG_COLOUR_ALWAYS;
    take(s, fd, &st);
    return 0;
}

/* Without a new one the old one goes on. */
void kt__log_file_reopen(kt__log_sink *s)
{
    struct stat st;
    int fd = s->options.kind == KT_LOG_FILE ? file_open(s, &st) : -1;
    if (fd >= 0)
        take(s, fd, &st);
}

bool kt__log_file_due(kt__log_sink *s, const kt__log_record *r, size_t bytes_before, size_t bytes)
{
    if (s->options.kind != KT_LOG_FILE || s->waits)
        return false;
    int64_t size = s->size + (int64_t)bytes_before;
    if (r->time / KT_S(1) >= s->rotate_at) {
        if (size > 0)
            return true;
        s->rotate_at = next_period(s, r->time / KT_S(1));
    }
    return s->options.rotate_bytes && size > 0 && size + (int64_t)bytes > s->options.rotate_bytes;
}

/* The path of an old one: path.7. */
static void name_old(const kt__log_sink *s, unsigned n, char *ret_name, size_t size)
{
    snprintf(ret_name, size, "%s.%u", s->path, n);
}

/* The first number that no old one has, or `keep`, whose file the next replaces. */
static unsigned first_free(const kt__log_sink *s)
{
    char name[OLD_NAME_BYTES];
    for (unsigned n = 1; n < s->options.keep; n++) {
        name_old(s, n, name, sizeof name);
        if (access(name, F_OK) < 0 && errno == ENOENT)
            return n;
    }
    return s->options.keep;
}

/* What could not be moved away must not be replaced by the next. */
static bool shift(const kt__log_sink *s)
{
    char from[OLD_NAME_BYTES], to[OLD_NAME_BYTES];
    for (unsigned n = first_free(s); n > 1; n--) {
        name_old(s, n - 1, from, sizeof from);
        name_old(s, n, to, sizeof to);
        if (rename(from, to) < 0 && errno != ENOENT)
            return false;
    }
    name_old(s, 1, to, sizeof to);
    return rename(s->path, to) == 0 || errno == ENOENT;
}

/* There is no new file, so the newest old one is the log again, and its number is free for the next attempt: however
 * many fail, no more than one old file is dropped. Should that fail, or somebody have made a file of the name
 * meanwhile, lines go on into path.1. */
static void unshift(const kt__log_sink *s)
{
    char name[OLD_NAME_BYTES];
    name_old(s, 1, name, sizeof name);
    (void)renameat2(AT_FDCWD, name, AT_FDCWD, s->path, RENAME_NOREPLACE);
}

void kt__log_file_rotate(kt__log_sink *s, const kt__log_record *r)
{
    struct stat st;
    s->size = 0; /* should it fail, it is tried again after as many bytes, or in the next period */
    s->rotate_at = next_period(s, r->time / KT_S(1));
    if (s->path_size > 4096 || !shift(s))
        return;
    int fd = file_open(s, &st);
    if (fd < 0) {
        unshift(s);
        return;
    }
    take(s, fd, &st);
    s->rotate_at = next_period(s, r->time / KT_S(1));
    atomic_fetch_add(&s->log->rotated, 1);
}
