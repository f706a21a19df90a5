/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>

call *calls_all;

static struct {
    call_fault fault;
    atomic_bool armed;
    atomic_uint struck;
} state;

void call_register(call *c)
{
    c->next = calls_all;
    calls_all = c;
}

void calls_arm(const call_fault *f)
{
    for (call *c = calls_all; c; c = c->next)
        atomic_store(&c->count, 0);
    state.fault = *f;
    atomic_store(&state.struck, 0);
    atomic_store(&state.armed, true);
}

void calls_disarm(void)
{
    atomic_store(&state.armed, false);
}

unsigned calls_struck(void)
{
    return atomic_load(&state.struck);
}

int call_made(call *c)
{
    const call_fault *f = &state.fault;
    if (!atomic_load(&state.armed))
        return 0;
    unsigned number = atomic_fetch_add(&c->count, 1) + 1;
    if (c != f->which || (f->for_good ? number < f->nth : number != f->nth))
        return 0;
    atomic_fetch_add(&state.struck, 1);
    return f->error;
}

/* ---- epoll --------------------------------------------------------------------------------------- */

/* What is watched, so that an edge can be made. */
enum { WATCHED_MAX = 4096 };

static struct watched {
    int set;
    struct epoll_event event;
} watched[WATCHED_MAX]; /* by descriptor; set 0: not */
static pthread_mutex_t watched_mutex = PTHREAD_MUTEX_INITIALIZER;

CALL_FACE(int, epoll_ctl, (int set, int what, int fd, struct epoll_event *e))
CALL_ENTRY(epoll_ctl, "epoll_ctl", "epoll_ctl(2)", false, EBADF, EEXIST, EINVAL, ELOOP, ENOENT, ENOMEM, ENOSPC, EPERM)

CALL_ENTRY(epoll_del, "epoll_ctl EPOLL_CTL_DEL", "epoll_ctl(2)", false, EBADF, EINVAL, ENOENT)

static void note_watched(int set, int what, int fd, const struct epoll_event *e)
{
    if (fd < 0 || fd >= WATCHED_MAX)
        return;
    pthread_mutex_lock(&watched_mutex);
    watched[fd].set = what == EPOLL_CTL_DEL ? 0 : set;
    if (e)
        watched[fd].event = *e;
    pthread_mutex_unlock(&watched_mutex);
}

int __wrap_epoll_ctl(int set, int what, int fd, struct epoll_event *e)
{
    int error = call_made(what == EPOLL_CTL_DEL ? &call_epoll_del : &call_epoll_ctl);
    if (error) {
        errno = error;
        return -1;
    }
    int rc = __real_epoll_ctl(set, what, fd, e);
    if (rc == 0)
        note_watched(set, what, fd, e);
    return rc;
}

void call_edge(int fd)
{
    if (fd < 0 || fd >= WATCHED_MAX)
        return;
    pthread_mutex_lock(&watched_mutex);
    struct watched w = watched[fd];
    pthread_mutex_unlock(&watched_mutex);
    if (w.set > 0)
        (void)__real_epoll_ctl(w.set, EPOLL_CTL_MOD, fd, &w.event); /* it may be closed */
}

void call_refused(int fd, int error)
{
    if (error == EAGAIN)
        call_edge(fd);
}
