/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faults.h"

call *calls_all;

/* ---- What all processes of a run share ------------------------------------------------------------- */

/* A process that has been started anew finds it by this name. */
#define SHARED_NAME "KETTLE_FAULTS_SHARED"

typedef struct shared {
    unsigned which; /* a call's number; CALLS_MAX: none */
    unsigned nth;
    int error;
    bool for_good;
    int lacking[CALLS_MAX];
    atomic_bool armed;
    atomic_uint struck;
    atomic_uint counts[CALLS_MAX];
} shared;

static shared alone = {.which = CALLS_MAX}, *state = &alone;
static bool counted; /* is this process one of the run's, and not the test's? */

int __real_open64(const char *path, int flags, ...);
int __real_close(int fd);
void *__real_mmap64(void *at, size_t size, int how, int flags, int fd, off64_t offset);
int __real_munmap(void *at, size_t size);

static void take(int fd)
{
    void *memory = __real_mmap64(NULL, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        __builtin_trap();
    state = memory;
}

static int way = -1; /* for others: open as long as we share */

void calls_share(void)
{
    char path[64];
    way = memfd_create("kettle-faults", MFD_CLOEXEC);
    if (way < 0 || ftruncate(way, sizeof(shared)) < 0)
        __builtin_trap();
    take(way);
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), way);
    if (setenv(SHARED_NAME, path, 1) < 0)
        __builtin_trap();
}

void calls_unshare(void)
{
    unsetenv(SHARED_NAME);
    __real_close(way);
    __real_munmap(state, sizeof(shared));
    state = &alone;
}

__attribute__((constructor)) static void share_again(void)
{
    const char *path = getenv(SHARED_NAME);
    int fd = path ? __real_open64(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    take(fd);
    __real_close(fd);
    counted = true;
}

/* ---- Counting them --------------------------------------------------------------------------------- */

void call_register(call *c)
{
    c->number = calls_all ? calls_all->number + 1 : 0;
    if (c->number == CALLS_MAX)
        __builtin_trap();
    c->next = calls_all;
    calls_all = c;
}

static int lacks(const lacking *list, const char *name)
{
    while (list && list->call && strcmp(list->call, name) != 0)
        list++;
    return list && list->call ? list->error : 0;
}

void calls_arm(const call_fault *f, const lacking *list)
{
    for (const call *c = calls_all; c; c = c->next) {
        atomic_store(&state->counts[c->number], 0);
        state->lacking[c->number] = lacks(list, c->name);
    }
    state->which = f->which ? f->which->number : CALLS_MAX;
    state->nth = f->nth;
    state->error = f->error;
    state->for_good = f->for_good;
    atomic_store(&state->struck, 0);
    counted = true;
    atomic_store(&state->armed, true);
}

void calls_disarm(void)
{
    atomic_store(&state->armed, false);
}

unsigned calls_struck(void)
{
    return atomic_load(&state->struck);
}

unsigned calls_count(const call *c)
{
    return atomic_load(&state->counts[c->number]);
}

int call_made(call *c)
{
    if (!counted || !atomic_load(&state->armed))
        return 0;
    unsigned number = atomic_fetch_add(&state->counts[c->number], 1) + 1;
    if (state->lacking[c->number])
        return state->lacking[c->number];
    if (c->number != state->which || (state->for_good ? number < state->nth : number != state->nth))
        return 0;
    atomic_fetch_add(&state->struck, 1);
    return state->error;
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
