/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "io/process_fds.h"

#include <kettle/memory.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void kt__process_fds_cleanup(kt__process_fds *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->table[i].temporary)
            close(f->table[i].source);
    for (int i = 0; i < 3; i++)
        if (f->ours[i] >= 0)
            close(f->ours[i]);
    if (f->announce_temporary)
        close(f->announce_fd);
    kt_free(f->table);
}

static kt__spawn_fd *add(kt__process_fds *f, int source, int target, bool temporary)
{
    kt__spawn_fd *entry = &f->table[f->count++];
    *entry = (kt__spawn_fd){source, target, temporary};
    return entry;
}

/* ---- Numbers ------------------------------------------------------------------------------- */

static const kt_process_fd *mapped_to(const kt_process_options *o, int target)
{
    for (size_t i = 0; i < o->fds_count; i++)
        if (o->fds[i].theirs == target)
            return &o->fds[i];
    return NULL;
}

/* Whatever is made for the child, and may have to be there when it sets its descriptors, is above 2, also
 * when our own 0, 1 or 2 are closed, and has no number that another one is to get. */
static bool is_free(const kt_process_options *o, int fd)
{
    return fd > 2 && !mapped_to(o, fd);
}

static int duplicate(const kt_process_options *o, int fd)
{
    for (int from = 3;;) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, from);
        if (copy < 0)
            return -errno;
        if (is_free(o, copy))
            return copy;
        close(copy);
        from = copy + 1;
    }
}

/* Takes the result of what opened the descriptor. */
static int settle(const kt_process_options *o, int fd)
{
    if (fd < 0)
        return -errno;
    if (is_free(o, fd))
        return fd;
    int copy = duplicate(o, fd);
    close(fd);
    return copy;
}

/* ---- 0, 1 and 2 ---------------------------------------------------------------------------- */

static int open_pipe(kt__process_fds *f, const kt_process_options *o, int index)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    int reader = settle(o, ends[0]), writer = settle(o, ends[1]);
    int theirs = index == 0 ? reader : writer;
    f->ours[index] = index == 0 ? writer : reader;
    if (theirs >= 0)
        add(f, theirs, index, true);
    if (reader < 0 || writer < 0)
        return reader < 0 ? reader : writer;
    if (o->pipe_bytes > 0 && fcntl(theirs, F_SETPIPE_SZ, o->pipe_bytes) < 0)
        return kt_error_set(-errno, "no pipe of %d bytes: %s", o->pipe_bytes, kt_strerror(-errno));
    return 0;
}

static int open_null(kt__process_fds *f, const kt_process_options *o, int index)
{
    int fd = settle(o, (int)TEMP_FAILURE_RETRY(open("/dev/null", O_RDWR | O_CLOEXEC)));
    if (fd < 0)
        return fd;
    add(f, fd, index, true);
    return 0;
}

/* One that we have closed ourselves is inherited closed. */
static void inherit(kt__process_fds *f, int index)
{
    if (fcntl(index, F_GETFD) >= 0)
        add(f, index, index, false);
}

static int open_standard(kt__process_fds *f, const kt_process_options *o, int index,
                         kt_process_io kind)
{
    const kt_process_fd *mapped = mapped_to(o, index);
    if (mapped && kind == KT_PROCESS_NULL) {
        add(f, mapped->ours, index, false);
        return 0;
    }
    if (mapped)
        return kt_error_set(-EINVAL, "descriptor %d of a program is given twice", index);
    switch (kind) {
    case KT_PROCESS_NULL:
        return open_null(f, o, index);
    case KT_PROCESS_PIPE:
        return open_pipe(f, o, index);
    case KT_PROCESS_INHERIT:
        inherit(f, index);
        return 0;
    case KT_PROCESS_STDOUT:
        break;
    }
    return kt_error_set(-EINVAL, "descriptor %d of a program cannot be %d", index, (int)kind);
}

/* Where output goes, error goes; nowhere, if our output is inherited closed. */
static void follow_output(kt__process_fds *f)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->table[i].target != 1)
            continue;
        add(f, f->table[i].source, 2, false);
        break;
    }
}

static int open_standards(kt__process_fds *f, const kt_process_options *o)
{
    int rc = open_standard(f, o, 0, o->input);
    if (rc == 0)
        rc = open_standard(f, o, 1, o->output);
    if (rc < 0)
        return rc;
    if (o->error != KT_PROCESS_STDOUT || mapped_to(o, 2))
        return open_standard(f, o, 2, o->error);
    follow_output(f);
    return 0;
}

/* ---- All of them --------------------------------------------------------------------------- */

static int check(const kt_process_options *o)
{
    if (o->pipe_bytes < 0)
        return kt_error_set(-EINVAL, "no pipe of %d bytes", o->pipe_bytes);
    for (size_t i = 0; i < o->fds_count; i++) {
        const kt_process_fd *fd = &o->fds[i];
        if (fd->ours < 0 || fd->theirs < 0)
            return kt_error_set(-EINVAL, "descriptor %d as %d of a program", fd->ours, fd->theirs);
        if (mapped_to(o, fd->theirs) != fd)
            return kt_error_set(-EINVAL, "descriptor %d of a program is given twice", fd->theirs);
        if (fcntl(fd->ours, F_GETFD) < 0)
            return kt_error_set(-errno, "descriptor %d, to be %d of a program, is not open", fd->ours,
                                fd->theirs);
    }
    return 0;
}

/* Would setting another one close this source before its turn? */
static bool is_in_danger(const kt__process_fds *f, const kt__spawn_fd *entry)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->table[i].target == entry->source && &f->table[i] != entry)
            return f->table[i].source != f->table[i].target;
    return false;
}

static int rescue_sources(kt__process_fds *f, const kt_process_options *o)
{
    for (size_t i = 0; i < f->count; i++) {
        if (!is_in_danger(f, &f->table[i]))
            continue;
        int copy = duplicate(o, f->table[i].source);
        if (copy < 0)
            return copy;
        f->table[i].source = copy;
        f->table[i].temporary = true;
    }
    return 0;
}

/* Which is written to even when the child has set its descriptors already. */
static int rescue_announce_fd(kt__process_fds *f, const kt_process_options *o)
{
    f->announce_fd = o->announce_fd;
    if (o->announce_fd == 0 || is_free(o, o->announce_fd))
        return 0;
    int copy = duplicate(o, o->announce_fd);
    if (copy < 0)
        return copy;
    f->announce_fd = copy;
    f->announce_temporary = true;
    return 0;
}

int kt__process_fds_open(kt__process_fds *f, const kt_process_options *o)
{
    int rc = check(o);
    if (rc < 0)
        return rc;
    f->table = kt_calloc(3 + o->fds_count, sizeof(*f->table));
    if (!f->table)
        return -ENOMEM;
    rc = open_standards(f, o);
    for (size_t i = 0; rc == 0 && i < o->fds_count; i++)
        if (o->fds[i].theirs > 2)
            add(f, o->fds[i].ours, o->fds[i].theirs, false);
    if (rc == 0)
        rc = rescue_sources(f, o);
    if (rc == 0)
        rc = rescue_announce_fd(f, o);
    return rc;
}
