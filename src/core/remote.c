/* SPDX-License-Identifier: MIT */

/* Tasks for other threads. A kt_remote is shared by its owner and by the loop, each with a reference; what both
 * look at is under its mutex, what only the loop touches is not. */

#include <errno.h>
#include <kettle/memory.h>
#include <kettle/remote.h>

#include "core/blocked.h"

struct kt_remote {
    kt__message start, stop;
    kt_loop *loop;
    kt_task *task; /* the loop's: NULL before it starts and after it has ended */

    pthread_mutex_t mutex; /* for what follows */
    pthread_cond_t over;
    unsigned references;   /* the owner, the loop, and a request to stop that is under way */
    bool done, stopping;
    int rc;
    char *detail;

    kt_fn fn;
    void *arg;
    _Alignas(max_align_t) char arg_copy[];
};

static void unref(kt_remote *r)
{
    pthread_mutex_lock(&r->mutex);
    bool last = --r->references == 0;
    pthread_mutex_unlock(&r->mutex);
    if (!last)
        return;
    pthread_cond_destroy(&r->over);
    pthread_mutex_destroy(&r->mutex);
    kt_free(r->detail);
    kt_free(r);
}

/* On the loop's thread, or where its inbox is closed: it has ended, and the loop forgets it. */
static void settle(kt_remote *r, int rc, char *detail)
{
    pthread_mutex_lock(&r->mutex);
    r->done = true;
    r->rc = rc;
    r->detail = detail;
    pthread_cond_broadcast(&r->over);
    pthread_mutex_unlock(&r->mutex);
    unref(r);
}

static void ended(kt_task *t)
{
    kt_remote *r = t->owner;
    int rc = t->rc;
    char *detail = kt_steal(t->detail);
    r->task = NULL;
    kt__task_free(t);
    settle(r, rc, detail);
}

static void refuse(kt__message *m)
{
    settle(KT__OWNER(m, kt_remote, start), KT_ENOTRUNNING, NULL);
}

static void start(kt__message *m)
{
    kt_remote *r = KT__OWNER(m, kt_remote, start);
    if (r->loop->ending) {
        refuse(m);
        return;
    }
    int rc = kt__task_new(r->loop, NULL, NULL, r->fn, r->arg, 0, &r->task);
    if (rc < 0) {
        settle(r, rc, NULL);
        return;
    }
    r->task->owner = r;
    r->task->on_done = ended;
}

static void stop(kt__message *m)
{
    kt_remote *r = KT__OWNER(m, kt_remote, stop);
    if (r->task)
        (void)kt_task_cancel(r->task);
    unref(r);
}

static void stop_dropped(kt__message *m)
{
    unref(KT__OWNER(m, kt_remote, stop));
}

int kt_spawn_threadsafe(kt_loop *loop, KT__JOB, kt_remote **ret_remote)
{
    if (size > SIZE_MAX - sizeof(kt_remote))
        return -ENOMEM;
    kt_remote *r = kt_alloc(sizeof *r + size);
    if (!r)
        return -ENOMEM;
    *r = (kt_remote){.loop = loop, .references = 2, .fn = fn, .arg = (void *)(uintptr_t)arg};
    r->start = (kt__message){.run = start, .drop = refuse};
    r->stop = (kt__message){.run = stop, .drop = stop_dropped};
    if (size > 0)
        r->arg = memcpy(r->arg_copy, arg, size);
    pthread_mutex_init(&r->mutex, NULL);
    kt__cond_init(&r->over);
    *ret_remote = r;
    kt__inbox_post(loop->inbox, &r->start);
    return 0;
}

int kt_remote_wait(kt_remote *r, kt_time limit)
{
    if (kt__loop)
        kt__misuse("kt_remote_wait: would block the loop that runs on this thread");
    kt_time end = kt__limit_end(limit);
    pthread_mutex_lock(&r->mutex);
    int error = 0;
    while (!r->done && error == 0)
        error = kt__cond_wait(&r->over, &r->mutex, end);
    int rc = r->done ? r->rc : -ETIMEDOUT;
    if (r->done && rc < 0)
        (void)kt_error_set(rc, "%s", r->detail ? r->detail : "");
    pthread_mutex_unlock(&r->mutex);
    return rc;
}

bool kt_remote_cancel(kt_remote *r)
{
    pthread_mutex_lock(&r->mutex);
    bool done = r->done, post = !done && !r->stopping;
    if (post) {
        r->stopping = true;
        r->references++;
        /* Under the mutex: a loop that has not settled this yet is still there. */
        kt__inbox_post(r->loop->inbox, &r->stop);
    }
    pthread_mutex_unlock(&r->mutex);
    return !done;
}

bool kt_remote_done(kt_remote *r)
{
    pthread_mutex_lock(&r->mutex);
    bool done = r->done;
    pthread_mutex_unlock(&r->mutex);
    return done;
}

void kt_remote_free(kt_remote *r)
{
    if (r)
        unref(r);
}

int kt_run_threadsafe(kt_loop *loop, KT__JOB)
{
    kt_remote *r;
    (void)size; /* the caller waits, so nothing need be copied */
    if (kt__loop)
        kt__misuse("kt_run_threadsafe: would block the loop that runs on this thread");
    int rc = kt_spawn_threadsafe(loop, fn, arg, 0, &r);
    if (rc < 0)
        return rc;
    rc = kt_remote_wait(r, KT_FOREVER);
    kt_remote_free(r);
    return rc;
}
