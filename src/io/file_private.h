/* SPDX-License-Identifier: MIT */
#ifndef KETTLE_IO_FILE_PRIVATE_H
#define KETTLE_IO_FILE_PRIVATE_H

#include <kettle/file.h>
#include <kettle/sync.h>

#include "core/core.h"
#include "io/disk.h"

/* A cancellation waits for the end of one trip to the pool. */
#define KT__FILE_TRIP ((size_t)4 * 1024 * 1024)

/* The buffer's bytes are buffer[start..end): unread ones, before which the system's position has run ahead; or, `dirty`,
 * unwritten ones, behind which it stays. */
struct kt_file {
    kt__disk *disk;
    int fd;
    bool append;
    bool nowait; /* what the system has in memory can be read on the loop */
    bool dirty;
    bool closing;
    int sync_error; /* the first; for good */
    unsigned users; /* tasks that are inside a call */
    kt__waiters closers;
    kt_lock turn; /* who has it has the buffer and the position */
    char *buffer;
    size_t start, end, capacity;
    char name[]; /* for errors: the path it was opened with */
};

/* A call begins and ends; between, nobody frees the file. 0, or KT_ECLOSED. */
int kt__file_enter(kt_file *f, const char *what);
void kt__file_leave(kt_file *f);

/* The same with buffer and position. 0, KT_ECLOSED, or a cancellation's code. */
int kt__file_take(kt_file *f, const char *what, const void *site);
void kt__file_give(kt_file *f);

/* The buffer, made when it is first needed. 0, -ENOMEM. With buffer and position. */
int kt__file_buffer(kt_file *f);

/* Puts the system's position back to the file's, and forgets what was read ahead. On the loop. 0 or an error. */
int kt__file_unread(kt_file *f);

/* On a pool thread: writes what is buffered. What remains is in the buffer. */
int kt__file_flush_here(kt_file *f);

/* Neither read ahead nor unwritten, when this returns 0. */
int kt__file_settle(kt_file *f);

static inline size_t kt__file_buffered(const kt_file *f)
{
    return f->end - f->start;
}

/* A call at an offset begins: nothing is buffered. It ends with kt__file_leave. 0 or an error. */
int kt__file_begin_at(kt_file *f, const char *what, size_t count, int64_t offset, const void *site);

/* A trip's worth of the pieces' bytes behind the first `skip`, in `window`: how many pieces; 0 when nothing is
 * left. */
enum { KT__FILE_WINDOW = 64 };
int kt__file_window(const struct iovec *pieces, size_t count, size_t skip, struct iovec *window);

#endif
