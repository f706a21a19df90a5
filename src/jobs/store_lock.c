/* SPDX-License-Identifier: MIT */

/* One store, one server: an exclusive flock(2) on "<path>.lock".
 *
 * flock and not fcntl, because the lock belongs to the open file description: a process that
 * inherits the descriptor holds it on, and whatever else the server opens and closes lets go of
 * nothing. For the same reason it is never unlocked, only closed: LOCK_UN would take it from a
 * reaper, too. */

#include "jobs/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <kettle/buffer.h>
#include <kettle/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define POLL_INTERVAL KT_MS(20)
#define TRIES_MAX 100 /* to lock a file that others remove */

static int system_failure(const char *path, const char *doing, int rc)
{
    return kt_error_set(KT_ESTORE,
                        "store %s: cannot %s %s.lock: %s; "
                        "check that its folder exists and that this user may write there",
                        kt__store_path_tail(path), doing, kt__store_path_tail(path),
                        kt_strerror(rc));
}

static int open_lock_file(const char *name, int *ret_fd, bool *ret_created)
{
    int flags = O_RDWR | O_CLOEXEC | O_NONBLOCK;
    int fd = open(name, flags | O_CREAT | O_EXCL, 0600);
    bool created = fd >= 0;
    if (fd < 0 && errno == EEXIST)
        fd = open(name, flags | O_CREAT, 0600);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    *ret_created = created;
    return 0;
}

/* The holder's number, as it wrote it; 0 if it cannot be read. */
static long holder(int fd)
{
    char text[24] = "";
    if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
        return 0;
    return strtol(text, NULL, 10);
}

static int held_by_other(const char *path, int fd)
{
    return kt_error_set(KT_ECONFLICT,
                        "store %s is in use by process %ld, or by what it left running; "
                        "stop that server, or name another store",
                        kt__store_path_tail(path), holder(fd));
}

/* 0 when the file was removed or replaced between open and flock: then the lock is worth nothing. */
static int still_named(int fd, const char *name)
{
    struct stat mine, named;
    if (fstat(fd, &mine) < 0)
        return -errno;
    if (stat(name, &named) < 0)
        return errno == ENOENT ? 0 : -errno;
    return mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
}

/* Tells a second opener whom it meets. Only a help: without it the message says process 0. */
static void write_holder(int fd)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)size, 0) != size && ftruncate(fd, 0) < 0)
        return; /* half a number only misnames the holder */
}

/* 0: locked. KT_ECONFLICT: held by another, who is in the detail. */
static int try_lock(const char *path, const char *name, int *ret_fd, bool *ret_created)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        int fd = -1;
        bool created = false;
        int rc = open_lock_file(name, &fd, &created);
        if (rc < 0)
            return system_failure(path, "open", rc);
        if (TEMP_FAILURE_RETRY(flock(fd, LOCK_EX | LOCK_NB)) < 0) {
            rc = errno == EWOULDBLOCK ? held_by_other(path, fd) : system_failure(path, "lock", -errno);
            close(fd);
            return rc;
        }
        rc = still_named(fd, name);
        if (rc > 0) {
            write_holder(fd);
            *ret_fd = fd;
            *ret_created = created;
            return 0;
        }
        close(fd);
        if (rc < 0)
            return system_failure(path, "find", rc);
    }
    return system_failure(path, "keep", -ENOENT);
}

int kt__store_lock(const char *path, kt_time wait, int *ret_fd, bool *ret_created)
{
    kt_auto(kt_buffer) buffer = KT_BUFFER_INIT;
    int rc = kt_buffer_printf(&buffer, "%s.lock", path);
    const char *name = rc < 0 ? NULL : kt_buffer_string(&buffer);
    if (name == NULL)
        return -ENOMEM;
    for (kt_time waited = 0;; waited += POLL_INTERVAL) {
        rc = try_lock(path, name, ret_fd, ret_created);
        if (rc != KT_ECONFLICT || waited >= wait)
            return rc;
        struct timespec pause = {0, POLL_INTERVAL};
        (void)nanosleep(&pause, NULL);
    }
}

void kt__store_unlock(const char *path, int fd, bool created)
{
    kt_auto(kt_buffer) buffer = KT_BUFFER_INIT;
    if (created && kt_buffer_printf(&buffer, "%s.lock", path) >= 0 &&
        kt_buffer_string(&buffer) != NULL)
        (void)unlink(kt_buffer_string(&buffer));
    close(fd);
}
