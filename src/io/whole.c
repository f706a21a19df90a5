/* SPDX-License-Identifier: MIT */

/* A whole file, step by step. The functions that return int run on pool threads; after a failure whole_end cleans
 * up in the same job, so that only a cancellation between two jobs needs one more. */
#include "io/whole.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <kettle/utf8.h>
#include <sys/random.h>

#include "core/core.h"

#define NAMES_MAX 100 /* temporary ones that are tried */
#define MODE_BITS ((mode_t)07777)

#define CALL(w, word, f, ...) ((w)->what = (word), (w)->disk->f((w)->disk, __VA_ARGS__))

/* The file is closed whatever it says, and so forgotten first. */
static int close_one(kt__whole *w, int *fd)
{
    int number = *fd;
    *fd = -1;
    return number < 0 ? 0 : CALL(w, "close", close, number);
}

/* ---- Reading ------------------------------------------------------------------------------- */

static int check_kind(const struct stat *st)
{
    if (S_ISDIR(st->st_mode))
        return -EISDIR;
    return S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode) ? -ESPIPE : 0;
}

static size_t limit_of(const kt__whole *w)
{
    return w->size_max ? w->size_max : SIZE_MAX;
}

static int read_begin(kt__whole *w)
{
    struct stat st;
    w->fd = CALL(w, "open", open, AT_FDCWD, w->path, O_RDONLY | O_NONBLOCK, 0, 0);
    if (w->fd < 0)
        return w->fd;
    int rc = CALL(w, "stat", stat, w->fd, "", AT_EMPTY_PATH, &st);
    w->what = "read";
    if (rc == 0)
        rc = check_kind(&st);
    if (rc < 0)
        return rc;
    w->changed = KT_S(st.st_mtim.tv_sec) + st.st_mtim.tv_nsec;
    if (S_ISREG(st.st_mode) && st.st_size > 0)
        w->expected = st.st_size;
    if (w->expected < 0)
        return 0;
    if ((uint64_t)w->expected > limit_of(w))
        return KT_ELIMIT;
    return kt_buffer_reserve(w->buffer, (size_t)w->expected);
}

/* Bytes that may end in the middle of a sequence, unless these are the last. */
static int check_text(kt__whole *w, bool last)
{
    const char *text = w->buffer->data + w->before;
    size_t left = w->done - w->checked;
    size_t good = kt_utf8_check((kt_slice){text + w->checked, left});
    w->checked += good;
    left -= good;
    if (left < 4 && !(last && left > 0))
        return 0;
    w->line = 1;
    for (size_t i = 0; i < w->checked; i++)
        w->line += text[i] == '\n';
    return -EILSEQ;
}

static int read_done(kt__whole *w)
{
    int rc = w->text && w->done > 0 ? check_text(w, true) : 0;
    if (rc < 0)
        return rc;
    w->over = true;
    (void)close_one(w, &w->fd); /* the bytes are here: nothing that it says can change them */
    return 0;
}

/* Nothing fits any more: then there must be nothing any more. */
static int read_end(kt__whole *w)
{
    char byte;
    const struct iovec piece = {&byte, 1};
    ssize_t n = CALL(w, "read", read, w->fd, &piece, 1, -1, 0);
    return n < 0 ? (int)n : n > 0 ? KT_ELIMIT : read_done(w);
}

/* How much to ask for: what is expected and a byte more, which shows the end without another call. 0: nothing fits. */
static int read_room(kt__whole *w, size_t *ret_room)
{
    const size_t piece = 64 * 1024;
    size_t room = w->expected >= 0 && (uint64_t)w->expected >= w->done ? (size_t)w->expected - w->done + 1 : piece;
    size_t left = limit_of(w) - w->done;
    room = room < left ? room : left;
    int rc = kt_buffer_reserve(w->buffer, room);
    if (rc == KT_ELIMIT) { /* the buffer's own: maybe what is there just fits */
        room = w->buffer->capacity - w->buffer->size;
        size_t most = (w->buffer->size_max ? w->buffer->size_max : (size_t)1 << 30) - w->buffer->size;
        room = room < most ? room : most;
        rc = 0;
    }
    *ret_room = room;
    return rc;
}

static int read_step(kt__whole *w, size_t *budget)
{
    while (*budget > 0 && !w->over) {
        size_t room;
        int rc = read_room(w, &room);
        if (rc < 0)
            return rc;
        if (room == 0)
            return read_end(w);
        room = room < *budget ? room : *budget;
        const struct iovec piece = {w->buffer->data + w->buffer->size, room};
        ssize_t n = CALL(w, "read", read, w->fd, &piece, 1, -1, 0);
        if (n < 0)
            return (int)n;
        w->done += (size_t)n;
        w->buffer->size += (size_t)n;
        *budget -= (size_t)n;
        if (w->text && (rc = check_text(w, false)) < 0)
            return rc;
        /* Short where it should be: that is the end. Short elsewhere may be a signal. */
        if (n == 0 || ((size_t)n < room && (int64_t)w->done == w->expected))
            return read_done(w);
    }
    return 0;
}

/* ---- Writing ------------------------------------------------------------------------------- */

static int write_begin(kt__whole *w)
{
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | (w->write.exclusive ? O_EXCL : 0);
    w->fd = CALL(w, "open", open, AT_FDCWD, w->path, flags, w->write.mode ? w->write.mode : 0666, 0);
    return w->fd < 0 ? w->fd : 0;
}

static int write_step(kt__whole *w, size_t *budget)
{
    while (*budget > 0 && w->done < w->size) {
        size_t size = w->size - w->done < *budget ? w->size - w->done : *budget;
        const struct iovec piece = {(char *)(uintptr_t)w->bytes + w->done, size};
        ssize_t n = CALL(w, "write", write, w->fd, &piece, 1, -1, 0);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        w->done += (size_t)n;
        *budget -= (size_t)n;
    }
    return 0;
}

static int write_done(kt__whole *w)
{
    int rc = close_one(w, &w->fd);
    w->over = rc == 0;
    return rc;
}

/* ---- Replacing ------------------------------------------------------------------------------ */

static const char *base_of(const kt__whole *w)
{
    const char *slash = strrchr(w->path, '/');
    return slash ? slash + 1 : w->path;
}

/* All that follows is relative to the directory, which may itself be renamed meanwhile. */
static int open_directory(kt__whole *w)
{
    const char *base = base_of(w);
    char folder[PATH_MAX] = ".";
    size_t size = (size_t)(base - w->path);
    w->what = "open";
    if (size >= sizeof folder)
        return -ENAMETOOLONG;
    if (*base == '\0')
        return *w->path ? -EISDIR : -ENOENT;
    if (size > 0) {
        memcpy(folder, w->path, size);
        folder[size] = '\0';
    }
    int flags = O_DIRECTORY | (w->write.no_sync ? O_PATH : O_RDONLY);
    w->dir = CALL(w, "open", open, AT_FDCWD, folder, flags, 0, 0);
    return w->dir < 0 ? w->dir : 0;
}

/* The mode that the new file gets. Meanwhile it never has more than that. */
static int choose_mode(kt__whole *w)
{
    struct stat st;
    int rc = CALL(w, "stat", stat, w->dir, base_of(w), AT_SYMLINK_NOFOLLOW, &st);
    if (rc < 0 && rc != -ENOENT)
        return rc;
    w->what = "open";
    if (rc == 0 && S_ISDIR(st.st_mode))
        return -EISDIR;
    if (rc == 0 && w->write.exclusive)
        return -EEXIST;
    w->set_mode = w->write.mode || (rc == 0 && S_ISREG(st.st_mode));
    w->mode = w->write.mode ? w->write.mode : w->set_mode ? st.st_mode & MODE_BITS : 0666;
    return 0;
}

static int open_temporary(kt__whole *w)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    int rc = -EEXIST;
    for (int tries = 0; tries < NAMES_MAX && rc == -EEXIST; tries++) {
        snprintf(w->temporary, sizeof w->temporary, ".kettle-%016llx", (unsigned long long)w->nonce);
        rc = CALL(w, "open", open, w->dir, w->temporary, flags, w->mode & 0777, 0);
        w->nonce = w->nonce * UINT64_C(6364136223846793005) + 1;
    }
    if (rc < 0)
        w->temporary[0] = '\0';
    else
        w->fd = rc;
    return rc < 0 ? rc : 0;
}

static int replace_begin(kt__whole *w)
{
    int rc = open_directory(w);
    if (rc == 0)
        rc = choose_mode(w);
    return rc == 0 ? open_temporary(w) : rc;
}

/* The umask has taken bits, or the mode has some that open(2) does not set. */
static int give_mode(kt__whole *w)
{
    struct stat st;
    if (!w->set_mode)
        return 0;
    int rc = CALL(w, "stat", stat, w->fd, "", AT_EMPTY_PATH, &st);
    if (rc == 0 && (st.st_mode & MODE_BITS) != w->mode)
        rc = CALL(w, "chmod", chmod, w->dir, w->temporary, w->mode);
    return rc;
}

static int give_time(kt__whole *w)
{
    kt_time t = w->write.changed;
    if (t == 0)
        return 0;
    kt_time second = KT_S(1), part = (t % second + second) % second; /* before 1970, too */
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = (time_t)((t - part) / second), .tv_nsec = (long)part},
    };
    return CALL(w, "utimens", utimens, w->dir, w->temporary, times, 0);
}

/* Where the file system cannot rename without overwriting, it can make a second name. */
static int take_name(kt__whole *w)
{
    unsigned flags = w->write.exclusive ? RENAME_NOREPLACE : 0;
    int rc = CALL(w, "rename", rename, w->dir, w->temporary, w->dir, base_of(w), flags);
    if (rc != -EINVAL || !w->write.exclusive)
        return rc;
    rc = CALL(w, "link", link, w->dir, w->temporary, w->dir, base_of(w), 0);
    return rc == 0 ? CALL(w, "unlink", unlink, w->dir, w->temporary, 0) : rc;
}

/* -EINVAL: the file system has no such thing, fsync(2). */
static int sync_directory(kt__whole *w)
{
    if (w->write.no_sync)
        return 0;
    int rc = CALL(w, "sync", sync, w->dir, false);
    return rc == -EINVAL ? 0 : rc;
}

static int replace_done(kt__whole *w, size_t *budget)
{
    int rc = give_mode(w);
    if (rc == 0)
        rc = give_time(w);
    if (rc == 0 && !w->write.no_sync) {
        rc = CALL(w, "sync", sync, w->fd, false);
        *budget -= *budget < KT__TRIP_SYNC ? *budget : KT__TRIP_SYNC;
    }
    if (rc == 0)
        rc = close_one(w, &w->fd);
    if (rc == 0)
        rc = take_name(w);
    if (rc == 0) {
        w->temporary[0] = '\0';
        rc = sync_directory(w);
    }
    if (rc < 0)
        return rc;
    w->over = true;
    (void)close_one(w, &w->dir); /* nothing was written through it */
    return 0;
}

/* ---- All of them --------------------------------------------------------------------------- */

uint64_t kt__whole_nonce(void)
{
    uint64_t nonce = 0;
    if (kt__loop->simulated)
        return kt__loop->random ? kt__random(kt__loop) : 1;
    return getrandom(&nonce, sizeof nonce, 0) == sizeof nonce ? nonce : (uint64_t)kt__clock_now(kt__loop);
}

void kt__whole_start(kt__whole *w, kt__disk *disk, uint64_t nonce)
{
    w->disk = disk;
    w->nonce = nonce;
    w->fd = w->dir = -1;
    w->expected = -1;
    w->before = w->buffer ? w->buffer->size : 0;
    w->what = "open";
}

int kt__whole_abort(void *arg)
{
    kt__whole *w = arg;
    const char *what = w->what; /* what failed, not what follows from it */
    if (w->temporary[0])
        (void)CALL(w, what, unlink, w->dir, w->temporary, 0);
    (void)close_one(w, &w->fd);
    (void)close_one(w, &w->dir);
    if (w->buffer)
        w->buffer->size = w->before;
    w->temporary[0] = '\0';
    w->what = what;
    w->over = true;
    return 0;
}

static int begin(kt__whole *w)
{
    w->begun = true;
    switch (w->kind) {
    case KT__WHOLE_READ:
        return read_begin(w);
    case KT__WHOLE_WRITE:
        return write_begin(w);
    default:
        return replace_begin(w);
    }
}

static int go_on(kt__whole *w, size_t *budget)
{
    if (w->kind == KT__WHOLE_READ)
        return read_step(w, budget);
    int rc = write_step(w, budget);
    if (rc < 0 || w->done < w->size)
        return rc;
    return w->kind == KT__WHOLE_WRITE ? write_done(w) : replace_done(w, budget);
}

int kt__whole_step(kt__whole *w, size_t *budget)
{
    int rc = w->begun ? 0 : begin(w);
    if (rc == 0)
        rc = go_on(w, budget);
    if (rc < 0)
        (void)kt__whole_abort(w);
    return rc;
}

int kt__whole_failed(const kt__whole *w, int rc)
{
    if (rc == -EILSEQ && w->text)
        return kt_error_set(rc, "%s:%zu: not UTF-8 (byte %zu)", w->path, w->line, w->checked);
    if (rc == KT_ELIMIT && w->size_max)
        return kt_error_set(rc, "read %s: more than %zu bytes", w->path, w->size_max);
    return kt__disk_failed(rc, w->what, w->path);
}
