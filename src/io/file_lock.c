/* SPDX-License-Identifier: MIT */

/* Advisory locks. A flock(2) that waits would keep a pool thread, which nothing but a signal could get out of it; so
 * the lock is asked for again and again instead. Rejected: a thread of its own for each waiter, with a signal to
 * interrupt it, and open file description locks, which cannot be waited for either. */
#include <errno.h>
#include <kettle/thread.h>
#include <sys/file.h>

#include "io/file_private.h"

#define PAUSE_FIRST KT_MS(1)
#define PAUSE_MOST KT_MS(100)

typedef struct asking {
    kt_file *file;
    int operation;
} asking;

static int run_lock(void *arg)
{
    const asking *a = arg;
    return a->file->disk->lock(a->file->disk, a->file->fd, a->operation);
}

static int ask_once(kt_file *f, int kind)
{
    asking a = {f, LOCK_NB | (kind == KT_FILE_SHARED ? LOCK_SH : LOCK_EX)};
    if (kind != KT_FILE_SHARED && kind != KT_FILE_EXCLUSIVE)
        return kt_error_set(-EINVAL, "lock %s: no such kind of lock: %d", f->name, kind);
    int rc = kt_thread_run(run_lock, &a, 0);
    return rc < 0 ? kt__disk_failed(rc, "lock", f->name) : 0;
}

int kt_file_try_lock(kt_file *f, int kind)
{
    int rc = kt__file_enter(f, "kt_file_try_lock");
    if (rc < 0)
        return rc;
    rc = ask_once(f, kind);
    kt__file_leave(f);
    return rc;
}

/* Whoever closes the file meanwhile waits for a pause at most. */
int kt_file_lock(kt_file *f, int kind)
{
    int rc = kt__file_enter(f, "kt_file_lock");
    if (rc < 0)
        return rc;
    kt_time pause = PAUSE_FIRST;
    while ((rc = ask_once(f, kind)) == -EWOULDBLOCK) {
        rc = kt_sleep(pause);
        if (rc == 0 && f->closing)
            rc = KT_ECLOSED;
        if (rc < 0)
            break;
        pause = pause * 2 < PAUSE_MOST ? pause * 2 : PAUSE_MOST;
    }
    kt__file_leave(f);
    return rc;
}

static int run_unlock(void *arg)
{
    const kt_file *f = arg;
    return f->disk->lock(f->disk, f->fd, LOCK_UN);
}

/* Whoever has it next must see the bytes. */
int kt_file_unlock(kt_file *f)
{
    int rc = kt__file_take(f, "kt_file_unlock", KT__SITE);
    if (rc < 0)
        return rc;
    rc = kt__file_write_out(f);
    if (rc == 0 && (rc = kt_thread_run(run_unlock, f, 0)) < 0)
        rc = kt__disk_failed(rc, "unlock", f->name);
    kt__file_give(f);
    return rc;
}
