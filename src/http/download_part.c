/* SPDX-License-Identifier: MIT */
/* The part of a download's target: a file of bytes, and one that says of what. */
#include "http/download_private.h"

#include <errno.h>
#include <kettle/error.h>
#include <kettle/memory.h>
#include <kettle/path.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INFO_BYTES_MAX ((size_t)64 * 1024)
#define INFO_NAME "kettle-download 1"
/* What a crash of the system costs at most. */
#define CHECKPOINT_BYTES ((uint64_t)16 * 1024 * 1024)
/* As often somebody may finish between our look at a part and its lock. */
#define OPENS_MAX 10

static char *with_suffix(const char *path, const char *suffix)
{
    size_t size = strlen(path), more = strlen(suffix) + 1;
    char *name = kt_alloc(size + more);
    if (!name)
        return NULL;
    memcpy(name, path, size);
    memcpy(name + size, suffix, more);
    return name;
}

static int remove_if_there(const char *path)
{
    int rc = kt_path_remove(path);
    return rc == -ENOENT ? 0 : rc;
}

/* ---- What the part is of --------------------------------------------------------------------- */

static bool next_line(kt_slice *rest, kt_slice *ret_line)
{
    const char *end = rest->size > 0 ? memchr(rest->data, '\n', rest->size) : NULL;
    if (!end)
        return false;
    *ret_line = (kt_slice){rest->data, (size_t)(end - rest->data)};
    *rest = (kt_slice){end + 1, rest->size - ret_line->size - 1};
    return true;
}

static bool take_number(kt_slice line, int64_t *ret_number)
{
    char text[24], *end;
    if (line.size == 0 || line.size >= sizeof text)
        return false;
    memcpy(text, line.data, line.size);
    text[line.size] = '\0';
    errno = 0;
    long long n = strtoll(text, &end, 10);
    *ret_number = n;
    return errno == 0 && !*end && n >= -1;
}

/* Name, URL, validator, length of the whole, bytes of the part; a line each. What is no such file says nothing. */
static bool understand(kt_slice text, const char *url, kt_slice *ret_validator, int64_t *ret_total, int64_t *ret_kept)
{
    kt_slice name, of, total, kept;
    return next_line(&text, &name) && kt_slice_is(name, INFO_NAME) && next_line(&text, &of) && kt_slice_is(of, url) &&
           next_line(&text, ret_validator) && ret_validator->size > 0 && next_line(&text, &total) &&
           take_number(total, ret_total) && next_line(&text, &kept) && take_number(kept, ret_kept) && *ret_kept > 0 &&
           (*ret_total < 0 || *ret_kept <= *ret_total) && text.size == 0;
}

static int read_info(kt__part *p)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    kt_slice validator;
    int64_t total, kept;
    int rc = kt_file_read_whole(p->info, INFO_BYTES_MAX, &text);
    if (rc < 0)
        return rc == -ENOENT || rc == KT_ELIMIT ? 0 : rc;
    if (!understand(kt_buffer_slice(&text), p->url, &validator, &total, &kept))
        return 0;
    int64_t size = kt_file_size(p->file);
    if (size < kept) /* somebody cut it */
        return size < 0 ? (int)size : 0;
    rc = kt_buffer_append(&p->validator, validator.data, validator.size);
    if (rc < 0)
        return rc;
    p->total = total;
    p->at = p->kept = (uint64_t)kept;
    return 0;
}

/* First the bytes, then the word that they are there. */
static int checkpoint(kt__part *p)
{
    kt_auto(kt_buffer) text = KT_BUFFER_INIT;
    const kt_file_write_options mine = {.mode = 0600}; /* a URL may hold a secret */
    if (p->validator.size == 0)
        return 0;
    int rc = kt_buffer_printf(&text, INFO_NAME "\n%s\n%.*s\n%lld\n%llu\n", p->url, (int)p->validator.size,
                              p->validator.data, (long long)p->total, (unsigned long long)p->at);
    if (rc == 0)
        rc = kt_file_datasync(p->file);
    if (rc == 0)
        rc = kt_file_replace(p->info, text.data, text.size, &mine);
    if (rc == 0)
        p->kept = p->at;
    return rc;
}

/* ---- The bytes ------------------------------------------------------------------------------- */

static int busy(const kt__part *p)
{
    return kt_error_set(-EBUSY, "another download is writing %s", p->path);
}

/* Is what was opened and locked still what the name says? Who had the lock may have finished meanwhile. 1, 0. */
static int is_current(const kt__part *p)
{
    struct stat open, named;
    int rc = kt_file_stat(p->file, &open);
    if (rc == 0)
        rc = kt_path_stat(p->path, &named);
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    return open.st_ino == named.st_ino && open.st_dev == named.st_dev;
}

static int open_locked(kt__part *p)
{
    for (int i = 0; i < OPENS_MAX; i++) {
        int rc = kt_file_open(p->path, O_RDWR | O_CREAT | O_NOFOLLOW, 0666, &p->file);
        if (rc < 0)
            return rc;
        rc = kt_file_try_lock(p->file, KT_FILE_EXCLUSIVE);
        if (rc == 0)
            rc = is_current(p);
        if (rc > 0)
            return 0;
        kt_file_cleanup(&p->file);
        p->file = NULL;
        if (rc < 0)
            return rc == -EWOULDBLOCK ? busy(p) : rc;
    }
    return busy(p);
}

int kt__part_open(kt__part *p, const char *target, const char *url, bool anew)
{
    p->validator = (kt_buffer)KT_BUFFER_INIT;
    p->total = -1;
    p->path = with_suffix(target, ".part");
    p->info = with_suffix(target, ".part-info");
    p->url = kt_strndup(url, strlen(url));
    if (!p->path || !p->info || !p->url)
        return -ENOMEM;
    kt_cancel_hold(); /* what is opened is known to be ours, or it is not there */
    int rc = open_locked(p);
    kt_cancel_unhold();
    if (rc == 0 && !anew)
        rc = read_info(p);
    if (rc == 0)
        rc = kt_file_truncate(p->file, (int64_t)p->at);
    int64_t where = rc == 0 ? kt_file_seek(p->file, (int64_t)p->at, SEEK_SET) : rc;
    return where < 0 ? (int)where : 0;
}

/* The old word is gone from the disk before other bytes are written. */
int kt__part_restart(kt__part *p, kt_slice validator, int64_t total)
{
    int64_t where = kt_file_seek(p->file, 0, SEEK_SET);
    int rc = where < 0 ? (int)where : remove_if_there(p->info);
    p->at = p->kept = 0;
    p->total = total;
    kt_buffer_clear(&p->validator);
    if (rc == 0)
        rc = kt_file_truncate(p->file, 0);
    return rc < 0 ? rc : kt_buffer_append(&p->validator, validator.data, validator.size);
}

int kt__part_write(kt__part *p, const void *bytes, size_t size)
{
    int rc = kt_file_write(p->file, bytes, size);
    if (rc < 0)
        return rc;
    p->at += size;
    return p->at - p->kept >= CHECKPOINT_BYTES ? checkpoint(p) : 0;
}

/* ---- The end --------------------------------------------------------------------------------- */

static int give_mode(const kt__part *p, const char *target, mode_t mode)
{
    struct stat st;
    int rc = 0;
    if (mode == 0) {
        rc = kt_path_stat(target, &st);
        if (rc < 0)
            return rc == -ENOENT ? 0 : rc;
        mode = st.st_mode & 07777;
    }
    return kt_path_chmod(p->path, mode);
}

/* The lock is held until the name is the target's, so that no other download takes the part for its own. */
int kt__part_finish(kt__part *p, const char *target, mode_t mode, bool no_sync)
{
    int rc = give_mode(p, target, mode);
    if (rc == 0)
        rc = no_sync ? kt_file_flush(p->file) : kt_file_sync(p->file);
    if (rc < 0)
        return rc;
    kt_cancel_hold(); /* from here on it is done */
    rc = kt_path_rename(p->path, target, no_sync ? 0 : KT_PATH_DURABLE);
    if (rc == 0) {
        (void)!remove_if_there(p->info); /* without its part it says nothing */
        rc = kt_file_close(kt_steal(p->file));
    }
    kt_cancel_unhold();
    return rc;
}

void kt__part_leave(kt__part *p, bool discard)
{
    kt_cancel_hold();
    if (p->file && !discard && p->at > p->kept)
        (void)!checkpoint(p); /* what was kept before is still good */
    if (p->file && (discard || p->kept == 0)) {
        (void)!remove_if_there(p->info);
        (void)!remove_if_there(p->path);
    }
    kt__part_release(p);
    kt_cancel_unhold();
}

void kt__part_release(kt__part *p)
{
    kt_file_cleanup(&p->file);
    p->file = NULL;
    kt_free(kt_steal(p->path));
    kt_free(kt_steal(p->info));
    kt_free(kt_steal(p->url));
    kt_buffer_release(&p->validator);
}
