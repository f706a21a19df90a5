/* SPDX-License-Identifier: MIT */

/* Standard input, output and error as streams, whatever they are. Others have the same open file: the program's own
 * stdio, its parent, whoever runs beside it in a pipeline. So O_NONBLOCK, which is the open file's, is not set on it:
 * terminals and pipes are opened once more. Where that cannot be it is set, and put back at the close. What no driver
 * can wait for, such as files, is read and written on the pool. */

#include <errno.h>
#include <fcntl.h>
#include <kettle/memory.h>
#include <kettle/thread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/core.h"
#include "core/eyes.h"
#include "io/spawn.h"
#include "io/stream_private.h"

/* ---- What cannot be waited for ----------------------------------------------------------------- */

typedef struct blocking {
    int fd;
} blocking;

typedef struct job {
    int fd;
    const struct iovec *pieces;
    int count;
} job;

static int run_read(void *arg)
{
    const job *j = arg;
    ssize_t n;
    do
        n = readv(j->fd, j->pieces, j->count);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : (int)n; /* Linux moves less than 2 GiB at once */
}

static int run_write(void *arg)
{
    const job *j = arg;
    ssize_t n;
    do
        n = writev(j->fd, j->pieces, j->count);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : (int)n;
}

static ssize_t blocking_read(void *object, void *bytes, size_t size)
{
    const blocking *b = object;
    const struct iovec piece = {bytes, size};
    job j = {.fd = b->fd, .pieces = &piece, .count = 1};
    return kt_thread_run(run_read, &j, 0);
}

static ssize_t blocking_writev(void *object, const struct iovec *pieces, size_t count)
{
    const blocking *b = object;
    job j = {.fd = b->fd, .pieces = pieces, .count = (int)count};
    return kt_thread_run(run_write, &j, 0);
}

static int blocking_shutdown_write(void *object)
{
    (void)object;
    return -ENOTSOCK; /* as of a pipe */
}

/* A job under way goes on: it ends soon, and the descriptor is its until then. */
static void blocking_close(void *object)
{
    (void)object;
}

static void blocking_free(void *object)
{
    blocking *b = object;
    close(b->fd);
    kt_free(b);
}

static int blocking_fd(const void *object)
{
    const blocking *b = object;
    return b->fd;
}

static const kt_stream_backend blocking_backend = {
    .name = "file",
    .read = blocking_read,
    .writev = blocking_writev,
    .shutdown_write = blocking_shutdown_write,
    .close = blocking_close,
    .free = blocking_free,
    .fd = blocking_fd,
};

/* Owns fd on success only. */
static int blocking_stream(int fd, kt_stream **ret_stream)
{
    blocking *b = kt_alloc(sizeof *b);
    if (!b)
        return -ENOMEM;
    b->fd = fd;
    int rc = kt_stream_new(&blocking_backend, b, ret_stream);
    if (rc < 0)
        kt_free(b);
    return rc;
}

/* ---- Descriptors of our own --------------------------------------------------------------------- */

/* The same terminal or pipe, but another open file; or a negated errno: another user's, or no /proc. Never waits: of a
 * pipe that nobody reads it is refused. */
static int open_again(int number, int flags)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", number);
    return kt__lift(open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

/* 1 or 0; or a negated errno. */
static int can_wait(int fd)
{
    int set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0)
        return -errno;
    int rc = epoll_ctl(set, EPOLL_CTL_ADD, fd, &(struct epoll_event){0}) < 0 ? -errno : 0;
    close(set);
    return rc == -EPERM ? 0 : rc < 0 ? rc : 1;
}

/* A stream over what is open at `number`. */
static int open_standard(int number, int flags, mode_t mode, kt_stream **ret_stream)
{
    bool again = S_ISFIFO(mode) || S_ISCHR(mode);
    int fd = again ? open_again(number, flags) : -1;
    bool shared = fd < 0;
    if (shared)
        fd = kt__lift(fcntl(number, F_DUPFD_CLOEXEC, 3));
    if (fd < 0)
        return fd;
    int rc = can_wait(fd);
    bool waits = rc == 1;
    if (rc >= 0)
        rc = waits ? kt_stream_from_fd(fd, ret_stream) : blocking_stream(fd, ret_stream);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    if (waits)
        kt__closed(*ret_stream, "a stream"); /* whose place is not here */
    if (waits && shared) {
        (*ret_stream)->flags_of = number;
        (*ret_stream)->flags = flags;
        (*ret_stream)->restores = true;
    }
    return 0;
}

int kt_stream_standard(int number, kt_stream **ret_stream)
{
    const kt_task *self = kt__self("kt_stream_standard");
    struct stat st;
    if (number < STDIN_FILENO || number > STDERR_FILENO)
        return -EINVAL;
    if (self->loop->simulated)
        return kt_error_set(KT_ENOTSIM, "kt_stream_standard");
    int flags = fcntl(number, F_GETFL);
    if (flags < 0 || fstat(number, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    int rc = open_standard(number, flags, st.st_mode, ret_stream);
    if (rc == 0)
        kt__opened(*ret_stream, "a stream", KT__SITE, NULL);
    return rc;
}
